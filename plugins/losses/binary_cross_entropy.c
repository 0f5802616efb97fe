/* Binary cross-entropy of probabilities: -t ln y - (1 - t) ln(1 - y) for each number of the output.
 *
 * A logarithm is taken as no less than -100, and in the slope y (1 - y) as no less than 1e-12, so that outputs of
 * exactly 0 and 1 give finite numbers. Whoever has logits takes binary_cross_entropy_with_logits, which loses nothing. */
#include "elementwise.h"

typedef struct bce_config {
    int32_t reduction;
} bce_config;

static const cvy_param bce_params[] = {ELEMENT_REDUCTION(bce_config)};

static inline int element_refused(double y, double t)
{
    return y < 0 || y > 1 || t < 0 || t > 1; /* NaN passes, to show in the loss */
}

static inline double clamped(double log_p)
{
    return log_p < -100 ? -100 : log_p;
}

static inline double element_loss(double y, double t, int64_t channel, const void *config, double *slope)
{
    (void)channel, (void)config;
    const double spread = (1 - y) * y;
    *slope = (y - t) / (spread < 1e-12 ? 1e-12 : spread);
    return (t - 1) * clamped(log1p(-y)) - t * clamped(log(y));
}

static int loss_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    (void)config;
    return element_check(host, output, classes);
}

static int loss_evaluate(cvy_loss_call *call, const void *config)
{
    int64_t at;
    if (element_evaluate(call, config, ((const bce_config *)config)->reduction, &at)) return 1;
    if (at < 0) return 0;
    const int64_t sample = at / (cvy_count(call->shape) / call->shape->dim[0]);
    if (call->y[at] < 0 || call->y[at] > 1)
        return cvy_fail(
            call,
            "sample %lld of the batch: the network's output is %g, expected a probability, 0 to 1; end the "
            "model with `sigmoid`, or take binary_cross_entropy_with_logits",
            (long long)sample, (double)call->y[at]);
    return cvy_fail(call,
                    "sample %lld of the batch: the target is %g, expected 0 to 1; leave `normalize` out of "
                    "dataset.augment, or take mean_squared_error",
                    (long long)sample, (double)call->target[at]);
}

static const cvy_loss loss_type = {sizeof(cvy_loss), loss_check, loss_evaluate, CVY_LOSS_PROBABILITIES};

CVY_PLUGIN(CVY_LOSS, binary_cross_entropy, "BCELoss bce BinaryCrossentropy binary_crossentropy",
           "-t ln y - (1 - t) ln(1 - y) of probabilities y, averaged over all numbers; the target of a class "
           "label is its "
           "one-hot vector",
           "Bishop 2006, Pattern Recognition and Machine Learning, equation 4.90", bce_config, &loss_type,
           CVY_PARAMS(bce_params));
