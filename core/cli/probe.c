/* Owns the timing of a few training steps; must not know what is made of it. */
#include "cli/probe.h"

#include <time.h>

#include "train/stepper.h"

enum { WARM_UP = 2, MOST = 50 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One batch forward and backward, the loader begun anew at the epoch's end. */
static cvy_status one_step(stepper *w, int64_t step, int32_t *epoch, int64_t *samples, errors *e)
{
    metrics sums = {0};
    step_result r = {0};
    schedule_state fresh = {0};
    const step_at at = {.step = step, .schedule = &fresh, .rate = 1e-12};
    const batch *b = loader_next(w->loader, e);
    if (!b && !errors_count(e)) {
        loader_start(w->loader, DATA_TRAIN, ++*epoch, w->s->batch, 0);
        b = loader_next(w->loader, e);
    }
    if (!b) return errors_status(e) ? errors_status(e) : CVY_ERR_CONFIG;
    *samples += b->n;
    return stepper_step(w, b, &at, &sums, &r, e);
}

static cvy_status train(stepper *w, double seconds, probe *out, errors *e)
{
    int32_t epoch = 0;
    int64_t samples = 0, step = 0, timed = 0;
    cvy_status status = CVY_OK;
    double begun = now(), first = begun;
    loader_start(w->loader, DATA_TRAIN, 0, w->s->batch, 0);
    for (; status == CVY_OK && timed < MOST && (timed < 1 || now() - first < seconds); step++) {
        if (step == WARM_UP) begun = now(), samples = 0, timed = 0;
        status = one_step(w, step, &epoch, &samples, e);
        timed++;
        if (step < WARM_UP && now() - first > seconds) { /* so slow that its first step has to do */
            step++;
            break;
        }
    }
    loader_stop(w->loader);
    const double took = now() - begun;
    const double per_sample = samples ? took / (double)samples : 0;
    out->step_seconds = per_sample * (double)w->s->data->n[DATA_TRAIN] / (double)w->s->steps_per_epoch;
    return status;
}

static cvy_status evaluate(stepper *w, double seconds, probe *out, errors *e)
{
    data_part part = w->s->data->n[DATA_VALIDATION] > 0 ? DATA_VALIDATION : DATA_TEST;
    int64_t samples = 0;
    if (w->s->data->n[part] <= 0) return CVY_OK;
    loader_start(w->loader, part, 0, w->evaluation_batch, 0);
    double begun = now();
    cvy_status status = CVY_OK;
    for (int64_t i = 0; i < MOST && (!i || now() - begun < seconds / 3); i++) {
        const batch *b = loader_next(w->loader, e);
        if (!b) break;
        samples += b->n;
        if (!stepper_forward(w, part, b, e)) status = errors_status(e);
        if (status != CVY_OK) break;
        if (!i) begun = now(), samples = 0; /* the first batch is read and its kernels are made ready */
    }
    if (samples) out->evaluation_seconds = (now() - begun) / (double)samples;
    loader_stop(w->loader);
    if (!samples) out->evaluation_seconds = out->step_seconds / (double)w->s->batch / 3; /* forward alone */
    return status;
}

bool probe_measure(const setup *s, double seconds, probe *out, errors *e)
{
    stepper w = {0};
    const double begun = now();
    *out = (probe){0};
    cvy_status status = stepper_open(&w, s, e);
    if (status == CVY_OK) status = data_prepare(s->data, e);
    out->start_seconds = now() - begun;
    if (status == CVY_OK) status = train(&w, seconds, out, e);
    if (status == CVY_OK) status = evaluate(&w, seconds, out, e);
    stepper_close(&w);
    return status == CVY_OK;
}
