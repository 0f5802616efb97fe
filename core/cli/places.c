/* Knows the folders of a source tree, a build tree and an installation; nothing of what lies in them. */
#include "cli/places.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

enum { ARCHITECTURES = 4 };

/* Inside its source tree the first three are one folder, which must not be listed twice to people. */
static size_t add(const char **list, size_t n, const char *shown)
{
    char *absolute = path_absolute(shown);
    bool known = false;
    for (size_t i = 0; i < n && !known; i++) {
        char *other = path_absolute(list[i]);
        known = strcmp(absolute, other) == 0;
        mem_free(other);
    }
    if (!known) list[n++] = shown[0] == '/' ? mem_text(absolute) : shown;
    mem_free(absolute);
    return n;
}

const char *const *places_architectures(void)
{
    static const char *list[ARCHITECTURES + 1];
    if (list[0]) return list;
    size_t n = add(list, 0, "experiments/architectures");
    char *executable = path_executable();
    if (executable) {
        static const char *const beside[] = {
            "../experiments/architectures", /* a build tree inside the source tree */
            "architectures",                /* any build tree: a link */
            "../share/convoy/architectures"};
        char *dir = path_dir(executable);
        for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
            char *path = path_join(dir, beside[i]);
            n = add(list, n, path);
            mem_free(path);
        }
        mem_free(dir);
        mem_free(executable);
    }
    return list;
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
