/* A ring of batches between a reading thread and the trainer. The content of a batch is a function of its number, so the
 * ring's timing shows nowhere. Must not know networks. */
#include "train/loader.h"

#include <pthread.h>
#include <string.h>

#include "device/buffer.h"

#define SLOTS LOADER_BATCHES

struct loader {
    const data *d;
    int64_t largest; /* samples of the largest batch */
    size_t slot_bytes;
    batch slots[SLOTS];
    bool failed[SLOTS];
    errors problems[SLOTS];
    float *scratch;
    int64_t *order; /* samples by their numbers in the part, as they come */
    int64_t *begin; /* of the batches in there, and the end */
    int64_t *spare; /* as long as `order`; with several groups alone */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. Slots [taken, filled) hold batches; the trainer holds slot taken - 1. */
    int64_t filled, taken, last; /* batch numbers; `last`: one past the end of the part */
    bool reading, quit, running;

    data_part part;
    int32_t epoch;
    int64_t size, copies; /* of each batch, one after the other */
};

static void loader_fill(loader *l, int64_t number, batch *b, errors *e)
{
    const int64_t targets = data_target_floats(l->d);
    b->copy = number % l->copies;
    b->copies = l->copies;
    const int32_t epoch = l->copies > 1 ? (int32_t)b->copy : l->epoch;
    number /= l->copies;
    b->first = l->begin[number];
    b->n = l->begin[number + 1] - b->first;
    b->samples = l->order + b->first;
    b->shape = l->d->groups[data_group_of(l->d, l->part, b->samples[0])];
    const int64_t sample = cvy_count(&b->shape);
    for (int64_t i = 0; i < b->n && !errors_count(e); i++) {
        data_read(l->d, l->part, b->samples[i], epoch, b->x + i * sample, &b->labels[i],
                  b->target ? b->target + i * targets : NULL, l->scratch, e);
    }
}

static void *loader_main(void *ctx)
{
    loader *l = ctx;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        /* One slot stays out of reach: the trainer still works on the batch taken last. */
        if (!l->running || l->filled >= l->last || l->filled - l->taken >= SLOTS - 1) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        int64_t number = l->filled;
        int slot = (int)(number % SLOTS);
        l->reading = true;
        pthread_mutex_unlock(&l->lock);
        loader_fill(l, number, &l->slots[slot], &l->problems[slot]);
        pthread_mutex_lock(&l->lock);
        l->reading = false;
        l->failed[slot] = errors_count(&l->problems[slot]) > 0;
        if (l->failed[slot]) l->last = number + 1;
        l->filled++;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Of samples of a group no more come at once than a part has. */
static int64_t loader_most(const data *d, size_t group, int64_t largest)
{
    int64_t n = 0;
    if (d->n_groups == 1) return largest;
    for (int p = 0; p < DATA_PARTS; p++) n = d->grouped[p][group] > n ? d->grouped[p][group] : n;
    return n < largest ? n : largest;
}

size_t loader_floats(const data *d, int64_t largest)
{
    size_t most = 0, floats;
    for (size_t g = 0; g < d->n_groups; g++) {
        if (!size_mul((size_t)loader_most(d, g, largest), (size_t)cvy_count(&d->groups[g]), &floats))
            return 0;
        most = floats > most ? floats : most;
    }
    return most;
}

size_t loader_largest(const data *d, data_part part, int64_t size, int64_t *samples)
{
    size_t most = 0, largest = 0, floats;
    *samples = 0;
    for (size_t g = 0; g < d->n_groups; g++) {
        const int64_t n = d->grouped[part][g] < size ? d->grouped[part][g] : size;
        if (!size_mul((size_t)n, (size_t)cvy_count(&d->groups[g]), &floats)) floats = SIZE_MAX;
        if (floats <= most) continue;
        most = floats;
        largest = g;
        *samples = n;
    }
    return largest;
}

loader *loader_new(const data *d, int64_t largest, errors *e)
{
    loader *l = mem_alloc(sizeof *l);
    *l = (loader){.d = d, .largest = largest};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    const size_t floats = loader_floats(d, largest);
    size_t targets = 0;
    bool fits = floats > 0 && size_mul(floats, sizeof(float), &l->slot_bytes) &&
                size_mul((size_t)largest, (size_t)data_target_floats(d), &targets);
    l->scratch = mem_try((size_t)data_scratch(d), sizeof(float));
    int64_t most = 0;
    for (int p = 0; p < DATA_PARTS; p++) most = d->n[p] > most ? d->n[p] : most;
    l->order = mem_try((size_t)most + 1, sizeof *l->order);
    l->begin = mem_try((size_t)most + 1, sizeof *l->begin);
    if (d->n_groups > 1) l->spare = mem_try((size_t)most + 1, sizeof *l->spare);
    fits = fits && l->scratch && l->order && l->begin && (l->spare || d->n_groups == 1);
    for (int i = 0; i < SLOTS && fits; i++) {
        l->slots[i].x = buffer_new(l->slot_bytes, e);
        l->slots[i].labels = mem_try((size_t)largest, sizeof(int32_t));
        if (targets) l->slots[i].target = mem_try(targets, sizeof(float));
        fits = l->slots[i].x && l->slots[i].labels && (!targets || l->slots[i].target);
    }
    int wrong = fits ? pthread_create(&l->thread, NULL, loader_main, l) : 0;
    if (!fits || wrong) {
        if (wrong)
            errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "the reading thread cannot be started: %s",
                       strerror(wrong));
        else if (!errors_count(e))
            errors_add(e, CVY_ERR_RESOURCE, NULL, "a smaller train.batch_size",
                       "not enough memory for batches of %lld samples", (long long)largest);
        loader_free(l);
        return NULL;
    }
    l->started = true;
    return l;
}

void loader_free(loader *l)
{
    if (!l) return;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    for (int i = 0; i < SLOTS; i++) {
        buffer_free(l->slots[i].x, l->slot_bytes);
        mem_free(l->slots[i].labels);
        mem_free(l->slots[i].target);
        errors_free(&l->problems[i]);
    }
    mem_free(l->scratch);
    mem_free(l->order);
    mem_free(l->begin);
    mem_free(l->spare);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    mem_free(l);
}

/* Fisher-Yates, drawn anew from (seed, epoch). */
static void loader_shuffle(const loader *l, const char *purpose, int32_t epoch, int64_t *order, int64_t n)
{
    philox_stream s = philox_open(philox_key_of(l->d->seed, purpose, ""), (uint64_t)epoch, 0);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)philox_below(&s, (uint32_t)(i + 1)), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

int64_t loader_batches(const data *d, data_part part, int64_t size)
{
    int64_t n = 0;
    for (size_t g = 0; g < d->n_groups; g++) n += (d->grouped[part][g] + size - 1) / size;
    return n;
}

/* From an order of samples to one in which those of a group stand together, otherwise as before. */
static void loader_gather(const loader *l, data_part part, const int64_t *order, int64_t *gathered)
{
    const data *d = l->d;
    int64_t *next = mem_array(d->n_groups, sizeof *next), before = 0;
    for (size_t g = 0; g < d->n_groups; g++) {
        next[g] = before;
        before += d->grouped[part][g];
    }
    for (int64_t i = 0; i < d->n[part]; i++) gathered[next[data_group_of(d, part, order[i])]++] = order[i];
    mem_free(next);
}

/* Cuts what stands group by group. */
static void loader_cut(loader *l, data_part part, int64_t size)
{
    const data *d = l->d;
    int64_t at = 0, k = 0;
    for (size_t g = 0; g < d->n_groups; g++)
        for (int64_t left = d->grouped[part][g]; left > 0; left -= size) {
            l->begin[k++] = at;
            at += left < size ? left : size;
        }
    l->begin[k] = at;
}

/* Puts the batches in `gathered` into an order of their own. */
static void loader_shuffle_batches(loader *l, int32_t epoch, const int64_t *gathered, int64_t batches)
{
    int64_t *number = mem_array((size_t)batches, sizeof *number),
            *begin = mem_copy(l->begin, ((size_t)batches + 1) * sizeof *begin), at = 0;
    loader_shuffle(l, "shuffle batches", epoch, number, batches);
    for (int64_t k = 0; k < batches; k++) {
        const int64_t from = begin[number[k]], n = begin[number[k] + 1] - from;
        memcpy(l->order + at, gathered + from, (size_t)n * sizeof *l->order);
        l->begin[k] = at;
        at += n;
    }
    mem_free(number);
    mem_free(begin);
}

/* Which samples come in which batch: a function of the part, (seed, epoch) and the size. */
static void loader_plan(loader *l, data_part part, int32_t epoch, int64_t size)
{
    const int64_t n = l->d->n[part];
    const bool several = l->d->n_groups > 1;
    int64_t *order = several ? l->spare : l->order;
    if (part == DATA_TRAIN)
        loader_shuffle(l, "shuffle", epoch, order, n);
    else
        for (int64_t i = 0; i < n; i++) order[i] = i;
    if (several) loader_gather(l, part, l->spare, l->order);
    loader_cut(l, part, size);
    if (!several || part != DATA_TRAIN) return;
    memcpy(l->spare, l->order, (size_t)n * sizeof *l->spare);
    loader_shuffle_batches(l, epoch, l->spare, loader_batches(l->d, part, size));
}

void loader_stop(loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->running = false;
    while (l->reading) pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

void loader_start(loader *l, data_part part, int32_t epoch, int64_t size, int64_t from)
{
    loader_stop(l);
    loader_plan(l, part, epoch, size);
    pthread_mutex_lock(&l->lock);
    l->part = part;
    l->epoch = epoch;
    l->size = size;
    l->copies = part == DATA_TEST && l->d->settings->eval.copies ? l->d->settings->eval.copies : 1;
    l->filled = l->taken = from;
    l->last = loader_batches(l->d, part, size) * l->copies;
    for (int i = 0; i < SLOTS; i++) errors_free(&l->problems[i]);
    l->running = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

const batch *loader_next(loader *l, errors *e)
{
    const batch *b = NULL;
    pthread_mutex_lock(&l->lock);
    while (l->taken == l->filled && l->filled < l->last) pthread_cond_wait(&l->changed, &l->lock);
    if (l->taken < l->filled) {
        int slot = (int)(l->taken % SLOTS);
        l->taken++;
        if (l->failed[slot])
            errors_move(e, &l->problems[slot]);
        else
            b = &l->slots[slot];
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return b;
}
