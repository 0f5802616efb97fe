/* A copy of some rows of the convolution's input with its padding made real, so that the loops over it know
 * no edges.
 *
 * Output place (r, q) with tap offset (u, v) reads input row r * step[0] + u, column q * step[1] + v. In the
 * copy the columns of a row stand sorted by their remainder modulo step[1], so that neighbouring outputs read
 * neighbouring vectors whatever the stride:
 *
 *   step 2   input   . | 0 1 2 3 4 5 | .      copy   . 1 3 5 | 0 2 4 .       (. = zeros)
 *
 * Where nothing hangs over the edge and the columns are dense, the input itself is used ("direct"). A plain
 * input is read as one of blocks of a single channel. */
#ifndef OPS_LANE_CONV_SOURCE_H
#define OPS_LANE_CONV_SOURCE_H

#include "ops/lane_norm.h"
#include "ops/lane_view.h"

typedef struct conv_source {
    int64_t n, c, h, w;   /* of the input */
    int64_t unit, blocks; /* channels of a block: LANES, or 1 when plain; blocks of a sample */
    bool direct;
    int64_t step[2];
    int64_t first[2], span[2];  /* least tap offset; how far the largest is from it, plus one */
    int64_t used_rows, phases;  /* remainders that occur: [0, used_rows) of rows, [0, phases) of columns */
    int64_t width;              /* pixels of a phase */
    int64_t strip;              /* output rows of one copy */
    int64_t group;              /* samples of one copy */
    int64_t row, block, sample; /* floats: pitches of the copy, or of the input when direct */
} conv_source;

/* At most rows x columns outputs; tap offsets lie in [least, most]. budget: bytes that a copy should not
 * exceed. multiple: groups of samples should be a multiple of it. through: the input is normalised on the way into the
 * copy, which there has to be then. */
conv_source LANE(conv_source_of)(const tensor *t, const int64_t step[2], const int64_t least[2],
                                 const int64_t most[2], int64_t rows, int64_t columns, int64_t budget,
                                 int64_t multiple, bool through);
size_t LANE(conv_source_bytes)(const conv_source *s); /* of one copy; 0 when direct */
/* Floats from an output's place to its tap. */
int64_t LANE(conv_source_tap)(const conv_source *s, int64_t row_offset, int64_t column_offset);
/* Clears the columns of padding, which no filling touches; once before the first. */
void LANE(conv_source_clear)(const conv_source *s, float *copy);
/* Makes outputs [r0, r0 + rows) of samples [n0, n0 + samples) readable for input blocks [b0, b1): returns
 * where output (n0, r0, column 0) stands; the next output row is step[0] * row floats on. */
const float *LANE(conv_source_fill)(const conv_source *s, const float *x, float *copy, int64_t n0,
                                    int64_t samples, int64_t r0, int64_t rows, int64_t b0, int64_t b1,
                                    const lane_norm *norm);

#endif
