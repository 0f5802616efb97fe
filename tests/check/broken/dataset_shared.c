/* Makes each sample in one buffer that all threads share. */
#include <sched.h>
#include <string.h>

#include "convoy/dataset.h"

enum { SIDE = 48 };

static volatile unsigned char shared[SIDE * SIDE];

static int open_it(cvy_dataset_open *o, const void *config, void **state)
{
    (void)config;
    *state = 0;
    o->info =
        (cvy_dataset_info){.n = {100, 0}, .sample = {3, {1, SIDE, SIDE}}, .element = CVY_U8, .classes = 3};
    return 0;
}

static int read_it(cvy_dataset_read *r, const void *config, const void *state)
{
    (void)config, (void)state;
    unsigned char *pixels = r->pixels;
    for (int i = 0; i < SIDE * SIDE; i++) shared[i] = (unsigned char)(r->index + i);
    sched_yield();
    for (int i = 0; pixels && i < SIDE * SIDE; i++) pixels[i] = shared[i];
    r->label = (int32_t)(r->index % 3);
    return 0;
}

static void close_it(void *state)
{
    (void)state;
}

static const cvy_dataset type = {
    .size = sizeof(cvy_dataset), .open = open_it, .read = read_it, .close = close_it};
CVY_PLUGIN(CVY_DATASET, dataset_shared, "", "A dataset that is broken on purpose", "", cvy_no_config, &type,
           CVY_NO_PARAMS);
