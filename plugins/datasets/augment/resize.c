/* Resize: the image at another size, by bilinear interpolation; in validation and test too.
 *
 * Pixel centres lie at half numbers, y(i) = x((i + 1/2) in/out - 1/2), beyond the border the border's pixel: what
 * PyTorch calls align_corners=False. Without smoothing before: shrinking to less than half skips pixels, which
 * `smooth: true` avoids by a triangle as wide as the step, PyTorch's antialias=True. */
#include <math.h>

#include "convoy/augment.h"

typedef struct resize_config {
    int64_t size[2];
    int32_t smooth;
} resize_config;

static const cvy_param resize_params[] = {
    CVY_PAIR(resize_config, size, NULL, 1, 65536, "height and width of the result, pixels"),
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
    *out = *in;
    out->dim[1] = c->size[0];
    out->dim[2] = c->size[1];
    return 0;
}

/* The pixels along one axis that make result `i`: from `first` on `n` of them, which weigh 1 - |distance| / reach. */
typedef struct taps {
    double centre, reach;
    int64_t first, n;
} taps;

static taps taps_of(int64_t i, int64_t in, int64_t out, int32_t smooth)
{
    const double step = (double)in / (double)out;
    taps t = {((double)i + 0.5) * step - 0.5, smooth && step > 1 ? step : 1, 0, 0};
    int64_t last = (int64_t)floor(t.centre + t.reach);
    t.first = (int64_t)ceil(t.centre - t.reach);
    if (smooth) { /* a window cut at the border weighs what is left of it */
        if (t.first < 0) t.first = 0;
        if (last > in - 1) last = in - 1;
    }
    t.n = last - t.first + 1;
    return t;
}

static int64_t inside(int64_t at, int64_t in)
{
    return at < 0 ? 0 : at >= in ? in - 1 : at;
}

static double weight(const taps *t, int64_t k)
{
    const double w = 1 - fabs((double)(t->first + k) - t->centre) / t->reach;
    return w > 0 ? w : 0;
}

static int resize_apply(cvy_augment_call *call, const void *config)
{
    const resize_config *c = config;
    const int64_t channels = call->in->dim[0], h = call->in->dim[1], w = call->in->dim[2];
    const int64_t oh = call->out->dim[1], ow = call->out->dim[2];
    for (int64_t i = 0; i < oh; i++) {
        const taps v = taps_of(i, h, oh, c->smooth);
        for (int64_t j = 0; j < ow; j++) {
            const taps u = taps_of(j, w, ow, c->smooth);
            for (int64_t k = 0; k < channels; k++) {
                double sum = 0, all = 0;
                for (int64_t a = 0; a < v.n; a++)
                    for (int64_t b = 0; b < u.n; b++) {
                        const double m = weight(&v, a) * weight(&u, b);
                        sum += m *
                               (double)call->x[(k * h + inside(v.first + a, h)) * w + inside(u.first + b, w)];
                        all += m;
                    }
                call->y[(k * oh + i) * ow + j] = (float)(sum / all);
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
