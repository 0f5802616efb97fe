/* What is written down of every trial of a sweep before it runs, a line for each in a file: a trial in memory is a small record with
 * the number of its page here. What trials have in common is kept once, in memory. */
#ifndef SWEEP_BOOK_H
#define SWEEP_BOOK_H

#include "sweep/plan.h"

/* Of a trial's plan what is asked for all the time. */
typedef struct book_facts {
    const char *experiment, *exact_key;
    int64_t fold; /* of cross-validation; 0: none */
    int64_t epochs, steps_per_epoch, train_samples;
    bool accuracy; /* its metrics will say how often it is right; else there are losses alone */
    bool average;  /* it chooses its best epoch by its averaged weights */
} book_facts;

typedef struct book book;

/* New pages go into a file of its own, which nobody else sees and which is gone with it. */
book *book_new(void);
/* The same, with a file that has pages already; NULL after reporting. */
book *book_open(const char *path, errors *e);
void book_close(book *b); /* NULL is fine */

/* Keeps a line; its number is above 0, and 0 after reporting. */
int64_t book_add(book *b, const char *line, size_t n, errors *e);
/* A line, NUL-terminated behind its n bytes, mem_alloc'ed; NULL when it cannot be read. */
char *book_line(const book *b, int64_t page, size_t *n);
/* The pages of the file that it was opened with, in order: 0 gives the first, a page the next; 0 behind the last. */
int64_t book_next(const book *b, int64_t page);

/* What a plan has in common with others. Lives as long as the book. */
const book_facts *book_common(book *b, const plan *p);

#endif
