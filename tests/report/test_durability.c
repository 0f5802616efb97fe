/* Tests the database against kills, other processes, full disks and files that are not ours. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump.h"
#include "report/query.h"
#include "report/store.h"
#include "runs.h"

static char results[64];

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-durable-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(results, NULL) != CVY_OK;
}

static char *db_path(const char *suffix)
{
    return mem_printf("%s/convoy.db%s", results, suffix);
}

static void make_runs(int n, int epochs)
{
    for (int i = 1; i <= n; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        made_run r = {.name = name, .experiment = "x", .seed = i};
        made_whole(results, &r, epochs, 0.2);
    }
}

static cvy_status follow(errors *e)
{
    store *s = store_open(results, e);
    if (!s) return CVY_ERR_RESOURCE;
    cvy_status status = store_ingest_all(s, e);
    store_close(s);
    return status;
}

static void expect_rebuild_equal(void)
{
    errors e = {0};
    int64_t folders, records;
    char *followed = dump_all(results);
    assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_OK);
    char *rebuilt = dump_all(results);
    assert_true(!strcmp(followed, rebuilt));
    assert_true(text_ends(followed, "ok\n"));
    mem_free(followed);
    mem_free(rebuilt);
    errors_free(&e);
}

static void expect(const char *question, const char *answer)
{
    char *got = dump_ask(results, question);
    assert_string_equal(got, answer);
    mem_free(got);
}

/* ---- processes
 * --------------------------------------------------------------------------------------------- */

static void killed_while_taking_in(void **state)
{
    (void)state;
    make_runs(12, 30);
    for (int round = 0; round < 25; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (;;) {
                /* again and again from nothing, so that every moment gets its kill */
                store *s = store_open(results, NULL);
                if (!s) _exit(1);
                for (int i = 1; i <= 12; i++) {
                    char *dir = mem_printf("%s/r%d", results, i);
                    store_ingest(s, dir, NULL);
                    mem_free(dir);
                }
                for (int i = 1; i <= 12; i++) {
                    char name[16];
                    snprintf(name, sizeof name, "r%d", i);
                    store_forget(s, name, NULL);
                }
                store_close(s);
            }
        }
        usleep(3000 + (useconds_t)round * 1700);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        /* Whoever comes next finds whole transactions. */
        errors e = {0};
        store *s = store_open_current(results, &e);
        assert_non_null(s);
        assert_int_equal(e.n, 0);
        store_close(s);
        if (round % 8 == 7) expect_rebuild_equal();
    }
    assert_int_equal(follow(NULL), CVY_OK);
    expect("SELECT count(*), sum(epochs_done) FROM run_summary", "12|360\n");
    expect_rebuild_equal();
}

static void append_and_follow(int from, int to)
{
    errors e = {0};
    store *s = store_open(results, &e);
    journal *j[8];
    if (!s) _exit(1);
    for (int i = from; i < to; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        made_run r = {.name = name, .experiment = "x", .seed = i};
        char *dir = made_describe(results, &r);
        j[i - from] = made_journal(dir, 1, 0);
        mem_free(dir);
    }
    for (int epoch = 1; epoch <= 15; epoch++)
        for (int i = from; i < to; i++) {
            made_epochs(j[i - from], epoch, epoch, 0.2, (unsigned)i, 0);
            char *dir = mem_printf("%s/r%d", results, i);
            if (store_ingest(s, dir, &e) != CVY_OK) _exit(2);
            mem_free(dir);
        }
    /* a rebuild may have kept us waiting in vain */
    for (int i = 0; i < 50 && store_ingest_all(s, &e) == CVY_OK; i++) usleep(1000);
    store_close(s);
    _exit(errors_count(&e) ? 3 : 0);
}

static void two_writers_and_a_rebuild(void **state)
{
    (void)state;
    pid_t child[2];
    for (int i = 0; i < 2; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) append_and_follow(1 + 4 * i, 5 + 4 * i);
    }
    for (int i = 0; i < 6; i++) {
        int64_t folders, records;
        errors e = {0};
        usleep(15000);
        assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_OK);
        errors_free(&e);
    }
    for (int i = 0; i < 2; i++) {
        int status;
        waitpid(child[i], &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(follow(NULL), CVY_OK);
    expect("SELECT count(*), sum(epochs_done) FROM run_summary", "8|120\n");
    expect("SELECT count(*) FROM events", "0\n");
    expect_rebuild_equal();
}

/* A store that is open while the file is replaced goes on with the new one. */
static void rebuilt_underneath(void **state)
{
    (void)state;
    make_runs(2, 2);
    errors e = {0};
    store *s = store_open(results, &e);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    int64_t folders, records;
    assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_OK);
    assert_int_equal(folders, 2);
    assert_int_equal(records, 2 * (1 + 1 + 2 * 5 + 1 + 1 + 1 + 2));
    made_run third = {.name = "r3", .experiment = "x"};
    made_whole(results, &third, 2, 0.1);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    store_close(s);
    assert_int_equal(e.n, 0);
    expect("SELECT count(*) FROM runs", "3\n");
    expect_rebuild_equal();
}

/* Or removed by hand: a new one is made, with everything. */
static void removed_underneath(void **state)
{
    (void)state;
    make_runs(2, 2);
    errors e = {0};
    store *s = store_open(results, &e);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    char *path = db_path("");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    store_close(s);
    assert_int_equal(e.n, 0);
    expect("SELECT count(*), sum(epochs_done) FROM run_summary", "2|4\n");
    mem_free(path);
}

/* Somebody else holds the lock for long: nothing is lost, and nothing fails. */
static void busy(void **state)
{
    (void)state;
    make_runs(1, 1);
    char *lock = db_path(".lock");
    errors e = {0};
    store *s = store_open(results, &e);
    int fd = file_lock(lock, 0, &e);
    assert_true(fd >= 0);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    expect("SELECT count(*) FROM runs", "0\n");
    file_unlock(fd);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    expect("SELECT count(*) FROM runs", "1\n");
    store_close(s);
    assert_int_equal(e.n, 0);
    mem_free(lock);
}

/* A rollback journal that a killed writer left must not be played into a rebuilt file. */
static void stale_rollback_journal(void **state)
{
    (void)state;
    make_runs(3, 3);
    char *path = db_path(""), *rollback = db_path("-journal");
    assert_int_equal(follow(NULL), CVY_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *db;
        sqlite3_open(path, &db);
        /* small cache: pages reach the file before the commit */
        sqlite3_exec(
            db,
            "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; UPDATE metrics SET value = 7;"
            "DELETE FROM runs",
            NULL, NULL, NULL);
        kill(getpid(), SIGKILL);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(file_size(rollback) > 0);
    int64_t folders, records;
    assert_int_equal(store_rebuild(results, &folders, &records, NULL), CVY_OK);
    assert_true(file_size(rollback) <= 0);
    expect("SELECT count(*) FROM run_summary", "3\n");
    expect("SELECT count(*) FROM metrics WHERE value = 7", "0\n");
    expect_rebuild_equal();

    /* the same with the database itself gone bad */
    assert_int_equal(truncate(path, 0), 0);
    made_file(results, "convoy.db",
              "this is not a database, but longer than a header would be, and then some more");
    made_file(results, "convoy.db-journal", "garbage");
    assert_int_equal(store_rebuild(results, &folders, &records, NULL), CVY_OK);
    assert_false(file_exists(rollback));
    expect("SELECT count(*) FROM run_summary", "3\n");
    mem_free(path);
    mem_free(rollback);
}

/* ---- other files
 * ------------------------------------------------------------------------------------------- */

static void expect_refusal(const char *what)
{
    errors e = {0};
    assert_null(store_open(results, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_RESOURCE);
    if (!strstr(e.items[0].what, what)) fail_msg("%s", e.items[0].what);
    assert_non_null(strstr(e.items[0].file, "convoy.db"));
    errors_free(&e);
    assert_null(store_open_current(results, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_RESOURCE);
    errors_free(&e);
}

static void change(const char *statements)
{
    char *path = db_path("");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    mem_free(path);
}

static void not_ours(void **state)
{
    (void)state;
    char *path = db_path("");
    text long_text = {0};
    for (int i = 0; i < 100; i++) text_add(&long_text, "this is no database; ");
    made_file(results, "convoy.db", text_str(&long_text));
    expect_refusal("not a database");
    text_free(&long_text);
    unlink(path);
    change("CREATE TABLE mine (x)");
    expect_refusal("not Convoy's");
    unlink(path);
    make_runs(1, 2);
    assert_int_equal(follow(NULL), CVY_OK);
    change("UPDATE schema_version SET version = 99");
    expect_refusal("newer Convoy (schema 99");
    /* a rebuild mends all of them */
    int64_t folders, records;
    assert_int_equal(store_rebuild(results, &folders, &records, NULL), CVY_OK);
    expect("SELECT count(*) FROM runs", "1\n");
    /* a folder in its place it does not */
    unlink(path);
    assert_int_equal(mkdir(path, 0777), 0);
    expect_refusal("");
    errors e = {0};
    assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_ERR_RESOURCE);
    errors_free(&e);
    mem_free(path);
}

static void damaged_pages(void **state)
{
    (void)state;
    make_runs(4, 20);
    assert_int_equal(follow(NULL), CVY_OK);
    char *path = db_path("");
    int fd = open(path, O_WRONLY);
    char junk[4096];
    memset(junk, 0xA5, sizeof junk);
    for (off_t at = 4096; at < file_size(path); at += 4096)
        assert_int_equal(pwrite(fd, junk, 4096, at), 4096);
    close(fd);
    errors e = {0};
    assert_int_equal(follow(&e), CVY_ERR_RESOURCE);
    assert_true(errors_count(&e) > 0);
    assert_non_null(strstr(e.items[0].hint, "convoy db rebuild"));
    errors_free(&e);
    int64_t folders, records;
    assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_OK);
    expect("SELECT count(*), sum(epochs_done) FROM run_summary", "4|80\n");
    errors_free(&e);
    mem_free(path);
}

/* A limit on file sizes stands in for a disk that fills up. */
static void full_disk(void **state)
{
    (void)state;
    make_runs(6, 30);
    store *s = store_open(results, NULL);
    store_close(s);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {150000, 150000};
        errors e = {0};
        setrlimit(RLIMIT_FSIZE, &limit);
        cvy_status status = follow(&e);
        errors_free(&e);
        /* commands go on with what is there, and say why it is not all */
        s = store_open_current(results, &e);
        bool told = s && e.n == 1 && e.items[0].warning;
        store_close(s);
        errors_free(&e);
        int64_t folders, records;
        cvy_status rebuilt = store_rebuild(results, &folders, &records, &e);
        char *left = db_path(".new");
        bool clean = !file_exists(left);
        _exit(status == CVY_ERR_RESOURCE && told && rebuilt == CVY_ERR_RESOURCE && clean ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(follow(NULL), CVY_OK);
    expect("SELECT count(*), sum(epochs_done) FROM run_summary", "6|180\n");
    expect_rebuild_equal();
}

/* Where nothing may be written (another user's results), a command still reads. */
static void not_writable(void **state)
{
    (void)state;
    make_runs(2, 2);
    assert_int_equal(chmod(results, 0777), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        chmod(results, 0755);
        if (geteuid() == 0 && setuid(65534) != 0) _exit(0); /* root may write everywhere */
        if (access(results, W_OK) == 0) _exit(0);
        errors e = {0};
        arena a = {0};
        query_run *runs;
        size_t n = 0;
        store *s = store_open_current(results, &e);
        if (!s || e.n != 1 || !e.items[0].warning) _exit(1);
        if (query_runs(s, &a, &runs, &n, &e) != CVY_OK || n != 2) _exit(2);
        if (runs[0].epochs_done != 2) _exit(3);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    char *path = db_path("");
    assert_false(file_exists(path));
    mem_free(path);
}

/* Looking into a folder without results makes no file there. */
static void nothing_there(void **state)
{
    (void)state;
    errors e = {0};
    arena a = {0};
    query_run *runs;
    query_target t;
    size_t n = 7;
    store *s = store_open_current(results, &e);
    assert_non_null(s);
    assert_int_equal(query_runs(s, &a, &runs, &n, &e), CVY_OK);
    assert_int_equal(n, 0);
    assert_int_equal(query_find(s, "last", true, &a, &t, &e), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].hint, "no runs in"));
    store_close(s);
    errors_free(&e);
    char *path = db_path("");
    assert_false(file_exists(path));
    mem_free(path);
    s = store_open_current("/nonexistent/results", &e);
    assert_non_null(s);
    store_close(s);
    assert_int_equal(e.n, 0);
    int64_t folders, records;
    assert_int_equal(store_rebuild("/nonexistent/results", &folders, &records, &e), CVY_ERR_CONFIG);
    errors_free(&e);
    assert_null(store_open("/proc/nothing/here", &e));
    assert_true(errors_count(&e) > 0);
    errors_free(&e);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_while_taking_in, setup, teardown),
        cmocka_unit_test_setup_teardown(two_writers_and_a_rebuild, setup, teardown),
        cmocka_unit_test_setup_teardown(rebuilt_underneath, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_underneath, setup, teardown),
        cmocka_unit_test_setup_teardown(busy, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_rollback_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(not_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(not_writable, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
