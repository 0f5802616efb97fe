/* Softmax cross-entropy on class labels: the mean over the batch of -ln softmax(y)[label], and its gradient.
 */
#include <math.h>
#include "convoy/loss.h"

static int loss_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    (void)config;
    if (classes < 1)
        return host->fail(host,
                          "the dataset has no classes; this loss needs one class label for each sample");
    if (output->rank != 2)
        return host->fail(
            host,
            "the network's output has rank %d, expected 2: (batch, classes); end the model with "
            "`global_avg_pool` or `flatten`, then `linear: {units: classes}`",
            (int)output->rank);
    if (output->dim[1] != classes)
        return host->fail(host,
                          "the network gives %lld logits for %d classes; let the last layer be "
                          "`linear: {units: classes}`",
                          (long long)output->dim[1], (int)classes);
    return 0;
}

static cvy_real exp_real(cvy_real x)
{
#ifdef CVY_DOUBLE
    return exp(x);
#else
    return expf(x);
#endif
}

/* The loss of one sample. With g it leaves exp(y - max) there, unscaled, and in *others and *total the sums
 * of them without and with the label's. */
static double sample_loss(const cvy_real *restrict y, int64_t classes, int64_t label, cvy_real *restrict g,
                          double *others, double *total)
{
    cvy_real max = y[0];
    for (int64_t k = 1; k < classes; k++) max = y[k] > max ? y[k] : max;

    double sum = 0, own = 0;
    for (int64_t k = 0; k < classes; k++) {
        cvy_real e = exp_real(y[k] - max);
        if (g) g[k] = e;
        if (k == label)
            own = (double)e;
        else
            sum += (double)e;
    }
    *others = sum;
    *total = sum + own;
    /* Either way nothing is the logarithm of a vanished probability. A label on the maximum has own = 1:
     * log1p keeps the digits of a loss far below the rounding of 1. */
    double z = (double)(y[label] - max);
    return z < 0 ? log(*total) - z : log1p(sum);
}

static int loss_evaluate(cvy_loss_call *call, const void *config)
{
    (void)config;
    int64_t n = call->shape->dim[0], classes = call->shape->dim[1];
    if (!call->labels) return cvy_fail(call, "this loss needs class labels, and the dataset gives none");

    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t label = call->labels[i];
        if (label < 0 || label >= classes)
            return cvy_fail(call, "sample %lld of the batch has label %lld, expected 0 to %lld", (long long)i,
                            (long long)label, (long long)classes - 1);
        cvy_real *g = call->gy ? call->gy + i * classes : NULL;
        double others, total;
        sum += sample_loss(call->y + i * classes, classes, label, g, &others, &total);
        if (!g) continue;
        double scale = 1.0 / (total * (double)n);
        for (int64_t k = 0; k < classes; k++) g[k] = (cvy_real)((double)g[k] * scale);
        g[label] = (cvy_real)(-others * scale); /* p - 1 without its cancellation near p = 1 */
    }
    call->loss = sum / (double)n;
    return 0;
}

static const cvy_loss loss_type = {sizeof(cvy_loss), loss_check, loss_evaluate};

CVY_PLUGIN(CVY_LOSS, softmax_cross_entropy,
           "CrossEntropyLoss cross_entropy CategoricalCrossentropy SparseCategoricalCrossentropy "
           "categorical_crossentropy "
           "sparse_categorical_crossentropy softmax_loss nll",
           "cross-entropy of softmax(logits) with the class label, natural logarithm, mean over the batch",
           "Bridle 1990, Probabilistic Interpretation of Feedforward Classification Network Outputs",
           cvy_no_config, &loss_type, CVY_NO_PARAMS);
