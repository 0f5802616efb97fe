/* Tests core/train/safetensors: round trips, the layout byte by byte, files that lie, storage that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/philox.h"
#include "train/safetensors.h"

static char *folder;
static arena names;

static int make_folder(void **state)
{
    (void)state;
    char name[] = "/tmp/convoy-safetensors-XXXXXX";
    if (!mkdtemp(name) || chmod(name, 0755)) return -1;
    folder = mem_text(name);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    errors e = {0};
    int failed = file_remove_tree(folder, &e) != CVY_OK;
    errors_free(&e);
    mem_free(folder);
    arena_free(&names);
    return failed;
}

static char *in(const char *name)
{
    return arena_printf(&names, "%s/%s", folder, name);
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n - 2;
}

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static char *get(const char *path, size_t *n)
{
    char *s;
    errors e = {0};
    assert_int_equal(file_read(path, 1 << 24, &s, n, &e), CVY_OK);
    return s;
}

/* One error of that status, whose text holds `part`. */
static bool one_error(errors *e, cvy_status status, const char *part)
{
    text t = {0};
    errors_text(e, false, &t);
    bool good = errors_count(e) == 1 && errors_status(e) == status && strstr(text_str(&t), part);
    if (!good) print_message("expected: %s\ngot: %s", part, text_str(&t));
    text_free(&t);
    errors_free(e);
    return good;
}

/* ---- an example ---- */

static const float example_w[6] = {1.0f, -2.5f, 0.0f, -0.0f, 3.4e38f, 1e-45f};
static const float example_s[1] = {7.0f};

enum { EXAMPLE_TENSORS = 3, EXAMPLE_METADATA = 2 };

static const safetensor example_items[EXAMPLE_TENSORS] = {
    {"stem.weight", {2, {2, 3, 0, 0, 0, 0}}, example_w, 6},
    {"empty", {3, {4, 0, 2, 0, 0, 0}}, NULL, 0},
    {"scalar", {0, {0, 0, 0, 0, 0, 0}}, example_s, 1},
};
static const char *const example_keys[EXAMPLE_METADATA] = {"step", "note"};
static const char *const example_values[EXAMPLE_METADATA] = {"12", "quote \" back \\ line\nend \xC3\xA9"};

static void write_example(const char *path)
{
    errors e = {0};
    assert_int_equal(safetensors_write(path, example_items, EXAMPLE_TENSORS, example_keys, example_values,
                                       EXAMPLE_METADATA, &e),
                     CVY_OK);
    assert_int_equal(e.n, 0);
}

static void comes_back(void **state)
{
    (void)state;
    errors e = {0};
    safetensors s;
    write_example(in("a"));
    assert_int_equal(safetensors_read(in("a"), &s, &e), CVY_OK);
    assert_int_equal(e.n, 0);
    assert_int_equal(s.n, EXAMPLE_TENSORS);
    for (size_t i = 0; i < s.n; i++) {
        assert_string_equal(s.items[i].name, example_items[i].name);
        assert_memory_equal(&s.items[i].shape, &example_items[i].shape, sizeof s.items[i].shape);
        assert_int_equal(s.items[i].count, example_items[i].count);
    }
    assert_memory_equal(s.items[0].data, example_w, sizeof example_w);
    assert_int_equal((uintptr_t)s.items[0].data % 8, 0);
    assert_ptr_equal(safetensors_find(&s, "scalar"), &s.items[2]);
    assert_true(safetensors_find(&s, "scalar")->data[0] == 7.0f);
    assert_null(safetensors_find(&s, "scala"));
    assert_int_equal(s.n_metadata, EXAMPLE_METADATA);
    assert_string_equal(safetensors_metadata(&s, "step"), "12");
    assert_string_equal(safetensors_metadata(&s, "note"), example_values[1]);
    assert_null(safetensors_metadata(&s, "steps"));
    safetensors_free(&s);
    assert_int_equal(s.n, 0);
    safetensors_free(&s);
}

static void nothing_at_all_comes_back(void **state)
{
    (void)state;
    errors e = {0};
    safetensors s;
    assert_int_equal(safetensors_write(in("a"), NULL, 0, NULL, NULL, 0, &e), CVY_OK);
    assert_int_equal(safetensors_read(in("a"), &s, &e), CVY_OK);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.n_metadata, 0);
    safetensors_free(&s);
    assert_int_equal(e.n, 0);
}

static void every_bit_pattern_comes_back(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    errors e = {0};
    safetensors s;
    float *x = mem_array(N, sizeof *x);
    uint32_t bits;
    for (uint32_t i = 0; i < N; i++) { /* infinities and NaNs with payloads too */
        bits = i << 16 | (i * 2654435761u >> 16);
        memcpy(&x[i], &bits, sizeof bits);
    }
    const safetensor t = {"x", {1, {N, 0, 0, 0, 0, 0}}, x, N};
    assert_int_equal(safetensors_write(in("a"), &t, 1, NULL, NULL, 0, &e), CVY_OK);
    assert_int_equal(safetensors_read(in("a"), &s, &e), CVY_OK);
    assert_memory_equal(s.items[0].data, x, N * sizeof *x);
    safetensors_free(&s);
    mem_free(x);
}

/* The file against the format's own description, written out by hand. */
static void the_bytes_are_the_formats(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"step\":\"12\",\"note\":\"quote \\\" back \\\\ line\\nend \xC3\xA9\"},"
        "\"stem.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"empty\":{\"dtype\":\"F32\",\"shape\":[4,0,2],\"data_offsets\":[24,24]},"
        "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]}}";
    size_t padded = (sizeof header - 1 + 7) / 8 * 8, n;
    write_example(in("a"));
    char *s = get(in("a"), &n);
    assert_int_equal(n, 8 + padded + 28);
    for (int i = 0; i < 8; i++) assert_int_equal((unsigned char)s[i], (padded >> (8 * i)) & 0xFF);
    assert_memory_equal(s + 8, header, sizeof header - 1);
    for (size_t i = sizeof header - 1; i < padded; i++) assert_int_equal(s[8 + i], ' ');
    static const unsigned char data[28] = {
        0, 0, 0x80, 0x3F, 0,    0,    0x20, 0xC0, 0, 0, 0, 0, /* 1, -2.5, 0 */
        0, 0, 0,    0x80, 0x9E, 0xC9, 0x7F, 0x7F, 1, 0, 0, 0, /* -0, 3.4e38, the smallest above 0 */
        0, 0, 0xE0, 0x40};
    assert_memory_equal(s + 8 + padded, data, sizeof data);
    mem_free(s);
}

static void equal_contents_give_equal_bytes(void **state)
{
    (void)state;
    size_t n, m;
    write_example(in("a"));
    write_example(in("b"));
    char *s = get(in("a"), &n), *t = get(in("b"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(s, t, n);
    mem_free(s);
    mem_free(t);
    assert_int_equal(entries(folder), 2);
}

/* ---- refused to write ---- */

static bool write_refused(const safetensor *items, size_t n, const char *const *keys, size_t n_keys,
                          const char *part)
{
    errors e = {0};
    cvy_status status = safetensors_write(in("refused"), items, n, keys, keys, n_keys, &e);
    return status == CVY_ERR_CONFIG && one_error(&e, CVY_ERR_CONFIG, part) && !file_exists(in("refused"));
}

static void does_not_write_what_could_not_be_read(void **state)
{
    (void)state;
    safetensor t[3] = {example_items[0], example_items[2], example_items[0]};
    assert_true(write_refused(t, 3, NULL, 0, "two tensors are called \"stem.weight\""));
    t[2].name = "__metadata__";
    assert_true(write_refused(t, 3, NULL, 0, "may not be called \"__metadata__\""));
    t[2].name = "bad \xFF";
    assert_true(write_refused(t, 3, NULL, 0, "not UTF-8"));
    t[2] = example_items[0];
    t[2].name = "c";
    t[2].count = 5;
    assert_true(write_refused(t, 3, NULL, 0, "do not agree in tensor \"c\""));
    t[2].shape = (cvy_shape){3, {4194305, 4194305, 211106198978564, 0, 0, 0}};
    assert_true(write_refused(t, 3, NULL, 0, "do not agree in tensor \"c\""));
    t[2].shape = (cvy_shape){7, {1, 1, 1, 1, 1, 1}};
    t[2].count = 1;
    assert_true(write_refused(t, 3, NULL, 0, "do not agree in tensor \"c\""));
    static const char *const twice[] = {"a", "b", "a"};
    assert_true(write_refused(t, 2, twice, 3, "two metadata keys are called \"a\""));
    /* a header beyond the format's limit */
    char *name = mem_alloc(100000001);
    memset(name, 'n', 100000000);
    t[1].name = name;
    assert_true(write_refused(t, 2, NULL, 0, "beyond the format's 100000000"));
    mem_free(name);
    assert_int_equal(entries(folder), 0);
}

/* ---- hostile files ---- */

/* A file of this header, padded with nothing, and n bytes of data. */
static void craft(const char *path, const char *header, size_t n_data)
{
    size_t n = strlen(header);
    char *s = mem_alloc(8 + n + n_data);
    for (int i = 0; i < 8; i++) s[i] = (char)(n >> (8 * i) & 0xFF);
    memcpy(s + 8, header, n);
    put(path, s, 8 + n + n_data);
    mem_free(s);
}

static bool refused(const char *path, const char *part)
{
    errors e = {0};
    safetensors s;
    memset(&s, 0x5A, sizeof s);
    cvy_status status = safetensors_read(path, &s, &e);
    bool empty = !s.n && !s.items && !s.file && !s.n_metadata && !s.memory.head;
    return status == CVY_ERR_CONFIG && empty && one_error(&e, CVY_ERR_CONFIG, part);
}

static bool craft_refused(const char *header, size_t n_data, const char *part)
{
    craft(in("h"), header, n_data);
    bool good = refused(in("h"), part);
    if (!good) print_message("in %s\n", header);
    return good;
}

static bool craft_accepted(const char *header, size_t n_data)
{
    craft(in("h"), header, n_data);
    errors e = {0};
    safetensors s;
    cvy_status status = safetensors_read(in("h"), &s, &e);
    errors_free(&e);
    safetensors_free(&s);
    return status == CVY_OK;
}

static void truncated_anywhere_is_refused(void **state)
{
    (void)state;
    size_t n;
    write_example(in("a"));
    char *s = get(in("a"), &n);
    for (size_t keep = 0; keep < n; keep++) {
        put(in("t"), s, keep);
        assert_true(refused(in("t"), "/t: byte "));
    }
    put(in("t"), s, n + 1); /* file_read() ends what it read with a NUL */
    assert_true(refused(in("t"), "1 bytes at the end belong to no tensor"));
    mem_free(s);
}

#define A_AT(from, to) "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" from "," to "]}"
#define B_AT(from, to) "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" from "," to "]}"

static void lying_offsets_are_refused(void **state)
{
    (void)state;
    assert_true(craft_accepted("{" A_AT("0", "8") "," B_AT("8", "16") "}", 16));
    assert_true(craft_accepted("{" A_AT("8", "16") "," B_AT("0", "8") "}", 16)); /* any order */
    assert_true(craft_refused("{" A_AT("0", "8") "," B_AT("4", "12") "}", 12,
                              "byte 120: tensors \"a\" and \"b\" overlap"));
    assert_true(craft_refused("{" A_AT("0", "8") "," B_AT("0", "8") "}", 8, "overlap"));
    assert_true(craft_refused("{" A_AT("0", "8") "," B_AT("12", "20") "}", 20,
                              "4 bytes of data before tensor \"b\" belong to no tensor"));
    assert_true(craft_refused("{" A_AT("4", "12") "}", 12, "4 bytes of data before tensor \"a\""));
    assert_true(craft_refused("{" A_AT("0", "8") "}", 9, "byte 70: 1 bytes at the end belong to no tensor"));
    assert_true(craft_refused("{}", 3, "byte 10: 3 bytes at the end"));
    assert_true(craft_refused("{" A_AT("0", "8") "}", 7, "data_offsets [0, 8] leave the file's 7 bytes"));
    assert_true(craft_refused("{" A_AT("8", "0") "}", 8, "data_offsets [8, 0] leave"));
    assert_true(
        craft_refused("{" A_AT("9223372036854775800", "9223372036854775807") "}", 8, "leave the file's"));
    assert_true(craft_refused("{" A_AT("-8", "0") "}", 8, "must be [begin, end]"));
    assert_true(craft_refused("{" A_AT("0", "18446744073709551624") "}", 8, "must be [begin, end]"));
    assert_true(craft_refused("{" A_AT("0.0", "8") "}", 8, "must be [begin, end]"));
    assert_true(craft_refused("{" A_AT("0", "7") "}", 7, "7 bytes of data for 2 elements"));
}

#define SHAPED(shape, end) "{\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[0," end "]}}"

static void lying_shapes_are_refused(void **state)
{
    (void)state;
    assert_true(craft_accepted(SHAPED("[1,2,1,1,1,1]", "8"), 8));
    /* their product is 4 modulo 2^64 */
    assert_true(craft_refused(SHAPED("[4194305,4194305,211106198978564]", "16"), 16, "more elements than"));
    assert_true(craft_refused(SHAPED("[4611686018427387904]", "0"), 0, "more elements than"));
    assert_true(craft_refused(SHAPED("[2305843009213693952]", "0"), 0, "more elements than"));
    assert_true(
        craft_refused(SHAPED("[2305843009213693951]", "4"), 4, "4 bytes of data for 2305843009213693951"));
    assert_true(craft_refused(SHAPED("[-1,-2]", "8"), 8, "dimension 0 of its shape is no size"));
    assert_true(craft_refused(SHAPED("[2,1.5]", "8"), 8, "dimension 1 of its shape is no size"));
    assert_true(craft_refused(SHAPED("[\"2\"]", "8"), 8, "dimension 0"));
    assert_true(craft_refused(SHAPED("[99999999999999999999]", "8"), 8, "dimension 0"));
    assert_true(craft_refused(SHAPED("[1,1,1,1,1,1,2]", "8"), 8, "7 dimensions, and at most 6"));
    assert_true(craft_refused(SHAPED("2", "8"), 8, "has no shape"));
    assert_true(craft_refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "has no shape"));
    assert_true(craft_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "must be [begin, end]"));
    assert_true(craft_refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "has no dtype"));
    assert_true(craft_refused("{\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
                              "byte 9: tensor \"a\" is of BF16; only F32 can be read"));
    assert_true(craft_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
                              "unknown key \"x\""));
    assert_true(craft_refused("{\"a\":[]}", 0, "not described by a map"));
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    assert_true(craft_accepted("{}", 0));
    assert_true(craft_accepted("{}   ", 0));
    assert_true(craft_refused("", 0, "byte 8: no safetensors file: the header must begin with '{'"));
    assert_true(craft_refused(" {}", 0, "must begin with '{'"));
    assert_true(craft_refused("[]", 0, "must begin with '{'"));
    assert_true(craft_refused("{} x", 0, "byte 11: bad JSON in the header"));
    assert_true(craft_refused("{\"a\":}", 0, "byte 13: bad JSON"));
    assert_true(
        craft_refused("{" A_AT("0", "8") "," A_AT("8", "16") "}", 16, "bad JSON in the header: duplicate"));
    assert_true(craft_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "duplicate key"));
    assert_true(craft_refused("{\"__metadata__\":{\"a\":1}}", 0, "\"a\" is no string"));
    assert_true(craft_refused("{\"__metadata__\":{\"a\":\"x\\u0000y\"}}", 0, "\"a\" is no string"));
    assert_true(craft_refused("{\"__metadata__\":[]}", 0, "__metadata__ must be a map"));
    assert_true(craft_refused("{\"\xFF\":{}}", 0, "invalid UTF-8"));

    unsigned char length[16] = {0};
    memset(length, 0xFF, 8);
    put(in("h"), length, 16);
    assert_true(refused(in("h"), "a header of 18446744073709551615 bytes, and at most 100000000"));
    uint64_t claimed = 100000001;
    memcpy(length, &claimed, 8);
    put(in("h"), length, 16);
    assert_true(refused(in("h"), "a header of 100000001 bytes"));
    claimed = 100000000;
    memcpy(length, &claimed, 8);
    put(in("h"), length, 16);
    assert_true(refused(in("h"), "the header should have 100000000 bytes, and 8 are there"));
    /* and one that is there, as a hole */
    assert_int_equal(truncate(in("h"), 8 + 100000000), 0);
    assert_true(refused(in("h"), "must begin with '{'"));
}

static void no_file_is_refused(void **state)
{
    (void)state;
    assert_true(refused(in("absent"), "absent: cannot read: No such file"));
    assert_true(refused(folder, "no regular file"));
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    assert_true(refused(in("pipe"), "pipe: no regular file"));
    assert_true(refused("/dev/zero", "/dev/zero: no regular file"));
}

/* Whatever comes out must be usable to the last element. */
static void mutations_do_no_harm(void **state)
{
    (void)state;
    size_t n;
    write_example(in("a"));
    char *s = get(in("a"), &n);
    philox_stream random = philox_open(philox_key_of(7, "fuzz", "safetensors"), 0, 0);
    int accepted = 0;
    char *m = mem_alloc(n + 64);
    for (int round = 0; round < 6000; round++) {
        static const char likely[] = "0123456789{}[],:\"-e. \\\xFF";
        memcpy(m, s, n);
        size_t length = n;
        for (uint32_t k = 1 + philox_below(&random, 4); k; k--) {
            size_t at = philox_below(&random, (uint32_t)length);
            switch (philox_below(&random, 4)) {
            case 0:
                m[at] = (char)philox_below(&random, 256);
                break;
            case 1:
                m[at] = likely[philox_below(&random, sizeof likely - 1)];
                break;
            case 2: /* a byte less, or one twice */
                memmove(m + at, m + at + 1, length - at - 1);
                length--;
                break;
            default:
                memmove(m + at + 1, m + at, length - at);
                length++;
            }
        }
        put(in("m"), m, length);
        errors e = {0};
        safetensors t;
        cvy_status status = safetensors_read(in("m"), &t, &e);
        assert_true((status == CVY_OK) == (errors_count(&e) == 0));
        accepted += status == CVY_OK;
        double sum = 0;
        for (size_t i = 0; i < t.n; i++)
            for (int64_t k = 0; k < t.items[i].count; k++) sum += isfinite(t.items[i].data[k]) ? 1 : 0;
        assert_true(sum <= (double)length);
        errors_free(&e);
        safetensors_free(&t);
    }
    assert_true(accepted > 10);
    mem_free(m);
    mem_free(s);
}

/* ---- storage that fails ---- */

static int in_child(int (*fn)(void *), void *ctx)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(fn(ctx));
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* Exit status 0: refused with `part` in the message, the old file whole, nothing left beside it. */
static int write_fails(const char *path, const char *part)
{
    char *dir = path_dir(path);
    int before = entries(dir);
    const int64_t n = 1 << 18;
    const safetensor big = {"big", {1, {n, 0, 0, 0, 0, 0}}, mem_alloc((size_t)n * 4), n};
    errors e = {0};
    if (safetensors_write(path, &big, 1, NULL, NULL, 0, &e) != CVY_ERR_RESOURCE) return 2;
    if (!one_error(&e, CVY_ERR_RESOURCE, part)) return 3;
    safetensors s;
    if (safetensors_read(path, &s, &e) || s.n != EXAMPLE_TENSORS) return 4;
    return entries(dir) == before ? 0 : 5;
}

static int as_nobody_in_a_readonly_folder(void *path)
{
    if (geteuid() == 0 && (setgid(65534) || setuid(65534))) return 77;
    return write_fails(path, "f: cannot write: Permission denied");
}

static int beyond_a_size_limit(void *path)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {100000, 100000};
    if (setrlimit(RLIMIT_FSIZE, &limit)) return 77;
    return write_fails(path, "f: cannot write: File too large");
}

static bool write_proc(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY);
    bool good = fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content);
    if (fd >= 0) close(fd);
    return good;
}

/* A small disk of this process alone, which any user may have where user namespaces are allowed. */
static int on_a_full_disk(void *ctx)
{
    (void)ctx;
    char *uids = arena_printf(&names, "0 %ld 1", (long)geteuid());
    char *gids = arena_printf(&names, "0 %ld 1", (long)getegid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) || !write_proc("/proc/self/uid_map", uids) ||
        !write_proc("/proc/self/setgroups", "deny") || !write_proc("/proc/self/gid_map", gids) ||
        mount("tmpfs", folder, "tmpfs", 0, "size=256k"))
        return 77;
    const char *path = in("f");
    if (safetensors_write(path, example_items, EXAMPLE_TENSORS, NULL, NULL, 0, NULL)) return 6;
    return write_fails(path, "f: cannot write: No space left on device");
}

static void failing_leaves_the_old_file(void **state)
{
    (void)state;
    errors e = {0};
    assert_int_equal(file_make_dirs(in("dir"), &e), CVY_OK);
    char *path = in("dir/f");
    write_example(path);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(in_child(beyond_a_size_limit, path), 0);
    assert_int_equal(chmod(in("dir"), 0555), 0);
    int code = in_child(as_nobody_in_a_readonly_folder, path);
    assert_int_equal(chmod(in("dir"), 0755), 0);
    assert_true(code == 0 || code == 77);
    code = in_child(on_a_full_disk, NULL);
    assert_true(code == 0 || code == 77);
    if (code == 77) print_message("no user namespace here: a full disk was not tried\n");
    assert_int_equal(safetensors_write(in("absent/f"), NULL, 0, NULL, NULL, 0, &e), CVY_ERR_CONFIG);
    assert_true(one_error(&e, CVY_ERR_CONFIG, "absent/f: cannot write: there is no folder "));
    assert_int_equal(safetensors_write(in("dir"), NULL, 0, NULL, NULL, 0, &e), CVY_ERR_RESOURCE);
    assert_true(one_error(&e, CVY_ERR_RESOURCE, "dir: cannot write: Is a directory"));
    assert_int_equal(entries(folder), 1);
    assert_int_equal(entries(in("dir")), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(comes_back),
        TEST(nothing_at_all_comes_back),
        TEST(every_bit_pattern_comes_back),
        TEST(the_bytes_are_the_formats),
        TEST(equal_contents_give_equal_bytes),
        TEST(does_not_write_what_could_not_be_read),
        TEST(truncated_anywhere_is_refused),
        TEST(lying_offsets_are_refused),
        TEST(lying_shapes_are_refused),
        TEST(bad_headers_are_refused),
        TEST(no_file_is_refused),
        TEST(mutations_do_no_harm),
        TEST(failing_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
