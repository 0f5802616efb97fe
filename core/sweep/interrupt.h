/* Ctrl-C and its kin, counted, so that the first asks to stop and the second stops. One owner per process. */
#ifndef SWEEP_INTERRUPT_H
#define SWEEP_INTERRUPT_H

#include <stdbool.h>

/* From here on SIGINT, SIGTERM and SIGHUP are counted instead of ending the process (one that is ignored, as
 * under nohup, stays so), until interrupt_end() puts back what was. */
void interrupt_begin(void);
void interrupt_end(void);
int interrupt_count(void);
/* Readable once more of them came than interrupt_taken() has seen; -1 outside begin and end. */
int interrupt_fd(void);
/* Empties the descriptor. */
void interrupt_taken(void);

#endif
