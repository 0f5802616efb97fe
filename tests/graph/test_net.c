/* Networks as layers: published sizes, names, wiring, and what is refused with which words. */
#include <math.h>
#include "networks.h"

static network network_of_file(const char *name)
{
    char *path = mem_printf("%s/experiments/architectures/%s.yaml", SOURCE_DIR, name);
    network n = {0};
    setenv("CONVOY_PLUGIN_PATH", BINARY_DIR "/plugins", 1);
    n.registry = registry_open(NULL, 0, &n.e);
    const struct node *root = tree_read_file(&n.memory, path, &n.e);
    assert_non_null(root);
    cvy_shape sample = {3, {3, 32, 32}};
    n.net = net_build(node_get(root, "layers"), &sample, 10, n.registry, &n.e);
    network_print(&n);
    assert_non_null(n.net);
    mem_free(path);
    return n;
}

static bool has_weight(const net *n, const char *name)
{
    for (size_t i = 0; i < n->n_weights; i++)
        if (strcmp(n->weights[i].name, name) == 0) return true;
    return false;
}

static void test_published_sizes(void **unused)
{
    (void)unused;
    network n = network_of_file("cifar_resnet20");
    assert_int_equal(n.net->parameters, 269722);
    assert_int_equal(n.net->macs, 40551040); /* 40.55 M */
    assert_true(has_weight(n.net, "stage1.block0.conv1.weight"));
    assert_true(has_weight(n.net, "fc.bias"));
    network_free(&n);
    n = network_of_file("cifar_inception");
    assert_int_equal(n.net->parameters, 1052426);
    network_free(&n);
}

/* The text of all messages. */
static char *refused(const char *yaml)
{
    network n = network_of(yaml, 3, 8, 8, 10);
    assert_null(n.net);
    text t = {0};
    errors_text(&n.e, false, &t);
    network_free(&n);
    return text_take(&t);
}

static void refused_with(const char *yaml, const char *const *parts)
{
    char *said = refused(yaml);
    for (; *parts; parts++) {
        if (!strstr(said, *parts)) print_message("expected \"%s\" in:\n%s\n", *parts, said);
        assert_non_null(strstr(said, *parts));
    }
    mem_free(said);
}

#define REFUSED(yaml, ...) refused_with(yaml, (const char *const[]){__VA_ARGS__, NULL})

static void test_refusals(void **unused)
{
    (void)unused;
    REFUSED("- conv2d: {channels: 8, kernel: 0}\n", "model:1:", "layer \"0\" (conv2d)",
            "kernel: 0 is below 1");
    REFUSED("- relu: {name: a}\n- relu: {name: a}\n",
            "model:2:", "layer name \"a\" is taken by the layer on line 1");
    REFUSED("- relu: {name: a, inputs: [b]}\n- relu: {name: b, inputs: [a]}\n", "its own input", "circle");
    REFUSED("- conv2d: {channels: 8, kernel: 1, name: stem}\n- relu: {inputs: [stemm]}\n",
            "model:2:", "no layer named \"stemm\"", "did you mean \"stem\"?");
    REFUSED("- conv2d: {channels: 4, kernel: 1, name: a}\n- conv2d: {channels: 5, kernel: 1, inputs: "
            "[input], name: b}\n"
            "- add: {inputs: [a, b], name: sum}\n",
            "model:3:", "layer \"sum\" (add)", "\"a\" (conv2d, line 1) giving (N, 4, 8, 8)",
            "\"b\" (conv2d, line 2) giving (N, 5, 8, 8)");
    REFUSED("- conv2: {channels: 4}\n", "model:1:3", "no layer plugin named \"conv2\"", "conv2d", "searched");
    REFUSED("- residual: {channels: 16, kernal: 3}\n", "unknown", "kernal");
    REFUSED("- conv2d: {channels: 8, kernel: 9}\n", "layer \"0\" (conv2d)", "9");
    /* What comes behind a layer that failed is still looked at. */
    REFUSED("- conv2d: {channels: 0}\n- reluu\n- max_pool2d: {kernel: 0}\n",
            "model:1:", "channels: 0 is below 1", "no layer plugin named \"reluu\"",
            "model:3:", "kernel: 0 is below 1");
    REFUSED("- relu: {name: input}\n", "\"input\" is the network's own input");
}

/* Layers may be listed before what they read, and inputs may be shared. */
static void test_any_order(void **unused)
{
    (void)unused;
    network n = network_of("- conv2d: {channels: 4, kernel: 1, name: late, inputs: [early]}\n"
                           "- conv2d: {channels: 4, kernel: 3, padding: 1, name: early, inputs: [input]}\n"
                           "- add: {inputs: [late, early], name: sum}\n"
                           "- global_avg_pool\n- linear: {units: classes}\n",
                           3, 8, 8, 10);
    network_print(&n);
    assert_non_null(n.net);
    assert_int_equal(n.net->parameters, 4 * 4 + 4 + 4 * 27 + 4 + 40 + 10);
    for (size_t i = 1; i < n.net->n_nodes; i++)
        for (int k = 0; k < n.net->nodes[i].n_in; k++) assert_true(n.net->nodes[i].in[k] < (int)i);
    network_free(&n);
}

/* A tensor's initial values are a function of (seed, its name): another layer elsewhere moves nothing. */
static void test_initial_values(void **unused)
{
    (void)unused;
    network a = network_of("- conv2d: {channels: 8, kernel: 3, name: c}\n- relu\n", 3, 8, 8, 10);
    network b = network_of(
        "- conv2d: {channels: 3, kernel: 1, name: before}\n- conv2d: {channels: 8, kernel: 3, name: c}\n", 3,
        8, 8, 10);
    state *sa = state_new(a.net, 9, false, &a.e), *sb = state_new(b.net, 9, false, &b.e);
    state *other = state_new(a.net, 10, false, &a.e);
    const net_tensor *ta = &a.net->weights[0], *tb = &b.net->weights[2];
    assert_string_equal(ta->name, tb->name);
    assert_memory_equal(sa->weights + ta->offset, sb->weights + tb->offset, (size_t)ta->count * 4);
    assert_memory_not_equal(sa->weights + ta->offset, other->weights + ta->offset, (size_t)ta->count * 4);
    float limit = 1 / sqrtf(27), largest = 0;
    for (int64_t i = 0; i < ta->count; i++) largest = fmaxf(largest, fabsf(sa->weights[ta->offset + i]));
    assert_true(largest <= limit && largest > 0.9f * limit);
    state_free(sa), state_free(sb), state_free(other);
    network_free(&a), network_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published_sizes),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_any_order),
                                       cmocka_unit_test(test_initial_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
