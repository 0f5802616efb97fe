/* Tests what compare, best and report say of results whose verdicts are known, through the executable. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "../report/runs.h"

static char results[64];
static arena a;

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-compare-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&a);
    return file_remove_tree(results, NULL) != CVY_OK;
}

/* All that the command says. In the arena. */
static const char *convoy(const char *arguments)
{
    char *command =
        mem_printf("NO_COLOR=1 TZ=UTC '%s/convoy' --results '%s' %s 2>&1", BINARY_DIR, results, arguments);
    text out = {0};
    char chunk[4096];
    size_t n;
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f))) text_add_n(&out, chunk, n);
    const int status = pclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) fail_msg("convoy %s:\n%s", arguments, text_str(&out));
    const char *said = arena_text(&a, text_str(&out));
    text_free(&out);
    mem_free(command);
    return said;
}

/* The page that is made of these words. */
static const char *report(const char *words)
{
    char *page = NULL, *path = path_join(results, "page.html"),
         *arguments = mem_printf("report %s -q -o '%s'", words, path);
    size_t n;
    convoy(arguments);
    assert_int_equal(file_read(path, (size_t)16 << 20, &page, &n, NULL), CVY_OK);
    const char *said = arena_text(&a, page);
    mem_free(page);
    mem_free(path);
    mem_free(arguments);
    return said;
}

static void says(const char *said, const char *what)
{
    if (!strstr(said, what)) fail_msg("no \"%s\" in:\n%s", what, said);
}

static void never(const char *said, const char *what)
{
    if (strstr(said, what)) fail_msg("\"%s\" in:\n%s", what, said);
}

static int runs;

static void make(const char *lr, int seed, const metric *m, size_t n, const char *judged, const char *goal)
{
    char name[16], params[64];
    snprintf(name, sizeof name, "r%d", ++runs);
    snprintf(params, sizeof params, ",\"train.optimizer.lr\":\"%s\"", lr);
    made_run r = {
        .name = name, .experiment = "x", .seed = seed, .params = params, .metric = judged, .goal = goal};
    made_values(results, &r, m, n);
}

static void make_level(const char *lr, int seeds, double accuracy)
{
    for (int k = 1; k <= seeds; k++) {
        const metric m[] = {{"val_accuracy", accuracy + 0.001 * (double)((7 * k) % 5) + 0.0001 * k}};
        make(lr, k, m, (size_t)!isnan(accuracy), NULL, NULL);
    }
}

/* What has no value in common with the best takes nothing from the others' chance of a verdict, and what Holm rejects first makes the
 * rest easier. */
static void verdicts(void **state)
{
    (void)state;
    runs = 0;
    make_level("0.1", 12, 0.9);
    make_level("0.2", 12, 0.8);
    make_level("0.3", 12, 0.7);
    make_level("0.4", 6, 0.6);
    make_level("0.5", 6, (double)NAN);
    const char *said = convoy("compare x");
    says(said, "0.0312  lr 0.1 is better");
    says(said, "nothing in common");
    never(said, "undecided");
    says(said, "adjusted for 3 comparisons");
    said = convoy("compare x --json");
    never(said, "\"decidable\":true,\"verdict\":\"nothing in common\"");
    says(said, "\"p_holm\":0.03125,\"decidable\":true,\"verdict\":\"lr 0.1 is better\"");
    said = report("x");
    never(said, "too few seeds");
}

static void own_metric(void **state)
{
    (void)state;
    runs = 0;
    for (int k = 0; k < 4; k++) {
        const metric m[] = {{"val_accuracy", 0.1},
                            {"val_top5_accuracy", 0.5 + 0.2 * (k % 2) + 0.01 * (k / 2)}};
        make(k % 2 ? "0.2" : "0.1", k / 2, m, 2, "val_top5_accuracy", "maximize");
    }
    const char *said = convoy("compare x");
    says(said, "VAL TOP5 ACCURACY %");
    assert_true(strstr(said, "VAL TOP5 ACCURACY %") < strstr(said, "VAL ACC %"));
    says(said, "70.50 ± 0.71 (2)");
}

static void other_metrics(void **state)
{
    (void)state;
    runs = 0;
    const metric good[] = {{"val_accuracy", 0.6}, {"val_loss", 2.0}},
                 bad[] = {{"val_accuracy", 0.4}, {"val_loss", 2.3}};
    make("0.1", 1, good, 2, "val_accuracy", "maximize");
    make("0.2", 1, bad, 2, "val_loss", "minimize");
    const char *said = convoy("compare r1 r2");
    assert_true(strstr(said, "lr 0.1") < strstr(said, "lr 0.2"));
    says(said, "1 run was trained for another metric: all are judged by val_accuracy");
    said = convoy("best r1 r2");
    says(said, "lr 0.1");
    says(said, "60.00");
    says(report("r1 r2"),
         "1 of the runs were trained for another metric; here all are judged by val_accuracy");
    said = convoy("best r2 r1"); /* as the first of them */
    says(said, "val_loss       2.000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verdicts, setup, teardown),
        cmocka_unit_test_setup_teardown(own_metric, setup, teardown),
        cmocka_unit_test_setup_teardown(other_metrics, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
