/* Owns how declared parameters read for people and as JSON; must not fill or check them. */
#include "config/params.h"

#include <stdlib.h>
#include <string.h>
#include "config/params_table.h"
#include "config/scalar.h"
#include "config/tree.h"

enum { HELP_BYTES = 4000 };

/* ---- JSON ---- */

static void write_child(const cvy_child *c, json_writer *w)
{
    if (!c->plugin) {
        json_null(w);
        return;
    }
    json_open(w, '{');
    json_put_text(w, "type", c->plugin->name);
    params_table t = {c->plugin->params, c->plugin->n_params, c->plugin->param_size,
                      (void *)(uintptr_t)c->config};
    params_write(&t, w);
    json_close(w, '}');
}

static void write_value(const cvy_param *p, const void *field, json_writer *w)
{
    const char *s;
    size_t count = 0;
    int64_t choice;
    switch (p->kind) {
    case CVY_PARAM_INT:
        json_int(w, *(const int64_t *)field);
        break;
    case CVY_PARAM_FLOAT:
        json_double(w, *(const double *)field);
        break;
    case CVY_PARAM_BOOL:
        json_bool(w, *(const int32_t *)field != 0);
        break;
    case CVY_PARAM_STRING:
        s = *(const char *const *)field;
        json_text(w, s);
        break;
    case CVY_PARAM_ENUM:
        choice = *(const int32_t *)field;
        while (p->choices && p->choices[count]) count++;
        json_text(w, choice >= 0 && (size_t)choice < count ? p->choices[choice] : NULL);
        break;
    case CVY_PARAM_PAIR:
    case CVY_PARAM_TRIPLE:
        json_open(w, '[');
        for (int i = 0; i < (p->kind == CVY_PARAM_PAIR ? 2 : 3); i++)
            json_int(w, ((const int64_t *)field)[i]);
        json_close(w, ']');
        break;
    case CVY_PARAM_PADDING: {
        const cvy_padding *v = field;
        if (v->mode == CVY_PAD_SAME) {
            json_text(w, "same");
            break;
        }
        json_open(w, '[');
        for (uint32_t i = 0; i < p->child; i++) json_int(w, v->before[i]);
        for (uint32_t i = 0; i < p->child; i++) json_int(w, v->after[i]);
        json_close(w, ']');
        break;
    }
    case CVY_PARAM_LAYERS: {
        const cvy_layers *v = field;
        if (v->list)
            tree_write_json(v->list, w);
        else
            json_null(w);
        break;
    }
    case PARAMS_NODE: {
        const node *const *v = field;
        if (*v)
            tree_write_json(*v, w);
        else
            json_null(w);
        break;
    }
    case CVY_PARAM_INTS: {
        const cvy_ints *v = field;
        json_open(w, '[');
        for (size_t i = 0; i < v->n; i++) json_int(w, v->v[i]);
        json_close(w, ']');
        break;
    }
    case CVY_PARAM_FLOATS: {
        const cvy_floats *v = field;
        json_open(w, '[');
        for (size_t i = 0; i < v->n; i++) json_double(w, v->v[i]);
        json_close(w, ']');
        break;
    }
    case CVY_PARAM_CHILD:
        write_child(field, w);
        break;
    case CVY_PARAM_CHILDREN: {
        const cvy_children *v = field;
        json_open(w, '[');
        for (size_t i = 0; i < v->n; i++) write_child(&v->v[i], w);
        json_close(w, ']');
        break;
    }
    default:
        json_null(w);
        break;
    }
}

void params_write(const params_table *t, json_writer *w)
{
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        if (p.kind == CVY_PARAM_ALSO) continue;
        json_key(w, p.name);
        write_value(&p, (const char *)t->config + p.offset, w);
    }
}

/* [3, 3] reads 3: equal numbers for all axes are written once. */
static void put_brief(text *out, const char *value)
{
    size_t n = strlen(value), first = strcspn(value, ",");
    bool list = n > 2 && value[0] == '[' && value[first] == ',';
    size_t one = first - 1;
    for (const char *v = value + 1; list && *v != ']';) {
        list = !strncmp(v, value + 1, one) && (v[one] == ',' || v[one] == ']');
        if (list) v += one + (v[one] == ',');
    }
    if (list)
        text_add_n(out, value + 1, one);
    else
        text_add(out, value);
}

void params_brief(const params_table *t, text *out)
{
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        if (p.kind == CVY_PARAM_ALSO || p.kind == CVY_PARAM_LAYERS) continue;
        json_writer w = {0};
        text value = {0};
        write_value(&p, (const char *)t->config + p.offset, &w);
        const char *s = text_str(&w.out);
        if (s[0] == '"' && strlen(s) >= 2)
            text_add_n(&value, s + 1, strlen(s) - 2);
        else
            put_brief(&value, s);
        const char *shown = text_str(&value);
        bool usual =
            p.fallback && (p.kind == CVY_PARAM_FLOAT ? strtod(p.fallback, NULL) == strtod(shown, NULL)
                                                     : !strcmp(p.fallback, shown));
        if (!usual) text_printf(out, "%s%s %s", out->n ? ", " : "", p.name, shown);
        text_free(&value);
        text_free(&w.out);
    }
}

bool params_number(const params_table *t, const char *name, double *v)
{
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        const void *field = (const char *)t->config + p.offset;
        if (p.kind == CVY_PARAM_ALSO || strcmp(p.name, name) != 0) continue;
        if (p.kind == CVY_PARAM_INT)
            *v = (double)*(const int64_t *)field;
        else if (p.kind == CVY_PARAM_FLOAT)
            *v = *(const double *)field;
        else if (p.kind == CVY_PARAM_BOOL)
            *v = *(const int32_t *)field;
        else
            return false;
        return true;
    }
    return false;
}

/* ---- for people ---- */

static const char *kind_name(const cvy_param *p)
{
    switch (p->kind) {
    case CVY_PARAM_INT:
        return "int";
    case CVY_PARAM_FLOAT:
        return "float";
    case CVY_PARAM_BOOL:
        return "true or false";
    case CVY_PARAM_STRING:
        return "string";
    case CVY_PARAM_PAIR:
        return "int or pair";
    case CVY_PARAM_TRIPLE:
        return "int or triple";
    case CVY_PARAM_PADDING:
        return "int, list, same or valid";
    case CVY_PARAM_LAYERS:
        return "list of layers";
    case PARAMS_NODE:
        return "see help";
    case CVY_PARAM_INTS:
        return "int or list";
    case CVY_PARAM_FLOATS:
        return "float or list";
    case CVY_PARAM_CHILDREN:
        return "list of ";
    default:
        return "";
    }
}

static const char *child_name(uint32_t kind)
{
    static const char *const names[] = {"plugin",  "layer",        "loss",    "optimizer",
                                        "dataset", "augmentation", "schedule"};
    return names[kind < sizeof names / sizeof *names ? kind : 0];
}

void params_describe_type(const cvy_param *p, text *out)
{
    text_add(out, kind_name(p));
    if (p->kind == CVY_PARAM_CHILD || p->kind == CVY_PARAM_CHILDREN) text_add(out, child_name(p->child));
    for (size_t i = 0; p->kind == CVY_PARAM_ENUM && p->choices && p->choices[i]; i++) {
        text_printf(out, "%s%s", i ? " | " : "", p->choices[i]);
    }
    bool low = params_has_min(p), high = params_has_max(p);
    if (!low && !high) return;
    text_add(out, low && high ? " " : low ? " >= " : " <= ");
    if (low) params_limit(p, p->min, out);
    if (low && high) text_add(out, " .. ");
    if (high) params_limit(p, p->max, out);
}

void params_describe_default(const cvy_param *p, text *out)
{
    if (!p->fallback) {
        text_add(out, "required");
    } else if (!p->fallback[0]) {
        text_add(out, "\"\"");
    } else if (scalar_of(p->fallback) == SCALAR_NULL && p->kind != CVY_PARAM_ENUM) {
        text_char(out, '-');
    } else {
        text_add(out, p->fallback);
    }
}

static void pad(text *out, size_t begin, size_t width)
{
    while (out->n - begin < width) text_char(out, ' ');
}

typedef void describe_fn(const cvy_param *p, text *out);

static void describe_name(const cvy_param *p, text *out)
{
    text_add(out, p->name);
}

void params_describe(const params_table *t, text *out)
{
    static describe_fn *const columns[] = {describe_name, params_describe_type, params_describe_default};
    enum { COLUMNS = 3, WIDEST = 34 };
    size_t width[COLUMNS] = {0};
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        for (size_t c = 0; p.kind != CVY_PARAM_ALSO && c < COLUMNS; c++) {
            text cell = {0};
            columns[c](&p, &cell);
            if (cell.n > width[c]) width[c] = cell.n < WIDEST ? cell.n : WIDEST;
            text_free(&cell);
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        if (p.kind == CVY_PARAM_ALSO) continue;
        text_add(out, "  ");
        for (size_t c = 0; c < COLUMNS; c++) {
            size_t begin = out->n;
            columns[c](&p, out);
            pad(out, begin, width[c]);
            text_add(out, "  ");
        }
        if (p.help) text_safe(out, p.help, HELP_BYTES);
        while (out->n && out->s[out->n - 1] == ' ') out->s[--out->n] = '\0';
        text_char(out, '\n');
    }
}
