/* Configurations and input shapes that a layer accepts: small, odd, single pixels, a batch of one. */
#ifndef CHECK_LAYER_CASES_H
#define CHECK_LAYER_CASES_H

#include "check/testbed.h"

#define LAYER_INPUTS 4

typedef struct layer_case {
    const specimen_config *config;
    cvy_shape in[LAYER_INPUTS];
    int n_in;
    bool tried;    /* `positive` is known */
    bool positive; /* inputs above 0, since others give no finite numbers */
    const char *text;
} layer_case;

typedef struct layer_cases {
    layer_case *items;
    size_t n;
} layer_cases;

/* Made at the first call; the first case is the plainest. */
const layer_cases *layer_cases_of(specimen *s);
bool layer_cases_composite(const specimen *s);
/* A testbed ready for the case, its tensors drawn from `id`; false after telling. Close it either way. */
bool layer_cases_bed(testbed *b, const specimen *s, const layer_case *c, bool twin, uint32_t id, verdict *v);
/* The check "cases": whether anything is accepted at all. */
void layer_cases_check(specimen *s, verdict *v);

#endif
