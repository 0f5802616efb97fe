/* run_folder make DIR: a run folder from the planner's line on standard input, as a supervisor would make it.
 * run_folder rows DIR: the run's metric rows as its journals leave them. For the scripts beside; must not know training. */
#include <stdio.h>
#include <string.h>

#include "../rows.h"
#include "base/file.h"
#include "base/json.h"

static int run_folder_make(const char *dir)
{
    text t = {0};
    char chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, stdin)) > 0) text_add_n(&t, chunk, got);
    arena a = {0};
    errors e = {0};
    const json *v = json_parse(&a, text_str(&t), t.n, NULL, NULL);
    const char *spec = json_get_text(v, "spec", NULL);
    char *run = path_join(dir, "run.json"), *yaml = path_join(dir, "spec.yaml");
    bool good = spec && file_make_dirs(dir, &e) == CVY_OK &&
                file_replace(run, text_str(&t), t.n, &e) == CVY_OK &&
                file_replace(yaml, spec, strlen(spec), &e) == CVY_OK;
    if (!good) fprintf(stderr, "run_folder: cannot make %s of: %s\n", dir, text_str(&t));
    errors_free(&e);
    arena_free(&a);
    text_free(&t);
    mem_free(run);
    mem_free(yaml);
    return good ? 0 : 1;
}

static int run_folder_rows(const char *dir)
{
    rows r = rows_read(dir);
    text t = {0};
    rows_print(&r, &t);
    fputs(text_str(&t), stdout);
    text_free(&t);
    rows_free(&r);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0) return run_folder_make(argv[2]);
    if (argc == 3 && strcmp(argv[1], "rows") == 0) return run_folder_rows(argv[2]);
    fprintf(stderr, "usage: run_folder make|rows DIR\n");
    return 2;
}
