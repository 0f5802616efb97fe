// A layer in C++17 through the same C ABI: y = factor * x.
#include "convoy/layer.h"

#include <algorithm>

namespace
{

struct halve_config {
    double factor;
};

const cvy_param halve_params[] = {
    CVY_FLOAT(halve_config, factor, 0.5, -10, 10, "what each number is multiplied by"),
    CVY_ALSO("scale"),
};

int halve_infer(cvy_infer *in, const void *)
{
    in->out = in->in[0];
    in->traits = CVY_IN_PLACE;
    return 0;
}

cvy_real factor_of(const void *config)
{
    return static_cast<cvy_real>(static_cast<const halve_config *>(config)->factor);
}

int halve_forward(const cvy_plain *call, const void *config)
{
    std::transform(call->x[0], call->x[0] + cvy_count(call->out), call->y,
                   [f = factor_of(config)](cvy_real x) { return f * x; });
    return 0;
}

int halve_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    std::transform(call->gy, call->gy + cvy_count(call->out), call->gx[0],
                   [f = factor_of(config)](cvy_real g) { return f * g; });
    return 0;
}

const cvy_layer halve_layer = {sizeof(cvy_layer), 1, 1, halve_infer, halve_forward, halve_backward, nullptr, nullptr};

} // namespace

CVY_PLUGIN(CVY_LAYER, halve, "", "Each number times a factor, in C++", "", halve_config, &halve_layer,
           CVY_PARAMS(halve_params));
