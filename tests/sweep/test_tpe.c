/* The Parzen estimator against its formulas, and TPE's choices: pure, within the space, better than chance. */
#include "given.h"

#include "base/normal.h"
#include "sweep/distribution.h"
#include "sweep/parzen.h"
#include "sweep/space_rules.h"

static const space_tpe usual = {.startup = 10,
                                .candidates = 24,
                                .gamma = 0.15,
                                .prior_weight = 1,
                                .magic_clip = true,
                                .multivariate = true};

static double normal_density(double x, double mu, double sigma)
{
    double z = (x - mu) / sigma, inside = normal_cdf((1 - mu) / sigma) - normal_cdf(-mu / sigma);
    return exp(-0.5 * z * z) / (sigma * 2.50662827463100050242) / inside;
}

/* No observation: the prior alone, N(0.5, 1) on [0, 1]. One: a kernel of the least width, 1 / 3. */
static void test_density(void **unused)
{
    (void)unused;
    arena a = {0};
    parzen_axis axes[1] = {{0}};
    const parzen *prior = parzen_make(&usual, axes, 1, NULL, 0, &a);
    parzen_value at = {0.3, 0.3}, seen = {0.7, 0.7};
    assert_near(parzen_log_density(prior, &at), log(normal_density(0.3, 0.5, 1)), 1e-12);
    const parzen *one = parzen_make(&usual, axes, 1, &seen, 1, &a);
    assert_near(parzen_log_density(one, &at),
                log(0.5 * normal_density(0.3, 0.5, 1) + 0.5 * normal_density(0.3, 0.7, 1.0 / 3)), 1e-12);
    /* a step has what lies in it; a narrow one its density times its width */
    parzen_value step = {0.2, 0.6}, narrow = {0.2999, 0.3001};
    double expected = 0.5 * (normal_cdf(0.1) - normal_cdf(-0.3)) / (normal_cdf(0.5) - normal_cdf(-0.5));
    double s = 1.0 / 3, inside = normal_cdf(0.3 / s) - normal_cdf(-0.7 / s);
    expected += 0.5 * (normal_cdf(-0.1 / s) - normal_cdf(-0.5 / s)) / inside;
    assert_near(parzen_log_density(one, &step), log(expected), 1e-12);
    assert_near(parzen_log_density(one, &narrow), parzen_log_density(one, &at) + log(0.0002), 1e-6);
    /* choices: each kernel's own, smoothed by the prior's weight over the number of kernels */
    parzen_axis choices[1] = {{4, NULL}};
    parzen_value third = {2, 2}, first = {0, 0};
    const parzen *c = parzen_make(&usual, choices, 1, &third, 1, &a);
    assert_near(parzen_log_density(c, &third), log(0.5 * (1.5 / 3) + 0.5 * 0.25), 1e-12);
    assert_near(parzen_log_density(c, &first), log(0.5 * (0.5 / 3) + 0.5 * 0.25), 1e-12);
    arena_free(&a);
}

/* A density sums to 1, in every mixture of axes, and draws follow it. */
static void test_density_whole(void **unused)
{
    (void)unused;
    arena a = {0};
    const double prior[3] = {0.2, 0.5, 0.3};
    parzen_axis axes[2] = {{0}, {3, prior}};
    parzen_value seen[2 * 60];
    for (size_t i = 0; i < 60; i++) {
        double x = fmod(0.1 + 0.37 * (double)i * (double)i, 1), c = (double)(i % 7 % 3);
        seen[2 * i] = (parzen_value){x, x};
        seen[2 * i + 1] = (parzen_value){c, c};
    }
    for (int multivariate = 0; multivariate < 2; multivariate++) {
        space_tpe o = usual;
        o.multivariate = multivariate;
        const parzen *p = parzen_make(&o, axes, 2, seen, 60, &a);
        double sum = 0, steps = 0, low = 0, drawn = 0;
        enum { N = 1000, DRAWS = 20000 };
        for (size_t c = 0; c < 3; c++) {
            for (size_t i = 0; i < N; i++) {
                double x = ((double)i + 0.5) / N;
                parzen_value at[2] = {{x, x}, {(double)c, (double)c}};
                double density = exp(parzen_log_density(p, at)) / N;
                sum += density;
                if (x < 0.4 && c == 1) low += density;
            }
            for (size_t i = 0; i < 4; i++) {
                parzen_value at[2] = {{0.25 * (double)i, 0.25 * (double)(i + 1)}, {(double)c, (double)c}};
                steps += exp(parzen_log_density(p, at));
            }
        }
        assert_near(sum, 1, 1e-3);
        assert_near(steps, 1, 1e-3); /* narrow steps go by the density in their middle */
        philox_stream r = philox_open(philox_key_of(1, "test", ""), 0, 0);
        for (size_t i = 0; i < DRAWS; i++) {
            double x[2];
            parzen_draw(p, &r, x);
            assert_true(x[0] > 0 && x[0] < 1 && x[1] >= 0 && x[1] <= 2);
            drawn += x[0] < 0.4 && x[1] == 1;
        }
        assert_near(drawn / DRAWS, low, 0.01);
    }
    arena_free(&a);
}

static const char *const sweep =
    "  method: bayes\n  metric: {name: val_loss, goal: %s}\n  run_cap: 60\n"
    "  parallelism: %d\n  tpe: {multivariate: %s}\n  parameters:\n"
    "    train.optimizer.type: {values: [sgd, adam]}\n"
    "    train.rate: {distribution: log_uniform_values, min: 1e-5, max: 1}\n"
    "    train.channels: {distribution: q_uniform, min: 8, max: 128, q: 8}\n"
    "    train.inertia: {min: 0.0, max: 0.99, when: {train.optimizer.type: sgd}}\n"
    "    train.noise: {distribution: normal, sigma: 0.1}\n";

static double loss_of(const double *x)
{
    double lr = log10(x[1]) + 2, channels = (x[2] - 64) / 64;
    double momentum = isnan(x[3]) ? 0.3 : (x[3] - 0.9) * (x[3] - 0.9);
    return lr * lr + channels * channels + momentum + fabs(x[4]);
}

/* All of them, one after the other, as a sweep would. */
static void run(given *g, uint64_t seed, search_result *results, size_t n, double sign)
{
    for (size_t i = 0; i < n; i++) {
        errors e = {0};
        double *point = arena_array(&g->a, g->s.n, sizeof *point);
        if (!search_propose(&g->s, seed, results, i, i, point, &e)) fail_msg("%s", messages(&e));
        results[i] = (search_result){point, i % 13 == 12 ? (double)NAN : sign * loss_of(point), i % 11 == 10};
    }
}

static double median(const search_result *results, size_t from, size_t to)
{
    double all[60];
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        double v = loss_of(results[i].point);
        size_t k = n++;
        for (; k && all[k - 1] > v; k--) all[k] = all[k - 1];
        all[k] = v;
    }
    return all[n / 2];
}

static void test_learns(void **unused)
{
    (void)unused;
    for (int how = 0; how < 4; how++) {
        char *yaml = mem_printf(sweep, "minimize", 1 + how, how & 2 ? "false" : "true");
        given g = given_sweep(yaml);
        g.s.metric.maximize = how & 1;
        double early = 0, late = 0;
        for (uint64_t seed = 0; seed < 5; seed++) {
            search_result results[60];
            run(&g, seed, results, 60, how & 1 ? -1 : 1);
            early += median(results, 0, 10);
            late += median(results, 40, 60);
            for (size_t i = 0; i < 60; i++) {
                const double *x = results[i].point;
                assert_true(x[1] >= 1e-5 && x[1] <= 1 && x[2] >= 8 && x[2] <= 128 && fmod(x[2], 8) == 0);
                assert_true(isnan(x[3]) == (x[0] == 1));
                assert_true(isnan(x[3]) || (x[3] >= 0 && x[3] <= 0.99));
            }
        }
        if (late > 0.4 * early) fail_msg("how %d: %g, then %g", how, early / 5, late / 5);
        given_done(&g);
        mem_free(yaml);
    }
}

/* Configuration i is the same whoever asks, when, and with how many results beyond those it may look at. */
static void test_pure(void **unused)
{
    (void)unused;
    char *yaml = mem_printf(sweep, "minimize", 4, "true");
    given g = given_sweep(yaml);
    search_result results[60];
    run(&g, 9, results, 60, 1);
    for (size_t i = 60; i-- > 0;) {
        errors e = {0};
        double point[5];
        assert_true(search_propose(&g.s, 9, results, 60, i, point, &e));
        for (size_t k = 0; k < 5; k++) assert_true(point[k] == results[i].point[k] || isnan(point[k]));
        size_t visible = search_visible(&g.s, i);
        assert_int_equal(visible, i < 4 ? 0 : i - 3);
        assert_true(search_propose(&g.s, 9, results, visible, i, point, &e));
        for (size_t k = 0; k < 5; k++) assert_true(point[k] == results[i].point[k] || isnan(point[k]));
    }
    /* before `startup` results are there, it draws as random search does */
    space draws = g.s;
    draws.method = "random";
    double point[5];
    assert_true(search_propose(&draws, 9, NULL, 0, 12, point, NULL));
    assert_memory_equal(point, results[12].point, 3 * sizeof *point);
    assert_true(search_propose(&draws, 9, NULL, 0, 13, point, NULL));
    assert_true(point[1] != results[13].point[1]);
    given_done(&g);
    mem_free(yaml);
}

/* A few choices: nothing is tried twice before all were. */
static void test_no_repeats(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: tpe\n  run_cap: 24\n  parallelism: 1\n"
                          "  tpe: {startup: 1, candidates: 500}\n  parameters:\n"
                          "    train.a: {values: [1, 2, 3, 4]}\n    train.b: {min: 1, max: 6}\n");
    search_result results[24];
    bool seen[24] = {0};
    for (size_t i = 0; i < 24; i++) {
        double *point = arena_array(&g.a, 2, sizeof *point);
        assert_true(search_propose(&g.s, 1, results, i, i, point, NULL));
        results[i] = (search_result){point, point[0] + point[1], false};
        seen[(size_t)(point[0] * 6 + point[1] - 1)] = true;
    }
    for (size_t i = 0; i < 24; i++) assert_true(seen[i]);
    given_done(&g);
}

/* Failures do not count as good, unless the file says so; nothing but failures leaves chance. */
static void test_failures(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: tpe\n  run_cap: 100\n  parallelism: 1\n  metric: {name: val_loss}\n"
                          "  parameters: {train.x: {min: 0.0, max: 1.0}}\n");
    enum { N = 40 };
    search_result results[N];
    double points[N], point;
    for (int impute = 0; impute < 2; impute++) {
        g.s.impute = impute ? SPACE_IMPUTE_BEST : SPACE_IMPUTE_WORST;
        size_t high = 0;
        for (size_t i = 0; i < N; i++) { /* what fails lies above 0.5 */
            points[i] = ((double)i + 0.5) / N;
            results[i] = (search_result){&points[i], points[i] > 0.5 ? (double)NAN : 1 + points[i], false};
        }
        for (uint64_t seed = 0; seed < 50; seed++) {
            assert_true(search_propose(&g.s, seed, results, N, N, &point, NULL));
            high += point > 0.5;
        }
        if (impute ? high < 25 : high > 10) fail_msg("impute %d: %zu of 50 above", impute, high);
    }
    for (size_t i = 0; i < N; i++) results[i].value = (double)NAN;
    assert_true(search_propose(&g.s, 1, results, N, N, &point, NULL));
    given_done(&g);
}

/* `where` holds for what is chosen by results too. */
static void test_where(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: tpe\n  run_cap: 60\n  parallelism: 2\n  parameters:\n"
                          "    train.a: {min: 0.0, max: 1.0}\n    train.b: {min: 0.0, max: 1.0}\n"
                          "  where: train.a + train.b <= 0.5\n");
    search_result results[60];
    for (size_t i = 0; i < 60; i++) {
        double *point = arena_array(&g.a, 2, sizeof *point);
        assert_true(search_propose(&g.s, 1, results, i, i, point, NULL));
        assert_true(point[0] + point[1] <= 0.5);
        results[i] = (search_result){point, -point[0] - point[1], false}; /* better towards the edge */
    }
    given_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_density), cmocka_unit_test(test_density_whole), cmocka_unit_test(test_learns),
        cmocka_unit_test(test_pure),    cmocka_unit_test(test_no_repeats),    cmocka_unit_test(test_failures),
        cmocka_unit_test(test_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
