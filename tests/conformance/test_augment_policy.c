/* Augmentations made of others, and the policies RandAugment and AutoAugment. */
#include "test_augment_bed.h"

static void test_one_of(void **state)
{
    (void)state;
    enum { DRAWS = 2000 };
    const struct {
        const char *params;
        double share[3]; /* as it was, darker, brighter */
    } cases[] = {
        {"choices: [{brightness: {factor: [0.5, 0.5]}}, {brightness: {factor: [2, 2]}}]", {0, 0.5, 0.5}},
        {"choices: [{brightness: {factor: [0.5, 0.5]}}, {brightness: {factor: [2, 2]}}], weights: [3, 1], p: "
         "0.4",
         {0.6, 0.3, 0.1}},
        {"choices: [{brightness: {factor: [0.5, 0.5]}}, {brightness: {factor: [2, 2]}}], weights: [0, 1]",
         {0, 0, 1}},
        {"choices: [{one_of: {choices: [{brightness: {factor: [2, 2]}}], p: 0.25}}]", {0.75, 0, 0.25}},
    };
    for (int c = 0; c < 4; c++) {
        bed b;
        bed_open(&b, "one_of", cases[c].params, 1, 1, 1, (const float[]){0.25f});
        int seen[3] = {0};
        for (int n = 0; n < DRAWS; n++) {
            bed_apply(&b, 1, n);
            assert_true(b.y[0] == 0.25f || b.y[0] == 0.125f || b.y[0] == 0.5f);
            seen[b.y[0] < 0.25f ? 1 : b.y[0] > 0.25f ? 2 : 0]++;
        }
        for (int i = 0; i < 3; i++) bed_likely(seen[i], DRAWS, cases[c].share[i]);
        plugin_host_close(&b.p);
    }
}

/* Stretched to [0, 1] and then halved, or the other way round: each order leaves its own image. */
static void test_random_order(void **state)
{
    (void)state;
    const float x[] = {0.25f, 0.75f};
    bed b;
    bed_open(&b, "random_order", "steps: [contrast_stretch, {brightness: {factor: [0.5, 0.5]}}]", 1, 1, 2, x);
    int first = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        const int stretched = bed_is(&b, (const float[]){0, 0.5f}, 0);
        assert_true(stretched || bed_is(&b, (const float[]){0, 1}, 0));
        first += stretched;
    }
    bed_likely(first, 1000, 0.5);
    plugin_host_close(&b.p);

    /* One of two */
    bed_open(&b, "random_order", "n: 1, steps: [horizontal_flip: {p: 1}, {brightness: {factor: [0.5, 0.5]}}]",
             1, 1, 2, x);
    int flipped = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        const int turned = bed_is(&b, (const float[]){0.75f, 0.25f}, 0);
        assert_true(turned || bed_is(&b, (const float[]){0.125f, 0.375f}, 0));
        flipped += turned;
    }
    bed_likely(flipped, 1000, 0.5);
    plugin_host_close(&b.p);

    /* Each exactly once, however many */
    for (int count = 1; count <= 5; count++) {
        char params[256] = "steps: [";
        for (int k = 0; k < count; k++)
            strcat(params, k ? ", {brightness: {factor: [0.5, 0.5]}}" : "{brightness: {factor: [0.5, 0.5]}}");
        strcat(params, "]");
        bed_open(&b, "random_order", params, 1, 1, 2, x);
        bed_apply(&b, 1, 3);
        bed_expect(&b, (const float[]){ldexpf(0.25f, -count), ldexpf(0.75f, -count)}, 0);
        plugin_host_close(&b.p);
    }
}

static void test_refused(void **state)
{
    (void)state;
    const cvy_shape image = {3, {3, 8, 8, 0, 0, 0}}, grey = {3, {1, 8, 8, 0, 0, 0}};
    bed_refused("one_of", "choices: []", &image, "choices: 0 augmentations; give 1 to 256");
    bed_refused("random_order", "steps: []", &image, "steps: 0 augmentations; give 1 to 64");
    bed_refused("one_of", "choices: [{center_crop: {size: 4}}]", &image,
                "choices: `center_crop` gives images of another size");
    bed_refused("random_order", "steps: [normalize]", &image,
                "steps: `normalize` is for every image, in evaluation too");
    bed_refused("one_of", "choices: [hue]", &grey, "needs RGB images, 3 channels, found 1");
    bed_refused("one_of", "choices: [blur], weights: [1, 2]", &image, "weights: 2 for 1 choices");
    bed_refused("one_of", "choices: [blur], weights: [0]", &image, "weights: all are 0");
    bed_refused("random_order", "steps: [blur], n: 2", &image, "n: 2 of 1 augmentations; lower n");
}

/* What each of RandAugment's operations makes of 4 x 4 grey pixels at its full magnitude. */
static void test_rand_augment(void **state)
{
    (void)state;
    enum { DRAWS = 7000, N = 16 };
    enum { SAME, LEFT, RIGHT, UP, DOWN, DARK, BRIGHT, FLAT, STEEP, POSTERIZED, INVERTED, STRETCHED, KINDS };
    float x[N], want[KINDS][N];
    double mean = 0;
    for (int i = 0; i < N; i++) {
        x[i] = (float)(20 + 13 * i) / 255; /* 20 to 215 */
        mean += (double)x[i] / N;
    }
    for (int i = 0; i < N; i++) {
        const int row = i / 4, column = i % 4; /* moved by 4 * 150 / 331, cut to 1 pixel */
        want[SAME][i] = x[i];
        want[LEFT][i] = column < 3 ? x[i + 1] : 0;
        want[RIGHT][i] = column > 0 ? x[i - 1] : 0;
        want[UP][i] = row < 3 ? x[i + 4] : 0;
        want[DOWN][i] = row > 0 ? x[i - 4] : 0;
        want[DARK][i] = 0.1f * x[i];
        want[BRIGHT][i] = fminf(1.9f * x[i], 1);
        want[FLAT][i] = 0.1f * x[i] + 0.9f * (float)mean;
        want[STEEP][i] = fminf(fmaxf(1.9f * x[i] - 0.9f * (float)mean, 0), 1);
        want[POSTERIZED][i] = (float)((20 + 13 * i) & 0xf0) / 255;
        want[INVERTED][i] = 1 - x[i];
        want[STRETCHED][i] = (float)i / 15;
    }
    /* "Same" are the identity, saturation, equalisation, which has too few pixels to do anything, and sharpness, since
     * the middle of a ramp is as bright as its surroundings. */
    const double share[KINDS] = {4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1};
    bed b;
    bed_open(&b, "rand_augment", "n: 1, magnitude: 30", 1, 4, 4, x);
    int seen[KINDS] = {0}, warped = 0;
    for (int n = 0; n < DRAWS; n++) {
        bed_apply(&b, 1, n);
        int k = 0;
        while (k < KINDS && !bed_is(&b, want[k], 1e-5f)) k++;
        if (k < KINDS)
            seen[k]++;
        else
            warped++;
    }
    for (int k = 0; k < KINDS; k++) bed_likely(seen[k], DRAWS, share[k] / 14);
    bed_likely(warped, DRAWS, 3 / 14.0); /* sheared, either way, or turned */
    plugin_host_close(&b.p);

    bed_open(&b, "rand_augment", "n: 0", 1, 4, 4, x);
    bed_apply(&b, 1, 0);
    bed_expect(&b, x, 0);
    plugin_host_close(&b.p);
}

/* An image of one grey shows brightness, posterize, solarize and invert alone; the policy's probabilities say how often. */
static void test_auto_augment(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    float x[64];
    for (int i = 0; i < 64; i++) x[i] = 51 / 255.0f;
    bed b;
    bed_open(&b, "auto_augment", "fill: 0.2", 1, 8, 8, x);
    int inverted = 0, posterized = 0, brightened = 0, same = 0;
    for (int n = 0; n < DRAWS; n++) {
        bed_apply(&b, 1, n);
        for (int i = 1; i < 64; i++) assert_true(fabsf(b.y[i] - b.y[0]) < 1e-5f);
        const float level = b.y[0] * 255;
        if (fabsf(level - 51) < 1e-2f)
            same++;
        else if (fabsf(level - 204) < 1e-2f)
            inverted++;
        else if (fabsf(level - 48) < 1e-2f)
            posterized++;
        else {
            const float change = fabsf(level / 51 - 1);
            assert_true(fabsf(change - 0.7f) < 1e-3f || fabsf(change - 0.9f) < 1e-3f ||
                        fabsf(change - 0.6f) < 1e-3f || fabsf(change - 0.3f) < 1e-3f);
            brightened++;
        }
    }
    bed_likely(inverted, DRAWS, (0.1 + 0.1 + 0.2) / 25); /* twice inverted, once solarized above 1/9 */
    bed_likely(posterized, DRAWS, 0.3 / 25);
    bed_likely(brightened, DRAWS, (0.6 + 0.7 + 0.9 + 0.1) / 25);
    assert_true(same > DRAWS / 2);
    plugin_host_close(&b.p);
}

/* Pixels on [0, 1] stay there, whatever comes. */
static void test_ranges(void **state)
{
    (void)state;
    const char *const names[] = {"rand_augment", "auto_augment", "color_jitter",
                                 "affine",       "blur",         "gaussian_noise"};
    float x[3 * 64];
    for (int i = 0; i < 3 * 64; i++) x[i] = (float)(i * 37 % 256) / 255;
    for (size_t c = 0; c < sizeof names / sizeof *names; c++) {
        bed b;
        bed_open(&b, names[c], "", 3, 8, 8, x);
        for (int n = 0; n < 500; n++) {
            bed_apply(&b, 1, n);
            for (int i = 0; i < 3 * 64; i++) assert_true(b.y[i] >= 0 && b.y[i] <= 1.000001f);
        }
        plugin_host_close(&b.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of),       cmocka_unit_test(test_random_order),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_rand_augment),
        cmocka_unit_test(test_auto_augment), cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
