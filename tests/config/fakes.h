/* Plugins that exist only as parameter tables, one of each kind of parameter. */
#ifndef TESTS_CONFIG_FAKES_H
#define TESTS_CONFIG_FAKES_H

#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "config/params.h"

typedef struct conv_config {
    int64_t channels;
    int64_t kernel[2];
    int64_t stride[2];
    double p;
    int32_t bias;
    int32_t pad_mode;
    const char *label;
    const char *path;
    cvy_ints milestones;
    cvy_floats mean;
    cvy_child optimizer;
    cvy_children augment;
} conv_config;

static const char *const pad_modes[] = {"zeros", "reflect", "replicate", "none", NULL};

static const cvy_param conv_params[] = {
    CVY_INT_REQUIRED(conv_config, channels, 1, 65536, "output channels"),
    CVY_ALSO("filters out_channels"),
    CVY_PAIR(conv_config, kernel, "3", 1, 1023, "kernel side, pixels"),
    CVY_ALSO("kernel_size ksize"),
    CVY_PAIR(conv_config, stride, "[1, 1]", 1, 1023, "step, pixels"),
    CVY_FLOAT(conv_config, p, 0.5, 0, 1, "probability"),
    CVY_BOOL(conv_config, bias, true, "adds a bias"),
    CVY_ENUM(conv_config, pad_mode, zeros, pad_modes, "what stands outside"),
    CVY_STRING(conv_config, label, "", "shown in charts"),
    CVY_STRING(conv_config, path, "null", "a file"),
    CVY_INTS(conv_config, milestones, "[1, 2]", 0, 100, "epochs"),
    CVY_FLOATS(conv_config, mean, "[0.5]", 0, 1, "per channel"),
    CVY_CHILD(conv_config, optimizer, "sgd", CVY_OPTIMIZER, "how weights move"),
    CVY_CHILDREN(conv_config, augment, "[]", CVY_AUGMENT, "what happens to images"),
};

typedef struct sgd_config {
    double lr, clip;
    int64_t steps;
} sgd_config;

static const cvy_param sgd_params[] = {
    CVY_FLOAT(sgd_config, lr, 1e-2, 0, 10, "learning rate"),
    CVY_ALSO("learning_rate"),
    CVY_FLOAT(sgd_config, clip, .inf, 0, __builtin_inf(), "largest gradient norm"),
    CVY_INT(sgd_config, steps, 5, -9223372036854775807LL, 9223372036854775807LL, "any"),
};

typedef struct selfish_config {
    cvy_child inner;
} selfish_config;

static const cvy_param selfish_params[] = {
    CVY_CHILD(selfish_config, inner, "selfish", CVY_OPTIMIZER, "itself"),
};

typedef struct wrong_config {
    int64_t a;
    double b;
} wrong_config;

static const cvy_param wrong_params[] = {
    CVY_INT(wrong_config, a, three, 0, 1, "a default that is none"),
    CVY_FLOAT(wrong_config, b, 7, 0, 1, "a default out of range"),
};

#define FAKE(kind_, name_, T, table)                                                                      \
    {                                                                                                     \
        .abi = CVY_ABI, .size = sizeof(cvy_descriptor), .kind = kind_, .real_size = sizeof(cvy_real),     \
        .name = name_, .aliases = "", .summary = "", .source = "", .config_size = sizeof(T),              \
        .params = table, .n_params = sizeof(table) / sizeof((table)[0]), .param_size = sizeof(cvy_param), \
        .type = NULL                                                                                      \
    }

static const cvy_descriptor fakes[] = {
    FAKE(CVY_LAYER, "conv2d", conv_config, conv_params),
    FAKE(CVY_OPTIMIZER, "sgd", sgd_config, sgd_params),
    FAKE(CVY_AUGMENT, "crop", sgd_config, sgd_params),
    FAKE(CVY_OPTIMIZER, "selfish", selfish_config, selfish_params),
    FAKE(CVY_LAYER, "wrong", wrong_config, wrong_params),
};

static const cvy_descriptor *fake_find(void *ctx, uint32_t kind, const char *name, const place *at, errors *e)
{
    (void)ctx;
    for (size_t i = 0; i < sizeof fakes / sizeof *fakes; i++) {
        if (fakes[i].kind == kind && strcmp(fakes[i].name, name) == 0) return &fakes[i];
    }
    errors_add(e, CVY_ERR_PLUGIN, at, NULL, "no plugin \"%s\"", name);
    return NULL;
}

static const params_word fake_words[] = {{.word = "classes", .value = 10}, {.word = "all", .value = -1}};
static const params_env fake_env = {fake_find, NULL, fake_words, 2};

/* All messages as text; the caller frees. */
static inline char *messages(const errors *e)
{
    text t = {0};
    errors_text(e, false, &t);
    return text_take(&t);
}

#endif
