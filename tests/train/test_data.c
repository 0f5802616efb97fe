/* Tests core/train/data: how samples are split and kept, what a sample depends on, and what is said of bad ones. */
#include "lab.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "device/buffer.h"

static lab with_dataset(const char *dataset)
{
    char *yaml = lab_text("seed: 5\ndataset: %s\nmodel: [flatten, {linear: {units: 10}}]\n", dataset);
    lab l = lab_try(yaml);
    mem_free(yaml);
    return l;
}

static lab good_dataset(const char *dataset)
{
    lab l = with_dataset(dataset);
    if (!l.s) lab_says(&l, "\nthe test needs this experiment accepted");
    return l;
}

static void refused(const char *dataset, const char *why)
{
    lab l = with_dataset(dataset);
    assert_null(l.s);
    lab_says(&l, why);
    lab_close(&l);
}

/* Class of a sample of shapes. */
static int64_t class_of(int64_t index)
{
    return index % 10;
}

static void count_classes(const data *d, data_part part, int64_t count[10])
{
    memset(count, 0, 10 * sizeof *count);
    for (int64_t i = 0; i < d->n[part]; i++) count[class_of(d->index[part][i])]++;
}

static void test_split_is_stratified_and_disjoint(void **unused)
{
    (void)unused;
    lab l = good_dataset("{type: shapes, size: 12, train: 1000, test: 200, validation: 0.1, train_limit: "
                         "333, test_limit: 55}");
    const data *d = l.s->data;
    assert_int_equal(d->n[DATA_VALIDATION], 100);
    assert_int_equal(d->n[DATA_TRAIN], 333);
    assert_int_equal(d->n[DATA_TEST], 55);
    int64_t count[10];
    count_classes(d, DATA_VALIDATION, count);
    for (int c = 0; c < 10; c++) assert_int_equal(count[c], 10);
    count_classes(d, DATA_TRAIN, count);
    for (int c = 0; c < 10; c++) assert_int_equal(count[c], c < 3 ? 34 : 33);
    count_classes(d, DATA_TEST, count);
    for (int c = 0; c < 10; c++) assert_int_equal(count[c], c < 5 ? 6 : 5);
    char seen[1000] = {0};
    for (int part = DATA_TRAIN; part <= DATA_VALIDATION; part++)
        for (int64_t i = 0; i < d->n[part]; i++) {
            int64_t at = d->index[part][i];
            assert_in_range(at, 0, 999);
            assert_int_equal(seen[at], 0);
            seen[at] = 1;
            assert_true(i == 0 || d->index[part][i - 1] < at);
        }
    lab_close(&l);
}

/* A limit that leaves the validation set alone: the same samples are held out whatever is kept of the rest. */
static void test_limit_keeps_the_split(void **unused)
{
    (void)unused;
    lab a = good_dataset("{type: shapes, size: 12, train: 500, test: 10, validation: 50}");
    lab b = good_dataset("{type: shapes, size: 12, train: 500, test: 10, validation: 50, train_limit: 40}");
    assert_memory_equal(a.s->data->index[DATA_VALIDATION], b.s->data->index[DATA_VALIDATION],
                        50 * sizeof(int64_t));
    assert_int_equal(a.s->data->n[DATA_TRAIN], 450);
    assert_int_equal(b.s->data->n[DATA_TRAIN], 40);
    lab_close(&a), lab_close(&b);
}

static void test_split_depends_on_the_seed(void **unused)
{
    (void)unused;
    char *yaml = lab_text("seed: 6\ndataset: {type: shapes, size: 12, train: 500, test: 10, validation: 50}\n"
                          "model: [flatten, {linear: {units: 10}}]\n");
    lab a = good_dataset("{type: shapes, size: 12, train: 500, test: 10, validation: 50}"),
        b = lab_open(yaml);
    assert_memory_not_equal(a.s->data->index[DATA_VALIDATION], b.s->data->index[DATA_VALIDATION],
                            50 * sizeof(int64_t));
    mem_free(yaml);
    lab_close(&a), lab_close(&b);
}

static void test_uneven_classes(void **unused)
{
    (void)unused;
    lab l = with_dataset("{type: brittle, train: 1000, classes: 10, skewed: true, validation: 100}");
    assert_non_null(l.s);
    int64_t count[10] = {0}, expected[10] = {0};
    for (int64_t i = 0; i < 1000; i++) {
        int64_t label = 0;
        for (int64_t k = i; label < 9 && k % 2; k /= 2) label++;
        expected[label]++;
        for (int64_t v = 0; v < 100; v++) count[label] += l.s->data->index[DATA_VALIDATION][v] == i;
    }
    for (int c = 0; c < 10; c++) assert_true(llabs(10 * count[c] - expected[c]) < 10);
    lab_close(&l);
}

static void test_edges(void **unused)
{
    (void)unused;
    lab l = good_dataset("{type: shapes, size: 12, train: 30, test: 0, validation: 0}");
    assert_int_equal(l.s->data->n[DATA_TRAIN], 30);
    assert_int_equal(l.s->data->n[DATA_VALIDATION], 0);
    assert_int_equal(l.s->data->n[DATA_TEST], 0);
    lab_close(&l);
    l = good_dataset("{type: shapes, size: 12, train: 30, test: 5, validation: 29}");
    assert_int_equal(l.s->data->n[DATA_TRAIN], 1);
    lab_close(&l);
    /* Fewer samples than classes. */
    l = good_dataset("{type: shapes, size: 12, train: 300, train_limit: 4, test_limit: 1}");
    assert_int_equal(l.s->data->n[DATA_TRAIN], 4);
    assert_int_equal(l.s->data->n[DATA_TEST], 1);
    int64_t count[10];
    count_classes(l.s->data, DATA_TRAIN, count);
    for (int c = 0; c < 10; c++) assert_true(count[c] <= 1);
    lab_close(&l);
    /* More asked for than there are. */
    l = good_dataset(
        "{type: shapes, size: 12, train: 30, test: 5, validation: 10, train_limit: 1000, test_limit: 1000}");
    assert_int_equal(l.s->data->n[DATA_TRAIN], 20);
    assert_int_equal(l.s->data->n[DATA_TEST], 5);
    lab_close(&l);
    refused("{type: shapes, train: 30, validation: 30}", "leaves none to train on");
    refused("{type: shapes, train: 30, validation: 0.99}", "leaves none to train on");
    refused("{type: shapes, train: 30, validation: 2.5}",
            "expected a share below 1, or a whole number of samples, found 2.5");
    refused("{type: brittle, train: 0}", "no training samples");
    refused("{type: brittle, bad_label_at: 17}", "training sample 17: class 4 of 4");
    refused("{type: brittle, classes: 0}",
            "the dataset has no classes"); /* by the loss: labels are not looked at */
}

/* ---- reading ---- */

static const char augmented[] =
    "{type: shapes, size: 16, train: 64, test: 16, validation: 16,"
    " augment: [{random_crop: {padding: 3}}, {random_crop: {padding: 2}}, horizontal_flip, normalize]}";

enum { SAMPLE = 3 * 16 * 16 };

typedef struct reading {
    const data *d;
    float *x; /* (48, SAMPLE) */
    int from, step, thread;
} reading;

static void *read_some(void *ctx)
{
    const reading *r = ctx;
    float *scratch = mem_array((size_t)data_scratch(r->d), sizeof *scratch);
    errors e = {0};
    for (int i = r->from; i >= 0 && i < 48; i += r->step) {
        int32_t label;
        if (data_read(r->d, DATA_TRAIN, i, 3, r->x + i * SAMPLE, &label, NULL, scratch, &e)) break;
        if (label != class_of(r->d->index[DATA_TRAIN][i])) r->x[i * SAMPLE] = NAN;
    }
    errors_free(&e);
    mem_free(scratch);
    return NULL;
}

static void test_sample_depends_on_nothing_else(void **unused)
{
    (void)unused;
    lab l = good_dataset(augmented);
    assert_int_equal(data_prepare(l.s->data, &l.e), CVY_OK);
    float *forward = mem_array(48 * SAMPLE, sizeof *forward),
          *backward = mem_array(48 * SAMPLE, sizeof *backward);
    float *apart = mem_array(48 * SAMPLE, sizeof *apart), *later = mem_array(SAMPLE, sizeof *later);
    read_some(&(reading){l.s->data, forward, 0, 1, 0});
    read_some(&(reading){l.s->data, backward, 47, -1, 0});
    assert_memory_equal(forward, backward, 48 * SAMPLE * sizeof(float));
    pthread_t threads[3];
    reading r[3];
    for (int t = 0; t < 3; t++) {
        r[t] = (reading){l.s->data, apart, t, 3, t};
        assert_int_equal(pthread_create(&threads[t], NULL, read_some, &r[t]), 0);
    }
    for (int t = 0; t < 3; t++) pthread_join(threads[t], NULL);
    assert_memory_equal(forward, apart, 48 * SAMPLE * sizeof(float));

    /* Another epoch draws anew. */
    float *scratch = mem_array((size_t)data_scratch(l.s->data), sizeof *scratch);
    int differing = 0;
    for (int64_t i = 0; i < 48; i++) {
        int32_t label;
        assert_int_equal(data_read(l.s->data, DATA_TRAIN, i, 4, later, &label, NULL, scratch, &l.e), CVY_OK);
        differing += memcmp(later, forward + i * SAMPLE, SAMPLE * sizeof(float)) != 0;
    }
    assert_in_range(differing, 40, 48);
    mem_free(forward), mem_free(backward), mem_free(apart), mem_free(later), mem_free(scratch);
    lab_close(&l);
}

/* Of the chain only the preprocessing meets evaluation. */
static void test_evaluation_is_not_augmented(void **unused)
{
    (void)unused;
    lab a = good_dataset(
        "{type: shapes, size: 16, train: 64, test: 16, validation: 16,"
        " augment: [horizontal_flip, {normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}]}");
    lab b = good_dataset("{type: shapes, size: 16, train: 64, test: 16, validation: 16}");
    float x[SAMPLE], y[SAMPLE], *scratch = mem_array((size_t)data_scratch(a.s->data), sizeof *scratch);
    int32_t label;
    for (int part = DATA_VALIDATION; part <= DATA_TEST; part++)
        for (int64_t i = 0; i < 16; i++) {
            data_read(a.s->data, (data_part)part, i, 0, x, &label, NULL, scratch, &a.e);
            data_read(b.s->data, (data_part)part, i, 0, y, &label, NULL, scratch, &b.e);
            for (int k = 0; k < SAMPLE; k++) assert_true(fabsf(x[k] - (2 * y[k] - 1)) < 1e-6f);
        }
    mem_free(scratch);
    lab_close(&a), lab_close(&b);
}

static void test_statistics(void **unused)
{
    (void)unused;
    lab l = good_dataset(augmented), other = good_dataset(augmented);
    parallel_set_threads(1);
    assert_int_equal(data_prepare(l.s->data, &l.e), CVY_OK);
    parallel_set_threads(3);
    assert_int_equal(data_prepare(other.s->data, &other.e), CVY_OK);
    parallel_set_threads(0);
    const cvy_channel_stats *s = &l.s->data->stats;
    assert_memory_equal(s->mean, other.s->data->stats.mean, 3 * sizeof(float));
    assert_memory_equal(s->std, other.s->data->stats.std, 3 * sizeof(float));

    lab raw = good_dataset("{type: shapes, size: 16, train: 64, test: 16, validation: 16}");
    float x[SAMPLE], *scratch = mem_array((size_t)data_scratch(raw.s->data), sizeof *scratch);
    double sum[3] = {0}, squares[3] = {0}, n = 48 * 256;
    for (int64_t i = 0; i < 48; i++) {
        int32_t label;
        data_read(raw.s->data, DATA_TRAIN, i, 0, x, &label, NULL, scratch, &raw.e);
        for (int k = 0; k < SAMPLE; k++) {
            sum[k / 256] += (double)x[k];
            squares[k / 256] += (double)x[k] * (double)x[k];
        }
    }
    for (int c = 0; c < 3; c++) {
        double mean = sum[c] / n;
        assert_true(fabs((double)s->mean[c] - mean) < 1e-6);
        assert_true(fabs((double)s->std[c] - sqrt(squares[c] / n - mean * mean)) < 1e-6);
    }
    mem_free(scratch);
    lab_close(&l), lab_close(&other), lab_close(&raw);
}

static void test_error_says_where(void **unused)
{
    (void)unused;
    lab l = with_dataset("{type: brittle, train: 40, classes: 10, fail_at: 7, validation: 0}");
    assert_non_null(l.s);
    float x[16], scratch[64];
    int32_t label;
    assert_int_equal(data_read(l.s->data, DATA_TRAIN, 6, 0, x, &label, NULL, scratch, &l.e), CVY_OK);
    assert_true(x[0] == 6.0f && label == 6);
    assert_int_equal(data_read(l.s->data, DATA_TRAIN, 7, 0, x, &label, NULL, scratch, &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "brittle.bin: byte 1234: dataset (brittle): training sample 7: this spot is gone");
    lab_close(&l);
    l = with_dataset("{type: brittle, classes: 10, fail_at: 7, augment: [normalize]}");
    assert_non_null(l.s);
    assert_int_equal(data_prepare(l.s->data, &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "training sample 7: this spot is gone");
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_is_stratified_and_disjoint),
        cmocka_unit_test(test_limit_keeps_the_split),
        cmocka_unit_test(test_split_depends_on_the_seed),
        cmocka_unit_test(test_uneven_classes),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_sample_depends_on_nothing_else),
        cmocka_unit_test(test_evaluation_is_not_augmented),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_error_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
