/* Tests core/train/checkpoint: what was saved comes back whole, and nothing comes back from a file that is not it. */
#include "lab.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "train/checkpoint.h"
#include "train/safetensors.h"

static const char experiment_text[] = "dataset: {type: brittle, classes: 4}\n"
                                      "model: [{conv2d: {channels: %d, kernel: 3, padding: 1}}, batch_norm, "
                                      "relu, flatten, {linear: {units: classes}}]\n"
                                      "train: {optimizer: adam}\n";

typedef struct saved {
    lab l;
    state *s;
    optimizer o;
    best_copy best;
    progress_point at;
} saved;

static float *filled(int64_t n, float first)
{
    float *v = mem_array((size_t)n + 1, sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = first + (float)i;
    return v;
}

static saved make(int channels, float first)
{
    char *yaml = lab_text(experiment_text, channels);
    saved m = {.l = lab_open(yaml)};
    mem_free(yaml);
    const net *n = m.l.s->net;
    m.s = state_new(n, 1, true, &m.l.e);
    assert_int_equal(optimizer_init(&m.o, &m.l.s->train.optimizer, m.s, &m.l.e), CVY_OK);
    assert_int_equal(m.o.n_slots, 2);
    for (int64_t i = 0; i < n->weight_floats; i++) {
        m.s->weights[i] = first + (float)i;
        m.o.slots[0][i] = first + 0.25f + (float)i;
        m.o.slots[1][i] = first + 0.5f + (float)i;
    }
    for (int64_t i = 0; i < n->buffer_floats; i++) m.s->buffers[i] = -first - (float)i;
    m.best = (best_copy){filled(n->weight_floats, first + 1000), filled(n->buffer_floats, first + 2000)};
    char *folder = path_join(m.l.dir, "checkpoints");
    assert_int_equal(file_make_dirs(folder, &m.l.e), CVY_OK);
    mem_free(folder);
    return m;
}

static void drop(saved *m)
{
    optimizer_free(&m->o);
    state_free(m->s);
    mem_free(m->best.weights);
    mem_free(m->best.buffers);
    lab_close(&m->l);
}

static cvy_status save(saved *m, const char *hash)
{
    return checkpoint_write_last(m->l.dir, m->s, &m->o, &m->best, &m->at, hash, &m->l.e);
}

static cvy_status load(saved *into, const saved *from, const char *hash)
{
    bool found = false;
    cvy_status status = checkpoint_read_last(from->l.dir, into->s, &into->o, &into->best, &into->at, hash,
                                             &found, &into->l.e);
    assert_true(found);
    return status;
}

/* That every tensor of a equals that of b; the gaps between tensors are nobody's. */
static void same_tensors(const net *n, const float *a, const float *b, bool buffers)
{
    const net_tensor *t = buffers ? n->buffers : n->weights;
    for (size_t i = 0; i < (buffers ? n->n_buffers : n->n_weights); i++)
        assert_memory_equal(a + t[i].offset, b + t[i].offset, (size_t)t[i].count * sizeof(float));
}

static void same(const saved *a, const saved *b, bool best)
{
    const net *n = a->l.s->net;
    same_tensors(n, a->s->weights, b->s->weights, false);
    same_tensors(n, a->s->buffers, b->s->buffers, true);
    for (int i = 0; i < 2; i++) same_tensors(n, a->o.slots[i], b->o.slots[i], false);
    if (best) same_tensors(n, a->best.weights, b->best.weights, false);
    if (best) same_tensors(n, a->best.buffers, b->best.buffers, true);
    assert_int_equal(a->at.step, b->at.step);
    assert_int_equal(a->at.epoch, b->at.epoch);
    assert_int_equal(a->at.batch, b->at.batch);
    assert_int_equal(a->at.best_epoch, b->at.best_epoch);
    assert_true(a->at.best_value == b->at.best_value && a->at.finished == b->at.finished);
    assert_memory_equal(&a->at.sums, &b->at.sums, sizeof a->at.sums);
}

static void test_round_trip(void **unused)
{
    (void)unused;
    saved a = make(4, 1), b = make(4, 7);
    a.at = (progress_point){.step = 25,
                            .epoch = 2,
                            .batch = 5,
                            .sums = {.loss = 1.0 / 3, .samples = 160, .top1 = 33, .top5 = 99},
                            .best_epoch = 1,
                            .best_value = 0.1};
    assert_int_equal(save(&a, "hash"), CVY_OK);
    uint64_t version = b.s->version;
    assert_int_equal(load(&b, &a, "hash"), CVY_OK);
    same(&a, &b, true);
    assert_true(b.s->version > version); /* kernels must pack the new weights */

    /* Equal states give equal bytes. */
    size_t n, m;
    assert_int_equal(save(&b, "hash"), CVY_OK);
    char *x = lab_file(&a.l, "checkpoints/last.safetensors", &n),
         *y = lab_file(&b.l, "checkpoints/last.safetensors", &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    mem_free(x), mem_free(y);
    drop(&a), drop(&b);
}

/* Where the best is the present, it is not written twice, and yet comes back. */
static void test_best_is_the_present(void **unused)
{
    (void)unused;
    saved a = make(4, 1), b = make(4, 7);
    const net *n = a.l.s->net;
    a.at = (progress_point){.step = 20, .epoch = 2, .best_epoch = 2, .best_value = 0.5};
    memcpy(a.best.weights, a.s->weights, (size_t)n->weight_floats * sizeof(float));
    memcpy(a.best.buffers, a.s->buffers, (size_t)n->buffer_floats * sizeof(float));
    assert_int_equal(save(&a, "hash"), CVY_OK);
    safetensors f;
    char *path = path_join(a.l.dir, "checkpoints/last.safetensors");
    assert_int_equal(safetensors_read(path, &f, &a.l.e), CVY_OK);
    assert_int_equal(f.n, 3 * n->n_weights + n->n_buffers);
    safetensors_free(&f);
    mem_free(path);
    assert_int_equal(load(&b, &a, "hash"), CVY_OK);
    same(&a, &b, true);
    drop(&a), drop(&b);
}

static void put(const saved *a, const char *bytes, size_t n)
{
    char *path = path_join(a->l.dir, "checkpoints/last.safetensors");
    assert_int_equal(file_replace(path, bytes, n, NULL), CVY_OK);
    mem_free(path);
}

static void test_none_yet(void **unused)
{
    (void)unused;
    saved a = make(4, 1);
    bool found = true;
    assert_int_equal(checkpoint_read_last(a.l.dir, a.s, &a.o, &a.best, &a.at, "hash", &found, &a.l.e),
                     CVY_OK);
    assert_false(found);
    put(&a, "", 0); /* what a power cut leaves of a file that nobody had waited for */
    assert_int_equal(checkpoint_read_last(a.l.dir, a.s, &a.o, &a.best, &a.at, "hash", &found, &a.l.e),
                     CVY_OK);
    assert_false(found);
    drop(&a);
}

/* That reading fails, says why, and leaves everything as it was. */
static void refuses(saved *into, const saved *from, const char *hash, const char *why)
{
    saved before = make(4, 7);
    into->at = before.at = (progress_point){.step = 3, .best_value = 2};
    assert_int_equal(load(into, from, hash), CVY_ERR_CONFIG);
    lab_says(&into->l, why);
    same(into, &before, true);
    drop(&before);
}

static void test_another_configuration(void **unused)
{
    (void)unused;
    saved a = make(4, 1), b = make(4, 7), wider = make(6, 1);
    a.at = wider.at = (progress_point){.step = 1, .batch = 1};
    assert_int_equal(save(&a, "hash"), CVY_OK);
    refuses(&b, &a, "other", "is the checkpoint of another configuration");
    assert_int_equal(save(&wider, "hash"), CVY_OK);
    refuses(&b, &wider, "hash", "tensor \"0.weight\" is of another shape");
    drop(&a), drop(&b), drop(&wider);
}

static void test_damaged(void **unused)
{
    (void)unused;
    saved a = make(4, 1), b = make(4, 7);
    a.at = (progress_point){.step = 1, .batch = 1};
    assert_int_equal(save(&a, "hash"), CVY_OK);
    size_t n;
    char *bytes = lab_file(&a.l, "checkpoints/last.safetensors", &n);
    put(&a, bytes, n - 4);
    refuses(&b, &a, "hash", "last.safetensors");
    put(&a, bytes, 3);
    refuses(&b, &a, "hash", "last.safetensors");
    for (size_t at = n - 1; at > n - 2000; at -= 371) { /* one bit, anywhere in the tensors */
        bytes[at] ^= 4;
        put(&a, bytes, n);
        refuses(&b, &a, "hash", "is damaged: its tensors do not have their checksum");
        bytes[at] ^= 4;
    }
    put(&a, bytes, n);
    assert_int_equal(load(&b, &a, "hash"), CVY_OK);
    mem_free(bytes);
    drop(&a), drop(&b);
}

/* Files that are in order, and not of this run: `change` says what to write other than what was read. */
static void rewrite(const saved *a, size_t leave_out, const char *key, const char *value)
{
    char *path = path_join(a->l.dir, "checkpoints/last.safetensors");
    safetensors f;
    errors e = {0};
    assert_int_equal(safetensors_read(path, &f, &e), CVY_OK);
    size_t n = f.n;
    if (leave_out < n)
        memmove(&f.items[leave_out], &f.items[leave_out + 1], (--n - leave_out) * sizeof *f.items);
    for (size_t i = 0; i < f.n_metadata; i++)
        if (key && strcmp(f.keys[i], key) == 0) f.values[i] = value;
    assert_int_equal(safetensors_write(path, f.items, n, f.keys, f.values, f.n_metadata, &e), CVY_OK);
    safetensors_free(&f);
    mem_free(path);
}

static void test_not_whole(void **unused)
{
    (void)unused;
    saved a = make(4, 1), b = make(4, 7);
    a.at = (progress_point){.step = 1, .batch = 1};
    const struct {
        const char *key, *value, *why;
    } wrong[] = {
        {"format", "convoy-checkpoint-99", "is no checkpoint of this version"},
        {"step", "-3", "lacks the position of the run"},
        {"step", "x", "lacks the position of the run"},
        {"sums", "0x1p0", "lacks the position of the run"},
        {"best", "", "lacks the position of the run"},
        {"crc32c", "", "is damaged"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(save(&a, "hash"), CVY_OK);
        rewrite(&a, SIZE_MAX, wrong[i].key, wrong[i].value);
        refuses(&b, &a, "hash", wrong[i].why);
    }
    drop(&a), drop(&b);
}

/* Without one of its tensors, at whichever place, and with the checksum of what is left. */
static void test_missing_tensor(void **unused)
{
    (void)unused;
    saved a = make(4, 1), b = make(4, 7);
    a.at = (progress_point){.step = 11, .epoch = 1, .batch = 1, .best_epoch = 1};
    const net *n = a.l.s->net;
    size_t tensors = 4 * n->n_weights + 2 * n->n_buffers;
    for (size_t k = 0; k < tensors; k++) {
        assert_int_equal(save(&a, "hash"), CVY_OK);
        safetensors f;
        char *path = path_join(a.l.dir, "checkpoints/last.safetensors"), sum[16];
        assert_int_equal(safetensors_read(path, &f, &a.l.e), CVY_OK);
        assert_int_equal(f.n, tensors);
        uint32_t crc = 0;
        for (size_t i = 0; i < f.n; i++)
            if (i != k) crc = crc32c(crc, f.items[i].data, (size_t)f.items[i].count * sizeof(float));
        snprintf(sum, sizeof sum, "%08x", crc);
        char *why = lab_text("tensor \"%s\" is missing", f.items[k].name);
        rewrite(&a, k, "crc32c", sum);
        refuses(&b, &a, "hash", why);
        mem_free(why);
        safetensors_free(&f);
        mem_free(path);
    }
    drop(&a), drop(&b);
}

static void test_surplus_tensor(void **unused)
{
    (void)unused;
    saved a = make(4, 1), b = make(4, 7);
    /* The same file with the best in it, at a position that has none. */
    a.at = (progress_point){.step = 11, .epoch = 1, .batch = 1, .best_epoch = 1};
    assert_int_equal(save(&a, "hash"), CVY_OK);
    rewrite(&a, SIZE_MAX, "best", "0 0x0p+0");
    refuses(&b, &a, "hash", "tensors, expected");
    drop(&a), drop(&b);
}

static void test_leftovers(void **unused)
{
    (void)unused;
    saved a = make(4, 1);
    static const char *const names[] = {"checkpoints/.last.safetensors.123.0.tmp",
                                        "checkpoints/.best.safetensors.9.7.tmp", "checkpoints/.mine.tmp",
                                        "checkpoints/last.safetensors.tmp"};
    for (size_t i = 0; i < 4; i++) {
        char *path = path_join(a.l.dir, names[i]);
        assert_int_equal(file_replace(path, "x", 1, NULL), CVY_OK);
        mem_free(path);
    }
    checkpoint_tidy(a.l.dir);
    for (size_t i = 0; i < 4; i++) {
        char *path = path_join(a.l.dir, names[i]);
        assert_int_equal(file_exists(path), i >= 2);
        mem_free(path);
    }
    checkpoint_tidy("/nowhere");
    drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_best_is_the_present),
        cmocka_unit_test(test_none_yet),       cmocka_unit_test(test_another_configuration),
        cmocka_unit_test(test_damaged),        cmocka_unit_test(test_not_whole),
        cmocka_unit_test(test_missing_tensor), cmocka_unit_test(test_surplus_tensor),
        cmocka_unit_test(test_leftovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
