/* Owns what a trial server keeps for its trials; must not know how trials are started or trained. */
#include "cli/warm.h"

#include <dirent.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/stamp.h"
#include "cli/trained.h"
#include "device/machine.h"
#include "train/identity.h"

enum { SETS = 32, RUN_MAX = 64 << 20 };

/* A file that is in this process. */
typedef struct warm_file {
    char *path;
    char sha256[65];
    file_stamp was;
    bool settled; /* no change of it can have escaped its times */
} warm_file;

/* The plugins of a run, as its run.json lists them. */
typedef struct warm_set {
    char *list; /* the text of that list */
    registry *r;
} warm_set;

struct warm {
    int64_t threads;
    char key[65];
    char *library;
    file_stamp library_was;
    warm_file *files;
    size_t n_files, cap_files;
    warm_set sets[SETS];
    size_t n_sets;
};

warm *warm_new(int64_t threads)
{
    warm *w = mem_alloc(sizeof *w);
    errors found = {0};
    const machine m = machine_here();
    file_stamp after;
    w->threads = threads;
    w->library = path_library();
    const bool known = w->library && file_stamp_path(w->library, &w->library_was) &&
                       identity_exact_key(&m, w->key, &found) == CVY_OK &&
                       file_stamp_path(w->library, &after) && file_stamp_same(&w->library_was, &after);
    if (!known || !file_stamp_settled(&w->library_was, false)) w->key[0] = '\0';
    errors_free(&found);
    return w;
}

void warm_free(warm *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_sets; i++) {
        registry_free(w->sets[i].r);
        mem_free(w->sets[i].list);
    }
    for (size_t i = 0; i < w->n_files; i++) mem_free(w->files[i].path);
    mem_free(w->files);
    mem_free(w->library);
    mem_free(w);
}

const char *warm_exact_key(const warm *w, int64_t threads)
{
    file_stamp now;
    const bool same = w->key[0] && threads == w->threads && file_stamp_path(w->library, &now) &&
                      file_stamp_same(&now, &w->library_was);
    return same ? w->key : NULL;
}

/* ---- loading ---- */

static warm_file *file_of(const warm *w, const char *path)
{
    for (size_t i = 0; i < w->n_files; i++)
        if (!strcmp(w->files[i].path, path)) return &w->files[i];
    return NULL;
}

/* Whether the file is still what was loaded. */
static bool unchanged(const warm_file *f)
{
    file_stamp now;
    char hash[65];
    errors quiet = {0};
    if (!file_stamp_path(f->path, &now) || !file_stamp_same(&now, &f->was)) return false;
    const bool same =
        f->settled || (sha256_file_cached(f->path, hash, &quiet) == CVY_OK && !strcmp(hash, f->sha256));
    errors_free(&quiet);
    return same;
}

/* A file whose times have become old enough to tell of every change. */
static bool settle(warm *w)
{
    for (size_t i = 0; i < w->n_files; i++) {
        warm_file *f = &w->files[i];
        if (f->settled || !file_stamp_settled(&f->was, false)) continue;
        if (!unchanged(f)) return false;
        f->settled = true;
    }
    return true;
}

static bool alone(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/task");
    for (const struct dirent *entry; d && (entry = readdir(d));) n += entry->d_name[0] != '.';
    if (d) closedir(d);
    return n == 1;
}

/* Loads every plugin of the list, from the files as they were before. */
static bool load_all(registry *r, const json *list)
{
    errors quiet = {0};
    bool all = true;
    for (size_t i = 0; all && i < list->n; i++) {
        const json *one = list->items[i];
        uint32_t kind;
        all = plugin_kind_parse(json_get_text(one, "kind", ""), &kind) &&
              registry_find(r, kind, json_get_text(one, "name", ""), NULL, &quiet) != NULL;
    }
    errors_free(&quiet);
    return all;
}

/* Whether what was loaded has the sums that the run expects, of files that nobody touched meanwhile. */
static bool as_planned(warm *w, registry *r, const json *list, const file_stamp *before,
                       const plugin_request *files, size_t n_files)
{
    if (trained_changed(list, r)) return false;
    for (size_t i = 0; i < n_files; i++) {
        file_stamp now;
        if (!file_stamp_path(files[i].path, &now) || !file_stamp_same(&now, &before[i])) return false;
        if (file_of(w, files[i].path)) continue;
        w->files = MEM_GROW(w->files, w->n_files, &w->cap_files);
        warm_file *f = &w->files[w->n_files++];
        *f = (warm_file){.path = mem_text(files[i].path), .was = now};
        for (size_t k = 0; k < list->n; k++)
            if (!strcmp(json_get_text(list->items[k], "path", ""), files[i].path))
                strncpy(f->sha256, json_get_text(list->items[k], "sha256", ""), sizeof f->sha256 - 1);
    }
    return true;
}

static bool load_set(warm *w, const json *list, const char *text_of_list, const plugin_request *files,
                     size_t n_files)
{
    errors quiet = {0};
    file_stamp *before = mem_array(n_files + 1, sizeof *before);
    bool there = n_files > 0;
    for (size_t i = 0; i < n_files && there; i++) {
        const warm_file *known = file_of(w, files[i].path);
        there = file_stamp_path(files[i].path, &before[i]);
        /* Loading it once more would give what is in this process, and not what lies there now. */
        if (there && known && !file_stamp_same(&before[i], &known->was)) there = false;
    }
    registry *r = there ? registry_open_only(files, n_files, &quiet) : NULL;
    /* What cannot be opened is for the trial to tell. */
    bool good = true;
    if (r) good = load_all(r, list) && as_planned(w, r, list, before, files, n_files) && alone();
    if (r && good)
        w->sets[w->n_sets++] = (warm_set){mem_text(text_of_list), r};
    else
        registry_free(r);
    mem_free(before);
    errors_free(&quiet);
    return good;
}

/* What tells one list of plugins from another; NULL when there is none. */
static char *list_text(const json *list)
{
    static const char *const keys[] = {"kind", "name", "path", "sha256"};
    if (!list || list->kind != JSON_ARRAY) return NULL;
    json_writer w = {0};
    json_open(&w, '[');
    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            json_text(&w, json_get_text(list->items[i], keys[k], ""));
    json_close(&w, ']');
    return text_take(&w.out);
}

static warm_set *set_of(warm *w, const char *list)
{
    for (size_t i = 0; i < w->n_sets; i++)
        if (!strcmp(w->sets[i].list, list)) return &w->sets[i];
    return NULL;
}

bool warm_load(warm *w, const char *dir)
{
    char *path = path_join(dir, "run.json"), *bytes = NULL;
    size_t n = 0;
    errors quiet = {0};
    bool good = settle(w);
    if (good && w->n_sets < SETS && file_read(path, RUN_MAX, &bytes, &n, &quiet) == CVY_OK) {
        arena a = {0};
        const json *run = json_parse(&a, bytes, n, NULL, NULL), *plugins = json_get(run, "plugins");
        char *list = list_text(plugins);
        if (list && !set_of(w, list)) {
            size_t n_files = 0;
            const plugin_request *files = trained_files(run, &a, &n_files);
            good = load_set(w, plugins, list, files, n_files);
        }
        mem_free(list);
        arena_free(&a);
    }
    errors_free(&quiet);
    mem_free(bytes);
    mem_free(path);
    return good;
}

/* ---- taking ---- */

warm_answer warm_plugins(warm *w, const json *run, registry **out)
{
    arena a = {0};
    size_t n = 0;
    const plugin_request *files = trained_files(run, &a, &n);
    warm_answer answer = WARM_NONE;
    for (size_t i = 0; i < n && answer != WARM_CHANGED; i++) {
        const warm_file *f = file_of(w, files[i].path);
        if (f && !unchanged(f)) answer = WARM_CHANGED;
    }
    arena_free(&a);
    char *list = answer == WARM_NONE ? list_text(json_get(run, "plugins")) : NULL;
    warm_set *set = list ? set_of(w, list) : NULL;
    if (set) { /* theirs: this is the process of one trial */
        registry_again(set->r);
        *out = set->r;
        set->r = NULL;
        answer = WARM_READY;
    }
    mem_free(list);
    return answer;
}
