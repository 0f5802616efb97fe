/* CIFAR-10 from its official binary files. How these are read is in cifar.h. */
#define _POSIX_C_SOURCE 200809L
#include "cifar.h"

typedef struct cifar10_config {
    const char *path;
} cifar10_config;

static const cvy_param cifar10_params[] = {
    CVY_STRING(cifar10_config, path, "null",
               "folder of the files data_batch_1.bin to data_batch_5.bin and test_batch.bin; null: where "
               "`convoy data "
               "fetch cifar10` puts them"),
    CVY_ALSO("root dir data_dir folder"),
};

static const char *const files[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
static const char *const official[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                       "dog",      "frog",       "horse", "ship", "truck"};
static const cifar_label labels[] = {{"label", 10, "batches.meta.txt"}};
static const cifar_format format = {
    .name = "cifar10",
    .folder = "cifar-10-batches-bin",
    .title = "CIFAR-10",
    .to_do = "Put the six files of the official CIFAR-10 binary version there (data_batch_1.bin to "
             "data_batch_5.bin "
             "and test_batch.bin, from cifar-10-binary.tar.gz)",
    .files = files,
    .n_files = 6,
    .train_records = 10000,
    .test_records = 10000,
    .labels = labels,
    .n_labels = 1,
};

static int cifar10_open(cvy_dataset_open *o, const void *config, void **state)
{
    const cifar10_config *c = config;
    return cifar_open(o, &format, 0, c->path, official, state);
}

static const cvy_dataset cifar10_type = {
    .size = sizeof(cvy_dataset), .open = cifar10_open, .read = cifar_read, .close = cifar_close};

CVY_PLUGIN(CVY_DATASET, cifar10, "CIFAR10 cifar CIFAR-10 cifar-10 cifar_10",
           "60,000 photographs of 32x32 pixels in 10 classes, from the official binary files",
           "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images, chapter 3",
           cifar10_config, &cifar10_type, CVY_PARAMS(cifar10_params));
