/* AutoAugment: one of 25 pairs of operations, each operation with a probability and a magnitude that were searched for.
 *
 * Cubuk et al. 2019; the policy for CIFAR-10 is that of its appendix, table 7. Magnitudes are tenths from 0 to 9. What
 * they mean is torchvision's; moved images are interpolated bilinearly. */
#include "policy.h"

typedef struct auto_config {
    int32_t policy;
    double fill;
} auto_config;

static const char *const auto_policies[] = {"cifar10", NULL};

static const cvy_param auto_params[] = {
    CVY_ENUM(auto_config, policy, cifar10, auto_policies, "the images that it was searched for on"),
    CVY_FLOAT(auto_config, fill, 0, 0, 1, "pixels around a moved image"),
};

typedef struct auto_step {
    policy_operation operation;
    double p;
    int magnitude; /* 0 where there is none */
} auto_step;

static const auto_step auto_cifar10[25][2] = {
    {{POLICY_INVERT, 0.1, 0}, {POLICY_CONTRAST, 0.2, 6}},
    {{POLICY_ROTATE, 0.7, 2}, {POLICY_TRANSLATE_X, 0.3, 9}},
    {{POLICY_SHARPNESS, 0.8, 1}, {POLICY_SHARPNESS, 0.9, 3}},
    {{POLICY_SHEAR_Y, 0.5, 8}, {POLICY_TRANSLATE_Y, 0.7, 9}},
    {{POLICY_AUTO_CONTRAST, 0.5, 0}, {POLICY_EQUALIZE, 0.9, 0}},
    {{POLICY_SHEAR_Y, 0.2, 7}, {POLICY_POSTERIZE, 0.3, 7}},
    {{POLICY_COLOR, 0.4, 3}, {POLICY_BRIGHTNESS, 0.6, 7}},
    {{POLICY_SHARPNESS, 0.3, 9}, {POLICY_BRIGHTNESS, 0.7, 9}},
    {{POLICY_EQUALIZE, 0.6, 0}, {POLICY_EQUALIZE, 0.5, 0}},
    {{POLICY_CONTRAST, 0.6, 7}, {POLICY_SHARPNESS, 0.6, 5}},
    {{POLICY_COLOR, 0.7, 7}, {POLICY_TRANSLATE_X, 0.5, 8}},
    {{POLICY_EQUALIZE, 0.3, 0}, {POLICY_AUTO_CONTRAST, 0.4, 0}},
    {{POLICY_TRANSLATE_Y, 0.4, 3}, {POLICY_SHARPNESS, 0.2, 6}},
    {{POLICY_BRIGHTNESS, 0.9, 6}, {POLICY_COLOR, 0.2, 8}},
    {{POLICY_SOLARIZE, 0.5, 2}, {POLICY_INVERT, 0.0, 0}},
    {{POLICY_EQUALIZE, 0.2, 0}, {POLICY_AUTO_CONTRAST, 0.6, 0}},
    {{POLICY_EQUALIZE, 0.2, 0}, {POLICY_EQUALIZE, 0.6, 0}},
    {{POLICY_COLOR, 0.9, 9}, {POLICY_EQUALIZE, 0.6, 0}},
    {{POLICY_AUTO_CONTRAST, 0.8, 0}, {POLICY_SOLARIZE, 0.2, 8}},
    {{POLICY_BRIGHTNESS, 0.1, 3}, {POLICY_COLOR, 0.7, 0}},
    {{POLICY_SOLARIZE, 0.4, 5}, {POLICY_AUTO_CONTRAST, 0.9, 0}},
    {{POLICY_TRANSLATE_Y, 0.9, 9}, {POLICY_TRANSLATE_Y, 0.7, 9}},
    {{POLICY_AUTO_CONTRAST, 0.9, 0}, {POLICY_SOLARIZE, 0.8, 3}},
    {{POLICY_EQUALIZE, 0.8, 0}, {POLICY_INVERT, 0.1, 0}},
    {{POLICY_TRANSLATE_Y, 0.7, 9}, {POLICY_AUTO_CONTRAST, 0.9, 0}},
};

static int auto_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect_colours(host, in);
}

static int auto_apply(cvy_augment_call *call, const void *config)
{
    const auto_config *c = config;
    const auto_step *pair = auto_cifar10[cvy_below(call->random, 25)];
    policy p;
    if (policy_open(&p, call, c->fill)) return 1;
    for (int k = 0; k < 2; k++) {
        const double unit = (double)cvy_unit(call->random), sign = policy_sign(call->random);
        if (unit < pair[k].p) policy_apply(&p, pair[k].operation, pair[k].magnitude / 9.0, sign);
    }
    policy_close(&p);
    return 0;
}

static const cvy_augment auto_type = {.size = sizeof(cvy_augment), .infer = auto_infer, .apply = auto_apply};

CVY_PLUGIN(CVY_AUGMENT, auto_augment, "AutoAugment autoaugment",
           "AutoAugment's policy for CIFAR-10; before `normalize`, training only",
           "Cubuk et al. 2019, AutoAugment: Learning Augmentation Strategies from Data, table 7", auto_config,
           &auto_type, CVY_PARAMS(auto_params));
