/* `convoy checker`: the checks of one plugin, in a process that may crash or hang; `convoy plugin check` starts it and
 * reads what it writes, a line of JSON before and after each check, on the descriptor passed to it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "check/suite.h"
#include "cli/cli.h"
#include "sweep/process.h"

#define MEMORY_LIMIT (UINT64_C(4) << 30)

typedef struct checker_args {
    const char *config, *shape;
    int64_t from;
} checker_args;

static const option_row checker_rows[] = {
    OPTION(checker_args, config, 0, OPTION_TEXT, "MAP", "the plugin's parameters"),
    OPTION(checker_args, shape, 0, OPTION_TEXT, "LIST", "a batched input shape"),
    OPTION_NUMBER(checker_args, from, 0, "N", 0, 0, 1000, "the first check to run"),
};

static void limit(void)
{
    struct rlimit none = {0, 0}, memory = {MEMORY_LIMIT, MEMORY_LIMIT};
    setrlimit(RLIMIT_CORE, &none);
    /* A sanitizer maps terabytes that it never touches; it has a limit of its own. */
    if (!specimen_sanitized()) setrlimit(RLIMIT_AS, &memory);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void send_line(json_writer *w)
{
    text_char(&w->out, '\n');
    const char *p = text_str(&w->out);
    for (size_t left = w->out.n; left > 0;) {
        ssize_t n = write(PROCESS_PASSED, p, left);
        if (n < 0) _exit(CVY_ERR_RUN); /* nobody listens any more */
        p += n;
        left -= (size_t)n;
    }
    text_free(&w->out);
}

static void send_begin(size_t i)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_int(&w, "begin", (int64_t)i);
    json_close(&w, '}');
    send_line(&w);
}

static void send_case(const char *where)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "case", where);
    json_close(&w, '}');
    send_line(&w);
}

static void send_verdict(size_t i, verdict *v)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_int(&w, "end", (int64_t)i);
    verdict_write(v, &w);
    json_close(&w, '}');
    send_line(&w);
}

static void run_all(const specimen_request *q, size_t from, const suite_check *checks, size_t n)
{
    specimen s;
    errors e = {0};
    send_begin(from);
    bool open = specimen_open(&s, q, &e);
    if (!open) {
        verdict v = {0};
        verdict_errors(&v, &e);
        send_verdict(from, &v);
        verdict_free(&v);
    }
    for (size_t i = from; open && i < n; i++) {
        verdict v = {.moved = send_case};
        send_begin(i);
        suite_run(&checks[i], &s, &v);
        open = !checks[i].needed || v.status == VERDICT_PASSED;
        send_verdict(i, &v);
        verdict_free(&v);
    }
    specimen_close(&s);
    errors_free(&e);
}

static int checker_run(const command *self, const common *c, void *options, int argc, char **argv)
{
    const checker_args *args = options;
    const char *colon = argc == 2 ? strchr(argv[1], ':') : NULL;
    if (!colon) return cli_usage(self, c, "expected a file and KIND:NAME");
    char *kind_name = mem_text_n(argv[1], (size_t)(colon - argv[1]));
    uint32_t kind = 0;
    plugin_kind_parse(kind_name, &kind);
    mem_free(kind_name);
    size_t n;
    const suite_check *checks = suite_of(kind, &n);
    if (!checks) return cli_usage(self, c, "plugins of this kind cannot be checked");
    limit();
    char *data = path_user_data();
    specimen_request q = {.file = argv[0],
                          .kind = kind,
                          .name = colon + 1,
                          .config = args->config,
                          .shape = args->shape,
                          .beside = c->plugin.items,
                          .n_beside = c->plugin.n,
                          .data_dir = data};
    run_all(&q, (size_t)args->from, checks, n);
    mem_free(data);
    return CVY_OK;
}

const command cmd_checker = {.name = "checker",
                             .summary = "checks one plugin (started by `plugin check`)",
                             .usage = "convoy checker FILE.so KIND:NAME [--from N] 3> LINES",
                             .examples = "convoy checker ./maxout.so layer:maxout 3>&1",
                             .options = checker_rows,
                             .n_options = sizeof checker_rows / sizeof *checker_rows,
                             .size = sizeof(checker_args),
                             .run = checker_run,
                             .hidden = true};
