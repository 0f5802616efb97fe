/* Owns the layout of text tables; must not know what is in them, nor print. */
#include "cli/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "cli/width.h"

#define GAP "  "

enum { TITLE_BYTES = 100, CELL_BYTES = 1000 }; /* all other rows are filled up to the longest cell */

void table_column(table *t, const char *title, table_align align)
{
    assert(t->n_columns < TABLE_MAX_COLUMNS && t->n == 0);
    text safe = {0};
    text_safe(&safe, title, TITLE_BYTES);
    t->titles[t->n_columns] = text_take(&safe);
    t->align[t->n_columns++] = align;
}

void table_cell(table *t, const char *s)
{
    t->cells = MEM_GROW(t->cells, t->n, &t->cap);
    size_t n = 0;
    while (n < CELL_BYTES && s[n] >= ' ' && s[n] <= '~') n++;
    if (!s[n]) { /* as most: nothing to be made visible, a column each */
        t->cells[t->n++] = (table_text){arena_text_n(&t->memory, s, n), (unsigned)n, (unsigned)n};
        return;
    }
    text safe = {0};
    text_safe(&safe, s, CELL_BYTES);
    t->cells[t->n++] = (table_text){arena_text_n(&t->memory, text_str(&safe), safe.n), (unsigned)safe.n,
                                    (unsigned)width_of(text_str(&safe))};
    text_free(&safe);
}

void table_cellf(table *t, const char *fmt, ...)
{
    text cell = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&cell, fmt, ap);
    va_end(ap);
    table_cell(t, text_str(&cell));
    text_free(&cell);
}

static void pad(text *out, size_t n)
{
    static const char spaces[] = "                                ";
    for (size_t some; n; n -= some) {
        some = n < sizeof spaces - 1 ? n : sizeof spaces - 1;
        text_add_n(out, spaces, some);
    }
}

static void write_row(const table *t, const size_t *widths, const table_text *cells, size_t n, text *out)
{
    size_t owed = 0; /* spaces are written only once something stands behind them */
    for (size_t i = 0; i < n; i++) {
        const size_t missing = widths[i] - cells[i].width;
        if (t->align[i] == TABLE_RIGHT) owed += missing;
        if (cells[i].width) {
            pad(out, owed);
            text_add_n(out, cells[i].s, cells[i].n);
            owed = 0;
        }
        if (t->align[i] == TABLE_LEFT) owed += missing;
        owed += sizeof GAP - 1;
    }
}

static bool measure(const table *t, table_text *titles, size_t *widths)
{
    bool titled = false;
    for (size_t i = 0; i < t->n_columns; i++) {
        titles[i] =
            (table_text){t->titles[i], (unsigned)strlen(t->titles[i]), (unsigned)width_of(t->titles[i])};
        titled = titled || titles[i].width;
        widths[i] = titles[i].width > t->least[i] ? titles[i].width : t->least[i];
    }
    for (size_t i = 0, column = 0; i < t->n; i++) {
        if (t->cells[i].width > widths[column]) widths[column] = t->cells[i].width;
        if (++column == t->n_columns) column = 0;
    }
    return titled;
}

void table_write(const table *t, bool colour, text *out)
{
    if (!t->n_columns) return;
    size_t widths[TABLE_MAX_COLUMNS];
    table_text titles[TABLE_MAX_COLUMNS];
    if (measure(t, titles, widths)) {
        if (colour) text_add(out, "\x1b[1m");
        write_row(t, widths, titles, t->n_columns, out);
        text_add(out, colour ? "\x1b[0m\n" : "\n");
    }
    for (size_t i = 0; i < t->n; i += t->n_columns) {
        size_t left = t->n - i;
        write_row(t, widths, t->cells + i, left < t->n_columns ? left : t->n_columns, out);
        text_char(out, '\n');
    }
}

static void forget(table *t)
{
    arena_free(&t->memory);
    t->n = 0;
}

void table_measure(table *t)
{
    table_text titles[TABLE_MAX_COLUMNS];
    measure(t, titles, t->least);
    forget(t);
}

void table_piece(table *t, bool colour, text *out)
{
    table_write(t, colour, out);
    for (size_t i = 0; i < t->n_columns; i++) *t->titles[i] = '\0';
    forget(t);
}

void table_free(table *t)
{
    forget(t);
    for (size_t i = 0; i < t->n_columns; i++) mem_free(t->titles[i]);
    mem_free(t->cells);
    *t = (table){0};
}
