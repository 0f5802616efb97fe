/* Looks for numbers that are not finite and for what brought them about. Must not know what becomes of the run. */
#include "train/finite.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/parallel.h"

typedef struct finite_job {
    const float *v;
    int found; /* set by any thread, never reset */
} finite_job;

/* An exponent of ones alone; as integers, so that the loop becomes vectors whatever the compiler may assume of floats. */
static void finite_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    finite_job *j = ctx;
    uint32_t bad = 0;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        uint32_t bits;
        memcpy(&bits, &j->v[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    if (bad) __atomic_store_n(&j->found, 1, __ATOMIC_RELAXED);
}

bool finite_all(const float *v, int64_t n)
{
    finite_job j = {v, 0};
    parallel_for(n, 16384, finite_piece, &j);
    return !j.found;
}

static const net_tensor *finite_first(const net_tensor *t, size_t n, const float *v)
{
    for (size_t i = 0; i < n; i++)
        if (!finite_all(v + t[i].offset, t[i].count)) return &t[i];
    return NULL;
}

const net_tensor *finite_tensor(const state *s, bool *buffer)
{
    const net_tensor *bad = finite_first(s->net->weights, s->net->n_weights, s->weights);
    *buffer = !bad;
    return bad ? bad : finite_first(s->net->buffers, s->net->n_buffers, s->buffers);
}

void finite_why_loss(plan *p, const state *s, const batch *b, int64_t floats, int64_t step, text *out)
{
    plan_suspect first;
    bool buffer;
    if (!finite_all(b->x, b->n * floats)) {
        text_add(out, "its batch holds numbers that are not finite");
        return;
    }
    const net_tensor *bad = finite_first(s->net->weights, s->net->n_weights, s->weights);
    if (bad) {
        text_printf(out, "weight \"%s\" is not finite%s", bad->name,
                    step > 1 ? " since the update before" : "");
        return;
    }
    if (plan_suspect_forward(p, &first)) {
        text_printf(out, "first not finite is the output of layer \"%s\" (%s)", first.path, first.plugin);
        return;
    }
    bad = finite_tensor(s, &buffer);
    if (bad)
        text_printf(out, "buffer \"%s\" is not finite", bad->name);
    else
        text_add(out, "the loss itself, of an output of finite numbers");
}

void finite_why_gradient(plan *p, const state *s, text *out)
{
    plan_suspect first;
    if (plan_suspect_backward(p, &first)) {
        text_printf(out, "first not finite, on the way back, is the gradient ");
        if (first.weight)
            text_printf(out, "of weight \"%s\", layer \"%s\" (%s)", first.weight, first.path, first.plugin);
        else
            text_printf(out, "of the input of layer \"%s\" (%s)", first.path, first.plugin);
        return;
    }
    /* On the way back the last weight comes first. */
    const net_tensor *bad = NULL;
    for (size_t i = s->net->n_weights; i > 0 && !bad; i--)
        bad = finite_first(&s->net->weights[i - 1], 1, s->gradients);
    if (bad)
        text_printf(out, "first not finite, on the way back, is the gradient of weight \"%s\"", bad->name);
}
