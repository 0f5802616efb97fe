/* Matches the tensors of a file with those of a network and copies them; must not know the file format's bytes. */
#include "train/weights.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "config/suggest.h"
#include "train/checkpoint.h"
#include "train/pattern.h"
#include "train/safetensors.h"

/* One of the network's tensors, and the file's that it takes. */
typedef struct weights_pair {
    const net_tensor *ours;
    float *into;  /* NULL while only checked */
    char *wanted; /* its name in the file; NULL: left as initialised */
    const safetensor *theirs;
    bool ruled; /* by an entry of `map` for it alone */
} weights_pair;

typedef struct weights_match {
    const init_settings *s;
    safetensors file;
    weights_pair *pairs;
    size_t n;
    bool *used; /* per tensor of the file */
    errors *e;
} weights_match;

static place weights_place(const weights_match *m, const safetensor *t)
{
    return PLACE_AT(m->s->from, m->file.offsets[t - m->file.items]);
}

/* ---- shapes ---- */

/* The dimensions that are not 1. */
static cvy_shape weights_squeezed(const cvy_shape *s)
{
    cvy_shape out = {0};
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] != 1) out.dim[out.rank++] = s->dim[i];
    return out;
}

/* Whether `fine` with neighbouring dimensions multiplied is `coarse`: then the elements lie in the same order with the
 * same meaning. That (64, 3, 7, 7) and (64, 7, 7, 3) have as many is not enough. */
static bool weights_merges(const cvy_shape *fine, const cvy_shape *coarse)
{
    int k = 0;
    for (int i = 0; i < coarse->rank; i++) {
        int64_t product = 1;
        while (k < fine->rank && product < coarse->dim[i])
            if (__builtin_mul_overflow(product, fine->dim[k++], &product)) return false;
        if (product != coarse->dim[i]) return false;
    }
    return k == fine->rank;
}

static bool weights_reshapes(const cvy_shape *a, const cvy_shape *b)
{
    if (a->rank < 1 || b->rank < 1 || a->dim[0] != b->dim[0]) return false;
    cvy_shape x = weights_squeezed(a), y = weights_squeezed(b);
    return weights_merges(&x, &y) || weights_merges(&y, &x);
}

static const char *weights_shape(arena *a, const cvy_shape *s)
{
    text t = {0};
    text_char(&t, '[');
    for (int i = 0; i < s->rank; i++) text_printf(&t, "%s%lld", i ? ", " : "", (long long)s->dim[i]);
    text_char(&t, ']');
    const char *kept = arena_text(a, text_str(&t));
    text_free(&t);
    return kept;
}

/* ---- names ---- */

static const char *weights_last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* Tensors of the file that are none of a network's: what else a checkpoint of ours holds, PyTorch's count of batches. */
static bool weights_foreign(const weights_match *m, size_t i)
{
    const char *name = m->file.items[i].name, *format = safetensors_metadata(&m->file, "format");
    bool ours = format && strcmp(format, CHECKPOINT_FORMAT) == 0;
    if (ours && (text_starts(name, "optimizer.") || text_starts(name, "best."))) return true;
    return strcmp(weights_last_part(name), "num_batches_tracked") == 0;
}

/* Whether `map` leaves a name of the file out. */
static bool weights_left_out(const weights_match *m, const char *name)
{
    const init_rename *rule;
    char *other = init_their_name(m->s, name, &rule);
    bool out = !other;
    mem_free(other);
    return out;
}

static bool weights_unused(const weights_match *m, size_t i)
{
    return !m->used[i] && !weights_foreign(m, i);
}

/* Comparing names takes time, which a file with a million of them would make very long. */
static bool weights_too_many(const weights_match *m)
{
    return m->file.n > 5000 || m->n > 5000;
}

/* The nearest unused name of the file; else one of the same shape and kind, when there is only one. */
static const char *weights_suggest(const weights_match *m, const weights_pair *p, arena *a)
{
    if (weights_too_many(m)) return NULL;
    const char **names = arena_array(a, m->file.n + 1, sizeof *names), *alike = NULL;
    size_t n = 0, n_alike = 0;
    for (size_t i = 0; i < m->file.n; i++) {
        const safetensor *t = &m->file.items[i];
        if (!weights_unused(m, i)) continue;
        names[n++] = t->name;
        if (!cvy_shape_same(&t->shape, &p->ours->shape) ||
            strcmp(weights_last_part(t->name), weights_last_part(p->ours->name)) != 0)
            continue;
        alike = t->name;
        n_alike++;
    }
    const char *near = text_nearest(p->wanted, names, n);
    const char *safe = near ? suggest_shown(a, near) : n_alike == 1 ? suggest_shown(a, alike) : NULL;
    if (!safe) return NULL;
    return arena_printf(a,
                        near ? "is it `%s`? Then write map: {%s: %s}" : "`%s` has its shape; map: {%s: %s}",
                        safe, p->ours->name, safe);
}

/* ---- checks ---- */

static void weights_check_missing(const weights_match *m, const weights_pair *p, arena *a)
{
    const char *hint = weights_suggest(m, p, a);
    if (!hint)
        hint = arena_printf(
            a, "map: {%s: null} leaves it as initialised, and `strict: false` all that is missing",
            p->ours->name);
    const place at = PLACE_FILE(m->s->from);
    if (strcmp(p->wanted, p->ours->name) == 0)
        errors_add(m->e, CVY_ERR_CONFIG, &at, hint, "has no tensor \"%s\" %s", p->ours->name,
                   weights_shape(a, &p->ours->shape));
    else
        errors_add(m->e, CVY_ERR_CONFIG, &at, hint, "has no tensor \"%s\" for \"%s\" %s",
                   suggest_shown(a, p->wanted), p->ours->name, weights_shape(a, &p->ours->shape));
}

static void weights_check_pair(const weights_match *m, const weights_pair *p, arena *a)
{
    const safetensor *t = p->theirs;
    const place at = weights_place(m, t);
    const char *name = suggest_shown(a, t->name), *dtype = m->file.dtypes[t - m->file.items];
    if (!safetensors_is_float(dtype)) {
        errors_add(m->e, CVY_ERR_CONFIG, &at, "F32, F64, F16 and BF16 can be read",
                   "tensor \"%s\" is of %s, and \"%s\" holds real numbers", name, dtype, p->ours->name);
    } else if (!cvy_shape_same(&t->shape, &p->ours->shape)) {
        const char *found = weights_shape(a, &t->shape), *expected = weights_shape(a, &p->ours->shape);
        const char *whose =
            strcmp(t->name, p->ours->name) ? arena_printf(a, " for \"%s\"", p->ours->name) : "";
        if (weights_reshapes(&t->shape, &p->ours->shape))
            errors_warn(m->e, &at, NULL, "tensor \"%s\" of shape %s is taken as %s%s", name, found, expected,
                        whose);
        else
            errors_add(m->e, CVY_ERR_CONFIG, &at,
                       arena_printf(a, "map: {%s: null} leaves ours as initialised", p->ours->name),
                       "tensor \"%s\" has shape %s, expected %s%s", name, found, expected, whose);
    }
}

static void weights_check_surplus(const weights_match *m, arena *a)
{
    const char **names = arena_array(a, m->n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (!m->pairs[i].theirs) names[n++] = m->pairs[i].ours->name;
    for (size_t i = 0; i < m->file.n; i++) {
        const safetensor *t = &m->file.items[i];
        if (!weights_unused(m, i) || weights_left_out(m, t->name)) continue;
        const char *name = suggest_shown(a, t->name),
                   *near = weights_too_many(m) ? NULL : text_nearest(t->name, names, n);
        const place at = weights_place(m, t);
        errors_add(
            m->e, CVY_ERR_CONFIG, &at,
            near ? arena_printf(a, "is it `%s`? Then write map: {%s: %s}", near, near, name)
                 : arena_printf(a, "map: {%s: null} leaves it out, and `strict: false` all that is surplus",
                                name),
            "tensor \"%s\" %s has no place in the network", name, weights_shape(a, &t->shape));
    }
}

/* "a, b and 12 more" */
static void weights_list(text *t, const char *name, size_t i)
{
    enum { SHOWN = 12 };
    if (i < SHOWN) text_printf(t, "%s%s", i ? ", " : "", name);
    if (i == SHOWN) text_add(t, ", ...");
}

/* What stays as initialised and what is not read, where that is allowed; and what that does to frozen tensors. */
static void weights_tell(const weights_match *m, arena *a)
{
    text ours = {0}, theirs = {0}, frozen = {0};
    size_t n_ours = 0, n_theirs = 0, n_frozen = 0;
    for (size_t i = 0; i < m->n; i++) {
        const weights_pair *p = &m->pairs[i];
        if (p->theirs) continue;
        if (p->wanted) weights_list(&ours, p->ours->name, n_ours++);
        if (p->ours->frozen) weights_list(&frozen, p->ours->name, n_frozen++);
    }
    for (size_t i = 0; i < m->file.n; i++)
        if (weights_unused(m, i) && !weights_left_out(m, m->file.items[i].name))
            weights_list(&theirs, suggest_shown(a, m->file.items[i].name), n_theirs++);
    const place at = PLACE_FILE(m->s->from);
    if (n_ours)
        errors_warn(m->e, &at, NULL, "has nothing for %zu of %zu tensors, which stay as initialised: %s",
                    n_ours, m->n, text_str(&ours));
    if (n_theirs)
        errors_warn(m->e, &at, NULL, "%zu of its %zu tensors are not read: %s", n_theirs, m->file.n,
                    text_str(&theirs));
    if (n_frozen)
        errors_warn(m->e, &m->s->freeze_at, NULL,
                    "freeze: %zu frozen tensors are not loaded and keep their first "
                    "random values: %s",
                    n_frozen, text_str(&frozen));
    text_free(&ours);
    text_free(&theirs);
    text_free(&frozen);
}

/* An entry of `map` that speaks of nothing is a slip. One with null may speak of the file's names too. */
static void weights_check_map(const weights_match *m, arena *a)
{
    const init_settings *s = m->s;
    const char **names = arena_array(a, m->n + 1, sizeof *names);
    for (size_t i = 0; i < m->n; i++) names[i] = m->pairs[i].ours->name;
    for (size_t k = 0; k < s->n_map; k++) {
        init_settings one = {.map = &s->map[k], .n_map = 1};
        const init_rename *rule = NULL;
        for (size_t i = 0; i < m->n && !rule; i++) mem_free(init_their_name(&one, names[i], &rule));
        for (size_t i = 0; i < m->file.n && !rule && !s->map[k].theirs; i++)
            mem_free(init_their_name(&one, m->file.items[i].name, &rule));
        if (rule) continue;
        const char *hint = suggest_near(a, s->map[k].ours, names, m->n);
        for (size_t i = 0; i < m->file.n && !hint; i++)
            if (strcmp(m->file.items[i].name, s->map[k].ours) == 0)
                hint = "that is a name in the file; write map: {OURS: THEIRS}";
        errors_add(m->e, CVY_ERR_CONFIG, &s->map[k].at, hint, "map: no weight or buffer is called \"%s\"",
                   suggest_shown(a, s->map[k].ours));
    }
}

/* ---- matching ---- */

static void weights_pair_all(weights_match *m, const net_tensor *t, size_t n, float *base)
{
    for (size_t i = 0; i < n; i++) {
        const init_rename *rule;
        weights_pair *p = &m->pairs[m->n++];
        *p = (weights_pair){.ours = &t[i], .into = base ? base + t[i].offset : NULL};
        p->wanted = init_their_name(m->s, t[i].name, &rule);
        p->ruled = rule && !pattern_stars(rule->ours);
        p->theirs = p->wanted ? safetensors_find(&m->file, p->wanted) : NULL;
        if (p->theirs) m->used[p->theirs - m->file.items] = true;
    }
}

static void weights_match_make(weights_match *m, const net *n, const state *into)
{
    m->pairs = mem_array(n->n_weights + n->n_buffers + 1, sizeof *m->pairs);
    m->used = mem_array(m->file.n + 1, sizeof *m->used);
    weights_pair_all(m, n->weights, n->n_weights, into ? into->weights : NULL);
    weights_pair_all(m, n->buffers, n->n_buffers, into ? into->buffers : NULL);
}

/* Where little has to fit, nothing at all is a slip still. */
static void weights_no_match(const weights_match *m, arena *a)
{
    const char *wanted = NULL, *hint = NULL;
    for (size_t i = 0; i < m->n && !wanted; i++) wanted = m->pairs[i].wanted;
    if (m->file.n)
        hint = arena_printf(a, "its names look like `%s`, and looked for is `%s`; `map` brings them together",
                            suggest_shown(a, m->file.items[0].name), suggest_shown(a, wanted));
    const place at = PLACE_FILE(m->s->from);
    errors_add(m->e, CVY_ERR_CONFIG, &at, hint, "no tensor in it has the name of one of the network's");
}

static void weights_match_check(const weights_match *m)
{
    arena a = {0};
    size_t before = errors_count(m->e), matched = 0, wanted = 0;
    weights_check_map(m, &a);
    for (size_t i = 0; i < m->n; i++) {
        const weights_pair *p = &m->pairs[i];
        matched += p->theirs != NULL;
        wanted += p->wanted != NULL;
        if (p->theirs)
            weights_check_pair(m, p, &a);
        else if (p->wanted && (m->s->strict || p->ruled)) /* what was asked for by name has to be there */
            weights_check_missing(m, p, &a);
    }
    if (m->s->strict) weights_check_surplus(m, &a);
    if (!m->s->strict && !matched && wanted && errors_count(m->e) == before) weights_no_match(m, &a);
    if (errors_count(m->e) == before) weights_tell(m, &a);
    arena_free(&a);
}

static void weights_match_free(weights_match *m)
{
    for (size_t i = 0; i < m->n; i++) mem_free(m->pairs[i].wanted);
    mem_free(m->pairs);
    mem_free(m->used);
    safetensors_free(&m->file);
}

cvy_status weights_check(const init_settings *s, const net *n, errors *e)
{
    weights_match m = {.s = s, .e = e};
    size_t before = errors_count(e);
    errors_push(e, "init.from");
    if (!file_exists(s->from)) {
        errors_add(e, CVY_ERR_CONFIG, &s->at, "relative to the experiment's file", "there is no file %s",
                   s->from);
    } else if (safetensors_read_header(s->from, &m.file, e) == CVY_OK) {
        weights_match_make(&m, n, NULL);
        weights_match_check(&m);
    }
    errors_pop(e);
    weights_match_free(&m);
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

static cvy_status weights_check_numbers(const weights_match *m, errors *e)
{
    size_t before = errors_count(e);
    const char *format = safetensors_metadata(&m->file, "format");
    const place whole = PLACE_FILE(m->s->from);
    if (format && strcmp(format, CHECKPOINT_FORMAT) == 0 && !checkpoint_is_whole(&m->file))
        errors_add(e, CVY_ERR_CONFIG, &whole, NULL, "is damaged: its tensors do not have their checksum");
    for (size_t i = 0; i < m->n; i++) {
        const safetensor *t = m->pairs[i].theirs;
        int64_t bad = 0;
        for (int64_t k = 0; t && k < t->count; k++) bad += !isfinite(t->data[k]);
        if (!bad) continue;
        const place at = weights_place(m, t);
        char *name = mem_text(t->name);
        text shown = {0};
        text_safe(&shown, name, 120);
        errors_add(e, CVY_ERR_CONFIG, &at,
                   "it comes of a training that diverged, or of another type of numbers",
                   "tensor \"%s\": %lld of %lld numbers are infinite or not a number", text_str(&shown),
                   (long long)bad, (long long)t->count);
        text_free(&shown);
        mem_free(name);
    }
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

cvy_status weights_load(const init_settings *s, state *into, errors *e)
{
    errors own = {0};
    weights_match m = {.s = s, .e = &own};
    errors_push(&own, "init.from");
    cvy_status status = safetensors_read_foreign(s->from, &m.file, &own);
    if (!status) {
        weights_match_make(&m, into->net, into);
        weights_match_check(&m);
        status = errors_status(&own);
    }
    if (!status) status = weights_check_numbers(&m, &own);
    for (size_t i = 0; i < m.n && !status; i++) {
        const weights_pair *p = &m.pairs[i];
        if (p->theirs) memcpy(p->into, p->theirs->data, (size_t)p->theirs->count * sizeof(float));
    }
    if (!status) into->version++;
    errors_pop(&own);
    if (status) errors_move(e, &own); /* the warnings have been told when the run was planned */
    errors_free(&own);
    weights_match_free(&m);
    return status;
}
