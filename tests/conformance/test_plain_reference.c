/* Every primitive layer against what PyTorch computes: outputs, gradients, running statistics. The values are
 * in references.txt, which make_references.py wrote. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

/* references.txt, line by line. */
typedef struct reader {
    FILE *file;
    char *line;
    size_t cap;
    char *rest;      /* of the current line, behind its first word */
    const char *key; /* its first word; NULL at the end */
} reader;

static void next_line(reader *f)
{
    do {
        f->key = f->rest = NULL;
        if (getline(&f->line, &f->cap, f->file) < 0) return;
    } while (f->line[0] == '#');
    f->line[strcspn(f->line, "\n")] = 0;
    f->key = f->line;
    f->rest = strchr(f->line, ' ');
    assert_non_null(f->rest);
    *f->rest++ = 0;
}

static bool at(const reader *f, const char *key)
{
    return f->key && strcmp(f->key, key) == 0;
}

static cvy_shape read_shape(reader *f)
{
    cvy_shape s = {0};
    char *end = f->rest;
    while (*end) s.dim[s.rank++] = strtoll(end, &end, 10);
    next_line(f);
    return s;
}

static void read_values(reader *f, double *v, int64_t count)
{
    char *end = f->rest;
    for (int64_t i = 0; i < count; i++) {
        char *from = end;
        v[i] = strtod(from, &end);
        assert_true(end > from);
    }
    assert_int_equal(*end, 0);
    next_line(f);
}

static void compare(reader *f, const char *title, const double *found, int64_t count)
{
    double *expected = mem_array((size_t)count, sizeof(double));
    char key[16];
    snprintf(key, sizeof key, "%s", f->key);
    read_values(f, expected, count);
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(found[i] - expected[i]) <= 1e-5 + 1e-4 * fabs(expected[i])))
            fail_msg("%s: %s[%lld] is %.9g, PyTorch has %.9g", title, key, (long long)i, found[i],
                     expected[i]);
    mem_free(expected);
}

/* Runs the case that the reader stands at and moves behind it. */
static void run_case(reader *f, bool twin)
{
    assert_true(at(f, "case"));
    char layer[64], params[256], title[400];
    assert_int_equal(sscanf(f->rest, "%63s {%255[^}]}", layer, params) >= 1, 1);
    if (strstr(f->rest, "{}")) params[0] = 0;
    snprintf(title, sizeof title, "%s, %s", f->rest, twin ? "double" : "float");
    next_line(f);

    rig r;
    rig_open(&r, layer, twin, params);
    r.train = strtol(f->rest, NULL, 10) != 0;
    next_line(f);
    cvy_shape in[RIG_MAX];
    int32_t n_in = 0;
    while (at(f, "in")) in[n_in++] = read_shape(f);
    if (!rig_infer(&r, n_in, in)) fail_msg("%s: %s", title, r.error);
    rig_fill_all(&r);
    for (int32_t k = 0; k < r.n_buffers; k++) read_values(f, r.buffer[k].v, r.buffer[k].count);

    assert_true(at(f, "out"));
    const cvy_shape out = read_shape(f);
    assert_memory_equal(&out, &r.y.shape, sizeof out);
    rig_forward(&r);
    assert_true(at(f, "y"));
    compare(f, title, r.y.v, r.y.count);
    rig_backward(&r);
    for (int32_t k = 0; k < r.n_in; k++) compare(f, title, r.x[k].grad, r.x[k].count);
    for (int32_t k = 0; k < r.n_weights; k++) compare(f, title, r.weight[k].grad, r.weight[k].count);
    for (int32_t k = 0; k < r.n_buffers; k++) compare(f, title, r.buffer[k].v, r.buffer[k].count);
    rig_close(&r);
}

static void run_all(bool twin)
{
    reader f = {.file = fopen(SOURCE_DIR "/tests/conformance/references.txt", "r")};
    assert_non_null(f.file);
    int cases = 0;
    for (next_line(&f); f.key; cases++) run_case(&f, twin);
    assert_true(cases > 50);
    free(f.line);
    fclose(f.file);
}

static void test_float(void **state)
{
    (void)state;
    run_all(false);
}

static void test_double(void **state)
{
    (void)state;
    run_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float),
        cmocka_unit_test(test_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
