/* Owns the messages of what went wrong and how they read; must not know YAML, nor print or leave. */
#include "base/error.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"

enum {
    KEPT = 100,         /* messages of each kind */
    SHOWN_BYTES = 4000, /* of one message's line */
    SOURCE_BEFORE = 60, /* code points of a long source line around the caret */
    SOURCE_AFTER = 40
};

static void message_free(message *m)
{
    mem_free(m->file);
    mem_free(m->source);
    mem_free(m->what);
    mem_free(m->hint);
}

static void free_items(errors *e)
{
    for (size_t i = 0; i < e->n; i++) message_free(&e->items[i]);
    mem_free(e->items);
    e->items = NULL;
    e->n = e->cap = e->lost_errors = e->lost_warnings = 0;
}

static void free_context(errors *e)
{
    for (size_t i = 0; i < e->n_context; i++) mem_free(e->context[i]);
    mem_free(e->context);
    e->context = NULL;
    e->n_context = e->cap_context = 0;
}

void errors_free(errors *e)
{
    free_items(e);
    free_context(e);
}

/* Takes m over, or frees and counts it. Errors and warnings are limited apart, so that a flood of warnings
 * cannot hide the error behind it. */
static void append(errors *e, message m)
{
    size_t same = 0;
    for (size_t i = 0; i < e->n; i++) same += e->items[i].warning == m.warning;
    if (same >= KEPT) {
        if (m.warning)
            e->lost_warnings++;
        else
            e->lost_errors++;
        message_free(&m);
        return;
    }
    e->items = MEM_GROW(e->items, e->n, &e->cap);
    e->items[e->n++] = m;
}

static void add(errors *e, cvy_status status, bool warning, const place *at, const char *hint,
                const char *fmt, va_list ap)
{
    text what = {0};
    for (size_t i = 0; i < e->n_context; i++) text_printf(&what, "%s: ", e->context[i]);
    text_vprintf(&what, fmt, ap);
    const place where = at ? *at : PLACE_NONE;
    append(e, (message){.status = status,
                        .warning = warning,
                        .file = mem_text(where.file),
                        .line = where.line,
                        .column = where.column,
                        .offset = where.offset,
                        .source = mem_text(where.source),
                        .what = text_take(&what),
                        .hint = mem_text(hint)});
}

cvy_status errors_add(errors *e, cvy_status status, const place *at, const char *hint, const char *fmt, ...)
{
    assert(status != CVY_OK);
    if (!e) return status;
    va_list ap;
    va_start(ap, fmt);
    add(e, status, false, at, hint, fmt, ap);
    va_end(ap);
    return status;
}

void errors_warn(errors *e, const place *at, const char *hint, const char *fmt, ...)
{
    if (!e) return;
    va_list ap;
    va_start(ap, fmt);
    add(e, CVY_OK, true, at, hint, fmt, ap);
    va_end(ap);
}

void errors_push(errors *e, const char *fmt, ...)
{
    if (!e) return;
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    e->context = MEM_GROW(e->context, e->n_context, &e->cap_context);
    e->context[e->n_context++] = text_take(&t);
}

void errors_pop(errors *e)
{
    if (!e) return;
    assert(e->n_context);
    if (e->n_context) mem_free(e->context[--e->n_context]);
}

cvy_status errors_status(const errors *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (!e->items[i].warning) return e->items[i].status;
    return CVY_OK;
}

size_t errors_count(const errors *e)
{
    size_t count = e->lost_errors;
    for (size_t i = 0; i < e->n; i++) count += !e->items[i].warning;
    return count;
}

void errors_move(errors *to, errors *from)
{
    for (size_t i = 0; i < from->n; i++) append(to, from->items[i]);
    to->lost_errors += from->lost_errors;
    to->lost_warnings += from->lost_warnings;
    from->n = 0; /* the messages have a new owner */
    free_items(from);
    if (!from->n_context) free_context(from);
}

/* ---- as text ---- */

/* Made safe, but its own line breaks kept: continued lines are indented, so they cannot pose as another
 * message. */
static void add_lines(text *out, const char *s)
{
    for (;;) {
        const char *end = strchr(s, '\n');
        char *line = mem_text_n(s, end ? (size_t)(end - s) : strlen(s));
        text_safe(out, line, SHOWN_BYTES);
        mem_free(line);
        text_char(out, '\n');
        if (!end) return;
        text_add(out, "    ");
        s = end + 1;
    }
}

static void add_place(text *out, const message *m)
{
    if (m->file) text_safe(out, m->file, SHOWN_BYTES);
    if (m->line > 0) {
        if (m->file) text_char(out, ':');
        text_printf(out, "%d", m->line);
        if (m->column > 0) text_printf(out, ":%d", m->column);
    } else if (m->offset >= 0) {
        text_printf(out, "%sbyte %lld", m->file ? ": " : "", m->offset);
    } else if (!m->file) {
        return;
    }
    text_char(out, ':');
}

/* One code point, or one byte of what is not UTF-8: the unit in which columns count. */
static size_t step(const char *s, size_t n)
{
    size_t len = text_utf8(s, n, NULL);
    return len ? len : 1;
}

static size_t code_points(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i += step(s + i, n - i)) count++;
    return count;
}

/* A column that is not there gives the end: what is missing belongs behind the line. */
static size_t byte_of(const char *s, size_t n, size_t code_point)
{
    size_t i = 0;
    while (code_point-- && i < n) i += step(s + i, n - i);
    return i;
}

static void add_safe_n(text *out, const char *s, size_t n)
{
    char *part = mem_text_n(s, n);
    text_safe(out, part, SIZE_MAX);
    mem_free(part);
}

static void add_source(text *out, const message *m, bool colour)
{
    const char *s = m->source;
    size_t n = strlen(s), length = code_points(s, n);
    size_t at = m->column > 0 ? (size_t)m->column - 1 : 0;
    size_t first = 0, last = length;
    if (length > SOURCE_BEFORE + SOURCE_AFTER) {
        first = at > SOURCE_BEFORE ? at - SOURCE_BEFORE : 0;
        last = first + SOURCE_BEFORE + SOURCE_AFTER;
        if (last > length) {
            last = length;
            first = last - (SOURCE_BEFORE + SOURCE_AFTER);
        }
    }
    size_t begin = byte_of(s, n, first), caret = byte_of(s, n, at), end = byte_of(s, n, last);

    text shown = {0};
    if (first) text_add(&shown, "...");
    add_safe_n(&shown, s + begin, caret - begin);
    size_t indent = code_points(text_str(&shown), shown.n);
    add_safe_n(&shown, s + caret, end - caret);
    if (last < length) text_add(&shown, "...");

    text number = {0};
    if (m->line > 0) text_printf(&number, "%d", m->line);
    text_printf(out, "  %s | %s\n", text_str(&number), text_str(&shown));
    if (m->column > 0) {
        text_printf(out, "  %*s | ", (int)number.n, "");
        while (indent--) text_char(out, ' ');
        text_add(out, colour ? "\x1b[32m^\x1b[0m\n" : "^\n");
    }
    text_free(&number);
    text_free(&shown);
}

static void add_lost(text *out, size_t n, const char *kind)
{
    if (n) text_printf(out, "... and %zu more %s%s\n", n, kind, n == 1 ? "" : "s");
}

void errors_text(const errors *e, bool colour, text *out)
{
    for (size_t i = 0; i < e->n; i++) {
        const message *m = &e->items[i];
        text where = {0};
        add_place(&where, m);
        if (where.n) text_printf(out, colour ? "\x1b[1m%s\x1b[0m " : "%s ", where.s);
        text_free(&where);
        if (m->warning) text_add(out, "warning: ");
        add_lines(out, m->what);
        if (m->source) add_source(out, m, colour);
        if (m->hint) {
            text_add(out, "  hint: ");
            add_lines(out, m->hint);
        }
    }
    add_lost(out, e->lost_errors, "error");
    add_lost(out, e->lost_warnings, "warning");
}

/* ---- as JSON ---- */

void errors_write_json(const errors *e, struct json_writer *w)
{
    json_open(w, '[');
    for (size_t i = 0; i < e->n; i++) {
        const message *m = &e->items[i];
        json_open(w, '{');
        json_put_int(w, "status", m->status);
        json_put_bool(w, "warning", m->warning);
        json_put_text(w, "file", m->file);
        json_put_int(w, "line", m->line);
        json_put_int(w, "column", m->column);
        json_put_int(w, "offset", m->offset);
        json_put_text(w, "source", m->source);
        json_put_text(w, "what", m->what);
        json_put_text(w, "hint", m->hint);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* The sender may have loaded a foreign plugin, so nothing it says is trusted: an error stays an error. */
static cvy_status read_status(int64_t v)
{
    switch (v) {
    case CVY_ERR_RUN:
    case CVY_ERR_CONFIG:
    case CVY_ERR_SOME:
    case CVY_ERR_RESOURCE:
    case CVY_ERR_PLUGIN:
    case CVY_STOPPED:
    case CVY_FORCED:
        return (cvy_status)v;
    default:
        return CVY_ERR_RUN;
    }
}

static int read_position(const json *item, const char *key)
{
    int64_t v = json_get_int(item, key, 0);
    return v < 0 || v > INT_MAX ? 0 : (int)v;
}

void errors_read_json(errors *e, const struct json *array)
{
    if (!array || array->kind != JSON_ARRAY) return;
    for (size_t i = 0; i < array->n; i++) {
        const json *item = array->items[i];
        if (item->kind != JSON_OBJECT) continue;
        bool warning = json_get_bool(item, "warning", false);
        int64_t offset = json_get_int(item, "offset", -1);
        append(e, (message){.status = warning ? CVY_OK : read_status(json_get_int(item, "status", 0)),
                            .warning = warning,
                            .file = mem_text(json_get_text(item, "file", NULL)),
                            .line = read_position(item, "line"),
                            .column = read_position(item, "column"),
                            .offset = offset < 0 ? -1 : offset,
                            .source = mem_text(json_get_text(item, "source", NULL)),
                            .what = mem_text(json_get_text(item, "what", "")),
                            .hint = mem_text(json_get_text(item, "hint", NULL))});
    }
}
