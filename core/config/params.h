/* Declared parameters: fills a plugin's config struct from a tree, checks, suggests, prints. The one mechanism behind
 * every key of an experiment file. Knows the cvy_param tables, not what they are for. */
#ifndef CONFIG_PARAMS_H
#define CONFIG_PARAMS_H

#include "base/json.h"
#include "config/item.h"
#include "config/tree.h"
#include "convoy/plugin.h"

/* A word that stands for a number in INT parameters, free of their range: classes, all. */
typedef struct params_word {
    const char *word;
    int64_t value;
    const char *only;    /* the one parameter that it may stand for; NULL: any */
    const char *unknown; /* it stands for no number here: why, and what to write instead; NULL: it does */
    const char *hint;
} params_word;

typedef struct params_env {
    /* Finds a child plugin; reports and returns NULL when there is none. May itself be NULL: no children allowed. */
    const cvy_descriptor *(*find)(void *ctx, uint32_t kind, const char *name, const place *at, errors *e);
    void *ctx;
    const params_word *words;
    size_t n_words;
} params_env;

/* A kind of parameter for tables of the core's own, beside those of cvy_param_kind: any value, which the table's owner
 * reads by itself. The field is a const node *, NULL without one; it may be null, its default. */
enum { PARAMS_NODE = 1000 };

/* A parameter table with the struct it fills. */
typedef struct params_table {
    const cvy_param *params;
    size_t n, param_size; /* stride: a plugin of another build may know longer entries */
    void *config;         /* zeroed by the caller */
} params_table;

params_table params_of(const cvy_descriptor *d, void *config);

/* Fills one or several tables from one map (NULL: all defaults). Every key must belong to one of them; all errors are
 * reported, each with place and suggestion. Range errors read `kernel: 0 is below 1`. Strings and lists live in
 * the arena. */
cvy_status params_fill(arena *a, const params_table *tables, size_t n, const node *map, const params_env *env,
                       errors *e);
/* The same for a plugin: allocates its config in the arena; NULL after reporting. */
void *params_make(arena *a, const cvy_descriptor *d, const node *map, const params_env *env, errors *e);

/* The filled struct as JSON, defaults included, in declared order: `"channels": 32, ...` into an open object. */
void params_write(const params_table *t, json_writer *w);
/* What was set to something else than the default, for a picture or a table: "channels 64, kernel 7, stride 2". */
void params_brief(const params_table *t, text *out);
/* One parameter by name as a number (INT, FLOAT, BOOL); false when there is no such number. */
bool params_number(const params_table *t, const char *name, double *v);
/* Table for people: name, type and range, default, help. */
void params_describe(const params_table *t, text *out);
/* Its columns for one parameter: "int 1 .. 1023", "required". */
void params_describe_type(const cvy_param *p, text *out);
void params_describe_default(const cvy_param *p, text *out);

#endif
