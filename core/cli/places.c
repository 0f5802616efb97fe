/* Knows the folders of a source tree, a build tree and an installation; nothing of what lies in them. */
#include "cli/places.h"

#include "base/file.h"
#include "base/memory.h"

const char *const *places_architectures(void)
{
    static const char *list[4];
    if (list[0]) return list;
    size_t n = 0;
    list[n++] = "experiments/architectures";
    char *executable = path_executable();
    if (executable) {
        char *dir = path_dir(executable);
        list[n++] = mem_printf("%s/../experiments/architectures", dir); /* a build tree inside the source tree */
        list[n++] = mem_printf("%s/../share/convoy/architectures", dir);
        mem_free(dir);
        mem_free(executable);
    }
    return list;
}
