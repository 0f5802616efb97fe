/* Opens a dataset, splits it and reads its samples through the augmentation chain. Must not know batches. */
#include "train/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/parallel.h"
#include "convoy/augment.h"
#include "convoy/dataset.h"

/* ---- splitting ---- */

static cvy_status data_label(const data *d, const host *h, cvy_split split, int64_t i, int32_t *label)
{
    cvy_dataset_read r = {.host = &h->face, .split = split, .index = i};
    size_t before = errors_count(h->e);
    if (d->type->read(&r, d->config, d->opened)) {
        if (errors_count(h->e) == before) cvy_fail(&r, "reading sample %lld failed", (long long)i);
        return errors_status(h->e);
    }
    *label = r.label;
    if (d->info.classes > 0 && (r.label < 0 || r.label >= d->info.classes))
        return (cvy_status)cvy_fail(&r, "sample %lld has class %d of %d", (long long)i, r.label, d->info.classes);
    return CVY_OK;
}

/* Chooses `want` of the n samples so that every class keeps its share: per class a seeded shuffle, then largest
 * remainders. chosen[i] is set to `mark`; samples whose chosen[] is not 0 are out of the question. */
static void data_choose(const data *d, const int32_t *labels, int64_t n, int64_t want, const char *purpose, char *chosen,
                        char mark)
{
    int classes = d->info.classes > 0 ? d->info.classes : 1;
    int64_t *count = mem_array((size_t)classes, sizeof *count), *take = mem_array((size_t)classes, sizeof *take);
    int64_t *members = mem_array((size_t)n + 1, sizeof *members), free_samples = 0;
    for (int64_t i = 0; i < n; i++)
        if (!chosen[i]) count[labels[i]]++, free_samples++;
    if (want > free_samples) want = free_samples;
    int64_t given = 0;
    for (int c = 0; c < classes && free_samples > 0; c++) {
        take[c] = (int64_t)((double)want * (double)count[c] / (double)free_samples);
        given += take[c];
    }
    while (given < want) {
        int best = -1;
        double most = -1;
        for (int c = 0; c < classes; c++) {
            double rest = (double)want * (double)count[c] / (double)free_samples - (double)take[c];
            if (take[c] < count[c] && rest > most) most = rest, best = c;
        }
        take[best]++;
        given++;
    }
    for (int c = 0; c < classes; c++) {
        int64_t m = 0;
        for (int64_t i = 0; i < n; i++)
            if (!chosen[i] && labels[i] == c) members[m++] = i;
        philox_stream s = philox_open(philox_key_of(d->seed, "split", purpose), (uint64_t)c, 0);
        for (int64_t k = 0; k < take[c]; k++) { /* the first steps of a Fisher-Yates shuffle */
            int64_t j = k + (int64_t)philox_below(&s, (uint32_t)(m - k));
            int64_t swap = members[k];
            members[k] = members[j];
            members[j] = swap;
            chosen[members[k]] = mark;
        }
    }
    mem_free(count);
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

static cvy_status data_split(data *d, const host *h)
{
    enum { FREE, VALIDATION, KEPT };
    const data_settings *s = d->settings;
    int64_t n = d->info.n[CVY_TRAIN], n_test = d->info.n[CVY_TEST], longest = n > n_test ? n : n_test;
    if (n < 1) return errors_add(h->e, CVY_ERR_CONFIG, &h->at, NULL, "the dataset has no training samples");
    int64_t held = s->validation < 1 ? (int64_t)llround(s->validation * (double)n) : (int64_t)llround(s->validation);
    if (held >= n)
        return errors_add(h->e, CVY_ERR_CONFIG, &h->at, "give validation a smaller number, or a share below 1",
                          "validation: %lld of %lld training samples leaves none to train on", (long long)held,
                          (long long)n);
    int32_t *labels = mem_try((size_t)longest, sizeof *labels);
    char *chosen = mem_try((size_t)longest, 1);
    cvy_status status =
        labels && chosen ? CVY_OK : errors_add(h->e, CVY_ERR_RESOURCE, &h->at, NULL, "not enough memory for %lld samples", (long long)longest);
    for (int64_t i = 0; i < n && !status; i++) status = data_label(d, h, CVY_TRAIN, i, &labels[i]);
    if (!status) {
        data_choose(d, labels, n, held, "validation", chosen, VALIDATION);
        data_collect(d, DATA_VALIDATION, chosen, n, VALIDATION);
        int64_t keep = s->train_limit > 0 ? s->train_limit : n;
        data_choose(d, labels, n, keep, "train_limit", chosen, KEPT);
        data_collect(d, DATA_TRAIN, chosen, n, KEPT);
        memset(chosen, 0, (size_t)longest);
    }
    for (int64_t i = 0; i < n_test && !status; i++) status = data_label(d, h, CVY_TEST, i, &labels[i]);
    if (!status) {
        data_choose(d, labels, n_test, s->test_limit > 0 ? s->test_limit : n_test, "test_limit", chosen, KEPT);
        data_collect(d, DATA_TEST, chosen, n_test, KEPT);
    }
    mem_free(labels);
    mem_free(chosen);
    return status;
}

/* ---- opening ---- */

static cvy_status data_chain(data *d, const place *at, errors *e)
{
    size_t n = d->settings->augment.n;
    d->shapes = mem_array(n + 1, sizeof *d->shapes);
    d->shapes[0] = d->info.sample;
    for (size_t i = 0; i < n; i++) {
        const cvy_child *step = &d->settings->augment.v[i];
        const cvy_augment *type = step->plugin->type;
        errors_push(e, "dataset.augment.%zu (%s)", i, step->plugin->name);
        host h = host_make(e, CVY_ERR_CONFIG, at, d->seed, NULL);
        size_t before = errors_count(e);
        int failed = type->infer(&h.face, step->config, &d->shapes[i], &d->shapes[i + 1]);
        const cvy_shape *y = &d->shapes[i + 1];
        if (!failed && (y->rank != d->shapes[i].rank || cvy_count(y) < 1))
            failed = h.face.fail(&h.face, "infer declared a shape that cannot be");
        if (failed && errors_count(e) == before) h.face.fail(&h.face, "infer failed without saying why");
        errors_pop(e);
        if (failed) return errors_status(e);
    }
    d->sample = d->shapes[n];
    return CVY_OK;
}

data *data_open(const cvy_descriptor *plugin, const void *config, const data_settings *settings, uint64_t seed,
                const char *base_dir, const place *at, errors *e)
{
    data *d = mem_alloc(sizeof *d);
    *d = (data){.plugin = plugin, .type = plugin->type, .config = config, .settings = settings, .seed = seed};
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
    const cvy_shape *s = &d->info.sample;
    if (!status && (s->rank < 1 || s->rank >= CVY_MAX_RANK || cvy_count(s) < 1 || d->info.classes < 0 ||
                    (d->info.element != CVY_U8 && d->info.element != CVY_F32)))
        status = errors_add(e, CVY_ERR_PLUGIN, at, NULL, "open declared samples that cannot be");
    if (!status) status = data_split(d, &h);
    errors_pop(e);
    if (!status) status = data_chain(d, at, e);
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

int64_t data_scratch(const data *d)
{
    return 3 * data_largest(d); /* two sides of the chain, and the bytes as read */
}

/* The sample as read, on [0, 1] if it is of bytes. */
static cvy_status data_raw(const data *d, data_part part, int64_t i, float *x, void *bytes, int32_t *label,
                           const host *h)
{
    int64_t count = cvy_count(&d->info.sample);
    cvy_dataset_read r = {.host = &h->face,
                          .split = part == DATA_TEST ? CVY_TEST : CVY_TRAIN,
                          .index = d->index[part][i],
                          .pixels = d->info.element == CVY_U8 ? bytes : x};
    size_t before = errors_count(h->e);
    if (d->type->read(&r, d->config, d->opened)) {
        if (errors_count(h->e) == before) cvy_fail(&r, "reading sample %lld failed", (long long)r.index);
        return errors_status(h->e);
    }
    if (d->info.element == CVY_U8) {
        const uint8_t *b = bytes;
        for (int64_t k = 0; k < count; k++) x[k] = (float)b[k] * (1.0f / 255.0f);
    }
    *label = r.label;
    return CVY_OK;
}

cvy_status data_read(const data *d, data_part part, int64_t i, int32_t epoch, float *x, int32_t *label, float *scratch,
                     errors *e)
{
    int64_t most = data_largest(d);
    float *side[2] = {scratch, scratch + most};
    bool train = part == DATA_TRAIN;
    size_t applied = 0, todo = 0;
    for (size_t k = 0; k < d->settings->augment.n; k++) {
        const cvy_augment *type = d->settings->augment.v[k].plugin->type;
        todo += train || (type->traits & CVY_AUGMENT_ALWAYS);
    }
    host h = host_make(e, CVY_ERR_RUN, NULL, d->seed, NULL);
    cvy_status status = data_raw(d, part, i, todo ? side[0] : x, scratch + 2 * most, label, &h);
    for (size_t k = 0; k < d->settings->augment.n && !status; k++) {
        const cvy_child *step = &d->settings->augment.v[k];
        const cvy_augment *type = step->plugin->type;
        if (!train && !(type->traits & CVY_AUGMENT_ALWAYS)) continue;
        /* The list position is part of the name, so that two steps of one kind draw differently. */
        char position[24] = {(char)('a' + (char)(k % 26)), 0};
        h.name = position;
        cvy_random random =
            h.face.random(&h.face, "augment", (uint64_t)d->index[part][i], (uint32_t)epoch * 3 + (uint32_t)part);
        cvy_augment_call call = {.host = &h.face,
                                 .train = train,
                                 .epoch = epoch,
                                 .sample = d->index[part][i],
                                 .in = &d->shapes[k],
                                 .out = &d->shapes[k + 1],
                                 .x = side[applied % 2],
                                 .y = applied + 1 == todo ? x : side[(applied + 1) % 2],
                                 .random = &random,
                                 .stats = d->stats.mean ? &d->stats : NULL};
        size_t before = errors_count(e);
        if (type->apply(&call, step->config)) {
            if (errors_count(e) == before) cvy_fail(&call, "augmentation failed without saying why");
            status = errors_status(e);
        }
        applied++;
    }
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
    host h = host_make(&j->e[thread], CVY_ERR_CONFIG, NULL, d->seed, NULL);
    for (int64_t i = begin; i < end && !errors_count(&j->e[thread]); i++) {
        int32_t label;
        if (data_raw(d, DATA_TRAIN, i, x, x + channels * plane, &label, &h)) break;
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
        wanted = wanted || (((const cvy_augment *)d->settings->augment.v[k].plugin->type)->traits & CVY_AUGMENT_STATS);
    if (!wanted || d->stats.mean) return CVY_OK;
    int64_t n = d->n[DATA_TRAIN], channels = d->info.sample.dim[0], plane = cvy_count(&d->info.sample) / channels;
    int threads = parallel_threads();
    statistics_job j = {.d = d, .m = mem_try((size_t)(n * channels), sizeof(moments)), .e = mem_array((size_t)threads, sizeof(errors))};
    if (!j.m) {
        mem_free(j.e);
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the statistics of %lld samples", (long long)n);
    }
    parallel_for(n, 1, data_moments, &j);
    for (int t = 0; t < threads; t++) errors_move(e, &j.e[t]);
    float *mean = arena_array(&d->memory, (size_t)channels, sizeof *mean);
    float *std = arena_array(&d->memory, (size_t)channels, sizeof *std);
    for (int64_t c = 0; c < channels; c++) {
        moments all = {0, 0};
        for (int64_t i = 0; i < n; i++) {
            const moments *m = &j.m[i * channels + c];
            double delta = m->mean - all.mean, before = (double)i * (double)plane, total = before + (double)plane;
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
