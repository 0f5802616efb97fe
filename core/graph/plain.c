/* Calls a layer's own plain code as an operator: unpacks operands into the plugin's call. Everything it sees
 * is dense. */
#include <string.h>

#include "graph/program.h"
#include "ops/dropout.h"

typedef struct plain_state {
    cvy_plain call; /* must be first: uniform() is given a pointer to it */
    host host;
    program *p;
    const net_node *n;
    philox_key key;
    plan_draw *given; /* NULL: numbers are drawn */
    uint64_t step;
    int64_t first_sample;
    const cvy_real **x, **w;
    cvy_real **buffers, **gx, **gw;
    cvy_shape *shapes;
} plain_state;

/* Given numbers. Layers draw within parallel loops. */
static void plain_given(plan_draw *d, int64_t n, int64_t first, int64_t count, float *out)
{
    const int64_t from = n * d->sample + first, end = from + count;
    int64_t known = __atomic_load_n(&d->end, __ATOMIC_RELAXED);
    while (known < end &&
           !__atomic_compare_exchange_n(&d->end, &known, end, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    __atomic_store_n(&d->used, true, __ATOMIC_RELAXED);
    if (end <= d->count)
        memcpy(out, d->numbers + from, (size_t)count * sizeof *out);
    else
        memset(out, 0, (size_t)count * sizeof *out);
}

static void plain_uniform(const cvy_plain *call, int64_t n, int64_t first, int64_t count, float *out)
{
    const plain_state *s = (const plain_state *)call;
    if (s->given) {
        plain_given(s->given, n, first, count, out);
        return;
    }
    dropout_uniform(s->key, s->step, s->first_sample + n, first, count, out);
}

static double plain_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0) return -1;
    for (int i = 0; i < o->n_in; i++) in[i] = LAYOUT_PLAIN;
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    return cost_bytes(m, (double)op_bytes(o));
}

/* kernel.prepare has no program to look into, so the plan calls this instead. */
cvy_status plain_prepare(program *p, instruction *s, errors *e)
{
    const net_node *n = &p->net->nodes[s->unit];
    plain_state *st = mem_alloc(sizeof *st);
    st->p = p;
    st->n = n;
    st->given = program_draw(p, s->unit);
    st->key = philox_key_of(p->options.seed, "dropout", n->path);
    st->host = host_make(e, CVY_ERR_RUN, &n->at, p->options.seed, n->path);
    st->host.log = p->options.log;
    st->host.log_ctx = p->options.log_ctx;
    st->x = mem_array((size_t)n->n_in + 1, sizeof *st->x);
    st->gx = mem_array((size_t)n->n_in + 1, sizeof *st->gx);
    st->shapes = mem_array((size_t)n->n_in + 1, sizeof *st->shapes);
    st->w = mem_array((size_t)n->n_weights + 1, sizeof *st->w);
    st->gw = mem_array((size_t)n->n_weights + 1, sizeof *st->gw);
    st->buffers = mem_array((size_t)n->n_buffers + 1, sizeof *st->buffers);
    for (int i = 0; i < n->n_in; i++) st->shapes[i] = p->shapes[n->in[i]];
    st->call = (cvy_plain){.host = &st->host.face,
                           .train = p->options.train && !n->evaluates,
                           .n_in = n->n_in,
                           .in = st->shapes,
                           .out = &p->shapes[s->unit],
                           .x = st->x,
                           .w = st->w,
                           .buffers = st->buffers,
                           .gx = st->gx,
                           .gw = st->gw,
                           .uniform = plain_uniform};
    s->made.state = st;
    s->made.scratch = (size_t)p->scratch[s->unit];
    return CVY_OK;
}

static void plain_release(void *made)
{
    plain_state *st = made;
    mem_free(st->x);
    mem_free(st->gx);
    mem_free(st->shapes);
    mem_free(st->w);
    mem_free(st->gw);
    mem_free(st->buffers);
    mem_free(st);
}

static void plain_ready(plain_state *st, const kernel_args *a)
{
    st->host.e = st->p->e;
    st->step = a->step;
    st->first_sample = a->first_sample;
    st->call.scratch = a->scratch;
}

/* A plugin that reports nothing but returns nonzero still fails the run. */
static void plain_check(plain_state *st, int failed, size_t before)
{
    if (failed && errors_count(st->p->e) == before) cvy_fail(&st->call, "failed without saying why");
}

static void plain_run_forward(const op *o, void *made, const kernel_args *a)
{
    plain_state *st = made;
    const net_node *n = st->n;
    plain_ready(st, a);
    for (int i = 0; i < n->n_in; i++) st->x[i] = a->in[i];
    for (int i = 0; i < n->n_weights; i++) st->w[i] = a->in[n->n_in + i];
    for (int i = 0; i < n->n_buffers; i++) st->buffers[i] = a->in[n->n_in + n->n_weights + i];
    st->call.y = a->out[0];
    st->call.saved = o->n_out > 1 ? a->out[1] : NULL;
    errors_push(st->p->e, "layer \"%s\" (%s)", n->path, n->plugin->name);
    size_t before = errors_count(st->p->e);
    plain_check(st, n->layer->forward(&st->call, n->config), before);
    errors_pop(st->p->e);
}

static void plain_run_backward(const op *o, void *made, const kernel_args *a)
{
    plain_state *st = made;
    const net_node *n = st->n;
    plain_ready(st, a);
    int k = 0;
    st->call.gy = a->in[k++];
    for (int i = 0; i < n->n_in; i++) st->x[i] = n->traits & CVY_READS_X ? a->in[k++] : NULL;
    st->call.y = n->traits & CVY_READS_Y ? a->in[k++] : NULL;
    for (int i = 0; i < n->n_weights; i++) st->w[i] = a->in[k++];
    for (int i = 0; i < n->n_buffers; i++) st->buffers[i] = a->in[k++];
    st->call.saved = k < o->n_in ? a->in[k] : NULL;
    for (int i = 0; i < n->n_in; i++) st->gx[i] = a->out[i];
    for (int i = 0; i < n->n_weights; i++) st->gw[i] = a->out[n->n_in + i];
    if (n->traits & CVY_ACCUMULATES)
        for (int i = 0; i < o->n_out; i++)
            if (a->out[i]) memset(a->out[i], 0, tensor_bytes(&o->out[i]));
    errors_push(st->p->e, "layer \"%s\" (%s): backward", n->path, n->plugin->name);
    size_t before = errors_count(st->p->e);
    plain_check(st, n->layer->backward(&st->call, n->config), before);
    errors_pop(st->p->e);
}

const kernel plain_forward_kernel = {.name = "plain",
                                     .type = OP_PLAIN,
                                     .in_place = -1,
                                     .offer = plain_offer,
                                     .run = plain_run_forward,
                                     .release = plain_release};
const kernel plain_backward_kernel = {.name = "plain",
                                      .type = OP_PLAIN_BWD,
                                      .in_place = -1,
                                      .offer = plain_offer,
                                      .run = plain_run_backward,
                                      .release = plain_release};
