/* Backward reads x and declares nothing. */
#include "base.h"

static int infer(cvy_infer *in, const void *config)
{
    int failed = base_infer(in, config);
    in->traits = 0;
    return failed;
}

BROKEN_LAYER(reads_undeclared_x, infer, base_forward, base_backward, NULL);
