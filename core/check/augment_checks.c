/* Owns the checks of augmentations; must not know what they do to an image. */
#include "check/augment_checks.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "check/exchange.h"
#include "check/growth.h"
#include "check/guarded.h"
#include "convoy/augment.h"
#include "plugin/contract.h"

#define CHANNELS_MAX 8

static const cvy_shape shapes[] = {
    {3, {3, 16, 16}}, {3, {1, 9, 7}}, {3, {3, 32, 20}}, {3, {4, 1, 1}}, {2, {1, 12}}, {1, {6}},
};
/* What learns from its samples may take long on large ones. */
static const cvy_shape small_shapes[] = {
    {3, {3, 4, 4}}, {3, {1, 5, 7}}, {3, {2, 6, 3}}, {3, {4, 1, 1}}, {2, {1, 12}}, {1, {6}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, LEARNED_SAMPLES = 40 };
_Static_assert(SHAPES == sizeof small_shapes / sizeof *small_shapes, "as many small ones");

typedef struct bench { /* one configuration on one shape */
    const cvy_augment *type;
    const void *config;
    errors e;
    host host;
    cvy_shape in, out;
    double *x, *y, *partner;
    uint32_t traits;
    void *state; /* of prepare */
    arena memory;
    const char *text;
    float mean[CHANNELS_MAX], std[CHANNELS_MAX];
    bool failed;
} bench;

static bool learns(const cvy_augment *type)
{
    return CONTRACT_HAS(cvy_augment, type, release) && type->prepare && type->release;
}

static int learned_sample(const cvy_augment_prepare *p, int64_t i, float *x)
{
    if (i < 0 || i >= p->n)
        return p->host->fail(p->host, "asks for sample %lld of %lld", (long long)i, (long long)p->n);
    for (int64_t k = 0; k < cvy_count(p->in); k++)
        x[k] = (float)(specimen_number((uint32_t)i + 10, (uint64_t)k) + 1) / 2;
    return 0;
}

static bool bench_learn(bench *b)
{
    cvy_augment_prepare p = {
        .host = &b->host.face, .in = &b->in, .n = LEARNED_SAMPLES, .sample = learned_sample};
    return !b->type->prepare(&p, b->config, &b->state) && !errors_count(&b->e);
}

/* Case k; false behind the last. `refused` when infer does not take it. */
static bool bench_open(bench *b, specimen *s, size_t k, bool *refused)
{
    specimen_configure(s);
    size_t n = s->n_shapes ? (size_t)s->n_shapes : SHAPES;
    if (k / n >= s->n_configs) return false;
    const specimen_config *c = &s->configs[k / n];
    *b = (bench){.type = s->d->type, .config = c->own};
    b->host = host_make(&b->e, CVY_ERR_PLUGIN, NULL, 1, "augment");
    b->in = s->n_shapes ? s->shapes[k % n] : learns(b->type) ? small_shapes[k % n] : shapes[k % n];
    b->traits = cvy_augment_traits(b->type, b->config);
    text t = {0};
    text_printf(&t, "%s on ", c->text);
    exchange_shape_text(&b->in, &t);
    b->text = arena_text(&b->memory, text_str(&t));
    text_free(&t);
    *refused = b->type->infer(&b->host.face, b->config, &b->in, &b->out) != 0 || errors_count(&b->e) > 0;
    for (int d = 0; !*refused && d < b->out.rank; d++) *refused = b->out.dim[d] < 1 || b->out.dim[d] > 4096;
    if (*refused) return true;
    b->x = arena_array(&b->memory, (size_t)cvy_count(&b->in), sizeof *b->x);
    b->y = arena_array(&b->memory, (size_t)cvy_count(&b->out) + 1, sizeof *b->y);
    b->partner = arena_array(&b->memory, (size_t)cvy_count(&b->in), sizeof *b->partner);
    for (int64_t i = 0; i < cvy_count(&b->in); i++) b->x[i] = (specimen_number(1, (uint64_t)i) + 1) / 2;
    for (int64_t i = 0; i < cvy_count(&b->in); i++) b->partner[i] = (specimen_number(2, (uint64_t)i) + 1) / 2;
    if (learns(b->type)) *refused = !bench_learn(b);
    for (int i = 0; i < CHANNELS_MAX; i++) b->mean[i] = 0.25f + 0.0625f * (float)i, b->std[i] = 0.25f;
    return true;
}

static void bench_close(bench *b)
{
    if (b->state) b->type->release(b->state);
    errors_free(&b->e);
    arena_free(&b->memory);
    *b = (bench){0};
}

static void bench_run(bench *b, bool train, uint64_t stream, verdict *v)
{
    guarded x = guarded_of(sizeof(float), cvy_count(&b->in), b->x);
    guarded partner = guarded_of(sizeof(float), cvy_count(&b->in), b->partner);
    guarded y = guarded_new(sizeof(float), cvy_count(&b->out), GUARDED_MARK);
    cvy_channel_stats stats = {(int32_t)b->in.dim[0], b->mean, b->std};
    cvy_random random = b->host.face.random(&b->host.face, "augment", stream, 0);
    cvy_augment_call call = {.host = &b->host.face,
                             .train = train,
                             .epoch = 0,
                             .sample = (int64_t)stream,
                             .in = &b->in,
                             .out = &b->out,
                             .x = x.data,
                             .y = y.data,
                             .random = &random,
                             .stats = b->traits & CVY_AUGMENT_STATS ? &stats : NULL,
                             .partner = train && b->traits & CVY_AUGMENT_MIX ? partner.data : NULL,
                             .share = 1,
                             .state = b->state};
    errors_free(&b->e);
    b->failed = b->type->apply(&call, b->config) != 0;
    int64_t at;
    if (v && b->failed)
        verdict_fail(v, "apply fails: %s", b->e.n ? b->e.items[0].what : "without saying why");
    if (v && guarded_broken(&y, &at)) verdict_fail(v, "apply writes outside y, at byte %" PRId64, at);
    if (v && guarded_broken(&x, &at)) verdict_fail(v, "apply writes outside x, at byte %" PRId64, at);
    if (v && guarded_broken(&partner, &at))
        verdict_fail(v, "apply writes outside partner, at byte %" PRId64, at);
    at = guarded_changed(&partner, b->partner);
    if (v && at >= 0)
        verdict_number(v, "partner", at, guarded_get(&partner, at), b->partner[at],
                       "apply changes the partner");
    if (v && !(call.share >= 0 && call.share <= 1))
        verdict_fail(v, "apply gives the share %g, expected 0 to 1", (double)call.share);
    if (v && call.share < 1 && !call.partner) verdict_fail(v, "apply gives a share without a partner");
    at = guarded_changed(&x, b->x);
    if (v && at >= 0) verdict_number(v, "x", at, guarded_get(&x, at), b->x[at], "apply changes its input");
    for (int64_t i = 0; i < y.count; i++) {
        b->y[i] = guarded_get(&y, i);
        if (!v || b->failed || isfinite(b->y[i])) continue;
        verdict_fail(v,
                     guarded_unwritten(&y, i) ? "apply leaves y[%" PRId64 "] unwritten"
                                              : "apply gives a number that is not finite in y[%" PRId64 "]",
                     i);
        v = NULL;
    }
    guarded_free(&x);
    guarded_free(&partner);
    guarded_free(&y);
}

/* The product runs the others in training only. */
static bool in_evaluation(const bench *b)
{
    return b->traits & CVY_AUGMENT_ALWAYS;
}

typedef void case_fn(bench *b, verdict *v);

static int each_case(specimen *s, verdict *v, case_fn *fn)
{
    bench b;
    bool refused;
    int n = 0;
    for (size_t k = 0; bench_open(&b, s, k, &refused); k++) {
        if (!refused) {
            n++;
            verdict_at(v, b.text);
            fn(&b, v);
        }
        bench_close(&b);
    }
    return n;
}

/* ---- infer ---- */

static void infer_again(bench *b, verdict *v)
{
    cvy_shape in = b->in, out = {0};
    if (b->type->infer(&b->host.face, b->config, &in, &out) || !cvy_shape_same(&out, &b->out))
        verdict_fail(v, "infer gives another shape the second time");
    if (memcmp(&in, &b->in, sizeof in) != 0) verdict_fail(v, "infer changes the shape it was given");
    if (out.rank < 1 || out.rank > CVY_MAX_RANK) verdict_fail(v, "infer gives a shape of no possible rank");
}

void augment_checks_infer(specimen *s, verdict *v)
{
    bench b;
    bool refused;
    char *last = NULL;
    for (size_t k = 0; bench_open(&b, s, k, &refused); k++) {
        if (refused && b.e.n == 0) {
            verdict_at(v, b.text);
            verdict_fail(v, "infer refuses without saying why, or gives an impossible shape");
        } else if (refused) {
            mem_free(last);
            last = mem_text(b.e.items[0].what);
        }
        bench_close(&b);
    }
    if (!s->n_configs) verdict_errors(v, &s->refused);
    if (!each_case(s, v, infer_again))
        verdict_fail(v, "no input shape is accepted: %s", last ? last : "no configuration could be made");
    mem_free(last);
}

/* ---- calls ---- */

static void call_all(bench *b, verdict *v)
{
    for (uint64_t stream = 0; stream < 10; stream++) bench_run(b, true, stream, v);
    if (in_evaluation(b)) bench_run(b, false, 0, v);
}

void augment_checks_calls(specimen *s, verdict *v)
{
    each_case(s, v, call_all);
}

static void again(bench *b, verdict *v)
{
    size_t bytes = (size_t)cvy_count(&b->out) * sizeof(double);
    for (uint64_t stream = 0; stream < 6; stream++) {
        bool train = stream < 5 || !in_evaluation(b);
        bench_run(b, train, stream, NULL);
        double *first = mem_copy(b->y, bytes);
        bench_run(b, train, stream, NULL);
        bool second = !memcmp(first, b->y, bytes);
        bench_run(b, train, stream + 100, NULL); /* something else in between */
        bench_run(b, train, stream, NULL);
        if (!second || memcmp(first, b->y, bytes) != 0) {
            verdict_fail(v, "the same input and random stream give something else %s",
                         second ? "after another sample" : "the second time");
            stream = 6;
        }
        mem_free(first);
    }
}

void augment_checks_repeat(specimen *s, verdict *v)
{
    each_case(s, v, again);
}

/* ---- threads ---- */

typedef struct worker {
    bench bench;
    double *expected;
    bool differs;
} worker;

static void *run_worker(void *arg)
{
    worker *w = arg;
    for (int i = 0; i < 200 && !w->differs; i++) {
        bench_run(&w->bench, true, 7, NULL);
        w->differs = memcmp(w->expected, w->bench.y, (size_t)cvy_count(&w->bench.out) * sizeof(double)) != 0;
    }
    return NULL;
}

void augment_checks_threads(specimen *s, verdict *v)
{
    bool refused = true;
    worker w[3] = {0};
    for (size_t k = 0; refused && bench_open(&w[0].bench, s, k, &refused); k++) {
        if (refused) {
            bench_close(&w[0].bench);
            continue;
        }
        verdict_at(v, w[0].bench.text);
        pthread_t threads[3];
        bool started[3];
        for (int i = 0; i < 3; i++) {
            if (i) bench_open(&w[i].bench, s, k, &refused);
            /* Each its own image, so that anything shared shows. */
            for (int64_t p = 0; p < cvy_count(&w[i].bench.in); p++)
                w[i].bench.x[p] /= 1 << i, w[i].bench.partner[p] /= 1 << i;
            bench_run(&w[i].bench, true, 7, NULL);
            w[i].expected = mem_copy(w[i].bench.y, (size_t)cvy_count(&w[i].bench.out) * sizeof(double));
            for (int64_t p = 0; p < cvy_count(&w[i].bench.out); p++) w[i].bench.y[p] = NAN;
        }
        for (int i = 0; i < 3; i++) started[i] = pthread_create(&threads[i], NULL, run_worker, &w[i]) == 0;
        for (int i = 0; i < 3; i++) {
            if (started[i]) pthread_join(threads[i], NULL);
            if (w[i].differs)
                verdict_fail(v, "samples worked on at once in several threads disturb each other");
            mem_free(w[i].expected);
            bench_close(&w[i].bench);
        }
    }
}

/* ---- growth ---- */

static void whole_life(void *ctx)
{
    bench b;
    bool refused = true;
    for (size_t k = 0; refused && bench_open(&b, ctx, k, &refused); k++) {
        if (!refused) bench_run(&b, true, 3, NULL);
        bench_close(&b);
    }
}

void augment_checks_growth(specimen *s, verdict *v)
{
    growth_check(v, "infer and apply", whole_life, s, 1000);
}
