/* A plugin's source compiled with sanitizers, and what a process needs to run it. */
#ifndef CLI_PLUGIN_SANITIZE_H
#define CLI_PLUGIN_SANITIZE_H

#include "base/error.h"

typedef struct plugin_sanitize {
    char *folder;  /* temporary */
    char *file;    /* the shared object in it */
    char *preload; /* runtime libraries for LD_PRELOAD; NULL when this program has them already */
} plugin_sanitize;

/* Compiles with $CC or cc; what the compiler says goes to stderr. */
cvy_status plugin_sanitize_make(plugin_sanitize *p, const char *source, errors *e);
void plugin_sanitize_free(plugin_sanitize *p); /* removes the folder */
/* Sets, or takes back, what processes started from now on need. */
void plugin_sanitize_environment(const plugin_sanitize *p, bool on);

#endif
