/* The checks of an augmentation. */
#ifndef CHECK_AUGMENT_CHECKS_H
#define CHECK_AUGMENT_CHECKS_H

#include "check/specimen.h"
#include "check/verdict.h"

void augment_checks_infer(specimen *s,
                          verdict *v); /* twice the same, shapes that can be; whether there are cases */
void augment_checks_calls(specimen *s, verdict *v);  /* bounds, an unchanged input, a complete output */
void augment_checks_repeat(specimen *s, verdict *v); /* a function of input and random stream */
void augment_checks_threads(specimen *s, verdict *v);
void augment_checks_growth(specimen *s, verdict *v);

#endif
