/* Every primitive layer's backward against central differences of its forward, in the double twin. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

typedef struct layer_case {
    const char *layer, *params;
    int32_t n_in;
    cvy_shape in[3];
} layer_case;

#define MAPS(n, c, h, w)     \
    {                        \
        4,                   \
        {                    \
            n, c, h, w, 0, 0 \
        }                    \
    }
#define VECTORS(n, f)        \
    {                        \
        2,                   \
        {                    \
            n, f, 0, 0, 0, 0 \
        }                    \
    }
#define SEQUENCES(n, c, l)   \
    {                        \
        3,                   \
        {                    \
            n, c, l, 0, 0, 0 \
        }                    \
    }

static const layer_case cases[] = {
    {"conv2d", "channels: 3, kernel: 1", 1, {MAPS(2, 2, 4, 3)}},
    {"conv2d", "channels: 3, kernel: 3, padding: 1", 1, {MAPS(2, 2, 5, 7)}},
    {"conv2d", "channels: 2, kernel: 3", 1, {MAPS(1, 3, 3, 3)}},
    {"conv2d", "channels: 2, kernel: 3, padding: 1", 1, {MAPS(1, 2, 1, 1)}},
    {"conv2d", "channels: 2, kernel: 1, bias: false", 1, {MAPS(1, 1, 1, 1)}},
    {"conv2d", "channels: 2, kernel: [1, 5], padding: [0, 2]", 1, {MAPS(2, 2, 3, 6)}},
    {"conv2d", "channels: 2, kernel: [5, 2], padding: [2, 1], stride: [2, 3]", 1, {MAPS(1, 2, 7, 8)}},
    {"conv2d", "channels: 2, kernel: 1, stride: 2", 1, {MAPS(2, 2, 5, 4)}},
    {"conv2d", "channels: 2, kernel: 2, stride: 3", 1, {MAPS(2, 1, 7, 9)}},
    {"conv2d", "channels: 2, kernel: 3, dilation: 2, padding: 2", 1, {MAPS(1, 2, 5, 6)}},
    {"conv2d",
     "channels: 2, kernel: 3, dilation: [1, 3], padding: [0, 4], stride: [1, 2]",
     1,
     {MAPS(1, 2, 4, 5)}},
    {"conv2d", "channels: 6, kernel: 3, padding: 1, groups: 2", 1, {MAPS(2, 4, 3, 4)}},
    {"conv2d", "channels: 4, kernel: 3, padding: 1, groups: 4, bias: false", 1, {MAPS(2, 4, 4, 3)}},
    {"conv2d", "channels: 6, kernel: 2, groups: 3, stride: 2", 1, {MAPS(1, 3, 5, 5)}},
    {"conv2d", "channels: 2, kernel: [2, 3], padding: 1, mode: convolution", 1, {MAPS(2, 2, 4, 5)}},
    {"conv2d", "channels: 2, kernel: 3, padding: 4", 1, {MAPS(1, 1, 2, 2)}},
    {"linear", "units: 3", 1, {VECTORS(4, 5)}},
    {"linear", "units: 1", 1, {VECTORS(1, 1)}},
    {"linear", "units: classes, bias: false", 1, {VECTORS(2, 7)}},
    {"relu", "", 1, {MAPS(2, 3, 5, 3)}},
    {"relu", "", 1, {VECTORS(1, 1)}},
    {"relu", "", 1, {SEQUENCES(2, 3, 4)}},
    {"max_pool2d", "", 1, {MAPS(2, 3, 4, 6)}},
    {"max_pool2d", "kernel: 3, stride: 2, padding: 1", 1, {MAPS(2, 2, 7, 5)}},
    {"max_pool2d", "kernel: 3, stride: 1, padding: 1", 1, {MAPS(1, 2, 4, 5)}},
    {"max_pool2d", "kernel: [1, 3], stride: [2, 1], padding: [0, 1]", 1, {MAPS(1, 2, 5, 4)}},
    {"max_pool2d", "kernel: 2, stride: 2", 1, {MAPS(1, 1, 5, 7)}},
    {"max_pool2d", "kernel: 2, stride: 3, padding: 1", 1, {MAPS(1, 1, 1, 1)}},
    {"max_pool2d", "kernel: 1, stride: 1", 1, {MAPS(1, 1, 1, 1)}},
    {"avg_pool2d", "", 1, {MAPS(2, 3, 4, 6)}},
    {"avg_pool2d", "kernel: 3, stride: 2, padding: 1", 1, {MAPS(2, 2, 7, 5)}},
    {"avg_pool2d", "kernel: 3, stride: 2, padding: 1, count_padding: false", 1, {MAPS(2, 2, 7, 5)}},
    {"avg_pool2d",
     "kernel: [3, 2], stride: [1, 2], padding: [1, 0], count_padding: false",
     1,
     {MAPS(1, 2, 3, 7)}},
    {"avg_pool2d", "kernel: 2, padding: 1", 1, {MAPS(1, 1, 1, 1)}},
    {"global_avg_pool", "", 1, {MAPS(2, 3, 5, 3)}},
    {"global_avg_pool", "", 1, {MAPS(1, 2, 1, 1)}},
    {"global_avg_pool", "", 1, {SEQUENCES(2, 2, 5)}},
    {"flatten", "", 1, {MAPS(2, 3, 2, 5)}},
    {"flatten", "", 1, {VECTORS(2, 3)}},
    {"batch_norm", "", 1, {MAPS(3, 2, 3, 5)}},
    {"batch_norm", "eps: 0.1, momentum: 0.5", 1, {MAPS(1, 3, 2, 3)}},
    {"batch_norm", "", 1, {MAPS(4, 2, 1, 1)}},
    {"batch_norm", "", 1, {VECTORS(5, 3)}},
    {"batch_norm", "", 1, {SEQUENCES(2, 3, 4)}},
    {"batch_norm", "", 1, {MAPS(1, 2, 1, 1)}},
    {"dropout", "", 1, {MAPS(2, 3, 5, 3)}},
    {"dropout", "p: 0.2", 1, {VECTORS(3, 300)}},
    {"dropout", "p: 0", 1, {VECTORS(2, 3)}},
    {"add", "", 2, {MAPS(2, 3, 5, 3), MAPS(2, 3, 5, 3)}},
    {"add", "", 3, {VECTORS(2, 3), VECTORS(2, 3), VECTORS(2, 3)}},
    {"concat", "", 2, {MAPS(2, 3, 2, 3), MAPS(2, 1, 2, 3)}},
    {"concat", "", 3, {MAPS(1, 1, 1, 1), MAPS(1, 4, 1, 1), MAPS(1, 2, 1, 1)}},
    {"concat", "", 2, {VECTORS(2, 3), VECTORS(2, 2)}},
    {"shortcut_pad", "channels: 5, stride: 2", 1, {MAPS(2, 2, 5, 4)}},
    {"shortcut_pad", "channels: 4, stride: [1, 3]", 1, {MAPS(1, 2, 3, 7)}},
    {"shortcut_pad", "channels: 3", 1, {MAPS(2, 3, 2, 2)}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void open_case(rig *r, const layer_case *c, bool twin)
{
    rig_open(r, c->layer, twin, c->params);
    if (!rig_infer(r, c->n_in, c->in)) fail_msg("%s {%s}: %s", c->layer, c->params, r->error);
}

/* Numbers of a continuous distribution, so that kinks and ties are rare. */
static void fill_smooth(double *v, int64_t count, uint32_t id)
{
    double fine[1];
    rig_fill(v, count, id);
    for (int64_t i = 0; i < count; i++) {
        rig_fill(fine, 1, id * 1009u + (uint32_t)i);
        v[i] += fine[0] / 129;
    }
}

static void fill_all_smooth(rig *r)
{
    for (int32_t k = 0; k < r->n_in; k++) fill_smooth(r->x[k].v, r->x[k].count, (uint32_t)k);
    for (int32_t k = 0; k < r->n_weights; k++)
        fill_smooth(r->weight[k].v, r->weight[k].count, 10u + (uint32_t)k);
    fill_smooth(r->y.grad, r->y.count, 50);
}

/* sum of gy y, whose gradients are what backward computes from gy. */
static double loss(rig *r)
{
    double sum = 0;
    rig_forward(r);
    for (int64_t i = 0; i < r->y.count; i++) sum += r->y.grad[i] * r->y.v[i];
    return sum;
}

typedef struct tally {
    int64_t checked, kinks;
} tally;

/* t is one of the rig's tensors with its gradient computed. */
static void check_tensor(rig *r, const layer_case *c, const char *what, int k, tensor *t, tally *counts)
{
    const double h = 1e-5;
    for (int64_t i = 0; i < t->count; i++) {
        const double was = t->v[i], here = loss(r);
        t->v[i] = was + h;
        const double right = (loss(r) - here) / h;
        t->v[i] = was - h;
        const double left = (here - loss(r)) / h;
        t->v[i] = was;
        counts->checked++;
        if (fabs(right - left) > 1e-2 * (1 + fabs(right) + fabs(left))) {
            counts->kinks++;
            continue;
        }
        const double expected = (left + right) / 2, found = t->grad[i];
        if (!(fabs(found - expected) <= 1e-6 * (1 + fabs(expected))))
            fail_msg("%s {%s}: gradient of %s %d [%" PRId64 "] is %.9g, differences say %.9g", c->layer,
                     c->params, what, k, i, found, expected);
    }
}

static void test_differences(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        const layer_case *c = &cases[n];
        rig r;
        tally t = {0, 0};
        open_case(&r, c, true);
        fill_all_smooth(&r);
        rig_forward(&r);
        rig_backward(&r);
        for (int32_t k = 0; k < r.n_in; k++) check_tensor(&r, c, "input", k, &r.x[k], &t);
        for (int32_t k = 0; k < r.n_weights; k++) check_tensor(&r, c, "weight", k, &r.weight[k], &t);
        if (t.kinks * 50 > t.checked)
            fail_msg("%s {%s}: %" PRId64 " of %" PRId64 " differences straddle a kink", c->layer, c->params,
                     t.kinks, t.checked);
        rig_close(&r);
    }
}

/* Whichever gradients are not wanted, the others come out the same and nothing is written through NULL. */
static void test_unwanted(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        rig r;
        open_case(&r, &cases[n], true);
        fill_all_smooth(&r);
        rig_forward(&r);
        rig_backward(&r);
        tensor *all[2 * RIG_MAX];
        double *full[2 * RIG_MAX];
        int count = 0;
        for (int32_t k = 0; k < r.n_in; k++) all[count++] = &r.x[k];
        for (int32_t k = 0; k < r.n_weights; k++) all[count++] = &r.weight[k];
        for (int k = 0; k < count; k++)
            full[k] = mem_copy(all[k]->grad, (size_t)all[k]->count * sizeof(double));
        for (unsigned mask = 1; mask < 1u << count; mask++) {
            for (int k = 0; k < count; k++) {
                all[k]->not_wanted = mask >> k & 1;
                for (int64_t i = 0; i < all[k]->count; i++) all[k]->grad[i] = -1;
            }
            rig_backward(&r);
            for (int k = 0; k < count; k++)
                if (!all[k]->not_wanted)
                    assert_memory_equal(all[k]->grad, full[k], (size_t)all[k]->count * sizeof(double));
        }
        for (int k = 0; k < count; k++) mem_free(full[k]);
        rig_close(&r);
    }
}

/* A layer that declares CVY_IN_PLACE computes the same with y in x[0] and gx[0] in gy. */
static void test_in_place(void **state)
{
    (void)state;
    int tried = 0;
    for (int n = 0; n < CASES; n++) {
        for (int train = 0; train <= 1; train++) {
            rig apart, together;
            open_case(&apart, &cases[n], false);
            open_case(&together, &cases[n], false);
            if (apart.traits & CVY_IN_PLACE) {
                tried++;
                apart.train = together.train = train;
                together.in_place = true;
                rig_fill_all(&apart);
                rig_fill_all(&together);
                rig_forward(&apart);
                rig_forward(&together);
                assert_memory_equal(apart.y.v, together.y.v, (size_t)apart.y.count * sizeof(double));
                rig_backward(&apart);
                rig_backward(&together);
                for (int32_t k = 0; k < apart.n_in; k++)
                    assert_memory_equal(apart.x[k].grad, together.x[k].grad,
                                        (size_t)apart.x[k].count * sizeof(double));
            }
            rig_close(&apart);
            rig_close(&together);
        }
    }
    assert_true(tried > 0);
}

/* The float build computes what the double twin does, to float's precision. */
static void test_twins(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        rig f, d;
        open_case(&f, &cases[n], false);
        open_case(&d, &cases[n], true);
        assert_int_equal(f.traits, d.traits);
        assert_int_equal(f.macs, d.macs);
        rig_fill_all(&f);
        rig_fill_all(&d);
        rig_forward(&f);
        rig_forward(&d);
        rig_backward(&f);
        rig_backward(&d);
        for (int64_t i = 0; i < f.y.count; i++)
            assert_true(fabs(f.y.v[i] - d.y.v[i]) <= 1e-5 + 1e-4 * fabs(d.y.v[i]));
        for (int32_t k = 0; k < f.n_in; k++)
            for (int64_t i = 0; i < f.x[k].count; i++)
                assert_true(fabs(f.x[k].grad[i] - d.x[k].grad[i]) <= 1e-4 + 1e-4 * fabs(d.x[k].grad[i]));
        rig_close(&f);
        rig_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_unwanted),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
