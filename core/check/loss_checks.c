/* Owns the checks of losses; must not know how they are called. */
#include "check/loss_checks.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "check/growth.h"
#include "check/loss_bed.h"

typedef void case_fn(loss_bed *b, verdict *v);

/* fn on every case that the loss accepts; how many there were. */
static int each_case(specimen *s, verdict *v, bool twin, uint32_t id, case_fn *fn)
{
    loss_bed b;
    int n = 0;
    for (size_t k = 0; loss_bed_open(&b, s, k, twin, id); k++) {
        if (!b.refused) {
            n++;
            verdict_at(v, b.text);
            fn(&b, v);
        }
        loss_bed_close(&b);
    }
    return n;
}

static void nothing(loss_bed *b, verdict *v)
{
    (void)b, (void)v;
}

void loss_checks_cases(specimen *s, verdict *v)
{
    loss_bed b;
    char *last = NULL;
    for (size_t k = 0; loss_bed_open(&b, s, k, false, 1); k++) {
        if (b.refused && !(b.labelled && b.shape.rank < 2) && b.e.n == 0) {
            verdict_at(v, b.text);
            verdict_fail(v, "check refuses without saying why");
        } else if (b.e.n) {
            mem_free(last);
            last = mem_text(b.e.items[0].what);
        }
        loss_bed_close(&b);
    }
    int n = each_case(s, v, false, 1, nothing);
    if (!s->n_configs) verdict_errors(v, &s->refused);
    if (n)
        verdict_note(v, "%d cases", n);
    else
        verdict_fail(v, "no output shape is accepted: %s", last ? last : "no configuration could be made");
    mem_free(last);
}

static void call(loss_bed *b, verdict *v)
{
    loss_bed_run(b, v);
}

void loss_checks_calls(specimen *s, verdict *v)
{
    each_case(s, v, false, 2, call);
}

/* ---- gradient ---- */

typedef struct quotient {
    double central, kink; /* (loss(y + h) - loss(y - h)) / 2h; by how much its two halves differ */
} quotient;

static quotient quotient_at(loss_bed *b, int64_t i, double h, bool twin, double here)
{
    double was = b->y[i], up = was + h, down = was - h;
    if (!twin) up = (double)(float)up, down = (double)(float)down;
    b->y[i] = up;
    loss_bed_run(b, NULL);
    double right = b->loss;
    b->y[i] = down;
    loss_bed_run(b, NULL);
    double left = b->loss;
    b->y[i] = was;
    return (quotient){(right - left) / (up - down),
                      fabs((right - here) / (up - was) - (here - left) / (was - down))};
}

static void differences(loss_bed *b, verdict *v)
{
    bool twin = b->d->real_size == sizeof(double);
    double h = twin ? 1e-5 : 1e-2, tolerance = twin ? 1e-6 : 2e-2, squares = 0;
    loss_bed_run(b, NULL);
    double here = b->loss, *found = mem_copy(b->gy, (size_t)b->count * sizeof(double));
    for (int64_t i = 0; i < b->count; i++) squares += found[i] * found[i];
    double scale = twin ? 1 : sqrt(squares / (double)b->count);
    b->unwanted = true;
    for (int64_t i = 0; i < b->count; i++) {
        quotient q = quotient_at(b, i, h, twin, here);
        if (q.kink > 0.05 * (scale + fabs(q.central))) continue;
        if (fabs(found[i] - q.central) <= tolerance * (scale + fabs(q.central))) continue;
        if (twin) {
            /* A bend straightens as h shrinks. A corner stays, or is no longer between the two points. */
            quotient closer = quotient_at(b, i, h / 10, twin, here);
            if (closer.kink > 0.5 * q.kink && closer.kink > tolerance * (scale + fabs(q.central))) continue;
            if (fabs(found[i] - closer.central) <= tolerance * (scale + fabs(closer.central))) continue;
        }
        bool opposite = fabs(found[i] + q.central) <= tolerance * (scale + fabs(q.central));
        verdict_number(v, "gradient", i, found[i], q.central,
                       "the gradient and central differences of the loss do not agree%s",
                       opposite ? ", opposite sign" : "");
        break;
    }
    mem_free(found);
}

void loss_checks_gradient(specimen *s, verdict *v)
{
    each_case(s, v, s->twin != NULL, 3, differences);
    verdict_note(v, s->twin ? "in double, to 1e-6" : "in float, to 0.02");
}

/* ---- mean ---- */

/* The same samples twice: a mean stays, and each sample's share of the gradient halves. A declared sum doubles, and the
 * gradient stays. */
static void doubled(loss_bed *b, verdict *v)
{
    loss_bed_run(b, NULL);
    double loss = b->loss, *gy = b->gy, average = b->sum / b->weight;
    bool parts = !isnan(b->sum) && b->weight > 0;
    int64_t n = b->count, batch = b->shape.dim[0];
    double *y = arena_array(&b->memory, 2 * (size_t)n, sizeof *y);
    double *target = arena_array(&b->memory, 2 * (size_t)n, sizeof *target);
    int32_t *labels = arena_array(&b->memory, 2 * (size_t)batch, sizeof *labels);
    for (int64_t i = 0; i < 2 * n; i++) y[i] = b->y[i % n], target[i] = b->target[i % n];
    for (int64_t i = 0; i < 2 * batch; i++) labels[i] = b->labels[i % batch];
    b->y = y;
    b->target = target;
    b->labels = labels;
    b->gy = arena_array(&b->memory, 2 * (size_t)n, sizeof *b->gy);
    b->count = 2 * n;
    b->shape.dim[0] = 2 * batch;
    loss_bed_run(b, NULL);
    bool summed = parts && fabs(b->loss - 2 * loss) <= 1e-5 * (1 + fabs(loss)) &&
                  !(fabs(b->loss - loss) <= 1e-5 * (1 + fabs(loss)));
    if (!summed && !(fabs(b->loss - loss) <= 1e-5 * (1 + fabs(loss))))
        verdict_number(v, "loss", 0, b->loss, loss,
                       "the loss is no mean over the batch: the same samples twice change it");
    if (parts && !(fabs(b->sum / b->weight - average) <= 1e-5 * (1 + fabs(average))))
        verdict_number(v, "sum / weight", 0, b->sum / b->weight, average,
                       "is no average over the batch: the same samples twice change it");
    for (int64_t i = 0; i < 2 * n; i++) {
        double expected = summed ? gy[i % n] : gy[i % n] / 2;
        if (fabs(b->gy[i] - expected) <= 1e-5 * (1e-2 + fabs(expected))) continue;
        verdict_number(v, "gradient", i, b->gy[i], expected,
                       summed ? "twice the batch changes a sample's gradient, and the loss is a sum"
                              : "twice the batch does not halve a sample's gradient");
        break;
    }
}

void loss_checks_mean(specimen *s, verdict *v)
{
    each_case(s, v, false, 4, doubled);
}

/* ---- the rest ---- */

static void without_gradient(loss_bed *b, verdict *v)
{
    loss_bed_run(b, NULL);
    double loss = b->loss;
    b->unwanted = true;
    loss_bed_run(b, v);
    if (b->loss != loss)
        verdict_number(v, "loss", 0, b->loss, loss,
                       "the loss changes when its gradient is not wanted (NULL)");
}

void loss_checks_unwanted(specimen *s, verdict *v)
{
    each_case(s, v, false, 5, without_gradient);
}

static void far_out(loss_bed *b, verdict *v)
{
    bool probabilities = b->type->traits & CVY_LOSS_PROBABILITIES;
    const char *what = probabilities ? "outputs of 0 and 1" : "outputs of several hundred";
    for (int64_t i = 0; i < b->count; i++) b->y[i] = probabilities ? (double)(i % 2) : 400 * b->y[i];
    loss_bed_run(b, NULL);
    if (!isfinite(b->loss)) verdict_fail(v, "%s give a loss of %g", what, b->loss);
    for (int64_t i = 0; i < b->count; i++) {
        if (isfinite(b->gy[i])) continue;
        verdict_fail(v, "%s give a gradient of %g at %" PRId64, what, b->gy[i], i);
        break;
    }
}

void loss_checks_large(specimen *s, verdict *v)
{
    each_case(s, v, false, 7, far_out);
}

/* Another input, and back. */
static void mirror(loss_bed *b)
{
    bool probabilities = b->type->traits & CVY_LOSS_PROBABILITIES;
    for (int64_t i = 0; i < b->count; i++) b->y[i] = probabilities ? 1 - b->y[i] : -b->y[i];
}

static void again(loss_bed *b, verdict *v)
{
    double *kept = mem_copy(b->y, (size_t)b->count * sizeof *kept);
    loss_bed_run(b, NULL);
    double loss = b->loss, *gy = mem_copy(b->gy, (size_t)b->count * sizeof *gy);
    for (int round = 0; round < 3; round++) {
        mirror(b);
        if (round) loss_bed_run(b, NULL); /* the first time nothing comes in between */
        memcpy(b->y, kept, (size_t)b->count * sizeof *kept);
        loss_bed_run(b, NULL);
        if (b->loss == loss && !memcmp(gy, b->gy, (size_t)b->count * sizeof *gy)) continue;
        verdict_number(v, "loss", 0, b->loss, loss, "the same call %sgives other numbers",
                       round ? "after another one " : "again ");
        break;
    }
    mem_free(gy);
    mem_free(kept);
}

void loss_checks_repeat(specimen *s, verdict *v)
{
    each_case(s, v, false, 8, again);
}

void loss_checks_twin(specimen *s, verdict *v)
{
    loss_bed f, d;
    if (!s->twin) {
        verdict_skip(v, "it has no double twin");
        return;
    }
    for (size_t k = 0; loss_bed_open(&f, s, k, false, 9); k++) {
        if (!f.refused && loss_bed_open(&d, s, k, true, 9)) {
            verdict_at(v, f.text);
            loss_bed_run(&f, NULL);
            loss_bed_run(&d, NULL);
            if (!(fabs(f.loss - d.loss) <= 1e-4 * (1 + fabs(d.loss))))
                verdict_number(v, "loss", 0, f.loss, d.loss, "float and its double twin differ");
            loss_bed_close(&d);
        }
        loss_bed_close(&f);
    }
}

static void whole_life(void *ctx)
{
    loss_bed b;
    for (size_t k = 0; loss_bed_open(&b, ctx, k, false, 10) && k < 2; k++) {
        if (!b.refused) loss_bed_run(&b, NULL);
        loss_bed_close(&b);
    }
    loss_bed_close(&b);
}

void loss_checks_growth(specimen *s, verdict *v)
{
    growth_check(v, "check and evaluate", whole_life, s, 1000);
}
