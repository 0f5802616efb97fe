/* `sweep:` as it is read: every bad file in errors/ gives exactly the text in its .expect file. With CONVOY_UPDATE=1 the
 * .expect files are written instead: read what changed before committing it. */
#include "fake.h"

#include <dirent.h>
#include "sweep/search.h"

#define ERRORS SOURCE_DIR "/tests/sweep/errors"

static void collect(const char *file, errors *e)
{
    static const char *const overrides[] = {"train.batch_size=16"};
    experiment *x = experiment_read(file, overrides, 1, NULL, e);
    if (!x) return;
    arena a = {0};
    space s;
    size_t configs;
    if (!space_given(x))
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "no sweep");
    else if (space_read(x, overrides, 1, &a, &s, e) == CVY_OK)
        search_count(&s, x->repeats, node_key_at(x->root, "sweep"), &configs, e);
    arena_free(&a);
    experiment_free(x);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_expected_errors(void **unused)
{
    (void)unused;
    assert_int_equal(chdir(ERRORS), 0);
    char *files[200];
    size_t n = 0;
    int failed = 0;
    DIR *d = opendir(".");
    for (struct dirent *entry; (entry = readdir(d)) != NULL && n < 200;)
        if (text_ends(entry->d_name, ".yaml")) files[n++] = mem_text(entry->d_name);
    closedir(d);
    qsort(files, n, sizeof *files, by_name);
    assert_true(n >= 8);
    for (size_t i = 0; i < n; i++) {
        errors e = {0};
        collect(files[i], &e);
        char *got = messages(&e), *want = NULL;
        char *expect = mem_printf("%.*s.expect", (int)strlen(files[i]) - 5, files[i]);
        size_t bytes = 0;
        if (getenv("CONVOY_UPDATE")) {
            assert_int_equal(file_replace(expect, got, strlen(got), NULL), CVY_OK);
        } else if (file_read(expect, 1 << 20, &want, &bytes, NULL) != CVY_OK || strcmp(want, got) != 0) {
            print_error("%s: expected\n%s\nfound\n%s\n", files[i], want ? want : "(no .expect file)", got);
            failed++;
        }
        if (!e.n) {
            print_error("%s: no message at all\n", files[i]);
            failed++;
        }
        mem_free(got);
        mem_free(want);
        mem_free(expect);
        mem_free(files[i]);
        errors_free(&e);
    }
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expected_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
