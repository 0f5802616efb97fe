/* Tests core/base/text: growing, suggestions, shortest numbers, and text that is safe on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/philox.h"
#include "base/text.h"

static void grows(void **state)
{
    (void)state;
    text t = {0};
    assert_string_equal(text_str(&t), "");
    text_add(&t, "");
    text_add(&t, "ab");
    text_add_n(&t, "cdef", 2);
    text_char(&t, '-');
    text_printf(&t, "%05d|%s", 42, "x");
    assert_string_equal(text_str(&t), "abcd-00042|x");
    assert_int_equal(t.n, 12);
    for (int i = 0; i < 10000; i++) text_printf(&t, "%d", i % 10);
    assert_int_equal(t.n, 10012);
    assert_int_equal(strlen(t.s), 10012);
    char *s = text_take(&t);
    assert_int_equal(strlen(s), 10012);
    mem_free(s);
    assert_null(t.s);
    s = text_take(&t);
    assert_string_equal(s, "");
    mem_free(s);
    text_add(&t, "again");
    text_free(&t);
    assert_int_equal(t.n + t.cap, 0);
}

static void nearest(void **state)
{
    (void)state;
    const char *const names[] = {"channels", "kernel",       "stride", NULL,       "padding",
                                 "filters",  "weight_decay", "lr",     "momentum", "bias"};
    const size_t n = sizeof names / sizeof *names;
    assert_string_equal(text_nearest("kernal", names, n), "kernel");
    assert_string_equal(text_nearest("fliters", names, n), "filters");
    assert_string_equal(text_nearest("KERNEL", names, n), "kernel");
    assert_string_equal(text_nearest("weight-decay", names, n), "weight_decay");
    assert_string_equal(text_nearest("WeightDecay", names, n), "weight_decay");
    assert_string_equal(text_nearest("chanels", names, n), "channels");
    assert_string_equal(text_nearest("strides", names, n), "stride");
    assert_string_equal(text_nearest("lr", names, n), "lr");
    assert_null(text_nearest("xyz", names, n));
    assert_null(text_nearest("ls", names, n)); /* half of it is wrong */
    assert_null(text_nearest("", names, n));
    assert_null(text_nearest("--__", names, n));
    assert_null(text_nearest(NULL, names, n));
    assert_null(text_nearest("kernel", names, 0));
    /* the limit itself: distance 2 of 6 suggests, 3 of 6 does not */
    assert_string_equal(text_nearest("kernxx", names, n), "kernel");
    assert_null(text_nearest("kerxxx", names, n));
    /* a swap is one mistake, not two: "abc" against "acb" is a third */
    const char *const swap[] = {"abc"};
    assert_string_equal(text_nearest("acb", swap, 1), "abc");
    assert_null(text_nearest("cab", swap, 1));
    /* the nearer one wins, wherever it stands */
    const char *const two[] = {"max_pool", "avg_pool"};
    assert_string_equal(text_nearest("avgpoll", two, 2), "avg_pool");
    assert_string_equal(text_nearest("maxpoll", two, 2), "max_pool");
    char longer[5000];
    memset(longer, 'k', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const char *const same[] = {longer};
    assert_null(text_nearest(longer, same, 1));
}

static void ends(void **state)
{
    (void)state;
    assert_true(text_starts("model.stem", "model."));
    assert_false(text_starts("mod", "model"));
    assert_true(text_starts("x", ""));
    assert_true(text_ends("a.yaml", ".yaml"));
    assert_false(text_ends("yaml", ".yaml"));
    assert_true(text_ends("x", ""));
}

static void same_double(double v, const char *expected)
{
    text t = {0};
    text_double(&t, v);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
}

/* The expectations are Python's repr(), which is the shortest, without its trailing ".0". */
static void shortest_doubles(void **state)
{
    (void)state;
    same_double(0, "0");
    same_double(-0.0, "-0");
    same_double(1, "1");
    same_double(-1.5, "-1.5");
    same_double(100, "100");
    same_double(0.1, "0.1");
    same_double(0.1 + 0.2, "0.30000000000000004");
    same_double(1.0 / 3, "0.3333333333333333");
    same_double(2.0 / 3, "0.6666666666666666");
    same_double(1e-3, "0.001");
    same_double(1e-4, "0.0001");
    same_double(1.25e-4, "0.000125");
    same_double(1e-5, "1e-05");
    same_double(1.5e-5, "1.5e-05");
    same_double(123456.789, "123456.789");
    same_double(1e15, "1000000000000000");
    same_double(1e16, "1e+16");
    same_double(1e22, "1e+22");
    same_double(1e23, "1e+23");
    same_double(9007199254740993.0, "9007199254740992");
    same_double(1.7976931348623157e308, "1.7976931348623157e+308");
    same_double(2.2250738585072014e-308, "2.2250738585072014e-308");
    same_double(5e-324, "5e-324");
    same_double(1e-320, "1e-320");
    same_double(ldexp(1, -44), "5.684341886080802e-14"); /* nearest 16 digits end in 1 and miss */
    same_double(9.5367431640625e-07, "9.5367431640625e-07");
    same_double((double)NAN, "nan");
    same_double(-(double)NAN, "nan");
    same_double((double)INFINITY, "inf");
    same_double(-(double)INFINITY, "-inf");
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void every_double_reads_back(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = next(&x);
        if (i < 4000) bits = (uint64_t)(i & 2047) << 52 | (uint64_t)(i >= 2048) << 63; /* all powers of two */
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isnan(v)) continue;
        text t = {0};
        text_double(&t, v);
        double again = strtod(text_str(&t), NULL);
        if (memcmp(&v, &again, sizeof v)) fail_msg("%.17g became %s", v, text_str(&t));
        assert_true(t.n <= 24);
        text_free(&t);
    }
}

static void doubles_ignore_the_locale(void **state)
{
    (void)state;
    const char *const with_comma[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    const char *found = NULL;
    for (size_t i = 0; i < 4 && !found; i++) found = setlocale(LC_ALL, with_comma[i]);
    if (!found) skip();
    same_double(0.25, "0.25");
    same_double(1.5e-7, "1.5e-07");
    setlocale(LC_ALL, "C");
}

static void counts(void **state)
{
    (void)state;
    const struct {
        int64_t v;
        const char *s;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {999, "999"},
                 {1000, "1,000"},
                 {269722, "269,722"},
                 {-1234567, "-1,234,567"},
                 {-100, "-100"},
                 {INT64_MIN, "-9,223,372,036,854,775,808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text t = {0};
        text_count(&t, cases[i].v);
        assert_string_equal(text_str(&t), cases[i].s);
        text_free(&t);
    }
}

static void same_safe(const char *s, size_t max, const char *expected)
{
    text t = {0};
    text_safe(&t, s, max);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
}

static void safe(void **state)
{
    (void)state;
    same_safe("plain", 100, "plain");
    same_safe("", 0, "");
    same_safe("a\x1b[31mb\n\t\x7f", 100, "a\\x1B[31mb\\x0A\\x09\\x7F");
    same_safe("Größe \xE2\x86\x92 ok", 100, "Größe \xE2\x86\x92 ok");
    same_safe("\xC2\x9B"
              "31m",
              100, "\\xC2\\x9B31m");              /* C1 CSI */
    same_safe("a\x9Bz\xFF", 100, "a\\x9Bz\\xFF"); /* not UTF-8 */
    same_safe("\xC3", 100, "\\xC3");              /* cut short */
    same_safe("abcdef", 6, "abcdef");
    same_safe("abcdef", 3, "abc...");
    same_safe("ab\x01"
              "cd",
              4, "ab..."); /* no half escape */
    same_safe("ab\xC3\xB6"
              "cd",
              3, "ab..."); /* no half letter */
    same_safe("abc", SIZE_MAX, "abc");
    same_safe("a\xE2\x80\xAE"
              "b",
              100,
              "a\\xE2\\x80\\xAE"
              "b"); /* U+202E turns what follows */
    same_safe("a\xE2\x80\xA8"
              "b\xEF\xBB\xBF",
              100,
              "a\\xE2\\x80\\xA8"
              "b\\xEF\\xBB\\xBF");
    same_safe("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xAC", 100,
              "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xAC"); /* joined, as emoji are */
}

static void same_lines(const char *s, bool marks, const char *expected)
{
    text t = {0};
    text_lines(&t, s, strlen(s), marks);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
}

static void lines(void **state)
{
    (void)state;
    same_lines("", true, "");
    same_lines("a\tb\nc\n", false, "a\tb\nc\n");
    same_lines("\x1b[1mT\x1b[0m\n\x1b[31;1mx", true, "\x1b[1mT\x1b[0m\n\x1b[31;1mx");
    same_lines("\x1b[1mT", false, "\\x1B[1mT");
    same_lines("\x1b[2J\x1b]0;x\x07\r\x1b[", true, "\\x1B[2J\\x1B]0;x\\x07\\x0D\\x1B[");
    same_lines("\xff\xc2\x9b"
               "31m\xc3",
               true,
               "\\xFF\\xC2\\x9B"
               "31m\\xC3");
}

static void utf8(void **state)
{
    (void)state;
    const struct {
        const char *s;
        size_t n, length;
        uint32_t code;
    } cases[] = {
        {"a", 1, 1, 'a'},
        {"", 0, 0, 0},
        {"\0", 1, 1, 0},
        {"\xC3\xB6", 2, 2, 0xF6},
        {"\xE2\x82\xAC", 3, 3, 0x20AC},
        {"\xF0\x9F\x98\x80", 4, 4, 0x1F600},
        {"\xF4\x8F\xBF\xBF", 4, 4, 0x10FFFF},
        {"\xC0\x80", 2, 0, 0},         /* overlong */
        {"\xC1\xBF", 2, 0, 0},         /* overlong */
        {"\xE0\x9F\xBF", 3, 0, 0},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 4, 0, 0}, /* overlong */
        {"\xED\xA0\x80", 3, 0, 0},     /* surrogate */
        {"\xF4\x90\x80\x80", 4, 0, 0}, /* beyond Unicode */
        {"\xF5\x80\x80\x80", 4, 0, 0},
        {"\x80", 1, 0, 0},
        {"\xE2\x82", 2, 0, 0},
        {"\xE2\x28\xA1", 3, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t code = 0;
        assert_int_equal(text_utf8(cases[i].s, cases[i].n, &code), cases[i].length);
        if (cases[i].length) assert_int_equal(code, cases[i].code);
        assert_int_equal(text_utf8(cases[i].s, cases[i].n, NULL), cases[i].length);
    }
}

/* Halves, what is next to them, and anything else: printf's digits. */
static void fixed(void **unused)
{
    (void)unused;
    const double odd[] = {0,       -0.0,     0.5,       1.5,         2.5,   0.125,    0.375,
                          1e-9,    -0.00004, 999.99999, 1e9,         1e300, 0.00005,  0.000150,
                          2.675,   1.005,    -1234.5,   99999999.95, NAN,   INFINITY, -INFINITY,
                          0.99995, 9.95,     0.045,     64.6,        33.3,  1.0 / 3., 1e15};
    philox_stream random = philox_open(philox_key_of(7, "test", "fixed"), 0, 0);
    for (int i = 0; i < 40000; i++) {
        double v;
        if (i < (int)(sizeof odd / sizeof *odd))
            v = odd[i];
        else if (i % 3 == 0) /* a half of the last place, about */
            v = nextafter((floor(2000 * (double)philox_unit(&random)) + 0.5) / (i % 2 ? 100 : 10000),
                          i % 5 ? (i % 5 < 3 ? 1e9 : -1e9) : 0.5);
        else
            v = ((double)philox_unit(&random) - 0.5) * pow(10, i % 12 - 2);
        for (int decimals = 0; decimals < 8; decimals++) {
            char expected[400];
            text t = {0};
            snprintf(expected, sizeof expected, "%.*f", decimals, v);
            text_fixed(&t, v, decimals);
            assert_string_equal(text_str(&t), expected);
            text_free(&t);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows),
        cmocka_unit_test(nearest),
        cmocka_unit_test(ends),
        cmocka_unit_test(shortest_doubles),
        cmocka_unit_test(every_double_reads_back),
        cmocka_unit_test(doubles_ignore_the_locale),
        cmocka_unit_test(counts),
        cmocka_unit_test(fixed),
        cmocka_unit_test(safe),
        cmocka_unit_test(lines),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
