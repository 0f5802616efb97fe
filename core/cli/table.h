/* Text tables with aligned columns, for people; machines get JSON. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include "base/memory.h"
#include "base/text.h"

#define TABLE_MAX_COLUMNS 24

typedef enum table_align { TABLE_LEFT, TABLE_RIGHT } table_align;

typedef struct table_text {
    const char *s;     /* in the table's arena */
    unsigned n, width; /* bytes; columns on a terminal */
} table_text;

typedef struct table {
    char *titles[TABLE_MAX_COLUMNS];
    table_align align[TABLE_MAX_COLUMNS];
    size_t least[TABLE_MAX_COLUMNS]; /* widths; for tables that are written in pieces */
    size_t n_columns;
    table_text *cells; /* row by row */
    size_t n, cap;
    arena memory;
} table; /* a zeroed one is empty and valid */

void table_column(table *t, const char *title, table_align align); /* before the first cell */
/* The next cell, left to right and row after row; hidden characters are made visible (text_safe), and what is far too long for a
 * table ends in "...". */
void table_cell(table *t, const char *s);
void table_cellf(table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds the lines, titles first (bold under `colour`) unless all are empty. Nothing stands behind a line's
 * last character. */
void table_write(const table *t, bool colour, text *out);
void table_free(table *t);

/* A table of many rows in pieces of few: first every piece is measured, then each is written and its cells forgotten, the first
 * with the titles. */
void table_measure(table *t);                       /* takes down the widths and forgets the cells */
void table_piece(table *t, bool colour, text *out); /* writes and forgets them */

#endif
