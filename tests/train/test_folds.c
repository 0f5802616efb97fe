/* Tests cross-validation: that folds are parts of the training set, and that a run of one of them stops and goes on as any. */
#include "lab.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"

#define SMALL                                                                               \
    "dataset: {type: shapes, train: 157, test: 20, size: 12, augment: [horizontal_flip]}\n" \
    "model: [{conv2d: {channels: 4, kernel: 3}}, batch_norm, relu, {dropout: {p: 0.2}}, "   \
    "global_avg_pool, {linear: {units: classes}}]\n"                                        \
    "train: {epochs: 3, batch_size: 32, log_every: 1, optimizer: {type: sgd, lr: 0.05, momentum: 0.9}}\n"

static lab fold_of(int fold, int folds, const char *more)
{
    char *yaml = lab_text("%sfolds: %d\nfold: %d\n%s", SMALL, folds, fold, more);
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

static int32_t label_of(const data *d, int64_t i)
{
    float x[3 * 12 * 12], *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    int32_t label = -1;
    errors e = {0};
    assert_int_equal(data_read(d, DATA_VALIDATION, i, 0, x, &label, NULL, scratch, &e), CVY_OK);
    mem_free(scratch);
    return label;
}

static void test_parts(void **unused)
{
    enum { FOLDS = 5, SAMPLES = 157, CLASSES = 10 };
    char seen[SAMPLES] = {0};
    int64_t of_class[FOLDS][CLASSES] = {{0}};
    (void)unused;
    for (int k = 0; k < FOLDS; k++) {
        lab l = fold_of(k + 1, FOLDS, "");
        const data *d = l.s->data;
        char mine[SAMPLES] = {0};
        assert_in_range(d->n[DATA_VALIDATION], SAMPLES / FOLDS, SAMPLES / FOLDS + 1);
        assert_int_equal(d->n[DATA_TRAIN] + d->n[DATA_VALIDATION], SAMPLES);
        for (int64_t i = 0; i < d->n[DATA_VALIDATION]; i++) {
            const int64_t at = d->index[DATA_VALIDATION][i];
            assert_int_equal(seen[at], 0); /* disjoint */
            seen[at] = mine[at] = 1;
            of_class[k][label_of(d, i)]++;
        }
        for (int64_t i = 0; i < d->n[DATA_TRAIN]; i++) assert_int_equal(mine[d->index[DATA_TRAIN][i]], 0);
        lab_close(&l);
    }
    for (int i = 0; i < SAMPLES; i++) assert_int_equal(seen[i], 1); /* exhaustive */
    for (int c = 0; c < CLASSES; c++)                               /* stratified */
        for (int k = 1; k < FOLDS; k++) assert_in_range(of_class[k][c] - of_class[0][c] + 1, 0, 2);
}

/* Another seed deals anew. */
static void test_seed(void **unused)
{
    (void)unused;
    lab a = fold_of(1, 5, ""), b = fold_of(1, 5, "seed: 2\n");
    assert_int_not_equal(0, memcmp(a.s->data->index[DATA_VALIDATION], b.s->data->index[DATA_VALIDATION],
                                   31 * sizeof(int64_t)));
    lab_close(&a), lab_close(&b);
}

/* Which fold it is belongs to what a run is. */
static void test_identity(void **unused)
{
    (void)unused;
    lab l[] = {fold_of(1, 3, ""), fold_of(2, 3, ""), fold_of(1, 4, "")};
    text t[3] = {{0}};
    for (int i = 0; i < 3; i++) setup_canonical(l[i].s, &t[i]);
    assert_string_not_equal(text_str(&t[0]), text_str(&t[1]));
    assert_string_not_equal(text_str(&t[0]), text_str(&t[2]));
    for (int i = 0; i < 3; i++) text_free(&t[i]), lab_close(&l[i]);
}

/* Killed or stopped at every place where one can be, and resumed: the same bits. */
static void test_resume(void **unused)
{
    (void)unused;
    lab whole = fold_of(2, 3, "");
    assert_int_equal(lab_train(&whole, 0, 0), CVY_OK);
    for (int64_t at = 1; at < 12; at += 3) {
        lab parts = fold_of(2, 3, "");
        assert_int_equal(lab_train(&parts, at, 0), CVY_STOPPED);
        assert_int_equal(lab_train(&parts, 2, 0), CVY_STOPPED);
        assert_int_equal(lab_train(&parts, 0, 0), CVY_OK);
        lab_same_end(&whole, &parts);
        lab_close(&parts);
    }
    lab_close(&whole);
}

static void refused(const char *more, const char *what)
{
    char *yaml = lab_text("%s%s\n", SMALL, more);
    lab l = lab_try(yaml);
    assert_null(l.s);
    lab_says(&l, what);
    lab_close(&l);
    mem_free(yaml);
}

static void test_refused(void **unused)
{
    (void)unused;
    refused("folds: 1", "1 is below 2");
    refused("folds: 3\nfold: 4", "there is no fold 4 of 3");
    refused("fold: 2", "it is not said of how many");
    refused("folds: 200", "200 of 157 training samples");
    refused("folds: five", "folds: expected");
}

/* A file with folds and no fold, looked at by itself, is its first; nothing else of it is wrong. */
static void test_alone(void **unused)
{
    (void)unused;
    char *yaml = lab_text("%sfolds: 3\n", SMALL);
    lab l = lab_open(yaml), first = fold_of(1, 3, "");
    assert_int_equal(l.x->folds, 3);
    assert_int_equal(experiment_members(l.x), 3);
    assert_int_equal(experiment_members(first.x), 1);
    int64_t fold;
    assert_int_equal(experiment_member(l.x, 2, &fold), 1);
    assert_int_equal(fold, 3);
    assert_int_equal(l.s->data->n[DATA_VALIDATION], first.s->data->n[DATA_VALIDATION]);
    lab_close(&l), lab_close(&first);
    mem_free(yaml);
}

int main(void)
{
    parallel_set_threads(1); /* the networks are small, and tests run beside each other */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts),    cmocka_unit_test(test_seed),
                                       cmocka_unit_test(test_identity), cmocka_unit_test(test_resume),
                                       cmocka_unit_test(test_refused),  cmocka_unit_test(test_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
