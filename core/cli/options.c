/* Owns the way from arguments to option structs; must not know what any option is for, nor print. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/experiment_check.h"

const option_row options_common[] = {
    OPTION(common, help, 'h', OPTION_FLAG, NULL, "show this help"),
    OPTION(common, json, 0, OPTION_FLAG, NULL, "print results as JSON"),
    OPTION(common, quiet, 'q', OPTION_FLAG, NULL, "no progress and no talk, only results and errors"),
    OPTION(common, verbose, 'v', OPTION_FLAG, NULL, "tell more"),
    OPTION(common, color, 0, OPTION_TEXT, "WHEN", "auto, always or never; NO_COLOR is respected"),
    OPTION(common, results, 0, OPTION_TEXT, "DIR", "where runs are kept (CONVOY_RESULTS, else ./results)"),
    OPTION(common, plugin, 0, OPTION_TEXTS, "FILE", "load this plugin file too; may be repeated"),
};
const size_t options_common_n = sizeof options_common / sizeof *options_common;

void options_name(const option_row *row, char name[64])
{
    size_t n = 0;
    name[n++] = '-';
    name[n++] = '-';
    for (const char *s = row->name; *s && n < 63; s++) name[n++] = *s == '_' ? '-' : *s;
    name[n] = 0;
}

/* The tables as one list, in the forms that getopt_long and text_nearest want. */
typedef struct flat {
    size_t n;
    const option_row **rows;
    char **fields; /* where the values go */
    char (*names)[64];
    const char **words; /* the names, for suggestions */
    struct option *longs;
    char *letters; /* getopt's string */
} flat;

enum { FIRST_LONG = 256 }; /* getopt's value of row 0: above every letter */

static flat flatten(const option_table *tables, size_t n, bool leading)
{
    flat f = {0};
    size_t rows = 0, letters = 0;
    for (size_t t = 0; t < n; t++) rows += tables[t].n;
    f.rows = mem_array(rows + 1, sizeof *f.rows);
    f.fields = mem_array(rows + 1, sizeof *f.fields);
    f.names = mem_array(rows + 1, sizeof *f.names);
    f.words = mem_array(rows + 1, sizeof *f.words);
    f.longs = mem_array(rows + 1, sizeof *f.longs);
    f.letters = mem_alloc(2 * rows + 3);
    /* '-': operands come in their order, whatever POSIXLY_CORRECT says; ':': a missing value is told from an
     * unknown option. */
    f.letters[letters++] = leading ? '+' : '-';
    f.letters[letters++] = ':';
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            const option_row *row = &tables[t].rows[i];
            int has_value = row->kind == OPTION_FLAG ? no_argument : required_argument;
            f.rows[f.n] = row;
            f.fields[f.n] = (char *)tables[t].into + row->offset;
            options_name(row, f.names[f.n]);
            f.words[f.n] = f.names[f.n];
            f.longs[f.n] = (struct option){f.names[f.n] + 2, has_value, NULL, FIRST_LONG + (int)f.n};
            if (row->letter) f.letters[letters++] = row->letter;
            if (row->letter && has_value) f.letters[letters++] = ':';
            f.n++;
        }
    return f;
}

static void flat_free(flat *f)
{
    mem_free(f->rows);
    mem_free(f->fields);
    mem_free(f->names);
    mem_free(f->words);
    mem_free(f->longs);
    mem_free(f->letters);
}

static void read_number(const option_row *row, const char *name, const char *s, int64_t *v, errors *e)
{
    char *end;
    errno = 0;
    long long n = strtoll(s, &end, 10);
    bool whole = end != s && !*end && strchr("+-0123456789", *s);
    if (!whole)
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s: \"%s\" is not a whole number", name, s);
    else if (n < row->least || (errno == ERANGE && n < 0))
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s: %s is below %lld", name, s, (long long)row->least);
    else if (n > row->most || errno == ERANGE)
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s: %s is above %lld", name, s, (long long)row->most);
    else
        *v = n;
}

static void take(const flat *f, size_t i, const char *value, errors *e)
{
    void *field = f->fields[i];
    switch (f->rows[i]->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        break;
    case OPTION_TEXT:
        *(const char **)field = value;
        break;
    case OPTION_INT:
        read_number(f->rows[i], f->names[i], value, field, e);
        break;
    case OPTION_TEXTS: {
        text_list *list = field;
        list->items = MEM_GROW(list->items, list->n, &list->cap);
        list->items[list->n++] = value;
        break;
    }
    }
}

/* An argument that begins with -- and names no option, or several. */
static void unknown_long(const flat *f, const char *arg, errors *e)
{
    size_t n = strcspn(arg, "=");
    char *name = mem_text_n(arg, n);
    text several = {0};
    size_t matches = 0;
    for (size_t i = 0; i < f->n; i++)
        if (text_starts(f->names[i], name)) text_printf(&several, "%s%s", matches++ ? ", " : "", f->names[i]);
    if (matches > 1) {
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "option %s could be %s", name, text_str(&several));
    } else {
        const char *near = text_nearest(name, f->words, f->n);
        const char *means = experiment_means(name + 2);
        char *hint = near                       ? mem_printf("did you mean `%s`?", near)
                     : cli_is_override(arg + 2) ? mem_printf("write it without the dashes: %s", arg + 2)
                     : means ? mem_printf("settings of the file are overridden without dashes: %s%s", means,
                                          arg[n] ? arg + n : "=VALUE")
                             : NULL;
        errors_add(e, CVY_ERR_CONFIG, NULL, hint, "unknown option %s", name);
        mem_free(hint);
    }
    text_free(&several);
    mem_free(name);
}

static void complain(const flat *f, int code, char **argv, errors *e)
{
    bool is_long = optopt >= FIRST_LONG;
    const char *name = is_long ? f->names[optopt - FIRST_LONG] : NULL;
    char letter[] = {'-', (char)optopt, 0};
    if (code == ':')
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "option %s needs a value", is_long ? name : letter);
    else if (is_long)
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "option %s takes no value", name);
    else if (optopt)
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "unknown option %s", letter);
    else
        unknown_long(f, argv[optind - 1], e);
}

int options_read(const option_table *tables, size_t n, bool leading, int argc, char **argv, char **operands,
                 errors *e)
{
    flat f = flatten(tables, n, leading);
    int n_operands = 0;
    for (size_t i = 0; i < f.n; i++)
        if (f.rows[i]->kind == OPTION_INT) *(int64_t *)(void *)f.fields[i] = f.rows[i]->fallback;
    opterr = 0; /* getopt must not print */
    optind = 0; /* glibc's way to begin anew */
    for (int code; (code = getopt_long(argc, argv, f.letters, f.longs, NULL)) != -1;) {
        if (code == 1) {
            operands[n_operands++] = optarg;
        } else if (code == '?' || code == ':') {
            complain(&f, code, argv, e);
        } else if (code >= FIRST_LONG) {
            take(&f, (size_t)(code - FIRST_LONG), optarg, e);
        } else {
            for (size_t i = 0; i < f.n; i++)
                if (f.rows[i]->letter == code) take(&f, i, optarg, e);
        }
    }
    while (optind < argc) operands[n_operands++] = argv[optind++];
    operands[n_operands] = NULL;
    flat_free(&f);
    return n_operands;
}

void options_free(const option_table *tables, size_t n)
{
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            if (tables[t].rows[i].kind != OPTION_TEXTS) continue;
            text_list *list = (text_list *)(void *)((char *)tables[t].into + tables[t].rows[i].offset);
            mem_free(list->items);
            *list = (text_list){0};
        }
}

void options_finish(common *c, errors *e)
{
    static const char *const words[] = {"auto", "always", "never"};
    bool known = !c->color;
    for (size_t i = 0; !known && i < 3; i++) known = !strcmp(c->color, words[i]);
    if (!known) {
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "--color: \"%s\" is not auto, always or never", c->color);
        c->color = NULL;
    }
    if (!c->color) c->color = "auto";
    const char *environment = getenv("CONVOY_RESULTS");
    if (!c->results) c->results = environment && *environment ? environment : "results";
}
