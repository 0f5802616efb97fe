/* Tests what commands say of cross-validations, that labels of a report stay different when they are shortened, and that `rm` reads
 * many words as one question; through the executable. */
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
    strcpy(results, "/tmp/convoy-told-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&a);
    return file_remove_tree(results, NULL) != CVY_OK;
}

/* All that the command says; in the arena. */
static const char *convoy(int code, const char *arguments)
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
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("convoy %s:\n%s", arguments, text_str(&out));
    const char *said = arena_text(&a, text_str(&out));
    text_free(&out);
    mem_free(command);
    return said;
}

static const char *report(const char *words)
{
    char *page = NULL, *path = path_join(results, "page.html"),
         *arguments = mem_printf("report %s -q -o '%s'", words, path);
    size_t n;
    convoy(0, arguments);
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

/* fold 0: of none */
static void make(const char *lr, int seed, int fold)
{
    char name[16], params[600], folded[64] = "";
    snprintf(name, sizeof name, "r%d", ++runs);
    if (fold) snprintf(folded, sizeof folded, ",\"fold\":\"%d\",\"folds\":\"3\"", fold);
    snprintf(params, sizeof params, ",\"train.optimizer.lr\":\"%s\"%s", lr, folded);
    made_run r = {.name = name, .experiment = "x", .seed = seed, .params = params};
    const metric m[] = {{"val_accuracy", 0.5 + 0.01 * (runs * 7 % 11)}};
    made_values(results, &r, m, 1);
}

static void folds(void **state)
{
    (void)state;
    runs = 0;
    for (int fold = 1; fold <= 3; fold++) make("0.1", 1, fold), make("0.2", 1, fold);
    const char *said = convoy(0, "compare x");
    says(said, "mean ± standard deviation (folds); 95 % intervals over the folds");
    says(said, "differences paired by fold: 3 folds;");
    says(said, "(3 folds)");
    never(said, "seed");
    says(convoy(0, "compare x --json"), "\"unit\":\"3 folds\",\"seeds\":1,\"folds\":3,");
    says(convoy(0, "compare x --by train.optimizer.lr"), "paired by fold: 3 folds;");
    says(convoy(0, "best x"), "mean ± standard deviation over 3 folds;");
    const char *page = report("x");
    says(page, "6 runs, 2 configurations, 3 folds");
    says(page, "With 3 folds no difference can be told from chance");
    says(page, "standard deviation over the folds;");
    says(page, "interval over 3 folds;");
    says(page, "<dt>seeds and folds</dt><dd>1 fold 1, 1 fold 2, 1 fold 3</dd>");
    never(page, "3 seeds");
    for (int fold = 1; fold <= 3; fold++) make("0.1", 2, fold), make("0.2", 2, fold);
    said = convoy(0, "compare x");
    says(said, "differences paired by seed and fold: 2 seeds x 3 folds;");
    says(convoy(0, "compare x --json"), "\"unit\":\"2 seeds x 3 folds\",\"seeds\":2,\"folds\":3,");
    says(report("x"), "12 runs, 2 configurations, 2 seeds x 3 folds");
}

static void seeds(void **state)
{
    (void)state;
    runs = 0;
    for (int seed = 1; seed <= 3; seed++) make("0.1", seed, 0), make("0.2", seed, 0);
    make("0.1", 4, 0);
    const char *said = convoy(0, "compare x");
    says(said, "mean ± standard deviation (seeds); 95 % intervals over the seeds");
    says(said, "differences paired by seed: 4 seeds;");
    says(convoy(0, "compare x --json"), "\"unit\":\"4 seeds\",\"seeds\":4,\"folds\":0,");
    says(convoy(0, "best x"), "standard deviation over ");
    const char *page = report("x");
    says(page, "7 runs, 2 configurations, 4 seeds");
    says(page, "interval over 3 to 4 seeds;");
}

/* How often a text stands there. */
static size_t count(const char *said, const char *what)
{
    size_t n = 0;
    for (const char *at = said; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

/* Numbers that a search drew have too many digits: those that agree in four are told apart by more. */
static void labels(void **state)
{
    (void)state;
    runs = 0;
    for (int seed = 1; seed <= 2; seed++) {
        make("0.024517850097728253", seed, 0);
        make("0.024517950097728253", seed, 0);
        make("0.074517850097728253", seed, 0);
    }
    const char *page = report("x");
    says(page, ">lr 0.0245179<");
    says(page, ">lr 0.024518<");
    says(page, ">lr 0.0745");
    never(page, ">lr 0.02452<");
    says(page, "title=\"lr 0.024517850097728253\""); /* all of it where the pointer rests */
}

/* Of long labels the part in which they differ is left. The first configuration has "first" for all parameters, each of the others
 * another word for one of them. */
static void long_labels(void **state)
{
    (void)state;
    enum { PARAMETERS = 6 };
    for (int i = 0; i <= PARAMETERS; i++) {
        char name[16];
        text params = {0};
        snprintf(name, sizeof name, "r%d", i + 1);
        for (int k = 1; k <= PARAMETERS; k++)
            text_printf(&params, ",\"train.p%d\":\"%s_word_of_many_letters_indeed\"", k,
                        k == i ? "other" : "first");
        made_run r = {.name = name, .experiment = "x", .seed = 1, .params = text_str(&params)};
        const metric m[] = {{"val_accuracy", 0.5 + 0.01 * i}};
        made_values(results, &r, m, 1);
        text_free(&params);
    }
    const char *page = report("x");
    /* A label names four of them: three begin alike and would be cut to one. In the tables of configurations, differences and runs; all
     * of it where the pointer rests. */
    static const char *const alike[] = {"r1", "r6", "r7"};
    for (size_t i = 0; i < 3; i++) {
        char shown[80], whole[120];
        snprintf(shown, sizeof shown, ">…p4 first_word_of_many_letters_indeed (%s)</td>", alike[i]);
        snprintf(whole, sizeof whole,
                 "p3 first_word_of_many_letters_indeed, p4 first_word_of_many_letters_indeed (%s)\"",
                 alike[i]);
        assert_true(count(page, shown) >= 3);
        assert_true(count(page, whole) >= 3);
    }
}

static void removed(void **state)
{
    (void)state;
    runs = 0;
    for (int seed = 1; seed <= 6; seed++) make("0.1", seed, 0);
    const char *said = convoy(2, "rm r1 rr7 nosuch r2 --yes");
    says(said, "no run \"rr7\"");
    says(said, "no run \"nosuch\""); /* both at once */
    said = convoy(0, "ls --json x");
    says(said, "\"r1\"");
    says(said, "\"r2\"");
    said = convoy(0, "rm r1 r3 r1 r6 --yes --json");
    says(said, "\"runs\":[\"r1\",\"r3\",\"r6\"]");
    said = convoy(0, "ls --json x");
    never(said, "\"r1\"");
    never(said, "\"r6\"");
    says(said, "\"r2\"");
    says(convoy(0, "rm x --yes"), "3 runs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folds, setup, teardown),
        cmocka_unit_test_setup_teardown(seeds, setup, teardown),
        cmocka_unit_test_setup_teardown(labels, setup, teardown),
        cmocka_unit_test_setup_teardown(long_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(removed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
