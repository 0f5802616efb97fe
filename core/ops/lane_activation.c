/* Owns the activations as vectors, forward and backward; must not know shapes beyond the number of elements, except for
 * functions that are not 0 at 0.
 *
 * Each function runs over a tensor of any layout as one row of floats. The zeros beyond C stay zeros where f(0) = 0, and
 * backward by their gradient being zero; where f(0) is something else they are written again. */
#include "base/parallel.h"
#include "ops/kernel.h"
#include "ops/lane_math.h"
#include "ops/lane_parts.h"
#include "ops/lane_view.h"

#define GRAIN 4096 /* elements: below, a second thread costs more than it saves */

typedef struct row_job {
    int function;
    const float *x, *gy; /* backward: x is y where that is what it reads */
    float *y;
    float alpha, beta; /* as forward() and backward() want them */
    lane_view view;
} row_job;

/* sqrt(2 / pi) (x + 0.044715 x^3), doubled, is x (A + B x^2). */
#define GELU_A 1.59576912160573071f
#define GELU_B 0.0713548162726002527f

LANE_INLINE lane forward(int function, lane x, lane alpha, lane beta)
{
    lane slope;
    switch (function) {
    case CVY_RELU:
        return lane_relu(x);
    case CVY_LEAKY_RELU:
        return lane_where(x > 0, x, x * alpha);
    case CVY_ELU:
        return lane_where(x > 0, x, alpha * lane_expm1(x, &slope));
    case CVY_GELU:
        return x * lane_normal(x, &slope);
    case CVY_GELU_TANH: {
        const lane c =
            lane_at_most(lane_at_least(x, -16), 16); /* settled from there, and its cube is finite */
        return x * lane_logistic(c * lane_fma(c * c, lane_all(GELU_B), lane_all(GELU_A)), &slope);
    }
    case CVY_SILU:
        return x * lane_logistic(x, &slope);
    case CVY_SIGMOID:
        return lane_logistic(x, &slope);
    case CVY_TANH:
        return lane_tanh(x);
    default: /* CVY_SCALED_TANH */
        return alpha * lane_tanh(beta * x);
    }
}

/* x is y for the functions whose slope that tells. */
LANE_INLINE lane backward(int function, lane x, lane gy, lane alpha, lane beta)
{
    lane slope;
    switch (function) {
    case CVY_RELU:
        return lane_gate(x, gy);
    case CVY_LEAKY_RELU:
        return lane_where(x > 0, gy, gy * alpha);
    case CVY_ELU:
        return lane_where(x > 0, gy, gy * (x + alpha));
    case CVY_GELU: {
        const lane mass = lane_normal(x, &slope);
        return gy * (mass + x * slope);
    }
    case CVY_GELU_TANH: {
        const lane c = lane_at_most(lane_at_least(x, -16), 16), square = c * c;
        const lane mass = lane_logistic(c * lane_fma(square, lane_all(GELU_B), lane_all(GELU_A)), &slope);
        return gy * (mass + x * slope * lane_fma(square, lane_all(3 * GELU_B), lane_all(GELU_A)));
    }
    case CVY_SILU: {
        const lane mass = lane_logistic(x, &slope);
        return gy * (mass + x * slope);
    }
    case CVY_SIGMOID:
        return gy * (x * (1.0f - x));
    case CVY_TANH:
        return gy * lane_fma(-x, x, lane_all(1));
    default: /* CVY_SCALED_TANH, whose beta is beta / alpha here: near the ends alpha - |y| is exact */
        return gy * ((alpha - x) * (alpha + x) * beta);
    }
}

/* What is left over at the end of a share takes the same way through a vector, filled up with zeros. */
LANE_INLINE void row(const row_job *j, int function, bool back, int64_t begin, int64_t end)
{
    const float *x = j->x, *gy = j->gy;
    float *y = j->y;
    const lane alpha = lane_all(j->alpha), beta = lane_all(j->beta);
    int64_t i = begin;
    for (; i + LANES <= end; i += LANES)
        lane_store(y + i, back ? backward(function, lane_load(x + i), lane_load(gy + i), alpha, beta)
                               : forward(function, lane_load(x + i), alpha, beta));
    if (i == end) return;
    const lane last = lane_load_first(x + i, end - i);
    lane_store_first(y + i,
                     back ? backward(function, last, lane_load_first(gy + i, end - i), alpha, beta)
                          : forward(function, last, alpha, beta),
                     end - i);
}

/* One loop for each function, chosen once a share. */
#define EACH_FUNCTION(DO) \
    DO(CVY_RELU)          \
    DO(CVY_LEAKY_RELU)    \
    DO(CVY_ELU)           \
    DO(CVY_GELU)          \
    DO(CVY_GELU_TANH)     \
    DO(CVY_SILU)          \
    DO(CVY_SIGMOID)       \
    DO(CVY_TANH)          \
    DO(CVY_SCALED_TANH)

static void activation_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    row_job j = *(row_job *)ctx;
    switch (j.function) {
#define CASE(f)                        \
    case f:                            \
        row(&j, f, false, begin, end); \
        break;
        EACH_FUNCTION(CASE)
#undef CASE
    }
}

static void activation_bwd_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    row_job j = *(row_job *)ctx;
    switch (j.function) {
#define CASE(f)                       \
    case f:                           \
        row(&j, f, true, begin, end); \
        break;
        EACH_FUNCTION(CASE)
#undef CASE
    }
}

/* Planes of a blocked tensor: after the last block of a sample its lanes beyond C are made zeros again. */
static void activation_planes_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    const row_job *j = ctx;
    const lane_view *v = &j->view;
    for (int64_t at = begin; at < end; at++) {
        activation_part(ctx, at * v->plane, (at + 1) * v->plane, thread);
        if ((at + 1) % v->blocks != 0) continue;
        const lane_mask real = lane_first(lane_view_lanes(v, v->blocks - 1));
        float *y = j->y + at * v->plane;
        for (int64_t i = 0; i < v->plane; i += LANES)
            lane_store(y + i, (lane)((lane_mask)lane_load(y + i) & real));
    }
}

static void activation_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    const cvy_activation_attr *f = &o->attr.activation;
    const tensor *t = &o->in[0];
    row_job j = {.function = f->function,
                 .x = a->in[0],
                 .y = a->out[0],
                 .alpha = (float)f->alpha,
                 .beta = (float)f->beta};
    if (f->function == CVY_SIGMOID && t->layout != LAYOUT_PLAIN && t->shape.dim[1] % LANES != 0) {
        j.view = lane_view_of(t);
        parallel_for(j.view.n * j.view.blocks, lane_parts_grain(j.view.pixels), activation_planes_part, &j);
        return;
    }
    parallel_for(tensor_elements(t), GRAIN, activation_part, &j);
}

static void activation_bwd_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    const cvy_activation_attr *f = &o->attr.activation;
    row_job j = {.function = f->function,
                 .x = a->in[0],
                 .gy = a->in[1],
                 .y = a->out[0],
                 .alpha = (float)f->alpha,
                 .beta = (float)f->beta};
    if (f->function == CVY_SCALED_TANH) j.beta = (float)(f->beta / f->alpha);
    parallel_for(tensor_elements(&o->in[0]), GRAIN, activation_bwd_part, &j);
}

/* ---- the kernels ---- */

/* Time as a multiple of reading and writing the tensors. */
static double effort(const op *o)
{
    const double exponential = LANE_LEVEL == LANE_base ? 6 : 1.5;
    switch (o->attr.activation.function) {
    case CVY_RELU:
    case CVY_LEAKY_RELU:
        return 1;
    case CVY_ELU:
    case CVY_SIGMOID:
    case CVY_TANH:
    case CVY_SCALED_TANH:
        return o->type == OP_ACTIVATION ? exponential : 1;
    default:
        return exponential;
    }
}

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    const bool map = o->in[0].shape.rank == 4;
    if (k == 0) return offer_uniform(o, m, map ? LANE_LAYOUT : LAYOUT_PLAIN, effort(o), in, out);
    return k == 1 && map ? offer_uniform(o, m, LAYOUT_PLAIN, effort(o), in, out) : -1;
}

const kernel LANE(lane_activation) = {
    .name = "lanes", .type = OP_ACTIVATION, .in_place = 0, .offer = offer, .run = activation_run};
const kernel LANE(lane_activation_bwd) = {
    .name = "lanes", .type = OP_ACTIVATION_BWD, .in_place = 1, .offer = offer, .run = activation_bwd_run};
