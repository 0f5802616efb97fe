/* Adam: moving means of gradients and of their squares, corrected for starting at zero. */
#include "adam.h"

typedef struct adam_config {
    double lr, beta1, beta2, eps, weight_decay;
    int32_t amsgrad;
} adam_config;

static const cvy_param adam_params[] = {
    ADAM_PARAMS(adam_config, 1e-3, 1e-8),
    CVY_FLOAT(adam_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient (adamw decays apart from it)"),
    CVY_ALSO("decay l2 wd"),
    CVY_BOOL(adam_config, amsgrad, false,
             "divide by the greatest moving mean of squares so far (Reddi et al. 2018)"),
};

static const char *const *adam_slots(const void *config)
{
    return adam_slot_names(((const adam_config *)config)->amsgrad);
}

static int adam_update(const cvy_update *u, const void *config)
{
    const adam_config *c = config;
    adam_rates r = adam_rates_of(u, c->lr, c->beta1, c->beta2, c->eps);
    r.decay = (cvy_real)c->weight_decay;
    adam_step(u, c->amsgrad, r);
    return 0;
}

static const cvy_optimizer adam_type = {sizeof(cvy_optimizer), 1, adam_slots, adam_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, adam, "Adam", "moving means of gradients and squared gradients, bias-corrected",
    "Kingma and Ba 2015, Adam: A Method for Stochastic Optimization, algorithm 1; amsgrad: Reddi, Kale and "
    "Kumar 2018, On the Convergence of Adam and Beyond; weight decay is coupled (L2), as in PyTorch's Adam",
    adam_config, &adam_type, CVY_PARAMS(adam_params));
