/* Tests that charts come out as pictures, whatever the runs and their names are. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "report/charts.h"
#include "report/gnuplot.h"
#include "runs.h"

static char results[64], prefix[96];
static store *s;
static arena a;
static errors e;

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-charts-XXXXXX");
    if (!mkdtemp(results)) return 1;
    snprintf(prefix, sizeof prefix, "%s/chart", results);
    s = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(s);
    arena_free(&a);
    errors_free(&e);
    return file_remove_tree(results, NULL) != CVY_OK;
}

static char *picture(const char *suffix, size_t *n)
{
    char *path = mem_printf("%s.%s", prefix, suffix), *whole = NULL;
    if (file_read(path, 1u << 26, &whole, n, NULL) != CVY_OK) whole = NULL;
    mem_free(path);
    return whole;
}

static void expect_pictures(void)
{
    size_t n = 0;
    char *png = picture("png", &n);
    assert_non_null(png);
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    assert_memory_equal(png + n - 8, "IEND\xae\x42\x60\x82", 8); /* to its end */
    unsigned width = (unsigned)(unsigned char)png[18] << 8 | (unsigned char)png[19];
    unsigned height = (unsigned)(unsigned char)png[22] << 8 | (unsigned char)png[23];
    assert_int_equal(width, 2000);
    assert_in_range(height, 800, 4000);
    assert_in_range(n, 20000, 2000000);
    mem_free(png);
    char *svg = picture("svg", &n);
    assert_non_null(svg);
    assert_true(text_starts(svg, "<?xml"));
    assert_non_null(strstr(svg, "cross-entropy loss"));
    assert_non_null(strstr(svg, "</svg>"));
    mem_free(svg);
}

static cvy_status draw(const char *word, bool each, const char *title)
{
    query_target t;
    groups g;
    if (!s) s = store_open_current(results, &e);
    assert_non_null(s);
    assert_int_equal(query_find(s, word, false, &a, &t, &e), CVY_OK);
    assert_int_equal(groups_make(s, t.runs, t.n, each, &a, &g, &e), CVY_OK);
    groups_sort(&g);
    return charts_draw(s, &g, title, prefix, &e);
}

static void make(int number, const char *experiment, const char *params, int epochs)
{
    char name[16];
    snprintf(name, sizeof name, "r%d", number);
    made_run r = {.name = name, .experiment = experiment, .seed = number, .params = params};
    made_whole(results, &r, epochs, 0.2);
}

static void usual(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) make(i, "x", i < 3 ? ",\"lr\":\"0.1\"" : ",\"lr\":\"0.2\"", 10);
    assert_int_equal(draw("r1", true, "one"), CVY_OK);
    expect_pictures();
    assert_int_equal(draw("x", true, "each"), CVY_OK);
    expect_pictures();
    assert_int_equal(draw("x", false, "repeats"), CVY_OK);
    expect_pictures();
    size_t n;
    char *svg = picture("svg", &n);
    assert_non_null(strstr(svg, "band: one standard deviation"));
    assert_non_null(strstr(svg, ">lr 0.2<"));
    mem_free(svg);
    /* the same again is the same byte for byte */
    size_t once, twice;
    char *first = picture("png", &once);
    assert_int_equal(draw("x", false, "repeats"), CVY_OK);
    char *second = picture("png", &twice);
    assert_int_equal(once, twice);
    assert_memory_equal(first, second, once);
    mem_free(first);
    mem_free(second);
    assert_int_equal(e.n, 0);
}

static void many(void **state)
{
    (void)state;
    for (int i = 1; i <= 20; i++) {
        char params[32];
        snprintf(params, sizeof params, ",\"lr\":\"%d\"", i);
        make(i, "x", params, 5);
    }
    assert_int_equal(draw("x", true, "many"), CVY_OK);
    expect_pictures();
    size_t n;
    char *svg = picture("svg", &n);
    assert_non_null(strstr(svg, "the best 16 of 20 runs"));
    mem_free(svg);
}

static void one_point(void **state)
{
    (void)state;
    make(1, "x", NULL, 1);
    assert_int_equal(draw("r1", true, "a single epoch"), CVY_OK);
    expect_pictures();
}

static void nothing(void **state)
{
    (void)state;
    make(1, "x", NULL, 3);
    made_run empty = {.name = "r2", .experiment = "x", .params = ",\"lr\":\"9\""};
    mem_free(made_describe(results, &empty));
    assert_int_equal(draw("r2", true, "none"), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].what, "no run has finished an epoch"));
    size_t n;
    assert_null(picture("png", &n));
    errors_free(&e);
    assert_int_equal(draw("x", true, "some"), CVY_OK);
    assert_int_equal(e.n, 1);
    assert_true(e.items[0].warning);
    assert_non_null(strstr(e.items[0].what, "r2"));
    expect_pictures();
}

/* Values beyond drawing are left out and told; huge ones do not press the rest flat. */
static void not_finite(void **state)
{
    (void)state;
    char *dir = NULL;
    for (int k = 1; k <= 2; k++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", k);
        made_run r = {.name = name, .experiment = "x", .params = k == 1 ? ",\"lr\":\"1\"" : ",\"lr\":\"2\""};
        dir = made_describe(results, &r);
        journal *j = made_journal(dir, 1, 0);
        for (int i = 1; i <= 6; i++) {
            double v = k == 1   ? (double)NAN
                       : i == 4 ? (double)INFINITY
                       : i == 5 ? 1e300
                       : i == 6 ? -1e300
                                : 1.0 / i;
            metric m[] = {{"train_loss", v}, {"val_loss", v}};
            record_metrics(j, "epoch", i, i, m, 2, NULL);
        }
        journal_close(j);
        mem_free(dir);
    }
    assert_int_equal(draw("r1", true, "only nan"), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].what, "no value is a finite number"));
    errors_free(&e);
    assert_int_equal(draw("x", true, "some"), CVY_OK);
    expect_pictures();
    assert_int_equal(e.n, 2);
    assert_non_null(strstr(e.items[1].what, "14 values that are not finite"));
}

/* Whatever a name tries, it is drawn and not done. */
static void hostile(void **state)
{
    (void)state;
    char *canary = mem_printf("%s/canary", results);
    static const char *const forms[] = {
        "`touch %s`",
        "'; system('touch %s'); '",
        "a\n!touch %s\n",
        "\\\n'`touch %s`",
        "$(touch %s)",
        "@a `touch %s` '",
        "\"`touch %s`\"",
        "EOD\n!touch %s\nEOD",
        "<script>%s</script>",
        "| touch %s",
        "\x1b]0;%s\x07",
        "{/Symbol a}_{%s}",
        "%%s%%n %s",
        "\xff'`touch %s`\xfe",
        "''' . system('touch %s')",
        "'.system('touch %s').'",
        "''.system(''touch %s'').''",
        "x''.system('touch %s').''",
    };
    int n = 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *evil = mem_printf(forms[i], canary), name[16];
        json_writer w = {0};
        text params = {0};
        json_text(&w, evil);
        text_printf(&params, ",\"loss.type\":%s,\"zz.%zu\":\"%zu\"", text_str(&w.out), i, i);
        snprintf(name, sizeof name, "r%d", ++n);
        made_run r = {
            .name = name, .experiment = "x", .label = evil, .model = evil, .params = text_str(&params)};
        made_whole(results, &r, 3, 0.2);
        store_close(s);
        s = NULL;
        if (draw(name, true, evil) != CVY_OK) fail_msg("%s: %s", evil, e.items[0].what);
        size_t size;
        char *svg = picture("svg", &size);
        assert_null(strstr(svg, "<script"));
        for (size_t k = 0; k < size; k++)
            assert_true((unsigned char)svg[k] >= 0x20 || svg[k] == '\n' || svg[k] == '\t');
        mem_free(svg);
        text_free(&w.out);
        text_free(&params);
        mem_free(evil);
    }
    assert_int_equal(draw("x", true, "all of them"), CVY_OK);
    /* the file's name too */
    snprintf(prefix, sizeof prefix, "%s/|touch canary;'`x`", results);
    assert_int_equal(draw("r1", true, "x"), CVY_OK);
    size_t size;
    char *png = picture("png", &size);
    assert_non_null(png);
    mem_free(png);
    assert_false(file_exists(canary));
    assert_false(file_exists("canary"));
    mem_free(canary);
}

static void quoting(void **state)
{
    (void)state;
    static const struct {
        const char *given, *quoted;
        size_t most;
    } cases[] = {
        {"plain", "'plain'", 10},
        {"it's", "'it\xE2\x80\x99s'", 10},
        {"a\nb\tc\x7f", "'abc'", 10},
        {"\xc3\xa9\xff", "'\xc3\xa9'", 10},
        {"abcdef", "'abc...'", 3},
        {"", "''", 3},
        {"\xc2\x9b"
         "31m",
         "'31m'", 10},
        {"`$@\\\"", "'`$@\\\"'", 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text t = {0};
        gnuplot_quote(&t, cases[i].given, cases[i].most);
        assert_string_equal(text_str(&t), cases[i].quoted);
        text_free(&t);
    }
}

static void failures(void **state)
{
    (void)state;
    text script = {0};
    char *path = mem_printf("%s/x.png", results);
    text_add(&script, "this is no script\n");
    assert_int_equal(gnuplot_draw(&script, path, &e), CVY_ERR_RESOURCE);
    assert_non_null(strstr(e.items[0].what, "gnuplot failed"));
    assert_false(file_exists(path));
    errors_free(&e);
    assert_int_equal(gnuplot_draw(&script, "/nonexistent/x.png", &e), CVY_ERR_RESOURCE);
    errors_free(&e);
    char *search = mem_text(getenv("PATH"));
    setenv("PATH", results, 1);
    assert_int_equal(gnuplot_draw(&script, path, &e), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].hint, "gnuplot-nox"));
    setenv("PATH", search, 1);
    mem_free(search);
    mem_free(path);
    text_free(&script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(usual, setup, teardown),
        cmocka_unit_test_setup_teardown(many, setup, teardown),
        cmocka_unit_test_setup_teardown(one_point, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(not_finite, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile, setup, teardown),
        cmocka_unit_test(quoting),
        cmocka_unit_test_setup_teardown(failures, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
