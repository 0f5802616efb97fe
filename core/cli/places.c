/* Knows the folders of a source tree, a build tree and an installation; nothing of what lies in them. */
#include "cli/places.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/model_folders.h"

const char *const *places_architectures(void)
{
    static char **list;
    if (!list) list = model_folders();
    return (const char *const *)list;
}

char *places_include(errors *e)
{
    static const char *const beside[] = {"include" /* a build tree: a link */, "../include"};
    char *executable = path_executable(), *dir = executable ? path_dir(executable) : NULL, *found = NULL;
    for (size_t i = 0; dir && !found && i < sizeof beside / sizeof *beside; i++) {
        char *folder = path_join(dir, beside[i]), *header = path_join(folder, "convoy/plugin.h");
        if (file_exists(header)) found = path_absolute(folder);
        mem_free(folder);
        mem_free(header);
    }
    if (!found)
        errors_add(e, CVY_ERR_CONFIG, NULL, "install Convoy with its headers (cmake --install)",
                   "the headers for plugins, convoy/plugin.h, are not where this Convoy is (%s)",
                   dir ? dir : "unknown");
    mem_free(dir);
    mem_free(executable);
    return found;
}

char *places_program(const char *name)
{
    if (strchr(name, '/')) return mem_text(name);
    const char *rest = getenv("PATH");
    for (const char *end; rest && *rest; rest = *end ? end + 1 : end) {
        end = strchrnul(rest, ':');
        char *dir = mem_text_n(rest, (size_t)(end - rest)), *path = path_join(dir, name);
        bool found = access(path, X_OK) == 0 && !file_is_dir(path);
        mem_free(dir);
        if (found) return path;
        mem_free(path);
    }
    return NULL;
}
