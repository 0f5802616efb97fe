/* Owns how panels that are compared with each other stand: in which order, over which ranges; must not know what they show. */
#include "report/chart_facets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The number in "lr 0.1"; nan. */
static double facet_number(const group *g)
{
    const char *space = strrchr(g->label, ' '), *from = space ? space + 1 : g->label;
    char *end = NULL;
    const double v = strtod(from, &end);
    return end != from && !*end ? v : (double)NAN;
}

/* The best come first, but values that are numbers stand in their own order. */
void chart_facets_sort(groups *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (!g->items[i].label || isnan(facet_number(&g->items[i]))) return;
    for (size_t i = 1; i < g->n; i++)
        for (size_t k = i; k > 0 && facet_number(&g->items[k - 1]) > facet_number(&g->items[k]); k--) {
            const group other = g->items[k];
            g->items[k] = g->items[k - 1];
            g->items[k - 1] = other;
        }
}

static void stretch_to(double v, bool log, double *low, double *high)
{
    if (!isfinite(v) || (log && v <= 0)) return;
    *low = fmin(*low, v);
    *high = fmax(*high, v);
}

/* Panels of one metric are compared with each other, so they have one range. */
void chart_facets_share(figure_panel *panels, size_t n)
{
    double low = (double)INFINITY, high = -low, x_low = low, x_high = high;
    bool log = false;
    for (size_t i = 0; i < n; i++) log = log || panels[i].y.log;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < panels[i].n; k++) {
            const figure_mark *m = &panels[i].marks[k];
            for (size_t l = 0; l < m->n; l++) {
                stretch_to(m->x[l], panels[i].x.log, &x_low, &x_high);
                stretch_to(m->y[l], log, &low, &high);
                if (m->low) stretch_to(m->low[l], log, &low, &high);
                if (m->high) stretch_to(m->high[l], log, &low, &high);
            }
        }
    if (!(high > low)) return;
    const double edge = 0.05 * (high - low), ratio = log ? pow(high / low, 0.05) : 1;
    for (size_t i = 0; i < n; i++) {
        figure_axis *y = &panels[i].y;
        y->log = log;
        if (!isfinite(y->low)) y->low = log ? low / ratio : low - edge;
        if (!isfinite(y->high)) y->high = log ? high * ratio : high + edge;
        if (x_high > x_low && !panels[i].x.log) {
            panels[i].x.low = x_low - 0.02 * (x_high - x_low);
            panels[i].x.high = x_high + 0.02 * (x_high - x_low);
        }
    }
}
