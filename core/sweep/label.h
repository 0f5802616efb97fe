/* What to call a configuration among others: only what differs. */
#ifndef SWEEP_LABEL_H
#define SWEEP_LABEL_H

#include "sweep/space.h"

/* "adam lr=0.001, channels=16": the parameters that have more than one value and are active at the point. Empty when there are
 * none. */
void label_of(const space *s, const double *point, text *out);

#endif
