/* The command line's shared ground: the commands, their options, printing. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/error.h"
#include "base/json.h"

/* One row of an option table. Values land in the struct that the command hands to options_read(). */
typedef enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_TEXTS } option_kind;

typedef struct option_row {
    const char *name; /* of the field; the user writes --dry-run for dry_run */
    char letter;      /* 0: none */
    option_kind kind;
    size_t offset;     /* in the command's struct: bool, const char *, int64_t, text_list */
    const char *value; /* name of the value in the help: "FILE"; NULL for flags */
    const char *help;
    int64_t fallback, least, most; /* OPTION_INT: when not given, and the closed range */
} option_row;

typedef struct text_list {
    const char **items;
    size_t n, cap;
} text_list;

#define OPTION(T, field, letter, kind, value, help)                                    \
    {                                                                                  \
#field, letter, kind, offsetof(T, field), value, help, 0, INT64_MIN, INT64_MAX \
    }
/* A whole number with its default and closed range. */
#define OPTION_NUMBER(T, field, letter, value, fallback, least, most, help)                \
    {                                                                                      \
#field, letter, OPTION_INT, offsetof(T, field), value, help, fallback, least, most \
    }

/* Options every command takes. */
typedef struct common {
    bool help, json, quiet, verbose;
    const char *color;   /* auto, always, never */
    const char *results; /* --results, else CONVOY_RESULTS, else ./results */
    text_list plugin;    /* --plugin FILE */
} common;

typedef struct command {
    const char *name;
    const char *summary;  /* one line */
    const char *usage;    /* "convoy run FILE [PATH=VALUE ...]"; several lines for subcommands */
    const char *examples; /* lines, shown first; the first one also in `convoy --help` */
    const option_row *options;
    size_t n_options, size; /* size of its option struct */
    /* `options` is the filled struct, argv the operands alone: argc of them, then NULL. Returns the exit
     * code. */
    int (*run)(const struct command *self, const common *c, void *options, int argc, char **argv);
    bool hidden; /* for Convoy's own use: not in the help */
} command;

/* Prints messages to stderr (colour by --color, NO_COLOR, terminal), empties them, and returns their exit
 * code: 0 when there were warnings only. */
int cli_fail(const common *c, errors *e);
/* The same for one message of wrong usage, with the line that points to the command's help. */
int cli_usage(const command *self, const common *c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The word of `names` that was perhaps meant: the nearest, or what other programs call so; NULL for none. */
const char *cli_nearest(const char *word, const char *const *names, size_t n);
bool cli_colour(const common *c, FILE *f);
/* Results, on stdout, each in one of three ways. A failed write is noticed when the command has returned and ends in exit code 4.
 * For people: no character in it is obeyed by a terminal but line breaks, tabs and our own bold and colours. Whoever puts a name
 * into a line makes its line breaks visible too (text_safe, a table's cell). */
void cli_print(const text *t);
/* For programs (CSV, SQL, YAML, paths): byte for byte; the same as above without colours where stdout is a terminal. */
void cli_print_data(const text *t);
/* A path on a line of its own: as it is, or on a terminal made safe. */
void cli_print_path(const char *path);
/* Drawings made of a terminal's own commands, in which no name stands as it was given. */
void cli_print_raw(const text *t);
/* Writes out what was printed. Returns the errno of the first write on stdout that failed, or 0. */
int cli_flush(void);
/* The JSON of a writer and a newline, on stdout; frees it. */
void cli_print_json(json_writer *w);
/* Talk, on stderr, one line without its newline, made safe (text_safe); silent under --quiet. */
void cli_say(const common *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "PATH=VALUE" arguments (at least one dot or a known top-level key before the '=') are overrides. */
bool cli_is_override(const char *arg);
/* "WORD=VALUE", whatever the word: told as an override, a wrong one gets its suggestion. */
bool cli_sets(const char *arg);

extern const command cmd_run, cmd_sweep, cmd_resume, cmd_stop, cmd_watch, cmd_ls, cmd_show, cmd_compare,
    cmd_best, cmd_query, cmd_plot, cmd_report, cmd_model, cmd_export, cmd_eval, cmd_predict, cmd_features,
    cmd_inspect, cmd_check, cmd_plugin, cmd_profile, cmd_db, cmd_trial, cmd_planner, cmd_checker, cmd_schema,
    cmd_doctor, cmd_completion, cmd_manual, cmd_data, cmd_rm;

#endif
