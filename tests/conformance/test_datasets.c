/* Datasets: shapes as a function of (seed, split, index), cifar10 on good and on damaged files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/parallel.h"
#include "stock.h"

/* ---- shapes ---- */

static void open_shapes(stock *s, const char *params, uint64_t seed)
{
    assert_int_equal(stock_open(s, "datasets/shapes", params, seed, "/", "/"), 0);
}

static void test_shapes_info(void **state)
{
    (void)state;
    stock s;
    open_shapes(&s, "", 1);
    const cvy_dataset_info *info = &s.o.info;
    assert_int_equal(info->n[CVY_TRAIN], 8000);
    assert_int_equal(info->n[CVY_TEST], 2000);
    assert_int_equal(info->element, CVY_U8);
    assert_int_equal(info->classes, 10);
    assert_int_equal(info->sample.rank, 3);
    assert_int_equal(s.bytes, 3 * 32 * 32);
    assert_string_equal(info->fingerprint, "");
    for (int k = 0; k < 10; k++)
        for (int m = 0; m < k; m++) assert_string_not_equal(info->class_names[k], info->class_names[m]);
    stock_close(&s);

    open_shapes(&s, "train: 11, test: 0, size: 13, grey: true", 1);
    assert_int_equal(info->n[CVY_TRAIN], 11);
    assert_int_equal(info->n[CVY_TEST], 0);
    assert_int_equal(s.bytes, 13 * 13);
    stock_close(&s);
}

static void test_shapes_balance(void **state)
{
    (void)state;
    stock s;
    open_shapes(&s, "", 1);
    for (uint32_t split = 0; split < 2; split++) {
        int64_t seen[10] = {0};
        for (int64_t i = 0; i < s.o.info.n[split]; i++) {
            int32_t label = stock_read(&s, split, i, NULL);
            assert_in_range(label, 0, 9);
            seen[label]++;
        }
        for (int k = 0; k < 10; k++) assert_int_equal(seen[k], s.o.info.n[split] / 10);
    }
    stock_close(&s);
}

enum { SOME = 400, THREADS = 4 };

typedef struct reading {
    const stock *s;
    unsigned char *pixels;
    int32_t labels[SOME];
} reading;

static void read_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    reading *r = ctx;
    (void)thread;
    for (int64_t i = end - 1; i >= begin; i--)
        r->labels[i] = stock_read(r->s, CVY_TRAIN, i, r->pixels + (size_t)i * r->s->bytes);
}

/* The same bytes in any order, from any number of threads, and again when the dataset is opened again. */
static void test_shapes_are_a_function(void **state)
{
    (void)state;
    stock s;
    reading once, again;
    open_shapes(&s, "", 7);
    once.s = again.s = &s;
    once.pixels = malloc(SOME * s.bytes);
    again.pixels = calloc(SOME, s.bytes);
    assert_non_null(once.pixels);
    assert_non_null(again.pixels);
    for (int64_t i = 0; i < SOME; i++)
        once.labels[i] = stock_read(&s, CVY_TRAIN, i, once.pixels + (size_t)i * s.bytes);
    stock_close(&s);

    open_shapes(&s, "train: 400", 7); /* how many there are changes none of them */
    parallel_set_threads(THREADS);
    parallel_for(SOME, 1, read_share, &again);
    parallel_set_threads(0);
    assert_memory_equal(once.labels, again.labels, sizeof once.labels);
    assert_memory_equal(once.pixels, again.pixels, SOME * s.bytes);
    for (int64_t i = 10; i < SOME; i++) /* no two of a class alike */
        assert_memory_not_equal(once.pixels + (size_t)i * s.bytes, once.pixels + (size_t)(i - 10) * s.bytes,
                                s.bytes);
    stock_close(&s);
    free(once.pixels);
    free(again.pixels);
}

static void check_seeds(const char *params, uint64_t seed_a, uint64_t seed_b, bool same)
{
    stock s;
    unsigned char a[3 * 32 * 32], b[sizeof a], test[sizeof a];
    open_shapes(&s, params, seed_a);
    stock_read(&s, CVY_TRAIN, 5, a);
    stock_read(&s, CVY_TEST, 5, test);
    stock_close(&s);
    open_shapes(&s, params, seed_b);
    stock_read(&s, CVY_TRAIN, 5, b);
    stock_close(&s);
    assert_int_equal(memcmp(a, b, sizeof a) == 0, same);
    assert_int_not_equal(memcmp(a, test, sizeof a), 0);
}

static void test_shapes_seeds(void **state)
{
    (void)state;
    check_seeds("", 1, 1, true);
    check_seeds("", 1, 2, false);
    check_seeds("seed: 3", 1, 2, true);
    check_seeds("seed: 0", 1, 2, true);
}

/* Sizes at and between the bounds, with guards behind the sample. */
static void test_shapes_sizes(void **state)
{
    (void)state;
    const char *const params[] = {"size: 12, clutter: 64, noise: 1", "size: 33, clutter: 0, noise: 0",
                                  "size: 256, clutter: 64", "size: 45, grey: true, noise: 0"};
    for (int c = 0; c < 4; c++) {
        stock s;
        open_shapes(&s, params[c], 1);
        unsigned char *pixels = malloc(s.bytes + 64);
        assert_non_null(pixels);
        for (int64_t i = 0; i < 40; i++) {
            memset(pixels, 0xa5, s.bytes + 64);
            stock_read(&s, CVY_TEST, i, pixels);
            for (int k = 0; k < 64; k++) assert_int_equal(pixels[s.bytes + (size_t)k], 0xa5);
            unsigned char low = 255, high = 0;
            for (size_t k = 0; k < s.bytes; k++) {
                low = pixels[k] < low ? pixels[k] : low;
                high = pixels[k] > high ? pixels[k] : high;
            }
            assert_true(high - low > 40); /* there is a figure */
        }
        free(pixels);
        stock_close(&s);
    }
}

/* The nearest class mean is a linear classifier; pixels by themselves must tell it next to nothing. */
static void test_shapes_are_not_linear(void **state)
{
    (void)state;
    enum { BYTES = 3 * 32 * 32 };
    static double mean[10][BYTES];
    unsigned char pixels[BYTES];
    stock s;
    open_shapes(&s, "train: 4000, test: 1000", 1);
    memset(mean, 0, sizeof mean);
    for (int64_t i = 0; i < 4000; i++) {
        int32_t label = stock_read(&s, CVY_TRAIN, i, pixels);
        for (int k = 0; k < BYTES; k++) mean[label][k] += pixels[k] / 400.0;
    }
    int right = 0;
    for (int64_t i = 0; i < 1000; i++) {
        int32_t label = stock_read(&s, CVY_TEST, i, pixels);
        int nearest = 0;
        double least = 0;
        for (int c = 0; c < 10; c++) {
            double distance = 0;
            for (int k = 0; k < BYTES; k++) distance += (pixels[k] - mean[c][k]) * (pixels[k] - mean[c][k]);
            if (c == 0 || distance < least) {
                least = distance;
                nearest = c;
            }
        }
        right += nearest == label;
    }
    stock_close(&s);
    assert_true(right < 300);
}

/* ---- cifar10 ---- */

#define CIFAR_BYTES 30730000

static const char *const cifar_files[6] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

/* Six files of the right size, all zeros (label 0, black) and taking no room on the disk. */
static void put_cifar(const char *dir)
{
    for (int i = 0; i < 6; i++) put_size(dir, cifar_files[i], CIFAR_BYTES);
}

/* A folder with DATA/cifar10; sets the cache of checksums into it. */
static char *cifar_folder(char **dir)
{
    char *folder = plugin_host_folder();
    *dir = path_join(folder, "cifar10");
    assert_int_equal(mkdir(*dir, 0700), 0);
    setenv("XDG_CACHE_HOME", folder, 1);
    return folder;
}

static int open_cifar(stock *s, const char *params, const char *base, const char *data)
{
    return stock_open(s, "datasets/cifar10", params, 1, base, data);
}

static void test_cifar_good(void **state)
{
    (void)state;
    char *dir, *folder = cifar_folder(&dir);
    put_cifar(dir);
    unsigned char record[3073];
    for (int i = 0; i < 3073; i++) record[i] = (unsigned char)(i % 251);
    record[0] = 7;
    put_bytes(dir, "data_batch_1.bin", 0, record, sizeof record);
    record[0] = 8;
    put_bytes(dir, "data_batch_5.bin", CIFAR_BYTES - 3073, record, sizeof record);
    record[0] = 9;
    put_bytes(dir, "test_batch.bin", 3073 * 4321, record, sizeof record);

    stock s;
    int rc = open_cifar(&s, "", "/nowhere", folder);
    if (rc) fail_msg("%s", plugin_host_message(&s.p));
    const cvy_dataset_info *info = &s.o.info;
    assert_int_equal(info->n[CVY_TRAIN], 50000);
    assert_int_equal(info->n[CVY_TEST], 10000);
    assert_int_equal(info->element, CVY_U8);
    assert_int_equal(info->classes, 10);
    assert_int_equal(s.bytes, 3072);
    assert_string_equal(info->class_names[0], "airplane");
    assert_string_equal(info->class_names[9], "truck");

    unsigned char pixels[3072];
    assert_int_equal(stock_read(&s, CVY_TRAIN, 0, pixels), 7);
    assert_memory_equal(pixels, record + 1, 3072);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 49999, pixels), 8);
    assert_memory_equal(pixels, record + 1, 3072);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 10000, pixels), 0);
    assert_int_equal(pixels[0], 0);
    assert_int_equal(stock_read(&s, CVY_TEST, 4321, pixels), 9);
    assert_int_equal(stock_read(&s, CVY_TEST, 4321, NULL), 9);

    /* The fingerprint is the SHA-256 of the six files' own, in hexadecimal and in order. */
    sha256 sum;
    errors e = {0};
    sha256_init(&sum);
    for (int i = 0; i < 6; i++) {
        char hex[65], *path = path_join(dir, cifar_files[i]);
        assert_int_equal(sha256_file_cached(path, hex, &e), CVY_OK);
        sha256_add(&sum, hex, 64);
        mem_free(path);
    }
    char expected[65];
    sha256_hex(&sum, expected);
    errors_free(&e);
    assert_string_equal(info->fingerprint, expected);
    stock_close(&s);

    /* The same files by `path`, relative to the experiment; and names of their own. */
    const char *names = "alpha\nbeta\ngamma\ndelta\nepsilon\nzeta\neta\ntheta\niota\nkappa\n\n";
    put_bytes(dir, "batches.meta.txt", 0, names, strlen(names));
    assert_int_equal(open_cifar(&s, "path: cifar10", folder, "/nowhere"), 0);
    assert_string_equal(s.o.info.class_names[0], "alpha");
    assert_string_equal(s.o.info.class_names[9], "kappa");
    assert_string_equal(s.o.info.fingerprint, expected);
    stock_close(&s);
    put_bytes(dir, "batches.meta.txt", 2, "\033", 1); /* not printable: back to the official ones */
    char *params = mem_printf("path: %s", dir);
    assert_int_equal(open_cifar(&s, params, "/nowhere", NULL), 0);
    assert_string_equal(s.o.info.class_names[0], "airplane");
    stock_close(&s);
    mem_free(params);

    /* As the official archive unpacks. */
    char *data = path_join(folder, "data"), *outer = path_join(data, "cifar10"),
         *inner = path_join(outer, "cifar-10-batches-bin");
    assert_int_equal(file_make_dirs(outer, &e), CVY_OK);
    assert_int_equal(rename(dir, inner), 0);
    assert_int_equal(open_cifar(&s, "", "/nowhere", data), 0);
    assert_string_equal(s.o.info.fingerprint, expected);
    stock_close(&s);
    mem_free(data);
    mem_free(outer);
    mem_free(inner);
    mem_free(dir);
    plugin_host_remove(folder);
}

static void check_cifar(const char *folder, const char *dir, const char *wanted)
{
    stock_refused("datasets/cifar10", "", "/nowhere", folder, dir, wanted);
}

static void test_cifar_damaged(void **state)
{
    (void)state;
    char *dir, *folder = cifar_folder(&dir);
    const unsigned char bad = 10, good = 9;

    put_cifar(dir);
    put_size(dir, "test_batch.bin", CIFAR_BYTES - 1);
    check_cifar(
        folder, dir,
        "@/test_batch.bin: byte 30729999: the file ends here: expected 30,730,000 bytes (10,000 records of "
        "3,073), found 30729999\n");
    put_size(dir, "test_batch.bin", 0);
    check_cifar(
        folder, dir,
        "@/test_batch.bin: byte 0: the file ends here: expected 30,730,000 bytes (10,000 records of 3,073), "
        "found 0\n");
    put_size(dir, "test_batch.bin", CIFAR_BYTES + 3073);
    check_cifar(folder, dir,
                "@/test_batch.bin: byte 30730000: the file should end here: expected 30,730,000 bytes "
                "(10,000 records "
                "of 3,073), found 30733073\n");

    put_size(dir, "test_batch.bin", CIFAR_BYTES);
    put_bytes(dir, "data_batch_2.bin", CIFAR_BYTES - 3073, &bad, 1);
    check_cifar(
        folder, dir,
        "@/data_batch_2.bin: byte 30726927: record 9999 has label 10, expected 0 to 9: not a file of the "
        "CIFAR-10 binary version, or a damaged one\n");
    put_bytes(dir, "data_batch_2.bin", CIFAR_BYTES - 3073, &good, 1);
    put_bytes(dir, "data_batch_3.bin", 3073, "\377", 1);
    check_cifar(
        folder, dir,
        "@/data_batch_3.bin: byte 3073: record 1 has label 255, expected 0 to 9: not a file of the CIFAR-10 "
        "binary version, or a damaged one\n");
    mem_free(dir);
    plugin_host_remove(folder);
}

#define WHAT_TO_DO                                                                                    \
    ". Put the six files of the official CIFAR-10 binary version there "                              \
    "(data_batch_1.bin to data_batch_5.bin and test_batch.bin, from cifar-10-binary.tar.gz), or set " \
    "dataset.path to "                                                                                \
    "their folder; `convoy data fetch cifar10` fetches them\n"

static void test_cifar_missing(void **state)
{
    (void)state;
    char *dir, *folder = cifar_folder(&dir);
    check_cifar(folder, dir,
                "@/data_batch_1.bin: not found; looked in @ and @/cifar-10-batches-bin" WHAT_TO_DO);
    put_cifar(dir);
    char *path = path_join(dir, "data_batch_4.bin");
    assert_int_equal(unlink(path), 0);
    check_cifar(folder, dir, "@/data_batch_4.bin: not found; looked in @" WHAT_TO_DO);
    assert_int_equal(mkdir(path, 0700), 0);
    check_cifar(folder, dir, "@/data_batch_4.bin: is not a regular file\n");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    check_cifar(folder, dir, "@/data_batch_4.bin: is not a regular file\n");
    mem_free(path);
    mem_free(dir);
    plugin_host_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_info),   cmocka_unit_test(test_shapes_balance),
        cmocka_unit_test(test_shapes_seeds),  cmocka_unit_test(test_shapes_are_a_function),
        cmocka_unit_test(test_shapes_sizes),  cmocka_unit_test(test_shapes_are_not_linear),
        cmocka_unit_test(test_cifar_good),    cmocka_unit_test(test_cifar_damaged),
        cmocka_unit_test(test_cifar_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
