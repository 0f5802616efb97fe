/* Owns what of an SVG drawing gets into a page, element by element and attribute by attribute; must not know who drew it. */
#include "report/page_svg.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { DEPTH = 40, VALUE_MAX = 4 << 20, INHERITED = 7, INHERITED_MAX = 40 };

/* What children take from their parents, and need not be said again. */
static const char *const inherited[INHERITED] = {
    "fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin", "color", "font-size"};

typedef struct level {
    bool shown;    /* an element that is taken over; else its content alone counts for the nesting */
    bool filled;   /* something is in it */
    size_t start;  /* of the element in the page */
    bool in_tag;   /* of the parent, there */
    char name[32]; /* as the drawing has it */
    char values[INHERITED][INHERITED_MAX];
} level;

typedef struct reader {
    html *h;
    const page_svg_look *look;
    const char *s, *end;
    level levels[DEPTH];
    size_t depth, skipping; /* levels inside an element that is left out, itself included */
    bool done;
} reader;

static const char *among(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name)) return names[i];
    return NULL;
}

static const char *known_element(const char *name)
{
    static const char *const names[] = {
        "svg",   "g",       "path",       "line",   "polyline",       "polygon",        "rect",
        "text",  "circle",  "ellipse",    "tspan",  "title",          "defs",           "use",
        "stop",  "pattern", "clipPath",   "marker", "linearGradient", "radialGradient", "filter",
        "image", "feFlood", "feComposite"};
    return among(names, sizeof names / sizeof *names, name);
}

static const char *known_attribute(const char *name)
{
    static const char *const names[] = {"d",
                                        "x",
                                        "y",
                                        "x1",
                                        "y1",
                                        "x2",
                                        "y2",
                                        "cx",
                                        "cy",
                                        "r",
                                        "rx",
                                        "ry",
                                        "dx",
                                        "dy",
                                        "points",
                                        "width",
                                        "height",
                                        "transform",
                                        "fill",
                                        "fill-opacity",
                                        "fill-rule",
                                        "stroke",
                                        "stroke-width",
                                        "stroke-dasharray",
                                        "stroke-opacity",
                                        "stroke-linecap",
                                        "stroke-linejoin",
                                        "color",
                                        "opacity",
                                        "font-size",
                                        "font-weight",
                                        "font-style",
                                        "text-anchor",
                                        "dominant-baseline",
                                        "baseline-shift",
                                        "clip-path",
                                        "filter",
                                        "offset",
                                        "stop-color",
                                        "stop-opacity",
                                        "gradientUnits",
                                        "gradientTransform",
                                        "patternUnits",
                                        "patternTransform",
                                        "preserveAspectRatio",
                                        "viewBox",
                                        "shape-rendering",
                                        "filterUnits",
                                        "flood-color",
                                        "flood-opacity",
                                        "result",
                                        "in",
                                        "in2",
                                        "operator",
                                        "markerWidth",
                                        "markerHeight",
                                        "refX",
                                        "refY",
                                        "orient"};
    return among(names, sizeof names / sizeof *names, name);
}

/* ---- reading XML ---- */

static bool name_here(reader *r, char *name, size_t size)
{
    size_t n = 0;
    while (r->s < r->end && (isalnum((unsigned char)*r->s) || strchr("_:-.", *r->s))) {
        if (n + 1 >= size) return false;
        name[n++] = *r->s++;
    }
    name[n] = '\0';
    return n > 0;
}

static void space_here(reader *r)
{
    while (r->s < r->end && isspace((unsigned char)*r->s)) r->s++;
}

static bool begins(const reader *r, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(r->end - r->s) >= n && !memcmp(r->s, what, n);
}

static bool skip_past(reader *r, const char *what)
{
    const char *found = memmem(r->s, (size_t)(r->end - r->s), what, strlen(what));
    if (!found) return false;
    r->s = found + strlen(what);
    return true;
}

static void add_code(text *out, unsigned long c)
{
    char u[4];
    size_t n = 0;
    if (c < 0x80) {
        u[n++] = (char)c;
    } else if (c < 0x800) {
        u[n++] = (char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        u[n++] = (char)(0xE0 | c >> 12);
        u[n++] = (char)(0x80 | (c >> 6 & 0x3F));
    } else {
        u[n++] = (char)(0xF0 | (c >> 18 & 7));
        u[n++] = (char)(0x80 | (c >> 12 & 0x3F));
        u[n++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    if (c >= 0x80) u[n++] = (char)(0x80 | (c & 0x3F));
    text_add_n(out, u, n);
}

/* What the characters from s to end mean, with &lt; and the like resolved; an & that begins none of them is itself. */
static void decode(const char *s, const char *end, text *out)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    while (s < end) {
        size_t i = 0, left = (size_t)(end - s);
        if (*s == '&' && left > 3 && s[1] == '#') {
            const bool hex = s[2] == 'x';
            char digits[10] = "";
            size_t n = 0;
            const char *p = s + 2 + hex;
            while (p < end && n < 8 && isxdigit((unsigned char)*p)) digits[n++] = *p++;
            if (n && p < end && *p == ';') {
                unsigned long c = strtoul(digits, NULL, hex ? 16 : 10);
                if (c && c <= 0x10FFFF) add_code(out, c);
                s = p + 1;
                continue;
            }
        }
        while (*s == '&' && i < 5 &&
               (strlen(names[i].name) > left || memcmp(s, names[i].name, strlen(names[i].name)) != 0))
            i++;
        if (*s == '&' && i < 5) {
            text_char(out, names[i].c);
            s += strlen(names[i].name);
        } else {
            text_char(out, *s++);
        }
    }
}

/* ---- values ---- */

/* The page's own colour in place of a grey or of one of Okabe and Ito's, for which it has a lighter one on dark paper; false for
 * others. */
static bool page_colour(const char *v, text *out)
{
    static const struct {
        const char *name;
        unsigned level;
    } names[] = {{"black", 0},  {"white", 255},     {"gray", 128},
                 {"grey", 128}, {"lightgrey", 211}, {"lightgray", 211}};
    static const unsigned hues[][3] = {{0x00, 0x72, 0xB2}, {0xD5, 0x5E, 0x00}, {0x00, 0x9E, 0x73},
                                       {0xCC, 0x79, 0xA7}, {0xE6, 0x9F, 0x00}, {0x56, 0xB4, 0xE9}};
    unsigned r = 0, g = 0, b = 0;
    char more;
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].name, v)) r = g = b = names[i].level, known = true;
    known = known || (sscanf(v, "rgb( %3u , %3u , %3u %c", &r, &g, &b, &more) == 4 && more == ')');
    known = known || (strlen(v) == 7 && sscanf(v, "#%2x%2x%2x", &r, &g, &b) == 3);
    if (!known) return false;
    if (r == g && g == b && r < 256) {
        text_printf(out, "var(--g%u)", (r * 10 + 127) / 255);
        return true;
    }
    for (size_t i = 0; i < sizeof hues / sizeof *hues; i++)
        if (hues[i][0] == r && hues[i][1] == g && hues[i][2] == b) {
            text_printf(out, "var(--c%zu)", i);
            return true;
        }
    return false;
}

static bool is_colour_attribute(const char *name)
{
    static const char *const names[] = {"fill", "stroke", "color", "stop-color", "flood-color"};
    return among(names, sizeof names / sizeof *names, name) != NULL;
}

/* "#id" or "url(#id)" with the drawing's prefix; false for what points elsewhere. */
static bool own_reference(const reader *r, const char *v, bool url, text *out)
{
    const char *id = v + (url ? 5 : 1);
    if (url ? !text_starts(v, "url(#") : v[0] != '#') return false;
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    if (!n || strcmp(id + n, url ? ")" : "") != 0) return false;
    text_printf(out, "%s#%s%.*s%s", url ? "url(" : "", r->look->prefix, (int)n, id, url ? ")" : "");
    return true;
}

/* Without the spaces that only lay it out. */
static void squeeze(text *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        const bool space = isspace((unsigned char)v->s[i]);
        if (space && (!n || v->s[n - 1] == ' ')) continue;
        v->s[n++] = space ? ' ' : v->s[i];
    }
    if (n && v->s[n - 1] == ' ') n--;
    if (v->s) v->s[v->n = n] = '\0';
}

static void put_attribute(reader *r, const char *name, text *v)
{
    level *now = &r->levels[r->depth - 1];
    text made = {0};
    if (!strcmp(name, "id")) {
        size_t n = strspn(text_str(v), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
        if (n && n == v->n) html_attrf(r->h, "id", "%s%s", r->look->prefix, v->s);
        return;
    }
    if (!strcmp(name, "href") || !strcmp(name, "xlink:href")) {
        if (own_reference(r, text_str(v), false, &made))
            html_attr(r->h, "href", text_str(&made));
        else if (!strcmp(now->name, "image") && text_starts(text_str(v), "data:image/png;base64,"))
            html_url(r->h, "href", text_str(v));
        text_free(&made);
        return;
    }
    const char *known = known_attribute(name);
    if (!known) return;
    squeeze(v);
    const char *value = text_str(v);
    if (is_colour_attribute(known) && !r->look->own_colours && page_colour(value, &made)) {
        value = text_str(&made);
    } else if (strstr(value, "url(") || strchr(value, '\\')) {
        if (!own_reference(r, value, true, &made)) return;
        value = text_str(&made);
    }
    bool said = false;
    for (size_t i = 0; i < INHERITED; i++) {
        if (strcmp(inherited[i], known) != 0) continue;
        said = !strcmp(now->values[i], value);
        snprintf(now->values[i], INHERITED_MAX, "%s", strlen(value) < INHERITED_MAX ? value : "?");
    }
    if (!said) html_attr(r->h, known, value);
    text_free(&made);
}

/* "fill: none; stroke: black" */
static void put_style(reader *r, const char *style)
{
    while (*style) {
        size_t n = strcspn(style, ";");
        const char *colon = memchr(style, ':', n);
        if (colon) {
            text name = {0}, value = {0};
            text_add_n(&name, style, (size_t)(colon - style));
            text_add_n(&value, colon + 1, n - (size_t)(colon + 1 - style));
            squeeze(&name);
            if (strcmp(text_str(&name), "id") != 0 && !text_ends(text_str(&name), "href"))
                put_attribute(r, text_str(&name), &value);
            text_free(&name);
            text_free(&value);
        }
        style += n + (style[n] == ';');
    }
}

/* The text that a script would show: gnuplot_svg.showHypertext(evt,'r12') */
static void take_hover(const char *handler, text *hover)
{
    static const char call[] = "showHypertext(evt,'";
    const char *from = strstr(handler, call), *to = from ? strrchr(handler, '\'') : NULL;
    if (!from) return;
    from += sizeof call - 1;
    for (; from < to; from++) {
        if (from[0] == '\\' && from + 1 < to) {
            text_char(hover, from[1] == 'n' ? '\n' : from[1]);
            from++;
        } else {
            text_char(hover, *from);
        }
    }
}

/* ---- elements ---- */

static void mark_filled(reader *r)
{
    for (size_t i = r->depth; i-- > 0 && !r->levels[i].filled;) r->levels[i].filled = true;
}

static void put_title(reader *r, const text *t)
{
    const char *s = text_str(t);
    if (s[strspn(s, " \n\t\r")] == '\0' || text_starts(s, "gnuplot_plot_") || !strcmp(s, "Gnuplot")) return;
    html_element(r->h, "title", s);
}

/* <title> text </title>, and nothing in it. */
static bool read_title(reader *r)
{
    const char *from = r->s;
    text t = {0};
    if (!skip_past(r, "</title>")) return false;
    decode(from, r->s - strlen("</title>"), &t);
    put_title(r, &t);
    text_free(&t);
    return true;
}

static void open_root(reader *r)
{
    level *l = &r->levels[0];
    strcpy(l->values[3], "butt"); /* where nobody says anything else */
    strcpy(l->values[4], "miter");
    html_attr(r->h, "role", "img");
    html_attr(r->h, "aria-label", r->look->title);
}

/* One attribute into the element that was just opened, if it is one to take. */
static bool read_attribute(reader *r, bool taken, bool root, text *hover)
{
    char name[64];
    if (!name_here(r, name, sizeof name)) return false;
    space_here(r);
    if (r->s == r->end || *r->s != '=') return false;
    r->s++;
    space_here(r);
    if (r->s == r->end || (*r->s != '"' && *r->s != '\'')) return false;
    const char quote = *r->s++, *stop = memchr(r->s, quote, (size_t)(r->end - r->s));
    if (!stop || stop - r->s > VALUE_MAX) return false;
    text value = {0};
    decode(r->s, stop, &value);
    r->s = stop + 1;
    if (!strcmp(name, "onmousemove") || !strcmp(name, "onmouseover"))
        take_hover(text_str(&value), hover);
    else if (root ? !strcmp(name, "viewBox") : taken && strcmp(name, "style") != 0)
        put_attribute(r, name, &value);
    else if (taken && !root)
        put_style(r, text_str(&value));
    text_free(&value);
    return true;
}

static void close_element(reader *r)
{
    level *l = &r->levels[--r->depth];
    if (!l->shown) {
        if (r->skipping) r->skipping--;
        return;
    }
    if (!l->filled && (!strcmp(l->name, "g") || !strcmp(l->name, "text") || !strcmp(l->name, "tspan"))) {
        r->h->depth--; /* nothing in it: as if it had not been */
        r->h->out.n = l->start;
        if (r->h->out.s) r->h->out.s[l->start] = '\0';
        r->h->in_tag = l->in_tag;
    } else {
        html_close(r->h);
    }
    if (!r->depth) r->done = true;
}

static bool read_start(reader *r)
{
    char name[32];
    text hover = {0};
    bool fine = r->depth < DEPTH && !r->done && name_here(r, name, sizeof name);
    if (!fine) return false;
    const char *element = known_element(name);
    const bool root = r->depth == 0, taken = element && !r->skipping && (root == !strcmp(name, "svg"));
    if (root && !taken) return false;
    level *l = &r->levels[r->depth];
    *l = (level){0};
    if (r->depth) memcpy(l->values, l[-1].values, sizeof l->values);
    l->shown = taken && strcmp(name, "title") != 0;
    l->start = r->h->out.n;
    l->in_tag = r->h->in_tag;
    snprintf(l->name, sizeof l->name, "%s", name);
    r->depth++;
    if (l->shown) {
        html_open(r->h, element);
        if (root) open_root(r);
        if (strcmp(name, "g") != 0 && strcmp(name, "text") != 0 && strcmp(name, "tspan") != 0) mark_filled(r);
    } else if (!taken) {
        r->skipping++;
    }
    for (;;) {
        space_here(r);
        if (r->s == r->end) fine = false;
        if (!fine || *r->s == '>' || *r->s == '/') break;
        fine = read_attribute(r, l->shown, root, &hover);
    }
    const bool closed = fine && begins(r, "/>");
    fine = fine && (closed || *r->s == '>');
    if (fine) r->s += closed ? 2 : 1;
    if (fine && hover.n && l->shown) put_title(r, &hover);
    text_free(&hover);
    if (fine && closed) {
        if (l->shown || !taken)
            close_element(r);
        else
            r->depth--;
    } else if (fine && taken && !l->shown) { /* a title */
        r->depth--;
        fine = read_title(r);
    }
    return fine;
}

static bool read_end(reader *r)
{
    char name[32];
    r->s += 2;
    if (!name_here(r, name, sizeof name) || !r->depth || strcmp(r->levels[r->depth - 1].name, name) != 0)
        return false;
    space_here(r);
    if (r->s == r->end || *r->s != '>') return false;
    r->s++;
    close_element(r);
    return true;
}

static void read_text(reader *r)
{
    const char *stop = memchr(r->s, '<', (size_t)(r->end - r->s));
    if (!stop) stop = r->end;
    const char *in = r->depth ? r->levels[r->depth - 1].name : "";
    if (!r->skipping && (!strcmp(in, "text") || !strcmp(in, "tspan"))) {
        text t = {0};
        decode(r->s, stop, &t);
        const bool blank = strspn(text_str(&t), " \t\r\n") == t.n;
        if (t.n && (!blank || !strcmp(in, "tspan"))) {
            mark_filled(r);
            html_text_n(r->h, t.s, t.n);
        }
        text_free(&t);
    }
    r->s = stop;
}

bool page_svg(html *h, const char *svg, size_t n, const page_svg_look *look)
{
    reader *r = mem_alloc(sizeof *r);
    *r = (reader){.h = h, .look = look, .s = svg, .end = svg + n};
    const size_t start = h->out.n, depth = h->depth;
    const bool in_tag = h->in_tag;
    bool fine = depth + DEPTH <= HTML_DEPTH;
    while (fine && r->s < r->end) {
        if (*r->s != '<')
            read_text(r);
        else if (begins(r, "<?"))
            fine = skip_past(r, "?>");
        else if (begins(r, "<!--"))
            fine = skip_past(r, "-->");
        else if (begins(r, "<![CDATA["))
            fine = r->skipping && skip_past(r, "]]>");
        else if (begins(r, "<!"))
            fine = !r->depth && skip_past(r, ">");
        else if (begins(r, "</"))
            fine = read_end(r);
        else
            r->s++, fine = read_start(r);
    }
    fine = fine && r->done;
    if (!fine) {
        h->out.n = start;
        if (h->out.s) h->out.s[start] = '\0';
        h->depth = depth;
        h->in_tag = in_tag;
    }
    mem_free(r);
    return fine;
}
