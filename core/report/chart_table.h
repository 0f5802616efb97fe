/* The configurations of a sweep as a table of numbers: a column for each parameter that varies. */
#ifndef REPORT_CHART_TABLE_H
#define REPORT_CHART_TABLE_H

#include "report/chart_judge.h"

typedef struct chart_column {
    const char *path, *label; /* "model.stem.channels", "stem.channels" */
    bool numbers, log;        /* else words; of numbers those over two decades */
    const double *at;         /* one per row: the number, or the place among the words; nan: not set there */
    const char **words;       /* in the order in which they come, short enough for ticks */
    size_t n_words;
    const double *values; /* of numbers: the distinct ones, from the smallest */
    double low, high;
    size_t distinct, unset;
} chart_column;

typedef struct chart_row {
    const group *g;
    double value; /* mean over the repeats; nan */
    size_t n;     /* that have one */
    bool stopped; /* early, by the sweep's rule */
    bool failed;  /* or unfinished: no run came to the end, and none was stopped early */
} chart_row;

typedef struct chart_table {
    groups g;
    chart_row *rows; /* in the order of the sweep */
    size_t n;
    chart_column *columns; /* most telling first: in the order of their paths */
    size_t n_columns;
    size_t stopped, failed, silent; /* rows; silent: without a value */
    size_t best;                    /* row; n when there is none */
} chart_table;

/* Parameters that follow from another one are not told apart from it, and those with a single value left out. */
cvy_status chart_table_make(store *s, const chart_judged *j, arena *a, chart_table *out, errors *e);
/* The column of a path; NULL after reporting those there are. */
const chart_column *chart_table_column(const chart_table *t, const char *path, errors *e);
enum { CHART_TABLE_TICKS = 8 /* so many values of a number have a tick each */ };
/* Its values on an axis. */
figure_axis chart_table_axis(const chart_column *c);
/* "24 configurations, 5 of them stopped early, 1 without a value left out" into a caption. */
void chart_table_say(const chart_table *t, text *caption);

#endif
