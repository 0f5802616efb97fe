/* What `train:` says about single weight tensors, by patterns over their names:
 *
 *   train:
 *     no_decay: ["*.bias", "bn*.*"]             # updated as if the optimizer's weight_decay were 0
 *     lr_multipliers: {"stem.*": 0.1, head.weight: 10}
 *
 * An exact name comes before patterns, and of these the first that matches counts. Knows no optimizer. */
#ifndef TRAIN_TENSOR_RULES_H
#define TRAIN_TENSOR_RULES_H

#include "config/tree.h"
#include "graph/net.h"

typedef struct tensor_rule {
    const char *pattern;
    double factor; /* of the learning rate */
    place at;
} tensor_rule;

typedef struct tensor_rules {
    tensor_rule *no_decay, *lr;
    size_t n_no_decay, n_lr;
} tensor_rules;

/* Either node may be NULL. Texts live in the arena; all errors are reported. */
cvy_status tensor_rules_read(const node *no_decay, const node *lr_multipliers, arena *a, tensor_rules *out,
                             errors *e);
/* A pattern that no weight's name matches is an error. */
void tensor_rules_check(const tensor_rules *r, const net *n, errors *e);
double tensor_rules_lr(const tensor_rules *r, const char *name); /* 1 where nothing is said */
bool tensor_rules_decays(const tensor_rules *r, const char *name);

#endif
