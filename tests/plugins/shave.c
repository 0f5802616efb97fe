/* Shave: takes the first row off, in training alone, for tests of shapes that training and evaluation do not share. */
#include <string.h>

#include "convoy/augment.h"

static int shave_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    if (in->rank != 3 || in->dim[1] < 2) return host->fail(host, "needs images of two rows");
    *out = *in;
    out->dim[1]--;
    return 0;
}

static int shave_apply(cvy_augment_call *call, const void *config)
{
    const int64_t h = call->in->dim[1], w = call->in->dim[2];
    (void)config;
    for (int64_t c = 0; c < call->in->dim[0]; c++)
        memcpy(call->y + c * (h - 1) * w, call->x + (c * h + 1) * w, sizeof *call->y * (size_t)((h - 1) * w));
    return 0;
}

static const cvy_augment shave_type = {
    .size = sizeof(cvy_augment), .infer = shave_infer, .apply = shave_apply};

CVY_PLUGIN(CVY_AUGMENT, shave, "", "images without their first row, in training alone", "", cvy_no_config,
           &shave_type, CVY_NO_PARAMS);
