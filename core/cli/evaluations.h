/* What was measured of trained runs, written down in the results folder: so that the database has it, and has it again
 * when it is made anew. */
#ifndef CLI_EVALUATIONS_H
#define CLI_EVALUATIONS_H

#include "cli/eval_show.h"
#include "cli/trained.h"

/* Each run that could be measured, and the ensemble of them. `of`: what was set. A results folder that may not be written
 * is a warning. */
void evaluations_keep(const char *results, const eval_result *r, const trained_options *of, errors *e);

#endif
