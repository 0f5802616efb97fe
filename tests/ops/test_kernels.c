/* Every kernel that the registry gives, at every instruction set of this machine and with one and two
 * threads, against the reference over a generated family of operators: values within a stated bound, zeros in
 * the lanes beyond C, nothing written outside the outputs, the same bits twice, the same bits in place and
 * without optional outputs. */
#include "operands.h"

#define MOST 6

/* ---- one operator with its plain operands ---- */

typedef struct sample_op {
    op o;
    tensor in[MOST], out[MOST];
    float *x[MOST], *y[MOST]; /* plain; an index operand holds bytes */
    double bound;             /* allowed difference, as a share of the largest value of an output */
    int64_t exact_index;      /* output that has to agree bit by bit, or -1 */
} sample_op;

static void sample_open(sample_op *s, op_type t, int n_in, int n_out)
{
    memset(s, 0, sizeof *s);
    s->o.type = t;
    s->o.n_in = n_in;
    s->o.n_out = n_out;
    s->o.in = s->in;
    s->o.out = s->out;
    s->bound = 1e-5;
    s->exact_index = -1;
}

static void sample_in(sample_op *s, int i, cvy_shape shape)
{
    s->in[i] = tensor_plain(&shape);
    int64_t n = cvy_count(&shape);
    s->x[i] = fresh((size_t)n * sizeof(float));
    for (int64_t e = 0; e < n; e++) s->x[i][e] = value();
}

static void sample_out(sample_op *s, int i, cvy_shape shape)
{
    s->out[i] = tensor_plain(&shape);
    s->y[i] = fresh((size_t)cvy_count(&shape) * sizeof(float));
}

static void sample_close(sample_op *s)
{
    for (int i = 0; i < MOST; i++) {
        free(s->x[i]);
        free(s->y[i]);
    }
}

static void sample_reference(sample_op *s)
{
    machine m = machine_of(ISA_BASE, 1);
    run_kernel(kernel_reference(s->o.type), &s->o, &m, (void *const *)s->x, (void *const *)s->y);
}

/* ---- the comparison ---- */

static double worst_share; /* of the bound, over a whole test */
static int offers_seen;
static bool loose_only; /* a test of its own for kernels that round more than the direct sum */

/* Means and variances have rows of their own sizes. A variance is held to the largest of them, a mean to the
 * largest mean or deviation: next to the spread of its values a mean may be as good as zero. */
static int64_t row_of(const sample_op *s, int i, int64_t n)
{
    return s->o.type == OP_BN_STATS || (s->o.type == OP_CONV && i == 1) ? n / 2 : n;
}

static void compare(const sample_op *s, int i, const tensor *t, const char *got, const char *what)
{
    float *y = plain_again(t, got);
    float *expected = plain_again(&s->out[i], s->y[i]);
    int64_t n = cvy_count(&t->shape), row = row_of(s, i, n);
    bool exact = s->exact_index == i || t->element == 1;
    double most = 0;
    for (int64_t e = 0; e < n; e++) {
        if (e % row == 0) {
            most = 1e-30;
            for (int64_t r = e; r < e + row; r++)
                if (isfinite(expected[r])) most = fmax(most, fabs((double)expected[r]));
            for (int64_t r = row; row < n && e == 0 && r < n; r++)
                most = fmax(most, sqrt((double)expected[r]));
        }
        if (isnan(expected[e]) && isnan(y[e])) continue;
        if (y[e] == expected[e]) continue;
        double share = fabs((double)y[e] - (double)expected[e]) / (most * s->bound);
        if (exact || !(share <= 1))
            fail_msg("%s: output %d element %lld: %g, reference %g (largest %g)", what, i, (long long)e,
                     (double)y[e], (double)expected[e], most);
        worst_share = fmax(worst_share, share);
    }
    free(y);
    free(expected);
}

static bool may_lack(op_type t, int output)
{
    return t == OP_BN_BWD || ((t == OP_CONV_BWD_WEIGHTS || t == OP_LINEAR_BWD_WEIGHTS) && output > 0);
}

static void check_offer(sample_op *s, const kernel *k, const machine *m, const layout *in, const layout *out)
{
    tensor tin[MOST], tout[MOST];
    op o = s->o;
    o.in = tin;
    o.out = tout;
    void *x[MOST] = {0};
    char *y[MOST] = {0}, *again[MOST] = {0}, *y_all[MOST] = {0};
    for (int i = 0; i < o.n_in; i++) {
        tin[i] = s->in[i];
        tin[i].layout = in[i];
        x[i] = laid_out(&tin[i], s->x[i]);
    }
    for (int i = 0; i < o.n_out; i++) {
        tout[i] = s->out[i];
        tout[i].layout = out[i];
        y[i] = out_new(&tout[i]);
        again[i] = out_new(&tout[i]);
    }
    char what[512];
    describe(k, m, &o, what, sizeof what);
    run_kernel(k, &o, m, x, (void *const *)y);
    for (int i = 0; i < o.n_out; i++) {
        out_check(&tout[i], y[i], what);
        check_padding(&tout[i], (const float *)(const void *)y[i], what);
        compare(s, i, &tout[i], y[i], what);
    }
    run_kernel(k, &o, m, x, (void *const *)again);
    for (int i = 0; i < o.n_out; i++)
        if (memcmp(y[i], again[i], tensor_bytes(&tout[i])) != 0 && tout[i].element == sizeof(float))
            fail_msg("%s: other bits the second time", what);
    for (int lack = 0; lack < o.n_out && o.n_out > 1; lack++) {
        if (!may_lack(o.type, lack)) continue;
        memcpy(y_all, again, sizeof y_all);
        y_all[lack] = NULL;
        run_kernel(k, &o, m, x, (void *const *)y_all);
        for (int i = 0; i < o.n_out; i++)
            if (i != lack && memcmp(y[i], again[i], tensor_bytes(&tout[i])) != 0)
                fail_msg("%s: other bits without output %d", what, lack);
    }
    int at = k->in_place;
    if (at >= 0 && at < o.n_in && tin[at].layout == tout[0].layout &&
        tensor_bytes(&tin[at]) == tensor_bytes(&tout[0])) {
        memcpy(y_all, again, sizeof y_all);
        y_all[0] = x[at];
        run_kernel(k, &o, m, x, (void *const *)y_all);
        if (memcmp(y[0], x[at], tensor_bytes(&tout[0])) != 0) fail_msg("%s: other bits in place", what);
        for (int i = 1; i < o.n_out; i++)
            if (memcmp(y[i], again[i], tensor_bytes(&tout[i])) != 0)
                fail_msg("%s: other bits in place", what);
    }
    for (int i = 0; i < o.n_in; i++) free(x[i]);
    for (int i = 0; i < o.n_out; i++) {
        out_free(y[i]);
        out_free(again[i]);
    }
}

/* Every kernel, instruction set, thread count and combination of layouts. */
static void check(sample_op *s)
{
    sample_reference(s);
    machine here = machine_here();
    for (machine_isa isa = ISA_BASE; isa <= here.isa; isa++)
        for (int threads = 1; threads <= 2; threads++) {
            machine m = machine_of(isa, threads);
            for (const kernel *const *k = kernels_of(s->o.type, &m); *k; k++)
                for (int c = 0; !loose_only || (*k)->loose; c++) {
                    layout in[MOST], out[MOST];
                    double cost = (*k)->offer(&s->o, &m, c, in, out);
                    if (cost < 0) break;
                    assert_true(isfinite(cost));
                    offers_seen++;
                    check_offer(s, *k, &m, in, out);
                }
        }
    parallel_set_threads(0);
    sample_close(s);
}

static void begin(uint64_t seed)
{
    random_state = seed * 977 + 1;
    worst_share = 0;
    offers_seen = 0;
    loose_only = false;
}

static void report(const char *name)
{
    print_message("%s: %d checked, worst difference %.0f %% of the bound\n", name, offers_seen,
                  worst_share * 100);
}

/* A map of odd sizes: N 1..9, C 1..70, H and W 1..9, now and then 32. */
static cvy_shape any_map(void)
{
    int64_t side = between(0, 9);
    int64_t h = side == 0 ? 32 : between(1, 9), w = side == 0 ? 32 : side < 4 ? h : between(1, 9);
    return cvy_shape4(between(1, side == 0 ? 2 : 9), between(1, between(0, 1) ? 20 : 70), h, w);
}

/* ---- batch normalisation ---- */

static void test_bn_stats(void **unused)
{
    (void)unused;
    begin(1);
    for (int i = 0; i < 40; i++) {
        sample_op s;
        sample_open(&s, OP_BN_STATS, 1, 1);
        cvy_shape x = i == 0 ? cvy_shape4(128, 16, 1, 1) : i == 1 ? cvy_shape2(9, 37) : any_map();
        sample_in(&s, 0, x);
        if (i % 4 == 3) /* a mean of 100 deviations: what E[x^2] - E[x]^2 would get wrong */
            for (int64_t e = 0; e < cvy_count(&x); e++) s.x[0][e] += 50;
        sample_out(&s, 0, cvy_shape2(2, x.dim[1]));
        s.bound = 5e-7;
        check(&s);
    }
    report("bn_stats");
}

static void bn_stats_of(sample_op *s, int at, int64_t c)
{
    for (int64_t e = 0; e < c; e++) s->x[at][c + e] = fabsf(s->x[at][c + e]) + 0.1f; /* variances */
}

static void test_bn_apply(void **unused)
{
    (void)unused;
    begin(2);
    for (int i = 0; i < 40; i++) {
        sample_op s;
        sample_open(&s, OP_BN_APPLY, 4 + i % 2, 1);
        cvy_shape x = i == 4 ? cvy_shape2(5, 33) : any_map();
        int64_t c = x.dim[1];
        sample_in(&s, 0, x);
        sample_in(&s, 1, cvy_shape2(2, c));
        sample_in(&s, 2, cvy_shape1(c));
        sample_in(&s, 3, cvy_shape1(c));
        if (i % 2) sample_in(&s, 4, x);
        bn_stats_of(&s, 1, c);
        sample_out(&s, 0, x);
        s.o.attr.bn = (cvy_bn_attr){1e-5, 0.1};
        s.o.attr.relu = i / 2 % 2;
        s.bound = 1e-6;
        check(&s);
    }
    report("bn_apply");
}

static void test_bn_bwd(void **unused)
{
    (void)unused;
    begin(3);
    for (int i = 0; i < 48; i++) {
        int relu = i % 2, given = relu && i / 2 % 2, residual = given && i / 4 % 2;
        if (!relu && i / 2 % 2) residual = 1; /* without relu the residual's gradient is gy itself */
        sample_op s;
        sample_open(&s, OP_BN_BWD, given ? 6 : 5, residual ? 4 : 3);
        cvy_shape x = i == 0 ? cvy_shape2(7, 19) : any_map();
        int64_t c = x.dim[1];
        sample_in(&s, 0, x);
        sample_in(&s, 1, x);
        sample_in(&s, 2, cvy_shape2(2, c));
        sample_in(&s, 3, cvy_shape1(c));
        sample_in(&s, 4, cvy_shape1(c));
        if (given) sample_in(&s, 5, x);
        bn_stats_of(&s, 2, c);
        sample_out(&s, 0, x);
        sample_out(&s, 1, cvy_shape1(c));
        sample_out(&s, 2, cvy_shape1(c));
        if (residual) sample_out(&s, 3, x);
        s.o.attr.bn = (cvy_bn_attr){1e-5, 0.1};
        s.o.attr.relu = relu;
        s.bound = 2e-6;
        check(&s);
    }
    report("bn_bwd");
}

/* ---- element by element ---- */

static void test_activation(void **unused)
{
    (void)unused;
    begin(4);
    for (int i = 0; i < 15 * 2 * (CVY_ACTIVATION_END - 1); i++) {
        sample_op s;
        cvy_shape x = i % 5 == 4 ? cvy_shape2(between(1, 9), between(1, 70)) : any_map();
        bool bwd = i % 2;
        sample_open(&s, bwd ? OP_ACTIVATION_BWD : OP_ACTIVATION, bwd ? 2 : 1, 1);
        sample_in(&s, 0, x);
        if (bwd) sample_in(&s, 1, x);
        sample_out(&s, 0, x);
        for (int64_t e = 0; e < cvy_count(&x) && i % 4 > 1; e++) s.x[0][e] *= 8;
        s.x[0][0] = i % 3 ? 0 : NAN;
        s.o.attr.activation = (cvy_activation_attr){
            .function = 1 + i / 2 % (CVY_ACTIVATION_END - 1), .alpha = 0.75, .beta = 0.625};
        s.bound = 1e-6;
        if (s.o.attr.activation.function == CVY_RELU) s.exact_index = 0;
        check(&s);
    }
    report("activation");
}

static void test_add(void **unused)
{
    (void)unused;
    begin(5);
    for (int i = 0; i < 30; i++) {
        sample_op s;
        cvy_shape x = i % 5 == 4 ? cvy_shape2(between(1, 9), between(1, 70)) : any_map();
        sample_open(&s, OP_ADD, (int)between(1, 5), 1);
        for (int k = 0; k < s.o.n_in; k++) sample_in(&s, k, x);
        sample_out(&s, 0, x);
        s.bound = 1e-6; /* oneDNN may add in another order */
        check(&s);
    }
    report("add");
}

static void test_dropout(void **unused)
{
    (void)unused;
    begin(6);
    for (int i = 0; i < 30; i++) {
        sample_op s;
        cvy_shape x = i % 5 == 4 ? cvy_shape2(between(1, 9), between(1, 70)) : any_map();
        sample_open(&s, OP_DROPOUT, 1, 1);
        sample_in(&s, 0, x);
        sample_out(&s, 0, x);
        s.o.attr.dropout.p = i % 6 ? (double)between(1, 9) / 10 : 0;
        s.o.attr.key = (philox_key){{random_next(), random_next()}};
        s.exact_index = 0;
        check(&s);
    }
    report("dropout");
}

/* ---- pooling
 * ----------------------------------------------------------------------------------------------------------------
 */

static cvy_pool_attr any_pool(int i, cvy_shape *x, cvy_shape *y)
{
    for (;;) {
        cvy_pool_attr a = {.function = i % 2 ? CVY_POOL_AVG : CVY_POOL_MAX, .count_padding = i / 2 % 2};
        int64_t kind = between(0, 4);
        *x = any_map();
        for (int d = 0; d < 2; d++) {
            a.kernel[d] = kind == 0 ? 2 : kind < 3 ? 3 : between(1, 5);
            a.stride[d] = kind == 0 ? 2 : kind == 1 ? 2 : between(1, 4);
        }
        for (int d = 0; d < 4; d++) a.padding[d] = kind == 0 ? 0 : between(0, a.kernel[d % 2] / 2);
        *y = *x;
        bool fits = true;
        for (int d = 0; d < 2; d++) {
            if (i % 7 == 6 && a.function == CVY_POOL_MAX) a.dilation[d] = between(1, 2);
            int64_t room = x->dim[2 + d] + a.padding[d] + a.padding[d + 2] - op_pool_span(&a, d);
            int64_t over = room >= 0 ? (a.stride[d] - room % a.stride[d]) % a.stride[d] : 0;
            if (i % 3 == 1 && room + over < x->dim[2 + d] + a.padding[d]) { /* a ceil mode's window */
                a.beyond[d] = over;
                a.padding[d + 2] += over;
                room += over;
            }
            y->dim[2 + d] = room / a.stride[d] + 1;
            fits &= room >= 0 && (op_pool_dilation(&a, d) == 1 || x->dim[2 + d] > 1);
        }
        if (fits) return a;
    }
}

static void test_pool(void **unused)
{
    (void)unused;
    begin(7);
    for (int i = 0; i < 80; i++) {
        cvy_shape x, y;
        cvy_pool_attr a = any_pool(i, &x, &y);
        bool indexed = a.function == CVY_POOL_MAX && i % 3;
        sample_op s;
        sample_open(&s, OP_POOL, 1, indexed ? 2 : 1);
        sample_in(&s, 0, x);
        sample_out(&s, 0, y);
        if (indexed) {
            sample_out(&s, 1, y);
            s.out[1].element = 1;
        }
        for (int64_t e = 0; e < cvy_count(&x); e++) /* equals, to see which one wins */
            s.x[0][e] = i % 4 ? s.x[0][e] : (float)(int)(s.x[0][e] * 3);
        s.o.attr.pool = a;
        s.bound = 1e-6;
        s.exact_index = a.function == CVY_POOL_MAX ? 0 : -1;
        check(&s);
    }
    for (int i = 0; i < 6; i++) { /* NaN */
        sample_op s;
        sample_open(&s, OP_POOL, 1, 2);
        sample_in(&s, 0, cvy_shape4(1, 5, 6, 6));
        for (int k = 0; k < 20; k++) s.x[0][between(0, 5 * 36 - 1)] = NAN;
        sample_out(&s, 0, cvy_shape4(1, 5, 3, 3));
        sample_out(&s, 1, cvy_shape4(1, 5, 3, 3));
        s.out[1].element = 1;
        s.o.attr.pool = (cvy_pool_attr){.function = CVY_POOL_MAX, .kernel = {2, 2}, .stride = {2, 2}};
        s.exact_index = 0;
        check(&s);
    }
    report("pool");
}

static void test_pool_bwd(void **unused)
{
    (void)unused;
    begin(8);
    for (int i = 0; i < 80; i++) {
        cvy_shape x, y;
        cvy_pool_attr a = any_pool(i, &x, &y);
        sample_op s;
        sample_open(&s, OP_POOL_BWD, a.function == CVY_POOL_MAX ? 2 : 1, 1);
        sample_in(&s, 0, y);
        if (a.function == CVY_POOL_MAX) { /* indices as the forward pass finds them */
            sample_op f;
            sample_open(&f, OP_POOL, 1, 2);
            sample_in(&f, 0, x);
            sample_out(&f, 0, y);
            sample_out(&f, 1, y);
            f.out[1].element = 1;
            f.o.attr.pool = a;
            sample_reference(&f);
            s.in[1] = f.out[1];
            s.x[1] = f.y[1];
            f.y[1] = NULL;
            sample_close(&f);
        }
        sample_out(&s, 0, x);
        s.o.attr.pool = a;
        s.bound = 1e-6;
        check(&s);
    }
    report("pool_bwd");
}

static void test_global_avg(void **unused)
{
    (void)unused;
    begin(9);
    for (int i = 0; i < 30; i++) {
        cvy_shape x = i == 0 ? cvy_shape2(5, 20) : any_map(), y = cvy_shape2(x.dim[0], x.dim[1]);
        sample_op s;
        sample_open(&s, i % 2 ? OP_GLOBAL_AVG_BWD : OP_GLOBAL_AVG, 1, 1);
        sample_in(&s, 0, i % 2 ? y : x);
        sample_out(&s, 0, i % 2 ? x : y);
        s.bound = 1e-6;
        check(&s);
    }
    report("global_avg");
}

/* ---- moving channels ---- */

static void test_concat_slice(void **unused)
{
    (void)unused;
    begin(10);
    for (int i = 0; i < 60; i++) {
        cvy_shape x = i % 10 == 9 ? cvy_shape2(4, 9) : any_map();
        bool blocks = i % 3 == 0; /* whole blocks, the fast path */
        sample_op s;
        if (i % 2 == 0) {
            sample_open(&s, OP_CONCAT, (int)between(1, 5), 1);
            cvy_shape y = x;
            y.dim[1] = 0;
            for (int k = 0; k < s.o.n_in; k++) {
                x.dim[1] = blocks ? 16 * between(1, 3) : between(1, 40);
                y.dim[1] += x.dim[1];
                sample_in(&s, k, x);
            }
            sample_out(&s, 0, y);
        } else {
            sample_open(&s, OP_SLICE, 1, 1);
            if (blocks) x.dim[1] += 16;
            sample_in(&s, 0, x);
            s.o.attr.slice.first = blocks ? 16 : between(0, x.dim[1] - 1);
            cvy_shape y = x;
            y.dim[1] = between(1, x.dim[1] - s.o.attr.slice.first);
            sample_out(&s, 0, y);
        }
        s.exact_index = 0;
        check(&s);
    }
    report("concat and slice");
}

static void test_shortcut_pad(void **unused)
{
    (void)unused;
    begin(11);
    for (int i = 0; i < 60; i++) {
        cvy_shape x = any_map(), y = x;
        cvy_shortcut_attr a = {{between(1, 3), between(1, 3)}, between(0, 20), between(0, 20)};
        if (i % 3 == 0) a = (cvy_shortcut_attr){{2, 2}, 8, 8};
        if (i % 3 == 1) a.before = 16;
        y.dim[1] += a.before + a.after;
        for (int d = 0; d < 2; d++) y.dim[2 + d] = (x.dim[2 + d] + a.stride[d] - 1) / a.stride[d];
        bool bwd = i % 2;
        sample_op s;
        sample_open(&s, bwd ? OP_SHORTCUT_PAD_BWD : OP_SHORTCUT_PAD, 1, 1);
        sample_in(&s, 0, bwd ? y : x);
        sample_out(&s, 0, bwd ? x : y);
        s.o.attr.shortcut = a;
        s.exact_index = 0;
        check(&s);
    }
    report("shortcut_pad");
}

static void test_convert(void **unused)
{
    (void)unused;
    begin(12);
    for (int i = 0; i < 40; i++) {
        sample_op s;
        sample_open(&s, OP_CONVERT, 1, 1);
        cvy_shape x = any_map();
        sample_in(&s, 0, x);
        sample_out(&s, 0, x);
        if (i % 4 == 3) s.in[0].element = s.out[0].element = 1;
        memcpy(s.y[0], s.x[0], (size_t)cvy_count(&x) * sizeof(float));
        s.exact_index = 0;
        check(&s);
    }
    report("convert");
}

/* ---- convolution and linear ---- */

static cvy_conv_attr any_conv(int i, cvy_shape *x, cvy_shape *w, cvy_shape *y)
{
    if (i == 0) { /* weights so large that threads share them and not the samples */
        *x = cvy_shape4(2, 130, 3, 3);
        *w = cvy_shape4(530, 130, 2, 2);
        *y = cvy_shape4(2, 530, 2, 2);
        return (cvy_conv_attr){.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    }
    for (;;) {
        cvy_conv_attr a = {.groups = 1, .flip = i % 7 == 6};
        *x = any_map();
        int64_t o = between(1, between(0, 1) ? 20 : 70), k[2];
        if (i % 6 == 5) { /* groups, depthwise among them */
            a.groups = between(2, 5);
            int64_t each = between(1, 5);
            x->dim[1] = a.groups * each;
            o = a.groups * (each == 1 ? 1 : between(1, 5));
        }
        int64_t kind = between(0, 3); /* 3x3 padded, 1x1, anything */
        for (int d = 0; d < 2; d++) {
            k[d] = kind == 0 ? 3 : kind == 1 ? 1 : between(1, 5);
            a.stride[d] = kind == 0 ? between(1, 2) : between(1, 3);
            a.dilation[d] = kind < 2 ? 1 : between(1, 3);
        }
        for (int d = 0; d < 4; d++)
            a.padding[d] = kind == 0 ? 1 : kind == 1 ? between(0, 5) / 5 : between(0, 4);
        *w = cvy_shape4(o, x->dim[1] / a.groups, k[0], k[1]);
        *y = cvy_shape4(x->dim[0], o, 0, 0);
        bool fits = true;
        for (int d = 0; d < 2; d++) {
            int64_t room = x->dim[2 + d] + a.padding[d] + a.padding[d + 2] - a.dilation[d] * (k[d] - 1) - 1;
            fits &= room >= 0;
            y->dim[2 + d] = room / a.stride[d] + 1;
        }
        if (fits) return a;
    }
}

#define CONVS 70

/* Rounding grows like the root of the terms; a Winograd kernel is as far off as its largest output, not its
 * smallest. */
static double conv_bound(double terms)
{
    return 2e-6 + 4e-7 * sqrt(terms);
}

static void test_conv(void **unused)
{
    (void)unused;
    begin(13);
    for (int i = 0; i < CONVS; i++) {
        cvy_shape x, w, y;
        cvy_conv_attr a = any_conv(i, &x, &w, &y);
        sample_op s;
        sample_open(&s, OP_CONV, i % 2 ? 3 : 2, i % 4 == 2 ? 2 : 1);
        sample_in(&s, 0, x);
        sample_in(&s, 1, w);
        if (i % 2) sample_in(&s, 2, cvy_shape1(w.dim[0]));
        sample_out(&s, 0, y);
        if (s.o.n_out > 1) sample_out(&s, 1, cvy_shape2(2, w.dim[0]));
        s.o.attr.conv = a;
        s.bound = conv_bound((double)cvy_sample_count(&w));
        check(&s);
    }
    report("conv");
}

static void test_conv_bwd_data(void **unused)
{
    (void)unused;
    begin(14);
    for (int i = 0; i < CONVS; i++) {
        cvy_shape x, w, y;
        cvy_conv_attr a = any_conv(i, &x, &w, &y);
        sample_op s;
        sample_open(&s, OP_CONV_BWD_DATA, 2, 1);
        sample_in(&s, 0, y);
        sample_in(&s, 1, w);
        sample_out(&s, 0, x);
        s.o.attr.conv = a;
        s.bound = conv_bound((double)(w.dim[0] * w.dim[2] * w.dim[3]));
        check(&s);
    }
    report("conv.bwd_data");
}

static void test_conv_bwd_weights(void **unused)
{
    (void)unused;
    begin(15);
    for (int i = 0; i < CONVS; i++) {
        cvy_shape x, w, y;
        cvy_conv_attr a = any_conv(i, &x, &w, &y);
        sample_op s;
        sample_open(&s, OP_CONV_BWD_WEIGHTS, 2, 1 + i % 2);
        sample_in(&s, 0, x);
        sample_in(&s, 1, y);
        sample_out(&s, 0, w);
        if (i % 2) sample_out(&s, 1, cvy_shape1(w.dim[0]));
        s.o.attr.conv = a;
        s.bound = conv_bound((double)(y.dim[0] * y.dim[2] * y.dim[3]));
        check(&s);
    }
    report("conv.bwd_weights");
}

/* A transposed convolution and its gradients: the same operators, on sizes that no convolution gives. The map may end
 * before the last kernel does, and go on where no kernel reaches. */
static void test_conv_transpose(void **unused)
{
    (void)unused;
    begin(17);
    static const op_type types[] = {OP_CONV_BWD_DATA, OP_CONV, OP_CONV_BWD_WEIGHTS};
    for (int i = 0; i < 3 * CONVS; i++) {
        cvy_shape wide, w, narrow;
        cvy_conv_attr a = any_conv(i / 3, &wide, &w, &narrow);
        for (int d = 0; d < 2; d++) {
            wide.dim[2 + d] += between(i / 3 % 4 ? 0 : -3, a.stride[d] + a.dilation[d]);
            if (wide.dim[2 + d] < 1) wide.dim[2 + d] = 1;
        }
        const op_type t = types[i % 3];
        sample_op s;
        sample_open(&s, t, 2, 1);
        sample_in(&s, 0, t == OP_CONV_BWD_DATA ? narrow : wide);
        sample_in(&s, 1, t == OP_CONV_BWD_WEIGHTS ? narrow : w);
        sample_out(&s, 0, t == OP_CONV_BWD_DATA ? wide : t == OP_CONV ? narrow : w);
        s.o.attr.conv = a;
        s.o.attr.transposed = 1;
        s.bound =
            conv_bound((double)(t == OP_CONV            ? cvy_sample_count(&w)
                                : t == OP_CONV_BWD_DATA ? w.dim[0] * w.dim[2] * w.dim[3]
                                                        : narrow.dim[0] * narrow.dim[2] * narrow.dim[3]));
        check(&s);
    }
    report("conv_transpose");
}

static void test_bias(void **unused)
{
    (void)unused;
    begin(18);
    for (int i = 0; i < 60; i++) {
        cvy_shape x = any_map();
        if (i % 5 == 4) x.rank = 2 + i / 5 % 2;
        if (i == 0) x = cvy_shape4(2, 17, 53, 61); /* more than is summed in float */
        for (int d = x.rank; d < CVY_MAX_RANK; d++) x.dim[d] = 0;
        const bool bwd = i % 2;
        sample_op s;
        sample_open(&s, bwd ? OP_BIAS_BWD : OP_BIAS, bwd ? 1 : 2, 1);
        sample_in(&s, 0, x);
        if (!bwd) sample_in(&s, 1, cvy_shape1(x.dim[1]));
        sample_out(&s, 0, bwd ? cvy_shape1(x.dim[1]) : x);
        s.exact_index = bwd ? -1 : 0;
        s.bound = 2e-6;
        check(&s);
    }
    report("bias");
}

/* 3 x 3 with neither stride nor dilation: tiles that hang over the edge, maps smaller than a tile, padding on one
 * side only, and as much of it as a kernel can use or more. The bound is the direct sum's, in which numbers of
 * one sign, whose sums do not cancel, must fit as well. */
static void test_winograd(void **unused)
{
    (void)unused;
    static const op_type types[] = {OP_CONV, OP_CONV_BWD_DATA, OP_CONV_BWD_WEIGHTS};
    begin(17);
    loose_only = true;
    for (int i = 0; i < 90; i++) {
        op_type t = types[i % 3];
        bool bias = i / 3 % 2, stats = t == OP_CONV && i % 4 == 0;
        cvy_shape x, w, y;
        cvy_conv_attr a = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1, .flip = i % 7 == 6};
        do {
            x = cvy_shape4(between(1, 5), between(1, between(0, 1) ? 20 : 70), between(1, 19),
                           between(1, 17));
            w = cvy_shape4(between(1, between(0, 1) ? 20 : 70), x.dim[1], 3, 3);
            for (int d = 0; d < 4; d++) a.padding[d] = between(0, i % 9 ? 2 : 4);
            y = cvy_shape4(x.dim[0], w.dim[0], x.dim[2] + a.padding[0] + a.padding[2] - 2,
                           x.dim[3] + a.padding[1] + a.padding[3] - 2);
        } while (y.dim[2] < 1 || y.dim[3] < 1);
        sample_op s;
        sample_open(&s, t, t == OP_CONV ? 2 + bias : 2,
                    t == OP_CONV               ? 1 + stats
                    : t == OP_CONV_BWD_WEIGHTS ? 1 + bias
                                               : 1);
        sample_in(&s, 0, t == OP_CONV_BWD_DATA ? y : x);
        sample_in(&s, 1, t == OP_CONV_BWD_WEIGHTS ? y : w);
        if (s.o.n_in > 2) sample_in(&s, 2, cvy_shape1(w.dim[0]));
        sample_out(&s, 0, t == OP_CONV ? y : t == OP_CONV_BWD_DATA ? x : w);
        if (stats) sample_out(&s, 1, cvy_shape2(2, w.dim[0]));
        if (t == OP_CONV_BWD_WEIGHTS && bias) sample_out(&s, 1, cvy_shape1(w.dim[0]));
        for (int64_t e = 0; i % 5 == 0 && e < cvy_count(&s.in[0].shape); e++) s.x[0][e] = fabsf(s.x[0][e]);
        s.o.attr.conv = a;
        s.bound = conv_bound((double)(t == OP_CONV            ? w.dim[1] * 9
                                      : t == OP_CONV_BWD_DATA ? w.dim[0] * 9
                                                              : y.dim[0] * y.dim[2] * y.dim[3]));
        check(&s);
    }
    report("winograd");
    loose_only = false;
}

static void test_linear(void **unused)
{
    (void)unused;
    begin(16);
    static const op_type types[] = {OP_LINEAR, OP_LINEAR_BWD_DATA, OP_LINEAR_BWD_WEIGHTS};
    for (int i = 0; i < 60; i++) {
        int64_t n = between(1, 9), f = between(1, i % 4 ? 70 : 600), o = between(1, 40);
        cvy_shape x = cvy_shape2(n, f), w = cvy_shape2(o, f), y = cvy_shape2(n, o), b = cvy_shape1(o);
        op_type t = types[i % 3];
        int extra = i / 3 % 2;
        sample_op s;
        sample_open(&s, t, t == OP_LINEAR ? 2 + extra : 2, t == OP_LINEAR_BWD_WEIGHTS ? 1 + extra : 1);
        sample_in(&s, 0, t == OP_LINEAR_BWD_DATA ? y : x);
        sample_in(&s, 1, t == OP_LINEAR_BWD_WEIGHTS ? y : w);
        if (s.o.n_in > 2) sample_in(&s, 2, b);
        sample_out(&s, 0, t == OP_LINEAR ? y : t == OP_LINEAR_BWD_DATA ? x : w);
        if (s.o.n_out > 1) sample_out(&s, 1, b);
        s.bound = conv_bound((double)(t == OP_LINEAR ? f : t == OP_LINEAR_BWD_DATA ? o : n));
        check(&s);
    }
    report("linear");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bn_stats),
        cmocka_unit_test(test_bn_apply),
        cmocka_unit_test(test_bn_bwd),
        cmocka_unit_test(test_activation),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_pool_bwd),
        cmocka_unit_test(test_global_avg),
        cmocka_unit_test(test_concat_slice),
        cmocka_unit_test(test_shortcut_pad),
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_conv_bwd_data),
        cmocka_unit_test(test_conv_bwd_weights),
        cmocka_unit_test(test_conv_transpose),
        cmocka_unit_test(test_bias),
        cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
