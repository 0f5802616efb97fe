/* A ring of batches between a reading thread and the trainer. The content of a batch is a function of its number, so the
 * ring's timing shows nowhere. Must not know networks. */
#include "train/loader.h"

#include <pthread.h>
#include <string.h>

#include "device/buffer.h"

#define SLOTS 3

struct loader {
    const data *d;
    int64_t largest, sample; /* samples of the largest batch, floats of a sample */
    size_t slot_bytes;
    batch slots[SLOTS];
    bool failed[SLOTS];
    errors problems[SLOTS];
    float *scratch;
    int64_t *order;
    int64_t order_size;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. Slots [taken, filled) hold batches; the trainer holds slot taken - 1. */
    int64_t filled, taken, last; /* batch numbers; `last`: one past the end of the part */
    bool reading, quit, running;

    data_part part;
    int32_t epoch;
    int64_t size;
};

static void loader_fill(loader *l, int64_t number, batch *b, errors *e)
{
    int64_t n = l->d->n[l->part];
    b->first = number * l->size;
    b->n = n - b->first < l->size ? n - b->first : l->size;
    for (int64_t i = 0; i < b->n && !errors_count(e); i++) {
        int64_t at = l->part == DATA_TRAIN ? l->order[b->first + i] : b->first + i;
        data_read(l->d, l->part, at, l->epoch, b->x + i * l->sample, &b->labels[i],
                  b->target ? b->target + i * l->d->info.targets : NULL, l->scratch, e);
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

loader *loader_new(const data *d, int64_t largest, errors *e)
{
    loader *l = mem_alloc(sizeof *l);
    *l = (loader){.d = d, .largest = largest, .sample = cvy_count(&d->sample)};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    size_t floats;
    size_t targets;
    bool fits = size_mul((size_t)largest, (size_t)l->sample, &floats) &&
                size_mul(floats, sizeof(float), &l->slot_bytes) &&
                size_mul((size_t)largest, (size_t)d->info.targets, &targets);
    l->order_size = d->n[DATA_TRAIN];
    l->scratch = mem_try((size_t)data_scratch(d), sizeof(float));
    l->order = mem_try((size_t)l->order_size + 1, sizeof *l->order);
    fits = fits && l->scratch && l->order;
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
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    mem_free(l);
}

/* Fisher-Yates, drawn anew from (seed, epoch). */
static void loader_shuffle(loader *l, int32_t epoch)
{
    philox_stream s = philox_open(philox_key_of(l->d->seed, "shuffle", ""), (uint64_t)epoch, 0);
    for (int64_t i = 0; i < l->order_size; i++) l->order[i] = i;
    for (int64_t i = l->order_size - 1; i > 0; i--) {
        int64_t j = (int64_t)philox_below(&s, (uint32_t)(i + 1)), swap = l->order[i];
        l->order[i] = l->order[j];
        l->order[j] = swap;
    }
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
    if (part == DATA_TRAIN) loader_shuffle(l, epoch);
    pthread_mutex_lock(&l->lock);
    l->part = part;
    l->epoch = epoch;
    l->size = size;
    l->filled = l->taken = from;
    l->last = (l->d->n[part] + size - 1) / size;
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
