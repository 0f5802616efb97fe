/* Gathers the values that plugins log during a step. Must not know who logs, nor where they go. */
#include "train/step_log.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void step_log_init(step_log *l)
{
    memset(l, 0, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
}

void step_log_free(step_log *l)
{
    pthread_mutex_destroy(&l->lock);
}

void step_log_begin(step_log *l, bool wanted)
{
    l->wanted = wanted;
    l->n = 0;
}

/* Names that would meet the trainer's in one record, or be taken for them in a chart. */
static bool step_log_taken(const char *name)
{
    return text_starts(name, "train_") || text_starts(name, "val_") || text_starts(name, "test_") ||
           strcmp(name, "lr") == 0 || strcmp(name, "best_epoch") == 0;
}

static void step_log_name(const char *name, char out[STEP_LOG_NAME])
{
    snprintf(out, STEP_LOG_NAME, "%s%s", step_log_taken(name) ? "own_" : "", name[0] ? name : "unnamed");
    for (char *c = out; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter && !strchr("_.-/", *c)) *c = '_';
    }
}

/* Where the name stands, or STEP_LOG_MOST for one that is left out. It takes the place of the last one where all are taken and it
 * comes before that: so which ones are kept depends on no order, and each of them has had all of its values. */
static size_t step_log_place(step_log *l, const char *name)
{
    size_t from = 0, to = l->n;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        const int order = strcmp(l->items[middle].name, name);
        if (!order) return middle;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == STEP_LOG_MOST) return from;
    if (l->n < STEP_LOG_MOST) l->n++;
    memmove(&l->items[from + 1], &l->items[from], (l->n - from - 1) * sizeof *l->items);
    l->items[from] = (step_log_item){.name = ""};
    memcpy(l->items[from].name, name, strlen(name) + 1);
    return from;
}

void step_log_add(void *ctx, const char *name, double value)
{
    step_log *l = ctx;
    if (!l->wanted || !name) return;
    char clean[STEP_LOG_NAME];
    step_log_name(name, clean);
    pthread_mutex_lock(&l->lock);
    const size_t i = step_log_place(l, clean);
    if (i < STEP_LOG_MOST) exact_sum_add(&l->items[i].sum, value);
    pthread_mutex_unlock(&l->lock);
}

double step_log_value(const step_log *l, size_t i)
{
    return exact_sum_mean(&l->items[i].sum);
}
