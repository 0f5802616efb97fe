/* One of several augmentations, drawn at random for every image. */
#include "wrapper.h"

enum { ONE_OF_MAX = 256 };

typedef struct one_config {
    cvy_children choices;
    cvy_floats weights;
    double p;
} one_config;

static const cvy_param one_params[] = {
    CVY_CHILDREN(one_config, choices, "[horizontal_flip, vertical_flip]", CVY_AUGMENT,
                 "the augmentations, none of which changes the size"),
    CVY_ALSO("transforms steps layers"),
    CVY_FLOATS(one_config, weights, "[]", 0, 1e6, "how often each compared to the others; empty: all alike"),
    CVY_ALSO("probabilities probs"),
    CVY_FLOAT(one_config, p, 1, 0, 1, "probability of any of them; with one choice, of that one"),
    CVY_ALSO("probability prob rate"),
};

static int one_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const one_config *c = config;
    if (image_expect(host, in) || wrapper_expect(host, "choices", &c->choices, ONE_OF_MAX, in, 1)) return 1;
    double sum = 0;
    for (size_t i = 0; i < c->weights.n; i++) sum += c->weights.v[i];
    if (c->weights.n && c->weights.n != c->choices.n)
        return host->fail(host, "weights: %zu for %zu choices; give one for each, or leave them out",
                          c->weights.n, c->choices.n);
    if (c->weights.n && !(sum > 0)) return host->fail(host, "weights: all are 0; give one that is not");
    *out = *in;
    return 0;
}

static size_t one_draw(cvy_random *random, const one_config *c)
{
    if (!c->weights.n) return cvy_below(random, (uint32_t)c->choices.n);
    double sum = 0, below = 0;
    for (size_t i = 0; i < c->weights.n; i++) sum += c->weights.v[i];
    const double at = sum * (double)cvy_unit(random);
    size_t last = 0;
    for (size_t i = 0; i < c->weights.n; i++) {
        if (!(c->weights.v[i] > 0)) continue;
        below += c->weights.v[i];
        last = i;
        if (at < below) break;
    }
    return last;
}

static int one_apply(cvy_augment_call *call, const void *config)
{
    const one_config *c = config;
    if (c->p < 1 && (double)cvy_unit(call->random) >= c->p) {
        image_copy(call);
        return 0;
    }
    return wrapper_apply(call, &c->choices.v[one_draw(call->random, c)], call->x, call->y);
}

/* It mixes when one of the choices does. */
static uint32_t one_traits(const void *config)
{
    const one_config *c = config;
    uint32_t traits = 0;
    for (size_t i = 0; i < c->choices.n; i++)
        traits |= cvy_augment_traits(c->choices.v[i].plugin->type, c->choices.v[i].config);
    return traits & CVY_AUGMENT_MIX;
}

static const cvy_augment one_type = {
    .size = sizeof(cvy_augment), .infer = one_infer, .apply = one_apply, .traits_of = one_traits};

CVY_PLUGIN(CVY_AUGMENT, one_of, "OneOf RandomChoice random_choice RandomApply random_apply sometimes",
           "one of several augmentations at random, mixing ones (mixup, cutmix) too; training only", "",
           one_config, &one_type, CVY_PARAMS(one_params));
