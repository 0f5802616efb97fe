/* Owns when two texts are the same value; must not know parameters. */
#include "report/spelling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* What a double does not hold, as a long seed, is none; nor are inf, nan and hexadecimal numbers. */
static bool number(const char *s, double *v)
{
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
