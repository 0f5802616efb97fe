/* Owns the two ways to write a plugin with its parameters; knows no plugin and none of its parameters. */
#include "config/item.h"

#include <string.h>
#include "config/scalar.h"

static const char FORMS[] = "write `name`, `name: {parameter: value}` or `{type: name, parameter: value}`";

static bool fail_at(const node *n, const char *what, errors *e)
{
    text found = {0};
    scalar_found(n, &found);
    errors_add(e, CVY_ERR_CONFIG, &n->at, FORMS, "expected %s, found %s", what, text_str(&found));
    text_free(&found);
    return false;
}

/* `- conv2d:` with its parameters not indented below it: a map whose first value is empty. */
static bool fail_many(const node *n, errors *e)
{
    if (node_is_null(n->items[0])) {
        text hint = {0};
        text_printf(&hint, "indent what belongs to `%s` below it, or write `%s: {%s: ...}`", n->keys[0],
                    n->keys[0], n->keys[1]);
        errors_add(e, CVY_ERR_CONFIG, &n->key_at[1], text_str(&hint),
                   "`%s` stands beside `%s`, not inside it", n->keys[1], n->keys[0]);
        text_free(&hint);
    } else {
        errors_add(e, CVY_ERR_CONFIG, &n->at, FORMS,
                   "expected one plugin, found a map of %zu keys without `type`", n->n);
    }
    return false;
}

/* Layer names are segments of dotted paths, where a number is a position. */
static bool check_name(const char *s)
{
    bool letter = false;
    for (const char *c = s; *c; c++) {
        bool alpha = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        bool other = (*c >= '0' && *c <= '9') || *c == '-';
        if (!alpha && !other) return false;
        letter = letter || alpha;
    }
    return letter && strlen(s) <= 64;
}

static bool read_name(const node *n, item *out, errors *e)
{
    errors_push(e, "name");
    bool ok = node_string(n, &out->name, e);
    errors_pop(e);
    if (ok && !check_name(out->name)) {
        text shown = {0};
        text_safe(&shown, out->name, 64);
        errors_add(e, CVY_ERR_CONFIG, &n->at,
                   "use letters, digits, `_` and `-`, at most 64, with at least one letter",
                   "name: \"%s\" cannot be part of a dotted path", text_str(&shown));
        text_free(&shown);
        ok = false;
    }
    out->name_at = n->at;
    return ok;
}

static bool read_inputs(arena *a, const node *n, item *out, errors *e)
{
    bool ok = true;
    errors_push(e, "inputs");
    if (n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_TEXT) {
        node *one = tree_list(a, &n->at);
        node_append(a, one, tree_scalar(a, n->s, true, &n->at));
        out->inputs = one;
    } else if (n->kind != NODE_LIST || n->n == 0) {
        text found = {0};
        scalar_found(n, &found);
        errors_add(e, CVY_ERR_CONFIG, &n->at, "write [name, name]",
                   "expected a list of layer names, found %s",
                   n->kind == NODE_LIST ? "an empty one" : text_str(&found));
        text_free(&found);
        ok = false;
    } else {
        const char *s;
        for (size_t i = 0; i < n->n; i++) ok = node_string(n->items[i], &s, e) && ok;
        out->inputs = n;
    }
    errors_pop(e);
    return ok;
}

/* Fills out->params from `from`, sorting out what is not a parameter. */
static bool read_params(arena *a, const node *from, bool typed, bool reserved, item *out, errors *e)
{
    bool ok = true;
    node *params = tree_map(a, &out->type_at);
    for (size_t i = 0; from && i < from->n; i++) {
        const char *key = from->keys[i];
        if (typed && strcmp(key, "type") == 0) continue;
        if (reserved && strcmp(key, "name") == 0) {
            ok = read_name(from->items[i], out, e) && ok;
        } else if (reserved && strcmp(key, "inputs") == 0) {
            ok = read_inputs(a, from->items[i], out, e) && ok;
        } else {
            node_put(a, params, key, &from->key_at[i], from->items[i]);
        }
    }
    out->params = params;
    return ok;
}

bool item_read(arena *a, const node *n, bool reserved, item *out, errors *e)
{
    *out = (item){.type_at = n->at, .name_at = n->at};
    if (n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_TEXT && n->s[0]) {
        out->type = n->s;
        return read_params(a, NULL, false, reserved, out, e);
    }
    if (n->kind != NODE_MAP || n->n == 0) return fail_at(n, "a plugin's name", e);
    const node *type = node_get(n, "type");
    if (type) {
        if (type->kind != NODE_SCALAR || scalar_classify(type) != SCALAR_TEXT || !type->s[0]) {
            errors_push(e, "type");
            fail_at(type, "a plugin's name", e);
            errors_pop(e);
            return false;
        }
        out->type = type->s;
        out->type_at = type->at;
        return read_params(a, n, true, reserved, out, e);
    }
    if (n->n > 1) return fail_many(n, e);
    const node *value = n->items[0];
    out->type = n->keys[0];
    out->type_at = n->key_at[0];
    if (node_is_null(value)) return read_params(a, NULL, false, reserved, out, e);
    if (value->kind != NODE_MAP) {
        text found = {0}, hint = {0};
        scalar_found(value, &found);
        text_printf(&hint, "write `%s: {parameter: value}`", out->type);
        errors_add(e, CVY_ERR_CONFIG, &value->at, text_str(&hint),
                   "expected the parameters of `%s`, found %s", out->type, text_str(&found));
        text_free(&found);
        text_free(&hint);
        return false;
    }
    const place *twice = node_key_at(value, "type");
    if (twice) {
        errors_add(e, CVY_ERR_CONFIG, twice, "keep one of them", "both `%s` and `type` name a plugin",
                   out->type);
        return false;
    }
    return read_params(a, value, false, reserved, out, e);
}
