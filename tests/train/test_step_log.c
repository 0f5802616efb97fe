/* Tests core/train/exact_sum and step_log: that what plugins log comes to the same bits in any order, from any thread. */
#include "lab.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "journal/record.h"
#include "rows.h"
#include "train/step_log.h"

static double mean_of(const double *v, size_t n)
{
    exact_sum s = {0};
    for (size_t i = 0; i < n; i++) exact_sum_add(&s, v[i]);
    return exact_sum_mean(&s);
}

static void shuffle(double *v, size_t n, philox_stream *s)
{
    for (size_t i = n; i > 1; i--) {
        const size_t k = philox_u32(s) % i;
        const double x = v[k];
        v[k] = v[i - 1];
        v[i - 1] = x;
    }
}

#define MEAN(...) mean_of((const double[]){__VA_ARGS__}, sizeof(double[]){__VA_ARGS__} / sizeof(double))

static void test_exact(void **unused)
{
    (void)unused;
    const double least = ldexp(1, -1074);
    assert_true(isnan(mean_of(NULL, 0)));
    assert_true(MEAN(0.1) == 0.1 && MEAN(-0.1) == -0.1 && MEAN(0.0, -0.0) == 0);
    assert_true(MEAN(1, 2) == 1.5);
    assert_true(MEAN(1e16, 1, -1e16) == 1.0 / 3);
    assert_true(MEAN(1e308, 1e-300, -1e308, 3e-300) == (1e-300 + 3e-300) / 4);
    assert_true(MEAN(DBL_MAX, DBL_MAX, DBL_MAX) == DBL_MAX); /* the sum is none that a double has */
    assert_true(MEAN(-DBL_MAX, -DBL_MAX) == -DBL_MAX);
    assert_true(MEAN(least, least) == least && MEAN(-least, DBL_MAX, -DBL_MAX) == -least / 3);
    assert_true(MEAN(DBL_MAX, least, -DBL_MAX, least) == least / 2);
    assert_true(MEAN(DBL_MIN, -least) == (DBL_MIN - least) / 2);
    /* Halfway between two doubles, and the least bit that there is above it: rounded as a whole. */
    assert_true(MEAN(1, DBL_EPSILON / 2) == 0.5);
    assert_true(MEAN(1, DBL_EPSILON / 2, least, 0) == (1 + DBL_EPSILON) / 4);
    assert_true(isnan(MEAN(1, (double)NAN)) && isnan(MEAN((double)INFINITY, 1, -(double)INFINITY)));
    assert_true(MEAN((double)INFINITY, 1) == (double)INFINITY && MEAN(-(double)INFINITY, 1) < -DBL_MAX);
}

static void test_order(void **unused)
{
    (void)unused;
    enum { N = 300, ROUNDS = 200 };
    double v[N], minus[N];
    philox_stream s = philox_open(philox_key_of(1, "test", "order"), 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        const int reach = 1 + round * 10;
        for (size_t i = 0; i < N; i++) {
            const double x = (double)philox_u32(&s) - 0x1p31;
            v[i] = ldexp(x, (int)(philox_u32(&s) % (unsigned)reach) - reach / 2);
            if (fabs(v[i]) > 1e300) v[i] = 1 / v[i];
        }
        const double mean = mean_of(v, N);
        shuffle(v, N, &s);
        const double again = mean_of(v, N);
        assert_memory_equal(&mean, &again, sizeof mean);
        for (size_t i = 0; i < N; i++) minus[i] = -v[i];
        assert_true(mean_of(minus, N) == -mean);
        /* What takes itself away leaves the rest, however small. */
        double both[2 * N + 1];
        memcpy(both, v, sizeof v);
        memcpy(both + N, minus, sizeof minus);
        both[2 * N] = 3e-320;
        shuffle(both, 2 * N + 1, &s);
        exact_sum sum = {0};
        for (size_t i = 0; i < 2 * N + 1; i++) exact_sum_add(&sum, both[i]);
        sum.n = 1;
        assert_true(exact_sum_mean(&sum) == 3e-320);
    }
    int64_t whole = 0;
    for (size_t i = 0; i < N; i++) {
        const int64_t x = (int64_t)philox_u32(&s) * 1000 - (int64_t)philox_u32(&s) * 900;
        whole += x;
        v[i] = (double)x;
    }
    assert_true(mean_of(v, N) == (double)whole / N);
}

/* Carries are passed on now and then; by then limbs are as full as they get. */
static void test_carries(void **unused)
{
    (void)unused;
    const double full[] = {0x1.fffffffffffffp31, -0x1.fffffffffffffp31};
    for (int sign = 0; sign < 2; sign++) {
        exact_sum s = {0}, t = {0};
        for (int i = 0; i < 1000; i++) {
            exact_sum_add(&s, full[sign]);
            exact_sum_add(&t, full[sign]);
            t.loose = (1 << 28) - 1; /* at each */
        }
        assert_true(exact_sum_mean(&s) == full[sign] && exact_sum_mean(&t) == full[sign]);
    }
}

static void test_names(void **unused)
{
    (void)unused;
    static step_log a, b;
    enum { NAMES = 3 * STEP_LOG_MOST };
    step_log_init(&a);
    step_log_init(&b);
    step_log_begin(&a, true);
    step_log_begin(&b, true);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < NAMES; i++) {
            char name[32];
            snprintf(name, sizeof name, "n%03d", i * 37 % NAMES);
            step_log_add(&a, name, i * 37 % NAMES);
            snprintf(name, sizeof name, "n%03d", NAMES - 1 - i);
            step_log_add(&b, name, NAMES - 1 - i);
        }
    assert_int_equal(a.n, STEP_LOG_MOST);
    assert_int_equal(b.n, STEP_LOG_MOST);
    for (int i = 0; i < STEP_LOG_MOST; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%03d", i);
        assert_string_equal(a.items[i].name, name);
        assert_string_equal(b.items[i].name, name);
        assert_true(step_log_value(&a, (size_t)i) == i && step_log_value(&b, (size_t)i) == i);
        assert_true(a.items[i].sum.n == 2 && b.items[i].sum.n == 2);
    }
    step_log_free(&a);
    step_log_free(&b);
}

/* A layer that logs within parallel_for. Rounded sums of its numbers come to something else in nearly every order. */
static void test_parallel(void **unused)
{
    (void)unused;
    lab labs[3];
    for (int k = 0; k < 3; k++) {
        parallel_set_threads(k < 2 ? 2 : 3);
        labs[k] = lab_open("dataset: {type: shapes, train: 24, test: 0, size: 12, validation: 0}\n"
                           "model: [chorus, flatten, {linear: {units: classes}}]\n"
                           "train: {epochs: 2, batch_size: 12, log_every: 1}\n");
        assert_int_equal(lab_train(&labs[k], 0, 0), CVY_OK);
        rows r = rows_read(labs[k].dir);
        for (int64_t step = 1; step <= 4; step++) {
            const double mean = rows_value(&r, "step", "chorus", step), wanted = record_round(3.3 / 12);
            if (mean != wanted) fail_msg("%.17g, expected %.17g", mean, wanted);
            assert_true(rows_value(&r, "step", "voice_l", step) == 11);
        }
        rows_free(&r);
    }
    lab_same_end(&labs[0], &labs[1]);
    for (int k = 0; k < 3; k++) lab_close(&labs[k]);
    parallel_set_threads(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_carries), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_parallel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
