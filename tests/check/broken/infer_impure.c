/* Infer asks for another amount of scratch memory every other time. */
#include "base.h"

static int infer(cvy_infer *in, const void *config)
{
    static int calls;
    int failed = base_infer(in, config);
    in->scratch_bytes = calls++ % 2 ? 64 : 128;
    return failed;
}

BROKEN_LAYER(infer_impure, infer, base_forward, base_backward, NULL);
