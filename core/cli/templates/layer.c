/* my_plugin, a layer: a leaky rectifier with a learned scale for each channel,
 * y = scale[c] * (x > 0 ? x : slope * x).
 *
 * It trains as it stands. Change the parameters, the weights and the two loops, in this order.
 *
 *   build:  @CC@
 *   look:   convoy plugin info my_plugin --plugin ./my_plugin.so
 *   train:  convoy run my_plugin.yaml
 *
 * Nothing of Convoy is linked: all that a layer may call comes with each call. convoy/layer.h has the rest.
 */
#include "convoy/layer.h"

/* ---- parameters: what the experiment file may set, as in `my_plugin: {slope: 0.2}` ---- */

typedef struct my_plugin_config {
    double slope;
} my_plugin_config;

static const cvy_param my_plugin_params[] = {
    /* struct, field, default, least, most, help */
    CVY_FLOAT(my_plugin_config, slope, 0.1, 0, 1, "slope left of zero"),
    CVY_ALSO("negative_slope alpha"), /* what others call it: for suggestions only */
};

/* ---- infer: shapes and weights; called before training, and once more for each batch size ---- */

static int my_plugin_infer(cvy_infer *in, const void *config)
{
    (void)config;
    const cvy_shape *x = &in->in[0]; // (N, C, ...): dim[0] is the batch
    if (x->rank < 2) return cvy_fail(in, "expects (N, C, ...) and got a batch of single numbers");
    in->out = *x;
    in->traits = CVY_READS_X; /* backward reads x; CVY_READS_Y would be y, which nothing here needs */
    const cvy_shape scale = cvy_shape1(x->dim[1]);
    return in->weight(in, "scale", &scale, cvy_constant(1)); /* weight 0: trained, saved, starts at 1 */
}

/* ---- forward and backward: dense arrays in the order (N, C, ...), whatever layouts the neighbours use ----
 */

static int my_plugin_forward(const cvy_plain *call, const void *config)
{
    const my_plugin_config *c = config;
    const int64_t channels = call->in[0].dim[1], pixels = cvy_sample_count(&call->in[0]) / channels;
    const cvy_real slope = (cvy_real)c->slope;
    for (int64_t n = 0; n < call->in[0].dim[0]; n++)
        for (int64_t k = 0; k < channels; k++) {
            const cvy_real scale = call->w[0][k];
            const cvy_real *x = call->x[0] + (n * channels + k) * pixels;
            cvy_real *y = call->y + (n * channels + k) * pixels;
            for (int64_t i = 0; i < pixels; i++) y[i] = scale * (x[i] > 0 ? x[i] : slope * x[i]);
        }
    return 0;
}

/* From gy = dL/dy to gx = dL/dx and gw[0] = dL/dscale. Both are overwritten, and either may be NULL: not
 * wanted. */
static int my_plugin_backward(const cvy_plain *call, const void *config)
{
    const my_plugin_config *c = config;
    const int64_t channels = call->in[0].dim[1], pixels = cvy_sample_count(&call->in[0]) / channels;
    const cvy_real slope = (cvy_real)c->slope;
    for (int64_t k = 0; k < channels; k++) {
        const cvy_real scale = call->w[0][k];
        double gscale = 0; /* sums over batch and pixels want more digits than a float has */
        for (int64_t n = 0; n < call->in[0].dim[0]; n++) {
            const int64_t at = (n * channels + k) * pixels;
            const cvy_real *x = call->x[0] + at, *gy = call->gy + at;
            for (int64_t i = 0; i < pixels; i++) gscale += (double)(gy[i] * (x[i] > 0 ? x[i] : slope * x[i]));
            if (!call->gx[0]) continue;
            cvy_real *gx = call->gx[0] + at;
            for (int64_t i = 0; i < pixels; i++) gx[i] = gy[i] * scale * (x[i] > 0 ? 1 : slope);
        }
        if (call->gw[0]) call->gw[0][k] = (cvy_real)gscale;
    }
    return 0;
}

static const cvy_layer my_plugin_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1, /* inputs accepted */
    .max_in = 1,
    .infer = my_plugin_infer,
    .forward = my_plugin_forward,
    .backward = my_plugin_backward,
};

/* kind, name, names elsewhere, one line for `convoy plugin info`, paper */
CVY_PLUGIN(CVY_LAYER, my_plugin, "", "Leaky rectifier with a learned scale for each channel", "",
           my_plugin_config, &my_plugin_layer, CVY_PARAMS(my_plugin_params));
