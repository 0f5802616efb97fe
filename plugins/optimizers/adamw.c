/* AdamW: Adam whose weight decay stands apart from the gradient and its moving means. */
#include "adam.h"

typedef struct adamw_config {
    double lr, beta1, beta2, eps, weight_decay;
    int32_t amsgrad;
} adamw_config;

static const cvy_param adamw_params[] = {
    ADAM_PARAMS(adamw_config, 1e-3, 1e-8),
    CVY_FLOAT(adamw_config, weight_decay, 0.01, 0, 1e6,
              "decoupled decay: each step first takes learning rate times this off the weight"),
    CVY_ALSO("decay l2 wd"),
    CVY_BOOL(adamw_config, amsgrad, false,
             "divide by the greatest moving mean of squares so far (Reddi et al. 2018)"),
};

static const char *const *adamw_slots(const void *config)
{
    return adam_slot_names(((const adamw_config *)config)->amsgrad);
}

static int adamw_update(const cvy_update *u, const void *config)
{
    const adamw_config *c = config;
    adam_rates r = adam_rates_of(u, c->lr, c->beta1, c->beta2, c->eps);
    r.keep = (cvy_real)(1 - c->lr * u->lr_factor * c->weight_decay);
    adam_step(u, c->amsgrad, r);
    return 0;
}

static const cvy_optimizer adamw_type = {sizeof(cvy_optimizer), 1, adamw_slots, adamw_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, adamw, "AdamW adam_w", "Adam with decoupled weight decay",
    "Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization, algorithm 2; the decay is scaled by "
    "the learning rate, as in PyTorch; amsgrad: Reddi, Kale and Kumar 2018, On the Convergence of Adam and "
    "Beyond",
    adamw_config, &adamw_type, CVY_PARAMS(adamw_params));
