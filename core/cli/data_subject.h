/* The dataset that a command's operands speak of: NAME|FILE [PATH=VALUE ...], opened as an experiment would open it, without
 * a network. */
#ifndef CLI_DATA_SUBJECT_H
#define CLI_DATA_SUBJECT_H

#include "cli/cli.h"
#include "config/experiment.h"
#include "fetch/recipe.h"
#include "plugin/registry.h"
#include "train/data.h"

typedef struct data_subject {
    arena memory;
    experiment
        *x; /* NULL: a name stands for all of the dataset, with no validation set and no augmentation */
    registry *plugins;
    const cvy_descriptor *plugin;
    const void *config;
    data_settings settings;
    uint64_t seed;
    const char *base_dir;
    place at;   /* of the dataset */
    data *data; /* NULL until data_subject_open() */
} data_subject; /* a zeroed one is empty and valid */

/* Whether an operand names an experiment's file and not a dataset. */
bool data_subject_is_file(const char *operand);
/* CVY_OK, or the exit code after reporting operands that are no NAME|FILE with overrides behind it. */
int data_subject_operands(const command *self, const common *c, int argc, char **argv);
/* Reads what the operands say: the plugin and its parameters; false after reporting. */
bool data_subject_read(data_subject *u, const common *c, int argc, char **argv, errors *e);
/* And opens it. */
bool data_subject_open(data_subject *u, errors *e);
void data_subject_close(data_subject *u);

/* The class of a sample of a part, or -1 where there are none; false after reporting. */
bool data_subject_label(const data *d, data_part part, int64_t i, int32_t *label, errors *e);
/* Where the dataset's files lie, in the arena: its `path`, else where `convoy data fetch` puts them; NULL: it has none. */
const char *data_subject_place(data_subject *u);

/* ---- recipes ---- */

typedef struct recipes {
    arena memory;
    recipe *built_in;
    size_t n_built_in;
} recipes;

/* Those that come along; false after reporting. */
bool recipes_open(recipes *r, errors *e);
void recipes_close(recipes *r);
/* By a dataset's name: of --recipe FILE (NULL: not given), of NAME.recipe.yaml beside its plugin's file, or of those
 * that come along. NULL: there is none, or after reporting. */
const recipe *recipes_for(recipes *r, registry *plugins, const char *file, const char *name, errors *e);

/* The folder that datasets' folders are in, mem_alloc'ed: `to`, or the user's data folder. */
char *data_subject_folder(const char *to);

/* "163 MB" */
void data_subject_bytes(int64_t bytes, text *out);

#endif
