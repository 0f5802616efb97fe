/* Owns the way from volumes to maps of slices and back; must not know what is computed with them. */
#include "ops/volume_slices.h"

#include "base/parallel.h"
#include "ops/quad.h"

#define MOST_BLOCK 16

typedef struct job {
    const volume_slices *v;
    int64_t block, blocks; /* channels of a block; blocks of a map */
    const float *from, *zeros;
    float *to;
} job;

volume_slices volume_slices_own(int64_t channels, int64_t depth, int64_t plane)
{
    return (volume_slices){.channels = channels,
                           .depth = depth,
                           .plane = plane,
                           .places = depth,
                           .taps = 1,
                           .stride = 1,
                           .dilation = 1};
}

int64_t volume_slices_floats(const volume_slices *v, int64_t block)
{
    int64_t n;
    if (__builtin_mul_overflow(v->channels, v->taps, &n) || __builtin_add_overflow(n, block - 1, &n))
        return -1;
    n = n / block * block;
    if (__builtin_mul_overflow(n, v->places, &n) || __builtin_mul_overflow(n, v->plane, &n)) return -1;
    return n;
}

static job job_of(const volume_slices *v, int64_t block)
{
    return (job){.v = v, .block = block, .blocks = (v->channels * v->taps + block - 1) / block};
}

/* The slice that tap k meets at place z; -1: none. */
static int64_t slice_of(const volume_slices *v, int64_t z, int64_t k)
{
    int64_t at = z * v->stride + (v->flip ? v->taps - 1 - k : k) * v->dilation - v->before;
    return at >= 0 && at < v->depth ? at : -1;
}

/* ---- open ---- */

/* Rows of `plane` floats into pixels of `block` channels. */
static void interleave(const float *const *rows, int64_t block, int64_t plane, float *to)
{
    int64_t whole = plane / 4 * 4;
    for (int64_t i = 0; i < whole; i += 4)
        for (int64_t l = 0; l < block; l += 4)
            quad_transpose(quad_load(rows[l] + i), quad_load(rows[l + 1] + i), quad_load(rows[l + 2] + i),
                           quad_load(rows[l + 3] + i), to + i * block + l, block);
    for (int64_t i = whole; i < plane; i++)
        for (int64_t l = 0; l < block; l++) to[i * block + l] = rows[l][i];
}

static void open_part(void *ctx, int64_t begin, int64_t end, int thread) /* blocks of maps */
{
    (void)thread;
    const job *j = ctx;
    const volume_slices *v = j->v;
    const float *rows[MOST_BLOCK];
    for (int64_t i = begin; i < end; i++) {
        int64_t map = i / j->blocks, n = map / v->places, z = map % v->places;
        int64_t first = i % j->blocks * j->block;
        for (int64_t l = 0; l < j->block; l++) {
            int64_t c = (first + l) / v->taps;
            int64_t d = c < v->channels ? slice_of(v, z, (first + l) % v->taps) : -1;
            rows[l] = d < 0 ? j->zeros : j->from + ((n * v->channels + c) * v->depth + d) * v->plane;
        }
        float *to = j->to + i * j->block * v->plane;
        if (j->block == 1)
            memcpy(to, rows[0], (size_t)v->plane * sizeof *to);
        else
            interleave(rows, j->block, v->plane, to);
    }
}

void volume_slices_open(const volume_slices *v, int64_t n, int64_t block, const float *x, const float *zeros,
                        float *maps)
{
    job j = job_of(v, block);
    j.from = x;
    j.zeros = zeros;
    j.to = maps;
    parallel_for(n * v->places * j.blocks, 1, open_part, &j);
}

/* ---- close ---- */

/* Pixels of `block` channels into `rows` rows of `plane` floats, `step` apart. */
static void deinterleave(const float *from, int64_t block, int64_t plane, float *to, int64_t step,
                         int64_t rows)
{
    int64_t whole = plane / 4 * 4, l = 0;
    for (; l + 4 <= rows; l += 4)
        for (int64_t i = 0; i < whole; i += 4) {
            const float *at = from + i * block + l;
            quad_transpose(quad_load(at), quad_load(at + block), quad_load(at + 2 * block),
                           quad_load(at + 3 * block), to + l * step + i, step);
        }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = r < l ? whole : 0; i < plane; i++) to[r * step + i] = from[i * block + r];
}

/* Maps (n, z) of channels become rows (n, channel, z). */
static void close_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *j = ctx;
    const volume_slices *v = j->v;
    int64_t channels = v->channels * v->taps, step = v->places * v->plane;
    for (int64_t i = begin; i < end; i++) {
        int64_t map = i / j->blocks, n = map / v->places, z = map % v->places;
        int64_t first = i % j->blocks * j->block;
        int64_t rows = channels - first < j->block ? channels - first : j->block;
        const float *from = j->from + i * j->block * v->plane;
        float *to = j->to + (n * channels + first) * step + z * v->plane;
        if (j->block == 1)
            memcpy(to, from, (size_t)v->plane * sizeof *to);
        else
            deinterleave(from, j->block, v->plane, to, step, rows);
    }
}

void volume_slices_close(const volume_slices *v, int64_t n, int64_t block, const float *maps, float *x)
{
    job j = job_of(v, block);
    j.from = maps;
    j.to = x;
    parallel_for(n * v->places * j.blocks, 1, close_part, &j);
}

/* ---- fold ---- */

/* Channels (n, c) of the volume: row (c, k, z) of the maps, wherever it lies, is added to the slice that it met. */
static void fold_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *j = ctx;
    const volume_slices *v = j->v;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / v->channels, c = i % v->channels;
        float *x = j->to + i * v->depth * v->plane;
        memset(x, 0, (size_t)(v->depth * v->plane) * sizeof *x);
        for (int64_t k = 0; k < v->taps; k++)
            for (int64_t z = 0; z < v->places; z++) {
                int64_t d = slice_of(v, z, k);
                if (d < 0) continue;
                /* plain maps are (n, z, c, k), closed ones (n, c, k, z) */
                int64_t row = j->block == 1 ? ((n * v->places + z) * v->channels + c) * v->taps + k
                                            : (i * v->taps + k) * v->places + z;
                const float *from = j->from + row * v->plane;
                float *to = x + d * v->plane;
                for (int64_t e = 0; e < v->plane; e++) to[e] += from[e];
            }
    }
}

void volume_slices_fold(const volume_slices *v, int64_t n, int64_t block, const float *maps, float *rows,
                        float *x)
{
    job j = job_of(v, block);
    j.from = maps;
    j.to = x;
    if (block > 1) {
        volume_slices_close(v, n, block, maps, rows);
        j.from = rows;
    }
    parallel_for(n * v->channels, 1, fold_part, &j);
}
