/* ${parameters} in the layers of a model. */
#ifndef CONFIG_SUBSTITUTE_H
#define CONFIG_SUBSTITUTE_H

#include "config/tree.h"

/* Copies a model (a list of layers, or a map with `layers` whose other keys are the parameters) with the
 * parameters replaced: `${depth}` alone becomes the parameter's value with its type and place, inside a text
 * its characters. NULL after reporting. */
node *substitute_params(arena *a, const node *model, errors *e);

#endif
