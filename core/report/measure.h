/* What a run is by itself, beside its parameters: as a groups_value, nan where it is not known. */
#ifndef REPORT_MEASURE_H
#define REPORT_MEASURE_H

#include <stdbool.h>

#include "report/query.h"

double measure_seconds(const query_run *r); /* of training */
double measure_parameters(const query_run *r);
double measure_macs(const query_run *r); /* of a sample's forward pass */
double measure_test_accuracy(const query_run *r);

/* What runs are compared by beside the metric that they were trained for, in the order of their columns. */
typedef struct measure_result {
    const char *key, *title, *head; /* "val_accuracy", "Val. accuracy", and over a column of a terminal */
    double (*value)(const query_run *r);
    bool percent; /* and more of it is better */
} measure_result;
enum { MEASURE_RESULTS = 4 };
extern const measure_result measure_results[MEASURE_RESULTS];

/* "seconds", "parameters" or "macs", which every run has beside what its file says; NULL: none of them. */
double (*measure_named(const char *name))(const query_run *r);

#endif
