/* The rig of harness.h: a host around one layer. It knows the public headers, dlopen and parameters, no
 * graph. */
#include "harness.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/params.h"

/* ---- the host -------------------------------------------------------------------------------------------
 */

static int host_fail(const cvy_host *host, const char *fmt, ...)
{
    rig *r = host->core;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->error, sizeof r->error, fmt, ap);
    va_end(ap);
    return 1;
}

/* Uneven shares, the last first: results must not depend on the split. */
static void host_parallel_for(const cvy_host *host, int64_t n, int64_t grain,
                              void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx)
{
    (void)host;
    if (n <= 0) return;
    int64_t first = n / 3 / grain * grain;
    if (first < n) fn(ctx, first, n);
    if (first > 0) fn(ctx, 0, first);
}

static uint32_t mixed(uint32_t id, uint64_t i)
{
    uint32_t h = (uint32_t)i * 2654435761u + id * 40503u + 12345u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return h;
}

static void call_uniform(const cvy_plain *call, int64_t n, int64_t first, int64_t count, float *out)
{
    assert_true(n >= 0 && n < call->out->dim[0]);
    assert_true(first >= 0 && count >= 0);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)(mixed(77u + (uint32_t)n, (uint64_t)(first + i)) >> 8) / 16777216.0f;
}

void rig_fill(double *v, int64_t count, uint32_t id)
{
    for (int64_t i = 0; i < count; i++) v[i] = (double)((int)(mixed(id, (uint64_t)i) % 257u) - 128) / 64;
}

void rig_fill_all(rig *r)
{
    for (int32_t i = 0; i < r->n_in; i++) rig_fill(r->x[i].v, r->x[i].count, (uint32_t)i);
    for (int32_t i = 0; i < r->n_weights; i++)
        rig_fill(r->weight[i].v, r->weight[i].count, 10u + (uint32_t)i);
    rig_fill(r->y.grad, r->y.count, 50);
}

/* ---- loading --------------------------------------------------------------------------------------------
 */

const cvy_descriptor *rig_descriptor(const char *layer, bool twin)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/plugins/layers/%s.so", BINARY_DIR, layer);
    void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!file) fail_msg("%s", dlerror());
    void *symbol = dlsym(file, twin ? "cvy_plugins_double" : "cvy_plugins");
    if (!symbol) fail_msg("%s has no %s twin", path, twin ? "double" : "float");
    const cvy_descriptor *const *(*list)(void);
    memcpy(&list, &symbol, sizeof list);
    const cvy_descriptor *d = list()[0];
    assert_string_equal(d->name, layer);
    assert_int_equal(d->abi, CVY_ABI);
    assert_int_equal(d->size, sizeof(cvy_descriptor));
    assert_int_equal(d->kind, CVY_LAYER);
    assert_int_equal(d->real_size, twin ? sizeof(double) : sizeof(float));
    return d;
}

const void *rig_config(arena *a, const cvy_descriptor *d, const char *params)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "{%s}", params);
    errors e = {0};
    static const params_word words[] = {{.word = "classes", .value = 10}};
    const params_env env = {.words = words, .n_words = 1};
    const node *map = tree_read_text(a, d->name, arena_text(a, yaml), strlen(yaml), &e);
    const void *config = map ? params_make(a, d, map, &env, &e) : NULL;
    if (!config) {
        text t = {0};
        errors_text(&e, false, &t);
        fail_msg("%s {%s}: %s", d->name, params, t.s);
    }
    errors_free(&e);
    return config;
}

void rig_open(rig *r, const char *layer, bool twin, const char *params)
{
    memset(r, 0, sizeof *r);
    r->d = rig_descriptor(layer, twin);
    r->layer = r->d->type;
    assert_int_equal(r->layer->size, sizeof(cvy_layer));
    r->host.size = sizeof r->host;
    r->host.core = r;
    r->host.fail = host_fail;
    r->host.parallel_for = host_parallel_for;
    r->config = rig_config(&r->memory, r->d, params);
    r->train = true;
}

void rig_close(rig *r)
{
    free(r->saved);
    arena_free(&r->memory);
    memset(r, 0, sizeof *r);
}

/* ---- infer ----------------------------------------------------------------------------------------------
 */

static void make_tensor(rig *r, tensor *t, const cvy_shape *shape)
{
    t->shape = *shape;
    t->count = cvy_count(shape);
    t->v = arena_array(&r->memory, (size_t)t->count, sizeof(double));
    t->grad = arena_array(&r->memory, (size_t)t->count, sizeof(double));
}

static int declare(cvy_infer *in, tensor *list, int32_t *n, const char *name, const cvy_shape *shape,
                   cvy_init init)
{
    assert_true(*n < RIG_MAX);
    tensor *t = &list[(*n)++];
    for (int i = 0; i < shape->rank; i++) assert_true(shape->dim[i] > 0);
    make_tensor(in->core, t, shape);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->init = init;
    for (int64_t i = 0; i < t->count; i++) t->v[i] = init.kind == CVY_INIT_CONSTANT ? init.a : 0;
    return 0;
}

static int infer_weight(cvy_infer *in, const char *name, const cvy_shape *shape, cvy_init init)
{
    rig *r = in->core;
    return declare(in, r->weight, &r->n_weights, name, shape, init);
}

static int infer_buffer(cvy_infer *in, const char *name, const cvy_shape *shape, double value)
{
    rig *r = in->core;
    return declare(in, r->buffer, &r->n_buffers, name, shape, cvy_constant(value));
}

__attribute__((format(printf, 2, 3))) static void infer_warn(cvy_infer *in, const char *fmt, ...)
{
    rig *r = in->core;
    const size_t used = strlen(r->warnings);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->warnings + used, sizeof r->warnings - used, fmt, ap);
    va_end(ap);
    strncat(r->warnings, "\n", sizeof r->warnings - strlen(r->warnings) - 1);
}

/* A workspace exactly as large as asked for, so that sanitizers see the end; all bytes set, which is NaN. */
static void *workspace(int64_t bytes)
{
    if (bytes == 0) return NULL;
    void *p = NULL;
    assert_true(bytes > 0);
    assert_int_equal(posix_memalign(&p, 64, (size_t)bytes), 0);
    memset(p, 0xff, (size_t)bytes);
    return p;
}

bool rig_infer(rig *r, int32_t n_in, const cvy_shape *in)
{
    assert_true(n_in >= r->layer->min_in && (r->layer->max_in < 0 || n_in <= r->layer->max_in) &&
                n_in <= RIG_MAX);
    cvy_infer i = {
        .host = &r->host,
        .core = r,
        .n_in = n_in,
        .in = in,
        .weight = infer_weight,
        .buffer = infer_buffer,
        .warn = infer_warn,
    };
    r->n_in = n_in;
    r->n_weights = r->n_buffers = 0;
    r->error[0] = r->warnings[0] = 0;
    if (r->layer->infer(&i, r->config)) {
        assert_true(r->error[0]); /* a failure says why */
        return false;
    }
    assert_int_equal(i.out.dim[0], in[0].dim[0]);
    for (int d = 0; d < CVY_MAX_RANK; d++) assert_true(d < i.out.rank ? i.out.dim[d] > 0 : i.out.dim[d] == 0);
    if (i.traits & CVY_IN_PLACE) assert_int_equal(cvy_count(&i.out), cvy_count(&in[0]));
    for (int32_t k = 0; k < n_in; k++) make_tensor(r, &r->x[k], &in[k]);
    make_tensor(r, &r->y, &i.out);
    r->traits = i.traits;
    r->macs = i.macs;
    r->saved_bytes = i.saved_bytes;
    r->scratch_bytes = i.scratch_bytes;
    free(r->saved);
    r->saved = workspace(r->saved_bytes);
    return true;
}

/* ---- calls ----------------------------------------------------------------------------------------------
 */

/* An array of the plugin's number type with a guard behind it. */
static const unsigned char guard[16] = {0xA5, 0x5A, 0xA5, 0x5A, 0xA5, 0x5A, 0xA5, 0x5A,
                                        0xA5, 0x5A, 0xA5, 0x5A, 0xA5, 0x5A, 0xA5, 0x5A};

static void *array_new(const rig *r, int64_t count, const double *from)
{
    const size_t bytes = (size_t)count * r->d->real_size;
    char *p = NULL;
    assert_int_equal(posix_memalign((void **)&p, 64, bytes + sizeof guard), 0);
    for (int64_t i = 0; i < count; i++) {
        const double value = from ? from[i] : (double)NAN;
        if (r->d->real_size == sizeof(double))
            ((double *)(void *)p)[i] = value;
        else
            ((float *)(void *)p)[i] = (float)value;
    }
    memcpy(p + bytes, guard, sizeof guard);
    return p;
}

static double array_at(const rig *r, const void *p, int64_t i)
{
    return r->d->real_size == sizeof(double) ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void array_check(const rig *r, const void *p, int64_t count)
{
    if (memcmp((const char *)p + (size_t)count * r->d->real_size, guard, sizeof guard))
        fail_msg("%s wrote behind an array of %" PRId64 " numbers", r->d->name, count);
}

/* Releases an array that the plugin may only read: it must be as it was. */
static void array_drop_input(const rig *r, void *p, int64_t count, const double *was)
{
    array_check(r, p, count);
    for (int64_t i = 0; was && i < count; i++) {
        const double expected = r->d->real_size == sizeof(double) ? was[i] : (double)(float)was[i];
        const double found = array_at(r, p, i);
        if (!(found == expected || (isnan(found) && isnan(expected))))
            fail_msg("%s changed its input or weight", r->d->name);
    }
    free(p);
}

static void array_take_output(const rig *r, void *p, int64_t count, double *to)
{
    array_check(r, p, count);
    for (int64_t i = 0; i < count; i++) to[i] = array_at(r, p, i);
    free(p);
}

typedef struct arrays {
    cvy_shape in[RIG_MAX];
    void *x[RIG_MAX], *gx[RIG_MAX], *w[RIG_MAX], *gw[RIG_MAX], *buffer[RIG_MAX];
    void *y, *gy, *scratch;
} arrays;

/* The struct that plugins see declares cvy_real pointers; the double twin takes the same addresses as double.
 */
static cvy_plain plain_call(rig *r, arrays *a)
{
    for (int32_t k = 0; k < r->n_in; k++) a->in[k] = r->x[k].shape;
    a->scratch = workspace(r->scratch_bytes);
    cvy_plain call = {
        .host = &r->host,
        .core = r,
        .train = r->train,
        .n_in = r->n_in,
        .in = a->in,
        .out = &r->y.shape,
        .x = (const cvy_real *const *)(void *)a->x,
        .y = a->y,
        .w = (const cvy_real *const *)(void *)a->w,
        .buffers = (cvy_real *const *)(void *)a->buffer,
        .saved = r->train ? r->saved : NULL,
        .scratch = a->scratch,
        .gy = a->gy,
        .gx = (cvy_real *const *)(void *)a->gx,
        .gw = (cvy_real *const *)(void *)a->gw,
        .uniform = call_uniform,
    };
    return call;
}

void rig_forward(rig *r)
{
    arrays a = {0};
    for (int32_t k = 0; k < r->n_in; k++) a.x[k] = array_new(r, r->x[k].count, r->x[k].v);
    for (int32_t k = 0; k < r->n_weights; k++) a.w[k] = array_new(r, r->weight[k].count, r->weight[k].v);
    for (int32_t k = 0; k < r->n_buffers; k++) a.buffer[k] = array_new(r, r->buffer[k].count, r->buffer[k].v);
    a.y = r->in_place ? a.x[0] : array_new(r, r->y.count, NULL);
    if (r->saved) memset(r->saved, 0xff, (size_t)r->saved_bytes);

    const cvy_plain call = plain_call(r, &a);
    if (r->layer->forward(&call, r->config)) fail_msg("%s: %s", r->d->name, r->error);

    array_take_output(r, a.y, r->y.count, r->y.v);
    for (int32_t k = r->in_place ? 1 : 0; k < r->n_in; k++)
        array_drop_input(r, a.x[k], r->x[k].count, r->x[k].v);
    for (int32_t k = 0; k < r->n_weights; k++)
        array_drop_input(r, a.w[k], r->weight[k].count, r->weight[k].v);
    for (int32_t k = 0; k < r->n_buffers; k++) {
        if (r->train)
            array_take_output(r, a.buffer[k], r->buffer[k].count, r->buffer[k].v);
        else
            array_drop_input(r, a.buffer[k], r->buffer[k].count, r->buffer[k].v);
    }
    free(a.scratch);
}

void rig_backward(rig *r)
{
    assert_false(r->traits & CVY_ACCUMULATES); /* the built-in layers overwrite */
    arrays a = {0};
    const bool reads_x = r->traits & CVY_READS_X, reads_y = r->traits & CVY_READS_Y;
    for (int32_t k = 0; k < r->n_in; k++) {
        a.x[k] = array_new(r, r->x[k].count, reads_x ? r->x[k].v : NULL);
        a.gx[k] = r->x[k].not_wanted ? NULL : array_new(r, r->x[k].count, NULL);
    }
    for (int32_t k = 0; k < r->n_weights; k++) {
        a.w[k] = array_new(r, r->weight[k].count, r->weight[k].v);
        a.gw[k] = r->weight[k].not_wanted ? NULL : array_new(r, r->weight[k].count, NULL);
    }
    for (int32_t k = 0; k < r->n_buffers; k++) a.buffer[k] = array_new(r, r->buffer[k].count, r->buffer[k].v);
    a.y = array_new(r, r->y.count, reads_y ? r->y.v : NULL);
    a.gy = array_new(r, r->y.count, r->y.grad);
    const bool in_place = r->in_place && a.gx[0];
    if (in_place) {
        free(a.gx[0]);
        a.gx[0] = a.gy;
    }

    const cvy_plain call = plain_call(r, &a);
    if (r->layer->backward(&call, r->config)) fail_msg("%s: %s", r->d->name, r->error);

    for (int32_t k = 0; k < r->n_in; k++) {
        array_drop_input(r, a.x[k], r->x[k].count, reads_x ? r->x[k].v : NULL);
        if (a.gx[k]) array_take_output(r, a.gx[k], r->x[k].count, r->x[k].grad);
    }
    for (int32_t k = 0; k < r->n_weights; k++) {
        array_drop_input(r, a.w[k], r->weight[k].count, r->weight[k].v);
        if (a.gw[k]) array_take_output(r, a.gw[k], r->weight[k].count, r->weight[k].grad);
    }
    for (int32_t k = 0; k < r->n_buffers; k++)
        array_drop_input(r, a.buffer[k], r->buffer[k].count, r->buffer[k].v);
    array_drop_input(r, a.y, r->y.count, reads_y ? r->y.v : NULL);
    if (!in_place) array_drop_input(r, a.gy, r->y.count, r->y.grad);
    free(a.scratch);
}
