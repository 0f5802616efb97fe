/* Owns the formulas of the distributions; must not know who draws, nor what the values are for. */
#include "sweep/distribution.h"

#include <math.h>

static const double SMALLEST = 0x1p-54; /* a share: what is below would be an infinite value */

double distribution_normal_cdf(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static double ratio(const double *above, const double *below, double r)
{
    double p = above[7], q = below[7];
    for (int i = 6; i >= 0; i--) {
        p = p * r + above[i];
        q = q * r + below[i];
    }
    return p / q;
}

/* Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37 (1988): 16 digits. */
double distribution_normal_quantile(double u)
{
    static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double b[8] = {1.0,
                                4.2313330701600911252e1,
                                6.8718700749205790830e2,
                                5.3941960214247511077e3,
                                2.1213794301586595867e4,
                                3.9307895800092710610e4,
                                2.8729085735721942674e4,
                                5.2264952788528545610e3};
    static const double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                5.76949722146069140550e0,  3.64784832476320460504e0,
                                1.27045825245236838258e0,  2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[8] = {1.0,
                                2.05319162663775882187e0,
                                1.67638483018380384940e0,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9};
    static const double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                1.78482653991729133580e0,  2.96560571828504891230e-1,
                                2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[8] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    double q = u - 0.5;
    if (fabs(q) <= 0.425) return q * ratio(a, b, 0.180625 - q * q);
    double tail = q < 0 ? u : 1 - u;
    if (tail < SMALLEST) tail = SMALLEST;
    double r = sqrt(-log(tail));
    double x = r <= 5 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5);
    return q < 0 ? -x : x;
}

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
        return p->mu + p->sigma * distribution_normal_quantile(u);
    case SPACE_LOG_NORMAL:
        return exp(p->mu + p->sigma * distribution_normal_quantile(u));
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
        u = distribution_normal_cdf((x - p->mu) / p->sigma);
        break;
    case SPACE_LOG_NORMAL:
        u = x > 0 ? distribution_normal_cdf((log(x) - p->mu) / p->sigma) : 0;
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
