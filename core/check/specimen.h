/* The plugin under examination: its file loaded beside all others that are found, its descriptor and double twin, and
 * the configurations to try it in. */
#ifndef CHECK_SPECIMEN_H
#define CHECK_SPECIMEN_H

#include "config/tree.h"
#include "plugin/host.h"
#include "plugin/registry.h"

#define SPECIMEN_SHAPES 4

typedef struct specimen_request {
    const char *file; /* of the plugin */
    uint32_t kind;
    const char *name;
    const char *config;        /* --config, NULL: none */
    const char *shape;         /* --shape, NULL: none */
    const char *const *beside; /* --plugin, n_beside of them */
    size_t n_beside;
    const char *data_dir; /* of datasets */
} specimen_request;

/* One configuration that the parameter table accepts. */
typedef struct specimen_config {
    const char *text; /* "{channels: 4, kernel: 3}" */
    const node *params;
    const void *own, *twin; /* the filled structs; twin NULL without one */
} specimen_config;

typedef struct specimen {
    arena memory;
    registry *registry;
    const cvy_descriptor *d, *twin;
    const node *base; /* --config; NULL: none */
    cvy_shape shapes[SPECIMEN_SHAPES];
    int n_shapes; /* of --shape, one for each input; one shape alone serves all of them */
    const char *data_dir;
    specimen_config *configs; /* the first one is the plainest */
    size_t n_configs, cap_configs;
    struct layer_cases *cases; /* of a layer, once made */
    errors refused;            /* why the plainest configuration was refused, when there is none */
} specimen;

/* Loads; everything wrong with the file or the descriptor is reported. */
bool specimen_open(specimen *s, const specimen_request *q, errors *e);
void specimen_close(specimen *s);

/* Fills a config struct of d, the specimen's descriptor or its twin, from YAML text; NULL after reporting. */
const void *specimen_fill(specimen *s, const cvy_descriptor *d, const char *yaml, const node **params,
                          errors *e);
/* Makes the configurations: the plainest, then one parameter changed at a time, then some at once. */
void specimen_configure(specimen *s);

/* Numbers on [-1, 1), exact in float, a function of (id, i). */
double specimen_number(uint32_t id, uint64_t i);
/* Whether this process runs under AddressSanitizer. */
bool specimen_sanitized(void);

#endif
