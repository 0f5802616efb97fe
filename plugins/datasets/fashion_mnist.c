/* Fashion-MNIST from its official IDX files. How these are read is in idx.h. */
#define _POSIX_C_SOURCE 200809L
#include "idx.h"

typedef struct fashion_mnist_config {
    const char *path;
} fashion_mnist_config;

static const cvy_param fashion_mnist_params[] = {
    CVY_STRING(
        fashion_mnist_config, path, "null",
        "folder of the four files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte "
        "and t10k-labels-idx1-ubyte, plain or .gz; null: where `convoy data fetch fashion_mnist` puts them"),
    CVY_ALSO("root dir data_dir folder"),
};

static const char *const folders[IDX_FOLDERS] = {
    "", "raw", "FashionMNIST/raw"}; /* the last two as torchvision has them */
static const char *const class_names[] = {"t-shirt/top", "trouser", "pullover", "dress", "coat",
                                          "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
static const idx_format format = {
    .name = "fashion_mnist",
    .title = "Fashion-MNIST",
    .folders = folders,
    .class_names = class_names,
    .classes = 10,
};

static int fashion_mnist_open(cvy_dataset_open *o, const void *config, void **state)
{
    const fashion_mnist_config *c = config;
    return idx_open(o, &format, c->path, state);
}

static const cvy_dataset fashion_mnist_type = {
    .size = sizeof(cvy_dataset), .open = fashion_mnist_open, .read = idx_read, .close = idx_close};

CVY_PLUGIN(CVY_DATASET, fashion_mnist, "FashionMNIST fashion-mnist Fashion-MNIST fashion",
           "70,000 photographs of clothes in 10 classes, 28x28 grey pixels, from the official IDX files",
           "Xiao, Rasul and Vollgraf 2017, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
           "Learning Algorithms",
           fashion_mnist_config, &fashion_mnist_type, CVY_PARAMS(fashion_mnist_params));
