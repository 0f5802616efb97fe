/* Plugins by kind and name: where they are searched, loaded at need, remembered. The only room that knows
 * dlopen.
 *
 * Searched, in this order: the experiment's `plugins:` and --plugin files; the folders of CONVOY_PLUGIN_PATH
 * (absolute, colon-separated); the user's data folder (.../convoy/plugins); beside the executable (build
 * tree) or the install folder. Each folder is looked through with its subfolders (layers, losses, optimizers,
 * datasets, datasets/augment). ELF notes are read without loading; a file is loaded (RTLD_NOW|RTLD_LOCAL,
 * never closed) when one of its names is asked for. The same kind and name in two files is an error that
 * lists both, reported when the name is asked for. */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H

#include "base/error.h"
#include "convoy/plugin.h"

typedef struct registry registry;

typedef struct plugin_request { /* a file named by the user */
    const char *path;
    place at;
} plugin_request;

/* Reports named files that are missing, foreign or of another ABI (both versions named); NULL then. */
registry *registry_open(const plugin_request *files, size_t n, errors *e);
/* Only those files and no folder: a sweep's trials load the copies made at its start and nothing beside them.
 */
registry *registry_open_only(const plugin_request *files, size_t n, errors *e);
/* As just opened, for another experiment that names the same files: nothing is used, nothing is built in; what was loaded stays. */
void registry_again(registry *r);
void registry_free(registry *r); /* loaded objects stay mapped */

/* Adds a descriptor compiled into the core (schedules). */
void registry_add_builtin(registry *r, const cvy_descriptor *d);

/* The descriptor of that kind and name, loading its file at need; checks ABI, sizes and that the descriptor
 * matches its note. Reports at `at`, status CVY_ERR_CONFIG when there is none of the name, else CVY_ERR_PLUGIN,
 * naming the folders searched and the nearest names (aliases included: "dense" suggests linear), and returns NULL
 * when there is none. Kind 0 asks for any kind;
 * a name that several kinds have is then an error that lists them ("layer:add"). */
const cvy_descriptor *registry_find(registry *r, uint32_t kind, const char *name, const place *at, errors *e);
/* The double twin of a found descriptor, or NULL when its file has none. */
const cvy_descriptor *registry_double(registry *r, const cvy_descriptor *d);

typedef struct plugin_entry {
    uint32_t kind;
    const char *name;
    const char *path;                 /* "" for built-in */
    char sha256[65];                  /* of the file; empty until loaded */
    bool used;                        /* loaded through registry_find */
    const cvy_descriptor *descriptor; /* NULL until loaded */
} plugin_entry;

/* Everything found, sorted by kind and name, valid until the registry changes. */
const plugin_entry *registry_list(registry *r, size_t *n);
/* Files refused while scanning folders (not while named): path and why, as warnings. */
void registry_warnings(const registry *r, errors *e);
/* Folders searched, NULL-terminated. */
const char *const *registry_folders(const registry *r);
/* Whether a plugin came with Convoy: it is built in or lies in the last of those folders. */
bool registry_comes_along(const registry *r, const plugin_entry *p);

const char *plugin_kind_name(uint32_t kind); /* "layer" */
bool plugin_kind_parse(const char *name, uint32_t *kind);

#endif
