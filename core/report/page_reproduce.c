/* Owns how to get the same results again: commands, seeds, keys; must not know how runs are trained. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/page_own.h"

enum { SPEC_MAX = 256 << 10, SEEDS = 40, KEYS = 8, HASHES = 500, SINGLES = 10 };

/* Behind a command: the overrides of a JSON array of "path=value". */
static void add_overrides(page *p, const char *json_list, text *t)
{
    const char *wrong;
    size_t offset;
    const json *list = json_list ? json_parse(&p->a, json_list, strlen(json_list), &wrong, &offset) : NULL;
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->n; i++) {
        if (list->items[i]->kind != JSON_TEXT) continue;
        text_add(t, " --set ");
        page_value_shell(t, list->items[i]->s);
    }
}

static void add_list(const json *list, text *t)
{
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->n; i++) {
        if (list->items[i]->kind != JSON_TEXT) continue;
        text_add(t, " --set ");
        page_value_shell(t, list->items[i]->s);
    }
}

static void put_commands(page *p)
{
    html *h = &p->h;
    const page_origin *o = &p->origins[0];
    const char *source = p->sweep && p->sweep->source ? p->sweep->source : p->runs[0].source;
    text t = {0};
    if (p->sweep) {
        text_add(&t, "# the whole sweep, from its experiment file\nconvoy sweep ");
        page_value_shell(&t, source ? source : "FILE.yaml");
        add_list(p->planned ? json_get(p->planned, "overrides") : NULL, &t);
        const int64_t threads = p->planned ? json_get_int(p->planned, "threads", -1) : -1;
        if (threads > 0) text_printf(&t, " --threads %lld", (long long)threads);
        text_printf(&t, "\n# what is not finished of it, from the last checkpoints\nconvoy resume %s\n",
                    p->sweep->name);
        text_printf(&t,
                    "# the best configuration with five seeds\nconvoy best %s --yaml >best.yaml\n"
                    "convoy run best.yaml --set repeats=5\n",
                    p->sweep->name);
    } else {
        for (size_t i = 0; i < p->n && i < SINGLES; i++) {
            text_printf(&t, "# %s\nconvoy run ", p->runs[i].name);
            page_value_shell(&t, p->runs[i].source ? p->runs[i].source : "FILE.yaml");
            add_overrides(p, p->origins[i].overrides, &t);
            text_char(&t, '\n');
        }
        if (p->n > SINGLES) text_printf(&t, "# and so on for %zu more\n", p->n - SINGLES);
        text_printf(
            &t, "# the whole configuration of one, as a file of its own\nconvoy show %s --yaml >%s.yaml\n",
            p->runs[0].name, p->runs[0].name);
    }
    html_open(h, "pre");
    html_text_n(h, text_str(&t), t.n);
    html_close(h);
    if (o->base_dir && *o->base_dir) {
        html_open(h, "p");
        html_attr(h, "class", "note");
        html_text(h, "Relative paths in the file are meant from ");
        html_element(h, "code", o->base_dir);
        html_text(h, ".");
        html_close(h);
    }
    text_free(&t);
}

static void put_keys(page *p, const char *what, const char *help, const page_tally *t)
{
    html *h = &p->h;
    if (!t->n) return;
    html_open(h, "dt");
    html_attr(h, "title", help);
    html_text(h, what);
    html_close(h);
    html_open(h, "dd");
    for (size_t i = 0; i < t->n && i < KEYS; i++) {
        text names = {0};
        if (i) html_open(h, "br"), html_close(h);
        html_element(h, "code", t->items[i].what);
        if (t->n > 1) page_value_names(&names, t->items[i].runs, t->items[i].n, 4);
        if (t->n == 1) text_add(&names, t->items[0].n == p->n ? "all runs" : "where it is known");
        html_open(h, "small");
        html_textf(h, " (%s)", text_str(&names));
        html_close(h);
        text_free(&names);
    }
    if (t->n > KEYS) html_textf(h, " and %zu more", t->n - KEYS);
    html_close(h);
}

/* One for each run, as it covers the seed too. */
static void put_hashes(page *p)
{
    html *h = &p->h;
    html_open(h, "details");
    html_element(h, "summary", "Configuration hashes of the runs");
    html_open(h, "pre");
    for (size_t i = 0; i < p->n && i < HASHES; i++)
        if (p->runs[i].config_hash) html_textf(h, "%-6s %s\n", p->runs[i].name, p->runs[i].config_hash);
    if (p->n > HASHES) html_textf(h, "and %zu more\n", p->n - HASHES);
    html_close(h);
    html_close(h);
}

static void put_identity(page *p)
{
    html *h = &p->h;
    page_tally keys = {0}, hashes = {0};
    text seeds = {0};
    for (size_t i = 0; i < p->f.n_seeds && i < SEEDS; i++)
        text_printf(&seeds, "%s%s", i ? ", " : "", p->f.seeds[i]);
    if (p->f.n_seeds > SEEDS) text_printf(&seeds, " and %zu more", p->f.n_seeds - SEEDS);
    for (size_t i = 0; i < p->n; i++) {
        if (p->runs[i].exact_key) page_tally_add(&keys, p->runs[i].exact_key, &p->runs[i]);
        if (p->runs[i].config_hash) page_tally_add(&hashes, p->runs[i].config_hash, &p->runs[i]);
    }
    html_open(h, "dl");
    html_attr(h, "class", "pairs");
    page_fact(p,
              p->f.repeats.folds > 1 ? "seeds and folds"
              : p->f.n_seeds > 1     ? "seeds"
                                     : "seed",
              text_str(&seeds));
    put_keys(p, "exact key", "build, library versions, CPU features and threads", &keys);
    if (hashes.n <= KEYS)
        put_keys(p, "configuration hash", "configuration with all defaults, plugins, data", &hashes);
    html_close(h);
    if (hashes.n > KEYS) put_hashes(p);
    page_note(
        p,
        "Under an equal exact key the same configuration gives the same bits; under another one results "
        "differ "
        "in their last digits. Plugin hashes, versions and the data's fingerprint stand under Environment.");
    page_tally_free(&keys);
    page_tally_free(&hashes);
    text_free(&seeds);
}

/* The winner's resolved file, when its folder is still there. */
static void put_spec(page *p)
{
    html *h = &p->h;
    const group *g = &p->f.levels[0].g;
    const query_run *r = g->runs[0];
    for (size_t i = 1; i < g->n; i++)
        if (g->runs[i]->seed < r->seed) r = g->runs[i];
    char *dir = path_join(store_results(p->s), r->name), *path = path_join(dir, "spec.yaml"), *whole = NULL;
    size_t n = 0;
    errors quiet = {0};
    if (file_exists(path) && file_read(path, SPEC_MAX, &whole, &n, &quiet) == CVY_OK) {
        html_open(h, "details");
        html_elementf(h, "summary", "The resolved experiment file of %s%s", r->name,
                      p->f.n > 1 ? ", of the best configuration" : "");
        html_open(h, "pre");
        html_text_n(h, whole, n);
        html_close(h);
        html_close(h);
    }
    errors_free(&quiet);
    mem_free(whole);
    mem_free(path);
    mem_free(dir);
}

void page_reproduce(page *p)
{
    page_section(p, "reproduce", "How to reproduce");
    put_commands(p);
    put_identity(p);
    put_spec(p);
    html_close(&p->h);
}
