/* Every kernel that multiplies or sums, on every instruction set of this machine and with one and two threads,
 * against the same sums in double, over a generated family of shapes: batches of 1 to 129, 1 to 513 channels, maps of
 * 1x1 to 7x7 and some larger, kernels of 1 to 11, strides, padding, dilation, groups.
 *
 * The bound, for each element by itself, in the standard model of rounding: u = 2^-24, gamma_n = n u / (1 - n u) (Higham,
 * "Accuracy and Stability of Numerical Algorithms", 2nd ed., sections 2.2 and 3.1). A number that is rounded at most n
 * times on its way into a result is off by gamma_n of its absolute value there. So k products, each rounded or not before
 * it is added, in any order and any blocking, are held to
 *
 *   |y - exact| <= gamma_k sum |a b|         direct kernels; the bias is one of the products
 *
 * Winograd's adds up other numbers. By the same count, and as in Barabasz, Anderson, Soodhalter & Gregg, "Error Analysis
 * and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", ACM TOMS 2020, with the absolute values of
 * the matrices of lane_winograd_transform.c, and C products for each of the 36 places of a tile,
 *
 *   |y - exact| <= gamma_(C+27) |A^T| [ sum over C of (|G| |g| |G^T|) . (|B^T| |d| |B|) ] |A|
 *
 * The roundings on the longest way, where nothing is fused: B^T d takes 4 for each of its two sides, G g 5 (the constants
 * s and r are rounded once, their products with a powers of two once more; those of A and B are exact), A^T m 4, the bias
 * 1. The gradient of the weights, of n tiles, is held to gamma_(n+28): 4 a side for B^T d, 4 for A y, 6 for G^T m.
 *
 * These bounds hold for any operands, so they grow with k where errors grow with its root, and a kernel that keeps half of
 * its digits stays below them when sums are long. So there is a second check. Roundings that are independent, of mean zero
 * and of size about 0.4 u (Higham and Mary, "A New Approach to Probabilistic Rounding Error Analysis", SIAM J. Sci. Comput.
 * 2019) make of k products with partial sums j y / k + O(sqrt(j / k)) q, q^2 = sum (a b)^2, the error
 * 0.4 u sqrt(k) sqrt(y^2 / 3 + q^2 / 2). Held, over all elements of an output, is
 *
 *   rms (y - exact) <= c u sqrt(k) rms sqrt(y^2 + q^2)
 *
 * where c is STEADY for direct kernels, and LOOSE for Winograd's: what these reach, with room for about twice as much.
 *
 * CONVOY_FAMILY=N takes N cases of each test and larger ones; CONVOY_FAMILY_SEED=S others. */
#include "operands.h"

#define U 0x1p-24

static int64_t cases, macs_most, seed;

#define STEADY 0.6
#define LOOSE  6.0
#define FEW    16  /* elements of which no mean is taken */
#define RUN    256 /* elements that are summed in float before they go on in double: MOMENTS_CHUNK */

static double gamma_of(double n)
{
    return n * U / (1 - n * U);
}

/* ---- the worst share of the bound, by kernel and instruction set ---- */

typedef struct tally {
    const kernel *k;
    machine_isa isa;
    double worst, of_largest; /* shares of the bound; of the largest value */
    double spread;            /* the largest rms error, in u sqrt(k) rms sqrt(y^2 + q^2) */
    int64_t runs;
} tally;

static tally tallies[128];
static size_t n_tallies;

static tally *tally_of(const kernel *k, machine_isa isa)
{
    for (size_t i = 0; i < n_tallies; i++)
        if (tallies[i].k == k && tallies[i].isa == isa) return &tallies[i];
    assert_true(n_tallies < sizeof tallies / sizeof *tallies);
    tallies[n_tallies] = (tally){.k = k, .isa = isa};
    return &tallies[n_tallies++];
}

static void begin(uint64_t own)
{
    random_state = (own + 100 * (uint64_t)seed) * 977 + 1;
    n_tallies = 0;
}

static void report(void)
{
    for (size_t i = 0; i < n_tallies; i++)
        print_message(
            "%-20s %-10s %-7s %6lld runs, worst %5.1f %% of the bound, %.1e of the largest, rms %.2f\n",
            op_name(tallies[i].k->type), tallies[i].k->name, machine_isa_name(tallies[i].isa),
            (long long)tallies[i].runs, tallies[i].worst * 100, tallies[i].of_largest, tallies[i].spread);
}

/* ---- a case ---- */

#define MOST 6

typedef struct family {
    op o;
    tensor in[MOST], out[MOST];
    float *x[MOST];
    double *exact[MOST], *bound[MOST]; /* of the outputs; NULL: not looked at */
    double *loose;                     /* of output 0 by Winograd's kernels */
    double *squares;                   /* q^2 of output 0 */
    double terms;                      /* of one of its direct sums */
} family;

static double *doubles(int64_t n)
{
    double *p = fresh((size_t)n * sizeof *p);
    memset(p, 0, (size_t)n * sizeof *p);
    return p;
}

static void family_open(family *f, op_type t, int n_in, int n_out)
{
    memset(f, 0, sizeof *f);
    f->o = (op){.type = t, .n_in = n_in, .n_out = n_out, .in = f->in, .out = f->out};
}

static float *family_in(family *f, int i, cvy_shape shape)
{
    f->in[i] = tensor_plain(&shape);
    const int64_t n = cvy_count(&shape);
    f->x[i] = fresh((size_t)n * sizeof(float));
    for (int64_t e = 0; e < n; e++) f->x[i][e] = value();
    return f->x[i];
}

static void family_out(family *f, int i, cvy_shape shape)
{
    f->out[i] = tensor_plain(&shape);
    f->exact[i] = doubles(cvy_count(&shape));
    f->bound[i] = doubles(cvy_count(&shape));
}

static void family_close(family *f)
{
    for (int i = 0; i < MOST; i++) {
        free(f->x[i]);
        free(f->exact[i]);
        free(f->bound[i]);
    }
    free(f->loose);
    free(f->squares);
}

static void compare(const family *f, int i, const op *o, const char *got, const kernel *k, const machine *m)
{
    float *y = plain_again(&o->out[i], got);
    tally *t = tally_of(k, m->isa);
    const bool loose = i == 0 && k->loose && f->loose;
    const double *bound = loose ? f->loose : f->bound[i];
    double largest = 0;
    for (int64_t e = 0; e < cvy_count(&o->out[i].shape); e++) largest = fmax(largest, fabs(f->exact[i][e]));
    double errors_sum = 0, sizes_sum = 0;
    for (int64_t e = 0; e < cvy_count(&o->out[i].shape); e++) {
        const double exact = f->exact[i][e], off = fabs((double)y[e] - exact);
        const double share = off / (bound[e] + U * fabs(exact) + 1e-37);
        if (!(share <= 1)) {
            char what[512];
            describe(k, m, o, what, sizeof what);
            fail_msg("%s: output %d element %lld: %.9g, exact %.9g, off by %g, bound %g", what, i,
                     (long long)e, (double)y[e], exact, off, bound[e]);
        }
        t->worst = fmax(t->worst, share);
        t->of_largest = fmax(t->of_largest, off / (largest + 1e-37));
        errors_sum += off * off;
        if (i == 0 && f->squares) sizes_sum += exact * exact + f->squares[e];
    }
    if (sizes_sum > 0 && cvy_count(&o->out[i].shape) >= FEW) {
        const double spread = sqrt(errors_sum / sizes_sum / fmax(f->terms, 1)) / U;
        if (!(spread <= (k->loose ? LOOSE : STEADY))) {
            char what[512];
            describe(k, m, o, what, sizeof what);
            fail_msg("%s: rms error %.2f u sqrt(k) rms sqrt(y^2 + q^2)", what, spread);
        }
        t->spread = fmax(t->spread, spread);
    }
    free(y);
}

static void check_offer(const family *f, const kernel *k, const machine *m, const layout *in,
                        const layout *out)
{
    tensor tin[MOST], tout[MOST];
    op o = f->o;
    o.in = tin;
    o.out = tout;
    void *x[MOST] = {0}, *y[MOST] = {0};
    for (int i = 0; i < o.n_in; i++) {
        tin[i] = f->in[i];
        tin[i].layout = in[i];
        x[i] = laid_out(&tin[i], f->x[i]);
    }
    for (int i = 0; i < o.n_out; i++) {
        tout[i] = f->out[i];
        tout[i].layout = out[i];
        y[i] = out_new(&tout[i]);
    }
    run_kernel(k, &o, m, x, y);
    char what[512];
    describe(k, m, &o, what, sizeof what);
    for (int i = 0; i < o.n_out; i++) {
        out_check(&tout[i], y[i], what);
        if (!f->exact[i]) continue;
        check_padding(&tout[i], (const float *)y[i], what);
        compare(f, i, &o, y[i], k, m);
    }
    tally_of(k, m->isa)->runs++;
    for (int i = 0; i < o.n_in; i++) free(x[i]);
    for (int i = 0; i < o.n_out; i++) out_free(y[i]);
}

/* The reference computes the same on every instruction set. */
static void check(family *f)
{
    const machine here = machine_here();
    for (machine_isa isa = ISA_BASE; isa <= here.isa; isa++)
        for (int threads = 1; threads <= 2; threads++) {
            const machine m = machine_of(isa, threads);
            for (const kernel *const *k = kernels_of(f->o.type, &m); *k; k++) {
                if (*k == kernel_reference(f->o.type) && (isa > ISA_BASE || threads > 1)) continue;
                for (int c = 0;; c++) {
                    layout in[MOST], out[MOST];
                    if ((*k)->offer(&f->o, &m, c, in, out) < 0) break;
                    check_offer(f, *k, &m, in, out);
                }
            }
        }
    parallel_set_threads(0);
    family_close(f);
}

/* ---- shapes ---- */

static int64_t wide(int64_t most) /* 1 to most, small ones as often as large ones, and beside whole blocks */
{
    int64_t n = 1 + (int64_t)(exp((double)random_next() * 0x1p-31 * log((double)most)) - 0.5);
    if (between(0, 2) == 0 && n > 6) n = (n + 7) / 8 * 8 + between(-1, 1);
    return n < 1 ? 1 : n > most ? most : n;
}

typedef struct shapes {
    cvy_conv_attr a;
    cvy_shape x, w, y;
} shapes;

static int64_t macs_of(const shapes *s)
{
    return cvy_count(&s->y) * cvy_sample_count(&s->w);
}

/* winograd: 3x3, stride, dilation and groups 1. */
static shapes any_shapes(bool winograd)
{
    for (;;) {
        shapes s = {.a = {.groups = 1, .flip = between(0, 6) == 0}};
        int64_t n = wide(129), c = wide(513), o = wide(513), size[2], k[2];
        const bool small = between(0, 3) > 0, square = between(0, 1);
        for (int d = 0; d < 2; d++) {
            size[d] = d && square ? size[0] : small ? between(1, 7) : wide(40);
            k[d] = winograd ? 3 : d && square ? k[0] : between(0, 2) ? between(1, 5) : between(1, 11);
            s.a.stride[d] = winograd ? 1 : between(0, 1) ? 1 : between(1, 4);
            s.a.dilation[d] = winograd || between(0, 2) ? 1 : between(1, 3);
        }
        for (int d = 0; d < 4; d++)
            s.a.padding[d] = winograd ? between(0, 2) : between(0, 3) ? k[d % 2] / 2 : between(0, k[d % 2]);
        const int64_t grouped = winograd ? 9 : between(0, 9);
        if (grouped == 0) /* depthwise, one or more kernels for each channel */
            s.a.groups = c, o = c * (c < 100 ? between(1, 3) : 1);
        if (grouped == 1) {
            s.a.groups = between(2, 8);
            c = (c + s.a.groups - 1) / s.a.groups * s.a.groups;
            o = (o + s.a.groups - 1) / s.a.groups * s.a.groups;
        }
        s.x = cvy_shape4(n, c, size[0], size[1]);
        s.w = cvy_shape4(o, c / s.a.groups, k[0], k[1]);
        s.y = cvy_shape4(n, o, 0, 0);
        bool fits = true;
        for (int d = 0; d < 2; d++) {
            const int64_t room =
                size[d] + s.a.padding[d] + s.a.padding[d + 2] - s.a.dilation[d] * (k[d] - 1) - 1;
            fits = fits && room >= 0;
            s.y.dim[2 + d] = room / s.a.stride[d] + 1;
        }
        if (fits && macs_of(&s) <= macs_most && cvy_count(&s.x) + cvy_count(&s.y) <= macs_most &&
            cvy_count(&s.w) <= macs_most)
            return s;
    }
}

/* ---- sums in double ---- */

/* Calls for each product of a convolution: the places of x, w and y, each in its own array. */
#define CONV_EACH(s, DO)                                                                                 \
    do {                                                                                                 \
        const int64_t *dx = (s)->x.dim, *dw = (s)->w.dim, *dy = (s)->y.dim;                              \
        const int64_t each = dy[1] / (s)->a.groups;                                                      \
        for (int64_t n = 0; n < dy[0]; n++)                                                              \
            for (int64_t o = 0; o < dy[1]; o++)                                                          \
                for (int64_t c = 0; c < dw[1]; c++)                                                      \
                    for (int64_t t = 0; t < dw[2] * dw[3]; t++) {                                        \
                        const int64_t u = t / dw[3], v = t % dw[3];                                      \
                        const int64_t wi =                                                               \
                            (o * dw[1] + c) * dw[2] * dw[3] + ((s)->a.flip ? dw[2] * dw[3] - 1 - t : t); \
                        const int64_t plane = n * dx[1] + o / each * dw[1] + c;                          \
                        for (int64_t i = 0; i < dy[2]; i++) {                                            \
                            const int64_t r =                                                            \
                                i * (s)->a.stride[0] - (s)->a.padding[0] + u * (s)->a.dilation[0];       \
                            if (r < 0 || r >= dx[2]) continue;                                           \
                            for (int64_t j = 0; j < dy[3]; j++) {                                        \
                                const int64_t q =                                                        \
                                    j * (s)->a.stride[1] - (s)->a.padding[1] + v * (s)->a.dilation[1];   \
                                if (q < 0 || q >= dx[3]) continue;                                       \
                                const int64_t xi = (plane * dx[2] + r) * dx[3] + q;                      \
                                const int64_t yi = ((n * dy[1] + o) * dy[2] + i) * dy[3] + j;            \
                                DO;                                                                      \
                            }                                                                            \
                        }                                                                                \
                    }                                                                                    \
    } while (0)

static void add(family *f, int64_t at, double product)
{
    if (!f->squares) f->squares = doubles(cvy_count(&f->out[0].shape));
    f->exact[0][at] += product;
    f->bound[0][at] += fabs(product);
    f->squares[at] += product * product;
}

static void scale_bounds(const family *f, int i, double factor)
{
    for (int64_t e = 0; e < cvy_count(&f->out[i].shape); e++) f->bound[i][e] *= factor;
}

/* ---- Winograd's bound ---- */

#define WA 0.625
#define WB 1.5
static const double bt[6][6] = {{WA * WA * WB * WB, 0, WA *WA + WB *WB, 0, 1, 0},
                                {0, WA *WB *WB, WB *WB, WA, 1, 0},
                                {0, WA *WB *WB, WB *WB, WA, 1, 0},
                                {0, WB *WA *WA, WA *WA, WB, 1, 0},
                                {0, WB *WA *WA, WA *WA, WB, 1, 0},
                                {0, WA *WA *WB *WB, 0, WA *WA + WB *WB, 0, 1}};
static const double at[4][6] = {{1, 1, 1, 1, 1, 0},
                                {0, WA, WA, WB, WB, 0},
                                {0, WA *WA, WA *WA, WB *WB, WB *WB, 0},
                                {0, WA *WA *WA, WA *WA *WA, WB *WB *WB, WB *WB *WB, 1}};

/* |G|, whose constants have no short form. */
static void g_of(double g[6][3])
{
    const double s = 1 / (2 * WA * WA * (WB * WB - WA * WA)), r = 1 / (2 * WB * WB * (WB * WB - WA * WA));
    const double rows[6][3] = {{1 / (WA * WA * WB * WB), 0, 0}, {s, s * WA, s * WA * WA},
                               {s, s * WA, s * WA * WA},        {r, r * WB, r * WB * WB},
                               {r, r * WB, r * WB * WB},        {0, 0, 1}};
    memcpy(g, rows, sizeof rows);
}

/* to (m, m) = M from (k, k) M^T, M (m, k) or, turned, (k, m). */
static void both_sides(const double *matrix, int m, int k, bool turned, const double *from, double *to)
{
    double half[6][6];
#define M(i, j) matrix[turned ? (j)*m + (i) : (i)*k + (j)]
    for (int i = 0; i < m; i++)
        for (int j = 0; j < k; j++) {
            half[i][j] = 0;
            for (int l = 0; l < k; l++) half[i][j] += M(i, l) * from[l * k + j];
        }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            to[i * m + j] = 0;
            for (int l = 0; l < k; l++) to[i * m + j] += half[i][l] * M(j, l);
        }
#undef M
}

/* The most that the transforms make of one product of operands that are at most 1. */
static double winograd_norm(bool weights)
{
    double g[6][3], largest = 0;
    g_of(g);
    for (int r = 0; r < (weights ? 3 : 4); r++) {
        double sum = 0;
        for (int i = 0; i < 6; i++) {
            double d = 0, other = 0; /* rows of |B^T|, of |G| or |A| */
            for (int j = 0; j < 6; j++) d += bt[i][j];
            for (int j = 0; j < (weights ? 4 : 3); j++) other += weights ? at[j][i] : g[i][j];
            sum += (weights ? g[i][r] : at[r][i]) * d * other;
        }
        largest = fmax(largest, sum);
    }
    return largest * largest;
}

/* |x| of a plane's square of `side` pixels from (row, column) on, zeros outside. */
static void square_of(const float *plane, const int64_t *dim, int64_t row, int64_t column, int side,
                      double *to)
{
    for (int i = 0; i < side * side; i++) {
        const int64_t r = row + i / side, c = column + i % side;
        to[i] = r >= 0 && r < dim[2] && c >= 0 && c < dim[3] ? fabs((double)plane[r * dim[3] + c]) : 0;
    }
}

/* The tiles' sums for the forward pass, or backward to the data: x is what is read, y what is written, w_at(o, c) the
 * kernel's place, top and left the padding. */
static void winograd_bound(family *f, const shapes *s, bool data)
{
    const int64_t *dx = data ? s->y.dim : s->x.dim, *dy = data ? s->x.dim : s->y.dim, *dw = s->w.dim;
    const int64_t top = data ? 2 - s->a.padding[0] : s->a.padding[0];
    const int64_t left = data ? 2 - s->a.padding[1] : s->a.padding[1];
    const bool turned = data != (s->a.flip != 0);
    const float *x = f->x[0], *w = f->x[1];
    double g[6][3], *kernels = doubles(dw[0] * dw[1] * 36), *tiles = doubles(dx[1] * 36);
    g_of(g);
    for (int64_t i = 0; i < dw[0] * dw[1]; i++) {
        double k[9];
        for (int t = 0; t < 9; t++) k[t] = fabs((double)w[i * 9 + (turned ? 8 - t : t)]);
        both_sides(&g[0][0], 6, 3, false, k, kernels + i * 36);
    }
    f->loose = doubles(cvy_count(&f->out[0].shape));
    for (int64_t n = 0; n < dy[0]; n++)
        for (int64_t i = 0; i < dy[2]; i += 4)
            for (int64_t j = 0; j < dy[3]; j += 4) {
                for (int64_t c = 0; c < dx[1]; c++) {
                    double d[36];
                    square_of(x + (n * dx[1] + c) * dx[2] * dx[3], dx, i - top, j - left, 6, d);
                    both_sides(&bt[0][0], 6, 6, false, d, tiles + c * 36);
                }
                for (int64_t o = 0; o < dy[1]; o++) {
                    double m[36] = {0}, y[16];
                    for (int64_t c = 0; c < dx[1]; c++) {
                        const double *k = kernels + (data ? c * dw[1] + o : o * dw[1] + c) * 36;
                        for (int p = 0; p < 36; p++) m[p] += k[p] * tiles[c * 36 + p];
                    }
                    both_sides(&at[0][0], 4, 6, false, m, y);
                    for (int t = 0; t < 16; t++)
                        if (i + t / 4 < dy[2] && j + t % 4 < dy[3])
                            f->loose[((n * dy[1] + o) * dy[2] + i + t / 4) * dy[3] + j + t % 4] =
                                gamma_of((double)dx[1] + 27) * y[t];
                }
            }
    free(kernels);
    free(tiles);
}

static void winograd_weights_bound(family *f, const shapes *s)
{
    const int64_t *dx = s->x.dim, *dy = s->y.dim;
    const int64_t columns = (dy[3] + 3) / 4, each = (dy[2] + 3) / 4 * columns, n_tiles = dy[0] * each;
    double g[6][3], *a = doubles(n_tiles * dx[1] * 36), *b = doubles(n_tiles * dy[1] * 36);
    g_of(g);
    for (int64_t t = 0; t < n_tiles; t++) {
        const int64_t n = t / each, i = t % each / columns * 4, j = t % columns * 4;
        double d[36];
        for (int64_t c = 0; c < dx[1]; c++) {
            square_of(f->x[0] + (n * dx[1] + c) * dx[2] * dx[3], dx, i - s->a.padding[0], j - s->a.padding[1],
                      6, d);
            both_sides(&bt[0][0], 6, 6, false, d, a + (t * dx[1] + c) * 36);
        }
        for (int64_t o = 0; o < dy[1]; o++) {
            square_of(f->x[1] + (n * dy[1] + o) * dy[2] * dy[3], dy, i, j, 4, d);
            both_sides(&at[0][0], 6, 4, true, d, b + (t * dy[1] + o) * 36);
        }
    }
    f->loose = doubles(cvy_count(&s->w));
    for (int64_t o = 0; o < dy[1]; o++)
        for (int64_t c = 0; c < dx[1]; c++) {
            double sum[36] = {0}, w[9];
            for (int64_t t = 0; t < n_tiles; t++)
                for (int p = 0; p < 36; p++)
                    sum[p] += a[(t * dx[1] + c) * 36 + p] * b[(t * dy[1] + o) * 36 + p];
            both_sides(&g[0][0], 3, 6, true, sum, w);
            for (int t = 0; t < 9; t++)
                f->loose[(o * dx[1] + c) * 9 + (s->a.flip ? 8 - t : t)] =
                    gamma_of((double)n_tiles + 28) * w[t];
        }
    free(a);
    free(b);
}

/* ---- convolution ---- */

static bool for_winograd(const shapes *s)
{
    const cvy_conv_attr *a = &s->a;
    return s->w.dim[2] == 3 && s->w.dim[3] == 3 && a->stride[0] == 1 && a->stride[1] == 1 &&
           a->dilation[0] == 1 && a->dilation[1] == 1 && a->groups == 1;
}

static void conv_forward(const shapes *s, bool positive)
{
    const bool bias = between(0, 1);
    family f;
    family_open(&f, OP_CONV, bias ? 3 : 2, 1);
    f.o.attr.conv = s->a;
    const float *x = family_in(&f, 0, s->x), *w = family_in(&f, 1, s->w);
    for (int64_t e = 0; positive && e < cvy_count(&s->x); e++) f.x[0][e] = fabsf(f.x[0][e]);
    family_out(&f, 0, s->y);
    CONV_EACH(s, add(&f, yi, (double)x[xi] * (double)w[wi]));
    if (for_winograd(s)) winograd_bound(&f, s, false);
    if (bias) {
        const float *b = family_in(&f, 2, cvy_shape1(s->y.dim[1]));
        const int64_t plane = s->y.dim[2] * s->y.dim[3];
        for (int64_t e = 0; e < cvy_count(&s->y); e++) add(&f, e, (double)b[e / plane % s->y.dim[1]]);
        for (int64_t e = 0; f.loose && e < cvy_count(&s->y); e++)
            f.loose[e] += 2 * U * fabs((double)b[e / plane % s->y.dim[1]]);
    }
    f.terms = (double)(cvy_sample_count(&s->w) + bias);
    scale_bounds(&f, 0, gamma_of(f.terms));
    check(&f);
}

static void conv_data(const shapes *s, bool positive)
{
    family f;
    family_open(&f, OP_CONV_BWD_DATA, 2, 1);
    f.o.attr.conv = s->a;
    const float *gy = family_in(&f, 0, s->y), *w = family_in(&f, 1, s->w);
    for (int64_t e = 0; positive && e < cvy_count(&s->y); e++) f.x[0][e] = fabsf(f.x[0][e]);
    family_out(&f, 0, s->x);
    CONV_EACH(s, add(&f, xi, (double)gy[yi] * (double)w[wi]));
    if (for_winograd(s)) winograd_bound(&f, s, true);
    f.terms = (double)(s->w.dim[0] / s->a.groups * s->w.dim[2] * s->w.dim[3]);
    scale_bounds(&f, 0, gamma_of(f.terms));
    check(&f);
}

static void conv_weights(const shapes *s, bool positive)
{
    family f;
    family_open(&f, OP_CONV_BWD_WEIGHTS, 2, 2);
    f.o.attr.conv = s->a;
    const float *x = family_in(&f, 0, s->x), *gy = family_in(&f, 1, s->y);
    for (int64_t e = 0; positive && e < cvy_count(&s->x); e++) f.x[0][e] = fabsf(f.x[0][e]);
    family_out(&f, 0, s->w);
    family_out(&f, 1, cvy_shape1(s->y.dim[1]));
    CONV_EACH(s, add(&f, wi, (double)x[xi] * (double)gy[yi]));
    if (for_winograd(s)) winograd_weights_bound(&f, s);
    const int64_t plane = s->y.dim[2] * s->y.dim[3];
    for (int64_t e = 0; e < cvy_count(&s->y); e++) {
        f.exact[1][e / plane % s->y.dim[1]] += (double)gy[e];
        f.bound[1][e / plane % s->y.dim[1]] += fabs((double)gy[e]);
    }
    f.terms = (double)(s->y.dim[0] * plane);
    scale_bounds(&f, 0, gamma_of(f.terms));
    scale_bounds(&f, 1, gamma_of((double)(s->y.dim[0] * plane)));
    check(&f);
}

static void test_conv(void **unused)
{
    (void)unused;
    begin(1);
    for (int64_t i = 0; i < cases; i++) {
        const shapes s = any_shapes(false);
        (i % 3 == 0 ? conv_forward : i % 3 == 1 ? conv_data : conv_weights)(&s, false);
    }
    report();
}

static void test_winograd(void **unused)
{
    (void)unused;
    begin(2);
    for (int64_t i = 0; i < cases; i++) {
        const shapes s = any_shapes(true);
        (i % 3 == 0 ? conv_forward : i % 3 == 1 ? conv_data : conv_weights)(&s, i / 3 % 5 == 0);
    }
    report();
}

/* As many channels as any network has, whose sums are the longest. */
static void test_winograd_of_many_channels(void **unused)
{
    (void)unused;
    begin(3);
    for (int i = 0; i < 6; i++) {
        shapes s = {.a = {.stride = {1, 1}, .dilation = {1, 1}, .padding = {1, 1, 1, 1}, .groups = 1},
                    .x = cvy_shape4(1, 512, 4, 4),
                    .w = cvy_shape4(33, 512, 3, 3),
                    .y = cvy_shape4(1, 33, 4, 4)};
        if (i % 3 == 1) {
            s.w = cvy_shape4(512, 33, 3, 3);
            s.x.dim[1] = 33;
            s.y.dim[1] = 512;
        }
        (i % 3 == 0 ? conv_forward : i % 3 == 1 ? conv_data : conv_weights)(&s, i > 2);
    }
    report();
}

/* ---- volumes ---- */

/* 3-D convolutions and, by data and weights, transposed ones, whose wide side may have voxels that no kernel reaches. */
static void test_volumes(void **unused)
{
    (void)unused;
    begin(9);
    static const op_type types[] = {OP_CONV3D, OP_CONV3D_BWD_DATA, OP_CONV3D_BWD_WEIGHTS};
    for (int64_t i = 0; i < cases; i++) {
        const op_type t = types[i % 3];
        cvy_conv3d_attr a;
        cvy_shape x, w, y;
        int64_t macs;
        do {
            a = (cvy_conv3d_attr){.groups = between(0, 4) ? 1 : between(1, 5), .flip = between(0, 3) == 0};
            const bool cube = between(0, 1); /* 3x3x3, for Winograd's */
            const int64_t n = wide(9), c = a.groups * wide(33), o = a.groups * wide(33);
            x = (cvy_shape){5, {n, c}};
            w = (cvy_shape){5, {o, c / a.groups}};
            y = (cvy_shape){5, {n, o}};
            macs = n * o;
            for (int d = 0; d < 3; d++) {
                x.dim[2 + d] = between(1, 9);
                w.dim[2 + d] = cube ? 3 : between(1, 5);
                a.stride[d] = cube && d ? 1 : between(1, 3);
                a.dilation[d] = cube || between(0, 2) ? 1 : between(2, 3);
                a.padding[d] = between(0, w.dim[2 + d] - 1);
                a.padding[d + 3] = between(0, w.dim[2 + d] - 1);
                const int64_t room =
                    x.dim[2 + d] + a.padding[d] + a.padding[d + 3] - a.dilation[d] * (w.dim[2 + d] - 1) - 1;
                y.dim[2 + d] = room / a.stride[d] + 1;
                macs = room < 0 ? INT64_MAX / 8 : macs;
                if (macs < macs_most) macs *= y.dim[2 + d];
            }
            if (macs <= macs_most) macs *= cvy_sample_count(&w);
        } while (macs > macs_most);
        const bool bias = t != OP_CONV3D_BWD_DATA && between(0, 1), weights = t == OP_CONV3D_BWD_WEIGHTS;
        family f;
        family_open(&f, t, t == OP_CONV3D ? 2 + bias : 2, weights ? 1 + bias : 1);
        f.o.attr.conv3d = a;
        const float *p = family_in(&f, 0, t == OP_CONV3D_BWD_DATA ? y : x);
        const float *q = family_in(&f, 1, weights ? y : w), *b = NULL;
        if (f.o.n_in > 2) b = family_in(&f, 2, cvy_shape1(y.dim[1]));
        family_out(&f, 0, t == OP_CONV3D ? y : weights ? w : x);
        if (f.o.n_out > 1) family_out(&f, 1, cvy_shape1(y.dim[1]));
        const int64_t each = y.dim[1] / a.groups, places = y.dim[2] * y.dim[3] * y.dim[4];
        const int64_t taps = w.dim[2] * w.dim[3] * w.dim[4];
        for (int64_t e = 0; e < cvy_count(&y); e++) {
            const int64_t n = e / places / y.dim[1], o = e / places % y.dim[1];
            const int64_t corner[3] = {e / (y.dim[3] * y.dim[4]) % y.dim[2], e / y.dim[4] % y.dim[3],
                                       e % y.dim[4]};
            for (int64_t k = 0; k < w.dim[1] * taps; k++) {
                const int64_t c = k / taps, tap[3] = {k / (w.dim[3] * w.dim[4]) % w.dim[2],
                                                      k / w.dim[4] % w.dim[3], k % w.dim[4]};
                int64_t xi = n * x.dim[1] + o / each * w.dim[1] + c;
                bool inside = true;
                for (int d = 0; d < 3; d++) {
                    const int64_t met = corner[d] * a.stride[d] - a.padding[d] + tap[d] * a.dilation[d];
                    inside = inside && met >= 0 && met < x.dim[2 + d];
                    xi = xi * x.dim[2 + d] + met;
                }
                if (!inside) continue;
                const int64_t wi = (o * w.dim[1] + c) * taps + (a.flip ? taps - 1 - k % taps : k % taps);
                if (t == OP_CONV3D) add(&f, e, (double)p[xi] * (double)q[wi]);
                if (t == OP_CONV3D_BWD_DATA) add(&f, xi, (double)p[e] * (double)q[wi]);
                if (weights) add(&f, wi, (double)p[xi] * (double)q[e]);
            }
            if (b) add(&f, e, (double)b[o]);
            if (f.o.n_out > 1) {
                f.exact[1][o] += (double)q[e];
                f.bound[1][o] += fabs((double)q[e]);
            }
        }
        f.terms = t == OP_CONV3D ? (double)(cvy_sample_count(&w) + bias)
                  : weights      ? (double)(y.dim[0] * places)
                                 : (double)(each * taps + w.dim[2]); /* and the fold */
        scale_bounds(&f, 0, gamma_of(f.terms));
        if (f.o.n_out > 1) scale_bounds(&f, 1, gamma_of((double)(y.dim[0] * places)));
        const int64_t maps = weights ? y.dim[0] * y.dim[2] * ((y.dim[3] + 3) / 4) * ((y.dim[4] + 3) / 4)
                                     : (t == OP_CONV3D ? w.dim[1] : each) * w.dim[2];
        f.loose = doubles(cvy_count(&f.out[0].shape)); /* operands are below 1: the bound by norms */
        for (int64_t e = 0; e < cvy_count(&f.out[0].shape); e++)
            f.loose[e] = gamma_of((double)maps + 28) * ((double)maps * winograd_norm(weights) + bias);
        check(&f);
    }
    report();
}

/* ---- linear ---- */

static void test_linear(void **unused)
{
    (void)unused;
    begin(4);
    static const op_type types[] = {OP_LINEAR, OP_LINEAR_BWD_DATA, OP_LINEAR_BWD_WEIGHTS};
    for (int64_t i = 0; i < cases; i++) {
        int64_t n, k, o;
        do {
            n = wide(129), k = wide(2049), o = wide(513);
        } while (n * k * o > macs_most);
        const op_type t = types[i % 3];
        const cvy_shape x = cvy_shape2(n, k), w = cvy_shape2(o, k), y = cvy_shape2(n, o), b = cvy_shape1(o);
        const bool extra = t != OP_LINEAR_BWD_DATA && between(0, 1);
        family f;
        family_open(&f, t, t == OP_LINEAR ? 2 + extra : 2, t == OP_LINEAR_BWD_WEIGHTS ? 1 + extra : 1);
        const float *p = family_in(&f, 0, t == OP_LINEAR_BWD_DATA ? y : x);
        const float *q = family_in(&f, 1, t == OP_LINEAR_BWD_WEIGHTS ? y : w), *bias = NULL;
        if (f.o.n_in > 2) bias = family_in(&f, 2, b);
        family_out(&f, 0, t == OP_LINEAR ? y : t == OP_LINEAR_BWD_DATA ? x : w);
        if (f.o.n_out > 1) family_out(&f, 1, b);
        for (int64_t a = 0; a < n; a++)
            for (int64_t c = 0; c < o; c++) {
                for (int64_t e = 0; e < k; e++) {
                    const int64_t xi = a * k + e, wi = c * k + e, yi = a * o + c;
                    if (t == OP_LINEAR) add(&f, yi, (double)p[xi] * (double)q[wi]);
                    if (t == OP_LINEAR_BWD_DATA) add(&f, xi, (double)p[yi] * (double)q[wi]);
                    if (t == OP_LINEAR_BWD_WEIGHTS) add(&f, wi, (double)p[xi] * (double)q[yi]);
                }
                if (bias) add(&f, a * o + c, (double)bias[c]);
                if (f.o.n_out > 1) {
                    f.exact[1][c] += (double)q[a * o + c];
                    f.bound[1][c] += fabs((double)q[a * o + c]);
                }
            }
        f.terms = (double)(t == OP_LINEAR ? k + extra : t == OP_LINEAR_BWD_DATA ? o : n);
        scale_bounds(&f, 0, gamma_of(f.terms));
        if (f.o.n_out > 1) scale_bounds(&f, 1, gamma_of((double)n));
        check(&f);
    }
    report();
}

/* ---- batch normalisation ---- */

static cvy_shape any_map(void)
{
    for (;;) {
        const bool small = between(0, 3) > 0;
        const cvy_shape x = cvy_shape4(wide(129), wide(513), small ? between(1, 7) : wide(40),
                                       small ? between(1, 7) : wide(40));
        if (cvy_count(&x) <= macs_most / 16) return x;
    }
}

/* The mean of n numbers is off by their sum's bound over n. The variance is summed around means of pieces, which
 * are themselves off: to first order by its own sum's bound, and by the square of the mean's. */
static void test_bn_stats(void **unused)
{
    (void)unused;
    begin(5);
    for (int64_t i = 0; i < cases; i++) {
        const cvy_shape x = any_map();
        const int64_t c = x.dim[1], plane = x.dim[2] * x.dim[3], n = x.dim[0] * plane;
        family f;
        family_open(&f, OP_BN_STATS, 1, 1);
        float *p = family_in(&f, 0, x);
        for (int64_t e = 0; i % 3 == 0 && e < cvy_count(&x); e++) p[e] += 20;
        family_out(&f, 0, cvy_shape2(2, c));
        double *mean = f.exact[0], *var = mean + c, *mean_bound = f.bound[0], *var_bound = mean_bound + c;
        double *squares = doubles(c);
        const double run = fmin((double)n, RUN) + 2; /* roundings of a run's sum of deviations */
        for (int64_t e = 0; e < cvy_count(&x); e++) {
            mean[e / plane % c] += (double)p[e] / (double)n;
            mean_bound[e / plane % c] += 2 * gamma_of(run) * fabs((double)p[e]) / (double)n;
            squares[e / plane % c] += (double)p[e] * (double)p[e] / (double)n;
        }
        for (int64_t e = 0; e < cvy_count(&x); e++) {
            const double d = (double)p[e] - mean[e / plane % c];
            var[e / plane % c] += d * d / (double)n;
        }
        for (int64_t k = 0; k < c; k++)
            var_bound[k] = gamma_of(run + 4) * var[k] + 8 * gamma_of(run) * gamma_of(run) * squares[k];
        free(squares);
        check(&f);
    }
    report();
}

/* Statistics are given: 8 roundings and no sum. */
static void test_bn_apply(void **unused)
{
    (void)unused;
    begin(6);
    for (int64_t i = 0; i < cases; i++) {
        const cvy_shape x = any_map();
        const int64_t c = x.dim[1], plane = x.dim[2] * x.dim[3];
        family f;
        family_open(&f, OP_BN_APPLY, i % 2 ? 5 : 4, 1);
        f.o.attr.bn = (cvy_bn_attr){1e-5, 0.1};
        f.o.attr.relu = i / 2 % 2 != 0;
        const float *p = family_in(&f, 0, x);
        float *stats = family_in(&f, 1, cvy_shape2(2, c));
        const float *gamma = family_in(&f, 2, cvy_shape1(c)), *beta = family_in(&f, 3, cvy_shape1(c));
        const float *residual = i % 2 ? family_in(&f, 4, x) : NULL;
        for (int64_t k = 0; k < c; k++) stats[c + k] = fabsf(stats[c + k]);
        family_out(&f, 0, x);
        for (int64_t e = 0; e < cvy_count(&x); e++) {
            const int64_t k = e / plane % c;
            const double r = 1 / sqrt((double)stats[c + k] + 1e-5), g = (double)gamma[k];
            double y = g * ((double)p[e] - (double)stats[k]) * r + (double)beta[k];
            double size = fabs(g) * (fabs((double)p[e]) + fabs((double)stats[k])) * r + fabs((double)beta[k]);
            if (residual) y += (double)residual[e], size += fabs((double)residual[e]);
            f.exact[0][e] = f.o.attr.relu && y < 0 ? 0 : y;
            f.bound[0][e] = 8 * U * size;
        }
        check(&f);
    }
    report();
}

/* gx = gamma r (gy - mean of gy - xhat mean of (gy xhat)), r = 1 / sqrt(var + eps), xhat = (x - mean) r. */
static void test_bn_bwd(void **unused)
{
    (void)unused;
    begin(7);
    for (int64_t i = 0; i < cases; i++) {
        const cvy_shape x = any_map();
        const int64_t c = x.dim[1], plane = x.dim[2] * x.dim[3], n = x.dim[0] * plane;
        const double run = fmin((double)n, RUN);
        const bool relu = i % 2; /* by y: a mask made from x may be of two minds at zero */
        family f;
        family_open(&f, OP_BN_BWD, relu ? 6 : 5, 3);
        f.o.attr.bn = (cvy_bn_attr){1e-5, 0.1};
        f.o.attr.relu = relu;
        const float *p = family_in(&f, 0, x), *gy = family_in(&f, 1, x);
        float *stats = family_in(&f, 2, cvy_shape2(2, c));
        const float *gamma = family_in(&f, 3, cvy_shape1(c));
        family_in(&f, 4, cvy_shape1(c));
        const float *y = relu ? family_in(&f, 5, x) : NULL;
        for (int64_t k = 0; k < c; k++) stats[c + k] = fabsf(stats[c + k]);
        family_out(&f, 0, x);
        family_out(&f, 1, cvy_shape1(c));
        family_out(&f, 2, cvy_shape1(c));
        double *ggamma = f.exact[1], *gbeta = f.exact[2], *size_gamma = f.bound[1], *size_beta = f.bound[2];
        for (int pass = 0; pass < 2; pass++)
            for (int64_t e = 0; e < cvy_count(&x); e++) {
                const int64_t k = e / plane % c;
                const double r = 1 / sqrt((double)stats[c + k] + 1e-5), g = (double)gamma[k];
                const double d = y && y[e] <= 0 ? 0 : (double)gy[e];
                const double hat = ((double)p[e] - (double)stats[k]) * r;
                const double size = (fabs((double)p[e]) + fabs((double)stats[k])) * r;
                if (pass == 0) {
                    ggamma[k] += d * hat;
                    gbeta[k] += d;
                    size_gamma[k] += fabs(d) * size;
                    size_beta[k] += fabs(d);
                    continue;
                }
                f.exact[0][e] = g * r * (d - gbeta[k] / (double)n - hat * ggamma[k] / (double)n);
                f.bound[0][e] =
                    fabs(g) * r * U *
                    (12 * (fabs(d) + fabs(gbeta[k]) / (double)n + size * fabs(ggamma[k]) / (double)n) +
                     (run + 12) * (size_beta[k] + size * size_gamma[k]) / (double)n);
            }
        scale_bounds(&f, 1, gamma_of(run + 8));
        scale_bounds(&f, 2, gamma_of(run + 2));
        check(&f);
    }
    report();
}

/* ---- pooling ---- */

/* The largest is exact; an average is a sum and a division. */
static void test_pool(void **unused)
{
    (void)unused;
    begin(8);
    for (int64_t i = 0; i < cases; i++) {
        const bool back = i % 2, most = !back && i / 2 % 2;
        cvy_shape x, y;
        cvy_pool_attr a;
        bool fits;
        do {
            x = y = any_map();
            a = (cvy_pool_attr){.function = most ? CVY_POOL_MAX : CVY_POOL_AVG,
                                .count_padding = (int)between(0, 1)};
            fits = true;
            for (int d = 0; d < 2; d++) {
                a.kernel[d] = between(1, 11);
                a.stride[d] = between(1, 4);
                a.padding[d] = between(0, a.kernel[d] / 2);
                a.padding[d + 2] = between(0, a.kernel[d] / 2);
                const int64_t room = x.dim[2 + d] + a.padding[d] + a.padding[d + 2] - a.kernel[d];
                fits = fits && room >= 0;
                y.dim[2 + d] = room / a.stride[d] + 1;
            }
        } while (!fits);
        family f;
        family_open(&f, back ? OP_POOL_BWD : OP_POOL, 1, 1);
        f.o.attr.pool = a;
        const float *p = family_in(&f, 0, back ? y : x);
        family_out(&f, 0, back ? x : y);
        for (int64_t e = 0; e < cvy_count(&y); e++) {
            const int64_t plane = e / (y.dim[2] * y.dim[3]),
                          r0 = e / y.dim[3] % y.dim[2] * a.stride[0] - a.padding[0],
                          q0 = e % y.dim[3] * a.stride[1] - a.padding[1];
            int64_t count = 0;
            double sum = most ? -INFINITY : 0, size = 0;
            for (int pass = 0; pass < 1 + back; pass++)
                for (int64_t t = 0; t < a.kernel[0] * a.kernel[1]; t++) {
                    const int64_t r = r0 + t / a.kernel[1], q = q0 + t % a.kernel[1];
                    if (r < 0 || r >= x.dim[2] || q < 0 || q >= x.dim[3]) continue;
                    const int64_t from = (plane * x.dim[2] + r) * x.dim[3] + q;
                    count += !pass;
                    if (pass)
                        add(&f, from,
                            (double)p[e] / (double)(a.count_padding ? a.kernel[0] * a.kernel[1] : count));
                    if (back) continue;
                    sum = most ? fmax(sum, (double)p[from]) : sum + (double)p[from];
                    size += fabs((double)p[from]);
                }
            if (back) continue;
            if (!most) count = a.count_padding ? a.kernel[0] * a.kernel[1] : count;
            f.exact[0][e] = most || !count ? sum : sum / (double)count;
            f.bound[0][e] = most || !count ? 0 : size / (double)count;
        }
        const double terms = (double)(a.kernel[0] * a.kernel[1]);
        f.terms = terms;
        scale_bounds(&f, 0, gamma_of(terms + 2));
        check(&f);
    }
    report();
}

int main(void)
{
    const char *many = getenv("CONVOY_FAMILY"), *other = getenv("CONVOY_FAMILY_SEED");
    cases = many ? strtoll(many, NULL, 10) : 24;
    macs_most = many ? 12000000 : 600000;
    seed = other ? strtoll(other, NULL, 10) : 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_winograd_of_many_channels),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_bn_stats),
        cmocka_unit_test(test_bn_apply),
        cmocka_unit_test(test_bn_bwd),
        cmocka_unit_test(test_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
