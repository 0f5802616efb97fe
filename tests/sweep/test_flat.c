/* What a supervisor keeps of a trial: a small record while it waits and when it is over, however much its journals said. Bytes of
 * the heap in use are counted, where the C library counts them. */
#include "fake.h"

#include <features.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include "sweep/runs.h"
#include "sweep/supervise.h"
#include "sweep/sweeps.h"

enum { BYTES = 200, RECORD = 200 }; /* of growth for a trial; of its record */

static char *self;

/* 0: nobody counts, as under a sanitizer with an allocator of its own. */
static size_t in_use(void)
{
#if defined __GLIBC__ && __GLIBC_PREREQ(2, 33)
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
#else
    return 0;
#endif
}

static void assert_flat(const char *what, size_t before, size_t after, size_t trials)
{
    const size_t more = after > before ? after - before : 0;
    if (!before) return;
    print_message("%s: %zu bytes for each of %zu trials\n", what, more / trials, trials);
    if (more / trials > BYTES) fail_msg("%s: %zu bytes for a trial", what, more / trials);
}

typedef struct watch {
    size_t ended, first, last; /* in use when trial FIRST and trial LAST ended */
} watch;

enum { FIRST = 8, LAST = 40 };

static void tell(void *ctx, supervise_news what, const trial *t, errors *warnings)
{
    watch *w = ctx;
    (void)warnings;
    if (what != SUPERVISE_ENDED) return;
    assert_int_equal(t->state, TRIAL_FINISHED);
    w->ended++;
    if (w->ended == FIRST) w->first = in_use();
    if (w->ended == LAST) w->last = in_use();
}

static void test_ended(void **unused)
{
    (void)unused;
    char *results = fake_folder();
    errors e = {0};
    watch w = {0};
    trial t[LAST];
    for (size_t i = 0; i < LAST; i++) {
        char hash[16];
        snprintf(hash, sizeof hash, "hash%zu", i);
        t[i] = fake_labelled("good", hash, "a label that is as long as those of many parameters are", i);
    }
    trial_origin origin = {.results = results,
                           .source = "x.yaml",
                           .metric = space_default_metric,
                           .threads = 1,
                           .book = fake_book()};
    supervise_options o = {
        .program = self, .origin = &origin, .workers = 1, .threads = 1, .tell = tell, .ctx = &w};
    assert_int_equal(supervise_run(&o, t, LAST, &e), CVY_OK);
    assert_int_equal(w.ended, LAST);
    assert_flat("ended", w.first, w.last, LAST - FIRST);
    for (size_t i = 0; i < LAST; i++) {
        assert_true(trial_value(&t[i]) == 0.9);
        assert_null(t[i].journals);
        trial_free(&t[i]);
    }
    fake_cleanup();
}

/* A sweep read back, of which nothing has begun. */
static void test_waiting(void **unused)
{
    (void)unused;
    enum { N = 2000 };
    char *results = fake_folder();
    errors e = {0};
    space s = {.method = "grid", .metric = space_default_metric};
    sweep w = {.experiment = "fake",
               .source = "x.yaml",
               .hash = "hash",
               .metric = space_default_metric,
               .configs = N,
               .repeats = 1,
               .threads = 1,
               .lock = -1,
               .n = N,
               .book = fake_book()};
    w.trials = mem_array(N, sizeof *w.trials);
    for (size_t i = 0; i < N; i++) {
        char hash[16];
        snprintf(hash, sizeof hash, "hash%zu", i);
        w.trials[i] = fake_labelled("good", hash, hash, i);
    }
    assert_int_equal(sweeps_create(&w, results, 0, &s, &e), CVY_OK);
    const size_t before = in_use();
    sweep *r = sweeps_open(results, w.name, &e);
    const size_t after = in_use();
    if (!r) fail_msg("%s", messages(&e));
    assert_int_equal(r->n, N);
    assert_flat("waiting", before, after, N);
    sweeps_close(r);
    mem_free(w.trials);
    mem_free(w.name);
    mem_free(w.dir);
    fake_cleanup();
}

static void test_record(void **unused)
{
    (void)unused;
    assert_true(sizeof(trial) <= RECORD);
}

int main(int argc, char **argv)
{
    fake_child(argc, argv);
    self = path_executable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_ended),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(self);
    return failed;
}
