/* Tests core/train/loader: that batches are a function of their number, whatever was read before and how fast. */
#include "lab.h"

#include <string.h>
#include <time.h>

#include "train/loader.h"

static lab with_dataset(const char *dataset)
{
    char *yaml = lab_text("seed: 5\ndataset: %s\nmodel: [flatten, {linear: {units: classes}}]\n", dataset);
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

static const char hundred[] = "{type: brittle, train: 100, test: 20, validation: 0}";

/* Sample of the plugin that element i of a batch is. */
static int64_t number_of(const batch *b, int64_t i)
{
    return (int64_t)b->x[i * 16];
}

static void test_epoch_is_a_permutation(void **unused)
{
    (void)unused;
    lab l = with_dataset(hundred);
    loader *r = loader_new(l.s->data, 30, &l.e);
    int64_t order[2][100];
    for (int epoch = 0; epoch < 2; epoch++) {
        char seen[100] = {0};
        int64_t n = 0, batches = 0;
        loader_start(r, DATA_TRAIN, epoch, 30, 0);
        const batch *b;
        while ((b = loader_next(r, &l.e))) {
            assert_int_equal(b->first, n);
            assert_int_equal(b->n, batches < 3 ? 30 : 10);
            for (int64_t i = 0; i < b->n; i++) {
                int64_t at = number_of(b, i);
                assert_in_range(at, 0, 99);
                assert_int_equal(seen[at], 0);
                assert_int_equal(b->labels[i], at % 4);
                seen[at] = 1;
                order[epoch][n++] = at;
            }
            batches++;
        }
        assert_int_equal(n, 100);
        assert_int_equal(batches, 4);
        assert_null(loader_next(r, &l.e)); /* and it stays at its end */
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    int at_home = 0;
    for (int i = 0; i < 100; i++) at_home += order[0][i] == i;
    assert_in_range(at_home, 0, 8);
    loader_free(r);
    lab_close(&l);
}

static void test_evaluation_keeps_the_order(void **unused)
{
    (void)unused;
    lab l = with_dataset(hundred);
    loader *r = loader_new(l.s->data, 30, &l.e);
    loader_start(r, DATA_TEST, 0, 7, 0);
    const batch *b;
    int64_t n = 0;
    while ((b = loader_next(r, &l.e)))
        for (int64_t i = 0; i < b->n; i++, n++) assert_int_equal(number_of(b, i), 1000 + n);
    assert_int_equal(n, 20);
    loader_free(r);
    lab_close(&l);
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000L}, NULL);
}

/* Entering anywhere gives what an undisturbed reader got there. */
static void test_restart_in_the_middle(void **unused)
{
    (void)unused;
    lab l = with_dataset(hundred);
    loader *r = loader_new(l.s->data, 9, &l.e);
    int64_t order[100], n = 0;
    const batch *b;
    loader_start(r, DATA_TRAIN, 4, 9, 0);
    while ((b = loader_next(r, &l.e)))
        for (int64_t i = 0; i < b->n; i++) order[n++] = number_of(b, i);
    for (int64_t from = 0; from <= 12; from++) {
        loader_start(r, DATA_TRAIN, 1, 9, 0); /* given up in between, while it reads ahead */
        for (int64_t k = 0; k < from % 4; k++) assert_non_null(loader_next(r, &l.e));
        if (from % 3 == 0) pause_ms(2);
        loader_start(r, DATA_TRAIN, 4, 9, from);
        if (from % 3 == 1) pause_ms(2);
        int64_t at = from * 9;
        while ((b = loader_next(r, &l.e))) {
            assert_int_equal(b->first, at);
            for (int64_t i = 0; i < b->n; i++) assert_int_equal(number_of(b, i), order[at++]);
        }
        assert_int_equal(at, from < 12 ? 100 : 108);
    }
    loader_stop(r);
    loader_free(r);
    lab_close(&l);
}

/* A batch stays what it is until the next one is asked for, however far the reader is ahead. */
static void test_batch_in_use_is_left_alone(void **unused)
{
    (void)unused;
    lab l = with_dataset(hundred);
    loader *r = loader_new(l.s->data, 4, &l.e);
    loader_start(r, DATA_TRAIN, 0, 4, 0);
    const batch *b;
    for (int k = 0; (b = loader_next(r, &l.e)); k++) {
        float copy[4 * 16];
        memcpy(copy, b->x, sizeof copy);
        if (k < 5) pause_ms(3);
        assert_memory_equal(copy, b->x, sizeof copy);
    }
    loader_free(r);
    lab_close(&l);
}

static void test_read_error(void **unused)
{
    (void)unused;
    lab l = with_dataset("{type: brittle, train: 100, validation: 0, fail_at: 50}");
    loader *r = loader_new(l.s->data, 10, &l.e);
    for (int round = 0; round < 2; round++) {
        int64_t good = 0;
        loader_start(r, DATA_TRAIN, 0, 10, 0);
        while (loader_next(r, &l.e)) good++;
        assert_in_range(good, 0, 9);
        lab_says(&l, "training sample 50: this spot is gone");
        assert_null(loader_next(r, &l.e));
        assert_int_equal(errors_count(&l.e), 0); /* said once */
    }
    /* The other parts can still be read. */
    loader_start(r, DATA_TEST, 0, 10, 0);
    assert_non_null(loader_next(r, &l.e));
    loader_free(r);
    lab_close(&l);
}

static void test_ended_at_any_time(void **unused)
{
    (void)unused;
    lab l = with_dataset(hundred);
    for (int i = 0; i < 30; i++) {
        loader *r = loader_new(l.s->data, 10, &l.e);
        if (i % 3) loader_start(r, DATA_TRAIN, i, 10, 0);
        if (i % 3 == 2) loader_next(r, &l.e);
        if (i % 5 == 0) loader_stop(r);
        loader_free(r);
    }
    loader_free(NULL);
    lab_close(&l);
}

static void test_too_large(void **unused)
{
    (void)unused;
    lab l = with_dataset(hundred);
    assert_null(loader_new(l.s->data, INT64_MAX / 8, &l.e));
    assert_int_equal(errors_status(&l.e), CVY_ERR_RESOURCE);
    errors_free(&l.e);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epoch_is_a_permutation),
        cmocka_unit_test(test_evaluation_keeps_the_order),
        cmocka_unit_test(test_restart_in_the_middle),
        cmocka_unit_test(test_batch_in_use_is_left_alone),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_ended_at_any_time),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
