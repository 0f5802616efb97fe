/* my_plugin, a dataset: gratings in four directions, drawn as they are read.
 *
 * It trains as it stands; change what `open` says of the samples and how `read` makes one.
 *
 *   build:  @CC@
 *   look:   convoy plugin info my_plugin --plugin ./my_plugin.so
 *   train:  convoy run my_plugin.yaml
 *
 * Nothing of Convoy is linked: all that it may call comes with each call. convoy/dataset.h has the rest. */
#include <math.h>

#include "convoy/dataset.h"

/* ---- parameters: what the experiment file may set, as in `dataset: {type: my_plugin, noise: 0.5}` ---- */

typedef struct my_plugin_config {
    int64_t train, test, size;
    double noise;
} my_plugin_config;

static const cvy_param my_plugin_params[] = {
    /* struct, field, default, least, most, help */
    CVY_INT(my_plugin_config, train, 2000, 1, 1000000000, "training samples"),
    CVY_INT(my_plugin_config, test, 500, 0, 1000000000, "test samples"),
    CVY_INT(my_plugin_config, size, 16, 8, 256, "side of the square image, pixels"),
    CVY_ALSO("image_size"), /* what others call it: for suggestions only */
    CVY_FLOAT(my_plugin_config, noise, 0.3, 0, 1, "range of the noise on each pixel, white being 1"),
};

enum { CLASSES = 4 };
static const char *const class_names[CLASSES] = {"horizontal", "rising", "vertical", "falling"};

/* ---- open: how many samples, and of what shape ---- */

/* A dataset of files opens and checks them here: a relative path is relative to o->base_dir, cvy_fail_at()
 * names file and byte, and *state keeps what `read` needs. */
static int my_plugin_open(cvy_dataset_open *o, const void *config, void **state)
{
    const my_plugin_config *c = config;
    o->info.n[CVY_TRAIN] = c->train;
    o->info.n[CVY_TEST] = c->test;
    o->info.sample = (cvy_shape){3, {1, c->size, c->size, 0, 0, 0}}; // (C, H, W)
    o->info.element = CVY_F32;
    o->info.classes = CLASSES;
    o->info.class_names = class_names;
    o->info.fingerprint[0] = 0; /* files: the SHA-256 of their contents, see host->sha256_file */
    *state = NULL;
    return 0;
}

/* ---- read: sample r->index of r->split, from any thread; the same index gives the same sample ---- */

static int my_plugin_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const my_plugin_config *c = config;
    (void)state;
    r->label = (int32_t)(r->index % CLASSES);
    if (!r->pixels) return 0; /* only the label is wanted */
    cvy_random random = r->host->random(r->host, "my_plugin", (uint64_t)r->index, r->split);
    const float angle = 0.78539816f * (float)r->label, phase = 6.2831853f * cvy_unit(&random);
    const float wave = 1 + cvy_unit(&random); /* radians per pixel */
    float *pixels = r->pixels;
    for (int64_t y = 0; y < c->size; y++)
        for (int64_t x = 0; x < c->size; x++) {
            const float along = (float)y * cosf(angle) + (float)x * sinf(angle);
            const float noise = (float)c->noise * (cvy_unit(&random) - 0.5f);
            pixels[y * c->size + x] = 0.5f + 0.5f * sinf(wave * along + phase) + noise;
        }
    return 0;
}

static void my_plugin_close(void *state)
{
    (void)state;
}

static const cvy_dataset my_plugin_type = {
    .size = sizeof(cvy_dataset),
    .open = my_plugin_open,
    .read = my_plugin_read,
    .close = my_plugin_close,
};

/* kind, name, names elsewhere, one line for `convoy plugin info`, paper */
CVY_PLUGIN(CVY_DATASET, my_plugin, "", "Gratings in four directions, drawn as they are read", "",
           my_plugin_config, &my_plugin_type, CVY_PARAMS(my_plugin_params));
