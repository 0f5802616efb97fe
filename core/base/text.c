/* Owns growable text and the string questions everybody asks; must not know files, YAML or who reads the
 * text. */
#include "base/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- growing ---- */

static void make_room(text *t, size_t more)
{
    size_t last;
    /* On overflow the impossible index makes mem_grow report exhaustion. */
    if (!size_add(t->n, more, &last)) last = SIZE_MAX;
    t->s = MEM_GROW(t->s, last, &t->cap);
}

void text_add(text *t, const char *s)
{
    text_add_n(t, s, strlen(s));
}

void text_add_n(text *t, const char *s, size_t n)
{
    make_room(t, n);
    if (n) memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = '\0';
}

void text_char(text *t, char c)
{
    text_add_n(t, &c, 1);
}

void text_printf(text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(t, fmt, ap);
    va_end(ap);
}

void text_vprintf(text *t, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0) {
        make_room(t, (size_t)n);
        vsnprintf(t->s + t->n, (size_t)n + 1, fmt, again);
        t->n += (size_t)n;
    }
    va_end(again);
}

const char *text_str(const text *t)
{
    return t->s ? t->s : "";
}

char *text_take(text *t)
{
    char *s = t->s ? t->s : mem_text("");
    *t = (text){0};
    return s;
}

void text_free(text *t)
{
    mem_free(t->s);
    *t = (text){0};
}

/* ---- UTF-8 ---- */

size_t text_utf8(const char *s, size_t n, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (!n) return 0;
    const unsigned char *u = (const unsigned char *)s;
    uint32_t c = u[0];
    size_t len;
    if (c < 0x80) {
        len = 1;
    } else if (c >= 0xC2 && c < 0xE0) {
        len = 2, c &= 0x1F;
    } else if (c >= 0xE0 && c < 0xF0) {
        len = 3, c &= 0x0F;
    } else if (c >= 0xF0 && c < 0xF5) {
        len = 4, c &= 0x07;
    } else {
        return 0;
    }
    if (len > n) return 0;
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (u[i] & 0x3Fu);
    }
    if (len > 1 && (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))) return 0;
    if (code) *code = c;
    return len;
}

/* ---- nearest ---- */

/* Longer words get no suggestion: names are short, and a hostile file must not buy quadratic time. */
enum { NEAREST_MAX = 64 };

/* Folds case and drops `-` and `_`; returns the folded length, or NEAREST_MAX + 1 when it does not fit. */
static size_t fold(const char *s, char out[NEAREST_MAX])
{
    size_t n = 0;
    for (; *s; s++) {
        if (*s == '-' || *s == '_') continue;
        if (n == NEAREST_MAX) return NEAREST_MAX + 1;
        out[n++] = (char)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
    }
    return n;
}

/* Damerau-Levenshtein in its restricted form (a swapped pair is not edited again): three rolling rows. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++) above[j] = before[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[nb];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t n)
{
    char a[NEAREST_MAX], b[NEAREST_MAX];
    size_t na = word ? fold(word, a) : 0;
    if (!na || na > NEAREST_MAX) return NULL;
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t nb = candidates[i] ? fold(candidates[i], b) : 0;
        if (!nb || nb > NEAREST_MAX) continue;
        size_t d = distance(a, na, b, nb);
        if (3 * d <= (na > nb ? na : nb) && d < best_distance) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}

bool text_starts(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

bool text_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && !memcmp(s + n - m, suffix, m);
}

/* ---- numbers ---- */

/* A positive decimal: digits * 10^(exponent), as many digits as were asked for. */
typedef struct decimal {
    uint64_t digits;
    int exponent;
} decimal;

static decimal decimal_of(double v, int precision)
{
    char s[64];
    decimal d = {0, 0};
    snprintf(s, sizeof s, "%.*e", precision - 1, v);
    char *p = s;
    /* The separator depends on the locale some library may have set, so it is skipped, whatever it is. */
    for (; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') d.digits = d.digits * 10 + (uint64_t)(*p - '0');
    d.exponent = (int)strtol(*p ? p + 1 : p, NULL, 10) - (precision - 1);
    return d;
}

static bool reads_back(decimal d, double v)
{
    char s[64];
    snprintf(s, sizeof s, "%llue%d", (unsigned long long)d.digits, d.exponent);
    return strtod(s, NULL) == v;
}

static decimal shortest(double v)
{
    decimal d;
    if (v < DBL_MIN) {
        /* A subnormal carries fewer than 15 digits, so the shortcut below does not hold. */
        for (int p = 1; p < 17; p++)
            if (reads_back(d = decimal_of(v, p), v)) return d;
        return decimal_of(v, 17);
    }
    /* Decimals of up to 15 digits survive the way through a double, so whatever shorter text exists appears
     * here with zeros behind it. */
    if (reads_back(d = decimal_of(v, 15), v)) return d;
    if (reads_back(d = decimal_of(v, 16), v)) return d;
    /* At a power of two the gap above is twice the gap below: the nearest 16 digits may miss where the next
     * ones up still hit (2^-44). */
    d.digits++;
    if (reads_back(d, v)) return d;
    return decimal_of(v, 17);
}

void text_double(text *t, double v)
{
    if (isnan(v)) {
        text_add(t, "nan");
        return;
    }
    if (signbit(v)) text_char(t, '-');
    v = fabs(v);
    if (isinf(v)) {
        text_add(t, "inf");
        return;
    }
    if (v == 0) {
        text_char(t, '0');
        return;
    }
    decimal d = shortest(v);
    while (d.digits % 10 == 0) d.digits /= 10, d.exponent++;
    char s[32];
    int n = snprintf(s, sizeof s, "%llu", (unsigned long long)d.digits);
    int point = n + d.exponent; /* the value is 0.s * 10^point */
    if (point < -3 || point > 16) {
        text_char(t, s[0]);
        if (n > 1) text_printf(t, ".%s", s + 1);
        text_printf(t, "e%c%02d", point - 1 < 0 ? '-' : '+', abs(point - 1));
    } else if (point <= 0) {
        text_printf(t, "0.%.*s%s", -point, "000", s);
    } else if (point >= n) {
        text_printf(t, "%s%.*s", s, point - n, "0000000000000000");
    } else {
        text_printf(t, "%.*s.%s", point, s, s + point);
    }
}

void text_count(text *t, int64_t v)
{
    char s[24];
    uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    int n = snprintf(s, sizeof s, "%llu", (unsigned long long)magnitude);
    if (v < 0) text_char(t, '-');
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) text_char(t, ',');
        text_char(t, s[i]);
    }
}

void text_fixed(text *t, double v, int decimals)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    const double size = fabs(v);
    if (decimals < 0 || decimals > 6 || !(size < 1e9)) {
        text_printf(t, "%.*f", decimals, v);
        return;
    }
    /* The product is scaled + rest exactly, and less than 2^53: so is its distance from the half between two numbers. */
    const double scaled = size * powers[decimals], rest = fma(size, powers[decimals], -scaled),
                 below = floor(scaled), beyond_half = scaled - below - 0.5;
    uint64_t n = (uint64_t)below;
    if (beyond_half > 0 || (beyond_half == 0 && (rest > 0 || (rest == 0 && n % 2)))) n++;
    char digits[24];
    size_t at = sizeof digits;
    for (int i = 0; n || i <= decimals; i++, n /= 10) {
        if (decimals && i == decimals) digits[--at] = '.';
        digits[--at] = (char)('0' + n % 10);
    }
    if (signbit(v)) digits[--at] = '-';
    text_add_n(t, digits + at, sizeof digits - at);
}

/* ---- shown to somebody ---- */

bool text_hidden(uint32_t c)
{
    /* Terminals obey the C1 controls (U+0080 to U+009F) and their raw bytes as they obey ESC. */
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return true;
    return c == 0x061C || c == 0x200B || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
           (c >= 0xE0000 && c <= 0xE007F);
}

static void add_bytes(text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) text_printf(t, "\\x%02X", (unsigned char)s[i]);
}

void text_safe(text *t, const char *s, size_t max)
{
    size_t n = strlen(s), shown = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t len = text_utf8(s + i, n - i, &code);
        bool plain = len && !text_hidden(code);
        if (!len) len = 1;
        size_t width = plain ? len : 4 * len;
        if (width > max - shown) {
            text_add(t, "...");
            return;
        }
        if (plain)
            text_add_n(t, s + i, len);
        else
            add_bytes(t, s + i, len);
        shown += width;
        i += len;
    }
}

/* Bytes of "ESC [ 1 m" and its like at s; 0 when there is none. */
static size_t mark(const char *s, size_t n)
{
    size_t i = 2;
    if (n < 3 || s[0] != '\x1b' || s[1] != '[') return 0;
    while (i < n && ((s[i] >= '0' && s[i] <= '9') || s[i] == ';')) i++;
    return i < n && s[i] == 'm' ? i + 1 : 0;
}

size_t text_plain(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && ((s[i] >= ' ' && s[i] <= '~') || s[i] == '\n' || s[i] == '\t')) i++;
    return i;
}

void text_lines(text *t, const char *s, size_t n, bool marks)
{
    size_t from = 0; /* what is plain is copied in one piece */
    for (size_t i = text_plain(s, n); i < n; i += text_plain(s + i, n - i)) {
        uint32_t code = 0;
        size_t len = text_utf8(s + i, n - i, &code), kept = marks ? mark(s + i, n - i) : 0;
        if (kept || (len && !text_hidden(code))) {
            i += kept ? kept : len;
            continue;
        }
        if (!len) len = 1;
        text_add_n(t, s + from, i - from);
        add_bytes(t, s + i, len);
        from = i += len;
    }
    if (n > from) text_add_n(t, s + from, n - from);
}
