/* Tests what `init:` says of how weights start: train/initialiser, train/init_rules. The numbers beside each are those of the
 * papers' formulas; PyTorch's are the same where there is one group. */
#include "lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/normal.h"
#include "graph/state.h"
#include "train/initialiser.h"

#define NET                                                                           \
    "dataset: {type: shapes, train: 40, test: 10, size: 12}\n"                        \
    "model:\n"                                                                        \
    "  - conv2d: {channels: 24, kernel: 3, padding: 1, name: a}\n"                    \
    "  - conv2d: {channels: 48, kernel: [3, 5], groups: 4, padding: same, name: b}\n" \
    "  - layer_norm: {name: norm}\n"                                                  \
    "  - depthwise_conv2d: {kernel: 3, padding: 1, name: d}\n"                        \
    "  - conv_transpose2d: {channels: 32, kernel: 2, stride: 2, name: t}\n"           \
    "  - batch_norm: {name: bn}\n"                                                    \
    "  - global_avg_pool\n"                                                           \
    "  - linear: {units: 100, name: wide}\n"                                          \
    "  - linear: {units: classes, name: fc}\n"

static lab with(const char *init)
{
    char *yaml = lab_text("%sinit: {%s}\n", NET, init);
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

static void refused(const char *init, const char *what)
{
    char *yaml = lab_text("%sinit: {%s}\n", NET, init);
    lab l = lab_try(yaml);
    assert_null(l.s);
    lab_says(&l, what);
    lab_close(&l);
    mem_free(yaml);
}

static size_t number_of(const lab *l, const char *name)
{
    for (size_t i = 0; i < l->s->net->n_weights; i++)
        if (!strcmp(l->s->net->weights[i].name, name)) return i;
    fail_msg("no weight %s", name);
    return 0;
}

static state *started(lab *l)
{
    state *s = state_new(l->s->net, l->x->seed, false, &l->e);
    assert_int_equal(setup_load_weights(l->s, s, &l->e), CVY_OK);
    return s;
}

static const float *find(const lab *l, const state *s, const char *name, int64_t *n)
{
    const net_tensor *t = &l->s->net->weights[number_of(l, name)];
    if (n) *n = t->count;
    return s->weights + t->offset;
}

/* ---- fans ---- */

static void fan_is(const lab *l, const char *name, double in, double out)
{
    double fan_in, fan_out;
    const bool any = init_rules_fan(l->s->net, number_of(l, name), &fan_in, &fan_out);
    assert_int_equal(any, in > 0);
    if (fan_in != in || fan_out != out)
        fail_msg("%s: fans %g and %g, expected %g and %g", name, fan_in, fan_out, in, out);
}

static void test_fans(void **unused)
{
    (void)unused;
    lab l = with("weights: he_normal");
    fan_is(&l, "a.weight", 3 * 9, 24 * 9);
    fan_is(&l, "b.weight", 24 / 4 * 15, 48 * 15);
    fan_is(&l, "d.weight", 9, 48 * 9);
    fan_is(&l, "t.weight", 32 * 4, 48 * 4);
    fan_is(&l, "wide.weight", 32, 100);
    fan_is(&l, "fc.weight", 100, 10);
    fan_is(&l, "a.bias", 0, 0);
    fan_is(&l, "bn.weight", 0, 0);
    fan_is(&l, "norm.weight", 0, 0);
    lab_close(&l);
    l = lab_open("dataset: {type: waves}\nmodel: [{conv1d: {channels: 6, kernel: 5, name: a}}, flatten, "
                 "{linear: {units: "
                 "classes}}]\n");
    const int64_t in = l.s->data->sample.dim[0];
    fan_is(&l, "a.weight", 5 * (double)in, 30);
    lab_close(&l);
    l = lab_open("dataset: {type: solids}\nmodel: [{conv3d: {channels: 6, kernel: 3, name: a}}, {conv3d: "
                 "{channels: 8, "
                 "kernel: 2, groups: 2, name: b}}, flatten, {linear: {units: classes}}]\n");
    fan_is(&l, "b.weight", 3 * 8, 8 * 8);
    lab_close(&l);
}

/* ---- widths ---- */

/* Mean 0 and this standard deviation, within 5 standard errors; a uniform one within its bounds. */
static void width_is(const char *init, const char *name, double std, bool uniform)
{
    lab l = with(init);
    state *s = started(&l);
    int64_t n;
    const float *v = find(&l, s, name, &n);
    double sum = 0, squares = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)v[i];
        squares += (double)v[i] * (double)v[i];
        most = fmax(most, fabs((double)v[i]));
    }
    const double variance = squares / (double)n, error = sqrt((uniform ? 0.8 : 2) / (double)n);
    if (fabs(sum / (double)n) > 5 * std / sqrt((double)n) || fabs(variance / (std * std) - 1) > 5 * error)
        fail_msg("%s: %s: mean %g, standard deviation %g, expected 0 and %g", init, name, sum / (double)n,
                 sqrt(variance), std);
    if (uniform && (most > sqrt(3) * std * 1.000001 || most < sqrt(3) * std * 0.98))
        fail_msg("%s: %s reaches %g, expected %g", init, name, most, sqrt(3) * std);
    state_free(s);
    lab_close(&l);
}

static void test_widths(void **unused)
{
    (void)unused;
    width_is("weights: he_normal", "b.weight", sqrt(2.0 / 90), false);
    width_is("weights: {type: he_normal, mode: fan_out}", "b.weight", sqrt(2.0 / 720), false);
    width_is("weights: {type: he_uniform, nonlinearity: leaky_relu, negative_slope: 0.5}", "t.weight",
             sqrt(2 / 1.25 / 128), true);
    width_is("weights: {type: he_uniform, nonlinearity: tanh, mode: average}", "wide.weight",
             5.0 / 3 / sqrt(66), true);
    width_is("weights: xavier_normal", "wide.weight", sqrt(2.0 / 132), false);
    width_is("weights: {type: xavier_uniform, gain: 2}", "wide.weight", 2 * sqrt(2.0 / 132), true);
    width_is("weights: lecun_normal", "t.weight", sqrt(1.0 / 128), false);
    width_is("weights: lecun_uniform", "b.weight", sqrt(1.0 / 90), true);
    width_is("weights: {type: normal, std: 0.02}", "b.weight", 0.02, false);
    width_is("weights: {type: uniform, a: -0.3, b: 0.3}", "b.weight", 0.3 / sqrt(3), true);
    /* The variance of a standard normal cut at 2 is 0.7737413. */
    width_is("weights: {type: truncated_normal, std: 0.5, a: -1, b: 1}", "t.weight", 0.5 * sqrt(0.7737413),
             false);
}

/* ---- orthogonal ---- */

static void rows_orthogonal(const float *v, int64_t rows, int64_t columns, double gain, bool transposed)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k <= i; k++) {
            double sum = 0;
            for (int64_t c = 0; c < columns; c++)
                sum += transposed ? (double)v[c * rows + i] * (double)v[c * rows + k]
                                  : (double)v[i * columns + c] * (double)v[k * columns + c];
            const double expected = i == k ? gain * gain : 0;
            if (fabs(sum - expected) > 2e-6 * gain * gain)
                fail_msg("rows %lld and %lld: %g", (long long)i, (long long)k, sum);
        }
}

static void test_orthogonal(void **unused)
{
    (void)unused;
    lab l = with("weights: {type: orthogonal, gain: 1.5}");
    state *s = started(&l);
    rows_orthogonal(find(&l, s, "a.weight", NULL), 24, 27, 1.5, false);
    rows_orthogonal(find(&l, s, "t.weight", NULL), 48, 128, 1.5, false);
    rows_orthogonal(find(&l, s, "wide.weight", NULL), 32, 100, 1.5,
                    true); /* the columns: there are more rows */
    rows_orthogonal(find(&l, s, "d.weight", NULL), 9, 48, 1.5, true);
    state_free(s);
    lab_close(&l);
}

/* ---- the truncated normal distribution ---- */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double below(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

/* Kolmogorov and Smirnov's distance, beyond which one sample in a thousand lies. */
static void drawn_from(double mean, double std, double a, double b)
{
    char *init =
        lab_text("weights: {type: truncated_normal, mean: %g, std: %g, a: %g, b: %g}", mean, std, a, b);
    lab l = with(init);
    state *s = started(&l);
    int64_t n;
    const float *v = find(&l, s, "t.weight", &n);
    float *sorted = mem_copy(v, (size_t)n * sizeof *v);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    /* From the side where the tail is small. */
    const bool up = a > mean;
    const double low = up ? below((mean - b) / std) : below((a - mean) / std),
                 high = up ? below((mean - a) / std) : below((b - mean) / std);
    double far = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)sorted[i];
        if (x < (double)(float)a || x > (double)(float)b) fail_msg("%s: %g is outside", init, x);
        double p = (below((up ? mean - x : x - mean) / std) - low) / (high - low);
        if (up) p = 1 - p;
        far = fmax(far, fmax(fabs(p - (double)i / (double)n), fabs(p - (double)(i + 1) / (double)n)));
    }
    if (far > 1.95 / sqrt((double)n)) fail_msg("%s: the distributions are %g apart", init, far);
    mem_free(sorted);
    state_free(s);
    lab_close(&l);
    mem_free(init);
}

static void test_truncated(void **unused)
{
    (void)unused;
    drawn_from(0, 1, -2, 2);
    drawn_from(0.5, 0.1, 0.3, 0.55);
    drawn_from(0, 1, 5, 9);     /* a tail */
    drawn_from(0, 1, -12, -8);  /* the other, further out */
    drawn_from(0, 0.02, -2, 2); /* cuts nothing */
}

static void test_quantile(void **unused)
{
    static const double known[][2] = {{0.5, 0},
                                      {0.975, 1.959963984540054},
                                      {0.9, 1.2815515655446004},
                                      {0.01, -2.3263478740408408},
                                      {1e-10, -6.361340902404056},
                                      {1e-100, -21.273453560965315}};
    (void)unused;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (fabs(normal_quantile(known[i][0]) - known[i][1]) > 1e-13 * (1 + fabs(known[i][1])))
            fail_msg("%g: %.17g, expected %.17g", known[i][0], normal_quantile(known[i][0]), known[i][1]);
}

/* ---- rules ---- */

static void all_are(const lab *l, const state *s, const char *name, double value)
{
    int64_t n;
    const float *v = find(l, s, name, &n);
    for (int64_t i = 0; i < n; i++)
        if (v[i] != (float)value) fail_msg("%s[%lld] is %g", name, (long long)i, (double)v[i]);
}

static void test_order(void **unused)
{
    (void)unused;
    lab l = with("weights: ones, bias: {type: constant, value: 2}, rules: [{type: constant, value: 3, match: "
                 "\"b.*\"}, "
                 "{constant: {match: \"bn.*\", value: 4}}, {type: constant, value: 5, match: \"*.weight\"}]");
    state *s = started(&l), *plain = state_new(l.s->net, l.x->seed, false, &l.e);
    all_are(&l, s, "b.weight", 3); /* the first that matches */
    all_are(&l, s, "b.bias", 3);
    all_are(&l, s, "bn.weight", 4);
    all_are(&l, s, "bn.bias", 4);
    all_are(&l, s, "norm.weight", 5); /* a rule may name what `weights` is not for */
    all_are(&l, s, "a.weight", 5);
    all_are(&l, s, "a.bias", 2);
    all_are(&l, s, "norm.bias", 2);
    lab_says(&l, "weights: there is no kernel and no matrix, or rules decide over all of them");
    state_free(s), state_free(plain);
    lab_close(&l);
    l = with("weights: ones");
    s = started(&l), plain = state_new(l.s->net, l.x->seed, false, &l.e);
    all_are(&l, s, "fc.weight", 1);
    int64_t n;
    const float *bias = find(&l, s, "fc.bias", &n); /* as the layer says */
    assert_memory_equal(bias, find(&l, plain, "fc.bias", NULL), (size_t)n * sizeof *bias);
    state_free(s), state_free(plain);
    lab_close(&l);
}

/* A tensor's numbers are a function of the seed and its own name. */
static void test_keys(void **unused)
{
    (void)unused;
    lab l = with("weights: he_normal"), other = with("rules: [{type: he_normal, match: fc.weight}]");
    state *s = started(&l), *t = started(&other);
    int64_t n;
    const float *v = find(&l, s, "fc.weight", &n);
    assert_memory_equal(v, find(&other, t, "fc.weight", NULL), (size_t)n * sizeof *v);
    text a = {0}, b = {0}, c = {0};
    setup_canonical(l.s, &a);
    setup_canonical(other.s, &b);
    assert_string_not_equal(text_str(&a), text_str(&b));
    lab same = with("weights: {type: he_normal, nonlinearity: relu}");
    setup_canonical(same.s, &c);
    assert_string_equal(text_str(&a), text_str(&c)); /* what is default is not told apart */
    text_free(&a), text_free(&b), text_free(&c);
    state_free(s), state_free(t);
    lab_close(&l), lab_close(&other), lab_close(&same);
}

static void test_refused(void **unused)
{
    (void)unused;
    refused("weights: kaiming_normal", "did you mean `he_normal`?");
    refused("weights: {type: he_normal, mode: fan_inn}", "did you mean `fan_in`?");
    refused("weights: normal", "missing required parameter \"std\"");
    refused("weights: {type: uniform, a: 1, b: 1}", "a: 1 is not below b: 1");
    refused("weights: {type: truncated_normal, std: 1e-3, a: 1, b: 2}",
            "nothing of the distribution lies between");
    refused("bias: he_normal", "\"a.bias\" (24) has no fan");
    refused("rules: [{type: xavier_normal, match: \"norm.*\"}]", "has no fan: it is no kernel and no matrix");
    refused("rules: [{type: orthogonal, match: fc.bias}]", "is no matrix to make orthogonal");
    refused("rules: [{type: zeros, match: fc}]", "did you mean `fc.*`, all of that layer?");
    refused("rules: [{type: zeros, match: \"wode.*\"}]", "did you mean `wide.*`?");
    refused("rules: [{type: zeros, match: bn.running_mean}]", "no weight is called \"bn.running_mean\"");
    refused("rules: [zeros]", "missing required parameter \"match\"");
    refused("rules: {a: zeros}", "expected a list of initialisers");
    refused("rules: [{type: zeros, match: \"*********\"}]", "has more than 8 stars");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fans),       cmocka_unit_test(test_widths),
                                       cmocka_unit_test(test_orthogonal), cmocka_unit_test(test_truncated),
                                       cmocka_unit_test(test_quantile),   cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_keys),       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
