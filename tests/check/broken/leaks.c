/* Forward does not give back 48 bytes. */
#include "base.h"

static int forward(const cvy_plain *call, const void *config)
{
    char *volatile lost = malloc(48);
    if (lost) lost[0] = 1;
    return base_forward(call, config);
}

BROKEN_LAYER(leaks, base_infer, forward, base_backward, NULL);
