/* Whether what a loaded plugin exports keeps the promises of convoy/plugin.h. */
#ifndef PLUGIN_CONTRACT_H
#define PLUGIN_CONTRACT_H

#include <stddef.h>

#include "plugin/note.h"

/* Structs of a kind grow at their end, and a plugin of the same ABI may have been built before: whether *t, of type T, has a
 * member, which is to be asked for those that came later. */
#define CONTRACT_HAS(T, t, member) ((t)->size >= offsetof(T, member) + sizeof((t)->member))

/* Checks one exported list of `path` against the file's notes. `real_size`: sizeof(cvy_real) that the list
 * must have been compiled with. `complete`: every note must have its descriptor (the double twins may be
 * fewer). Reports everything found at the file; CVY_ERR_PLUGIN when anything was. */
cvy_status contract_check(const char *path, const cvy_descriptor *const *list, const note_list *notes,
                          uint32_t real_size, bool complete, errors *e);

#endif
