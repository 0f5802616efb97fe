/* Tests the learning-rate range test: its rates, what it reads off a curve, and what a run of it leaves. */
#include "lab.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "rows.h"
#include "train/lr_range.h"

#define SMALL                                                                         \
    "dataset: {type: shapes, train: 200, test: 20, size: 12, augment: [normalize]}\n" \
    "model: [{conv2d: {channels: 8, kernel: 3, name: a}}, batch_norm, relu, "         \
    "global_avg_pool, {linear: {units: classes}}]\n"

static lab test_of(const char *chosen, const char *range)
{
    char *yaml = lab_text(
        "%strain: {epochs: 9, batch_size: 32, optimizer: %s, lr_range: {%s}, lr_schedule: {type: cosine, "
        "warmup_epochs: 3}}\n",
        SMALL, chosen, range);
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

static void test_rates(void **unused)
{
    (void)unused;
    const lr_range_settings s = {1e-7, 10, 81};
    assert_true(fabs(lr_range_rate(&s, 0) / 1e-7 - 1) < 1e-12);
    assert_true(fabs(lr_range_rate(&s, 10) / 1e-6 - 1) < 1e-12);
    assert_true(fabs(lr_range_rate(&s, 80) / 10 - 1) < 1e-12);
}

static void test_curve(void **unused)
{
    (void)unused;
    double loss[100], smooth[100];
    /* Flat, then falling fastest in the middle, at 50, then exploding. */
    for (int i = 0; i < 100; i++)
        loss[i] = i < 70 ? 2 - 1 / (1 + exp(-0.3 * (i - 50))) : 1 + pow(1.5, (double)(i - 70));
    lr_range_smooth(loss, 100, smooth);
    lr_range_found f = lr_range_read(smooth, 100);
    assert_true(f.falls);
    assert_in_range(f.steepest, 49u, 51u);
    assert_in_range(f.least, 60, 69);
    for (int i = 0; i < 100; i++) loss[i] = 2 + 0.1 * i;
    lr_range_smooth(loss, 100, smooth);
    assert_false(lr_range_read(smooth, 100).falls);
    for (int i = 0; i < 100; i++) loss[i] = 7;
    lr_range_smooth(loss, 100, smooth);
    for (int i = 0; i < 100; i++) assert_true(fabs(smooth[i] - 7) < 1e-12);
    assert_false(lr_range_read(smooth, 100).falls);
}

static void test_run(void **unused)
{
    (void)unused;
    lab l = test_of("{type: sgd, lr: 0.3, momentum: 0.9}", "from: 1e-5, to: 1e4, steps: 60");
    assert_int_equal(l.s->train.epochs, 10); /* of the test: 6 steps each */
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
    rows r = rows_read(l.dir);
    assert_string_equal(r.end, "finished");
    assert_true(fabs(rows_value(&r, "step", "lr", 1) / 1e-5 - 1) < 1e-9); /* no warm-up, and not 0.3 */
    int64_t steps = 0;
    while (!isnan(rows_value(&r, "step", "train_loss", steps + 1))) steps++;
    assert_true(steps >= 20 && steps <= 59); /* it ends before such rates */
    assert_true(!isnan(rows_value(&r, "step", "smoothed_loss", steps)));
    const double steepest = rows_value(&r, "run", "lr_steepest", steps),
                 least = rows_value(&r, "run", "lr_minimum", steps);
    if (!(steepest > 1e-4 && steepest < 10 && least > steepest))
        fail_msg("steepest at %g, least at %g of %lld steps", steepest, least, (long long)steps);
    assert_true(fabs(rows_value(&r, "run", "lr_minimum_tenth", steps) - least / 10) < 1e-9 * least);
    size_t n;
    char *none = lab_file(&l, "checkpoints/last.safetensors", &n);
    assert_null(none); /* weights that were spoiled on purpose */
    rows_free(&r);
    lab_close(&l);
}

/* Stopped, it begins anew and comes to the same. */
static void test_stopped(void **unused)
{
    (void)unused;
    lab whole = test_of("adam", "steps: 40"), parts = test_of("adam", "steps: 40");
    assert_int_equal(lab_train(&whole, 0, 0), CVY_OK);
    assert_int_equal(lab_train(&parts, 7, 0), CVY_STOPPED);
    assert_int_equal(lab_train(&parts, 0, 0), CVY_OK);
    rows a = rows_read(whole.dir), b = rows_read(parts.dir);
    assert_int_equal(b.differing, 0);
    text x = {0}, y = {0};
    rows_print(&a, &x), rows_print(&b, &y);
    assert_string_equal(text_str(&x), text_str(&y));
    text_free(&x), text_free(&y);
    rows_free(&a), rows_free(&b);
    lab_close(&whole), lab_close(&parts);
}

static void test_optimizers(void **unused)
{
    static const char *const optimizers[] = {"adamw",
                                             "rmsprop",
                                             "adagrad",
                                             "adadelta",
                                             "nadam",
                                             "lion",
                                             "lamb",
                                             "{type: lookahead, optimizer: adam}",
                                             "{type: ema, optimizer: sgd}"};
    (void)unused;
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        lab l = test_of(optimizers[i], "steps: 30");
        if (lab_train(&l, 0, 0) != CVY_OK) fail_msg("%s does not come through", optimizers[i]);
        rows r = rows_read(l.dir);
        if (isnan(rows_value(&r, "step", "smoothed_loss", 10))) fail_msg("%s has no curve", optimizers[i]);
        rows_free(&r);
        lab_close(&l);
    }
}

static void test_refused(void **unused)
{
    (void)unused;
    lab l = lab_try(SMALL "train: {lr_range: {from: 2, to: 1}}\n");
    lab_says(&l, "lr_range: from: 2 is not below to: 1");
    lab_close(&l);
    l = lab_try(SMALL "train: {optimizer: {type: sgd, lr: 0}, lr_range: {}}\n");
    lab_says(&l, "the optimizer sgd has no learning rate to vary");
    lab_close(&l);
    l = lab_try(SMALL "train: {lr_range: {steps: 3}}\n");
    lab_says(&l, "steps: 3 is below 20");
    lab_close(&l);
}

int main(void)
{
    parallel_set_threads(1); /* the networks are small, and tests run beside each other */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates),      cmocka_unit_test(test_curve),
                                       cmocka_unit_test(test_run),        cmocka_unit_test(test_stopped),
                                       cmocka_unit_test(test_optimizers), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
