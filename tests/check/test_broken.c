/* Every plugin of broken/ fails `convoy plugin check`, for its own reason and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/json.h"
#include "check/specimen.h"

typedef struct expectation {
    const char *plugin;
    const char *failing; /* checks, separated by spaces */
    const char *status;  /* of the first of them */
    const char *what;    /* part of what its first failure says */
} expectation;

static const expectation expectations[] = {
    {"wrong_input_gradient", "gradient_input", "failed",
     "backward and central differences of forward do not agree"},
    {"wrong_weight_gradient", "gradient_weight", "failed",
     "backward and central differences of forward do not agree"},
    {"leaks", "memory", "failed", "bytes more in use afterwards"},
    {"writes_outside", "bounds unwanted", "failed", "backward writes behind the gradient of weight"},
    {"hidden_state", "hidden_state", "failed", "something is kept outside `saved`"},
    {"changes_input", "constants evaluation", "failed", "forward changes x, which it may only read"},
    {"reads_undeclared_y", "undeclared", "failed", "reads y without declaring CVY_READS_Y"},
    {"reads_undeclared_x", "undeclared", "failed", "reads x without declaring CVY_READS_X"},
    {"lower_differs", "lowered", "failed", "the lowered form and plain code differ in training"},
    {"infer_impure", "infer", "failed", "infer declares something else the second time"},
    {"nondeterministic", "repeat unwanted overwrite undeclared hidden_state threads", "failed",
     "the same step computed again gives other numbers"},
    {"crashes", "evaluation bounds constants", "crashed", "segmentation fault"},
    {"hangs", "unwanted", "timeout", "did not end within 2 seconds"},
    {"ignores_null", "unwanted", "crashed", "segmentation fault"},
    {"default_outside", "parameters cases", "failed", "default `5` of scale: scale: 5 is above 1"},
    {"undocumented", "parameters", "failed", "has no help text"},
    {"depends_on_order", "threads", "failed", "computed in another order give other numbers"},
    {"adds_gradient", "overwrite complete", "failed", "does not overwrite what the gradient held"},
    {"forgets_last", "complete overwrite", "failed", "leaves the gradient of x"},
    {"not_in_place", "in_place", "failed", "declares CVY_IN_PLACE and computes something else"},
    {"moves_in_evaluation", "evaluation constants", "failed", "changes buffer calls, which it may only read"},
    {"overflows", "extremes", "failed", "negative number of bytes"},
    {"twin_differs", "twin", "failed", "float and its double twin differ"},
    {"builds_differently", "build", "failed", "build makes something else the next time"},
    {"loss_sum", "mean", "failed", "no mean over the batch"},
    {"loss_gradient", "gradient", "failed", "the gradient and central differences of the loss do not agree"},
    {"optimizer_hidden", "hidden_state", "failed", "state is kept outside the slots"},
    {"optimizer_whole", "elementwise", "failed", "declares itself elementwise"},
    {"optimizer_uphill", "first_step lr_factor", "failed", "does not go downhill"},
    {"dataset_label", "samples", "failed", "has label 3, expected 0 to 2"},
    {"dataset_shared", "threads", "failed", "when four threads read"},
    {"augment_input", "calls", "failed", "apply changes its input"},
    {"augment_counts", "repeat threads", "failed", "the same input and random stream give something else"},
    {"augment_share", "calls", "failed", "apply gives the share 1.5, expected 0 to 1"},
    {"augment_needs", "calls", "failed", "apply changes its input"},
};

static char *run_check(const char *plugin, int *code)
{
    char command[1024], chunk[4096];
    text out = {0};
    snprintf(command, sizeof command, "%s/convoy plugin check %s/tests/check/broken/%s.so --json --timeout 2",
             BINARY_DIR, BINARY_DIR, plugin);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) text_add_n(&out, chunk, n);
    *code = WEXITSTATUS(pclose(f));
    return text_take(&out);
}

static bool is_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return true;
    return false;
}

static bool bad(const char *status)
{
    return !strcmp(status, "failed") || !strcmp(status, "crashed") || !strcmp(status, "timeout");
}

/* The first named check must have found what is expected, each other named one may have failed, and nothing else. */
static void check_plugin(const json *plugin, const expectation *x)
{
    const json *checks = json_get(plugin, "checks");
    char first[64];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(x->failing, " "), x->failing);
    bool found = false;
    for (size_t i = 0; i < checks->n; i++) {
        const char *name = json_get_text(checks->items[i], "name", ""),
                   *status = json_get_text(checks->items[i], "status", "");
        const json *failures = json_get(checks->items[i], "failures");
        const char *what = failures->n ? json_get_text(failures->items[0], "what", "") : "";
        if (!strcmp(name, first)) {
            found = true;
            if (strcmp(status, x->status) != 0 || !strstr(what, x->what))
                fail_msg("%s: check %s: %s \"%s\", expected %s \"%s\"", x->plugin, name, status, what,
                         x->status, x->what);
        } else if (bad(status) && !is_word(x->failing, name)) {
            fail_msg("%s: check %s is not meant to fail: %s \"%s\"", x->plugin, name, status, what);
        }
    }
    assert_true(found);
}

static void test_broken(void **state)
{
    (void)state;
    /* There what a sanitizer sees ends the process, whichever check comes first. */
    bool only_that_they_fail = specimen_sanitized();
    for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
        int code;
        arena a = {0};
        const char *why = "";
        size_t offset = 0;
        char *out = run_check(expectations[i].plugin, &code);
        const json *report = json_parse(&a, out, strlen(out), &why, &offset);
        if (!report) fail_msg("%s: no JSON (%s at %zu): %s", expectations[i].plugin, why, offset, out);
        const json *plugins = json_get(report, "plugins");
        assert_int_equal(plugins->n, 1);
        if (code != 5) fail_msg("%s: exit code %d, expected 5", expectations[i].plugin, code);
        assert_false(json_get_bool(report, "passed", true));
        if (!only_that_they_fail) check_plugin(plugins->items[0], &expectations[i]);
        arena_free(&a);
        mem_free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
