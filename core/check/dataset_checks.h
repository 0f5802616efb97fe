/* The checks of a dataset. */
#ifndef CHECK_DATASET_CHECKS_H
#define CHECK_DATASET_CHECKS_H

#include "check/specimen.h"
#include "check/verdict.h"

void dataset_checks_open(specimen *s, verdict *v); /* opens, and what it says of itself can be */
void dataset_checks_samples(specimen *s,
                            verdict *v); /* first, last and some between: bounds, labels, finite numbers */
void dataset_checks_repeat(specimen *s,
                           verdict *v); /* the same sample twice, in any order, and when opened again */
void dataset_checks_threads(specimen *s, verdict *v);
void dataset_checks_growth(specimen *s, verdict *v);

#endif
