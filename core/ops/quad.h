/* Four floats at a time, by which channels and pixels change places; nothing of layouts or operators. */
#ifndef OPS_QUAD_H
#define OPS_QUAD_H

#include <string.h>

typedef float quad __attribute__((vector_size(16)));

static inline quad quad_load(const float *p)
{
    quad q;
    memcpy(&q, p, sizeof q);
    return q;
}

static inline void quad_store(float *p, quad q)
{
    memcpy(p, &q, sizeof q);
}

/* Rows a, b, c, d of four become columns: row i of the result goes to y + i * to. */
static inline void quad_transpose(quad a, quad b, quad c, quad d, float *y, long to)
{
    quad p = __builtin_shufflevector(a, b, 0, 4, 1, 5), q = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad r = __builtin_shufflevector(a, b, 2, 6, 3, 7), s = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    quad_store(y, __builtin_shufflevector(p, q, 0, 1, 4, 5));
    quad_store(y + to, __builtin_shufflevector(p, q, 2, 3, 6, 7));
    quad_store(y + 2 * to, __builtin_shufflevector(r, s, 0, 1, 4, 5));
    quad_store(y + 3 * to, __builtin_shufflevector(r, s, 2, 3, 6, 7));
}

#endif
