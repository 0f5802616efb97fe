/* Softmax cross-entropy: the mean over the batch of -ln softmax(y)[label], or of the cross-entropy with given shares of
 * the classes, and its gradient.
 *
 * A label is the shares (0, ..., 1, ..., 0). label_smoothing s turns shares t of K classes into (1 - s) t + s / K;
 * class_weights multiply the term of each class. Under labels the weighted mean is divided by the weights of the labels,
 * under shares by the number of samples; outputs behind the second axis are positions, averaged over like samples. All
 * of this as in PyTorch, except that a batch whose labels all have weight 0 gives 0 there and not 0 / 0. */
#include <math.h>
#include "convoy/loss.h"

enum { REDUCE_MEAN, REDUCE_SUM };
static const char *const loss_reductions[] = {"mean", "sum", NULL};

typedef struct entropy_config {
    double label_smoothing;
    cvy_floats class_weights;
    int32_t reduction;
} entropy_config;

static const cvy_param entropy_params[] = {
    CVY_FLOAT(entropy_config, label_smoothing, 0, 0, 1, "share of the target spread evenly over all classes"),
    CVY_ALSO("smoothing label_smooth epsilon"),
    CVY_FLOATS(entropy_config, class_weights, "[]", 0, 1e9,
               "factor on each class's term; [] is 1 for all. The mean is divided by the weights of the "
               "batch's labels"),
    CVY_ALSO("weight weights class_weight"),
    CVY_ENUM(entropy_config, reduction, mean, loss_reductions,
             "mean over the batch, or its sum, which makes the learning rate depend on the batch size; "
             "metrics then show "
             "the mean all the same"),
};

static int loss_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    const cvy_floats *w = &((const entropy_config *)config)->class_weights;
    if (classes > 0 && output->rank != 2)
        return host->fail(
            host,
            "the network's output has rank %d, expected 2: (batch, classes); end the model with "
            "`global_avg_pool` or `flatten`, then `linear: {units: classes}`",
            (int)output->rank);
    if (output->rank < 2)
        return host->fail(host, "the network's output has rank %d, expected (batch, classes, ...)",
                          (int)output->rank);
    if (classes > 0 && output->dim[1] != classes)
        return host->fail(host,
                          "the network gives %lld logits for %d classes; let the last layer be "
                          "`linear: {units: classes}`",
                          (long long)output->dim[1], (int)classes);
    if (w->n && (int64_t)w->n != output->dim[1])
        return host->fail(host, "class_weights has %zu numbers for %lld classes", w->n,
                          (long long)output->dim[1]);
    double most = 0;
    for (size_t k = 0; k < w->n; k++) most = fmax(most, w->v[k]);
    if (w->n && most <= 0) return host->fail(host, "class_weights are all 0: nothing would be learned");
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

/* One position of one sample: its class k stands at index k * stride of y, target and g. */
typedef struct position {
    const cvy_real *y, *target; /* target NULL: label */
    cvy_real *g;                /* NULL: not wanted */
    int64_t label, classes, stride;
    const entropy_config *c;
} position;

/* How much -ln p of class k counts. */
static double share(const position *at, int64_t k)
{
    const entropy_config *c = at->c;
    const double t = at->target ? (double)at->target[k * at->stride] : k == at->label ? 1 : 0;
    const double w = c->class_weights.n ? c->class_weights.v[k] : 1;
    return w * ((1 - c->label_smoothing) * t + c->label_smoothing / (double)at->classes);
}

/* The loss, and its gradient times `scale`. Probabilities are exp(y - max) / (1 + rest), `rest` being the sum without the
 * largest one's own exp(0) = 1: log1p(rest) keeps the digits of a loss far below the rounding of 1, and nothing is the
 * logarithm of a vanished probability. */
static double position_loss(const position *at, double scale)
{
    const int64_t step = at->stride;
    int64_t top = 0;
    for (int64_t k = 1; k < at->classes; k++) top = at->y[k * step] > at->y[top * step] ? k : top;
    const double max = (double)at->y[top * step];
    double rest = 0, others = 0; /* others: the shares of all but the largest */
    for (int64_t k = 0; k < at->classes; k++) {
        const cvy_real e = exp_real((cvy_real)((double)at->y[k * step] - max));
        if (at->g) at->g[k * step] = e;
        if (k == top && e == 1) continue; /* of logits that are not finite it is not 1, and shows */
        rest += (double)e;
        if (k != top) others += share(at, k);
    }
    const double log_total = log1p(rest), own = share(at, top), factor = scale / (1 + rest);
    double sum = 0;
    for (int64_t k = 0; k < at->classes; k++) {
        const double s = share(at, k);
        if (s != 0) sum += s * (log_total - ((double)at->y[k * step] - max));
        if (at->g && k != top)
            at->g[k * step] = (cvy_real)((others + own) * (double)at->g[k * step] * factor - s * scale);
    }
    /* p - 1 without its cancellation near p = 1 */
    if (at->g) at->g[top * step] = (cvy_real)((others - own * rest) * factor);
    return sum;
}

/* Checks the labels; what the mean is divided by. Negative after reporting. */
static double divisor(const cvy_loss_call *call, const entropy_config *c, int64_t inner)
{
    const int64_t n = call->shape->dim[0], classes = call->shape->dim[1];
    if (call->target) return (double)(n * inner);
    if (!call->labels || inner != 1) {
        cvy_fail(call, "this loss needs one class label for each sample, or shares of the output's shape");
        return -1;
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t label = call->labels[i];
        if (label < 0 || label >= classes) {
            cvy_fail(call, "sample %lld of the batch has label %lld, expected 0 to %lld", (long long)i,
                     (long long)label, (long long)classes - 1);
            return -1;
        }
        sum += c->class_weights.n ? c->class_weights.v[label] : 1;
    }
    return sum;
}

static int loss_evaluate(cvy_loss_call *call, const void *config)
{
    const entropy_config *c = config;
    const int64_t n = call->shape->dim[0], classes = call->shape->dim[1], size = n * classes;
    const int64_t inner = size ? cvy_count(call->shape) / size : 1;
    const double by = divisor(call, c, inner);
    if (by < 0) return 1;
    const double scale = c->reduction == REDUCE_SUM ? 1 : by > 0 ? 1 / by : 0;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < inner; k++) {
            const int64_t first = i * classes * inner + k;
            const position at = {.y = call->y + first,
                                 .target = call->target ? call->target + first : NULL,
                                 .g = call->gy ? call->gy + first : NULL,
                                 .label = call->target ? 0 : call->labels[i],
                                 .classes = classes,
                                 .stride = inner,
                                 .c = c};
            sum += position_loss(&at, scale);
        }
    }
    call->loss = c->reduction == REDUCE_SUM ? sum : by > 0 ? sum / by : 0;
    if (c->reduction == REDUCE_SUM)
        call->sum = sum, call->weight = (double)n;
    else if (!call->target && c->class_weights.n)
        call->sum = sum, call->weight = by;
    return 0;
}

static const cvy_loss loss_type = {sizeof(cvy_loss), loss_check, loss_evaluate, CVY_LOSS_CLASSES};

CVY_PLUGIN(CVY_LOSS, softmax_cross_entropy,
           "CrossEntropyLoss cross_entropy CategoricalCrossentropy SparseCategoricalCrossentropy "
           "categorical_crossentropy "
           "sparse_categorical_crossentropy softmax_loss nll",
           "cross-entropy of softmax(logits) with the class label, natural logarithm, mean over the batch",
           "Bridle 1990, Probabilistic Interpretation of Feedforward Classification Network Outputs; "
           "label_smoothing: "
           "Szegedy et al. 2016, Rethinking the Inception Architecture, section 7",
           entropy_config, &loss_type, CVY_PARAMS(entropy_params));
