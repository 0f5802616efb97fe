/* Owns the way from numbers back to colours; must not know which step does what. */
#include "cli/visible.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define NEAR    2e-3 /* of [0, 1]: half of what a byte can tell */
#define OUTSIDE 0.02 /* beyond [0, 1] before it counts as another range */
#define SPREAD  2.5  /* deviations to either side, where a picture is spread by itself */

/* Sums for one channel of x against y. */
typedef struct line {
    double n, x, y, xx, xy, yy;
} line;

static void line_add(line *l, const float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double a = (double)x[i], b = (double)y[i];
        l->n += 1;
        l->x += a;
        l->y += b;
        l->xx += a * a;
        l->xy += a * b;
        l->yy += b * b;
    }
}

/* y = scale x + shift; false when that is not what happened. */
static bool line_fit(const line *l, double *scale, double *shift)
{
    const double mx = l->x / l->n, my = l->y / l->n;
    const double vx = l->xx / l->n - mx * mx, vy = l->yy / l->n - my * my, cov = l->xy / l->n - mx * my;
    *scale = 1;
    *shift = my - mx;
    if (vx < 1e-12) return vy < NEAR * NEAR; /* one colour: only its shift is known */
    *scale = cov / vx;
    *shift = my - *scale * mx;
    return vy - cov * cov / vx < NEAR * NEAR;
}

typedef struct learner {
    const data *d;
    const int64_t *samples;
    size_t n;
    float *before, *after, *scratch;
    double low, high; /* of `after` */
} learner;

/* What step k does to the samples, as a line per channel from after to before; false where it is none. *moved: whether
 * the two can be compared at all. */
static cvy_status learn_step(learner *l, size_t k, line *lines, int64_t *channels, bool *moved, errors *e)
{
    const data *d = l->d;
    memset(lines, 0, VISIBLE_CHANNELS * sizeof *lines);
    *moved = false;
    for (size_t i = 0; i < l->n; i++) {
        data_way way = {.part = DATA_TRAIN, .how = DATA_AS_EVALUATION, .end = k};
        int32_t label;
        const cvy_shape *shapes =
            sizes_of(d, CVY_TRAIN, d->index[DATA_TRAIN][l->samples[i]])->shapes[DATA_AS_EVALUATION];
        cvy_status status = data_read_way(d, &way, l->samples[i], l->before, &label, NULL, l->scratch, e);
        way.end = k + 1;
        if (!status) status = data_read_way(d, &way, l->samples[i], l->after, &label, NULL, l->scratch, e);
        if (status) return status;
        const int64_t count = cvy_count(&shapes[k + 1]), plane = count / shapes[k + 1].dim[0];
        for (int64_t t = 0; t < count; t++) {
            if ((double)l->after[t] < l->low) l->low = (double)l->after[t];
            if ((double)l->after[t] > l->high) l->high = (double)l->after[t];
        }
        if (!sizes_same(&shapes[k], &shapes[k + 1])) continue;
        *moved = true;
        *channels = shapes[k].dim[0];
        for (int64_t c = 0; c < *channels; c++)
            line_add(&lines[c], l->after + c * plane, l->before + c * plane, plane);
    }
    return CVY_OK;
}

static void learn_line(visible *v, const line *lines, int64_t channels, learner *l)
{
    double scale[VISIBLE_CHANNELS], shift[VISIBLE_CHANNELS];
    bool straight = true, same = true;
    for (int64_t c = 0; c < channels; c++) {
        straight = line_fit(&lines[c], &scale[c], &shift[c]) && straight;
        same = same && fabs(scale[c] - 1) < 1e-6 && fabs(shift[c]) < 1e-6;
    }
    if (straight && !same) {
        for (int64_t c = 0; c < channels; c++) {
            v->shift[c] += v->scale[c] * shift[c];
            v->scale[c] *= scale[c];
        }
        v->undone = true;
    } else if (!straight && (l->low < -OUTSIDE || l->high > 1 + OUTSIDE)) {
        v->stretch = true;
    }
}

/* Floats of a range of their own: all samples by the same line, so that they can be compared. */
static cvy_status learn_range(visible *v, learner *l, errors *e)
{
    for (size_t i = 0; i < l->n; i++) {
        const data_way way = {.part = DATA_TRAIN, .how = DATA_AS_EVALUATION, .end = 0};
        int32_t label;
        cvy_status status = data_read_way(l->d, &way, l->samples[i], l->before, &label, NULL, l->scratch, e);
        if (status) return status;
        const int64_t count = cvy_count(&sizes_of(l->d, CVY_TRAIN, l->d->index[DATA_TRAIN][l->samples[i]])
                                             ->shapes[DATA_AS_EVALUATION][0]);
        for (int64_t t = 0; t < count; t++) {
            if ((double)l->before[t] < l->low) l->low = (double)l->before[t];
            if ((double)l->before[t] > l->high) l->high = (double)l->before[t];
        }
    }
    if (l->low >= -OUTSIDE && l->high <= 1 + OUTSIDE) return CVY_OK;
    const double range = l->high - l->low > 0 ? l->high - l->low : 1;
    for (int64_t c = 0; c < VISIBLE_CHANNELS; c++) {
        v->scale[c] = 1 / range;
        v->shift[c] = -l->low / range;
    }
    v->undone = true;
    return CVY_OK;
}

cvy_status visible_learn(visible *v, const data *d, size_t end, const int64_t *samples, size_t n, errors *e)
{
    *v = (visible){0};
    for (int64_t c = 0; c < VISIBLE_CHANNELS; c++) v->scale[c] = 1;
    learner l = {.d = d,
                 .samples = samples,
                 .n = n,
                 .before = mem_array((size_t)d->largest, sizeof(float)),
                 .after = mem_array((size_t)d->largest, sizeof(float)),
                 .scratch = mem_array((size_t)data_scratch(d), sizeof(float)),
                 .low = 0,
                 .high = 1};
    line *lines = mem_array(VISIBLE_CHANNELS, sizeof *lines);
    cvy_status status = learn_range(v, &l, e);
    for (size_t k = 0; k < end && !status; k++) {
        int64_t channels = 0;
        bool moved = false;
        if (!steps_apply(d, k, DATA_AS_EVALUATION)) continue;
        l.low = 0;
        l.high = 1;
        status = learn_step(&l, k, lines, &channels, &moved, e);
        if (!status && moved && channels <= VISIBLE_CHANNELS) learn_line(v, lines, channels, &l);
    }
    mem_free(l.before);
    mem_free(l.after);
    mem_free(l.scratch);
    mem_free(lines);
    return status;
}

uint8_t *visible_picture(const visible *v, const cvy_shape *shape, const float *x)
{
    const int64_t channels = shape->dim[0], plane = shape->dim[1] * shape->dim[2];
    uint8_t *p = mem_array((size_t)plane * 3, 1);
    double mean = 0, squares = 0;
    const double count = (double)(channels * plane);
    for (int64_t i = 0; v->stretch && i < channels * plane; i++) mean += (double)x[i] / count;
    for (int64_t i = 0; v->stretch && i < channels * plane; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean) / count;
    const double deviation = squares > 0 ? sqrt(squares) : 1;
    for (int64_t c = 0; c < 3; c++) {
        const int64_t from = channels == 3 ? c : 0;
        for (int64_t i = 0; i < plane; i++) {
            const double value = (double)x[from * plane + i];
            const double shown = v->stretch                ? 0.5 + (value - mean) / (2 * SPREAD * deviation)
                                 : from < VISIBLE_CHANNELS ? v->scale[from] * value + v->shift[from]
                                                           : value;
            p[c * plane + i] = (uint8_t)(shown > 0 ? shown < 1 ? 255 * shown + 0.5 : 255 : 0);
        }
    }
    return p;
}
