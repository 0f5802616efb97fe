/* Owns the checks of datasets; must not know where their files are. */
#include "check/dataset_checks.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "check/exchange.h"
#include "check/growth.h"
#include "check/guarded.h"
#include "convoy/dataset.h"

#define SAMPLES 24 /* read of each split */

typedef struct shelf { /* an open dataset */
    const cvy_dataset *type;
    const void *config;
    errors e;
    host host;
    cvy_dataset_open o;
    void *state;
    char *cache; /* where it may keep what it found out */
    bool open;
} shelf;

static bool shelf_open(shelf *b, specimen *s)
{
    specimen_configure(s);
    *b = (shelf){.type = s->d->type, .cache = path_user_cache()};
    if (!s->n_configs) return false;
    b->config = s->configs[0].own;
    b->host = host_make(&b->e, CVY_ERR_CONFIG, NULL, 1, "dataset");
    b->o = (cvy_dataset_open){.host = &b->host.face,
                              .base_dir = ".",
                              .data_dir = s->data_dir ? s->data_dir : ".",
                              .seed = 1,
                              .cache_dir = b->cache};
    b->open = b->type->open(&b->o, b->config, &b->state) == 0 && errors_count(&b->e) == 0;
    return b->open;
}

static void shelf_close(shelf *b)
{
    if (b->open) b->type->close(b->state);
    errors_free(&b->e);
    mem_free(b->cache);
    *b = (shelf){0};
}

/* Opens it for a check other than "open", which has told when it cannot be. */
static bool shelf_ready(shelf *b, specimen *s, verdict *v)
{
    if (shelf_open(b, s)) return true;
    verdict_skip(v, "it could not be opened");
    shelf_close(b);
    return false;
}

static size_t element_of(const shelf *b)
{
    return b->o.info.element == CVY_U8 ? 1 : sizeof(float);
}

/* ---- open ---- */

static void check_info(const cvy_dataset_info *i, verdict *v)
{
    if (i->n[CVY_TRAIN] < 1) verdict_fail(v, "the training split has %" PRId64 " samples", i->n[CVY_TRAIN]);
    if (i->n[CVY_TEST] < 0) verdict_fail(v, "the test split has %" PRId64 " samples", i->n[CVY_TEST]);
    bool sane = i->sample.rank >= 1 && i->sample.rank < CVY_MAX_RANK;
    for (int d = 0; sane && d < i->sample.rank; d++) sane = i->sample.dim[d] >= 1;
    if (!sane) verdict_fail(v, "a sample has an impossible shape of rank %" PRId32, i->sample.rank);
    if (i->element != CVY_U8 && i->element != CVY_F32)
        verdict_fail(v, "element %" PRIu32 " is no cvy_element", i->element);
    if (i->targets < 0 || (i->targets > 0 && i->classes != 0))
        verdict_fail(v, "it has %" PRId32 " classes and %" PRId32 " targets: one of both is to be 0",
                     i->classes, i->targets);
    else if (i->classes < 1 && i->targets < 1)
        verdict_fail(v, "it has %" PRId32 " classes and no targets", i->classes);
    for (int32_t k = 0; i->class_names && k < i->classes; k++)
        if (!i->class_names[k] || !*i->class_names[k]) verdict_fail(v, "class %" PRId32 " has no name", k);
    size_t hex = strspn(i->fingerprint, "0123456789abcdef");
    if (i->fingerprint[0] && (hex != 64 || i->fingerprint[64]))
        verdict_fail(v, "the fingerprint is not 64 hexadecimal digits");
}

void dataset_checks_open(specimen *s, verdict *v)
{
    shelf b, again;
    if (!shelf_open(&b, s)) {
        if (!s->n_configs) {
            verdict_errors(v, &s->refused);
            verdict_fail(v, "no configuration could be made: name one with --config");
        } else if (b.e.n) {
            /* Files that are not here say nothing against the plugin. */
            verdict_skip(v, "it does not open: %s", b.e.items[0].what);
        } else {
            verdict_fail(v, "open fails without saying why");
        }
        shelf_close(&b);
        return;
    }
    check_info(&b.o.info, v);
    text t = {0};
    exchange_shape_text(&b.o.info.sample, &t);
    verdict_note(v, "%" PRId64 " + %" PRId64 " samples %s, %" PRId32 " %s", b.o.info.n[0], b.o.info.n[1],
                 text_str(&t), b.o.info.targets > 0 ? b.o.info.targets : b.o.info.classes,
                 b.o.info.targets > 0 ? "targets" : "classes");
    text_free(&t);
    if (shelf_open(&again, s)) {
        const cvy_dataset_info *x = &b.o.info, *y = &again.o.info;
        if (x->n[0] != y->n[0] || x->n[1] != y->n[1] || !cvy_shape_same(&x->sample, &y->sample) ||
            x->element != y->element || x->classes != y->classes || x->targets != y->targets ||
            x->varied != y->varied || strcmp(x->fingerprint, y->fingerprint) != 0)
            verdict_fail(v, "opened a second time it says something else of itself");
    } else {
        verdict_fail(v, "opened a second time, while open, it fails: %s",
                     again.e.n ? again.e.items[0].what : "without saying why");
    }
    shelf_close(&again);
    shelf_close(&b);
}

/* ---- samples ---- */

typedef struct sample {
    guarded pixels, target;
    cvy_shape shape;
    int32_t label;
    bool failed;
} sample;

/* Whether a sample of a dataset that varies can have the shape. */
static bool shape_fits(const cvy_shape *s, const cvy_shape *most)
{
    bool fits = s->rank == most->rank;
    for (int i = 0; fits && i < s->rank; i++)
        fits = i < s->rank - 2 ? s->dim[i] == most->dim[i] : s->dim[i] >= 1 && s->dim[i] <= most->dim[i];
    return fits;
}

/* As it is said to be without pixels; the largest, where that cannot be. */
static cvy_shape announced(shelf *b, uint32_t split, int64_t index)
{
    cvy_dataset_read r = {.host = &b->host.face, .split = split, .index = index};
    bool told = b->o.info.varied && !b->type->read(&r, b->config, b->state);
    return told && shape_fits(&r.shape, &b->o.info.sample) ? r.shape : b->o.info.sample;
}

static sample read_sample(shelf *b, uint32_t split, int64_t index, bool wanted)
{
    sample p = {.label = INT32_MIN};
    const cvy_shape room = wanted ? announced(b, split, index) : b->o.info.sample;
    if (wanted) p.pixels = guarded_bytes(cvy_count(&room) * (int64_t)element_of(b));
    if (wanted && b->o.info.targets > 0)
        p.target = guarded_bytes((int64_t)b->o.info.targets * (int64_t)sizeof(float));
    cvy_dataset_read r = {.host = &b->host.face,
                          .split = split,
                          .index = index,
                          .pixels = p.pixels.data,
                          .target = p.target.data,
                          .label = INT32_MIN};
    p.failed = b->type->read(&r, b->config, b->state) != 0;
    p.label = b->o.info.classes > 0 ? r.label : 0;
    p.shape = b->o.info.varied ? r.shape : b->o.info.sample;
    return p;
}

static void free_sample(sample *p)
{
    guarded_free(&p->pixels);
    guarded_free(&p->target);
}

/* The k-th index of SAMPLES of a split: the first, the last, some between; -1: none. */
static int64_t index_of(const shelf *b, uint32_t split, int64_t k)
{
    int64_t n = b->o.info.n[split];
    if (n <= SAMPLES) return k < n ? k : -1;
    return k == SAMPLES - 1 ? n - 1 : k * (n / SAMPLES);
}

static void check_sample(shelf *b, uint32_t split, int64_t index, verdict *v)
{
    const char *of = split == CVY_TRAIN ? "training" : "test";
    sample p = read_sample(b, split, index, true), label = read_sample(b, split, index, false);
    int64_t at;
    if (p.failed || label.failed) {
        verdict_fail(v, "%s sample %" PRId64 ": read fails: %s", of, index,
                     b->e.n ? b->e.items[0].what : "without saying why");
    } else {
        if (b->o.info.classes > 0 && (p.label < 0 || p.label >= b->o.info.classes))
            verdict_fail(v, "%s sample %" PRId64 " has label %" PRId32 ", expected 0 to %" PRId32, of, index,
                         p.label, b->o.info.classes - 1);
        if (p.label != label.label)
            verdict_fail(v, "%s sample %" PRId64 " has label %" PRId32 " with pixels and %" PRId32 " without",
                         of, index, p.label, label.label);
        if (!shape_fits(&p.shape, &b->o.info.sample))
            verdict_fail(v, "%s sample %" PRId64 " has a shape that open did not allow", of, index);
        else if (!cvy_shape_same(&p.shape, &label.shape))
            verdict_fail(v, "%s sample %" PRId64 " has another shape with pixels than without", of, index);
        if (guarded_broken(&p.pixels, &at))
            verdict_fail(v, "%s sample %" PRId64 ": read writes outside the pixels, at byte %" PRId64, of,
                         index, at);
        if (p.target.data && guarded_broken(&p.target, &at))
            verdict_fail(v, "%s sample %" PRId64 ": read writes outside the target, at byte %" PRId64, of,
                         index, at);
        const float *pixel = p.pixels.data, *target = p.target.data;
        for (int32_t k = 0; target && k < b->o.info.targets; k++) {
            if (isfinite(target[k])) continue;
            verdict_fail(v, "%s sample %" PRId64 ": target %" PRId32 " is unwritten or not finite", of, index,
                         k);
            break;
        }
        for (int64_t i = 0; b->o.info.element == CVY_F32 && i < (int64_t)p.pixels.bytes / 4; i++) {
            if (isfinite(pixel[i])) continue;
            verdict_fail(v, "%s sample %" PRId64 ": pixel %" PRId64 " is unwritten or not finite", of, index,
                         i);
            break;
        }
    }
    free_sample(&p);
}

void dataset_checks_samples(specimen *s, verdict *v)
{
    shelf b;
    if (!shelf_ready(&b, s, v)) return;
    for (uint32_t split = 0; split < 2; split++)
        for (int64_t k = 0; k < SAMPLES; k++) {
            int64_t index = index_of(&b, split, k);
            if (index < 0) continue;
            v->cases++;
            check_sample(&b, split, index, v);
        }
    shelf_close(&b);
}

static bool equal_samples(const sample *a, const sample *b)
{
    return a->label == b->label && a->failed == b->failed && a->pixels.bytes == b->pixels.bytes &&
           !memcmp(a->pixels.data, b->pixels.data, a->pixels.bytes) &&
           (!a->target.data || !memcmp(a->target.data, b->target.data, a->target.bytes));
}

void dataset_checks_repeat(specimen *s, verdict *v)
{
    shelf b, other = {0};
    if (!shelf_ready(&b, s, v)) return;
    bool two = shelf_open(&other, s);
    for (uint32_t split = 0; split < 2; split++)
        for (int64_t k = SAMPLES - 1; k >= 0; k--) {
            int64_t index = index_of(&b, split, k);
            if (index < 0) continue;
            v->cases++;
            sample first = read_sample(&b, split, index, true), again = read_sample(&b, split, index, true);
            sample between = read_sample(&b, CVY_TRAIN, 0, true), third = read_sample(&b, split, index, true);
            sample elsewhere = two ? read_sample(&other, split, index, true) : (sample){0};
            const char *when = !equal_samples(&first, &again)              ? "the second time"
                               : !equal_samples(&first, &third)            ? "after another sample"
                               : two && !equal_samples(&first, &elsewhere) ? "from another instance"
                                                                           : NULL;
            if (when)
                verdict_fail(v, "%s sample %" PRId64 " is another one %s",
                             split == CVY_TRAIN ? "training" : "test", index, when);
            free_sample(&first);
            free_sample(&again);
            free_sample(&between);
            free_sample(&third);
            free_sample(&elsewhere);
        }
    shelf_close(&other);
    shelf_close(&b);
}

/* ---- threads ---- */

typedef struct reader {
    shelf *b;
    const sample *expected; /* of the training split */
    int64_t first, different;
} reader;

static void *run_reader(void *arg)
{
    reader *r = arg;
    for (int64_t round = 0; round < 8; round++)
        for (int64_t i = 0; i < SAMPLES; i++) {
            int64_t k = (r->first + i) % SAMPLES, index = index_of(r->b, CVY_TRAIN, k);
            if (index < 0) continue;
            sample p = read_sample(r->b, CVY_TRAIN, index, true);
            if (!equal_samples(&p, &r->expected[k])) r->different = index;
            free_sample(&p);
        }
    return NULL;
}

void dataset_checks_threads(specimen *s, verdict *v)
{
    enum { THREADS = 4 };
    shelf b;
    sample expected[SAMPLES] = {0};
    reader readers[THREADS];
    pthread_t threads[THREADS];
    bool started[THREADS];
    if (!shelf_ready(&b, s, v)) return;
    for (int64_t k = 0; k < SAMPLES; k++)
        if (index_of(&b, CVY_TRAIN, k) >= 0)
            expected[k] = read_sample(&b, CVY_TRAIN, index_of(&b, CVY_TRAIN, k), true);
    for (int i = 0; i < THREADS; i++) {
        readers[i] = (reader){&b, expected, i * 5, -1};
        started[i] = pthread_create(&threads[i], NULL, run_reader, &readers[i]) == 0;
    }
    for (int i = 0; i < THREADS; i++) {
        if (started[i]) pthread_join(threads[i], NULL);
        if (readers[i].different >= 0)
            verdict_fail(v, "training sample %" PRId64 " is another one when four threads read",
                         readers[i].different);
    }
    for (int64_t k = 0; k < SAMPLES; k++) free_sample(&expected[k]);
    shelf_close(&b);
}

/* ---- growth ---- */

typedef struct reading {
    shelf *b;
    int64_t next;
} reading;

static void read_once(void *ctx)
{
    reading *r = ctx;
    int64_t index = index_of(r->b, CVY_TRAIN, r->next++ % SAMPLES);
    if (index < 0) return;
    sample p = read_sample(r->b, CVY_TRAIN, index, true);
    free_sample(&p);
}

static void open_once(void *ctx)
{
    shelf b;
    shelf_open(&b, ctx);
    shelf_close(&b);
}

void dataset_checks_growth(specimen *s, verdict *v)
{
    shelf b;
    if (!shelf_ready(&b, s, v)) return;
    reading r = {&b, 0};
    growth_check(v, "read", read_once, &r, 1000);
    shelf_close(&b);
    if (v->status == VERDICT_PASSED) growth_check(v, "open and close", open_once, s, 50);
}
