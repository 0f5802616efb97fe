/* When each rule is asked and what it says: worked examples, the papers' tables, and that no timing decides. */
#include "given.h"

#include "base/philox.h"
#include "sweep/early.h"
#include "sweep/early_rules.h"

enum { MOST = 40, EPOCHS = 81 };

static early_need need; /* of the last answer */

/* Configurations with their values, each as far as `come` says. */
typedef struct field {
    double values[MOST][EPOCHS];
    early_standing all[MOST];
    size_t n;
} field;

static void come(field *f, size_t config, int64_t epochs, bool ended)
{
    f->all[config] = (early_standing){
        .values = f->values[config], .epochs = epochs, .ended = ended, .complete = ended && epochs == EPOCHS};
    if (config >= f->n) f->n = config + 1;
}

static void fill(field *f, size_t config, double value)
{
    for (size_t k = 0; k < EPOCHS; k++) f->values[config][k] = value;
}

static space minimizing(int64_t parallelism)
{
    return (space){.method = "random", .metric = {"val_loss", false}, .parallelism = parallelism};
}

static early_verdict ask(const early_rule *r, const space *s, const field *f, size_t config, int64_t epoch)
{
    return early_ask(r, s, f->all, f->n, false, config, epoch, EPOCHS, f->n, &need);
}

static void assert_asked(const early_rule *r, size_t config, size_t configs, int64_t epochs,
                         const int64_t *expected)
{
    int64_t done = 0;
    for (; *expected; expected++) {
        done = early_next(r, config, configs, done, epochs);
        if (done != *expected) fail_msg("asked after %lld, not %lld", (long long)done, (long long)*expected);
    }
    assert_int_equal(early_next(r, config, configs, done, epochs), 0);
    /* whoever was not asked there is asked at the next */
    assert_true(early_next(r, config, configs, 0, epochs) <= early_next(r, config, configs, 1, epochs) ||
                early_next(r, config, configs, 1, epochs) == 0);
}

static void test_wandb_bands(void **unused)
{
    (void)unused;
    /* W&B's documentation: min_iter 3 and eta 3; max_iter 27, s 2, eta 3 */
    early_rule r = {.kind = EARLY_HYPERBAND_WANDB, .min_iter = 3, .eta = 3};
    assert_asked(&r, 0, 5, 100, (int64_t[]){3, 9, 27, 81, 0});
    assert_asked(&r, 0, 5, 81, (int64_t[]){3, 9, 27, 0});
    r = (early_rule){.kind = EARLY_HYPERBAND_WANDB, .max_iter = 27, .s = 2, .eta = 3};
    assert_asked(&r, 0, 5, 27, (int64_t[]){3, 9, 0});
    r.s = 9; /* bands below 1 are left out */
    assert_asked(&r, 0, 5, 27, (int64_t[]){1, 3, 9, 0});
    r = (early_rule){.kind = EARLY_HYPERBAND_WANDB, .max_iter = 5, .s = 2, .eta = 2};
    assert_asked(&r, 0, 5, 5, (int64_t[]){1, 2, 0});
    r = (early_rule){.kind = EARLY_HYPERBAND_WANDB, .min_iter = 2, .eta = 1.5};
    assert_asked(&r, 0, 5, 12, (int64_t[]){2, 3, 4, 6, 10, 0}); /* 4.5, 6.75, 10.125 */
}

static void test_wandb_verdicts(void **unused)
{
    (void)unused;
    static field f;
    f = (field){.n = 0};
    early_rule r = {.kind = EARLY_HYPERBAND_WANDB, .min_iter = 3, .eta = 3};
    space s = minimizing(1);
    const double there[] = {5, 4, 3, 2, 1, 6};
    for (size_t i = 0; i < 6; i++) {
        fill(&f, i, there[i]);
        come(&f, i, i < 5 ? 9 : 3, i < 5);
    }
    /* alone; of two int(2 / 3) = 0, the best, passes; of six the third smallest is the threshold: sorted[2] */
    assert_int_equal(ask(&r, &s, &f, 0, 3), EARLY_GO);
    assert_int_equal(ask(&r, &s, &f, 1, 3), EARLY_GO);
    assert_int_equal(ask(&r, &s, &f, 5, 3), EARLY_STOP);
    fill(&f, 5, 3);
    assert_int_equal(ask(&r, &s, &f, 5, 3), EARLY_GO);
    fill(&f, 5, 3.01);
    assert_int_equal(ask(&r, &s, &f, 5, 3), EARLY_STOP);
    /* the best so far counts, but for `strict` */
    f.values[5][0] = 2.5;
    assert_int_equal(ask(&r, &s, &f, 5, 3), EARLY_GO);
    r.strict = true;
    assert_int_equal(ask(&r, &s, &f, 5, 3), EARLY_STOP);
    /* larger is better */
    s.metric.maximize = true;
    fill(&f, 5, 3.5);
    assert_int_equal(ask(&r, &s, &f, 5, 3), EARLY_GO); /* 5, 4, and the third is 3.5 itself */
    fill(&f, 5, 2.9);
    assert_int_equal(ask(&r, &s, &f, 5, 3), EARLY_STOP);
}

static void test_median(void **unused)
{
    (void)unused;
    early_rule r = {.kind = EARLY_MEDIAN, .startup = 3, .warmup = 2, .interval = 4};
    assert_asked(&r, 0, 9, 15, (int64_t[]){3, 7, 11, 0});
    r = (early_rule){.kind = EARLY_MEDIAN, .startup = 5, .interval = 1};
    assert_asked(&r, 0, 9, 4, (int64_t[]){1, 2, 3, 0});
    static field f;
    f = (field){.n = 0};
    r.startup = 4;
    space s = minimizing(1);
    for (size_t i = 0; i < 6; i++) {
        fill(&f, i, (double)(i + 1));
        come(&f, i, EPOCHS, true);
    }
    come(&f, 1, 5, true); /* was stopped: does not count among the completed: 1, 3, 4, 5 */
    come(&f, 5, 7, false);
    fill(&f, 5, 3.5);
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_GO); /* the median itself passes */
    fill(&f, 5, 3.51);
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_STOP);
    f.values[5][2] = 3; /* its best until then */
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_GO);
    fill(&f, 5, (double)NAN);
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_STOP);
    fill(&f, 5, 9);
    r.startup = 5; /* only four completed */
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_GO);
    r.startup = 4;
    come(&f, 4, 30, false); /* it must have ended before anybody can say */
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_WAIT);
    s.parallelism = 2; /* then configuration 4 is not looked at: 0, 2, 3 are three */
    r.startup = 3;
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_STOP);
    s.metric.maximize = true;
    assert_int_equal(ask(&r, &s, &f, 5, 7), EARLY_GO);
    assert_int_equal(ask(&r, &s, &f, 2, 7), EARLY_GO); /* too few before it */
    /* what came to its own end counts, however many epochs that were; at an epoch that it has not, it says nothing */
    s = minimizing(1);
    f = (field){.n = 0};
    for (size_t i = 0; i < 4; i++) {
        fill(&f, i, (double)(i + 1));
        come(&f, i, i < 3 ? 5 : EPOCHS, true);
        f.all[i].complete = true;
    }
    fill(&f, 4, 2.51); /* behind the median of 1, 2, 3, 4 */
    come(&f, 4, 5, false);
    r.startup = 4;
    assert_int_equal(ask(&r, &s, &f, 4, 5), EARLY_STOP);
    assert_int_equal(ask(&r, &s, &f, 4, 6), EARLY_GO); /* 4 alone */
    f.all[2].complete = false;
    assert_int_equal(ask(&r, &s, &f, 4, 5), EARLY_GO);
}

static void test_asha(void **unused)
{
    (void)unused;
    early_rule r = {.kind = EARLY_ASHA, .eta = 3};
    assert_asked(&r, 0, 9, 30, (int64_t[]){1, 3, 9, 27, 0});
    r.min_iter = 2;
    assert_asked(&r, 0, 9, 30, (int64_t[]){2, 6, 18, 0});
    static field f;
    f = (field){.n = 0};
    space s = minimizing(1);
    const double there[] = {5, 4, 6, 3, 3.5, 4.5};
    for (size_t i = 0; i < 6; i++) { /* one after the other */
        fill(&f, i, there[i]);
        come(&f, i, 2, false);
        static const early_verdict expected[] = {EARLY_GO, EARLY_GO,   EARLY_STOP,
                                                 EARLY_GO, EARLY_STOP, EARLY_STOP};
        assert_int_equal(ask(&r, &s, &f, i, 2), expected[i]);
    }
    assert_int_equal(ask(&r, &s, &f, 4, 2), EARLY_GO); /* of six there two pass */
}

/* Jamieson and Talwalkar: of 9 come 3 through the first rung, and 1 through the second. */
static void test_halving(void **unused)
{
    (void)unused;
    early_rule r = {.kind = EARLY_HALVING, .min_iter = 1, .eta = 3};
    assert_asked(&r, 8, 9, 9, (int64_t[]){1, 3, 0});
    static field f;
    f = (field){.n = 0};
    space s = minimizing(1);
    for (size_t i = 0; i < 9; i++) {
        fill(&f, i, (double)((i * 7) % 9)); /* 0 7 5 3 1 8 6 4 2 */
        come(&f, i, 1, false);
    }
    for (size_t i = 0; i < 9; i++) {
        early_verdict v = early_ask(&r, &s, f.all, 9, false, i, 1, 9, 9, &need);
        assert_int_equal(v, (i * 7) % 9 < 3 ? EARLY_GO : EARLY_STOP);
        if (v == EARLY_STOP) come(&f, i, 1, true);
    }
    come(&f, 0, 3, false);
    come(&f, 4, 3, false);
    assert_int_equal(early_ask(&r, &s, f.all, 9, false, 0, 3, 9, 9, &need),
                     EARLY_WAIT); /* 8 is still under way */
    assert_int_equal(need.config, 8);
    assert_int_equal(need.epochs, 3);
    come(&f, 8, 3, false);
    f.values[8][2] = -1;
    assert_int_equal(early_ask(&r, &s, f.all, 9, false, 0, 3, 9, 9, &need), EARLY_STOP);
    assert_int_equal(early_ask(&r, &s, f.all, 9, false, 4, 3, 9, 9, &need), EARLY_STOP);
    assert_int_equal(early_ask(&r, &s, f.all, 9, false, 8, 3, 9, 9, &need), EARLY_GO);
    /* while others will be begun nobody can say; and not before all have come, or ended */
    assert_int_equal(early_ask(&r, &s, f.all, 8, true, 0, 1, 9, 9, &need), EARLY_WAIT);
    assert_int_equal(need.config, 8); /* once it has begun */
    assert_int_equal(need.epochs, 0);
    come(&f, 3, 0, false);
    assert_int_equal(early_ask(&r, &s, f.all, 9, false, 0, 1, 9, 9, &need), EARLY_WAIT);
    come(&f, 3, 0, true); /* it failed, and is the worst */
    assert_int_equal(early_ask(&r, &s, f.all, 9, false, 0, 1, 9, 9, &need), EARLY_GO);
    /* of several under way the last is needed, not the one that was worst */
    for (size_t i = 0; i < 9; i++) {
        fill(&f, i, (double)(9 - i));
        come(&f, i, i == 6 ? 3 : 1, i < 6);
    }
    assert_int_equal(early_ask(&r, &s, f.all, 9, false, 6, 3, 9, 9, &need), EARLY_WAIT);
    assert_int_equal(need.config, 8);
    assert_int_equal(need.epochs, 3);
    /* equal values: the earlier ones */
    for (size_t i = 0; i < 9; i++) {
        fill(&f, i, 1);
        come(&f, i, 1, false);
    }
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(early_ask(&r, &s, f.all, 9, false, i, 1, 9, 9, &need),
                         i < 3 ? EARLY_GO : EARLY_STOP);
}

/* Li et al., table 1: R = 81, eta = 3. */
static void test_hyperband_table(void **unused)
{
    (void)unused;
    static const size_t n[5] = {81, 34, 15, 8, 5};
    static const int64_t rungs[5][5] = {{1, 3, 9, 27, 0}, {3, 9, 27, 0}, {9, 27, 0}, {27, 0}, {0}};
    early_rule r = {.kind = EARLY_HYPERBAND, .min_iter = 1, .eta = 3};
    size_t first = 0, configs = 143 + 100; /* and a second time from the start */
    for (int b = 0; b < 6; b++) {
        early_bracket got = early_bracket_of(&r, first, configs, 81);
        assert_int_equal(got.first, first);
        assert_int_equal(got.n, n[b % 5]);
        early_bracket last = early_bracket_of(&r, first + got.n - 1, configs, 81);
        assert_true(last.first == got.first && last.n == got.n);
        assert_asked(&r, first, configs, 81, rungs[b % 5]);
        first += got.n;
    }
    early_bracket rest = early_bracket_of(&r, 242, configs, 81);
    assert_true(rest.first == 224 && rest.n == 19);
}

/* Brackets know nothing of each other: the second is decided while the first is not. */
static void test_hyperband_brackets(void **unused)
{
    (void)unused;
    early_rule r = {.kind = EARLY_HYPERBAND, .min_iter = 1, .eta = 3};
    static field f;
    f = (field){.n = 0};
    space s = minimizing(1);
    /* R = 9: 9 from epoch 1, 5 from epoch 3, 3 to the end */
    for (size_t i = 0; i < 17; i++) {
        fill(&f, i, (double)((i * 4) % 5));
        come(&f, i, i < 9 ? 0 : 3, false);
    }
    assert_asked(&r, 9, 17, 9, (int64_t[]){3, 0});
    assert_asked(&r, 14, 17, 9, (int64_t[]){0});
    assert_int_equal(early_ask(&r, &s, f.all, 17, false, 0, 1, 9, 17, &need), EARLY_WAIT);
    size_t on = 0;
    for (size_t i = 9; i < 14; i++) {
        early_verdict v = early_ask(&r, &s, f.all, 17, false, i, 3, 9, 17, &need);
        assert_true(v != EARLY_WAIT);
        on += v == EARLY_GO;
    }
    assert_int_equal(on, 1);
}

/* The verdict on a configuration is the same however far the others have come, as soon as there is one. */
static void test_no_timing(void **unused)
{
    (void)unused;
    const early_rule rules[] = {
        {.kind = EARLY_MEDIAN, .startup = 3, .interval = 2},
        {.kind = EARLY_HYPERBAND_WANDB, .min_iter = 2, .eta = 2},
        {.kind = EARLY_HALVING, .min_iter = 2, .eta = 2},
        {.kind = EARLY_HYPERBAND, .min_iter = 1, .eta = 2},
    };
    enum { N = 12, E = 9 };
    static field f;
    for (size_t k = 0; k < sizeof rules / sizeof *rules; k++) {
        char decided[2][N * E];
        for (int order = 0; order < 2;
             order++) { /* one at a time, or all an epoch further in turn, from the last */
            f = (field){.n = 0};
            space s = minimizing(3);
            philox_stream random = philox_open(philox_key_of(5, "test", ""), k, 0);
            for (size_t i = 0; i < N; i++) {
                for (size_t e = 0; e < E; e++)
                    f.values[i][e] = (double)philox_unit(&random) - 0.1 * (double)e;
                come(&f, i, 0, false);
            }
            size_t log = 0;
            int64_t at[N] = {0};
            early_need needs[N] = {0};
            memset(decided[order], '.', sizeof decided[order]);
            for (int round = 0; round < 10000 && log < N; round++) {
                size_t i = order ? N - 1 - (size_t)round % N : (size_t)round / 40 % N;
                if (f.all[i].ended) continue;
                bool asked =
                    f.all[i].epochs && early_next(&rules[k], i, N, f.all[i].epochs - 1, E) == f.all[i].epochs;
                if (asked && at[i] < f.all[i].epochs) {
                    early_verdict v =
                        early_ask(&rules[k], &s, f.all, N, false, i, f.all[i].epochs, E, N, &need);
                    const early_standing *other = &f.all[needs[i].config];
                    if (!other->ended && other->epochs < needs[i].epochs) assert_int_equal(v, EARLY_WAIT);
                    needs[i] = need;
                    if (v == EARLY_WAIT) continue;
                    needs[i] = (early_need){0};
                    at[i] = f.all[i].epochs;
                    decided[order][i * E + (size_t)at[i]] = v == EARLY_GO ? 'g' : 's';
                    if (v == EARLY_STOP) {
                        come(&f, i, at[i], true);
                        log++;
                        continue;
                    }
                }
                come(&f, i, f.all[i].epochs + 1, f.all[i].epochs + 1 == E);
                f.all[i].complete = f.all[i].ended;
                log += f.all[i].ended;
            }
            assert_int_equal(log, N); /* nobody waits for ever */
        }
        assert_memory_equal(decided[0], decided[1], N * E);
        assert_non_null(memchr(decided[0], 's', N * E));
        assert_non_null(memchr(decided[0], 'g', N * E));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wandb_bands),
        cmocka_unit_test(test_wandb_verdicts),
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_asha),
        cmocka_unit_test(test_halving),
        cmocka_unit_test(test_hyperband_table),
        cmocka_unit_test(test_hyperband_brackets),
        cmocka_unit_test(test_no_timing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
