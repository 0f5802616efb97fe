/* Every file of experiments/architectures against published or computed sizes, each for the input and the classes that
 * it names itself. */
#include <dirent.h>
#include "networks.h"
#include "config/experiment.h"

typedef struct size {
    const char *name;
    int64_t parameters, macs; /* macs 0: none published */
} size;

static const size sizes[] = {
    /* ImageNet's form */
    {"lenet5", 60000, 0},
    {"lenet_demo", 63802, 0},
    {"keras_mnist", 17010, 0},
    {"alexnet", 60965224, 724406816},
    {"alexnet_ungrouped", 62378344, 0},
    {"zfnet", 107627624, 2476704896},
    {"vgg16", 138357544, 0},
    {"vgg19", 143667240, 0},
    {"googlenet", 6998552, 0},
    {"googlenet_aux", 13378280, 0},
    {"plain34", 21623848, 3644493824},
    {"resnet18", 11689512, 1814073344},
    {"resnet34", 21797672, 3663761408},
    {"resnet50", 25557032, 4089184256},
    {"resnet101", 44549160, 0},
    {"resnet152", 60192808, 0},
    {"densenet121", 7978856, 2834161664},
    {"neocognitron", 29722, 0},
    /* CIFAR's */
    {"cifar_mlp", 1841162, 0},
    {"cifar_lenet", 62006, 0},
    {"cifar_alexnet", 23272266, 0},
    {"cifar_vgg16_bn", 14724042, 0},
    {"cifar_inception", 1052426, 0},
    {"cifar_resnet20", 269722, 40551040},
    {"cifar_resnet32", 464154, 0},
    {"cifar_resnet56", 853018, 0},
    {"cifar_resnet110", 1727962, 0},
    {"cifar_plain20", 269722, 40551040},
    {"cifar_plain56", 853018, 125485696},
    {"cifar_resnet18", 11173962, 0},
    {"cifar_wrn16_4", 2748890, 0},
    {"cifar_densenet_bc40", 176122, 0},
    {"cifar_densenet_bc100", 769162, 0},
    {"cifar_fcn", 1369738, 0},
    {"cifar_autoencoder", 126163, 0},
    {"sequence_cnn", 265482, 0},
    {"volume_cnn", 920778, 0},
    /* small enough for a first sweep */
    {"mini_inception", 14034, 0},
    {"mini_resnet", 78042, 0},
    {"mini_vgg", 89946, 0},
};

static const char *const folders[] = {SOURCE_DIR "/experiments/architectures", NULL};

static void test_sizes(void **unused)
{
    (void)unused;
    setenv("CONVOY_PLUGIN_PATH", BINARY_DIR "/plugins", 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        network n = {0};
        n.registry = registry_open(NULL, 0, &n.e);
        experiment *x = experiment_of_model(sizes[i].name, NULL, 0, folders, &n.e);
        network_print(&n);
        assert_non_null(x);
        assert_non_null(x->model_input);
        cvy_shape sample = {.rank = (int32_t)x->model_input->n};
        for (int k = 0; k < sample.rank; k++) node_int(x->model_input->items[k], &sample.dim[k], NULL);
        n.net = net_build(experiment_layers(x), &sample, (int)x->model_classes, n.registry, &n.e);
        network_print(&n);
        assert_non_null(n.net);
        if (n.net->parameters != sizes[i].parameters || (sizes[i].macs && n.net->macs != sizes[i].macs))
            fail_msg("%s: %lld parameters and %lld MACs", sizes[i].name, (long long)n.net->parameters,
                     (long long)n.net->macs);
        experiment_free(x);
        network_free(&n);
    }
}

/* No architecture without its line above. */
static void test_all_listed(void **unused)
{
    (void)unused;
    DIR *d = opendir(folders[0]);
    assert_non_null(d);
    size_t files = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (!text_ends(entry->d_name, ".yaml")) continue;
        bool listed = false;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !listed; i++) {
            size_t length = strlen(sizes[i].name);
            listed = strlen(entry->d_name) == length + 5 && !strncmp(entry->d_name, sizes[i].name, length);
        }
        if (!listed) fail_msg("%s has no size here", entry->d_name);
        files++;
    }
    closedir(d);
    assert_int_equal(files, sizeof sizes / sizeof *sizes);
}

/* The two modules whose multiplications table 1 of many lectures compares, on a 28x28x256 input. */
static void test_inception_macs(void **unused)
{
    (void)unused;
    static const struct {
        const char *yaml;
        int64_t macs;
    } modules[] = {
        {"- inception_naive: {n1x1: 128, n3x3: 192, n5x5: 96, batch_norm: false}\n", 854196224},
        {"- inception: {n1x1: 128, n3x3_reduce: 64, n3x3: 192, n5x5_reduce: 64, n5x5: 96, pool_proj: 64, "
         "batch_norm: false}\n",
         271351808},
    };
    for (size_t i = 0; i < 2; i++) {
        network n = network_of(modules[i].yaml, 256, 28, 28, 10);
        network_print(&n);
        assert_non_null(n.net);
        assert_int_equal(n.net->macs, modules[i].macs);
        network_free(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_all_listed),
        cmocka_unit_test(test_inception_macs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
