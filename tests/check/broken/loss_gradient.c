/* The gradient of the squared error lacks its factor of two. */
#include "convoy/loss.h"

static int check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    (void)config;
    return output->rank != 2 || classes < 1 ? host->fail(host, "for classes") : 0;
}

static int evaluate(cvy_loss_call *call, const void *config)
{
    (void)config;
    double sum = 0;
    int64_t n = call->shape->dim[0], k = call->shape->dim[1];
    for (int64_t i = 0; i < n * k; i++) {
        cvy_real d = call->y[i] - (cvy_real)(call->labels[i / k] == i % k);
        sum += (double)d * (double)d;
        if (call->gy) call->gy[i] = d / (cvy_real)n;
    }
    call->loss = sum / (double)n;
    return 0;
}

static const cvy_loss type = {.size = sizeof(cvy_loss), .check = check, .evaluate = evaluate};
CVY_PLUGIN(CVY_LOSS, loss_gradient, "", "A loss that is broken on purpose", "", cvy_no_config, &type,
           CVY_NO_PARAMS);
