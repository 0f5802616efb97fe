/* Owns the transforms of Winograd's convolution; must not know channels, samples or memory beyond one plane.
 *
 * F(4, 3) by Toom-Cook interpolation at the points 0, +-a, +-b and infinity (Lavin and Gray, "Fast Algorithms
 * for Convolutional Neural Networks", CVPR 2016, who take a = 1, b = 2):
 *
 *         | a2b2   0   -a2-b2   0     1  0 |         | 1/a2b2   0     0   |         | 1   1   1   1   1   0 |
 *         |  0   -ab2   -b2     a     1  0 |         |   s     s a   s a2 |   T     | 0   a  -a   b  -b   0 |
 *   B^T = |  0    ab2   -b2    -a     1  0 |    G =  |   s    -s a   s a2 |  A   =  | 0   a2  a2  b2  b2  0 |
 *         |  0   -ba2   -a2     b     1  0 |         |   r     r b   r b2 |         | 0   a3 -a3  b3 -b3  1 |
 *         |  0    ba2   -a2    -b     1  0 |         |   r    -r b   r b2 |
 *         |  0   a2b2    0   -a2-b2   0  1 |         |   0      0     1   |     s = 1 / 2a2(a2-b2)
 *                                                                              r = 1 / 2b2(b2-a2)
 *   y = A^T [ (G g G^T) . (B^T d B) ] A, both ways first along columns, then along rows
 *
 * The gradient of the weights is the same sums read backwards: g = G^T [ (B^T d B) . (A y A^T) ] G, the products
 * added up over all tiles.
 *
 * With a = 5/8 and b = 3/2 all constants of B and A are exact, and rounding errors are a quarter of those with
 * 1 and 2: 1.2e-6 of the largest output with 64 channels of values on [-1, 1), below 1e-5 with 512.
 *
 * Bound, by element, with the absolute values of all matrices: gamma_(C+27) |A^T| [ sum over C of (|G| |g| |G^T|) .
 * (|B^T| |d| |B|) ] |A|, gamma_n = n u / (1 - n u), u = 2^-24; of the gradient of the weights likewise, with gamma_(n+28)
 * for n tiles (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural
 * Networks", ACM TOMS 2020). tests/ops/test_family.c counts the roundings and holds the kernels to it. */
#include "ops/lane_winograd.h"

#define A1 0.625F
#define A2 (A1 * A1)
#define A3 (A1 * A1 * A1)
#define B1 1.5F
#define B2 (B1 * B1)
#define B3 (B1 * B1 * B1)

#define KERNEL_A (1 / (2 * A2 * (A2 - B2)))
#define KERNEL_B (1 / (2 * B2 * (B2 - A2)))

#define TOGETHER 8 /* tiles transformed between two visits of the buffer: it stays in the first-level cache */

/* B^T d */
LANE_INLINE void input_six(const lane d[6], lane v[6])
{
    lane a2 = lane_all(A2), b2 = lane_all(B2), both = lane_all(A2 + B2), product = lane_all(A2 * B2);
    lane even_a = lane_fma(-b2, d[2], d[4]), odd_a = lane_fma(-b2, d[1], d[3]);
    lane even_b = lane_fma(-a2, d[2], d[4]), odd_b = lane_fma(-a2, d[1], d[3]);
    v[0] = lane_fma(product, d[0], lane_fma(-both, d[2], d[4]));
    v[1] = lane_fma(lane_all(A1), odd_a, even_a);
    v[2] = lane_fma(lane_all(-A1), odd_a, even_a);
    v[3] = lane_fma(lane_all(B1), odd_b, even_b);
    v[4] = lane_fma(lane_all(-B1), odd_b, even_b);
    v[5] = lane_fma(product, d[1], lane_fma(-both, d[3], d[5]));
}

/* A^T m */
LANE_INLINE void output_four(const lane m[6], lane y[4])
{
    lane sum_a = m[1] + m[2], sum_b = m[3] + m[4], odd_a = m[1] - m[2], odd_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = lane_fma(lane_all(A1), odd_a, lane_all(B1) * odd_b);
    y[2] = lane_fma(lane_all(A2), sum_a, lane_all(B2) * sum_b);
    y[3] = lane_fma(lane_all(A3), odd_a, lane_fma(lane_all(B3), odd_b, m[5]));
}

/* G g */
LANE_INLINE void kernel_six(const lane g[3], lane u[6])
{
    const float s = KERNEL_A, r = KERNEL_B;
    lane even_a = lane_fma(lane_all(s * A2), g[2], lane_all(s) * g[0]);
    lane even_b = lane_fma(lane_all(r * B2), g[2], lane_all(r) * g[0]);
    u[0] = lane_all(1 / (A2 * B2)) * g[0];
    u[1] = lane_fma(lane_all(s * A1), g[1], even_a);
    u[2] = lane_fma(lane_all(-s * A1), g[1], even_a);
    u[3] = lane_fma(lane_all(r * B1), g[1], even_b);
    u[4] = lane_fma(lane_all(-r * B1), g[1], even_b);
    u[5] = g[2];
}

/* A y */
LANE_INLINE void gradient_six(const lane y[4], lane m[6])
{
    lane even_a = lane_fma(lane_all(A2), y[2], y[0]), even_b = lane_fma(lane_all(B2), y[2], y[0]);
    lane odd_a = lane_fma(lane_all(A2), y[3], y[1]), odd_b = lane_fma(lane_all(B2), y[3], y[1]);
    m[0] = y[0];
    m[1] = lane_fma(lane_all(A1), odd_a, even_a);
    m[2] = lane_fma(lane_all(-A1), odd_a, even_a);
    m[3] = lane_fma(lane_all(B1), odd_b, even_b);
    m[4] = lane_fma(lane_all(-B1), odd_b, even_b);
    m[5] = y[3];
}

/* G^T u */
LANE_INLINE void kernel_three(const lane u[6], lane g[3])
{
    lane sum_a = lane_all(KERNEL_A) * (u[1] + u[2]), odd_a = lane_all(KERNEL_A * A1) * (u[1] - u[2]);
    lane sum_b = lane_all(KERNEL_B) * (u[3] + u[4]), odd_b = lane_all(KERNEL_B * B1) * (u[3] - u[4]);
    g[0] = lane_fma(lane_all(1 / (A2 * B2)), u[0], sum_a + sum_b);
    g[1] = odd_a + odd_b;
    g[2] = lane_fma(lane_all(A2), sum_a, lane_fma(lane_all(B2), sum_b, u[5]));
}

/* Neighbouring tiles share two of their six columns of pixels, so columns are transformed once for the row. */
LANE_INLINE void input_row(const float *plane, int64_t h, int64_t w, int64_t row, int64_t column,
                           int64_t tiles, const float *next, const float *norm, bool relu, float *v,
                           int64_t pitch)
{
    static const float zeros[LANES];
    const float *rows[6];
    int64_t step[6];
    lane mean = {0}, scale[6], beta[6]; /* padding stays zero: it is of what is normalised */
    if (norm) mean = lane_load(norm);
    for (int i = 0; i < 6; i++) {
        bool inside = row + i >= 0 && row + i < h;
        rows[i] = inside ? plane + (row + i) * w * LANES : zeros;
        step[i] = inside ? LANES : 0;
        if (!norm) continue;
        scale[i] = inside ? lane_load(norm + LANES) : (lane){0};
        beta[i] = inside ? lane_load(norm + 2 * LANES) : (lane){0};
    }
    lane buffer[WINOGRAD_OUT * TOGETHER + 2][6]; /* [column][place along it] */
    for (int64_t first = 0; first < tiles; first += TOGETHER) {
        int64_t n = tiles - first < TOGETHER ? tiles - first : TOGETHER;
        int64_t from = column + first * WINOGRAD_OUT, count = n * WINOGRAD_OUT + 2;
        for (int64_t c = 0; c < count; c++) {
            lane *to = buffer[c];
            int64_t at = from + c;
            if (at < 0 || at >= w) {
                memset(to, 0, sizeof buffer[c]);
                continue;
            }
            lane d[6];
#define READ(i)                                                \
    d[i] = lane_load(rows[i] + at * step[i]);                  \
    if (norm) d[i] = lane_fma(d[i] - mean, scale[i], beta[i]); \
    if (norm && relu) d[i] = lane_relu(d[i])
            LANE_EACH(6, READ);
            for (int i = 0; i < WINOGRAD_OUT && i < h; i++) __builtin_prefetch(next + (i * w + at) * LANES);
            input_six(d, to);
        }
        for (int64_t t = 0; t < n; t++, v += LANES)
            for (int i = 0; i < 6; i++) {
                lane d[6], all[6];
                const lane(*at)[6] = (const lane(*)[6])buffer + t * WINOGRAD_OUT;
#define TAKE(j) d[j] = at[j][i]
                LANE_EACH(6, TAKE);
                input_six(d, all);
#define GIVE(j) lane_store(v + (i * 6 + j) * pitch, all[j])
                LANE_EACH(6, GIVE);
            }
    }
}

void LANE(winograd_input)(const float *plane, int64_t h, int64_t w, int64_t row, int64_t column,
                          int64_t tiles, const float *next, const float *norm, bool relu, float *v,
                          int64_t pitch)
{
    if (!norm)
        input_row(plane, h, w, row, column, tiles, next, NULL, false, v, pitch);
    else if (relu)
        input_row(plane, h, w, row, column, tiles, next, norm, true, v, pitch);
    else
        input_row(plane, h, w, row, column, tiles, next, norm, false, v, pitch);
}

void LANE(winograd_output)(const float *m, int64_t pitch, int64_t tiles, const float *bias, float *plane,
                           int64_t h, int64_t w, int64_t row)
{
    lane b = bias ? lane_load(bias) : (lane){0};
    int64_t rows = h - row < WINOGRAD_OUT ? h - row : WINOGRAD_OUT;
    float *y = plane + row * w * LANES;
    for (int64_t t = 0; t < tiles; t++, m += LANES, y += WINOGRAD_OUT * LANES) {
        int64_t columns = w - t * WINOGRAD_OUT < WINOGRAD_OUT ? w - t * WINOGRAD_OUT : WINOGRAD_OUT;
        lane half[4][6];
        for (int j = 0; j < 6; j++) {
            lane d[6], four[4];
#define PLACE(i) d[i] = lane_load(m + (i * 6 + j) * pitch)
            LANE_EACH(6, PLACE);
            output_four(d, four);
#define KEEP(i) half[i][j] = four[i]
            LANE_EACH(4, KEEP);
        }
        for (int64_t i = 0; i < rows; i++) {
            lane four[4];
            output_four(half[i], four);
#define WRITE(j) \
    if (j < columns) lane_store(y + (i * w + j) * LANES, four[j] + b)
            LANE_EACH(4, WRITE);
        }
    }
}

void LANE(winograd_kernel)(const float g[9][LANES], float *to, int64_t pitch)
{
    lane half[6][3];
    for (int v = 0; v < 3; v++) {
        lane column[3] = {lane_load(g[v]), lane_load(g[3 + v]), lane_load(g[6 + v])}, six[6];
        kernel_six(column, six);
        for (int i = 0; i < 6; i++) half[i][v] = six[i];
    }
    for (int i = 0; i < 6; i++) {
        lane six[6];
        kernel_six(half[i], six);
        for (int j = 0; j < 6; j++) lane_store(to + (i * 6 + j) * pitch, six[j]);
    }
}

void LANE(winograd_gradient)(const float *plane, int64_t h, int64_t w, int64_t row, int64_t tiles, float *to,
                             int64_t pitch)
{
    int64_t rows = h - row < WINOGRAD_OUT ? h - row : WINOGRAD_OUT;
    const float *y = plane + row * w * LANES;
    for (int64_t t = 0; t < tiles; t++, to += LANES, y += WINOGRAD_OUT * LANES) {
        int64_t columns = w - t * WINOGRAD_OUT < WINOGRAD_OUT ? w - t * WINOGRAD_OUT : WINOGRAD_OUT;
        lane half[6][4];
        for (int64_t j = 0; j < 4; j++) {
            lane d[4], six[6];
#define PIXEL(i) d[i] = i < rows && j < columns ? lane_load(y + (i * w + j) * LANES) : (lane){0}
            LANE_EACH(4, PIXEL);
            gradient_six(d, six);
#define HALF(i) half[i][j] = six[i]
            LANE_EACH(6, HALF);
        }
        for (int i = 0; i < 6; i++) {
            lane six[6];
            gradient_six(half[i], six);
#define TO(j) lane_store(to + (i * 6 + j) * pitch, six[j])
            LANE_EACH(6, TO);
        }
    }
}

void LANE(winograd_kernel_gradient)(const float *from, int64_t pitch, float g[9][LANES])
{
    lane half[3][6];
    for (int j = 0; j < 6; j++) {
        lane column[6], three[3];
        for (int i = 0; i < 6; i++) column[i] = lane_load(from + (i * 6 + j) * pitch);
        kernel_three(column, three);
        for (int i = 0; i < 3; i++) half[i][j] = three[i];
    }
    for (int i = 0; i < 3; i++) {
        lane three[3];
        kernel_three(half[i], three);
        for (int j = 0; j < 3; j++) lane_store(g[i * 3 + j], three[j]);
    }
}
