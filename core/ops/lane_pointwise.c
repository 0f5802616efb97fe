/* Owns sums and dropout as vectors; must not know shapes beyond the number of elements, except in dropout, whose
 * mask counts elements in NCHW order.
 *
 * Sums keep the zeros beyond C as they are, so they run over a tensor of any layout as one row of floats. */
#include "base/parallel.h"
#include "ops/dropout.h"
#include "ops/kernel.h"
#include "ops/lane_parts.h"
#include "ops/lane_view.h"

#define GRAIN 4096 /* elements: below, a second thread costs more than it saves */

typedef struct row_job {
    float *y;
    void *const *in;
    int n_in;
} row_job;

static int64_t whole(int64_t begin, int64_t end)
{
    return begin + (end - begin) / LANES * LANES;
}

/* ---- sum
 * ---------------------------------------------------------------------------------------------------------
 */

/* Every element is summed before it is stored, so y may lie on any operand, also on one that comes twice. */
static void add_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const row_job *j = ctx;
    const float *first = j->in[0], *second = j->in[j->n_in > 1];
    float *y = j->y;
    int64_t i = begin, stop = whole(begin, end);
    if (j->n_in == 1 && y == first) return;
    if (j->n_in == 2)
        for (; i < stop; i += LANES) lane_store(y + i, lane_load(first + i) + lane_load(second + i));
    for (; i < stop; i += LANES) {
        lane sum = lane_load(first + i);
        for (int k = 1; k < j->n_in; k++) sum += lane_load((const float *)j->in[k] + i);
        lane_store(y + i, sum);
    }
    for (; i < end; i++) {
        float sum = first[i];
        for (int k = 1; k < j->n_in; k++) sum += ((const float *)j->in[k])[i];
        y[i] = sum;
    }
}

static void add_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    row_job j = {.in = a->in, .n_in = o->n_in, .y = a->out[0]};
    parallel_for(tensor_elements(&o->in[0]), GRAIN, add_part, &j);
}

/* ---- dropout ---- */

typedef struct dropout_job {
    lane_view v;
    const float *x;
    float *y;
    dropout_mask mask;
    int64_t first_sample;
} dropout_job;

typedef uint32_t lane_bits __attribute__((vector_size(LANES * 4)));

/* The upper and the lower halves of a times m, lane by lane. */
LANE_INLINE void multiply(lane_bits a, uint32_t m, lane_bits *high, lane_bits *low)
{
#if LANE_LEVEL == LANE_avx512
    __m512i f = _mm512_set1_epi32((int)m), even = _mm512_mul_epu32((__m512i)a, f);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), f);
    *high = (lane_bits)_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xAAAA, odd);
    *low = (lane_bits)_mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64(odd, 32));
#elif LANE_LEVEL == LANE_avx2
    __m256i f = _mm256_set1_epi32((int)m), even = _mm256_mul_epu32((__m256i)a, f);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), f);
    *high = (lane_bits)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    *low = (lane_bits)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
#else
    for (int l = 0; l < LANES; l++) {
        uint64_t p = (uint64_t)a[l] * m;
        (*high)[l] = (uint32_t)(p >> 32);
        (*low)[l] = (uint32_t)p;
    }
#endif
}

/* philox_block() for LANES counters at once: r[i] is word i of every block. */
LANE_INLINE void draw(const dropout_mask *m, lane_bits c0, uint32_t sample, lane_bits r[4])
{
    lane_bits a = c0, b = (lane_bits){0} + sample, c = (lane_bits){0} + m->step_lo,
              d = (lane_bits){0} + m->step_hi;
    uint32_t k0 = m->key.k[0], k1 = m->key.k[1];
    for (int round = 0; round < 10; round++) {
        lane_bits high_a, low_a, high_c, low_c;
        multiply(a, 0xD2511F53u, &high_a, &low_a);
        multiply(c, 0xCD9E8D57u, &high_c, &low_c);
        a = high_c ^ b ^ k0;
        c = high_a ^ d ^ k1;
        b = low_c;
        d = low_a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    r[0] = a;
    r[1] = b;
    r[2] = c;
    r[3] = d;
}

/* Both sides are below 2^24, so they compare as signed numbers. */
LANE_INLINE void drop(const dropout_job *j, lane_bits r, int64_t at)
{
    lane_mask kept = (lane_mask)(r >> 8) >= (lane_mask){0} + (int32_t)j->mask.threshold;
    lane factor = (lane)(kept & (lane_mask)lane_all(j->mask.scale));
    lane_store(j->y + at, lane_load(j->x + at) * factor);
}

static void dropout_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const dropout_job *j = ctx;
    const lane_view *v = &j->v;
    lane_bits r[4];
    for (int64_t at = begin; at < end; at++) {
        uint32_t sample = (uint32_t)(j->first_sample + at / v->blocks);
        int64_t base = at * v->plane, channel = at % v->blocks * LANES;
        lane_bits quad, rest; /* where the lanes' planes begin: element 4 quad + rest */
        for (int l = 0; l < LANES; l++) {
            quad[l] = (uint32_t)((channel + l) * v->pixels / 4);
            rest[l] = (uint32_t)((channel + l) * v->pixels % 4);
        }
        if (v->pixels % 4 == 0) { /* four numbers are four pixels of one channel, in every lane alike */
            for (int64_t i = 0; i < v->pixels; i += 4) {
                draw(&j->mask, quad + (uint32_t)(i / 4), sample, r);
                for (int k = 0; k < 4; k++) drop(j, r[k], base + (i + k) * LANES);
            }
            continue;
        }
        for (int64_t i = 0; i < v->pixels;
             i++) { /* the lanes stand at different places of their four numbers */
            lane_bits spot = rest + (uint32_t)i, word = spot & 3u;
            draw(&j->mask, quad + (spot >> 2), sample, r);
            lane_bits low = (lane_bits)lane_where((lane_mask)(word == 0u), (lane)r[0], (lane)r[1]);
            lane_bits high = (lane_bits)lane_where((lane_mask)(word == 2u), (lane)r[2], (lane)r[3]);
            drop(j, (lane_bits)lane_where((lane_mask)(word < 2u), (lane)low, (lane)high), base + i * LANES);
        }
    }
}

static void dropout_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    dropout_job j = {.v = lane_view_of(&o->in[0]),
                     .x = a->in[0],
                     .y = a->out[0],
                     .mask = dropout_open(o->attr.key, o->attr.dropout.p, a->step),
                     .first_sample = a->first_sample};
    parallel_for(j.v.n * j.v.blocks, lane_parts_grain(j.v.pixels), dropout_part, &j);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k == 0) return offer_uniform(o, m, o->in[0].shape.rank == 4 ? LANE_LAYOUT : LAYOUT_PLAIN, 1, in, out);
    return k == 1 && o->in[0].shape.rank == 4 ? offer_uniform(o, m, LAYOUT_PLAIN, 1, in, out) : -1;
}

static double dropout_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0) return -1;
    bool fours = o->in[0].shape.rank == 4 && o->in[0].shape.dim[2] * o->in[0].shape.dim[3] % 4 == 0;
    return offer_uniform(o, m, LANE_LAYOUT, fours ? 2 : 7, in, out);
}

const kernel LANE(lane_add) = {
    .name = "lanes", .type = OP_ADD, .in_place = 0, .offer = offer, .run = add_run};
const kernel LANE(lane_dropout) = {
    .name = "lanes", .type = OP_DROPOUT, .in_place = 0, .offer = dropout_offer, .run = dropout_run};
