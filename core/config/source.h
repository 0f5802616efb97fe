/* A YAML text as lines, to say where something stood. Knows lines and columns, not what is written in them.
 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include "base/error.h"
#include "base/memory.h"

typedef struct source {
    const char *name;
    bool numbered;      /* false: an override on the command line, where a line number says nothing */
    const char **lines; /* NUL-terminated, in the arena; NULL for lines too long to show */
    size_t n;
} source;

source source_open(arena *a, const char *name, const char *s, size_t n, bool numbered);
/* From 0, columns in characters, as libyaml counts them. */
place source_at(const source *src, size_t line, size_t column);
/* Of a byte in the text that was opened. */
place source_at_byte(const source *src, const char *s, size_t n, size_t offset);

#endif
