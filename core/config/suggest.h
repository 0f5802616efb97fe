/* "did you mean": the hints of this room. */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include "base/memory.h"

/* "did you mean `kernel`?", or NULL when no candidate is near. */
const char *suggest_near(arena *a, const char *word, const char *const *candidates, size_t n);
/* The same; otherwise the candidates: "one of a, b, c". NULL when there are none. */
const char *suggest_from(arena *a, const char *lead, const char *word, const char *const *candidates,
                         size_t n);
/* A word from outside as it may stand in a message: control characters shown, not too long. */
const char *suggest_shown(arena *a, const char *word);

/* The one candidate of which the word is a whole part, as `resnet20` is of cifar_resnet20; NULL where there is none, or several. */
const char *suggest_whole(const char *word, const char *const *candidates, size_t n);

#endif
