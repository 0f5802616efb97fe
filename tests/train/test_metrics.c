/* Tests core/train/metrics and step_log: who counts as right, ties, NaN, exact text; what plugins log. */
#include "lab.h"

#include <math.h>
#include <string.h>

#include "train/metrics.h"
#include "train/step_log.h"

static void test_right_and_wrong(void **unused)
{
    (void)unused;
    const float y[3][7] = {{0, 1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1, 0}, {0, 9, 0, 0, 0, 0, 0}};
    const int32_t labels[3] = {6, 5, 1};
    metrics m = {0};
    metrics_add(&m, y[0], labels, 3, 7, 1.5, 3);
    assert_int_equal(m.samples, 3);
    assert_int_equal(m.top1, 2);
    assert_int_equal(m.top5, 2); /* label 5 is the sixth of the second */
    assert_true(m.loss == 1.5);
    metrics_add(&m, y[0], labels, 2, 7, 2, 2);
    assert_int_equal(m.samples, 5);
    assert_true(m.loss == 3.5);
    assert_true(metrics_loss(&m) == 3.5 / 5);
}

static void test_ties(void **unused)
{
    (void)unused;
    const float same[7] = {1, 1, 1, 1, 1, 1, 1};
    int64_t top1 = 0, top5 = 0;
    for (int32_t label = 0; label < 7; label++) {
        metrics m = {0};
        metrics_add(&m, same, &label, 1, 7, 0, 1);
        top1 += m.top1;
        top5 += m.top5;
    }
    /* Over all classes a network that says nothing is right by chance, not always. */
    assert_int_equal(top1, 1);
    assert_int_equal(top5, 5);
}

static void test_not_a_number(void **unused)
{
    (void)unused;
    const float own[4] = {NAN, 1, 2, 3}, others[4] = {NAN, NAN, 5, 1};
    const int32_t zero = 0, two = 2, three = 3;
    metrics m = {0};
    metrics_add(&m, own, &zero, 1, 4, 0, 1);
    assert_int_equal(m.top1, 0);
    assert_int_equal(m.top5, 0);
    metrics_add(&m, own, &three, 1, 4, 0, 1);
    assert_int_equal(m.top1, 0); /* the NaN stands above */
    assert_int_equal(m.top5, 1);
    metrics_add(&m, others, &two, 1, 4, 0, 1);
    assert_int_equal(m.top1, 0);
}

static void test_labels_that_are_no_logits(void **unused)
{
    (void)unused;
    const float y[2] = {1, 2};
    const int32_t labels[2] = {1, -1};
    metrics m = {0};
    metrics_add(&m, y, labels, 2, 1, 0, 2);
    metrics_add(&m, y, labels, 2, 0, 0, 2);
    metrics_add(&m, y, NULL, 2, 2, 0, 2);
    assert_int_equal(m.samples, 6);
    assert_int_equal(m.top1, 0);
    assert_int_equal(m.top5, 0);
}

static void test_weighted_average(void **unused)
{
    (void)unused;
    const float y[2] = {1, 2};
    metrics m = {0};
    assert_true(metrics_loss(&m) == 0);
    metrics_add(&m, y, NULL, 2, 1, 0, 0); /* a batch of which nothing counts */
    assert_true(metrics_loss(&m) == 0);
    metrics_add(&m, y, NULL, 2, 1, 3, 0.5);
    metrics_add(&m, y, NULL, 2, 1, 1, 3.5);
    assert_true(metrics_loss(&m) == 1);
}

static void test_text_is_exact(void **unused)
{
    (void)unused;
    const metrics m = {.loss = 0.1 + 0.2, .weight = 1e9 / 3, .samples = 1234567890123, .top1 = 7, .top5 = 9};
    metrics back = {0};
    text t = {0};
    metrics_write(&m, &t);
    assert_true(metrics_read(&back, text_str(&t)));
    assert_memory_equal(&m, &back, sizeof m);
    text_free(&t);
    assert_false(metrics_read(&back, NULL));
    assert_false(metrics_read(&back, ""));
    assert_false(metrics_read(&back, "0x1p0 0x1p1 3 4"));
}

static void test_step_log(void **unused)
{
    (void)unused;
    step_log l;
    step_log_init(&l);
    step_log_begin(&l, false);
    step_log_add(&l, "a", 1);
    assert_int_equal(l.n, 0);
    step_log_begin(&l, true);
    step_log_add(&l, "a", 1);
    step_log_add(&l, "b", 5);
    step_log_add(&l, "a", 2);
    step_log_add(&l, "lr", 3);
    step_log_add(&l, "train_loss", 3);
    step_log_add(&l, "", 3);
    assert_int_equal(l.n, 5);
    assert_string_equal(l.items[0].name, "a");
    assert_true(step_log_value(&l, 0) == 1.5);
    assert_string_equal(l.items[2].name, "own_lr");
    assert_string_equal(l.items[3].name, "own_train_loss");
    assert_string_equal(l.items[4].name, "unnamed");
    for (int i = 0; i < 1000; i++) {
        char name[200];
        memset(name, 'x', sizeof name);
        name[0] = (char)('a' + i % 26);
        name[1] = (char)('a' + i / 26);
        name[sizeof name - 1] = 0;
        step_log_add(&l, name, 1);
    }
    assert_int_equal(l.n, STEP_LOG_MOST);
    assert_int_equal(strlen(l.items[STEP_LOG_MOST - 1].name), STEP_LOG_NAME - 1);
    step_log_begin(&l, true);
    assert_int_equal(l.n, 0);
    step_log_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_and_wrong),  cmocka_unit_test(test_ties),
        cmocka_unit_test(test_not_a_number),     cmocka_unit_test(test_labels_that_are_no_logits),
        cmocka_unit_test(test_weighted_average), cmocka_unit_test(test_text_is_exact),
        cmocka_unit_test(test_step_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
