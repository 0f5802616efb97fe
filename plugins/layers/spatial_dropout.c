/* Spatial dropout: in training whole channels of a sample are zeroed with probability p and the others scaled by
 * 1 / (1 - p); in evaluation the input passes. Neighbouring pixels say nearly the same, so dropping them one by one
 * would take little away.
 *
 * Tompson, Goroshin, Jain, LeCun & Bregler, "Efficient Object Localization Using Convolutional Networks", CVPR 2015,
 * section 3.2; scaled in training as PyTorch's Dropout1d, 2d and 3d are. One number is drawn per (sample, channel), so
 * a mask given to `plugin eval` has the shape (N, C). The mask is not kept: backward draws it again. */
#include "convoy/layer.h"

typedef struct sd_config {
    double p;
} sd_config;

static const cvy_param sd_params[] = {
    CVY_FLOAT(sd_config, p, 0.5, 0, 0.999,
              "probability of zeroing a channel of a sample; a mask has the shape (N, C)"),
    CVY_ALSO("rate ratio prob drop_prob"),
};

static int sd_infer(cvy_infer *in, const void *config)
{
    (void)config;
    if (in->in[0].rank < 2) return cvy_fail(in, "expects (N, C, ...) and got a batch of single numbers");
    in->out = in->in[0];
    in->traits = CVY_IN_PLACE;
    return 0;
}

typedef struct sd_job {
    const cvy_plain *call;
    double p;
    const cvy_real *from;
    cvy_real *to;
} sd_job;

/* Samples: to = from * mask / (1 - p). A product, so that NaN shows whatever the mask, as in PyTorch. */
static void drop_samples(void *ctx, int64_t begin, int64_t end)
{
    const sd_job *j = ctx;
    const int64_t channels = j->call->out->dim[1], pixels = cvy_sample_count(j->call->out) / channels;
    const cvy_real scale = (cvy_real)(1 / (1 - j->p));
    float uniform[64];
    for (int64_t n = begin; n < end; n++)
        for (int64_t first = 0; first < channels; first += 64) {
            const int64_t some = channels - first < 64 ? channels - first : 64;
            if (j->call->train) j->call->uniform(j->call, n, first, some, uniform);
            for (int64_t c = 0; c < some; c++) {
                const cvy_real factor = !j->call->train ? 1 : (double)uniform[c] >= j->p ? scale : 0;
                const int64_t at = (n * channels + first + c) * pixels;
                for (int64_t i = at; i < at + pixels; i++) j->to[i] = j->from[i] * factor;
            }
        }
}

static int sd_forward(const cvy_plain *call, const void *config)
{
    const sd_config *c = config;
    sd_job j = {call, c->p, call->x[0], call->y};
    call->host->parallel_for(call->host, call->out->dim[0], 1, drop_samples, &j);
    return 0;
}

static int sd_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    const sd_config *c = config;
    sd_job j = {call, c->p, call->gy, call->gx[0]};
    call->host->parallel_for(call->host, call->out->dim[0], 1, drop_samples, &j);
    return 0;
}

static cvy_value sd_lower(cvy_lower *l, const void *config)
{
    (void)config;
    return l->train ? CVY_PLAIN : cvy_in(0);
}

static const cvy_layer sd_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = sd_infer,
    .forward = sd_forward,
    .backward = sd_backward,
    .lower = sd_lower,
};

CVY_PLUGIN(CVY_LAYER, spatial_dropout,
           "Dropout1d Dropout2d Dropout3d SpatialDropout1D SpatialDropout2D SpatialDropout3D FeatureDropout",
           "Zeroes whole channels at random in training and scales the others by 1 / (1 - p)",
           "Tompson et al. 2015, section 3.2", sd_config, &sd_layer, CVY_PARAMS(sd_params));
