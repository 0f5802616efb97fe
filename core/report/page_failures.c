/* Owns what went wrong and why: runs that failed or were not finished, put together by cause, and what was warned of. */
#include <stdio.h>
#include <string.h>

#include "report/page_own.h"

enum { NAMES = 12, CAUSE = 2000, WARNINGS = 50 };

static const char *signal_name(int64_t number)
{
    static const struct {
        int64_t number;
        const char *name;
    } names[] = {{4, "SIGILL: an instruction that this CPU does not have"},
                 {6, "SIGABRT: it gave up on itself"},
                 {7, "SIGBUS: memory or a file that went away"},
                 {8, "SIGFPE: a division by zero"},
                 {9, "SIGKILL: killed from outside, perhaps for want of memory"},
                 {11, "SIGSEGV: a wrong address"},
                 {15, "SIGTERM: asked to end"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number) return names[i].name;
    return NULL;
}

/* What is known of a run's end, in the arena. */
static const char *cause_of(page *p, size_t i)
{
    const query_attempt *a = &p->last[i];
    const char *signal = a->state && a->signal > 0 ? signal_name(a->signal) : NULL;
    if (!a->state) return "it was not begun";
    if (a->what && *a->what) return a->what;
    if (signal) return arena_printf(&p->a, "ended by signal %lld, %s", (long long)a->signal, signal);
    if (a->signal > 0) return arena_printf(&p->a, "ended by signal %lld", (long long)a->signal);
    if (!strcmp(p->runs[i].state, "killed"))
        return "its process went away without a word: a power cut, or killed";
    if (a->code != QUERY_NONE && a->code) return arena_printf(&p->a, "exit code %lld", (long long)a->code);
    if (!strcmp(p->runs[i].state, "running")) return "it was running when this report was made";
    return "no reason was recorded";
}

static const char *how_to_go_on(const char *state)
{
    if (!strcmp(state, "stopped") || !strcmp(state, "killed") || !strcmp(state, "paused"))
        return "convoy resume goes on from the last checkpoint";
    if (!strcmp(state, "failed")) return "convoy resume tries again once the cause is mended";
    return NULL;
}

static bool is_open(const char *state)
{
    return strcmp(state, "finished") != 0 && strcmp(state, "stopped early") != 0;
}

/* One paragraph per cause: state, how many, why, which. */
static size_t put_causes(page *p)
{
    html *h = &p->h;
    page_tally causes = {0};
    for (size_t i = 0; i < p->n; i++)
        if (is_open(p->runs[i].state))
            page_tally_add(&causes, arena_printf(&p->a, "%s\n%s", p->runs[i].state, cause_of(p, i)),
                           &p->runs[i]);
    const size_t n = causes.n;
    for (size_t i = 0; i < n; i++) {
        const page_tally_item *item = &causes.items[i];
        const query_run *first = item->runs[0];
        const char *why = strchr(item->what, '\n') + 1, *next = how_to_go_on(first->state);
        const bool bad = !strcmp(first->state, "failed") || !strcmp(first->state, "killed");
        text names = {0};
        html_open(h, "div");
        html_attr(h, "class", bad ? "cause bad" : "cause");
        html_open(h, "h3");
        html_textf(h, "%zu %s", item->n, first->state);
        html_close(h);
        html_open(h, "pre");
        html_short(h, why, CAUSE);
        html_close(h);
        page_value_names(&names, item->runs, item->n, NAMES);
        html_open(h, "p");
        html_text(h, text_str(&names));
        if (item->n == 1) {
            const int64_t done = first->epochs_done == QUERY_NONE ? 0 : first->epochs_done;
            html_textf(h, ", after %lld epoch%s", (long long)done, done == 1 ? "" : "s");
            if (p->f.n > 1) {
                html_text(h, ": ");
                html_open(h, "span");
                page_label(p, p->level_of[first - p->runs]);
                html_close(h);
            }
        }
        if (next) {
            html_text(h, ". ");
            html_text(h, next);
        }
        html_text(h, ".");
        html_close(h);
        html_close(h);
        text_free(&names);
    }
    page_tally_free(&causes);
    return n;
}

static bool is_routine(const char *kind)
{
    static const char *const names[] = {"decision", "proposed", "estimate", "early_stop",
                                        "tag",      "start",    "exit"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], kind)) return true;
    return false;
}

static void add_events(page *p, const char *owner, const query_run *r, page_tally *t)
{
    query_event *events;
    size_t n;
    if (query_events(p->s, owner, &p->a, &events, &n, p->e) != CVY_OK) return;
    for (size_t i = 0; i < n; i++)
        if (!is_routine(events[i].kind))
            page_tally_add(
                t, arena_printf(&p->a, "%s: %s", events[i].kind, events[i].what ? events[i].what : ""), r);
}

static size_t put_events(page *p)
{
    html *h = &p->h;
    page_tally t = {0};
    static const query_run of_sweep = {.name = "the sweep", .number = QUERY_NONE};
    if (p->subject->sweep) add_events(p, p->subject->sweep, &of_sweep, &t);
    for (size_t i = 0; i < p->n; i++) add_events(p, p->runs[i].name, &p->runs[i], &t);
    const size_t n = t.n;
    if (n) html_element(h, "h3", "Warnings and events");
    if (n) html_open(h, "ul");
    for (size_t i = 0; i < n && i < WARNINGS; i++) {
        text names = {0};
        page_value_names(&names, t.items[i].runs, t.items[i].n, NAMES);
        html_open(h, "li");
        html_short(h, t.items[i].what, CAUSE);
        html_textf(h, " (%s)", text_str(&names));
        html_close(h);
        text_free(&names);
    }
    if (n) html_close(h);
    if (n > WARNINGS) page_note(p, "%zu more; convoy show tells those of a run.", n - WARNINGS);
    page_tally_free(&t);
    return n;
}

void page_failures(page *p)
{
    page_section(p, "failures", "Failures and warnings");
    size_t told = put_causes(p);
    const int64_t planned = p->sweep ? p->sweep->trials : QUERY_NONE;
    if (planned != QUERY_NONE && planned > (int64_t)p->n) {
        page_note(
            p,
            "%lld of %lld trials have no run yet: not begun, not chosen, or refused when they were planned.",
            (long long)(planned - (int64_t)p->n), (long long)planned);
        told++;
    }
    told += put_events(p);
    if (!told) page_note(p, "None: every run finished, and nothing was warned of.");
    html_close(&p->h);
}
