/* Builds a network of a single layer whose inputs are weights; must not know what the layer is for. */
#include "graph/net_one.h"

#include <string.h>

#include "graph/net_build.h"

/* The layer behind each input: gives its weight, whatever the network's input. */
typedef struct source_config {
    cvy_shape shape;
} source_config;

static int source_infer(cvy_infer *in, const void *config)
{
    const source_config *c = config;
    in->out = c->shape;
    return in->weight(in, "value", &c->shape, cvy_constant(0));
}

static int source_forward(const cvy_plain *call, const void *config)
{
    const source_config *c = config;
    memcpy(call->y, call->w[0], (size_t)cvy_count(&c->shape) * sizeof(cvy_real));
    return 0;
}

static int source_backward(const cvy_plain *call, const void *config)
{
    const source_config *c = config;
    if (call->gw[0]) memcpy(call->gw[0], call->gy, (size_t)cvy_count(&c->shape) * sizeof(cvy_real));
    return 0;
}

static const cvy_layer source_layer = {.size = sizeof(cvy_layer),
                                       .min_in = 1,
                                       .max_in = 1,
                                       .infer = source_infer,
                                       .forward = source_forward,
                                       .backward = source_backward};

static const cvy_descriptor source_descriptor = {.abi = CVY_ABI,
                                                 .size = sizeof(cvy_descriptor),
                                                 .kind = CVY_LAYER,
                                                 .real_size = sizeof(cvy_real),
                                                 .name = "input",
                                                 .aliases = "",
                                                 .summary = "An input of the layer in question",
                                                 .source = "",
                                                 .config_size = sizeof(source_config),
                                                 .param_size = sizeof(cvy_param),
                                                 .type = &source_layer};

static bool net_one_shapes(const cvy_shape *in, int n_in, errors *e)
{
    for (int i = 0; i < n_in; i++) {
        bool sane = in[i].rank >= 1 && in[i].rank <= CVY_MAX_RANK && in[i].dim[0] == in[0].dim[0];
        for (int d = 0; sane && d < in[i].rank; d++) sane = in[i].dim[d] >= 1;
        if (sane) continue;
        errors_add(e, CVY_ERR_CONFIG, NULL,
                   "all inputs have the batch as their first dimension and nothing empty",
                   "input %d cannot be the input of a layer", i + 1);
        return false;
    }
    return true;
}

net *net_one_build(registry *r, const char *type, const node *params, const cvy_shape *in, int n_in,
                   int classes, errors *e)
{
    if (!net_one_shapes(in, n_in, e)) return NULL;
    size_t before = errors_count(e);
    net *n = mem_alloc(sizeof *n);
    n->classes = classes;
    params_word words[] = {{.word = "classes", .value = classes}};
    builder b = {.net = n, .registry = r, .env = {.words = words, .n_words = classes > 0}, .e = e};
    cvy_shape unread = cvy_shape2(n_in > 0 ? in[0].dim[0] : 1, 1);
    place nowhere = PLACE_NONE;
    int root = net_add_input(n, "input", &unread), *inputs = mem_array((size_t)n_in + 1, sizeof *inputs);
    bool ok = true;
    for (int i = 0; ok && i < n_in; i++) {
        source_config *c = arena_alloc(&n->memory, sizeof *c);
        c->shape = in[i];
        inputs[i] = net_add_primitive(&b, arena_printf(&n->memory, "in.%d", i + 1), &source_descriptor, c,
                                      &root, 1, &nowhere);
        ok = inputs[i] >= 0;
    }
    if (ok) n->output = net_add_layer(&b, type, type, params, inputs, n_in, params ? &params->at : &nowhere);
    mem_free(inputs);
    if (errors_count(e) > before || !ok || n->output < 0) {
        net_free(n);
        return NULL;
    }
    return n;
}
