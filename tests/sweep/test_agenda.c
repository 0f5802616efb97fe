/* The agenda of a sweep, with children that only pretend: which trials are begun, how far they come, and that neither the number of
 * workers nor a supervisor that goes and comes back changes any of it. */
#include "fake.h"

#include <signal.h>
#include "sweep/agenda.h"
#include "sweep/interrupt.h"
#include "sweep/members.h"
#include "sweep/search.h"
#include "sweep/supervise.h"

static char *self;

static const char *const nowhere[] = {NULL};

static char *write_file(const char *dir, const char *sweep_text)
{
    char *path = path_join(dir, "x.yaml");
    char *whole = mem_printf("experiment: fake\nmodel: [x]\nseed: 3\nrepeats: 2\n"
                             "train: {epochs: 3, optimizer: {type: sgd, lr: 1}}\nsweep:\n%s",
                             sweep_text);
    assert_int_equal(file_replace(path, whole, strlen(whole), NULL), CVY_OK);
    mem_free(whole);
    return path;
}

/* A sweep as `convoy sweep` makes it: what can be chosen at once is planned. */
static sweep *make(const char *results, const char *path)
{
    errors e = {0};
    sweep *w = mem_alloc(sizeof *w);
    w->lock = -1;
    w->file = mem_text(path);
    w->base_dir = results;
    w->experiment = "fake";
    w->source = path;
    w->hash = "hash";
    w->threads = 1;
    w->repeats = 2;
    w->read = true;
    w->x = experiment_read(path, NULL, 0, nowhere, &e);
    if (!w->x) fail_msg("%s", messages(&e));
    if (space_read(w->x, NULL, 0, &w->memory, &w->space, &e) != CVY_OK) fail_msg("%s", messages(&e));
    w->metric = w->space.metric;
    size_t configs;
    assert_int_equal(search_count(&w->space, 2, NULL, &configs, &e), CVY_OK);
    w->configs = (int64_t)configs;
    w->per = (int64_t)members_count(w->x);
    w->n = configs * (size_t)w->per;
    w->trials = mem_array(w->n, sizeof *w->trials);
    w->book = book_new();
    planning_options o = {.program = self, .file = path};
    for (size_t i = 0; i < configs; i++) {
        trial *first = &w->trials[i * (size_t)w->per];
        double point[4];
        first[0] = first[1] = (trial){.config = (int32_t)i, .seed = -1, .state = TRIAL_OPEN};
        first[1].repeat = 1;
        if (search_find(w->space.method)->adaptive && search_visible(&w->space, i) > 0) continue;
        assert_true(search_propose(&w->space, 3, NULL, 0, i, point, &e));
        first[0].state = first[1].state = TRIAL_WAITING;
        trial_words words[2];
        members_make(w->x, (int64_t)i, first);
        members_words(w->x, &w->space, point, NULL, 0, &w->memory, words);
        for (size_t k = 0; k < 2; k++) {
            plan p;
            planning_request r = {words[k].overrides, words[k].n_overrides, first[k].seed};
            assert_int_equal(planning_run(&o, &r, 1, &p, &e), CVY_OK);
            assert_non_null(p.line);
            assert_int_equal(trial_plan(&first[k], &words[k], &p, w->book, &e), CVY_OK);
            plan_free(&p);
        }
    }
    if (sweeps_create(w, results, 0, &w->space, &e) != CVY_OK) fail_msg("%s", messages(&e));
    errors_free(&e);
    return w;
}

typedef struct log {
    int starts_left; /* until SIGINT; 0: never */
} log;

static void tell(void *ctx, supervise_news what, const trial *t, errors *warnings)
{
    log *l = ctx;
    (void)t, (void)warnings;
    if ((what == SUPERVISE_STARTED || what == SUPERVISE_CONTINUES) && l->starts_left && --l->starts_left == 0)
        raise(SIGINT);
}

static cvy_status work(sweep *w, const char *results, int64_t workers, int starts)
{
    errors e = {0};
    log l = {starts};
    assert_true(sweeps_begin(w, 0, &e));
    assert_int_equal(sweeps_read_space(w, nowhere, &e), CVY_OK);
    agenda_options ao = {.results = results,
                         .planning = {.program = self, .file = w->file, .base = w->base_dir},
                         .known = known_open(results)};
    sweeps_match(w, results, ao.known);
    agenda *g = agenda_sweep(w, &ao);
    trial_origin origin = {.results = results,
                           .source = "x.yaml",
                           .sweep = w->name,
                           .metric = w->metric,
                           .threads = 1,
                           .book = w->book};
    supervise_options o = {.program = self,
                           .origin = &origin,
                           .workers = workers,
                           .threads = 1,
                           .sweep_dir = w->dir,
                           .tell = tell,
                           .ctx = &l};
    interrupt_begin();
    cvy_status status = supervise_agenda(&o, g, &e);
    interrupt_end();
    agenda_free(g);
    known_close(ao.known);
    sweeps_end(w, (int)status, 1, &e);
    if (errors_count(&e)) fail_msg("%s", messages(&e));
    errors_free(&e);
    return status;
}

/* "0.0 lr=0.03 stopped early 1; ..." */
static char *came_to(const sweep *w)
{
    text t = {0};
    for (size_t i = 0; i < w->n; i++) {
        const trial *one = &w->trials[i];
        arena a = {0};
        text_printf(&t, "%d.%d %s %s %d;\n", (int)one->config, (int)one->repeat,
                    trial_read_words(one, w->book, &a).label,
                    one->state == TRIAL_KNOWN ? "finished" : trial_state_name(one->state), (int)one->epoch);
        arena_free(&a);
    }
    return text_take(&t);
}

static char *undisturbed(const char *text_of, int64_t workers)
{
    char *results = fake_folder(), *path = write_file(results, text_of);
    sweep *w = make(results, path);
    assert_int_equal(work(w, results, workers, 0), CVY_OK);
    char *all = came_to(w);
    sweeps_close(w);
    mem_free(path);
    return all;
}

static void same_everywhere(const char *text_of, const char *must_say)
{
    char *first = undisturbed(text_of, 1), *other = undisturbed(text_of, 4);
    assert_string_equal(first, other);
    if (!strstr(first, must_say)) fail_msg("no \"%s\" in\n%s", must_say, first);
    mem_free(other);
    /* Stopped again and again, and read back from its folder each time. */
    char *results = fake_folder(), *path = write_file(results, text_of), *name = NULL;
    sweep *w = make(results, path);
    cvy_status status = work(w, results, 2, 3);
    name = mem_text(w->name);
    assert_int_equal(file_remove_tree(path, NULL), CVY_OK);
    for (int times = 0; status == CVY_STOPPED && times < 60; times++) {
        errors e = {0};
        sweeps_close(w);
        w = sweeps_open(results, name, &e);
        if (!w) fail_msg("%s", messages(&e));
        errors_free(&e);
        status = work(w, results, 1 + times % 3, 3);
    }
    assert_int_equal(status, CVY_OK);
    other = came_to(w);
    assert_string_equal(first, other);
    sweeps_close(w);
    mem_free(first);
    mem_free(other);
    mem_free(name);
    mem_free(path);
    fake_cleanup();
}

#define LR "  parameters: {train.optimizer.lr: {distribution: log_uniform_values, min: 1e-3, max: 10}}\n"

static void test_halving(void **unused)
{
    (void)unused;
    same_everywhere(
        "  method: random\n  run_cap: 8\n  early_terminate: {type: halving, min_iter: 1, eta: 2}\n" LR,
        "stopped early 1");
}

static void test_search(void **unused)
{
    (void)unused;
    same_everywhere("  method: tpe\n  run_cap: 7\n  parallelism: 2\n"
                    "  early_terminate: {type: median, startup: 2, warmup: 0}\n" LR,
                    "stopped early");
}

static void test_target(void **unused)
{
    (void)unused;
    same_everywhere("  method: random\n  run_cap: 8\n  parallelism: 2\n"
                    "  metric: {name: val_accuracy, goal: maximize, target: 1e-6}\n" LR,
                    "open 0");
}

/* Never reached, it lets four be under way, and the rung of a bracket of eight waits for more: those that are there are
 * compared with each other, and nobody is let through unasked. */
static void test_locked(void **unused)
{
    (void)unused;
    same_everywhere(
        "  method: random\n  run_cap: 8\n  parallelism: 4\n"
        "  metric: {name: val_accuracy, goal: maximize, target: 2}\n"
        "  early_terminate: {type: halving, min_iter: 1, eta: 2}\n" LR,
        "2.0 lr=0.7426 stopped early 2;"); /* behind another that was yet to be asked at the first rung */
}

/* One that fails behind a rung has passed it: nobody takes its place there, whether asked before or after. */
static void test_failure_behind_rung(void **unused)
{
    (void)unused;
    setenv("FAKE_FAILS", "0.1", 1);
    for (int i = 0; i < 2; i++)
        same_everywhere(i ? "  method: grid\n  early_terminate: {type: halving, min_iter: 1, eta: 2}\n"
                            "  parameters: {train.optimizer.lr: {values: [0.1, 0.09, 0.08, 0.07]}}\n"
                          : "  method: grid\n  parallelism: 1\n"
                            "  early_terminate: {type: hyperband, min_iter: 1, eta: 3, strict: true}\n"
                            "  parameters: {train.optimizer.lr: {values: [0.1, 0.09, 0.08, 0.07]}}\n",
                        i ? "2.0 lr=0.08 stopped early 1;" : "1.0 lr=0.09 stopped early 1;");
    unsetenv("FAKE_FAILS");
}

/* Values that come to the same are trained once, wherever they stand. */
static void test_twins(void **unused)
{
    (void)unused;
    char *results = fake_folder();
    char *path = write_file(results, "  method: tpe\n  run_cap: 6\n  parallelism: 2\n"
                                     "  parameters: {train.optimizer.lr: {values: [0.1, 0.2]}}\n");
    sweep *w = make(results, path);
    assert_int_equal(work(w, results, 2, 0), CVY_OK);
    size_t runs = 0;
    for (size_t i = 0; i < w->n; i++) {
        assert_true(trial_is_done(&w->trials[i]));
        bool first = true;
        for (size_t k = 0; k < i; k++) first = first && w->trials[k].run != w->trials[i].run;
        runs += first;
    }
    assert_in_range(runs, 2, 4);
    sweeps_close(w);
    mem_free(path);
    fake_cleanup();
}

int main(int argc, char **argv)
{
    fake_child(argc, argv);
    self = path_executable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halving),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_locked),
        cmocka_unit_test(test_failure_behind_rung),
        cmocka_unit_test(test_twins),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(self);
    return failed;
}
