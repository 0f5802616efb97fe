/* Fully connected layer: y = x W^T + b, W of shape (units, features).
 *
 * Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 1986. Weight
 * and bias start uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)], PyTorch's default, fan_in being the number of
 * features. */
#include <math.h>

#include "convoy/layer.h"
#include "shape_text.h"

typedef struct linear_config {
    int64_t units;
    int32_t bias;
} linear_config;

static const cvy_param linear_params[] = {
    CVY_INT_REQUIRED(linear_config, units, 1, 16777216,
                     "outputs; `classes` stands for the dataset's classes"),
    CVY_ALSO("out_features features num_output num_units output_dim neurons channels"),
    CVY_BOOL(linear_config, bias, true, "adds a learned number per output; starts uniform like the weights"),
    CVY_ALSO("use_bias bias_term"),
};

static int linear_infer(cvy_infer *in, const void *config)
{
    const linear_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, F)
    char text[128];
    if (x->rank != 2)
        return cvy_fail(in, "expects vectors (N, F) and got %s; put `flatten` or `global_avg_pool` before it",
                        shape_text(x, text));
    const int64_t features = x->dim[1];
    int64_t bytes;
    if (__builtin_mul_overflow(c->units, features, &in->macs) ||
        __builtin_mul_overflow(c->units, x->dim[0] * (int64_t)sizeof(double), &bytes))
        return cvy_fail(in, "units: %" PRId64 " of %" PRId64 " features are too large to compute", c->units,
                        features);
    in->out = cvy_shape2(x->dim[0], c->units);
    in->traits = CVY_READS_X;
    const cvy_init uniform = {CVY_INIT_UNIFORM, 1 / sqrt((double)features)};
    const cvy_shape weight = cvy_shape2(c->units, features), bias = cvy_shape1(c->units);
    if (in->weight(in, "weight", &weight, uniform)) return 1;
    return c->bias ? in->weight(in, "bias", &bias, uniform) : 0;
}

typedef struct linear_job {
    const cvy_plain *call;
    int64_t batch, features, units; /* N, F, O */
    int bias;
} linear_job;

static linear_job job_of(const cvy_plain *call, const linear_config *c)
{
    const linear_job j = {call, call->in[0].dim[0], call->in[0].dim[1], c->units, c->bias};
    return j;
}

/* Outputs (n, o): y = b + sum of w x. */
static void forward_outputs(void *ctx, int64_t begin, int64_t end)
{
    const linear_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / j->units, o = i % j->units;
        const cvy_real *x = j->call->x[0] + n * j->features; // (F)
        const cvy_real *w = j->call->w[0] + o * j->features; // (F)
        double sum = j->bias ? (double)j->call->w[1][o] : 0;
        for (int64_t f = 0; f < j->features; f++) sum += (double)w[f] * (double)x[f];
        j->call->y[i] = (cvy_real)sum;
    }
}

#define SOME 128 /* features at a time */

/* One row of features (F): to[f] = sum over i of factor[i step] rows[i][f], the rows lying one after the other. */
static void sum_rows(const linear_job *j, const cvy_real *factor, int64_t step, const cvy_real *rows,
                     int64_t count, cvy_real *to)
{
    double sum[SOME];
    for (int64_t first = 0; first < j->features; first += SOME) {
        const int64_t some = j->features - first < SOME ? j->features - first : SOME;
        for (int64_t f = 0; f < some; f++) sum[f] = 0;
        for (int64_t i = 0; i < count; i++) {
            const double times = (double)factor[i * step];
            const cvy_real *row = rows + i * j->features + first;
            for (int64_t f = 0; f < some; f++) sum[f] += times * (double)row[f];
        }
        for (int64_t f = 0; f < some; f++) to[first + f] = (cvy_real)sum[f];
    }
}

/* Samples n: gx = sum over the outputs of gy w. */
static void backward_samples(void *ctx, int64_t begin, int64_t end)
{
    const linear_job *j = ctx;
    for (int64_t n = begin; n < end; n++)
        sum_rows(j, j->call->gy + n * j->units, 1, j->call->w[0], j->units, j->call->gx[0] + n * j->features);
}

/* Outputs o: gw = sum over the batch of gy x, gb = sum of gy. */
static void backward_weights(void *ctx, int64_t begin, int64_t end)
{
    const linear_job *j = ctx;
    cvy_real *bias = j->bias ? j->call->gw[1] : NULL;
    for (int64_t o = begin; o < end; o++) {
        if (j->call->gw[0])
            sum_rows(j, j->call->gy + o, j->units, j->call->x[0], j->batch, j->call->gw[0] + o * j->features);
        if (bias) {
            double sum = 0;
            for (int64_t n = 0; n < j->batch; n++) sum += (double)j->call->gy[n * j->units + o];
            bias[o] = (cvy_real)sum;
        }
    }
}

static int linear_forward(const cvy_plain *call, const void *config)
{
    linear_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.batch * j.units, 1, forward_outputs, &j);
    return 0;
}

static int linear_backward(const cvy_plain *call, const void *config)
{
    linear_job j = job_of(call, config);
    if (call->gx[0]) call->host->parallel_for(call->host, j.batch, 1, backward_samples, &j);
    call->host->parallel_for(call->host, j.units, 1, backward_weights, &j);
    return 0;
}

static cvy_value linear_lower(cvy_lower *l, const void *config)
{
    const linear_config *c = config;
    const cvy_value operands[] = {cvy_in(0), cvy_weight(0), cvy_weight(1)};
    return l->op(l, CVY_OP_LINEAR, operands, c->bias ? 3 : 2, NULL);
}

static const cvy_layer linear_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = linear_infer,
    .forward = linear_forward,
    .backward = linear_backward,
    .lower = linear_lower,
};

CVY_PLUGIN(CVY_LAYER, linear, "Linear Dense dense fc fully_connected InnerProduct Gemm",
           "Fully connected layer; weights and bias start uniform on +-1/sqrt(fan_in)",
           "Rumelhart et al. 1986", linear_config, &linear_layer, CVY_PARAMS(linear_params));
