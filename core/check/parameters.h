/* The checks that hold for plugins of every kind: the descriptor and its parameter table. */
#ifndef CHECK_PARAMETERS_H
#define CHECK_PARAMETERS_H

#include "check/specimen.h"
#include "check/verdict.h"

void parameters_descriptor(specimen *s, verdict *v);
void parameters_check(specimen *s, verdict *v);

#endif
