/* Writes and restores the state of a run. Must not know when it is time to. */
#include "train/checkpoint.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "train/safetensors.h"

/* ---- the tensors of a checkpoint, in order ---- */

typedef struct checkpoint_list {
    arena memory;
    safetensor *items;
    size_t n, cap;
} checkpoint_list;

static void checkpoint_push(checkpoint_list *l, const char *name, const net_tensor *t, const float *data)
{
    l->items = MEM_GROW(l->items, l->n, &l->cap);
    l->items[l->n++] = (safetensor){.name = name, .shape = t->shape, .data = data, .count = t->count};
}

static void checkpoint_add(checkpoint_list *l, const char *prefix, const net_tensor *tensors, size_t n,
                           const float *base)
{
    for (size_t i = 0; i < n; i++)
        checkpoint_push(l, arena_printf(&l->memory, "%s%s", prefix, tensors[i].name), &tensors[i],
                        base + tensors[i].offset);
}

/* What the optimizer keeps of a weight; nothing of a frozen one. */
static void checkpoint_add_slot(checkpoint_list *l, const optimizer *o, size_t slot, size_t weight)
{
    const net_tensor *t = &o->s->net->weights[weight];
    if (t->frozen) return;
    checkpoint_push(l, arena_printf(&l->memory, "optimizer.%s.%s", o->names[slot], t->name), t,
                    o->slots[slot] + o->at[weight]);
}

static checkpoint_list checkpoint_tensors(const state *s, const optimizer *o, const best_copy *best,
                                          bool with_best, bool with_slots)
{
    const net *n = s->net;
    checkpoint_list l = {0};
    checkpoint_add(&l, "", n->weights, n->n_weights, s->weights);
    checkpoint_add(&l, "", n->buffers, n->n_buffers, s->buffers);
    for (size_t i = 0; with_slots && i < o->n_slots; i++)
        for (size_t k = 0; k < n->n_weights; k++) checkpoint_add_slot(&l, o, i, k);
    if (with_best) {
        checkpoint_add(&l, "best.", n->weights, n->n_weights, best->weights);
        checkpoint_add(&l, "best.", n->buffers, n->n_buffers, best->buffers);
    }
    return l;
}

static void checkpoint_list_free(checkpoint_list *l)
{
    mem_free(l->items);
    arena_free(&l->memory);
}

/* While training, a best epoch that is not the present state travels along. */
static bool checkpoint_needs_best(const progress_point *at)
{
    return !at->finished && at->best_epoch > 0 &&
           (at->averaged || !(at->best_epoch == at->epoch && at->batch == 0));
}

/* Over the tensors' data in their order: bits that a disk loses would otherwise train on unseen. */
static const char *checkpoint_checksum(const safetensor *items, size_t n, arena *a)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < n; i++) crc = crc32c(crc, items[i].data, (size_t)items[i].count * sizeof(float));
    return arena_printf(a, "%08" PRIx32, crc);
}

/* ---- writing ---- */

enum {
    META_FORMAT,
    META_CONFIG,
    META_STEP,
    META_EPOCH,
    META_BATCH,
    META_SUMS,
    META_BEST,
    META_FINISHED,
    META_SCHEDULE,
    META_STOPPING,
    META_SUM,
    META_COUNT
};
static const char *const checkpoint_keys[META_COUNT] = {"format",   "config_hash", "step",  "epoch",
                                                        "batch",    "sums",        "best",  "finished",
                                                        "schedule", "stopping",    "crc32c"};

static const char *checkpoint_schedule(const schedule_state *s, arena *a)
{
    return arena_printf(a, "%a %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, s->waiting.best,
                        s->waiting.seen, s->waiting.waited, s->reductions, s->cooling);
}

cvy_status checkpoint_write_last(const char *dir, const state *s, const optimizer *o, const best_copy *best,
                                 const progress_point *at, const char *config_hash, errors *e)
{
    arena a = {0};
    text sums = {0};
    metrics_write(&at->sums, &sums);
    checkpoint_list l =
        checkpoint_tensors(s, o, best, checkpoint_needs_best(at), !(at->finished && at->bare));
    const char *values[META_COUNT] = {CHECKPOINT_FORMAT,
                                      config_hash,
                                      arena_printf(&a, "%" PRId64, at->step),
                                      arena_printf(&a, "%" PRId64, at->epoch),
                                      arena_printf(&a, "%" PRId64, at->batch),
                                      text_str(&sums),
                                      arena_printf(&a, "%" PRId64 " %a", at->best_epoch, at->best_value),
                                      at->finished ? "yes" : "no",
                                      checkpoint_schedule(&at->schedule, &a),
                                      arena_printf(&a, "%a %" PRId64 " %" PRId64 " %d", at->stopping.best,
                                                   at->stopping.seen, at->stopping.waited, at->stopped),
                                      checkpoint_checksum(l.items, l.n, &a)};
    char *path = path_join(dir, CHECKPOINT_LAST);
    cvy_status status =
        (at->unsynced   ? safetensors_write_unsynced
         : at->finished ? safetensors_write_loose
                        : safetensors_write)(path, l.items, l.n, checkpoint_keys, values, META_COUNT, e);
    mem_free(path);
    checkpoint_list_free(&l);
    text_free(&sums);
    arena_free(&a);
    return status;
}

cvy_status checkpoint_write_best(const char *dir, const net *n, const best_copy *best,
                                 const progress_point *at, errors *e)
{
    arena a = {0};
    checkpoint_list l = {0};
    checkpoint_add(&l, "", n->weights, n->n_weights, best->weights);
    checkpoint_add(&l, "", n->buffers, n->n_buffers, best->buffers);
    const char *keys[] = {checkpoint_keys[META_FORMAT], checkpoint_keys[META_EPOCH], "value",
                          checkpoint_keys[META_SUM]};
    const char *values[] = {CHECKPOINT_FORMAT, arena_printf(&a, "%" PRId64, at->best_epoch),
                            arena_printf(&a, "%.17g", at->best_value), checkpoint_checksum(l.items, l.n, &a)};
    char *path = path_join(dir, CHECKPOINT_BEST);
    cvy_status status = (at->unsynced ? safetensors_write_unsynced
                                      : safetensors_write_loose)(path, l.items, l.n, keys, values, 4, e);
    mem_free(path);
    checkpoint_list_free(&l);
    arena_free(&a);
    return status;
}

void checkpoint_drop_last(const char *dir)
{
    char *path = path_join(dir, CHECKPOINT_LAST);
    (void)unlink(path); /* it costs space and nothing else */
    mem_free(path);
}

void checkpoint_tidy(const char *dir)
{
    char *last = path_join(dir, CHECKPOINT_LAST), *path = path_dir(last);
    DIR *d = opendir(path);
    for (const struct dirent *entry; d && (entry = readdir(d));) {
        const char *name = entry->d_name;
        if (name[0] != '.' || !text_ends(name, ".tmp")) continue;
        if (text_starts(name + 1, path_base(CHECKPOINT_LAST)) ||
            text_starts(name + 1, path_base(CHECKPOINT_BEST)))
            (void)unlinkat(dirfd(d), name, 0); /* it costs space and nothing else */
    }
    if (d) closedir(d);
    mem_free(path);
    mem_free(last);
}

/* ---- reading ---- */

bool checkpoint_is_there(const char *dir)
{
    char *path = path_join(dir, CHECKPOINT_LAST);
    const bool there = file_size(path) > 0;
    mem_free(path);
    return there;
}

static const char *checkpoint_said(const safetensors *f, int key)
{
    return safetensors_metadata(f, checkpoint_keys[key]);
}

static bool checkpoint_number(const safetensors *f, int key, int64_t *v)
{
    const char *s = checkpoint_said(f, key);
    return s && sscanf(s, "%" SCNd64, v) == 1 && *v >= 0;
}

bool checkpoint_is_whole(const safetensors *f)
{
    arena a = {0};
    const char *sum = checkpoint_said(f, META_SUM);
    bool whole = sum && strcmp(sum, checkpoint_checksum(f->items, f->n, &a)) == 0;
    arena_free(&a);
    return whole;
}

/* What schedule and early stopping have seen. */
static bool checkpoint_seen(const safetensors *f, progress_point *at)
{
    const char *schedule = checkpoint_said(f, META_SCHEDULE);
    const char *stopping = checkpoint_said(f, META_STOPPING);
    schedule_state *s = &at->schedule;
    patience *p = &at->stopping;
    int stopped = 0;
    if (!schedule || !stopping ||
        sscanf(schedule, "%la %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &s->waiting.best,
               &s->waiting.seen, &s->waiting.waited, &s->reductions, &s->cooling) != 5 ||
        sscanf(stopping, "%la %" SCNd64 " %" SCNd64 " %d", &p->best, &p->seen, &p->waited, &stopped) != 4)
        return false;
    at->stopped = stopped != 0;
    return s->waiting.seen >= 0 && s->waiting.waited >= 0 && s->reductions >= 0 && s->cooling >= 0 &&
           p->seen >= 0 && p->waited >= 0;
}

static cvy_status checkpoint_parse(const safetensors *f, const char *path, const char *config_hash,
                                   progress_point *at, errors *e)
{
    place where = PLACE_FILE(path);
    const char *format = checkpoint_said(f, META_FORMAT), *hash = checkpoint_said(f, META_CONFIG);
    const char *best = checkpoint_said(f, META_BEST), *finished = checkpoint_said(f, META_FINISHED);
    if (!format || strcmp(format, CHECKPOINT_FORMAT) != 0)
        return errors_add(e, CVY_ERR_CONFIG, &where, NULL,
                          "is no checkpoint of this version (format \"%s\", expected \"%s\")",
                          format ? format : "", CHECKPOINT_FORMAT);
    if (!hash || strcmp(hash, config_hash) != 0)
        return errors_add(e, CVY_ERR_CONFIG, &where, NULL, "is the checkpoint of another configuration");
    if (!checkpoint_is_whole(f))
        return errors_add(e, CVY_ERR_CONFIG, &where, NULL,
                          "is damaged: its tensors do not have their checksum");
    if (!checkpoint_number(f, META_STEP, &at->step) || !checkpoint_number(f, META_EPOCH, &at->epoch) ||
        !checkpoint_number(f, META_BATCH, &at->batch) ||
        !metrics_read(&at->sums, checkpoint_said(f, META_SUMS)) || !best ||
        sscanf(best, "%" SCNd64 " %la", &at->best_epoch, &at->best_value) != 2 || !finished ||
        !checkpoint_seen(f, at))
        return errors_add(e, CVY_ERR_CONFIG, &where, NULL, "lacks the position of the run in its metadata");
    at->finished = strcmp(finished, "yes") == 0;
    return CVY_OK;
}

static cvy_status checkpoint_match(const safetensors *f, const checkpoint_list *l, const char *path,
                                   errors *e)
{
    place where = PLACE_FILE(path);
    for (size_t i = 0; i < l->n; i++) {
        const safetensor *t = safetensors_find(f, l->items[i].name);
        if (!t || !cvy_shape_same(&t->shape, &l->items[i].shape))
            return errors_add(e, CVY_ERR_CONFIG, &where, NULL, "tensor \"%s\" is %s", l->items[i].name,
                              t ? "of another shape" : "missing");
    }
    if (l->n == f->n) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, &where, NULL, "holds %zu tensors, expected %zu", f->n, l->n);
}

cvy_status checkpoint_read_last(const char *dir, state *s, optimizer *o, best_copy *best, progress_point *at,
                                const char *config_hash, bool *found, errors *e)
{
    char *path = path_join(dir, CHECKPOINT_LAST);
    safetensors f = {0};
    progress_point p = {.averaged = at->averaged, .bare = at->bare};
    checkpoint_list l = {0};
    *found = checkpoint_is_there(dir);
    cvy_status status = *found ? safetensors_read(path, &f, e) : CVY_OK;
    if (*found && !status) status = checkpoint_parse(&f, path, config_hash, &p, e);
    if (*found && !status) {
        const size_t without = s->net->n_weights + s->net->n_buffers;
        l = checkpoint_tensors(s, o, best, checkpoint_needs_best(&p), !(p.finished && f.n == without));
        status = checkpoint_match(&f, &l, path, e);
    }
    if (*found && !status) {
        for (size_t i = 0; i < l.n; i++) {
            const safetensor *t = safetensors_find(&f, l.items[i].name);
            memcpy((void *)(uintptr_t)l.items[i].data, t->data, (size_t)t->count * sizeof(float));
        }
        if (p.best_epoch > 0 && !checkpoint_needs_best(&p) && !p.finished) {
            memcpy(best->weights, s->weights, (size_t)s->net->weight_floats * sizeof(float));
            memcpy(best->buffers, s->buffers, (size_t)s->net->buffer_floats * sizeof(float));
        }
        s->version++;
        *at = p;
    }
    checkpoint_list_free(&l);
    safetensors_free(&f);
    mem_free(path);
    return status;
}
