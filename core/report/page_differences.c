/* Owns what configurations differ in, and what they share; must not know what came of it. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "report/difference.h"
#include "report/page_own.h"
#include "report/repeats.h"
#include "report/spelling.h"

enum { COLUMNS = 30, VALUE = 120 };

/* "optimizer.lr" of "train.optimizer.lr": without the first part, where no other column ends like it. */
static const char *short_path(const difference_column *columns, size_t n, size_t i)
{
    const char *dot = strchr(columns[i].path, '.'), *rest = dot ? dot + 1 : columns[i].path;
    for (size_t k = 0; k < n; k++) {
        const char *other = strchr(columns[k].path, '.');
        if (k != i && !strcmp(other ? other + 1 : columns[k].path, rest)) return columns[i].path;
    }
    return rest;
}

static void table(page *p, const difference_column *columns, size_t n)
{
    page_column heads[COLUMNS + 2];
    bool numbers[COLUMNS];
    double number;
    heads[0] = (page_column){"#", "rank by the metric", true};
    heads[1] = (page_column){"Configuration", NULL, false};
    for (size_t k = 0; k < n; k++) {
        numbers[k] = true;
        for (size_t i = 0; i < p->f.n; i++)
            if (columns[k].values[i])
                numbers[k] = numbers[k] && spelling_value(columns[k].values[i], &number);
        heads[k + 2] = (page_column){short_path(columns, n, k), columns[k].path, numbers[k]};
    }
    page_table_open(p, "t-differences", heads, n + 2);
    for (size_t i = 0; i < p->f.n; i++) {
        text t = {0};
        page_row(p);
        text_printf(&t, "%zu", i + 1);
        page_cell_number(p, (double)(i + 1), text_str(&t));
        text_free(&t);
        page_cell_label(p, i);
        for (size_t k = 0; k < n; k++) {
            const char *v = columns[k].values[i];
            if (numbers[k])
                page_cell_number(p, spelling_value(v, &number) ? number : (double)NAN, v ? v : "");
            else
                page_cell_short(p, v ? v : "", VALUE);
        }
        page_row_end(p);
    }
    page_table_close(p);
}

/* Of the best configuration whatever is the same everywhere. */
static void shared(page *p, const difference_column *columns, size_t n)
{
    html *h = &p->h;
    const query_pairs *first = &p->f.levels[0].g.params;
    size_t *at = mem_array(p->f.n + 1, sizeof *at), told = 0;
    html_open(h, "details");
    if (p->f.n == 1) html_attr(h, "open", NULL);
    html_element(h, "summary", p->f.n > 1 ? "Parameters that all configurations share" : "Parameters");
    html_open(h, "dl");
    html_attr(h, "class", "pairs");
    for (size_t i = 0; i < first->n; i++) {
        const query_pair *pair = &first->items[i];
        bool same = !repeats_tell(pair->key);
        for (size_t k = 0; k < n && same; k++) same = strcmp(columns[k].path, pair->key) != 0;
        for (size_t l = 1; l < p->f.n && same; l++) { /* both are sorted by key */
            const query_pairs *other = &p->f.levels[l].g.params;
            while (at[l] < other->n && strcmp(other->items[at[l]].key, pair->key) < 0) at[l]++;
            same = at[l] < other->n && !strcmp(other->items[at[l]].key, pair->key) &&
                   !strcmp(other->items[at[l]].value ? other->items[at[l]].value : "",
                           pair->value ? pair->value : "");
        }
        if (!same) continue;
        html_element(h, "dt", pair->key);
        html_open(h, "dd");
        html_short(h, pair->value, 400);
        html_close(h);
        told++;
    }
    html_close(h);
    if (!told) page_note(p, "None.");
    html_close(h);
    mem_free(at);
}

void page_differences(page *p)
{
    difference_config *configs = arena_array(&p->a, p->f.n + 1, sizeof *configs);
    for (size_t i = 0; i < p->f.n; i++) {
        const group *g = &p->f.levels[i].g;
        configs[i] = (difference_config){g->params, g->runs[0]->model, g->runs[0]->name};
    }
    difference_column *columns = NULL;
    size_t n = p->f.n > 1 ? difference_columns(configs, p->f.n, &p->a, &columns) : 0;
    page_section(p, "differences", p->f.n > 1 ? "What configurations differ in" : "Configuration");
    if (n) {
        table(p, columns, n < COLUMNS ? n : COLUMNS);
        if (n > COLUMNS)
            page_note(p, "%zu more parameters differ; convoy export has them all.", n - COLUMNS);
        else
            page_note(p, "Parameters that follow from another one, as an optimizer's own from its type, may "
                         "be left out.");
    } else if (p->f.n > 1) {
        page_note(p, "The configurations differ in their plugins or data, and in no parameter.");
    }
    shared(p, columns, n);
    html_close(&p->h);
}
