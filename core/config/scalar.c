/* Owns what a scalar's text means and reads it as a type, saying what it found instead; knows no parameter.
 */
#include "config/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool one_of(const char *s, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(s, *words) == 0) return true;
    }
    return false;
}

static const char *digits(const char *s)
{
    while (*s >= '0' && *s <= '9') s++;
    return s;
}

static const char *unsigned_part(const char *s)
{
    return *s == '-' || *s == '+' ? s + 1 : s;
}

static bool is_int(const char *s)
{
    s = unsigned_part(s);
    const char *end = digits(s);
    return end != s && *end == '\0';
}

static bool is_float(const char *s)
{
    static const char *const special[] = {".inf", ".Inf", ".INF", "inf", ".nan", ".NaN", ".NAN", "nan", NULL};
    s = unsigned_part(s);
    if (one_of(s, special)) return true;
    const char *whole = digits(s);
    bool any = whole != s;
    if (*whole == '.') {
        const char *fraction = digits(whole + 1);
        any = any || fraction != whole + 1;
        whole = fraction;
    }
    if (!any) return false;
    if (*whole == 'e' || *whole == 'E') {
        const char *exponent = unsigned_part(whole + 1);
        whole = digits(exponent);
        if (whole == exponent) return false;
    }
    return *whole == '\0';
}

bool scalar_octal(const char *s)
{
    s = unsigned_part(s);
    if (s[0] != '0' || s[1] == '\0') return false;
    if (s[1] == 'o') return s[2] != '\0' && *digits(s + 2) == '\0';
    return *digits(s) == '\0';
}

bool scalar_old_bool(const char *s, bool *value)
{
    static const char *const yes[] = {"yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"no", "No", "NO", "off", "Off", "OFF", NULL};
    *value = one_of(s, yes);
    return *value || one_of(s, no);
}

scalar_type scalar_of(const char *s)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    if (one_of(s, nulls)) return SCALAR_NULL;
    if (one_of(s, bools)) return SCALAR_BOOL;
    if (scalar_octal(s)) return SCALAR_TEXT; /* never read as a number, so that nobody is surprised */
    if (is_int(s)) return SCALAR_INT;
    if (is_float(s)) return SCALAR_FLOAT;
    return SCALAR_TEXT;
}

scalar_type scalar_classify(const node *n)
{
    return n->quoted ? SCALAR_TEXT : scalar_of(n->s);
}

bool node_is_null(const node *n)
{
    return n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_NULL;
}

void scalar_found(const node *n, text *out)
{
    if (n->kind == NODE_LIST) {
        text_add(out, "a list");
    } else if (n->kind == NODE_MAP) {
        text_add(out, "a map");
    } else if (node_is_null(n)) {
        text_add(out, "nothing");
    } else if (scalar_classify(n) == SCALAR_TEXT) {
        text_add(out, "the string \"");
        text_safe(out, n->s, 60);
        text_char(out, '"');
    } else {
        text_safe(out, n->s, 60);
    }
}

/* Adds `expected X, found Y`; always false. */
static bool expected(const node *n, const char *what, const char *hint, errors *e)
{
    text found = {0};
    scalar_found(n, &found);
    errors_add(e, CVY_ERR_CONFIG, &n->at, hint, "expected %s, found %s", what, text_str(&found));
    text_free(&found);
    return false;
}

static double to_double(const char *s)
{
    const char *digits_of = unsigned_part(s);
    double sign = *s == '-' ? -1.0 : 1.0;
    const char *word = *digits_of == '.' ? digits_of + 1 : digits_of;
    if (*word == 'i' || *word == 'I') return sign * (double)INFINITY;
    if (*word == 'n' || *word == 'N') return (double)NAN;
    return strtod(s, NULL);
}

/* What a person who wrote this most likely meant as an integer; "" when there is no telling. */
static void int_hint(const char *s, text *hint)
{
    text plain = {0};
    for (const char *c = s; *c; c++) {
        if (*c != '_' && *c != ' ') text_char(&plain, *c);
    }
    const char *p = text_str(&plain);
    const char *u = unsigned_part(p);
    char *end = NULL;
    if (scalar_of(p) == SCALAR_INT) {
        text_printf(hint, "write %s%s", p, strcmp(p, s) == 0 ? ", without quotes" : "");
    } else if (scalar_of(p) == SCALAR_FLOAT) {
        double v = to_double(p);
        if (isfinite(v) && v == floor(v) && fabs(v) < 9007199254740992.0) text_printf(hint, "write %.0f", v);
    } else if (u[0] == '0' && (u[1] == 'x' || u[1] == 'X') && u[2] != '\0') {
        errno = 0;
        long long v = strtoll(p, &end, 16);
        if (*end == '\0' && errno == 0) text_printf(hint, "write %lld", v);
    }
    text_free(&plain);
}

bool node_int(const node *n, int64_t *v, errors *e)
{
    if (n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_INT) {
        errno = 0;
        long long value = strtoll(n->s, NULL, 10);
        if (errno == ERANGE) {
            text shown = {0};
            text_safe(&shown, n->s, 60);
            errors_add(e, CVY_ERR_CONFIG, &n->at, NULL, "%s does not fit in 64 bits", text_str(&shown));
            text_free(&shown);
            return false;
        }
        *v = value;
        return true;
    }
    text hint = {0};
    if (n->kind == NODE_SCALAR && strlen(n->s) < 40) int_hint(n->s, &hint);
    expected(n, "an integer", hint.n ? text_str(&hint) : NULL, e);
    text_free(&hint);
    return false;
}

bool node_double(const node *n, double *v, errors *e)
{
    scalar_type type = n->kind == NODE_SCALAR ? scalar_classify(n) : SCALAR_TEXT;
    if (type == SCALAR_INT || type == SCALAR_FLOAT) {
        double value = to_double(n->s);
        if (isinf(value) && *digits(unsigned_part(n->s)) != 'i' && strpbrk(n->s, "iI") == NULL) {
            text shown = {0};
            text_safe(&shown, n->s, 60);
            errors_add(e, CVY_ERR_CONFIG, &n->at, NULL, "%s is too large", text_str(&shown));
            text_free(&shown);
            return false;
        }
        *v = value;
        return true;
    }
    text hint = {0};
    if (n->kind == NODE_SCALAR && strlen(n->s) < 40) {
        scalar_type meant = scalar_of(n->s);
        char dotted[40];
        strcpy(dotted, n->s);
        char *comma = strchr(dotted, ',');
        if (comma) *comma = '.';
        if (meant == SCALAR_INT || meant == SCALAR_FLOAT) {
            text_printf(&hint, "write %s, without quotes", n->s);
        } else if (comma && scalar_of(dotted) == SCALAR_FLOAT) {
            text_printf(&hint, "decimals have a point: write %s", dotted);
        }
    }
    expected(n, "a number", hint.n ? text_str(&hint) : NULL, e);
    text_free(&hint);
    return false;
}

bool node_bool(const node *n, bool *v, errors *e)
{
    if (n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_BOOL) {
        *v = n->s[0] == 't' || n->s[0] == 'T';
        return true;
    }
    const char *hint = NULL;
    bool meant;
    if (n->kind == NODE_SCALAR) {
        if (strcmp(n->s, "1") == 0 || scalar_of(n->s) == SCALAR_BOOL || scalar_old_bool(n->s, &meant)) {
            bool yes = strchr("tTyY1", n->s[0]) != NULL || strcasecmp(n->s, "on") == 0;
            hint = yes ? "write true" : "write false";
            if (n->quoted && scalar_of(n->s) == SCALAR_BOOL) {
                hint = yes ? "write true, without quotes" : "write false, without quotes";
            }
        } else if (strcmp(n->s, "0") == 0) {
            hint = "write false";
        }
    }
    return expected(n, "true or false", hint, e);
}

bool node_string(const node *n, const char **v, errors *e)
{
    if (n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_TEXT) {
        *v = n->s;
        return true;
    }
    text hint = {0};
    if (n->kind == NODE_SCALAR && !node_is_null(n) && strlen(n->s) < 40) {
        text_printf(&hint, "write \"%s\", in quotes", n->s);
    }
    expected(n, "a string", hint.n ? text_str(&hint) : NULL, e);
    text_free(&hint);
    return false;
}
