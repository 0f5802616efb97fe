/* Declares the keys of `train:` and of `dataset:` that are the core's. Must not know what they lead to. */
#include "train/settings.h"

#include <string.h>

#include "config/scalar.h"

static const char *const select_choices[] = {"best", "last", "best_average", NULL};
static const char *const keep_choices[] = {"auto", "all", "weights", "best", NULL};  /* as KEEP_* */
static const char *const algorithm_choices[] = {"auto", "direct", "winograd", NULL}; /* as plan_algorithm */
static const char *const target_choices[] = {"label", "input", NULL};

#define SETTINGS_NODE(field, help)                                                        \
    {                                                                                     \
#field, PARAMS_NODE, 0, offsetof(train_settings, field), "null", 0, 0, NULL, help \
    }

static const cvy_param train_params[] = {
    CVY_INT(train_settings, epochs, 10, 1, 1000000, "passes over the training set"),
    CVY_ALSO("max_epochs num_epochs n_epochs"),
    CVY_INT(
        train_settings, batch_size, 128, 1, 1048576,
        "samples per update, or `all`: one update per epoch, by the gradient over the whole training set"),
    CVY_ALSO("batch minibatch train_batch_size"),
    CVY_INT(
        train_settings, micro_batch, 0, 0, 1048576,
        "samples computed at once, of which a batch's gradient is put together; divides batch_size. 0: the "
        "whole batch, under `batch_size: all` 1024 where there are more. Batch normalisation sees each by "
        "itself"),
    CVY_ALSO("microbatch micro_batch_size chunk_size batch_chunk"),
    CVY_CHILD(train_settings, optimizer, "adam", CVY_OPTIMIZER, "how weights are updated"),
    CVY_ALSO("optim solver"),
    CVY_CHILD(train_settings, lr_schedule, "constant", CVY_SCHEDULE,
              "factor on the optimizer's learning rate"),
    CVY_ALSO("schedule scheduler lr_scheduler lr_policy"),
    CVY_INT(train_settings, accumulate, 1, 1, 1000000,
            "batches of which one update is made, as of one large batch"),
    CVY_ALSO("accumulate_grad_batches gradient_accumulation_steps accumulation iter_size"),
    CVY_FLOAT(train_settings, clip_value, 0, 0, 1e9,
              "gradients are cut off at this size, each by itself; 0 leaves them"),
    CVY_ALSO("clipvalue gradient_clip_value"),
    CVY_FLOAT(train_settings, clip_norm, 0, 0, 1e9,
              "all gradients together are scaled down to this length (after clip_value); 0 leaves them"),
    CVY_ALSO("clipnorm global_clipnorm max_norm max_grad_norm gradient_clip_val clip_grad_norm"),
    SETTINGS_NODE(no_decay, "patterns of weights that the optimizer's weight_decay leaves alone"),
    CVY_ALSO("no_weight_decay"),
    SETTINGS_NODE(lr_multipliers, "factors on the learning rate of single weights: {pattern: factor}"),
    CVY_ALSO("lr_mult layer_lrs"),
    SETTINGS_NODE(early_stopping,
                  "ends the run when a metric stays as it is: {metric: val_loss, patience: 5, min_delta: 0}"),
    CVY_ALSO("early_stop stopping"),
    SETTINGS_NODE(lr_range,
                  "makes the run a learning-rate range test, as convoy run --find-lr does: {from: 1e-7, "
                  "to: 10, steps: 100}"),
    CVY_ALSO("lr_find lr_finder find_lr auto_lr_find"),
    CVY_ENUM(train_settings, select, best, select_choices,
             "which weights are kept as the best and tested at the end: best by validation accuracy (by loss "
             "where "
             "there is no accuracy), last, or best_average: the averaged weights (optimizer ema) of the "
             "epoch in which "
             "these validated best"),
    CVY_INT(train_settings, log_every, 10, 0, 1000000, "steps between logged step metrics; 0 logs none"),
    CVY_ENUM(
        train_settings, conv_algorithm, auto, algorithm_choices,
        "how 3x3 convolutions without stride are computed: direct (never by Winograd's method), winograd "
        "(wherever it can), or auto: each as it is estimated to take least time. Winograd's rounds more"),
    CVY_ALSO("convolution_algorithm conv_algo cudnn_conv_algo"),
    CVY_INT(train_settings, checkpoint_seconds, 60, 0, 86400,
            "least time between checkpoints while training"),
    CVY_ENUM(train_settings, keep, auto, keep_choices,
             "what stays of a finished run's checkpoints: all (the best weights, and the last with the "
             "optimizer's state), weights (best and last, without that state), best (these alone), or auto: "
             "all of a single run, weights of a sweep's"),
    CVY_ALSO("keep_checkpoints save_total_limit save_weights_only"),
    CVY_INT(
        train_settings, histograms, 0, 0, 1000000,
        "epochs between logged histograms of each weight tensor and its last gradient; 0 logs none. `convoy "
        "inspect RUN histograms` draws them"),
    CVY_ALSO("histogram_freq log_histograms weight_histograms"),
    CVY_BOOL(train_settings, inspect, false,
             "logs at the end of the run, of the weights that are tested, the share of units that never fire "
             "(dead_units, dead_units.LAYER) and the mean |cosine| between filters (filters_cosine, "
             "filters_cosine.LAYER)"),
};

static const cvy_param data_params[] = {
    CVY_FLOAT(data_settings, validation, 0.1, 0, 1e9,
              "held out from the training set, stratified: a share below 1, else a number of samples"),
    CVY_ALSO("val_split validation_split valid val"),
    CVY_INT(data_settings, train_limit, 0, 0, 1000000000, "training samples kept, stratified; 0 keeps all"),
    CVY_INT(data_settings, test_limit, 0, 0, 1000000000, "test samples kept, stratified; 0 keeps all"),
    CVY_CHILDREN(data_settings, augment, "[]", CVY_AUGMENT, "augmentation and preprocessing, in order"),
    CVY_ALSO("transforms transform augmentation augmentations preprocessing"),
    CVY_ENUM(
        data_settings, target, label, target_choices,
        "what the network's output is compared with: what the dataset says of the sample (its class, or "
        "its numbers in a regression), or the input itself as the augmentation leaves it (auto-encoders)"),
    CVY_ALSO("targets label_mode"),
};

static const cvy_param lr_range_params[] = {
    CVY_FLOAT(lr_range_settings, from, 1e-7, 1e-30, 1e30, "learning rate of the first step"),
    CVY_ALSO("start_lr min_lr init_value"),
    CVY_FLOAT(lr_range_settings, to, 10, 1e-30, 1e30, "learning rate of the last step"),
    CVY_ALSO("end_lr max_lr final_value"),
    CVY_INT(lr_range_settings, steps, 100, 20, 100000, "updates, unless the loss explodes before"),
    CVY_ALSO("num_iter num_it num_training iterations"),
};

params_table settings_of_lr_range(lr_range_settings *s)
{
    return (params_table){lr_range_params, sizeof lr_range_params / sizeof *lr_range_params,
                          sizeof *lr_range_params, s};
}

params_table settings_of_train(train_settings *s)
{
    return (params_table){train_params, sizeof train_params / sizeof *train_params, sizeof *train_params, s};
}

static const cvy_param eval_params[] = {
    CVY_CHILDREN(eval_settings, augment, "[]", CVY_AUGMENT,
                 "augmentation at test time, as random as in training: in the place of the first step of "
                 "dataset.augment that is for training alone, in front of all where there is none"),
    CVY_ALSO("transforms transform augmentation augmentations tta"),
    CVY_INT(eval_settings, copies, 8, 1, 10000,
            "how often each test sample is read so, every copy augmented; the answer is the mean of their "
            "probabilities (of their outputs, where the loss is not softmax_cross_entropy), and loss and "
            "accuracy are those of the mean"),
    CVY_ALSO("n crops views passes"),
};

params_table settings_of_eval(eval_settings *s)
{
    return (params_table){eval_params, sizeof eval_params / sizeof *eval_params, sizeof *eval_params, s};
}

params_table settings_of_data(data_settings *s)
{
    return (params_table){data_params, sizeof data_params / sizeof *data_params, sizeof *data_params, s};
}

/* Why a number as it is written cannot be meant, NULL where it can. */
static const char *settings_mistaken(const char *key, const node *n, const char **hint)
{
    double v = 0;
    if (n->kind != NODE_SCALAR || scalar_classify(n) != SCALAR_FLOAT || !node_double(n, &v, NULL))
        return NULL;
    if (!strcmp(key, "validation")) {
        *hint = "as in 0.1, a tenth of the training set, or 1000, so many samples";
        return v >= 1 ? "a share below 1, or a whole number of samples" : NULL;
    }
    *hint = "as in 1000; 0 keeps all";
    return !strcmp(key, "train_limit") || !strcmp(key, "test_limit") ? "a whole number of samples" : NULL;
}

const node *settings_check_data(arena *a, const node *map, bool *ok, errors *e)
{
    *ok = true;
    if (!map || map->kind != NODE_MAP) return map;
    node *rest = tree_map(a, &map->at);
    for (size_t i = 0; i < map->n; i++) {
        const char *hint = NULL, *expected = settings_mistaken(map->keys[i], map->items[i], &hint);
        if (!expected) {
            node_put(a, rest, map->keys[i], &map->key_at[i], map->items[i]);
            continue;
        }
        text found = {0};
        scalar_found(map->items[i], &found);
        errors_add(e, CVY_ERR_CONFIG, &map->items[i]->at, hint, "%s: expected %s, found %s", map->keys[i],
                   expected, text_str(&found));
        text_free(&found);
        *ok = false;
    }
    return *ok ? map : rest;
}
