/* `convoy plugin new`: a folder with a plugin that works as it stands. Owns what is written and under which
 * names; what the files say is in templates/. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_plugin.h"
#include "cli/places.h"
#include "cli/templates.h"

#define PLACEHOLDER "my_plugin"

typedef struct kit {
    const char *word; /* as the user says it */
    uint32_t kind;
    const char *source, *experiment;
} kit;

static const kit kits[] = {
    {"layer", CVY_LAYER, template_layer_c, template_layer_yaml},
    {"optimizer", CVY_OPTIMIZER, template_optimizer_c, template_optimizer_yaml},
    {"dataset", CVY_DATASET, template_dataset_c, template_dataset_yaml},
    {"augmentation", CVY_AUGMENT, template_augmentation_c, template_augmentation_yaml},
    {"loss", CVY_LOSS, template_loss_c, template_loss_yaml},
};
static const kit composite = {"layer", CVY_LAYER, template_composite_c, template_composite_yaml};

/* NULL after reporting. */
static const kit *kit_find(const plugin_args *args, const char *word, errors *e)
{
    const char *words[sizeof kits / sizeof *kits];
    const kit *found = NULL;
    for (size_t i = 0; i < sizeof kits / sizeof *kits; i++) {
        words[i] = kits[i].word;
        if (!strcmp(word, kits[i].word)) found = &kits[i];
    }
    if (!strcmp(word, "augment")) found = &kits[3];
    if (!found) {
        const char *near = text_nearest(word, words, sizeof kits / sizeof *kits);
        char *hint = near ? mem_printf("did you mean `%s`?", near) : NULL;
        errors_add(e, CVY_ERR_CONFIG, NULL, hint,
                   "\"%s\" is no kind of plugin: layer, optimizer, dataset, augmentation, loss", word);
        mem_free(hint);
        return NULL;
    }
    if (!args->composite) return found;
    if (found->kind == CVY_LAYER) return &composite;
    errors_add(e, CVY_ERR_CONFIG, NULL, "convoy plugin new layer NAME --composite",
               "--composite: a layer can be made of layers, a %s cannot", found->word);
    return NULL;
}

/* ---- the name ---- */

/* A name becomes part of C identifiers, a file's name and a CMake project's. */
static bool name_good(const char *name, errors *e)
{
    size_t n = strlen(name);
    bool good = n > 0 && !isdigit((unsigned char)name[0]);
    for (size_t i = 0; i < n; i++)
        good = good && (isalnum((unsigned char)name[i]) || name[i] == '_') && (unsigned char)name[i] < 0x80;
    if (!good) {
        char *proposed = mem_text(name);
        for (char *c = proposed; *c; c++)
            if (*c == '-' || *c == ' ' || *c == '.') *c = '_';
        bool better =
            strspn(proposed, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n &&
            n > 0 && !isdigit((unsigned char)name[0]);
        text shown = {0};
        char *hint = better ? mem_printf("write %s", proposed) : NULL;
        text_safe(&shown, name, 64);
        errors_add(e, CVY_ERR_CONFIG, NULL, hint,
                   "\"%s\" cannot name a plugin: use letters, digits and _, with no digit in front",
                   text_str(&shown));
        text_free(&shown);
        mem_free(proposed);
        mem_free(hint);
        return false;
    }
    if (n < CVY_NAME_MAX) return true;
    errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "the name has %zu characters; at most %d fit", n,
               CVY_NAME_MAX - 1);
    return false;
}

/* The same kind and name in two files is an error wherever it is used, so it is one here. */
static bool name_free(const common *c, uint32_t kind, const char *name, errors *e)
{
    registry *r = cmd_plugin_registry(c, e);
    if (!r) return false;
    size_t n;
    const plugin_entry *entries = registry_list(r, &n);
    bool is_free = true;
    for (size_t i = 0; is_free && i < n; i++)
        if (entries[i].kind == kind && !strcmp(entries[i].name, name)) {
            is_free = false;
            errors_add(e, CVY_ERR_CONFIG, NULL, "choose another name",
                       "there is a plugin %s of this kind (%s) already: %s", name, plugin_kind_name(kind),
                       entries[i].path);
        }
    registry_free(r);
    return is_free;
}

/* ---- writing ---- */

/* One word of a command for the shell. */
static void shell_word(const char *s, text *out)
{
    if (*s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%")] == 0) {
        text_add(out, s);
        return;
    }
    text_char(out, '\'');
    for (; *s; s++) {
        if (*s == '\'')
            text_add(out, "'\\''");
        else
            text_char(out, *s);
    }
    text_char(out, '\'');
}

/* The command that builds NAME.so, in its folder. */
static void compile_line(const char *include, const char *name, text *out)
{
    text_add(out, "cc -O2 -shared -fPIC -I");
    shell_word(include, out);
    text_printf(out, " -o %s.so %s.c -lm", name, name);
}

static void replace(const char *s, const char *from, const char *to, text *out)
{
    size_t n = strlen(from);
    for (const char *next; (next = strstr(s, from)) != NULL; s = next + n) {
        text_add_n(out, s, (size_t)(next - s));
        text_add(out, to);
    }
    text_add(out, s);
}

typedef struct filled {
    const char *name, *include, *line; /* what the placeholders stand for */
    const char *folder;
} filled;

static cvy_status write_file(const filled *f, const char *template, const char *file, errors *e)
{
    text named = {0}, built = {0}, whole = {0};
    replace(template, PLACEHOLDER, f->name, &named);
    replace(text_str(&named), "@CC@", f->line, &built);
    replace(text_str(&built), "@INCLUDE@", f->include, &whole);
    char *path = path_join(f->folder, file);
    cvy_status status = file_replace(path, text_str(&whole), whole.n, e);
    mem_free(path);
    text_free(&named);
    text_free(&built);
    text_free(&whole);
    return status;
}

static cvy_status write_all(const kit *k, const filled *f, errors *e)
{
    char *source = mem_printf("%s.c", f->name), *experiment = mem_printf("%s.yaml", f->name);
    cvy_status status = write_file(f, k->source, source, e);
    if (!status) status = write_file(f, k->experiment, experiment, e);
    if (!status) status = write_file(f, template_cmake, "CMakeLists.txt", e);
    mem_free(source);
    mem_free(experiment);
    return status;
}

/* The folder must be new: nothing of anybody's is ever overwritten. */
static cvy_status make_folder(const char *folder, errors *e)
{
    if (mkdir(folder, 0777) == 0) return CVY_OK;
    place at = PLACE_FILE(folder);
    if (errno == EEXIST)
        return errors_add(e, CVY_ERR_CONFIG, &at, "choose another name, or another place with -C DIR",
                          "is there already; nothing was written");
    return errors_add(e, errno == ENOENT ? CVY_ERR_CONFIG : CVY_ERR_RESOURCE, &at, NULL, "cannot be made: %s",
                      strerror(errno));
}

static void show_json(const filled *f)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "folder", f->folder);
    json_put_text(&w, "compile", f->line);
    json_key(&w, "files");
    json_open(&w, '[');
    static const char *const ends[] = {".c", ".yaml"};
    for (size_t i = 0; i < 2; i++) {
        char *file = mem_printf("%s%s", f->name, ends[i]);
        json_text(&w, file);
        mem_free(file);
    }
    json_text(&w, "CMakeLists.txt");
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static void show(const filled *f)
{
    text out = {0};
    text_printf(&out, "%s/%s.c, %s.yaml and CMakeLists.txt are there. Build it and train with it:\n\n  cd ",
                f->folder, f->name, f->name);
    shell_word(f->folder, &out);
    text_printf(&out, "\n  %s\n  convoy run %s.yaml\n", f->line, f->name);
    cli_print(&out);
    text_free(&out);
}

static cvy_status create(const common *c, const plugin_args *args, const char *word, const char *name,
                         errors *e)
{
    const kit *k = kit_find(args, word, e);
    if (!k || !name_good(name, e) || !name_free(c, k->kind, name, e)) return errors_status(e);
    char *include = places_include(e);
    if (!include) return errors_status(e);
    text line = {0};
    compile_line(include, name, &line);
    char *folder = args->directory ? path_join(args->directory, name) : mem_text(name);
    filled f = {name, include, text_str(&line), folder};
    cvy_status status = make_folder(folder, e);
    if (!status) {
        status = write_all(k, &f, e);
        if (status)
            file_remove_tree(folder, NULL);
        else if (c->json)
            show_json(&f);
        else
            show(&f);
    }
    mem_free(include);
    mem_free(folder);
    text_free(&line);
    return status;
}

int cmd_plugin_new(const command *self, const common *c, const plugin_args *args, int argc, char **argv)
{
    if (argc != 2)
        return cli_usage(self, c,
                         "expected a kind (layer, optimizer, dataset, augmentation, loss) and a name");
    errors e = {0};
    create(c, args, argv[0], argv[1], &e);
    return cli_fail(c, &e);
}
