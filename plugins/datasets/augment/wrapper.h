/* What augmentations made of others share: which ones they take, and how they call them. Must not know how they choose. */
#ifndef AUGMENT_WRAPPER_H
#define AUGMENT_WRAPPER_H

#include "image.h"

static inline int wrapper_learns(const cvy_augment *type)
{
    return type->size >= offsetof(cvy_augment, prepare) + sizeof type->prepare && type->prepare;
}

/* Each must take the image and give one of the same shape; `mixing` ones only where the caller chooses one of all. */
static inline int wrapper_expect(const cvy_host *host, const char *name, const cvy_children *list,
                                 size_t most, const cvy_shape *in, int mixing)
{
    if (!list->n || list->n > most)
        return host->fail(host, "%s: %zu augmentations; give 1 to %zu", name, list->n, most);
    for (size_t i = 0; i < list->n; i++) {
        const cvy_descriptor *plugin = list->v[i].plugin;
        const cvy_augment *type = plugin->type;
        if (type->traits & CVY_AUGMENT_STATS)
            return host->fail(host,
                              "%s: `%s` is for every image, in evaluation too; put it behind, into the list "
                              "`augment` itself",
                              name, plugin->name);
        if (!mixing && cvy_augment_traits(type, list->v[i].config) & CVY_AUGMENT_MIX)
            return host->fail(
                host, "%s: `%s` mixes two samples; put it into a `one_of`, or into the list `augment` itself",
                name, plugin->name);
        if (wrapper_learns(type))
            return host->fail(
                host, "%s: `%s` learns from the training samples; put it into the list `augment` itself",
                name, plugin->name);
        cvy_shape out = *in;
        if (type->infer(host, list->v[i].config, in, &out)) return 1;
        int same = out.rank == in->rank;
        for (int d = 0; d < in->rank && same; d++) same = out.dim[d] == in->dim[d];
        if (!same)
            return host->fail(host,
                              "%s: `%s` gives images of another size; only what keeps the size can be here",
                              name, plugin->name);
    }
    return 0;
}

/* The child draws on from the caller's stream. */
static inline int wrapper_apply(cvy_augment_call *call, const cvy_child *child, const float *x, float *y)
{
    cvy_augment_call inner = *call;
    inner.out = call->in;
    inner.x = x;
    inner.y = y;
    inner.stats = NULL;
    const int failed = ((const cvy_augment *)child->plugin->type)->apply(&inner, child->config);
    call->share = inner.share;
    return failed;
}

#endif
