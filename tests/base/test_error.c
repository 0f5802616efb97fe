/* Tests core/base/error: contexts, the text a person reads with its caret, and the way through JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"

static void same_text(const errors *e, bool colour, const char *expected)
{
    text t = {0};
    errors_text(e, colour, &t);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
}

static void empty(void **state)
{
    (void)state;
    errors e = {0};
    assert_int_equal(errors_status(&e), CVY_OK);
    assert_int_equal(errors_count(&e), 0);
    same_text(&e, false, "");
    errors_free(&e);
    assert_int_equal(errors_add(NULL, CVY_ERR_RUN, NULL, NULL, "nobody listens"), CVY_ERR_RUN);
    errors_warn(NULL, NULL, NULL, "nobody listens");
}

static void place_context_source_hint(void **state)
{
    (void)state;
    errors e = {0};
    char file[] = "experiments/x.yaml", source[] = "    kernel: 0", hint[] = "at least 1";
    const place at = {file, 14, 13, -1, source};
    errors_push(&e, "layer \"%s\" (conv2d)", "stem");
    errors_push(&e, "kernel");
    assert_int_equal(errors_add(&e, CVY_ERR_CONFIG, &at, hint, "%d is below %d", 0, 1), CVY_ERR_CONFIG);
    errors_pop(&e);
    errors_pop(&e);
    memset(file, '?', sizeof file - 1); /* the message owns its copies */
    memset(source, '?', sizeof source - 1);
    memset(hint, '?', sizeof hint - 1);
    errors_warn(&e, &PLACE_FILE("a.so"), NULL, "old");
    errors_add(&e, CVY_ERR_RUN, NULL, NULL, "nowhere");
    errors_add(&e, CVY_ERR_CONFIG, &PLACE_AT("data.bin", 30730), NULL, "label 11 is above 9");
    errors_add(&e, CVY_ERR_CONFIG, &(place){"y.yaml", 3, 0, -1, NULL}, NULL, "line only");
    same_text(&e, false,
              "experiments/x.yaml:14:13: layer \"stem\" (conv2d): kernel: 0 is below 1\n"
              "  14 |     kernel: 0\n"
              "     |             ^\n"
              "  hint: at least 1\n"
              "a.so: warning: old\n"
              "nowhere\n"
              "data.bin: byte 30730: label 11 is above 9\n"
              "y.yaml:3: line only\n");
    assert_int_equal(errors_status(&e), CVY_ERR_CONFIG);
    assert_int_equal(errors_count(&e), 4);
    errors_free(&e);
}

static void colour(void **state)
{
    (void)state;
    errors e = {0};
    errors_add(&e, CVY_ERR_CONFIG, &(place){"x", 1, 2, -1, "ab"}, NULL, "bad");
    errors_add(&e, CVY_ERR_CONFIG, NULL, NULL, "plain");
    same_text(&e, true, "\x1b[1mx:1:2:\x1b[0m bad\n  1 | ab\n    |  \x1b[32m^\x1b[0m\nplain\n");
    errors_free(&e);
}

/* The line under the source must point at `under`, whatever was cut or escaped before it. */
static void points_at(const char *source, int column, const char *under)
{
    errors e = {0};
    errors_add(&e, CVY_ERR_CONFIG, &(place){"x", 7, column, -1, source}, NULL, "bad");
    text t = {0};
    errors_text(&e, false, &t);
    char *shown = strchr(text_str(&t), '\n') + 1, *caret = strchr(shown, '\n') + 1;
    size_t skip = strcspn(caret, "^"), i = 0;
    assert_int_equal(caret[skip], '^');
    while (skip--) {
        size_t len = text_utf8(shown + i, strlen(shown + i), NULL);
        assert_true(len > 0);
        i += len;
    }
    if (!text_starts(shown + i, under)) fail_msg("the caret points at '%.20s', not '%s'", shown + i, under);
    text_free(&t);
    errors_free(&e);
}

static void caret_counts_code_points(void **state)
{
    (void)state;
    points_at("name: x", 1, "name");
    points_at("größe: 3x", 8, "3x");
    points_at("\xE2\x82\xAC\xF0\x9F\x98\x80: y", 5, "y");
    points_at("\t\tkernel: 0", 3, "kernel");
    points_at("a\x1b: 1", 3, ": 1");
    points_at("\xFF\xFE: 1", 3, ": 1");
    points_at("kernel:", 8, "\n");   /* just behind */
    points_at("kernel:", 800, "\n"); /* a column that is not there */
    points_at("", 1, "\n");
}

static void long_lines_are_cut_around_the_caret(void **state)
{
    (void)state;
    char line[2001];
    for (int where = 1; where <= 2000; where += 199) {
        memset(line, '.', 2000);
        line[2000] = '\0';
        line[where - 1] = '@';
        points_at(line, where, "@");
        errors e = {0};
        errors_add(&e, CVY_ERR_CONFIG, &(place){"x", 7, where, -1, line}, NULL, "bad");
        text t = {0};
        errors_text(&e, false, &t);
        const char *shown = strchr(text_str(&t), '\n') + 1;
        assert_true(strcspn(shown, "\n") < 120);
        text_free(&t);
        errors_free(&e);
    }
    /* 100 fit whole */
    memset(line, '.', 100);
    line[100] = '\0';
    errors e = {0};
    errors_add(&e, CVY_ERR_CONFIG, &(place){"x", 7, 100, -1, line}, NULL, "bad");
    text t = {0};
    errors_text(&e, false, &t);
    assert_non_null(strstr(text_str(&t), line));
    text_free(&t);
    errors_free(&e);
}

static void nothing_reaches_the_terminal_raw(void **state)
{
    (void)state;
    errors e = {0};
    errors_push(&e, "layer \"%s\"", "\x1b[2J");
    errors_add(&e, CVY_ERR_CONFIG,
               &(place){"a\x1b"
                        "b",
                        1, 1, -1, "\x1b]0;title\a"},
               "try \x1b[0m", "bad \r\x9b\x07");
    errors_pop(&e);
    text t = {0};
    errors_text(&e, false, &t);
    for (size_t i = 0; i < t.n; i++)
        assert_true(t.s[i] == '\n' || ((unsigned char)t.s[i] >= 0x20 && (unsigned char)t.s[i] < 0x7F));
    text_free(&t);
    errors_free(&e);
    /* a forged second message stays visibly inside the first */
    errors_add(&e, CVY_ERR_CONFIG, &PLACE_FILE("x"), NULL, "one\ny: two");
    same_text(&e, false, "x: one\n    y: two\n");
    errors_free(&e);
}

static void floods_are_counted(void **state)
{
    (void)state;
    errors e = {0};
    for (int i = 0; i < 150; i++) errors_warn(&e, NULL, NULL, "warning %d", i);
    assert_int_equal(errors_status(&e), CVY_OK);
    errors_add(&e, CVY_ERR_PLUGIN, NULL, NULL, "the first error");
    for (int i = 1; i < 250; i++) errors_add(&e, CVY_ERR_CONFIG, NULL, NULL, "error %d", i);
    assert_int_equal(errors_status(&e), CVY_ERR_PLUGIN); /* not hidden by the warnings before it */
    assert_int_equal(errors_count(&e), 250);
    assert_int_equal(e.n, 200);
    text t = {0};
    errors_text(&e, false, &t);
    assert_true(text_ends(text_str(&t), "... and 150 more errors\n... and 50 more warnings\n"));
    text_free(&t);
    errors into = {0};
    errors_add(&into, CVY_ERR_RUN, NULL, NULL, "mine");
    errors_move(&into, &e);
    assert_int_equal(errors_count(&into), 251);
    assert_int_equal(errors_count(&e), 0);
    errors_free(&into);
    errors_free(&e);
}

static void moves(void **state)
{
    (void)state;
    errors to = {0}, from = {0};
    errors_push(&from, "inside");
    errors_add(&from, CVY_ERR_RUN, NULL, NULL, "a");
    errors_push(&to, "outside");
    errors_move(&to, &from);
    errors_add(&from, CVY_ERR_RUN, NULL, NULL, "b"); /* its context outlives the move */
    errors_pop(&from);
    same_text(&from, false, "inside: b\n");
    same_text(&to, false, "inside: a\n");
    errors_move(&to, &from); /* leaves nothing to free */
    assert_null(from.items);
    assert_null(from.context);
    errors_pop(&to);
    assert_int_equal(errors_count(&to), 2);
    errors_free(&to);
}

static void through_json(void **state)
{
    (void)state;
    errors e = {0};
    errors_add(&e, CVY_ERR_PLUGIN, &(place){"x \"y\".yaml", 4, 9, -1, "\tk: \xC3\xB6"}, "try\nthis",
               "no \\ good");
    errors_add(&e, CVY_ERR_CONFIG, &PLACE_AT("data.bin", 5000000000), NULL, "bad magic");
    errors_warn(&e, NULL, NULL, "careful");
    json_writer w = {0};
    errors_write_json(&e, &w);
    arena a = {0};
    const char *error = NULL;
    size_t offset = 0;
    json *v = json_parse(&a, w.out.s, w.out.n, &error, &offset);
    assert_non_null(v);
    assert_int_equal(json_get_int(v->items[0], "status", 0), CVY_ERR_PLUGIN);
    assert_int_equal(json_get(v->items[2], "file")->kind, JSON_NULL);
    errors again = {0};
    errors_read_json(&again, v);
    text before = {0}, after = {0};
    errors_text(&e, false, &before);
    errors_text(&again, false, &after);
    assert_string_equal(before.s, after.s);
    assert_int_equal(errors_status(&again), CVY_ERR_PLUGIN);
    assert_int_equal(errors_count(&again), 2);
    text_free(&before);
    text_free(&after);
    text_free(&w.out);
    errors_free(&e);
    errors_free(&again);
    arena_free(&a);
}

static void a_lying_child_stays_an_error(void **state)
{
    (void)state;
    const char *s = "[{\"status\":0,\"what\":\"zero\"},{\"status\":99,\"line\":-5,\"column\":9e99},7,"
                    "{\"status\":\"2\",\"line\":99999999999,\"offset\":-7,\"what\":3}]";
    arena a = {0};
    json *v = json_parse(&a, s, strlen(s), NULL, NULL);
    assert_non_null(v);
    errors e = {0};
    errors_read_json(&e, v);
    assert_int_equal(e.n, 3);
    for (size_t i = 0; i < e.n; i++) {
        assert_int_equal(e.items[i].status, CVY_ERR_RUN);
        assert_int_equal(e.items[i].line, 0);
        assert_int_equal(e.items[i].offset, -1);
        assert_non_null(e.items[i].what);
    }
    errors_read_json(&e, NULL);
    errors_read_json(&e, v->items[0]);
    assert_int_equal(e.n, 3);
    errors_free(&e);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(place_context_source_hint),
        cmocka_unit_test(colour),
        cmocka_unit_test(caret_counts_code_points),
        cmocka_unit_test(long_lines_are_cut_around_the_caret),
        cmocka_unit_test(nothing_reaches_the_terminal_raw),
        cmocka_unit_test(floods_are_counted),
        cmocka_unit_test(moves),
        cmocka_unit_test(through_json),
        cmocka_unit_test(a_lying_child_stays_an_error),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
