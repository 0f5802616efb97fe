/* Owns how `configurations:`, `zip:`, `when:` and `where:` are written; must not know what they mean for a point. */
#include <math.h>
#include <string.h>

#include "config/suggest.h"
#include "sweep/expression.h"
#include "sweep/search.h"
#include "sweep/space_read.h"

static cvy_status worse(cvy_status a, cvy_status b)
{
    return a == CVY_OK ? b : a;
}

static space_rules *rules_of(space_reader *r)
{
    if (!r->rules) {
        r->rules = arena_alloc(r->a, sizeof *r->rules);
        r->out->rules = r->rules;
    }
    return r->rules;
}

/* ---- configurations ---- */

/* {name: wide, model.stem.channels: 64} as {name: wide, set: {...}}, with paths for names. */
static node *read_configuration(space_reader *r, const node *n)
{
    if (n->kind != NODE_MAP) {
        space_read_expected(r, n, "a map from path to value", "as in {name: wide, model.stem.channels: 64}");
        return NULL;
    }
    node *out = tree_map(r->a, &n->at), *set = tree_map(r->a, &n->at);
    bool good = true;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i], *word = NULL;
        if (!strcmp(key, "name")) {
            good = node_string(n->items[i], &word, r->e) && good;
            node_put(r->a, out, "name", &n->key_at[i], n->items[i]);
            continue;
        }
        const char *path = space_read_path(r, key);
        good = space_read_check_path(r, path, &n->key_at[i]) == CVY_OK && good;
        node_put(r->a, set, path, &n->key_at[i], n->items[i]);
    }
    node_put(r->a, out, "set", &n->at, set);
    return good ? out : NULL;
}

cvy_status space_read_configurations(space_reader *r, const node *n)
{
    static const char hint[] =
        "as in [{name: small, model.stem.channels: 16}, {name: wide, model.stem.channels: 64}]";
    if (n->kind != NODE_LIST) return space_read_expected(r, n, "a list of maps", hint);
    if (!n->n) return space_read_wrong(r, &n->at, hint, "there are no configurations");
    space_parameter p = {.path = SPACE_CONFIGURATIONS, .at = n->at, .kind = SPACE_CHOICE, .n = n->n};
    p.values = arena_array(r->a, n->n, sizeof *p.values);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const node *one = read_configuration(r, n->items[i]);
        if (!one) {
            status = CVY_ERR_CONFIG;
            continue;
        }
        p.values[i] = one;
        for (size_t k = 0; k < i; k++) {
            if (!p.values[k]) continue;
            const char *name = space_rules_name(one), *other = space_rules_name(p.values[k]);
            if (name && other && !strcmp(name, other))
                status = errors_add(r->e, CVY_ERR_CONFIG, &node_get(one, "name")->at, NULL,
                                    "two configurations are called \"%s\"", suggest_shown(r->a, name));
            else if (node_equal(space_rules_set(one), space_rules_set(p.values[k])))
                status = errors_add(r->e, CVY_ERR_CONFIG, &n->items[i]->at, "leave it out",
                                    "configuration %zu is equal to configuration %zu", i + 1, k + 1);
        }
    }
    if (status != CVY_OK) return status;
    space_read_add(r, &p, NULL);
    rules_of(r)->configurations = true;
    return CVY_OK;
}

/* ---- finding parameters ---- */

static const char *nearest(const space_reader *r, const char *path)
{
    const space *s = r->out;
    const char **paths = arena_array(r->a, s->n + 1, sizeof *paths);
    for (size_t i = 0; i < s->n; i++) paths[i] = s->parameters[i].path;
    return suggest_near(r->a, path, paths, s->n);
}

/* The parameter at a path, or around it with *inner the rest; s->n when there is none. */
static size_t find(const space *s, const char *path, const char **inner)
{
    *inner = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->parameters[i].path, path)) return i;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = strlen(s->parameters[i].path);
        if (strncmp(s->parameters[i].path, path, n) != 0 || path[n] != '.') continue;
        *inner = path + n + 1;
        return i;
    }
    for (size_t i = 0; s->rules && s->rules->configurations && i < s->parameters[0].n; i++)
        if (node_get(space_rules_set(s->parameters[0].values[i]), path)) {
            *inner = path;
            return 0;
        }
    return s->n;
}

/* ---- zip ---- */

static cvy_status read_group(space_reader *r, const node *n, size_t *leader)
{
    const space *s = r->out;
    if (n->kind != NODE_LIST || n->n < 2)
        return space_read_wrong(r, &n->at, "as in zip: [[train.optimizer.lr, train.batch_size]]",
                                "expected a list of two paths or more");
    size_t first = s->n;
    for (size_t i = 0; i < n->n; i++) {
        const char *name = NULL, *inner;
        const place *at = &n->items[i]->at;
        if (!node_string(n->items[i], &name, r->e)) return CVY_ERR_CONFIG;
        const char *path = space_read_path(r, name);
        size_t p = find(s, path, &inner);
        if (p == s->n || inner)
            return errors_add(r->e, CVY_ERR_CONFIG, at, nearest(r, path), "`%s` is not swept",
                              suggest_shown(r->a, name));
        const space_parameter *is = &s->parameters[p];
        if (is->kind != SPACE_CHOICE)
            return errors_add(r->e, CVY_ERR_CONFIG, at, "write `values: [...]`",
                              "`%s` has a range, and only lists of values advance together", is->path);
        if (r->whens[p])
            return errors_add(r->e, CVY_ERR_CONFIG, at, NULL, "`%s` has a condition of its own", is->path);
        if (leader[p] != p || p == first)
            return errors_add(r->e, CVY_ERR_CONFIG, at, NULL, "`%s` is in a `zip:` already", is->path);
        for (size_t k = 0; i == 0 && k < s->n; k++)
            if (k != p && leader[k] == p)
                return errors_add(r->e, CVY_ERR_CONFIG, at, NULL, "`%s` is in a `zip:` already", is->path);
        if (i == 0) {
            first = p;
            continue;
        }
        const space_parameter *lead = &s->parameters[first];
        if (is->n != lead->n)
            return errors_add(r->e, CVY_ERR_CONFIG, at, "give both as many",
                              "`%s` has %zu values and `%s` has %zu: they cannot advance together", is->path,
                              is->n, lead->path, lead->n);
        if (is->probabilities)
            return errors_add(r->e, CVY_ERR_CONFIG, at, "leave them out",
                              "the probabilities are those of `%s`", lead->path);
        leader[p] = first;
    }
    return CVY_OK;
}

static cvy_status read_zip(space_reader *r, const node *n)
{
    const space *s = r->out;
    if (n->kind != NODE_LIST || !n->n)
        return space_read_expected(r, n, "a list of lists of paths",
                                   "as in zip: [[train.optimizer.lr, train.batch_size]]");
    size_t *leader = arena_array(r->a, s->n + 1, sizeof *leader);
    for (size_t i = 0; i < s->n; i++) leader[i] = i;
    cvy_status status = CVY_OK;
    if (n->items[0]->kind == NODE_SCALAR) {
        status = read_group(r, n, leader); /* one group alone */
    } else {
        for (size_t i = 0; i < n->n; i++) status = worse(status, read_group(r, n->items[i], leader));
    }
    rules_of(r)->leader = leader;
    return status;
}

/* ---- when ---- */

/* Whether a value of the parameter is this one. */
static bool can_be(const space *s, const space_condition *c, const node *wanted)
{
    const space_parameter *p = &s->parameters[c->parameter];
    double v;
    if (p->kind != SPACE_CHOICE)
        return node_double(wanted, &v, NULL) && v == floor(v) && v >= p->min && v <= p->max;
    for (size_t i = 0; i < p->n; i++)
        if (space_rules_is(s, c, p->values[i], wanted)) return true;
    return false;
}

static cvy_status never(const space_reader *r, const space_condition *c, const char *key, const node *wanted)
{
    const space *s = r->out;
    const space_parameter *p = &s->parameters[c->parameter];
    const char **words = arena_array(r->a, p->n + 1, sizeof *words);
    size_t n = 0;
    for (size_t i = 0; p->kind == SPACE_CHOICE && i < p->n; i++) {
        const node *v = space_rules_looked(s, c, p->values[i]);
        if (v && v->kind == NODE_SCALAR) words[n++] = v->s;
    }
    text shown = {0};
    tree_write_flow(wanted, &shown);
    const char *word = suggest_shown(r->a, text_str(&shown));
    text_free(&shown);
    return errors_add(r->e, CVY_ERR_CONFIG, &wanted->at,
                      n && n <= 20 ? suggest_from(r->a, "its values are", word, words, n) : NULL,
                      "`%s` is never %s", suggest_shown(r->a, key), word);
}

static cvy_status read_condition(space_reader *r, size_t own, const char *key, const node *n, const place *at,
                                 space_condition *out)
{
    const space *s = r->out;
    const char *path = space_read_path(r, key);
    size_t p = find(s, path, &out->inner);
    if (p == s->n)
        return errors_add(r->e, CVY_ERR_CONFIG, at, nearest(r, path),
                          "`%s` is not swept: a condition is on another parameter", suggest_shown(r->a, key));
    if (p == own)
        return errors_add(r->e, CVY_ERR_CONFIG, at, NULL, "`%s` cannot depend on itself",
                          suggest_shown(r->a, key));
    if (s->parameters[p].kind != SPACE_CHOICE && !s->parameters[p].integer)
        return errors_add(r->e, CVY_ERR_CONFIG, at, NULL,
                          "`%s` has a range without steps: a condition names values",
                          suggest_shown(r->a, key));
    out->parameter = p;
    out->at = *at;
    const node **one = arena_array(r->a, 1, sizeof *one);
    one[0] = n;
    out->values = n->kind == NODE_LIST ? (const node *const *)n->items : one;
    out->n = n->kind == NODE_LIST ? n->n : 1;
    if (!out->n) return space_read_wrong(r, &n->at, NULL, "there are no values");
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < out->n; i++)
        if (!can_be(s, out, out->values[i])) status = never(r, out, key, out->values[i]);
    return status;
}

static cvy_status read_when(space_reader *r, size_t own, const space_condition **out, size_t *n)
{
    size_t most = 0;
    cvy_status status = CVY_OK;
    for (const space_when *w = r->whens[own]; w; w = w->outer) most += w->n->n;
    space_condition *all = arena_array(r->a, most + 1, sizeof *all);
    *n = 0;
    for (const space_when *w = r->whens[own]; w; w = w->outer) {
        if (w->n->kind != NODE_MAP || !w->n->n) {
            status = space_read_expected(r, w->n, "a map from path to values",
                                         "as in when: {train.optimizer.type: [adam, adamw]}");
            continue;
        }
        for (size_t i = 0; i < w->n->n; i++)
            status = worse(status, read_condition(r, own, w->n->keys[i], w->n->items[i], &w->n->key_at[i],
                                                  &all[(*n)++]));
    }
    *out = all;
    return status;
}

/* Kahn's order, the first in the file before others; a circle is reported. */
static cvy_status put_in_order(space_reader *r, space_rules *rules)
{
    const space *s = r->out;
    size_t *order = arena_array(r->a, s->n + 1, sizeof *order), n = 0;
    bool *placed = arena_array(r->a, s->n + 1, sizeof *placed);
    while (n < s->n) {
        size_t i = 0;
        for (; i < s->n; i++) {
            bool ready = !placed[i] && placed[space_rules_leader(s, i)] == (space_rules_leader(s, i) != i);
            for (size_t k = 0; ready && k < rules->n_when[i]; k++)
                ready = placed[rules->when[i][k].parameter];
            if (ready) break;
        }
        if (i == s->n) break;
        placed[i] = true;
        order[n++] = i;
    }
    rules->order = order;
    for (size_t i = 0; n < s->n && i < s->n; i++)
        if (!placed[i] && rules->n_when[i])
            return errors_add(r->e, CVY_ERR_CONFIG, &rules->when[i][0].at, NULL,
                              "the conditions go round in a circle: `%s` depends on itself",
                              s->parameters[i].path);
    return CVY_OK;
}

static cvy_status read_whens(space_reader *r)
{
    const space *s = r->out;
    bool any = false;
    for (size_t i = 0; i < s->n; i++) any = any || r->whens[i];
    if (!any) return CVY_OK;
    space_rules *rules = rules_of(r);
    const space_condition **when = arena_array(r->a, s->n + 1, sizeof *when);
    size_t *n_when = arena_array(r->a, s->n + 1, sizeof *n_when);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < s->n; i++) {
        errors_push(r->e, "%s: when", s->parameters[i].path);
        status = worse(status, read_when(r, i, &when[i], &n_when[i]));
        errors_pop(r->e);
    }
    if (status != CVY_OK) return status;
    rules->when = when;
    rules->n_when = n_when;
    return put_in_order(r, rules);
}

/* ---- where ---- */

static const char *alias_path(void *ctx, const char *name)
{
    return space_read_path(ctx, name);
}

static cvy_status read_where(space_reader *r, const node *n)
{
    static const char hint[] = "as in [\"model.stem.channels * train.batch_size <= 4096\"]";
    if (n->kind == NODE_MAP || node_is_null(n))
        return space_read_expected(r, n, "a list of expressions", hint);
    size_t count = n->kind == NODE_LIST ? n->n : 1;
    space_where *all = arena_array(r->a, count + 1, sizeof *all);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < count; i++) {
        const node *one = n->kind == NODE_LIST ? n->items[i] : n;
        all[i] = (space_where){expression_read(one, r->out, r->x, alias_path, r, r->a, r->e), one->at};
        if (!all[i].e) status = CVY_ERR_CONFIG;
    }
    if (status != CVY_OK) return status;
    rules_of(r)->where = all;
    r->rules->n_where = count;
    return CVY_OK;
}

cvy_status space_read_rules(space_reader *r, const node *zip, const node *where)
{
    cvy_status status = CVY_OK;
    if (zip) {
        errors_push(r->e, "zip");
        status = read_zip(r, zip);
        errors_pop(r->e);
    }
    errors_push(r->e, "parameters");
    cvy_status when = read_whens(r);
    errors_pop(r->e);
    status = worse(status, when);
    if (where && status == CVY_OK) {
        errors_push(r->e, "where");
        status = read_where(r, where);
        errors_pop(r->e);
    }
    return status;
}

/* ---- a grid under conditions ---- */

typedef struct lister {
    space_reader *r;
    const space *s;
    space_listed *out;
    double *point;
    size_t limit, cap, looked;
} lister;

static void keep(lister *l)
{
    const space *s = l->s;
    if (space_rules_refused(s, l->point) >= 0) return;
    if (l->out->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        uint32_t *grown = arena_array(l->r->a, cap * s->n, sizeof *grown);
        if (l->out->n) memcpy(grown, l->out->choices, l->out->n * s->n * sizeof *grown);
        l->out->choices = grown;
        l->cap = cap;
    }
    uint32_t *to = l->out->choices + l->out->n * s->n;
    for (size_t i = 0; i < s->n; i++) to[i] = isnan(l->point[i]) ? SPACE_ABSENT : (uint32_t)l->point[i];
    l->out->n++;
}

/* Everything that the parameters from place k on can be, given those before. Recursion goes as deep as there are parameters with
 * more than one value. False: that was enough. */
static bool list_from(lister *l, size_t k)
{
    const space *s = l->s;
    size_t i = 0;
    for (; k < s->n; k++) {
        i = space_rules_order(s, k);
        size_t leader = space_rules_leader(s, i);
        l->point[i] = !space_rules_active(s, l->point, i) ? (double)NAN : leader != i ? l->point[leader] : 0;
        if (leader == i && l->point[i] == 0 && s->parameters[i].n > 1) break;
    }
    if (k == s->n) {
        if (l->out->n == l->limit || l->looked == SPACE_LOOKED_MAX) {
            l->out->more = true;
            l->out->exhausted = l->out->n < l->limit;
            return false;
        }
        l->looked++;
        keep(l);
        return true;
    }
    for (size_t c = 0; c < s->parameters[i].n; c++) {
        l->point[i] = (double)c;
        if (!list_from(l, k + 1)) return false;
    }
    return true;
}

void space_list(space_reader *r)
{
    const space *s = r->out;
    if (!r->rules || !r->grid || (!r->rules->n_when && !r->rules->n_where)) return;
    space_listed *out = arena_alloc(r->a, sizeof *out);
    lister l = {.r = r, .s = s, .out = out};
    l.limit = s->run_cap > 0 && s->run_cap < SEARCH_MAX_TRIALS ? (size_t)s->run_cap : SEARCH_MAX_TRIALS + 1;
    l.point = arena_array(r->a, s->n + 1, sizeof *l.point);
    list_from(&l, 0);
    r->rules->listed = out;
}
