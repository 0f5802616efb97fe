/* Tests databases of earlier versions (old/) in today's hands: nothing in them is lost, and nothing is half done. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump.h"
#include "report/query.h"
#include "report/store.h"

enum { VERSIONS = 5 }; /* the last is today's */

static char results[64];

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-old-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(results, NULL) != CVY_OK;
}

static void copy_file(const char *from, const char *to)
{
    char *bytes = NULL;
    size_t n = 0;
    assert_int_equal(file_read(from, 1 << 20, &bytes, &n, NULL), CVY_OK);
    assert_int_equal(file_replace(to, bytes, n, NULL), CVY_OK);
    mem_free(bytes);
}

/* results/convoy.db as that version left it. */
static void place_old(int version)
{
    char *from = mem_printf(SOURCE_DIR "/tests/report/old/v%d.db", version),
         *to = path_join(results, "convoy.db");
    copy_file(from, to);
    mem_free(from);
    mem_free(to);
}

static void place_folders(void)
{
    static const char *const files[] = {"r1/run.json", "r1/events", "r1/journal.1", "r1/spec.yaml",
                                        "r2/run.json", "r2/events", "r2/journal.1", "r2/spec.yaml",
                                        "r3/run.json", "r3/events", "r3/journal.1", "r3/spec.yaml",
                                        "s1/events",   "s1/plans",  "s1/sweep.json"};
    static const char *const folders[] = {"r1", "r2", "r3", "s1"};
    for (size_t i = 0; i < 4; i++) {
        char *dir = path_join(results, folders[i]);
        assert_int_equal(file_make_dirs(dir, NULL), CVY_OK);
        mem_free(dir);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *from = path_join(SOURCE_DIR "/tests/report/old/v1", files[i]),
             *to = path_join(results, files[i]);
        copy_file(from, to);
        mem_free(from);
        mem_free(to);
    }
}

/* What every version's views can be asked, so that before and after can be compared. The events of a folder may go on behind what
 * the old database had taken in. */
static char *facts(bool events)
{
    static const char *const questions[] = {
        "SELECT name, experiment, sweep, trial, repeat, seed, label, state, model, dataset, parameters,"
        " trainable, macs, epochs, epochs_done, metric, goal, best_epoch, best, best_val_accuracy,"
        " best_val_loss, test_accuracy, test_loss, seconds, attempts, created, source, config_hash,"
        " exact_key, tags FROM run_summary ORDER BY name",
        "SELECT * FROM curves ORDER BY run, metric, step",
        "SELECT * FROM step_curves ORDER BY run, metric, step",
        "SELECT * FROM run_metrics ORDER BY run, metric, step",
        "SELECT * FROM measured ORDER BY run, metric, step",
        "SELECT * FROM run_params ORDER BY run, path",
        "SELECT * FROM run_environment ORDER BY run, key",
        "SELECT * FROM run_plugins ORDER BY run, kind, name",
        "SELECT * FROM run_attempts ORDER BY run, attempt",
        "SELECT * FROM run_kernels ORDER BY run, node",
        "SELECT * FROM run_artifacts ORDER BY run, path",
        "SELECT * FROM event_log ORDER BY owner, file, offset, kind",
        "SELECT sweep, trial, repeat, run, metric, goal, best FROM sweep_runs ORDER BY sweep, trial, repeat",
        ("SELECT name, experiment, method, metric, goal, trials, runs, finished, failed, best_run, best,"
         " created, source, tags FROM sweep_summary ORDER BY name"),
        "SELECT * FROM experiments",
        "PRAGMA integrity_check",
    };
    text out = {0};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        if (!events && strstr(questions[i], "event_log")) continue;
        char *answer = dump_ask(results, questions[i]);
        assert_null(strstr(answer, "error:"));
        text_printf(&out, "-- %s\n%s", questions[i], answer);
        mem_free(answer);
    }
    return text_take(&out);
}

static void expect(const char *question, const char *answer)
{
    char *got = dump_ask(results, question);
    assert_string_equal(got, answer);
    mem_free(got);
}

/* Whether the views, indexes and tables are those of a database made today. */
static void expect_todays_schema(void)
{
    const char *question = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
                           " ORDER BY type, name";
    char was[sizeof results], *got = dump_ask(results, question);
    memcpy(was, results, sizeof was);
    assert_int_equal(setup(NULL), 0);
    store *s = store_open(results, NULL);
    assert_non_null(s);
    store_close(s);
    char *fresh = dump_ask(results, question);
    assert_int_equal(teardown(NULL), 0);
    memcpy(results, was, sizeof was);
    assert_string_equal(got, fresh);
    mem_free(got);
    mem_free(fresh);
}

/* Opens and closes; the number of warnings, each of which says what was done. */
static size_t opened(bool writing)
{
    errors e = {0};
    store *s = writing ? store_open(results, &e) : store_open_current(results, &e);
    assert_non_null(s);
    store_close(s);
    assert_int_equal(errors_count(&e), 0);
    for (size_t i = 0; i < e.n; i++) assert_non_null(strstr(e.items[i].what, "brought up to date"));
    const size_t n = e.n;
    errors_free(&e);
    return n;
}

/* The database alone, as it is when somebody was sent it: its run folders are elsewhere. */
static void alone(void **state)
{
    (void)state;
    for (int version = 1; version <= VERSIONS; version++) {
        place_old(version);
        char *before = facts(true);
        assert_int_equal(opened(version % 2), version < VERSIONS);
        char *after = facts(true);
        assert_string_equal(before, after);
        expect("SELECT version FROM schema_version", "5\n");
        expect("SELECT state, count(*) FROM run_summary GROUP BY state", "failed|1\nfinished|2\n");
        expect("SELECT count(*) FROM evaluations", version > 1 ? "4\n" : "0\n");
        expect("SELECT count(*) > 0 FROM histograms", version > 2 ? "1\n" : "0\n");
        if (version < VERSIONS) expect_todays_schema();
        assert_int_equal(opened(false), 0); /* once */
        mem_free(before);
        mem_free(after);
    }
}

/* With its folders: it is the same as one made of them today. */
static void with_folders(void **state)
{
    (void)state;
    place_old(1);
    place_folders();
    char *before = facts(false);
    assert_int_equal(opened(true), 1);
    char *after = facts(false), *all = dump_all(results);
    assert_string_equal(before, after);
    int64_t folders, records;
    assert_int_equal(store_rebuild(results, &folders, &records, NULL), CVY_OK);
    char *rebuilt = dump_all(results);
    assert_string_equal(all, rebuilt);
    assert_true(text_ends(all, "ok\n"));
    mem_free(before);
    mem_free(after);
    mem_free(all);
    mem_free(rebuilt);
}

/* Of runs whose folders are gone the rows stay, beside those that are there. */
static void some_folders_gone(void **state)
{
    (void)state;
    place_old(1);
    place_folders();
    char *gone = path_join(results, "r2"), *before = facts(false);
    assert_int_equal(file_remove_tree(gone, NULL), CVY_OK);
    assert_int_equal(opened(false), 1);
    char *after = facts(false);
    assert_string_equal(before, after);
    mem_free(gone);
    mem_free(before);
    mem_free(after);
}

/* What somebody put into it beside our tables. */
static void with_additions(void **state)
{
    (void)state;
    place_old(1);
    char *path = path_join(results, "convoy.db");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TABLE notes (run TEXT, note TEXT); INSERT INTO notes VALUES ('r1', 'good');"
                     "CREATE VIEW noted AS SELECT name, best, note FROM run_summary JOIN notes ON run = name;"
                     "CREATE INDEX mine ON attempts (seconds)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    mem_free(path);
    assert_int_equal(opened(true), 1);
    expect("SELECT name, note FROM noted", "r1|good\n");
    expect("PRAGMA integrity_check", "ok\n");
}

static void killed(void **state)
{
    (void)state;
    place_old(1);
    char *before = facts(true);
    int older = 0, newer = 0;
    for (int round = 0; round < 30; round++) {
        place_old(1);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            store_open(results, NULL);
            pause();
            _exit(1);
        }
        usleep(200u * (unsigned)round);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        char *version = dump_ask(results, "SELECT version FROM schema_version"), *after = facts(true);
        older += !strcmp(version, "1\n");
        newer += !strcmp(version, "5\n");
        assert_string_equal(before, after); /* as an old one or as a new one */
        mem_free(version);
        mem_free(after);
        opened(round % 2);
        after = facts(true);
        assert_string_equal(before, after);
        mem_free(after);
    }
    assert_int_equal(older + newer, 30);
    mem_free(before);
}

static void two_at_once(void **state)
{
    (void)state;
    enum { PROCESSES = 6 };
    pid_t children[PROCESSES];
    place_old(1);
    char *before = facts(true);
    for (int i = 0; i < PROCESSES; i++)
        if ((children[i] = fork()) == 0) {
            errors e = {0};
            store *s = i % 2 ? store_open(results, &e) : store_open_current(results, &e);
            _exit(s && !errors_count(&e) ? (int)e.n : 100);
        }
    int told = 0;
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status));
        told += WEXITSTATUS(status);
    }
    assert_int_equal(told, 1); /* one did it */
    char *after = facts(true);
    assert_string_equal(before, after);
    mem_free(before);
    mem_free(after);
}

/* In a child, which gives up the right to write anywhere where it has it. */
static void where_nothing_may_be_written(void **state)
{
    (void)state;
    for (int folders = 0; folders < 2; folders++) {
        place_old(1);
        if (folders) place_folders();
        char *path = path_join(results, "convoy.db"), *before = NULL, *after = NULL;
        size_t n, m;
        assert_int_equal(file_read(path, 1 << 20, &before, &n, NULL), CVY_OK);
        chmod(path, 0444);
        chmod(results, 0555);
        pid_t child = fork();
        if (child == 0) {
            errors e = {0};
            arena a = {0};
            query_run *runs;
            size_t n_runs;
            if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(10);
            store *s = store_open_current(results, &e);
            if (!s || errors_count(&e)) _exit(11);
            if (query_runs(s, &a, &runs, &n_runs, &e) != CVY_OK || n_runs != 3) _exit(12);
            if (strcmp(runs[0].state, "finished") || runs[0].best < 0.33 || runs[0].best > 0.34) _exit(13);
            store_close(s);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        chmod(results, 0755);
        chmod(path, 0644);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(file_read(path, 1 << 20, &after, &m, NULL), CVY_OK);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, n);
        mem_free(before);
        mem_free(after);
        mem_free(path);
    }
}

static void of_a_newer_convoy(void **state)
{
    (void)state;
    static const char *const changes[] = {"UPDATE schema_version SET version = 6",
                                          "UPDATE schema_version SET version = 0",
                                          "DELETE FROM schema_version", "DROP TABLE schema_version"};
    static const char *const said[] = {"written by a newer Convoy (schema 6", "does not say which schema",
                                       "does not say which schema", "is not Convoy's"};
    for (size_t i = 0; i < 4; i++) {
        place_old(4);
        char *path = path_join(results, "convoy.db"), *before = NULL, *after = NULL;
        size_t n, m;
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(file_read(path, 1 << 20, &before, &n, NULL), CVY_OK);
        errors e = {0};
        assert_null(i % 2 ? store_open(results, &e) : store_open_current(results, &e));
        assert_int_equal(errors_count(&e), 1);
        assert_non_null(strstr(e.items[e.n - 1].what, said[i]));
        assert_non_null(e.items[e.n - 1].hint);
        errors_free(&e);
        assert_int_equal(file_read(path, 1 << 20, &after, &m, NULL), CVY_OK);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, n);
        mem_free(before);
        mem_free(after);
        mem_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alone, setup, teardown),
        cmocka_unit_test_setup_teardown(with_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(some_folders_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(with_additions, setup, teardown),
        cmocka_unit_test_setup_teardown(killed, setup, teardown),
        cmocka_unit_test_setup_teardown(two_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(where_nothing_may_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_newer_convoy, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
