/* Product of two or more inputs, number by number; the gate of squeeze-and-excitation.
 *
 * Hu, Shen & Sun, "Squeeze-and-Excitation Networks", CVPR 2018, equation 4. Inputs of one shape, or smaller ones that
 * are repeated along the axes where they have 1: (N, C, 1, 1) or (N, 1, H, W) over (N, C, H, W). (N, C), as
 * `global_avg_pool` and `linear` give it, stands for (N, C, 1, ...). */
#include <string.h>

#include "convoy/layer.h"
#include "shape_text.h"
#include "sums.h"
#include "wide.h"

#define INPUTS 16
#define AXES   (CVY_MAX_RANK - 1) /* behind the batch */
#define SOME   256                /* numbers at a time */

static int64_t side(const cvy_shape *in, int d)
{
    return d < in->rank ? in->dim[d] : 1;
}

static int multiply_infer(cvy_infer *in, const void *config)
{
    (void)config;
    char first[128], other[128];
    int widest = 0;
    for (int32_t k = 1; k < in->n_in; k++)
        if (in->in[k].rank > in->in[widest].rank) widest = k;
    in->out = in->in[widest];
    for (int32_t k = 0; k < in->n_in; k++) {
        int fits = in->in[k].rank == in->out.rank || in->in[k].rank == 2;
        for (int d = 1; fits && d < in->out.rank; d++) {
            const int64_t own = side(&in->in[k], d);
            if (in->out.dim[d] == 1) in->out.dim[d] = own;
            fits = own == 1 || own == in->out.dim[d];
        }
        if (!fits)
            return cvy_fail(in,
                            "input %" PRId32
                            " is %s, which does not fit %s; inputs need one shape, or 1 where they "
                            "are to be repeated, like (N, C, 1, 1), or to be (N, C)",
                            k + 1, shape_text(&in->in[k], other), shape_text(&in->out, first));
    }
    int64_t bytes = (int64_t)sizeof(double);
    for (int d = 0; d < in->out.rank; d++)
        if (__builtin_mul_overflow(bytes, in->out.dim[d], &bytes))
            return cvy_fail(in, "the product, %s, is too large to compute", shape_text(&in->out, first));
    in->traits = CVY_READS_X;
    return 0;
}

/* The axes behind the batch, neighbours that every input has alike (both whole or both repeated) taken together; the
 * last one is stepped through innermost. An input's stride is 0 along an axis where it is repeated. */
typedef struct product {
    const cvy_plain *call;
    int axes;
    int64_t dim[AXES], out_stride[AXES], stride[INPUTS][AXES];
    int64_t count, counts[INPUTS]; /* numbers of a sample: of the output, of the inputs */
    int input;                     /* backward: whose gradient */
    int64_t own_rows, other_rows;  /* backward: its rows; how many rows of the output go into each */
} product;

static int repeated(const cvy_plain *call, int32_t k, int d)
{
    return side(&call->in[k], d) == 1 && call->out->dim[d] > 1;
}

static product product_of(const cvy_plain *call)
{
    product p = {.call = call, .count = cvy_sample_count(call->out)};
    int from[AXES]; /* an axis of the output in each of ours */
    for (int d = 1; d < call->out->rank; d++) {
        if (call->out->dim[d] == 1) continue;
        int joins = p.axes > 0;
        for (int32_t k = 0; joins && k < call->n_in; k++)
            joins = repeated(call, k, d) == repeated(call, k, from[p.axes - 1]);
        if (!joins) {
            from[p.axes] = d;
            p.dim[p.axes++] = 1;
        }
        p.dim[p.axes - 1] *= call->out->dim[d];
    }
    if (!p.axes) p.dim[p.axes++] = 1, from[0] = 0;
    int64_t stride = 1;
    for (int a = p.axes - 1; a >= 0; stride *= p.dim[a--]) p.out_stride[a] = stride;
    for (int32_t k = 0; k < call->n_in; k++) {
        p.counts[k] = 1;
        for (int a = p.axes - 1; a >= 0; a--) {
            if (from[a] > 0 && repeated(call, k, from[a])) continue;
            p.stride[k][a] = p.counts[k];
            p.counts[k] *= p.dim[a];
        }
    }
    return p;
}

/* ---- forward ---- */

/* Rows of the output, all axes but the last. */
WIDE static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const product *p = ctx;
    const int last = p->axes - 1;
    const int64_t inner = p->dim[last], rows = p->count / inner;
    for (int64_t row = begin; row < end; row++) {
        const int64_t n = row / rows;
        const cvy_real *x[INPUTS];
        for (int32_t k = 0; k < p->call->n_in; k++) {
            int64_t rest = row % rows;
            x[k] = p->call->x[k] + n * p->counts[k];
            for (int a = last - 1; a >= 0; rest /= p->dim[a--]) x[k] += rest % p->dim[a] * p->stride[k][a];
        }
        cvy_real *y = p->call->y + row * inner;
        if (p->stride[0][last])
            for (int64_t i = 0; i < inner; i++) y[i] = x[0][i];
        else
            for (int64_t i = 0; i < inner; i++) y[i] = x[0][0];
        for (int32_t k = 1; k < p->call->n_in; k++)
            if (p->stride[k][last])
                for (int64_t i = 0; i < inner; i++) y[i] *= x[k][i];
            else
                for (int64_t i = 0; i < inner; i++) y[i] *= x[k][0];
    }
}

static int multiply_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    product p = product_of(call);
    call->host->parallel_for(call->host, call->out->dim[0] * (p.count / p.dim[p.axes - 1]), 1, forward_rows,
                             &p);
    return 0;
}

/* ---- backward ---- */

/* Where a row of the input's own and the `other`-th one that it is repeated over meet. */
static int64_t meet(const product *p, int64_t own, int64_t other, int64_t at[INPUTS])
{
    int64_t out = 0;
    for (int32_t k = 0; k < p->call->n_in; k++) at[k] = 0;
    for (int a = p->axes - 2; a >= 0; a--) {
        int64_t *rest = p->stride[p->input][a] ? &own : &other;
        const int64_t i = *rest % p->dim[a];
        *rest /= p->dim[a];
        out += i * p->out_stride[a];
        for (int32_t k = 0; k < p->call->n_in; k++) at[k] += i * p->stride[k][a];
    }
    return out;
}

/* gy times the other inputs at n numbers of a row, from number `first` on. */
static inline void others(const product *p, int64_t sample, int64_t out, const int64_t at[INPUTS],
                          int64_t first, int64_t n, cvy_real *value)
{
    const int last = p->axes - 1;
    memcpy(value, p->call->gy + sample * p->count + out + first, (size_t)n * sizeof *value);
    for (int32_t k = 0; k < p->call->n_in; k++) {
        if (k == p->input) continue;
        const cvy_real *x = p->call->x[k] + sample * p->counts[k] + at[k];
        if (p->stride[k][last])
            for (int64_t i = 0; i < n; i++) value[i] *= x[first + i];
        else
            for (int64_t i = 0; i < n; i++) value[i] *= x[0];
    }
}

/* Rows of the input's own: the gradient is the sum over all that a number was repeated for. Where it was not, the product
 * is all. */
WIDE static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const product *p = ctx;
    const int last = p->axes - 1;
    const int64_t inner = p->dim[last], step = p->stride[p->input][last];
    int64_t at[INPUTS];
    double sum[SOME];
    cvy_real value[SOME];
    for (int64_t row = begin; row < end; row++) {
        const int64_t n = row / p->own_rows, own = row % p->own_rows;
        const int64_t alone = meet(p, own, 0, at);
        cvy_real *gx = p->call->gx[p->input] + n * p->counts[p->input] + at[p->input];
        if (step && p->other_rows == 1) {
            others(p, n, alone, at, 0, inner, gx);
            continue;
        }
        double along = 0;
        for (int64_t first = 0; first < inner; first += SOME) {
            const int64_t some = inner - first < SOME ? inner - first : SOME;
            for (int64_t i = 0; step && i < some; i++) sum[i] = 0;
            for (int64_t other = 0; other < p->other_rows; other++) {
                const int64_t out = meet(p, own, other, at);
                others(p, n, out, at, first, some, value);
                if (!step)
                    along += sums_of(value, some);
                else
                    for (int64_t i = 0; i < some; i++) sum[i] += (double)value[i];
            }
            for (int64_t i = 0; step && i < some; i++) gx[first + i] = (cvy_real)sum[i];
        }
        if (!step) gx[0] = (cvy_real)along;
    }
}

static int multiply_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    product p = product_of(call);
    for (p.input = 0; p.input < call->n_in; p.input++) {
        if (!call->gx[p.input]) continue;
        p.own_rows = p.other_rows = 1;
        for (int a = 0; a < p.axes - 1; a++)
            *(p.stride[p.input][a] ? &p.own_rows : &p.other_rows) *= p.dim[a];
        call->host->parallel_for(call->host, call->out->dim[0] * p.own_rows, 1, backward_rows, &p);
    }
    return 0;
}

static const cvy_layer multiply_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 2,
    .max_in = INPUTS,
    .infer = multiply_infer,
    .forward = multiply_forward,
    .backward = multiply_backward,
};

CVY_PLUGIN(CVY_LAYER, multiply, "Multiply Mul mul Product prod gate EltwiseProd",
           "Product of inputs of one shape, smaller ones repeated: (N, C) over (N, C, H, W)",
           "Hu et al. 2018, equation 4", cvy_no_config, &multiply_layer, CVY_NO_PARAMS);
