/* A sweep's own copies of the plugin files it was planned with: rebuilding a plugin while the sweep runs, or before it is
 * resumed, changes none of its trials. */
#ifndef SWEEP_COPIES_H
#define SWEEP_COPIES_H

#include "sweep/trial.h"

/* Copies every plugin file of the plans to DIR/plugins/, under the beginning of its SHA-256. A file that is no longer
 * what was planned with is an error. */
cvy_status copies_make(const char *dir, const book *b, const trial *trials, size_t n, errors *e);
/* The same for a plan that was made later: refused when another version of a file is among the copies. */
cvy_status copies_extend(const char *dir, const plan *p, errors *e);
/* Where the copy of a file with this hash is; NULL when there is none. Absolute, mem_alloc'ed. */
char *copies_path(const char *dir, const char *path, const char *hash);

#endif
