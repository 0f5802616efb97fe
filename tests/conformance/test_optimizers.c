/* The optimizers step by step against PyTorch's, and what else their contract promises. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convoy/optimizer.h"
#include "optimizer_references.h"
#include "plugin_host.h"

enum { N = 6, STEPS = 12, REFERENCES = sizeof references / sizeof references[0] };

static double gradient(double w, int i, int step)
{
    double d = ((step * 37 + i * 11) % 64 - 32) / 64.0;
    return (w - i / 8.0) * ((i + 1) / 4.0) + d;
}

static int slot_count(const cvy_optimizer *type, const void *config)
{
    const char *const *names = type->slots(config);
    int n = 0;
    while (names[n]) n++;
    assert_true(n <= CVY_MAX_SLOTS);
    return n;
}

static void put(bool twin, void *array, int i, double v)
{
    if (twin)
        ((double *)array)[i] = v;
    else
        ((float *)array)[i] = (float)v;
}

static double get(bool twin, const void *array, int i)
{
    return twin ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

/* One step from elements [begin, end) of the arrays, which are of the plugin's number type. */
static int step_piece(plugin_host *p, bool twin, int step, double factor, double *w, double *g,
                      double slots[][N], int begin, int end)
{
    const cvy_optimizer *type = p->type;
    size_t skip = (size_t)begin * (twin ? sizeof(double) : sizeof(float));
    cvy_real *pointers[CVY_MAX_SLOTS] = {NULL};
    for (int k = 0; k < slot_count(type, p->config); k++) pointers[k] = (void *)((char *)slots[k] + skip);
    cvy_update u = {
        p->face, end - begin, step, factor, (void *)((char *)w + skip), (void *)((char *)g + skip), pointers};
    return type->update(&u, p->config);
}

static void follow(const struct reference *ref, bool twin, bool split)
{
    plugin_host p;
    char *file = mem_printf("optimizers/%s", ref->optimizer);
    plugin_host_open(&p, file, twin, ref->params, 1);
    mem_free(file);
    assert_non_null(p.config);

    double w[N], g[N], slots[CVY_MAX_SLOTS][N]; /* as floats: their first halves */
    memset(slots, 0, sizeof slots);
    for (int i = 0; i < N; i++) put(twin, w, i, (i - 2.5) / 2);
    int kept = 0;
    for (int step = 1; step <= STEPS; step++) {
        for (int i = 0; i < N; i++) put(twin, g, i, gradient(get(twin, w, i), i, step));
        double factor = 1 / (1 + step / 8.0);
        if (split) {
            assert_int_equal(step_piece(&p, twin, step, factor, w, g, slots, 4, N), 0);
            assert_int_equal(step_piece(&p, twin, step, factor, w, g, slots, 0, 4), 0);
        } else {
            assert_int_equal(step_piece(&p, twin, step, factor, w, g, slots, 0, N), 0);
        }
        if (step != 1 && step != 2 && step != STEPS) continue;
        for (int i = 0; i < N; i++) {
            double expected = twin ? ref->exact[kept][i] : (double)ref->single[kept][i],
                   found = get(twin, w, i);
            if (!(fabs(found - expected) <= (twin ? 1e-13 : 1e-6) * (1 + fabs(expected))))
                fail_msg("%s {%s}, step %d, element %d: %.17g, PyTorch has %.17g", ref->optimizer,
                         ref->params, step, i, found, expected);
        }
        kept++;
    }
    plugin_host_close(&p);
}

static void test_double_trajectories(void **state)
{
    (void)state;
    for (int i = 0; i < REFERENCES; i++) follow(&references[i], true, false);
}

static void test_float_trajectories(void **state)
{
    (void)state;
    for (int i = 0; i < REFERENCES; i++) follow(&references[i], false, false);
}

static void test_pieces(void **state)
{
    (void)state;
    for (int i = 0; i < REFERENCES; i++) {
        follow(&references[i], true, true);
        follow(&references[i], false, true);
    }
}

/* Long enough for vector loops: cutting a tensor anywhere changes no bit. */
static void test_pieces_are_exact(void **state)
{
    (void)state;
    enum { LONG = 103 };
    for (int k = 0; k < REFERENCES; k++) {
        plugin_host p;
        char *file = mem_printf("optimizers/%s", references[k].optimizer);
        plugin_host_open(&p, file, false, references[k].params, 1);
        mem_free(file);
        const cvy_optimizer *type = p.type;
        assert_int_equal(type->elementwise, 1);
        float w[2][LONG], g[LONG], slots[2][CVY_MAX_SLOTS][LONG];
        memset(slots, 0, sizeof slots);
        for (int i = 0; i < LONG; i++) w[0][i] = w[1][i] = sinf((float)i);
        for (int step = 1; step <= 5; step++) {
            for (int i = 0; i < LONG; i++) g[i] = cosf((float)(i * step));
            for (int cut = 0; cut < 2; cut++)
                for (int part = 0; part <= cut; part++) {
                    int begin = part ? 37 : 0, end = cut && !part ? 37 : LONG;
                    cvy_real *pointers[CVY_MAX_SLOTS];
                    for (int s = 0; s < CVY_MAX_SLOTS; s++) pointers[s] = slots[cut][s] + begin;
                    cvy_update u = {p.face, end - begin, step, 1, w[cut] + begin, g + begin, pointers};
                    assert_int_equal(type->update(&u, p.config), 0);
                }
        }
        assert_memory_equal(w[0], w[1], sizeof w[0]);
        assert_memory_equal(slots[0], slots[1], sizeof slots[0]);
        plugin_host_close(&p);
    }
}

/* Dead units have gradient zero from the first step on; a constant gradient has no variance to divide by. */
static void test_degenerate_gradients(void **state)
{
    (void)state;
    for (int k = 0; k < REFERENCES; k++) {
        plugin_host p;
        char *file = mem_printf("optimizers/%s", references[k].optimizer);
        plugin_host_open(&p, file, false, references[k].params, 1);
        mem_free(file);
        double w[N] = {0}, g[N] = {0}, slots[CVY_MAX_SLOTS][N];
        memset(slots, 0, sizeof slots);
        for (int i = 3; i < N; i++) put(false, g, i, 0.3);
        for (int step = 1; step <= 50; step++) {
            assert_int_equal(step_piece(&p, false, step, 1, w, g, slots, 0, N), 0);
            for (int i = 0; i < N; i++) assert_true(isfinite(get(false, w, i)));
        }
        for (int i = 0; i < 3; i++) assert_true(get(false, w, i) == 0);
        plugin_host_close(&p);
    }
}

static void check_slots(const char *file, const char *params, const char *expected)
{
    plugin_host p;
    plugin_host_open(&p, file, false, params, 1);
    assert_non_null(p.config);
    text t = {0};
    for (const char *const *s = ((const cvy_optimizer *)p.type)->slots(p.config); *s; s++)
        text_printf(&t, "%s ", *s);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
    plugin_host_close(&p);
}

static void test_slots(void **state)
{
    (void)state;
    check_slots("optimizers/sgd", "", "");
    check_slots("optimizers/sgd", "momentum: 0.9", "momentum ");
    check_slots("optimizers/adagrad", "", "sum ");
    check_slots("optimizers/rmsprop", "", "square ");
    check_slots("optimizers/rmsprop", "momentum: 0.5", "square momentum ");
    check_slots("optimizers/rmsprop", "centered: true", "square mean ");
    check_slots("optimizers/rmsprop", "centered: true, momentum: 0.5", "square mean momentum ");
    check_slots("optimizers/adam", "", "mean square ");
    check_slots("optimizers/adam", "amsgrad: true", "mean square max_square ");
    check_slots("optimizers/adamw", "amsgrad: true", "mean square max_square ");
    check_slots("optimizers/adadelta", "", "square step_square ");
}

static void check_refused(const char *params, const char *wanted)
{
    plugin_host p;
    plugin_host_open(&p, "optimizers/sgd", false, params, 1);
    assert_non_null(p.config);
    const cvy_optimizer *type = p.type;
    cvy_update u = {p.face, 0, 1, 1, NULL, NULL, NULL};
    assert_int_not_equal(type->update(&u, p.config), 0);
    assert_non_null(strstr(plugin_host_message(&p), wanted));
    plugin_host_close(&p);
}

static void test_nesterov_needs_momentum(void **state)
{
    (void)state;
    check_refused("nesterov: true",
                  "nesterov: needs momentum above 0 and dampening 0, found momentum 0 and dampening 0");
    check_refused("nesterov: true, momentum: 0.9, dampening: 0.5", "found momentum 0.9 and dampening 0.5");
}

static void check_parameters(const char *file, const char *params, const char *wanted)
{
    plugin_host p;
    plugin_host_open(&p, file, false, params, 1);
    assert_null(p.config);
    const char *found = plugin_host_message(&p);
    if (!strstr(found, wanted)) fail_msg("{%s} gave: %s", params, found);
    plugin_host_close(&p);
}

static void test_parameters(void **state)
{
    (void)state;
    check_parameters("optimizers/adam", "learning_rate: 0.1", "lr");
    check_parameters("optimizers/adam", "lr: -1", "lr: -1 is below 0");
    check_parameters("optimizers/adam", "beta1: 1", "beta1: 1 is above 0.99999999");
    check_parameters("optimizers/rmsprop", "rho: 0.9", "alpha");
    check_parameters("optimizers/adagrad", "initial_accumulator_value: 1", "initial_accumulator");
    check_parameters("optimizers/adamw", "wd: 0.1", "weight_decay");
    check_parameters("optimizers/lion", "beta2: 1.5", "beta2: 1.5 is above 1");
    check_parameters("optimizers/adagrad", "eps: 0", "eps: 0 is below 1e-30");
    check_parameters("optimizers/sgd", "l2: 0.1", "weight_decay");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double_trajectories),
        cmocka_unit_test(test_float_trajectories),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_pieces_are_exact),
        cmocka_unit_test(test_degenerate_gradients),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_nesterov_needs_momentum),
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
