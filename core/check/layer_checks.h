/* The checks of a layer that computes itself; each tells what it finds. Composites have their own (net_checks.h). */
#ifndef CHECK_LAYER_CHECKS_H
#define CHECK_LAYER_CHECKS_H

#include "check/layer_cases.h"

/* layer_infer.c */
void layer_infer_pure(specimen *s, verdict *v); /* twice the same; other batches scale the batch alone */
void layer_infer_extremes(specimen *s,
                          verdict *v); /* parameters at their limits, huge inputs: refused with words */
/* layer_calls.c */
void layer_calls_bounds(specimen *s, verdict *v);
void layer_calls_constants(specimen *s, verdict *v);
void layer_calls_complete(specimen *s, verdict *v);
void layer_calls_evaluation(specimen *s, verdict *v);
/* layer_gradient.c: against central differences */
void layer_gradient_inputs(specimen *s, verdict *v);
void layer_gradient_weights(specimen *s, verdict *v);
/* layer_backward.c: what backward promises besides numbers */
void layer_backward_unwanted(specimen *s, verdict *v);
void layer_backward_overwrite(specimen *s, verdict *v);
void layer_backward_undeclared(specimen *s, verdict *v);
void layer_backward_in_place(specimen *s, verdict *v);
/* layer_repeat.c */
void layer_repeat_bits(specimen *s, verdict *v);
void layer_repeat_hidden(specimen *s, verdict *v);
void layer_repeat_buffers(specimen *s, verdict *v);
void layer_repeat_twin(specimen *s, verdict *v);
/* layer_threads.c */
void layer_threads_check(specimen *s, verdict *v);
/* layer_growth.c */
void layer_growth_check(specimen *s, verdict *v);

#endif
