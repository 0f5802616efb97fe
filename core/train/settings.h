/* The keys of `train:` and the core's own keys of `dataset:`, as declared parameters. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include "config/params.h"

/* What is a node is read by whom it concerns. */
typedef struct train_settings {
    int64_t epochs;
    int64_t batch_size; /* 0: all training samples */
    cvy_child optimizer, lr_schedule;
    int64_t micro_batch;                   /* samples of a batch computed at once; 0: the core's choice */
    int64_t accumulate;                    /* batches of an update */
    double clip_value, clip_norm;          /* of gradients; 0: not clipped */
    const node *no_decay, *lr_multipliers; /* tensor_rules.h */
    const node *early_stopping;            /* patience.h; NULL: none */
    const node *lr_range;                  /* lr_range_settings; NULL: this is no test */
    int32_t select;                        /* SELECT_* */
    int64_t log_every;                     /* steps between logged step metrics; 0: none */
    int32_t conv_algorithm;                /* a plan_algorithm */
    int64_t checkpoint_seconds;            /* at least this long between checkpoints while training */
    int32_t keep;                          /* KEEP_*: what stays of a finished run's checkpoints */
    int64_t histograms; /* epochs between logged histograms of weights and gradients; 0: none */
    int32_t inspect;    /* at the end, dead units and cosines between filters are logged */
} train_settings;

/* KEEP_AUTO: KEEP_ALL of a single run, KEEP_WEIGHTS (no state of the optimizer) of a sweep's, of which there are many. */
enum { KEEP_AUTO, KEEP_ALL, KEEP_WEIGHTS, KEEP_BEST };

/* SELECT_BEST_AVERAGE: of the weights that the optimizer averages, those of the epoch in which they validated best. */
enum { SELECT_BEST, SELECT_LAST, SELECT_BEST_AVERAGE };

/* Of `eval:`. copies 0: there is none, and a sample is tested once and as it is. */
typedef struct eval_settings {
    cvy_children augment;
    int64_t copies;
} eval_settings;

typedef struct data_settings {
    double validation; /* below 1 a share of the training set, else a number of samples */
    int64_t folds,
        fold; /* validation is part `fold`, from 1, of so many instead; 0: it is not. No keys of their own */
    int64_t train_limit, test_limit; /* samples kept; 0: all */
    cvy_children augment;
    int32_t target; /* TARGET_* */
    eval_settings eval;
    place eval_at;
} data_settings;

/* The last is no choice: it is what `label` means where the dataset gives numbers instead of classes. data_target() tells. */
enum { TARGET_LABEL, TARGET_INPUT, TARGET_NUMBERS };

/* Of `train.lr_range:`: the run is a learning-rate range test, lr_range.h. */
typedef struct lr_range_settings {
    double from, to; /* learning rates */
    int64_t steps;
} lr_range_settings;

params_table settings_of_lr_range(lr_range_settings *s);
params_table settings_of_train(train_settings *s);
params_table settings_of_data(data_settings *s);
params_table settings_of_eval(eval_settings *s);

/* Refuses counts of samples that are written as shares (`validation: 1.0`, which would be one sample). Returns the map
 * without them, for params_fill(). */
const node *settings_check_data(arena *a, const node *map, bool *ok, errors *e);

#endif
