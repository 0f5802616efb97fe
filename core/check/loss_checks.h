/* The checks of a loss. */
#ifndef CHECK_LOSS_CHECKS_H
#define CHECK_LOSS_CHECKS_H

#include "check/specimen.h"
#include "check/verdict.h"

void loss_checks_cases(specimen *s, verdict *v);
void loss_checks_calls(specimen *s, verdict *v);    /* bounds, constness, completeness */
void loss_checks_gradient(specimen *s, verdict *v); /* against central differences */
void loss_checks_mean(specimen *s, verdict *v);     /* twice the batch: the same loss, half the gradient */
void loss_checks_unwanted(specimen *s, verdict *v);
void loss_checks_large(specimen *s, verdict *v); /* logits far out give finite numbers */
void loss_checks_repeat(specimen *s, verdict *v);
void loss_checks_twin(specimen *s, verdict *v);
void loss_checks_growth(specimen *s, verdict *v);

#endif
