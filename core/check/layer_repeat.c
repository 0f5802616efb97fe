/* Owns the checks that a layer's results depend on its inputs alone: same bits again, no memory between calls but what
 * is declared. */
#include <math.h>

#include "check/layer_checks.h"

static void step(testbed *b)
{
    if (testbed_forward(b) && !(b->traits & CVY_NO_BACKWARD)) testbed_backward(b);
}

/* One whole step from the beginning, into b. */
static bool fresh_step(testbed *b, specimen *s, const layer_case *c, uint32_t id, verdict *v)
{
    bool ok = layer_cases_bed(b, s, c, false, id, v);
    if (ok) step(b);
    return ok;
}

void layer_repeat_bits(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        testbed first;
        verdict_at(v, list->items[i].text);
        bool ok = fresh_step(&first, s, &list->items[i], 5, v);
        for (int k = 0; ok && k < 5; k++) {
            testbed again;
            ok = fresh_step(&again, s, &list->items[i], 5, v) &&
                 testbed_same(&again, &first, true, 0, v, "the same step computed again gives other numbers");
            testbed_close(&again);
        }
        testbed_close(&first);
    }
}

/* What is left from another call must not show: forward, another layer's forward, then backward; and a whole step after
 * steps on other data and other shapes. */
static void check_hidden(specimen *s, const layer_case *c, const layer_case *other, verdict *v)
{
    testbed first, again, between;
    if (fresh_step(&first, s, c, 6, v)) {
        bool ok = layer_cases_bed(&again, s, c, false, 6, v) && testbed_forward(&again);
        if (layer_cases_bed(&between, s, c, false, 7, v)) testbed_forward(&between);
        if (ok && !(again.traits & CVY_NO_BACKWARD)) {
            testbed_backward(&again);
            ok = testbed_same(
                &again, &first, true, 0, v,
                "forward on other numbers, between forward and backward, changes the gradients: something "
                "is kept outside `saved`");
        }
        testbed_close(&again);
        testbed_close(&between);
        if (fresh_step(&between, s, other, 8, v)) step(&between);
        testbed_close(&between);
        if (ok && fresh_step(&again, s, c, 6, v))
            testbed_same(
                &again, &first, true, 0, v,
                "a step gives other numbers after steps on other data: something is kept between calls");
        testbed_close(&again); /* closed twice does no harm */
    }
    testbed_close(&first);
}

void layer_repeat_hidden(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        verdict_at(v, list->items[i].text);
        check_hidden(s, &list->items[i], &list->items[(i + 1) % list->n], v);
    }
}

/* Three steps in a row, and the third after the buffers of the second were taken to a new instance, as a checkpoint
 * does. */
void layer_repeat_buffers(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    bool any = false;
    for (size_t i = 0; i < list->n; i++) {
        testbed straight, resumed;
        verdict_at(v, list->items[i].text);
        if (layer_cases_bed(&straight, s, &list->items[i], false, 9, v) && straight.n_buffers) {
            any = true;
            testbed_reset(&straight);
            step(&straight);
            step(&straight);
            if (layer_cases_bed(&resumed, s, &list->items[i], false, 9, v)) {
                testbed_copy(&resumed, &straight);
                step(&straight);
                step(&resumed);
                testbed_same(&resumed, &straight, true, 0, v,
                             "after saving and restoring the buffers training goes on differently");
            }
            testbed_close(&resumed);
        }
        testbed_close(&straight);
    }
    if (!any && v->status == VERDICT_PASSED) verdict_skip(v, "it has no buffers");
}

void layer_repeat_twin(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    if (!s->twin) {
        verdict_skip(v, "it has no double twin");
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        testbed f, d;
        const layer_case *c = &list->items[i];
        verdict_at(v, c->text);
        if (!c->config->twin) {
            verdict_fail(v, "the double twin refuses this configuration");
            continue;
        }
        bool ok = layer_cases_bed(&f, s, c, false, 10, v);
        ok = layer_cases_bed(&d, s, c, true, 10, v) && ok;
        if (ok) {
            if (f.traits != d.traits || f.n_weights != d.n_weights || f.n_buffers != d.n_buffers)
                verdict_fail(v, "the double twin declares other traits, weights or buffers");
            else
                step(&f), step(&d), testbed_same(&f, &d, true, 2e-3, v, "float and its double twin differ");
        }
        testbed_close(&f);
        testbed_close(&d);
    }
}
