/* Owns the small language of `where:`; must not know what is done with a point that is refused. */
#include "sweep/expression.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/item.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "sweep/space_rules.h"

enum { LONGEST = 2000, DEEPEST = 100 };

typedef enum type { TYPE_NUMBER, TYPE_TEXT, TYPE_TRUTH, TYPE_ANY } type;
typedef enum kind { KIND_CONSTANT, KIND_PATH, KIND_NEGATIVE, KIND_NOT, KIND_BINARY } kind;

typedef struct value {
    bool known; /* false: it depends on what is not active */
    type is;
    double number; /* of a truth 0 or 1 */
    const char *s;
} value;

struct expression {
    kind is;
    type gives;
    char op; /* + - * / < > and l (<=) g (>=) = (==) ! (!=) & (and) | (or) */
    const expression *left, *right;
    value constant;
    /* of a path */
    bool swept;
    size_t parameter;
    const char *inner;
    const char *listed; /* the path, where `configurations:` may set it */
};

/* ---- values of nodes ---- */

/* The next part of a dotted path, which moves behind it. */
static bool next_part(const char **path, char *out, size_t room)
{
    size_t n = strcspn(*path, ".");
    if (!n || n >= room) return false;
    memcpy(out, *path, n);
    out[n] = '\0';
    *path += n + ((*path)[n] == '.');
    return true;
}

const node *expression_inner(const node *v, const char *path)
{
    char part[128];
    while (v && *path) {
        if (!next_part(&path, part, sizeof part)) return NULL;
        const node *found = node_get(v, part);
        if (found) {
            v = found;
        } else if (!strcmp(part, "type") && !*path && v->kind == NODE_SCALAR) {
            return v;
        } else if (v->kind == NODE_MAP && v->n == 1 && !node_get(v, "type") &&
                   v->items[0]->kind == NODE_MAP) {
            v = node_get(v->items[0], part); /* {adam: {lr: 1}} */
        } else {
            return NULL;
        }
    }
    return v;
}

/* The name of the plugin that a map describes. */
static const char *type_name(const node *n)
{
    if (n->kind != NODE_MAP) return NULL;
    const node *named = node_get(n, "type");
    if (named) return named->kind == NODE_SCALAR ? named->s : NULL;
    return n->n == 1 ? n->keys[0] : NULL;
}

static value value_of(const node *n)
{
    value v = {.known = true, .is = TYPE_TEXT, .s = ""};
    if (n->kind != NODE_SCALAR) {
        v.s = type_name(n);
        v.known = v.s != NULL;
        return v;
    }
    v.s = n->s;
    bool truth;
    switch (scalar_classify(n)) {
    case SCALAR_INT:
    case SCALAR_FLOAT:
        v.is = TYPE_NUMBER;
        v.known = node_double(n, &v.number, NULL);
        break;
    case SCALAR_BOOL:
        v.is = TYPE_TRUTH;
        v.known = node_bool(n, &truth, NULL);
        v.number = v.known && truth;
        break;
    case SCALAR_NULL:
        v.s = "null";
        break;
    case SCALAR_TEXT:
        break;
    }
    return v;
}

/* ---- reading ---- */

typedef struct reader {
    const node *n;
    const char *text;
    size_t i, start; /* next byte; first of the token that was read last */
    size_t depth;
    bool exact; /* the text stands in the file as it is, so that columns can be counted */
    const space *s;
    const experiment *x;
    expression_find *find;
    void *ctx;
    arena *a;
    errors *e;
} reader;

static const expression *fail(const reader *r, size_t at, const char *hint, const char *what)
{
    place where = r->n->at;
    if (r->exact)
        where.column += (int)(at + r->n->quoted);
    else if (!hint)
        hint = arena_printf(r->a, "at character %zu of the expression", at + 1);
    errors_add(r->e, CVY_ERR_CONFIG, &where, hint, "%s", what);
    return NULL;
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static void skip(reader *r)
{
    while (r->text[r->i] == ' ' || r->text[r->i] == '\t' || r->text[r->i] == '\n') r->i++;
    r->start = r->i;
}

static bool take(reader *r, const char *word)
{
    skip(r);
    size_t n = strlen(word);
    if (strncmp(r->text + r->i, word, n) != 0) return false;
    if (name_byte(word[0]) && name_byte(r->text[r->i + n])) return false; /* `order` is no `or` */
    r->i += n;
    return true;
}

static expression *made(const reader *r, kind is, type gives)
{
    expression *x = arena_alloc(r->a, sizeof *x);
    x->is = is;
    x->gives = gives;
    return x;
}

static const expression *read_or(reader *r);

static const expression *read_number(reader *r)
{
    char *end;
    double v = strtod(r->text + r->i, &end);
    size_t n = (size_t)(end - (r->text + r->i));
    if (name_byte(*end) || !isfinite(v)) {
        while (name_byte(r->text[r->i + n])) n++;
        return fail(r, r->start, NULL,
                    arena_printf(r->a, "%s is no number",
                                 suggest_shown(r->a, arena_text_n(r->a, r->text + r->i, n))));
    }
    r->i += n;
    expression *x = made(r, KIND_CONSTANT, TYPE_NUMBER);
    x->constant = (value){true, TYPE_NUMBER, v, NULL};
    return x;
}

static const expression *read_text(reader *r, char quote)
{
    const char *from = r->text + r->i + 1, *end = strchr(from, quote);
    if (!end) return fail(r, r->start, NULL, "this text has no end");
    r->i += (size_t)(end - from) + 2;
    expression *x = made(r, KIND_CONSTANT, TYPE_TEXT);
    x->constant = (value){true, TYPE_TEXT, 0, arena_text_n(r->a, from, (size_t)(end - from))};
    return x;
}

/* What all values of a parameter, or what is inside them, have in common. Found: whether any has it. */
static type common_type(const space_parameter *p, const char *inner, bool *found)
{
    *found = true;
    if (p->kind != SPACE_CHOICE) {
        *found = !inner;
        return TYPE_NUMBER;
    }
    type is = TYPE_ANY;
    *found = false;
    for (size_t i = 0; i < p->n; i++) {
        const node *n = inner ? expression_inner(p->values[i], inner) : p->values[i];
        if (!n) continue;
        value v = value_of(n);
        if (*found && v.is != is) return TYPE_ANY;
        is = v.is;
        *found = true;
    }
    return is;
}

static bool listed_somewhere(const space *s, const char *path)
{
    if (!s->rules || !s->rules->configurations) return false;
    for (size_t i = 0; i < s->parameters[0].n; i++)
        if (node_get(space_rules_set(s->parameters[0].values[i]), path)) return true;
    return false;
}

static const expression *resolve(reader *r, const char *name, size_t at)
{
    const char *path = r->find ? r->find(r->ctx, name) : NULL;
    if (!path) path = name;
    expression *x = made(r, KIND_PATH, TYPE_ANY);
    const space *s = r->s;
    bool found = false;
    for (size_t i = 0; i < s->n && !x->swept; i++) /* the parameter itself before one around it */
        if (!strcmp(s->parameters[i].path, path)) {
            x->swept = true;
            x->parameter = i;
            x->gives = common_type(&s->parameters[i], NULL, &found);
        }
    for (size_t i = 0; i < s->n && !x->swept; i++) {
        size_t n = strlen(s->parameters[i].path);
        if (strncmp(path, s->parameters[i].path, n) != 0 || path[n] != '.') continue;
        type is = common_type(&s->parameters[i], path + n + 1, &found);
        if (!found) continue;
        x->swept = true;
        x->parameter = i;
        x->inner = arena_text(r->a, path + n + 1);
        x->gives = is;
    }
    if (listed_somewhere(s, path)) {
        x->listed = arena_text(r->a, path);
        x->gives = TYPE_ANY;
    }
    if (x->swept) return x;
    const node *fixed = experiment_get(r->x, path);
    if (fixed) {
        x->constant = value_of(fixed);
        x->constant.s = arena_text(r->a, x->constant.s);
        if (!x->listed) x->gives = x->constant.known ? x->constant.is : TYPE_ANY;
    } else if (!x->listed) {
        const char **paths = arena_array(r->a, s->n + 1, sizeof *paths);
        for (size_t i = 0; i < s->n; i++) paths[i] = s->parameters[i].path;
        const char *hint = suggest_near(r->a, path, paths, s->n);
        return fail(
            r, at, hint ? hint : "texts stand in quotes, as 'adam'",
            arena_printf(r->a, "`%s` is not swept, and the file does not say it", suggest_shown(r->a, name)));
    }
    return x;
}

static const expression *read_path(reader *r)
{
    size_t at = r->start;
    const char *from = r->text + r->i;
    size_t n = 0;
    if (*from == '`') {
        const char *end = strchr(++from, '`');
        if (!end || end == from) return fail(r, at, NULL, "this path has no end");
        n = (size_t)(end - from);
        r->i += n + 2;
    } else {
        while (name_byte(from[n])) n++;
        r->i += n;
    }
    const char *name = arena_text_n(r->a, from, n);
    if (!strcmp(name, "true") || !strcmp(name, "false")) {
        expression *x = made(r, KIND_CONSTANT, TYPE_TRUTH);
        x->constant = (value){true, TYPE_TRUTH, name[0] == 't', NULL};
        return x;
    }
    return resolve(r, name, at);
}

static const expression *read_unit(reader *r)
{
    skip(r);
    size_t at = r->start;
    char c = r->text[r->i];
    if (++r->depth > DEEPEST) return fail(r, at, NULL, "this is nested too deeply");
    const expression *x = NULL;
    if (take(r, "(")) {
        x = read_or(r);
        if (x && !take(r, ")")) x = fail(r, r->start, NULL, "expected `)`");
    } else if (take(r, "-")) {
        const expression *of = read_unit(r);
        if (of && of->gives != TYPE_NUMBER && of->gives != TYPE_ANY) {
            x = fail(r, at, NULL, "`-` wants a number");
        } else if (of) {
            expression *minus = made(r, KIND_NEGATIVE, TYPE_NUMBER);
            minus->left = of;
            x = minus;
        }
    } else if ((c >= '0' && c <= '9') || c == '.') {
        x = read_number(r);
    } else if (c == '\'' || c == '"') {
        x = read_text(r, c);
    } else if (name_byte(c) || c == '`') {
        x = read_path(r);
    } else {
        x = fail(r, at, c == '!' ? "write `not`" : NULL,
                 c ? arena_printf(r->a, "expected a number, a text or a path, found `%s`",
                                  suggest_shown(r->a, arena_text_n(r->a, &c, 1)))
                   : "expected a number, a text or a path, found the end");
    }
    r->depth--;
    return x;
}

static const char *const type_words[] = {"a number", "a text", "true or false", "a value"};

static const expression *binary(const reader *r, char op, type wants, type gives, size_t at, const char *word,
                                const expression *left, const expression *right)
{
    if (!left || !right) return NULL;
    const expression *both[] = {left, right};
    for (size_t i = 0; i < 2; i++)
        if (wants != TYPE_ANY && both[i]->gives != wants && both[i]->gives != TYPE_ANY)
            return fail(r, at, NULL,
                        arena_printf(r->a, "`%s` wants %s on both sides", word,
                                     wants == TYPE_TRUTH ? "a comparison" : type_words[wants]));
    if (wants == TYPE_ANY && left->gives != right->gives && left->gives != TYPE_ANY &&
        right->gives != TYPE_ANY)
        return fail(r, at, NULL,
                    arena_printf(r->a, "%s and %s are never equal", type_words[left->gives],
                                 type_words[right->gives]));
    expression *x = made(r, KIND_BINARY, gives);
    x->op = op;
    x->left = left;
    x->right = right;
    return x;
}

typedef struct operation {
    const char *word;
    char op;
    type wants, gives;
} operation;

/* One of the operators, or NULL. */
static const operation *taken(reader *r, const operation *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (take(r, all[i].word)) return &all[i];
    return NULL;
}

static const expression *read_left(reader *r, const operation *all, size_t n,
                                   const expression *(*inner)(reader *))
{
    const expression *x = inner(r);
    for (const operation *o; x && (o = taken(r, all, n)) != NULL;) {
        size_t at = r->start;
        x = binary(r, o->op, o->wants, o->gives, at, o->word, x, inner(r));
    }
    return x;
}

static const expression *read_product(reader *r)
{
    static const operation all[] = {{"*", '*', TYPE_NUMBER, TYPE_NUMBER},
                                    {"/", '/', TYPE_NUMBER, TYPE_NUMBER}};
    return read_left(r, all, 2, read_unit);
}

static const expression *read_sum(reader *r)
{
    static const operation all[] = {{"+", '+', TYPE_NUMBER, TYPE_NUMBER},
                                    {"-", '-', TYPE_NUMBER, TYPE_NUMBER}};
    return read_left(r, all, 2, read_product);
}

static const expression *read_comparison(reader *r)
{
    static const operation all[] = {
        {"<=", 'l', TYPE_NUMBER, TYPE_TRUTH}, {">=", 'g', TYPE_NUMBER, TYPE_TRUTH},
        {"==", '=', TYPE_ANY, TYPE_TRUTH},    {"!=", '!', TYPE_ANY, TYPE_TRUTH},
        {"<", '<', TYPE_NUMBER, TYPE_TRUTH},  {">", '>', TYPE_NUMBER, TYPE_TRUTH}};
    const expression *x = read_sum(r);
    const operation *o = x ? taken(r, all, 6) : NULL;
    if (!o) return x;
    size_t at = r->start;
    x = binary(r, o->op, o->wants, o->gives, at, o->word, x, read_sum(r));
    if (x && taken(r, all, 6))
        return fail(r, r->start, "join two comparisons with `and`", "a second comparison");
    return x;
}

static const expression *read_not(reader *r)
{
    if (!take(r, "not")) return read_comparison(r);
    size_t at = r->start;
    if (++r->depth > DEEPEST) return fail(r, at, NULL, "this is nested too deeply");
    const expression *of = read_not(r);
    r->depth--;
    if (!of) return NULL;
    if (of->gives != TYPE_TRUTH && of->gives != TYPE_ANY)
        return fail(r, at, NULL, "`not` wants a comparison");
    expression *x = made(r, KIND_NOT, TYPE_TRUTH);
    x->left = of;
    return x;
}

static const expression *read_and(reader *r)
{
    static const operation all[] = {{"and", '&', TYPE_TRUTH, TYPE_TRUTH}};
    return read_left(r, all, 1, read_not);
}

static const expression *read_or(reader *r)
{
    static const operation all[] = {{"or", '|', TYPE_TRUTH, TYPE_TRUTH}};
    return read_left(r, all, 1, read_and);
}

const expression *expression_read(const node *n, const space *s, const experiment *x, expression_find *find,
                                  void *ctx, arena *a, errors *e)
{
    const char *written;
    if (!node_string(n, &written, e)) return NULL;
    reader r = {.n = n, .text = written, .s = s, .x = x, .find = find, .ctx = ctx, .a = a, .e = e};
    size_t length = strlen(written), from = n->at.column > 0 ? (size_t)(n->at.column - 1) + n->quoted : 0;
    r.exact = n->at.source && strlen(n->at.source) >= from && !strncmp(n->at.source + from, written, length);
    if (length > LONGEST) return fail(&r, 0, NULL, "this is too long for an expression");
    const expression *whole = read_or(&r);
    if (!whole) return NULL;
    skip(&r);
    if (written[r.i]) {
        const char *rest = written + r.i;
        const char *hint = !strncmp(rest, "&&", 2)   ? "write `and`"
                           : !strncmp(rest, "||", 2) ? "write `or`"
                           : *rest == '='            ? "write `==`"
                                                     : NULL;
        return fail(&r, r.i, hint, arena_printf(a, "expected the end, found `%s`", suggest_shown(a, rest)));
    }
    if (whole->gives != TYPE_TRUTH && whole->gives != TYPE_ANY)
        return fail(&r, 0, "as in model.stem.channels * train.batch_size <= 4096", "this is no comparison");
    return whole;
}

/* ---- evaluating ---- */

static value at_path(const expression *x, const space *s, const double *point)
{
    const value unknown = {.known = false};
    if (x->listed) {
        const node *set = space_rules_set(s->parameters[0].values[(size_t)point[0]]);
        const node *n = node_get(set, x->listed);
        if (n) return value_of(n);
    }
    if (!x->swept) return x->constant;
    double v = point[x->parameter];
    if (isnan(v)) return unknown;
    const space_parameter *p = &s->parameters[x->parameter];
    if (p->kind != SPACE_CHOICE) return (value){true, TYPE_NUMBER, v, NULL};
    const node *n = p->values[(size_t)v];
    if (x->inner) n = expression_inner(n, x->inner);
    return n ? value_of(n) : unknown;
}

static value truth(bool v)
{
    return (value){true, TYPE_TRUTH, v, NULL};
}

static value compare(char op, value a, value b)
{
    if (op == '=' || op == '!') {
        bool equal = a.is == b.is && (a.is == TYPE_TEXT ? !strcmp(a.s, b.s) : a.number == b.number);
        return truth(equal == (op == '='));
    }
    if (a.is != TYPE_NUMBER || b.is != TYPE_NUMBER) return (value){.known = false};
    switch (op) {
    case '<':
        return truth(a.number < b.number);
    case '>':
        return truth(a.number > b.number);
    case 'l':
        return truth(a.number <= b.number);
    default:
        return truth(a.number >= b.number);
    }
}

static value calculate(char op, value a, value b)
{
    if (a.is != TYPE_NUMBER || b.is != TYPE_NUMBER) return (value){.known = false};
    double v = op == '+'   ? a.number + b.number
               : op == '-' ? a.number - b.number
               : op == '*' ? a.number * b.number
                           : a.number / b.number;
    return (value){!isnan(v), TYPE_NUMBER, v, NULL};
}

static value evaluate(const expression *x, const space *s, const double *point)
{
    if (x->is == KIND_CONSTANT) return x->constant;
    if (x->is == KIND_PATH) return at_path(x, s, point);
    value a = evaluate(x->left, s, point);
    if (x->is == KIND_NEGATIVE) {
        a.number = -a.number;
        a.known = a.known && a.is == TYPE_NUMBER;
        return a;
    }
    if (x->is == KIND_NOT) return a.known ? truth(a.number == 0) : a;
    value b = evaluate(x->right, s, point);
    if (x->op == '&' || x->op == '|') { /* Kleene's logic: one side may decide for both */
        double decides = x->op == '|';
        if (a.known && a.number == decides) return a;
        if (b.known && b.number == decides) return b;
        return (value){a.known && b.known, TYPE_TRUTH, 1 - decides, NULL};
    }
    if (!a.known || !b.known) return (value){.known = false};
    return strchr("+-*/", x->op) ? calculate(x->op, a, b) : compare(x->op, a, b);
}

bool expression_holds(const expression *x, const space *s, const double *point)
{
    value v = evaluate(x, s, point);
    return !v.known || v.number != 0;
}
