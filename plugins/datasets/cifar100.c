/* CIFAR-100 from its official binary files, with the 100 fine or the 20 coarse classes. How these are read is in
 * cifar.h. */
#define _POSIX_C_SOURCE 200809L
#include "cifar.h"

typedef struct cifar100_config {
    const char *path;
    int32_t labels;
} cifar100_config;

static const char *const labels_choices[] = {"fine", "coarse", NULL};

static const cvy_param cifar100_params[] = {
    CVY_STRING(
        cifar100_config, path, "null",
        "folder of the files train.bin and test.bin; null: where `convoy data fetch cifar100` puts them"),
    CVY_ALSO("root dir data_dir folder"),
    CVY_ENUM(cifar100_config, labels, fine, labels_choices,
             "which classes: the 100 fine ones or the 20 coarse ones they are grouped in"),
    CVY_ALSO("label_mode granularity classes"),
};

static const char *const files[] = {"train.bin", "test.bin"};
static const cifar_label labels[] = {{"coarse label", 20, "coarse_label_names.txt"},
                                     {"fine label", 100, "fine_label_names.txt"}};
static const cifar_format format = {
    .name = "cifar100",
    .folder = "cifar-100-binary",
    .title = "CIFAR-100",
    .to_do = "Put train.bin and test.bin of the official CIFAR-100 binary version there (from "
             "cifar-100-binary.tar.gz)",
    .files = files,
    .n_files = 2,
    .train_records = 50000,
    .test_records = 10000,
    .labels = labels,
    .n_labels = 2,
};

static int cifar100_open(cvy_dataset_open *o, const void *config, void **state)
{
    const cifar100_config *c = config;
    return cifar_open(o, &format, c->labels == 0 ? 1 : 0, c->path, NULL, state);
}

static const cvy_dataset cifar100_type = {
    .size = sizeof(cvy_dataset), .open = cifar100_open, .read = cifar_read, .close = cifar_close};

CVY_PLUGIN(CVY_DATASET, cifar100, "CIFAR100 CIFAR-100 cifar-100 cifar_100",
           "60,000 photographs of 32x32 pixels in 100 classes of 20 groups, from the official binary files",
           "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images, chapter 3",
           cifar100_config, &cifar100_type, CVY_PARAMS(cifar100_params));
