/* Augmentations: the geometry of crops and flips, normalisation by given and by measured statistics. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convoy/augment.h"
#include "plugin_host.h"

enum { C = 2, H = 5, W = 7, MOST = 2 * 20 * 20 };

static const cvy_shape image = {3, {C, H, W, 0, 0, 0}};

typedef struct filter {
    plugin_host p;
    cvy_shape out;
    float x[C * H * W], y[MOST];
} filter;

static void filter_open(filter *f, const char *file, const char *params)
{
    plugin_host_open(&f->p, file, false, params, 5);
    assert_non_null(f->p.config);
    memset(&f->out, 0, sizeof f->out);
    for (int i = 0; i < C * H * W; i++) f->x[i] = (float)(i + 1); /* all different, none zero */
    const cvy_augment *type = f->p.type;
    assert_int_equal(type->infer(f->p.face, f->p.config, &image, &f->out), 0);
    assert_true(cvy_count(&f->out) <= MOST);
}

static int apply(filter *f, int train, int64_t sample, const cvy_channel_stats *stats)
{
    for (int i = 0; i < MOST; i++) f->y[i] = NAN;
    cvy_random random = f->p.face->random(f->p.face, "test", (uint64_t)sample, 0);
    cvy_augment_call call = {.host = f->p.face,
                             .train = train,
                             .sample = sample,
                             .in = &image,
                             .out = &f->out,
                             .x = f->x,
                             .y = f->y,
                             .random = &random,
                             .stats = stats};
    int rc = ((const cvy_augment *)f->p.type)->apply(&call, f->p.config);
    for (int64_t i = cvy_count(&f->out); i < MOST; i++)
        assert_true(isnan(f->y[i])); /* nothing behind the result */
    return rc;
}

static float padded(const filter *f, int64_t k, int64_t row, int64_t column)
{
    return row < 0 || row >= H || column < 0 || column >= W ? 0 : f->x[(k * H + row) * W + column];
}

/* Whether y is the window of the image, zeros around it, that begins at (top, left). */
static bool is_window(const filter *f, int64_t top, int64_t left)
{
    int64_t oh = f->out.dim[1], ow = f->out.dim[2];
    for (int64_t k = 0; k < C; k++)
        for (int64_t i = 0; i < oh; i++)
            for (int64_t j = 0; j < ow; j++)
                if (!(f->y[(k * oh + i) * ow + j] == padded(f, k, i + top, j + left))) return false;
    return true;
}

/* Every window there is turns up, about equally often, and nothing else; evaluation gives the middle one. */
static void check_crop(const char *params, int64_t oh, int64_t ow, int64_t pad_y, int64_t pad_x)
{
    enum { DRAWS = 6000 };
    filter f;
    filter_open(&f, "datasets/augment/random_crop", params);
    assert_int_equal(f.out.rank, 3);
    assert_int_equal(f.out.dim[0], C);
    assert_int_equal(f.out.dim[1], oh);
    assert_int_equal(f.out.dim[2], ow);
    int64_t rows = H + 2 * pad_y - oh + 1, columns = W + 2 * pad_x - ow + 1;
    int *seen = calloc((size_t)(rows * columns), sizeof *seen);
    assert_non_null(seen);
    for (int n = 0; n < DRAWS; n++) {
        assert_int_equal(apply(&f, 1, n, NULL), 0);
        int64_t i = 0;
        while (i < rows * columns && !is_window(&f, i / columns - pad_y, i % columns - pad_x)) i++;
        assert_true(i < rows * columns);
        seen[i]++;
    }
    double mean = (double)DRAWS / (double)(rows * columns);
    for (int64_t i = 0; i < rows * columns; i++) assert_true(fabs(seen[i] - mean) < 5 * sqrt(mean) + 1);
    free(seen);
    assert_int_equal(apply(&f, 0, 3, NULL), 0);
    assert_true(is_window(&f, (rows - 1) / 2 - pad_y, (columns - 1) / 2 - pad_x));
    plugin_host_close(&f.p);
}

static void test_crop(void **state)
{
    (void)state;
    check_crop("padding: 1", H, W, 1, 1);
    check_crop("size: 3, padding: 0", 3, 3, 0, 0);
    check_crop("size: [4, 9], padding: [0, 2]", 4, 9, 0, 2);
    check_crop("size: [0, 6], padding: 0", H, 6, 0, 0);
    check_crop("size: [2, 3], padding: [1, 2]", 2, 3, 1, 2);
}

static void test_crop_default(void **state)
{
    (void)state;
    filter f;
    filter_open(&f, "datasets/augment/random_crop", "");
    bool moved = false;
    for (int n = 0; n < 300;
         n++) { /* offsets up to the padding of 4, whole rows and columns outside included */
        assert_int_equal(apply(&f, 1, n, NULL), 0);
        bool found = false;
        for (int64_t top = -4; top <= 4; top++)
            for (int64_t left = -4; left <= 4; left++) found = found || is_window(&f, top, left);
        assert_true(found);
        moved = moved || !is_window(&f, 0, 0);
    }
    assert_true(moved);
    assert_int_equal(apply(&f, 0, 0, NULL), 0);
    assert_memory_equal(f.y, f.x, sizeof f.x);
    plugin_host_close(&f.p);
}

static void test_flip(void **state)
{
    (void)state;
    const struct {
        const char *params;
        int least, most;
    } cases[] = {{"", 430, 570}, {"p: 0", 0, 0}, {"p: 1", 1000, 1000}, {"p: 0.1", 60, 140}};
    for (int c = 0; c < 4; c++) {
        filter f;
        filter_open(&f, "datasets/augment/horizontal_flip", cases[c].params);
        assert_memory_equal(&f.out, &image, sizeof image);
        int flipped = 0;
        for (int n = 0; n < 1000; n++) {
            assert_int_equal(apply(&f, 1, n, NULL), 0);
            bool turned = f.y[0] != f.x[0];
            for (int r = 0; r < C * H; r++)
                for (int i = 0; i < W; i++)
                    assert_true(f.y[r * W + i] == f.x[r * W + (turned ? W - 1 - i : i)]);
            flipped += turned;
        }
        assert_in_range(flipped, cases[c].least, cases[c].most);
        plugin_host_close(&f.p);
    }
}

static void test_normalize(void **state)
{
    (void)state;
    const float mean[C] = {0.25f, 3}, std[C] = {0.5f, 1e-9f}; /* the second channel counts as constant */
    const cvy_channel_stats stats = {C, mean, std};
    const struct {
        const char *params;
        float mean[C], std[C];
    } cases[] = {{"", {0.25f, 3}, {0.5f, 1}},
                 {"mean: [1, 2], std: [0.3, 4]", {1, 2}, {0.3f, 4}},
                 {"std: [0.3, 4]", {0.25f, 3}, {0.3f, 4}},
                 {"mean: [1, 2]", {1, 2}, {0.5f, 1}}};
    for (int c = 0; c < 4; c++) {
        filter f;
        filter_open(&f, "datasets/augment/normalize", cases[c].params);
        const cvy_augment *type = f.p.type;
        assert_int_equal(type->traits, CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS);
        assert_memory_equal(&f.out, &image, sizeof image);
        for (int train = 0; train < 2; train++) {
            assert_int_equal(apply(&f, train, 0, &stats), 0);
            for (int i = 0; i < C * H * W; i++) {
                int k = i / (H * W);
                assert_true(f.y[i] == (f.x[i] - cases[c].mean[k]) / cases[c].std[k]);
            }
        }
        plugin_host_close(&f.p);
    }
}

static void test_normalize_without_statistics(void **state)
{
    (void)state;
    const float one[1] = {1};
    const cvy_channel_stats grey = {1, one, one};
    filter f;
    filter_open(&f, "datasets/augment/normalize", "");
    assert_int_not_equal(apply(&f, 1, 0, NULL), 0);
    assert_int_not_equal(apply(&f, 1, 0, &grey), 0);
    assert_non_null(strstr(plugin_host_message(&f.p), "statistics are for 1 channels, the images have 2"));
    plugin_host_close(&f.p);
    filter_open(&f, "datasets/augment/normalize", "mean: [0, 0], std: [1, 1]"); /* needs none */
    assert_int_equal(apply(&f, 1, 0, NULL), 0);
    plugin_host_close(&f.p);
}

static void test_determinism(void **state)
{
    (void)state;
    const char *const files[] = {"datasets/augment/random_crop", "datasets/augment/horizontal_flip"};
    for (int c = 0; c < 2; c++) {
        filter f;
        float first[C * H * W];
        filter_open(&f, files[c], "");
        for (int n = 0; n < 50; n++) {
            assert_int_equal(apply(&f, 1, n, NULL), 0);
            memcpy(first, f.y, sizeof first);
            assert_int_equal(apply(&f, 1, n + 1, NULL), 0);
            assert_int_equal(apply(&f, 1, n, NULL), 0);
            assert_memory_equal(f.y, first, sizeof first);
        }
        plugin_host_close(&f.p);
    }
}

static void check_refused(const char *file, const char *params, const cvy_shape *in, const char *wanted)
{
    plugin_host p;
    plugin_host_open(&p, file, false, params, 1);
    cvy_shape out = {0};
    if (p.config) assert_int_not_equal(((const cvy_augment *)p.type)->infer(p.face, p.config, in, &out), 0);
    const char *found = plugin_host_message(&p);
    if (!strstr(found, wanted)) fail_msg("%s {%s} gave: %s", file, params, found);
    plugin_host_close(&p);
}

static void test_refused(void **state)
{
    (void)state;
    cvy_shape vector = cvy_shape1(8);
    const char *crop = "datasets/augment/random_crop", *flip = "datasets/augment/horizontal_flip",
               *normalize = "datasets/augment/normalize";
    check_refused(
        crop, "size: 40", &image,
        "size: 40 is more than the padded image has, 13 pixels high; lower size or raise padding (now 4)");
    check_refused(crop, "size: [5, 16]", &image,
                  "size: 16 is more than the padded image has, 15 pixels wide");
    check_refused(crop, "padding: -1", &image, "padding: -1 is below 0");
    check_refused(crop, "", &vector, "needs images (channels, height, width), found rank 1");
    check_refused(flip, "", &vector, "needs images (channels, height, width), found rank 1");
    check_refused(flip, "p: 2", &image, "p: 2 is above 1");
    check_refused(normalize, "", &vector, "needs images (channels, height, width), found rank 1");
    check_refused(
        normalize, "mean: [1, 2, 3]", &image,
        "mean: 3 numbers for images of 2 channels; give one for each, or leave it out to use the training "
        "set's");
    check_refused(normalize, "mean: [1, 2], std: [1]", &image, "std: 1 number for images of 2 channels");
    check_refused(normalize, "std: [1, 0]", &image, "0 is below 1e-06");
}

/* One row of the image, which runs from a to b, at another width: what bilinear interpolation makes of a ramp is a ramp
 * that stands still at its ends. */
static void test_resize(void **state)
{
    (void)state;
    filter f;
    filter_open(&f, "datasets/augment/resize", "size: [5, 7]");
    assert_int_equal(apply(&f, 0, 0, NULL), 0);
    assert_memory_equal(f.y, f.x, sizeof f.x);
    plugin_host_close(&f.p);

    filter_open(&f, "datasets/augment/resize", "size: [10, 14]"); /* twice as large */
    for (int train = 0; train < 2; train++) {
        assert_int_equal(apply(&f, train, 0, NULL), 0);
        for (int i = 0; i < 10; i++)
            for (int j = 0; j < 14; j++) {
                double row = fmin(fmax((i + 0.5) / 2 - 0.5, 0), H - 1),
                       column = fmin(fmax((j + 0.5) / 2 - 0.5, 0), W - 1);
                assert_true(fabs((double)f.y[i * 14 + j] - (1 + row * W + column)) < 1e-4);
            }
    }
    plugin_host_close(&f.p);

    /* Half as wide: without smoothing the two pixels next to each centre, with it four (and three at the ends). */
    filter_open(&f, "datasets/augment/resize", "size: [5, 1]");
    assert_int_equal(apply(&f, 0, 0, NULL), 0);
    assert_true(fabs((double)f.y[2] - (double)f.x[2 * W + 3]) < 1e-5);
    plugin_host_close(&f.p);
    filter_open(&f, "datasets/augment/resize", "size: [5, 1], smooth: true");
    assert_int_equal(apply(&f, 0, 0, NULL), 0);
    for (int i = 0; i < H * W; i++) f.x[i] = (float)(i % W == 0); /* how much the first pixel weighs */
    assert_int_equal(apply(&f, 0, 0, NULL), 0);
    double all = 0;
    for (int j = 0; j < W; j++) all += 1 - fabs(j - 3.0) / 7;
    assert_true(fabs((double)f.y[0] - (1 - 3.0 / 7) / all) < 1e-6);
    plugin_host_close(&f.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crop),        cmocka_unit_test(test_crop_default),
        cmocka_unit_test(test_flip),        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_determinism), cmocka_unit_test(test_normalize_without_statistics),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_resize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
