/* Tests that no text of a user does anything but be shown: a sweep is trained, every text in its database is then one that nobody
 * would want, and all that convoy prints, draws and writes of it is looked at. Names that training refuses are in
 * tests/config/errors. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "report/chart_kinds.h"

/* Whatever a shell, gnuplot, SQL, a page, a terminal or a spreadsheet might take for its own. */
static const char evil[] =
    "'); DROP TABLE runs;-- `touch canary` $(touch canary) @m <script>alert(1)</script> "
    "\x1b]0;x\x07\x1b[31mred \xe2\x80\xaeknihc \"q\" %s%n \\ \r\nFORGED\nEOD\n"
    "!touch canary\n.shell touch canary\n=cmd|' /C calc'!A0 \xc2\x9b"
    "31m\x7f";
enum { LONG = 65536 };

static char dir[64], was[4096];
static char *endless; /* evil again and again, LONG bytes */

/* ---- running ---- */

static text out, err; /* of the last command */

static void take(const char *path, text *into)
{
    char *bytes = NULL;
    size_t n = 0;
    text_free(into);
    assert_int_equal(file_read(path, (size_t)64 << 20, &bytes, &n, NULL), CVY_OK);
    text_add_n(into, bytes, n);
    mem_free(bytes);
}

/* Starts convoy, or another program, with its outputs in files; `terminal` >= 0 stands for both of them. */
static pid_t start(const char *program, const char *const *words, int terminal)
{
    const char *argv[24] = {program};
    for (size_t i = 0; words[i]; i++) argv[i + 1] = words[i];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int o = terminal >= 0 ? terminal : open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int e = terminal >= 0 ? terminal : open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int in = open("/dev/null", O_RDONLY);
        dup2(in, 0);
        dup2(o, 1);
        dup2(e, 2);
        execvp(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return child;
}

static int code_of(pid_t child)
{
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *const *words)
{
    const int code = code_of(start(BINARY_DIR "/convoy", words, -1));
    take("out", &out);
    take("err", &err);
    return code;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What the command shows on a terminal. */
static void run_on_terminal(const char *const *words)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    pid_t child = start(BINARY_DIR "/convoy", words, slave);
    close(slave);
    char part[4096];
    text_free(&out);
    for (ssize_t n; (n = read(master, part, sizeof part)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            if (part[i] != '\r') text_char(&out, part[i]); /* the terminal's own line ends */
    close(master);
    assert_int_equal(code_of(child), 0);
}

/* ---- looking ---- */

static const char *begin_of(const char *s, const char *all)
{
    while (s > all && s[-1] != '\n') s--;
    return s;
}

/* Nothing that is obeyed, nothing that nobody sees, no line that a name has begun. `exact`: lines of a name are its own there. */
static void look(const char *what, const text *t, bool marks, bool exact)
{
    const char *s = text_str(t);
    for (size_t i = 0; i < t->n;) {
        uint32_t code = 0;
        size_t n = text_utf8(s + i, t->n - i, &code);
        const bool our = marks && code == 0x1b && (s[i + 1] == '[' || s[i + 1] == ']');
        if (!n || (text_hidden(code) && !strchr("\n\t\f", s[i]) && !our))
            fail_msg("%s: byte %zu is U+%04X: %.60s", what, i, (unsigned)code, s + (i > 20 ? i - 20 : 0));
        i += n;
    }
    for (const char *at = s; !exact && (at = strstr(at, "FORGED")); at++)
        if (begin_of(at, s) == at) fail_msg("%s: a name begins a line: %.80s", what, at);
}

#ifdef CONVOY_PNG
enum { PICTURES = 0 };
#else
enum { PICTURES = CVY_ERR_PLUGIN }; /* nothing here writes PNG files */
#endif

static void no_canary(const char *what)
{
    static const char *const places[] = {"canary", "results/canary", "results/r1/canary",
                                         "results/s1/canary"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (file_exists(places[i])) fail_msg("%s: something ran that was a name", what);
}

/* Runs it; looks at what it said. */
static void shows(int code, const char *const *words)
{
    text what = {0};
    for (size_t i = 0; words[i]; i++) text_printf(&what, "%.40s ", words[i]);
    const int got = run(words);
    if (got != code) fail_msg("%s: exit code %d: %.300s", text_str(&what), got, text_str(&err));
    look(text_str(&what), &out, false, false);
    look(text_str(&what), &err, false, false);
    no_canary(text_str(&what));
    text_free(&what);
}

/* The JSON in it, whole. */
static void shows_json(arena *a, const char *const *words)
{
    const char *why = NULL;
    shows(0, words);
    if (!json_parse(a, text_str(&out), out.n, &why, NULL)) fail_msg("%s %s: %s", words[0], words[1], why);
}

static void looks_at_file(const char *name, bool drawing)
{
    text t = {0};
    take(name, &t);
    look(name, &t, false, drawing);
    if (drawing && strstr(text_str(&t), "<script>alert")) fail_msg("%s has a script", name);
    text_free(&t);
}

/* ---- the database ---- */

static void change(const char *statement, const char *name)
{
    sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open("results/convoy.db", &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, statement, -1, &stmt, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    if (sqlite3_bind_parameter_count(stmt)) sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE) fail_msg("%s: %s", statement, sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

/* Every text that is not a name of ours becomes that one. */
static void call_all(const char *name)
{
    static const char *const statements[] = {
        "UPDATE runs SET experiment = ?1, label = ?1 || trial, source = ?1, base_dir = ?1, overrides = ?1, "
        "model = ?1,"
        " dataset = ?1, fingerprint = ?1, exact_key = ?1",
        "UPDATE sweeps SET experiment = ?1, source = ?1, method = ?1, description = ?1",
        "INSERT OR REPLACE INTO params SELECT number, 'loss.type', ?1 || trial FROM runs",
        "INSERT OR REPLACE INTO params SELECT number, 'a.' || ?1, ?1 || trial FROM runs",
        "UPDATE environment SET value = ?1 WHERE key = 'host'",
        "INSERT OR REPLACE INTO environment SELECT number, ?1, ?1 FROM runs",
        "INSERT OR REPLACE INTO plugins SELECT number, ?1, ?1, ?1, ?1 FROM runs",
        "UPDATE attempts SET state = 'failed', end_text = ?1, ruling = ?1, ruling_text = ?1 WHERE run = 3",
        "INSERT OR IGNORE INTO metric_names (name) VALUES (?1)",
        "INSERT OR IGNORE INTO metrics SELECT run, scope, (SELECT id FROM metric_names WHERE name = ?1), "
        "step, epoch,"
        " value, attempt FROM metrics WHERE metric = 4",
        "INSERT OR IGNORE INTO timings SELECT run, (SELECT id FROM metric_names WHERE name = ?1), step, "
        "epoch, value"
        " FROM timings",
        "UPDATE OR IGNORE histogram_list SET tensor = ?1 || tensor",
        "INSERT OR REPLACE INTO kernels SELECT number, ?1, ?1 FROM runs",
        "INSERT OR REPLACE INTO artifacts SELECT number, ?1, ?1, 1 FROM runs",
        "UPDATE evaluation_list SET part = ?1, weights = ?1, dataset = ?1, overrides = ?1",
        "INSERT OR REPLACE INTO evaluation_values SELECT id, ?1, 0.5 FROM evaluation_list",
        "INSERT OR REPLACE INTO tags SELECT name, ?1, 1 FROM runs UNION SELECT 's1', ?1, 1",
        "INSERT OR REPLACE INTO events SELECT name, ?1, 0, ?1, ?1, 1 FROM runs UNION SELECT 's1', ?1, 0, ?1, "
        "?1, 1",
        "UPDATE runs SET metric = ?1, goal = 'minimize'",
        "UPDATE sweeps SET metric = ?1, goal = 'minimize'",
        "INSERT OR REPLACE INTO run_facts (run, state, epochs_done, best_epoch, best, best_val_accuracy, "
        "best_val_loss,"
        " test_accuracy, test_loss, seconds, attempts, tags) SELECT run, state, epochs_done, best_epoch, "
        "best,"
        " best_val_accuracy, best_val_loss, test_accuracy, test_loss, seconds, attempts, tags FROM "
        "run_figures",
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) change(statements[i], name);
}

static int setup(void **state)
{
    (void)state;
    static const char experiment[] =
        "experiment: \"'); DROP TABLE runs;-- `touch canary` $(touch canary) @m <script>alert(1)\"\n"
        "dataset: {type: shapes, train: 64, test: 20, size: 12, augment: [normalize]}\n"
        "model:\n"
        "  - conv2d: {channels: 2, kernel: 3, name: stem}\n"
        "  - relu\n"
        "  - global_avg_pool\n"
        "  - linear: {units: classes}\n"
        "train: {epochs: 2, batch_size: 32, histograms: 1, optimizer: {type: adam, lr: 1e-2}}\n"
        "sweep:\n"
        "  method: grid\n"
        "  metric: {name: val_loss, goal: minimize}\n"
        "  parameters:\n"
        "    model.stem.channels: {values: [1, 2, 3, 4]}\n";
    strcpy(dir, "/tmp/convoy-hostile-XXXXXX");
    if (!mkdtemp(dir) || !getcwd(was, sizeof was) || chdir(dir)) return 1;
    setenv("XDG_DATA_HOME", dir, 1);
    setenv("XDG_CACHE_HOME", dir, 1);
    setenv("TERM", "xterm", 1);
    unsetenv("CONVOY_RESULTS");
    setenv("NO_COLOR", "1", 1); /* what is coloured then was not coloured by us */
    endless = mem_alloc(LONG + 1);
    for (size_t i = 0; i < LONG; i++) endless[i] = evil[i % (sizeof evil - 1)];
    endless[LONG - 60] = 0; /* at no character's middle */
    if (file_replace("t.yaml", experiment, sizeof experiment - 1, NULL) != CVY_OK) return 1;
    if (run(WORDS("sweep", "t.yaml", "-q")) || run(WORDS("eval", "r1", "-q")) || run(WORDS("ls"))) return 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_free(&out);
    text_free(&err);
    mem_free(endless);
    return chdir(was) || file_remove_tree(dir, NULL) != CVY_OK;
}

/* ---- the tests ---- */

static void in_words(void **state)
{
    (void)state;
    call_all(evil);
    shows(0, WORDS("ls", "-a"));
    shows(0, WORDS("show", "r1", "-v"));
    shows(0, WORDS("show", "r3", "-v"));
    shows(0, WORDS("show", "s1"));
    shows(0, WORDS("compare", "s1"));
    shows(0, WORDS("compare", "s1", "--by", "loss.type"));
    shows(0, WORDS("compare", "s1", "--importance"));
    shows(0, WORDS("best", "s1"));
    shows(0, WORDS("best", "s1", "--yaml"));
    assert_true(begin_of(strstr(text_str(&out), "experiment:"), text_str(&out)) ==
                strstr(text_str(&out), "experiment:"));
    shows(0, WORDS("query", "SELECT * FROM run_params"));
    shows(0, WORDS("query", "SELECT experiment AS \"a\nFORGED\x1b[31m\" FROM run_summary"));
    shows(0, WORDS("query", "--views"));
    shows(0, WORDS("watch", "s1", "--once"));
    shows(0, WORDS("watch", "r1", "--once"));
    shows(0, WORDS("eval", "r1", "r2"));
    shows(0, WORDS("inspect", "r1"));
    shows(PICTURES, WORDS("inspect", "r1", "filters", "-o", "f.png"));
    shows(PICTURES, WORDS("inspect", "r1", "maps", "--sample", "0", "-o", "m.png"));
    shows(2, WORDS("inspect", "r1", "histograms"));
    shows(0, WORDS("export", "weights", "r1", "-o", "w.safetensors"));
    /* words of a user that are wrong */
    shows(0, WORDS("show", evil)); /* it is a tag */
    shows(2, WORDS("show", evil + 1));
    shows(2, WORDS("compare", "s1", "--by", evil));
    shows(2, WORDS("query", evil));
    shows(2, WORDS("run", evil));
    shows(2, WORDS("model", evil));
    shows(2, WORDS("data", "info", evil));
    shows(2, WORDS("plugin", "info", evil));
    shows(2, WORDS("export", "nothing", evil));
    shows(2, WORDS("plot", "s1", "--format", evil));
    shows(2, WORDS(evil));
}

static void for_programs(void **state)
{
    (void)state;
    arena a = {0};
    call_all(evil);
    shows_json(&a, WORDS("ls", "--json"));
    shows_json(&a, WORDS("show", "r1", "--json"));
    shows_json(&a, WORDS("show", "s1", "--json"));
    shows_json(&a, WORDS("compare", "s1", "--json"));
    shows_json(&a, WORDS("best", "s1", "--json"));
    shows_json(&a, WORDS("watch", "s1", "--json"));
    shows_json(&a, WORDS("eval", "r1", "r2", "--json"));
    shows_json(&a, WORDS("inspect", "r1", "--json"));
    shows_json(&a, WORDS("query", "--views", "--json"));
    shows_json(&a, WORDS("query", "SELECT ? AS v", evil, "--json"));
    const json *v = json_parse(&a, text_str(&out), out.n, NULL, NULL);
    assert_string_equal(json_get_text(v->items[0], "v", ""), evil);
    shows(0, WORDS("export", "jsonl", "s1"));
    /* CSV keeps every byte, on standard output as in a file */
    text quoted = {0};
    for (const char *s = evil; *s; s++) text_printf(&quoted, *s == '"' ? "\"\"" : "%c", *s);
    assert_int_equal(run(WORDS("query", "SELECT experiment FROM run_summary", "--csv")), 0);
    assert_non_null(strstr(text_str(&out), text_str(&quoted)));
    assert_int_equal(run(WORDS("export", "csv", "s1")), 0);
    assert_non_null(strstr(text_str(&out), text_str(&quoted)));
    assert_int_equal(run(WORDS("export", "csv", "s1", "--curves", "-o", "curves.csv")), 0);
    text_free(&quoted);
    no_canary("CSV");
    arena_free(&a);
}

static int first_int(sqlite3 *db, const char *question, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, question, -1, &stmt, NULL), SQLITE_OK);
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int v = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return v;
}

/* Each statement is a line that begins as ours do: no shell that reads it finds a line for itself. */
static void as_sql(void **state)
{
    (void)state;
    static const char *const begins[] = {"INSERT INTO ", "CREATE TABLE ", "BEGIN;", "COMMIT;", "-- Runs"};
    call_all(evil);
    change("DROP VIEW run_plugins", NULL);
    change("CREATE VIEW run_plugins AS SELECT 'r1' AS run, 1 AS \"c\"\"); DROP TABLE runs;--\"", NULL);
    shows(0, WORDS("export", "sql", "s1"));
    for (const char *s = text_str(&out); *s; s = strchr(s, '\n') + 1) {
        bool ours = false;
        for (size_t i = 0; i < 5; i++) ours = ours || text_starts(s, begins[i]);
        if (!ours) fail_msg("a line of its own: %.60s", s);
    }
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    if (sqlite3_exec(db, text_str(&out), NULL, NULL, &why) != SQLITE_OK) fail_msg("%s", why);
    assert_int_equal(first_int(db, "SELECT count(*) FROM run_summary WHERE experiment = ?", evil), 4);
    assert_int_equal(first_int(db, "SELECT count(*) FROM event_log WHERE text = ?", evil), 4);
    sqlite3_close(db);
}

static void in_pictures(void **state)
{
    (void)state;
    call_all(evil);
    for (size_t i = 0; i < chart_kinds_n; i++) {
        shows(0, WORDS("plot", "s1", "--kind", chart_kinds[i].name, "--format", "svg", "-o", "p", "--script",
                       "p.gp"));
        looks_at_file("p.svg", true);
        looks_at_file("p.gp", false);
        if (i % 4) continue;
        assert_int_equal(code_of(start("gnuplot", WORDS("p.gp"), -1)), 0);
        no_canary("gnuplot");
    }
    shows(0,
          WORDS("plot", "s1", "--format", "png,svg,pdf", "-o", "q", "--by", "loss.type", "--metric", evil));
    looks_at_file("q.svg", true);
    shows(0, WORDS("plot", "s1", "--format", "term", "--facet", "loss.type"));
    shows(0, WORDS("plot", "--sql",
                   "SELECT epoch AS \"`touch canary`\n!touch canary\", value AS \"x'\", ? FROM curves", evil,
                   "-o", "q", "--format", "svg", "--script", "q.gp"));
    looks_at_file("q.svg", true);
    looks_at_file("q.gp", false);
    shows(0, WORDS("report", "s1", "-o", "s.html"));
    looks_at_file("s.html", true);
    shows(0, WORDS("export", "tensorboard", "s1", "-o", "board"));
    no_canary("export");
}

/* Exact where a program reads, and never on a terminal. */
static void on_a_terminal(void **state)
{
    (void)state;
    call_all(evil);
    const char *const *const commands[] = {
        WORDS("query", "SELECT experiment, label FROM run_summary", "--csv"),
        WORDS("export", "csv", "s1"),
        WORDS("export", "sql", "s1"),
        WORDS("ls", "--json"),
        WORDS("ls", "-a"),
        WORDS("show", "r3"),
        WORDS("best", "s1", "--yaml"),
        WORDS("export", "jsonl", "r1")};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        run_on_terminal(commands[i]);
        assert_true(out.n > 0);
        look(commands[i][0], &out, false, true);
    }
    run_on_terminal(WORDS("watch", "r1", "--once"));
    look("watch", &out, true, false);
    assert_null(strstr(text_str(&out), "\x1b]"));
    assert_null(strstr(text_str(&out), "\x1b[31m"));
}

static size_t longest_line(const text *t)
{
    size_t most = 0;
    for (const char *s = text_str(t); *s; s += strcspn(s, "\n"), s += *s == '\n')
        if (strcspn(s, "\n") > most) most = strcspn(s, "\n");
    return most;
}

static void endless_names(void **state)
{
    (void)state;
    arena a = {0};
    call_all(endless);
    static const char *const tables[][4] = {{"ls", "-a"},
                                            {"show", "s1"},
                                            {"compare", "s1"},
                                            {"best", "s1"},
                                            {"query", "SELECT * FROM run_params"}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        shows(0, tables[i]);
        assert_non_null(strstr(text_str(&out), "..."));
        assert_true(longest_line(&out) < 8000);
    }
    shows(0, WORDS("show", "r3", "-v"));
    shows(0, WORDS("watch", "s1", "--once"));
    shows(0, WORDS("plot", "s1", "--format", "svg", "-o", "p", "--by", "loss.type"));
    looks_at_file("p.svg", true);
    shows(0, WORDS("plot", "s1", "--kind", "final", "--format", "term"));
    shows(0, WORDS("report", "s1", "-o", "s.html"));
    looks_at_file("s.html", true);
    shows(0, WORDS("export", "tensorboard", "s1", "-o", "board2"));
    shows(0, WORDS("show", endless)); /* it is a tag */
    shows(2, WORDS("show", endless + 1));
    shows(2, WORDS("model", endless));
    shows_json(&a, WORDS("query", "SELECT experiment FROM run_summary LIMIT 1", "--json"));
    const json *v = json_parse(&a, text_str(&out), out.n, NULL, NULL);
    assert_string_equal(json_get_text(v->items[0], "experiment", ""), endless);
    arena_free(&a);
}

/* Names of runs lead to folders. */
static void names_that_lead_elsewhere(void **state)
{
    (void)state;
    change("UPDATE runs SET name = '../../elsewhere' WHERE number = 2", NULL);
    change("UPDATE runs SET name = ?1 WHERE number = 3", evil);
    change("UPDATE runs SET sweep = '1/../..' WHERE number = 4", NULL);
    shows(0, WORDS("ls", "-a"));
    assert_non_null(strstr(text_str(&err), "left out: runs must be called r1, r2, ..."));
    assert_null(strstr(text_str(&out), "elsewhere"));
    shows(2, WORDS("show", "../../elsewhere"));
    shows(0, WORDS("plot", "r1"));
    assert_true(file_exists("results/r1/r1.png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_words),
        cmocka_unit_test(for_programs),
        cmocka_unit_test(in_pictures),
        cmocka_unit_test(on_a_terminal),
        cmocka_unit_test(endless_names),
        cmocka_unit_test(as_sql),
        cmocka_unit_test(names_that_lead_elsewhere),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
