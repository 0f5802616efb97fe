/* Owns the checks of backward's contract: what it must not touch, need or leave. Must not know what the right numbers
 * are. */
#include "check/layer_checks.h"

/* A testbed run forward and backward as the product does, to compare with; false when there is no backward. */
static bool reference(testbed *b, specimen *s, const layer_case *c, uint32_t id, verdict *v)
{
    if (!layer_cases_bed(b, s, c, false, id, v) || b->traits & CVY_NO_BACKWARD) return false;
    return testbed_forward(b) && testbed_backward(b);
}

typedef void compare_fn(specimen *s, const layer_case *c, testbed *expected, verdict *v);

static void each_case(specimen *s, verdict *v, compare_fn *fn)
{
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        testbed expected;
        verdict_at(v, list->items[i].text);
        if (reference(&expected, s, &list->items[i], 4, v)) fn(s, &list->items[i], &expected, v);
        testbed_close(&expected);
    }
}

/* ---- gradients that are not wanted ---- */

static void without(testbed *b, int i, bool unwanted)
{
    if (i < b->n_in)
        b->x[i].unwanted = unwanted;
    else
        b->weights[i - b->n_in].unwanted = unwanted;
}

static void compare_unwanted(specimen *s, const layer_case *c, testbed *expected, verdict *v)
{
    testbed b;
    if (layer_cases_bed(&b, s, c, false, 4, v) && testbed_forward(&b)) {
        int n = b.n_in + b.n_weights;
        /* Each alone missing, then each alone wanted, then none. */
        for (int k = 0; k <= 2 * n; k++) {
            for (int i = 0; i < n; i++) without(&b, i, k < n ? i == k : k < 2 * n ? i != k - n : true);
            if (!testbed_backward(&b)) verdict_fail(v, "backward fails when a gradient is not wanted (NULL)");
            if (!testbed_same(&b, expected, true, 0, v,
                              "a gradient changes when another is not wanted (NULL)"))
                break;
        }
    }
    testbed_report(&b, v, 1u << BREACH_BOUNDS);
    testbed_close(&b);
}

void layer_backward_unwanted(specimen *s, verdict *v)
{
    each_case(s, v, compare_unwanted);
}

/* ---- overwriting and adding ---- */

static void compare_overwrite(specimen *s, const layer_case *c, testbed *expected, verdict *v)
{
    testbed b;
    bool adds = expected->traits & CVY_ACCUMULATES;
    if (layer_cases_bed(&b, s, c, false, 4, v) && testbed_forward(&b)) {
        b.fill = GUARDED_THREE;
        testbed_backward(&b);
        testbed_tensor *all[2] = {b.x, b.weights};
        int n[2] = {b.n_in, b.n_weights};
        for (int k = 0; adds && k < 2; k++)
            for (int i = 0; i < n[k]; i++)
                for (int64_t m = 0; m < all[k][i].count; m++) all[k][i].grad[m] -= 3;
        testbed_same(&b, expected, true, adds ? 1e-5 : 0, v,
                     adds ? "backward declares CVY_ACCUMULATES and does not add to what the gradient held"
                          : "backward does not overwrite what the gradient held before (CVY_ACCUMULATES is "
                            "not declared)");
    }
    testbed_close(&b);
}

void layer_backward_overwrite(specimen *s, verdict *v)
{
    each_case(s, v, compare_overwrite);
}

/* ---- inputs and outputs that it did not declare ---- */

static void compare_undeclared(specimen *s, const layer_case *c, testbed *expected, verdict *v)
{
    static const struct {
        uint32_t trait;
        const char *what;
    } all[] = {{CVY_READS_X, "backward reads x without declaring CVY_READS_X: what it gets there is not x"},
               {CVY_READS_Y, "backward reads y without declaring CVY_READS_Y: what it gets there is not y"}};
    for (int i = 0; i < 2; i++) {
        testbed b;
        if (expected->traits & all[i].trait) continue;
        if (layer_cases_bed(&b, s, c, false, 4, v) && testbed_forward(&b)) {
            b.poison = all[i].trait;
            testbed_backward(&b);
            testbed_same(&b, expected, true, 0, v, all[i].what);
        }
        testbed_close(&b);
    }
}

void layer_backward_undeclared(specimen *s, verdict *v)
{
    each_case(s, v, compare_undeclared);
}

/* ---- in place ---- */

static void compare_in_place(specimen *s, const layer_case *c, testbed *expected, verdict *v)
{
    testbed b;
    if (!(expected->traits & CVY_IN_PLACE)) return;
    if (layer_cases_bed(&b, s, c, false, 4, v)) {
        b.in_place = true;
        testbed_forward(&b);
        testbed_backward(&b);
        testbed_same(
            &b, expected, true, 0, v,
            "declares CVY_IN_PLACE and computes something else when y is the array of x, or gx that of gy");
        testbed_report(&b, v, TESTBED_ALL & ~(1u << BREACH_CONSTANT));
    }
    testbed_close(&b);
}

void layer_backward_in_place(specimen *s, verdict *v)
{
    testbed b;
    bool declared =
        layer_cases_bed(&b, s, &layer_cases_of(s)->items[0], false, 4, v) && b.traits & CVY_IN_PLACE;
    testbed_close(&b);
    if (declared)
        each_case(s, v, compare_in_place);
    else
        verdict_skip(v, "CVY_IN_PLACE is not declared");
}
