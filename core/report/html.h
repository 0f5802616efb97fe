/* An HTML page being written: elements nest, and whatever text goes in is escaped. Knows neither runs nor what a page is about.
 *
 * There is no way to hand over markup: text is a user's or a plugin's, and shows as what it is. Control characters and bytes
 * that are not UTF-8 show as \x1B, marks that turn the direction of what follows, or cannot be seen, as [U+202E]. Names of
 * elements and attributes are ours, and literals. Style and script are ours too: fixed texts of the build, refused where they hold
 * what would end their element. */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include "base/text.h"

enum { HTML_DEPTH = 64 };

typedef struct html {
    text out;
    const char *open[HTML_DEPTH]; /* elements not closed yet */
    size_t depth;
    bool in_tag; /* behind <name, where attributes may come */
} html;          /* a zeroed one is empty and valid */

void html_open(html *h, const char *element);
void html_close(html *h); /* the innermost; elements without content are closed as what they are */
void html_close_to(html *h, size_t depth); /* all above */
void html_attr(html *h, const char *name,
               const char *value); /* of the element just opened; NULL: without a value */
void html_attrf(html *h, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A link: to a part of the page, http(s), or a picture as data:; anything else becomes "#". Bytes that do not belong in a URL are
 * %-encoded. */
void html_url(html *h, const char *name, const char *url);
void html_text(html *h, const char *s);             /* NULL: nothing */
void html_text_n(html *h, const char *s, size_t n); /* any bytes */
void html_textf(html *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* At most so many characters, then "..."; what it says whole stands in the element's title when it was just opened. */
void html_short(html *h, const char *s, size_t most);
/* <element>text</element> */
void html_element(html *h, const char *element, const char *s);
void html_elementf(html *h, const char *element, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A PNG file in the page itself; `says` for those who do not see it. */
void html_png(html *h, const void *bytes, size_t n, const char *says);

/* <!DOCTYPE html> to the end of the head: a policy that lets nothing in but this style, this script by its hash, and pictures that
 * lie in the page itself; false when one of the two holds what would end its element. */
bool html_head(html *h, const char *title, const char *style, const char *script);
/* The script, where it is to run. */
void html_script(html *h, const char *script);

/* The value of a policy's source for a script: 'sha256-...' in base64, with its quotes. */
void html_script_hash(const char *script, text *out);
/* s escaped for text and attributes alike, as everything above does it. */
void html_escape(text *out, const char *s, size_t n);
/* At most `most` characters of it; true when that is all. */
bool html_escape_some(text *out, const char *s, size_t n, size_t most);

#endif
