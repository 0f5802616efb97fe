/* Opens a dataset, splits it and reads its samples through the augmentation chain. Must not know batches. */
#include "train/data.h"

#include <math.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/parallel.h"
#include "convoy/augment.h"
#include "convoy/dataset.h"
#include "train/blame.h"

/* ---- one sample ---- */

static void data_check_answer(const data *d, const cvy_dataset_read *r)
{
    if (d->info.classes > 0 && (r->label < 0 || r->label >= d->info.classes))
        cvy_fail(r, "class %d of %d", r->label, d->info.classes);
    for (int32_t k = 0; r->target && k < d->info.targets; k++) {
        if (isfinite(r->target[k])) continue;
        cvy_fail(r, "target %d is not finite", (int)k);
        return;
    }
}

/* One sample as the plugin has it; with pixels and target NULL only its label. */
static cvy_status data_fetch(const data *d, cvy_split split, int64_t i, void *pixels, int32_t *label,
                             float *target, errors *e)
{
    static const char *const names[] = {"training", "test"};
    errors own = {0};
    host h = host_make(&own, CVY_ERR_CONFIG, &d->at, d->seed, NULL);
    if (d->info.targets < 1) target = NULL;
    cvy_dataset_read r = {.host = &h.face, .split = split, .index = i, .pixels = pixels, .target = target};
    if (d->type->read(&r, d->config, d->opened) && !errors_count(&own))
        cvy_fail(&r, "read failed without saying why");
    r.target = target;
    if (!errors_count(&own)) data_check_answer(d, &r);
    if (errors_count(&own))
        return blame(&own, e, "dataset (%s): %s sample %lld", d->plugin->name, names[split], (long long)i);
    *label = d->info.classes > 0 ? r.label : 0;
    return CVY_OK;
}

/* ---- splitting -------------------------------------------------------------------------------------------------- */

/* The samples still free, class by class, ascending in each: class c has members[start[c]] ... members[start[c + 1] - 1]. */
static int64_t data_group(const int32_t *labels, const char *chosen, int64_t n, int classes, int64_t *start,
                          int64_t *members)
{
    for (int64_t i = 0; i < n; i++)
        if (!chosen[i]) start[labels[i] + 1]++;
    for (int c = 0; c < classes; c++) start[c + 1] += start[c];
    int64_t *next = mem_copy(start, ((size_t)classes + 1) * sizeof *start);
    for (int64_t i = 0; i < n; i++)
        if (!chosen[i]) members[next[labels[i]]++] = i;
    mem_free(next);
    return start[classes];
}

/* How many of each class, `want` in all out of n: in proportion, what rounding leaves going to the largest remainders and
 * among equal ones to the lower class. */
static void data_shares(const int64_t *start, int classes, int64_t n, int64_t want, int64_t *take)
{
    int64_t given = 0;
    for (int c = 0; c < classes && n > 0; c++) {
        take[c] = (int64_t)((double)want * (double)(start[c + 1] - start[c]) / (double)n);
        given += take[c];
    }
    while (given < want) {
        int best = 0;
        double most = -2;
        for (int c = 0; c < classes; c++) {
            int64_t count = start[c + 1] - start[c];
            double rest = (double)want * (double)count / (double)n - (double)take[c];
            if (take[c] < count && rest > most) most = rest, best = c;
        }
        take[best]++;
        given++;
    }
}

/* Chooses `want` of the n samples so that every class keeps its share, each class by a seeded shuffle. chosen[i] is set to
 * `mark`; samples whose chosen[] is not 0 are out of the question. */
static void data_choose(const data *d, const int32_t *labels, int64_t n, int64_t want, const char *purpose,
                        char *chosen, char mark)
{
    int classes = d->info.classes > 0 ? d->info.classes : 1;
    int64_t *start = mem_array((size_t)classes + 1, sizeof *start),
            *take = mem_array((size_t)classes, sizeof *take);
    int64_t *members = mem_array((size_t)n + 1, sizeof *members);
    int64_t n_free = data_group(labels, chosen, n, classes, start, members);
    data_shares(start, classes, n_free, want < n_free ? want : n_free, take);
    for (int c = 0; c < classes; c++) {
        int64_t *of = members + start[c], m = start[c + 1] - start[c];
        philox_stream s = philox_open(philox_key_of(d->seed, "split", purpose), (uint64_t)c, 0);
        for (int64_t k = 0; k < take[c]; k++) { /* the first steps of a Fisher-Yates shuffle */
            int64_t j = k + (int64_t)philox_below(&s, (uint32_t)(m - k)), swap = of[k];
            of[k] = of[j];
            of[j] = swap;
            chosen[of[k]] = mark;
        }
    }
    mem_free(start);
    mem_free(take);
    mem_free(members);
}

static void data_collect(data *d, data_part part, const char *chosen, int64_t n, char mark)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += chosen[i] == mark;
    d->index[part] = mem_array((size_t)count + 1, sizeof(int64_t));
    for (int64_t i = 0; i < n; i++)
        if (chosen[i] == mark) d->index[part][d->n[part]++] = i;
}

/* Samples to hold out for validation. */
static cvy_status data_held(const data *d, int64_t *held, errors *e)
{
    double v = d->settings->validation;
    int64_t n = d->info.n[CVY_TRAIN];
    if (v >= 1 && v != floor(v))
        return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL,
                          "validation: %g is neither a share below 1 nor a number of samples", v);
    *held = v < 1 ? (int64_t)llround(v * (double)n) : (int64_t)v;
    if (*held < n) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, &d->at, "give validation a smaller number, or a share below 1",
                      "validation: %lld of %lld training samples leaves none to train on", (long long)*held,
                      (long long)n);
}

static cvy_status data_split(data *d, errors *e)
{
    enum { FREE, VALIDATION, KEPT };
    const data_settings *s = d->settings;
    int64_t n = d->info.n[CVY_TRAIN], n_test = d->info.n[CVY_TEST], longest = n > n_test ? n : n_test,
            held = 0;
    errors_push(e, "dataset (%s)", d->plugin->name);
    cvy_status status = data_held(d, &held, e);
    errors_pop(e);
    if (status) return status;
    int32_t *labels = mem_try((size_t)longest, sizeof *labels);
    char *chosen = mem_try((size_t)longest, 1);
    if (!labels || !chosen)
        status = errors_add(e, CVY_ERR_RESOURCE, &d->at, NULL, "not enough memory for %lld samples",
                            (long long)longest);
    for (int64_t i = 0; i < n && !status; i++)
        status = data_fetch(d, CVY_TRAIN, i, NULL, &labels[i], NULL, e);
    if (!status) {
        data_choose(d, labels, n, held, "validation", chosen, VALIDATION);
        data_collect(d, DATA_VALIDATION, chosen, n, VALIDATION);
        data_choose(d, labels, n, s->train_limit > 0 ? s->train_limit : n, "train_limit", chosen, KEPT);
        data_collect(d, DATA_TRAIN, chosen, n, KEPT);
        memset(chosen, FREE, (size_t)longest);
    }
    for (int64_t i = 0; i < n_test && !status; i++)
        status = data_fetch(d, CVY_TEST, i, NULL, &labels[i], NULL, e);
    if (!status) {
        data_choose(d, labels, n_test, s->test_limit > 0 ? s->test_limit : n_test, "test_limit", chosen,
                    KEPT);
        data_collect(d, DATA_TEST, chosen, n_test, KEPT);
    }
    mem_free(labels);
    mem_free(chosen);
    return status;
}

/* ---- opening ---- */

static bool data_can_be(const cvy_shape *s)
{
    int64_t count = 1;
    if (s->rank < 1 || s->rank >= CVY_MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 1 || __builtin_mul_overflow(count, s->dim[i], &count)) return false;
    return count <= INT64_MAX / 64;
}

static cvy_status data_check(const data *d, errors *e)
{
    const cvy_dataset_info *i = &d->info;
    if (!data_can_be(&i->sample) || i->classes < 0 || i->n[CVY_TRAIN] < 0 || i->n[CVY_TEST] < 0 ||
        i->targets < 0 || (i->element != CVY_U8 && i->element != CVY_F32))
        return errors_add(e, CVY_ERR_PLUGIN, &d->at, NULL, "open declared samples that cannot be");
    if (i->classes > 0 && i->targets > 0)
        return errors_add(e, CVY_ERR_PLUGIN, &d->at, NULL,
                          "open declared %d classes and %d targets: one is to be 0", (int)i->classes,
                          (int)i->targets);
    for (int split = 0; split < 2; split++) /* random numbers below a count have 32 bits */
        if (i->n[split] > UINT32_MAX)
            return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL, "%lld samples are more than can be shuffled",
                              (long long)i->n[split]);
    if (i->n[CVY_TRAIN] < 1)
        return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL, "the dataset has no training samples");
    return CVY_OK;
}

static cvy_status data_chain(data *d, errors *e)
{
    size_t n = d->settings->augment.n;
    d->shapes = mem_array(n + 1, sizeof *d->shapes);
    d->positions = arena_array(&d->memory, n + 1, sizeof *d->positions);
    d->shapes[0] = d->info.sample;
    for (size_t i = 0; i < n; i++) {
        const cvy_child *step = &d->settings->augment.v[i];
        const cvy_augment *type = step->plugin->type;
        d->positions[i] = arena_printf(&d->memory, "%zu", i);
        errors_push(e, "dataset.augment.%zu (%s)", i, step->plugin->name);
        host h = host_make(e, CVY_ERR_CONFIG, &d->at, d->seed, NULL);
        size_t before = errors_count(e);
        int failed = type->infer(&h.face, step->config, &d->shapes[i], &d->shapes[i + 1]);
        const cvy_shape *y = &d->shapes[i + 1];
        if (!failed && (y->rank != d->shapes[i].rank || !data_can_be(y)))
            failed = h.face.fail(&h.face, "infer declared a shape that cannot be");
        if (failed && errors_count(e) == before) h.face.fail(&h.face, "infer failed without saying why");
        errors_pop(e);
        if (failed) return errors_status(e);
    }
    d->sample = d->shapes[n];
    return CVY_OK;
}

data *data_open(const cvy_descriptor *plugin, const void *config, const data_settings *settings,
                uint64_t seed, const char *base_dir, const place *at, errors *e)
{
    data *d = mem_alloc(sizeof *d);
    *d = (data){.plugin = plugin, .type = plugin->type, .config = config, .settings = settings, .seed = seed};
    d->at = at ? *at : PLACE_NONE;
    char *user = path_user_data();
    host h = host_make(e, CVY_ERR_CONFIG, at, seed, NULL);
    cvy_dataset_open o = {.host = &h.face, .base_dir = base_dir, .data_dir = user, .seed = seed};
    errors_push(e, "dataset (%s)", plugin->name);
    size_t before = errors_count(e);
    cvy_status status = CVY_OK;
    if (d->type->open(&o, config, &d->opened)) {
        d->opened = NULL;
        if (errors_count(e) == before) cvy_fail(&o, "open failed without saying why");
        status = errors_status(e);
    }
    d->info = o.info;
    if (!status) status = data_check(d, e);
    errors_pop(e);
    if (!status) status = data_split(d, e);
    if (!status) status = data_chain(d, e);
    mem_free(user);
    if (!status) return d;
    data_close(d);
    return NULL;
}

void data_close(data *d)
{
    if (!d) return;
    if (d->opened) d->type->close(d->opened);
    for (int p = 0; p < DATA_PARTS; p++) mem_free(d->index[p]);
    mem_free(d->shapes);
    arena a = d->memory;
    arena_free(&a);
    mem_free(d);
}

/* ---- reading ---- */

static int64_t data_largest(const data *d)
{
    int64_t most = 0;
    for (size_t i = 0; i <= d->settings->augment.n; i++)
        if (cvy_count(&d->shapes[i]) > most) most = cvy_count(&d->shapes[i]);
    return most;
}

int32_t data_target(const data *d)
{
    if (d->settings->target == TARGET_LABEL && d->info.targets > 0) return TARGET_NUMBERS;
    return d->settings->target;
}

int64_t data_scratch(const data *d)
{
    return 3 * data_largest(d); /* two sides of the chain, and the bytes as read */
}

/* The sample as read, on [0, 1] if it is of bytes. */
static cvy_status data_raw(const data *d, data_part part, int64_t i, float *x, void *bytes, int32_t *label,
                           float *target, errors *e)
{
    bool scaled = d->info.element == CVY_U8;
    cvy_status status = data_fetch(d, part == DATA_TEST ? CVY_TEST : CVY_TRAIN, d->index[part][i],
                                   scaled ? bytes : x, label, target, e);
    if (status || !scaled) return status;
    int64_t count = cvy_count(&d->info.sample);
    const uint8_t *b = bytes;
    for (int64_t k = 0; k < count; k++) x[k] = (float)b[k] * (1.0f / 255.0f);
    return CVY_OK;
}

static bool data_applies(const data *d, size_t step, data_part part)
{
    const cvy_augment *type = d->settings->augment.v[step].plugin->type;
    return part == DATA_TRAIN || (type->traits & CVY_AUGMENT_ALWAYS);
}

static cvy_status data_augment(const data *d, size_t k, data_part part, int64_t sample, int32_t epoch,
                               const float *x, float *y, errors *e)
{
    const cvy_child *step = &d->settings->augment.v[k];
    errors own = {0};
    /* The list position is part of the name, so that two steps of one kind draw differently. */
    host h = host_make(&own, CVY_ERR_CONFIG, &d->at, d->seed, d->positions[k]);
    cvy_random random =
        h.face.random(&h.face, "augment", (uint64_t)sample, (uint32_t)epoch * 3 + (uint32_t)part);
    cvy_augment_call call = {.host = &h.face,
                             .train = part == DATA_TRAIN,
                             .epoch = epoch,
                             .sample = sample,
                             .in = &d->shapes[k],
                             .out = &d->shapes[k + 1],
                             .x = x,
                             .y = y,
                             .random = &random,
                             .stats = d->stats.mean ? &d->stats : NULL};
    if (((const cvy_augment *)step->plugin->type)->apply(&call, step->config) && !errors_count(&own))
        cvy_fail(&call, "apply failed without saying why");
    if (!errors_count(&own)) return CVY_OK;
    return blame(&own, e, "dataset.augment.%zu (%s): sample %lld", k, step->plugin->name, (long long)sample);
}

cvy_status data_read(const data *d, data_part part, int64_t i, int32_t epoch, float *x, int32_t *label,
                     float *target, float *scratch, errors *e)
{
    int64_t most = data_largest(d);
    float *side[2] = {scratch, scratch + most};
    size_t n = d->settings->augment.n, applied = 0, todo = 0;
    for (size_t k = 0; k < n; k++) todo += data_applies(d, k, part);
    cvy_status status = data_raw(d, part, i, todo ? side[0] : x, scratch + 2 * most, label, target, e);
    for (size_t k = 0; k < n && !status; k++) {
        if (!data_applies(d, k, part)) continue;
        const float *from = side[applied % 2];
        applied++;
        status = data_augment(d, k, part, d->index[part][i], epoch, from,
                              applied == todo ? x : side[applied % 2], e);
    }
    return status;
}

/* ---- for evaluation ---- */

void data_validate_on_training(data *d)
{
    mem_free(d->index[DATA_VALIDATION]);
    d->n[DATA_VALIDATION] = d->n[DATA_TRAIN];
    d->index[DATA_VALIDATION] = mem_copy(d->index[DATA_TRAIN], (size_t)d->n[DATA_TRAIN] * sizeof(int64_t));
}

cvy_status data_checksum(const data *d, data_part part, uint32_t *crc, errors *e)
{
    const size_t element = d->info.element == CVY_U8 ? 1 : sizeof(float),
                 bytes = (size_t)cvy_count(&d->info.sample) * element;
    void *pixels = mem_try(bytes, 1);
    float *target = mem_array((size_t)d->info.targets + 1, sizeof *target);
    if (!pixels) mem_free(target);
    if (!pixels) return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a sample");
    cvy_status status = CVY_OK;
    *crc = 0;
    for (int64_t i = 0; i < d->n[part] && !status; i++) {
        int32_t label = 0;
        status = data_fetch(d, part == DATA_TEST ? CVY_TEST : CVY_TRAIN, d->index[part][i], pixels, &label,
                            target, e);
        *crc = crc32c(crc32c(*crc, pixels, bytes), &label, sizeof label);
        *crc = crc32c(*crc, target, (size_t)d->info.targets * sizeof *target);
    }
    mem_free(target);
    mem_free(pixels);
    return status;
}

/* ---- statistics ---- */

typedef struct moments {
    double mean, squares; /* sum of squared deviations */
} moments;

typedef struct statistics_job {
    const data *d;
    moments *m; /* (n, C) */
    errors *e;  /* per thread */
} statistics_job;

static void data_moments(void *ctx, int64_t begin, int64_t end, int thread)
{
    const statistics_job *j = ctx;
    const data *d = j->d;
    int64_t channels = d->info.sample.dim[0], plane = cvy_count(&d->info.sample) / channels;
    float *x = mem_array((size_t)(2 * channels * plane), sizeof *x);
    for (int64_t i = begin; i < end && !errors_count(&j->e[thread]); i++) {
        int32_t label;
        if (data_raw(d, DATA_TRAIN, i, x, x + channels * plane, &label, NULL, &j->e[thread])) break;
        for (int64_t c = 0; c < channels; c++) {
            const float *p = x + c * plane;
            double sum = 0, squares = 0;
            for (int64_t k = 0; k < plane; k++) sum += (double)p[k];
            double mean = sum / (double)plane;
            for (int64_t k = 0; k < plane; k++) squares += ((double)p[k] - mean) * ((double)p[k] - mean);
            j->m[i * channels + c] = (moments){mean, squares};
        }
    }
    mem_free(x);
}

/* Per sample in parallel, merged in the order of the samples (Chan et al. 1979), so that no thread count shows. */
cvy_status data_prepare(data *d, errors *e)
{
    bool wanted = false;
    for (size_t k = 0; k < d->settings->augment.n; k++)
        wanted = wanted ||
                 (((const cvy_augment *)d->settings->augment.v[k].plugin->type)->traits & CVY_AUGMENT_STATS);
    if (!wanted || d->stats.mean) return CVY_OK;
    int64_t n = d->n[DATA_TRAIN], channels = d->info.sample.dim[0],
            plane = cvy_count(&d->info.sample) / channels;
    int threads = parallel_threads();
    statistics_job j = {.d = d,
                        .m = mem_try((size_t)(n * channels), sizeof(moments)),
                        .e = mem_array((size_t)threads, sizeof(errors))};
    if (!j.m) {
        mem_free(j.e);
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL,
                          "not enough memory for the statistics of %lld samples", (long long)n);
    }
    parallel_for(n, 1, data_moments, &j);
    for (int t = 0; t < threads; t++) errors_move(e, &j.e[t]);
    float *mean = arena_array(&d->memory, (size_t)channels, sizeof *mean);
    float *std = arena_array(&d->memory, (size_t)channels, sizeof *std);
    for (int64_t c = 0; c < channels; c++) {
        moments all = {0, 0};
        for (int64_t i = 0; i < n; i++) {
            const moments *m = &j.m[i * channels + c];
            double delta = m->mean - all.mean, before = (double)i * (double)plane,
                   total = before + (double)plane;
            all.mean += delta * (double)plane / total;
            all.squares += m->squares + delta * delta * before * (double)plane / total;
        }
        mean[c] = (float)all.mean;
        std[c] = (float)sqrt(all.squares / ((double)n * (double)plane));
    }
    mem_free(j.m);
    mem_free(j.e);
    cvy_status status = errors_status(e);
    if (!status) d->stats = (cvy_channel_stats){.channels = (int32_t)channels, .mean = mean, .std = std};
    return status;
}
