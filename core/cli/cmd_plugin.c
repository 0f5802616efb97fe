/* `convoy plugin`: what plugins there are, and what one of them is and takes. */
#include <string.h>

#include "base/memory.h"
#include "cli/cmd_plugin.h"
#include "cli/table.h"
#include "config/params_table.h"
#include "convoy/augment.h"
#include "convoy/layer.h"
#include "convoy/optimizer.h"
#include "plugin/registry.h"
#include "train/initialiser.h"
#include "train/schedule.h"

registry *cmd_plugin_registry(const common *c, errors *e)
{
    plugin_request *files = mem_array(c->plugin.n, sizeof *files);
    for (size_t i = 0; i < c->plugin.n; i++) files[i] = (plugin_request){c->plugin.items[i], PLACE_NONE};
    registry *r = registry_open(files, c->plugin.n, e);
    mem_free(files);
    return r;
}

/* ---- ls ---- */

static void list_json(registry *r, uint32_t kind)
{
    size_t n;
    const plugin_entry *entries = registry_list(r, &n);
    json_writer w = {0};
    json_open(&w, '{');
    json_key(&w, "plugins");
    json_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        if (kind && entries[i].kind != kind) continue;
        json_open(&w, '{');
        json_put_text(&w, "kind", plugin_kind_name(entries[i].kind));
        json_put_text(&w, "name", entries[i].name);
        json_put_text(&w, "path", entries[i].path);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_key(&w, "searched");
    json_open(&w, '[');
    for (const char *const *folder = registry_folders(r); *folder; folder++) json_text(&w, *folder);
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static void list_table(const common *c, registry *r, uint32_t kind)
{
    size_t n, shown = 0;
    const plugin_entry *entries = registry_list(r, &n);
    table t = {0};
    table_column(&t, "KIND", TABLE_LEFT);
    table_column(&t, "NAME", TABLE_LEFT);
    table_column(&t, "PATH", TABLE_LEFT);
    for (size_t i = 0; i < n; i++) {
        if (kind && entries[i].kind != kind) continue;
        table_cell(&t, plugin_kind_name(entries[i].kind));
        table_cell(&t, entries[i].name);
        table_cell(&t, entries[i].path);
        shown++;
    }
    text out = {0};
    if (shown) table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
    if (shown) return;
    text folders = {0};
    for (const char *const *folder = registry_folders(r); *folder; folder++)
        text_printf(&folders, "%s%s", folders.n ? ", " : "", *folder);
    cli_say(c, "no plugins found; searched: %s", text_str(&folders));
    text_free(&folders);
}

/* Names in two files cannot be used until one of them goes; here they are told before anybody asks for them.
 */
static void warn_twice(registry *r, errors *e)
{
    size_t n;
    const plugin_entry *entries = registry_list(r, &n);
    for (size_t i = 1; i < n; i++)
        if (entries[i].kind == entries[i - 1].kind && !strcmp(entries[i].name, entries[i - 1].name))
            errors_warn(e, NULL, "remove or rename one of them", "%s \"%s\" is in two files: %s and %s",
                        plugin_kind_name(entries[i].kind), entries[i].name, entries[i - 1].path,
                        entries[i].path);
}

static int list(const command *self, const common *c, int argc, char **argv)
{
    uint32_t kind = 0;
    if (argc > 1) return cli_usage(self, c, "unexpected \"%s\"", argv[1]);
    if (argc == 1 && !plugin_kind_parse(argv[0], &kind))
        return cli_usage(self, c, "\"%s\" is no kind of plugin: layer, loss, optimizer, dataset, augment",
                         argv[0]);
    errors e = {0};
    registry *r = cmd_plugin_registry(c, &e);
    if (!r) return cli_fail(c, &e);
    if (c->json)
        list_json(r, kind);
    else
        list_table(c, r, kind);
    registry_warnings(r, &e);
    warn_twice(r, &e);
    registry_free(r);
    return cli_fail(c, &e);
}

/* ---- info ---- */

void cmd_plugin_inputs(const cvy_layer *l, text *t)
{
    if (l->max_in < 0)
        text_printf(t, "%d or more", l->min_in);
    else if (l->max_in > l->min_in)
        text_printf(t, "%d to %d", l->min_in, l->max_in);
    else
        text_printf(t, "%d", l->min_in);
}

void cmd_plugin_computes(const cvy_descriptor *d, bool twin, text *t)
{
    if (d->kind == CVY_LAYER) {
        const cvy_layer *l = d->type;
        if (l->build) {
            text_add(t, "composite: made of other layers, whose weights start as they do there");
            return;
        }
        text_add(t, l->lower ? "plain C, and lowered to the core's operators" : "plain C");
    } else if (d->kind == CVY_OPTIMIZER) {
        const cvy_optimizer *o = d->type;
        text_add(t, o->elementwise ? "plain C, element by element" : "plain C, whole tensors");
    } else if (d->kind == CVY_AUGMENT) {
        const cvy_augment *a = d->type;
        text_add(t, a->traits & CVY_AUGMENT_ALWAYS ? "in training, validation and test" : "in training only");
        return;
    } else {
        text_add(t, "plain C");
    }
    if (twin) text_add(t, "; double twin for gradient checks");
}

static void row(table *t, const char *what, const char *value)
{
    if (!*value) return;
    table_cell(t, what);
    table_cell(t, value);
}

static void info_text(const common *c, const cvy_descriptor *d, const plugin_entry *entry, bool twin)
{
    text out = {0}, inputs = {0}, computes = {0}, params = {0};
    cmd_plugin_computes(d, twin, &computes);
    if (d->kind == CVY_LAYER) cmd_plugin_inputs(d->type, &inputs);
    const char *bold = cli_colour(c, stdout) ? "\x1b[1m" : "", *plain = *bold ? "\x1b[0m" : "";
    text_printf(&out, "%s%s %s%s: ", bold, plugin_kind_name(d->kind), d->name, plain);
    text_safe(&out, d->summary, SIZE_MAX);
    text_add(&out, "\n\n");

    table t = {0};
    table_column(&t, "", TABLE_LEFT);
    table_column(&t, "", TABLE_LEFT);
    row(&t, "source", d->source);
    if (d->kind != CVY_DATASET && d->kind < CVY_SCHEDULE) row(&t, "computes", text_str(&computes));
    row(&t, "inputs", text_str(&inputs));
    row(&t, "elsewhere", d->aliases);
    row(&t, "file", *entry->path ? entry->path : "built in");
    row(&t, "sha256", entry->sha256);
    table_write(&t, false, &out);
    table_free(&t);

    params_table declared = params_of(d, NULL);
    if (declared.n) {
        text_printf(&out, "\n%sParameters%s\n", bold, plain);
        params_describe(&declared, &params);
        text_add(&out, text_str(&params));
    } else {
        text_add(&out, "\nIt takes no parameters.\n");
    }
    cli_print(&out);
    text_free(&out);
    text_free(&inputs);
    text_free(&computes);
    text_free(&params);
}

/* The words of a text, as an array. */
static void json_words(json_writer *w, const char *key, const char *words)
{
    json_key(w, key);
    json_open(w, '[');
    while (*words) {
        size_t n = strcspn(words, " ");
        char *word = mem_text_n(words, n);
        if (n) json_text(w, word);
        mem_free(word);
        words += n + (words[n] == ' ');
    }
    json_close(w, ']');
}

static const char *param_kind_name(uint32_t kind)
{
    static const char *const names[] = {NULL,       "int",  "float",  "bool",    "string",
                                        "enum",     "pair", "ints",   "floats",  "child",
                                        "children", "also", "triple", "padding", "layers"};
    return kind > 0 && kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

static void json_param(json_writer *w, const cvy_param *p, const cvy_param *next)
{
    json_open(w, '{');
    json_put_text(w, "name", p->name);
    json_put_text(w, "kind", param_kind_name(p->kind));
    json_put_bool(w, "required", !p->fallback);
    json_put_text(w, "default", p->fallback); /* as YAML */
    if (params_ranged(p)) {
        json_put_double(w, "min", p->min);
        json_put_double(w, "max", p->max);
    }
    if (p->kind == CVY_PARAM_ENUM) {
        json_key(w, "choices");
        json_open(w, '[');
        for (const char *const *choice = p->choices; *choice; choice++) json_text(w, *choice);
        json_close(w, ']');
    }
    if (p->kind == CVY_PARAM_CHILD || p->kind == CVY_PARAM_CHILDREN)
        json_put_text(w, "child", plugin_kind_name(p->child));
    if (p->kind == CVY_PARAM_PADDING) json_put_int(w, "axes", p->child);
    json_words(w, "elsewhere", next && next->kind == CVY_PARAM_ALSO ? next->name : "");
    json_put_text(w, "help", p->help);
    json_close(w, '}');
}

static void info_json(const cvy_descriptor *d, const plugin_entry *entry, bool twin)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "kind", plugin_kind_name(d->kind));
    json_put_text(&w, "name", d->name);
    json_put_text(&w, "summary", d->summary);
    json_put_text(&w, "source", d->source);
    json_words(&w, "elsewhere", d->aliases);
    json_put_text(&w, "path", entry->path);
    json_put_text(&w, "sha256", entry->sha256);
    json_put_int(&w, "abi", d->abi);
    json_put_bool(&w, "double", twin);
    if (d->kind == CVY_LAYER) {
        const cvy_layer *l = d->type;
        json_put_int(&w, "min_inputs", l->min_in);
        if (l->max_in >= 0) json_put_int(&w, "max_inputs", l->max_in);
        json_put_bool(&w, "composite", l->build != NULL);
        json_put_bool(&w, "plain", l->forward != NULL);
        json_put_bool(&w, "lowered", l->lower != NULL);
    }
    json_key(&w, "parameters");
    json_open(&w, '[');
    for (uint32_t i = 0; i < d->n_params; i++) {
        const char *base = (const char *)d->params + (size_t)i * d->param_size;
        const cvy_param *p = (const cvy_param *)(const void *)base;
        const cvy_param *next =
            i + 1 < d->n_params ? (const cvy_param *)(const void *)(base + d->param_size) : NULL;
        if (p->kind != CVY_PARAM_ALSO) json_param(&w, p, next);
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static const plugin_entry *entry_of(registry *r, const cvy_descriptor *d)
{
    size_t n;
    const plugin_entry *entries = registry_list(r, &n);
    for (size_t i = 0; i < n; i++)
        if (entries[i].descriptor == d) return &entries[i];
    return NULL;
}

static int info(const command *self, const common *c, int argc, char **argv)
{
    if (argc != 1) return cli_usage(self, c, argc ? "one name at a time" : "which plugin?");
    uint32_t kind = 0;
    const char *name = argv[0], *colon = strchr(name, ':');
    if (colon) {
        char *prefix = mem_text_n(name, (size_t)(colon - name));
        bool known = plugin_kind_parse(prefix, &kind);
        mem_free(prefix);
        if (!known) return cli_usage(self, c, "\"%s\" does not begin with a kind of plugin", name);
        name = colon + 1;
    }
    errors e = {0};
    registry *r = cmd_plugin_registry(c, &e);
    if (r) schedule_register(r), initialiser_register(r);
    const cvy_descriptor *d = r ? registry_find(r, kind, name, NULL, &e) : NULL;
    if (d) {
        bool twin = registry_double(r, d) != NULL;
        if (c->json)
            info_json(d, entry_of(r, d), twin);
        else
            info_text(c, d, entry_of(r, d), twin);
    }
    registry_free(r);
    return cli_fail(c, &e);
}

static const option_row plugin_rows[] = {
    OPTION(plugin_args, config, 0, OPTION_TEXT, "MAP", "eval, check: the plugin's parameters, '{kernel: 3}'"),
    OPTION(plugin_args, in, 0, OPTION_TEXT, "FILE", "eval: the tensors to compute on, .safetensors"),
    OPTION(plugin_args, out, 'o', OPTION_TEXT, "PATH",
           "eval: where the result goes, .safetensors; docs: the folder, docs/plugins without it"),
    OPTION(plugin_args, kernels, 0, OPTION_TEXT, "WHICH",
           "eval: fast (the lowered form, default) or plain (the layer's own code)"),
    OPTION(plugin_args, train, 0, OPTION_FLAG, NULL, "eval: as in training (default)"),
    OPTION(plugin_args, eval, 0, OPTION_FLAG, NULL, "eval: as in evaluation"),
    OPTION(plugin_args, shape, 0, OPTION_TEXT, "LIST",
           "check: the batched input shape to use, '[2, 3, 28, 28]' (several: a list of lists)"),
    OPTION(plugin_args, sanitize, 0, OPTION_TEXT, "SOURCE.c",
           "check: this source, compiled with AddressSanitizer and UndefinedBehaviorSanitizer"),
    OPTION_NUMBER(plugin_args, timeout, 0, "SECONDS", 60, 1, 3600, "check: how long one check may take"),
    OPTION(plugin_args, composite, 0, OPTION_FLAG, NULL, "new layer: one that is made of other layers"),
    OPTION(plugin_args, directory, 'C', OPTION_TEXT, "DIR",
           "new: make the folder NAME in this one, not in ./"),
};

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    static const char *const names[] = {"ls", "info", "check", "eval", "new", "docs"};
    const plugin_args *args = options;
    if (argc == 0) return cli_usage(self, c, "ls, info, check, eval, new or docs?");
    if (!strcmp(argv[0], "ls")) return list(self, c, argc - 1, argv + 1);
    if (!strcmp(argv[0], "info")) return info(self, c, argc - 1, argv + 1);
    if (!strcmp(argv[0], "check")) return cmd_plugin_check(self, c, args, argc - 1, argv + 1);
    if (!strcmp(argv[0], "eval")) return cmd_plugin_eval(self, c, args, argc - 1, argv + 1);
    if (!strcmp(argv[0], "new")) return cmd_plugin_new(self, c, args, argc - 1, argv + 1);
    if (!strcmp(argv[0], "docs")) return cmd_plugin_docs(self, c, args, argc - 1, argv + 1);
    const char *near = cli_nearest(argv[0], names, sizeof names / sizeof *names);
    if (near) return cli_usage(self, c, "unknown \"convoy plugin %s\"; did you mean `%s`?", argv[0], near);
    return cli_usage(self, c, "unknown \"convoy plugin %s\"", argv[0]);
}

const command cmd_plugin = {
    .name = "plugin",
    .summary = "List, describe, make, check and evaluate plugins",
    .usage =
        "convoy plugin ls [KIND] [--json]\n"
        "convoy plugin info [KIND:]NAME [--json]\n"
        "convoy plugin check FILE.so|SOURCE.c|SOURCE.cpp [NAME] [--json] [--config MAP] [--sanitize "
        "SOURCE.c]\n"
        "convoy plugin eval KIND NAME --in FILE --out FILE [--config MAP] [--kernels plain|fast] [--eval]\n"
        "convoy plugin new layer|optimizer|dataset|augmentation|loss NAME [--composite] [-C DIR]\n"
        "convoy plugin docs [-o DIR]",
    .examples =
        "convoy plugin ls\n"
        "convoy plugin ls layer\n"
        "convoy plugin info conv2d\n"
        "convoy plugin info layer:add --json\n"
        "convoy plugin info maxout --plugin ./maxout.so\n"
        "convoy plugin new layer maxout\n"
        "convoy plugin new layer bottleneck --composite\n"
        "convoy plugin check maxout.c\n"
        "convoy plugin check ./maxout.so\n"
        "convoy plugin check --sanitize maxout.c\n"
        "convoy plugin eval layer conv2d --config '{channels: 4}' --in case.safetensors --out y.safetensors\n"
        "convoy plugin eval optimizer adam --config '{lr: 0.1}' --in w.safetensors --out traj.safetensors",
    .options = plugin_rows,
    .n_options = sizeof plugin_rows / sizeof *plugin_rows,
    .size = sizeof(plugin_args),
    .run = run,
};
