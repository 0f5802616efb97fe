/* Brittle: a dataset for tests whose class sizes, samples and failures are known beforehand. */
#include "convoy/dataset.h"

typedef struct brittle_config {
    int64_t train, test, classes, fail_at, bad_label_at;
    int32_t skewed;
    const char *path;
} brittle_config;

static const cvy_param brittle_params[] = {
    CVY_INT(brittle_config, train, 100, 0, 1000000, "training samples"),
    CVY_INT(brittle_config, test, 20, 0, 1000000, "test samples"),
    CVY_INT(brittle_config, classes, 4, 0, 1000, "classes"),
    CVY_INT(brittle_config, fail_at, -1, -1, 1000000, "training sample whose pixels cannot be read"),
    CVY_INT(brittle_config, bad_label_at, -1, -1, 1000000, "training sample whose class does not exist"),
    CVY_STRING(brittle_config, path, "null", "where files would be, if there were any"),
    CVY_BOOL(brittle_config, skewed, false, "half of the samples are of class 0, a quarter of class 1, ..."),
};

static int brittle_open(cvy_dataset_open *o, const void *config, void **state)
{
    const brittle_config *c = config;
    o->info.n[CVY_TRAIN] = c->train;
    o->info.n[CVY_TEST] = c->test;
    o->info.sample = (cvy_shape){3, {1, 4, 4, 0, 0, 0}};
    o->info.element = CVY_F32;
    o->info.classes = (int32_t)c->classes;
    *state = NULL;
    return 0;
}

static int32_t brittle_label(const brittle_config *c, int64_t i)
{
    if (c->classes < 1) return -7; /* nobody is to look at it */
    if (!c->skewed) return (int32_t)(i % c->classes);
    int32_t label = 0;
    while (label + 1 < c->classes && i % 2) i /= 2, label++;
    return label;
}

/* Pixel k of sample i is i + k / 100, and 1000 more in the test split. */
static int brittle_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const brittle_config *c = config;
    (void)state;
    r->label = brittle_label(c, r->index);
    if (r->split == CVY_TRAIN && r->index == c->bad_label_at) r->label = (int32_t)c->classes;
    if (!r->pixels) return 0;
    if (r->split == CVY_TRAIN && r->index == c->fail_at)
        return cvy_fail_at(r, "brittle.bin", 1234, "this spot is gone");
    float *x = r->pixels;
    for (int k = 0; k < 16; k++)
        x[k] = (float)r->index + (float)k * 0.01f + (r->split == CVY_TEST ? 1000.0f : 0.0f);
    return 0;
}

static void brittle_close(void *state)
{
    (void)state;
}

static const cvy_dataset brittle_type = {
    .size = sizeof(cvy_dataset), .open = brittle_open, .read = brittle_read, .close = brittle_close};

CVY_PLUGIN(CVY_DATASET, brittle, "", "samples that tests can foretell", "", brittle_config, &brittle_type,
           CVY_PARAMS(brittle_params));
