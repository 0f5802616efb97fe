/* The metric rows of a run as its journals leave them, for comparing two runs. Must not know how they were trained. */
#ifndef TESTS_TRAIN_ROWS_H
#define TESTS_TRAIN_ROWS_H

#include "base/memory.h"
#include "base/text.h"

typedef struct rows_row {
    const char *scope, *name;
    int64_t step, epoch;
    double value;
    bool stale; /* behind the step that a later attempt resumed from, and not logged again yet */
} rows_row;

typedef struct rows {
    arena memory;
    rows_row *items; /* sorted by scope, step, name */
    size_t n, cap;
    int attempts;
    int differing;   /* rows that a later attempt logged with another value */
    const char *end; /* state of the last attempt's end record; "" without one */
    const char *end_text;
} rows;

rows rows_read(const char *dir);
void rows_free(rows *r);
/* NaN when there is no such row. */
double rows_value(const rows *r, const char *scope, const char *name, int64_t step);
/* One line for each row, and one for each thing that should not be. */
void rows_print(const rows *r, text *out);

#endif
