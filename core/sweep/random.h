/* The random numbers of sweeps. */
#ifndef SWEEP_RANDOM_H
#define SWEEP_RANDOM_H

#include "base/philox.h"
#include "sweep/space.h"

/* Uniform on (0, 1), 53 bits. */
double random_unit(philox_stream *r);
/* Numbers of a parameter for one proposal, a pure function of all arguments. `purpose` keeps uses apart. */
philox_stream random_open(uint64_t seed, const char *purpose, const char *path, size_t config,
                          uint32_t attempt);
/* A point drawn from the space's distributions. */
void random_draw(const space *s, uint64_t seed, size_t config, uint32_t attempt, double *point);
/* What a method that draws without an end says of the space: that the file has no run_cap. */
cvy_status random_count(const space *s, size_t *n, errors *e);

#endif
