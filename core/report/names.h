/* Names made short enough for a key or a tick, and still told apart. */
#ifndef REPORT_NAMES_H
#define REPORT_NAMES_H

#include <stddef.h>
#include "base/memory.h"

/* "adam, lr 0.0245" of "adam, lr 0.024517850097728253": numbers of many digits by so many of them, from 1 on. */
const char *name_tidy(const char *s, int digits, arena *a);
/* At most `most` characters, in whole ones, the rest as "…". */
const char *name_cut(const char *s, size_t most, arena *a);

/* The same of all of them, in place, NULL ones left as they are. Different names stay different: by more digits where four would
 * make one of two, by what stands behind where the beginning would. */
void names_tidy(const char **names, size_t n, arena *a);
void names_cut(const char **names, size_t n, size_t most, arena *a);

#endif
