/* `convoy data fetch`: official files fetched to where plugins find them. Owns progress, Ctrl-C and what to do by hand; how
 * it is done is the fetch room's. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/cmd_data.h"
#include "cli/cmd_plugin.h"
#include "cli/progress.h"
#include "fetch/fetch.h"
#include "fetch/transfer.h"
#include "fetch/unpack.h"
#include "sweep/interrupt.h"

#define LINE_SECONDS 20 /* between two lines of progress where there is no terminal for a bar */

typedef struct watching {
    const common *c;
    progress bar;
    time_t told;
} watching;

static void say(void *ctx, const char *line)
{
    watching *w = ctx;
    progress_clear(&w->bar);
    cli_say(w->c, "%s", line);
}

static bool go_on(void *ctx, const char *what, int64_t done, int64_t total)
{
    watching *w = ctx;
    if (interrupt_count() > 1) _exit(CVY_FORCED); /* what has arrived is in its file already */
    if (total > 0) progress_update(&w->bar, done / 1000, total / 1000, what);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!w->told) w->told = now.tv_sec;
    if (!w->bar.on && total > 0 && now.tv_sec - w->told >= LINE_SECONDS) {
        w->told = now.tv_sec;
        cli_say(w->c, "%s: %lld of %lld kB", what, (long long)(done / 1000), (long long)(total / 1000));
    }
    return interrupt_count() == 0;
}

/* Names of what can be fetched, for suggestions: all of the built-in ones. */
static void unknown(recipes *all, registry *plugins, const char *name, errors *e)
{
    const char **names = mem_array(all->n_built_in + 1, sizeof *names);
    text list = {0};
    for (size_t i = 0; i < all->n_built_in; i++) {
        names[i] = all->built_in[i].name;
        text_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = text_nearest(name, names, all->n_built_in);
    errors ignored = {0};
    const cvy_descriptor *d = registry_find(plugins, CVY_DATASET, name, NULL, &ignored);
    char *hint =
        near && strcmp(near, name) != 0 ? mem_printf("did you mean `%s`?", near)
        : d ? mem_printf("a recipe is given by --recipe FILE, or as %s.recipe.yaml beside the plugin; "
                         "these can be fetched: %s",
                         name, text_str(&list))
            : mem_printf("these can be fetched: %s", text_str(&list));
    errors_add(e, CVY_ERR_CONFIG, NULL, hint,
               d ? "there is nothing to fetch for the dataset \"%s\"" : "\"%s\" is not known", name);
    errors_free(&ignored);
    text_free(&list);
    mem_free(names);
    mem_free(hint);
}

static void show_json(const fetch *done, size_t n)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_key(&w, "fetched");
    json_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&w, '{');
        json_put_text(&w, "name", done[i].recipe->name);
        json_put_text(&w, "path", done[i].dir);
        json_put_bool(&w, "was_here", done[i].was_here);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

/* Where there is no library for it. */
static void by_hand(const common *c, const fetch *f)
{
    text t = {0};
    text_printf(&t, "By hand, %s is had so:\n", f->recipe->title);
    fetch_by_hand(f->recipe, f->dir, &t);
    for (char *line = t.s, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end) break;
        *end = 0;
        cli_say(c, "%s", line);
    }
    text_free(&t);
}

static cvy_status one(const common *c, watching *w, const data_args *args, const char *folder,
                      const recipe *r, fetch *f, errors *e)
{
    *f = (fetch){.recipe = r,
                 .data_dir = folder,
                 .from = args->from,
                 .keep = args->keep,
                 .force = args->force,
                 .retries = (int)args->retries,
                 .timeout = (int)args->timeout,
                 .say = say,
                 .go_on = go_on,
                 .ctx = w};
    cvy_status status = fetch_run(f, e);
    progress_clear(&w->bar);
    if (status == CVY_STOPPED)
        cli_say(c, "%s: stopped; the same command goes on from here", r->name);
    else if (!status && f->was_here)
        cli_say(c,
                "%s is here already; --force fetches it again, `convoy data verify %s` looks at every byte",
                r->name, r->name);
    return status;
}

int cmd_data_fetch(const command *self, const common *c, const data_args *args, int argc, char **argv)
{
    if (argc < 1) return cli_usage(self, c, "which dataset? `convoy data ls` shows what can be fetched");
    errors e = {0};
    recipes all = {0};
    registry *plugins = cmd_plugin_registry(c, &e);
    if (plugins) recipes_open(&all, &e);
    const recipe **todo = mem_array((size_t)argc, sizeof *todo);
    for (int i = 0; i < argc && !errors_count(&e); i++) {
        todo[i] = recipes_for(&all, plugins, args->recipe, argv[i], &e);
        if (!todo[i] && !errors_count(&e)) unknown(&all, plugins, argv[i], &e);
    }
    fetch *done = mem_array((size_t)argc, sizeof *done);
    size_t n = 0;
    watching w = {.c = c, .bar = progress_open(c, "kB")};
    char *folder = data_subject_folder(args->to);
    cvy_status status = errors_status(&e);
    const bool counted = !status;
    if (counted) interrupt_begin();
    for (int i = 0; i < argc && !status; i++) {
        status = one(c, &w, args, folder, todo[i], &done[i], &e);
        if (!status && !c->json) cli_print_path(done[i].dir);
        if (!status) n++;
    }
    if (counted) interrupt_end();
    if (c->json && !status) show_json(done, n);
    int code = cli_fail(c, &e);
    if (counted && status && status != CVY_STOPPED && (!transfer_ready(NULL) || !unpack_ready(NULL)))
        by_hand(c, &done[n]);
    for (int i = 0; i < argc; i++) fetch_free(&done[i]);
    mem_free(done);
    mem_free(todo);
    mem_free(folder);
    recipes_close(&all);
    registry_free(plugins);
    return status == CVY_STOPPED ? CVY_STOPPED : code;
}
