/* Gathers the probabilities of several networks and evaluates their mean. Must not know where they come from. */
#include "train/ensemble.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/digest.h"
#include "train/stepper.h"

enum { ENSEMBLE_BATCH = 256 };

void ensemble_free(ensemble *g)
{
    mem_free(g->loss_type);
    mem_free(g->labels);
    mem_free(g->sum);
    *g = (ensemble){0};
}

/* ---- the same samples ---- */

/* Files tell by their hash; samples that are drawn from numbers tell by themselves. */
static cvy_status ensemble_identify(const setup *s, data_part part, char hex[65], errors *e)
{
    const data *d = s->data;
    uint32_t crc = 0;
    cvy_status status = d->info.fingerprint[0] ? CVY_OK : data_checksum(d, part, &crc, e);
    sha256 h;
    sha256_init(&h);
    sha256_text(&h, s->dataset->name);
    sha256_text(&h, d->info.fingerprint);
    sha256_add(&h, &crc, sizeof crc);
    const uint32_t split = part == DATA_TEST ? CVY_TEST : CVY_TRAIN;
    sha256_add(&h, &split, sizeof split);
    if (d->info.fingerprint[0]) sha256_add(&h, d->index[part], (size_t)d->n[part] * sizeof *d->index[part]);
    sha256_hex(&h, hex);
    return status;
}

static char *ensemble_loss_type(const setup *s)
{
    json_writer w = {0};
    params_table t = params_of(s->loss, (void *)(uintptr_t)s->loss_config);
    json_open(&w, '{');
    json_put_text(&w, "type", s->loss->name);
    params_write(&t, &w);
    json_close(&w, '}');
    return text_take(&w.out);
}

static cvy_status ensemble_other_samples(const ensemble *g, const setup *s, errors *e)
{
    const data *d = s->data;
    if (d->info.classes != g->classes)
        return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL, "tells %d classes apart, and those before it %lld",
                          (int)d->info.classes, (long long)g->classes);
    return errors_add(
        e, CVY_ERR_CONFIG, &d->at,
        "which samples there are may come of each run's seed: so it is with those held out for validation, "
        "and `shapes` "
        "draws the same for all with dataset.seed=1",
        "its samples are others than those of the runs before it, and an ensemble answers on the same");
}

cvy_status ensemble_begin(ensemble *g, const setup *s, data_part part, errors *e)
{
    const data *d = s->data;
    if (!s->accuracy)
        return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL,
                          "the network gives no scores of classes that could be averaged");
    char identity[65];
    cvy_status status = ensemble_identify(s, part, identity, e);
    if (status) return status;
    char *loss_type = ensemble_loss_type(s);
    g->loss = g->weight = 0;
    if (g->members) {
        bool same =
            g->classes == d->info.classes && g->samples == d->n[part] && !strcmp(identity, g->identity);
        if (strcmp(loss_type, g->loss_type) != 0) g->no_loss = true;
        mem_free(loss_type);
        return same ? CVY_OK : ensemble_other_samples(g, s, e);
    }
    ensemble_free(g);
    g->samples = d->n[part];
    g->classes = d->info.classes;
    g->loss_type = loss_type;
    memcpy(g->identity, identity, sizeof g->identity);
    size_t cells;
    g->labels = mem_try((size_t)g->samples, sizeof *g->labels);
    g->sum = size_mul((size_t)g->samples, (size_t)g->classes, &cells) ? mem_try(cells, sizeof *g->sum) : NULL;
    if (g->labels && g->sum) return CVY_OK;
    return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL,
                      "not enough memory for the probabilities of %lld samples and %lld classes",
                      (long long)g->samples, (long long)g->classes);
}

/* ---- members ---- */

/* As a network would have given them that ends as the members do. */
static void ensemble_outputs(const double *p, double scale, int64_t n, bool probabilities, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        double mean = p[i] * scale;
        y[i] = (float)(probabilities ? mean : log(mean > DBL_MIN ? mean : DBL_MIN));
    }
}

static cvy_status ensemble_loss(const ensemble *g, const setup *s, const float *y, const batch *b,
                                double *sum, double *weight, errors *e)
{
    const cvy_shape shape = {.rank = 2, .dim = {b->n, g->classes}};
    double of_batch = 0, its_weight = 0;
    cvy_status status = stepper_loss_of(s, y, &shape, b, &of_batch, &its_weight, e);
    *sum += of_batch;
    *weight += its_weight;
    return status;
}

cvy_status ensemble_add(ensemble *g, const setup *s, const double *p, bool probabilities, const batch *b,
                        errors *e)
{
    const int64_t n = b->n, k = g->classes;
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = b->samples[i];
        if (g->members && g->labels[at] != b->labels[i]) return ensemble_other_samples(g, s, e);
        g->labels[at] = b->labels[i];
        for (int64_t c = 0; c < k; c++) g->sum[at * k + c] += p[i * k + c];
    }
    if (g->members && probabilities != g->probabilities) g->no_loss = true;
    g->probabilities = probabilities;
    if (g->no_loss) return CVY_OK;
    float *y = mem_try((size_t)(n * k), sizeof *y);
    if (!y)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the outputs of a batch");
    ensemble_outputs(p, 1, n * k, probabilities, y);
    cvy_status status = ensemble_loss(g, s, y, b, &g->loss, &g->weight, e);
    mem_free(y);
    return status;
}

/* A loss that is another for logits than for the logarithms of their probabilities sees what an average loses. */
void ensemble_end(ensemble *g, double loss)
{
    const metrics m = {.loss = g->loss, .weight = g->weight};
    g->members++;
    if (!(fabs(metrics_loss(&m) - loss) <= 1e-3 * (1 + fabs(loss)))) g->no_loss = true;
}

/* ---- together ---- */

static cvy_status ensemble_batch(const ensemble *g, const setup *s, int64_t first, int64_t n, float *y,
                                 double *p, metrics *m, evaluation *out, errors *e)
{
    const int64_t k = g->classes;
    const double scale = 1.0 / (double)g->members;
    const double *from = g->sum + first * k;
    const batch b = {.n = n, .first = first, .labels = g->labels + first};
    double sum = 0, weight = 0;
    for (int64_t i = 0; i < n * k; i++) p[i] = from[i] * scale;
    ensemble_outputs(from, scale, n * k, g->probabilities, y);
    for (int64_t i = 0; i < n; i++) {
        int64_t taken = scores_taken(y + i * k, k);
        scores_add(&out->scores, taken, taken < 0 ? (double)NAN : p[i * k + taken], b.labels[i]);
    }
    cvy_status status = g->no_loss ? CVY_OK : ensemble_loss(g, s, y, &b, &sum, &weight, e);
    metrics_add(m, y, b.labels, n, k, sum, weight);
    return status;
}

cvy_status ensemble_evaluate(const ensemble *g, const setup *s, evaluation *out, errors *e)
{
    const int64_t k = g->classes;
    *out = (evaluation){0};
    cvy_status status = scores_init(&out->scores, k, e);
    if (status) return status;
    float *y = mem_try((size_t)(ENSEMBLE_BATCH * k), sizeof *y);
    double *p = mem_try((size_t)(ENSEMBLE_BATCH * k), sizeof *p);
    metrics m = {0};
    if (!y || !p)
        status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the outputs of a batch");
    for (int64_t first = 0; first < g->samples && !status; first += ENSEMBLE_BATCH) {
        int64_t n = g->samples - first < ENSEMBLE_BATCH ? g->samples - first : ENSEMBLE_BATCH;
        status = ensemble_batch(g, s, first, n, y, p, &m, out, e);
    }
    if (!status) evaluation_take(out, &m, k);
    if (g->no_loss) out->loss = (double)NAN;
    mem_free(y);
    mem_free(p);
    return status;
}
