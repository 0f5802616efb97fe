/* Gives every activation a place in the plan's memory from its lifetime: values that are never alive together
 * share, and an operator that may work in place does. Must not know what operators compute. */
#include "graph/program.h"

#include <stdlib.h>
#include <string.h>

#include "device/buffer.h"

static size_t memory_size(const program *p, int v)
{
    size_t bytes = tensor_bytes(&p->values[v].t);
    return (bytes + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN;
}

static int memory_root(const program *p, int v)
{
    while (p->values[v].root != v) v = p->values[v].root;
    return v;
}

static void memory_lifetimes(program *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        const instruction *s = &p->steps[i];
        for (int k = 0; k < s->n_in; k++) p->values[s->in[k]].last = (int)i;
        for (int k = 0; k < s->n_out; k++) {
            if (s->out[k] == NO_VALUE) continue;
            value *v = &p->values[s->out[k]];
            v->first = (int)i;
            if (v->last < (int)i) v->last = (int)i;
        }
    }
    /* The loss reads the outputs and writes their gradients between the last forward and the first backward step.
     */
    int loss = (int)p->n_forward;
    for (size_t i = 0; i < p->n_ends; i++) {
        value *y = &p->values[p->ends[i].value];
        if (y->last < loss) y->last = loss;
        if (!p->options.train || p->ends[i].gradient == NO_VALUE) continue;
        value *g = &p->values[p->ends[i].gradient];
        if (p->ends[i].watched) { /* made on the way back, and looked at behind it */
            g->last = (int)p->n_steps;
            continue;
        }
        g->first = loss - 1;
        if (g->last < loss) g->last = loss;
    }
}

/* Which input's memory the step's first output may take, by the kernel or by the layer's own word; -1: none.
 */
static int memory_in_place(const program *p, const instruction *s)
{
    if (s->o.type == OP_PLAIN || s->o.type == OP_PLAIN_BWD)
        return p->net->nodes[s->unit].traits & CVY_IN_PLACE ? 0 : -1;
    return s->kernel->in_place;
}

static void memory_share(program *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        const instruction *s = &p->steps[i];
        int from = memory_in_place(p, s);
        if (from < 0 || from >= s->n_in || s->n_out == 0 || s->out[0] == NO_VALUE) continue;
        int a = s->in[from], y = s->out[0];
        if (!program_is_activation(p, a) || !program_is_activation(p, y)) continue;
        int root = memory_root(p, a);
        value *r = &p->values[root], *v = &p->values[y];
        bool dies = r->last <= (int)i;
        if (!dies || memory_size(p, root) != memory_size(p, y) || p->values[a].t.layout != v->t.layout ||
            p->values[a].t.element != v->t.element)
            continue;
        v->root = root;
        if (v->last > r->last) r->last = v->last;
    }
}

/* What wants a place: a value with those that share its memory, or what a step works with while it runs. */
typedef struct tenant {
    size_t bytes, at;
    int first, last;
    int v, step; /* one of them; -1 */
} tenant;

static int memory_by_size(const void *a, const void *b)
{
    const tenant *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    if (x->v != y->v) return x->v < y->v ? -1 : 1;
    return x->step < y->step ? -1 : x->step > y->step;
}

static int memory_by_place(const void *a, const void *b)
{
    const tenant *const *x = a, *const *y = b;
    return (*x)->at < (*y)->at ? -1 : (*x)->at > (*y)->at;
}

static size_t memory_tenants(const program *p, tenant *all)
{
    size_t n = 0;
    for (size_t v = 0; v < p->n_values; v++) {
        const value *x = &p->values[v];
        if (x->kind != VALUE_ACTIVATION || x->root != (int)v || x->first < 0) continue;
        all[n++] = (tenant){memory_size(p, (int)v), 0, x->first, x->last, (int)v, -1};
    }
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].room) all[n++] = (tenant){p->steps[i].room, 0, (int)i, (int)i, -1, (int)i};
    return n;
}

/* Each in its turn at the lowest place that is free for its whole lifetime. Returns the bytes of all. */
static size_t memory_settle(tenant *all, size_t n)
{
    const tenant **busy = mem_array(n + 1, sizeof *busy);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        tenant *x = &all[i];
        size_t n_busy = 0;
        for (size_t k = 0; k < i; k++)
            if (all[k].first <= x->last && x->first <= all[k].last) busy[n_busy++] = &all[k];
        qsort(busy, n_busy, sizeof *busy, memory_by_place);
        x->at = 0;
        for (size_t k = 0; k < n_busy; k++) {
            if (x->at + x->bytes <= busy[k]->at) break;
            if (busy[k]->at + busy[k]->bytes > x->at) x->at = busy[k]->at + busy[k]->bytes;
        }
        if (x->at + x->bytes > total) total = x->at + x->bytes;
    }
    mem_free(busy);
    return total;
}

void memory_place(program *p)
{
    memory_lifetimes(p);
    memory_share(p);
    tenant *all = mem_array(p->n_values + p->n_steps + 1, sizeof *all);
    size_t n = memory_tenants(p, all);
    qsort(all, n, sizeof *all, memory_by_size);
    p->bytes = memory_settle(all, n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].v >= 0)
            p->values[all[i].v].offset = (int64_t)all[i].at;
        else
            p->steps[all[i].step].place = all[i].at;
    }
    for (size_t v = 0; v < p->n_values; v++)
        if (p->values[v].kind == VALUE_ACTIVATION && p->values[v].root != (int)v)
            p->values[v].offset = p->values[memory_root(p, (int)v)].offset;
    mem_free(all);
}
