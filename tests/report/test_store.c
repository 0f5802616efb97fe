/* Tests that the database says what the run folders say, however and in whatever pieces they were taken in.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump.h"
#include "report/find.h"
#include "report/query.h"
#include "report/store.h"
#include "runs.h"

static char results[64];

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-store-XXXXXX");
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

/* The database, and the one made again from the folders, are the same row for row. */
static void expect_rebuild_equal(void)
{
    errors e = {0};
    int64_t folders, records;
    char *followed = dump_all(results);
    assert_int_equal(store_rebuild(results, &folders, &records, &e), CVY_OK);
    char *rebuilt = dump_all(results);
    if (strcmp(followed, rebuilt) != 0) {
        size_t i = 0;
        while (followed[i] == rebuilt[i]) i++;
        i = i > 200 ? i - 200 : 0;
        fail_msg("followed:\n%.500s\nrebuilt:\n%.500s", followed + i, rebuilt + i);
    }
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

static const made_run first = {.name = "r1", .experiment = "x", .seed = 1};

/* ---- taking in
 * --------------------------------------------------------------------------------------------- */

static void whole_run(void **state)
{
    (void)state;
    made_whole(results, &first, 3, 0.2);
    follow();
    expect("SELECT name, experiment, sweep, trial, seed, state, model, parameters, macs, epochs, "
           "epochs_done, seconds,"
           " attempts, test_accuracy FROM run_summary",
           "r1|x|NULL|NULL|1|finished|cifar_resnet20|269722|40550000|30|3|37.5|1|0.821\n");
    expect("SELECT count(*) FROM curves WHERE metric = 'val_loss'", "3\n");
    expect("SELECT epoch, step FROM curves WHERE run = 'r1' AND metric = 'val_loss' ORDER BY epoch",
           "1|351\n2|702\n3|1053\n");
    expect("SELECT count(*) FROM step_curves WHERE run = 'r1'", "18\n");
    expect("SELECT count(*) FROM measured WHERE run = 'r1'", "9\n");
    expect("SELECT node, choice FROM run_kernels", "stem|conv.onednn c16\n");
    expect("SELECT kind, path, step FROM run_artifacts", "checkpoint|checkpoints/best.safetensors|1053\n");
    expect("SELECT overrides, source, created FROM runs",
           "[\"train.epochs=2\"]|experiments/x.yaml|1732190001.5\n");
    expect_rebuild_equal();
}

static void twice_is_once(void **state)
{
    (void)state;
    made_whole(results, &first, 5, 0.2);
    made_sweep(results, "s1", 1);
    follow();
    char *once = dump_all(results);
    follow();
    /* and again with the cursors lost: every row meets itself */
    char *path = path_join(results, "convoy.db");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DELETE FROM settled;"
                                  "DELETE FROM cursors WHERE file <> 'run.json' AND file <> 'sweep.json'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    follow();
    char *twice = dump_all(results);
    assert_string_equal(once, twice);
    mem_free(once);
    mem_free(twice);
    mem_free(path);
}

/* Piece by piece, at any cut, as a follower sees a growing file. */
static void in_pieces(void **state)
{
    (void)state;
    made_whole(results, &first, 2, 0.2);
    char *name = mem_printf("%s/r1/journal.1", results), *whole;
    size_t n;
    assert_int_equal(file_read(name, 1u << 20, &whole, &n, NULL), CVY_OK);
    assert_int_equal(truncate(name, 0), 0);
    errors e = {0};
    store *s = store_open(results, &e);
    int fd = open(name, O_WRONLY | O_APPEND);
    for (size_t at = 0, piece = 1; at < n; at += piece, piece = piece * 7 % 61 + 1) {
        size_t left = n - at < piece ? n - at : piece;
        assert_int_equal(write(fd, whole + at, left), (ssize_t)left);
        char *dir = mem_printf("%s/r1/", results);
        assert_int_equal(store_ingest(s, dir, &e), CVY_OK);
        mem_free(dir);
    }
    close(fd);
    store_close(s);
    assert_int_equal(e.n, 0);
    expect("SELECT state, epochs_done FROM run_summary", "finished|2\n");
    expect("SELECT count(*) FROM events", "0\n");
    expect_rebuild_equal();
    mem_free(whole);
    mem_free(name);
}

/* More records than one batch takes. */
static void large_journal(void **state)
{
    (void)state;
    char *dir = made_describe(results, &first);
    journal *j = made_journal(dir, 1, 0);
    for (int i = 1; i <= 45000; i++) {
        metric m = {"train_loss", 1.0 / i};
        record_metrics(j, "step", i, 0, &m, 1, NULL);
    }
    journal_close(j);
    mem_free(dir);
    follow();
    expect("SELECT count(*), max(step) FROM step_curves", "45000|45000\n");
    expect("SELECT state FROM run_summary", "running\n");
    expect_rebuild_equal();
}

/* ---- attempts
 * ---------------------------------------------------------------------------------------------- */

static void resumed_equal(void **state)
{
    (void)state;
    char *dir = made_describe(results, &first);
    journal *events = made_events(dir), *j = made_journal(dir, 1, 0);
    record_start(events, 1, 10, NULL);
    made_epochs(j, 1, 5, 0.2, 1, 0);
    journal_close(j);
    record_exit(events, 1, 0, 9, 50, NULL);
    follow();
    expect("SELECT state FROM run_summary", "killed\n");
    record_start(events, 2, 11, NULL);
    j = made_journal(dir, 2, 3 * 351); /* epochs 4 and 5 are trained again */
    made_epochs(j, 4, 7, 0.2, 1, 0);
    record_end(j, "finished", 7 * 351, "", NULL);
    journal_close(j);
    record_exit(events, 2, 0, 0, 40, NULL);
    journal_close(events);
    follow();
    expect("SELECT state, epochs_done, attempts, seconds FROM run_summary", "finished|7|2|90\n");
    expect("SELECT count(*) FROM curves", "28\n");
    expect("SELECT count(*) FROM events", "0\n");
    expect("SELECT attempt, state, from_step FROM run_attempts ORDER BY attempt",
           "1|killed|0\n2|finished|1053\n");
    expect("SELECT DISTINCT epoch, attempt FROM metrics WHERE scope = 1 ORDER BY epoch",
           "1|1\n2|1\n3|1\n4|2\n5|2\n6|2\n7|2\n");
    expect_rebuild_equal();
    mem_free(dir);
}

static void resumed_diverged(void **state)
{
    (void)state;
    char *dir = made_describe(results, &first);
    journal *j = made_journal(dir, 1, 0);
    made_epochs(j, 1, 5, 0.2, 1, 0);
    journal_close(j);
    follow();
    j = made_journal(dir, 2, 3 * 351);
    made_epochs(j, 4, 6, 0.2, 1, 0.5); /* not what the first attempt saw */
    journal_close(j);
    follow();
    expect("SELECT owner, kind, file FROM event_log", "r1|diverged|journal.2\n");
    char *said = dump_ask(results, "SELECT text FROM event_log");
    assert_non_null(strstr(said, "attempt 2 logged train_loss = "));
    assert_non_null(strstr(said, " at step 1404, where attempt 1 had logged "));
    mem_free(said);
    /* the newer attempt wins */
    expect("SELECT epoch, attempt FROM metrics JOIN metric_names ON id = metric WHERE scope = 1 AND name = "
           "'val_loss'"
           " ORDER BY epoch",
           "1|1\n2|1\n3|1\n4|2\n5|2\n6|2\n");
    expect("SELECT count(*) FROM curves WHERE metric = 'val_loss' AND value > 1.38 AND epoch >= 4", "3\n");
    follow();
    expect("SELECT count(*) FROM events", "1\n");
    expect_rebuild_equal();
    mem_free(dir);
}

/* What an earlier attempt logged on a stretch that was gone again without logging it. */
static void orphans(void **state)
{
    (void)state;
    char *dir = made_describe(results, &first);
    journal *j = made_journal(dir, 1, 0);
    metric m = {"train_loss", 1};
    record_metrics(j, "step", 100, 0, &m, 1, NULL);
    record_metrics(j, "step", 417, 1, &m, 1, NULL); /* at the moment of a stop */
    record_metrics(j, "step", 900, 2, &m, 1, NULL);
    record_end(j, "stopped", 417, "", NULL);
    journal_close(j);
    follow();
    expect("SELECT state FROM run_summary", "stopped\n");
    j = made_journal(dir, 2, 351);
    record_metrics(j, "step", 500, 1, &m, 1, NULL);
    record_end(j, "stopped", 600, "", NULL);
    journal_close(j);
    follow();
    expect("SELECT step FROM step_curves ORDER BY step", "100\n500\n900\n");
    j = made_journal(dir, 3, 500);
    record_end(j, "finished", 800, "", NULL); /* ended earlier than the first had come */
    journal_close(j);
    follow();
    expect("SELECT step FROM step_curves ORDER BY step", "100\n500\n");
    expect("SELECT count(*) FROM events", "0\n");
    expect_rebuild_equal();
    mem_free(dir);
}

static void states(void **state)
{
    (void)state;
    static const struct {
        const char *end;
        int code, signal;
        const char *state;
    } cases[] = {
        {"finished", 0, 0, "finished"}, {"stopped", 75, 0, "stopped"}, {"failed", 1, 0, "failed"},
        {NULL, 0, 11, "killed"},        {NULL, 5, 0, "failed"},        {NULL, 75, 0, "stopped"},
        {NULL, -1, 0, "running"},       {"odd", 0, 0, "failed"},       {"finished", 0, 6, "finished"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[24];
        snprintf(name, sizeof name, "r%zu", i + 1);
        made_run r = {.name = name, .experiment = "x"};
        char *dir = made_describe(results, &r);
        journal *events = made_events(dir), *j = made_journal(dir, 1, 0);
        record_start(events, 1, 1, NULL);
        if (cases[i].end) record_end(j, cases[i].end, 1, "", NULL);
        if (cases[i].code >= 0) record_exit(events, 1, cases[i].code, cases[i].signal, 1, NULL);
        journal_close(j);
        journal_close(events);
        mem_free(dir);
    }
    made_run planned = {.name = "r99", .experiment = "x"};
    mem_free(made_describe(results, &planned));
    follow();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char question[96], answer[32];
        snprintf(question, sizeof question, "SELECT state FROM run_summary WHERE name = 'r%zu'", i + 1);
        snprintf(answer, sizeof answer, "%s\n", cases[i].state);
        expect(question, answer);
    }
    expect("SELECT state, epochs_done FROM run_summary WHERE name = 'r99'", "planned|NULL\n");
    expect_rebuild_equal();
}

/* ---- damage and hostility
 * ---------------------------------------------------------------------------------- */

static void torn_and_damaged(void **state)
{
    (void)state;
    char *dir = made_describe(results, &first);
    journal *j = made_journal(dir, 1, 0);
    made_epochs(j, 1, 3, 0.2, 1, 0);
    journal_close(j);
    char *path = path_join(dir, "journal.1");
    assert_int_equal(truncate(path, file_size(path) - 5), 0); /* loses the measured record of epoch 3 */
    mem_free(path);
    j = made_journal(dir, 2, 3 * 351);
    made_epochs(j, 4, 6, 0.2, 1, 0);
    journal_close(j);
    path = path_join(dir, "journal.2");
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, file_size(path) - 1), 1); /* the same of epoch 6 */
    close(fd);
    mem_free(path);
    made_file(dir, "journal.3", "not a journal");
    made_file(dir, "journal.4", "CVYJ"); /* killed at once */
    made_file(dir, "journal.04", "no name of ours");
    made_file(dir, "journal.1.bak", "no name of ours");
    follow();
    follow();
    expect("SELECT max(epoch), count(*) FROM curves WHERE metric = 'val_loss'", "6|6\n");
    expect("SELECT count(*) FROM measured", "12\n");
    expect("SELECT owner, kind, file FROM event_log ORDER BY file",
           "r1|damaged|journal.2\nr1|damaged|journal.3\n");
    expect_rebuild_equal();
    mem_free(dir);
}

static void senseless_records(void **state)
{
    (void)state;
    static const char *const records[] = {
        "no json",
        "[]",
        "{}",
        "{\"t\":7}",
        "{\"t\":\"metrics\"}",
        "{\"t\":\"metrics\",\"scope\":\"nowhere\",\"step\":1,\"m\":{}}",
        "{\"t\":\"metrics\",\"scope\":\"step\",\"step\":-5,\"epoch\":0,\"m\":{\"a\":1}}",
        "{\"t\":\"metrics\",\"scope\":\"step\",\"step\":1,\"m\":{\"a\":null,\"b\":[1],\"c\":\"inf\"}}",
        "{\"t\":\"metrics\",\"scope\":\"step\",\"step\":1e400,\"epoch\":0,\"m\":{}}",
        "{\"t\":\"end\"}",
        "{\"t\":\"kernels\",\"choices\":{\"x\":[1]}}",
        "{\"t\":\"kernels\"}",
        "{\"t\":\"artifact\"}",
        "{\"t\":\"future\",\"what\":1}",
        "{\"t\":\"event\"}",
        "{\"t\":\"measured\",\"step\":1,\"epoch\":0,\"m\":{\"a\":\"nan\"}}",
        "{\"t\":\"tag\"}",
        "{\"t\":\"start\"}", /* a trial cannot say this of itself */
    };
    char *dir = made_describe(results, &first);
    journal *j = made_journal(dir, 1, 0);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        assert_int_equal(journal_append(j, records[i], strlen(records[i]), NULL), CVY_OK);
    metric m = {"val_loss", 1};
    record_metrics(j, "epoch", 351, 1, &m, 1, NULL);
    journal_close(j);
    mem_free(dir);
    follow();
    expect("SELECT epoch, value FROM curves", "1|1\n");
    expect("SELECT metric, value FROM step_curves ORDER BY metric", "a|NULL\nb|NULL\nc|inf\n");
    expect("SELECT kind, text FROM event_log WHERE kind IN ('future', 'start') ORDER BY kind",
           "future|{\"t\":\"future\",\"what\":1}\nstart|{\"t\":\"start\"}\n");
    expect("SELECT count(*) FROM event_log WHERE kind = 'damaged'", "6\n");
    expect_rebuild_equal();
}

/* Names are data, whatever they look like. */
static void hostile_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "'); DROP TABLE runs;--",
        "`touch canary`",
        "a\nb",
        "\x1b[31mred\x1b[0m",
        "$(touch canary)",
        "\"quoted\" 'too'",
        "%s%n",
        "\xff\xfe",
        "",
        "NULL",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[24];
        snprintf(name, sizeof name, "r%zu", i + 1);
        made_run r = {.name = name, .experiment = names[i], .label = names[i], .model = names[i]};
        char *dir = made_describe(results, &r);
        journal *events = made_events(dir), *j = made_journal(dir, 1, 0);
        metric m = {names[i], 1};
        record_metrics(j, "epoch", 1, 1, &m, 1, NULL);
        record_artifact(j, names[i], names[i], 1, NULL);
        record_event(j, names[i], names[i], NULL);
        record_tag(events, names[i], NULL);
        journal_close(j);
        journal_close(events);
        mem_free(dir);
    }
    follow();
    expect("SELECT count(*), count(DISTINCT experiment) FROM runs", "10|10\n");
    expect("SELECT experiment, label, model, tags FROM run_summary WHERE name = 'r1'",
           "'); DROP TABLE runs;--|'); DROP TABLE runs;--|'); DROP TABLE runs;--|'); DROP TABLE runs;--\n");
    expect("SELECT run FROM curves WHERE metric = 'a' || char(10) || 'b'", "r3\n");
    errors e = {0};
    arena a = {0};
    query_target t;
    store *s = store_open_current(results, &e);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(query_find(s, names[i], true, &a, &t, &e), CVY_OK);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.runs[0].number, i + 1);
    }
    assert_int_equal(query_find(s, "' OR 1=1 --", true, &a, &t, &e), CVY_ERR_CONFIG);
    /* Of many words the runs are read once: it is the same text that comes again. */
    finder *f = finder_open(s, &a, &e);
    assert_int_equal(finder_find(f, "r1", true, &t, &e), CVY_OK);
    const char *name = t.runs[0].name;
    assert_int_equal(finder_find(f, names[0], true, &t, &e), CVY_OK);
    assert_ptr_equal(t.runs[0].name, name);
    assert_int_equal(finder_find(f, "r12345", true, &t, &e), CVY_ERR_CONFIG);
    assert_int_equal(finder_find(f, "r10", false, &t, &e), CVY_OK);
    assert_string_equal(t.runs[0].name, "r10");
    finder_close(f);
    store_close(s);
    arena_free(&a);
    errors_free(&e);
    expect_rebuild_equal();
}

/* One folder that cannot be understood is told, and the others go on. */
static void broken_descriptions(void **state)
{
    (void)state;
    made_whole(results, &first, 1, 0.2);
    char *dir = made_dir(results, "r2");
    made_file(dir, "run.json", "{\"run\":\"r2\",");
    mem_free(dir);
    dir = made_dir(results, "r3"); /* a copy */
    made_file(dir, "run.json", "{\"run\":\"r1\"}");
    mem_free(dir);
    dir = made_dir(results, "r4"); /* still being made */
    mem_free(dir);
    dir = made_dir(results, "r5");
    made_file(dir, "run.json", "[1,2]");
    mem_free(dir);
    dir = made_dir(results, "s1");
    made_file(dir, "sweep.json", "");
    mem_free(dir);
    made_file(results, "r6", "a file");
    mem_free(made_dir(results, "r007"));
    errors e = {0};
    store *s = store_open(results, &e);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    assert_int_equal(errors_count(&e), 0);
    assert_int_equal(e.n, 4);
    assert_non_null(strstr(e.items[0].file, "/r2/run.json"));
    assert_true(e.items[0].offset >= 0);
    assert_non_null(strstr(e.items[1].what, "describes \"r1\", not \"r3\""));
    store_close(s);
    errors_free(&e);
    expect("SELECT group_concat(name) FROM runs", "r1\n");
    /* mended, it comes in */
    dir = made_dir(results, "r2");
    made_file(dir, "run.json", "{\"run\":\"r2\"}");
    mem_free(dir);
    s = store_open(results, NULL);
    store_ingest_all(s, NULL);
    store_close(s);
    expect("SELECT group_concat(name) FROM runs", "r1,r2\n");
}

/* The name was used before by a run whose folder was removed by hand. */
/* A run that is over is not looked into again, unless something happens to it. */
static void settled_run(void **state)
{
    (void)state;
    made_whole(results, &first, 2, 0.2);
    follow();
    expect("SELECT run FROM settled", "1\n");
    char *dir = path_join(results, "r1");
    journal *events = made_events(dir);
    record_tag(events, "kept", NULL);
    follow();
    expect("SELECT tags, state FROM run_summary", "kept|finished\n");
    record_start(events, 2, 124, NULL); /* the next attempt has no journal yet */
    follow();
    expect("SELECT state, attempts FROM run_summary", "running|2\n");
    journal *j = made_journal(dir, 2, 2 * 351);
    made_epochs(j, 3, 3, 0.2, (unsigned)first.seed, 0);
    follow();
    expect("SELECT state, epochs_done FROM run_summary", "running|3\n");
    record_end(j, "finished", 3 * 351, "", NULL);
    follow();
    made_epochs(j, 4, 4, 0.2, (unsigned)first.seed,
                0); /* before its exit is told, its journal may still grow */
    follow();
    expect("SELECT state, epochs_done FROM run_summary", "finished|4\n");
    record_exit(events, 2, 0, 0, 1.0, NULL);
    follow();
    expect("SELECT state, seconds FROM run_summary", "finished|26\n");
    expect_rebuild_equal();
    journal_close(j);
    journal_close(events);
    mem_free(dir);
}

static void replaced_run(void **state)
{
    (void)state;
    made_whole(results, &first, 3, 0.2);
    follow();
    char *dir = mem_printf("%s/r1", results);
    file_remove_tree(dir, NULL);
    mem_free(dir);
    made_run second = {.name = "r1", .experiment = "other", .seed = 2};
    made_whole(results, &second, 2, 0.3);
    follow();
    expect("SELECT name, experiment, seed, epochs_done FROM run_summary", "r1|other|2|2\n");
    expect("SELECT count(*) FROM curves", "8\n");
    expect_rebuild_equal();
    errors e = {0};
    store *s = store_open(results, &e);
    assert_int_equal(store_last_number(s, 'r'), 1);
    assert_int_equal(store_forget(s, "r1", &e), CVY_OK);
    dir = mem_printf("%s/r1", results);
    file_remove_tree(dir, NULL);
    mem_free(dir);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    assert_int_equal(store_last_number(s, 'r'), 0);
    store_close(s);
    expect("SELECT count(*) FROM runs", "0\n");
    expect("SELECT count(*) FROM metrics", "0\n");
    expect("SELECT count(*) FROM cursors", "0\n");
}

static void sweep_events(void **state)
{
    (void)state;
    made_sweep(results, "s3", 4);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", 10 + i);
        made_run r = {.name = name,
                      .experiment = "optimizers",
                      .sweep = "s3",
                      .trial = i / 2,
                      .repeat = i % 2,
                      .seed = i};
        made_whole(results, &r, 2 + i, 0.1 + 0.1 * i);
    }
    char *dir = made_dir(results, "s3");
    journal *events = made_events(dir);
    record_event(events, "pruned", "trial 0 at rung 1", NULL);
    const char *decision = "{\"t\":\"decision\",\"trial\":1,\"rung\":2,\"time\":5}";
    journal_append(events, decision, strlen(decision), NULL);
    record_tag(events, "paper", NULL);
    journal_close(events);
    mem_free(dir);
    follow();
    expect("SELECT name, method, metric, goal, trials, runs, finished, failed, best_run, tags FROM "
           "sweep_summary",
           "s3|grid|val_accuracy|maximize|4|4|4|0|r13|paper\n");
    expect("SELECT kind, text FROM event_log WHERE owner = 's3' ORDER BY kind",
           "decision|{\"t\":\"decision\",\"trial\":1,\"rung\":2,\"time\":5}\npruned|trial 0 at rung 1\n");
    expect("SELECT name, sweep, trial, repeat FROM run_summary WHERE name = 'r13'", "r13|s3|1|1\n");
    expect_rebuild_equal();
}

/* A configuration that was trained before stands in the sweep by its old run; decisions come later and win.
 */
static void sweep_members(void **state)
{
    (void)state;
    for (int i = 1; i <= 2; i++) {
        made_run old = {.name = i == 1 ? "r1" : "r2", .experiment = "before", .seed = i};
        made_whole(results, &old, 2 + i, 0.3);
    }
    char *dir = made_dir(results, "s1");
    made_file(dir, "sweep.json",
              "{\"sweep\":\"s1\",\"trials\":3,\"metric\":{\"name\":\"val_loss\",\"goal\":\"minimize\"},"
              "\"members\":["
              "{\"trial\":0,\"repeat\":0,\"run\":\"r1\"},{\"trial\":1,\"repeat\":0,\"run\":null},"
              "{\"trial\":2,\"repeat\":0,\"run\":\"rx\"},7,{}]}");
    follow();
    expect("SELECT trial, run FROM sweep_runs WHERE sweep = 's1' ORDER BY trial", "0|r1\n");
    for (int i = 3; i <= 4; i++) {
        made_run own = {
            .name = i == 3 ? "r3" : "r4", .experiment = "x", .sweep = "s1", .trial = i - 2, .seed = i};
        made_whole(results, &own, 2, 0.1);
    }
    follow();
    expect("SELECT trial, run FROM sweep_runs WHERE sweep = 's1' ORDER BY trial", "0|r1\n1|r3\n2|r4\n");
    journal *events = made_events(dir);
    const char *decision =
        "{\"t\":\"decision\",\"trial\":2,\"repeat\":0,\"run\":\"r2\",\"how\":\"known\",\"time\":5}";
    journal_append(events, decision, strlen(decision), NULL);
    journal_close(events);
    mem_free(dir);
    follow();
    expect("SELECT trial, run FROM sweep_runs WHERE sweep = 's1' ORDER BY trial", "0|r1\n1|r3\n2|r2\n");
    expect("SELECT runs, finished, best_run FROM sweep_summary", "3|3|r2\n");
    errors e = {0};
    arena a = {0};
    query_run *runs;
    size_t n;
    store *s = store_open_current(results, &e);
    assert_int_equal(query_sweep_runs(s, "s1", &a, &runs, &n, &e), CVY_OK);
    assert_int_equal(n, 3);
    assert_string_equal(runs[2].name, "r2");
    assert_string_equal(runs[2].sweep, "s1");
    assert_int_equal(runs[2].trial, 2);
    store_close(s);
    arena_free(&a);
    expect_rebuild_equal();
}

/* The supervisor's own file torn: its next part is read behind it. */
static void torn_events(void **state)
{
    (void)state;
    char *dir = made_describe(results, &first), *path = path_join(dir, "events");
    journal *events = made_events(dir);
    record_tag(events, "one", NULL);
    record_tag(events, "lost", NULL);
    journal_close(events);
    assert_int_equal(truncate(path, file_size(path) - 3), 0);
    follow();
    events = made_events(dir);
    record_tag(events, "two", NULL);
    journal_close(events);
    follow();
    expect("SELECT tags FROM run_summary", "one two\n");
    expect_rebuild_equal();
    mem_free(path);
    mem_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_run, setup, teardown),
        cmocka_unit_test_setup_teardown(twice_is_once, setup, teardown),
        cmocka_unit_test_setup_teardown(in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(large_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(resumed_equal, setup, teardown),
        cmocka_unit_test_setup_teardown(resumed_diverged, setup, teardown),
        cmocka_unit_test_setup_teardown(orphans, setup, teardown),
        cmocka_unit_test_setup_teardown(states, setup, teardown),
        cmocka_unit_test_setup_teardown(torn_and_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(senseless_records, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_names, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_descriptions, setup, teardown),
        cmocka_unit_test_setup_teardown(settled_run, setup, teardown),
        cmocka_unit_test_setup_teardown(replaced_run, setup, teardown),
        cmocka_unit_test_setup_teardown(sweep_events, setup, teardown),
        cmocka_unit_test_setup_teardown(sweep_members, setup, teardown),
        cmocka_unit_test_setup_teardown(torn_events, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
