/* The losses on values worked out by hand: reductions, weights, smoothing, corners, refusals. Must not know how the core
 * calls them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "convoy/loss.h"
#include "plugin_host.h"

enum { MOST = 12 };

typedef struct example {
    const char *plugin, *config;
    cvy_shape shape;
    double y[MOST];
    const int32_t *labels;
    const double *target;
    double loss, g[MOST];
    double average; /* what an epoch of this one batch shows; 0: the loss */
} example;

static void near_to(const char *what, double found, double expected, double tolerance)
{
    if (isnan(expected) && isnan(found)) return;
    if (!(fabs(found - expected) <= tolerance * (1 + fabs(expected))))
        fail_msg("%s: %.17g, expected %.17g", what, found, expected);
}

static void evaluate(const example *x, bool twin)
{
    plugin_host p;
    plugin_host_open(&p, x->plugin, twin, x->config, 1);
    assert_non_null(p.config);
    int n = (int)cvy_count(&x->shape);
    float y4[MOST], t4[MOST], g4[MOST];
    double g8[MOST];
    for (int i = 0; i < n; i++) {
        y4[i] = (float)x->y[i];
        t4[i] = x->target ? (float)x->target[i] : 0;
        g4[i] = NAN;
        g8[i] = NAN;
    }
    cvy_loss_call call = {.host = p.face,
                          .shape = &x->shape,
                          .y = twin ? (const void *)x->y : (const void *)y4,
                          .labels = x->labels,
                          .loss = NAN,
                          .gy = twin ? (void *)g8 : (void *)g4,
                          .sum = NAN,
                          .weight = (double)x->shape.dim[0]};
    if (x->target) call.target = twin ? (const void *)x->target : (const void *)t4;
    int rc = ((const cvy_loss *)p.type)->evaluate(&call, p.config);
    if (rc) fail_msg("%s", plugin_host_message(&p));
    double tolerance = twin ? 1e-14 : 1e-6;
    near_to(x->config, call.loss, x->loss, tolerance);
    for (int i = 0; i < n; i++) near_to(x->config, twin ? g8[i] : (double)g4[i], x->g[i], tolerance);
    if (isnan(call.sum)) call.sum = call.loss * call.weight;
    double average = call.weight > 0 ? call.sum / call.weight : call.loss;
    near_to("average", average, x->average != 0 ? x->average : x->loss, tolerance);
    plugin_host_close(&p);
}

static void all(const example *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        evaluate(&x[i], true);
        evaluate(&x[i], false);
    }
}

static const int32_t zero_one[] = {0, 1}, one_zero[] = {1, 0}, ones[] = {1, 1};
static const double halves[] = {0.5, 0.5, 0.5, 0.5}, corner[] = {1, 1, 1, 0};

#define PAIR     \
    {            \
        2,       \
        {        \
            2, 2 \
        }        \
    }
#define LN2 0.69314718055994530942
#define LN3 1.09861228866810969140

/* Logits of ln 3 and 0: probabilities of 3/4 and 1/4. */
static void test_softmax(void **state)
{
    (void)state;
    const double a = 2 * LN2 - LN3, b = 2 * LN2; /* -ln 3/4, -ln 1/4 */
    const example x[] = {
        {"losses/softmax_cross_entropy",
         "reduction: sum",
         PAIR,
         {LN3, 0, LN3, 0},
         zero_one,
         NULL,
         a + b,
         {-0.25, 0.25, 0.75, -0.75},
         (a + b) / 2},
        /* Half of the target goes to the classes evenly: 3/4 on the label, 1/4 on the other. */
        {"losses/softmax_cross_entropy",
         "label_smoothing: 0.5",
         PAIR,
         {LN3, 0, LN3, 0},
         zero_one,
         NULL,
         (0.75 * a + 0.25 * b + 0.25 * a + 0.75 * b) / 2,
         {0, 0, 0.25, -0.25},
         0},
        /* The mean is divided by the labels' weights, 1 and 3. */
        {"losses/softmax_cross_entropy",
         "class_weights: [1, 3]",
         PAIR,
         {LN3, 0, LN3, 0},
         zero_one,
         NULL,
         (a + 3 * b) / 4,
         {-0.25 / 4, 0.25 / 4, 2.25 / 4, -2.25 / 4},
         0},
        {"losses/softmax_cross_entropy",
         "class_weights: [1, 3], reduction: sum",
         PAIR,
         {LN3, 0, LN3, 0},
         zero_one,
         NULL,
         a + 3 * b,
         {-0.25, 0.25, 2.25, -2.25},
         (a + 3 * b) / 2},
        /* No sample counts. */
        {"losses/softmax_cross_entropy",
         "class_weights: [1, 0]",
         PAIR,
         {LN3, 0, LN3, 0},
         ones,
         NULL,
         0,
         {0},
         0},
        /* Shares of the classes, of which the sample with nothing costs nothing. */
        {"losses/softmax_cross_entropy",
         "",
         PAIR,
         {LN3, 0, LN3, 0},
         NULL,
         (const double[]){0.5, 0.5, 0, 0},
         (a + b) / 4,
         {0.125, -0.125, 0, 0},
         0},
        /* Classes on the second axis, positions behind it. */
        {"losses/softmax_cross_entropy",
         "",
         {3, {1, 2, 2}},
         {LN3, 0, 0, 0},
         NULL,
         (const double[]){1, 0, 0, 1},
         (a + LN2) / 2,
         {-0.125, 0.25, 0.125, -0.25},
         0},
        /* Of a class that cannot be, neither loss nor gradient is lost. */
        {"losses/softmax_cross_entropy",
         "",
         PAIR,
         {1e4, -1e4, -1e4, 1e4},
         ones,
         NULL,
         1e4,
         {0.5, -0.5, 0, 0},
         0},
    };
    all(x, sizeof x / sizeof *x);
}

static void test_squares(void **state)
{
    (void)state;
    const double t[] = {0, 1, 0, 0, 0, 1};
    const example x[] = {
        {"losses/mean_squared_error",
         "",
         PAIR,
         {1, 3, 0.5, -1.5},
         NULL,
         halves,
         (0.25 + 6.25 + 0 + 4) / 4,
         {0.25, 1.25, 0, -1},
         0},
        {"losses/mean_squared_error",
         "reduction: sum",
         PAIR,
         {1, 3, 0.5, -1.5},
         NULL,
         halves,
         10.5,
         {1, 5, 0, -4},
         5.25},
        {"losses/mean_squared_error",
         "",
         PAIR,
         {1, 3, 0, 2},
         one_zero,
         NULL,
         (1 + 4 + 1 + 4) / 4.0,
         {0.5, 1, -0.5, 1},
         0},
        {"losses/mean_squared_error",
         "reduction: sum",
         {1, {3}},
         {1, 1, 2},
         NULL,
         t,
         1 + 0 + 4,
         {2, 0, 4},
         5 / 3.0},
        {"losses/mean_absolute_error",
         "",
         PAIR,
         {1, 3, 0.5, -1.5},
         NULL,
         halves,
         (0.5 + 2.5 + 0 + 2) / 4,
         {0.25, 0.25, 0, -0.25},
         0},
        {"losses/mean_absolute_error",
         "reduction: sum",
         PAIR,
         {1, 3, 0, 2},
         one_zero,
         NULL,
         1 + 2 + 1 + 2,
         {1, 1, -1, 1},
         3},
        {"losses/mean_absolute_error",
         "",
         PAIR,
         {(double)NAN, 3, 0.5, 0.5},
         NULL,
         halves,
         (double)NAN,
         {(double)NAN, 0.25, 0, 0},
         0},
    };
    all(x, sizeof x / sizeof *x);
}

static void test_binary(void **state)
{
    (void)state;
    const double t[] = {0, 1};
    const example x[] = {
        {"losses/binary_cross_entropy",
         "",
         {2, {1, 2}},
         {0.25, 0.5},
         NULL,
         t,
         (2 * LN2 - LN3 + LN2) / 2,
         {0.5 / 0.75, -1},
         0},
        /* The logarithm ends at -100, the slope's divisor at 1e-12. */
        {"losses/binary_cross_entropy",
         "reduction: sum",
         {2, {1, 2}},
         {1, 0},
         NULL,
         t,
         200,
         {1e12, -1e12},
         0},
        {"losses/binary_cross_entropy", "", {2, {1, 2}}, {0, 1}, NULL, t, 0, {0, 0}, 0},
        {"losses/binary_cross_entropy",
         "",
         PAIR,
         {0.5, 0.5, 0.5, 0.5},
         zero_one,
         NULL,
         LN2,
         {-0.5, 0.5, 0.5, -0.5},
         0},
        {"losses/binary_cross_entropy_with_logits",
         "",
         {2, {1, 2}},
         {-LN3, 0},
         NULL,
         t,
         (2 * LN2 - LN3 + LN2) / 2,
         {0.125, -0.25},
         0},
        {"losses/binary_cross_entropy_with_logits",
         "",
         {2, {1, 2}},
         {1e4, -1e4},
         NULL,
         t,
         1e4,
         {0.5, -0.5},
         0},
        {"losses/binary_cross_entropy_with_logits", "", {2, {1, 2}}, {-1e4, 1e4}, NULL, t, 0, {0, 0}, 0},
        {"losses/binary_cross_entropy_with_logits",
         "pos_weight: [5, 3], reduction: sum",
         {2, {1, 2}},
         {0, 0},
         NULL,
         t,
         LN2 + 3 * LN2,
         {0.5, -1.5},
         0},
        {"losses/binary_cross_entropy_with_logits",
         "pos_weight: [3]",
         PAIR,
         {0, 0, 0, 0},
         zero_one,
         NULL,
         (3 + 1 + 1 + 3) * LN2 / 4,
         {-1.5 / 4, 0.5 / 4, 0.5 / 4, -1.5 / 4},
         0},
    };
    all(x, sizeof x / sizeof *x);
}

static void test_hinge(void **state)
{
    (void)state;
    const int32_t two[] = {2};
    const cvy_shape three = {2, {1, 3}}, lone = {2, {2, 1}};
    const int32_t none[] = {0, 0};
    const example x[] = {
        /* Class 0 falls short of the margin by 1.5, class 1 meets it exactly: no slope at the corner. */
        {"losses/multi_class_hinge", "", three, {2.5, 1, 2}, two, NULL, 1.5 / 3, {1 / 3.0, 0, -1 / 3.0}, 0},
        {"losses/multi_class_hinge", "p: 2", three, {2.5, 1, 2}, two, NULL, 2.25 / 3, {1, 0, -1}, 0},
        {"losses/multi_class_hinge",
         "margin: 2",
         three,
         {2.5, 1, 2},
         two,
         NULL,
         3.5 / 3,
         {1 / 3.0, 1 / 3.0, -2 / 3.0},
         0},
        {"losses/multi_class_hinge", "margin: 0", three, {1, 1, 2}, two, NULL, 0, {0}, 0},
        /* Weights do not enter the mean's divisor. */
        {"losses/multi_class_hinge",
         "class_weights: [1, 3]",
         PAIR,
         {0, 0, 0, 0},
         zero_one,
         NULL,
         (0.5 + 1.5) / 2,
         {-0.25, 0.25, 0.75, -0.75},
         0},
        {"losses/multi_class_hinge",
         "reduction: sum",
         PAIR,
         {0, 0, 0, 0},
         zero_one,
         NULL,
         1,
         {-0.5, 0.5, 0.5, -0.5},
         0.5},
        {"losses/multi_class_hinge", "", lone, {4, -4}, none, NULL, 0, {0}, 0},
    };
    all(x, sizeof x / sizeof *x);
}

/* ---- what is refused ---- */

static void refuses_shape(const char *plugin, const char *config, const cvy_shape *shape, int32_t classes,
                          const char *wanted)
{
    plugin_host p;
    plugin_host_open(&p, plugin, false, config, 1);
    assert_non_null(p.config);
    int rc = ((const cvy_loss *)p.type)->check(p.face, shape, classes, p.config);
    const char *found = plugin_host_message(&p);
    if (!rc == (wanted != NULL) || !strstr(found, wanted ? wanted : ""))
        fail_msg("%s %s: %s", plugin, config, found);
    plugin_host_close(&p);
}

static void test_shapes(void **state)
{
    (void)state;
    const cvy_shape ten = cvy_shape2(8, 10), map = cvy_shape4(8, 3, 4, 4);
    static const char *const elementwise[] = {"losses/mean_squared_error", "losses/mean_absolute_error",
                                              "losses/binary_cross_entropy",
                                              "losses/binary_cross_entropy_with_logits"};
    for (int i = 0; i < 4; i++) {
        refuses_shape(elementwise[i], "", &ten, 10, NULL);
        refuses_shape(elementwise[i], "", &map, 0, NULL);
        refuses_shape(elementwise[i], "", &map, 3, "the network's output has rank 4, expected 2");
        refuses_shape(elementwise[i], "", &ten, 5, "the network gives 10 numbers for 5 classes");
    }
    refuses_shape("losses/softmax_cross_entropy", "class_weights: [1, 2]", &ten, 10,
                  "class_weights has 2 numbers for 10 classes");
    refuses_shape("losses/softmax_cross_entropy", "class_weights: [0, 0, 0]", &map, 0,
                  "class_weights are all 0");
    refuses_shape("losses/binary_cross_entropy_with_logits", "pos_weight: [1, 2]", &map, 0,
                  "pos_weight has 2 numbers, expected one alone or 3, one for each channel of the output");
    refuses_shape("losses/binary_cross_entropy_with_logits", "pos_weight: [2]", &map, 0, NULL);
    refuses_shape("losses/multi_class_hinge", "", &ten, 0, "compares with a class label, and there is none");
    refuses_shape("losses/multi_class_hinge", "", &map, 3, "the network's output has rank 4");
    refuses_shape("losses/multi_class_hinge", "class_weights: [1, 2]", &ten, 10, "2 numbers for 10 classes");
}

static void refuses_call(const char *plugin, const float *y, const int32_t *labels, const float *target,
                         const char *wanted)
{
    plugin_host p;
    plugin_host_open(&p, plugin, false, "", 1);
    const cvy_shape shape = cvy_shape2(2, 2);
    float g[4];
    cvy_loss_call call = {
        .host = p.face, .shape = &shape, .y = y, .labels = labels, .target = target, .gy = g};
    int rc = ((const cvy_loss *)p.type)->evaluate(&call, p.config);
    const char *found = plugin_host_message(&p);
    if (!rc || !strstr(found, wanted)) fail_msg("%s: %s", plugin, found);
    plugin_host_close(&p);
}

static void test_calls(void **state)
{
    (void)state;
    const float y[] = {0.5f, 0, 1, 0.25f}, over[] = {0.5f, 0, 1.5f, 0}, t[] = {0, 1, 0, -0.5f};
    const int32_t high[] = {0, 2}, low[] = {-1, 0};
    refuses_call("losses/mean_squared_error", y, high, NULL,
                 "sample 1 of the batch has label 2, expected 0 to 1");
    refuses_call("losses/mean_absolute_error", y, low, NULL,
                 "sample 0 of the batch has label -1, expected 0 to 1");
    refuses_call("losses/mean_squared_error", y, NULL, NULL, "needs class labels or a target");
    refuses_call("losses/multi_class_hinge", y, NULL, t, "needs class labels");
    refuses_call("losses/multi_class_hinge", y, high, NULL, "sample 1 of the batch has label 2");
    refuses_call("losses/binary_cross_entropy", over, ones, NULL,
                 "sample 1 of the batch: the network's output is 1.5, expected a probability");
    refuses_call("losses/binary_cross_entropy", y, NULL, t,
                 "sample 1 of the batch: the target is -0.5, expected 0 to 1");
    refuses_call("losses/softmax_cross_entropy", y, low, NULL, "sample 0 of the batch has label -1");
}

/* A corner at the target itself: whichever way it is left, the loss rises by as much. */
static void test_absolute_corner(void **state)
{
    (void)state;
    const example x = {
        "losses/mean_absolute_error", "reduction: sum", PAIR, {1, 1, 1, 0}, NULL, corner, 0, {0}, 0};
    all(&x, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),         cmocka_unit_test(test_squares), cmocka_unit_test(test_binary),
        cmocka_unit_test(test_hinge),           cmocka_unit_test(test_shapes),  cmocka_unit_test(test_calls),
        cmocka_unit_test(test_absolute_corner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
