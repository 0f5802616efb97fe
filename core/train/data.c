/* Opens a dataset, splits it and reads its samples through the augmentation chain. Must not know batches. */
#include "train/data.h"

#include <math.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "convoy/augment.h"
#include "convoy/dataset.h"
#include "train/blame.h"
#include "train/sizes.h"
#include "train/data_card.h"
#include "train/steps.h"

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

static host data_host(const data *d, errors *own)
{
    return host_make(own, CVY_ERR_CONFIG, &d->at, d->seed, NULL);
}

/* One sample as the plugin has it; with pixels and target NULL only its label and shape. `h`: data_host() of a list of
 * messages that is empty. */
static cvy_status data_fetch_by(const data *d, host *h, cvy_split split, int64_t i, void *pixels,
                                cvy_shape *shape, int32_t *label, float *target, errors *e)
{
    static const char *const names[] = {"training", "test"};
    errors *own = h->e;
    if (d->info.targets < 1) target = NULL;
    cvy_dataset_read r = {.host = &h->face, .split = split, .index = i, .pixels = pixels, .target = target};
    if (d->type->read(&r, d->config, d->opened) && !errors_count(own))
        cvy_fail(&r, "read failed without saying why");
    r.target = target;
    if (!errors_count(own)) data_check_answer(d, &r);
    if (!errors_count(own) && d->info.varied) sizes_check(d, &r);
    if (errors_count(own))
        return blame(own, e, "dataset (%s): %s sample %lld", d->plugin->name, names[split], (long long)i);
    *label = d->info.classes > 0 ? r.label : 0;
    *shape = d->info.varied ? r.shape : d->info.sample;
    return CVY_OK;
}

static cvy_status data_fetch(const data *d, cvy_split split, int64_t i, void *pixels, cvy_shape *shape,
                             int32_t *label, float *target, errors *e)
{
    errors own = {0};
    host h = data_host(d, &own);
    return data_fetch_by(d, &h, split, i, pixels, shape, label, target, e);
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
static void data_choose(const data *d, uint64_t seed, const int32_t *labels, int64_t n, int64_t want,
                        const char *purpose, char *chosen, char mark)
{
    int classes = d->info.classes > 0 ? d->info.classes : 1;
    int64_t *start = mem_array((size_t)classes + 1, sizeof *start),
            *take = mem_array((size_t)classes, sizeof *take);
    int64_t *members = mem_array((size_t)n + 1, sizeof *members);
    int64_t n_free = data_group(labels, chosen, n, classes, start, members);
    data_shares(start, classes, n_free, want < n_free ? want : n_free, take);
    for (int c = 0; c < classes; c++) {
        int64_t *of = members + start[c], m = start[c + 1] - start[c];
        philox_stream s = philox_open(philox_key_of(seed, "split", purpose), (uint64_t)c, 0);
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

/* The fold of `folds` stratified parts: every class is shuffled, and what comes of it is dealt out like cards, class after
 * class. So every sample is in one part, parts differ by one sample at most, in each class as well, and which part is asked
 * for moves nothing. */
static void data_deal(const data *d, const int32_t *labels, int64_t n, char *chosen, char mark)
{
    const int classes = d->info.classes > 0 ? d->info.classes : 1;
    const int64_t folds = d->settings->folds;
    int64_t *start = mem_array((size_t)classes + 1, sizeof *start),
            *members = mem_array((size_t)n + 1, sizeof *members);
    int64_t dealt = 0;
    data_group(labels, chosen, n, classes, start, members);
    for (int c = 0; c < classes; c++) {
        int64_t *of = members + start[c], m = start[c + 1] - start[c];
        philox_stream s = philox_open(philox_key_of(d->seed, "split", "folds"), (uint64_t)c, 0);
        for (int64_t k = 0; k < m; k++, dealt++) {
            int64_t j = k + (int64_t)philox_below(&s, (uint32_t)(m - k)), swap = of[k];
            of[k] = of[j];
            of[j] = swap;
            if (dealt % folds == d->settings->fold - 1) chosen[of[k]] = mark;
        }
    }
    mem_free(start);
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
    if (d->settings->folds > n)
        return errors_add(e, CVY_ERR_CONFIG, &d->at, "write fewer folds",
                          "folds: %lld of %lld training samples", (long long)d->settings->folds,
                          (long long)n);
    if (v >= 1 && v != floor(v))
        return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL,
                          "validation: %g is neither a share below 1 nor a number of samples", v);
    *held = v < 1 ? (int64_t)llround(v * (double)n) : (int64_t)v;
    if (*held < n) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, &d->at, "give validation a smaller number, or a share below 1",
                      "validation: %lld of %lld training samples leaves none to train on", (long long)*held,
                      (long long)n);
}

static cvy_status data_labels(data *d, cvy_split split, int32_t *labels, errors *e)
{
    cvy_shape shape;
    cvy_status status = sizes_expect(d, split, e);
    errors own = {0};
    host h = data_host(d, &own); /* one for all: there may be millions */
    for (int64_t i = 0; i < d->info.n[split] && !status; i++) {
        status = data_fetch_by(d, &h, split, i, NULL, &shape, &labels[i], NULL, e);
        if (!status) sizes_note(d, split, i, &shape);
    }
    return status;
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
    if (!status) status = data_labels(d, CVY_TRAIN, labels, e);
    if (!status) {
        if (s->folds)
            data_deal(d, labels, n, chosen, VALIDATION);
        else
            data_choose(d, d->seed, labels, n, held, "validation", chosen, VALIDATION);
        data_collect(d, DATA_VALIDATION, chosen, n, VALIDATION);
        data_choose(d, d->seed, labels, n, s->train_limit > 0 ? s->train_limit : n, "train_limit", chosen,
                    KEPT);
        data_collect(d, DATA_TRAIN, chosen, n, KEPT);
        memset(chosen, FREE, (size_t)longest);
    }
    if (!status) status = data_labels(d, CVY_TEST, labels, e);
    if (!status) {
        /* The same for every seed, so that repeats are measured on the same samples. */
        data_choose(d, 0, labels, n_test, s->test_limit > 0 ? s->test_limit : n_test, "test_limit", chosen,
                    KEPT);
        data_collect(d, DATA_TEST, chosen, n_test, KEPT);
    }
    mem_free(labels);
    mem_free(chosen);
    return status;
}

/* ---- opening ---- */

static cvy_status data_check(const data *d, errors *e)
{
    const cvy_dataset_info *i = &d->info;
    const cvy_shape *most = &i->sample;
    if (!sizes_can_be(most) || i->classes < 0 || i->n[CVY_TRAIN] < 0 || i->n[CVY_TEST] < 0 ||
        i->targets < 0 || (i->element != CVY_U8 && i->element != CVY_F32))
        return errors_add(e, CVY_ERR_PLUGIN, &d->at, NULL, "open declared samples that cannot be");
    if (i->classes > 0 && i->targets > 0)
        return errors_add(e, CVY_ERR_PLUGIN, &d->at, NULL,
                          "open declared %d classes and %d targets: one is to be 0", (int)i->classes,
                          (int)i->targets);
    if (i->varied &&
        (most->rank < 2 || most->dim[most->rank - 2] > UINT32_MAX || most->dim[most->rank - 1] > UINT32_MAX))
        return errors_add(e, CVY_ERR_PLUGIN, &d->at, NULL,
                          "open declared samples of different heights and widths that cannot be");
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
    steps_list(d);
    return sizes_settle(d, e);
}

data *data_open(const cvy_descriptor *plugin, const void *config, const data_settings *settings,
                uint64_t seed, const char *base_dir, const place *at, errors *e)
{
    data *d = mem_alloc(sizeof *d);
    *d = (data){.plugin = plugin, .type = plugin->type, .config = config, .settings = settings, .seed = seed};
    d->at = at ? *at : PLACE_NONE;
    char *user = path_user_data(), *cache = path_user_cache();
    host h = host_make(e, CVY_ERR_CONFIG, at, seed, NULL);
    cvy_dataset_open o = {
        .host = &h.face, .base_dir = base_dir, .data_dir = user, .seed = seed, .cache_dir = cache};
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
    mem_free(cache);
    if (!status) return d;
    data_close(d);
    return NULL;
}

/* The names and statistics stay the card's. */
data *data_recall(const cvy_descriptor *plugin, const void *config, const data_settings *settings,
                  uint64_t seed, const data_card *card, const place *at, errors *e)
{
    data *d = mem_alloc(sizeof *d);
    *d = (data){.plugin = plugin, .type = plugin->type, .config = config, .settings = settings, .seed = seed};
    d->at = at ? *at : PLACE_NONE;
    d->info = card->info;
    memcpy(d->n, card->n, sizeof d->n);
    d->info.n[CVY_TRAIN] = d->n[DATA_TRAIN] + d->n[DATA_VALIDATION];
    d->info.n[CVY_TEST] = d->n[DATA_TEST];
    d->stats = card->stats;
    errors_push(e, "dataset (%s)", plugin->name);
    cvy_status status = data_check(d, e);
    errors_pop(e);
    if (!status) status = data_chain(d, e);
    if (!status) return d;
    data_close(d);
    return NULL;
}

void data_close(data *d)
{
    if (!d) return;
    if (d->opened) d->type->close(d->opened);
    for (int p = 0; p < DATA_PARTS; p++) mem_free(d->index[p]);
    steps_release(d);
    sizes_free(d);
    arena a = d->memory;
    arena_free(&a);
    mem_free(d);
}

/* ---- reading ---- */

int32_t data_target(const data *d)
{
    if (d->settings->target == TARGET_LABEL && d->info.targets > 0) return TARGET_NUMBERS;
    return d->settings->target;
}

int64_t data_target_floats(const data *d)
{
    return steps_mix_classes(d) ? d->info.classes : d->info.targets;
}

/* Two sides of the chain and the bytes as read, once more for each partner that is read on the way to a partner. */
int64_t data_scratch(const data *d)
{
    return 3 * d->largest + (int64_t)d->mixes * (4 * d->largest + data_target_floats(d));
}

static cvy_split data_split_of(data_part part)
{
    return part == DATA_TEST ? CVY_TEST : CVY_TRAIN;
}

static cvy_status data_changed(const data *d, cvy_split split, int64_t i, const cvy_shape *before,
                               const cvy_shape *now, errors *e)
{
    text was = {0}, is = {0};
    sizes_text(before, &was);
    sizes_text(now, &is);
    cvy_status status = errors_add(
        e, CVY_ERR_CONFIG, &d->at, "leave the files of a dataset alone while it is in use",
        "dataset (%s): %s sample %lld was %s when the dataset was opened, and is %s now", d->plugin->name,
        split == CVY_TEST ? "test" : "training", (long long)i, text_str(&was), text_str(&is));
    text_free(&was);
    text_free(&is);
    return status;
}

/* The sample as read, on [0, 1] if it is of bytes. `raw` is room for the largest: what comes may be another than what was
 * announced, as files change. */
static cvy_status data_raw(const data *d, data_part part, int64_t i, float *x, void *raw, int32_t *label,
                           float *target, errors *e)
{
    const cvy_split split = data_split_of(part);
    const int64_t at = d->index[part][i];
    const cvy_shape *announced = &sizes_of(d, split, at)->shapes[DATA_AS_EVALUATION][0];
    const bool scaled = d->info.element == CVY_U8;
    cvy_shape shape;
    cvy_status status =
        data_fetch(d, split, at, scaled || d->info.varied ? raw : x, &shape, label, target, e);
    if (!status && !sizes_same(&shape, announced)) return data_changed(d, split, at, announced, &shape, e);
    const int64_t count = cvy_count(announced);
    const uint8_t *b = raw;
    for (int64_t k = 0; k < count && scaled && !status; k++) x[k] = (float)b[k] * (1.0f / 255.0f);
    if (!status && !scaled && d->info.varied) memcpy(x, raw, (size_t)count * sizeof *x);
    return status;
}

/* `shapes`: of the sample, before each step and after the last. */
static cvy_status data_augment(const data *d, size_t k, const data_way *way, const cvy_shape *shapes,
                               int64_t sample, const float *x, float *y, const float *partner, float *share,
                               errors *e)
{
    const data_step *step = &d->steps[k];
    errors own = {0};
    /* The list position is part of the name, so that two steps of one kind draw differently. */
    host h = host_make(&own, CVY_ERR_CONFIG, &d->at, d->seed, step->position);
    cvy_random random =
        host_random_of(step->key, (uint64_t)sample, (uint32_t)way->epoch * 3 + (uint32_t)way->part);
    cvy_augment_call call = {.host = &h.face,
                             .train = way->how == DATA_AS_TRAINING || (step->when & STEP_IN_COPIES_ALONE),
                             .epoch = way->epoch,
                             .sample = sample,
                             .in = &shapes[k],
                             .out = &shapes[k + 1],
                             .x = x,
                             .y = y,
                             .random = &random,
                             .stats = d->stats.mean ? &d->stats : NULL,
                             .partner = partner,
                             .share = 1,
                             .state = step->state};
    if (((const cvy_augment *)step->child->plugin->type)->apply(&call, step->child->config) &&
        !errors_count(&own))
        cvy_fail(&call, "apply failed without saying why");
    *share = call.share;
    if (!errors_count(&own) && !(call.share >= 0 && call.share <= 1))
        cvy_fail(&call, "apply gave the share %g of the sample, expected 0 to 1", (double)call.share);
    if (!errors_count(&own)) return CVY_OK;
    return blame(&own, e, "%s (%s): sample %lld", step->path, step->child->plugin->name, (long long)sample);
}

/* A step that mixes: the partner comes through the steps before, and the target is mixed as the image was. */
static cvy_status data_mix(const data *d, size_t k, const data_way *way, const cvy_shape *shapes, int64_t i,
                           const float *x, float *y, float *target, float *scratch, errors *e)
{
    const int64_t most = d->largest;
    data_way there = *way;
    there.end = k;
    float *partner = scratch, *its_target = scratch + most, share = 1;
    int32_t its_label;
    int64_t j = steps_partner(d, k, way->epoch, i);
    cvy_status status = data_read_way(d, &there, j, partner, &its_label, target ? its_target : NULL,
                                      its_target + data_target_floats(d), e);
    if (!status) status = data_augment(d, k, way, shapes, d->index[DATA_TRAIN][i], x, y, partner, &share, e);
    if (!status && target) steps_mix_targets(target, its_target, data_target_floats(d), share);
    return status;
}

cvy_status data_read_way(const data *d, const data_way *way, int64_t i, float *x, int32_t *label,
                         float *target, float *scratch, errors *e)
{
    const int64_t most = d->largest;
    float *side[2] = {scratch, scratch + most}, *rest = scratch + 3 * most, share;
    const cvy_shape *shapes = sizes_of(d, data_split_of(way->part), d->index[way->part][i])->shapes[way->how];
    size_t applied = 0, todo = 0;
    for (size_t k = 0; k < way->end; k++) todo += steps_apply(d, k, way->how);
    cvy_status status = data_raw(d, way->part, i, todo ? side[0] : x, scratch + 2 * most, label, target, e);
    const bool train = way->how == DATA_AS_TRAINING;
    if (!status && train && target) steps_first_target(d, *label, target);
    for (size_t k = 0; k < way->end && !status; k++) {
        if (!steps_apply(d, k, way->how)) continue;
        const float *from = side[applied % 2];
        applied++;
        float *to = applied == todo ? x : side[applied % 2];
        if (train && (d->steps[k].traits & CVY_AUGMENT_MIX))
            status = data_mix(d, k, way, shapes, i, from, to, target, rest, e);
        else
            status = data_augment(d, k, way, shapes, d->index[way->part][i], from, to, NULL, &share, e);
    }
    if (!status && train && target) steps_last_label(d, target, label);
    return status;
}

cvy_status data_read(const data *d, data_part part, int64_t i, int32_t epoch, float *x, int32_t *label,
                     float *target, float *scratch, errors *e)
{
    const data_way way = {.part = part,
                          .how = part == DATA_TRAIN                              ? DATA_AS_TRAINING
                                 : part == DATA_TEST && d->settings->eval.copies ? DATA_AS_COPY
                                                                                 : DATA_AS_EVALUATION,
                          .epoch = epoch,
                          .end = d->n_steps};
    return data_read_way(d, &way, i, x, label, target, scratch, e);
}

/* ---- pictures from elsewhere ---- */

data_how data_how_tested(const data *d)
{
    return d->settings->eval.copies ? DATA_AS_COPY : DATA_AS_EVALUATION;
}

cvy_status data_finish(const data *d, int64_t number, int32_t copy, const cvy_shape *shapes, float *x,
                       float *other, float **y, errors *e)
{
    const data_way way = {.part = DATA_TEST, .how = data_how_tested(d), .epoch = copy, .end = d->n_steps};
    float *side[2] = {x, other}, share;
    int now = 0;
    cvy_status status = CVY_OK;
    for (size_t k = 0; k < way.end && !status; k++) {
        if (!steps_apply(d, k, way.how)) continue;
        status = data_augment(d, k, &way, shapes, number, side[now], side[!now], NULL, &share, e);
        now = !now;
    }
    *y = side[now];
    return status;
}

/* ---- for evaluation ---- */

void data_validate_on_training(data *d)
{
    mem_free(d->index[DATA_VALIDATION]);
    d->n[DATA_VALIDATION] = d->n[DATA_TRAIN];
    d->index[DATA_VALIDATION] = mem_copy(d->index[DATA_TRAIN], (size_t)d->n[DATA_TRAIN] * sizeof(int64_t));
    sizes_count(d);
}

cvy_status data_checksum(const data *d, data_part part, uint32_t *crc, errors *e)
{
    const size_t element = d->info.element == CVY_U8 ? 1 : sizeof(float);
    void *pixels = mem_try((size_t)cvy_count(&d->info.sample), element);
    float *target = mem_array((size_t)d->info.targets + 1, sizeof *target);
    if (!pixels) mem_free(target);
    if (!pixels) return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a sample");
    cvy_status status = CVY_OK;
    *crc = 0;
    for (int64_t i = 0; i < d->n[part] && !status; i++) {
        int32_t label = 0;
        cvy_shape shape;
        status = data_fetch(d, data_split_of(part), d->index[part][i], pixels, &shape, &label, target, e);
        if (status) break;
        *crc = crc32c(crc32c(*crc, pixels, (size_t)cvy_count(&shape) * element), &label, sizeof label);
        if (d->info.varied) *crc = crc32c(*crc, shape.dim, sizeof shape.dim);
        *crc = crc32c(*crc, target, (size_t)d->info.targets * sizeof *target);
    }
    mem_free(target);
    mem_free(pixels);
    return status;
}
