/* A drawing as SVG text taken into a page. */
#ifndef REPORT_PAGE_SVG_H
#define REPORT_PAGE_SVG_H

#include "report/html.h"

typedef struct page_svg_look {
    const char *prefix; /* in front of its ids, so that the drawings of a page share none: "c1-" */
    const char *title;  /* what it shows, for those who do not see it */
    bool own_colours;   /* they stay as they are: on white, whatever the page's colours */
} page_svg_look;

/* Takes over shapes and texts and nothing else: no script, style sheet, link, or reference outside the drawing. What a script would
 * show where the pointer rests becomes <title>, which needs none. Greys become the page's own by var(--g0), black, to
 * var(--g10), white, and the palette's colours by var(--c0) to var(--c5). False, with nothing added: it is no SVG. */
bool page_svg(html *h, const char *svg, size_t n, const page_svg_look *look);

#endif
