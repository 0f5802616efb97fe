/* The distributions against closed forms and tables, their inverses against each other, and what is drawn from them. */
#include "given.h"

#include "base/normal.h"
#include "sweep/distribution.h"
#include "sweep/random.h"

static void test_normal(void **unused)
{
    (void)unused;
    /* Abramowitz and Stegun, table 26.5 */
    assert_near(normal_quantile(0.975), 1.959963984540054, 1e-14);
    assert_near(normal_quantile(0.99), 2.326347874040841, 1e-14);
    assert_near(normal_quantile(0.0001), -3.719016485455709, 1e-14);
    assert_near(normal_quantile(1e-12), -7.034483825301131, 1e-13);
    assert_true(normal_quantile(0.5) == 0);
    assert_near(normal_cdf(1), 0.8413447460685429, 1e-15);
    for (double u = 1e-9; u < 1; u = u < 0.01 ? u * 3 : u + 0.0137)
        assert_near(normal_cdf(normal_quantile(u)), u, 1e-14);
}

static void test_beta(void **unused)
{
    (void)unused;
    assert_near(distribution_beta_cdf(0.3, 1, 1), 0.3, 1e-14);
    assert_near(distribution_beta_cdf(0.3, 2, 1), 0.09, 1e-14);
    assert_near(distribution_beta_cdf(0.3, 1, 3), 1 - 0.7 * 0.7 * 0.7, 1e-14);
    assert_near(distribution_beta_cdf(0.25, 2, 2), 3 * 0.0625 - 2 * 0.015625, 1e-14);
    assert_near(distribution_beta_cdf(0.25, 0.5, 0.5), 1.0 / 3, 1e-12); /* arcsine law */
    assert_near(distribution_beta_quantile(0.09, 2, 1), 0.3, 1e-14);
    for (double u = 0.001; u < 1; u += 0.083)
        assert_near(distribution_beta_cdf(distribution_beta_quantile(u, 2.5, 0.7), 2.5, 0.7), u, 1e-10);
}

/* The bounds of log_uniform are exponents, those of log_uniform_values the bounds themselves. */
static void test_quantiles(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: random\n  run_cap: 10\n  parameters:\n"
                          "    train.a: {min: 2.0, max: 4.0}\n"
                          "    train.b: {min: 3, max: 7}\n"
                          "    train.c: {distribution: log_uniform, min: -4, max: 0}\n"
                          "    train.d: {distribution: log_uniform_values, min: 0.001, max: 10}\n"
                          "    train.e: {distribution: inv_log_uniform, min: 1, max: 3}\n"
                          "    train.f: {distribution: inv_log_uniform_values, min: 0.001, max: 10}\n"
                          "    train.g: {distribution: normal, mu: 5, sigma: 2}\n"
                          "    train.h: {distribution: log_normal, mu: 1, sigma: 0.5}\n"
                          "    train.i: {distribution: beta, a: 2, b: 1}\n"
                          "    train.j: {distribution: q_uniform, min: 0, max: 1, q: 0.1}\n"
                          "    train.k: {distribution: q_log_uniform_values, min: 8, max: 100, q: 8}\n"
                          "    train.l: {distribution: q_normal, sigma: 10, q: 5}\n"
                          "    train.m: {values: [a, b, c], probabilities: [0.2, 0, 0.8]}\n"
                          "    train.n: {distribution: q_uniform, min: 1, max: 10}\n"
                          "    train.o: {distribution: q_log_uniform, min: 0, max: 3}\n"
                          "    train.p: {distribution: q_beta, a: 2, b: 2, q: 0.25}\n"
                          "    train.q: {distribution: q_log_normal}\n"
                          "    train.r: {min: 0, max: 1, q: 0.25}\n"
                          "    train.s: {min: 1, max: 2.5}\n");
    const space_parameter *p = g.s.parameters;
    const double u = 0.35;
    assert_near(distribution_quantile(&p[0], u), 2.7, 1e-14);
    assert_true(distribution_quantile(&p[1], 0) == 3 && distribution_quantile(&p[1], 1) == 7);
    assert_true(distribution_quantile(&p[1], 0.19) == 3 && distribution_quantile(&p[1], 0.21) == 4);
    assert_near(distribution_quantile(&p[2], u), exp(-4 + 4 * u), 1e-14);
    assert_near(distribution_quantile(&p[3], u), pow(10, -3 + 4 * u), 1e-14);
    /* log(1 / x) is uniform: on [1, 3], and between log(1 / 10) and log(1 / 0.001) */
    assert_near(distribution_quantile(&p[4], u), exp(-(1 + 2 * u)), 1e-14);
    assert_near(distribution_quantile(&p[5], u), pow(10, 1 - 4 * u), 1e-14);
    assert_near(distribution_quantile(&p[6], 0.975), 5 + 2 * 1.959963984540054, 1e-14);
    assert_near(distribution_quantile(&p[7], 0.975), exp(1 + 0.5 * 1.959963984540054), 1e-14);
    assert_near(distribution_quantile(&p[8], 0.09), 0.3, 1e-12);
    assert_true(distribution_quantile(&p[9], 0.34) == 0.3 && distribution_quantile(&p[9], 0.36) == 0.4);
    assert_true(distribution_quantile(&p[9], 0.02) == 0 && distribution_quantile(&p[9], 0.99) == 1);
    assert_true(distribution_quantile(&p[10], 0.0001) == 8 && distribution_quantile(&p[10], 0.9999) == 96);
    assert_true(distribution_quantile(&p[11], 0.5) == 0 && distribution_quantile(&p[11], 0.975) == 20);
    assert_true(distribution_quantile(&p[12], 0.1) == 0 && distribution_quantile(&p[12], 0.3) == 2);
    assert_true(p[13].q == 1 && p[13].integer && p[10].integer && !p[9].integer);
    assert_true(p[14].q == 1 && distribution_quantile(&p[14], 0.9999) == 20);
    assert_true(distribution_quantile(&p[15], 0.5) == 0.5);
    assert_true(p[17].q == 0.25 && p[17].kind == SPACE_UNIFORM && p[18].kind == SPACE_UNIFORM &&
                !p[18].integer);
    given_done(&g);
}

/* The shares of a value are those that give it. */
static void test_shares(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: random\n  run_cap: 10\n  parameters:\n"
                          "    train.b: {min: 3, max: 7}\n"
                          "    train.c: {distribution: q_log_uniform_values, min: 8, max: 100, q: 8}\n"
                          "    train.d: {distribution: inv_log_uniform_values, min: 0.001, max: 10}\n"
                          "    train.e: {distribution: q_normal, sigma: 10, q: 5}\n"
                          "    train.f: {distribution: beta, a: 2, b: 3}\n"
                          "    train.g: {values: [a, b, c], probabilities: [0.2, 0.3, 0.5]}\n"
                          "    train.h: {distribution: q_beta, a: 2, b: 2, q: 0.25}\n"
                          "    train.i: {distribution: log_normal}\n");
    for (size_t i = 0; i < g.s.n; i++) {
        const space_parameter *p = &g.s.parameters[i];
        double sum = 0, before = -1;
        for (double u = 0.0005; u < 1; u += 0.001) {
            double low, high, v = distribution_quantile(p, u);
            distribution_share(p, v, &low, &high);
            assert_true(low <= u + 1e-9 && u <= high + 1e-9);
            if (v != before && high > low) sum += high - low;
            before = v;
        }
        if (distribution_values(p) > 0) assert_near(sum, 1, 1e-9);
    }
    assert_true(distribution_values(&g.s.parameters[0]) == 5);
    assert_true(distribution_values(&g.s.parameters[1]) == 12);
    assert_true(distribution_values(&g.s.parameters[2]) == 0);
    assert_true(distribution_values(&g.s.parameters[3]) == 0);
    assert_true(distribution_values(&g.s.parameters[6]) == 5);
    given_done(&g);
}

/* Kolmogorov's distance of 2000 draws to the distribution, by its shares. */
static void test_random_follows(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: random\n  run_cap: 10\n  parameters:\n"
                          "    train.a: {distribution: log_uniform_values, min: 0.001, max: 10}\n"
                          "    train.b: {distribution: normal}\n"
                          "    train.c: {values: [a, b, c], probabilities: [0.2, 0.3, 0.5]}\n");
    enum { N = 2000 };
    size_t below[3] = {0}, choices[3] = {0};
    for (size_t i = 0; i < N; i++) {
        const double *x = given_point(&g, 7, i);
        below[0] += x[0] < 0.1;
        below[1] += x[1] < 1;
        choices[(size_t)x[2]]++;
    }
    assert_near((double)below[0] / N, 0.5, 0.03);
    assert_near((double)below[1] / N, 0.8413, 0.03);
    assert_near((double)choices[0] / N, 0.2, 0.03);
    assert_near((double)choices[1] / N, 0.3, 0.03);
    given_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal),         cmocka_unit_test(test_beta),
        cmocka_unit_test(test_quantiles),      cmocka_unit_test(test_shares),
        cmocka_unit_test(test_random_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
