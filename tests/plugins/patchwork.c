/* Patchwork: a dataset for tests whose samples have sizes and pixels known beforehand. */
#include "convoy/dataset.h"

typedef struct patchwork_config {
    int64_t train, test, lie_at;
    int32_t one, bytes, grow;
} patchwork_config;

static const cvy_param patchwork_params[] = {
    CVY_INT(patchwork_config, train, 60, 0, 1000000, "training samples"),
    CVY_INT(patchwork_config, test, 20, 0, 1000000, "test samples"),
    CVY_INT(patchwork_config, lie_at, -1, -1, 1000000, "training sample that is larger than open declared"),
    CVY_BOOL(patchwork_config, one, false, "all of the size 6x8, though of any is said"),
    CVY_BOOL(patchwork_config, bytes, false, "pixels as bytes"),
    CVY_BOOL(patchwork_config, grow, false, "training sample 7 is 6x8 once its pixels are read"),
};

/* Height and width of sample i: three sizes, of every six samples 3, 2 and 1. */
static const int64_t patchwork_sides[6][2] = {{4, 4}, {4, 4}, {6, 8}, {4, 4}, {6, 8}, {8, 4}};

static int patchwork_open(cvy_dataset_open *o, const void *config, void **state)
{
    const patchwork_config *c = config;
    o->info.n[CVY_TRAIN] = c->train;
    o->info.n[CVY_TEST] = c->test;
    o->info.sample = (cvy_shape){3, {2, 8, 8, 0, 0, 0}};
    o->info.element = c->bytes ? CVY_U8 : CVY_F32;
    o->info.classes = 4;
    o->info.varied = 1;
    *state = NULL;
    return 0;
}

/* Pixel k of sample i is i + k / 1000, and 1000 more in the test split; as bytes i + k. */
static int patchwork_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const patchwork_config *c = config;
    (void)state;
    const int64_t *sides =
        patchwork_sides[c->one || (c->grow && r->pixels && r->index == 7) ? 2 : r->index % 6];
    r->label = (int32_t)(r->index % 4);
    r->shape = (cvy_shape){3, {2, sides[0], sides[1], 0, 0, 0}};
    if (r->split == CVY_TRAIN && r->index == c->lie_at) r->shape.dim[2] = 9;
    const int64_t n = 2 * sides[0] * sides[1];
    for (int64_t k = 0; k < n && r->pixels; k++)
        if (c->bytes)
            ((uint8_t *)r->pixels)[k] = (uint8_t)(r->index + k);
        else
            ((float *)r->pixels)[k] =
                (float)r->index + (float)k * 0.001f + (r->split == CVY_TEST ? 1000.0f : 0.0f);
    return 0;
}

static void patchwork_close(void *state)
{
    (void)state;
}

static const cvy_dataset patchwork_type = {
    .size = sizeof(cvy_dataset), .open = patchwork_open, .read = patchwork_read, .close = patchwork_close};

CVY_PLUGIN(CVY_DATASET, patchwork, "", "samples of three sizes that tests can foretell", "", patchwork_config,
           &patchwork_type, CVY_PARAMS(patchwork_params));
