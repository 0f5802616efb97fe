/* mixup: the image and another training image, added in random shares, and their targets likewise. */
#include "mixing.h"

typedef struct mixup_config {
    double alpha, p;
} mixup_config;

static const cvy_param mixup_params[] = {
    CVY_FLOAT(
        mixup_config, alpha, 0.2, 0.01, 1000,
        "the share of the image is drawn from Beta(alpha, alpha): near 0 one image is almost all, at 1 every "
        "share is as likely, large ones mix half and half"),
    CVY_ALSO("mixup_alpha beta"),
    CVY_FLOAT(mixup_config, p, 1, 0, 1, "probability of being mixed at all"),
    CVY_ALSO("probability prob rate"),
};

/* Vectors and volumes are added like images. */
static int mixup_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)host, (void)config;
    *out = *in;
    return 0;
}

static int mixup_apply(cvy_augment_call *call, const void *config)
{
    const mixup_config *c = config;
    if (!call->partner || (c->p < 1 && (double)cvy_unit(call->random) >= c->p)) {
        image_copy(call);
        return 0;
    }
    const float own = (float)mixing_beta(call->random, c->alpha), other = 1 - own;
    const int64_t n = cvy_count(call->in);
    const float *restrict x = call->x, *restrict z = call->partner;
    float *restrict y = call->y;
    for (int64_t i = 0; i < n; i++) y[i] = own * x[i] + other * z[i];
    call->share = own;
    return 0;
}

static const cvy_augment mixup_type = {
    .size = sizeof(cvy_augment), .traits = CVY_AUGMENT_MIX, .infer = mixup_infer, .apply = mixup_apply};

CVY_PLUGIN(CVY_AUGMENT, mixup, "MixUp Mixup mix_up",
           "the sum of two training samples in random shares, their targets likewise; training only. The "
           "other sample "
           "comes through the steps before, as this epoch draws them for it",
           "Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization, section 2", mixup_config,
           &mixup_type, CVY_PARAMS(mixup_params));
