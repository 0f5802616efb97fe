/* Tests the commands that show results, through the executable, on run folders made up for it. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "../report/dump.h"
#include "../report/runs.h"
#include "base/json.h"

static char results[64];
static arena a;

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-results-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&a);
    return file_remove_tree(results, NULL) != CVY_OK;
}

static int code; /* of the last command */

/* What the command printed, on both outputs unless `only` says 1 or 2. In the arena. */
static char *convoy(int only, const char *arguments)
{
    char *line =
        mem_printf("NO_COLOR=1 TZ=UTC '%s/convoy' --results '%s' %s %s", BINARY_DIR, results, arguments,
                   only == 1   ? "2>/dev/null"
                   : only == 2 ? "2>&1 >/dev/null"
                               : "2>&1");
    text out = {0};
    char chunk[4096];
    size_t n;
    FILE *f = popen(line, "r");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f))) text_add_n(&out, chunk, n);
    int status = pclose(f);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    char *s = arena_text(&a, text_str(&out));
    text_free(&out);
    mem_free(line);
    return s;
}

static void says(const char *arguments, int expected, const char *what)
{
    char *s = convoy(0, arguments);
    if (!strstr(s, what)) fail_msg("convoy %s:\n%s", arguments, s);
    assert_int_equal(code, expected);
}

static const json *asks(const char *arguments)
{
    char *s = convoy(1, arguments);
    assert_int_equal(code, 0);
    const json *v = json_parse(&a, s, strlen(s), NULL, NULL);
    if (!v) fail_msg("convoy %s:\n%s", arguments, s);
    return v;
}

static void make_sweep(void)
{
    static const char *const params[] = {
        ",\"train.optimizer.type\":\"sgd\",\"train.optimizer.lr\":\"0.1\"",
        ",\"train.optimizer.type\":\"adam\",\"train.optimizer.lr\":\"0.001\""};
    made_run single = {.name = "r1", .experiment = "first", .seed = 1};
    made_whole(results, &single, 12, 0.2);
    made_sweep(results, "s1", 4);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", 2 + i);
        made_run r = {.name = name,
                      .experiment = "optimizers",
                      .sweep = "s1",
                      .trial = i % 2,
                      .repeat = i / 2,
                      .seed = i / 2,
                      .params = params[i % 2]};
        made_whole(results, &r, 5, 0.1 + 0.1 * (i % 2));
    }
}

static void lists(void **state)
{
    (void)state;
    says("ls", 0, "no runs in");
    make_sweep();
    says("ls", 0, "RUN  EXPERIMENT");
    char *s = convoy(0, "ls");
    assert_non_null(strstr(s, "s1     optimizers  grid"));
    assert_null(strstr(s, "\nr3 "));
    s = convoy(0, "ls -a");
    assert_true(strstr(s, "\nr4 ") && strstr(s, "\nr5 ") && strstr(s, "\nr4 ") < strstr(s, "\nr5 "));
    s = convoy(1, "ls s1 -n 1");
    assert_non_null(strstr(s, "\nr5 "));
    assert_null(strstr(s, "\nr4 "));
    const json *v = asks("ls --json");
    assert_int_equal(json_get(v, "runs")->n, 5);
    assert_int_equal(json_get(v, "sweeps")->n, 1);
    assert_string_equal(json_get_text(json_get(v, "runs")->items[4], "name", ""), "r5");
    says("ls r99", 2, "no run \"r99\"");
    says("ls a b", 2, "unexpected \"b\"");
}

/* The JSON's curves are the SQL view's, digit for digit. */
static void shows_json(void **state)
{
    (void)state;
    make_sweep();
    const json *v = asks("show r1 --json"), *curves = json_get(v, "curves"),
               *loss = json_get(curves, "val_loss");
    assert_int_equal(loss->n, 12);
    text from_json = {0};
    for (size_t i = 0; i < loss->n; i++) {
        text_printf(&from_json, "%lld|", (long long)json_get_int(loss->items[i], "epoch", -1));
        text_double(&from_json, json_get_double(loss->items[i], "value", -1));
        text_char(&from_json, '\n');
    }
    char *from_sql = dump_ask(
        results, "SELECT epoch, value FROM curves WHERE run = 'r1' AND metric = 'val_loss' ORDER BY epoch");
    assert_string_equal(text_str(&from_json), from_sql);
    mem_free(from_sql);
    text_free(&from_json);
    /* and the text in the output itself is what SQLite's shell prints */
    char *printed =
        dump_ask(results, "SELECT printf('%!.15g', value) FROM curves WHERE run = 'r1' AND metric = "
                          "'val_loss' AND epoch = 7");
    char *needle =
        mem_printf("\"epoch\":7,\"step\":2457,\"value\":%.*s}", (int)strcspn(printed, "\n"), printed);
    assert_non_null(strstr(convoy(1, "show r1 --json"), needle));
    mem_free(needle);
    mem_free(printed);
    assert_string_equal(json_get_text(v, "state", ""), "finished");
    assert_string_equal(json_get_text(json_get(v, "params"), "train.epochs", ""), "30");
    assert_int_equal(json_get(v, "attempt_list")->n, 1);
    assert_int_equal(json_get(json_get(v, "step_curves"), "lr")->n, 36);
    assert_int_equal(json_get(json_get(v, "metrics"), "test_loss")->n, 1);
}

static void shows(void **state)
{
    (void)state;
    make_sweep();
    says("show r1", 0, "269,722 parameters, 40.5 M MACs");
    says("show r1", 0, "the last 10 of 12 epochs");
    says("show r1 -v", 0, "\n    1 ");
    says("show first", 0, "r1  first  finished");
    says("show last", 0, "r5  optimizers  finished");
    says("show opt", 0, "sweep    s1, trial 1, repeat 1");
    says("show s1", 0, "\nr3 ");
    says("show r99", 2, "hint: the last run is r5");
    says("show firts", 2, "did you mean first?");
    says("show", 2, "which run?");
    says("show r1 --yaml", 2, "spec.yaml");
    char *dir = made_dir(results, "r1");
    made_file(dir, "spec.yaml", "experiment: first\n");
    mem_free(dir);
    assert_string_equal(convoy(1, "show r1 --yaml"), "experiment: first\n");
    says("show s1 --yaml", 2, "--yaml shows a run");
}

static void compares(void **state)
{
    (void)state;
    make_sweep();
    char *s = convoy(1, "compare s1");
    char *adam = strstr(s, "adam, lr 0.001"), *sgd = strstr(s, "sgd, lr 0.1");
    assert_true(adam && sgd && adam < sgd);
    assert_non_null(strstr(s, "82.05 ± 0.07 (2)")); /* test accuracy 0.82 and 0.821 */
    assert_non_null(strstr(s, "r3 r5"));
    const json *v = asks("compare s1 r1 --json"), *all = json_get(v, "configurations");
    assert_int_equal(all->n, 3);
    const json *test = NULL;
    for (size_t i = 0; i < all->n; i++)
        if (json_get(all->items[i], "runs")->n == 2 &&
            !strcmp(json_get(all->items[i], "runs")->items[0]->s, "r3"))
            test = json_get(all->items[i], "test_accuracy");
    assert_non_null(test);
    assert_int_equal(json_get_int(test, "n", 0), 2);
    assert_true(fabs(json_get_double(test, "mean", 0) - 0.8205) < 1e-12);
    assert_true(fabs(json_get_double(test, "sd", 0) - 0.001 / sqrt(2)) < 1e-12);
    const json *interval = json_get(test, "ci95");
    assert_true(fabs(json_as_double(interval->items[1], 0) - (0.8205 + 12.706204736432 * 0.0005)) < 1e-9);
    says("compare", 2, "which runs");
    says("compare r1 r98 r99", 2, "no run \"r98\"");
    says("compare r1 r98 r99", 2, "no run \"r99\"");
    says("compare last", 0, "r2 r4");
}

static void plots(void **state)
{
    (void)state;
    make_sweep();
    char *expected = mem_printf("%s/s1/s1.png\n%s/s1/s1.svg\n", results, results);
    assert_string_equal(convoy(1, "plot s1"), expected);
    mem_free(expected);
    expected = mem_printf("%s/r1-r3.png", results);
    says("plot r1 r3", 0, expected);
    assert_true(file_size(expected) > 10000);
    mem_free(expected);
    expected = mem_printf("plot last -o %s/mine.svg", results);
    char *png = mem_printf("%s/mine.png", results);
    says(expected, 0, png);
    assert_true(file_exists(png));
    mem_free(expected);
    mem_free(png);
    made_run none = {.name = "r9", .experiment = "none"};
    mem_free(made_describe(results, &none));
    says("plot r9", 0, "no run has finished an epoch yet");
    says("plot r1 -o /nonexistent/x", 2, "there is no folder");
    says("plot", 2, "which runs");
}

static void database(void **state)
{
    (void)state;
    make_sweep();
    char *path = mem_printf("%s/convoy.db\n", results);
    assert_string_equal(convoy(1, "db path"), path);
    mem_free(path);
    says("db rebuild", 0, "6 run and sweep folders");
    says("db rebild", 2, "did you mean `rebuild`?");
    says("db", 2, "path or rebuild?");
    made_file(results, "convoy.db",
              "something else altogether, and long enough to be taken for a header of a database");
    says("ls", 4, "hint: `convoy db rebuild`");
    says("db rebuild", 0, "6 run and sweep folders");
    says("ls", 0, "r1 ");
}

/* A run whose process dies without a word: its journals say nothing, and nobody holds its folder. */
static void make_dead(const char *name, int trial)
{
    made_run r = {.name = name, .experiment = "optimizers", .sweep = "s1", .trial = trial};
    char *dir = made_describe(results, &r), *update;
    journal *events = made_events(dir);
    record_start(events, 1, 1, NULL);
    journal_close(events);
    mem_free(dir);
    says("ls -a", 0, name); /* read */
    /* Long ago: at first it may not have come to taking the lock. */
    update = mem_printf("UPDATE attempts SET started = 1000 WHERE run = %s", name + 1);
    mem_free(dump_ask(results, update));
    mem_free(update);
}

/* Everywhere people read, one that died counts as killed. */
static void tells_the_dead(void **state)
{
    (void)state;
    make_sweep();
    make_dead("r6", 4);
    says("query 'SELECT state FROM run_summary WHERE name = ?' r6 --csv", 0, "running");
    says("ls s1", 0, "killed");
    const json *w = asks("ls --json"), *sweep = json_get(w, "sweeps")->items[0];
    assert_int_equal(json_get_int(sweep, "failed", -1), 1);
    assert_int_equal(json_get_int(sweep, "finished", -1), 4);
    assert_int_equal(json_get_int(asks("show s1 --json"), "failed", -1), 1);
    char *s = convoy(1, "ls"), *row = strstr(s, "s1 ");
    assert_non_null(row);
    int failed = -1;
    assert_int_equal(sscanf(row, "s1 %*s %*s %*s %d", &failed), 1);
    assert_int_equal(failed, 1);
    s = convoy(1, "show r6 -v");
    assert_null(strstr(s, "running"));
    w = json_get(asks("show r6 --json"), "attempt_list")->items[0];
    assert_string_equal(json_get_text(w, "state", ""), "killed");
}

/* Why an attempt was killed says more than by which signal. */
static void tells_why(void **state)
{
    (void)state;
    static const char *const why[] = {"over its time limit of 60 s", NULL};
    for (int i = 0; i < 2; i++) {
        made_run r = {.name = i ? "r2" : "r1", .experiment = "x"};
        char *dir = made_describe(results, &r);
        journal *events = made_events(dir);
        record_start(events, 1, 1, NULL);
        record_exit(events, 1, 0, 9, 60, NULL);
        if (why[i]) record_state(events, 1, "killed", why[i], NULL);
        journal_close(events);
        mem_free(dir);
    }
    says("show r1 -v", 0, why[0]);
    assert_null(strstr(convoy(1, "show r1 -v"), "signal 9"));
    says("show r2 -v", 0, "signal 9");
}

/* Options that would be looked at by nobody are refused. */
static void refuses(void **state)
{
    (void)state;
    make_sweep();
    says("export jsonl s1 --curves", 2, "--curves is for `convoy export csv`");
    says("export weights r1 -o x --curves", 2, "--curves is for `convoy export csv`");
    says("export csv s1 --which last", 2, "--which is for `convoy export weights`");
    says("export sql s1 --map a=b", 2, "--map is for `convoy export weights`");
    says("export tensorboard s1 -o x --which last", 2, "--which is for `convoy export weights`");
    says("query --views --csv", 2, "--views lists as a table or as --json");
    says("query 'SELECT 1' --csv --json", 2, "not both");
    says("compare s1 --importance --by train.optimizer.type", 2, "without --by");
    says("compare s1 --importance --test wilcoxon", 2, "without --test");
    says("compare s1 --importance --alpha 0.1", 2, "without --alpha");
}

/* Each documented view and column is in the manual's table, and no other is offered. */
static void documents_views(void **state)
{
    (void)state;
    make_sweep();
    char *page = NULL;
    size_t n;
    assert_int_equal(file_read(SOURCE_DIR "/docs/database.md", 1 << 20, &page, &n, NULL), CVY_OK);
    const json *views = asks("query --views --json");
    assert_true(views->n > 15);
    for (size_t i = 0; i < views->n; i++) {
        char *start = mem_printf("\n| `%s` |", views->keys[i]), *row = strstr(page, start);
        if (!row) fail_msg("docs/database.md has no row for %s", views->keys[i]);
        char *line = mem_text_n(row + 1, strcspn(row + 1, "\n"));
        for (size_t k = 0; k < views->items[i]->n && !strstr(line, "the same"); k++) {
            char *column = mem_printf("`%s`", views->items[i]->items[k]->s);
            if (!strstr(line, column)) fail_msg("docs/database.md: %s has no %s", views->keys[i], column);
            mem_free(column);
        }
        mem_free(line);
        mem_free(start);
    }
    mem_free(page);
    static const char *const states[] = {"planned", "running",       "finished", "paused",
                                         "stopped", "stopped early", "failed",   "killed"};
    page = NULL;
    assert_int_equal(file_read(SOURCE_DIR "/docs/database.md", 1 << 20, &page, &n, NULL), CVY_OK);
    char *row = strstr(page, "| `run_summary` |");
    row[strcspn(row, "\n")] = 0;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) assert_non_null(strstr(row, states[i]));
    mem_free(page);
    static const char *const inner[] = {"attempt_states", "run_figures", "sweep_places", "sweep_values"};
    char *hint = convoy(0, "query 'SELECT * FROM nowhere'");
    assert_non_null(strstr(hint, "run_summary"));
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        assert_null(json_get(views, inner[i]));
        assert_null(strstr(hint, inner[i]));
    }
}

/* Numbers that a table shows can be read, and all forms tell the same of those that are none. */
static void shows_numbers(void **state)
{
    (void)state;
    make_sweep();
    char *s = convoy(1, "query 'SELECT 1732190001.5 AS t, 1234567.25 AS n, 123456.0 AS k, 0.1234567 AS r,"
                        " 1.5e-7 AS e, 2e15 AS h, -1234567.75 AS m'");
    assert_non_null(strstr(s, "1732190002  1234567  123456  0.123457  1.5e-07  2e+15  -1234568"));
    const char *ask = "query 'SELECT 9e999 AS a, -9e999 AS b, NULL AS c' --json";
    assert_string_equal(convoy(1, ask), "[{\"a\":\"inf\",\"b\":\"-inf\",\"c\":null}]\n");
    made_run r = {.name = "r6", .experiment = "x"};
    char *dir = made_describe(results, &r);
    journal *j = made_journal(dir, 1, 0);
    metric loss = {"val_loss", (double)INFINITY};
    record_metrics(j, "epoch", 351, 1, &loss, 1, NULL);
    journal_close(j);
    mem_free(dir);
    assert_non_null(strstr(convoy(1, "show r6 --json"), "\"step\":351,\"value\":\"inf\"}"));
    assert_string_equal(convoy(1, "query \"SELECT value FROM curves WHERE run = 'r6'\" --json"),
                        "[{\"value\":\"inf\"}]\n");
    assert_non_null(strstr(convoy(1, "export jsonl r6"), "\"val_loss\":[[351,1,\"inf\"]]"));
}

/* ---- what leaves ---- */

static void quotes_titles(void **state)
{
    (void)state;
    made_run r = {.name = "r1", .experiment = "x", .params = ",\"model.a,\\\"b\":\"1\",\"model.c\":\"2\""};
    made_whole(results, &r, 1, 0.1);
    char *s = convoy(1, "export csv r1");
    assert_non_null(strstr(s, ",\"param:model.a,\"\"b\",param:model.c,"));
}

/* The bytes of the only event file in a folder of the board; in the arena. */
static char *events_of(const char *folder, size_t *n)
{
    char *line = mem_printf("cat '%s'/board/'%s'/events.*", results, folder), chunk[4096];
    text all = {0};
    size_t got;
    FILE *f = popen(line, "r");
    assert_non_null(f);
    while ((got = fread(chunk, 1, sizeof chunk, f))) text_add_n(&all, chunk, got);
    assert_int_equal(pclose(f), 0);
    char *s = arena_text_n(&a, text_str(&all), all.n);
    *n = all.n;
    text_free(&all);
    mem_free(line);
    return s;
}

static bool holds(const char *s, size_t n, const char *what, size_t length)
{
    for (size_t i = 0; i + length <= n; i++)
        if (!memcmp(s + i, what, length)) return true;
    return false;
}

/* What TensorBoard is told of a run's end; folds are repeats as seeds are. */
static void exports_board(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        char status; /* of the plugin's protocol: 0 unknown, 1 success, 2 failure, 3 running */
    } ends[] = {{"finished", 1}, {"stopped early", 1}, {"paused", 3},
                {"stopped", 0},  {"failed", 2},        {"killed", 2}};
    made_sweep(results, "s1", 6);
    for (int i = 0; i < 6; i++) {
        char name[16], params[80];
        snprintf(name, sizeof name, "r%d", i + 1);
        snprintf(params, sizeof params, ",\"fold\":\"%d\",\"train.lr\":\"0.%d\"", i + 1, i / 2 + 1);
        made_run r = {.name = name, .experiment = "x", .sweep = "s1", .trial = i, .params = params};
        char *dir = made_describe(results, &r);
        journal *events = made_events(dir), *j = made_journal(dir, 1, 0);
        record_start(events, 1, 1, NULL);
        made_epochs(j, 1, 2, 0.1, (unsigned)i, 0);
        if (i == 0 || i == 4) record_end(j, ends[i].state, 702, "", NULL);
        record_exit(events, 1, i == 4, i == 0 || i == 4 ? 0 : 15, 60, NULL);
        if (i != 0 && i != 4) record_state(events, 1, ends[i].state, "why", NULL);
        journal_close(j);
        journal_close(events);
        mem_free(dir);
    }
    char *line = mem_printf("export tensorboard s1 -o '%s/board'", results);
    says(line, 0, "6 runs");
    mem_free(line);
    for (int i = 0; i < 6; i++) {
        char name[16];
        size_t n;
        snprintf(name, sizeof name, "r%d", i + 1);
        const char *s = events_of(name, &n);
        /* HParamsPluginData: version 0, then session_end_info of 11 bytes that begins with the status */
        const char end[] = {0x08, 0, 0x22, 11, 0x08, ends[i].status, 0x11};
        if (!holds(s, n, end, sizeof end)) fail_msg("%s is not told as %d", ends[i].state, ends[i].status);
        assert_true(holds(s, n, "\n\010train.lr", 10));
        assert_false(holds(s, n, "\n\004fold", 6));
        assert_false(holds(s, n, "\n\004seed", 6));
        assert_true(holds(s, n, "epoch/val_loss", 14));
    }
    size_t n;
    const char *table = events_of(".", &n);
    assert_true(holds(table, n, "\n\010train.lr", 10));
    assert_true(holds(table, n, "\n\014train.epochs", 14));
    assert_false(holds(table, n, "\n\004fold", 6));
}

/* A run that stands for two trials of a sweep leaves once. */
static void exports_each_once(void **state)
{
    (void)state;
    make_sweep();
    says("ls", 0, "s1");
    mem_free(dump_ask(results, "INSERT INTO members (sweep, trial, repeat, run) VALUES (1, 9, 0, 3)"));
    assert_int_equal(json_get(asks("ls s1 --json"), "runs")->n, 5);
    char *line = mem_printf("export tensorboard s1 -o '%s/board'", results), *s = convoy(0, line), *at;
    if (code) fail_msg("%s", s);
    mem_free(line);
    s = convoy(1, "export csv s1");
    at = strstr(s, "\nr3,");
    assert_true(at && !strstr(at + 1, "\nr3,"));
}

/* Words are looked up together: each once, in their order; those that mean nothing are all told. */
static void finds_words(void **state)
{
    (void)state;
    make_sweep();
    const json *v = asks("ls s1 --json");
    assert_int_equal(json_get(v, "runs")->n, 4);
    char *s = convoy(1, "export csv r3 s1 r1 r3 first r2");
    char *at[6];
    for (int i = 1; i <= 5; i++) {
        char start[16];
        snprintf(start, sizeof start, "\nr%d,", i);
        at[i] = strstr(s, start);
        assert_non_null(at[i]);
        assert_null(strstr(at[i] + 1, start));
    }
    assert_true(at[3] < at[2] && at[2] < at[4] && at[4] < at[5] && at[5] < at[1]);
    says("export csv r1 r98 nothing r99", 2, "no run \"r98\"");
    says("export csv r1 r98 nothing r99", 2, "no run \"nothing\"");
    says("export csv r1 r98 nothing r99", 2, "no run \"r99\"");
    says("export csv r01", 2, "no run \"r01\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(shows_json, setup, teardown),
        cmocka_unit_test_setup_teardown(shows, setup, teardown),
        cmocka_unit_test_setup_teardown(compares, setup, teardown),
        cmocka_unit_test_setup_teardown(plots, setup, teardown),
        cmocka_unit_test_setup_teardown(database, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_the_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_why, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(documents_views, setup, teardown),
        cmocka_unit_test_setup_teardown(shows_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(quotes_titles, setup, teardown),
        cmocka_unit_test_setup_teardown(exports_board, setup, teardown),
        cmocka_unit_test_setup_teardown(exports_each_once, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_words, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
