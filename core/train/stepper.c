/* Puts plans, loss, optimizer and loader together for single steps and evaluations. Must not know journals, checkpoints,
 * or when training ends. */
#include "train/stepper.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "convoy/loss.h"
#include "device/buffer.h"
#include "train/blame.h"
#include "train/schedule.h"

#define EVALUATION_BATCH 256

/* ---- making ready ---- */

static plan *stepper_plan(stepper *w, int64_t samples, bool train, errors *e)
{
    plan_options o = {.batch = samples, .train = train, .seed = w->s->x->seed};
    if (train) o.log = step_log_add, o.log_ctx = &w->log;
    return plan_new(w->s->net, w->state, &w->machine, &o, e);
}

static int64_t stepper_evaluation_batch(const data *d)
{
    int64_t evaluated = d->n[DATA_VALIDATION];
    if (d->n[DATA_TEST] > evaluated) evaluated = d->n[DATA_TEST];
    return evaluated < EVALUATION_BATCH ? evaluated : EVALUATION_BATCH;
}

static cvy_status stepper_plans(stepper *w, errors *e)
{
    const setup *s = w->s;
    int64_t rest = s->data->n[DATA_TRAIN] % s->batch;
    w->evaluation_batch = stepper_evaluation_batch(s->data);
    plan **plans[] = {&w->full, &w->partial, &w->evaluation};
    const int64_t samples[] = {s->batch, rest, w->evaluation_batch};
    for (int i = 0; i < 3; i++) {
        if (samples[i] < 1) continue;
        *plans[i] = stepper_plan(w, samples[i], i < 2, e);
        if (!*plans[i]) return errors_status(e);
        if (plan_bytes(*plans[i]) > w->memory_bytes) w->memory_bytes = plan_bytes(*plans[i]);
    }
    w->memory = buffer_new(w->memory_bytes, e);
    if (!w->memory) return CVY_ERR_RESOURCE;
    for (int i = 0; i < 3; i++)
        if (*plans[i]) plan_bind(*plans[i], w->memory);
    return CVY_OK;
}

cvy_status stepper_open(stepper *w, const setup *s, errors *e)
{
    *w = (stepper){.s = s, .machine = machine_here()};
    step_log_init(&w->log);
    w->state = state_new(s->net, s->x->seed, true, e);
    if (!w->state) return errors_status(e);
    cvy_status status = optimizer_init(&w->optimizer, &s->train.optimizer, w->state, e);
    if (status) return status;
    optimizer_rule(&w->optimizer, &s->rules);
    w->optimizer.clip_value = s->train.clip_value;
    w->optimizer.clip_norm = s->train.clip_norm;
    w->optimizer.seed = s->x->seed;
    w->optimizer.log = step_log_add;
    w->optimizer.log_ctx = &w->log;
    status = stepper_plans(w, e);
    if (status) return status;
    w->loader = loader_new(s->data, s->batch > w->evaluation_batch ? s->batch : w->evaluation_batch, e);
    return w->loader ? CVY_OK : errors_status(e);
}

cvy_status stepper_open_evaluation(stepper *w, const setup *s, int64_t samples, errors *e)
{
    *w = (stepper){.s = s, .machine = machine_here()};
    step_log_init(&w->log);
    w->evaluation_batch = samples > 0 ? samples : stepper_evaluation_batch(s->data);
    if (w->evaluation_batch < 1)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "there is nothing to evaluate on");
    w->state = state_new(s->net, s->x->seed, false, e);
    if (w->state) w->evaluation = stepper_plan(w, w->evaluation_batch, false, e);
    if (!w->evaluation) return errors_status(e);
    w->memory_bytes = plan_bytes(w->evaluation);
    w->memory = buffer_new(w->memory_bytes, e);
    if (!w->memory) return CVY_ERR_RESOURCE;
    plan_bind(w->evaluation, w->memory);
    w->loader = loader_new(s->data, w->evaluation_batch, e);
    return w->loader ? CVY_OK : errors_status(e);
}

static size_t stepper_accumulated_bytes(const stepper *w)
{
    return (size_t)(w->s->net->weight_floats + 1) * sizeof(float);
}

void stepper_close(stepper *w)
{
    loader_free(w->loader);
    plan_free(w->full);
    plan_free(w->partial);
    plan_free(w->evaluation);
    plan_free(w->other);
    buffer_free(w->memory, w->memory_bytes);
    buffer_free(w->other_memory, w->other_bytes);
    if (w->accumulated) buffer_free(w->accumulated, stepper_accumulated_bytes(w));
    optimizer_free(&w->optimizer);
    state_free(w->state);
    step_log_free(&w->log);
}

/* ---- a step ---- */

static cvy_status stepper_not_finite(const char *what, int64_t step, int64_t epoch, double loss, errors *e)
{
    return errors_add(e, CVY_ERR_RUN, NULL, "a smaller learning rate, or a warm-up, usually helps",
                      "step %" PRId64 " (epoch %" PRId64 "): the %s is %s", step, epoch, what,
                      isnan(loss) ? "not a number" : "infinite");
}

/* A batch's loss as it is shown, and in two parts for averages over batches. */
typedef struct batch_loss {
    double shown, sum, weight;
    bool mean; /* what is minimised is sum / weight, and not the sum */
} batch_loss;

static batch_loss stepper_shown(const cvy_loss_call *call, int64_t n)
{
    if (isnan(call->sum)) return (batch_loss){call->loss, call->loss * (double)n, (double)n, true};
    double mean = call->weight > 0 ? call->sum / call->weight : call->loss;
    return (batch_loss){mean, call->sum, call->weight, fabs(call->loss - mean) <= 1e-4 * fabs(mean)};
}

/* The loss of one end of the network for the n samples of a batch, and in training its gradient times the end's weight.
 */
static cvy_status stepper_end_loss(stepper *w, const plan_ending *end, const batch *b, bool train,
                                   batch_loss *loss, errors *e)
{
    cvy_shape shape = end->shape;
    shape.dim[0] = b->n;
    errors own = {0};
    host h = host_make(&own, CVY_ERR_RUN, NULL, w->s->x->seed, NULL);
    if (train) h.log = step_log_add, h.log_ctx = &w->log;
    const int32_t target = data_target(w->s->data);
    cvy_loss_call call = {.host = &h.face,
                          .shape = &shape,
                          .y = end->y,
                          .labels = target == TARGET_LABEL ? b->labels : NULL,
                          .target = target == TARGET_INPUT     ? b->x
                                    : target == TARGET_NUMBERS ? b->target
                                                               : NULL,
                          .gy = end->gradient,
                          .sum = (double)NAN,
                          .weight = (double)b->n};
    const cvy_loss *type = w->s->loss->type;
    if (type->evaluate(&call, w->s->loss_config) && !errors_count(&own))
        cvy_fail(&call, "evaluate failed without saying why");
    if (errors_count(&own)) return blame(&own, e, "loss (%s)", w->s->loss->name);
    *loss = stepper_shown(&call, b->n);
    int64_t n = cvy_count(&shape);
    for (int64_t i = 0; train && end->weight != 1 && i < n; i++) end->gradient[i] *= (float)end->weight;
    return CVY_OK;
}

/* The loss of a plan's output. In training that of its heads flows back too and is logged beside: train_loss stays
 * what validation can be compared with. */
static cvy_status stepper_loss(stepper *w, plan *p, const batch *b, bool train, metrics *sums,
                               batch_loss *loss, errors *e)
{
    double heads = 0;
    for (size_t i = 0; i < plan_ends(p); i++) {
        plan_ending end = plan_end(p, i);
        batch_loss one = {0};
        cvy_status status = stepper_end_loss(w, &end, b, train, &one, e);
        if (status) return status;
        if (i > 0) {
            heads += end.weight * one.shown;
            continue;
        }
        *loss = one;
        metrics_add(sums, end.y, w->s->accuracy ? b->labels : NULL, b->n,
                    end.shape.rank == 2 ? end.shape.dim[1] : 0, one.sum, one.weight);
    }
    if (plan_ends(p) > 1) step_log_add(&w->log, "auxiliary_loss", heads);
    if (!isfinite(heads)) loss->shown = heads; /* for stepper_not_finite() */
    return CVY_OK;
}

cvy_status stepper_loss_of(const setup *s, const float *y, const cvy_shape *shape, const batch *b,
                           double *sum, double *weight, errors *e)
{
    stepper w = {.s = s};
    const plan_ending end = {.shape = *shape, .y = (float *)(uintptr_t)y, .weight = 1};
    batch_loss loss = {0};
    cvy_status status = stepper_end_loss(&w, &end, b, false, &loss, e);
    *sum = loss.sum;
    *weight = loss.weight;
    return status;
}

/* The experiment's own batches have one of two sizes; the plan of any other is made when it comes. */
static plan *stepper_plan_for(stepper *w, int64_t samples, errors *e)
{
    if (samples == w->s->batch) return w->full;
    if (w->partial && samples == w->s->data->n[DATA_TRAIN] % w->s->batch) return w->partial;
    if (w->other && samples == w->other_samples) return w->other;
    plan_free(w->other);
    buffer_free(w->other_memory, w->other_bytes);
    w->other_memory = NULL;
    w->other_bytes = 0;
    w->other = stepper_plan(w, samples, true, e);
    if (!w->other) return NULL;
    w->other_memory = buffer_new(plan_bytes(w->other), e);
    if (!w->other_memory) {
        plan_free(w->other);
        w->other = NULL;
        return NULL;
    }
    w->other_bytes = plan_bytes(w->other);
    w->other_samples = samples;
    plan_bind(w->other, w->other_memory);
    return w->other;
}

/* ---- updates of several batches ---- */

typedef struct gather_job {
    float *sum, *g;
    float scale;
    bool first;
} gather_job;

static void stepper_gather_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const gather_job *j = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++) j->sum[i] = (j->first ? 0 : j->sum[i]) + j->scale * j->g[i];
}

static void stepper_spread_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const gather_job *j = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++) j->g[i] = j->scale * j->sum[i];
}

/* Adds the gradient of a batch to those before it: that of a mean with the batch's weight, that of a sum as it is. */
static cvy_status stepper_gather(stepper *w, const batch *b, const batch_loss *loss, errors *e)
{
    const int64_t n = w->s->net->weight_floats;
    if (!w->accumulated && !(w->accumulated = buffer_new(stepper_accumulated_bytes(w), e)))
        return CVY_ERR_RESOURCE;
    double scale = loss->mean ? loss->weight : 1;
    gather_job j = {w->accumulated, w->state->gradients, (float)scale, w->gathered.batches == 0};
    parallel_for(n, 4096, stepper_gather_piece, &j);
    w->gathered.samples += b->n;
    w->gathered.batches++;
    w->gathered.scale = loss->mean ? w->gathered.scale + scale : 1;
    w->gathered.sum += loss->sum;
    w->gathered.weight += loss->weight;
    return CVY_OK;
}

/* Puts the gradient of all batches where that of the last one is, and their loss in its place. */
static void stepper_spread(stepper *w, batch_loss *loss)
{
    double scale = w->gathered.scale;
    gather_job j = {w->accumulated, w->state->gradients, (float)(scale > 0 ? 1 / scale : 0), false};
    parallel_for(w->s->net->weight_floats, 4096, stepper_spread_piece, &j);
    if (w->gathered.weight > 0) loss->shown = w->gathered.sum / w->gathered.weight;
}

static cvy_status stepper_gradient(stepper *w, const batch *b, const step_at *at, metrics *sums,
                                   batch_loss *loss, errors *e)
{
    plan *p = stepper_plan_for(w, b->n, e);
    if (!p) return errors_status(e);
    if (!w->gathered.batches) step_log_begin(&w->log, at->logged);
    cvy_status status = plan_forward(p, b->x, (uint64_t)at->step, w->gathered.samples, e);
    if (!status) status = stepper_loss(w, p, b, true, sums, loss, e);
    if (status) return status;
    if (!isfinite(loss->shown))
        return stepper_not_finite("loss", at->step + 1, at->epoch + 1, loss->shown, e);
    status = plan_backward(p, e);
    if (!status && (at->more || w->gathered.batches)) status = stepper_gather(w, b, loss, e);
    return status;
}

cvy_status stepper_step(stepper *w, const batch *b, const step_at *at, metrics *sums, step_result *r,
                        errors *e)
{
    const setup *s = w->s;
    batch_loss loss = {0};
    cvy_status status = stepper_gradient(w, b, at, sums, &loss, e);
    if (!status && at->more) return CVY_OK;
    if (!status && w->gathered.batches) stepper_spread(w, &loss);
    memset(&w->gathered, 0, sizeof w->gathered);
    if (status) return status;
    double factor =
        schedule_factor(&s->train.lr_schedule, at->step, s->steps_per_epoch, s->train.epochs, at->schedule);
    status = optimizer_update(&w->optimizer, at->step + 1, factor, e);
    *r = (step_result){.loss = loss.shown, .lr = optimizer_lr(&w->optimizer) * factor};
    return status;
}

/* ---- evaluation ---- */

static cvy_status stepper_show(stepper *w, const batch *b, errors *e)
{
    cvy_shape shape;
    const float *y = plan_output(w->evaluation, &shape);
    shape.dim[0] = b->n;
    return w->see(w->see_ctx, y, &shape, b, e);
}

cvy_status stepper_evaluate(stepper *w, data_part part, const step_at *at, bool (*stop)(void *ctx), void *ctx,
                            metrics *m, errors *e)
{
    *m = (metrics){0};
    loader_start(w->loader, part, 0, w->evaluation_batch, 0);
    const batch *b;
    int64_t sample = cvy_count(&w->s->data->sample);
    while ((b = loader_next(w->loader, e))) {
        /* A short batch is filled up with zeros: samples do not see each other in evaluation. */
        memset(b->x + b->n * sample, 0, (size_t)((w->evaluation_batch - b->n) * sample) * sizeof(float));
        memset(b->labels + b->n, 0, (size_t)(w->evaluation_batch - b->n) * sizeof(int32_t));
        batch_loss loss;
        cvy_status status = plan_forward(w->evaluation, b->x, 0, 0, e);
        if (!status) status = stepper_loss(w, w->evaluation, b, false, m, &loss, e);
        if (!status && w->see) status = stepper_show(w, b, e);
        if (status) return status;
        if (b->first + b->n < w->s->data->n[part] && stop && stop(ctx)) return CVY_STOPPED;
    }
    cvy_status status = errors_status(e);
    /* Weights gone bad in the very last step show here only. */
    if (!status && isnan(m->loss))
        status = stepper_not_finite(part == DATA_TEST ? "test loss" : "validation loss", at->step,
                                    part == DATA_TEST ? at->epoch : at->epoch + 1, m->loss, e);
    return status;
}
