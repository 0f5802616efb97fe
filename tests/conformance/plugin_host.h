/* Loads one plugin that is no layer, fills its config and gives it the core's own host; knows no training. */
#ifndef CONFORMANCE_PLUGIN_HOST_H
#define CONFORMANCE_PLUGIN_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "plugin/host.h"

typedef struct plugin_host {
    const cvy_descriptor *d;
    const void *type;   /* of d */
    const void *config; /* NULL when the parameters were refused: see plugin_host_message */
    const cvy_host *face;
    host host;
    errors e;
    arena memory;
    text message;
} plugin_host;

/* `file` is below BINARY_DIR/plugins without .so ("optimizers/adam"), its last part the plugin's name;
 * `params` as in an experiment file without the braces. `twin`: its double one. A file that does not load
 * fails the test. */
void plugin_host_open(plugin_host *p, const char *file, bool twin, const char *params, uint64_t seed);
/* What was reported since the last call, as the user would read it; "" when nothing was. */
const char *plugin_host_message(plugin_host *p);
void plugin_host_close(plugin_host *p);

/* A fresh folder for files of a test; plugin_host_remove() deletes it with all it holds. */
char *plugin_host_folder(void);
void plugin_host_remove(char *folder);

#endif
