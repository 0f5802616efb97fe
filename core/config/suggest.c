/* Owns the wording of suggestions; knows no table of names. */
#include "config/suggest.h"

#include <string.h>

#include "base/text.h"

/* Whether the word stands in the name between its ends and underscores: `resnet20` in `cifar_resnet20`. */
static bool has_word(const char *name, const char *word)
{
    const size_t n = strlen(word);
    for (const char *s = strstr(name, word); s; s = strstr(s + 1, word))
        if ((s == name || s[-1] == '_') && (!s[n] || s[n] == '_')) return true;
    return false;
}

const char *suggest_whole(const char *word, const char *const *candidates, size_t n)
{
    enum { SHORT = 4 }; /* letters that stand in too many names to mean one */
    const char *found = NULL;
    if (strlen(word) < SHORT || strlen(word) > 64) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!candidates[i] || !has_word(candidates[i], word)) continue;
        if (found && strcmp(found, candidates[i]) != 0) return NULL;
        found = candidates[i];
    }
    return found;
}

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
