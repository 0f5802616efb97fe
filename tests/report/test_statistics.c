/* Tests the statistics against known values. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "report/statistics.h"

static void expect(double got, double known, double tolerance)
{
    if (!(fabs(got - known) <= tolerance)) fail_msg("%.15g instead of %.15g", got, known);
}

/* Tables of Student's distribution. */
static void quantiles(void **state)
{
    (void)state;
    expect(statistics_t975(1), 12.7062047, 1e-6);
    expect(statistics_t975(2), 4.3026527, 1e-6);
    expect(statistics_t975(4), 2.7764451, 1e-6);
    expect(statistics_t975(10), 2.2281389, 1e-6);
    expect(statistics_t975(11), 2.2009852, 2e-5);
    expect(statistics_t975(20), 2.0859634, 1e-6);
    expect(statistics_t975(30), 2.0422725, 1e-6);
    expect(statistics_t975(100), 1.9839715, 1e-6);
    expect(statistics_t975(1000000), 1.9599664, 1e-5);
    assert_true(isnan(statistics_t975(0)));
    for (size_t i = 2; i < 60; i++) assert_true(statistics_t975(i) < statistics_t975(i - 1));
}

static void samples(void **state)
{
    (void)state;
    const double v[] = {2, 4, 4, 4, 5, 5, 7, 9};
    statistics s = statistics_of(v, 8);
    assert_int_equal(s.n, 8);
    expect(s.mean, 5, 0);
    expect(s.sd, sqrt(32.0 / 7), 1e-14);
    expect(s.half, 2.364624251593 * sqrt(32.0 / 7) / sqrt(8.0), 1e-10);
    expect(s.least, 2, 0);
    expect(s.most, 9, 0);
    /* far from zero, where the textbook's short cut loses everything */
    const double far[] = {1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16};
    s = statistics_of(far, 4);
    expect(s.sd, sqrt(30), 1e-9);
}

static void few(void **state)
{
    (void)state;
    const double v[] = {(double)NAN, 3, (double)INFINITY, -(double)INFINITY};
    statistics s = statistics_of(v, 4);
    assert_int_equal(s.n, 1);
    expect(s.mean, 3, 0);
    assert_true(isnan(s.sd) && isnan(s.half));
    s = statistics_of(v, 1);
    assert_int_equal(s.n, 0);
    assert_true(isnan(s.mean));
    s = statistics_of(NULL, 0);
    assert_int_equal(s.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantiles), cmocka_unit_test(samples),
                                       cmocka_unit_test(few)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
