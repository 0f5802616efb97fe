/* Growable text, and the small string questions everybody asks. Knows nothing of files or YAML. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text {
    char *s; /* NUL-terminated once anything was added; NULL when empty */
    size_t n, cap;
} text;

void text_add(text *t, const char *s);
void text_add_n(text *t, const char *s, size_t n);
void text_char(text *t, char c);
void text_printf(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(text *t, const char *fmt, va_list ap);
const char *text_str(const text *t); /* "" when empty */
char *text_take(text *t);            /* hands the heap string over ("" when empty) and empties t */
void text_free(text *t);

/* Nearest of the n candidates to `word` by Damerau-Levenshtein distance, case folded and `-`/`_` ignored;
 * NULL when none is close enough to suggest (distance above a third of the longer word). */
const char *text_nearest(const char *word, const char *const *candidates, size_t n);
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);
/* Shortest decimal text that reads back to the same double ("0.1", "1e-05", "nan", "inf"). */
void text_double(text *t, double v);
/* "269,722" */
void text_count(text *t, int64_t v);
/* As "%.*f", digit for digit, and several times as fast for the numbers of a table. */
void text_fixed(text *t, double v, int decimals);
/* Bytes of the UTF-8 sequence at s (at most n), its code point into *code (may be NULL); 0 when it is not
 * valid. */
size_t text_utf8(const char *s, size_t n, uint32_t *code);
/* Whether who reads the character would obey it, or not see it, instead of seeing it: controls (C0, DEL, C1), separators of lines,
 * marks that turn the direction of the text around them, and what has no shape. A name could pass for another by them. */
bool text_hidden(uint32_t code);
/* s with hidden characters (ESC and newlines too) and bytes that are not UTF-8 shown as \xNN; at most
 * max bytes, then "..." when something is left out */
void text_safe(text *t, const char *s, size_t max);
/* The same of all n bytes, as lines: newlines and tabs stay what they are. With `marks`, what makes letters bold and coloured on a
 * terminal (ESC [ ... m) stays too. */
void text_lines(text *t, const char *s, size_t n, bool marks);
/* How much of the beginning that would leave as it is: printable ASCII, newlines, tabs. */
size_t text_plain(const char *s, size_t n);

#endif
