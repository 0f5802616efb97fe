/* What every plugin exports, whatever its kind: descriptors, declared parameters, the host it reports to.
 *
 * A plugin is one shared object. It exports one function, cvy_plugins(), returning a NULL-terminated list of
 * static descriptors, and carries one ELF note per descriptor (ABI, kind, name) that Convoy reads without
 * loading the file. The CVY_PLUGIN macro at the end of this file writes both. A plugin links nothing of
 * Convoy: everything it may call comes through the cvy_host of the call. Descriptors are static; whatever a
 * call hands over dies with the call; a plugin keeps no mutable globals. Plain C11; C++17 works through the
 * same declarations. */
#ifndef CONVOY_PLUGIN_H
#define CONVOY_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include "convoy/status.h"

#define CVY_ABI 2u /* bumped by any break; until release 1.0 a break is allowed */

/* The number type of `plain` code. A plugin source compiled a second time with -DCVY_DOUBLE and linked into
 * the same shared object gives the double twin in which `convoy plugin check` measures gradients.
 * cvy_sqrt is its square root; whoever calls it includes <math.h>. */
#ifdef CVY_DOUBLE
typedef double cvy_real;
#define cvy_sqrt          sqrt
#define CVY_EXPORTED_LIST cvy_plugins_double
#else
typedef float cvy_real;
#define cvy_sqrt          sqrtf
#define CVY_EXPORTED_LIST cvy_plugins
#endif

typedef enum cvy_kind {
    CVY_LAYER = 1,
    CVY_LOSS = 2,
    CVY_OPTIMIZER = 3,
    CVY_DATASET = 4,
    CVY_AUGMENT = 5,
    CVY_SCHEDULE = 6, /* built into the trainer, as the next; never a file */
    CVY_INITIALISER = 7
} cvy_kind;

/* ---- declared parameters ---- */

typedef enum cvy_param_kind {
    CVY_PARAM_INT = 1,  /* int64_t */
    CVY_PARAM_FLOAT,    /* double */
    CVY_PARAM_BOOL,     /* int32_t, 0 or 1 */
    CVY_PARAM_STRING,   /* const char *, owned by the core; NULL when the default is `null` */
    CVY_PARAM_ENUM,     /* int32_t, index into choices */
    CVY_PARAM_PAIR,     /* int64_t[2]: one number for both, or [vertical, horizontal] */
    CVY_PARAM_INTS,     /* cvy_ints */
    CVY_PARAM_FLOATS,   /* cvy_floats */
    CVY_PARAM_CHILD,    /* cvy_child: a plugin of another kind with its own parameters */
    CVY_PARAM_CHILDREN, /* cvy_children: a list of them */
    CVY_PARAM_ALSO,     /* not a parameter: other frameworks' names for the one before, used in suggestions */
    CVY_PARAM_TRIPLE,   /* int64_t[3]: one number for all, or [depth, vertical, horizontal] */
    CVY_PARAM_PADDING,  /* cvy_padding over `child` axes */
    CVY_PARAM_LAYERS    /* cvy_layers: a list as under `model:`, for cvy_build.layers */
} cvy_param_kind;

typedef struct cvy_ints {
    const int64_t *v;
    size_t n;
} cvy_ints;

typedef struct cvy_floats {
    const double *v;
    size_t n;
} cvy_floats;

typedef struct cvy_child {
    const struct cvy_descriptor *plugin; /* NULL when absent */
    const void *config;
} cvy_child;

typedef struct cvy_children {
    const cvy_child *v;
    size_t n;
} cvy_children;

typedef enum cvy_padding_mode {
    CVY_PAD_GIVEN = 0,
    CVY_PAD_SAME /* as much as makes the output ceil(input / stride) long; an odd one goes behind */
} cvy_padding_mode;

/* What is put around the spatial axes. Written as one number, one per axis, all befores and then all afters
 * ([top, left, bottom, right]), or as `same` or `valid` (0). */
typedef struct cvy_padding {
    int32_t mode;                /* cvy_padding_mode */
    int64_t before[3], after[3]; /* elements; 0 beyond the axes and under CVY_PAD_SAME */
} cvy_padding;

typedef struct cvy_layers {
    const void *list; /* the core's */
    size_t n;
} cvy_layers;

typedef struct cvy_param {
    const char *name;
    uint32_t kind;              /* cvy_param_kind */
    uint32_t child;             /* CHILD, CHILDREN: cvy_kind expected; PADDING: number of axes, 1 to 3 */
    size_t offset;              /* of the field in the config struct */
    const char *fallback;       /* default as YAML text ("3", "[1, 1]", "null"); NULL: required */
    double min, max;            /* closed range of INT, FLOAT, PAIR and of list elements */
    const char *const *choices; /* ENUM: NULL-terminated */
    const char *help;           /* what it is, its unit */
} cvy_param;

/* Where a field lies; in C, that it has the type its kind fills. An error in here ("not compatible with any association")
 * says that it has not: CVY_INT needs an int64_t, CVY_FLOAT a double, CVY_BOOL and CVY_ENUM an int32_t. */
#ifdef __cplusplus
#define CVY_OFFSET_(T, field, kind) offsetof(T, field)
#else
#define CVY_OFFSET_(T, field, kind) \
    (offsetof(T, field) + 0 * sizeof(char[_Generic(((T *)0)->field, CVY_FILLS_##kind : 1)]))
/* clang-format off */
#define CVY_FILLS_CVY_PARAM_INT      int64_t: 1, int64_t *
#define CVY_FILLS_CVY_PARAM_FLOAT    double
#define CVY_FILLS_CVY_PARAM_BOOL     int32_t
#define CVY_FILLS_CVY_PARAM_STRING   const char *
#define CVY_FILLS_CVY_PARAM_ENUM     int32_t
#define CVY_FILLS_CVY_PARAM_PAIR     int64_t *
#define CVY_FILLS_CVY_PARAM_TRIPLE   int64_t *
#define CVY_FILLS_CVY_PARAM_INTS     cvy_ints
#define CVY_FILLS_CVY_PARAM_FLOATS   cvy_floats
#define CVY_FILLS_CVY_PARAM_PADDING  cvy_padding
#define CVY_FILLS_CVY_PARAM_CHILD    cvy_child
#define CVY_FILLS_CVY_PARAM_CHILDREN cvy_children
#define CVY_FILLS_CVY_PARAM_LAYERS   cvy_layers
/* clang-format on */
#endif

#define CVY_PARAM_(T, field, kind, child, fallback, lo, hi, choices, help)                               \
    {                                                                                                    \
#field, kind, child, CVY_OFFSET_(T, field, kind), fallback, (double)(lo), (double)(hi), choices, \
            help                                                                                         \
    }
/* T is the config struct, `field` both its member and the parameter's name. */
#define CVY_INT(T, field, def, lo, hi, help) CVY_PARAM_(T, field, CVY_PARAM_INT, 0, #def, lo, hi, NULL, help)
#define CVY_INT_REQUIRED(T, field, lo, hi, help) \
    CVY_PARAM_(T, field, CVY_PARAM_INT, 0, NULL, lo, hi, NULL, help)
#define CVY_FLOAT(T, field, def, lo, hi, help) \
    CVY_PARAM_(T, field, CVY_PARAM_FLOAT, 0, #def, lo, hi, NULL, help)
#define CVY_BOOL(T, field, def, help)   CVY_PARAM_(T, field, CVY_PARAM_BOOL, 0, #def, 0, 1, NULL, help)
#define CVY_STRING(T, field, def, help) CVY_PARAM_(T, field, CVY_PARAM_STRING, 0, def, 0, 0, NULL, help)
#define CVY_ENUM(T, field, def, choices, help) \
    CVY_PARAM_(T, field, CVY_PARAM_ENUM, 0, #def, 0, 0, choices, help)
#define CVY_ENUM_REQUIRED(T, field, choices, help) \
    CVY_PARAM_(T, field, CVY_PARAM_ENUM, 0, NULL, 0, 0, choices, help)
/* def is text here: "3" or "[1, 5]" */
#define CVY_PAIR(T, field, def, lo, hi, help) CVY_PARAM_(T, field, CVY_PARAM_PAIR, 0, def, lo, hi, NULL, help)
#define CVY_TRIPLE(T, field, def, lo, hi, help) \
    CVY_PARAM_(T, field, CVY_PARAM_TRIPLE, 0, def, lo, hi, NULL, help)
#define CVY_PADDING(T, field, def, axes, hi, help) \
    CVY_PARAM_(T, field, CVY_PARAM_PADDING, axes, def, 0, hi, NULL, help)
#define CVY_INTS(T, field, def, lo, hi, help) CVY_PARAM_(T, field, CVY_PARAM_INTS, 0, def, lo, hi, NULL, help)
#define CVY_FLOATS(T, field, def, lo, hi, help) \
    CVY_PARAM_(T, field, CVY_PARAM_FLOATS, 0, def, lo, hi, NULL, help)
#define CVY_CHILD(T, field, def, child, help) \
    CVY_PARAM_(T, field, CVY_PARAM_CHILD, child, def, 0, 0, NULL, help)
#define CVY_CHILDREN(T, field, def, child, help) \
    CVY_PARAM_(T, field, CVY_PARAM_CHILDREN, child, def, 0, 0, NULL, help)
#define CVY_LAYERS(T, field, def, help) CVY_PARAM_(T, field, CVY_PARAM_LAYERS, 0, def, 0, 0, NULL, help)
/* Follows the parameter that it speaks of: CVY_ALSO("filters out_channels") */
#define CVY_ALSO(names)                                     \
    {                                                       \
        names, CVY_PARAM_ALSO, 0, 0, NULL, 0, 0, NULL, NULL \
    }

/* The padding before and after one axis of `in` elements, for windows of `span` elements (a dilated kernel's
 * whole reach) every `stride`. */
static inline void cvy_pad(const cvy_padding *p, int axis, int64_t in, int64_t span, int64_t stride,
                           int64_t *before, int64_t *after)
{
    *before = p->before[axis];
    *after = p->after[axis];
    if (p->mode != CVY_PAD_SAME) return;
    const int64_t reach = ((in + stride - 1) / stride - 1) * stride + span;
    const int64_t all = reach > in ? reach - in : 0;
    *before = all / 2;
    *after = all - *before;
}

/* ---- the host ---- */

/* Random numbers as a function of a key and a position; see cvy_host.random. The struct is the reader's
 * position. */
typedef struct cvy_random {
    uint32_t state[12]; /* the core's */
    uint32_t (*next)(struct cvy_random *);
} cvy_random;

static inline float cvy_unit(cvy_random *r) /* uniform on [0, 1) */
{
    return (float)(r->next(r) >> 8) * (1.0f / 16777216.0f);
}

static inline uint32_t cvy_below(cvy_random *r, uint32_t n) /* uniform on [0, n), n >= 1 */
{
    return (uint32_t)(((uint64_t)r->next(r) * n) >> 32);
}

struct cvy_image;

typedef struct cvy_host {
    uint32_t size;
    void *core; /* the core's own */
    /* Reports an error; returns nonzero, to be returned by the failing callback. The core adds where it
     * happened (file:line:col, layer). Say what was found, what is expected, what to do. */
    int (*fail)(const struct cvy_host *host, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
    /* The same for a spot in a data file; offset in bytes, or -1. */
    int (*fail_at)(const struct cvy_host *host, const char *file, int64_t offset, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
    /* Splits [0, n) over the compute threads: fn(ctx, begin, end), shares being multiples of `grain`. The
     * split depends on n and the thread count alone. */
    void (*parallel_for)(const struct cvy_host *host, int64_t n, int64_t grain,
                         void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx);
    /* A stream keyed by (seed of the run, purpose, a, b). */
    cvy_random (*random)(const struct cvy_host *host, const char *purpose, uint64_t a, uint32_t b);
    /* SHA-256 of a file as hex, cached by path, size and time. Nonzero after reporting a failure. */
    int (*sha256_file)(const struct cvy_host *host, const char *path, char hex[65]);
    /* Logs a scalar of the plugin's own under metric `name` for the current step; values under one name are
     * averaged over the step. Heard from losses, layers' own code and optimizers that are not elementwise, in
     * training; not to be called from within parallel_for, whose order would show in the average. */
    void (*log)(const struct cvy_host *host, const char *name, double value);
    /* Says what the user should know and what stops nothing: a file left out. Heard from a dataset's open. */
    void (*warn)(const struct cvy_host *host, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
    /* JPEG and PNG files (convoy/image.h). Nonzero after reporting file and byte offset. image_size reads the header alone;
     * image_read fills channels * height * width bytes, of the size that image_size says for the same `least`. */
    int (*image_size)(const struct cvy_host *host, struct cvy_image *image);
    int (*image_read)(const struct cvy_host *host, struct cvy_image *image, uint8_t *pixels);
    /* Planes (planes, h, w) at x as (planes, h2, w2) at y: bilinear, and where it shrinks every pixel counts (a triangle as wide
     * as the step), as PIL and torchvision with antialias do. Nonzero after reporting. */
    int (*image_resize)(const struct cvy_host *host, int64_t planes, const float *x, int64_t h, int64_t w,
                        float *y, int64_t h2, int64_t w2);
} cvy_host;

/* `call` is any struct whose member `host` is the host. */
#define cvy_fail(call, ...)    ((call)->host->fail((call)->host, __VA_ARGS__))
#define cvy_fail_at(call, ...) ((call)->host->fail_at((call)->host, __VA_ARGS__))
#define cvy_log(call, ...)     ((call)->host->log((call)->host, __VA_ARGS__))

/* ---- shapes ---- */

#define CVY_MAX_RANK 6

/* Batched tensors have the batch as dim[0]: (N, C, H, W) maps, (N, F) vectors. Samples and weights have none.
 */
typedef struct cvy_shape {
    int32_t rank;
    int64_t dim[CVY_MAX_RANK]; /* unused ones are 0 */
} cvy_shape;

static inline cvy_shape cvy_shape2(int64_t a, int64_t b)
{
    cvy_shape s = {2, {a, b, 0, 0, 0, 0}};
    return s;
}

static inline cvy_shape cvy_shape1(int64_t a)
{
    cvy_shape s = {1, {a, 0, 0, 0, 0, 0}};
    return s;
}

static inline cvy_shape cvy_shape4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    cvy_shape s = {4, {a, b, c, d, 0, 0}};
    return s;
}

static inline int64_t cvy_count(const cvy_shape *s) /* elements */
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

/* 1 when both have the same rank and the same dimensions, else 0. */
static inline int cvy_shape_same(const cvy_shape *a, const cvy_shape *b)
{
    if (a->rank != b->rank) return 0;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return 0;
    return 1;
}

/* Elements of one sample of a batched shape. */
static inline int64_t cvy_sample_count(const cvy_shape *s)
{
    int64_t n = 1;
    for (int i = 1; i < s->rank; i++) n *= s->dim[i];
    return n;
}

/* ---- descriptors ---- */

typedef struct cvy_descriptor {
    uint32_t abi;        /* CVY_ABI */
    uint32_t size;       /* sizeof(cvy_descriptor) */
    uint32_t kind;       /* cvy_kind */
    uint32_t real_size;  /* sizeof(cvy_real) */
    const char *name;    /* as written in YAML: "conv2d" */
    const char *aliases; /* other frameworks' names, for suggestions: "Conv2d conv Convolution2D"; or "" */
    const char *summary; /* one line */
    const char *source;  /* paper and equation or section; "" when there is none */
    size_t config_size;
    const cvy_param *params;
    uint32_t n_params;
    uint32_t param_size; /* sizeof(cvy_param) */
    const void *type;    /* cvy_layer, cvy_loss, cvy_optimizer, cvy_dataset or cvy_augment */
} cvy_descriptor;

typedef const cvy_descriptor *const *cvy_plugins_fn(void);

#define CVY_NOTE_OWNER "Convoy"
#define CVY_NOTE_TYPE  1u
#define CVY_NAME_MAX   48

typedef struct cvy_note {
    uint32_t owner_size, desc_size, type;
    char owner[8];
    uint32_t abi, kind;
    char name[CVY_NAME_MAX];
} cvy_note;

#ifdef __cplusplus
#define CVY_EXTERN extern "C"
#else
#define CVY_EXTERN extern
#endif

/* For plugins without parameters. */
typedef struct cvy_no_config {
    char unused;
} cvy_no_config;
#define CVY_NO_PARAMS     NULL, 0
#define CVY_PARAMS(table) table, (uint32_t)(sizeof(table) / sizeof((table)[0]))

#ifdef CVY_DOUBLE
#define CVY_NOTE_(kind_, name_)
#else
#define CVY_NOTE_(kind_, name_)                                                                           \
    __attribute__((section(".note.convoy"), used, aligned(4))) static const cvy_note cvy_note_##name_ = { \
        sizeof(CVY_NOTE_OWNER),                                                                           \
        sizeof(uint32_t) * 2 + CVY_NAME_MAX,                                                              \
        CVY_NOTE_TYPE,                                                                                    \
        CVY_NOTE_OWNER,                                                                                   \
        CVY_ABI,                                                                                          \
        kind_,                                                                                            \
        #name_};
#endif

/* One descriptor, named cvy_describe_NAME. `params` is CVY_PARAMS(table) or CVY_NO_PARAMS. */
#define CVY_DESCRIBE(kind_, name_, aliases_, summary_, source_, config_type, type_, ...)             \
    CVY_NOTE_(kind_, name_)                                                                          \
    static const cvy_descriptor cvy_describe_##name_ = {                                             \
        CVY_ABI, sizeof(cvy_descriptor), kind_,       sizeof(cvy_real),  #name_, aliases_, summary_, \
        source_, sizeof(config_type),    __VA_ARGS__, sizeof(cvy_param), type_}

/* Exports a list of descriptors made with CVY_DESCRIBE: CVY_EXPORT(&cvy_describe_a, &cvy_describe_b); */
#define CVY_EXPORT(...)                                                                                     \
    CVY_EXTERN __attribute__((visibility("default"))) const cvy_descriptor *const *CVY_EXPORTED_LIST(void); \
    const cvy_descriptor *const *CVY_EXPORTED_LIST(void)                                                    \
    {                                                                                                       \
        static const cvy_descriptor *const list[] = {__VA_ARGS__, NULL};                                    \
        return list;                                                                                        \
    }                                                                                                       \
    typedef int cvy_export_needs_a_semicolon

/* The usual case, one plugin in the file:
 *   CVY_PLUGIN(CVY_LAYER, conv2d, "Conv2d conv", "2-D convolution", "LeCun et al. 1998", conv_config,
 * &conv_layer, CVY_PARAMS(conv_params)); */
#define CVY_PLUGIN(kind_, name_, aliases_, summary_, source_, config_type, type_, ...)        \
    CVY_DESCRIBE(kind_, name_, aliases_, summary_, source_, config_type, type_, __VA_ARGS__); \
    CVY_EXPORT(&cvy_describe_##name_)

#endif
