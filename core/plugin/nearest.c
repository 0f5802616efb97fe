/* Finds the plugin name nearest to a word; must not know files or why the word was not found. */
#include "plugin/nearest.h"

#include <string.h>

#include "base/memory.h"
#include "plugin/aliases.h"

typedef struct pool {
    arena memory;
    const char **words, **names; /* a word, and the plugin that it stands for */
    size_t n, cap_words, cap_names;
} pool;

static void add(pool *p, const char *word, const char *name)
{
    p->words = MEM_GROW(p->words, p->n, &p->cap_words);
    p->names = MEM_GROW(p->names, p->n, &p->cap_names);
    p->words[p->n] = word;
    p->names[p->n++] = name;
}

static void add_words(pool *p, const char *words, const char *name)
{
    while (*words) {
        size_t n = strcspn(words, " ");
        if (n) add(p, arena_text_n(&p->memory, words, n), name);
        words += n + (words[n] == ' ');
    }
}

const char *nearest_name(const plugin_entry *entries, size_t n, uint32_t kind, const char *word)
{
    pool p = {0};
    /* Real names first: of equally near words the first one wins. */
    for (size_t i = 0; i < n; i++)
        if (!kind || entries[i].kind == kind) add(&p, entries[i].name, entries[i].name);
    for (size_t i = 0; i < n; i++) {
        const plugin_entry *entry = &entries[i];
        if (kind && entry->kind != kind) continue;
        if (entry->descriptor) add_words(&p, entry->descriptor->aliases, entry->name);
        for (const alias_row *row = aliases_table; row->name; row++)
            if (row->kind == entry->kind && !strcmp(row->name, entry->name))
                add_words(&p, row->words, entry->name);
    }
    const char *nearest = text_nearest(word, p.words, p.n), *name = NULL;
    for (size_t i = 0; nearest && !name && i < p.n; i++)
        if (p.words[i] == nearest) name = p.names[i];
    mem_free(p.words);
    mem_free(p.names);
    arena_free(&p.memory);
    return name;
}
