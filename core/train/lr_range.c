/* Runs the learning-rate range test and reads its curve. Must not know checkpoints, nor how curves are shown. */
#include "train/lr_range.h"

#include <math.h>
#include <string.h>

#include "journal/record.h"

enum { LR_RANGE_LEAST = 10 }; /* steps before the loss may end the test */
static const double lr_range_memory = 0.9, lr_range_diverged = 4;

double lr_range_rate(const lr_range_settings *s, int64_t step)
{
    return s->from * pow(s->to / s->from, (double)step / (double)(s->steps - 1));
}

/* What the losses of the beginning are, and half of how far they have come down above that. */
static double lr_range_cap(const double *loss, size_t n)
{
    const size_t begin = n < 10 ? 1 : n / 10;
    double start = 0, least = loss[0];
    for (size_t i = 0; i < begin; i++) start += loss[i] / (double)begin;
    for (size_t i = 0; i < n; i++) least = fmin(least, loss[i]);
    double most = start + 0.5 * (start - least);
    for (size_t i = 0; i < begin; i++) most = fmax(most, loss[i]);
    return most;
}

void lr_range_smooth(const double *loss, size_t n, double *out)
{
    const double width = fmax(1.5, (double)n / 30), cap = n ? lr_range_cap(loss, n) : 0;
    const size_t reach = (size_t)ceil(3 * width);
    for (size_t i = 0; i < n; i++) {
        double sum = 0, weight = 0;
        const size_t from = i > reach ? i - reach : 0, to = i + reach < n ? i + reach : n - 1;
        for (size_t k = from; k <= to; k++) {
            const double far = ((double)k - (double)i) / width, share = exp(-0.5 * far * far);
            sum += share * fmin(loss[k], cap);
            weight += share;
        }
        out[i] = sum / weight;
    }
}

/* Only the last descent counts, from where a tenth of it is behind: before that the loss goes up and down with the batches. */
lr_range_found lr_range_read(const double *smooth, size_t n)
{
    lr_range_found f = {0};
    const size_t begin = n < 10 ? 1 : n / 10;
    double start = 0, fastest = -1e-9 * (n ? fabs(smooth[0]) : 0); /* more than rounding */
    for (size_t i = 0; i < begin && n; i++) start += smooth[i] / (double)begin;
    for (size_t i = 1; i < n; i++)
        if (smooth[i] < smooth[f.least]) f.least = i;
    size_t from = f.least;
    while (from > 1 && smooth[from - 1] < start - 0.1 * (start - smooth[f.least])) from--;
    for (size_t i = from > 0 ? from : 1; i < f.least && i + 1 < n; i++) {
        const double slope = smooth[i + 1] - smooth[i - 1];
        if (slope >= fastest) continue;
        fastest = slope;
        f.steepest = i;
        f.falls = true;
    }
    return f;
}

/* ---- the test ---- */

/* Whether the loss, as a running mean that begins without bias, has come too far above its least value. */
typedef struct lr_range_watch {
    double mean, weight, first, least;
    int64_t seen;
} lr_range_watch;

static bool lr_range_over(lr_range_watch *w, double loss)
{
    w->mean = lr_range_memory * w->mean + (1 - lr_range_memory) * loss;
    w->weight = lr_range_memory * w->weight + (1 - lr_range_memory);
    const double now = w->mean / w->weight;
    if (!w->seen++) w->first = w->least = now;
    w->least = fmin(w->least, now);
    if (w->seen < LR_RANGE_LEAST) return false;
    /* A loss that may be negative has no multiples: then what it has come down by is the measure. */
    return w->least > 0 ? now > lr_range_diverged * w->least
                        : now > w->first + lr_range_diverged * fmax(w->first - w->least, 1e-12);
}

static cvy_status lr_range_finish(journal *j, const lr_range_settings *s, const double *loss, size_t n,
                                  int64_t per_epoch, errors *e)
{
    double *smooth = mem_array(n + 1, sizeof *smooth);
    cvy_status status = CVY_OK;
    if (n) lr_range_smooth(loss, n, smooth);
    for (size_t i = 0; i < n && !status; i++) {
        const metric m = {"smoothed_loss", smooth[i]};
        status = record_metrics(j, "step", (int64_t)i + 1, (int64_t)i / per_epoch, &m, 1, e);
    }
    const lr_range_found f = n ? lr_range_read(smooth, n) : (lr_range_found){0};
    const double least = lr_range_rate(s, (int64_t)f.least);
    const metric m[] = {{"lr_steepest", lr_range_rate(s, (int64_t)f.steepest)},
                        {"lr_minimum", least},
                        {"lr_minimum_tenth", least / 10}};
    if (!status && f.falls) status = record_metrics(j, "run", (int64_t)n, (int64_t)n / per_epoch, m, 3, e);
    mem_free(smooth);
    return status;
}

/* One update of as many batches as make one, at one rate. */
static cvy_status lr_range_step(stepper *w, step_at *at, int64_t batch_of_epoch, step_result *r, errors *e)
{
    const setup *s = w->s;
    const int64_t left = s->batches_per_epoch - batch_of_epoch * s->gather,
                  n = left < s->gather ? left : s->gather;
    metrics sums = {0};
    *r = (step_result){0};
    for (int64_t i = 0; i < n && isfinite(r->loss); i++) {
        const batch *b = loader_next(w->loader, e);
        if (!b) return errors_status(e);
        at->more = i + 1 < n;
        cvy_status status = stepper_step(w, b, at, &sums, r, e);
        if (status) return status;
    }
    return CVY_OK;
}

cvy_status lr_range_run(stepper *w, journal *j, bool (*stop)(void *ctx), void *ctx, int64_t *step, errors *e)
{
    const setup *s = w->s;
    const lr_range_settings *range = &s->lr_range;
    double *loss = mem_array((size_t)range->steps, sizeof *loss);
    lr_range_watch watch = {0};
    cvy_status status = CVY_OK;
    bool over = false;
    *step = 0;
    while (*step < range->steps && !status && !over) {
        const int64_t epoch = *step / s->steps_per_epoch, in_epoch = *step % s->steps_per_epoch;
        if (!in_epoch) loader_start(w->loader, DATA_TRAIN, (int32_t)epoch, s->batch, 0);
        step_at at = {.step = *step, .epoch = epoch, .rate = lr_range_rate(range, *step)};
        step_result r;
        status = lr_range_step(w, &at, in_epoch, &r, e);
        if (status || !isfinite(r.loss)) break;
        loss[*step] = r.loss;
        over = lr_range_over(&watch, r.loss);
        ++*step;
        const metric m[] = {{"train_loss", r.loss}, {"lr", at.rate}};
        status = record_metrics(j, "step", *step, epoch, m, 2, e);
        if (!status && stop && stop(ctx)) status = CVY_STOPPED;
    }
    if (!status) status = lr_range_finish(j, range, loss, (size_t)*step, s->steps_per_epoch, e);
    mem_free(loss);
    return status;
}
