/* Mean squared error: (y - t)^2, averaged over all numbers of the output. */
#include "elementwise.h"

typedef struct mse_config {
    int32_t reduction;
} mse_config;

static const cvy_param mse_params[] = {ELEMENT_REDUCTION(mse_config)};

static inline int element_refused(double y, double t)
{
    (void)y, (void)t;
    return 0;
}

static inline double element_loss(double y, double t, int64_t channel, const void *config, double *slope)
{
    (void)channel, (void)config;
    *slope = 2 * (y - t);
    return (y - t) * (y - t);
}

static int loss_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    (void)config;
    return element_check(host, output, classes);
}

static int loss_evaluate(cvy_loss_call *call, const void *config)
{
    int64_t refused;
    return element_evaluate(call, config, ((const mse_config *)config)->reduction, &refused);
}

static const cvy_loss loss_type = {sizeof(cvy_loss), loss_check, loss_evaluate, 0};

CVY_PLUGIN(
    CVY_LOSS, mean_squared_error, "MSELoss mse MeanSquaredError l2 l2_loss EuclideanLoss",
    "square of the difference from the target, averaged over all numbers; the target of a class label is its "
    "one-hot vector",
    "Legendre 1805, Nouvelles methodes pour la determination des orbites des cometes, appendix", mse_config,
    &loss_type, CVY_PARAMS(mse_params));
