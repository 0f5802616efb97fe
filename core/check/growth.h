/* Memory that is not given back: bytes in use before and after many equal steps. */
#ifndef CHECK_GROWTH_H
#define CHECK_GROWTH_H

#include "check/verdict.h"

/* Runs `step` some times to warm up, then `steps` times; fails when memory grew by more than noise. `what` names the
 * step in the message. */
void growth_check(verdict *v, const char *what, void (*step)(void *ctx), void *ctx, int steps);

/* Bytes of address space in use, which counts memory that does not come from malloc too. */
int64_t growth_mapped(void);

#endif
