/* Tests the look at a results folder: what it lists and leaves out, and that whoever asked before it was through is told to ask
 * again when there was anything new, and only then. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "report/look.h"
#include "report/query.h"
#include "runs.h"

static char results[64];
static errors e;

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-look-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    errors_free(&e);
    return file_remove_tree(results, NULL) != CVY_OK;
}

static void whole(int64_t number)
{
    char name[24];
    snprintf(name, sizeof name, "r%lld", (long long)number);
    const made_run r = {.name = name, .experiment = "look", .seed = (int)number};
    made_whole(results, &r, 1, 0.1);
}

static void tag(const char *run, const char *word)
{
    char *dir = path_join(results, run);
    journal *events = made_events(dir);
    record_tag(events, word, NULL);
    journal_close(events);
    mem_free(dir);
}

static void follow(void)
{
    store *s = store_open(results, &e);
    assert_non_null(s);
    assert_int_equal(store_ingest_all(s, &e), CVY_OK);
    store_close(s);
}

static size_t runs_in(store *s)
{
    arena a = {0};
    query_run *runs;
    size_t n;
    assert_int_equal(query_runs(s, &a, &runs, &n, &e), CVY_OK);
    arena_free(&a);
    return n;
}

static listing looked(void)
{
    char *path = path_join(results, "convoy.db");
    listing l = look_end(look_begin(results, path));
    mem_free(path);
    return l;
}

static void lists_in_order(void **state)
{
    (void)state;
    static const char *const folders[] = {"s2", "r10", "r9", "s1", "r100", "r0", "r01", "x1", "r1x"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) mem_free(made_dir(results, folders[i]));
    listing l = listing_make(results);
    static const char *const expected[] = {"r9", "r10", "r100", "s1", "s2"};
    assert_int_equal(l.n, 5);
    for (size_t i = 0; i < l.n; i++) assert_string_equal(l.names[i], expected[i]);
    assert_false(l.evaluations);
    listing_free(&l);
    made_file(results, STORE_EVALUATIONS, "");
    l = listing_make(results);
    assert_true(l.evaluations);
    listing_free(&l);
    l = listing_make("/nonexistent/results");
    assert_int_equal(l.n, 0);
    listing_free(&l);
}

/* More runs than one thread looks at. */
static void leaves_out_what_is_over(void **state)
{
    (void)state;
    enum { RUNS = 600 };
    for (int i = 1; i <= RUNS; i++) whole(i);
    listing l = looked(); /* no database yet */
    assert_int_equal(l.n, RUNS);
    listing_free(&l);
    follow();
    l = looked();
    assert_int_equal(l.n, 0);
    listing_free(&l);
    tag("r7", "seen");
    tag("r600", "seen");
    whole(RUNS + 1);
    l = looked();
    assert_int_equal(l.n, 3);
    assert_string_equal(l.names[0], "r7");
    assert_string_equal(l.names[1], "r600");
    assert_string_equal(l.names[2], "r601");
    listing_free(&l);
}

static void asked_again_for_news_only(void **state)
{
    (void)state;
    whole(1);
    follow();
    store *s = store_open_early(results, &e);
    assert_int_equal(runs_in(s), 1);
    assert_false(store_catch_up(s, &e));
    store_close(s);

    whole(2);
    s = store_open_early(results, &e);
    assert_int_equal(runs_in(s), 1);
    assert_true(store_catch_up(s, &e));
    assert_int_equal(runs_in(s), 2);
    assert_false(store_catch_up(s, &e)); /* once is enough */
    store_close(s);

    /* What another process takes in meanwhile is news too. */
    s = store_open_early(results, &e);
    assert_int_equal(runs_in(s), 2);
    whole(3);
    follow();
    assert_true(store_catch_up(s, &e));
    assert_int_equal(runs_in(s), 3);
    store_close(s);

    /* Nobody has to wait for what it finds. */
    whole(4);
    s = store_open_early(results, &e);
    store_close(s);
    s = store_open_current(results, &e);
    assert_int_equal(runs_in(s), 4);
    store_close(s);
    assert_int_equal(errors_count(&e), 0);
}

/* Without a database, or with another one in its place by then, the first answer is whole or is asked for again. */
static void another_database(void **state)
{
    (void)state;
    whole(1);
    store *s = store_open_early(results, &e);
    assert_int_equal(runs_in(s), 1);
    assert_false(store_catch_up(s, &e));
    store_close(s);

    follow();
    s = store_open_early(results, &e);
    assert_int_equal(runs_in(s), 1);
    char *path = path_join(results, "convoy.db");
    assert_int_equal(unlink(path), 0);
    mem_free(path);
    assert_true(store_catch_up(s, &e));
    assert_int_equal(runs_in(s), 1);
    store_close(s);
    assert_int_equal(errors_count(&e), 0);
}

/* Whoever only reads cannot write, neither before the look is through nor behind it. */
static void writes_nothing(void **state)
{
    (void)state;
    whole(1);
    follow();
    store *s = store_open_early(results, &e);
    for (int i = 0; i < 2; i++) {
        errors refused = {0};
        assert_int_not_equal(store_forget(s, "r1", &refused), CVY_OK);
        errors_free(&refused);
        assert_int_equal(runs_in(s), 1);
        store_catch_up(s, &e);
    }
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_out_what_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(asked_again_for_news_only, setup, teardown),
        cmocka_unit_test_setup_teardown(another_database, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
