/* Keeps plans by what they are for, and frees those that nobody has asked for in a long while. Must not know batches. */
#include "train/plans.h"

#include "device/buffer.h"

/* Kernels have code made for a plan's shapes, and those of an evaluation may keep packed copies of the weights: of large
 * networks fewer plans are kept. */
#define PLANS_MOST  256
#define PLANS_LEAST 4
#define PLANS_BYTES ((size_t)1 << 30) /* to be held by them, about */
#define LAYER_BYTES ((size_t)1 << 16) /* besides the weights; measured */

typedef struct plans_kept {
    cvy_shape sample;
    int64_t samples;
    bool train, pinned;
    uint64_t asked; /* when last */
    plan *plan;
} plans_kept;

void plans_open(plans *p, const net *n, state *s, const machine *m, uint64_t seed, step_log *log)
{
    *p = (plans){.net = n, .state = s, .machine = m, .seed = seed, .log = log};
}

void plans_close(plans *p)
{
    for (size_t i = 0; i < p->n; i++) plan_free(p->kept[i].plan);
    mem_free(p->kept);
    buffer_free(p->memory, p->bytes);
    *p = (plans){0};
}

static bool plans_same(const plans_kept *k, const cvy_shape *sample, int64_t samples, bool train)
{
    return k->train == train && k->samples == samples && cvy_shape_same(&k->sample, sample);
}

static size_t plans_most(const plans *p)
{
    const size_t packed = 2 * sizeof(float) * (size_t)p->net->weight_floats,
                 most = PLANS_BYTES / (packed + LAYER_BYTES * p->net->n_nodes);
    return most < PLANS_LEAST ? PLANS_LEAST : most > PLANS_MOST ? PLANS_MOST : most;
}

static void plans_make_room(plans *p)
{
    size_t loose = 0, oldest = p->n;
    for (size_t i = 0; i < p->n; i++) {
        if (p->kept[i].pinned) continue;
        if (oldest == p->n || p->kept[i].asked < p->kept[oldest].asked) oldest = i;
        loose++;
    }
    if (loose < plans_most(p)) return;
    plan_free(p->kept[oldest].plan);
    p->kept[oldest] = p->kept[--p->n];
}

static cvy_status plans_hold(plans *p, size_t bytes, errors *e)
{
    if (p->memory && bytes <= p->bytes) return CVY_OK;
    void *more = buffer_new(bytes, e);
    if (!more) return CVY_ERR_RESOURCE;
    buffer_free(p->memory, p->bytes);
    p->memory = more;
    p->bytes = bytes;
    for (size_t i = 0; i < p->n; i++) plan_bind(p->kept[i].plan, more);
    return CVY_OK;
}

plan *plans_get(plans *p, const cvy_shape *sample, int64_t samples, bool train, bool pinned, errors *e)
{
    p->asked++;
    for (size_t i = 0; i < p->n; i++) {
        plans_kept *k = &p->kept[i];
        if (!plans_same(k, sample, samples, train)) continue;
        k->asked = p->asked;
        k->pinned = k->pinned || pinned;
        return k->plan;
    }
    plans_make_room(p);
    plan_options o = {
        .batch = samples, .sample = *sample, .train = train, .algorithm = p->algorithm, .seed = p->seed};
    if (train) o.log = step_log_add, o.log_ctx = p->log;
    plan *made = plan_new(p->net, p->state, p->machine, &o, e);
    if (!made) return NULL;
    if (plans_hold(p, plan_bytes(made), e)) {
        plan_free(made);
        return NULL;
    }
    plan_bind(made, p->memory);
    p->kept = MEM_GROW(p->kept, p->n, &p->cap);
    p->kept[p->n++] = (plans_kept){.sample = *sample,
                                   .samples = samples,
                                   .train = train,
                                   .pinned = pinned,
                                   .asked = p->asked,
                                   .plan = made};
    return made;
}
