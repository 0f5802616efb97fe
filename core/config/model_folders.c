/* Knows the folders of architectures in a source tree, a build tree and an installation; nothing of what lies in them. */
#include "config/model_folders.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

enum { MOST = 8 };

/* Inside its source tree several of them are one folder, which must not be listed twice to people. */
static void add(char **list, size_t *n, const char *shown)
{
    char *absolute = path_absolute(shown);
    bool known = false;
    for (size_t i = 0; i < *n && !known; i++) {
        char *other = path_absolute(list[i]);
        known = strcmp(absolute, other) == 0;
        mem_free(other);
    }
    if (!known && *n < MOST) list[(*n)++] = mem_text(shown[0] == '/' ? absolute : shown);
    mem_free(absolute);
}

/* `beside`: folders relative to the one that holds `file`, which is freed. */
static void add_beside(char **list, size_t *n, char *file, const char *const *beside, bool only_existing)
{
    char *dir = file ? path_dir(file) : NULL;
    for (; dir && *beside; beside++) {
        char *path = path_join(dir, *beside);
        if (!only_existing || file_is_dir(path)) add(list, n, path);
        mem_free(path);
    }
    mem_free(dir);
    mem_free(file);
}

char **model_folders(void)
{
    static const char *const of_executable[] = {
        "../experiments/architectures", /* a build tree inside the source tree */
        "architectures",                /* any build tree: a link */
        "../share/convoy/architectures", NULL};
    /* For programs around the library, wherever they are; it may be in lib/ or in lib/TRIPLET/. */
    static const char *const of_library[] = {"architectures", "../share/convoy/architectures",
                                             "../../share/convoy/architectures", NULL};
    char **list = mem_array(MOST + 1, sizeof *list);
    size_t n = 0;
    add(list, &n, "experiments/architectures");
    add_beside(list, &n, path_executable(), of_executable, false);
    add_beside(list, &n, path_library(), of_library, true);
    return list;
}

void model_folders_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++) mem_free(list[i]);
    mem_free(list);
}
