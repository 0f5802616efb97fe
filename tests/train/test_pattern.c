/* Tests core/train/pattern: what stars stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "train/pattern.h"

static void test_matches(void **unused)
{
    (void)unused;
    static const struct {
        const char *pattern, *name;
        bool match;
    } cases[] = {
        {"stem.weight", "stem.weight", true},
        {"stem.weight", "stem.weights", false},
        {"stem.*", "stem.conv.weight", true},
        {"stem.*", "stem.", true},
        {"stem.*", "stem", false},
        {"stem.*", "a.stem.weight", false},
        {"*.bn.*", "stage1.block0.bn.weight", true},
        {"*.bn.*", "bn.weight", false},
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"*.weight", "a.weight.weight", true},
        {"*ab", "aab", true},
        {"a*a", "a", false},
        {"a*a", "aa", true},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "aab", false},
        {"**", "x", true},
        {"a**b", "a.b", true},
        {"*a*b*c*", "xxaxxbxxcxx", true},
        {"*a*b*c*", "xxaxxcxxbxx", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pattern_match(cases[i].pattern, cases[i].name, NULL) != cases[i].match)
            fail_msg("%s and %s", cases[i].pattern, cases[i].name);
}

static void test_captures(void **unused)
{
    (void)unused;
    static const struct {
        const char *pattern, *name, *with, *filled;
    } cases[] = {
        {"stage1.block*.conv*.weight", "stage1.block12.conv2.weight", "layer1.*.conv*.weight",
         "layer1.12.conv2.weight"},
        {"*", "a.b", "module.*", "module.a.b"},
        {"module.*", "module.a.b", "*", "a.b"},
        {"stem", "stem", "conv1", "conv1"},
        {"*.*", "a.b.c", "*/*", "a/b.c"}, /* the first as little as it can, the last the rest */
        {"a*", "a", "<*>", "<>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pattern_captures c = {0};
        assert_true(pattern_match(cases[i].pattern, cases[i].name, &c));
        char *filled = pattern_fill(cases[i].with, &c);
        assert_string_equal(filled, cases[i].filled);
        mem_free(filled);
    }
    assert_int_equal(pattern_stars("a.*.b*"), 2);
}

/* A pattern that a backtracking matcher would try for ever. */
static void test_long(void **unused)
{
    (void)unused;
    char *name = mem_array(20001, 1);
    memset(name, 'a', 20000);
    assert_false(pattern_match("*a*a*a*a*a*a*a*b", name, NULL));
    assert_true(pattern_match("*a*a*a*a*a*a*a*a", name, NULL));
    /* More stars than captures are kept of. */
    pattern_captures c = {0};
    assert_true(pattern_match("************", name, &c));
    mem_free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_captures),
                                       cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
