/* `convoy manual`, hidden: the manual page man/convoy.1, made of the command and option tables. */
#include <string.h>

#include "cli/dispatch.h"
#include "cli/options.h"
#include "convoy/convoy.h"

/* Text as roff reads it literally. A line's first character must not be a request. */
static void roff(const char *s, text *out)
{
    for (bool first = !out->n || out->s[out->n - 1] == '\n'; *s; s++) {
        if (first && (*s == '.' || *s == '\'')) text_add(out, "\\&");
        first = *s == '\n';
        if (*s == '\\')
            text_add(out, "\\e");
        else if (*s == '-')
            text_add(out, "\\-");
        else if (*s == '\'')
            text_add(out, "\\(aq");
        else
            text_char(out, *s);
    }
}

static void block(const char *lines, text *out)
{
    text_add(out, ".PP\n.nf\n.RS 4\n");
    roff(lines, out);
    text_add(out, "\n.RE\n.fi\n");
}

static void options_of(const option_row *rows, size_t n, text *out)
{
    for (size_t i = 0; i < n; i++) {
        char name[64];
        options_name(&rows[i], name);
        text_add(out, ".TP\n");
        if (rows[i].letter) text_printf(out, "\\fB\\-%c\\fR, ", rows[i].letter);
        text_add(out, "\\fB");
        roff(name, out);
        text_add(out, "\\fR");
        if (rows[i].value) {
            text_add(out, " \\fI");
            roff(rows[i].value, out);
            text_add(out, "\\fR");
        }
        text_char(out, '\n');
        roff(rows[i].help, out);
        if (rows[i].kind == OPTION_INT && rows[i].fallback > 0)
            text_printf(out, " (default %lld)", (long long)rows[i].fallback);
        text_char(out, '\n');
    }
}

static void section(const command *c, text *out)
{
    text_add(out, ".SS convoy ");
    roff(c->name, out);
    text_char(out, '\n');
    roff(c->summary, out);
    text_add(out, ".\n");
    block(c->usage, out);
    options_of(c->options, c->n_options, out);
    text_add(out, ".PP\nExamples:\n");
    block(c->examples, out);
}

static const char *const before = ".SH NAME\n"
                                  "convoy \\- a laboratory for convolutional networks\n"
                                  ".SH SYNOPSIS\n"
                                  ".B convoy\n"
                                  "\\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]\n"
                                  ".br\n"
                                  ".B convoy help\n"
                                  "\\fICOMMAND\\fR\n"
                                  ".SH DESCRIPTION\n"
                                  "One YAML file describes an experiment: a dataset, a network, an "
                                  "optimizer. Convoy trains the network on the CPU,\n"
                                  "runs sweeps over whatever the file says varies, keeps every run in one "
                                  "SQLite database, and draws the charts.\n"
                                  "Layers, losses, optimizers, datasets and augmentations are plugins, "
                                  "shared objects with one C file each.\n"
                                  ".PP\n"
                                  "Results go to standard output, talk and progress to standard error.\n"
                                  ".SH COMMANDS\n";

static const char *const after =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\ndone\n"
    ".TP\n.B 1\na run failed\n"
    ".TP\n.B 2\nusage, configuration or data\n"
    ".TP\n.B 3\nsome trials of a sweep failed\n"
    ".TP\n.B 4\nresources: storage, memory\n"
    ".TP\n.B 5\na plugin is missing, foreign, or breaks its contract\n"
    ".TP\n.B 75\nstopped, and can be resumed\n"
    ".TP\n.B 130\nstopped at once by a second Ctrl\\-C\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B CONVOY_RESULTS\nwhere runs are kept, without \\fB\\-\\-results\\fR\n"
    ".TP\n.B CONVOY_PLUGIN_PATH\nabsolute folders searched for plugins, separated by colons\n"
    ".TP\n.B CONVOY_ISA\nbase, avx2 or avx512: at most this instruction set\n"
    ".TP\n.B NO_COLOR\nno colours in the output\n"
    ".TP\n.B XDG_DATA_HOME\nplugins and datasets of the user lie in its folder convoy; ~/.local/share "
    "without it\n"
    ".SH FILES\n"
    ".TP\n.I results/convoy.db\nall runs, for queries\n"
    ".TP\n.I results/r12/\none run: its experiment, its journal, its checkpoints\n"
    ".TP\n.I ~/.local/share/convoy/plugins/\nplugins of the user\n"
    ".SH SEE ALSO\n"
    ".BR gnuplot (1),\n"
    ".BR sqlite3 (1)\n";

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    (void)options;
    if (argc) return cli_usage(self, c, "unexpected \"%s\"", argv[0]);
    size_t n;
    const command *const *commands = dispatch_commands(&n);
    text out = {0};
    text_add(&out, ".\\\" Written by `convoy manual` from the tables of commands and options.\n");
    text_printf(&out, ".TH CONVOY 1 \"\" \"Convoy %s\" \"User Commands\"\n%s", cvy_version(), before);
    for (size_t i = 0; i < n; i++)
        if (!commands[i]->hidden) section(commands[i], &out);
    text_add(&out, ".SH OPTIONS OF EVERY COMMAND\n");
    options_of(options_common, options_common_n, &out);
    text_add(&out, after);
    cli_print(&out);
    text_free(&out);
    return CVY_OK;
}

const command cmd_manual = {
    .name = "manual",
    .summary = "Print the manual page",
    .usage = "convoy manual",
    .examples = "convoy manual > man/convoy.1",
    .run = run,
    .hidden = true,
};
