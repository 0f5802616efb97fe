/* Text tables with aligned columns, for people; machines get JSON. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include "base/text.h"

#define TABLE_MAX_COLUMNS 24

typedef enum table_align { TABLE_LEFT, TABLE_RIGHT } table_align;

typedef struct table {
    const char *titles[TABLE_MAX_COLUMNS]; /* not owned */
    table_align align[TABLE_MAX_COLUMNS];
    size_t n_columns;
    char **cells; /* row by row */
    size_t n, cap;
} table; /* a zeroed one is empty and valid */

void table_column(table *t, const char *title, table_align align); /* before the first cell */
/* The next cell, left to right and row after row; control characters are made visible. */
void table_cell(table *t, const char *s);
void table_cellf(table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds the lines, titles first (bold under `colour`) unless all are empty. Nothing stands behind a line's
 * last character. */
void table_write(const table *t, bool colour, text *out);
void table_free(table *t);

#endif
