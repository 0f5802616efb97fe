/* Children: their environment, descriptors, ends, and how they are stopped. */
#include "fake.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "sweep/process.h"

/* Runs a shell with the script and gives back what it printed. */
static char *shell(const char *script, process_options o, process *p)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    o.argv = argv;
    o.input = -1;
    o.output = o.messages = ends[1];
    errors e = {0};
    assert_int_equal(process_start(&o, p, &e), CVY_OK);
    close(ends[1]);
    text t = {0};
    char piece[256];
    for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;) text_add_n(&t, piece, (size_t)n);
    close(ends[0]);
    assert_true(process_wait(p, 10));
    return text_take(&t);
}

static void assert_end(const char *script, int code, int number, const char *words)
{
    process p;
    mem_free(shell(script, (process_options){.pass = -1}, &p));
    assert_int_equal(p.code, code);
    assert_int_equal(p.signal, number);
    text t = {0};
    process_describe(&p, &t);
    assert_string_equal(text_str(&t), words);
    text_free(&t);
    process_free(&p);
}

static void test_ends(void **unused)
{
    (void)unused;
    assert_end("exit 0", 0, 0, "exit code 0");
    assert_end("exit 75", 75, 0, "exit code 75");
    assert_end("kill -SEGV $$", 0, SIGSEGV, "signal 11 (segmentation fault)");
    assert_end("kill -KILL $$", 0, SIGKILL, "signal 9 (killed, perhaps for want of memory)");
    assert_end("kill -USR1 $$", 0, SIGUSR1, "signal 10");
}

static void test_environment(void **unused)
{
    (void)unused;
    process p;
    setenv("OMP_NUM_THREADS", "77", 1);
    setenv("OMP_THREAD_LIMIT", "1", 1);
    setenv("GOMP_SPINCOUNT", "12", 1);
    setenv("LANG", "de_DE.UTF-8", 1);
    const char *script =
        "echo $OMP_NUM_THREADS,$OMP_DYNAMIC,$OMP_THREAD_LIMIT,$OMP_PROC_BIND,$OMP_WAIT_POLICY,"
        "$GOMP_SPINCOUNT,$KMP_BLOCKTIME,$LANG";
    char *got = shell(script, (process_options){.pass = -1, .threads = 3}, &p);
    assert_string_equal(got, "3,false,,false,,12,1,de_DE.UTF-8\n"); /* what the user set for speed stays */
    mem_free(got);
    process_free(&p);
    unsetenv("GOMP_SPINCOUNT");
    got = shell(script, (process_options){.pass = -1, .threads = 1, .crowded = true}, &p);
    assert_string_equal(got, "1,false,,false,passive,0,0,de_DE.UTF-8\n");
    mem_free(got);
    process_free(&p);
    got = shell(script, (process_options){.pass = -1}, &p);
    assert_string_equal(got, "77,,1,,,,,de_DE.UTF-8\n");
    mem_free(got);
    process_free(&p);
    unsetenv("OMP_NUM_THREADS");
    unsetenv("OMP_THREAD_LIMIT");
}

/* Ours are closed in the child, but for the one passed; signals are as usual; the group is its own. */
static void test_clean_child(void **unused)
{
    (void)unused;
    process p;
    errors e = {0};
    int write_end, read_end = process_lifeline(&write_end, &e);
    assert_true(read_end >= 0);
    signal(SIGPIPE, SIG_IGN);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    char *script = mem_printf("test -e /proc/$$/fd/%d && echo open; grep SigBlk /proc/self/status; "
                              "ps -o pgid= -p $$ | tr -d ' '; echo $$; test -p /proc/self/fd/3 && echo pipe",
                              write_end);
    char *got = shell(script, (process_options){.pass = read_end}, &p);
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_DFL);
    char *want = mem_printf("SigBlk:\t0000000000000000\n%d\n%d\npipe\n", (int)p.pid, (int)p.pid);
    assert_string_equal(got, want);
    mem_free(script);
    mem_free(want);
    mem_free(got);
    process_free(&p);
    close(read_end);
    close(write_end);
}

static process begin(const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    process p;
    process_options o = {.argv = argv, .input = -1, .output = -1, .messages = -1, .pass = -1};
    assert_int_equal(process_start(&o, &p, NULL), CVY_OK);
    return p;
}

static void test_stop(void **unused)
{
    (void)unused;
    process p = begin("trap 'exit 75' TERM; while :; do sleep 0.02; done");
    assert_false(process_ended(&p));
    assert_false(process_wait(&p, 0.2));
    process_stop(&p, 10);
    assert_int_equal(p.code, 75);
    assert_true(p.seconds >= 0.2 && p.seconds < 9);
    process_free(&p);
    p = begin("trap '' TERM; while :; do sleep 0.02; done");
    process_wait(&p, 0.2);
    process_stop(&p, 0.2);
    assert_int_equal(p.signal, SIGKILL);
    process_free(&p);
}

/* SIGKILL reaches what the child has started, too. */
static void test_group(void **unused)
{
    (void)unused;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    process p = begin("sleep 1000 & sleep 1000");
    process_wait(&p, 0.3);
    process_signal(&p, SIGKILL);
    assert_true(process_wait(&p, 5));
    int status = 0;
    alarm(20);
    assert_true(waitpid(-p.pid, &status, 0) > 0 || waitpid(-1, &status, 0) > 0);
    alarm(0);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    process_free(&p);
}

static void test_watch(void **unused)
{
    (void)unused;
    process p = begin("sleep 0.2");
    if (p.watch >= 0) {
        struct pollfd fd = {p.watch, POLLIN, 0};
        assert_int_equal(poll(&fd, 1, 0), 0);
        assert_int_equal(poll(&fd, 1, 5000), 1);
    }
    assert_true(process_wait(&p, 5));
    process_free(&p);
}

static void test_last_words(void **unused)
{
    (void)unused;
    char name[] = "/tmp/convoy-words-XXXXXX";
    int fd = mkstemp(name);
    assert_null(process_last_words(fd, 0));
    static const char before[] = "earlier attempt\n", after[] = "one\ntwo\n\n";
    assert_true(write(fd, before, sizeof before - 1) > 0);
    assert_null(process_last_words(fd, sizeof before - 1));
    assert_true(write(fd, after, sizeof after - 1) > 0);
    char *got = process_last_words(fd, sizeof before - 1);
    assert_string_equal(got, "one two");
    mem_free(got);
    for (int i = 0; i < 100; i++) dprintf(fd, "line %d \x1b[31m\n", i);
    got = process_last_words(fd, 0);
    assert_non_null(strstr(got, "line 99 \\x1B[31m"));
    assert_true(text_starts(got, "line "));
    assert_true(strlen(got) < 1000);
    mem_free(got);
    close(fd);
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_clean_child), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_group),       cmocka_unit_test(test_watch),
        cmocka_unit_test(test_last_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
