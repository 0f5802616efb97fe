/* Horizontal flip: mirrors the image left to right with a given probability. */
#include <string.h>
#include "convoy/augment.h"

typedef struct flip_config {
    double p;
} flip_config;

static const cvy_param flip_params[] = {
    CVY_FLOAT(flip_config, p, 0.5, 0, 1, "probability"),
    CVY_ALSO("probability prob"),
};

static int flip_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    if (in->rank != 3)
        return host->fail(host, "needs images (channels, height, width), found rank %d", (int)in->rank);
    *out = *in;
    return 0;
}

static void mirror(const float *restrict x, float *restrict y, int64_t rows, int64_t w)
{
    for (int64_t r = 0; r < rows; r++, x += w, y += w)
        for (int64_t i = 0; i < w; i++) y[i] = x[w - 1 - i];
}

static int flip_apply(cvy_augment_call *call, const void *config)
{
    const flip_config *c = config;
    if ((double)cvy_unit(call->random) < c->p)
        mirror(call->x, call->y, call->in->dim[0] * call->in->dim[1], call->in->dim[2]);
    else
        memcpy(call->y, call->x, sizeof *call->y * (size_t)cvy_count(call->in));
    return 0;
}

static const cvy_augment flip_type = {sizeof(cvy_augment), 0, flip_infer, flip_apply};

CVY_PLUGIN(CVY_AUGMENT, horizontal_flip, "RandomHorizontalFlip RandomFlip random_flip flip hflip mirror",
           "left and right exchanged with probability p; training only", "", flip_config, &flip_type,
           CVY_PARAMS(flip_params));
