/* A layer with nothing but plain code in the middle of a fast network: it works, and costs a conversion on
 * either side of it, forward and backward, and none elsewhere. */
#include <math.h>
#include "networks.h"

#define BEFORE "- conv2d: {channels: 32, kernel: 3, padding: 1, bias: false}\n- batch_norm\n- relu\n"
#define AFTER                                                                              \
    "- conv2d: {channels: 32, kernel: 3, padding: 1, bias: false}\n- batch_norm\n- relu\n" \
    "- global_avg_pool\n- linear: {units: classes}\n"

static void test_two_conversions(void **unused)
{
    (void)unused;
    network without = network_of(BEFORE AFTER, 3, 16, 16, 10);
    network with = network_with(BEFORE "- softsign: {name: own}\n" AFTER, 3, 16, 16, 10,
                                BINARY_DIR "/plugins:" BINARY_DIR "/tests/plugins");
    network_print(&with);
    assert_non_null(without.net);
    assert_non_null(with.net);
    machine m = machine_here();
    state *a = state_new(without.net, 1, true, &without.e), *b = state_new(with.net, 1, true, &with.e);
    state *c = state_new(with.net, 1, true, &with.e);
    bound fast = bound_of(&without, a, &m, (plan_options){.batch = 32, .train = true});
    bound own = bound_of(&with, b, &m, (plan_options){.batch = 32, .train = true});
    bound plain = bound_of(&with, c, &m, (plan_options){.batch = 32, .train = true, .plain = true});
    assert_int_equal(plan_conversions(own.plan, false), plan_conversions(fast.plan, false) + 2);
    assert_int_equal(plan_conversions(own.plan, true), plan_conversions(fast.plan, true) + 2);

    float *x = noise(32 * 3 * 256, 1);
    assert_int_equal(plan_forward(own.plan, x, 0, 0, &with.e), CVY_OK);
    assert_int_equal(plan_forward(plain.plan, x, 0, 0, &with.e), CVY_OK);
    for (int i = 0; i < 320; i++) {
        float got = plan_output(own.plan, NULL)[i], expected = plan_output(plain.plan, NULL)[i];
        assert_true(fabsf(got - expected) < 1e-3f);
        plan_output_gradient(own.plan)[i] = plan_output_gradient(plain.plan)[i] = x[i];
    }
    assert_int_equal(plan_backward(own.plan, &with.e), CVY_OK);
    assert_int_equal(plan_backward(plain.plan, &with.e), CVY_OK);
    for (size_t t = 0; t < with.net->n_weights; t++) {
        const net_tensor *w = &with.net->weights[t];
        float largest = 0;
        for (int64_t i = 0; i < w->count; i++) largest = fmaxf(largest, fabsf(c->gradients[w->offset + i]));
        for (int64_t i = 0; i < w->count; i++)
            assert_true(fabsf(b->gradients[w->offset + i] - c->gradients[w->offset + i]) <=
                        2e-3f * largest + 1e-6f);
    }
    mem_free(x);
    bound_free(&fast), bound_free(&own), bound_free(&plain);
    state_free(a), state_free(b), state_free(c);
    network_free(&without), network_free(&with);
}

static void lowering_says(const char *what, const char *said)
{
    char yaml[128];
    snprintf(yaml, sizeof yaml, "- misfit: {what: %s, name: own}\n- flatten\n- linear: {units: classes}\n",
             what);
    network n = network_with(yaml, 3, 4, 5, 10, BINARY_DIR "/plugins:" BINARY_DIR "/tests/plugins");
    network_print(&n);
    assert_non_null(n.net);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    plan *p = plan_new(n.net, s, &m, &(plan_options){.batch = 2, .train = true}, &n.e);
    text t = {0};
    errors_text(&n.e, false, &t);
    assert_int_equal(p == NULL, said != NULL);
    if (said && !strstr(text_str(&t), said)) fail_msg("%s: %s", what, text_str(&t));
    text_free(&t);
    plan_free(p);
    state_free(s);
    network_free(&n);
}

/* A plugin's operators are believed no more than their kernels can bear; test_fit.c has all that is said. */
static void test_misfits(void **unused)
{
    (void)unused;
    static const char *const cases[][2] = {
        {"groups", "lower: conv_transpose: its weight has 3 output channels, which 2 groups cannot share"},
        {"no_groups", "lower: conv_transpose: the number of groups is 0"},
        {"channels", "lower: conv_transpose: its weight is of 4 input channels, and the input has 3"},
        {"rank", "lower: conv_transpose: operand 1 has 2 dimensions, and 4 are wanted"},
        {"stride", "lower: conv_transpose: the stride is 0"},
        {"dilation", "lower: conv_transpose: the dilation is -1"},
        {"size", "lower: conv_transpose: the output's size is 0"},
        {"biased", "lower: conv_transpose: 3 operands, and 2 wanted"},
        {"bias", "lower: bias: operand 1 has 2 elements, and 1 are wanted"},
        {"tied",
         "lower: bias: weight \"own.bias\" is read by another operator already: one alone can train it"},
    };
    lowering_says("fits", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) lowering_says(cases[i][0], cases[i][1]);
}

/* A layer may read as many as it likes. */
static void test_many_inputs(void **unused)
{
    (void)unused;
    enum { INPUTS = 600 };
    text yaml = {0};
    text_add(&yaml, "- relu: {name: a}\n- add: {inputs: [a");
    for (int i = 1; i < INPUTS; i++) text_add(&yaml, ", a");
    text_add(&yaml, "]}\n- flatten\n- linear: {units: classes}\n");
    network n = network_of(text_str(&yaml), 3, 4, 5, 10);
    network_print(&n);
    assert_non_null(n.net);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    float *x = noise(2 * 60, 1), y[2][20];
    for (int plain = 0; plain < 2; plain++) {
        bound b = bound_of(&n, s, &m, (plan_options){.batch = 2, .train = true, .plain = plain});
        assert_int_equal(plan_forward(b.plan, x, 0, 0, &n.e), CVY_OK);
        memcpy(y[plain], plan_output(b.plan, NULL), sizeof *y);
        for (int i = 0; i < 20; i++) plan_output_gradient(b.plan)[i] = 1;
        assert_int_equal(plan_backward(b.plan, &n.e), CVY_OK);
        bound_free(&b);
    }
    for (int i = 0; i < 20; i++) assert_true(fabsf(y[0][i] - y[1][i]) <= 1e-4f * (1 + fabsf(y[1][i])));
    mem_free(x);
    state_free(s);
    network_free(&n);
    text_free(&yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_conversions),
        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_many_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
