/* Reads what `init:` says of single tensors' first numbers and carries it out. Must not know how numbers are drawn, nor
 * files of weights. */
#include "train/init_rules.h"

#include <string.h>

#include "config/params_table.h"
#include "config/suggest.h"
#include "train/init.h"
#include "train/initialiser.h"
#include "train/pattern.h"

/* ---- fans ---- */

static const net_node *init_rules_owner(const net *n, size_t weight)
{
    for (size_t i = 1; i < n->n_nodes; i++) {
        const net_node *node_of = &n->nodes[i];
        if ((int)weight >= node_of->first_weight && (int)weight < node_of->first_weight + node_of->n_weights)
            return node_of;
    }
    return NULL;
}

/* As torch.nn.init counts: of a kernel (out, in of a group, window...) the window's elements times either. A weight of another
 * rank than its maps, as a table of connections, has as many as each output channel sums over and each input channel reaches,
 * in the mean. */
bool init_rules_fan(const net *n, size_t weight, double *fan_in, double *fan_out)
{
    const net_tensor *t = &n->weights[weight];
    const net_node *owner = init_rules_owner(n, weight);
    const cvy_shape *s = &t->shape;
    *fan_in = *fan_out = 0;
    if (!owner || s->rank < 2 || t->count < 1 || t->init.kind == CVY_INIT_CONSTANT) return false;
    const cvy_shape *x = owner->n_in > 0 ? &n->nodes[owner->in[0]].out : NULL, *y = &owner->out;
    const bool other = s->rank > 2 && x && x->rank > 1 && y->rank > 1 && s->rank != x->rank;
    *fan_in = (double)t->count / (double)(other ? y->dim[1] : s->dim[0]);
    *fan_out = (double)t->count / (double)(other ? x->dim[1] : s->dim[1]);
    return true;
}

/* ---- reading ---- */

typedef struct match_config {
    const char *match;
} match_config;

static const cvy_param match_params[] = {
    CVY_STRING(match_config, match, NULL, "names of weights, a star standing for any run of characters"),
    CVY_ALSO("name pattern names tensors")};

/* An initialiser with its parameters, beside `match` where it is a rule. */
static bool init_rules_read_one(const node *n, bool matched, const params_env *env, arena *a, init_rule *out,
                                errors *e)
{
    item one;
    size_t before = errors_count(e);
    if (!item_read(a, n, false, &one, e)) return false;
    if (!matched && text_ends(one.type, ".safetensors")) {
        errors_add(e, CVY_ERR_CONFIG, &one.type_at, "a file of weights is named with `from`",
                   "expected an initialiser, as he_normal");
        return false;
    }
    const cvy_descriptor *d = env->find(env->ctx, CVY_INITIALISER, one.type, &one.type_at, e);
    if (!d) return false;
    void *config = arena_alloc(a, d->config_size);
    match_config m = {0};
    params_table tables[] = {params_of(d, config), {match_params, 2, sizeof *match_params, &m}};
    errors_push(e, "%s", d->name);
    params_fill(a, tables, matched ? 2 : 1, one.params, env, e);
    *out = (init_rule){m.match, {d, config}, one.type_at, one.type_at};
    if (matched && errors_count(e) == before) {
        const node *given = node_get(one.params, "match");
        if (given) out->match_at = given->at;
        if (pattern_stars(m.match) > PATTERN_STARS)
            errors_add(e, CVY_ERR_CONFIG, &out->match_at, NULL, "\"%.200s\" has more than %d stars", m.match,
                       PATTERN_STARS);
    }
    if (errors_count(e) == before) initialiser_check(&out->how, &out->at, e);
    errors_pop(e);
    return errors_count(e) == before;
}

static void init_rules_read_list(const node *list, const params_env *env, arena *a, init_rules *out,
                                 errors *e)
{
    if (list->kind != NODE_LIST) {
        errors_add(e, CVY_ERR_CONFIG, &list->at,
                   "as in rules: [{type: orthogonal, match: \"stage1.*.weight\"}]",
                   "expected a list of initialisers, each with a `match`");
        return;
    }
    out->v = arena_array(a, list->n + 1, sizeof *out->v);
    for (size_t i = 0; i < list->n; i++) {
        errors_push(e, "%zu", i);
        if (init_rules_read_one(list->items[i], true, env, a, &out->v[out->n], e)) out->n++;
        errors_pop(e);
    }
}

cvy_status init_rules_read(const node *section, const params_env *env, arena *a, init_rules *out, errors *e)
{
    static const char *const keys[] = {"weights", "bias", "rules"};
    size_t before = errors_count(e);
    *out = (init_rules){0};
    for (size_t k = 0; section && section->kind == NODE_MAP && k < 3; k++) {
        const node *n = node_get(section, keys[k]);
        if (!n || node_is_null(n)) continue;
        errors_push(e, "%s", keys[k]);
        if (k == 2)
            init_rules_read_list(n, env, a, out, e);
        else
            init_rules_read_one(n, false, env, a, k ? &out->bias : &out->weights, e);
        errors_pop(e);
    }
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

/* ---- which tensor starts how ---- */

static bool init_rules_is_bias(const char *name)
{
    return strcmp(name, "bias") == 0 || text_ends(name, ".bias");
}

bool init_rules_any(const init_rules *r)
{
    return r->n || r->weights.how.plugin || r->bias.how.plugin;
}

const init_rule *init_rules_of(const init_rules *r, const net *n, size_t weight)
{
    const char *name = n->weights[weight].name;
    double in, out;
    for (size_t i = 0; i < r->n; i++)
        if (pattern_match(r->v[i].match, name, NULL)) return &r->v[i];
    if (r->bias.how.plugin && init_rules_is_bias(name)) return &r->bias;
    return r->weights.how.plugin && init_rules_fan(n, weight, &in, &out) ? &r->weights : NULL;
}

/* Whether a tensor has what the initialiser works with. */
static bool init_rules_fits(const init_rule *r, const net *n, size_t weight, errors *e)
{
    const net_tensor *t = &n->weights[weight];
    double in, out;
    const bool fan = init_rules_fan(n, weight, &in, &out);
    text shape = {0};
    bool good = (!initialiser_scales(&r->how) || fan) && t->shape.rank >= initialiser_least_rank(&r->how);
    if (good) return true;
    for (int i = 0; i < t->shape.rank; i++)
        text_printf(&shape, "%s%lld", i ? ", " : "", (long long)t->shape.dim[i]);
    errors_add(e, CVY_ERR_CONFIG, &r->at, "constant, zeros, ones, normal and uniform suit every weight",
               initialiser_scales(&r->how) ? "%s: \"%.200s\" (%s) has no fan: it is no kernel and no matrix"
                                           : "%s: \"%.200s\" (%s) is no matrix to make orthogonal",
               r->how.plugin->name, t->name, text_str(&shape));
    text_free(&shape);
    return false;
}

/* A rule that decides nothing: no name matches, or those before it take all that do. */
static void init_rules_idle(const init_rules *r, size_t i, const net *n, errors *e)
{
    bool any = false;
    for (size_t k = 0; k < n->n_weights; k++)
        any = any || pattern_match(r->v[i].match, n->weights[k].name, NULL);
    arena a = {0};
    if (any)
        errors_warn(e, &r->v[i].match_at, "the first rule that matches counts",
                    "rules before this one decide over all that \"%.200s\" matches", r->v[i].match);
    else
        errors_add(e, CVY_ERR_CONFIG, &r->v[i].match_at, init_suggest(n, r->v[i].match, false, &a),
                   "no weight is called \"%.200s\"", r->v[i].match);
    arena_free(&a);
}

cvy_status init_rules_check(const init_rules *r, const net *n, errors *e)
{
    size_t before = errors_count(e);
    bool *used = mem_array(r->n + 1, sizeof *used), weights = false, bias = false;
    for (size_t i = 0; i < n->n_weights; i++) {
        const init_rule *of = init_rules_of(r, n, i);
        if (!of) continue;
        const bool rule = r->n && of >= r->v && of < r->v + r->n;
        bool *mark = of == &r->weights ? &weights : of == &r->bias ? &bias : rule ? &used[of - r->v] : &bias;
        const bool first = !*mark;
        *mark = true;
        errors_push(e, of == &r->weights ? "weights" : of == &r->bias ? "bias" : "rules");
        if (first || errors_count(e) == before) init_rules_fits(of, n, i, e);
        errors_pop(e);
    }
    errors_push(e, "rules");
    for (size_t i = 0; i < r->n; i++)
        if (!used[i]) init_rules_idle(r, i, n, e);
    errors_pop(e);
    const init_rule *idle[] = {weights ? NULL : &r->weights, bias ? NULL : &r->bias};
    for (int i = 0; i < 2; i++)
        if (idle[i] && idle[i]->how.plugin)
            errors_warn(e, &idle[i]->at, NULL,
                        i ? "bias: no weight is called `bias`, or rules decide over all of them"
                          : "weights: there is no kernel and no matrix, or rules decide over all of them");
    mem_free(used);
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

cvy_status init_rules_apply(const init_rules *r, state *s, uint64_t seed, errors *e)
{
    const net *n = s->net;
    for (size_t i = 0; i < n->n_weights && init_rules_any(r); i++) {
        const init_rule *of = init_rules_of(r, n, i);
        if (!of) continue;
        initialiser_tensor t = {n->weights[i].name, n->weights[i].shape, n->weights[i].count, 0, 0};
        init_rules_fan(n, i, &t.fan_in, &t.fan_out);
        cvy_status status = initialiser_fill(&of->how, &t, seed, s->weights + n->weights[i].offset, e);
        if (status) return status;
    }
    if (init_rules_any(r)) s->version++;
    return CVY_OK;
}

void init_rules_write(const init_rules *r, const net *n, json_writer *w)
{
    json_key(w, "start");
    json_open(w, '{');
    for (size_t i = 0; i < n->n_weights; i++) {
        const init_rule *of = init_rules_of(r, n, i);
        if (!of) continue;
        params_table t = params_of(of->how.plugin, (void *)(uintptr_t)of->how.config);
        json_key(w, n->weights[i].name);
        json_open(w, '{');
        json_put_text(w, "type", of->how.plugin->name);
        params_write(&t, w);
        json_close(w, '}');
    }
    json_close(w, '}');
}
