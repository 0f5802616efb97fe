/* Owns how a dataset's card stands in a journal. Must not know what is done with it, nor open any dataset. */
#include "train/data_card.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "journal/record.h"
#include "train/steps.h"

enum { CARD_ATTEMPTS = 1000000, CARD_CLASSES = 1 << 24, CARD_CHANNELS = 1 << 20 };

/* ---- writing ---- */

static void card_numbers(json_writer *w, const char *key, const float *v, int64_t n)
{
    json_key(w, key);
    json_open(w, '[');
    for (int64_t i = 0; i < n; i++) json_double(w, (double)v[i]);
    json_close(w, ']');
}

/* Whether no step has learned something from the training samples that evaluation needs. */
static bool card_complete(const data *d)
{
    for (size_t k = 0; k < d->n_steps; k++)
        if (d->steps[k].state && steps_apply(d, k, DATA_AS_COPY)) return false;
    return true;
}

cvy_status data_card_record(journal *j, const data *d, errors *e)
{
    const cvy_dataset_info *i = &d->info;
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "type", d->plugin->name);
    json_put_text(&w, "fingerprint", i->fingerprint);
    json_key(&w, "sample");
    json_open(&w, '[');
    for (int k = 0; k < i->sample.rank; k++) json_int(&w, i->sample.dim[k]);
    json_close(&w, ']');
    json_put_text(&w, "element", i->element == CVY_U8 ? "u8" : "f32");
    json_put_int(&w, "varied", i->varied);
    json_put_int(&w, "classes", i->classes);
    json_put_int(&w, "targets", i->targets);
    json_put_int(&w, "train", d->n[DATA_TRAIN]);
    json_put_int(&w, "validation", d->n[DATA_VALIDATION]);
    json_put_int(&w, "test", d->n[DATA_TEST]);
    if (i->class_names) {
        json_key(&w, "class_names");
        json_open(&w, '[');
        for (int32_t k = 0; k < i->classes; k++) json_text(&w, i->class_names[k]);
        json_close(&w, ']');
    }
    if (d->stats.mean) {
        card_numbers(&w, "mean", d->stats.mean, d->stats.channels);
        card_numbers(&w, "std", d->stats.std, d->stats.channels);
    }
    json_put_bool(&w, "complete", card_complete(d));
    json_close(&w, '}');
    cvy_status status = record_dataset(j, text_str(&w.out), e);
    text_free(&w.out);
    return status;
}

/* ---- reading ---- */

static bool card_shape(const json *v, cvy_shape *s)
{
    if (!v || v->kind != JSON_ARRAY || v->n < 1 || v->n >= CVY_MAX_RANK) return false;
    *s = (cvy_shape){.rank = (int32_t)v->n};
    int64_t count = 1;
    for (size_t i = 0; i < v->n; i++) {
        s->dim[i] = v->items[i]->is_integer ? v->items[i]->integer : 0;
        if (s->dim[i] < 1 || __builtin_mul_overflow(count, s->dim[i], &count)) return false;
    }
    return count <= INT64_MAX / 64;
}

static const float *card_floats(arena *a, const json *v, int64_t n, bool positive)
{
    if (!v || v->kind != JSON_ARRAY || n < 1 || v->n != (size_t)n) return NULL;
    float *out = arena_array(a, (size_t)n, sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)json_as_double(v->items[i], (double)NAN);
        if (!isfinite(out[i]) || (positive && out[i] < 0)) return NULL;
    }
    return out;
}

/* The names are as many as the classes, or there are none. */
static bool card_names(data_card *c, const json *v)
{
    if (!v) return true;
    if (v->kind != JSON_ARRAY || v->n != (size_t)c->info.classes) return false;
    const char **names = arena_array(&c->memory, v->n + 1, sizeof *names);
    for (size_t i = 0; i < v->n; i++) {
        if (v->items[i]->kind != JSON_TEXT) return false;
        names[i] = v->items[i]->s;
    }
    c->info.class_names = names;
    return true;
}

static bool card_statistics(data_card *c, const json *v)
{
    if (!json_get(v, "mean")) return true;
    const int64_t channels = c->info.sample.dim[0];
    if (channels > CARD_CHANNELS) return false;
    c->stats = (cvy_channel_stats){.channels = (int32_t)channels,
                                   .mean = card_floats(&c->memory, json_get(v, "mean"), channels, false),
                                   .std = card_floats(&c->memory, json_get(v, "std"), channels, true)};
    return c->stats.mean && c->stats.std;
}

static bool card_take(data_card *c, const json *v)
{
    cvy_dataset_info *i = &c->info;
    static const char *const parts[DATA_PARTS] = {"train", "validation", "test"};
    const char *element = json_get_text(v, "element", "");
    const int64_t classes = json_get_int(v, "classes", -1), targets = json_get_int(v, "targets", -1);
    c->type = json_get_text(v, "type", "");
    const char *fingerprint = json_get_text(v, "fingerprint", "");
    if (strlen(fingerprint) < sizeof i->fingerprint) strcpy(i->fingerprint, fingerprint);
    if (classes < 0 || classes > CARD_CLASSES || targets < 0 || targets > CARD_CLASSES) return false;
    if (strcmp(element, "u8") != 0 && strcmp(element, "f32") != 0) return false;
    i->classes = (int32_t)classes;
    i->targets = (int32_t)targets;
    i->element = element[0] == 'u' ? CVY_U8 : CVY_F32;
    i->varied = json_get_int(v, "varied", 0) != 0;
    c->complete = json_get_bool(v, "complete", false);
    for (int k = 0; k < DATA_PARTS; k++) {
        c->n[k] = json_get_int(v, parts[k], 0);
        if (c->n[k] < 0 || c->n[k] > UINT32_MAX) return false;
    }
    return c->type[0] && c->n[DATA_TRAIN] > 0 && card_shape(json_get(v, "sample"), &i->sample) &&
           card_names(c, json_get(v, "class_names")) && card_statistics(c, v);
}

/* The card of one attempt stands before what it trained. */
static bool card_of_journal(data_card *c, const char *path)
{
    journal_reader r;
    bool found = false;
    errors quiet = {0};
    if (journal_open(&r, path, 0, &quiet) != CVY_OK) {
        errors_free(&quiet);
        return false;
    }
    while (!found && journal_next(&r) == JOURNAL_RECORD) {
        arena a = {0};
        const json *v = json_parse(&a, r.payload, r.n, NULL, NULL);
        const char *t = json_get_text(v, "t", "");
        const bool past = !strcmp(t, "metrics") || !strcmp(t, "end");
        if (!strcmp(t, "dataset")) {
            c->memory = a; /* the names stay where they were parsed */
            a = (arena){0};
            found = card_take(c, json_get(v, "card"));
            if (!found) data_card_free(c);
        }
        arena_free(&a);
        if (past) break;
    }
    journal_end(&r);
    return found;
}

bool data_card_read(data_card *c, const char *dir)
{
    int64_t attempts = 0;
    bool found = false;
    *c = (data_card){0};
    while (attempts < CARD_ATTEMPTS) {
        char *path = mem_printf("%s/journal.%lld", dir, (long long)(attempts + 1));
        const bool there = file_exists(path);
        mem_free(path);
        if (!there) break;
        attempts++;
    }
    for (; attempts > 0 && !found; attempts--) {
        char *path = mem_printf("%s/journal.%lld", dir, (long long)attempts);
        found = card_of_journal(c, path);
        mem_free(path);
    }
    return found;
}

void data_card_free(data_card *c)
{
    arena_free(&c->memory);
    *c = (data_card){0};
}
