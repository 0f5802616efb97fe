/* A classifier at the side: passes its input on as it is, and makes of it, by `layers`, an output whose loss is added
 * `weight` times in training. Evaluation leaves it out.
 *
 * Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 5, with 0.3 for each of its two; the idea is that
 * of Lee, Xie, Gallagher, Zhang & Tu, "Deeply-Supervised Nets", AISTATS 2015. */
#include "convoy/layer.h"

typedef struct head_config {
    double weight;
    cvy_layers layers;
} head_config;

static const cvy_param head_params[] = {
    CVY_FLOAT(head_config, weight, 0.3, 0, 1000, "how often its loss is added to the network's"),
    CVY_ALSO("loss_weight aux_weight alpha"),
    CVY_LAYERS(head_config, layers, NULL, "from the input to the logits, written as the layers of a model"),
    CVY_ALSO("modules body head"),
};

static int32_t head_build(cvy_build *b, const void *config)
{
    const head_config *c = config;
    const int32_t logits = b->layers(b, "", &c->layers, 0);
    if (b->head(b, logits, c->weight)) return -1;
    return 0;
}

static const cvy_layer head_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = head_build,
};

CVY_PLUGIN(CVY_LAYER, auxiliary_head, "InceptionAux aux auxiliary_classifier aux_head deep_supervision",
           "Passes its input on, with a classifier at the side whose loss is added in training",
           "Szegedy et al. 2015, section 5", head_config, &head_layer, CVY_PARAMS(head_params));
