/* Patterns over the names of tensors: `*` stands for any run of characters, dots included, or for none. Knows no
 * network. */
#ifndef TRAIN_PATTERN_H
#define TRAIN_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

enum { PATTERN_STARS = 8 }; /* at most, in one pattern */

/* What the stars stood for, in order; pieces of the name that was matched. */
typedef struct pattern_captures {
    struct {
        const char *s;
        size_t n;
    } star[PATTERN_STARS];
} pattern_captures;

size_t pattern_stars(const char *pattern);
/* Each star but the last takes as little as it can. `c` may be NULL. */
bool pattern_match(const char *pattern, const char *name, pattern_captures *c);
/* `with`, its stars replaced by the captures in order; it has no more stars than the pattern that was matched. The caller
 * mem_free()s. */
char *pattern_fill(const char *with, const pattern_captures *c);

#endif
