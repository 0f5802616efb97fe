/* How much of a result's variance each parameter explains, over all configurations that were tried. */
#ifndef REPORT_IMPORTANCE_H
#define REPORT_IMPORTANCE_H

#include "report/forest.h"
#include "report/groups.h"

typedef struct importance_item {
    const char *path;
    forest_share share;
} importance_item;

typedef struct importance {
    importance_item *items; /* the most important first */
    size_t n;
    size_t configurations; /* with a value, repeats put together */
    double rest;           /* what no parameter explains by itself: interactions */
    size_t left_out; /* parameters with more words than an axis can hold; what they explain is in no share */
} importance;

/* Parameters that follow from another (the rate that goes with each optimizer) are not told apart from it. A parameter that only some
 * configurations have, because of another one (the momentum of one optimizer), says nothing where it is not; else not being set is
 * one of its values. Reported: fewer than IMPORTANCE_LEAST configurations with a value, nothing that varies, a value that is the same
 * everywhere. */
enum { IMPORTANCE_LEAST = 4 };
cvy_status importance_make(store *s, const query_run *runs, size_t n, groups_value *value, arena *a,
                           importance *out, errors *e);

#endif
