/* Values of parameters are texts as their files have them: 1e-1 and 0.1 are one value in two spellings. */
#ifndef REPORT_SPELLING_H
#define REPORT_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

enum { SPELLING_BYTES = 40 };

/* The one spelling of a number, in `own`; s itself where it is none ("" for NULL). */
const char *spelling_of(const char *s, char own[SPELLING_BYTES]);
/* An order of values; 0: they are the same. NULL is as "". */
int spelling_compare(const char *a, const char *b);
/* Whether s is a finite number, and which, as near as a double comes to it; NULL and "" are none. */
bool spelling_value(const char *s, double *v);
/* Numbers the different values 0, 1, ... in the order of their first appearance; NULL is a value of its own. Returns how many. */
size_t spelling_number(const char *const *values, size_t n, size_t *numbers);

#endif
