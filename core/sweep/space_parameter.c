/* Owns what may stand behind a parameter of `sweep:`: values, ranges and W&B's distributions. Must not know other parameters but by
 * their path. */
#include <math.h>
#include <string.h>

#include "config/override.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "sweep/distribution.h"
#include "sweep/search.h"
#include "sweep/space_read.h"

/* The groups of keys that describe a distribution. */
enum { VALUE = 1, VALUES = 2, SHARES = 4, RANGE = 8, NORMAL = 16, BETA = 32, STEP = 64 };

typedef struct word {
    const char *name;
    unsigned keys;
    space_kind kind;
    bool exponents; /* bounds are natural logarithms */
} word;

static const word words[] = {
    {"constant", VALUE, SPACE_CHOICE, false},
    {"categorical", VALUES, SPACE_CHOICE, false},
    {"categorical_w_probabilities", VALUES | SHARES, SPACE_CHOICE, false},
    {"int_uniform", RANGE, SPACE_UNIFORM, false},
    {"uniform", RANGE, SPACE_UNIFORM, false},
    {"q_uniform", RANGE | STEP, SPACE_UNIFORM, false},
    {"log_uniform", RANGE, SPACE_LOG, true},
    {"log_uniform_values", RANGE, SPACE_LOG, false},
    {"q_log_uniform", RANGE | STEP, SPACE_LOG, true},
    {"q_log_uniform_values", RANGE | STEP, SPACE_LOG, false},
    {"inv_log_uniform", RANGE, SPACE_INV_LOG, true},
    {"inv_log_uniform_values", RANGE, SPACE_INV_LOG, false},
    {"normal", NORMAL, SPACE_NORMAL, false},
    {"q_normal", NORMAL | STEP, SPACE_NORMAL, false},
    {"log_normal", NORMAL, SPACE_LOG_NORMAL, false},
    {"q_log_normal", NORMAL | STEP, SPACE_LOG_NORMAL, false},
    {"beta", BETA, SPACE_BETA, false},
    {"q_beta", BETA | STEP, SPACE_BETA, false},
};
enum { N_WORDS = sizeof words / sizeof *words };

static const struct {
    const char *key;
    unsigned group;
} keys[] = {{"value", VALUE}, {"values", VALUES}, {"probabilities", SHARES}, {"min", RANGE},
            {"max", RANGE},   {"mu", NORMAL},     {"sigma", NORMAL},         {"a", BETA},
            {"b", BETA},      {"q", STEP}};
enum { N_KEYS = sizeof keys / sizeof *keys };

static const word *find_word(const char *name)
{
    for (size_t i = 0; i < N_WORDS; i++)
        if (!strcmp(words[i].name, name)) return &words[i];
    return NULL;
}

static unsigned group_of(const char *key)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (!strcmp(keys[i].key, key)) return keys[i].group;
    return 0;
}

/* ---- values ---- */

static cvy_status check_values(const space_reader *r, const space_parameter *p)
{
    for (size_t i = 1; i < p->n; i++)
        for (size_t k = 0; k < i; k++)
            if (node_equal(p->values[i], p->values[k]))
                return errors_add(r->e, CVY_ERR_CONFIG, &p->values[i]->at,
                                  "leave it out; `repeats:` trains several seeds",
                                  "value %zu is equal to value %zu", i + 1, k + 1);
    return CVY_OK;
}

/* {adam: {lr: 1e-3}} in the slot of a plugin as {type: adam, lr: 1e-3}, so that conditions find what is inside. */
static const node *normal(const space_reader *r, const char *path, const node *value)
{
    static const char *const slots[] = {"dataset", "loss", "train.optimizer", "train.lr_schedule"};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        if (strcmp(path, slots[i]) != 0 || value->kind != NODE_MAP) continue;
        node *slot = tree_map(r->a, &value->at);
        node_put(r->a, slot, "slot", &value->at, tree_copy(r->a, value));
        override_normalise(r->a, slot, "slot");
        return node_get(slot, "slot");
    }
    return value;
}

static cvy_status read_values(const space_reader *r, const node *values, space_parameter *p)
{
    if (values->kind != NODE_LIST)
        return space_read_expected(r, values, "a list", "as in values: [16, 32]; one alone is `value: 16`");
    if (values->n == 0)
        return space_read_wrong(r, &values->at, "as in values: [16, 32]", "there are no values");
    p->n = values->n;
    p->values = arena_array(r->a, p->n, sizeof *p->values);
    for (size_t i = 0; i < p->n; i++) p->values[i] = normal(r, p->path, values->items[i]);
    return check_values(r, p);
}

static cvy_status read_probabilities(const space_reader *r, const node *n, const place *at,
                                     space_parameter *p)
{
    if (r->grid)
        return space_read_wrong(r, at, "leave it out, or use `method: random`",
                                "`probabilities` belongs to a distribution, and a grid does not draw");
    if (n->kind != NODE_LIST)
        return space_read_expected(r, n, "a list", "one for each of the values, as in [0.7, 0.3]");
    if (n->n != p->n)
        return errors_add(r->e, CVY_ERR_CONFIG, &n->at, "write one for each of the values",
                          "%zu probabilities for %zu values", n->n, p->n);
    double *out = arena_array(r->a, p->n, sizeof *out), sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!space_read_number(r, n->items[i], &out[i])) return CVY_ERR_CONFIG;
        if (out[i] < 0 || out[i] > 1)
            return errors_add(r->e, CVY_ERR_CONFIG, &n->items[i]->at, NULL, "%s is no probability",
                              n->items[i]->s);
        sum += out[i];
    }
    if (fabs(sum - 1) > 1e-3)
        return errors_add(r->e, CVY_ERR_CONFIG, &n->at, NULL, "the probabilities sum to %.4g, not to 1", sum);
    for (size_t i = 0; i < p->n; i++) out[i] /= sum;
    p->probabilities = out;
    return CVY_OK;
}

/* ---- ranges ---- */

static bool is_int(const node *n)
{
    return n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_INT;
}

static cvy_status read_bound(const space_reader *r, const node *n, const word *w, double *out)
{
    enum { EXPONENT = 700 };
    if (!strcmp(w->name, "int_uniform")) {
        int64_t v;
        if (!space_read_int(r, n, -((int64_t)1 << 53), (int64_t)1 << 53, &v)) return CVY_ERR_CONFIG;
        *out = (double)v;
        return CVY_OK;
    }
    if (!space_read_number(r, n, out)) return CVY_ERR_CONFIG;
    if (w->exponents && fabs(*out) > EXPONENT)
        return errors_add(r->e, CVY_ERR_CONFIG, &n->at,
                          arena_printf(r->a, "bounds themselves stand behind `%s_values`", w->name),
                          "e to the power of %s is no number: the bounds of %s are exponents", n->s, w->name);
    if (w->kind != SPACE_UNIFORM && !w->exponents && *out <= 0)
        return errors_add(r->e, CVY_ERR_CONFIG, &n->at,
                          "as in {distribution: log_uniform_values, min: 1e-5, max: 0.1}",
                          "%s has no logarithm: the bounds of %s are above 0", n->s, w->name);
    return CVY_OK;
}

static cvy_status read_range(const space_reader *r, const node *n, const place *at, const word *w,
                             space_parameter *p)
{
    const node *min = node_get(n, "min"), *max = node_get(n, "max");
    if (!min || !max)
        return space_read_wrong(r, at, "as in {min: 0.0, max: 0.5}",
                                min   ? "`max` is missing"
                                : max ? "`min` is missing"
                                      : "`min` and `max` are missing");
    if (read_bound(r, min, w, &p->min) != CVY_OK || read_bound(r, max, w, &p->max) != CVY_OK)
        return CVY_ERR_CONFIG;
    if (p->min >= p->max)
        return errors_add(r->e, CVY_ERR_CONFIG, &min->at,
                          p->min > p->max ? "change them round"
                                          : arena_printf(r->a, "one value alone is `value: %s`", min->s),
                          "the range is empty: min %s is not below max %s", min->s, max->s);
    if (w->exponents) {
        if (p->min > 0 && p->max <= 1) /* written for the values, by all appearances */
            errors_warn(r->e, &min->at,
                        arena_printf(r->a, "bounds themselves stand behind `%s_values`", w->name),
                        "the bounds of %s are exponents: it draws from %.4g to %.4g", w->name, exp(p->min),
                        exp(p->max));
        double low = exp(p->min), high = exp(p->max);
        p->min = p->kind == SPACE_INV_LOG ? 1 / high : low;
        p->max = p->kind == SPACE_INV_LOG ? 1 / low : high;
    }
    p->integer = !strcmp(w->name, "int_uniform");
    return CVY_OK;
}

static cvy_status read_positive(const space_reader *r, const node *n, const char *key, double fallback,
                                double *out)
{
    const node *given = node_get(n, key);
    *out = fallback;
    if (!given) return CVY_OK;
    if (!space_read_number(r, given, out)) return CVY_ERR_CONFIG;
    if (*out > 0) return CVY_OK;
    return errors_add(r->e, CVY_ERR_CONFIG, &given->at, NULL, "`%s` must be above 0, found %s", key,
                      given->s);
}

static cvy_status read_step(const space_reader *r, const node *n, const place *at, space_parameter *p)
{
    double least, largest;
    if (read_positive(r, n, "q", 1, &p->q) != CVY_OK) return CVY_ERR_CONFIG;
    if (!distribution_multiples(p, &least, &largest))
        return errors_add(r->e, CVY_ERR_CONFIG, node_get(n, "q") ? &node_get(n, "q")->at : at, NULL,
                          "no multiple of %.6g lies between %.6g and %.6g", p->q, p->min, p->max);
    p->integer = p->q == floor(p->q);
    return CVY_OK;
}

/* The values that a range of a grid has, one after the other. */
static cvy_status enumerate(const space_reader *r, const node *n, const place *at, space_parameter *p)
{
    double count = distribution_values(p), least = p->min, largest;
    const place *from = node_key_at(n, "min");
    if (!from) from = node_key_at(n, "distribution");
    if (count <= 0)
        return space_read_wrong(r, from ? from : at,
                                "write `values: [...]`, or `distribution: q_uniform` with `q:`, or use "
                                "`method: random`",
                                "a grid has no end over a range without steps");
    if (count > SEARCH_MAX_TRIALS)
        return errors_add(r->e, CVY_ERR_CONFIG, from ? from : at, "write `values: [...]`",
                          "%.0f values are more than %d trials", count, SEARCH_MAX_TRIALS);
    if (p->q > 0) distribution_multiples(p, &least, &largest);
    p->n = (size_t)count;
    p->values = arena_array(r->a, p->n, sizeof *p->values);
    for (size_t i = 0; i < p->n; i++) {
        text t = {0};
        double v = least + (double)i * (p->q > 0 ? p->q : 1);
        if (p->q > 0 && !p->integer) v = round(v * 1e12) / 1e12; /* 0.1 + 2 * 0.1 as 0.3 */
        text_double(&t, v);
        p->values[i] = tree_scalar(r->a, arena_text(r->a, text_str(&t)), false, from ? from : at);
        text_free(&t);
    }
    p->kind = SPACE_CHOICE;
    return CVY_OK;
}

/* ---- one parameter ---- */

/* What the keys alone say, as W&B infers it. */
static const word *infer(const space_reader *r, const node *n, const place *at)
{
    const node *min = node_get(n, "min"), *max = node_get(n, "max");
    if (node_get(n, "value")) return find_word("constant");
    if (node_get(n, "values"))
        return find_word(node_get(n, "probabilities") ? "categorical_w_probabilities" : "categorical");
    if (min || max) {
        bool steps = node_get(n, "q") != NULL;
        return find_word(steps                                      ? "q_uniform"
                         : min && max && is_int(min) && is_int(max) ? "int_uniform"
                                                                    : "uniform");
    }
    static const struct {
        const char *key, *hint;
    } others[] = {{"mu", "write `distribution: normal`"},
                  {"sigma", "write `distribution: normal`"},
                  {"a", "write `distribution: beta`"},
                  {"b", "write `distribution: beta`"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (node_get(n, others[i].key)) {
            errors_add(r->e, CVY_ERR_CONFIG, at, others[i].hint, "`%s` alone does not say which distribution",
                       others[i].key);
            return NULL;
        }
    space_read_wrong(r, at, "as in {values: [16, 32]} or {min: 0.0, max: 0.5}",
                     n->n ? "needs one of `values`, `value`, `min` and `max`, `parameters`"
                          : "there are no values");
    return NULL;
}

static const word *read_word(const space_reader *r, const node *n)
{
    const char *name = NULL;
    if (!node_string(n, &name, r->e)) return NULL;
    const word *w = find_word(name);
    if (w) return w;
    const char *names[N_WORDS];
    for (size_t i = 0; i < N_WORDS; i++) names[i] = words[i].name;
    errors_add(r->e, CVY_ERR_CONFIG, &n->at, suggest_from(r->a, "known are", name, names, N_WORDS),
               "unknown distribution \"%s\"", suggest_shown(r->a, name));
    return NULL;
}

/* Keys that nobody knows, and those of another distribution. */
static cvy_status check_keys(const space_reader *r, const node *n, const word *w)
{
    static const char *const known[] = {
        "values", "value", "min", "max", "distribution", "probabilities", "mu",
        "sigma",  "a",     "b",   "q",   "when",         "parameters"};
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        unsigned group = group_of(key);
        if (!strcmp(key, "distribution") || !strcmp(key, "when")) continue;
        if (!group)
            status = space_read_unknown(r, key, &n->key_at[i], known, sizeof known / sizeof *known);
        else if (w && !(w->keys & group))
            status = errors_add(r->e, CVY_ERR_CONFIG, &n->key_at[i],
                                group == STEP && w->keys & (RANGE | NORMAL | BETA)
                                    ? arena_printf(r->a, "write `distribution: q_%s`",
                                                   !strcmp(w->name, "int_uniform") ? "uniform" : w->name)
                                    : "leave it out",
                                "`%s` does not belong to distribution %s", key, w->name);
    }
    return status;
}

static cvy_status read_distribution(const space_reader *r, const node *n, const place *at, const word *w,
                                    space_parameter *p)
{
    cvy_status status = CVY_OK;
    if (w->keys & VALUE) {
        const node *value = node_get(n, "value");
        if (!value) return space_read_wrong(r, at, "as in {value: 16}", "`value` is missing");
        p->n = 1;
        p->values = arena_array(r->a, 1, sizeof *p->values);
        p->values[0] = value;
    }
    if (w->keys & VALUES) {
        const node *values = node_get(n, "values"), *shares = node_get(n, "probabilities");
        if (!values) return space_read_wrong(r, at, "as in {values: [16, 32]}", "`values` is missing");
        status = read_values(r, values, p);
        if (status == CVY_OK && w->keys & SHARES && !shares)
            status = space_read_wrong(r, at, "as in probabilities: [0.7, 0.3]", "`probabilities` is missing");
        if (status == CVY_OK && shares)
            status = read_probabilities(r, shares, node_key_at(n, "probabilities"), p);
    }
    if (w->keys & RANGE) status = read_range(r, n, at, w, p);
    if (w->keys & NORMAL) {
        const node *mu = node_get(n, "mu");
        if (mu && !space_read_number(r, mu, &p->mu)) return CVY_ERR_CONFIG;
        status = read_positive(r, n, "sigma", 1, &p->sigma);
    }
    if (w->keys & BETA) {
        status = read_positive(r, n, "a", 1, &p->a);
        if (status == CVY_OK) status = read_positive(r, n, "b", 1, &p->b);
    }
    if (status == CVY_OK && w->keys & STEP) status = read_step(r, n, at, p);
    if (status == CVY_OK && r->grid && p->kind != SPACE_CHOICE) status = enumerate(r, n, at, p);
    return status;
}

static cvy_status read_all(space_reader *r, const char *prefix, const node *n, const space_when *when,
                           int depth);

static cvy_status read_one(space_reader *r, const char *name, const node *n, const place *at,
                           const space_when *when, int depth)
{
    if (n->kind != NODE_MAP) {
        text now = {0};
        tree_write_flow(n, &now);
        const char *key = n->kind == NODE_LIST ? "values" : "value";
        const char *hint = arena_printf(r->a, "write {%s: %s}", key, suggest_shown(r->a, text_str(&now)));
        text_free(&now);
        return space_read_expected(r, n, "`values` or `value` in a map", hint);
    }
    const node *condition = node_get(n, "when"), *nested = node_get(n, "parameters");
    const node *distribution = node_get(n, "distribution");
    if (condition) {
        space_when *own = arena_alloc(r->a, sizeof *own);
        *own = (space_when){condition, when};
        when = own;
    }
    if (nested && n->n == 1 + (condition != NULL)) return read_all(r, name, nested, when, depth + 1);
    const word *w = distribution ? read_word(r, distribution) : NULL;
    if (distribution && !w) return CVY_ERR_CONFIG;
    bool both = nested || (node_get(n, "values") && node_get(n, "value"));
    cvy_status status = check_keys(r, nested ? tree_map(r->a, at) : n, w);
    if (status != CVY_OK) return status;
    if (both)
        return space_read_wrong(r, at, "as in values: [16, 32]",
                                "needs one of `values`, `value`, `parameters`");
    if (!w) {
        w = infer(r, n, at);
        status = w ? check_keys(r, n, w) : CVY_ERR_CONFIG;
    }
    if (status != CVY_OK) return status;
    const char *path = space_read_path(r, name);
    space_parameter p = {.path = path, .at = *at, .kind = w->kind};
    status = space_read_check_path(r, path, at);
    cvy_status read = read_distribution(r, n, at, w, &p);
    if (status == CVY_OK) status = read;
    if (status == CVY_OK) space_read_add(r, &p, when);
    return status;
}

static cvy_status read_all(space_reader *r, const char *prefix, const node *n, const space_when *when,
                           int depth)
{
    enum { DEEPEST = 16 };
    static const char example[] = "as in train.optimizer.lr: {values: [1e-3, 1e-2]}";
    if (n->kind == NODE_MAP && n->n == 0)
        return space_read_wrong(r, &n->at, example, "there are no parameters");
    if (n->kind != NODE_MAP) return space_read_expected(r, n, "a map of paths", example);
    if (depth > DEEPEST) return space_read_wrong(r, &n->at, NULL, "nested too deeply");
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n->n; i++) {
        const char *name = prefix ? arena_printf(r->a, "%s.%s", prefix, n->keys[i]) : n->keys[i];
        errors_push(r->e, "%s", suggest_shown(r->a, n->keys[i]));
        cvy_status one = read_one(r, name, n->items[i], &n->key_at[i], when, depth);
        errors_pop(r->e);
        if (status == CVY_OK) status = one;
    }
    return status;
}

cvy_status space_read_parameters(space_reader *r, const node *n)
{
    return read_all(r, NULL, n, NULL, 0);
}
