/* Trainable subsampling, LeNet-5's S2 and S4: y[n,c,i,j] = coefficient[c] * (sum over u < Kh, v < Kw of
 * x[n, c, i s + u, j s + v]) + bias[c], two parameters for each channel.
 *
 * LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998,
 * section II.B. The squashing function that follows there is a layer of its own. Weights start as in the paper's
 * appendix A, uniform on [-2.4/F, 2.4/F] with F = Kh Kw inputs to a unit; or with `init: average` as the mean over
 * the window. */
#include "pool_nd.h"

typedef struct subsample_config {
    pool_config pool; /* first: this is what pool_nd.h is given */
    int32_t init;
} subsample_config;

enum { INIT_UNIFORM, INIT_AVERAGE };

static const char *const init_names[] = {"uniform", "average", NULL};

static const cvy_param subsample_params[] = {
    {"kernel", CVY_PARAM_PAIR, 0, offsetof(subsample_config, pool.kernel), "2", 1, 1023, NULL,
     "window size, pixels: one number or [height, width]"},
    CVY_ALSO("kernel_size pool_size size"),
    {"stride", CVY_PARAM_PAIR, 0, offsetof(subsample_config, pool.stride), "0", 0, 1023, NULL,
     POOL_STRIDE_HELP},
    CVY_ALSO("strides"),
    CVY_ENUM(subsample_config, init, uniform, init_names,
             "uniform: coefficient and bias on [-2.4/F, 2.4/F], F the window's pixels; average: 1/F and 0"),
};

static int subsample_infer(cvy_infer *in, const void *config)
{
    const subsample_config *c = config;
    if (pool_infer(in, &c->pool, 2, 0)) return 1;
    in->traits = CVY_READS_X;
    const double inputs = (double)(c->pool.kernel[0] * c->pool.kernel[1]);
    const cvy_shape shape = cvy_shape1(in->in[0].dim[1]);
    const cvy_init uniform = {CVY_INIT_UNIFORM, 2.4 / inputs};
    const int average = c->init == INIT_AVERAGE;
    return in->weight(in, "coefficient", &shape, average ? cvy_constant(1 / inputs) : uniform) ||
           in->weight(in, "bias", &shape, average ? cvy_constant(0) : uniform);
}

/* Channels (n, c): y = coefficient * sum of the window + bias. */
static void forward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int64_t channels = j->call->in[0].dim[1];
    for (int64_t at = begin; at < end; at++) {
        const cvy_real *x = j->call->x[0] + at * j->g.elements;
        const double coefficient = (double)j->call->w[0][at % channels],
                     bias = (double)j->call->w[1][at % channels];
        for (int64_t i = 0; i < j->g.windows; i++) {
            const pool_box b = pool_box_of(&j->g, i);
            j->call->y[at * j->g.windows + i] = (cvy_real)(coefficient * pool_sum(&j->g, &b, x) + bias);
        }
    }
}

/* Channels (n, c): gx. */
static void backward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    for (int64_t at = begin; at < end; at++) {
        cvy_real *gx = j->call->gx[0] + at * j->g.elements;
        const cvy_real coefficient = j->call->w[0][at % j->call->in[0].dim[1]];
        for (int64_t i = 0; i < j->g.elements; i++) gx[i] = 0;
        for (int64_t i = 0; i < j->g.windows; i++) {
            const pool_box b = pool_box_of(&j->g, i);
            pool_spread(&j->g, &b, coefficient * j->call->gy[at * j->g.windows + i], gx);
        }
    }
}

/* Channels c of all samples: gradients of coefficient and bias. */
static void weights_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int64_t channels = j->call->in[0].dim[1];
    for (int64_t c = begin; c < end; c++) {
        double coefficient = 0, bias = 0;
        for (int64_t n = 0; n < j->call->in[0].dim[0]; n++) {
            const int64_t at = n * channels + c;
            for (int64_t i = 0; i < j->g.windows; i++) {
                const pool_box b = pool_box_of(&j->g, i);
                const double g = (double)j->call->gy[at * j->g.windows + i];
                if (j->call->gw[0])
                    coefficient += g * pool_sum(&j->g, &b, j->call->x[0] + at * j->g.elements);
                bias += g;
            }
        }
        if (j->call->gw[0]) j->call->gw[0][c] = (cvy_real)coefficient;
        if (j->call->gw[1]) j->call->gw[1][c] = (cvy_real)bias;
    }
}

static int subsample_forward(const cvy_plain *call, const void *config)
{
    return pool_run(call, config, forward_part);
}

static int subsample_backward(const cvy_plain *call, const void *config)
{
    if (call->gx[0]) pool_run(call, config, backward_part);
    if (!call->gw[0] && !call->gw[1]) return 0;
    pool_job j = {call, config, pool_grid_of(config, &call->in[0])};
    call->host->parallel_for(call->host, call->in[0].dim[1], 1, weights_part, &j);
    return 0;
}

static const cvy_layer subsample_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = subsample_infer,
    .forward = subsample_forward,
    .backward = subsample_backward,
};

CVY_PLUGIN(CVY_LAYER, subsample, "Subsampling subsampling SubSampling SpatialSubSampling",
           "Sum over windows of pixels, scaled and shifted by two weights for each channel, which start as "
           "`init` says",
           "LeCun et al. 1998, section II.B and appendix A", subsample_config, &subsample_layer,
           CVY_PARAMS(subsample_params));
