/* The two halves of the safetensors format, writing and reading: what both know of its bytes. Private to them. */
#ifndef TRAIN_SAFETENSORS_OWN_H
#define TRAIN_SAFETENSORS_OWN_H

#include "train/safetensors.h"

#define SAFETENSORS_METADATA "__metadata__"

enum { SAFETENSORS_HEADER_MAX = 100000000 }; /* the format's own limit */

/* Elements of a shape; false when they or their bytes as floats overflow, or a dimension is negative. */
static inline bool safetensors_count(const cvy_shape *s, int64_t *count)
{
    *count = 1;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 || __builtin_mul_overflow(*count, s->dim[i], count)) return false;
    return *count <= INT64_MAX / (int64_t)sizeof(float);
}

#endif
