/* What tells configurations apart, in few words. */
#ifndef REPORT_DIFFERENCE_H
#define REPORT_DIFFERENCE_H

#include "report/query.h"

typedef struct difference_config {
    query_pairs params; /* by path */
    const char *model;  /* name of its architecture; may be NULL */
    const char *name;   /* to tell it by when nothing else does */
} difference_config;

/* One label per configuration, in the arena: "adam, lr 0.001". What follows from another difference is not
 * named: the parameters of two optimizers that differ in type, the layers of two models that differ in name.
 * Labels that came out equal get the configuration's name behind them. `seed` counts the seed as a
 * difference. */
void difference_labels(const difference_config *configs, size_t n, bool seed, arena *a, const char **labels);

/* A parameter in which configurations differ. */
typedef struct difference_column {
    const char *path;
    const char **values; /* one per configuration; NULL where it has none */
} difference_column;

/* All of them but those that follow from another one, and the seed; in the arena. */
size_t difference_columns(const difference_config *configs, size_t n, arena *a, difference_column **out);

#endif
