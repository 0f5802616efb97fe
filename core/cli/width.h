/* How many columns UTF-8 text takes on a terminal. */
#ifndef CLI_WIDTH_H
#define CLI_WIDTH_H

#include <stddef.h>

size_t width_of(const char *s);
/* Bytes of the longest beginning of s that takes at most `columns`; never splits a character. */
size_t width_cut(const char *s, size_t columns);

#endif
