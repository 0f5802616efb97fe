/* Tests the SQL of docs/database.md: every ```sql block in it runs against a real database and has an answer. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "report/store.h"
#include "runs.h"

static void readme(void **state)
{
    (void)state;
    char results[] = "/tmp/convoy-queries-XXXXXX", *page = NULL;
    size_t n, blocks = 0;
    if (file_read(SOURCE_DIR "/docs/database.md", 1u << 24, &page, &n, NULL) != CVY_OK) skip();
    assert_non_null(mkdtemp(results));
    static const char *const params[] = {",\"train.optimizer.lr\":\"0.1\"",
                                         ",\"train.optimizer.lr\":\"0.001\""};
    made_sweep(results, "s1", 4);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", 1 + i);
        made_run r = {.name = name,
                      .experiment = "x",
                      .sweep = "s1",
                      .label = i % 2 ? "b" : "a",
                      .trial = i % 2,
                      .repeat = i / 2,
                      .seed = i / 2,
                      .params = params[i % 2]};
        made_whole(results, &r, 5, 0.2);
    }
    made_run killed = {.name = "r5", .experiment = "x", .seed = 9};
    char *dir = made_describe(results, &killed);
    journal *events = made_events(dir);
    record_start(events, 1, 7, NULL);
    record_exit(events, 1, 0, 9, 3.5, NULL);
    record_event(events, "warning", "said", NULL);
    journal_close(events);
    mem_free(dir);
    store *s = store_open(results, NULL);
    assert_non_null(s);
    assert_int_equal(store_ingest_all(s, NULL), CVY_OK);
    store_close(s);

    for (char *at = page; (at = strstr(at, "```sql\n"));) {
        at += strlen("```sql\n");
        char *end = strstr(at, "```");
        assert_non_null(end);
        char *question = mem_text_n(at, (size_t)(end - at)), *answer = dump_ask(results, question);
        if (!*answer || text_starts(answer, "error: ")) fail_msg("%s\n%s", answer, question);
        mem_free(question);
        mem_free(answer);
        at = end + 3;
        blocks++;
    }
    mem_free(page);
    file_remove_tree(results, NULL);
    if (!blocks) skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(readme)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
