/* One augmentation on one image, for the tests of augmentations: opened by name and parameters, children included. */
#ifndef CONFORMANCE_TEST_AUGMENT_BED_H
#define CONFORMANCE_TEST_AUGMENT_BED_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/params.h"
#include "convoy/augment.h"
#include "plugin_host.h"

enum { BED_MOST = 4096 };

typedef struct bed {
    plugin_host p;
    cvy_shape in, out;
    float x[BED_MOST], y[BED_MOST];
    int32_t epoch;
    const float *partner; /* for steps that mix, in training */
    float share;          /* what the last call said */
    void *state;          /* of prepare */
} bed;

static inline const cvy_descriptor *bed_find(void *ctx, uint32_t kind, const char *name, const place *at,
                                             errors *e)
{
    (void)ctx;
    (void)at;
    (void)e;
    assert_int_equal(kind, CVY_AUGMENT);
    char *file = mem_printf("datasets/augment/%s", name);
    plugin_host p;
    plugin_host_open(&p, file, false, "", 1); /* for its descriptor; the file stays loaded */
    const cvy_descriptor *d = p.d;
    plugin_host_close(&p);
    mem_free(file);
    return d;
}

static inline void bed_configure(bed *b, const char *name, const char *params)
{
    memset(b, 0, sizeof *b);
    char *file = mem_printf("datasets/augment/%s", name), *yaml = mem_printf("{%s}", params);
    plugin_host_open(&b->p, file, false, params, 5);
    if (!b->p.config) { /* children cannot be found by plugin_host_open() */
        errors_free(&b->p.e);
        const params_env env = {.find = bed_find};
        node *map = tree_read_text(&b->p.memory, "test", yaml, strlen(yaml), &b->p.e);
        if (map) b->p.config = params_make(&b->p.memory, b->p.d, map, &env, &b->p.e);
    }
    mem_free(file);
    mem_free(yaml);
}

/* `x` holds channels * h * w numbers; NULL: 1, 2, 3, ... */
static inline void bed_open(bed *b, const char *name, const char *params, int channels, int h, int w,
                            const float *x)
{
    bed_configure(b, name, params);
    if (!b->p.config) fail_msg("%s {%s}: %s", name, params, plugin_host_message(&b->p));
    b->in = (cvy_shape){3, {channels, h, w, 0, 0, 0}};
    const int64_t n = cvy_count(&b->in);
    assert_true(n <= BED_MOST);
    for (int64_t i = 0; i < n; i++) b->x[i] = x ? x[i] : (float)(i + 1);
    const cvy_augment *type = b->p.type;
    if (type->infer(b->p.face, b->p.config, &b->in, &b->out))
        fail_msg("%s {%s}: %s", name, params, plugin_host_message(&b->p));
    assert_true(cvy_count(&b->out) <= BED_MOST);
}

static inline int bed_try(bed *b, int train, int64_t sample, const cvy_channel_stats *stats)
{
    for (int i = 0; i < BED_MOST; i++) b->y[i] = NAN;
    cvy_random random = b->p.face->random(b->p.face, "test", (uint64_t)sample, (uint32_t)b->epoch);
    cvy_augment_call call = {.host = b->p.face,
                             .train = train,
                             .epoch = b->epoch,
                             .sample = sample,
                             .in = &b->in,
                             .out = &b->out,
                             .x = b->x,
                             .y = b->y,
                             .random = &random,
                             .stats = stats,
                             .partner = train ? b->partner : NULL,
                             .share = 1,
                             .state = b->state};
    const int rc = ((const cvy_augment *)b->p.type)->apply(&call, b->p.config);
    b->share = call.share;
    for (int64_t i = cvy_count(&b->out); i < BED_MOST; i++) assert_true(isnan(b->y[i]));
    return rc;
}

static inline void bed_apply(bed *b, int train, int64_t sample)
{
    if (bed_try(b, train, sample, NULL)) fail_msg("%s", plugin_host_message(&b->p));
    for (int64_t i = 0; i < cvy_count(&b->out); i++) assert_true(isfinite(b->y[i]));
}

static inline bool bed_is(const bed *b, const float *wanted, float within)
{
    for (int64_t i = 0; i < cvy_count(&b->out); i++)
        if (!(fabsf(b->y[i] - wanted[i]) <= within)) return false;
    return true;
}

static inline void bed_expect(const bed *b, const float *wanted, float within)
{
    for (int64_t i = 0; i < cvy_count(&b->out); i++)
        if (!(fabsf(b->y[i] - wanted[i]) <= within))
            fail_msg("%s: y[%d] is %.9g, not %.9g", b->p.d->name, (int)i, (double)b->y[i], (double)wanted[i]);
}

/* Opened, applied once in training, compared, closed. */
static inline void bed_check(const char *name, const char *params, int channels, int h, int w, const float *x,
                             const float *wanted)
{
    bed b;
    bed_open(&b, name, params, channels, h, w, x);
    bed_apply(&b, 1, 0);
    bed_expect(&b, wanted, 2e-5f);
    plugin_host_close(&b.p);
}

static inline void bed_refused(const char *name, const char *params, const cvy_shape *in, const char *wanted)
{
    bed b;
    bed_configure(&b, name, params);
    cvy_shape out = {0};
    if (b.p.config)
        assert_int_not_equal(((const cvy_augment *)b.p.type)->infer(b.p.face, b.p.config, in, &out), 0);
    const char *found = plugin_host_message(&b.p);
    if (!strstr(found, wanted)) fail_msg("%s {%s} gave: %s", name, params, found);
    plugin_host_close(&b.p);
}

/* Whether `count` of n draws may come of the probability p. */
static inline void bed_likely(int count, int n, double p)
{
    const double mean = n * p;
    if (fabs(count - mean) > 5 * sqrt(mean * (1 - p)) + 1) fail_msg("%d of %d, expected %g", count, n, mean);
}

#endif
