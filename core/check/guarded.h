/* Arrays of a plugin's number type with a guard on either side, to see writes outside; values come and go as double.
 * Under a sanitizer there is no guard: its own are better. */
#ifndef CHECK_GUARDED_H
#define CHECK_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct guarded {
    void *data; /* 64-byte aligned; NULL: none */
    size_t bytes, real_size, guard;
    int64_t count;
} guarded;

/* What an array holds before it is written. */
typedef enum guarded_fill { GUARDED_MARK, GUARDED_ZERO, GUARDED_THREE } guarded_fill;

guarded guarded_new(size_t real_size, int64_t count, guarded_fill fill);
guarded guarded_of(size_t real_size, int64_t count, const double *from);
/* Bytes without a number type, all set: NaN whatever reads them. */
guarded guarded_bytes(int64_t bytes);
void guarded_free(guarded *g);

double guarded_get(const guarded *g, int64_t i);
/* Whether element i still is GUARDED_MARK's NaN, which no arithmetic gives. */
bool guarded_unwritten(const guarded *g, int64_t i);
/* Where the guards were overwritten: bytes from the array's start (negative: before it); false when they are whole. */
bool guarded_broken(const guarded *g, int64_t *at);
/* The first element that is not what `from` gave; -1: none. */
int64_t guarded_changed(const guarded *g, const double *from);

#endif
