/* How long an experiment takes, from a few of its steps: what a dry run tells before a night is spent. */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include "train/setup.h"

typedef struct probe {
    double start_seconds;      /* until the first step */
    double step_seconds;       /* of an update */
    double evaluation_seconds; /* of a sample */
} probe;

/* Trains for about `seconds`, on weights that nobody keeps. False after reporting. */
bool probe_measure(const setup *s, double seconds, probe *out, errors *e);

#endif
