/* What a user may have meant by a plugin's name that nobody has. */
#ifndef PLUGIN_NEAREST_H
#define PLUGIN_NEAREST_H

#include "plugin/registry.h"

/* The nearest name among the entries of that kind (0: any), other frameworks' names included ("dense" gives
 * "linear"); NULL when nothing is near. Points into the entries. */
const char *nearest_name(const plugin_entry *entries, size_t n, uint32_t kind, const char *word);

#endif
