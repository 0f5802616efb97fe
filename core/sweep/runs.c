/* Owns the folders of runs and sweeps: how they are named, described and found. Must not know what happens in
 * them, nor the database. */
#include "sweep/runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

enum { DESCRIPTION_MAX = 64 << 20, SUGGESTED_MAX = 200, MAKING_MS = 60000 };

int64_t runs_number(const char *name, char kind)
{
    if (name[0] != kind || name[1] < '1' || name[1] > '9') return 0;
    size_t n = strspn(name + 1, "0123456789");
    return name[1 + n] || n > 15 ? 0 : strtoll(name + 1, NULL, 10);
}

static const char *description_of(char kind)
{
    return kind == 'r' ? "run.json" : "sweep.json";
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All numbers in use, described or not. */
static int64_t *numbers(const char *results, char kind, size_t *n)
{
    int64_t *out = NULL;
    size_t cap = 0;
    *n = 0;
    DIR *d = opendir(results);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
        int64_t number = runs_number(entry->d_name, kind);
        if (!number) continue;
        out = MEM_GROW(out, *n, &cap);
        out[(*n)++] = number;
    }
    if (d) closedir(d);
    if (*n) qsort(out, *n, sizeof *out, ascending);
    return out;
}

int64_t *runs_numbers(const char *results, char kind, size_t *n)
{
    size_t all, kept = 0;
    int64_t *out = numbers(results, kind, &all);
    for (size_t i = 0; i < all; i++) {
        char *path = mem_printf("%s/%c%lld/%s", results, kind, (long long)out[i], description_of(kind));
        if (file_size(path) > 0) out[kept++] = out[i]; /* a power cut may leave an empty one */
        mem_free(path);
    }
    *n = kept;
    return out;
}

/* The last number that was given, in the file of the lock that its giver held: reading thousands of names for every new one would
 * be most of the work. Good only where that folder is there and none behind it; 0 otherwise. */
enum { GIVEN_WIDTH = 24 };

static int64_t last_given(const char *results, char kind, int lock)
{
    char said[GIVEN_WIDTH + 1] = "", path[2][32];
    if (pread(lock, said, GIVEN_WIDTH, kind == 'r' ? 0 : GIVEN_WIDTH) != GIVEN_WIDTH) return 0;
    said[strcspn(said, " \n")] = '\0';
    const int64_t last = runs_number(said, kind);
    if (!last) return 0;
    bool there[2];
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%c%lld", kind, (long long)last + i);
        char *dir = path_join(results, path[i]);
        there[i] = file_is_dir(dir);
        mem_free(dir);
    }
    return there[0] && !there[1] ? last : 0;
}

/* Where it cannot be written, the next one reads the folder. */
static void note_given(const runs_draft *d)
{
    char line[GIVEN_WIDTH + 1];
    const char *name = path_base(d->final);
    snprintf(line, sizeof line, "%-*s\n", GIVEN_WIDTH - 1, name);
    if (pwrite(d->lock, line, GIVEN_WIDTH, name[0] == 'r' ? 0 : GIVEN_WIDTH) != GIVEN_WIDTH) return;
}

cvy_status runs_begin(const char *results, char kind, int64_t least, runs_draft *out, errors *e)
{
    *out = (runs_draft){.lock = -1};
    cvy_status status = file_make_dirs(results, e);
    if (status != CVY_OK) return status;
    char *lock = path_join(results, ".making.lock");
    out->lock = file_lock(lock, MAKING_MS, e);
    if (out->lock < 0)
        status = errors_count(e) ? CVY_ERR_RESOURCE
                                 : errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(lock), NULL,
                                              "another process has been making a run for a minute");
    mem_free(lock);
    if (status != CVY_OK) return status;
    int64_t last = last_given(results, kind, out->lock);
    if (!last) {
        size_t n;
        int64_t *used = numbers(results, kind, &n);
        if (n) last = used[n - 1];
        mem_free(used);
    }
    if (last < least) last = least;
    out->name = mem_printf("%c%lld", kind, (long long)last + 1);
    out->final = path_join(results, out->name);
    out->dir = path_join(results, ".making");
    status = file_remove_tree(out->dir, e); /* of a process that died */
    if (status == CVY_OK) status = file_make_dirs(out->dir, e);
    if (status != CVY_OK) runs_drop(out);
    return status;
}

cvy_status runs_publish(runs_draft *d, errors *e)
{
    /* Of a run there is nothing to be lost before its first checkpoint, which sees to its folder too. */
    const bool durable = path_base(d->final)[0] != 'r';
    cvy_status status = durable ? file_sync_dir(d->dir, e) : CVY_OK;
    if (status == CVY_OK && rename(d->dir, d->final))
        status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(d->final), NULL, "cannot make the folder: %s",
                            strerror(errno));
    if (status != CVY_OK) return status;
    mem_free(d->dir);
    d->dir = NULL;
    char *results = path_dir(d->final);
    if (durable) status = file_sync_dir(results, e);
    mem_free(results);
    note_given(d);
    file_unlock(d->lock);
    d->lock = -1;
    return status;
}

void runs_drop(runs_draft *d)
{
    if (d->dir) file_remove_tree(d->dir, NULL);
    if (d->name && d->lock >= 0) file_unlock(d->lock);
    mem_free(d->name);
    mem_free(d->dir);
    mem_free(d->final);
    *d = (runs_draft){.lock = -1};
}

/* ---- descriptions ---- */

static const json *read_description(const char *dir, char kind, arena *a, errors *e)
{
    char *path = path_join(dir, description_of(kind)), *s = NULL;
    size_t n = 0, offset = 0;
    const char *why = NULL;
    const json *v = NULL;
    if (file_read(path, DESCRIPTION_MAX, &s, &n, e) == CVY_OK) {
        v = json_parse(a, s, n, &why, &offset);
        if (v && v->kind != JSON_OBJECT) v = NULL, why = "expected an object";
        if (!v)
            errors_add(e, CVY_ERR_RESOURCE, &PLACE_AT(path, offset), NULL, "cannot be understood: %s", why);
        mem_free(s);
    }
    mem_free(path);
    return v;
}

cvy_status runs_read(const char *results, const char *name, arena *a, run_info *out, errors *e)
{
    char *dir = path_join(results, name);
    const json *v = read_description(dir, 'r', a, e);
    *out = (run_info){.name = arena_text(a, name), .dir = arena_text(a, dir), .whole = v};
    mem_free(dir);
    if (!v) return CVY_ERR_RESOURCE;
    const json *metric = json_get(v, "metric"), *data = json_get(v, "dataset"),
               *environment = json_get(v, "environment");
    out->experiment = json_get_text(v, "experiment", "");
    out->label = json_get_text(v, "label", "");
    out->source = json_get_text(v, "source", "");
    out->base_dir = json_get_text(v, "base_dir", "");
    out->config_hash = json_get_text(v, "config_hash", "");
    out->exact_key = json_get_text(v, "exact_key", "");
    out->model = json_get_text(v, "model", "");
    out->metric = json_get_text(metric, "name", "val_accuracy");
    out->maximize = strcmp(json_get_text(metric, "goal", "maximize"), "minimize") != 0;
    out->sweep = json_get_text(v, "sweep", NULL);
    out->trial = json_get_int(v, "trial", -1);
    out->repeat = json_get_int(v, "repeat", 0);
    out->seed = json_get_int(v, "seed", 0);
    out->epochs = json_get_int(v, "epochs", 0);
    out->steps_per_epoch = json_get_int(v, "steps_per_epoch", 0);
    out->train_samples = json_get_int(data, "train", 0);
    out->threads = strtoll(json_get_text(environment, "threads", "0"), NULL, 10);
    out->created = json_get_double(v, "created", 0);
    return CVY_OK;
}

const json *runs_read_sweep(const char *results, const char *name, arena *a, errors *e)
{
    char *dir = path_join(results, name);
    const json *v = read_description(dir, 's', a, e);
    mem_free(dir);
    return v;
}

/* ---- finding ---- */

static cvy_status nothing_called(const char *results, const char *word, const char *const *names, size_t n,
                                 errors *e)
{
    const char *near = text_nearest(word, names, n);
    char *hint = near ? mem_printf("did you mean `%s`?", near) : mem_printf("looked in %s", results);
    errors_add(e, CVY_ERR_CONFIG, NULL, hint, "no run, sweep or experiment is called \"%s\"", word);
    mem_free(hint);
    return CVY_ERR_CONFIG;
}

/* When the folder's description was made. */
static double created_of(const char *results, const char *name, arena *a)
{
    char *dir = path_join(results, name);
    const json *v = read_description(dir, name[0], a, NULL);
    mem_free(dir);
    return json_get_double(v, "created", 0);
}

static cvy_status find_last(const char *results, arena *a, const char **name, errors *e)
{
    double best = -1;
    *name = NULL;
    for (const char *kind = "rs"; *kind; kind++) {
        size_t n;
        int64_t *all = runs_numbers(results, *kind, &n);
        if (n) {
            const char *newest = arena_printf(a, "%c%lld", *kind, (long long)all[n - 1]);
            double created = created_of(results, newest, a);
            run_info r;
            bool within = *kind == 'r' && runs_read(results, newest, a, &r, NULL) == CVY_OK && r.sweep;
            if (!within && (!*name || created >= best)) *name = newest, best = created;
            if (within && !*name) *name = r.sweep, best = created_of(results, r.sweep, a);
        }
        mem_free(all);
    }
    if (*name) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "there are no runs in %s", results);
}

static cvy_status find_experiment(const char *results, const char *word, arena *a, const char **name,
                                  errors *e)
{
    size_t n, n_names = 0, matches = 0;
    int64_t *all = runs_numbers(results, 'r', &n);
    const char **names = mem_array(SUGGESTED_MAX, sizeof *names);
    const char *found = NULL;
    bool exact = false;
    for (size_t i = n; i-- > 0;) { /* newest first */
        run_info r;
        const char *run = arena_printf(a, "r%lld", (long long)all[i]);
        if (runs_read(results, run, a, &r, NULL) != CVY_OK || !*r.experiment) continue;
        bool known = false;
        for (size_t k = 0; k < n_names && !known; k++) known = !strcmp(names[k], r.experiment);
        if (known) continue;
        if (n_names < SUGGESTED_MAX) names[n_names++] = r.experiment;
        bool equal = !strcmp(r.experiment, word);
        if (!equal && (exact || !text_starts(r.experiment, word))) continue;
        matches = equal ? 1 : matches + 1;
        exact = equal;
        found = r.sweep ? r.sweep : run;
    }
    cvy_status status = CVY_OK;
    *name = found;
    if (!found)
        status = nothing_called(results, word, names, n_names, e);
    else if (matches > 1)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "write more of the name",
                            "\"%s\" begins %zu experiments' names", word, matches);
    mem_free(names);
    mem_free(all);
    return status;
}

cvy_status runs_find(const char *results, const char *word, arena *a, const char **name, errors *e)
{
    *name = NULL;
    if (!strcmp(word, "last")) return find_last(results, a, name, e);
    for (const char *kind = "rs"; *kind; kind++) {
        if (!runs_number(word, *kind)) continue;
        char *path = mem_printf("%s/%s/%s", results, word, description_of(*kind));
        if (file_exists(path)) *name = arena_text(a, word);
        mem_free(path);
        if (*name) return CVY_OK;
    }
    if (!*word) return nothing_called(results, word, NULL, 0, e);
    return find_experiment(results, word, a, name, e);
}

bool runs_held(const char *dir)
{
    char *path = path_join(dir, "lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    mem_free(path);
    if (fd < 0) return false;
    /* A shared lock, for a moment only: whoever is about to work here must not find the folder taken. */
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

/* ---- removing ---- */

cvy_status runs_remove(const char *results, const char *name, errors *e)
{
    char *dir = path_join(results, name), *lock = path_join(dir, "lock"),
         *away = mem_printf("%s/.removing-%s", results, name);
    cvy_status status = file_remove_tree(away, e); /* of a process that died */
    int held = -1;
    if (status == CVY_OK && file_is_dir(dir)) {
        errors failed = {0};
        held = file_lock(lock, 0, &failed);
        status = errors_status(&failed);
        errors_move(e, &failed);
        if (status == CVY_OK && held < 0)
            status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(dir), NULL, "a process works in it");
        if (status == CVY_OK && rename(dir, away))
            status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(dir), NULL, "cannot be removed: %s",
                                strerror(errno));
        if (status == CVY_OK) status = file_sync_dir(results, e);
        if (status == CVY_OK) status = file_remove_tree(away, e);
        if (held >= 0) file_unlock(held);
    }
    mem_free(dir);
    mem_free(lock);
    mem_free(away);
    return status;
}
