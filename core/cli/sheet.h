/* A sheet of pictures in rows and columns with words beside and above them, as one picture. Knows no dataset. */
#ifndef CLI_SHEET_H
#define CLI_SHEET_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct sheet_cell {
    uint8_t *pixels; /* (3, height, width), mem_alloc'ed; NULL: nothing is there */
    int64_t height, width;
    char *caption; /* below it, mem_alloc'ed; NULL */
} sheet_cell;

typedef struct sheet {
    int rows, columns;
    char **left, **above; /* rows and columns of them, mem_alloc'ed; NULL ones are left out */
    sheet_cell *cells;    /* row by row */
    char *title,
        *note; /* above and below all of it, the note in lines as wide as the sheet; mem_alloc'ed; NULL: none */
    /* As sheet_new() sets them, for whoever wants others: pixels of the longer side that small pictures are enlarged to at
     * least and large ones shrunk to at most, pixels between pictures, size of the words beside and above. */
    int least, most, gap, words;
} sheet;

sheet sheet_new(int rows, int columns);
sheet_cell *sheet_at(sheet *s, int row, int column);
void sheet_free(sheet *s);
/* Draws all of it into a PNG file. Small pictures are enlarged by a whole number, large ones are shrunk. */
cvy_status sheet_write(const sheet *s, const char *path, errors *e);

#endif
