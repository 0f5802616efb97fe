/* Tests what a parameter's values are on the axis of a forest: by magnitude or evenly spread, not set everywhere, too many words. The
 * shares are worked out by hand from the functions that stand for results. */
#include "report/importance.h"
#include "store_bed.h"

static query_run *runs;
static size_t n;

enum { N = 96 };

static double share_of(const importance *im, const char *path)
{
    for (size_t i = 0; i < im->n; i++)
        if (!strcmp(im->items[i].path, path)) return im->items[i].share.mean;
    fail_msg("no share of %s", path);
    return (double)NAN;
}

static void near(double found, double wanted, double by)
{
    if (!(fabs(found - wanted) <= by)) fail_msg("%.4f, expected %.4f", found, wanted);
}

/* A number between 0 and 1 that run i has for one of its parameters. */
static double spread(int64_t i, int step)
{
    return (double)(((i - 1) * step) % N + 1) / (N + 1);
}

static void describe(int i, const char *params)
{
    char name[16];
    snprintf(name, sizeof name, "r%d", i);
    made_run r = {.name = name, .experiment = "x", .seed = 1, .params = params};
    mem_free(made_describe(results, &r));
}

static double line(const query_run *r)
{
    return spread(r->number, 37) + 0.25 * (double)(r->number % 4);
}

/* Evenly drawn numbers reach over two decades when one of them is small: that makes them no magnitudes. */
static void evenly_spread(void **state)
{
    (void)state;
    for (int i = 1; i <= N; i++) {
        char params[100];
        snprintf(params, sizeof params, ",\"p\":\"%.6f\",\"k\":\"%d\"", spread(i, 37), i % 4);
        describe(i, params);
    }
    load_runs(&runs, &n);
    importance im;
    assert_int_equal(importance_make(s, runs, n, line, &a, &im, &e), CVY_OK);
    near(share_of(&im, "p"), 0.516, 0.03); /* 1/12 of 1/12 + 5/64 */
    near(share_of(&im, "k"), 0.484, 0.03);
    assert_int_equal(im.left_out, 0);
}

static double with_momentum(const query_run *r)
{
    return r->number % 2 ? 0.5 + spread(r->number, 37) : 0.5;
}

/* One optimizer has a momentum, the other has none: a share of the number, and the type's own. */
static void set_by_another(void **state)
{
    (void)state;
    for (int i = 1; i <= N; i++) {
        char params[160];
        const int k = snprintf(params, sizeof params, ",\"q\":\"%.6f\",\"o.type\":\"%s\"", spread(i, 53),
                               i % 2 ? "sgd" : "adam");
        if (i % 2) snprintf(params + k, sizeof params - (size_t)k, ",\"o.momentum\":\"%.6f\"", spread(i, 37));
        describe(i, params);
    }
    load_runs(&runs, &n);
    importance im;
    assert_int_equal(importance_make(s, runs, n, with_momentum, &a, &im, &e), CVY_OK);
    near(share_of(&im, "o.type"), 0.6, 0.05);
    near(share_of(&im, "o.momentum"), 0.2, 0.05);
}

static double clipped(const query_run *r)
{
    return r->number % 2 ? 1 : 0;
}

/* Nothing else says whether it is set: then that is what it explains. */
static void set_by_itself(void **state)
{
    (void)state;
    for (int i = 1; i <= N; i++) {
        char params[160];
        int k = snprintf(params, sizeof params, ",\"q\":\"%.6f\"", spread(i, 53));
        if (i % 2) snprintf(params + k, sizeof params - (size_t)k, ",\"clip\":\"%.6f\"", 1 + spread(i, 37));
        describe(i, params);
    }
    load_runs(&runs, &n);
    importance im;
    assert_int_equal(importance_make(s, runs, n, clipped, &a, &im, &e), CVY_OK);
    near(share_of(&im, "clip"), 1, 0.03);
    near(share_of(&im, "q"), 0, 0.03);
}

/* A word of its own in every configuration is told to be left out; numbers in other spellings are the same number. */
static void words(void **state)
{
    (void)state;
    for (int i = 1; i <= N; i++) {
        char params[160];
        snprintf(params, sizeof params, ",\"w\":\"word%d\",\"k\":\"%d%s\"", i, i % 4, i % 8 < 4 ? "" : ".0");
        describe(i, params);
    }
    load_runs(&runs, &n);
    importance im;
    assert_int_equal(importance_make(s, runs, n, line, &a, &im, &e), CVY_OK);
    assert_int_equal(im.left_out, 1);
    assert_int_equal(im.n, 1);
    assert_string_equal(im.items[0].path, "k");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(evenly_spread),
        BED_TEST(set_by_another),
        BED_TEST(set_by_itself),
        BED_TEST(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
