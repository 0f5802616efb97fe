/* Activations: hand-worked values and gradients, what they say in operators, what backward reads, what they refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define MOST 6

typedef struct values {
    const char *layer, *params;
    int n;
    double x[MOST], y[MOST], gx[MOST]; /* gx for gy = 1 */
} values;

/* Phi(1) = 0.841344746068543, phi(1) = 0.241970724519143; 1 / (1 + 1/e) = 0.731058578630005; tanh(1/2) =
 * 0.46211715726001. */
static const values rows[] = {
    {"leaky_relu", "", 3, {-2, 0, 3}, {-0.02, 0, 3}, {0.01, 0.01, 1}},
    {"leaky_relu", "slope: 0.5", 3, {-2, 0, 3}, {-1, 0, 3}, {0.5, 0.5, 1}},
    {"leaky_relu", "slope: -1", 3, {-2, 0, 3}, {2, 0, 3}, {-1, -1, 1}}, /* the magnitude */
    {"leaky_relu", "slope: 0", 3, {-2, 0, 3}, {0, 0, 3}, {0, 0, 1}},
    {"elu", "", 4, {-1, 0, 2, -INFINITY}, {-0.632120558828558, 0, 2, -1}, {0.367879441171442, 1, 1, 0}},
    {"elu", "alpha: 0.5", 3, {-1, 0, 2}, {-0.316060279414279, 0, 2}, {0.183939720585721, 0.5, 1}},
    {"gelu",
     "",
     4,
     {-1, 0, 1, 30},
     {-0.158655253931457, 0, 0.841344746068543, 30},
     {-0.0833154705876863, 0.5, 1.08331547058769, 1}},
    {"gelu",
     "approximate: tanh",
     3,
     {-1, 0, 1},
     {-0.158808009, 0, 0.841191991},
     {-0.0829641, 0.5, 1.0829641}},
    {"silu",
     "",
     4,
     {-1, 0, 1, -800},
     {-0.268941421369995, 0, 0.731058578630005, 0},
     {0.0723294881285131, 0.5, 0.927670511871487, 0}},
    {"sigmoid",
     "",
     4,
     {-1, 0, 1, -800},
     {0.268941421369995, 0.5, 0.731058578630005, 0},
     {0.196611933241482, 0.25, 0.196611933241482, 0}},
    {"tanh", "", 3, {-0.5, 0, 800}, {-0.46211715726001, 0, 1}, {0.786447732965927, 1, 0}},
    /* Appendix A of LeCun et al. 1998: f(1) = 1 and f(-1) = -1, and the slope at 0 is A S */
    {"scaled_tanh", "", 3, {-1, 0, 1}, {-1.0000, 0, 1.0000}, {0.755405, 1.143933, 0.755405}},
    {"scaled_tanh",
     "amplitude: 3, scale: 0.5",
     3,
     {-1, 0, 1},
     {-1.38635147, 0, 1.38635147},
     {1.1796716, 1.5, 1.1796716}},
};

static void open_on(rig *r, const char *layer, const char *params, cvy_shape in)
{
    rig_open(r, layer, false, params);
    if (!rig_infer(r, 1, &in)) fail_msg("%s: %s", layer, r->error);
    for (int64_t i = 0; i < r->y.count; i++) r->y.grad[i] = 1;
}

static void set(tensor *t, const double *v)
{
    memcpy(t->v, v, (size_t)t->count * sizeof(double));
}

static void expect(const char *what, const double *got, const double *expected, int64_t n, double bound)
{
    for (int64_t i = 0; i < n; i++)
        if (isnan(expected[i]) ? !isnan(got[i])
                               : !(got[i] == expected[i] || fabs(got[i] - expected[i]) <= bound))
            fail_msg("%s [%d]: %.9g, not %.9g", what, (int)i, got[i], expected[i]);
}

static void test_values(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const values *v = &rows[k];
        const double bound = strcmp(v->layer, "scaled_tanh") == 0 ? 3e-5 : 2e-7; /* the paper's digits */
        rig r;
        open_on(&r, v->layer, v->params, cvy_shape2(1, v->n));
        set(&r.x[0], v->x);
        rig_forward(&r);
        rig_backward(&r);
        expect(v->layer, r.y.v, v->y, v->n, bound);
        expect(v->layer, r.x[0].grad, v->gx, v->n, bound);
        rig_close(&r);
    }
}

static void test_not_finite(void **state)
{
    (void)state;
    static const struct {
        const char *layer;
        double y[3]; /* of NaN, infinity, minus infinity, as PyTorch has them */
    } expected[] = {
        {"leaky_relu", {NAN, INFINITY, -INFINITY}},
        {"elu", {NAN, INFINITY, -1}},
        {"gelu", {NAN, INFINITY, NAN}},
        {"silu", {NAN, INFINITY, NAN}},
        {"sigmoid", {NAN, 1, 0}},
        {"tanh", {NAN, 1, -1}},
        {"prelu", {NAN, INFINITY, -INFINITY}},
    };
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        rig r;
        open_on(&r, expected[k].layer, "", cvy_shape2(1, 3));
        set(&r.x[0], (const double[]){NAN, INFINITY, -INFINITY});
        if (r.n_weights) set(&r.weight[0], (const double[]){0.25});
        rig_forward(&r);
        expect(expected[k].layer, r.y.v, expected[k].y, 3, 0);
        rig_close(&r);
    }
}

/* Where backward can do with the output it does, since that is mostly kept for the next layer anyway. */
static void test_what_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *layer, *params;
        uint32_t reads;
    } expected[] = {
        {"leaky_relu", "", CVY_READS_Y},  {"leaky_relu", "slope: -0.1", CVY_READS_X},
        {"elu", "", CVY_READS_Y},         {"gelu", "", CVY_READS_X},
        {"silu", "", CVY_READS_X},        {"sigmoid", "", CVY_READS_Y},
        {"tanh", "", CVY_READS_Y},        {"scaled_tanh", "", CVY_READS_Y},
        {"prelu", "", CVY_READS_X},       {"softmax", "", CVY_READS_Y},
        {"log_softmax", "", CVY_READS_Y},
    };
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        rig r;
        open_on(&r, expected[k].layer, expected[k].params, cvy_shape2(2, 3));
        assert_int_equal(r.traits, expected[k].reads | CVY_IN_PLACE);
        assert_int_equal(r.saved_bytes, 0);
        rig_close(&r);
    }
}

static void test_prelu(void **state)
{
    (void)state;
    const double x[] = {-1, 2, -3, 0, 5, -6, 7, -8}; // (2, 2, 2)
    const cvy_shape shape = {3, {2, 2, 2}};
    rig r;
    open_on(&r, "prelu", "", shape);
    assert_int_equal(r.n_weights, 1);
    assert_int_equal(r.weight[0].count, 1);
    assert_string_equal(r.weight[0].name, "weight");
    assert_true(r.weight[0].init.kind == CVY_INIT_CONSTANT && r.weight[0].init.a == 0.25);
    set(&r.x[0], x);
    set(&r.weight[0], (const double[]){0.5});
    rig_forward(&r);
    rig_backward(&r);
    const double y[] = {-0.5, 2, -1.5, 0, 5, -3, 7, -4}, gx[] = {0.5, 1, 0.5, 0.5, 1, 0.5, 1, 0.5};
    expect("y", r.y.v, y, 8, 0);
    expect("gx", r.x[0].grad, gx, 8, 0);
    assert_true(r.weight[0].grad[0] == -18); /* the sum of all that is not above 0 */
    rig_close(&r);

    open_on(&r, "prelu", "per_channel: true, init: 0.1", shape);
    assert_int_equal(r.weight[0].count, 2);
    assert_true(r.weight[0].init.a == 0.1);
    set(&r.x[0], x);
    set(&r.weight[0], (const double[]){0.5, -1});
    rig_forward(&r);
    rig_backward(&r);
    const double y2[] = {-0.5, 2, 3, 0, 5, -3, 7, 8}, gw[] = {-7, -11};
    expect("y", r.y.v, y2, 8, 0);
    expect("gw", r.weight[0].grad, gw, 2, 0);
    rig_close(&r);
}

static void test_softmax(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3}, y[] = {0.0900305731703805, 0.244728471054798, 0.665240955774822};
    rig r;
    open_on(&r, "softmax", "", cvy_shape2(1, 3));
    set(&r.y, y);
    for (int shift = 0; shift < 3; shift++) { /* a number added to all changes nothing, large as it may be */
        for (int i = 0; i < 3; i++) r.x[0].v[i] = x[i] + (shift == 1 ? 10000 : shift == 2 ? -10000 : 0);
        rig_forward(&r);
        expect("softmax", r.y.v, y, 3, 1e-7);
    }
    r.y.grad[0] = 0, r.y.grad[1] = 0, r.y.grad[2] = 1;
    rig_backward(&r);
    const double gx[] = {-y[2] * y[0], -y[2] * y[1], y[2] * (1 - y[2])};
    expect("gx", r.x[0].grad, gx, 3, 1e-7);

    set(&r.x[0], (const double[]){-INFINITY, 0, 0});
    rig_forward(&r);
    expect("one -inf", r.y.v, (const double[]){0, 0.5, 0.5}, 3, 0);
    set(&r.x[0], (const double[]){-INFINITY, -INFINITY, -INFINITY});
    rig_forward(&r);
    expect("all -inf", r.y.v, (const double[]){NAN, NAN, NAN}, 3, 0);
    set(&r.x[0], (const double[]){INFINITY, 0, 0});
    rig_forward(&r);
    assert_true(isnan(r.y.v[0]));
    set(&r.x[0], (const double[]){0, NAN, 0});
    rig_forward(&r);
    expect("a NaN", r.y.v, (const double[]){NAN, NAN, NAN}, 3, 0);
    rig_close(&r);

    open_on(&r, "log_softmax", "", cvy_shape2(1, 3));
    set(&r.x[0], (const double[]){10001, 10002, 10003});
    rig_forward(&r);
    expect("log_softmax", r.y.v, (const double[]){-2.40760596444438, -1.40760596444438, -0.407605964444380},
           3, 1e-6);
    rig_backward(&r);
    expect("gx", r.x[0].grad, (const double[]){1 - 3 * y[0], 1 - 3 * y[1], 1 - 3 * y[2]}, 3, 1e-6);
    set(&r.x[0], (const double[]){-INFINITY, 0, -500});
    rig_forward(&r);
    expect("far apart", r.y.v, (const double[]){-INFINITY, 0, -500}, 3, 0); /* the softmax would be 0, 1, 0 */
    rig_close(&r);
}

/* Channels lie apart in memory; the last axis lies together. */
static void test_axis(void **state)
{
    (void)state;
    static const char *const axes[] = {"", "axis: 1", "axis: 2", "axis: 3", "axis: -1", "axis: -3"};
    for (int k = 0; k < 6; k++) {
        rig r;
        open_on(&r, "softmax", axes[k], cvy_shape4(1, 2, 2, 2));
        set(&r.x[0], (const double[]){0, 0, 0, 0, 1, 2, 4, 8});
        rig_forward(&r);
        const int apart = k < 2 || k == 5 ? 4
                          : k == 2        ? 2
                                          : 1; /* from element 4 to the one it competes with */
        const int other = apart == 4 ? 0 : 4 + apart;
        const double e = exp(r.x[0].v[other] - 1);
        assert_true(fabs(r.y.v[4] - 1 / (1 + e)) < 1e-7);
        assert_true(fabs(r.y.v[4] + r.y.v[other] - 1) < 1e-7);
        rig_close(&r);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *layer, *params;
        cvy_shape in;
        const char *error;
    } cases[] = {
        {"softmax",
         "axis: 0",
         {2, {2, 3}},
         "axis: 0 is no axis of a sample: the input has rank 2, so it is 1 to 1, or -1 to -1"},
        {"softmax",
         "axis: 2",
         {2, {2, 3}},
         "axis: 2 is no axis of a sample: the input has rank 2, so it is 1 to 1, or -1 to -1"},
        {"log_softmax",
         "axis: -4",
         {4, {2, 3, 4, 5}},
         "axis: -4 is no axis of a sample: the input has rank 4, so it is 1 to 3, or -1 to -3"},
        {"prelu", "", {1, {2}}, "expects (N, C, ...) and got a batch of single numbers"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        rig r;
        rig_open(&r, cases[k].layer, false, cases[k].params);
        assert_false(rig_infer(&r, 1, &cases[k].in));
        assert_string_equal(r.error, cases[k].error);
        rig_close(&r);
    }
}

static void test_lower(void **state)
{
    (void)state;
    static const char *const expected[][3] = {
        {"leaky_relu", "slope: 0.2", "v0 = act(x0) function 2 alpha 0.2\n-> v0\n"},
        {"elu", "alpha: 1.5", "v0 = act(x0) function 3 alpha 1.5\n-> v0\n"},
        {"gelu", "", "v0 = act(x0) function 4\n-> v0\n"},
        {"gelu", "approximate: tanh", "v0 = act(x0) function 5\n-> v0\n"},
        {"silu", "", "v0 = act(x0) function 6\n-> v0\n"},
        {"sigmoid", "", "v0 = act(x0) function 7\n-> v0\n"},
        {"tanh", "", "v0 = act(x0) function 8\n-> v0\n"},
        {"scaled_tanh", "", "v0 = act(x0) function 9 alpha 1.7159 beta 0.666667\n-> v0\n"},
    };
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        rig r;
        text t = {0};
        open_on(&r, expected[k][0], expected[k][1], cvy_shape2(2, 3));
        rig_lower(&r, &t);
        assert_string_equal(text_str(&t), expected[k][2]);
        text_free(&t);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),       cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_what_is_kept), cmocka_unit_test(test_prelu),
        cmocka_unit_test(test_softmax),      cmocka_unit_test(test_axis),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_lower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
