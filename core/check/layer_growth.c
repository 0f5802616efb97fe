/* Owns the check that a layer gives back what it allocates. */
#include "check/growth.h"
#include "check/layer_checks.h"

typedef struct stepping {
    specimen *s;
    const layer_case *c;
    verdict *v;
} stepping;

static void whole_life(void *ctx)
{
    const stepping *p = ctx;
    testbed b;
    if (layer_cases_bed(&b, p->s, p->c, false, 14, p->v) && testbed_forward(&b) &&
        !(b.traits & CVY_NO_BACKWARD))
        testbed_backward(&b);
    testbed_close(&b);
}

void layer_growth_check(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    stepping p = {s, &list->items[0], v};
    verdict_at(v, p.c->text);
    growth_check(v, "infer, forward and backward", whole_life, &p, 1000);
}
