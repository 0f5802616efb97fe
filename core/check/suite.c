/* Owns which checks there are and their order; must not know what they look at. */
#include "check/suite.h"

#include <time.h>

#include "check/augment_checks.h"
#include "check/dataset_checks.h"
#include "check/growth.h"
#include "check/layer_checks.h"
#include "check/loss_checks.h"
#include "check/net_checks.h"
#include "check/optimizer_checks.h"
#include "check/parameters.h"

#define HOARD \
    (INT64_C(512) << 20) /* whatever the check "memory" would find, there is none left for it to find */

#define COMMON                                                                                  \
    {"descriptor", "names, and that the double twin matches", true, parameters_descriptor,      \
     parameters_descriptor},                                                                    \
    {                                                                                           \
        "parameters", "documented, defaults in range, others refused", false, parameters_check, \
            parameters_check                                                                    \
    }

static const suite_check layers[] = {
    COMMON,
    {"cases", "configurations and shapes that are accepted", true, layer_cases_check, layer_cases_check},
    {"infer", "the same twice; another batch scales the batch alone", false, layer_infer_pure, NULL},
    {"build", "the same twice; another batch scales the batch alone", false, NULL, net_composite_build},
    {"extremes", "parameters at their limits and huge inputs are refused with words", false,
     layer_infer_extremes, NULL},
    {"bounds", "nothing is written outside the arrays", false, layer_calls_bounds, NULL},
    {"constants", "inputs, weights and configuration are left as they are", false, layer_calls_constants,
     NULL},
    {"complete", "everything is written, with finite numbers", false, layer_calls_complete, NULL},
    {"evaluation", "forward in evaluation: complete, in bounds, buffers unchanged", false,
     layer_calls_evaluation, NULL},
    {"gradient_input", "against central differences", false, layer_gradient_inputs, net_composite_inputs},
    {"gradient_weight", "against central differences", false, layer_gradient_weights, net_composite_weights},
    {"unwanted", "a gradient of NULL is not computed", false, layer_backward_unwanted, NULL},
    {"overwrite", "backward overwrites, or adds where it declares so", false, layer_backward_overwrite, NULL},
    {"undeclared", "backward reads neither x nor y without declaring it", false, layer_backward_undeclared,
     NULL},
    {"in_place", "the same with y in x and gx in gy, where declared", false, layer_backward_in_place, NULL},
    {"repeat", "the same step gives the same bits", false, layer_repeat_bits, net_composite_repeat},
    {"hidden_state", "nothing is kept between calls but what is declared", false, layer_repeat_hidden, NULL},
    {"buffers", "saved and restored, training goes on the same", false, layer_repeat_buffers, NULL},
    {"threads", "in any order and at once the same", false, layer_threads_check, NULL},
    {"twin", "float and double agree", false, layer_repeat_twin, NULL},
    {"lowered", "the lowered form and plain code agree", false, net_lowered_check, net_lowered_check},
    {"memory", "1,000 steps leave no memory behind", false, layer_growth_check, net_composite_growth},
};

static const suite_check losses[] = {
    COMMON,
    {"cases", "output shapes that are accepted", true, loss_checks_cases, NULL},
    {"calls", "in bounds, complete, inputs unchanged", false, loss_checks_calls, NULL},
    {"gradient", "against central differences", false, loss_checks_gradient, NULL},
    {"mean", "the mean over the batch", false, loss_checks_mean, NULL},
    {"unwanted", "a gradient of NULL is not computed", false, loss_checks_unwanted, NULL},
    {"large", "outputs far out give finite numbers", false, loss_checks_large, NULL},
    {"repeat", "the same call gives the same bits", false, loss_checks_repeat, NULL},
    {"twin", "float and double agree", false, loss_checks_twin, NULL},
    {"memory", "1,000 calls leave no memory behind", false, loss_checks_growth, NULL},
};

static const suite_check optimizers[] = {
    COMMON,
    {"slots", "names of the state", true, optimizer_checks_slots, NULL},
    {"calls", "in bounds, finite, the gradient unchanged", false, optimizer_checks_calls, NULL},
    {"elementwise", "pieces give what the whole gives, where declared", false, optimizer_checks_elementwise,
     NULL},
    {"hidden_state", "state is kept in the slots alone", false, optimizer_checks_hidden, NULL},
    {"repeat", "the same steps give the same bits", false, optimizer_checks_repeat, NULL},
    {"first_step", "goes downhill", false, optimizer_checks_first, NULL},
    {"zero_gradient", "moves nothing", false, optimizer_checks_zero, NULL},
    {"lr_factor", "scales the learning rate", false, optimizer_checks_factor, NULL},
    {"twin", "float and double agree", false, optimizer_checks_twin, NULL},
    {"memory", "1,000 updates leave no memory behind", false, optimizer_checks_growth, NULL},
};

static const suite_check datasets[] = {
    COMMON,
    {"open", "opens, and what it says of itself can be", true, dataset_checks_open, NULL},
    {"samples", "first to last: in bounds, labels in range", false, dataset_checks_samples, NULL},
    {"repeat", "the same sample again is the same", false, dataset_checks_repeat, NULL},
    {"threads", "read from several at once", false, dataset_checks_threads, NULL},
    {"memory", "1,000 samples leave no memory behind", false, dataset_checks_growth, NULL},
};

static const suite_check augments[] = {
    COMMON,
    {"infer", "the same twice", true, augment_checks_infer, NULL},
    {"calls", "in bounds, complete, the input unchanged", false, augment_checks_calls, NULL},
    {"repeat", "a function of input and random stream", false, augment_checks_repeat, NULL},
    {"threads", "several samples at once", false, augment_checks_threads, NULL},
    {"memory", "1,000 samples leave no memory behind", false, augment_checks_growth, NULL},
};

const suite_check *suite_of(uint32_t kind, size_t *n)
{
#define SUITE(list) (*n = sizeof(list) / sizeof(list)[0], (list))
    switch (kind) {
    case CVY_LAYER:
        return SUITE(layers);
    case CVY_LOSS:
        return SUITE(losses);
    case CVY_OPTIMIZER:
        return SUITE(optimizers);
    case CVY_DATASET:
        return SUITE(datasets);
    case CVY_AUGMENT:
        return SUITE(augments);
    default:
        *n = 0;
        return NULL;
    }
#undef SUITE
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void suite_run(const suite_check *c, specimen *s, verdict *v)
{
    double begin = now();
    int64_t mapped = growth_mapped();
    bool composite = s->d->kind == CVY_LAYER && layer_cases_composite(s);
    void (*run)(specimen *, verdict *) = composite ? c->composite : c->run;
    if (run)
        run(s, v);
    else
        verdict_skip(v, composite ? "a composite has no code of its own" : "of composites");
    mapped = growth_mapped() - mapped;
    if (mapped > HOARD && !specimen_sanitized())
        verdict_fail(v, "%lld MiB were taken and not given back", (long long)(mapped >> 20));
    v->seconds = now() - begin;
}
