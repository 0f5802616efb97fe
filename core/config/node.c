/* Owns the nodes of a tree: making, finding, changing, copying, comparing; knows no YAML text. */
#include "config/tree.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "config/scalar.h"

static node *node_new(arena *a, node_kind kind, const place *at)
{
    node *n = arena_alloc(a, sizeof *n);
    n->kind = kind;
    n->at = at ? *at : PLACE_NONE;
    n->s = "";
    return n;
}

node *tree_scalar(arena *a, const char *s, bool quoted, const place *at)
{
    node *n = node_new(a, NODE_SCALAR, at);
    n->s = arena_text(a, s);
    n->quoted = quoted;
    return n;
}

node *tree_list(arena *a, const place *at)
{
    return node_new(a, NODE_LIST, at);
}

node *tree_map(arena *a, const place *at)
{
    return node_new(a, NODE_MAP, at);
}

/* Room for item n->n. Capacity is not stored: it is 4 or the next power of two, so a count that is one means
 * full. After a removal this may copy once too often, never once too few. */
static void make_room(arena *a, node *n)
{
    if (n->n != 0 && (n->n < 4 || (n->n & (n->n - 1)) != 0)) return;
    size_t cap = n->n ? n->n * 2 : 4;
    struct node **items = arena_array(a, cap, sizeof *items);
    if (n->n) memcpy(items, n->items, n->n * sizeof *items);
    n->items = items;
    if (n->kind != NODE_MAP) return;
    const char **keys = arena_array(a, cap, sizeof *keys);
    place *key_at = arena_array(a, cap, sizeof *key_at);
    if (n->n) {
        memcpy(keys, n->keys, n->n * sizeof *keys);
        memcpy(key_at, n->key_at, n->n * sizeof *key_at);
    }
    n->keys = keys;
    n->key_at = key_at;
}

void node_append(arena *a, node *list, node *value)
{
    make_room(a, list);
    list->items[list->n++] = value;
}

static size_t find_key(const node *map, const char *key)
{
    if (map->kind == NODE_MAP) {
        for (size_t i = 0; i < map->n; i++) {
            if (strcmp(map->keys[i], key) == 0) return i;
        }
    }
    return SIZE_MAX;
}

node *node_get(const node *map, const char *key)
{
    size_t i = map ? find_key(map, key) : SIZE_MAX;
    return i == SIZE_MAX ? NULL : map->items[i];
}

const place *node_key_at(const node *map, const char *key)
{
    size_t i = map ? find_key(map, key) : SIZE_MAX;
    return i == SIZE_MAX ? NULL : &map->key_at[i];
}

void node_put(arena *a, node *map, const char *key, const place *key_at, node *value)
{
    size_t i = find_key(map, key);
    if (i == SIZE_MAX) {
        make_room(a, map);
        i = map->n++;
        map->keys[i] = arena_text(a, key);
    }
    map->key_at[i] = key_at ? *key_at : value->at;
    map->items[i] = value;
}

void node_remove(node *map, const char *key)
{
    size_t i = find_key(map, key);
    if (i == SIZE_MAX) return;
    size_t rest = map->n - i - 1;
    memmove(map->items + i, map->items + i + 1, rest * sizeof *map->items);
    memmove(map->keys + i, map->keys + i + 1, rest * sizeof *map->keys);
    memmove(map->key_at + i, map->key_at + i + 1, rest * sizeof *map->key_at);
    map->n--;
}

/* ---- copy: places included, so that the copy outlives the arena it came from ---- */

typedef struct copied { /* texts of places already copied: many nodes share a file name and a source line */
    const char *from, *to;
} copied;

typedef struct copier {
    arena *a;
    copied *table; /* open addressing, `size` is a power of two */
    size_t n, size;
} copier;

static copied *copier_slot(copied *table, size_t size, const char *from)
{
    size_t i = (size_t)(((uint64_t)(uintptr_t)from * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (size - 1);
    while (table[i].from && table[i].from != from) i = (i + 1) & (size - 1);
    return &table[i];
}

static const char *copier_text(copier *c, const char *s)
{
    if (!s) return NULL;
    if (c->n * 2 >= c->size) {
        size_t size = c->size ? c->size * 2 : 64;
        copied *table = mem_array(size, sizeof *table);
        for (size_t i = 0; i < c->size; i++) {
            if (c->table[i].from) *copier_slot(table, size, c->table[i].from) = c->table[i];
        }
        mem_free(c->table);
        c->table = table;
        c->size = size;
    }
    copied *slot = copier_slot(c->table, c->size, s);
    if (!slot->from) {
        *slot = (copied){s, arena_text(c->a, s)};
        c->n++;
    }
    return slot->to;
}

static place copier_place(copier *c, place at)
{
    at.file = copier_text(c, at.file);
    at.source = copier_text(c, at.source);
    return at;
}

static node *copier_node(copier *c, const node *from)
{
    place at = copier_place(c, from->at);
    node *n = node_new(c->a, from->kind, &at);
    if (from->kind == NODE_SCALAR) {
        n->s = arena_text(c->a, from->s);
        n->quoted = from->quoted;
    }
    for (size_t i = 0; i < from->n; i++) {
        make_room(c->a, n);
        n->items[n->n] = copier_node(c, from->items[i]);
        if (from->kind == NODE_MAP) {
            n->keys[n->n] = arena_text(c->a, from->keys[i]);
            n->key_at[n->n] = copier_place(c, from->key_at[i]);
        }
        n->n++;
    }
    return n;
}

node *tree_copy(arena *a, const node *n)
{
    if (!n) return NULL;
    copier c = {a, NULL, 0, 0};
    node *copy = copier_node(&c, n);
    mem_free(c.table);
    return copy;
}

/* ---- compare ---- */

static bool scalar_equal(const node *a, const node *b)
{
    scalar_type type = scalar_classify(a);
    if (type != scalar_classify(b)) return false;
    if (type == SCALAR_NULL || strcmp(a->s, b->s) == 0) return true;
    if (type == SCALAR_BOOL) return (a->s[0] | 0x20) == (b->s[0] | 0x20);
    if (type == SCALAR_TEXT) return false;
    if (type == SCALAR_INT) {
        int64_t x, y;
        return node_int(a, &x, NULL) && node_int(b, &y, NULL) && x == y;
    }
    double x, y;
    return node_double(a, &x, NULL) && node_double(b, &y, NULL) && (x == y || (isnan(x) && isnan(y)));
}

bool node_equal(const node *a, const node *b)
{
    if (a == b) return true;
    if (!a || !b || a->kind != b->kind) return false;
    if (a->kind == NODE_SCALAR) return scalar_equal(a, b);
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const node *other = a->kind == NODE_LIST ? b->items[i] : node_get(b, a->keys[i]);
        if (!other || !node_equal(a->items[i], other)) return false;
    }
    return true;
}
