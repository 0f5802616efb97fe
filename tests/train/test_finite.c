/* Tests that numbers which are not finite end a run where they come up, by name, and cost no checkpoint. */
#include "lab.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "train/finite.h"
#include "train/safetensors.h"

#define CHAIN                                                                                  \
    "dataset: {type: shapes, train: 200, test: 20, size: 12}\n"                                \
    "model: [{conv2d: {channels: 4, kernel: 3, name: a}}, relu, {conv2d: {channels: 8, "       \
    "kernel: 3, name: b}}, {dropout: {p: 0.2}}, {batch_norm: {name: bn}}, {relu: {name: r}}, " \
    "global_avg_pool, {linear: {units: classes, name: fc}}]\n"

static void ends(const char *yaml, const char *first, const char *second)
{
    lab l = lab_open(yaml);
    cvy_status status = lab_train(&l, 0, 0);
    if (status != CVY_ERR_RUN) fail_msg("status %d for\n%s", (int)status, yaml);
    text t = {0};
    errors_text(&l.e, false, &t);
    if (!strstr(text_str(&t), first) || !strstr(text_str(&t), second))
        fail_msg("expected \"%s\" and \"%s\" in\n%s", first, second, text_str(&t));
    text_free(&t);
    size_t n;
    assert_null(lab_file(&l, "checkpoints/last.safetensors", &n));
    lab_close(&l);
}

static void test_all(void **unused)
{
    float v[40000];
    (void)unused;
    for (int i = 0; i < 40000; i++) v[i] = i % 2 ? -3.4e38f : 1e-45f;
    assert_true(finite_all(v, 40000));
    assert_true(finite_all(v, 0));
    const float bad[] = {(float)INFINITY, -(float)INFINITY, (float)NAN, -(float)NAN};
    const int at[] = {0, 39999, 16384, 777};
    for (int i = 0; i < 4; i++) {
        const float was = v[at[i]];
        v[at[i]] = bad[i];
        assert_false(finite_all(v, 40000));
        v[at[i]] = was;
    }
}

/* The first layer is the convolution, although everything behind it is not finite either. */
static void test_layer(void **unused)
{
    (void)unused;
    ends(CHAIN "init: {rules: [{type: normal, std: 1e30, match: a.weight}, {type: normal, std: 1e30, match: "
               "b.weight}]}\n",
         "step 1 (epoch 1): the loss is ", "first not finite is the output of layer \"b\" (conv2d)");
}

/* y is finite, and so is the loss; on the way back two factors meet that are too large together. */
static void test_gradient(void **unused)
{
    (void)unused;
    ends("dataset: {type: shapes, train: 200, test: 20, size: 12}\n"
         "model: [flatten, {linear: {units: 8, name: a, bias: false}}, {linear: {units: 8, name: b, bias: "
         "false}}, "
         "{linear: {units: classes, name: c}}]\n"
         "init: {rules: [{type: normal, std: 1e-30, match: a.weight}, {type: normal, std: 1e25, match: "
         "b.weight}, {type: "
         "normal, std: 1e20, match: c.weight}]}\n",
         "step 1 (epoch 1): the loss is finite and its gradient is not: first not finite, on the way back, "
         "is the gradient",
         "of the input of layer \"b\" (linear)");
}

/* With several batches in an update the one that it came up in is looked through. */
static void test_accumulated(void **unused)
{
    (void)unused;
    ends(CHAIN "train: {batch_size: 32, accumulate: 3}\n"
               "init: {rules: [{type: normal, std: 1e30, match: a.weight}, {type: normal, std: 1e30, match: "
               "b.weight}]}\n",
         "step 1 (epoch 1): the loss is ", "first not finite is the output of layer \"b\" (conv2d)");
}

/* A run that explodes behind a good checkpoint keeps it. */
static void test_checkpoint(void **unused)
{
    (void)unused;
    lab l = lab_open("dataset: {type: shapes, train: 200, test: 20, size: 12}\n"
                     "model: [flatten, {linear: {units: 16, name: a}}, {linear: {units: 16, name: b}}, "
                     "{linear: {units: 16, name: c}}, "
                     "{linear: {units: classes, name: d}}]\n"
                     "train: {epochs: 20, batch_size: 50, checkpoint_seconds: 0, optimizer: {type: sgd, lr: "
                     "1e6}, lr_schedule: "
                     "{type: constant, warmup_epochs: 1, warmup_start: 0}}\n");
    assert_int_equal(lab_train(&l, 1, 0), CVY_STOPPED);
    size_t n, n_after;
    char *before = lab_file(&l, "checkpoints/last.safetensors", &n);
    assert_non_null(before);
    assert_int_equal(lab_train(&l, 0, 0), CVY_ERR_RUN);
    lab_says(&l, "is");
    char *after = lab_file(&l, "checkpoints/last.safetensors", &n_after);
    assert_non_null(after);
    /* Whatever was written last can still be read, and a file with such numbers could not. */
    safetensors f;
    char *path = path_join(l.dir, "checkpoints/last.safetensors");
    assert_int_equal(safetensors_read(path, &f, &l.e), CVY_OK);
    for (size_t i = 0; i < f.n; i++)
        if (text_starts(f.items[i].name, "a.") || text_starts(f.items[i].name, "d."))
            assert_true(finite_all(f.items[i].data, f.items[i].count));
    safetensors_free(&f);
    mem_free(path);
    mem_free(before), mem_free(after);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_layer),
                                       cmocka_unit_test(test_gradient), cmocka_unit_test(test_accumulated),
                                       cmocka_unit_test(test_checkpoint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
