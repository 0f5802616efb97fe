/* Owns writing a tree as YAML (block and flow style) and canonical JSON; knows nothing of what reads it but
 * the rules. */
#include "config/tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "config/scalar.h"

enum {
    WRITE_INDENT = 2,
    WRITE_WIDTH = 100,   /* flow style up to this column */
    WRITE_KEY_MAX = 1000 /* YAML allows 1024 characters before a colon; longer keys are marked with `?` */
};

/* ---- scalars ---- */

/* Whether s can stand without quotes, in block and flow style alike. Cautious: quotes are never wrong. */
static bool plain_safe(const char *s)
{
    static const char inner[] = "_-./+*()$%^=~<>@;' ";
    bool start = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
                 *s == '_' || *s == '/' || text_starts(s, "./") || text_starts(s, "../");
    if (!start) return false;
    for (const char *c = s; *c; c++) {
        bool alnum = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!alnum && !strchr(inner, *c)) return false;
    }
    return s[strlen(s) - 1] != ' ';
}

/* Bytes of the character at s, decoded into *c; 0 for a byte that is no UTF-8. */
static size_t decode(const unsigned char *s, uint32_t *c)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : 4;
    if (n == 1) {
        *c = s[0];
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
    uint32_t v = s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        v = v << 6 | (s[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[n] || v > 0x10FFFF || (v >= 0xD800 && v < 0xE000)) return 0;
    *c = v;
    return n;
}

static void write_quoted(const char *s, text *out)
{
    text_char(out, '"');
    for (const unsigned char *u = (const unsigned char *)s; *u;) {
        uint32_t c = 0;
        size_t n = decode(u, &c);
        if (n == 0) {
            text_add(out, "\xEF\xBF\xBD");
            n = 1;
        } else if (c == '"' || c == '\\') {
            text_char(out, '\\');
            text_char(out, (char)c);
        } else if (c == '\n') {
            text_add(out, "\\n");
        } else if (c == '\t') {
            text_add(out, "\\t");
        } else if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
            text_printf(out, "\\x%02X", (unsigned)c);
        } else if (c == 0x2028 || c == 0x2029 || c == 0xFEFF || (c >= 0xFFFE && c <= 0xFFFF)) {
            text_printf(out, "\\u%04X", (unsigned)c);
        } else {
            text_add_n(out, (const char *)u, n);
        }
        u += n;
    }
    text_char(out, '"');
}

static void write_key(const char *s, text *out)
{
    if (plain_safe(s)) {
        text_add(out, s);
    } else {
        write_quoted(s, out);
    }
}

static bool long_key(const char *s)
{
    return strlen(s) > WRITE_KEY_MAX / 4; /* escapes make characters longer */
}

static void write_scalar(const node *n, text *out)
{
    bool meant;
    scalar_type type = scalar_classify(n);
    if (type == SCALAR_NULL) {
        text_add(out, "null");
    } else if (type != SCALAR_TEXT) {
        text_add(out, n->s);
    } else if (plain_safe(n->s) && scalar_of(n->s) == SCALAR_TEXT && !scalar_octal(n->s) &&
               !scalar_old_bool(n->s, &meant)) {
        text_add(out, n->s);
    } else {
        write_quoted(n->s, out);
    }
}

/* ---- flow style ---- */

void tree_write_flow(const node *n, text *out)
{
    if (n->kind == NODE_SCALAR) {
        write_scalar(n, out);
        return;
    }
    text_char(out, n->kind == NODE_LIST ? '[' : '{');
    for (size_t i = 0; i < n->n; i++) {
        if (i) text_add(out, ", ");
        if (n->kind == NODE_MAP) {
            if (long_key(n->keys[i])) text_add(out, "? ");
            write_key(n->keys[i], out);
            text_add(out, ": ");
        }
        tree_write_flow(n->items[i], out);
    }
    text_char(out, n->kind == NODE_LIST ? ']' : '}');
}

/* ---- block style ---- */

/* Whether n belongs on one line at this column: scalars, empty ones, short collections of scalars. */
static bool inline_at(const node *n, size_t column)
{
    if (n->kind == NODE_SCALAR || n->n == 0) return true;
    for (size_t i = 0; i < n->n; i++) {
        if (n->items[i]->kind != NODE_SCALAR && n->items[i]->n) return false;
    }
    text flow = {0};
    tree_write_flow(n, &flow);
    bool fits = column + flow.n <= WRITE_WIDTH;
    text_free(&flow);
    return fits;
}

static void indent_by(text *out, size_t indent)
{
    for (size_t i = 0; i < indent; i++) text_char(out, ' ');
}

static void write_block(const node *n, size_t indent, bool begun, text *out);

/* The value behind `key:` or `-`, of which `indent` is where its parent stands, with its line break. */
static void write_value(const node *n, size_t indent, bool in_list, text *out)
{
    size_t column = out->n;
    while (column > 0 && out->s[column - 1] != '\n') column--;
    column = out->n - column;
    if (inline_at(n, column + 1)) {
        text_char(out, ' ');
        tree_write_flow(n, out);
        text_char(out, '\n');
    } else if (in_list) { /* `- key: value`, the rest of the map under the key */
        text_char(out, ' ');
        write_block(n, indent + WRITE_INDENT, true, out);
    } else {
        text_char(out, '\n');
        write_block(n, indent + WRITE_INDENT, false, out);
    }
}

/* A collection that is not empty; `begun`: the first line is already indented. */
static void write_block(const node *n, size_t indent, bool begun, text *out)
{
    for (size_t i = 0; i < n->n; i++) {
        if (!begun || i) indent_by(out, indent);
        if (n->kind == NODE_LIST) {
            text_char(out, '-');
        } else if (long_key(n->keys[i])) {
            text_add(out, "? ");
            write_key(n->keys[i], out);
            text_char(out, '\n');
            indent_by(out, indent);
            text_char(out, ':');
        } else {
            write_key(n->keys[i], out);
            text_char(out, ':');
        }
        write_value(n->items[i], indent, n->kind == NODE_LIST, out);
    }
}

void tree_write(const node *n, text *out)
{
    if (n->kind == NODE_SCALAR || n->n == 0) {
        tree_write_flow(n, out);
        text_char(out, '\n');
    } else {
        write_block(n, 0, false, out);
    }
}

/* ---- JSON ---- */

typedef struct member {
    const char *key;
    const node *value;
} member;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const member *)a)->key, ((const member *)b)->key);
}

static void write_json_scalar(const node *n, json_writer *w)
{
    int64_t i;
    double d;
    switch (scalar_classify(n)) {
    case SCALAR_NULL:
        json_null(w);
        break;
    case SCALAR_BOOL:
        json_bool(w, n->s[0] == 't' || n->s[0] == 'T');
        break;
    case SCALAR_INT:
    case SCALAR_FLOAT:
        if (scalar_classify(n) == SCALAR_INT && node_int(n, &i, NULL)) {
            json_int(w, i);
        } else if (node_double(n, &d, NULL)) {
            json_double(w, d);
        } else {
            json_text(w, n->s); /* too large for any type: its digits */
        }
        break;
    case SCALAR_TEXT:
        json_text(w, n->s);
        break;
    }
}

void tree_write_json(const node *n, json_writer *w)
{
    if (n->kind == NODE_SCALAR) {
        write_json_scalar(n, w);
    } else if (n->kind == NODE_LIST) {
        json_open(w, '[');
        for (size_t i = 0; i < n->n; i++) tree_write_json(n->items[i], w);
        json_close(w, ']');
    } else {
        member *members = mem_array(n->n, sizeof *members);
        for (size_t i = 0; i < n->n; i++) members[i] = (member){n->keys[i], n->items[i]};
        if (n->n) qsort(members, n->n, sizeof *members, by_key);
        json_open(w, '{');
        for (size_t i = 0; i < n->n; i++) {
            json_key(w, members[i].key);
            tree_write_json(members[i].value, w);
        }
        json_close(w, '}');
        mem_free(members);
    }
}
