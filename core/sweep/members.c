/* Owns how a configuration becomes trials; must not know how it was chosen. */
#include "sweep/members.h"

#include <string.h>

#include "sweep/label.h"

size_t members_count(const experiment *x)
{
    return (size_t)experiment_members(x);
}

/* The overrides of all members, and the fold of this one. */
static const char *const *members_fold(const char *const *all, size_t n, int64_t fold, arena *a)
{
    if (!fold) return all;
    const char **own = arena_array(a, n + 2, sizeof *own);
    for (size_t i = 0; i < n; i++) own[i] = all[i];
    own[n] = arena_printf(a, "fold=%lld", (long long)fold);
    return own;
}

/* "adam", "seed=2", "fold 3", "adam, seed=2, fold 3": seeds are told apart where there is nothing else to say. */
static const char *members_label(const experiment *x, const text *label, uint64_t seed, int64_t fold,
                                 arena *a)
{
    text t = {0};
    text_add(&t, text_str(label));
    if (x->repeats > 1 && (!label->n || fold))
        text_printf(&t, "%sseed=%llu", t.n ? ", " : "", (unsigned long long)seed);
    if (fold) text_printf(&t, "%sfold %lld", t.n ? ", " : "", (long long)fold);
    const char *kept = arena_text(a, text_str(&t));
    text_free(&t);
    return kept;
}

size_t members_of_all(const char *label)
{
    const char *fold = NULL;
    for (const char *at = label; (at = strstr(at, "fold ")) != NULL; at++) fold = at;
    if (!fold || strspn(fold + 5, "0123456789") != strlen(fold + 5)) return strlen(label);
    size_t n = (size_t)(fold - label);
    if (n < 2) return 0;
    n -= 2; /* the comma */
    size_t back = n;
    while (back > 0 && strchr("0123456789", label[back - 1])) back--;
    if (back >= 5 && back < n && !strncmp(label + back - 5, "seed=", 5)) n = back - 5 >= 2 ? back - 7 : 0;
    return n;
}

void members_make(const experiment *x, int64_t config, trial *out)
{
    const size_t n = members_count(x);
    for (size_t r = 0; r < n; r++) {
        int64_t fold;
        const uint64_t seed = experiment_member(x, (int64_t)r, &fold);
        out[r].config = (int32_t)config;
        out[r].repeat = (int32_t)r;
        out[r].seed = x->repeats > 1 ? (int64_t)seed : -1;
    }
}

void members_words(const experiment *x, const space *s, const double *point, const char *const *given,
                   size_t n_given, arena *a, trial_words *out)
{
    const size_t n = members_count(x);
    size_t n_own = 0;
    const char **own = s ? space_overrides(s, point, a, &n_own) : NULL;
    const char **all = arena_array(a, n_given + n_own + 1, sizeof *all);
    for (size_t i = 0; i < n_given; i++) all[i] = given[i];
    for (size_t i = 0; i < n_own; i++) all[n_given + i] = own[i];
    text label = {0};
    if (s) label_of(s, point, &label);
    for (size_t r = 0; r < n; r++) {
        int64_t fold;
        const uint64_t seed = experiment_member(x, (int64_t)r, &fold);
        out[r].overrides = members_fold(all, n_given + n_own, fold, a);
        out[r].n_overrides = n_given + n_own + (fold > 0);
        out[r].label = members_label(x, &label, seed, fold, a);
    }
    text_free(&label);
}
