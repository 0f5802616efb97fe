/* Owns how a page is written down so that no text can become markup; must not know what a page shows. */
#include "report/html.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"

/* ---- escaping ---- */

static void escape_one(text *out, const char *s, size_t length, uint32_t c)
{
    switch (c) {
    case '&':
        text_add(out, "&amp;");
        return;
    case '<':
        text_add(out, "&lt;");
        return;
    case '>':
        text_add(out, "&gt;");
        return;
    case '"':
        text_add(out, "&quot;");
        return;
    case '\'':
        text_add(out, "&#39;");
        return;
    case '`':
        text_add(out, "&#96;");
        return;
    case '\n':
    case '\t':
        text_char(out, (char)c);
        return;
    default:
        break;
    }
    if (c < 0x20 || (c >= 0x7F && c < 0xA0))
        text_printf(out, "\\x%02X", (unsigned)c);
    else if ((c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF))
        text_add(out, "\xEF\xBF\xBD");
    else if (text_hidden(c))
        text_printf(out, "[U+%04X]", (unsigned)c);
    else
        text_add_n(out, s, length);
}

bool html_escape_some(text *out, const char *s, size_t n, size_t most)
{
    size_t shown = 0;
    for (size_t i = 0; i < n; shown++) {
        uint32_t c = 0;
        size_t length = text_utf8(s + i, n - i, &c);
        if (shown == most) return false;
        if (length)
            escape_one(out, s + i, length, c);
        else
            text_printf(out, "\\x%02X", (unsigned char)s[i]);
        i += length ? length : 1;
    }
    return true;
}

void html_escape(text *out, const char *s, size_t n)
{
    html_escape_some(out, s, n, SIZE_MAX);
}

/* ---- elements ---- */

static bool is_empty_element(const char *name)
{
    static const char *const names[] = {"meta", "br", "hr", "img", "input", "col", "wbr", "link"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

/* Of pictures inside the page: these may be closed at once. */
static bool is_leaf(const char *name)
{
    static const char *const names[] = {"path", "use",      "rect",    "circle",  "line",        "image",
                                        "stop", "polyline", "polygon", "ellipse", "feComposite", "feFlood"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

static void end_tag(html *h)
{
    if (h->in_tag) text_char(&h->out, '>');
    h->in_tag = false;
}

void html_open(html *h, const char *element)
{
    assert(h->depth < HTML_DEPTH);
    end_tag(h);
    text_char(&h->out, '<');
    text_add(&h->out, element);
    h->open[h->depth++] = element;
    h->in_tag = true;
}

void html_close(html *h)
{
    assert(h->depth > 0);
    const char *element = h->open[--h->depth];
    if (h->in_tag && is_leaf(element)) {
        text_add(&h->out, "/>");
        h->in_tag = false;
        return;
    }
    end_tag(h);
    if (!is_empty_element(element)) text_printf(&h->out, "</%s>", element);
    static const char *const lines[] = {"p",     "tr",   "section", "div",  "li",      "h1",
                                        "h2",    "h3",   "dl",      "dd",   "details", "meta",
                                        "style", "head", "script",  "body", "pre",     "nav"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strcmp(lines[i], element)) text_char(&h->out, '\n');
}

void html_close_to(html *h, size_t depth)
{
    while (h->depth > depth) html_close(h);
}

void html_attr(html *h, const char *name, const char *value)
{
    assert(h->in_tag);
    text_printf(&h->out, " %s", name);
    if (!value) return;
    text_add(&h->out, "=\"");
    html_escape(&h->out, value, strlen(value));
    text_char(&h->out, '"');
}

void html_attrf(html *h, const char *name, const char *fmt, ...)
{
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    html_attr(h, name, text_str(&t));
    text_free(&t);
}

static bool is_allowed_url(const char *url)
{
    static const char *const allowed[] = {"#", "http://", "https://", "data:image/png;base64,",
                                          "data:image/jpeg;base64,"};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (text_starts(url, allowed[i])) return true;
    return false;
}

void html_url(html *h, const char *name, const char *url)
{
    text t = {0};
    for (const char *p = is_allowed_url(url) ? url : "#"; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     strchr("-._~:/?#@!$&()*+,;=%", c);
        if (plain)
            text_char(&t, (char)c);
        else
            text_printf(&t, "%%%02X", c);
    }
    html_attr(h, name, text_str(&t));
    text_free(&t);
}

void html_text_n(html *h, const char *s, size_t n)
{
    end_tag(h);
    html_escape(&h->out, s, n);
}

void html_text(html *h, const char *s)
{
    end_tag(h);
    if (s) html_escape(&h->out, s, strlen(s));
}

void html_textf(html *h, const char *fmt, ...)
{
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    html_text_n(h, text_str(&t), t.n);
    text_free(&t);
}

void html_short(html *h, const char *s, size_t most)
{
    enum { TITLE = 1000 };
    text shown = {0};
    const size_t n = s ? strlen(s) : 0;
    if (!html_escape_some(&shown, s ? s : "", n, most)) {
        if (h->in_tag) {
            text_add(&h->out, " title=\"");
            if (!html_escape_some(&h->out, s, n, TITLE)) text_add(&h->out, "...");
            text_char(&h->out, '"');
        }
        text_add(&shown, "...");
    }
    end_tag(h);
    text_add_n(&h->out, text_str(&shown), shown.n);
    text_free(&shown);
}

void html_element(html *h, const char *element, const char *s)
{
    html_open(h, element);
    html_text(h, s);
    html_close(h);
}

void html_elementf(html *h, const char *element, const char *fmt, ...)
{
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    html_open(h, element);
    html_text_n(h, text_str(&t), t.n);
    html_close(h);
    text_free(&t);
}

/* ---- the head ---- */

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void add_base64(text *out, const unsigned char *bytes, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const unsigned v = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                           (left > 2 ? (unsigned)bytes[i + 2] : 0);
        const char four[4] = {letters[v >> 18], letters[v >> 12 & 63], left > 1 ? letters[v >> 6 & 63] : '=',
                              left > 2 ? letters[v & 63] : '='};
        text_add_n(out, four, 4);
    }
}

void html_png(html *h, const void *bytes, size_t n, const char *says)
{
    text t = {0};
    text_add(&t, "data:image/png;base64,");
    add_base64(&t, bytes, n);
    html_open(h, "img");
    html_url(h, "src", text_str(&t));
    html_attr(h, "alt", says);
    html_close(h);
    text_free(&t);
}

void html_script_hash(const char *script, text *out)
{
    enum { BYTES = 32 };
    char hex[65];
    unsigned char bytes[BYTES];
    sha256 sum;
    sha256_init(&sum);
    sha256_add(&sum, script, strlen(script));
    sha256_hex(&sum, hex);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    text_add(out, "'sha256-");
    add_base64(out, bytes, BYTES);
    text_char(out, '\'');
}

static void put_meta(html *h, const char *key, const char *name, const char *content)
{
    html_open(h, "meta");
    html_attr(h, key, name);
    html_attr(h, "content", content);
    html_close(h);
}

/* What would end its element, or begin something that hides the end. */
static bool is_contained(const char *s)
{
    return !strstr(s, "</") && !strstr(s, "<!--") && !strstr(s, "<script") && !strstr(s, "]]>");
}

bool html_head(html *h, const char *title, const char *style, const char *script)
{
    if (!is_contained(style) || !is_contained(script)) return false;
    text policy = {0};
    text_add(&policy, "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
                      "form-action 'none'; script-src ");
    html_script_hash(script, &policy);
    text_add(&h->out, "<!DOCTYPE html>\n");
    html_open(h, "html");
    html_attr(h, "lang", "en");
    html_open(h, "head");
    html_open(h, "meta");
    html_attr(h, "charset", "utf-8");
    html_close(h);
    put_meta(h, "http-equiv", "Content-Security-Policy", text_str(&policy));
    put_meta(h, "name", "viewport", "width=device-width, initial-scale=1");
    put_meta(h, "name", "color-scheme", "light dark");
    put_meta(h, "name", "referrer", "no-referrer");
    html_open(h, "title");
    html_short(h, title, 120);
    html_close(h);
    html_open(h, "style");
    end_tag(h);
    text_add(&h->out, style);
    html_close(h);
    html_close(h); /* head */
    text_free(&policy);
    return true;
}

void html_script(html *h, const char *script)
{
    html_open(h, "script");
    end_tag(h);
    if (is_contained(script)) text_add(&h->out, script);
    html_close(h);
}
