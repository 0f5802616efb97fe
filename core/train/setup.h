/* An experiment made concrete: every plugin found, every parameter filled, the dataset opened, the network
 * built and its pieces checked against each other. After this, nothing about the experiment can be wrong;
 * nothing is trained yet. */
#ifndef TRAIN_SETUP_H
#define TRAIN_SETUP_H

#include "config/experiment.h"
#include "graph/net.h"
#include "graph/state.h"
#include "train/data.h"
#include "train/init.h"
#include "train/init_rules.h"
#include "train/patience.h"
#include "train/settings.h"
#include "train/tensor_rules.h"

typedef struct setup {
    arena memory;
    const experiment *x; /* the caller's */
    registry *registry;  /* the caller's; schedules are registered in it */
    train_settings train;
    tensor_rules rules; /* of no_decay and lr_multipliers */
    stopping_settings stopping;
    bool stops_early; /* there is early_stopping */
    lr_range_settings lr_range;
    bool tests_range; /* there is lr_range: this is no training */
    data_settings data_settings;
    const cvy_descriptor *loss;
    const void *loss_config;
    const cvy_descriptor *dataset;
    const void *dataset_config;
    data *data; /* NULL under SETUP_MODEL when the model file says its input */
    net *net;   /* what init.freeze names is marked in it */
    init_settings init;
    init_rules starts; /* how weights start where init.from says nothing */
    /* Of the file of init.from; "" without one. Under SETUP_RESUMED the caller's to say. */
    char weights_sha256[65];
    bool accuracy; /* there is a class to be right about: the output has a score for each of the label's */
    int64_t batch; /* samples computed at once: of a full batch or, with train.micro_batch, of a part of it */
    int64_t batches_per_epoch; /* the last one may be partial */
    int64_t gather;            /* of which an update is made; the epoch's last may be of fewer */
    int64_t steps_per_epoch;   /* updates */
} setup;

typedef enum setup_scope {
    SETUP_ALL,     /* everything */
    SETUP_RESUMED, /* everything but the file of init.from: the weights are in a checkpoint already */
    SETUP_MODEL /* the network alone: with `input:` of the model file, no dataset is opened; 10 classes then
                 */
} setup_scope;

/* The plugins that an experiment names, as registry_open() wants them; in the arena. `extra`: --plugin files.
 */
const plugin_request *setup_plugins(const experiment *x, const char *const *extra, size_t n_extra, arena *a,
                                    size_t *n, errors *e);
/* NULL after reporting everything found wrong. `base_dir`: what relative paths of data are relative to. */
setup *setup_new(const experiment *x, registry *r, const char *base_dir, setup_scope scope, errors *e);
/* A run's experiment without its dataset's files, for the network to answer: what is to be known of the dataset stands in
 * `card`, which the caller keeps for as long. No sample of it can be read. */
struct data_card;
setup *setup_recalled(const experiment *x, registry *r, const struct data_card *card, errors *e);
void setup_free(setup *s);

/* Puts what `init:` asks for in place of what the layers start with: the numbers of its rules, and over them the weights of
 * init.from. Not for a resumed run. */
cvy_status setup_load_weights(const setup *s, state *into, errors *e);

/* The configuration with all defaults as canonical JSON: equal text, equal computation (given plugins and the
 * dataset's content, whose `path` is left out). */
void setup_canonical(const setup *s, text *out);

#endif
