/* Reads `init:` and applies what of it needs no file; must not know what files hold. */
#include "train/init.h"

#include <string.h>

#include "base/file.h"
#include "config/suggest.h"
#include "graph/freeze.h"
#include "train/pattern.h"

static const char *const init_keys[] = {"from", "map", "strict", "freeze", "weights", "bias", "rules"};
enum { INIT_KEYS = sizeof init_keys / sizeof *init_keys };

/* What people coming from elsewhere would write. */
static const struct {
    const char *word, *means;
} init_elsewhere[] = {{"path", "from"},
                      {"file", "from"},
                      {"initializer", "weights"},
                      {"initialiser", "weights"},
                      {"kernel_initializer", "weights"},
                      {"weight_init", "weights"},
                      {"default", "weights"},
                      {"bias_initializer", "bias"},
                      {"biases", "bias"},
                      {"patterns", "rules"},
                      {"checkpoint", "from"},
                      {"rename", "map"},
                      {"key_mapping", "map"},
                      {"frozen", "freeze"},
                      {"pretrained", "from"},
                      {"requires_grad", "freeze"}};

static void init_unknown(const char *key, const place *at, errors *e)
{
    arena a = {0};
    const char *hint = NULL;
    for (size_t i = 0; i < sizeof init_elsewhere / sizeof *init_elsewhere; i++)
        if (strcmp(init_elsewhere[i].word, key) == 0)
            hint = arena_printf(&a, "this is `%s` here", init_elsewhere[i].means);
    if (!hint) hint = suggest_from(&a, "known are", key, init_keys, INIT_KEYS);
    errors_add(e, CVY_ERR_CONFIG, at, hint, "unknown key \"%s\"", suggest_shown(&a, key));
    arena_free(&a);
}

static bool init_too_many_stars(const char *s, const place *at, errors *e)
{
    if (pattern_stars(s) <= PATTERN_STARS) return false;
    errors_add(e, CVY_ERR_CONFIG, at, NULL, "\"%.200s\" has more than %d stars", s, PATTERN_STARS);
    return true;
}

static void init_read_map(const node *map, arena *a, init_settings *out, errors *e)
{
    if (map->kind != NODE_MAP) {
        errors_add(e, CVY_ERR_CONFIG, &map->at, "as in map: {\"stage1.*\": \"layer1.*\"}",
                   "expected a map of our names to theirs");
        return;
    }
    out->map = arena_array(a, map->n + 1, sizeof *out->map);
    for (size_t i = 0; i < map->n; i++) {
        init_rename r = {.ours = arena_text(a, map->keys[i]), .at = map->key_at[i]};
        const char *theirs = NULL;
        bool good = !init_too_many_stars(r.ours, &r.at, e);
        if (!node_is_null(map->items[i])) {
            if (!node_string(map->items[i], &theirs, e)) continue;
            r.theirs = arena_text(a, theirs);
            if (good && pattern_stars(r.theirs) != pattern_stars(r.ours)) {
                errors_add(e, CVY_ERR_CONFIG, &map->items[i]->at,
                           "each star on the right takes what the one on the left stood for",
                           "as many stars on both sides: \"%s\" has %zu and \"%s\" has %zu", r.ours,
                           pattern_stars(r.ours), r.theirs, pattern_stars(r.theirs));
                good = false;
            }
        }
        if (good) out->map[out->n_map++] = r;
    }
}

static void init_read_freeze(const node *list, arena *a, init_settings *out, errors *e)
{
    const node *const *items = (const node *const *)list->items;
    size_t n = list->n;
    if (list->kind == NODE_SCALAR) items = &list, n = 1; /* one pattern, without brackets */
    out->freeze = arena_array(a, n + 1, sizeof *out->freeze);
    out->freeze_at = list->at;
    if (list->kind == NODE_MAP) {
        errors_add(e, CVY_ERR_CONFIG, &list->at, "as in freeze: [\"stem.*\", \"*.bn.*\"]",
                   "expected a list of patterns");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *s = NULL;
        if (!node_string(items[i], &s, e) || init_too_many_stars(s, &items[i]->at, e)) continue;
        out->freeze[out->n_freeze++] = (init_pattern){arena_text(a, s), items[i]->at};
    }
}

static void init_read_from(const node *n, const char *base_dir, arena *a, init_settings *out, errors *e)
{
    static const char *const foreign[] = {".pt", ".pth",  ".bin",   ".ckpt", ".pkl",
                                          ".h5", ".hdf5", ".keras", ".onnx", ".npz"};
    const char *s = NULL;
    if (!node_string(n, &s, e)) return;
    if (!*s) {
        errors_add(e, CVY_ERR_CONFIG, &n->at, "as in from: base.safetensors", "expected the name of a file");
        return;
    }
    char *path = path_join(base_dir, s);
    out->from = arena_text(a, path);
    out->at = n->at;
    mem_free(path);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (!text_ends(s, foreign[i])) continue;
        errors_add(e, CVY_ERR_CONFIG, &n->at,
                   "in Python: safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")",
                   "only safetensors files can be read, and this is called *%s", foreign[i]);
        return;
    }
}

cvy_status init_read(const node *section, const char *base_dir, arena *a, init_settings *out, errors *e)
{
    size_t before = errors_count(e);
    *out = (init_settings){.strict = true, .at = PLACE_NONE, .freeze_at = PLACE_NONE};
    if (!section || node_is_null(section)) return CVY_OK;
    for (size_t i = 0; section->kind == NODE_MAP && i < section->n; i++) {
        const char *key = section->keys[i];
        const node *n = section->items[i];
        bool known = false;
        for (size_t k = 0; k < INIT_KEYS; k++) known = known || strcmp(key, init_keys[k]) == 0;
        if (!known) init_unknown(key, &section->key_at[i], e);
        if (!known || node_is_null(n)) continue;
        errors_push(e, "%s", key);
        if (strcmp(key, "from") == 0)
            init_read_from(n, base_dir, a, out, e);
        else if (strcmp(key, "map") == 0)
            init_read_map(n, a, out, e);
        else if (strcmp(key, "strict") == 0)
            node_bool(n, &out->strict, e);
        else if (strcmp(key, "freeze") == 0)
            init_read_freeze(n, a, out, e); /* the others are init_rules.c's */
        errors_pop(e);
    }
    if (out->n_map && !out->from && errors_count(e) == before)
        errors_add(e, CVY_ERR_CONFIG, &out->map[0].at, "name a file with `from`",
                   "map: names are renamed in a file, and there is none");
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

/* ---- freezing ---- */

/* Freezes the tensors that match; whether there were any. */
static bool init_freeze_matching(net_tensor *t, size_t n, const char *pattern)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!pattern_match(pattern, t[i].name, NULL)) continue;
        t[i].frozen = any = true;
    }
    return any;
}

typedef struct init_words {
    arena memory;
    const char **v;
    size_t n, cap;
} init_words;

static void init_word(init_words *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->v[i], word) == 0) return;
    w->v = MEM_GROW(w->v, w->n, &w->cap);
    w->v[w->n++] = word;
}

/* The names, and the folders of names as patterns: `stem.*`. */
static void init_words_of(init_words *w, const net_tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        init_word(w, t[i].name);
        for (const char *dot = strchr(t[i].name, '.'); dot; dot = strchr(dot + 1, '.'))
            init_word(w, arena_printf(&w->memory, "%.*s.*", (int)(dot - t[i].name), t[i].name));
    }
}

const char *init_suggest(const net *n, const char *pattern, bool buffers, arena *a)
{
    init_words w = {0};
    init_words_of(&w, n->weights, n->n_weights);
    if (buffers) init_words_of(&w, n->buffers, n->n_buffers);
    const char *whole = arena_printf(a, "%s.*", pattern), *hint = NULL;
    for (size_t i = 0; i < w.n && !hint; i++) /* a layer's name */
        if (strcmp(w.v[i], whole) == 0)
            hint = arena_printf(a, "did you mean `%s`, all of that layer?", whole);
    if (!hint) hint = suggest_near(a, pattern, w.v, w.n);
    if (!hint && w.n) hint = arena_printf(a, "names look like `%s`", w.v[0]);
    mem_free(w.v);
    arena_free(&w.memory);
    return hint;
}

cvy_status init_freeze(const init_settings *s, net *n, errors *e)
{
    size_t before = errors_count(e);
    for (size_t i = 0; i < s->n_freeze; i++) {
        const char *pattern = s->freeze[i].pattern;
        bool weights = init_freeze_matching(n->weights, n->n_weights, pattern),
             buffers = init_freeze_matching(n->buffers, n->n_buffers, pattern);
        if (weights || buffers) continue;
        arena words = {0};
        errors_add(e, CVY_ERR_CONFIG, &s->freeze[i].at, init_suggest(n, pattern, true, &words),
                   "freeze: no weight or buffer is called \"%.200s\"", pattern);
        arena_free(&words);
    }
    errors_push(e, "freeze");
    freeze_settle(n, &s->freeze_at, e);
    if (s->n_freeze && n->n_weights && freeze_trainable(n) == 0 && errors_count(e) == before)
        errors_add(e, CVY_ERR_CONFIG, &s->freeze_at, "leave at least the last layer out of it",
                   "every weight is frozen, and nothing is left to train");
    errors_pop(e);
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

/* ---- names ---- */

char *init_their_name(const init_settings *s, const char *ours, const init_rename **rule)
{
    pattern_captures c = {0};
    *rule = NULL;
    for (size_t i = 0; i < s->n_map && !*rule; i++)
        if (strcmp(s->map[i].ours, ours) == 0) *rule = &s->map[i];
    for (size_t i = 0; i < s->n_map && !*rule; i++)
        if (pattern_match(s->map[i].ours, ours, &c)) *rule = &s->map[i];
    if (!*rule) return mem_text(ours);
    return (*rule)->theirs ? pattern_fill((*rule)->theirs, &c) : NULL;
}

static void init_write_frozen(const net_tensor *t, size_t n, json_writer *w)
{
    for (size_t i = 0; i < n; i++)
        if (t[i].frozen) json_text(w, t[i].name);
}

void init_write(const init_settings *s, const net *n, json_writer *w)
{
    json_key(w, "map");
    json_open(w, '[');
    for (size_t i = 0; i < s->n_map; i++) { /* their order counts */
        json_text(w, s->map[i].ours);
        json_text(w, s->map[i].theirs);
    }
    json_close(w, ']');
    json_key(w, "freeze");
    json_open(w, '[');
    init_write_frozen(n->weights, n->n_weights, w);
    init_write_frozen(n->buffers, n->n_buffers, w);
    json_close(w, ']');
}
