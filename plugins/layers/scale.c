/* A learned factor and summand per channel, y_c = weight_c x_c + bias_c; or one constant factor.
 *
 * The affine half of batch normalization by itself, as Caffe's Scale layer. {bias: false, init: 1e-5} at the end of a
 * residual branch is LayerScale (Touvron, Cord, Sablayrolles, Synnaeve & Jegou, "Going deeper with Image
 * Transformers", ICCV 2021, section 2.2). Factors start at `init`, summands at 0. */
#include "convoy/layer.h"
#include "sums.h"
#include "wide.h"

typedef struct scale_config {
    double init;
    int32_t bias, learned;
} scale_config;

static const cvy_param scale_params[] = {
    CVY_FLOAT(scale_config, init, 1, -1e6, 1e6,
              "what the factors start at; with `learned: false` the factor of every number"),
    CVY_ALSO("init_value layer_scale_init_value factor gamma value"),
    CVY_BOOL(scale_config, bias, true,
             "learns a summand per channel too, starting at 0; not with `learned: false`"),
    CVY_ALSO("use_bias bias_term"),
    CVY_BOOL(scale_config, learned, true,
             "whether there is a factor per channel that is trained, or a constant"),
    CVY_ALSO("trainable affine"),
};

static int scale_infer(cvy_infer *in, const void *config)
{
    const scale_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, C, ...)
    in->out = *x;
    in->traits = c->learned ? CVY_READS_X : CVY_IN_PLACE;
    if (!c->learned) return 0;
    if (x->rank < 2)
        return cvy_fail(in, "expects (N, C, ...) and got a batch of single numbers, which have no channels");
    const cvy_shape channels = cvy_shape1(x->dim[1]);
    if (in->weight(in, "weight", &channels, cvy_constant(c->init))) return 1;
    return c->bias ? in->weight(in, "bias", &channels, cvy_constant(0)) : 0;
}

typedef struct scale_job {
    const cvy_plain *call;
    int64_t batch, channels, pixels;
    double factor;               /* without weights */
    const cvy_real *weight;      /* NULL without */
    const cvy_real *bias, *from; /* bias NULL without */
    cvy_real *to;
} scale_job;

static scale_job job_of(const cvy_plain *call, const scale_config *c)
{
    const int64_t batch = call->in[0].dim[0], channels = call->in[0].rank > 1 ? call->in[0].dim[1] : 1;
    const scale_job j = {.call = call,
                         .batch = batch,
                         .channels = channels,
                         .pixels = cvy_sample_count(&call->in[0]) / channels,
                         .factor = c->init,
                         .weight = c->learned ? call->w[0] : NULL};
    return j;
}

/* Planes (n, c): to = from weight + bias. */
WIDE static void scale_planes(void *ctx, int64_t begin, int64_t end)
{
    const scale_job *j = ctx;
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t c = plane % j->channels;
        const double factor = j->weight ? (double)j->weight[c] : j->factor,
                     shift = j->bias ? (double)j->bias[c] : 0;
        for (int64_t i = plane * j->pixels; i < (plane + 1) * j->pixels; i++)
            j->to[i] = (cvy_real)((double)j->from[i] * factor + shift);
    }
}

/* Channels c: the gradient of the factor is the sum of gy x, that of the summand the sum of gy. */
WIDE static void backward_channels(void *ctx, int64_t begin, int64_t end)
{
    const scale_job *j = ctx;
    cvy_real *gweight = j->call->gw[0], *gbias = j->bias ? j->call->gw[1] : NULL;
    for (int64_t c = begin; c < end; c++) {
        double sum = 0, product = 0;
        for (int64_t n = 0; n < j->batch; n++) {
            const int64_t at = (n * j->channels + c) * j->pixels;
            sum += sums_of(j->call->gy + at, j->pixels);
            product += sums_of_products(j->call->gy + at, j->call->x[0] + at, 0, j->pixels);
        }
        if (gweight) gweight[c] = (cvy_real)product;
        if (gbias) gbias[c] = (cvy_real)sum;
    }
}

static int scale_forward(const cvy_plain *call, const void *config)
{
    const scale_config *c = config;
    scale_job j = job_of(call, c);
    j.bias = c->learned && c->bias ? call->w[1] : NULL;
    j.from = call->x[0];
    j.to = call->y;
    call->host->parallel_for(call->host, j.batch * j.channels, 1, scale_planes, &j);
    return 0;
}

static int scale_backward(const cvy_plain *call, const void *config)
{
    const scale_config *c = config;
    scale_job j = job_of(call, c);
    j.from = call->gy;
    j.to = call->gx[0];
    if (j.to) call->host->parallel_for(call->host, j.batch * j.channels, 1, scale_planes, &j);
    j.bias = c->learned && c->bias ? call->w[1] : NULL;
    if (c->learned) call->host->parallel_for(call->host, j.channels, 1, backward_channels, &j);
    return 0;
}

static const cvy_layer scale_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = scale_infer,
    .forward = scale_forward,
    .backward = scale_backward,
};

CVY_PLUGIN(CVY_LAYER, scale, "Scale LayerScale layer_scale Rescaling",
           "A factor (starting at `init`) and a summand (starting at 0) per channel, or one constant factor",
           "Touvron et al. 2021, section 2.2", scale_config, &scale_layer, CVY_PARAMS(scale_params));
