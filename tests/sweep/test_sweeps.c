/* The folder of a sweep: written, read back, matched with the runs that are there; stopping what another process does. */
#include "fake.h"

#include <signal.h>
#include <sys/wait.h>
#include "sweep/halt.h"
#include "sweep/interrupt.h"
#include "sweep/process.h"
#include "sweep/runs.h"
#include "sweep/supervise.h"
#include "sweep/sweeps.h"

static char *self;

static sweep *make(const char *results, const char *const *hashes, size_t n)
{
    static const char *const overrides[] = {"train.epochs=3"};
    errors e = {0};
    space s = {.method = "grid", .metric = space_default_metric};
    sweep *w = mem_alloc(sizeof *w);
    w->experiment = "fake";
    w->source = "x.yaml";
    w->overrides = overrides;
    w->n_overrides = 1;
    w->metric = (space_metric){"val_loss", false};
    w->configs = (int64_t)n;
    w->repeats = 1;
    w->threads = 2;
    w->lock = -1;
    w->n = n;
    w->trials = mem_array(n, sizeof *w->trials);
    w->book = fake_book();
    for (size_t i = 0; i < n; i++) {
        w->trials[i] = fake_labelled("good", hashes[i], hashes[i], i);
    }
    char hex[65];
    sweeps_hash(w->trials, n, &w->metric, NULL, hex);
    w->hash = arena_text(&w->memory, hex);
    if (sweeps_create(w, results, 4, &s, &e) != CVY_OK) fail_msg("%s", messages(&e));
    w->book = NULL; /* it is not this sweep's own */
    return w;
}

static char *hash_of(const sweep *w, size_t i)
{
    arena a = {0};
    char *hash = mem_text(json_get_text(trial_read_plan(&w->trials[i], w->book, &a), "config_hash", ""));
    arena_free(&a);
    return hash;
}

static void test_read_back(void **unused)
{
    (void)unused;
    static const char *const hashes[] = {"a", "b", "c"};
    errors e = {0};
    arena a = {0};
    char *results = fake_folder();
    sweep *w = make(results, hashes, 3);
    assert_string_equal(w->name, "s5");
    sweep *r = sweeps_open(results, "s5", &e);
    assert_non_null(r);
    assert_string_equal(r->experiment, "fake");
    assert_string_equal(r->metric.name, "val_loss");
    assert_false(r->metric.maximize);
    assert_int_equal(r->threads, 2);
    assert_int_equal(r->n, 3);
    assert_string_equal(r->overrides[0], "train.epochs=3");
    for (size_t i = 0; i < 3; i++) {
        char *hash = hash_of(r, i);
        const trial_words words = trial_read_words(&r->trials[i], r->book, &a);
        assert_string_equal(hash, hashes[i]);
        assert_true(plan_key_equal(&r->trials[i].key, &w->trials[i].key));
        assert_string_equal(trial_facts(&r->trials[i])->exact_key, "key");
        assert_string_equal(words.label, hashes[i]);
        assert_string_equal(words.overrides[0], "fake=good");
        mem_free(hash);
        assert_int_equal(r->trials[i].config, (int64_t)i);
        assert_int_equal(r->trials[i].state, TRIAL_WAITING);
    }
    assert_string_equal(sweeps_find(results, w->hash, &a), "s5");
    assert_null(sweeps_find(results, "other", &a));
    sweeps_close(r);
    sweeps_close(w);
    assert_null(sweeps_open(results, "s6", &e));
    assert_true(errors_count(&e) > 0);
    errors_free(&e);
    arena_free(&a);
    fake_cleanup();
}

static void test_damaged(void **unused)
{
    (void)unused;
    static const char *const hashes[] = {"a", "b"};
    static const char *const plans[] = {"",
                                        "{}\n",
                                        "x\ny\n",
                                        "{\"ok\":false,\"errors\":[]}\n{}\n",
                                        "{\"trial\":0,\"plan\":{\"ok\":true}}\n",
                                        "{\"trial\":0,\"plan\":null}"};
    char *results = fake_folder();
    sweep *w = make(results, hashes, 2);
    char *path = path_join(w->dir, "trials");
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        errors e = {0};
        assert_int_equal(file_replace(path, plans[i], strlen(plans[i]), &e), CVY_OK);
        assert_null(sweeps_open(results, w->name, &e));
        assert_true(errors_count(&e) > 0);
        errors_free(&e);
    }
    mem_free(path);
    sweeps_close(w);
    fake_cleanup();
}

static void tell_nothing(void *ctx, supervise_news what, const trial *t, errors *warnings)
{
    (void)ctx, (void)what, (void)t, (void)warnings;
}

static void train(const char *results, const char *sweep_name, trial *trials, size_t n)
{
    trial_origin origin = {.results = results,
                           .sweep = sweep_name,
                           .metric = space_default_metric,
                           .threads = 1,
                           .book = fake_book()};
    supervise_options o = {
        .program = self, .origin = &origin, .workers = 2, .threads = 1, .tell = tell_nothing};
    assert_int_equal(supervise_run(&o, trials, n, NULL), CVY_OK);
}

static void test_match(void **unused)
{
    (void)unused;
    static const char *const hashes[] = {"a", "b", "c", "d", "e"};
    errors e = {0};
    char *results = fake_folder();
    trial others[] = {fake_trial("good", "a"), fake_trial("fail", "b"), fake_trial("fail", "c")};
    train(results, NULL, others, 3); /* r1 finished, r2 and r3 not */
    sweep *w = make(results, hashes, 5);
    trial own[] = {fake_trial("fail", "c"), fake_trial("good", "d")};
    train(results, w->name, own, 2); /* r4, r5 */
    known_runs *k = known_open(results);
    sweep *r = sweeps_open(results, w->name, &e);
    sweeps_match(r, results, k);
    for (size_t i = 0; i < 5; i++) assert_int_equal(r->trials[i].borrowed, i < 2);
    assert_int_equal(r->trials[0].state, TRIAL_KNOWN);
    assert_string_equal(trial_run_name(&r->trials[0]).s, "r1");
    assert_true(r->trials[1].state == TRIAL_WAITING && r->trials[1].resumed);
    assert_string_equal(trial_run_name(&r->trials[1]).s, "r2");
    assert_string_equal(trial_run_name(&r->trials[2]).s, "r4"); /* its own before another's */
    assert_int_equal(r->trials[3].state, TRIAL_KNOWN);
    assert_string_equal(trial_run_name(&r->trials[3]).s, "r5");
    assert_true(r->trials[4].state == TRIAL_WAITING && !r->trials[4].run);
    sweeps_close(r);
    r = sweeps_open(results, w->name, &e);
    r->again = true; /* its runs are its own */
    sweeps_match(r, results, k);
    assert_int_equal(r->trials[0].run, 0);
    assert_int_equal(r->trials[1].run, 0);
    assert_string_equal(trial_run_name(&r->trials[2]).s, "r4");
    assert_int_equal(r->trials[3].state, TRIAL_KNOWN);
    /* An unfinished run of another key cannot go on. */
    sweeps_close(r);
    r = sweeps_open(results, w->name, &e);
    const book_facts elsewhere = {.experiment = "fake", .exact_key = "another machine"};
    r->trials[1].facts = &elsewhere;
    sweeps_match(r, results, k);
    assert_int_equal(r->trials[1].run, 0);
    sweeps_close(r);
    /* One of a sweep that somebody works on is trained there. */
    static const char *const also[] = {"c"};
    sweep *second = make(results, also, 1);
    sweeps_match(second, results, k);
    assert_string_equal(trial_run_name(&second->trials[0]).s, "r4");
    assert_true(second->trials[0].borrowed);
    sweep *third = sweeps_open(results, second->name, &e);
    assert_true(sweeps_begin(w, 0, &e));
    sweeps_match(third, results, k);
    assert_int_equal(third->trials[0].run, 0);
    sweeps_end(w, 0, 1, &e);
    sweeps_close(second);
    sweeps_close(third);
    known_close(k);
    sweeps_close(w);
    for (size_t i = 0; i < 3; i++) trial_free(&others[i]);
    for (size_t i = 0; i < 2; i++) trial_free(&own[i]);
    fake_cleanup();
}

static void test_one_supervisor(void **unused)
{
    (void)unused;
    static const char *const hashes[] = {"a"};
    errors e = {0};
    char *results = fake_folder();
    sweep *w = make(results, hashes, 1), *other = sweeps_open(results, w->name, &e);
    assert_true(sweeps_begin(w, 0, &e));
    assert_int_equal(w->attempt, 1);
    assert_false(sweeps_begin(other, 0, &e));
    assert_int_equal(e.n, 0);
    trial_take_run(&w->trials[0], results, "r1", &w->metric);
    assert_int_equal(sweeps_decide(w, &w->trials[0], "new", &e), CVY_OK);
    sweeps_end(w, 75, 1.5, &e);
    assert_true(sweeps_begin(other, 0, &e));
    assert_int_equal(other->attempt, 2);
    sweeps_end(other, 0, 1.5, &e);
    follow *f = follow_open(w->dir);
    follow_read(f);
    assert_int_equal(f->started, 2);
    assert_int_equal(f->exited, 2);
    follow_close(f);
    assert_true(halt_came_to_end(w->dir));
    assert_true(sweeps_begin(w, 0, &e));
    assert_false(halt_came_to_end(w->dir));
    sweeps_end(w, CVY_STOPPED, 1.5, &e);
    assert_false(halt_came_to_end(w->dir));
    sweeps_close(w);
    sweeps_close(other);
    fake_cleanup();
}

static void test_halt(void **unused)
{
    (void)unused;
    errors e = {0};
    halt_result how;
    char *results = fake_folder(), *dir = NULL, *run = path_join(results, "r1");
    trial t = fake_trial("slow", "a");
    pid_t pid = fork();
    if (!pid) {
        train(results, NULL, &t, 1);
        _exit(t.state == TRIAL_STOPPED ? 0 : 1);
    }
    for (int k = 0; k < 500 && !runs_held(run); k++) process_pause(0.01);
    assert_int_equal(halt_ask(results, "r1", &dir, &how, &e), CVY_OK);
    assert_int_equal(how, HALT_ASKED);
    assert_true(halt_wait(dir));
    assert_false(halt_came_to_end(dir));
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    mem_free(dir);
    assert_int_equal(halt_ask(results, "r1", &dir, &how, &e), CVY_OK);
    assert_int_equal(how, HALT_IDLE);
    mem_free(dir);
    /* The number in the events belongs to somebody else by now: nobody is asked. */
    char *lock = path_join(run, "lock");
    int held = file_lock(lock, 0, &e);
    assert_int_equal(halt_ask(results, "r1", &dir, &how, &e), CVY_ERR_RESOURCE);
    file_unlock(held);
    errors_free(&e);
    mem_free(lock);
    mem_free(dir);
    mem_free(run);
    trial_free(&t);
    fake_cleanup();
}

int main(int argc, char **argv)
{
    fake_child(argc, argv);
    self = path_executable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),      cmocka_unit_test(test_damaged), cmocka_unit_test(test_match),
        cmocka_unit_test(test_one_supervisor), cmocka_unit_test(test_halt),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(self);
    return failed;
}
