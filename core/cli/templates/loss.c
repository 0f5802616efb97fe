/* my_plugin, a loss: softmax cross-entropy with smoothed labels, q[label] = 1 - s + s / K, elsewhere s / K.
 *
 * Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, section 7. It
 * trains as it stands; change the parameters, what is checked and the loop.
 *
 *   build:  @CC@
 *   look:   convoy plugin info my_plugin --plugin ./my_plugin.so
 *   train:  convoy run my_plugin.yaml
 *
 * Nothing of Convoy is linked: all that a loss may call comes with each call. convoy/loss.h says the rest. */
#include <math.h>

#include "convoy/loss.h"

/* ---- parameters: what the experiment file may set, as in `loss: {type: my_plugin, smoothing: 0.2}` ---- */

typedef struct my_plugin_config {
    double smoothing;
} my_plugin_config;

static const cvy_param my_plugin_params[] = {
    /* struct, field, default, least, most, help */
    CVY_FLOAT(my_plugin_config, smoothing, 0.1, 0, 1, "share of the label spread over all classes"),
    CVY_ALSO("label_smoothing epsilon"), /* what others call it: for suggestions only */
};

/* ---- check: before training, whether the network's output fits ---- */

static int my_plugin_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    (void)config;
    if (classes < 1) return host->fail(host, "this loss needs a dataset with classes");
    if (output->rank != 2 || output->dim[1] != classes)
        return host->fail(host,
                          "expects one number for each of %d classes; end with `linear: {units: classes}`",
                          (int)classes);
    return 0;
}

/* ---- evaluate: the mean over the batch, and its gradient when gy is not NULL ---- */

static int my_plugin_evaluate(cvy_loss_call *call, const void *config)
{
    const my_plugin_config *c = config;
    const int64_t batch = call->shape->dim[0], classes = call->shape->dim[1];
    const double spread = c->smoothing / (double)classes;
    if (!call->labels) return cvy_fail(call, "this loss needs class labels");
    call->loss = 0;
    for (int64_t n = 0; n < batch; n++) {
        const cvy_real *y = call->y + n * classes;
        double max = (double)y[0], sum = 0;
        for (int64_t k = 1; k < classes; k++) max = (double)y[k] > max ? (double)y[k] : max;
        for (int64_t k = 0; k < classes; k++) sum += exp((double)y[k] - max); /* at most K: no overflow */
        for (int64_t k = 0; k < classes; k++) {
            const double log_p = (double)y[k] - max - log(sum);
            const double q = spread + (k == call->labels[n] ? 1 - c->smoothing : 0);
            call->loss -= q * log_p / (double)batch;
            if (call->gy) call->gy[n * classes + k] = (cvy_real)((exp(log_p) - q) / (double)batch);
        }
    }
    return 0;
}

static const cvy_loss my_plugin_type = {
    .size = sizeof(cvy_loss),
    .check = my_plugin_check,
    .evaluate = my_plugin_evaluate,
};

/* kind, name, names elsewhere, one line for `convoy plugin info`, paper */
CVY_PLUGIN(CVY_LOSS, my_plugin, "", "Softmax cross-entropy with smoothed labels",
           "Szegedy et al. 2016, section 7", my_plugin_config, &my_plugin_type, CVY_PARAMS(my_plugin_params));
