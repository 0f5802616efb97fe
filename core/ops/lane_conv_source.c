/* Owns the padded copy that the hand-written convolutions read; must not know weights or what is computed. */
#include "ops/lane_conv_source.h"

#define GROUP_PIXELS 128 /* outputs that a copy should hold: a pass over all weights has to be worth it */

conv_source LANE(conv_source_of)(const tensor *t, const int64_t step[2], const int64_t least[2],
                                 const int64_t most[2], int64_t rows, int64_t columns, int64_t budget)
{
    conv_source s = {.v = lane_view_of(t), .plain = t->layout == LAYOUT_PLAIN};
    for (int d = 0; d < 2; d++) {
        s.step[d] = step[d];
        s.first[d] = least[d];
        s.span[d] = most[d] - least[d] + 1;
    }
    s.used_rows = s.span[0] < step[0] ? s.span[0] : step[0];
    s.phases = s.span[1] < step[1] ? s.span[1] : step[1];
    s.direct = !s.plain && step[1] == 1 && least[0] >= 0 && least[1] >= 0 &&
               (rows - 1) * step[0] + most[0] < s.v.h && columns - 1 + most[1] < s.v.w;
    s.width = columns + (s.span[1] - 1) / step[1];
    s.row = s.direct ? s.v.w * LANES : s.phases * s.width * LANES;
    int64_t bytes = s.row * s.v.blocks * (int64_t)sizeof(float); /* of one input row */
    int64_t fit = budget / bytes > s.span[0] ? (budget / bytes - s.span[0]) / step[0] + 1 : 1;
    int64_t strips = (rows + fit - 1) / fit;
    s.strip = (rows + strips - 1) / strips;
    s.group = 1;
    if (strips == 1) {
        int64_t input_rows = (rows - 1) * step[0] + s.span[0], most_samples = budget / (bytes * input_rows);
        s.group = (GROUP_PIXELS + rows * columns - 1) / (rows * columns);
        if (s.group > most_samples) s.group = most_samples;
        if (s.group > s.v.n) s.group = s.v.n;
        if (s.group < 1) s.group = 1;
    }
    s.block = s.direct ? s.v.plane : ((s.strip - 1) * step[0] + s.span[0]) * s.row;
    s.sample = s.direct ? s.v.sample : s.v.blocks * s.block;
    return s;
}

size_t LANE(conv_source_bytes)(const conv_source *s)
{
    return s->direct ? 0 : (size_t)(s->group * s->sample) * sizeof(float);
}

int64_t LANE(conv_source_tap)(const conv_source *s, int64_t row_offset, int64_t column_offset)
{
    if (s->direct) return row_offset * s->row + column_offset * LANES;
    int64_t column = column_offset - s->first[1];
    return (row_offset - s->first[0]) * s->row +
           (column % s->step[1] * s->width + column / s->step[1]) * LANES;
}

/* One row of one block, columns sorted by phase; x is the block's row in the input. */
static void copy_row(const conv_source *s, const float *x, float *to)
{
    for (int64_t p = 0; p < s->phases; p++, to += s->width * LANES) {
        int64_t shift = s->first[1] + p; /* vector i is input column i * step + shift */
        int64_t from = shift < 0 ? (-shift + s->step[1] - 1) / s->step[1] : 0;
        int64_t end = shift < s->v.w ? (s->v.w - 1 - shift) / s->step[1] + 1 : 0;
        if (from > s->width) from = s->width;
        if (end > s->width) end = s->width;
        if (end < from) end = from;
        memset(to, 0, (size_t)(from * LANES) * sizeof *to);
        if (s->step[1] == 1)
            memcpy(to + from * LANES, x + (from + shift) * LANES,
                   (size_t)((end - from) * LANES) * sizeof *to);
        else
            for (int64_t i = from; i < end; i++)
                lane_store(to + i * LANES, lane_load(x + (i * s->step[1] + shift) * LANES));
        memset(to + end * LANES, 0, (size_t)((s->width - end) * LANES) * sizeof *to);
    }
}

/* The same out of a plain input: `lanes` channels, a plane apart. */
static void copy_plain_row(const conv_source *s, const float *x, int64_t lanes, float *to)
{
    memset(to, 0, (size_t)s->row * sizeof *to);
    for (int64_t l = 0; l < lanes; l++, x += s->v.pixels)
        for (int64_t p = 0; p < s->phases; p++) {
            int64_t shift = s->first[1] + p;
            float *at = to + p * s->width * LANES + l;
            for (int64_t i = 0; i < s->width; i++) {
                int64_t column = i * s->step[1] + shift;
                if (column >= 0 && column < s->v.w) at[i * LANES] = x[column];
            }
        }
}

const float *LANE(conv_source_fill)(const conv_source *s, const float *x, float *copy, int64_t n0,
                                    int64_t samples, int64_t r0, int64_t rows, int64_t b0, int64_t b1)
{
    const lane_view *v = &s->v;
    if (s->direct) return x + n0 * v->sample + r0 * s->step[0] * s->row;
    int64_t input_rows = (rows - 1) * s->step[0] + s->span[0];
    for (int64_t n = 0; n < samples; n++)
        for (int64_t b = b0; b < b1; b++)
            for (int64_t i = 0; i < input_rows; i++) {
                if (i % s->step[0] >= s->used_rows)
                    continue; /* between the taps of a stride wider than the kernel */
                int64_t row = r0 * s->step[0] + s->first[0] + i;
                float *to = copy + n * s->sample + b * s->block + i * s->row;
                if (row < 0 || row >= v->h)
                    memset(to, 0, (size_t)s->row * sizeof *to);
                else if (s->plain)
                    copy_plain_row(s, x + ((n0 + n) * v->c + b * LANES) * v->pixels + row * v->w,
                                   lane_view_lanes(v, b), to);
                else
                    copy_row(s, x + (n0 + n) * v->sample + b * v->plane + row * v->w * LANES, to);
            }
    return copy;
}
