/* Tests that records say what journal/record.h promises; must not know how they are framed. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "journal/record.h"

static const char *const expected[] = {
    "{\"t\":\"segment\",\"attempt\":2,\"from_step\":390,\"exact_key\":\"k\",\"time\":",
    "{\"t\":\"metrics\",\"scope\":\"step\",\"step\":10,\"epoch\":0,\"m\":{\"train_loss\":2.1,\"lr\":0.1}}",
    "{\"t\":\"metrics\",\"scope\":\"epoch\",\"step\":390,\"epoch\":1,\"m\":{\"\\n\":\"nan\",\"c\":\"-inf\"}}",
    "{\"t\":\"measured\",\"step\":390,\"epoch\":1,\"m\":{\"seconds\":0.3}}",
    "{\"t\":\"kernels\",\"choices\":{\"stem\":\"conv.onednn c16\"}}",
    "{\"t\":\"artifact\",\"kind\":\"checkpoint\",\"path\":\"checkpoints/best.safetensors\",\"step\":390}",
    "{\"t\":\"event\",\"kind\":\"warning\",\"text\":\"x\",\"time\":",
    "{\"t\":\"end\",\"state\":\"finished\",\"step\":1170,\"text\":null,\"time\":",
    "{\"t\":\"start\",\"attempt\":1,\"pid\":123,\"time\":",
    "{\"t\":\"exit\",\"attempt\":1,\"code\":0,\"signal\":9,\"seconds\":12.5,\"time\":",
    "{\"t\":\"tag\",\"tag\":\"baseline\",\"time\":",
};

static void wording(void **state)
{
    (void)state;
    char path[] = "/tmp/convoy-record-XXXXXX";
    assert_non_null(mkdtemp(path));
    char *file = path_join(path, "journal.1");
    errors e = {0};
    journal *j = journal_create(file, &e);
    assert_non_null(j);
    const metric step[] = {{"train_loss", 2.1}, {"lr", 0.1}},
                 odd[] = {{"\n", (double)NAN}, {"c", -(double)INFINITY}};
    const metric seconds = {"seconds", 0.1 + 0.2}; /* 0.30000000000000004 */
    record_segment(j, 2, 390, "k", &e);
    record_metrics(j, "step", 10, 0, step, 2, &e);
    record_metrics(j, "epoch", 390, 1, odd, 2, &e);
    record_metrics(j, NULL, 390, 1, &seconds, 1, &e);
    record_kernels(j, "{\"stem\":\"conv.onednn c16\"}", &e);
    record_artifact(j, "checkpoint", "checkpoints/best.safetensors", 390, &e);
    record_event(j, "warning", "x", &e);
    record_end(j, "finished", 1170, NULL, &e);
    record_start(j, 1, 123, &e);
    record_exit(j, 1, 0, 9, 12.5, &e);
    record_tag(j, "baseline", &e);
    journal_close(j);
    assert_int_equal(errors_count(&e), 0);

    journal_reader r;
    assert_int_equal(journal_open(&r, file, 0, &e), CVY_OK);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(journal_next(&r), JOURNAL_RECORD);
        size_t n = strlen(expected[i]);
        if (strncmp(r.payload, expected[i], n)) fail_msg("%s instead of %s", r.payload, expected[i]);
        arena a = {0};
        const json *v = json_parse(&a, r.payload, r.n, NULL, NULL);
        assert_non_null(v);
        if (text_ends(expected[i], "\"time\":"))
            assert_true(json_get_double(v, "time", 0) > 1.7e9);
        else
            assert_int_equal(r.n, n);
        arena_free(&a);
    }
    assert_int_equal(journal_next(&r), JOURNAL_END);
    journal_end(&r);
    mem_free(file);
    file_remove_tree(path, NULL);
}

static void rounding(void **state)
{
    (void)state;
    assert_true(record_round(0.1 + 0.2) == 0.3);
    assert_true(record_round(-1.0 / 3) == -0.333333333333333);
    assert_true(record_round(5e-324) == 5e-324);
    assert_true(record_round(1.7976931348623157e308) > 1e308);
    assert_true(isnan(record_round((double)NAN)));
    assert_true(record_round((double)INFINITY) == (double)INFINITY);
    srand(1);
    for (int i = 0; i < 10000; i++) {
        double v = record_round((double)rand() / (1 + (double)rand())), back;
        char s[40];
        snprintf(s, sizeof s, "%.15g", v);
        back = strtod(s, NULL);
        assert_true(back == v);
        assert_true(record_round(v) == v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wording), cmocka_unit_test(rounding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
