/* `convoy export weights`: a run's weights and buffers as a safetensors file. Owns the names they leave under; must
 * not know what is in them, nor which checkpoint holds them. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_export.h"
#include "cli/results.h"
#include "convoy/convoy.h"
#include "train/checkpoint_weights.h"
#include "train/init.h"
#include "train/pattern.h"
#include "train/safetensors.h"

typedef struct weights_export {
    arena memory;
    checkpoint_weights from;
    init_settings map;
    safetensor *items;
    size_t n;
    int64_t floats;
} weights_export;

/* "OURS=THEIRS"; names have no `=`. */
static bool read_map(weights_export *x, const text_list *given, errors *e)
{
    size_t before = errors_count(e);
    x->map.map = arena_array(&x->memory, given->n + 1, sizeof *x->map.map);
    for (size_t i = 0; i < given->n; i++) {
        const char *s = given->items[i], *equals = strchr(s, '=');
        const place at = PLACE_FILE(arena_printf(&x->memory, "--map %s", s));
        if (!equals || equals == s) {
            errors_add(e, CVY_ERR_CONFIG, &at, "as in --map 'stage1.*=layer1.*'", "expected OURS=THEIRS");
            continue;
        }
        init_rename r = {.ours = arena_text_n(&x->memory, s, (size_t)(equals - s)), .at = at};
        if (equals[1]) r.theirs = arena_text(&x->memory, equals + 1);
        size_t stars = pattern_stars(r.ours);
        if (stars > PATTERN_STARS || (r.theirs && pattern_stars(r.theirs) != stars)) {
            errors_add(e, CVY_ERR_CONFIG, &at, NULL,
                       "both sides have as many stars as each other, and at most %d", PATTERN_STARS);
            continue;
        }
        x->map.map[x->map.n_map++] = r;
    }
    return errors_count(e) == before;
}

/* All that the map does not leave out, under the names it gives. */
static void take(weights_export *x)
{
    x->items = arena_array(&x->memory, x->from.n + 1, sizeof *x->items);
    for (size_t i = 0; i < x->from.n; i++) {
        safetensor t = x->from.items[i];
        const init_rename *rule;
        char *theirs = init_their_name(&x->map, t.name, &rule);
        if (!theirs) continue;
        t.name = arena_text(&x->memory, theirs);
        mem_free(theirs);
        x->items[x->n++] = t;
        x->floats += t.count;
    }
}

/* An entry that renames nothing is a slip. */
static bool check_map(const weights_export *x, errors *e)
{
    size_t before = errors_count(e);
    for (size_t k = 0; k < x->map.n_map; k++) {
        bool any = false;
        for (size_t i = 0; i < x->from.n && !any; i++)
            any = pattern_match(x->map.map[k].ours, x->from.items[i].name, NULL);
        if (!any)
            errors_add(e, CVY_ERR_CONFIG, &x->map.map[k].at, NULL, "no weight or buffer is called \"%s\"",
                       x->map.map[k].ours);
    }
    return errors_count(e) == before;
}

static void tell(const common *c, const weights_export *x, const query_run *r, const char *which,
                 const char *output)
{
    if (c->json) {
        json_writer w = {0};
        json_open(&w, '{');
        json_put_text(&w, "file", output);
        json_put_text(&w, "run", r->name);
        json_put_text(&w, "which", which);
        json_put_int(&w, "epoch", x->from.epoch);
        json_put_int(&w, "tensors", (int64_t)x->n);
        json_put_int(&w, "numbers", x->floats);
        json_close(&w, '}');
        cli_print_json(&w);
        return;
    }
    text t = {0};
    text_count(&t, x->floats);
    cli_say(c, "%s, %s weights, epoch %lld: %zu tensors, %s numbers", r->name, which,
            (long long)x->from.epoch, x->n, text_str(&t));
    cli_print_path(output);
    text_free(&t);
}

static void export_one(const common *c, const export_args *args, const store *s, const query_run *r,
                       weights_which which, errors *e)
{
    const char *word = weights_word(which);
    weights_export x = {0};
    char *dir = path_join(store_results(s), r->name);
    if (read_map(&x, &args->map, e) && checkpoint_weights_read(&x.from, dir, which, e) && check_map(&x, e)) {
        take(&x);
        /* `format` as PyTorch's own writers put it, for readers that ask. */
        const char *keys[] = {"format", "convoy", "run", "which", "epoch", "config_hash"};
        const char *values[] = {"pt",
                                cvy_version(),
                                r->name,
                                word,
                                arena_printf(&x.memory, "%lld", (long long)x.from.epoch),
                                r->config_hash};
        if (safetensors_write(args->output, x.items, x.n, keys, values, 6, e) == CVY_OK)
            tell(c, &x, r, word, args->output);
    }
    checkpoint_weights_free(&x.from);
    mem_free(dir);
    arena_free(&x.memory);
}

int cmd_export_weights(const command *self, const common *c, const export_args *args, int argc, char **argv)
{
    weights_which which = WEIGHTS_BEST;
    if (argc != 1) return cli_usage(self, c, argc ? "one run at a time" : "which run's weights?");
    if (!args->output) return cli_usage(self, c, "-o FILE is missing: where the weights go");
    if (args->which && !weights_parse(args->which, &which))
        return cli_usage(self, c, "--which: \"%s\" is not " WEIGHTS_WORDS, args->which);
    errors e = {0};
    arena a = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run = true;
    const char *sweep = NULL;
    const place at = PLACE_FILE(args->output);
    store *s = NULL;
    if (file_exists(args->output) && (!args->force || file_is_dir(args->output)))
        errors_add(&e, CVY_ERR_CONFIG, &at,
                   file_is_dir(args->output) ? "name a file in it" : "--force overwrites it",
                   file_is_dir(args->output) ? "is a folder" : "is there already");
    else
        s = results_open(c, &e);
    if (s && results_find(s, argv, argc, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK) {
        if (n == 1)
            export_one(c, args, s, &runs[0], which, &e);
        else
            errors_add(&e, CVY_ERR_CONFIG, NULL, "name one of them, as r12",
                       "\"%s\" is %zu runs, and a file holds the weights of one", argv[0], n);
    }
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}
