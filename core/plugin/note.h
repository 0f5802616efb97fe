/* The ELF note of a plugin file, read without loading it. The file is hostile until checked. */
#ifndef PLUGIN_NOTE_H
#define PLUGIN_NOTE_H

#include <stddef.h>
#include "base/error.h"
#include "convoy/plugin.h"

typedef struct note_list {
    cvy_note *items;
    size_t n;
} note_list;

/* All Convoy notes of an ELF64 file of this machine. Reports why a file is no plugin: not ELF, another
 * architecture, truncated (with byte offset), no note, another ABI (both numbers named). Caller mem_free()s
 * list->items. */
cvy_status note_read(const char *path, note_list *list, errors *e);

#endif
