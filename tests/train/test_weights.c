/* Tests core/train/weights and init: files of other programs come into a network, and only whole; what is frozen stays to
 * the bit, in training and over a resume. */
#include "lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/safetensors.h"
#include "train/weights.h"

/* ---- files by hand ---- */

static char *folder;

static int make_folder(void **unused)
{
    (void)unused;
    char name[] = "/tmp/convoy-weights-XXXXXX";
    if (!mkdtemp(name)) return -1;
    folder = mem_text(name);
    return 0;
}

static int remove_folder(void **unused)
{
    (void)unused;
    int failed = file_remove_tree(folder, NULL) != CVY_OK;
    mem_free(folder);
    return failed;
}

typedef struct tensor_text {
    const char *name, *dtype, *shape;
    int64_t count;
    double first; /* elements first, first + 1, ... */
} tensor_text;

static int64_t put_number(char *at, const char *dtype, double v)
{
    float f = (float)v;
    uint32_t bits;
    uint16_t half;
    int64_t whole = (int64_t)v;
    memcpy(&bits, &f, sizeof bits);
    if (!strcmp(dtype, "F32")) return memcpy(at, &f, 4), 4;
    if (!strcmp(dtype, "F64")) return memcpy(at, &v, 8), 8;
    if (!strcmp(dtype, "I64")) return memcpy(at, &whole, 8), 8;
    half = (uint16_t)(bits >> 16); /* BF16 */
    return memcpy(at, &half, 2), 2;
}

static void put(const char *name, const char *header, const void *bytes, size_t n)
{
    char *path = path_join(folder, name);
    uint64_t length = strlen(header);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(&length, 1, sizeof length, f);
    fwrite(header, 1, length, f);
    if (n) fwrite(bytes, 1, n, f);
    assert_int_equal(fclose(f), 0);
    mem_free(path);
}

static void put_tensors(const char *name, const tensor_text *t, size_t n)
{
    text header = {0};
    char *bytes = mem_alloc(1 << 16);
    int64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t begin = at;
        for (int64_t k = 0; k < t[i].count; k++)
            at += put_number(bytes + at, t[i].dtype, t[i].first + (double)k);
        text_printf(&header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%lld,%lld]}",
                    i ? "," : "{", t[i].name, t[i].dtype, t[i].shape, (long long)begin, (long long)at);
    }
    text_char(&header, '}');
    put(name, text_str(&header), bytes, (size_t)at);
    text_free(&header);
    mem_free(bytes);
}

/* ---- networks ---- */

static const char model[] =
    "dataset: {type: shapes, train: 60, test: 10, size: 12, validation: 0}\n"
    "model: [{conv2d: {channels: 2, kernel: 3, bias: false, name: stem}}, {batch_norm: {name: "
    "bn}}, relu, global_avg_pool, {linear: {units: classes, name: head}}]\n"
    "train: {epochs: 2, batch_size: 20, checkpoint_seconds: 0, optimizer: {type: adam, lr: "
    "0.01, weight_decay: 0.1}}\n";
enum { CLASSES = 10 };

static const tensor_text good[] = {{"stem.weight", "F32", "[2,3,3,3]", 54, 0.5},
                                   {"bn.weight", "F32", "[2]", 2, 1},
                                   {"bn.bias", "F32", "[2]", 2, 3},
                                   {"bn.running_mean", "F32", "[2]", 2, 5},
                                   {"bn.running_var", "F32", "[2]", 2, 7},
                                   {"bn.num_batches_tracked", "I64", "[]", 1, 4711},
                                   {"head.weight", "F32", "[10,2]", 20, 100},
                                   {"head.bias", "F32", "[10]", 10, 200}};
enum { GOOD = sizeof good / sizeof *good };

static lab try(const char *init)
{
    char *yaml = lab_text("%sinit: {%s}\n", model, init);
    char *whole = NULL; /* `FOLDER` stands for where the files are */
    text t = {0};
    for (const char *s = yaml, *at; *s; s = at) {
        at = strstr(s, "FOLDER");
        if (!at) {
            text_add(&t, s);
            break;
        }
        text_add_n(&t, s, (size_t)(at - s));
        text_add(&t, folder);
        at += strlen("FOLDER");
    }
    whole = text_take(&t);
    lab l = lab_try(whole);
    mem_free(whole);
    mem_free(yaml);
    return l;
}

static lab opened(const char *init)
{
    lab l = try(init);
    if (l.s) return l;
    text t = {0};
    errors_text(&l.e, false, &t);
    fail_msg("refused:\n%s", text_str(&t));
    return l;
}

/* Refused, every one of `parts` (NULL at the end) being told in the same report. */
static void refused(const char *init, const char *const *parts)
{
    lab l = try(init);
    assert_null(l.s);
    text t = {0};
    errors_text(&l.e, false, &t);
    for (; *parts; parts++)
        if (!strstr(text_str(&t), *parts)) fail_msg("expected \"%s\" in:\n%s", *parts, text_str(&t));
    text_free(&t);
    lab_close(&l);
}

#define REFUSED(init, ...) refused(init, (const char *const[]){__VA_ARGS__, NULL})

static state *loaded(lab *l)
{
    state *s = state_new(l->s->net, 1, true, &l->e);
    assert_int_equal(setup_load_weights(l->s, s, &l->e), CVY_OK);
    return s;
}

static const float *find(const state *s, const char *name)
{
    const net *n = s->net;
    for (size_t i = 0; i < n->n_weights; i++)
        if (!strcmp(n->weights[i].name, name)) return s->weights + n->weights[i].offset;
    for (size_t i = 0; i < n->n_buffers; i++)
        if (!strcmp(n->buffers[i].name, name)) return s->buffers + n->buffers[i].offset;
    fail_msg("no tensor %s", name);
    return NULL;
}

static void counts_from(const state *s, const char *name, int64_t n, double first)
{
    const float *v = find(s, name);
    for (int64_t i = 0; i < n; i++)
        if (v[i] != (float)(first + (double)i))
            fail_msg("%s[%lld] is %g, expected %g", name, (long long)i, (double)v[i], first + (double)i);
}

/* ---- what fits ---- */

static void test_good(void **unused)
{
    (void)unused;
    put_tensors("good", good, GOOD);
    lab l = opened("from: FOLDER/good");
    assert_int_equal(l.e.n, 0); /* no warning either */
    assert_int_equal(strlen(l.s->weights_sha256), 64);
    state *s = loaded(&l);
    assert_int_equal(s->version, 2); /* kernels must pack them */
    counts_from(s, "stem.weight", 54, 0.5);
    counts_from(s, "bn.bias", 2, 3);
    counts_from(s, "bn.running_mean", 2, 5);
    counts_from(s, "bn.running_var", 2, 7);
    counts_from(s, "head.weight", 20, 100);
    counts_from(s, "head.bias", 10, 200);
    state_free(s);
    lab_close(&l);
}

static void test_other_numbers(void **unused)
{
    (void)unused;
    /* An odd number of halves in front leaves the floats behind them unaligned. */
    static const tensor_text mixed[] = {
        {"bn.weight", "BF16", "[2]", 2, 1},           {"odd", "BF16", "[1]", 1, 0},
        {"stem.weight", "F32", "[2,3,3,3]", 54, 0.5}, {"bn.bias", "F64", "[2]", 2, 0.1},
        {"bn.running_mean", "BF16", "[2]", 2, -3},    {"bn.running_var", "F64", "[2]", 2, 7},
        {"head.weight", "F64", "[10,2]", 20, 1e-9},   {"head.bias", "F32", "[10]", 10, 200}};
    put_tensors("mixed", mixed, sizeof mixed / sizeof *mixed);
    lab l = opened("from: FOLDER/mixed, map: {odd: null}");
    state *s = loaded(&l);
    counts_from(s, "stem.weight", 54, 0.5);
    counts_from(s, "bn.weight", 2, 1);
    counts_from(s, "bn.bias", 2, 0.1); /* rounded once */
    counts_from(s, "bn.running_mean", 2, -3);
    counts_from(s, "head.weight", 20, 1e-9);
    counts_from(s, "head.bias", 10, 200);
    state_free(s);
    lab_close(&l);
}

/* Half precision, value by value: signs, subnormals, the largest, infinity, NaN. */
static void test_halves(void **unused)
{
    (void)unused;
    static const uint16_t bits[] = {0x0000, 0x8000, 0x3C00, 0xC000, 0x0001,
                                    0x83FF, 0x0400, 0x7BFF, 0x7C00, 0x3555};
    static const double values[] = {0,          -0.0,    1,       -2,       0x1p-24,
                                    -0x3FFp-24, 0x1p-14, 65504.0, INFINITY, 0x1.554p-2};
    put("half", "{\"h\":{\"dtype\":\"F16\",\"shape\":[10],\"data_offsets\":[0,20]}}", bits, sizeof bits);
    char *path = path_join(folder, "half");
    safetensors f;
    assert_int_equal(safetensors_read_foreign(path, &f, NULL), CVY_OK);
    for (int i = 0; i < 10; i++) {
        assert_true((double)f.items[0].data[i] == values[i]);
        assert_int_equal(!!signbit(f.items[0].data[i]), !!signbit(values[i]));
    }
    assert_string_equal(f.dtypes[0], "F16");
    safetensors_free(&f);
    const uint16_t nan = 0x7E00;
    put("nan", "{\"h\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]}}", &nan, sizeof nan);
    mem_free(path);
    path = path_join(folder, "nan");
    assert_int_equal(safetensors_read_foreign(path, &f, NULL), CVY_OK);
    assert_true(isnan(f.items[0].data[0]));
    safetensors_free(&f);
    errors e = {0};
    assert_int_equal(safetensors_read(path, &f, &e), CVY_ERR_CONFIG); /* checkpoints are F32 */
    errors_free(&e);
    mem_free(path);
}

static void test_renamed(void **unused)
{
    (void)unused;
    tensor_text t[GOOD];
    memcpy(t, good, sizeof good);
    t[0].name = "module.conv1.weight";
    t[1].name = "module.norm.weight";
    t[2].name = "module.norm.bias";
    t[3].name = "module.norm.running_mean";
    t[4].name = "module.norm.running_var";
    t[5].name = "module.norm.num_batches_tracked";
    t[6].name = "module.fc.weight";
    t[7].name = "module.fc.bias";
    put_tensors("renamed", t, GOOD);
    /* An exact name goes before a pattern, wherever it stands. */
    lab l = opened(
        "from: FOLDER/renamed, map: {\"bn.*\": \"module.norm.*\", \"*\": \"module.*\", \"head.*\": x.*, "
        "stem.weight: module.conv1.weight, head.weight: module.fc.weight, head.bias: module.fc.bias}");
    state *s = loaded(&l);
    counts_from(s, "stem.weight", 54, 0.5);
    counts_from(s, "bn.running_var", 2, 7);
    counts_from(s, "head.bias", 10, 200);
    state_free(s);
    lab_close(&l);
}

/* A new head on a trained base, strictly: ours stays as initialised, and the file's is not missed. */
static void test_left_out(void **unused)
{
    (void)unused;
    tensor_text t[GOOD];
    memcpy(t, good, sizeof good);
    t[6] = (tensor_text){"head.weight", "F32", "[3,2]", 6, 100}; /* of another shape, even */
    t[7] = (tensor_text){"fc.bias", "F32", "[3]", 3, 100};
    put_tensors("base", t, GOOD);
    lab l = opened("from: FOLDER/base, map: {head.*: null, \"fc.*\": null}, freeze: [head.bias]");
    lab_says(&l, "1 frozen tensors are not loaded and keep their first random values: head.bias");
    state *s = loaded(&l), *fresh = state_new(l.s->net, 1, true, &l.e);
    counts_from(s, "stem.weight", 54, 0.5);
    assert_memory_equal(find(s, "head.weight"), find(fresh, "head.weight"), 20 * sizeof(float));
    state_free(s), state_free(fresh);
    lab_close(&l);
    REFUSED("from: FOLDER/base, map: {head.*: null}", "tensor \"fc.bias\" [3] has no place in the network");
}

static void test_loose(void **unused)
{
    (void)unused;
    tensor_text t[GOOD];
    memcpy(t, good, sizeof good);
    t[7].name = "fc.bias";
    put_tensors("loose", t, GOOD);
    lab l = opened("from: FOLDER/loose, strict: false");
    text told = {0};
    errors_text(&l.e, false, &told);
    assert_non_null(strstr(text_str(&told),
                           "warning: init.from: has nothing for 1 of 7 tensors, which stay as "
                           "initialised: head.bias"));
    assert_non_null(strstr(text_str(&told), "warning: init.from: 1 of its 8 tensors are not read: fc.bias"));
    text_free(&told);
    state *s = loaded(&l);
    counts_from(s, "head.weight", 20, 100);
    state_free(s);
    lab_close(&l);
    /* What is there under its name must fit all the same, and what was asked for by name be there. */
    t[6].shape = "[2,10]";
    put_tensors("loose", t, GOOD);
    REFUSED("from: FOLDER/loose, strict: false, map: {bn.bias: other}",
            "tensor \"head.weight\" has shape [2, 10], expected [10, 2]",
            "has no tensor \"other\" for \"bn.bias\" [2]");
    REFUSED("from: FOLDER/loose, strict: false, map: {\"*\": \"x.*\"}",
            "no tensor in it has the name of one of the network's");
}

/* ---- shapes ---- */

static const char flat[] = "dataset: {type: shapes, train: 60, test: 10, size: 12, validation: 0}\n"
                           "model: [{max_pool2d: {kernel: 6, stride: 6}}, %s, flatten]\n"
                           "init: {from: %s/%s}\n";
static const char linear_layer[] = "flatten, {linear: {units: 10, name: fc}}",
                  conv_layer[] = "{conv2d: {channels: 10, kernel: 2, name: fc}}";

static lab reshaped(const char *layer, const char *file)
{
    char *yaml = lab_text(flat, layer, folder, file);
    lab l = lab_try(yaml);
    mem_free(yaml);
    return l;
}

static void test_reshaped(void **unused)
{
    (void)unused;
    tensor_text t[] = {{"fc.weight", "F32", "[10,12]", 120, 0.5}, {"fc.bias", "F32", "[10]", 10, 3}};
    put_tensors("linear", t, 2);
    t[0].shape = "[10,3,2,2]";
    put_tensors("conv", t, 2);
    const char *const layers[] = {conv_layer, linear_layer}, *const files[] = {"linear", "conv"};
    const char *const said[] = {"tensor \"fc.weight\" of shape [10, 12] is taken as [10, 3, 2, 2]",
                                "tensor \"fc.weight\" of shape [10, 3, 2, 2] is taken as [10, 12]"};
    for (int i = 0; i < 2; i++) {
        lab l = reshaped(layers[i], files[i]);
        assert_non_null(l.s);
        lab_says(&l, said[i]);
        state *s = loaded(&l);
        counts_from(s, "fc.weight", 120, 0.5);
        state_free(s);
        lab_close(&l);
        l = reshaped(layers[i], files[1 - i]);
        assert_int_equal(l.e.n, 0);
        lab_close(&l);
    }
    /* As many elements in another order are not the same weights. */
    static const char *const wrong[] = {"[10,2,2,3]", "[12,10]", "[120]", "[10,4,3]", "[10,12,0]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        t[0].shape = wrong[i];
        t[0].count = i == 4 ? 0 : 120;
        put_tensors("wrong", t, 2);
        lab l = reshaped(conv_layer, "wrong");
        assert_null(l.s);
        lab_says(&l, "expected [10, 3, 2, 2]");
        lab_close(&l);
    }
    t[0].count = 120;
    t[0].shape = "[10,1,12,1]";
    put_tensors("ones", t, 2);
    lab l = reshaped(linear_layer, "ones");
    assert_non_null(l.s);
    lab_close(&l);
}

/* ---- what does not fit ---- */

static void test_all_at_once(void **unused)
{
    (void)unused;
    tensor_text t[GOOD];
    memcpy(t, good, sizeof good);
    t[0].name = "stem.wieght";
    t[1].name = "elsewhere";
    t[3].dtype = "I64";
    t[7].shape = "[5,2]";
    put_tensors("wrong", t, GOOD);
    REFUSED("from: FOLDER/wrong", "init.from: has no tensor \"stem.weight\" [2, 3, 3, 3]",
            "hint: is it `stem.wieght`? Then write map: {stem.weight: stem.wieght}",
            "has no tensor \"bn.weight\" [2]", "tensor \"elsewhere\" [2] has no place in the network",
            "tensor \"bn.running_mean\" is of I64, and \"bn.running_mean\" holds real numbers",
            "tensor \"head.bias\" has shape [5, 2], expected [10]", "/wrong: byte ");
    put_tensors("good", good, GOOD);
    REFUSED("from: FOLDER/good, map: {steem.weight: a, stem.weight: null, \"bn.*\": \"norm.*\"}",
            "map: no weight or buffer is called \"steem.weight\"", "hint: did you mean `stem.weight`?",
            "has no tensor \"norm.weight\" for \"bn.weight\" [2]");
    REFUSED("from: nothing.safetensors", "there is no file");
    REFUSED("from: FOLDER", "no regular file");
}

static void test_hostile(void **unused)
{
    (void)unused;
    static const struct {
        const char *header;
        size_t n_data;
        const char *told;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4194305,4194305,211106198978564],\"data_offsets\":[0,16]}}",
         16, "more elements than can be counted"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693951],\"data_offsets\":[0,16]}}", 16,
         "16 bytes of data for 2305843009213693951 elements"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,32]}}", 32,
         "32 bytes of data for 8 elements"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]}}", 15,
         "leave the file's 15 bytes"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]}}", 18,
         "2 bytes at the end belong to no"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[2,6]},\"b\":{\"dtype\":\"F16\",\"shape\":"
         "[2],"
         "\"data_offsets\":[0,4]}}",
         6, "overlap"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1,
         "is of F4, which is no known type"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         "has 7 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "is no size"},
        {"[]", 0, "the header must begin with '{'"},
        {"{\"a\":", 0, "bad JSON in the header"},
    };
    char zeros[64] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("hostile", cases[i].header, zeros, cases[i].n_data);
        REFUSED("from: FOLDER/hostile, strict: false", cases[i].told, "/hostile");
    }
    /* Cut off at every length, a file is refused and never read beyond. */
    put_tensors("good", good, GOOD);
    char *path = path_join(folder, "good"), *bytes;
    size_t n;
    assert_int_equal(file_read(path, 1 << 20, &bytes, &n, NULL), CVY_OK);
    mem_free(path);
    path = path_join(folder, "cut");
    for (size_t k = 0; k < n; k += k < 16 || k + 16 > n ? 1 : 37) {
        safetensors f;
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(bytes, 1, k, out), k);
        assert_int_equal(fclose(out), 0);
        assert_int_equal(safetensors_read_header(path, &f, NULL), CVY_ERR_CONFIG);
        assert_int_equal(safetensors_read_foreign(path, &f, NULL), CVY_ERR_CONFIG);
    }
    mem_free(bytes);
    mem_free(path);
}

/* Nothing is loaded half: a file that turns out to be bad only in its data leaves the state as it was. */
static void test_not_finite(void **unused)
{
    (void)unused;
    tensor_text t[GOOD];
    memcpy(t, good, sizeof good);
    t[7].first = INFINITY;
    put_tensors("infinite", t, GOOD);
    lab l = opened("from: FOLDER/infinite");
    state *s = state_new(l.s->net, 1, true, &l.e), *fresh = state_new(l.s->net, 1, true, &l.e);
    assert_int_equal(setup_load_weights(l.s, s, &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "tensor \"head.bias\": 10 of 10 numbers are infinite or not a number");
    assert_memory_equal(s->weights, fresh->weights, (size_t)s->net->weight_floats * sizeof(float));
    assert_int_equal(s->version, fresh->version);
    state_free(s), state_free(fresh);
    lab_close(&l);
}

static void test_changed(void **unused)
{
    (void)unused;
    put_tensors("good", good, GOOD);
    lab l = opened("from: FOLDER/good");
    l.s->weights_sha256[0] ^= 1; /* as planned with another content */
    assert_int_equal(lab_train(&l, 0, 0), CVY_ERR_CONFIG);
    lab_says(&l, "changed since the run was planned");
    lab_close(&l);
}

/* ---- the keys ---- */

static void test_keys(void **unused)
{
    (void)unused;
    REFUSED("weights: a", "init: weights: no initialiser plugin named \"a\"");
    REFUSED("weights: a.safetensors", "expected an initialiser, as he_normal", "named with `from`");
    REFUSED("kernel_initializer: a", "unknown key", "this is `weights` here");
    REFUSED("from: model.pt", "only safetensors files can be read");
    REFUSED("map: {a: b}", "map: names are renamed in a file, and there is none");
    REFUSED("from: a, map: {\"a.*\": b}", "as many stars on both sides: \"a.*\" has 1 and \"b\" has 0");
    REFUSED("from: a, map: [a]", "map: expected a map of our names to theirs");
    REFUSED("from: a, map: {\"*********\": \"*********\"}", "has more than 8 stars");
    REFUSED("freeze: {a: b}", "freeze: expected a list of patterns");
    REFUSED("freeze: [stem]", "no weight or buffer is called \"stem\"",
            "did you mean `stem.*`, all of that layer?");
    REFUSED("freeze: [\"sten.*\"]", "did you mean `stem.*`?");
    REFUSED("freeze: [bn.running_mean]", "freeze `bn.*`, or none of its buffers");
    REFUSED("freeze: \"*\"", "every weight is frozen, and nothing is left to train");
    lab l = opened("from: null, freeze: null, map: null, strict: null");
    assert_null(l.s->init.from);
    assert_true(l.s->init.strict);
    lab_close(&l);
}

/* The same computation has the same canonical form, another one another. */
static void test_identity(void **unused)
{
    (void)unused;
    put_tensors("good", good, GOOD);
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {{"freeze: [stem.*]", "freeze: [stem.weight]", true},
                 {"freeze: [stem.*]", "freeze: [\"bn.*\"]", false},
                 {"freeze: []", "strict: false", true},
                 {"from: FOLDER/good", "from: FOLDER/good, strict: false", true},
                 {"from: FOLDER/good", "strict: true", false},
                 {"from: FOLDER/good", "from: FOLDER/good, map: {head.*: null}", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lab a = opened(cases[i].a), b = opened(cases[i].b);
        text x = {0}, y = {0};
        setup_canonical(a.s, &x);
        setup_canonical(b.s, &y);
        if (!strcmp(text_str(&x), text_str(&y)) != cases[i].same)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        text_free(&x), text_free(&y);
        lab_close(&a), lab_close(&b);
    }
}

/* ---- training ---- */

static safetensors checkpoint(const lab *l)
{
    safetensors f;
    char *path = path_join(l->dir, "checkpoints/last.safetensors");
    assert_int_equal(safetensors_read(path, &f, NULL), CVY_OK);
    mem_free(path);
    return f;
}

static bool stayed(const safetensors *f, const char *name, const tensor_text *t)
{
    const safetensor *v = safetensors_find(f, name);
    assert_non_null(v);
    bool same = v->count == t->count;
    for (int64_t i = 0; same && i < v->count; i++) same = v->data[i] == (float)(t->first + (double)i);
    return same;
}

static void test_frozen_stay(void **unused)
{
    (void)unused;
    tensor_text t[GOOD];
    memcpy(t, good, sizeof good);
    for (int i = 0; i < GOOD; i++) t[i].first /= 100; /* numbers that can be trained on */
    put_tensors("small", t, GOOD);
    lab l = opened("from: FOLDER/small, freeze: [stem.*, \"bn.running_*\", head.bias]");
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
    safetensors f = checkpoint(&l);
    static const bool frozen[GOOD] = {true, false, false, true, true, false, false, true};
    for (int i = 0; i < GOOD; i++)
        if (i != 5) assert_true(stayed(&f, t[i].name, &t[i]) == frozen[i]);
    /* Nothing is kept for what is not trained: adam has two arrays for each of three. */
    size_t slots = 0;
    for (size_t i = 0; i < f.n; i++) slots += text_starts(f.items[i].name, "optimizer.");
    assert_int_equal(slots, 6);
    assert_null(safetensors_find(&f, "optimizer.m.stem.weight"));
    safetensors_free(&f);

    /* Stopped after every step and begun again in a new process' place, without the file, it ends with the same bits. */
    lab again = opened("from: FOLDER/small, freeze: [stem.*, \"bn.running_*\", head.bias]");
    cvy_status status = lab_train(&again, 1, 0);
    char *path = path_join(folder, "small");
    assert_int_equal(remove(path), 0);
    mem_free(path);
    for (int i = 0; status == CVY_STOPPED && i < 100; i++) {
        setup_free(again.s);
        registry_free(again.r);
        again.r = registry_open(NULL, 0, &again.e);
        assert_non_null(again.r);
        again.s = setup_new(again.x, again.r, again.dir, SETUP_RESUMED, &again.e);
        assert_non_null(again.s);
        status = lab_train(&again, 1, 0);
    }
    assert_int_equal(status, CVY_OK);
    lab_same_end(&l, &again);
    lab_close(&l), lab_close(&again);
}

/* Convoy's own checkpoints: of a running training only what the network is made of counts. */
static void test_own_checkpoint(void **unused)
{
    (void)unused;
    put_tensors("good", good, GOOD);
    lab l = opened("from: FOLDER/good");
    assert_int_equal(lab_train(&l, 5, 0),
                     CVY_STOPPED); /* within the second epoch: the best one travels along */
    safetensors f = checkpoint(&l);
    assert_non_null(safetensors_find(&f, "best.stem.weight"));
    char *init = lab_text("from: %s/checkpoints/last.safetensors", l.dir);
    lab next = opened(init);
    assert_int_equal(next.e.n, 0);
    state *s = loaded(&next);
    const safetensor *v = safetensors_find(&f, "stem.weight");
    assert_memory_equal(find(s, "stem.weight"), v->data, (size_t)v->count * sizeof(float));
    state_free(s);
    safetensors_free(&f);

    /* A bit that the disk lost. */
    size_t n;
    char *path = path_join(l.dir, "checkpoints/last.safetensors"),
         *bytes = lab_file(&l, "checkpoints/last.safetensors", &n);
    bytes[n - 5] = (char)(bytes[n - 5] ^ 1);
    assert_int_equal(file_replace(path, bytes, n, NULL), CVY_OK);
    s = state_new(next.s->net, 1, true, &next.e);
    assert_int_equal(setup_load_weights(next.s, s, &next.e), CVY_ERR_CONFIG);
    lab_says(&next, "is damaged: its tensors do not have their checksum");
    state_free(s);
    mem_free(bytes), mem_free(path), mem_free(init);
    lab_close(&l), lab_close(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_other_numbers),
        cmocka_unit_test(test_halves),         cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_left_out),       cmocka_unit_test(test_loose),
        cmocka_unit_test(test_reshaped),       cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_hostile),        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_changed),        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_identity),       cmocka_unit_test(test_frozen_stay),
        cmocka_unit_test(test_own_checkpoint),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
