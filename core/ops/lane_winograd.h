/* What Winograd's convolutions share: tiles of 4 x 4 places of the forward pass's output and 6 x 6 of its input, the
 * transforms between pixels and the 36 places of a tile, and units of tiles as the work of a thread. */
#ifndef OPS_LANE_WINOGRAD_H
#define OPS_LANE_WINOGRAD_H

#include <stdbool.h>
#include "ops/lane_norm.h"
#include "ops/lane_view.h"
#include "ops/op.h"

#define WINOGRAD_OUT    4  /* output pixels of a tile along a side */
#define WINOGRAD_IN     6  /* input pixels */
#define WINOGRAD_PLACES 36 /* products of a tile */
#define WINOGRAD_PAD \
    (LANES * 5) /* between places, which a power of two apart would share lines of the cache */

/* The cost rule. */
#define WINOGRAD_NS     7.0 /* of one channel of one tile, to places or back, with its way through memory */
#define WINOGRAD_MARGIN 1.1 /* a kernel that rounds more has to be clearly faster */

static inline int64_t winograd_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t winograd_shares(int64_t all, int64_t each)
{
    return (all + each - 1) / each;
}

/* w: the weights' shape. */
static inline bool winograd_takes(const op *o, const int64_t *w)
{
    const cvy_conv_attr *a = &o->attr.conv;
    return w[2] == 3 && w[3] == 3 && a->groups == 1 && a->stride[0] == 1 && a->stride[1] == 1 &&
           a->dilation[0] == 1 && a->dilation[1] == 1;
}

/* ---- units of work ---- */

typedef struct winograd_units {
    int64_t samples, rows, columns; /* of the batch; of tiles, of a sample */
    int64_t strip, group;           /* rows of tiles, or whole samples, of a unit */
    int64_t strips, n;              /* strips of a sample; units */
    int64_t tiles;                  /* of a unit at most */
} winograd_units;

typedef struct winograd_unit {
    int64_t index, n0, samples, row0, rows, tiles; /* rows of tiles */
} winograd_unit;

/* Of some `most` tiles each, cut from what has y's extent. */
winograd_units LANE(winograd_units_of)(const lane_view *y, int64_t most, int threads);

static inline winograd_unit winograd_unit_at(const winograd_units *k, int64_t index)
{
    winograd_unit u = {
        .index = index, .n0 = index / k->strips * k->group, .row0 = index % k->strips * k->strip};
    u.samples = winograd_least(k->samples - u.n0, k->group);
    u.rows = winograd_least(k->rows - u.row0, k->strip);
    u.tiles = u.samples * u.rows * k->columns;
    return u;
}

/* How much longer it takes because some threads have nothing to do at the end. */
static inline double winograd_idle(const winograd_units *k, int threads)
{
    return (double)(winograd_shares(k->n, threads) * threads) / (double)k->n;
}

/* A unit's tiles of the blocks [block0, block1) of x into v [place][block][tile][lane]. corner: the first tile's
 * first pixel, row and column. */
void LANE(winograd_read)(const lane_view *x, const winograd_units *k, const winograd_unit *u,
                         const int64_t corner[2], int64_t block0, int64_t block1, const float *from,
                         const lane_norm *norm, float *v, int64_t pitch);

/* ---- transforms ---- */

/* One row of tiles of one block of channels: `tiles` tiles beside each other, whose first input pixel is (row,
 * column) of the plane; pixels outside it are zeros. Place p of tile t goes to v + p * pitch + t * LANES. `next`:
 * four rows that will be read soon, asked for ahead of time. norm: the block's constants; NULL: read as it is. */
void LANE(winograd_input)(const float *plane, int64_t h, int64_t w, int64_t row, int64_t column,
                          int64_t tiles, const float *next, const float *norm, bool relu, float *v,
                          int64_t pitch);
/* The way back: place p of tile t from m + p * pitch + t * LANES to the plane's output rows [row, row + 4), as
 * far as h x w reaches. bias: one vector, or NULL. */
void LANE(winograd_output)(const float *m, int64_t pitch, int64_t tiles, const float *bias, float *plane,
                           int64_t h, int64_t w, int64_t row);
/* Kernels g[u * 3 + v], a lane for each output channel; place p goes to `to` + p * pitch. */
void LANE(winograd_kernel)(const float g[9][LANES], float *to, int64_t pitch);

/* For the gradient of the weights. A row of tiles of the output's gradient to places, as winograd_input(); and the
 * gradient g[u * 3 + v] from the sums over all tiles, place p at from + p * pitch. */
void LANE(winograd_gradient)(const float *plane, int64_t h, int64_t w, int64_t row, int64_t tiles, float *to,
                             int64_t pitch);
void LANE(winograd_kernel_gradient)(const float *from, int64_t pitch, float g[9][LANES]);

#endif
