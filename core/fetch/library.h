/* Shared libraries that only fetching needs, loaded when it is asked for: libcurl and all it brings along would make every
 * start of the program, and a sweep starts it for each trial, three times as long. */
#ifndef FETCH_LIBRARY_H
#define FETCH_LIBRARY_H

#include "base/error.h"

typedef struct library_symbol {
    const char *name;
    void *into; /* a pointer to a function */
} library_symbol;

/* The first of the n names that can be loaded, for good; false after reporting, with `package` as what to install. */
bool library_load(const char *const *names, size_t n, const library_symbol *symbols, size_t n_symbols,
                  const char *package, errors *e);

#endif
