/* Owns how figures look: palette, dashes, sizes of text and lines, the terminal; must not know what is drawn where. */
#include <math.h>
#include <string.h>

#include "report/figure_draw.h"
#include "report/gnuplot.h"

const char figure_ink[] = "#222222", figure_grid[] = "#E3E3E3", figure_soft[] = "#666666";

/* Okabe and Ito, "Color Universal Design" (2008): told apart by every kind of colour vision. Its yellow, which is
 * invisible on white, is left out. */
static const uint32_t palette[] = {0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xE69F00, 0x56B4E9, 0x000000};
enum { COLOURS = FIGURE_COLOURS, MARKS = 12 /* on a line, about */ };

_Static_assert(sizeof palette / sizeof *palette == COLOURS, "as many as figure.h says");

static int round_of(int colour)
{
    return colour < 0 ? 0 : colour / COLOURS;
}

uint32_t figure_colour(int colour)
{
    return colour == FIGURE_GREY ? 0x888888 : colour < 0 ? 0x222222 : palette[colour % COLOURS];
}

enum { PALE = 0xA0, PALEST = 0xF0, CROWD = 60 /* faint lines that do not hide each other yet */ };

/* A mark with gaps is several lines. */
static size_t lines_of(const figure_mark *m)
{
    size_t n = 0;
    bool within = false;
    for (size_t i = 0; i < m->n && m->kind == FIGURE_LINE; i++) {
        const bool shown = isfinite(m->x[i]) && isfinite(m->y[i]);
        n += shown && !within;
        within = shown;
    }
    return n;
}

void figure_faint(drawing *d, const figure_panel *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) n += p->marks[i].faint ? lines_of(&p->marks[i]) : 0;
    const double opaque = n > CROWD ? (255 - PALE) * (double)CROWD / (double)n : 255 - PALE;
    d->faint = (unsigned)fmin(PALEST, 255 - opaque);
}

void figure_line_style(drawing *d, const figure_mark *m)
{
    /* Beyond the palette its colours come again with other dashes; "dashed" is a pattern of its own. */
    static const char *const dashes[] = {"solid", "(16,5,3,5)", "(3,4)", "(16,5,3,5,3,5)"};
    const double width = d->line * (m->faint ? 0.5 : m->dashed ? 0.65 : 1);
    const unsigned clear = m->faint ? d->faint : 0;
    if (d->look.format == FIGURE_SIXEL) { /* which has no dashes: paler, or with marks on the line */
        text_printf(d->out, "lw %.3g lc rgb '#%02X%06X'", width, m->dashed && !m->faint ? PALE : clear,
                    (unsigned)figure_colour(m->colour));
        return;
    }
    text_printf(d->out, "lw %.3g dt %s lc rgb '#%02X%06X'", width,
                m->dashed ? "(10,6)" : dashes[round_of(m->colour) % 4], clear,
                (unsigned)figure_colour(m->colour));
}

bool figure_line_marked(const drawing *d, const figure_mark *m)
{
    return d->look.format == FIGURE_SIXEL && m->kind == FIGURE_LINE && !m->dashed && !m->faint &&
           round_of(m->colour) > 0;
}

void figure_line_marks(drawing *d, const figure_mark *m, size_t rows)
{
    static const int shapes[] = {4, 8, 12};
    if (figure_line_marked(d, m))
        text_printf(d->out, " pt %d ps %.3g pi %zu", shapes[(round_of(m->colour) - 1) % 3], 1.2 * d->point,
                    rows > MARKS ? rows / MARKS : 1);
}

void figure_point_style(drawing *d, const figure_mark *m, double size)
{
    static const int shapes[] = {7, 5, 9, 13, 11}; /* circle, square, triangles, diamond: filled */
    text_printf(d->out, "pt %d ps %.3g lc rgb '#%02X%06X'",
                m->kind == FIGURE_POINTS && m->colour >= 0 ? shapes[m->colour % 5] : 7, size * d->point,
                m->faint ? PALE : 0u, (unsigned)figure_colour(m->colour));
}

void figure_fill_style(drawing *d, const figure_mark *m, int alpha)
{
    text_printf(d->out, "fc rgb '#%02X%06X' fs solid 1.0 noborder", (unsigned)alpha,
                (unsigned)figure_colour(m->colour));
}

/* Lightness falls or rises steadily in both, so they also read in grey: ColorBrewer's Blues on its way to navy for cells, where
 * nothing is white as paper; viridis (Smith and van der Walt 2015) without its brightest end for lines. */
void figure_palette(drawing *d, bool cells)
{
    text_add(d->out, cells ? "set palette defined (0 '#F7FBFF', 1 '#DEEBF7', 2 '#C6DBEF', 3 '#9ECAE1', 4 "
                             "'#6BAED6', 5 '#4292C6', 6 '#2171B5', 7 '#08519C', 8 '#08306B')\n"
                           : "set palette defined (0 '#440154', 1 '#46307E', 2 '#365C8D', 3 '#277F8E', 4 "
                             "'#1FA187', 5 '#4AC16D', 6 '#A0DA39', 7 '#C9E020')\n");
}

bool figure_dark(double share)
{
    return share > 0.55;
}

/* ---- texts ---- */

/* In hundredths of the font's size, from the space on: DejaVu Sans, which is what "sans" mostly is and one of the widest. */
static const uint8_t letters[] = {
    32, 40, 46, 84, 64, 95, 78, 27, 39,  39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79,
    60, 79, 69, 63, 61, 73, 68, 99, 69,  61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63,
    63, 28, 28, 58, 28, 97, 63, 61, 63,  63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84};
enum { FIRST_LETTER = ' ', LETTERS = sizeof letters / sizeof *letters, OTHER_LETTER = 70, DOTS = 96 };

/* Of the character at *s, which is stepped over. */
static double letter_width(const char **s)
{
    const unsigned char c = (unsigned char)*(*s)++;
    while (((unsigned char)**s & 0xC0) == 0x80) ++*s;
    return c >= FIRST_LETTER && c < FIRST_LETTER + LETTERS ? letters[c - FIRST_LETTER] : OTHER_LETTER;
}

double figure_text_width(const char *s, size_t most, double font)
{
    double width = 0;
    size_t n = 0;
    for (; *s && n < most; n++) width += letter_width(&s);
    if (*s) width += DOTS;
    return 0.01 * font * width;
}

size_t figure_fitting(const char *s, double width, double font)
{
    const double room = 100 * width / font;
    double used = 0;
    size_t n = 0, cut = 0;
    for (; *s; n++) {
        used += letter_width(&s);
        if (used + DOTS <= room) cut = n + 1;
        if (used > room) return cut > 1 ? cut : 2;
    }
    return n;
}

const char *figure_line(drawing *d, const char **s, double width, double font)
{
    const char *from = *s, *end = from, *space = NULL;
    const double room = 100 * width / font;
    double used = 0;
    while (*end && *end != '\n') {
        const char *next = end;
        used += letter_width(&next);
        if (used > room && end > from) break;
        if (*end == ' ') space = end;
        end = next;
    }
    if (*end && *end != '\n' && *end != ' ' && space && space > from) end = space;
    *s = end;
    while (**s == ' ' || **s == '\n') ++*s;
    return arena_text_n(&d->a, from, (size_t)(end - from));
}

void figure_quote_tick(text *t, const char *s, size_t most)
{
    text quoted = {0};
    gnuplot_quote(&quoted, s, most);
    for (size_t i = 0; i < quoted.n; i++) {
        if (quoted.s[i] == '%') text_char(t, '%');
        text_char(t, quoted.s[i]);
    }
    text_free(&quoted);
}

void figure_number(text *t, double v)
{
    /* Ten digits are more than a picture can show; the clamp keeps sums of two from overflowing. */
    text_printf(t, " %.10g", fmax(-1e300, fmin(1e300, v)));
}

double figure_points(const drawing *d, double font)
{
    /* gnuplot's "points" are pixels in SVG, 96 to the inch in its bitmaps, and larger by as much again in its PDF. */
    return d->look.format == FIGURE_SVG   ? font
           : d->look.format == FIGURE_PDF ? font * 0.5625
                                          : font * d->scale * 0.75;
}

void figure_write(drawing *d, const char *s, size_t most, double x, double y, const char *more, double font,
                  const char *colour)
{
    text_add(d->out, "set label ");
    gnuplot_quote(d->out, s, most);
    text_printf(d->out, " at screen %.6f, screen %.6f %s noenhanced font ',%.4g' textcolor rgb '%s'\n",
                x / d->width, 1 - y / d->height, more, figure_points(d, font), colour);
}

void figure_terminal(drawing *d)
{
    const double font = figure_points(d, d->font);
    text *t = d->out;
    switch (d->look.format) {
    case FIGURE_PNG:
        text_printf(t,
                    "set terminal pngcairo noenhanced rounded size %.0f,%.0f font 'sans,%.4g' linewidth %.4g "
                    "pointscale %.4g dashlength %.4g background rgb 'white'\n",
                    d->width * d->scale, d->height * d->scale, font, d->scale, d->scale,
                    (d->print ? 0.75 : 1.1) * d->scale);
        break;
    case FIGURE_PDF:
        text_printf(
            t,
            "set terminal pdfcairo noenhanced rounded size %.6fin,%.6fin font 'sans,%.4g' fontscale 1 "
            "linewidth %.4g pointscale %.4g dashlength %.4g background rgb 'white'\n",
            d->width / 96, d->height / 96, font, 1.0, 0.75, 1.0);
        break;
    case FIGURE_SIXEL:
        text_printf(t, "set terminal sixelgd noenhanced truecolor size %.0f,%.0f font 'sans,%.4g'\n",
                    d->width * d->scale, d->height * d->scale, font);
        break;
    case FIGURE_SVG:
    case FIGURE_DUMB:
        text_printf(t,
                    "set terminal svg noenhanced size %.0f,%.0f %s font 'sans,%.4g' linewidth 1 background "
                    "rgb 'white'\n",
                    d->width, d->height, d->print ? "fixed" : "dynamic", font);
        break;
    }
}
