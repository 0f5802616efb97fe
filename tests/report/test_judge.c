/* Tests that runs trained for different metrics are judged by one, and which values are the same in two spellings. */
#include "report/judge.h"
#include "report/spelling.h"
#include "store_bed.h"

static query_run *runs;
static size_t n;

static void make(const char *name, const char *wanted, const char *goal, double accuracy, double loss)
{
    const metric m[] = {{"val_accuracy", accuracy}, {"val_loss", loss}};
    made_run r = {.name = name, .experiment = "x", .seed = 1, .metric = wanted, .goal = goal};
    made_values(results, &r, m, isnan(accuracy) ? 0 : 2);
}

static void one_metric(void **state)
{
    (void)state;
    make("r1", "val_accuracy", "maximize", 0.6, 2.0);
    make("r2", "val_loss", "minimize", 0.4, 2.3);
    make("r3", "val_loss", "minimize", (double)NAN, 0);
    load_runs(&runs, &n);
    judged j;
    assert_int_equal(judge_runs(s, runs, n, NULL, &a, &j, &e), CVY_OK);
    assert_string_equal(j.metric, "val_accuracy");
    assert_true(j.maximize);
    assert_int_equal(j.others, 2);
    assert_true(j.runs[0].best == 0.6 && j.runs[1].best == 0.4 && isnan(j.runs[2].best));
    assert_string_equal(j.runs[1].metric, "val_accuracy");
    assert_string_equal(j.runs[1].goal, "maximize");
    assert_true(runs[1].best == 2.3); /* copies */
    assert_int_equal(judge_runs(s, runs, n, "val_loss", &a, &j, &e), CVY_OK);
    assert_true(!j.maximize && j.runs[0].best == 2.0 && j.runs[1].best == 2.3);
    assert_int_equal(j.others, 1);
    assert_int_equal(judge_runs(s, runs + 1, 1, NULL, &a, &j, &e), CVY_OK);
    assert_string_equal(j.metric, "val_loss");
    assert_int_equal(j.others, 0);
    assert_int_equal(judge_runs(s, runs, 0, NULL, &a, &j, &e), CVY_OK);
    assert_int_equal(j.n, 0);
}

static void spellings(void **state)
{
    (void)state;
    const char *const v[] = {"b", "0.1", NULL, "1e-1", "a", "", "10", "b", NULL, "9", "0.10", "1e1"};
    static const size_t wanted[] = {0, 1, 2, 1, 3, 4, 5, 0, 2, 6, 1, 5};
    size_t found[12];
    assert_int_equal(spelling_number(v, 12, found), 7);
    assert_memory_equal(found, wanted, sizeof wanted);
    assert_int_equal(spelling_number(v, 0, found), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(one_metric),
        cmocka_unit_test(spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
