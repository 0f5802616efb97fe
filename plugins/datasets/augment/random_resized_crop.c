/* Random resized crop: a window of random size and shape at a random place, brought to one size; in evaluation the
 * largest middle window of the result's shape.
 *
 * The training of GoogLeNet (Szegedy et al. 2015, section 6), drawn as torchvision's RandomResizedCrop draws it: ten
 * times a share of the area, uniform on `scale`, and a ratio of width to height, uniform as a logarithm on `ratio`; the
 * first window that fits is taken, and when none does, the largest one in the middle within `ratio`. */
#include <stdlib.h>

#include "image.h"

typedef struct resized_config {
    int64_t size[2];
    cvy_floats scale, ratio;
    int32_t smooth;
} resized_config;

static const cvy_param resized_params[] = {
    CVY_PAIR(resized_config, size, "0", 0, 65536,
             "height and width of the result, pixels; 0: those of the image"),
    CVY_ALSO("height width output_size"),
    CVY_FLOATS(resized_config, scale, "[0.08, 1]", 1e-4, 1,
               "the window's share of the image's area, [smallest, largest]"),
    CVY_ALSO("area crop_area_factor min_scale"),
    CVY_FLOATS(resized_config, ratio, "[0.75, 1.3333333333333333]", 0.01, 100,
               "the window's width over its height, [smallest, largest]"),
    CVY_ALSO("aspect_ratio aspect_ratio_factor"),
    CVY_BOOL(resized_config, smooth, true,
             "average over the pixels that shrinking merges, instead of skipping some"),
    CVY_ALSO("antialias"),
};

static int resized_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const resized_config *c = config;
    if (image_expect(host, in) || image_expect_two(host, "scale", &c->scale) ||
        image_expect_two(host, "ratio", &c->ratio))
        return 1;
    *out = *in;
    for (int i = 0; i < 2; i++)
        if (c->size[i] > 0) out->dim[1 + i] = c->size[i];
    return 0;
}

/* ---- the window ---- */

typedef struct resized_window {
    int64_t top, left, h, w;
} resized_window;

/* The largest window in the middle whose width over height is within [least, most]. */
static resized_window resized_middle(int64_t h, int64_t w, double least, double most)
{
    resized_window v = {0, 0, h, w};
    const double ratio = (double)w / (double)h;
    if (ratio < least) v.h = (int64_t)rint((double)w / least);
    if (ratio > most) v.w = (int64_t)rint((double)h * most);
    v.h = v.h < 1 ? 1 : v.h > h ? h : v.h;
    v.w = v.w < 1 ? 1 : v.w > w ? w : v.w;
    v.top = (h - v.h) / 2;
    v.left = (w - v.w) / 2;
    return v;
}

static resized_window resized_draw(cvy_random *random, const resized_config *c, int64_t h, int64_t w)
{
    for (int i = 0; i < 10; i++) {
        const double area = (double)h * (double)w * image_draw(random, &c->scale, 0, 0);
        const double ratio = image_draw_ratio(random, &c->ratio);
        resized_window v = {0, 0, (int64_t)rint(sqrt(area / ratio)), (int64_t)rint(sqrt(area * ratio))};
        if (v.h < 1 || v.h > h || v.w < 1 || v.w > w) continue;
        v.top = (int64_t)cvy_below(random, (uint32_t)(h - v.h) + 1);
        v.left = (int64_t)cvy_below(random, (uint32_t)(w - v.w) + 1);
        return v;
    }
    return resized_middle(h, w, c->ratio.v[0], c->ratio.v[1]);
}

/* ---- resizing, one axis after the other ---- */

/* Result i along an axis is the sum of weight[i * most + k] times the window's pixel first[i] + k. */
typedef struct resized_axis {
    int64_t most, *first, *n;
    float *weight;
} resized_axis;

static int64_t resized_most(int64_t in, int64_t out, int32_t smooth)
{
    return smooth && in > out ? 2 * ((in + out - 1) / out) + 1 : 2;
}

/* Triangles around the centres ((i + 1/2) in/out - 1/2), those of `resize`. */
static void resized_weigh(resized_axis *a, int64_t in, int64_t out, int32_t smooth)
{
    const double step = (double)in / (double)out, reach = smooth && step > 1 ? step : 1;
    for (int64_t i = 0; i < out; i++) {
        double centre = ((double)i + 0.5) * step - 0.5, sum = 0;
        if (!(reach > 1)) centre = centre < 0 ? 0 : centre > (double)(in - 1) ? (double)(in - 1) : centre;
        int64_t first = (int64_t)floor(centre - reach) + 1, last = (int64_t)ceil(centre + reach) - 1;
        first = first < 0 ? 0 : first;
        last = last > in - 1 ? in - 1 : last;
        if (last - first >= a->most) last = first + a->most - 1;
        a->first[i] = first;
        a->n[i] = last - first + 1;
        for (int64_t k = first; k <= last; k++) sum += 1 - fabs((double)k - centre) / reach;
        for (int64_t k = first; k <= last; k++)
            a->weight[i * a->most + k - first] = (float)((1 - fabs((double)k - centre) / reach) / sum);
    }
}

static int resized_axis_open(resized_axis *a, int64_t in, int64_t out, int32_t smooth)
{
    a->most = resized_most(in, out, smooth);
    a->first = malloc((size_t)out * 2 * sizeof *a->first);
    a->weight = malloc((size_t)out * (size_t)a->most * sizeof *a->weight);
    if (!a->first || !a->weight) return 1;
    a->n = a->first + out;
    resized_weigh(a, in, out, smooth);
    return 0;
}

static void resized_axis_close(resized_axis *a)
{
    free(a->first);
    free(a->weight);
}

static void resized_rows(const cvy_augment_call *call, const resized_window *v, const resized_axis *down,
                         const resized_axis *across, float *restrict row)
{
    const int64_t h = call->in->dim[1], w = call->in->dim[2], oh = call->out->dim[1], ow = call->out->dim[2];
    for (int64_t k = 0; k < call->in->dim[0]; k++)
        for (int64_t i = 0; i < oh; i++) {
            memset(row, 0, sizeof *row * (size_t)v->w);
            for (int64_t t = 0; t < down->n[i]; t++) {
                const float *x = call->x + (k * h + v->top + down->first[i] + t) * w + v->left;
                const float weight = down->weight[i * down->most + t];
                for (int64_t j = 0; j < v->w; j++) row[j] += weight * x[j];
            }
            float *y = call->y + (k * oh + i) * ow;
            for (int64_t j = 0; j < ow; j++) {
                const float *from = row + across->first[j], *weight = across->weight + j * across->most;
                float sum = 0;
                for (int64_t t = 0; t < across->n[j]; t++) sum += weight[t] * from[t];
                y[j] = sum;
            }
        }
}

static int resized_apply(cvy_augment_call *call, const void *config)
{
    const resized_config *c = config;
    const int64_t h = call->in->dim[1], w = call->in->dim[2], oh = call->out->dim[1], ow = call->out->dim[2];
    const double shape = (double)ow / (double)oh;
    const resized_window v =
        call->train ? resized_draw(call->random, c, h, w) : resized_middle(h, w, shape, shape);
    resized_axis down = {0}, across = {0};
    float *row = malloc(sizeof *row * (size_t)v.w);
    const int short_of_memory = resized_axis_open(&down, v.h, oh, c->smooth) ||
                                resized_axis_open(&across, v.w, ow, c->smooth) || !row;
    if (!short_of_memory) resized_rows(call, &v, &down, &across, row);
    free(row);
    resized_axis_close(&down);
    resized_axis_close(&across);
    return short_of_memory ? cvy_fail(call, "not enough memory to resize %lldx%lld pixels", (long long)v.h,
                                      (long long)v.w)
                           : 0;
}

static const cvy_augment resized_type = {.size = sizeof(cvy_augment),
                                         .traits = CVY_AUGMENT_ALWAYS,
                                         .infer = resized_infer,
                                         .apply = resized_apply};

CVY_PLUGIN(CVY_AUGMENT, random_resized_crop, "RandomResizedCrop RandomSizedCrop inception_crop resized_crop",
           "a random window of random size, resized; in evaluation the largest middle one of that shape",
           "Szegedy et al. 2015, Going Deeper with Convolutions, section 6", resized_config, &resized_type,
           CVY_PARAMS(resized_params));
