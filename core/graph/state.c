/* Allocates and initialises the dense arrays of a network. Must not know kernels. */
#include "graph/state.h"

#include "base/philox.h"
#include "device/buffer.h"

static void state_init(const net_tensor *t, float *v, uint64_t seed)
{
    if (t->init.kind == CVY_INIT_CONSTANT) {
        for (int64_t i = 0; i < t->count; i++) v[i] = (float)t->init.a;
        return;
    }
    philox_stream s = philox_open(philox_key_of(seed, "init", t->name), 0, 0);
    for (int64_t i = 0; i < t->count; i++) {
        double x = t->init.kind == CVY_INIT_NORMAL ? philox_normal(&s) : 2.0 * (double)philox_unit(&s) - 1.0;
        v[i] = (float)(t->init.a * x);
    }
}

static size_t state_bytes(int64_t floats)
{
    return (size_t)(floats > 0 ? floats : 1) * sizeof(float);
}

state *state_new(const net *n, uint64_t seed, bool training, errors *e)
{
    state *s = mem_alloc(sizeof *s);
    s->net = n;
    s->weights = buffer_new(state_bytes(n->weight_floats), e);
    s->buffers = buffer_new(state_bytes(n->buffer_floats), e);
    if (training) s->gradients = buffer_new(state_bytes(n->weight_floats), e);
    if (!s->weights || !s->buffers || (training && !s->gradients)) {
        state_free(s);
        return NULL;
    }
    for (size_t i = 0; i < n->n_weights; i++)
        state_init(&n->weights[i], s->weights + n->weights[i].offset, seed);
    for (size_t i = 0; i < n->n_buffers; i++)
        state_init(&n->buffers[i], s->buffers + n->buffers[i].offset, seed);
    s->version = 1;
    return s;
}

void state_free(state *s)
{
    if (!s) return;
    buffer_free(s->weights, state_bytes(s->net->weight_floats));
    buffer_free(s->buffers, state_bytes(s->net->buffer_floats));
    if (s->gradients) buffer_free(s->gradients, state_bytes(s->net->weight_floats));
    mem_free(s);
}
