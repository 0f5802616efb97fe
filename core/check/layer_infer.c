/* Owns the checks of infer(): that it is a function of configuration and shapes, and that it survives extremes. */
#include <inttypes.h>
#include <string.h>

#include "check/exchange.h"
#include "check/layer_checks.h"
#include "config/params_table.h"

/* All that was declared, as a line; the batch left out where `batch` is false. */
static char *declared(const testbed *b, bool batch)
{
    text t = {0};
    cvy_shape y = b->y.shape;
    if (!batch) y.dim[0] = 0;
    text_add(&t, "output ");
    exchange_shape_text(&y, &t);
    text_printf(&t, ", traits %#x, MACs of a sample %" PRId64, b->traits, b->macs);
    for (int i = 0; i < b->n_weights + b->n_buffers; i++) {
        const testbed_tensor *w = i < b->n_weights ? &b->weights[i] : &b->buffers[i - b->n_weights];
        text_printf(&t, ", %s %s ", i < b->n_weights ? "weight" : "buffer", w->name);
        exchange_shape_text(&w->shape, &t);
        text_printf(&t, " starting %u %g", w->init.kind, w->init.a);
    }
    if (batch) text_printf(&t, ", saved %" PRId64 ", scratch %" PRId64, b->saved_bytes, b->scratch_bytes);
    return text_take(&t);
}

static void compare(verdict *v, char *now, const char *first, const char *what)
{
    if (strcmp(now, first) != 0) verdict_fail(v, "%s: first \"%s\", then \"%s\"", what, first, now);
    mem_free(now);
}

static void check_names(const testbed *b, verdict *v)
{
    for (int i = 0; i < b->n_weights + b->n_buffers; i++) {
        const testbed_tensor *w = i < b->n_weights ? &b->weights[i] : &b->buffers[i - b->n_weights];
        size_t fine = strspn(w->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        if (!*w->name || w->name[fine])
            verdict_fail(v, "the name \"%s\" of a weight or buffer is not letters, digits and '_'", w->name);
        for (int k = 0; k < i; k++) {
            const testbed_tensor *other = k < b->n_weights ? &b->weights[k] : &b->buffers[k - b->n_weights];
            if (!strcmp(other->name, w->name))
                verdict_fail(v, "two weights or buffers are called \"%s\"", w->name);
        }
        if (w->init.kind < CVY_INIT_CONSTANT || w->init.kind > CVY_INIT_NORMAL)
            verdict_fail(v, "weight \"%s\" has an unknown initialiser", w->name);
    }
}

static bool infer_again(testbed *b, verdict *v, const cvy_shape *in, int n_in)
{
    cvy_shape given[LAYER_INPUTS];
    memcpy(given, in, (size_t)n_in * sizeof *in);
    bool ok = testbed_infer(b, given, n_in);
    if (!ok)
        verdict_fail(v, "infer refuses at another call what it accepted: %s",
                     b->lapse ? b->lapse
                     : b->e.n ? b->e.items[0].what
                              : "");
    if (memcmp(given, in, (size_t)n_in * sizeof *in) != 0)
        verdict_fail(v, "infer changes the shapes it was given");
    return ok;
}

static void check_case(specimen *s, const layer_case *c, verdict *v)
{
    static const int64_t batches[] = {1, 2, 7};
    testbed b;
    testbed_open(&b, s, c->config, false);
    void *config = mem_copy(b.config, s->d->config_size);
    if (infer_again(&b, v, c->in, c->n_in)) {
        char *first = declared(&b, true), *sample = declared(&b, false);
        check_names(&b, v);
        if (infer_again(&b, v, c->in, c->n_in))
            compare(v, declared(&b, true), first, "infer declares something else the second time");
        for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
            cvy_shape in[LAYER_INPUTS];
            memcpy(in, c->in, sizeof in);
            for (int k = 0; k < c->n_in; k++) in[k].dim[0] = batches[i];
            if (infer_again(&b, v, in, c->n_in))
                compare(v, declared(&b, false), sample, "another batch changes more than the batch");
        }
        if (infer_again(&b, v, c->in, c->n_in))
            compare(v, declared(&b, true), first, "infer declares something else after other shapes");
        mem_free(first);
        mem_free(sample);
    }
    if (memcmp(config, b.config, s->d->config_size) != 0) verdict_fail(v, "infer changes its configuration");
    mem_free(config);
    testbed_close(&b);
}

void layer_infer_pure(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        verdict_at(v, list->items[i].text);
        check_case(s, &list->items[i], v);
    }
}

/* ---- extremes ---- */

static void try_extreme(specimen *s, const specimen_config *c, const cvy_shape *shape, verdict *v)
{
    const cvy_layer *l = s->d->type;
    cvy_shape in[LAYER_INPUTS];
    int n_in = l->min_in > 1 ? l->min_in : 1;
    if (n_in > LAYER_INPUTS) return;
    for (int i = 0; i < n_in; i++) in[i] = *shape;
    text t = {0};
    text_printf(&t, "%s on ", c->text);
    exchange_shape_text(shape, &t);
    verdict_at(v, text_str(&t));
    text_free(&t);
    testbed b;
    testbed_open(&b, s, c, false);
    testbed_infer(&b, in, n_in);
    if (b.lapse) verdict_fail(v, "infer %s", b.lapse);
    testbed_close(&b);
}

/* Inputs of as many numbers as can still be counted, along one dimension and evenly: what a layer makes of them may be
 * more. Odd, so that a product that overflows does not vanish. */
static void try_large(specimen *s, const specimen_config *c, const cvy_shape *shape, verdict *v)
{
    static const int64_t sides[] = {(INT64_C(1) << 40) + 15, (INT64_C(1) << 47) - 115,
                                    (INT64_C(1) << 54) - 33};
    cvy_shape one = *shape;
    one.dim[0] = 2;
    for (int d = 1; d < one.rank; d++) one.dim[d] = 1;
    try_extreme(s, c, &one, v);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        for (int d = 1; d < one.rank; d++) {
            cvy_shape along = one;
            along.dim[d] = sides[i];
            try_extreme(s, c, &along, v);
        }
    cvy_shape even = one;
    for (int d = 1; d < one.rank; d++) even.dim[d] = (INT64_C(1) << 54 / (one.rank - 1)) - 1;
    try_extreme(s, c, &even, v);
}

/* The case's configuration with one parameter at one of its limits. */
static void try_limit(specimen *s, const layer_case *c, const cvy_param *p, double limit, verdict *v)
{
    node *map = tree_copy(&s->memory, c->config->params);
    text value = {0}, flow = {0};
    errors e = {0};
    place nowhere = PLACE_NONE;
    if (p->kind == CVY_PARAM_FLOAT)
        text_double(&value, limit);
    else
        text_printf(&value, "%.0f", limit);
    node_put(&s->memory, map, p->name, &nowhere, tree_scalar(&s->memory, text_str(&value), false, &nowhere));
    tree_write_flow(map, &flow);
    specimen_config extreme = {.text = arena_text(&s->memory, text_str(&flow))};
    extreme.own = specimen_fill(s, s->d, extreme.text, NULL, &e);
    if (extreme.own) {
        try_extreme(s, &extreme, &c->in[0], v);
        try_large(s, &extreme, &c->in[0], v);
    }
    errors_free(&e);
    text_free(&value);
    text_free(&flow);
}

void layer_infer_extremes(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    const layer_case *c = &list->items[0];
    params_table t = params_of(s->d, NULL);
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        if (p.kind == CVY_PARAM_INTS || p.kind == CVY_PARAM_FLOATS || !params_ranged(&p)) continue;
        if (params_has_min(&p)) try_limit(s, c, &p, p.min, v);
        if (params_has_max(&p)) try_limit(s, c, &p, p.max, v);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (i && list->items[i].config == c->config && list->items[i].in[0].rank == c->in[0].rank) continue;
        try_large(s, list->items[i].config, &list->items[i].in[0], v);
    }
}
