/* How the figures of `convoy eval` read, as text and as JSON. Private to it. */
#ifndef CLI_EVAL_SHOW_H
#define CLI_EVAL_SHOW_H

#include "cli/cli.h"
#include "report/groups.h"
#include "train/evaluation.h"

typedef struct eval_row {
    const query_run *run;
    int64_t epoch; /* whose weights these are */
    evaluation v;
    bool done;           /* false: it could not be evaluated */
    const char *dataset; /* where it was */
    char fingerprint[65];
} eval_row;

typedef struct eval_result {
    const char *part, *which;
    int64_t height, width; /* of the input; 0: as it is */
    eval_row *rows;
    size_t n;
    groups single, repeats;         /* of the runs: each alone, and by configuration */
    const evaluation *ensemble;     /* NULL: not asked for */
    const char *const *class_names; /* or NULL */
} eval_result;

void eval_show_text(const common *c, const eval_result *r);
void eval_show_json(const eval_result *r);

#endif
