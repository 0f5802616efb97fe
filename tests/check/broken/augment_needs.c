/* Is made of other augmentations, which nobody but the check can name, and applies the first to its own input. */
#include "convoy/augment.h"

typedef struct needs_config {
    cvy_children steps;
} needs_config;

static const cvy_param params[] = {
    CVY_CHILDREN(needs_config, steps, NULL, CVY_AUGMENT, "what it is made of"),
};

static int infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const cvy_child *first = ((const needs_config *)config)->steps.v;
    if (!((const needs_config *)config)->steps.n) return host->fail(host, "needs one");
    return ((const cvy_augment *)first->plugin->type)->infer(host, first->config, in, out);
}

static int apply(cvy_augment_call *call, const void *config)
{
    const cvy_child *first = ((const needs_config *)config)->steps.v;
    ((float *)(uintptr_t)call->x)[0] = 0.125f;
    return ((const cvy_augment *)first->plugin->type)->apply(call, first->config);
}

static const cvy_augment type = {.size = sizeof(cvy_augment), .infer = infer, .apply = apply};
CVY_PLUGIN(CVY_AUGMENT, augment_needs, "", "An augmentation that is broken on purpose", "", needs_config,
           &type, CVY_PARAMS(params));
