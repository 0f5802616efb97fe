/* The small expressions of `where:`, as "model.stem.channels * train.batch_size <= 4096": reading and evaluating them. */
#ifndef SWEEP_EXPRESSION_H
#define SWEEP_EXPRESSION_H

#include "sweep/space.h"

/*   or -> and -> not -> = == != < <= > >= -> + - -> * / -> -x, (x), 3e-4, 'text', true, train.optimizer.lr
 * A path is a parameter of the space, something inside its value (`train.optimizer.type` of a swept train.optimizer), or, where
 * nothing sweeps it, what the experiment says. */
typedef struct expression expression;

/* How names are told: `find` gives the path that a name stands for, as through `alias:`; NULL: itself. */
typedef const char *expression_find(void *ctx, const char *name);

/* Reads the scalar n. NULL after reporting, with the column inside the text. Lives in the arena. */
const expression *expression_read(const node *n, const space *s, const experiment *x, expression_find *find,
                                  void *ctx, arena *a, errors *e);
/* Whether it holds at a point. One that depends on a parameter that is not active there holds: `or` and `and` decide without it
 * where they can. */
bool expression_holds(const expression *x, const space *s, const double *point);

/* What stands at a path inside a value: of {type: adam, lr: 1}, of {adam: {lr: 1}} and of `adam` the "type" is adam. NULL. */
const node *expression_inner(const node *value, const char *path);

#endif
