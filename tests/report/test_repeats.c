/* Tests what repeats are called: seeds, folds, and both. */
#include "report/factor.h"
#include "report/judge.h"
#include "store_bed.h"

static query_run *runs;
static size_t n;

static void reads(repeated r, const char *wanted, const char *noun, const char *key)
{
    text t = {0};
    repeats_say(&r, &t);
    assert_string_equal(text_str(&t), wanted);
    assert_string_equal(repeats_noun(&r), noun);
    assert_string_equal(repeats_key(&r), key);
    text_free(&t);
}

static void spans(repeated r, size_t least, size_t most, const char *wanted)
{
    text t = {0};
    repeats_say_span(&r, least, most, &t);
    assert_string_equal(text_str(&t), wanted);
    text_free(&t);
}

static void words(void **state)
{
    (void)state;
    reads((repeated){1, 1, 0, true}, "1 seed", "seed", "seed");
    reads((repeated){3, 3, 0, true}, "3 seeds", "seed", "seed");
    reads((repeated){3, 1, 3, false}, "3 folds", "fold", "fold");
    reads((repeated){6, 2, 3, false}, "2 seeds x 3 folds", "fold", "seed and fold");
    reads((repeated){5, 2, 3, false}, "5 folds of 2 seeds", "fold", "seed and fold");
    reads((repeated){4, 1, 3, true}, "4 repeats", "repeat", "seed and fold");
    reads((repeated){3, 3, 1, false}, "3 seeds", "seed", "seed"); /* all of one fold */
    spans((repeated){7, 7, 0, true}, 3, 7, "3 to 7 seeds");
    spans((repeated){7, 7, 0, true}, 3, 3, "3 seeds");
    spans((repeated){6, 2, 3, false}, 6, 6, "2 seeds x 3 folds");
    spans((repeated){6, 2, 3, false}, 2, 6, "2 to 6 folds");
    spans((repeated){7, 7, 0, true}, 1, 1, "1 seed");
    static const char *const seeds[] = {"1", "2", "1", "2", "10"}, *const folds[] = {"1", "1", "2", "2",
                                                                                     NULL};
    repeated r = repeats_of(seeds, folds, 5);
    assert_true(r.n == 5 && r.seeds == 3 && r.folds == 2 && r.whole);
    r = repeats_of(seeds, folds, 4);
    assert_true(r.n == 4 && r.seeds == 2 && r.folds == 2 && !r.whole);
    r = repeats_join(r, (repeated){3, 3, 0, true});
    assert_true(r.n == 4 && r.seeds == 3 && r.folds == 2 && r.whole);
    r = repeats_join((repeated){0}, (repeated){3, 1, 3, false});
    assert_true(r.n == 3 && !r.whole);
    assert_true(repeats_tell("seed") && repeats_tell("fold") && !repeats_tell("repeats"));
    assert_true(repeats_beside("repeats") && repeats_beside("experiment") && !repeats_beside("folds"));
}

static int number;

static void make(const char *rate, int seed, int fold, int of)
{
    char name[16], params[200], folded[64] = "";
    snprintf(name, sizeof name, "r%d", ++number);
    if (fold) snprintf(folded, sizeof folded, ",\"fold\":\"%d\",\"folds\":\"%d\"", fold, of);
    snprintf(params, sizeof params, ",\"train.optimizer.lr\":\"%s\"%s", rate, folded);
    made_run r = {.name = name, .experiment = "x", .seed = seed, .params = params};
    const metric m[] = {{"val_accuracy", 0.5 + 0.01 * number}};
    made_values(results, &r, m, 1);
}

static const factor *crossed(const char *by)
{
    static factor f;
    assert_int_equal(factor_make(s, runs, n, by, judge_best, true, &a, &f, &e), CVY_OK);
    return &f;
}

static void folds_of_seeds(void **state)
{
    (void)state;
    number = 0;
    for (int rate = 1; rate <= 2; rate++)
        for (int seed = 1; seed <= 2; seed++)
            for (int fold = 1; fold <= 3; fold++) make(rate == 1 ? "0.1" : "0.2", seed, fold, 3);
    load_runs(&runs, &n);
    for (int by = 0; by < 2; by++) {
        const factor *f = crossed(by ? "train.optimizer.lr" : NULL);
        reads(f->repeats, "2 seeds x 3 folds", "fold", "seed and fold");
        assert_int_equal(f->n_seeds, 6);
        assert_int_equal(f->n_blocks, 1);
        assert_int_equal(f->levels[0].n_means, 6);
        assert_int_equal(factor_compare(f, 0, 1, PAIRED_SIGN_FLIP).n, 6);
    }
    groups g;
    assert_int_equal(groups_make(s, runs, n, false, &a, &g, &e), CVY_OK);
    reads(groups_repeats(g.items, g.n), "2 seeds x 3 folds", "fold", "seed and fold");
}

/* A fold of three is another part of the data than one of five. */
static void other_folds(void **state)
{
    (void)state;
    number = 0;
    for (int rate = 1; rate <= 2; rate++)
        for (int of = 3; of <= 5; of += 2)
            for (int fold = 1; fold <= of; fold++) make(rate == 1 ? "0.1" : "0.2", 1, fold, of);
    load_runs(&runs, &n);
    const factor *f = crossed("train.optimizer.lr");
    assert_int_equal(f->n, 2);
    assert_int_equal(f->n_blocks, 2);
    assert_string_equal(f->across, "folds");
    reads(f->repeats, "5 folds", "fold", "fold");
    assert_int_equal(crossed(NULL)->n, 4);
}

/* Where every configuration has seeds of its own, each knows of its own alone. */
static void own_seeds(void **state)
{
    (void)state;
    number = 0;
    enum { RATES = 12 };
    for (int i = 0; i < RATES; i++) {
        char rate[16];
        snprintf(rate, sizeof rate, "%d.5", i);
        make(rate, 100 + 2 * i, 0, 0);
        make(rate, 101 + 2 * i, 0, 0);
    }
    make("0.5", 7, 0, 0);
    load_runs(&runs, &n);
    runs[n - 1].best = (double)NAN; /* has no value */
    const factor *f = crossed(NULL);
    assert_int_equal(f->n, RATES);
    assert_int_equal(f->n_seeds, 2 * RATES + 1);
    for (size_t i = 0; i < f->n; i++) {
        const factor_level *l = &f->levels[i];
        assert_int_equal(l->n_means, 2);
        assert_true(l->means[0].seed < l->means[1].seed);
        for (size_t k = 0; k < 2; k++) {
            assert_string_equal(f->seeds[l->means[k].seed],
                                arena_printf(&a, "%lld", (long long)l->cells[k].run->seed));
            assert_true(l->means[k].value == l->cells[k].run->best);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words), BED_TEST(folds_of_seeds),
                                       BED_TEST(other_folds), BED_TEST(own_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
