/* The hinge loss of several classes: max(0, margin - y[label] + y[k])^p summed over the other classes k and divided by
 * the number of all classes, weighted by the label's class. At a corner the slope is that of its flat side, 0. */
#include <math.h>
#include "convoy/loss.h"

enum { REDUCE_MEAN, REDUCE_SUM };
static const char *const hinge_reductions[] = {"mean", "sum", NULL};

typedef struct hinge_config {
    int64_t p;
    double margin;
    cvy_floats class_weights;
    int32_t reduction;
} hinge_config;

static const cvy_param hinge_params[] = {
    CVY_INT(hinge_config, p, 1, 1, 2, "power of each class's shortfall: 1 or 2"),
    CVY_FLOAT(hinge_config, margin, 1, 0, 1e9, "by how much the label's output is to exceed each other one"),
    CVY_FLOATS(
        hinge_config, class_weights, "[]", 0, 1e9,
        "factor on the loss of samples of each class; [] is 1 for all. The mean stays one over the samples"),
    CVY_ALSO("weight weights class_weight"),
    CVY_ENUM(hinge_config, reduction, mean, hinge_reductions,
             "mean over the batch, or its sum, which makes the learning rate depend on the batch size; "
             "metrics then show "
             "the mean all the same"),
};

static int loss_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    const hinge_config *c = config;
    if (classes < 1) return host->fail(host, "this loss compares with a class label, and there is none");
    if (output->rank != 2 || output->dim[1] != classes)
        return host->fail(
            host,
            "the network's output has rank %d and %lld outputs on its second axis, expected (batch, %d), "
            "one for each class; let the last layer be `linear: {units: classes}`",
            (int)output->rank, output->rank > 1 ? (long long)output->dim[1] : 1LL, (int)classes);
    if (c->class_weights.n && c->class_weights.n != (size_t)classes)
        return host->fail(host, "class_weights has %zu numbers for %d classes", c->class_weights.n,
                          (int)classes);
    return 0;
}

/* The loss of one sample; with g, its gradient times `scale`. */
static double sample_loss(const hinge_config *c, const cvy_real *y, int64_t classes, int64_t label,
                          double scale, cvy_real *g)
{
    const double w = (c->class_weights.n ? c->class_weights.v[label] : 1) / (double)classes;
    double sum = 0, own = 0;
    for (int64_t k = 0; k < classes; k++) {
        const double z = c->margin - (double)y[label] + (double)y[k];
        double part = 0, slope = 0;
        if (k != label && !(z <= 0)) { /* NaN is to show */
            part = c->p == 2 ? z * z : z;
            slope = c->p == 2 ? 2 * z : 1;
        }
        sum += part;
        own -= slope;
        if (g) g[k] = (cvy_real)(w * slope * scale);
    }
    if (g) g[label] = (cvy_real)(w * own * scale);
    return w * sum;
}

static int loss_evaluate(cvy_loss_call *call, const void *config)
{
    const hinge_config *c = config;
    const int64_t n = call->shape->dim[0], classes = call->shape->dim[1];
    const double scale = c->reduction == REDUCE_SUM ? 1 : 1 / (double)n;
    if (!call->labels) return cvy_fail(call, "this loss needs class labels");
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t label = call->labels[i];
        if (label < 0 || label >= classes)
            return cvy_fail(call, "sample %lld of the batch has label %lld, expected 0 to %lld", (long long)i,
                            (long long)label, (long long)classes - 1);
        sum += sample_loss(c, call->y + i * classes, classes, label, scale,
                           call->gy ? call->gy + i * classes : NULL);
    }
    call->loss = sum * scale;
    if (c->reduction == REDUCE_SUM) call->sum = sum, call->weight = (double)n;
    return 0;
}

static const cvy_loss loss_type = {sizeof(cvy_loss), loss_check, loss_evaluate, CVY_LOSS_CLASSES};

CVY_PLUGIN(CVY_LOSS, multi_class_hinge, "MultiMarginLoss multi_margin multi_margin_loss hinge HingeLoss svm",
           "sum over the other classes of max(0, margin - y[label] + y[k])^p, divided by the number of "
           "classes, mean over "
           "the batch",
           "Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition",
           hinge_config, &loss_type, CVY_PARAMS(hinge_params));
