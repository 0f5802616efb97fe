/* Names of runs under concurrency, descriptions, finding, the index of known configurations. */
#include "fake.h"

#include <sys/wait.h>
#include <time.h>
#include "sweep/known.h"
#include "sweep/runs.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_file(const char *dir, const char *name, const char *s)
{
    char *path = path_join(dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(s, f);
    fclose(f);
    mem_free(path);
}

static void make_run(const char *results, int64_t number, const char *name, const char *sweep,
                     const char *hash, double created)
{
    char *dir = mem_printf("%s/%c%lld", results, hash ? 'r' : 's', (long long)number);
    mkdir(dir, 0777);
    char *quoted = sweep ? mem_printf("\"%s\"", sweep) : mem_text("null");
    char *s = mem_printf(
        "{\"experiment\":\"%s\",\"sweep\":%s,\"config_hash\":\"%s\",\"exact_key\":\"k\",\"created\":%.1f,"
        "\"epochs\":3,\"trial\":-1}",
        name, quoted, hash ? hash : "", created);
    write_file(dir, hash ? "run.json" : "sweep.json", s);
    mem_free(s);
    mem_free(quoted);
    mem_free(dir);
}

static void test_numbers(void **unused)
{
    (void)unused;
    assert_int_equal(runs_number("r12", 'r'), 12);
    assert_int_equal(runs_number("s12", 'r'), 0);
    assert_int_equal(runs_number("r012", 'r'), 0);
    assert_int_equal(runs_number("r0", 'r'), 0);
    assert_int_equal(runs_number("r", 'r'), 0);
    assert_int_equal(runs_number("r1x", 'r'), 0);
    assert_int_equal(runs_number("r99999999999999999999", 'r'), 0);
}

/* Makes an empty run or sweep and says what it is called; 0 when it cannot. */
static int64_t make(const char *results, char kind, int64_t least, errors *e)
{
    runs_draft d = {0};
    int64_t number = 0;
    if (runs_begin(results, kind, least, &d, e) == CVY_OK && runs_publish(&d, e) == CVY_OK)
        number = runs_number(d.name, kind);
    runs_drop(&d);
    return number;
}

static void test_make(void **unused)
{
    (void)unused;
    errors e = {0};
    char *dir = fake_folder(), *results = path_join(dir, "deep/results");
    assert_int_equal(make(results, 'r', 0, &e), 1);
    assert_int_equal(make(results, 'r', 7, &e),
                     8); /* numbers of rows whose folders have gone are not used again */
    assert_int_equal(make(results, 'r', 0, &e), 9);
    assert_int_equal(make(results, 's', 0, &e), 1);
    assert_int_equal(make("/proc/nowhere", 'r', 0, &e), 0);
    assert_int_equal(errors_count(&e), 1);
    errors_free(&e);
    size_t n;
    mem_free(runs_numbers(results, 'r', &n)); /* without description they are no runs */
    assert_int_equal(n, 0);
    mem_free(results);
    fake_cleanup();
}

/* A process that dies while it makes a run leaves no trace: the next gets the same number and an empty folder. */
static void test_make_and_die(void **unused)
{
    (void)unused;
    errors e = {0};
    char *results = fake_folder();
    pid_t child = fork();
    if (child == 0) {
        runs_draft d = {0};
        if (runs_begin(results, 'r', 0, &d, NULL) != CVY_OK) _exit(1);
        char *half = path_join(d.dir, "run.json");
        if (file_replace(half, "{", 1, NULL) != CVY_OK) _exit(2);
        _exit(0); /* as kill -9 would */
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(make(results, 'r', 0, &e), 1);
    char *half = path_join(results, "r1/run.json");
    assert_false(file_exists(half));
    mem_free(half);
    /* One that was given up leaves nothing either. */
    runs_draft d = {0};
    assert_int_equal(runs_begin(results, 'r', 0, &d, &e), CVY_OK);
    assert_string_equal(d.name, "r2");
    char *draft = mem_text(d.dir);
    runs_drop(&d);
    assert_false(file_exists(draft));
    mem_free(draft);
    assert_int_equal(make(results, 'r', 0, &e), 2);
    assert_int_equal(errors_count(&e), 0);
    fake_cleanup();
}

static void test_make_at_once(void **unused)
{
    (void)unused;
    enum { PROCESSES = 8, EACH = 40 };
    char *results = fake_folder();
    pid_t pids[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        if ((pids[p] = fork()) != 0) continue;
        for (int i = 0; i < EACH; i++) {
            int64_t number = make(results, 'r', 0, NULL);
            if (!number) _exit(1);
            char *mark = mem_printf("%s/r%lld/taken", results, (long long)number);
            FILE *f = fopen(mark, "wx"); /* fails when another has the same name */
            if (!f) _exit(2);
            fclose(f);
        }
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        waitpid(pids[p], &status, 0);
        assert_int_equal(status, 0);
    }
    for (int i = 1; i <= PROCESSES * EACH; i++) {
        char *mark = mem_printf("%s/r%d/taken", results, i);
        assert_true(file_exists(mark));
        mem_free(mark);
    }
    fake_cleanup();
}

static const char *find(const char *results, const char *word, arena *a)
{
    const char *name = NULL;
    runs_find(results, word, a, &name, NULL);
    return name ? name : "(none)";
}

static void test_find(void **unused)
{
    (void)unused;
    arena a = {0};
    errors e = {0};
    char *results = fake_folder();
    const char *name;
    assert_int_equal(runs_find(results, "last", &a, &name, &e), CVY_ERR_CONFIG);
    make_run(results, 1, "alpha-one", NULL, "h1", 10);
    make_run(results, 2, "alpha-two", NULL, "h2", 20);
    make_run(results, 3, "beta", "s1", "h3", 40);
    make_run(results, 1, "beta", NULL, NULL, 30);
    make_run(results, 10, "alpha-one", NULL, "h1", 35);
    assert_string_equal(find(results, "r2", &a), "r2");
    assert_string_equal(find(results, "s1", &a), "s1");
    assert_string_equal(find(results, "r4", &a), "(none)");
    assert_string_equal(find(results, "last", &a), "r10");
    assert_string_equal(find(results, "alpha-one", &a), "r10");
    assert_string_equal(find(results, "alpha-t", &a), "r2");
    assert_string_equal(find(results, "bet", &a), "s1");
    assert_string_equal(find(results, "", &a), "(none)");
    errors_free(&e);
    assert_int_equal(runs_find(results, "alpha", &a, &name, &e), CVY_ERR_CONFIG);
    char *got = messages(&e);
    assert_non_null(strstr(got, "begins 2 experiments"));
    mem_free(got);
    errors_free(&e);
    assert_int_equal(runs_find(results, "alpa-one", &a, &name, &e), CVY_ERR_CONFIG);
    got = messages(&e);
    assert_non_null(strstr(got, "did you mean `alpha-one`?"));
    mem_free(got);
    errors_free(&e);
    make_run(results, 11, "beta", "s1", "h3", 50);
    assert_string_equal(find(results, "last", &a), "s1"); /* the run belongs to it */
    arena_free(&a);
    fake_cleanup();
}

static void test_foreign_descriptions(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        "", "{", "[]", "null", "{\"metric\":3,\"dataset\":[],\"epochs\":\"x\"}", "\xff\xfe"};
    arena a = {0};
    run_info r;
    char *results = fake_folder(), *dir = path_join(results, "r1");
    mkdir(dir, 0777);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        errors e = {0};
        write_file(dir, "run.json", texts[i]);
        cvy_status status = runs_read(results, "r1", &a, &r, &e);
        assert_int_equal(status == CVY_OK, errors_count(&e) == 0);
        errors_free(&e);
        known_close(known_open(results));
    }
    mem_free(dir);
    arena_free(&a);
    fake_cleanup();
}

static bool find_run(known_runs *k, const char *config_hash, const char *sweep, known_run *out)
{
    const plan_key key = plan_key_of(config_hash);
    return known_find(k, &key, sweep, out);
}

static void test_known(void **unused)
{
    (void)unused;
    known_run r;
    char *results = fake_folder();
    make_run(results, 1, "a", NULL, "h1", 1);
    make_run(results, 2, "a", NULL, "h1", 2);
    make_run(results, 3, "a", "s1", "h1", 3);
    make_run(results, 4, "a", NULL, "h2", 4);
    known_runs *k = known_open(results);
    assert_true(find_run(k, "h1", NULL, &r));
    assert_string_equal(r.name, "r3"); /* none is finished: the newest */
    assert_int_equal(r.state, FOLLOW_PLANNED);
    assert_true(find_run(k, "h1", "s1", &r));
    assert_false(find_run(k, "h2", "s1", &r));
    assert_false(find_run(k, "h3", NULL, &r));
    assert_false(find_run(k, "", NULL, &r));
    known_close(k);
    fake_cleanup();
}

static void test_known_is_quick(void **unused)
{
    (void)unused;
    enum { RUNS = 2000 };
    char *results = fake_folder();
    for (int i = 1; i <= RUNS; i++) {
        char hash[24];
        snprintf(hash, sizeof hash, "hash%d", i);
        make_run(results, i, "many", NULL, hash, i);
    }
    double begin = now();
    known_runs *k = known_open(results);
    for (int i = 1; i <= RUNS; i++) {
        char hash[24];
        known_run r;
        snprintf(hash, sizeof hash, "hash%d", i);
        assert_true(find_run(k, hash, NULL, &r));
    }
    known_close(k);
    double seconds = now() - begin;
    print_message("%d runs known in %.3f s\n", RUNS, seconds);
    assert_true(seconds < 5);
    fake_cleanup();
}

int main(int argc, char **argv)
{
    fake_child(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_make_and_die),
        cmocka_unit_test(test_make_at_once),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_foreign_descriptions),
        cmocka_unit_test(test_known_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
