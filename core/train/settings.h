/* The keys of `train:` and the core's own keys of `dataset:`, as declared parameters. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include "config/params.h"

/* What is a node is read by whom it concerns. */
typedef struct train_settings {
    int64_t epochs;
    int64_t batch_size; /* 0: all training samples */
    cvy_child optimizer, lr_schedule;
    int64_t accumulate;                    /* batches of an update */
    double clip_value, clip_norm;          /* of gradients; 0: not clipped */
    const node *no_decay, *lr_multipliers; /* tensor_rules.h */
    const node *early_stopping;            /* patience.h; NULL: none */
    int32_t select;                        /* SELECT_* */
    int64_t log_every;                     /* steps between logged step metrics; 0: none */
    int64_t checkpoint_seconds;            /* at least this long between checkpoints while training */
} train_settings;

enum { SELECT_BEST, SELECT_LAST };

typedef struct data_settings {
    double validation;               /* below 1 a share of the training set, else a number of samples */
    int64_t train_limit, test_limit; /* samples kept; 0: all */
    cvy_children augment;
    int32_t target; /* TARGET_* */
} data_settings;

/* The last is no choice: it is what `label` means where the dataset gives numbers instead of classes. data_target() tells. */
enum { TARGET_LABEL, TARGET_INPUT, TARGET_NUMBERS };

params_table settings_of_train(train_settings *s);
params_table settings_of_data(data_settings *s);

#endif
