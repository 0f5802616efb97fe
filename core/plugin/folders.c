/* Owns which folders hold plugins and which files in them count; must not know what is in such a file. */
#include "plugin/folders.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "convoy/plugin.h"

#define MAX_DEPTH 2 /* plugins/datasets/augment; keeps CONVOY_PLUGIN_PATH=/ from walking the whole disk */

/* Where CMake's GNUInstallDirs may have put the libraries. */
static const char *const lib_folders[] = {
    "../lib",
#if defined(__x86_64__)
    "../lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
    "../lib/aarch64-linux-gnu",
#elif defined(__riscv)
    "../lib/riscv64-linux-gnu",
#endif
    "../lib64",
};

typedef struct list {
    char **items;
    size_t n, cap;
} list;

static void add(list *l, char *path)
{
    l->items = MEM_GROW(l->items, l->n, &l->cap);
    l->items[l->n++] = path;
}

static void add_environment(list *l, errors *warnings)
{
    const char *rest = getenv("CONVOY_PLUGIN_PATH");
    while (rest && *rest) {
        const char *end = strchrnul(rest, ':');
        char *entry = mem_text_n(rest, (size_t)(end - rest));
        rest = *end ? end + 1 : end;
        const char *wrong = entry[0] == '/' ? file_is_dir(entry) ? NULL : "there is no such folder"
                                            : "not an absolute path, so it is not searched";
        if (*entry && wrong)
            errors_warn(warnings, NULL, "set it to absolute folders separated by colons",
                        "CONVOY_PLUGIN_PATH: \"%s\": %s", entry, wrong);
        if (entry[0] == '/')
            add(l, entry);
        else
            mem_free(entry);
    }
}

/* Takes over `path`; it, when it is a folder and none was found before. */
static char *first_folder(char *found, char *path)
{
    if (!found && file_is_dir(path)) found = path_absolute(path); /* without any "..": people read these */
    mem_free(path);
    return found;
}

/* Beside the library, or else beside the executable, in a build tree; relative to them in an installation anywhere. An
 * installed folder carries the ABI in its name, so that plugins packaged for another Convoy are not even looked at. */
static void add_installed(list *l)
{
    char *library = path_library(), *program = path_executable(), *found = NULL;
    if (library) {
        char *dir = path_dir(library);
        found = first_folder(found, mem_printf("%s/convoy/plugins-%u", dir, CVY_ABI));
        found = first_folder(found, path_join(dir, "plugins"));
        mem_free(dir);
    }
    if (program) {
        char *dir = path_dir(program), *expected = path_join(dir, "plugins");
        found = first_folder(found, mem_text(expected));
        for (size_t i = 0; i < sizeof lib_folders / sizeof *lib_folders; i++)
            found = first_folder(found, mem_printf("%s/%s/convoy/plugins-%u", dir, lib_folders[i], CVY_ABI));
        add(l, mem_text(found ? found : expected));
        mem_free(dir);
        mem_free(expected);
    } else if (found) {
        add(l, mem_text(found));
    }
    mem_free(library);
    mem_free(program);
    mem_free(found);
}

char **folders_list(errors *warnings)
{
    list l = {0};
    add_environment(&l, warnings);
    char *data = path_user_data();
    if (data) add(&l, path_join(data, "plugins"));
    mem_free(data);
    add_installed(&l);
    add(&l, NULL);
    return l.items;
}

void folders_free(char **items)
{
    for (size_t i = 0; items && items[i]; i++) mem_free(items[i]);
    mem_free(items);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void scan(const char *folder, int depth, void (*fn)(void *ctx, const char *path), void *ctx,
                 errors *warnings)
{
    struct dirent **found = NULL;
    int n = scandir(folder, &found, not_hidden, by_name);
    if (n < 0) {
        place at = PLACE_FILE(folder);
        if (errno != ENOENT)
            errors_warn(warnings, &at, NULL, "cannot be searched for plugins: %s", strerror(errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        char *path = path_join(folder, found[i]->d_name);
        if (file_is_dir(path)) {
            if (depth < MAX_DEPTH) scan(path, depth + 1, fn, ctx, warnings);
        } else if (text_ends(path, ".so")) {
            fn(ctx, path);
        }
        mem_free(path);
        free(found[i]); /* libc's, hence not mem_free */
    }
    free(found);
}

void folders_scan(const char *folder, void (*fn)(void *ctx, const char *path), void *ctx, errors *warnings)
{
    scan(folder, 0, fn, ctx, warnings);
}
