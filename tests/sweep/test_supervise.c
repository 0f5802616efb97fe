/* Supervision of children that only pretend: order, isolation of failures, interrupts, a supervisor that is killed. */
#include "fake.h"

#include <signal.h>
#include <sys/wait.h>
#include "journal/record.h"
#include "sweep/interrupt.h"
#include "sweep/process.h"
#include "sweep/runs.h"
#include "sweep/supervise.h"

static char *self;

enum { NEWS_MAX = 2000 };

typedef struct log {
    text started, ended;
    size_t stopping, warnings, running, most;
    int interrupt_after; /* starts until SIGINT is raised; 0: never */
    int interrupts;      /* how many */
} log;

static void tell(void *ctx, supervise_news what, const trial *t, errors *warnings)
{
    log *l = ctx;
    if (what == SUPERVISE_STARTED) {
        text_printf(&l->started, "%s ", trial_label(t));
        if (++l->running > l->most) l->most = l->running;
        if (l->interrupt_after && --l->interrupt_after == 0)
            for (int i = 0; i < l->interrupts; i++) raise(SIGINT);
    }
    if (what == SUPERVISE_ENDED) {
        text_printf(&l->ended, "%s ", trial_label(t));
        l->running--;
    }
    l->stopping += what == SUPERVISE_STOPPING;
    l->warnings += warnings && warnings->n;
}

/* Its journals, read again: they are closed while it does not run. */
static const follow *read_again(const char *results, trial *t)
{
    trial_wake(t, &(trial_origin){.results = results});
    return t->journals;
}

static void log_free(log *l)
{
    text_free(&l->started);
    text_free(&l->ended);
}

static cvy_status supervise(const char *results, trial *trials, size_t n, int64_t workers, log *l,
                            recorder *r, errors *e)
{
    trial_origin origin = {.results = results,
                           .source = "x.yaml",
                           .metric = space_default_metric,
                           .threads = 1,
                           .book = fake_book()};
    supervise_options o = {.program = self,
                           .origin = &origin,
                           .workers = workers,
                           .threads = 1,
                           .recorder = r,
                           .tell = tell,
                           .ctx = l};
    return supervise_run(&o, trials, n, e);
}

static cvy_status supervise_so(const char *results, trial *trials, size_t n, supervise_options how, log *l,
                               errors *e)
{
    trial_origin origin = {.results = results,
                           .source = "x.yaml",
                           .metric = space_default_metric,
                           .threads = 1,
                           .book = fake_book()};
    how.program = self;
    how.origin = &origin;
    how.workers = 2;
    how.threads = 1;
    how.tell = tell;
    how.ctx = l;
    return supervise_run(&how, trials, n, e);
}

static void free_all(trial *trials, size_t n)
{
    for (size_t i = 0; i < n; i++) trial_free(&trials[i]);
}

#define TRIALS(...)                                                             \
    const char *const words[] = {__VA_ARGS__};                                  \
    enum { n = sizeof words / sizeof *words };                                  \
    trial t[n];                                                                 \
    for (size_t i_ = 0; i_ < n; i_++) t[i_] = fake_trial(words[i_], words[i_]); \
    char *results = fake_folder();                                              \
    errors e = {0};                                                             \
    log l = {0}

static void assert_trial(const trial *t, trial_state expected, const char *why)
{
    assert_string_equal(trial_state_name(t->state), trial_state_name(expected));
    if (!why)
        assert_null(t->why);
    else if (!t->why || !strstr(t->why, why))
        fail_msg("expected \"%s\", found \"%s\"", why, t->why ? t->why : "(nothing)");
}

static void test_each_for_itself(void **unused)
{
    (void)unused;
    TRIALS("good", "crash", "good", "kill", "fail", "exit", "mute", "late", "good");
    recorder *r = recorder_open(results);
    assert_int_equal(supervise(results, t, n, 2, &l, r, &e), CVY_OK);
    assert_trial(&t[0], TRIAL_FINISHED, NULL);
    assert_trial(&t[1], TRIAL_KILLED, "signal 11 (segmentation fault): something went wrong in the plugin");
    assert_trial(&t[2], TRIAL_FINISHED, NULL);
    assert_trial(&t[3], TRIAL_KILLED, "signal 9");
    assert_trial(&t[4], TRIAL_FAILED, "the loss is not finite");
    assert_int_equal(t[4].status, 1);
    assert_trial(&t[5], TRIAL_FAILED, "did a plugin call exit()?");
    assert_trial(&t[6], TRIAL_FAILED, "exit code 5");
    assert_int_equal(t[6].status, CVY_ERR_PLUGIN);
    assert_trial(&t[7], TRIAL_FINISHED, NULL);
    assert_trial(&t[8], TRIAL_FINISHED, NULL);
    assert_string_equal(text_str(&l.started), "good crash good kill fail exit mute late good ");
    assert_int_equal(l.most, 2);
    assert_int_equal(l.warnings, 0);
    assert_true(t[0].test_accuracy == 0.75);
    assert_true(trial_value(&t[0]) == 0.9 && t[0].best_epoch == 2 && t[0].epoch == 3);
    for (size_t i = 0; i < n; i++) {
        static const follow_state seen[] = {FOLLOW_FINISHED, FOLLOW_KILLED,   FOLLOW_FINISHED,
                                            FOLLOW_KILLED,   FOLLOW_FAILED,   FOLLOW_FAILED,
                                            FOLLOW_FAILED,   FOLLOW_FINISHED, FOLLOW_FINISHED};
        char name[16];
        snprintf(name, sizeof name, "r%zu", i + 1); /* names follow the order, whoever ends first */
        assert_string_equal(trial_run_name(&t[i]).s, name);
        assert_null(t[i].dir); /* all that is not of a fixed size was let go */
        assert_null(t[i].journals);
        const follow *f = read_again(results, &t[i]);
        assert_int_equal(follow_state_of(f), seen[i]);
        assert_int_equal(f->started, 1);
        assert_int_equal(f->exited, 1);
    }
    recorder_close(r);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

/* A server that dies on the way costs nobody anything. */
static void test_server_dies(void **unused)
{
    (void)unused;
    static const char *const after[] = {"0", "1", "3"};
    for (size_t k = 0; k < 3; k++) {
        TRIALS("good", "crash", "good", "kill", "fail", "good");
        setenv("FAKE_SERVER", after[k], 1);
        assert_int_equal(supervise(results, t, n, 2, &l, NULL, &e), CVY_OK);
        unsetenv("FAKE_SERVER");
        static const trial_state ends[] = {TRIAL_FINISHED, TRIAL_KILLED, TRIAL_FINISHED,
                                           TRIAL_KILLED,   TRIAL_FAILED, TRIAL_FINISHED};
        for (size_t i = 0; i < n; i++) assert_int_equal(t[i].state, ends[i]);
        assert_int_equal(l.warnings, 0);
        free_all(t, n);
        log_free(&l);
        fake_cleanup();
    }
}

/* One after the other, or all at once: the same folders with the same metrics. */
static void test_workers_change_nothing(void **unused)
{
    (void)unused;
    for (int64_t workers = 1; workers <= 8; workers += 7) {
        TRIALS("good", "good", "crash", "good", "slow", "good");
        assert_int_equal(supervise(results, t, n, workers, &l, NULL, &e), CVY_OK);
        assert_string_equal(text_str(&l.started), "good good crash good slow good ");
        assert_int_equal(l.most, workers == 1 ? 1 : n);
        for (size_t i = 0; i < n; i++) {
            char name[16];
            snprintf(name, sizeof name, "r%zu", i + 1);
            assert_string_equal(trial_run_name(&t[i]).s, name);
            if (i != 2)
                assert_true(follow_best(read_again(results, &t[i]), "val_accuracy", true)->value == 0.9);
        }
        free_all(t, n);
        log_free(&l);
        fake_cleanup();
    }
}

static void test_only_waiting(void **unused)
{
    (void)unused;
    TRIALS("good", "good", "good");
    t[0].state = TRIAL_KNOWN;
    t[2].state = TRIAL_REFUSED;
    assert_int_equal(supervise(results, t, n, 4, &l, NULL, &e), CVY_OK);
    assert_string_equal(text_str(&l.started), "good ");
    assert_int_equal(t[0].state, TRIAL_KNOWN);
    assert_int_equal(t[1].state, TRIAL_FINISHED);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

static void test_interrupt(void **unused)
{
    (void)unused;
    TRIALS("good", "slow", "slow", "good", "good");
    l.interrupt_after = 3;
    l.interrupts = 1;
    interrupt_begin();
    assert_int_equal(supervise(results, t, n, 2, &l, NULL, &e), CVY_STOPPED);
    interrupt_end();
    assert_int_equal(l.stopping, 1);
    assert_trial(&t[1], TRIAL_STOPPED, NULL);
    assert_trial(&t[2], TRIAL_STOPPED, NULL);
    assert_trial(&t[3], TRIAL_WAITING, NULL);
    assert_int_equal(t[4].run, 0);
    /* They go on where they were. */
    int64_t step = read_again(results, &t[1])->step;
    t[1].state = t[2].state = TRIAL_WAITING;
    log again = {0};
    assert_int_equal(supervise(results, t, n, 2, &again, NULL, &e), CVY_OK);
    assert_string_equal(text_str(&again.started), "slow slow good good ");
    assert_int_equal(read_again(results, &t[1])->attempt, 2);
    assert_true(read_again(results, &t[1])->step == 12 && step < 12);
    for (size_t i = 0; i < n; i++) assert_trial(&t[i], TRIAL_FINISHED, NULL);
    free_all(t, n);
    log_free(&l);
    log_free(&again);
    fake_cleanup();
}

static void test_second_interrupt(void **unused)
{
    (void)unused;
    TRIALS("stubborn", "stubborn", "good");
    l.interrupt_after = 2;
    l.interrupts = 2;
    interrupt_begin();
    double begin = process_now();
    assert_int_equal(supervise(results, t, n, 2, &l, NULL, &e), CVY_FORCED);
    assert_true(process_now() - begin < 5);
    interrupt_end();
    assert_trial(&t[0], TRIAL_KILLED, "signal 9");
    assert_trial(&t[2], TRIAL_WAITING, NULL);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

/* The children notice, save and leave; nothing is trained behind anybody's back. */
static void test_killed_supervisor(void **unused)
{
    (void)unused;
    TRIALS("slow", "stubborn");
    pid_t pid = fork();
    if (!pid) {
        supervise(results, t, n, 2, &l, NULL, &e);
        _exit(0);
    }
    char *dirs[] = {path_join(results, "r1"), path_join(results, "r2")};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 500 && !runs_held(dirs[i]); k++) process_pause(0.01);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 500 && runs_held(dirs[i]); k++) process_pause(0.01);
        follow *f = follow_open(dirs[i]);
        follow_read(f);
        assert_string_equal(follow_state_name(follow_state_of(f)), "stopped");
        follow_close(f);
        mem_free(dirs[i]);
    }
    free_all(t, n);
    fake_cleanup();
}

/* A database that cannot be written is worth one warning and costs no training. */
static void test_no_database(void **unused)
{
    (void)unused;
    TRIALS("good", "good", "slow");
    char *path = path_join(results, "convoy.db");
    assert_int_equal(mkdir(path, 0777), 0); /* in the way of a file */
    recorder *r = recorder_open(results);
    assert_int_equal(supervise(results, t, n, 1, &l, r, &e), CVY_OK);
    assert_int_equal(l.warnings, 1);
    for (size_t i = 0; i < n; i++) assert_trial(&t[i], TRIAL_FINISHED, NULL);
    recorder_close(r);
    free_all(t, n);
    log_free(&l);
    mem_free(path);
    fake_cleanup();
}

static void test_no_folder(void **unused)
{
    (void)unused;
    TRIALS("good", "good");
    assert_int_equal(supervise("/proc/nowhere", t, n, 1, &l, NULL, &e), CVY_ERR_RESOURCE);
    assert_true(errors_count(&e) > 0);
    assert_trial(&t[0], TRIAL_WAITING, NULL);
    assert_int_equal(t[0].run, 0);
    errors_free(&e);
    self[0] = '!'; /* no such program */
    assert_int_equal(supervise(results, t, n, 1, &l, NULL, &e), CVY_ERR_RESOURCE);
    self[0] = '/';
    assert_trial(&t[0], TRIAL_WAITING, NULL);
    errors_free(&e);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

/* What crashed is begun again, from its checkpoint; what failed by itself would fail again. */
static void test_retries(void **unused)
{
    (void)unused;
    TRIALS("once", "crash", "fail", "good");
    assert_int_equal(supervise_so(results, t, n, (supervise_options){.retries = 2, .pin = true}, &l, &e),
                     CVY_OK);
    assert_trial(&t[0], TRIAL_FINISHED, NULL);
    assert_int_equal(t[0].retries, 1);
    assert_true(t[0].cut);
    assert_trial(&t[1], TRIAL_KILLED, "signal 11");
    assert_int_equal(t[1].retries, 2);
    assert_int_equal(read_again(results, &t[1])->attempt, 3);
    assert_trial(&t[2], TRIAL_FAILED, "not finite");
    assert_int_equal(t[2].retries, 0);
    assert_false(t[3].cut);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

static void test_limits(void **unused)
{
    (void)unused;
    TRIALS("slow", "good");
    assert_int_equal(supervise_so(results, t, n, (supervise_options){.timeout = 0.4, .retries = 3}, &l, &e),
                     CVY_OK);
    assert_trial(&t[0], TRIAL_KILLED, "took more than 0.4 s (--timeout)");
    assert_int_equal(t[0].retries, 0);
    assert_true(t[0].cut);
    assert_string_equal(follow_state_name(follow_state_of(read_again(results, &t[0]))), "killed");
    t[0].state = TRIAL_WAITING; /* it left a checkpoint */
    int64_t step = read_again(results, &t[0])->step;
    assert_int_equal(supervise_so(results, t, n, (supervise_options){.memory_limit = 1 << 10}, &l, &e),
                     CVY_OK);
    assert_trial(&t[0], TRIAL_KILLED, "--memory-limit");
    assert_true(read_again(results, &t[0])->step >= step);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

static void test_fail_fast(void **unused)
{
    (void)unused;
    TRIALS("slow", "fail", "good", "good");
    assert_int_equal(supervise_so(results, t, n, (supervise_options){.fail_fast = true}, &l, &e),
                     CVY_ERR_SOME);
    assert_trial(&t[0], TRIAL_STOPPED, NULL);
    assert_trial(&t[1], TRIAL_FAILED, "not finite");
    assert_trial(&t[3], TRIAL_WAITING, NULL);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

/* One that does not leave when it is asked to is not waited for for ever. */
static void test_fail_fast_stubborn(void **unused)
{
    (void)unused;
    TRIALS("stubborn", "fail");
    assert_int_equal(
        supervise_so(results, t, n, (supervise_options){.fail_fast = true, .grace = 0.05}, &l, &e),
        CVY_ERR_SOME);
    assert_trial(&t[0], TRIAL_KILLED, "did not leave within 0.15 s");
    assert_trial(&t[1], TRIAL_FAILED, "not finite");
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

/* An agenda that lets each trial train one epoch, and then the second of them no further. */
static agenda_answer two_legs(agenda *g, agenda_task *task, cvy_status *status, errors *e)
{
    (void)e;
    *status = CVY_OK;
    for (size_t i = 0; i < g->n; i++) {
        trial *t = &g->trials[i];
        if (t->state == TRIAL_PAUSED && i == 1) {
            t->state = TRIAL_PRUNED;
            t->until = 1;
            *task = (agenda_task){.trial = t, .why = "after epoch 1"};
            return AGENDA_OVER;
        }
        if (t->state != TRIAL_WAITING && t->state != TRIAL_PAUSED) continue;
        *task = (agenda_task){.trial = t, .until = t->state == TRIAL_WAITING ? 1 : 0};
        g->running++;
        return AGENDA_RUN;
    }
    return g->running ? AGENDA_WAIT : AGENDA_DONE;
}

static void test_legs(void **unused)
{
    (void)unused;
    TRIALS("good", "good");
    trial_origin origin = {.results = results,
                           .source = "x.yaml",
                           .metric = space_default_metric,
                           .threads = 1,
                           .book = fake_book()};
    supervise_options o = {
        .program = self, .origin = &origin, .workers = 1, .threads = 1, .tell = tell, .ctx = &l};
    agenda g = {.trials = t, .n = n, .next = two_legs};
    assert_int_equal(supervise_agenda(&o, &g, &e), CVY_OK);
    assert_string_equal(text_str(&l.started), "good good "); /* going on is no start */
    assert_trial(&t[0], TRIAL_FINISHED, NULL);
    assert_int_equal(read_again(results, &t[0])->attempt, 2);
    assert_trial(&t[1], TRIAL_PRUNED, NULL);
    assert_int_equal(read_again(results, &t[1])->epoch, 1);
    assert_int_equal(read_again(results, &t[1])->attempt, 1);
    assert_string_equal(follow_state_name(follow_state_of(read_again(results, &t[1]))), "stopped early");
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

/* Ctrl-C while what comes next is being planned is one interrupt like any other. */
static agenda_answer interrupted_planning(agenda *g, agenda_task *task, cvy_status *status, errors *e)
{
    (void)e;
    *status = CVY_OK;
    trial *t = g->trials;
    if (t->state == TRIAL_WAITING) {
        *task = (agenda_task){.trial = t};
        g->running++;
        return AGENDA_RUN;
    }
    raise(SIGINT);
    *status = CVY_FORCED;
    return AGENDA_DONE;
}

static void test_interrupted_planning(void **unused)
{
    (void)unused;
    for (int beside = 0; beside < 2; beside++) { /* alone, and beside a trial that runs */
        TRIALS("slow", "good");
        trial_origin origin = {.results = results,
                               .source = "x.yaml",
                               .metric = space_default_metric,
                               .threads = 1,
                               .book = fake_book()};
        supervise_options o = {
            .program = self, .origin = &origin, .workers = 2, .threads = 1, .tell = tell, .ctx = &l};
        agenda g = {.trials = t, .n = n, .next = interrupted_planning};
        if (!beside) t[0].state = TRIAL_KNOWN;
        interrupt_begin();
        assert_int_equal(supervise_agenda(&o, &g, &e), CVY_STOPPED);
        interrupt_end();
        assert_int_equal(l.stopping, 1);
        if (beside) assert_trial(&t[0], TRIAL_STOPPED, NULL);
        free_all(t, n);
        log_free(&l);
        fake_cleanup();
    }
}

/* A trial is stopped early whose last attempt died before it had a journal. */
static agenda_answer over_without_journal(agenda *g, agenda_task *task, cvy_status *status, errors *e)
{
    *status = CVY_OK;
    trial *t = g->trials;
    if (t->state == TRIAL_WAITING) {
        *task = (agenda_task){.trial = t, .until = 1};
        g->running++;
        return AGENDA_RUN;
    }
    if (t->state != TRIAL_PAUSED) return g->running ? AGENDA_WAIT : AGENDA_DONE;
    char *path = mem_printf("%s/%s/events", (const char *)g->trials[1].why, trial_run_name(t).s);
    journal *events = journal_continue(path, e);
    record_start(events, 2, (int64_t)getpid(), e);
    record_exit(events, 2, 0, SIGKILL, 1, e);
    journal_close(events);
    mem_free(path);
    t->state = TRIAL_PRUNED;
    t->until = 1;
    *task = (agenda_task){.trial = t, .why = "after epoch 1"};
    return AGENDA_OVER;
}

static void test_over_without_journal(void **unused)
{
    (void)unused;
    TRIALS("good", "good");
    trial_origin origin = {.results = results,
                           .source = "x.yaml",
                           .metric = space_default_metric,
                           .threads = 1,
                           .book = fake_book()};
    supervise_options o = {
        .program = self, .origin = &origin, .workers = 1, .threads = 1, .tell = tell, .ctx = &l};
    agenda g = {.trials = t, .n = n, .next = over_without_journal};
    t[1].why = mem_text(results); /* for the agenda */
    assert_int_equal(supervise_agenda(&o, &g, &e), CVY_OK);
    const follow *f = read_again(results, &t[0]);
    assert_int_equal(f->started, 2);
    assert_int_equal(f->attempt, 1);
    assert_string_equal(follow_state_name(follow_state_of(f)), "stopped early");
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

/* A run of another sweep that this one wanted to go on with, and that somebody else was first to. */
static void test_run_taken(void **unused)
{
    (void)unused;
    TRIALS("good", "good");
    assert_int_equal(supervise(results, t, 1, 1, &l, NULL, &e), CVY_OK);
    assert_int_equal(t[0].run, 1);
    char *lock = path_join(results, "r1/lock");
    const int held = file_lock(lock, 0, &e);
    assert_true(held >= 0);
    trial_take_run(&t[1], results, "r1", &space_default_metric);
    t[1].resumed = t[1].borrowed = true;
    assert_int_equal(supervise(results, t, n, 1, &l, NULL, &e), CVY_OK);
    assert_trial(&t[1], TRIAL_FINISHED, NULL);
    assert_int_equal(t[1].run, 2);
    assert_false(t[1].resumed || t[1].borrowed);
    assert_int_equal(t[1].epoch, 3);
    file_unlock(held);
    mem_free(lock);
    free_all(t, n);
    log_free(&l);
    fake_cleanup();
}

static void test_defaults(void **unused)
{
    (void)unused;
    assert_int_equal(supervise_threads(0, 1, 8), 8);
    assert_int_equal(supervise_threads(0, 2, 8), 1);
    assert_int_equal(supervise_threads(0, 2, 1), 1);
    assert_int_equal(supervise_threads(3, 2, 8), 3);
    assert_int_equal(supervise_workers(0, 1, 8), 8);
    assert_int_equal(supervise_workers(0, 3, 8), 2);
    assert_int_equal(supervise_workers(0, 16, 8), 1);
    assert_int_equal(supervise_workers(5, 16, 8), 5);
    const int64_t gib = (int64_t)1 << 30;
    assert_int_equal(supervise_fitting(8, gib, 100 * gib), 8);
    assert_int_equal(supervise_fitting(8, gib, 4 * gib), 3);
    assert_int_equal(supervise_fitting(8, gib, gib / 2), 1);
    assert_int_equal(supervise_fitting(8, 0, gib), 8);
    assert_int_equal(supervise_fitting(8, gib, 0), 8);
    assert_int_equal(supervise_fitting(8, INT64_MAX, gib), 8);
}

int main(int argc, char **argv)
{
    fake_child(argc, argv);
    self = path_executable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_for_itself),
        cmocka_unit_test(test_server_dies),
        cmocka_unit_test(test_workers_change_nothing),
        cmocka_unit_test(test_only_waiting),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_second_interrupt),
        cmocka_unit_test(test_killed_supervisor),
        cmocka_unit_test(test_no_database),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_fail_fast),
        cmocka_unit_test(test_fail_fast_stubborn),
        cmocka_unit_test(test_legs),
        cmocka_unit_test(test_interrupted_planning),
        cmocka_unit_test(test_over_without_journal),
        cmocka_unit_test(test_run_taken),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(self);
    return failed;
}
