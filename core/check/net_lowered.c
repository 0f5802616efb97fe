/* Owns the comparison of a layer's lowered form with its plain code; must not know which kernels there are. */
#include "check/net_checks.h"

/* Kernels add in another order than plain code, and fast convolutions trade some digits of the largest number. */
#define TOLERANCE 3e-4

static void check_mode(specimen *s, const layer_case *c, bool train, verdict *v)
{
    netbed fast, plain = {0};
    if (netbed_open(&fast, s, c, false, train, v) && netbed_open(&plain, s, c, true, train, v)) {
        netbed_draw(&fast, c, 20);
        netbed_draw(&plain, c, 20);
        if (train) {
            netbed_step(&fast, v);
            netbed_step(&plain, v);
        } else {
            netbed_forward(&fast, v);
            netbed_forward(&plain, v);
        }
        netbed_same(&fast, &plain, TOLERANCE, v,
                    train ? "the lowered form and plain code differ in training"
                          : "the lowered form and plain code differ in evaluation");
    }
    netbed_close(&fast);
    netbed_close(&plain);
}

/* Without a way to lower it the plan calls plain code itself: then this checks the plan's way of calling it. */
void net_lowered_check(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    const cvy_layer *l = s->d->type;
    if (!l->lower && !l->build) {
        verdict_skip(v, "it is not lowered: plain code alone");
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        verdict_at(v, list->items[i].text);
        testbed b = {0};
        bool trains = true;
        if (!l->build) {
            trains = layer_cases_bed(&b, s, &list->items[i], false, 20, v) && !(b.traits & CVY_NO_BACKWARD);
            testbed_close(&b);
        }
        if (trains) check_mode(s, &list->items[i], true, v);
        check_mode(s, &list->items[i], false, v);
    }
}
