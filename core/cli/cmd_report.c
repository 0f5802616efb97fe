/* `convoy report`: a sweep or some runs as one HTML page. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "report/page.h"

enum { WORDS_SHOWN = 8 };

typedef struct report_args {
    const char *output;
} report_args;

static const option_row report_rows[] = {
    OPTION(report_args, output, 'o', OPTION_TEXT, "FILE",
           "where to write; default is report.html in the folder of the run or sweep"),
};

/* "s3", "r1 r2", "r1 r2 ... and 12 more" */
static char *report_subject(const query_run *runs, size_t n, const char *sweep)
{
    text t = {0};
    if (sweep) return mem_text(sweep);
    for (size_t i = 0; i < n && i < WORDS_SHOWN; i++) text_printf(&t, "%s%s", i ? " " : "", runs[i].name);
    if (n > WORDS_SHOWN) text_printf(&t, " and %zu more", n - WORDS_SHOWN);
    return text_take(&t);
}

/* In the sweep's own folder, or the run's; in the results folder for several. */
static char *report_path(const char *results, const query_run *runs, size_t n, const char *sweep)
{
    const char *owner = sweep ? sweep : n == 1 ? runs[0].name : NULL;
    char *folder = owner ? path_join(results, owner) : mem_text(results);
    char *path = path_join(file_is_dir(folder) ? folder : results, "report.html");
    mem_free(folder);
    return path;
}

static cvy_status report_write(store *s, const query_run *runs, size_t n, const char *sweep,
                               const char *output, errors *e)
{
    char *asked = report_subject(runs, n, sweep);
    char *path = output ? mem_text(output) : report_path(store_results(s), runs, n, sweep);
    const page_subject subject = {runs, n, sweep, asked};
    text page = {0};
    cvy_status status = page_write(s, &subject, &page, e);
    if (status == CVY_OK) status = file_replace(path, text_str(&page), page.n, e);
    if (status == CVY_OK) cli_print_path(path);
    text_free(&page);
    mem_free(path);
    mem_free(asked);
    return status;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const report_args *o = given;
    if (!argc) return cli_usage(self, c, "on which runs or sweeps?");
    errors e = {0};
    arena a = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run;
    const char *sweep = NULL;
    store *s = results_open(c, &e);
    if (s && results_find(s, argv, argc, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK)
        report_write(s, runs, n, sweep, o->output, &e);
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}

const command cmd_report = {
    .name = "report",
    .summary = "Write a sweep or some runs as one HTML page, to read or to send",
    .usage = "convoy report SWEEP|RUN... [-o FILE]",
    .examples = "convoy report s3\n"
                "convoy report last\n"
                "convoy report r1 r2 r5 -o sgd-against-adam.html",
    .options = report_rows,
    .n_options = sizeof report_rows / sizeof *report_rows,
    .size = sizeof(report_args),
    .run = run,
};
