/* What trials came to, on stdout: for people or as JSON. From the journals, so that it needs no database. */
#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

#include "cli/cli.h"
#include "sweep/sweeps.h"

/* The metrics of one run; of several (one configuration, several seeds) also mean and standard deviation. */
void outcome_runs(const common *c, const trial *trials, size_t n, const space_metric *metric);
/* A line per configuration, the best first. */
void outcome_sweep(const common *c, const sweep *w);
/* {"sweep":"s3" | null,"exit_code":0,"metric":{..},"runs":[..]}; `of`: the sweep's name, or NULL; b: where the trials are told of */
void outcome_json(const common *c, const book *b, const trial *trials, size_t n, const space_metric *metric,
                  const char *of, int code);

#endif
