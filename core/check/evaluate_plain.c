/* Computes losses and optimizers on given tensors; must not know files or networks. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "check/evaluate.h"
#include "config/params.h"
#include "convoy/loss.h"
#include "convoy/optimizer.h"
#include "plugin/host.h"
#include "train/wrapped.h"

/* ---- losses ---- */

/* Class indices come as floats, the only numbers that the files hold here. */
static int32_t *labels_of(exchange *x, const safetensor *t)
{
    int32_t *labels = arena_array(&x->memory, (size_t)t->count + 1, sizeof *labels);
    for (int64_t i = 0; i < t->count; i++) {
        double v = (double)t->data[i];
        if (v != floor(v) || v < 0 || v > INT_MAX - 128) {
            exchange_complain(x, NULL, "tensor \"%s\" holds %g at %lld, which is no class index", t->name, v,
                              (long long)i);
            return labels;
        }
        labels[i] = (int32_t)v;
    }
    return labels;
}

cvy_status evaluate_loss(registry *r, const evaluation *v, exchange *x)
{
    errors *e = x->e;
    const cvy_descriptor *d = registry_find(r, CVY_LOSS, v->name, v->params ? &v->params->at : NULL, e);
    void *config = d ? params_make(&x->memory, d, v->params, NULL, e) : NULL;
    if (!config) return errors_status(e);
    const cvy_loss *loss = d->type;
    const safetensor *y = exchange_take(x, "in.x", NULL), *target = exchange_take(x, "const.target", NULL);
    exchange_surplus(x, "taken are in.x and const.target");
    if (y && (y->shape.rank < 1 || y->count < 1))
        exchange_complain(x, NULL, "tensor \"in.x\" is empty or has no batch");
    if (errors_count(e)) return errors_status(e);
    bool whole = cvy_shape_same(&y->shape, &target->shape);
    cvy_shape classes = cvy_shape1(y->shape.dim[0]);
    if (!whole && !cvy_shape_same(&target->shape, &classes)) {
        text a = {0}, b = {0};
        exchange_shape_text(&target->shape, &a);
        exchange_shape_text(&y->shape, &b);
        exchange_complain(x, NULL,
                          "tensor \"const.target\" has shape %s, expected (%lld) class indices or %s",
                          text_str(&a), (long long)y->shape.dim[0], text_str(&b));
        text_free(&a);
        text_free(&b);
        return errors_status(e);
    }
    place at = PLACE_FILE(x->file);
    host h = host_make(e, CVY_ERR_CONFIG, &at, 0, NULL);
    cvy_loss_call call = {.host = &h.face, .shape = &y->shape, .y = y->data};
    if (whole)
        call.target = target->data;
    else
        call.labels = labels_of(x, target);
    int32_t k = whole || y->shape.rank < 2 ? 0 : (int32_t)y->shape.dim[1];
    if (errors_count(e)) return errors_status(e);
    errors_push(e, "loss \"%s\"", v->name);
    int failed = loss->check(&h.face, &y->shape, k, config);
    cvy_shape number = {0};
    if (!failed) {
        float *out = exchange_give(x, "out.y", &number);
        call.gy = exchange_give(x, "gin.x", &y->shape);
        failed = loss->evaluate(&call, config);
        *out = (float)call.loss;
    }
    if (failed && errors_count(e) == 0) cvy_fail(&call, "failed without saying why");
    errors_pop(e);
    return errors_status(e);
}

/* ---- optimizers ---- */

/* grads must be (steps, shape of w0...). */
static bool fits(exchange *x, const safetensor *w0, const safetensor *grads)
{
    cvy_shape expected = {.rank = w0->shape.rank + 1};
    bool ok = expected.rank <= CVY_MAX_RANK && grads->shape.rank >= 1;
    if (ok) {
        expected.dim[0] = grads->shape.dim[0];
        memcpy(expected.dim + 1, w0->shape.dim, (size_t)w0->shape.rank * sizeof(int64_t));
        ok = cvy_shape_same(&grads->shape, &expected);
    }
    if (ok) return true;
    text a = {0}, b = {0};
    exchange_shape_text(&grads->shape, &a);
    text_add(&b, "(steps");
    for (int i = 0; i < w0->shape.rank; i++) text_printf(&b, ", %lld", (long long)w0->shape.dim[i]);
    text_char(&b, ')');
    exchange_complain(x, NULL, "tensor \"grads\" has shape %s, expected %s", text_str(&a), text_str(&b));
    text_free(&a);
    text_free(&b);
    return false;
}

static const cvy_descriptor *find_child(void *ctx, uint32_t kind, const char *name, const place *at,
                                        errors *e)
{
    return registry_find(ctx, kind, name, at, e);
}

cvy_status evaluate_optimizer(registry *r, const evaluation *v, exchange *x)
{
    errors *e = x->e;
    const cvy_descriptor *d = registry_find(r, CVY_OPTIMIZER, v->name, v->params ? &v->params->at : NULL, e);
    const params_env env = {.find = find_child, .ctx = r}; /* a wrapper's optimizer */
    void *config = d ? params_make(&x->memory, d, v->params, &env, e) : NULL;
    if (!config) return errors_status(e);
    const cvy_optimizer *o = d->type;
    const safetensor *w0 = exchange_take(x, "w0", NULL), *grads = exchange_take(x, "grads", NULL);
    exchange_surplus(x, "taken are w0 and grads");
    if (errors_count(e) || !fits(x, w0, grads)) return errors_status(e);

    float *slots[CVY_MAX_SLOTS + 1] = {NULL};
    const char *names[CVY_MAX_SLOTS];
    const cvy_child whole = {d, config};
    size_t n_slots = wrapped_slots(&whole, &x->memory, names);
    if (n_slots > CVY_MAX_SLOTS)
        exchange_complain(x, NULL, "%s needs more than %d slots", v->name, CVY_MAX_SLOTS);
    if (errors_count(e)) return errors_status(e);
    for (size_t i = 0; i < n_slots; i++)
        slots[i] = arena_array(&x->memory, (size_t)w0->count + 1, sizeof(float));
    int64_t steps = grads->shape.dim[0], n = w0->count;
    cvy_shape shape = grads->shape;
    shape.dim[0] = steps + 1;
    float *w = exchange_give(x, "traj", &shape);
    memcpy(w, w0->data, (size_t)n * sizeof(float));
    place at = PLACE_FILE(x->file);
    host h = host_make(e, CVY_ERR_CONFIG, &at, 0, NULL);
    errors_push(e, "optimizer \"%s\"", v->name);
    for (int64_t i = 0; i < steps && n > 0 && errors_count(e) == 0; i++, w += n) {
        memcpy(w + n, w, (size_t)n * sizeof(float));
        cvy_update u = {.host = &h.face,
                        .n = n,
                        .step = i + 1,
                        .lr_factor = 1,
                        .w = w + n,
                        .g = grads->data + i * n,
                        .slots = slots};
        if (o->update(&u, config) && errors_count(e) == 0) cvy_fail(&u, "failed without saying why");
    }
    errors_pop(e);
    return errors_status(e);
}
