/* Augmentation and preprocessing: one sample in, one sample out, float (C, H, W), pixels on [0, 1] at first.
 */
#ifndef CONVOY_AUGMENT_H
#define CONVOY_AUGMENT_H

#include "convoy/plugin.h"

#define CVY_AUGMENT_ALWAYS 0x1u /* preprocessing: applied in validation and test too */
#define CVY_AUGMENT_STATS  0x2u /* wants mean and std of the training images */
#define CVY_AUGMENT_MIX    0x4u /* in training, wants a second sample to mix with (mixup, cutmix) */

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
    const float *
        partner; /* under CVY_AUGMENT_MIX in training: another training sample, drawn by (seed, epoch, sample), after the
                             same steps of the list, of the shape `in`; else NULL */
    float
        share; /* to fill under CVY_AUGMENT_MIX, 1 at first: how much of y is x's; the target is mixed in the same
                             proportion */
    const void *state; /* of prepare; NULL without */
} cvy_augment_call;

/* What a step may learn from the training samples before the first one is read. */
typedef struct cvy_augment_prepare {
    const cvy_host *host;
    const cvy_shape *in;
    int64_t n; /* training samples */
    /* Sample i as it arrives at this step when nothing random is done to it: cvy_count(in) floats. From one thread. */
    int (*sample)(const struct cvy_augment_prepare *p, int64_t i, float *x);
    const void *core; /* the core's */
} cvy_augment_prepare;

typedef struct cvy_augment {
    uint32_t size;
    uint32_t traits;
    /* Shape of the result; also checks that the configuration fits the shape. */
    int (*infer)(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out);
    int (*apply)(cvy_augment_call *call, const void *config);
    /* For steps whose traits depend on their configuration; NULL: `traits` holds for all. */
    uint32_t (*traits_of)(const void *config);
    /* Learns from the training samples, the same from run to run; *state is the plugin's, read by apply from any thread.
     * Both or neither. */
    int (*prepare)(cvy_augment_prepare *p, const void *config, void **state);
    void (*release)(void *state);
} cvy_augment;

/* The traits of a configured step, also of a plugin built before traits_of was there. */
static inline uint32_t cvy_augment_traits(const cvy_augment *type, const void *config)
{
    const size_t whole = offsetof(cvy_augment, traits_of) + sizeof type->traits_of;
    return type->size >= whole && type->traits_of ? type->traits_of(config) : type->traits;
}

#endif
