/* Tests what augmentations make of images of different sizes, one configuration for all, and `resize` by one number. */
#include "test_augment_bed.h"

/* The same configuration on another shape. */
static void bed_reshape(bed *b, int channels, int h, int w)
{
    b->in = (cvy_shape){3, {channels, h, w, 0, 0, 0}};
    const int64_t n = cvy_count(&b->in);
    assert_true(n <= BED_MOST);
    for (int64_t i = 0; i < n; i++) b->x[i] = (float)(i + 1);
    if (((const cvy_augment *)b->p.type)->infer(b->p.face, b->p.config, &b->in, &b->out))
        fail_msg("%s: %s", b->p.d->name, plugin_host_message(&b->p));
    assert_true(cvy_count(&b->out) <= BED_MOST);
}

static void becomes(bed *b, int h, int w, int64_t h2, int64_t w2)
{
    bed_reshape(b, 2, h, w);
    assert_int_equal(b->out.dim[0], 2);
    assert_int_equal(b->out.dim[1], h2);
    assert_int_equal(b->out.dim[2], w2);
    for (int train = 0; train < 2; train++) bed_apply(b, train, 3);
}

static void test_one_configuration(void **state)
{
    (void)state;
    bed b;
    bed_open(&b, "resize", "size: [6, 7]", 2, 4, 4, NULL);
    becomes(&b, 9, 5, 6, 7);
    becomes(&b, 5, 9, 6, 7);
    plugin_host_close(&b.p);
    bed_open(&b, "center_crop", "size: [4, 3]", 2, 4, 4, NULL);
    becomes(&b, 9, 5, 4, 3);
    becomes(&b, 4, 12, 4, 3);
    plugin_host_close(&b.p);
    bed_open(&b, "random_crop", "size: [6, 5], padding: 1", 2, 4, 4, NULL);
    becomes(&b, 9, 5, 6, 5);
    becomes(&b, 4, 12, 6, 5);
    plugin_host_close(&b.p);
    bed_open(&b, "random_crop", "padding: 2", 2, 4, 4, NULL); /* their own size */
    becomes(&b, 9, 5, 9, 5);
    becomes(&b, 4, 12, 4, 12);
    plugin_host_close(&b.p);
    bed_open(&b, "random_resized_crop", "size: [6, 5]", 2, 4, 4, NULL);
    becomes(&b, 9, 5, 6, 5);
    becomes(&b, 4, 12, 6, 5);
    plugin_host_close(&b.p);
    bed_open(&b, "horizontal_flip", "p: 1", 2, 4, 4, NULL);
    becomes(&b, 9, 5, 9, 5);
    becomes(&b, 1, 3, 1, 3);
    bed_expect(&b, (const float[]){3, 2, 1, 6, 5, 4}, 0);
    plugin_host_close(&b.p);
}

/* int(size * longer / shorter), as torchvision's Resize(size) has it. */
static void test_shorter_side(void **state)
{
    (void)state;
    bed b;
    bed_open(&b, "resize", "size: 8", 2, 4, 4, NULL);
    assert_true(b.out.dim[1] == 8 && b.out.dim[2] == 8);
    becomes(&b, 10, 15, 8, 12);
    becomes(&b, 15, 10, 12, 8);
    becomes(&b, 7, 20, 8, 22); /* 22.86 */
    becomes(&b, 3, 4, 8, 10);  /* 10.67 */
    plugin_host_close(&b.p);
    const cvy_shape image = {3, {1, 3, 4, 0, 0, 0}};
    bed_refused("resize", "size: [1, 2, 3]", &image, "size: 3 numbers; give [height, width], or one");
    bed_refused("resize", "size: []", &image, "size: 0 numbers");
    bed_refused("resize", "smooth: true", &image, "size");
}

static const float image[5 * 8] = {
    0.0f,        0.30434781f, 0.2173913f,  0.73913044f, 0.86956519f, 0.60869563f, 0.95652175f, 0.9130435f,
    0.47826087f, 0.65217394f, 0.43478259f, 0.82608694f, 0.82608694f, 0.43478259f, 0.65217394f, 0.47826087f,
    0.9130435f,  0.95652175f, 0.60869563f, 0.86956519f, 0.73913044f, 0.2173913f,  0.30434781f, 0.0f,
    0.30434781f, 0.2173913f,  0.73913044f, 0.86956519f, 0.60869563f, 0.95652175f, 0.9130435f,  0.47826087f,
    0.65217394f, 0.43478259f, 0.82608694f, 0.82608694f, 0.43478259f, 0.65217394f, 0.47826087f, 0.9130435f};

/* As torch.nn.functional.interpolate(mode="bilinear", align_corners=False) makes them, antialias=False and True. */
static void test_values(void **state)
{
    (void)state;
    static const float sharp[] = {0.53079712f, 0.82065219f, 0.70471013f,
                                  0.29166666f, 0.71195644f, 0.76811594f},
                       smooth[] = {0.5171625f, 0.6791361f, 0.5901289f, 0.5884127f, 0.70581591f, 0.59855413f},
                       larger[] = {
                           0.0f,        0.17984191f,   0.27667981f, 0.24110675f, 0.62055343f, 0.80434781f,
                           0.81027663f, 0.62055331f,   0.84584987f, 0.93873519f, 0.9130435f,  0.27329195f,
                           0.40909094f, 0.4517222f,    0.36194241f, 0.68718243f, 0.8167702f,  0.76849228f,
                           0.52456236f, 0.69565225f,   0.73433089f, 0.66459626f, 0.60248452f, 0.68322986f,
                           0.65810275f, 0.50056463f,   0.75804633f, 0.81987578f, 0.70383954f, 0.39215124f,
                           0.4954828f,  0.4664031f,    0.3416149f,  0.91304344f, 0.93873513f, 0.84584975f,
                           0.62055337f, 0.81027669f,   0.80434775f, 0.62055326f, 0.24110667f, 0.27667987f,
                           0.17984185f, 2.850657e-08f, 0.47826082f, 0.44889888f, 0.5155279f,  0.70948619f,
                           0.83145118f, 0.75776392f,   0.66854882f, 0.74082446f, 0.74110675f, 0.57651043f,
                           0.34161496f, 0.4534162f,    0.36900058f, 0.45878038f, 0.77978545f, 0.83399206f,
                           0.69254655f, 0.60050821f,   0.81281763f, 0.75832862f, 0.70129871f, 0.66459632f,
                           0.65217394f, 0.52371538f,   0.5592885f,  0.82608694f, 0.82608694f, 0.63043475f,
                           0.48418975f, 0.64229256f,   0.53359681f, 0.65612656f, 0.9130435f};
    bed_check("resize", "size: [2, 3]", 1, 5, 8, image, sharp);
    bed_check("resize", "size: [2, 3], smooth: true", 1, 5, 8, image, smooth);
    bed_check("resize", "size: [7, 11]", 1, 5, 8, image, larger);
    bed_check("resize", "size: [7, 11], smooth: true", 1, 5, 8, image, larger);
    bed_check("resize", "size: 7, smooth: true", 1, 5, 8, image, larger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_configuration),
        cmocka_unit_test(test_shorter_side),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
