/* Accumulates loss and accuracy. Must not know where batches come from. */
#include "train/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void metrics_add(metrics *m, const float *logits, const int32_t *labels, int64_t n, int64_t k, double loss,
                 double weight)
{
    for (int64_t i = 0; labels && i < n; i++) {
        const float *y = logits + i * k;
        int32_t label = labels[i];
        if (label < 0 || label >= k || isnan(y[label])) continue;
        float own = y[label];
        int64_t above = 0;
        for (int64_t c = 0; c < k; c++) above += y[c] > own || (y[c] == own && c < label) || isnan(y[c]);
        m->top1 += above < 1;
        m->top5 += above < 5;
    }
    m->samples += n;
    m->loss += loss;
    m->weight += weight;
}

double metrics_loss(const metrics *m)
{
    return m->weight > 0 ? m->loss / m->weight : m->loss;
}

void metrics_write(const metrics *m, text *out)
{
    text_printf(out, "%a %a %" PRId64 " %" PRId64 " %" PRId64, m->loss, m->weight, m->samples, m->top1,
                m->top5);
}

bool metrics_read(metrics *m, const char *s)
{
    return s && sscanf(s, "%la %la %" SCNd64 " %" SCNd64 " %" SCNd64, &m->loss, &m->weight, &m->samples,
                       &m->top1, &m->top5) == 5;
}
