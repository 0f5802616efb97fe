/* Owns the findings of a check; must not know what was checked. */
#include "check/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"

static const char *const names[] = {"passed", "failed", "skipped", "crashed", "timeout", "not_run"};

const char *verdict_status_name(verdict_status s)
{
    return names[s];
}

void verdict_free(verdict *v)
{
    for (size_t i = 0; i < v->n; i++) {
        mem_free(v->items[i].what);
        mem_free(v->items[i].where);
        mem_free(v->items[i].tensor);
    }
    mem_free(v->note);
    mem_free(v->where);
    *v = (verdict){0};
}

void verdict_at(verdict *v, const char *where)
{
    mem_free(v->where);
    v->where = mem_text(where);
    v->cases++;
    if (v->moved) v->moved(where);
}

static void add(verdict *v, const char *tensor, int64_t index, double found, double expected, char *what)
{
    v->status = VERDICT_FAILED;
    if (v->total++ >= VERDICT_KEPT) {
        mem_free(what);
        return;
    }
    v->items[v->n++] = (verdict_failure){.what = what,
                                         .where = mem_text(v->where ? v->where : ""),
                                         .tensor = mem_text(tensor),
                                         .index = index,
                                         .found = found,
                                         .expected = expected};
}

static char *composed(const char *fmt, va_list ap)
{
    text t = {0};
    text_vprintf(&t, fmt, ap);
    return text_take(&t);
}

void verdict_fail(verdict *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(v, NULL, -1, 0, 0, composed(fmt, ap));
    va_end(ap);
}

void verdict_number(verdict *v, const char *tensor, int64_t index, double found, double expected,
                    const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(v, tensor, index, found, expected, composed(fmt, ap));
    va_end(ap);
}

void verdict_note(verdict *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    mem_free(v->note);
    v->note = composed(fmt, ap);
    va_end(ap);
}

void verdict_skip(verdict *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    mem_free(v->note);
    v->note = composed(fmt, ap);
    va_end(ap);
    if (v->status == VERDICT_PASSED) v->status = VERDICT_SKIPPED;
}

void verdict_errors(verdict *v, errors *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (!e->items[i].warning) verdict_fail(v, "%s", e->items[i].what);
    errors_free(e);
}

void verdict_failure_text(const verdict_failure *f, text *out)
{
    if (f->where && *f->where) text_printf(out, "%s: ", f->where);
    text_add(out, f->what);
    if (!f->tensor) return;
    text_printf(out, ": %s[%" PRId64 "] is %.9g, expected %.9g", f->tensor, f->index, f->found, f->expected);
}

void verdict_write(const verdict *v, json_writer *w)
{
    json_put_text(w, "status", names[v->status]);
    json_put_double(w, "seconds", v->seconds);
    json_put_int(w, "cases", v->cases);
    if (v->note) json_put_text(w, "note", v->note);
    json_put_int(w, "found", (int64_t)v->total);
    json_key(w, "failures");
    json_open(w, '[');
    for (size_t i = 0; i < v->n; i++) {
        const verdict_failure *f = &v->items[i];
        json_open(w, '{');
        json_put_text(w, "what", f->what);
        json_put_text(w, "case", f->where);
        if (f->tensor) {
            json_put_text(w, "tensor", f->tensor);
            json_put_int(w, "index", f->index);
            json_put_double(w, "found", f->found);
            json_put_double(w, "expected", f->expected);
        }
        json_close(w, '}');
    }
    json_close(w, ']');
}

void verdict_read(verdict *v, const json *object)
{
    *v = (verdict){.seconds = json_get_double(object, "seconds", 0),
                   .cases = json_get_int(object, "cases", 0)};
    const char *status = json_get_text(object, "status", names[VERDICT_CRASHED]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(status, names[i])) v->status = (verdict_status)i;
    v->note = mem_text(json_get_text(object, "note", NULL));
    v->total = (size_t)json_get_int(object, "found", 0);
    const json *list = json_get(object, "failures");
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->n && v->n < VERDICT_KEPT; i++) {
        const json *f = list->items[i];
        v->items[v->n++] = (verdict_failure){.what = mem_text(json_get_text(f, "what", "")),
                                             .where = mem_text(json_get_text(f, "case", "")),
                                             .tensor = mem_text(json_get_text(f, "tensor", NULL)),
                                             .index = json_get_int(f, "index", -1),
                                             .found = json_get_double(f, "found", 0),
                                             .expected = json_get_double(f, "expected", 0)};
    }
}
