/* Dropout: in training every number is zeroed with probability p and the others are scaled by 1 / (1 - p); in
 * evaluation the input passes.
 *
 * Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout: A Simple Way to Prevent Neural
 * Networks from Overfitting", JMLR 2014, section 4, scaled in training as in its section 10. The mask is not
 * kept: random numbers are functions of their position, so backward draws it again. */
#include "convoy/layer.h"

typedef struct dropout_config {
    double p;
} dropout_config;

static const cvy_param dropout_params[] = {
    CVY_FLOAT(dropout_config, p, 0.5, 0, 0.999, "probability of zeroing a number"),
    CVY_ALSO("rate ratio dropout_ratio prob drop_prob"),
};

static int dropout_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_IN_PLACE;
    return 0;
}

/* to = from * mask / (1 - p), the mask being 1 where the number's uniform is at least p. A product, so that
 * NaN shows whatever the mask, as in PyTorch. */
static void drop(const cvy_plain *call, const dropout_config *c, const cvy_real *from, cvy_real *to)
{
    const int64_t batch = call->out->dim[0], count = cvy_sample_count(call->out);
    const cvy_real scale = (cvy_real)(1 / (1 - c->p));
    float uniform[256];
    for (int64_t n = 0; n < batch; n++) {
        for (int64_t first = 0; first < count; first += 256) {
            const int64_t some = count - first < 256 ? count - first : 256;
            call->uniform(call, n, first, some, uniform);
            for (int64_t i = 0; i < some; i++) {
                const int64_t at = n * count + first + i;
                to[at] = from[at] * ((double)uniform[i] >= c->p ? scale : 0);
            }
        }
    }
}

static void copy(const cvy_plain *call, const cvy_real *from, cvy_real *to)
{
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) to[i] = from[i];
}

static int dropout_forward(const cvy_plain *call, const void *config)
{
    if (call->train)
        drop(call, config, call->x[0], call->y);
    else
        copy(call, call->x[0], call->y);
    return 0;
}

static int dropout_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    if (call->train)
        drop(call, config, call->gy, call->gx[0]);
    else
        copy(call, call->gy, call->gx[0]);
    return 0;
}

static cvy_value dropout_lower(cvy_lower *l, const void *config)
{
    const dropout_config *c = config;
    const cvy_value x = cvy_in(0);
    if (!l->train) return x;
    const cvy_dropout_attr attr = {.p = c->p};
    return l->op(l, CVY_OP_DROPOUT, &x, 1, &attr);
}

static const cvy_layer dropout_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = dropout_infer,
    .forward = dropout_forward,
    .backward = dropout_backward,
    .lower = dropout_lower,
};

CVY_PLUGIN(CVY_LAYER, dropout, "Dropout", "Zeroes numbers at random in training",
           "Srivastava et al. 2014, section 4", dropout_config, &dropout_layer, CVY_PARAMS(dropout_params));
