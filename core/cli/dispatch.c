/* Owns the process from its arguments to its exit code; must not know what any command does. Help must stay
 * quick: no file is opened and no plugin looked for before a command runs. */
#include "convoy/convoy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/dispatch.h"
#include "cli/help.h"
#include "cli/options.h"

static const command *const commands[] = {
    &cmd_run,     &cmd_sweep,   &cmd_resume,   &cmd_stop,    &cmd_watch,  &cmd_model,      &cmd_check,
    &cmd_ls,      &cmd_show,    &cmd_compare,  &cmd_best,    &cmd_query,  &cmd_plot,       &cmd_report,
    &cmd_eval,    &cmd_predict, &cmd_features, &cmd_inspect, &cmd_export, &cmd_rm,         &cmd_db,
    &cmd_profile, &cmd_plugin,  &cmd_data,     &cmd_schema,  &cmd_doctor, &cmd_completion, &cmd_trial,
    &cmd_planner, &cmd_checker, &cmd_manual,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

typedef struct top {
    bool version;
} top;

static const option_row top_rows[] = {
    OPTION(top, version, 'V', OPTION_FLAG, NULL, "show the version"),
};

const char *cvy_version(void)
{
    return CONVOY_VERSION;
}

const command *const *dispatch_commands(size_t *n)
{
    *n = N_COMMANDS;
    return commands;
}

/* ---- the process ---- */

static void exhausted(size_t bytes)
{
    char line[96];
    int n = snprintf(line, sizeof line, "out of memory: %zu bytes could not be had\n", bytes);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) { /* nowhere left to say so */
    }
    _exit(CVY_ERR_RESOURCE);
}

static void nothing(int number)
{
    (void)number;
}

static void prepare(void)
{
    /* With descriptor 1 closed, the next file opened would take its place and get our output. The wrong
     * direction makes a write fail, so that it is noticed. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
    /* A handler and not SIG_IGN: exec resets handlers, so children keep the usual SIGPIPE. */
    struct sigaction quiet = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    sigaction(SIGPIPE, &quiet, NULL);
    /* Beyond a limit of file size (ulimit -f) a write fails with EFBIG, which is told; the signal would end us unheard. */
    sigaction(SIGXFSZ, &quiet, NULL);
    mem_set_exhausted(exhausted);
}

/* Whether stdout is a pipe whose reader has gone: `convoy ls | head` is no failure. */
static bool reader_gone(void)
{
    struct pollfd p = {STDOUT_FILENO, POLLOUT, 0};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

static int finish(int code)
{
    int why = cli_flush();
    if (!why || why == EPIPE || reader_gone()) return code;
    errors e = {0};
    errors_add(&e, CVY_ERR_RESOURCE, NULL, NULL, "the results could not be written to standard output: %s",
               strerror(why));
    int failure = cli_fail(NULL, &e);
    return code ? code : failure;
}

/* ---- finding the command ---- */

static const command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(commands[i]->name, name)) return commands[i];
    return NULL;
}

static int unknown(const common *c, const char *name)
{
    const char *names[N_COMMANDS + 1];
    size_t n = 0;
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!commands[i]->hidden) names[n++] = commands[i]->name;
    names[n++] = "help";
    const char *near = cli_nearest(name, names, n);
    bool file = (text_ends(name, ".yaml") || text_ends(name, ".yml")) && find("run");
    char *hint = file   ? mem_printf("did you mean `convoy run %s`?", name)
                 : near ? mem_printf("did you mean `convoy %s`?", near)
                        : mem_text("convoy --help lists the commands");
    errors e = {0};
    errors_add(&e, CVY_ERR_CONFIG, NULL, hint, "unknown command \"%s\"", name);
    mem_free(hint);
    return cli_fail(c, &e);
}

static int show(text *t, FILE *f)
{
    fwrite(text_str(t), 1, t->n, f);
    text_free(t);
    return f == stdout ? CVY_OK : CVY_ERR_CONFIG;
}

static int overview(FILE *f)
{
    text t = {0};
    help_overview(commands, N_COMMANDS, &t);
    return show(&t, f);
}

/* part: a subcommand, as in `convoy plugin new --help`; NULL or no such thing: all of the command. */
static int help_for(const common *c, const char *name, const char *part)
{
    const command *found = find(name);
    if (!found) return unknown(c, name);
    text t = {0};
    if (!part || !help_part(found, part, &t)) help_command(found, &t);
    return show(&t, stdout);
}

/* Whoever names a file as the folder of results would find no runs in it, or be told of storage. */
static bool results_are_a_folder(const common *c, errors *e)
{
    struct stat st;
    if (stat(c->results, &st) != 0 || S_ISDIR(st.st_mode)) return true;
    errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(c->results), "--results, or CONVOY_RESULTS, names a folder",
               "a file, where the folder of results is expected");
    return false;
}

/* args: the command's name, then its arguments. */
static int run(const command *found, common *c, int argc, char **args)
{
    void *options = mem_alloc(found->size ? found->size : 1);
    const option_table tables[] = {{found->options, found->n_options, options},
                                   {options_common, options_common_n, c}};
    char **operands = mem_array((size_t)argc + 1, sizeof *operands);
    errors e = {0};
    int n = options_read(tables, 2, false, argc, args, operands, &e);
    options_finish(c, &e);
    const bool tells_itself = found == &cmd_doctor;
    if (!errors_status(&e) && !c->help && !tells_itself) results_are_a_folder(c, &e);
    int code = errors_status(&e) ? cli_fail(c, &e)
               : c->help         ? help_for(c, found->name, n ? operands[0] : NULL)
                                 : found->run(found, c, options, n, operands);
    errors_free(&e);
    options_free(tables, 1);
    mem_free(operands);
    mem_free(options);
    return code;
}

static int dispatch(int argc, char **argv)
{
    common c = {0};
    top t = {0};
    const option_table tables[] = {{top_rows, 1, &t}, {options_common, options_common_n, &c}};
    char **operands = mem_array((size_t)argc + 1, sizeof *operands);
    errors e = {0};
    int n = options_read(tables, 2, true, argc, argv, operands, &e);
    int code;
    if (errors_status(&e)) {
        code = cli_fail(&c, &e);
    } else if (t.version) {
        printf("convoy %s\n", cvy_version());
        code = CVY_OK;
    } else if (n == 0 || !strcmp(operands[0], "help")) {
        code = n > 1 ? help_for(&c, operands[1], n > 2 ? operands[2] : NULL)
                     : overview(n || c.help ? stdout : stderr);
    } else if (!find(operands[0])) {
        code = unknown(&c, operands[0]);
    } else {
        code = run(find(operands[0]), &c, n, operands);
    }
    options_free(tables, 2);
    errors_free(&e);
    mem_free(operands);
    return code;
}

int cvy_main(int argc, char **argv)
{
    prepare();
    return finish(dispatch(argc, argv));
}
