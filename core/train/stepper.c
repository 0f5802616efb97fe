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
#include "train/finite.h"
#include "train/views.h"
#include "train/schedule.h"

#define EVALUATION_BATCH 256

/* ---- making ready ---- */

static int64_t stepper_evaluation_batch(const data *d)
{
    int64_t evaluated = d->n[DATA_VALIDATION];
    if (d->n[DATA_TEST] > evaluated) evaluated = d->n[DATA_TEST];
    return evaluated < EVALUATION_BATCH ? evaluated : EVALUATION_BATCH;
}

/* Of samples of a group at once: no more than there are. */
static int64_t stepper_evaluated(const stepper *w, size_t group)
{
    const data *d = w->s->data;
    if (d->n_groups == 1) return w->evaluation_batch;
    int64_t n = d->grouped[DATA_VALIDATION][group];
    if (d->grouped[DATA_TEST][group] > n) n = d->grouped[DATA_TEST][group];
    return n < w->evaluation_batch ? n : w->evaluation_batch;
}

/* The largest evaluation. */
static cvy_status stepper_plan_evaluation(stepper *w, errors *e)
{
    const data *d = w->s->data;
    size_t most = 0;
    for (size_t g = 1; g < d->n_groups; g++)
        if (stepper_evaluated(w, g) * cvy_count(&d->groups[g]) >
            stepper_evaluated(w, most) * cvy_count(&d->groups[most]))
            most = g;
    const int64_t samples = stepper_evaluated(w, most);
    if (samples < 1) return CVY_OK;
    w->evaluation = plans_get(&w->plans, &d->groups[most], samples, false, true, e);
    return w->evaluation ? CVY_OK : errors_status(e);
}

/* What takes most memory, and where all samples have one shape, all there is. */
static cvy_status stepper_plans(stepper *w, errors *e)
{
    const setup *s = w->s;
    const data *d = s->data;
    int64_t samples;
    const cvy_shape *largest = &d->groups[loader_largest(d, DATA_TRAIN, s->batch, &samples)];
    w->evaluation_batch = stepper_evaluation_batch(d);
    w->full = plans_get(&w->plans, largest, samples, true, true, e);
    if (!w->full) return errors_status(e);
    const int64_t rest = d->n_groups > 1 ? 0 : d->n[DATA_TRAIN] % s->batch;
    if (rest > 0 && !plans_get(&w->plans, largest, rest, true, true, e)) return errors_status(e);
    return stepper_plan_evaluation(w, e);
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
    plans_open(&w->plans, s->net, w->state, &w->machine, s->x->seed, &w->log);
    w->plans.algorithm = (plan_algorithm)s->train.conv_algorithm;
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
    if (!w->state) return errors_status(e);
    plans_open(&w->plans, s->net, w->state, &w->machine, s->x->seed, &w->log);
    w->plans.algorithm = (plan_algorithm)s->train.conv_algorithm;
    cvy_status status = stepper_plan_evaluation(w, e);
    if (status) return status;
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
    plans_close(&w->plans);
    if (w->accumulated) buffer_free(w->accumulated, stepper_accumulated_bytes(w));
    optimizer_free(&w->optimizer);
    state_free(w->state);
    step_log_free(&w->log);
}

/* ---- a step ---- */

/* A batch's loss as it is shown, and in two parts for averages over batches. */
typedef struct batch_loss {
    double shown, sum, weight;
    double minimised; /* sum / weight, or with `reduction: sum` the sum */
    bool blown;       /* it, or a gradient of it, is not finite, and nobody wants to know why */
} batch_loss;

static batch_loss stepper_shown(const cvy_loss_call *call, int64_t n)
{
    batch_loss l = {.minimised = call->loss};
    l.sum = isnan(call->sum) ? call->loss * (double)n : call->sum;
    l.weight = isnan(call->sum) ? (double)n : call->weight;
    l.shown = isnan(call->sum) || !(l.weight > 0) ? call->loss : l.sum / l.weight;
    return l;
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
    const bool shares = train && target == TARGET_LABEL && b->target; /* of the classes, mixed */
    cvy_loss_call call = {.host = &h.face,
                          .shape = &shape,
                          .y = end->y,
                          .labels = target == TARGET_LABEL && !shares ? b->labels : NULL,
                          .target = target == TARGET_INPUT               ? b->x
                                    : target == TARGET_NUMBERS || shares ? b->target
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
    if (!isfinite(heads)) loss->shown = heads; /* for stepper_blown_loss() */
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

/* Batches from elsewhere are like the network's input. */
static const cvy_shape *stepper_sample(const stepper *w, const batch *b)
{
    return b->shape.rank ? &b->shape : &w->s->data->sample;
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

/* Whether what the loss minimises is a sum over the batch and no mean. It is asked of two made-up samples: a batch of one, or one
 * whose loss is 0, does not tell. */
static bool stepper_sums(const stepper *w, const cvy_shape *output)
{
    stepper alone = {.s = w->s};
    cvy_shape shape = *output;
    shape.dim[0] = 2;
    const size_t n = (size_t)cvy_count(&shape), each = n / 2;
    float *y = mem_array(n, sizeof *y), *target = mem_array(n, sizeof *target);
    int32_t labels[2] = {0, 0};
    for (size_t i = 0; i < n; i++) { /* of the label less than of all others; all far from the target */
        y[i] = 0.25f + 0.125f * (float)(i % each % 5);
        target[i] = 0.875f;
    }
    const batch b = {.n = 2, .x = target, .labels = labels, .target = target, .copies = 1};
    const plan_ending end = {.shape = shape, .y = y, .weight = 1};
    batch_loss loss = {0};
    errors quiet = {0};
    const bool known = stepper_end_loss(&alone, &end, &b, false, &loss, &quiet) == CVY_OK && loss.weight > 0;
    errors_free(&quiet);
    mem_free(y);
    mem_free(target);
    return known && fabs(loss.minimised - loss.sum) < fabs(loss.minimised - loss.sum / loss.weight);
}

/* Adds the gradient of a batch to those before it: that of a mean with the batch's weight, that of a sum as it is. */
static cvy_status stepper_gather(stepper *w, plan *p, const batch *b, const batch_loss *loss, errors *e)
{
    const int64_t n = w->s->net->weight_floats;
    if (!w->accumulated) {
        if (!(w->accumulated = buffer_new(stepper_accumulated_bytes(w), e))) return CVY_ERR_RESOURCE;
        const cvy_shape output = plan_end(p, 0).shape;
        w->sums = stepper_sums(w, &output);
    }
    const double scale = w->sums ? 1 : loss->weight;
    gather_job j = {w->accumulated, w->state->gradients, (float)scale, w->gathered.batches == 0};
    parallel_for(n, 4096, stepper_gather_piece, &j);
    w->gathered.samples += b->n;
    w->gathered.batches++;
    w->gathered.scale = w->sums ? 1 : w->gathered.scale + scale;
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

/* ---- what is not finite: only then is it looked for, by going through the batch again ---- */

static const char stepper_slower[] = "a smaller learning rate, or a warm-up, usually helps";

/* step, epoch: from 1. why: where it came from; may be empty. */
static cvy_status stepper_not_finite(int64_t step, int64_t epoch, const char *what, const text *why,
                                     const char *hint, errors *e)
{
    return errors_add(e, CVY_ERR_RUN, NULL, hint, "step %" PRId64 " (epoch %" PRId64 "): %s%s%s", step, epoch,
                      what, why->n ? ": " : "", text_str(why));
}

/* Says which weight or else buffer is the first that is not finite; false: all are. */
static bool stepper_bad_tensor(const stepper *w, text *out)
{
    bool buffer;
    const net_tensor *bad = finite_tensor(w->state, &buffer);
    if (bad) text_printf(out, "%s \"%s\" is not finite", buffer ? "buffer" : "weight", bad->name);
    return bad != NULL;
}

static cvy_status stepper_blown_loss(stepper *w, plan *p, const batch *b, const step_at *at, double loss,
                                     errors *e)
{
    text why = {0};
    finite_why_loss(p, w->state, b, cvy_count(stepper_sample(w, b)), at->step + 1, &why);
    cvy_status status = stepper_not_finite(at->step + 1, at->epoch + 1,
                                           isnan(loss) ? "the loss is not a number" : "the loss is infinite",
                                           &why, stepper_slower, e);
    text_free(&why);
    return status;
}

static cvy_status stepper_blown_gradient(stepper *w, plan *p, const batch *b, const step_at *at, errors *e)
{
    text why = {0};
    errors unheard = {0};
    metrics sums = {0};
    batch_loss loss;
    plan_suspect first;
    /* Memory that the way back has used again is filled as it was. */
    if (!plan_suspect_forward(p, &first) && !stepper_loss(w, p, b, true, &sums, &loss, &unheard))
        finite_why_gradient(p, w->state, &why);
    errors_free(&unheard);
    cvy_status status =
        stepper_not_finite(at->step + 1, at->epoch + 1, "the loss is finite and its gradient is not", &why,
                           "a smaller learning rate, a warm-up or train.clip_value usually helps", e);
    text_free(&why);
    return status;
}

cvy_status stepper_check_finite(const stepper *w, const step_at *at, errors *e)
{
    text what = {0};
    const text unknown = {0};
    cvy_status status = CVY_OK;
    if (stepper_bad_tensor(w, &what)) {
        text_add(&what, " after the update");
        status = stepper_not_finite(at->step, at->epoch + 1, text_str(&what), &unknown, stepper_slower, e);
    }
    text_free(&what);
    return status;
}

static cvy_status stepper_gradient(stepper *w, const batch *b, const step_at *at, metrics *sums,
                                   batch_loss *loss, errors *e)
{
    plan *p = plans_get(&w->plans, stepper_sample(w, b), b->n, true, false, e);
    if (!p) return errors_status(e);
    if (!w->gathered.batches) step_log_begin(&w->log, at->logged);
    cvy_status status = plan_forward(p, b->x, (uint64_t)at->step, w->gathered.samples, e);
    if (!status) status = stepper_loss(w, p, b, true, sums, loss, e);
    if (status) return status;
    loss->blown = at->rate > 0 && !isfinite(loss->shown);
    if (loss->blown) return CVY_OK;
    if (!isfinite(loss->shown)) return stepper_blown_loss(w, p, b, at, loss->shown, e);
    status = plan_backward(p, e);
    if (!status && !finite_all(w->state->gradients, w->s->net->weight_floats)) {
        loss->blown = at->rate > 0;
        return loss->blown ? CVY_OK : stepper_blown_gradient(w, p, b, at, e);
    }
    if (!status && (at->more || w->gathered.batches)) status = stepper_gather(w, p, b, loss, e);
    return status;
}

cvy_status stepper_step(stepper *w, const batch *b, const step_at *at, metrics *sums, step_result *r,
                        errors *e)
{
    const setup *s = w->s;
    batch_loss loss = {0};
    cvy_status status = stepper_gradient(w, b, at, sums, &loss, e);
    if (status || loss.blown) memset(&w->gathered, 0, sizeof w->gathered);
    if (status) return status;
    if (loss.blown) {
        *r = (step_result){.loss = (double)INFINITY, .lr = at->rate};
        return CVY_OK;
    }
    if (at->more) return CVY_OK;
    if (w->gathered.batches) stepper_spread(w, &loss);
    memset(&w->gathered, 0, sizeof w->gathered);
    double factor =
        schedule_factor(&s->train.lr_schedule, at->step, s->steps_per_epoch, s->train.epochs, at->schedule);
    if (at->rate > 0) factor = at->rate / optimizer_lr(&w->optimizer);
    status = optimizer_update(&w->optimizer, at->step + 1, factor, e);
    *r = (step_result){.loss = loss.shown, .lr = optimizer_lr(&w->optimizer) * factor};
    return status;
}

/* ---- evaluation ---- */

plan *stepper_forward(stepper *w, data_part part, const batch *b, errors *e)
{
    const int64_t sample = cvy_count(&b->shape),
                  whole = stepper_evaluated(w, data_group_of(w->s->data, part, b->samples[0]));
    plan *p = plans_get(&w->plans, &b->shape, whole, false, false, e);
    if (!p) return NULL;
    /* A short batch is filled up with zeros: samples do not see each other in evaluation. */
    memset(b->x + b->n * sample, 0, (size_t)((whole - b->n) * sample) * sizeof(float));
    memset(b->labels + b->n, 0, (size_t)(whole - b->n) * sizeof(int32_t));
    return plan_forward(p, b->x, 0, 0, e) ? NULL : p;
}

static cvy_status stepper_show(stepper *w, plan *p, const batch *b, errors *e)
{
    cvy_shape shape;
    const float *y = plan_output(p, &shape);
    shape.dim[0] = b->n;
    return w->see(w->see_ctx, y, &shape, b, e);
}

/* Gathers the copies of a batch; behind the last one their mean stands where the output was. */
static cvy_status stepper_gather_copy(stepper *w, plan *p, const batch *b, views_mean *c, errors *e)
{
    plan_ending end = plan_end(p, 0);
    const int64_t each = cvy_sample_count(&end.shape);
    if (c->sum && c->each != each) views_close(c); /* samples of another shape */
    if (!c->sum) {
        cvy_status status = views_open(c, w->evaluation_batch, each, views_are_probabilities(w->s), e);
        if (status) return status;
    }
    views_add(c, end.y, b->n, b->copy);
    if (b->copy + 1 == b->copies) views_take(c, b->n, b->copies, end.y);
    return CVY_OK;
}

static cvy_status stepper_evaluate_batches(stepper *w, data_part part, bool (*stop)(void *ctx), void *ctx,
                                           views_mean *copies, metrics *m, errors *e)
{
    const batch *b;
    while ((b = loader_next(w->loader, e))) {
        batch_loss loss;
        plan *p = stepper_forward(w, part, b, e);
        if (!p) return errors_status(e);
        cvy_status status = CVY_OK;
        const bool complete = b->copy + 1 == b->copies;
        if (!status && b->copies > 1) status = stepper_gather_copy(w, p, b, copies, e);
        if (!status && complete) status = stepper_loss(w, p, b, false, m, &loss, e);
        if (!status && complete && w->see) status = stepper_show(w, p, b, e);
        if (status) return status;
        const bool last = complete && b->first + b->n == w->s->data->n[part];
        if (!last && stop && stop(ctx)) return CVY_STOPPED;
    }
    return errors_status(e);
}

cvy_status stepper_evaluate(stepper *w, data_part part, const step_at *at, bool (*stop)(void *ctx), void *ctx,
                            metrics *m, errors *e)
{
    *m = (metrics){0};
    loader_start(w->loader, part, 0, w->evaluation_batch, 0);
    views_mean copies = {0};
    cvy_status status = stepper_evaluate_batches(w, part, stop, ctx, &copies, m, e);
    views_close(&copies);
    /* Weights gone bad in the very last step show here only. */
    if (!status && isnan(m->loss)) {
        const bool test = part == DATA_TEST;
        text why = {0};
        stepper_bad_tensor(w, &why);
        status =
            stepper_not_finite(at->step, test ? at->epoch : at->epoch + 1,
                               test ? "the test loss is not a number" : "the validation loss is not a number",
                               &why, stepper_slower, e);
        text_free(&why);
    }
    return status;
}
