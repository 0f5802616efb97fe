/* Owns the formulas of the distributions; must not know who draws, nor what the values are for. */
#include "sweep/distribution.h"

#include <math.h>

#include "base/normal.h"

static const double SMALLEST = 0x1p-54; /* a share: what is below would be an infinite value */

/* The continued fraction of the incomplete beta function by Lentz's method (Press et al., "Numerical Recipes", 6.4). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double before = h;
        for (int i = 0; i < 2; i++) {
            double term = i ? odd : even;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            if (fabs(c) < tiny) c = tiny;
            h *= c * d;
        }
        if (fabs(h - before) <= 1e-16 * fabs(h)) break;
    }
    return h;
}

double distribution_beta_cdf(double x, double a, double b)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(x, a, b) / a
                                     : 1 - front * beta_fraction(1 - x, b, a) / b;
}

double distribution_beta_quantile(double u, double a, double b)
{
    double low = 0, high = 1;
    for (int i = 0; i < 80 && high - low > 1e-17; i++) {
        double middle = 0.5 * (low + high);
        if (distribution_beta_cdf(middle, a, b) < u)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

/* ---- of a parameter, before rounding ---- */

static double continuous(const space_parameter *p, double u)
{
    switch (p->kind) {
    case SPACE_UNIFORM:
        return p->min + u * (p->max - p->min);
    case SPACE_LOG:
    case SPACE_INV_LOG: {
        double share = p->kind == SPACE_LOG ? u : 1 - u;
        return exp(log(p->min) + share * (log(p->max) - log(p->min)));
    }
    case SPACE_NORMAL:
        return p->mu + p->sigma * normal_quantile(u);
    case SPACE_LOG_NORMAL:
        return exp(p->mu + p->sigma * normal_quantile(u));
    case SPACE_BETA:
        return distribution_beta_quantile(u, p->a, p->b);
    case SPACE_CHOICE:
        break;
    }
    return 0;
}

/* The share of what lies below x; of an inverse distribution, whose shares run backwards, of what lies above. */
static double share_of(const space_parameter *p, double x)
{
    double u = 0;
    switch (p->kind) {
    case SPACE_UNIFORM:
        u = (x - p->min) / (p->max - p->min);
        break;
    case SPACE_LOG:
    case SPACE_INV_LOG:
        u = x > 0 ? (log(x) - log(p->min)) / (log(p->max) - log(p->min)) : 0;
        if (p->kind == SPACE_INV_LOG) u = 1 - u;
        break;
    case SPACE_NORMAL:
        u = normal_cdf((x - p->mu) / p->sigma);
        break;
    case SPACE_LOG_NORMAL:
        u = x > 0 ? normal_cdf((log(x) - p->mu) / p->sigma) : 0;
        break;
    case SPACE_BETA:
        u = distribution_beta_cdf(x, p->a, p->b);
        break;
    case SPACE_CHOICE:
        break;
    }
    return u < 0 ? 0 : u > 1 ? 1 : u;
}

static bool bounded(const space_parameter *p, double *min, double *max)
{
    *min = p->kind == SPACE_BETA ? 0 : p->min;
    *max = p->kind == SPACE_BETA ? 1 : p->max;
    return p->kind == SPACE_UNIFORM || p->kind == SPACE_LOG || p->kind == SPACE_INV_LOG ||
           p->kind == SPACE_BETA;
}

/* ---- rounding ---- */

/* k * q; 3 * 0.1 as 3 / 10, which is 0.3. */
static double multiple(double k, double q)
{
    double parts = round(1 / q);
    return parts > 1 && fabs(parts * q - 1) < 1e-12 ? k / parts : k * q;
}

bool distribution_multiples(const space_parameter *p, double *least, double *largest)
{
    double min, max;
    if (!bounded(p, &min, &max)) {
        *least = -HUGE_VAL;
        *largest = HUGE_VAL;
        return true;
    }
    double first = ceil(min / p->q - 1e-9), last = floor(max / p->q + 1e-9);
    *least = multiple(first, p->q);
    *largest = multiple(last, p->q);
    return first <= last;
}

static double rounded(const space_parameter *p, double x)
{
    double least, largest, v = multiple(round(x / p->q), p->q);
    distribution_multiples(p, &least, &largest);
    return v < least ? least : v > largest ? largest : v;
}

/* ---- the whole ---- */

static double choice(const space_parameter *p, double u)
{
    if (!p->probabilities) {
        double i = floor(u * (double)p->n);
        return i < (double)p->n ? i : (double)(p->n - 1);
    }
    double sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->probabilities[i] <= 0) continue; /* never, whatever rounding does to the sum */
        last = i;
        sum += p->probabilities[i];
        if (u < sum) return (double)i;
    }
    return (double)last;
}

double distribution_quantile(const space_parameter *p, double u)
{
    if (u < SMALLEST) u = SMALLEST;
    if (u > 1 - 0x1p-53) u = 1 - 0x1p-53;
    if (p->kind == SPACE_CHOICE) return choice(p, u);
    if (p->integer && !(p->q > 0)) {
        double v = p->min + floor(u * (p->max - p->min + 1));
        return v > p->max ? p->max : v;
    }
    double x = continuous(p, u);
    if (p->q > 0) return rounded(p, x);
    double min, max;
    if (bounded(p, &min, &max)) x = x < min ? min : x > max ? max : x;
    return x;
}

void distribution_share(const space_parameter *p, double value, double *low, double *high)
{
    if (p->kind == SPACE_CHOICE) {
        double sum = 0, n = (double)p->n;
        for (size_t i = 0; p->probabilities && (double)i < value; i++) sum += p->probabilities[i];
        *low = p->probabilities ? sum : value / n;
        *high = p->probabilities ? sum + p->probabilities[(size_t)value] : (value + 1) / n;
    } else if (p->integer && !(p->q > 0)) {
        double n = p->max - p->min + 1;
        *low = (value - p->min) / n;
        *high = (value - p->min + 1) / n;
    } else if (p->q > 0) {
        double least, largest;
        distribution_multiples(p, &least, &largest);
        bool backwards = p->kind == SPACE_INV_LOG;
        double below = value <= least ? (backwards ? 1 : 0) : share_of(p, value - p->q / 2);
        double above = value >= largest ? (backwards ? 0 : 1) : share_of(p, value + p->q / 2);
        *low = backwards ? above : below;
        *high = backwards ? below : above;
    } else {
        *low = *high = share_of(p, value);
    }
}

double distribution_values(const space_parameter *p)
{
    double least, largest;
    if (p->kind == SPACE_CHOICE) return (double)p->n;
    if (p->integer && !(p->q > 0)) return p->max - p->min + 1;
    if (!(p->q > 0) || !distribution_multiples(p, &least, &largest) || largest == HUGE_VAL) return 0;
    return round((largest - least) / p->q) + 1;
}
