/* Tests the journal's framing against kills, bit flips and hostile files; must not know what records mean. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "journal/journal.h"

static char dir[64];
static char path[96];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/convoy-journal-XXXXXX");
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/journal.1", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(dir, NULL) != CVY_OK;
}

static const char *const three[] = {"{\"a\":1}", "{\"b\":[1,2,3]}", "{\"c\":\"third\"}"};

static void write_three(void)
{
    errors e = {0};
    journal *j = journal_create(path, &e);
    assert_non_null(j);
    for (int i = 0; i < 3; i++) assert_int_equal(journal_append(j, three[i], strlen(three[i]), &e), CVY_OK);
    assert_int_equal(journal_sync(j, &e), CVY_OK);
    journal_close(j);
    assert_int_equal(errors_count(&e), 0);
}

static char *slurp(const char *name, size_t *n)
{
    char *s = NULL;
    assert_int_equal(file_read(name, 1u << 26, &s, n, NULL), CVY_OK);
    return s;
}

static void spill(const char *name, const char *s, size_t n)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(s, 1, n, f), n);
    fclose(f);
}

/* Reads what it can; returns the number of records and how reading stopped. */
static int count(const char *name, journal_next_result *last)
{
    journal_reader r;
    int n = 0;
    assert_int_equal(journal_open(&r, name, 0, NULL), CVY_OK);
    while ((*last = journal_next(&r)) == JOURNAL_RECORD) {
        if (n < 3) assert_string_equal(r.payload, three[n]);
        n++;
    }
    journal_end(&r);
    return n;
}

static void round_trip(void **state)
{
    (void)state;
    write_three();
    journal_reader r;
    uint64_t second = 0;
    assert_int_equal(journal_open(&r, path, 0, NULL), CVY_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(journal_next(&r), JOURNAL_RECORD);
        assert_int_equal(r.n, strlen(three[i]));
        assert_string_equal(r.payload, three[i]);
        if (!i) second = r.offset;
    }
    assert_int_equal(journal_next(&r), JOURNAL_END);
    assert_int_equal(r.offset, file_size(path));
    journal_end(&r);
    /* from a cursor */
    assert_int_equal(journal_open(&r, path, second, NULL), CVY_OK);
    assert_int_equal(journal_next(&r), JOURNAL_RECORD);
    assert_string_equal(r.payload, three[1]);
    journal_end(&r);
    assert_null(journal_create(path, NULL)); /* exists */
}

static void follows_a_growing_file(void **state)
{
    (void)state;
    journal *j = journal_create(path, NULL);
    journal_reader r;
    assert_int_equal(journal_open(&r, path, 0, NULL), CVY_OK);
    for (int i = 0; i < 2000; i++) {
        char s[64];
        int n = snprintf(s, sizeof s, "{\"i\":%d}", i);
        assert_int_equal(journal_next(&r), JOURNAL_END);
        assert_int_equal(journal_append(j, s, (size_t)n, NULL), CVY_OK);
        assert_int_equal(journal_next(&r), JOURNAL_RECORD);
        assert_string_equal(r.payload, s);
    }
    journal_end(&r);
    journal_close(j);
}

static void large_records(void **state)
{
    (void)state;
    journal *j = journal_create(path, NULL);
    char *s = mem_try(JOURNAL_MAX_RECORD + 1u, 1);
    memset(s, 'x', JOURNAL_MAX_RECORD + 1u);
    static const size_t sizes[] = {1, 65527, 65528, 65536, 65537, 300000, JOURNAL_MAX_RECORD};
    for (size_t i = 0; i < 7; i++) assert_int_equal(journal_append(j, s, sizes[i], NULL), CVY_OK);
    assert_int_equal(journal_append(j, s, 0, NULL), CVY_ERR_RESOURCE);
    assert_int_equal(journal_append(j, s, JOURNAL_MAX_RECORD + 1u, NULL), CVY_ERR_RESOURCE);
    assert_int_equal(journal_append(j, s, 5, NULL), CVY_OK); /* a refusal wrote nothing */
    journal_close(j);
    journal_reader r;
    assert_int_equal(journal_open(&r, path, 0, NULL), CVY_OK);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(journal_next(&r), JOURNAL_RECORD);
        assert_int_equal(r.n, i < 7 ? sizes[i] : 5);
        assert_int_equal(strspn(r.payload, "x"), r.n);
    }
    assert_int_equal(journal_next(&r), JOURNAL_END);
    journal_end(&r);
    mem_free(s);
}

/* A kill can leave any number of bytes. */
static void torn_at_every_length(void **state)
{
    (void)state;
    write_three();
    size_t n;
    char *all = slurp(path, &n);
    for (size_t keep = 0; keep < n; keep++) {
        spill(path, all, keep);
        size_t ends = 8;
        int whole = 0;
        for (int i = 0; i < 3 && ends + 8 + strlen(three[i]) <= keep; i++) {
            ends += 8 + strlen(three[i]);
            whole++;
        }
        journal_next_result last;
        assert_int_equal(count(path, &last), whole);
        assert_int_equal(last, JOURNAL_END);

        /* and going on writes nothing behind the tear */
        journal *j = journal_continue(path, NULL);
        assert_non_null(j);
        assert_int_equal(journal_append(j, three[0], strlen(three[0]), NULL), CVY_OK);
        journal_close(j);
        char *part = journal_part(path, 2);
        if (keep == ends) {
            assert_null(part); /* no tear */
            assert_int_equal(file_size(path), (int64_t)(keep + 8 + strlen(three[0])));
        } else {
            assert_non_null(part);
            assert_int_equal(file_size(path), (int64_t)keep);
            assert_int_equal(count(part, &last), 1);
            /* a second time: goes on in the part */
            j = journal_continue(path, NULL);
            assert_int_equal(journal_append(j, three[1], strlen(three[1]), NULL), CVY_OK);
            journal_close(j);
            assert_int_equal(count(part, &last), 2);
            char *third = journal_part(path, 3);
            assert_null(third);
            assert_int_equal(unlink(part), 0);
        }
        mem_free(part);
    }
    mem_free(all);
}

static void bit_flips(void **state)
{
    (void)state;
    write_three();
    size_t n;
    char *all = slurp(path, &n);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        all[bit / 8] = (char)(all[bit / 8] ^ 1 << bit % 8);
        spill(path, all, n);
        all[bit / 8] = (char)(all[bit / 8] ^ 1 << bit % 8);
        errors e = {0};
        journal_reader r;
        if (bit < 64) {
            assert_int_equal(journal_open(&r, path, 0, &e), CVY_ERR_RESOURCE);
            assert_int_equal(e.items[0].offset, 0);
            assert_string_equal(e.items[0].file, path);
            errors_free(&e);
            continue;
        }
        assert_int_equal(journal_open(&r, path, 0, &e), CVY_OK);
        int whole = 0;
        journal_next_result last;
        while ((last = journal_next(&r)) == JOURNAL_RECORD) {
            assert_string_equal(r.payload, three[whole]);
            whole++;
        }
        /* Every flip is noticed: as damage, or as a length that runs past the end. */
        assert_true(whole < 3);
        assert_true(r.offset < n);
        uint64_t stays = r.offset;
        assert_int_equal(journal_next(&r), last);
        assert_int_equal(r.offset, stays);
        journal_end(&r);
    }
    mem_free(all);
}

static void wrong_magic(void **state)
{
    (void)state;
    errors e = {0};
    journal_reader r;
    spill(path, "PNG", 3);
    assert_int_equal(journal_open(&r, path, 0, &e), CVY_ERR_RESOURCE);
    spill(path, "CVYJRNL2........", 16);
    assert_int_equal(journal_open(&r, path, 0, &e), CVY_ERR_RESOURCE);
    assert_null(journal_continue(path, &e));
    unlink(path);
    assert_int_equal(journal_open(&r, path, 0, &e), CVY_ERR_RESOURCE);
    errors_free(&e);
}

static void hostile_lengths(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, JOURNAL_MAX_RECORD + 1u, 0x7FFFFFFFu, 0xFFFFFFFFu,
                                       JOURNAL_MAX_RECORD};
    for (size_t i = 0; i < 5; i++) {
        char s[64] = "CVYJRNL1";
        memcpy(s + 8, &lengths[i], 4); /* little-endian machines only, as the rest of the file's users */
        spill(path, s, sizeof s);
        journal_next_result last;
        assert_int_equal(count(path, &last), 0);
        assert_int_equal(last, i < 4 ? JOURNAL_DAMAGED : JOURNAL_END);
        journal_reader r;
        assert_int_equal(journal_open(&r, path, 0, NULL), CVY_OK);
        journal_next(&r);
        assert_true(r.cap < 1 << 20); /* a length alone allocates nothing */
        journal_end(&r);
    }
    /* a cursor beyond the file, or beyond what a file can be */
    journal_reader r;
    assert_int_equal(journal_open(&r, path, 1u << 20, NULL), CVY_OK);
    assert_int_equal(journal_next(&r), JOURNAL_END);
    journal_end(&r);
    assert_int_equal(journal_open(&r, path, UINT64_MAX - 3, NULL), CVY_OK);
    assert_int_equal(journal_next(&r), JOURNAL_END);
    journal_end(&r);
}

static void full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) skip();
    assert_int_equal(symlink("/dev/full", path), 0);
    errors e = {0};
    assert_null(journal_create(path, &e));
    assert_null(journal_continue(path, &e));
    assert_true(errors_count(&e) >= 2);
    errors_free(&e);
}

/* What was handed over survives a kill at any moment, and the reader never sees more than what was written.
 */
static void killed_writer(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        unlink(path);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            journal *j = journal_create(path, NULL);
            for (int i = 0;; i++) {
                char s[300];
                int n = snprintf(s, sizeof s, "{\"i\":%d,\"pad\":\"%0*d\"}", i, 1 + i % 200, 0);
                if (journal_append(j, s, (size_t)n, NULL) != CVY_OK) _exit(1);
            }
        }
        usleep(2000 + 1000 * (useconds_t)round);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        if (!file_exists(path)) continue;
        journal_reader r;
        assert_int_equal(journal_open(&r, path, 0, NULL), CVY_OK);
        journal_next_result last;
        for (int i = 0; (last = journal_next(&r)) == JOURNAL_RECORD; i++) {
            char s[32];
            snprintf(s, sizeof s, "{\"i\":%d,", i);
            assert_true(!strncmp(r.payload, s, strlen(s)));
        }
        assert_int_equal(last, JOURNAL_END);
        journal_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(follows_a_growing_file, setup, teardown),
        cmocka_unit_test_setup_teardown(large_records, setup, teardown),
        cmocka_unit_test_setup_teardown(torn_at_every_length, setup, teardown),
        cmocka_unit_test_setup_teardown(bit_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_magic, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_writer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
