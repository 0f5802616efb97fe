/* Owns the tables of a report; must not know what stands in them. */
#include <math.h>

#include "report/page_own.h"

void page_table_open(page *p, const char *id, const page_column *columns, size_t n)
{
    html *h = &p->h;
    html_open(h, "div");
    html_attr(h, "class", "scroll");
    html_open(h, "table");
    html_attr(h, "id", id);
    html_attr(h, "class", "sort");
    html_open(h, "thead");
    html_open(h, "tr");
    for (size_t i = 0; i < n; i++) {
        html_open(h, "th");
        html_attr(h, "scope", "col");
        if (columns[i].number) html_attr(h, "class", "n");
        if (columns[i].help) html_attr(h, "title", columns[i].help);
        html_text(h, columns[i].title);
        html_close(h);
    }
    html_close(h);
    html_close(h);
    html_open(h, "tbody");
}

void page_table_close(page *p)
{
    html_close(&p->h);
    html_close(&p->h);
    html_close(&p->h);
}

void page_row(page *p)
{
    html_open(&p->h, "tr");
}

void page_row_end(page *p)
{
    html_close(&p->h);
}

void page_cell(page *p, const char *s)
{
    html_element(&p->h, "td", s);
}

void page_cell_short(page *p, const char *s, size_t most)
{
    html_open(&p->h, "td");
    html_short(&p->h, s, most);
    html_close(&p->h);
}

void page_cell_label(page *p, size_t level)
{
    html_open(&p->h, "td");
    page_label(p, level);
    html_close(&p->h);
}

void page_cell_open(page *p, double sort)
{
    html_open(&p->h, "td");
    html_attr(&p->h, "class", "n");
    if (isfinite(sort)) {
        text t = {0};
        text_printf(&t, "%.9g", sort);
        html_attr(&p->h, "data-v", text_str(&t));
        text_free(&t);
    } else {
        html_attr(&p->h, "data-v", "");
    }
}

void page_cell_end(page *p)
{
    html_close(&p->h);
}

void page_cell_number(page *p, double sort, const char *shown)
{
    page_cell_open(p, sort);
    html_text(&p->h, shown);
    page_cell_end(p);
}

void page_cell_metric(page *p, const char *metric, double v)
{
    text t = {0};
    shown_metric(&t, metric, v, false);
    page_cell_number(p, v, text_str(&t));
    text_free(&t);
}
