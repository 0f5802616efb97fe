/* Owns how messages and results leave the process; must not know any command. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

enum { SAID_BYTES = 4000 }; /* of one line of talk */

bool cli_colour(const common *c, FILE *f)
{
    const char *when = c && c->color ? c->color : "auto";
    if (!strcmp(when, "always")) return true;
    if (!strcmp(when, "never")) return false;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM"); /* https://no-color.org: set and not empty */
    if (no && *no) return false;
    return term && strcmp(term, "dumb") != 0 && isatty(fileno(f));
}

/* Stdio forgets why a write failed. */
static int stdout_error;

int cli_flush(void)
{
    errno = 0;
    if (fflush(stdout) != 0 && !stdout_error) stdout_error = errno;
    if (ferror(stdout) && !stdout_error) stdout_error = EIO;
    return stdout_error;
}

static void to_stderr(const text *t)
{
    cli_flush(); /* what was printed before must not appear behind */
    fwrite(text_str(t), 1, t->n, stderr);
    fflush(stderr);
}

int cli_fail(const common *c, errors *e)
{
    text t = {0};
    errors_text(e, cli_colour(c, stderr), &t);
    if (t.n) to_stderr(&t);
    text_free(&t);
    int code = (int)errors_status(e);
    errors_free(e);
    return code;
}

int cli_usage(const command *self, const common *c, const char *fmt, ...)
{
    text what = {0}, hint = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    if (strchr(self->usage, '\n'))
        text_printf(&hint, "see convoy %s --help", self->name);
    else
        text_printf(&hint, "usage: %s", self->usage);
    errors e = {0};
    errors_add(&e, CVY_ERR_CONFIG, NULL, text_str(&hint), "%s", text_str(&what));
    text_free(&what);
    text_free(&hint);
    return cli_fail(c, &e);
}

const char *cli_nearest(const char *word, const char *const *names, size_t n)
{
    static const char *const others[][2] = {{"list", "ls"}, {"remove", "rm"}, {"delete", "rm"}};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        for (size_t i = 0; i < n && !strcmp(word, others[k][0]); i++)
            if (!strcmp(names[i], others[k][1])) return names[i];
    return text_nearest(word, names, n);
}

void cli_print_raw(const text *t)
{
    errno = 0;
    if (fwrite(text_str(t), 1, t->n, stdout) != t->n && !stdout_error) stdout_error = errno ? errno : EIO;
}

static void print_lines(const text *t, bool marks)
{
    text lines = {0};
    if (text_plain(text_str(t), t->n) == t->n) {
        cli_print_raw(t);
        return;
    }
    text_lines(&lines, text_str(t), t->n, marks);
    cli_print_raw(&lines);
    text_free(&lines);
}

void cli_print(const text *t)
{
    print_lines(t, true);
}

void cli_print_data(const text *t)
{
    if (isatty(STDOUT_FILENO))
        print_lines(t, false);
    else
        cli_print_raw(t);
}

void cli_print_path(const char *path)
{
    text line = {0};
    if (isatty(STDOUT_FILENO))
        text_safe(&line, path, SIZE_MAX);
    else
        text_add(&line, path);
    text_char(&line, '\n');
    cli_print_raw(&line);
    text_free(&line);
}

void cli_print_json(json_writer *w)
{
    text_char(&w->out, '\n');
    cli_print(&w->out);
    text_free(&w->out);
}

void cli_say(const common *c, const char *fmt, ...)
{
    if (c && c->quiet) return;
    text t = {0}, line = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    text_safe(&line, text_str(&t), SAID_BYTES);
    text_char(&line, '\n');
    to_stderr(&line);
    text_free(&line);
    text_free(&t);
}

static size_t path_length(const char *arg)
{
    return strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
}

bool cli_sets(const char *arg)
{
    const size_t n = path_length(arg);
    return n && arg[n] == '=' && arg[0] != '.' && arg[0] != '-' && arg[n - 1] != '.';
}

bool cli_is_override(const char *arg)
{
    static const char *const keys[] = {"experiment", "seed", "plugins", "dataset", "model",   "init", "loss",
                                       "train",      "eval", "folds",   "fold",    "repeats", "sweep"};
    const size_t n = path_length(arg);
    if (n == 0 || arg[n] != '=' || arg[0] == '.' || arg[n - 1] == '.') return false;
    if (memchr(arg, '.', n)) return true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strlen(keys[i]) == n && !memcmp(keys[i], arg, n)) return true;
    return false;
}
