/* Writes and restores the state of a run. Must not know when it is time to. */
#include "train/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/safetensors.h"

#define CHECKPOINT_FORMAT "convoy-checkpoint-1"

/* ---- the tensors of a checkpoint, in order ---- */

typedef struct checkpoint_list {
    arena memory;
    safetensor *items;
    size_t n, cap;
} checkpoint_list;

static void checkpoint_add(checkpoint_list *l, const char *prefix, const net_tensor *tensors, size_t n, const float *base)
{
    for (size_t i = 0; i < n; i++) {
        l->items = MEM_GROW(l->items, l->n, &l->cap);
        l->items[l->n++] = (safetensor){.name = arena_printf(&l->memory, "%s%s", prefix, tensors[i].name),
                                        .shape = tensors[i].shape,
                                        .data = base + tensors[i].offset,
                                        .count = tensors[i].count};
    }
}

static checkpoint_list checkpoint_tensors(const state *s, const optimizer *o, const best_copy *best, bool with_best)
{
    const net *n = s->net;
    checkpoint_list l = {0};
    checkpoint_add(&l, "", n->weights, n->n_weights, s->weights);
    checkpoint_add(&l, "", n->buffers, n->n_buffers, s->buffers);
    for (size_t i = 0; i < o->n_slots; i++) {
        char *prefix = mem_printf("optimizer.%s.", o->names[i]);
        checkpoint_add(&l, prefix, n->weights, n->n_weights, o->slots[i]);
        mem_free(prefix);
    }
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
    return !at->finished && at->best_epoch > 0 && !(at->best_epoch == at->epoch && at->batch == 0);
}

static char *checkpoint_path(const char *dir, const char *name)
{
    return mem_printf("%s/checkpoints/%s", dir, name);
}

/* ---- writing ---- */

enum { META_FORMAT, META_CONFIG, META_STEP, META_EPOCH, META_BATCH, META_SUMS, META_BEST, META_FINISHED, META_COUNT };
static const char *const checkpoint_keys[META_COUNT] = {"format", "config_hash", "step", "epoch",
                                                        "batch",  "sums",        "best", "finished"};

cvy_status checkpoint_write_last(const char *dir, const state *s, const optimizer *o, const best_copy *best,
                                 const progress_point *at, const char *config_hash, errors *e)
{
    arena a = {0};
    text sums = {0};
    metrics_write(&at->sums, &sums);
    const char *values[META_COUNT] = {CHECKPOINT_FORMAT,
                                      config_hash,
                                      arena_printf(&a, "%" PRId64, at->step),
                                      arena_printf(&a, "%" PRId64, at->epoch),
                                      arena_printf(&a, "%" PRId64, at->batch),
                                      text_str(&sums),
                                      arena_printf(&a, "%" PRId64 " %a", at->best_epoch, at->best_value),
                                      at->finished ? "yes" : "no"};
    checkpoint_list l = checkpoint_tensors(s, o, best, checkpoint_needs_best(at));
    char *path = checkpoint_path(dir, "last.safetensors");
    cvy_status status = safetensors_write(path, l.items, l.n, checkpoint_keys, values, META_COUNT, e);
    mem_free(path);
    checkpoint_list_free(&l);
    text_free(&sums);
    arena_free(&a);
    return status;
}

cvy_status checkpoint_write_best(const char *dir, const net *n, const best_copy *best, const progress_point *at, errors *e)
{
    arena a = {0};
    const char *keys[] = {"format", "epoch", "value"};
    const char *values[] = {CHECKPOINT_FORMAT, arena_printf(&a, "%" PRId64, at->best_epoch),
                            arena_printf(&a, "%.17g", at->best_value)};
    checkpoint_list l = {0};
    checkpoint_add(&l, "", n->weights, n->n_weights, best->weights);
    checkpoint_add(&l, "", n->buffers, n->n_buffers, best->buffers);
    char *path = checkpoint_path(dir, "best.safetensors");
    cvy_status status = safetensors_write(path, l.items, l.n, keys, values, 3, e);
    mem_free(path);
    checkpoint_list_free(&l);
    arena_free(&a);
    return status;
}

/* ---- reading ---- */

static bool checkpoint_number(const safetensors *f, int key, int64_t *v)
{
    const char *s = safetensors_metadata(f, checkpoint_keys[key]);
    return s && sscanf(s, "%" SCNd64, v) == 1 && *v >= 0;
}

static cvy_status checkpoint_parse(const safetensors *f, const char *path, const char *config_hash, progress_point *at,
                                   errors *e)
{
    place where = PLACE_FILE(path);
    const char *format = safetensors_metadata(f, "format"), *hash = safetensors_metadata(f, "config_hash");
    const char *best = safetensors_metadata(f, "best"), *finished = safetensors_metadata(f, "finished");
    if (!format || strcmp(format, CHECKPOINT_FORMAT) != 0)
        return errors_add(e, CVY_ERR_CONFIG, &where, NULL, "is no checkpoint of this version (format \"%s\", expected \"%s\")",
                          format ? format : "", CHECKPOINT_FORMAT);
    if (!hash || strcmp(hash, config_hash) != 0)
        return errors_add(e, CVY_ERR_CONFIG, &where, NULL, "is the checkpoint of another configuration");
    if (!checkpoint_number(f, META_STEP, &at->step) || !checkpoint_number(f, META_EPOCH, &at->epoch) ||
        !checkpoint_number(f, META_BATCH, &at->batch) || !metrics_read(&at->sums, safetensors_metadata(f, "sums")) ||
        !best || sscanf(best, "%" SCNd64 " %la", &at->best_epoch, &at->best_value) != 2 || !finished)
        return errors_add(e, CVY_ERR_CONFIG, &where, NULL, "lacks the position of the run in its metadata");
    at->finished = strcmp(finished, "yes") == 0;
    return CVY_OK;
}

cvy_status checkpoint_read_last(const char *dir, state *s, optimizer *o, best_copy *best, progress_point *at,
                                const char *config_hash, bool *found, errors *e)
{
    char *path = checkpoint_path(dir, "last.safetensors");
    *found = file_exists(path);
    cvy_status status = CVY_OK;
    if (*found) {
        safetensors f;
        status = safetensors_read(path, &f, e);
        progress_point p = {0};
        if (!status) status = checkpoint_parse(&f, path, config_hash, &p, e);
        checkpoint_list l = {0};
        if (!status) {
            l = checkpoint_tensors(s, o, best, checkpoint_needs_best(&p));
            place where = PLACE_FILE(path);
            if (l.n != f.n)
                status = errors_add(e, CVY_ERR_CONFIG, &where, NULL, "holds %zu tensors, expected %zu", f.n, l.n);
            for (size_t i = 0; i < l.n && !status; i++) {
                const safetensor *t = safetensors_find(&f, l.items[i].name);
                if (!t || memcmp(&t->shape, &l.items[i].shape, sizeof t->shape) != 0)
                    status = errors_add(e, CVY_ERR_CONFIG, &where, NULL, "tensor \"%s\" is %s", l.items[i].name,
                                        t ? "of another shape" : "missing");
            }
        }
        if (!status) {
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
    }
    mem_free(path);
    return status;
}
