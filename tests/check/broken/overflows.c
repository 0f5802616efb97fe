/* Asks for a workspace whose size is multiplied without a look at overflow. */
#include "base.h"

typedef struct overflow_config {
    int64_t size;
} overflow_config;

static const cvy_param overflow_params[] = {
    CVY_INT(overflow_config, size, 2, 1, 1048576, "numbers of workspace for each pixel"),
};

static int infer(cvy_infer *in, const void *config)
{
    const overflow_config *c = config;
    int failed = base_infer(in, config);
    in->scratch_bytes = (int64_t)((uint64_t)c->size * 48 * (uint64_t)cvy_sample_count(&in->out));
    return failed;
}

static const cvy_layer overflow_layer = {.size = sizeof(cvy_layer),
                                         .min_in = 1,
                                         .max_in = 1,
                                         .infer = infer,
                                         .forward = base_forward,
                                         .backward = base_backward};
CVY_PLUGIN(CVY_LAYER, overflows, "", "A layer that is broken on purpose", "", overflow_config,
           &overflow_layer, CVY_PARAMS(overflow_params));
