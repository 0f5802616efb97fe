/* The names that other frameworks give to what Convoy's plugins do: for suggestions only, never accepted as
 * names. */
#ifndef PLUGIN_ALIASES_H
#define PLUGIN_ALIASES_H

#include <stdint.h>

typedef struct alias_row {
    uint32_t kind;
    const char *name;  /* Convoy's */
    const char *words; /* theirs, separated by spaces */
} alias_row;

/* Ends with a row of kind 0. A row may speak of a plugin that is not installed. */
extern const alias_row aliases_table[];

#endif
