/* Errors of plugins called in a steady loop, where saying beforehand who is called would cost an allocation each time: they
 * report into a list of their own, and only when there is something in it does it get its context. Knows no plugin. */
#ifndef TRAIN_BLAME_H
#define TRAIN_BLAME_H

#include "base/error.h"

/* Hands the messages of `own` on to `e`, each with the text in front, and empties `own`. The first error's status. */
cvy_status blame(errors *own, errors *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
