/* Augmentations that know more than one image: mixup and CutMix, and ZCA whitening, which learns from many. */
#include "test_augment_bed.h"

static float mean_of(const float *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)v[i];
    return (float)(sum / n);
}

/* ---- mixup ---- */

/* The share is from Beta(alpha, alpha): mean 1/2, variance 1 / (4 (2 alpha + 1)), fourth central moment
 * 3 / (16 (2 alpha + 1) (2 alpha + 3)); at alpha 1/2 the arcsine distribution, P(share < sin(t)^2) = 2 t / pi. */
static void test_beta(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    const double alphas[] = {0.01, 0.2, 0.5, 1, 2.5, 30, 1000};
    static float seen[DRAWS];
    const float zero = 0;
    for (size_t a = 0; a < sizeof alphas / sizeof *alphas; a++) {
        bed b;
        char params[64];
        snprintf(params, sizeof params, "alpha: %g", alphas[a]);
        bed_open(&b, "mixup", params, 1, 1, 1, (const float[]){1});
        b.partner = &zero;
        for (int n = 0; n < DRAWS; n++) {
            bed_apply(&b, 1, n);
            assert_true(b.share >= 0 && b.share <= 1);
            assert_true(b.y[0] == b.share);
            seen[n] = b.share;
        }
        const double variance = 1 / (4 * (2 * alphas[a] + 1)),
                     fourth = 3 / (16 * (2 * alphas[a] + 1) * (2 * alphas[a] + 3));
        double squares = 0;
        int below = 0, low = 0;
        for (int n = 0; n < DRAWS; n++) {
            squares += ((double)seen[n] - 0.5) * ((double)seen[n] - 0.5);
            below += seen[n] < 0.5f;
            low += seen[n] < 0.25f;
        }
        if (fabs((double)mean_of(seen, DRAWS) - 0.5) > 5 * sqrt(variance / DRAWS))
            fail_msg("alpha %g: mean %g", alphas[a], (double)mean_of(seen, DRAWS));
        if (fabs(squares / DRAWS - variance) > 5 * sqrt((fourth - variance * variance) / DRAWS) + 1e-9)
            fail_msg("alpha %g: variance %g, expected %g", alphas[a], squares / DRAWS, variance);
        bed_likely(below, DRAWS, 0.5);
        if (alphas[a] == 0.5) bed_likely(low, DRAWS, 1.0 / 3);
        if (alphas[a] == 1.0) bed_likely(low, DRAWS, 0.25);
        if (alphas[a] == 2.5) bed_likely(low, DRAWS, 0.126585); /* I(1/4; 5/2, 5/2) */
        plugin_host_close(&b.p);
    }
}

static void test_mixup(void **state)
{
    (void)state;
    const float x[] = {0, 0.25f, 0.5f, 1}, other[] = {1, 1, 0, 0};
    bed b;
    bed_open(&b, "mixup", "alpha: 1", 1, 2, 2, x);
    b.partner = other;
    for (int n = 0; n < 50; n++) {
        bed_apply(&b, 1, n);
        for (int i = 0; i < 4; i++) assert_true(b.y[i] == b.share * x[i] + (1 - b.share) * other[i]);
    }
    /* The same draw gives the same; evaluation mixes nothing. */
    const float first = b.share;
    bed_apply(&b, 1, 49);
    assert_true(b.share == first);
    bed_apply(&b, 0, 3);
    assert_true(b.share == 1);
    bed_expect(&b, x, 0);
    plugin_host_close(&b.p);

    bed_open(&b, "mixup", "p: 0.3, alpha: 1", 1, 2, 2, x);
    b.partner = other;
    int mixed = 0;
    for (int n = 0; n < 2000; n++) {
        bed_apply(&b, 1, n);
        mixed += b.share < 1;
    }
    bed_likely(mixed, 2000, 0.3);
    plugin_host_close(&b.p);

    /* Vectors too */
    bed_configure(&b, "mixup", "");
    const cvy_shape vector = cvy_shape1(7);
    cvy_shape out = {0};
    assert_int_equal(((const cvy_augment *)b.p.type)->infer(b.p.face, b.p.config, &vector, &out), 0);
    assert_memory_equal(&out, &vector, sizeof out);
    plugin_host_close(&b.p);
}

/* ---- CutMix ---- */

/* Pixels of the partner are a rectangle, the same in both channels, and the share is what is left. Of p(share) uniform and a
 * middle anywhere, with r = sqrt(1 - share): what stays on an axis is 1 - r + r^2 / 4 short of whole, so that on average
 * (1 - (r - r^2 / 4)^2) of the image stays: 1 - 1/2 + 1/5 - 1/48. */
static void test_cutmix(void **state)
{
    (void)state;
    enum { SIDE = 40, DRAWS = 3000 };
    static float x[2 * SIDE * SIDE], other[2 * SIDE * SIDE];
    for (int i = 0; i < 2 * SIDE * SIDE; i++) x[i] = 1, other[i] = 2;
    bed b;
    bed_open(&b, "cutmix", "p: 1", 2, SIDE, SIDE, x);
    b.partner = other;
    double stays = 0;
    int edges = 0;
    for (int n = 0; n < DRAWS; n++) {
        bed_apply(&b, 1, n);
        int top = SIDE, bottom = -1, left = SIDE, right = -1, count = 0;
        for (int i = 0; i < SIDE * SIDE; i++) {
            assert_true(b.y[i] == b.y[SIDE * SIDE + i]);
            if (b.y[i] == 1) continue;
            assert_true(b.y[i] == 2);
            count++;
            if (i / SIDE < top) top = i / SIDE;
            if (i / SIDE > bottom) bottom = i / SIDE;
            if (i % SIDE < left) left = i % SIDE;
            if (i % SIDE > right) right = i % SIDE;
        }
        if (count) assert_int_equal(count, (bottom - top + 1) * (right - left + 1));
        assert_true(fabs((double)b.share - (1 - count / (double)(SIDE * SIDE))) < 1e-6);
        stays += (double)b.share / DRAWS;
        edges += count && (top == 0 || bottom == SIDE - 1 || left == 0 || right == SIDE - 1);
    }
    if (fabs(stays - (1 - 0.5 + 0.2 - 1.0 / 48)) > 0.03) fail_msg("%g of the area stays", stays);
    assert_true(edges > DRAWS / 4 && edges < DRAWS);
    bed_apply(&b, 0, 3);
    assert_true(b.share == 1);
    bed_expect(&b, x, 0);
    plugin_host_close(&b.p);
}

/* ---- within others ---- */

static void test_wrapped(void **state)
{
    (void)state;
    const float x[] = {1, 1}, other[] = {0, 0};
    bed b;
    bed_open(&b, "one_of", "choices: [{mixup: {alpha: 1}}, {brightness: {factor: [2, 2]}}]", 1, 1, 2, x);
    b.partner = other;
    assert_int_equal(cvy_augment_traits(b.p.type, b.p.config), CVY_AUGMENT_MIX);
    int mixed = 0;
    for (int n = 0; n < 1000; n++) {
        bed_apply(&b, 1, n);
        assert_true(b.y[0] == (b.share < 1 ? b.share : 1)); /* brightness stops at 1 */
        mixed += b.share < 1;
    }
    bed_likely(mixed, 1000, 0.5);
    plugin_host_close(&b.p);
    bed_open(&b, "one_of", "choices: [horizontal_flip]", 1, 1, 2, x);
    assert_int_equal(cvy_augment_traits(b.p.type, b.p.config), 0);
    plugin_host_close(&b.p);

    const cvy_shape image = {3, {1, 4, 4}};
    bed_refused("random_order", "steps: [mixup, brightness]", &image, "`mixup` mixes two samples");
    bed_refused("random_order", "steps: [one_of: {choices: [cutmix]}]", &image, "`one_of` mixes two samples");
    bed_refused("one_of", "choices: [zca_whitening]", &image,
                "`zca_whitening` learns from the training samples");
    const cvy_shape vector = cvy_shape1(7);
    bed_refused("cutmix", "", &vector, "needs images");
}

/* ---- traits that depend on the configuration ---- */

static void test_traits(void **state)
{
    (void)state;
    static const struct {
        const char *name, *params;
        uint32_t traits;
    } cases[] = {
        {"normalize", "", CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS},
        {"normalize", "mean: [0.5]", CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS},
        {"normalize", "mean: [0.5], std: [0.2]", CVY_AUGMENT_ALWAYS},
        {"normalize", "per: image", CVY_AUGMENT_ALWAYS},
        {"mean_subtract", "", CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS},
        {"mean_subtract", "mean: [0.5]", CVY_AUGMENT_ALWAYS},
        {"random_crop", "", 0},
        {"random_crop", "size: 3", CVY_AUGMENT_ALWAYS},
        {"mixup", "", CVY_AUGMENT_MIX},
        {"horizontal_flip", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bed b;
        bed_open(&b, cases[i].name, cases[i].params, 1, 4, 4, NULL);
        assert_int_equal(cvy_augment_traits(b.p.type, b.p.config), cases[i].traits);
        plugin_host_close(&b.p);
    }
}

/* ---- ZCA whitening ---- */

typedef struct images {
    const float *v;
    int64_t each;
    int asked;
} images;

static int image_sample(const cvy_augment_prepare *p, int64_t i, float *x)
{
    images *all = (images *)(uintptr_t)p->core;
    memcpy(x, all->v + i * all->each, sizeof *x * (size_t)all->each);
    all->asked++;
    return 0;
}

static int learn(bed *b, images *all, int64_t n)
{
    cvy_augment_prepare p = {.host = b->p.face, .in = &b->in, .n = n, .sample = image_sample, .core = all};
    return ((const cvy_augment *)b->p.type)->prepare(&p, b->p.config, &b->state);
}

static void forget(bed *b)
{
    if (b->state) ((const cvy_augment *)b->p.type)->release(b->state);
    plugin_host_close(&b->p);
}

/* Two pixels, four images: mean (1, 1), covariance ((5, 3), (3, 5)) / 2, whose eigenvalues are 4 along (1, 1) and 1 along
 * (1, -1): the root of the inverse is ((3, -1), (-1, 3)) / 4. */
static void test_zca_by_hand(void **state)
{
    (void)state;
    const double s = sqrt(8), d = sqrt(2); /* half of the images along each axis, so twice the variance */
    const float h = (float)(s / sqrt(2)), g = (float)(d / sqrt(2));
    const float v[4][2] = {{1 + h, 1 + h}, {1 - h, 1 - h}, {1 + g, 1 - g}, {1 - g, 1 + g}};
    for (int cache = 0; cache < 2; cache++) {
        bed b;
        bed_open(&b, "zca_whitening", cache ? "eps: 1e-9" : "eps: 1e-9, cache_mb: 0", 1, 1, 2,
                 (const float[]){3, 0});
        images all = {&v[0][0], 2, 0};
        assert_int_equal(learn(&b, &all, 4), 0);
        assert_int_equal(all.asked, cache ? 12 : 8); /* twice for the covariance */
        bed_apply(&b, 0, 0);
        bed_expect(&b, (const float[]){(3 * 2 + 1) / 4.0f, (-2 - 3) / 4.0f}, 1e-6f);
        memcpy(b.x, v[0], sizeof v[0]);
        bed_apply(&b, 1, 0);
        bed_expect(&b, (const float[]){h / 2, h / 2}, 1e-6f);
        forget(&b);
    }
}

/* Of many images the whitened values have covariance C / (C + eps), almost I; remembered, computed alone or ahead in
 * groups, the bits are the same. */
static void test_zca_whitens(void **state)
{
    (void)state;
    enum { N = 400, D = 3 * 5 * 7 };
    static float v[N][D], y[2][N][D];
    uint32_t z = 1;
    for (int i = 0; i < N; i++) {
        double all = 0;
        for (int k = 0; k < D; k++) {
            z = z * 1664525u + 1013904223u;
            all = 0.8 * all + (double)(z >> 8) / 16777216.0;
            v[i][k] = (float)(0.2 * all);
        }
    }
    for (int cache = 0; cache < 2; cache++) {
        bed b;
        bed_open(&b, "zca_whitening", cache ? "" : "cache_mb: 0", 3, 5, 7, v[0]);
        images all = {&v[0][0], D, 0};
        assert_int_equal(learn(&b, &all, N), 0);
        for (int i = 0; i < N; i++) {
            memcpy(b.x, v[i], sizeof v[i]);
            bed_apply(&b, i % 2, i);
            memcpy(y[cache][i], b.y, sizeof y[cache][i]);
        }
        memcpy(b.x, v[7], sizeof v[7]);
        b.x[3] += 0.125f; /* not among those it knows */
        bed_apply(&b, 0, 7);
        assert_memory_not_equal(b.y, y[cache][7], sizeof y[cache][7]);
        float first[D];
        memcpy(first, b.y, sizeof first);
        bed_apply(&b, 0, 7);
        assert_memory_equal(b.y, first, sizeof first);
        forget(&b);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    double worst = 0;
    for (int a = 0; a < D; a++)
        for (int c = 0; c <= a; c++) {
            double sum = 0;
            for (int i = 0; i < N; i++) sum += (double)y[0][i][a] * (double)y[0][i][c];
            worst = fmax(worst, fabs(sum / N - (a == c)));
        }
    if (worst > 1e-3) fail_msg("a covariance is off by %g", worst);
}

static void test_zca_refuses(void **state)
{
    (void)state;
    const cvy_shape large = {3, {3, 40, 40}},
                    huge = {3, {INT64_C(1) << 30, INT64_C(1) << 30, INT64_C(1) << 30}};
    bed_refused("zca_whitening", "", &large, "up to 4096 values");
    bed_refused("zca_whitening", "", &huge, "up to 4096 values");
    bed_refused("zca_whitening", "eps: 0", &large, "eps: 0 is below");
    bed b;
    bed_open(&b, "zca_whitening", "", 1, 2, 2, NULL);
    assert_int_not_equal(bed_try(&b, 1, 0, NULL), 0);
    assert_non_null(strstr(plugin_host_message(&b.p), "has not seen the training images"));
    const float wrong[2][4] = {{1, 2, 3, 4}, {1, NAN, 3, 4}};
    images all = {&wrong[0][0], 4, 0};
    assert_int_not_equal(learn(&b, &all, 2), 0);
    assert_non_null(strstr(plugin_host_message(&b.p), "not finite"));
    assert_null(b.state);
    forget(&b);
    /* Variance far above eps */
    bed_open(&b, "zca_whitening", "eps: 1e-10", 1, 2, 2, NULL);
    const float far[2][4] = {{1e6f, 2, 3, 4}, {-1e6f, 5, 3, 4}};
    all = (images){&far[0][0], 4, 0};
    assert_int_not_equal(learn(&b, &all, 2), 0);
    assert_non_null(strstr(plugin_host_message(&b.p), "is too small beside"));
    forget(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beta),        cmocka_unit_test(test_mixup),
        cmocka_unit_test(test_cutmix),      cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_traits),      cmocka_unit_test(test_zca_by_hand),
        cmocka_unit_test(test_zca_whitens), cmocka_unit_test(test_zca_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
