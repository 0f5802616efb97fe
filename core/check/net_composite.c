/* Owns the checks of composites: what they are made of is the same every time, and works. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check/exchange.h"
#include "check/growth.h"
#include "check/net_checks.h"

/* ---- build ---- */

/* The layers that a composite is made of, as a line; shapes without the batch. */
static char *made_of(specimen *s, const layer_case *c, int64_t batch, verdict *v)
{
    errors e = {0};
    cvy_shape in[LAYER_INPUTS];
    memcpy(in, c->in, sizeof in);
    for (int i = 0; i < c->n_in; i++)
        if (batch) in[i].dim[0] = batch;
    net *n = net_one_build(s->registry, s->d->name, c->config->params, in, c->n_in, 3, &e);
    text t = {0};
    for (size_t i = 0; n && i < n->n_nodes; i++) {
        const net_node *unit = &n->nodes[i];
        if (!unit->plugin || !strncmp(unit->path, "in.", 3)) continue;
        text_printf(&t, "%s %s(", unit->path, unit->plugin->name);
        for (int k = 0; k < unit->n_in; k++) text_printf(&t, "%s%d", k ? ", " : "", unit->in[k]);
        cvy_shape y = unit->out;
        y.dim[0] = 0;
        text_add(&t, ") ");
        exchange_shape_text(&y, &t);
        text_add(&t, "; ");
    }
    verdict_errors(v, &e);
    net_free(n);
    return text_take(&t);
}

void net_composite_build(specimen *s, verdict *v)
{
    static const int64_t batches[] = {0, 1, 7, 0};
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        verdict_at(v, list->items[i].text);
        char *first = made_of(s, &list->items[i], 0, v);
        for (size_t k = 0; k < sizeof batches / sizeof *batches; k++) {
            char *again = made_of(s, &list->items[i], batches[k], v);
            if (strcmp(first, again) != 0)
                verdict_fail(v, "build makes something else %s: first \"%s\", then \"%s\"",
                             batches[k] ? "for another batch" : "the next time", first, again);
            mem_free(again);
        }
        mem_free(first);
    }
}

/* ---- gradients ---- */

/* In float, through many layers with corners, a difference can mislead: a long step crosses a corner, a short one
 * drowns in rounding. A probe agrees when that of either step does, to both sides or to one, and a tensor fails when
 * more than a fifth of its probes do not. Tolerances are of the tensor's typical gradient. */
static const float steps[] = {1e-3f, 2e-4f};
#define TOLERANCE 5e-2
#define PROBES    24  /* of a tensor */
#define PROBES_IN 160 /* a network, when its tensors are many; of each at least 5 */

static double objective(netbed *b, const float *buffers, const float *y0, verdict *v)
{
    memcpy(b->state->buffers, buffers, (size_t)b->net->buffer_floats * sizeof(float));
    b->state->version++;
    netbed_forward(b, v);
    double sum = 0;
    for (int64_t i = 0; i < b->count; i++) sum += (double)b->gy[i] * ((double)b->y[i] - (double)y0[i]);
    return sum;
}

/* What rounding alone makes of the objective: outputs in float, their errors independent of each other. A bias in front of a
 * normalisation has a gradient of 0 and differences of nothing else. */
static double rounding(const netbed *b, const float *y0)
{
    double squares = 0;
    for (int64_t i = 0; i < b->count; i++) squares += pow((double)b->gy[i] * (double)y0[i], 2);
    return 4 * 0x1p-24 * sqrt(squares);
}

static void check_tensor(netbed *b, size_t which, int64_t probes, const float *buffers, const float *y0,
                         int64_t *tried, verdict *v)
{
    const net_tensor *t = &b->net->weights[which];
    float *w = b->state->weights + t->offset;
    const float *g = b->state->gradients + t->offset;
    double squares = 0, worst = -1, found = 0, expected = 0;
    for (int64_t i = 0; i < t->count; i++) squares += (double)g[i] * (double)g[i];
    const double scale = sqrt(squares / (double)t->count) + 1e-2, noise = rounding(b, y0);
    int64_t stride = t->count > probes ? t->count / probes : 1, at = 0, n = 0, off = 0;
    for (int64_t i = 0; i < t->count; i += stride, n++) {
        float was = w[i];
        double error = INFINITY, difference = 0;
        for (size_t k = 0; k < sizeof steps / sizeof *steps && error > TOLERANCE; k++) {
            float up = was + steps[k], down = was - steps[k];
            w[i] = up;
            double right = objective(b, buffers, y0, v);
            w[i] = down;
            double left = objective(b, buffers, y0, v);
            w[i] = was;
            /* A corner on one side leaves the difference to the other: the objective is 0 in the middle. */
            const double slopes[] = {(right - left) / ((double)up - (double)down),
                                     right / ((double)up - (double)was), left / ((double)down - (double)was)};
            for (size_t side = 0; side < sizeof slopes / sizeof *slopes; side++) {
                const double wide = side ? 0.5 * ((double)up - (double)down) : (double)up - (double)down,
                             apart = fabs(slopes[side] - (double)g[i]) - noise / wide,
                             now = fmax(0, apart) / (scale + fabs(slopes[side]));
                if (now >= error) continue;
                error = now;
                difference = slopes[side];
            }
        }
        off += !(error <= TOLERANCE);
        if (error <= worst) continue;
        worst = error;
        at = i;
        found = (double)g[i];
        expected = difference;
    }
    *tried += n;
    if (off * 5 <= n || (n < 5 && off < 2)) return;
    char name[160];
    snprintf(name, sizeof name, "gradient of %s", netbed_name(b, which));
    verdict_number(v, name, at, found, expected,
                   "%" PRId64 " of %" PRId64 " gradients and differences do not agree", off, n);
}

static void check_gradients(specimen *s, bool weights, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    int64_t tried = 0;
    for (size_t i = 0; i < list->n && i < 12; i++) {
        netbed b;
        verdict_at(v, list->items[i].text);
        if (netbed_open(&b, s, &list->items[i], true, true, v)) {
            netbed_draw(&b, &list->items[i], 21);
            size_t bytes = (size_t)b.net->buffer_floats * sizeof(float), n_in = (size_t)list->items[i].n_in;
            float *buffers = mem_copy(b.state->buffers, bytes ? bytes : 1),
                  *y0 = mem_array((size_t)b.count, sizeof *y0);
            if (netbed_step(&b, v)) {
                memcpy(y0, b.y, (size_t)b.count * sizeof *y0);
                const size_t first = weights ? n_in : 0, end = weights ? b.net->n_weights : n_in;
                int64_t probes = end > first ? PROBES_IN / (int64_t)(end - first) : PROBES;
                if (probes > PROBES) probes = PROBES;
                if (probes < 5) probes = 5;
                for (size_t k = first; k < end; k++) check_tensor(&b, k, probes, buffers, y0, &tried, v);
            }
            mem_free(buffers);
            mem_free(y0);
        }
        netbed_close(&b);
    }
    verdict_note(v, "%" PRId64 " numbers in float, to %g of a typical gradient", tried, TOLERANCE);
    if (!tried && v->status == VERDICT_PASSED) verdict_skip(v, "it has no weights");
}

void net_composite_inputs(specimen *s, verdict *v)
{
    check_gradients(s, false, v);
}

void net_composite_weights(specimen *s, verdict *v)
{
    check_gradients(s, true, v);
}

/* ---- again ---- */

void net_composite_repeat(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        const layer_case *c = &list->items[i];
        netbed first, again = {0};
        verdict_at(v, c->text);
        if (netbed_open(&first, s, c, false, true, v)) {
            netbed_draw(&first, c, 22);
            netbed_step(&first, v);
            if (netbed_open(&again, s, c, false, true, v)) {
                netbed_draw(&again, c, 23);
                netbed_step(&again, v); /* something else in between */
                netbed_draw(&again, c, 22);
                netbed_step(&again, v);
                netbed_same(&again, &first, 0, v, "the same step computed again gives other numbers");
            }
            netbed_close(&again);
        }
        netbed_close(&first);
    }
}

typedef struct building {
    specimen *s;
    const layer_case *c;
    verdict *v;
} building;

static void build_once(void *ctx)
{
    const building *p = ctx;
    errors e = {0};
    net_free(net_one_build(p->s->registry, p->s->d->name, p->c->config->params, p->c->in, p->c->n_in, 3, &e));
    verdict_errors(p->v, &e);
}

typedef struct stepping {
    netbed *b;
    verdict *v;
} stepping;

static void step_once(void *ctx)
{
    const stepping *p = ctx;
    netbed_step(p->b, p->v);
}

void net_composite_growth(specimen *s, verdict *v)
{
    const layer_case *c = &layer_cases_of(s)->items[0];
    netbed b;
    verdict_at(v, c->text);
    building made = {s, c, v};
    growth_check(v, "build", build_once, &made, 200);
    if (netbed_open(&b, s, c, false, true, v)) {
        stepping p = {&b, v};
        netbed_draw(&b, c, 24);
        growth_check(v, "forward and backward", step_once, &p, 1000);
    }
    netbed_close(&b);
}
