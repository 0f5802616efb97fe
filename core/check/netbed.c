/* Owns a network of one layer with its state and plan; must not know which property a check is after. */
#include "check/netbed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "device/buffer.h"

static size_t inputs_of(const netbed *b)
{
    size_t n =
        0; /* the layers behind the inputs are the only ones whose input is node 0 and that have no file */
    while (n < b->net->n_weights && !strncmp(b->net->weights[n].name, "in.", 3)) n++;
    return n;
}

bool netbed_open(netbed *b, specimen *s, const layer_case *c, bool plain, bool train, verdict *v)
{
    errors e = {0};
    machine m = machine_here();
    plan_options o = {
        .batch = c->in[0].dim[0], .train = train, .plain = plain, .algorithm = PLAN_DIRECT, .seed = 1};
    *b = (netbed){.train = train};
    b->net = net_one_build(s->registry, s->d->name, c->config->params, c->in, c->n_in, 3, &e);
    if (b->net) b->state = state_new(b->net, 1, true, &e);
    if (b->state) b->plan = plan_new(b->net, b->state, &m, &o, &e);
    if (b->plan) {
        b->bytes = plan_bytes(b->plan);
        b->memory = buffer_new(b->bytes, &e);
    }
    if (b->memory) {
        cvy_shape shape;
        memset(b->memory, 0xFF, b->bytes); /* NaN: nothing may be read before it is written */
        plan_bind(b->plan, b->memory);
        plan_output(b->plan, &shape);
        b->count = cvy_count(&shape);
        b->y = mem_array((size_t)b->count, sizeof(float));
        b->gy = mem_array((size_t)b->count, sizeof(float));
    }
    bool ok = b->memory != NULL;
    if (!ok) verdict_errors(v, &e);
    errors_free(&e);
    return ok;
}

void netbed_close(netbed *b)
{
    if (b->memory) buffer_free(b->memory, b->bytes);
    plan_free(b->plan);
    state_free(b->state);
    net_free(b->net);
    mem_free(b->y);
    mem_free(b->gy);
    *b = (netbed){0};
}

const char *netbed_name(const netbed *b, size_t weight)
{
    const char *name = b->net->weights[weight].name, *dot = strchr(name, '.');
    if (weight < inputs_of(b)) return weight ? name : "x";
    return dot ? dot + 1 : name;
}

void netbed_draw(netbed *b, const layer_case *c, uint32_t id)
{
    size_t inputs = inputs_of(b);
    for (size_t i = 0; i < b->net->n_weights; i++) {
        const net_tensor *t = &b->net->weights[i];
        float *to = b->state->weights + t->offset;
        for (int64_t k = 0; k < t->count; k++) {
            double u = specimen_number(id * 4096 + (uint32_t)i, (uint64_t)k);
            to[k] = (float)(i >= inputs ? u : c->positive ? fabs(2 * u) + 0.125 : 2 * u);
        }
    }
    for (size_t i = 0; i < b->net->n_buffers; i++) {
        const net_tensor *t = &b->net->buffers[i];
        for (int64_t k = 0; k < t->count; k++)
            b->state->buffers[t->offset + k] =
                (float)(t->init.a + 0.25 * specimen_number(id * 4096 + 2048 + (uint32_t)i, (uint64_t)k));
    }
    for (int64_t k = 0; k < b->count; k++) b->gy[k] = (float)specimen_number(id * 4096 + 4095, (uint64_t)k);
    b->state->version++;
}

bool netbed_forward(netbed *b, verdict *v)
{
    static const float unread;
    errors e = {0};
    bool ok = !plan_forward(b->plan, &unread, 3, 0, &e);
    if (ok) memcpy(b->y, plan_output(b->plan, NULL), (size_t)b->count * sizeof(float));
    verdict_errors(v, &e);
    return ok;
}

bool netbed_step(netbed *b, verdict *v)
{
    if (!netbed_forward(b, v) || !b->train) return false;
    errors e = {0};
    plan_silence_heads(b->plan);
    memcpy(plan_output_gradient(b->plan), b->gy, (size_t)b->count * sizeof(float));
    bool ok = !plan_backward(b->plan, &e);
    verdict_errors(v, &e);
    return ok;
}

static bool same(const float *a, const float *b, int64_t n, double tolerance, verdict *v, const char *name,
                 const char *what)
{
    double most = 0;
    for (int64_t i = 0; tolerance > 0 && i < n; i++)
        if (isfinite(b[i]) && fabs((double)b[i]) > most) most = fabs((double)b[i]);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        if (x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= tolerance * (most + 0.1)) continue;
        verdict_number(v, name, i, x, y, "%s", what);
        return false;
    }
    return true;
}

bool netbed_same(const netbed *f, const netbed *e, double tolerance, verdict *v, const char *what)
{
    if (f->net->n_weights != e->net->n_weights || f->net->n_buffers != e->net->n_buffers ||
        f->count != e->count) {
        verdict_fail(v, "the same layer built twice has other weights or another output");
        return false;
    }
    if (!same(f->y, e->y, f->count, tolerance, v, "y", what)) return false;
    for (size_t i = 0; i < f->net->n_buffers; i++) {
        const net_tensor *t = &f->net->buffers[i];
        const char *dot = strchr(t->name, '.');
        if (!same(f->state->buffers + t->offset, e->state->buffers + t->offset, t->count, tolerance, v,
                  dot ? dot + 1 : t->name, what))
            return false;
    }
    for (size_t i = 0; f->train && i < f->net->n_weights; i++) {
        const net_tensor *t = &f->net->weights[i];
        char name[160];
        snprintf(name, sizeof name, "gradient of %s", netbed_name(f, i));
        if (!same(f->state->gradients + t->offset, e->state->gradients + t->offset, t->count, tolerance, v,
                  name, what))
            return false;
    }
    return true;
}
