/* What the sections of a report share: the facts, read once, and how values and tables are written. Only page*.c include it. */
#ifndef REPORT_PAGE_OWN_H
#define REPORT_PAGE_OWN_H

#include "base/json.h"
#include "report/factor.h"
#include "report/html.h"
#include "report/judge.h"
#include "report/measure.h"
#include "report/page.h"
#include "report/shown.h"

extern const char page_style[], page_code[]; /* page.css and page.js, embedded by the build */

/* What run.json says beyond a query_run. */
typedef struct page_origin {
    const char *base_dir, *overrides, *fingerprint;
    int64_t train, validation, test, classes;
} page_origin;

typedef struct page {
    html h;
    store *s;
    arena a;
    errors *e;
    const page_subject *subject;
    const query_run *runs; /* as judge_runs() leaves them */
    size_t n;
    const query_sweep *sweep; /* NULL */
    const json *planned;      /* sweep.json; NULL */
    const char *metric;
    bool maximize;
    size_t others; /* runs that were trained for another metric; they are judged by this one too */
    factor f;      /* by configuration, best first; labels with few digits, still told apart */
    const char **labels, **whole; /* one per level: short enough for a line, told apart too; as it is */
    paired *against;              /* one per level: the best minus it; the first is unused */
    double *adjusted;             /* their p after Holm */
    bool *told;                   /* paired_decidable() */
    size_t comparisons;           /* of the best with others that have a seed in common */
    statistics *of;               /* of the metric, one per level */
    size_t ranked;                /* levels that have a value; they come first */
    page_origin *origins;         /* one per run */
    query_attempt *last;          /* attempt of each run; state NULL: none */
    size_t *level_of;             /* each run's configuration */
    size_t finished, failed, early, open; /* runs; open: neither finished nor given up */
} page;

/* ---- page_facts.c ---- */
cvy_status page_facts(page *p);
#define PAGE_ALPHA 0.05
bool page_has(const page *p, groups_value *value); /* any run */

/* ---- page_value.c ---- */
void page_value_names(text *t, const query_run *const *runs, size_t n,
                      size_t most);               /* "r1-r3", "r1, r5 and 3 more" */
void page_value_shell(text *t, const char *word); /* as a word of a shell's command line */

/* ---- page_tally.c: equal texts counted ---- */
typedef struct page_tally_item {
    const char *what;
    const query_run **runs;
    size_t n, cap;
} page_tally_item;
typedef struct page_tally {
    page_tally_item *items; /* in order of appearance */
    size_t n, cap;
    size_t *slots, n_slots; /* hashed */
} page_tally;
void page_tally_add(page_tally *t, const char *what, const query_run *r); /* what: kept as it is */
void page_tally_free(page_tally *t);

/* ---- page_table.c ---- */
typedef struct page_column {
    const char *title, *help;
    bool number; /* set to the right, sorted by number */
} page_column;
/* A table that sorts by its heads and, when it is long, filters by a word. */
void page_table_open(page *p, const char *id, const page_column *columns, size_t n);
void page_table_close(page *p);
void page_row(page *p);
void page_row_end(page *p);
void page_cell(page *p, const char *s);
void page_cell_short(page *p, const char *s, size_t most);
void page_cell_label(page *p, size_t level); /* page_label() */
void page_cell_number(page *p, double sort, const char *shown);
void page_cell_metric(page *p, const char *metric, double v);
void page_cell_open(page *p, double sort); /* any content; page_cell_end() */
void page_cell_end(page *p);

/* ---- page.c ---- */
void page_section(page *p, const char *id, const char *title); /* closed by html_close() */
void page_note(page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A configuration's label, the only text of the element just opened: what is left out of it is shown where the pointer is. */
void page_label(page *p, size_t level);
/* A pair in a list of them (<dl>). */
void page_fact(page *p, const char *what, const char *value);
void page_factf(page *p, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- the sections, each in the file of its name ---- */
void page_summary(page *p);
void page_configurations(page *p);
void page_charts(page *p);
void page_insides(page *p);
void page_runs(page *p);
void page_differences(page *p);
void page_failures(page *p);
void page_environment(page *p);
void page_reproduce(page *p);

#endif
