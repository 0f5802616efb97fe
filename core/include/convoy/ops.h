/* The closed set of operators a layer may lower to. All speed lives behind these: each has several kernels
 * (plain C, oneDNN, own layouts) among which the core chooses, and neighbours fuse whatever plugins they came
 * from. */
#ifndef CONVOY_OPS_H
#define CONVOY_OPS_H

#include "convoy/plugin.h"

typedef enum cvy_op {
    CVY_OP_CONV = 1, /* (x (N,C,H,W), weight (O,C/groups,Kh,Kw) [, bias (O)]) -> (N,O,H',W'); cvy_conv_attr. A
                        weight (O,C/groups,K) is one with Kh = 1. */
    CVY_OP_LINEAR,   /* (x (N,F), weight (O,F) [, bias (O)]) -> (N,O); no attributes */
    CVY_OP_BN_STATS, /* (x (N,C,...), running_mean (C), running_var (C)) -> stats (2,C): batch mean, biased
                        variance; moves the running statistics (unbiased variance); cvy_bn_attr. Training
                        only. */
    CVY_OP_BN_APPLY, /* (x, stats (2,C) | running_mean and running_var as two operands, gamma (C), beta (C))
                        -> gamma (x - mean) / sqrt(var + eps) + beta; cvy_bn_attr */
    CVY_OP_ACTIVATION, /* (x) -> f(x); cvy_activation_attr */
    CVY_OP_POOL,       /* (x (N,C,H,W)) -> (N,C,H',W'); cvy_pool_attr */
    CVY_OP_GLOBAL_AVG, /* (x (N,C,...)) -> (N,C) */
    CVY_OP_ADD,        /* (a, b, ...) of one shape -> their sum */
    CVY_OP_CONCAT,     /* (a, b, ...) -> along channels, dim[1] */
    CVY_OP_DROPOUT,    /* (x) -> x * mask / (1 - p), mask drawn per (step, sample, element); cvy_dropout_attr.
                          Training only. */
    CVY_OP_RESHAPE,    /* (x) -> the same elements in NCHW order; cvy_reshape_attr */
    CVY_OP_SHORTCUT_PAD,   /* (x (N,C,H,W)) -> x[:, :, ::s, ::s] with zero channels before and after;
                            cvy_shortcut_attr */
    CVY_OP_CONV_TRANSPOSE, /* (x (N,O,H,W), weight (O,C/groups,Kh,Kw)) -> (N,C,H',W'): what the gradient of a
                              convolution with this weight does; cvy_conv_transpose_attr. Pixels that no kernel
                              reaches are 0. */
    CVY_OP_BIAS,           /* (x (N,C,...), bias (C)) -> x + bias of its channel; no attributes */
    CVY_OP_CONV3D,         /* (x (N,C,D,H,W), weight (O,C/groups,Kd,Kh,Kw) [, bias (O)]) -> (N,O,D',H',W');
                              cvy_conv3d_attr */
    CVY_OP_CONV3D_TRANSPOSE, /* (x (N,O,D,H,W), weight (O,C/groups,Kd,Kh,Kw)) -> (N,C,D',H',W'), as CONV_TRANSPOSE;
                                cvy_conv3d_transpose_attr */
    CVY_OP_PUBLIC_END
} cvy_op;

typedef struct cvy_conv_attr {
    int64_t stride[2], dilation[2]; /* vertical, horizontal */
    int64_t padding[4];             /* top, left, bottom, right; zeros */
    int64_t groups;
    int32_t flip; /* 1: true convolution, the kernel turned by 180 degrees */
} cvy_conv_attr;

typedef struct cvy_conv_transpose_attr {
    cvy_conv_attr conv; /* the convolution from (N,C,H',W') to (N,O,H,W) that it is the transpose of */
    int64_t size[2];    /* H', W': with strides, several sizes come to the same H and W */
} cvy_conv_transpose_attr;

typedef struct cvy_conv3d_attr {
    int64_t stride[3], dilation[3]; /* along the depth, vertical, horizontal */
    int64_t padding[6];             /* front, top, left, back, bottom, right; zeros */
    int64_t groups;
    int32_t flip; /* 1: the kernel turned round along all three axes */
} cvy_conv3d_attr;

typedef struct cvy_conv3d_transpose_attr {
    cvy_conv3d_attr conv; /* the convolution that it is the transpose of */
    int64_t size[3];      /* D', H', W' */
} cvy_conv3d_transpose_attr;

typedef struct cvy_bn_attr {
    double eps;
    double momentum; /* running = (1 - momentum) * running + momentum * batch */
} cvy_bn_attr;

typedef enum cvy_activation {
    CVY_RELU = 1,
    CVY_LEAKY_RELU,  /* x > 0 ? x : alpha x */
    CVY_ELU,         /* x > 0 ? x : alpha (e^x - 1), alpha >= 0 */
    CVY_GELU,        /* x Phi(x), Phi being the standard normal distribution's */
    CVY_GELU_TANH,   /* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
    CVY_SILU,        /* x / (1 + e^-x) */
    CVY_SIGMOID,     /* 1 / (1 + e^-x) */
    CVY_TANH,        /* tanh x */
    CVY_SCALED_TANH, /* alpha tanh(beta x), alpha > 0 */
    CVY_ACTIVATION_END
} cvy_activation;

typedef struct cvy_activation_attr {
    int32_t function;   /* cvy_activation */
    double alpha, beta; /* the constants of those functions that have some */
} cvy_activation_attr;

typedef enum cvy_pool {
    CVY_POOL_MAX = 1, /* padding counts as minus infinity; the first maximum takes the gradient */
    CVY_POOL_AVG,     /* padding counts in the divisor when count_padding */
} cvy_pool;

typedef struct cvy_pool_attr {
    int32_t function; /* cvy_pool */
    int32_t count_padding;
    int64_t kernel[2], stride[2];
    int64_t padding[4]; /* top, left, bottom, right */
    /* Of the padding at the bottom and the right, what count_padding does not count: there windows of a ceil mode hang
     * over. */
    int64_t beyond[2];
    int64_t dilation[2]; /* distance between a window's elements; 0 is 1 */
} cvy_pool_attr;

typedef struct cvy_dropout_attr {
    double p; /* probability of zero, [0, 1) */
} cvy_dropout_attr;

typedef struct cvy_reshape_attr {
    cvy_shape shape; /* batched; dim[0] is the batch */
} cvy_reshape_attr;

typedef struct cvy_shortcut_attr {
    int64_t stride[2];
    int64_t before, after; /* zero channels */
} cvy_shortcut_attr;

#endif
