/* The runs of a chart with the one value by which it judges them. */
#ifndef REPORT_CHART_JUDGE_H
#define REPORT_CHART_JUDGE_H

#include "report/chart_kinds.h"
#include "report/judge.h"

typedef struct chart_judged {
    query_run *runs;            /* copies, whose `best` is the value in the label's unit, or nan */
    size_t n, silent;           /* without a finite value */
    const char *metric, *label; /* "val_accuracy", "validation accuracy (%)" */
    double unit;                /* that the values were multiplied with */
    bool maximize;
} chart_judged;

/* By the metric asked for, of which there may be one; else by that of the sweep. The value is the best of the epochs, or that of the
 * whole run, and judge_best() of each. No run has one: CVY_ERR_CONFIG. */
cvy_status chart_judge(store *s, const chart_request *r, arena *a, chart_judged *out, errors *e);

/* The parts of a caption, "; " between them. */
void chart_judge_say(text *caption, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "WHAT over 3 to 7 seeds", or "one seed each, so WITHOUT"; without NULL: nothing to be without. */
void chart_judge_say_mean(text *caption, const repeated *of, size_t least, size_t most, const char *what,
                          const char *without);
/* How many runs have no value, behind what was said before. */
void chart_judge_say_silent(text *caption, const chart_judged *j);

#endif
