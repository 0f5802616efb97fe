/* Good files, damaged: whatever comes of it, nothing crashes and a refusal has a reason. Meant for the
 * sanitizers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/file.h"
#include "config/experiment.h"
#include "fakes.h"

#define DATA SOURCE_DIR "/tests/config/data"
enum { ITERATIONS = 2000 };

static uint64_t seed = 20240501;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(seed >> 33) % n;
}

static void damage(text *t)
{
    static const char *const pieces[] = {"[",
                                         "]",
                                         "{",
                                         "}",
                                         ": ",
                                         "- ",
                                         "\n",
                                         "  ",
                                         "\t",
                                         "\"",
                                         "'",
                                         "&a ",
                                         "*a",
                                         "!x ",
                                         "${",
                                         "${depth}",
                                         "type: ",
                                         "name: x",
                                         "inputs: [a]",
                                         "layers: ",
                                         "model: ",
                                         "null",
                                         "1e999",
                                         "99999999999999999999",
                                         "\xff",
                                         "\xE2\x80\xA8",
                                         "|\n",
                                         ">",
                                         "#",
                                         "? ",
                                         "<<: ",
                                         "---\n",
                                         "\xF4\x8F\xBF\xBE",
                                         "params: ",
                                         "input: [0]",
                                         "007",
                                         "yes"};
    for (unsigned n = 1 + draw(4); n && t->n; n--) {
        size_t at = draw((unsigned)t->n), length = draw(20);
        if (at + length > t->n) length = t->n - at;
        text out = {0};
        text_add_n(&out, t->s, at);
        switch (draw(5)) {
        case 0: /* cut the rest */
            break;
        case 1: /* drop a piece */
            text_add_n(&out, t->s + at + length, t->n - at - length);
            break;
        case 2: /* put one in */
            text_add(&out, pieces[draw(sizeof pieces / sizeof *pieces)]);
            text_add_n(&out, t->s + at, t->n - at);
            break;
        case 3: /* one byte */
            text_char(&out, (char)draw(256));
            text_add_n(&out, t->s + at + 1, t->n - at - 1);
            break;
        default: /* twice */
            text_add_n(&out, t->s + at, length);
            text_add_n(&out, t->s + at, t->n - at);
            break;
        }
        text_free(t);
        *t = out;
    }
}

static void write_plain(const char *path, const text *t)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (t->n) assert_int_equal(fwrite(t->s, 1, t->n, f), t->n);
    fclose(f);
}

/* Everything that the room does with what it accepted. */
static void use(experiment *x)
{
    arena a = {0};
    errors e = {0};
    text t = {0};
    const node *layers = experiment_layers(x);
    for (size_t i = 0; i < layers->n; i++) {
        item it;
        if (item_read(&a, layers->items[i], true, &it, &e))
            params_make(&a, &fakes[0], it.params, &fake_env, &e);
    }
    experiment_write(x, &t);
    experiment_get(x, "model.0.type");
    experiment *copy = experiment_copy(x);
    experiment_resolve(copy, &e);
    experiment_free(copy);
    text_free(&t);
    errors_free(&e);
    arena_free(&a);
}

static void fuzz(const char *source, const char *name, const char *const *overrides, size_t n_overrides)
{
    static const char *const architectures[] = {BINARY_DIR "/config-fuzz", DATA "/architectures", NULL};
    errors io = {0};
    char *s = NULL;
    size_t n = 0;
    assert_int_equal(file_read(source, 1 << 20, &s, &n, &io), CVY_OK);
    assert_int_equal(file_make_dirs(BINARY_DIR "/config-fuzz", &io), CVY_OK);
    char *path = mem_printf("%s/config-fuzz/%s.yaml", BINARY_DIR, name);
    for (int i = 0; i < ITERATIONS / 2; i++) {
        text t = {0};
        text_add_n(&t, s, n);
        damage(&t);
        write_plain(path, &t);
        errors e = {0};
        experiment *x = experiment_of_model(path, overrides, n_overrides, architectures, &e);
        if (x) {
            assert_int_equal(errors_count(&e), 0);
            use(x);
        } else {
            assert_true(errors_count(&e) > 0);
            mem_free(messages(&e));
        }
        experiment_free(x);
        errors_free(&e);
        text_free(&t);
    }
    mem_free(path);
    mem_free(s);
    file_remove_tree(BINARY_DIR "/config-fuzz", &io);
    errors_free(&io);
}

static void test_experiment(void **state)
{
    (void)state;
    static const char *const overrides[] = {"train.optimizer.lr=1", "model.stem.channels=3",
                                            "dataset.augment.random_crop.padding=2"};
    fuzz(DATA "/optimizers.yaml", "experiment", overrides, 3);
}

static void test_model(void **state)
{
    (void)state;
    static const char *const overrides[] = {"model.depth=4", "model.0.type=relu"};
    fuzz(DATA "/architectures/tiny_resnet.yaml", "model", overrides, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_experiment), cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
