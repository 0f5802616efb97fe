/* Tests that what was measured of trained runs is in the database, once, and again when it is made anew; and that a database
 * of an older Convoy is. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "dump.h"
#include "journal/record.h"
#include "report/store.h"
#include "runs.h"

static char results[64];

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-evals-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(results, NULL) != CVY_OK;
}

static void follow(void)
{
    errors e = {0};
    store *s = store_open(results, &e);
    assert_non_null(s);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    store_close(s);
    assert_int_equal(e.n, 0);
}

static void expect(const char *question, const char *answer)
{
    char *got = dump_ask(results, question);
    assert_string_equal(got, answer);
    mem_free(got);
}

static void expect_rebuild_equal(void)
{
    errors e = {0};
    int64_t folders, records;
    char *followed = dump_all(results);
    assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_OK);
    char *rebuilt = dump_all(results);
    assert_string_equal(followed, rebuilt);
    mem_free(followed);
    mem_free(rebuilt);
}

static void make_runs(void)
{
    for (int i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        const made_run run = {.name = name, .experiment = "x", .seed = i};
        made_whole(results, &run, 2, 0.2);
    }
}

/* The hash that run.json has, for the runs to be known again. */
static char *hash_of(const char *run)
{
    char question[96];
    snprintf(question, sizeof question, "SELECT config_hash FROM runs WHERE name = '%s'", run);
    char *got = dump_ask(results, question);
    got[strcspn(got, "\n")] = '\0';
    return got;
}

static void measured(const char *key, const char *const *runs, size_t n, const char *figures)
{
    errors e = {0};
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "key", key);
    json_key(&w, "runs");
    json_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        char *hash = hash_of(runs[i]);
        json_open(&w, '{');
        json_put_text(&w, "run", runs[i]);
        json_put_int(&w, "epoch", 2);
        json_put_text(&w, "config_hash", hash);
        json_close(&w, '}');
        mem_free(hash);
    }
    json_close(&w, ']');
    json_put_text(&w, "which", "best");
    json_put_text(&w, "part", "test");
    json_put_text(&w, "dataset", "cifar10");
    json_put_text(&w, "overrides", "[]");
    json_put_int(&w, "samples", 100);
    json_key(&w, "m");
    json_raw(&w, figures);
    json_close(&w, '}');
    char *path = path_join(results, STORE_EVALUATIONS);
    journal *j = journal_continue(path, &e);
    assert_non_null(j);
    assert_int_equal(record_evaluation(j, text_str(&w.out), &e), CVY_OK);
    journal_close(j);
    mem_free(path);
    text_free(&w.out);
}

#define FIGURES                                                                                             \
    "SELECT runs, members, part, weights, dataset, samples, metric, value FROM evaluations ORDER BY runs, " \
    "metric"

static void kept(void **state)
{
    (void)state;
    static const char *const one[] = {"r1"}, *const all[] = {"r3", "r1", "r2"};
    make_runs();
    follow();
    measured("a", one, 1, "{\"accuracy\":0.5,\"loss\":1.5}");
    measured("b", all, 3, "{\"accuracy\":0.75}");
    follow();
    expect(FIGURES, "r1|1|test|best|cifar10|100|accuracy|0.5\nr1|1|test|best|cifar10|100|loss|1.5\n"
                    "r3 r1 r2|3|test|best|cifar10|100|accuracy|0.75\n");
    expect("SELECT count(*) FROM evaluation_members WHERE run = 'r1'", "2\n");
    expect_rebuild_equal();
    /* Measured again: the later counts. */
    measured("b", all, 3, "{\"accuracy\":0.25,\"loss\":\"nan\"}");
    follow();
    expect("SELECT metric, value FROM evaluations WHERE members = 3 ORDER BY metric",
           "accuracy|0.25\nloss|NULL\n");
    expect_rebuild_equal();
}

static void of_runs_that_went(void **state)
{
    (void)state;
    static const char *const one[] = {"r2"}, *const both[] = {"r1", "r2"};
    make_runs();
    follow();
    measured("a", one, 1, "{\"loss\":1.5}");
    measured("b", both, 2, "{\"loss\":2.5}");
    char *run = path_join(results, "r2");
    assert_int_equal(file_remove_tree(run, NULL), CVY_OK);
    errors e = {0};
    int64_t folders, records;
    assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_OK);
    assert_int_equal(folders, 2);
    expect("SELECT count(*) FROM evaluations", "0\n");
    /* Another run that bears its name is not the one that was measured. */
    const made_run other = {.name = "r2", .experiment = "y", .seed = 77};
    made_whole(results, &other, 2, 0.2);
    char *description = path_join(run, "run.json"), *whole = NULL;
    size_t n;
    assert_int_equal(file_read(description, 1 << 20, &whole, &n, &e), CVY_OK);
    memcpy(strstr(whole, "c0ffee"), "decade", 6);
    assert_int_equal(file_replace(description, whole, n, &e), CVY_OK);
    mem_free(description);
    mem_free(whole);
    follow();
    expect("SELECT count(*) FROM evaluations", "0\n");
    mem_free(run);
}

static void senseless(void **state)
{
    (void)state;
    static const char *const one[] = {"r1"};
    make_runs();
    follow();
    static const char *const records[] = {"{}", "{\"key\":\"a\"}", "{\"key\":\"a\",\"runs\":[],\"m\":{}}",
                                          "{\"key\":\"a\",\"runs\":[3],\"m\":[]}",
                                          "{\"key\":\"a\",\"runs\":[{\"run\":7}],\"m\":{\"x\":\"y\"}}"};
    char *path = path_join(results, STORE_EVALUATIONS);
    errors e = {0};
    journal *j = journal_continue(path, &e);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(journal_append(j, records[i], strlen(records[i]), &e), CVY_OK);
    for (size_t i = 0; i < 5; i++) assert_int_equal(record_evaluation(j, records[i], &e), CVY_OK);
    journal_close(j);
    follow();
    expect("SELECT count(*) FROM evaluations", "0\n");
    expect("SELECT count(*) FROM events WHERE owner = 'evaluations' AND kind = 'damaged'", "4\n");
    /* A torn tail: what comes behind it is in a second part. */
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    fputs("torn", f);
    fclose(f);
    measured("c", one, 1, "{\"loss\":3}");
    follow();
    expect("SELECT runs, value FROM evaluations", "r1|3\n");
    expect_rebuild_equal();
    /* Away with the journal. */
    unlink(path);
    char *part = path_join(results, STORE_EVALUATIONS ".2");
    unlink(part);
    int64_t folders, rows;
    assert_int_equal(store_rebuild(results, &folders, &rows, &e), CVY_OK);
    expect("SELECT count(*) FROM evaluation_list", "0\n");
    mem_free(part);
    mem_free(path);
}

static void of_an_older_convoy(void **state)
{
    (void)state;
    make_runs();
    follow();
    char *before = dump_all(results), *path = path_join(results, "convoy.db");
    for (int i = 0; i < 2; i++) {
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "UPDATE schema_version SET version = 1; DROP VIEW evaluations;"
                                      "DROP TABLE evaluation_list; DELETE FROM runs WHERE number = 2",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);
        errors e = {0};
        store *s = i ? store_open_current(results, &e) : store_open(results, &e);
        assert_non_null(s);
        store_close(s);
        assert_int_equal(errors_count(&e), 0);
        assert_int_equal(e.n, 1);
        assert_true(e.items[0].warning);
        assert_non_null(strstr(e.items[0].what, "brought up to date"));
        errors_free(&e);
        char *after = dump_all(results);
        assert_string_equal(before, after);
        mem_free(after);
    }
    mem_free(before);
    mem_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kept, setup, teardown),
        cmocka_unit_test_setup_teardown(of_runs_that_went, setup, teardown),
        cmocka_unit_test_setup_teardown(senseless, setup, teardown),
        cmocka_unit_test_setup_teardown(of_an_older_convoy, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
