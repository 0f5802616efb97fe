/* Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011): random numbers as a
 * pure function of a key and a counter. No state anywhere, so threads, workers and restarts move nothing. */
#ifndef BASE_PHILOX_H
#define BASE_PHILOX_H

#include <stdint.h>

typedef struct philox_key {
    uint32_t k[2];
} philox_key;

/* Key of a purpose ("dropout", "shuffle", "init") and a name (layer path) under a seed. */
philox_key philox_key_of(uint64_t seed, const char *purpose, const char *name);
/* The block at counter (c0, c1, c2, c3). */
void philox_block(philox_key key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t out[4]);
/* The blocks at (c0, c1, c2, c3), (c0 + 1, ..), ..: out[4 i + k] is word k of the i-th of n. Vectors work on many at once. */
void philox_blocks(philox_key key, uint32_t c0, int64_t n, uint32_t c1, uint32_t c2, uint32_t c3,
                   uint32_t *out);

/* Sequential reading under a fixed (a, b): c1 = b, c2 and c3 the high and low half of a, c0 counts blocks
 * from 0. */
typedef struct philox_stream {
    philox_key key;
    uint32_t c1, c2, c3, next, have;
    uint32_t block[4];
} philox_stream;

philox_stream philox_open(philox_key key, uint64_t a, uint32_t b); /* e.g. a = sample, b = epoch */
uint32_t philox_u32(philox_stream *s);
uint32_t philox_below(philox_stream *s, uint32_t n); /* uniform on [0, n), without modulo bias */
float philox_unit(philox_stream *s);                 /* [0, 1), 24 bits */
double philox_normal(philox_stream *s);              /* mean 0, sd 1; Box-Muller, two draws each */

#endif
