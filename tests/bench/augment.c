/* Bench: how many 32x32 images a second one core reads through lists of augmentation, from bytes in memory. Arguments: the
 * folder of plugins, then lists as under dataset.augment; without any, common ones.
 *
 * It counts the thread's own processor time, so that other programs disturb it less, and gives the best of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "config/tree.h"
#include "plugin/registry.h"
#include "train/data.h"

enum { IMAGES = 4096, BYTES = 3 * 32 * 32, ROUNDS = 7 };

static const char *const lists[] = {
    "[]",
    "[normalize]",
    "[horizontal_flip]",
    "[{random_crop: {padding: 4}}]",
    "[{random_crop: {padding: 4}}, horizontal_flip, normalize]",
    "[affine]",
    "[rotate]",
    "[shear]",
    "[stretch]",
    "[translate]",
    "[brightness]",
    "[contrast]",
    "[color_jitter]",
    "[cutout]",
    "[mixup]",
    "[cutmix]",
    "[{random_crop: {padding: 4}}, horizontal_flip, rand_augment, normalize]",
};

/* ---- a dataset that costs nothing ---- */

static int bench_open(cvy_dataset_open *o, const void *config, void **state)
{
    (void)config;
    o->info.n[CVY_TRAIN] = IMAGES;
    o->info.sample = (cvy_shape){3, {3, 32, 32, 0, 0, 0}};
    o->info.element = CVY_U8;
    o->info.classes = 10;
    uint8_t *bytes = malloc((size_t)IMAGES * BYTES);
    if (!bytes) return cvy_fail(o, "not enough memory");
    for (size_t i = 0; i < (size_t)IMAGES * BYTES; i++) bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    *state = bytes;
    return 0;
}

static int bench_read(cvy_dataset_read *r, const void *config, const void *state)
{
    (void)config;
    r->label = (int32_t)(r->index % 10);
    if (r->pixels) memcpy(r->pixels, (const uint8_t *)state + r->index * BYTES, BYTES);
    return 0;
}

static void bench_close(void *state)
{
    free(state);
}

static const cvy_dataset bench_type = {
    .size = sizeof bench_type, .open = bench_open, .read = bench_read, .close = bench_close};
static const cvy_descriptor bench_dataset = {.abi = CVY_ABI,
                                             .size = sizeof bench_dataset,
                                             .kind = CVY_DATASET,
                                             .real_size = sizeof(cvy_real),
                                             .name = "bench",
                                             .type = &bench_type};

/* ---- measuring ---- */

static const cvy_descriptor *find(void *ctx, uint32_t kind, const char *name, const place *at, errors *e)
{
    return registry_find(ctx, kind, name, at, e);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint32_t sum_of(uint32_t sum, const float *x)
{
    uint32_t words[BYTES];
    memcpy(words, x, sizeof words);
    for (int i = 0; i < BYTES; i++) sum = sum * 31 + words[i];
    return sum;
}

static void measure(const data *d, const char *list, errors *e)
{
    static float x[BYTES];
    float *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    float *target = mem_array((size_t)data_target_floats(d) + 1, sizeof *target);
    double best = 1e9;
    int32_t label;
    for (int round = 0; round < ROUNDS && !errors_count(e); round++) {
        double took = 0, start = seconds();
        int64_t n = 0;
        for (; took < 0.12 && !errors_count(e); n += 512) {
            for (int64_t i = 0; i < 512; i++)
                data_read(d, DATA_TRAIN, (n + i) % IMAGES, round, x, &label,
                          data_target_floats(d) ? target : NULL, scratch, e);
            took = seconds() - start;
        }
        if (took / (double)n < best) best = took / (double)n;
    }
    uint32_t sum = 0; /* of images, so that a change of their bits shows */
    for (int64_t i = 0; i < 300 && !errors_count(e); i++) {
        data_read(d, DATA_TRAIN, i, 3, x, &label, data_target_floats(d) ? target : NULL, scratch, e);
        sum = sum_of(sum, x);
    }
    printf("%9.0f images/s  %08x  %s\n", 1 / best, (unsigned)sum, list);
    fflush(stdout);
    mem_free(scratch);
    mem_free(target);
}

static void bench(registry *r, const char *list, errors *e)
{
    arena a = {0};
    data_settings settings = {0};
    params_table t = settings_of_data(&settings);
    const params_env env = {.find = find, .ctx = r};
    char *yaml = arena_printf(&a, "{augment: %s, validation: 0}", list);
    const node *map = tree_read_text(&a, "bench", yaml, strlen(yaml), e);
    data *d = NULL;
    if (map && !params_fill(&a, &t, 1, map, &env, e))
        d = data_open(&bench_dataset, "", &settings, 1, ".", NULL, e);
    if (d && !data_prepare(d, e)) measure(d, list, e);
    data_close(d);
    arena_free(&a);
}

int main(int argc, char **argv)
{
    errors e = {0};
    if (argc < 2) {
        fputs("bench_augment PLUGINS [LIST...]\n", stderr);
        return 2;
    }
    setenv("CONVOY_PLUGIN_PATH", argv[1], 1);
    registry *r = registry_open(NULL, 0, &e);
    for (int i = 2; r && i < argc && !errors_count(&e); i++) bench(r, argv[i], &e);
    for (size_t i = 0; r && argc == 2 && i < sizeof lists / sizeof *lists && !errors_count(&e); i++)
        bench(r, lists[i], &e);
    text t = {0};
    errors_text(&e, false, &t);
    fputs(text_str(&t), stderr);
    text_free(&t);
    registry_free(r);
    return errors_count(&e) > 0;
}
