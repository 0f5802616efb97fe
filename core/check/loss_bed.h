/* One loss called with every pointer watched. */
#ifndef CHECK_LOSS_BED_H
#define CHECK_LOSS_BED_H

#include "check/guarded.h"
#include "check/specimen.h"
#include "check/verdict.h"
#include "convoy/loss.h"

typedef struct loss_bed {
    arena memory;
    const cvy_descriptor *d;
    const cvy_loss *type;
    const void *config;
    errors e;
    host host;
    cvy_shape shape;
    int64_t count;
    bool labelled; /* class labels; else a target of the output's shape */
    double *y, *target, *gy;
    int32_t *labels;
    double loss, sum, weight; /* sum NaN: the loss is a mean over the samples */
    bool failed, unwanted;    /* unwanted: gy is NULL */
    const char *text;
    bool refused; /* by check() */
} loss_bed;

#define LOSS_BED_SHAPES 6 /* cases: shapes times configurations, by labels where the loss takes them */

/* Case k, its tensors drawn from `id`; false behind the last. A case that check() refuses is opened with `refused`. */
bool loss_bed_open(loss_bed *b, specimen *s, size_t k, bool twin, uint32_t id);
void loss_bed_close(loss_bed *b);
/* Evaluates; tells what was done to memory when v is given. */
void loss_bed_run(loss_bed *b, verdict *v);

#endif
