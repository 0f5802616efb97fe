/* Masks given to a layer instead of drawn: those of every sample, one for the whole batch, and shapes that are not the
 * layer's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check/evaluate.h"

static const float ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static safetensor tensor_of(const char *name, cvy_shape shape, const float *data)
{
    return (safetensor){.name = name, .shape = shape, .data = data, .count = cvy_count(&shape)};
}

/* What the layer makes of ones under this mask, `y` NULL: of what it complains. */
static void check(const char *layer, const char *config, safetensor *in, size_t n, const float *y,
                  const char *complaint)
{
    setenv("CONVOY_PLUGIN_PATH", BINARY_DIR "/plugins", 1);
    errors e = {0};
    arena a = {0};
    exchange x;
    text said = {0};
    registry *r = registry_open(NULL, 0, &e);
    assert_non_null(r);
    const safetensors file = {.items = in, .n = n};
    evaluation v = {
        .name = layer, .params = tree_read_text(&a, "config", config, strlen(config), &e), .train = true};
    exchange_open(&x, "case", &file, &e);
    cvy_status status = evaluate_layer(r, &v, &x);
    errors_text(&e, false, &said);
    if (y) {
        if (status) fail_msg("%s %s: %s", layer, config, text_str(&said));
        assert_string_equal(x.out[0].name, "out.y");
        for (int64_t i = 0; i < x.out[0].count; i++)
            if (x.out[0].data[i] != y[i])
                fail_msg("%s %s: [%d] is %g, expected %g", layer, config, (int)i, (double)x.out[0].data[i],
                         (double)y[i]);
        assert_true(v.masked);
    } else {
        assert_true(status != CVY_OK);
        if (!strstr(text_str(&said), complaint))
            fail_msg("%s %s: expected \"%s\", got: %s", layer, config, complaint, text_str(&said));
    }
    text_free(&said);
    exchange_close(&x);
    registry_free(r);
    errors_free(&e);
    arena_free(&a);
}

static void test_channels(void **state)
{
    (void)state;
    const float mask[] = {1, 0, 0, 1}, y[] = {2, 2, 2, 0, 0, 0, 0, 0, 0, 2, 2, 2};
    safetensor in[] = {tensor_of("in.x", cvy_shape4(2, 2, 1, 3), ones),
                       tensor_of("mask.m", cvy_shape2(2, 2), mask)};
    check("spatial_dropout", "{}", in, 2, y, NULL);
    in[1] = tensor_of("mask.m", cvy_shape4(2, 2, 1, 3), ones);
    check("spatial_dropout", "{}", in, 2, NULL,
          "has 12 numbers, the layer draws 8"); /* of sample 1, too early */
    in[1] = tensor_of("mask.m", cvy_shape1(2), mask);
    check("spatial_dropout", "{}", in, 2, NULL, "has 2 numbers, the layer draws at least 3");
    const float half[] = {1, 0.5f, 0, 1};
    in[1] = tensor_of("mask.m", cvy_shape2(2, 2), half);
    check("spatial_dropout", "{}", in, 2, NULL, "holds 0.5 at 1");
}

static void test_samples(void **state)
{
    (void)state;
    const float mask[] = {0, 1}, row[] = {0, 0, 0, 2, 2, 2}, none[6] = {0};
    safetensor in[] = {tensor_of("in.x", cvy_shape2(2, 3), ones), tensor_of("mask.m", cvy_shape1(2), mask)};
    check("stochastic_depth", "{}", in, 2, row, NULL);
    check("stochastic_depth", "{mode: batch}", in, 2, NULL, "has 2 numbers, the layer draws 1");
    in[1] = tensor_of("mask.m", cvy_shape1(1), mask);
    check("stochastic_depth", "{mode: batch}", in, 2, none, NULL);
    check("stochastic_depth", "{}", in, 2, NULL, "has 1 numbers, the layer draws at least 2");
}

/* Weights 1, 2, 4 and 8, 16, 32 on ones; as many units as samples, so that a mask of the batch begins like one of
 * every sample. */
static void test_connections(void **state)
{
    (void)state;
    const float weight[] = {1, 2, 4, 8, 16, 32}, bias[] = {64, 128};
    const float each[] = {1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1}, all[] = {0, 1, 1, 1, 0, 0};
    const float with_bias[] = {1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
    safetensor in[] = {
        tensor_of("in.x", cvy_shape2(2, 3), ones), tensor_of("param.weight", cvy_shape2(2, 3), weight),
        tensor_of("mask.m", (cvy_shape){3, {2, 2, 3}}, each), tensor_of("param.bias", cvy_shape1(2), bias)};
    check("drop_connect", "{units: 2, bias: false}", in, 3, (const float[]){5, 16, 0, 56}, NULL);
    check("drop_connect", "{units: 2, mask_bias: false}", in, 4, (const float[]){69, 144, 64, 184}, NULL);
    check("drop_connect", "{units: 2}", in, 4, NULL, "has 12 numbers, the layer draws at least 14");
    in[2] = tensor_of("mask.m", (cvy_shape){3, {2, 2, 4}}, with_bias);
    check("drop_connect", "{units: 2}", in, 4, (const float[]){69, 16, 0, 184}, NULL);
    in[2] = tensor_of("mask.m", cvy_shape2(2, 3), all);
    check("drop_connect", "{units: 2, bias: false, per: batch}", in, 3, (const float[]){6, 8, 6, 8}, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
