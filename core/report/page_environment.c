/* Owns on what and with what the runs were trained: machine, versions, data, plugins; must not know how they are asked for. */
#include <stdlib.h>
#include <string.h>

#include "report/page_own.h"

enum { VALUES = 8, HASH = 16 };

typedef struct key {
    const char *name;
    page_tally values;
} key;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const key *)a)->name, ((const key *)b)->name);
}

/* What is asked for first comes first. */
static int rank(const char *name)
{
    static const char *const first[] = {"convoy", "host", "system", "cpu", "isa", "threads", "git"};
    for (int i = 0; i < (int)(sizeof first / sizeof *first); i++)
        if (!strcmp(first[i], name)) return i;
    return 1000;
}

static int by_rank(const void *a, const void *b)
{
    const int x = rank(((const key *)a)->name), y = rank(((const key *)b)->name);
    return x != y ? x - y : by_name(a, b);
}

/* Values of one key; where there are several, each with the runs that have it. */
static void put_values(page *p, const char *name, const page_tally *t)
{
    html *h = &p->h;
    html_element(h, "dt", name);
    html_open(h, "dd");
    for (size_t i = 0; i < t->n && i < VALUES; i++) {
        if (i) html_open(h, "br"), html_close(h);
        html_open(h, "span");
        html_short(h, t->items[i].what, 400);
        html_close(h);
        if (t->n > 1 || t->items[i].n < p->n) {
            text names = {0};
            page_value_names(&names, t->items[i].runs, t->items[i].n, 4);
            html_open(h, "small");
            html_textf(h, " (%s)", text_str(&names));
            html_close(h);
            text_free(&names);
        }
    }
    if (t->n > VALUES) html_textf(h, " and %zu more", t->n - VALUES);
    html_close(h);
}

static void put_machine(page *p)
{
    enum { KEYS = 100 };
    html *h = &p->h;
    key *keys = arena_array(&p->a, KEYS, sizeof *keys);
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        query_pairs env;
        if (query_environment(p->s, p->runs[i].name, &p->a, &env, p->e) != CVY_OK) continue;
        for (size_t k = 0; k < env.n; k++) {
            size_t at = 0;
            while (at < n && strcmp(keys[at].name, env.items[k].key) != 0) at++;
            if (at == KEYS) continue;
            if (at == n) keys[n++].name = env.items[k].key;
            page_tally_add(&keys[at].values, env.items[k].value ? env.items[k].value : "", &p->runs[i]);
        }
    }
    qsort(keys, n, sizeof *keys, by_rank);
    html_open(h, "dl");
    html_attr(h, "class", "pairs");
    for (size_t i = 0; i < n; i++) {
        put_values(p, keys[i].name, &keys[i].values);
        page_tally_free(&keys[i].values);
    }
    if (!n) page_fact(p, "environment", "not recorded");
    html_close(h);
}

static const char *samples_of(page *p, size_t i)
{
    const page_origin *o = &p->origins[i];
    text t = {0};
    if (p->runs[i].dataset) text_add(&t, p->runs[i].dataset);
    const struct {
        int64_t n;
        const char *what;
    } parts[] = {{o->train, "training"}, {o->validation, "validation"}, {o->test, "test"}};
    for (size_t k = 0; k < 3; k++) {
        if (parts[k].n == QUERY_NONE || parts[k].n < 0) continue;
        text_add(&t, k ? ", " : ": ");
        text_count(&t, parts[k].n);
        text_printf(&t, " %s", parts[k].what);
    }
    if (o->classes > 0) text_printf(&t, " samples, %lld classes", (long long)o->classes);
    const char *s = arena_text(&p->a, text_str(&t));
    text_free(&t);
    return s;
}

static void put_data(page *p)
{
    html *h = &p->h;
    page_tally sets = {0}, prints = {0};
    for (size_t i = 0; i < p->n; i++) {
        page_tally_add(&sets, samples_of(p, i), &p->runs[i]);
        if (p->origins[i].fingerprint && *p->origins[i].fingerprint)
            page_tally_add(&prints, p->origins[i].fingerprint, &p->runs[i]);
    }
    html_element(h, "h3", "Data");
    html_open(h, "dl");
    html_attr(h, "class", "pairs");
    put_values(p, "dataset", &sets);
    if (prints.n) put_values(p, "fingerprint", &prints);
    html_close(h);
    page_tally_free(&sets);
    page_tally_free(&prints);
}

static void put_plugins(page *p)
{
    html *h = &p->h;
    page_tally t = {0};
    for (size_t i = 0; i < p->n; i++) {
        query_plugin *plugins;
        size_t n;
        if (query_plugins(p->s, p->runs[i].name, &p->a, &plugins, &n, p->e) != CVY_OK) continue;
        for (size_t k = 0; k < n; k++)
            page_tally_add(&t,
                           arena_printf(&p->a, "%s\n%s\n%s", plugins[k].kind, plugins[k].name,
                                        plugins[k].sha256 ? plugins[k].sha256 : ""),
                           &p->runs[i]);
    }
    static const page_column columns[] = {{"Kind", NULL, false},
                                          {"Plugin", NULL, false},
                                          {"SHA-256", "of the plugin's file", false},
                                          {"Runs", NULL, true}};
    if (t.n) {
        html_open(h, "details");
        html_elementf(h, "summary", "%zu plugin%s, with %s", t.n, t.n > 1 ? "s" : "",
                      t.n > 1 ? "their hashes" : "its hash");
        page_table_open(p, "t-plugins", columns, 4);
        for (size_t i = 0; i < t.n; i++) {
            const char *kind = t.items[i].what, *name = strchr(kind, '\n') + 1,
                       *hash = strrchr(kind, '\n') + 1;
            text count = {0};
            page_row(p);
            page_cell(p, arena_text_n(&p->a, kind, (size_t)(name - 1 - kind)));
            page_cell(p, arena_text_n(&p->a, name, (size_t)(hash - 1 - name)));
            html_open(h, "td");
            html_element(h, "code", hash);
            html_close(h);
            text_printf(&count, "%zu", t.items[i].n);
            page_cell_number(p, (double)t.items[i].n, text_str(&count));
            page_row_end(p);
            text_free(&count);
        }
        page_table_close(p);
        html_close(h);
    }
    page_tally_free(&t);
}

void page_environment(page *p)
{
    page_section(p, "environment", "Environment");
    put_machine(p);
    put_data(p);
    put_plugins(p);
    html_close(&p->h);
}
