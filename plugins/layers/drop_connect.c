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
 * is masked it is one more column. Training keeps the mask, as bits, for backward.
 *
 * With a mask for each sample there is no product of matrices: every connection of every sample is gone through one by
 * one. With one mask for all, and in evaluation, the layer is the product with the masked weights, or with the weights. */
#include <math.h>
#include <string.h>

#include "products.h"
#include "shape_text.h"
#include "wide.h"

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

/* Bits of a mask that are kept together: bit b of word k belongs to connection b BITS_WORDS + k. So neighbours lie in
 * neighbouring words, and a row is masked without moving bits about. */
enum { BITS_WORDS = WIDE_LANES, BITS = 32, BLOCK = BITS_WORDS * BITS };

static int64_t blocks_of(int64_t features)
{
    return features / BLOCK + (features % BLOCK != 0);
}

static int dc_infer(cvy_infer *in, const void *config)
{
    const dc_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, F)
    char text[128];
    if (x->rank != 2)
        return cvy_fail(in, "expects vectors (N, F) and got %s; put `flatten` or `global_avg_pool` before it",
                        shape_text(x, text));
    const int64_t features = x->dim[1];
    const int64_t row =
        blocks_of(features) * (int64_t)(BITS_WORDS * sizeof(uint32_t)) + 1; /* and the bias' */
    int64_t outputs, weights;
    if (__builtin_mul_overflow(c->units, features, &in->macs) ||
        __builtin_mul_overflow(x->dim[0], c->units, &outputs) ||
        __builtin_mul_overflow(c->per == PER_SAMPLE ? outputs : c->units, row, &in->saved_bytes) ||
        __builtin_mul_overflow(in->macs, c->per == PER_SAMPLE ? 0 : (int64_t)sizeof(cvy_real), &weights) ||
        __builtin_mul_overflow(outputs, (int64_t)(2 * sizeof(cvy_real)), &in->scratch_bytes) ||
        __builtin_add_overflow(in->scratch_bytes, weights, &in->scratch_bytes))
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
    double factor;                  /* of all weights: in evaluation the mean */
    int64_t rows, blocks;           /* of masks; of a row */
    uint32_t *mask;                 /* training: (rows, blocks, BITS_WORDS), see above; NULL in evaluation */
    uint8_t *bias_mask;             /* (rows), where biases are masked */
    const cvy_real *weights;        /* (O, F): the product's, masked or not; NULL: a mask for each sample */
    cvy_real *masked;               /* (O, F), where they are made */
    const cvy_real *linear;         /* backward: (N, O), see output_coefficients() */
    cvy_real *square;
    products_job product; /* backward */
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
                .factor = call->train ? 1 : 1 - c->p,
                .rows = c->per == PER_SAMPLE ? batch * c->units : c->units,
                .blocks = blocks_of(features),
                .mask = call->train ? call->saved : NULL,
                .weights = call->w[0],
                .linear = call->scratch};
    j.square = (cvy_real *)call->scratch + batch * c->units;
    if (!j.mask) return j;
    j.bias_mask = (uint8_t *)(j.mask + j.rows * j.blocks * BITS_WORDS);
    j.masked = c->per == PER_SAMPLE ? NULL : j.square + batch * c->units;
    j.weights = j.masked;
    return j;
}

static int64_t row_of(const dc_job *j, int64_t n, int64_t o)
{
    return j->c->per == PER_SAMPLE ? n * j->units + o : o;
}

static const uint32_t *block_of(const dc_job *j, int64_t row, int64_t block)
{
    return j->mask + (row * j->blocks + block) * BITS_WORDS;
}

/* What the bias of output (n, o) is multiplied by. */
static double bias_kept(const dc_job *j, int64_t n, int64_t o)
{
    if (!masks_bias(j->c)) return 1;
    return j->mask ? j->bias_mask[row_of(j, n, o)] : j->keep;
}

/* ---- masks ---- */

WIDE static void set_bits(uint32_t *mask, const float *uniform, float least, int64_t n)
{
    uint32_t words[BITS_WORDS] = {0};
    int b = 0;
    for (; (b + 1) * BITS_WORDS <= n; b++)
        for (int k = 0; k < BITS_WORDS; k++)
            words[k] |= (uint32_t)(uniform[b * BITS_WORDS + k] >= least) << b;
    for (int k = 0; b * BITS_WORDS + k < n; k++)
        words[k] |= (uint32_t)(uniform[b * BITS_WORDS + k] >= least) << b;
    memcpy(mask, words, sizeof words);
}

static void draw_rows(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    const int64_t width = j->features + masks_bias(j->c);
    float uniform[BLOCK + 1], least = (float)j->c->p; /* the first float that is not below p */
    if ((double)least < j->c->p) least = nextafterf(least, 2);
    for (int64_t row = begin; row < end; row++)
        for (int64_t block = 0; block < j->blocks; block++) {
            const int64_t first = block * BLOCK, rest = j->features - first, n = rest < BLOCK ? rest : BLOCK;
            const int bias = rest <= BLOCK && masks_bias(j->c);
            j->call->uniform(j->call, row / j->units, row % j->units * width + first, n + bias, uniform);
            set_bits(j->mask + (row * j->blocks + block) * BITS_WORDS, uniform, least, n);
            if (bias) j->bias_mask[row] = uniform[n] >= least;
        }
}

/* The number that bit b of a word stands for. */
static inline cvy_real bit(uint32_t word, int b)
{
    return (cvy_real)(int32_t)(word >> b & 1);
}

/* to = mask * from, n numbers of a block; `to` may be `from`. */
WIDE static void mask_block(const uint32_t *mask, const cvy_real *from, cvy_real *to, int64_t n)
{
    int b = 0;
    for (; (b + 1) * BITS_WORDS <= n; b++)
        for (int k = 0; k < BITS_WORDS; k++)
            to[b * BITS_WORDS + k] = bit(mask[k], b) * from[b * BITS_WORDS + k];
    for (int k = 0; b * BITS_WORDS + k < n; k++)
        to[b * BITS_WORDS + k] = bit(mask[k], b) * from[b * BITS_WORDS + k];
}

static void mask_rows(const dc_job *j, const cvy_real *from, cvy_real *to, int64_t begin, int64_t end)
{
    for (int64_t o = begin; o < end; o++)
        for (int64_t block = 0; block < j->blocks; block++) {
            const int64_t rest = j->features - block * BLOCK, at = o * j->features + block * BLOCK;
            mask_block(block_of(j, o, block), from + at, to + at, rest < BLOCK ? rest : BLOCK);
        }
}

static void mask_weights(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    mask_rows(j, j->call->w[0], j->masked, begin, end);
}

/* Of a block of n numbers, the sum of mask w x. */
WIDE static double masked_dot(const uint32_t *mask, const cvy_real *w, const cvy_real *x, int64_t n)
{
    cvy_real part[BITS_WORDS] = {0};
    int b = 0;
    for (; (b + 1) * BITS_WORDS <= n; b++)
        for (int k = 0; k < BITS_WORDS; k++)
            part[k] += bit(mask[k], b) * (w[b * BITS_WORDS + k] * x[b * BITS_WORDS + k]);
    for (int k = 0; b * BITS_WORDS + k < n; k++)
        part[k] += bit(mask[k], b) * (w[b * BITS_WORDS + k] * x[b * BITS_WORDS + k]);
    return wide_sum(part);
}

/* sum += factor mask v, over a block of n numbers. */
WIDE static void masked_add(const uint32_t *mask, cvy_real factor, const cvy_real *v, int64_t n,
                            cvy_real *restrict sum)
{
    int b = 0;
    for (; (b + 1) * BITS_WORDS <= n; b++)
        for (int k = 0; k < BITS_WORDS; k++)
            sum[b * BITS_WORDS + k] += bit(mask[k], b) * (factor * v[b * BITS_WORDS + k]);
    for (int k = 0; b * BITS_WORDS + k < n; k++)
        sum[b * BITS_WORDS + k] += bit(mask[k], b) * (factor * v[b * BITS_WORDS + k]);
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

/* ---- gaussian inference ---- */

static int samples_here(const dc_job *j)
{
    return !j->call->train && j->c->inference == INFER_GAUSSIAN;
}

/* The variance of what output (n, o) sums up. */
static double variance_of(const dc_job *j, int64_t n, int64_t o)
{
    const cvy_real *x = j->call->x[0] + n * j->features, *w = j->weights + o * j->features; // (F)
    const double bias = masks_bias(j->c) ? (double)j->call->w[1][o] : 0;
    double squares = bias * bias;
    for (int64_t f = 0; f < j->features; f++) {
        const double part = (double)w[f] * (double)x[f];
        squares += part * part;
    }
    return j->c->p * j->keep * squares;
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

/* ---- forward ---- */

enum { SOME_UNITS = 8, SOME_SAMPLES = PRODUCTS_TERMS }; /* whose rows are read together */

/* What some samples, from n on, sum up at output o, without the bias; `sum` of the last one again beyond the batch. */
static void sum_samples(const dc_job *j, int64_t n, int64_t o, double sum[SOME_SAMPLES])
{
    const cvy_real *w = j->call->w[0] + o * j->features, *x[SOME_SAMPLES];
    for (int64_t r = 0; r < SOME_SAMPLES; r++)
        x[r] = j->call->x[0] + (n + r < j->batch ? n + r : j->batch - 1) * j->features;
    if (j->weights) {
        products_dots(x, j->weights + o * j->features, j->features, sum);
        return;
    }
    for (int64_t r = 0; r < SOME_SAMPLES && n + r < j->batch; r++) {
        sum[r] = 0;
        for (int64_t block = 0; block < j->blocks; block++) {
            const int64_t first = block * BLOCK, rest = j->features - first;
            sum[r] += masked_dot(block_of(j, row_of(j, n + r, o), block), w + first, x[r] + first,
                                 rest < BLOCK ? rest : BLOCK);
        }
    }
}

/* What output (n, o) comes to before the activation. */
static double with_bias(const dc_job *j, int64_t n, int64_t o, double sum)
{
    return j->factor * sum + (j->c->bias ? bias_kept(j, n, o) * (double)j->call->w[1][o] : 0);
}

static void forward_units(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    double sums[SOME_SAMPLES];
    for (int64_t first = begin; first < end; first += SOME_UNITS)
        for (int64_t n = 0; n < j->batch; n += SOME_SAMPLES)
            for (int64_t o = first; o < end && o < first + SOME_UNITS; o++) {
                sum_samples(j, n, o, sums);
                for (int64_t r = 0; r < SOME_SAMPLES && n + r < j->batch; r++) {
                    const double sum = with_bias(j, n + r, o, sums[r]);
                    j->call->y[(n + r) * j->units + o] =
                        (cvy_real)(samples_here(j)
                                       ? sample_output(j, n + r, o, sum, sqrt(variance_of(j, n + r, o))).y
                                       : activate(j->c->activation, sum));
                }
            }
}

/* ---- backward ---- */

/* The gradient of a weight is linear m x + square w x^2, that of an input the sum over the outputs of
 * linear m w + square w^2 x, m being the mask's number or the mean; square only where the variance counts. */
static void output_coefficients(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    cvy_real *linear = j->call->scratch;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / j->units, o = i % j->units;
        const double gy = (double)j->call->gy[i];
        if (samples_here(j)) {
            double sums[SOME_SAMPLES];
            sum_samples(j, n, o, sums);
            const double variance = variance_of(j, n, o);
            const dc_average a = sample_output(j, n, o, with_bias(j, n, o, sums[0]), sqrt(variance));
            linear[i] = (cvy_real)(gy * a.slope);
            j->square[i] = (cvy_real)(variance > 0 ? gy * a.slope_e * j->c->p * j->keep / sqrt(variance) : 0);
        } else {
            linear[i] = (cvy_real)(gy * slope_at(j->c->activation, (double)j->call->y[i]));
        }
    }
}

/* Rows of a gradient under masks of the samples: those of gx are sums over the outputs of linear m w, those of gw sums
 * over the samples of linear m x. What `product` says they are, but for the mask. Some rows at a time, so that what is
 * summed is read once for all of them. */
static void masked_rows(const dc_job *j, int samples, int64_t begin, int64_t end)
{
    const products_job *p = &j->product;
    cvy_real part[SOME_SAMPLES][BLOCK];
    double sum[SOME_SAMPLES][BLOCK];
    for (int64_t row = begin; row < end; row += SOME_SAMPLES)
        for (int64_t block = 0; block < j->blocks; block++) {
            const int64_t first = block * BLOCK, rest = j->features - first, n = rest < BLOCK ? rest : BLOCK;
            const int64_t rows = end - row < SOME_SAMPLES ? end - row : SOME_SAMPLES;
            memset(sum, 0, sizeof sum);
            for (int64_t t = 0; t < p->terms;) {
                const int64_t last = p->terms - t < WIDE_TERMS ? p->terms : t + WIDE_TERMS;
                memset(part, 0, sizeof part);
                for (; t < last; t++)
                    for (int64_t r = 0; r < rows; r++) {
                        const cvy_real factor = p->a[(row + r) * p->a_row + t * p->a_term];
                        if (factor == 0) continue; /* as often behind ReLU */
                        const int64_t m = samples ? row_of(j, row + r, t) : row_of(j, t, row + r);
                        masked_add(block_of(j, m, block), factor, p->from + t * p->columns + first, n,
                                   part[r]);
                    }
                for (int64_t r = 0; r < rows; r++)
                    for (int64_t i = 0; i < n; i++) sum[r][i] += (double)part[r][i];
            }
            for (int64_t r = 0; r < rows; r++)
                for (int64_t i = 0; i < n; i++)
                    p->to[(row + r) * p->columns + first + i] = (cvy_real)sum[r][i];
        }
}

/* to += v sum over t of a(t) u(t)^2, over the features: the squares' share of a gradient's row. */
static void add_squares(const dc_job *j, const cvy_real *a, int64_t a_term, int64_t terms, const cvy_real *u,
                        const cvy_real *v, cvy_real *to)
{
    for (int64_t f = 0; f < j->features; f++) {
        double sum = 0;
        for (int64_t t = 0; t < terms; t++)
            sum += (double)a[t * a_term] * (double)u[t * j->features + f] * (double)u[t * j->features + f];
        to[f] = (cvy_real)((double)to[f] + sum * (double)v[f]);
    }
}

static void backward_samples(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    if (j->weights)
        products_rows(&j->product, begin, end);
    else
        masked_rows(j, 1, begin, end);
    for (int64_t n = begin; n < end && samples_here(j); n++)
        add_squares(j, j->square + n * j->units, 1, j->units, j->call->w[0], j->call->x[0] + n * j->features,
                    j->call->gx[0] + n * j->features);
}

static void backward_weights(void *ctx, int64_t begin, int64_t end)
{
    const dc_job *j = ctx;
    if (j->weights)
        products_rows(&j->product, begin, end);
    else
        masked_rows(j, 0, begin, end);
    if (j->masked) mask_rows(j, j->call->gw[0], j->call->gw[0], begin, end);
    for (int64_t o = begin; o < end && samples_here(j); o++)
        add_squares(j, j->square + o, j->units, j->batch, j->call->x[0], j->call->w[0] + o * j->features,
                    j->call->gw[0] + o * j->features);
}

static void backward_bias(const dc_job *j)
{
    for (int64_t o = 0; o < j->units; o++) {
        double sum = 0;
        for (int64_t n = 0; n < j->batch; n++) {
            const int64_t i = n * j->units + o;
            sum += (double)j->linear[i] * bias_kept(j, n, o);
            if (masks_bias(j->c) && samples_here(j)) sum += (double)j->square[i] * (double)j->call->w[1][o];
        }
        j->call->gw[1][o] = (cvy_real)sum;
    }
}

static int dc_forward(const cvy_plain *call, const void *config)
{
    dc_job j = job_of(call, config);
    if (j.mask) call->host->parallel_for(call->host, j.rows, 1, draw_rows, &j);
    if (j.masked) call->host->parallel_for(call->host, j.units, 1, mask_weights, &j);
    call->host->parallel_for(call->host, j.units, 1, forward_units, &j);
    return 0;
}

static int dc_backward(const cvy_plain *call, const void *config)
{
    const dc_config *c = config;
    dc_job j = job_of(call, c);
    if (c->activation == ACT_IDENTITY && !samples_here(&j))
        j.linear = call->gy;
    else
        call->host->parallel_for(call->host, j.batch * j.units, 1, output_coefficients, &j);
    if (call->gx[0]) {
        if (j.masked) call->host->parallel_for(call->host, j.units, 1, mask_weights, &j);
        j.product = (products_job){.a = j.linear,
                                   .from = j.weights ? j.weights : call->w[0],
                                   .to = call->gx[0],
                                   .a_row = j.units,
                                   .a_term = 1,
                                   .terms = j.units,
                                   .columns = j.features,
                                   .factor = j.factor};
        call->host->parallel_for(call->host, j.batch, 1, backward_samples, &j);
    }
    if (call->gw[0]) {
        j.product = (products_job){.a = j.linear,
                                   .from = call->x[0],
                                   .to = call->gw[0],
                                   .a_row = 1,
                                   .a_term = j.units,
                                   .terms = j.batch,
                                   .columns = j.features,
                                   .factor = j.factor};
        call->host->parallel_for(call->host, j.units, 1, backward_weights, &j);
    }
    if (c->bias && call->gw[1]) backward_bias(&j);
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
