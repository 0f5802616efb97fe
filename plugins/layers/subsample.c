/* Trainable subsampling, LeNet-5's S2 and S4: y[n,c,i,j] = coefficient[c] * (sum over u < Kh, v < Kw of
 * x[n, c, i s + u, j s + v]) + bias[c], two parameters for each channel.
 *
 * LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998,
 * section II.B. The squashing function that follows there is a layer of its own. Weights start as in the paper's
 * appendix A, uniform on [-2.4/F, 2.4/F] with F = Kh Kw inputs to a unit; or with `init: average` as the mean over
 * the window. */
#include "pool_nd.h"
#include "sums.h"

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
    const int64_t channels = j->call->in[0].dim[1], out = j->g.axis[2].out, rows = j->g.windows / out;
    double sum[POOL_WINDOWS];
    for (int64_t line = begin * rows; line < end * rows; line++) {
        const int64_t at = line / rows;
        const double coefficient = (double)j->call->w[0][at % channels],
                     bias = (double)j->call->w[1][at % channels];
        pool_row r;
        for (int64_t left = 0; left < out; left += r.n) {
            r = pool_row_of(&j->g, line % rows, left);
            pool_sums(&j->g, &r, j->call->x[0] + at * j->g.elements, sum);
            for (int64_t i = 0; i < r.n; i++)
                j->call->y[line * out + left + i] = (cvy_real)(coefficient * sum[i] + bias);
        }
    }
}

/* Channels (n, c): gx. */
static void backward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int64_t channels = j->call->in[0].dim[1], out = j->g.axis[2].out, rows = j->g.windows / out;
    cvy_real share[POOL_WINDOWS];
    memset(j->call->gx[0] + begin * j->g.elements, 0,
           (size_t)((end - begin) * j->g.elements) * sizeof(cvy_real));
    for (int64_t line = begin * rows; line < end * rows; line++) {
        const int64_t at = line / rows;
        const cvy_real coefficient = j->call->w[0][at % channels];
        pool_row r;
        for (int64_t left = 0; left < out; left += r.n) {
            r = pool_row_of(&j->g, line % rows, left);
            for (int64_t i = 0; i < r.n; i++) share[i] = coefficient * j->call->gy[line * out + left + i];
            pool_spread(&j->g, &r, share, j->call->gx[0] + at * j->g.elements);
        }
    }
}

/* Channels c of all samples: gradients of coefficient and bias. */
static void weights_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int64_t channels = j->call->in[0].dim[1], out = j->g.axis[2].out, rows = j->g.windows / out;
    double sum[POOL_WINDOWS];
    for (int64_t c = begin; c < end; c++) {
        double coefficient = 0, bias = 0;
        for (int64_t n = 0; n < j->call->in[0].dim[0]; n++) {
            const int64_t at = n * channels + c;
            const cvy_real *gy = j->call->gy + at * j->g.windows;
            bias += sums_of(gy, j->g.windows);
            pool_row r;
            for (int64_t row = 0; j->call->gw[0] && row < rows; row++)
                for (int64_t left = 0; left < out; left += r.n, gy += r.n) {
                    r = pool_row_of(&j->g, row, left);
                    pool_sums(&j->g, &r, j->call->x[0] + at * j->g.elements, sum);
                    for (int64_t i = 0; i < r.n; i++) coefficient += (double)gy[i] * sum[i];
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
