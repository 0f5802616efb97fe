/* The planning child: crashes, hangs and noise cost one trial each, and say why. */
#include "fake.h"

#include <signal.h>
#include <time.h>
#include "sweep/interrupt.h"
#include "sweep/planning.h"

static char *self;

/* Plans trials that do what the words say. */
static plan *plan_words(const char *const *words, size_t n, double patience, errors *e)
{
    planning_request *requests = mem_array(n, sizeof *requests);
    plan *plans = mem_array(n, sizeof *plans);
    char **texts = mem_array(n, sizeof *texts);
    for (size_t i = 0; i < n; i++) {
        texts[i] = mem_printf("fake=%s", words[i]);
        requests[i] = (planning_request){(const char *const *)&texts[i], 1, -1};
    }
    planning_options o = {.program = self, .file = "-x.yaml", .threads = 1, .patience = patience};
    cvy_status status = planning_run(&o, requests, n, plans, e);
    assert_int_equal(status, errors_status(e));
    for (size_t i = 0; i < n; i++) mem_free(texts[i]);
    mem_free(texts);
    mem_free(requests);
    return plans;
}

static void plans_free(plan *plans, size_t n)
{
    for (size_t i = 0; i < n; i++) plan_free(&plans[i]);
    mem_free(plans);
}

static void assert_good(const plan *p)
{
    assert_int_equal(p->status, CVY_OK);
    assert_non_null(p->line);
    assert_true(text_starts(p->config_hash, "hash-"));
    assert_string_equal(p->exact_key, "key");
    assert_int_equal(p->epochs, 3);
}

static void assert_refused(const plan *p, cvy_status status, const char *words)
{
    char *got = messages(&p->problems);
    assert_int_equal(p->status, status);
    assert_null(p->line);
    if (!strstr(got, words)) fail_msg("expected \"%s\" in %s", words, got);
    mem_free(got);
}

#define PLAN(...)                                  \
    const char *const words[] = {__VA_ARGS__};     \
    const size_t n = sizeof words / sizeof *words; \
    errors e = {0};                                \
    plan *plans = plan_words(words, n, 2, &e)

static void test_good(void **unused)
{
    (void)unused;
    PLAN("good", "bad", "noise", "good");
    assert_good(&plans[0]);
    assert_refused(&plans[1], CVY_ERR_CONFIG, "a bad trial");
    assert_refused(&plans[1], CVY_ERR_CONFIG, "be good");
    assert_good(&plans[2]);
    assert_good(&plans[3]);
    plans_free(plans, n);
}

static void test_crash(void **unused)
{
    (void)unused;
    PLAN("good", "crash", "good", "crash", "crash", "good");
    assert_good(&plans[0]);
    assert_refused(&plans[1], CVY_ERR_PLUGIN,
                   "plugin crashed while planning: signal 11 (segmentation fault)");
    assert_refused(&plans[1], CVY_ERR_PLUGIN, "it said: plugin: about to fall over");
    assert_good(&plans[2]);
    assert_refused(&plans[3], CVY_ERR_PLUGIN, "signal 11");
    assert_refused(&plans[4], CVY_ERR_PLUGIN, "signal 11");
    assert_good(&plans[5]);
    plans_free(plans, n);
}

static void test_early_end(void **unused)
{
    (void)unused;
    PLAN("exit", "good", "memory", "close", "good");
    assert_refused(&plans[0], CVY_ERR_PLUGIN, "planning ended early: exit code 7");
    assert_good(&plans[1]);
    assert_refused(&plans[2], CVY_ERR_RESOURCE, "out of memory or storage");
    assert_refused(&plans[3], CVY_ERR_PLUGIN, "planning ended early: exit code 3");
    assert_good(&plans[4]);
    plans_free(plans, n);
}

static void test_hang_and_flood(void **unused)
{
    (void)unused;
    PLAN("good", "hang", "flood", "good");
    assert_good(&plans[0]);
    assert_refused(&plans[1], CVY_ERR_PLUGIN, "planning took more than 2 s and was stopped");
    assert_refused(&plans[2], CVY_ERR_PLUGIN, "no plan and was stopped");
    assert_good(&plans[3]);
    plans_free(plans, n);
}

/* A plugin that never lets a child answer must not be tried for each of thousands of trials. */
static void test_always_crashing(void **unused)
{
    (void)unused;
    enum { N = 2000 };
    const char *words[N];
    for (size_t i = 0; i < N; i++) words[i] = "crash";
    errors e = {0};
    plan *plans = plan_words(words, N, 20, &e);
    for (size_t i = 0; i < N; i++) assert_refused(&plans[i], CVY_ERR_PLUGIN, "signal 11");
    plans_free(plans, N);
}

static void test_many(void **unused)
{
    (void)unused;
    enum { N = 5000 }; /* more than a pipe holds, both ways */
    const char *words[N];
    for (size_t i = 0; i < N; i++) words[i] = "good";
    errors e = {0};
    plan *plans = plan_words(words, N, 20, &e);
    for (size_t i = 0; i < N; i++) assert_good(&plans[i]);
    assert_string_equal(plans[N - 1].config_hash, "hash-good-4999");
    plans_free(plans, N);
}

static void test_no_program(void **unused)
{
    (void)unused;
    errors e = {0};
    plan p;
    planning_request r = {.seed = -1};
    planning_options o = {.program = "/nowhere/convoy", .file = "x.yaml", .threads = 1};
    assert_int_equal(planning_run(&o, &r, 1, &p, &e), CVY_ERR_RESOURCE);
    char *got = messages(&e);
    assert_non_null(strstr(got, "/nowhere/convoy: cannot be started: No such file or directory"));
    mem_free(got);
    errors_free(&e);
    plan_free(&p);
}

static void test_interrupt(void **unused)
{
    (void)unused;
    errors e = {0};
    const char *const words[] = {"good", "hang"};
    interrupt_begin();
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGINT};
    struct itimerspec when = {.it_value = {0, 300000000}};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    timer_settime(timer, 0, &when, NULL);
    plan *plans = plan_words(words, 2, 30, &e);
    assert_int_equal(errors_status(&e), CVY_FORCED);
    timer_delete(timer);
    interrupt_end();
    plans_free(plans, 2);
    errors_free(&e);
}

static void test_foreign_lines(void **unused)
{
    (void)unused;
    static const char *const lines[] = {
        "",
        "{",
        "{}",
        "[]",
        "null",
        "{\"ok\":true}",
        "{\"ok\":1}",
        "{\"ok\":\"true\"}",
        "{\"ok\":true,\"spec\":\"x\",\"config_hash\":\"\",\"exact_key\":\"k\"}",
        "{\"ok\":true,\"spec\":3,\"config_hash\":\"h\",\"exact_key\":\"k\"}",
        "{\"ok\":true,\"spec\":\"x\",\"config_hash\":\"h\"}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        plan p = {0};
        if (plan_read(lines[i], strlen(lines[i]), &p)) fail_msg("%s was taken for a plan", lines[i]);
    }
    static const char refused[] = "{\"ok\":false,\"status\":0,\"errors\":7}";
    plan p = {0};
    assert_true(plan_read(refused, strlen(refused), &p));
    assert_int_equal(p.status, CVY_ERR_CONFIG);
    assert_int_equal(errors_count(&p.problems), 1);
    plan_free(&p);
}

int main(int argc, char **argv)
{
    fake_child(argc, argv);
    self = path_executable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_early_end),
        cmocka_unit_test(test_hang_and_flood),
        cmocka_unit_test(test_always_crashing),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_foreign_lines),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(self);
    return failed;
}
