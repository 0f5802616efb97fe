/* Mean absolute error: |y - t|, averaged over all numbers of the output. Its slope where they are equal is 0. */
#include "elementwise.h"

typedef struct mae_config {
    int32_t reduction;
} mae_config;

static const cvy_param mae_params[] = {ELEMENT_REDUCTION(mae_config)};

static inline int element_refused(double y, double t)
{
    (void)y, (void)t;
    return 0;
}

static inline double element_loss(double y, double t, int64_t channel, const void *config, double *slope)
{
    (void)channel, (void)config;
    const double off = y - t;
    *slope = off > 0 ? 1 : off < 0 ? -1 : off; /* 0, or not a number */
    return fabs(off);
}

static int loss_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    (void)config;
    return element_check(host, output, classes);
}

static int loss_evaluate(cvy_loss_call *call, const void *config)
{
    int64_t refused;
    return element_evaluate(call, config, ((const mae_config *)config)->reduction, &refused);
}

static const cvy_loss loss_type = {sizeof(cvy_loss), loss_check, loss_evaluate, 0};

CVY_PLUGIN(CVY_LOSS, mean_absolute_error, "L1Loss mae MeanAbsoluteError l1 l1_loss",
           "absolute difference from the target, averaged over all numbers; the target of a class label is "
           "its one-hot "
           "vector",
           "Boscovich 1757, De litteraria expeditione per pontificiam ditionem", mae_config, &loss_type,
           CVY_PARAMS(mae_params));
