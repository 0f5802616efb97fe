/* Pictures read, scaled and written; cut, damaged and hostile files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"
#include "pictures.h"

static text said;

static const char *words(errors *e)
{
    text_free(&said);
    errors_text(e, false, &said);
    errors_free(e);
    return text_str(&said);
}

static cvy_image of(const picture *p, int channels)
{
    return (cvy_image){.file = "x.img", .bytes = p->s, .n_bytes = p->n, .channels = channels};
}

static void refused(const picture *p, cvy_status status, const char *wanted)
{
    static uint8_t pixels[1 << 20];
    errors e = {0};
    cvy_image i = of(p, 3);
    cvy_status got = image_size(&i, &e);
    if (!got) got = image_read(&i, pixels, &e);
    assert_int_equal(got, status);
    assert_string_equal(words(&e), wanted);
}

/* ---- what is no picture ---- */

static void test_others(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *said;
    } cases[] = {
        {"", 0, "the file is empty, expected a JPEG or PNG picture"},
        {"GIF89a\1\0\1\0", 10, "a GIF picture; JPEG and PNG pictures are read"},
        {"BM6\3\0\0", 6, "a BMP picture; JPEG and PNG pictures are read"},
        {"RIFF\1\2\3\4WEBPVP8 ", 16, "a WebP picture; JPEG and PNG pictures are read"},
        {"\0\0\0\x18"
         "ftypheic",
         12, "a HEIC picture; JPEG and PNG pictures are read"},
        {"\n <!DOCTYPE html>", 17,
         "an HTML page, as a server answers when the picture is gone; JPEG and PNG pictures are read"},
        {"version https://git-lfs.github.com/spec/v1", 42,
         "a pointer of Git LFS in place of the file (git lfs pull fetches it); JPEG and PNG pictures are "
         "read"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17,
         "zeros, as an interrupted copy leaves them; JPEG and PNG pictures are read"},
        {"hello", 5,
         "neither a JPEG (which begins with ff d8 ff) nor a PNG picture (89 50 4e 47): it begins with 68 65 "
         "6c 6c 6f"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        static picture p;
        memcpy(p.s, cases[k].bytes, cases[k].n);
        p.n = cases[k].n;
        char *wanted = mem_printf("x.img: byte 0: %s\n", cases[k].said);
        refused(&p, CVY_ERR_CONFIG, wanted);
        mem_free(wanted);
    }
    errors e = {0};
    cvy_image i = {.file = "/nowhere/at/all.jpg"};
    assert_int_equal(image_size(&i, &e), CVY_ERR_CONFIG);
    assert_string_equal(words(&e), "/nowhere/at/all.jpg: cannot be read: No such file or directory\n");
    i.file = "/";
    assert_int_equal(image_size(&i, &e), CVY_ERR_CONFIG);
    assert_string_equal(words(&e), "/: a folder, expected a picture\n");
}

/* ---- headers: they need no library ---- */

static void test_bombs(void **state)
{
    (void)state;
    static picture p;
    picture_begin(&p, 60000, 60000, 8, 2);
    refused(&p, CVY_ERR_CONFIG,
            "x.img: byte 0: 60000 x 60000 pixels (height x width) are more than the allowed 134217728\n");
    picture_begin(&p, 0x7fffffff, 0x7fffffff, 16, 6);
    refused(&p, CVY_ERR_CONFIG,
            "x.img: byte 0: 2147483647 x 2147483647 pixels (height x width) are more than the allowed "
            "134217728\n");
    picture_begin(&p, 0, 5, 8, 2);
    refused(&p, CVY_ERR_CONFIG, "x.img: byte 16: the PNG's height or width cannot be\n");
    picture_begin(&p, 5, 5, 3, 2);
    refused(&p, CVY_ERR_CONFIG, "x.img: byte 24: the PNG has an unknown kind of pixels\n");
    p.s[20] ^= 1;
    refused(&p, CVY_ERR_CONFIG, "x.img: byte 8: damaged: the PNG's header has a wrong checksum\n");
    static const uint8_t frame[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 1,    2, 0xff, 0xff, 0xc0, 0, 17,   8,
                                    0xea, 0x60, 0xea, 0x60, 3, 1, 0x11, 0, 2,    0x11, 0,    3, 0x11, 0};
    memcpy(p.s, frame, p.n = sizeof frame);
    refused(&p, CVY_ERR_CONFIG,
            "x.img: byte 0: 60000 x 60000 pixels (height x width) are more than the allowed 134217728\n");
    p.s[13] = 12;
    refused(&p, CVY_ERR_CONFIG, "x.img: byte 9: a JPEG of more than 8 bits a channel; 8 are read\n");
    p.s[10] = 0xc3;
    refused(&p, CVY_ERR_CONFIG,
            "x.img: byte 9: a lossless or hierarchical JPEG; baseline and progressive ones are read\n");
    p.s[10] = 0xda;
    refused(&p, CVY_ERR_CONFIG, "x.img: byte 9: the JPEG has no frame header before its pixels\n");
    p.n = 20;
    p.s[10] = 0xc0;
    refused(&p, CVY_ERR_CONFIG,
            "x.img: byte 20: the file ends here, before the picture begins: a JPEG file cut short\n");
}

/* The header is looked for behind a long profile too, in a file that is read in pieces. */
static void test_long_profile(void **state)
{
    (void)state;
    char path[] = "/tmp/convoy-image-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static uint8_t s[2 + 65537 + 30] = {0xff, 0xd8, 0xff, 0xe2, 0xff, 0xff};
    static const uint8_t frame[] = {0xff, 0xc2, 0, 11, 8, 0, 7, 0, 9, 1, 1, 0x11, 0};
    memcpy(s + 2 + 65537, frame, sizeof frame);
    assert_int_equal(write(fd, s, sizeof s), sizeof s);
    close(fd);
    errors e = {0};
    cvy_image i = {.file = path};
    assert_int_equal(image_size(&i, &e), CVY_OK);
    assert_int_equal(i.height, 7);
    assert_int_equal(i.width, 9);
    assert_int_equal(i.channels, 1);
    i = (cvy_image){.file = path, .channels = 3, .least = {3, 3}, .most = 63};
    assert_int_equal(image_size(&i, &e), CVY_OK);
    assert_int_equal(i.height, 4);
    assert_int_equal(i.width, 5);
    assert_int_equal(i.stored_height, 7);
    i.most = 62;
    char why[20] = "before";
    i.why = why;
    i.why_size = sizeof why;
    assert_int_equal(image_size(&i, &e), CVY_ERR_CONFIG);
    assert_int_equal(e.n, 0);
    assert_string_equal(why, "byte 0: 7 x 9 pixel");
    unlink(path);
}

/* ---- scaling ---- */

static void test_resize(void **state)
{
    (void)state;
    errors e = {0};
    const float x[8] = {0, 1, 2, 3, 10, 10, 30, 30};
    float y[16];
    /* Half of four: triangles of reach 2 around 1 and 3, cut at the border: (0.75 * 0 + 0.75 * 1 + 0.25 * 2) / 1.75. */
    assert_int_equal(image_resize(2, x, 1, 4, y, 1, 2, &e), CVY_OK);
    assert_float_equal(y[0], 5.0f / 7, 1e-6);
    assert_float_equal(y[1], 16.0f / 7, 1e-6);
    assert_float_equal(y[2], 90.0f / 7, 1e-5);
    /* The same downwards. */
    assert_int_equal(image_resize(1, x, 4, 1, y, 2, 1, &e), CVY_OK);
    assert_float_equal(y[0], 5.0f / 7, 1e-6);
    /* Twice as large: neighbours mixed by thirds and quarters, the border repeated. */
    assert_int_equal(image_resize(1, x, 1, 2, y, 1, 4, &e), CVY_OK);
    assert_float_equal(y[0], 0, 1e-6);
    assert_float_equal(y[1], 0.25, 1e-6);
    assert_float_equal(y[2], 0.75, 1e-6);
    assert_float_equal(y[3], 1, 1e-6);
    assert_int_equal(image_resize(1, x, 2, 4, y, 2, 4, &e), CVY_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(image_resize(1, x, 2, 4, y, 1, 1, &e), CVY_OK);
    assert_float_equal(
        y[0], (0 * .625 + 1 * .875 + 2 * .875 + 3 * .625 + 10 * .625 + 10 * .875 + 30 * .875 + 30 * .625) / 6,
        1e-5);
    assert_int_equal(image_resize(1, x, 0, 4, y, 1, 1, &e), CVY_ERR_CONFIG);
    assert_int_equal(image_resize(1, x, 1, 4, y, INT64_MAX, 1, &e), CVY_ERR_CONFIG);
    errors_free(&e);
}

/* ---- PNG ---- */

#ifdef CONVOY_PNG

static void read_png(const picture *p, int channels, const uint8_t *wanted, size_t n)
{
    uint8_t pixels[1024];
    errors e = {0};
    cvy_image i = of(p, channels);
    assert_int_equal(image_size(&i, &e), CVY_OK);
    assert_int_equal((size_t)(i.height * i.width) * (size_t)i.channels, n);
    if (image_read(&i, pixels, &e)) fail_msg("%s", words(&e));
    assert_memory_equal(pixels, wanted, n);
}

static void test_png_kinds(void **state)
{
    (void)state;
    static picture p;
    /* 1 x 2 pixels: red and a colour whose grey value is 0.299 * 10 + 0.587 * 200 + 0.114 * 90 = 130.65. */
    static const uint8_t rgb[6] = {255, 0, 0, 10, 200, 90}, planes[6] = {255, 10, 0, 200, 0, 90},
                         grey[2] = {76, 131};
    picture_png(&p, rgb, 1, 2, 2);
    read_png(&p, 0, planes, 6);
    read_png(&p, 3, planes, 6);
    read_png(&p, 1, grey, 2);
    static const uint8_t rgba[8] = {255, 0, 0, 0, 10, 200, 90, 128}; /* alpha is dropped, colours stay */
    picture_png(&p, rgba, 1, 2, 6);
    read_png(&p, 0, planes, 6);
    static const uint8_t ga[4] = {7, 0, 9, 255}, g[2] = {7, 9}, ggg[6] = {7, 9, 7, 9, 7, 9};
    picture_png(&p, ga, 1, 2, 4);
    read_png(&p, 0, g, 2);
    read_png(&p, 3, ggg, 6);
    picture_png(&p, g, 1, 2, 0);
    read_png(&p, 1, g, 2);
    /* A palette of two, two bits a pixel, with transparency. */
    picture_begin(&p, 2, 1, 2, 3);
    picture_chunk(&p, "PLTE", rgb, 6);
    picture_chunk(&p, "tRNS", "\0", 1);
    picture_rows(&p, "\x10", 1, 1);
    read_png(&p, 0, planes, 6);
    /* 16 bits are rounded to 8: 0x80ff is 128.49 of 255. */
    picture_begin(&p, 2, 1, 16, 0);
    picture_rows(&p, "\x80\xff\xff\xff", 1, 4);
    static const uint8_t wide[2] = {128, 255};
    read_png(&p, 1, wide, 2);
    /* A gamma, a profile and text change nothing. */
    picture_begin(&p, 2, 1, 8, 2);
    picture_chunk(&p, "gAMA", "\0\1\x86\xa0", 4);
    picture_chunk(&p, "tEXt", "a\0b", 3);
    picture_rows(&p, rgb, 1, 6);
    read_png(&p, 3, planes, 6);
}

static void test_png_damaged(void **state)
{
    (void)state;
    static picture p, q;
    uint8_t x[3 * 5 * 4];
    picture_fill(x, sizeof x, 1);
    picture_png(&p, x, 4, 5, 2);
    q = p;
    q.s[60] ^= 1;
    refused(&q, CVY_ERR_CONFIG, "x.img: byte 33: damaged: the PNG's chunk IDAT has a wrong checksum\n");
    q = p;
    q.n -= 12;
    refused(&q, CVY_ERR_CONFIG,
            "x.img: byte 120: the file ends here, in the middle of the picture: a PNG file cut short\n");
    picture_begin(&q, 5, 4, 8, 2);
    picture_chunk(&q, "IEND", NULL, 0);
    refused(&q, CVY_ERR_CONFIG, "x.img: byte 45: the PNG has no pixels (no IDAT chunk)\n");
    picture_begin(&q, 5, 4, 8, 2);
    picture_chunk(&q, "ABCD", NULL, 0);
    refused(
        &q, CVY_ERR_CONFIG,
        "x.img: byte 33: the PNG has a chunk that must not be skipped and is not known here: 41 42 43 44\n");
    picture_begin(&q, 5, 5, 8, 2); /* fewer rows than promised */
    picture_rows(&q, x, 4, 15);
    errors e = {0};
    static uint8_t pixels[3 * 25];
    cvy_image i = of(&q, 3);
    assert_int_equal(image_read(&i, pixels, &e), CVY_ERR_CONFIG);
    assert_non_null(
        strstr(words(&e), "x.img: byte 33: damaged: the PNG's pixels behind this cannot be decoded: "));
    /* Cut at every byte. */
    for (size_t n = 0; n < p.n; n++) {
        uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees who reads behind it */
        memcpy(exact, p.s, n);
        i = (cvy_image){.file = "x", .bytes = n ? exact : exact, .n_bytes = n, .channels = 3};
        assert_int_equal(image_read(&i, pixels, &e), CVY_ERR_CONFIG);
        assert_non_null(strstr(words(&e), "x: byte "));
        free(exact);
    }
}

static void test_write(void **state)
{
    (void)state;
    char dir[] = "/tmp/convoy-image-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = path_join(dir, "a.png");
    uint8_t x[3 * 6 * 7], y[3 * 6 * 7], interleaved[3 * 6 * 7];
    errors e = {0};
    picture_fill(x, sizeof x, 3);
    for (int k = 0; k < 42; k++)
        for (int c = 0; c < 3; c++) interleaved[3 * k + c] = x[42 * c + k];
    for (int kind = 0; kind < 3; kind++) {
        const int channels = kind == 2 ? 1 : 3;
        assert_int_equal(image_write_png(path, kind == 1 ? interleaved : x, kind == 1, channels, 6, 7, &e),
                         CVY_OK);
        cvy_image i = {.file = path};
        assert_int_equal(image_read(&i, y, &e), CVY_OK);
        assert_int_equal(i.channels, channels);
        assert_int_equal(i.height, 6);
        assert_int_equal(i.width, 7);
        assert_memory_equal(x, y, (size_t)channels * 42);
    }
    assert_int_equal(image_write_png(path, x, false, 2, 6, 7, &e), CVY_ERR_CONFIG);
    assert_int_equal(image_write_png(path, x, false, 3, 1 << 20, 1 << 20, &e), CVY_ERR_CONFIG);
    errors_free(&e);
    assert_int_equal(image_write_png("/nowhere/a.png", x, false, 3, 6, 7, &e), CVY_ERR_CONFIG);
    errors_free(&e);
    assert_int_equal(file_remove_tree(dir, &e), CVY_OK);
    mem_free(path);
}

#else

static void test_png_missing(void **state)
{
    (void)state;
    static picture p;
    picture_png(&p, "\1\2\3", 1, 1, 2);
    refused(
        &p, CVY_ERR_PLUGIN,
        "x.img: this build of Convoy has no libpng, which reads PNG files: apt-get install libpng-dev, then "
        "configure and build again\n");
}

#endif

/* ---- JPEG ---- */

#ifdef CONVOY_JPEG

static void test_jpeg_kinds(void **state)
{
    (void)state;
    static picture p;
    uint8_t grey[24 * 16], x[3 * 24 * 16], y[3 * 24 * 16];
    errors e = {0};
    for (int k = 0; k < 24 * 16; k++) grey[k] = (uint8_t)(10 * (k / 16) + k % 16);
    for (int progressive = 0; progressive < 2; progressive++) {
        picture_jpeg(&p, grey, 24, 16, 1, 100, progressive);
        cvy_image i = of(&p, 0);
        assert_int_equal(image_read(&i, y, &e), CVY_OK);
        assert_int_equal(i.channels, 1);
        for (int k = 0; k < 24 * 16; k++) assert_true(abs(y[k] - grey[k]) < 4);
        i = of(&p, 3);
        assert_int_equal(image_read(&i, x, &e), CVY_OK);
        for (int c = 0; c < 3; c++) assert_memory_equal(x + c * 24 * 16, y, 24 * 16);
        for (int k = 0; k < 24 * 16; k++) {
            x[3 * k] = grey[k];
            x[3 * k + 1] = (uint8_t)(255 - grey[k]);
            x[3 * k + 2] = 60;
        }
        picture_jpeg(&p, x, 24, 16, 3, 100, progressive);
        i = of(&p, 0);
        assert_int_equal(image_read(&i, y, &e), CVY_OK);
        assert_int_equal(i.channels, 3);
        for (int k = 0; k < 24 * 16; k++)
            for (int c = 0; c < 3; c++) assert_true(abs(y[c * 24 * 16 + k] - x[3 * k + c]) < 8);
    }
    /* At an eighth: 3 x 2 pixels of a slope. */
    cvy_image i = of(&p, 3);
    i.least[0] = 3;
    i.least[1] = 2;
    assert_int_equal(image_read(&i, y, &e), CVY_OK);
    assert_int_equal(i.height, 3);
    assert_int_equal(i.width, 2);
    assert_true(abs(y[0] - 38) < 6 && abs(y[5] - 206) < 6);
    i.least[1] = 3;
    assert_int_equal(image_size(&i, &e), CVY_OK);
    assert_int_equal(i.height, 6);
    /* Inverted CMYK: no ink but black at half. */
    uint8_t cmyk[4 * 64];
    for (int k = 0; k < 256; k++) cmyk[k] = k % 4 == 3 ? 128 : k % 4 == 0 ? 0 : 255;
    picture_jpeg(&p, cmyk, 8, 8, 4, 100, 0);
    i = of(&p, 0);
    assert_int_equal(image_read(&i, y, &e), CVY_OK);
    assert_int_equal(i.channels, 3);
    assert_true(y[20] <= 3 && abs(y[64 + 20] - 128) < 4 && abs(y[128 + 20] - 128) < 4);
}

static void test_jpeg_cut(void **state)
{
    (void)state;
    static picture p;
    uint8_t x[3 * 20 * 30], y[3 * 20 * 30];
    errors e = {0};
    picture_fill(x, sizeof x, 5);
    for (int progressive = 0; progressive < 2; progressive++) {
        picture_jpeg(&p, x, 20, 30, 3, 60, progressive);
        for (size_t n = 0; n <= p.n; n++) {
            uint8_t *exact = malloc(n + 1);
            memcpy(exact, p.s, n);
            cvy_image i = {.file = "x", .bytes = exact, .n_bytes = n, .channels = 3};
            const cvy_status status = image_read(&i, y, &e);
            assert_int_equal(status, n < p.n ? CVY_ERR_CONFIG : CVY_OK);
            char *at = mem_printf("x: byte %zu: the file ends here", n);
            const char *got = words(&e);
            if (n >= 3 && n < p.n && strncmp(got, at, strlen(at)) != 0) fail_msg("cut at %zu: %s", n, got);
            mem_free(at);
            free(exact);
        }
    }
    /* What stands between the pixels' last byte and the end is no damage, as every reader has it. */
    memcpy(p.s + p.n - 2, "\x12\x34\x56\xff\xd9", 5);
    p.n += 3;
    cvy_image i = of(&p, 3);
    if (image_read(&i, y, &e)) fail_msg("%s", words(&e));
}

#else

static void test_jpeg_missing(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 7, 0, 9, 1, 1, 0x11, 0};
    static picture p;
    memcpy(p.s, frame, p.n = sizeof frame);
    refused(&p, CVY_ERR_PLUGIN,
            "x.img: this build of Convoy has no libjpeg-turbo, which reads JPEG files: apt-get install "
            "libturbojpeg0-dev, then configure and build again\n");
}

#endif

/* Bits turned over anywhere: a picture or a message, and nothing else. */
static void fuzz(const picture *p, int rounds)
{
    static uint8_t pixels[1 << 20];
    uint32_t seed = 1;
    errors e = {0};
    for (int round = 0; round < rounds; round++) {
        uint8_t *s = malloc(p->n);
        memcpy(s, p->s, p->n);
        for (int flips = 0; flips < 1 + round % 4; flips++) {
            seed = seed * 1664525 + 1013904223;
            const size_t at = (seed >> 8) % p->n;
            seed = seed * 1664525 + 1013904223;
            s[at] = round % 3 ? (uint8_t)(s[at] ^ 1 << (seed >> 29)) : (uint8_t)(seed >> 20);
        }
        cvy_image i = {
            .file = "x", .bytes = s, .n_bytes = p->n, .channels = round % 2 ? 3 : 1, .most = 1 << 18};
        cvy_status status = image_size(&i, &e);
        if (!status) status = image_read(&i, pixels, &e);
        assert_int_equal(status != CVY_OK, errors_count(&e) > 0);
        errors_free(&e);
        free(s);
    }
}

static void test_fuzz(void **state)
{
    (void)state;
    static picture p;
    uint8_t x[4 * 20 * 30];
    picture_fill(x, sizeof x, 9);
    picture_png(&p, x, 20, 30, 6);
    fuzz(&p, 1500);
#ifdef CONVOY_JPEG
    for (int channels = 1; channels <= 4; channels++)
        for (int progressive = 0; progressive < 2 && channels != 2; progressive++) {
            picture_jpeg(&p, x, 20, 30, channels, 70, progressive);
            fuzz(&p, 600);
        }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others),       cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_long_profile), cmocka_unit_test(test_resize),
#ifdef CONVOY_PNG
        cmocka_unit_test(test_png_kinds),    cmocka_unit_test(test_png_damaged),
        cmocka_unit_test(test_write),
#else
        cmocka_unit_test(test_png_missing),
#endif
#ifdef CONVOY_JPEG
        cmocka_unit_test(test_jpeg_kinds),   cmocka_unit_test(test_jpeg_cut),
#else
        cmocka_unit_test(test_jpeg_missing),
#endif
        cmocka_unit_test(test_fuzz),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    text_free(&said);
    return failures;
}
