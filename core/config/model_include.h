/* Models inside models: an item `- model: NAME` or `- model: {type: NAME, parameters..., name: ..., inputs: ...}` in a list
 * of layers stands for the layers of that model file, as one `sequential`. */
#ifndef CONFIG_MODEL_INCLUDE_H
#define CONFIG_MODEL_INCLUDE_H

#include "config/model_file.h"

/* Replaces such items in `layers` and in the lists inside it. `places.self` may be NULL. A file that includes itself, however
 * far around, is an error that names the circle. */
bool model_include(arena *a, node *layers, const model_places *places, errors *e);

#endif
