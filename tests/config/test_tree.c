/* YAML text to tree and back: positions, strictness, limits, round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/json.h"
#include "config/tree.h"

static node *read_text(arena *a, const char *s, errors *e)
{
    return tree_read_text(a, "t.yaml", s, strlen(s), e);
}

/* Reads what must be right. */
static node *read_good(arena *a, const char *s)
{
    errors e = {0};
    node *n = read_text(a, s, &e);
    if (!n) {
        text t = {0};
        errors_text(&e, false, &t);
        fail_msg("%s\n%s", s, text_str(&t));
    }
    errors_free(&e);
    return n;
}

/* Reads what must be wrong; the messages, to be freed. */
static char *read_bad(const char *s, size_t n)
{
    arena a = {0};
    errors e = {0};
    text t = {0};
    assert_null(tree_read_text(&a, "t.yaml", s, n, &e));
    assert_true(errors_count(&e) > 0);
    errors_text(&e, false, &t);
    errors_free(&e);
    arena_free(&a);
    return text_take(&t);
}

static void assert_bad(const char *s, const char *wanted)
{
    char *got = read_bad(s, strlen(s));
    if (!strstr(got, wanted)) fail_msg("expected \"%s\" in\n%s", wanted, got);
    mem_free(got);
}

static void test_values_and_places(void **state)
{
    (void)state;
    arena a = {0};
    node *n = read_good(&a, "a: 1\nb:\n  - x\n  - {c: \"d\", é: 2}\n");
    assert_int_equal(n->kind, NODE_MAP);
    assert_int_equal(n->n, 2);
    const node *b = node_get(n, "b");
    assert_int_equal(b->kind, NODE_LIST);
    const node *c = node_get(b->items[1], "c");
    assert_string_equal(c->s, "d");
    assert_true(c->quoted);
    assert_int_equal(c->at.line, 4);
    assert_int_equal(c->at.column, 9);
    assert_string_equal(c->at.source, "  - {c: \"d\", é: 2}");
    assert_string_equal(c->at.file, "t.yaml");
    assert_int_equal(node_key_at(b->items[1], "é")->column, 14);
    assert_int_equal(node_get(b->items[1], "é")->at.column, 17); /* columns count characters */
    assert_null(node_get(n, "z"));
    assert_null(node_get(b, "z"));
    arena_free(&a);
}

static void test_byte_order_mark_and_line_ends(void **state)
{
    (void)state;
    arena a = {0};
    node *n = read_good(&a, "\xEF\xBB\xBF"
                            "a: 1\r\nb: 2\r\n");
    assert_int_equal(node_get(n, "b")->at.line, 2);
    assert_string_equal(node_get(n, "b")->at.source, "b: 2");
    assert_int_equal(node_key_at(n, "a")->column, 1);
    assert_true(node_is_null(read_good(&a, "")));
    assert_true(node_is_null(read_good(&a, "# only\n")));
    assert_true(node_is_null(read_good(&a, "---\n...\n")));
    arena_free(&a);
}

static void test_types(void **state)
{
    (void)state;
    arena a = {0};
    int64_t i = 0;
    double d = 0;
    bool b = false;
    const char *s = NULL;
    assert_true(node_int(read_good(&a, "-9223372036854775808"), &i, NULL) && i == INT64_MIN);
    assert_true(node_int(read_good(&a, "+7"), &i, NULL) && i == 7);
    assert_false(node_int(read_good(&a, "9223372036854775808"), &i, NULL));
    assert_false(node_int(read_good(&a, "1e3"), &i, NULL));
    assert_false(node_int(read_good(&a, "1.0"), &i, NULL));
    assert_false(node_int(read_good(&a, "\"1\""), &i, NULL));
    assert_true(node_double(read_good(&a, "1e-3"), &d, NULL) && d == 1e-3);
    assert_true(node_double(read_good(&a, ".5"), &d, NULL) && d == 0.5);
    assert_true(node_double(read_good(&a, "3"), &d, NULL) && d == 3);
    assert_true(node_double(read_good(&a, "-.inf"), &d, NULL) && isinf(d) && d < 0);
    assert_true(node_double(read_good(&a, ".nan"), &d, NULL) && isnan(d));
    assert_false(node_double(read_good(&a, "1e999"), &d, NULL));
    assert_false(node_double(read_good(&a, "1e"), &d, NULL));
    assert_true(node_bool(read_good(&a, "True"), &b, NULL) && b);
    assert_true(node_bool(read_good(&a, "false"), &b, NULL) && !b);
    assert_false(node_bool(read_good(&a, "1"), &b, NULL));
    assert_true(node_string(read_good(&a, "adam"), &s, NULL) && strcmp(s, "adam") == 0);
    assert_true(node_string(read_good(&a, "\"1\""), &s, NULL) && strcmp(s, "1") == 0);
    assert_true(node_string(read_good(&a, "2024-01-01"), &s, NULL));
    assert_false(node_string(read_good(&a, "1"), &s, NULL));
    assert_false(node_string(read_good(&a, "null"), &s, NULL));
    assert_true(node_is_null(read_good(&a, "~")) && !node_is_null(read_good(&a, "\"\"")));
    arena_free(&a);
}

static void test_strict(void **state)
{
    (void)state;
    assert_bad("a: yes", "t.yaml:1:4: `yes` is a boolean to some and a word to others");
    assert_bad("a: [Off]", "write false, or \"Off\" for the word");
    assert_bad("a: 007", "hint: write 7, or \"007\" for text");
    assert_bad("a: 0o17", "hint: write 15");
    assert_bad("a: &x {b: 1}\nc:\n  <<: *x\n", "t.yaml:3:3: `<<` is not supported");
    assert_bad("a: 1\nb: 2\na: 3\n", "t.yaml:3:1: duplicate key \"a\", first given in line 1, column 1");
    assert_bad("a: !!str 1", "t.yaml:1:4: tags are not supported (tag:yaml.org,2002:str)");
    assert_bad("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document begins here");
    assert_bad("a: *b", "there is no anchor `b`");
    assert_bad("a: &b [*b]", "`*b` contains itself");
    assert_bad("[1]: 2", "a key must be plain text");
    assert_bad("a: \"x\\0y\"", "a NUL character");
    /* all at once */
    char *got = read_bad("a: yes\nb: 010\nc: !x y\n", 22);
    assert_non_null(strstr(got, "t.yaml:1:4"));
    assert_non_null(strstr(got, "t.yaml:2:4"));
    assert_non_null(strstr(got, "t.yaml:3:4"));
    mem_free(got);
    arena a = {0};
    read_good(&a, "a: \"yes\"\nb: \"007\"\nc: 0\nd: 0.5\ne: 'on'\non: 1\n\"<<\": 2\n");
    read_good(&a, "--- # one document\na: 1\n...\n");
    arena_free(&a);
}

static void test_syntax(void **state)
{
    (void)state;
    assert_bad("a:\n\tb: 1\n", "t.yaml:2:1: a tab is used for indentation");
    assert_bad("a:\n  b: 1\n\tc: 2\n", "a tab is used for indentation");
    assert_bad("a: [1, 2\nb: 3\n", "t.yaml:1:4: this list is not closed");
    assert_bad("a: {b: 1\n", "this map is not closed");
    assert_bad("a: \"x\n", "t.yaml:1:4: this quoted text is not closed");
    assert_bad("a: b: c\n", "t.yaml:1:5: a `:` cannot stand here");
    assert_bad("a: 1\n  b: 2\n", "a `:` cannot stand here");
    assert_bad("a: 1\nb\n", "t.yaml:2:1: this key has no `:`");
    assert_bad("a: @b\n", "t.yaml:1:4: `@` cannot begin a value");
    assert_bad("a: \"\\q\"\n", "unknown escape in double quotes");
    assert_bad("a: \xff\n", "t.yaml:1:4: this is not UTF-8 text");
    assert_bad("a: 1\nb: \x01\n", "t.yaml:2:4: control character 0x01");
    assert_bad("\xFF\xFE"
               "a",
               "UTF-16");
    assert_bad("- a\nb: 1\n", "expected `- item` here");
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Hostile text is refused in time that a person does not notice, sanitizers included. */
static void assert_refused(const char *piece, size_t times, const char *wanted)
{
    text t = {0};
    for (size_t i = 0; i < times; i++) text_add(&t, piece);
    double begin = seconds();
    char *got = read_bad(t.s, t.n);
    double took = seconds() - begin;
    if (!strstr(got, wanted)) fail_msg("expected \"%s\" in\n%.300s", wanted, got);
    if (took > 1.0) fail_msg("%s: %.2f s", piece, took);
    mem_free(got);
    text_free(&t);
}

static void test_limits(void **state)
{
    (void)state;
    assert_refused("[", 200000, "nested deeper than 32 levels");
    assert_refused("{a: ", 200000, "nested deeper than 32 levels");
    assert_refused("- ", 200000, "nested deeper than 32 levels");
    assert_refused("? ", 200000, "a key must be plain text");
    assert_refused("]", 200000, "a value is missing");
    assert_refused("[*a", 200000, "t.yaml:1:");
    assert_refused("x ", 600000, "more than 1 MiB");
    assert_refused("- x\n", 10001, "more than 10000 values");
    arena a = {0};
    text t = {0};
    for (int i = 0; i < 32; i++) text_char(&t, '[');
    for (int i = 0; i < 32; i++) text_char(&t, ']');
    read_good(&a, t.s);
    text_free(&t);
    for (int i = 0; i < 9999; i++) text_add(&t, "- x\n");
    read_good(&a, t.s);
    text_free(&t);
    arena_free(&a);
}

static void test_billion_laughs(void **state)
{
    (void)state;
    text t = {0};
    text_add(&t, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 30; i++) {
        text_printf(&t, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) text_printf(&t, "%s*a%d", k ? ", " : "", i - 1);
        text_add(&t, "]\n");
    }
    double begin = seconds();
    assert_bad(t.s, "more than 10000 values, aliases counted in full");
    assert_true(seconds() - begin < 1.0);
    text_free(&t);
    /* depth through aliases */
    text_add(&t, "a0: &a0 [x]\n");
    for (int i = 1; i < 40; i++) text_printf(&t, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    assert_bad(t.s, "nested deeper than 32 levels");
    text_free(&t);
}

static void test_aliases(void **state)
{
    (void)state;
    arena a = {0};
    node *n = read_good(&a, "a: &x {lr: 1}\nb: *x\nc: &y 3\nd: *y\n");
    assert_true(node_equal(node_get(n, "a"), node_get(n, "b")));
    assert_string_equal(node_get(n, "d")->s, "3");
    node *copy = tree_copy(&a, n);
    assert_true(node_equal(n, copy));
    assert_ptr_not_equal(node_get(copy, "a"), node_get(copy, "b"));
    arena_free(&a);
}

static void test_parameters_in_flow(void **state)
{
    (void)state;
    arena a = {0};
    node *n = read_good(
        &a, "- conv2d: {channels: ${width}, name: a${i}b${i}, k: ${w}} # ${c}\n- ${act}\n- '${x}${y'\n");
    const node *conv = node_get(n->items[0], "conv2d");
    assert_string_equal(node_get(conv, "channels")->s, "${width}");
    assert_string_equal(node_get(conv, "name")->s, "a${i}b${i}");
    assert_int_equal(node_get(conv, "k")->at.column, 53);
    assert_string_equal(n->items[1]->s, "${act}");
    assert_string_equal(n->items[2]->s, "${x}${y");
    arena_free(&a);
}

static void test_changing(void **state)
{
    (void)state;
    arena a = {0};
    node *m = tree_map(&a, NULL), *l = tree_list(&a, NULL);
    for (int i = 0; i < 100; i++) {
        node_put(&a, m, arena_printf(&a, "k%d", i), NULL,
                 tree_scalar(&a, arena_printf(&a, "%d", i), false, NULL));
        node_append(&a, l, m->items[i]);
    }
    assert_int_equal(m->n, 100);
    for (int i = 0; i < 100; i += 2) node_remove(m, arena_printf(&a, "k%d", i));
    node_remove(m, "absent");
    assert_int_equal(m->n, 50);
    for (int i = 0; i < 100; i += 2) node_put(&a, m, arena_printf(&a, "k%d", i), NULL, l->items[i]);
    for (int i = 0; i < 100; i++) assert_ptr_equal(node_get(m, arena_printf(&a, "k%d", i)), l->items[i]);
    node_put(&a, m, "k5", NULL, l);
    assert_int_equal(m->n, 100);
    assert_ptr_equal(node_get(m, "k5"), l);
    arena_free(&a);
}

static void test_equal(void **state)
{
    (void)state;
    arena a = {0};
    assert_true(node_equal(read_good(&a, "{a: 1, b: [x]}"), read_good(&a, "{b: ['x'], a: 1}")));
    assert_true(node_equal(read_good(&a, "1e-3"), read_good(&a, "0.001")));
    assert_true(node_equal(read_good(&a, "null"), read_good(&a, "~")));
    assert_false(node_equal(read_good(&a, "1"), read_good(&a, "'1'")));
    assert_false(node_equal(read_good(&a, "[1, 2]"), read_good(&a, "[2, 1]")));
    assert_false(node_equal(read_good(&a, "{a: 1}"), read_good(&a, "{a: 1, b: 2}")));
    assert_false(node_equal(read_good(&a, "{a: 1}"), read_good(&a, "{b: 1}")));
    arena_free(&a);
}

static void test_json(void **state)
{
    (void)state;
    arena a = {0};
    json_writer w = {0};
    tree_write_json(
        read_good(&a, "b: [1, +2, 1e-3, .inf, true, ~, '1', x]\na: {}\nc: 99999999999999999999\n"), &w);
    assert_string_equal(text_str(&w.out),
                        "{\"a\":{},\"b\":[1,2,0.001,\"inf\",true,null,\"1\",\"x\"],\"c\":1e+20}");
    text_free(&w.out);
    arena_free(&a);
}

static void test_write_style(void **state)
{
    (void)state;
    static const char source[] = "dataset:\n"
                                 "  type: cifar10\n"
                                 "  augment:\n"
                                 "    - random_crop: {padding: 4}\n"
                                 "    - horizontal_flip\n"
                                 "model:\n"
                                 "  - conv2d: {channels: 32, kernel: 3, bias: false, name: stem}\n"
                                 "  - relu\n"
                                 "  - one_of:\n"
                                 "      layers:\n"
                                 "        - [a, b]\n"
                                 "        - - c\n"
                                 "          - x: {y: 1}\n"
                                 "      p: 0.5\n"
                                 "plugins: [./maxout.so, /a/b.so]\n"
                                 "text: \"a: b\\n#c\"\n"
                                 "empty: []\n";
    arena a = {0};
    text t = {0};
    tree_write(read_good(&a, source), &t);
    assert_string_equal(text_str(&t), source);
    text_free(&t);
    tree_write_flow(read_good(&a, "type: adam\nlr: 1e-3\nnone: ~\n"), &t);
    assert_string_equal(text_str(&t), "{type: adam, lr: 1e-3, none: null}");
    text_free(&t);
    arena_free(&a);
}

/* ---- property: whatever is written reads back ---- */

static uint64_t seed = 1;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(seed >> 33) % n;
}

static const char *draw_text(arena *a)
{
    static const char *const awkward[] = {
        "",
        "null",
        "~",
        "true",
        "False",
        "yes",
        "no",
        "on",
        "off",
        "007",
        "0o7",
        "1",
        "-1",
        "1e-3",
        "1e3",
        ".inf",
        ".nan",
        "nan",
        "inf",
        "0x1F",
        "1_000",
        "a: b",
        "a #b",
        "#",
        "- a",
        "-",
        "---",
        "...",
        "? x",
        ": y",
        "[",
        "{a}",
        "]",
        "*a",
        "&a",
        "!t",
        "%TAG",
        "@",
        "`",
        "'",
        "\"",
        "\\",
        "<<",
        " lead",
        "end ",
        "a,b",
        "a\nb",
        "\n",
        "\r\n",
        "\t",
        "\x01\x1f",
        "\x7f",
        "\xC2\x85",
        "é",
        "日本",
        "😀",
        "\xE2\x80\xA8",
        "\xEF\xBB\xBF",
        "${depth}",
        "x${y}z",
        "|",
        ">",
        "=",
        "a: ",
        ":",
        "a:",
        "1:30",
        "2024-01-01",
        "./a/b",
        "../c",
        ".",
        "..",
        "...x",
        "a'b",
        "it's \"so\"",
        "key\\n",
        "\xC2\xA0",
        "line one\n  line two\n\nline four",
    };
    if (draw(2)) return awkward[draw(sizeof awkward / sizeof *awkward)];
    text t = {0};
    for (unsigned n = draw(draw(20) ? 12 : 1500); n; n--) {
        uint32_t c = draw(3) ? 0x20 + draw(0x5F) : draw(2) ? 1 + draw(0x250) : 1 + draw(0x10FFFD);
        if (c >= 0xD800 && c < 0xE000) c = 'x';
        if (c < 0x80) {
            text_char(&t, (char)c);
        } else if (c < 0x800) {
            text_printf(&t, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 0x3F)));
        } else if (c < 0x10000) {
            text_printf(&t, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3F)),
                        (int)(0x80 | (c & 0x3F)));
        } else {
            text_printf(&t, "%c%c%c%c", (int)(0xF0 | c >> 18), (int)(0x80 | (c >> 12 & 0x3F)),
                        (int)(0x80 | (c >> 6 & 0x3F)), (int)(0x80 | (c & 0x3F)));
        }
    }
    const char *s = arena_text(a, text_str(&t));
    text_free(&t);
    return s;
}

static node *draw_tree(arena *a, unsigned depth)
{
    unsigned kind = depth ? draw(4) : 0;
    if (kind < 2) return tree_scalar(a, draw_text(a), draw(2), NULL);
    node *n = kind == 2 ? tree_list(a, NULL) : tree_map(a, NULL);
    for (unsigned items = draw(5); items; items--) {
        node *inner = draw_tree(a, depth - 1);
        if (kind == 2)
            node_append(a, n, inner);
        else
            node_put(a, n, draw_text(a), NULL, inner);
    }
    return n;
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 1500; i++) {
        arena a = {0};
        node *n = draw_tree(&a, 1 + draw(6));
        text block = {0}, flow = {0};
        tree_write(n, &block);
        tree_write_flow(n, &flow);
        if (!node_equal(n, read_good(&a, text_str(&block)))) fail_msg("block:\n%s", text_str(&block));
        if (!node_equal(n, read_good(&a, text_str(&flow)))) fail_msg("flow:\n%s", text_str(&flow));
        assert_null(strchr(text_str(&flow), '\n'));
        json_writer one = {0}, two = {0};
        tree_write_json(n, &one);
        tree_write_json(read_good(&a, text_str(&block)), &two);
        assert_string_equal(text_str(&one.out), text_str(&two.out));
        text_free(&one.out);
        text_free(&two.out);
        text_free(&block);
        text_free(&flow);
        arena_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_places),
        cmocka_unit_test(test_byte_order_mark_and_line_ends),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_billion_laughs),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_parameters_in_flow),
        cmocka_unit_test(test_changing),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_write_style),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
