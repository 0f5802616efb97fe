/* Where files that come with Convoy are found. */
#ifndef CLI_PLACES_H
#define CLI_PLACES_H

#include "base/error.h"

/* Folders searched for model files besides the experiment's own, NULL-terminated, living as long as the
 * process. */
const char *const *places_architectures(void);

/* The folder to be given to a compiler as -I for convoy/layer.h: of the build tree, or of the installation,
 * that the executable belongs to. NULL after reporting that there is none; the caller mem_free()s it. */
char *places_include(errors *e);

/* A program's file by its name, searched in PATH, which posix_spawn() does not; NULL when there is none. The caller
 * mem_free()s it. */
char *places_program(const char *name);

#endif
