/* Computes a layer on given tensors through the graph room, as a network would; must not know files. */
#include <string.h>

#include "check/evaluate.h"
#include "device/buffer.h"
#include "graph/net_one.h"
#include "graph/plan.h"

#define INPUTS_MAX 64

typedef struct run {
    exchange *x;
    evaluation *v;
    net *net;
    state *state;
    plan *plan;
    void *memory;
    plan_draw *draws;
    size_t n_draws, cap_draws;
    const char *names[INPUTS_MAX]; /* of the inputs, behind "in." */
    int n_in;
    int64_t batch;
    bool gradients;
} run;

static char *below(const run *r, const char *prefix, const char *name)
{
    return mem_printf("%s%s", prefix, name + strlen(r->v->name) + 1);
}

static bool read_inputs(run *r, const safetensor **in, cvy_shape *shapes)
{
    const safetensor *t;
    for (size_t i = 0; (t = exchange_next(r->x, "in.", &i)) && r->n_in < INPUTS_MAX; r->n_in++) {
        in[r->n_in] = t;
        shapes[r->n_in] = t->shape;
        r->names[r->n_in] = t->name + strlen("in.");
        if (t->shape.rank < 1 || cvy_count(&t->shape) < 1) {
            exchange_complain(r->x, "its first dimension is the batch",
                              "tensor \"%s\" is empty or has no batch", t->name);
            return false;
        }
        if (t->shape.dim[0] != shapes[0].dim[0]) {
            exchange_complain(r->x, NULL, "tensor \"%s\" has a batch of %lld, \"in.%s\" one of %lld", t->name,
                              (long long)t->shape.dim[0], r->names[0], (long long)shapes[0].dim[0]);
            return false;
        }
    }
    if (r->n_in == 0)
        exchange_complain(r->x, "give the layer's input as \"in.x\"", "tensor \"in.x\" is missing");
    return r->n_in > 0;
}

static void fill(run *r, const char *prefix, const net_tensor *t, float *into)
{
    char *name = below(r, prefix, t->name);
    const safetensor *given = exchange_take(r->x, name, &t->shape);
    if (given) memcpy(into + t->offset, given->data, (size_t)t->count * sizeof(float));
    mem_free(name);
}

/* A mask as the numbers that a layer draws: it keeps what draws high. */
static const float *numbers_of(run *r, const safetensor *mask)
{
    float *numbers = arena_array(&r->x->memory, (size_t)mask->count, sizeof *numbers);
    for (int64_t i = 0; i < mask->count; i++) {
        if (mask->data[i] != 0 && mask->data[i] != 1) {
            exchange_complain(r->x, "0 drops and 1 keeps", "tensor \"%s\" holds %g at %lld", mask->name,
                              (double)mask->data[i], (long long)i);
            return numbers;
        }
        numbers[i] = mask->data[i] != 0 ? 1.0f - 1.0f / 16777216.0f : 0.0f;
    }
    return numbers;
}

/* What shape a mask has is the layer's business. One whose first axis is the batch has numbers for every sample; any
 * other is for layers that draw one mask for the whole batch, which they do as sample 0. */
static void give_mask(run *r, const char *name, int unit)
{
    const safetensor *mask = exchange_take_if(r->x, name, NULL);
    if (!mask) return;
    bool batched = mask->shape.rank > 0 && mask->shape.dim[0] == r->batch;
    r->draws = MEM_GROW(r->draws, r->n_draws, &r->cap_draws);
    r->draws[r->n_draws++] = (plan_draw){.path = r->net->nodes[unit].path,
                                         .numbers = numbers_of(r, mask),
                                         .count = mask->count,
                                         .sample = batched ? mask->count / r->batch : mask->count};
    r->v->masked = true;
}

static void read_masks(run *r)
{
    int first = r->n_in + 1; /* behind the network's input and the layer's */
    if ((int)r->net->n_nodes == first + 1 && !strcmp(r->net->nodes[first].path, r->v->name)) {
        const safetensor *mask = NULL;
        for (size_t i = 0; (mask = exchange_next(r->x, "mask.", &i));) give_mask(r, mask->name, first);
        return;
    }
    for (int i = first; i < (int)r->net->n_nodes; i++) {
        char *name = below(r, "mask.", r->net->nodes[i].path);
        give_mask(r, name, i);
        mem_free(name);
    }
}

/* The layer as a network, its numbers those of the case. */
static bool prepare(run *r, registry *plugins)
{
    const safetensor *in[INPUTS_MAX];
    cvy_shape shapes[INPUTS_MAX];
    if (!read_inputs(r, in, shapes)) return false;
    r->batch = shapes[0].dim[0];
    r->net = net_one_build(plugins, r->v->name, r->v->params, shapes, r->n_in, 0, r->x->e);
    if (!r->net) return false;
    r->state = state_new(r->net, 0, true, r->x->e);
    if (!r->state) return false;
    for (int i = 0; i < r->n_in; i++)
        memcpy(r->state->weights + r->net->weights[i].offset, in[i]->data,
               (size_t)in[i]->count * sizeof(float));
    for (size_t i = (size_t)r->n_in; i < r->net->n_weights; i++)
        fill(r, "param.", &r->net->weights[i], r->state->weights);
    for (size_t i = 0; i < r->net->n_buffers; i++) fill(r, "buf.", &r->net->buffers[i], r->state->buffers);
    read_masks(r);
    return true;
}

static bool make_plan(run *r)
{
    machine m = machine_here();
    plan_options o = {.batch = r->batch,
                      .train = r->v->train,
                      .plain = r->v->plain,
                      .algorithm = PLAN_DIRECT,
                      .draws = r->draws,
                      .n_draws = r->n_draws};
    r->plan = plan_new(r->net, r->state, &m, &o, r->x->e);
    if (!r->plan) return false;
    r->memory = buffer_new(plan_bytes(r->plan), r->x->e);
    if (r->memory) plan_bind(r->plan, r->memory);
    return r->memory != NULL;
}

static void give_output(run *r)
{
    cvy_shape shape;
    const float *y = plan_output(r->plan, &shape);
    memcpy(exchange_give(r->x, "out.y", &shape), y, (size_t)cvy_count(&shape) * sizeof(float));
}

static void give_state(run *r, const char *prefix, const net_tensor *t, const float *from, const char *name)
{
    char *full = name ? mem_printf("%s%s", prefix, name) : below(r, prefix, t->name);
    memcpy(exchange_give(r->x, full, &t->shape), from + t->offset, (size_t)t->count * sizeof(float));
    mem_free(full);
}

static void check_masks(run *r)
{
    for (size_t i = 0; i < r->n_draws; i++) {
        const plan_draw *d = &r->draws[i];
        if (!d->used)
            exchange_complain(r->x, NULL, "a mask is given for layer \"%s\", which draws no random numbers%s",
                              d->path, r->v->train ? "" : " in evaluation");
        else if (d->end != d->count)
            exchange_complain(r->x, "`convoy plugin info` says what shape a layer's mask has",
                              "the mask given for layer \"%s\" has %lld numbers, the layer draws %s%lld",
                              d->path, (long long)d->count, d->end > d->count ? "at least " : "",
                              (long long)d->end);
    }
}

static void compute(run *r, const safetensor *gout)
{
    errors *e = r->x->e;
    static const float unread;
    if (plan_forward(r->plan, &unread, 0, 0, e)) return;
    give_output(r);
    if (gout) {
        plan_silence_heads(r->plan);
        memcpy(plan_output_gradient(r->plan), gout->data, (size_t)gout->count * sizeof(float));
        if (plan_backward(r->plan, e)) return;
    }
    for (size_t i = 0; gout && i < r->net->n_weights; i++) {
        bool input = i < (size_t)r->n_in;
        give_state(r, input ? "gin." : "gparam.", &r->net->weights[i], r->state->gradients,
                   input ? r->names[i] : NULL);
    }
    for (size_t i = 0; i < r->net->n_buffers; i++)
        give_state(r, "bufout.", &r->net->buffers[i], r->state->buffers, NULL);
    check_masks(r);
}

static void evaluate(run *r, registry *plugins)
{
    exchange *x = r->x;
    if (!prepare(r, plugins)) return;
    cvy_shape shape = r->net->nodes[r->net->output].out;
    shape.dim[0] = r->batch;
    const safetensor *gout = exchange_take_if(x, "gout.y", &shape);
    if (gout && !r->v->train)
        exchange_complain(x, "remove it, or compute with --train",
                          "tensor \"gout.y\": there is no backward pass in evaluation");
    exchange_surplus(
        x, "taken are in.NAME, gout.y, mask.NAME and, by the layer's own names, param.NAME and buf.NAME");
    if (errors_count(x->e) == 0 && make_plan(r)) compute(r, gout);
}

cvy_status evaluate_layer(registry *plugins, evaluation *v, exchange *x)
{
    run r = {.x = x, .v = v};
    evaluate(&r, plugins);
    if (r.memory) buffer_free(r.memory, plan_bytes(r.plan));
    plan_free(r.plan);
    state_free(r.state);
    net_free(r.net);
    mem_free(r.draws);
    return errors_status(x->e);
}
