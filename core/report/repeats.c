/* Owns which parameters make a repeat and what repeats are called; must not know what is repeated. */
#include "report/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bool repeats_tell(const char *path)
{
    return !strcmp(path, "seed") || !strcmp(path, "fold");
}

bool repeats_beside(const char *path)
{
    return repeats_tell(path) || !strcmp(path, "repeats") || !strcmp(path, "experiment");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* How many different texts there are, NULL ones left out. */
static size_t distinct(const char *const *texts, size_t n)
{
    const char **sorted = mem_array(n + 1, sizeof *sorted);
    size_t kept = 0, found = 0;
    for (size_t i = 0; i < n; i++)
        if (texts[i]) sorted[kept++] = texts[i];
    if (kept) qsort(sorted, kept, sizeof *sorted, by_text);
    for (size_t i = 0; i < kept; i++) found += !i || strcmp(sorted[i], sorted[i - 1]) != 0;
    mem_free(sorted);
    return found;
}

repeated repeats_of(const char *const *seeds, const char *const *folds, size_t n)
{
    repeated r = {.n = n, .seeds = distinct(seeds, n), .folds = distinct(folds, n)};
    for (size_t i = 0; i < n; i++) r.whole = r.whole || !folds[i];
    return r;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

repeated repeats_join(repeated a, repeated b)
{
    if (!a.n) return b;
    if (!b.n) return a;
    return (repeated){larger(a.n, b.n), larger(a.seeds, b.seeds), larger(a.folds, b.folds),
                      a.whole || b.whole};
}

/* A single fold tells nothing from anything. */
static bool folded(const repeated *r)
{
    return r->folds > 1;
}

const char *repeats_noun(const repeated *r)
{
    return !folded(r) ? "seed" : r->whole ? "repeat" : "fold";
}

const char *repeats_key(const repeated *r)
{
    return !folded(r) ? "seed" : r->seeds > 1 || r->whole ? "seed and fold" : "fold";
}

void repeats_span(size_t least, size_t most, const char *noun, text *t)
{
    if (least < most) text_printf(t, "%zu to ", least);
    text_printf(t, "%zu %s%s", most, noun, most == 1 ? "" : "s");
}

void repeats_say(const repeated *r, text *t)
{
    const bool crossed = folded(r) && !r->whole && r->seeds > 1;
    if (crossed && r->n == r->seeds * r->folds)
        text_printf(t, "%zu seeds x %zu folds", r->seeds, r->folds);
    else
        repeats_span(r->n, r->n, repeats_noun(r), t);
    if (crossed && r->n != r->seeds * r->folds) text_printf(t, " of %zu seeds", r->seeds);
}

void repeats_say_span(const repeated *r, size_t least, size_t most, text *t)
{
    if (least == most && most == r->n)
        repeats_say(r, t);
    else
        repeats_span(least, most, repeats_noun(r), t);
}
