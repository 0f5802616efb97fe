/* Tests core/train/trainer in-process: that it learns, and that no stop, no thread and no batch size changes what it
 * promises to keep. */
#include "lab.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parallel.h"
#include "rows.h"
#include "train/safetensors.h"

/* A residual net as in the product, and as small as learns. */
#define RESIDUAL                                                                  \
    "model:\n"                                                                    \
    "  - conv2d: {channels: 8, kernel: 3, padding: 1, bias: false, name: stem}\n" \
    "  - batch_norm\n"                                                            \
    "  - relu\n"                                                                  \
    "  - residual: {channels: 8, blocks: 1}\n"                                    \
    "  - residual: {channels: 16, blocks: 1, stride: 2}\n"                        \
    "  - global_avg_pool\n"                                                       \
    "  - linear: {units: classes}\n"

/* With everything that a resume could get wrong: augmentation, dropout, batch-norm buffers, momentum, a schedule. */
#define EVERYTHING                                                            \
    "seed: 11\n"                                                              \
    "dataset: {type: shapes, train: 150, test: 40, size: 12, validation: 30," \
    " augment: [{random_crop: {padding: 2}}, horizontal_flip, normalize]}\n"  \
    "model:\n"                                                                \
    "  - conv2d: {channels: 8, kernel: 3, padding: 1, bias: false}\n"         \
    "  - batch_norm\n"                                                        \
    "  - relu\n"                                                              \
    "  - residual: {channels: 8, blocks: 1}\n"                                \
    "  - dropout: {p: 0.2}\n"                                                 \
    "  - global_avg_pool\n"                                                   \
    "  - linear: {units: classes}\n"                                          \
    "train:\n"                                                                \
    "  epochs: 3\n"                                                           \
    "  batch_size: 32\n"                                                      \
    "  optimizer: {type: sgd, lr: 0.05, momentum: 0.9}\n"                     \
    "  lr_schedule: {type: cosine, warmup_epochs: 1}\n"                       \
    "  log_every: 1\n"

static lab with(const char *fmt, const char *last)
{
    char *yaml = lab_text("%s%s", fmt, last);
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

static void expect(lab *l, cvy_status got, cvy_status expected)
{
    if (got == expected) return;
    text t = {0};
    errors_text(&l->e, false, &t);
    fail_msg("status %d, expected %d:\n%s", (int)got, (int)expected, text_str(&t));
}

static double value(const lab *l, const char *scope, const char *name, int64_t step)
{
    rows r = rows_read(l->dir);
    double v = rows_value(&r, scope, name, step);
    rows_free(&r);
    return v;
}

static bool has(const lab *l, const char *scope, const char *name)
{
    rows r = rows_read(l->dir);
    bool found = false;
    for (size_t i = 0; i < r.n; i++)
        found = found || (strcmp(r.items[i].scope, scope) == 0 && strcmp(r.items[i].name, name) == 0);
    rows_free(&r);
    return found;
}

static void test_learns_by_heart(void **unused)
{
    (void)unused;
    lab l = lab_open("dataset: {type: shapes, train: 100, test: 20, size: 16, validation: 0}\n"
                     "model:\n"
                     "  - conv2d: {channels: 16, kernel: 3, padding: 1, bias: false, name: stem}\n"
                     "  - batch_norm\n"
                     "  - relu\n"
                     "  - residual: {channels: 32, blocks: 1, stride: 2}\n"
                     "  - residual: {channels: 64, blocks: 1, stride: 2}\n"
                     "  - global_avg_pool\n"
                     "  - linear: {units: classes}\n"
                     "train: {epochs: 40, batch_size: 20, optimizer: {type: sgd, lr: 0.1, momentum: 0.9},"
                     " lr_schedule: cosine, log_every: 0}\n");
    expect(&l, lab_train(&l, 0, 0), CVY_OK);
    rows r = rows_read(l.dir);
    assert_string_equal(r.end, "finished");
    double accuracy = rows_value(&r, "epoch", "train_accuracy", 200),
           first = rows_value(&r, "epoch", "train_accuracy", 5);
    if (accuracy != 1) fail_msg("train_accuracy %g after 40 epochs", accuracy);
    assert_true(first < 0.5);
    assert_true(rows_value(&r, "epoch", "train_loss", 200) < 0.1);
    assert_true(isnan(rows_value(&r, "epoch", "val_accuracy", 200)));
    assert_true(rows_value(&r, "run", "best_epoch", 200) == 40);
    rows_free(&r);
    lab_close(&l);
}

/* ---- stops ---- */

/* Resumes until the end; asked to stop every `every` times. */
static int64_t finish_in_pieces(lab *l, int64_t every)
{
    int64_t attempts = 1;
    cvy_status status;
    while ((status = lab_train(l, every, 0)) == CVY_STOPPED && attempts < 100) attempts++;
    expect(l, status, CVY_OK);
    return attempts;
}

static void stop_and_resume(int threads)
{
    parallel_set_threads(threads);
    lab whole = lab_open(EVERYTHING);
    assert_int_equal(whole.s->steps_per_epoch, 4);
    expect(&whole, lab_train(&whole, 0, 0), CVY_OK);
    for (int64_t every = 1; every <= 7; every++) {
        lab l = lab_open(EVERYTHING);
        int64_t attempts = finish_in_pieces(&l, every);
        assert_true(attempts > 12 / every);
        lab_same_end(&whole, &l);
        lab_close(&l);
    }
    /* The end of a run stays its end. */
    expect(&whole, lab_train(&whole, 0, 0), CVY_OK);
    rows r = rows_read(whole.dir);
    assert_int_equal(r.attempts, 2);
    assert_string_equal(r.end, "finished");
    rows_free(&r);
    lab_close(&whole);
    parallel_set_threads(1);
}

static void test_stop_and_resume_one_thread(void **unused)
{
    (void)unused;
    stop_and_resume(1);
}

static void test_stop_and_resume_two_threads(void **unused)
{
    (void)unused;
    stop_and_resume(2);
}

/* The evaluation batch is 256: 600 samples to validate take three, and a stop comes between them. */
static void test_stop_within_an_evaluation(void **unused)
{
    (void)unused;
    const char yaml[] = "dataset: {type: shapes, train: 664, test: 600, size: 12, validation: 600}\n" RESIDUAL
                        "train: {epochs: 2, batch_size: 32, log_every: 1}\n";
    parallel_set_threads(1);
    lab whole = lab_open(yaml);
    assert_int_equal(whole.s->steps_per_epoch, 2);
    expect(&whole, lab_train(&whole, 0, 0), CVY_OK);
    for (int64_t at = 1; at <= 12; at++) {
        lab l = lab_open(yaml);
        cvy_status status = lab_train(&l, at, 0);
        if (status == CVY_STOPPED) {
            rows r = rows_read(l.dir);
            assert_string_equal(r.end, "stopped");
            rows_free(&r);
            status = lab_train(&l, 0, 0);
        } else {
            assert_true(at ==
                        12); /* 2 steps, 2 within the validation, the epoch's end; twice; 2 within the test */
        }
        expect(&l, status, CVY_OK);
        lab_same_end(&whole, &l);
        lab_close(&l);
    }
    lab_close(&whole);
    parallel_set_threads(1);
}

static void test_until(void **unused)
{
    (void)unused;
    parallel_set_threads(1);
    lab whole = lab_open(EVERYTHING), l = lab_open(EVERYTHING);
    expect(&whole, lab_train(&whole, 0, 0), CVY_OK);
    expect(&l, lab_train(&l, 0, 2), CVY_STOPPED);
    assert_true(!isnan(value(&l, "epoch", "val_loss", 8)));
    assert_true(isnan(value(&l, "step", "train_loss", 9)));
    /* Asked for what it has already: not one step more. */
    expect(&l, lab_train(&l, 0, 2), CVY_STOPPED);
    expect(&l, lab_train(&l, 0, 1), CVY_STOPPED);
    assert_true(isnan(value(&l, "step", "train_loss", 9)));
    expect(&l, lab_train(&l, 0, 3), CVY_OK);
    lab_same_end(&whole, &l);
    lab_close(&whole), lab_close(&l);
    parallel_set_threads(1);
}

/* ---- batches ---- */

static void test_last_partial_batch(void **unused)
{
    (void)unused;
    lab l = lab_open("dataset: {type: shapes, train: 70, test: 0, size: 12, validation: 0}\n" RESIDUAL
                     "train: {epochs: 1, batch_size: 32, optimizer: {type: sgd, lr: 0.0}, log_every: 1}\n");
    assert_int_equal(l.s->steps_per_epoch, 3);
    expect(&l, lab_train(&l, 0, 0), CVY_OK);
    /* Every sample once, and weighed alike. */
    double sum = 32 * value(&l, "step", "train_loss", 1) + 32 * value(&l, "step", "train_loss", 2) +
                 6 * value(&l, "step", "train_loss", 3);
    double whole = value(&l, "epoch", "train_loss", 3);
    if (!(fabs(whole - sum / 70) < 1e-12)) fail_msg("%.17g, expected %.17g", whole, sum / 70);
    assert_false(has(&l, "run", "test_loss"));
    assert_false(has(&l, "epoch", "val_loss"));
    assert_true(has(&l, "run", "best_epoch"));
    lab_close(&l);
}

/* A network of which every sample knows itself only gives the same loss over the same samples, however they are cut. */
static void test_batch_sizes(void **unused)
{
    (void)unused;
    const char head[] =
        "dataset: {type: shapes, train: 60, test: 0, size: 12, validation: 0}\n"
        "model: [{conv2d: {channels: 8, kernel: 3}}, relu, flatten, {linear: {units: classes}}]\n";
    static const char *const trains[] = {
        "train: {epochs: 1, batch_size: all, optimizer: {type: sgd, lr: 0.0}}\n",
        "train: {epochs: 1, batch_size: 1000, optimizer: {type: sgd, lr: 0.0}}\n",
        "train: {epochs: 1, batch_size: 60, optimizer: {type: sgd, lr: 0.0}}\n",
        "train: {epochs: 1, batch_size: 7, optimizer: {type: sgd, lr: 0.0}}\n",
        "train: {epochs: 1, batch_size: 1, optimizer: {type: sgd, lr: 0.0}}\n",
    };
    static const int64_t steps[] = {1, 1, 1, 9, 60};
    double first = 0;
    for (size_t i = 0; i < 5; i++) {
        lab l = with(head, trains[i]);
        assert_int_equal(l.s->steps_per_epoch, steps[i]);
        expect(&l, lab_train(&l, 0, 0), CVY_OK);
        double loss = value(&l, "epoch", "train_loss", steps[i]);
        if (i == 0) first = loss;
        if (!(fabs(loss - first) < 1e-5 * first)) fail_msg("%.9g, expected %.9g", loss, first);
        lab_close(&l);
    }
}

static void test_few_classes(void **unused)
{
    (void)unused;
    static const char *const classes[] = {"1", "5", "6"};
    for (int i = 0; i < 3; i++) {
        char *yaml = lab_text("dataset: {type: brittle, classes: %s, augment: [normalize]}\n"
                              "model: [flatten, {linear: {units: classes}}]\ntrain: {epochs: 2}\n",
                              classes[i]);
        lab l = lab_open(yaml);
        expect(&l, lab_train(&l, 0, 0), CVY_OK);
        assert_int_equal(has(&l, "epoch", "val_top5_accuracy"), i == 2);
        assert_int_equal(has(&l, "run", "test_top5_accuracy"), i == 2);
        if (i == 0) assert_true(value(&l, "run", "test_accuracy", 2) == 1);
        mem_free(yaml);
        lab_close(&l);
    }
}

/* ---- which weights ---- */

/* The tensors of best.safetensors, against those of last.safetensors. */
static bool best_is_last(const lab *l)
{
    safetensors best, last;
    errors e = {0};
    char *b = path_join(l->dir, "checkpoints/best.safetensors"),
         *a = path_join(l->dir, "checkpoints/last.safetensors");
    assert_int_equal(safetensors_read(b, &best, &e), CVY_OK);
    assert_int_equal(safetensors_read(a, &last, &e), CVY_OK);
    bool same = true;
    for (size_t i = 0; i < best.n; i++) {
        const safetensor *t = safetensors_find(&last, best.items[i].name);
        assert_non_null(t);
        same = same && memcmp(t->data, best.items[i].data, (size_t)t->count * sizeof(float)) == 0;
    }
    safetensors_free(&best);
    safetensors_free(&last);
    mem_free(a), mem_free(b);
    return same;
}

/* A learning rate that rises until it ruins what was learnt: the best epoch is not the last. */
#define RUINED                                                                                    \
    "seed: 2\ndataset: {type: shapes, train: 200, test: 60, size: 12, validation: 40}\n" RESIDUAL \
    "train:\n  epochs: 8\n  batch_size: 20\n  optimizer: {type: sgd, lr: 150, momentum: 0.9}\n"   \
    "  lr_schedule: {type: constant, warmup_epochs: 300}\n"

static void test_select(void **unused)
{
    (void)unused;
    lab best = with(RUINED, "  select: best\n"), last = with(RUINED, "  select: last\n");
    expect(&best, lab_train(&best, 0, 0), CVY_OK);
    expect(&last, lab_train(&last, 0, 0), CVY_OK);
    double highest = -1, epoch = 0;
    for (int k = 1; k <= 8; k++) {
        double accuracy = value(&best, "epoch", "val_accuracy", 8 * k);
        if (accuracy > highest) highest = accuracy, epoch = k; /* the first of equals */
    }
    int64_t end = 64;
    assert_true(value(&best, "run", "best_epoch", end) == epoch);
    if (epoch == 8) fail_msg("the last epoch is the best: this test shows nothing");
    assert_true(value(&last, "run", "best_epoch", end) == 8);
    assert_false(best_is_last(&best));
    assert_true(best_is_last(&last));
    assert_true(value(&best, "run", "test_loss", end) != value(&last, "run", "test_loss", end));
    /* Training is the same, whichever is chosen; and so is the last state. */
    for (int64_t step = 8; step <= end; step += 8)
        assert_true(value(&best, "epoch", "train_loss", step) == value(&last, "epoch", "train_loss", step));

    /* The best epoch's weights outlive any number of stops. */
    lab pieces = with(RUINED, "  select: best\n");
    finish_in_pieces(&pieces, 5);
    lab_same_end(&best, &pieces);
    lab_close(&best), lab_close(&last), lab_close(&pieces);
}

/* ---- failures ---- */

static void test_not_finite(void **unused)
{
    (void)unused;
    lab l = lab_open("dataset: {type: shapes, train: 60, test: 20, size: 12, validation: 0}\n"
                     "model: [{conv2d: {channels: 4, kernel: 3}}, flatten, {linear: {units: classes}}]\n"
                     "train: {epochs: 3, batch_size: 20, optimizer: {type: sgd, lr: 1e6}, log_every: 1}\n");
    expect(&l, lab_train(&l, 0, 0), CVY_ERR_RUN);
    rows r = rows_read(l.dir);
    assert_string_equal(r.end, "failed");
    assert_non_null(strstr(r.end_text, "): the loss is "));
    assert_true(!isnan(rows_value(&r, "step", "train_loss", 1)));
    rows_free(&r);
    lab_says(&l, "a smaller learning rate");
    /* Again the same, and no more. */
    expect(&l, lab_train(&l, 0, 0), CVY_ERR_RUN);
    lab_close(&l);
}

/* Ruined by the very last update, which no later step would show. */
static void test_not_finite_at_the_end(void **unused)
{
    (void)unused;
    lab l = lab_open("dataset: {type: brittle, train: 20, validation: 0}\n"
                     "model: [flatten, &l {linear: {units: 32}}, *l, *l, *l, *l, *l, *l, *l, *l, *l, *l, *l,"
                     " {linear: {units: classes}}]\n"
                     "train: {epochs: 1, batch_size: 20, optimizer: {type: sgd, lr: 1e6}}\n");
    expect(&l, lab_train(&l, 0, 0), CVY_ERR_RUN);
    lab_says(&l, "the test loss is not a number");
    lab_close(&l);
}

static void test_unreadable_sample(void **unused)
{
    (void)unused;
    lab l = lab_open("dataset: {type: brittle, train: 100, fail_at: 50, validation: 0}\n"
                     "model: [flatten, {linear: {units: classes}}]\ntrain: {epochs: 2, batch_size: 10}\n");
    expect(&l, lab_train(&l, 0, 0), CVY_ERR_CONFIG);
    rows r = rows_read(l.dir);
    assert_string_equal(r.end, "failed");
    assert_non_null(strstr(r.end_text, "training sample 50: this spot is gone"));
    rows_free(&r);
    errors_free(&l.e);
    lab_close(&l);
}

/* A checkpoint that is in order and stands where the run cannot be. */
static void test_impossible_position(void **unused)
{
    (void)unused;
    lab l = lab_open(EVERYTHING);
    expect(&l, lab_train(&l, 2, 0), CVY_STOPPED);
    char *path = path_join(l.dir, "checkpoints/last.safetensors");
    safetensors f;
    assert_int_equal(safetensors_read(path, &f, &l.e), CVY_OK);
    for (size_t i = 0; i < f.n_metadata; i++)
        if (strcmp(f.keys[i], "batch") == 0) f.values[i] = "5000";
    assert_int_equal(safetensors_write(path, f.items, f.n, f.keys, f.values, f.n_metadata, &l.e), CVY_OK);
    expect(&l, lab_train(&l, 0, 0), CVY_ERR_CONFIG);
    lab_says(&l, "stands where this run cannot be");
    safetensors_free(&f);
    mem_free(path);
    lab_close(&l);
}

/* ---- what plugins log ---- */

static void test_metrics_of_plugins(void **unused)
{
    (void)unused;
    lab l = lab_open(
        "dataset: {type: shapes, train: 40, test: 10, size: 12, validation: 10}\n"
        "model: [chatty, {conv2d: {channels: 4, kernel: 3}}, relu, flatten, {linear: {units: classes}}]\n"
        "train: {epochs: 2, batch_size: 10, log_every: 2}\n");
    expect(&l, lab_train(&l, 0, 0), CVY_OK);
    double mean = value(&l, "step", "mean_input", 2);
    assert_true(mean > 0.1 && mean < 0.9);
    assert_true(value(&l, "step", "twice", 4) == 1.5);
    assert_true(value(&l, "step", "own_val_loss", 6) == 42);
    assert_true(value(&l, "step", "odd__name__", 6) == 1);
    assert_false(has(&l, "step", "val_loss"));
    assert_true(isnan(value(&l, "step", "twice", 3)));
    assert_false(has(&l, "epoch", "twice"));
    lab_close(&l);
}

static void test_words_and_names(void **unused)
{
    (void)unused;
    static const struct {
        const char *train, *why;
    } wrong[] = {
        {"train: {epochs: all}\n", "train: epochs: expected an integer, found the string \"all\""},
        {"train: {log_every: all}\n", "train: log_every: expected an integer, found the string \"all\""},
        {"train: {lr_schedule: {type: step, every_epochs: all}}\n",
         "every_epochs: expected an integer, found the string \"all\""},
        {"train: {optimizer: {type: sgd, lrr: 1}}\n", "did you mean `lr`?"},
        {"train: {optimizer: {type: sgd, nesterov: true}}\n", "nesterov"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *yaml = lab_text("dataset: {type: brittle}\nmodel: [flatten, {linear: {units: classes}}]\n%s",
                              wrong[i].train);
        lab l = lab_try(yaml);
        assert_null(l.s);
        lab_says(&l, wrong[i].why);
        mem_free(yaml);
        lab_close(&l);
    }
    lab l = lab_try("dataset: {type: brittle}\nmodel: [flatten, {linear: {units: classes, name: best}}]\n");
    assert_null(l.s);
    lab_says(&l, "layer name \"best\" has a meaning in checkpoints");
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_by_heart),
        cmocka_unit_test(test_stop_and_resume_one_thread),
        cmocka_unit_test(test_stop_and_resume_two_threads),
        cmocka_unit_test(test_stop_within_an_evaluation),
        cmocka_unit_test(test_until),
        cmocka_unit_test(test_last_partial_batch),
        cmocka_unit_test(test_batch_sizes),
        cmocka_unit_test(test_few_classes),
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_not_finite_at_the_end),
        cmocka_unit_test(test_unreadable_sample),
        cmocka_unit_test(test_impossible_position),
        cmocka_unit_test(test_metrics_of_plugins),
        cmocka_unit_test(test_words_and_names),
    };
    parallel_set_threads(1); /* tests run beside each other */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
