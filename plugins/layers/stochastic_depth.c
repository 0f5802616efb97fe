/* Stochastic depth: in training the branch of a residual block is dropped as a whole with probability p, sample by
 * sample or for the whole batch. It stands at the end of the branch, before the addition.
 *
 * Huang, Sun, Liu, Sedra & Weinberger, "Deep Networks with Stochastic Depth", ECCV 2016, equations 2 and 5. The paper
 * drops for a mini-batch and leaves what survives as it is, multiplying by 1 - p at test time; torchvision's
 * StochasticDepth, whose ways are the default here, divides by 1 - p in training instead, so that nothing is left to
 * do in evaluation. One number is drawn per sample, or in mode `batch` a single one as sample 0: a mask given to
 * `plugin eval` has the shape (N) or (1). It is not kept: backward draws it again. */
#include "convoy/layer.h"

enum { MODE_ROW, MODE_BATCH };
enum { SCALE_TRAINING, SCALE_EVALUATION };
static const char *const modes[] = {"row", "batch", NULL};
static const char *const scales[] = {"training", "evaluation", NULL};

typedef struct depth_config {
    double p;
    int32_t mode, scale;
} depth_config;

static const cvy_param depth_params[] = {
    CVY_FLOAT(depth_config, p, 0.5, 0, 0.999,
              "probability of dropping the branch; the paper lets it grow linearly from 0 at the first block "
              "to 0.5 "
              "at the last"),
    CVY_ALSO("rate drop_prob drop_path_rate stochastic_depth_prob"),
    CVY_ENUM(depth_config, mode, row, modes,
             "`row` draws for each sample (a mask has the shape (N)), `batch` once for all of them (shape "
             "(1)), as in "
             "the paper"),
    CVY_ENUM(depth_config, scale, training, scales,
             "where the expectation is made right: `training` divides what survives by 1 - p (torchvision), "
             "`evaluation` multiplies by 1 - p there (the paper)"),
    CVY_ALSO("scale_by_keep"),
};

static int depth_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_IN_PLACE;
    return 0;
}

typedef struct depth_job {
    const cvy_plain *call;
    const depth_config *c;
    const cvy_real *from;
    cvy_real *to;
} depth_job;

/* Samples: to = from * factor. A product, so that NaN shows whatever the mask, as in PyTorch. */
static void drop_samples(void *ctx, int64_t begin, int64_t end)
{
    const depth_job *j = ctx;
    const depth_config *c = j->c;
    const int64_t count = cvy_sample_count(j->call->out);
    for (int64_t n = begin; n < end; n++) {
        cvy_real factor = c->scale == SCALE_EVALUATION ? (cvy_real)(1 - c->p) : 1;
        if (j->call->train) {
            float uniform;
            j->call->uniform(j->call, c->mode == MODE_BATCH ? 0 : n, 0, 1, &uniform);
            factor = (double)uniform < c->p ? 0 : c->scale == SCALE_TRAINING ? (cvy_real)(1 / (1 - c->p)) : 1;
        }
        for (int64_t i = n * count; i < (n + 1) * count; i++) j->to[i] = j->from[i] * factor;
    }
}

static int depth_forward(const cvy_plain *call, const void *config)
{
    depth_job j = {call, config, call->x[0], call->y};
    call->host->parallel_for(call->host, call->out->dim[0], 1, drop_samples, &j);
    return 0;
}

static int depth_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    depth_job j = {call, config, call->gy, call->gx[0]};
    call->host->parallel_for(call->host, call->out->dim[0], 1, drop_samples, &j);
    return 0;
}

static cvy_value depth_lower(cvy_lower *l, const void *config)
{
    const depth_config *c = config;
    return l->train || c->scale == SCALE_EVALUATION ? CVY_PLAIN : cvy_in(0);
}

static const cvy_layer depth_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = depth_infer,
    .forward = depth_forward,
    .backward = depth_backward,
    .lower = depth_lower,
};

CVY_PLUGIN(CVY_LAYER, stochastic_depth, "StochasticDepth DropPath drop_path droppath",
           "Drops a residual branch as a whole, at random in training; put it at the end of the branch",
           "Huang et al. 2016, equations 2 and 5", depth_config, &depth_layer, CVY_PARAMS(depth_params));
