/* Owns the sizes of samples: as they are in the dataset, after each step of augmentation, and as groups of equal shape in
 * front of the network. Must not know batches or networks. */
#include "train/sizes.h"

#include <stdlib.h>
#include <string.h>

#include "train/blame.h"

/* Which training samples a step that mixes may choose from: those of equal shape in front of it stand together. */
typedef struct sizes_mates {
    int32_t *kind;    /* of a size: samples of equal kind are of equal shape here */
    int64_t *members; /* numbers within the training part, by kind, ascending in each */
    int64_t *start;   /* (kinds + 1) in there */
} sizes_mates;

bool sizes_can_be(const cvy_shape *s)
{
    int64_t count = 1;
    if (s->rank < 1 || s->rank >= CVY_MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 1 || __builtin_mul_overflow(count, s->dim[i], &count)) return false;
    return count <= INT64_MAX / 64;
}

bool sizes_same(const cvy_shape *a, const cvy_shape *b)
{
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++) same = a->dim[i] == b->dim[i];
    return same;
}

void sizes_text(const cvy_shape *s, text *out)
{
    for (int i = 0; i < s->rank; i++) text_printf(out, i ? "x%lld" : "%lld", (long long)s->dim[i]);
}

/* ---- as they are in the dataset ---- */

int sizes_check(const data *d, const cvy_dataset_read *r)
{
    const cvy_shape *most = &d->info.sample, *own = &r->shape;
    bool fits = own->rank == most->rank;
    for (int i = 0; fits && i < own->rank; i++)
        fits =
            i < own->rank - 2 ? own->dim[i] == most->dim[i] : own->dim[i] >= 1 && own->dim[i] <= most->dim[i];
    if (fits) return 0;
    if (own->rank < 1 || own->rank > CVY_MAX_RANK) return cvy_fail(r, "read gave no shape of the sample");
    text found = {0}, allowed = {0};
    sizes_text(own, &found);
    sizes_text(most, &allowed);
    int failed = cvy_fail(r, "read gave the shape %s, and open declared %s as the largest", text_str(&found),
                          text_str(&allowed));
    text_free(&found);
    text_free(&allowed);
    return failed;
}

/* Both sides in one number; they are below 2^32 in what can be held at all. */
static uint64_t sizes_key(const cvy_shape *s)
{
    return (uint64_t)s->dim[s->rank - 2] << 32 | (uint64_t)s->dim[s->rank - 1];
}

cvy_status sizes_expect(data *d, cvy_split split, errors *e)
{
    if (!d->info.varied) return CVY_OK;
    d->sides[split] = mem_try((size_t)d->info.n[split] + 1, sizeof *d->sides[split]);
    if (d->sides[split]) return CVY_OK;
    return errors_add(e, CVY_ERR_RESOURCE, &d->at, NULL, "not enough memory for the sizes of %lld samples",
                      (long long)d->info.n[split]);
}

void sizes_note(data *d, cvy_split split, int64_t i, const cvy_shape *shape)
{
    if (d->sides[split]) d->sides[split][i] = sizes_key(shape);
}

static cvy_split sizes_split(data_part part)
{
    return part == DATA_TEST ? CVY_TEST : CVY_TRAIN;
}

static int sizes_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The different ones among those used, ascending. */
static uint64_t *sizes_distinct(const data *d, size_t *n)
{
    int64_t all = 0;
    for (int p = 0; p < DATA_PARTS; p++) all += d->n[p];
    uint64_t *keys = mem_array((size_t)all + 1, sizeof *keys);
    *n = 0;
    for (int p = 0; p < DATA_PARTS; p++) {
        const uint64_t *from = d->sides[sizes_split((data_part)p)];
        for (int64_t i = 0; i < d->n[p]; i++) keys[(*n)++] = from[d->index[p][i]];
    }
    qsort(keys, *n, sizeof *keys, sizes_order);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (!kept || keys[kept - 1] != keys[i]) keys[kept++] = keys[i];
    *n = kept;
    return keys;
}

/* From sides to sizes; what is not used has none. */
static void sizes_number(data *d, const uint64_t *keys, size_t n, char *trained)
{
    for (int split = 0; split < 2; split++) {
        d->size_of[split] = mem_array((size_t)d->info.n[split] + 1, sizeof(int32_t));
        for (int64_t i = 0; i < d->info.n[split]; i++) d->size_of[split][i] = -1;
    }
    for (int p = 0; p < DATA_PARTS; p++) {
        const cvy_split split = sizes_split((data_part)p);
        for (int64_t i = 0; i < d->n[p]; i++) {
            const int64_t at = d->index[p][i];
            const uint64_t *found = bsearch(&d->sides[split][at], keys, n, sizeof *keys, sizes_order);
            d->size_of[split][at] = (int32_t)(found - keys);
            if (p == DATA_TRAIN) trained[found - keys] = 1;
        }
    }
}

const data_size *sizes_of(const data *d, cvy_split split, int64_t i)
{
    return &d->sizes[d->size_of[split] ? d->size_of[split][i] : 0];
}

/* ---- through the augmentation ---- */

/* What step k makes of *in, for samples that are read as `how`. */
static int sizes_infer(const data *d, size_t k, const cvy_shape *in, cvy_shape *out, errors *e)
{
    const cvy_child *step = d->steps[k].child;
    errors_push(e, "%s (%s)", d->steps[k].path, step->plugin->name);
    const bool copies = d->steps[k].when & STEP_IN_COPIES_ALONE;
    host h = host_make(e, CVY_ERR_CONFIG, copies ? &d->settings->eval_at : &d->at, d->seed, NULL);
    size_t before = errors_count(e);
    int failed = ((const cvy_augment *)step->plugin->type)->infer(&h.face, step->config, in, out);
    if (!failed && (out->rank != in->rank || !sizes_can_be(out)))
        failed = h.face.fail(&h.face, "infer declared a shape that cannot be");
    if (failed && errors_count(e) == before) h.face.fail(&h.face, "infer failed without saying why");
    if (!failed) failed = steps_check(d, k, in, out, &h.face);
    errors_pop(e);
    return failed;
}

/* A step is asked once for each shape that it meets, so that what it finds wrong is said once. */
static cvy_status sizes_chain(const data *d, data_size *s, data_how how, const data_how *known,
                              size_t n_known, errors *e)
{
    cvy_shape *shapes = s->shapes[how];
    for (size_t k = 0; k < d->n_steps; k++) {
        shapes[k + 1] = shapes[k];
        if (!steps_apply(d, k, how)) continue;
        bool found = false;
        for (size_t i = 0; i < n_known && !found; i++) {
            const cvy_shape *other = s->shapes[known[i]];
            found = steps_apply(d, k, known[i]) && sizes_same(&other[k], &shapes[k]);
            if (found) shapes[k + 1] = other[k + 1];
        }
        if (!found && sizes_infer(d, k, &shapes[k], &shapes[k + 1], e)) return errors_status(e);
    }
    return CVY_OK;
}

/* One size of samples in all ways they are read. What no training sample has, training does not meet. */
static cvy_status sizes_chains(data *d, data_size *s, const cvy_shape *raw, bool trained, bool alone,
                               errors *e)
{
    static const data_how ways[] = {DATA_AS_TRAINING, DATA_AS_EVALUATION, DATA_AS_COPY};
    text name = {0};
    sizes_text(raw, &name);
    if (!alone) errors_push(e, "samples of %s", text_str(&name));
    cvy_status status = CVY_OK;
    for (size_t i = trained ? 0 : 1; i < DATA_HOWS && !status; i++) {
        const size_t first = trained ? 0 : 1;
        s->shapes[ways[i]] = arena_array(&d->memory, d->n_steps + 1, sizeof(cvy_shape));
        s->shapes[ways[i]][0] = *raw;
        status = sizes_chain(d, s, ways[i], ways + first, i - first, e);
    }
    if (!trained) s->shapes[DATA_AS_TRAINING] = s->shapes[DATA_AS_EVALUATION];
    if (!alone) errors_pop(e);
    text_free(&name);
    return status;
}

cvy_status sizes_of_other(const data *d, const cvy_shape *raw, data_how how, cvy_shape *shapes, errors *e)
{
    data_size s = {0};
    s.shapes[how] = shapes;
    shapes[0] = *raw;
    return sizes_chain(d, &s, how, NULL, 0, e);
}

/* ---- groups ---- */

static int sizes_larger(const void *a, const void *b)
{
    const cvy_shape *x = a, *y = b;
    const int64_t p = cvy_count(x), q = cvy_count(y);
    if (p != q) return p > q ? -1 : 1;
    for (int i = 0; i < x->rank; i++)
        if (x->dim[i] != y->dim[i]) return x->dim[i] > y->dim[i] ? -1 : 1;
    return 0;
}

/* Leaves each once, the largest first; returns how many. */
static size_t sizes_unique(cvy_shape *all, size_t n)
{
    size_t kept = 0;
    qsort(all, n, sizeof *all, sizes_larger);
    for (size_t i = 0; i < n; i++)
        if (!kept || !sizes_same(&all[kept - 1], &all[i])) all[kept++] = all[i];
    return kept;
}

static int32_t sizes_find(const cvy_shape *all, size_t n, const cvy_shape *shape)
{
    const cvy_shape *found = bsearch(shape, all, n, sizeof *all, sizes_larger);
    return (int32_t)(found - all);
}

static void sizes_group(data *d)
{
    const size_t n = d->n_sizes * DATA_HOWS;
    d->groups = arena_array(&d->memory, n, sizeof *d->groups);
    for (size_t i = 0; i < n; i++) d->groups[i] = d->sizes[i / DATA_HOWS].shapes[i % DATA_HOWS][d->n_steps];
    d->n_groups = sizes_unique(d->groups, n);
    for (size_t i = 0; i < n; i++) {
        data_size *s = &d->sizes[i / DATA_HOWS];
        s->group[i % DATA_HOWS] = sizes_find(d->groups, d->n_groups, &s->shapes[i % DATA_HOWS][d->n_steps]);
    }
    d->sample = d->groups[0];
}

size_t data_group_of(const data *d, data_part part, int64_t i)
{
    if (d->n_groups == 1) return 0;
    const data_size *s = sizes_of(d, sizes_split(part), d->index[part][i]);
    return (size_t)s->group[part == DATA_TRAIN ? DATA_AS_TRAINING : DATA_AS_EVALUATION];
}

void sizes_count(data *d)
{
    for (int p = 0; p < DATA_PARTS; p++) {
        if (!d->grouped[p]) d->grouped[p] = mem_array(d->n_groups, sizeof(int64_t));
        memset(d->grouped[p], 0, d->n_groups * sizeof(int64_t));
        if (d->n_groups == 1)
            d->grouped[p][0] = d->n[p];
        else
            for (int64_t i = 0; i < d->n[p]; i++) d->grouped[p][data_group_of(d, (data_part)p, i)]++;
    }
}

/* ---- for the steps ---- */

const cvy_shape *sizes_common(const data *d, data_how how, size_t k)
{
    const cvy_shape *first = NULL;
    for (int64_t i = 0; i < d->n[DATA_TRAIN]; i++) {
        const cvy_shape *own = &sizes_of(d, CVY_TRAIN, d->index[DATA_TRAIN][i])->shapes[how][k];
        if (first && !sizes_same(first, own)) return NULL;
        first = own;
        if (d->n_sizes == 1) break;
    }
    return first;
}

static void sizes_find_mates(data *d, size_t k)
{
    const int64_t n = d->n[DATA_TRAIN];
    sizes_mates *m = &d->mates[k];
    m->kind = arena_array(&d->memory, d->n_sizes, sizeof *m->kind);
    m->start = arena_array(&d->memory, d->n_sizes + 1, sizeof *m->start);
    m->members = arena_array(&d->memory, (size_t)n, sizeof *m->members);
    cvy_shape *kinds = mem_array(d->n_sizes, sizeof *kinds);
    for (size_t s = 0; s < d->n_sizes; s++) kinds[s] = d->sizes[s].shapes[DATA_AS_TRAINING][k];
    const size_t n_kinds = sizes_unique(kinds, d->n_sizes);
    for (size_t s = 0; s < d->n_sizes; s++)
        m->kind[s] = sizes_find(kinds, n_kinds, &d->sizes[s].shapes[DATA_AS_TRAINING][k]);
    mem_free(kinds);
    const int32_t *size_of = d->size_of[CVY_TRAIN];
    const int64_t *index = d->index[DATA_TRAIN];
    for (int64_t i = 0; i < n; i++) m->start[m->kind[size_of[index[i]]] + 1]++;
    for (size_t s = 0; s < d->n_sizes; s++) m->start[s + 1] += m->start[s];
    int64_t *next = mem_copy(m->start, (d->n_sizes + 1) * sizeof *next);
    for (int64_t i = 0; i < n; i++) m->members[next[m->kind[size_of[index[i]]]]++] = i;
    mem_free(next);
}

const int64_t *sizes_peers(const data *d, size_t k, int64_t i, int64_t *n)
{
    *n = d->n[DATA_TRAIN];
    if (!d->mates || !d->mates[k].kind) return NULL;
    const sizes_mates *m = &d->mates[k];
    const int32_t kind = m->kind[d->size_of[CVY_TRAIN][d->index[DATA_TRAIN][i]]];
    *n = m->start[kind + 1] - m->start[kind];
    return m->members + m->start[kind];
}

/* ---- together ---- */

cvy_status sizes_settle(data *d, errors *e)
{
    uint64_t *keys = NULL;
    d->n_sizes = 1;
    const bool known = d->index[DATA_TRAIN] != NULL; /* and not recalled without its samples */
    if (d->info.varied && known) keys = sizes_distinct(d, &d->n_sizes);
    d->sizes = arena_array(&d->memory, d->n_sizes, sizeof *d->sizes);
    char *trained = mem_array(d->n_sizes, 1);
    trained[0] = !keys;
    if (keys) sizes_number(d, keys, d->n_sizes, trained);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < d->n_sizes && !status; i++) {
        cvy_shape raw = d->info.sample;
        if (keys) raw.dim[raw.rank - 2] = (int64_t)(keys[i] >> 32);
        if (keys) raw.dim[raw.rank - 1] = (int64_t)(keys[i] & UINT32_MAX);
        status = sizes_chains(d, &d->sizes[i], &raw, trained[i], d->n_sizes == 1, e);
    }
    mem_free(trained);
    mem_free(keys);
    if (status) return status;
    sizes_group(d);
    sizes_count(d);
    d->largest = cvy_count(&d->info.sample);
    for (size_t i = 0; i < d->n_sizes * DATA_HOWS; i++)
        for (size_t k = 0; k <= d->n_steps; k++) {
            const int64_t count = cvy_count(&d->sizes[i / DATA_HOWS].shapes[i % DATA_HOWS][k]);
            if (count > d->largest) d->largest = count;
        }
    if (d->mixes && d->n_sizes > 1) d->mates = arena_array(&d->memory, d->n_steps, sizeof *d->mates);
    for (size_t k = 0; d->mates && k < d->n_steps; k++)
        if (d->steps[k].traits & CVY_AUGMENT_MIX) sizes_find_mates(d, k);
    return CVY_OK;
}

void sizes_free(data *d)
{
    for (int split = 0; split < 2; split++) {
        mem_free(d->sides[split]);
        mem_free(d->size_of[split]);
    }
    for (int p = 0; p < DATA_PARTS; p++) mem_free(d->grouped[p]);
}
