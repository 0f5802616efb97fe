/* DropConnect: a fully connected layer whose connections are dropped at random in training, y = a((M * W) x), M holding
 * 0 with probability p and 1 otherwise.
 *
 * Wan, Zeiler, Zhang, LeCun & Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013. As there, each
 * sample has a mask of its own (`per: batch`: one for all), biases are masked like weights (`mask_bias: false`: they
 * stay), and nothing is rescaled in training. The paper's p is the probability of keeping; here it is that of dropping,
 * as in dropout. In evaluation
 *   mean:     y = a((1 - p) W x);
 *   gaussian: the paper's algorithm 2: what a unit sums up is nearly normal with mean (1 - p) W x and variance
 *             p (1 - p) (W * W)(x * x); `samples` values are drawn from that, put through the activation a and
 *             averaged. The average has to be taken behind the activation, hence the parameter `activation`: without
 *             one the samples only add noise to the mean.
 * Weights and biases start as those of `linear`: uniform on [-1/sqrt(features), 1/sqrt(features)].
 *
 * A mask given to `plugin eval` has the shape (N, units, features), with `per: batch` (units, features); where the bias
 * is masked it is one more column. Training keeps the mask, as bits, for backward. */
#include <math.h>

#include "convoy/layer.h"
#include "shape_text.h"

enum { PER_SAMPLE, PER_BATCH };
enum { INFER_MEAN, INFER_GAUSSIAN };
enum { ACT_IDENTITY, ACT_RELU, ACT_SIGMOID, ACT_TANH };
static const char *const pers[] = {"sample", "batch", NULL};
static const char *const inferences[] = {"mean", "gaussian", NULL};
static const char *const activations[] = {"identity", "relu", "sigmoid", "tanh", NULL};

typedef struct dc_config {
    int64_t units, samples;
    double p;
    int32_t bias, mask_bias, per, inference, activation;
} dc_config;

static const cvy_param dc_params[] = {
    CVY_INT_REQUIRED(dc_config, units, 1, 16777216, "outputs; `classes` stands for the dataset's classes"),
    CVY_ALSO("out_features features num_output num_units output_dim neurons channels"),
    CVY_FLOAT(dc_config, p, 0.5, 0, 1,
              "probability of dropping a connection (the paper's p is that of keeping it)"),
    CVY_ALSO("rate prob drop_prob weight_dropout"),
    CVY_BOOL(dc_config, bias, true, "adds a learned number per output; starts uniform like the weights"),
    CVY_ALSO("use_bias bias_term"),
    CVY_BOOL(
        dc_config, mask_bias, true,
        "drops biases like weights, as the paper does; masks then have one more column, that of the bias"),
    CVY_ENUM(
        dc_config, per, sample, pers,
        "one mask per `sample`, of shape (N, units, features), as in the paper, or one per `batch`, of shape "
        "(units, features)"),
    CVY_ENUM(dc_config, inference, mean, inferences,
             "evaluation by the `mean` weights, or by `samples` draws from a `gaussian` (the paper's "
             "algorithm 2)"),
    CVY_INT(dc_config, samples, 100, 1, 1048576, "draws per output of gaussian inference (Z in the paper)"),
    CVY_ENUM(dc_config, activation, identity, activations,
             "put behind the sum; gaussian inference averages behind it"),
};

static int masks_bias(const dc_config *c)
{
    return c->bias && c->mask_bias;
}

static int dc_infer(cvy_infer *in, const void *config)
{
    const dc_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, F)
    char text[128];
    if (x->rank != 2)
        return cvy_fail(in, "expects vectors (N, F) and got %s; put `flatten` or `global_avg_pool` before it",
                        shape_text(x, text));
    const int64_t features = x->dim[1], row = (features + masks_bias(c) + 7) / 8;
    int64_t outputs;
    if (__builtin_mul_overflow(c->units, features, &in->macs) ||
        __builtin_mul_overflow(x->dim[0], c->units, &outputs) ||
        __builtin_mul_overflow(c->per == PER_SAMPLE ? outputs : c->units, row, &in->saved_bytes) ||
        __builtin_mul_overflow(outputs, (int64_t)(2 * sizeof(double)), &in->scratch_bytes))
        return cvy_fail(in, "units: %" PRId64 " of %" PRId64 " features are too large to compute", c->units,
                        features);
    in->out = cvy_shape2(x->dim[0], c->units);
    in->traits = CVY_READS_X | (c->activation == ACT_IDENTITY ? 0 : CVY_READS_Y);
    const cvy_init uniform = {CVY_INIT_UNIFORM, 1 / sqrt((double)features)};
    const cvy_shape weight = cvy_shape2(c->units, features), bias = cvy_shape1(c->units);
    if (in->weight(in, "weight", &weight, uniform)) return 1;
    return c->bias ? in->weight(in, "bias", &bias, uniform) : 0;
}

typedef struct dc_job {
    const cvy_plain *call;
    const dc_config *c;
    int64_t batch, features, units; /* N, F, O */
    double keep;                    /* 1 - p */
    int64_t row, rows;              /* bytes of a mask's row; rows */
    uint8_t *mask;                  /* training: (N or 1, O, row), bits; NULL in evaluation */
    double *linear, *square;        /* backward: (N, O), see output_coefficients() */
} dc_job;

static dc_job job_of(const cvy_plain *call, const dc_config *c)
{
    const int64_t batch = call->in[0].dim[0], features = call->in[0].dim[1];
    dc_job j = {.call = call,
                .c = c,
                .batch = batch,
                .features = features,
                .units = c->units,
                .keep = 1 - c->p,
                .row = (features + masks_bias(c) + 7) / 8,
                .rows = c->per == PER_SAMPLE ? batch * c->units : c->units,
                .mask = call->train ? call->saved : NULL,
                .linear = call->scratch};
    j.square = j.linear + batch * c->units;
    return j;
}

static const uint8_t *row_of(const dc_job *j, int64_t n, int64_t o)
{
    if (!j->mask) return NULL;
    return j->mask + (j->c->per == PER_SAMPLE ? n * j->units + o : o) * j->row;
}

/* What connection f of a row is multiplied by: 0 or 1, or in evaluation the mean. */
static double kept(const dc_job *j, const uint8_t *row, int64_t f)
{
    return row ? row[f >> 3] >> (f & 7) & 1 : j->keep;
}

static void draw_rows(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    const int64_t width = j->features + masks_bias(j->c);
    float uniform[256];
    for (int64_t at = begin; at < end; at++) {
        uint8_t *row = j->mask + at * j->row;
        for (int64_t i = 0; i < j->row; i++) row[i] = 0;
        for (int64_t first = 0; first < width; first += 256) {
            const int64_t some = width - first < 256 ? width - first : 256;
            j->call->uniform(j->call, at / j->units, at % j->units * width + first, some, uniform);
            for (int64_t i = 0; i < some; i++)
                if ((double)uniform[i] >= j->c->p)
                    row[(first + i) >> 3] = (uint8_t)(row[(first + i) >> 3] | 1u << ((first + i) & 7));
        }
    }
}

/* ---- activations ---- */

static double activate(int32_t function, double u)
{
    switch (function) {
    case ACT_RELU:
        return u <= 0 ? 0 : u;
    case ACT_SIGMOID:
        return 1 / (1 + exp(-u));
    case ACT_TANH:
        return tanh(u);
    default:
        return u;
    }
}

/* The derivative, by the value. */
static double slope_at(int32_t function, double y)
{
    switch (function) {
    case ACT_RELU:
        return y <= 0 ? 0 : 1;
    case ACT_SIGMOID:
        return y * (1 - y);
    case ACT_TANH:
        return 1 - y * y;
    default:
        return 1;
    }
}

/* ---- forward ---- */

/* What output (n, o) sums up, and the variance of that in gaussian inference. */
static double sum_output(const dc_job *j, int64_t n, int64_t o, double *variance)
{
    const cvy_real *x = j->call->x[0] + n * j->features, *w = j->call->w[0] + o * j->features; // (F)
    const uint8_t *row = row_of(j, n, o);
    const double bias = j->c->bias ? (double)j->call->w[1][o] : 0;
    double sum = 0, squares = 0;
    for (int64_t f = 0; f < j->features; f++) {
        const double part = (double)w[f] * (double)x[f];
        sum += kept(j, row, f) * part;
        squares += part * part;
    }
    sum += masks_bias(j->c) ? kept(j, row, j->features) * bias : bias;
    if (masks_bias(j->c)) squares += bias * bias;
    *variance = j->c->p * j->keep * squares;
    return sum;
}

typedef struct dc_average {
    double y, slope, slope_e; /* means of a(u), a'(u), a'(u) e with u = mean + deviation e, e normal */
} dc_average;

/* Algorithm 2: samples 2 k and 2 k + 1 of output (n, o) are made of two uniform numbers (Box & Muller 1958). */
static dc_average sample_output(const dc_job *j, int64_t n, int64_t o, double mean, double deviation)
{
    const int64_t samples = j->c->samples, pairs = (samples + 1) / 2;
    const double turn = 6.283185307179586;
    float uniform[128];
    dc_average sum = {0, 0, 0};
    for (int64_t first = 0; first < pairs; first += 64) {
        const int64_t some = pairs - first < 64 ? pairs - first : 64;
        j->call->uniform(j->call, n, (o * pairs + first) * 2, some * 2, uniform);
        for (int64_t k = 0; k < 2 * some && 2 * first + k < samples; k++) {
            const double radius = sqrt(-2 * log(1 - (double)uniform[k & ~(int64_t)1]));
            const double angle = turn * (double)uniform[k | 1];
            const double e = radius * (k & 1 ? sin(angle) : cos(angle));
            const double y = activate(j->c->activation, mean + deviation * e);
            const double slope = slope_at(j->c->activation, y);
            sum.y += y;
            sum.slope += slope;
            sum.slope_e += slope * e;
        }
    }
    sum.y /= (double)samples;
    sum.slope /= (double)samples;
    sum.slope_e /= (double)samples;
    return sum;
}

static int samples_here(const dc_job *j)
{
    return !j->call->train && j->c->inference == INFER_GAUSSIAN;
}

static void forward_outputs(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / j->units, o = i % j->units;
        double variance;
        const double sum = sum_output(j, n, o, &variance);
        j->call->y[i] = (cvy_real)(samples_here(j) ? sample_output(j, n, o, sum, sqrt(variance)).y
                                                   : activate(j->c->activation, sum));
    }
}

/* ---- backward ---- */

/* The gradient of a weight is linear m x + square w x^2, that of an input the sum over the outputs of
 * linear m w + square w^2 x, m being the mask's number; square only where the variance counts. */
static void output_coefficients(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const double gy = (double)j->call->gy[i];
        j->square[i] = 0;
        if (samples_here(j)) {
            double variance;
            const double sum = sum_output(j, i / j->units, i % j->units, &variance);
            const dc_average a = sample_output(j, i / j->units, i % j->units, sum, sqrt(variance));
            j->linear[i] = gy * a.slope;
            if (variance > 0) j->square[i] = gy * a.slope_e * j->c->p * j->keep / sqrt(variance);
        } else {
            j->linear[i] = j->c->activation == ACT_IDENTITY
                               ? gy
                               : gy * slope_at(j->c->activation, (double)j->call->y[i]);
        }
    }
}

#define SOME 128 /* features at a time */

static int64_t some_of(const dc_job *j, int64_t first)
{
    return j->features - first < SOME ? j->features - first : SOME;
}

static void backward_samples(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    double sum[SOME];
    for (int64_t n = begin; n < end; n++) {
        const cvy_real *x = j->call->x[0] + n * j->features; // (F)
        for (int64_t first = 0; first < j->features; first += SOME) {
            const int64_t last = first + some_of(j, first);
            for (int64_t i = 0; i < SOME; i++) sum[i] = 0;
            for (int64_t o = 0; o < j->units; o++) {
                const cvy_real *w = j->call->w[0] + o * j->features; // (F)
                const uint8_t *row = row_of(j, n, o);
                const double linear = j->linear[n * j->units + o], square = j->square[n * j->units + o];
                for (int64_t f = first; f < last; f++)
                    sum[f - first] +=
                        (double)w[f] * (linear * kept(j, row, f) + square * (double)w[f] * (double)x[f]);
            }
            for (int64_t f = first; f < last; f++)
                j->call->gx[0][n * j->features + f] = (cvy_real)sum[f - first];
        }
    }
}

static void weight_gradient(const dc_job *j, int64_t o)
{
    const cvy_real *w = j->call->w[0] + o * j->features; // (F)
    double sum[SOME];
    for (int64_t first = 0; first < j->features; first += SOME) {
        const int64_t last = first + some_of(j, first);
        for (int64_t i = 0; i < SOME; i++) sum[i] = 0;
        for (int64_t n = 0; n < j->batch; n++) {
            const cvy_real *x = j->call->x[0] + n * j->features; // (F)
            const uint8_t *row = row_of(j, n, o);
            const double linear = j->linear[n * j->units + o], square = j->square[n * j->units + o];
            for (int64_t f = first; f < last; f++)
                sum[f - first] +=
                    (double)x[f] * (linear * kept(j, row, f) + square * (double)w[f] * (double)x[f]);
        }
        for (int64_t f = first; f < last; f++) j->call->gw[0][o * j->features + f] = (cvy_real)sum[f - first];
    }
}

static void backward_weights(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    for (int64_t o = begin; o < end; o++) {
        if (j->call->gw[0]) weight_gradient(j, o);
        if (!j->c->bias || !j->call->gw[1]) continue;
        double sum = 0;
        for (int64_t n = 0; n < j->batch; n++) {
            const int64_t i = n * j->units + o;
            if (masks_bias(j->c))
                sum += j->linear[i] * kept(j, row_of(j, n, o), j->features) +
                       j->square[i] * (double)j->call->w[1][o];
            else
                sum += j->linear[i];
        }
        j->call->gw[1][o] = (cvy_real)sum;
    }
}

static int dc_forward(const cvy_plain *call, const void *config)
{
    dc_job j = job_of(call, config);
    if (j.mask) call->host->parallel_for(call->host, j.rows, 1, draw_rows, &j);
    call->host->parallel_for(call->host, j.batch * j.units, 1, forward_outputs, &j);
    return 0;
}

static int dc_backward(const cvy_plain *call, const void *config)
{
    dc_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.batch * j.units, 1, output_coefficients, &j);
    if (call->gx[0]) call->host->parallel_for(call->host, j.batch, 1, backward_samples, &j);
    call->host->parallel_for(call->host, j.units, 1, backward_weights, &j);
    return 0;
}

static const cvy_layer dc_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = dc_infer,
    .forward = dc_forward,
    .backward = dc_backward,
};

CVY_PLUGIN(CVY_LAYER, drop_connect, "DropConnect dropconnect WeightDrop",
           "Fully connected layer whose weights are dropped at random in training; they start uniform on "
           "+-1/sqrt(fan_in)",
           "Wan et al. 2013, sections 2 and 3", dc_config, &dc_layer, CVY_PARAMS(dc_params));
