/* Owns the calls of a loss under observation; must not know which property a check is after. */
#include "check/loss_bed.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "check/exchange.h"

static const cvy_shape shapes[LOSS_BED_SHAPES] = {
    {2, {4, 5}}, {2, {1, 3}}, {2, {7, 2}}, {2, {3, 1}}, {4, {2, 3, 2, 2}}, {1, {4}},
};

static void fill(loss_bed *b, uint32_t id)
{
    b->y = arena_array(&b->memory, (size_t)b->count + 1, sizeof *b->y);
    b->target = arena_array(&b->memory, (size_t)b->count + 1, sizeof *b->target);
    b->gy = arena_array(&b->memory, (size_t)b->count + 1, sizeof *b->gy);
    b->labels = arena_array(&b->memory, (size_t)b->shape.dim[0] + 1, sizeof *b->labels);
    for (int64_t i = 0; i < b->count; i++) {
        b->y[i] = 2 * specimen_number(id, (uint64_t)i);
        b->target[i] = specimen_number(id + 1, (uint64_t)i);
        if (!(b->type->traits & CVY_LOSS_PROBABILITIES)) continue;
        b->y[i] = 0.5 + 0.2 * b->y[i]; /* 0.1 to 0.9 */
        b->target[i] = 0.5 + 0.5 * b->target[i];
    }
    for (int64_t i = 0; i < b->shape.dim[0] && b->shape.rank > 1; i++)
        b->labels[i] = (int32_t)((i * 7 + id) % (uint32_t)b->shape.dim[1]);
}

bool loss_bed_open(loss_bed *b, specimen *s, size_t k, bool twin, uint32_t id)
{
    specimen_configure(s);
    size_t n_shapes = s->n_shapes ? (size_t)s->n_shapes : LOSS_BED_SHAPES;
    size_t which = k / n_shapes / 2;
    *b = (loss_bed){0};
    if (which >= s->n_configs || (twin && !s->configs[which].twin)) return false;
    b->d = twin ? s->twin : s->d;
    b->type = b->d->type;
    b->config = twin ? s->configs[which].twin : s->configs[which].own;
    b->host = host_make(&b->e, CVY_ERR_PLUGIN, NULL, 1, "loss");
    b->shape = s->n_shapes ? s->shapes[k / 2 % n_shapes] : shapes[k / 2 % n_shapes];
    b->labelled = k % 2 == 0;
    b->count = cvy_count(&b->shape);
    int32_t classes = b->labelled && b->shape.rank > 1 ? (int32_t)b->shape.dim[1] : 0;
    b->refused =
        (b->labelled && !classes) || b->type->check(&b->host.face, &b->shape, classes, b->config) != 0;
    text t = {0};
    text_printf(&t, "%s on ", s->configs[which].text);
    exchange_shape_text(&b->shape, &t);
    text_add(&t, b->labelled ? " with labels" : " with a target");
    b->text = arena_text(&b->memory, text_str(&t));
    text_free(&t);
    fill(b, id);
    return true;
}

void loss_bed_close(loss_bed *b)
{
    errors_free(&b->e);
    arena_free(&b->memory);
    *b = (loss_bed){0};
}

static void told(verdict *v, const guarded *g, const char *name, const double *was)
{
    int64_t at;
    if (!v || !g->data) return;
    if (guarded_broken(g, &at)) verdict_fail(v, "evaluate writes outside %s, at byte %" PRId64, name, at);
    at = was ? guarded_changed(g, was) : -1;
    if (at >= 0)
        verdict_number(v, name, at, guarded_get(g, at), was[at],
                       "evaluate changes %s, which it may only read", name);
}

void loss_bed_run(loss_bed *b, verdict *v)
{
    size_t real = b->d->real_size;
    guarded y = guarded_of(real, b->count, b->y), target = guarded_of(real, b->count, b->target), gy = {0};
    guarded labels = guarded_bytes(b->shape.dim[0] * (int64_t)sizeof(int32_t));
    memcpy(labels.data, b->labels, labels.bytes);
    if (!b->unwanted) gy = guarded_new(real, b->count, GUARDED_MARK);
    errors_free(&b->e);
    cvy_loss_call call = {.host = &b->host.face,
                          .shape = &b->shape,
                          .y = y.data,
                          .labels = b->labelled ? labels.data : NULL,
                          .target = b->labelled ? NULL : target.data,
                          .loss = NAN,
                          .gy = gy.data,
                          .sum = NAN,
                          .weight = (double)b->shape.dim[0]};
    b->failed = b->type->evaluate(&call, b->config) != 0;
    b->loss = call.loss;
    b->sum = call.sum;
    b->weight = call.weight;
    for (int64_t i = 0; gy.data && i < b->count; i++) {
        b->gy[i] = guarded_get(&gy, i);
        if (!v || b->failed || !guarded_unwritten(&gy, i)) continue;
        verdict_number(v, "gradient", i, b->gy[i], 0, "evaluate leaves the gradient unwritten");
        break;
    }
    if (v && !b->failed && !isfinite(b->loss)) verdict_fail(v, "the loss is %g", b->loss);
    if (v && !b->failed && !isnan(b->sum) && !(isfinite(b->sum) && b->weight >= 0 && isfinite(b->weight)))
        verdict_fail(v, "the average is made of %g divided by %g", b->sum, b->weight);
    if (v && b->failed)
        verdict_fail(v, "evaluate fails: %s", b->e.n ? b->e.items[0].what : "without saying why");
    told(v, &y, "y", b->y);
    told(v, &target, "target", b->target);
    told(v, &gy, "gradient", NULL);
    told(v, &labels, "labels", NULL);
    if (v && memcmp(labels.data, b->labels, labels.bytes) != 0)
        verdict_fail(v, "evaluate changes the labels");
    guarded_free(&y);
    guarded_free(&target);
    guarded_free(&gy);
    guarded_free(&labels);
}
