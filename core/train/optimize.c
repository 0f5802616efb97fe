/* Applies an optimizer plugin to every weight tensor. Must not know schedules or epochs. */
#include "train/optimize.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "device/buffer.h"
#include "train/blame.h"
#include "train/wrapped.h"

/* ---- making ready ---- */

static size_t optimizer_bytes(const optimizer *o)
{
    return (size_t)(o->floats > 0 ? o->floats : 1) * sizeof(float);
}

/* Floats of a weight with the gap behind it. */
static int64_t optimizer_room(const net *n, size_t i)
{
    return (i + 1 < n->n_weights ? n->weights[i + 1].offset : n->weight_floats) - n->weights[i].offset;
}

/* Weights that lie beside each other keep doing so, gaps included; frozen ones are left out. */
static void optimizer_lay(optimizer *o)
{
    const net *n = o->s->net;
    o->at = mem_array(n->n_weights + 1, sizeof *o->at);
    for (size_t i = 0; i < n->n_weights; i++) {
        o->at[i] = n->weights[i].frozen ? -1 : o->floats;
        if (!n->weights[i].frozen) o->floats += optimizer_room(n, i);
    }
}

enum { OPTIMIZER_PIECE = 4096 }; /* floats whose squares are summed at once */

static size_t optimizer_pieces(const optimizer_run *r)
{
    return ((size_t)r->count + OPTIMIZER_PIECE - 1) / OPTIMIZER_PIECE;
}

void optimizer_rule(optimizer *o, const tensor_rules *rules)
{
    const net *n = o->s->net;
    o->n_runs = o->n_squares = 0;
    size_t previous = 0;
    for (size_t i = 0; i < n->n_weights; i++) {
        const net_tensor *t = &n->weights[i];
        if (t->frozen) continue;
        optimizer_run r = {t->offset,
                           o->at[i],
                           t->count,
                           i,
                           tensor_rules_lr(rules, t->name),
                           tensor_rules_decays(rules, t->name)};
        optimizer_run *last = o->n_runs ? &o->runs[o->n_runs - 1] : NULL;
        bool joined =
            last && o->elementwise && previous + 1 == i && last->lr == r.lr && last->decays == r.decays;
        /* All at once: the gaps between tensors hold zeros and stay so. */
        if (joined)
            last->count = t->offset + t->count - last->first;
        else
            o->runs[o->n_runs++] = r;
        if (!r.decays && !o->undecayed) o->undecayed = wrapped_without_decay(o->plugin, &o->memory);
        previous = i;
    }
    for (size_t i = 0; i < o->n_runs; i++) o->n_squares += optimizer_pieces(&o->runs[i]);
    mem_free(o->squares);
    o->squares = mem_array(o->n_squares + 1, sizeof *o->squares);
}

cvy_status optimizer_init(optimizer *o, const cvy_child *plugin, state *s, errors *e)
{
    *o = (optimizer){.plugin = plugin, .type = plugin->plugin->type, .s = s};
    o->elementwise = wrapped_elementwise(plugin);
    o->n_slots = wrapped_slots(plugin, &o->memory, o->names);
    if (o->n_slots > CVY_MAX_SLOTS)
        return errors_add(e, CVY_ERR_PLUGIN, NULL, NULL,
                          "optimizer %s wants %zu state arrays; %d is the most", plugin->plugin->name,
                          o->n_slots, CVY_MAX_SLOTS);
    optimizer_lay(o);
    o->runs = mem_array(s->net->n_weights + 1, sizeof *o->runs);
    optimizer_rule(o, &(tensor_rules){0});
    for (size_t i = 0; i < o->n_slots; i++)
        if (!(o->slots[i] = buffer_new(optimizer_bytes(o), e))) return CVY_ERR_RESOURCE;
    return CVY_OK;
}

void optimizer_free(optimizer *o)
{
    if (!o->s) return;
    for (size_t i = 0; i < o->n_slots && i < CVY_MAX_SLOTS; i++) buffer_free(o->slots[i], optimizer_bytes(o));
    mem_free(o->at);
    mem_free(o->runs);
    mem_free(o->squares);
    arena_free(&o->memory);
}

/* ---- clipping ---- */

typedef struct clip_job {
    float *g; /* a run's */
    int64_t count;
    double limit, *squares; /* of the run's pieces */
    float scale;
} clip_job;

static void optimizer_clip_values(void *ctx, int64_t begin, int64_t end, int thread)
{
    const clip_job *j = ctx;
    const float most = (float)j->limit;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        float g = j->g[i];
        j->g[i] = g > most ? most : g < -most ? -most : g;
    }
}

static void optimizer_square(void *ctx, int64_t begin, int64_t end, int thread)
{
    const clip_job *j = ctx;
    (void)thread;
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t first = piece * OPTIMIZER_PIECE, last = first + OPTIMIZER_PIECE;
        double sum = 0;
        for (int64_t i = first; i < last && i < j->count; i++) sum += (double)j->g[i] * (double)j->g[i];
        j->squares[piece] = sum;
    }
}

static void optimizer_scale(void *ctx, int64_t begin, int64_t end, int thread)
{
    const clip_job *j = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++) j->g[i] *= j->scale;
}

/* The pieces' sums are added up in their order, so that threads have no part in the result. */
static double optimizer_norm(optimizer *o)
{
    double sum = 0, *squares = o->squares;
    for (size_t i = 0; i < o->n_runs; i++) {
        const optimizer_run *r = &o->runs[i];
        clip_job j = {.g = o->s->gradients + r->first, .count = r->count, .squares = squares};
        parallel_for((int64_t)optimizer_pieces(r), 4, optimizer_square, &j);
        squares += optimizer_pieces(r);
    }
    for (size_t i = 0; i < o->n_squares; i++) sum += o->squares[i];
    return sqrt(sum);
}

static void optimizer_each(optimizer *o, parallel_fn *fn, double limit, double scale)
{
    for (size_t i = 0; i < o->n_runs; i++) {
        clip_job j = {.g = o->s->gradients + o->runs[i].first, .limit = limit, .scale = (float)scale};
        parallel_for(o->runs[i].count, OPTIMIZER_PIECE, fn, &j);
    }
}

static cvy_status optimizer_clip(optimizer *o, int64_t step, errors *e)
{
    if (o->clip_value > 0) optimizer_each(o, optimizer_clip_values, o->clip_value, 1);
    if (!(o->clip_norm > 0)) return CVY_OK;
    double norm = optimizer_norm(o), scale = o->clip_norm / (norm + 1e-6); /* as in PyTorch */
    if (!isfinite(norm))
        return errors_add(e, CVY_ERR_RUN, NULL, "a smaller learning rate, or a warm-up, usually helps",
                          "step %" PRId64 ": the norm of the gradient is %s, and cannot be clipped", step,
                          isnan(norm) ? "not a number" : "infinite");
    if (o->log) o->log(o->log_ctx, "gradient_norm", norm);
    if (scale < 1) optimizer_each(o, optimizer_scale, 0, scale);
    return CVY_OK;
}

/* ---- updates ---- */

typedef struct update_job {
    const optimizer *o;
    const optimizer_run *run;
    int64_t step;
    double lr_factor;
    host *hosts; /* per thread */
    errors *e;
} update_job;

static void optimizer_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const update_job *j = ctx;
    const optimizer *o = j->o;
    const optimizer_run *r = j->run;
    float *slots[CVY_MAX_SLOTS];
    for (size_t i = 0; i < o->n_slots; i++) slots[i] = o->slots[i] + r->slot + begin;
    cvy_update u = {.host = &j->hosts[thread].face,
                    .n = end - begin,
                    .step = j->step,
                    .lr_factor = j->lr_factor * r->lr,
                    .w = o->s->weights + r->first + begin,
                    .g = o->s->gradients + r->first + begin,
                    .slots = slots};
    if (o->type->update(&u, r->decays ? o->plugin->config : o->undecayed) && !errors_count(&j->e[thread]))
        cvy_fail(&u, "update failed without saying why");
}

cvy_status optimizer_update(optimizer *o, int64_t step, double lr_factor, errors *e)
{
    const net *n = o->s->net;
    cvy_status status = optimizer_clip(o, step, e);
    if (status) return status;
    int threads = parallel_threads();
    errors problems[threads];
    host hosts[threads];
    for (int i = 0; i < threads; i++) {
        problems[i] = (errors){0};
        hosts[i] = host_make(&problems[i], CVY_ERR_RUN, NULL, o->seed, NULL);
        /* What is logged from pieces of tensors would depend on how they were cut. */
        if (!o->elementwise) hosts[i].log = o->log, hosts[i].log_ctx = o->log_ctx;
    }
    update_job j = {.o = o, .step = step, .lr_factor = lr_factor, .hosts = hosts, .e = problems};
    for (size_t i = 0; i < o->n_runs; i++) {
        j.run = &o->runs[i];
        if (o->elementwise) {
            parallel_for(j.run->count, 4096, optimizer_piece, &j);
        } else {
            hosts[0].name = n->weights[j.run->weight].name; /* random numbers are drawn tensor by tensor */
            optimizer_piece(&j, 0, j.run->count, 0);
        }
    }
    for (int i = 0; i < threads; i++) {
        if (!problems[i].n) continue;
        cvy_status failed = blame(&problems[i], e, "train.optimizer (%s)", o->plugin->plugin->name);
        if (!status) status = failed;
    }
    o->s->version++;
    return status;
}

double optimizer_lr(const optimizer *o)
{
    double lr = 0;
    return wrapped_number(o->plugin, "lr", &lr) ? lr : 0;
}

/* ---- averages ---- */

/* The slot; -1: none. */
static int optimizer_average(const optimizer *o)
{
    for (size_t i = 0; i < o->n_slots; i++) {
        if (wrapped_is_average(o->names[i])) return (int)i;
    }
    return -1;
}

bool optimizer_averages(const optimizer *o)
{
    return optimizer_average(o) >= 0;
}

void optimizer_exchange_average(optimizer *o)
{
    int slot = optimizer_average(o);
    for (size_t i = 0; slot >= 0 && i < o->n_runs; i++) {
        float *w = o->s->weights + o->runs[i].first, *average = o->slots[slot] + o->runs[i].slot;
        for (int64_t k = 0; k < o->runs[i].count; k++) {
            float x = w[k];
            w[k] = average[k];
            average[k] = x;
        }
    }
    o->s->version++;
}
