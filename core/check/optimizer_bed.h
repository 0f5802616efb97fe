/* One optimizer updating one weight tensor with every pointer watched. */
#ifndef CHECK_OPTIMIZER_BED_H
#define CHECK_OPTIMIZER_BED_H

#include "check/guarded.h"
#include "check/specimen.h"
#include "check/verdict.h"
#include "convoy/optimizer.h"

#define OPTIMIZER_BED_N 37 /* elements */

typedef struct optimizer_bed {
    const cvy_descriptor *d;
    const cvy_optimizer *type;
    const void *config;
    errors e;
    host host;
    int n_slots;
    int64_t n, step; /* steps taken */
    double w[OPTIMIZER_BED_N], slots[CVY_MAX_SLOTS][OPTIMIZER_BED_N];
    double factor;
    bool failed;
} optimizer_bed;

/* False when the configuration's slots cannot be. */
bool optimizer_bed_open(optimizer_bed *b, const specimen *s, const specimen_config *c, bool twin,
                        uint32_t id);
void optimizer_bed_close(optimizer_bed *b);
/* One update with gradient g; in `pieces` calls. Tells breaches when v is given. */
void optimizer_bed_step(optimizer_bed *b, const double *g, int pieces, verdict *v);
/* Gradient of the step, a function of (id, step). */
void optimizer_bed_gradient(uint32_t id, int64_t step, double *g);
/* The first difference of weights and slots; tells it as `what`. */
bool optimizer_bed_same(const optimizer_bed *found, const optimizer_bed *expected, double tolerance,
                        verdict *v, const char *what);

#endif
