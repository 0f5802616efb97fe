/* Finds a run's weights among its checkpoints. Must not know what they are wanted for. */
#include "train/checkpoint_weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "convoy/optimizer.h"
#include "train/checkpoint.h"

static const char prefix_best[] = "best.", prefix_optimizer[] = "optimizer.";

/* The file of a checkpoint, whole; false when it is not there or after reporting. */
static bool checkpoint_weights_open(checkpoint_weights *w, const char *dir, const char *file, errors *e)
{
    safetensors_free(&w->file);
    mem_free(w->path);
    w->path = path_join(dir, file);
    if (!file_exists(w->path) || safetensors_read(w->path, &w->file, e)) return false;
    const char *format = safetensors_metadata(&w->file, "format");
    const place at = PLACE_FILE(w->path);
    if (!format || strcmp(format, CHECKPOINT_FORMAT) != 0)
        errors_add(e, CVY_ERR_CONFIG, &at, NULL, "is no checkpoint of this version");
    else if (!checkpoint_is_whole(&w->file))
        errors_add(e, CVY_ERR_CONFIG, &at, NULL, "is damaged: its tensors do not have their checksum");
    else
        return true;
    return false;
}

/* The first number of an entry; 0 without one. */
static int64_t checkpoint_weights_number(const checkpoint_weights *w, const char *key)
{
    const char *s = safetensors_metadata(&w->file, key);
    int64_t v = 0;
    return s && sscanf(s, "%" SCNd64, &v) == 1 ? v : 0;
}

/* Those whose names begin with `prefix`, without it; with NULL all that are nothing else. */
static void checkpoint_weights_take(checkpoint_weights *w, const char *prefix)
{
    mem_free(w->items);
    w->items = mem_array(w->file.n + 1, sizeof *w->items);
    w->n = 0;
    for (size_t i = 0; i < w->file.n; i++) {
        safetensor t = w->file.items[i];
        bool apart = text_starts(t.name, prefix_best) || text_starts(t.name, prefix_optimizer);
        if (prefix ? !text_starts(t.name, prefix) : apart) continue;
        if (prefix) t.name += strlen(prefix);
        w->items[w->n++] = t;
    }
}

static bool checkpoint_weights_none(const char *dir, const char *what, const char *hint, errors *e)
{
    const place at = PLACE_FILE(dir);
    if (file_is_dir(dir))
        errors_add(e, CVY_ERR_CONFIG, &at, hint, "the run has no %s yet", what);
    else
        errors_add(e, CVY_ERR_CONFIG, &at,
                   "the database keeps its figures, but the weights were in the folder",
                   "the run's folder is not there any more");
    return false;
}

static bool checkpoint_weights_last(checkpoint_weights *w, const char *dir, errors *e)
{
    size_t before = errors_count(e);
    if (checkpoint_weights_open(w, dir, CHECKPOINT_LAST, e)) {
        w->epoch = checkpoint_weights_number(w, "epoch");
        checkpoint_weights_take(w, NULL);
        return true;
    }
    return errors_count(e) > before ? false : checkpoint_weights_none(dir, "checkpoint", NULL, e);
}

/* False where there is no such file, or after reporting. */
static bool checkpoint_weights_own_best(checkpoint_weights *w, const char *dir, errors *e)
{
    if (!checkpoint_weights_open(w, dir, CHECKPOINT_BEST, e)) return false;
    w->epoch = checkpoint_weights_number(w, "epoch");
    checkpoint_weights_take(w, NULL);
    return true;
}

/* A finished run has a file of its best epoch. Before that the last checkpoint has it apart, where it is not itself the
 * best. */
static bool checkpoint_weights_best(checkpoint_weights *w, const char *dir, errors *e)
{
    static const char hint[] = "`--which last` takes its last checkpoint";
    size_t before = errors_count(e);
    if (checkpoint_weights_own_best(w, dir, e)) return true;
    if (errors_count(e) > before || !checkpoint_weights_last(w, dir, e)) return false;
    int64_t best = checkpoint_weights_number(w, "best"), epoch = w->epoch;
    const char *finished = safetensors_metadata(&w->file, "finished");
    if (best != epoch && finished && !strcmp(finished, "yes")) { /* it came to its end in between */
        if (checkpoint_weights_own_best(w, dir, e)) return true;
        return errors_count(e) > before ? false : checkpoint_weights_none(dir, "best epoch", hint, e);
    }
    checkpoint_weights_take(w, prefix_best);
    w->epoch = best;
    if (best > 0 && !w->n && best == epoch) checkpoint_weights_take(w, NULL);
    if (best > 0 && w->n) return true;
    return checkpoint_weights_none(dir, "best epoch", hint, e);
}

/* ---- averages ---- */

/* The average of a weight, "optimizer.SLOT.WEIGHT" with a slot that is, or ends in, `.average`; NULL without one. */
static const safetensor *checkpoint_weights_average_of(const checkpoint_weights *w, const char *weight)
{
    const size_t length = strlen(weight);
    for (size_t i = 0; i < w->file.n; i++) {
        const char *slot = w->file.items[i].name + sizeof prefix_optimizer - 1;
        if (!text_starts(w->file.items[i].name, prefix_optimizer) || !text_ends(slot, weight)) continue;
        const size_t n = strlen(slot) - length, tail = sizeof CVY_SLOT_AVERAGE - 1; /* n: up to the weight */
        if (n < tail + 1 || slot[n - 1] != '.') continue;
        if (strncmp(slot + n - 1 - tail, CVY_SLOT_AVERAGE, tail) != 0) continue;
        if (n == tail + 1 || slot[n - 2 - tail] == '.') return &w->file.items[i];
    }
    return NULL;
}

/* The last ones, with the optimizer's averages in place of the weights that have one: a frozen weight is its own, and a
 * layer's buffers belong to both. */
static bool checkpoint_weights_averaged(checkpoint_weights *w, const char *dir, errors *e)
{
    if (!checkpoint_weights_last(w, dir, e)) return false;
    size_t found = 0;
    for (size_t i = 0; i < w->n; i++) {
        const safetensor *average = checkpoint_weights_average_of(w, w->items[i].name);
        if (!average || average->count != w->items[i].count) continue;
        w->items[i].data = average->data;
        found++;
    }
    if (found) return true;
    const place at = PLACE_FILE(w->path);
    errors_add(e, CVY_ERR_CONFIG, &at,
               "`train: {optimizer: {type: ema, optimizer: adam}}` keeps an average beside the weights",
               "has no averaged weights: the run's optimizer keeps none, or its state was dropped");
    return false;
}

/* ---- asking ---- */

static const char *const weights_words[] = {"best", "last", "average"};

const char *weights_word(weights_which which)
{
    return weights_words[which];
}

bool weights_parse(const char *word, weights_which *which)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, weights_words[i]) != 0) continue;
        *which = (weights_which)i;
        return true;
    }
    return false;
}

bool checkpoint_weights_read(checkpoint_weights *w, const char *dir, weights_which which, errors *e)
{
    *w = (checkpoint_weights){0};
    if (which == WEIGHTS_AVERAGE) return checkpoint_weights_averaged(w, dir, e);
    return which == WEIGHTS_BEST ? checkpoint_weights_best(w, dir, e) : checkpoint_weights_last(w, dir, e);
}

void checkpoint_weights_free(checkpoint_weights *w)
{
    safetensors_free(&w->file);
    mem_free(w->path);
    mem_free(w->items);
    *w = (checkpoint_weights){0};
}
