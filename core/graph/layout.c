/* Chooses for every step a kernel and with it the layouts of its operands, so that kernels plus conversions
 * cost least over the whole program, forward and backward; then inserts the conversions as steps of their
 * own.
 *
 * Each step has a handful of candidates (kernel x layouts). A value is converted once per phase and wanted
 * layout, where its producer's layout is another; a forward copy is not kept for the backward phase unless it
 * can stand in for the original. The sum over steps and values is lowered by coordinate descent: each step in
 * turn takes the candidate that is best given its neighbours, until nothing changes. Descent can stick in a
 * valley (a chain flips only as a whole), so it starts once from every layout being preferred throughout and
 * the best end wins. Everything is a function of shapes, CPU features and thread count; nothing is timed. */
#include <stdlib.h>
#include <string.h>

#include "graph/program.h"

typedef struct candidate {
    const kernel *kernel;
    layout *in, *out;
    double cost;
} candidate;

typedef struct choices {
    candidate *c;
    size_t n, cap;
    size_t chosen;
} choices;

/* Who touches a value. */
typedef struct readers {
    int *steps, *operands; /* operand index; of reading steps */
    size_t n, cap, cap_operands;
    int producer, producer_operand; /* step and output index; -1: given from outside, plain */
} readers;

typedef struct planning {
    program *p;
    choices *steps;
    readers *values;
} planning;

#define CONVERSION_OVERHEAD 2000.0 /* ns: a pass over memory costs at least this */

static void layout_operands(program *p, instruction *s)
{
    if (!s->o.in) {
        s->o.in = arena_array(&p->memory, (size_t)s->n_in + 1, sizeof(tensor));
        s->o.out = arena_array(&p->memory, (size_t)s->n_out + 1, sizeof(tensor));
    }
    s->o.n_in = s->n_in;
    s->o.n_out = s->n_out;
    for (int i = 0; i < s->n_in; i++) s->o.in[i] = p->values[s->in[i]].t;
    for (int i = 0; i < s->n_out; i++)
        s->o.out[i] = s->out[i] == NO_VALUE ? (tensor){.element = 4} : p->values[s->out[i]].t;
}

static void layout_candidates(planning *g, size_t i)
{
    program *p = g->p;
    instruction *s = &p->steps[i];
    choices *c = &g->steps[i];
    const kernel *own[2] = {s->o.type == OP_PLAIN ? &plain_forward_kernel : &plain_backward_kernel, NULL};
    const kernel *const *all =
        s->o.type == OP_PLAIN || s->o.type == OP_PLAIN_BWD ? own : kernels_of(s->o.type, &p->machine);
    size_t n_in = (size_t)s->n_in, n_out = (size_t)s->n_out;
    for (; *all; all++) {
        if (!program_allows(p, *all)) continue;
        for (int k = 0;; k++) {
            candidate one = {.kernel = *all,
                             .in = arena_array(&p->memory, n_in + 1, sizeof(layout)),
                             .out = arena_array(&p->memory, n_out + 1, sizeof(layout))};
            one.cost = (*all)->offer(&s->o, &p->machine, k, one.in, one.out);
            if (one.cost < 0) break;
            c->c = MEM_GROW(c->c, c->n, &c->cap);
            c->c[c->n++] = one;
        }
    }
}

/* Leaves the kernels that round more, where there are any. */
static void layout_loosest(choices *c)
{
    size_t n = 0;
    for (size_t k = 0; k < c->n; k++)
        if (c->c[k].kernel->loose) c->c[n++] = c->c[k];
    if (n) c->n = n;
}

static void layout_readers(planning *g)
{
    program *p = g->p;
    for (size_t v = 0; v < p->n_values; v++) g->values[v].producer = -1;
    for (size_t i = 0; i < p->n_steps; i++) {
        const instruction *s = &p->steps[i];
        for (int k = 0; k < s->n_out; k++) {
            if (s->out[k] == NO_VALUE) continue;
            g->values[s->out[k]].producer = (int)i;
            g->values[s->out[k]].producer_operand = k;
        }
        for (int k = 0; k < s->n_in; k++) {
            readers *r = &g->values[s->in[k]];
            r->steps = MEM_GROW(r->steps, r->n, &r->cap);
            r->operands = MEM_GROW(r->operands, r->n, &r->cap_operands);
            r->steps[r->n] = (int)i;
            r->operands[r->n++] = k;
        }
    }
}

static bool layout_convertible(const program *p, int v)
{
    return v != NO_VALUE && (p->values[v].kind == VALUE_ACTIVATION || p->values[v].kind == VALUE_INPUT);
}

static layout layout_produced(const planning *g, int v)
{
    const readers *r = &g->values[v];
    if (r->producer < 0) return LAYOUT_PLAIN;
    const choices *c = &g->steps[r->producer];
    return c->c[c->chosen].out[r->producer_operand];
}

static layout layout_wanted(const planning *g, int v, size_t reader)
{
    const readers *r = &g->values[v];
    const choices *c = &g->steps[r->steps[reader]];
    return c->c[c->chosen].in[r->operands[reader]];
}

typedef struct wants {
    bool in[2][LAYOUT_COUNT]; /* by phase: forward, backward */
} wants;

static wants layout_wants(const planning *g, int v)
{
    wants w = {{{false}}};
    const readers *r = &g->values[v];
    for (size_t i = 0; i < r->n; i++)
        w.in[(size_t)r->steps[i] >= g->p->n_forward][layout_wanted(g, v, i)] = true;
    if (program_is_end(g->p, v)) w.in[0][LAYOUT_PLAIN] = true;
    return w;
}

/* The layout in which v, converted in the forward phase, is kept for the backward phase too: when nobody
 * there wants it as produced, the copy stays instead of the original, at no more memory. LAYOUT_COUNT: none.
 */
static layout layout_kept(const wants *w, layout have)
{
    if (w->in[1][have]) return LAYOUT_COUNT;
    for (int l = 0; l < LAYOUT_COUNT; l++)
        if (l != (int)have && w->in[0][l] && w->in[1][l]) return (layout)l;
    return LAYOUT_COUNT;
}

/* Conversions of v: one per phase and layout wanted that is not the produced one, less the one kept. */
static double layout_value_cost(const planning *g, int v)
{
    const program *p = g->p;
    if (!layout_convertible(p, v)) return 0;
    layout have = layout_produced(g, v);
    wants w = layout_wants(g, v);
    layout kept = layout_kept(&w, have);
    double cost = 0;
    for (int phase = 0; phase < 2; phase++) {
        for (int l = 0; l < LAYOUT_COUNT; l++) {
            if (!w.in[phase][l] || l == (int)have || (phase == 1 && l == (int)kept)) continue;
            tensor a = p->values[v].t, b = a;
            a.layout = have;
            b.layout = (layout)l;
            cost +=
                cost_bytes(&p->machine, (double)(tensor_bytes(&a) + tensor_bytes(&b))) + CONVERSION_OVERHEAD;
        }
    }
    return cost;
}

static double layout_around(const planning *g, size_t i)
{
    const instruction *s = &g->p->steps[i];
    double cost = g->steps[i].c[g->steps[i].chosen].cost;
    for (int k = 0; k < s->n_in; k++) cost += layout_value_cost(g, s->in[k]);
    for (int k = 0; k < s->n_out; k++)
        if (s->out[k] != NO_VALUE) cost += layout_value_cost(g, s->out[k]);
    return cost;
}

static double layout_total(const planning *g)
{
    double cost = 0;
    for (size_t i = 0; i < g->p->n_steps; i++) cost += g->steps[i].c[g->steps[i].chosen].cost;
    for (size_t v = 0; v < g->p->n_values; v++) cost += layout_value_cost(g, (int)v);
    return cost;
}

/* The cheapest candidate with the most operands in the preferred layout. */
static void layout_prefer(planning *g, layout preferred)
{
    for (size_t i = 0; i < g->p->n_steps; i++) {
        choices *c = &g->steps[i];
        const instruction *s = &g->p->steps[i];
        int best_match = -1;
        for (size_t k = 0; k < c->n; k++) {
            int match = 0;
            for (int o = 0; o < s->n_in; o++) match += c->c[k].in[o] == preferred;
            for (int o = 0; o < s->n_out; o++) match += c->c[k].out[o] == preferred;
            if (match < best_match || (match == best_match && c->c[k].cost >= c->c[c->chosen].cost)) continue;
            best_match = match;
            c->chosen = k;
        }
    }
}

static void layout_descend(planning *g)
{
    for (int round = 0; round < 20; round++) {
        bool changed = false;
        for (size_t k = 0; k < g->p->n_steps; k++) {
            size_t i = round % 2 ? g->p->n_steps - 1 - k : k;
            choices *c = &g->steps[i];
            size_t best = c->chosen;
            double least = layout_around(g, i);
            for (size_t n = 0; n < c->n; n++) {
                c->chosen = n;
                double cost = layout_around(g, i);
                if (cost < least - 1e-6) {
                    least = cost;
                    best = n;
                    changed = true;
                }
            }
            c->chosen = best;
        }
        if (!changed) break;
    }
}

static void layout_search(planning *g)
{
    size_t n = g->p->n_steps;
    size_t *best = mem_array(n, sizeof *best);
    double least = -1;
    for (int l = 0; l < LAYOUT_COUNT; l++) {
        layout_prefer(g, (layout)l);
        layout_descend(g);
        double cost = layout_total(g);
        if (least >= 0 && cost >= least) continue;
        least = cost;
        for (size_t i = 0; i < n; i++) best[i] = g->steps[i].chosen;
    }
    for (size_t i = 0; i < n; i++) g->steps[i].chosen = best[i];
    mem_free(best);
}

/* v in layout l for readers of this phase: the value itself, or a copy converted by a step appended now. */
static int layout_as(program *p, int *copies, const layout *kept, int v, layout l, bool backward, int unit)
{
    if (!layout_convertible(p, v) || p->values[v].t.layout == l) return v;
    if (backward && kept[v] == l) backward = false; /* its forward copy lives on */
    int *copy = &copies[(v * 2 + backward) * LAYOUT_COUNT + (int)l];
    if (*copy == NO_VALUE) {
        tensor t = p->values[v].t;
        t.layout = l;
        *copy = program_value(p, VALUE_ACTIVATION, &t, 0);
        int at = program_step(p, OP_CONVERT, NULL, &v, 1, copy, 1, unit, backward);
        p->steps[at].kernel = kernel_reference(OP_CONVERT);
    }
    return *copy;
}

/* Rewrites the step list with kernels chosen and conversions in front of their first reader. */
static void layout_insert(planning *g)
{
    program *p = g->p;
    size_t n_values = p->n_values, n = p->n_steps, n_forward = p->n_forward;
    int *copies = mem_array(n_values * 2 * LAYOUT_COUNT, sizeof *copies);
    for (size_t i = 0; i < n_values * 2 * LAYOUT_COUNT; i++) copies[i] = NO_VALUE;
    layout *kept = mem_array(n_values, sizeof *kept);
    for (size_t v = 0; v < n_values; v++) {
        if (!layout_convertible(p, (int)v)) continue;
        wants w = layout_wants(g, (int)v);
        p->values[v].t.layout = layout_produced(g, (int)v);
        kept[v] = layout_kept(&w, p->values[v].t.layout);
    }

    instruction *old = p->steps;
    p->steps = NULL;
    p->n_steps = p->cap_steps = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i == n_forward) {
            for (size_t k = 0; k < p->n_ends; k++) {
                ending *end = &p->ends[k];
                end->value = layout_as(p, copies, kept, end->value, LAYOUT_PLAIN, false, end->unit);
            }
            p->n_forward = p->n_steps;
        }
        if (i == n) {
            for (size_t k = 0; k < p->n_ends; k++) {
                ending *end = &p->ends[k];
                if (end->watched && end->gradient != NO_VALUE)
                    end->gradient = layout_as(p, copies, kept, end->gradient, LAYOUT_PLAIN, true, end->unit);
            }
            break;
        }
        instruction s = old[i];
        const candidate *c = &g->steps[i].c[g->steps[i].chosen];
        s.kernel = c->kernel;
        for (int k = 0; k < s.n_in; k++)
            s.in[k] = layout_as(p, copies, kept, s.in[k], c->in[k], s.backward, s.unit);
        p->steps = MEM_GROW(p->steps, p->n_steps, &p->cap_steps);
        p->steps[p->n_steps++] = s;
    }
    for (size_t i = 0; i < p->n_steps; i++) layout_operands(p, &p->steps[i]);
    mem_free(old);
    mem_free(copies);
    mem_free(kept);
}

cvy_status layout_choose(program *p, errors *e)
{
    planning g = {.p = p};
    g.steps = mem_array(p->n_steps, sizeof *g.steps);
    g.values = mem_array(p->n_values, sizeof *g.values);
    size_t n_steps = p->n_steps, n_values = p->n_values;
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n_steps; i++) {
        layout_operands(p, &p->steps[i]);
        layout_candidates(&g, i);
        if (p->options.algorithm == PLAN_WINOGRAD) layout_loosest(&g.steps[i]);
        if (g.steps[i].n == 0)
            status = errors_add(e, CVY_ERR_RUN, NULL, NULL, "no kernel takes operator %s of layer \"%s\"",
                                op_name(p->steps[i].o.type), p->net->nodes[p->steps[i].unit].path);
    }
    if (!status) {
        layout_readers(&g);
        layout_search(&g);
        layout_insert(&g);
    }
    for (size_t i = 0; i < n_steps; i++) mem_free(g.steps[i].c);
    for (size_t v = 0; v < n_values; v++) {
        mem_free(g.values[v].steps);
        mem_free(g.values[v].operands);
    }
    mem_free(g.steps);
    mem_free(g.values);
    return status;
}
