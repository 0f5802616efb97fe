/* A network drawn as boxes and arrows, by Graphviz where it is installed. */
#ifndef CLI_MODEL_GRAPH_H
#define CLI_MODEL_GRAPH_H

#include "base/error.h"
#include "graph/net.h"

/* Writes FILE.dot, or what `dot` makes of it: FILE.svg, FILE.png, FILE.pdf. A layer that only changes numbers (batch
 * normalisation, an activation, dropout) stands in the box of the one before it; composites are frames. */
cvy_status model_graph_draw(const net *n, const char *title, const char *file, errors *e);

#endif
