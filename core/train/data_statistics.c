/* Owns what augmentation wants to know of all training samples: mean and deviation of each channel. Must not know what is done
 * with them. */
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "convoy/augment.h"
#include "train/data.h"
#include "train/sizes.h"
#include "train/statistics_cache.h"
#include "train/steps.h"

typedef struct moments {
    double mean, squares; /* sum of squared deviations */
} moments;

enum { STATISTICS_WORTH_KEEPING = 1 << 20 }; /* pixels */

typedef struct statistics_job {
    const data *d;
    moments *m; /* (n, C) */
    errors *e;  /* per thread */
} statistics_job;

static int64_t data_plane(const data *d, int64_t i)
{
    const cvy_shape *raw = &sizes_of(d, CVY_TRAIN, d->index[DATA_TRAIN][i])->shapes[DATA_AS_TRAINING][0];
    return cvy_count(raw) / raw->dim[0];
}

/* Planes beside each other, so that the sum of one does not wait for itself; what each comes to is as alone. */
static inline __attribute__((always_inline)) void data_planes(const float *p, int64_t plane, int n,
                                                              moments *out)
{
    double sum[4] = {0}, mean[4], squares[4] = {0};
    for (int64_t k = 0; k < plane; k++)
        for (int c = 0; c < n; c++) sum[c] += (double)p[c * plane + k];
    for (int c = 0; c < n; c++) mean[c] = sum[c] / (double)plane;
    for (int64_t k = 0; k < plane; k++)
        for (int c = 0; c < n; c++) {
            const double off = (double)p[c * plane + k] - mean[c];
            squares[c] += off * off;
        }
    for (int c = 0; c < n; c++) out[c] = (moments){mean[c], squares[c]};
}

static void data_moments(void *ctx, int64_t begin, int64_t end, int thread)
{
    const statistics_job *j = ctx;
    const data *d = j->d;
    const int64_t channels = d->info.sample.dim[0], most = cvy_count(&d->info.sample);
    float *x = mem_array((size_t)(most + data_scratch(d)), sizeof *x);
    const data_way as_read = {.part = DATA_TRAIN, .how = DATA_AS_EVALUATION}; /* before every step */
    for (int64_t i = begin; i < end && !errors_count(&j->e[thread]); i++) {
        int32_t label;
        const int64_t plane = data_plane(d, i);
        if (data_read_way(d, &as_read, i, x, &label, NULL, x + most, &j->e[thread])) break;
        moments *m = &j->m[i * channels];
        int64_t c = 0;
        for (; c + 3 <= channels; c += 3) data_planes(x + c * plane, plane, 3, m + c);
        for (; c < channels; c++) data_planes(x + c * plane, plane, 1, m + c);
    }
    mem_free(x);
}

/* Per sample in parallel, merged in the order of the samples (Chan et al. 1979), so that no thread count shows. */
static cvy_status data_statistics(data *d, errors *e)
{
    bool wanted = false;
    for (size_t k = 0; k < d->n_steps; k++) wanted = wanted || (d->steps[k].traits & CVY_AUGMENT_STATS);
    if (!wanted || d->stats.mean) return CVY_OK;
    int64_t n = d->n[DATA_TRAIN], channels = d->info.sample.dim[0];
    float *mean = arena_array(&d->memory, (size_t)channels, sizeof *mean);
    float *std = arena_array(&d->memory, (size_t)channels, sizeof *std);
    char key[65] = "";
    const bool kept = n * cvy_count(&d->info.sample) >= STATISTICS_WORTH_KEEPING && statistics_key(d, key);
    if (kept && statistics_recall(key, channels, mean, std)) {
        d->stats = (cvy_channel_stats){.channels = (int32_t)channels, .mean = mean, .std = std};
        return CVY_OK;
    }
    int threads = parallel_threads();
    statistics_job j = {.d = d,
                        .m = mem_try((size_t)(n * channels), sizeof(moments)),
                        .e = mem_array((size_t)threads, sizeof(errors))};
    if (!j.m) {
        mem_free(j.e);
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL,
                          "not enough memory for the statistics of %lld samples", (long long)n);
    }
    parallel_for(n, 1, data_moments, &j);
    for (int t = 0; t < threads; t++) errors_move(e, &j.e[t]);
    for (int64_t c = 0; c < channels; c++) {
        moments all = {0, 0};
        double before = 0; /* pixels so far: of larger images there are more */
        for (int64_t i = 0; i < n; i++) {
            const moments *m = &j.m[i * channels + c];
            const double plane = (double)data_plane(d, i), delta = m->mean - all.mean, total = before + plane;
            all.mean += delta * plane / total;
            all.squares += m->squares + delta * delta * before * plane / total;
            before = total;
        }
        mean[c] = (float)all.mean;
        std[c] = (float)sqrt(all.squares / before);
    }
    mem_free(j.m);
    mem_free(j.e);
    cvy_status status = errors_status(e);
    if (!status && kept) statistics_remember(key, channels, mean, std);
    if (!status) d->stats = (cvy_channel_stats){.channels = (int32_t)channels, .mean = mean, .std = std};
    return status;
}

cvy_status data_prepare(data *d, errors *e)
{
    cvy_status status = data_statistics(d, e);
    return status ? status : steps_prepare(d, e);
}
