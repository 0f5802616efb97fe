/* `convoy plot`: loss and accuracy curves as pictures. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "report/charts.h"

enum { WORDS_SHOWN = 4 };

typedef struct options {
    const char *output;
} options;

static const option_row rows[] = {
    OPTION(options, output, 'o', OPTION_TEXT, "PREFIX", "write PREFIX.png and PREFIX.svg"),
};

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
    if (text_ends(output, ".png") || text_ends(output, ".svg")) n -= 4;
    return mem_text_n(output, n);
}

static void print_paths(const common *c, const char *prefix)
{
    text t = {0};
    if (c->json) {
        json_writer w = {0};
        json_open(&w, '{');
        json_key(&w, "files");
        json_open(&w, '[');
        text_printf(&t, "%s.png", prefix);
        json_text(&w, text_str(&t));
        text_free(&t);
        text_printf(&t, "%s.svg", prefix);
        json_text(&w, text_str(&t));
        json_close(&w, ']');
        json_close(&w, '}');
        cli_print_json(&w);
    } else {
        text_printf(&t, "%s.png\n%s.svg\n", prefix, prefix);
        cli_print(&t);
    }
    text_free(&t);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    if (!argc) return cli_usage(self, c, "which runs or sweeps?");
    errors e = {0};
    arena a = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run = true;
    const char *sweep = NULL;
    groups g = {0};
    store *s = results_open(c, &e);
    if (s && results_find(s, argv, argc, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK &&
        groups_make(s, runs, n, by_run, &a, &g, &e) == CVY_OK) {
        char *prefix = o->output ? given_prefix(o->output) : default_prefix(s, runs, n, sweep);
        char *title = title_of(runs, n, sweep);
        if (!by_run) groups_sort(&g); /* runs named one by one keep their order */
        if (charts_draw(s, &g, title, prefix, &e) == CVY_OK) print_paths(c, prefix);
        mem_free(prefix);
        mem_free(title);
    }
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}

const command cmd_plot = {
    .name = "plot",
    .summary = "Draw loss and accuracy curves as PNG and SVG",
    .usage = "convoy plot RUN|SWEEP... [-o PREFIX]",
    .examples = "convoy plot last\n"
                "convoy plot s3\n"
                "convoy plot r1 r2 -o figures/sgd-against-adam",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
