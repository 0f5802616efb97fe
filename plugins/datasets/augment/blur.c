/* Blur: smooths the image by a Gaussian of random width, mirrored at the borders; torchvision's GaussianBlur. */
#include <stdlib.h>

#include "image.h"

typedef struct blur_config {
    int64_t kernel;
    cvy_floats sigma;
} blur_config;

enum { BLUR_KERNEL_MAX = 255 };

static const cvy_param blur_params[] = {
    CVY_INT(blur_config, kernel, 3, 1, BLUR_KERNEL_MAX, "side of the kernel, pixels, odd"),
    CVY_ALSO("kernel_size blur_limit"),
    CVY_FLOATS(blur_config, sigma, "[0.1, 2]", 1e-3, 1e3,
               "standard deviation of the Gaussian, pixels, [smallest, largest]"),
    CVY_ALSO("std radius"),
};

static int blur_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const blur_config *c = config;
    if (image_expect(host, in) || image_expect_two(host, "sigma", &c->sigma)) return 1;
    if (c->kernel % 2 == 0)
        return host->fail(host, "kernel: %lld is even and has no middle; give an odd one",
                          (long long)c->kernel);
    const int64_t least = in->dim[1] < in->dim[2] ? in->dim[1] : in->dim[2];
    if (c->kernel / 2 >= least)
        return host->fail(
            host,
            "kernel: %lld reaches %lld pixels beyond the border, where images of %lldx%lld have "
            "only %lld to mirror; lower kernel",
            (long long)c->kernel, (long long)(c->kernel / 2), (long long)in->dim[1], (long long)in->dim[2],
            (long long)least - 1);
    *out = *in;
    return 0;
}

/* d c b | a b c d | c b a */
static int64_t blur_mirror(int64_t i, int64_t n)
{
    return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

/* `row` holds a row of the image with half a kernel on both sides. */
static void blur_plane(const float *x, float *y, int64_t h, int64_t w, const float *weight, int64_t half,
                       float *restrict row)
{
    for (int64_t i = 0; i < h; i++, y += w) {
        memset(row + half, 0, sizeof *row * (size_t)w);
        for (int64_t t = -half; t <= half; t++) {
            const float *from = x + blur_mirror(i + t, h) * w, m = weight[t + half];
            for (int64_t j = 0; j < w; j++) row[half + j] += m * from[j];
        }
        for (int64_t t = 1; t <= half; t++) {
            row[half - t] = row[half + t];
            row[half + w - 1 + t] = row[half + w - 1 - t];
        }
        memset(y, 0, sizeof *y * (size_t)w);
        for (int64_t t = 0; t <= 2 * half; t++)
            for (int64_t j = 0; j < w; j++) y[j] += weight[t] * row[t + j];
    }
}

static int blur_apply(cvy_augment_call *call, const void *config)
{
    const blur_config *c = config;
    const int64_t h = call->in->dim[1], w = call->in->dim[2], half = c->kernel / 2;
    const double sigma = image_uniform(call->random, c->sigma.v[0], c->sigma.v[1]);
    float weight[BLUR_KERNEL_MAX];
    double sum = 0;
    for (int64_t t = -half; t <= half; t++) sum += exp(-0.5 * (double)(t * t) / (sigma * sigma));
    for (int64_t t = -half; t <= half; t++)
        weight[t + half] = (float)(exp(-0.5 * (double)(t * t) / (sigma * sigma)) / sum);
    float *row = malloc(sizeof *row * (size_t)(w + 2 * half));
    if (!row) return cvy_fail(call, "not enough memory for a row of %lld pixels", (long long)w);
    for (int64_t k = 0; k < call->in->dim[0]; k++)
        blur_plane(call->x + k * h * w, call->y + k * h * w, h, w, weight, half, row);
    free(row);
    return 0;
}

static const cvy_augment blur_type = {.size = sizeof(cvy_augment), .infer = blur_infer, .apply = blur_apply};

CVY_PLUGIN(CVY_AUGMENT, blur, "GaussianBlur gaussian_blur RandomGaussianBlur smooth",
           "smoothed by a Gaussian of random width; training only", "", blur_config, &blur_type,
           CVY_PARAMS(blur_params));
