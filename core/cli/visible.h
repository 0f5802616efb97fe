/* Numbers that a network sees brought back to what an eye sees: where preprocessing is a line per channel (normalising by
 * whatever statistics), it is measured on samples and undone. Knows no plugin by name. */
#ifndef CLI_VISIBLE_H
#define CLI_VISIBLE_H

#include "train/sizes.h"

enum { VISIBLE_CHANNELS = 64 };

typedef struct visible {
    double scale[VISIBLE_CHANNELS], shift[VISIBLE_CHANNELS]; /* shown = scale x + shift, on [0, 1] */
    bool undone;                                             /* preprocessing was undone */
    bool
        stretch; /* it is no line per channel: each picture is spread over the range by its own mean and deviation */
} visible;

/* Learns from up to n samples of the training part (their numbers in it) what evaluation does to them in the steps before
 * `end`. */
cvy_status visible_learn(visible *v, const data *d, size_t end, const int64_t *samples, size_t n, errors *e);
/* (C, h, w) as (3, h, w) bytes, mem_alloc'ed: grey from one channel, or from the first where there are other than 3. */
uint8_t *visible_picture(const visible *v, const cvy_shape *shape, const float *x);

#endif
