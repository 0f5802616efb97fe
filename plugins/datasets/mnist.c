/* MNIST from its official IDX files. How these are read is in idx.h. */
#define _POSIX_C_SOURCE 200809L
#include "idx.h"

typedef struct mnist_config {
    const char *path;
} mnist_config;

static const cvy_param mnist_params[] = {
    CVY_STRING(
        mnist_config, path, "null",
        "folder of the four files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte "
        "and t10k-labels-idx1-ubyte, plain or .gz; null: where `convoy data fetch mnist` puts them"),
    CVY_ALSO("root dir data_dir folder"),
};

static const char *const folders[IDX_FOLDERS] = {"", "raw",
                                                 "MNIST/raw"}; /* the last two as torchvision has them */
static const char *const class_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const idx_format format = {
    .name = "mnist",
    .title = "MNIST",
    .folders = folders,
    .class_names = class_names,
    .classes = 10,
};

static int mnist_open(cvy_dataset_open *o, const void *config, void **state)
{
    const mnist_config *c = config;
    return idx_open(o, &format, c->path, state);
}

static const cvy_dataset mnist_type = {
    .size = sizeof(cvy_dataset), .open = mnist_open, .read = idx_read, .close = idx_close};

CVY_PLUGIN(CVY_DATASET, mnist, "MNIST digits handwritten_digits",
           "70,000 handwritten digits of 28x28 grey pixels, from the official IDX files",
           "LeCun, Bottou, Bengio and Haffner 1998, Gradient-Based Learning Applied to Document Recognition, "
           "section III.A",
           mnist_config, &mnist_type, CVY_PARAMS(mnist_params));
