/* Owns the counting of equal texts; must not know what they say. */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "report/page_own.h"

static uint64_t hash_of(const char *s)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h ^ h >> 29;
}

/* The slot of a text, or the free one where it belongs. */
static size_t *slot_of(page_tally *t, const char *what)
{
    for (size_t i = (size_t)hash_of(what) & (t->n_slots - 1);; i = (i + 1) & (t->n_slots - 1))
        if (!t->slots[i] || !strcmp(t->items[t->slots[i] - 1].what, what)) return &t->slots[i];
}

void page_tally_add(page_tally *t, const char *what, const query_run *r)
{
    if (2 * (t->n + 1) > t->n_slots) {
        mem_free(t->slots);
        t->n_slots = t->n_slots ? 2 * t->n_slots : 64;
        t->slots = mem_array(t->n_slots, sizeof *t->slots);
        for (size_t i = 0; i < t->n; i++) *slot_of(t, t->items[i].what) = i + 1;
    }
    size_t *slot = slot_of(t, what);
    if (!*slot) {
        t->items = MEM_GROW(t->items, t->n, &t->cap);
        t->items[t->n++] = (page_tally_item){.what = what};
        *slot = t->n;
    }
    page_tally_item *item = &t->items[*slot - 1];
    item->runs = MEM_GROW(item->runs, item->n, &item->cap);
    item->runs[item->n++] = r;
}

void page_tally_free(page_tally *t)
{
    for (size_t i = 0; i < t->n; i++) mem_free(t->items[i].runs);
    mem_free(t->items);
    mem_free(t->slots);
    *t = (page_tally){0};
}
