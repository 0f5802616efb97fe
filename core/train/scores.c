/* Counts a classifier's answers and works out what is made of the counts. Must not know where they come from. */
#include "train/scores.h"

#include <math.h>

#include "base/memory.h"

cvy_status scores_init(scores *s, int64_t classes, errors *e)
{
    size_t cells;
    *s = (scores){.classes = classes};
    s->support = mem_try((size_t)classes, sizeof *s->support);
    s->confusion =
        size_mul((size_t)classes, (size_t)classes, &cells) ? mem_try(cells, sizeof *s->confusion) : NULL;
    if (s->support && s->confusion) return CVY_OK;
    scores_free(s);
    return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL,
                      "not enough memory for a confusion matrix of %lld classes", (long long)classes);
}

void scores_free(scores *s)
{
    mem_free(s->support);
    mem_free(s->confusion);
    *s = (scores){0};
}

void scores_add(scores *s, int64_t taken, double confidence, int32_t label)
{
    s->samples++;
    s->support[label]++;
    if (taken < 0) return;
    s->confusion[label * s->classes + taken]++;
    if (!(confidence >= 0)) return; /* of infinite scores */
    int64_t bin = (int64_t)ceil(confidence * SCORES_BINS) - 1;
    scores_bin *b = &s->bins[bin < 0 ? 0 : bin >= SCORES_BINS ? SCORES_BINS - 1 : bin];
    b->n++;
    b->right += taken == label;
    b->confidence += confidence;
}

scores_class scores_of(const scores *s, int64_t class)
{
    int64_t right = s->confusion[class * s->classes + class], taken = 0, support = s->support[class];
    for (int64_t i = 0; i < s->classes; i++) taken += s->confusion[i * s->classes + class];
    scores_class c = {.support = support, .precision = (double)NAN, .recall = (double)NAN, .f1 = (double)NAN};
    if (taken > 0) c.precision = (double)right / (double)taken;
    if (support > 0) c.recall = (double)right / (double)support;
    if (taken + support > 0) c.f1 = 2.0 * (double)right / (double)(taken + support);
    return c;
}

double scores_calibration_error(const scores *s)
{
    double sum = 0;
    for (int i = 0; i < SCORES_BINS; i++) sum += fabs((double)s->bins[i].right - s->bins[i].confidence);
    return s->samples > 0 ? sum / (double)s->samples : (double)NAN;
}

int64_t scores_taken(const float *y, int64_t k)
{
    int64_t best = 0;
    for (int64_t c = 0; c < k; c++) {
        if (isnan(y[c])) return -1;
        if (y[c] > y[best]) best = c;
    }
    return best;
}

void scores_softmax(const float *y, int64_t k, double *p)
{
    float most = y[0];
    double sum = 0;
    for (int64_t c = 1; c < k; c++) most = fmaxf(most, y[c]);
    for (int64_t c = 0; c < k; c++) sum += p[c] = exp((double)y[c] - (double)most);
    for (int64_t c = 0; c < k; c++) p[c] /= sum;
}

bool scores_are_probabilities(const float *y, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t c = 0; c < k; c++) {
            if (!(y[i * k + c] >= 0)) return false;
            sum += (double)y[i * k + c];
        }
        if (fabs(sum - 1) > 1e-4) return false;
    }
    return true;
}
