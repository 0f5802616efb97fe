/* Owns the compiling of a plugin for its checks, with or without sanitizers; must not know what is checked with it. */
#include "cli/plugin_build.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "check/specimen.h"
#include "cli/places.h"
#include "sweep/process.h"

#define COMPILE_SECONDS 120

/* CC and CXX may hold options, as "ccache gcc" does. */
typedef struct compiler {
    bool cxx;
    char *words, *program;
    const char *argv[40];
    size_t n;
} compiler;

static bool is_cxx(const char *file)
{
    return text_ends(file, ".cpp") || text_ends(file, ".cc") || text_ends(file, ".cxx");
}

bool plugin_build_is_source(const char *file)
{
    return text_ends(file, ".c") || is_cxx(file);
}

static cvy_status compiler_find(compiler *c, bool cxx, errors *e)
{
    const char *named = getenv(cxx ? "CXX" : "CC");
    *c = (compiler){.cxx = cxx, .words = mem_text(named && *named ? named : cxx ? "c++" : "cc")};
    for (char *save = NULL, *w = strtok_r(c->words, " ", &save); w && c->n < 8;
         w = strtok_r(NULL, " ", &save))
        c->argv[c->n++] = w;
    c->program = c->n ? places_program(c->argv[0]) : NULL;
    if (!c->program)
        return errors_add(e, CVY_ERR_CONFIG, NULL,
                          cxx ? "install a C++ compiler (apt-get install g++), or name one in CXX"
                              : "install a C compiler (apt-get install gcc), or name one in CC",
                          "no %s compiler: \"%s\" is not found", cxx ? "C++" : "C", c->words);
    c->argv[0] = c->program;
    return CVY_OK;
}

static void compiler_free(compiler *c)
{
    mem_free(c->words);
    mem_free(c->program);
}

/* Runs the compiler with these arguments behind its own; its output goes to `out`, -1: nowhere, and what it says of
 * mistakes to `said`. */
static cvy_status compile(const compiler *base, const char *const *args, int out, int said, errors *e)
{
    compiler c = *base;
    process p;
    while (*args && c.n + 1 < sizeof c.argv / sizeof *c.argv) c.argv[c.n++] = *args++;
    c.argv[c.n] = NULL;
    process_options o = {.argv = c.argv, .input = -1, .output = out, .messages = said, .pass = -1};
    cvy_status status = process_start(&o, &p, e);
    if (status) return status;
    bool ended = process_wait(&p, COMPILE_SECONDS);
    if (!ended) process_stop(&p, 1);
    if (!ended || p.code || p.signal)
        status = errors_add(e, CVY_ERR_PLUGIN, NULL, NULL, "%s %s", base->program,
                            ended ? "could not compile it" : "did not end");
    process_free(&p);
    return status;
}

/* The first line that the compiler answers to an argument; NULL when there is none. */
static char *answer_of(const compiler *c, const char *folder, const char *argument, errors *e)
{
    char *path = path_join(folder, "answer"), *said = NULL;
    const char *args[] = {argument, NULL};
    size_t n = 0;
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    cvy_status status = fd < 0 ? CVY_ERR_RESOURCE : compile(c, args, fd, STDERR_FILENO, e);
    if (fd >= 0) close(fd);
    if (!status) status = file_read(path, 65536, &said, &n, e);
    if (!status) said[strcspn(said, "\n")] = 0;
    mem_free(path);
    return said;
}

/* -print-file-name answers with the bare name for a library that the compiler does not have. */
static char *library_of(const compiler *c, const char *folder, const char *name, errors *e)
{
    char *argument = mem_printf("-print-file-name=%s", name), *said = answer_of(c, folder, argument, e);
    mem_free(argument);
    if (said && strchr(said, '/') && file_exists(said)) return said;
    mem_free(said);
    return NULL;
}

static cvy_status find_runtime(plugin_build *p, const compiler *c, bool *clang, errors *e)
{
    static const char *const gnu[] = {"libasan.so", NULL};
    static const char *const llvm[] = {"libclang_rt.asan.so", "libclang_rt.asan-x86_64.so",
                                       "libclang_rt.asan-aarch64.so", NULL};
    char *version = answer_of(c, p->folder, "--version", e);
    *clang = version && strstr(version, "clang"); /* it would take gcc's runtime for its own */
    mem_free(version);
    for (const char *const *name = *clang ? llvm : gnu; *name && !p->preload; name++)
        p->preload = library_of(c, p->folder, *name, e);
    if (p->preload || errors_count(e)) return errors_status(e);
    return errors_add(e, CVY_ERR_CONFIG, NULL,
                      *clang ? "apt-get install libclang-rt-dev" : "apt-get install libasan8",
                      "%s has no AddressSanitizer runtime", c->program);
}

/* Appends the words of a NULL-terminated list. */
static void words(const char **argv, size_t *n, const char *const *more)
{
    while (*more) argv[(*n)++] = *more++;
    argv[*n] = NULL;
}

/* Names of a linker's "multiple definition of `helper'; ..." (lld: "duplicate symbol: helper"), up to three. */
static bool defined_twice(const char *said, text *names)
{
    static const char *const leads[] = {"multiple definition of `", "duplicate symbol: "};
    size_t found = 0;
    for (size_t k = 0; k < 2; k++)
        for (const char *at = said; (at = strstr(at, leads[k])) != NULL;) {
            at += strlen(leads[k]);
            if (++found > 3) continue;
            text_add(names, found > 1 ? ", " : "");
            text_add_n(names, at, strcspn(at, "';\n"));
        }
    return found > 0;
}

/* Both objects into one; a name that both have is explained, anything else is shown as the linker puts it. */
static cvy_status link_both(const plugin_build *p, const compiler *c, const char *const *argv,
                            const char *source, errors *e)
{
    char *path = path_join(p->folder, "linker"), *said = NULL;
    size_t n = 0;
    errors own = {0}, quiet = {0};
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    cvy_status status = compile(c, argv, -1, fd < 0 ? STDERR_FILENO : fd, &own);
    if (fd >= 0) close(fd);
    if (fd >= 0) file_read(path, 1 << 20, &said, &n, &quiet);
    text twice = {0};
    const place at = PLACE_FILE(source);
    if (status && said && defined_twice(said, &twice)) {
        errors_free(&own);
        errors_add(e, CVY_ERR_PLUGIN, &at,
                   c->cxx
                       ? "the source is compiled twice, for float and double, into one file: make it static, "
                         "or put it into an unnamed namespace"
                       : "the source is compiled twice, for float and double, into one file: make it static",
                   "visible outside the file: %s", text_str(&twice));
    } else {
        if (n && write(STDERR_FILENO, said, n) < 0) { /* nowhere left to say so */
        }
        errors_move(e, &own);
    }
    text_free(&twice);
    errors_free(&quiet);
    mem_free(said);
    mem_free(path);
    return status;
}

/* The source twice, for float and for the double twin in which gradients are checked, into one shared object. */
static cvy_status build(plugin_build *p, const compiler *c, const char *source, bool clang, errors *e)
{
    static const char *const as_author[] = {"-O2", NULL};
    static const char *const with_sanitizers[] = {
        "-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
        NULL};
    const char *const link_sanitizers[] = {"-fsanitize=address,undefined", clang ? "-shared-libasan" : NULL,
                                           NULL};
    char *include = places_include(e), *own = NULL, *twin = NULL;
    cvy_status status = include ? CVY_OK : errors_status(e);
    for (int k = 0; k < 2 && !status; k++) {
        char **object = k ? &twin : &own;
        *object = path_join(p->folder, k ? "twin.o" : "own.o");
        const char *argv[24];
        size_t n = 0;
        const char *const rest[] = {c->cxx ? "-std=c++17" : "-std=gnu11",
                                    "-fPIC",
                                    "-I",
                                    include,
                                    "-c",
                                    source,
                                    "-o",
                                    *object,
                                    k ? "-DCVY_DOUBLE" : NULL,
                                    "-w", /* the first time has warned */
                                    NULL};
        words(argv, &n, p->sanitized ? with_sanitizers : as_author);
        words(argv, &n, rest);
        status = compile(c, argv, -1, STDERR_FILENO, e);
    }
    if (!status) {
        p->file = path_join(p->folder, "plugin.so");
        const char *argv[16];
        size_t n = 0;
        const char *const all[] = {"-shared", "-o", p->file, own, twin, "-lm", NULL};
        words(argv, &n, all);
        if (p->sanitized) words(argv, &n, link_sanitizers);
        status = link_both(p, c, argv, source, e);
    }
    mem_free(include);
    mem_free(own);
    mem_free(twin);
    return status;
}

cvy_status plugin_build_make(plugin_build *p, const char *source, bool sanitized, errors *e)
{
    const char *tmp = getenv("TMPDIR");
    bool clang = false;
    compiler c;
    *p = (plugin_build){.folder = mem_printf("%s/convoy-check-XXXXXX", tmp && *tmp ? tmp : "/tmp"),
                        .sanitized = sanitized};
    cvy_status status = compiler_find(&c, is_cxx(source), e);
    place at = PLACE_FILE(source);
    if (!status && !file_exists(source))
        status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "there is no such file");
    if (!status && !mkdtemp(p->folder)) {
        status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "%s: cannot make a temporary folder", p->folder);
        mem_free(p->folder);
        p->folder = NULL;
    }
    if (!status && sanitized && !specimen_sanitized()) status = find_runtime(p, &c, &clang, e);
    if (!status) status = build(p, &c, source, clang, e);
    compiler_free(&c);
    return status;
}

void plugin_build_free(plugin_build *p)
{
    errors quiet = {0};
    if (p->folder && file_is_dir(p->folder)) file_remove_tree(p->folder, &quiet);
    errors_free(&quiet);
    mem_free(p->folder);
    mem_free(p->file);
    mem_free(p->preload);
    *p = (plugin_build){0};
}

void plugin_build_environment(const plugin_build *p, bool on)
{
    if (!p->sanitized) return;
    if (!on) {
        unsetenv("LD_PRELOAD");
        return;
    }
    if (p->preload) setenv("LD_PRELOAD", p->preload, 1);
    /* Convoy's own memory at exit is not the plugin's: leaks are counted by the check "memory". */
    setenv("ASAN_OPTIONS",
           "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:hard_rss_limit_mb=4096", 1);
    setenv("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:abort_on_error=1", 1);
}
