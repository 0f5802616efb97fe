/* Stopping what another process of ours works on. */
#ifndef SWEEP_HALT_H
#define SWEEP_HALT_H

#include <stdbool.h>
#include "base/error.h"

typedef enum halt_result { HALT_IDLE, HALT_ASKED } halt_result;

/* Asks the process that holds the folder of a run or sweep to stop, by SIGTERM; *how is HALT_IDLE when nobody
 * does. *dir gets the folder, mem_alloc'ed. */
cvy_status halt_ask(const char *results, const char *name, char **dir, halt_result *how, errors *e);
/* Waits until nobody holds the folder. False after an interrupt (see interrupt.h). */
bool halt_wait(const char *dir);
/* Whether what worked in the folder came to its own end: then there is nothing to go on with. */
bool halt_came_to_end(const char *dir);

#endif
