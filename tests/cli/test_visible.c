/* What a sheet shows of normalised samples: the colours that they had, whatever the statistics; what is no line per channel
 * is spread over the range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/visible.h"
#include "config/params.h"
#include "config/params_table.h"
#include "plugin/registry.h"

enum { TRAIN = 60, SIDE = 16 };

typedef struct bench {
    arena memory;
    registry *plugins;
    data_settings settings;
    data *d;
} bench;

static const cvy_descriptor *find(void *ctx, uint32_t kind, const char *name, const place *at, errors *e)
{
    return registry_find(ctx, kind, name, at, e);
}

static bench open_with(const char *augment)
{
    bench b = {0};
    errors e = {0};
    text said = {0};
    b.plugins = registry_open(NULL, 0, &e);
    assert_non_null(b.plugins);
    const cvy_descriptor *shapes = registry_find(b.plugins, CVY_DATASET, "shapes", NULL, &e);
    assert_non_null(shapes);
    char *yaml =
        mem_printf("{train: %d, test: 10, size: %d, validation: 0, augment: %s}", TRAIN, SIDE, augment);
    const node *map = tree_read_text(&b.memory, "test", yaml, strlen(yaml), &e);
    void *config = arena_alloc(&b.memory, shapes->config_size);
    data_settings *settings = arena_alloc(&b.memory, sizeof *settings);
    params_table tables[] = {params_of(shapes, config), settings_of_data(settings)};
    params_env env = {.find = find, .ctx = b.plugins};
    assert_int_equal(params_fill(&b.memory, tables, 2, map, &env, &e), CVY_OK);
    b.d = data_open(shapes, config, settings, 1, ".", NULL, &e);
    if (b.d) data_prepare(b.d, &e);
    errors_text(&e, false, &said);
    assert_string_equal(text_str(&said), "");
    mem_free(yaml);
    errors_free(&e);
    text_free(&said);
    return b;
}

static void close_it(bench *b)
{
    data_close(b->d);
    registry_free(b->plugins);
    arena_free(&b->memory);
}

/* The largest difference between what is shown of sample i before all steps and after them, in evaluation. */
static int difference(const bench *b, int64_t i, visible *v)
{
    static const int64_t learn[] = {0, 7, 20, 41};
    const data *d = b->d;
    errors e = {0};
    float *x = mem_array((size_t)d->largest, sizeof *x),
          *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    uint8_t *shown[2];
    for (int k = 0; k < 2; k++) {
        data_way way = {.part = DATA_TRAIN, .how = DATA_AS_EVALUATION, .end = k ? d->n_steps : 0};
        int32_t label;
        assert_int_equal(visible_learn(v, d, way.end, learn, 4, &e), CVY_OK);
        assert_int_equal(data_read_way(d, &way, i, x, &label, NULL, scratch, &e), CVY_OK);
        shown[k] = visible_picture(v, &sizes_of(d, CVY_TRAIN, i)->shapes[DATA_AS_EVALUATION][way.end], x);
    }
    int most = 0;
    for (int k = 0; k < 3 * SIDE * SIDE; k++) {
        int difference_ = abs(shown[0][k] - shown[1][k]);
        if (difference_ > most) most = difference_;
    }
    errors_free(&e);
    mem_free(shown[0]);
    mem_free(shown[1]);
    mem_free(x);
    mem_free(scratch);
    return most;
}

static void undone(void **state)
{
    (void)state;
    static const char *const lists[] = {"[normalize]", "[mean_subtract]",
                                        "[horizontal_flip, normalize, random_crop]", "[normalize, normalize]",
                                        "[{normalize: {mean: [0.1, 0.9, 0.5], std: [3, 0.01, 1]}}]"};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        bench b = open_with(lists[k]);
        visible v;
        for (int64_t i = 0; i < TRAIN; i += 13) assert_in_range(difference(&b, i, &v), 0, 1);
        assert_true(v.undone && !v.stretch);
        close_it(&b);
    }
}

static void left_alone(void **state)
{
    (void)state;
    bench b = open_with("[horizontal_flip]");
    visible v;
    assert_int_equal(difference(&b, 3, &v), 0);
    assert_false(v.undone || v.stretch);
    close_it(&b);
}

static void spread(void **state)
{
    (void)state;
    bench b = open_with("[zca_whitening]");
    visible v;
    difference(&b, 3, &v);
    assert_true(v.stretch);
    close_it(&b);
}

static void channels(void **state)
{
    (void)state;
    visible v = {0};
    for (int c = 0; c < VISIBLE_CHANNELS; c++) v.scale[c] = 1;
    const float x[] = {0, 0.5f, 1, 2, -1, 0.25f, 0.1f, 0.2f};
    const cvy_shape one = {3, {1, 2, 2, 0, 0, 0}}, two = {3, {2, 1, 4, 0, 0, 0}};
    const cvy_shape *const shapes[] = {&one, &two};
    static const uint8_t wanted[] = {0, 128, 255, 255};
    for (int k = 0; k < 2; k++) { /* grey, and the first of two */
        uint8_t *p = visible_picture(&v, shapes[k], x);
        for (int c = 0; c < 3; c++) assert_memory_equal(p + 4 * c, wanted, 4);
        mem_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(undone), cmocka_unit_test(left_alone),
                                       cmocka_unit_test(spread), cmocka_unit_test(channels)};
    setenv("CONVOY_PLUGIN_PATH", BINARY_DIR "/plugins", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
