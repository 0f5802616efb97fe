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
    says("plot r1 -o /nonexistent/x", 4, "cannot write the chart");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(shows_json, setup, teardown),
        cmocka_unit_test_setup_teardown(shows, setup, teardown),
        cmocka_unit_test_setup_teardown(compares, setup, teardown),
        cmocka_unit_test_setup_teardown(plots, setup, teardown),
        cmocka_unit_test_setup_teardown(database, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
