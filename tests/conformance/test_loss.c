/* The loss against PyTorch's, against central differences in the double twin, and at the edges of its
 * numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "convoy/loss.h"
#include "loss_references.h"
#include "plugin_host.h"

enum { REFERENCES = sizeof references / sizeof references[0], MOST = 32 };

static double logit(const struct reference *ref, int i, int k)
{
    return ((i * 31 + k * 17 + i * k * 7) % 41 - 20) * ref->scale;
}

/* Loss and gradient (NULL: not wanted) of (n, classes) logits in the plugin's own numbers. */
static double evaluate(plugin_host *p, int n, int classes, const double *y, const int32_t *labels, double *g)
{
    bool twin = p->d->real_size == sizeof(double);
    float y4[MOST], g4[MOST];
    double g8[MOST];
    for (int i = 0; i < n * classes; i++) {
        y4[i] = (float)y[i];
        g8[i] = NAN; /* every element must be overwritten */
        g4[i] = NAN;
    }
    cvy_shape shape = cvy_shape2(n, classes);
    void *gradient = twin ? (void *)g8 : (void *)g4;
    cvy_loss_call call = {.host = p->face,
                          .shape = &shape,
                          .y = twin ? (const void *)y : (const void *)y4,
                          .labels = labels,
                          .loss = NAN,
                          .gy = g ? gradient : NULL,
                          .sum = NAN,
                          .weight = n};
    assert_int_equal(((const cvy_loss *)p->type)->evaluate(&call, p->config), 0);
    for (int i = 0; g && i < n * classes; i++) g[i] = twin ? g8[i] : (double)g4[i];
    return call.loss;
}

static void open_loss(plugin_host *p, bool twin)
{
    plugin_host_open(p, "losses/softmax_cross_entropy", twin, "", 1);
    assert_non_null(p->config);
}

static void near_to(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance)) fail_msg("%.17g, expected %.17g", found, expected);
}

static void follow(bool twin)
{
    plugin_host p;
    open_loss(&p, twin);
    for (int r = 0; r < REFERENCES; r++) {
        const struct reference *ref = &references[r];
        double y[MOST], g[MOST];
        int32_t labels[MOST];
        for (int i = 0; i < ref->n; i++) {
            labels[i] = (i * 3 + 1) % ref->classes;
            for (int k = 0; k < ref->classes; k++) y[i * ref->classes + k] = logit(ref, i, k);
        }
        double tolerance = twin ? 1e-13 : 1e-6;
        near_to(evaluate(&p, ref->n, ref->classes, y, labels, g), ref->loss, tolerance * (1 + ref->loss));
        near_to(evaluate(&p, ref->n, ref->classes, y, labels, NULL), ref->loss, tolerance * (1 + ref->loss));
        for (int i = 0; i < ref->n * ref->classes; i++) near_to(g[i], ref->gradient[i], tolerance);
    }
    plugin_host_close(&p);
}

static void test_double(void **state)
{
    (void)state;
    follow(true);
}

static void test_float(void **state)
{
    (void)state;
    follow(false);
}

static void test_central_differences(void **state)
{
    (void)state;
    enum { SAMPLES = 3, CLASSES = 5 };
    const double h = 1e-5;
    plugin_host p;
    open_loss(&p, true);
    double y[SAMPLES * CLASSES], g[SAMPLES * CLASSES];
    const int32_t labels[SAMPLES] = {4, 0, 2};
    for (int i = 0; i < SAMPLES * CLASSES; i++) y[i] = 3 * sin(1.7 * i);
    evaluate(&p, SAMPLES, CLASSES, y, labels, g);
    for (int i = 0; i < SAMPLES * CLASSES; i++) {
        double at = y[i];
        y[i] = at + h;
        double above = evaluate(&p, SAMPLES, CLASSES, y, labels, NULL);
        y[i] = at - h;
        double below = evaluate(&p, SAMPLES, CLASSES, y, labels, NULL);
        y[i] = at;
        near_to(g[i], (above - below) / (2 * h), 1e-9);
    }
    plugin_host_close(&p);
}

static void extremes(bool twin)
{
    plugin_host p;
    open_loss(&p, twin);
    double g[3];
    const double far[3] = {1e4, -1e4, 0};
    const int32_t zero = 0, one = 1;
    /* The label's probability is 0 in any number type: the loss stays the distance of the logits. */
    near_to(evaluate(&p, 1, 3, far, &one, g), 2e4, 1e-9);
    near_to(g[0], 1, 0);
    near_to(g[1], -1, 0);
    near_to(g[2], 0, 0);
    near_to(evaluate(&p, 1, 3, far, &zero, g), 0, 0);
    for (int k = 0; k < 3; k++) near_to(g[k], 0, 0);
    const double largest[3] = {3e38, 3e38, 3e38};
    near_to(evaluate(&p, 1, 3, largest, &one, g), log(3), 1e-7);
    near_to(g[1], -2.0 / 3, 1e-7);
    /* A masked class. */
    const double masked[3] = {0, 0, -INFINITY};
    near_to(evaluate(&p, 1, 3, masked, &one, g), log(2), 1e-7);
    near_to(g[2], 0, 0);
    /* Nearly right: neither loss nor gradient drowns in the rounding of 1. */
    const double sure[3] = {0, -40, -41};
    double tail = exp(-40) + exp(-41);
    near_to(evaluate(&p, 1, 3, sure, &zero, g) / tail, 1, 1e-6);
    near_to(g[0] / -tail, 1, 1e-6);
    /* Diverged logits must show, not vanish. */
    const double broken[3] = {0, NAN, 0};
    assert_true(isnan(evaluate(&p, 1, 3, broken, &zero, NULL)));
    plugin_host_close(&p);
}

static void test_extremes(void **state)
{
    (void)state;
    extremes(true);
    extremes(false);
}

static void check_message(const cvy_shape *shape, int32_t classes, const char *wanted)
{
    plugin_host p;
    open_loss(&p, false);
    int rc = ((const cvy_loss *)p.type)->check(p.face, shape, classes, p.config);
    const char *found = plugin_host_message(&p);
    if (!wanted) {
        assert_int_equal(rc, 0);
        assert_string_equal(found, "");
    } else {
        assert_int_not_equal(rc, 0);
        if (!strstr(found, wanted)) fail_msg("%s", found);
    }
    plugin_host_close(&p);
}

static void test_check(void **state)
{
    (void)state;
    cvy_shape ten = cvy_shape2(8, 10), five = cvy_shape2(8, 5), map = cvy_shape4(8, 64, 4, 4);
    check_message(&ten, 10, NULL);
    check_message(
        &five, 10,
        "the network gives 5 logits for 10 classes; let the last layer be `linear: {units: classes}`");
    check_message(&map, 10, "the network's output has rank 4, expected 2: (batch, classes)");
    check_message(&ten, 0, NULL); /* shares of the classes */
    check_message(&map, 0, NULL);
    const cvy_shape flat = cvy_shape1(8);
    check_message(&flat, 0, "the network's output has rank 1, expected (batch, classes, ...)");
}

static void check_labels(const int32_t *labels, const char *wanted)
{
    plugin_host p;
    open_loss(&p, false);
    cvy_shape shape = cvy_shape2(2, 3);
    float y[6] = {0}, g[6];
    cvy_loss_call call = {.host = p.face, .shape = &shape, .y = y, .labels = labels, .gy = g};
    assert_int_not_equal(((const cvy_loss *)p.type)->evaluate(&call, p.config), 0);
    assert_non_null(strstr(plugin_host_message(&p), wanted));
    plugin_host_close(&p);
}

static void test_labels(void **state)
{
    (void)state;
    check_labels((const int32_t[]){0, 3}, "sample 1 of the batch has label 3, expected 0 to 2");
    check_labels((const int32_t[]){-1, 0}, "sample 0 of the batch has label -1, expected 0 to 2");
    check_labels(NULL, "this loss needs one class label for each sample");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_float),
        cmocka_unit_test(test_central_differences),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
