/* Owns the way from a checkpoint's weights to figures; must not know where the checkpoint lies, nor print. */
#include "train/evaluation.h"

#include <math.h>
#include <string.h>

#include "journal/record.h"
#include "train/ensemble.h"
#include "train/stepper.h"

/* ---- weights ---- */

static void evaluation_shape(const cvy_shape *s, text *t)
{
    text_char(t, '[');
    for (int i = 0; i < s->rank; i++) text_printf(t, "%s%lld", i ? ", " : "", (long long)s->dim[i]);
    text_char(t, ']');
}

/* The layer that has tensor i. */
static const net_node *evaluation_owner(const net *n, size_t i, bool weight)
{
    for (size_t k = 1; k < n->n_nodes; k++) {
        const net_node *unit = &n->nodes[k];
        size_t first = (size_t)(weight ? unit->first_weight : unit->first_buffer),
               count = (size_t)(weight ? unit->n_weights : unit->n_buffers);
        if (i >= first && i < first + count) return unit;
    }
    return NULL;
}

static cvy_status evaluation_misshaped(const net *n, const net_tensor *ours, const net_node *owner,
                                       const safetensor *theirs, const char *hint, errors *e)
{
    text found = {0}, wanted = {0}, input = {0};
    evaluation_shape(&theirs->shape, &found);
    evaluation_shape(&ours->shape, &wanted);
    net_shape_text(&n->nodes[0].out, &input);
    cvy_status status = errors_add(
        e, CVY_ERR_CONFIG, NULL, hint,
        "layer \"%s\" (%s): \"%s\" has shape %s in the checkpoint, and the network for input %s wants %s",
        owner ? owner->path : "", owner ? owner->plugin->name : "", ours->name, text_str(&found),
        text_str(&input), text_str(&wanted));
    text_free(&found);
    text_free(&wanted);
    text_free(&input);
    return status;
}

static const safetensor *evaluation_find(const checkpoint_weights *w, const char *name, size_t likely)
{
    if (likely < w->n && !strcmp(w->items[likely].name, name)) return &w->items[likely];
    for (size_t i = 0; i < w->n; i++)
        if (!strcmp(w->items[i].name, name)) return &w->items[i];
    return NULL;
}

cvy_status evaluation_load(state *into, const checkpoint_weights *w, const char *hint, errors *e)
{
    const net *n = into->net;
    const place at = PLACE_FILE(w->path);
    size_t all = n->n_weights + n->n_buffers;
    for (size_t i = 0; i < all; i++) {
        bool weight = i < n->n_weights;
        size_t k = weight ? i : i - n->n_weights;
        const net_tensor *ours = weight ? &n->weights[k] : &n->buffers[k];
        const safetensor *theirs = evaluation_find(w, ours->name, i);
        if (!theirs)
            return errors_add(e, CVY_ERR_CONFIG, &at, hint, "has no tensor \"%s\", which the network has",
                              ours->name);
        if (!cvy_shape_same(&theirs->shape, &ours->shape))
            return evaluation_misshaped(n, ours, evaluation_owner(n, k, weight), theirs, hint, e);
        memcpy((weight ? into->weights : into->buffers) + ours->offset, theirs->data,
               (size_t)ours->count * sizeof(float));
    }
    if (w->n != all)
        return errors_add(e, CVY_ERR_CONFIG, &at, hint, "has %zu tensors, and the network %zu", w->n, all);
    into->version++;
    return CVY_OK;
}

/* ---- looking at the outputs ---- */

typedef struct evaluation_look {
    const setup *s;
    evaluation *out;
    ensemble *ensemble;
    double *p; /* of a batch */
    int64_t size;
    bool begun, probabilities; /* the outputs are probabilities already */
} evaluation_look;

static cvy_status evaluation_see(void *ctx, const float *y, const cvy_shape *shape, const batch *b, errors *e)
{
    evaluation_look *l = ctx;
    const int64_t n = b->n, k = shape->dim[1];
    if (!l->begun) l->probabilities = scores_are_probabilities(y, n, k);
    l->begun = true;
    for (int64_t i = 0; i < n; i++) {
        double *p = l->p + i * k;
        if (l->probabilities)
            for (int64_t c = 0; c < k; c++) p[c] = (double)y[i * k + c];
        else
            scores_softmax(y + i * k, k, p);
        int64_t taken = scores_taken(y + i * k, k);
        scores_add(&l->out->scores, taken, taken < 0 ? (double)NAN : p[taken], b->labels[i]);
    }
    return l->ensemble ? ensemble_add(l->ensemble, l->s, l->p, l->probabilities, b, e) : CVY_OK;
}

/* ---- evaluating ---- */

static cvy_status evaluation_check_part(const setup *s, data_part part, errors *e)
{
    const data *d = s->data;
    if (d->n[part] > 0) return CVY_OK;
    if (part == DATA_TEST)
        return errors_add(e, CVY_ERR_CONFIG, &d->at,
                          "`--part validation` evaluates on what training held out",
                          "the dataset has no test samples");
    return errors_add(e, CVY_ERR_CONFIG, &d->at, "`--part test` evaluates on the test samples",
                      "no samples were held out for validation: dataset.validation is %g",
                      s->data_settings.validation);
}

/* The classes, where what is to be known of them is. */
static cvy_status evaluation_prepare(evaluation_look *l, int64_t batch_samples, errors *e)
{
    const int64_t k = l->s->data->info.classes;
    size_t size;
    cvy_status status = scores_init(&l->out->scores, k, e);
    if (status) return status;
    if (size_mul((size_t)batch_samples, (size_t)k, &size)) l->p = mem_try(size, sizeof *l->p);
    if (l->p) return CVY_OK;
    return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the outputs of a batch");
}

/* Rounded as the journal rounds, so that equal figures read equal. */
void evaluation_take(evaluation *v, const metrics *m, int64_t classes)
{
    const double n = m->samples > 0 ? (double)m->samples : 1; /* as the trainer divides */
    v->samples = m->samples;
    v->classes = classes;
    v->loss = record_round(metrics_loss(m));
    v->accuracy = classes ? record_round((double)m->top1 / n) : (double)NAN;
    v->top5 = classes > 5 ? record_round((double)m->top5 / n) : (double)NAN;
    v->calibration_error = classes ? scores_calibration_error(&v->scores) : (double)NAN;
}

cvy_status evaluation_run(const setup *s, const checkpoint_weights *w, const evaluation_options *o,
                          evaluation *out, errors *e)
{
    data_part part = o->part;
    evaluation_look look = {.s = s, .out = out, .ensemble = o->ensemble};
    stepper steps;
    metrics m;
    *out = (evaluation){0};
    if (part == DATA_TRAIN) {
        data_validate_on_training(s->data);
        part = DATA_VALIDATION;
    }
    cvy_status status = evaluation_check_part(s, part, e);
    if (status) return status;
    const int64_t n = s->data->n[part], most = o->batch > n ? n : o->batch;
    status = stepper_open_evaluation(&steps, s, most, e);
    if (!status) status = evaluation_load(steps.state, w, o->hint, e);
    if (!status) status = data_prepare(s->data, e);
    if (!status && s->accuracy) status = evaluation_prepare(&look, steps.evaluation_batch, e);
    if (!status && look.ensemble) status = ensemble_begin(look.ensemble, s, part, e);
    if (!status) {
        const step_at at = {.epoch = part == DATA_TEST ? w->epoch : w->epoch - 1};
        if (s->accuracy) steps.see = evaluation_see, steps.see_ctx = &look;
        status = stepper_evaluate(&steps, part, &at, NULL, NULL, &m, e);
    }
    if (!status) {
        evaluation_take(out, &m, s->accuracy ? s->data->info.classes : 0);
        if (look.ensemble) ensemble_end(look.ensemble, out->loss);
    }
    stepper_close(&steps);
    mem_free(look.p);
    return status;
}

void evaluation_free(evaluation *v)
{
    scores_free(&v->scores);
    *v = (evaluation){0};
}
