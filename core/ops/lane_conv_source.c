/* Owns the padded copy that the hand-written convolutions read; must not know weights or what is computed. */
#include "ops/lane_conv_source.h"

#define GROUP_PIXELS 128 /* outputs that a copy should hold: a pass over all weights has to be worth it */

conv_source LANE(conv_source_of)(const tensor *t, const int64_t step[2], const int64_t least[2],
                                 const int64_t most[2], int64_t rows, int64_t columns, int64_t budget,
                                 int64_t multiple, bool through)
{
    const int64_t *dim = t->shape.dim;
    conv_source s = {.n = dim[0], .c = dim[1], .h = dim[2], .w = dim[3], .unit = layout_block(t->layout)};
    s.blocks = (s.c + s.unit - 1) / s.unit;
    for (int d = 0; d < 2; d++) {
        s.step[d] = step[d];
        s.first[d] = least[d];
        s.span[d] = most[d] - least[d] + 1;
    }
    s.used_rows = s.span[0] < step[0] ? s.span[0] : step[0];
    s.phases = s.span[1] < step[1] ? s.span[1] : step[1];
    s.direct = !through && step[1] == 1 && least[0] >= 0 && least[1] >= 0 &&
               (rows - 1) * step[0] + most[0] < s.h && columns - 1 + most[1] < s.w;
    s.width = columns + (s.span[1] - 1) / step[1];
    s.row = (s.direct ? s.w : s.phases * s.width) * s.unit;
    int64_t bytes = s.row * s.blocks * (int64_t)sizeof(float); /* of one input row */
    int64_t fit = budget / bytes > s.span[0] ? (budget / bytes - s.span[0]) / step[0] + 1 : 1;
    int64_t strips = (rows + fit - 1) / fit;
    s.strip = (rows + strips - 1) / strips;
    s.group = 1;
    if (strips == 1) {
        int64_t most_samples = budget / (bytes * ((rows - 1) * step[0] + s.span[0]));
        s.group = (GROUP_PIXELS + rows * columns - 1) / (rows * columns);
        s.group = (s.group + multiple - 1) / multiple * multiple;
        if (s.group > most_samples)
            s.group = most_samples < multiple ? most_samples : most_samples / multiple * multiple;
        if (s.group > s.n) s.group = s.n;
        if (s.group < 1) s.group = 1;
    }
    s.block = s.direct ? s.h * s.row : ((s.strip - 1) * step[0] + s.span[0]) * s.row;
    s.sample = s.blocks * s.block;
    return s;
}

size_t LANE(conv_source_bytes)(const conv_source *s)
{
    return s->direct ? 0 : (size_t)(s->group * s->sample) * sizeof(float);
}

int64_t LANE(conv_source_tap)(const conv_source *s, int64_t row_offset, int64_t column_offset)
{
    if (s->direct) return row_offset * s->row + column_offset * s->unit;
    int64_t column = column_offset - s->first[1];
    return (row_offset - s->first[0]) * s->row +
           (column % s->step[1] * s->width + column / s->step[1]) * s->unit;
}

/* The part [from, end) of a phase's pixels that the input has; pixel i is input column i * step + *shift. */
static void columns_of(const conv_source *s, int64_t phase, int64_t *shift, int64_t *from, int64_t *end)
{
    *shift = s->first[1] + phase;
    *from = *shift < 0 ? (-*shift + s->step[1] - 1) / s->step[1] : 0;
    *end = *shift < s->w ? (s->w - 1 - *shift) / s->step[1] + 1 : 0;
    if (*from > s->width) *from = s->width;
    if (*end > s->width) *end = s->width;
    if (*end < *from) *end = *from;
}

void LANE(conv_source_clear)(const conv_source *s, float *copy)
{
    if (s->direct) return;
    for (int64_t p = 0; p < s->phases; p++) {
        int64_t shift, from, end;
        columns_of(s, p, &shift, &from, &end);
        size_t left = (size_t)(from * s->unit) * sizeof *copy,
               right = (size_t)((s->width - end) * s->unit) * sizeof *copy;
        float *row = copy + p * s->width * s->unit;
        for (float *stop = row + s->group * s->sample; row < stop; row += s->row) {
            memset(row, 0, left);
            memset(row + end * s->unit, 0, right);
        }
    }
}

LANE_INLINE void copy_pixels(const float *x, int64_t x_step, float *to, int64_t n, int64_t unit)
{
    for (int64_t i = 0; i < n; i++) memcpy(to + i * unit, x + i * x_step * unit, (size_t)unit * sizeof *to);
}

LANE_INLINE void norm_pixels(const float *x, int64_t x_step, float *to, int64_t n, const float *norm,
                             bool relu)
{
    lane mean = lane_load(norm), scale = lane_load(norm + LANES), beta = lane_load(norm + 2 * LANES);
    for (int64_t i = 0; i < n; i++) {
        lane t = lane_fma(lane_load(x + i * x_step * LANES) - mean, scale, beta);
        lane_store(to + i * LANES, relu ? lane_relu(t) : t);
    }
}

/* A block's input row x, columns sorted by phase. */
static void copy_row(const conv_source *s, const float *x, float *to, const float *norm, bool relu)
{
    int64_t unit = s->unit;
    for (int64_t p = 0; p < s->phases; p++, to += s->width * unit) {
        int64_t shift, from, end;
        columns_of(s, p, &shift, &from, &end);
        const float *first = x + (from * s->step[1] + shift) * unit;
        if (norm && relu)
            norm_pixels(first, s->step[1], to + from * unit, end - from, norm, true);
        else if (norm)
            norm_pixels(first, s->step[1], to + from * unit, end - from, norm, false);
        else if (s->step[1] == 1)
            memcpy(to + from * unit, first, (size_t)((end - from) * unit) * sizeof *to);
        else if (unit == LANES)
            copy_pixels(first, s->step[1], to + from * unit, end - from, LANES);
        else
            copy_pixels(first, s->step[1], to + from * unit, end - from, 1);
    }
}

const float *LANE(conv_source_fill)(const conv_source *s, const float *x, float *copy, int64_t n0,
                                    int64_t samples, int64_t r0, int64_t rows, int64_t b0, int64_t b1,
                                    const lane_norm *norm)
{
    int64_t x_row = s->w * s->unit, x_block = s->h * x_row, x_sample = s->blocks * x_block;
    if (s->direct) return x + n0 * x_sample + r0 * s->step[0] * x_row;
    int64_t input_rows = (rows - 1) * s->step[0] + s->span[0];
    for (int64_t n = 0; n < samples; n++)
        for (int64_t b = b0; b < b1; b++)
            for (int64_t i = 0; i < input_rows; i++) {
                if (i % s->step[0] >= s->used_rows)
                    continue; /* between the taps of a stride wider than the kernel */
                int64_t row = r0 * s->step[0] + s->first[0] + i;
                float *to = copy + n * s->sample + b * s->block + i * s->row;
                if (row < 0 || row >= s->h)
                    memset(to, 0, (size_t)s->row * sizeof *to);
                else
                    copy_row(s, x + (n0 + n) * x_sample + b * x_block + row * x_row, to,
                             lane_norm_block(norm, b), norm->relu);
            }
    return copy;
}
