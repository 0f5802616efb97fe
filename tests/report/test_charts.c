/* Tests that charts come out as pictures, whatever the runs and their names are. */
#include <unistd.h>

#include "report/chart_curves.h"
#include "report/chart_query.h"
#include "report/chart_range.h"
#include "report/charts.h"
#include "report/gnuplot.h"
#include "store_bed.h"

static char prefix[96];

static int setup_charts(void **state)
{
    if (setup(state)) return 1;
    snprintf(prefix, sizeof prefix, "%s/chart", results);
    return 0;
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
    assert_in_range(height, 600, 4000);
    assert_in_range(n, 10000, 2000000);
    mem_free(png);
    char *svg = picture("svg", &n);
    assert_non_null(svg);
    assert_true(text_starts(svg, "<?xml"));
    assert_non_null(strstr(svg, "cross-entropy loss"));
    assert_non_null(strstr(svg, "</svg>"));
    mem_free(svg);
}

/* What `convoy plot` does with a word and its options, up to the figure. */
static cvy_status figure_as(const char *word, bool each, chart_request r, figure *f)
{
    query_target t;
    static groups g;
    if (!s) open_store();
    assert_int_equal(query_find(s, word, false, &a, &t, &e), CVY_OK);
    cvy_status status = r.by ? charts_group_by(s, t.runs, t.n, r.by, &a, &g, &e)
                             : groups_make(s, t.runs, t.n, each, &a, &g, &e);
    if (status != CVY_OK) return status;
    if (!r.by) groups_sort(&g);
    r.runs = t.runs;
    r.n = t.n;
    r.groups = &g;
    return chart_curves(s, &r, &a, f, &e);
}

static cvy_status draw_as(const char *word, bool each, chart_request r)
{
    figure f;
    cvy_status status = figure_as(word, each, r, &f);
    return status == CVY_OK ? charts_write(&f, CHARTS_USUAL, 0, prefix, &e) : status;
}

static cvy_status draw(const char *word, bool each, const char *title)
{
    return draw_as(word, each, (chart_request){.title = title});
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

/* More than can be told apart: the best have colours, the pointer names the others. */
static void crowd(void **state)
{
    (void)state;
    for (int i = 1; i <= 30; i++) {
        char params[32];
        snprintf(params, sizeof params, ",\"lr\":\"%d\"", i);
        make(i, "x", params, 2);
    }
    assert_int_equal(draw_as("x", true, (chart_request){.title = "t", .metric = "val_accuracy", .most = 30}),
                     CVY_OK);
    size_t n;
    char *svg = picture("svg", &n);
    assert_non_null(strstr(svg, ">the others<"));
    size_t hovers = 0, grey = 0;
    for (const char *at = svg; (at = strstr(at, "<title>")); at++) hovers++;
    for (const char *at = svg; (at = strstr(at, "136, 136, 136")); at++) grey++;
    assert_true(hovers >= 30 && grey > 0);
    mem_free(svg);
    /* Two metrics by thirty values: as many panels as there are too many are told. */
    figure f;
    const chart_request facets = {.metric = "val_accuracy,val_loss", .facet = "lr"};
    assert_int_equal(figure_as("x", true, facets, &f), CVY_OK);
    assert_int_equal(f.n, 48);
    assert_non_null(strstr(f.caption, "12 more panels left out"));
    text names = {0};
    for (int i = 0; i < 49; i++) text_printf(&names, "%sval_loss", i ? "," : "");
    assert_int_equal(figure_as("x", true, (chart_request){.metric = text_str(&names)}, &f), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[e.n - 1].what, "49 metrics"));
    text_free(&names);
}

static void log_once(int number, const char *params, const char *metric_name, const int *steps, int n)
{
    char name[16];
    snprintf(name, sizeof name, "r%d", number);
    made_run r = {.name = name, .experiment = "x", .seed = number, .params = params};
    char *dir = made_describe(results, &r);
    journal *j = made_journal(dir, 1, 0);
    for (int i = 0; i < n; i++) {
        metric m[] = {{metric_name, 10.0 * number + steps[i]}};
        record_metrics(j, "epoch", steps[i], i + 1, m, 1, NULL);
    }
    journal_close(j);
    mem_free(dir);
}

/* Of however many runs, one that has a metric is enough. */
static void rare_metric(void **state)
{
    (void)state;
    enum { RUNS = 205 };
    const int first = 1;
    for (int i = 1; i <= RUNS; i++) log_once(i, NULL, i < RUNS ? "val_loss" : "own", &first, 1);
    figure f;
    assert_int_equal(figure_as("x", false, (chart_request){.metric = "own"}, &f), CVY_OK);
    assert_int_equal(f.panels[0].marks[0].n, 1);
    assert_int_equal(figure_as("x", true, (chart_request){.metric = "own"}, &f), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[e.n - 1].what, "none of the best 16 has a metric \"own\""));
    assert_int_equal(figure_as("x", true, (chart_request){.metric = "vall_loss"}, &f), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[e.n - 1].hint, "val_loss"));
}

/* Repeats that have values at other steps: each step the mean over those that have it, in order. */
static void other_steps(void **state)
{
    (void)state;
    const int odd[] = {1, 3, 5, 7}, some[] = {2, 3, 4, 7};
    log_once(1, NULL, "val_loss", odd, 4);
    log_once(2, NULL, "val_loss", some, 4);
    figure f;
    const chart_request r = {.metric = "val_loss", .x = CHART_X_STEP, .band = CHART_BAND_MINMAX};
    assert_int_equal(figure_as("x", false, r, &f), CVY_OK);
    const figure_mark *m = &f.panels[0].marks[0];
    static const double at[] = {1, 2, 3, 4, 5, 7}, mean[] = {11, 22, 18, 24, 15, 22};
    assert_int_equal(m->n, 6);
    for (size_t i = 0; i < 6; i++) assert_true(m->x[i] == at[i] && fabs(m->y[i] - mean[i]) < 1e-12);
    assert_true(m->low[2] == 13 && m->high[2] == 23);
    assert_non_null(strstr(f.caption, "mean over 2 runs"));
}

/* Over how many runs a mean is: of all curves of all panels, whatever facets leave of a group. */
static void counted_runs(void **state)
{
    (void)state;
    const int first = 1;
    for (int i = 1; i <= 6; i++)
        log_once(i,
                 i < 4   ? ",\"train.lr\":\"0.1\",\"train.batch_size\":\"32\""
                 : i < 6 ? ",\"train.lr\":\"0.2\",\"train.batch_size\":\"32\""
                         : ",\"train.lr\":\"0.2\",\"train.batch_size\":\"64\"",
                 "val_loss", &first, 1);
    figure f;
    assert_int_equal(figure_as("x", false, (chart_request){.metric = "val_loss", .by = "train.lr"}, &f),
                     CVY_OK);
    assert_true(text_starts(f.caption, "mean over 3 runs, band"));
    assert_int_equal(figure_as("x", false,
                               (chart_request){.metric = "val_loss",
                                               .by = "train.lr",
                                               .facet = "train.batch_size",
                                               .band = CHART_BAND_NONE},
                               &f),
                     CVY_OK);
    assert_string_equal(f.caption, "mean over 1 to 3 runs");
}

/* Rates that a search drew may agree in their first digits; the key may not. */
static void drawn_rates(void **state)
{
    (void)state;
    const int first = 1;
    log_once(1, ",\"train.lr\":\"0.024517850097728253\"", "val_loss", &first, 1);
    log_once(2, ",\"train.lr\":\"0.024517950097728253\"", "val_loss", &first, 1);
    figure f;
    for (int by = 0; by < 2; by++) {
        const chart_request r = {.metric = "val_loss", .by = by ? "train.lr" : NULL};
        assert_int_equal(figure_as("x", false, r, &f), CVY_OK);
        assert_string_not_equal(f.panels[0].marks[0].label, f.panels[0].marks[1].label);
    }
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

static bool svg_has(const char *what)
{
    size_t n;
    char *svg = picture("svg", &n);
    assert_non_null(svg);
    const bool has = strstr(svg, what) != NULL;
    mem_free(svg);
    return has;
}

/* What `convoy plot` has options for. */
static void options(void **state)
{
    (void)state;
    for (int i = 1; i <= 6; i++)
        make(i, "x",
             i < 4 ? ",\"train.optimizer.lr\":\"0.1\",\"train.batch_size\":\"32\""
                   : ",\"train.optimizer.lr\":\"0.2\",\"train.batch_size\":\"32\"",
             8);
    assert_int_equal(draw_as("x", false, (chart_request){.title = "t", .metric = "val_accuracy"}), CVY_OK);
    assert_true(svg_has("validation accuracy (%)") && !svg_has("loss"));
    assert_true(svg_has("<title>lr 0.1</title>"));
    assert_int_equal(
        draw_as("x", false,
                (chart_request){.title = "t", .metric = "loss", .smooth = 0.6, .band = CHART_BAND_CI95}),
        CVY_OK);
    assert_true(svg_has("95 % confidence interval of the mean") && svg_has("weight 0.6"));
    assert_int_equal(draw_as("x", false, (chart_request){.title = "t", .band = CHART_BAND_NONE}), CVY_OK);
    assert_true(svg_has("mean over 3 runs") && !svg_has("band"));
    assert_int_equal(draw_as("x", true, (chart_request){.title = "t", .x = CHART_X_IMAGES, .log_x = true}),
                     CVY_OK);
    assert_true(svg_has(">images seen<"));
    assert_int_equal(draw_as("x", true, (chart_request){.title = "t", .x = CHART_X_TIME, .log_y = true}),
                     CVY_OK);
    assert_true(svg_has(">training time (s)<"));
    assert_int_equal(draw_as("x", false, (chart_request){.title = "t", .by = "train.optimizer.lr"}), CVY_OK);
    assert_true(svg_has(">lr 0.2<"));
    assert_int_equal(
        draw_as("x", true,
                (chart_request){.title = "t", .metric = "val_loss", .facet = "train.optimizer.lr"}),
        CVY_OK);
    assert_true(svg_has(">lr 0.1<") && svg_has(">lr 0.2<"));
    assert_int_equal(e.n, 0);
    assert_int_equal(draw_as("x", true, (chart_request){.title = "t", .metric = "val_acuracy"}),
                     CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[0].hint, "val_accuracy"));
    errors_free(&e);
    assert_int_equal(draw_as("x", true, (chart_request){.title = "t", .by = "nothing.here"}), CVY_ERR_CONFIG);
    errors_free(&e);
    assert_null(chart_kind_named("curvs", &e));
    assert_non_null(strstr(e.items[0].hint, "curves"));
    errors_free(&e);
    assert_non_null(chart_kind_named("lr-range", &e));
}

/* Debiased: the first value stays what it is, and a constant stays constant (TensorBoard). */
static void smoothing(void **state)
{
    (void)state;
    make(1, "x", NULL, 3);
    char *dir = NULL;
    made_run r = {.name = "r2", .experiment = "y"};
    dir = made_describe(results, &r);
    journal *j = made_journal(dir, 1, 0);
    const double values[] = {4, (double)NAN, 4, 8};
    for (int i = 0; i < 4; i++) {
        metric m[] = {{"val_loss", values[i]}};
        record_metrics(j, "epoch", i + 1, i + 1, m, 1, NULL);
    }
    journal_close(j);
    mem_free(dir);
    open_store();
    query_target t;
    groups g;
    figure f;
    assert_int_equal(query_find(s, "r2", false, &a, &t, &e), CVY_OK);
    assert_int_equal(groups_make(s, t.runs, t.n, true, &a, &g, &e), CVY_OK);
    const chart_request q = {.runs = t.runs, .n = t.n, .groups = &g, .metric = "val_loss", .smooth = 0.5};
    assert_int_equal(chart_curves(s, &q, &a, &f, &e), CVY_OK);
    assert_int_equal(f.n, 1);
    assert_true(f.panels[0].n >= 2 && f.panels[0].marks[0].faint);
    const figure_mark *m = &f.panels[0].marks[1];
    assert_int_equal(m->n, 4);
    assert_true(fabs(m->y[0] - 4) < 1e-12);
    assert_true(isnan(m->y[1])); /* a gap stays a gap */
    assert_true(fabs(m->y[2] - 4) < 1e-12);
    /* 0.5 * (0.5 * 2 + 2) + 4 = 5.5 over 1 - 0.5^3 */
    assert_true(fabs(m->y[3] - 5.5 / 0.875) < 1e-12);
}

static void own_query(void **state)
{
    (void)state;
    make(1, "x", NULL, 5);
    make(2, "x", NULL, 5);
    open_store();
    figure f;
    const char *const metric_name[] = {"val_loss"};
    chart_query q = {.statement = "SELECT epoch, value, run FROM curves WHERE metric = ? ORDER BY run, epoch",
                     .values = metric_name,
                     .n = 1};
    assert_int_equal(chart_query_figure(s, &q, &a, &f, &e), CVY_OK);
    assert_int_equal(f.panels[0].n, 2);
    assert_int_equal(f.panels[0].marks[0].kind, FIGURE_LINE);
    assert_int_equal(f.panels[0].marks[0].n, 5);
    assert_string_equal(f.panels[0].x.label, "epoch");
    assert_string_equal(f.panels[0].marks[1].label, "r2");
    assert_int_equal(charts_write(&f, CHARTS_USUAL, 0, prefix, &e), CVY_OK);
    q = (chart_query){.statement =
                          "SELECT run, max(value) FROM curves WHERE metric = 'val_accuracy' GROUP BY run"};
    assert_int_equal(chart_query_figure(s, &q, &a, &f, &e), CVY_OK);
    assert_int_equal(f.panels[0].marks[0].kind, FIGURE_BARS);
    assert_int_equal(f.panels[0].x.n_names, 2);
    static const struct {
        const char *statement, *said;
    } bad[] = {
        {"SELECT 1", "two or three columns"}, {"SELECT 1, 2, 3, 4", "two or three columns"},
        {"SELECT 1, 2 WHERE 0", "no rows"},   {"SELECT 'a', 1 UNION ALL SELECT 2, 3", "texts and numbers"},
        {"DROP TABLE runs", "SELECT"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        q = (chart_query){.statement = bad[i].statement};
        assert_int_equal(chart_query_figure(s, &q, &a, &f, &e), CVY_ERR_CONFIG);
        if (i < 4) assert_non_null(strstr(e.items[0].what, bad[i].said));
        errors_free(&e);
    }
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
    assert_int_equal(gnuplot_draw(&script, "/nonexistent/x.png", &e), CVY_ERR_CONFIG);
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
        cmocka_unit_test_setup_teardown(usual, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(many, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(crowd, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(rare_metric, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(other_steps, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(counted_runs, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(drawn_rates, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(one_point, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(nothing, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(not_finite, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(hostile, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(options, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(smoothing, setup_charts, teardown),
        cmocka_unit_test_setup_teardown(own_query, setup_charts, teardown),
        cmocka_unit_test(quoting),
        cmocka_unit_test_setup_teardown(failures, setup_charts, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
