/* The functions behind cvy_host; must not know what the plugin that calls them is for. */
#include "plugin/host.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "base/digest.h"
#include "base/parallel.h"
#include "base/philox.h"
#include "base/text.h"
#include "image/image.h"

_Static_assert(sizeof(philox_stream) <= sizeof(((cvy_random *)NULL)->state),
               "a stream lives inside cvy_random");

/* A dataset reads from many threads, and two bad samples may be reported at once into one list. */
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

static const host *host_of(const cvy_host *face)
{
    return (const host *)face; /* face is the first member */
}

static int report(const host *h, cvy_status status, const place *at, const char *fmt, va_list ap)
{
    text what = {0};
    text_vprintf(&what, fmt, ap);
    pthread_mutex_lock(&report_lock);
    errors_add(h->e, status, at, NULL, "%s", text_str(&what));
    pthread_mutex_unlock(&report_lock);
    text_free(&what);
    return (int)status;
}

__attribute__((format(printf, 2, 3))) static int host_fail(const cvy_host *face, const char *fmt, ...)
{
    const host *h = host_of(face);
    va_list ap;
    va_start(ap, fmt);
    int status = report(h, h->status, &h->at, fmt, ap);
    va_end(ap);
    return status;
}

/* Bad data is the user's to mend (exit code 2), whenever it is met. */
__attribute__((format(printf, 4, 5))) static int host_fail_at(const cvy_host *face, const char *file,
                                                              int64_t offset, const char *fmt, ...)
{
    place at = PLACE_AT(file, offset < 0 ? -1 : offset);
    va_list ap;
    va_start(ap, fmt);
    int status = report(host_of(face), CVY_ERR_CONFIG, &at, fmt, ap);
    va_end(ap);
    return status;
}

typedef struct loop {
    void (*fn)(void *ctx, int64_t begin, int64_t end);
    void *ctx;
} loop;

static void run_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const loop *l = ctx;
    l->fn(l->ctx, begin, end);
}

static void host_parallel_for(const cvy_host *face, int64_t n, int64_t grain,
                              void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx)
{
    (void)face;
    loop l = {fn, ctx};
    parallel_for(n, grain, run_share, &l);
}

static uint32_t random_next(cvy_random *r)
{
    philox_stream s; /* copied, not cast: the plugin's array has another type */
    memcpy(&s, r->state, sizeof s);
    uint32_t value = philox_u32(&s);
    memcpy(r->state, &s, sizeof s);
    return value;
}

cvy_random host_random_of(philox_key key, uint64_t a, uint32_t b)
{
    philox_stream s = philox_open(key, a, b);
    cvy_random r = {{0}, random_next};
    memcpy(r.state, &s, sizeof s);
    return r;
}

static cvy_random host_random(const cvy_host *face, const char *purpose, uint64_t a, uint32_t b)
{
    const host *h = host_of(face);
    return host_random_of(philox_key_of(h->seed, purpose, h->name ? h->name : ""), a, b);
}

static int host_sha256_file(const cvy_host *face, const char *path, char hex[65])
{
    const host *h = host_of(face);
    errors local = {0};
    cvy_status status = sha256_file_cached(path, hex, &local);
    pthread_mutex_lock(&report_lock);
    errors_move(h->e, &local);
    pthread_mutex_unlock(&report_lock);
    errors_free(&local);
    return (int)status;
}

__attribute__((format(printf, 2, 3))) static void host_warn(const cvy_host *face, const char *fmt, ...)
{
    const host *h = host_of(face);
    text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&report_lock);
    errors_warn(h->e, &h->at, NULL, "%s", text_str(&what));
    pthread_mutex_unlock(&report_lock);
    text_free(&what);
}

/* What the functions of the image room report goes where fail() reports; without a place of its own, to the plugin's item. */
static int report_all(const host *h, cvy_status status, errors *local)
{
    pthread_mutex_lock(&report_lock);
    for (size_t i = 0; i < local->n; i++) {
        const message *m = &local->items[i];
        const place at = m->file ? PLACE_AT(m->file, m->offset) : h->at;
        errors_add(h->e, m->status, &at, m->hint, "%s", m->what);
    }
    pthread_mutex_unlock(&report_lock);
    errors_free(local);
    return (int)status;
}

static int host_image_size(const cvy_host *face, cvy_image *image)
{
    errors local = {0};
    return report_all(host_of(face), image_size(image, &local), &local);
}

static int host_image_read(const cvy_host *face, cvy_image *image, uint8_t *pixels)
{
    errors local = {0};
    return report_all(host_of(face), image_read(image, pixels, &local), &local);
}

static int host_image_resize(const cvy_host *face, int64_t planes, const float *x, int64_t h, int64_t w,
                             float *y, int64_t h2, int64_t w2)
{
    errors local = {0};
    return report_all(host_of(face), image_resize(planes, x, h, w, y, h2, w2, &local), &local);
}

static void host_log(const cvy_host *face, const char *name, double value)
{
    const host *h = host_of(face);
    if (h->log) h->log(h->log_ctx, name, value);
}

host host_make(errors *e, cvy_status status, const place *at, uint64_t seed, const char *name)
{
    host h = {
        .face = {sizeof(cvy_host), NULL, host_fail, host_fail_at, host_parallel_for, host_random,
                 host_sha256_file, host_log, host_warn, host_image_size, host_image_read, host_image_resize},
        .e = e,
        .status = status,
        .at = at ? *at : PLACE_NONE,
        .seed = seed,
        .name = name,
    };
    return h;
}
