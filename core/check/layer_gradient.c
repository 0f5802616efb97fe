/* Owns the comparison of backward with central differences of forward; must not know other promises. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check/layer_checks.h"

#define PROBES 32 /* elements tried of one tensor */

typedef struct probe {
    double step, tolerance, floor, kink;
} probe;

/* Where a twin computes in double, the difference is exact to about 1e-9. In float the rounding of y over the step
 * leaves about 1e-3 of what the gradients are like. */
static const probe in_double = {1e-5, 1e-5, 1, 1e-2}, in_float = {1e-2, 2e-2, 0, 1e-1};

typedef struct tally {
    int64_t tried, kinks;
} tally;

/* The buffers as they were before the first call: every forward starts from the same. */
static void restore(testbed *b, double *const *buffers)
{
    for (int i = 0; i < b->n_buffers; i++)
        memcpy(b->buffers[i].v, buffers[i], (size_t)b->buffers[i].count * sizeof(double));
}

/* sum of gy (y - y0), element by element so that what did not move cancels exactly. */
static double moved(testbed *b, double *const *buffers, const double *y0)
{
    restore(b, buffers);
    testbed_forward(b);
    double sum = 0;
    for (int64_t i = 0; i < b->y.count; i++) sum += b->y.grad[i] * (b->y.v[i] - y0[i]);
    return sum;
}

static double typical(const testbed_tensor *t)
{
    double squares = 0;
    for (int64_t i = 0; i < t->count; i++) squares += t->grad[i] * t->grad[i];
    return t->count ? sqrt(squares / (double)t->count) : 0;
}

static void check_tensor(testbed *b, testbed_tensor *t, double *const *buffers, const double *y0,
                         const probe *p, tally *n, verdict *v)
{
    int64_t stride = t->count > PROBES ? t->count / PROBES : 1;
    double scale = p->floor > 0 ? p->floor : typical(t) + 1e-3;
    bool single = b->d->real_size == sizeof(float);
    for (int64_t i = 0; i < t->count; i += stride + (stride > 1 && i % 3 == 0)) {
        double was = t->v[i], up = was + p->step, down = was - p->step;
        if (single) up = (double)(float)up, down = (double)(float)down;
        t->v[i] = up;
        double right = moved(b, buffers, y0) / (up - was);
        t->v[i] = down;
        double left = moved(b, buffers, y0) / (down - was);
        t->v[i] = was;
        double expected = (right * (up - was) - left * (down - was)) / (up - down), found = t->grad[i];
        if (!isfinite(expected)) continue; /* the check "complete" tells */
        n->tried++;
        if (fabs(right - left) > p->kink * (scale + fabs(right) + fabs(left))) {
            n->kinks++;
            continue;
        }
        if (fabs(found - expected) <= p->tolerance * (scale + fabs(expected))) continue;
        char name[120];
        snprintf(name, sizeof name, "gradient of %s", t->name);
        bool opposite = fabs(found + expected) <= p->tolerance * (scale + fabs(expected));
        verdict_number(v, name, i, found, expected,
                       "backward and central differences of forward do not agree%s",
                       opposite ? ", opposite sign" : "");
        return;
    }
}

static void check_case(specimen *s, const layer_case *c, bool weights, tally *n, verdict *v)
{
    testbed b;
    bool twin = s->twin && c->config->twin;
    if (layer_cases_bed(&b, s, c, twin, 3, v)) {
        double **buffers = arena_array(&b.memory, (size_t)b.n_buffers + 1, sizeof *buffers);
        for (int i = 0; i < b.n_buffers; i++) {
            buffers[i] = arena_array(&b.memory, (size_t)b.buffers[i].count + 1, sizeof(double));
            memcpy(buffers[i], b.buffers[i].v, (size_t)b.buffers[i].count * sizeof(double));
        }
        double *y0 = arena_array(&b.memory, (size_t)b.y.count + 1, sizeof *y0);
        testbed_forward(&b);
        memcpy(y0, b.y.v, (size_t)b.y.count * sizeof *y0);
        testbed_backward(&b);
        const probe *p = twin ? &in_double : &in_float;
        for (int i = 0; !weights && i < b.n_in; i++) check_tensor(&b, &b.x[i], buffers, y0, p, n, v);
        for (int i = 0; weights && i < b.n_weights; i++)
            check_tensor(&b, &b.weights[i], buffers, y0, p, n, v);
    }
    testbed_close(&b);
}

static void check_all(specimen *s, bool weights, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    tally n = {0, 0};
    for (size_t i = 0; i < list->n; i++) {
        verdict_at(v, list->items[i].text);
        check_case(s, &list->items[i], weights, &n, v);
    }
    if (s->twin)
        verdict_note(v, "%" PRId64 " numbers in double, to %g", n.tried - n.kinks, in_double.tolerance);
    else
        verdict_note(v, "%" PRId64 " numbers in float, to %g: check the source (SOURCE.c) for a tight bound",
                     n.tried - n.kinks, in_float.tolerance);
    if (n.kinks * 2 > n.tried)
        verdict_fail(v,
                     "at %" PRId64 " of %" PRId64
                     " places forward has a corner, so that no gradient can be measured",
                     n.kinks, n.tried);
    else if (n.tried == 0 && v->status == VERDICT_PASSED)
        verdict_skip(v, weights ? "it has no weights" : "nothing could be measured");
}

static bool backward_missing(specimen *s, verdict *v)
{
    testbed b;
    bool missing =
        layer_cases_bed(&b, s, &layer_cases_of(s)->items[0], false, 3, v) && b.traits & CVY_NO_BACKWARD;
    testbed_close(&b);
    if (missing) verdict_skip(v, "it declares CVY_NO_BACKWARD");
    return missing;
}

void layer_gradient_inputs(specimen *s, verdict *v)
{
    if (!backward_missing(s, v)) check_all(s, false, v);
}

void layer_gradient_weights(specimen *s, verdict *v)
{
    if (!backward_missing(s, v)) check_all(s, true, v);
}
