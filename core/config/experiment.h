/* One experiment file as a resolved tree: model files inlined, ${params} substituted, overrides applied. Knows the
 * keys of the file; does not know plugins, so it checks only what needs none. */
#ifndef CONFIG_EXPERIMENT_H
#define CONFIG_EXPERIMENT_H

#include "config/tree.h"

typedef struct experiment {
    arena memory;
    const char *file; /* as given */
    const char *dir;  /* its folder, absolute: relative paths in it are relative to this */
    const char *name; /* `experiment:`, or the file's base name */
    uint64_t seed;
    int64_t repeats;        /* default 1 */
    int64_t folds, fold;    /* of cross-validation, 0: none; which of them, from 1, 0: each of them */
    node *root;             /* the whole file, as resolved so far */
    const char *model_name; /* of the model file, or NULL for a model written in place */
    /* Of the model file, for looking at it without a dataset: `input:`, [C, H, W] or of another rank, or NULL; and
     * `classes:`, 10 where it says none. */
    const node *model_input;
    int64_t model_classes;
    bool model_alone; /* there is no experiment around it: experiment_of_model() */
} experiment;

/* Reads and resolves. `overrides` are texts `path=value` (from --set and bare arguments); positions in their
 * messages are the override's own. `architectures`: folders searched for model files after the experiment's own,
 * NULL-terminated. On errors returns NULL with all of them reported. */
experiment *experiment_read(const char *file, const char *const *overrides, size_t n_overrides,
                            const char *const *architectures, errors *e);
/* The same of a file that is a copy: paths in it are relative to the folder `dir` (NULL: its own). */
experiment *experiment_read_in(const char *file, const char *dir, const char *const *overrides,
                               size_t n_overrides, const char *const *architectures, errors *e);
/* A file that is read once for many experiments of it: with other overrides each, and without its `sweep:`, whose length they
 * would pay for. It has to outlive them. NULL after reporting. */
typedef struct experiment_source experiment_source;
experiment_source *experiment_open(const char *file, const char *dir, const char *const *architectures,
                                   errors *e);
experiment *experiment_of(const experiment_source *from, const char *const *overrides, size_t n_overrides,
                          errors *e);
void experiment_close(experiment_source *from); /* NULL is fine */
/* The same on a model alone, for `convoy model NAME`: an experiment with the embedded default dataset (shapes), or
 * with the input of the model file. NAME may also be an experiment file's path. */
experiment *experiment_of_model(const char *name, const char *const *overrides, size_t n_overrides,
                                const char *const *architectures, errors *e);
void experiment_free(experiment *x);

/* Sets a dotted path: map keys, list positions, layer names (model.stem.channels). Setting `X.type`, or a child slot as
 * a whole, drops the siblings that came from the file, except those set by the same override. Reports a path
 * whose parent does not exist, with the nearest name. The value is copied. */
cvy_status experiment_set(experiment *x, const char *path, const node *value, const place *at, errors *e);
/* The value at a path, or NULL. */
const node *experiment_get(const experiment *x, const char *path);

/* Call after the last experiment_set: substitutes ${params} and checks the file's own keys (experiment, seed, plugins,
 * dataset, model, init, loss, train, eval, folds, fold, repeats, sweep). experiment_read() has done it once already; sweeps call it again for
 * each trial on a copy. */
cvy_status experiment_resolve(experiment *x, errors *e);
experiment *experiment_copy(const experiment *x);
experiment *experiment_copy_bare(const experiment *x); /* without its `sweep:` */

/* Runs of one configuration: its repeats, each with all of its folds. */
int64_t experiment_members(const experiment *x);
/* The seed of member 0, 1, ...; *fold: the fold that is to be set, 0: none. */
uint64_t experiment_member(const experiment *x, int64_t member, int64_t *fold);

/* Layers of the resolved model: a list of items. */
const node *experiment_layers(const experiment *x);
/* The resolved file as YAML without `sweep:` and `repeats:`; relative `plugins:` made absolute. Reads back equal. */
void experiment_write(const experiment *x, text *out);
/* Leaves as dotted path and value in flow style, for the store: everything but the layers of the model, of which
 * `model` gives the name. Calls fn for each. */
void experiment_leaves(const experiment *x, void (*fn)(void *ctx, const char *path, const char *value),
                       void *ctx);

#endif
