/* Owns the loading of libraries at need; must not know what they are for. */
#include "fetch/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

bool library_load(const char *const *names, size_t n, const library_symbol *symbols, size_t n_symbols,
                  const char *package, errors *e)
{
    void *handle = NULL;
    char hint[128];
    snprintf(hint, sizeof hint, "apt-get install %s", package);
    for (size_t i = 0; i < n && !handle; i++) handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        errors_add(e, CVY_ERR_RESOURCE, NULL, hint, "%s cannot be loaded", names[0]);
        return false;
    }
    for (size_t i = 0; i < n_symbols; i++) {
        void *found = dlsym(handle, symbols[i].name);
        if (!found) {
            errors_add(e, CVY_ERR_RESOURCE, NULL, hint, "%s has no %s: it is too old", names[0],
                       symbols[i].name);
            return false;
        }
        memcpy(symbols[i].into, &found, sizeof found);
    }
    return true;
}
