/* Owns reading YAML text into a tree, strictly, with every error at once; must not know what the tree is for.
 */
#include "config/tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "base/file.h"
#include "config/scalar.h"
#include "config/source.h"
#include "config/tree_problem.h"
#include "config/tree_read.h"

typedef struct anchor {
    const char *name;
    const node *target; /* NULL while it is still being read: an alias to it would be endless */
    size_t nodes, height;
} anchor;

typedef struct reader {
    arena *a;
    errors *e;
    source src;
    yaml_parser_t p;
    const char *s; /* what libyaml reads */
    size_t n;
    bool failed;  /* anything was reported */
    size_t nodes; /* aliases counted in full */
    anchor *anchors;
    size_t n_anchors, cap_anchors;
} reader;

/* ---- ${name} in flow style ---- */

/* `{blocks: ${depth}}` is no YAML: braces end a plain scalar in flow style. They travel through libyaml as
 * two noncharacters, one character each, so that columns stay right, and come back in the scalars. */
#define BRACE_OPEN  "\xF4\x8F\xBF\xBE"
#define BRACE_CLOSE "\xF4\x8F\xBF\xBF"
enum { BRACE_BYTES = 4 };

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static void hide_braces(const char *s, size_t n, text *out)
{
    size_t done = 0;
    for (size_t i = 0; i + 2 < n; i++) {
        if (s[i] != '$' || s[i + 1] != '{') continue;
        size_t end = i + 2;
        while (end < n && name_char(s[end])) end++;
        if (end == n || s[end] != '}' || end == i + 2) continue;
        text_add_n(out, s + done, i + 1 - done);
        text_add(out, BRACE_OPEN);
        text_add_n(out, s + i + 2, end - i - 2);
        text_add(out, BRACE_CLOSE);
        done = end + 1;
        i = end;
    }
    text_add_n(out, s + done, n - done);
}

static char *show_braces(arena *a, const char *s, size_t n)
{
    char *out = arena_text_n(a, s, n);
    if (!strstr(out, "$" BRACE_OPEN)) return out;
    char *to = out;
    bool open = false;
    for (const char *from = out; *from;) {
        bool opens = from > out && text_starts(from, BRACE_OPEN) && to[-1] == '$';
        bool closes = open && text_starts(from, BRACE_CLOSE);
        if (opens || closes) {
            *to++ = opens ? '{' : '}';
            from += BRACE_BYTES;
            open = opens;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return out;
}

/* ---- events to nodes ---- */

static place mark_at(const reader *r, yaml_mark_t mark)
{
    return source_at(&r->src, mark.line, mark.column);
}

/* The next event; false after reporting why there is none. */
static bool next_event(reader *r, yaml_event_t *ev)
{
    if (yaml_parser_parse(&r->p, ev)) return true;
    tree_problem(&r->p, &r->src, r->s, r->n, r->e);
    r->failed = true;
    return false;
}

#define FAIL(r, at, hint, ...)                                     \
    do {                                                           \
        errors_add((r)->e, CVY_ERR_CONFIG, at, hint, __VA_ARGS__); \
        (r)->failed = true;                                        \
    } while (0)

static bool count_nodes(reader *r, size_t n, const place *at)
{
    r->nodes += n;
    if (r->nodes <= TREE_NODES_MAX) return true;
    FAIL(r, at, NULL, "more than %d values, aliases counted in full", TREE_NODES_MAX);
    return false;
}

static bool check_depth(reader *r, size_t depth, const place *at)
{
    if (depth <= TREE_DEPTH_MAX) return true;
    FAIL(r, at, NULL, "nested deeper than %d levels", TREE_DEPTH_MAX);
    return false;
}

static void check_tag(reader *r, const yaml_char_t *tag, const place *at)
{
    if (!tag) return;
    text shown = {0};
    text_safe(&shown, (const char *)tag, 60);
    FAIL(r, at, "remove it; for text that looks like a number use quotes", "tags are not supported (%s)",
         text_str(&shown));
    text_free(&shown);
}

/* The text of a scalar event; "" after reporting a character that C text cannot hold. */
static const char *event_text(reader *r, const yaml_event_t *ev, const place *at)
{
    const char *s = (const char *)ev->data.scalar.value;
    size_t n = ev->data.scalar.length;
    if (memchr(s, '\0', n)) {
        FAIL(r, at, NULL, "a NUL character cannot be used here");
        return "";
    }
    return show_braces(r->a, s, n);
}

/* What YAML 1.1 and 1.2 read differently is refused rather than read in either way. */
static void check_plain(reader *r, const node *n)
{
    bool meant;
    if (scalar_old_bool(n->s, &meant)) {
        text hint = {0};
        text_printf(&hint, "write %s, or \"%s\" for the word", meant ? "true" : "false", n->s);
        FAIL(r, &n->at, text_str(&hint), "`%s` is a boolean to some and a word to others", n->s);
        text_free(&hint);
    } else if (scalar_octal(n->s)) {
        const char *u = n->s + (*n->s == '-' || *n->s == '+' ? 1 : 0);
        text hint = {0}, shown = {0};
        if (u[1] == 'o') {
            unsigned long long v = strtoull(u + 2, NULL, 8);
            text_printf(&hint, "write %s%llu", *n->s == '-' ? "-" : "", v);
        } else {
            while (u[0] == '0' && u[1]) u++;
            if (strlen(u) < 40)
                text_printf(&hint, "write %s%s, or \"%s\" for text", *n->s == '-' ? "-" : "", u, n->s);
        }
        text_safe(&shown, n->s, 60);
        FAIL(r, &n->at, hint.n ? text_str(&hint) : NULL, "`%s` looks like an octal number", text_str(&shown));
        text_free(&hint);
        text_free(&shown);
    }
}

/* Index of the new anchor, SIZE_MAX when there is none. */
static size_t add_anchor(reader *r, const yaml_char_t *name)
{
    if (!name) return SIZE_MAX;
    r->anchors = MEM_GROW(r->anchors, r->n_anchors, &r->cap_anchors);
    r->anchors[r->n_anchors] = (anchor){arena_text(r->a, (const char *)name), NULL, 0, 0};
    return r->n_anchors++;
}

static node *read_alias(reader *r, const yaml_event_t *ev, size_t depth, size_t *height)
{
    place at = mark_at(r, ev->start_mark);
    const char *name = (const char *)ev->data.alias.anchor;
    const anchor *found = NULL;
    for (size_t i = r->n_anchors; i-- > 0 && !found;) {
        if (strcmp(r->anchors[i].name, name) == 0) found = &r->anchors[i];
    }
    text shown = {0};
    text_safe(&shown, name, 60);
    node *n = NULL;
    if (!found) {
        FAIL(r, &at, "define it before with &name, or put the text in quotes", "there is no anchor `%s`",
             text_str(&shown));
        n = tree_scalar(r->a, "", false, &at); /* goes on, to find the other errors too */
    } else if (!found->target) {
        FAIL(r, &at, NULL, "`*%s` contains itself", text_str(&shown));
        n = tree_scalar(r->a, "", false, &at);
    } else if (check_depth(r, depth + found->height, &at) && count_nodes(r, found->nodes, &at)) {
        *height = found->height;
        n = (node *)(uintptr_t)found->target;
    }
    text_free(&shown);
    return n;
}

static node *read_node(reader *r, yaml_event_t *ev, size_t depth, size_t *height);

static node *read_list(reader *r, const place *at, size_t depth, size_t *height)
{
    node *list = tree_list(r->a, at);
    for (;;) {
        yaml_event_t ev;
        if (!next_event(r, &ev)) return NULL;
        if (ev.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&ev);
            return list;
        }
        size_t inner = 0;
        node *item = read_node(r, &ev, depth + 1, &inner);
        if (!item) return NULL;
        if (inner + 1 > *height) *height = inner + 1;
        node_append(r->a, list, item);
    }
}

/* Reads a key; NULL when it is unusable, with *stop telling whether reading cannot go on. */
static const char *read_key(reader *r, yaml_event_t *ev, size_t depth, place *at, bool *stop)
{
    *at = mark_at(r, ev->start_mark);
    if (ev->type != YAML_SCALAR_EVENT) {
        FAIL(r, at, "in flow style, text with brackets needs quotes", "a key must be plain text");
        size_t height = 0;
        *stop = read_node(r, ev, depth + 1, &height) == NULL;
        return NULL;
    }
    check_tag(r, ev->data.scalar.tag, at);
    if (ev->data.scalar.anchor) FAIL(r, at, "put it behind the colon", "a key cannot be an anchor");
    const char *key = event_text(r, ev, at);
    bool merge = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(key, "<<") == 0;
    yaml_event_delete(ev);
    if (!merge) return key;
    FAIL(r, at, "write the keys out, or share one whole value with &name and *name", "`<<` is not supported");
    return NULL;
}

static node *read_map(reader *r, const place *at, size_t depth, size_t *height)
{
    node *map = tree_map(r->a, at);
    for (;;) {
        yaml_event_t ev;
        if (!next_event(r, &ev)) return NULL;
        if (ev.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&ev);
            return map;
        }
        place key_at;
        bool stop = false;
        const char *key = read_key(r, &ev, depth, &key_at, &stop);
        if (stop || !next_event(r, &ev)) return NULL;
        size_t inner = 0;
        node *value = read_node(r, &ev, depth + 1, &inner);
        if (!value) return NULL;
        if (inner + 1 > *height) *height = inner + 1;
        if (!key) continue;
        const place *first = node_key_at(map, key);
        if (first) {
            text shown = {0};
            text_safe(&shown, key, 60);
            if (first->line) {
                FAIL(r, &key_at, "keep one of them",
                     "duplicate key \"%s\", first given in line %d, column %d", text_str(&shown), first->line,
                     first->column);
            } else {
                FAIL(r, &key_at, "keep one of them", "duplicate key \"%s\"", text_str(&shown));
            }
            text_free(&shown);
        } else {
            node_put(r->a, map, key, &key_at, value);
        }
    }
}

/* Takes the event over. `depth` counts the collections around the node. NULL: reading cannot go on. */
static node *read_node(reader *r, yaml_event_t *ev, size_t depth, size_t *height)
{
    place at = mark_at(r, ev->start_mark);
    size_t before = r->nodes, marked = SIZE_MAX;
    node *n = NULL;
    switch (ev->type) {
    case YAML_ALIAS_EVENT:
        n = read_alias(r, ev, depth, height);
        yaml_event_delete(ev);
        return n;
    case YAML_SCALAR_EVENT:
        check_tag(r, ev->data.scalar.tag, &at);
        marked = add_anchor(r, ev->data.scalar.anchor);
        n = tree_scalar(r->a, "", ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE, &at);
        n->s = event_text(r, ev, &at);
        if (!n->quoted) check_plain(r, n);
        yaml_event_delete(ev);
        if (!count_nodes(r, 1, &at)) return NULL;
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: {
        bool map = ev->type == YAML_MAPPING_START_EVENT;
        check_tag(r, map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag, &at);
        marked = add_anchor(r, map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor);
        yaml_event_delete(ev);
        if (!check_depth(r, depth + 1, &at) || !count_nodes(r, 1, &at)) return NULL;
        *height = 1;
        n = map ? read_map(r, &at, depth, height) : read_list(r, &at, depth, height);
        break;
    }
    default: /* libyaml's grammar lets nothing else through */
        yaml_event_delete(ev);
        FAIL(r, &at, NULL, "not valid YAML");
        return NULL;
    }
    if (marked != SIZE_MAX && n) {
        r->anchors[marked].target = n;
        r->anchors[marked].nodes = r->nodes - before;
        r->anchors[marked].height = *height;
    }
    return n;
}

/* The first document; refuses a second one. */
static node *read_stream(reader *r)
{
    node *root = NULL;
    for (;;) {
        yaml_event_t ev;
        if (!next_event(r, &ev)) return NULL;
        yaml_event_type_t type = ev.type;
        place at = mark_at(r, ev.start_mark);
        size_t height = 0;
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT) {
            yaml_event_delete(&ev);
        } else if (type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&ev);
            if (root) return root;
            at = source_at(&r->src, 0, 0);
            return tree_scalar(r->a, "", false, &at);
        } else if (type == YAML_DOCUMENT_START_EVENT) {
            yaml_event_delete(&ev);
            if (root) {
                FAIL(r, &at, "keep one document per file", "a second document begins here");
                return NULL;
            }
        } else {
            root = read_node(r, &ev, 0, &height);
            if (!root) return NULL;
        }
    }
}

node *tree_read_value(arena *a, const char *name, const char *s, size_t n, bool numbered, errors *e)
{
    place whole = PLACE_FILE(name);
    if (n > TREE_BYTES_MAX) {
        errors_add(e, CVY_ERR_CONFIG, &whole, NULL, "%zu bytes, more than 1 MiB", n);
        return NULL;
    }
    if (n >= 2 && (memcmp(s, "\xFF\xFE", 2) == 0 || memcmp(s, "\xFE\xFF", 2) == 0)) {
        errors_add(e, CVY_ERR_CONFIG, &whole, "save the file as UTF-8", "this is UTF-16 text");
        return NULL;
    }
    if (n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0) s += 3, n -= 3;
    reader r = {.a = a, .e = e, .src = source_open(a, name, s, n, numbered)};
    if (!yaml_parser_initialize(&r.p)) {
        errors_add(e, CVY_ERR_RESOURCE, &whole, NULL, "not enough memory to read it");
        return NULL;
    }
    text hidden = {0};
    hide_braces(s, n, &hidden);
    r.s = text_str(&hidden);
    r.n = hidden.n;
    yaml_parser_set_encoding(&r.p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.p, (const unsigned char *)r.s, r.n);
    node *root = read_stream(&r);
    yaml_parser_delete(&r.p);
    mem_free(r.anchors);
    text_free(&hidden);
    return r.failed ? NULL : root;
}

node *tree_read_text(arena *a, const char *name, const char *s, size_t n, errors *e)
{
    return tree_read_value(a, name, s, n, true, e);
}

node *tree_read_file(arena *a, const char *path, errors *e)
{
    char *s = NULL;
    size_t n = 0;
    if (file_read(path, TREE_BYTES_MAX, &s, &n, e) != CVY_OK) return NULL;
    node *root = tree_read_text(a, path, s, n, e);
    mem_free(s);
    return root;
}

static size_t measure(const node *n, size_t *height, size_t depth)
{
    size_t count = 1;
    *height = depth;
    if (depth > TREE_DEPTH_MAX) return count; /* deep enough to refuse */
    for (size_t i = 0; i < n->n && count <= TREE_NODES_MAX; i++) {
        size_t inner = 0;
        count += measure(n->items[i], &inner, depth + (n->items[i]->kind == NODE_SCALAR ? 0 : 1));
        if (inner > *height) *height = inner;
    }
    return count;
}

bool tree_within_limits(const node *n, errors *e)
{
    size_t height = 0;
    size_t count = measure(n, &height, 1);
    if (height > TREE_DEPTH_MAX) {
        errors_add(e, CVY_ERR_CONFIG, &n->at, NULL, "nested deeper than %d levels", TREE_DEPTH_MAX);
        return false;
    }
    if (count > TREE_NODES_MAX) {
        errors_add(e, CVY_ERR_CONFIG, &n->at, NULL, "more than %d values", TREE_NODES_MAX);
        return false;
    }
    return true;
}
