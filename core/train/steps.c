/* Owns the list of augmentation steps and what stands behind each. Must not know batches, nor what a step does to an
 * image. */
#include "train/steps.h"

#include <stdlib.h>

#include "base/memory.h"
#include "plugin/contract.h"
#include "train/blame.h"
#include "train/sizes.h"

enum { STEPS_MIX_MOST = 4 };

/* ---- the list ---- */

static void steps_put(data *d, const cvy_child *child, const char *list, size_t at, uint32_t when)
{
    data_step *s = &d->steps[d->n_steps++];
    const cvy_augment *type = child->plugin->type;
    *s = (data_step){.child = child,
                     .path = arena_printf(&d->memory, "%s.%zu", list, at),
                     .position = arena_printf(&d->memory, when ? "eval %zu" : "%zu", at),
                     .traits = cvy_augment_traits(type, child->config),
                     .when = when};
    s->key = philox_key_of(d->seed, "augment", s->position);
    d->mixes += !when && (s->traits & CVY_AUGMENT_MIX);
}

void steps_list(data *d)
{
    const cvy_children *own = &d->settings->augment, *copies = &d->settings->eval.augment;
    d->steps = arena_array(&d->memory, own->n + copies->n + 1, sizeof *d->steps);
    size_t before = 0; /* preprocessing in front of all that is for training alone */
    while (before < own->n &&
           cvy_augment_traits(own->v[before].plugin->type, own->v[before].config) & CVY_AUGMENT_ALWAYS)
        before++;
    if (before == own->n) before = 0;
    for (size_t i = 0; i <= own->n; i++) {
        for (size_t k = 0; k < copies->n && i == before; k++)
            steps_put(d, &copies->v[k], "eval.augment", k, STEP_IN_COPIES_ALONE);
        if (i < own->n) steps_put(d, &own->v[i], "dataset.augment", i, 0);
    }
}

static bool steps_learns(const cvy_augment *type)
{
    return CONTRACT_HAS(cvy_augment, type, release) && (type->prepare || type->release);
}

int steps_check(const data *d, size_t k, const cvy_shape *in, const cvy_shape *out, const cvy_host *face)
{
    const data_step *s = &d->steps[k];
    const cvy_augment *type = s->child->plugin->type;
    const bool mixes = s->traits & CVY_AUGMENT_MIX, learns = steps_learns(type);
    if (learns && (!type->prepare || !type->release))
        return face->fail(face, "the plugin has one of prepare and release; it needs both or neither");
    if (!(s->when & STEP_IN_COPIES_ALONE)) {
        if (mixes && d->mixes > STEPS_MIX_MOST)
            return face->fail(
                face, "%zu steps mix samples, and %d is the most: each doubles how many are read for one",
                d->mixes, STEPS_MIX_MOST);
        return 0;
    }
    if (mixes) return face->fail(face, "mixes samples, which is for training; leave it out of eval.augment");
    if (learns)
        return face->fail(face, "learns from the training samples: put it into dataset.augment, where "
                                "training has it too");
    if (!sizes_same(in, out))
        return face->fail(face,
                          "gives images of another size; in eval.augment only what keeps the size can be");
    return 0;
}

bool steps_apply(const data *d, size_t k, data_how how)
{
    const data_step *s = &d->steps[k];
    if (s->when & STEP_IN_COPIES_ALONE) return how == DATA_AS_COPY;
    return how == DATA_AS_TRAINING || (s->traits & CVY_AUGMENT_ALWAYS);
}

/* ---- learning ---- */

typedef struct steps_reader {
    const data *d;
    size_t k;
    float *scratch;
    errors *e;
} steps_reader;

static int steps_sample(const cvy_augment_prepare *p, int64_t i, float *x)
{
    const steps_reader *r = p->core;
    int32_t label;
    if (i < 0 || i >= p->n)
        return p->host->fail(p->host, "asks for training sample %lld of %lld", (long long)i, (long long)p->n);
    const data_way way = {.part = DATA_TRAIN, .how = DATA_AS_EVALUATION, .end = r->k};
    return (int)data_read_way(r->d, &way, i, x, &label, NULL, r->scratch, r->e);
}

static cvy_status steps_learn(data *d, size_t k, float *scratch, errors *e)
{
    data_step *s = &d->steps[k];
    const cvy_augment *type = s->child->plugin->type;
    errors own = {0};
    host h = host_make(&own, CVY_ERR_CONFIG, &d->at, d->seed, s->position);
    steps_reader r = {d, k, scratch, &own};
    const cvy_shape *in = sizes_common(d, DATA_AS_EVALUATION, k);
    if (!in)
        return errors_add(e, CVY_ERR_CONFIG, &d->at, "put `resize` or a crop in front of it",
                          "%s (%s): learns from training samples of one size, and they have several", s->path,
                          s->child->plugin->name);
    cvy_augment_prepare p = {
        .host = &h.face, .in = in, .n = d->n[DATA_TRAIN], .sample = steps_sample, .core = &r};
    if (type->prepare(&p, s->child->config, &s->state)) {
        s->state = NULL;
        if (!errors_count(&own)) cvy_fail(&p, "prepare failed without saying why");
    }
    if (!errors_count(&own)) return CVY_OK;
    return blame(&own, e, "%s (%s)", s->path, s->child->plugin->name);
}

cvy_status steps_prepare(data *d, errors *e)
{
    float *scratch = NULL;
    cvy_status status = CVY_OK;
    for (size_t k = 0; k < d->n_steps && !status; k++) {
        if (!steps_learns(d->steps[k].child->plugin->type) || d->steps[k].state) continue;
        if (!scratch) scratch = mem_try((size_t)data_scratch(d), sizeof *scratch);
        status = scratch ? steps_learn(d, k, scratch, e)
                         : errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a sample");
    }
    mem_free(scratch);
    return status;
}

void steps_release(data *d)
{
    for (size_t k = 0; k < d->n_steps; k++)
        if (d->steps[k].state)
            ((const cvy_augment *)d->steps[k].child->plugin->type)->release(d->steps[k].state);
}

/* ---- mixing ---- */

bool steps_mix_classes(const data *d)
{
    return d->mixes > 0 && d->info.classes > 0 && data_target(d) == TARGET_LABEL;
}

static int steps_order(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t steps_partner(const data *d, size_t k, int32_t epoch, int64_t i)
{
    int64_t n, own = i;
    const int64_t *peers = sizes_peers(d, k, i, &n);
    if (n < 2) return i;
    if (peers) own = (const int64_t *)bsearch(&i, peers, (size_t)n, sizeof *peers, steps_order) - peers;
    philox_stream s = philox_open(philox_key_of(d->seed, "mix partner", d->steps[k].position),
                                  (uint64_t)d->index[DATA_TRAIN][i], (uint32_t)epoch);
    const int64_t j = (int64_t)philox_below(&s, (uint32_t)(n - 1));
    const int64_t chosen = j < own ? j : j + 1;
    return peers ? peers[chosen] : chosen;
}

void steps_first_target(const data *d, int32_t label, float *target)
{
    if (!steps_mix_classes(d)) return;
    for (int32_t k = 0; k < d->info.classes; k++) target[k] = k == label ? 1 : 0;
}

void steps_mix_targets(float *target, const float *other, int64_t n, float share)
{
    for (int64_t k = 0; k < n; k++) target[k] = share * target[k] + (1 - share) * other[k];
}

void steps_last_label(const data *d, const float *target, int32_t *label)
{
    if (!steps_mix_classes(d)) return;
    for (int32_t k = 0; k < d->info.classes; k++)
        if (target[k] > target[*label]) *label = k;
}
