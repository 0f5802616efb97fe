/* Dotted paths in an experiment's tree: finding and setting what stands there. */
#ifndef CONFIG_OVERRIDE_H
#define CONFIG_OVERRIDE_H

#include "config/tree.h"

/* The value at a path, or NULL. May make a scalar for `X.type` in the arena. */
const node *override_get(arena *a, const node *root, const char *path);
/* Sets it to `value`, which becomes part of the tree. Reports a path whose parent does not exist. */
bool override_set(arena *a, node **root, const char *path, node *value, const place *at, errors *e);
/* What a path replaces as a whole: itself, but for `X.type` it is X. Length of that in the path. */
size_t override_base(const char *path);
/* Splits `path=value`; NULL after reporting. The value is read as YAML. */
node *override_parse(arena *a, const char *s, const char **path, place *at, errors *e);
/* Brings a single slot to {type: name, ...} where it names a plugin; leaves anything else as it is. */
void override_normalise(arena *a, node *map, const char *key);

#endif
