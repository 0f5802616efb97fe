/* Owns how a sheet of pictures looks; must not know what the pictures are. */
#include "cli/sheet.h"

#include <string.h>

#include "base/memory.h"
#include "cli/letters.h"
#include "image/image.h"

enum {
    CELL_LEAST = 112, /* pixels of the longer side that small pictures are enlarged to at least */
    CELL_MOST = 256,  /* and large ones are shrunk to at most */
    GAP = 6,          /* between pictures */
    NOTE_LEAST = 300, /* pixels that a note's lines have at least */
    MARGIN = 12,
    PAD = 8,   /* between words and pictures */
    SCALE = 2, /* of the letters beside and above; captions are half as large */
    SIDE_MOST = 20000,
    LETTERS_MOST = 100, /* of a row's name or the title */
    NOTE_MOST = 2000    /* letters */
};

static const uint8_t paper[3] = {255, 255, 255}, ink[3] = {40, 40, 40}, faint[3] = {110, 110, 110},
                     hole[3] = {236, 236, 236};

sheet sheet_new(int rows, int columns)
{
    return (sheet){.rows = rows,
                   .columns = columns,
                   .left = mem_array((size_t)rows, sizeof(char *)),
                   .above = mem_array((size_t)columns, sizeof(char *)),
                   .cells = mem_array((size_t)rows * (size_t)columns, sizeof(sheet_cell)),
                   .least = CELL_LEAST,
                   .most = CELL_MOST,
                   .gap = GAP,
                   .words = SCALE};
}

sheet_cell *sheet_at(sheet *s, int row, int column)
{
    return &s->cells[row * s->columns + column];
}

void sheet_free(sheet *s)
{
    for (int i = 0; i < s->rows; i++) mem_free(s->left[i]);
    for (int i = 0; i < s->columns; i++) mem_free(s->above[i]);
    for (int i = 0; i < s->rows * s->columns; i++) {
        mem_free(s->cells[i].pixels);
        mem_free(s->cells[i].caption);
    }
    mem_free(s->left);
    mem_free(s->above);
    mem_free(s->cells);
    mem_free(s->title);
    mem_free(s->note);
    *s = (sheet){0};
}

/* ---- drawing ---- */

typedef struct canvas {
    uint8_t *p; /* (h, w, 3) */
    int64_t h, w;
} canvas;

static void dot(canvas *c, int64_t y, int64_t x, const uint8_t colour[3])
{
    if (y < 0 || y >= c->h || x < 0 || x >= c->w) return;
    memcpy(c->p + (y * c->w + x) * 3, colour, 3);
}

static int64_t letters_width(size_t n, int scale)
{
    return n ? ((int64_t)n * (LETTER_WIDTH + 1) - 1) * scale : 0;
}

/* Of a title or a row's name, which are cut where they are endless. */
static int64_t words_width(const char *s, int scale)
{
    return s ? letters_width(strnlen(s, LETTERS_MOST), scale) : 0;
}

static void words(canvas *c, int64_t y, int64_t x, const char *s, int scale, const uint8_t colour[3])
{
    for (; *s; s++, x += (LETTER_WIDTH + 1) * scale) {
        const unsigned char u = (unsigned char)*s;
        const uint8_t *rows =
            letters[u >= LETTER_FIRST && u <= LETTER_LAST ? u - LETTER_FIRST : '?' - LETTER_FIRST];
        for (int i = 0; i < LETTER_HEIGHT * scale; i++)
            for (int k = 0; k < LETTER_WIDTH * scale; k++)
                if (rows[i / scale] >> (LETTER_WIDTH - 1 - k / scale) & 1) dot(c, y + i, x + k, colour);
    }
}

/* At most so many letters of s; mem_alloc'ed. */
static char *cut_to(const char *s, size_t most)
{
    const size_t n = strnlen(s, most + 1);
    char *cut = mem_text_n(s, n < most ? n : most);
    if (n > most && most > 2) memcpy(cut + most - 2, "..", 2);
    return cut;
}

static void words_first(canvas *c, int64_t y, const char *s, int scale)
{
    char *cut = cut_to(s, LETTERS_MOST);
    words(c, y, MARGIN, cut, scale, ink);
    mem_free(cut);
}

/* In the middle of `room`, cut where it is too long. */
static void words_centred(canvas *c, int64_t y, int64_t x, int64_t room, const char *s, int scale,
                          const uint8_t colour[3])
{
    char *cut = cut_to(s, (size_t)((room / scale + 1) / (LETTER_WIDTH + 1)));
    words(c, y, x + (room - letters_width(strlen(cut), scale)) / 2, cut, scale, colour);
    mem_free(cut);
}

/* By `up` larger or by `down` smaller; shrinking takes the mean of what becomes one pixel. */
static void picture(canvas *c, int64_t y, int64_t x, const sheet_cell *cell, int64_t up, int64_t down)
{
    const int64_t plane = cell->height * cell->width;
    const int64_t h = cell->height * up / down, w = cell->width * up / down;
    for (int64_t i = 0; i < h; i++)
        for (int64_t k = 0; k < w; k++) {
            uint8_t colour[3];
            for (int64_t channel = 0; channel < 3; channel++) {
                int64_t sum = 0, n = 0;
                for (int64_t a = i * down / up; a <= ((i + 1) * down - 1) / up && a < cell->height; a++)
                    for (int64_t b = k * down / up; b <= ((k + 1) * down - 1) / up && b < cell->width;
                         b++, n++)
                        sum += cell->pixels[channel * plane + a * cell->width + b];
                colour[channel] = n ? (uint8_t)((sum + n / 2) / n) : 0;
            }
            dot(c, y + i, x + k, colour);
        }
}

/* Room for the captions of a row. */
static int64_t below(const sheet *s, int row)
{
    for (int i = 0; i < s->columns; i++)
        if (s->cells[row * s->columns + i].caption) return LETTER_HEIGHT + 4;
    return 0;
}

typedef struct scale {
    int64_t up, down;
} scale;

static scale scale_of(const sheet *s, int64_t longest)
{
    scale c = {1, 1};
    if (longest < s->least) c.up = (s->least + longest - 1) / longest;
    if (longest > s->most) c.down = (longest + s->most - 1) / s->most;
    return c;
}

static void largest(const sheet *s, int row, int64_t *h, int64_t *w)
{
    *h = *w = 1;
    for (int i = 0; i < s->columns; i++) {
        const sheet_cell *cell = &s->cells[row * s->columns + i];
        if (cell->pixels && cell->height > *h) *h = cell->height;
        if (cell->pixels && cell->width > *w) *w = cell->width;
    }
}

/* All rows alike, so that sizes can be compared, but for one that would be too small to see. */
static scale scale_of_row(const sheet *s, int row, scale all)
{
    int64_t h, w;
    largest(s, row, &h, &w);
    const int64_t longest = h > w ? h : w;
    return longest * all.up / all.down < s->least / 2 ? scale_of(s, longest) : all;
}

typedef struct measures {
    scale all;              /* of the pictures */
    int64_t cell_h, cell_w; /* of the largest, scaled */
    int64_t left, top;      /* where the pictures begin */
    int64_t heads;          /* where the words above them do */
    int64_t w;              /* of all of it */
} measures;

static measures measure(const sheet *s)
{
    measures m = {.cell_h = 1, .cell_w = 1};
    int64_t longest = 1, h, w;
    for (int r = 0; r < s->rows; r++) {
        largest(s, r, &h, &w);
        longest = h > longest ? h : longest;
        longest = w > longest ? w : longest;
    }
    m.all = scale_of(s, longest);
    for (int r = 0; r < s->rows; r++) {
        const scale own = scale_of_row(s, r, m.all);
        largest(s, r, &h, &w);
        h = h * own.up / own.down;
        w = w * own.up / own.down;
        if (h > m.cell_h) m.cell_h = h;
        if (w > m.cell_w) m.cell_w = w;
    }
    for (int i = 0; i < s->rows; i++) {
        int64_t width = words_width(s->left[i], s->words);
        if (width > m.left) m.left = width;
    }
    m.left += MARGIN + (m.left ? PAD : 0);
    m.heads = MARGIN;
    if (s->title) m.heads += LETTER_HEIGHT * SCALE + PAD;
    m.top = m.heads;
    for (int i = 0; i < s->columns; i++)
        if (s->above[i]) m.top = m.heads + LETTER_HEIGHT * s->words + PAD;
    m.w = m.left + s->columns * (m.cell_w + s->gap) - s->gap + MARGIN;
    const int64_t title = words_width(s->title, SCALE) + 2 * MARGIN;
    if (title > m.w) m.w = title;
    if (s->note && m.w < NOTE_LEAST) m.w = NOTE_LEAST;
    return m;
}

static void draw(const sheet *s, const measures *m, canvas *c)
{
    for (int i = 0; i < s->columns; i++)
        if (s->above[i])
            words_centred(c, m->heads, m->left + i * (m->cell_w + s->gap), m->cell_w, s->above[i], s->words,
                          ink);
    int64_t y = m->top;
    for (int r = 0; r < s->rows; y += m->cell_h + below(s, r) + s->gap, r++) {
        const scale own = scale_of_row(s, r, m->all);
        if (s->left[r]) words_first(c, y + (m->cell_h - LETTER_HEIGHT * s->words) / 2, s->left[r], s->words);
        for (int k = 0; k < s->columns; k++) {
            const sheet_cell *cell = &s->cells[r * s->columns + k];
            const int64_t x = m->left + k * (m->cell_w + s->gap);
            if (!cell->pixels) continue;
            const int64_t h = cell->height * own.up / own.down, w = cell->width * own.up / own.down;
            if (h < m->cell_h || w < m->cell_w)
                for (int64_t a = 0; a < m->cell_h; a++)
                    for (int64_t b = 0; b < m->cell_w; b++) dot(c, y + a, x + b, hole);
            picture(c, y + (m->cell_h - h) / 2, x + (m->cell_w - w) / 2, cell, own.up, own.down);
            if (cell->caption) words_centred(c, y + m->cell_h + 2, x, m->cell_w, cell->caption, 1, faint);
        }
    }
}

/* Lines of a note, broken between words; drawn where there is a canvas. */
static int note(const char *s, int64_t width, canvas *c, int64_t y)
{
    const size_t room = (size_t)((width - 2 * MARGIN) / (LETTER_WIDTH + 1));
    const char *const last = s + strnlen(s, NOTE_MOST);
    int lines = 0;
    while (s < last) {
        size_t n = (size_t)(last - s), end = n;
        if (n > room) {
            end = room;
            while (end > 0 && s[end] != ' ') end--;
            if (!end) end = room;
        }
        char *line = mem_text_n(s, end);
        if (c) words(c, y + lines * (LETTER_HEIGHT + 2), MARGIN, line, 1, faint);
        mem_free(line);
        lines++;
        s += end;
        while (s < last && *s == ' ') s++;
    }
    return lines;
}

cvy_status sheet_write(const sheet *s, const char *path, errors *e)
{
    const measures m = measure(s);
    canvas c = {.h = m.top + s->rows * (m.cell_h + s->gap) - s->gap + MARGIN, .w = m.w};
    for (int r = 0; r < s->rows; r++) c.h += below(s, r);
    const int64_t note_at = c.h - MARGIN + PAD;
    const int lines = s->note ? note(s->note, m.w, NULL, 0) : 0;
    if (lines) c.h += PAD + lines * (LETTER_HEIGHT + 2);
    if (c.h > SIDE_MOST || c.w > SIDE_MOST)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "show fewer rows or columns",
                          "the sheet would be %lld x %lld pixels", (long long)c.w, (long long)c.h);
    c.p = mem_try((size_t)c.h * (size_t)c.w, 3);
    if (!c.p) return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the sheet");
    for (int64_t i = 0; i < c.h * c.w; i++) memcpy(c.p + 3 * i, paper, 3);
    draw(s, &m, &c);
    if (s->title) words_first(&c, MARGIN, s->title, SCALE);
    if (lines) note(s->note, m.w, &c, note_at);
    cvy_status status = image_write_png(path, c.p, true, 3, c.h, c.w, e);
    mem_free(c.p);
    return status;
}
