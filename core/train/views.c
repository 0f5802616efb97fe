/* Owns the averaging over augmented copies at test time. Must not know how copies are made. */
#include "train/views.h"

#include <float.h>
#include <math.h>

#include "train/scores.h"
#include "train/stepper.h"

static bool views_loss_of(const setup *s, const float *y, double *loss)
{
    int32_t label = 0;
    errors quiet = {0};
    double weight = 1;
    const batch b = {.n = 1, .labels = &label, .copies = 1};
    const cvy_shape shape = cvy_shape2(1, s->data->info.classes);
    cvy_status status = stepper_loss_of(s, y, &shape, &b, loss, &weight, &quiet);
    errors_free(&quiet);
    return status == CVY_OK && isfinite(*loss);
}

/* By trying: the loss of some scores against the loss of the logarithms of their probabilities. */
bool views_are_probabilities(const setup *s)
{
    if (!s->accuracy) return false;
    const int64_t k = s->data->info.classes;
    float *y = mem_array((size_t)k, sizeof *y);
    double *p = mem_array((size_t)k, sizeof *p), of_scores = 0, of_logarithms = 0;
    for (int64_t c = 0; c < k; c++) y[c] = 0.75f - 0.5f * (float)(c % 5);
    bool same = views_loss_of(s, y, &of_scores);
    scores_softmax(y, k, p);
    for (int64_t c = 0; c < k; c++) y[c] = (float)log(p[c]);
    same = same && views_loss_of(s, y, &of_logarithms) &&
           fabs(of_scores - of_logarithms) <= 1e-5 * (1 + fabs(of_scores));
    mem_free(y);
    mem_free(p);
    return same;
}

cvy_status views_open(views_mean *c, int64_t samples, int64_t each, bool probabilities, errors *e)
{
    size_t cells;
    *c = (views_mean){.each = each, .probabilities = probabilities};
    if (size_mul((size_t)samples, (size_t)each, &cells)) c->sum = mem_try(cells, sizeof *c->sum);
    c->p = mem_try((size_t)each, sizeof *c->p);
    if (c->sum && c->p) return CVY_OK;
    views_close(c);
    return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the outputs of a batch");
}

void views_close(views_mean *c)
{
    mem_free(c->sum);
    mem_free(c->p);
    *c = (views_mean){0};
}

void views_add(views_mean *c, const float *y, int64_t n, int64_t copy)
{
    for (int64_t i = 0; i < n; i++) {
        const float *own = y + i * c->each;
        double *sum = c->sum + i * c->each;
        if (c->probabilities) scores_softmax(own, c->each, c->p);
        for (int64_t k = 0; k < c->each; k++)
            sum[k] = (copy ? sum[k] : 0) + (c->probabilities ? c->p[k] : (double)own[k]);
    }
}

void views_take(const views_mean *c, int64_t n, int64_t copies, float *y)
{
    for (int64_t i = 0; i < n * c->each; i++) {
        const double mean = c->sum[i] / (double)copies;
        y[i] = (float)(!c->probabilities ? mean : mean < DBL_MIN ? log(DBL_MIN) : log(mean));
    }
}
