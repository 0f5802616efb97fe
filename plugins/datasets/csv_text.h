/* Text of tables: lines into cells by RFC 4180, cells into numbers whatever the program's locale says. Private to the csv
 * dataset; must not know what the columns mean. */
#ifndef DATASETS_CSV_TEXT_H
#define DATASETS_CSV_TEXT_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct csv_cell {
    char *s; /* in the text itself, ended by a NUL */
    size_t n;
    int64_t at; /* its first byte in the file */
} csv_cell;

typedef struct csv_text {
    char *begin, *next, *end; /* one more byte behind the end may be written */
    int64_t line;             /* of `next`, from 1 */
    char delimiter;
} csv_text;

typedef struct csv_row {
    csv_cell *cells;
    size_t n, room;
    int64_t line, at;    /* of its beginning */
    const char *problem; /* what cannot be read; NULL: nothing */
    int64_t problem_at, problem_line;
} csv_row;

static inline int csv_is_blank(char c, char delimiter)
{
    return c == ' ' || (c == '\t' && delimiter != '\t');
}

/* A cell in quotes, which are taken off and doubled ones halved in place; `next` comes to stand behind it. */
static inline int csv_quoted(csv_text *t, csv_row *row, csv_cell *cell)
{
    char *to = t->next + 1, *from = to;
    const char *opening = t->next;
    const int64_t line = t->line;
    cell->s = to;
    for (;; from++) {
        if (from == t->end) {
            row->problem = "the quote that begins here does not end";
            row->problem_at = opening - t->begin;
            row->problem_line = line;
            return -1;
        }
        if (*from == '"') {
            if (from + 1 == t->end || from[1] != '"') break;
            from++;
        }
        if (*from == '\n') t->line++;
        *to++ = *from;
    }
    cell->n = (size_t)(to - cell->s);
    t->next = from + 1;
    while (t->next < t->end && csv_is_blank(*t->next, t->delimiter)) t->next++;
    if (t->next == t->end || *t->next == t->delimiter || *t->next == '\n' || *t->next == '\r') return 0;
    row->problem = "text behind a quoted cell: double the quotes that belong to it";
    row->problem_at = t->next - t->begin;
    row->problem_line = t->line;
    return -1;
}

static inline void csv_plain(csv_text *t, csv_cell *cell)
{
    char *from = t->next, *to;
    while (t->next < t->end && *t->next != t->delimiter && *t->next != '\n' && *t->next != '\r') t->next++;
    to = t->next;
    while (to > from && csv_is_blank(to[-1], t->delimiter)) to--;
    cell->s = from;
    cell->n = (size_t)(to - from);
}

/* One cell; 1: more of them follow in the row, 0: it was the last, -1: problem. */
static inline int csv_next_cell(csv_text *t, csv_row *row, csv_cell *cell)
{
    while (t->next < t->end && csv_is_blank(*t->next, t->delimiter) && *t->next != t->delimiter) t->next++;
    cell->at = t->next - t->begin;
    if (t->next < t->end && *t->next == '"') {
        if (csv_quoted(t, row, cell)) return -1;
    } else {
        csv_plain(t, cell);
    }
    int more = 0;
    if (t->next < t->end) {
        const char c = *t->next++;
        more = c == t->delimiter;
        if (c == '\r' && t->next < t->end && *t->next == '\n') t->next++;
        if (!more) t->line++;
    }
    cell->s[cell->n] = 0; /* what ended it has been read */
    return more;
}

/* The next row that is not empty; 0 at the end of the text, -1 without memory, else 1, maybe with a problem. */
static inline int csv_next_row(csv_text *t, csv_row *row)
{
    while (t->next < t->end && (*t->next == '\n' || *t->next == '\r')) {
        if (*t->next == '\n' || t->next + 1 == t->end || t->next[1] != '\n') t->line++;
        t->next++;
    }
    row->n = 0;
    row->problem = NULL;
    if (t->next == t->end) return 0;
    row->line = t->line;
    row->at = t->next - t->begin;
    for (int more = 1; more > 0;) {
        if (row->n == row->room) {
            const size_t room = row->room ? 2 * row->room : 64;
            csv_cell *cells = realloc(row->cells, room * sizeof *cells);
            if (!cells) return -1;
            row->cells = cells;
            row->room = room;
        }
        more = csv_next_cell(t, row, &row->cells[row->n]);
        if (more >= 0) row->n++;
    }
    return 1;
}

/* ---- numbers ---- */

static inline double csv_scaled(double v, int power)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    for (; power > 22 && v < 1e300; power -= 22) v *= 1e22;
    for (; power < -22 && v > 0; power += 22) v /= 1e22;
    if (power > 22) return (double)INFINITY;
    return power < -22 ? 0 : power < 0 ? v / tens[-power] : v * tens[power];
}

/* Decimal numbers as C and JSON write them; 0 when it is none. Right to the last bit of a float but for numbers that lie
 * within 1e-15 of the middle of two. */
static inline int csv_number(const char *s, double *v)
{
    uint64_t digits = 0;
    int power = 0, n = 0, negative = *s == '-';
    if (*s == '+' || *s == '-') s++;
    for (int point = 0;; s++) {
        if (*s == '.' && !point) {
            point = 1;
            continue;
        }
        if (*s < '0' || *s > '9') break;
        n = 1;
        if (digits < 1000000000000000000u) {
            digits = digits * 10 + (uint64_t)(*s - '0');
            power -= point;
        } else if (!point && power < 100000) {
            power++;
        }
    }
    if (!n) return 0;
    if (*s == 'e' || *s == 'E') {
        int exponent = 0, down = s[1] == '-';
        s += s[1] == '+' || s[1] == '-' ? 2 : 1;
        if (*s < '0' || *s > '9') return 0;
        for (; *s >= '0' && *s <= '9'; s++)
            if (exponent < 100000) exponent = exponent * 10 + (*s - '0');
        power += down ? -exponent : exponent;
    }
    if (*s) return 0;
    *v = digits ? csv_scaled((double)digits, power) : 0;
    if (negative) *v = -*v;
    return 1;
}

/* Well-formed as RFC 3629 has it, but for a few code points that mean nothing. */
static inline int csv_is_utf8(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        const int more = *s < 0x80 ? 0 : *s >= 0xc2 && *s < 0xe0 ? 1 : *s >= 0xe0 && *s < 0xf0 ? 2 : 3;
        if (more == 3 && (*s < 0xf0 || *s > 0xf4)) return 0;
        s++;
        for (int k = 0; k < more; k++, s++)
            if ((*s & 0xc0) != 0x80) return 0;
    }
    return 1;
}

/* How tables write that a number is not known. */
static inline int csv_is_missing(const char *s)
{
    static const char *const words[] = {"",    "?",   "-",   "NA",   "N/A",  "n/a",
                                        "NaN", "nan", "NAN", "null", "NULL", "None"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(s, words[i]) == 0) return 1;
    return 0;
}

#endif
