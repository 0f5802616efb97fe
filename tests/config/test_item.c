/* The ways to write a plugin with its parameters, and what is said about others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fakes.h"

static bool read_item(arena *a, const char *s, bool reserved, item *out, errors *e)
{
    node *n = tree_read_text(a, "t.yaml", s, strlen(s), e);
    assert_non_null(n);
    return item_read(a, n, reserved, out, e);
}

static void assert_good(const char *s, bool reserved, const char *type, const char *params, const char *name)
{
    arena a = {0};
    errors e = {0};
    item it;
    text t = {0};
    assert_true(read_item(&a, s, reserved, &it, &e));
    assert_int_equal(errors_count(&e), 0);
    assert_string_equal(it.type, type);
    tree_write_flow(it.params, &t);
    assert_string_equal(text_str(&t), params);
    if (name)
        assert_string_equal(it.name, name);
    else
        assert_null(it.name);
    text_free(&t);
    errors_free(&e);
    arena_free(&a);
}

static void test_forms(void **state)
{
    (void)state;
    assert_good("relu", true, "relu", "{}", NULL);
    assert_good("relu:", true, "relu", "{}", NULL);
    assert_good("relu: {}", true, "relu", "{}", NULL);
    assert_good("conv2d: {channels: 3, name: stem}", true, "conv2d", "{channels: 3}", "stem");
    assert_good("{name: stem, type: conv2d, channels: 3}", true, "conv2d", "{channels: 3}", "stem");
    assert_good("conv2d: {name: stem, inputs: [a]}", false, "conv2d", "{name: stem, inputs: [a]}", NULL);
}

static void test_inputs_and_places(void **state)
{
    (void)state;
    arena a = {0};
    errors e = {0};
    item it;
    assert_true(read_item(&a, "add: {name: sum, inputs: [a, b]}", true, &it, &e));
    assert_int_equal(it.inputs->n, 2);
    assert_int_equal(it.name_at.column, 13);
    assert_int_equal(it.type_at.column, 1);
    assert_int_equal(it.params->at.column, 1);
    assert_true(read_item(&a, "{type: add, inputs: a}", true, &it, &e));
    assert_int_equal(it.inputs->n, 1);
    assert_string_equal(it.inputs->items[0]->s, "a");
    assert_int_equal(it.type_at.column, 8);
    errors_free(&e);
    arena_free(&a);
}

static void assert_bad(const char *s, const char *wanted)
{
    arena a = {0};
    errors e = {0};
    item it;
    assert_false(read_item(&a, s, true, &it, &e));
    char *got = messages(&e);
    if (!strstr(got, wanted)) fail_msg("expected \"%s\" in\n%s", wanted, got);
    mem_free(got);
    errors_free(&e);
    arena_free(&a);
}

static void test_errors(void **state)
{
    (void)state;
    assert_bad("3", "expected a plugin's name, found 3");
    assert_bad("~", "expected a plugin's name, found nothing");
    assert_bad("[a]", "expected a plugin's name, found a list");
    assert_bad("{}", "expected a plugin's name, found a map");
    assert_bad("{type: 3}", "type: expected a plugin's name, found 3");
    assert_bad("conv2d:\nchannels: 3\n", "t.yaml:2:1: `channels` stands beside `conv2d`, not inside it");
    assert_bad("{a: {b: 1}, c: 2}", "found a map of 2 keys without `type`");
    assert_bad("conv2d: 32", "expected the parameters of `conv2d`, found 32");
    assert_bad("conv2d: {type: relu}", "both `conv2d` and `type` name a plugin");
    assert_bad("conv2d: {name: a.b}", "\"a.b\" cannot be part of a dotted path");
    assert_bad("conv2d: {name: \"12\"}", "\"12\" cannot be part of a dotted path");
    assert_bad("conv2d: {name: 12}", "name: expected a string, found 12");
    assert_bad("conv2d: {inputs: []}", "inputs: expected a list of layer names, found an empty one");
    assert_bad("conv2d: {inputs: [1]}", "inputs: expected a string, found 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_inputs_and_places),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
