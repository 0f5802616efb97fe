/* YAML text as a tree that remembers where everything stood. Knows YAML; knows nothing of experiments.
 *
 * Strict on libyaml's events: duplicate keys, `<<`, tags, octal-looking integers (007), yes/no/on/off as plain
 * scalars, several documents, more than 1 MiB, depth above 32 or more than 10,000 nodes after aliases are errors
 * that say what to write instead. Aliases are expanded (by sharing). */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/memory.h"

typedef enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP } node_kind;

typedef struct node {
    node_kind kind;
    place at;      /* of its first character */
    const char *s; /* scalar: its text; "" for an empty one */
    bool quoted;   /* scalar: written in quotes, hence a string whatever it looks like */
    size_t n;      /* list or map: number of items */
    struct node **items;
    const char **keys; /* map */
    place *key_at;     /* map */
} node;

/* NULL after reporting all errors found. Everything lives in the arena, the source text too. */
node *tree_read_file(arena *a, const char *path, errors *e);
/* `name` stands for the file in messages: "--set train.epochs=2". */
node *tree_read_text(arena *a, const char *name, const char *s, size_t n, errors *e);

node *tree_scalar(arena *a, const char *s, bool quoted, const place *at);
node *tree_list(arena *a, const place *at);
node *tree_map(arena *a, const place *at);
node *tree_copy(arena *a, const node *n); /* deep; shared parts become separate */

node *node_get(const node *map, const char *key); /* NULL when absent or not a map */
const place *node_key_at(const node *map, const char *key);
void node_put(arena *a, node *map, const char *key, const place *key_at,
              node *value); /* replaces or appends */
void node_remove(node *map, const char *key);
void node_append(arena *a, node *list, node *value);
bool node_is_null(const node *n);              /* plain `null`, `~` or empty */
bool node_equal(const node *a, const node *b); /* same content, order of keys ignored */

/* Scalars as types; each reports what was expected and returns false when it is something else. */
bool node_int(const node *n, int64_t *v, errors *e);
bool node_double(const node *n, double *v, errors *e);
bool node_bool(const node *n, bool *v, errors *e);
bool node_string(const node *n, const char **v, errors *e);

/* YAML that reads back to an equal tree: block style, short leaf collections in flow style. */
void tree_write(const node *n, text *out);
/* One line of flow style: {type: adam, lr: 1e-3} */
void tree_write_flow(const node *n, text *out);
/* The tree as canonical JSON: keys sorted; plain scalars typed (int, float, bool, null). */
struct json_writer;
void tree_write_json(const node *n, struct json_writer *w);

#endif
