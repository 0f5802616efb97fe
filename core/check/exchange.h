/* The tensors of a case that was read from a file: taken by name and shape, what is missing or left over reported;
 * and the tensors of its result. Knows no plugin. */
#ifndef CHECK_EXCHANGE_H
#define CHECK_EXCHANGE_H

#include "train/safetensors.h"

typedef struct exchange {
    const char *file; /* in messages */
    const safetensors *in;
    bool *taken;
    arena memory; /* of the results */
    safetensor *out;
    size_t n_out, cap_out;
    errors *e;
} exchange;

void exchange_open(exchange *x, const char *file, const safetensors *in, errors *e);
void exchange_close(exchange *x);

/* The tensor of that name. Reports its absence, and a shape that is not `expected` (NULL: any); NULL then. */
const safetensor *exchange_take(exchange *x, const char *name, const cvy_shape *expected);
/* The same without a message when it is absent. */
const safetensor *exchange_take_if(exchange *x, const char *name, const cvy_shape *expected);
/* The next tensor from *i on whose name begins with `prefix`, in the order of the file, or NULL. */
const safetensor *exchange_next(exchange *x, const char *prefix, size_t *i);
/* Reports every tensor that nobody took; `takes` says what would have been. */
void exchange_surplus(exchange *x, const char *takes);
void exchange_complain(exchange *x, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A tensor of the result, zeroed, to be filled. */
float *exchange_give(exchange *x, const char *name, const cvy_shape *shape);

/* "(4, 3, 3, 3)" */
void exchange_shape_text(const cvy_shape *s, text *out);

#endif
