/* Auxiliary heads: what they add in training, and that evaluation knows nothing of them. */
#include <math.h>
#include "networks.h"

static const char *const headed = "- conv2d: {channels: 8, kernel: 3, padding: 1, name: stem}\n"
                                  "- relu\n"
                                  "- auxiliary_head:\n"
                                  "    name: aux\n"
                                  "    weight: 0.25\n"
                                  "    layers:\n"
                                  "      - global_avg_pool\n"
                                  "      - linear: {units: classes, name: fc}\n"
                                  "- conv2d: {channels: 8, kernel: 3, padding: 1, name: top}\n"
                                  "- relu\n"
                                  "- flatten\n"
                                  "- linear: {units: classes, name: fc}\n";

enum { BATCH = 3, CLASSES = 5 };

static const net_tensor *weight_called(const net *n, const char *name)
{
    for (size_t i = 0; i < n->n_weights; i++)
        if (!strcmp(n->weights[i].name, name)) return &n->weights[i];
    fail_msg("no weight is called %s", name);
    return NULL;
}

static void test_ends(void **unused)
{
    (void)unused;
    network n = network_of(headed, 3, 9, 7, CLASSES);
    network_print(&n);
    assert_non_null(n.net);
    assert_int_equal(n.net->n_heads, 1);
    assert_non_null(weight_called(n.net, "aux.fc.weight"));
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    bound train = bound_of(&n, s, &m, (plan_options){.batch = BATCH, .train = true, .seed = 1}),
          evaluation = bound_of(&n, s, &m, (plan_options){.batch = BATCH});
    assert_int_equal(plan_ends(train.plan), 2);
    assert_int_equal(plan_ends(evaluation.plan), 1);
    plan_ending head = plan_end(train.plan, 1);
    assert_string_equal(head.path, "aux.fc");
    assert_true(head.weight == 0.25 && head.shape.dim[0] == BATCH && head.shape.dim[1] == CLASSES);
    assert_true(plan_end(train.plan, 0).weight == 1);
    for (size_t i = 0; i < plan_steps(evaluation.plan); i++)
        assert_null(strstr(plan_step(evaluation.plan, i).path, "aux"));
    bound_free(&train);
    bound_free(&evaluation);
    state_free(s);
    network_free(&n);
}

/* Gradients of g0 . output + g1 . head, all weights. */
static void gradients(network *n, bound *b, state *s, const float *x, float g0, float g1, float *out)
{
    assert_int_equal(plan_forward(b->plan, x, 0, 0, &n->e), CVY_OK);
    for (size_t i = 0; i < 2; i++) {
        plan_ending end = plan_end(b->plan, i);
        for (int k = 0; k < BATCH * CLASSES; k++) end.gradient[k] = (i ? g1 : g0) * (float)(k % 4 - 1);
    }
    memset(s->gradients, 0xff, (size_t)n->net->weight_floats * sizeof(float));
    assert_int_equal(plan_backward(b->plan, &n->e), CVY_OK);
    memcpy(out, s->gradients, (size_t)n->net->weight_floats * sizeof(float));
}

/* Both ends' gradients add up where their ways meet, and a head's own weights hear of nothing else. */
static void against(bool plain)
{
    network n = network_of(headed, 3, 9, 7, CLASSES);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    bound b = bound_of(&n, s, &m, (plan_options){.batch = BATCH, .train = true, .seed = 1, .plain = plain});
    float *x = noise((size_t)BATCH * 3 * 9 * 7, 1);
    size_t bytes = (size_t)n.net->weight_floats * sizeof(float);
    float *both = mem_alloc(bytes), *output = mem_alloc(bytes), *head = mem_alloc(bytes);
    gradients(&n, &b, s, x, 1, 1, both);
    gradients(&n, &b, s, x, 1, 0, output);
    gradients(&n, &b, s, x, 0, 1, head);
    for (size_t i = 0; i < n.net->n_weights; i++) {
        const net_tensor *t = &n.net->weights[i];
        double from_head = 0, from_output = 0;
        for (int64_t k = t->offset; k < t->offset + t->count; k++) {
            assert_true(fabs((double)both[k] - (double)output[k] - (double)head[k]) <
                        1e-4 * (1 + fabs((double)both[k])));
            from_head += fabs((double)head[k]);
            from_output += fabs((double)output[k]);
        }
        bool stem = !strncmp(t->name, "stem.", 5), aux = !strncmp(t->name, "aux.", 4);
        assert_true((from_head > 0) == (stem || aux));
        assert_true((from_output > 0) == !aux);
    }
    mem_free(x);
    mem_free(both);
    mem_free(output);
    mem_free(head);
    bound_free(&b);
    state_free(s);
    network_free(&n);
}

static void test_gradients_add_up(void **unused)
{
    (void)unused;
    against(false);
    against(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_gradients_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
