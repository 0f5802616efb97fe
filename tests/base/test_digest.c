/* Tests core/base/digest: published vectors through the CPU's instructions and through the portable code, and
 * a cache that is used, distrusted and never missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"

static int portable(void **state)
{
    (void)state;
    digest_use_plain(true);
    return 0;
}

static int fastest(void **state)
{
    (void)state;
    digest_use_plain(false);
    return 0;
}

static uint8_t noise[100000];

static void fill_noise(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (uint8_t)(x >> 24);
    }
}

/* RFC 3720, B.4 */
static void crc_vectors(void **state)
{
    (void)state;
    unsigned char b[48];
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(b, 0, 32);
    assert_int_equal(crc32c(0, b, 32), 0x8A9136AA);
    memset(b, 0xFF, 32);
    assert_int_equal(crc32c(0, b, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++) b[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, b, 32), 0x46DD794E);
    for (int i = 0; i < 32; i++) b[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, b, 32), 0x113FDB5C);
    static const unsigned char read10[48] = {
        1, 0xC0, [16] = 0x14, [22] = 4, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 2};
    assert_int_equal(crc32c(0, read10, 48), 0xD9963A56);
}

static void crc_in_pieces(void **state)
{
    (void)state;
    uint32_t whole = crc32c(0, noise, 300);
    for (size_t cut = 0; cut <= 300; cut++)
        assert_int_equal(crc32c(crc32c(0, noise, cut), noise + cut, 300 - cut), whole);
}

static void same_sha(const void *data, size_t n, const char *expected)
{
    char hex[65];
    sha256 s;
    sha256_init(&s);
    sha256_add(&s, data, n);
    sha256_hex(&s, hex);
    assert_string_equal(hex, expected);
}

/* FIPS 180-4 examples, and NIST's long one */
static void sha_vectors(void **state)
{
    (void)state;
    same_sha("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    same_sha("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    same_sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    same_sha(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmn"
        "opqrstnopqrstu",
        112, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    char *million = mem_alloc(1000000);
    memset(million, 'a', 1000000);
    same_sha(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    mem_free(million);
}

static void sha_in_pieces(void **state)
{
    (void)state;
    char whole[65], hex[65];
    sha256 s;
    for (size_t n = 0; n < 260; n += 13) {
        sha256_init(&s);
        sha256_add(&s, noise, n);
        sha256_hex(&s, whole);
        for (size_t cut = 0; cut <= n; cut++) {
            sha256_init(&s);
            sha256_add(&s, noise, cut);
            sha256_add(&s, noise + cut, n - cut);
            sha256_hex(&s, hex);
            assert_string_equal(hex, whole);
        }
    }
    sha256_init(&s);
    for (size_t i = 0; i < 200; i++) sha256_add(&s, noise + i, 1);
    sha256_hex(&s, hex);
    sha256_init(&s);
    sha256_add(&s, noise, 200);
    sha256_hex(&s, whole);
    assert_string_equal(hex, whole);
}

static void both_ways_agree(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof noise - 8; n = n * 5 / 4 + 1) {
        char fast[65], plain[65];
        uint32_t crc[2];
        for (int way = 0; way < 2; way++) {
            digest_use_plain(way);
            sha256 s;
            sha256_init(&s);
            sha256_add(&s, noise + n % 8, n); /* also from odd addresses */
            sha256_hex(&s, way ? plain : fast);
            crc[way] = crc32c(0, noise + n % 8, n);
        }
        assert_string_equal(fast, plain);
        assert_int_equal(crc[0], crc[1]);
    }
    digest_use_plain(false);
}

static void fields_do_not_run_together(void **state)
{
    (void)state;
    char a[65], b[65];
    sha256 s;
    sha256_init(&s);
    sha256_text(&s, "ab");
    sha256_text(&s, "c");
    sha256_hex(&s, a);
    sha256_init(&s);
    sha256_text(&s, "a");
    sha256_text(&s, "bc");
    sha256_hex(&s, b);
    assert_string_not_equal(a, b);
    same_sha("ab\0c\0", 5, a);
}

/* ---- files ---- */

static char folder[64];
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char abd[] = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9";

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/convoy-digest-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return file_remove_tree(folder, NULL) != CVY_OK;
}

static void files(void **state)
{
    (void)state;
    errors e = {0};
    char hex[65], *path = path_join(folder, "f");
    assert_int_equal(file_replace(path, "abc", 3, &e), CVY_OK);
    assert_int_equal(sha256_file(path, hex, &e), CVY_OK);
    assert_string_equal(hex, abc);
    /* more than one chunk */
    size_t n = 3 * 1024 * 1024 + 17;
    char *data = mem_alloc(n), expected[65];
    for (size_t i = 0; i < n; i++) data[i] = (char)noise[i % sizeof noise];
    assert_int_equal(file_replace(path, data, n, &e), CVY_OK);
    sha256 s;
    sha256_init(&s);
    sha256_add(&s, data, n);
    sha256_hex(&s, expected);
    assert_int_equal(sha256_file(path, hex, &e), CVY_OK);
    assert_string_equal(hex, expected);
    mem_free(data);
    mem_free(path);
    assert_int_equal(e.n, 0);
    path = path_join(folder, "absent");
    assert_int_equal(sha256_file(path, hex, &e), CVY_ERR_CONFIG);
    assert_int_equal(sha256_file_cached(path, hex, &e), CVY_ERR_CONFIG);
    assert_int_equal(sha256_file(folder, hex, &e), CVY_ERR_CONFIG); /* a folder */
    assert_int_equal(sha256_file_cached(folder, hex, &e), CVY_ERR_CONFIG);
    assert_int_equal(errors_count(&e), 4);
    errors_free(&e);
    mem_free(path);
}

static void same_cached(const char *path, const char *expected)
{
    errors e = {0};
    char hex[65];
    assert_int_equal(sha256_file_cached(path, hex, &e), CVY_OK);
    assert_int_equal(e.n, 0);
    assert_string_equal(hex, expected);
}

/* The only entry of the cache, or NULL. */
static char *entry(const char *digests)
{
    DIR *d = opendir(digests);
    char *found = NULL;
    const struct dirent *at;
    while (d && (at = readdir(d))) {
        if (at->d_name[0] == '.') continue;
        assert_null(found);
        found = path_join(digests, at->d_name);
    }
    if (d) closedir(d);
    return found;
}

static void rest(void)
{
    struct timespec pause = {3, 200000000}; /* until a change can no longer hide in the clock's grain */
    nanosleep(&pause, NULL);
}

static void cache(void **state)
{
    (void)state;
    errors e = {0};
    char *home = path_join(folder, "cache"), *digests = path_join(home, "convoy/digests");
    char *path = path_join(folder, "f");
    setenv("XDG_CACHE_HOME", home, 1);
    assert_int_equal(file_replace(path, "abc", 3, &e), CVY_OK);
    same_cached(path, abc);
    assert_null(entry(digests)); /* too young to be trusted later */
    rest();
    same_cached(path, abc);
    char *name = entry(digests), *s;
    assert_non_null(name);

    /* it is used: what we write into it comes out */
    size_t n;
    assert_int_equal(file_read(name, 10000, &s, &n, &e), CVY_OK);
    assert_memory_equal(s + n - 65, abc, 64);
    memcpy(s + n - 65, abd, 64);
    assert_int_equal(file_replace(name, s, n, &e), CVY_OK);
    same_cached(path, abd);
    /* a broken entry is not */
    s[n - 10] = 'x';
    assert_int_equal(file_replace(name, s, n, &e), CVY_OK);
    same_cached(path, abc);
    assert_int_equal(file_replace(name, s, n / 2, &e), CVY_OK);
    same_cached(path, abc);
    assert_int_equal(file_replace(name, "", 0, &e), CVY_OK);
    same_cached(path, abc);
    mem_free(s);

    /* the same size, written in place, its time put back: still seen */
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "d", 1, 2), 1);
    close(fd);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    same_cached(path, abd);
    rest();
    same_cached(path, abd);
    mem_free(name);
    name = entry(digests); /* took the place of the old one */
    assert_non_null(name);

    /* no cache is no error */
    assert_int_equal(file_remove_tree(home, &e), CVY_OK);
    assert_int_equal(file_replace(home, "in the way", 10, &e), CVY_OK);
    same_cached(path, abd);
    assert_int_equal(e.n, 0);
    mem_free(name);
    mem_free(path);
    mem_free(digests);
    mem_free(home);
}

int main(void)
{
    fill_noise();
#define BOTH(f) cmocka_unit_test_setup(f, fastest), cmocka_unit_test_setup_teardown(f, portable, fastest)
    const struct CMUnitTest tests[] = {
        BOTH(crc_vectors),
        BOTH(crc_in_pieces),
        BOTH(sha_vectors),
        BOTH(sha_in_pieces),
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(fields_do_not_run_together),
        cmocka_unit_test_setup_teardown(files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(cache, make_folder, remove_folder),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
