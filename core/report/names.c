/* Owns how names are shortened without two becoming one; must not know what bears them. */
#include "report/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *name_tidy(const char *s, int digits, arena *a)
{
    enum { SHORT = 6 };
    text t = {0};
    char before = ' ';
    while (*s) {
        char *end = NULL;
        const bool begins =
            isdigit((unsigned char)*s) && !isalnum((unsigned char)before) && before != '_' && before != '.';
        const double v = begins ? strtod(s, &end) : 0;
        size_t n = begins ? (size_t)(end - s) : 0;
        const bool number = n && !isalnum((unsigned char)*end) && *end != '_' && !memchr(s, 'x', n);
        if (number && n > SHORT && memchr(s, '.', n)) {
            text_printf(&t, "%.*g", digits, v);
            before = '0';
            s = end;
        } else {
            if (!number) n = 1;
            text_add_n(&t, s, n);
            before = s[n - 1];
            s += n;
        }
    }
    const char *out = arena_text(a, text_str(&t));
    text_free(&t);
    return out;
}

const char *name_cut(const char *s, size_t most, arena *a)
{
    size_t n = 0, at = 0, length = strlen(s), cut = 0;
    while (at < length) {
        size_t bytes = text_utf8(s + at, length - at, NULL);
        if (n + 1 == most) cut = at;
        at += bytes ? bytes : 1;
        n++;
    }
    return n <= most ? arena_text(a, s) : arena_printf(a, "%.*s…", (int)cut, s);
}

/* ---- told apart ---- */

typedef struct told {
    const char *whole, *shown;
    size_t at;
} told;

static int by_shown(const void *a, const void *b)
{
    const told *x = a, *y = b;
    const int order = strcmp(x->shown, y->shown);
    return order ? order : strcmp(x->whole, y->whole);
}

/* Those that are there, in the order of what is shown of them: equal ones beside each other. */
static told *sorted(const char *const *whole, const char *const *shown, size_t n, size_t *n_told)
{
    told *t = mem_array(n + 1, sizeof *t);
    *n_told = 0;
    for (size_t i = 0; i < n; i++)
        if (whole[i]) t[(*n_told)++] = (told){whole[i], shown[i], i};
    if (*n_told) qsort(t, *n_told, sizeof *t, by_shown);
    return t;
}

/* Where the run of those that look like t[i] ends. */
static size_t run_end(const told *t, size_t n, size_t i)
{
    size_t end = i + 1;
    while (end < n && !strcmp(t[end].shown, t[i].shown)) end++;
    return end;
}

/* Different names that look the same: the whole ones are sorted too. */
static bool confused(const told *t, size_t from, size_t end)
{
    return strcmp(t[from].whole, t[end - 1].whole) != 0;
}

void names_tidy(const char **names, size_t n, arena *a)
{
    static const int digits[] = {4, 6, 9, 12};
    enum { ROUNDS = sizeof digits / sizeof *digits };
    const char **shown = mem_array(n + 1, sizeof *shown);
    for (size_t i = 0; i < n; i++) shown[i] = names[i] ? name_tidy(names[i], digits[0], a) : NULL;
    bool again = true;
    for (int round = 1; again && round <= ROUNDS; round++) {
        size_t n_told;
        told *t = sorted(names, shown, n, &n_told);
        again = false;
        for (size_t i = 0, end; i < n_told; i = end) {
            end = run_end(t, n_told, i);
            if (!confused(t, i, end)) continue;
            again = true;
            for (size_t k = i; k < end; k++)
                shown[t[k].at] = round < ROUNDS ? name_tidy(t[k].whole, digits[round], a) : t[k].whole;
        }
        mem_free(t);
    }
    for (size_t i = 0; i < n; i++) names[i] = shown[i];
    mem_free(shown);
}

/* Bytes that both begin with; back to where what differs begins, "lr 0.1" after a comma, or at least a word, if that is near. */
static size_t shared_words(const char *x, const char *y, size_t near)
{
    size_t n = 0, word = 0;
    while (x[n] && x[n] == y[n]) n++;
    while (n && ((unsigned char)x[n] & 0xC0) == 0x80) n--;
    for (size_t k = n; k > 0 && n - k <= near; k--) {
        const bool comma = k > 1 && x[k - 1] == ' ' && strchr(",;:", x[k - 2]);
        if (comma || (!word && strchr(" ,.;:", x[k - 1]))) word = k;
        if (comma) break;
    }
    return word ? word : n;
}

void names_cut(const char **names, size_t n, size_t most, arena *a)
{
    enum { ROUNDS = 4 };
    const char **shown = mem_array(n + 1, sizeof *shown);
    size_t n_told;
    for (size_t i = 0; i < n; i++) shown[i] = names[i] ? name_cut(names[i], most, a) : NULL;
    bool again = true;
    for (int round = 0; again && round <= ROUNDS; round++) {
        told *t = sorted(names, shown, n, &n_told);
        again = false;
        for (size_t i = 0, end; i < n_told; i = end) {
            end = run_end(t, n_told, i);
            if (!confused(t, i, end)) continue;
            again = true;
            const size_t from = shared_words(t[i].whole, t[end - 1].whole, most / 2);
            for (size_t k = i, nth = 0; k < end; k++) {
                nth += k == i || strcmp(t[k].whole, t[k - 1].whole) != 0;
                const char *tail = round < ROUNDS ? arena_printf(a, "…%s", t[k].whole + from)
                                                  : arena_printf(a, "%zu: %s", nth, t[k].shown);
                shown[t[k].at] = name_cut(tail, most, a);
            }
        }
        mem_free(t);
    }
    for (size_t i = 0; i < n; i++) names[i] = shown[i];
    mem_free(shown);
}
