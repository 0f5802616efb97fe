/* The chart of where the time of a training step goes, layer by layer; must not know how it was measured. */
#ifndef REPORT_CHART_LAYERS_H
#define REPORT_CHART_LAYERS_H

#include "base/memory.h"
#include "report/figure.h"

typedef struct chart_layer {
    const char *path;         /* several entries of a path are added up */
    double forward, backward; /* seconds of a step */
} chart_layer;

/* In the order given. More layers than fit: the most expensive ones, and what the rest takes in the caption. caption: what was measured, and how. */
enum { CHART_LAYERS_MOST = 24 };
void chart_layers(const chart_layer *layers, size_t n, const char *title, const char *caption, arena *a,
                  figure *out);

#endif
