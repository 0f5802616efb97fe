/* CutMix: a rectangle of the image is replaced by the same one of another training image, and the targets are mixed as
 * the areas are. */
#include "mixing.h"

typedef struct cutmix_config {
    double alpha, p;
} cutmix_config;

static const cvy_param cutmix_params[] = {
    CVY_FLOAT(cutmix_config, alpha, 1, 0.01, 1000,
              "the share of the image's area that stays is drawn from Beta(alpha, alpha), before the "
              "rectangle is cut "
              "off at the edges"),
    CVY_ALSO("cutmix_alpha beta"),
    CVY_FLOAT(cutmix_config, p, 0.5, 0, 1, "probability of being mixed at all"),
    CVY_ALSO("probability prob cutmix_prob rate"),
};

static int cutmix_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect(host, in);
}

/* The part of [0, size) within `length` around `middle`. */
static void cutmix_side(int64_t middle, int64_t length, int64_t size, int64_t *begin, int64_t *end)
{
    *begin = middle - length / 2;
    *end = middle + length / 2;
    if (*begin < 0) *begin = 0;
    if (*end > size) *end = size;
}

/* Equation 1 and algorithm 1 of the paper: sides of sqrt(1 - share) of the image's, the middle anywhere, both sides even. */
static int cutmix_apply(cvy_augment_call *call, const void *config)
{
    const cutmix_config *c = config;
    image_copy(call);
    if (!call->partner || (c->p < 1 && (double)cvy_unit(call->random) >= c->p)) return 0;
    const int64_t channels = call->in->dim[0], h = call->in->dim[1], w = call->in->dim[2];
    const double cut = sqrt(1 - mixing_beta(call->random, c->alpha));
    const int64_t row = cvy_below(call->random, (uint32_t)h), column = cvy_below(call->random, (uint32_t)w);
    int64_t top, bottom, left, right;
    cutmix_side(row, (int64_t)(cut * (double)h), h, &top, &bottom);
    cutmix_side(column, (int64_t)(cut * (double)w), w, &left, &right);
    if (bottom <= top || right <= left) return 0;
    for (int64_t k = 0; k < channels; k++)
        for (int64_t i = top; i < bottom; i++) {
            const int64_t at = (k * h + i) * w + left;
            memcpy(call->y + at, call->partner + at, sizeof *call->y * (size_t)(right - left));
        }
    call->share = (float)(1 - (double)((bottom - top) * (right - left)) / (double)(h * w));
    return 0;
}

static const cvy_augment cutmix_type = {
    .size = sizeof(cvy_augment), .traits = CVY_AUGMENT_MIX, .infer = cutmix_infer, .apply = cutmix_apply};

CVY_PLUGIN(
    CVY_AUGMENT, cutmix, "CutMix Cutmix cut_mix",
    "a random rectangle replaced by that of another training sample, targets mixed as the areas are; "
    "training "
    "only. The other sample comes through the steps before, as this epoch draws them for it",
    "Yun et al. 2019, CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, "
    "section 3.1",
    cutmix_config, &cutmix_type, CVY_PARAMS(cutmix_params));
