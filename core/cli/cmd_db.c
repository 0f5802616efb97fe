/* `convoy db`: where the database is, and making it again. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"

static int path(const common *c)
{
    char *folder = path_absolute(c->results), *file = path_join(folder, "convoy.db");
    if (c->json) {
        json_writer w = {0};
        json_open(&w, '{');
        json_put_text(&w, "path", file);
        json_put_bool(&w, "exists", file_exists(file));
        json_close(&w, '}');
        cli_print_json(&w);
    } else {
        cli_print_path(file);
    }
    mem_free(folder);
    mem_free(file);
    return CVY_OK;
}

static int rebuild(const common *c)
{
    errors e = {0};
    int64_t folders = 0, records = 0;
    if (store_rebuild(c->results, &folders, &records, &e) == CVY_OK) {
        if (c->json) {
            json_writer w = {0};
            json_open(&w, '{');
            json_put_int(&w, "folders", folders);
            json_put_int(&w, "records", records);
            json_close(&w, '}');
            cli_print_json(&w);
        } else {
            text t = {0};
            text_count(&t, records);
            cli_say(c, "%lld run and sweep folders, %s journal records", (long long)folders, text_str(&t));
            text_free(&t);
        }
    }
    return cli_fail(c, &e);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    static const char *const names[] = {"path", "rebuild"};
    (void)given;
    if (argc == 0) return cli_usage(self, c, "path or rebuild?");
    if (argc > 1) return cli_usage(self, c, "unexpected \"%s\"", argv[1]);
    if (!strcmp(argv[0], "path")) return path(c);
    if (!strcmp(argv[0], "rebuild")) return rebuild(c);
    const char *near = text_nearest(argv[0], names, 2);
    if (near) return cli_usage(self, c, "unknown \"convoy db %s\"; did you mean `%s`?", argv[0], near);
    return cli_usage(self, c, "unknown \"convoy db %s\"", argv[0]);
}

const command cmd_db = {
    .name = "db",
    .summary = "Say where the database is, or make it again from the run folders",
    .usage = "convoy db path\n"
             "convoy db rebuild",
    .examples = "sqlite3 \"$(convoy db path)\" 'SELECT name, state, test_accuracy FROM run_summary'\n"
                "convoy db rebuild",
    .run = run,
};
