/* What the parts of `convoy inspect` share: its options, a run opened to be looked into, pictures of its insides. Private to
 * it, but for the functions that make sheets, which a report may call. */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include "cli/cli.h"
#include "cli/results.h"
#include "cli/sheet.h"
#include "cli/trained.h"
#include "train/forward.h"
#include "train/saliency.h"
#include "train/units.h"

typedef struct inspect_args {
    text_list layer, set;
    const char *output, *image, *class, *part, *which, *tensor;
    int64_t sample, samples, limit, smooth, patch, stride, threads;
    bool force;
} inspect_args;

typedef enum inspect_what {
    INSPECT_TABLE,
    INSPECT_FILTERS,
    INSPECT_MAPS,
    INSPECT_SALIENCY,
    INSPECT_OCCLUSION,
    INSPECT_CAM,
    INSPECT_HISTOGRAMS
} inspect_what;

extern const char *const inspect_words[]; /* by inspect_what; NULL behind the last */

typedef struct inspection {
    const common *c;
    const inspect_args *args;
    inspect_what what;
    store *store;
    const query_run *run;
    weights_which which;
    data_part part;
    trained_options options;
    trained t;
    checkpoint_weights weights;
    forward f;
    /* The picture that is asked about. */
    float *x; /* NULL: none */
    cvy_shape sample;
    int32_t label; /* its class; -1: not known */
    char *of;      /* "cat.png", "test sample 12" */
    arena memory;
} inspection;

const net *inspect_net(const inspection *i);
state *inspect_state(const inspection *i);
/* Where a picture goes: -o, else into the run's folder under inspect-WHAT[-OF].png; mem_alloc'ed. */
char *inspect_path(const inspection *i, const char *of);
/* Prints the path of the picture, or with --json that and the run's name. */
void inspect_say_file(const inspection *i, const char *path);
/* The numbers x of `shape` (C, H, W) as they would look, mem_alloc'ed: normalisation undone where the run has written down by
 * what, else spread over the range. */
uint8_t *inspect_visible(const inspection *i, const cvy_shape *shape, const float *x);
/* "cat", "3"; mem_alloc'ed. */
char *inspect_class_name(const inspection *i, int64_t class);
/* The class of --class; without it the one that the network takes the picture for. -1 after reporting. */
int64_t inspect_class(inspection *i, errors *e);

cvy_status inspect_table(inspection *i, errors *e);
cvy_status inspect_filters(inspection *i, errors *e);
cvy_status inspect_maps(inspection *i, errors *e);
cvy_status inspect_heat(inspection *i, errors *e);
cvy_status inspect_histograms(inspection *i, errors *e);

/* "stage1.conv1", "4 relu": a layer without a name is called by its number, which tells less than its kind; mem_alloc'ed. */
char *inspect_layer_name(const net_node *unit);
/* Filters (out, in, height, width) as a sheet, at most `most` rows and columns; in colour, where that is wanted, those that see
 * three channels. To be freed. The second: those of a node whose kernels have two dimensions in space, in colour where it sees
 * the input. */
sheet inspect_kernel_sheet(const char *name, const cvy_shape *shape, const float *w, bool colour,
                           int64_t most);
sheet inspect_filter_sheet(const net *n, const state *s, int unit, int64_t most);
/* The first convolution with such kernels; -1: there is none. */
int inspect_first_convolution(const net *n);

#endif
