/* Tables, the width of characters, and the progress line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/progress.h"
#include "cli/table.h"
#include "cli/width.h"

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(width_of(""), 0);
    assert_int_equal(width_of("abc"), 3);
    assert_int_equal(width_of("\303\251t\303\251"), 3);            /* été */
    assert_int_equal(width_of("e\314\201"), 1);                    /* e and a combining accent */
    assert_int_equal(width_of("\345\261\202"), 2);                 /* a CJK character */
    assert_int_equal(width_of("\xff\xfe"), 2);                     /* not UTF-8 */
    assert_int_equal(width_cut("\345\261\202\345\261\202", 3), 3); /* half a character is none */
    assert_int_equal(width_cut("abc", 0), 0);
    assert_int_equal(width_cut("abc", 9), 3);
}

static void says(const table *t, bool colour, const char *expected)
{
    text out = {0};
    table_write(t, colour, &out);
    assert_string_equal(text_str(&out), expected);
    text_free(&out);
}

static void test_table(void **state)
{
    (void)state;
    table t = {0};
    says(&t, false, "");
    table_column(&t, "RUN", TABLE_LEFT);
    table_column(&t, "ACC", TABLE_RIGHT);
    table_column(&t, "NOTE", TABLE_LEFT);
    says(&t, true, "\x1b[1mRUN  ACC  NOTE\x1b[0m\n");
    table_cell(&t, "caf\303\251");
    table_cellf(&t, "%.2f", 9.5);
    table_cell(&t, "");
    table_cell(&t, "r2");
    table_cell(&t, "12.25");
    table_cell(&t, "a\nb\x1b[31m");
    says(&t, false,
         "RUN     ACC  NOTE\n"
         "caf\303\251   9.50\n"
         "r2    12.25  a\\x0Ab\\x1B[31m\n");
    table_cell(&t, "r3");
    table_cell(&t, "");
    table_cell(&t, "x");
    table_cell(&t, "alone"); /* a row not filled up */
    says(&t, false,
         "RUN      ACC  NOTE\n"
         "caf\303\251    9.50\n"
         "r2     12.25  a\\x0Ab\\x1B[31m\n"
         "r3            x\n"
         "alone\n");
    table_free(&t);
    table_column(&t, "", TABLE_LEFT);
    table_column(&t, "", TABLE_LEFT);
    table_cell(&t, "a");
    table_cell(&t, "b");
    says(&t, true, "a  b\n");
    table_free(&t);
    char *endless = mem_alloc(70001);
    memset(endless, 'x', 70000);
    table_column(&t, "a\x1b[31m\nb", TABLE_LEFT);
    table_column(&t, endless, TABLE_LEFT);
    table_cell(&t, endless);
    table_cell(&t, "y");
    text out = {0};
    table_write(&t, false, &out);
    assert_true(text_starts(text_str(&out), "a\\x1B[31m\\x0Ab"));
    assert_non_null(strstr(text_str(&out), "xxx...  y\n"));
    assert_true(out.n < 3000);
    text_free(&out);
    table_free(&t);
    mem_free(endless);
}

static void line(const progress *p, int64_t done, int64_t total, const char *label, size_t width,
                 const char *expected)
{
    text out = {0};
    progress_line(p, done, total, label, width, &out);
    assert_string_equal(text_str(&out), expected);
    assert_true(width_of(text_str(&out)) < width || !width);
    text_free(&out);
}

static void test_progress(void **state)
{
    (void)state;
    progress p = {.unit = "images"};
    line(&p, 0, 100, "epoch 1/3", 40, "epoch 1/3 [----------------------]   0%");
    line(&p, 50, 100, "epoch 1/3", 40, "epoch 1/3 [###########-----------]  50%");
    line(&p, 200, 100, "epoch 1/3", 200, "epoch 1/3 [##############################] 100%");
    line(&p, 50, 0, "epoch 1/3", 40, "epoch 1/3"); /* total not known */
    p.rate = 1234.4;
    line(&p, 1000, 10000, "r1", 60, "r1 [##---------------------]  10%  1,234 images/s  ETA 0:07");
    line(&p, 1000, 50000000, "r1", 80,
         "r1 [------------------------------]   0%  1,234 images/s  ETA 11:15:05");
    line(&p, 1000, 10000, "a rather long label", 50, "a rather long labe  10%  1,234 images/s  ETA 0:07");
    line(&p, 1000, 10000, "label", 20, "label [#----------]");
    line(&p, 1000, 10000, "label", 4, "lab");
    line(&p, 1000, 10000, "label", 0, "");
    p.rate = 0.25;
    line(&p, 1, 10, "r1\x1b[2J", 80,
         "r1\\x1B[2J [###---------------------------]  10%  0.25 images/s  ETA 0:36");
}

static void test_progress_off(void **state)
{
    (void)state;
    progress p = progress_open(NULL, "images");
    p.on = false;
    progress_update(&p, 1, 2, "x");
    assert_false(p.visible);
    progress_clear(&p);
}

/* A long table in pieces reads as if it had been one. */
static void test_pieces(void **unused)
{
    (void)unused;
    static const char *const rows[][2] = {{"a", "1"}, {"as wide as none", "22"}, {"b\xc3\xa4", "333"}};
    table whole = {0}, parts = {0};
    text once = {0}, pieces = {0};
    table_column(&whole, "NAME", TABLE_LEFT);
    table_column(&whole, "N", TABLE_RIGHT);
    table_column(&parts, "NAME", TABLE_LEFT);
    table_column(&parts, "N", TABLE_RIGHT);
    for (int k = 0; k < 6; k++) table_cell(&whole, rows[k / 2][k % 2]);
    table_write(&whole, false, &once);
    for (int k = 0; k < 6; k++) {
        table_cell(&parts, rows[k / 2][k % 2]);
        if (k % 2) table_measure(&parts);
    }
    for (int k = 0; k < 6; k++) {
        table_cell(&parts, rows[k / 2][k % 2]);
        if (k % 2) table_piece(&parts, false, &pieces);
    }
    assert_string_equal(text_str(&pieces), text_str(&once));
    table_free(&whole);
    table_free(&parts);
    text_free(&once);
    text_free(&pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_width),        cmocka_unit_test(test_table),  cmocka_unit_test(test_progress),
        cmocka_unit_test(test_progress_off), cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
