/* Applies an optimizer plugin to every weight tensor. Must not know schedules or epochs. */
#include "train/optimize.h"

#include "base/parallel.h"
#include "config/params.h"
#include "device/buffer.h"
#include "train/blame.h"

static size_t optimizer_bytes(const optimizer *o)
{
    return (size_t)(o->floats > 0 ? o->floats : 1) * sizeof(float);
}

/* Weights that lie beside each other keep doing so, gaps included; frozen ones are left out. */
static void optimizer_lay(optimizer *o)
{
    const net *n = o->s->net;
    o->at = mem_array(n->n_weights + 1, sizeof *o->at);
    for (size_t i = 0; i < n->n_weights; i++) {
        const net_tensor *t = &n->weights[i];
        int64_t end = i + 1 < n->n_weights ? n->weights[i + 1].offset : n->weight_floats;
        o->at[i] = t->frozen ? -1 : o->floats;
        if (!t->frozen) o->floats += end - t->offset;
    }
}

cvy_status optimizer_init(optimizer *o, const cvy_child *plugin, state *s, errors *e)
{
    *o = (optimizer){.plugin = plugin, .type = plugin->plugin->type, .s = s};
    o->names = o->type->slots(plugin->config);
    while (o->names && o->names[o->n_slots]) o->n_slots++;
    if (o->n_slots > CVY_MAX_SLOTS)
        return errors_add(e, CVY_ERR_PLUGIN, NULL, NULL,
                          "optimizer %s wants %zu state arrays; %d is the most", plugin->plugin->name,
                          o->n_slots, CVY_MAX_SLOTS);
    optimizer_lay(o);
    for (size_t i = 0; i < o->n_slots; i++)
        if (!(o->slots[i] = buffer_new(optimizer_bytes(o), e))) return CVY_ERR_RESOURCE;
    return CVY_OK;
}

void optimizer_free(optimizer *o)
{
    if (!o->s) return;
    for (size_t i = 0; i < o->n_slots && i < CVY_MAX_SLOTS; i++) buffer_free(o->slots[i], optimizer_bytes(o));
    mem_free(o->at);
}

typedef struct update_job {
    const optimizer *o;
    int64_t first, slot,
        step; /* offsets, in the state's arrays and in the slots, of what the loop runs over */
    double lr_factor;
    host *hosts; /* per thread */
    errors *e;
} update_job;

static void optimizer_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const update_job *j = ctx;
    const optimizer *o = j->o;
    float *slots[CVY_MAX_SLOTS];
    for (size_t i = 0; i < o->n_slots; i++) slots[i] = o->slots[i] + j->slot + begin;
    cvy_update u = {.host = &j->hosts[thread].face,
                    .n = end - begin,
                    .step = j->step,
                    .lr_factor = j->lr_factor,
                    .w = o->s->weights + j->first + begin,
                    .g = o->s->gradients + j->first + begin,
                    .slots = slots};
    if (o->type->update(&u, o->plugin->config) && !errors_count(&j->e[thread]))
        cvy_fail(&u, "update failed without saying why");
}

cvy_status optimizer_update(optimizer *o, int64_t step, double lr_factor, errors *e)
{
    const net *n = o->s->net;
    int threads = parallel_threads();
    errors problems[threads];
    host hosts[threads];
    for (int i = 0; i < threads; i++) {
        problems[i] = (errors){0};
        hosts[i] = host_make(&problems[i], CVY_ERR_RUN, NULL, o->seed, NULL);
        /* What is logged from pieces of tensors would depend on how they were cut. */
        if (!o->type->elementwise) hosts[i].log = o->log, hosts[i].log_ctx = o->log_ctx;
    }
    update_job j = {.o = o, .step = step, .lr_factor = lr_factor, .hosts = hosts, .e = problems};
    if (o->type->elementwise) {
        /* All tensors up to the next frozen one at once: the gaps between them hold zeros and stay so. */
        for (size_t i = 0, k; i < n->n_weights; i = k) {
            k = i + 1;
            if (n->weights[i].frozen) continue;
            while (k < n->n_weights && !n->weights[k].frozen) k++;
            int64_t end = k < n->n_weights ? n->weights[k].offset : n->weight_floats;
            j.first = n->weights[i].offset;
            j.slot = o->at[i];
            parallel_for(end - j.first, 4096, optimizer_piece, &j);
        }
    } else {
        for (size_t i = 0; i < n->n_weights; i++) {
            if (n->weights[i].frozen) continue;
            j.first = n->weights[i].offset;
            j.slot = o->at[i];
            hosts[0].name = n->weights[i].name; /* random numbers are drawn tensor by tensor */
            optimizer_piece(&j, 0, n->weights[i].count, 0);
        }
    }
    cvy_status status = CVY_OK;
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
    params_table t = params_of(o->plugin->plugin, (void *)(uintptr_t)o->plugin->config);
    double lr = 0;
    return params_number(&t, "lr", &lr) ? lr : 0;
}
