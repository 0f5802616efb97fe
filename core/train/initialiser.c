/* Draws the first numbers of weights. Must not know networks, names of layers, or the experiment file. */
#include "train/initialiser.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/normal.h"
#include "base/parallel.h"
#include "base/philox.h"

typedef struct initialiser_type {
    bool scales; /* by a fan */
    int least_rank;
    cvy_status (*fill)(const void *config, const initialiser_tensor *t, philox_stream *s, float *v,
                       errors *e);
    cvy_status (*check)(const void *config, const place *at, errors *e); /* may be NULL */
} initialiser_type;

#define INITIALISER(name_, aliases_, summary_, source_, config_, ...)         \
    static const cvy_descriptor name_##_descriptor = {CVY_ABI,                \
                                                      sizeof(cvy_descriptor), \
                                                      CVY_INITIALISER,        \
                                                      sizeof(cvy_real),       \
                                                      #name_,                 \
                                                      aliases_,               \
                                                      summary_,               \
                                                      source_,                \
                                                      sizeof(config_),        \
                                                      __VA_ARGS__,            \
                                                      sizeof(cvy_param),      \
                                                      &name_##_type}

/* ---- random numbers ---- */

/* On (0, 1), 52 bits. */
static double initialiser_unit(philox_stream *s)
{
    const uint64_t high = philox_u32(s) >> 6, low = philox_u32(s) >> 6;
    return ((double)(high << 26 | low) + 0.5) * 0x1p-52;
}

static void initialiser_normal(float *v, int64_t n, double mean, double std, philox_stream *s)
{
    for (int64_t i = 0; i < n; i++) v[i] = (float)(mean + std * philox_normal(s));
}

static void initialiser_uniform(float *v, int64_t n, double a, double b, philox_stream *s)
{
    for (int64_t i = 0; i < n; i++) v[i] = (float)(a + (b - a) * (double)philox_unit(s));
}

/* ---- constant ---- */

typedef struct constant_config {
    double value;
} constant_config;

static cvy_status initialiser_constant(const void *config, const initialiser_tensor *t, philox_stream *s,
                                       float *v, errors *e)
{
    const constant_config *c = config;
    (void)s, (void)e;
    for (int64_t i = 0; i < t->count; i++) v[i] = (float)c->value;
    return CVY_OK;
}

static cvy_status initialiser_zeros(const void *config, const initialiser_tensor *t, philox_stream *s,
                                    float *v, errors *e)
{
    (void)config, (void)s, (void)e;
    memset(v, 0, (size_t)t->count * sizeof *v);
    return CVY_OK;
}

static cvy_status initialiser_ones(const void *config, const initialiser_tensor *t, philox_stream *s,
                                   float *v, errors *e)
{
    (void)config;
    return initialiser_constant(&(constant_config){1}, t, s, v, e);
}

static const initialiser_type constant_type = {.fill = initialiser_constant},
                              zeros_type = {.fill = initialiser_zeros},
                              ones_type = {.fill = initialiser_ones};

static const cvy_param constant_params[] = {
    CVY_FLOAT(constant_config, value, 0, -1e30, 1e30, "every element"), CVY_ALSO("val")};

INITIALISER(constant, "constant_ Constant", "every element one number", "", constant_config,
            CVY_PARAMS(constant_params));
INITIALISER(zeros, "zeros_ Zeros zero", "every element 0", "", cvy_no_config, CVY_NO_PARAMS);
INITIALISER(ones, "ones_ Ones one", "every element 1", "", cvy_no_config, CVY_NO_PARAMS);

/* ---- distributions of a given width ---- */

#define INITIALISER_STD(T)                                                                 \
    CVY_PARAM_(T, std, CVY_PARAM_FLOAT, 0, NULL, 1e-30, 1e30, NULL, "standard deviation"), \
        CVY_ALSO("stddev sigma scale")

typedef struct normal_config {
    double mean, std;
} normal_config;

static const cvy_param normal_params[] = {CVY_FLOAT(normal_config, mean, 0, -1e30, 1e30, "mean"),
                                          INITIALISER_STD(normal_config)};

static cvy_status initialiser_given_normal(const void *config, const initialiser_tensor *t, philox_stream *s,
                                           float *v, errors *e)
{
    const normal_config *c = config;
    (void)e;
    initialiser_normal(v, t->count, c->mean, c->std, s);
    return CVY_OK;
}

typedef struct uniform_config {
    double a, b;
} uniform_config;

static const cvy_param uniform_params[] = {
    CVY_PARAM_(uniform_config, a, CVY_PARAM_FLOAT, 0, NULL, -1e30, 1e30, NULL, "lower end"),
    CVY_ALSO("low minval min from"),
    CVY_PARAM_(uniform_config, b, CVY_PARAM_FLOAT, 0, NULL, -1e30, 1e30, NULL, "upper end"),
    CVY_ALSO("high maxval max to")};

static cvy_status initialiser_check_ends(double a, double b, const place *at, errors *e)
{
    if (a < b) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, at, "a is the lower end", "a: %g is not below b: %g", a, b);
}

static cvy_status uniform_check(const void *config, const place *at, errors *e)
{
    const uniform_config *c = config;
    return initialiser_check_ends(c->a, c->b, at, e);
}

static cvy_status initialiser_given_uniform(const void *config, const initialiser_tensor *t, philox_stream *s,
                                            float *v, errors *e)
{
    const uniform_config *c = config;
    (void)e;
    initialiser_uniform(v, t->count, c->a, c->b, s);
    return CVY_OK;
}

typedef struct truncated_normal_config {
    double mean, std, a, b;
} truncated_normal_config;

static const cvy_param truncated_normal_params[] = {
    CVY_FLOAT(truncated_normal_config, mean, 0, -1e30, 1e30, "mean before the cut"),
    INITIALISER_STD(truncated_normal_config),
    CVY_FLOAT(truncated_normal_config, a, -2, -1e30, 1e30,
              "lower cut, in the weights' own unit as PyTorch has it (Keras cuts at mean - 2 std)"),
    CVY_FLOAT(truncated_normal_config, b, 2, -1e30, 1e30,
              "upper cut, in the weights' own unit (Keras: mean + 2 std)")};

/* Both tails kept below a half, where probabilities are exact. */
static double initialiser_below(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

static cvy_status truncated_normal_check(const void *config, const place *at, errors *e)
{
    const truncated_normal_config *c = config;
    cvy_status status = initialiser_check_ends(c->a, c->b, at, e);
    double low = (c->a - c->mean) / c->std, high = (c->b - c->mean) / c->std;
    if (low > 0) {
        const double swap = low;
        low = -high, high = -swap;
    }
    if (status || initialiser_below(high) - initialiser_below(low) > 1e-250) return status;
    return errors_add(e, CVY_ERR_CONFIG, at, "move a and b closer to the mean",
                      "nothing of the distribution lies between a: %g and b: %g", c->a, c->b);
}

/* By the inverse of the distribution. An interval above the mean is drawn as its mirror image, where the probabilities are
 * small numbers and not close to 1. */
static cvy_status initialiser_truncated(const void *config, const initialiser_tensor *t, philox_stream *s,
                                        float *v, errors *e)
{
    const truncated_normal_config *c = config;
    double low = (c->a - c->mean) / c->std, high = (c->b - c->mean) / c->std, sign = 1;
    (void)e;
    if (low > 0) {
        const double swap = low;
        low = -high, high = -swap, sign = -1;
    }
    const double from = initialiser_below(low), to = initialiser_below(high);
    for (int64_t i = 0; i < t->count; i++) {
        double x = normal_quantile(from + (to - from) * initialiser_unit(s));
        v[i] = (float)fmin(fmax(c->mean + c->std * sign * x, c->a), c->b);
    }
    return CVY_OK;
}

static const initialiser_type normal_type = {.fill = initialiser_given_normal},
                              uniform_type = {.fill = initialiser_given_uniform, .check = uniform_check},
                              truncated_normal_type = {.fill = initialiser_truncated,
                                                       .check = truncated_normal_check};

INITIALISER(normal, "normal_ RandomNormal random_normal gaussian Gaussian", "normally distributed", "",
            normal_config, CVY_PARAMS(normal_params));
INITIALISER(uniform, "uniform_ RandomUniform random_uniform", "uniform between two numbers", "",
            uniform_config, CVY_PARAMS(uniform_params));
INITIALISER(truncated_normal, "trunc_normal_ trunc_normal TruncatedNormal",
            "normally distributed and cut off on both sides; what lies outside is drawn again", "",
            truncated_normal_config, CVY_PARAMS(truncated_normal_params));

/* ---- He, Xavier, LeCun: widths that keep a signal's variance ---- */

static const char *const mode_choices[] = {"fan_in", "fan_out", "average", NULL};
static const char *const nonlinearity_choices[] = {"linear",     "sigmoid", "tanh", "relu",
                                                   "leaky_relu", "selu",    NULL};
enum { MODE_IN, MODE_OUT, MODE_AVERAGE };
enum { GAIN_LINEAR, GAIN_SIGMOID, GAIN_TANH, GAIN_RELU, GAIN_LEAKY_RELU, GAIN_SELU };

static double initialiser_fan(int32_t mode, const initialiser_tensor *t)
{
    return mode == MODE_IN ? t->fan_in : mode == MODE_OUT ? t->fan_out : 0.5 * (t->fan_in + t->fan_out);
}

/* As torch.nn.init.calculate_gain has it. */
static double initialiser_gain(int32_t nonlinearity, double slope)
{
    switch (nonlinearity) {
    case GAIN_TANH:
        return 5.0 / 3;
    case GAIN_RELU:
        return M_SQRT2;
    case GAIN_LEAKY_RELU:
        return sqrt(2 / (1 + slope * slope));
    case GAIN_SELU:
        return 0.75;
    default:
        return 1;
    }
}

static cvy_status initialiser_of_width(double std, bool normal, const initialiser_tensor *t, philox_stream *s,
                                       float *v)
{
    if (normal)
        initialiser_normal(v, t->count, 0, std, s);
    else
        initialiser_uniform(v, t->count, -sqrt(3) * std, sqrt(3) * std, s);
    return CVY_OK;
}

typedef struct he_config {
    int32_t mode, nonlinearity;
    double negative_slope;
} he_config;

static const cvy_param he_params[] = {
    CVY_ENUM(he_config, mode, fan_in, mode_choices,
             "fan_in keeps the variance on the way forward, fan_out that of the gradients"),
    CVY_ENUM(he_config, nonlinearity, relu, nonlinearity_choices, "what follows the layer: decides the gain"),
    CVY_ALSO("activation"),
    CVY_FLOAT(he_config, negative_slope, 0.01, -1e6, 1e6, "of leaky_relu, for its gain"),
    CVY_ALSO("a alpha slope")};

static double he_std(const he_config *c, const initialiser_tensor *t)
{
    return initialiser_gain(c->nonlinearity, c->negative_slope) / sqrt(initialiser_fan(c->mode, t));
}

static cvy_status he_normal_fill(const void *config, const initialiser_tensor *t, philox_stream *s, float *v,
                                 errors *e)
{
    (void)e;
    return initialiser_of_width(he_std(config, t), true, t, s, v);
}

static cvy_status he_uniform_fill(const void *config, const initialiser_tensor *t, philox_stream *s, float *v,
                                  errors *e)
{
    (void)e;
    return initialiser_of_width(he_std(config, t), false, t, s, v);
}

typedef struct xavier_config {
    int32_t mode;
    double gain;
} xavier_config;

static const cvy_param xavier_params[] = {
    CVY_ENUM(xavier_config, mode, average, mode_choices, "the paper's is the average of both fans"),
    CVY_FLOAT(xavier_config, gain, 1, 1e-12, 1e12, "factor on the standard deviation; 5/3 before tanh")};

static double xavier_std(const xavier_config *c, const initialiser_tensor *t)
{
    return c->gain / sqrt(initialiser_fan(c->mode, t));
}

static cvy_status xavier_normal_fill(const void *config, const initialiser_tensor *t, philox_stream *s,
                                     float *v, errors *e)
{
    (void)e;
    return initialiser_of_width(xavier_std(config, t), true, t, s, v);
}

static cvy_status xavier_uniform_fill(const void *config, const initialiser_tensor *t, philox_stream *s,
                                      float *v, errors *e)
{
    (void)e;
    return initialiser_of_width(xavier_std(config, t), false, t, s, v);
}

static cvy_status lecun_normal_fill(const void *config, const initialiser_tensor *t, philox_stream *s,
                                    float *v, errors *e)
{
    (void)config, (void)e;
    return initialiser_of_width(1 / sqrt(t->fan_in), true, t, s, v);
}

static cvy_status lecun_uniform_fill(const void *config, const initialiser_tensor *t, philox_stream *s,
                                     float *v, errors *e)
{
    (void)config, (void)e;
    return initialiser_of_width(1 / sqrt(t->fan_in), false, t, s, v);
}

static const initialiser_type he_normal_type = {true, 2, he_normal_fill, NULL},
                              he_uniform_type = {true, 2, he_uniform_fill, NULL},
                              xavier_normal_type = {true, 2, xavier_normal_fill, NULL},
                              xavier_uniform_type = {true, 2, xavier_uniform_fill, NULL},
                              lecun_normal_type = {true, 2, lecun_normal_fill, NULL},
                              lecun_uniform_type = {true, 2, lecun_uniform_fill, NULL};

INITIALISER(he_normal, "kaiming_normal kaiming_normal_ HeNormal msra MSRA",
            "normal, variance gain^2 / fan: for layers before a ReLU (Keras' is a truncated normal of the "
            "same variance)",
            "He et al., Delving Deep into Rectifiers, ICCV 2015, section 2.2", he_config,
            CVY_PARAMS(he_params));
INITIALISER(he_uniform, "kaiming_uniform kaiming_uniform_ HeUniform",
            "uniform, variance gain^2 / fan: for layers before a ReLU",
            "He et al., Delving Deep into Rectifiers, ICCV 2015, section 2.2", he_config,
            CVY_PARAMS(he_params));
INITIALISER(
    xavier_normal, "glorot_normal xavier_normal_ GlorotNormal",
    "normal, variance gain^2 * 2 / (fan_in + fan_out): for tanh and linear layers (Keras' is a truncated "
    "normal of "
    "the same variance)",
    "Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, AISTATS "
    "2010, equation 12",
    xavier_config, CVY_PARAMS(xavier_params));
INITIALISER(
    xavier_uniform, "glorot_uniform xavier_uniform_ GlorotUniform xavier glorot",
    "uniform, variance gain^2 * 2 / (fan_in + fan_out): for tanh and linear layers",
    "Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, AISTATS "
    "2010, equation 16",
    xavier_config, CVY_PARAMS(xavier_params));
INITIALISER(lecun_normal, "LecunNormal lecun_normal_", "normal, variance 1 / fan_in: for SELU",
            "LeCun et al., Efficient BackProp, 1998, section 4.6; Klambauer et al., Self-Normalizing Neural "
            "Networks, "
            "NIPS 2017",
            cvy_no_config, CVY_NO_PARAMS);
INITIALISER(lecun_uniform, "LecunUniform lecun_uniform_", "uniform, variance 1 / fan_in",
            "LeCun et al., Efficient BackProp, 1998, section 4.6", cvy_no_config, CVY_NO_PARAMS);

/* ---- orthogonal ---- */

typedef struct orthogonal_config {
    double gain;
} orthogonal_config;

static const cvy_param orthogonal_params[] = {
    CVY_FLOAT(orthogonal_config, gain, 1, 1e-12, 1e12, "length of each row; sqrt(2) before a ReLU")};

/* Four sums at a time, so that the compiler may use vectors; always in the same order. */
static double initialiser_dot(const double *a, const double *b, int64_t n)
{
    double sum[4] = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) sum[k] += a[i + k] * b[i + k];
    for (; i < n; i++) sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

typedef struct orthogonal_job {
    double *q; /* `columns` vectors of `length` */
    int64_t length, columns, done;
} orthogonal_job;

static void orthogonal_subtract(double *v, const double *q, int64_t n)
{
    const double along = initialiser_dot(v, q, n);
    for (int64_t i = 0; i < n; i++) v[i] -= along * q[i];
}

/* Takes the part along the newest vector out of those that follow. */
static void orthogonal_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const orthogonal_job *j = ctx;
    (void)thread;
    for (int64_t c = j->done + 1 + begin; c < j->done + 1 + end; c++)
        orthogonal_subtract(j->q + c * j->length, j->q + j->done * j->length, j->length);
}

/* The factor Q of a Gaussian matrix's QR decomposition whose R has a positive diagonal, which is what PyTorch's correction of
 * signs comes to: distributed uniformly (Mezzadri 2007). By Gram and Schmidt's method, modified; in doubles its loss of
 * orthogonality stays far below what a float can tell, and a vector that nearly vanished is made orthogonal a second time. */
static void orthogonal_make(orthogonal_job *j, philox_stream *s)
{
    const int64_t n = j->length;
    for (int64_t i = 0; i < n * j->columns; i++) j->q[i] = philox_normal(s);
    const int64_t grain = 1 + 16384 / n;
    for (j->done = 0; j->done < j->columns; j->done++) {
        double *v = j->q + j->done * n, length = sqrt(initialiser_dot(v, v, n));
        if (length < 1e-6 * sqrt((double)n)) {
            for (int64_t c = 0; c < j->done; c++) orthogonal_subtract(v, j->q + c * n, n);
            length = sqrt(initialiser_dot(v, v, n));
        }
        for (int64_t i = 0; i < n; i++) v[i] = length > 0 ? v[i] / length : i == j->done;
        parallel_for(j->columns - j->done - 1, grain, orthogonal_piece, j);
    }
}

static cvy_status orthogonal_fill(const void *config, const initialiser_tensor *t, philox_stream *s, float *v,
                                  errors *e)
{
    const orthogonal_config *c = config;
    const int64_t rows = t->shape.dim[0], rest = t->count / rows;
    const bool wide = rows < rest; /* then the rows are the orthogonal vectors, else the columns */
    orthogonal_job j = {.q = mem_try((size_t)t->count, sizeof *j.q),
                        .length = wide ? rest : rows,
                        .columns = wide ? rows : rest};
    if (!j.q)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory to make \"%s\" orthogonal",
                          t->name);
    orthogonal_make(&j, s);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < rest; k++)
            v[r * rest + k] = (float)(c->gain * (wide ? j.q[r * rest + k] : j.q[k * rows + r]));
    mem_free(j.q);
    return CVY_OK;
}

static const initialiser_type orthogonal_type = {false, 2, orthogonal_fill, NULL};

INITIALISER(orthogonal, "orthogonal_ Orthogonal OrthogonalInitializer",
            "orthogonal rows of equal length, or columns where there are fewer of them; convolutions as "
            "(channels, the "
            "rest) matrices",
            "Saxe et al., Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural "
            "Networks, ICLR 2014",
            orthogonal_config, CVY_PARAMS(orthogonal_params));

/* ---- all of them ---- */

static const cvy_descriptor *const initialisers[] = {&he_normal_descriptor,     &he_uniform_descriptor,
                                                     &xavier_normal_descriptor, &xavier_uniform_descriptor,
                                                     &lecun_normal_descriptor,  &lecun_uniform_descriptor,
                                                     &orthogonal_descriptor,    &normal_descriptor,
                                                     &uniform_descriptor,       &truncated_normal_descriptor,
                                                     &constant_descriptor,      &zeros_descriptor,
                                                     &ones_descriptor};

void initialiser_register(registry *r)
{
    for (size_t i = 0; i < sizeof initialisers / sizeof *initialisers; i++)
        registry_add_builtin(r, initialisers[i]);
}

static const initialiser_type *initialiser_type_of(const cvy_child *i)
{
    return i->plugin->type;
}

bool initialiser_scales(const cvy_child *i)
{
    return initialiser_type_of(i)->scales;
}

int initialiser_least_rank(const cvy_child *i)
{
    return initialiser_type_of(i)->least_rank;
}

cvy_status initialiser_check(const cvy_child *i, const place *at, errors *e)
{
    const initialiser_type *type = initialiser_type_of(i);
    return type->check ? type->check(i->config, at, e) : CVY_OK;
}

cvy_status initialiser_fill(const cvy_child *i, const initialiser_tensor *t, uint64_t seed, float *v,
                            errors *e)
{
    philox_stream s = philox_open(philox_key_of(seed, "init", t->name), 0, 0);
    return initialiser_type_of(i)->fill(i->config, t, &s, v, e);
}
