/* Layers made of layers: published sizes of the networks they are for, what their parts are called, lists of layers, and
 * what is refused with which words. */
#include <math.h>

#include "networks.h"

/* ---- published sizes ---- */

#define STEM_IMAGENET                                                                                 \
    "- conv2d: {channels: 64, kernel: 7, stride: 2, padding: 3, bias: false}\n- batch_norm\n- relu\n" \
    "- max_pool2d: {kernel: 3, stride: 2, padding: 1}\n"
#define STEM_CIFAR "- conv2d: {channels: 16, kernel: 3, padding: 1, bias: false}\n"
#define NORMED     "- batch_norm\n- relu\n"
#define CLASSIFIER "- global_avg_pool\n- linear: {units: classes}\n"

#define STAGES(type, c1, c2, c3, c4, n1, n2, n3, n4, more)                                             \
    "- " type ": {channels: " #c1 ", blocks: " #n1 more "}\n- " type ": {channels: " #c2               \
    ", stride: 2, blocks: " #n2 more "}\n- " type ": {channels: " #c3 ", stride: 2, blocks: " #n3 more \
    "}\n- " type ": {channels: " #c4 ", stride: 2, blocks: " #n4 more "}\n"
#define IMAGENET(...) STEM_IMAGENET STAGES(__VA_ARGS__) CLASSIFIER

#define THREE(type, c1, c2, c3, n, more)                                                \
    "- " type ": {channels: " #c1 ", blocks: " #n more "}\n- " type ": {channels: " #c2 \
    ", stride: 2, blocks: " #n more "}\n- " type ": {channels: " #c3 ", stride: 2, blocks: " #n more "}\n"
#define CIFAR(...) STEM_CIFAR NORMED THREE(__VA_ARGS__) CLASSIFIER
#define CIFAR_PREACT(...)         \
    STEM_CIFAR THREE(__VA_ARGS__) \
    NORMED CLASSIFIER

#define MODULE(a, b, c, d, e, f)                                                                    \
    "- inception: {n1x1: " #a ", n3x3_reduce: " #b ", n3x3: " #c ", n5x5_reduce: " #d ", n5x5: " #e \
    ", pool_proj: " #f ", batch_norm: false}\n"
#define POOL "- max_pool2d: {kernel: 3, stride: 2, padding: 1}\n"
#define AUXILIARY                                                                                         \
    "- auxiliary_head:\n    layers:\n      - avg_pool2d: {kernel: 5, stride: 3}\n"                        \
    "      - conv2d: {channels: 128, kernel: 1}\n      - relu\n      - flatten\n      - linear: {units: " \
    "1024}\n"                                                                                             \
    "      - relu\n      - dropout: {p: 0.7}\n      - linear: {units: classes}\n"
#define GOOGLENET(head)                                                                                 \
    "- conv2d: {channels: 64, kernel: 7, stride: 2, padding: 3}\n- relu\n" POOL                         \
    "- conv2d: {channels: 64, kernel: 1}\n- relu\n- conv2d: {channels: 192, kernel: 3, padding: 1}\n- " \
    "relu\n" POOL MODULE(64, 96, 128, 16, 32, 32) MODULE(128, 128, 192, 32, 96, 64)                     \
        POOL MODULE(192, 96, 208, 16, 48, 64) head MODULE(160, 112, 224, 24, 64, 64)                    \
            MODULE(128, 128, 256, 24, 64, 64) MODULE(112, 144, 288, 32, 64, 64)                         \
                head MODULE(256, 160, 320, 32, 128, 128) POOL MODULE(256, 160, 320, 32, 128, 128)       \
                    MODULE(384, 192, 384, 48, 128,                                                      \
                           128) "- global_avg_pool\n- dropout: {p: 0.4}\n- linear: {units: classes}\n"

#define DENSE_BC "- dense_block: {layers: 6, growth: 12}\n"

typedef struct size {
    const char *name;
    int side, channels, classes;
    int64_t parameters, macs;
    const char *yaml;
} size;

/* Parameters and MACs: torchvision's models and those of the papers' own code, bias and batch normalization counted. */
static const size sizes[] = {
    {"ResNet-18", 224, 3, 1000, 11689512, 1814073344,
     IMAGENET("residual", 64, 128, 256, 512, 2, 2, 2, 2, "")},
    {"ResNet-34", 224, 3, 1000, 21797672, 3663761408,
     IMAGENET("residual", 64, 128, 256, 512, 3, 4, 6, 3, "")},
    {"ResNet-50", 224, 3, 1000, 25557032, 4089184256,
     IMAGENET("bottleneck", 64, 128, 256, 512, 3, 4, 6, 3, "")},
    {"ResNet-50 of the paper", 224, 3, 1000, 25557032, 3857973248,
     IMAGENET("bottleneck", 64, 128, 256, 512, 3, 4, 6, 3, ", stride_on: 1x1")},
    {"ResNet-152", 224, 3, 1000, 60192808, 11513626624,
     IMAGENET("bottleneck", 64, 128, 256, 512, 3, 8, 36, 3, "")},
    {"ResNeXt-50 32x4d", 224, 3, 1000, 25028904, 4230479872,
     IMAGENET("bottleneck", 128, 256, 512, 1024, 3, 4, 6, 3, ", expansion: 2, groups: 32")},
    {"Wide ResNet-50-2", 224, 3, 1000, 68883240, 11398021120,
     IMAGENET("bottleneck", 128, 256, 512, 1024, 3, 4, 6, 3, ", expansion: 2")},
    {"SE-ResNet-50", 224, 3, 1000, 28088024, 4091699200,
     IMAGENET("bottleneck", 64, 128, 256, 512, 3, 4, 6, 3, ", squeeze_excitation: 16")},
    {"CIFAR ResNet-18", 32, 3, 10, 11173962, 555422720,
     "- conv2d: {channels: 64, kernel: 3, padding: 1, bias: false}\n" NORMED STAGES(
         "residual", 64, 128, 256, 512, 2, 2, 2, 2, "") CLASSIFIER},
    {"ResNet-20", 32, 3, 10, 269722, 40551040, CIFAR("residual", 16, 32, 64, 3, ", shortcut: A")},
    {"ResNet-20, B", 32, 3, 10, 272474, 40813184, CIFAR("residual", 16, 32, 64, 3, ", shortcut: B")},
    {"ResNet-20, C", 32, 3, 10, 283962, 42648192, CIFAR("residual", 16, 32, 64, 3, ", shortcut: C")},
    {"ResNet-110", 32, 3, 10, 1727962, 252887680, CIFAR("residual", 16, 32, 64, 18, ", shortcut: pad")},
    {"plain-20", 32, 3, 10, 269722, 40551040, CIFAR("plain_pair", 16, 32, 64, 3, "")},
    {"Pre-ResNet-164", 32, 3, 10, 1703258, 247646720,
     CIFAR_PREACT("preact_residual", 16, 32, 64, 18, ", bottleneck: true")},
    {"WRN-16-4", 32, 3, 10, 2748890, 392612352,
     CIFAR_PREACT("preact_residual", 64, 128, 256, 2, ", dropout: 0.3")},
    {"WRN-28-10", 32, 3, 10, 36479194, 5243328768, CIFAR_PREACT("preact_residual", 160, 320, 640, 4, "")},
    {"DenseNet-121", 224, 3, 1000, 7978856, 2834161664,
     STEM_IMAGENET "- dense_block: {layers: 6, growth: 32}\n- dense_transition\n"
                   "- dense_block: {layers: 12, growth: 32}\n- dense_transition\n"
                   "- dense_block: {layers: 24, growth: 32}\n- dense_transition\n"
                   "- dense_block: {layers: 16, growth: 32}\n" NORMED CLASSIFIER},
    {"DenseNet-BC-40", 32, 3, 10, 176122, 72365352,
     "- conv2d: {channels: 24, kernel: 3, padding: 1, bias: false}\n" DENSE_BC "- dense_transition\n" DENSE_BC
     "- dense_transition: {channels: 60}\n" DENSE_BC NORMED CLASSIFIER},
    {"DenseNet-40", 32, 3, 10, 1019722, 264812928,
     STEM_CIFAR
     "- dense_block: {layers: 12, growth: 12, bottleneck: false}\n- dense_transition: {compression: 1}\n"
     "- dense_block: {layers: 12, growth: 12, bottleneck: false}\n- dense_transition: {compression: 1}\n"
     "- dense_block: {layers: 12, growth: 12, bottleneck: false}\n" NORMED CLASSIFIER},
    {"GoogLeNet", 224, 3, 1000, 6998552, 1582671872, GOOGLENET("")},
    /* What Szegedy et al. 2015, section 4 speaks of, on the input of inception (3b). */
    {"naive Inception", 28, 256, 0, 1089952, 854196224,
     "- inception_naive: {n1x1: 128, n3x3: 192, n5x5: 96, batch_norm: false}\n"},
    {"Inception", 28, 256, 0, 346720, 271351808, MODULE(128, 64, 192, 64, 96, 64)},
};

static void test_published_sizes(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size *s = &sizes[i];
        network n = network_of(s->yaml, s->channels, s->side, s->side, s->classes);
        network_print(&n);
        if (!n.net) fail_msg("%s is refused", s->name);
        if (n.net->parameters != s->parameters || n.net->macs != s->macs)
            fail_msg("%s has %lld parameters and %lld MACs, published are %lld and %lld", s->name,
                     (long long)n.net->parameters, (long long)n.net->macs, (long long)s->parameters,
                     (long long)s->macs);
        network_free(&n);
    }
}

/* ---- names ---- */

static const net_tensor *weight(const net *n, const char *name)
{
    for (size_t i = 0; i < n->n_weights; i++)
        if (strcmp(n->weights[i].name, name) == 0) return &n->weights[i];
    return NULL;
}

/* Checkpoints know weights by these names: they are not to change. */
static void test_names(void **unused)
{
    (void)unused;
    static const struct {
        const char *yaml, *names;
    } cases[] = {
        {"- residual: {channels: 4, name: s}\n",
         "s.block0.conv1.weight s.block0.bn1.weight s.block0.bn1.bias s.block0.conv2.weight "
         "s.block0.bn2.weight "
         "s.block0.bn2.bias s.block0.shortcut.conv.weight s.block0.shortcut.bn.weight "
         "s.block0.shortcut.bn.bias"},
        {"- residual: {channels: 4, batch_norm: false, squeeze_excitation: 2, shortcut: A, name: s}\n",
         "s.block0.conv1.weight s.block0.conv1.bias s.block0.conv2.weight s.block0.conv2.bias "
         "s.block0.se.reduce.weight s.block0.se.reduce.bias s.block0.se.expand.weight "
         "s.block0.se.expand.bias"},
        {"- bottleneck: {channels: 4, name: s}\n",
         "s.block0.conv1.weight s.block0.bn1.weight s.block0.bn1.bias s.block0.conv2.weight "
         "s.block0.bn2.weight "
         "s.block0.bn2.bias s.block0.conv3.weight s.block0.bn3.weight s.block0.bn3.bias "
         "s.block0.shortcut.conv.weight s.block0.shortcut.bn.weight s.block0.shortcut.bn.bias"},
        {"- preact_residual: {channels: 4, name: s}\n",
         "s.block0.bn1.weight s.block0.bn1.bias s.block0.conv1.weight s.block0.bn2.weight s.block0.bn2.bias "
         "s.block0.conv2.weight s.block0.shortcut.conv.weight"},
        {"- dense_block: {layers: 1, growth: 4, name: s}\n",
         "s.layer0.bn1.weight s.layer0.bn1.bias s.layer0.conv1.weight s.layer0.bn2.weight s.layer0.bn2.bias "
         "s.layer0.conv2.weight"},
        {"- dense_transition: {name: s, compression: 1}\n", "s.bn.weight s.bn.bias s.conv.weight"},
        {"- inception_naive: {n1x1: 1, n3x3: 1, n5x5: 1, batch_norm: false, name: s}\n",
         "s.branch1x1.conv.weight s.branch1x1.conv.bias s.branch3x3.conv.weight s.branch3x3.conv.bias "
         "s.branch5x5.conv.weight s.branch5x5.conv.bias"},
        {"- squeeze_excitation: {name: s}\n", "s.reduce.weight s.reduce.bias s.expand.weight s.expand.bias"},
        {"- plain_pair: {channels: 4, batch_norm: false, blocks: 2, name: s}\n",
         "s.block0.conv1.weight s.block0.conv1.bias s.block0.conv2.weight s.block0.conv2.bias "
         "s.block1.conv1.weight s.block1.conv1.bias s.block1.conv2.weight s.block1.conv2.bias"},
        {"- repeat:\n    times: 2\n    name: s\n    layers:\n"
         "      - sequential: {name: in, layers: [conv2d: {channels: 3, kernel: 1, name: c}, batch_norm]}\n"
         "      - residual: {channels: 3}\n",
         "s.0.in.c.weight s.0.in.c.bias s.0.in.1.weight s.0.in.1.bias s.0.1.block0.conv1.weight "
         "s.0.1.block0.bn1.weight s.0.1.block0.bn1.bias s.0.1.block0.conv2.weight s.0.1.block0.bn2.weight "
         "s.0.1.block0.bn2.bias s.1.in.c.weight s.1.in.c.bias s.1.in.1.weight s.1.in.1.bias "
         "s.1.1.block0.conv1.weight s.1.1.block0.bn1.weight s.1.1.block0.bn1.bias s.1.1.block0.conv2.weight "
         "s.1.1.block0.bn2.weight s.1.1.block0.bn2.bias"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        network n = network_of(cases[i].yaml, 3, 8, 8, 10);
        network_print(&n);
        assert_non_null(n.net);
        text t = {0};
        for (size_t k = 0; k < n.net->n_weights; k++)
            text_printf(&t, "%s%s", k ? " " : "", n.net->weights[k].name);
        assert_string_equal(text_str(&t), cases[i].names);
        text_free(&t);
        network_free(&n);
    }
}

static void expect_layers(const char *yaml, const char *paths)
{
    network n = network_of(yaml, 8, 8, 8, 10);
    network_print(&n);
    assert_non_null(n.net);
    text t = {0};
    for (size_t i = 1; i < n.net->n_nodes; i++)
        text_printf(&t, "%s%s", i > 1 ? " " : "", n.net->nodes[i].path);
    assert_string_equal(text_str(&t), paths);
    text_free(&t);
    network_free(&n);
}

/* What options add stands where the papers have it. */
static void test_options(void **unused)
{
    (void)unused;
    expect_layers(
        "- residual: {channels: 8, drop_path: 0.2, squeeze_excitation: 4, activation: gelu, name: s}\n",
        "s.block0.conv1 s.block0.bn1 s.block0.gelu1 s.block0.conv2 s.block0.bn2 s.block0.se.pool "
        "s.block0.se.reduce s.block0.se.relu s.block0.se.expand s.block0.se.gate s.block0.se.scale "
        "s.block0.drop_path s.block0.add s.block0.gelu2");
    expect_layers("- preact_residual: {channels: 8, dropout: 0.3, shortcut: C, name: s}\n",
                  "s.block0.bn1 s.block0.relu1 s.block0.conv1 s.block0.bn2 s.block0.relu2 s.block0.dropout "
                  "s.block0.conv2 s.block0.shortcut.conv s.block0.add");
    expect_layers("- preact_residual: {channels: 2, bottleneck: true, name: s}\n",
                  "s.block0.bn1 s.block0.relu1 s.block0.conv1 s.block0.bn2 s.block0.relu2 s.block0.conv2 "
                  "s.block0.bn3 s.block0.relu3 s.block0.conv3 s.block0.add");
    expect_layers("- dense_block: {layers: 1, growth: 4, dropout: 0.2, name: s}\n",
                  "s.layer0.bn1 s.layer0.relu1 s.layer0.conv1 s.layer0.dropout1 s.layer0.bn2 s.layer0.relu2 "
                  "s.layer0.conv2 s.layer0.dropout2 s.layer0.concat");
    expect_layers("- dense_transition: {pool: none, name: s}\n", "s.bn s.relu s.conv");
}

/* Stochastic depth's probability grows linearly over the blocks (Huang et al. 2016, section 3). */
static void test_drop_path_grows(void **unused)
{
    (void)unused;
    network n = network_of(
        "- residual: {channels: 8, blocks: 5, drop_path: 0.4, drop_path_from: 0, name: s}\n", 8, 8, 8, 10);
    network_print(&n);
    assert_non_null(n.net);
    int found = 0;
    for (size_t i = 1; i < n.net->n_nodes; i++) {
        const net_node *unit = &n.net->nodes[i];
        if (strcmp(unit->plugin->name, "stochastic_depth") != 0) continue;
        const double *p = unit->config; /* its first field */
        found++;
        assert_true(fabs(*p - 0.1 * found) < 1e-9); /* none in the first block: nothing to drop there */
    }
    assert_int_equal(found, 4);
    network_free(&n);
}

/* Where the shape changes, a pre-activated projection reads what the first convolution reads; zeros and identities
 * pass the input itself (He et al. 2016, equation 5). */
static void test_shortcuts(void **unused)
{
    (void)unused;
    static const struct {
        const char *yaml, *layer, *reads;
    } cases[] = {
        {"- preact_residual: {channels: 16, name: s}\n", "s.block0.shortcut.conv", "s.block0.relu1"},
        {"- preact_residual: {channels: 16, shortcut: A, name: s}\n", "s.block0.shortcut.pad", "input"},
        {"- preact_residual: {channels: 8, shortcut: C, name: s}\n", "s.block0.shortcut.conv",
         "s.block0.relu1"},
        {"- residual: {channels: 16, name: s}\n", "s.block0.shortcut.conv", "input"},
        {"- residual: {channels: 8, shortcut: always, blocks: 2, name: s}\n", "s.block1.shortcut.conv",
         "s.block0.relu2"},
        {"- dense_block: {layers: 2, growth: 3, name: s}\n", "s.layer1.bn1", "s.layer0.concat"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        network n = network_of(cases[i].yaml, 8, 8, 8, 10);
        assert_non_null(n.net);
        const net_node *found = NULL;
        for (size_t k = 0; k < n.net->n_nodes; k++)
            if (!strcmp(n.net->nodes[k].path, cases[i].layer)) found = &n.net->nodes[k];
        assert_non_null(found);
        assert_string_equal(n.net->nodes[found->in[0]].path, cases[i].reads);
        network_free(&n);
    }
}

/* ---- lists ---- */

static const net_node *node_at(const net *n, const char *path)
{
    for (size_t k = 0; k < n->n_nodes; k++)
        if (!strcmp(n->nodes[k].path, path)) return &n->nodes[k];
    fail_msg("no layer \"%s\"", path);
    return NULL;
}

/* Inside a list its names are its own, `input` is what the list takes, `classes` means the same. */
static void test_lists(void **unused)
{
    (void)unused;
    network n =
        network_of("- conv2d: {channels: 6, kernel: 1, name: a}\n"
                   "- repeat:\n"
                   "    times: 3\n"
                   "    name: r\n"
                   "    layers:\n"
                   "      - conv2d: {channels: 6, kernel: 3, padding: 1, name: a}\n"
                   "      - sequential:\n"
                   "          inputs: input\n"
                   "          name: side\n"
                   "          layers:\n"
                   "            - relu: {name: a}\n"
                   "            - conv2d: {channels: 6, kernel: 1, name: b}\n"
                   "            - add: {inputs: [a, b, input]}\n"
                   "      - add: {inputs: [a, side], name: join}\n"
                   "- sequential: {layers: []}\n"
                   "- sequential: {layers: [global_avg_pool, linear: {units: classes, name: fc}], name: h}\n",
                   3, 8, 8, 7);
    network_print(&n);
    assert_non_null(n.net);
    assert_int_equal(n.net->parameters, (3 * 6 + 6) + 3 * ((6 * 6 * 9 + 6) + (36 + 6)) + 6 * 7 + 7);
    assert_non_null(weight(n.net, "r.2.side.b.weight"));
    assert_non_null(weight(n.net, "h.fc.bias"));
    const net_node *nodes = n.net->nodes, *second = node_at(n.net, "r.1.a"),
                   *sum = node_at(n.net, "r.1.side.2");
    assert_string_equal(nodes[second->in[0]].path, "r.0.join");
    assert_string_equal(nodes[sum->in[0]].path, "r.1.side.a");
    assert_string_equal(nodes[sum->in[1]].path, "r.1.side.b");
    assert_string_equal(nodes[sum->in[2]].path, "r.0.join");
    assert_string_equal(nodes[n.net->output].path, "h.fc");
    network_free(&n);

    /* The list's own end may come of an early layer, and the whole be the network's output. */
    n = network_of(
        "- sequential: {layers: [relu, conv2d: {channels: 2, kernel: 1, inputs: input}], name: s}\n", 3, 4, 4,
        7);
    assert_non_null(n.net);
    assert_string_equal(n.net->nodes[n.net->output].path, "s.1");
    assert_int_equal(n.e.n, 1); /* and nothing takes what relu makes */
    assert_true(n.e.items[0].warning);
    network_free(&n);
}

/* Copies of a repeat start from numbers of their own and learn apart. */
static void test_repeat_learns_apart(void **unused)
{
    (void)unused;
    network n =
        network_of("- repeat: {times: 2, layers: [conv2d: {channels: 3, kernel: 3, padding: 1, name: c}], "
                   "name: r}\n" CLASSIFIER,
                   3, 6, 6, 4);
    assert_non_null(n.net);
    state *s = state_new(n.net, 5, true, &n.e);
    assert_non_null(s);
    const net_tensor *a = weight(n.net, "r.0.c.weight"), *b = weight(n.net, "r.1.c.weight");
    assert_true(a && b && a->offset != b->offset);
    assert_memory_not_equal(s->weights + a->offset, s->weights + b->offset, (size_t)a->count * sizeof(float));
    state_free(s);
    network_free(&n);
}

/* ---- heads ---- */

static void test_heads(void **unused)
{
    (void)unused;
    /* The two heads of GoogLeNet: 13,378,280 parameters with them, as in the authors' training net. */
    network n = network_of(GOOGLENET(AUXILIARY), 3, 224, 224, 1000);
    network_print(&n);
    assert_non_null(n.net);
    assert_int_equal(n.net->parameters, 13378280);
    assert_int_equal(n.net->n_heads, 2);
    for (size_t i = 0; i < 2; i++) {
        const net_node *head = &n.net->nodes[n.net->heads[i].node];
        assert_true(n.net->heads[i].weight == 0.3);
        assert_int_equal(head->out.rank, 2);
        assert_int_equal(head->out.dim[1], 1000);
    }
    network_free(&n);

    /* The input passes as it is: the same outputs and, while the head is silent, the same gradients. */
    static const char plain[] = "- conv2d: {channels: 5, kernel: 3, name: c}\n- global_avg_pool\n"
                                "- linear: {units: classes, name: fc}\n";
    static const char with[] =
        "- conv2d: {channels: 5, kernel: 3, name: c}\n"
        "- auxiliary_head: {weight: 2, layers: [global_avg_pool, linear: {units: classes}], "
        "name: aux}\n"
        "- global_avg_pool\n- linear: {units: classes, name: fc}\n";
    machine m = machine_here();
    float *x = noise(2 * 3 * 49, 3), y[2][2 * 4], g[2][5 * 27];
    for (int run = 0; run < 4; run++) {
        const int k = run % 2, own_code = run < 2; /* then fast kernels, chosen for the network as a whole */
        n = network_of(k ? with : plain, 3, 7, 7, 4);
        network_print(&n);
        assert_non_null(n.net);
        state *s = state_new(n.net, 5, true, &n.e);
        plan_options o = {.batch = 2, .train = true, .plain = own_code};
        bound b = bound_of(&n, s, &m, o);
        assert_int_equal(plan_ends(b.plan), 1 + k);
        assert_int_equal(plan_forward(b.plan, x, 0, 0, &n.e), CVY_OK);
        memcpy(y[k], plan_output(b.plan, NULL), sizeof y[k]);
        for (size_t i = 0; i < plan_ends(b.plan); i++) {
            plan_ending end = plan_end(b.plan, i);
            assert_int_equal(cvy_count(&end.shape), 8);
            assert_true(end.weight == (i ? 2 : 1));
            for (int v = 0; v < 8; v++) end.gradient[v] = i ? 0 : (float)(v - 3);
        }
        assert_int_equal(plan_backward(b.plan, &n.e), CVY_OK);
        memcpy(g[k], s->gradients + weight(n.net, "c.weight")->offset, sizeof g[k]);
        bound_free(&b);
        state_free(s);
        network_free(&n);
        if (run == 1) assert_memory_equal(y[0], y[1], sizeof y[0]);
        for (size_t i = 0; i < sizeof y[0] / sizeof y[0][0] && k; i++)
            assert_true(fabsf(y[0][i] - y[1][i]) < 1e-6f);
        for (size_t i = 0; i < sizeof g[0] / sizeof g[0][0] && k; i++)
            assert_true(fabsf(g[0][i] - g[1][i]) < 1e-5f);
    }
    mem_free(x);
}

/* ---- refusals ---- */

static void refused_with(const char *yaml, const char *const *parts)
{
    network n = network_of(yaml, 12, 8, 8, 10);
    assert_null(n.net);
    text t = {0};
    errors_text(&n.e, false, &t);
    for (; *parts; parts++) {
        if (!strstr(text_str(&t), *parts)) print_message("expected \"%s\" in:\n%s\n", *parts, text_str(&t));
        assert_non_null(strstr(text_str(&t), *parts));
    }
    text_free(&t);
    network_free(&n);
}

#define REFUSED(yaml, ...) refused_with(yaml, (const char *const[]){__VA_ARGS__, NULL})

static void test_refusals(void **unused)
{
    (void)unused;
    static const char *const on_maps[] = {"residual: {channels: 4}",
                                          "bottleneck: {channels: 4}",
                                          "preact_residual: {channels: 4}",
                                          "plain_pair: {channels: 4}",
                                          "inception_naive: {n1x1: 1, n3x3: 1, n5x5: 1}",
                                          "dense_block: {layers: 2, growth: 4}",
                                          "dense_transition",
                                          "squeeze_excitation"};
    for (size_t i = 0; i < sizeof on_maps / sizeof *on_maps; i++) {
        char yaml[200];
        snprintf(yaml, sizeof yaml, "- flatten\n- %s\n", on_maps[i]);
        REFUSED(yaml, "model:2:3: layer \"1\" (",
                "expects maps (N, C, H, W) and got an input of rank 2; use it before `flatten` or "
                "`global_avg_pool`");
    }
    REFUSED("- residual: {channels: 8, shortcut: A}\n",
            "shortcut: A cannot take 12 channels down to channels: 8; use `shortcut: projection`");
    REFUSED("- bottleneck: {channels: 2, shortcut: pad}\n",
            "shortcut: pad cannot take 12 channels down to channels: 8; use `shortcut: projection`");
    REFUSED("- bottleneck: {channels: 6, groups: 4}\n", "groups: 4 does not divide channels: 6");
    REFUSED("- residual: {channels: 8, activation: reluu}\n",
            "layer \"0.block0.reluu1\": no layer plugin named \"reluu\"", "did you mean `relu`?");
    REFUSED("- residual: {channels: 8, shortcut: zero}\n", "one of A, B, C, pad, projection, always");
    REFUSED("- dense_transition: {compression: 0.05}\n",
            "compression: 0.05 leaves none of 12 channels; set `channels` or compress less");
    REFUSED("- repeat: {times: 2}\n", "missing required parameter \"layers\"");
    REFUSED("- repeat: {times: 0, layers: [relu]}\n", "times: 0 is below 1");
    REFUSED("- sequential: {layers: relu}\n", "layers: expected a list", "write [relu]");
    /* Mistakes inside a list are shown at their own place, once. */
    REFUSED("- repeat:\n    times: 3\n    layers:\n      - relu\n      - conv2d: {channels: 4, kernel: 11}\n",
            "model:5:9", "layer \"0.0.1\" (conv2d)");
    REFUSED("- sequential:\n    layers:\n      - conv2d: {channels: 4, inputs: before}\n", "model:3:39",
            "no layer named \"before\" to take as input");
    REFUSED("- auxiliary_head:\n    layers:\n      - linear: {units: classes}\n", "model:3:9", "(linear)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_sizes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_drop_path_grows),
        cmocka_unit_test(test_shortcuts),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_repeat_learns_apart),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
