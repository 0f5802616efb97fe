/* LeNet-5's output layer: one fixed pattern per class, and how far the input is from it.
 *
 *   y[n,o] = -sum over i of (x[n,i] - w[o,i])^2
 *
 * LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998,
 * section II.B, equation 7, here with a minus so that the largest output is the class, as every loss of this
 * kind expects. The patterns are +1 and -1 and are not trained: the layer has no weights. The paper draws the
 * characters of ASCII on 7 x 12 pixels; `digits` are such drawings of 0 to 9 made for this file, `random` are
 * codes of random signs, which the paper mentions as the alternative. */
#include <inttypes.h>

#include "convoy/layer.h"
#include "sums.h"
#include "wide.h"

typedef struct rbf_config {
    int64_t units;
    int32_t codes;
} rbf_config;

enum { DIGITS, RANDOM };
static const char *const code_names[] = {"digits", "random", NULL};

static const cvy_param rbf_params[] = {
    CVY_INT_REQUIRED(rbf_config, units, 1, 1048576, "classes"),
    CVY_ALSO("out_features num_outputs num_classes"),
    CVY_ENUM(
        rbf_config, codes, digits, code_names,
        "the fixed patterns: drawings of 7x12 pixels for 84 inputs and at most 10 units, or random signs"),
};

enum { WIDTH = 7, HEIGHT = 12, DRAWN = 10 };

static const char digits[DRAWN][HEIGHT][WIDTH + 1] = {
    {".......", "..###..", ".#...#.", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#",
     ".#...#.", "..###..", "......."},
    {".......", "...#...", "..##...", ".#.#...", "...#...", "...#...", "...#...", "...#...", "...#...",
     "...#...", ".#####.", "......."},
    {".......", ".####..", "#....#.", "......#", "......#", ".....#.", "....#..", "...#...", "..#....",
     ".#.....", "#######", "......."},
    {".......", ".#####.", "#.....#", "......#", "......#", "..####.", "......#", "......#", "......#",
     "#.....#", ".#####.", "......."},
    {".......", ".....#.", "....##.", "...#.#.", "..#..#.", ".#...#.", "#....#.", "#######", ".....#.",
     ".....#.", ".....#.", "......."},
    {".......", "#######", "#......", "#......", "######.", "......#", "......#", "......#", "......#",
     "#.....#", ".#####.", "......."},
    {".......", "..####.", ".#.....", "#......", "#......", "######.", "#.....#", "#.....#", "#.....#",
     "#.....#", ".#####.", "......."},
    {".......", "#######", "......#", "......#", ".....#.", "....#..", "...#...", "...#...", "..#....",
     "..#....", "..#....", "......."},
    {".......", ".#####.", "#.....#", "#.....#", "#.....#", ".#####.", "#.....#", "#.....#", "#.....#",
     "#.....#", ".#####.", "......."},
    {".......", ".#####.", "#.....#", "#.....#", "#.....#", "#.....#", ".######", "......#", "......#",
     ".....#.", ".####..", "......."},
};

/* The sign of a unit's code at an input: a mixed bit of both numbers, the same in every run. */
static cvy_real random_sign(int64_t unit, int64_t i)
{
    uint64_t z = (uint64_t)unit * 0x9e3779b97f4a7c15u + (uint64_t)i + 1;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) & 1 ? 1 : -1;
}

static cvy_real code(const rbf_config *c, int64_t unit, int64_t i)
{
    if (c->codes == RANDOM) return random_sign(unit, i);
    return digits[unit][i / WIDTH][i % WIDTH] == '#' ? 1 : -1;
}

static int rbf_infer(cvy_infer *in, const void *config)
{
    const rbf_config *c = config;
    const cvy_shape *x = &in->in[0];
    if (x->rank != 2) return cvy_fail(in, "expects vectors (N, F); put `flatten` in front");
    if (c->codes == DIGITS && (x->dim[1] != WIDTH * HEIGHT || c->units > DRAWN))
        return cvy_fail(in,
                        "codes: digits are %d patterns of %d numbers, here are %" PRId64 " units of %" PRId64
                        "; use `codes: random`, or %d inputs",
                        DRAWN, WIDTH * HEIGHT, c->units, x->dim[1], WIDTH * HEIGHT);
    in->out = cvy_shape2(x->dim[0], c->units);
    in->traits = CVY_READS_X;
    int64_t codes;
    if (__builtin_mul_overflow(c->units, x->dim[1], &codes) ||
        __builtin_mul_overflow(codes, (int64_t)sizeof(cvy_real), &in->scratch_bytes))
        return cvy_fail(in, "units: %" PRId64 " of %" PRId64 " inputs are too large to compute", c->units,
                        x->dim[1]);
    return 0;
}

typedef struct rbf_job {
    const cvy_plain *call;
    int64_t units, count;
    cvy_real *codes; /* (units, count) */
} rbf_job;

static rbf_job job_of(const cvy_plain *call, const rbf_config *c)
{
    const rbf_job j = {call, c->units, call->in[0].dim[1], call->scratch};
    for (int64_t o = 0; o < j.units; o++)
        for (int64_t i = 0; i < j.count; i++) j.codes[o * j.count + i] = code(c, o, i);
    return j;
}

/* The sum of (x - code)^2. */
static inline double distance(const cvy_real *x, const cvy_real *codes, int64_t n)
{
    double s[SUMS_AT_ONCE] = {0};
    int64_t i = 0;
    for (; i + SUMS_AT_ONCE <= n; i += SUMS_AT_ONCE)
        for (int k = 0; k < SUMS_AT_ONCE; k++) {
            const double away = (double)x[i + k] - (double)codes[i + k];
            s[k] += away * away;
        }
    for (; i < n; i++) {
        const double away = (double)x[i] - (double)codes[i];
        s[0] += away * away;
    }
    return sums_together(s);
}

WIDE static void forward_samples(void *ctx, int64_t begin, int64_t end)
{
    const rbf_job *j = ctx;
    for (int64_t n = begin; n < end; n++)
        for (int64_t o = 0; o < j->units; o++)
            j->call->y[n * j->units + o] =
                (cvy_real)-distance(j->call->x[0] + n * j->count, j->codes + o * j->count, j->count);
}

enum { SOME = 128 }; /* inputs at a time */

/* gx = 2 sum over the units of gy (code - x) */
WIDE static void backward_samples(void *ctx, int64_t begin, int64_t end)
{
    const rbf_job *j = ctx;
    for (int64_t n = begin; n < end; n++)
        for (int64_t first = 0; first < j->count; first += SOME) {
            const int64_t some = j->count - first < SOME ? j->count - first : SOME;
            const cvy_real *x = j->call->x[0] + n * j->count + first;
            double sum[SOME] = {0};
            for (int64_t o = 0; o < j->units; o++) {
                const double gy = (double)j->call->gy[n * j->units + o];
                const cvy_real *codes = j->codes + o * j->count + first;
                for (int64_t i = 0; i < some; i++) sum[i] += gy * ((double)codes[i] - (double)x[i]);
            }
            for (int64_t i = 0; i < some; i++)
                j->call->gx[0][n * j->count + first + i] = (cvy_real)(2 * sum[i]);
        }
}

static int rbf_forward(const cvy_plain *call, const void *config)
{
    rbf_job j = job_of(call, config);
    call->host->parallel_for(call->host, call->in[0].dim[0], 1, forward_samples, &j);
    return 0;
}

static int rbf_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    rbf_job j = job_of(call, config);
    call->host->parallel_for(call->host, call->in[0].dim[0], 1, backward_samples, &j);
    return 0;
}

static const cvy_layer rbf_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = rbf_infer,
    .forward = rbf_forward,
    .backward = rbf_backward,
};

CVY_PLUGIN(CVY_LAYER, rbf_output, "RBF rbf radial_basis_function EuclideanRBF",
           "Minus the squared distances to fixed patterns of signs, one per class; no weights",
           "LeCun et al. 1998, section II.B, equation 7", rbf_config, &rbf_layer, CVY_PARAMS(rbf_params));
