/* Owns the index from configuration to runs; must not know who asks, nor the database. */
#include "sweep/known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "sweep/runs.h"

/* Few bytes: a folder may hold tens of thousands. */
typedef struct entry {
    plan_key key;
    int32_t number;
    uint32_t exact_key, sweep; /* into the texts; 0: none */
} entry;

struct known {
    arena memory;
    char *results;
    const char **texts; /* keys and sweeps, most of them in many runs */
    size_t n_texts, cap_texts;
    entry *items; /* by key, then newest first */
    size_t n, cap;
};

static int by_key(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int order = memcmp(x->key.b, y->key.b, sizeof x->key.b);
    return order ? order : (x->number < y->number) - (x->number > y->number);
}

/* The number of a text: mostly it is one of the last. */
static uint32_t text_number(known_runs *k, const char *s)
{
    if (!s) return 0;
    for (size_t i = k->n_texts; i-- > 1;)
        if (!strcmp(k->texts[i], s)) return (uint32_t)i;
    k->texts = MEM_GROW(k->texts, k->n_texts, &k->cap_texts);
    k->texts[k->n_texts] = arena_text(&k->memory, s);
    return (uint32_t)k->n_texts++;
}

known_runs *known_open(const char *results)
{
    known_runs *k = mem_alloc(sizeof *k);
    k->results = mem_text(results);
    k->texts = MEM_GROW(k->texts, k->n_texts, &k->cap_texts);
    k->texts[k->n_texts++] = NULL;
    size_t n;
    int64_t *numbers = runs_numbers(results, 'r', &n);
    k->items = mem_array(n + 1, sizeof *k->items);
    for (size_t i = 0; i < n; i++) {
        arena a = {0}; /* of the description, most of which is of no interest */
        run_info r;
        char *name = mem_printf("r%lld", (long long)numbers[i]);
        if (numbers[i] <= INT32_MAX && runs_read(results, name, &a, &r, NULL) == CVY_OK && *r.config_hash)
            k->items[k->n++] = (entry){plan_key_of(r.config_hash), (int32_t)numbers[i],
                                       text_number(k, r.exact_key), text_number(k, r.sweep)};
        mem_free(name);
        arena_free(&a);
    }
    mem_free(numbers);
    if (k->n) qsort(k->items, k->n, sizeof *k->items, by_key);
    return k;
}

void known_close(known_runs *k)
{
    if (!k) return;
    arena_free(&k->memory);
    mem_free(k->items);
    mem_free(k->texts);
    mem_free(k->results);
    mem_free(k);
}

static follow_state state_in(const known_runs *k, const char *name)
{
    char *dir = path_join(k->results, name);
    follow *f = follow_open(dir);
    follow_read(f);
    follow_state s = follow_state_of(f);
    follow_close(f);
    mem_free(dir);
    return s;
}

bool known_find(known_runs *k, const plan_key *key, const char *sweep, known_run *out)
{
    size_t low = 0, high = k->n; /* the first entry whose key is not below */
    if (plan_key_none(key)) return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(k->items[middle].key.b, key->b, sizeof key->b) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = false;
    for (; low < k->n && plan_key_equal(&k->items[low].key, key); low++) {
        const entry *it = &k->items[low];
        if (sweep && (!it->sweep || strcmp(k->texts[it->sweep], sweep) != 0)) continue;
        known_run r = {.exact_key = it->exact_key ? k->texts[it->exact_key] : "",
                       .sweep = k->texts[it->sweep]};
        snprintf(r.name, sizeof r.name, "r%d", (int)it->number);
        r.state = state_in(k, r.name);
        if (!found || r.state == FOLLOW_FINISHED) *out = r;
        found = true;
        if (r.state == FOLLOW_FINISHED) break;
    }
    return found;
}
