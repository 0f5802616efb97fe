/* Owns the keys of `sweep:` and what may stand behind them; must not know how trials are run, nor plugins. */
#include "sweep/space.h"

#include <string.h>

#include "config/override.h"
#include "config/scalar.h"
#include "config/suggest.h"

const space_metric space_default_metric = {"val_accuracy", true};

typedef struct reader {
    const experiment *x;
    arena *a;
    space *out;
    size_t cap;
    errors *e;
} reader;

/* ---- messages ---- */

static cvy_status wrong(const reader *r, const place *at, const char *hint, const char *what)
{
    return errors_add(r->e, CVY_ERR_CONFIG, at, hint, "%s", what);
}

static cvy_status unknown(const reader *r, const char *key, const place *at, const char *const *known,
                          size_t n)
{
    return errors_add(r->e, CVY_ERR_CONFIG, at, suggest_from(r->a, "known are", key, known, n),
                      "unknown key \"%s\"", suggest_shown(r->a, key));
}

static cvy_status expected(const reader *r, const node *n, const char *what, const char *hint)
{
    text found = {0};
    scalar_found(n, &found);
    cvy_status status =
        errors_add(r->e, CVY_ERR_CONFIG, &n->at, hint, "expected %s, found %s", what, text_str(&found));
    text_free(&found);
    return status;
}

/* ---- metric ---- */

static const char *const metric_names[] = {
    "val_accuracy",  "val_loss",  "val_top5_accuracy",  "train_accuracy",      "train_loss",
    "test_accuracy", "test_loss", "test_top5_accuracy", "train_top5_accuracy",
};
enum { N_METRICS = sizeof metric_names / sizeof *metric_names };

static bool metric_known(const char *name)
{
    for (size_t i = 0; i < N_METRICS; i++)
        if (!strcmp(metric_names[i], name)) return true;
    return false;
}

static cvy_status read_goal(reader *r, const node *goal)
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

static cvy_status read_metric(reader *r, const node *n)
{
    static const char *const known[] = {"name", "goal"};
    if (n->kind != NODE_MAP) return expected(r, n, "a map", "as in {name: val_accuracy, goal: maximize}");
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        if (!strcmp(key, "name") || !strcmp(key, "goal")) continue;
        if (!strcmp(key, "target") || !strcmp(key, "impute"))
            status = errors_add(r->e, CVY_ERR_CONFIG, &n->key_at[i], "leave it out",
                                "`%s` is not available: all trials of a grid are run", key);
        else
            status = unknown(r, key, &n->key_at[i], known, 2);
    }
    const node *name = node_get(n, "name");
    if (!name) return wrong(r, &n->at, "as in name: val_accuracy", "`name:` is missing");
    if (!node_string(name, &r->out->metric.name, r->e)) return CVY_ERR_CONFIG;
    r->out->metric_at = &name->at;
    if (!metric_known(r->out->metric.name)) /* a plugin may log it */
        errors_warn(r->e, &name->at, suggest_near(r->a, r->out->metric.name, metric_names, N_METRICS),
                    "no metric of Convoy is called \"%s\"", suggest_shown(r->a, r->out->metric.name));
    cvy_status goal = read_goal(r, node_get(n, "goal"));
    return status != CVY_OK ? status : goal;
}

/* ---- parameters ---- */

static cvy_status check_path(const reader *r, const char *path, const place *at)
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
        return wrong(r, at, "leave out one of the two", "`seed` is swept, and `repeats` counts seeds too");
    for (size_t i = 0; i < r->out->n; i++)
        if (!strcmp(r->out->parameters[i].path, path))
            return errors_add(r->e, CVY_ERR_CONFIG, at, NULL, "`%s` is there twice", path);
    return CVY_OK;
}

static cvy_status check_values(const reader *r, const space_parameter *p)
{
    for (size_t i = 1; i < p->n; i++)
        for (size_t k = 0; k < i; k++)
            if (node_equal(p->values[i], p->values[k]))
                return errors_add(r->e, CVY_ERR_CONFIG, &p->values[i]->at,
                                  "leave it out; `repeats:` trains several seeds",
                                  "value %zu is equal to value %zu", i + 1, k + 1);
    return CVY_OK;
}

/* What W&B draws from; a grid needs values. */
static cvy_status unavailable(const reader *r, const char *key, const place *at)
{
    static const char *const drawn[] = {"min", "max", "mu", "sigma", "q", "a", "b", "probabilities"};
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++)
        if (!strcmp(drawn[i], key))
            return errors_add(r->e, CVY_ERR_CONFIG, at, "write `values: [...]`",
                              "`%s` belongs to a distribution, and a grid does not draw", key);
    static const char *const known[] = {"values", "value", "distribution", "parameters"};
    return unknown(r, key, at, known, 4);
}

static cvy_status check_distribution(const reader *r, const node *n, const char *fitting)
{
    const char *word = NULL;
    if (!node_string(n, &word, r->e)) return CVY_ERR_CONFIG;
    if (!strcmp(word, fitting)) return CVY_OK;
    return errors_add(r->e, CVY_ERR_CONFIG, &n->at, "write `values: [...]` and leave `distribution:` out",
                      "distribution \"%s\" is not available in a grid", suggest_shown(r->a, word));
}

static cvy_status read_values(const reader *r, const node *values, space_parameter *p)
{
    if (values->kind != NODE_LIST)
        return expected(r, values, "a list", "as in values: [16, 32]; one alone is `value: 16`");
    if (values->n == 0) return wrong(r, &values->at, "as in values: [16, 32]", "there are no values");
    p->n = values->n;
    p->values = arena_array(r->a, p->n, sizeof *p->values);
    for (size_t i = 0; i < p->n; i++) p->values[i] = values->items[i];
    return check_values(r, p);
}

static cvy_status read_parameters(reader *r, const char *prefix, const node *n, int depth);

static cvy_status read_parameter(reader *r, const char *path, const node *n, const place *at, int depth)
{
    if (n->kind != NODE_MAP) {
        text now = {0};
        tree_write_flow(n, &now);
        const char *key = n->kind == NODE_LIST ? "values" : "value";
        const char *hint = arena_printf(r->a, "write {%s: %s}", key, suggest_shown(r->a, text_str(&now)));
        text_free(&now);
        return expected(r, n, "`values` or `value` in a map", hint);
    }
    const node *values = node_get(n, "values"), *value = node_get(n, "value"),
               *nested = node_get(n, "parameters"), *distribution = node_get(n, "distribution");
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++)
        if (n->items[i] != values && n->items[i] != value && n->items[i] != nested &&
            n->items[i] != distribution)
            status = unavailable(r, n->keys[i], &n->key_at[i]);
    if (status != CVY_OK) return status;
    if ((values != NULL) + (value != NULL) + (nested != NULL) != 1)
        return wrong(r, at, "as in values: [16, 32]",
                     n->n ? "needs one of `values`, `value`, `parameters`" : "there are no values");
    if (nested) return read_parameters(r, path, nested, depth + 1);
    if (distribution) status = check_distribution(r, distribution, values ? "categorical" : "constant");
    space_parameter p = {.path = path, .at = *at};
    if (status == CVY_OK) status = check_path(r, path, at);
    if (value) {
        p.n = 1;
        p.values = arena_array(r->a, 1, sizeof *p.values);
        p.values[0] = value;
    } else {
        cvy_status read = read_values(r, values, &p);
        if (status == CVY_OK) status = read;
    }
    if (status != CVY_OK) return status;
    space *s = r->out;
    if (s->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 8;
        space_parameter *grown = arena_array(r->a, cap, sizeof *grown);
        if (s->n) memcpy(grown, s->parameters, s->n * sizeof *grown);
        s->parameters = grown;
        r->cap = cap;
    }
    s->parameters[s->n++] = p;
    return CVY_OK;
}

static cvy_status read_parameters(reader *r, const char *prefix, const node *n, int depth)
{
    enum { DEEPEST = 16 };
    if (n->kind == NODE_MAP && n->n == 0)
        return wrong(r, &n->at, "as in train.optimizer.lr: {values: [1e-3, 1e-2]}",
                     "there are no parameters");
    if (n->kind != NODE_MAP)
        return expected(r, n, "a map of paths", "as in train.optimizer.lr: {values: [1e-3, 1e-2]}");
    if (depth > DEEPEST) return wrong(r, &n->at, NULL, "nested too deeply");
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const char *path = prefix ? arena_printf(r->a, "%s.%s", prefix, n->keys[i]) : n->keys[i];
        errors_push(r->e, "%s", suggest_shown(r->a, n->keys[i]));
        cvy_status one = read_parameter(r, path, n->items[i], &n->key_at[i], depth);
        errors_pop(r->e);
        if (status == CVY_OK) status = one;
    }
    return status;
}

/* ---- paths that do not exist ---- */

static bool inside(const char *path, const char *outer)
{
    size_t n = override_base(outer);
    return !strncmp(path, outer, n) && path[n] == '.';
}

/* Whether another parameter decides what is there: then only a trial as a whole can tell, and planning does.
 */
static bool depends(const space *s, const space_parameter *p)
{
    for (size_t i = 0; i < s->n; i++)
        if (&s->parameters[i] != p && inside(p->path, s->parameters[i].path)) return true;
    return false;
}

/* Tries every value on a copy of the experiment: what does not fit into the file is told with its place
 * there. Setting a map with `type` names plugins, which are not known here. */
static cvy_status try_values(const reader *r, const space_parameter *p)
{
    cvy_status status = CVY_OK;
    errors_push(r->e, "sweep");
    for (size_t i = 0; i < p->n && status == CVY_OK; i++) {
        errors found = {0};
        experiment *copy = experiment_copy(r->x);
        status = experiment_set(copy, p->path, p->values[i], &p->at, &found);
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

static cvy_status check_overrides(const reader *r, const char *const *overrides, size_t n)
{
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n; i++) {
        size_t length = strcspn(overrides[i], "=");
        while (length && overrides[i][length - 1] == ' ') length--;
        for (size_t k = 0; k < r->out->n; k++) {
            const space_parameter *p = &r->out->parameters[k];
            if (strlen(p->path) != length || strncmp(p->path, overrides[i], length) != 0) continue;
            status = errors_add(r->e, CVY_ERR_CONFIG, &p->at, NULL,
                                "`%s` is swept here and set to one value on the command line", p->path);
        }
    }
    return status;
}

/* ---- the whole ---- */

static cvy_status read_method(reader *r, const node *n)
{
    const char *word = NULL;
    if (!node_string(n, &word, r->e)) return CVY_ERR_CONFIG;
    if (!strcmp(word, "grid")) return CVY_OK;
    static const char *const others[] = {"random", "bayes", "custom", "hyperband"};
    bool known = false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) known = known || !strcmp(word, others[i]);
    const char *near = known ? NULL : suggest_near(r->a, word, (const char *const[]){"grid"}, 1);
    return errors_add(r->e, CVY_ERR_CONFIG, &n->at, near ? near : "available is `method: grid`",
                      known ? "method \"%s\" is not available yet" : "unknown method \"%s\"",
                      suggest_shown(r->a, word));
}

static cvy_status read_key(reader *r, const char *key, const node *n, const place *at)
{
    static const char *const known[] = {"method", "metric", "parameters", "description", "name"};
    static const char *const elsewhere[] = {"program",    "project",    "entity",  "job",
                                            "image_uri",  "controller", "command", "kind",
                                            "apiVersion", "scheduler",  "metrics"};
    static const char *const later[] = {"early_terminate", "run_cap"};
    const char *unused = NULL; /* a name: the experiment has one */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(key, known[i]) != 0) continue;
        errors_push(r->e, "%s", key);
        cvy_status status = i == 0   ? read_method(r, n)
                            : i == 1 ? read_metric(r, n)
                            : i == 2 ? read_parameters(r, NULL, n, 0)
                            : node_string(n, i == 3 ? &r->out->description : &unused, r->e) ? CVY_OK
                                                                                            : CVY_ERR_CONFIG;
        errors_pop(r->e);
        return status;
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (!strcmp(key, elsewhere[i]))
            return errors_add(r->e, CVY_ERR_CONFIG, at, "leave it out",
                              "`%s` is W&B's own, Convoy has no use for it", key);
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (!strcmp(key, later[i]))
            return errors_add(r->e, CVY_ERR_CONFIG, at, "leave it out", "`%s` is not available yet", key);
    return unknown(r, key, at, known, 4);
}

bool space_given(const experiment *x)
{
    const node *n = experiment_get(x, "sweep");
    return n && n->kind == NODE_MAP;
}

cvy_status space_read(const experiment *x, const char *const *overrides, size_t n_overrides, arena *a,
                      space *out, errors *e)
{
    *out = (space){.method = "grid", .metric = space_default_metric};
    reader r = {.x = x, .a = a, .out = out, .e = e};
    const node *sweep = node_get(x->root, "sweep");
    const place *at = node_key_at(x->root, "sweep");
    cvy_status status = CVY_OK;
    errors_push(e, "sweep");
    for (size_t i = 0; i < sweep->n; i++) {
        cvy_status one = read_key(&r, sweep->keys[i], sweep->items[i], &sweep->key_at[i]);
        if (status == CVY_OK) status = one;
    }
    if (!node_get(sweep, "parameters"))
        status =
            wrong(&r, at, "as in train.optimizer.lr: {values: [1e-3, 1e-2]}", "`parameters:` is missing");
    if (!node_get(sweep, "method")) status = wrong(&r, at, "write method: grid", "`method:` is missing");
    errors_pop(e);
    cvy_status set = check_overrides(&r, overrides, n_overrides);
    if (status == CVY_OK) status = set;
    for (size_t i = 0; i < out->n; i++) {
        if (depends(out, &out->parameters[i])) continue;
        cvy_status fits = try_values(&r, &out->parameters[i]);
        if (status == CVY_OK) status = fits;
    }
    return status;
}
