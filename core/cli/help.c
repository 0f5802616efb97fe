/* Owns the layout of the help; must not know what any command does. */
#include "cli/help.h"

#include <string.h>

#include "base/memory.h"
#include "cli/options.h"
#include "cli/width.h"

enum { LINE = 80, LEFT_MOST = 30 };

/* `left`, then `right` from column `indent` on, wrapped between words. */
static void entry(const char *left, size_t indent, const char *right, text *out)
{
    text_printf(out, "  %s", left);
    size_t column = 2 + width_of(left);
    if (column + 2 > indent) {
        text_char(out, '\n');
        column = 0;
    }
    bool first = true; /* word of its line */
    while (column < indent) text_char(out, ' '), column++;
    while (*right) {
        size_t n = strcspn(right, " ");
        char *word = mem_text_n(right, n);
        size_t width = width_of(word);
        if (!first && column + 1 + width > LINE) {
            text_char(out, '\n');
            for (column = 0; column < indent; column++) text_char(out, ' ');
            first = true;
        }
        text_printf(out, "%s%s", first ? "" : " ", word);
        column += width + !first;
        first = false;
        right += n + (right[n] == ' ');
        mem_free(word);
    }
    text_char(out, '\n');
}

static void option_left(const option_row *row, text *out)
{
    char name[64];
    options_name(row, name);
    if (row->letter)
        text_printf(out, "-%c, ", row->letter);
    else
        text_add(out, "    ");
    text_add(out, name);
    if (row->value) text_printf(out, " %s", row->value);
}

static void options(const char *title, const option_row *rows, size_t n, text *out)
{
    if (!n) return;
    size_t widest = 0;
    for (size_t i = 0; i < n; i++) {
        text left = {0};
        option_left(&rows[i], &left);
        size_t width = width_of(text_str(&left));
        if (width > widest && width <= LEFT_MOST) widest = width;
        text_free(&left);
    }
    text_printf(out, "\n%s:\n", title);
    for (size_t i = 0; i < n; i++) {
        text left = {0}, right = {0};
        option_left(&rows[i], &left);
        text_add(&right, rows[i].help);
        if (rows[i].kind == OPTION_INT && rows[i].fallback > 0) /* below 0 stands for "not given" */
            text_printf(&right, " (default %lld)", (long long)rows[i].fallback);
        entry(text_str(&left), 2 + widest + 2, text_str(&right), out);
        text_free(&left);
        text_free(&right);
    }
}

/* The first `most` lines, indented. */
static void lines(const char *s, size_t most, text *out)
{
    while (*s && most--) {
        size_t n = strcspn(s, "\n");
        text_add(out, "  ");
        text_add_n(out, s, n);
        text_char(out, '\n');
        s += n + (s[n] == '\n');
    }
}

void help_overview(const command *const *commands, size_t n, text *out)
{
    size_t widest = 0;
    text_add(out, "Examples:\n");
    for (size_t i = 0; i < n; i++) {
        if (commands[i]->hidden) continue;
        lines(commands[i]->examples, 1, out);
        size_t width = width_of(commands[i]->name);
        if (width > widest) widest = width;
    }
    text_add(out, "\nUsage:\n  convoy COMMAND [ARGUMENT ...]\n  convoy help COMMAND\n\nCommands:\n");
    for (size_t i = 0; i < n; i++)
        if (!commands[i]->hidden) entry(commands[i]->name, 2 + widest + 2, commands[i]->summary, out);
    options("Options of every command", options_common, options_common_n, out);
}

void help_command(const command *c, text *out)
{
    text_add(out, "Examples:\n");
    lines(c->examples, SIZE_MAX, out);
    text_add(out, "\nUsage:\n");
    lines(c->usage, SIZE_MAX, out);
    text_printf(out, "\n%s\n", c->summary);
    options("Options", c->options, c->n_options, out);
    options("Options of every command", options_common, options_common_n, out);
}

/* ---- one subcommand ---- */

/* Whether a word of `words`, up to the colon, is `part`: "eval, check: the plugin's parameters". */
static bool belongs(const char *help, const char *part)
{
    size_t n = strlen(part);
    for (const char *w = help; *w && *w != ':';) {
        size_t length = strcspn(w, ":, ");
        if (length == n && !memcmp(w, part, n)) return strchr(w, ':') != NULL;
        w += length + strspn(w + length, ", ");
    }
    return false;
}

/* The lines of `s` that begin with "convoy CMD PART"; whether there are any. */
static bool part_lines(const char *s, const char *begin, text *out)
{
    size_t n = strlen(begin);
    bool any = false;
    while (*s) {
        size_t length = strcspn(s, "\n");
        if (length >= n && !memcmp(s, begin, n) && (length == n || s[n] == ' ')) {
            lines(s, 1, out);
            any = true;
        }
        s += length + (s[length] == '\n');
    }
    return any;
}

bool help_part(const command *c, const char *part, text *out)
{
    text usage = {0}, examples = {0};
    char *begin = mem_printf("convoy %s %s", c->name, part);
    bool known = part_lines(c->usage, begin, &usage);
    if (known && part_lines(c->examples, begin, &examples))
        text_printf(out, "Examples:\n%s\n", text_str(&examples));
    if (known) {
        option_row *own = mem_array(c->n_options + 1, sizeof *own);
        size_t n = 0;
        for (size_t i = 0; i < c->n_options; i++)
            if (belongs(c->options[i].help, part)) own[n++] = c->options[i];
        text_printf(out, "Usage:\n%s", text_str(&usage));
        options("Options", own, n, out);
        options("Options of every command", options_common, options_common_n, out);
        text_printf(out, "\n`convoy %s --help` tells of its other subcommands\n", c->name);
        mem_free(own);
    }
    mem_free(begin);
    text_free(&usage);
    text_free(&examples);
    return known;
}
