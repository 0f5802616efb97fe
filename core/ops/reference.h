/* The reference kernels: plain C on plain tensors, right for everything an operator allows. One per operator;
 * what the fast kernels are tested against and what runs where none of them fits. */
#ifndef OPS_REFERENCE_H
#define OPS_REFERENCE_H

#include "ops/kernel.h"

extern const kernel reference_conv, reference_conv_bwd_data, reference_conv_bwd_weights;
extern const kernel reference_linear, reference_linear_bwd_data, reference_linear_bwd_weights;
extern const kernel reference_bn_stats, reference_bn_frozen, reference_bn_running, reference_bn_apply,
    reference_bn_bwd;
extern const kernel reference_pool, reference_pool_bwd, reference_global_avg, reference_global_avg_bwd;
extern const kernel reference_activation, reference_activation_bwd, reference_add, reference_dropout;
extern const kernel reference_concat, reference_slice, reference_reshape;
extern const kernel reference_shortcut_pad, reference_shortcut_pad_bwd;
extern const kernel reference_bias, reference_bias_bwd;
extern const kernel convert_kernel;

/* (N, C, ...) as N samples of C planes of `plane` elements. */
typedef struct reference_view {
    int64_t n, c, plane;
} reference_view;

static inline reference_view reference_view_of(const tensor *t)
{
    reference_view v = {t->shape.dim[0], t->shape.dim[1], 1};
    for (int i = 2; i < t->shape.rank; i++) v.plane *= t->shape.dim[i];
    return v;
}

/* Mean and biased variance of every channel into stats (2, C). */
void reference_stats(reference_view v, const float *x, float *stats);

/* The sum of every channel into sums (C). */
void reference_channel_sums(reference_view v, const float *x, float *sums);

/* Eight partial sums: a fixed order that the compiler may vectorise. */
static inline float reference_dot(const float *a, const float *b, int64_t n)
{
    float s[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) s[j] += a[i + j] * b[i + j];
    float rest = 0;
    for (; i < n; i++) rest += a[i] * b[i];
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7])) + rest;
}

#endif
