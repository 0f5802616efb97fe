/* Reads the journals of a run folder into rows. Must not know databases. */
#include "rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "journal/journal.h"

static rows_row *rows_find(const rows *r, const char *scope, const char *name, int64_t step)
{
    for (size_t i = 0; i < r->n; i++) {
        rows_row *row = &r->items[i];
        if (row->step == step && strcmp(row->scope, scope) == 0 && strcmp(row->name, name) == 0) return row;
    }
    return NULL;
}

static void rows_take(rows *r, const json *v)
{
    const char *t = json_get_text(v, "t", "");
    if (strcmp(t, "segment") == 0) {
        int64_t from = json_get_int(v, "from_step", 0);
        for (size_t i = 0; i < r->n; i++) r->items[i].stale = r->items[i].stale || r->items[i].step > from;
        r->end = r->end_text = "";
    } else if (strcmp(t, "end") == 0) {
        r->end = arena_text(&r->memory, json_get_text(v, "state", ""));
        r->end_text = arena_text(&r->memory, json_get_text(v, "text", ""));
    } else if (strcmp(t, "metrics") == 0) {
        const json *m = json_get(v, "m");
        const char *scope = json_get_text(v, "scope", "");
        int64_t step = json_get_int(v, "step", -1);
        for (size_t i = 0; m && i < m->n; i++) {
            double value = json_as_double(m->items[i], (double)NAN);
            rows_row *row = rows_find(r, scope, m->keys[i], step);
            if (!row) {
                r->items = MEM_GROW(r->items, r->n, &r->cap);
                row = &r->items[r->n++];
                *row = (rows_row){.scope = arena_text(&r->memory, scope),
                                  .name = arena_text(&r->memory, m->keys[i]),
                                  .step = step,
                                  .value = value};
            }
            if (memcmp(&row->value, &value, sizeof value) != 0) r->differing++;
            row->value = value;
            row->epoch = json_get_int(v, "epoch", -1);
            row->stale = false;
        }
    }
}

static int rows_order(const void *a, const void *b)
{
    const rows_row *x = a, *y = b;
    int c = strcmp(x->scope, y->scope);
    if (c == 0) c = (x->step > y->step) - (x->step < y->step);
    return c ? c : strcmp(x->name, y->name);
}

rows rows_read(const char *dir)
{
    rows r = {.end = "", .end_text = ""};
    for (int attempt = 1;; attempt++) {
        char *path = mem_printf("%s/journal.%d", dir, attempt);
        journal_reader j;
        errors quiet = {0};
        bool found = journal_open(&j, path, 0, &quiet) == CVY_OK;
        errors_free(&quiet);
        arena a = {0};
        while (found && journal_next(&j) == JOURNAL_RECORD) {
            const json *v = json_parse(&a, j.payload, j.n, NULL, NULL);
            if (v) rows_take(&r, v);
            arena_free(&a);
        }
        if (found) journal_end(&j);
        mem_free(path);
        if (!found) break;
        r.attempts = attempt;
    }
    if (r.n) qsort(r.items, r.n, sizeof *r.items, rows_order);
    return r;
}

void rows_free(rows *r)
{
    mem_free(r->items);
    arena_free(&r->memory);
}

double rows_value(const rows *r, const char *scope, const char *name, int64_t step)
{
    const rows_row *row = rows_find(r, scope, name, step);
    return row && !row->stale ? row->value : (double)NAN;
}

void rows_print(const rows *r, text *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const rows_row *row = &r->items[i];
        text_printf(out, "%s %lld %lld %s ", row->scope, (long long)row->step, (long long)row->epoch,
                    row->name);
        text_double(out, row->value);
        text_add(out, row->stale ? " never logged again\n" : "\n");
    }
    if (r->differing) text_printf(out, "%d rows were logged again with another value\n", r->differing);
    text_printf(out, "end %s\n", r->end);
}
