/* Children born of a server: they are the supervisor's own, look like those that were started as programs, and neither their
 * ends nor the server's touch each other. */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include "sweep/server.h"

static char *self;

/* ---- the server, and what its copies do ---- */

static void show(int argc, char **argv)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    struct stat third;
    int open_files = 0;
    for (int fd = 4; fd < 64; fd++) open_files += fcntl(fd, F_GETFD) >= 0;
    printf("%s %d: parent %d group %d cores %d threads %s pipe %d others %d\n", argv[1], argc, (int)getppid(),
           getpgrp() == getpid(), CPU_COUNT(&set), getenv("OMP_NUM_THREADS"),
           fstat(PROCESS_PASSED, &third) == 0 && S_ISFIFO(third.st_mode), open_files);
    fputs("said aside\n", stderr);
}

static int play(int argc, char **argv)
{
    const int number = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(argv[1], "show")) show(argc, argv);
    if (!strcmp(argv[1], "fall")) {
        signal(number, SIG_DFL);
        raise(number);
    }
    if (!strcmp(argv[1], "wait")) pause();
    return !strcmp(argv[1], "leave") ? number : 0;
}

static int serve(int fd)
{
    serving q;
    for (int n = 0; serving_wait(fd, &q); n++) {
        if (!strcmp(q.argv[1], "refuse")) {
            serving_refuse(fd);
        } else if (!strcmp(q.argv[1], "die")) {
            raise(SIGKILL);
        } else if (serving_fork() == 0) {
            const int code = serving_become(fd, &q) ? play(q.argc, q.argv) : 99;
            serving_free(&q);
            return code;
        }
        serving_free(&q);
    }
    return 0;
}

/* ---- asking for them ---- */

static bool ask(server *s, const char *word, const char *number, process_options o, process *p)
{
    const char *argv[] = {self, word, number, NULL};
    o.argv = argv;
    return server_start(s, &o, p);
}

static server *open_server(void)
{
    server *s = server_open(self, &(process_options){.threads = 3});
    assert_non_null(s);
    return s;
}

static const process_options nothing = {.input = -1, .output = -1, .messages = -1, .pass = -1};

static void assert_end(server *s, const char *word, const char *number, int code, int by)
{
    process p;
    assert_true(ask(s, word, number, nothing, &p));
    assert_true(process_wait(&p, 10));
    assert_int_equal(p.code, code);
    assert_int_equal(p.signal, by);
    assert_true(p.seconds >= 0 && p.seconds < 10);
    process_free(&p);
}

static void test_ends(void **unused)
{
    (void)unused;
    server *s = open_server();
    assert_end(s, "leave", "0", 0, 0);
    assert_end(s, "leave", "75", 75, 0);
    assert_end(s, "fall", "11", 0, SIGSEGV);
    assert_end(s, "fall", "6", 0, SIGABRT);
    assert_end(s, "fall", "9", 0, SIGKILL);
    assert_end(s, "leave", "5", 5, 0); /* whoever fell, fell alone */
    server_close(s);
}

static void test_looks_like_any_other(void **unused)
{
    (void)unused;
    server *s = open_server();
    int ends[2], lifeline_end, core = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const int lifeline = process_lifeline(&lifeline_end, NULL);
    assert_true(process_core_list(&core, 1) > 0);
    process p;
    process_options o = {
        .input = -1, .output = ends[1], .messages = ends[1], .pass = lifeline, .cores = &core, .n_cores = 1};
    assert_true(ask(s, "show", "1", o, &p));
    close(ends[1]);
    int passed_on = 0; /* whoever started the test left them open for its children */
    for (int fd = 4; fd < 64; fd++) passed_on += fcntl(fd, F_GETFD) == 0;
    char got[300] = "", *want = mem_printf("show 3: parent %d group 1 cores 1 threads 3 pipe 1 others %d\n",
                                           (int)getpid(), passed_on);
    for (size_t n = 0; n + 1 < sizeof got;) {
        ssize_t more = read(ends[0], got + n, sizeof got - 1 - n);
        if (more <= 0) break;
        n += (size_t)more;
    }
    assert_true(process_wait(&p, 10));
    if (!strstr(got, want)) fail_msg("expected %s, found %s", want, got);
    assert_non_null(strstr(got, "said aside\n"));
    mem_free(want);
    process_free(&p);
    close(ends[0]);
    close(lifeline);
    close(lifeline_end);
    server_close(s);
}

static void test_stop(void **unused)
{
    (void)unused;
    server *s = open_server();
    process p;
    assert_true(ask(s, "wait", "0", nothing, &p));
    assert_false(process_ended(&p));
    process_stop(&p, 5);
    assert_int_equal(p.signal, SIGTERM);
    process_free(&p);
    server_close(s);
}

/* Those that are there live on, and the next ones are not its any more. */
static void test_server_dies(void **unused)
{
    (void)unused;
    server *s = open_server();
    process one, two;
    assert_true(ask(s, "wait", "0", nothing, &one));
    assert_true(server_pid(s) > 0);
    kill(server_pid(s), SIGKILL);
    assert_false(ask(s, "leave", "0", nothing, &two));
    assert_int_equal(server_pid(s), 0);
    assert_false(process_wait(&one, 0.1));
    process_stop(&one, 5);
    assert_int_equal(one.signal, SIGTERM);
    process_free(&one);
    assert_false(ask(s, "leave", "0", nothing, &two));
    server_close(s);
    s = open_server();
    assert_false(ask(s, "die", "0", nothing, &two)); /* while it was asked */
    server_close(s);
}

static void test_refusals(void **unused)
{
    (void)unused;
    server *s = open_server();
    process p;
    assert_false(ask(s, "refuse", "0", nothing, &p));
    assert_end(s, "leave", "3", 3, 0); /* the server is still good */
    char *huge = mem_alloc(1 << 17);
    memset(huge, 'x', (1 << 17) - 1);
    assert_false(ask(s, huge, "0", nothing, &p));
    mem_free(huge);
    server_close(s);
    assert_false(ask(NULL, "leave", "0", nothing, &p));
    server_close(NULL);
    s = server_open("/nowhere/at/all", &nothing);
    assert_true(!s || !ask(s, "leave", "0", nothing, &p));
    server_close(s);
}

/* Nothing is left behind: no child, no descriptor. */
static void test_leaves_nothing(void **unused)
{
    (void)unused;
    int before = 0, after = 0;
    for (int fd = 0; fd < 256; fd++) before += fcntl(fd, F_GETFD) >= 0;
    server *s = open_server();
    for (int i = 0; i < 20; i++) assert_end(s, "leave", "1", 1, 0);
    server_close(s);
    for (int fd = 0; fd < 256; fd++) after += fcntl(fd, F_GETFD) >= 0;
    assert_int_equal(before, after);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

int main(int argc, char **argv)
{
    if (argc > 3 && !strcmp(argv[1], "trial") && !strcmp(argv[2], "--serve")) return serve(atoi(argv[3]));
    self = path_executable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),     cmocka_unit_test(test_looks_like_any_other),
        cmocka_unit_test(test_stop),     cmocka_unit_test(test_server_dies),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_leaves_nothing),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(self);
    return failed;
}
