/* Owns the copies of plugin files in a sweep's folder; must not know what is in them. */
#include "sweep/copies.h"

#include <dirent.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"

enum { FILE_MAX = 1 << 30, HASH_SHOWN = 16 };

static bool is_hash(const char *s)
{
    return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

/* DIR/plugins/0123456789abcdef/conv2d.so: the file keeps its name, which messages show. */
static char *place_of(const char *dir, const char *path, const char *hash)
{
    return mem_printf("%s/plugins/%.*s/%s", dir, HASH_SHOWN, hash, path_base(path));
}

char *copies_path(const char *dir, const char *path, const char *hash)
{
    if (!is_hash(hash)) return NULL;
    char *file = place_of(dir, path, hash), *found = file_exists(file) ? path_absolute(file) : NULL;
    mem_free(file);
    return found;
}

static cvy_status copy(const char *from, const char *to, const char *hash, errors *e)
{
    char *bytes = NULL, hex[65], *folder = path_dir(to);
    size_t n = 0;
    cvy_status status = file_read(from, FILE_MAX, &bytes, &n, e);
    if (status == CVY_OK) {
        sha256 sum;
        sha256_init(&sum);
        sha256_add(&sum, bytes, n);
        sha256_hex(&sum, hex);
        if (strcmp(hex, hash) != 0)
            status = errors_add(e, CVY_ERR_PLUGIN, &PLACE_FILE(from), "start the sweep again",
                                "the plugin changed while the sweep was planned");
    }
    if (status == CVY_OK) status = file_make_dirs(folder, e);
    if (status == CVY_OK) status = file_replace(to, bytes, n, e);
    mem_free(folder);
    mem_free(bytes);
    return status;
}

/* Whether a folder of copies has a file of this name: another version, when it is not the one with this hash. */
static bool has_other(const char *dir, const char *path)
{
    char *folder = path_join(dir, "plugins");
    DIR *d = opendir(folder);
    bool found = false;
    for (struct dirent *entry; d && !found && (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char *file = mem_printf("%s/%s/%s", folder, entry->d_name, path_base(path));
        found = file_exists(file);
        mem_free(file);
    }
    if (d) closedir(d);
    mem_free(folder);
    return found;
}

static cvy_status copy_all(const char *dir, const json *plugins, errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t k = 0; plugins && plugins->kind == JSON_ARRAY && k < plugins->n && status == CVY_OK; k++) {
        const char *path = json_get_text(plugins->items[k], "path", "");
        const char *hash = json_get_text(plugins->items[k], "sha256", "");
        if (!*path || !is_hash(hash)) continue;
        char *to = place_of(dir, path, hash);
        if (!file_exists(to)) status = copy(path, to, hash, e);
        mem_free(to);
    }
    return status;
}

cvy_status copies_extend(const char *dir, const plan *p, errors *e)
{
    arena a = {0};
    const json *plugins =
        p->line ? json_get(json_parse(&a, p->line, strlen(p->line), NULL, NULL), "plugins") : NULL;
    cvy_status status = CVY_OK;
    bool missing = false;
    for (size_t k = 0; plugins && plugins->kind == JSON_ARRAY && k < plugins->n && status == CVY_OK; k++) {
        const char *path = json_get_text(plugins->items[k], "path", ""),
                   *hash = json_get_text(plugins->items[k], "sha256", "");
        char *copy_at = *path ? copies_path(dir, path, hash) : NULL;
        if (*path && is_hash(hash) && !copy_at) {
            missing = true;
            if (has_other(dir, path))
                status = errors_add(e, CVY_ERR_PLUGIN, NULL, "start the sweep again",
                                    "%s: the plugin changed since the sweep was begun", path);
        }
        mem_free(copy_at);
    }
    if (status == CVY_OK && missing) status = copy_all(dir, plugins, e);
    arena_free(&a);
    return status;
}

/* The part of a page that names the plugins: thousands of trials name the same, and parsing each would take seconds. Paths may
 * have in them whatever ends a list. */
static const char *plugins_part(const char *line, size_t *n)
{
    static const char key[] = "\"plugins\":[";
    const char *at = strstr(line, key), *end = at ? at + sizeof key - 1 : "";
    for (bool quoted = false; *end && (quoted || *end != ']'); end++) {
        if (*end == '"') quoted = !quoted;
        if (quoted && *end == '\\' && end[1]) end++;
    }
    *n = *end ? (size_t)(end - at) : 0;
    return *end ? at : NULL;
}

cvy_status copies_make(const char *dir, const book *b, const trial *trials, size_t n, errors *e)
{
    cvy_status status = CVY_OK;
    char *last = NULL;
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        size_t bytes, part;
        char *line = trials[i].page ? book_line(b, trials[i].page, &bytes) : NULL;
        const char *plugins = line ? plugins_part(line, &part) : NULL;
        if (line && (!plugins || !last || strlen(last) != part || memcmp(last, plugins, part) != 0)) {
            arena a = {0};
            const json *planned = json_get(json_parse(&a, line, bytes, NULL, NULL), "plan");
            status = copy_all(dir, json_get(planned, "plugins"), e);
            arena_free(&a);
            mem_free(last);
            last = plugins ? mem_text_n(plugins, part) : NULL;
        }
        mem_free(line);
    }
    mem_free(last);
    return status;
}
