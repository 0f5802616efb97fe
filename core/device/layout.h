/* How the elements of a tensor lie in memory. Ours; oneDNN's descriptors are derived from it, never the other
 * way.
 *
 *   plain   row-major (N, C, H, W), whatever the rank
 *   c8/c16  channels in blocks: (N, ceil(C/b), H, W, b); the lanes beyond C hold zeros, and whoever writes a
 * blocked tensor writes them. Rank 4 only.
 */
#ifndef DEVICE_LAYOUT_H
#define DEVICE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "convoy/plugin.h"

typedef enum layout { LAYOUT_PLAIN = 0, LAYOUT_C8, LAYOUT_C16, LAYOUT_COUNT } layout;

/* A tensor's shape and place-independent form. Element size 4 (float) or 1 (pooling indices). */
typedef struct tensor {
    cvy_shape shape;
    layout layout;
    int element;
} tensor;

const char *layout_name(layout l);
int layout_block(layout l); /* 1, 8, 16 */
bool layout_fits(layout l, const cvy_shape *s);
size_t tensor_bytes(const tensor *t);     /* padding included */
int64_t tensor_elements(const tensor *t); /* padding included */
tensor tensor_plain(const cvy_shape *s);  /* float, plain */
/* Address arithmetic for tests and rare paths: offset in elements of (n, c, h, w). */
int64_t tensor_offset(const tensor *t, int64_t n, int64_t c, int64_t h, int64_t w);

#endif
