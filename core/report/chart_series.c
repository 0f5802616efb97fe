/* Owns how a metric of one run becomes a curve over epochs, steps, images or time; must not know what is drawn of it. */
#include "report/chart_series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double seconds_at(const query_curve *seconds, int64_t step)
{
    double sum = 0;
    for (size_t i = 0; i < seconds->n; i++) {
        if (seconds->points[i].step <= step) {
            sum += isfinite(seconds->points[i].value) ? seconds->points[i].value : 0;
        } else { /* within an epoch: its share */
            const int64_t start = i ? seconds->points[i - 1].step : 0;
            const double whole = (double)(seconds->points[i].step - start);
            if (step > start && whole > 0) sum += seconds->points[i].value * (double)(step - start) / whole;
            break;
        }
    }
    return sum;
}

static double batch_size(series_source *from, const char *run)
{
    query_pairs params;
    if (query_params(from->s, run, from->a, &params, from->e) != CVY_OK) return 1;
    for (size_t i = 0; i < params.n; i++)
        if (!strcmp(params.items[i].key, "train.batch_size")) return strtod(params.items[i].value, NULL);
    return 128;
}

/* The epoch at a step, from where epochs ended. */
static double epoch_at(const query_curve *epochs, const query_point *at)
{
    if (!epochs->n) return (double)at->epoch;
    const query_point *last = &epochs->points[epochs->n - 1];
    return last->step > 0 && last->epoch > 0 ? (double)at->step * (double)last->epoch / (double)last->step
                                             : (double)at->epoch;
}

/* Any of the run's metrics that has a value each epoch. */
static cvy_status epochs_of(series_source *from, const char *run, query_curve *out)
{
    query_curve *all;
    size_t n = 0;
    cvy_status status = query_curves(from->s, run, QUERY_EPOCH, from->a, &all, &n, from->e);
    *out = n ? all[0] : (query_curve){0};
    return status;
}

cvy_status chart_series_read(series_source *from, const char *run, const char *metric, double unit,
                             series *out)
{
    query_curve c, finer = {0}, epochs = {0}, seconds = {0};
    *out = (series){0};
    cvy_status status = query_curve_of(from->s, run, QUERY_EPOCH, metric, from->a, &c, from->e);
    if (status == CVY_OK && (!c.n || from->x == CHART_X_STEP))
        status = query_curve_of(from->s, run, QUERY_STEP, metric, from->a, &finer, from->e);
    const bool within = finer.n > c.n;
    if (within) c = finer;
    if (status == CVY_OK && !c.n)
        status = query_curve_of(from->s, run, QUERY_MEASURED, metric, from->a, &c, from->e);
    if (status == CVY_OK && c.n && within && from->x == CHART_X_EPOCH) status = epochs_of(from, run, &epochs);
    if (status == CVY_OK && c.n && from->x == CHART_X_TIME)
        status = query_curve_of(from->s, run, QUERY_MEASURED, "seconds", from->a, &seconds, from->e);
    if (status != CVY_OK || !c.n) return status;
    const double batch = from->x == CHART_X_IMAGES ? batch_size(from, run) : 1;
    out->items = arena_array(from->a, c.n + 1, sizeof *out->items);
    for (size_t i = 0; i < c.n; i++) {
        const query_point *at = &c.points[i];
        double x = (double)at->step * batch;
        if (from->x == CHART_X_EPOCH) x = within ? epoch_at(&epochs, at) : (double)at->epoch;
        if (from->x == CHART_X_TIME) x = seconds_at(&seconds, at->step) / from->time_unit;
        if (!isfinite(at->value)) from->skipped++;
        out->items[out->n++] = (series_sample){at->step, x, unit * at->value};
    }
    return status;
}

void chart_series_smooth(const series *from, double weight, arena *a, series *to)
{
    double mean = 0, power = 1;
    to->n = from->n;
    to->items = arena_array(a, from->n + 1, sizeof *to->items);
    for (size_t i = 0; i < from->n; i++) {
        to->items[i] = from->items[i];
        if (!isfinite(from->items[i].y)) continue;
        mean = weight * mean + (1 - weight) * from->items[i].y;
        power *= weight;
        to->items[i].y = mean / (1 - power);
    }
}

double chart_series_time_unit(const query_run *runs, size_t n)
{
    double longest = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(runs[i].seconds)) longest = fmax(longest, runs[i].seconds);
    return longest > 3 * 3600 ? 3600 : longest > 300 ? 60 : 1;
}
