/* The checks of an optimizer. */
#ifndef CHECK_OPTIMIZER_CHECKS_H
#define CHECK_OPTIMIZER_CHECKS_H

#include "check/specimen.h"
#include "check/verdict.h"

void optimizer_checks_slots(specimen *s, verdict *v);
void optimizer_checks_calls(specimen *s, verdict *v); /* bounds, constness, finite */
void optimizer_checks_elementwise(specimen *s,
                                  verdict *v); /* pieces give what the whole gives, where it says so */
void optimizer_checks_hidden(specimen *s, verdict *v); /* state in the slots alone */
void optimizer_checks_repeat(specimen *s, verdict *v);
void optimizer_checks_first(specimen *s, verdict *v);  /* the first step goes downhill */
void optimizer_checks_zero(specimen *s, verdict *v);   /* zero gradients move nothing */
void optimizer_checks_factor(specimen *s, verdict *v); /* lr_factor scales the learning rate */
void optimizer_checks_twin(specimen *s, verdict *v);
void optimizer_checks_growth(specimen *s, verdict *v);

#endif
