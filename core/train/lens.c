/* Makes one plan in which chosen outputs stay to be looked at. Must not know what is read out of them. */
#include "train/lens.h"

#include <string.h>

#include "device/buffer.h"

int lens_reader(const net *n, int unit)
{
    int found = -1;
    for (size_t i = 1; i < n->n_nodes; i++)
        for (int k = 0; k < n->nodes[i].n_in; k++)
            if (n->nodes[i].in[k] == unit && found != (int)i) {
                if (found >= 0) return -1;
                found = (int)i;
            }
    return found;
}

/* In evaluation as in training with everything frozen, which leaves gradients of activations alone. */
static void lens_freeze(lens *l, const net *n)
{
    l->net = *n;
    l->net.nodes = mem_copy(n->nodes, n->n_nodes * sizeof *n->nodes);
    l->net.weights = mem_copy(n->weights, n->n_weights * sizeof *n->weights);
    l->net.buffers = mem_copy(n->buffers, n->n_buffers * sizeof *n->buffers);
    l->net.n_heads = 0;
    for (size_t i = 0; i < n->n_nodes; i++) l->net.nodes[i].evaluates = true;
    for (size_t i = 0; i < n->n_weights; i++) l->net.weights[i].frozen = true;
    for (size_t i = 0; i < n->n_buffers; i++) l->net.buffers[i].frozen = true;
}

static cvy_status lens_take_memory(lens *l, errors *e)
{
    l->bytes = plan_bytes(l->plan);
    l->memory = buffer_new(l->bytes, e);
    if (!l->memory) return CVY_ERR_RESOURCE;
    plan_bind(l->plan, l->memory);
    l->values = mem_array(l->n + 1, sizeof *l->values);
    l->shapes = mem_array(l->n + 1, sizeof *l->shapes);
    l->y_shape = plan_end(l->plan, 0).shape;
    bool fits = (l->y = mem_try((size_t)cvy_count(&l->y_shape), sizeof *l->y)) != NULL;
    for (size_t k = 0; k < l->n && fits; k++) {
        l->shapes[k] = plan_end(l->plan, 1 + k).shape;
        fits = (l->values[k] = mem_try((size_t)cvy_count(&l->shapes[k]), sizeof(float))) != NULL;
    }
    if (fits) return CVY_OK;
    return errors_add(e, CVY_ERR_RESOURCE, NULL, "take fewer samples at once, or fewer layers",
                      "not enough memory for the layers' outputs");
}

cvy_status lens_open(lens *l, const net *n, state *s, const int *nodes, size_t n_nodes,
                     const cvy_shape *sample, int64_t batch, bool gradients, errors *e)
{
    *l = (lens){.machine = machine_here(), .batch = batch, .n = n_nodes, .nodes = nodes};
    lens_freeze(l, n);
    const plan_options o = {
        .batch = batch, .sample = *sample, .train = gradients, .watched = nodes, .n_watched = n_nodes};
    l->plan = plan_new(&l->net, s, &l->machine, &o, e);
    return l->plan ? lens_take_memory(l, e) : errors_status(e);
}

void lens_close(lens *l)
{
    plan_free(l->plan);
    if (l->memory) buffer_free(l->memory, l->bytes);
    for (size_t k = 0; l->values && k < l->n; k++) mem_free(l->values[k]);
    mem_free(l->values);
    mem_free(l->shapes);
    mem_free(l->y);
    mem_free(l->net.nodes);
    mem_free(l->net.weights);
    mem_free(l->net.buffers);
    *l = (lens){0};
}

cvy_status lens_look(lens *l, const float *x, errors *e)
{
    cvy_status status = plan_forward(l->plan, x, 0, 0, e);
    if (status) return status;
    memcpy(l->y, plan_end(l->plan, 0).y, (size_t)cvy_count(&l->y_shape) * sizeof *l->y);
    for (size_t k = 0; k < l->n; k++)
        memcpy(l->values[k], plan_end(l->plan, 1 + k).y, (size_t)cvy_count(&l->shapes[k]) * sizeof(float));
    return CVY_OK;
}

cvy_status lens_back(lens *l, int64_t unit, errors *e)
{
    const plan_ending end = plan_end(l->plan, 0);
    const int64_t n = end.shape.dim[0], each = cvy_count(&end.shape) / n;
    const int64_t units = end.shape.rank > 1 ? end.shape.dim[1] : 1, positions = each / units;
    memset(end.gradient, 0, (size_t)(n * each) * sizeof *end.gradient);
    for (int64_t i = 0; i < n; i++)
        for (int64_t p = 0; p < positions; p++) end.gradient[i * each + unit * positions + p] = 1;
    return plan_backward(l->plan, e);
}

const float *lens_gradient(const lens *l, size_t k)
{
    return plan_end(l->plan, 1 + k).gradient;
}
