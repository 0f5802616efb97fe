/* The report of a sweep or of some runs: one HTML page that needs nothing but itself. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "report/query.h"

typedef struct page_subject {
    const query_run *runs; /* at least one */
    size_t n;
    const char *sweep; /* "s3" when they are a sweep's; else NULL */
    const char *asked; /* how the user named them: "s3", "r1 r2" */
} page_subject;

/* The whole page, appended to *out. What cannot be drawn, as without the program that draws, is told on the page and by a warning. */
cvy_status page_write(store *s, const page_subject *subject, text *out, errors *e);

#endif
