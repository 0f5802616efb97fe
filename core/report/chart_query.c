/* Owns how the rows of a SELECT become series; must not know how they look. */
#include "report/chart_query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart_kinds.h"
#include "report/user_query.h"

enum { ROWS_MOST = 1000000, SERIES_MOST = 1000, TEXT_MOST = 200, KEY_MOST = 60 };

typedef struct series {
    const char *name;
    double *x, *y;
    size_t n, cap_x, cap_y;
    bool rising;
} series;

typedef struct reader {
    arena *a;
    errors *e;
    series *items;
    size_t n, cap;
    const char **names; /* texts of x, in the order they came */
    size_t n_names, cap_names;
    size_t rows, left_out;
    bool texts, numbers;
} reader;

static const char *name_of(reader *r, const user_value *v)
{
    switch (v->kind) {
    case USER_INT:
        return arena_printf(r->a, "%lld", (long long)v->i);
    case USER_DOUBLE: { /* as many digits as tell it from others */
        text t = {0};
        text_double(&t, v->d);
        const char *name = arena_text(r->a, text_str(&t));
        text_free(&t);
        return name;
    }
    case USER_TEXT:
        return arena_text_n(r->a, v->s, strnlen(v->s, v->n < TEXT_MOST ? v->n : TEXT_MOST));
    case USER_NULL:
    case USER_BLOB:
        break;
    }
    return "-";
}

static double number_of(const user_value *v)
{
    if (v->kind == USER_INT) return (double)v->i;
    if (v->kind == USER_DOUBLE) return v->d;
    char *end = NULL; /* parameters are texts in the database: "0.1" */
    const double d = v->kind == USER_TEXT && v->n ? strtod(v->s, &end) : (double)NAN;
    return end && *end ? (double)NAN : d;
}

static double x_of(reader *r, const user_value *v)
{
    const double d = number_of(v);
    if (v->kind != USER_TEXT || isfinite(d)) {
        r->numbers = r->numbers || isfinite(d);
        return d;
    }
    const char *name = name_of(r, v);
    r->texts = true;
    for (size_t i = 0; i < r->n_names; i++)
        if (!strcmp(r->names[i], name)) return (double)i;
    r->names = MEM_GROW(r->names, r->n_names, &r->cap_names);
    r->names[r->n_names] = name;
    return (double)r->n_names++;
}

/* NULL after reporting. */
static series *series_named(reader *r, const char *name)
{
    for (size_t i = r->n; i-- > 0;)
        if (!strcmp(r->items[i].name, name)) return &r->items[i];
    if (r->n == SERIES_MOST) {
        errors_add(r->e, CVY_ERR_CONFIG, NULL, "group or filter them in the query", "more than %d series",
                   SERIES_MOST);
        return NULL;
    }
    r->items = MEM_GROW(r->items, r->n, &r->cap);
    r->items[r->n] = (series){.name = name, .rising = true};
    return &r->items[r->n++];
}

static cvy_status read_rows(reader *r, user_query *q, size_t columns)
{
    while (user_query_next(q, r->e)) {
        if (++r->rows > ROWS_MOST)
            return errors_add(r->e, CVY_ERR_CONFIG, NULL, "LIMIT or group them", "more than %d rows",
                              ROWS_MOST);
        const user_value v = user_query_value(q, 1);
        const double y = number_of(&v);
        const user_value at = user_query_value(q, 0);
        const double x = x_of(r, &at);
        if (!isfinite(x) || !isfinite(y)) r->left_out++;
        const user_value of = columns > 2 ? user_query_value(q, 2) : (user_value){0};
        series *one = series_named(r, columns > 2 ? name_of(r, &of) : "");
        if (!one) return errors_status(r->e);
        if (one->n && !(x > one->x[one->n - 1])) one->rising = false;
        one->x = MEM_GROW(one->x, one->n, &one->cap_x);
        one->y = MEM_GROW(one->y, one->n, &one->cap_y);
        one->x[one->n] = x;
        one->y[one->n++] = y;
    }
    return errors_status(r->e);
}

static void fill(reader *r, const chart_query *q, user_query *rows, size_t columns, figure *out)
{
    figure_mark *m = arena_array(r->a, r->n + 1, sizeof *m);
    figure_panel *p = arena_array(r->a, 1, sizeof *p);
    bool rising = true;
    for (size_t i = 0; i < r->n; i++) rising = rising && r->items[i].rising;
    for (size_t i = 0; i < r->n; i++) {
        const series *one = &r->items[i];
        double *x = arena_array(r->a, one->n + 1, sizeof *x), *y = arena_array(r->a, one->n + 1, sizeof *y);
        memcpy(x, one->x, one->n * sizeof *x);
        memcpy(y, one->y, one->n * sizeof *y);
        m[i] = (figure_mark){.kind = r->texts ? FIGURE_BARS
                                     : rising ? FIGURE_LINE
                                              : FIGURE_POINTS,
                             .label = columns > 2 ? one->name : NULL,
                             .colour = (int)i,
                             .x = x,
                             .y = y,
                             .n = one->n};
    }
    *p = (figure_panel){.x = {.label = arena_text(r->a, user_query_column(rows, 0)),
                              .log = q->log_x,
                              .low = (double)NAN,
                              .high = (double)NAN},
                        .y = {.label = arena_text(r->a, user_query_column(rows, 1)),
                              .log = q->log_y,
                              .low = (double)NAN,
                              .high = (double)NAN},
                        .marks = m,
                        .n = r->n};
    if (r->texts) {
        const char **names = arena_array(r->a, r->n_names + 1, sizeof *names);
        memcpy(names, r->names, r->n_names * sizeof *names);
        p->x.names = names;
        p->x.n_names = r->n_names;
    }
    *out = (figure){.panels = p, .n = 1, .key = columns > 2 && r->n <= KEY_MOST};
    if (r->left_out)
        out->caption =
            arena_printf(r->a, "%zu of %zu rows without a finite number left out", r->left_out, r->rows);
}

cvy_status chart_query_figure(store *s, const chart_query *q, arena *a, figure *out, errors *e)
{
    user_query *rows = user_query_open(s, q->statement, q->values, q->n, e);
    if (!rows) return errors_status(e);
    const size_t columns = user_query_columns(rows);
    reader r = {.a = a, .e = e};
    cvy_status status = CVY_OK;
    if (columns < 2 || columns > 3)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "SELECT x, y or SELECT x, y, series",
                            "a chart takes two or three columns, and these are %zu", columns);
    if (status == CVY_OK) status = read_rows(&r, rows, columns);
    if (status == CVY_OK && !r.rows)
        status = chart_nothing(&(chart_request){.nothing = q->nothing}, e, NULL, "the query has no rows");
    if (status == CVY_OK && r.texts && r.numbers)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "CAST one of them",
                            "column \"%s\" has texts and numbers", user_query_column(rows, 0));
    if (status == CVY_OK && r.texts && q->log_x)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "without --log-x they stand beside each other",
                            "column \"%s\" has texts, which have no logarithm", user_query_column(rows, 0));
    if (status == CVY_OK) fill(&r, q, rows, columns, out);
    for (size_t i = 0; i < r.n; i++) {
        mem_free(r.items[i].x);
        mem_free(r.items[i].y);
    }
    mem_free(r.items);
    mem_free(r.names);
    user_query_close(rows);
    return status;
}
