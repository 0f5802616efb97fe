/* Owns units and names of quantities on axes; must not know charts. */
#include "report/chart_axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/names.h"

/* Metrics that the core logs under names of their own; LAYER's share the first part. */
static const struct {
    const char *name, *label;
    double unit;
} own_names[] = {{"lr", "learning rate", 1},
                 {"seconds", "time of an epoch (s)", 1},
                 {"images_per_second", "training images per second", 1},
                 {"rss_bytes", "memory (MB)", 1e-6},
                 {"filters_cosine", "mean |cosine| between filters", 1},
                 {"dead_units", "units that never fire (%)", 100}};

const char *chart_axis_metric(const char *name, arena *a, double *unit)
{
    static const char *const parts[][2] = {
        {"train_", "training "}, {"val_", "validation "}, {"test_", "test "}};
    text t = {0}, safe = {0};
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++) {
        const size_t n = strlen(own_names[i].name);
        if (strncmp(name, own_names[i].name, n) != 0 || (name[n] && name[n] != '.')) continue;
        *unit = own_names[i].unit;
        text_add(&t, own_names[i].label);
        if (name[n]) text_safe(&safe, name + n + 1, 60);
        const char *label =
            safe.n ? arena_printf(a, "%s, %s", text_str(&t), text_str(&safe)) : arena_text(a, text_str(&t));
        text_free(&t);
        text_free(&safe);
        return label;
    }
    const bool percent = text_ends(name, "accuracy");
    const char *rest = name;
    *unit = percent ? 100 : 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (text_starts(name, parts[i][0])) text_add(&t, parts[i][1]), rest = name + strlen(parts[i][0]);
    if (!strcmp(rest, "top5_accuracy")) rest = "top-5 accuracy";
    text_safe(&safe, rest, 60);
    for (char *c = safe.s; c && *c; c++)
        if (*c == '_') *c = ' ';
    text_printf(&t, "%s%s", text_str(&safe), percent ? " (%)" : "");
    const char *label = arena_text(a, text_str(&t));
    text_free(&t);
    text_free(&safe);
    return label;
}

bool chart_axis_maximize(const char *name)
{
    return text_ends(name, "accuracy");
}

static void bounds(const double *v, size_t n, double *low, double *high)
{
    *low = (double)INFINITY;
    *high = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) continue;
        *low = fmin(*low, v[i]);
        *high = fmax(*high, v[i]);
    }
}

bool chart_axis_log(const double *v, size_t n)
{
    double low, high;
    bounds(v, n, &low, &high);
    if (!(low > 0 && high >= 100 * low)) return false;
    /* Numbers that are spread evenly may have one near 0 too: half of those that are spread by magnitude lie far down. */
    size_t below = 0, finite = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) continue;
        finite++;
        below += v[i] < low + 0.25 * (high - low);
    }
    return 2 * below >= finite;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

bool chart_axis_peaks(double *v, size_t n)
{
    if (!n) return false;
    qsort(v, n, sizeof *v, by_size);
    const double most = v[n - 1];
    return v[0] > 0 && (most > 200 * v[0] || most > 4 * v[(n - 1) * 9 / 10]);
}

figure_axis chart_axis_plain(const char *label)
{
    return (figure_axis){.label = label, .low = (double)NAN, .high = (double)NAN};
}

figure_axis chart_axis_names(const char *label, const char *const *names, size_t n)
{
    figure_axis x = chart_axis_plain(label);
    x.names = names;
    x.n_names = n;
    return x;
}

static figure_axis scaled(const char *label, double by, double *v, size_t n)
{
    figure_axis x = chart_axis_plain(label);
    for (size_t i = 0; i < n; i++) v[i] /= by;
    /* Costs double from model to model: over one decade already the small ones would lie on each other. */
    double low, high;
    bounds(v, n, &low, &high);
    x.log = low > 0 && high >= 10 * low;
    return x;
}

figure_axis chart_axis_count(const char *what, double *v, size_t n, arena *a)
{
    static const struct {
        double by;
        const char *name;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    double low, high;
    bounds(v, n, &low, &high);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (high >= units[i].by)
            return scaled(arena_printf(a, "%s (%s)", what, units[i].name), units[i].by, v, n);
    return scaled(what, 1, v, n);
}

figure_axis chart_axis_seconds(const char *what, double *v, size_t n, arena *a)
{
    double low, high;
    bounds(v, n, &low, &high);
    if (high >= 2 * 3600) return scaled(arena_printf(a, "%s (h)", what), 3600, v, n);
    if (high >= 2 * 60) return scaled(arena_printf(a, "%s (min)", what), 60, v, n);
    return scaled(arena_printf(a, "%s (s)", what), 1, v, n);
}

const char *chart_axis_number(double v, arena *a)
{
    return arena_printf(a, "%.3g", v);
}

void chart_axis_numbers(const double *v, size_t n, const char **out, arena *a)
{
    enum { LEAST = 3, MOST = 17 };
    for (int digits = LEAST; digits <= MOST; digits++) {
        bool told = true;
        for (size_t i = 0; i < n; i++) {
            out[i] = arena_printf(a, "%.*g", digits, v[i]);
            told = told && !(i && v[i] != v[i - 1] && !strcmp(out[i], out[i - 1]));
        }
        if (told) return;
    }
}

const char *chart_axis_result(double v, double unit, arena *a)
{
    enum { LEAST = 2, MOST = 9 };
    if (unit != 100) return arena_printf(a, "%.4g", v);
    int decimals = LEAST;
    const char *number = arena_printf(a, "%.*f", decimals, v);
    while (v < 100 && text_starts(number, "100") && decimals < MOST)
        number = arena_printf(a, "%.*f", ++decimals, v);
    return arena_printf(a, "%s %%", number);
}

const char *chart_axis_short(const char *s, size_t most, arena *a)
{
    return name_cut(s, most, a);
}

const char *chart_axis_tidy(const char *s, arena *a)
{
    enum { DIGITS = 4 };
    return name_tidy(s, DIGITS, a);
}
