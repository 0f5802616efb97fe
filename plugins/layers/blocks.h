/* What the layers made of convolution blocks share: how the parts are named, and the parts themselves. Private to the
 * plugins of this folder; knows no block as a whole. */
#ifndef LAYERS_BLOCKS_H
#define LAYERS_BLOCKS_H

#include <inttypes.h>
#include <stdio.h>

#include "convoy/layer.h"

typedef struct block {
    cvy_build *b;
    char prefix[32];        /* of the parts' names: "block0." */
    int32_t batch_norm;     /* follows every convolution, which then has no bias */
    const char *activation; /* a layer plugin */
} block;

/* Node -1 is a failure that was reported; what is made of it fails quietly. */
#define BLOCK_FAILED (-1)

static inline int block_expect_maps(cvy_build *b)
{
    if (b->in[0].rank == 4) return 0;
    return cvy_fail(b,
                    "expects maps (N, C, H, W) and got an input of rank %" PRId32
                    "; use it before `flatten` or `global_avg_pool`",
                    b->in[0].rank);
}

/* Part number `i` of a layer: what `set` calls it ("block") and its number lead the names. */
static inline block block_open(cvy_build *b, const char *set, int64_t i, int32_t batch_norm,
                               const char *activation)
{
    block k = {b, "", batch_norm, activation};
    snprintf(k.prefix, sizeof k.prefix, "%s%" PRId64 ".", set, i);
    return k;
}

static inline int32_t block_join(const block *k, const char *name, const char *type, const int32_t *in,
                                 int32_t n, const char *params)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", k->prefix, name);
    return k->b->layer(k->b, path, type, in, n, "%s", params);
}

static inline int32_t block_layer(const block *k, const char *name, const char *type, int32_t x,
                                  const char *params)
{
    return block_join(k, name, type, &x, 1, params);
}

/* A square convolution that keeps the size at stride 1. */
static inline int32_t block_conv(const block *k, const char *name, int32_t x, int64_t channels, int kernel,
                                 const int64_t stride[2], int64_t groups)
{
    char params[200];
    int n = snprintf(params, sizeof params,
                     "channels: %" PRId64 ", kernel: %d, stride: [%" PRId64 ", %" PRId64
                     "], padding: %d, bias: %s",
                     channels, kernel, stride[0], stride[1], kernel / 2, k->batch_norm ? "false" : "true");
    if (groups > 1) snprintf(params + n, sizeof params - (size_t)n, ", groups: %" PRId64, groups);
    return block_layer(k, name, "conv2d", x, params);
}

static inline int32_t block_norm(const block *k, const char *name, int32_t x)
{
    return k->batch_norm ? block_layer(k, name, "batch_norm", x, "") : x;
}

/* The activation, named after what it is: relu1. */
static inline int32_t block_activate(const block *k, int number, int32_t x)
{
    char name[80];
    snprintf(name, sizeof name, "%s%d", k->activation, number);
    return block_layer(k, name, k->activation, x, "");
}

/* A layer whose only parameter is a probability; none at 0. */
static inline int32_t block_drop(const block *k, const char *name, const char *type, double p, int32_t x)
{
    char params[40];
    snprintf(params, sizeof params, "p: %.9g", p);
    return p > 0 ? block_layer(k, name, type, x, params) : x;
}

/* ---- residual blocks ---- */

/* The letters are those of He et al. 2016, section 4.1; the words say the same. */
enum { SHORTCUT_A, SHORTCUT_B, SHORTCUT_C };
static const char *const block_shortcuts[] = {"A", "B", "C", "pad", "projection", "always", NULL};
#define BLOCK_SHORTCUT_HELP                                                                  \
    "A or pad: the input, zero channels added where there are more; B or projection: a 1x1 " \
    "convolution where the shape changes; C or always: a 1x1 convolution in every block"

static inline int block_changes_shape(const cvy_shape *x, int64_t channels, const int64_t stride[2])
{
    return x->dim[1] != channels || stride[0] != 1 || stride[1] != 1;
}

/* The way past the residual function. A projection, without its normalization, may read another node than x. */
static inline int32_t block_shortcut(const block *k, int32_t option, int32_t x, int32_t projected,
                                     int64_t channels, const int64_t stride[2])
{
    const cvy_shape *shape = k->b->shape(k->b, x);
    if (!shape) return BLOCK_FAILED;
    const int changes = block_changes_shape(shape, channels, stride);
    if (option % 3 != SHORTCUT_C && !changes) return x;
    if (option % 3 != SHORTCUT_A) return block_conv(k, "shortcut.conv", projected, channels, 1, stride, 1);
    if (shape->dim[1] > channels) {
        cvy_fail(k->b,
                 "shortcut: %s cannot take %" PRId64 " channels down to channels: %" PRId64
                 "; use `shortcut: projection`",
                 block_shortcuts[option], shape->dim[1], channels);
        return BLOCK_FAILED;
    }
    char params[120];
    snprintf(params, sizeof params, "channels: %" PRId64 ", stride: [%" PRId64 ", %" PRId64 "]", channels,
             stride[0], stride[1]);
    return block_layer(k, "shortcut.pad", "shortcut_pad", x, params);
}

/* What block i of n has of something that grows linearly from `first` to `last`; a negative `first` is none of its
 * own. */
static inline double block_between(int64_t i, int64_t n, double first, double last)
{
    return first < 0 || n == 1 ? last : first + (last - first) * (double)i / (double)(n - 1);
}

/* The sum that closes a block, before it what is done to the residual function alone. */
static inline int32_t block_add(const block *k, int32_t f, int32_t shortcut, int64_t squeeze_ratio,
                                double drop_path)
{
    if (squeeze_ratio > 0) {
        char params[40];
        snprintf(params, sizeof params, "ratio: %" PRId64, squeeze_ratio);
        f = block_layer(k, "se", "squeeze_excitation", f, params);
    }
    f = block_drop(k, "drop_path", "stochastic_depth", drop_path, f);
    const int32_t terms[2] = {f, shortcut};
    return block_join(k, "add", "add", terms, 2, "");
}

#endif
