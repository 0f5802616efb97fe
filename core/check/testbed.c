/* Owns the calls of a layer under observation; must not know which property a check is after. */
#include "check/testbed.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/dropout.h"

static void breach(testbed *b, testbed_breach_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void breach(testbed *b, testbed_breach_kind kind, const char *fmt, ...)
{
    if (b->n_breaches == TESTBED_BREACHES) return;
    testbed_breach *to = &b->breaches[b->n_breaches++];
    to->kind = kind;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(to->what, sizeof to->what, fmt, ap);
    va_end(ap);
}

void testbed_report(testbed *b, verdict *v, unsigned kinds)
{
    for (int i = 0; i < b->n_breaches; i++)
        if (kinds & 1u << b->breaches[i].kind) verdict_fail(v, "%s", b->breaches[i].what);
    b->n_breaches = 0;
    errors_free(&b->e);
}

/* ---- the host ---- */

typedef struct share {
    void (*fn)(void *ctx, int64_t begin, int64_t end);
    void *ctx;
    int64_t begin, end;
} share;

static void *run_share(void *arg)
{
    const share *s = arg;
    if (s->begin < s->end) s->fn(s->ctx, s->begin, s->end);
    return NULL;
}

static void split_for(const cvy_host *face, int64_t n, int64_t grain,
                      void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx)
{
    const testbed *b = face->core;
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    int64_t first = n / 5 / grain * grain, second = n / 2 / grain * grain;
    if (b->split == SPLIT_WHOLE) first = second = 0;
    share s[3] = {{fn, ctx, 0, first}, {fn, ctx, first, second}, {fn, ctx, second, n}};
    pthread_t threads[3];
    int started = 0;
    for (int i = 0; b->split == SPLIT_THREADS && i < 2; i++)
        started += pthread_create(&threads[i], NULL, run_share, &s[i]) == 0 && started == i;
    if (b->split == SPLIT_BACKWARD)
        for (int i = 2; i >= 0; i--) run_share(&s[i]);
    else
        for (int i = started; i < 3; i++) run_share(&s[i]);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

static void draw_uniform(const cvy_plain *call, int64_t n, int64_t first, int64_t count, float *out)
{
    testbed *b = call->core;
    if (n < 0 || n >= call->out->dim[0] || first < 0 || count < 0) {
        breach(b, BREACH_BOUNDS,
               "asks uniform() for %" PRId64 " elements from %" PRId64 " of sample %" PRId64 " of %" PRId64,
               count, first, n, call->out->dim[0]);
        for (int64_t i = 0; i < count; i++) out[i] = 0;
        return;
    }
    dropout_uniform(philox_key_of(1, "check", "layer"), b->step, n, first, count, out);
}

/* ---- opening ---- */

void testbed_open(testbed *b, const specimen *s, const specimen_config *c, bool twin)
{
    *b = (testbed){
        .d = twin ? s->twin : s->d, .config = twin ? c->twin : c->own, .train = true, .fill = GUARDED_ZERO};
    b->layer = b->d->type;
    b->host = host_make(&b->e, CVY_ERR_PLUGIN, NULL, 1, "layer");
    b->host.face.core = b;
    b->host.face.parallel_for = split_for;
}

void testbed_close(testbed *b)
{
    guarded_free(&b->saved);
    mem_free(b->weights);
    mem_free(b->buffers);
    errors_free(&b->e);
    arena_free(&b->memory);
    *b = (testbed){0};
}

static testbed_tensor make_tensor(testbed *b, const char *name, const cvy_shape *shape, cvy_init init)
{
    testbed_tensor t = {
        .name = arena_text(&b->memory, name), .shape = *shape, .count = cvy_count(shape), .init = init};
    t.v = arena_array(&b->memory, (size_t)t.count + 1, sizeof(double));
    t.grad = arena_array(&b->memory, (size_t)t.count + 1, sizeof(double));
    return t;
}

static int declare(cvy_infer *in, bool buffer, const char *name, const cvy_shape *shape, cvy_init init)
{
    testbed *b = in->core;
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 1 || __builtin_mul_overflow(count, shape->dim[i], &count) || count > 1 << 24)
            return cvy_fail(in, "%s has a size that the check cannot hold", name);
    if (buffer) {
        b->buffers = MEM_GROW(b->buffers, (size_t)b->n_buffers, &b->cap_buffers);
        b->buffers[b->n_buffers++] = make_tensor(b, name, shape, init);
    } else {
        b->weights = MEM_GROW(b->weights, (size_t)b->n_weights, &b->cap_weights);
        b->weights[b->n_weights++] = make_tensor(b, name, shape, init);
    }
    return 0;
}

static int declare_weight(cvy_infer *in, const char *name, const cvy_shape *shape, cvy_init init)
{
    return declare(in, false, name, shape, init);
}

static int declare_buffer(cvy_infer *in, const char *name, const cvy_shape *shape, double v)
{
    return declare(in, true, name, shape, cvy_constant(v));
}

__attribute__((format(printf, 2, 3))) static void take_warning(cvy_infer *in, const char *fmt, ...)
{
    (void)in, (void)fmt;
}

/* Whether what infer() filled in can be worked with; what cannot be at all is its lapse. */
static bool sane(testbed *b, const cvy_infer *call, const cvy_shape *in)
{
    const cvy_shape *y = &call->out;
    int64_t count = 1;
    if (y->rank < 1 || y->rank > CVY_MAX_RANK) {
        b->lapse = "declares an output of no possible rank";
        return false;
    }
    for (int i = 0; i < y->rank && !b->lapse; i++)
        if (y->dim[i] < 1 || __builtin_mul_overflow(count, y->dim[i], &count))
            b->lapse = "declares an output that is empty or cannot be counted";
    for (int i = y->rank; i < CVY_MAX_RANK; i++)
        if (y->dim[i] != 0) b->lapse = "leaves dimensions behind the output's rank that are not 0";
    if (y->dim[0] != in[0].dim[0]) b->lapse = "declares an output whose first dimension is not the batch";
    if (call->saved_bytes < 0 || call->scratch_bytes < 0 || call->macs < 0)
        b->lapse = "declares a negative number of bytes or MACs";
    if (!b->lapse && (call->traits & CVY_IN_PLACE) && count != cvy_count(&in[0]))
        b->lapse = "declares CVY_IN_PLACE for an output of another size than the input";
    if (b->lapse) return false;
    int64_t most = count;
    for (int i = 0; i < call->n_in; i++) most = cvy_count(&in[i]) > most ? cvy_count(&in[i]) : most;
    if (most <= 1 << 24 && call->saved_bytes <= 1 << 28 && call->scratch_bytes <= 1 << 28) return true;
    errors_add(&b->e, CVY_ERR_CONFIG, NULL, NULL, "too large for the check");
    return false;
}

bool testbed_infer(testbed *b, const cvy_shape *in, int n_in)
{
    errors_free(&b->e);
    b->lapse = NULL;
    if (n_in < b->layer->min_in || (b->layer->max_in >= 0 && n_in > b->layer->max_in)) return false;
    cvy_infer call = {.host = &b->host.face,
                      .core = b,
                      .n_in = n_in,
                      .in = in,
                      .weight = declare_weight,
                      .buffer = declare_buffer,
                      .warn = take_warning};
    b->n_in = n_in;
    b->n_weights = b->n_buffers = 0;
    int failed = b->layer->infer(&call, b->config);
    if (failed && errors_count(&b->e) == 0) b->lapse = "fails without saying why";
    if (failed || errors_count(&b->e) || !sane(b, &call, in)) return false;
    b->in = arena_array(&b->memory, (size_t)n_in, sizeof *b->in);
    memcpy(b->in, in, (size_t)n_in * sizeof *in);
    b->x = arena_array(&b->memory, (size_t)n_in, sizeof *b->x);
    for (int i = 0; i < n_in; i++)
        b->x[i] = make_tensor(b, i ? arena_printf(&b->memory, "x%d", i + 1) : "x", &in[i], cvy_constant(0));
    b->y = make_tensor(b, "y", &call.out, cvy_constant(0));
    b->traits = call.traits;
    b->macs = call.macs;
    b->saved_bytes = call.saved_bytes;
    b->scratch_bytes = call.scratch_bytes;
    guarded_free(&b->saved);
    if (b->saved_bytes) b->saved = guarded_bytes(b->saved_bytes);
    testbed_reset(b);
    return true;
}

void testbed_reset(testbed *b)
{
    for (int i = 0; i < b->n_buffers; i++)
        for (int64_t k = 0; k < b->buffers[i].count; k++) b->buffers[i].v[k] = b->buffers[i].init.a;
}

void testbed_draw(testbed *b, uint32_t id, bool positive)
{
    for (int i = 0; i < b->n_in; i++)
        for (int64_t k = 0; k < b->x[i].count; k++) {
            double v = 2 * specimen_number(id * 64 + (uint32_t)i, (uint64_t)k);
            b->x[i].v[k] = positive ? fabs(v) + 0.125 : v;
        }
    for (int i = 0; i < b->n_weights; i++)
        for (int64_t k = 0; k < b->weights[i].count; k++)
            b->weights[i].v[k] = specimen_number(id * 64 + 16 + (uint32_t)i, (uint64_t)k);
    for (int i = 0; i < b->n_buffers; i++)
        for (int64_t k = 0; k < b->buffers[i].count; k++) {
            double u = specimen_number(id * 64 + 32 + (uint32_t)i, (uint64_t)k);
            b->buffers[i].v[k] = (double)(float)(b->buffers[i].init.a + 0.25 * u);
        }
    for (int64_t k = 0; k < b->y.count; k++) b->y.grad[k] = specimen_number(id * 64 + 48, (uint64_t)k);
}

static void copy_tensor(testbed_tensor *to, const testbed_tensor *from)
{
    memcpy(to->v, from->v, (size_t)to->count * sizeof(double));
    memcpy(to->grad, from->grad, (size_t)to->count * sizeof(double));
}

void testbed_copy(testbed *to, const testbed *from)
{
    for (int i = 0; i < to->n_in; i++) copy_tensor(&to->x[i], &from->x[i]);
    for (int i = 0; i < to->n_weights; i++) copy_tensor(&to->weights[i], &from->weights[i]);
    for (int i = 0; i < to->n_buffers; i++) copy_tensor(&to->buffers[i], &from->buffers[i]);
    copy_tensor(&to->y, &from->y);
}

static bool same(const testbed_tensor *found, const double *a, const double *b, double tolerance, verdict *v,
                 const char *prefix, const char *what)
{
    double most = 0;
    for (int64_t i = 0; tolerance > 0 && i < found->count; i++)
        if (isfinite(b[i]) && fabs(b[i]) > most) most = fabs(b[i]);
    for (int64_t i = 0; i < found->count; i++) {
        if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))) continue;
        if (fabs(a[i] - b[i]) <= tolerance * (most + 1e-2)) continue;
        char name[160];
        snprintf(name, sizeof name, "%s%s", prefix, found->name);
        verdict_number(v, name, i, a[i], b[i], "%s", what);
        return false;
    }
    return true;
}

bool testbed_same(const testbed *f, const testbed *e, bool gradients, double tolerance, verdict *v,
                  const char *what)
{
    if (!same(&f->y, f->y.v, e->y.v, tolerance, v, "", what)) return false;
    for (int i = 0; i < f->n_buffers; i++)
        if (!same(&f->buffers[i], f->buffers[i].v, e->buffers[i].v, tolerance, v, "buffer ", what))
            return false;
    for (int i = 0; gradients && i < f->n_in; i++)
        if (!f->x[i].unwanted &&
            !same(&f->x[i], f->x[i].grad, e->x[i].grad, tolerance, v, "gradient of ", what))
            return false;
    for (int i = 0; gradients && i < f->n_weights; i++)
        if (!f->weights[i].unwanted &&
            !same(&f->weights[i], f->weights[i].grad, e->weights[i].grad, tolerance, v, "gradient of ", what))
            return false;
    return true;
}

/* ---- calls ---- */

/* The arrays of one call. */
typedef struct arrays {
    arena memory;
    guarded *x, *gx, *w, *gw, *buffers, y, gy, scratch;
    void **pointers; /* x, gx, w, gw, buffers, in rows as long as the longest */
    size_t row;
    void *config; /* as it was */
} arrays;

static void arrays_open(arrays *a, const testbed *b)
{
    *a = (arrays){0};
    int most = b->n_in > b->n_weights ? b->n_in : b->n_weights;
    a->row = (size_t)(most > b->n_buffers ? most : b->n_buffers) + 1;
    guarded *all = arena_array(&a->memory, 5 * a->row, sizeof *all);
    a->x = all;
    a->gx = all + a->row;
    a->w = all + 2 * a->row;
    a->gw = all + 3 * a->row;
    a->buffers = all + 4 * a->row;
    a->pointers = arena_array(&a->memory, 5 * a->row, sizeof *a->pointers);
    a->config = arena_alloc(&a->memory, b->d->config_size);
    memcpy(a->config, b->config, b->d->config_size);
    if (b->scratch_bytes) a->scratch = guarded_bytes(b->scratch_bytes);
}

/* The struct that plugins see has cvy_real pointers; the double twin takes the same addresses as double. */
static cvy_plain call_of(testbed *b, arrays *a)
{
    for (size_t i = 0; i < 5 * a->row; i++) a->pointers[i] = a->x[i].data;
    return (cvy_plain){.host = &b->host.face,
                       .core = b,
                       .train = b->train,
                       .n_in = b->n_in,
                       .in = b->in,
                       .out = &b->y.shape,
                       .x = (const cvy_real *const *)(void *)a->pointers,
                       .y = a->y.data,
                       .gx = (cvy_real *const *)(void *)(a->pointers + a->row),
                       .w = (const cvy_real *const *)(void *)(a->pointers + 2 * a->row),
                       .gw = (cvy_real *const *)(void *)(a->pointers + 3 * a->row),
                       .buffers = (cvy_real *const *)(void *)(a->pointers + 4 * a->row),
                       .gy = a->gy.data,
                       .saved = b->train ? b->saved.data : NULL,
                       .scratch = a->scratch.data,
                       .uniform = draw_uniform};
}

static void check_guards(testbed *b, const guarded *g, const char *what, const char *name, const char *during)
{
    int64_t at;
    if (!g->data || !guarded_broken(g, &at)) return;
    int64_t real = (int64_t)g->real_size;
    if (at < 0)
        breach(b, BREACH_BOUNDS, "%s writes before %s%s: byte %" PRId64, during, what, name, at);
    else
        breach(b, BREACH_BOUNDS, "%s writes behind %s%s, which has %" PRId64 " %s: at element %" PRId64,
               during, what, name, g->count, real == 1 ? "bytes" : "numbers", at / real);
}

/* An array that may only be read; `was` NULL: whatever it held. */
static void drop_input(testbed *b, guarded *g, const double *was, const char *what, const char *name,
                       const char *during)
{
    if (!g->data) return;
    check_guards(b, g, what, name, during);
    int64_t at = was ? guarded_changed(g, was) : -1;
    if (at >= 0)
        breach(b, BREACH_CONSTANT, "%s changes %s%s, which it may only read: [%" PRId64 "] was %g, is %g",
               during, what, name, at, was[at], guarded_get(g, at));
    guarded_free(g);
}

static void take_output(testbed *b, guarded *g, double *to, const char *what, const char *name,
                        const char *during)
{
    if (!g->data) return;
    check_guards(b, g, what, name, during);
    bool told = false;
    for (int64_t i = 0; i < g->count; i++) {
        to[i] = guarded_get(g, i);
        if (isfinite(to[i]) || told) continue;
        told = true;
        if (guarded_unwritten(g, i))
            breach(b, BREACH_UNWRITTEN, "%s leaves %s%s[%" PRId64 "] unwritten", during, what, name, i);
        else
            breach(b, BREACH_NUMBER, "%s gives %g in %s%s[%" PRId64 "]", during, to[i], what, name, i);
    }
    guarded_free(g);
}

static void finish_call(testbed *b, arrays *a, int failed, const char *during)
{
    check_guards(b, &a->scratch, "the scratch memory", "", during);
    check_guards(b, &b->saved, "the saved memory", "", during);
    guarded_free(&a->scratch);
    if (memcmp(a->config, b->config, b->d->config_size) != 0)
        breach(b, BREACH_CONSTANT, "%s changes its configuration", during);
    if (failed)
        breach(b, BREACH_REFUSED, "%s fails: %s", during, b->e.n ? b->e.items[0].what : "without saying why");
    else if (errors_count(&b->e))
        breach(b, BREACH_REFUSED, "%s reports a failure and returns 0: %s", during, b->e.items[0].what);
    arena_free(&a->memory);
}

bool testbed_forward(testbed *b)
{
    arrays a;
    arrays_open(&a, b);
    size_t real = b->d->real_size;
    for (int i = 0; i < b->n_in; i++) a.x[i] = guarded_of(real, b->x[i].count, b->x[i].v);
    for (int i = 0; i < b->n_weights; i++) a.w[i] = guarded_of(real, b->weights[i].count, b->weights[i].v);
    for (int i = 0; i < b->n_buffers; i++)
        a.buffers[i] = guarded_of(real, b->buffers[i].count, b->buffers[i].v);
    a.y = b->in_place ? a.x[0] : guarded_new(real, b->y.count, b->fill);
    if (b->saved.data) memset(b->saved.data, 0xFF, b->saved.bytes);
    cvy_plain call = call_of(b, &a);
    int failed = b->layer->forward(&call, b->config);

    if (b->in_place) a.x[0].data = NULL;
    take_output(b, &a.y, b->y.v, "", "y", "forward");
    for (int i = 0; i < b->n_in; i++) drop_input(b, &a.x[i], b->x[i].v, "", b->x[i].name, "forward");
    for (int i = 0; i < b->n_weights; i++)
        drop_input(b, &a.w[i], b->weights[i].v, "", b->weights[i].name, "forward");
    for (int i = 0; i < b->n_buffers; i++) {
        testbed_tensor *t = &b->buffers[i];
        if (b->train)
            take_output(b, &a.buffers[i], t->v, "buffer ", t->name, "forward");
        else
            drop_input(b, &a.buffers[i], t->v, "buffer ", t->name, "forward in evaluation");
    }
    finish_call(b, &a, failed, "forward");
    return !failed;
}

/* x or y for backward: as they are when declared, or NaN. */
static guarded shown(const testbed *b, const testbed_tensor *t, uint32_t trait)
{
    bool real = (b->traits & trait) || !(b->poison & trait);
    return real ? guarded_of(b->d->real_size, t->count, t->v)
                : guarded_new(b->d->real_size, t->count, GUARDED_MARK);
}

bool testbed_backward(testbed *b)
{
    arrays a;
    arrays_open(&a, b);
    size_t real = b->d->real_size;
    guarded_fill fill = b->traits & CVY_ACCUMULATES && b->fill == GUARDED_MARK ? GUARDED_ZERO : b->fill;
    for (int i = 0; i < b->n_in; i++) {
        a.x[i] = shown(b, &b->x[i], CVY_READS_X);
        if (!b->x[i].unwanted && !(b->in_place && i == 0)) a.gx[i] = guarded_new(real, b->x[i].count, fill);
    }
    for (int i = 0; i < b->n_weights; i++) {
        a.w[i] = guarded_of(real, b->weights[i].count, b->weights[i].v);
        if (!b->weights[i].unwanted) a.gw[i] = guarded_new(real, b->weights[i].count, fill);
    }
    for (int i = 0; i < b->n_buffers; i++)
        a.buffers[i] = guarded_of(real, b->buffers[i].count, b->buffers[i].v);
    a.y = shown(b, &b->y, CVY_READS_Y);
    a.gy = guarded_of(real, b->y.count, b->y.grad);
    bool together = b->in_place && !b->x[0].unwanted;
    if (together) a.gx[0] = a.gy;
    cvy_plain call = call_of(b, &a);
    int failed = b->layer->backward(&call, b->config);

    for (int i = 0; i < b->n_in; i++) {
        bool given = b->traits & CVY_READS_X || !(b->poison & CVY_READS_X);
        take_output(b, &a.gx[i], b->x[i].grad, "the gradient of ", b->x[i].name, "backward");
        drop_input(b, &a.x[i], given ? b->x[i].v : NULL, "", b->x[i].name, "backward");
    }
    for (int i = 0; i < b->n_weights; i++) {
        take_output(b, &a.gw[i], b->weights[i].grad, "the gradient of ", b->weights[i].name, "backward");
        drop_input(b, &a.w[i], b->weights[i].v, "", b->weights[i].name, "backward");
    }
    for (int i = 0; i < b->n_buffers; i++)
        drop_input(b, &a.buffers[i], b->buffers[i].v, "buffer ", b->buffers[i].name, "backward");
    bool given = b->traits & CVY_READS_Y || !(b->poison & CVY_READS_Y);
    drop_input(b, &a.y, given ? b->y.v : NULL, "", "y", "backward");
    if (together) a.gy.data = NULL;
    drop_input(b, &a.gy, b->y.grad, "the gradient of ", "y", "backward");
    finish_call(b, &a, failed, "backward");
    return !failed;
}
