/* Owns the journal of evaluations as it is written. Must not know how a figure came about, nor SQL. */
#include "cli/evaluations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "journal/record.h"
#include "report/store.h"

enum { LOCK_MS = 10000 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ["dataset.test_limit=10", ...] */
static char *overrides_text(const trained_options *of)
{
    json_writer w = {0};
    json_open(&w, '[');
    for (size_t i = 0; i < of->n_overrides; i++) json_text(&w, of->overrides[i]);
    json_close(&w, ']');
    return text_take(&w.out);
}

/* Equal for the same weights on the same samples, in whichever order the runs were named. */
static void key_of(const eval_result *r, const eval_row *const *rows, size_t n, const char *overrides,
                   char hex[65])
{
    arena a = {0};
    sha256 h;
    const char **members = arena_array(&a, n + 1, sizeof *members);
    for (size_t i = 0; i < n; i++)
        members[i] = arena_printf(&a, "%s %s %lld", rows[i]->run->name,
                                  rows[i]->run->config_hash ? rows[i]->run->config_hash : "",
                                  (long long)rows[i]->epoch);
    qsort(members, n, sizeof *members, by_text);
    sha256_init(&h);
    sha256_text(&h, r->part);
    sha256_text(&h, r->which);
    sha256_text(&h, overrides);
    sha256_text(&h, arena_printf(&a, "%lld %lld", (long long)r->height, (long long)r->width));
    for (size_t i = 0; i < n; i++) sha256_text(&h, members[i]);
    sha256_hex(&h, hex);
    arena_free(&a);
}

static void put_value(json_writer *w, const char *key, double v)
{
    if (!isnan(v)) json_put_double(w, key, record_round(v));
}

static cvy_status keep(journal *j, const eval_result *r, const eval_row *const *rows, size_t n,
                       const evaluation *v, const char *overrides, errors *e)
{
    char key[65];
    json_writer w = {0};
    key_of(r, rows, n, overrides, key);
    json_open(&w, '{');
    json_put_text(&w, "key", key);
    json_key(&w, "runs");
    json_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&w, '{');
        json_put_text(&w, "run", rows[i]->run->name);
        json_put_int(&w, "epoch", rows[i]->epoch);
        json_put_text(&w, "config_hash", rows[i]->run->config_hash);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_put_text(&w, "which", r->which);
    json_put_text(&w, "part", r->part);
    json_put_text(&w, "dataset", rows[n - 1]->dataset);
    json_put_text(&w, "fingerprint", rows[n - 1]->fingerprint);
    json_put_text(&w, "overrides", overrides);
    if (r->height) {
        json_key(&w, "input_size");
        json_open(&w, '[');
        json_int(&w, r->height);
        json_int(&w, r->width);
        json_close(&w, ']');
    }
    json_put_int(&w, "samples", v->samples);
    json_key(&w, "m");
    json_open(&w, '{');
    put_value(&w, "loss", v->loss);
    put_value(&w, "accuracy", v->accuracy);
    put_value(&w, "top5_accuracy", v->top5);
    put_value(&w, "calibration_error", v->calibration_error);
    json_close(&w, '}');
    json_close(&w, '}');
    cvy_status status = record_evaluation(j, text_str(&w.out), e);
    text_free(&w.out);
    return status;
}

static cvy_status keep_all(journal *j, const eval_result *r, const trained_options *of, errors *e)
{
    char *overrides = overrides_text(of);
    const eval_row **rows = mem_array(r->n + 1, sizeof *rows);
    size_t n = 0;
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < r->n && !status; i++) {
        if (!r->rows[i].done) continue;
        rows[n] = &r->rows[i];
        status = keep(j, r, &rows[n], 1, &r->rows[i].v, overrides, e);
        n++;
    }
    if (!status && r->ensemble && n > 1) status = keep(j, r, rows, n, r->ensemble, overrides, e);
    mem_free(rows);
    mem_free(overrides);
    return status;
}

static cvy_status write_journal(const char *results, const eval_result *r, const trained_options *of,
                                errors *e)
{
    char *path = path_join(results, STORE_EVALUATIONS), *lock_path = mem_printf("%s.lock", path);
    const size_t before = errors_count(e);
    int lock = file_lock(lock_path, LOCK_MS, e);
    journal *j = lock < 0 ? NULL : journal_continue(path, e);
    cvy_status status = j ? keep_all(j, r, of, e) : CVY_OK;
    if (lock < 0 && errors_count(e) == before)
        status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "another process keeps it locked");
    journal_close(j);
    file_unlock(lock);
    mem_free(path);
    mem_free(lock_path);
    return status ? status : errors_status(e);
}

void evaluations_keep(const char *results, const eval_result *r, const trained_options *of, errors *e)
{
    errors own = {0};
    bool any = false;
    for (size_t i = 0; i < r->n; i++) any = any || r->rows[i].done;
    if (!any) return;
    cvy_status status = write_journal(results, r, of, &own);
    store *s = status ? NULL : store_open(results, &own);
    if (s) store_ingest_all(s, &own);
    store_close(s);
    for (size_t i = 0; i < own.n; i++) {
        const message *m = &own.items[i];
        errors_warn(e, &(place){m->file, m->line, m->column, m->offset, m->source}, m->hint,
                    "the figures are not kept in the database: %s", m->what);
    }
    errors_free(&own);
}
