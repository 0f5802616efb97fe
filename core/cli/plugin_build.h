/* A plugin's source compiled for its checks, with its double twin, and what a process needs to run it. */
#ifndef CLI_PLUGIN_BUILD_H
#define CLI_PLUGIN_BUILD_H

#include <stdbool.h>

#include "base/error.h"

typedef struct plugin_build {
    char *folder; /* temporary */
    char *file;   /* the shared object in it */
    bool sanitized;
    char *preload; /* sanitizers' runtime for LD_PRELOAD; NULL when this program has it already */
} plugin_build;

/* Whether a file is the source of a plugin by its name: .c, or .cpp, .cc, .cxx for C++. */
bool plugin_build_is_source(const char *file);
/* Compiles with $CC or cc (C++: $CXX or c++), as the author would or (sanitized) with AddressSanitizer and UndefinedBehaviorSanitizer; what
 * the compiler says goes to stderr. */
cvy_status plugin_build_make(plugin_build *p, const char *source, bool sanitized, errors *e);
void plugin_build_free(plugin_build *p); /* removes the folder */
/* Sets, or takes back, what processes started from now on need. */
void plugin_build_environment(const plugin_build *p, bool on);

#endif
