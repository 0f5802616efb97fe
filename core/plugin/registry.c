/* Owns which plugins there are, and loads them; must not know what any kind of plugin does. */
#include "plugin/registry.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "plugin/contract.h"
#include "plugin/folders.h"
#include "plugin/note.h"
#include "plugin/nearest.h"

typedef struct plugin_file {
    char *path; /* real path */
    note_list notes;
    bool loaded;
    const cvy_descriptor *const *list, *const *twins; /* of a loaded file; twins may be NULL */
    char sha256[65];
} plugin_file;

struct registry {
    plugin_file **files;
    size_t n_files, cap_files;
    plugin_entry *entries; /* sorted; their paths are those of the files */
    size_t n, cap;
    char **folders;
    errors warnings;
};

static const char *const kind_names[] = {NULL,      "layer",   "loss",     "optimizer",
                                         "dataset", "augment", "schedule", "initialiser"};
#define N_KINDS (sizeof kind_names / sizeof *kind_names)

const char *plugin_kind_name(uint32_t kind)
{
    return kind > 0 && kind < N_KINDS ? kind_names[kind] : "unknown kind";
}

bool plugin_kind_parse(const char *name, uint32_t *kind)
{
    for (uint32_t i = 1; i < N_KINDS; i++)
        if (!strcmp(name, kind_names[i])) {
            *kind = i;
            return true;
        }
    return false;
}

/* ---- finding files ---- */

/* Tells what is wrong with a plugin file at the place where somebody asked for it, if there is one. */
static void retell(const errors *from, const char *path, const place *at, errors *e)
{
    for (size_t i = 0; i < from->n; i++) {
        const message *m = &from->items[i];
        if (m->warning) continue;
        text what = {0};
        place where = PLACE_AT(path, m->offset);
        if (at && at->file) {
            where = *at;
            text_printf(&what, "%s: ", path);
            if (m->offset >= 0) text_printf(&what, "byte %lld: ", m->offset);
        }
        text_add(&what, m->what);
        errors_add(e, m->status, &where, m->hint, "%s", text_str(&what));
        text_free(&what);
    }
}

static int compare_entries(const void *a, const void *b)
{
    const plugin_entry *x = a, *y = b;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);
}

static void add_entry(registry *r, plugin_entry entry)
{
    r->entries = MEM_GROW(r->entries, r->n, &r->cap);
    r->entries[r->n++] = entry;
}

static void sort_entries(registry *r)
{
    if (r->n) qsort(r->entries, r->n, sizeof *r->entries, compare_entries);
}

/* Reads the notes of one file, once, however many ways lead to it. */
static cvy_status add_file(registry *r, const char *path, errors *e)
{
    char *real = path_absolute(path);
    for (size_t i = 0; i < r->n_files; i++)
        if (!strcmp(r->files[i]->path, real)) {
            mem_free(real);
            return CVY_OK;
        }
    note_list notes;
    cvy_status status = note_read(real, &notes, e);
    if (status) {
        mem_free(real);
        return status;
    }
    plugin_file *file = mem_alloc(sizeof *file);
    file->path = real;
    file->notes = notes;
    r->files = MEM_GROW(r->files, r->n_files, &r->cap_files);
    r->files[r->n_files++] = file;
    for (size_t i = 0; i < notes.n; i++)
        add_entry(
            r, (plugin_entry){.kind = notes.items[i].kind, .name = notes.items[i].name, .path = file->path});
    return CVY_OK;
}

/* A file that happens to lie in a folder: refusing it is worth a warning, no more. */
static void add_found(void *ctx, const char *path)
{
    registry *r = ctx;
    errors refused = {0};
    add_file(r, path, &refused);
    for (size_t i = 0; i < refused.n; i++) {
        place at = PLACE_AT(path, refused.items[i].offset);
        errors_warn(&r->warnings, &at, refused.items[i].hint, "%s", refused.items[i].what);
    }
    errors_free(&refused);
}

static registry *open_files(const plugin_request *files, size_t n, char **folders, errors *e)
{
    registry *r = mem_alloc(sizeof *r);
    r->folders = folders;
    bool failed = false;
    for (size_t i = 0; i < n; i++) {
        errors local = {0};
        if (add_file(r, files[i].path, &local)) {
            retell(&local, files[i].path, &files[i].at, e);
            failed = true;
        }
        errors_free(&local);
    }
    if (!failed) return r;
    registry_free(r);
    return NULL;
}

registry *registry_open(const plugin_request *files, size_t n, errors *e)
{
    errors warnings = {0};
    registry *r = open_files(files, n, folders_list(&warnings), e);
    if (r) {
        errors_move(&r->warnings, &warnings);
        for (size_t i = 0; r->folders[i]; i++) folders_scan(r->folders[i], add_found, r, &r->warnings);
        sort_entries(r);
    }
    errors_free(&warnings);
    return r;
}

registry *registry_open_only(const plugin_request *files, size_t n, errors *e)
{
    registry *r = open_files(files, n, mem_array(1, sizeof(char *)), e);
    if (r) sort_entries(r);
    return r;
}

void registry_free(registry *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->n_files; i++) {
        mem_free(r->files[i]->notes.items);
        mem_free(r->files[i]->path);
        mem_free(r->files[i]);
    }
    mem_free(r->files);
    mem_free(r->entries);
    folders_free(r->folders);
    errors_free(&r->warnings);
    mem_free(r);
}

void registry_add_builtin(registry *r, const cvy_descriptor *d)
{
    add_entry(r, (plugin_entry){.kind = d->kind, .name = d->name, .path = "", .descriptor = d});
    sort_entries(r);
}

void registry_again(registry *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!r->entries[i].path[0]) continue;
        r->entries[kept] = r->entries[i];
        r->entries[kept++].used = false;
    }
    r->n = kept;
}

/* ---- loading ---- */

static bool same_notes(const note_list *a, const note_list *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->items[i].kind != b->items[i].kind || strcmp(a->items[i].name, b->items[i].name) != 0)
            return false;
    return true;
}

/* The exported list `symbol`, or NULL when the file has none. */
static const cvy_descriptor *const *exported(void *handle, const char *symbol)
{
    void *address = dlsym(handle, symbol);
    if (!address) return NULL;
    cvy_plugins_fn
        *fn; /* ISO C has no cast from object to function pointer; POSIX says the bits are the same */
    memcpy(&fn, &address, sizeof fn);
    return fn();
}

static cvy_status load_failed(const plugin_file *file, const char *why, errors *e)
{
    const char *hint = NULL;
    if (strstr(why, "undefined symbol"))
        hint = "a plugin links nothing of Convoy; link the libraries it needs itself (-lm, ...)";
    else if (strstr(why, "cannot open shared object file"))
        hint = "install the library that it needs";
    size_t n = strlen(file->path);
    if (!strncmp(why, file->path, n) && !strncmp(why + n, ": ", 2)) why += n + 2;
    place at = PLACE_FILE(file->path);
    return errors_add(e, CVY_ERR_PLUGIN, &at, hint, "cannot be loaded: %s", why);
}

static cvy_status load_checked(plugin_file *file, errors *e)
{
    cvy_status status = sha256_file_cached(file->path, file->sha256, e);
    if (status) return status;
    void *handle = dlopen(file->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return load_failed(file, dlerror(), e);
    file->list = exported(handle, "cvy_plugins");
    if (!file->list) {
        place at = PLACE_FILE(file->path);
        return errors_add(e, CVY_ERR_PLUGIN, &at, "CVY_EXPORT writes it", "exports no list cvy_plugins()");
    }
    status = contract_check(file->path, file->list, &file->notes, sizeof(float), true, e);
    if (status) return status;
    file->twins = exported(handle, "cvy_plugins_double");
    if (!file->twins) return CVY_OK;
    errors_push(e, "double twin");
    status = contract_check(file->path, file->twins, &file->notes, sizeof(double), false, e);
    errors_pop(e);
    return status;
}

static cvy_status load(plugin_file *file, errors *e)
{
    if (file->loaded) return CVY_OK;
    /* The notes were read when the folders were; the file may have been replaced since, and the promise is
     * that no code of a refused file runs. */
    note_list notes;
    cvy_status status = note_read(file->path, &notes, e);
    if (!status && !same_notes(&notes, &file->notes)) {
        place at = PLACE_FILE(file->path);
        status = errors_add(e, CVY_ERR_PLUGIN, &at, "start again", "has changed since Convoy started");
    }
    mem_free(notes.items);
    if (!status) status = load_checked(file, e);
    file->loaded = !status;
    return status;
}

static const cvy_descriptor *in_list(const cvy_descriptor *const *list, uint32_t kind, const char *name)
{
    for (; list && *list; list++)
        if ((*list)->kind == kind && !strcmp((*list)->name, name)) return *list;
    return NULL;
}

static plugin_file *file_of(const registry *r, const plugin_entry *entry)
{
    for (size_t i = 0; i < r->n_files; i++)
        if (r->files[i]->path == entry->path) return r->files[i];
    return NULL; /* built in */
}

static const cvy_descriptor *load_entry(registry *r, plugin_entry *entry, const place *at, errors *e)
{
    plugin_file *file = file_of(r, entry);
    if (file && !entry->descriptor) {
        errors local = {0};
        cvy_status status = load(file, &local);
        if (status) retell(&local, file->path, at, e);
        errors_free(&local);
        if (status) return NULL;
        for (size_t i = 0; i < r->n; i++) {
            plugin_entry *other = &r->entries[i];
            if (other->path != file->path) continue;
            other->descriptor = in_list(file->list, other->kind, other->name);
            memcpy(other->sha256, file->sha256, sizeof other->sha256);
        }
    }
    entry->used = true;
    return entry->descriptor;
}

/* ---- looking up ---- */

static void next_line(text *t)
{
    if (t->n) text_char(t, '\n');
}

/* A file refused while scanning may be the very one that was meant. */
static bool add_refused(const registry *r, const char *name, text *hint)
{
    size_t n = strlen(name);
    bool any = false;
    for (size_t i = 0; i < r->warnings.n; i++) {
        const message *m = &r->warnings.items[i];
        const char *base = m->file ? path_base(m->file) : "";
        if (strncmp(base, name, n) != 0 || strcmp(base + n, ".so") != 0) continue;
        next_line(hint);
        text_printf(hint, "%s was refused: %s", m->file, m->what);
        any = true;
    }
    return any;
}

static void add_other_kinds(const registry *r, uint32_t kind, const char *name, text *hint)
{
    for (size_t i = 0; i < r->n; i++) {
        const plugin_entry *entry = &r->entries[i];
        if (strcmp(entry->name, name) != 0 || entry->kind == kind) continue;
        if (i > 0 && r->entries[i - 1].kind == entry->kind && !strcmp(r->entries[i - 1].name, name)) continue;
        next_line(hint);
        text_printf(hint, "there is a plugin of this name of kind %s", plugin_kind_name(entry->kind));
    }
}

static void report_missing(const registry *r, uint32_t kind, const char *name, const place *at, errors *e)
{
    text hint = {0};
    const bool refused = add_refused(r, name, &hint);
    if (kind) add_other_kinds(r, kind, name, &hint);
    const char *nearest = nearest_name(r->entries, r->n, kind, name);
    if (nearest) {
        next_line(&hint);
        text_printf(&hint, "did you mean `%s`?", nearest);
    }
    if (r->folders[0]) next_line(&hint);
    for (size_t i = 0; r->folders[i]; i++) text_printf(&hint, "%s%s", i ? ", " : "searched: ", r->folders[i]);
    errors_add(e, refused ? CVY_ERR_PLUGIN : CVY_ERR_CONFIG, at, hint.n ? hint.s : NULL,
               "no %s%splugin named \"%s\"", kind ? plugin_kind_name(kind) : "", kind ? " " : "", name);
    text_free(&hint);
}

static void report_several(const plugin_entry *const *found, size_t n, const place *at, errors *e)
{
    text what = {0};
    bool same_kind = found[0]->kind == found[1]->kind; /* sorted: equal kinds stand together */
    for (size_t i = 0; i < n; i++) {
        text_add(&what, i == 0 ? "" : i + 1 < n ? ", " : " and ");
        if (same_kind)
            text_add(&what, found[i]->path);
        else
            text_printf(&what, "%s:%s", plugin_kind_name(found[i]->kind), found[i]->name);
    }
    if (same_kind)
        errors_add(e, CVY_ERR_PLUGIN, at, "remove or rename all but one",
                   "%s plugin \"%s\" is in %zu files: %s", plugin_kind_name(found[0]->kind), found[0]->name,
                   n, text_str(&what));
    else
        errors_add(e, CVY_ERR_CONFIG, at, "name its kind too", "\"%s\" is the name of several plugins: %s",
                   found[0]->name, text_str(&what));
    text_free(&what);
}

const cvy_descriptor *registry_find(registry *r, uint32_t kind, const char *name, const place *at, errors *e)
{
    const plugin_entry **found = NULL;
    size_t n = 0, cap = 0, first = 0;
    for (size_t i = 0; i < r->n; i++) {
        if ((kind && r->entries[i].kind != kind) || strcmp(r->entries[i].name, name) != 0) continue;
        if (!n) first = i;
        found = MEM_GROW(found, n, &cap);
        found[n++] = &r->entries[i];
    }
    const cvy_descriptor *d = NULL;
    if (n == 0)
        report_missing(r, kind, name, at, e);
    else if (n > 1)
        report_several(found, n, at, e);
    else
        d = load_entry(r, &r->entries[first], at, e);
    mem_free(found);
    return d;
}

const cvy_descriptor *registry_double(registry *r, const cvy_descriptor *d)
{
    for (size_t i = 0; i < r->n; i++) {
        const plugin_file *file = r->entries[i].descriptor == d ? file_of(r, &r->entries[i]) : NULL;
        if (file) return in_list(file->twins, d->kind, d->name);
    }
    return NULL;
}

/* ---- asking ---- */

const plugin_entry *registry_list(registry *r, size_t *n)
{
    *n = r->n;
    return r->entries;
}

void registry_warnings(const registry *r, errors *e)
{
    for (size_t i = 0; i < r->warnings.n; i++) {
        const message *m = &r->warnings.items[i];
        place at = {m->file, m->line, m->column, m->offset, m->source};
        errors_warn(e, &at, m->hint, "%s", m->what);
    }
}

const char *const *registry_folders(const registry *r)
{
    return (const char *const *)r->folders;
}

bool registry_comes_along(const registry *r, const plugin_entry *p)
{
    const char *own = "";
    for (char **folder = r->folders; folder && *folder; folder++) own = *folder;
    size_t n = strlen(own);
    return !p->path[0] || (n && !strncmp(p->path, own, n) && p->path[n] == '/');
}
