/* Augmentations that change colours, add noise or paint over: worked out by hand, and in their statistics. */
#include "test_augment_bed.h"

static void test_factors(void **state)
{
    (void)state;
    const float grey[] = {0.25f, 0.75f}, pixel[] = {0.5f, 0.25f, 1};
    const float luma = 0.2989f * 0.5f + 0.587f * 0.25f + 0.114f;
    bed_check("brightness", "factor: [2, 2]", 1, 1, 2, grey, (const float[]){0.5f, 1});
    bed_check("brightness", "factor: [0, 0]", 3, 1, 1, pixel, (const float[]){0, 0, 0});
    bed_check("contrast", "factor: [0.5, 0.5]", 1, 1, 2, grey, (const float[]){0.375f, 0.625f});
    bed_check("contrast", "factor: [4, 4]", 1, 1, 2, grey, (const float[]){0, 1});
    bed_check("contrast", "factor: [0, 0]", 3, 1, 1, pixel, (const float[]){luma, luma, luma});
    bed_check("saturation", "factor: [0, 0]", 3, 1, 1, pixel, (const float[]){luma, luma, luma});
    bed_check("saturation", "factor: [2, 2]", 3, 1, 1, pixel, (const float[]){1 - luma, 0.5f - luma, 1});
    /* The range of one number is around 1. */
    bed b;
    bed_open(&b, "brightness", "factor: [0.25]", 1, 1, 1, (const float[]){0.5f});
    double sum = 0;
    for (int n = 0; n < 2000; n++) {
        bed_apply(&b, 1, n);
        assert_true(b.y[0] >= 0.375f && b.y[0] <= 0.625f);
        sum += (double)b.y[0];
    }
    assert_true(fabs(sum / 2000 - 0.5) < 5 * 0.25 / sqrt(12 * 2000.0));
    plugin_host_close(&b.p);
}

static void test_hue(void **state)
{
    (void)state;
    /* red to green, green to blue, blue to red, yellow to cyan, grey stays */
    const float x[] = {1, 0, 0, 1, 0.5f, 0, 1, 0, 1, 0.5f, 0, 0, 1, 0, 0.5f};
    const float third[] = {0, 0, 1, 0, 0.5f, 1, 0, 0, 1, 0.5f, 0, 1, 0, 1, 0.5f};
    bed_check("hue", "shift: [0.33333333333333333, 0.33333333333333333]", 3, 1, 5, x, third);
    const float tint[] = {0.5f, 0.25f, 0.25f};
    bed_check("hue", "shift: [0.16666666666666667, 0.16666666666666667]", 3, 1, 1, tint,
              (const float[]){0.5f, 0.5f, 0.25f});
    bed_check("hue", "shift: [0.08333333333333333, 0.08333333333333333]", 3, 1, 1, tint,
              (const float[]){0.5f, 0.375f, 0.25f});
    bed_check("hue", "shift: [-0.5, -0.5]", 3, 1, 1, tint, (const float[]){0.25f, 0.5f, 0.5f});
}

static void test_jitter(void **state)
{
    (void)state;
    const float x[] = {0.5f, 0.25f, 0.125f}, grey[] = {0.25f, 0.75f};
    bed_check("color_jitter", "brightness: [0], contrast: [0], saturation: [0], hue: [0]", 3, 1, 1, x, x);
    bed_check("color_jitter", "brightness: [0.5, 0.5], contrast: [0], saturation: [0], hue: [0]", 3, 1, 1, x,
              (const float[]){0.25f, 0.125f, 0.0625f});
    /* Doubled and then drawn to the mean, or the other way: cut in between, or not. */
    bed b;
    bed_open(&b, "color_jitter", "brightness: [2, 2], contrast: [0.5, 0.5]", 1, 1, 2, grey);
    int first = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        const int bright_first = bed_is(&b, (const float[]){0.625f, 0.875f}, 1e-5f);
        assert_true(bright_first || bed_is(&b, (const float[]){0.75f, 1}, 1e-5f));
        first += bright_first;
    }
    bed_likely(first, 1000, 0.5);
    plugin_host_close(&b.p);
}

static void test_grayscale(void **state)
{
    (void)state;
    const float x[] = {1, 0, 0.5f, 0, 0, 0.5f}, a = 0.2989f + 0.5f * 0.587f, c = 0.5f * 0.114f;
    bed_check("grayscale", "", 3, 1, 2, x, (const float[]){a, c});
    bed_check("grayscale", "channels: 3", 3, 1, 2, x, (const float[]){a, c, a, c, a, c});
    bed_check("grayscale", "channels: 3", 1, 1, 2, x, (const float[]){1, 0, 1, 0, 1, 0});
    bed b;
    bed_open(&b, "grayscale", "channels: 3, p: 0.25", 3, 1, 2, x);
    int grey = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        grey += b.y[0] < 1;
    }
    bed_likely(grey, 1000, 0.25);
    for (int n = 0; n < 20; n++) {
        bed_apply(&b, 0, n);
        bed_expect(&b, x, 0);
    }
    plugin_host_close(&b.p);
}

/* The shift is the same for all pixels, and its covariance that of the paper's: sum of v v^T (std lambda)^2. */
static void test_pca(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    const double value[3] = {0.2175, 0.0188, 0.0045}, vector[3][3] = {{-0.5675, 0.7192, 0.4009},
                                                                      {-0.5808, -0.0045, -0.8140},
                                                                      {-0.5836, -0.6948, 0.4203}};
    float x[12];
    for (int i = 0; i < 12; i++) x[i] = 0.5f;
    bed b;
    bed_open(&b, "pca_color_noise", "", 3, 2, 2, x);
    double sum[3][3] = {{0}}, mean[3] = {0};
    for (int n = 0; n < DRAWS; n++) {
        bed_apply(&b, 1, n);
        for (int i = 0; i < 12; i++) assert_true(b.y[i] == b.y[i / 4 * 4]);
        for (int i = 0; i < 3; i++) {
            mean[i] += ((double)b.y[4 * i] - 0.5) / DRAWS;
            for (int j = 0; j < 3; j++)
                sum[i][j] += ((double)b.y[4 * i] - 0.5) * ((double)b.y[4 * j] - 0.5) / DRAWS;
        }
    }
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(mean[i]) < 5 * 0.0127 / sqrt(DRAWS));
        for (int j = 0; j < 3; j++) {
            double wanted = 0;
            for (int v = 0; v < 3; v++) wanted += vector[i][v] * vector[j][v] * 0.01 * value[v] * value[v];
            assert_true(fabs(sum[i][j] - wanted) < 0.05 * wanted);
        }
    }
    plugin_host_close(&b.p);
    /* One eigenvector alone, (0, 1, 2): the shifts are in its proportions. */
    bed_open(&b, "pca_color_noise", "eigenvalues: [0, 0.5, 0], eigenvectors: [9, 0, 9, 9, 1, 9, 9, 2, 9]", 3,
             2, 2, x);
    bed_apply(&b, 1, 0);
    assert_true(b.y[0] == 0.5f && b.y[4] != 0.5f);
    assert_true(fabsf((b.y[8] - 0.5f) - 2 * (b.y[4] - 0.5f)) < 1e-6f);
    plugin_host_close(&b.p);
}

static void test_noise(void **state)
{
    (void)state;
    enum { N = BED_MOST };
    static float x[N];
    for (int i = 0; i < N; i++) x[i] = 0.5f;
    bed b;
    bed_open(&b, "gaussian_noise", "std: 0.05", 1, 64, 64, x);
    double sum = 0, squares = 0;
    int beyond = 0;
    for (int n = 0; n < 10; n++) {
        bed_apply(&b, 1, n);
        for (int i = 0; i < N; i++) {
            const double v = ((double)b.y[i] - 0.5) / 0.05;
            sum += v;
            squares += v * v;
            beyond += fabs(v) > 1.959964;
        }
    }
    assert_true(fabs(sum / (10 * N)) < 5 / sqrt(10.0 * N));
    assert_true(fabs(squares / (10 * N) - 1) < 5 * sqrt(2 / (10.0 * N)));
    bed_likely(beyond, 10 * N, 0.05);
    plugin_host_close(&b.p);
    for (int clip = 0; clip < 2; clip++) {
        bed_open(&b, "gaussian_noise", clip ? "std: 2" : "std: 2, clip: false", 1, 8, 8, x);
        bed_apply(&b, 1, 0);
        int outside = 0;
        for (int i = 0; i < 64; i++) outside += b.y[i] < 0 || b.y[i] > 1;
        assert_true(clip ? outside == 0 : outside > 30);
        plugin_host_close(&b.p);
    }
}

static void test_blur(void **state)
{
    (void)state;
    const float side = 0.27406862f, middle = 0.45186276f; /* exp(-1/2), 1, exp(-1/2) over their sum */
    float x[15] = {0}, y[15] = {0};
    x[1] = 1; /* row 0, column 1 of 3 x 5; beyond the borders the second rows and columns are seen again */
    const float across[5] = {2 * side, middle, side, 0, 0};
    for (int j = 0; j < 5; j++) y[j] = middle * across[j], y[5 + j] = side * across[j];
    bed_check("blur", "sigma: [1, 1]", 1, 3, 5, x, y);
    bed_check("blur", "kernel: 1", 1, 3, 5, x, x);
    float flat[50];
    for (int i = 0; i < 50; i++) flat[i] = 0.75f;
    bed_check("blur", "kernel: 9", 2, 5, 5, flat, flat);
}

static void test_cutout(void **state)
{
    (void)state;
    enum { DRAWS = 4000, H = 5, W = 6 };
    bed b;
    bed_open(&b, "cutout", "size: [3, 2], fill: -1", 2, H, W, NULL);
    int centre = 0, corner = 0;
    for (int n = 0; n < DRAWS; n++) {
        bed_apply(&b, 1, n);
        int top = H, bottom = -1, left = W, right = -1, count = 0;
        for (int i = 0; i < H * W; i++) {
            assert_true((b.y[i] < 0) == (b.y[H * W + i] < 0)); /* all channels */
            if (b.y[i] >= 0) {
                assert_true(b.y[i] == b.x[i]);
                continue;
            }
            count++;
            if (i / W < top) top = i / W;
            if (i / W > bottom) bottom = i / W;
            if (i % W < left) left = i % W;
            if (i % W > right) right = i % W;
        }
        const int tall = bottom - top + 1, wide = right - left + 1;
        assert_int_equal(count, tall * wide);
        assert_true(tall == 3 || (tall == 2 && (top == 0 || bottom == H - 1)));
        assert_true(wide == 2 || (wide == 1 && left == 0));
        centre += b.y[2 * W + 3] < 0;
        corner += b.y[0] < 0;
    }
    bed_likely(centre, DRAWS, 6 / 30.0); /* six middles reach it */
    bed_likely(corner, DRAWS, 4 / 30.0);
    plugin_host_close(&b.p);
    bed_open(&b, "cutout", "p: 0.25, size: 99", 1, 2, 2, NULL);
    int cut = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        cut += b.y[0] < 1;
    }
    bed_likely(cut, 1000, 0.25);
    plugin_host_close(&b.p);
}

static void test_erasing(void **state)
{
    (void)state;
    const char *const fills[] = {"uniform", "normal", "constant, value: 7"};
    for (int f = 0; f < 3; f++) {
        char params[128];
        snprintf(params, sizeof params, "p: 0.75, scale: [0.25, 0.25], ratio: [4, 4], fill: %s", fills[f]);
        bed b;
        float x[256];
        for (int i = 0; i < 256; i++) x[i] = 5; /* no noise is that */
        bed_open(&b, "random_erasing", params, 1, 16, 16, x);
        for (int n = 0; n < 50; n++) { /* 16 high, 4 wide: it has to be lower than the image */
            bed_apply(&b, 1, n);
            bed_expect(&b, x, 0);
        }
        plugin_host_close(&b.p);

        int erased = 0;
        double sum = 0, squares = 0;
        snprintf(params, sizeof params, "p: 0.75, scale: [0.25, 0.25], ratio: [2.25, 2.25], fill: %s",
                 fills[f]);
        bed_open(&b, "random_erasing", params, 1, 16, 16, x);
        for (int n = 0; n < 1000; n++) {
            bed_apply(&b, 1, n);
            int count = 0, first = 0;
            while (first < 256 && b.y[first] == 5) first++;
            for (int i = 0; i < 256; i++) {
                if (b.y[i] == 5) continue;
                count++;
                assert_true(i / 16 - first / 16 < 12 && i % 16 - first % 16 < 5 && i % 16 >= first % 16);
                sum += (double)b.y[i];
                squares += (double)b.y[i] * (double)b.y[i];
                if (f == 0) assert_true(b.y[i] >= 0 && b.y[i] < 1);
                if (f == 2) assert_true(b.y[i] == 7);
            }
            if (!count) continue;
            assert_int_equal(count, 60); /* 64 pixels, 9/4 as high as wide: 12 by 5.33 */
            erased++;
        }
        bed_likely(erased, 1000, 0.75);
        const double n = 60.0 * erased, mean = sum / n, variance = squares / n - mean * mean;
        assert_true(fabs(mean - (double[]){0.5, 0, 7}[f]) < 0.02);
        assert_true(fabs(variance - (double[]){1 / 12.0, 1, 0}[f]) < 0.03);
        plugin_host_close(&b.p);
    }
}

static void test_stretching(void **state)
{
    (void)state;
    bed_check("contrast_stretch", "", 2, 1, 3, (const float[]){0.25f, 0.375f, 0.75f, 0.5f, 0.5f, 0.5f},
              (const float[]){0, 0.25f, 1, 0.5f, 0.5f, 0.5f});
    /* A tenth at each end of ten pixels: one becomes 0, one 1; levels 51 and 204 are a fifth and four fifths. */
    bed_check("contrast_stretch", "cut: 0.1", 1, 1, 10,
              (const float[]){0, 0.2f, 0.2f, 0.5f, 0.5f, 0.5f, 0.35f, 0.8f, 0.8f, 1},
              (const float[]){0, 0, 0, 0.5f, 0.5f, 0.5f, 0.25f, 1, 1, 1});
}

static void test_equalize(void **state)
{
    (void)state;
    /* 1020 pixels, half of level 50, a quarter each of 100 and 200: steps of 765 / 255 = 3, 0, 511 / 3 and 766 / 3. */
    float x[1020], y[1020];
    for (int i = 0; i < 1020; i++) {
        x[i] = (i % 4 < 2 ? 50.0f : i % 4 == 2 ? 100.0f : 200.0f) / 255;
        y[i] = (i % 4 < 2 ? 0.0f : i % 4 == 2 ? 170.0f : 255.0f) / 255;
    }
    bed_check("histogram_equalize", "", 1, 20, 51, x, y);
    for (int i = 0; i < 1020; i++) x[i] = 0.3f;
    bed_check("histogram_equalize", "", 1, 20, 51, x, x);
}

static void test_means(void **state)
{
    (void)state;
    const float mean[] = {0.5f, 3}, std[] = {1, 1};
    const cvy_channel_stats stats = {2, mean, std};
    bed b;
    bed_open(&b, "mean_subtract", "", 2, 1, 2, NULL);
    assert_int_equal(((const cvy_augment *)b.p.type)->traits, CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS);
    assert_int_equal(bed_try(&b, 0, 0, &stats), 0);
    bed_expect(&b, (const float[]){0.5f, 1.5f, 0, 1}, 0);
    assert_int_not_equal(bed_try(&b, 0, 0, NULL), 0);
    assert_non_null(strstr(plugin_host_message(&b.p), "statistics are for 0 channels, the images have 2"));
    plugin_host_close(&b.p);
    bed_check("mean_subtract", "mean: [1, 2]", 2, 1, 2, NULL, (const float[]){0, 1, 1, 2});
    bed_check("mean_subtract", "per: image", 2, 1, 2, NULL, (const float[]){-1.5f, -0.5f, 0.5f, 1.5f});
    const float root = sqrtf(1.25f);
    bed_check("normalize", "per: image", 2, 1, 2, NULL,
              (const float[]){-1.5f / root, -0.5f / root, 0.5f / root, 1.5f / root});
    /* A deviation below 1 over the root of the count counts as that. */
    bed_check("normalize", "per: image", 1, 1, 4, (const float[]){0.5f, 0.75f, 0.5f, 0.75f},
              (const float[]){-0.25f, 0.25f, -0.25f, 0.25f});
    bed_check("normalize", "per: image", 1, 1, 2, (const float[]){0.3f, 0.3f}, (const float[]){0, 0});
}

static void test_refused(void **state)
{
    (void)state;
    const cvy_shape vector = cvy_shape1(8), rgb = {3, {3, 8, 8, 0, 0, 0}}, grey = {3, {1, 8, 8, 0, 0, 0}},
                    four = {3, {4, 8, 8, 0, 0, 0}};
    const char *const names[] = {"brightness",
                                 "contrast",
                                 "saturation",
                                 "hue",
                                 "grayscale",
                                 "color_jitter",
                                 "pca_color_noise",
                                 "gaussian_noise",
                                 "blur",
                                 "cutout",
                                 "random_erasing",
                                 "contrast_stretch",
                                 "mean_subtract",
                                 "histogram_equalize",
                                 "rand_augment",
                                 "auto_augment"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        bed_refused(names[i], "", &vector, "needs images (channels, height, width), found rank 1");
    const char *const colours[] = {"brightness",   "contrast",     "grayscale",
                                   "color_jitter", "rand_augment", "auto_augment"};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        bed_refused(colours[i], "", &four, "needs grey or RGB images, 1 or 3 channels, found 4");
    bed_refused("hue", "", &grey, "needs RGB images, 3 channels, found 1");
    bed_refused("saturation", "", &grey, "needs RGB images, 3 channels, found 1");
    bed_refused("pca_color_noise", "", &grey, "needs RGB images, 3 channels, found 1");
    bed_refused("pca_color_noise", "eigenvalues: [1]", &rgb,
                "eigenvalues: 1 given for three colours; give 3");
    bed_refused("pca_color_noise", "eigenvectors: [1]", &rgb, "eigenvectors: 1 given; give the 3 x 3 matrix");
    bed_refused("grayscale", "channels: 2", &rgb, "channels: 2; give 1 or 3");
    bed_refused("grayscale", "p: 0.5", &rgb,
                "p: 0.5 would leave some images with 3 channels and some with 1");
    bed_refused("blur", "kernel: 4", &rgb, "kernel: 4 is even");
    bed_refused("blur", "kernel: 17", &rgb, "kernel: 17 reaches 8 pixels beyond the border");
    bed_refused("brightness", "factor: [2, 1]", &rgb, "factor: [2, 1] is empty");
    bed_refused("mean_subtract", "mean: [1]", &rgb, "mean: 1 number for images of 3 channels");
    bed_refused("mean_subtract", "mean: [1, 2, 3], per: image", &rgb, "per: image takes each image's own");
    bed_refused("normalize", "std: [1, 2, 3], per: image", &rgb, "std: given, and per: image takes each");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factors),   cmocka_unit_test(test_hue),        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_grayscale), cmocka_unit_test(test_pca),        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_blur),      cmocka_unit_test(test_cutout),     cmocka_unit_test(test_erasing),
        cmocka_unit_test(test_equalize),  cmocka_unit_test(test_stretching), cmocka_unit_test(test_means),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
