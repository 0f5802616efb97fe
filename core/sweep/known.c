/* Owns the index from configuration to runs; must not know who asks, nor the database. */
#include "sweep/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "sweep/runs.h"

typedef struct entry {
    const char *hash, *name, *exact_key, *sweep;
    int64_t number;
} entry;

struct known {
    arena memory;
    char *results;
    entry *items; /* by hash, then newest first */
    size_t n;
};

static int by_hash(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int order = strcmp(x->hash, y->hash);
    return order ? order : (x->number < y->number) - (x->number > y->number);
}

known_runs *known_open(const char *results)
{
    known_runs *k = mem_alloc(sizeof *k);
    k->results = mem_text(results);
    size_t n;
    int64_t *numbers = runs_numbers(results, 'r', &n);
    k->items = mem_array(n + 1, sizeof *k->items);
    for (size_t i = 0; i < n; i++) {
        arena a = {0}; /* of the description, most of which is of no interest */
        run_info r;
        char *name = mem_printf("r%lld", (long long)numbers[i]);
        if (runs_read(results, name, &a, &r, NULL) == CVY_OK && *r.config_hash)
            k->items[k->n++] =
                (entry){arena_text(&k->memory, r.config_hash), arena_text(&k->memory, name),
                        arena_text(&k->memory, r.exact_key), arena_text(&k->memory, r.sweep), numbers[i]};
        mem_free(name);
        arena_free(&a);
    }
    mem_free(numbers);
    if (k->n) qsort(k->items, k->n, sizeof *k->items, by_hash);
    return k;
}

void known_close(known_runs *k)
{
    if (!k) return;
    arena_free(&k->memory);
    mem_free(k->items);
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

bool known_find(known_runs *k, const char *config_hash, const char *sweep, known_run *out)
{
    size_t low = 0, high = k->n; /* the first entry whose hash is not below */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(k->items[middle].hash, config_hash) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = false;
    for (; low < k->n && !strcmp(k->items[low].hash, config_hash); low++) {
        const entry *it = &k->items[low];
        if (sweep && (!it->sweep || strcmp(it->sweep, sweep) != 0)) continue;
        known_run r = {it->name, it->exact_key, state_in(k, it->name)};
        if (!found || r.state == FOLLOW_FINISHED) *out = r;
        found = true;
        if (r.state == FOLLOW_FINISHED) break;
    }
    return found;
}
