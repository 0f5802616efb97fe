/* What softmax and log_softmax share: the axis, and the columns along it over which the work is split. */
#ifndef SOFTMAX_AXIS_H
#define SOFTMAX_AXIS_H

#include <inttypes.h>

#include "convoy/layer.h"

typedef struct softmax_config {
    int64_t axis;
} softmax_config;

static const cvy_param softmax_params[] = {
    CVY_INT(
        softmax_config, axis, 1, -5, 5,
        "axis along which the numbers compete: 1 is the channels or classes, -1 the last; not 0, the batch"),
    CVY_ALSO("dim"),
};

/* The axis counted from the front, or -1. */
static int softmax_axis_of(const softmax_config *c, const cvy_shape *x)
{
    const int64_t axis = c->axis < 0 ? c->axis + x->rank : c->axis;
    return axis >= 1 && axis < x->rank ? (int)axis : -1;
}

static int softmax_infer(cvy_infer *in, const void *config)
{
    const softmax_config *c = config;
    const cvy_shape *x = &in->in[0];
    if (softmax_axis_of(c, x) < 0)
        return cvy_fail(in,
                        "axis: %" PRId64
                        " is no axis of a sample: the input has rank %d, so it is 1 to %d, or -1 to -%d",
                        c->axis, (int)x->rank, (int)x->rank - 1, (int)x->rank - 1);
    in->out = *x;
    in->traits = CVY_READS_Y | CVY_IN_PLACE;
    return 0;
}

/* The tensor as (outer, length, inner), `length` along the axis. A column is one (outer, inner). */
typedef struct softmax_job {
    const cvy_plain *call;
    int64_t length, inner;
} softmax_job;

#define SOFTMAX_COLUMNS 64 /* at a time, side by side in memory */

/* Calls `some` for runs of columns that lie side by side: `at` is the first element of the first one. */
static inline void softmax_runs(const softmax_job *j, int64_t begin, int64_t end,
                                void (*some)(const softmax_job *j, int64_t at, int n))
{
    for (int64_t column = begin; column < end;) {
        const int64_t outer = column / j->inner, first = column % j->inner;
        int64_t n = j->inner - first < end - column ? j->inner - first : end - column;
        if (n > SOFTMAX_COLUMNS) n = SOFTMAX_COLUMNS;
        some(j, outer * j->length * j->inner + first, (int)n);
        column += n;
    }
}

static inline int softmax_run(const cvy_plain *call, const void *config,
                              void (*part)(void *ctx, int64_t begin, int64_t end))
{
    const cvy_shape *x = call->out;
    const int axis = softmax_axis_of(config, x);
    int64_t columns = 1;
    softmax_job j = {.call = call, .length = x->dim[axis], .inner = 1};
    for (int d = 0; d < x->rank; d++) {
        if (d != axis) columns *= x->dim[d];
        if (d > axis) j.inner *= x->dim[d];
    }
    const int64_t grain = j.length >= 1024 ? 1 : 1024 / (j.length > 0 ? j.length : 1);
    call->host->parallel_for(call->host, columns, grain, part, &j);
    return 0;
}

/* The largest number of each of n columns. NaN need not be found: it comes through the sums. */
static inline void softmax_largest(const softmax_job *j, const cvy_real *x, int n, cvy_real *most)
{
    for (int i = 0; i < n; i++) most[i] = x[i];
    for (int64_t k = 1; k < j->length; k++)
        for (int i = 0; i < n; i++)
            if (x[k * j->inner + i] > most[i]) most[i] = x[k * j->inner + i];
}

#endif
