/* Tests what the charts of sweeps show: the numbers in their figures, what they leave out, what they say when there is nothing; and that
 * each becomes a picture whatever its labels are. */
#include "report/chart_axis.h"
#include "report/chart_curves.h"
#include "report/chart_layers.h"
#include "report/chart_scores.h"
#include "report/chart_search.h"
#include "report/charts.h"
#include "report/names.h"
#include "store_bed.h"

static figure f;
static groups grouped;

/* A run of a sweep whose metric goes through these values, one per epoch. stopped: early, and why; "": by hand. */
static void make(int number, int trial, int seed, const char *params, const double *values, int epochs,
                 const char *stopped)
{
    char name[16];
    snprintf(name, sizeof name, "r%d", number);
    made_run r = {
        .name = name, .experiment = "x", .sweep = "s1", .trial = trial, .seed = seed, .params = params};
    char *dir = made_describe(results, &r);
    journal *events = made_events(dir), *j;
    record_start(events, 1, 123, NULL);
    j = made_journal(dir, 1, 0);
    for (int i = 1; i <= epochs; i++) {
        metric m[] = {{"val_accuracy", values[i - 1]}, {"val_loss", 1 - values[i - 1]}};
        record_metrics(j, "epoch", i * 10, i, m, 2, NULL);
        metric t[] = {{"images_per_second", 1000.0 * i}};
        record_metrics(j, NULL, i * 10, i, t, 1, NULL);
    }
    record_end(j, stopped ? "stopped" : "finished", epochs * 10, "", NULL);
    record_exit(events, 1, stopped ? 75 : 0, 0, 10.0 * epochs, NULL);
    if (stopped && *stopped) record_state(events, 1, "stopped early", stopped, NULL);
    journal_close(j);
    journal_close(events);
    mem_free(dir);
}

/* Three rates, two optimizers, two seeds: 0.1 to 0.86. The rate 0.01 with sgd was stopped after the first of two epochs. */
static void make_grid(const char *sgd)
{
    static const char *const rates[] = {"0.001", "0.01", "0.1"};
    int number = 1;
    made_sweep(results, "s1", 6);
    for (int o = 0; o < 2; o++)
        for (int l = 0; l < 3; l++)
            for (int seed = 1; seed <= 2; seed++) {
                char params[200];
                const double best = 0.1 + 0.3 * l + 0.1 * o + 0.06 * (seed - 1), values[] = {best / 2, best};
                snprintf(params, sizeof params, ",\"train.optimizer.type\":\"%s\",\"train.lr\":\"%s\"",
                         o ? "adam" : sgd, rates[l]);
                const bool stop = !o && l == 1;
                make(number++, 3 * o + l, seed, params, values, stop ? 1 : 2,
                     stop ? "below the median" : NULL);
            }
}

static cvy_status build(chart_builder *kind, chart_request r)
{
    query_target t;
    if (!s) open_store();
    assert_int_equal(query_find(s, "s1", false, &a, &t, &e), CVY_OK);
    assert_int_equal(groups_make(s, t.runs, t.n, false, &a, &grouped, &e), CVY_OK);
    groups_sort(&grouped);
    r.runs = t.runs;
    r.n = t.n;
    r.sweep = t.sweep;
    r.groups = &grouped;
    if (!r.title) r.title = "title";
    return kind(s, &r, &a, &f, &e);
}

#define BUILD(kind, ...) build(kind, (chart_request){__VA_ARGS__})

static void near(double x, double y)
{
    if (!(fabs(x - y) < 1e-6)) print_error("%.9g is not %.9g\n", x, y);
    assert_true(fabs(x - y) < 1e-6);
}

static const figure_mark *mark(const figure_panel *p, figure_kind kind, const char *label)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->marks[i].kind == kind && (!label || (p->marks[i].label && !strcmp(p->marks[i].label, label))))
            return &p->marks[i];
    return NULL;
}

static void says(const char *what)
{
    if (!strstr(f.caption, what)) print_error("\"%s\" is not in \"%s\"\n", what, f.caption);
    assert_non_null(strstr(f.caption, what));
}

/* ---- results ---- */

static void final(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_final, .by = "train.lr"), CVY_OK);
    const figure_mark *bars = mark(f.panels, FIGURE_BARS, "mean");
    assert_non_null(bars);
    assert_int_equal(bars->n, 3);
    assert_string_equal(f.panels->x.names[0], "0.001"); /* numbers in their own order */
    assert_string_equal(f.panels->x.names[2], "0.1");
    /* Seeds 0.70+0.80 and 0.76+0.86 halved: 75 and 81, the mean 78, the interval 12.706 * 3. */
    near(bars->y[2], 78);
    near(bars->high[2] - bars->y[2], 12.706204736432 * 3);
    near(bars->y[0], 18);
    const figure_mark *seeds = mark(f.panels, FIGURE_POINTS, "each seed");
    assert_int_equal(seeds->n, 6);
    near(seeds->y[4], 75);
    near(seeds->y[5], 81);
    says("over 2 seeds");
    says("each seed the mean over train.optimizer");
    assert_string_equal(f.panels->y.label, "validation accuracy (%)");
    /* Whole configurations: long names go down the side, the best on top. */
    assert_int_equal(BUILD(chart_final, .most = 5), CVY_OK);
    assert_string_equal(f.panels->y.names[4], "adam, lr 0.1");
    near(mark(f.panels, FIGURE_POINTS, "mean")->x[0], 83);
    near(mark(f.panels, FIGURE_POINTS, "mean")->y[0], 4);
    says("the best 5 of 6");
    says("does not begin at 0");
    assert_int_equal(BUILD(chart_final, .metric = "val_loss", .by = "train.lr"), CVY_OK);
    assert_string_equal(f.panels->y.label, "validation loss");
    assert_int_equal(BUILD(chart_final, .by = "train.lrr"), CVY_ERR_CONFIG);
}

/* Configurations with another number of repeats each, and folds. */
static void captions(void **state)
{
    (void)state;
    static const double values[] = {0.1, 0.2};
    int number = 1;
    made_sweep(results, "s1", 3);
    for (int trial = 0; trial < 3; trial++)
        for (int seed = 1; seed <= 2 + trial / 2; seed++) {
            char params[64];
            snprintf(params, sizeof params, ",\"train.lr\":\"0.%d\"", trial + 1);
            make(number++, trial, seed, params, values, 2, NULL);
        }
    assert_int_equal(BUILD(chart_cost, 0), CVY_OK);
    says("mean and 95 % interval over 2 to 3 seeds;");
    assert_int_equal(BUILD(chart_final, 0), CVY_OK);
    says("over 2 to 3 seeds;");
    assert_int_equal(BUILD(chart_slice, 0), CVY_OK);
    says("3 configurations, each the mean over 2 to 3 seeds");
    assert_int_equal(BUILD(chart_speed, 0), CVY_OK);
    says("mean over 2 to 3 runs, band");
    assert_int_equal(BUILD(chart_against, .x_path = "train.lr", .band = CHART_BAND_NONE), CVY_OK);
    assert_string_equal(f.caption, "mean over 2 to 3 seeds");
    assert_int_equal(BUILD(chart_cost, .most = 2), CVY_OK);
    says("interval over 2 seeds;");
}

static void folds(void **state)
{
    (void)state;
    static const double values[] = {0.1, 0.2};
    int number = 1;
    made_sweep(results, "s1", 2);
    for (int trial = 0; trial < 2; trial++)
        for (int seed = 1; seed <= 2; seed++)
            for (int fold = 1; fold <= 2; fold++) {
                char params[96];
                snprintf(params, sizeof params, ",\"train.lr\":\"0.%d\",\"fold\":\"%d\",\"folds\":\"2\"",
                         trial + 1, fold);
                make(number++, trial, seed, params, values, 2, NULL);
            }
    assert_int_equal(BUILD(chart_cost, 0), CVY_OK);
    says("interval over 2 seeds x 2 folds;");
    assert_int_equal(BUILD(chart_final, 0), CVY_OK);
    says("over 2 seeds x 2 folds");
    assert_non_null(mark(f.panels, FIGURE_POINTS, "each fold"));
    assert_int_equal(BUILD(chart_slice, 0), CVY_OK);
    says("each the mean over 2 seeds x 2 folds");
    assert_int_equal(BUILD(chart_curves, 0), CVY_OK);
    says("mean over 2 seeds x 2 folds, band");
}

/* In two charts of one report a configuration has one colour, although each chart has its own choice of them. */
static void colours(void **state)
{
    (void)state;
    enum { N = 9, DEAR = 2 };
    made_sweep(results, "s1", N);
    /* The better, the longer it took, but for one that took longest: the others are the front of time. */
    for (int i = 0; i < N; i++) {
        double values[2 * N];
        char params[64];
        for (int k = 0; k < 2 * N; k++) values[k] = 0.9 - 0.05 * i;
        snprintf(params, sizeof params, ",\"train.lr\":\"0.%d\"", N - i);
        make(i + 1, i, 1, params, values, i == DEAR ? 2 * N : N + 1 - i, NULL);
    }
    chart_colours c = {0};
    assert_int_equal(BUILD(chart_curves, .metric = "val_accuracy", .most = 4, .colours = &c), CVY_OK);
    static const char *const best[] = {"lr 0.9", "lr 0.8", "lr 0.7", "lr 0.6"};
    for (int i = 0; i < 4; i++) /* in the palette's order */
        assert_int_equal(mark(f.panels, FIGURE_LINE, best[i])->colour, i);
    assert_int_equal(BUILD(chart_cost, .colours = &c), CVY_OK);
    for (int i = 0; i < 4; i++) {
        const figure_mark *m = mark(f.panels, FIGURE_POINTS, best[i]);
        if (i == DEAR)
            assert_null(m); /* grey here; its colour stays its own */
        else
            assert_int_equal(m->colour, i);
    }
    bool hues[FIGURE_COLOURS] = {false};
    size_t coloured = 0;
    for (size_t i = 0; i < f.panels->n; i++) {
        const figure_mark *m = &f.panels->marks[i];
        if (m->kind != FIGURE_POINTS || m->colour < 0) continue;
        assert_int_not_equal(m->colour, DEAR);
        assert_false(hues[m->colour % FIGURE_COLOURS]);
        hues[m->colour % FIGURE_COLOURS] = true;
        coloured++;
    }
    assert_int_equal(coloured, FIGURE_COLOURS);
    const int later = mark(f.panels, FIGURE_POINTS, "lr 0.5")->colour;
    assert_int_equal(BUILD(chart_speed, .colours = &c), CVY_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(mark(f.panels, FIGURE_LINE, best[i])->colour, i);
    assert_int_equal(mark(f.panels, FIGURE_LINE, "lr 0.5")->colour, later);
    /* A value that has the same first run as a configuration is no configuration. */
    const group *first = &grouped.items[0];
    int other = -1;
    chart_colours_give(&c, "train.lr", &first, 1, &other);
    assert_true(other > 3 && other != later);
    chart_colours_free(&c);
    assert_int_equal(BUILD(chart_cost, 0), CVY_OK); /* by itself: the first colours */
    assert_int_equal(mark(f.panels, FIGURE_POINTS, "lr 0.6")->colour, 2);
}

static void cost(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_cost, 0), CVY_OK);
    assert_int_equal(f.n, 3);
    assert_string_equal(f.panels[0].x.label, "training time (s)");
    assert_string_equal(f.panels[1].x.label, "parameters (k)");
    assert_string_equal(f.panels[2].x.label, "MACs per sample (M)");
    /* The stopped one took half the time: the front is it and the best. */
    const figure_mark *front = mark(&f.panels[0], FIGURE_STEPS, "Pareto front");
    assert_int_equal(front->n, 2);
    near(front->x[0], 10);
    near(front->x[1], 20);
    near(front->y[1], 83);
    const figure_mark *best = mark(&f.panels[1], FIGURE_POINTS, "adam, lr 0.1");
    assert_true(best->circled);
    near(best->x[0], 269.722);
    assert_false(mark(&f.panels[1], FIGURE_POINTS, "adam, lr 0.001")->ringed);
}

static void against(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_against, .x_path = "train.lr", .by = "train.optimizer.type"), CVY_OK);
    const figure_mark *adam = mark(f.panels, FIGURE_LINE, "adam");
    assert_int_equal(adam->n, 3);
    near(adam->x[0], 0.001);
    near(adam->x[2], 0.1);
    near(adam->y[0], 23);
    near(adam->y[2], 83);
    near(adam->high[0] - adam->y[0], 3 * sqrt(2)); /* the standard deviation of 20 and 26 */
    assert_true(f.panels->x.log);
    says("one standard deviation");
    assert_int_equal(BUILD(chart_against, .by = "train.lr,train.optimizer.type", .band = CHART_BAND_CI95),
                     CVY_OK);
    adam = mark(f.panels, FIGURE_LINE, "adam");
    near(adam->high[0] - adam->y[0], 3 * 12.706204736432);
    assert_int_equal(BUILD(chart_against, .x_path = "train.optimizer.type"), CVY_OK); /* words */
    assert_null(mark(f.panels, FIGURE_LINE, NULL));
    assert_int_equal(f.panels->x.n_names, 2);
    assert_int_equal(BUILD(chart_against, .x_path = "parameters"), CVY_OK);
    assert_string_equal(f.panels->x.label, "parameters (k)");
    assert_int_equal(BUILD(chart_against, 0), CVY_OK); /* the one that is a number */
    assert_string_equal(f.panels->x.label, "train.lr");
    assert_int_equal(BUILD(chart_against, .by = "a,b,c"), CVY_ERR_CONFIG);
}

/* ---- the space ---- */

static void parallel(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_parallel, 0), CVY_OK);
    const figure_panel *p = f.panels;
    assert_int_equal(p->x.n_names, 3);
    assert_string_equal(p->x.names[0], "lr");
    assert_string_equal(p->x.names[1], "optimizer");
    const figure_mark *lines = mark(p, FIGURE_SEGMENTS, "configuration");
    assert_int_equal(lines->n, 12); /* 6 configurations, 2 segments each */
    /* The best is drawn last: the largest rate, the second optimizer, the top of the metric. */
    near(lines->value[11], 83);
    near(lines->y[10], 1);
    near(lines->y2[10], 1);
    near(lines->y2[11], 1);
    for (size_t i = 0; i < 12; i += 2)
        if (lines->value[i] > 40 && lines->value[i] < 55)
            near(lines->y[i], 0.5); /* 0.01: half the way in logarithms */
    says("1 stopped early");
}

static void slice(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_slice, 0), CVY_OK);
    assert_int_equal(f.n, 2);
    assert_true(f.panels[0].x.log);
    assert_int_equal(mark(&f.panels[0], FIGURE_POINTS, "configuration")->n, 4);
    const figure_mark *stopped = mark(&f.panels[0], FIGURE_POINTS, "stopped early");
    assert_int_equal(stopped->n, 1);
    near(stopped->x[0], 0.01);
    near(stopped->y[0], 21.5);
    near(mark(&f.panels[0], FIGURE_POINTS, "best")->y[0], 83);
    assert_string_equal(f.panels[1].x.names[1], "adam");
    near(f.panels[0].y.high, f.panels[1].y.high);
    assert_int_equal(BUILD(chart_slice, .by = "train.lr"), CVY_OK);
    assert_int_equal(f.n, 1);
    assert_int_equal(BUILD(chart_slice, .by = "train.lt"), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[e.n - 1].hint, "train.lr"));
}

static void contour(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_contour, 0), CVY_OK);
    const figure_mark *cells = mark(f.panels, FIGURE_CELLS, NULL);
    assert_int_equal(cells->n, 6);
    assert_string_equal(f.panels->x.label, "lr");
    assert_string_equal(f.panels->y.label, "optimizer");
    near(cells->value[5], 83); /* the last rate of the last optimizer */
    near(cells->value[1], 21.5);
    assert_int_equal(BUILD(chart_contour, .by = "train.optimizer,lr"), CVY_OK);
    assert_string_equal(f.panels->x.label, "optimizer");
    assert_int_equal(BUILD(chart_contour, .by = "train.lr"), CVY_ERR_CONFIG);
}

/* Points of a random search are put into bins, the empty ones left out. */
static void contour_of_points(void **state)
{
    (void)state;
    made_sweep(results, "s1", 30);
    unsigned noise = 7;
    for (int i = 0; i < 30; i++) {
        char params[120];
        const double lr = pow(10, -4 + 3 * made_noise(&noise)), p = made_noise(&noise), v = 0.5 + 1e-10 * i;
        snprintf(params, sizeof params, ",\"train.lr\":\"%.9g\",\"model.p\":\"%.9g\"", lr, p);
        make(i + 1, i, 1, params, &v, 1, NULL);
    }
    assert_int_equal(BUILD(chart_contour, .by = "train.lr,model.p"), CVY_OK);
    const figure_mark *cells = mark(f.panels, FIGURE_CELLS, NULL);
    assert_int_equal(cells->n, 9);
    size_t empty = 0;
    for (size_t i = 0; i < cells->n; i++) {
        empty += isnan(cells->value[i]) ? 1 : 0;
        if (!isnan(cells->value[i])) near(cells->value[i], 50);
    }
    assert_true(empty < 5);
    assert_true(f.panels->x.log && !f.panels->y.log);
    assert_int_equal(mark(f.panels, FIGURE_POINTS, "configuration")->n, 30);
}

/* Maps of one pair of values, or of one value everywhere, would only look as if they said something. */
static void contour_of_nothing(void **state)
{
    (void)state;
    static const char *const lr[] = {"0.1", "0.2", "0.1", "0.2"}, *const p[] = {"0.3", "0.3", "0.6", "0.6"};
    made_sweep(results, "s1", 4);
    for (int i = 0; i < 4; i++) {
        char params[120];
        const double v = 0.5;
        snprintf(params, sizeof params, ",\"train.lr\":\"%s\",\"model.p\":\"%s\"%s", lr[i], p[i],
                 i ? ",\"model.q\":\"7\"" : "");
        make(i + 1, i, 1, params, &v, 1, NULL);
    }
    bool nothing = false;
    assert_int_equal(BUILD(chart_contour, .by = "train.lr,model.p", .nothing = &nothing), CVY_ERR_CONFIG);
    assert_true(nothing);
    assert_non_null(
        strstr(e.items[e.n - 1].what, "nothing to draw: all pairs of values came to the same, 50"));
    nothing = false;
    assert_int_equal(BUILD(chart_contour, .by = "train.lr,model.q", .nothing = &nothing), CVY_ERR_CONFIG);
    assert_true(nothing);
    assert_non_null(strstr(e.items[e.n - 1].what, "model.q has the same value wherever it is set"));
    nothing = false;
    assert_int_equal(BUILD(chart_contour, .by = "train.lr,lr", .nothing = &nothing), CVY_ERR_CONFIG);
    assert_false(nothing);                                                          /* a mistake */
    assert_int_equal(BUILD(chart_importance, .nothing = &nothing), CVY_ERR_CONFIG); /* all came to the same */
    assert_true(nothing);
}

static void importance_bars(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_importance, 0), CVY_OK);
    const figure_mark *bars = mark(f.panels, FIGURE_BARS, "by itself");
    assert_int_equal(bars->n, 2);
    assert_string_equal(f.panels->x.names[0], "lr");
    assert_true(bars->y[0] > 60 && bars->y[0] <= 100);
    assert_true(bars->low[0] <= bars->y[0] && bars->high[0] >= bars->y[0]);
    says("1 stopped early, with the best of fewer epochs");
    const figure_mark *rest = mark(f.panels, FIGURE_BARS, "only together with others");
    near(bars->y[0] + bars->y[1] + rest->y[0], 100);
    says("6 configurations");
}

/* ---- the search ---- */

static void history(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_history, 0), CVY_OK);
    const figure_mark *best = mark(f.panels, FIGURE_STEPS, "best so far");
    static const double expected[] = {13, 21.5, 73, 73, 73, 83};
    assert_int_equal(best->n, 6);
    for (size_t i = 0; i < 6; i++) near(best->y[i], expected[i]);
    const figure_mark *stopped = mark(f.panels, FIGURE_POINTS, "stopped early");
    assert_int_equal(stopped->n, 1);
    near(stopped->x[0], 2);
    assert_int_equal(mark(f.panels, FIGURE_POINTS, "trained to the end")->n, 5);
    near(mark(f.panels, FIGURE_POINTS, "best")->x[0], 6);
    says("best: r11 (adam, lr 0.1) with 83");
    /* The loss falls. */
    assert_int_equal(BUILD(chart_history, .metric = "val_loss"), CVY_OK);
    best = mark(f.panels, FIGURE_STEPS, "best so far");
    near(best->y[0], 0.87);
    near(best->y[5], 0.17);
}

static void rungs(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_rungs, 0), CVY_OK);
    const figure_mark *left = mark(&f.panels[0], FIGURE_STEPS, NULL);
    assert_int_equal(left->n, 2);
    near(left->y[0], 6);
    near(left->y[1], 5);
    const figure_mark *ends = mark(&f.panels[1], FIGURE_POINTS, "stopped early");
    assert_int_equal(ends->n, 2); /* a point for each seed */
    near(ends->x[0], 1);
    near(ends->y[0], 20);
    assert_int_equal(mark(&f.panels[1], FIGURE_LINE, "best")->n, 5); /* two runs of two epochs and a gap */
    says("1 of them stopped early");
    says("11 of 180 epochs");
}

/* Whoever was stopped by hand did not train to the end, and 99.96 % are not all of them. */
static void unfinished(void **state)
{
    (void)state;
    made_sweep(results, "s1", 4);
    const double values[] = {0.9996, 0.9995}, early = 0.5;
    make(1, 0, 1, ",\"train.lr\":\"0.1\"", values, 2, NULL);
    make(2, 1, 1, ",\"train.lr\":\"0.2\"", &early, 1, "");
    make(3, 2, 1, ",\"train.lr\":\"0.3\"", &early, 1, "below the median");
    assert_int_equal(BUILD(chart_history, 0), CVY_OK);
    assert_int_equal(mark(f.panels, FIGURE_POINTS, "trained to the end")->n, 1);
    assert_int_equal(mark(f.panels, FIGURE_POINTS, "stopped early")->n, 1);
    const figure_mark *rest = mark(f.panels, FIGURE_POINTS, "failed or unfinished");
    assert_non_null(rest);
    assert_int_equal(rest->n, 1);
    near(rest->x[0], 2);
    says("with 99.96 %");
    assert_int_equal(BUILD(chart_rungs, 0), CVY_OK);
    says("1 failed or unfinished");
    assert_string_equal(chart_axis_result(99.9996, 100, &a), "99.9996 %");
    assert_string_equal(chart_axis_result(100, 100, &a), "100.00 %");
    assert_string_equal(chart_axis_result(0.123456, 1, &a), "0.1235");
}

static void differ(const char *x, const char *y)
{
    if (!strcmp(x, y)) print_error("\"%s\" twice\n", x);
    assert_string_not_equal(x, y);
}

/* Numbers that a search drew are shortened only as far as they stay different. */
static void drawn_numbers(void **state)
{
    (void)state;
    static const char *const rates[] = {"0.024517850097728253", "0.024517950097728253",
                                        "0.31415926535897931"};
    made_sweep(results, "s1", 3);
    for (int i = 0; i < 3; i++) {
        char params[200];
        const double v = 0.5 + 0.1 * i;
        snprintf(params, sizeof params,
                 ",\"train.lr\":\"%s\",\"model.blocks\":\"[one long list of blocks, and number %d]\"",
                 rates[i], i);
        make(i + 1, i, 1, params, &v, 1, NULL);
    }
    assert_int_equal(BUILD(chart_final, .by = "train.lr"), CVY_OK);
    assert_string_equal(f.panels->x.names[0], "0.0245179");
    assert_string_equal(f.panels->x.names[1], "0.024518");
    assert_string_equal(f.panels->x.names[2], "0.3142");
    assert_int_equal(BUILD(chart_cost, .by = "train.lr"), CVY_OK);
    const figure_panel *p = &f.panels[1];
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < i; k++) differ(p->marks[i].label, p->marks[k].label);
    assert_int_equal(BUILD(chart_against, .x_path = "parameters", .by = "train.lr"), CVY_OK);
    differ(f.panels->marks[1].label, f.panels->marks[2].label);
    assert_int_equal(BUILD(chart_speed, 0), CVY_OK);
    differ(f.panels->marks[1].label, f.panels->marks[2].label);
    assert_int_equal(BUILD(chart_contour, .by = "train.lr,model.blocks"), CVY_OK);
    assert_int_equal(f.panels->x.n_names, 3);
    assert_string_equal(f.panels->x.names[0], "0.0245179");
    assert_string_equal(f.panels->x.names[2], "0.314159");
    assert_int_equal(f.panels->y.n_names, 3);
    differ(f.panels->y.names[0], f.panels->y.names[1]);
    differ(f.panels->y.names[0], f.panels->y.names[2]);
}

static void names(void **state)
{
    (void)state;
    const char *tidy[] = {"lr 0.12345678",   NULL,    "lr 0.12345679", "lr 0.12345678",
                          "lr 0.5000000001", "lr 0.5"};
    names_tidy(tidy, 6, &a);
    assert_string_equal(tidy[0], "lr 0.12345678");
    assert_null(tidy[1]);
    assert_string_equal(tidy[2], "lr 0.12345679");
    assert_string_equal(tidy[0], tidy[3]); /* the same name stays the same */
    assert_string_equal(tidy[4], "lr 0.5000000001");
    assert_string_equal(tidy[5], "lr 0.5");
    const char *cut[] = {"adam, depth 3, width 8", "adam, depth 3, width 9", "sgd",
                         "sgd, depth 3, \xc3\xa9\xc3\xa9"};
    names_cut(cut, 4, 12, &a);
    assert_string_equal(cut[0], "…width 8");
    assert_string_equal(cut[1], "…width 9");
    assert_string_equal(cut[2], "sgd");
    assert_string_equal(cut[3], "sgd, depth …");
    const char *far[] = {"aaaaaaaaaa x bbbbbbbbbb 1", "aaaaaaaaaa x bbbbbbbbbb 2",
                         "aaaaaaaaaa y bbbbbbbbbb 1", "aaaaaaaaaa y bbbbbbbbbb 2"};
    names_cut(far, 4, 8, &a);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++) differ(far[i], far[k]);
}

/* A logarithm of words there is none, and none that a bar could begin at. */
static void logarithms(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_against, .x_path = "train.optimizer.type", .log_x = true), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[e.n - 1].what, "words, which have no logarithm"));
    assert_int_equal(BUILD(chart_final, .by = "train.lr", .log_y = true), CVY_OK);
    assert_null(mark(f.panels, FIGURE_BARS, NULL));
    assert_true(f.panels->y.log);
}

static void speed(void **state)
{
    (void)state;
    make_grid("sgd");
    assert_int_equal(BUILD(chart_speed, .most = 2), CVY_OK);
    assert_int_equal(f.panels->n, 2);
    near(f.panels->marks[0].y[1], 2000);
    says("the best 2 of 6");
}

/* ---- little, and nothing ---- */

static chart_builder *const kinds[] = {chart_final, chart_cost,    chart_against,    chart_parallel,
                                       chart_slice, chart_contour, chart_importance, chart_history,
                                       chart_rungs, chart_speed};

static void no_values(void **state)
{
    (void)state;
    made_sweep(results, "s1", 2);
    const double broken[] = {(double)NAN, (double)INFINITY};
    make(1, 0, 1, ",\"train.lr\":\"0.1\"", broken, 2, NULL);
    make(2, 1, 1, ",\"train.lr\":\"0.2\"", broken, 0, NULL);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(BUILD(kinds[i], 0), CVY_ERR_CONFIG);
        assert_non_null(strstr(e.items[e.n - 1].what, "no run has a finite val_accuracy yet"));
    }
    bool nothing = false;
    assert_int_equal(BUILD(chart_final, .metric = "val_acuracy", .nothing = &nothing), CVY_ERR_CONFIG);
    assert_non_null(strstr(e.items[e.n - 1].hint, "did you mean val_accuracy?"));
    assert_false(nothing); /* a mistake, unlike a metric that is there and never finite */
    assert_int_equal(BUILD(chart_final, .metric = "val_accuracy", .nothing = &nothing), CVY_ERR_CONFIG);
    assert_true(nothing);
    assert_int_equal(BUILD(chart_final, .metric = "val_loss,lr"), CVY_ERR_CONFIG);
    chart_request nobody = {.groups = &(groups){0}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        assert_int_equal(kinds[i](s, &nobody, &a, &f, &e), CVY_ERR_CONFIG);
}

/* One run with a value, one whose value is no number. */
static void one_value(void **state)
{
    (void)state;
    made_sweep(results, "s1", 2);
    const double good = 0.5, broken = (double)NAN;
    make(1, 0, 1, ",\"train.lr\":\"0.1\"", &good, 1, NULL);
    make(2, 1, 1, ",\"train.lr\":\"0.2\"", &broken, 1, NULL);
    assert_int_equal(BUILD(chart_final, 0), CVY_OK);
    near(mark(f.panels, FIGURE_POINTS, "mean")->y[0], 50);
    says("one seed each, so no interval");
    says("1 run without a value left out");
    assert_int_equal(BUILD(chart_cost, 0), CVY_OK);
    assert_int_equal(BUILD(chart_against, 0), CVY_OK);
    assert_int_equal(f.panels->marks[0].n, 1);
    assert_int_equal(BUILD(chart_parallel, 0), CVY_OK);
    assert_int_equal(mark(f.panels, FIGURE_SEGMENTS, "configuration")->n, 1);
    assert_int_equal(BUILD(chart_slice, 0), CVY_OK);
    assert_int_equal(BUILD(chart_history, 0), CVY_OK);
    says("1 configuration; 1 without a value left out");
    assert_int_equal(BUILD(chart_rungs, 0), CVY_ERR_CONFIG); /* nothing was stopped early */
    assert_int_equal(BUILD(chart_speed, 0), CVY_OK);
    assert_int_equal(BUILD(chart_contour, 0), CVY_ERR_CONFIG);
    assert_int_equal(BUILD(chart_importance, 0), CVY_ERR_CONFIG);
}

/* ---- evaluations and profiles ---- */

static void confusion(void **state)
{
    (void)state;
    const int64_t counts[] = {8, 2, 0, 0, 5, 5, 0, 0, 0};
    static const char *const names[] = {"cat", "dog", "eel"};
    chart_confusion(counts, 3, names, "title", "test samples", &a, &f);
    const figure_mark *cells = f.panels->marks;
    assert_int_equal(cells->n, 9);
    near(cells->value[0], 80);
    near(cells->y[0], 2); /* the first class on top */
    near(cells->value[1], 20);
    assert_true(isnan(cells->value[2]) && isnan(cells->value[8]));
    assert_string_equal(f.panels->x.names[0], "cat");
    assert_string_equal(f.panels->y.names[0], "eel");
    says("n = 20 samples, 65.00 % right");
    int64_t *many = mem_array(50 * 50, sizeof *many);
    for (int i = 0; i < 50; i++) many[51 * i] = 10;
    many[50 * 7 + 9] = 3; /* classes 7 and 9 have mistakes */
    chart_confusion(many, 50, NULL, "title", NULL, &a, &f);
    assert_int_equal(f.panels->x.n_names, CHART_CONFUSION_MOST);
    assert_string_equal(f.panels->x.names[7], "7");
    says("the 30 of 50 classes with the most mistakes");
    mem_free(many);
    chart_confusion(counts + 6, 1, NULL, "title", NULL, &a, &f);
    assert_string_equal(f.panels->said, "no samples");
}

static void calibration(void **state)
{
    (void)state;
    const chart_bin bins[] = {{0, 0, 0}, {10, 5, 6}, {90, 81, 80}};
    chart_calibration(bins, 3, 0.02, "title", NULL, &a, &f);
    const figure_mark *points = mark(&f.panels[0], FIGURE_POINTS, NULL);
    assert_int_equal(points->n, 2);
    near(points->x[0], 60);
    near(points->y[0], 50);
    /* Wilson's interval of 5 in 10: 0.2366 to 0.7634. */
    assert_true(fabs(points->low[0] - 23.659) < 0.001 && fabs(points->high[0] - 76.341) < 0.001);
    near(f.panels[1].marks[0].y[2], 90);
    says("calibration error 2.00 %");
    chart_calibration(bins, 1, (double)NAN, "title", NULL, &a, &f);
    assert_string_equal(f.panels[0].said, "no samples");
}

static void layers(void **state)
{
    (void)state;
    chart_layer all[40];
    static char names[30][8];
    for (int i = 0; i < 40; i++) { /* each of the first ten twice */
        snprintf(names[i % 30], sizeof names[0], "l%d", i % 30);
        all[i] = (chart_layer){names[i % 30], i < 30 ? 1e-3 : 0, i < 30 ? 0 : 2e-3};
    }
    chart_layers(all, 12, "title", "batch 1", &a, &f);
    assert_int_equal(f.panels->marks[0].n, 12);
    chart_layers(all, 40, "title", "batch 1", &a, &f);
    assert_int_equal(f.panels->marks[0].n, CHART_LAYERS_MOST);
    near(f.panels->marks[0].y[0], 1);
    near(f.panels->marks[1].y[0], 2);
    near(f.panels->marks[1].y[10], 0);
    says("not shown: 6 with 6 ms together");
    chart_layers(all, 0, "title", "batch 1", &a, &f);
    assert_string_equal(f.panels->said, "no time was measured");
}

/* ---- pictures ---- */

static void draw(const char *name)
{
    char *prefix = path_join(results, name), *path = mem_printf("%s.svg", prefix), *svg = NULL;
    size_t n = 0;
    cvy_status status = charts_write(&f, CHARTS_FORMAT(FIGURE_SVG), 0, prefix, &e);
    if (status != CVY_OK) print_error("%s: %s\n", name, e.items[e.n - 1].what);
    assert_int_equal(status, CVY_OK);
    assert_int_equal(file_read(path, 1u << 26, &svg, &n, NULL), CVY_OK);
    assert_non_null(strstr(svg, "</svg>"));
    mem_free(svg);
    mem_free(path);
    mem_free(prefix);
}

static void pictures(void **state)
{
    (void)state;
    if (system("gnuplot --version >/dev/null 2>&1") != 0) skip();
    made_sweep(results, "s1", 6);
    make_grid("'`id` % %d $x @a_b^c{d} <e> & \\\\n \\u0001 \\u00e9 # ]");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_int_equal(BUILD(kinds[i], .title = "'; system 'false' # %s"), CVY_OK);
        char name[16];
        snprintf(name, sizeof name, "kind%zu", i);
        draw(name);
    }
    const int64_t counts[] = {8, 2, 5, 5};
    static const char *const names[] = {"'%d`", "\"\n%s"};
    chart_confusion(counts, 2, names, "%", "'", &a, &f);
    draw("confusion");
    const chart_bin bins[] = {{3, 1, 1.5}, {4, 4, 3}};
    chart_calibration(bins, 2, 0.1, "`", "%f", &a, &f);
    draw("calibration");
    const chart_layer one = {"conv'%s", 1e-3, 2e-3};
    chart_layers(&one, 1, "%d", "'", &a, &f);
    draw("layers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(final),
        BED_TEST(cost),
        BED_TEST(captions),
        BED_TEST(folds),
        BED_TEST(colours),
        BED_TEST(against),
        BED_TEST(parallel),
        BED_TEST(slice),
        BED_TEST(contour),
        BED_TEST(contour_of_points),
        BED_TEST(contour_of_nothing),
        BED_TEST(importance_bars),
        BED_TEST(history),
        BED_TEST(rungs),
        BED_TEST(unfinished),
        BED_TEST(drawn_numbers),
        BED_TEST(names),
        BED_TEST(logarithms),
        BED_TEST(speed),
        BED_TEST(no_values),
        BED_TEST(one_value),
        BED_TEST(confusion),
        BED_TEST(calibration),
        BED_TEST(layers),
        BED_TEST(pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
