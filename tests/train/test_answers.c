/* Tests core/train/data_card, data_import, forward, feature_file, linear_svm: that a network answers without its dataset as it
 * does with it, at any layer; what is written of that; and what is refused. */
#include "lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/record.h"
#include "plugin/host.h"
#include "rows.h"
#include "train/data_card.h"
#include "train/evaluation.h"
#include "train/feature_file.h"
#include "train/forward.h"
#include "train/linear_svm.h"
#include "train/safetensors.h"

#define EXPERIMENT                                                                                           \
    "seed: 2\n"                                                                                              \
    "dataset: {type: shapes, train: 60, test: 20, size: 12, validation: 12, seed: 3,"                        \
    " augment: [{random_crop: {padding: 2}}, horizontal_flip, normalize%s]}\n"                               \
    "model:\n"                                                                                               \
    "  - conv2d: {channels: 6, kernel: 3, padding: 1, name: stem}\n"                                         \
    "  - batch_norm\n"                                                                                       \
    "  - relu\n"                                                                                             \
    "  - residual: {channels: 6, blocks: 1, name: stage}\n"                                                  \
    "  - global_avg_pool: {name: pool}\n"                                                                    \
    "  - linear: {units: classes, name: head}\n"                                                             \
    "%s"                                                                                                     \
    "train: {epochs: 2, batch_size: 16, select: last, optimizer: {type: ema, decay: 0.7, optimizer: {type: " \
    "sgd, lr: 0.1}}}\n"

static void expect(lab *l, cvy_status got, cvy_status expected)
{
    if (got == expected) return;
    text t = {0};
    errors_text(&l->e, false, &t);
    fail_msg("status %d, expected %d:\n%s", (int)got, (int)expected, text_str(&t));
}

static lab trained(const char *augment, const char *init)
{
    char *yaml = lab_text(EXPERIMENT, augment, init);
    lab l = lab_open(yaml);
    mem_free(yaml);
    expect(&l, lab_train(&l, 0, 0), CVY_OK);
    return l;
}

/* ---- the card ---- */

static void test_card(void **unused)
{
    (void)unused;
    lab l = trained("", "");
    const data *d = l.s->data;
    data_card c;
    assert_true(data_card_read(&c, l.dir));
    assert_string_equal(c.type, "shapes");
    assert_true(c.complete);
    assert_int_equal(c.info.classes, 10);
    assert_int_equal(c.info.sample.rank, 3);
    assert_int_equal(c.info.sample.dim[2], 12);
    assert_int_equal(c.n[DATA_TRAIN], d->n[DATA_TRAIN]);
    for (int k = 0; k < 10; k++) assert_string_equal(c.info.class_names[k], d->info.class_names[k]);
    assert_int_equal(c.stats.channels, 3);
    assert_memory_equal(c.stats.mean, d->stats.mean, 3 * sizeof(float));
    assert_memory_equal(c.stats.std, d->stats.std, 3 * sizeof(float));
    data_card_free(&c);
    assert_false(data_card_read(&c, "nowhere"));
    data_card_free(&c);
    lab_close(&l);
}

/* Whichever bit a disk loses, the card is the same or there is none. */
static void test_card_damaged(void **unused)
{
    (void)unused;
    lab l = trained("", "");
    size_t n;
    char *bytes = lab_file(&l, "journal.1", &n), *path = path_join(l.dir, "journal.1");
    assert_non_null(bytes);
    const char *record = memmem(bytes, n, "\"t\":\"dataset\"", 13),
               *end = memmem(bytes, n, "\"complete\"", 10);
    assert_true(record && end && end > record);
    for (size_t at = (size_t)(record - bytes) - 9; at < (size_t)(end - bytes) + 16; at += 3) {
        data_card c;
        bytes[at] ^= 0x10;
        assert_int_equal(file_replace(path, bytes, n, &l.e), CVY_OK);
        assert_false(data_card_read(&c, l.dir));
        data_card_free(&c);
        bytes[at] ^= 0x10;
    }
    mem_free(bytes);
    mem_free(path);
    lab_close(&l);
}

static void test_card_nonsense(void **unused)
{
    (void)unused;
    static const char *const cards[] = {
        "null",
        "[]",
        "{}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,-1,2]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":["
        "4611686018427387904,4,4]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[1,1,1,1,1,1,"
        "1]}",
        "{\"type\":\"a\",\"element\":\"u9\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,2,2]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":99999999999,\"targets\":0,\"train\":9,\"sample\":[3,"
        "2,2]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":0,\"sample\":[3,2,2]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,2,2],"
        "\"class_names\":[\"x\"]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,2,2],"
        "\"class_names\":[1,2]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,2,2],"
        "\"mean\":[1,2,3]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,2,2],"
        "\"mean\":[1,2],\"std\":[1,1]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,2,2],"
        "\"mean\":[1,2,\"nan\"],"
        "\"std\":[1,1,1]}",
        "{\"type\":\"a\",\"element\":\"u8\",\"classes\":2,\"targets\":0,\"train\":9,\"sample\":[3,2,2],"
        "\"mean\":[1,2,3],"
        "\"std\":[1,-1,1]}",
    };
    char dir[] = "/tmp/convoy-card-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = path_join(dir, "journal.1");
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
        errors e = {0};
        data_card c;
        journal *j = journal_create(path, &e);
        assert_int_equal(data_card_read(&c, dir), false);
        data_card_free(&c);
        assert_int_equal(record_dataset(j, cards[i], &e), CVY_OK);
        journal_close(j);
        if (data_card_read(&c, dir)) fail_msg("taken: %s", cards[i]);
        data_card_free(&c);
        unlink(path);
    }
    mem_free(path);
    rmdir(dir);
}

/* ---- answering ---- */

static cvy_status keep(void *ctx, const float *y, const cvy_shape *shape, const batch *b, errors *e)
{
    (void)e;
    const int64_t each = cvy_sample_count(shape);
    memcpy((float *)ctx + b->first * each, y, (size_t)(b->n * each) * sizeof *y);
    return CVY_OK;
}

/* A test sample as a picture of 8 bits, as the plugin has it. */
static void picture_of(const lab *l, int64_t i, uint8_t *pixels)
{
    const data *d = l->s->data;
    errors e = {0};
    host h = host_make(&e, CVY_ERR_CONFIG, NULL, d->seed, NULL);
    cvy_dataset_read r = {
        .host = &h.face, .split = CVY_TEST, .index = d->index[DATA_TEST][i], .pixels = pixels};
    assert_int_equal(d->info.element, CVY_U8);
    assert_int_equal(d->type->read(&r, d->config, d->opened), 0);
}

/* Without the dataset's files, the statistics from the card, a picture gives the bits that the sample gives. */
static void test_recalled(void **unused)
{
    (void)unused;
    lab l = trained("", "");
    errors *e = &l.e;
    checkpoint_weights w;
    data_card c;
    forward with, without;
    float expected[20 * 10];
    assert_true(checkpoint_weights_read(&w, l.dir, WEIGHTS_LAST, e));
    expect(&l, forward_open(&with, l.s, &w, 8, NULL, e), CVY_OK);
    expect(&l, forward_part(&with, DATA_TEST, keep, expected, e), CVY_OK);
    forward_close(&with);

    assert_true(data_card_read(&c, l.dir));
    registry *plugins = registry_open(NULL, 0, e); /* the lab's has the schedules of its setup */
    setup *s = setup_recalled(l.x, plugins, &c, e);
    if (!s) expect(&l, errors_status(e), CVY_OK);
    assert_null(s->data->opened);
    assert_true(data_takes_pictures(s->data, e));
    assert_true(data_imports_alike(s->data));
    expect(&l, forward_open(&without, s, &w, 8, NULL, e), CVY_OK);
    data_sample sample = {0};
    for (int64_t i = 0; i < 8; i++) {
        uint8_t pixels[3 * 12 * 12];
        picture_of(&l, i, pixels);
        const data_picture p = {.pixels = pixels, .height = 12, .width = 12, .number = i};
        expect(&l, data_import(s->data, &p, 0, &sample, e), CVY_OK);
        assert_memory_equal(&sample.shape, &s->data->sample, sizeof sample.shape);
        memcpy(without.x + i * 3 * 12 * 12, sample.x, 3 * 12 * 12 * sizeof(float));
    }
    const float *y;
    cvy_shape shape;
    expect(&l, forward_run(&without, &s->data->sample, 8, &y, &shape, e), CVY_OK);
    assert_int_equal(shape.dim[0], 8);
    assert_int_equal(shape.dim[1], 10);
    for (int i = 0; i < 8 * 10; i++)
        if (fabsf(y[i] - expected[i]) > 1e-6f)
            fail_msg("%d: %g, expected %g", i, (double)y[i], (double)expected[i]);
    /* Another size is brought to that of the samples. */
    uint8_t *large = mem_array(3 * 31 * 50, 1);
    memset(large, 90, 3 * 31 * 50);
    const data_picture p = {.pixels = large, .height = 31, .width = 50};
    expect(&l, data_import(s->data, &p, 0, &sample, e), CVY_OK);
    for (int k = 0; k < 3; k++) {
        const float want = (90.0f / 255 - c.stats.mean[k]) / c.stats.std[k];
        assert_true(fabsf(sample.x[k * 144 + 77] - want) < 1e-5f);
    }
    mem_free(large);
    data_sample_free(&sample);
    forward_close(&without);
    setup_free(s);
    registry_free(plugins);
    data_card_free(&c);
    checkpoint_weights_free(&w);
    lab_close(&l);
}

/* Where the network is cut: a layer, a block, neither. */
static void test_cut(void **unused)
{
    (void)unused;
    lab l = trained("", "");
    const net *n = l.s->net;
    const int whole = n->output;
    expect(&l, forward_cut(l.s, "pool", &l.e), CVY_OK);
    assert_string_equal(n->nodes[n->output].path, "pool");
    checkpoint_weights w;
    forward f;
    float of_pool[20 * 6];
    assert_true(checkpoint_weights_read(&w, l.dir, WEIGHTS_LAST, &l.e));
    expect(&l, forward_open(&f, l.s, &w, 20, NULL, &l.e), CVY_OK);
    expect(&l, forward_part(&f, DATA_TEST, keep, of_pool, &l.e), CVY_OK);
    forward_close(&f);
    checkpoint_weights_free(&w);
    for (int i = 0; i < 20 * 6; i++) assert_true(of_pool[i] >= 0); /* the mean behind a relu */
    expect(&l, forward_cut(l.s, "stage", &l.e), CVY_OK);
    assert_memory_equal(n->nodes[n->output].path, "stage.", 6);
    expect(&l, forward_cut(l.s, "stag", &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "the network has no layer \"stag\"");
    expect(&l, forward_cut(l.s, "input", &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "the network has no layer \"input\"");
    expect(&l, forward_cut(l.s, "hed", &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "did you mean \"head\"?");
    expect(&l, forward_cut(l.s, "", &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "convoy model");
    l.s->net->output = whole;
    lab_close(&l);
}

/* The average that the optimizer kept, with the weights that are not trained as they are. */
static void test_average(void **unused)
{
    (void)unused;
    static const char *const inits[] = {"", "init: {freeze: [\"stem.*\"]}\n"};
    for (int i = 0; i < 2; i++) {
        lab l = trained("", inits[i]);
        checkpoint_weights w;
        evaluation v;
        const evaluation_options o = {.part = DATA_TEST};
        assert_true(checkpoint_weights_read(&w, l.dir, WEIGHTS_AVERAGE, &l.e));
        expect(&l, evaluation_run(l.s, &w, &o, &v, &l.e), CVY_OK);
        rows r = rows_read(l.dir);
        const double logged = rows_value(&r, "run", "test_average_loss", 2 * l.s->steps_per_epoch);
        assert_true(v.loss == logged);
        assert_true(v.loss != rows_value(&r, "run", "test_loss", 2 * l.s->steps_per_epoch));
        rows_free(&r);
        evaluation_free(&v);
        checkpoint_weights_free(&w);
        lab_close(&l);
    }
}

/* ---- files of features ---- */

static void test_feature_file(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/convoy-features-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = path_join(dir, "f.safetensors"), *none = path_join(dir, "no/f.safetensors");
    errors e = {0};
    feature_file f;
    const cvy_shape shape = {3, {1, 2, 3, 0, 0, 0}};
    const int order[] = {2, 3, 0, 1, 4};
    const feature_pair pairs[] = {{"layer", "fc7"}, {"files", "[\"a\\\"b\"]"}};
    assert_int_equal(feature_file_open(&f, path, &shape, 100, &e), CVY_OK);
    assert_false(file_exists(path));
    for (int i = 0; i < 5; i++) {
        float row[6];
        for (int k = 0; k < 6; k++) row[k] = (float)(10 * order[i] + k);
        assert_int_equal(feature_file_put_row(&f, order[i], row, &e), CVY_OK);
    }
    const int32_t labels[5] = {5, 4, 3, 2, 1};
    assert_int_equal(feature_file_finish(&f, labels, NULL, 0, pairs, 2, &e), CVY_OK);
    feature_file_close(&f);
    safetensors s;
    assert_int_equal(safetensors_read_foreign(path, &s, &e), CVY_OK);
    const safetensor *features = safetensors_find(&s, "features"), *named = safetensors_find(&s, "labels");
    assert_true(features && named);
    assert_int_equal(features->shape.rank, 3);
    assert_int_equal(features->shape.dim[0], 5);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 6; k++) assert_true(features->data[i * 6 + k] == (float)(10 * i + k));
    assert_int_equal(named->shape.dim[0], 5);
    assert_string_equal(safetensors_metadata(&s, "layer"), "fc7");
    assert_string_equal(safetensors_metadata(&s, "files"), "[\"a\\\"b\"]");
    safetensors_free(&s);
    /* What is not finished leaves nothing, and the file that was there stays. */
    assert_int_equal(feature_file_open(&f, path, &shape, 100, &e), CVY_OK);
    feature_file_close(&f);
    assert_true(file_exists(path));
    assert_int_equal(feature_file_open(&f, none, &shape, 100, &e), CVY_ERR_CONFIG);
    feature_file_close(&f);
    assert_int_equal(feature_file_open(&f, path, &shape, 200000000, &e), CVY_ERR_CONFIG);
    feature_file_close(&f);
    errors_free(&e);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
    mem_free(path);
    mem_free(none);
}

/* ---- machines ---- */

/* Three classes around three corners, the second feature a thousand times larger and the third always the same. */
static void corners(float *x, int32_t *labels, int n)
{
    static const float at[3][2] = {{0, 0}, {3, 0}, {0, 3}};
    philox_stream s = philox_open(philox_key_of(1, "corners", ""), 0, 0);
    for (int i = 0; i < n; i++) {
        labels[i] = i % 3;
        x[3 * i] = at[i % 3][0] + 0.3f * (float)philox_normal(&s);
        x[3 * i + 1] = 1000 * (at[i % 3][1] + 0.3f * (float)philox_normal(&s));
        x[3 * i + 2] = 7;
    }
}

static void test_svm(void **unused)
{
    (void)unused;
    enum { N = 90 };
    float x[3 * N];
    int32_t labels[N], taken[N];
    errors e = {0};
    corners(x, labels, N);
    const svm_set set = {x, labels, N, 3};
    linear_svm *m = linear_svm_train(&set, 3, 1, SVM_STANDARD, &e);
    if (!linear_svm_version()) {
        assert_null(m);
        assert_int_equal(linear_svm_predict(NULL, &set, taken, &e), errors_status(&e));
        assert_non_null(strstr(e.items[0].hint, "liblinear-dev"));
        errors_free(&e);
        return;
    }
    assert_non_null(m);
    assert_int_equal(linear_svm_predict(m, &set, taken, &e), CVY_OK);
    assert_memory_equal(taken, labels, sizeof labels);
    linear_svm_free(m);
    double accuracy, again;
    assert_int_equal(linear_svm_validate(&set, 3, 1, SVM_STANDARD, 5, 7, &accuracy, &e), CVY_OK);
    assert_true(accuracy == 1);
    assert_int_equal(linear_svm_validate(&set, 3, 1e-9, SVM_UNIT, 5, 7, &accuracy, &e), CVY_OK);
    assert_int_equal(linear_svm_validate(&set, 3, 1e-9, SVM_UNIT, 5, 7, &again, &e), CVY_OK);
    assert_true(accuracy == again);
    /* As many folds as there are samples of a class: each leaves some of all. */
    assert_int_equal(linear_svm_validate(&set, 3, 1, SVM_AS_IS, N, 7, &accuracy, &e), CVY_OK);
    assert_int_equal(errors_count(&e), 0);

    x[4] = INFINITY;
    assert_null(linear_svm_train(&set, 3, 1, SVM_STANDARD, &e));
    assert_non_null(strstr(e.items[0].what, "feature 1 of sample 1 is not finite"));
    errors_free(&e);
    x[4] = 0;
    memset(labels, 0, sizeof labels);
    assert_null(linear_svm_train(&set, 3, 1, SVM_STANDARD, &e));
    assert_non_null(strstr(e.items[0].what, "of one class"));
    errors_free(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_card),          cmocka_unit_test(test_card_damaged),
        cmocka_unit_test(test_card_nonsense), cmocka_unit_test(test_recalled),
        cmocka_unit_test(test_cut),           cmocka_unit_test(test_average),
        cmocka_unit_test(test_feature_file),  cmocka_unit_test(test_svm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
