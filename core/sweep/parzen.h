/* The density estimator of TPE: a mixture of one kernel around each observation and a prior, on shares of the parameters'
 * distributions, so that every axis is [0, 1] and its prior uniform, whatever the distribution. */
#ifndef SWEEP_PARZEN_H
#define SWEEP_PARZEN_H

#include "base/philox.h"
#include "sweep/space.h"

typedef struct parzen_axis {
    size_t choices;      /* 0: a number */
    const double *prior; /* of the choices; NULL: all alike */
} parzen_axis;

/* A choice's index, or the shares that give a number: low is high where the numbers are a continuum. */
typedef struct parzen_value {
    double low, high;
} parzen_value;

typedef struct parzen parzen;

/* observed[k * dims + d]: n observations, the oldest first. Everything lives in the arena, `observed` too. */
const parzen *parzen_make(const space_tpe *o, const parzen_axis *axes, size_t dims,
                          const parzen_value *observed, size_t n, arena *a);
/* Draws: for each axis an index, or a share in (0, 1). */
void parzen_draw(const parzen *p, philox_stream *r, double *out);
double parzen_log_density(const parzen *p, const parzen_value *at);

#endif
