/* The last sample's label is no class, and its pixels do not end where they should. */
#include "convoy/dataset.h"

static int open_it(cvy_dataset_open *o, const void *config, void **state)
{
    (void)config;
    *state = 0;
    o->info = (cvy_dataset_info){.n = {10, 0}, .sample = {3, {1, 4, 4}}, .element = CVY_U8, .classes = 3};
    return 0;
}

static int read_it(cvy_dataset_read *r, const void *config, const void *state)
{
    (void)config, (void)state;
    unsigned char *pixels = r->pixels;
    for (int i = 0; pixels && i < 16 + (r->index == 9); i++) pixels[i] = (unsigned char)(r->index * 16 + i);
    r->label = (int32_t)(r->index == 9 ? 3 : r->index % 3);
    return 0;
}

static void close_it(void *state)
{
    (void)state;
}

static const cvy_dataset type = {
    .size = sizeof(cvy_dataset), .open = open_it, .read = read_it, .close = close_it};
CVY_PLUGIN(CVY_DATASET, dataset_label, "", "A dataset that is broken on purpose", "", cvy_no_config, &type,
           CVY_NO_PARAMS);
