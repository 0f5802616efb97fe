/* Makes a network ready for one batch size and runs it: calls the passes in order, binds memory, steps
 * through. Must not know losses, datasets or time beyond the profile's. */
#include "graph/plan.h"

#include <string.h>
#include <time.h>

#include "device/buffer.h"
#include "graph/program.h"

static size_t plan_aligned(size_t bytes)
{
    return (bytes + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN;
}

#define PACKING_SHARE 0.03 /* of a step's time, that packing may take */

/* Whether a step's weights are packed anew each time it runs. In training they have changed by then, and Winograd's are four
 * times as large as they are: packed for one step at a time, they share a place. In evaluation they have not, so that it has
 * to be worth little time. */
static bool plan_packs(const program *p, const instruction *s)
{
    if (p->options.train) return true;
    const machine *m = &p->machine;
    return cost_bytes(m, 2.0 * (double)s->made.packed) <
           PACKING_SHARE * cost_macs(m, (double)op_macs(&s->o), 1);
}

static cvy_status plan_prepare(program *p, errors *e)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *s = &p->steps[i];
        cvy_status status = CVY_OK;
        if (s->o.type == OP_PLAIN || s->o.type == OP_PLAIN_BWD)
            status = plain_prepare(p, s, e);
        else if (s->kernel->prepare)
            status = s->kernel->prepare(&s->o, &p->machine, &s->made, e);
        if (status) return status;
        s->room = plan_aligned(s->made.scratch);
        s->packs = s->made.packed && plan_packs(p, s);
        if (s->packs) s->room += plan_aligned(s->made.packed);
        s->in_data = arena_array(&p->memory, (size_t)s->n_in + 1, sizeof(void *));
        s->out_data = arena_array(&p->memory, (size_t)s->n_out + 1, sizeof(void *));
    }
    return CVY_OK;
}

/* The packed weights that stay. */
static cvy_status plan_keep(program *p, errors *e)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (!p->steps[i].packs) p->kept_bytes += plan_aligned(p->steps[i].made.packed);
    if (!p->kept_bytes) return CVY_OK;
    char *at = p->kept = buffer_new(p->kept_bytes, e);
    if (!at) return CVY_ERR_RESOURCE;
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *s = &p->steps[i];
        if (s->packs || !s->made.packed) continue;
        s->packed = at;
        at += plan_aligned(s->made.packed);
    }
    return CVY_OK;
}

plan *plan_new(const net *n, state *s, const machine *m, const plan_options *o, errors *e)
{
    plan *pl = mem_alloc(sizeof *pl);
    program *p = &pl->p;
    p->net = n;
    p->state = s;
    p->machine = *m;
    p->options = *o;
    p->shapes = arena_array(&p->memory, n->n_nodes, sizeof(cvy_shape));
    p->saved = arena_array(&p->memory, n->n_nodes, sizeof(int64_t));
    p->scratch = arena_array(&p->memory, n->n_nodes, sizeof(int64_t));
    cvy_status status =
        net_infer(n, o->sample.rank ? &o->sample : NULL, o->batch, p->shapes, p->saved, p->scratch, e);
    if (!status) status = lower_net(p, e);
    if (!status && !o->no_fusion) fuse_steps(p);
    if (!status) p->n_forward = p->n_steps;
    if (!status && o->train) status = autodiff(p, e);
    if (!status) status = layout_choose(p, e);
    if (!status && !o->no_fusion && !o->no_absorption) absorb_steps(p);
    if (!status) status = plan_prepare(p, e);
    if (!status) status = plan_keep(p, e);
    if (status) {
        plan_free(pl);
        return NULL;
    }
    memory_place(p);
    plan_write_layouts(pl);
    return pl;
}

void plan_free(plan *pl)
{
    if (!pl) return;
    program *p = &pl->p;
    for (size_t i = 0; i < p->n_steps; i++) {
        const instruction *s = &p->steps[i];
        if (s->kernel && s->kernel->release && s->made.state) s->kernel->release(s->made.state);
        if (pl->layouts) mem_free(pl->layouts[i]);
    }
    mem_free(pl->layouts);
    buffer_free(p->kept, p->kept_bytes);
    mem_free(p->steps);
    mem_free(p->values);
    arena a = p->memory;
    arena_free(&a);
    mem_free(pl);
}

size_t plan_bytes(const plan *pl)
{
    return pl->p.bytes;
}

void plan_bind(plan *pl, void *memory)
{
    program *p = &pl->p;
    for (size_t v = 0; v < p->n_values; v++) {
        value *x = &p->values[v];
        switch (x->kind) {
        case VALUE_ACTIVATION:
            x->data = x->first >= 0 ? (char *)memory + x->offset : NULL;
            break;
        case VALUE_WEIGHT:
            x->data = p->state->weights + x->offset;
            break;
        case VALUE_GRADIENT:
            x->data = p->state->gradients + x->offset;
            break;
        case VALUE_BUFFER:
            x->data = p->state->buffers + x->offset;
            break;
        case VALUE_INPUT:
            break;
        }
    }
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *s = &p->steps[i];
        for (int k = 0; k < s->n_in; k++) s->in_data[k] = p->values[s->in[k]].data;
        for (int k = 0; k < s->n_out; k++)
            s->out_data[k] = s->out[k] == NO_VALUE ? NULL : p->values[s->out[k]].data;
        if (s->packs) s->packed = (char *)memory + s->place + plan_aligned(s->made.scratch);
    }
    p->values[p->input].data = NULL;
    p->memory_base = memory;
}

static double plan_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *plan_scratch(const program *p, const instruction *s)
{
    return (char *)p->memory_base + s->place;
}

static void plan_pack_step(plan *pl, instruction *s)
{
    program *p = &pl->p;
    const bool timed = p->options.profile || pl->saw;
    const double start = timed ? plan_now() : 0;
    s->kernel->pack(&s->o, s->made.state, s->in_data[1], s->packed, plan_scratch(p, s));
    const double end = timed ? plan_now() : 0;
    p->pack_seconds += end - start;
    if (pl->saw) pl->saw(pl->saw_ctx, PLAN_PACKING, start, end);
}

static void plan_run(plan *pl, size_t from, size_t to)
{
    program *p = &pl->p;
    kernel_args a = {.step = pl->step_now, .first_sample = pl->first_sample};
    for (size_t i = from; i < to; i++) {
        instruction *s = &p->steps[i];
        a.in = s->in_data;
        a.out = s->out_data;
        a.scratch = plan_scratch(p, s);
        a.packed = s->packed;
        if (s->packs) plan_pack_step(pl, s);
        if (!p->options.profile && !pl->saw) {
            s->kernel->run(&s->o, s->made.state, &a);
            continue;
        }
        double start = plan_now();
        s->kernel->run(&s->o, s->made.state, &a);
        double end = plan_now();
        s->seconds += end - start;
        s->runs++;
        if (pl->saw) pl->saw(pl->saw_ctx, i, start, end);
    }
}

static void plan_set_input(program *p, const float *x)
{
    if (p->values[p->input].data == x) return;
    p->values[p->input].data = (void *)(uintptr_t)x;
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *s = &p->steps[i];
        for (int k = 0; k < s->n_in; k++)
            if (s->in[k] == p->input) s->in_data[k] = p->values[p->input].data;
    }
}

/* What stays: before the first step, when all of the plan's memory is free. */
static void plan_pack(plan *pl)
{
    program *p = &pl->p;
    if (p->packed == p->state->version) return;
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].made.packed && !p->steps[i].packs) plan_pack_step(pl, &p->steps[i]);
    p->packed = p->state->version;
}

cvy_status plan_forward(plan *pl, const float *x, uint64_t step_now, int64_t first_sample, errors *e)
{
    program *p = &pl->p;
    pl->step_now = step_now;
    pl->first_sample = first_sample;
    p->e = e;
    plan_set_input(p, x);
    plan_pack(pl);
    plan_run(pl, 0, p->n_forward);
    return errors_status(e);
}

size_t plan_ends(const plan *pl)
{
    return pl->p.n_ends;
}

plan_ending plan_end(plan *pl, size_t i)
{
    const program *p = &pl->p;
    const ending *end = &p->ends[i];
    return (plan_ending){.path = p->net->nodes[end->unit].path,
                         .shape = p->values[end->value].t.shape,
                         .y = p->values[end->value].data,
                         .gradient = end->gradient == NO_VALUE ? NULL : p->values[end->gradient].data,
                         .weight = end->weight};
}

void plan_silence_heads(plan *pl)
{
    for (size_t i = 1; i < pl->p.n_ends; i++) {
        plan_ending end = plan_end(pl, i);
        if (end.gradient) memset(end.gradient, 0, (size_t)cvy_count(&end.shape) * sizeof *end.gradient);
    }
}

float *plan_output(plan *pl, cvy_shape *shape)
{
    plan_ending end = plan_end(pl, 0);
    if (shape) *shape = end.shape;
    return end.y;
}

float *plan_output_gradient(plan *pl)
{
    return plan_end(pl, 0).gradient;
}

cvy_status plan_backward(plan *pl, errors *e)
{
    pl->p.e = e;
    plan_run(pl, pl->p.n_forward, pl->p.n_steps);
    return errors_status(e);
}

void plan_watch(plan *pl, void (*saw)(void *ctx, size_t step, double start, double end), void *ctx)
{
    pl->saw = saw;
    pl->saw_ctx = ctx;
}

/* ---- what is not finite ---- */

static bool plan_finite(const value *v)
{
    const uint32_t *bits = v->data;
    const int64_t n = tensor_elements(&v->t);
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) most = (bits[i] & 0x7fffffffu) > most ? bits[i] & 0x7fffffffu : most;
    return most < 0x7f800000u;
}

static const char *plan_weight_at(const net *n, int64_t offset)
{
    for (size_t i = 0; i < n->n_weights; i++)
        if (n->weights[i].offset == offset) return n->weights[i].name;
    return NULL;
}

static bool plan_suspect_run(plan *pl, size_t from, size_t to, plan_suspect *out)
{
    program *p = &pl->p;
    errors unheard = {0}, *heard = p->e;
    bool found = false;
    p->e = &unheard;
    for (size_t i = from; i < to && !found; i++) {
        const instruction *s = &p->steps[i];
        plan_run(pl, i, i + 1);
        for (int k = 0; k < s->n_out && !found; k++) {
            const value *v = s->out[k] == NO_VALUE ? NULL : &p->values[s->out[k]];
            if (!v || !v->data || v->t.element != 4 || plan_finite(v)) continue;
            const net_node *n = &p->net->nodes[s->unit];
            *out = (plan_suspect){n->path, n->plugin ? n->plugin->name : "input",
                                  v->kind == VALUE_GRADIENT ? plan_weight_at(p->net, v->offset) : NULL};
            found = true;
        }
    }
    p->e = heard;
    errors_free(&unheard);
    return found;
}

bool plan_suspect_forward(plan *pl, plan_suspect *out)
{
    const state *s = pl->p.state;
    const size_t bytes = (size_t)s->net->buffer_floats * sizeof(float);
    float *buffers = mem_copy(s->buffers, bytes);
    const bool found = plan_suspect_run(pl, 0, pl->p.n_forward, out);
    memcpy(s->buffers, buffers, bytes);
    mem_free(buffers);
    return found;
}

bool plan_suspect_backward(plan *pl, plan_suspect *out)
{
    return plan_suspect_run(pl, pl->p.n_forward, pl->p.n_steps, out);
}
