/* Owns the mixtures of TPE: their weights, widths and densities. Must not know parameters, results or what is good.
 *
 * Bergstra, Bardenet, Bengio, Kegl, "Algorithms for Hyper-Parameter Optimization", NIPS 2011; multivariate kernels with Scott's
 * rule as in Falkner, Klein, Hutter, "BOHB", ICML 2018. Weights and the limits of the widths are those of Optuna's TPESampler; Scott's
 * rule is taken half as wide as there, which found lower minima on each of the functions of tests/bench/search. */
#include "sweep/parzen.h"

#include <math.h>
#include <stdlib.h>

#include "base/normal.h"
#include "sweep/distribution.h"
#include "sweep/random.h"

enum {
    RECENT = 25,   /* observations whose weight is whole; older ones fade */
    NEGLIGIBLE = 9 /* standard deviations */
};
static const double SCOTT = 0.1, HALF_LOG_2PI = 0.91893853320467274178;

struct parzen {
    size_t n, dims; /* kernels: the observations, then the prior */
    const parzen_axis *axes;
    double *cumulative;         /* of the weights */
    double *mu, *sigma;         /* [d * n + k]; of a choice mu is its index */
    double *norm;               /* [d * n + k]: log sigma sqrt(2 pi) */
    double *constant;           /* of each kernel: log weight - norms - logarithms of what lies in [0, 1] */
    const double **hit;         /* [d]: of a kernel at this choice, by choice */
    const double **miss, **all; /* of one at another; of the prior */
    double *scratch;
};

static double weight_of(size_t k, size_t n)
{
    if (n <= RECENT || k >= n - RECENT) return 1;
    size_t fading = n - RECENT;
    double least = 1 / (double)n;
    return fading == 1 ? least : least + (1 - least) * (double)k / (double)(fading - 1);
}

/* ---- widths ---- */

typedef struct placed {
    double mu;
    size_t k;
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->mu != y->mu) return x->mu < y->mu ? -1 : 1;
    return (x->k > y->k) - (x->k < y->k);
}

/* Of a single axis: as wide as the larger distance to a neighbour. */
static void neighbours(double *sigma, const double *mu, size_t n, arena *a)
{
    placed *all = arena_array(a, n, sizeof *all);
    for (size_t k = 0; k < n; k++) all[k] = (placed){mu[k], k};
    qsort(all, n, sizeof *all, by_place);
    for (size_t i = 0; i < n; i++) {
        double left = i ? all[i].mu - all[i - 1].mu : n > 1 ? 0 : all[i].mu;
        double right = i + 1 < n ? all[i + 1].mu - all[i].mu : n > 1 ? 0 : 1 - all[i].mu;
        sigma[all[i].k] = left > right ? left : right;
    }
}

static void make_numbers(parzen *p, const space_tpe *o, size_t d, const parzen_value *observed, arena *a)
{
    size_t n = p->n, seen = n - 1;
    double *mu = p->mu + d * n, *sigma = p->sigma + d * n, *norm = p->norm + d * n;
    for (size_t k = 0; k < seen; k++)
        mu[k] = 0.5 * (observed[k * p->dims + d].low + observed[k * p->dims + d].high);
    mu[seen] = 0.5;
    double least = o->magic_clip ? 1 / fmin(100, 1 + (double)n) : 1e-12;
    double scott = SCOTT * pow(seen ? (double)seen : 1, -1 / ((double)p->dims + 4));
    if (!o->multivariate) neighbours(sigma, mu, n, a);
    for (size_t k = 0; k < n; k++) {
        double s = k == seen ? 1 : o->multivariate ? scott : sigma[k];
        sigma[k] = s < least ? least : s > 1 ? 1 : s;
        norm[k] = log(sigma[k]) + HALF_LOG_2PI;
        double inside = normal_cdf((1 - mu[k]) / sigma[k]) - normal_cdf(-mu[k] / sigma[k]);
        p->constant[k] -= norm[k] + log(inside);
    }
}

static void make_choices(parzen *p, const space_tpe *o, size_t d, const parzen_value *observed, arena *a)
{
    size_t n = p->n, choices = p->axes[d].choices;
    double *hit = arena_array(a, choices, sizeof *hit), *miss = arena_array(a, choices, sizeof *miss);
    double *all = arena_array(a, choices, sizeof *all);
    double total = o->prior_weight / (double)n * (double)choices;
    for (size_t c = 0; c < choices; c++) {
        double prior = p->axes[d].prior ? p->axes[d].prior[c] : 1 / (double)choices;
        all[c] = log(prior);
        miss[c] = log(total * prior / (total + 1));
        hit[c] = log((total * prior + 1) / (total + 1));
    }
    for (size_t k = 0; k + 1 < n; k++) p->mu[d * n + k] = observed[k * p->dims + d].low;
    p->mu[d * n + n - 1] = -1;
    p->hit[d] = hit;
    p->miss[d] = miss;
    p->all[d] = all;
}

const parzen *parzen_make(const space_tpe *o, const parzen_axis *axes, size_t dims,
                          const parzen_value *observed, size_t n, arena *a)
{
    parzen *p = arena_alloc(a, sizeof *p);
    size_t kernels = n + 1;
    p->n = kernels;
    p->dims = dims;
    p->axes = axes;
    p->cumulative = arena_array(a, kernels, sizeof(double));
    p->constant = arena_array(a, kernels, sizeof(double));
    p->scratch = arena_array(a, kernels, sizeof(double));
    p->mu = arena_array(a, kernels * dims, sizeof(double));
    p->sigma = arena_array(a, kernels * dims, sizeof(double));
    p->norm = arena_array(a, kernels * dims, sizeof(double));
    p->hit = arena_array(a, dims, sizeof *p->hit);
    p->miss = arena_array(a, dims, sizeof *p->miss);
    p->all = arena_array(a, dims, sizeof *p->all);
    double sum = 0;
    for (size_t k = 0; k < kernels; k++) {
        double w = k < n ? weight_of(k, n) : n ? o->prior_weight : 1;
        sum += w;
        p->cumulative[k] = sum;
        p->constant[k] = log(w);
    }
    for (size_t k = 0; k < kernels; k++) p->constant[k] -= log(sum);
    for (size_t d = 0; d < dims; d++) {
        if (axes[d].choices)
            make_choices(p, o, d, observed, a);
        else
            make_numbers(p, o, d, observed, a);
    }
    return p;
}

/* ---- drawing ---- */

static double draw_choice(const parzen *p, size_t d, size_t k, double u)
{
    size_t choices = p->axes[d].choices, own = k + 1 < p->n ? (size_t)p->mu[d * p->n + k] : choices;
    double sum = 0;
    size_t last = 0;
    for (size_t c = 0; c < choices; c++) {
        double w = exp(k + 1 == p->n ? p->all[d][c] : c == own ? p->hit[d][c] : p->miss[d][c]);
        if (w <= 0) continue;
        last = c;
        sum += w;
        if (u < sum) return (double)c;
    }
    return (double)last;
}

static double draw_number(double mu, double sigma, double u)
{
    double low = normal_cdf(-mu / sigma), high = normal_cdf((1 - mu) / sigma);
    double x = mu + sigma * normal_quantile(low + u * (high - low));
    return x < 0x1p-53 ? 0x1p-53 : x > 1 - 0x1p-53 ? 1 - 0x1p-53 : x;
}

void parzen_draw(const parzen *p, philox_stream *r, double *out)
{
    double at = random_unit(r) * p->cumulative[p->n - 1];
    size_t k = 0;
    while (k + 1 < p->n && p->cumulative[k] <= at) k++;
    for (size_t d = 0; d < p->dims; d++) {
        double u = random_unit(r);
        out[d] = p->axes[d].choices ? draw_choice(p, d, k, u)
                                    : draw_number(p->mu[d * p->n + k], p->sigma[d * p->n + k], u);
    }
}

/* ---- densities ---- */

/* Logarithm of what a normal distribution has between two bounds; 0 where that is too little for this way. */
static double log_between(double low, double high)
{
    double mass = low > 0 ? normal_cdf(-low) - normal_cdf(-high) : normal_cdf(high) - normal_cdf(low);
    return mass > 1e-280 ? log(mass) : 0;
}

static void add_number(const parzen *p, size_t d, parzen_value v, double *sums)
{
    size_t n = p->n;
    const double *mu = p->mu + d * n, *sigma = p->sigma + d * n, *norm = p->norm + d * n;
    double x = 0.5 * (v.low + v.high), width = v.high - v.low, log_width = width > 0 ? log(width) : 0;
    enum { KEPT = 32 };
    double kept_mu[KEPT], kept_sigma[KEPT], kept[KEPT]; /* of steps: kernels share their few places */
    size_t n_kept = 0;
    for (size_t k = 0; k < n; k++) {
        double z = (x - mu[k]) / sigma[k];
        /* The density hardly changes over the step, or is nothing beside the prior's. */
        if (!(width > 0.25 * sigma[k]) || fabs(z) - 0.5 * width / sigma[k] > NEGLIGIBLE) {
            sums[k] += log_width - 0.5 * z * z;
            continue;
        }
        size_t i = 0;
        while (i < n_kept && (kept_mu[i] != mu[k] || kept_sigma[i] != sigma[k])) i++;
        double mass =
            i < n_kept ? kept[i] : log_between((v.low - mu[k]) / sigma[k], (v.high - mu[k]) / sigma[k]);
        if (i == n_kept && n_kept < KEPT) {
            kept_mu[n_kept] = mu[k];
            kept_sigma[n_kept] = sigma[k];
            kept[n_kept++] = mass;
        }
        sums[k] += mass < 0 ? mass + norm[k] : log_width - 0.5 * z * z;
    }
}

static void add_choice(const parzen *p, size_t d, size_t choice, double *sums)
{
    const double *mu = p->mu + d * p->n;
    for (size_t k = 0; k + 1 < p->n; k++)
        sums[k] += mu[k] == (double)choice ? p->hit[d][choice] : p->miss[d][choice];
    sums[p->n - 1] += p->all[d][choice];
}

double parzen_log_density(const parzen *p, const parzen_value *at)
{
    double *sums = p->scratch, most = -HUGE_VAL, total = 0;
    for (size_t k = 0; k < p->n; k++) sums[k] = p->constant[k];
    for (size_t d = 0; d < p->dims; d++) {
        if (p->axes[d].choices)
            add_choice(p, d, (size_t)at[d].low, sums);
        else
            add_number(p, d, at[d], sums);
    }
    for (size_t k = 0; k < p->n; k++) most = sums[k] > most ? sums[k] : most;
    if (!(most > -HUGE_VAL)) return most;
    for (size_t k = 0; k < p->n; k++)
        if (sums[k] - most > -0.5 * NEGLIGIBLE * NEGLIGIBLE) total += exp(sums[k] - most);
    return most + log(total);
}
