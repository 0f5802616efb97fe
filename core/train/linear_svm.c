/* Owns the talk with LIBLINEAR; must not know where features come from. */
#include "train/linear_svm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/philox.h"

#ifdef CONVOY_LIBLINEAR
#include <dlfcn.h>
#include <linear.h>

/* `bias` is a feature of its own, regularised like the others. */
enum { SVM_BIAS = 1 };
static const double svm_tolerance = 0.01; /* the library's own, relative */

struct linear_svm {
    struct svm_library *library;
    struct model *model;
    svm_scale scale;
    int64_t features, classes;
    double *mean, *factor; /* of SVM_STANDARD */
};

/* ---- the library ---- */

/* Loaded when it is asked for: all it brings along would make every start of the program slower. */
typedef struct svm_library {
    struct model *(*train)(const struct problem *, const struct parameter *);
    double (*predict)(const struct model *, const struct feature_node *);
    const char *(*check_parameter)(const struct problem *, const struct parameter *);
    void (*destroy)(struct model **);
    void (*set_print)(void (*)(const char *));
    const int *version;
} svm_library;

static void svm_quiet(const char *line)
{
    (void)line;
}

static bool svm_open(svm_library *l)
{
    void *handle = dlopen(CONVOY_LIBLINEAR, RTLD_NOW | RTLD_LOCAL); /* for good: the same each time */
    const struct {
        const char *name;
        void *into;
    } symbols[] = {{"train", &l->train},
                   {"predict", &l->predict},
                   {"check_parameter", &l->check_parameter},
                   {"free_and_destroy_model", &l->destroy},
                   {"set_print_string_function", &l->set_print},
                   {"liblinear_version", &l->version}};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = handle ? dlsym(handle, symbols[i].name) : NULL;
        if (!found) return false;
        memcpy(symbols[i].into, &found, sizeof found);
    }
    l->set_print(svm_quiet);
    return true;
}

int linear_svm_version(void)
{
    svm_library l;
    return svm_open(&l) ? *l.version : 0;
}

static cvy_status svm_missing(errors *e)
{
    return errors_add(e, CVY_ERR_RESOURCE, NULL, "apt-get install liblinear-dev", "%s cannot be loaded",
                      CONVOY_LIBLINEAR);
}

static cvy_status svm_no_memory(const svm_set *s, errors *e)
{
    const double gib =
        (double)s->n * (double)(s->features + 2) * (double)sizeof(struct feature_node) / (double)(1 << 30);
    return errors_add(e, CVY_ERR_RESOURCE, NULL,
                      "a layer with fewer outputs, as one behind global_avg_pool, or dataset.train_limit",
                      "not enough memory: LIBLINEAR takes %.1f GiB for %lld samples of %lld features", gib,
                      (long long)s->n, (long long)s->features);
}

/* ---- scaling ---- */

/* Mean and inverse deviation over the training samples; a feature that is always the same becomes 0. */
static void svm_learn_scale(linear_svm *m, const svm_set *s)
{
    const int64_t d = s->features;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t k = 0; k < d; k++) m->mean[k] += (double)s->x[i * d + k];
    for (int64_t k = 0; k < d; k++) m->mean[k] /= (double)s->n;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t k = 0; k < d; k++) {
            const double off = (double)s->x[i * d + k] - m->mean[k];
            m->factor[k] += off * off;
        }
    for (int64_t k = 0; k < d; k++) {
        const double deviation = sqrt(m->factor[k] / (double)s->n);
        m->factor[k] = deviation > 1e-8 * (1 + fabs(m->mean[k])) ? 1 / deviation : 0;
    }
}

/* One sample as the library reads it, without what is 0; the number of its entries. */
static int64_t svm_row(const linear_svm *m, const float *x, struct feature_node *out)
{
    double scale = 1;
    int64_t n = 0;
    if (m->scale == SVM_UNIT) {
        double squares = 0;
        for (int64_t k = 0; k < m->features; k++) squares += (double)x[k] * (double)x[k];
        scale = squares > 0 ? 1 / sqrt(squares) : 0;
    }
    for (int64_t k = 0; k < m->features; k++) {
        const double v =
            m->scale == SVM_STANDARD ? ((double)x[k] - m->mean[k]) * m->factor[k] : (double)x[k] * scale;
        if (v != 0) out[n++] = (struct feature_node){(int)k + 1, v};
    }
    out[n++] = (struct feature_node){(int)m->features + 1, SVM_BIAS};
    out[n++] = (struct feature_node){-1, 0};
    return n;
}

/* ---- training ---- */

static cvy_status svm_check(const svm_set *s, int64_t classes, errors *e)
{
    int32_t first = s->n > 0 ? s->labels[0] : 0;
    bool several = false;
    if (s->n < 1 || s->n > INT32_MAX || s->features < 1 || s->features > INT32_MAX - 2 || classes > INT32_MAX)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                          "%lld samples of %lld features are not for LIBLINEAR", (long long)s->n,
                          (long long)s->features);
    for (int64_t i = 0; i < s->n; i++) several = several || s->labels[i] != first;
    if (!several) return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "all training samples are of one class");
    for (int64_t i = 0; i < s->n * s->features; i++)
        if (!isfinite(s->x[i]))
            return errors_add(e, CVY_ERR_RUN, NULL, NULL, "feature %lld of sample %lld is not finite",
                              (long long)(i % s->features), (long long)(i / s->features));
    return CVY_OK;
}

static cvy_status svm_solve(linear_svm *m, const svm_set *s, double c, errors *e)
{
    size_t most;
    struct feature_node *nodes = NULL, **rows = mem_try((size_t)s->n, sizeof *rows);
    double *y = mem_try((size_t)s->n, sizeof *y);
    if (size_mul((size_t)s->n, (size_t)s->features + 2, &most)) nodes = mem_try(most, sizeof *nodes);
    cvy_status status = nodes && rows && y ? CVY_OK : svm_no_memory(s, e);
    if (!status) {
        struct feature_node *at = nodes;
        for (int64_t i = 0; i < s->n; i++) {
            rows[i] = at;
            at += svm_row(m, s->x + i * s->features, at);
            y[i] = s->labels[i];
        }
        const struct problem p = {
            .l = (int)s->n, .n = (int)s->features + 1, .y = y, .x = rows, .bias = SVM_BIAS};
        const struct parameter how = {.solver_type = L2R_L2LOSS_SVC, .eps = svm_tolerance, .C = c};
        const char *wrong = m->library->check_parameter(&p, &how);
        if (wrong)
            status = errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "LIBLINEAR: %s", wrong);
        else
            m->model = m->library->train(&p, &how);
    }
    mem_free(nodes);
    mem_free(rows);
    mem_free(y);
    return status;
}

linear_svm *linear_svm_train(const svm_set *set, int64_t classes, double c, svm_scale scale, errors *e)
{
    if (svm_check(set, classes, e)) return NULL;
    linear_svm *m = mem_alloc(sizeof *m);
    *m = (linear_svm){.scale = scale, .features = set->features, .classes = classes};
    m->library = mem_alloc(sizeof *m->library);
    if (!svm_open(m->library)) {
        svm_missing(e);
        linear_svm_free(m);
        return NULL;
    }
    m->mean = mem_array((size_t)set->features, sizeof *m->mean);
    m->factor = mem_array((size_t)set->features, sizeof *m->factor);
    if (scale == SVM_STANDARD) svm_learn_scale(m, set);
    if (svm_solve(m, set, c, e) == CVY_OK) return m;
    linear_svm_free(m);
    return NULL;
}

void linear_svm_free(linear_svm *m)
{
    if (!m) return;
    if (m->model) m->library->destroy(&m->model);
    mem_free(m->library);
    mem_free(m->mean);
    mem_free(m->factor);
    mem_free(m);
}

cvy_status linear_svm_predict(const linear_svm *m, const svm_set *set, int32_t *taken, errors *e)
{
    if (!m) return svm_missing(e);
    struct feature_node *row = mem_try((size_t)m->features + 2, sizeof *row);
    if (!row) return svm_no_memory(&(svm_set){.n = 1, .features = m->features}, e);
    for (int64_t i = 0; i < set->n; i++) {
        svm_row(m, set->x + i * set->features, row);
        taken[i] = (int32_t)m->library->predict(m->model, row);
    }
    mem_free(row);
    return CVY_OK;
}

#else

static cvy_status svm_missing(errors *e)
{
    return errors_add(e, CVY_ERR_CONFIG, NULL, "apt-get install liblinear-dev, then build Convoy anew",
                      "this build of Convoy has no LIBLINEAR");
}

int linear_svm_version(void)
{
    return 0;
}

linear_svm *linear_svm_train(const svm_set *set, int64_t classes, double c, svm_scale scale, errors *e)
{
    (void)set, (void)classes, (void)c, (void)scale;
    svm_missing(e);
    return NULL;
}

void linear_svm_free(linear_svm *m)
{
    (void)m;
}

cvy_status linear_svm_predict(const linear_svm *m, const svm_set *set, int32_t *taken, errors *e)
{
    (void)m, (void)set, (void)taken;
    return svm_missing(e);
}

#endif

/* ---- cross-validation ---- */

/* Class by class in a drawn order, the folds get samples in turn. */
static void svm_folds(const svm_set *s, int64_t classes, int folds, uint64_t seed, int *fold)
{
    int64_t *members = mem_array((size_t)s->n, sizeof *members);
    int next = 0;
    for (int64_t class = 0; class < classes; class ++) {
        int64_t n = 0;
        for (int64_t i = 0; i < s->n; i++)
            if (s->labels[i] == class) members[n++] = i;
        philox_stream random = philox_open(philox_key_of(seed, "svm folds", ""), (uint64_t) class, 0);
        for (int64_t i = n - 1; i > 0; i--) {
            const int64_t j = (int64_t)philox_below(&random, (uint32_t)(i + 1)), swap = members[i];
            members[i] = members[j];
            members[j] = swap;
        }
        for (int64_t i = 0; i < n; i++, next = (next + 1) % folds) fold[members[i]] = next;
    }
    mem_free(members);
}

/* The samples of a fold, or all but these. */
static void svm_gather(const svm_set *s, const int *fold, int which, bool others, float *x, int32_t *labels,
                       svm_set *out)
{
    *out = (svm_set){.x = x, .labels = labels, .features = s->features};
    for (int64_t i = 0; i < s->n; i++) {
        if ((fold[i] != which) != others) continue;
        memcpy(x + out->n * s->features, s->x + i * s->features, (size_t)s->features * sizeof *x);
        labels[out->n++] = s->labels[i];
    }
}

static cvy_status svm_one_fold(const svm_set *s, int64_t classes, double c, svm_scale scale, const int *fold,
                               int which, float *x, int32_t *labels, int64_t *right, errors *e)
{
    svm_set part;
    svm_gather(s, fold, which, true, x, labels, &part);
    linear_svm *m = linear_svm_train(&part, classes, c, scale, e);
    if (!m) return errors_status(e);
    svm_gather(s, fold, which, false, x, labels, &part);
    int32_t *taken = mem_array((size_t)part.n + 1, sizeof *taken);
    cvy_status status = linear_svm_predict(m, &part, taken, e);
    for (int64_t i = 0; !status && i < part.n; i++) *right += taken[i] == labels[i];
    mem_free(taken);
    linear_svm_free(m);
    return status;
}

cvy_status linear_svm_validate(const svm_set *s, int64_t classes, double c, svm_scale scale, int folds,
                               uint64_t seed, double *accuracy, errors *e)
{
    size_t cells;
    int64_t right = 0;
    int *fold = mem_try((size_t)s->n, sizeof *fold);
    float *x = size_mul((size_t)s->n, (size_t)s->features, &cells) ? mem_try(cells, sizeof *x) : NULL;
    int32_t *labels = mem_try((size_t)s->n, sizeof *labels);
    cvy_status status =
        fold && x && labels
            ? CVY_OK
            : errors_add(e, CVY_ERR_RESOURCE, NULL, NULL,
                         "not enough memory for the features of %lld samples twice", (long long)s->n);
    if (!status) svm_folds(s, classes, folds, seed, fold);
    for (int k = 0; k < folds && !status; k++)
        status = svm_one_fold(s, classes, c, scale, fold, k, x, labels, &right, e);
    *accuracy = s->n > 0 ? (double)right / (double)s->n : (double)NAN;
    mem_free(fold);
    mem_free(x);
    mem_free(labels);
    return status;
}
