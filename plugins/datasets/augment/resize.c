/* Resize: the image at another size, by bilinear interpolation; in validation and test too.
 *
 * Pixel centres lie at half numbers, y(i) = x((i + 1/2) in/out - 1/2), beyond the border the border's pixel: what
 * PyTorch calls align_corners=False. Without smoothing before: shrinking to less than half skips pixels, which
 * `smooth: true` avoids by a triangle as wide as the step, PyTorch's antialias=True. One number as `size` is the shorter
 * side, as in torchvision's Resize: the other keeps the proportions, cut to a whole number. */
#include <math.h>

#include "convoy/augment.h"

typedef struct resize_config {
    cvy_ints size;
    int32_t smooth;
} resize_config;

static const cvy_param resize_params[] = {
    CVY_INTS(
        resize_config, size, NULL, 1, 65536,
        "height and width of the result, pixels; one number: its shorter side, the proportions are kept"),
    CVY_ALSO("height width output_size image_size"),
    CVY_BOOL(resize_config, smooth, false,
             "average over the pixels that shrinking merges, instead of skipping some"),
    CVY_ALSO("antialias"),
};

static int resize_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const resize_config *c = config;
    if (in->rank != 3)
        return host->fail(host, "needs images (channels, height, width), found rank %d", (int)in->rank);
    if (c->size.n < 1 || c->size.n > 2)
        return host->fail(host, "size: %zu numbers; give [height, width], or one for the shorter side",
                          c->size.n);
    *out = *in;
    if (c->size.n == 2) {
        for (int i = 0; i < 2; i++) out->dim[1 + i] = c->size.v[i];
        return 0;
    }
    const int shorter = in->dim[1] <= in->dim[2] ? 1 : 2, longer = 3 - shorter;
    int64_t length;
    if (__builtin_mul_overflow(c->size.v[0], in->dim[longer], &length))
        return host->fail(host, "size: an image of %lldx%lld cannot be scaled to %lld", (long long)in->dim[1],
                          (long long)in->dim[2], (long long)c->size.v[0]);
    out->dim[shorter] = c->size.v[0];
    out->dim[longer] = length / in->dim[shorter];
    return 0;
}

/* Where result `i` lies along one axis of the image: between pixels `first` and the next, by `share` of the way. */
typedef struct spot {
    int64_t first;
    double share;
} spot;

static spot spot_of(int64_t i, int64_t in, int64_t out)
{
    const double centre = ((double)i + 0.5) * (double)in / (double)out - 0.5, first = floor(centre);
    return (spot){(int64_t)first, centre - first};
}

static int64_t inside(int64_t at, int64_t in)
{
    return at < 0 ? 0 : at >= in ? in - 1 : at;
}

static int resize_apply(cvy_augment_call *call, const void *config)
{
    const resize_config *c = config;
    const int64_t channels = call->in->dim[0], h = call->in->dim[1], w = call->in->dim[2];
    const int64_t oh = call->out->dim[1], ow = call->out->dim[2];
    if (c->smooth) return call->host->image_resize(call->host, channels, call->x, h, w, call->y, oh, ow);
    for (int64_t i = 0; i < oh; i++) {
        const spot v = spot_of(i, h, oh);
        const int64_t up = inside(v.first, h) * w, down = inside(v.first + 1, h) * w;
        for (int64_t j = 0; j < ow; j++) {
            const spot u = spot_of(j, w, ow);
            const int64_t left = inside(u.first, w), right = inside(u.first + 1, w);
            for (int64_t k = 0; k < channels; k++) {
                const float *x = call->x + k * h * w;
                const double above = (1 - u.share) * (double)x[up + left] + u.share * (double)x[up + right];
                const double below =
                    (1 - u.share) * (double)x[down + left] + u.share * (double)x[down + right];
                call->y[(k * oh + i) * ow + j] = (float)((1 - v.share) * above + v.share * below);
            }
        }
    }
    return 0;
}

static const cvy_augment resize_type = {
    .size = sizeof(cvy_augment), .traits = CVY_AUGMENT_ALWAYS, .infer = resize_infer, .apply = resize_apply};

CVY_PLUGIN(CVY_AUGMENT, resize, "Resize Rescale Resizing",
           "the image at another size by bilinear interpolation, in evaluation too", "", resize_config,
           &resize_type, CVY_PARAMS(resize_params));
