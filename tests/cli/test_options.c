/* The argument table: what each way of writing an option gives, and what each mistake is told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/help.h"
#include "cli/options.h"
#include "convoy/convoy.h"

typedef struct mine {
    bool dry_run, force;
    int64_t workers, limit;
    const char *until;
    text_list set;
} mine;

static const option_row rows[] = {
    OPTION(mine, dry_run, 'n', OPTION_FLAG, NULL, "only say what would be done"),
    OPTION(mine, force, 'f', OPTION_FLAG, NULL, "even so"),
    OPTION_NUMBER(mine, workers, 'j', "N", 2, 1, 64, "trials at once"),
    OPTION(mine, limit, 0, OPTION_INT, "N", "any number"),
    OPTION(mine, until, 'u', OPTION_TEXT, "STEP", "where to stop"),
    OPTION(mine, set, 's', OPTION_TEXTS, "PATH=VALUE", "change a value"),
};

static mine got;
static common shared;
static char *operands[32];
static int n_operands;
static errors e;

/* Reads these arguments, separated by spaces. */
static void reads(bool leading, const char *line)
{
    static char words[512];
    char *argv[32] = {"convoy"};
    int argc = 1;
    mem_free(got.set.items);
    mem_free(shared.plugin.items);
    errors_free(&e);
    got = (mine){0};
    shared = (common){0};
    strcpy(words, line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    argv[argc] = NULL;
    const option_table tables[] = {{rows, sizeof rows / sizeof *rows, &got},
                                   {options_common, options_common_n, &shared}};
    n_operands = options_read(tables, 2, leading, argc, argv, operands, &e);
    options_finish(&shared, &e);
}

static void accepts(const char *line)
{
    reads(false, line);
    if (e.n) fail_msg("%s: %s", line, e.items[0].what);
}

static void refuses(const char *line, const char *what, const char *hint)
{
    reads(false, line);
    assert_int_equal(errors_status(&e), CVY_ERR_CONFIG);
    assert_string_equal(e.items[0].what, what);
    if (hint)
        assert_string_equal(e.items[0].hint, hint);
    else
        assert_null(e.items[0].hint);
}

static void test_values(void **state)
{
    (void)state;
    accepts("");
    assert_int_equal(got.workers, 2);
    assert_int_equal(got.limit, 0);
    assert_false(got.dry_run);
    assert_int_equal(n_operands, 0);
    assert_null(operands[0]);
    assert_string_equal(shared.color, "auto");

    accepts("-nj7 --limit=-12 -u 3 --set a.b=1 -s c=2 --plugin x.so --plugin y.so --color never -qv");
    assert_true(got.dry_run);
    assert_false(got.force);
    assert_int_equal(got.workers, 7);
    assert_int_equal(got.limit, -12);
    assert_string_equal(got.until, "3");
    assert_int_equal(got.set.n, 2);
    assert_string_equal(got.set.items[1], "c=2");
    assert_int_equal(shared.plugin.n, 2);
    assert_true(shared.quiet && shared.verbose && !shared.json);
    assert_string_equal(shared.color, "never");

    accepts("--work 5 --dry"); /* unique beginnings */
    assert_int_equal(got.workers, 5);
    assert_true(got.dry_run);
    accepts("-j 3 -j 4"); /* the last one counts */
    assert_int_equal(got.workers, 4);
}

static void test_operands(void **state)
{
    (void)state;
    setenv("POSIXLY_CORRECT", "1", 1); /* must not make a difference */
    accepts("net.yaml -n train.lr=1 --force - -- -f --what");
    unsetenv("POSIXLY_CORRECT");
    assert_int_equal(n_operands, 5);
    assert_string_equal(operands[0], "net.yaml");
    assert_string_equal(operands[1], "train.lr=1");
    assert_string_equal(operands[2], "-");
    assert_string_equal(operands[3], "-f");
    assert_string_equal(operands[4], "--what");
    assert_null(operands[5]);
    assert_true(got.dry_run && got.force);

    reads(true, "-q run -n --nothing");
    assert_int_equal(e.n, 0);
    assert_true(shared.quiet && !got.dry_run);
    assert_int_equal(n_operands, 3);
    assert_string_equal(operands[0], "run");
    assert_string_equal(operands[2], "--nothing");
}

static void test_mistakes(void **state)
{
    (void)state;
    refuses("--dryrun", "unknown option --dryrun", "did you mean `--dry-run`?");
    refuses("--worker=3x", "--workers: \"3x\" is not a whole number", NULL);
    refuses("--workrs=3", "unknown option --workrs", "did you mean `--workers`?");
    refuses("--train.epochs=2", "unknown option --train.epochs",
            "write it without the dashes: train.epochs=2");
    refuses("--xyzzyx", "unknown option --xyzzyx", NULL);
    refuses("-nZ", "unknown option -Z", NULL);
    refuses("--force=1", "option --force takes no value", NULL);
    refuses("x --until", "option --until needs a value", NULL);
    refuses("-u", "option -u needs a value", NULL);
}

static void test_numbers(void **state)
{
    (void)state;
    refuses("-j 0", "--workers: 0 is below 1", NULL);
    refuses("-j 65", "--workers: 65 is above 64", NULL);
    refuses("-j -1", "--workers: -1 is below 1", NULL);
    refuses("-j 1e3", "--workers: \"1e3\" is not a whole number", NULL);
    refuses("--limit=", "--limit: \"\" is not a whole number", NULL);
    refuses("--limit=0x10", "--limit: \"0x10\" is not a whole number", NULL);
    refuses("--limit=99999999999999999999", "--limit: 99999999999999999999 is above 9223372036854775807",
            NULL);
    refuses("--limit=-99999999999999999999", "--limit: -99999999999999999999 is below -9223372036854775808",
            NULL);
    accepts("--limit=-9223372036854775808");
    assert_true(got.limit == INT64_MIN);
}

static void test_several(void **state)
{
    (void)state;
    reads(false, "--aaaaaa -j x --bbbbbb --color green"); /* all at once */
    assert_int_equal(errors_count(&e), 4);
    assert_string_equal(e.items[3].what, "--color: \"green\" is not auto, always or never");
    static const option_row near[] = {
        OPTION(mine, dry_run, 0, OPTION_FLAG, NULL, ""),
        {"dry_walk", 0, OPTION_FLAG, offsetof(mine, force), NULL, "", 0, 0, 0},
    };
    char *argv[] = {"convoy", "--dry", NULL};
    const option_table table = {near, 2, &got};
    errors_free(&e);
    options_read(&table, 1, false, 2, argv, operands, &e);
    assert_string_equal(e.items[0].what, "option --dry could be --dry-run, --dry-walk");
}

static void test_environment(void **state)
{
    (void)state;
    unsetenv("CONVOY_RESULTS");
    accepts("");
    assert_string_equal(shared.results, "results");
    setenv("CONVOY_RESULTS", "/elsewhere", 1);
    accepts("");
    assert_string_equal(shared.results, "/elsewhere");
    accepts("--results here");
    assert_string_equal(shared.results, "here");
    unsetenv("CONVOY_RESULTS");
}

static void test_overrides(void **state)
{
    (void)state;
    static const char *const yes[] = {"train.epochs=2",    "seed=1",    "model=vgg",
                                      "model.0.channels=", "a-b.c=x=y", "train.optimizer={type: adam}"};
    static const char *const no[] = {"net.yaml", "./a.b=c", "a=b",  "=x",  "dir/x.y=1",
                                     "",         ".x=1",    "x.=1", "seed"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) assert_true(cli_is_override(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) assert_false(cli_is_override(no[i]));
}

static void test_help(void **state)
{
    (void)state;
    const command c = {.name = "go",
                       .summary = "Go",
                       .usage = "convoy go FILE",
                       .examples = "convoy go a.yaml\nconvoy go b.yaml",
                       .options = rows,
                       .n_options = sizeof rows / sizeof *rows};
    const command secret = {.name = "_secret", .summary = "", .usage = "", .examples = "no", .hidden = true};
    const command *const all[] = {&c, &secret};
    text t = {0};
    help_command(&c, &t);
    assert_true(
        text_starts(t.s, "Examples:\n  convoy go a.yaml\n  convoy go b.yaml\n\nUsage:\n  convoy go FILE\n"));
    assert_non_null(strstr(t.s, "  -n, --dry-run         only say what would be done\n"));
    assert_non_null(strstr(t.s, "  -j, --workers N       trials at once (default 2)\n"));
    assert_non_null(strstr(t.s, "      --limit N         any number\n"));
    for (const char *line = t.s; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
    text_free(&t);
    help_overview(all, 2, &t);
    assert_true(text_starts(t.s, "Examples:\n  convoy go a.yaml\n\nUsage:\n"));
    assert_null(strstr(t.s, "secret"));
    text_free(&t);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    int said[2], status;
    char line[128] = "";
    assert_int_equal(pipe(said), 0);
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = {"convoy", "--version", NULL};
        dup2(said[1], STDERR_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        cvy_main(2, argv); /* installs the handler */
        mem_array(SIZE_MAX, 2);
        _exit(0);
    }
    close(said[1]);
    assert_true(read(said[0], line, sizeof line - 1) > 0);
    close(said[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CVY_ERR_RESOURCE);
    assert_true(text_starts(line, "out of memory: "));
}

static int teardown(void **state)
{
    (void)state;
    mem_free(got.set.items);
    mem_free(shared.plugin.items);
    errors_free(&e);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),        cmocka_unit_test(test_operands),
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_several),       cmocka_unit_test(test_environment),
        cmocka_unit_test(test_overrides),     cmocka_unit_test(test_help),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
