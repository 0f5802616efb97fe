/* `convoy plugin docs`: the reference pages, one for each kind of plugin, written from the descriptors alone.
 * Must not know any plugin: what a page says of one, the plugin says itself. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_plugin.h"
#include "config/params_table.h"
#include "convoy/augment.h"
#include "convoy/optimizer.h"
#include "graph/net_one.h"
#include "plugin/aliases.h"
#include "plugin/host.h"
#include "train/initialiser.h"
#include "train/schedule.h"

typedef struct chapter {
    uint32_t kind;
    const char *file, *title, *where; /* where it stands in an experiment file */
} chapter;

static const chapter chapters[] = {
    {CVY_LAYER, "layers.md", "Layers", "items of `model:`"},
    {CVY_LOSS, "losses.md", "Losses", "`loss:`"},
    {CVY_OPTIMIZER, "optimizers.md", "Optimizers", "`train.optimizer:`"},
    {CVY_SCHEDULE, "schedules.md", "Learning-rate schedules", "`train.lr_schedule:`"},
    {CVY_INITIALISER, "initialisers.md", "Initialisers",
     "`init.weights:`, `init.bias:` and items of `init.rules:`"},
    {CVY_DATASET, "datasets.md", "Datasets", "`dataset:`"},
    {CVY_AUGMENT, "augmentations.md", "Augmentations", "items of `dataset.augment:`"},
};
enum { N_CHAPTERS = sizeof chapters / sizeof *chapters };

/* ---- Markdown ---- */

/* Running text: what Markdown or HTML would take for its own is escaped. */
static void prose(const char *s, text *out)
{
    for (; *s; s++) {
        if (*s == '<')
            text_add(out, "&lt;");
        else if (*s == '|' || *s == '*')
            text_printf(out, "\\%c", *s);
        else
            text_char(out, *s == '\n' ? ' ' : *s);
    }
}

static void sentence(const char *s, text *out)
{
    size_t begin = out->n;
    prose(s, out);
    if (out->n == begin) return;
    if (out->s[begin] >= 'a' && out->s[begin] <= 'z') out->s[begin] = (char)(out->s[begin] - 'a' + 'A');
    if (out->s[out->n - 1] != '.') text_char(out, '.');
}

/* ---- other frameworks' names ---- */

static void add_words(const char *words, const char *own, text *out)
{
    while (*words) {
        size_t n = strcspn(words, " ");
        char *quoted = mem_printf("`%.*s`", (int)n, words);
        bool known = n == strlen(own) && !strncmp(words, own, n);
        if (n && !known && !strstr(text_str(out), quoted))
            text_printf(out, "%s%s", out->n ? ", " : "", quoted);
        words += n + (words[n] == ' ');
        mem_free(quoted);
    }
}

static void elsewhere(const cvy_descriptor *d, text *out)
{
    text names = {0};
    add_words(d->aliases, d->name, &names);
    for (const alias_row *row = aliases_table; row->kind; row++)
        if (row->kind == d->kind && !strcmp(row->name, d->name)) add_words(row->words, d->name, &names);
    if (names.n) text_printf(out, "Elsewhere: %s.\n\n", text_str(&names));
    text_free(&names);
}

/* ---- parameters ---- */

static void parameters(const cvy_descriptor *d, text *out)
{
    params_table t = params_of(d, NULL);
    if (!t.n) {
        text_add(out, "It takes no parameters.\n\n");
        return;
    }
    text_add(out, "| parameter | values | default | | elsewhere |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        if (p.kind == CVY_PARAM_ALSO) continue;
        text cell = {0}, words = {0};
        params_describe_type(&p, &cell);
        text_printf(out, "| `%s` | ", p.name);
        prose(text_str(&cell), out);
        text_free(&cell);
        params_describe_default(&p, &cell);
        if (!p.fallback)
            text_add(out, " | required | ");
        else
            text_printf(out, " | `%s` | ", text_str(&cell));
        prose(p.help ? p.help : "", out);
        cvy_param next = i + 1 < t.n ? params_entry(&t, i + 1) : (cvy_param){0};
        if (next.kind == CVY_PARAM_ALSO) add_words(next.name, p.name, &words);
        text_printf(out, " | %s |\n", text_str(&words));
        text_free(&cell);
        text_free(&words);
    }
    text_char(out, '\n');
}

/* ---- shapes ---- */

/* What must be given, given: "channels: 32, ...". False for kinds of which no example can be made up. */
static bool sample_params(const cvy_descriptor *d, text *out)
{
    params_table t = params_of(d, NULL);
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        if (p.kind == CVY_PARAM_ALSO || p.fallback) continue;
        const char *comma = out->n ? ", " : "";
        double v = p.min > 32 ? p.min : p.max < 32 ? p.max : 32;
        if (p.kind == CVY_PARAM_INT || p.kind == CVY_PARAM_PAIR || p.kind == CVY_PARAM_TRIPLE)
            text_printf(out, "%s%s: %.0f", comma, p.name, v);
        else if (p.kind == CVY_PARAM_FLOAT)
            text_printf(out, "%s%s: %g", comma, p.name, v);
        else if (p.kind == CVY_PARAM_ENUM && p.choices && p.choices[0])
            text_printf(out, "%s%s: %s", comma, p.name, p.choices[0]);
        else if (p.kind == CVY_PARAM_BOOL)
            text_printf(out, "%s%s: true", comma, p.name);
        else
            return false;
    }
    return true;
}

static void tensor(const net_tensor *one, const char *type, text *out)
{
    size_t n = strlen(type);
    bool own = !strncmp(one->name, type, n) && one->name[n] == '.';
    text_printf(out, "`%s` (", own ? one->name + n + 1 : one->name);
    for (int i = 0; i < one->shape.rank; i++)
        text_printf(out, "%s%lld", i ? ", " : "", (long long)one->shape.dim[i]);
    text_char(out, ')');
}

/* Weights and buffers: by name while they are few. */
static void tensors(const net *n, size_t n_in, const char *type, text *out)
{
    size_t weights = n->n_weights - n_in, all = weights + n->n_buffers;
    int64_t numbers = 0;
    if (!all) text_add(out, "none");
    for (size_t i = n_in; i < n->n_weights; i++) {
        numbers += n->weights[i].count;
        if (all > 4) continue;
        if (i > n_in) text_add(out, ", ");
        tensor(&n->weights[i], type, out);
    }
    for (size_t i = 0; all <= 4 && i < n->n_buffers; i++) {
        if (i || weights) text_add(out, ", ");
        tensor(&n->buffers[i], type, out);
        text_add(out, " kept");
    }
    if (all <= 4) return;
    text_count(out, numbers);
    text_printf(out, " numbers in %zu arrays", weights);
}

/* One row: the layer on inputs of this shape; nothing where they do not fit. */
static bool shape_row(registry *r, const cvy_descriptor *d, const node *params, cvy_shape in, text *out)
{
    const cvy_layer *l = d->type;
    cvy_shape inputs[2] = {in, in};
    int n_in = l->min_in > 1 || l->max_in < 0 ? 2 : 1;
    errors e = {0};
    net *n = l->min_in > 2 ? NULL : net_one_build(r, d->name, params, inputs, n_in, 0, &e);
    errors_free(&e);
    if (!n) return false;
    text_add(out, "| ");
    if (n_in > 1) text_printf(out, "%d x ", n_in);
    net_shape_text(&in, out);
    text_add(out, " | ");
    net_shape_text(&n->nodes[n->output].out, out);
    text_add(out, " | ");
    tensors(n, (size_t)n_in, d->name, out);
    text_add(out, " | ");
    text_count(out, n->macs);
    text_add(out, " |\n");
    net_free(n);
    return true;
}

static void layer_shapes(registry *r, const cvy_descriptor *d, text *out)
{
    const cvy_shape samples[] = {{4, {1, 16, 32, 32, 0, 0}}, {2, {1, 64, 0, 0, 0, 0}}};
    text given = {0}, rows = {0};
    arena a = {0};
    bool any = false;
    if (sample_params(d, &given)) {
        char *map = mem_printf("{%s}", text_str(&given));
        const node *params = tree_read_text(&a, "sample", arena_text(&a, map), strlen(map), NULL);
        for (size_t i = 0; params && i < sizeof samples / sizeof *samples; i++)
            any = shape_row(r, d, params, samples[i], &rows) || any;
        mem_free(map);
    }
    if (any && given.n)
        text_printf(out, "Shapes of `%s: {%s}`:\n\n", d->name, text_str(&given));
    else if (any)
        text_printf(out, "Shapes of `%s`:\n\n", d->name);
    if (any)
        text_printf(out, "| input | output | weights | MACs |\n|---|---|---|---|\n%s\n", text_str(&rows));
    text_free(&given);
    text_free(&rows);
    arena_free(&a);
}

/* The default configuration, or NULL where something must be given. */
static void *defaults(arena *a, const cvy_descriptor *d)
{
    text given = {0};
    bool none = sample_params(d, &given) && !given.n;
    text_free(&given);
    return none ? params_make(a, d, NULL, &(params_env){0}, NULL) : NULL;
}

static void augment_shapes(const cvy_descriptor *d, text *out)
{
    const cvy_augment *type = d->type;
    arena a = {0};
    void *config = defaults(&a, d);
    cvy_shape in = {3, {3, 32, 32, 0, 0, 0}}, shape = {0};
    host h = host_make(NULL, CVY_ERR_CONFIG, NULL, 1, NULL);
    if (config && !type->infer(&h.face, config, &in, &shape)) {
        text_add(out, "(3, 32, 32) becomes (");
        for (int i = 0; i < shape.rank; i++)
            text_printf(out, "%s%lld", i ? ", " : "", (long long)shape.dim[i]);
        text_add(out, ").\n\n");
    }
    arena_free(&a);
}

static void optimizer_state(const cvy_descriptor *d, text *out)
{
    const cvy_optimizer *type = d->type;
    arena a = {0};
    void *config = defaults(&a, d);
    if (config) {
        const char *const *slots = type->slots(config);
        text_add(out, "State beside each weight, with the defaults: ");
        for (size_t i = 0; slots[i]; i++) text_printf(out, "%s`%s`", i ? ", " : "", slots[i]);
        text_add(out, slots[0] ? ".\n\n" : "none.\n\n");
    }
    arena_free(&a);
}

/* ---- pages ---- */

static void section(registry *r, const cvy_descriptor *d, text *out)
{
    text computes = {0}, inputs = {0};
    text_printf(out, "## %s\n\n", d->name);
    sentence(d->summary, out);
    text_add(out, "\n\n");
    if (*d->source) {
        text_add(out, "Source: ");
        prose(d->source, out);
        text_add(out, text_ends(d->source, ".") ? "\n\n" : ".\n\n");
    }
    elsewhere(d, out);
    if (d->kind != CVY_DATASET && d->kind < CVY_SCHEDULE) {
        cmd_plugin_computes(d, registry_double(r, d) != NULL, &computes);
        text_printf(out, "Computes: %s.", text_str(&computes));
        if (d->kind == CVY_LAYER) {
            cmd_plugin_inputs(d->type, &inputs);
            text_printf(out, " Inputs: %s.", text_str(&inputs));
        }
        text_add(out, "\n\n");
    }
    parameters(d, out);
    if (d->kind == CVY_LAYER) layer_shapes(r, d, out);
    if (d->kind == CVY_AUGMENT) augment_shapes(d, out);
    if (d->kind == CVY_OPTIMIZER) optimizer_state(d, out);
    text_free(&computes);
    text_free(&inputs);
}

static const char *const generated =
    "<!-- Written by `convoy plugin docs` from what the plugins declare; change them, not this. -->\n";

static cvy_status write_page(const char *folder, const char *file, text *page, text *written, errors *e)
{
    while (page->n > 1 && page->s[page->n - 1] == '\n' && page->s[page->n - 2] == '\n')
        page->s[--page->n] = 0;
    char *path = path_join(folder, file);
    cvy_status status = file_replace(path, text_str(page), page->n, e);
    if (!status) text_printf(written, "%s\n", path);
    mem_free(path);
    text_free(page);
    return status;
}

/* One chapter's page; its line goes into the index. */
static cvy_status write_chapter(registry *r, const chapter *ch, const char *folder, text *overview,
                                text *written, errors *e)
{
    size_t n, count = 0;
    const plugin_entry *entries = registry_list(r, &n);
    text page = {0}, sections = {0};
    text_printf(&page, "%s# %s\n\nWhat can stand in %s.\n\n| name | |\n|---|---|\n", generated, ch->title,
                ch->where);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].kind != ch->kind) continue;
        const cvy_descriptor *d = registry_find(r, ch->kind, entries[i].name, NULL, e);
        if (!d) continue;
        text_printf(&page, "| [%s](#%s) | ", d->name, d->name);
        prose(d->summary, &page);
        text_add(&page, " |\n");
        section(r, d, &sections);
        text_printf(overview, "%s[`%s`](%s#%s)", count++ ? ", " : "", d->name, ch->file, d->name);
    }
    text_printf(&page, "\n%s", text_str(&sections));
    text_free(&sections);
    if (errors_count(e)) {
        text_free(&page);
        return errors_status(e);
    }
    return write_page(folder, ch->file, &page, written, e);
}

static cvy_status write_pages(registry *r, const char *folder, text *written, errors *e)
{
    text front = {0};
    text_printf(&front,
                "%s# Plugins\n\nWhat `convoy plugin ls` lists, kind by kind; `convoy plugin info NAME` shows "
                "the same "
                "of one.\n\n| kind | stands in | plugins |\n|---|---|---|\n",
                generated);
    cvy_status status = file_make_dirs(folder, e);
    for (size_t i = 0; !status && i < N_CHAPTERS; i++) {
        text_printf(&front, "| [%s](%s) | %s | ", chapters[i].title, chapters[i].file, chapters[i].where);
        status = write_chapter(r, &chapters[i], folder, &front, written, e);
        text_add(&front, " |\n");
    }
    if (!status) status = write_page(folder, "README.md", &front, written, e);
    text_free(&front);
    return status;
}

int cmd_plugin_docs(const command *self, const common *c, const plugin_args *args, int argc, char **argv)
{
    if (argc) return cli_usage(self, c, "unexpected \"%s\"", argv[0]);
    errors e = {0};
    text written = {0};
    registry *r = cmd_plugin_registry(c, &e);
    if (r) {
        schedule_register(r);
        initialiser_register(r);
        if (!write_pages(r, args->out ? args->out : "docs/plugins", &written, &e)) cli_print(&written);
        registry_warnings(r, &e);
    }
    registry_free(r);
    text_free(&written);
    return cli_fail(c, &e);
}
