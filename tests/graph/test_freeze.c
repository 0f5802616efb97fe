/* Frozen tensors in plans: what is not computed for them, that they stay, and that the rest comes out as in every
 * layer's plain code. */
#include <math.h>
#include "graph/freeze.h"
#include "networks.h"

static const char *const layers =
    "- conv2d: {channels: 16, kernel: 3, padding: 1, bias: false, name: stem}\n"
    "- batch_norm: {name: bn}\n- relu\n"
    "- residual: {channels: 16, blocks: 2, name: a}\n"
    "- residual: {channels: 24, blocks: 1, stride: 2, shortcut: projection, name: b}\n"
    "- batch_norm: {name: last}\n- conv2d: {channels: 8, kernel: 1, name: thin}\n"
    "- flatten\n- linear: {units: 6, name: fc}\n- relu\n- linear: {units: classes, name: head}\n";

enum { BATCH = 5, CLASSES = 4 };

/* Freezes every tensor whose name contains `part`. */
static void freeze_all(net_tensor *t, size_t n, const char *part)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(t[i].name, part)) t[i].frozen = true;
}

typedef struct frozen_case {
    const char *parts[8]; /* of names, NULL at the end */
} frozen_case;

static network frozen_network(const frozen_case *c)
{
    network n = network_of(layers, 3, 9, 8, CLASSES);
    network_print(&n);
    assert_non_null(n.net);
    for (int i = 0; c->parts[i]; i++) {
        freeze_all(n.net->weights, n.net->n_weights, c->parts[i]);
        freeze_all(n.net->buffers, n.net->n_buffers, c->parts[i]);
    }
    assert_int_equal(freeze_settle(n.net, NULL, &n.e), CVY_OK);
    return n;
}

static float *numbers(size_t n, uint64_t seed)
{
    philox_stream s = philox_open(philox_key_of(seed, "test", "numbers"), 0, 0);
    float *v = mem_array(n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = (float)philox_normal(&s);
    return v;
}

/* Weights and running statistics that no initialisation has: a frozen layer takes what it is given. */
static state *stirred(network *n)
{
    state *s = state_new(n->net, 3, true, &n->e);
    assert_non_null(s);
    float *noise = numbers((size_t)n->net->weight_floats, 8),
          *more = numbers((size_t)n->net->buffer_floats, 9);
    for (size_t i = 0; i < n->net->n_weights; i++) {
        const net_tensor *t = &n->net->weights[i];
        for (int64_t k = 0; k < t->count; k++) s->weights[t->offset + k] += 0.1f * noise[k];
    }
    for (size_t i = 0; i < n->net->n_buffers; i++) {
        const net_tensor *t = &n->net->buffers[i];
        for (int64_t k = 0; k < t->count; k++)
            s->buffers[t->offset + k] = strstr(t->name, "var") ? 0.5f + fabsf(more[k]) : more[k];
    }
    mem_free(noise);
    mem_free(more);
    return s;
}

static const float untouched = 1234.5f;

static void run(network *n, state *s, bound *b, const float *x, const float *gy, float *y)
{
    memset(b->memory, 0xff, b->bytes); /* NaN everywhere: nothing may be read before it is written */
    for (int64_t i = 0; i < n->net->weight_floats; i++) s->gradients[i] = untouched;
    assert_int_equal(plan_forward(b->plan, x, 7, 0, &n->e), CVY_OK);
    memcpy(y, plan_output(b->plan, NULL), BATCH * CLASSES * sizeof(float));
    memcpy(plan_output_gradient(b->plan), gy, BATCH * CLASSES * sizeof(float));
    assert_int_equal(plan_backward(b->plan, &n->e), CVY_OK);
}

static bool near(const float *a, const float *b, int64_t n, double share)
{
    double worst = 0, largest = 1e-20;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)b[i]));
        worst = fmax(worst, isfinite(a[i]) ? fabs((double)a[i] - (double)b[i]) : INFINITY);
    }
    return worst <= share * largest;
}

static void check_gradients(const state *fast, const state *plain)
{
    for (size_t i = 0; i < fast->net->n_weights; i++) {
        const net_tensor *t = &fast->net->weights[i];
        const float *f = fast->gradients + t->offset, *p = plain->gradients + t->offset;
        if (t->frozen) {
            for (int64_t k = 0; k < t->count; k++) assert_true(f[k] == untouched && p[k] == untouched);
        } else if (!near(f, p, t->count, 2e-3)) {
            fail_msg("%s: another gradient than by plain code", t->name);
        }
    }
}

static void check_buffers(const state *fast, const state *plain, const state *before)
{
    for (size_t i = 0; i < fast->net->n_buffers; i++) {
        const net_tensor *t = &fast->net->buffers[i];
        size_t bytes = (size_t)t->count * sizeof(float);
        if (!t->frozen) {
            assert_true(near(fast->buffers + t->offset, plain->buffers + t->offset, t->count, 1e-4));
            assert_memory_not_equal(fast->buffers + t->offset, before->buffers + t->offset, bytes);
            continue;
        }
        assert_memory_equal(fast->buffers + t->offset, before->buffers + t->offset, bytes);
        assert_memory_equal(plain->buffers + t->offset, before->buffers + t->offset, bytes);
    }
}

static void against_plain(const frozen_case *c, bool no_fusion)
{
    network n = frozen_network(c);
    machine m = machine_here();
    state *fast = stirred(&n), *plain = stirred(&n), *before = stirred(&n);
    bound f = bound_of(&n, fast, &m,
                       (plan_options){.batch = BATCH, .train = true, .seed = 5, .no_fusion = no_fusion});
    bound p =
        bound_of(&n, plain, &m, (plan_options){.batch = BATCH, .train = true, .plain = true, .seed = 5});
    float *x = numbers(BATCH * 3 * 9 * 8, 1), *gy = numbers(BATCH * CLASSES, 2);
    float yf[BATCH * CLASSES], yp[BATCH * CLASSES];
    run(&n, fast, &f, x, gy, yf);
    run(&n, plain, &p, x, gy, yp);
    assert_true(near(yf, yp, BATCH * CLASSES, 2e-4));
    check_gradients(fast, plain);
    check_buffers(fast, plain, before);
    mem_free(x), mem_free(gy);
    bound_free(&f), bound_free(&p);
    state_free(fast), state_free(plain), state_free(before);
    network_free(&n);
}

static void test_as_plain(void **unused)
{
    (void)unused;
    static const frozen_case cases[] = {
        {{NULL}},
        {{"running_", NULL}},                /* weights of batch normalisation trained on fixed statistics */
        {{"bn", "last", "shortcut", NULL}},  /* whole layers, gradients passing through */
        {{"bn1", "a.block0.bn2", NULL}},     /* with and without a residual merged into them */
        {{"stem", "bn.", "a.block0", NULL}}, /* nothing trained below */
        {{".bias", NULL}},                   /* halves of layers */
        {{"conv1.weight", "head.weight", "thin.weight", "bn.weight", NULL}},
        {{"head", "fc", "b.", NULL}}, /* trained below only */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int no_fusion = 0; no_fusion < 2; no_fusion++) against_plain(&cases[i], no_fusion);
}

/* With all but the head frozen there is one backward step, and the forward pass keeps nothing for a second. */
static void test_nothing_in_vain(void **unused)
{
    (void)unused;
    const frozen_case nothing = {{NULL}},
                      all_but_head = {{"stem", "bn", "a.", "b.", "thin", "last", "fc", NULL}};
    network whole = frozen_network(&nothing), n = frozen_network(&all_but_head);
    assert_int_equal(freeze_trainable(n.net), 6 * CLASSES + CLASSES);
    assert_int_equal(freeze_trainable(whole.net), whole.net->parameters);
    machine m = machine_here();
    state none = {.net = n.net}, other = {.net = whole.net};
    plan_options o = {.batch = 64, .train = true};
    plan *p = plan_new(n.net, &none, &m, &o, &n.e), *q = plan_new(whole.net, &other, &m, &o, &whole.e);
    size_t backward = 0;
    for (size_t i = 0; i < plan_steps(p); i++) {
        plan_step_info s = plan_step(p, i);
        backward += s.backward && !s.conversion;
        assert_true(!s.backward || strcmp(s.path, "head") == 0);
    }
    assert_int_equal(backward, 1);
    assert_true(2 * plan_bytes(p) < plan_bytes(q));
    plan_free(p), plan_free(q);
    network_free(&n), network_free(&whole);
}

static void test_refused(void **unused)
{
    (void)unused;
    network n = network_of(layers, 3, 9, 8, CLASSES);
    freeze_all(n.net->buffers, n.net->n_buffers, "bn.running_mean");
    assert_int_equal(freeze_settle(n.net, NULL, &n.e), CVY_ERR_CONFIG);
    text t = {0};
    errors_text(&n.e, false, &t);
    assert_non_null(strstr(text_str(&t), "\"bn.running_mean\" is frozen and \"bn.running_var\" is not"));
    text_free(&t);
    errors_free(&n.e);
    freeze_all(n.net->weights, n.net->n_weights, "");
    freeze_all(n.net->buffers, n.net->n_buffers, "");
    assert_int_equal(freeze_settle(n.net, NULL, &n.e), CVY_OK);
    machine m = machine_here();
    state none = {.net = n.net};
    plan_options o = {.batch = 2, .train = true};
    assert_null(plan_new(n.net, &none, &m, &o, &n.e)); /* nothing to train */
    network_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_plain),
                                       cmocka_unit_test(test_nothing_in_vain),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
