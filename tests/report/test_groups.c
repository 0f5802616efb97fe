/* Tests what words mean, which runs are repeats of each other, and that labels name only what differs. */
#include "report/difference.h"
#include "report/groups.h"
#include "store_bed.h"

static void make(int number, const char *experiment, const char *sweep, int trial, int seed,
                 const char *params)
{
    char name[16];
    snprintf(name, sizeof name, "r%d", number);
    made_run r = {.name = name,
                  .experiment = experiment,
                  .sweep = sweep,
                  .trial = trial,
                  .seed = seed,
                  .params = params};
    made_whole(results, &r, 2, 0.1 + 0.1 * trial);
}

static void tag(const char *owner, const char *word)
{
    char *dir = made_dir(results, owner);
    journal *events = made_events(dir);
    record_tag(events, word, NULL);
    journal_close(events);
    mem_free(dir);
}

static void finds(const char *word, bool one, const char *sweep, const char *names)
{
    query_target t;
    text found = {0};
    assert_int_equal(query_find(s, word, one, &a, &t, &e), CVY_OK);
    for (size_t i = 0; i < t.n; i++) text_printf(&found, "%s%s", i ? " " : "", t.runs[i].name);
    assert_string_equal(text_str(&found), names);
    assert_string_equal(t.sweep ? t.sweep : "", sweep);
    text_free(&found);
}

static void misses(const char *word, const char *what, const char *hint)
{
    query_target t;
    assert_int_equal(query_find(s, word, true, &a, &t, &e), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].what, what));
    if (!strstr(e.items[0].hint, hint)) fail_msg("hint: %s", e.items[0].hint);
    errors_free(&e);
}

static void words(void **state)
{
    (void)state;
    make(1, "vgg", NULL, 0, 1, NULL);
    make(2, "vgg", NULL, 0, 2, NULL);
    make(9, "resnet", NULL, 0, 1, NULL);
    made_sweep(results, "s2", 2);
    make(10, "optimizers", "s2", 0, 1, NULL);
    make(11, "optimizers", "s2", 1, 1, NULL);
    tag("r1", "baseline");
    tag("s2", "paper");
    open_store();
    finds("r1", true, "", "r1");
    finds("r11", false, "", "r11");
    finds("s2", true, "s2", "r10 r11");
    finds("vgg", true, "", "r2");
    finds("vgg", false, "", "r1 r2");
    finds("res", true, "", "r9");
    finds("baseline", false, "", "r1");
    finds("base", true, "", "r1");
    finds("paper", false, "s2", "r10 r11");
    finds("last", true, "", "r11");
    finds("last", false, "s2", "r10 r11");
    misses("r99", "no run \"r99\"", "the last run is r11");
    misses("s9", "no sweep \"s9\"", "the last run is r11");
    misses("resnt", "no run \"resnt\"", "did you mean resnet?");
    misses("", "no run \"\"", "the last run is r11");
    misses("a\033[31m", "no run \"a\\x1B[31m\"", "convoy ls");
    make(12, "resnext", NULL, 0, 1, NULL);
    store_close(s);
    open_store();
    misses("resn", "several names", "resnet, resnext");
    finds("resnet", true, "", "r9");
}

static void repeats(void **state)
{
    (void)state;
    static const char *const params[] = {
        ",\"train.optimizer.type\":\"sgd\",\"train.optimizer.lr\":\"0.1\"",
        ",\"train.optimizer.type\":\"adam\",\"train.optimizer.lr\":\"0.001\""};
    made_sweep(results, "s1", 6);
    for (int i = 0; i < 6; i++) make(i + 1, "o", "s1", i % 2, i / 2, params[i % 2]);
    open_store();
    query_target t;
    groups g;
    assert_int_equal(query_find(s, "s1", false, &a, &t, &e), CVY_OK);
    assert_int_equal(groups_make(s, t.runs, t.n, false, &a, &g, &e), CVY_OK);
    assert_int_equal(g.n, 2);
    assert_string_equal(g.items[0].label, "sgd, lr 0.1");
    assert_string_equal(g.items[1].label, "adam, lr 0.001");
    assert_int_equal(g.items[0].n, 3);
    assert_string_equal(g.items[1].runs[2]->name, "r6");
    groups_sort(&g);
    assert_string_equal(g.items[0].label, "adam, lr 0.001"); /* trial 1 learns faster */
    assert_int_equal(groups_make(s, t.runs, t.n, true, &a, &g, &e), CVY_OK);
    assert_int_equal(g.n, 6);
    assert_string_equal(g.items[0].label, "sgd, lr 0.1, seed 0");
    assert_int_equal(groups_make(s, t.runs, 1, true, &a, &g, &e), CVY_OK);
    assert_string_equal(g.items[0].label, "r1");
    assert_int_equal(groups_make(s, t.runs, 3, false, &a, &g, &e), CVY_OK);
    assert_string_equal(g.items[0].label, "3 runs");
    assert_int_equal(groups_make(s, t.runs, 0, false, &a, &g, &e), CVY_OK);
    assert_int_equal(g.n, 0);
    groups_sort(&g);
}

static void make_rate(int number, const char *sweep, int trial, int seed, const char *lr)
{
    char *params = mem_printf(",\"train.optimizer.lr\":\"%s\"", lr);
    make(number, "o", sweep, trial, seed, params);
    mem_free(params);
}

static void groups_are(const char *const *expected, size_t n)
{
    query_run *runs;
    size_t n_runs;
    groups g;
    store_close(s);
    open_store();
    assert_int_equal(query_runs(s, &a, &runs, &n_runs, &e), CVY_OK);
    assert_int_equal(groups_make(s, runs, n_runs, false, &a, &g, &e), CVY_OK);
    assert_int_equal(g.n, n);
    for (size_t i = 0; i < n; i++) {
        text names = {0};
        for (size_t k = 0; k < g.items[i].n; k++)
            text_printf(&names, "%s%s", k ? " " : "", g.items[i].runs[k]->name);
        assert_string_equal(text_str(&names), expected[i]);
        text_free(&names);
    }
}

/* The same configurations in two sweeps are repeats of each other, whatever their numbers there. */
static void of_two_sweeps(void **state)
{
    (void)state;
    static const char *const rates[2][5] = {{"0.1", "0.01", "0.3", "0.02", "0.2"},
                                            {"0.02", "0.3", "0.2", "0.1", "0.010"}};
    made_sweep(results, "s1", 5);
    made_sweep(results, "s2", 5);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 5; i++) make_rate(1 + 5 * k + i, k ? "s2" : "s1", i, k, rates[k][i]);
    groups_are((const char *[]){"r1 r9", "r2 r10", "r3 r7", "r4 r6", "r5 r8"}, 5);
    make_rate(11, NULL, 0, 2, "3e-1");
    groups_are((const char *[]){"r1 r9", "r2 r10", "r3 r7 r11", "r4 r6", "r5 r8"}, 5);
}

/* Two trials of one sweep are two configurations, also where their runs name the same parameters: the sweep has changed something
 * else. In the sweep made again they are the same two. */
static void trials_alike(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        made_sweep(results, k ? "s2" : "s1", 4);
        for (int i = 0; i < 4; i++) make_rate(1 + 4 * k + i, k ? "s2" : "s1", i / 2, 2 * k + i % 2, "0.1");
    }
    groups_are((const char *[]){"r1 r2 r5 r6", "r3 r4 r7 r8"}, 2);
}

/* "path=value path=value" to pairs, which must stand in order. */
static difference_config config(const char *model, const char *name, const char *pairs)
{
    difference_config c = {.model = model, .name = name};
    c.params.items = arena_array(&a, 16, sizeof *c.params.items);
    char *at = arena_text(&a, pairs);
    for (char *pair = strtok(at, " "); pair; pair = strtok(NULL, " ")) {
        char *equals = strchr(pair, '=');
        *equals = '\0';
        c.params.items[c.params.n++] = (query_pair){pair, equals + 1};
    }
    return c;
}

static void labels_are(const difference_config *configs, size_t n, bool seed, const char *const *expected)
{
    const char *labels[8];
    difference_labels(configs, n, seed, &a, labels);
    for (size_t i = 0; i < n; i++) assert_string_equal(labels[i], expected[i]);
}

static void labels(void **state)
{
    (void)state;
    /* What comes with an optimizer's type is not named, but for the learning rate. */
    difference_config optimizers[] = {
        config("m", "r1", "o.beta1=0.9 o.eps=1e-08 o.lr=0.001 o.type=adam"),
        config("m", "r2", "o.eps=1e-10 o.lr=0.01 o.type=adagrad"),
        config("m", "r3", "o.lr=0.1 o.momentum=0.9 o.nesterov=true o.type=sgd"),
    };
    labels_are(optimizers, 3, false, (const char *[]){"adam, lr 0.001", "adagrad, lr 0.01", "sgd, lr 0.1"});
    /* ... unless it differs by itself */
    difference_config momenta[] = {
        config("m", "r1", "o.lr=0.001 o.type=adam"),
        config("m", "r2", "o.lr=0.1 o.momentum=0 o.type=sgd"),
        config("m", "r3", "o.lr=0.1 o.momentum=0.9 o.type=sgd"),
    };
    labels_are(momenta, 3, false,
               (const char *[]){"adam, lr 0.001", "sgd, lr 0.1, momentum 0", "sgd, lr 0.1, momentum 0.9"});
    /* models: their layers follow from their names */
    difference_config models[] = {
        config("resnet20", "r1", "model.0.channels=16 model.1.depth=3 t.epochs=30"),
        config("vgg11", "r2", "model.0.channels=64 t.epochs=30"),
    };
    labels_are(models, 2, false, (const char *[]){"resnet20", "vgg11"});
    /* as many segments as it takes */
    difference_config widths[] = {
        config("m", "r1", "model.head.channels=8 model.stem.channels=16"),
        config("m", "r2", "model.head.channels=16 model.stem.channels=32"),
    };
    labels_are(widths, 2, false,
               (const char *[]){"head.channels 8, stem.channels 16", "head.channels 16, stem.channels 32"});
    /* seeds, and nothing at all */
    difference_config seeds[] = {config("m", "r1", "lr=1 seed=1"), config("m", "r2", "lr=1 seed=2")};
    labels_are(seeds, 2, true, (const char *[]){"seed 1", "seed 2"});
    labels_are(seeds, 2, false, (const char *[]){"r1", "r2"});
    difference_config same[] = {config("m", "r1", "lr=1"), config("m", "r2", "lr=1"),
                                config("m", "r3", "lr=2")};
    labels_are(same, 3, true, (const char *[]){"lr 1 (r1)", "lr 1 (r2)", "lr 2"});
    /* no more than four, and long values are cut */
    difference_config many[] = {config("m", "r1", "a=1 b=1 c=1 d=1 e=1 f=1"),
                                config("m", "r2", "a=2 b=2 c=2 d=2 e=2 f=2")};
    labels_are(many, 2, false, (const char *[]){"a 1, b 1, c 1, d 1", "a 2, b 2, c 2, d 2"});
    difference_config none[] = {config(NULL, "r1", ""), config(NULL, "r2", "")};
    labels_are(none, 2, false, (const char *[]){"r1", "r2"});
    difference_labels(none, 0, false, &a, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(words), BED_TEST(repeats), BED_TEST(of_two_sweeps), BED_TEST(trials_alike), BED_TEST(labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
