/* Declared parameters: filling, checking, suggesting, printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "fakes.h"

static const conv_config *make_conv(arena *a, const char *s, errors *e)
{
    node *n = tree_read_text(a, "t.yaml", s, strlen(s), e);
    return n ? params_make(a, &fakes[0], n, &fake_env, e) : NULL;
}

static void test_defaults(void **state)
{
    (void)state;
    arena a = {0};
    errors e = {0};
    const conv_config *c = make_conv(&a, "channels: 32", &e);
    assert_non_null(c);
    assert_int_equal(c->channels, 32);
    assert_int_equal(c->kernel[0], 3);
    assert_int_equal(c->kernel[1], 3);
    assert_int_equal(c->stride[1], 1);
    assert_true(c->p == 0.5);
    assert_int_equal(c->bias, 1);
    assert_int_equal(c->pad_mode, 0);
    assert_string_equal(c->label, "");
    assert_null(c->path);
    assert_int_equal(c->milestones.n, 2);
    assert_int_equal(c->milestones.v[1], 2);
    assert_true(c->mean.v[0] == 0.5);
    assert_string_equal(c->optimizer.plugin->name, "sgd");
    const sgd_config *sgd = c->optimizer.config;
    assert_true(sgd->lr == 0.01);
    assert_true(isinf(sgd->clip));
    assert_int_equal(c->augment.n, 0);
    errors_free(&e);
    arena_free(&a);
}

static void test_given(void **state)
{
    (void)state;
    arena a = {0};
    errors e = {0};
    const conv_config *c =
        make_conv(&a,
                  "{channels: classes, kernel: [1, 5], stride: 2, p: 1e-3, bias: false, pad_mode: "
                  "none, label: a b, path: x/y, milestones: [], mean: [0, 1, 0.5], optimizer: {type: "
                  "sgd, lr: 1}, augment: [crop, crop: {lr: 2}, {type: crop, steps: -9}]}",
                  &e);
    assert_non_null(c);
    assert_int_equal(c->channels, 10);
    assert_int_equal(c->kernel[0], 1);
    assert_int_equal(c->kernel[1], 5);
    assert_int_equal(c->stride[0], 2);
    assert_int_equal(c->stride[1], 2);
    assert_true(c->p == 1e-3);
    assert_int_equal(c->bias, 0);
    assert_int_equal(c->pad_mode, 3);
    assert_string_equal(c->label, "a b");
    assert_string_equal(c->path, "x/y");
    assert_int_equal(c->milestones.n, 0);
    assert_int_equal(c->mean.n, 3);
    assert_true(((const sgd_config *)c->optimizer.config)->lr == 1);
    assert_int_equal(c->augment.n, 3);
    assert_true(((const sgd_config *)c->augment.v[1].config)->lr == 2);
    assert_int_equal(((const sgd_config *)c->augment.v[2].config)->steps, -9);
    assert_non_null(make_conv(&a, "{channels: 1, path: ~}", &e));
    assert_non_null(make_conv(&a, "{channels: all}", &e)); /* words know no range */
    errors_free(&e);
    arena_free(&a);
}

static void assert_bad(const char *s, const char *wanted)
{
    arena a = {0};
    errors e = {0};
    assert_null(make_conv(&a, s, &e));
    char *got = messages(&e);
    if (!strstr(got, wanted)) fail_msg("%s\nexpected \"%s\" in\n%s", s, wanted, got);
    mem_free(got);
    errors_free(&e);
    arena_free(&a);
}

/* ---- one number per axis ---- */

typedef struct axes_config {
    int64_t triple[3];
    cvy_padding one, two, three;
    cvy_layers layers;
} axes_config;

static const cvy_param axes_params[] = {
    CVY_TRIPLE(axes_config, triple, "[1, 2, 3]", 1, 9, ""),
    CVY_PADDING(axes_config, one, "0", 1, 9, ""),
    CVY_PADDING(axes_config, two, "[1, 2]", 2, 9, ""),
    CVY_PADDING(axes_config, three, "same", 3, 9, ""),
    CVY_LAYERS(axes_config, layers, "[]", ""),
};

/* What was read, as JSON; of bad text the first message. */
static char *axes(const char *s, axes_config *c)
{
    static const cvy_descriptor d = {.name = "axes",
                                     .config_size = sizeof(axes_config),
                                     .params = axes_params,
                                     .n_params = sizeof axes_params / sizeof *axes_params,
                                     .param_size = sizeof(cvy_param)};
    arena a = {0};
    errors e = {0};
    json_writer w = {0};
    node *n = tree_read_text(&a, "t.yaml", s, strlen(s), &e);
    axes_config *got = n ? params_make(&a, &d, n, NULL, &e) : NULL;
    char *said;
    if (got) {
        params_table t = params_of(&d, got);
        json_open(&w, '{');
        params_write(&t, &w);
        json_close(&w, '}');
        if (c) *c = *got;
        said = text_take(&w.out);
    } else {
        said = mem_text(e.items[0].what);
    }
    errors_free(&e);
    arena_free(&a);
    return said;
}

static void assert_axes(const char *s, const char *wanted)
{
    char *got = axes(s, NULL);
    if (strcmp(got, wanted) != 0) fail_msg("%s\nexpected %s\nfound    %s", s, wanted, got);
    mem_free(got);
}

static void test_axes(void **state)
{
    (void)state;
    assert_axes("{}",
                "{\"triple\":[1,2,3],\"one\":[0,0],\"two\":[1,2,1,2],\"three\":\"same\",\"layers\":[]}");
    assert_axes("{triple: 4, one: [1, 2], two: [1, 2, 3, 4], three: [1, 2, 3], layers: [relu, {conv2d: "
                "{kernel: 3}}]}",
                "{\"triple\":[4,4,4],\"one\":[1,2],\"two\":[1,2,3,4],\"three\":[1,2,3,1,2,3],"
                "\"layers\":[\"relu\",{\"conv2d\":{\"kernel\":3}}]}");
    assert_axes("{one: [5], two: 3, three: [1, 2, 3, 4, 5, 6]}",
                "{\"triple\":[1,2,3],\"one\":[5,5],\"two\":[3,3,3,3],\"three\":[1,2,3,4,5,6],\"layers\":[]}");
    assert_axes("{one: valid, two: same, three: 2}",
                "{\"triple\":[1,2,3],\"one\":[0,0],\"two\":\"same\",\"three\":[2,2,2,2,2,2],\"layers\":[]}");
    assert_axes("{triple: [1, 2]}",
                "triple: expected one integer for all, or [depth, vertical, horizontal], found a list of 2");
    assert_axes("{triple: [1, 2, 10]}", "triple: 10 is above 9");
    assert_axes("{two: [1, 2, 3]}",
                "two: expected an integer, [vertical, horizontal], [top, left, bottom, right], same "
                "or valid, found a list of 3");
    assert_axes("{two: sane}",
                "two: expected an integer, [vertical, horizontal], [top, left, bottom, right], same or "
                "valid, found the string \"sane\"");
    assert_axes("{two: [1, -1]}", "two: -1 is below 0");
    assert_axes("{layers: relu}", "layers: expected a list, found the string \"relu\"");

    /* How much is put around: TensorFlow's rule for same. */
    axes_config c;
    int64_t before, after;
    mem_free(axes("{two: same}", &c));
    cvy_pad(&c.two, 0, 10, 3, 1, &before, &after);
    assert_true(before == 1 && after == 1);
    cvy_pad(&c.two, 0, 10, 4, 1, &before, &after);
    assert_true(before == 1 && after == 2);
    cvy_pad(&c.two, 0, 10, 3, 2, &before, &after);
    assert_true(before == 0 && after == 1);
    cvy_pad(&c.two, 0, 10, 1, 3, &before, &after);
    assert_true(before == 0 && after == 0);
    mem_free(axes("{two: [1, 2, 3, 4]}", &c));
    cvy_pad(&c.two, 1, 10, 3, 2, &before, &after);
    assert_true(before == 2 && after == 4);
}

static void test_errors(void **state)
{
    (void)state;
    assert_bad("{kernel: 3}", "t.yaml:1:1: missing required parameter \"channels\"");
    assert_bad("~", "missing required parameter \"channels\"");
    assert_bad("{channels: 0}", "t.yaml:1:12: channels: 0 is below 1");
    assert_bad("{channels: 65537}", "channels: 65537 is above 65536");
    assert_bad("{channels: 99999999999999999999}", "channels: 99999999999999999999 does not fit in 64 bits");
    assert_bad("{channels: \"32\"}",
               "channels: expected an integer, found the string \"32\"\n  1 | {channels: \"32\"}\n"
               "    |            ^\n  hint: write 32, without quotes");
    assert_bad("{channels: 1e3}", "channels: expected an integer, found 1e3");
    assert_bad("{channels: 1e3}", "hint: write 1000");
    assert_bad("{channels: 0x10}", "hint: write 16");
    assert_bad("{channels: 1_000}", "hint: write 1000");
    assert_bad("{channels: [1]}", "channels: expected an integer, found a list");
    assert_bad("{channels: clases}", "hint: did you mean `classes`?");
    assert_bad("{channels: }", "channels: a value is missing");
    assert_bad("{channels: 1, p: ~}", "hint: give one, or remove it for the default, 0.5");
    assert_bad("{channels: 1, p: 1.5}", "p: 1.5 is above 1");
    assert_bad("{channels: 1, p: .inf}", "p: .inf is above 1");
    assert_bad("{channels: 1, p: .nan}", "p: .nan is not a number");
    assert_bad("{channels: 1, p: \"0,5\"}", "hint: decimals have a point: write 0.5");
    assert_bad("{channels: 1, p: half}", "p: expected a number, found the string \"half\"");
    assert_bad("{channels: 1, bias: 1}", "bias: expected true or false, found 1");
    assert_bad("{channels: 1, kernel: 0}", "kernel: 0 is below 1");
    assert_bad("{channels: 1, kernel: [1, 0]}", "t.yaml:1:27: kernel: 0 is below 1");
    assert_bad("{channels: 1, kernel: [1, 2, 3]}", "or [vertical, horizontal], found a list of 3");
    assert_bad("{channels: 1, kernel: {a: 1}}", "kernel: expected one integer for both");
    assert_bad("{channels: 1, pad_mode: zeroes}",
               "pad_mode: expected one of zeros, reflect, replicate, none, found");
    assert_bad("{channels: 1, pad_mode: zeroes}", "hint: did you mean `zeros`?");
    assert_bad("{channels: 1, label: 3}", "hint: write \"3\", in quotes");
    assert_bad("{channels: 1, label: ~}", "label: a value is missing");
    assert_bad("{channels: 1, milestones: 3.5}",
               "milestones: expected an integer or a list of integers, found 3.5");
    assert_bad("{channels: 1, milestones: 101}", "t.yaml:1:27: milestones: 101 is above 100");
    assert_bad("{channels: 1, milestones: [1, x, 101]}", "t.yaml:1:34: milestones: 101 is above 100");
    assert_bad("{channels: 1, filters: 3}", "t.yaml:1:15: unknown parameter \"filters\"");
    assert_bad("{channels: 1, filters: 3}", "hint: this is `channels` here");
    assert_bad("{channels: 1, kernal_size: 3}", "hint: did you mean `kernel`?");
    assert_bad("{channels: 1, strid: 3}", "hint: did you mean `stride`?");
    assert_bad("{channels: 1, zzz: 3}", "hint: known are channels, kernel, stride");
    assert_bad("{channels: 1, optimizer: adam}", "optimizer (adam): no plugin \"adam\"");
    assert_bad("{channels: 1, optimizer: 3}", "optimizer: expected a plugin's name, found 3");
    assert_bad("{channels: 1, optimizer: {type: sgd, lr: -1}}", "optimizer (sgd): lr: -1 is below 0");
    assert_bad("{channels: 1, optimizer: {sgd: {learning_rate: 1}}}", "hint: this is `lr` here");
    assert_bad("{channels: 1, augment: [crop, crop: {lr: 11}]}", "augment.1 (crop): lr: 11 is above 10");
    assert_bad("{channels: 1, augment: crop}", "hint: write [crop]");
    assert_bad("{channels: 1, optimizer: selfish}", "plugins nested deeper than 32 levels");
    assert_bad("[1]", "expected a map of parameters, found a list");
    /* all at once */
    assert_bad("{kernel: 0, p: 2, zzz: 1}", "missing required");
    assert_bad("{kernel: 0, p: 2, zzz: 1}", "kernel: 0 is below 1");
    assert_bad("{kernel: 0, p: 2, zzz: 1}", "p: 2 is above 1");
    assert_bad("{kernel: 0, p: 2, zzz: 1}", "unknown parameter \"zzz\"");
}

/* `pad: {mode: reflect}` is `pad_mode: reflect`. */
static void test_groups(void **state)
{
    (void)state;
    arena a = {0};
    errors e = {0};
    const conv_config *c = make_conv(&a, "channels: 4\npad: {mode: reflect}", &e);
    assert_non_null(c);
    assert_int_equal(c->pad_mode, 1);
    assert_int_equal(c->channels, 4);
    errors_free(&e);
    arena_free(&a);
    assert_bad("{channels: 1, pad_mode: zeros, pad: {mode: reflect}}",
               "`mode` is given twice: as `pad_mode` too");
    assert_bad("{channels: 1, pad: {mod: reflect}}", "hint: did you mean `pad_mode`?");
    assert_bad("{channels: 1, pad: {mode: zeroes}}", "t.yaml:1:27: pad_mode: expected one of");
    assert_bad("{channels: 1, pad: 3}", "unknown parameter \"pad\"");
    assert_bad("{channels: 1, chan: {nels: 3}}", "unknown parameter \"chan\"");
}

static void test_wrong_plugins(void **state)
{
    (void)state;
    arena a = {0};
    errors e = {0};
    assert_null(params_make(&a, &fakes[4], NULL, NULL, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_PLUGIN);
    char *got = messages(&e);
    assert_non_null(strstr(got, "default `three` of a: a: expected an integer"));
    assert_non_null(strstr(got, "default `7` of b: b: 7 is above 1"));
    mem_free(got);
    errors_free(&e);
    cvy_param table[] = {{.name = "x", .kind = 77}, {.name = "y", .kind = CVY_PARAM_PAIR, .offset = 8}};
    cvy_descriptor d = {
        .name = "odd", .config_size = 16, .params = table, .n_params = 1, .param_size = sizeof(cvy_param)};
    assert_null(params_make(&a, &d, NULL, NULL, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_PLUGIN);
    errors_free(&e);
    d.n_params = 2; /* a pair at 8 does not fit into 16 bytes */
    assert_null(params_make(&a, &d, NULL, NULL, &e));
    got = messages(&e);
    assert_non_null(strstr(got, "parameter `y` lies outside its config struct"));
    mem_free(got);
    errors_free(&e);
    arena_free(&a);
}

/* A plugin built against headers whose entries are longer. */
static void test_stride(void **state)
{
    (void)state;
    struct long_param {
        cvy_param p;
        char more[24];
    } table[2] = {{.p = sgd_params[0]}, {.p = sgd_params[1]}};
    cvy_descriptor d = {.name = "long",
                        .config_size = sizeof(sgd_config),
                        .params = &table[0].p,
                        .n_params = 2,
                        .param_size = sizeof table[0]};
    arena a = {0};
    errors e = {0};
    const sgd_config *c = params_make(&a, &d, NULL, NULL, &e);
    assert_non_null(c);
    assert_true(c->lr == 0.01);
    errors_free(&e);
    arena_free(&a);
}

static void test_several_tables(void **state)
{
    (void)state;
    arena a = {0};
    errors e = {0};
    sgd_config one = {0};
    conv_config two = {0};
    params_table tables[] = {params_of(&fakes[1], &one), params_of(&fakes[0], &two)};
    static const char s[] = "{lr: 3, channels: 4}";
    assert_int_equal(params_fill(&a, tables, 2, tree_read_text(&a, "t", s, strlen(s), &e), &fake_env, &e),
                     CVY_OK);
    assert_true(one.lr == 3 && two.channels == 4);
    errors_free(&e);
    arena_free(&a);
}

static void test_printing(void **state)
{
    (void)state;
    arena a = {0};
    errors e = {0};
    const conv_config *c = make_conv(&a, "{channels: 8, augment: [crop]}", &e);
    params_table t = params_of(&fakes[0], (void *)(uintptr_t)c);
    json_writer w = {0};
    json_open(&w, '{');
    params_write(&t, &w);
    json_close(&w, '}');
    assert_string_equal(
        text_str(&w.out),
        "{\"channels\":8,\"kernel\":[3,3],\"stride\":[1,1],\"p\":0.5,\"bias\":true,\"pad_mode\":\"zeros\","
        "\"label\":\"\",\"path\":null,\"milestones\":[1,2],\"mean\":[0.5],\"optimizer\":{\"type\":\"sgd\","
        "\"lr\":0.01,\"clip\":\"inf\",\"steps\":5},\"augment\":[{\"type\":\"crop\",\"lr\":0.01,\"clip\":"
        "\"inf\",\"steps\":5}]}");
    text_free(&w.out);
    double v = 0;
    assert_true(params_number(&t, "channels", &v) && v == 8);
    assert_true(params_number(&t, "p", &v) && v == 0.5);
    assert_true(params_number(&t, "bias", &v) && v == 1);
    assert_false(params_number(&t, "label", &v));
    assert_false(params_number(&t, "zzz", &v));
    text out = {0};
    params_describe(&t, &out);
    assert_string_equal(
        text_str(&out),
        "  channels    int 1 .. 65536                      required  output channels\n"
        "  kernel      int or pair 1 .. 1023               3         kernel side, pixels\n"
        "  stride      int or pair 1 .. 1023               [1, 1]    step, pixels\n"
        "  p           float 0 .. 1                        0.5       probability\n"
        "  bias        true or false                       true      adds a bias\n"
        "  pad_mode    zeros | reflect | replicate | none  zeros     what stands outside\n"
        "  label       string                              \"\"        shown in charts\n"
        "  path        string                              -         a file\n"
        "  milestones  int or list 0 .. 100                [1, 2]    epochs\n"
        "  mean        float or list 0 .. 1                [0.5]     per channel\n"
        "  optimizer   optimizer                           sgd       how weights move\n"
        "  augment     list of augmentation                []        what happens to images\n");
    text_free(&out);
    sgd_config zero = {0};
    t = params_of(&fakes[1], &zero);
    params_describe(&t, &out);
    assert_string_equal(text_str(&out), "  lr     float 0 .. 10  1e-2  learning rate\n"
                                        "  clip   float >= 0     .inf  largest gradient norm\n"
                                        "  steps  int            5     any\n");
    text_free(&out);
    errors_free(&e);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_given),
        cmocka_unit_test(test_axes),           cmocka_unit_test(test_errors),
        cmocka_unit_test(test_wrong_plugins),  cmocka_unit_test(test_stride),
        cmocka_unit_test(test_several_tables), cmocka_unit_test(test_printing),
        cmocka_unit_test(test_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
