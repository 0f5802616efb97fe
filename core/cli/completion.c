/* Owns what a shell is told of commands, subcommands, options and their values, read off the tables and the usage
 * lines; must not know any command by name. */
#include "cli/completion.h"

#include <string.h>

#include "base/memory.h"
#include "cli/options.h"

/* ---- what usage lines say ---- */

static const char *const lower = "abcdefghijklmnopqrstuvwxyz_";

/* "plain|fast" at s: its words, separated by blanks. False when it is no such choice. */
static bool choice(const char *s, text *out)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_|");
    if (!n || !memchr(s, '|', n) || s[n - 1] == '|' || (s[n] && !strchr(" ]\n", s[n]))) return false;
    for (size_t i = 0; i < n; i++) text_char(out, s[i] == '|' ? ' ' : s[i]);
    return true;
}

/* The words that `option` takes, as its help or the command's usage lists them; false when nothing lists them. */
static bool option_values(const command *c, const option_row *row, text *out)
{
    char name[64];
    if (row->kind == OPTION_FLAG) return false;
    if (!strcmp(row->name, "color")) {
        text_add(out, "auto always never");
        return true;
    }
    options_name(row, name);
    size_t n = strlen(name);
    for (const char *at = c->usage; (at = strstr(at, name)) != NULL; at += n)
        if (at[n] == ' ' && choice(at + n + 1, out)) return true;
    return false;
}

static bool takes_folder(const option_row *row)
{
    return row->value && !strcmp(row->value, "DIR");
}

/* Calls fn with every usage line's words behind "convoy COMMAND ". */
static void each_usage(const command *c, void (*fn)(void *ctx, const char *rest), void *ctx)
{
    char *begin = mem_printf("convoy %s ", c->name);
    for (const char *line = c->usage; *line;) {
        if (text_starts(line, begin)) fn(ctx, line + strlen(begin));
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    mem_free(begin);
}

static bool has_word(const char *words, const char *word, size_t n)
{
    for (const char *at = words; *at;) {
        size_t length = strcspn(at, " ");
        if (length == n && !memcmp(at, word, n)) return true;
        at += length + (at[length] == ' ');
    }
    return false;
}

/* "csv|jsonl|sql" are three. */
static void add_subcommand(void *ctx, const char *rest)
{
    text *out = ctx;
    const size_t all = strcspn(rest, " \n");
    for (size_t at = 0; at < all; at++)
        if (rest[at] != '|' && !strchr(lower, rest[at])) return;
    for (size_t at = 0, n; at < all; at += n + 1) {
        n = strcspn(rest + at, "| \n");
        if (!n || has_word(text_str(out), rest + at, n)) continue;
        if (out->n) text_char(out, ' ');
        text_add_n(out, rest + at, n);
    }
}

/* Whether the line's first word, or one of its alternatives, is this subcommand. */
static bool of_subcommand(const char *rest, const char *sub, size_t length)
{
    const size_t all = strcspn(rest, " \n");
    for (size_t at = 0, n; at < all; at += n + 1) {
        n = strcspn(rest + at, "| \n");
        if (n == length && !memcmp(rest + at, sub, n)) return true;
    }
    return false;
}

/* "ls info check": what can stand first behind the command; empty when it has no subcommands. */
static void subcommands(const command *c, text *out)
{
    each_usage(c, add_subcommand, out);
}

/* What operands a usage line asks for. */
typedef struct operands {
    const char *sub; /* the subcommand in question, n bytes; NULL: the command itself */
    size_t n;
    bool runs, plugins, kinds;
    text words;
} operands;

static void add_operands(void *ctx, const char *rest)
{
    operands *o = ctx;
    if (o->sub && !of_subcommand(rest, o->sub, o->n)) return;
    if (o->sub) rest += strcspn(rest, " \n");
    if (o->sub && *rest == ' ') rest++;
    size_t n = strcspn(rest, "\n");
    char *line = mem_text_n(rest, n);
    char *options = strstr(line, "--");
    if (options) *options = 0;
    o->runs = o->runs || strstr(line, "RUN") || strstr(line, "SWEEP");
    o->plugins = o->plugins || strstr(line, "[KIND:]NAME");
    o->kinds = o->kinds || text_starts(line, "[KIND]") || text_starts(line, "KIND");
    choice(line, &o->words);
    mem_free(line);
}

static operands operands_of(const command *c, const char *sub, size_t n)
{
    operands o = {.sub = sub, .n = n};
    each_usage(c, add_operands, &o);
    if (o.kinds) text_add(&o.words, "layer loss optimizer dataset augment");
    return o;
}

static void option_words(const option_row *rows, size_t n, text *out)
{
    for (size_t i = 0; i < n; i++) {
        char name[64];
        options_name(&rows[i], name);
        text_printf(out, "%s%s", out->n ? " " : "", name);
    }
}

/* ---- bash ---- */

static void bash_values(const command *c, const char *pattern, const option_row *rows, size_t n, text *out)
{
    for (size_t i = 0; i < n; i++) {
        text values = {0};
        char name[64];
        options_name(&rows[i], name);
        if (option_values(c, &rows[i], &values))
            text_printf(out, "    '%s %s') COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", pattern,
                        name, text_str(&values));
        else if (takes_folder(&rows[i]))
            text_printf(out, "    '%s %s') COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n", pattern,
                        name);
        text_free(&values);
    }
}

static void bash_operands(const char *pattern, operands *o, text *out)
{
    if (o->runs || o->plugins || o->words.n) {
        text_printf(out, "    '%s') words=\"%s%s", pattern, text_str(&o->words), o->words.n ? " " : "");
        if (o->runs) text_add(out, "last $(_convoy_runs \"${COMP_WORDS[0]}\")");
        if (o->plugins) text_add(out, "$(_convoy_plugins \"${COMP_WORDS[0]}\")");
        text_add(out, "\" ;;\n");
    }
    text_free(&o->words);
}

void completion_bash(const command *const *commands, size_t n, text *out)
{
    text names = {0}, common_options = {0};
    for (size_t i = 0; i < n; i++)
        if (!commands[i]->hidden) text_printf(&names, "%s ", commands[i]->name);
    text_add(&names, "help");
    option_words(options_common, options_common_n, &common_options);
    text_printf(out,
                "# Completion of convoy for bash; written by `convoy completion bash`.\n"
                "_convoy_runs() { \"$1\" ls -a -q 2>/dev/null | awk '$1 ~ /^[rs][0-9]+$/ { print $1 }'; }\n"
                "_convoy_plugins() { \"$1\" plugin ls -q 2>/dev/null | awk 'NR > 1 { print $2 }'; }\n"
                "_convoy() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd= sub= words= "
                "subs= i\n"
                "    COMPREPLY=()\n"
                "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "        if [[ -z $cmd && \" %s \" == *\" ${COMP_WORDS[i]} \"* ]]; then\n"
                "            cmd=${COMP_WORDS[i]}\n"
                "            case $cmd in\n",
                text_str(&names));
    for (size_t i = 0; i < n; i++) {
        text subs = {0};
        subcommands(commands[i], &subs);
        if (!commands[i]->hidden && subs.n)
            text_printf(out, "            %s) subs='%s' ;;\n", commands[i]->name, text_str(&subs));
        text_free(&subs);
    }
    text_add(out, "            esac\n"
                  "        elif [[ -n $subs && -z $sub && \" $subs \" == *\" ${COMP_WORDS[i]} \"* ]]; then\n"
                  "            sub=${COMP_WORDS[i]}\n"
                  "        fi\n"
                  "    done\n"
                  "    case \"$cmd $prev\" in\n");
    for (size_t i = 0; i < n; i++)
        if (!commands[i]->hidden)
            bash_values(commands[i], commands[i]->name, commands[i]->options, commands[i]->n_options, out);
    text_add(out, "    *' --color') COMPREPLY=($(compgen -W 'auto always never' -- \"$cur\")); return ;;\n"
                  "    *' --results') COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
                  "    esac\n"
                  "    if [[ $cur == -* ]]; then\n"
                  "        case $cmd in\n"
                  "        '') words='--version' ;;\n");
    for (size_t i = 0; i < n; i++) {
        text own = {0};
        option_words(commands[i]->options, commands[i]->n_options, &own);
        if (!commands[i]->hidden && own.n)
            text_printf(out, "        %s) words='%s' ;;\n", commands[i]->name, text_str(&own));
        text_free(&own);
    }
    text_printf(out,
                "        esac\n"
                "        COMPREPLY=($(compgen -W \"$words %s\" -- \"$cur\"))\n"
                "        return\n"
                "    fi\n"
                "    case \"$cmd${sub:+ $sub}\" in\n"
                "    '' | help) words='%s' ;;\n",
                text_str(&common_options), text_str(&names));
    for (size_t i = 0; i < n; i++) {
        if (commands[i]->hidden) continue;
        text subs = {0};
        subcommands(commands[i], &subs);
        if (subs.n) {
            text_printf(out, "    '%s') words=$subs ;;\n", commands[i]->name);
            for (const char *s = text_str(&subs); *s;) {
                size_t length = strcspn(s, " ");
                char *pattern = mem_printf("%s %.*s", commands[i]->name, (int)length, s);
                operands o = operands_of(commands[i], s, length);
                bash_operands(pattern, &o, out);
                mem_free(pattern);
                s += length + (s[length] == ' ');
            }
        } else {
            operands o = operands_of(commands[i], NULL, 0);
            bash_operands(commands[i]->name, &o, out);
        }
        text_free(&subs);
    }
    text_add(out, "    esac\n"
                  "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                  "}\n"
                  "complete -o default -F _convoy convoy\n");
    text_free(&names);
    text_free(&common_options);
}

/* ---- zsh ---- */

/* Text inside single quotes, characters of _arguments' own escaped. */
static void zsh_text(const char *s, text *out)
{
    for (; *s; s++) {
        if (*s == '\'')
            text_add(out, "'\\''");
        else if (strchr("[]:\\", *s))
            text_printf(out, "\\%c", *s);
        else
            text_char(out, *s);
    }
}

static void zsh_options(const command *c, const option_row *rows, size_t n, text *out)
{
    for (size_t i = 0; i < n; i++) {
        const option_row *row = &rows[i];
        char name[64];
        options_name(row, name);
        text values = {0};
        const char *repeat = row->kind == OPTION_TEXTS ? "*" : "";
        const char *names[2] = {name, NULL};
        char letter[3] = {'-', row->letter, 0};
        if (row->letter) names[1] = letter;
        for (size_t k = 0; k < 2 && names[k]; k++) {
            text_printf(out, " \\\n            '%s%s[", repeat, names[k]);
            zsh_text(row->help, out);
            text_char(out, ']');
            if (row->kind != OPTION_FLAG) {
                text_char(out, ':');
                zsh_text(row->value ? row->value : "value", out);
                text_free(&values);
                if (option_values(c, row, &values))
                    text_printf(out, ":(%s)", text_str(&values));
                else
                    text_add(out, takes_folder(row)         ? ":_files -/"
                                  : row->kind == OPTION_INT ? ": "
                                                            : ":_files");
            }
            text_char(out, '\'');
        }
        text_free(&values);
    }
}

void completion_zsh(const command *const *commands, size_t n, text *out)
{
    text_add(
        out,
        "#compdef convoy\n"
        "# Completion of convoy for zsh; written by `convoy completion zsh`.\n"
        "_convoy_runs() {\n"
        "    local -a runs\n"
        "    runs=(last ${(f)\"$(convoy ls -a -q 2>/dev/null | awk '$1 ~ /^[rs][0-9]+$/ { print $1 }')\"})\n"
        "    _describe run runs\n"
        "}\n"
        "_convoy() {\n"
        "    local line state\n"
        "    local -a commands\n"
        "    commands=(\n");
    for (size_t i = 0; i < n; i++) {
        if (commands[i]->hidden) continue;
        text_printf(out, "        '%s:", commands[i]->name);
        zsh_text(commands[i]->summary, out);
        text_add(out, "'\n");
    }
    text_add(out, "        'help:Show the help of a command'\n"
                  "    )\n"
                  "    _arguments -C '1: :->command' '*:: :->arguments'\n"
                  "    case $state in\n"
                  "    command) _describe command commands ;;\n"
                  "    arguments)\n"
                  "        case $line[1] in\n"
                  "        help) _describe command commands ;;\n");
    for (size_t i = 0; i < n; i++) {
        const command *c = commands[i];
        if (c->hidden) continue;
        text subs = {0};
        subcommands(c, &subs);
        operands o = operands_of(c, NULL, 0);
        text_printf(out, "        %s)\n            _arguments -s", c->name);
        zsh_options(c, c->options, c->n_options, out);
        zsh_options(c, options_common, options_common_n, out);
        if (subs.n)
            text_printf(out, " \\\n            '1: :(%s)' '*: :_files'", text_str(&subs));
        else if (o.words.n)
            text_printf(out, " \\\n            '*: :(%s)'", text_str(&o.words));
        else
            text_printf(out, " \\\n            '*: :%s'", o.runs ? "_convoy_runs" : "_files");
        text_add(out, "\n            ;;\n");
        text_free(&subs);
        text_free(&o.words);
    }
    text_add(out,
             "        esac\n"
             "        ;;\n"
             "    esac\n"
             "}\n"
             "if [[ $funcstack[1] == _convoy ]]; then _convoy \"$@\"; else compdef _convoy convoy; fi\n");
}

/* ---- fish ---- */

static void fish_text(const char *s, text *out)
{
    text_char(out, '\'');
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\') text_char(out, '\\');
        text_char(out, *s);
    }
    text_char(out, '\'');
}

static void fish_options(const command *c, const char *condition, const option_row *rows, size_t n, text *out)
{
    for (size_t i = 0; i < n; i++) {
        const option_row *row = &rows[i];
        char name[64];
        options_name(row, name);
        text values = {0};
        text_printf(out, "complete -c convoy %s-l %s", condition, name + 2);
        if (row->letter) text_printf(out, " -s %c", row->letter);
        if (option_values(c, row, &values))
            text_printf(out, " -x -a '%s'", text_str(&values));
        else if (row->kind != OPTION_FLAG)
            text_add(out, takes_folder(row) ? " -x -a '(__fish_complete_directories)'" : " -r");
        text_add(out, " -d ");
        fish_text(row->help, out);
        text_char(out, '\n');
        text_free(&values);
    }
}

void completion_fish(const command *const *commands, size_t n, text *out)
{
    text_add(out,
             "# Completion of convoy for fish; written by `convoy completion fish`.\n"
             "function __convoy_runs\n"
             "    convoy ls -a -q 2>/dev/null | string match -r '^[rs][0-9]+\\b'\n"
             "end\n"
             "function __convoy_plugins\n"
             "    convoy plugin ls -q 2>/dev/null | tail -n +2 | string replace -r '^\\S+\\s+(\\S+).*' '$1'\n"
             "end\n"
             "complete -c convoy -n __fish_use_subcommand -f -a help -d 'Show the help of a command'\n");
    fish_options(commands[0], "", options_common, options_common_n, out);
    for (size_t i = 0; i < n; i++) {
        const command *c = commands[i];
        if (c->hidden) continue;
        text subs = {0};
        char *condition = mem_printf("-n '__fish_seen_subcommand_from %s' ", c->name);
        text_printf(out, "complete -c convoy -n __fish_use_subcommand -f -a %s -d ", c->name);
        fish_text(c->summary, out);
        text_char(out, '\n');
        fish_options(c, condition, c->options, c->n_options, out);
        subcommands(c, &subs);
        operands o = operands_of(c, NULL, 0);
        if (subs.n)
            text_printf(
                out,
                "complete -c convoy -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from "
                "%s' -f -a '%s'\n",
                c->name, text_str(&subs), text_str(&subs));
        if (!subs.n && o.runs)
            text_printf(out, "complete -c convoy %s-f -a 'last (__convoy_runs)'\n", condition);
        for (const char *sub = text_str(&subs); *sub;) {
            size_t length = strcspn(sub, " ");
            operands own = operands_of(c, sub, length);
            if (own.plugins)
                text_printf(out,
                            "complete -c convoy -n '__fish_seen_subcommand_from %s; and "
                            "__fish_seen_subcommand_from %.*s' -f -a '(__convoy_plugins)'\n",
                            c->name, (int)length, sub);
            text_free(&own.words);
            sub += length + (sub[length] == ' ');
        }
        if (!subs.n && o.words.n)
            text_printf(out, "complete -c convoy %s-f -a '%s'\n", condition, text_str(&o.words));
        text_free(&subs);
        text_free(&o.words);
        mem_free(condition);
    }
}
