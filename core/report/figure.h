/* A figure as data: panels with axes, and marks on them; and its way to a picture. What a figure shows is decided by whoever fills it
 * in (chart_*.h); how it looks - palette, dashes, sizes, fonts - by figure.c alone, so that all of them are one family. */
#ifndef REPORT_FIGURE_H
#define REPORT_FIGURE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

typedef enum figure_kind {
    FIGURE_LINE,     /* x, y; a band between low and high */
    FIGURE_POINTS,   /* x, y; an interval from low to high */
    FIGURE_STEPS,    /* x, y; y holds until the next x: the best so far, how many survive */
    FIGURE_BARS,     /* from 0 (or the axis's low end) to y, at x; an interval from low to high */
    FIGURE_SEGMENTS, /* straight from (x, y) to (x2, y2): parallel coordinates, marks of an epoch */
    FIGURE_CELLS, /* coloured by value around (x, y), on a full grid: confusion matrix, contour of two parameters */
    FIGURE_TEXT /* names[i] at (x, y) */
} figure_kind;

enum { FIGURE_GREY = -1, FIGURE_BLACK = -2, FIGURE_COLOURS = 7 /* of the palette, by hue */ };

typedef struct figure_mark {
    figure_kind kind;
    const char *label; /* in the key, and shown where the pointer rests on it (SVG); NULL: in neither */
    int colour; /* number in the palette, from 0; beyond its end with another dash; FIGURE_GREY, FIGURE_BLACK */
    bool
        faint; /* thin and light: the raw curve behind a smoothed one; of text: on a light ground, over lines */
    bool unlisted; /* its label is only shown by the pointer, not in the key */
    bool dashed;   /* the training curve beside the validation curve of the same colour */
    bool ringed;   /* points that stand out, their names beside them: the best */
    bool circled;  /* the same without names: a Pareto front */
    const double *x, *y, *low, *high, *x2, *y2,
        *value;               /* n each; those that the kind does not take are NULL */
    const char *const *names; /* FIGURE_TEXT, and what points are called; NULL: none */
    size_t n;                 /* 0: only in the key */
} figure_mark;

typedef struct figure_axis {
    const char *label; /* with its unit: "accuracy (%)" */
    bool log;
    double low, high; /* nan: as the data want it; so do both 0 */
    double most; /* what no value can be above, as 100 %: intervals that are would only look as if; 0: none */
    const char *const *names; /* ticks at 0, 1, 2, ...; NULL: numbers; n_names 0: none at all */
    size_t n_names;
    const double *ticks; /* where there should be ticks if they have room, in rising order; NULL: wherever */
    size_t n_ticks;
} figure_axis;

typedef struct figure_panel {
    const char *title;        /* NULL: none */
    figure_axis x, y, colour; /* colour: of cells, or of segments that have a value */
    const figure_mark *marks; /* drawn in this order */
    size_t n;
    const char *said; /* in place of marks: "no finite values"; NULL: the marks */
} figure_panel;

typedef struct figure {
    const char *title;
    const char *caption; /* n, which kind of band, what was left out; below the panels */
    const figure_panel *panels;
    size_t n, columns; /* panels beside each other; 0: as fits */
    bool key;          /* one key for all panels, by their labels; equal ones once */
} figure;              /* all of it in the arena of whoever filled it in */

typedef enum figure_format { FIGURE_PNG, FIGURE_SVG, FIGURE_PDF, FIGURE_DUMB, FIGURE_SIXEL } figure_format;

typedef struct figure_look {
    figure_format format;
    double
        inches; /* width in print, 3.5 (one column) or 7 (two), with no text below 8 pt; 0: for the screen */
    int columns, rows; /* of the terminal, for FIGURE_DUMB; 0: 80 x 24 */
} figure_look;

/* The gnuplot script with the data inside, to be run again by anybody: numbers in datablocks, texts quoted so that nothing in them is
 * understood. Values that are not finite are left out. */
void figure_script(const figure *f, const figure_look *look, text *script);
/* The picture at `path`, replaced when it is complete; or, with path NULL, in *out (SVG inside a page, text for a terminal). */
cvy_status figure_draw(const figure *f, const figure_look *look, const char *path, text *out, errors *e);

#endif
