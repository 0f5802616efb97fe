/* Binary cross-entropy of sigmoid(y): -w t ln sigmoid(y) - (1 - t) ln sigmoid(-y) for each number of the output, with w
 * the weight of positive targets. By -ln sigmoid(y) = max(-y, 0) + ln(1 + exp(-|y|)) nothing overflows or vanishes. */
#include "elementwise.h"

typedef struct logits_config {
    cvy_floats pos_weight;
    int32_t reduction;
} logits_config;

static const cvy_param logits_params[] = {
    CVY_FLOATS(logits_config, pos_weight, "[]", 0, 1e9,
               "factor on the part of positive targets: one for each class or channel, or one alone for all; "
               "[] is 1"),
    CVY_ALSO("positive_weight scale_pos_weight"),
    ELEMENT_REDUCTION(logits_config),
};

static inline int element_refused(double y, double t)
{
    (void)y, (void)t;
    return 0;
}

static inline double element_loss(double y, double t, int64_t channel, const void *config, double *slope)
{
    const cvy_floats *weights = &((const logits_config *)config)->pos_weight;
    const double w = weights->n > 1 ? weights->v[channel] : weights->n ? weights->v[0] : 1;
    const double e = exp(-fabs(y)), tail = log1p(e);    /* e = exp(-|y|), at most 1 */
    const double near = 1 / (1 + e), far = e / (1 + e); /* sigmoid(|y|) and sigmoid(-|y|) */
    const double p = y < 0 ? far : near, not_p = y < 0 ? near : far;
    *slope = (1 - t) * p - w * t * not_p;
    return (1 - t) * (tail + (y > 0 ? y : 0)) + w * t * (tail + (y < 0 ? -y : 0));
}

static int loss_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    const size_t n = ((const logits_config *)config)->pos_weight.n;
    const int64_t channels = output->rank > 1 ? output->dim[1] : 1;
    if (element_check(host, output, classes)) return 1;
    if (n > 1 && (int64_t)n != channels)
        return host->fail(host, "pos_weight has %zu numbers, expected one alone or %lld, one for each %s", n,
                          (long long)channels, output->rank > 2 ? "channel of the output" : "output");
    return 0;
}

static int loss_evaluate(cvy_loss_call *call, const void *config)
{
    int64_t refused;
    return element_evaluate(call, config, ((const logits_config *)config)->reduction, &refused);
}

static const cvy_loss loss_type = {sizeof(cvy_loss), loss_check, loss_evaluate, 0};

CVY_PLUGIN(
    CVY_LOSS, binary_cross_entropy_with_logits,
    "BCEWithLogitsLoss bce_with_logits bce_logits sigmoid_cross_entropy SigmoidCrossEntropyLoss",
    "binary cross-entropy of sigmoid(logits), averaged over all numbers; the target of a class label is its "
    "one-hot vector",
    "Bishop 2006, Pattern Recognition and Machine Learning, equation 4.90", logits_config, &loss_type,
    CVY_PARAMS(logits_params));
