/* The cvy_host that the core hands to plugins: turns cvy_fail() into messages with a place. */
#ifndef PLUGIN_HOST_H
#define PLUGIN_HOST_H

#include "base/error.h"
#include "base/philox.h"
#include "convoy/plugin.h"

typedef struct host {
    cvy_host face;     /* must be first: plugins see this */
    errors *e;         /* where failures go */
    cvy_status status; /* of failures: usually CVY_ERR_CONFIG while planning, CVY_ERR_RUN while training */
    place at;          /* of the plugin's item in the file */
    uint64_t seed;
    const char *name; /* keys random streams besides their purpose: the layer's path; may be NULL */
    void (*log)(void *ctx, const char *name, double value); /* may be NULL */
    void *log_ctx;
} host;

/* The stream of cvy_host.random for a key that is there already: philox_key_of(seed, purpose, name). */
cvy_random host_random_of(philox_key key, uint64_t a, uint32_t b);

host host_make(errors *e, cvy_status status, const place *at, uint64_t seed, const char *name);

#endif
