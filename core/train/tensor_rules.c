/* Reads rules about weight tensors and answers what they say of a name. Must not know what the answers lead to. */
#include "train/tensor_rules.h"

#include <string.h>

#include "config/suggest.h"
#include "train/pattern.h"

static bool tensor_rules_pattern(const char *s, const place *at, errors *e)
{
    if (pattern_stars(s) <= PATTERN_STARS) return true;
    errors_add(e, CVY_ERR_CONFIG, at, NULL, "\"%.200s\" has more than %d stars", s, PATTERN_STARS);
    return false;
}

static void tensor_rules_no_decay(const node *list, arena *a, tensor_rules *out, errors *e)
{
    const node *const *items = (const node *const *)list->items;
    size_t n = list->n;
    if (list->kind == NODE_SCALAR) items = &list, n = 1; /* one pattern, without brackets */
    if (list->kind == NODE_MAP) {
        errors_add(e, CVY_ERR_CONFIG, &list->at, "as in no_decay: [\"*.bias\"]",
                   "expected a list of patterns");
        return;
    }
    out->no_decay = arena_array(a, n + 1, sizeof *out->no_decay);
    for (size_t i = 0; i < n; i++) {
        const char *s = NULL;
        if (!node_string(items[i], &s, e) || !tensor_rules_pattern(s, &items[i]->at, e)) continue;
        out->no_decay[out->n_no_decay++] = (tensor_rule){arena_text(a, s), 0, items[i]->at};
    }
}

static void tensor_rules_multipliers(const node *map, arena *a, tensor_rules *out, errors *e)
{
    if (map->kind != NODE_MAP) {
        errors_add(e, CVY_ERR_CONFIG, &map->at, "as in lr_multipliers: {\"stem.*\": 0.1}",
                   "expected a map of patterns to factors");
        return;
    }
    out->lr = arena_array(a, map->n + 1, sizeof *out->lr);
    for (size_t i = 0; i < map->n; i++) {
        tensor_rule r = {.pattern = arena_text(a, map->keys[i]), .at = map->key_at[i]};
        errors_push(e, "%.200s", r.pattern);
        bool good = node_double(map->items[i], &r.factor, e);
        if (good && !(r.factor >= 0 && r.factor <= 1e6)) {
            errors_add(e, CVY_ERR_CONFIG, &map->items[i]->at, "`init.freeze` leaves weights as they are",
                       "%g is not within 0 to 1000000", r.factor);
            good = false;
        }
        errors_pop(e);
        if (tensor_rules_pattern(r.pattern, &r.at, e) && good) out->lr[out->n_lr++] = r;
    }
}

cvy_status tensor_rules_read(const node *no_decay, const node *lr_multipliers, arena *a, tensor_rules *out,
                             errors *e)
{
    size_t before = errors_count(e);
    *out = (tensor_rules){0};
    errors_push(e, "no_decay");
    if (no_decay && !node_is_null(no_decay)) tensor_rules_no_decay(no_decay, a, out, e);
    errors_pop(e);
    errors_push(e, "lr_multipliers");
    if (lr_multipliers && !node_is_null(lr_multipliers)) tensor_rules_multipliers(lr_multipliers, a, out, e);
    errors_pop(e);
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

static bool tensor_rules_any(const char *pattern, const net *n)
{
    for (size_t i = 0; i < n->n_weights; i++)
        if (pattern_match(pattern, n->weights[i].name, NULL)) return true;
    return false;
}

static void tensor_rules_check_names(const tensor_rule *r, size_t n, const net *from, errors *e)
{
    for (size_t i = 0; i < n; i++) {
        if (tensor_rules_any(r[i].pattern, from)) continue;
        arena a = {0};
        const char **names = arena_array(&a, from->n_weights + 1, sizeof *names);
        for (size_t k = 0; k < from->n_weights; k++) names[k] = from->weights[k].name;
        const char *whole = arena_printf(&a, "%s.*", r[i].pattern);
        const char *hint = tensor_rules_any(whole, from)
                               ? arena_printf(&a, "did you mean `%s`, all of that layer?", whole)
                               : suggest_near(&a, r[i].pattern, names, from->n_weights);
        if (!hint && from->n_weights) hint = arena_printf(&a, "names look like `%s`", names[0]);
        errors_add(e, CVY_ERR_CONFIG, &r[i].at, hint, "no weight is called \"%.200s\"", r[i].pattern);
        arena_free(&a);
    }
}

void tensor_rules_check(const tensor_rules *r, const net *n, errors *e)
{
    errors_push(e, "no_decay");
    tensor_rules_check_names(r->no_decay, r->n_no_decay, n, e);
    errors_pop(e);
    errors_push(e, "lr_multipliers");
    tensor_rules_check_names(r->lr, r->n_lr, n, e);
    errors_pop(e);
}

double tensor_rules_lr(const tensor_rules *r, const char *name)
{
    for (size_t i = 0; i < r->n_lr; i++)
        if (strcmp(r->lr[i].pattern, name) == 0) return r->lr[i].factor;
    for (size_t i = 0; i < r->n_lr; i++)
        if (pattern_match(r->lr[i].pattern, name, NULL)) return r->lr[i].factor;
    return 1;
}

bool tensor_rules_decays(const tensor_rules *r, const char *name)
{
    for (size_t i = 0; i < r->n_no_decay; i++)
        if (pattern_match(r->no_decay[i].pattern, name, NULL)) return false;
    return true;
}
