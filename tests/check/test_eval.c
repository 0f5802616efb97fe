/* Layers, losses and optimizers against PyTorch's numbers in references/ (make_references.py), by their own code and by
 * the fast kernels. */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check/evaluate.h"

#define REFERENCES SOURCE_DIR "/tests/check/references/"

typedef struct worst {
    double share, absolute; /* of the tolerance; of the number */
    char where[160];
} worst;

static void fail_with(errors *e, const char *path)
{
    text t = {0};
    errors_text(e, false, &t);
    fail_msg("%s: %s", path, text_str(&t));
}

static void compare(const char *path, const safetensors *expected, const exchange *x, worst *w)
{
    assert_int_equal(expected->n, x->n_out);
    for (size_t i = 0; i < expected->n; i++) {
        const safetensor *a = &expected->items[i], *b = NULL;
        for (size_t k = 0; k < x->n_out; k++)
            if (!strcmp(x->out[k].name, a->name)) b = &x->out[k];
        if (!b) fail_msg("%s: no result \"%s\"", path, a->name);
        assert_true(cvy_shape_same(&a->shape, &b->shape));
        for (int64_t k = 0; k < a->count; k++) {
            double off = fabs((double)a->data[k] - (double)b->data[k]);
            double share = off / (1e-5 + 1e-4 * fabs((double)a->data[k]));
            if (!(share <= 1))
                fail_msg("%s: %s[%lld] is %.9g, PyTorch says %.9g", path, a->name, (long long)k,
                         (double)b->data[k], (double)a->data[k]);
            if (share <= w->share) continue;
            w->share = share;
            w->absolute = off;
            snprintf(w->where, sizeof w->where, "%s %s", path + strlen(REFERENCES), a->name);
        }
    }
}

static void run_case(registry *r, const char *path, bool plain, worst *w)
{
    errors e = {0};
    safetensors in, expected;
    arena a = {0};
    exchange x;
    if (safetensors_read(path, &in, &e)) fail_with(&e, path);
    char *other = mem_printf("%.*s.out.safetensors", (int)(strlen(path) - strlen(".in.safetensors")), path);
    if (safetensors_read(other, &expected, &e)) fail_with(&e, other);
    const char *config = safetensors_metadata(&in, "config"), *kind = safetensors_metadata(&in, "kind");
    evaluation v = {.name = safetensors_metadata(&in, "plugin"),
                    .params = tree_read_text(&a, "config", config, strlen(config), &e),
                    .plain = plain,
                    .train = !strcmp(safetensors_metadata(&in, "mode"), "train")};
    exchange_open(&x, path, &in, &e);
    cvy_status status = !strcmp(kind, "layer")  ? evaluate_layer(r, &v, &x)
                        : !strcmp(kind, "loss") ? evaluate_loss(r, &v, &x)
                                                : evaluate_optimizer(r, &v, &x);
    if (status) fail_with(&e, path);
    compare(path, &expected, &x, w);
    exchange_close(&x);
    safetensors_free(&in);
    safetensors_free(&expected);
    arena_free(&a);
    errors_free(&e);
    mem_free(other);
}

static void run_all(bool plain)
{
    setenv("CONVOY_PLUGIN_PATH", BINARY_DIR "/plugins", 1);
    errors e = {0};
    glob_t g;
    worst w = {0};
    registry *r = registry_open(NULL, 0, &e);
    assert_non_null(r);
    assert_int_equal(glob(REFERENCES "*.in.safetensors", 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) run_case(r, g.gl_pathv[i], plain, &w);
    print_message("%zu cases, %s; furthest: %.2g of the tolerance, %.3g, in %s\n", g.gl_pathc,
                  plain ? "plain" : "fast", w.share, w.absolute, w.where);
    assert_true(g.gl_pathc >= 40);
    globfree(&g);
    registry_free(r);
    errors_free(&e);
}

static void test_plain(void **unused)
{
    (void)unused;
    run_all(true);
}

static void test_fast(void **unused)
{
    (void)unused;
    run_all(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
