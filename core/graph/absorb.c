/* Lets convolutions normalise what they read, so that it need not be written: a batch normalisation (with its ReLU) whose
 * output goes into convolutions alone is done by their kernels on the way in. Runs when kernels are chosen, since they
 * have to be able to. Must not know what they compute.
 *
 *   conv -> x -> bn_apply -> y -> conv       becomes   conv -> x -> conv through bn
 *                             '-> conv.bwd_weights               '-> conv.bwd_weights through bn
 *
 * x is kept for the backward pass of the normalisation anyway, y mostly is the other half of a network's memory. Where
 * forward somebody else needs y, the backward readers alone make do with x, and y dies early.
 *
 * A reader whose kernel cannot gets another one that can, where all of them together are not estimated to take longer
 * than the step that is saved. */
#include <string.h>

#include "graph/program.h"

typedef struct absorbing {
    program *p;
    bool *forward, *backward; /* per value: all its readers of this phase can, or could by another kernel */
    bool *seen[2];            /* per value: it has readers of this phase */
} absorbing;

static bool absorb_same(const op *o, const layout *in, const layout *out)
{
    for (int i = 0; i < o->n_in; i++)
        if (o->in[i].layout != in[i]) return false;
    for (int i = 0; i < o->n_out; i++)
        if (o->out[i].layout != out[i]) return false;
    return true;
}

enum { ABSORB_OPERANDS = 8 }; /* of a convolution at most */

/* What o takes by a kernel, with its layouts as they are; negative: it does not take them. */
static double absorb_cost(const program *p, const op *o, const kernel *k)
{
    layout in[ABSORB_OPERANDS], out[ABSORB_OPERANDS];
    for (int i = 0;; i++) {
        double cost = k->offer(o, &p->machine, i, in, out);
        if (cost < 0 || absorb_same(o, in, out)) return cost;
    }
}

/* The cheapest kernel that can do it for this reader and how much longer it is estimated to take, or NULL. */
static const kernel *absorb_kernel(const program *p, const instruction *s, double *longer)
{
    *longer = 0;
    if (s->o.type != OP_CONV && s->o.type != OP_CONV_BWD_WEIGHTS) return NULL;
    if (s->o.attr.through.stats) return NULL;
    if (s->kernel->through) return s->kernel;
    const kernel *best = NULL;
    double have = absorb_cost(p, &s->o, s->kernel), least = 0;
    for (const kernel *const *all = kernels_of(s->o.type, &p->machine); *all; all++) {
        if (!(*all)->through || !program_allows(p, *all)) continue;
        double cost = absorb_cost(p, &s->o, *all);
        if (cost < 0 || (best && cost >= least)) continue;
        best = *all;
        least = cost;
    }
    if (best && least > have) *longer = least - have;
    return best;
}

static void absorb_readers(absorbing *a)
{
    program *p = a->p;
    double longer;
    for (size_t v = 0; v < p->n_values; v++) a->forward[v] = a->backward[v] = true;
    for (size_t i = 0; i < p->n_steps; i++) {
        const instruction *s = &p->steps[i];
        for (int k = 0; k < s->n_in; k++) {
            bool *all = s->backward ? a->backward : a->forward;
            all[s->in[k]] = all[s->in[k]] && k == 0 && absorb_kernel(p, s, &longer);
            a->seen[s->backward][s->in[k]] = true;
        }
    }
    for (size_t i = 0; i < p->n_ends; i++) a->forward[p->ends[i].value] = false;
}

/* The reader s of bn's output reads bn's input instead. */
static void absorb_into(program *p, instruction *s, const instruction *bn)
{
    int n = s->n_in;
    int *in = arena_array(&p->memory, (size_t)n + 3, sizeof *in);
    tensor *tensors = arena_array(&p->memory, (size_t)n + 3, sizeof *tensors);
    memcpy(in, s->in, (size_t)n * sizeof *in);
    memcpy(tensors, s->o.in, (size_t)n * sizeof *tensors);
    for (int k = 0; k < 4; k++) { /* x, stats, gamma, beta */
        int to = k ? n + k - 1 : 0;
        in[to] = bn->in[k];
        tensors[to] = bn->o.in[k];
    }
    s->in = in;
    s->o.in = tensors;
    s->n_in = s->o.n_in = n + 3;
    s->o.attr.through.stats = n;
    s->o.attr.through.relu = bn->o.attr.relu;
    s->o.attr.through.eps = bn->o.attr.bn.eps;
}

/* Forward too, or backward only. */
static bool absorb_reads(const instruction *s, int y, bool all)
{
    return s->n_in && s->in[0] == y && (all || s->backward);
}

static void absorb_step(absorbing *a, instruction *bn)
{
    program *p = a->p;
    const int x = bn->in[0], y = bn->out[0];
    if (p->values[x].t.layout != p->values[y].t.layout || p->values[x].t.layout == LAYOUT_PLAIN) return;
    if (!a->seen[0][y] && !a->seen[1][y]) return;
    if (!a->backward[y]) return; /* x would be needed beside y */
    const bool all = a->forward[y];
    double longer = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        double one = 0;
        if (absorb_reads(&p->steps[i], y, all)) absorb_kernel(p, &p->steps[i], &one);
        longer += one;
    }
    if (longer > (all ? absorb_cost(p, &bn->o, bn->kernel) : 0)) return;
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *s = &p->steps[i];
        if (!absorb_reads(s, y, all)) continue;
        s->kernel = absorb_kernel(p, s, &longer);
        absorb_into(p, s, bn);
    }
    bn->dead = all;
}

void absorb_steps(program *p)
{
    absorbing a = {
        .p = p,
        .forward = mem_array(p->n_values, sizeof *a.forward),
        .backward = mem_array(p->n_values, sizeof *a.backward),
        .seen = {mem_array(p->n_values, sizeof **a.seen), mem_array(p->n_values, sizeof **a.seen)}};
    absorb_readers(&a);
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *s = &p->steps[i];
        if (s->o.type == OP_BN_APPLY && s->n_in == 4 && !s->dead) absorb_step(&a, s);
    }
    size_t forward = 0;
    for (size_t i = 0; i < p->n_forward; i++) forward += !p->steps[i].dead;
    program_sweep(p);
    p->n_forward = forward;
    mem_free(a.forward);
    mem_free(a.backward);
    mem_free(a.seen[0]);
    mem_free(a.seen[1]);
}
