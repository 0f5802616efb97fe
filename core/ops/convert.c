/* Owns the change of a tensor's layout, any to any; must not know why it is wanted.
 *
 *   plain   c: |p0 p1 p2 ...|      blocked   p: |c0 c1 ... c15|
 *
 * One channel block of one sample is a matrix of b channels by H*W pixels, and the conversion its transpose,
 * done in tiles of 4 x 4 in registers. From block to block only half a pixel moves (c16 <-> c8). The lanes
 * beyond C are written as zeros. */
#include "ops/reference.h"

#include <string.h>
#include "base/parallel.h"
#include "ops/quad.h"

typedef struct job {
    const char *x;
    char *y;
    int64_t n, c, plane;
    int64_t from, to; /* blocks */
    int64_t element;
} job;

/* Four rows of four, `from` and `to` floats apart, transposed. */
static void transpose4(const float *x, int64_t from, float *y, int64_t to)
{
    quad_transpose(quad_load(x), quad_load(x + from), quad_load(x + 2 * from), quad_load(x + 3 * from), y,
                   to);
}

/* x: `rows` rows of `columns` floats, row stride `from`; y: its transpose, row stride `to`. The side whose
 * rows lie far apart is gone through by whole cache lines: its lines all fall into few sets of the cache and
 * would drive each other out half done. */
static void transpose(const float *x, int64_t from, float *y, int64_t to, int64_t rows, int64_t columns)
{
    int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
    for (int64_t i0 = 0; i0 < whole_rows; i0 += 16)
        for (int64_t j0 = 0; j0 < whole_columns; j0 += 16) {
            int64_t i1 = i0 + 16 < whole_rows ? i0 + 16 : whole_rows;
            int64_t j1 = j0 + 16 < whole_columns ? j0 + 16 : whole_columns;
            if (from > to)
                for (int64_t i = i0; i < i1; i += 4)
                    for (int64_t j = j0; j < j1; j += 4)
                        transpose4(x + i * from + j, from, y + j * to + i, to);
            else
                for (int64_t j = j0; j < j1; j += 4)
                    for (int64_t i = i0; i < i1; i += 4)
                        transpose4(x + i * from + j, from, y + j * to + i, to);
        }
    for (int64_t i = whole_rows; i < rows; i++)
        for (int64_t j = 0; j < whole_columns; j++) y[j * to + i] = x[i * from + j];
    for (int64_t j = whole_columns; j < columns; j++)
        for (int64_t i = 0; i < rows; i++) y[j * to + i] = x[i * from + j];
}

static int64_t blocks_of(int64_t c, int64_t block)
{
    return (c + block - 1) / block;
}

/* One unit is one sample's channels [c0, c0 + unit), unit being the larger of the two blocks. */
static void floats_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    const float *x = (const float *)(const void *)b->x;
    float *y = (float *)(void *)b->y;
    int64_t unit = b->from > b->to ? b->from : b->to, units = blocks_of(b->c, unit);
    for (int64_t at = begin; at < end; at++) {
        int64_t n = at / units, c0 = at % units * unit, c = b->c - c0 < unit ? b->c - c0 : unit;
        if (b->from == 1) {
            float *to = y + (n * units * unit + c0) * b->plane;
            if (c < unit) memset(to, 0, (size_t)(unit * b->plane) * sizeof *to);
            transpose(x + (n * b->c + c0) * b->plane, b->plane, to, unit, c, b->plane);
        } else if (b->to == 1) {
            transpose(x + (n * units * unit + c0) * b->plane, unit, y + (n * b->c + c0) * b->plane, b->plane,
                      b->plane, c);
        } else { /* c8 <-> c16: the second half of a 16-block may not exist as an 8-block */
            int64_t small = b->from < b->to ? b->from : b->to, have = blocks_of(b->c, small);
            size_t bytes = (size_t)small * sizeof *x;
            for (int64_t half = 0; half < unit / small; half++) {
                int64_t big_at = (n * units * unit + c0) * b->plane + half * small;
                int64_t small_at = (n * have + c0 / small + half) * small * b->plane;
                bool exists = c0 / small + half < have;
                for (int64_t i = 0; i < b->plane; i++) {
                    if (b->to == unit && exists)
                        memcpy(y + big_at + i * unit, x + small_at + i * small, bytes);
                    else if (b->to == unit)
                        memset(y + big_at + i * unit, 0, bytes);
                    else if (exists)
                        memcpy(y + small_at + i * small, x + big_at + i * unit, bytes);
                }
            }
        }
    }
}

/* Elements of any size, one by one: pooling indices, which nobody converts in a hot place. */
static void elements_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    size_t size = (size_t)b->element;
    int64_t from = blocks_of(b->c, b->from) * b->from, to = blocks_of(b->c, b->to) * b->to;
    for (int64_t n = begin; n < end; n++) {
        memset(b->y + n * to * b->plane * b->element, 0, (size_t)(to * b->plane) * size);
        for (int64_t c = 0; c < b->c; c++)
            for (int64_t i = 0; i < b->plane; i++) {
                int64_t source = (n * from + c / b->from * b->from) * b->plane + i * b->from + c % b->from;
                int64_t target = (n * to + c / b->to * b->to) * b->plane + i * b->to + c % b->to;
                memcpy(b->y + target * b->element, b->x + source * b->element, size);
            }
    }
}

static void copy_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    memcpy(b->y + begin, b->x + begin, (size_t)(end - begin));
}

static void run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    reference_view v = reference_view_of(&o->in[0]);
    job b = {.x = a->in[0],
             .y = a->out[0],
             .n = v.n,
             .c = v.c,
             .plane = v.plane,
             .from = layout_block(o->in[0].layout),
             .to = layout_block(o->out[0].layout),
             .element = o->in[0].element};
    int64_t unit = b.from > b.to ? b.from : b.to;
    if (b.from == b.to)
        parallel_for((int64_t)tensor_bytes(&o->in[0]), 1 << 14, copy_part, &b);
    else if (b.element == sizeof(float))
        parallel_for(b.n * blocks_of(b.c, unit), 1, floats_part, &b);
    else
        parallel_for(b.n, 1, elements_part, &b);
}

/* Every ordered pair of layouts that the shape allows. */
static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    for (layout from = 0; from < LAYOUT_COUNT; from++)
        for (layout to = 0; to < LAYOUT_COUNT; to++) {
            if (from == to || !layout_fits(from, &o->in[0].shape) || !layout_fits(to, &o->out[0].shape))
                continue;
            if (k-- > 0) continue;
            tensor x = o->in[0], y = o->out[0];
            x.layout = in[0] = from;
            y.layout = out[0] = to;
            return cost_bytes(m, 1.3 * (double)(tensor_bytes(&x) + tensor_bytes(&y)));
        }
    return -1;
}

const kernel convert_kernel = {
    .name = "reference", .type = OP_CONVERT, .in_place = -1, .offer = offer, .run = run};
