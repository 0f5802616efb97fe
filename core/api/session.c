/* Owns training step by step at the caller's pace; must not know journals, checkpoints or runs. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "api/api.h"
#include "base/parallel.h"
#include "device/buffer.h"
#include "train/stepper.h"

struct cvy_session {
    const cvy_experiment *x;
    stepper w;
    cvy_model model;
    int64_t step, epoch, batch; /* done: steps, epochs, batches of the running epoch */
    metrics sums;               /* of the running epoch */
    bool reading;               /* the loader is at this epoch's batches */
    const batch *next;          /* taken from the loader, not yet trained on; NULL: not taken */
    float *images;              /* the caller's batch, aligned */
    size_t image_bytes;
    bool failed;
};

static cvy_status open_session(cvy_session *s, const cvy_experiment *x, errors *e)
{
    if (!x->trainable)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "open it with cvy_experiment_open()",
                          "only the network was opened: there is nothing to train on");
    if (x->s->train.accumulate > 1)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "a larger train.batch_size does the same",
                          "train.accumulate: a session makes an update of each batch");
    if (x->s->gather > 1)
        return errors_add(e, CVY_ERR_CONFIG, NULL,
                          "set train.micro_batch to the size of the batch, or leave it out",
                          "train.micro_batch: a session makes an update of each batch it computes at once");
    if (schedule_watches(&x->s->train.lr_schedule) >= 0)
        return errors_add(
            e, CVY_ERR_CONFIG, NULL, "choose a schedule that depends on the step alone",
            "train.lr_schedule: a session does not validate by itself, and the schedule waits for it");
    s->x = x;
    cvy_status status = stepper_open(&s->w, x->s, e);
    if (!status) status = api_start_weights(x, s->w.state, e);
    if (!status) status = api_prepare_data(x, e);
    s->model = (cvy_model){.x = x, .state = s->w.state, .borrowed = true, .threads = s->w.machine.threads};
    return status;
}

cvy_session *cvy_session_open(const cvy_experiment *x, cvy_error **error)
{
    api_call c = api_begin();
    cvy_session *s = mem_alloc(sizeof *s);
    if (x)
        open_session(s, x, &c.e);
    else
        api_missing("experiment", &c.e);
    if (api_end(&c, error) == CVY_OK) return s;
    cvy_session_close(s);
    return NULL;
}

void cvy_session_close(cvy_session *s)
{
    if (!s) return;
    api_model_release(&s->model);
    if (s->x) stepper_close(&s->w);
    buffer_free(s->images, s->image_bytes);
    mem_free(s);
}

cvy_model *cvy_session_model(cvy_session *s)
{
    return &s->model;
}

int cvy_session_done(const cvy_session *s)
{
    return s->epoch >= s->x->s->train.epochs;
}

/* ---- steps ---- */

static cvy_status ready(const cvy_session *s, errors *e)
{
    cvy_status status = api_same_threads(s->model.threads, e);
    if (status) return status;
    if (s->failed)
        return errors_add(e, CVY_ERR_RUN, NULL, NULL, "a step of this session failed: it cannot go on");
    if (!cvy_session_done(s)) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, NULL, "set train.epochs to more",
                      "all %" PRId64 " epochs are trained", s->x->s->train.epochs);
}

static cvy_status fetch(cvy_session *s, errors *e)
{
    if (s->next) return CVY_OK;
    if (!s->reading) loader_start(s->w.loader, DATA_TRAIN, (int32_t)s->epoch, s->x->s->batch, s->batch);
    s->reading = true;
    s->next = loader_next(s->w.loader, e);
    if (s->next) return CVY_OK;
    s->reading = false;
    return errors_status(e);
}

/* Whatever batch was trained on, it took the place of the experiment's next one. */
static void advance(cvy_session *s)
{
    s->next = NULL;
    s->step++;
    s->batch++;
    if (s->batch < s->x->s->steps_per_epoch) return;
    s->batch = 0;
    s->epoch++;
    s->sums = (metrics){0};
    s->reading = false;
}

static cvy_status train_on(cvy_session *s, const batch *b, cvy_step *step, errors *e)
{
    const step_at at = {.step = s->step, .epoch = s->epoch};
    step_result r;
    cvy_status status = stepper_step(&s->w, b, &at, &s->sums, &r, e);
    if (status) {
        s->failed = status != CVY_ERR_RESOURCE; /* that one comes before anything is changed */
        return status;
    }
    if (step)
        *step = (cvy_step){
            .step = s->step + 1, .epoch = s->epoch + 1, .samples = b->n, .loss = r.loss, .lr = r.lr};
    advance(s);
    return CVY_OK;
}

cvy_status cvy_session_step(cvy_session *s, cvy_step *step, cvy_error **error)
{
    api_call c = api_begin();
    cvy_status status = s ? ready(s, &c.e) : api_missing("session", &c.e);
    if (!status) status = fetch(s, &c.e);
    if (!status) train_on(s, s->next, step, &c.e);
    return api_end(&c, error);
}

cvy_status cvy_session_batch(cvy_session *s, cvy_batch *b, cvy_error **error)
{
    api_call c = api_begin();
    cvy_status status = !s ? api_missing("session", &c.e) : !b ? api_missing("batch", &c.e) : ready(s, &c.e);
    if (!status) status = api_one_size(s->x, "cvy_session_batch()", &c.e);
    if (!status) status = fetch(s, &c.e);
    if (!status)
        *b = (cvy_batch){
            .n = s->next->n, .images = s->next->x, .labels = s->next->labels, .targets = s->next->target};
    return api_end(&c, error);
}

/* ---- the caller's batches ---- */

static cvy_status check(const cvy_session *s, const cvy_batch *b, errors *e)
{
    const int32_t target = data_target(s->x->s->data);
    const bool labelled = target == TARGET_LABEL;
    if (!b->images || (labelled && !b->labels))
        return api_missing(b->images ? "batch.labels" : "batch.images", e);
    if (target == TARGET_NUMBERS && !b->targets) return api_missing("batch.targets", e);
    if (b->n < 1) return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "batch.n: %" PRId64 " samples", b->n);
    const int32_t classes = s->x->s->data->info.classes;
    for (int64_t i = 0; labelled && i < b->n; i++)
        if (b->labels[i] < 0 || b->labels[i] >= classes)
            return errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                              "batch.labels[%" PRId64 "]: %d is not in 0 .. %d", i, b->labels[i],
                              classes - 1);
    return CVY_OK;
}

/* Kernels want aligned memory. */
static cvy_status take_images(cvy_session *s, const cvy_batch *b, errors *e)
{
    size_t floats, bytes;
    if (!size_mul((size_t)b->n, (size_t)cvy_count(&s->x->s->data->sample), &floats) ||
        !size_mul(floats, sizeof(float), &bytes))
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL,
                          "batch.n: %" PRId64 " samples do not fit into memory", b->n);
    if (bytes > s->image_bytes) {
        buffer_free(s->images, s->image_bytes);
        s->image_bytes = 0;
        s->images = buffer_new(bytes, e);
        if (!s->images) return CVY_ERR_RESOURCE;
        s->image_bytes = bytes;
    }
    memcpy(s->images, b->images, bytes);
    return CVY_OK;
}

cvy_status cvy_session_step_on(cvy_session *s, const cvy_batch *b, cvy_step *step, cvy_error **error)
{
    api_call c = api_begin();
    cvy_status status = !s ? api_missing("session", &c.e) : !b ? api_missing("batch", &c.e) : ready(s, &c.e);
    if (!status) status = check(s, b, &c.e);
    if (!status) status = take_images(s, b, &c.e);
    if (!status) {
        const batch own = {.n = b->n,
                           .x = s->images,
                           .labels = (int32_t *)(uintptr_t)b->labels,
                           .target = (float *)(uintptr_t)b->targets};
        if (!s->next) s->reading = false; /* the experiment's own batch is passed over */
        train_on(s, &own, step, &c.e);
    }
    return api_end(&c, error);
}

/* ---- evaluation ---- */

static cvy_status evaluate(cvy_session *s, cvy_part part, cvy_metrics *out, errors *e)
{
    cvy_status status = api_same_threads(s->model.threads, e);
    if (status) return status;
    if (part != CVY_PART_VALIDATION && part != CVY_PART_TEST)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                          "part: only the validation and the test part are evaluated");
    if (s->x->s->data->n[part] < 1)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "the experiment has no %s samples",
                          part == CVY_PART_TEST ? "test" : "validation");
    const step_at at = {.step = s->step, .epoch = s->epoch};
    metrics m;
    s->reading = false; /* the loader is wanted for this part now */
    s->next = NULL;
    status = stepper_evaluate(&s->w, (data_part)part, &at, NULL, NULL, &m, e);
    if (status) return status;
    const bool right = s->x->s->accuracy && m.samples > 0;
    const double n = right ? (double)m.samples : (double)NAN;
    *out = (cvy_metrics){.samples = m.samples,
                         .loss = metrics_loss(&m),
                         .accuracy = (double)m.top1 / n,
                         .top5_accuracy = (double)m.top5 / n};
    return CVY_OK;
}

cvy_status cvy_session_evaluate(cvy_session *s, cvy_part part, cvy_metrics *m, cvy_error **error)
{
    api_call c = api_begin();
    if (s && m)
        evaluate(s, part, m, &c.e);
    else
        api_missing(s ? "metrics" : "session", &c.e);
    return api_end(&c, error);
}
