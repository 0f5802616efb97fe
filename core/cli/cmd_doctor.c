/* `convoy doctor`: whether an installation has all it needs, and what to do where it has not. Looks and starts
 * gnuplot; must change nothing but what it creates and removes at once to see whether it can. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_plugin.h"
#include "cli/places.h"
#include "convoy/convoy.h"
#include "device/machine.h"
#include "image/image.h"
#include "fetch/transfer.h"
#include "fetch/unpack.h"
#include "report/gnuplot.h"
#include "report/store.h"
#include "train/linear_svm.h"

typedef enum verdict {
    FINE,
    WORSE,  /* Convoy works, but something is slower or left out */
    MISSING /* needed */
} verdict;

static const char *const verdict_names[] = {"ok", "warning", "missing"};

typedef struct finding {
    const char *what;
    verdict verdict;
    cvy_status status;  /* of MISSING */
    char *found, *todo; /* todo: NULL when there is nothing to do */
} finding;

typedef struct findings {
    finding *items;
    size_t n, cap;
} findings;

/* Takes both texts over. */
static void add(findings *f, const char *what, verdict v, cvy_status status, char *found, char *todo)
{
    f->items = MEM_GROW(f->items, f->n, &f->cap);
    f->items[f->n++] = (finding){what, v, status, found, todo};
}

static void fine(findings *f, const char *what, char *found)
{
    add(f, what, FINE, CVY_OK, found, NULL);
}

/* The messages of e as one finding each; empties it. */
static void add_errors(findings *f, const char *what, verdict v, cvy_status status, errors *e)
{
    for (size_t i = 0; i < e->n; i++) {
        const message *m = &e->items[i];
        char *found = m->file ? mem_printf("%s: %s", m->file, m->what) : mem_text(m->what);
        add(f, what, v, status, found, mem_text(m->hint));
    }
    errors_free(e);
}

/* ---- the program ---- */

static void check_program(findings *f)
{
    char *executable = path_executable(), *library = path_library();
    bool apart = library && executable && strcmp(library, executable) != 0;
    fine(f, "version", mem_text(cvy_version()));
    if (executable)
        fine(f, "executable", executable);
    else
        add(f, "executable", WORSE, CVY_OK, mem_text("/proc is not there to say where it is"),
            mem_text("mount /proc: plugins and architectures are found beside the executable"));
    fine(f, "library", mem_text(apart ? library : "part of the executable"));
    mem_free(library);
    errors e = {0};
    char *include = places_include(&e);
    if (include)
        fine(f, "headers", include);
    else
        add_errors(f, "headers", WORSE, CVY_OK, &e);
}

/* ---- plugins ---- */

static void check_plugins(findings *f, registry *r)
{
    static const uint32_t needed[] = {CVY_LAYER, CVY_LOSS, CVY_OPTIMIZER, CVY_DATASET};
    size_t n, counts[CVY_INITIALISER + 1] = {0};
    const plugin_entry *entries = registry_list(r, &n);
    for (size_t i = 0; i < n; i++) counts[entries[i].kind <= CVY_INITIALISER ? entries[i].kind : 0]++;
    for (const char *const *folder = registry_folders(r); *folder; folder++) {
        size_t here = 0, length = strlen(*folder);
        for (size_t i = 0; i < n; i++)
            here += !strncmp(entries[i].path, *folder, length) && entries[i].path[length] == '/';
        fine(f, "plugin folder",
             file_is_dir(*folder) ? mem_printf("%s: %zu plugins", *folder, here)
                                  : mem_printf("%s: not there", *folder));
    }
    text all = {0};
    for (uint32_t kind = CVY_LAYER; kind <= CVY_AUGMENT; kind++)
        text_printf(&all, "%s%zu of kind %s", all.n ? ", " : "", counts[kind], plugin_kind_name(kind));
    bool complete = true;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) complete = complete && counts[needed[i]];
    add(f, "plugins", complete ? FINE : MISSING, CVY_ERR_PLUGIN, text_take(&all),
        complete ? NULL
                 : mem_text("install Convoy whole, or name the folder of its plugins in CONVOY_PLUGIN_PATH"));
    for (size_t i = 1; i < n; i++)
        if (entries[i].kind == entries[i - 1].kind && !strcmp(entries[i].name, entries[i - 1].name))
            add(f, "plugin twice", WORSE, CVY_OK,
                mem_printf("%s %s: %s and %s", plugin_kind_name(entries[i].kind), entries[i].name,
                           entries[i - 1].path, entries[i].path),
                mem_text("remove or rename one of them; until then neither can be used"));
    errors refused = {0};
    registry_warnings(r, &refused);
    add_errors(f, "plugin refused", WORSE, CVY_OK, &refused);
}

/* ---- what comes with Convoy, and what it uses ---- */

static void check_architectures(findings *f)
{
    size_t models = 0;
    for (const char *const *folder = places_architectures(); *folder; folder++) {
        DIR *d = opendir(*folder);
        for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
            models += text_ends(entry->d_name, ".yaml");
        if (d) closedir(d);
    }
    add(f, "architectures", models ? FINE : WORSE, CVY_OK, mem_printf("%zu model files", models),
        models
            ? NULL
            : mem_text(
                  "install Convoy whole; until then `model: NAME` finds only files beside the experiment"));
}

static void check_gnuplot(findings *f)
{
    const char *folder = getenv("TMPDIR");
    char *path = mem_printf("%s/convoy-doctor-%ld", folder && *folder ? folder : "/tmp", (long)getpid());
    char *said = NULL;
    size_t n;
    text script = {0};
    errors e = {0};
    text_add(&script, "set print '-'\nprint GPVAL_VERSION\nprint GPVAL_TERMINALS\n");
    if (!gnuplot_draw(&script, path, &e) && !file_read(path, 1 << 16, &said, &n, &e)) {
        char *terminals = said + strcspn(said, "\n");
        if (*terminals) *terminals++ = 0;
        bool png = strstr(terminals, "pngcairo") != NULL, svg = strstr(terminals, "svg") != NULL;
        add(f, "gnuplot", png && svg ? FINE : WORSE, CVY_OK,
            mem_printf("version %s%s%s", said, png ? "" : ", without pngcairo", svg ? "" : ", without svg"),
            png && svg ? NULL
                       : mem_text("apt-get install gnuplot-nox: charts are drawn by its pngcairo and svg"));
    }
    if (errors_count(&e)) add_errors(f, "gnuplot", WORSE, CVY_OK, &e);
    errors_free(&e);
    unlink(path);
    mem_free(said);
    mem_free(path);
    text_free(&script);
}

static char *described(const char *lines, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = lines; *line;) {
        size_t length = strcspn(line, "\n");
        if (!strncmp(line, key, n) && line[n] == '=') return mem_text_n(line + n + 1, length - n - 1);
        line += length + (line[length] == '\n');
    }
    return mem_text("unknown");
}

static void check_machine(findings *f)
{
    machine m = machine_here();
    text lines = {0};
    machine_describe(&m, &lines);
    char *version = described(text_str(&lines), "onednn");
    if (strcmp(version, "none") != 0) {
        if (text_ends(version, " N/A"))
            version[strlen(version) - 4] = 0; /* packages are built without a hash */
        fine(f, "oneDNN", version);
    } else {
        mem_free(version);
        add(f, "oneDNN", WORSE, CVY_OK,
            mem_text("not built in: Convoy's own kernels compute everything, convolutions more slowly"),
            mem_text("apt-get install libdnnl-dev, then configure and build again"));
    }
    fine(f, "cpu", described(text_str(&lines), "cpu"));
    const char *asked = getenv("CONVOY_ISA");
    bool slow = m.isa == ISA_BASE;
    add(f, "instruction set", slow ? WORSE : FINE, CVY_OK, mem_text(machine_isa_name(m.isa)),
        !slow ? NULL
        : asked && *asked
            ? mem_printf("CONVOY_ISA=%s asks for it; unset it", asked)
            : mem_text("kernels for AVX2 and AVX-512 are several times faster; this CPU has neither"));
    fine(f, "threads", mem_printf("%d", m.threads));
    text_free(&lines);
}

static void check_svm(findings *f)
{
    const int version = linear_svm_version();
    if (version)
        fine(f, "LIBLINEAR", mem_printf("%d.%d", version / 100, version % 100));
    else
        add(f, "LIBLINEAR", WORSE, CVY_OK,
            mem_text("not built in: `convoy features --svm` needs it, nothing else does"),
            mem_text("apt-get install liblinear-dev, then configure and build again"));
}

/* Fetching datasets is all that these are for. */
static void check_fetch(findings *f)
{
    errors e = {0};
    if (transfer_ready(&e))
        fine(f, "libcurl", mem_text(transfer_version()));
    else
        add_errors(f, "libcurl", WORSE, CVY_OK, &e);
    if (unpack_ready(&e))
        fine(f, "libarchive", mem_text(unpack_version()));
    else
        add_errors(f, "libarchive", WORSE, CVY_OK, &e);
}

/* ---- libraries that only some need ---- */

static void check_library(findings *f, const char *what, const char *found, const char *without,
                          const char *package)
{
    if (found)
        fine(f, what, mem_text(found));
    else
        add(f, what, WORSE, CVY_OK, mem_printf("not built in: %s", without),
            mem_printf("apt-get install %s, then configure and build again", package));
}

static void check_libraries(findings *f)
{
    check_library(f, "JPEG", image_has_jpeg(), "datasets of pictures cannot read JPEG files",
                  "libturbojpeg0-dev");
    check_library(f, "PNG", image_has_png(), "PNG pictures can neither be read nor written", "libpng-dev");
}

/* ---- results ---- */

/* The folder itself, or the nearest one above it that exists. */
static char *existing(const char *path)
{
    char *at = path_absolute(path);
    while (!file_exists(at) && strcmp(at, "/") != 0) {
        char *above = path_dir(at);
        mem_free(at);
        at = above;
    }
    return at;
}

/* Whether a file can be made there, by making one: access() knows nothing of full or read-only storage. Returns 0
 * or an errno. */
static int try_to_write(const char *folder)
{
    char *path = mem_printf("%s/.convoy-doctor-%ld", folder, (long)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), why = fd < 0 ? errno : 0;
    if (fd >= 0) {
        if (write(fd, "x", 1) != 1) why = errno ? errno : ENOSPC;
        close(fd);
        unlink(path);
    }
    mem_free(path);
    return why;
}

static void check_results(findings *f, const char *results)
{
    enum { LITTLE_MB = 500 };
    char *folder = existing(results);
    bool there = file_is_dir(results);
    int why = file_is_dir(folder) ? try_to_write(folder) : ENOTDIR;
    if (why)
        add(f, "results", MISSING, CVY_ERR_RESOURCE,
            mem_printf("%s cannot be written: %s", results, strerror(why)),
            mem_text("choose another folder by --results DIR or CONVOY_RESULTS"));
    else
        fine(f, "results", mem_printf("%s%s", results, there ? "" : ": will be made by the first run"));
    struct statvfs s;
    if (!why && statvfs(folder, &s) == 0) {
        uint64_t mb = (uint64_t)s.f_bavail * s.f_frsize >> 20;
        bool little = mb < LITTLE_MB;
        add(f, "free space", little ? WORSE : FINE, CVY_OK, mem_printf("%" PRIu64 " MiB", mb),
            little
                ? mem_text(
                      "checkpoints of many runs need more; free some, or choose another folder by --results")
                : NULL);
    }
    char *database = path_join(results, "convoy.db");
    if (!file_exists(database)) {
        fine(f, "database", mem_text("none yet: the first run makes it"));
    } else {
        errors e = {0};
        store *s_open = store_open_current(results, &e);
        if (s_open && !e.n)
            fine(f, "database", mem_text(database));
        else
            add_errors(f, "database", s_open ? WORSE : MISSING, CVY_ERR_RESOURCE, &e);
        store_close(s_open);
    }
    mem_free(database);
    mem_free(folder);
}

/* ---- the command ---- */

static void show_json(const findings *f, cvy_status status)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_bool(&w, "ok", status == CVY_OK);
    json_key(&w, "checks");
    json_open(&w, '[');
    for (size_t i = 0; i < f->n; i++) {
        json_open(&w, '{');
        json_put_text(&w, "what", f->items[i].what);
        json_put_text(&w, "verdict", verdict_names[f->items[i].verdict]);
        json_put_text(&w, "found", f->items[i].found);
        json_put_text(&w, "todo", f->items[i].todo);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static void show(const common *c, const findings *f)
{
    static const char *const colours[] = {"\x1b[32m", "\x1b[33m", "\x1b[31m"};
    bool colour = cli_colour(c, stdout);
    text out = {0};
    for (size_t i = 0; i < f->n; i++) {
        const finding *one = &f->items[i];
        text_printf(&out, "%s%-7s%s  %-15s  ", colour ? colours[one->verdict] : "",
                    verdict_names[one->verdict], colour ? "\x1b[0m" : "", one->what);
        text_safe(&out, one->found, 1000);
        text_char(&out, '\n');
        for (const char *line = one->todo; line && *line;) {
            size_t n = strcspn(line, "\n");
            char *part = mem_text_n(line, n);
            text_printf(&out, "%26s", "");
            text_safe(&out, part, 1000);
            text_char(&out, '\n');
            mem_free(part);
            line += n + (line[n] == '\n');
        }
    }
    cli_print(&out);
    text_free(&out);
}

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    (void)options;
    if (argc) return cli_usage(self, c, "unexpected \"%s\"", argv[0]);
    findings f = {0};
    errors e = {0};
    check_program(&f);
    registry *r = cmd_plugin_registry(c, &e);
    if (r)
        check_plugins(&f, r);
    else
        add_errors(&f, "plugins", MISSING, CVY_ERR_PLUGIN, &e);
    registry_free(r);
    check_architectures(&f);
    check_gnuplot(&f);
    check_machine(&f);
    check_libraries(&f);
    check_svm(&f);
    check_fetch(&f);
    check_results(&f, c->results);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < f.n; i++)
        if (!status && f.items[i].verdict == MISSING) status = f.items[i].status;
    if (c->json)
        show_json(&f, status);
    else
        show(c, &f);
    for (size_t i = 0; i < f.n; i++) {
        mem_free(f.items[i].found);
        mem_free(f.items[i].todo);
    }
    mem_free(f.items);
    return (int)status;
}

const command cmd_doctor = {
    .name = "doctor",
    .summary = "Check an installation, and say what to do about what is missing",
    .usage = "convoy doctor [--results DIR] [--json]",
    .examples = "convoy doctor\n"
                "convoy doctor --results /data/results --json",
    .run = run,
};
