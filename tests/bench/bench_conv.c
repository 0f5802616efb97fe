/* Measures every convolution kernel on shapes of ResNet-20 and a wide ResNet-18, against the multiply-add peak
 * of the same run; must not know how any of them works.
 *
 *   bench_conv [threads [batch [rounds]]]
 *
 * A round calls every kernel once, so no kernel finds its own operands in the cache from the call before.
 * Printed are the median and the best of the rounds; rates are from the best, which other programs on the
 * machine disturb least. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/memory.h"
#include "base/parallel.h"
#include "device/peak.h"
#include "device/buffer.h"
#include "ops/kernel.h"

enum { MOST_ROUNDS = 101, MOST_ENTRIES = 256 };

static double now(void) /* nanoseconds */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_size);
    return n ? v[n / 2] : 0;
}

/* ---- the convolutions ---- */

typedef struct shape {
    int64_t in, out, side, stride, kernel;
} shape;

static const shape shapes[] = {
    {3, 16, 32, 1, 3},    {16, 16, 32, 1, 3},  {16, 32, 32, 2, 3},  {32, 32, 16, 1, 3},
    {32, 64, 16, 2, 3},   {64, 64, 8, 1, 3},   {16, 32, 32, 2, 1},  {64, 64, 32, 1, 3},
    {128, 128, 16, 1, 3}, {256, 256, 8, 1, 3}, {512, 512, 4, 1, 3},
};

typedef struct entry {
    const shape *s;
    const kernel *k;
    op o;
    tensor in[2], out[2];
    kernel_plan plan;
    double cost, time[MOST_ROUNDS];
    int runs;
} entry;

static entry entries[MOST_ENTRIES];
static int n_entries;
static void *inputs[2], *outputs[2], *scratch;
static size_t input_bytes, scratch_bytes;

static op op_of(entry *e, op_type t, bool stats, int64_t batch)
{
    const shape *s = e->s;
    int64_t p = s->kernel / 2, side = (s->side + 2 * p - s->kernel) / s->stride + 1;
    cvy_shape xs = cvy_shape4(batch, s->in, s->side, s->side),
              ws = cvy_shape4(s->out, s->in, s->kernel, s->kernel);
    cvy_shape ys = cvy_shape4(batch, s->out, side, side), ss = cvy_shape2(2, s->out);
    tensor x = tensor_plain(&xs), w = tensor_plain(&ws), y = tensor_plain(&ys);
    op o = {.type = t, .n_in = 2, .n_out = 1 + stats, .in = e->in, .out = e->out};
    e->in[0] = t == OP_CONV_BWD_DATA ? y : x;
    e->in[1] = t == OP_CONV_BWD_WEIGHTS ? y : w;
    e->out[0] = t == OP_CONV ? y : t == OP_CONV_BWD_DATA ? x : w;
    e->out[1] = tensor_plain(&ss);
    for (int i = 0; i < 2; i++) {
        o.attr.conv.stride[i] = s->stride;
        o.attr.conv.dilation[i] = 1;
        o.attr.conv.padding[i] = o.attr.conv.padding[i + 2] = p;
    }
    o.attr.conv.groups = 1;
    return o;
}

static void add_entries(const shape *s, op_type t, bool stats, int64_t batch, const machine *m, errors *errs)
{
    for (const kernel *const *k = kernels_of(t, m); *k; k++)
        for (int n = 0; n_entries < MOST_ENTRIES; n++) {
            layout in[2], out[2];
            entry *e = &entries[n_entries];
            e->s = s;
            e->k = *k;
            e->o = op_of(e, t, stats, batch);
            e->cost = (*k)->offer(&e->o, m, n, in, out);
            if (e->cost < 0) break;
            if (*k == kernel_reference(t) && op_macs(&e->o) > 1000000000) break; /* seconds */
            for (int i = 0; i < 2; i++) e->in[i].layout = in[i];
            for (int i = 0; i < e->o.n_out; i++) e->out[i].layout = out[i];
            if ((*k)->prepare && (*k)->prepare(&e->o, m, &e->plan, errs)) break;
            for (int i = 0; i < 2; i++) {
                if (tensor_bytes(&e->in[i]) > input_bytes) input_bytes = tensor_bytes(&e->in[i]);
                if (tensor_bytes(&e->out[i]) > input_bytes) input_bytes = tensor_bytes(&e->out[i]);
            }
            if (e->plan.scratch > scratch_bytes) scratch_bytes = e->plan.scratch;
            n_entries++;
        }
}

static void call(entry *e, double worst)
{
    if (e->runs >= 3 && e->time[0] > worst) return; /* the reference: seen often enough */
    kernel_args a = {.in = inputs, .out = outputs, .scratch = scratch};
    double start = now();
    e->k->run(&e->o, e->plan.state, &a);
    e->time[e->runs++] = now() - start;
}

static void report(entry *e, double top)
{
    double typical = median(e->time, e->runs), ns = e->time[0], macs = (double)op_macs(&e->o);
    char name[64];
    const tensor *x = e->o.type == OP_CONV_BWD_DATA ? &e->out[0] : &e->in[0];
    const tensor *y = e->o.type == OP_CONV            ? &e->out[0]
                      : e->o.type == OP_CONV_BWD_DATA ? &e->in[0]
                                                      : &e->in[1];
    snprintf(name, sizeof name, "%s%s", op_name(e->o.type), e->o.n_out == 2 ? "+stats" : "");
    printf("%3lld->%-3lld@%-2lld k%lld s%lld  %-18s %-12s %-5s %-5s %8.3f ms, best %8.3f %7.1f GFLOP/s %5.1f "
           "%%  planned %8.3f\n",
           (long long)e->s->in, (long long)e->s->out, (long long)e->s->side, (long long)e->s->kernel,
           (long long)e->s->stride, name, e->k->name, layout_name(x->layout), layout_name(y->layout),
           typical / 1e6, ns / 1e6, 2 * macs / ns, 200 * macs / ns / top, e->cost / 1e6);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2, rounds = argc > 3 ? atoi(argv[3]) : 21;
    int64_t batch = argc > 2 ? atoll(argv[2]) : 128;
    if (rounds > MOST_ROUNDS) rounds = MOST_ROUNDS;
    parallel_set_threads(threads);
    machine m = machine_here();
    errors errs = {0};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        add_entries(&shapes[s], OP_CONV, false, batch, &m, &errs);
        add_entries(&shapes[s], OP_CONV, true, batch, &m, &errs);
        add_entries(&shapes[s], OP_CONV_BWD_DATA, false, batch, &m, &errs);
        add_entries(&shapes[s], OP_CONV_BWD_WEIGHTS, false, batch, &m, &errs);
    }
    for (int i = 0; i < 2; i++) {
        inputs[i] = buffer_new(input_bytes, &errs);
        outputs[i] = buffer_new(input_bytes, &errs);
        for (size_t at = 0; inputs[i] && at < input_bytes / 4; at++)
            ((float *)inputs[i])[at] = (float)((at * 2654435761u) >> 16 & 255) / 128 - 1;
    }
    scratch = buffer_new(scratch_bytes ? scratch_bytes : 64, &errs);
    if (errors_status(&errs)) return 1;
    for (int i = 0; i < n_entries; i++)
        if (entries[i].k->pack) entries[i].k->pack(&entries[i].o, entries[i].plan.state, inputs[1]);
    double tops[MOST_ROUNDS];
    for (int r = 0; r < rounds; r++) {
        tops[r] = 1e-9 * peak_measure(&m);
        for (int i = 0; i < n_entries; i++) call(&entries[i], 30e6);
    }
    median(tops, rounds);
    double top = tops[rounds - 1];
    printf("threads %d, batch %lld, isa %s, peak %.0f GFLOP/s, %d rounds\n", m.threads, (long long)batch,
           machine_isa_name(m.isa), top, rounds);
    for (int i = 0; i < n_entries; i++) report(&entries[i], top);
    for (int i = 0; i < n_entries; i++)
        if (entries[i].k->release) entries[i].k->release(entries[i].plan.state);
    for (int i = 0; i < 2; i++) buffer_free(inputs[i], input_bytes), buffer_free(outputs[i], input_bytes);
    buffer_free(scratch, scratch_bytes ? scratch_bytes : 64);
    errors_free(&errs);
    return 0;
}
