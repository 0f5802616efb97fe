/* Owns the reading of recipes; must not know how anything is fetched. */
#include "fetch/recipe.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/params.h"

extern const char fetch_recipes[]; /* recipes.yaml */

enum { PATH_MOST = 1024, NAME_MOST = 255, DEPTH_MOST = 32 };
#define BYTES_MOST 1e15

typedef struct recipe_keys {
    const char *title, *page, *licence, *cite;
    const node *mirrors, *archives, *files;
    int64_t limit;
} recipe_keys;

#define RECIPE_NODE(T, field, help)                                          \
    {                                                                        \
#field, PARAMS_NODE, 0, offsetof(T, field), "null", 0, 0, NULL, help \
    }

static const cvy_param recipe_params[] = {
    CVY_STRING(recipe_keys, title, "null", "the dataset's name for people"),
    CVY_STRING(recipe_keys, page, "null", "where it is described"),
    CVY_ALSO("homepage url"),
    CVY_STRING(recipe_keys, licence, "null", "under which it is given"),
    CVY_ALSO("license"),
    CVY_STRING(recipe_keys, cite, "null", "the work that its users cite"),
    CVY_ALSO("citation"),
    RECIPE_NODE(recipe_keys, mirrors, "URLs, each to stand before a file's name"),
    CVY_ALSO("mirror urls"),
    RECIPE_NODE(recipe_keys, archives, "the files to fetch"),
    RECIPE_NODE(recipe_keys, files, "what must be there in the end"),
    CVY_INT(recipe_keys, limit, 8589934592, 1, BYTES_MOST, "bytes that all may unpack to"),
};

static const char *const unpack_choices[] = {"none", "gzip", "archive", NULL};

static const cvy_param archive_params[] = {
    CVY_STRING(recipe_archive, file, NULL, "its name"),
    CVY_ALSO("name filename"),
    CVY_INT(recipe_archive, bytes, 0, 0, BYTES_MOST, "its size"),
    CVY_ALSO("size"),
    CVY_STRING(recipe_archive, md5, "null", "its MD5"),
    CVY_STRING(recipe_archive, sha256, "null", "its SHA-256"),
    CVY_ENUM(recipe_archive, unpack, archive, unpack_choices, "what is done with it"),
};

static const cvy_param file_params[] = {
    CVY_STRING(recipe_file, path, NULL, "where it is"),
    CVY_ALSO("file name"),
    CVY_INT(recipe_file, bytes, -1, -1, BYTES_MOST, "its size; -1: any"),
    CVY_ALSO("size"),
    CVY_STRING(recipe_file, sha256, "null", "its SHA-256"),
};

#define TABLE(rows, into) ((params_table){rows, sizeof rows / sizeof *rows, sizeof *rows, into})

bool recipe_path_stays(const char *path)
{
    size_t length = strlen(path), depth = 0;
    if (!length || length > PATH_MOST || *path == '/' || text_utf8(path, length, NULL) == 0) return false;
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, "/");
        if (n > NAME_MOST || ++depth > DEPTH_MOST) return false;
        if ((n == 0 && at[n]) || (n == 1 && *at == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        for (size_t i = 0; i < n;) {
            size_t k = text_utf8(at + i, n - i, NULL);
            if (!k || (unsigned char)at[i] < ' ' || at[i] == 0x7f || at[i] == '\\') return false;
            i += k;
        }
        at += n;
        at += *at == '/';
    }
    return true;
}

static bool digest_is(const char *s, size_t n)
{
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static bool wrong(const node *at, const char *hint, const char *what, const char *found, errors *e)
{
    text shown = {0};
    text_safe(&shown, found ? found : "nothing", 100);
    errors_add(e, CVY_ERR_CONFIG, &at->at, hint, "%s, found \"%s\"", what, text_str(&shown));
    text_free(&shown);
    return false;
}

static bool digest_check(const node *at, const char *name, const char *s, size_t n, errors *e)
{
    char what[64];
    if (!s || digest_is(s, n)) return true;
    snprintf(what, sizeof what, "%s: expected %zu digits of lower-case hex", name, n);
    return wrong(at, NULL, what, s, e);
}

static bool mirror_is(const char *s)
{
    return text_starts(s, "https://") || text_starts(s, "http://") || text_starts(s, "file://");
}

static bool list_expected(const node *n, const char *key, const node *at, errors *e)
{
    if (n && n->kind == NODE_LIST && n->n > 0) return true;
    errors_add(e, CVY_ERR_CONFIG, n ? &n->at : &at->at, NULL, "%s: expected a list of at least one", key);
    return false;
}

static bool mirrors_read(arena *a, recipe *r, const node *list, const node *at, errors *e)
{
    if (!list_expected(list, "mirrors", at, e)) return false;
    bool good = true;
    r->mirrors = arena_array(a, list->n, sizeof *r->mirrors);
    for (size_t i = 0; i < list->n; i++) {
        const char *url = NULL;
        if (!node_string(list->items[i], &url, e))
            good = false;
        else if (!mirror_is(url))
            good = wrong(list->items[i], NULL, "expected a URL that begins with https://, http:// or file://",
                         url, e);
        else
            r->mirrors[r->n_mirrors++] =
                text_ends(url, "/") ? arena_text(a, url) : arena_printf(a, "%s/", url);
    }
    return good;
}

static bool archive_read_one(arena *a, const node *n, recipe_archive *into, errors *e)
{
    params_table t = TABLE(archive_params, into);
    if (params_fill(a, &t, 1, n, NULL, e)) return false;
    if (!into->file || strchr(into->file, '/') || *into->file == '.' || !recipe_path_stays(into->file))
        return wrong(n, NULL, "file: expected a file's name without a folder", into->file, e);
    if (into->unpack == RECIPE_GZIP && !text_ends(into->file, ".gz"))
        return wrong(n, NULL, "file: expected a name that ends in .gz, for `unpack: gzip`", into->file, e);
    if (!into->md5 && !into->sha256) {
        errors_add(e, CVY_ERR_CONFIG, &n->at, "write what `sha256sum FILE` prints",
                   "%s has no checksum: md5 or sha256 is needed", into->file);
        return false;
    }
    return digest_check(n, "md5", into->md5, 32, e) && digest_check(n, "sha256", into->sha256, 64, e);
}

static bool file_read_one(arena *a, const node *n, recipe_file *into, errors *e)
{
    params_table t = TABLE(file_params, into);
    if (params_fill(a, &t, 1, n, NULL, e)) return false;
    if (!into->path || !recipe_path_stays(into->path))
        return wrong(n, NULL, "path: expected a path below the dataset's folder", into->path, e);
    return digest_check(n, "sha256", into->sha256, 64, e);
}

static bool lists_read(arena *a, recipe *r, const recipe_keys *k, const node *at, errors *e)
{
    bool good = list_expected(k->archives, "archives", at, e) && list_expected(k->files, "files", at, e);
    if (!good) return false;
    r->archives = arena_array(a, k->archives->n, sizeof *r->archives);
    r->files = arena_array(a, k->files->n, sizeof *r->files);
    for (size_t i = 0; i < k->archives->n; i++)
        good = archive_read_one(a, k->archives->items[i], &r->archives[r->n_archives++], e) && good;
    for (size_t i = 0; i < k->files->n; i++)
        good = file_read_one(a, k->files->items[i], &r->files[r->n_files++], e) && good;
    return good;
}

static bool name_is(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n < CVY_NAME_MAX &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

static bool one(arena *a, const char *name, const node *at, recipe *r, errors *e)
{
    recipe_keys k = {0};
    params_table t = TABLE(recipe_params, &k);
    if (!name_is(name)) return wrong(at, NULL, "expected a plugin's name", name, e);
    errors_push(e, "%s", name);
    bool good = !params_fill(a, &t, 1, at, NULL, e);
    r->name = arena_text(a, name);
    r->title = k.title ? k.title : r->name;
    r->page = k.page;
    r->licence = k.licence;
    r->cite = k.cite;
    r->limit = k.limit;
    good = good && mirrors_read(a, r, k.mirrors, at, e);
    good = good && lists_read(a, r, &k, at, e);
    errors_pop(e);
    return good;
}

static recipe *all(arena *a, const node *root, size_t *n, errors *e)
{
    *n = 0;
    if (!root) return NULL;
    if (root->kind != NODE_MAP || root->n < 1) {
        errors_add(e, CVY_ERR_CONFIG, &root->at, NULL, "expected a map from datasets' names to recipes");
        return NULL;
    }
    recipe *list = arena_array(a, root->n, sizeof *list);
    bool good = true;
    for (size_t i = 0; i < root->n; i++) good = one(a, root->keys[i], root->items[i], &list[i], e) && good;
    if (good) *n = root->n;
    return good ? list : NULL;
}

recipe *recipe_built_in(arena *a, size_t *n, errors *e)
{
    return all(a, tree_read_text(a, "recipes.yaml", fetch_recipes, strlen(fetch_recipes), e), n, e);
}

recipe *recipe_read(arena *a, const char *path, size_t *n, errors *e)
{
    return all(a, tree_read_file(a, path, e), n, e);
}

const recipe *recipe_find(const recipe *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i].name, name)) return &list[i];
    return NULL;
}
