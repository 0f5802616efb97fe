/* Looking inside networks: gradients of answers with regard to inputs and layers, the maps made of them, what filters and units
 * have come to, histograms that a resumed run logs again with the same bits. */
#include <math.h>

#include "../graph/networks.h"
#include "journal/journal.h"
#include "lab.h"
#include "rows.h"
#include "train/saliency.h"
#include "train/tensor_stats.h"
#include "train/units.h"

static void near(double a, double b, double most)
{
    if (!(fabs(a - b) <= most)) print_message("%.9g instead of %.9g\n", a, b);
    assert_true(fabs(a - b) <= most);
}

/* ---- numbers ---- */

static void test_stats(void **unused)
{
    (void)unused;
    const float v[] = {0, 1, -1, 4, NAN, 0, INFINITY};
    const tensor_stats s = tensor_stats_of(v, 7);
    assert_int_equal(s.n, 5);
    near(s.mean, 0.8, 1e-12);
    near(s.sd, sqrt((0.64 + 0.04 + 3.24 + 10.24 + 0.64) / 5), 1e-12);
    near(s.low, -1, 0);
    near(s.high, 4, 0);
    near(s.zeros, 0.4, 1e-12);
    near(s.norm, sqrt(18), 1e-12);
    int64_t counts[TENSOR_BUCKETS], sum = 0;
    tensor_histogram(v, 7, &s, counts); /* buckets of 1/6 from -1 */
    for (int i = 0; i < TENSOR_BUCKETS; i++) sum += counts[i];
    assert_int_equal(sum, 5);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[6], 2);
    assert_int_equal(counts[12], 1);
    assert_int_equal(counts[29], 1);
    const float same[] = {2, 2};
    const tensor_stats t = tensor_stats_of(same, 2);
    tensor_histogram(same, 2, &t, counts);
    assert_int_equal(counts[0], 2);
    assert_int_equal(tensor_stats_of(v, 0).n, 0);
}

static void test_cosine(void **unused)
{
    (void)unused;
    /* Angles of 90, 45 and 135 degrees; a row of zeros is no direction. */
    const float v[] = {1, 0, 0, 2, 0, 0, -3, 3};
    near(tensor_cosine(v, 4, 2), (0 + sqrt(0.5) + sqrt(0.5)) / 3, 1e-12);
    assert_true(isnan(tensor_cosine(v, 1, 2)));
    /* More rows than are compared: every other one is. */
    float *many = mem_array(2 * 2 * TENSOR_ROWS, sizeof *many);
    for (int i = 0; i < 2 * TENSOR_ROWS; i++) many[2 * i + i % 2] = 1;
    near(tensor_cosine(many, 2 * TENSOR_ROWS, 2), 1, 1e-12);
    mem_free(many);
}

static void test_cam_of(void **unused)
{
    (void)unused;
    const float a[] = {1, 2, 3, 4, 1, 1, 0, -1}, g[] = {1, 1, -1, 1, 0, -4, 0, 0};
    float out[4]; /* weights 0.5 and -1 */
    saliency_cam_of(a, g, 2, 4, out);
    near((double)out[0], 0, 0);
    near((double)out[1], 0, 0);
    near((double)out[2], 1.5, 1e-7);
    near((double)out[3], 3, 1e-7);
    const float small[] = {0, 4};
    float large[4];
    saliency_enlarge(small, 1, 2, large, 1, 4);
    near((double)large[0], 0, 0);
    near((double)large[1], 1, 1e-7);
    near((double)large[2], 3, 1e-7);
    near((double)large[3], 4, 0);
}

/* ---- networks ---- */

static float *weight_of(state *s, const char *name)
{
    for (size_t i = 0; i < s->net->n_weights; i++)
        if (!strcmp(s->net->weights[i].name, name)) return s->weights + s->net->weights[i].offset;
    fail_msg("no weight is called %s", name);
    return NULL;
}

static int node_of(const net *n, const char *path)
{
    for (size_t i = 0; i < n->n_nodes; i++)
        if (!strcmp(n->nodes[i].path, path)) return (int)i;
    fail_msg("no layer is called %s", path);
    return -1;
}

/* One picture of 2x2 through y = relu(2 x - 1), once (0.5 on top) and twice (-1): scores by hand. */
static void test_by_hand(void **unused)
{
    (void)unused;
    network n = network_of("- conv2d: {channels: 1, kernel: 1, name: c}\n- relu: {name: r}\n- flatten\n"
                           "- linear: {units: classes, name: fc}\n",
                           1, 2, 2, 2);
    network_print(&n);
    assert_non_null(n.net);
    state *s = state_new(n.net, 1, false, &n.e);
    weight_of(s, "c.weight")[0] = 2;
    weight_of(s, "c.bias")[0] = -1;
    memcpy(weight_of(s, "fc.weight"), (float[]){1, 2, 3, 4, -1, 0, 1, -2}, 8 * sizeof(float));
    memcpy(weight_of(s, "fc.bias"), (float[]){0.5f, 0}, 2 * sizeof(float));
    s->version++;
    const float x[] = {1, 0, 2, 3}; /* r: 1, 0, 3, 5 */
    saliency_subject u = {.net = n.net, .state = s, .sample = {3, {1, 2, 2}}, .x = x, .unit = 0};
    float *y;
    int64_t count;
    assert_int_equal(saliency_scores(&u, &y, &count, &n.e), CVY_OK);
    assert_int_equal(count, 2);
    near((double)y[0], 1 + 9 + 20 + 0.5, 1e-5);
    near((double)y[1], -1 + 3 - 10, 1e-5);
    mem_free(y);

    saliency_map m;
    const saliency_smooth plain = {0};
    assert_int_equal(saliency_gradient(&u, &plain, &m, &n.e), CVY_OK);
    near((double)m.v[0], 2, 1e-6);
    near((double)m.v[1], 0, 0); /* relu is shut */
    near((double)m.v[2], 6, 1e-6);
    near((double)m.v[3], 8, 1e-6);
    near(m.score, 30.5, 1e-5);
    near(m.probability, 1, 1e-9);
    saliency_free(&m);

    assert_int_equal(saliency_last_convolution(n.net), node_of(n.net, "r"));
    assert_int_equal(saliency_cam(&u, node_of(n.net, "r"), &m, &n.e), CVY_OK);
    near((double)m.v[0], 2.5, 1e-6); /* the mean of 1, 2, 3 and 4 times the map */
    near((double)m.v[3], 12.5, 1e-5);
    saliency_free(&m);
    assert_int_equal(saliency_cam(&u, node_of(n.net, "c"), &m, &n.e), CVY_OK);
    near((double)m.v[1], 0, 0); /* of -1 a rest below 0 */
    near((double)m.v[3], 5 * (1 + 0 + 3 + 4) / 4.0, 1e-5);
    saliency_free(&m);
    u.unit = 1;
    assert_int_equal(saliency_cam(&u, node_of(n.net, "r"), &m, &n.e), CVY_OK);
    near((double)m.v[3], 0, 0); /* the mean of its weights is below 0 */
    saliency_free(&m);
    assert_int_equal(saliency_cam(&u, node_of(n.net, "fc"), &m, &n.e), CVY_ERR_CONFIG);
    saliency_free(&m);
    errors_free(&n.e);

    /* A square of 1: each pixel becomes the mean, 1.5, of which r is 2. */
    const saliency_patch patch = {1, 1};
    assert_int_equal(saliency_occlusion(&u, &patch, &m, &n.e), CVY_OK);
    const double whole = 1 / (1 + exp(30.5 + 8));
    const double first = 1 / (1 + exp((30.5 + 1) - (-8 - 1)));
    near((double)m.v[0] / whole, 1 - first / whole, 1e-4);
    saliency_free(&m);
    state_free(s);
    network_free(&n);
}

/* The gradient along a direction against differences, through all kinds of operators; a layer's outputs are those of the network
 * cut there; memory that is used again takes nothing away. */
static void test_gradient(void **unused)
{
    (void)unused;
    static const char *const yaml =
        "- conv2d: {channels: 16, kernel: 3, padding: 1, bias: false, name: stem}\n- batch_norm\n- elu\n"
        "- residual: {channels: 32, blocks: 2, stride: 2, shortcut: projection, name: a}\n"
        "- inception: {n1x1: 8, n3x3_reduce: 8, n3x3: 17, n5x5_reduce: 4, n5x5: 8, pool_proj: 7, name: b}\n"
        "- dropout: {p: 0.5}\n- conv2d: {channels: 10, kernel: 3, dilation: 2, name: d}\n- tanh\n"
        "- global_avg_pool\n- linear: {units: 20}\n- relu\n- linear: {units: classes}\n";
    network n = network_of(yaml, 3, 19, 17, 6);
    network_print(&n);
    assert_non_null(n.net);
    state *s = state_new(n.net, 3, false, &n.e);
    const cvy_shape sample = {3, {3, 19, 17}};
    const int64_t count = 2 * 3 * 19 * 17;
    const int nodes[] = {0, node_of(n.net, "d"), node_of(n.net, "stem"), n.net->output};
    lens l, flat;
    float *x = noise((size_t)count, 5), *d = noise((size_t)count, 6),
          *z = mem_array((size_t)count, sizeof *z);
    assert_int_equal(lens_open(&l, n.net, s, nodes, 4, &sample, 2, true, &n.e), CVY_OK);
    assert_int_equal(lens_open(&flat, n.net, s, nodes, 4, &sample, 2, false, &n.e), CVY_OK);
    assert_int_equal(lens_look(&flat, x, &n.e), CVY_OK);
    assert_int_equal(lens_look(&l, x, &n.e), CVY_OK);
    assert_memory_equal(l.values[0], x, (size_t)count * sizeof *x);
    for (int k = 1; k < 4; k++) {
        const int64_t numbers = cvy_count(&l.shapes[k]);
        for (int64_t i = 0; i < numbers; i++) near((double)l.values[k][i], (double)flat.values[k][i], 1e-4);
    }
    assert_memory_equal(l.values[3], l.y, (size_t)cvy_count(&l.y_shape) * sizeof(float));
    assert_int_equal(lens_back(&l, 4, &n.e), CVY_OK);
    double along = 0;
    for (int64_t i = 0; i < count; i++) along += (double)lens_gradient(&l, 0)[i] * (double)d[i];
    for (int k = 1; k < 4; k++) assert_non_null(lens_gradient(&l, (size_t)k));
    for (int64_t i = 0; i < 12; i++) near((double)lens_gradient(&l, 3)[i], i % 6 == 4, 0);
    double difference = 0;
    const double h = 2e-3;
    for (int sign = -1; sign < 2; sign += 2) {
        for (int64_t i = 0; i < count; i++) z[i] = (float)((double)x[i] + sign * h * (double)d[i]);
        assert_int_equal(lens_look(&flat, z, &n.e), CVY_OK);
        difference += sign * ((double)flat.y[4] + (double)flat.y[6 + 4]) / (2 * h);
    }
    near(along, difference, 2e-2 * fabs(difference) + 1e-4);
    lens_close(&l);
    lens_close(&flat);
    mem_free(x);
    mem_free(d);
    mem_free(z);
    state_free(s);
    network_free(&n);
}

static void test_layers(void **unused)
{
    (void)unused;
    network n =
        network_of("- conv2d: {channels: 4, kernel: 3, name: a}\n- batch_norm\n- max_pool2d: {kernel: 2}\n"
                   "- relu: {name: ra}\n- residual: {channels: 4, blocks: 1, name: b}\n- global_avg_pool\n"
                   "- linear: {units: 5, name: f}\n- tanh: {name: rf}\n- linear: {units: classes, name: g}\n",
                   3, 12, 12, 3);
    network_print(&n);
    size_t count;
    units_layer *u = units_layers(n.net, &count);
    assert_int_equal(count, 5);
    assert_int_equal(u[0].response, node_of(n.net, "ra"));
    assert_int_equal(u[2].response, -1); /* the sum behind it is of two layers */
    assert_int_equal(u[3].response, node_of(n.net, "rf"));
    assert_int_equal(u[4].response, -1);
    assert_int_equal(u[3].units, 5);
    assert_true(isnan(units_mean_cosine(u, count)) && isnan(units_dead_share(u, count)));
    mem_free(u);
    network_free(&n);
    network flat = network_of("- flatten\n- linear: {units: classes}\n", 3, 4, 4, 3);
    assert_int_equal(saliency_last_convolution(flat.net), -1);
    network_free(&flat);
}

/* ---- runs ---- */

#define TRAINED                                                                                   \
    "seed: 3\ndataset: {type: shapes, train_limit: 96, validation: 32, test_limit: 20, augment: " \
    "[normalize]}\n"                                                                              \
    "model:\n  - conv2d: {channels: 4, kernel: 3, stride: 2, name: stem}\n  - relu: {name: r}\n"  \
    "  - global_avg_pool\n  - linear: {units: classes, name: fc}\n"                               \
    "train: {epochs: 4, batch_size: 32, histograms: %d, inspect: true, optimizer: {type: adam, lr: 1e-2}}\n"

/* Of all attempts' histograms the last of each, one a line. */
static char *histograms_of(const char *dir)
{
    enum { MOST = 128 };
    char *lines[MOST] = {0}, *keys[MOST] = {0};
    size_t n = 0;
    for (int attempt = 1;; attempt++) {
        char *path = mem_printf("%s/journal.%d", dir, attempt);
        journal_reader j;
        errors quiet = {0};
        const bool found = journal_open(&j, path, 0, &quiet) == CVY_OK;
        errors_free(&quiet);
        mem_free(path);
        if (!found) break;
        while (journal_next(&j) == JOURNAL_RECORD) {
            arena a = {0};
            const json *v = json_parse(&a, j.payload, j.n, NULL, NULL);
            if (!strcmp(json_get_text(v, "t", ""), "histogram")) {
                char *key = mem_printf("%lld %s %s", (long long)json_get_int(v, "step", -1),
                                       json_get_text(v, "tensor", ""), json_get_text(v, "of", ""));
                size_t at = 0;
                while (at < n && strcmp(keys[at], key) != 0) at++;
                assert_true(at < MOST);
                if (at < n) {
                    assert_string_equal(lines[at], j.payload);
                    mem_free(key);
                } else {
                    keys[n] = key;
                    lines[n++] = mem_text_n(j.payload, j.n);
                }
            }
            arena_free(&a);
        }
        journal_end(&j);
    }
    text all = {0};
    for (size_t i = 0; i < n; i++) {
        text_printf(&all, "%s\n", lines[i]);
        mem_free(lines[i]);
        mem_free(keys[i]);
    }
    return text_take(&all);
}

static void test_histograms(void **unused)
{
    (void)unused;
    char *yaml = lab_text(TRAINED, 2);
    lab whole = lab_open(yaml);
    assert_int_equal(lab_train(&whole, 0, 0), CVY_OK);
    char *expected = histograms_of(whole.dir);
    size_t lines = 0;
    for (const char *c = expected; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, 2 * 2 * 4); /* epochs 2 and 4, weights and gradient, four tensors */
    assert_non_null(strstr(expected, "\"epoch\":2,\"tensor\":\"stem.weight\",\"of\":\"gradient\""));
    rows r = rows_read(whole.dir);
    const int64_t last = 4 * 3; /* 96 samples by 32 */
    near(rows_value(&r, "run", "filters_cosine", last),
         (rows_value(&r, "run", "filters_cosine.stem", last) +
          rows_value(&r, "run", "filters_cosine.fc", last)) /
             2,
         1e-9);
    near(rows_value(&r, "run", "dead_units", last), rows_value(&r, "run", "dead_units.stem", last), 0);
    assert_true(isnan(rows_value(&r, "run", "dead_units.fc", last)));
    rows_free(&r);
    for (int64_t at = 4; at <= 8; at++) { /* around the end of epoch 2, its validation included */
        lab cut = lab_open(yaml);
        assert_int_equal(lab_train(&cut, at, 0), CVY_STOPPED);
        assert_int_equal(lab_train(&cut, 0, 0), CVY_OK);
        char *got = histograms_of(cut.dir);
        assert_string_equal(got, expected);
        lab_same_end(&whole, &cut);
        mem_free(got);
        lab_close(&cut);
    }
    mem_free(expected);
    lab_close(&whole);
    mem_free(yaml);
}

/* A unit whose bias shuts it off, and the whole network behind it. */
static void test_dead(void **unused)
{
    (void)unused;
    char *yaml = lab_text(TRAINED, 0);
    lab l = lab_open(yaml);
    stepper w;
    assert_int_equal(data_prepare(l.s->data, &l.e), CVY_OK);
    assert_int_equal(stepper_open_evaluation(&w, l.s, 0, &l.e), CVY_OK);
    weight_of(w.state, "stem.bias")[1] = -1000;
    weight_of(w.state, "stem.bias")[3] = 1000; /* always fires, and not the same number */
    w.state->version++;
    size_t n;
    int64_t seen;
    units_layer *u = units_layers(l.s->net, &n);
    assert_int_equal(n, 2);
    assert_int_equal(units_count_dead(u, n, &w, DATA_VALIDATION, 1000, &seen, &l.e), CVY_OK);
    assert_int_equal(seen, 32);
    assert_true(u[0].dead >= 1 && u[0].dead <= 3);
    assert_int_equal(u[1].dead, -1);
    const int64_t dead = u[0].dead;
    assert_int_equal(units_count_dead(u, n, &w, DATA_VALIDATION, 5, &seen, &l.e), CVY_OK);
    assert_int_equal(seen, 5);
    assert_true(u[0].dead >= dead);
    near(units_dead_share(u, n), (double)u[0].dead / 4, 1e-12);
    units_compare(u, n, w.state);
    assert_true(u[0].cosine > 0 && u[0].cosine < 1);
    mem_free(u);
    stepper_close(&w);
    lab_close(&l);
    mem_free(yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats),   cmocka_unit_test(test_cosine),     cmocka_unit_test(test_cam_of),
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_gradient),   cmocka_unit_test(test_layers),
        cmocka_unit_test(test_dead),    cmocka_unit_test(test_histograms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
