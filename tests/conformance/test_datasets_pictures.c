/* Folders of pictures: classes by folder, name and table; splits, sizes, damaged files; the index and the cache, also when files
 * change, caches rot and several processes make them at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../image/pictures.h"
#include "base/file.h"
#include "stock.h"

/* A folder ROOT/pictures for the files and ROOT/cache; all paths below are below the first. */
typedef struct bed {
    char *root, *dir, *cache;
} bed;

static bed bed_make(void)
{
    bed b = {.root = plugin_host_folder()};
    b.dir = path_join(b.root, "pictures");
    b.cache = path_join(b.root, "cache");
    assert_int_equal(mkdir(b.dir, 0700), 0);
    return b;
}

static void bed_free(bed *b)
{
    plugin_host_remove(b->root);
    mem_free(b->dir);
    mem_free(b->cache);
}

static void bed_put(const bed *b, const char *name, const void *bytes, size_t n)
{
    char *path = path_join(b->dir, name), *dir = path_dir(path);
    errors e = {0};
    assert_int_equal(file_make_dirs(dir, &e), CVY_OK);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    mem_free(dir);
    mem_free(path);
}

/* A PNG of one grey value. */
static void bed_png(const bed *b, const char *name, uint32_t h, uint32_t w, uint8_t value)
{
    static picture p;
    static uint8_t x[64 * 64];
    memset(x, value, sizeof x);
    picture_png(&p, x, h, w, 0);
    bed_put(b, name, p.s, p.n);
}

/* Opens ROOT/pictures; 0: the caller closes. */
static int bed_open(const bed *b, stock *s, const char *params, const char *cache)
{
    char *all = mem_printf("path: %s%s%s", b->dir, *params ? ", " : "", params);
    memset(s, 0, sizeof *s);
    plugin_host_open(&s->p, "datasets/image_folder", false, all, 1);
    mem_free(all);
    if (!s->p.config) return -1;
    s->type = s->p.type;
    s->o = (cvy_dataset_open){
        .host = s->p.face, .base_dir = b->root, .data_dir = b->root, .seed = 1, .cache_dir = cache};
    return s->type->open(&s->o, s->p.config, &s->state);
}

static void bed_refused(const bed *b, const char *params, const char *wanted)
{
    stock s;
    assert_int_not_equal(bed_open(b, &s, params, NULL), 0);
    text expected = {0};
    for (; *wanted; wanted++)
        if (*wanted == '@')
            text_add(&expected, b->dir);
        else
            text_char(&expected, *wanted);
    assert_string_equal(plugin_host_message(&s.p), text_str(&expected));
    text_free(&expected);
    plugin_host_close(&s.p);
}

#ifdef CONVOY_PNG

/* As if everything there had lain for years. */
static void age(const char *path)
{
    const struct timespec old[2] = {{1000000000, 5}, {1000000000, 5}};
    struct stat st;
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) return;
    DIR *d = opendir(path);
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.') continue;
        char *inside = path_join(path, e->d_name);
        age(inside);
        mem_free(inside);
    }
    closedir(d);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void bed_good(const bed *b, stock *s, const char *params, const char *cache)
{
    if (bed_open(b, s, params, cache)) fail_msg("%s", plugin_host_message(&s->p));
}

static void check_counts(const stock *s, int64_t train, int64_t test, int32_t classes)
{
    assert_int_equal(s->o.info.n[CVY_TRAIN], train);
    assert_int_equal(s->o.info.n[CVY_TEST], test);
    assert_int_equal(s->o.info.classes, classes);
}

static uint8_t first_pixel(const stock *s, uint32_t split, int64_t i, int32_t label)
{
    static uint8_t pixels[3 * 64 * 64];
    assert_int_equal(stock_read(s, split, i, pixels), label);
    return pixels[0];
}

/* ---- layouts ---- */

static void test_class_folders(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    bed_png(&b, "train/dog/b.png", 4, 6, 20);
    bed_png(&b, "train/dog/a.PNG", 4, 6, 21);
    bed_png(&b, "train/Zebra/z.png", 4, 6, 30);
    bed_png(&b, "train/cat/deep/er/c.png", 4, 6, 10);
    bed_png(&b, "train/.hidden/c.png", 4, 6, 99);
    bed_put(&b, "train/cat/notes.txt", "no picture", 10);
    bed_put(&b, "train/cat/.d.png", "no picture", 10);
    bed_png(&b, "train/stray.png", 4, 6, 98);
    bed_png(&b, "test/cat/1.png", 4, 6, 11);
    bed_good(&b, &s, "", NULL);
    check_counts(&s, 4, 1, 3);
    assert_string_equal(s.o.info.class_names[0], "Zebra"); /* by bytes, as sorted() of Python has it */
    assert_string_equal(s.o.info.class_names[1], "cat");
    assert_string_equal(s.o.info.class_names[2], "dog");
    assert_int_equal(s.o.info.varied, 0);
    assert_int_equal(s.o.info.sample.dim[0], 3);
    assert_int_equal(s.o.info.sample.dim[1], 4);
    assert_int_equal(s.o.info.sample.dim[2], 6);
    assert_int_equal(strlen(s.o.info.fingerprint), 64);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 0, 0), 30);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 1, 1), 10);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 2, 2), 21);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 3, 2), 20);
    assert_int_equal(first_pixel(&s, CVY_TEST, 0, 1), 11);
    assert_int_equal(stock_read(&s, CVY_TEST, 0, NULL), 1);
    stock_close(&s);
    bed_good(&b, &s, "channels: grey", NULL);
    assert_int_equal(s.o.info.sample.dim[0], 1);
    stock_close(&s);
    /* Both folders named, and a folder of links. */
    char *path = path_join(b.dir, "test/zz");
    assert_int_equal(symlink("../train/dog", path), 0);
    bed_refused(&b, "",
                "@/test/zz: there is no folder of this class in @/train: make one, or remove this one\n");
    unlink(path);
    mem_free(path);
    path = path_join(b.dir, "test/dog");
    assert_int_equal(symlink("../train/dog", path), 0);
    bed_good(&b, &s, "", NULL);
    check_counts(&s, 4, 3, 3);
    stock_close(&s);
    /* A test folder named: then `path` is taken for the training pictures, of the classes `test` and `train`. */
    assert_int_not_equal(bed_open(&b, &s, "test_path: pictures/train", NULL), 0);
    assert_non_null(strstr(plugin_host_message(&s.p), "/train/Zebra: there is no folder of this class in "));
    plugin_host_close(&s.p);
    bed_free(&b);
    mem_free(path);
}

static void test_drawn(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    char name[32];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%c/%02d.png", i < 15 ? 'a' : 'b', i);
        bed_png(&b, name, 3, 3, (uint8_t)i);
    }
    uint8_t seen[2][20] = {{0}};
    for (int round = 0; round < 2; round++) {
        bed_good(&b, &s, round ? "test_fraction: 0.2, seed: 7" : "test_fraction: 0.2, seed: 7", NULL);
        check_counts(&s, 16, 4, 2);
        int b_tested = 0;
        for (int64_t i = 0; i < 16; i++) seen[round][first_pixel(&s, CVY_TRAIN, i, i < 12 ? 0 : 1)] = 1;
        for (int64_t i = 0; i < 4; i++) {
            const uint8_t v = first_pixel(&s, CVY_TEST, i, i < 3 ? 0 : 1);
            assert_int_equal(seen[round][v], 0);
            b_tested += v >= 15;
        }
        assert_int_equal(b_tested, 1);
        stock_close(&s);
    }
    assert_memory_equal(seen[0], seen[1], 20);
    bed_good(&b, &s, "test_fraction: 0", NULL);
    check_counts(&s, 20, 0, 2);
    stock_close(&s);
    bed_free(&b);
}

static void test_pattern(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    bed_png(&b, "cat.0.png", 2, 2, 1);
    bed_png(&b, "cat.17.png", 2, 2, 2);
    bed_png(&b, "great_dane_3.png", 2, 2, 3);
    bed_refused(&b, "labels_pattern: \"{class}.*.png\"",
                "@/great_dane_3.png: the name does not match labels_pattern \"{class}.*.png\"\n");
    bed_refused(&b, "labels_pattern: \"*.png\"",
                "labels_pattern: \"*.png\" has not one {class}; files like cat.123.jpg are \"{class}.*\"\n");
    bed_refused(&b, "",
                "@: 3 pictures, but none in a folder of its class. If the class is in their names, set "
                "dataset.labels_pattern; if it is in a table, dataset.labels_file\n");
    char *path = path_join(b.dir, "great_dane_3.png");
    unlink(path);
    mem_free(path);
    bed_png(&b, "dog.9.png", 2, 2, 4);
    bed_good(&b, &s, "labels_pattern: \"{class}.*\", test_fraction: 0", NULL);
    check_counts(&s, 3, 0, 2);
    assert_string_equal(s.o.info.class_names[0], "cat");
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 2, 1), 4);
    stock_close(&s);
    bed_free(&b);
    b = bed_make();
    bed_png(&b, "great_dane_3.png", 2, 2, 3);
    bed_png(&b, "sub/pug_12.png", 2, 2, 5);
    bed_good(&b, &s, "labels_pattern: \"{class}_#.png\", test_fraction: 0", NULL);
    assert_string_equal(s.o.info.class_names[0], "great_dane");
    assert_string_equal(s.o.info.class_names[1], "pug");
    stock_close(&s);
    bed_free(&b);
}

static void test_table(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    for (int i = 1; i <= 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.png", i);
        bed_png(&b, name, 2, 2, (uint8_t)i);
    }
    char *table = path_join(b.root, "labels.csv");
    FILE *f = fopen(table, "w");
    fputs("id,class,file\r\nx,10,1.png\r\ny,9,2\r\nz,10,\"./3.png\"\r\n", f);
    fclose(f);
    bed_good(&b, &s, "labels_file: labels.csv, test_fraction: 0", NULL);
    check_counts(&s, 3, 0, 2);
    assert_string_equal(s.o.info.class_names[0], "9"); /* numbers by what they say */
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 0, 1), 1);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 1, 0), 2);
    assert_non_null(
        strstr(plugin_host_message(&s.p), "left out, since the table of classes does not name them: 4.png"));
    stock_close(&s);
    f = fopen(table, "w");
    fputs("1.png,a\n7.png,b\n", f);
    fclose(f);
    assert_int_not_equal(bed_open(&b, &s, "labels_file: labels.csv", NULL), 0);
    char *wanted = mem_printf("%s: byte 8: line 2: there is no picture \"7.png\" below %s\n", table, b.dir);
    assert_string_equal(plugin_host_message(&s.p), wanted);
    plugin_host_close(&s.p);
    mem_free(wanted);
    f = fopen(table, "w");
    fputs("1.png,a\n1.png,b\n", f);
    fclose(f);
    assert_int_not_equal(bed_open(&b, &s, "labels_file: labels.csv", NULL), 0);
    assert_non_null(
        strstr(plugin_host_message(&s.p), "line 2: this picture has another class in a line before"));
    plugin_host_close(&s.p);
    mem_free(table);
    bed_free(&b);
}

/* ---- sizes ---- */

static void check_shape(const stock *s, int64_t i, int64_t h, int64_t w)
{
    static uint8_t pixels[3 * 64 * 64];
    for (int with = 0; with < 2; with++) {
        cvy_dataset_read r = {
            .host = s->p.face, .split = CVY_TRAIN, .index = i, .pixels = with ? pixels : NULL};
        assert_int_equal(s->type->read(&r, s->p.config, s->state), 0);
        assert_int_equal(r.shape.rank, 3);
        assert_int_equal(r.shape.dim[1], h);
        assert_int_equal(r.shape.dim[2], w);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    bed_png(&b, "a/1.png", 10, 20, 50);
    bed_png(&b, "a/2.png", 30, 8, 60);
    bed_good(&b, &s, "test_fraction: 0", NULL);
    assert_int_equal(s.o.info.varied, 1);
    assert_int_equal(s.o.info.sample.dim[1], 30);
    assert_int_equal(s.o.info.sample.dim[2], 20);
    check_shape(&s, 0, 10, 20);
    check_shape(&s, 1, 30, 8);
    stock_close(&s);
    bed_good(&b, &s, "test_fraction: 0, resize: 5", NULL); /* the shorter side */
    check_shape(&s, 0, 5, 10);
    check_shape(&s, 1, 18, 5);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 1, 0), 60);
    stock_close(&s);
    bed_good(&b, &s, "test_fraction: 0, resize: 8, crop: [6, 7]", NULL);
    assert_int_equal(s.o.info.varied, 0);
    check_shape(&s, 0, 6, 7);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 0, 0), 50);
    /* A picture from elsewhere is treated the same way. */
    static uint8_t x[3 * 12 * 24], y[3 * 6 * 7];
    memset(x, 77, sizeof x);
    cvy_dataset_import i = {.host = s.p.face, .pixels = x, .channels = 3, .height = 12, .width = 24};
    assert_int_equal(s.type->import(&i, s.p.config), 0);
    assert_int_equal(i.shape.dim[1], 6);
    assert_int_equal(i.shape.dim[2], 7);
    i.sample = y;
    assert_int_equal(s.type->import(&i, s.p.config), 0);
    for (size_t k = 0; k < sizeof y; k++) assert_int_equal(y[k], 77);
    stock_close(&s);
    bed_good(&b, &s, "test_fraction: 0, resize: [9, 4]", NULL);
    assert_int_equal(s.o.info.varied, 0);
    check_shape(&s, 1, 9, 4);
    stock_close(&s);
    bed_refused(
        &b, "crop: [12, 8]",
        "@/a/1.png: the picture of 10 x 20 pixels (height x width) is smaller than `crop`: write `resize` "
        "too, with at least crop's longer side\n");
    bed_refused(&b, "resize: [1, 2, 3]",
                "resize: 3 numbers; expected one (the shorter side) or two (height and width)\n");
    bed_free(&b);
}

/* The centre of a picture: rows and columns of one's own. */
static void test_crop(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    static picture p;
    uint8_t x[5 * 6], y[3 * 2 * 3];
    for (int k = 0; k < 30; k++) x[k] = (uint8_t)k;
    picture_png(&p, x, 5, 6, 0);
    bed_put(&b, "a/x.png", p.s, p.n);
    bed_good(&b, &s, "test_fraction: 0, crop: [2, 3]", NULL);
    assert_int_equal(stock_read(&s, CVY_TRAIN, 0, y), 0);
    /* (5 - 2) / 2 = 1.5 and (6 - 3) / 2 = 1.5 round to 2, as Python does. */
    const uint8_t wanted[6] = {14, 15, 16, 20, 21, 22};
    for (int c = 0; c < 3; c++) assert_memory_equal(y + 6 * c, wanted, 6);
    stock_close(&s);
    bed_free(&b);
}

/* ---- damaged files ---- */

static void test_damaged(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    static picture p;
    uint8_t x[16];
    bed_png(&b, "a/1.png", 4, 4, 1);
    bed_png(&b, "a/2.png", 4, 4, 2);
    bed_png(&b, "b/3.png", 4, 4, 3);
    bed_put(&b, "b/4.jpg", "<html>gone</html>", 17);
    picture_fill(x, 16, 1);
    picture_png(&p, x, 4, 4, 0);
    bed_put(&b, "a/cut.png", p.s, p.n - 20); /* the header is whole */
    bed_refused(&b, "",
                "@/b/4.jpg: byte 0: an HTML page, as a server answers when the picture is gone; JPEG and PNG "
                "pictures are read\n");
    for (int round = 0; round < 2; round++) { /* found out, and remembered */
        bed_good(&b, &s, "on_corrupt: skip, test_fraction: 0", b.cache);
        check_counts(&s, 3, 0, 2);
        char *wanted = mem_printf(
            "warning: 2 of the 5 pictures of %s are left out, since they cannot be decoded: a/cut.png, "
            "b/4.jpg\n",
            b.dir);
        assert_string_equal(plugin_host_message(&s.p), wanted);
        mem_free(wanted);
        assert_int_equal(first_pixel(&s, CVY_TRAIN, 2, 1), 3);
        stock_close(&s);
        age(b.dir);
    }
    /* What has been marked as damaged is still an error where that is wanted. */
    assert_int_not_equal(bed_open(&b, &s, "", b.cache), 0);
    assert_non_null(strstr(plugin_host_message(&s.p), "b/4.jpg: byte 0: an HTML page"));
    plugin_host_close(&s.p);
    char *path = path_join(b.dir, "b/4.jpg");
    unlink(path);
    mem_free(path);
    /* The header tells nothing: the decoder does, when the cache is made or when the sample is read. */
    assert_int_not_equal(bed_open(&b, &s, "test_fraction: 0", b.cache), 0);
    assert_non_null(strstr(plugin_host_message(&s.p), "a/cut.png: byte "));
    plugin_host_close(&s.p);
    bed_good(&b, &s, "test_fraction: 0, cache: false", b.cache);
    cvy_dataset_read r = {.host = s.p.face, .split = CVY_TRAIN, .index = 2, .pixels = (uint8_t[48]){0}};
    assert_int_not_equal(s.type->read(&r, s.p.config, s.state), 0);
    assert_non_null(strstr(plugin_host_message(&s.p), "a/cut.png: byte "));
    stock_close(&s);
    bed_put(&b, "c/only.png", "GIF89a", 6);
    bed_refused(&b, "on_corrupt: skip", "@/c: none of the 1 pictures of this class can be decoded\n");
    bed_free(&b);
}

/* ---- the index and the cache ---- */

/* The one file of this ending in the cache: its inode and its path; 0: there is none. */
static ino_t cached(const bed *b, const char *ending, char **path)
{
    char *dir = path_join(b->cache, "image_folder");
    DIR *d = opendir(dir);
    ino_t inode = 0;
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (!text_ends(e->d_name, ending)) continue;
        struct stat st;
        char *at = path_join(dir, e->d_name);
        assert_int_equal(stat(at, &st), 0);
        assert_int_equal(inode, 0);
        inode = st.st_ino;
        if (path) *path = mem_text(at);
        mem_free(at);
    }
    if (d) closedir(d);
    mem_free(dir);
    return inode;
}

static void make_four(const bed *b)
{
    bed_png(b, "a/1.png", 4, 4, 1);
    bed_png(b, "a/2.png", 4, 4, 2);
    bed_png(b, "b/3.png", 4, 4, 3);
    bed_png(b, "b/4.png", 4, 4, 4);
    age(b->dir);
}

static void test_cache(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    char before[65], *index = NULL, *pixels = NULL;
    make_four(&b);
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    memcpy(before, s.o.info.fingerprint, 65);
    stock_close(&s);
    const ino_t i1 = cached(&b, ".index", &index), p1 = cached(&b, ".pixels", &pixels);
    assert_true(i1 && p1);
    /* Nothing has changed: both are taken, and samples come from the cache even when a file is gone that nobody looks at. */
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    assert_true(cached(&b, ".index", NULL) == i1 && cached(&b, ".pixels", NULL) == p1);
    assert_string_equal(s.o.info.fingerprint, before);
    char *path = path_join(b.dir, "b/3.png");
    unlink(path);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 2, 1), 3);
    stock_close(&s);
    /* Another file of the same name, size and time: the time of the change tells. */
    bed_png(&b, "b/3.png", 4, 4, 33);
    age(b.dir);
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 2, 1), 33);
    assert_string_not_equal(s.o.info.fingerprint, before);
    stock_close(&s);
    bed_png(&b, "b/3.png", 4, 4, 3);
    age(b.dir);
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    assert_string_equal(s.o.info.fingerprint, before);
    stock_close(&s);
    /* A new file, and one gone. */
    bed_png(&b, "a/0.png", 4, 4, 9);
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    check_counts(&s, 5, 0, 2);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 0, 0), 9);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 3, 1), 3);
    stock_close(&s);
    unlink(path);
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    check_counts(&s, 4, 0, 2);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 3, 1), 4);
    stock_close(&s);
    mem_free(path);
    mem_free(index);
    mem_free(pixels);
    bed_free(&b);
}

/* Whatever stands in the caches: the right samples come out. */
static void test_rotten(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    make_four(&b);
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    stock_close(&s);
    for (int which = 0; which < 2; which++) {
        char *path = NULL, *good;
        size_t n;
        errors e = {0};
        assert_true(cached(&b, which ? ".pixels" : ".index", &path) != 0);
        assert_int_equal(file_read(path, 1 << 20, &good, &n, &e), CVY_OK);
        uint32_t seed = 7;
        for (int round = 0; round < 60; round++) {
            char *bad = mem_copy(good, n);
            size_t size = n;
            seed = seed * 1664525 + 1013904223;
            if (round < 15)
                size = (seed >> 8) % n;
            else
                bad[(seed >> 8) % (round < 40 ? (n < 600 ? n : 600) : n)] ^= (char)(1 << (seed >> 29));
            FILE *f = fopen(path, "wb");
            assert_int_equal(fwrite(bad, 1, size, f), size);
            fclose(f);
            mem_free(bad);
            bed_good(&b, &s, "test_fraction: 0", b.cache);
            check_counts(&s, 4, 0, 2);
            for (int i = 0; i < 4; i++) assert_int_equal(first_pixel(&s, CVY_TRAIN, i, i / 2), i + 1);
            stock_close(&s);
        }
        mem_free(good);
        mem_free(path);
    }
    bed_free(&b);
}

static void *open_one(void *arg)
{
    stock s;
    bed *b = arg;
    bed_good(b, &s, "test_fraction: 0", b->cache);
    for (int i = 0; i < 4; i++) {
        uint8_t pixels[48];
        assert_int_equal(stock_read(&s, CVY_TRAIN, i, pixels), i / 2);
        assert_int_equal(pixels[0], i + 1);
    }
    stock_close(&s);
    return NULL;
}

/* Several at once, and what a killed one left behind. */
static void test_together(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    pthread_t threads[4];
    make_four(&b);
    bed_good(&b, &s, "test_fraction: 0", b.cache);
    stock_close(&s);
    char *index = NULL, *pixels = NULL;
    cached(&b, ".index", &index);
    cached(&b, ".pixels", &pixels);
    char *both[2] = {index, pixels};
    for (int k = 0; k < 2; k++) {
        unlink(both[k]);
        char *stem = mem_text_n(both[k], strlen(both[k]) - (k ? 7 : 6)), *fresh = mem_printf("%s.new", stem);
        FILE *f = fopen(fresh, "wb");
        fputs("half", f);
        fclose(f);
        mem_free(stem);
        mem_free(fresh);
    }
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, open_one, &b), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_true(cached(&b, ".index", NULL) && cached(&b, ".pixels", NULL));
    assert_int_equal(cached(&b, ".new", NULL), 0);
    mem_free(index);
    mem_free(pixels);
    bed_free(&b);
}

static void *read_all(void *arg)
{
    const stock *s = arg;
    intptr_t wrong = 0;
    for (int64_t k = 0; k < 40; k++) {
        uint8_t pixels[48];
        cvy_dataset_read r = {.host = s->p.face, .split = CVY_TRAIN, .index = k % 4, .pixels = pixels};
        wrong += s->type->read(&r, s->p.config, s->state) != 0 || pixels[0] != k % 4 + 1 ||
                 pixels[47] != k % 4 + 1;
    }
    return (void *)wrong;
}

/* One instance read by several, from the files and from the cache. */
static void test_read_together(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    make_four(&b);
    for (int kept = 0; kept < 2; kept++) {
        pthread_t threads[4];
        bed_good(&b, &s, "test_fraction: 0", kept ? b.cache : NULL);
        for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_all, &s), 0);
        for (int i = 0; i < 4; i++) {
            void *wrong;
            pthread_join(threads[i], &wrong);
            assert_null(wrong);
        }
        stock_close(&s);
    }
    bed_free(&b);
}

/* A cache folder that cannot be: said once, and done without. */
static void test_no_room(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    make_four(&b);
    char *file = path_join(b.root, "file");
    FILE *f = fopen(file, "w");
    fclose(f);
    bed_good(&b, &s, "test_fraction: 0", file);
    const char *said = plugin_host_message(&s.p);
    assert_non_null(strstr(said, "warning: the decoded pictures cannot be kept in "));
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 3, 1), 4);
    stock_close(&s);
    bed_good(&b, &s, "test_fraction: 0, cache: false", file);
    assert_string_equal(plugin_host_message(&s.p), "");
    stock_close(&s);
    mem_free(file);
    bed_free(&b);
}

/* A disk that is full before the cache is whole. */
static void test_full_disk(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    bed_png(&b, "a/1.png", 64, 64, 1);
    bed_png(&b, "a/2.png", 64, 64, 2);
    struct rlimit before, little;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 16384;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    int rc = bed_open(&b, &s, "test_fraction: 0", b.cache);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(rc, 0);
    const char *said = plugin_host_message(&s.p);
    if (!strstr(said, "warning: the decoded pictures (0 MiB) cannot be kept in ")) fail_msg("%s", said);
    assert_non_null(strstr(said, "make room there, or write `cache: false`"));
    assert_int_equal(cached(&b, ".pixels", NULL) + cached(&b, ".new", NULL), 0);
    assert_int_equal(first_pixel(&s, CVY_TRAIN, 1, 0), 2);
    stock_close(&s);
    bed_free(&b);
}

#endif

#ifdef CONVOY_JPEG

/* JPEG and PNG in one folder, whatever the ending says. */
static void test_jpeg(void **state)
{
    (void)state;
    bed b = bed_make();
    stock s;
    static picture p;
    static uint8_t x[3 * 32 * 32], y[3 * 8 * 8];
    memset(x, 120, sizeof x);
    picture_jpeg(&p, x, 32, 32, 3, 90, 0);
    bed_put(&b, "a/1.jpg", p.s, p.n);
    bed_put(&b, "a/2.png", p.s, p.n);
    if (bed_open(&b, &s, "test_fraction: 0, resize: [8, 8], channels: grey", b.cache))
        fail_msg("%s", plugin_host_message(&s.p));
    assert_int_equal(s.o.info.sample.dim[0], 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stock_read(&s, CVY_TRAIN, i, y), 0);
        for (int k = 0; k < 64; k++) assert_true(abs(y[k] - 120) < 3);
    }
    stock_close(&s);
    bed_free(&b);
}

/* Decoded at a quarter of its size a picture is nearly the same, and kept apart from the other in the cache. */
static void test_draft(void **state)
{
    (void)state;
    bed b = bed_make();
    static picture p;
    static uint8_t x[3 * 32 * 32], y[2][3 * 8 * 8];
    for (int i = 0; i < 32 * 32; i++)
        for (int c = 0; c < 3; c++) x[3 * i + c] = (uint8_t)(i / 32 * 6 + (i % 32 * 5) % 23 * 3 + 10 * c);
    picture_jpeg(&p, x, 32, 32, 3, 90, 0);
    bed_put(&b, "a/1.jpg", p.s, p.n);
    for (int draft = 0; draft < 2; draft++) {
        stock s;
        if (bed_open(&b, &s,
                     draft ? "test_fraction: 0, resize: 8, draft: true" : "test_fraction: 0, resize: 8",
                     b.cache))
            fail_msg("%s", plugin_host_message(&s.p));
        assert_int_equal(stock_read(&s, CVY_TRAIN, 0, y[draft]), 0);
        stock_close(&s);
    }
    int off = 0, differ = 0;
    for (int k = 0; k < 3 * 8 * 8; k++) {
        off += abs(y[0][k] - y[1][k]);
        differ += y[0][k] != y[1][k];
    }
    assert_true(differ > 0);
    assert_true(off < 12 * 3 * 8 * 8);
    bed_free(&b);
}

#endif

/* ---- what needs no library ---- */

static void test_refused(void **state)
{
    (void)state;
    bed b = bed_make();
    bed_refused(&b, "", "@: no pictures: expected a folder of JPEG or PNG files for each class\n");
    bed_put(&b, "a/.keep", "", 0);
    bed_refused(&b, "",
                "@/a: this class's folder has no pictures: put JPEG or PNG files there, or remove it\n");
    bed_refused(&b, "labels_pattern: \"{class}.*\"", "@: no pictures: expected JPEG or PNG files\n");
    bed_refused(&b, "labels_pattern: \"{class}.*\", labels_file: x.csv",
                "labels_pattern and labels_file: one of them says which class a picture has\n");
    bed_refused(&b, "crop: [0, 5]", "crop: expected a height and a width, found a 0\n");
    bed_put(&b, "a/1.webp", "RIFF\1\2\3\4WEBPVP8 ", 16);
    bed_put(&b, "a/2.png", "", 0);
    char *loop = path_join(b.dir, "a/loop");
    bed_refused(&b, "on_corrupt: skip", "@/a: none of the 2 pictures of this class can be decoded\n");
    assert_int_equal(symlink(".", loop), 0);
    stock s;
    assert_int_not_equal(bed_open(&b, &s, "", NULL), 0);
    assert_non_null(strstr(plugin_host_message(&s.p),
                           "more than 16 folders inside one another: does a link lead back to one above?"));
    plugin_host_close(&s.p);
    unlink(loop);
    assert_int_equal(symlink("nowhere.jpg", loop), 0);
    bed_refused(&b, "", "@/a/loop: a link that leads nowhere: remove it\n");
    mem_free(loop);
    bed_free(&b);
    b = bed_make();
    bed_png(&b, "a/1.png", 2, 2, 1);
    mem_free(b.dir);
    b.dir = path_join(b.root, "elsewhere");
    bed_refused(&b, "",
                "@: not found. Put a folder of pictures for each class there, or set dataset.path to where "
                "they are\n");
    bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
#ifdef CONVOY_PNG
        cmocka_unit_test(test_class_folders), cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_pattern),       cmocka_unit_test(test_table),
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_crop),
        cmocka_unit_test(test_damaged),       cmocka_unit_test(test_cache),
        cmocka_unit_test(test_rotten),        cmocka_unit_test(test_together),
        cmocka_unit_test(test_read_together), cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_full_disk),
#endif
#ifdef CONVOY_JPEG
        cmocka_unit_test(test_jpeg),          cmocka_unit_test(test_draft),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
