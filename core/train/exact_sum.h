/* A sum of doubles without rounding: the same bits whatever order they come in. Knows nothing of what is added. */
#ifndef TRAIN_EXACT_SUM_H
#define TRAIN_EXACT_SUM_H

#include <stdbool.h>
#include <stdint.h>

/* All bits that a finite double can have, from 2^-1074 to below 2^1024, and room above for 2^53 of them. */
enum { EXACT_SUM_LIMBS = 68 };

/* A fixed-point number, as in Kulisch, "Computer Arithmetic and Validity" (2013), chapter 8. Zeroed it is the sum of nothing. */
typedef struct exact_sum {
    int64_t limbs
        [EXACT_SUM_LIMBS]; /* 32 bits each, the lowest first; what is carried may still stand above them */
    int64_t n;             /* how many were added */
    int32_t loose;         /* of them since carries were passed on */
    bool plus, minus, nan; /* an infinity or a nan was among them */
} exact_sum;

void exact_sum_add(exact_sum *s, double v);
/* The sum rounded once, by n rounded once more; nan of nothing. */
double exact_sum_mean(const exact_sum *s);

#endif
