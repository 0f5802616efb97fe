/* ZCA whitening: the image's values made uncorrelated with variance 1 over the training set, by the map that changes them
 * least: y = (x - mean) (C + eps I)^(-1/2), C the covariance of the training images' values.
 *
 * A product with a matrix of (channels * height * width)^2 numbers for each image is slow, 9.4 million multiplications for
 * 32x32 in colour. So images that come again are remembered: the training set's are whitened ahead, many at a time, those
 * of evaluation when they first come. Remembered or not, the bits are the same. */
#include <pthread.h>

#include "image.h"
#include "whitening.h"

enum { VALUES_MAX = 4096, AHEAD = 480 };

typedef struct zca_config {
    double eps;
    int64_t fit, cache_mb;
} zca_config;

static const cvy_param zca_params[] = {
    CVY_FLOAT(zca_config, eps, 1e-6, 1e-10, 1e3,
              "added to the variances, pixels on [0, 1]: larger ones leave noise smaller"),
    CVY_ALSO("epsilon zca_epsilon regularization"),
    CVY_INT(zca_config, fit, 10000, 2, 1000000000,
            "training images, evenly spread, that the covariance is taken of; all where there are fewer"),
    CVY_INT(zca_config, cache_mb, 1024, 0, 1048576,
            "memory for whitened images, MB, for the images that come again as they were: put this step "
            "before random "
            "ones. 0: none"),
};

/* ---- remembered images ---- */

typedef struct zca_key {
    uint64_t a, b; /* both 0: an empty place */
} zca_key;

typedef struct zca_cache {
    pthread_mutex_t lock;
    int64_t n, most, places; /* places: a power of two, at most half of them taken; grown as needed */
    zca_key *keys;
    float **images;
} zca_cache;

typedef struct zca_state {
    int64_t n;
    float *mean, *w; /* (n); (strips, n, OUT) */
    zca_cache *cache;
} zca_state;

static uint64_t zca_mix(uint64_t z)
{
    z = (z ^ z >> 32) * 0xd6e8feb86659fd93u;
    return z ^ z >> 29;
}

/* 128 bits of an image's bytes: that two of a million images have the same is a matter of 1 in 10^26. */
static zca_key zca_key_of(const float *x, int64_t n)
{
    uint64_t h[4] = {0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu, 0xd1b54a32d192ed03u};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t words[4];
        memcpy(words, x + i, sizeof words);
        for (int k = 0; k < 4; k++) h[k] = zca_mix(h[k] ^ words[k]) + h[k];
    }
    for (; i < n; i++) {
        uint32_t word;
        memcpy(&word, x + i, sizeof word);
        h[i & 3] = zca_mix(h[i & 3] ^ word) + h[i & 3];
    }
    const zca_key key = {zca_mix(h[0] ^ zca_mix(h[1] + zca_mix(h[2] ^ zca_mix(h[3])))),
                         zca_mix(h[3] + zca_mix(h[2] ^ zca_mix(h[1] + zca_mix(h[0])))) | 1};
    return key;
}

/* The place of a key, or the empty one where it belongs. */
static int64_t zca_place(const zca_cache *c, zca_key key)
{
    int64_t at = (int64_t)(key.a & (uint64_t)(c->places - 1));
    while (c->keys[at].b && (c->keys[at].a != key.a || c->keys[at].b != key.b))
        at = (at + 1) & (c->places - 1);
    return at;
}

static int zca_recall(zca_cache *c, zca_key key, int64_t n, float *y)
{
    if (!c) return 0;
    pthread_mutex_lock(&c->lock);
    const float *image = c->images[zca_place(c, key)];
    pthread_mutex_unlock(&c->lock);
    if (image) memcpy(y, image, sizeof *y * (size_t)n); /* what is in there stays */
    return image != NULL;
}

/* Under the lock; nothing is lost where there is no memory for it. */
static int zca_grow(zca_cache *c)
{
    if (2 * (c->n + 1) <= c->places) return 1;
    zca_cache more = *c;
    more.places = 2 * c->places;
    more.keys = calloc((size_t)more.places, sizeof *more.keys);
    more.images = calloc((size_t)more.places, sizeof *more.images);
    if (!more.keys || !more.images) {
        free(more.keys);
        free(more.images);
        return 0;
    }
    for (int64_t i = 0; i < c->places; i++) {
        if (!c->keys[i].b) continue;
        const int64_t at = zca_place(&more, c->keys[i]);
        more.keys[at] = c->keys[i];
        more.images[at] = c->images[i];
    }
    free(c->keys);
    free(c->images);
    c->places = more.places;
    c->keys = more.keys;
    c->images = more.images;
    return 1;
}

static void zca_remember(zca_cache *c, zca_key key, int64_t n, const float *y)
{
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    const int full = c->n >= c->most || !zca_grow(c);
    pthread_mutex_unlock(&c->lock);
    if (full) return;
    float *copy = malloc(sizeof *copy * (size_t)n);
    if (!copy) return;
    memcpy(copy, y, sizeof *copy * (size_t)n);
    pthread_mutex_lock(&c->lock);
    const int64_t at = zca_place(c, key);
    if (!c->keys[at].b && c->n < c->most && 2 * c->n < c->places) {
        c->keys[at] = key;
        c->images[at] = copy;
        c->n++;
        copy = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    free(copy);
}

/* NULL: nothing is remembered, for want of memory too. */
static zca_cache *zca_cache_new(int64_t n, int64_t megabytes)
{
    const int64_t most = megabytes * 1048576 / (n * (int64_t)sizeof(float) + 64);
    if (most < 1) return NULL;
    zca_cache *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->most = most;
    c->places = 64;
    c->keys = calloc((size_t)c->places, sizeof *c->keys);
    c->images = calloc((size_t)c->places, sizeof *c->images);
    if (c->keys && c->images && !pthread_mutex_init(&c->lock, NULL)) return c;
    free(c->keys);
    free(c->images);
    free(c);
    return NULL;
}

static void zca_release(void *state)
{
    zca_state *s = state;
    if (s->cache) {
        for (int64_t i = 0; i < s->cache->places; i++) free(s->cache->images[i]);
        pthread_mutex_destroy(&s->cache->lock);
        free(s->cache->keys);
        free(s->cache->images);
        free(s->cache);
    }
    free(s->mean);
    free(s->w);
    free(s);
}

/* ---- fitting ---- */

static int64_t zca_fit_count(const cvy_augment_prepare *p, const zca_config *c)
{
    return c->fit < p->n ? c->fit : p->n;
}

static int64_t zca_fit_sample(const cvy_augment_prepare *p, int64_t fit, int64_t i)
{
    return (int64_t)((double)i * (double)p->n / (double)fit);
}

/* The mean, and the covariance in `c`, from images read twice. x: room for an image; block: (n, DEEP) of them. */
static int zca_covariance(cvy_augment_prepare *p, int64_t fit, double *mean, double *c, float *x,
                          double *block)
{
    const int64_t n = cvy_count(p->in);
    memset(mean, 0, sizeof *mean * (size_t)n);
    memset(c, 0, sizeof *c * (size_t)(n * n));
    for (int64_t i = 0; i < fit; i++) {
        if (p->sample(p, zca_fit_sample(p, fit, i), x)) return 1;
        for (int64_t k = 0; k < n; k++) mean[k] += (double)x[k];
    }
    for (int64_t k = 0; k < n; k++) mean[k] /= (double)fit;
    for (int64_t first = 0; first < fit; first += DEEP) {
        const int64_t some = fit - first < DEEP ? fit - first : DEEP;
        for (int64_t i = 0; i < some; i++) {
            if (p->sample(p, zca_fit_sample(p, fit, first + i), x)) return 1;
            for (int64_t k = 0; k < n; k++) block[k * DEEP + i] = (double)x[k] - mean[k];
        }
        whitening_product sum = {n, some, block, block, DEEP, DEEP, 1 / (double)fit, c};
        whitening_multiply(p->host, &sum);
    }
    whitening_mirror(c, n);
    for (int64_t i = 0; i < n * n; i++)
        if (!isfinite(c[i])) return cvy_fail(p, "the training images hold numbers that are not finite");
    return 0;
}

/* (C + eps I)^(-1/2) as w. work: 4 n^2 + (2 n + TILE) TILE. */
static int zca_matrix(cvy_augment_prepare *p, const zca_config *config, double *work, zca_state *s)
{
    const int64_t n = s->n, strips = (n + OUT - 1) / OUT;
    double *c = work, *root = c + n * n;
    double trace = 0;
    for (int64_t k = 0; k < n; k++) trace += c[k * n + k];
    for (int64_t k = 0; k < n; k++) c[k * n + k] += config->eps;
    /* Rounding may push an eigenvalue of a singular covariance below 0. */
    const double hi = trace + config->eps;
    if (config->eps < 1e-13 * hi ||
        whitening_inverse_root(p->host, c, root, n, config->eps, hi, root + n * n))
        return cvy_fail(p, "eps: %g is too small beside the images' variance of %g; raise it", config->eps,
                        trace);
    for (int64_t t = 0; t < strips; t++)
        for (int64_t k = 0; k < n; k++)
            for (int64_t i = 0; i < OUT; i++) {
                const int64_t column = t * OUT + i;
                s->w[(t * n + k) * OUT + i] = column < n ? (float)root[k * n + column] : 0;
            }
    return 0;
}

static void zca_pack(const zca_state *s, const float *x, int64_t vector, float *groups)
{
    float *to = groups + vector / GROUP * s->n * GROUP + vector % GROUP;
    for (int64_t k = 0; k < s->n; k++) to[k * GROUP] = x[k] - s->mean[k];
}

static whitening_apply zca_apply_of(const zca_state *s, const float *groups, int64_t vectors, float *y)
{
    return (whitening_apply){.n = s->n,
                             .strips = (s->n + OUT - 1) / OUT,
                             .groups = (vectors + GROUP - 1) / GROUP,
                             .w = s->w,
                             .x = groups,
                             .y = y,
                             .vectors = vectors};
}

/* The training images, as many as there is memory for. */
static int zca_whiten_ahead(cvy_augment_prepare *p, zca_state *s, float *x, float *groups, float *y,
                            zca_key *keys)
{
    for (int64_t first = 0; s->cache && first < p->n && s->cache->n < s->cache->most; first += AHEAD) {
        const int64_t some = p->n - first < AHEAD ? p->n - first : AHEAD;
        for (int64_t i = 0; i < some; i++) {
            if (p->sample(p, first + i, x)) return 1;
            keys[i] = zca_key_of(x, s->n);
            zca_pack(s, x, i, groups);
        }
        whitening_apply a = zca_apply_of(s, groups, some, y);
        p->host->parallel_for(p->host, a.strips, 1,
                              WHITENING_HAS_AVX2() ? whitening_apply_avx2 : whitening_apply_base, &a);
        for (int64_t i = 0; i < some; i++) zca_remember(s->cache, keys[i], s->n, y + i * s->n);
    }
    return 0;
}

static int zca_fit(cvy_augment_prepare *p, const zca_config *config, zca_state *s)
{
    const size_t n = (size_t)s->n, fixed = (2 * n + TILE) * TILE;
    double *work = malloc(sizeof *work * (4 * n * n + fixed + n)),
           *mean = work ? work + 4 * n * n + fixed : NULL;
    float *x = malloc(sizeof *x * n);
    int failed = !work || !x ? cvy_fail(p, "not enough memory for matrices of %zux%zu numbers", n, n) : 0;
    const int64_t fit = zca_fit_count(p, config);
    if (!failed) failed = zca_covariance(p, fit, mean, work, x, work + n * n);
    if (!failed) failed = zca_matrix(p, config, work, s);
    for (size_t k = 0; k < n && !failed; k++) s->mean[k] = (float)mean[k];
    free(work);
    float *groups = failed ? NULL : malloc(sizeof *groups * n * AHEAD),
          *y = failed ? NULL : malloc(sizeof *y * n * AHEAD);
    zca_key *keys = malloc(sizeof *keys * AHEAD);
    if (!failed && groups && y && keys) failed = zca_whiten_ahead(p, s, x, groups, y, keys);
    free(groups);
    free(y);
    free(keys);
    free(x);
    return failed;
}

static int zca_prepare(cvy_augment_prepare *p, const void *config, void **state)
{
    const zca_config *c = config;
    const int64_t n = cvy_count(p->in);
    const size_t strips = (size_t)(n + OUT - 1) / OUT;
    zca_state *s = calloc(1, sizeof *s);
    if (!s) return cvy_fail(p, "not enough memory");
    s->n = n;
    s->mean = malloc(sizeof *s->mean * (size_t)n);
    s->w = malloc(sizeof *s->w * strips * (size_t)n * OUT);
    int failed = !s->mean || !s->w ? cvy_fail(p, "not enough memory for a matrix of %lldx%lld numbers",
                                              (long long)n, (long long)n)
                                   : 0;
    if (!failed) s->cache = zca_cache_new(n, c->cache_mb);
    if (!failed) failed = zca_fit(p, c, s);
    if (failed)
        zca_release(s);
    else
        *state = s;
    return failed;
}

/* ---- an image ---- */

static int zca_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    int64_t n = 1;
    for (int i = 0; i < in->rank; i++) {
        n = n > VALUES_MAX ? n : n * in->dim[i];
        if (n > VALUES_MAX)
            return host->fail(
                host,
                "whitens up to %d values at once, as of 32x32 pixels in colour, and these are more; make "
                "the images smaller first, by `resize`",
                (int)VALUES_MAX);
    }
    return 0;
}

static int zca_apply(cvy_augment_call *call, const void *config)
{
    const zca_state *s = call->state;
    (void)config;
    if (!s) return cvy_fail(call, "has not seen the training images, which it learns from");
    const zca_key key = s->cache ? zca_key_of(call->x, s->n) : (zca_key){0, 0};
    if (zca_recall(s->cache, key, s->n, call->y)) return 0;
    float *groups = malloc(sizeof *groups * (size_t)s->n * GROUP);
    if (!groups) return cvy_fail(call, "not enough memory for an image");
    zca_pack(s, call->x, 0, groups);
    whitening_apply a = zca_apply_of(s, groups, 1, call->y);
    if (WHITENING_HAS_AVX2())
        whitening_apply_avx2(&a, 0, a.strips);
    else
        whitening_apply_base(&a, 0, a.strips);
    free(groups);
    /* In training, what is not known already comes of random steps before, and does not come again. */
    if (!call->train) zca_remember(s->cache, key, s->n, call->y);
    return 0;
}

static const cvy_augment zca_type = {.size = sizeof(cvy_augment),
                                     .traits = CVY_AUGMENT_ALWAYS,
                                     .infer = zca_infer,
                                     .apply = zca_apply,
                                     .prepare = zca_prepare,
                                     .release = zca_release};

CVY_PLUGIN(CVY_AUGMENT, zca_whitening, "zca ZCA ZCAWhitening whitening whiten",
           "pixels uncorrelated with variance 1 over the training set, changed as little as that allows; in "
           "evaluation too. "
           "Up to 4096 values; put it before random steps",
           "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images, appendix A", zca_config,
           &zca_type, CVY_PARAMS(zca_params));
