/* Matches names against patterns with stars; must not know whose names they are. */
#include "train/pattern.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

size_t pattern_stars(const char *pattern)
{
    size_t n = 0;
    for (; *pattern; pattern++) n += *pattern == '*';
    return n;
}

/* Each piece of text between stars at the first place where it stands: if any choice of places matches, that one
 * does. The last piece stands at the end. */
bool pattern_match(const char *pattern, const char *name, pattern_captures *c)
{
    const char *star = strchr(pattern, '*');
    if (!star) return strcmp(pattern, name) == 0;
    size_t first = (size_t)(star - pattern), k = 0;
    if (strncmp(pattern, name, first) != 0) return false;
    const char *at = name + first;
    for (;; k++) {
        const char *piece = star + 1, *next = strchr(piece, '*'), *found;
        size_t n = next ? (size_t)(next - piece) : strlen(piece), left = strlen(at);
        if (next)
            found = n ? memmem(at, left, piece, n) : at;
        else
            found = left >= n && memcmp(at + left - n, piece, n) == 0 ? at + left - n : NULL;
        if (!found) return false;
        if (c && k < PATTERN_STARS) {
            c->star[k].s = at;
            c->star[k].n = (size_t)(found - at);
        }
        if (!next) return true;
        at = found + n;
        star = next;
    }
}

char *pattern_fill(const char *with, const pattern_captures *c)
{
    text t = {0};
    size_t k = 0;
    for (; *with; with++)
        if (*with == '*' && k < PATTERN_STARS) {
            text_add_n(&t, c->star[k].s, c->star[k].n);
            k++;
        } else {
            text_char(&t, *with);
        }
    return text_take(&t);
}
