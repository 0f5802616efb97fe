/* Owns how the times of a few steps stand in a trace file (the Trace Event Format, complete events). Must not know what an
 * operator does. */
#include "cli/profile_trace.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "train/stepper.h"

enum { TRACE_WARM_UP = 2, TRACE_STEPS = 1, TRACE_OPERATORS = 2 }; /* the last two: rows of the picture */

typedef struct trace {
    json_writer w;
    double begin;                                     /* of all */
    bool on;                                          /* past the warm-up */
    double forward_end, backward_begin, backward_end; /* of the step at hand; 0: not yet */
    const plan *plan;
} trace;

static double trace_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Opens an event up to its args, which the caller closes with the event. */
static void trace_event(trace *t, const char *name, const char *category, int row, double start, double end)
{
    json_open(&t->w, '{');
    json_put_text(&t->w, "name", name);
    json_put_text(&t->w, "cat", category);
    json_put_text(&t->w, "ph", "X");
    json_put_int(&t->w, "pid", (int64_t)getpid());
    json_put_int(&t->w, "tid", row);
    json_put_double(&t->w, "ts", 1e6 * (start - t->begin));
    json_put_double(&t->w, "dur", 1e6 * (end > start ? end - start : 0));
    json_key(&t->w, "args");
    json_open(&t->w, '{');
}

static void trace_close(trace *t)
{
    json_close(&t->w, '}');
    json_close(&t->w, '}');
}

static void trace_plain(trace *t, const char *name, const char *category, int row, double start, double end)
{
    trace_event(t, name, category, row, start, end);
    trace_close(t);
}

static void trace_name(trace *t, const char *what, int row, const char *name)
{
    json_open(&t->w, '{');
    json_put_text(&t->w, "name", what);
    json_put_text(&t->w, "ph", "M");
    json_put_int(&t->w, "pid", (int64_t)getpid());
    json_put_int(&t->w, "tid", row);
    json_key(&t->w, "args");
    json_open(&t->w, '{');
    json_put_text(&t->w, "name", name);
    json_close(&t->w, '}');
    json_close(&t->w, '}');
}

/* One operator has run. */
static void trace_operator(void *ctx, size_t step, double start, double end)
{
    trace *t = ctx;
    if (!t->on) return;
    if (step == PLAN_PACKING) {
        trace_plain(t, "pack weights", "pack", TRACE_OPERATORS, start, end);
        return;
    }
    const plan_step_info i = plan_step(t->plan, step);
    if (!i.backward) t->forward_end = end;
    if (i.backward && t->backward_begin == 0) t->backward_begin = start;
    if (i.backward) t->backward_end = end;
    text shape = {0}, name = {0};
    for (int32_t k = 0; k < i.shape->rank; k++)
        text_printf(&shape, "%s%" PRId64, k ? " x " : "", i.shape->dim[k]);
    text_printf(&name, "%s %s", i.path, i.op);
    trace_event(t, text_str(&name), i.conversion ? "conversion" : plan_pass_name(i.pass), TRACE_OPERATORS,
                start, end);
    json_put_text(&t->w, "layer", i.path);
    json_put_text(&t->w, "pass", plan_pass_name(i.pass));
    json_put_text(&t->w, "shape", text_str(&shape));
    json_put_text(&t->w, "algorithm", i.algorithm);
    json_put_text(&t->w, "kernel", i.kernel);
    json_put_text(&t->w, "layouts", i.layouts);
    json_put_int(&t->w, "macs", i.macs);
    trace_close(t);
    text_free(&shape);
    text_free(&name);
}

static const batch *trace_next(trace *t, stepper *w, int32_t *epoch, errors *e)
{
    const double start = trace_now();
    const batch *b = loader_next(w->loader, e);
    if (!b && !errors_count(e)) {
        loader_start(w->loader, DATA_TRAIN, ++*epoch, w->s->batch, 0);
        b = loader_next(w->loader, e);
    }
    if (t->on) trace_plain(t, "wait for the loader's batch", "loader", TRACE_STEPS, start, trace_now());
    return b;
}

static cvy_status trace_step(trace *t, stepper *w, int64_t number, int32_t *epoch, errors *e)
{
    const step_at at = {.step = number, .epoch = *epoch};
    metrics sums = {0};
    step_result r = {0};
    t->forward_end = t->backward_begin = t->backward_end = 0;
    const double start = trace_now();
    const batch *b = trace_next(t, w, epoch, e);
    if (!b) return errors_status(e);
    plan *p = plans_get(&w->plans, b->shape.rank ? &b->shape : &w->s->data->sample, b->n, true, false, e);
    if (!p) return errors_status(e);
    t->plan = p;
    plan_watch(p, trace_operator, t);
    const cvy_status status = stepper_step(w, b, &at, &sums, &r, e);
    plan_watch(p, NULL, NULL);
    const double end = trace_now();
    if (status || !t->on) return status;
    if (t->forward_end > 0 && t->backward_begin > 0)
        trace_plain(t, "loss", "loss", TRACE_OPERATORS, t->forward_end, t->backward_begin);
    if (t->backward_end > 0)
        trace_plain(t, w->s->train.optimizer.plugin->name, "optimizer", TRACE_OPERATORS, t->backward_end,
                    end);
    trace_event(t, "step", "step", TRACE_STEPS, start, end);
    json_put_int(&t->w, "step", number);
    json_put_int(&t->w, "samples", b->n);
    json_put_double(&t->w, "loss", r.loss);
    trace_close(t);
    return CVY_OK;
}

static cvy_status trace_steps(const setup *s, int64_t steps, const char *path, errors *e)
{
    stepper w;
    int32_t epoch = 0;
    trace t = {.begin = trace_now()};
    cvy_status status = stepper_open(&w, s, e);
    json_open(&t.w, '{');
    json_put_text(&t.w, "displayTimeUnit", "ms");
    json_key(&t.w, "traceEvents");
    json_open(&t.w, '[');
    trace_name(&t, "process_name", 0, s->x->name ? s->x->name : "convoy");
    trace_name(&t, "thread_name", TRACE_STEPS, "steps and loader");
    trace_name(&t, "thread_name", TRACE_OPERATORS, "operators, loss, optimizer");
    if (!status) loader_start(w.loader, DATA_TRAIN, 0, s->batch, 0);
    for (int64_t i = 0; i < TRACE_WARM_UP + steps && !status; i++) {
        t.on = i >= TRACE_WARM_UP;
        status = trace_step(&t, &w, i, &epoch, e);
    }
    json_close(&t.w, ']');
    json_close(&t.w, '}');
    if (!status) status = file_replace(path, text_str(&t.w.out), t.w.out.n, e);
    text_free(&t.w.out);
    stepper_close(&w);
    return status;
}

cvy_status profile_trace(const subject *u, const common *c, int64_t steps, const char *path, errors *e)
{
    arena a = {0};
    size_t n = 0;
    const size_t before = errors_count(e);
    const plugin_request *files = setup_plugins(u->x, c->plugin.items, c->plugin.n, &a, &n, e);
    registry *r = errors_count(e) == before ? registry_open(files, n, e) : NULL;
    setup *s = r ? setup_new(u->x, r, u->x->dir, SETUP_ALL, e) : NULL;
    cvy_status status = s ? data_prepare(s->data, e) : errors_status(e);
    if (!status) status = trace_steps(s, steps, path, e);
    setup_free(s);
    registry_free(r);
    arena_free(&a);
    return status;
}
