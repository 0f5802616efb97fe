/* Several augmentations one after the other, in another random order for every image; all of them or some. */
#include <stdlib.h>

#include "wrapper.h"

enum { ORDER_MAX = 64 };

typedef struct order_config {
    cvy_children steps;
    int64_t n;
} order_config;

static const cvy_param order_params[] = {
    CVY_CHILDREN(order_config, steps, "[brightness, contrast]", CVY_AUGMENT,
                 "the augmentations, none of which changes the size"),
    CVY_ALSO("transforms choices layers"),
    CVY_INT(order_config, n, 0, 0, ORDER_MAX, "how many of them, drawn at random; 0: all"),
    CVY_ALSO("augmentations_per_image num_ops"),
};

static int order_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const order_config *c = config;
    if (image_expect(host, in) || wrapper_expect(host, "steps", &c->steps, ORDER_MAX, in, 0)) return 1;
    if (c->n > (int64_t)c->steps.n)
        return host->fail(host, "n: %lld of %zu augmentations; lower n", (long long)c->n, c->steps.n);
    *out = *in;
    return 0;
}

static int order_apply(cvy_augment_call *call, const void *config)
{
    const order_config *c = config;
    const size_t all = c->steps.n, n = c->n ? (size_t)c->n : all,
                 bytes = sizeof(float) * (size_t)cvy_count(call->in);
    size_t order[ORDER_MAX];
    for (size_t k = 0; k < all; k++) order[k] = k;
    for (size_t k = 0; k < n; k++) {
        const size_t pick = k + cvy_below(call->random, (uint32_t)(all - k)), next = order[pick];
        order[pick] = order[k];
        order[k] = next;
    }
    /* To and fro between y and another array, so that the last step writes y. */
    float *other = n > 1 ? malloc(bytes) : NULL;
    if (n > 1 && !other) return cvy_fail(call, "not enough memory for an image of %zu bytes", bytes);
    const float *x = call->x;
    int failed = 0;
    for (size_t k = 0; k < n && !failed; k++) {
        float *y = (n - 1 - k) % 2 ? other : call->y;
        failed = wrapper_apply(call, &c->steps.v[order[k]], x, y);
        x = y;
    }
    free(other);
    return failed;
}

static const cvy_augment order_type = {
    .size = sizeof(cvy_augment), .infer = order_infer, .apply = order_apply};

CVY_PLUGIN(CVY_AUGMENT, random_order, "RandomOrder SomeOf some_of RandomAugmentationPipeline",
           "several augmentations in random order; training only", "", order_config, &order_type,
           CVY_PARAMS(order_params));
