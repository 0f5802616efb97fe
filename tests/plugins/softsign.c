/* Softsign, y = x / (1 + |x|): a layer of one's own with nothing but plain code, for tests of what happens
 * around one. */
#include <math.h>

#include "convoy/layer.h"

static int softsign_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_X;
    return 0;
}

static int softsign_forward(const cvy_plain *c, const void *config)
{
    (void)config;
    int64_t n = cvy_count(c->out);
    for (int64_t i = 0; i < n; i++) c->y[i] = c->x[0][i] / (1 + (cvy_real)fabs((double)c->x[0][i]));
    return 0;
}

static int softsign_backward(const cvy_plain *c, const void *config)
{
    (void)config;
    int64_t n = cvy_count(c->out);
    if (!c->gx[0]) return 0;
    for (int64_t i = 0; i < n; i++) {
        cvy_real d = 1 + (cvy_real)fabs((double)c->x[0][i]);
        c->gx[0][i] = c->gy[i] / (d * d);
    }
    return 0;
}

static const cvy_layer softsign_layer = {sizeof(cvy_layer), 1,    1,   softsign_infer, softsign_forward,
                                         softsign_backward, NULL, NULL};

CVY_PLUGIN(CVY_LAYER, softsign, "", "x / (1 + |x|)", "Turian, Bergstra & Bengio 2009", cvy_no_config,
           &softsign_layer, CVY_NO_PARAMS);
