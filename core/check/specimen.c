/* Owns the way from a plugin's file to its descriptor and to configurations worth trying; must not know what the
 * kinds of plugins promise. */
#include "check/specimen.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "config/params_table.h"
#include "plugin/folders.h"
#include "plugin/note.h"

#define CONFIGS_MAX 40

/* ---- numbers ---- */

double specimen_number(uint32_t id, uint64_t i)
{
    uint64_t z = (uint64_t)id * 0x9e3779b97f4a7c15u + i * 0xd1b54a32d192ed03u + 0x632be59bd9b4e019u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(int64_t)(z >> 42) / 2097152.0 - 1; /* 22 bits */
}

extern void __asan_init(void) __attribute__((weak)); /* there when the sanitizer's runtime is loaded */

bool specimen_sanitized(void)
{
    return __asan_init != NULL;
}

/* ---- files ---- */

typedef struct files {
    plugin_request *items;
    size_t n, cap;
    arena *a;
    const char *own;
    note_list notes; /* of the file in question */
} files;

static void add_file(files *f, const char *path)
{
    f->items = MEM_GROW(f->items, f->n, &f->cap);
    f->items[f->n++] = (plugin_request){arena_text(f->a, path), PLACE_NONE};
}

/* Other plugins are there for composites to be made of. One that has a name of ours would make it ambiguous, and a
 * file that is no plugin is nobody's concern here. */
static void add_found(void *ctx, const char *path)
{
    files *f = ctx;
    errors quiet = {0};
    note_list other = {0};
    bool clash = note_read(path, &other, &quiet) != CVY_OK;
    for (size_t i = 0; i < other.n; i++)
        for (size_t k = 0; k < f->notes.n; k++)
            clash = clash || (other.items[i].kind == f->notes.items[k].kind &&
                              !strcmp(other.items[i].name, f->notes.items[k].name));
    if (!clash) add_file(f, path);
    mem_free(other.items);
    errors_free(&quiet);
}

static registry *open_beside(specimen *s, const specimen_request *q, errors *e)
{
    files f = {.a = &s->memory, .own = q->file};
    registry *r = NULL;
    if (!note_read(q->file, &f.notes, e)) {
        errors quiet = {0};
        add_file(&f, q->file);
        for (size_t i = 0; i < q->n_beside; i++) add_found(&f, q->beside[i]);
        char **folders = folders_list(&quiet);
        for (size_t i = 0; folders[i]; i++) folders_scan(folders[i], add_found, &f, &quiet);
        folders_free(folders);
        errors_free(&quiet);
        r = registry_open_only(f.items, f.n, e);
    }
    mem_free(f.notes.items);
    mem_free(f.items);
    return r;
}

static bool read_shape(const node *n, cvy_shape *s, errors *e)
{
    if (n->kind != NODE_LIST || n->n < 1 || n->n > CVY_MAX_RANK) {
        errors_add(e, CVY_ERR_CONFIG, &n->at, "write --shape '[2, 3, 28, 28]'", "expected a batched shape");
        return false;
    }
    *s = (cvy_shape){.rank = (int32_t)n->n};
    for (size_t i = 0; i < n->n; i++)
        if (!node_int(n->items[i], &s->dim[i], e)) return false;
    for (size_t i = 0; i < n->n; i++) {
        if (s->dim[i] >= 1 && s->dim[i] <= 65536) continue;
        errors_add(e, CVY_ERR_CONFIG, &n->items[i]->at, NULL, "a dimension is from 1 to 65536 here");
        return false;
    }
    return true;
}

static bool read_shapes(specimen *s, const char *yaml, errors *e)
{
    if (!yaml) return true;
    const node *n = tree_read_text(&s->memory, "--shape", arena_text(&s->memory, yaml), strlen(yaml), e);
    if (!n) return false;
    if (n->kind != NODE_LIST || !n->n || n->items[0]->kind != NODE_LIST)
        return read_shape(n, &s->shapes[s->n_shapes++], e);
    bool ok = true;
    for (size_t i = 0; ok && i < n->n && s->n_shapes < SPECIMEN_SHAPES; i++)
        ok = read_shape(n->items[i], &s->shapes[s->n_shapes++], e);
    return ok;
}

static bool read_base(specimen *s, const char *yaml, errors *e)
{
    if (!yaml) return true;
    s->base = tree_read_text(&s->memory, "--config", arena_text(&s->memory, yaml), strlen(yaml), e);
    if (!s->base || node_is_null(s->base) || s->base->kind == NODE_MAP) return s->base != NULL;
    errors_add(e, CVY_ERR_CONFIG, &s->base->at, NULL, "expected a map of parameters");
    return false;
}

bool specimen_open(specimen *s, const specimen_request *q, errors *e)
{
    *s = (specimen){.data_dir = q->data_dir};
    if (!read_base(s, q->config, e) || !read_shapes(s, q->shape, e)) return false;
    s->registry = open_beside(s, q, e);
    if (s->registry) s->d = registry_find(s->registry, q->kind, q->name, NULL, e);
    if (s->d) s->twin = registry_double(s->registry, s->d);
    return s->d != NULL;
}

void specimen_close(specimen *s)
{
    registry_free(s->registry);
    mem_free(s->configs);
    errors_free(&s->refused);
    arena_free(&s->memory);
    *s = (specimen){0};
}

/* ---- configurations ---- */

static const cvy_descriptor *find_child(void *ctx, uint32_t kind, const char *name, const place *at,
                                        errors *e)
{
    specimen *s = ctx;
    return registry_find(s->registry, kind, name, at, e);
}

/* What a twin calls must take the twin's numbers. */
static const cvy_descriptor *find_child_twin(void *ctx, uint32_t kind, const char *name, const place *at,
                                             errors *e)
{
    specimen *s = ctx;
    const cvy_descriptor *d = find_child(ctx, kind, name, at, e), *twin = NULL;
    if (d && kind != CVY_OPTIMIZER) return d;
    if (d) twin = registry_double(s->registry, d);
    if (d && !twin) errors_add(e, CVY_ERR_PLUGIN, at, NULL, "%s has no double twin", name);
    return twin;
}

const void *specimen_fill(specimen *s, const cvy_descriptor *d, const char *yaml, const node **params,
                          errors *e)
{
    static const params_word words[] = {{.word = "classes", .value = 3}};
    const params_env env = {
        .find = d == s->twin ? find_child_twin : find_child, .ctx = s, .words = words, .n_words = 1};
    const node *map = tree_read_text(&s->memory, d->name, arena_text(&s->memory, yaml), strlen(yaml), e);
    if (map && params) *params = map;
    return map ? params_make(&s->memory, d, map, &env, e) : NULL;
}

/* What is written for each parameter; NULL: its default. */
typedef struct draft {
    size_t n;
    cvy_param *params;
    const char **values;
} draft;

static const char *draft_text(specimen *s, const draft *f)
{
    text t = {0};
    size_t written = 0;
    text_char(&t, '{');
    for (size_t i = 0; i < f->n; i++)
        if (f->values[i]) text_printf(&t, "%s%s: %s", written++ ? ", " : "", f->params[i].name, f->values[i]);
    text_char(&t, '}');
    char *kept = arena_text(&s->memory, text_str(&t));
    text_free(&t);
    return kept;
}

static bool try_config(specimen *s, const char *yaml, errors *e)
{
    for (size_t i = 0; i < s->n_configs; i++)
        if (!strcmp(s->configs[i].text, yaml)) return true;
    errors quiet = {0};
    specimen_config c = {.text = yaml};
    c.own = specimen_fill(s, s->d, yaml, &c.params, e ? e : &quiet);
    if (c.own && s->twin) c.twin = specimen_fill(s, s->twin, yaml, NULL, &quiet);
    errors_free(&quiet);
    if (!c.own) return false;
    s->configs = MEM_GROW(s->configs, s->n_configs, &s->cap_configs);
    s->configs[s->n_configs++] = c;
    return true;
}

static bool in_range(const cvy_param *p, double v)
{
    return v >= p->min && v <= p->max;
}

/* Plugins that work without being told anything, for those that are made of others. */
static const char *child_value(uint32_t kind, int k)
{
    static const char *const augments[] = {"horizontal_flip", "brightness", "{cutout: {size: 1}}", "mixup"},
                             *const optimizers[] = {"{sgd: {lr: 0.1}}", "adam"};
    if (k < 0) return NULL;
    if (kind == CVY_AUGMENT) return k < 4 ? augments[k] : NULL;
    return kind == CVY_OPTIMIZER && k < 2 ? optimizers[k] : NULL;
}

/* The k-th value worth trying, small so that cases stay small; NULL behind the last. */
static const char *candidate_value(specimen *s, const cvy_param *p, int k)
{
    static const double whole[] = {2, 3, 1, 4, 0, 6, -1}, real[] = {0.25, 0.7, 0.05, 1.5, -0.5};
    static const int pairs[][2] = {{2, 2}, {1, 3}, {3, 1}, {1, 1}, {3, 2}, {0, 1}, {5, 4}};
    static const int triples[][3] = {{2, 2, 2}, {1, 2, 3}, {3, 1, 2}, {1, 1, 1}, {2, 1, 1}, {0, 1, 0}};
    int count = 0;
    switch (p->kind) {
    case CVY_PARAM_INT:
        for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
            if (in_range(p, whole[i]) && k-- == 0) return arena_printf(&s->memory, "%g", whole[i]);
        return k == 0 && p->min > 6 && p->min < 1e6 ? arena_printf(&s->memory, "%.0f", p->min) : NULL;
    case CVY_PARAM_FLOAT:
        for (size_t i = 0; i < sizeof real / sizeof *real; i++)
            if (in_range(p, real[i]) && k-- == 0) return arena_printf(&s->memory, "%g", real[i]);
        return k == 0 && !in_range(p, 0.25) ? arena_printf(&s->memory, "%.17g", p->min) : NULL;
    case CVY_PARAM_BOOL:
        return k == 0 ? "true" : k == 1 ? "false" : NULL;
    case CVY_PARAM_ENUM:
        while (p->choices && p->choices[count]) count++;
        return k < count ? p->choices[k] : NULL;
    case CVY_PARAM_PAIR:
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            if (in_range(p, pairs[i][0]) && in_range(p, pairs[i][1]) && k-- == 0)
                return arena_printf(&s->memory, "[%d, %d]", pairs[i][0], pairs[i][1]);
        return NULL;
    case CVY_PARAM_TRIPLE:
        for (size_t i = 0; i < sizeof triples / sizeof *triples; i++) {
            const int *t = triples[i];
            if (in_range(p, t[0]) && in_range(p, t[1]) && in_range(p, t[2]) && k-- == 0)
                return arena_printf(&s->memory, "[%d, %d, %d]", t[0], t[1], t[2]);
        }
        return NULL;
    case CVY_PARAM_PADDING: {
        static const char *const paddings[3][5] = {{"1", "same", "[0, 2]", "2", "valid"},
                                                   {"1", "same", "[0, 1, 2, 1]", "[1, 0]", "valid"},
                                                   {"1", "same", "[0, 1, 0, 1, 0, 2]", "[1, 0, 1]", "valid"}};
        return k < 5 && p->max >= 2 && p->child >= 1 && p->child <= 3 ? paddings[p->child - 1][k] : NULL;
    }
    case CVY_PARAM_LAYERS: {
        static const char *const lists[] = {"[{conv2d: {channels: 4, kernel: 1}}, relu]",
                                            "[{linear: {units: 3}}]",
                                            "[{relu: {name: a}}, {add: {inputs: [a, input]}}]"};
        return k < 3 ? lists[k] : NULL;
    }
    case CVY_PARAM_INTS:
        return k == 0 ? arena_printf(&s->memory, "[%.0f]", fmax(p->min, fmin(p->max, 2))) : NULL;
    case CVY_PARAM_FLOATS:
        return k == 0 ? arena_printf(&s->memory, "[%g]", fmax(p->min, fmin(p->max, 0.5))) : NULL;
    case CVY_PARAM_CHILD:
        return child_value(p->child, k);
    case CVY_PARAM_CHILDREN: {
        const char *one = child_value(p->child, k), *two = child_value(p->child, k + 1);
        return !one ? NULL : arena_printf(&s->memory, two && k % 2 == 0 ? "[%s, %s]" : "[%s]", one, two);
    }
    default:
        return NULL; /* strings mean something: the author names them with --config */
    }
}

static void draft_open(specimen *s, draft *f)
{
    params_table t = params_of(s->d, NULL);
    f->params = arena_array(&s->memory, t.n + 1, sizeof *f->params);
    f->values = arena_array(&s->memory, t.n + 1, sizeof *f->values);
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        if (p.kind == CVY_PARAM_ALSO) continue;
        const node *given = s->base ? node_get(s->base, p.name) : NULL;
        if (given) {
            text flow = {0};
            tree_write_flow(given, &flow);
            f->values[f->n] = arena_text(&s->memory, text_str(&flow));
            text_free(&flow);
        } else if (!p.fallback) {
            /* Two and three often divide, four is seldom too much: enough for a required count. */
            f->values[f->n] = p.kind == CVY_PARAM_INT && in_range(&p, 4) ? "4" : candidate_value(s, &p, 0);
        }
        f->params[f->n++] = p;
    }
}

void specimen_configure(specimen *s)
{
    if (s->n_configs) return;
    draft f = {0};
    draft_open(s, &f);
    /* What --config names and no parameter takes is for params_make() to refuse. */
    if (s->base && s->base->kind == NODE_MAP)
        for (size_t i = 0; i < s->base->n; i++) {
            bool known = false;
            for (size_t k = 0; k < f.n; k++) known = known || !strcmp(f.params[k].name, s->base->keys[i]);
            if (!known)
                errors_add(&s->refused, CVY_ERR_CONFIG, NULL, NULL, "--config: unknown parameter \"%s\"",
                           s->base->keys[i]);
        }
    if (s->refused.n || !try_config(s, draft_text(s, &f), &s->refused)) return;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < f.n && s->n_configs < CONFIGS_MAX - 8; i++) {
            const char *was = f.values[i], *v = candidate_value(s, &f.params[i], round);
            if (!v) continue;
            f.values[i] = v;
            try_config(s, draft_text(s, &f), NULL);
            f.values[i] = was;
        }
    for (uint32_t mix = 0; mix < 8 && f.n > 1; mix++) {
        const char **own = arena_array(&s->memory, f.n, sizeof *own);
        draft several = {f.n, f.params, own};
        for (size_t i = 0; i < f.n; i++) {
            int k = (int)(3 * (specimen_number(mix + 1, i) + 1));
            const char *v = k < 3 ? candidate_value(s, &f.params[i], k) : NULL;
            own[i] = v ? v : f.values[i];
        }
        try_config(s, draft_text(s, &several), NULL);
    }
}
