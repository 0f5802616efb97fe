/* Drives steps, validations and checkpoints through the epochs. Must not know SQL, processes or other runs. */
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/file.h"
#include "device/buffer.h"
#include "journal/record.h"
#include "train/checkpoint.h"
#include "train/data_card.h"
#include "train/logged.h"
#include "train/lr_range.h"
#include "train/schedule.h"
#include "train/stepper.h"
#include "train/tensor_stats.h"
#include "train/units.h"

typedef struct trainer {
    const setup *s;
    const trainer_options *o;
    stepper w;
    bool opened; /* w is to be closed */
    best_copy best;
    journal *journal;
    progress_point at;
    bool unsaved;                              /* the position is past the last checkpoint */
    double begun, checkpointed, epoch_started; /* monotonic seconds */
    bool settled;                              /* the run's own description is on the disk */
    bool afresh;          /* there was no checkpoint: none can be lost by one that comes too late */
    int64_t epoch_images; /* trained in this process in this epoch */
    errors *e;
} trainer;

static double trainer_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- making ready ---- */

static cvy_status trainer_open(trainer *t)
{
    const net *n = t->s->net;
    t->opened = true;
    cvy_status status = stepper_open(&t->w, t->s, t->e);
    if (status) return status;
    t->best.weights = buffer_new((size_t)(n->weight_floats + 1) * sizeof(float), t->e);
    t->best.buffers = buffer_new((size_t)(n->buffer_floats + 1) * sizeof(float), t->e);
    return t->best.weights && t->best.buffers ? CVY_OK : CVY_ERR_RESOURCE;
}

static void trainer_close(trainer *t)
{
    if (t->opened) {
        stepper_close(&t->w);
        buffer_free(t->best.weights, (size_t)(t->s->net->weight_floats + 1) * sizeof(float));
        buffer_free(t->best.buffers, (size_t)(t->s->net->buffer_floats + 1) * sizeof(float));
    }
    journal_close(t->journal);
}

/* {"stem conv": "onednn c16 -> c16", ...}: which kernels ran, for the record. */
static cvy_status trainer_record_kernels(trainer *t)
{
    json_writer w = {0};
    json_open(&w, '{');
    for (size_t i = 0; i < plan_steps(t->w.full); i++) {
        plan_step_info info = plan_step(t->w.full, i);
        char *key = mem_printf("%03zu %s %s", i, info.path, info.op);
        const bool named = !info.algorithm[0] || strcmp(info.algorithm, info.kernel) == 0;
        char *choice =
            mem_printf("%s%s%s %s", info.kernel, named ? "" : " ", named ? "" : info.algorithm, info.layouts);
        json_put_text(&w, key, choice);
        mem_free(key);
        mem_free(choice);
    }
    json_close(&w, '}');
    cvy_status status = record_kernels(t->journal, text_str(&w.out), t->e);
    text_free(&w.out);
    return status;
}

/* ---- checkpoints ---- */

/* A step may leave weights that are not finite behind, and the next one is the first to stumble over them. They replace no good
 * checkpoint, and are no best ones. */
static cvy_status trainer_check_finite(const trainer *t, int64_t epoch)
{
    const step_at at = {.step = t->at.step, .epoch = epoch};
    return stepper_check_finite(&t->w, &at, t->e);
}

/* The folder was made without waiting for the disk: nothing is lost with it before there is a checkpoint. */
static cvy_status trainer_settle(trainer *t)
{
    static const char *const files[] = {"spec.yaml", "run.json"};
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < 2 && !status && !t->settled; i++) {
        char *path = path_join(t->o->dir, files[i]);
        status = file_sync(path, t->e);
        mem_free(path);
    }
    char *results = path_dir(t->o->dir);
    if (!status && !t->settled) status = file_sync_dir(t->o->dir, t->e);
    if (!status && !t->settled) status = file_sync_dir(results, t->e);
    mem_free(results);
    t->settled = !status;
    return status;
}

/* Records first, durable, then the checkpoint that makes them count. */
static cvy_status trainer_checkpoint(trainer *t)
{
    cvy_status status = trainer_check_finite(t, t->at.batch || !t->at.epoch ? t->at.epoch : t->at.epoch - 1);
    t->at.unsynced = t->o->grouped && t->afresh && trainer_now() - t->begun < TRAINER_YOUNG;
    if (!status && !t->at.unsynced) status = trainer_settle(t);
    if (!status && !t->at.unsynced) status = journal_sync(t->journal, t->e);
    if (!status && t->at.finished)
        status = checkpoint_write_best(t->o->dir, t->s->net, &t->best, &t->at, t->e);
    if (!status)
        status = checkpoint_write_last(t->o->dir, t->w.state, &t->w.optimizer, &t->best, &t->at,
                                       t->o->config_hash, t->e);
    t->checkpointed = trainer_now();
    t->unsaved = status != CVY_OK;
    return status;
}

/* What stays once the run is finished. */
static int32_t trainer_keeps(const trainer *t)
{
    const int32_t keep = t->s->train.keep;
    return keep != KEEP_AUTO ? keep : t->o->one_of_many ? KEEP_WEIGHTS : KEEP_ALL;
}

static bool trainer_checkpoint_due(const trainer *t)
{
    return t->unsaved && trainer_now() - t->checkpointed > (double)t->s->train.checkpoint_seconds;
}

/* Whether what is selected is averaged weights. */
static bool trainer_selects_average(const trainer *t)
{
    return t->s->train.select == SELECT_BEST_AVERAGE;
}

static void trainer_keep_best(trainer *t)
{
    if (trainer_selects_average(t)) optimizer_exchange_average(&t->w.optimizer);
    memcpy(t->best.weights, t->w.state->weights, (size_t)t->s->net->weight_floats * sizeof(float));
    memcpy(t->best.buffers, t->w.state->buffers, (size_t)t->s->net->buffer_floats * sizeof(float));
    if (trainer_selects_average(t)) optimizer_exchange_average(&t->w.optimizer);
}

static void trainer_swap(float *a, float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float x = a[i];
        a[i] = b[i];
        b[i] = x;
    }
}

/* The best weights come to where the plans look for them, and the last ones to where the best were; or back. */
static void trainer_exchange_best(trainer *t)
{
    trainer_swap(t->w.state->weights, t->best.weights, t->s->net->weight_floats);
    trainer_swap(t->w.state->buffers, t->best.buffers, t->s->net->buffer_floats);
    t->w.state->version++;
}

static bool trainer_asked_to_stop(const trainer *t)
{
    return t->o->stop && t->o->stop(t->o->ctx);
}

/* ---- steps and epochs ---- */

/* With what plugins logged during the step. */
static cvy_status trainer_log_step(trainer *t, double loss, double lr)
{
    metric m[2 + STEP_LOG_MOST] = {{"train_loss", loss}, {"lr", lr}};
    for (size_t i = 0; i < t->w.log.n; i++)
        m[2 + i] = (metric){t->w.log.items[i].name, step_log_value(&t->w.log, i)};
    return record_metrics(t->journal, "step", t->at.step, t->at.epoch, m, 2 + t->w.log.n, t->e);
}

static cvy_status trainer_log_histogram(trainer *t, const net_tensor *w, const char *of, const float *v)
{
    int64_t counts[TENSOR_BUCKETS];
    const tensor_stats s = tensor_stats_of(v, w->count);
    tensor_histogram(v, w->count, &s, counts);
    const record_histogram_of h = {.tensor = w->name,
                                   .of = of,
                                   .low = s.low,
                                   .high = s.high,
                                   .mean = s.mean,
                                   .sd = s.sd,
                                   .counts = counts,
                                   .n = TENSOR_BUCKETS};
    return record_histogram(t->journal, t->at.step, t->at.epoch + 1, &h, t->e);
}

/* With the epoch's last step and not with its validation: a run that is resumed in between has no gradient any more. */
static cvy_status trainer_log_histograms(trainer *t)
{
    const int64_t every = t->s->train.histograms;
    const net *n = t->s->net;
    cvy_status status = CVY_OK;
    if (every < 1 || t->at.batch < t->s->steps_per_epoch || (t->at.epoch + 1) % every != 0) return CVY_OK;
    for (size_t i = 0; i < n->n_weights && !status; i++) {
        const net_tensor *w = &n->weights[i];
        status = trainer_log_histogram(t, w, "weights", t->w.state->weights + w->offset);
        if (!status && !w->frozen)
            status = trainer_log_histogram(t, w, "gradient", t->w.state->gradients + w->offset);
    }
    return status;
}

/* One update, of as many batches as it takes. Nothing stops in between: what is in the gradients then is in no
 * checkpoint. */
static cvy_status trainer_step(trainer *t)
{
    const setup *s = t->s;
    const int64_t every = s->train.log_every, most = s->gather;
    const int64_t left = s->batches_per_epoch - t->at.batch * most, n = left < most ? left : most;
    step_at at = {.step = t->at.step,
                  .epoch = t->at.epoch,
                  .logged = every > 0 && (t->at.step + 1) % every == 0,
                  .schedule = &t->at.schedule};
    step_result r = {0};
    for (int64_t i = 0; i < n; i++) {
        const batch *b = loader_next(t->w.loader, t->e);
        if (!b) return errors_status(t->e);
        at.more = i + 1 < n;
        cvy_status status = stepper_step(&t->w, b, &at, &t->at.sums, &r, t->e);
        if (status) return status;
        t->epoch_images += b->n;
    }
    t->at.step++;
    t->at.batch++;
    t->unsaved = true;
    cvy_status logged = trainer_log_histograms(t);
    return at.logged && !logged ? trainer_log_step(t, r.loss, r.lr) : logged;
}

/* CVY_STOPPED when asked to stop before the end: then *m says nothing, and the evaluation is to be done again. */
static cvy_status trainer_evaluate(trainer *t, data_part part, metrics *m)
{
    const step_at at = {.step = t->at.step, .epoch = t->at.epoch};
    return stepper_evaluate(&t->w, part, &at, t->o->stop, t->o->ctx, m, t->e);
}

/* A family's figures of sums; returns how many metrics. */
static size_t trainer_metrics(const trainer *t, logged_family family, const metrics *m,
                              metric out[LOGGED_FIGURES])
{
    const char *const *names;
    const size_t count = logged_figures(t->s, family, &names);
    const double n = m->samples > 0 ? (double)m->samples : 1;
    const double values[LOGGED_FIGURES] = {metrics_loss(m), (double)m->top1 / n, (double)m->top5 / n};
    for (size_t i = 0; i < count; i++) out[i] = (metric){names[i], values[i]};
    return count;
}

static cvy_status trainer_measured(trainer *t)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double seconds = trainer_now() - t->epoch_started;
    metric m[] = {{"seconds", seconds},
                  {"rss_bytes", (double)usage.ru_maxrss * 1024},
                  {"images_per_second", seconds > 0 ? (double)t->epoch_images / seconds : 0}};
    /* An attempt that resumed behind the epoch's last step measured no training. */
    return record_metrics(t->journal, NULL, t->at.step, t->at.epoch, m, t->epoch_images > 0 ? 3 : 2, t->e);
}

/* The weights that the optimizer keeps beside the raw ones, with the raw ones' buffers. */
static cvy_status trainer_evaluate_average(trainer *t, data_part part, logged_family family, metrics *v,
                                           metric *m, size_t *n)
{
    optimizer_exchange_average(&t->w.optimizer);
    cvy_status status = trainer_evaluate(t, part, v);
    optimizer_exchange_average(&t->w.optimizer);
    if (!status) *n += trainer_metrics(t, family, v, m + *n);
    return status;
}

/* Whether an epoch's weights are better than the best so far; *reached is what they came to: accuracy, or the loss where
 * there is none. */
static bool trainer_better(const trainer *t, const metrics *v, double *reached)
{
    *reached = t->s->accuracy ? (double)v->top1 / (double)v->samples : metrics_loss(v);
    return t->at.best_epoch == 0 || t->s->train.select == SELECT_LAST ||
           (t->s->accuracy ? *reached > t->at.best_value : *reached < t->at.best_value);
}

static double trainer_watched(int32_t watched, const metric *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(m[i].name, patience_metrics[watched]) == 0) return m[i].value;
    return (double)NAN;
}

/* The schedule and early stopping look at the epoch's metrics. */
static void trainer_look(trainer *t, const metric *m, size_t n)
{
    const setup *s = t->s;
    const cvy_child *schedule = &s->train.lr_schedule;
    int32_t watched = schedule_watches(schedule);
    if (watched >= 0) schedule_see(schedule, &t->at.schedule, trainer_watched(watched, m, n));
    if (!s->stops_early) return;
    const stopping_settings *stop = &s->stopping;
    patience_see(&t->at.stopping, trainer_watched(stop->metric, m, n), patience_maximizes(stop->metric),
                 stop->min_delta);
    t->at.stopped = t->at.stopping.waited >= stop->patience;
}

static cvy_status trainer_note_stop(trainer *t)
{
    const stopping_settings *s = &t->s->stopping;
    char *what = mem_printf("after epoch %" PRId64 " of %" PRId64 ": %s was not better than %.6g for %" PRId64
                            " epoch%s",
                            t->at.epoch, t->s->train.epochs, patience_metrics[s->metric], t->at.stopping.best,
                            t->at.stopping.waited, t->at.stopping.waited == 1 ? "" : "s");
    cvy_status status = record_event(t->journal, "early_stop", what, t->e);
    mem_free(what);
    return status;
}

/* Validates, and only then moves on to the next epoch: a stop in between leaves a position from which the validation is
 * done again. */
static cvy_status trainer_end_epoch(trainer *t)
{
    metric m[3 * LOGGED_FIGURES + 1]; /* of training, of validation with and without averages; the rate */
    const setup *s = t->s;
    cvy_status finite = trainer_check_finite(t, t->at.epoch);
    if (finite) return finite;
    size_t n = trainer_metrics(t, LOGGED_TRAIN, &t->at.sums, m);
    double seconds = trainer_now() - t->epoch_started; /* training alone */
    double factor = schedule_factor(&s->train.lr_schedule, t->at.step - 1, s->steps_per_epoch,
                                    s->train.epochs, &t->at.schedule);
    m[n++] = (metric){"lr", optimizer_lr(&t->w.optimizer) * factor};
    bool better = true;
    double reached = t->at.best_value; /* accuracy, or the loss where there is none */
    if (s->data->n[DATA_VALIDATION] > 0) {
        metrics v;
        cvy_status status = trainer_evaluate(t, DATA_VALIDATION, &v);
        if (status) return status;
        n += trainer_metrics(t, LOGGED_VAL, &v, m + n);
        if (optimizer_averages(&t->w.optimizer)) {
            metrics average;
            status = trainer_evaluate_average(t, DATA_VALIDATION, LOGGED_VAL_AVERAGE, &average, m, &n);
            if (status) return status;
            if (trainer_selects_average(t)) v = average;
        }
        better = trainer_better(t, &v, &reached);
    }
    t->at.epoch++;
    t->at.batch = 0;
    t->at.sums = (metrics){0};
    t->unsaved = true;
    if (better) {
        t->at.best_epoch = t->at.epoch;
        t->at.best_value = reached;
        trainer_keep_best(t);
    }
    trainer_look(t, m, n);
    cvy_status status = record_metrics(t->journal, "epoch", t->at.step, t->at.epoch, m, n, t->e);
    t->epoch_started = trainer_now() - seconds;
    if (!status) status = trainer_measured(t);
    return status || !t->at.stopped ? status : trainer_note_stop(t);
}

static cvy_status trainer_epoch(trainer *t)
{
    const setup *s = t->s;
    t->epoch_started = trainer_now();
    t->epoch_images = 0;
    loader_start(t->w.loader, DATA_TRAIN, (int32_t)t->at.epoch, s->batch, t->at.batch * s->gather);
    while (t->at.batch < s->steps_per_epoch) {
        cvy_status status = trainer_step(t);
        if (status) return status;
        if (trainer_asked_to_stop(t)) return CVY_STOPPED;
        if (trainer_checkpoint_due(t)) status = trainer_checkpoint(t);
        if (status) return status;
    }
    return trainer_end_epoch(t);
}

static cvy_status trainer_epochs(trainer *t)
{
    const setup *s = t->s;
    while (t->at.epoch < s->train.epochs && !t->at.stopped) {
        if (t->o->until_epoch > 0 && t->at.epoch >= t->o->until_epoch) return CVY_STOPPED;
        cvy_status status = trainer_epoch(t);
        if (status) return status;
        if (trainer_asked_to_stop(t)) return CVY_STOPPED;
        if (trainer_checkpoint_due(t)) status = trainer_checkpoint(t);
        if (status) return status;
    }
    return CVY_OK;
}

/* The test set meets the selected weights, once; then the last ones go back in place for the final checkpoint. */
static cvy_status trainer_finish(trainer *t)
{
    const setup *s = t->s;
    cvy_status status = CVY_OK;
    metric m[2 * LOGGED_FIGURES + 2]; /* of the test with and without averages; two epochs */
    size_t n = 0;
    bool other = t->at.best_epoch != t->at.epoch || t->at.averaged;
    if (s->data->n[DATA_TEST] > 0) {
        metrics v;
        if (other) trainer_exchange_best(t);
        status = trainer_evaluate(t, DATA_TEST, &v);
        if (other) trainer_exchange_best(t);
        if (status) return status;
        n = trainer_metrics(t, LOGGED_TEST, &v, m);
        if (optimizer_averages(&t->w.optimizer)) /* of the last epoch: no others are kept */
            status = trainer_evaluate_average(t, DATA_TEST, LOGGED_TEST_AVERAGE, &v, m, &n);
        if (status) return status;
    }
    if (s->train.inspect) {
        if (other) trainer_exchange_best(t);
        status = units_record(&t->w, t->journal, t->at.step, t->at.epoch, t->e);
        if (other) trainer_exchange_best(t);
        if (status) return status;
    }
    if (t->at.stopped) m[n++] = (metric){"stopped_epoch", (double)t->at.epoch};
    m[n++] = (metric){"best_epoch", (double)t->at.best_epoch};
    status = record_metrics(t->journal, "run", t->at.step, t->at.epoch, m, n, t->e);
    if (!status) status = record_artifact(t->journal, "checkpoint", CHECKPOINT_BEST, t->at.step, t->e);
    if (!status && trainer_keeps(t) != KEEP_BEST)
        status = record_artifact(t->journal, "checkpoint", CHECKPOINT_LAST, t->at.step, t->e);
    if (status) return status;
    t->at.finished = true;
    return trainer_checkpoint(t);
}

/* ---- an attempt ---- */

/* A position that this run can have; the file is not to be believed before. */
static cvy_status trainer_check_position(const trainer *t)
{
    const progress_point *at = &t->at;
    const setup *s = t->s;
    if (at->epoch <= s->train.epochs && at->batch <= s->steps_per_epoch &&
        at->step == at->epoch * s->steps_per_epoch + at->batch && at->best_epoch >= 0 &&
        at->best_epoch <= at->epoch && (at->best_epoch > 0) == (at->epoch > 0) &&
        (!at->finished || ((at->epoch == s->train.epochs || at->stopped) && at->batch == 0)) &&
        (!at->stopped || (s->stops_early && at->batch == 0)))
        return CVY_OK;
    place where = PLACE_FILE(t->o->dir);
    return errors_add(t->e, CVY_ERR_CONFIG, &where, NULL,
                      "the last checkpoint stands where this run cannot be (step %" PRId64 ", epoch %" PRId64
                      ")",
                      at->step, at->epoch);
}

static cvy_status trainer_restore(trainer *t)
{
    bool found;
    t->at.averaged = trainer_selects_average(t);
    t->at.bare = trainer_keeps(t) != KEEP_ALL;
    checkpoint_tidy(t->o->dir);
    cvy_status status = checkpoint_read_last(t->o->dir, t->w.state, &t->w.optimizer, &t->best, &t->at,
                                             t->o->config_hash, &found, t->e);
    t->afresh = !found;
    if (!status && !found) status = setup_load_weights(t->s, t->w.state, t->e);
    return status || !found ? status : trainer_check_position(t);
}

static cvy_status trainer_train(trainer *t, const char *journal_path)
{
    char *checkpoints = path_join(t->o->dir, "checkpoints");
    cvy_status status = file_make_dirs(checkpoints, t->e);
    mem_free(checkpoints);
    if (!status) status = trainer_open(t);
    if (!status) status = trainer_restore(t);
    if (status) return status;
    t->journal = journal_create(journal_path, t->e);
    if (!t->journal) return errors_status(t->e);
    status = record_segment(t->journal, t->o->attempt, t->at.step, t->o->exact_key, t->e);
    if (status || t->at.finished) return status;
    status = trainer_record_kernels(t);
    if (!status) status = data_prepare(t->s->data, t->e);
    if (!status) status = data_card_record(t->journal, t->s->data, t->e);
    t->checkpointed = trainer_now();
    if (t->s->tests_range && !status)
        return lr_range_run(&t->w, t->journal, t->o->stop, t->o->ctx, &t->at.step, t->e);
    if (!status) status = trainer_epochs(t);
    if (!status) status = trainer_finish(t);
    if (status == CVY_STOPPED && t->unsaved) {
        cvy_status failed = trainer_checkpoint(t);
        if (failed) status = failed;
    }
    return status;
}

cvy_status trainer_run(const setup *s, const trainer_options *o, const char *journal_path, errors *e)
{
    trainer t = {.s = s, .o = o, .e = e, .begun = trainer_now()};
    cvy_status status = trainer_train(&t, journal_path);
    if (t.journal) {
        text why = {0};
        errors failed = {0};
        bool well = status == CVY_OK || status == CVY_STOPPED;
        if (!well) errors_text(e, false, &why);
        const char *result = status == CVY_OK ? "finished" : well ? "stopped" : "failed";
        /* A run is finished when its journal says so; the reason of a failure matters more than that it could not be
         * noted. */
        if (record_end(t.journal, result, t.at.step, text_str(&why), &failed) && well) {
            status = errors_status(&failed);
            errors_move(e, &failed);
        }
        if (status == CVY_OK && trainer_keeps(&t) == KEEP_BEST) checkpoint_drop_last(o->dir);
        errors_free(&failed);
        text_free(&why);
    }
    trainer_close(&t);
    return status;
}
