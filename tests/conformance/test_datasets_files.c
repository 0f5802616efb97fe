/* Datasets of files: CIFAR-100, the IDX files of MNIST, tables; good ones, damaged ones, and thousands damaged at random. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "stock.h"

/* A folder DATA/NAME; sets the cache of checksums into DATA. */
static char *data_folder(const char *name, char **dir)
{
    char *folder = plugin_host_folder();
    *dir = path_join(folder, name);
    assert_int_equal(mkdir(*dir, 0700), 0);
    setenv("XDG_CACHE_HOME", folder, 1);
    return folder;
}

static void open_good(stock *s, const char *file, const char *params, const char *base, const char *data)
{
    if (stock_open(s, file, params, 1, base, data)) fail_msg("%s", plugin_host_message(&s->p));
}

/* ---- CIFAR-100 ---- */

#define RECORD 3074

static void test_cifar100(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("cifar100", &dir);
    stock_refused(
        "datasets/cifar100", "", "/nowhere", folder, dir,
        "@/train.bin: not found; looked in @ and @/cifar-100-binary. Put train.bin and test.bin of the "
        "official CIFAR-100 binary version there (from cifar-100-binary.tar.gz), or set dataset.path to "
        "their folder; `convoy data fetch cifar100` fetches them\n");
    put_size(dir, "train.bin", 50000 * RECORD);
    put_size(dir, "test.bin", 10000 * RECORD);
    unsigned char record[RECORD], pixels[3072];
    for (int i = 0; i < RECORD; i++) record[i] = (unsigned char)(i % 249);
    record[0] = 19;
    record[1] = 99;
    put_bytes(dir, "train.bin", 49999LL * RECORD, record, sizeof record);
    record[0] = 3;
    record[1] = 42;
    put_bytes(dir, "test.bin", 17 * RECORD, record, sizeof record);

    stock s;
    open_good(&s, "datasets/cifar100", "", "/nowhere", folder);
    assert_int_equal(s.o.info.n[CVY_TRAIN], 50000);
    assert_int_equal(s.o.info.n[CVY_TEST], 10000);
    assert_int_equal(s.o.info.classes, 100);
    assert_null(s.o.info.class_names);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 49999, pixels), 99);
    assert_memory_equal(pixels, record + 2, 3072);
    assert_int_equal(stock_read(&s, CVY_TEST, 17, pixels), 42);
    assert_int_equal(stock_read(&s, CVY_TEST, 18, NULL), 0);
    stock_close(&s);

    text names = {0};
    for (int i = 0; i < 20; i++) text_printf(&names, "group_%d\n", i);
    put_text(dir, "coarse_label_names.txt", text_str(&names));
    text_free(&names);
    open_good(&s, "datasets/cifar100", "labels: coarse", "/nowhere", folder);
    assert_int_equal(s.o.info.classes, 20);
    assert_string_equal(s.o.info.class_names[19], "group_19");
    assert_int_equal(stock_read(&s, CVY_TRAIN, 49999, pixels), 19);
    assert_memory_equal(pixels, record + 2, 3072);
    assert_int_equal(stock_read(&s, CVY_TEST, 17, NULL), 3);
    stock_close(&s);

    put_bytes(dir, "test.bin", 5 * RECORD + 1, "\144", 1);
    stock_refused(
        "datasets/cifar100", "", "/nowhere", folder, dir,
        "@/test.bin: byte 15371: record 5 has fine label 100, expected 0 to 99: not a file of the CIFAR-100 "
        "binary version, or a damaged one\n");
    put_size(dir, "train.bin", 50000 * RECORD - 3);
    stock_refused(
        "datasets/cifar100", "", "/nowhere", folder, dir,
        "@/train.bin: byte 153699997: the file ends here: expected 153,700,000 bytes (50,000 records of "
        "3,074), found 153699997\n");
    mem_free(dir);
    plugin_host_remove(folder);
}

/* ---- IDX ---- */

static const char *const idx_files[4] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

static size_t idx_images(unsigned char *to, uint32_t n, uint32_t rows, uint32_t columns)
{
    const uint32_t header[4] = {2051, n, rows, columns};
    for (int i = 0; i < 16; i++) to[i] = (unsigned char)(header[i / 4] >> (24 - i % 4 * 8));
    for (uint32_t i = 0; i < n * rows * columns; i++) to[16 + i] = (unsigned char)(i * 7 + n);
    return 16 + n * rows * columns;
}

static size_t idx_labels(unsigned char *to, uint32_t n)
{
    const uint32_t header[2] = {2049, n};
    for (int i = 0; i < 8; i++) to[i] = (unsigned char)(header[i / 4] >> (24 - i % 4 * 8));
    for (uint32_t i = 0; i < n; i++) to[8 + i] = (unsigned char)(i % 10);
    return 8 + n;
}

static size_t idx_file(unsigned char *to, int which)
{
    const uint32_t n = which < 2 ? 12 : 5;
    return which % 2 ? idx_labels(to, n) : idx_images(to, n, 28, 28);
}

static void put_idx(const char *dir)
{
    unsigned char bytes[16 + 12 * 784];
    for (int i = 0; i < 4; i++) {
        size_t n = idx_file(bytes, i);
        put_size(dir, idx_files[i], 0);
        put_bytes(dir, idx_files[i], 0, bytes, n);
    }
}

static void check_idx_good(const char *plugin, const char *params, const char *folder)
{
    stock s;
    unsigned char pixels[784], bytes[16 + 12 * 784];
    open_good(&s, plugin, params, "/nowhere", folder);
    assert_int_equal(s.o.info.n[CVY_TRAIN], 12);
    assert_int_equal(s.o.info.n[CVY_TEST], 5);
    assert_int_equal(s.o.info.classes, 10);
    assert_int_equal(s.o.info.element, CVY_U8);
    assert_int_equal(s.o.info.sample.rank, 3);
    assert_int_equal(s.o.info.sample.dim[0], 1);
    assert_int_equal(s.bytes, 784);
    idx_file(bytes, 0);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 11, pixels), 1);
    assert_memory_equal(pixels, bytes + 16 + 11 * 784, 784);
    idx_file(bytes, 2);
    assert_int_equal(stock_read(&s, CVY_TEST, 4, pixels), 4);
    assert_memory_equal(pixels, bytes + 16 + 4 * 784, 784);
    stock_close(&s);
}

static void test_idx_good(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("fashion_mnist", &dir);
    put_idx(dir);
    check_idx_good("datasets/fashion_mnist", "", folder);
    stock s;
    open_good(&s, "datasets/fashion_mnist", "", "/nowhere", folder);
    assert_string_equal(s.o.info.class_names[9], "ankle boot");
    stock_close(&s);
    /* As others lay them out. */
    char *raw = path_join(dir, "MNIST/raw"), *params = mem_printf("path: %s", dir);
    errors e = {0};
    assert_int_equal(file_make_dirs(raw, &e), CVY_OK);
    for (int i = 0; i < 4; i++) {
        char *from = path_join(dir, idx_files[i]), *to = path_join(raw, idx_files[i]);
        assert_int_equal(rename(from, to), 0);
        mem_free(from);
        mem_free(to);
    }
    check_idx_good("datasets/mnist", params, "/nowhere");
    open_good(&s, "datasets/mnist", params, "/nowhere", NULL);
    assert_string_equal(s.o.info.class_names[9], "9");
    stock_close(&s);
    mem_free(raw);
    mem_free(params);
    mem_free(dir);
    plugin_host_remove(folder);
}

static void idx_refused(const char *folder, const char *dir, const char *wanted)
{
    stock_refused("datasets/mnist", "", "/nowhere", folder, dir, wanted);
    put_idx(dir);
}

static void test_idx_damaged(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("mnist", &dir);
    stock_refused(
        "datasets/mnist", "", "/nowhere", folder, dir,
        "@/train-images-idx3-ubyte: not found, nor with .gz behind it. Put the four files of MNIST there "
        "(train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
        "t10k-labels-idx1-ubyte, each plain or as .gz), or set dataset.path to their folder; `convoy data "
        "fetch mnist` fetches them\n");
    put_idx(dir);
    put_bytes(dir, idx_files[0], 3, "\001", 1);
    idx_refused(folder, dir,
                "@/train-images-idx3-ubyte: byte 0: magic number 2049, expected 2051: not an IDX file of "
                "images\n");
    put_bytes(dir, idx_files[3], 0, "\377", 1);
    idx_refused(folder, dir,
                "@/t10k-labels-idx1-ubyte: byte 0: magic number 4278192129, expected 2049: not an IDX file "
                "of labels\n");
    put_bytes(dir, idx_files[0], 4, "\377\377\377\377\377\377\377\377\377\377\377\377", 12);
    idx_refused(folder, dir,
                "@/train-images-idx3-ubyte: byte 8: the header says images of 4294967295 rows, expected 1 to "
                "4096\n");
    put_bytes(dir, idx_files[0], 4, "\377\377\377\377\0\0\020\0\0\0\020\0", 12);
    idx_refused(folder, dir,
                "@/train-images-idx3-ubyte: byte 9424: the file ends here: its header promises "
                "72057594021150736 bytes\n");
    put_bytes(dir, idx_files[2], 4, "\0\0\0\0", 4);
    idx_refused(folder, dir, "@/t10k-images-idx3-ubyte: byte 4: the header says that there are no images\n");
    put_bytes(dir, idx_files[2], 12, "\0\0\0\0", 4);
    idx_refused(folder, dir,
                "@/t10k-images-idx3-ubyte: byte 12: the header says images of 0 columns, expected 1 to "
                "4096\n");
    put_size(dir, idx_files[0], 9000);
    idx_refused(folder, dir,
                "@/train-images-idx3-ubyte: byte 9000: the file ends here: its header promises 9424 bytes\n");
    put_size(dir, idx_files[1], 21);
    idx_refused(folder, dir,
                "@/train-labels-idx1-ubyte: byte 20: the file should end here, by what its header says\n");
    put_size(dir, idx_files[1], 7);
    idx_refused(folder, dir,
                "@/train-labels-idx1-ubyte: byte 7: the file ends here, in the header: expected 8 bytes of "
                "it\n");
    put_size(dir, idx_files[1], 0);
    idx_refused(folder, dir,
                "@/train-labels-idx1-ubyte: byte 0: the file ends here, in the header: expected 8 bytes of "
                "it\n");
    put_bytes(dir, idx_files[3], 8 + 2, "\012", 1);
    idx_refused(folder, dir, "@/t10k-labels-idx1-ubyte: byte 10: label 2 is 10, expected 0 to 9\n");
    unsigned char bytes[16 + 12 * 784];
    put_bytes(dir, idx_files[1], 0, bytes, idx_labels(bytes, 13)); /* more labels than images */
    idx_refused(folder, dir,
                "@/train-labels-idx1-ubyte: byte 4: 13 labels, and 12 images in "
                "@/train-images-idx3-ubyte\n");
    put_bytes(dir, idx_files[2], 0, bytes, idx_images(bytes, 5, 14, 56));
    idx_refused(folder, dir,
                "@/t10k-images-idx3-ubyte: byte 8: images of 14x56, and those to train on are 28x28\n");
    char *path = path_join(dir, idx_files[3]);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    stock_refused("datasets/mnist", "", "/nowhere", folder, dir,
                  "@/t10k-labels-idx1-ubyte: is not a regular file\n");
    mem_free(path);
    mem_free(dir);
    plugin_host_remove(folder);
}

/* ---- packed IDX: written here as gzip's stored blocks, so that the test needs no zlib ---- */

static uint32_t gzip_crc(const unsigned char *p, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* n below 65536 */
static size_t gzip(unsigned char *to, const unsigned char *from, size_t n)
{
    static const unsigned char head[10] = {31, 139, 8, 0, 0, 0, 0, 0, 0, 3};
    const uint32_t crc = gzip_crc(from, n), size = (uint32_t)n;
    memcpy(to, head, 10);
    to[10] = 1;
    to[11] = (unsigned char)n;
    to[12] = (unsigned char)(n >> 8);
    to[13] = (unsigned char)~n;
    to[14] = (unsigned char)(~n >> 8);
    memcpy(to + 15, from, n);
    for (int i = 0; i < 4; i++) {
        to[15 + n + (size_t)i] = (unsigned char)(crc >> (8 * i));
        to[19 + n + (size_t)i] = (unsigned char)(size >> (8 * i));
    }
    return n + 23;
}

static void put_gzip(const char *dir, int which, const unsigned char *bytes, size_t n)
{
    unsigned char packed[16 + 12 * 784 + 64];
    char *name = mem_printf("%s.gz", idx_files[which]);
    put_size(dir, name, 0);
    put_bytes(dir, name, 0, packed, gzip(packed, bytes, n));
    mem_free(name);
}

static void put_all_gzip(const char *dir)
{
    unsigned char bytes[16 + 12 * 784];
    for (int i = 0; i < 4; i++) {
        size_t n = idx_file(bytes, i); /* before the call that reads them */
        put_gzip(dir, i, bytes, n);
    }
}

static void test_idx_packed(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("mnist", &dir);
    unsigned char bytes[16 + 12 * 784 + 1];
    put_all_gzip(dir);
    stock s;
    if (stock_open(&s, "datasets/mnist", "", 1, "/nowhere", folder)) {
        const char *said = plugin_host_message(&s.p);
        assert_non_null(strstr(said, "this build of Convoy has no zlib"));
        assert_non_null(strstr(said, "zlib1g-dev"));
        plugin_host_close(&s.p);
    } else {
        stock_close(&s);
        check_idx_good("datasets/mnist", "", folder);
        const char *const name = "train-images-idx3-ubyte.gz";
        put_size(dir, name, 4000);
        assert_int_not_equal(stock_open(&s, "datasets/mnist", "", 1, "/nowhere", folder), 0);
        assert_non_null(strstr(plugin_host_message(&s.p), "train-images-idx3-ubyte.gz: byte "));
        plugin_host_close(&s.p);
        put_gzip(dir, 0, bytes, idx_images(bytes, 12, 28, 28) - 1);
        stock_refused(
            "datasets/mnist", "", "/nowhere", folder, dir,
            "@/train-images-idx3-ubyte.gz: byte 9423: the file ends here when unpacked: its header promises "
            "9424 bytes\n");
        put_gzip(dir, 0, bytes, idx_images(bytes, 12, 28, 28) + 1);
        stock_refused(
            "datasets/mnist", "", "/nowhere", folder, dir,
            "@/train-images-idx3-ubyte.gz: byte 9424: the file should end here when unpacked, by what its "
            "header says\n");
        idx_images(bytes, 12, 28, 28);
        bytes[4] = 1; /* 16 million images */
        put_gzip(dir, 0, bytes, 9424);
        stock_refused(
            "datasets/mnist", "", "/nowhere", folder, dir,
            "@/train-images-idx3-ubyte.gz: byte 4: the header says 13153346768 bytes: more than 9447 packed "
            "ones can be\n");
        put_text(dir, name, "no gzip at all");
        stock_refused("datasets/mnist", "", "/nowhere", folder, dir,
                      "@/train-images-idx3-ubyte.gz: byte 0: is not packed by gzip, which its name says\n");
    }
    mem_free(dir);
    plugin_host_remove(folder);
}

/* ---- tables ---- */

static void open_table(stock *s, const char *params, const char *dir, const char *content)
{
    put_text(dir, "t.csv", content);
    char *all = mem_printf("path: t.csv%s%s", *params ? ", " : "", params);
    open_good(s, "datasets/csv", all, dir, NULL);
    mem_free(all);
}

static void table_refused(const char *params, const char *dir, const char *content, const char *wanted)
{
    put_text(dir, "t.csv", content);
    char *all = mem_printf("path: t.csv%s%s", *params ? ", " : "", params);
    stock_refused("datasets/csv", all, dir, NULL, dir, wanted);
    mem_free(all);
}

static void test_table_classes(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("csv", &dir);
    stock s;
    float x[4];
    open_table(&s, "test_fraction: 0", dir,
               "\xef\xbb\xbf"
               "a,\"b \"\"x\"\"\",kind\r\n1, -2.5e1 ,pear\r\n\r\n.5,3.,\"apple\"\r\n+1e-2,7,pear");
    assert_int_equal(s.o.info.n[CVY_TRAIN], 3);
    assert_int_equal(s.o.info.n[CVY_TEST], 0);
    assert_int_equal(s.o.info.classes, 2);
    assert_int_equal(s.o.info.targets, 0);
    assert_int_equal(s.o.info.element, CVY_F32);
    assert_int_equal(s.o.info.sample.rank, 1);
    assert_int_equal(s.bytes, 2);
    assert_string_equal(s.o.info.class_names[0], "apple");
    assert_string_equal(s.o.info.class_names[1], "pear");
    assert_int_equal(stock_read(&s, CVY_TRAIN, 0, x), 1);
    assert_true(x[0] == 1.0f && x[1] == -25.0f);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 1, x), 0);
    assert_true(x[0] == 0.5f && x[1] == 3.0f);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 2, x), 1);
    assert_true(x[0] == 0.01f && x[1] == 7.0f);
    stock_close(&s);

    /* Numbers as classes stand in their order; the target first; a shape; a tab between. */
    open_table(&s, "header: false, delimiter: tab, target_column: \"1\", shape: [2, 2], test_fraction: 0",
               dir, "10\t1\t2\t3\t4\n9\t5\t6\t7\t8\n-1\t0\t0\t0\t0\n");
    assert_int_equal(s.o.info.classes, 3);
    assert_string_equal(s.o.info.class_names[0], "-1");
    assert_string_equal(s.o.info.class_names[1], "9");
    assert_string_equal(s.o.info.class_names[2], "10");
    assert_int_equal(s.o.info.sample.rank, 2);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 1, x), 1);
    assert_true(x[0] == 5 && x[3] == 8);
    stock_close(&s);
    mem_free(dir);
    plugin_host_remove(folder);
}

static void test_table_numbers(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("csv", &dir);
    static const char *const written[] = {"0.1",
                                          "-0",
                                          "123456789",
                                          "1e38",
                                          "3.4028234e38",
                                          "1e-40",
                                          "1e-400",
                                          "2.5E+3",
                                          "0.000001",
                                          "16777217",
                                          "1.17549435e-38",
                                          "9999999999999999999999",
                                          "0.30000000000000000000000000000001",
                                          "1e-7",
                                          "100000000000000000000e-20"};
    text t = {0};
    text_add(&t, "a,y\n");
    const int n = sizeof written / sizeof *written;
    for (int i = 0; i < n; i++) text_printf(&t, "%s,%s\n", written[i], written[n - 1 - i]);
    stock s;
    open_table(&s, "target_kind: float, test_fraction: 0", dir, text_str(&t));
    text_free(&t);
    assert_int_equal(s.o.info.classes, 0);
    assert_int_equal(s.o.info.targets, 1);
    for (int i = 0; i < n; i++) {
        float x, y;
        cvy_dataset_read r = {.host = s.p.face, .split = CVY_TRAIN, .index = i, .pixels = &x, .target = &y};
        assert_int_equal(s.type->read(&r, s.p.config, s.state), 0);
        assert_true(x == strtof(written[i], NULL));
        assert_true(y == strtof(written[n - 1 - i], NULL));
    }
    stock_close(&s);

    /* Several targets in the order they are named, columns left out. */
    open_table(&s, "target_kind: float, target_column: \"z, y\", ignore: id, test_fraction: 0", dir,
               "id,y,a,z\nq,1,2,3\nw,4,5,6\n");
    float two[2], a;
    cvy_dataset_read r = {.host = s.p.face, .split = CVY_TRAIN, .index = 1, .pixels = &a, .target = two};
    assert_int_equal(s.type->read(&r, s.p.config, s.state), 0);
    assert_int_equal(s.o.info.targets, 2);
    assert_true(two[0] == 6 && two[1] == 4 && a == 5);
    stock_close(&s);
    mem_free(dir);
    plugin_host_remove(folder);
}

/* Lines of two classes, 60 and 40; the features are the number of the line and a constant. */
static char *hundred(void)
{
    text t = {0};
    text_add(&t, "number,one,kind\n");
    for (int i = 0; i < 100; i++) text_printf(&t, "%d,1,%s\n", i, i % 5 < 3 ? "common" : "rare");
    return text_take(&t);
}

static void test_table_splits(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("csv", &dir), *content = hundred();
    stock s;
    float x[2];
    int seen[100] = {0}, first[100] = {0};
    for (int seed = 0; seed < 3; seed++) { /* 0, 0 again, 1 */
        open_table(&s, seed < 2 ? "seed: 0" : "seed: 1", dir, content);
        assert_int_equal(s.o.info.n[CVY_TRAIN], 80);
        assert_int_equal(s.o.info.n[CVY_TEST], 20);
        int rare = 0, different = 0;
        memset(seen, 0, sizeof seen);
        for (uint32_t split = 0; split < 2; split++)
            for (int64_t i = 0; i < s.o.info.n[split]; i++) {
                int32_t label = stock_read(&s, split, i, x);
                rare += split == CVY_TEST && label == 1;
                seen[(int)x[0]] += split == CVY_TEST ? 2 : 1;
            }
        assert_int_equal(rare, 8);
        for (int i = 0; i < 100; i++) {
            assert_in_range(seen[i], 1, 2);
            different += seen[i] != first[i];
            if (seed == 0) first[i] = seen[i];
        }
        if (seed == 1) assert_int_equal(different, 0);
        if (seed == 2) assert_true(different > 0);
        stock_close(&s);
    }

    open_table(&s, "standardize: true", dir, content);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < 80; i++) {
        stock_read(&s, CVY_TRAIN, i, x);
        sum += x[0];
        squares += (double)x[0] * x[0];
        assert_true(x[1] == 0);
    }
    assert_true(sum < 1e-4 && sum > -1e-4 && squares > 79.99 && squares < 80.01);
    stock_close(&s);

    /* A folder with both files; and a second file by name. */
    put_text(dir, "train.csv", content);
    put_text(dir, "test.csv", "number,one,kind\n7,1,rare\n");
    open_good(&s, "datasets/csv", "", "/nowhere", folder);
    assert_int_equal(s.o.info.n[CVY_TRAIN], 100);
    assert_int_equal(s.o.info.n[CVY_TEST], 1);
    assert_int_equal(stock_read(&s, CVY_TEST, 0, x), 1);
    stock_close(&s);
    stock_refused("datasets/csv", "test_path: no.csv", dir, folder, dir,
                  "@/no.csv: not found. Put the table there, or set dataset.test_path to its file\n");
    put_text(dir, "test.csv", "number,one,kind\n7,1,odd\n");
    stock_refused("datasets/csv", "", "/nowhere", folder, dir,
                  "@/test.csv: byte 20: class \"odd\" is in no line of @/train.csv\n");
    put_text(dir, "test.csv", "number,two,kind\n7,1,rare\n");
    stock_refused("datasets/csv", "", "/nowhere", folder, dir,
                  "@/test.csv: byte 7: column 2 is called \"two\" here and something else in @/train.csv\n");
    mem_free(content);
    mem_free(dir);
    plugin_host_remove(folder);
}

static void test_table_damaged(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("csv", &dir);
    table_refused("", dir, "", "@/t.csv: byte 0: the file is empty\n");
    table_refused("", dir, "\n\n", "@/t.csv: byte 0: the file has no lines\n");
    table_refused("", dir, "a,y\n", "@/t.csv: byte 4: the file has no lines of data\n");
    table_refused(
        "", dir, "a,b,y\n1,,0\n",
        "@/t.csv: byte 8: line 2, column 2 (b): the cell has no number: fill it in, or leave the line or the "
        "column out, found \"\"\n");
    table_refused("", dir, "a,b,y\n1,2,0\n1,NA,0\n",
                  "@/t.csv: byte 14: line 3, column 2 (b): the cell has no number: fill it in, or leave the "
                  "line or the "
                  "column out, found \"NA\"\n");
    table_refused("", dir, "a,y\n1.5x,0\n",
                  "@/t.csv: byte 4: line 2, column 1 (a): expected a number like 12 or -3.5e-7 (a column of "
                  "words can be "
                  "left out with `ignore`), found \"1.5x\"\n");
    table_refused(
        "delimiter: \";\", header: false", dir, "1,5;0\n",
        "@/t.csv: byte 0: line 1, column 1: expected a number like 12 or -3.5e-7 (a column of words can be "
        "left out with `ignore`), found \"1,5\"\n");
    table_refused(
        "", dir, "a,y\n1e39,0\n",
        "@/t.csv: byte 4: line 2, column 1 (a): the number is too large for a float, found \"1e39\"\n");
    table_refused("", dir, "a,y\n1,\n",
                  "@/t.csv: byte 6: line 2, column 2 (y): the cell has no class: fill it in, or leave the "
                  "line out, found "
                  "\"\"\n");
    table_refused("", dir, "a,y\n1,2\n\n1,2,3\n",
                  "@/t.csv: byte 9: line 4: 3 cells, expected 2 as in the first line\n");
    table_refused("", dir, "a,y\n1,\"2\n1,2\n",
                  "@/t.csv: byte 6: line 2: the quote that begins here does not end\n");
    table_refused(
        "", dir, "a,y\n1,\"2\"3\n",
        "@/t.csv: byte 9: line 2: text behind a quoted cell: double the quotes that belong to it\n");
    table_refused(
        "", dir, "y\n1\n",
        "@/t.csv: byte 0: line 1: no column is left beside what is to be predicted: is the delimiter another "
        "one?\n");
    table_refused(
        "target_column: q", dir, "a,y\n1,2\n",
        "@/t.csv: byte 0: target_column: no column is called \"q\"; the first line has the names\n");
    table_refused("target_column: a", dir, "a,a\n1,2\n",
                  "@/t.csv: target_column: two columns are called \"a\"\n");
    table_refused(
        "shape: [1, 3]", dir, "a,b,y\n1,2,3\n",
        "@/t.csv: shape: it holds 3 values, and a line has 2 beside what is to be predicted or ignored\n");
    table_refused("shape: [1073741824, 1073741824, 1073741824]", dir, "a,b,y\n1,2,3\n",
                  "@/t.csv: shape: it holds 9223372036854775807 values, and a line has 2 beside what is to "
                  "be predicted or "
                  "ignored\n");
    put_text(dir, "t.csv", "a,y\n1,2\n");
    put_bytes(dir, "t.csv", 5, "", 1);
    stock_refused("datasets/csv", "path: t.csv", dir, NULL, dir,
                  "@/t.csv: byte 5: a NUL byte: not a text file, or one in UTF-16; UTF-8 is read\n");
    put_size(dir, "t.csv", (1LL << 30) + 1);
    stock_refused("datasets/csv", "path: t.csv", dir, NULL, dir,
                  "@/t.csv: 1073741825 bytes: tables are held in memory, and 1073741824 are the most\n");
    mem_free(dir);
    plugin_host_remove(folder);
}

/* ---- files damaged at random ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Some bytes changed, maybe some left out or put in; the new length. `room` bytes are there. */
static size_t damage(unsigned char *b, size_t n, size_t room, const char *likely, uint32_t *random)
{
    const uint32_t times = 1 + next_random(random) % 4;
    const size_t m = strlen(likely);
    for (uint32_t k = 0; k < times && n; k++) {
        const size_t at =
            next_random(random) % 3 ? next_random(random) % n : next_random(random) % (n < 24 ? n : 24);
        switch (next_random(random) % 5) {
        case 0:
            b[at] = (unsigned char)next_random(random);
            break;
        case 1:
            b[at] = (unsigned char)likely[next_random(random) % m];
            break;
        case 2:
            b[at] = (unsigned char)(b[at] ^ 1u << next_random(random) % 8);
            break;
        case 3:
            n = at;
            break;
        default:
            if (n < room) {
                memmove(b + at + 1, b + at, n - at);
                b[at] = (unsigned char)likely[next_random(random) % m];
                n++;
            }
        }
    }
    return n;
}

/* Whatever is in the files, opening says what is wrong or the samples can be read. */
static bool survives(const char *plugin, const char *params, const char *dir)
{
    stock s;
    if (stock_open(&s, plugin, params, 1, dir, NULL)) {
        assert_string_not_equal(plugin_host_message(&s.p), "");
        plugin_host_close(&s.p);
        return false;
    }
    const int64_t count = cvy_count(&s.o.info.sample);
    float *x = malloc((size_t)count * sizeof *x), *t = calloc((size_t)s.o.info.targets + 1, sizeof *t);
    assert_non_null(x);
    assert_non_null(t);
    for (uint32_t split = 0; split < 2; split++)
        for (int64_t i = 0; i < s.o.info.n[split] && i < 20; i++) {
            cvy_dataset_read r = {.host = s.p.face,
                                  .split = split,
                                  .index = i,
                                  .pixels = x,
                                  .target = s.o.info.targets ? t : NULL};
            assert_int_equal(s.type->read(&r, s.p.config, s.state), 0);
            if (s.o.info.classes) assert_in_range(r.label, 0, s.o.info.classes - 1);
        }
    free(x);
    free(t);
    stock_close(&s);
    return true;
}

static void test_idx_random(void **state)
{
    (void)state;
    char *dir, *folder = data_folder("mnist", &dir), *params = mem_printf("path: %s", dir);
    unsigned char bytes[16 + 12 * 784 + 64];
    uint32_t random = 1;
    int good = 0;
    for (int i = 0; i < 1500; i++) {
        put_idx(dir);
        const int which = (int)(next_random(&random) % 4);
        size_t n = idx_file(bytes, which);
        n = damage(bytes, n, sizeof bytes, "\001\003\010\377\177\200", &random);
        put_size(dir, idx_files[which], 0);
        put_bytes(dir, idx_files[which], 0, bytes, n);
        good += survives("datasets/mnist", params, dir);
    }
    assert_in_range(good, 1, 1499);
    /* The same packed: the damage may be in what is packed or in the packing. */
    for (int i = 0; i < 4; i++) {
        char *path = path_join(dir, idx_files[i]);
        unlink(path);
        mem_free(path);
    }
    for (int i = 0; i < 1500; i++) {
        unsigned char packed[sizeof bytes + 64];
        put_all_gzip(dir);
        const int which = (int)(next_random(&random) % 4);
        const bool inside = next_random(&random) % 2;
        size_t n = idx_file(bytes, which);
        if (inside) n = damage(bytes, n, sizeof bytes, "\001\003\010\377\177\200", &random);
        n = gzip(packed, bytes, n);
        if (!inside) n = damage(packed, n, sizeof packed, "\001\003\010\377\177\200", &random);
        char *name = mem_printf("%s.gz", idx_files[which]);
        put_size(dir, name, 0);
        put_bytes(dir, name, 0, packed, n);
        mem_free(name);
        survives("datasets/mnist", params, dir);
    }
    mem_free(params);
    mem_free(dir);
    plugin_host_remove(folder);
}

static void test_table_random(void **state)
{
    (void)state;
    static const char *const params[] = {"path: t.csv", "path: t.csv, target_kind: float, test_fraction: 0.5",
                                         "path: t.csv, header: false, standardize: true",
                                         "path: t.csv, target_column: \"a, b\", target_kind: float",
                                         "path: t.csv, shape: [1, 2], ignore: a, standardize: true"};
    static const char good_table[] = "a,b,c,y\r\n1,2,3,4\n\"1\",2e3,-.5,\"4\"\n0.25,1e-9,7,5\n6,5,4,4\n";
    char *dir, *folder = data_folder("csv", &dir);
    uint32_t random = 2;
    int good = 0;
    for (int i = 0; i < 4000; i++) {
        unsigned char bytes[sizeof good_table + 64];
        memcpy(bytes, good_table, sizeof good_table - 1);
        const size_t n =
            damage(bytes, sizeof good_table - 1, sizeof bytes, "\",\r\n;e.-+019a \t\200", &random);
        put_size(dir, "t.csv", 0);
        put_bytes(dir, "t.csv", 0, bytes, n);
        good += survives("datasets/csv", params[i % 5], dir);
    }
    assert_in_range(good, 200, 3800);
    mem_free(dir);
    plugin_host_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cifar100),      cmocka_unit_test(test_idx_good),
        cmocka_unit_test(test_idx_damaged),   cmocka_unit_test(test_idx_packed),
        cmocka_unit_test(test_table_classes), cmocka_unit_test(test_table_numbers),
        cmocka_unit_test(test_table_splits),  cmocka_unit_test(test_table_damaged),
        cmocka_unit_test(test_idx_random),    cmocka_unit_test(test_table_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
