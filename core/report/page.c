/* Owns the order of a report and its frame; must not know what a section says. */
#include "report/page.h"

#include <stdarg.h>
#include <string.h>

#include "report/names.h"
#include "report/page_own.h"

typedef struct part {
    const char *id, *name; /* name: in the row of links */
    void (*write)(page *p);
} part;

static const part parts[] = {
    {"summary", "Summary", page_summary},
    {"configurations", "Configurations", page_configurations},
    {"charts", "Charts", page_charts},
    {"differences", "Differences", page_differences},
    {"insides", NULL, page_insides}, /* where there are some */
    {"runs", "Runs", page_runs},
    {"failures", "Failures", page_failures},
    {"environment", "Environment", page_environment},
    {"reproduce", "Reproduce", page_reproduce},
};
enum { PARTS = sizeof parts / sizeof *parts };

/* A table of one configuration's single run would say what the summary says. */
static bool is_there(const page *p, const part *which)
{
    return p->n > 1 || which->write != page_configurations;
}

void page_section(page *p, const char *id, const char *title)
{
    html_open(&p->h, "section");
    html_attr(&p->h, "id", id);
    html_element(&p->h, "h2", title);
}

void page_label(page *p, size_t level)
{
    enum { TITLE = 1000 };
    if (strcmp(p->labels[level], p->whole[level]) != 0)
        html_attr(&p->h, "title", name_cut(p->whole[level], TITLE, &p->a));
    html_text(&p->h, p->labels[level]);
}

void page_note(page *p, const char *fmt, ...)
{
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    html_open(&p->h, "p");
    html_attr(&p->h, "class", "note");
    html_text_n(&p->h, text_str(&t), t.n);
    html_close(&p->h);
    text_free(&t);
}

void page_fact(page *p, const char *what, const char *value)
{
    if (!value || !*value) return;
    html_element(&p->h, "dt", what);
    html_element(&p->h, "dd", value);
}

void page_factf(page *p, const char *what, const char *fmt, ...)
{
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    page_fact(p, what, text_str(&t));
    text_free(&t);
}

/* The name of the experiment where all runs have one, else how they were asked for. */
static const char *name_of(const page *p)
{
    const char *name = p->runs[0].experiment;
    if (p->sweep && p->sweep->experiment && *p->sweep->experiment) return p->sweep->experiment;
    for (size_t i = 0; i < p->n; i++)
        if (!name || !p->runs[i].experiment || strcmp(p->runs[i].experiment, name) != 0)
            return p->subject->asked;
    return *name ? name : p->subject->asked;
}

static void put_line(page *p)
{
    text t = {0};
    const double created = p->sweep ? p->sweep->created : p->runs[0].created;
    text_add(&t, p->subject->asked);
    if (p->sweep && p->sweep->method) text_printf(&t, " \xC2\xB7 %s search", p->sweep->method);
    text_printf(&t, " \xC2\xB7 %zu run%s", p->n, p->n > 1 ? "s" : "");
    if (p->f.n > 1 || p->f.n_seeds > 1) {
        text_printf(&t, ", %zu configuration%s, ", p->f.n, p->f.n > 1 ? "s" : "");
        repeats_say(&p->f.repeats, &t);
    }
    text_add(&t, " \xC2\xB7 ");
    shown_moment(&t, created, true);
    html_open(&p->h, "p");
    html_attr(&p->h, "class", "line");
    html_short(&p->h, text_str(&t), 400);
    html_close(&p->h);
    text_free(&t);
}

static void put_header(page *p)
{
    html *h = &p->h;
    html_open(h, "header");
    html_open(h, "h1");
    html_short(h, name_of(p), 160);
    html_close(h);
    put_line(p);
    html_open(h, "nav");
    html_attr(h, "aria-label", "Sections");
    for (size_t i = 0; i < PARTS; i++) {
        text to = {0};
        if (!parts[i].name || !is_there(p, &parts[i])) continue;
        text_printf(&to, "#%s", parts[i].id);
        html_open(h, "a");
        html_url(h, "href", text_str(&to));
        html_text(h, parts[i].name);
        html_close(h);
        text_free(&to);
    }
    html_close(h);
    html_close(h);
}

static cvy_status write_all(page *p)
{
    html *h = &p->h;
    text title = {0};
    text_printf(&title, "%s \xC2\xB7 %s", name_of(p), p->subject->asked);
    const bool fine = html_head(h, text_str(&title), page_style, page_code);
    text_free(&title);
    if (!fine)
        return errors_add(p->e, CVY_ERR_RESOURCE, NULL, NULL,
                          "the report's style or script is damaged in this build");
    html_open(h, "body");
    put_header(p);
    html_open(h, "main");
    for (size_t i = 0; i < PARTS; i++) {
        const size_t depth = h->depth;
        if (is_there(p, &parts[i])) parts[i].write(p);
        html_close_to(h, depth);
    }
    html_close(h);
    html_open(h, "footer");
    html_textf(h, "Made by convoy report, version %s.", CONVOY_VERSION);
    html_close(h);
    html_script(h, page_code);
    html_close_to(h, 0);
    return CVY_OK;
}

cvy_status page_write(store *s, const page_subject *subject, text *out, errors *e)
{
    page p = {.s = s, .e = e, .subject = subject, .runs = subject->runs, .n = subject->n};
    cvy_status status = p.n ? page_facts(&p)
                            : errors_add(e, CVY_ERR_CONFIG, NULL, "`convoy ls` lists what there is",
                                         "there are no runs to report on yet");
    if (status == CVY_OK) status = write_all(&p);
    if (status == CVY_OK) text_add_n(out, text_str(&p.h.out), p.h.out.n);
    text_free(&p.h.out);
    arena_free(&p.a);
    return status;
}
