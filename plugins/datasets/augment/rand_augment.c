/* RandAugment: n operations drawn with equal chances from fourteen, all of one magnitude.
 *
 * Cubuk et al. 2020, figure 2. The operations and what a magnitude means are torchvision's; moved images are
 * interpolated bilinearly. */
#include "policy.h"

typedef struct rand_config {
    int64_t n;
    double magnitude, fill;
} rand_config;

enum { RAND_MAGNITUDE_MAX = 30 };

static const cvy_param rand_params[] = {
    CVY_INT(rand_config, n, 2, 0, 100, "operations, one after the other"),
    CVY_ALSO("N num_ops num_layers"),
    CVY_FLOAT(rand_config, magnitude, 9, 0, RAND_MAGNITUDE_MAX, "strength of all of them, 0 to 30"),
    CVY_ALSO("M m"),
    CVY_FLOAT(rand_config, fill, 0, 0, 1, "pixels around a moved image"),
};

static int rand_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect_colours(host, in);
}

static int rand_apply(cvy_augment_call *call, const void *config)
{
    const rand_config *c = config;
    policy p;
    if (policy_open(&p, call, c->fill)) return 1;
    for (int64_t k = 0; k < c->n; k++) {
        const policy_operation operation = (policy_operation)cvy_below(call->random, POLICY_RAND_COUNT);
        policy_apply(&p, operation, c->magnitude / RAND_MAGNITUDE_MAX, policy_sign(call->random));
    }
    policy_close(&p);
    return 0;
}

static const cvy_augment rand_type = {.size = sizeof(cvy_augment), .infer = rand_infer, .apply = rand_apply};

CVY_PLUGIN(
    CVY_AUGMENT, rand_augment, "RandAugment randaugment rand_aug",
    "n random operations of one magnitude; before `normalize`, training only",
    "Cubuk et al. 2020, RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
    rand_config, &rand_type, CVY_PARAMS(rand_params));
