/* `convoy data ls`: the datasets that plugins know, which can be fetched, and which are here. Loads no plugin. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_data.h"
#include "cli/cmd_plugin.h"
#include "cli/table.h"
#include "fetch/manifest.h"

typedef struct row {
    const char *name, *plugin;
    const recipe *recipe; /* NULL: nothing to fetch */
    char *dir;            /* where fetching puts it; mem_alloc'ed */
    bool there, whole;
    int64_t bytes;
} row;

static row look(const plugin_entry *p, const recipe *r, const char *folder)
{
    row one = {.name = p->name, .plugin = p->path, .recipe = r};
    one.dir = path_join(folder, p->name);
    one.there = file_is_dir(one.dir);
    one.whole = one.there && r && manifest_is_whole(one.dir, r, NULL);
    one.bytes = one.there ? manifest_size(one.dir) : 0;
    return one;
}

static const char *state(const row *r)
{
    if (!r->recipe) return r->there ? "here" : "-";
    return r->whole ? "here" : r->there ? "not whole" : "not here";
}

static void show_json(const row *rows, size_t n, const char *folder)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "folder", folder);
    json_key(&w, "datasets");
    json_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        int64_t download = 0;
        json_open(&w, '{');
        json_put_text(&w, "name", r->name);
        json_put_bool(&w, "fetchable", r->recipe != NULL);
        for (size_t k = 0; r->recipe && k < r->recipe->n_archives; k++)
            download += r->recipe->archives[k].bytes;
        if (r->recipe) json_put_int(&w, "download_bytes", download);
        json_put_text(&w, "state", !r->recipe && !r->there ? NULL : state(r));
        json_put_text(&w, "path", r->there ? r->dir : NULL);
        if (r->there) json_put_int(&w, "bytes", r->bytes);
        json_put_text(&w, "plugin", r->plugin);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static void show(const common *c, const row *rows, size_t n)
{
    static const char *const titles[] = {"DATASET", "FETCH", "STATE", "SIZE", "PATH"};
    table t = {0};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_column(&t, titles[i], i == 1 || i == 3 ? TABLE_RIGHT : TABLE_LEFT);
    for (size_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        text download = {0}, size = {0};
        int64_t bytes = 0;
        for (size_t k = 0; r->recipe && k < r->recipe->n_archives; k++) bytes += r->recipe->archives[k].bytes;
        if (r->recipe && bytes)
            data_subject_bytes(bytes, &download);
        else
            text_add(&download, r->recipe ? "yes" : "-");
        if (r->there) data_subject_bytes(r->bytes, &size);
        table_cell(&t, r->name);
        table_cell(&t, text_str(&download));
        table_cell(&t, state(r));
        table_cell(&t, text_str(&size));
        table_cell(&t, r->there ? r->dir : "");
        text_free(&download);
        text_free(&size);
    }
    text out = {0};
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

int cmd_data_ls(const command *self, const common *c, const data_args *args, int argc, char **argv)
{
    if (argc) return cli_usage(self, c, "unexpected \"%s\"", argv[0]);
    errors e = {0};
    recipes all = {0};
    registry *plugins = cmd_plugin_registry(c, &e);
    char *folder = data_subject_folder(args->to);
    row *rows = NULL;
    size_t n = 0, cap = 0, n_entries = 0;
    if (plugins && recipes_open(&all, &e)) {
        const plugin_entry *entries = registry_list(plugins, &n_entries);
        for (size_t i = 0; i < n_entries; i++) {
            if (entries[i].kind != CVY_DATASET) continue;
            if (n && !strcmp(rows[n - 1].name, entries[i].name))
                continue; /* in two files: `plugin ls` says so */
            rows = MEM_GROW(rows, n, &cap);
            rows[n++] = look(&entries[i], recipes_for(&all, plugins, NULL, entries[i].name, &e), folder);
        }
        if (c->json)
            show_json(rows, n, folder);
        else
            show(c, rows, n);
    }
    for (size_t i = 0; i < n; i++) mem_free(rows[i].dir);
    mem_free(rows);
    mem_free(folder);
    recipes_close(&all);
    registry_free(plugins);
    return cli_fail(c, &e);
}
