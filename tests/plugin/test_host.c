/* The host's functions as a plugin calls them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cvy_fail() calls a member of this name */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/philox.h"
#include "convoy/image.h"
#include "plugin/host.h"

typedef struct call { /* as the structs of the public headers */
    const cvy_host *host;
} call;

static void test_fail(void **state)
{
    (void)state;
    errors e = {0};
    place at = {"net.yaml", 3, 7, -1, "  - conv2d"};
    host h = host_make(&e, CVY_ERR_RUN, &at, 1, "model.stem");
    call c = {&h.face};
    assert_int_equal(h.face.size, sizeof(cvy_host));
    assert_int_equal(cvy_fail(&c, "kernel %d is too large", 9), CVY_ERR_RUN);
    assert_int_equal(cvy_fail_at(&c, "data_batch_1.bin", 30, "label %d", 11), CVY_ERR_CONFIG);
    assert_int_equal(cvy_fail_at(&c, "labels", -1, "missing"), CVY_ERR_CONFIG);
    text t = {0};
    errors_text(&e, false, &t);
    assert_non_null(strstr(t.s, "net.yaml:3:7: kernel 9 is too large\n"));
    assert_non_null(strstr(t.s, "data_batch_1.bin: byte 30: label 11\n"));
    assert_non_null(strstr(t.s, "labels: missing\n"));
    text_free(&t);
    errors_free(&e);
}

static void *fail_often(void *arg)
{
    for (int i = 0; i < 20; i++) cvy_fail((call *)arg, "again");
    return NULL;
}

static void test_fail_from_threads(void **state)
{
    (void)state;
    errors e = {0};
    host h = host_make(&e, CVY_ERR_RUN, NULL, 1, NULL);
    call c = {&h.face};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, fail_often, &c), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(errors_count(&e), 80);
    errors_free(&e);
}

static void mark(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) ((char *)ctx)[i]++;
}

static void test_parallel_for(void **state)
{
    (void)state;
    host h = host_make(NULL, CVY_ERR_RUN, NULL, 1, NULL);
    char seen[1000] = {0};
    h.face.parallel_for(&h.face, 1000, 16, mark, seen);
    for (int i = 0; i < 1000; i++) assert_int_equal(seen[i], 1);
    h.face.parallel_for(&h.face, 0, 16, mark, seen);
    assert_int_equal(seen[0], 1);
}

static void test_random(void **state)
{
    (void)state;
    host h = host_make(NULL, CVY_ERR_RUN, NULL, 42, "model.drop");
    cvy_random r = h.face.random(&h.face, "mask", 7, 3);
    philox_stream s = philox_open(philox_key_of(42, "mask", "model.drop"), 7, 3);
    for (int i = 0; i < 100; i++) assert_int_equal(r.next(&r), philox_u32(&s));
    cvy_random again = h.face.random(&h.face, "mask", 7, 3), other = h.face.random(&h.face, "mask", 8, 3);
    cvy_random first = h.face.random(&h.face, "mask", 7, 3);
    assert_int_equal(again.next(&again), first.next(&first));
    assert_int_not_equal(again.next(&again), other.next(&other));
    for (int i = 0; i < 1000; i++) {
        float u = cvy_unit(&r);
        assert_true(u >= 0 && u < 1);
        assert_true(cvy_below(&r, 10) < 10);
    }
    host nameless = host_make(NULL, CVY_ERR_RUN, NULL, 42, NULL);
    r = nameless.face.random(&nameless.face, "mask", 7, 3);
    r.next(&r);
}

static void test_sha256_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/convoy-host-XXXXXX", hex[65];
    assert_non_null(mkdtemp(dir));
    setenv("XDG_CACHE_HOME", dir, 1);
    errors e = {0}, ignored = {0};
    char *path = path_join(dir, "abc");
    assert_int_equal(file_replace(path, "abc", 3, &e), CVY_OK);
    host h = host_make(&e, CVY_ERR_CONFIG, NULL, 1, NULL);
    assert_int_equal(h.face.sha256_file(&h.face, path, hex), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(errors_count(&e), 0);
    assert_int_not_equal(h.face.sha256_file(&h.face, "/nonexistent", hex), 0);
    assert_int_equal(errors_count(&e), 1);
    errors_free(&e);
    file_remove_tree(dir, &ignored);
    errors_free(&ignored);
    mem_free(path);
}

static void keep(void *ctx, const char *name, double value)
{
    assert_string_equal(name, "sparsity");
    *(double *)ctx = value;
}

static void test_log(void **state)
{
    (void)state;
    host h = host_make(NULL, CVY_ERR_RUN, NULL, 1, NULL);
    call c = {&h.face};
    double got = 0;
    cvy_log(&c, "sparsity", 0.5); /* nobody listens */
    h.log = keep;
    h.log_ctx = &got;
    cvy_log(&c, "sparsity", 0.25);
    assert_true(got == 0.25);
}

static void test_image(void **state)
{
    (void)state;
    errors e = {0};
    host h = host_make(&e, CVY_ERR_RUN, NULL, 1, NULL);
    cvy_image image = {.file = "x.png", .bytes = "GIF89a", .n_bytes = 6};
    assert_int_equal(h.face.image_size(&h.face, &image), CVY_ERR_CONFIG);
    text t = {0};
    errors_text(&e, false, &t);
    assert_string_equal(text_str(&t), "x.png: byte 0: a GIF picture; JPEG and PNG pictures are read\n");
    text_free(&t);
    errors_free(&e);
    char why[64] = "";
    image.why = why;
    image.why_size = sizeof why;
    uint8_t pixel[3];
    assert_int_equal(h.face.image_read(&h.face, &image, pixel), CVY_ERR_CONFIG);
    assert_int_equal(errors_count(&e), 0);
    assert_string_equal(why, "byte 0: a GIF picture; JPEG and PNG pictures are read");
    const float x[2] = {1, 3};
    float y = 0;
    assert_int_equal(h.face.image_resize(&h.face, 1, x, 1, 2, &y, 1, 1), 0);
    assert_true(y == 2);
    assert_int_equal(h.face.image_resize(&h.face, 1, x, 1, 0, &y, 1, 1), CVY_ERR_CONFIG);
    errors_free(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_fail_from_threads),
        cmocka_unit_test(test_parallel_for),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_sha256_file),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
