/* Tests core/base/json: what the writer writes, what the strict reader takes and what it refuses, and where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"

static void writes(void **state)
{
    (void)state;
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "name", "a \"b\" \\ \n\t\b\f\r\x01 \xC3\xB6 \xFF\xC3");
    json_put_int(&w, "min", INT64_MIN);
    json_put_double(&w, "lr", 0.1);
    json_put_bool(&w, "on", true);
    json_key(&w, "list");
    json_open(&w, '[');
    json_null(&w);
    json_open(&w, '{');
    json_close(&w, '}');
    json_open(&w, '[');
    json_close(&w, ']');
    json_text(&w, NULL);
    json_raw(&w, "{\"raw\":1}");
    json_bool(&w, false);
    json_double(&w, (double)NAN);
    json_double(&w, (double)INFINITY);
    json_double(&w, -(double)INFINITY);
    json_close(&w, ']');
    json_put_text(&w, "a\"b", "");
    json_close(&w, '}');
    assert_string_equal(
        text_str(&w.out),
        "{\"name\":\"a \\\"b\\\" \\\\ \\n\\t\\b\\f\\r\\u0001 \xC3\xB6 \xEF\xBF\xBD\xEF\xBF\xBD\","
        "\"min\":-9223372036854775808,\"lr\":0.1,\"on\":true,"
        "\"list\":[null,{},[],null,{\"raw\":1},false,\"nan\",\"inf\",\"-inf\"],\"a\\\"b\":\"\"}");
    /* one writer, line after line */
    text_free(&w.out);
    json_open(&w, '[');
    json_close(&w, ']');
    assert_string_equal(text_str(&w.out), "[]");
    text_free(&w.out);
    /* what a terminal would obey, or nobody would see */
    json_text(&w, "\x7f\xC2\x9B\xE2\x80\xAE\xF3\xA0\x81\x81\xF0\x9F\x94\xAC");
    assert_string_equal(text_str(&w.out), "\"\\u007f\\u009b\\u202e\\udb40\\udc41\xF0\x9F\x94\xAC\"");
    text_free(&w.out);
    json_text_n(&w, "a\0b", 3);
    assert_string_equal(text_str(&w.out), "\"a\\u0000b\"");
    text_free(&w.out);
}

static json *parse(arena *a, const char *s)
{
    const char *error = NULL;
    size_t offset = 0, n = strlen(s);
    /* exactly n bytes on the heap, so that a sanitizer sees a read beyond them */
    char *exact = mem_copy(s, n);
    json *v = json_parse(a, exact, n, &error, &offset);
    mem_free(exact);
    if (!v) fail_msg("%s: %s at %zu", s, error, offset);
    return v;
}

static void reads(void **state)
{
    (void)state;
    arena a = {0};
    json *v = parse(&a, " \t\r\n{ \"t\" : true , \"f\":false,\"z\":null,\"list\":[1,-2.5e1, \"x\",[],{}],"
                        "\"s\":\"\\u00f6\\ud83d\\ude00\\/\\\"\\\\\\b\\f\\n\\r\\t\\u0000z\" } ");
    assert_int_equal(v->kind, JSON_OBJECT);
    assert_int_equal(v->n, 5);
    assert_true(json_get_bool(v, "t", false));
    assert_false(json_get_bool(v, "f", true));
    assert_int_equal(json_get(v, "z")->kind, JSON_NULL);
    const json *list = json_get(v, "list");
    assert_int_equal(list->n, 5);
    assert_true(list->items[0]->is_integer);
    assert_int_equal(list->items[0]->integer, 1);
    assert_false(list->items[1]->is_integer);
    assert_true(list->items[1]->number == -25);
    assert_int_equal(list->items[3]->n + list->items[4]->n, 0);
    const json *s = json_get(v, "s");
    const char expected[] = "\xC3\xB6\xF0\x9F\x98\x80/\"\\\b\f\n\r\t\0z";
    assert_int_equal(s->n, sizeof expected - 1);
    assert_memory_equal(s->s, expected, sizeof expected);
    assert_string_equal(v->keys[4], "s");
    assert_int_equal(parse(&a, "\"\"")->n, 0);
    assert_string_equal(parse(&a, "\"\"")->s, "");
    arena_free(&a);
}

static void reads_numbers(void **state)
{
    (void)state;
    arena a = {0};
    const struct {
        const char *s;
        bool whole;
        int64_t integer;
        double number;
    } cases[] = {
        {"0", true, 0, 0},
        {"9223372036854775807", true, INT64_MAX, 9223372036854775807.0},
        {"-9223372036854775808", true, INT64_MIN, -9223372036854775808.0},
        {"9223372036854775808", false, 0, 9223372036854775808.0},
        {"-9223372036854775809", false, 0, -9223372036854775808.0},
        {"1.0", false, 0, 1},
        {"1e3", false, 0, 1000},
        {"1E+3", false, 0, 1000},
        {"5e-324", false, 0, 5e-324},
        {"1e-999", false, 0, 0},
        {"0.1", false, 0, 0.1},
        {"0.30000000000000004", false, 0, 0.30000000000000004},
        {"0.1000000000000000055511151231257827021181583404541015625000000000000000000000001", false, 0, 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json *v = parse(&a, cases[i].s);
        assert_int_equal(v->kind, JSON_NUMBER);
        assert_int_equal(v->is_integer, cases[i].whole);
        assert_int_equal(v->integer, cases[i].integer);
        assert_true(v->number == cases[i].number);
    }
    assert_true(signbit(parse(&a, "-0")->number));
    arena_free(&a);
}

static void refuses(void **state)
{
    (void)state;
    const struct {
        const char *s;
        size_t at;
        const char *error;
    } cases[] = {
        {"", 0, "unexpected end"},
        {"  ", 2, "unexpected end"},
        {"nul", 0, "unexpected character"},
        {"True", 0, "unexpected character"},
        {"NaN", 0, "unexpected character"},
        {"'a'", 0, "unexpected character"},
        {"\xEF\xBB\xBF{}", 0, "unexpected character"},
        {"01", 0, "leading zero in a number"},
        {"[-012]", 1, "leading zero in a number"},
        {"-", 1, "unexpected end"},
        {"-x", 1, "a number needs digits"},
        {"+1", 0, "unexpected character"},
        {".5", 0, "unexpected character"},
        {"[1.]", 3, "a number needs digits behind the point"},
        {"[1e]", 3, "a number needs digits in its exponent"},
        {"[1e+]", 4, "a number needs digits in its exponent"},
        {"1.5.5", 3, "more text behind the value"},
        {"0x10", 1, "more text behind the value"},
        {"1e999", 0, "number out of range"},
        {"[1,-1e400]", 3, "number out of range"},
        {"{} {}", 3, "more text behind the value"},
        {"[1,]", 3, "unexpected character"},
        {"[1 2]", 3, "expected ',' or ']'"},
        {"[1}", 2, "expected ',' or ']'"},
        {"[", 1, "unexpected end"},
        {"[1", 2, "unexpected end"},
        {"[1,", 3, "unexpected end"},
        {"{\"a\":1,}", 7, "expected a key in quotes"},
        {"{\"a\" 1}", 5, "expected ':'"},
        {"{\"a\"", 4, "unexpected end"},
        {"{\"a\":", 5, "unexpected end"},
        {"{\"a\":1", 6, "unexpected end"},
        {"{\"a\":1]", 6, "expected ',' or '}'"},
        {"{a:1}", 1, "expected a key in quotes"},
        {"{1:1}", 1, "expected a key in quotes"},
        {"{\"a\":1,\"b\":2,\"a\":3}", 13, "duplicate key"},
        {"{\"a\":1,\"\\u0061\":3}", 7, "duplicate key"},
        {"[{\"x\":{\"k\":1,\"k\":1}}]", 13, "duplicate key"},
        {"{\"a\\u0000b\":1}", 1, "NUL in a key"},
        {"\"abc", 0, "string without its closing quote"},
        {"\"abc\\\"", 0, "string without its closing quote"},
        {"\"abc\\", 0, "string without its closing quote"},
        {"\"a\nb\"", 2, "control character in a string"},
        {"\"a\\x41\"", 2, "unknown escape in a string"},
        {"\"\\u12\"", 1, "\\u needs four hexadecimal digits"},
        {"\"\\u12G4\"", 1, "\\u needs four hexadecimal digits"},
        {"\"\\ud800\"", 1, "half a surrogate pair"},
        {"\"\\ud800x\"", 1, "half a surrogate pair"},
        {"\"\\ud800\\n\"", 1, "half a surrogate pair"},
        {"\"\\ud800\\u0041\"", 1, "half a surrogate pair"},
        {"\"\\ud800\\ud800\"", 1, "half a surrogate pair"},
        {"\"\\udc00\"", 1, "half a surrogate pair"},
        {"\"a\xFF\"", 2, "invalid UTF-8 in a string"},
        {"\"\xED\xA0\x80\"", 1, "invalid UTF-8 in a string"},
        {"\"\xC3\"", 1, "invalid UTF-8 in a string"},
    };
    arena a = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *error = NULL;
        size_t offset = 0, n = strlen(cases[i].s);
        char *exact = mem_copy(cases[i].s, n);
        if (json_parse(&a, exact, n, &error, &offset)) fail_msg("took %s", cases[i].s);
        if (strcmp(error, cases[i].error) || offset != cases[i].at)
            fail_msg("%s: %s at %zu, expected %s at %zu", cases[i].s, error, offset, cases[i].error,
                     cases[i].at);
        assert_null(json_parse(&a, exact, n, NULL, NULL));
        mem_free(exact);
    }
    /* a NUL is no end of the text */
    assert_null(json_parse(&a, "1\0", 2, NULL, NULL));
    assert_null(json_parse(&a, "\"\\\0\"", 4, NULL, NULL));
    arena_free(&a);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    const char *s = "{\"a\":[1,2.5e3,\"\\ud83d\\ude00\xC3\xB6\"],\"b\":{\"c\":true,\"d\":null}}";
    arena a = {0};
    for (size_t n = 0; n < strlen(s); n++) {
        char *exact = mem_copy(s, n);
        size_t offset = SIZE_MAX;
        assert_null(json_parse(&a, exact, n, NULL, &offset));
        assert_true(offset <= n);
        mem_free(exact);
    }
    parse(&a, s);
    arena_free(&a);
}

static void depth(void **state)
{
    (void)state;
    arena a = {0};
    for (int object = 0; object < 2; object++) {
        for (int levels = 64; levels <= 65; levels++) {
            text t = {0};
            for (int i = 0; i < levels; i++) text_add(&t, object ? "{\"k\":" : "[");
            text_add(&t, "1");
            for (int i = 0; i < levels; i++) text_char(&t, object ? '}' : ']');
            const char *error = NULL;
            json *v = json_parse(&a, t.s, t.n, &error, NULL);
            if (levels == 64)
                assert_non_null(v);
            else
                assert_string_equal(error, "nested too deeply");
            text_free(&t);
        }
    }
    /* side by side is not deep */
    text t = {0};
    text_char(&t, '[');
    for (int i = 0; i < 1000; i++) text_add(&t, i ? ",[[]]" : "[[]]");
    text_char(&t, ']');
    assert_int_equal(parse(&a, t.s)->n, 1000);
    text_free(&t);
    /* a bomb must not reach the stack */
    size_t n = 1 << 20;
    char *bomb = mem_alloc(n);
    memset(bomb, '[', n);
    assert_null(json_parse(&a, bomb, n, NULL, NULL));
    mem_free(bomb);
    arena_free(&a);
}

static void many_keys(void **state)
{
    (void)state;
    arena a = {0};
    json_writer w = {0};
    char key[32];
    json_open(&w, '{');
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "k%d", i * 7919 % 50000);
        json_put_int(&w, key, i);
    }
    json_close(&w, '}');
    json *v = parse(&a, w.out.s);
    assert_int_equal(v->n, 50000);
    assert_string_equal(v->keys[1], "k7919"); /* in the order of the text */
    assert_int_equal(json_get_int(v, "k7919", -1), 1);
    text_free(&w.out);
    arena_free(&a);
}

static void questions(void **state)
{
    (void)state;
    arena a = {0};
    json *v = parse(
        &a, "{\"s\":\"x\",\"i\":7,\"d\":2.5,\"b\":true,\"nan\":\"nan\",\"inf\":\"inf\",\"low\":\"-inf\","
            "\"null\":null}");
    assert_string_equal(json_get_text(v, "s", "-"), "x");
    assert_string_equal(json_get_text(v, "i", "-"), "-");
    assert_string_equal(json_get_text(v, "absent", "-"), "-");
    assert_null(json_get_text(v, "null", NULL));
    assert_int_equal(json_get_int(v, "i", 0), 7);
    assert_int_equal(json_get_int(v, "d", -1), -1);
    assert_int_equal(json_get_int(v, "s", -1), -1);
    assert_true(json_get_double(v, "i", 0) == 7);
    assert_true(json_get_double(v, "d", 0) == 2.5);
    assert_true(isnan(json_get_double(v, "nan", 0)));
    assert_true(json_get_double(v, "inf", 0) == (double)INFINITY);
    assert_true(json_get_double(v, "low", 0) == -(double)INFINITY);
    assert_true(json_get_double(v, "s", 3) == 3);
    assert_true(json_get_double(v, "absent", 3) == 3);
    assert_true(json_get_bool(v, "b", false));
    assert_true(json_get_bool(v, "i", true));
    assert_null(json_get(NULL, "x"));
    assert_null(json_get(json_get(v, "s"), "x"));
    assert_true(json_as_double(NULL, 5) == 5);
    arena_free(&a);
}

static void round_trip(void **state)
{
    (void)state;
    const double values[] = {0.1, -0.0, 1e-5, 5e-324, 1.7976931348623157e308, (double)NAN, (double)INFINITY};
    arena a = {0};
    json_writer w = {0};
    json_open(&w, '[');
    for (size_t i = 0; i < 7; i++) json_double(&w, values[i]);
    json_close(&w, ']');
    json *v = parse(&a, w.out.s);
    for (size_t i = 0; i < 7; i++) {
        double d = json_as_double(v->items[i], 77);
        if (isnan(values[i]))
            assert_true(isnan(d));
        else
            assert_memory_equal(&d, &values[i], sizeof d);
    }
    text_free(&w.out);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(reads),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(refuses),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(depth),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(questions),
        cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
