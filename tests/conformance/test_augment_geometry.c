/* Augmentations that move pixels: worked out by hand on small images, and how often each window is drawn. */
#include "test_augment_bed.h"

static void test_rotate(void **state)
{
    (void)state;
    bed_check("rotate", "degrees: [90, 90]", 1, 3, 3, NULL, (const float[]){7, 4, 1, 8, 5, 2, 9, 6, 3});
    bed_check("rotate", "degrees: [180, 180]", 1, 2, 3, NULL, (const float[]){6, 5, 4, 3, 2, 1});
    bed_check("rotate", "degrees: [0, 0], border: wrap", 1, 2, 3, NULL, (const float[]){1, 2, 3, 4, 5, 6});
    /* Each direction as often as the other: one number is the distance to both sides. */
    bed b;
    bed_open(&b, "rotate", "degrees: [20]", 1, 3, 3, NULL);
    int clockwise = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        clockwise +=
            b.y[1] < 2; /* turned clockwise, the upper pixel comes from the left, where it is darker */
    }
    bed_likely(clockwise, 1000, 0.5);
    plugin_host_close(&b.p);
}

/* One row, 1 2 3 4, by two pixels and by half a one, under each border. */
static void test_translate(void **state)
{
    (void)state;
    const struct {
        const char *border;
        float two[4], half[4];
    } cases[] = {{"zero", {0, 0, 1, 2}, {0.5f, 1.5f, 2.5f, 3.5f}},
                 {"edge", {1, 1, 1, 2}, {1, 1.5f, 2.5f, 3.5f}},
                 {"reflect", {2, 1, 1, 2}, {1, 1.5f, 2.5f, 3.5f}},
                 {"wrap", {3, 4, 1, 2}, {2.5f, 1.5f, 2.5f, 3.5f}}};
    for (int c = 0; c < 4; c++) {
        char params[128];
        snprintf(params, sizeof params, "horizontal: [0.5, 0.5], vertical: [0, 0], border: %s",
                 cases[c].border);
        bed_check("translate", params, 1, 1, 4, NULL, cases[c].two);
        bed_check("translate", params, 1, 1, 4, NULL, cases[c].two);
        snprintf(params, sizeof params,
                 "horizontal: [0.125, 0.125], vertical: [0, 0], border: %s, whole: false", cases[c].border);
        bed_check("translate", params, 1, 1, 4, NULL, cases[c].half);
    }
    bed_check("translate", "horizontal: [0, 0], vertical: [0.5, 0.5]", 1, 2, 2, NULL,
              (const float[]){0, 0, 1, 2});
}

static void test_translate_reaches(void **state)
{
    (void)state;
    bed b;
    bed_open(&b, "translate", "horizontal: [-0.5, 0.5], vertical: [0, 0], border: wrap", 2, 1, 4, NULL);
    int seen[4] = {0};
    for (int n = 0; n < 400; n++) {
        bed_apply(&b, 1, n);
        const int by = (5 - (int)b.y[0]) % 4; /* whole pixels only */
        for (int i = 0; i < 8; i++) assert_true(b.y[i] == b.x[i / 4 * 4 + (i % 4 + 4 - by) % 4]);
        seen[by]++;
    }
    for (int i = 0; i < 4; i++)
        bed_likely(seen[i], 400, 0.25); /* -2 and 2, with half a share each, are the same */
    plugin_host_close(&b.p);
}

static void test_stretch(void **state)
{
    (void)state;
    bed_check("stretch", "horizontal: [2, 2], vertical: [1, 1]", 1, 1, 4, NULL,
              (const float[]){1.75f, 2.25f, 2.75f, 3.25f});
    bed_check("stretch", "horizontal: [1, 1], vertical: [0.5, 0.5]", 1, 4, 1, NULL,
              (const float[]){0, 1.5f, 3.5f, 0});
}

static void test_shear(void **state)
{
    (void)state;
    bed_check("shear", "horizontal: [45, 45]", 1, 3, 3, NULL, (const float[]){0, 1, 2, 4, 5, 6, 8, 9, 0});
    bed_check("shear", "horizontal: [0, 0], vertical: [45, 45]", 1, 3, 3, NULL,
              (const float[]){0, 2, 6, 1, 5, 9, 4, 8, 0});
}

static void test_affine(void **state)
{
    (void)state;
    const char *still = "degrees: [0, 0], vertical: [0, 0], horizontal: [0, 0], scale: [1, 1]";
    bed_check("affine", still, 2, 2, 2, NULL, (const float[]){1, 2, 3, 4, 5, 6, 7, 8});
    /* turned upside down, then to the right by a third of three pixels */
    bed_check(
        "affine",
        "degrees: [180, 180], vertical: [0, 0], horizontal: [0.33333333333333333, 0.33333333333333333], "
        "scale: [1, 1]",
        1, 3, 3, NULL, (const float[]){0, 9, 8, 0, 6, 5, 0, 3, 2});
    /* twice as wide as high at the same area: sqrt(2) and its inverse */
    bed_check("affine",
              "degrees: [0, 0], vertical: [0, 0], horizontal: [0, 0], scale: [2, 2], stretch: [4, 4]", 1, 1,
              4, NULL, (const float[]){2.125f, 2.375f, 2.625f, 2.875f});
}

static void test_lens(void **state)
{
    (void)state;
    const float x[] = {1, 2, 4};
    /* The ends lie at r^2 = 1 / (0.5^2 + 1.5^2) = 0.4. */
    bed_check("lens_distortion", "k1: [0.5, 0.5]", 1, 1, 3, x, (const float[]){0.8f, 2, 3.2f});
    bed_check("lens_distortion", "k1: [-0.5, -0.5]", 1, 1, 3, x, (const float[]){1.2f, 2, 3.6f});
    bed_check("lens_distortion", "k1: [0, 0], k2: [-1, -1]", 1, 1, 3, x, (const float[]){1.16f, 2, 3.68f});
    bed_check("lens_distortion", "k1: [0, 0]", 1, 1, 3, x, x);
}

static void test_center_crop(void **state)
{
    (void)state;
    bed_check("center_crop", "size: [1, 2]", 1, 3, 4, NULL, (const float[]){6, 7});
    bed_check("center_crop", "size: 1", 2, 2, 4, NULL, (const float[]){3, 11}); /* 0.5 to 0, 1.5 to 2 */
    bed_check("center_crop", "size: [3, 4]", 1, 3, 4, NULL,
              (const float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    const cvy_shape image = {3, {1, 3, 4, 0, 0, 0}};
    bed_refused("center_crop", "size: 4", &image, "size: 4 is more than the image has, 3 pixels high");
}

static void test_resized_crop(void **state)
{
    (void)state;
    /* A window of a quarter of the area, as wide as high, at its own size: a copy, every place as often as any other. */
    enum { DRAWS = 5000 };
    bed b;
    bed_open(&b, "random_resized_crop", "size: 4, scale: [0.25, 0.25], ratio: [1, 1]", 1, 8, 8, NULL);
    int seen[25] = {0};
    for (int n = 0; n < DRAWS; n++) {
        bed_apply(&b, 1, n);
        const int first = (int)lrintf(b.y[0]) - 1, top = first / 8, left = first % 8;
        assert_in_range(top, 0, 4);
        assert_in_range(left, 0, 4);
        for (int i = 0; i < 16; i++)
            assert_true(fabsf(b.y[i] - b.x[(top + i / 4) * 8 + left + i % 4]) < 1e-4f);
        seen[top * 5 + left]++;
    }
    for (int i = 0; i < 25; i++) bed_likely(seen[i], DRAWS, 1 / 25.0);
    plugin_host_close(&b.p);

    /* No square window has the area of an image twice as wide as high; the middle one is taken instead. */
    const float middle[] = {3, 4, 5, 6, 11, 12, 13, 14, 19, 20, 21, 22, 27, 28, 29, 30};
    bed_check("random_resized_crop", "size: 4, scale: [1, 1], ratio: [1, 1]", 1, 4, 8, NULL, middle);
    bed_open(&b, "random_resized_crop", "size: 4", 1, 4, 8,
             NULL); /* and so in evaluation, whatever the scale */
    bed_apply(&b, 0, 0);
    bed_expect(&b, middle, 1e-4f);
    plugin_host_close(&b.p);

    /* Halved: means of two; with smoothing the triangle over four, cut at the ends: (3 1 + 3 2 + 1 3) / 7. */
    bed_open(&b, "random_resized_crop", "size: [1, 2], smooth: false", 1, 2, 4,
             (const float[]){1, 2, 3, 4, 1, 2, 3, 4});
    bed_apply(&b, 0, 0);
    bed_expect(&b, (const float[]){1.5f, 3.5f}, 1e-6f);
    plugin_host_close(&b.p);
    bed_open(&b, "random_resized_crop", "size: [1, 2]", 1, 2, 4, (const float[]){1, 2, 3, 4, 1, 2, 3, 4});
    bed_apply(&b, 0, 0);
    bed_expect(&b, (const float[]){12 / 7.0f, 23 / 7.0f}, 1e-6f);
    plugin_host_close(&b.p);
}

/* The area of windows is uniform on `scale`, the logarithm of their ratio on `ratio`. */
static void test_resized_crop_sizes(void **state)
{
    (void)state;
    enum { DRAWS = 3000 };
    float x[64 * 64];
    for (int i = 0; i < 64 * 64; i++) x[i] = (float)(i % 64) / 64;
    bed b;
    bed_open(&b, "random_resized_crop", "size: [1, 64], scale: [0.09, 0.25], ratio: [1, 1]", 1, 64, 64, x);
    double wide = 0;
    for (int n = 0; n < DRAWS; n++) {
        bed_apply(&b, 1, n);
        /* a ramp: its slope is the window's width */
        wide += ((double)b.y[43] - (double)b.y[20]) * 64 * 64 / 23;
    }
    /* the mean root of a number that is uniform on [0.09, 0.25] */
    const double wanted = 64 * 2 / 3.0 * (0.125 - 0.027) / 0.16;
    assert_true(fabs(wide / DRAWS - wanted) < 0.3);
    plugin_host_close(&b.p);
}

static void test_vertical_flip(void **state)
{
    (void)state;
    bed_check("vertical_flip", "p: 1", 2, 2, 2, NULL, (const float[]){3, 4, 1, 2, 7, 8, 5, 6});
    bed_check("vertical_flip", "p: 0", 2, 2, 2, NULL, (const float[]){1, 2, 3, 4, 5, 6, 7, 8});
    bed b;
    bed_open(&b, "vertical_flip", "", 1, 2, 1, NULL);
    int turned = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        turned += b.y[0] > 1;
    }
    bed_likely(turned, 1000, 0.5);
    plugin_host_close(&b.p);
}

/* In the first epoch at random, then to and fro. */
static void test_alternating_flip(void **state)
{
    (void)state;
    const struct {
        const char *params;
        double p;
    } cases[] = {{"mode: alternate", 0.5}, {"mode: alternate, p: 1", 1}, {"mode: alternate, p: 0.25", 0.25}};
    for (int c = 0; c < 3; c++) {
        bed b;
        bed_open(&b, "horizontal_flip", cases[c].params, 1, 1, 2, NULL);
        int turned = 0;
        for (int n = 0; n < 1000; n++) {
            b.epoch = 0;
            bed_apply(&b, 1, n);
            const int first = b.y[0] > 1;
            turned += first;
            for (b.epoch = 1; b.epoch < 5; b.epoch++) {
                bed_apply(&b, 1, n);
                assert_int_equal(b.y[0] > 1, (b.epoch % 2) ^ first);
                assert_true(b.y[0] + b.y[1] == 3);
            }
        }
        bed_likely(turned, 1000, cases[c].p);
        plugin_host_close(&b.p);
    }
}

static void test_refused(void **state)
{
    (void)state;
    const cvy_shape vector = cvy_shape1(8), image = {3, {3, 8, 8, 0, 0, 0}},
                    huge = {3, {1, INT64_C(1) << 40, INT64_C(1) << 40, 0, 0, 0}};
    const char *const names[] = {"rotate",        "translate",       "stretch",     "shear",
                                 "affine",        "lens_distortion", "center_crop", "random_resized_crop",
                                 "vertical_flip", "horizontal_flip"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        bed_refused(names[i], i == 6 ? "size: 2" : "", &vector,
                    "needs images (channels, height, width), found rank 1");
    bed_refused("affine", "", &huge, "are larger than the 2^30 that it can place");
    bed_refused("rotate", "degrees: [10, -10]", &image,
                "degrees: [10, -10] is empty; give the smaller number first");
    bed_refused("rotate", "degrees: [-10]", &image, "degrees: -10 is the distance to both sides");
    bed_refused("rotate", "degrees: []", &image, "degrees: 0 numbers; give [smallest, largest]");
    bed_refused("shear", "horizontal: [90]", &image, "90 is above 80");
    bed_refused("affine", "stretch: [2]", &image, "stretch: 1 number; give [smallest, largest]");
    bed_refused("random_resized_crop", "scale: [0.1]", &image, "scale: 1 number; give [smallest, largest]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotate),        cmocka_unit_test(test_translate),
        cmocka_unit_test(test_stretch),       cmocka_unit_test(test_translate_reaches),
        cmocka_unit_test(test_shear),         cmocka_unit_test(test_affine),
        cmocka_unit_test(test_lens),          cmocka_unit_test(test_center_crop),
        cmocka_unit_test(test_resized_crop),  cmocka_unit_test(test_resized_crop_sizes),
        cmocka_unit_test(test_vertical_flip), cmocka_unit_test(test_alternating_flip),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
