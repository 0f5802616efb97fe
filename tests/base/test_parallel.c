/* Tests core/base/parallel: the split covers everything once, is the one that parallel_share() says, and does
 * not depend on how many threads really came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/parallel.h"

static void shares_cover_once(void **state)
{
    (void)state;
    const int64_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 64, 100, 1000, 4097, INT64_MAX - 3, INT64_MAX};
    const int64_t grains[] = {1, 2, 8, 16, 1000, INT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t g = 0; g < sizeof grains / sizeof *grains; g++)
            for (int threads = 1; threads <= 33; threads++) {
                int64_t at = 0, least = INT64_MAX, most = 0;
                for (int t = 0; t < threads; t++) {
                    int64_t begin, end;
                    parallel_share(sizes[i], grains[g], threads, t, &begin, &end);
                    assert_true(begin == at && end >= begin && end <= sizes[i]);
                    if (end < sizes[i]) assert_true((end - begin) % grains[g] == 0);
                    int64_t units = (end - begin) / grains[g] + ((end - begin) % grains[g] != 0);
                    least = units < least ? units : least;
                    most = units > most ? units : most;
                    at = end;
                }
                assert_true(at == sizes[i]);
                assert_true(most - least <= 1); /* nobody waits for one who has two grains more */
            }
}

static void no_grain_is_one(void **state)
{
    (void)state;
    int64_t begin, end;
    parallel_share(10, 0, 3, 0, &begin, &end);
    assert_true(begin == 0 && end == 4);
    parallel_share(-5, 1, 3, 0, &begin, &end);
    assert_true(begin == 0 && end == 0);
}

enum { N = 10007 };

typedef struct record {
    atomic_int touched[N];
    atomic_int calls;
    int64_t n, grain;
    int threads;
    atomic_int wrong;
} record;

static record r;

static void note(void *ctx, int64_t begin, int64_t end, int thread)
{
    record *rec = ctx;
    int64_t b, e;
    parallel_share(rec->n, rec->grain, rec->threads, thread, &b, &e);
    if (b != begin || e != end || begin >= end) atomic_fetch_add(&rec->wrong, 1);
    for (int64_t i = begin; i < end; i++) atomic_fetch_add(&rec->touched[i], 1);
    atomic_fetch_add(&rec->calls, 1);
}

/* 0 when a loop over n ran as promised. */
static int check(int64_t n, int64_t grain, int threads)
{
    memset(&r, 0, sizeof r);
    r.n = n;
    r.grain = grain;
    r.threads = threads;
    int64_t units = n / grain + (n % grain != 0), calls = units < threads ? units : threads;
    if (units == 1) r.threads = 1; /* inline */
    parallel_for(n, grain, note, &r);
    for (int64_t i = 0; i < N; i++)
        if (atomic_load(&r.touched[i]) != (i < n)) return 1;
    if (atomic_load(&r.wrong)) return 2;
    return atomic_load(&r.calls) == calls ? 0 : 3;
}

static int check_all(void)
{
    const int64_t sizes[] = {0, 1, 3, 8, 100, N};
    for (int threads = 1; threads <= 9; threads++) {
        parallel_set_threads(threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int64_t grain = 1; grain <= 4096; grain *= 8) {
                int failed = check(sizes[i], grain, threads);
                if (failed) return failed;
            }
    }
    parallel_set_threads(0);
    return 0;
}

static void every_item_once(void **state)
{
    (void)state;
    assert_int_equal(check_all(), 0);
}

static void threads_are_set_and_restored(void **state)
{
    (void)state;
    int before = parallel_threads();
    assert_true(before >= 1);
    parallel_set_threads(3);
    assert_int_equal(parallel_threads(), 3);
    parallel_set_threads(0);
    assert_int_equal(parallel_threads(), before);
    parallel_set_threads(-4);
    assert_int_equal(parallel_threads(), before);
}

static void inner(void *ctx, int64_t begin, int64_t end, int thread)
{
    /* nested: all of it, here */
    if (begin != 0 || end != 50 || thread != 0) atomic_fetch_add((atomic_int *)ctx, 1000000);
    atomic_fetch_add((atomic_int *)ctx, (int)(end - begin));
}

static void outer(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t i = begin; i < end; i++) parallel_for(50, 1, inner, ctx);
}

static void nested_runs_inline(void **state)
{
    (void)state;
    atomic_int sum = 0;
    parallel_set_threads(4);
    parallel_for(12, 1, outer, &sum);
    parallel_set_threads(0);
    assert_int_equal(sum, 600);
}

/* Whether this runs on an emulated processor, as tests/cross has it: qemu opens /proc/self/exe as this program, while the
 * kernel, which would start it again, knows it as qemu. */
static bool emulated(void)
{
    struct stat known, opened;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const bool told = fd >= 0 && fstat(fd, &opened) == 0 && stat("/proc/self/exe", &known) == 0;
    if (fd >= 0) close(fd);
    return told && known.st_ino != opened.st_ino;
}

#define SKIP_EMULATED()                                                              \
    if (emulated()) {                                                                \
        print_message("skipped: under an emulator a program cannot start itself\n"); \
        skip();                                                                      \
    }

/* Runs this program again, in an environment where OpenMP decides otherwise. */
static int again(const char *variable, const char *value, const char *what)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setenv(variable, value, 1);
        execl("/proc/self/exe", "test_parallel", what, (char *)NULL);
        _exit(99);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void fewer_threads_than_asked(void **state)
{
    (void)state;
    SKIP_EMULATED();
    assert_int_equal(again("OMP_THREAD_LIMIT", "2", "all"), 0);
    assert_int_equal(again("OMP_THREAD_LIMIT", "1", "all"), 0);
    assert_int_equal(again("OMP_DYNAMIC", "true", "all"), 0);
}

static void the_environment_gives_the_default(void **state)
{
    (void)state;
    SKIP_EMULATED();
    assert_int_equal(again("OMP_NUM_THREADS", "5", "threads"), 5);
}

/* The number of threads as it is first asked for while alone; 100 more when the loops were disturbed. */
static int first_asked_alone(void)
{
    int begun = parallel_alone_begin(), threads = parallel_threads(), disturbed = check(N, 8, threads);
    parallel_alone_end(begun);
    return threads + (disturbed || parallel_threads() != threads ? 100 : 0);
}

static void being_alone_leaves_our_loops(void **state)
{
    (void)state;
    SKIP_EMULATED();
    assert_int_equal(again("OMP_NUM_THREADS", "5", "alone"), 5);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "alone")) return first_asked_alone();
    if (argc > 1 && !strcmp(argv[1], "all")) return check_all();
    if (argc > 1 && !strcmp(argv[1], "threads")) {
        parallel_set_threads(2);
        parallel_set_threads(0);
        return parallel_threads();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_cover_once),
        cmocka_unit_test(no_grain_is_one),
        cmocka_unit_test(every_item_once),
        cmocka_unit_test(threads_are_set_and_restored),
        cmocka_unit_test(nested_runs_inline),
        cmocka_unit_test(fewer_threads_than_asked),
        cmocka_unit_test(the_environment_gives_the_default),
        cmocka_unit_test(being_alone_leaves_our_loops),
    };
    return cmocka_run_group_tests_name("parallel", tests, NULL, NULL);
}
