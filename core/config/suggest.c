/* Owns the wording of suggestions; knows no table of names. */
#include "config/suggest.h"

#include "base/text.h"

const char *suggest_near(arena *a, const char *word, const char *const *candidates, size_t n)
{
    const char *near = n ? text_nearest(word, candidates, n) : NULL;
    return near ? arena_printf(a, "did you mean `%s`?", near) : NULL;
}

const char *suggest_from(arena *a, const char *lead, const char *word, const char *const *candidates,
                         size_t n)
{
    const char *near = suggest_near(a, word, candidates, n);
    if (near || n == 0) return near;
    text list = {0};
    text_add(&list, lead);
    for (size_t i = 0; i < n; i++) text_printf(&list, "%s %s", i ? "," : "", candidates[i]);
    const char *hint = arena_text(a, text_str(&list));
    text_free(&list);
    return hint;
}

const char *suggest_shown(arena *a, const char *word)
{
    text shown = {0};
    text_safe(&shown, word, 120);
    const char *kept = arena_text(a, text_str(&shown));
    text_free(&shown);
    return kept;
}
