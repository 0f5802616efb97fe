/* Augmentation and preprocessing: one sample in, one sample out, float (C, H, W), pixels on [0, 1] at first.
 */
#ifndef CONVOY_AUGMENT_H
#define CONVOY_AUGMENT_H

#include "convoy/plugin.h"

#define CVY_AUGMENT_ALWAYS 0x1u /* preprocessing: applied in validation and test too */
#define CVY_AUGMENT_STATS  0x2u /* wants mean and std of the training images */

typedef struct cvy_channel_stats {
    int32_t channels;
    const float *mean, *std; /* per channel over the whole training split, pixels on [0, 1] */
} cvy_channel_stats;

typedef struct cvy_augment_call {
    const cvy_host *host;
    int32_t train;
    int32_t epoch;  /* from 0 */
    int64_t sample; /* index in the dataset's split */
    const cvy_shape *in, *out;
    const float *x;
    float *y;                       /* another array than x */
    cvy_random *random;             /* keyed by (seed, epoch, sample, position in the list) */
    const cvy_channel_stats *stats; /* NULL unless CVY_AUGMENT_STATS */
} cvy_augment_call;

typedef struct cvy_augment {
    uint32_t size;
    uint32_t traits;
    /* Shape of the result; also checks that the configuration fits the shape. */
    int (*infer)(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out);
    int (*apply)(cvy_augment_call *call, const void *config);
} cvy_augment;

#endif
