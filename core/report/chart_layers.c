/* Owns what the chart of the layers' times shows. */
#include "report/chart_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart_axis.h"

typedef struct layer {
    chart_layer sum;
    size_t at; /* in the network's order */
} layer;

static double total(const layer *l)
{
    return l->sum.forward + l->sum.backward;
}

static int by_total(const void *a, const void *b)
{
    const layer *x = a, *y = b;
    if (total(x) != total(y)) return total(x) > total(y) ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const layer *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static size_t add_up(const chart_layer *from, size_t n, layer *to)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const char *path = from[i].path ? from[i].path : "";
        size_t k = 0;
        while (k < found && strcmp(to[k].sum.path, path) != 0) k++;
        if (k == found) to[found++] = (layer){{path, 0, 0}, k};
        if (isfinite(from[i].forward)) to[k].sum.forward += from[i].forward;
        if (isfinite(from[i].backward)) to[k].sum.backward += from[i].backward;
    }
    return found;
}

void chart_layers(const chart_layer *from, size_t n, const char *title, const char *caption, arena *a,
                  figure *out)
{
    layer *layers = mem_array(n + 1, sizeof *layers);
    const size_t found = add_up(from, n, layers),
                 shown = found < CHART_LAYERS_MOST ? found : CHART_LAYERS_MOST;
    double sum = 0, rest = 0;
    if (shown < found) {
        qsort(layers, found, sizeof *layers, by_total);
        for (size_t i = shown; i < found; i++) rest += total(&layers[i]);
        qsort(layers, shown, sizeof *layers, by_place);
    }
    double *x = arena_array(a, shown + 1, sizeof *x), *forward = arena_array(a, shown + 1, sizeof *forward),
           *backward = arena_array(a, shown + 1, sizeof *backward);
    const char **names = arena_array(a, shown + 1, sizeof *names);
    for (size_t i = 0; i < shown; i++) {
        x[i] = (double)i;
        forward[i] = 1e3 * layers[i].sum.forward;
        backward[i] = 1e3 * layers[i].sum.backward;
        names[i] = *layers[i].sum.path ? arena_text(a, layers[i].sum.path) : "input";
        sum += total(&layers[i]);
    }
    mem_free(layers);
    figure_mark *marks = arena_array(a, 2, sizeof *marks);
    marks[0] =
        (figure_mark){.kind = FIGURE_BARS, .label = "forward", .colour = 0, .x = x, .y = forward, .n = shown};
    marks[1] = (figure_mark){
        .kind = FIGURE_BARS, .label = "backward", .colour = 1, .x = x, .y = backward, .n = shown};
    figure_panel *p = arena_array(a, 1, sizeof *p);
    *p = (figure_panel){.x = chart_axis_names(NULL, names, shown),
                        .y = chart_axis_plain("time of a step (ms)"),
                        .marks = marks,
                        .n = 2};
    p->y.low = 0;
    if (shown < found)
        caption =
            arena_printf(a,
                         rest < 1 ? "%s; the %zu most expensive layers, not shown: %zu with %.3g ms together"
                                  : "%s; the %zu most expensive layers, not shown: %zu with %.0f ms together",
                         caption, shown, found - shown, 1e3 * rest);
    if (!(sum > 0)) p->said = "no time was measured";
    *out = (figure){.title = title, .caption = caption, .panels = p, .n = 1, .columns = 1, .key = true};
}
