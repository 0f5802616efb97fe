/* Model files: found by name, read, put in place of the name in an experiment. */
#ifndef CONFIG_MODEL_FILE_H
#define CONFIG_MODEL_FILE_H

#include "config/tree.h"

typedef struct model_places {
    const char *dir;                  /* of the experiment file */
    const char *self;                 /* the experiment file, never taken for a model; NULL: there is none */
    const char *const *architectures; /* NULL-terminated; may be NULL */
} model_places;

/* Whether `model:` still is a name, or {type: name, parameters}, without layers. */
bool model_file_named(const node *model);
/* The map {type, input, parameters..., layers} for a named model: parameters given in `model` replace the
 * file's defaults; ${parameters} still stand in the layers. NULL after reporting. */
node *model_file_inline(arena *a, const node *model, const model_places *places, errors *e);
/* Whether a key of that map is one of the model's parameters. */
bool model_file_is_param(const char *key);
/* Whether a file read as `root` is a model file rather than an experiment. */
bool model_file_is(const node *root);
/* Whether `input:` is [channels, height, width]. */
bool model_file_check_input(const node *input, errors *e);

/* A hint to the YAML file of the same folder that was most likely meant, NULL where there is none like it. */
const char *model_file_near(arena *a, const char *file);

#endif
