/* Owns the choice of cases for a layer; must not know what is checked in them. */
#include "check/layer_cases.h"

#include <string.h>

#include "check/exchange.h"
#include "graph/net_one.h"

#define CASES_MAX 40

#define MAPS(n, c, h, w)     \
    {                        \
        4,                   \
        {                    \
            n, c, h, w, 0, 0 \
        }                    \
    }

static const cvy_shape shapes[] = {
    MAPS(2, 4, 5, 7), MAPS(1, 4, 1, 1), MAPS(3, 6, 4, 4),     MAPS(2, 16, 6, 5),
    {2, {3, 5}},      {2, {1, 1}},      {2, {4, 16}},         MAPS(1, 3, 9, 8),
    {3, {2, 3, 6}},   MAPS(2, 1, 3, 8), {5, {2, 2, 3, 4, 3}}, {1, {4}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

bool layer_cases_composite(const specimen *s)
{
    return ((const cvy_layer *)s->d->type)->build != NULL;
}

static bool accepts_composite(specimen *s, const layer_case *c)
{
    errors quiet = {0};
    net *n = net_one_build(s->registry, s->d->name, c->config->params, c->in, c->n_in, 3, &quiet);
    bool ok = n && n->macs * c->in[0].dim[0] < 4000000 && n->weight_floats < 400000;
    net_free(n);
    errors_free(&quiet);
    return ok;
}

static bool accepts(specimen *s, const layer_case *c)
{
    if (layer_cases_composite(s)) return accepts_composite(s, c);
    testbed b;
    testbed_open(&b, s, c->config, false);
    bool ok = testbed_infer(&b, c->in, c->n_in);
    int64_t batch = c->in[0].dim[0], floats = ok ? b.y.count : 0;
    for (int i = 0; ok && i < b.n_weights; i++) floats += b.weights[i].count;
    if (floats > 200000 || (ok && b.macs * batch > 4000000)) ok = false;
    testbed_close(&b);
    return ok;
}

static void add_case(specimen *s, layer_cases *list, layer_case *c)
{
    text t = {0};
    text_printf(&t, "%s on ", c->config->text);
    for (int i = 0; i < c->n_in; i++) {
        if (i) text_add(&t, ", ");
        exchange_shape_text(&c->in[i], &t);
    }
    c->text = arena_text(&s->memory, text_str(&t));
    text_free(&t);
    list->items[list->n++] = *c;
}

/* Tries one configuration on shapes from `first` on; takes up to `most` cases. */
static void try_shapes(specimen *s, layer_cases *list, const specimen_config *config, size_t first, int most)
{
    const cvy_layer *l = s->d->type;
    int least = l->min_in > 1 ? l->min_in : 1, taken = 0;
    layer_case c = {.config = config};
    if (s->n_shapes) {
        c.n_in = s->n_shapes > 1 ? s->n_shapes : least < LAYER_INPUTS ? least : LAYER_INPUTS;
        for (int i = 0; i < c.n_in; i++) c.in[i] = s->shapes[s->n_shapes > 1 ? i : 0];
        if (list->n < CASES_MAX && accepts(s, &c)) add_case(s, list, &c);
        return; /* what the author names is meant */
    }
    for (size_t k = 0; k < SHAPES; k++) {
        c.n_in = least;
        /* A layer of several inputs sometimes gets one more than it must have. */
        if ((l->max_in < 0 || l->max_in > least) && k % 2) c.n_in++;
        if (c.n_in > LAYER_INPUTS) return;
        for (int i = 0; i < c.n_in; i++) c.in[i] = shapes[(first + k) % SHAPES];
        if (taken == most || list->n == CASES_MAX) return;
        if (!accepts(s, &c)) continue;
        add_case(s, list, &c);
        taken++;
    }
}

const layer_cases *layer_cases_of(specimen *s)
{
    if (s->cases) return s->cases;
    specimen_configure(s);
    s->cases = arena_alloc(&s->memory, sizeof *s->cases);
    s->cases->items = arena_array(&s->memory, CASES_MAX + 1, sizeof *s->cases->items);
    for (size_t i = 0; i < s->n_configs; i++)
        try_shapes(s, s->cases, &s->configs[i], i ? i : 0, i ? 2 : SHAPES);
    return s->cases;
}

/* Whether the layer needs inputs above 0, as a logarithm does; found by trying, once, and not before a check runs that
 * can tell of a crash. */
static void try_domain(const specimen *s, const layer_case *c)
{
    layer_case *own = &s->cases->items[c - s->cases->items];
    testbed b;
    verdict unheard = {0};
    own->tried = true;
    testbed_open(&b, s, c->config, false);
    if (testbed_infer(&b, c->in, c->n_in)) {
        testbed_draw(&b, 1, false);
        testbed_forward(&b);
        testbed_report(&b, &unheard, 1u << BREACH_NUMBER);
        own->positive = unheard.total > 0;
    }
    verdict_free(&unheard);
    testbed_close(&b);
}

bool layer_cases_bed(testbed *b, const specimen *s, const layer_case *c, bool twin, uint32_t id, verdict *v)
{
    if (!c->tried) try_domain(s, c);
    testbed_open(b, s, c->config, twin);
    if (testbed_infer(b, c->in, c->n_in)) {
        testbed_draw(b, id, c->positive);
        return true;
    }
    verdict_fail(v, "infer %s",
                 b->lapse ? b->lapse
                 : b->e.n ? b->e.items[0].what
                          : "refuses what it accepted before");
    return false;
}

/* Why nothing is accepted: what the layer says to the likeliest input. */
static void explain(specimen *s, verdict *v)
{
    errors e = {0};
    const cvy_layer *l = s->d->type;
    int n_in = l->min_in > 1 && l->min_in < LAYER_INPUTS ? l->min_in : 1;
    cvy_shape in[LAYER_INPUTS];
    for (int i = 0; i < n_in; i++) in[i] = s->n_shapes ? s->shapes[s->n_shapes > i ? i : 0] : shapes[0];
    net *n = net_one_build(s->registry, s->d->name, s->configs[0].params, in, n_in, 3, &e);
    net_free(n);
    verdict_fail(
        v, "no input shape is accepted; %s: name a configuration with --config and a shape with --shape",
        e.n ? e.items[0].what : "all cases are too large");
    errors_free(&e);
}

void layer_cases_check(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    if (!s->n_configs) {
        verdict_errors(v, &s->refused);
        verdict_fail(v, "no configuration could be made: name one with --config");
        return;
    }
    if (!list->n) {
        explain(s, v);
        return;
    }
    v->cases = (int64_t)list->n;
    verdict_note(v, "%zu configurations, %zu cases", s->n_configs, list->n);
}
