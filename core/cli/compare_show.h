/* How comparisons read: values of a factor or whole configurations side by side, then the differences between them. */
#ifndef CLI_COMPARE_SHOW_H
#define CLI_COMPARE_SHOW_H

#include "cli/cli.h"
#include "report/factor.h"

typedef struct comparison {
    size_t a, b; /* levels */
    paired p;
    double adjusted;
    bool decidable; /* paired_decidable() */
} comparison;

typedef struct compare_shown {
    const factor *f;
    const char *metric; /* that is judged by */
    comparison *pairs;
    size_t n_pairs, tested; /* tested: those that have a p, which are adjusted for each other */
    double alpha;
} compare_shown;

void compare_table(const common *c, const compare_shown *s);
void compare_json(const compare_shown *s);

#endif
