/* Every bad file in errors/ gives exactly the text in its .expect file. With CONVOY_UPDATE=1 the .expect
 * files are written instead: read what changed before committing it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "config/experiment.h"
#include "fakes.h"

/* The experiment's own errors; when there are none, those of its layers and of its optimizer. */
static void collect(const char *file, errors *e)
{
    static const char *const architectures[] = {"architectures", NULL};
    experiment *x = experiment_read(file, NULL, 0, architectures, e);
    if (!x) return;
    arena a = {0};
    const node *layers = experiment_layers(x);
    for (size_t i = 0; i < layers->n; i++) {
        item it;
        errors_push(e, "layer %zu", i);
        if (item_read(&a, layers->items[i], true, &it, e)) {
            const cvy_descriptor *d = fake_find(NULL, CVY_LAYER, it.type, &it.type_at, e);
            if (d) params_make(&a, d, it.params, &fake_env, e);
        }
        errors_pop(e);
    }
    arena_free(&a);
    experiment_free(x);
}

/* Replaces the folder of the sources, which differs from machine to machine. */
static char *without_folder(const char *s, const char *folder)
{
    text out = {0};
    for (const char *at; (at = strstr(s, folder)) != NULL; s = at + strlen(folder)) {
        text_add_n(&out, s, (size_t)(at - s));
        text_add(&out, "DIR");
    }
    text_add(&out, s);
    return text_take(&out);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_expected_errors(void **state)
{
    (void)state;
    static const char folder[] = SOURCE_DIR "/tests/config/errors";
    assert_int_equal(chdir(folder), 0);
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    char *files[200];
    size_t n = 0;
    DIR *d = opendir(".");
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL && n < 200;) {
        if (text_ends(entry->d_name, ".yaml")) files[n++] = mem_text(entry->d_name);
    }
    closedir(d);
    qsort(files, n, sizeof *files, by_name);
    assert_true(n > 10);
    int failed = 0;
    for (size_t i = 0; i < n; i++) {
        errors e = {0}, io = {0};
        collect(files[i], &e);
        char *raw = messages(&e), *got = without_folder(raw, here), *want = NULL;
        char *expect = mem_printf("%.*s.expect", (int)strlen(files[i]) - 5, files[i]);
        size_t bytes = 0;
        if (getenv("CONVOY_UPDATE")) {
            assert_int_equal(file_replace(expect, got, strlen(got), &io), CVY_OK);
        } else if (file_read(expect, 1 << 20, &want, &bytes, &io) != CVY_OK || strcmp(want, got) != 0) {
            print_error("%s: expected\n%s\nfound\n%s\n", files[i], want ? want : "(no .expect file)", got);
            failed++;
        }
        if (errors_count(&e) == 0) {
            print_error("%s: no error at all\n", files[i]);
            failed++;
        }
        mem_free(raw);
        mem_free(got);
        mem_free(want);
        mem_free(expect);
        mem_free(files[i]);
        errors_free(&e);
        errors_free(&io);
    }
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expected_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
