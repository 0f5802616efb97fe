/* The keys of `init:`: where weights come from, under which names, and what is frozen.
 *
 *   init:
 *     from: base.safetensors        # relative to the experiment's file
 *     map: {"stage1.*": "layer1.*", head.weight: fc.weight, "aux.*": null}
 *     strict: true
 *     freeze: ["stem.*", "*.running_*"]
 *     weights: he_normal            # and bias, rules: init_rules.h
 *
 * In `map` stands OURS: THEIRS. A star stands for any run of characters; the stars on the right take what those on the
 * left stood for, in order. An exact name comes before patterns, and of these the first that matches counts. A name
 * with null behind it is left out on both sides: our tensors of that name stay as initialised, and the file's are not
 * missed when nobody reads them. Knows no file but its name. */
#ifndef TRAIN_INIT_H
#define TRAIN_INIT_H

#include "base/json.h"
#include "config/tree.h"
#include "graph/net.h"

typedef struct init_rename {
    const char *ours, *theirs; /* theirs NULL: left out */
    place at;
} init_rename;

typedef struct init_pattern {
    const char *pattern;
    place at;
} init_pattern;

typedef struct init_settings {
    const char *from; /* absolute, or relative to the working folder; NULL: weights start as initialised */
    place at;         /* of `from` */
    bool strict;
    init_rename *map;
    size_t n_map;
    init_pattern *freeze;
    size_t n_freeze;
    place freeze_at;
} init_settings;

/* `section`: the value of `init:`, NULL when there is none. Texts live in the arena; all errors are reported. */
cvy_status init_read(const node *section, const char *base_dir, arena *a, init_settings *out, errors *e);
/* Marks what is frozen. A pattern that no name matches is an error. */
cvy_status init_freeze(const init_settings *s, net *n, errors *e);
/* The rule for one of our names: its name in the file (the caller mem_free()s), or NULL with *rule the entry that leaves
 * it out. *rule is NULL when no entry matches and the name is its own. */
char *init_their_name(const init_settings *s, const char *ours, const init_rename **rule);
/* What a pattern that matches no name may have meant, for a message; NULL: there are no names. */
const char *init_suggest(const net *n, const char *pattern, bool buffers, arena *a);
/* What decides a run's result besides the file's content, into an open object: `"map": [ours, theirs, ...], "freeze": [names]`. */
void init_write(const init_settings *s, const net *n, json_writer *w);

#endif
