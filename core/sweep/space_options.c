/* Owns the keys of `sweep:` beside its parameters: aliases, early stopping, the options of a method. Must not know what they do. */
#include <math.h>
#include <string.h>

#include "config/suggest.h"
#include "sweep/space_read.h"

static cvy_status worse(cvy_status a, cvy_status b)
{
    return a == CVY_OK ? b : a;
}

static cvy_status want_map(const space_reader *r, const node *n, const char *hint)
{
    return n->kind == NODE_MAP ? CVY_OK : space_read_expected(r, n, "a map", hint);
}

/* ---- alias ---- */

cvy_status space_read_aliases(space_reader *r, const node *n)
{
    if (want_map(r, n, "as in {learning_rate: train.optimizer.lr}") != CVY_OK) return CVY_ERR_CONFIG;
    cvy_status status = CVY_OK;
    r->aliases = arena_array(r->a, n->n + 1, sizeof *r->aliases);
    for (size_t i = 0; i < n->n; i++) {
        const char *path = NULL;
        if (!node_string(n->items[i], &path, r->e))
            status = CVY_ERR_CONFIG;
        else
            r->aliases[r->n_aliases++] = (space_alias){n->keys[i], path, n->key_at[i], false};
    }
    return status;
}

const char *space_read_path(space_reader *r, const char *name)
{
    space_alias *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < r->n_aliases; i++) { /* a name of its own, or of the map around it */
        size_t n = strlen(r->aliases[i].name);
        if (strncmp(name, r->aliases[i].name, n) != 0 || (name[n] && name[n] != '.') || n < longest) continue;
        best = &r->aliases[i];
        longest = n;
    }
    if (!best) return name;
    best->used = true;
    return arena_printf(r->a, "%s%s", best->path, name + longest);
}

static bool known(const char *const *all, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(key, all[i])) return true;
    return false;
}

/* ---- early_terminate ---- */

static cvy_status read_count(const space_reader *r, const node *n, int64_t least, int64_t *out)
{
    return space_read_int(r, n, least, 1000000000, out) ? CVY_OK : CVY_ERR_CONFIG;
}

static cvy_status read_eta(const space_reader *r, const node *n, double *out)
{
    if (!space_read_number(r, n, out)) return CVY_ERR_CONFIG;
    if (*out >= 1.01 && *out <= 1e6) return CVY_OK;
    return errors_add(r->e, CVY_ERR_CONFIG, &n->at, "3 and 4 are usual", "must be above 1, found %s", n->s);
}

static const char *const rule_names[] = {"median", "hyperband", "halving", "hyperband_brackets", "asha"};
static const early_kind rule_kinds[] = {EARLY_MEDIAN, EARLY_HYPERBAND_WANDB, EARLY_HALVING, EARLY_HYPERBAND,
                                        EARLY_ASHA};
enum { N_RULES = sizeof rule_names / sizeof *rule_names };

static cvy_status read_rule(const space_reader *r, const node *n, early_rule *out)
{
    const char *name = NULL;
    if (!node_string(n, &name, r->e)) return CVY_ERR_CONFIG;
    for (size_t i = 0; i < N_RULES; i++)
        if (!strcmp(name, rule_names[i])) {
            out->kind = rule_kinds[i];
            return CVY_OK;
        }
    return errors_add(r->e, CVY_ERR_CONFIG, &n->at,
                      suggest_from(r->a, "known are", name, rule_names, N_RULES), "unknown type \"%s\"",
                      suggest_shown(r->a, name));
}

/* Which keys a rule knows. */
static bool knows(early_kind kind, const char *key)
{
    static const char *const of_median[] = {"startup", "warmup", "interval"};
    static const char *const of_wandb[] = {"min_iter", "max_iter", "s", "eta", "strict"};
    static const char *const of_rungs[] = {"min_iter", "max_iter", "eta"};
    const char *const *mine = kind == EARLY_MEDIAN            ? of_median
                              : kind == EARLY_HYPERBAND_WANDB ? of_wandb
                                                              : of_rungs;
    size_t n = kind == EARLY_HYPERBAND_WANDB ? 5 : kind == EARLY_ASHA ? 0 : 3;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(key, mine[i])) return true;
    return kind == EARLY_ASHA && (!strcmp(key, "min_iter") || !strcmp(key, "eta"));
}

static cvy_status read_option(const space_reader *r, const char *key, const node *n, early_rule *o)
{
    if (!strcmp(key, "min_iter")) return read_count(r, n, 1, &o->min_iter);
    if (!strcmp(key, "max_iter")) return read_count(r, n, 1, &o->max_iter);
    if (!strcmp(key, "s")) return read_count(r, n, 1, &o->s);
    if (!strcmp(key, "startup")) return read_count(r, n, 0, &o->startup);
    if (!strcmp(key, "warmup")) return read_count(r, n, 0, &o->warmup);
    if (!strcmp(key, "interval")) return read_count(r, n, 1, &o->interval);
    if (!strcmp(key, "eta")) return read_eta(r, n, &o->eta);
    return node_bool(n, &o->strict, r->e) ? CVY_OK : CVY_ERR_CONFIG;
}

/* W&B's hyperband takes one of two forms. */
static cvy_status check_wandb(const space_reader *r, const node *n, const early_rule *o)
{
    static const char hint[] =
        "as in {type: hyperband, min_iter: 3} or {type: hyperband, max_iter: 27, s: 2}";
    if (!o->min_iter && !o->max_iter)
        return space_read_wrong(r, &n->at, hint, "needs `min_iter`, or `max_iter` with `s`");
    if (o->min_iter && o->max_iter)
        return space_read_wrong(r, node_key_at(n, "max_iter"), hint,
                                "`min_iter` and `max_iter` exclude each other");
    if (o->min_iter && o->s)
        return space_read_wrong(r, node_key_at(n, "s"), hint, "`s` belongs to `max_iter`");
    if (o->max_iter && !o->s) return space_read_wrong(r, &n->at, hint, "`max_iter` needs `s`");
    if (o->max_iter && (double)o->max_iter / o->eta < 1)
        return space_read_wrong(r, &node_get(n, "max_iter")->at, "raise `max_iter`, or lower `eta`",
                                "there is no band: max_iter / eta is below 1");
    return CVY_OK;
}

cvy_status space_read_early(space_reader *r, const node *n)
{
    static const char *const all[] = {"type",   "min_iter", "max_iter", "s",       "eta",
                                      "strict", "startup",  "warmup",   "interval"};
    early_rule *o = &r->out->early;
    if (node_is_null(n)) return CVY_OK;
    if (want_map(r, n, "as in {type: hyperband, min_iter: 3}") != CVY_OK) return CVY_ERR_CONFIG;
    const node *type = node_get(n, "type");
    if (!type)
        return space_read_wrong(r, &n->at, "as in {type: hyperband, min_iter: 3}", "`type:` is missing");
    early_rule rule = {.eta = 3, .startup = 5, .interval = 1};
    if (read_rule(r, type, &rule) != CVY_OK) return CVY_ERR_CONFIG;
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        if (!strcmp(key, "type")) continue;
        cvy_status one = CVY_OK;
        if (!known(all, sizeof all / sizeof *all, key))
            one = space_read_unknown(r, key, &n->key_at[i], all, sizeof all / sizeof *all);
        else if (!knows(rule.kind, key))
            one = errors_add(r->e, CVY_ERR_CONFIG, &n->key_at[i], "leave it out",
                             "`%s` does not belong to type %s", key, type->s);
        else {
            errors_push(r->e, "%s", key);
            one = read_option(r, key, n->items[i], &rule);
            errors_pop(r->e);
        }
        status = worse(status, one);
    }
    if (status == CVY_OK && rule.kind == EARLY_HYPERBAND_WANDB) status = check_wandb(r, n, &rule);
    if (status == CVY_OK && rule.max_iter && rule.min_iter > rule.max_iter)
        status = space_read_wrong(r, &node_get(n, "min_iter")->at, NULL, "`min_iter` is above `max_iter`");
    *o = rule;
    bool waits = rule.kind == EARLY_HALVING || rule.kind == EARLY_HYPERBAND;
    if (status == CVY_OK && waits && (!strcmp(r->out->method, "tpe") || !strcmp(r->out->method, "bayes")))
        status =
            errors_add(r->e, CVY_ERR_CONFIG, &type->at, "use type asha, median or hyperband",
                       "%s compares all configurations before one of them ends, and method %s chooses them "
                       "by the results of others",
                       type->s, r->out->method);
    return status;
}

/* ---- tpe ---- */

cvy_status space_read_tpe(space_reader *r, const node *n)
{
    static const char *const all[] = {"startup",      "candidates", "gamma",
                                      "prior_weight", "magic_clip", "multivariate"};
    space_tpe *o = &r->out->tpe;
    if (want_map(r, n, "as in {startup: 10, candidates: 24}") != CVY_OK) return CVY_ERR_CONFIG;
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        const node *v = n->items[i];
        cvy_status one = CVY_OK;
        errors_push(r->e, "%s", key);
        if (!strcmp(key, "startup")) {
            one = read_count(r, v, 0, &o->startup);
        } else if (!strcmp(key, "candidates")) {
            one = space_read_int(r, v, 1, 10000, &o->candidates) ? CVY_OK : CVY_ERR_CONFIG;
        } else if (!strcmp(key, "gamma")) {
            one = space_read_number(r, v, &o->gamma) ? CVY_OK : CVY_ERR_CONFIG;
            if (one == CVY_OK && !(o->gamma > 0 && o->gamma < 1))
                one = errors_add(r->e, CVY_ERR_CONFIG, &v->at, "0.15 is usual",
                                 "is a share between 0 and 1, found %s", v->s);
        } else if (!strcmp(key, "prior_weight")) {
            one = space_read_number(r, v, &o->prior_weight) ? CVY_OK : CVY_ERR_CONFIG;
            if (one == CVY_OK && !(o->prior_weight > 0 && o->prior_weight <= 1e6))
                one =
                    errors_add(r->e, CVY_ERR_CONFIG, &v->at, "1 is usual", "must be above 0, found %s", v->s);
        } else if (!strcmp(key, "magic_clip") || !strcmp(key, "multivariate")) {
            bool *flag = key[0] == 'm' && key[1] == 'a' ? &o->magic_clip : &o->multivariate;
            one = node_bool(v, flag, r->e) ? CVY_OK : CVY_ERR_CONFIG;
        }
        errors_pop(r->e);
        if (!known(all, sizeof all / sizeof *all, key))
            one = space_read_unknown(r, key, &n->key_at[i], all, sizeof all / sizeof *all);
        status = worse(status, one);
    }
    return status;
}
