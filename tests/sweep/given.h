/* A space read from a few lines of `sweep:`, for tests of what is done with one. */
#ifndef TESTS_SWEEP_GIVEN_H
#define TESTS_SWEEP_GIVEN_H

#include "fake.h"

#include <math.h>
#include "sweep/label.h"
#include "sweep/search.h"

typedef struct given {
    arena a;
    experiment *x;
    space s;
    size_t configs;
} given;

/* `sweep` is the text below the key, indented by two; every complaint fails the test. */
static inline given given_sweep(const char *sweep)
{
    given g = {0};
    errors e = {0};
    char *dir = fake_folder(), *path = path_join(dir, "x.yaml");
    text t = {0};
    text_printf(&t,
                "model:\n  - conv2d: {channels: 8, name: stem}\n  - conv2d: {channels: 8, name: body}\n"
                "train: {epochs: 2, batch_size: 32, optimizer: {type: sgd, lr: 0.1}}\nsweep:\n%s",
                sweep);
    assert_int_equal(file_replace(path, t.s, t.n, &e), CVY_OK);
    g.x = experiment_read(path, NULL, 0, NULL, &e);
    if (!g.x) fail_msg("%s", messages(&e));
    if (space_read(g.x, NULL, 0, &g.a, &g.s, &e) != CVY_OK) fail_msg("%s", messages(&e));
    if (search_count(&g.s, 1, NULL, &g.configs, &e) != CVY_OK) fail_msg("%s", messages(&e));
    if (e.n) fail_msg("%s", messages(&e));
    text_free(&t);
    mem_free(path);
    errors_free(&e);
    return g;
}

static inline void given_done(given *g)
{
    experiment_free(g->x);
    arena_free(&g->a);
    fake_cleanup();
}

/* Without results. */
static inline const double *given_point(given *g, uint64_t seed, size_t config)
{
    errors e = {0};
    double *point = arena_array(&g->a, g->s.n + 1, sizeof *point);
    if (!search_propose(&g->s, seed, NULL, 0, config, point, &e)) fail_msg("%s", messages(&e));
    return point;
}

static inline void assert_point_label(given *g, const double *point, const char *label)
{
    text t = {0};
    label_of(&g->s, point, &t);
    assert_string_equal(text_str(&t), label);
    text_free(&t);
}

static inline bool near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance * (1 + fabs(b));
}

#define assert_near(a, b, tolerance)                                                         \
    do {                                                                                     \
        double got_ = (a), want_ = (b);                                                      \
        if (!near(got_, want_, tolerance)) fail_msg(#a " is %.17g, not %.17g", got_, want_); \
    } while (0)

#endif
