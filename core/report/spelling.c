/* Owns when two texts are the same value; must not know parameters. */
#include "report/spelling.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* A few digits and a small power of ten: both are exact doubles, so their product or quotient is rounded once and is what
 * strtod() would say, in a tenth of its time (Clinger, "How to read floating point numbers accurately", 1990). False: not so few. */
static bool short_number(const char *s, double *v)
{
    static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11};
    enum { MOST = (int)(sizeof tens / sizeof *tens) - 1 };
    const bool minus = *s == '-';
    int64_t digits = 0;
    int n = 0, behind = 0, power = 0, sign = 1;
    s += *s == '-' || *s == '+';
    for (; *s >= '0' && *s <= '9' && n < 15; s++, n++) digits = 10 * digits + (*s - '0');
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9' && n < 15; s++, n++, behind++) digits = 10 * digits + (*s - '0');
    if (!n) return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '-' || *s == '+') sign = *s++ == '-' ? -1 : 1;
        if (!*s) return false;
        for (; *s >= '0' && *s <= '9' && power < 100; s++) power = 10 * power + (*s - '0');
    }
    const int e = sign * power - behind;
    if (*s || e < -MOST || e > MOST) return false;
    *v = e < 0 ? (double)digits / tens[-e] : (double)digits * tens[e];
    if (minus) *v = -*v;
    return true;
}

/* What a double does not hold, as a long seed, is none; nor are inf, nan and hexadecimal numbers. */
static bool number(const char *s, double *v)
{
    if (short_number(s, v)) return true;
    const size_t n = strlen(s), whole = s[0] == '-' || s[0] == '+';
    char *end;
    if (!n || n >= SPELLING_BYTES || s[strspn(s, "+-.0123456789eE")]) return false;
    if (n > 15 + whole && !s[whole + strspn(s + whole, "0123456789")]) return false;
    *v = strtod(s, &end);
    return !*end && isfinite(*v);
}

const char *spelling_of(const char *s, char own[SPELLING_BYTES])
{
    double v;
    if (!s) return "";
    if (!number(s, &v)) return s;
    text t = {0};
    text_double(&t, v == 0 ? 0 : v);
    const bool fits = t.n < SPELLING_BYTES;
    if (fits) memcpy(own, text_str(&t), t.n + 1);
    text_free(&t);
    return fits ? own : s;
}

int spelling_compare(const char *a, const char *b)
{
    double x, y;
    if (!a) a = "";
    if (!b) b = "";
    if (!strcmp(a, b)) return 0;
    const bool of_a = number(a, &x), of_b = number(b, &y);
    if (of_a && of_b) return (x > y) - (x < y); /* no spelling is made: thousands of runs are compared */
    if (of_a != of_b) return of_a ? -1 : 1;
    return strcmp(a, b);
}

typedef struct placed {
    const char *value;
    size_t at;
} placed;

static int by_value(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    int order = (x->value != NULL) - (y->value != NULL);
    if (!order) order = spelling_compare(x->value, y->value);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool equal(const placed *a, const placed *b)
{
    return (a->value != NULL) == (b->value != NULL) && !spelling_compare(a->value, b->value);
}

size_t spelling_number(const char *const *values, size_t n, size_t *numbers)
{
    placed *sorted = mem_array(n + 1, sizeof *sorted);
    size_t *first = mem_array(n + 1, sizeof *first), given = 0;
    for (size_t i = 0; i < n; i++) sorted[i] = (placed){values[i], i};
    if (n) qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < n; i++) /* of equal values the first appearance stands first */
        first[sorted[i].at] = i && equal(&sorted[i - 1], &sorted[i]) ? first[sorted[i - 1].at] : sorted[i].at;
    for (size_t i = 0; i < n; i++) numbers[i] = first[i] == i ? given++ : numbers[first[i]];
    mem_free(sorted);
    mem_free(first);
    return given;
}

bool spelling_value(const char *s, double *v)
{
    if (!s || !*s) return false;
    if (short_number(s, v)) return true;
    char *end;
    *v = strtod(s, &end);
    return !*end && isfinite(*v);
}
