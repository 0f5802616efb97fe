/* What the files that turn a figure into a script share: the page, its measures, the script so far. Only figure*.c include it. */
#ifndef REPORT_FIGURE_DRAW_H
#define REPORT_FIGURE_DRAW_H

#include <stdint.h>
#include "base/memory.h"
#include "report/figure.h"

/* Lengths are pixels at 96 dpi; `scale` makes them those of the picture. */
typedef struct drawing {
    const figure *f;
    figure_look look;
    text *out;
    arena a;
    double cell; /* width that a panel has, with what stands beside its axes */
    double width, height, font, title_font, small_font, line, point, scale;
    bool print;         /* sizes of a printed column */
    unsigned faint;     /* how clear faint lines of the panel are, 0 ... 255 */
    size_t blocks;      /* of data, written so far */
    text plot;          /* the elements of the panel's plot command */
    const char **hover; /* for each element what the pointer shows; NULL: nothing */
    size_t n_hover, cap_hover;
} drawing;

/* ---- figure_style.c: colours, dashes, texts ---- */

extern const char figure_ink[], figure_grid[], figure_soft[];
uint32_t figure_colour(int colour);                   /* 0xRRGGBB */
void figure_faint(drawing *d, const figure_panel *p); /* before its lines: the more of them, the clearer */
void figure_line_style(drawing *d, const figure_mark *m);
/* Whether a line is told from others of its colour by marks on it, for want of dashes: then it is drawn "with linespoints". */
bool figure_line_marked(const drawing *d, const figure_mark *m);
void figure_line_marks(drawing *d, const figure_mark *m, size_t rows); /* behind the style */
void figure_point_style(drawing *d, const figure_mark *m, double size);
void figure_fill_style(drawing *d, const figure_mark *m, int alpha); /* 0: opaque, 255: clear */
void figure_palette(drawing *d, bool cells);
/* Whether text on a cell at this share of the palette is better light. */
bool figure_dark(double share);

double figure_text_width(const char *s, size_t most, double font); /* of its first characters */
size_t figure_fitting(const char *s, double width,
                      double font); /* characters, with room for dots where not all fit */
/* As many whole words of *s as fit, of which *s is moved to the rest. */
const char *figure_line(drawing *d, const char **s, double width, double font);
/* 'text' at a place of the page, from the top left; `more`: "center", "left rotate by 90". */
void figure_write(drawing *d, const char *s, size_t most, double x, double y, const char *more, double font,
                  const char *colour);
void figure_number(text *t, double v);
/* gnuplot_quote() for the label of a tick, which gnuplot reads as a format of the tick's number. */
void figure_quote_tick(text *t, const char *s, size_t most);
void figure_terminal(drawing *d);
/* The size that gnuplot's terminal has to be told for text so many pixels high. */
double figure_points(const drawing *d, double font);

/* ---- figure_axis.c: ranges and ticks ---- */

typedef struct tick {
    double at;
    const char *label; /* NULL: a small one */
} tick;

typedef struct axis_plan {
    double low, high;
    bool log, whole, slanted, any;
    tick *ticks;
    size_t n;
    double widest; /* label, in pixels */
} axis_plan;

enum { FIGURE_CATEGORY_MOST = 24, FIGURE_LABEL_MOST = 60 };

bool figure_shows(const figure_panel *p, double x, double y); /* finite, and above 0 on a logarithmic axis */
void figure_ranges(const figure_panel *p, axis_plan *x, axis_plan *y, axis_plan *colour);
/* Characters of a name at a tick. */
size_t figure_category_most(const drawing *d, bool across);
void figure_ticks(drawing *d, const figure_axis *axis, axis_plan *p, double length, bool across);
double figure_bar_width(const figure_panel *p, size_t *marks, bool *dodged);
/* Half-way to the neighbours of value i. */
void figure_cell_edges(const double *v, size_t n, double at, bool log, double *low, double *high);

/* ---- figure_panel.c, figure_cells.c, figure_key.c, figure_plain.c ---- */

typedef struct frame { /* of the axes, from the page's top left */
    double left, right, top, bottom;
} frame;

void figure_panel_write(drawing *d, const figure_panel *p, const axis_plan *x, const axis_plan *y,
                        const axis_plan *colour, const frame *at);
/* In place of marks of FIGURE_CELLS; colour: their range. */
void figure_cells(drawing *d, const figure_panel *p, const figure_mark *m, const axis_plan *colour,
                  const frame *at);
size_t figure_block_begin(drawing *d); /* of data; its number */
void figure_block_end(drawing *d);
void figure_element(drawing *d, const char *hover); /* begins an element of the plot command */
void figure_plot(drawing *d);                       /* writes the plot command */
void figure_margins(drawing *d, const frame *at);

typedef struct key_plan {
    const figure_mark **entries;
    const char **labels;                     /* of the entries, short enough and told apart */
    size_t n, left_out, columns, rows, most; /* most: characters of a label */
    double *widths, width, height;           /* of the columns, and of all */
} key_plan;

void figure_key_plan(drawing *d, key_plan *k);
void figure_key_write(drawing *d, const key_plan *k, double top);

void figure_plain(drawing *d); /* the whole script for FIGURE_DUMB */

#endif
