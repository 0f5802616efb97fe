/* What a run's journals come to while they grow. */
#include "fake.h"

#include "journal/record.h"

static journal *attempt(const char *dir, int number, int64_t from)
{
    char *path = mem_printf("%s/journal.%d", dir, number);
    journal *j = journal_create(path, NULL);
    assert_non_null(j);
    record_segment(j, number, from, "key", NULL);
    mem_free(path);
    return j;
}

static void epoch(journal *j, int64_t step, int64_t number, double loss, double accuracy)
{
    metric m[] = {{"val_loss", loss}, {"val_accuracy", accuracy}};
    record_metrics(j, "epoch", step, number, m, 2, NULL);
}

static journal *events_of(const char *dir)
{
    char *path = path_join(dir, "events");
    journal *j = journal_continue(path, NULL);
    assert_non_null(j);
    mem_free(path);
    return j;
}

static void assert_state(follow *f, follow_state expected)
{
    follow_read(f);
    assert_string_equal(follow_state_name(follow_state_of(f)), follow_state_name(expected));
}

static void test_growing(void **unused)
{
    (void)unused;
    char *dir = fake_folder();
    follow *f = follow_open(dir);
    assert_false(follow_read(f));
    assert_state(f, FOLLOW_PLANNED);
    journal *j = attempt(dir, 1, 0);
    assert_true(follow_read(f));
    assert_false(follow_read(f));
    metric m = {"train_loss", 2.5};
    record_metrics(j, "step", 7, 0, &m, 1, NULL);
    epoch(j, 10, 1, 0.5, 0.25);
    assert_true(follow_read(f));
    assert_int_equal(f->step, 10);
    assert_int_equal(f->epoch, 1);
    assert_true(follow_last(&f->steps, "train_loss")->value == 2.5);
    epoch(j, 20, 2, 0.4, 0.75);
    epoch(j, 30, 3, 0.6, 0.75);
    follow_read(f);
    assert_true(follow_best(f, "val_loss", false)->value == 0.4);
    assert_int_equal(follow_best(f, "val_accuracy", true)->epoch, 2); /* the first of equals */
    assert_null(follow_best(f, "nothing", true));
    metric t = {"test_accuracy", 0.7};
    record_metrics(j, "run", 30, 3, &t, 1, NULL);
    record_end(j, "finished", 30, "", NULL);
    assert_state(f, FOLLOW_FINISHED);
    assert_true(follow_best(f, "test_accuracy", true)->value == 0.7);
    journal_close(j);
    follow_close(f);
    fake_cleanup();
}

/* Rows behind the step from which a later attempt resumed are replaced by its own. */
static void test_resumed(void **unused)
{
    (void)unused;
    char *dir = fake_folder();
    journal *j = attempt(dir, 1, 0);
    epoch(j, 10, 1, 0.5, 0.1);
    epoch(j, 20, 2, 0.1, 0.9);
    journal_close(j);
    follow *f = follow_open(dir);
    follow_read(f);
    assert_int_equal(f->epoch, 2);
    j = attempt(dir, 2, 10);
    assert_true(follow_read(f));
    assert_int_equal(f->attempt, 2);
    assert_int_equal(f->epoch, 1);
    assert_int_equal(f->step, 10);
    assert_true(follow_best(f, "val_accuracy", true)->value == 0.1);
    epoch(j, 20, 2, 0.3, 0.4);
    follow_read(f);
    assert_true(follow_best(f, "val_accuracy", true)->value == 0.4);
    record_end(j, "stopped", 20, "on request", NULL);
    assert_state(f, FOLLOW_STOPPED);
    journal_close(j);
    follow_close(f);
    fake_cleanup();
}

static void test_states(void **unused)
{
    (void)unused;
    char *dir = fake_folder();
    follow *f = follow_open(dir);
    journal *events = events_of(dir);
    record_start(events, 1, getpid(), NULL); /* just begun: a process that has no lock yet */
    assert_state(f, FOLLOW_RUNNING);
    record_exit(events, 1, 5, 0, 0.5, NULL); /* it never had a journal */
    assert_state(f, FOLLOW_FAILED);
    record_start(events, 1, 1 << 30, NULL);
    assert_state(f, FOLLOW_KILLED); /* no such process */
    journal *j = attempt(dir, 1, 0);
    char *lock = path_join(dir, "lock");
    int fd = file_lock(lock, 0, NULL);
    assert_state(f, FOLLOW_RUNNING);
    file_unlock(fd);
    assert_state(f, FOLLOW_KILLED); /* nobody is left, and nobody has said how it ended */
    record_exit(events, 1, 0, 11, 0.5, NULL);
    assert_state(f, FOLLOW_KILLED);
    assert_int_equal(f->signal, 11);
    record_start(events, 2, 1 << 30, NULL);
    record_exit(events, 2, 75, 0, 1.5, NULL);
    assert_state(f, FOLLOW_STOPPED);
    assert_true(f->seconds == 2.5);
    journal_close(j);
    j = attempt(dir, 2, 0);
    record_end(j, "failed", 3, "not finite", NULL);
    assert_state(f, FOLLOW_FAILED);
    assert_string_equal(f->end_text, "not finite");
    record_start(events, 3, 1 << 30, NULL);
    record_exit(events, 3, 0, 9, 1.5, NULL); /* one that was killed before its journal */
    assert_state(f, FOLLOW_KILLED);
    journal_close(j);
    journal_close(events);
    mem_free(lock);
    follow_close(f);
    fake_cleanup();
}

static void test_torn_and_foreign(void **unused)
{
    (void)unused;
    char *dir = fake_folder(), *path = path_join(dir, "journal.1"), *second = path_join(dir, "journal.2");
    journal *j = attempt(dir, 1, 0);
    epoch(j, 10, 1, 0.5, 0.1);
    static const char odd[] = "{\"t\":\"metrics\",\"scope\":\"epoch\",\"m\":[1,2]}";
    journal_append(j, odd, sizeof odd - 1, NULL);
    journal_append(j, "[]", 2, NULL);
    journal_append(j, "no json", 7, NULL);
    epoch(j, 20, 2, 0.5, 0.2);
    journal_close(j);
    FILE *file = fopen(path, "ab"); /* killed in the middle of a record */
    fwrite("\x40\0\0\0abcd{", 1, 9, file);
    fclose(file);
    follow *f = follow_open(dir);
    follow_read(f);
    assert_int_equal(f->epoch, 2);
    file = fopen(second, "wb");
    fputs("what is this", file);
    fclose(file);
    assert_false(follow_read(f));
    assert_int_equal(f->attempt, 1);
    follow_close(f);
    mem_free(path);
    mem_free(second);
    fake_cleanup();
}

/* The supervisor's file goes on in a new part behind a torn tail. */
static void test_parts(void **unused)
{
    (void)unused;
    char *dir = fake_folder(), *path = path_join(dir, "events");
    journal *j = events_of(dir);
    record_start(j, 1, 1 << 30, NULL);
    journal_close(j);
    follow *f = follow_open(dir);
    follow_read(f);
    FILE *file = fopen(path, "ab");
    fwrite("\x40\0", 1, 2, file);
    fclose(file);
    j = events_of(dir);
    record_exit(j, 1, 75, 0, 1, NULL);
    record_start(j, 2, 1 << 30, NULL);
    assert_true(follow_read(f));
    assert_int_equal(f->started, 2);
    assert_int_equal(f->exited, 1);
    journal_close(j);
    follow_close(f);
    mem_free(path);
    fake_cleanup();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing), cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_states),  cmocka_unit_test(test_torn_and_foreign),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
