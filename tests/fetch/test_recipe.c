/* Recipes: the built-in ones are whole, what is wrong in others is said with its place; paths that lead elsewhere; MD5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fetch/manifest.h"
#include "fetch/md5.h"
#include "fetch/recipe.h"

static void built_in(void **state)
{
    (void)state;
    static const char *const names[] = {"cifar10", "cifar100", "mnist", "fashion_mnist"};
    arena a = {0};
    errors e = {0};
    size_t n = 0;
    recipe *list = recipe_built_in(&a, &n, &e);
    text said = {0};
    errors_text(&e, false, &said);
    assert_string_equal(text_str(&said), "");
    assert_non_null(list);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < 4; i++) {
        const recipe *r = recipe_find(list, n, names[i]);
        assert_non_null(r);
        assert_true(r->page && r->licence && r->cite && r->n_mirrors);
        int64_t unpacked = 0;
        for (size_t k = 0; k < r->n_archives; k++)
            assert_true(r->archives[k].md5 && r->archives[k].sha256 && r->archives[k].bytes > 0);
        for (size_t k = 0; k < r->n_files; k++) unpacked += r->files[k].bytes > 0 ? r->files[k].bytes : 0;
        assert_true(unpacked > 50000000 && unpacked < r->limit);
    }
    assert_null(recipe_find(list, n, "cifar"));
    text_free(&said);
    errors_free(&e);
    arena_free(&a);
}

/* What reading `content` says, as one text. */
static void expect(const char *content, const char *said)
{
    char path[] = "/tmp/convoy-recipe-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    arena a = {0};
    errors e = {0};
    size_t n = 7;
    recipe *list = recipe_read(&a, path, &n, &e);
    text all = {0};
    errors_text(&e, false, &all);
    if (said) {
        if (!strstr(text_str(&all), said)) print_message("%s\n", text_str(&all));
        assert_non_null(strstr(text_str(&all), said));
        assert_null(list);
        assert_int_equal(n, 0);
    } else {
        assert_string_equal(text_str(&all), "");
        assert_non_null(list);
    }
    text_free(&all);
    errors_free(&e);
    arena_free(&a);
    unlink(path);
}

#define HEX32 "0123456789abcdef0123456789abcdef"
#define TOY(archive, file) \
    "toy:\n  mirrors: [\"https://example.org/a\"]\n  archives:\n    - " archive "\n  files:\n    - " file "\n"
#define GOOD_ARCHIVE "{file: a.tar, md5: " HEX32 "}"

static void wrong(void **state)
{
    (void)state;
    expect(TOY(GOOD_ARCHIVE, "{path: x/y}"), NULL);
    expect("[1]", ":1:1: expected a map from datasets' names to recipes");
    expect("a-b: {}", "expected a plugin's name, found \"a-b\"");
    expect("toy: {mirrors: [\"https://a/\"], files: [{path: x}]}",
           "archives: expected a list of at least one");
    expect("toy: {archives: [" GOOD_ARCHIVE "], files: [{path: x}]}",
           "mirrors: expected a list of at least one");
    expect("toy: {mirrors: [ftp://a/], archives: [" GOOD_ARCHIVE "], files: [{path: x}]}",
           "expected a URL that begins with https://, http:// or file://, found \"ftp://a/\"");
    expect(TOY("{file: a.tar}", "{path: x}"), ":4:7: toy: a.tar has no checksum: md5 or sha256 is needed");
    expect(TOY("{file: a.tar, md5: \"12\"}", "{path: x}"),
           "md5: expected 32 digits of lower-case hex, found \"12\"");
    expect(TOY("{file: ../a.tar, md5: " HEX32 "}", "{path: x}"),
           "file: expected a file's name without a folder");
    expect(TOY("{file: .a, md5: " HEX32 "}", "{path: x}"), "file: expected a file's name without a folder");
    expect(TOY("{file: a.tar, md5: " HEX32 ", unpack: gzip}", "{path: x}"),
           "expected a name that ends in .gz");
    expect(TOY("{file: a.tar, md5: " HEX32 ", unpack: rar}", "{path: x}"), "unpack");
    expect(TOY("{file: a.tar, md5: " HEX32 ", byte: 3}", "{path: x}"), "did you mean `bytes`?");
    expect(TOY(GOOD_ARCHIVE, "{path: ../x}"),
           "path: expected a path below the dataset's folder, found \"../x\"");
    expect(TOY(GOOD_ARCHIVE, "{path: /etc/x}"), "path: expected a path below the dataset's folder");
    expect(TOY(GOOD_ARCHIVE, "{path: x, bytes: -5}"), "bytes: -5 is below -1");
    expect(TOY(GOOD_ARCHIVE, "{}"), "path");
}

static void paths(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b", "a b", "a/b/", "..a", "a..", ".a", "\xc3\xa4/b", "-rf"};
    static const char *const bad[] = {"",       "/",    "/a",   "..",     "../a",  "a/..",
                                      "a/../b", ".",    "./a",  "a/./b",  "a//b",  "a\nb",
                                      "a\x1b",  "a\\b", "\xff", "a/\xc3", "a\x7f", "a/..//b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(recipe_path_stays(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(recipe_path_stays(bad[i]));
    char longer[2000];
    memset(longer, 'a', sizeof longer);
    longer[255] = 0;
    assert_true(recipe_path_stays(longer));
    longer[255] = 'a';
    longer[256] = 0;
    assert_false(recipe_path_stays(longer)); /* longer than a name can be */
    for (size_t i = 1; i < sizeof longer; i += 2) longer[i] = '/';
    longer[1999] = 0;
    assert_false(recipe_path_stays(longer));
    longer[65] = 0;
    assert_false(recipe_path_stays(longer)); /* 33 folders */
    longer[63] = 0;
    assert_true(recipe_path_stays(longer));
}

static void sum(const char *s, size_t n, size_t piece, const char *wanted)
{
    md5 m;
    char hex[33];
    md5_init(&m);
    for (size_t i = 0; i < n; i += piece) md5_add(&m, s + i, n - i < piece ? n - i : piece);
    md5_hex(&m, hex);
    assert_string_equal(hex, wanted);
}

/* The suite of RFC 1321, A.5, in pieces of every kind. */
static void md5_suite(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"}};
    static const size_t pieces[] = {1, 7, 63, 64, 65, 1000};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++)
            sum(cases[i][0], strlen(cases[i][0]), pieces[k], cases[i][1]);
    char many[1000];
    memset(many, 'a', sizeof many);
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++)
        sum(many, sizeof many, pieces[k], "cabe45dcc9ae5b66ba86600cca6b8ba8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(built_in), cmocka_unit_test(wrong),
                                       cmocka_unit_test(paths), cmocka_unit_test(md5_suite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
