/* Owns the scaling of pictures: bilinear, and where it shrinks a triangle as wide as the step, so that every pixel counts. Must
 * not know files. The same as PIL's BILINEAR and interpolate(mode="bilinear", antialias=True). */
#include "image/image.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* What one axis of the result is made of: element k is the sum of weight[k * room + j] * x[first[k] + j], j < n[k]. */
typedef struct resize_axis {
    int64_t *first, *n, room;
    float *weight;
} resize_axis;

static void resize_free(resize_axis *a)
{
    mem_free(a->first);
    mem_free(a->n);
    mem_free(a->weight);
}

static bool resize_plan(resize_axis *a, int64_t from, int64_t to)
{
    const double scale = (double)from / (double)to, reach = scale > 1 ? scale : 1;
    size_t count;
    *a = (resize_axis){.room = (int64_t)ceil(reach) * 2 + 1};
    if (!size_mul((size_t)to, (size_t)a->room, &count)) return false;
    a->first = mem_try((size_t)to, sizeof *a->first);
    a->n = mem_try((size_t)to, sizeof *a->n);
    a->weight = mem_try(count, sizeof *a->weight);
    if (!a->first || !a->n || !a->weight) return false;
    for (int64_t k = 0; k < to; k++) {
        const double centre = ((double)k + 0.5) * scale;
        int64_t first = (int64_t)(centre - reach + 0.5), end = (int64_t)(centre + reach + 0.5);
        if (centre - reach + 0.5 < 0) first = 0;
        if (end > from) end = from;
        if (end - first > a->room) end = first + a->room;
        float *w = a->weight + k * a->room;
        double sum = 0;
        for (int64_t j = first; j < end; j++) {
            const double far = fabs(((double)j - centre + 0.5) / reach);
            sum += far < 1 ? 1 - far : 0;
        }
        for (int64_t j = first; j < end; j++) {
            const double far = fabs(((double)j - centre + 0.5) / reach);
            w[j - first] = (float)((far < 1 ? 1 - far : 0) / sum);
        }
        a->first[k] = first;
        a->n[k] = end - first;
    }
    return true;
}

/* One row to its new width. */
static void resize_row(const resize_axis *a, const float *x, float *y, int64_t to)
{
    for (int64_t k = 0; k < to; k++) {
        const float *w = a->weight + k * a->room, *p = x + a->first[k];
        float sum = 0;
        for (int64_t j = 0; j < a->n[k]; j++) sum += w[j] * p[j];
        y[k] = sum;
    }
}

/* Rows of one width to one row of the new height. */
static void resize_column(const resize_axis *a, int64_t k, const float *x, int64_t width, float *y)
{
    const float *w = a->weight + k * a->room;
    memset(y, 0, (size_t)width * sizeof *y);
    for (int64_t j = 0; j < a->n[k]; j++) {
        const float *row = x + (a->first[k] + j) * width, by = w[j];
        for (int64_t i = 0; i < width; i++) y[i] += by * row[i];
    }
}

cvy_status image_resize(int64_t planes, const float *x, int64_t h, int64_t w, float *y, int64_t h2,
                        int64_t w2, errors *e)
{
    int64_t bytes;
    if (planes < 1 || h < 1 || w < 1 || h2 < 1 || w2 < 1 || h > INT32_MAX || w > INT32_MAX ||
        h2 > INT32_MAX || w2 > INT32_MAX || __builtin_mul_overflow(h, w2, &bytes))
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%lld x %lld pixels cannot become %lld x %lld",
                          (long long)h, (long long)w, (long long)h2, (long long)w2);
    resize_axis rows = {0}, columns = {0};
    float *between = mem_try((size_t)bytes, sizeof *between); /* (h, w2) */
    cvy_status status = CVY_OK;
    if (!between || !resize_plan(&columns, w, w2) || !resize_plan(&rows, h, h2))
        status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL,
                            "not enough memory to scale a picture of %lld x %lld pixels", (long long)h,
                            (long long)w);
    for (int64_t p = 0; p < planes && !status; p++) {
        for (int64_t i = 0; i < h; i++) {
            if (w == w2)
                memcpy(between + i * w2, x + (p * h + i) * w, (size_t)w * sizeof *x);
            else
                resize_row(&columns, x + (p * h + i) * w, between + i * w2, w2);
        }
        for (int64_t k = 0; k < h2; k++) resize_column(&rows, k, between, w2, y + (p * h2 + k) * w2);
    }
    resize_free(&rows);
    resize_free(&columns);
    mem_free(between);
    return status;
}
