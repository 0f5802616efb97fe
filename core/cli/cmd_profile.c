/* `convoy profile`: where the time of a training step goes, operator by operator. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "cli/cli.h"
#include "cli/profile_trace.h"
#include "cli/subject.h"
#include "cli/table.h"
#include "device/buffer.h"
#include "device/peak.h"
#include "graph/plan.h"
#include "report/chart_layers.h"
#include "report/charts.h"

typedef struct profile_options {
    int64_t batch, steps, threads;
    const char *trace;
    const char *order, *plot;
} profile_options;

static const option_row rows[] = {
    OPTION_NUMBER(profile_options, batch, 'b', "N", 0, 0, 1 << 20,
                  "samples in a batch; without it the experiment's batch size, or 128"),
    OPTION_NUMBER(profile_options, steps, 'n', "N", 10, 1, 1000000,
                  "steps to measure, after some to warm up"),
    OPTION_NUMBER(profile_options, threads, 't', "N", 0, 0, 1024, "compute threads; 0: all cores"),
    OPTION(profile_options, order, 0, OPTION_TEXT, "ORDER",
           "`time` (default): the most expensive first; `network`: as they run"),
    OPTION(profile_options, trace, 0, OPTION_TEXT, "FILE.json",
           "trace a few training steps of an experiment, with its loader and its optimizer, for "
           "chrome://tracing or Perfetto"),
    OPTION(profile_options, plot, 0, OPTION_TEXT, "PREFIX",
           "draw the time of each layer as PREFIX.png and PREFIX.svg"),
};

enum { TRACED_MOST = 100 }; /* steps: a trace is looked at */
enum { WARM_UP = 3 };       /* steps: first touches of memory, packed weights */

/* One operator, over all measured steps. */
typedef struct row {
    size_t step; /* in the plan: the order in which they run */
    plan_step_info info;
    double seconds;
} row;

typedef struct profile {
    const char *name;
    int64_t batch, steps;
    int threads;
    row *rows;
    size_t n;
    double forward, backward, pack; /* seconds, of the operators */
    double wall;                    /* of the steps as a whole */
    size_t bytes;
    double peak; /* operations per second */
} profile;

/* ---- measuring ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Zeros would let some CPUs and kernels cheat. */
static void noise(float *x, int64_t n, double scale, const char *name)
{
    philox_stream s = philox_open(philox_key_of(1, "profile", name), 0, 0);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(scale * philox_normal(&s));
}

static bool run_steps(plan *p, state *s, const float *x, const float *gradient, int64_t n, errors *e)
{
    cvy_shape shape;
    for (int64_t i = 0; i < n; i++) {
        s->version++; /* as after an update: packed weights are refreshed */
        if (plan_forward(p, x, (uint64_t)i, 0, e)) return false;
        plan_output(p, &shape);
        plan_silence_heads(p);
        memcpy(plan_output_gradient(p), gradient, (size_t)cvy_count(&shape) * sizeof *gradient);
        if (plan_backward(p, e)) return false;
    }
    return true;
}

static void begin(profile *f, const plan *p)
{
    f->n = plan_steps(p);
    f->rows = mem_array(f->n, sizeof *f->rows);
    for (size_t i = 0; i < f->n; i++) f->rows[i].seconds = -plan_step(p, i).seconds;
    f->pack = -plan_pack_seconds(p);
    f->wall = -now();
}

static void end(profile *f, const plan *p)
{
    f->wall += now();
    f->pack += plan_pack_seconds(p);
    for (size_t i = 0; i < f->n; i++) {
        row *r = &f->rows[i];
        r->step = i;
        r->info = plan_step(p, i);
        r->seconds += r->info.seconds;
        *(r->info.backward ? &f->backward : &f->forward) += r->seconds;
    }
}

static bool measure(profile *f, plan *p, state *s, errors *e)
{
    const net *n = s->net;
    cvy_shape y;
    f->bytes = plan_bytes(p);
    size_t x_bytes = (size_t)cvy_sample_count(&n->nodes[0].out) * (size_t)f->batch * sizeof(float);
    void *memory = buffer_new(f->bytes, e);
    float *x = memory ? buffer_new(x_bytes, e) : NULL, *gradient = NULL;
    bool good = x != NULL;
    if (good) {
        plan_bind(p, memory);
        plan_output(p, &y);
        gradient = mem_try((size_t)cvy_count(&y), sizeof *gradient);
        if (!gradient)
            errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the loss's gradient");
        good = gradient != NULL;
    }
    if (good) {
        noise(x, (int64_t)(x_bytes / sizeof *x), 1, "input");
        noise(gradient, cvy_count(&y), 1.0 / (double)f->batch, "gradient"); /* as of a mean over the batch */
        good = run_steps(p, s, x, gradient, WARM_UP, e);
    }
    if (good) {
        begin(f, p);
        good = run_steps(p, s, x, gradient, f->steps, e);
        end(f, p);
    }
    mem_free(gradient);
    buffer_free(x, x_bytes);
    buffer_free(memory, f->bytes);
    return good;
}

/* ---- showing ---- */

static int by_time(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds > y->seconds ? -1 : 1;
    return x->step < y->step ? -1 : x->step > y->step;
}

static double total_of(const profile *f)
{
    return f->forward + f->backward + f->pack;
}

static double per_second(const profile *f, double amount, const row *r)
{
    return r->seconds > 0 ? amount * (double)f->steps / r->seconds : 0;
}

/* Of the peak, in percent. */
static double of_peak(const profile *f, const row *r)
{
    return f->peak > 0 ? 100 * 2 * per_second(f, (double)r->info.macs, r) / f->peak : 0;
}

static void show_json(const profile *f)
{
    const double steps = (double)f->steps;
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "model", f->name);
    json_put_int(&w, "batch", f->batch);
    json_put_int(&w, "steps", f->steps);
    json_put_int(&w, "threads", f->threads);
    json_put_double(&w, "images_per_second", steps * (double)f->batch / f->wall);
    json_put_double(&w, "step_seconds", f->wall / steps);
    json_put_double(&w, "forward_seconds", f->forward / steps);
    json_put_double(&w, "backward_seconds", f->backward / steps);
    json_put_double(&w, "pack_seconds", f->pack / steps);
    json_put_double(&w, "peak_gflops", 1e-9 * f->peak);
    json_put_int(&w, "memory_bytes", (int64_t)f->bytes);
    json_key(&w, "rows");
    json_open(&w, '[');
    for (size_t i = 0; i < f->n; i++) {
        const row *r = &f->rows[i];
        json_open(&w, '{');
        json_put_text(&w, "pass", plan_pass_name(r->info.pass));
        json_put_text(&w, "layer", r->info.path);
        json_put_text(&w, "op", r->info.op);
        json_put_double(&w, "seconds", r->seconds / steps);
        json_put_double(&w, "share", r->seconds / total_of(f));
        json_put_double(&w, "gflops", 2e-9 * per_second(f, (double)r->info.macs, r));
        json_put_double(&w, "of_peak_percent", of_peak(f, r));
        json_put_double(&w, "gbytes_per_second", 1e-9 * per_second(f, (double)r->info.bytes, r));
        json_put_text(&w, "kernel", r->info.kernel);
        json_put_text(&w, "algorithm", r->info.algorithm);
        json_put_text(&w, "layouts", r->info.layouts);
        json_put_text(&w, "fused", r->info.fused);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static void total_line(const profile *f, const char *what, double seconds, text *out)
{
    text_printf(out, "%-9s %9.3f ms %5.1f %%\n", what, 1e3 * seconds / (double)f->steps,
                100 * seconds / total_of(f));
}

static void show_text(const common *c, const profile *f)
{
    table t = {0};
    table_column(&t, "MS", TABLE_RIGHT);
    table_column(&t, "SHARE", TABLE_RIGHT);
    table_column(&t, "RATE", TABLE_RIGHT);
    table_column(&t, "", TABLE_LEFT);
    table_column(&t, "PEAK", TABLE_RIGHT);
    table_column(&t, "PASS", TABLE_LEFT);
    table_column(&t, "LAYER", TABLE_LEFT);
    table_column(&t, "OP", TABLE_LEFT);
    table_column(&t, "KERNEL", TABLE_LEFT);
    table_column(&t, "ALGORITHM", TABLE_LEFT);
    table_column(&t, "LAYOUTS", TABLE_LEFT);
    for (size_t i = 0; i < f->n; i++) {
        const row *r = &f->rows[i];
        bool computes = r->info.macs > 0;
        table_cellf(&t, "%.3f", 1e3 * r->seconds / (double)f->steps);
        table_cellf(&t, "%.1f %%", 100 * r->seconds / total_of(f));
        table_cellf(&t, "%.1f",
                    computes ? 2e-9 * per_second(f, (double)r->info.macs, r)
                             : 1e-9 * per_second(f, (double)r->info.bytes, r));
        table_cell(&t, computes ? "GFLOP/s" : "GB/s");
        if (computes)
            table_cellf(&t, "%.0f %%", of_peak(f, r));
        else
            table_cell(&t, "");
        table_cell(&t, plan_pass_name(r->info.pass));
        table_cell(&t, r->info.path);
        table_cell(&t, r->info.op);
        table_cell(&t, r->info.kernel);
        table_cell(&t, r->info.algorithm);
        table_cell(&t, r->info.layouts);
    }
    text out = {0};
    table_write(&t, cli_colour(c, stdout), &out);
    text_char(&out, '\n');
    total_line(f, "forward", f->forward, &out);
    total_line(f, "backward", f->backward, &out);
    total_line(f, "pack", f->pack, &out);
    text_printf(&out, "%.0f images/s forward and backward (batch %lld, %d thread%s, mean of %lld steps)\n",
                (double)f->steps * (double)f->batch / f->wall, (long long)f->batch, f->threads,
                f->threads == 1 ? "" : "s", (long long)f->steps);
    text_printf(&out, "peak measured: %.1f GFLOP/s (%d thread%s)\n", 1e-9 * f->peak, f->threads,
                f->threads == 1 ? "" : "s");
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

/* Operators by layer, in the network's order: that of the forward pass, in which each is met first. */
static void draw(const common *c, const profile *f, const char *prefix, errors *e)
{
    arena a = {0};
    figure chart;
    chart_layer *layers = mem_array(f->n + 1, sizeof *layers);
    for (size_t i = 0; i < f->n; i++) {
        const double seconds = f->rows[i].seconds / (double)f->steps;
        const bool backward = f->rows[i].info.backward;
        layers[f->rows[i].step] =
            (chart_layer){f->rows[i].info.path, backward ? 0 : seconds, backward ? seconds : 0};
    }
    const double ms = 1e3 * f->wall / (double)f->steps;
    const char *caption = arena_printf(
        &a, "batch %lld, %d thread%s, mean of %lld steps on noise; %.*f ms a step, %.0f images/s",
        (long long)f->batch, f->threads, f->threads == 1 ? "" : "s", (long long)f->steps,
        ms < 10    ? 2
        : ms < 100 ? 1
                   : 0,
        ms, (double)f->steps * (double)f->batch / f->wall);
    chart_layers(layers, f->n, f->name, caption, &a, &chart);
    if (charts_write(&chart, CHARTS_USUAL, 0, prefix, e) == CVY_OK)
        cli_say(c, "%s.png, %s.svg", prefix, prefix);
    mem_free(layers);
    arena_free(&a);
}

/* As the experiment's training sets it, where it does. */
static plan_algorithm algorithm_of(const experiment *x)
{
    const node *given = experiment_get(x, "train.conv_algorithm");
    const char *name = NULL;
    errors ignored = {0}; /* the training settings are not what is asked about */
    if (!given || !node_string(given, &name, &ignored)) name = "auto";
    errors_free(&ignored);
    return !strcmp(name, "direct") ? PLAN_DIRECT : !strcmp(name, "winograd") ? PLAN_WINOGRAD : PLAN_AUTO;
}

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    const profile_options *o = options;
    const char *order = o->order ? o->order : "time";
    int code = subject_operands(self, c, argc, argv);
    if (code) return code;
    if (strcmp(order, "time") != 0 && strcmp(order, "network") != 0)
        return cli_usage(self, c, "--order: \"%s\" is not time or network", order);
    errors e = {0};
    subject u;
    state *s = NULL;
    plan *p = NULL;
    parallel_set_threads((int)o->threads);
    if (subject_open(&u, c, argc, argv, &e)) {
        profile f = {.name = u.x->model_name ? u.x->model_name : u.x->name,
                     .batch = o->batch ? o->batch : u.batch,
                     .steps = o->steps,
                     .threads = parallel_threads()};
        machine m = machine_here();
        plan_options training = {
            .batch = f.batch, .train = true, .algorithm = algorithm_of(u.x), .profile = true, .seed = 1};
        f.peak = peak_measure(&m);
        s = state_new(u.s->net, 1, true, &e);
        if (s) p = plan_new(u.s->net, s, &m, &training, &e);
        if (p && measure(&f, p, s, &e)) {
            if (!strcmp(order, "time") && f.n) qsort(f.rows, f.n, sizeof *f.rows, by_time);
            if (c->json)
                show_json(&f);
            else
                show_text(c, &f);
            if (o->trace &&
                !profile_trace(&u, c, o->steps < TRACED_MOST ? o->steps : TRACED_MOST, o->trace, &e))
                cli_say(c, "traced: %s", o->trace);
            if (o->plot) draw(c, &f, o->plot, &e);
        }
        mem_free(f.rows);
    }
    plan_free(p);
    state_free(s);
    subject_close(&u);
    return cli_fail(c, &e);
}

const command cmd_profile = {
    .name = "profile",
    .summary = "Measure where the time of a training step goes, on noise",
    .usage = "convoy profile NAME|FILE.yaml [PATH=VALUE ...] [--batch N] [--steps N] [--threads N]\n"
             "               [--order time|network] [--trace FILE.json] [--plot PREFIX]\n"
             "               [--json]",
    .examples = "convoy profile cifar_resnet20\n"
                "convoy profile experiments/cifar10.yaml --trace trace.json\n"
                "convoy profile cifar_resnet20 --batch 32 --threads 1 --order network\n"
                "convoy profile experiments/cifar10.yaml --json\n"
                "convoy profile cifar_resnet20 --plot resnet20",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(profile_options),
    .run = run,
};
