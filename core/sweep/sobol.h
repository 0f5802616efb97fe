/* The Sobol sequence. */
#ifndef SWEEP_SOBOL_H
#define SWEEP_SOBOL_H

#include <stddef.h>
#include <stdint.h>

enum { SOBOL_DIMENSIONS = 100 };

/* Point i of the unscrambled sequence in a dimension below SOBOL_DIMENSIONS, in units of 2^-32. */
uint32_t sobol_point(size_t dimension, uint32_t i);

#endif
