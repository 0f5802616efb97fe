/* Owns the keys of `sweep:` and what holds for it as a whole; must not know how trials are run, nor plugins. */
#include "sweep/space.h"

#include <math.h>
#include <string.h>

#include "config/experiment_check.h"
#include "config/override.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "sweep/distribution.h"
#include "sweep/early.h"
#include "sweep/search.h"
#include "sweep/space_read.h"

const space_metric space_default_metric = {"val_accuracy", true};

static cvy_status worse(cvy_status a, cvy_status b)
{
    return a == CVY_OK ? b : a;
}

/* ---- shared with the files that read parts ---- */

cvy_status space_read_wrong(const space_reader *r, const place *at, const char *hint, const char *what)
{
    return errors_add(r->e, CVY_ERR_CONFIG, at, hint, "%s", what);
}

cvy_status space_read_unknown(const space_reader *r, const char *key, const place *at,
                              const char *const *known, size_t n)
{
    return errors_add(r->e, CVY_ERR_CONFIG, at, suggest_from(r->a, "known are", key, known, n),
                      "unknown key \"%s\"", suggest_shown(r->a, key));
}

cvy_status space_read_expected(const space_reader *r, const node *n, const char *what, const char *hint)
{
    text found = {0};
    scalar_found(n, &found);
    cvy_status status =
        errors_add(r->e, CVY_ERR_CONFIG, &n->at, hint, "expected %s, found %s", what, text_str(&found));
    text_free(&found);
    return status;
}

bool space_read_number(const space_reader *r, const node *n, double *v)
{
    if (!node_double(n, v, r->e)) return false;
    if (isfinite(*v)) return true;
    errors_add(r->e, CVY_ERR_CONFIG, &n->at, NULL, "%s is no finite number", n->s);
    return false;
}

bool space_read_int(const space_reader *r, const node *n, int64_t least, int64_t most, int64_t *v)
{
    if (!node_int(n, v, r->e)) return false;
    if (*v >= least && *v <= most) return true;
    errors_add(r->e, CVY_ERR_CONFIG, &n->at, NULL, "%lld is %s %lld", (long long)*v,
               *v < least ? "below" : "above", (long long)(*v < least ? least : most));
    return false;
}

static bool listed(const space *s, const char *path)
{
    for (size_t i = 0; s->rules && s->rules->configurations && i < s->parameters[0].n; i++)
        if (node_get(space_rules_set(s->parameters[0].values[i]), path)) return true;
    return false;
}

cvy_status space_read_check_path(const space_reader *r, const char *path, const place *at)
{
    static const struct {
        const char *path, *why;
    } fixed[] = {{"sweep", "a sweep cannot vary itself"},
                 {"repeats", "repeats are the same for every configuration"},
                 {"experiment", "all trials of a sweep belong to one experiment"}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        size_t n = strlen(fixed[i].path);
        if (!strncmp(path, fixed[i].path, n) && (!path[n] || path[n] == '.'))
            return errors_add(r->e, CVY_ERR_CONFIG, at, NULL, "`%s` cannot be swept: %s", path, fixed[i].why);
    }
    if (!strcmp(path, "seed") && r->x->repeats > 1)
        return space_read_wrong(r, at, "leave out one of the two",
                                "`seed` is swept, and `repeats` counts seeds too");
    for (size_t i = 0; i < r->out->n; i++)
        if (!strcmp(r->out->parameters[i].path, path))
            return errors_add(r->e, CVY_ERR_CONFIG, at, NULL, "`%s` is there twice", path);
    if (listed(r->out, path))
        return errors_add(r->e, CVY_ERR_CONFIG, at, "leave out one of the two",
                          "`%s` is set by `configurations:` too", path);
    return CVY_OK;
}

void space_read_add(space_reader *r, const space_parameter *p, const space_when *when)
{
    space *s = r->out;
    if (s->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 8;
        space_parameter *grown = arena_array(r->a, cap, sizeof *grown);
        const space_when **whens = arena_array(r->a, cap, sizeof *whens);
        if (s->n) {
            memcpy(grown, s->parameters, s->n * sizeof *grown);
            memcpy(whens, r->whens, s->n * sizeof *whens);
        }
        s->parameters = grown;
        r->whens = whens;
        r->cap = cap;
    }
    r->whens[s->n] = when;
    s->parameters[s->n++] = *p;
}

/* ---- metric ---- */

static cvy_status read_goal(space_reader *r, const node *goal)
{
    space_metric *m = &r->out->metric;
    const char *word = NULL;
    bool down = text_ends(m->name, "_loss"), up = text_ends(m->name, "_accuracy");
    if (!goal) {
        m->maximize = up;
        return CVY_OK; /* W&B's default, minimize, but for what is plainly better when it is larger */
    }
    if (!node_string(goal, &word, r->e)) return CVY_ERR_CONFIG;
    static const char *const words[] = {"minimize", "maximize"};
    m->maximize = !strcmp(word, "maximize");
    if (!m->maximize && strcmp(word, "minimize") != 0)
        return errors_add(r->e, CVY_ERR_CONFIG, &goal->at, suggest_from(r->a, "one of", word, words, 2),
                          "\"%s\" is no goal", suggest_shown(r->a, word));
    if ((m->maximize && down) || (!m->maximize && up))
        errors_warn(r->e, &goal->at, NULL, "%s is to be %sd: the worst trial will be called the best",
                    m->name, word);
    return CVY_OK;
}

static cvy_status read_impute(space_reader *r, const node *n)
{
    static const char *const words[] = {"worst", "best", "latest"};
    const char *word = NULL;
    if (!node_string(n, &word, r->e)) return CVY_ERR_CONFIG;
    for (size_t i = 0; i < 3; i++)
        if (!strcmp(word, words[i])) {
            r->out->impute = (space_impute)i;
            return CVY_OK;
        }
    return errors_add(r->e, CVY_ERR_CONFIG, &n->at, suggest_from(r->a, "one of", word, words, 3),
                      "cannot impute \"%s\"", suggest_shown(r->a, word));
}

static cvy_status read_metric(space_reader *r, const node *n)
{
    static const char *const known[] = {"name", "goal", "target", "impute"};
    static const char example[] = "as in {name: val_accuracy, goal: maximize}";
    if (n->kind != NODE_MAP) return space_read_expected(r, n, "a map", example);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        if (!strcmp(key, "name") || !strcmp(key, "goal")) continue;
        if (!strcmp(key, "target")) {
            r->out->has_target = space_read_number(r, n->items[i], &r->out->target);
            if (!r->out->has_target) status = CVY_ERR_CONFIG;
        } else if (!strcmp(key, "impute")) {
            status = worse(status, read_impute(r, n->items[i]));
        } else if (!strcmp(key, "impute_while_running")) {
            errors_warn(r->e, &n->key_at[i], NULL, "`%s` is W&B's own and is ignored", key);
        } else {
            status = space_read_unknown(r, key, &n->key_at[i], known, 4);
        }
    }
    const node *name = node_get(n, "name");
    if (!name) return space_read_wrong(r, &n->at, "as in name: val_accuracy", "`name:` is missing");
    if (!node_string(name, &r->out->metric.name, r->e)) return CVY_ERR_CONFIG;
    r->out->metric_at = &name->at;
    return worse(status, read_goal(r, node_get(n, "goal")));
}

/* ---- paths that do not exist ---- */

static bool inside(const char *path, const char *outer)
{
    size_t n = override_base(outer);
    return !strncmp(path, outer, n) && path[n] == '.';
}

/* Whether something else that is swept decides what is there: then only a trial as a whole can tell, and planning does. */
static bool depends(const space *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->parameters[i].path != path && inside(path, s->parameters[i].path)) return true;
    for (size_t i = 0; s->rules && s->rules->configurations && i < s->parameters[0].n; i++) {
        const node *set = space_rules_set(s->parameters[0].values[i]);
        for (size_t k = 0; k < set->n; k++)
            if (set->keys[k] != path && inside(path, set->keys[k])) return true;
    }
    return false;
}

/* A number as a parameter may have it. */
static const node *example_of(const space_parameter *p, arena *a)
{
    return tree_scalar(a, arena_printf(a, p->integer ? "%.0f" : "%.17g", distribution_quantile(p, 0.5)),
                       false, &p->at);
}

static cvy_status set_value(const space *s, experiment *x, size_t i, const node *value, arena *a, errors *e)
{
    const space_parameter *p = &s->parameters[i];
    if (i || !s->rules || !s->rules->configurations)
        return experiment_set(x, p->path, value ? value : example_of(p, a), &p->at, e);
    const node *set = space_rules_set(value);
    cvy_status status = CVY_OK;
    for (size_t k = 0; k < set->n && status == CVY_OK; k++)
        if (!depends(s, set->keys[k]))
            status = experiment_set(x, set->keys[k], set->items[k], &set->key_at[k], e);
    return status;
}

/* Sets what parameter i's conditions ask for, and theirs before. Those of one circle were refused. */
static cvy_status set_conditions(const space *s, experiment *x, size_t i, arena *a, errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t k = 0; s->rules && s->rules->n_when && k < s->rules->n_when[i] && status == CVY_OK; k++) {
        const space_condition *c = &s->rules->when[i][k];
        const space_parameter *p = &s->parameters[c->parameter];
        const node *value = c->values[0];
        for (size_t v = 0; p->kind == SPACE_CHOICE && v < p->n; v++)
            if (space_rules_is(s, c, p->values[v], c->values[0])) value = p->values[v];
        status = set_conditions(s, x, c->parameter, a, e);
        if (status == CVY_OK) status = set_value(s, x, c->parameter, value, a, e);
    }
    return status;
}

/* Tries every value on a copy of the experiment: what does not fit into the file is told with its place
 * there. Setting a map with `type` names plugins, which are not known here. */
static cvy_status try_values(const space_reader *r, size_t parameter)
{
    const space *s = r->out;
    const space_parameter *p = &s->parameters[parameter];
    cvy_status status = CVY_OK;
    size_t n = p->kind == SPACE_CHOICE ? p->n : 1;
    if (p->kind == SPACE_CHOICE && p->min < p->max) n = 1; /* a range, written out */
    const char *means = strchr(p->path, '.') ? NULL : experiment_means(p->path);
    if (means) /* a name that others use */
        return errors_add(
            r->e, CVY_ERR_CONFIG, &p->at,
            arena_printf(r->a, "write %s, or say so by `alias: {%s: %s}`", means, p->path, means),
            "sweep: `%s` is no path of this file", p->path);
    errors_push(r->e, "sweep");
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        errors found = {0};
        experiment *copy =
            experiment_copy_bare(r->x); /* what is swept may be long, and there may be as many copies */
        status = set_conditions(s, copy, parameter, r->a, &found);
        if (status == CVY_OK)
            status =
                set_value(s, copy, parameter, p->kind == SPACE_CHOICE ? p->values[i] : NULL, r->a, &found);
        if (status == CVY_OK) status = experiment_resolve(copy, &found);
        experiment_free(copy);
        for (size_t k = 0; k < found.n; k++) {
            const message *m = &found.items[k];
            place at = {m->file, m->line, m->column, m->offset, m->source};
            if (!m->warning) errors_add(r->e, m->status, &at, m->hint, "%s", m->what);
        }
        errors_free(&found);
    }
    errors_pop(r->e);
    return status;
}

static cvy_status check_overrides(const space_reader *r, const char *const *overrides, size_t n)
{
    cvy_status status = CVY_OK;
    const space *s = r->out;
    for (size_t i = 0; i < n; i++) {
        size_t length = strcspn(overrides[i], "=");
        while (length && overrides[i][length - 1] == ' ') length--;
        const char *path = arena_text_n(r->a, overrides[i], length);
        for (size_t k = 0; k < s->n; k++) {
            const space_parameter *p = &s->parameters[k];
            if (strcmp(p->path, path) != 0 && !(k == 0 && listed(s, path))) continue;
            status = errors_add(r->e, CVY_ERR_CONFIG, &p->at, NULL,
                                "`%s` is swept here and set to one value on the command line", path);
        }
    }
    return status;
}

/* ---- the whole ---- */

static const char *const method_names[] = {"grid", "random", "sobol", "tpe", "bayes"};
enum { N_METHODS = sizeof method_names / sizeof *method_names };

static cvy_status read_method(space_reader *r, const node *n)
{
    const char *word = NULL;
    if (!node_string(n, &word, r->e)) return CVY_ERR_CONFIG;
    r->out->method_at = &n->at;
    if (search_find(word)) {
        r->out->method = word;
        return CVY_OK;
    }
    if (!strcmp(word, "custom") || !strcmp(word, "hyperband"))
        return errors_add(r->e, CVY_ERR_CONFIG, &n->at,
                          word[0] == 'c'
                              ? "available are grid, random, sobol, tpe, bayes"
                              : "write `method: random` with `early_terminate: {type: hyperband_brackets}`",
                          "method \"%s\" is not available", word);
    const char *hint =
        text_starts(word, "bayes") ? "did you mean `bayes`?" : NULL; /* Keras Tuner, W&B's users */
    if (!hint) hint = suggest_from(r->a, "available are", word, method_names, N_METHODS);
    return errors_add(r->e, CVY_ERR_CONFIG, &n->at, hint, "unknown method \"%s\"", suggest_shown(r->a, word));
}

static cvy_status read_text(space_reader *r, const node *n, const char **out)
{
    return node_string(n, out, r->e) ? CVY_OK : CVY_ERR_CONFIG;
}

/* What is behind the keys that are read in the file's order; the others are read before or after all of them. */
static cvy_status read_value(space_reader *r, const char *key, const node *n, const place *at)
{
    const char *unused = NULL; /* a name: the experiment has one */
    if (!strcmp(key, "metric")) return read_metric(r, n);
    if (!strcmp(key, "parameters")) return space_read_parameters(r, n);
    if (!strcmp(key, "description")) return read_text(r, n, &r->out->description);
    if (!strcmp(key, "name")) return read_text(r, n, &unused);
    if (!strcmp(key, "early_terminate")) return space_read_early(r, n);
    if (!strcmp(key, "run_cap"))
        return space_read_int(r, n, 1, INT64_MAX, &r->out->run_cap) ? CVY_OK : CVY_ERR_CONFIG;
    if (!strcmp(key, "parallelism"))
        return space_read_int(r, n, 1, 1000, &r->out->parallelism) ? CVY_OK : CVY_ERR_CONFIG;
    if (!strcmp(key, "tpe")) {
        const search_method *m = search_find(r->out->method);
        if (!r->unknown && (!m || !m->adaptive))
            errors_warn(r->e, at, NULL, "these are of method tpe, and change nothing here");
        return space_read_tpe(r, n);
    }
    return CVY_OK;
}

static cvy_status read_key(space_reader *r, const char *key, const node *n, const place *at)
{
    static const char *const known[] = {"method",          "metric",  "parameters",    "description", "name",
                                        "early_terminate", "run_cap", "parallelism",   "tpe",         "alias",
                                        "where",           "zip",     "configurations"};
    static const char *const elsewhere[] = {"program",    "project",    "entity",  "job",
                                            "image_uri",  "controller", "command", "kind",
                                            "apiVersion", "scheduler",  "metrics"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(key, known[i]) != 0) continue;
        errors_push(r->e, "%s", key);
        cvy_status status = read_value(r, key, n, at);
        errors_pop(r->e);
        return status;
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (!strcmp(key, elsewhere[i])) {
            errors_warn(r->e, at, NULL, "`%s` is W&B's own and is ignored", key);
            return CVY_OK;
        }
    return space_read_unknown(r, key, at, known, sizeof known / sizeof *known);
}

/* One of the keys that others depend on. */
static cvy_status read_early_on(space_reader *r, const node *sweep, const char *key,
                                cvy_status (*read)(space_reader *, const node *))
{
    const node *n = node_get(sweep, key);
    if (!n) return CVY_OK;
    errors_push(r->e, "%s", key);
    cvy_status status = read(r, n);
    errors_pop(r->e);
    return status;
}

/* A rule that asks at epochs which the file's trials do not have is most likely a mistake. */
static void check_early(const space_reader *r, const node *sweep)
{
    const space *s = r->out;
    const node *n = experiment_get(r->x, "train.epochs");
    int64_t epochs;
    bool swept = depends(s, "train.epochs") || listed(s, "train.epochs");
    for (size_t i = 0; i < s->n; i++) swept = swept || !strcmp(s->parameters[i].path, "train.epochs");
    if (s->early.kind == EARLY_NONE || swept || !n || !node_int(n, &epochs, NULL)) return;
    if (early_next(&s->early, 0, s->run_cap > 0 ? (size_t)s->run_cap : 100, 0, epochs)) return;
    errors_warn(r->e, node_key_at(sweep, "early_terminate"), NULL,
                "early_terminate: stops no trial: the first epoch it looks at is not before the last, %lld",
                (long long)epochs);
}

/* A bracket is compared as a whole only where all of it may begin. */
static void check_target(const space_reader *r, const node *sweep)
{
    const space *s = r->out;
    const bool waits = s->early.kind == EARLY_HALVING || s->early.kind == EARLY_HYPERBAND;
    if (!s->has_target || !waits || (s->run_cap > 0 && s->run_cap <= s->parallelism)) return;
    errors_warn(
        r->e, node_key_at(sweep, "early_terminate"),
        "raise `parallelism:` to the number of configurations, leave `target:` out, or use type median",
        "early_terminate: with a `target:` at most %lld configurations are under way at a time "
        "(`parallelism:`), and only those are compared with each other, not all of a bracket",
        (long long)s->parallelism);
}

static cvy_status no_run_cap(const space_reader *r)
{
    return errors_add(r->e, CVY_ERR_CONFIG, r->out->method_at, "as in run_cap: 50",
                      "method %s draws as long as it is let: `run_cap:` is missing", r->out->method);
}

static cvy_status read_all(space_reader *r, const node *sweep, const place *at)
{
    cvy_status status = read_early_on(r, sweep, "method", read_method);
    /* What is wrong for a grid is not wrong where nobody knows yet that it is to be one. */
    r->unknown = status != CVY_OK || !node_get(sweep, "method");
    r->grid = !r->unknown && !strcmp(r->out->method, "grid");
    status = worse(status, read_early_on(r, sweep, "alias", space_read_aliases));
    status = worse(status, read_early_on(r, sweep, "configurations", space_read_configurations));
    for (size_t i = 0; i < sweep->n; i++)
        status = worse(status, read_key(r, sweep->keys[i], sweep->items[i], &sweep->key_at[i]));
    if (!node_get(sweep, "parameters") && !node_get(sweep, "configurations"))
        status = space_read_wrong(r, at, "as in train.optimizer.lr: {values: [1e-3, 1e-2]}",
                                  "`parameters:` is missing");
    if (!node_get(sweep, "method"))
        status = space_read_wrong(r, at, "write method: grid", "`method:` is missing");
    else if (status == CVY_OK && !r->grid && !r->out->run_cap)
        status = no_run_cap(r);
    if (status != CVY_OK) return status;
    status = space_read_rules(r, node_get(sweep, "zip"), node_get(sweep, "where"));
    check_early(r, sweep);
    check_target(r, sweep);
    for (size_t i = 0; i < r->n_aliases; i++)
        if (!r->aliases[i].used)
            errors_warn(r->e, &r->aliases[i].at, NULL, "alias: `%s` is used nowhere", r->aliases[i].name);
    return status;
}

bool space_given(const experiment *x)
{
    const node *n = experiment_get(x, "sweep");
    return n && n->kind == NODE_MAP;
}

cvy_status space_read(const experiment *x, const char *const *overrides, size_t n_overrides, arena *a,
                      space *out, errors *e)
{
    *out = (space){.method = "grid", .metric = space_default_metric, .parallelism = 4};
    out->tpe = (space_tpe){.startup = 10,
                           .candidates = 24,
                           .gamma = 0.15,
                           .prior_weight = 1,
                           .magic_clip = true,
                           .multivariate = true};
    space_reader r = {.x = x, .a = a, .out = out, .e = e};
    const node *sweep = node_get(x->root, "sweep");
    errors_push(e, "sweep");
    cvy_status status = read_all(&r, sweep, node_key_at(x->root, "sweep"));
    errors_pop(e);
    bool whole = status == CVY_OK;
    status = worse(status, check_overrides(&r, overrides, n_overrides));
    for (size_t i = 0; i < out->n; i++) {
        bool conditional = r.whens[i] != NULL;
        if (depends(out, out->parameters[i].path) || (conditional && !whole)) continue;
        status = worse(status, try_values(&r, i));
    }
    if (status == CVY_OK) space_list(&r);
    return status;
}
