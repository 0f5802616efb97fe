/* Logarithm of the softmax along an axis: y_k = x_k - log sum_j e^x_j.
 *
 * The same as softmax and a logarithm, without the numbers that would vanish between them: the largest number is
 * subtracted first and added to the logarithm of the sum again. Bridle, "Probabilistic Interpretation of Feedforward
 * Classification Network Outputs", in: Neurocomputing, 1990. */
#include <math.h>

#include "softmax_axis.h"

static void forward_some(const softmax_job *j, int64_t at, int n)
{
    const cvy_real *x = j->call->x[0] + at;
    cvy_real *y = j->call->y + at, most[SOFTMAX_COLUMNS];
    double sum[SOFTMAX_COLUMNS] = {0};
    softmax_largest(j, x, n, most);
    for (int64_t k = 0; k < j->length; k++)
        for (int i = 0; i < n; i++) sum[i] += exp((double)x[k * j->inner + i] - (double)most[i]);
    for (int i = 0; i < n; i++) sum[i] = log(sum[i]);
    for (int64_t k = 0; k < j->length; k++)
        for (int i = 0; i < n; i++)
            y[k * j->inner + i] = (cvy_real)((double)x[k * j->inner + i] - (double)most[i] - sum[i]);
}

/* gx_k = gy_k - e^y_k sum_j gy_j */
static void backward_some(const softmax_job *j, int64_t at, int n)
{
    const cvy_real *y = j->call->y + at, *gy = j->call->gy + at;
    cvy_real *gx = j->call->gx[0] + at;
    double sum[SOFTMAX_COLUMNS] = {0};
    for (int64_t k = 0; k < j->length; k++)
        for (int i = 0; i < n; i++) sum[i] += (double)gy[k * j->inner + i];
    for (int64_t k = 0; k < j->length; k++) {
        for (int i = 0; i < n; i++) {
            const int64_t e = k * j->inner + i;
            gx[e] = (cvy_real)((double)gy[e] - exp((double)y[e]) * sum[i]);
        }
    }
}

static void forward_part(void *ctx, int64_t begin, int64_t end)
{
    softmax_runs(ctx, begin, end, forward_some);
}

static void backward_part(void *ctx, int64_t begin, int64_t end)
{
    softmax_runs(ctx, begin, end, backward_some);
}

static int log_softmax_forward(const cvy_plain *call, const void *config)
{
    return softmax_run(call, config, forward_part);
}

static int log_softmax_backward(const cvy_plain *call, const void *config)
{
    return call->gx[0] ? softmax_run(call, config, backward_part) : 0;
}

static const cvy_layer log_softmax_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = softmax_infer,
    .forward = log_softmax_forward,
    .backward = log_softmax_backward,
};

CVY_PLUGIN(CVY_LAYER, log_softmax, "LogSoftmax logsoftmax", "Logarithm of the softmax along an axis",
           "Bridle 1990", softmax_config, &log_softmax_layer, CVY_PARAMS(softmax_params));
