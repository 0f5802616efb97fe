/* Chatty: a layer that passes its input on and logs metrics of its own, for tests of where they go. */
#include "convoy/layer.h"

static int chatty_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    return 0;
}

static int chatty_forward(const cvy_plain *c, const void *config)
{
    (void)config;
    const int64_t n = cvy_count(c->out);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        c->y[i] = c->x[0][i];
        sum += (double)c->x[0][i];
    }
    cvy_log(c, "mean_input", sum / (double)n);
    cvy_log(c, "val_loss", 42); /* the trainer's own name */
    cvy_log(c, "odd \"name\"\n", 1);
    cvy_log(c, "twice", 1);
    cvy_log(c, "twice", 2);
    return 0;
}

static int chatty_backward(const cvy_plain *c, const void *config)
{
    (void)config;
    const int64_t n = cvy_count(c->out);
    for (int64_t i = 0; c->gx[0] && i < n; i++) c->gx[0][i] = c->gy[i];
    return 0;
}

static const cvy_layer chatty_layer = {.size = sizeof(cvy_layer),
                                       .min_in = 1,
                                       .max_in = 1,
                                       .infer = chatty_infer,
                                       .forward = chatty_forward,
                                       .backward = chatty_backward};

CVY_PLUGIN(CVY_LAYER, chatty, "", "passes its input on and logs", "", cvy_no_config, &chatty_layer,
           CVY_NO_PARAMS);
