/* Owns what a report says first: what came out, of how much, in how long; must not know how the tables look. */
#include <math.h>
#include <string.h>

#include "report/page_own.h"

/* With a text behind the value, or with a configuration's label. */
static void tile_of(page *p, const char *what, const char *value, const char *more, const size_t *level)
{
    html *h = &p->h;
    html_open(h, "div");
    html_attr(h, "class", "tile");
    html_element(h, "dt", what);
    html_open(h, "dd");
    html_element(h, "b", value);
    if (level || (more && *more)) {
        html_open(h, "span");
        if (level)
            page_label(p, *level);
        else
            html_short(h, more, 120);
        html_close(h);
    }
    html_close(h);
    html_close(h);
}

static void tile(page *p, const char *what, const char *value, const char *more)
{
    tile_of(p, what, value, more, NULL);
}

static void best_tile(page *p)
{
    text v = {0}, what = {0};
    if (!p->ranked) {
        tile(p, "Best", "no result yet", NULL);
        return;
    }
    const statistics *s = &p->of[0];
    shown_metric(&v, p->metric, s->mean, s->n < 2);
    if (s->n > 1) {
        text_add(&v, " \xC2\xB1 ");
        shown_metric(&v, p->metric, s->sd, true);
    }
    text_printf(&what, "Best %s", p->metric);
    tile_of(p, text_str(&what), text_str(&v), NULL, &(size_t){0});
    text_free(&v);
    text_free(&what);
}

static void runs_tile(page *p)
{
    text v = {0}, more = {0};
    text_printf(&v, "%zu of %zu", p->finished, p->n);
    if (p->failed) text_printf(&more, "%zu failed", p->failed);
    if (p->early) text_printf(&more, "%s%zu stopped early", more.n ? ", " : "", p->early);
    if (p->open) text_printf(&more, "%s%zu not finished", more.n ? ", " : "", p->open);
    tile(p, "Runs finished", text_str(&v), text_str(&more));
    text_free(&v);
    text_free(&more);
}

static void time_tile(page *p)
{
    text v = {0}, more = {0};
    double sum = 0, longest = 0;
    for (size_t i = 0; i < p->n; i++) {
        const double s = p->runs[i].seconds;
        if (isfinite(s)) sum += s, longest = fmax(longest, s);
    }
    shown_duration(&v, sum);
    if (p->n > 1) {
        text_add(&more, "the longest run ");
        shown_duration(&more, longest);
    }
    tile(p, p->n > 1 ? "Training time of all runs" : "Training time", text_str(&v), text_str(&more));
    text_free(&v);
    text_free(&more);
}

/* Smallest and largest of what runs have; false when none has it. */
static bool span_of(const page *p, bool macs, int64_t *least, int64_t *most)
{
    *least = INT64_MAX;
    *most = INT64_MIN;
    for (size_t i = 0; i < p->n; i++) {
        const int64_t v = macs ? p->runs[i].macs : p->runs[i].parameters;
        if (v == QUERY_NONE) continue;
        if (v < *least) *least = v;
        if (v > *most) *most = v;
    }
    return *least <= *most;
}

static void add_span(text *t, int64_t least, int64_t most)
{
    shown_big(t, least);
    if (least != most) {
        text_add(t, " to ");
        shown_big(t, most);
    }
}

static void model_tile(page *p)
{
    text v = {0}, more = {0};
    page_tally models = {0};
    int64_t least, most;
    for (size_t i = 0; i < p->n; i++)
        if (p->runs[i].model && *p->runs[i].model) page_tally_add(&models, p->runs[i].model, &p->runs[i]);
    if (models.n == 1)
        text_add(&v, models.items[0].what);
    else if (models.n)
        text_printf(&v, "%zu architectures", models.n);
    else
        text_add(&v, "own layers");
    if (span_of(p, false, &least, &most)) {
        add_span(&more, least, most);
        text_add(&more, " parameters");
    }
    if (span_of(p, true, &least, &most)) {
        text_add(&more, more.n ? ", " : "");
        add_span(&more, least, most);
        text_add(&more, " MACs");
    }
    tile(p, "Network", text_str(&v), text_str(&more));
    page_tally_free(&models);
    text_free(&v);
    text_free(&more);
}

static void data_tile(page *p)
{
    const page_origin *o = &p->origins[0];
    text v = {0}, more = {0};
    page_tally sets = {0};
    for (size_t i = 0; i < p->n; i++)
        if (p->runs[i].dataset) page_tally_add(&sets, p->runs[i].dataset, &p->runs[i]);
    if (sets.n > 1)
        text_printf(&v, "%zu datasets", sets.n);
    else
        text_add(&v, sets.n ? sets.items[0].what : "-");
    if (sets.n == 1 && o->train != QUERY_NONE) {
        text_count(&more, o->train);
        text_add(&more, " to train");
        if (o->validation > 0) {
            text_add(&more, ", ");
            text_count(&more, o->validation);
            text_add(&more, " to validate");
        }
        if (o->test > 0) {
            text_add(&more, ", ");
            text_count(&more, o->test);
            text_add(&more, " to test");
        }
    }
    tile(p, "Data", text_str(&v), text_str(&more));
    page_tally_free(&sets);
    text_free(&v);
    text_free(&more);
}

static void decided(page *p, const paired *k)
{
    html_textf(&p->h, ", over %zu %ss: p = %.3g after Holm's adjustment (exact sign-flip test), %s.", k->n,
               repeats_noun(&p->f.repeats), p->adjusted[1],
               p->adjusted[1] <= PAGE_ALPHA ? "more than chance" : "which may be chance");
}

/* What the best has beaten altogether: the second may be too close where others are not. */
static void beaten_text(page *p)
{
    size_t beaten = 0;
    bool told = false;
    for (size_t i = 1; i < p->ranked; i++) beaten += p->adjusted[i] <= PAGE_ALPHA, told = told || p->told[i];
    if (p->ranked > 2 && beaten)
        html_textf(&p->h, " It is better beyond chance (5 %%) than %zu of the %zu other configurations.",
                   beaten, p->ranked - 1);
    else if (p->ranked > 2 && told)
        html_textf(&p->h, " None of the %zu other configurations is worse beyond chance (5 %%).",
                   p->ranked - 1);
}

/* The verdict on the first two, in a sentence. */
static void finding(page *p)
{
    html *h = &p->h;
    if (p->ranked < 2) return;
    const char *noun = repeats_noun(&p->f.repeats);
    const bool percent = text_ends(p->metric, "accuracy");
    const paired *k = &p->against[1];
    text lead = {0};
    shown_metric(&lead, p->metric, fabs(p->of[0].mean - p->of[1].mean), false);
    html_open(h, "p");
    html_attr(h, "class", "finding");
    html_open(h, "strong");
    page_label(p, 0);
    html_close(h);
    html_textf(h, " is ahead by %s%s of ", text_str(&lead), percent ? " points" : "");
    html_open(h, "strong");
    page_label(p, 1);
    html_close(h);
    if (p->f.n_seeds < 2 || k->n < 2)
        html_textf(h, ". One %s says nothing about chance: repeats: 5 in the experiment trains five%s.", noun,
                   strcmp(noun, "seed") != 0 ? " seeds" : "");
    else if (!p->told[1])
        html_textf(
            h,
            ". With %zu %ss no difference can be told from chance (exact sign-flip test, adjusted after "
            "Holm for %zu comparisons); %zu %ss could.",
            k->n, noun, p->comparisons, paired_needed(p->comparisons, PAGE_ALPHA), noun);
    else
        decided(p, k);
    beaten_text(p);
    html_close(h);
    text_free(&lead);
}

void page_summary(page *p)
{
    html *h = &p->h;
    page_section(p, "summary", "Summary");
    html_open(h, "dl");
    html_attr(h, "class", "tiles");
    best_tile(p);
    runs_tile(p);
    time_tile(p);
    model_tile(p);
    data_tile(p);
    html_close(h);
    finding(p);
    if (p->others)
        page_note(p, "%zu of the runs were trained for another metric; here all are judged by %s.", p->others,
                  p->metric);
    if (p->failed) {
        html_open(h, "p");
        html_attr(h, "class", "warn");
        html_textf(h, "%zu run%s failed; ", p->failed, p->failed > 1 ? "s" : "");
        html_open(h, "a");
        html_url(h, "href", "#failures");
        html_text(h, "here is why");
        html_close(h);
        html_text(h, ".");
        html_close(h);
    }
    if (p->sweep && p->sweep->tags && *p->sweep->tags) page_note(p, "Tags: %s", p->sweep->tags);
    html_close(h);
}
