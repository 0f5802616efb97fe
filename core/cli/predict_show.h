/* How answers to pictures read: lines, CSV, JSON, one picture after the other. Private to `convoy predict`. */
#ifndef CLI_PREDICT_SHOW_H
#define CLI_PREDICT_SHOW_H

#include "cli/cli.h"

typedef enum predict_form { PREDICT_TEXT, PREDICT_CSV, PREDICT_JSON } predict_form;

typedef struct predict_show {
    const common *c;
    predict_form form;
    int64_t n;   /* numbers for a picture */
    int64_t top; /* classes to name; 0: the numbers are no probabilities of classes, and all are shown */
    const char *const *class_names; /* or NULL */
    json_writer w;
} predict_show;

void predict_show_begin(predict_show *s, char *const *runs, size_t n_runs, const char *which);
void predict_show_one(predict_show *s, const char *file, const double *answers);
void predict_show_end(predict_show *s);

#endif
