/* Cutout: squares at random places are painted over, reaching beyond the image where they do. */
#include "image.h"

typedef struct cutout_config {
    int64_t size[2], holes;
    double fill, p;
} cutout_config;

static const cvy_param cutout_params[] = {
    CVY_PAIR(cutout_config, size, "16", 1, 65536, "height and width of a hole, pixels"),
    CVY_ALSO("length mask_size"),
    CVY_INT(cutout_config, holes, 1, 1, 1000, "how many, which may overlap"),
    CVY_ALSO("n_holes num_holes n"),
    CVY_FLOAT(cutout_config, fill, 0, -1e6, 1e6,
              "value of the pixels in them; behind `normalize` 0 is the mean"),
    CVY_ALSO("value fill_value"),
    CVY_FLOAT(cutout_config, p, 1, 0, 1, "probability"),
    CVY_ALSO("probability prob"),
};

static int cutout_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect(host, in);
}

static void cutout_span(int64_t middle, int64_t length, int64_t n, int64_t *begin, int64_t *end)
{
    *begin = middle - length / 2;
    *end = *begin + length;
    if (*begin < 0) *begin = 0;
    if (*end > n) *end = n;
}

static int cutout_apply(cvy_augment_call *call, const void *config)
{
    const cutout_config *c = config;
    const int64_t h = call->in->dim[1], w = call->in->dim[2];
    image_copy(call);
    if (c->p < 1 && (double)cvy_unit(call->random) >= c->p) return 0;
    for (int64_t n = 0; n < c->holes; n++) {
        int64_t top, bottom, left, right; /* any pixel may be the middle, as in the paper's section 3.2 */
        cutout_span((int64_t)cvy_below(call->random, (uint32_t)h), c->size[0], h, &top, &bottom);
        cutout_span((int64_t)cvy_below(call->random, (uint32_t)w), c->size[1], w, &left, &right);
        for (int64_t k = 0; k < call->in->dim[0]; k++)
            for (int64_t i = top; i < bottom; i++)
                for (int64_t j = left; j < right; j++) call->y[(k * h + i) * w + j] = (float)c->fill;
    }
    return 0;
}

static const cvy_augment cutout_type = {
    .size = sizeof(cvy_augment), .infer = cutout_infer, .apply = cutout_apply};

CVY_PLUGIN(CVY_AUGMENT, cutout, "Cutout CoarseDropout coarse_dropout RandomCutout",
           "squares painted over at random places; training only",
           "DeVries & Taylor 2017, Improved Regularization of Convolutional Neural Networks with Cutout",
           cutout_config, &cutout_type, CVY_PARAMS(cutout_params));
