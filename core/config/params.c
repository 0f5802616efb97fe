/* Owns filling config structs from a tree by their declared parameters; must not know what any of them is
 * for. */
#include "config/params.h"

#include <math.h>
#include <string.h>
#include "config/params_table.h"
#include "config/scalar.h"
#include "config/suggest.h"

enum { PARAMS_DEPTH_MAX = 32 }; /* a plugin whose default child is itself must not recurse for ever */

typedef struct filler {
    arena *a;
    const params_env *env; /* never NULL */
    errors *e;
    int depth;
} filler;

static void *make(filler *f, const cvy_descriptor *d, const node *map);

params_table params_of(const cvy_descriptor *d, void *config)
{
    return (params_table){d->params, d->n_params, d->param_size, config};
}

static void *field_of(const params_table *t, const cvy_param *p)
{
    return (char *)t->config + p->offset;
}

/* `expected X, found Y`; always false. */
static bool expected(filler *f, const node *n, const char *what, const char *hint)
{
    text found = {0};
    scalar_found(n, &found);
    errors_add(f->e, CVY_ERR_CONFIG, &n->at, hint, "expected %s, found %s", what, text_str(&found));
    text_free(&found);
    return false;
}

/* ---- numbers ---- */

static bool check_range(filler *f, const cvy_param *p, const node *n, double v)
{
    bool below = v<p->min, above = v> p->max, nan = isnan(v);
    if (!below && !above && !nan) return true;
    text shown = {0}, limit = {0};
    text_safe(&shown, n->s, 60);
    if (nan) {
        errors_add(f->e, CVY_ERR_CONFIG, &n->at, NULL, "%s is not a number", text_str(&shown));
    } else {
        params_limit(p, below ? p->min : p->max, &limit);
        errors_add(f->e, CVY_ERR_CONFIG, &n->at, NULL, "%s is %s %s", text_str(&shown),
                   below ? "below" : "above", text_str(&limit));
    }
    text_free(&shown);
    text_free(&limit);
    return false;
}

static bool read_int(filler *f, const cvy_param *p, const node *n, int64_t *v)
{
    return node_int(n, v, f->e) && check_range(f, p, n, (double)*v);
}

static bool read_double(filler *f, const cvy_param *p, const node *n, double *v)
{
    return node_double(n, v, f->e) && check_range(f, p, n, *v);
}

/* An integer or one of the words that stand for one, which know no range. */
static bool read_word(filler *f, const cvy_param *p, const node *n, int64_t *v)
{
    if (n->kind != NODE_SCALAR || scalar_classify(n) != SCALAR_TEXT || f->env->n_words == 0 ||
        scalar_of(n->s) != SCALAR_TEXT) {
        return read_int(f, p, n, v);
    }
    const char **words = arena_array(f->a, f->env->n_words, sizeof *words);
    size_t n_words = 0;
    for (size_t i = 0; i < f->env->n_words; i++) {
        const params_word *w = &f->env->words[i];
        if (w->only && strcmp(w->only, p->name) != 0) continue;
        words[n_words++] = w->word;
        if (strcmp(n->s, w->word) == 0) {
            *v = w->value;
            if (!w->unknown) return true;
            errors_add(f->e, CVY_ERR_CONFIG, &n->at, w->hint, "%s", w->unknown);
            return false;
        }
    }
    const char *near = suggest_near(f->a, n->s, words, n_words);
    if (!near) return read_int(f, p, n, v);
    return expected(f, n, "an integer", near);
}

/* A list of the length it must have. */
static bool expect_count(filler *f, const node *n, bool fits, const char *shape)
{
    if (n->kind != NODE_LIST) return expected(f, n, shape, NULL);
    if (fits) return true;
    errors_add(f->e, CVY_ERR_CONFIG, &n->at, NULL, "expected %s, found a list of %zu", shape, n->n);
    return false;
}

/* One number for all axes, or one for each. */
static bool read_axes(filler *f, const cvy_param *p, const node *n, int64_t *v, size_t axes)
{
    const char *shape = axes == 2 ? "one integer for both, or [vertical, horizontal]"
                                  : "one integer for all, or [depth, vertical, horizontal]";
    bool ok = true;
    if (n->kind == NODE_SCALAR) {
        ok = read_int(f, p, n, &v[0]);
        for (size_t i = 1; i < axes; i++) v[i] = v[0];
        return ok;
    }
    if (!expect_count(f, n, n->n == axes, shape)) return false;
    for (size_t i = 0; i < axes; i++) ok = read_int(f, p, n->items[i], &v[i]) && ok;
    return ok;
}

static bool read_padding(filler *f, const cvy_param *p, const node *n, cvy_padding *out)
{
    static const char *const shapes[] = {
        "an integer, [before, after], same or valid",
        "an integer, [vertical, horizontal], [top, left, bottom, right], same or valid",
        "an integer, [depth, vertical, horizontal], [front, top, left, back, bottom, right], same or valid"};
    const size_t axes = p->child >= 1 && p->child <= 3 ? p->child : 1;
    const char *shape = shapes[axes - 1];
    *out = (cvy_padding){.mode = CVY_PAD_GIVEN};
    bool ok = true;
    if (n->kind == NODE_SCALAR) {
        if (scalar_classify(n) == SCALAR_TEXT) {
            static const char *const words[] = {"same", "valid"};
            if (!strcmp(n->s, "same")) out->mode = CVY_PAD_SAME;
            if (!strcmp(n->s, "same") || !strcmp(n->s, "valid")) return true;
            return expected(f, n, shape, suggest_near(f->a, n->s, words, 2));
        }
        ok = read_int(f, p, n, &out->before[0]);
        for (size_t i = 0; i < axes; i++) out->before[i] = out->after[i] = out->before[0];
        return ok;
    }
    /* A list of one number per axis; of one axis, two are its two sides. */
    if (!expect_count(f, n, n->n == axes || n->n == 2 * axes, shape)) return false;
    for (size_t i = 0; i < axes; i++) {
        ok = read_int(f, p, n->items[i], &out->before[i]) && ok;
        out->after[i] = out->before[i];
        if (n->n == 2 * axes) ok = read_int(f, p, n->items[axes + i], &out->after[i]) && ok;
    }
    return ok;
}

static bool expect_list(filler *f, const node *n)
{
    if (n->kind == NODE_LIST) return true;
    text hint = {0};
    if (n->kind == NODE_SCALAR && !node_is_null(n) && strlen(n->s) < 40) {
        text_printf(&hint, "write [%s]", n->s);
    }
    expected(f, n, "a list", hint.n ? text_str(&hint) : NULL);
    text_free(&hint);
    return false;
}

static bool read_ints(filler *f, const cvy_param *p, const node *n, cvy_ints *out)
{
    bool ok = true;
    if (n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_INT) { /* 1 is [1] */
        int64_t *one = arena_array(f->a, 1, sizeof *one);
        *out = (cvy_ints){one, 1};
        return read_int(f, p, n, one);
    }
    if (n->kind != NODE_LIST) return expected(f, n, "an integer or a list of integers", NULL);
    int64_t *v = arena_array(f->a, n->n ? n->n : 1, sizeof *v);
    for (size_t i = 0; i < n->n; i++) ok = read_int(f, p, n->items[i], &v[i]) && ok;
    *out = (cvy_ints){v, n->n};
    return ok;
}

static bool read_floats(filler *f, const cvy_param *p, const node *n, cvy_floats *out)
{
    bool ok = true;
    scalar_type type = n->kind == NODE_SCALAR ? scalar_classify(n) : SCALAR_TEXT;
    if (type == SCALAR_INT || type == SCALAR_FLOAT) {
        double *one = arena_array(f->a, 1, sizeof *one);
        *out = (cvy_floats){one, 1};
        return read_double(f, p, n, one);
    }
    if (n->kind != NODE_LIST) return expected(f, n, "a number or a list of numbers", NULL);
    double *v = arena_array(f->a, n->n ? n->n : 1, sizeof *v);
    for (size_t i = 0; i < n->n; i++) ok = read_double(f, p, n->items[i], &v[i]) && ok;
    *out = (cvy_floats){v, n->n};
    return ok;
}

/* ---- words ---- */

static bool read_enum(filler *f, const cvy_param *p, const node *n, int32_t *v)
{
    size_t count = 0;
    while (p->choices && p->choices[count]) count++;
    if (n->kind == NODE_SCALAR) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(n->s, p->choices[i]) == 0) {
                *v = (int32_t)i;
                return true;
            }
        }
    }
    text choices = {0};
    text_add(&choices, "one of");
    for (size_t i = 0; i < count; i++) text_printf(&choices, "%s %s", i ? "," : "", p->choices[i]);
    const char *near = n->kind == NODE_SCALAR ? suggest_near(f->a, n->s, p->choices, count) : NULL;
    expected(f, n, text_str(&choices), near);
    text_free(&choices);
    return false;
}

/* ---- plugins in plugins ---- */

static bool read_child(filler *f, const cvy_param *p, const char *label, const node *n, cvy_child *out)
{
    item it;
    errors_push(f->e, "%s", label);
    bool ok = item_read(f->a, n, false, &it, f->e);
    errors_pop(f->e);
    if (!ok) return false;
    errors_push(f->e, "%s (%s)", label, it.type);
    if (!f->env->find) {
        errors_add(f->e, CVY_ERR_CONFIG, &it.type_at, NULL, "a plugin cannot be used here");
    } else if (f->depth >= PARAMS_DEPTH_MAX) {
        errors_add(f->e, CVY_ERR_PLUGIN, &it.type_at, NULL, "plugins nested deeper than %d levels",
                   PARAMS_DEPTH_MAX);
    } else {
        out->plugin = f->env->find(f->env->ctx, p->child, it.type, &it.type_at, f->e);
        f->depth++;
        out->config = out->plugin ? make(f, out->plugin, it.params) : NULL;
        f->depth--;
    }
    errors_pop(f->e);
    return out->config != NULL;
}

static bool read_children(filler *f, const cvy_param *p, const node *n, cvy_children *out)
{
    if (n->kind != NODE_LIST) {
        errors_push(f->e, "%s", p->name);
        expect_list(f, n);
        errors_pop(f->e);
        return false;
    }
    bool ok = true;
    cvy_child *v = arena_array(f->a, n->n ? n->n : 1, sizeof *v);
    for (size_t i = 0; i < n->n; i++) {
        ok = read_child(f, p, arena_printf(f->a, "%s.%zu", p->name, i), n->items[i], &v[i]) && ok;
    }
    *out = (cvy_children){v, n->n};
    return ok;
}

/* ---- one parameter ---- */

static bool may_be_null(const cvy_param *p)
{
    if (p->kind != CVY_PARAM_STRING && p->kind != CVY_PARAM_CHILD && p->kind != CVY_PARAM_CHILDREN &&
        p->kind != PARAMS_NODE)
        return false;
    return p->fallback && scalar_of(p->fallback) == SCALAR_NULL && p->fallback[0];
}

static bool read_value(filler *f, const cvy_param *p, const node *n, void *field)
{
    if (p->kind == CVY_PARAM_CHILD) return read_child(f, p, p->name, n, field);
    if (p->kind == CVY_PARAM_CHILDREN) return read_children(f, p, n, field);
    errors_push(f->e, "%s", p->name);
    bool ok = false, b = false;
    switch (p->kind) {
    case CVY_PARAM_INT:
        ok = read_word(f, p, n, field);
        break;
    case CVY_PARAM_FLOAT:
        ok = read_double(f, p, n, field);
        break;
    case CVY_PARAM_BOOL:
        ok = node_bool(n, &b, f->e);
        *(int32_t *)field = b;
        break;
    case CVY_PARAM_STRING:
        ok = node_string(n, (const char **)field, f->e);
        break;
    case CVY_PARAM_ENUM:
        ok = read_enum(f, p, n, field);
        break;
    case CVY_PARAM_PAIR:
        ok = read_axes(f, p, n, field, 2);
        break;
    case CVY_PARAM_TRIPLE:
        ok = read_axes(f, p, n, field, 3);
        break;
    case CVY_PARAM_PADDING:
        ok = read_padding(f, p, n, field);
        break;
    case CVY_PARAM_LAYERS:
        ok = expect_list(f, n);
        *(cvy_layers *)field = (cvy_layers){n, n->n};
        break;
    case PARAMS_NODE:
        *(const node **)field = n;
        ok = true;
        break;
    case CVY_PARAM_INTS:
        ok = read_ints(f, p, n, field);
        break;
    case CVY_PARAM_FLOATS:
        ok = read_floats(f, p, n, field);
        break;
    default:
        break; /* refused by fill() */
    }
    errors_pop(f->e);
    return ok;
}

/* The value given in the file. */
static bool read_given(filler *f, const cvy_param *p, const node *n, void *field)
{
    if (!node_is_null(n) || (p->kind == CVY_PARAM_ENUM && n->s[0])) return read_value(f, p, n, field);
    if (may_be_null(p)) return true; /* the struct is zeroed: no string, no child */
    text hint = {0};
    if (p->fallback) text_printf(&hint, "give one, or remove it for the default, %s", p->fallback);
    errors_add(f->e, CVY_ERR_CONFIG, &n->at, hint.n ? text_str(&hint) : NULL, "%s: a value is missing",
               p->name);
    text_free(&hint);
    return false;
}

/* The plugin's default: YAML text, but strings and choices as they stand, so that authors need no quotes in
 * quotes. */
static bool read_fallback(filler *f, const cvy_param *p, const place *at, void *field)
{
    errors own = {0};
    filler quiet = *f;
    quiet.e = &own;
    bool ok = true;
    const char *s = p->fallback;
    bool literal = (p->kind == CVY_PARAM_STRING && s[0] != '"' && s[0] != '\'') || p->kind == CVY_PARAM_ENUM;
    if (!may_be_null(p)) {
        node *n =
            literal ? tree_scalar(f->a, s, true, at) : tree_read_text(f->a, p->name, s, strlen(s), &own);
        if (n) n->at = *at; /* the file is where a child that cannot be found is missed */
        ok = n && read_value(&quiet, p, n, field);
    }
    if (!ok && own.n) {
        const message *m = &own.items[0];
        errors_add(f->e,
                   p->kind == CVY_PARAM_CHILD || p->kind == CVY_PARAM_CHILDREN ? m->status : CVY_ERR_PLUGIN,
                   at, m->hint, "default `%s` of %s: %s", s, p->name, m->what);
    }
    errors_free(&own);
    return ok;
}

/* ---- tables ---- */

static const params_table *find_key(const params_table *tables, size_t n, const char *key)
{
    for (size_t t = 0; t < n; t++) {
        for (size_t i = 0; i < tables[t].n; i++) {
            cvy_param p = params_entry(&tables[t], i);
            if (p.kind != CVY_PARAM_ALSO && strcmp(p.name, key) == 0) return &tables[t];
        }
    }
    return NULL;
}

typedef struct candidates {
    const char **words;
    const char **means; /* the parameter behind another framework's name; else the word itself */
    size_t n, cap, cap_means;
} candidates;

static void candidates_add(candidates *c, const char *word, const char *means)
{
    c->words = MEM_GROW(c->words, c->n, &c->cap);
    c->means = MEM_GROW(c->means, c->n, &c->cap_means);
    c->words[c->n] = word;
    c->means[c->n++] = means;
}

/* Returns the parameter that is suggested, or NULL. */
static const char *report_unknown(filler *f, const params_table *tables, size_t n, const char *key,
                                  const place *at)
{
    candidates c = {0};
    text known = {0};
    for (size_t t = 0; t < n; t++) {
        const char *owner = NULL;
        for (size_t i = 0; i < tables[t].n; i++) {
            cvy_param p = params_entry(&tables[t], i);
            if (p.kind != CVY_PARAM_ALSO) {
                owner = p.name;
                candidates_add(&c, p.name, p.name);
                text_printf(&known, "%s %s", known.n ? "," : "", p.name);
                continue;
            }
            for (const char *w = p.name; owner && *w;) {
                size_t length = strcspn(w, " ");
                if (length) candidates_add(&c, arena_text_n(f->a, w, length), owner);
                w += length + (w[length] == ' ');
            }
        }
    }
    const char *hint = NULL, *meant = NULL, *near = c.n ? text_nearest(key, c.words, c.n) : NULL;
    for (size_t i = 0; near && !meant && i < c.n; i++) {
        if (c.words[i] != near) continue;
        bool exact = strcmp(near, key) == 0;
        meant = c.means[i];
        hint = arena_printf(f->a, exact ? "this is `%s` here" : "did you mean `%s`?", meant);
    }
    const bool decimals = strspn(key, "0123456789") == strlen(key); /* {lr: 0,001} */
    if (!hint && decimals) hint = "a comma separates parameters, decimals have a point: 0.5";
    if (!hint)
        hint = known.n ? arena_printf(f->a, strchr(text_str(&known), ',') ? "known are%s" : "known:%s",
                                      text_str(&known))
                       : "it takes no parameters";
    errors_add(f->e, CVY_ERR_CONFIG, at, hint, "unknown parameter \"%s\"", suggest_shown(f->a, key));
    mem_free(c.words);
    mem_free(c.means);
    text_free(&known);
    return meant;
}

static void report_missing(filler *f, const cvy_param *p, const place *at)
{
    const char *hint = p->help && p->help[0] ? arena_printf(f->a, "add `%s`: %s", p->name, p->help) : NULL;
    errors_add(f->e, CVY_ERR_CONFIG, at, hint, "missing required parameter \"%s\"", p->name);
}

/* `meant`: parameters suggested for unknown keys, which are not missed a second time. */
static bool fill_table(filler *f, const params_table *t, const node *map, const char *const *meant,
                       size_t n_meant)
{
    bool ok = true;
    place at = map ? map->at : PLACE_NONE;
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        if (p.kind == CVY_PARAM_ALSO) continue;
        if (params_field_size(p.kind) == 0) {
            errors_add(f->e, CVY_ERR_PLUGIN, &at, "build the plugin against this version of Convoy",
                       "parameter `%s` is of kind %u, unknown here", p.name, (unsigned)p.kind);
            ok = false;
            continue;
        }
        const node *given = map ? node_get(map, p.name) : NULL;
        if (given) {
            ok = read_given(f, &p, given, field_of(t, &p)) && ok;
        } else if (p.fallback) {
            ok = read_fallback(f, &p, &at, field_of(t, &p)) && ok;
        } else {
            bool suggested = false;
            for (size_t k = 0; k < n_meant; k++) suggested = suggested || strcmp(meant[k], p.name) == 0;
            if (!suggested) report_missing(f, &p, &at);
            ok = false;
        }
    }
    return ok;
}

/* Whether parameters labels_file, labels_pattern, ... make `labels` a group. */
static bool is_group(const params_table *tables, size_t n, const char *key)
{
    size_t length = strlen(key);
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            cvy_param p = params_entry(&tables[t], i);
            if (p.kind != CVY_PARAM_ALSO && !strncmp(p.name, key, length) && p.name[length] == '_')
                return true;
        }
    return false;
}

/* Parameters that begin with the same word may be written as a map under it: `labels: {file: a.csv}` is `labels_file: a.csv`. */
static const node *unfold(filler *f, const params_table *tables, size_t n, const node *map, bool *ok)
{
    bool any = false;
    for (size_t i = 0; map && i < map->n; i++)
        any = any || (map->items[i]->kind == NODE_MAP && !find_key(tables, n, map->keys[i]) &&
                      is_group(tables, n, map->keys[i]));
    if (!any) return map;
    node *flat = tree_map(f->a, &map->at);
    for (size_t i = 0; i < map->n; i++) {
        const node *inner = map->items[i];
        const bool group = inner->kind == NODE_MAP && !find_key(tables, n, map->keys[i]) &&
                           is_group(tables, n, map->keys[i]);
        if (!group) node_put(f->a, flat, map->keys[i], &map->key_at[i], map->items[i]);
        for (size_t k = 0; group && k < inner->n; k++) {
            const char *name = arena_printf(f->a, "%s_%s", map->keys[i], inner->keys[k]);
            if (node_get(map, name)) {
                errors_add(f->e, CVY_ERR_CONFIG, &inner->key_at[k], "leave out one of the two",
                           "`%s` is given twice: as `%s` too", inner->keys[k], name);
                *ok = false;
            } else {
                node_put(f->a, flat, name, &inner->key_at[k], inner->items[k]);
            }
        }
    }
    return flat;
}

static cvy_status fill(filler *f, const params_table *tables, size_t n, const node *map)
{
    bool ok = true;
    if (map && node_is_null(map)) map = NULL;
    if (map && map->kind != NODE_MAP) {
        expected(f, map, "a map of parameters", NULL);
        return CVY_ERR_CONFIG;
    }
    map = unfold(f, tables, n, map, &ok);
    const char **meant = arena_array(f->a, map ? map->n + 1 : 1, sizeof *meant);
    size_t n_meant = 0;
    for (size_t i = 0; map && i < map->n; i++) {
        if (find_key(tables, n, map->keys[i])) continue;
        const char *word = report_unknown(f, tables, n, map->keys[i], &map->key_at[i]);
        if (word) meant[n_meant++] = word;
        ok = false;
    }
    for (size_t t = 0; t < n; t++) ok = fill_table(f, &tables[t], map, meant, n_meant) && ok;
    return ok ? CVY_OK : CVY_ERR_CONFIG;
}

static const params_env nothing;

cvy_status params_fill(arena *a, const params_table *tables, size_t n, const node *map, const params_env *env,
                       errors *e)
{
    filler f = {a, env ? env : &nothing, e, 0};
    return fill(&f, tables, n, map);
}

static void *make(filler *f, const cvy_descriptor *d, const node *map)
{
    void *config = arena_alloc(f->a, d->config_size ? d->config_size : 1);
    params_table t = params_of(d, config);
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        size_t size = params_field_size(p.kind), end;
        if (size == 0 || (size_add(p.offset, size, &end) && end <= d->config_size)) continue;
        place at = map ? map->at : PLACE_NONE;
        errors_add(f->e, CVY_ERR_PLUGIN, &at, NULL, "%s: parameter `%s` lies outside its config struct",
                   d->name, p.name);
        return NULL;
    }
    return fill(f, &t, 1, map) == CVY_OK ? config : NULL;
}

void *params_make(arena *a, const cvy_descriptor *d, const node *map, const params_env *env, errors *e)
{
    filler f = {a, env ? env : &nothing, e, 0};
    return make(&f, d, map);
}
