/* Owns how a batch of maps is cut into units of tiles for Winograd's convolution, and the reading of one; must not
 * know products or weights. */
#include "ops/lane_winograd.h"

winograd_units LANE(winograd_units_of)(const lane_view *y, int64_t most, int threads)
{
    winograd_units k = {.samples = y->n,
                        .rows = winograd_shares(y->h, WINOGRAD_OUT),
                        .columns = winograd_shares(y->w, WINOGRAD_OUT)};
    int64_t sample = k.rows * k.columns;
    k.strip = k.rows;
    k.group = 1;
    if (sample >= most) {
        int64_t rows = most / k.columns > 1 ? most / k.columns : 1;
        k.strip = winograd_shares(k.rows, winograd_shares(k.rows, rows));
    } else {
        int64_t units = winograd_shares(y->n, most / sample);
        units = winograd_shares(units, threads) * threads; /* so that no thread waits for another */
        k.group = winograd_shares(y->n, units);
    }
    int64_t groups = winograd_shares(y->n, k.group);
    if (groups * winograd_shares(k.rows, k.strip) < threads) /* a few large maps */
        k.strip = winograd_shares(k.rows, winograd_least(k.rows, winograd_shares(threads, groups)));
    k.strips = winograd_shares(k.rows, k.strip);
    k.n = groups * k.strips;
    k.tiles = k.group * k.strip * k.columns;
    return k;
}

/* Four rows of pixels that the next row of tiles will read first, or the next map. */
static const float *rows_ahead(const lane_view *x, const float *plane, int64_t row)
{
    if (row > x->h - WINOGRAD_OUT) row = x->h - WINOGRAD_OUT;
    return plane + (row > 0 ? row : 0) * x->w * LANES;
}

void LANE(winograd_read)(const lane_view *x, const winograd_units *k, const winograd_unit *u,
                         const int64_t corner[2], int64_t block0, int64_t block1, const float *from,
                         const lane_norm *norm, float *v, int64_t pitch)
{
    for (int64_t block = block0; block < block1; block++)
        for (int64_t n = 0; n < u->samples; n++) {
            const float *plane = from + (u->n0 + n) * x->sample + block * x->plane;
            for (int64_t r = 0; r < u->rows; r++, v += k->columns * LANES) {
                int64_t row = (u->row0 + r) * WINOGRAD_OUT + corner[0];
                bool last = r + 1 == u->rows && n + 1 < u->samples;
                const float *next =
                    last ? rows_ahead(x, plane + x->sample, 0) : rows_ahead(x, plane, row + WINOGRAD_IN);
                LANE(winograd_input)
                (plane, x->h, x->w, row, corner[1], k->columns, next, lane_norm_block(norm, block),
                 norm->relu, v, pitch);
            }
        }
}
