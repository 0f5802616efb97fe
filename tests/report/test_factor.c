/* Tests how runs are crossed by one parameter: what counts as a value, as a replicate, as another configuration, and that only what
 * both sides have is compared. */
#include "report/factor.h"
#include "report/importance.h"
#include "store_bed.h"

static query_run *runs;
static size_t n;

static void make(int number, const char *model, const char *optimizer, const char *lr, int seed, double rate)
{
    char name[16], params[200];
    snprintf(name, sizeof name, "r%d", number);
    snprintf(params, sizeof params, ",\"train.optimizer.type\":\"%s\",\"train.optimizer.lr\":\"%s\"",
             optimizer, lr);
    made_run r = {.name = name, .experiment = "x", .model = model, .seed = seed, .params = params};
    made_whole(results, &r, 2, rate);
}

static double best(const query_run *r)
{
    return r->best;
}

/* Two models x two optimizers, each with its own rate, x three seeds. */
static void make_grid(void)
{
    int number = 1;
    for (int m = 0; m < 2; m++)
        for (int o = 0; o < 2; o++)
            for (int seed = 1; seed <= 3; seed++)
                make(number++, m ? "wide" : "narrow", o ? "adam" : "sgd", o ? "0.001" : "0.1", seed,
                     0.1 + 0.2 * m + 0.05 * o + 0.003 * seed);
}

static void crossed(void **state)
{
    (void)state;
    make_grid();
    load_runs(&runs, &n);
    factor f;
    assert_int_equal(factor_make(s, runs, n, "model", best, true, &a, &f, &e), CVY_OK);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.n_seeds, 3);
    assert_int_equal(f.n_blocks, 2); /* the rate goes with the optimizer and makes no more of them */
    assert_string_equal(f.across, "train.optimizer");
    assert_string_equal(f.levels[0].g.label, "wide"); /* the best first */
    assert_int_equal(f.levels[0].g.n, 6);
    /* A replicate is a seed: three, not six. */
    assert_int_equal(factor_statistics(&f, &f.levels[0], best).n, 3);
    paired p = factor_compare(&f, 0, 1, PAIRED_SIGN_FLIP);
    assert_int_equal(p.n, 3);
    assert_true(p.mean > 0);
    assert_true(p.p > 0.249 && p.p < 0.251);
    /* The same by hand: the mean over seeds and optimizers of both sides. */
    double sums[2] = {0, 0};
    for (size_t i = 0; i < n; i++) sums[!strcmp(runs[i].model, "wide")] += runs[i].best / 6;
    assert_true(fabs(p.mean - (sums[1] - sums[0])) < 1e-12);
}

static void of_a_plugin(void **state)
{
    (void)state;
    make_grid();
    load_runs(&runs, &n);
    factor f;
    assert_int_equal(factor_make(s, runs, n, "train.optimizer", best, true, &a, &f, &e), CVY_OK);
    assert_int_equal(f.n, 2);
    assert_string_equal(f.across, "model");
    assert_string_equal(f.levels[0].g.label, "adam, lr 0.001");
    assert_int_equal(factor_make(s, runs, n, "train.optimizer.type", best, true, &a, &f, &e), CVY_OK);
    assert_string_equal(f.levels[0].g.label, "adam");
    assert_int_equal(f.n_blocks, 2);
}

static void a_run_missing(void **state)
{
    (void)state;
    make_grid();
    make(13, "deep", "sgd", "0.1", 1, 0.9); /* no adam, no other seed */
    load_runs(&runs, &n);
    factor f;
    assert_int_equal(factor_make(s, runs, n, "model", best, true, &a, &f, &e), CVY_OK);
    assert_int_equal(f.n, 3);
    assert_string_equal(f.levels[0].g.label, "deep");
    paired p = factor_compare(&f, 0, 1, PAIRED_SIGN_FLIP);
    assert_int_equal(p.n, 1);
    double wide = 0;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(runs[i].name, "r7")) wide = runs[i].best; /* wide, sgd, seed 1 */
    assert_true(fabs(p.mean - (runs[12].best - wide)) < 1e-12);
}

static void whole_configurations(void **state)
{
    (void)state;
    make_grid();
    load_runs(&runs, &n);
    factor f;
    assert_int_equal(factor_make(s, runs, n, NULL, best, true, &a, &f, &e), CVY_OK);
    assert_int_equal(f.n, 4);
    assert_int_equal(f.n_seeds, 3);
    assert_int_equal(factor_compare(&f, 0, 3, PAIRED_SIGN_FLIP).n, 3);
}

/* Of a seed trained again the newest run that came to a value stands for it, in what is shown as in what is compared. */
static void trained_again(void **state)
{
    (void)state;
    static const struct {
        const char *lr;
        int seed;
        double value;
    } made[] = {{"0.1", 1, 0.40}, {"0.2", 1, 0.50}, {"0.1", 2, 0.45},        {"0.2", 2, 0.52},
                {"0.1", 1, 0.58}, {"0.1", 2, 0.62}, {"0.1", 2, (double)NAN}, {"0.1", 1, (double)INFINITY}};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        char name[16], params[64];
        const metric m[] = {{"val_accuracy", made[i].value}};
        snprintf(name, sizeof name, "r%zu", i + 1);
        snprintf(params, sizeof params, ",\"train.optimizer.lr\":\"%s\"", made[i].lr);
        made_run r = {.name = name, .experiment = "x", .seed = made[i].seed, .params = params};
        made_values(results, &r, m, isfinite(made[i].value) ? 1 : 0);
    }
    load_runs(&runs, &n);
    for (int by = 0; by < 2; by++) {
        factor f;
        const char *path = by ? "train.optimizer.lr" : NULL;
        assert_int_equal(factor_make(s, runs, n, path, best, true, &a, &f, &e), CVY_OK);
        assert_int_equal(f.n, 2);
        assert_int_equal(f.levels[0].g.n, 6);
        statistics st = factor_statistics(&f, &f.levels[0], best);
        assert_int_equal(st.n, 2);
        assert_true(fabs(st.mean - 0.60) < 1e-12);
        paired p = factor_compare(&f, 0, 1, PAIRED_SIGN_FLIP);
        assert_int_equal(p.n, 2);
        assert_true(fabs(p.mean - 0.09) < 1e-12);
    }
}

static double of_seed(const query_run *r)
{
    return (double)(int)(r->seed % 7);
}

/* Against each level's comparison with each other. */
static void fronts(void **state)
{
    (void)state;
    unsigned noise = 1;
    char *dirs[40];
    for (int i = 0; i < 40; i++) {
        char name[16], params[64];
        snprintf(name, sizeof name, "r%d", i + 1);
        snprintf(params, sizeof params, ",\"a\":\"%d\"", i);
        made_run r = {.name = name, .experiment = "x", .seed = i, .params = params};
        dirs[i] = made_describe(results, &r);
    }
    for (int i = 0; i < 40; i++) mem_free(dirs[i]);
    load_runs(&runs, &n);
    for (size_t i = 0; i < n; i++) {
        runs[i].seconds = i == 5 ? (double)NAN : (int)(6 * made_noise(&noise));
        runs[i].parameters = i == 6 ? QUERY_NONE : (int)(40 * made_noise(&noise));
    }
    factor f;
    assert_int_equal(factor_make(s, runs, n, "a", of_seed, true, &a, &f, &e), CVY_OK);
    assert_int_equal(f.n, 40);
    for (size_t i = 0; i < f.n; i++) {
        const query_run *r = f.levels[i].g.runs[0];
        bool time = !isnan(r->seconds), size = r->parameters != QUERY_NONE;
        for (size_t k = 0; k < f.n; k++) {
            const query_run *o = f.levels[k].g.runs[0];
            const double gain = of_seed(o) - of_seed(r);
            if (gain < 0) continue;
            if (o->seconds <= r->seconds && (gain > 0 || o->seconds < r->seconds)) time = false;
            if (o->parameters != QUERY_NONE && o->parameters <= r->parameters &&
                (gain > 0 || o->parameters < r->parameters))
                size = false;
        }
        assert_int_equal(f.levels[i].front_time, time);
        assert_int_equal(f.levels[i].front_parameters, size);
    }
}

/* 1e-1 and 0.1 are one value, whoever wrote it how. */
static void spelled(void **state)
{
    (void)state;
    static const char *const rates[] = {"1e-1", "0.1", "0.10", "1e-2"};
    for (int i = 0; i < 4; i++) make(i + 1, "wide", "sgd", rates[i], i + 1, 0.5 + 0.1 * i);
    load_runs(&runs, &n);
    factor f;
    groups g;
    assert_int_equal(factor_make(s, runs, n, "train.optimizer.lr", best, true, &a, &f, &e), CVY_OK);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.levels[0].g.n, 1);
    assert_int_equal(f.levels[1].g.n, 3);
    assert_int_equal(f.n_seeds, 4);
    assert_int_equal(groups_make(s, runs, n, false, &a, &g, &e), CVY_OK);
    assert_int_equal(g.n, 2);
}

static void unknown(void **state)
{
    (void)state;
    make_grid();
    load_runs(&runs, &n);
    factor f;
    assert_int_equal(factor_make(s, runs, n, "train.optimiser", best, true, &a, &f, &e), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].hint, "train.optimizer"));
    errors_free(&e);
    assert_int_equal(factor_make(s, runs, n, "zzz", best, true, &a, &f, &e), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].hint, "they differ in model, train.optimizer.lr"));
}

static void explained(void **state)
{
    (void)state;
    make_grid();
    load_runs(&runs, &n);
    importance im;
    assert_int_equal(importance_make(s, runs, n, best, &a, &im, &e), CVY_OK);
    assert_int_equal(im.configurations, 4);
    assert_int_equal(im.n, 2); /* the rate is not told from its optimizer */
    assert_string_equal(im.items[0].path, "model");
    assert_true(im.items[0].share.mean > 0.7);
    assert_int_equal(importance_make(s, runs, 6, best, &a, &im, &e), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].what, "2 configurations"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(crossed),   BED_TEST(of_a_plugin),   BED_TEST(a_run_missing), BED_TEST(whole_configurations),
        BED_TEST(spelled),   BED_TEST(trained_again), BED_TEST(fronts),        BED_TEST(unknown),
        BED_TEST(explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
