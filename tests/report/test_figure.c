/* Tests that figures become scripts and pictures: every kind of mark, what cannot be drawn, texts that would be commands. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/figure.h"

static const double none = (double)NAN, endless = (double)INFINITY;
static const double xs[] = {1, 2, 3, 4}, ys[] = {0.5, 0.25, 0.75, 0.5}, lows[] = {0.4, 0.2, 0.7, 0.4},
                    highs[] = {0.6, 0.3, 0.8, 0.6}, across[] = {2, 3, 4, 5};
static const char *const names[] = {"first", "second", "third", "fourth"};

static void auto_axes(figure_panel *p)
{
    p->x.low = p->x.high = p->y.low = p->y.high = p->colour.low = p->colour.high = none;
}

static char *script_of(const figure_mark *marks, size_t n, figure_panel p, figure_format format)
{
    auto_axes(&p);
    p.marks = marks;
    p.n = n;
    const figure f = {.title = "title", .caption = "caption", .panels = &p, .n = 1, .key = true};
    const figure_look look = {.format = format};
    text script = {0};
    figure_script(&f, &look, &script);
    return text_take(&script);
}

static cvy_status draw(const figure *f, figure_format format, double inches, char **out, size_t *n)
{
    errors e = {0};
    text t = {0};
    const figure_look look = {.format = format, .inches = inches};
    const cvy_status status = figure_draw(f, &look, NULL, &t, &e);
    if (status != CVY_OK) print_message("%s\n", e.items[0].what);
    *n = t.n;
    *out = text_take(&t);
    errors_free(&e);
    return status;
}

static bool has(const char *s, const char *what)
{
    return strstr(s, what) != NULL;
}

static void scripts(void **state)
{
    (void)state;
    static const struct {
        figure_mark m;
        const char *said[3];
    } cases[] = {
        {{.kind = FIGURE_LINE, .label = "a", .low = lows, .high = highs},
         {"with filledcurves", "with lines", " 2 0.25\n"}},
        {{.kind = FIGURE_LINE, .label = "a", .faint = true}, {"lc rgb '#A00072B2'", "with lines", "'a'"}},
        {{.kind = FIGURE_LINE, .label = "a", .dashed = true}, {"dt (10,6)", "'a'", "'caption'"}},
        {{.kind = FIGURE_LINE, .label = "a", .colour = 7}, {"dt (16,5,3,5)", "'title'", "#000072B2"}},
        {{.kind = FIGURE_STEPS, .label = "a"}, {"with steps", "'a'", " 4 0.5\n"}},
        {{.kind = FIGURE_POINTS, .label = "a", .ringed = true, .names = names},
         {"with points pt 7", "pt 6", "'third'"}},
        {{.kind = FIGURE_BARS, .label = "a", .low = lows, .high = highs},
         {"with boxxyerror", " 2 0.25 1.6 2.4 0 0.25\n", "noborder"}},
        {{.kind = FIGURE_SEGMENTS, .x2 = across, .y2 = ys, .value = xs},
         {"lc palette", " 2 0.5 1\n\n 2 0.25 2\n", "set colorbox"}},
        {{.kind = FIGURE_CELLS, .value = ys}, {"fc palette", "with labels", " 1 0.5 0.5 1.5"}},
        {{.kind = FIGURE_TEXT, .names = names}, {"'second' at first 2, first 0.25", "'fourth'", "front"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        figure_mark m = cases[i].m;
        m.x = xs;
        m.y = ys;
        m.n = 4;
        for (int format = FIGURE_PNG; format <= FIGURE_PDF; format++) {
            char *s = script_of(&m, 1, (figure_panel){.title = "p"}, (figure_format)format);
            for (size_t k = 0; k < 3; k++)
                if (!has(s, cases[i].said[k])) fail_msg("case %zu: no %s in\n%s", i, cases[i].said[k], s);
            mem_free(s);
        }
        figure_panel p = {.marks = &m, .n = 1};
        auto_axes(&p);
        const figure f = {.panels = &p, .n = 1, .key = true};
        char *out;
        size_t n;
        assert_int_equal(draw(&f, FIGURE_SVG, 0, &out, &n), CVY_OK);
        assert_true(text_starts(out, "<?xml") && has(out, "</svg>"));
        mem_free(out);
        assert_int_equal(draw(&f, FIGURE_DUMB, 0, &out, &n), CVY_OK);
        mem_free(out);
    }
}

/* Ticks at the values that there are, unless they would lie on each other; long words in place of marks in several lines. */
static void ticks_and_words(void **state)
{
    (void)state;
    const double depths[] = {20, 32, 44, 56}, close[] = {20, 20.01, 20.02, 56};
    figure_mark m = {.kind = FIGURE_POINTS, .x = depths, .y = ys, .n = 4};
    figure_panel p = {.marks = &m, .n = 1};
    auto_axes(&p);
    p.x.ticks = depths;
    p.x.n_ticks = 4;
    const figure f = {.panels = &p, .n = 1};
    const figure_look look = {.format = FIGURE_PNG};
    text script = {0};
    figure_script(&f, &look, &script);
    assert_true(has(text_str(&script), "('20' 20, '32' 32, '44' 44, '56' 56)"));
    text_free(&script);
    m.x = p.x.ticks = close;
    figure_script(&f, &look, &script);
    assert_false(has(text_str(&script), "20.01'"));
    text_free(&script);
    p.said = "no configuration with a value has both this parameter with quite a long name and that "
             "parameter, which has one too";
    figure_script(&f, &(figure_look){.format = FIGURE_PNG, .inches = 3.5}, &script);
    assert_true(has(text_str(&script), "'no configuration"));
    assert_false(has(text_str(&script), p.said) || has(text_str(&script), "..."));
    assert_true(has(text_str(&script), "one too'"));
    text_free(&script);
}

/* Every format, and the widths of print. */
static void formats(void **state)
{
    (void)state;
    const figure_mark m[] = {
        {.kind = FIGURE_LINE, .label = "curve <1>", .x = xs, .y = ys, .n = 4},
        {.kind = FIGURE_POINTS, .label = "p", .x = xs, .y = lows, .names = names, .n = 4}};
    figure_panel p = {.x.label = "epoch", .y.label = "loss", .marks = m, .n = 2};
    auto_axes(&p);
    const figure f = {.title = "t", .panels = &p, .n = 1, .key = true};
    char *out, *again;
    size_t n, n_again;
    assert_int_equal(draw(&f, FIGURE_PNG, 3.5, &out, &n), CVY_OK);
    assert_memory_equal(out, "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal((unsigned char)out[18] << 8 | (unsigned char)out[19], 1050); /* 3.5 inches of 300 dots */
    assert_int_equal(draw(&f, FIGURE_PNG, 3.5, &again, &n_again), CVY_OK);
    assert_int_equal(n, n_again);
    assert_memory_equal(out, again, n);
    mem_free(out);
    mem_free(again);
    assert_int_equal(draw(&f, FIGURE_SVG, 7, &out, &n), CVY_OK);
    assert_true(has(out, "<title>curve &lt;1&gt;</title>")); /* what the pointer shows */
    assert_true(has(out, "<title>p: third</title>"));
    assert_false(has(out, "gnuplot_plot_") || has(out, "<script"));
    assert_int_equal(draw(&f, FIGURE_SVG, 7, &again, &n_again), CVY_OK);
    assert_string_equal(out, again);
    mem_free(again);
    for (const char *s = out; (s = strstr(s, "font-size=\"")); s++)
        assert_true(strtod(s + strlen("font-size=\""), NULL) >= 8 * 96 / 72.0); /* 8 pt */
    mem_free(out);
    assert_int_equal(draw(&f, FIGURE_PDF, 7, &out, &n), CVY_OK);
    assert_memory_equal(out, "%PDF", 4);
    mem_free(out);
    assert_int_equal(draw(&f, FIGURE_DUMB, 0, &out, &n), CVY_OK);
    assert_true(has(out, "curve <1>") && has(out, "epoch"));
    mem_free(out);
}

/* Gaps stay gaps, what stands alone is a point, and a panel without anything says so. */
static void unfinished(void **state)
{
    (void)state;
    const double gaps[] = {0.5, none, 0.75, endless}, nothing[] = {none, endless, -endless, none},
                 negative[] = {-1, -2, 0, -3}, huge[] = {1e300, -1e300, 1.7e308, 0};
    figure_mark m = {.kind = FIGURE_LINE, .label = "a", .x = xs, .y = gaps, .n = 4};
    char *s = script_of(&m, 1, (figure_panel){0}, FIGURE_PNG);
    assert_true(has(s, "with points pt 7") && has(s, " 1 0.5\n 3 0.75\nEOD"));
    assert_false(has(s, "nan") || has(s, "inf"));
    mem_free(s);
    const double *const empties[] = {nothing, negative, huge};
    for (size_t i = 0; i < 3; i++)
        for (int kind = FIGURE_LINE; kind <= FIGURE_TEXT; kind++) {
            const figure_mark one = {.kind = (figure_kind)kind,
                                     .label = "a",
                                     .x = xs,
                                     .y = empties[i],
                                     .x2 = across,
                                     .y2 = empties[i],
                                     .value = kind >= FIGURE_SEGMENTS ? empties[i] : NULL,
                                     .names = names,
                                     .n = 4};
            figure_panel p = {.y.log = i == 1, .marks = &one, .n = 1};
            auto_axes(&p);
            const figure f = {.panels = &p, .n = 1, .key = true};
            char *out;
            size_t n;
            assert_int_equal(draw(&f, FIGURE_SVG, 0, &out, &n), CVY_OK);
            if (i < 2) assert_true(has(out, "no finite values"));
            mem_free(out);
        }
    figure_panel said[] = {{.said = "no values"}, {.n = 0}}; /* with zeroed axes too */
    const figure f = {.panels = said, .n = 2};
    char *out;
    size_t n;
    assert_int_equal(draw(&f, FIGURE_SVG, 0, &out, &n), CVY_OK);
    assert_true(has(out, "no values") && has(out, "no finite values"));
    mem_free(out);
    assert_int_equal(draw(&f, FIGURE_DUMB, 0, &out, &n), CVY_OK);
    mem_free(out);
    const figure blank = {.panels = said, .n = 0};
    assert_int_equal(draw(&blank, FIGURE_SVG, 0, &out, &n), CVY_OK);
    mem_free(out);
}

/* Whatever a text tries, in whichever place: it is shown and not done. */
static void hostile(void **state)
{
    (void)state;
    char dir[] = "/tmp/convoy-figure-XXXXXX", was[4096];
    assert_non_null(mkdtemp(dir));
    assert_non_null(getcwd(was, sizeof was));
    assert_int_equal(chdir(dir), 0);
    char *endless_text = mem_alloc(65537);
    memset(endless_text, '\'', 65536);
    memcpy(endless_text + 30, "`touch canary`", 14);
    const char *const evil[] = {"'); system('touch canary'); ('",
                                "`touch canary`",
                                "a\n!touch canary\n",
                                "\\\n'`touch canary`",
                                "$(touch canary)",
                                "@a `touch canary` '",
                                "\"`touch canary`\"",
                                "EOD\n!touch canary\nEOD",
                                "</title><script>alert(1)</script>",
                                "]]>&<!--",
                                "| touch canary",
                                "\x1b]0;x\x07\x1b[31m",
                                "{/Symbol a}_{b}",
                                "%s%n%n",
                                "\xff'`touch canary`\xfe",
                                "''.system('touch canary').''",
                                endless_text};
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        const char *const all[] = {evil[i], evil[i], evil[i], evil[i]};
        const figure_mark m[] = {{.kind = FIGURE_LINE, .label = evil[i], .x = xs, .y = ys, .n = 4},
                                 {.kind = FIGURE_POINTS,
                                  .label = evil[i],
                                  .ringed = true,
                                  .x = xs,
                                  .y = lows,
                                  .names = all,
                                  .n = 4},
                                 {.kind = FIGURE_TEXT, .x = xs, .y = highs, .names = all, .n = 4},
                                 {.kind = FIGURE_CELLS, .x = xs, .y = ys, .value = ys, .n = 4}};
        figure_panel p = {.title = evil[i],
                          .x = {.label = evil[i], .names = all, .n_names = 4, .low = none, .high = none},
                          .y = {.label = evil[i], .low = none, .high = none},
                          .colour = {.label = evil[i], .low = none, .high = none},
                          .marks = m,
                          .n = 4};
        const figure_panel panels[] = {p, {.title = evil[i], .said = evil[i]}};
        const figure f = {.title = evil[i], .caption = evil[i], .panels = panels, .n = 2, .key = true};
        for (int format = FIGURE_SVG; format <= FIGURE_DUMB; format += 2) {
            char *out;
            size_t n;
            if (draw(&f, (figure_format)format, 0, &out, &n) != CVY_OK) fail_msg("%.60s", evil[i]);
            assert_false(format == FIGURE_SVG && has(out, "<script"));
            for (size_t k = 0; k < n; k++)
                assert_true((unsigned char)out[k] >= 0x20 || out[k] == '\n' || out[k] == '\t' ||
                            out[k] == '\f');
            mem_free(out);
            assert_false(file_exists("canary"));
        }
    }
    mem_free(endless_text);
    assert_int_equal(chdir(was), 0);
    assert_int_equal(file_remove_tree(dir, NULL), CVY_OK);
}

/* A thousand curves of two hundred points: few enough bytes that gnuplot takes no time to speak of. */
static void many(void **state)
{
    (void)state;
    enum { CURVES = 1000, POINTS = 200 };
    double *x = mem_array(POINTS, sizeof *x), *y = mem_array((size_t)CURVES * POINTS, sizeof *y);
    figure_mark *m = mem_array(CURVES, sizeof *m);
    char(*labels)[16] = mem_array(CURVES, sizeof *labels);
    for (size_t i = 0; i < CURVES; i++) {
        snprintf(labels[i], sizeof labels[i], "r%zu", i);
        m[i] = (figure_mark){.kind = FIGURE_LINE,
                             .label = labels[i],
                             .colour = (int)i,
                             .x = x,
                             .y = y + i * POINTS,
                             .n = POINTS};
        for (size_t k = 0; k < POINTS; k++) {
            x[k] = (double)k;
            y[i * POINTS + k] = exp(-(double)k / (20 + (double)i / 10));
        }
    }
    figure_panel p = {.marks = m, .n = CURVES};
    auto_axes(&p);
    const figure f = {.panels = &p, .n = 1, .key = true};
    char *out;
    size_t n;
    assert_int_equal(draw(&f, FIGURE_SVG, 0, &out, &n), CVY_OK);
    assert_true(has(out, "<title>r999</title>") && has(out, "and 940 more"));
    assert_in_range(n, 100000, 8000000);
    mem_free(out);
    mem_free(labels);
    mem_free(m);
    mem_free(x);
    mem_free(y);
}

/* A hundred faint lines hide each other as much in one mark with gaps as in a hundred. */
static void gaps(void **state)
{
    (void)state;
    enum { LINES = 240 };
    double x[3 * LINES], y[3 * LINES];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        x[i] = (double)(i % 3);
        y[i] = i % 3 < 2 ? (double)i : none;
    }
    const figure_mark one = {.kind = FIGURE_LINE, .faint = true, .x = x, .y = y, .n = sizeof x / sizeof *x};
    char *s = script_of(&one, 1, (figure_panel){.title = "p"}, FIGURE_PNG);
    assert_true(has(s, "lc rgb '#E70072B2'")); /* 255 - 95 * 60 / 240 */
    mem_free(s);
}

/* Nothing is left out without a word. */
static void more_panels(void **state)
{
    (void)state;
    enum { PANELS = 65 };
    const figure_mark m = {.kind = FIGURE_LINE, .x = xs, .y = ys, .n = 4};
    figure_panel panels[PANELS];
    for (size_t i = 0; i < PANELS; i++) {
        panels[i] = (figure_panel){.marks = &m, .n = 1};
        auto_axes(&panels[i]);
    }
    for (size_t n = PANELS - 1; n <= PANELS; n++) {
        const figure f = {.caption = "said", .panels = panels, .n = n};
        const figure_look look = {.format = FIGURE_SVG};
        text script = {0};
        figure_script(&f, &look, &script);
        assert_true(has(text_str(&script), n == PANELS ? "'the first 64 of 65 panels; said'" : "'said'"));
        text_free(&script);
    }
}

/* Long names that begin alike. */
static void long_keys(void **state)
{
    (void)state;
    static const char *const labels[] = {
        "a residual network of many stages with channels 16, 32 and 64, lr 0.1",
        "a residual network of many stages with channels 16, 32 and 64, lr 0.2"};
    const figure_mark m[] = {
        {.kind = FIGURE_LINE, .label = labels[0], .x = xs, .y = ys, .n = 4},
        {.kind = FIGURE_LINE, .label = labels[1], .colour = 1, .x = xs, .y = ys, .n = 4}};
    static const figure_format formats_[] = {FIGURE_PNG, FIGURE_DUMB};
    for (size_t i = 0; i < 2; i++) {
        char *s = script_of(m, 2, (figure_panel){.title = "p"}, formats_[i]);
        if (!has(s, "lr 0.1'") || !has(s, "lr 0.2'")) fail_msg("%s", s);
        mem_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts),    cmocka_unit_test(ticks_and_words), cmocka_unit_test(formats),
        cmocka_unit_test(unfinished), cmocka_unit_test(hostile),         cmocka_unit_test(many),
        cmocka_unit_test(gaps),       cmocka_unit_test(more_panels),     cmocka_unit_test(long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
