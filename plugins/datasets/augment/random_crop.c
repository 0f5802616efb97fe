/* Random crop: zeros around the image, then a window of it; the middle one in validation and test. */
#include <string.h>
#include "convoy/augment.h"

typedef struct crop_config {
    int64_t size[2], padding[2];
} crop_config;

static const cvy_param crop_params[] = {
    CVY_PAIR(crop_config, size, "0", 0, 65536,
             "height and width of the result, pixels; 0: those of the image"),
    CVY_ALSO("height width crop_size"),
    CVY_PAIR(crop_config, padding, "4", 0, 65536,
             "zeros added on each side before, pixels [vertical, horizontal]"),
    CVY_ALSO("pad"),
};

static int crop_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const crop_config *c = config;
    static const char *const side[] = {"high", "wide"};
    if (in->rank != 3)
        return host->fail(host, "needs images (channels, height, width), found rank %d", (int)in->rank);
    *out = *in;
    for (int i = 0; i < 2; i++) {
        int64_t have = in->dim[1 + i] + 2 * c->padding[i];
        if (c->size[i] > have)
            return host->fail(host,
                              "size: %lld is more than the padded image has, %lld pixels %s; lower size or "
                              "raise padding (now %lld)",
                              (long long)c->size[i], (long long)have, side[i], (long long)c->padding[i]);
        if (c->size[i] > 0) out->dim[1 + i] = c->size[i];
    }
    return 0;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int crop_apply(cvy_augment_call *call, const void *config)
{
    const crop_config *c = config;
    int64_t channels = call->in->dim[0], h = call->in->dim[1], w = call->in->dim[2];
    int64_t oh = call->out->dim[1], ow = call->out->dim[2];
    int64_t room_y = h + 2 * c->padding[0] - oh, room_x = w + 2 * c->padding[1] - ow;
    /* In evaluation the middle window: the same shape comes out, and without a `size` the image as it is. */
    int64_t top = call->train ? (int64_t)cvy_below(call->random, (uint32_t)room_y + 1) : room_y / 2;
    int64_t left = call->train ? (int64_t)cvy_below(call->random, (uint32_t)room_x + 1) : room_x / 2;
    top -= c->padding[0];
    left -= c->padding[1];

    int64_t begin = clamp(-left, 0, ow), end = clamp(w - left, begin, ow); /* columns of y inside the image */
    for (int64_t k = 0; k < channels; k++) {
        for (int64_t i = 0; i < oh; i++) {
            float *y = call->y + (k * oh + i) * ow;
            int64_t row = i + top;
            if (row < 0 || row >= h || begin == end) {
                memset(y, 0, sizeof *y * (size_t)ow);
                continue;
            }
            const float *x = call->x + (k * h + row) * w;
            memset(y, 0, sizeof *y * (size_t)begin);
            memcpy(y + begin, x + begin + left, sizeof *y * (size_t)(end - begin));
            memset(y + end, 0, sizeof *y * (size_t)(ow - end));
        }
    }
    return 0;
}

/* ALWAYS, since a result of another size than the image must be so in evaluation too; without a size there is nothing to do
 * there. */
static uint32_t crop_traits(const void *config)
{
    const crop_config *c = config;
    return c->size[0] || c->size[1] ? CVY_AUGMENT_ALWAYS : 0;
}

static const cvy_augment crop_type = {.size = sizeof(cvy_augment),
                                      .traits = CVY_AUGMENT_ALWAYS,
                                      .infer = crop_infer,
                                      .apply = crop_apply,
                                      .traits_of = crop_traits};

CVY_PLUGIN(CVY_AUGMENT, random_crop, "RandomCrop crop pad_crop",
           "zero padding, then a random window in training and the middle one in evaluation",
           "He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2", crop_config,
           &crop_type, CVY_PARAMS(crop_params));
