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

void step_log_add(void *ctx, const char *name, double value)
{
    step_log *l = ctx;
    if (!l->wanted || !name) return;
    char clean[STEP_LOG_NAME];
    step_log_name(name, clean);
    pthread_mutex_lock(&l->lock);
    size_t i = 0;
    while (i < l->n && strcmp(l->items[i].name, clean) != 0) i++;
    if (i == l->n && l->n < STEP_LOG_MOST) {
        l->items[l->n] = (step_log_item){.sum = 0};
        memcpy(l->items[l->n++].name, clean, sizeof clean);
    }
    if (i < l->n) {
        l->items[i].sum += value;
        l->items[i].count++;
    }
    pthread_mutex_unlock(&l->lock);
}

double step_log_value(const step_log *l, size_t i)
{
    return l->items[i].sum / (double)l->items[i].count;
}
