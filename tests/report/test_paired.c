/* Tests the exact paired tests against values worked out by enumeration (and by scipy 1.10 where it is exact), Holm's adjustment,
 * and the shares of variance that a forest finds in functions whose shares are known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "report/forest.h"
#include "report/paired.h"

static void close_to(double found, double wanted, double by)
{
    if (!(fabs(found - wanted) <= by)) fail_msg("%.10g, expected %.10g", found, wanted);
}

static void flips(void **state)
{
    (void)state;
    static const struct {
        double d[10];
        size_t n;
        double flip, rank;
    } cases[] = {
        {{0.3}, 1, 1, 1},
        {{0.1, 0.2}, 2, 0.5, 0.5},
        {{1, -1, 2}, 3, 0.75, 0.75},
        {{1.2, 0.4, -0.3, 2.2, 0.9, 1.1}, 6, 0.0625, 0.0625},
        {{0.5, 0.5, -0.5, 0.5, 0.5, 0.5, 0.5}, 7, 0.125, 0.125},
        {{1, 2, 3, 4, 5}, 5, 0.0625, 0.0625},
        {{0, 0, 0}, 3, 1, 1},
        {{3, 1, 4, -1, 5, 9, 2, -6, 5, 3}, 10, 0.095703125, 0.09765625},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        paired a = paired_compare(cases[i].d, cases[i].n, 0, PAIRED_SIGN_FLIP);
        paired b = paired_compare(cases[i].d, cases[i].n, 0, PAIRED_WILCOXON);
        assert_int_equal(a.n, cases[i].n);
        close_to(a.p, cases[i].flip, 1e-12);
        close_to(b.p, cases[i].rank, 1e-12);
    }
}

static void many_pairs(void **state)
{
    (void)state;
    double d[30];
    for (int i = 0; i < 30; i++) d[i] = ((i * 7919) % 101 - 40) / 10.0;
    paired p = paired_compare(d, 30, 0, PAIRED_SIGN_FLIP);
    assert_int_equal(p.test, PAIRED_WILCOXON); /* 2^30 signs are too many to try */
    close_to(p.p, 0.11907656863331795, 1e-12);
}

static void missing(void **state)
{
    (void)state;
    const double d[] = {(double)NAN, 1, (double)INFINITY, 3};
    paired p = paired_compare(d, 4, 0, PAIRED_SIGN_FLIP);
    assert_int_equal(p.n, 2);
    close_to(p.mean, 2, 1e-12);
    close_to(p.half, 12.706204736432, 1e-9); /* sd sqrt(2), over sqrt(2) */
    close_to(p.p, 0.5, 1e-12);
    p = paired_compare(d, 1, 0, PAIRED_SIGN_FLIP);
    assert_int_equal(p.n, 0);
    assert_true(isnan(p.p) && isnan(p.mean));
}

/* Accuracies of 10,000 samples as decimals that no double holds: their differences tie, and are 0, but for rounding. The expected
 * values are those of whole numbers, by enumeration. */
static void rounding(void **state)
{
    (void)state;
    static const int of[] = {9234, 9123, 8765, 9001, 9345, 8888, 9456, 9222, 9111, 9333, 9050, 9150};
    static const int by[] = {1, 1, 1, -1, 1, 1, 1, -1, 1, 2, 1, 1};
    double d[12];
    for (size_t i = 0; i < 12; i++) d[i] = (of[i] + by[i]) / 10000.0 - of[i] / 10000.0;
    close_to(paired_compare(d, 12, paired_noise(1), PAIRED_WILCOXON).p, 0.033203125, 1e-12);
    close_to(paired_compare(d, 12, paired_noise(1), PAIRED_SIGN_FLIP).p, 0.033203125, 1e-12);
    /* Six that are 0 but for rounding say nothing; the other six have one sign. */
    for (int i = 0; i < 12; i++) d[i] = i < 6 ? ((0.8 - 0.7) + (0.6 - 0.7)) / 2 : 0.1 + 0.01 * i;
    assert_true(d[0] != 0);
    close_to(paired_compare(d, 12, paired_noise(0.8), PAIRED_WILCOXON).p, 0.03125, 1e-12);
    close_to(paired_compare(d, 12, paired_noise(0.8), PAIRED_SIGN_FLIP).p, 0.03125, 1e-12);
    close_to(paired_compare(d, 6, paired_noise(0.8), PAIRED_SIGN_FLIP).p, 1, 1e-12);
}

static void steps_down(void **state)
{
    (void)state;
    /* 12 pairs twice, 6 once: 3 * 2^-5 is above 0.05, but after two rejections 2^-5 is held against it alone. */
    const double p[] = {0.0005, 0.03125, 0.0005, (double)NAN};
    const size_t n[] = {12, 6, 12, 0};
    bool can[4];
    paired_decidable(p, n, 4, 0.05, can);
    assert_true(can[0] && can[1] && can[2] && !can[3]);
    const double missed[] = {0.0005, 0.5, 0.0005, (double)NAN}; /* it could have been */
    paired_decidable(missed, n, 4, 0.05, can);
    assert_true(can[0] && can[1] && can[2]);
    const double weak[] = {0.0005, 0.5, 0.03, (double)NAN}; /* the other one stands in its way: 2 * 2^-5 */
    paired_decidable(weak, n, 4, 0.05, can);
    assert_true(can[0] && !can[1] && can[2]);
    const double alone[] = {0.0625};
    const size_t five[] = {5};
    paired_decidable(alone, five, 1, 0.05, can);
    assert_true(!can[0]);
    paired_decidable(NULL, NULL, 0, 0.05, can);
}

static void holm(void **state)
{
    (void)state;
    const double p[] = {0.01, 0.04, 0.03, (double)NAN, 0.005};
    double adjusted[5];
    paired_holm(p, 5, adjusted);
    close_to(adjusted[0], 0.03, 1e-12); /* 0.01 * 3 */
    close_to(adjusted[1], 0.06, 1e-12); /* no smaller than the one before */
    close_to(adjusted[2], 0.06, 1e-12); /* 0.03 * 2 */
    assert_true(isnan(adjusted[3]));
    close_to(adjusted[4], 0.02, 1e-12); /* 0.005 * 4 */
    assert_int_equal(paired_needed(1, 0.05), 6);
    assert_int_equal(paired_needed(3, 0.05), 7);
    close_to(paired_least(2), 0.5, 1e-12);
}

/* ---- forest ---- */

static void additive(void **state)
{
    (void)state;
    enum { SIDE = 20, N = SIDE * SIDE };
    const forest_axis axes[] = {{0, 0, 1}, {0, 0, 1}, {0, 0, 1}};
    double *x = mem_array(3 * N, sizeof *x), *y = mem_array(N, sizeof *y);
    for (int i = 0; i < N; i++) {
        x[3 * i] = (i / SIDE + 0.5) / SIDE;
        x[3 * i + 1] = (i % SIDE + 0.5) / SIDE;
        x[3 * i + 2] = ((i * 37) % N + 0.5) / N; /* no part of y */
        y[i] = 2 * x[3 * i] + x[3 * i + 1];
    }
    forest_share s[3];
    forest_importance(axes, 3, x, y, N, 16, 0, s);
    close_to(s[0].mean, 0.8, 0.03);
    close_to(s[1].mean, 0.2, 0.03);
    close_to(s[2].mean, 0, 0.01);
    forest_share again[3];
    forest_importance(axes, 3, x, y, N, 16, 0, again);
    assert_memory_equal(s, again, sizeof s);
    mem_free(x);
    mem_free(y);
}

/* y depends on the number only where the category is 1, and the number is not set elsewhere. */
static void conditional(void **state)
{
    (void)state;
    enum { N = 400 };
    const forest_axis axes[] = {{0, 0, 1}, {2, 0, 0}};
    double *x = mem_array(2 * N, sizeof *x), *y = mem_array(N, sizeof *y);
    for (int i = 0; i < N; i++) {
        const double v = ((i * 37) % N + 0.5) / N;
        x[2 * i] = i & 1 ? v : (double)NAN;
        x[2 * i + 1] = i & 1;
        y[i] = i & 1 ? 0.5 + v : 0.5;
    }
    forest_share s[2];
    forest_importance(axes, 2, x, y, N, 16, 0, s);
    /* By hand: the category 1/16, the number 1/48 and as much only with it, of 5/48. */
    close_to(s[0].mean, 0.2, 0.03);
    close_to(s[1].mean, 0.6, 0.03);
    mem_free(x);
    mem_free(y);
}

static void interaction(void **state)
{
    (void)state;
    enum { EACH = 16, N = 4 * EACH };
    const forest_axis axes[] = {{2, 0, 0}, {2, 0, 0}};
    double x[2 * N], y[N];
    for (int i = 0; i < N; i++) {
        x[2 * i] = i & 1;
        x[2 * i + 1] = i >> 1 & 1;
        y[i] = x[2 * i] == x[2 * i + 1] ? 1 : 0;
    }
    forest_share s[2];
    forest_importance(axes, 2, x, y, N, 16, 0, s);
    close_to(s[0].mean, 0, 0.02);
    close_to(s[1].mean, 0, 0.02);
    for (int i = 0; i < N; i++) y[i] = 3;
    forest_importance(axes, 2, x, y, N, 4, 0, s);
    assert_true(isnan(s[0].mean));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips),    cmocka_unit_test(many_pairs), cmocka_unit_test(missing),
        cmocka_unit_test(rounding), cmocka_unit_test(steps_down), cmocka_unit_test(conditional),
        cmocka_unit_test(holm),     cmocka_unit_test(additive),   cmocka_unit_test(interaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
