/* Whole networks: the fast plan against every layer's plain code, gradients against central differences,
 * fusion, layouts, memory. */
#include <math.h>
#include "networks.h"

static const char *const mixed =
    "- conv2d: {channels: 16, kernel: 3, padding: 1, bias: false, name: stem}\n"
    "- batch_norm\n- relu\n"
    "- max_pool2d: {kernel: 3, stride: 2, padding: 1}\n"
    "- residual: {channels: 32, blocks: 2, stride: 2, shortcut: projection, name: a}\n"
    "- residual: {channels: 40, blocks: 1, stride: 1, shortcut: pad, name: p}\n"
    "- inception: {n1x1: 8, n3x3_reduce: 8, n3x3: 17, n5x5_reduce: 4, n5x5: 8, pool_proj: 7, name: b}\n"
    "- conv2d: {channels: 12, kernel: [1, 3], padding: [0, 1], groups: 4, mode: convolution, name: g}\n"
    "- conv2d: {channels: 10, kernel: 3, padding: 1, dilation: 2, stride: 2, inputs: [b], name: d}\n"
    "- relu: {name: e}\n"
    "- avg_pool2d: {kernel: 2, stride: 2, inputs: [g], name: h}\n"
    "- concat: {inputs: [h, e], name: j}\n"
    "- dropout: {p: 0.3}\n"
    "- flatten\n"
    "- linear: {units: 20}\n- relu\n- linear: {units: classes}\n";

/* Transposed convolutions: with batch normalisation behind them, in groups, with maps that go on beyond every kernel,
 * small and wide ones, read twice. */
static const char *const transposed =
    "- conv2d: {channels: 20, kernel: 3, stride: 3, name: down}\n- relu: {name: a}\n"
    "- conv_transpose2d: {channels: 18, kernel: 4, stride: 2, padding: 1, bias: false, name: up}\n"
    "- batch_norm: {name: n}\n- relu: {name: r}\n"
    "- conv_transpose2d: {channels: 12, kernel: [1, 3], groups: 6, stride: [2, 1], output_padding: [1, 0], "
    "name: g}\n"
    "- conv_transpose2d: {channels: 12, kernel: 2, dilation: 3, output_padding: 2, inputs: [r], bias: false, "
    "name: d}\n"
    "- global_avg_pool: {inputs: [d], name: e}\n"
    "- conv_transpose2d: {channels: 5, kernel: 1, stride: 3, padding: same, inputs: [g], name: s}\n"
    "- relu: {name: t}\n- global_avg_pool: {name: f}\n"
    "- conv_transpose2d: {channels: 3, kernel: [5, 3], inputs: [r], name: c}\n- flatten: {name: h}\n"
    "- concat: {inputs: [e, f, h]}\n- linear: {units: classes}\n";

static double relative(const float *a, const float *b, int64_t n)
{
    double worst = 0, largest = 1e-20;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
        if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
        if (fabs((double)a[i] - (double)b[i]) > worst) worst = fabs((double)a[i] - (double)b[i]);
    }
    return worst / largest;
}

static void poison(state *s)
{
    for (int64_t i = 0; i < s->net->weight_floats; i++) s->gradients[i] = NAN;
}

/* Runs forward and backward with a fixed output gradient; the result stays in s and in *y. */
static void run(network *n, state *s, bound *b, const float *x, const float *gy, float *y, int64_t count)
{
    memset(b->memory, 0xff, b->bytes); /* NaN everywhere: nothing may be read before it is written */
    poison(s);
    assert_int_equal(plan_forward(b->plan, x, 7, 0, &n->e), CVY_OK);
    memcpy(y, plan_output(b->plan, NULL), (size_t)count * sizeof(float));
    memcpy(plan_output_gradient(b->plan), gy, (size_t)count * sizeof(float));
    assert_int_equal(plan_backward(b->plan, &n->e), CVY_OK);
}

static void compare_states(const state *a, const state *b, double bound_gradient)
{
    for (size_t i = 0; i < a->net->n_weights; i++) {
        const net_tensor *t = &a->net->weights[i];
        double r = relative(a->gradients + t->offset, b->gradients + t->offset, t->count);
        if (!(r < bound_gradient)) print_message("%s: gradient off by %g\n", t->name, r);
        assert_true(r < bound_gradient);
    }
    for (size_t i = 0; i < a->net->n_buffers; i++) {
        const net_tensor *t = &a->net->buffers[i];
        assert_true(relative(a->buffers + t->offset, b->buffers + t->offset, t->count) < 1e-4);
    }
}

static void against_plain(const char *yaml, int batch, int threads, machine_isa isa, bool no_fusion)
{
    parallel_set_threads(threads);
    network n = network_of(yaml, 3, 19, 17, 10);
    network_print(&n);
    assert_non_null(n.net);
    machine m = machine_here();
    if (isa < m.isa) {
        m.isa = isa;
        m.block = isa == ISA_AVX512 ? 16 : 8;
    }
    state *fast = state_new(n.net, 3, true, &n.e), *plain = state_new(n.net, 3, true, &n.e);
    bound f = bound_of(&n, fast, &m,
                       (plan_options){.batch = batch, .train = true, .seed = 5, .no_fusion = no_fusion});
    bound p =
        bound_of(&n, plain, &m, (plan_options){.batch = batch, .train = true, .plain = true, .seed = 5});
    int64_t count = batch * 10;
    float *x = noise((size_t)batch * 3 * 19 * 17, 1), *gy = noise((size_t)count, 2);
    float *yf = mem_array((size_t)count, 4), *yp = mem_array((size_t)count, 4);
    run(&n, fast, &f, x, gy, yf, count);
    run(&n, plain, &p, x, gy, yp, count);
    assert_true(relative(yf, yp, count) < 2e-4);
    compare_states(fast, plain, 2e-3);

    /* A second step gives the same bits as the first on the same numbers. */
    float *again = mem_array((size_t)count, 4);
    state *twin = state_new(n.net, 3, true, &n.e);
    bound t = bound_of(&n, twin, &m,
                       (plan_options){.batch = batch, .train = true, .seed = 5, .no_fusion = no_fusion});
    run(&n, twin, &t, x, gy, again, count);
    assert_memory_equal(again, yf, (size_t)count * 4);
    assert_memory_equal(twin->gradients, fast->gradients, 0);
    for (size_t i = 0; i < n.net->n_weights; i++) {
        const net_tensor *w = &n.net->weights[i];
        assert_memory_equal(twin->gradients + w->offset, fast->gradients + w->offset, (size_t)w->count * 4);
    }

    /* Evaluation. */
    bound fe = bound_of(&n, fast, &m, (plan_options){.batch = batch, .no_fusion = no_fusion});
    bound pe = bound_of(&n, fast, &m, (plan_options){.batch = batch, .plain = true});
    assert_int_equal(plan_forward(fe.plan, x, 0, 0, &n.e), CVY_OK);
    assert_int_equal(plan_forward(pe.plan, x, 0, 0, &n.e), CVY_OK);
    assert_true(relative(plan_output(fe.plan, NULL), plan_output(pe.plan, NULL), count) < 2e-4);

    mem_free(x), mem_free(gy), mem_free(yf), mem_free(yp), mem_free(again);
    bound_free(&f), bound_free(&p), bound_free(&t), bound_free(&fe), bound_free(&pe);
    state_free(fast), state_free(plain), state_free(twin);
    network_free(&n);
    parallel_set_threads(0);
}

static void test_fast_is_plain(void **unused)
{
    (void)unused;
    const char *const networks[] = {mixed, transposed};
    for (int i = 0; i < 2; i++) {
        against_plain(networks[i], 5, 2, ISA_AVX512, false);
        against_plain(networks[i], 1, 1, ISA_AVX512, false);
        against_plain(networks[i], 4, 1, ISA_AVX2, false);
        against_plain(networks[i], 3, 2, ISA_BASE, true);
    }
}

/* d(sum gy y)/dw along random directions, the plan's own gradients against differences of its own forward
 * passes. */
static void test_gradient_of_whole_network(void **unused)
{
    (void)unused;
    const char *yaml = "- conv2d: {channels: 16, kernel: 3, padding: 1, name: c}\n- batch_norm\n"
                       "- residual: {channels: 16, name: r}\n- global_avg_pool\n- linear: {units: classes}\n";
    network n = network_of(yaml, 3, 8, 8, 10);
    network_print(&n);
    assert_non_null(n.net);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    bound b = bound_of(&n, s, &m, (plan_options){.batch = 8, .train = true});
    float *x = noise(8 * 3 * 64, 1), *gy = noise(80, 2), y[80];
    run(&n, s, &b, x, gy, y, 80);
    int64_t count = n.net->weight_floats;
    float *g = mem_copy(s->gradients, (size_t)count * 4), *w = mem_copy(s->weights, (size_t)count * 4);
    for (size_t i = 0; i < n.net->n_weights; i++) {
        const net_tensor *t = &n.net->weights[i];
        if (strcmp(t->name, "c.bias") == 0) continue; /* batch norm takes its effect out again */
        float *direction = noise((size_t)t->count, 10 + (uint32_t)i);
        double predicted = 0, measured = 0, h = 2e-3, norm = 0;
        for (int64_t k = 0; k < t->count; k++) norm += (double)direction[k] * (double)direction[k];
        for (int64_t k = 0; k < t->count; k++) direction[k] /= (float)sqrt(norm);
        for (int64_t k = 0; k < t->count; k++) predicted += (double)direction[k] * (double)g[t->offset + k];
        for (int sign = -1; sign <= 1; sign += 2) {
            for (int64_t k = 0; k < t->count; k++)
                s->weights[t->offset + k] = w[t->offset + k] + (float)(sign * h) * direction[k];
            s->version++;
            assert_int_equal(plan_forward(b.plan, x, 7, 0, &n.e), CVY_OK);
            const float *out = plan_output(b.plan, NULL);
            double sum = 0;
            for (int k = 0; k < 80; k++) sum += (double)out[k] * (double)gy[k];
            measured += sign * sum / (2 * h);
        }
        memcpy(s->weights + t->offset, w + t->offset, (size_t)t->count * 4);
        double scale = 0.05 * fabs(predicted) + 0.01;
        if (fabs(measured - predicted) > scale)
            print_message("%s: predicted %g measured %g\n", t->name, predicted, measured);
        assert_true(fabs(measured - predicted) <= scale);
        mem_free(direction);
    }
    mem_free(x), mem_free(gy), mem_free(g), mem_free(w);
    bound_free(&b);
    state_free(s);
    network_free(&n);
}

static size_t count_steps(const plan *p, const char *op, const char *fused)
{
    size_t n = 0;
    for (size_t i = 0; i < plan_steps(p); i++) {
        plan_step_info s = plan_step(p, i);
        n += strcmp(s.op, op) == 0 && (!fused || strcmp(s.fused, fused) == 0);
    }
    return n;
}

static void test_fusion(void **unused)
{
    (void)unused;
    network n =
        network_of("- conv2d: {channels: 16, kernel: 3, padding: 1, bias: false}\n- batch_norm\n- relu\n"
                   "- residual: {channels: 16, blocks: 2}\n- global_avg_pool\n- linear: {units: classes}\n",
                   3, 16, 16, 10);
    assert_non_null(n.net);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    bound b = bound_of(&n, s, &m, (plan_options){.batch = 4, .train = true});
    assert_int_equal(count_steps(b.plan, "bn_stats", NULL), 0);
    assert_int_equal(count_steps(b.plan, "relu", NULL), 0);
    assert_int_equal(count_steps(b.plan, "conv", NULL), 5);
    assert_int_equal(count_steps(b.plan, "conv", "statistics") +
                         count_steps(b.plan, "conv", "batch norm, relu before; statistics"),
                     5);
    assert_int_equal(count_steps(b.plan, "bn_apply", "residual, relu"), 2);
    assert_int_equal(count_steps(b.plan, "bn_apply", "relu") +
                         count_steps(b.plan, "conv", "batch norm, relu before; statistics"),
                     3);
    bound apart = bound_of(&n, s, &m, (plan_options){.batch = 4, .train = true, .no_fusion = true});
    assert_int_equal(count_steps(apart.plan, "bn_stats", NULL), 5);
    assert_int_equal(count_steps(apart.plan, "relu", NULL), 5);
    bound_free(&b), bound_free(&apart);
    state_free(s);
    network_free(&n);
}

static void test_transposed_steps(void **unused)
{
    (void)unused;
    network n = network_of(transposed, 3, 19, 17, 10);
    assert_non_null(n.net);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    bound b = bound_of(&n, s, &m, (plan_options){.batch = 4, .train = true});
    assert_int_equal(count_steps(b.plan, "plain", NULL), 0);
    assert_int_equal(count_steps(b.plan, "conv_transpose", ""), 5);
    assert_int_equal(count_steps(b.plan, "conv_transpose.bwd_data", ""), 5);
    assert_int_equal(count_steps(b.plan, "conv_transpose.bwd_weights", ""), 5);
    assert_int_equal(count_steps(b.plan, "bias", NULL), 3);
    assert_int_equal(count_steps(b.plan, "bias.bwd", NULL), 3);
    assert_int_equal(count_steps(b.plan, "bn_stats", NULL), 1); /* no convolution gathers them */
    bound_free(&b);
    state_free(s);
    network_free(&n);
}

/* What only convolutions read is normalised on the way into them, forward and for the gradient of their weights; the stem's
 * output, which a sum reads too, in the backward pass alone. */
static void test_normalised_while_read(void **unused)
{
    (void)unused;
    network n = network_of(
        "- conv2d: {channels: 32, kernel: 3, padding: 1, bias: false, name: stem}\n- batch_norm\n- relu\n"
        "- residual: {channels: 32, blocks: 2}\n- conv2d: {channels: 48, kernel: 1, bias: false}\n"
        "- batch_norm\n- conv2d: {channels: 20, kernel: 1, name: last}\n- batch_norm\n"
        "- global_avg_pool\n- linear: {units: classes}\n",
        3, 16, 16, 10);
    assert_non_null(n.net);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    plan_options o = {.batch = 8, .train = true, .algorithm = PLAN_WINOGRAD};
    bound b = bound_of(&n, s, &m, o);
    assert_int_equal(count_steps(b.plan, "conv", "batch norm, relu before; statistics"), 2);
    assert_int_equal(count_steps(b.plan, "conv.bwd_weights", "batch norm, relu before"),
                     3); /* the stem's too */
    assert_int_equal(count_steps(b.plan, "bn_apply", "relu"), 1);
    assert_int_equal(count_steps(b.plan, "bn_apply", "residual, relu"), 2);
    assert_int_equal(count_steps(b.plan, "bn_apply", ""),
                     count_steps(b.plan, "conv", "batch norm before; statistics") ? 1 : 2);
    assert_int_equal(count_steps(b.plan, "bn.bwd", NULL), 7);
    /* With somebody looking at it the value is there. */
    int watched = 0;
    for (size_t i = 0; i < n.net->n_nodes; i++)
        if (n.net->nodes[i].plugin && strcmp(n.net->nodes[i].plugin->name, "relu") == 0 && i > 3 && !watched)
            watched = (int)i; /* the first block's, behind its first normalisation */
    assert_true(watched > 0);
    o.watched = &watched;
    o.n_watched = 1;
    bound w = bound_of(&n, s, &m, o);
    assert_int_equal(count_steps(w.plan, "conv", "batch norm, relu before; statistics"), 1);
    bound_free(&b), bound_free(&w);
    state_free(s);
    network_free(&n);
}

/* Values are packed by lifetime: far less than the sum of everything written, and evaluation far less than
 * training. */
static void test_memory(void **unused)
{
    (void)unused;
    network n =
        network_of("- conv2d: {channels: 16, kernel: 3, padding: 1, bias: false}\n- batch_norm\n- relu\n"
                   "- residual: {channels: 16, blocks: 9}\n- global_avg_pool\n- linear: {units: classes}\n",
                   3, 32, 32, 10);
    assert_non_null(n.net);
    machine m = machine_here();
    state *s = state_new(n.net, 1, true, &n.e);
    bound train = bound_of(&n, s, &m, (plan_options){.batch = 8, .train = true});
    bound eval = bound_of(&n, s, &m, (plan_options){.batch = 8});
    size_t map = 8 * 16 * 32 * 32 * 4;
    assert_true(eval.bytes < 5 * map);
    assert_true(train.bytes <
                (2 * 19 + 6) * map); /* a convolution's output and its activation each, and a few */
    bound_free(&train), bound_free(&eval);
    state_free(s);
    network_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_is_plain), cmocka_unit_test(test_gradient_of_whole_network),
        cmocka_unit_test(test_fusion),        cmocka_unit_test(test_transposed_steps),
        cmocka_unit_test(test_memory),        cmocka_unit_test(test_normalised_while_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
