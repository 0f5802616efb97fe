/* The checks of each kind of plugin, in their order, and running one of them. */
#ifndef CHECK_SUITE_H
#define CHECK_SUITE_H

#include "check/specimen.h"
#include "check/verdict.h"

typedef struct suite_check {
    const char *name;  /* "gradient_input" */
    const char *about; /* one line */
    bool needed;       /* when it does not pass, nothing behind it can be run */
    void (*run)(specimen *s, verdict *v);
    void (*composite)(specimen *s, verdict *v); /* of layers made of layers; NULL: does not apply */
} suite_check;

/* The checks of a kind; NULL when plugins of that kind cannot be checked. */
const suite_check *suite_of(uint32_t kind, size_t *n);
/* Runs one and fills the verdict, its seconds included. */
void suite_run(const suite_check *c, specimen *s, verdict *v);

#endif
