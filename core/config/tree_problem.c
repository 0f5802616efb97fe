/* Owns the translation of libyaml's complaints into what a person should write; knows nothing of trees. */
#include "config/tree_problem.h"

#include <string.h>

typedef enum spot {
    SPOT_PROBLEM, /* where libyaml stumbled */
    SPOT_CONTEXT  /* where the thing began that it could not finish */
} spot;

typedef struct wording {
    const char *problem; /* libyaml's text, or how it begins */
    const char *what, *hint;
    spot where;
} wording;

/* The first one that fits is used, so special cases stand before general ones. */
static const wording wordings[] = {
    {"did not find expected key", "expected `key: value` here",
     "check the indentation of this line and the one above", SPOT_PROBLEM},
    {"did not find expected '-' indicator", "expected `- item` here, like the items above",
     "check the indentation of this line and the one above", SPOT_PROBLEM},
    {"did not find expected ',' or ']'", "this list is not closed", "expected `,` or `]`", SPOT_CONTEXT},
    {"did not find expected ',' or '}'", "this map is not closed", "expected `,` or `}`", SPOT_CONTEXT},
    {"mapping values are not allowed in this context", "a `:` cannot stand here",
     "check the indentation, or put the text in quotes if the colon belongs to it", SPOT_PROBLEM},
    {"block sequence entries are not allowed in this context", "a list cannot begin here",
     "put `-` on a line of its own, or write the list as [a, b]", SPOT_PROBLEM},
    {"mapping keys are not allowed in this context", "a key cannot stand here", "check the indentation",
     SPOT_PROBLEM},
    {"could not find expected ':'", "this key has no `:`",
     "write `key: value`, with a space behind the colon", SPOT_CONTEXT},
    {"found unexpected end of stream", "this quoted text is not closed", "put the same quote at its end",
     SPOT_CONTEXT},
    {"found unexpected document indicator", "this quoted text is not closed", "put the same quote at its end",
     SPOT_CONTEXT},
    {"found unknown escape character", "unknown escape in double quotes",
     "double the backslash, or use single quotes", SPOT_PROBLEM},
    {"found invalid Unicode character escape code", "this escape is not a Unicode character", NULL,
     SPOT_PROBLEM},
    {"did not find expected hexdecimal number", "expected a hexadecimal number in this escape", NULL,
     SPOT_PROBLEM},
    {"found undefined tag handle", "tags are not supported", "remove the word that begins with `!`",
     SPOT_PROBLEM},
    {"did not find expected node content", "a value is missing here", NULL, SPOT_PROBLEM},
    {"did not find expected <document start>", "there is text behind the end of the document",
     "check the indentation; one file holds one document", SPOT_PROBLEM},
    {"did not find expected alphabetic or numeric character", "a name of letters and digits must follow here",
     "`*` and `&` are anchors; put the text in quotes if it begins with one", SPOT_PROBLEM},
    {"found a tab character", "a tab is used for indentation", "use spaces", SPOT_PROBLEM},
    {"found incompatible YAML document", "this YAML version is not supported", "remove the %YAML line",
     SPOT_PROBLEM},
};

/* libyaml's own offset lies somewhere inside the bad sequence; the first one that is no UTF-8 is what it met.
 */
static void reader_problem(const yaml_parser_t *p, const source *src, const char *s, size_t n, errors *e)
{
    if (p->problem && strstr(p->problem, "control characters")) {
        place at = source_at_byte(src, s, n, p->problem_offset);
        errors_add(e, CVY_ERR_CONFIG, &at, "in double quotes it can be written as an escape, \"\\x01\"",
                   "control character 0x%02X", (unsigned)p->problem_value);
        return;
    }
    size_t offset = 0, length = 0;
    while (offset < n && (length = text_utf8(s + offset, n - offset, NULL)) != 0) offset += length;
    place at = source_at_byte(src, s, n, offset);
    errors_add(e, CVY_ERR_CONFIG, &at, "save the file as UTF-8", "this is not UTF-8 text");
}

/* The byte at a mark; 0 behind the end. Marks count characters, so the line is walked. */
static char byte_at(const char *s, size_t n, yaml_mark_t mark)
{
    size_t character = 0;
    for (size_t i = 0; i < n; i++) {
        if (((unsigned char)s[i] & 0xC0) == 0x80) continue;
        if (character++ == mark.index) return s[i];
    }
    return '\0';
}

void tree_problem(const yaml_parser_t *p, const source *src, const char *s, size_t n, errors *e)
{
    if (p->error == YAML_MEMORY_ERROR) {
        place at = PLACE_FILE(src->name);
        errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "not enough memory to read it");
        return;
    }
    if (p->error == YAML_READER_ERROR) {
        reader_problem(p, src, s, n, e);
        return;
    }
    const char *problem = p->problem ? p->problem : "not valid YAML";
    place at = source_at(src, p->problem_mark.line, p->problem_mark.column);
    if (text_starts(problem, "found character that cannot start any token")) {
        char c = byte_at(s, n, p->problem_mark);
        if (c == '\t') {
            errors_add(e, CVY_ERR_CONFIG, &at, "use spaces", "a tab is used for indentation");
        } else {
            errors_add(e, CVY_ERR_CONFIG, &at, "put the text in quotes", "`%c` cannot begin a value", c);
        }
        return;
    }
    for (size_t i = 0; i < sizeof wordings / sizeof *wordings; i++) {
        const wording *w = &wordings[i];
        if (!text_starts(problem, w->problem)) continue;
        yaml_mark_t other = p->context_mark;
        if (w->where == SPOT_CONTEXT && p->context) at = source_at(src, other.line, other.column);
        errors_add(e, CVY_ERR_CONFIG, &at, w->hint, "%s", w->what);
        return;
    }
    errors_add(e, CVY_ERR_CONFIG, &at, NULL, "not valid YAML: %s", problem);
}
