/* The keys of `init:` that say how weights start when no file gives them:
 *
 *   init:
 *     weights: {type: he_normal, mode: fan_out}     # every kernel and matrix
 *     bias: zeros                                   # every weight called `bias`
 *     rules:                                        # single ones, by their names
 *       - orthogonal: {match: "stage1.*.weight", gain: 1.4}
 *       - {type: zeros, match: "*.bn2.weight"}
 *
 * For each tensor the first rule that matches counts; where none does, `weights` or `bias`; without these the tensor
 * starts as its layer says. Knows no file of weights. */
#ifndef TRAIN_INIT_RULES_H
#define TRAIN_INIT_RULES_H

#include "base/json.h"
#include "config/params.h"
#include "graph/net.h"
#include "graph/state.h"

typedef struct init_rule {
    const char *match;
    cvy_child how;
    place at; /* of the initialiser's name */
    place match_at;
} init_rule;

typedef struct init_rules {
    init_rule weights, bias; /* how.plugin NULL: not given */
    init_rule *v;
    size_t n;
} init_rules;

/* `section`: the value of `init:`, may be NULL. Texts live in the arena; all errors are reported. */
cvy_status init_rules_read(const node *section, const params_env *env, arena *a, init_rules *out, errors *e);
/* Whether every rule finds a tensor, and the tensors have what it needs. */
cvy_status init_rules_check(const init_rules *r, const net *n, errors *e);
bool init_rules_any(const init_rules *r);
/* The rule for a weight of the network; NULL: it starts as its layer says. */
const init_rule *init_rules_of(const init_rules *r, const net *n, size_t weight);
/* Weights that have a rule get their numbers. */
cvy_status init_rules_apply(const init_rules *r, state *s, uint64_t seed, errors *e);
/* What each weight that has a rule starts by, into an open object: `"start": {"conv.weight": {...}}`. */
void init_rules_write(const init_rules *r, const net *n, json_writer *w);

/* Of a kernel (out, in / groups, window...) the window's elements times its second dimension, and times its first: PyTorch's
 * convention, in which groups do not lessen fan_out and a transposed convolution (in, out / groups, window...) has the two
 * exchanged. False: the weight has no fan. */
bool init_rules_fan(const net *n, size_t weight, double *fan_in, double *fan_out);

#endif
