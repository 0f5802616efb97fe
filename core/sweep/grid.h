/* All combinations of a space's values, the last parameter changing fastest, each with every seed. */
#ifndef SWEEP_GRID_H
#define SWEEP_GRID_H

#include "sweep/space.h"

enum { GRID_MAX_TRIALS = 100000 };

/* Number of configurations; refused when with `repeats` there are more than GRID_MAX_TRIALS trials. */
cvy_status grid_count(const space *s, int64_t repeats, const place *at, size_t *configs, errors *e);
/* Which of the parameter's values a configuration has. */
size_t grid_choice(const space *s, size_t config, size_t parameter);
/* The configuration as overrides, "path=value" in the arena; s->n of them. */
const char **grid_overrides(const space *s, size_t config, arena *a);

#endif
