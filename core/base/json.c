/* Owns JSON as text and as a tree; must not know what the documents mean or where they come from. */
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- writer ---- */

static void before_value(json_writer *w)
{
    /* Nothing stands before the first value, also when the text was taken and the writer is used again. */
    if (w->comma && w->out.n) text_char(&w->out, ',');
    w->comma = true;
}

/* A character that a terminal would obey or nobody would see, as \u and four digits: readers get it back. */
static void add_code(text *t, uint32_t c)
{
    if (c >= 0x10000) {
        text_printf(t, "\\u%04x", 0xD800 + ((c - 0x10000) >> 10));
        c = 0xDC00 + ((c - 0x10000) & 0x3FF);
    }
    text_printf(t, "\\u%04x", c);
}

static void quote(text *t, const char *s, size_t n)
{
    static const char short_form[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    text_char(t, '"');
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        uint32_t code = 0;
        size_t len = text_utf8(s + i, n - i, &code);
        if (c == '"' || c == '\\') {
            text_char(t, '\\');
            text_char(t, (char)c);
        } else if (c < 0x20 && short_form[c]) {
            text_char(t, '\\');
            text_char(t, short_form[c]);
        } else if (len && text_hidden(code)) {
            add_code(t, code);
        } else if (len) {
            text_add_n(t, s + i, len);
        } else {
            text_add(t, "\xEF\xBF\xBD");
        }
        i += len ? len : 1;
    }
    text_char(t, '"');
}

void json_open(json_writer *w, char bracket)
{
    before_value(w);
    text_char(&w->out, bracket);
    w->comma = false;
}

void json_close(json_writer *w, char bracket)
{
    text_char(&w->out, bracket);
    w->comma = true;
}

void json_key(json_writer *w, const char *key)
{
    before_value(w);
    quote(&w->out, key, strlen(key));
    text_char(&w->out, ':');
    w->comma = false;
}

void json_text(json_writer *w, const char *s)
{
    if (!s) {
        json_null(w);
        return;
    }
    json_text_n(w, s, strlen(s));
}

void json_text_n(json_writer *w, const char *s, size_t n)
{
    before_value(w);
    quote(&w->out, s, n);
}

void json_int(json_writer *w, int64_t v)
{
    before_value(w);
    text_printf(&w->out, "%lld", (long long)v);
}

void json_double(json_writer *w, double v)
{
    before_value(w);
    bool bare = isfinite(v);
    if (!bare) text_char(&w->out, '"');
    text_double(&w->out, v);
    if (!bare) text_char(&w->out, '"');
}

void json_bool(json_writer *w, bool v)
{
    json_raw(w, v ? "true" : "false");
}

void json_null(json_writer *w)
{
    json_raw(w, "null");
}

void json_raw(json_writer *w, const char *text_of_json)
{
    before_value(w);
    text_add(&w->out, text_of_json);
}

void json_put_text(json_writer *w, const char *key, const char *s)
{
    json_key(w, key);
    json_text(w, s);
}

void json_put_int(json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_int(w, v);
}

void json_put_double(json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_double(w, v);
}

void json_put_bool(json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}

/* ---- reader ---- */

enum { DEPTH_MAX = 64 };

/* A member whose container is still open. */
typedef struct member {
    json *value;
    const char *key;
    size_t offset; /* of the key */
} member;

typedef struct parser {
    arena *a;
    const char *s;
    size_t n, at;
    int depth;
    const char *error;
    size_t error_at;
    member *open; /* of all open containers, outermost first: their sizes are known only when they close */
    size_t n_open, cap_open;
} parser;

static json *fail_at(parser *p, size_t at, const char *error)
{
    p->error = error;
    p->error_at = at;
    return NULL;
}

static json *fail(parser *p, const char *error)
{
    return fail_at(p, p->at, p->at < p->n ? error : "unexpected end");
}

static void skip_space(parser *p)
{
    while (p->at < p->n &&
           (p->s[p->at] == ' ' || p->s[p->at] == '\t' || p->s[p->at] == '\n' || p->s[p->at] == '\r'))
        p->at++;
}

static bool next_is(const parser *p, char c)
{
    return p->at < p->n && p->s[p->at] == c;
}

static json *make(parser *p, json_kind kind)
{
    json *v = arena_alloc(p->a, sizeof *v);
    v->kind = kind;
    return v;
}

static bool hex4(const parser *p, size_t at, uint32_t *out)
{
    if (p->n - at < 4) return false;
    uint32_t v = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = p->s[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            v = v << 4 | (uint32_t)(c - 'A' + 10);
        else
            return false;
    }
    *out = v;
    return true;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* At a backslash: appends what it stands for to out[*n]; false with the error set. */
static bool parse_escape(parser *p, char *out, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    size_t start = p->at++;
    if (p->at == p->n) return fail(p, "unexpected end");
    char c = p->s[p->at++];
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        out[(*n)++] = to[known - from];
        return true;
    }
    uint32_t code, low;
    if (c != 'u') return fail_at(p, start, "unknown escape in a string");
    if (!hex4(p, p->at, &code)) return fail_at(p, start, "\\u needs four hexadecimal digits");
    p->at += 4;
    if (code >= 0xDC00 && code < 0xE000) return fail_at(p, start, "half a surrogate pair");
    if (code >= 0xD800 && code < 0xDC00) {
        bool paired = p->n - p->at >= 6 && p->s[p->at] == '\\' && p->s[p->at + 1] == 'u' &&
                      hex4(p, p->at + 2, &low) && low >= 0xDC00 && low < 0xE000;
        if (!paired) return fail_at(p, start, "half a surrogate pair");
        p->at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *n += put_utf8(out + *n, code);
    return true;
}

/* At the opening quote. */
static const char *parse_string(parser *p, size_t *length)
{
    /* No string grows by reading it, so the distance to its end is room enough. */
    size_t end = p->at + 1;
    while (end < p->n && p->s[end] != '"') end += p->s[end] == '\\' ? 2 : 1;
    if (end >= p->n) {
        fail_at(p, p->at, "string without its closing quote");
        return NULL;
    }
    char *out = arena_alloc(p->a, end - p->at);
    size_t n = 0;
    p->at++;
    while (p->at < end) {
        if (p->s[p->at] == '\\') {
            if (!parse_escape(p, out, &n)) return NULL;
            continue;
        }
        size_t len = text_utf8(p->s + p->at, end - p->at, NULL);
        if (!len || (unsigned char)p->s[p->at] < 0x20) {
            fail(p, len ? "control character in a string" : "invalid UTF-8 in a string");
            return NULL;
        }
        memcpy(out + n, p->s + p->at, len);
        n += len;
        p->at += len;
    }
    p->at++;
    *length = n;
    return out;
}

static size_t skip_digits(parser *p)
{
    size_t start = p->at;
    while (p->at < p->n && p->s[p->at] >= '0' && p->s[p->at] <= '9') p->at++;
    return p->at - start;
}

static json *parse_number(parser *p)
{
    size_t start = p->at;
    bool negative = next_is(p, '-'), whole = true, fits = true;
    if (negative) p->at++;
    size_t digits = p->at;
    if (!skip_digits(p)) return negative ? fail(p, "a number needs digits") : fail(p, "unexpected character");
    if (p->s[digits] == '0' && p->at > digits + 1) return fail_at(p, start, "leading zero in a number");
    int64_t integer = 0;
    for (size_t i = digits; i < p->at && fits; i++) {
        int digit = p->s[i] - '0';
        fits = !__builtin_mul_overflow(integer, 10, &integer) &&
               !__builtin_add_overflow(integer, negative ? -digit : digit, &integer);
    }
    if (next_is(p, '.')) {
        whole = false;
        p->at++;
        if (!skip_digits(p)) return fail(p, "a number needs digits behind the point");
    }
    if (next_is(p, 'e') || next_is(p, 'E')) {
        whole = false;
        p->at++;
        if (next_is(p, '+') || next_is(p, '-')) p->at++;
        if (!skip_digits(p)) return fail(p, "a number needs digits in its exponent");
    }
    char small[64], *copy = small;
    size_t n = p->at - start;
    if (n < sizeof small) {
        memcpy(small, p->s + start, n);
        small[n] = '\0';
    } else {
        copy = mem_text_n(p->s + start, n);
    }
    json *v = make(p, JSON_NUMBER);
    locale_t c_locale =
        newlocale(LC_ALL_MASK, "C", (locale_t)0); /* in glibc a constant; a comma is no point */
    v->number = c_locale ? strtod_l(copy, NULL, c_locale) : strtod(copy, NULL);
    if (c_locale) freelocale(c_locale);
    if (copy != small) mem_free(copy);
    if (isinf(v->number)) return fail_at(p, start, "number out of range");
    v->is_integer = whole && fits;
    v->integer = v->is_integer ? integer : 0;
    return v;
}

static int by_key(const void *a, const void *b)
{
    const member *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

static bool keys_unique(parser *p, const member *members, size_t n)
{
    if (n < 2) return true;
    member *sorted = mem_copy(members, n * sizeof *members);
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n && !p->error; i++)
        if (!strcmp(sorted[i - 1].key, sorted[i].key)) fail_at(p, sorted[i].offset, "duplicate key");
    mem_free(sorted);
    return !p->error;
}

static json *parse_value(parser *p);

static bool parse_member(parser *p, bool object)
{
    member m = {.offset = p->at};
    if (object) {
        size_t length;
        if (!next_is(p, '"')) return fail(p, "expected a key in quotes");
        m.key = parse_string(p, &length);
        if (!m.key) return false;
        /* Keys are plain C strings; one with a NUL inside could pass for another. */
        if (strlen(m.key) != length) return fail_at(p, m.offset, "NUL in a key");
        skip_space(p);
        if (!next_is(p, ':')) return fail(p, "expected ':'");
        p->at++;
    }
    m.value = parse_value(p);
    if (!m.value) return false;
    p->open = MEM_GROW(p->open, p->n_open, &p->cap_open);
    p->open[p->n_open++] = m;
    skip_space(p);
    return true;
}

/* At the opening bracket. */
static json *parse_container(parser *p)
{
    bool object = p->s[p->at] == '{';
    char close = object ? '}' : ']';
    if (++p->depth > DEPTH_MAX) return fail(p, "nested too deeply");
    p->at++;
    size_t base = p->n_open;
    skip_space(p);
    if (!next_is(p, close)) {
        for (;;) {
            if (!parse_member(p, object)) return NULL;
            if (!next_is(p, ',')) break;
            p->at++;
            skip_space(p);
        }
        if (!next_is(p, close)) return fail(p, object ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    p->at++;
    p->depth--;

    json *v = make(p, object ? JSON_OBJECT : JSON_ARRAY);
    v->n = p->n_open - base;
    const member *members = v->n ? p->open + base : NULL;
    v->items = arena_array(p->a, v->n, sizeof *v->items);
    for (size_t i = 0; i < v->n; i++) v->items[i] = members[i].value;
    if (object) {
        if (!keys_unique(p, members, v->n)) return NULL;
        v->keys = arena_array(p->a, v->n, sizeof *v->keys);
        for (size_t i = 0; i < v->n; i++) v->keys[i] = members[i].key;
    }
    p->n_open = base;
    return v;
}

static json *parse_word(parser *p, const char *word, json_kind kind, bool b)
{
    size_t n = strlen(word);
    if (p->n - p->at < n || memcmp(p->s + p->at, word, n)) return fail(p, "unexpected character");
    p->at += n;
    json *v = make(p, kind);
    v->b = b;
    return v;
}

static json *parse_value(parser *p)
{
    skip_space(p);
    if (p->at == p->n) return fail(p, "unexpected end");
    switch (p->s[p->at]) {
    case '{':
    case '[':
        return parse_container(p);
    case '"': {
        size_t n;
        const char *s = parse_string(p, &n);
        if (!s) return NULL;
        json *v = make(p, JSON_TEXT);
        v->s = s;
        v->n = n;
        return v;
    }
    case 't':
        return parse_word(p, "true", JSON_BOOL, true);
    case 'f':
        return parse_word(p, "false", JSON_BOOL, false);
    case 'n':
        return parse_word(p, "null", JSON_NULL, false);
    default:
        return parse_number(p);
    }
}

json *json_parse(arena *a, const char *s, size_t n, const char **error, size_t *offset)
{
    parser p = {.a = a, .s = s, .n = n};
    json *v = parse_value(&p);
    if (v) {
        skip_space(&p);
        if (p.at < p.n) v = fail(&p, "more text behind the value");
    }
    mem_free(p.open);
    if (!v) {
        if (error) *error = p.error;
        if (offset) *offset = p.error_at;
    }
    return v;
}

/* ---- questions ---- */

const json *json_get(const json *object, const char *key)
{
    if (!object || object->kind != JSON_OBJECT) return NULL;
    for (size_t i = 0; i < object->n; i++)
        if (!strcmp(object->keys[i], key)) return object->items[i];
    return NULL;
}

const char *json_get_text(const json *object, const char *key, const char *otherwise)
{
    const json *v = json_get(object, key);
    return v && v->kind == JSON_TEXT ? v->s : otherwise;
}

int64_t json_get_int(const json *object, const char *key, int64_t otherwise)
{
    const json *v = json_get(object, key);
    return v && v->kind == JSON_NUMBER && v->is_integer ? v->integer : otherwise;
}

double json_get_double(const json *object, const char *key, double otherwise)
{
    return json_as_double(json_get(object, key), otherwise);
}

bool json_get_bool(const json *object, const char *key, bool otherwise)
{
    const json *v = json_get(object, key);
    return v && v->kind == JSON_BOOL ? v->b : otherwise;
}

double json_as_double(const json *v, double otherwise)
{
    if (!v) return otherwise;
    if (v->kind == JSON_NUMBER) return v->number;
    if (v->kind == JSON_TEXT) {
        if (!strcmp(v->s, "nan")) return (double)NAN;
        if (!strcmp(v->s, "inf")) return (double)INFINITY;
        if (!strcmp(v->s, "-inf")) return -(double)INFINITY;
    }
    return otherwise;
}
