/* `convoy plot`: charts of runs, sweeps and queries as pictures. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "cli/width.h"
#include "report/chart_query.h"
#include "report/charts.h"

enum { WORDS_SHOWN = 4 };

typedef struct options {
    const char *output, *metric, *x, *smooth, *band, *by, *facet, *format, *width, *script, *kind, *sql;
    bool log_x, log_y, kinds;
    int64_t most;
} options;

static const option_row rows[] = {
    OPTION(options, output, 'o', OPTION_TEXT, "PREFIX", "write PREFIX.png and PREFIX.svg"),
    OPTION(options, kind, 'k', OPTION_TEXT, "NAME", "the kind of chart; --kinds lists them"),
    OPTION(options, kinds, 0, OPTION_FLAG, NULL, "list the kinds of charts"),
    OPTION(options, metric, 'm', OPTION_TEXT, "NAMES",
           "metrics, with commas: val_accuracy,lr (loss: train and val); kinds beside curves take one"),
    OPTION(options, x, 0, OPTION_TEXT, "AXIS",
           "curves: epoch (default), step, images or time; against, drawn by itself for them: the PATH of a "
           "parameter, parameters, macs, seconds"),
    OPTION(options, by, 0, OPTION_TEXT, "PATH",
           "a curve for each value of this parameter: train.optimizer; contour: PATH,PATH"),
    OPTION(options, facet, 0, OPTION_TEXT, "PATH", "curves: a panel for each value of this parameter"),
    OPTION(options, band, 0, OPTION_TEXT, "BAND",
           "curves, against: over repeats sd (default), ci95, minmax, none"),
    OPTION(options, smooth, 0, OPTION_TEXT, "WEIGHT",
           "curves: moving average, 0 to below 1; the values stay faint behind"),
    OPTION(options, log_x, 0, OPTION_FLAG, NULL, "curves, against: logarithmic x axis"),
    OPTION(options, log_y, 0, OPTION_FLAG, NULL,
           "logarithmic axis of the metric; not for parallel, contour, importance"),
    OPTION_NUMBER(options, most, 0, "N", 0, 0, 100000,
                  "show the best N, of parameters the first (0: what the kind finds readable); not for "
                  "contour, history, rungs"),
    OPTION(options, sql, 0, OPTION_TEXT, "SELECT",
           "draw an own query's columns: x, y [, series]; VALUEs follow for its ?"),
    OPTION(options, format, 0, OPTION_TEXT, "NAMES",
           "png, svg, pdf; term or sixel: in the terminal (default png,svg)"),
    OPTION(options, width, 0, OPTION_TEXT, "INCHES",
           "for print: 3.5 (one column) or 7, with no text below 8 pt"),
    OPTION(options, script, 0, OPTION_TEXT, "FILE", "save the gnuplot script with its data, to be run again"),
};

/* What is drawn into. */
typedef struct target {
    unsigned formats; /* files */
    bool letters, sixel;
    double inches;
} target;

/* "r12", "r1-r2-r5", "r1-r2-and-6-more": part of a file name, so only names of runs and sweeps. */
static char *subject(const query_run *runs, size_t n, const char *sweep)
{
    if (sweep) return mem_text(sweep);
    text t = {0};
    for (size_t i = 0; i < n && i < WORDS_SHOWN; i++) text_printf(&t, "%s%s", i ? "-" : "", runs[i].name);
    if (n > WORDS_SHOWN) text_printf(&t, "-and-%zu-more", n - WORDS_SHOWN);
    return text_take(&t);
}

static char *title_of(const query_run *runs, size_t n, const char *sweep)
{
    text t = {0};
    bool shared = n && runs[0].experiment && *runs[0].experiment;
    for (size_t i = 1; i < n && shared; i++)
        shared = runs[i].experiment && !strcmp(runs[i].experiment, runs[0].experiment);
    if (sweep)
        text_printf(&t, "%s", sweep);
    else if (n == 1)
        text_printf(&t, "%s", runs[0].name);
    if (shared) text_printf(&t, "%s%s", t.n ? ": " : "", runs[0].experiment);
    if (n == 1 && runs[0].label && *runs[0].label) text_printf(&t, " (%s)", runs[0].label);
    if (!t.n) {
        char *names = subject(runs, n, NULL);
        text_add(&t, names);
        mem_free(names);
    }
    return text_take(&t);
}

/* Into the run's or the sweep's own folder; into the results folder for several. */
static char *default_prefix(store *s, const query_run *runs, size_t n, const char *sweep)
{
    char *name = subject(runs, n, sweep), *prefix;
    const char *owner = sweep ? sweep : n == 1 ? runs[0].name : NULL;
    char *folder = owner ? path_join(store_results(s), owner) : NULL;
    if (folder && file_is_dir(folder))
        prefix = path_join(folder, name);
    else
        prefix = path_join(store_results(s), name);
    mem_free(folder);
    mem_free(name);
    return prefix;
}

static char *given_prefix(const char *output)
{
    size_t n = strlen(output);
    if (text_ends(output, ".png") || text_ends(output, ".svg") || text_ends(output, ".pdf")) n -= 4;
    return mem_text_n(output, n);
}

/* ---- arguments ---- */

/* Number of the word among n; reported when it is none of them. */
static size_t one_of(const char *option, const char *word, const char *const *words, size_t n, errors *e)
{
    text all = {0}, safe = {0}, hint = {0};
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(words[i], word)) {
            text_free(&all);
            return i;
        }
        text_printf(&all, "%s%s", i ? ", " : "", words[i]);
    }
    const char *nearest = text_nearest(word, words, n);
    if (nearest) text_printf(&hint, "did you mean `%s`?", nearest);
    text_safe(&safe, word, 60);
    errors_add(e, CVY_ERR_CONFIG, NULL, hint.n ? text_str(&hint) : NULL, "%s is one of %s, not \"%s\"",
               option, text_str(&all), text_str(&safe));
    text_free(&all);
    text_free(&safe);
    text_free(&hint);
    return 0;
}

static double number_of(const char *option, const char *word, double least, double below, errors *e)
{
    char *end = NULL;
    const double v = strtod(word, &end);
    if (end == word || *end || !(v >= least && v < below)) {
        text safe = {0};
        text_safe(&safe, word, 60);
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s takes a number from %g to below %g, not \"%s\"", option,
                   least, below, text_str(&safe));
        text_free(&safe);
        return least;
    }
    return v;
}

static target target_of(const options *o, errors *e)
{
    static const char *const names[] = {"png", "svg", "pdf", "term", "sixel"};
    target t = {0};
    const char *given = o->format ? o->format : "png,svg";
    for (const char *s = given; s;) {
        const size_t n = strcspn(s, ",");
        char *word = mem_text_n(s, n);
        s = s[n] ? s + n + 1 : NULL;
        switch (one_of("--format", word, names, 5, e)) {
        case 0:
            t.formats |= CHARTS_FORMAT(FIGURE_PNG);
            break;
        case 1:
            t.formats |= CHARTS_FORMAT(FIGURE_SVG);
            break;
        case 2:
            t.formats |= CHARTS_FORMAT(FIGURE_PDF);
            break;
        case 3:
            t.letters = true;
            break;
        default:
            t.sixel = true;
            break;
        }
        mem_free(word);
    }
    if (o->width) t.inches = number_of("--width", o->width, 2, 40, e);
    return t;
}

/* Whether --x names what whole runs differ in, and no axis of curves. */
static bool against(const options *o)
{
    static const char *const measures[] = {"parameters", "macs", "seconds"};
    bool is = o->x && (strchr(o->x, '.') || (o->kind && !strcmp(o->kind, "against")));
    for (size_t i = 0; o->x && i < 3; i++) is = is || !strcmp(o->x, measures[i]);
    return is;
}

static void fill_request(const options *o, chart_request *r, errors *e)
{
    static const char *const axes[] = {"epoch", "step", "images", "time"};
    static const char *const bands[] = {"sd", "ci95", "minmax", "none"};
    r->metric = o->metric;
    r->by = o->by;
    r->facet = o->facet;
    r->log_x = o->log_x;
    r->log_y = o->log_y;
    r->most = (size_t)o->most;
    if (against(o))
        r->x_path = o->x;
    else if (o->x)
        r->x = (chart_x)one_of("--x", o->x, axes, 4, e), r->has_x = true;
    if (o->band) r->band = (chart_band)one_of("--band", o->band, bands, 4, e);
    if (o->smooth) r->smooth = number_of("--smooth", o->smooth, 0, 1, e);
}

/* ---- what a kind has no use for ---- */

typedef struct use {
    const char *option;
    unsigned part; /* of what a kind takes */
    bool given;
} use;

/* The first option that was given and that the kind would ignore. */
static bool find_unused(const options *o, const chart_request *r, const chart_kind *kind, use *found)
{
    const use all[] = {{"metric", CHART_METRIC, o->metric}, {"by", CHART_BY, o->by},
                       {"facet", CHART_FACET, o->facet},    {"x", r->x_path ? CHART_X_PATH : CHART_X, o->x},
                       {"band", CHART_BAND, o->band},       {"smooth", CHART_SMOOTH, o->smooth},
                       {"log-x", CHART_LOG_X, o->log_x},    {"log-y", CHART_LOG_Y, o->log_y},
                       {"most", CHART_MOST, o->most != 0}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *found = all[i];
        if (found->given && !(kind->takes & found->part)) return true;
    }
    return false;
}

/* "curves, against" */
static void list_takers(unsigned part, text *t)
{
    for (size_t i = 0; i < chart_kinds_n; i++)
        if (chart_kinds[i].takes & part) text_printf(t, "%s%s", t->n ? ", " : "", chart_kinds[i].name);
}

/* ---- output ---- */

static void print_paths(const common *c, const target *to, const char *prefix, const char *script)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_key(&w, "files");
    json_open(&w, '[');
    for (int f = FIGURE_PNG; f <= FIGURE_PDF; f++) {
        if (!(to->formats & CHARTS_FORMAT(f))) continue;
        char *path = mem_printf("%s.%s", prefix, charts_ending((figure_format)f));
        if (!c->json) cli_print_path(path);
        json_text(&w, path);
        mem_free(path);
    }
    if (script && !c->json) cli_print_path(script);
    if (script) json_text(&w, script);
    json_close(&w, ']');
    json_close(&w, '}');
    if (c->json)
        cli_print_json(&w);
    else
        text_free(&w.out);
}

static int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* gnuplot begins each page of letters with one, and none comes from a name. */
static void drop_form_feeds(text *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->s[i] != '\f' && !(t->s[i] == '\n' && n == 0)) t->s[n++] = t->s[i];
    t->n = n;
    if (t->s) t->s[n] = '\0';
}

static void draw_here(const figure *f, figure_format format, errors *e)
{
    text out = {0};
    const figure_look look = {.format = format, .columns = terminal_columns()};
    if (figure_draw(f, &look, NULL, &out, e) == CVY_OK) {
        if (format == FIGURE_DUMB) drop_form_feeds(&out);
        cli_print_raw(&out);
    }
    text_free(&out);
}

/* Where nothing is wrong but that there is nothing to draw yet: a picture that says so, and a warning. */
static bool say_nothing(const char *title, arena *a, figure *f, errors *e)
{
    text why = {0};
    errors told = {0};
    errors_move(&told, e);
    for (size_t i = 0; i < told.n; i++) {
        const message *m = &told.items[i];
        if (!m->warning && !why.n) text_add(&why, m->what);
        errors_warn(e, NULL, m->hint, "%s", m->what);
    }
    errors_free(&told);
    chart_say_nothing(title, text_str(&why), a, f);
    text_free(&why);
    return true;
}

static cvy_status save_script(const figure *f, const options *o, const target *to, errors *e)
{
    text script = {0};
    figure_look look = {.format = FIGURE_SVG, .inches = to->inches};
    if (to->letters) look.format = FIGURE_DUMB;
    if (to->formats & CHARTS_FORMAT(FIGURE_PDF)) look.format = FIGURE_PDF;
    if (to->formats & CHARTS_FORMAT(FIGURE_PNG)) look.format = FIGURE_PNG;
    if (to->formats == CHARTS_FORMAT(FIGURE_SVG)) look.format = FIGURE_SVG;
    figure_script(f, &look, &script);
    cvy_status status = file_replace(o->script, text_str(&script), script.n, e);
    text_free(&script);
    return status;
}

static void deliver(const common *c, const options *o, const figure *f, const target *to, const char *prefix,
                    errors *e)
{
    if (to->letters) draw_here(f, FIGURE_DUMB, e);
    if (to->sixel) draw_here(f, FIGURE_SIXEL, e);
    if (to->formats && charts_write(f, to->formats, to->inches, prefix, e) != CVY_OK) return;
    if (o->script && save_script(f, o, to, e) != CVY_OK) return;
    if (errors_status(e) == CVY_OK) print_paths(c, to, prefix, o->script);
}

static int list_kinds(const common *c)
{
    text t = {0};
    json_writer w = {0};
    json_open(&w, '{');
    for (size_t i = 0; i < chart_kinds_n; i++) {
        text_printf(&t, "%-14s %s\n", chart_kinds[i].name, chart_kinds[i].summary);
        json_put_text(&w, chart_kinds[i].name, chart_kinds[i].summary);
    }
    json_close(&w, '}');
    if (c->json) {
        cli_print_json(&w);
    } else {
        text_free(&w.out);
        cli_print(&t);
    }
    text_free(&t);
    return 0;
}

/* ---- the two ways to a figure ---- */

static void plot_query(const common *c, const options *o, const target *to, char **values, int n, errors *e)
{
    arena a = {0};
    figure f;
    bool nothing = false;
    store *s = results_open(c, e);
    const chart_query q = {.statement = o->sql,
                           .values = (const char *const *)values,
                           .n = (size_t)n,
                           .log_x = o->log_x,
                           .log_y = o->log_y,
                           .nothing = &nothing};
    if (s && (chart_query_figure(s, &q, &a, &f, e) == CVY_OK || (nothing && say_nothing(NULL, &a, &f, e)))) {
        char *prefix = o->output ? given_prefix(o->output) : path_join(store_results(s), "query");
        deliver(c, o, &f, to, prefix, e);
        mem_free(prefix);
    }
    store_close(s);
    arena_free(&a);
}

static void plot_runs(const common *c, const options *o, chart_request *r, const chart_kind *kind,
                      const target *to, char **words, int n, errors *e)
{
    arena a = {0};
    query_run *runs = NULL;
    size_t n_runs = 0;
    bool by_run = true, nothing = false;
    const char *named = kind ? kind->name : NULL;
    groups g = {0};
    store *s = results_open(c, e);
    if (s && results_find(s, words, n, &a, &runs, &n_runs, &by_run, &r->sweep, e) == CVY_OK) {
        r->runs = runs;
        r->n = n_runs;
        if (!kind) kind = charts_usual_kind(s, r, e);
        use other; /* what only curves have a use for asks for them */
        if (!named && kind && find_unused(o, r, kind, &other)) kind = chart_kind_named("curves", e);
        const bool by = r->by && kind && !kind->by_itself;
        cvy_status status = by ? charts_group_by(s, runs, n_runs, r->by, &a, &g, e)
                               : groups_make(s, runs, n_runs, by_run, &a, &g, e);
        if (!by_run && !by && status == CVY_OK) groups_sort(&g); /* runs named one by one keep their order */
        char *prefix = o->output ? given_prefix(o->output) : default_prefix(s, runs, n_runs, r->sweep);
        char *title = title_of(runs, n_runs, r->sweep);
        figure f;
        r->groups = &g;
        r->title = title;
        r->nothing = &nothing;
        if (status == CVY_OK && kind &&
            (kind->build(s, r, &a, &f, e) == CVY_OK || (nothing && say_nothing(title, &a, &f, e)))) {
            if (named && !o->output && strcmp(named, "curves") != 0) { /* beside the curves, not over them */
                char *longer = mem_printf("%s-%s", prefix, named);
                mem_free(prefix);
                prefix = longer;
            }
            deliver(c, o, &f, to, prefix, e);
        }
        mem_free(prefix);
        mem_free(title);
    }
    store_close(s);
    arena_free(&a);
}

/* The kind that is asked for, by its name or by what --x says; NULL: none, or reported. */
static const chart_kind *kind_of(const options *o, const chart_request *r, errors *e)
{
    const char *named = o->kind ? o->kind : r->x_path ? "against" : NULL;
    return named ? chart_kind_named(named, e) : NULL;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    if (o->kinds) return list_kinds(c);
    if (!argc && !o->sql) return cli_usage(self, c, "which runs or sweeps?");
    if (o->sql && (o->kind || o->metric || o->by || o->facet || o->x || o->band || o->smooth || o->most))
        return cli_usage(self, c,
                         "--sql says itself what is drawn: without --kind, --metric, --by, --facet, --x, "
                         "--band, --smooth, --most");
    errors e = {0};
    chart_request r = {0};
    const target to = target_of(o, &e);
    fill_request(o, &r, &e);
    const chart_kind *kind = o->sql ? NULL : kind_of(o, &r, &e);
    if (errors_status(&e) != CVY_OK) return cli_fail(c, &e);
    if (!to.formats && (o->output || o->width))
        return cli_usage(self, c, "--%s is for files: with --format png, svg or pdf",
                         o->output ? "output" : "width");
    use unused;
    if (kind && find_unused(o, &r, kind, &unused)) {
        text takers = {0};
        list_takers(unused.part, &takers);
        const int code =
            cli_usage(self, c, "--kind %s has no use for --%s%s, which is for %s", kind->name, unused.option,
                      unused.part == CHART_X_PATH ? " PATH" : "", text_str(&takers));
        text_free(&takers);
        return code;
    }
    if (o->sql)
        plot_query(c, o, &to, argv, argc, &e);
    else
        plot_runs(c, o, &r, kind, &to, argv, argc, &e);
    return cli_fail(c, &e);
}

const command cmd_plot = {
    .name = "plot",
    .summary = "Draw charts of runs and sweeps: PNG, SVG, PDF, or in the terminal",
    .usage =
        "convoy plot RUN|SWEEP... [-o PREFIX] [--kind NAME] [--metric NAMES] [--by PATH] [--facet PATH]\n"
        "convoy plot --sql \"SELECT x, y [, series] ...\" [VALUE ...]",
    .examples = "convoy plot last\n"
                "convoy plot s3 --metric val_accuracy --by train.optimizer --band ci95\n"
                "convoy plot r1 r2 -o figures/sgd-against-adam --format pdf --width 3.5\n"
                "convoy plot last --x time --smooth 0.6 --format term\n"
                "convoy plot s3 --x model.stem.channels --by train.optimizer\n"
                "convoy plot s3 --kind parallel\n"
                "convoy plot --sql \"SELECT epoch, value, run FROM curves WHERE metric = ?\" val_loss",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
