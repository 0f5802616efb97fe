/* The checks that run a layer as part of a network: the lowered form, and all of a composite. */
#ifndef CHECK_NET_CHECKS_H
#define CHECK_NET_CHECKS_H

#include "check/netbed.h"

/* net_lowered.c */
void net_lowered_check(specimen *s, verdict *v); /* fast kernels against plain code */
/* net_composite.c */
void net_composite_build(specimen *s, verdict *v);
void net_composite_inputs(specimen *s, verdict *v); /* gradients against differences */
void net_composite_weights(specimen *s, verdict *v);
void net_composite_repeat(specimen *s, verdict *v);
void net_composite_growth(specimen *s, verdict *v);

#endif
