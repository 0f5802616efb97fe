/* `convoy plugin check`: starts the checks of a plugin in children, follows them, and tells what they found. Loads no
 * plugin itself. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "check/suite.h"
#include "cli/cmd_plugin.h"
#include "cli/plugin_build.h"
#include "cli/table.h"
#include "plugin/note.h"
#include "sweep/process.h"

#define HANGS_MAX 3

typedef struct follow {
    const common *c;
    const plugin_args *args;
    const char *program, *file;
    const char *shown; /* what the user calls it: the file, or the source that it was built from */
    const plugin_build *build;
    char *subject; /* "layer:relu" */
    const suite_check *checks;
    size_t n;
    verdict *verdicts;
    /* of the child at present */
    process child;
    int pipe, messages; /* its lines; the file that takes its stderr and stdout */
    text line;
    bool running; /* between a begin and its end */
    size_t at;    /* the check it is at */
    char *where;  /* the case it is at; NULL: none yet */
    double since;
} follow;

/* ---- one child ---- */

static cvy_status start(follow *f, size_t from, errors *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot make a pipe: %s", strerror(errno));
    const char *argv[32] = {f->program, "checker", f->file, f->subject};
    size_t n = 4;
    char number[24];
    text t = {0};
    text_printf(&t, "%zu", from);
    memcpy(number, text_str(&t), t.n + 1);
    text_free(&t);
    argv[n++] = "--from";
    argv[n++] = number;
    if (f->args->config) argv[n++] = "--config", argv[n++] = f->args->config;
    if (f->args->shape) argv[n++] = "--shape", argv[n++] = f->args->shape;
    for (size_t i = 0; i < f->c->plugin.n && n + 3 < sizeof argv / sizeof *argv; i++)
        argv[n++] = "--plugin", argv[n++] = f->c->plugin.items[i];
    process_options o = {.argv = argv,
                         .input = -1,
                         .output = f->messages,
                         .messages = f->messages,
                         .pass = ends[1],
                         .threads = 2};
    plugin_build_environment(f->build, true);
    cvy_status status = process_start(&o, &f->child, e);
    plugin_build_environment(f->build, false);
    close(ends[1]);
    f->pipe = ends[0];
    f->running = false;
    f->at = from;
    f->since = process_now();
    mem_free(f->where);
    f->where = NULL;
    if (status) close(f->pipe);
    return status;
}

static void take_line(follow *f, const char *s, size_t length)
{
    arena a = {0};
    const char *why;
    size_t offset;
    const json *j = json_parse(&a, s, length, &why, &offset);
    int64_t begin = j ? json_get_int(j, "begin", -1) : -1, end = j ? json_get_int(j, "end", -1) : -1;
    const char *where = j ? json_get_text(j, "case", NULL) : NULL;
    if (where || begin >= 0) {
        mem_free(f->where);
        f->where = mem_text(where);
    }
    if (begin >= 0 && (size_t)begin < f->n) {
        f->running = true;
        f->at = (size_t)begin;
        f->since = process_now();
    } else if (end >= 0 && (size_t)end < f->n) {
        f->running = false;
        verdict_free(&f->verdicts[end]);
        verdict_read(&f->verdicts[end], j);
    }
    arena_free(&a);
}

/* Reads lines until the child closes its end or a check takes too long; false for the latter. */
static bool listen(follow *f)
{
    for (;;) {
        double left = f->since + (double)f->args->timeout - process_now();
        if (left <= 0) return false;
        struct pollfd fd = {f->pipe, POLLIN, 0};
        if (poll(&fd, 1, (int)(left * 1000) + 1) <= 0) continue;
        char chunk[4096];
        ssize_t got = read(f->pipe, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return true;
        text_add_n(&f->line, chunk, (size_t)got);
        for (char *end; f->line.n && (end = memchr(f->line.s, '\n', f->line.n));) {
            size_t length = (size_t)(end - f->line.s);
            take_line(f, f->line.s, length);
            memmove(f->line.s, end + 1, f->line.n - length);
            f->line.n -= length + 1;
        }
    }
}

/* ---- how it ended ---- */

/* A sanitizer's frame in the plugin's own source, "forward plugins/maxout.c:12:5", of the lines from `at` on. */
static void own_frame(const char *at, text *t)
{
    for (const char *frame = strstr(at, "\n    #"); frame; frame = strstr(frame + 1, "\n    #")) {
        size_t n = strcspn(frame + 1, "\n");
        const char *in = memmem(frame + 1, n, " in ", 4);
        bool source = memmem(frame + 1, n, ".c:", 3) || memmem(frame + 1, n, ".cc:", 4) ||
                      memmem(frame + 1, n, ".cpp:", 5) || memmem(frame + 1, n, ".cxx:", 5);
        if (!in || !source) continue;
        text_add(t, " in ");
        text_add_n(t, in + 4, (size_t)(frame + 1 + n - in - 4));
        return;
    }
}

/* "heap-buffer-overflow, READ of size 4 in forward maxout.c:12:5", without addresses, which change from run to run. */
static char *address_words(const char *s)
{
    const char *head = "ERROR: AddressSanitizer: ", *at = strstr(s, head);
    if (!at) return NULL;
    text t = {0};
    size_t n = strcspn(at + strlen(head), "\n");
    const char *noise = memmem(at + strlen(head), n, " on ", 4);
    text_add_n(&t, at + strlen(head), noise ? (size_t)(noise - at) - strlen(head) : n);
    const char *next = strchr(at, '\n');
    if (next && (text_starts(next + 1, "READ of ") || text_starts(next + 1, "WRITE of "))) {
        text_add(&t, ", ");
        const char *end = strstr(next, " at 0x");
        text_add_n(&t, next + 1, end ? (size_t)(end - next) - 1 : strcspn(next + 1, "\n"));
    }
    own_frame(at, &t);
    return text_take(&t);
}

/* "maxout.c:12:5: runtime error: shift exponent 40 is too large" */
static char *undefined_words(const char *s)
{
    const char *at = strstr(s, "runtime error: "), *line = at;
    if (!at) return NULL;
    while (line > s && line[-1] != '\n') line--;
    return mem_text_n(line, strcspn(line, "\n"));
}

static char *said_since(int fd, off_t from)
{
    off_t end = lseek(fd, 0, SEEK_END);
    if (end - from > 1 << 20) end = from + (1 << 20);
    size_t n = end > from ? (size_t)(end - from) : 0;
    char *s = mem_alloc(n + 1);
    ssize_t got = pread(fd, s, n, from);
    s[got > 0 ? got : 0] = 0;
    return s;
}

static void crashed(follow *f, bool hung, off_t from)
{
    verdict *v = &f->verdicts[f->at];
    verdict_free(v);
    v->where = mem_text(f->where);
    if (hung) {
        verdict_fail(v, "did not end within %lld seconds", (long long)f->args->timeout);
        v->status = VERDICT_TIMEOUT;
    } else {
        text how = {0};
        char *said = said_since(f->messages, from), *sanitizer = undefined_words(said);
        if (!sanitizer) sanitizer = address_words(said);
        char *words = sanitizer ? NULL : process_last_words(f->messages, from);
        process_describe(&f->child, &how);
        if (sanitizer)
            verdict_fail(v, "%s", sanitizer);
        else
            verdict_fail(v, "ended with %s%s%s", text_str(&how), words ? ": " : "", words ? words : "");
        v->status = VERDICT_CRASHED;
        mem_free(said);
        mem_free(sanitizer);
        mem_free(words);
        text_free(&how);
    }
    v->seconds = process_now() - f->since;
}

/* Runs all checks of f's plugin, in as many children as it takes. */
static cvy_status follow_all(follow *f, errors *e)
{
    int hangs = 0;
    for (size_t from = 0; from < f->n;) {
        off_t said = lseek(f->messages, 0, SEEK_END);
        cvy_status status = start(f, from, e);
        if (status) return status;
        bool hung = !listen(f);
        if (hung) process_signal(&f->child, SIGKILL);
        process_stop(&f->child, hung ? 0 : 5);
        close(f->pipe);
        f->line.n = 0;
        bool bad = hung || f->running || f->child.signal || f->child.code;
        if (bad) {
            crashed(f, hung, said);
            hangs += hung;
        }
        process_free(&f->child);
        /* Without its end the child stopped where something needed did not pass, or was through. */
        if (!bad || f->checks[f->at].needed || hangs == HANGS_MAX) break;
        from = f->at + 1;
    }
    return CVY_OK;
}

/* ---- telling ---- */

static bool is_failure(const verdict *v)
{
    return v->status == VERDICT_FAILED || v->status == VERDICT_CRASHED || v->status == VERDICT_TIMEOUT;
}

static bool passed(const follow *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (is_failure(&f->verdicts[i])) return false;
    return true;
}

static void tell_json(const follow *f, json_writer *w)
{
    const char *colon = strchr(f->subject, ':');
    char *kind = mem_text_n(f->subject, (size_t)(colon - f->subject));
    json_open(w, '{');
    json_put_text(w, "kind", kind);
    json_put_text(w, "name", colon + 1);
    json_put_bool(w, "passed", passed(f));
    json_key(w, "checks");
    json_open(w, '[');
    for (size_t i = 0; i < f->n; i++) {
        json_open(w, '{');
        json_put_text(w, "name", f->checks[i].name);
        json_put_text(w, "about", f->checks[i].about);
        verdict_write(&f->verdicts[i], w);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
    mem_free(kind);
}

/* The check before i whose only finding is the same; i when there is none: a crash is told once. */
static size_t same_before(const follow *f, size_t i)
{
    const verdict *v = &f->verdicts[i];
    for (size_t k = 0; k < i; k++)
        if (v->total == 1 && f->verdicts[k].total == 1 && f->verdicts[k].status == v->status &&
            !strcmp(f->verdicts[k].items[0].what, v->items[0].what))
            return k;
    return i;
}

/* The checks behind i that found the same. */
static void tell_same(const follow *f, size_t i, text *out)
{
    size_t same = 0;
    for (size_t k = i + 1; k < f->n; k++)
        if (is_failure(&f->verdicts[k]) && same_before(f, k) == i)
            text_printf(out, "%s%s", same++ ? ", " : "    the same in ", f->checks[k].name);
    if (same) text_char(out, '\n');
}

static void tell_failures(const follow *f, size_t i, text *out)
{
    const verdict *v = &f->verdicts[i];
    for (size_t k = 0; k < v->n; k++) {
        text line = {0};
        verdict_failure_text(&v->items[k], &line);
        text_add(out, "    ");
        text_safe(out, text_str(&line), 1000);
        text_char(out, '\n');
        text_free(&line);
    }
    if (v->total > v->n) text_printf(out, "    and %zu more\n", v->total - v->n);
    tell_same(f, i, out);
}

static void tell_table(const follow *f)
{
    static const char *const words[] = {"ok", "FAILED", "-", "CRASHED", "TOO LONG", "not run"};
    bool colour = cli_colour(f->c, stdout);
    size_t failed = 0, unrun = 0, tried = 0;
    table t = {0};
    text out = {0};
    table_column(&t, "CHECK", TABLE_LEFT);
    table_column(&t, "RESULT", TABLE_LEFT);
    table_column(&t, "WHAT", TABLE_LEFT);
    for (size_t i = 0; i < f->n; i++) {
        const verdict *v = &f->verdicts[i];
        failed += is_failure(v);
        unrun += v->status == VERDICT_NOT_RUN;
        tried += v->status != VERDICT_NOT_RUN && v->status != VERDICT_SKIPPED;
        if (v->status == VERDICT_SKIPPED && !f->checks[i].needed && !f->c->verbose) continue;
        table_cell(&t, f->checks[i].name);
        table_cell(&t, words[v->status]);
        size_t before = is_failure(v) ? same_before(f, i) : i;
        if (before < i)
            table_cellf(&t, "as in %s", f->checks[before].name);
        else
            table_cellf(&t, "%s%s%s", f->checks[i].about, v->note ? ": " : "", v->note ? v->note : "");
    }
    if (failed || !f->c->quiet) text_printf(&out, "%s of %s\n", f->subject, f->shown);
    if (!f->c->quiet) table_write(&t, colour, &out);
    for (size_t i = 0; i < f->n; i++) {
        const verdict *v = &f->verdicts[i];
        if (!is_failure(v) || same_before(f, i) < i) continue;
        text_printf(&out, "\n%s: %s\n", f->checks[i].name, f->checks[i].about);
        tell_failures(f, i, &out);
    }
    if (failed) text_printf(&out, "\n%zu of %zu checks failed", failed, tried);
    if (failed && unrun) text_printf(&out, "; %zu more were not reached", unrun);
    if (failed) text_char(&out, '\n');
    cli_print(&out);
    cli_flush();
    text_free(&out);
    table_free(&t);
}

/* ---- the command ---- */

/* A file without a name, for what children say. */
static int messages_file(errors *e)
{
    const char *tmp = getenv("TMPDIR");
    char *name = mem_printf("%s/convoy-check-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    int fd = mkostemp(name, O_CLOEXEC | O_APPEND);
    if (fd >= 0)
        unlink(name);
    else
        errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "%s: cannot be made: %s", name, strerror(errno));
    mem_free(name);
    return fd;
}

static bool wanted(const cvy_note *n, const char *name)
{
    if (!name) return true;
    const char *colon = strchr(name, ':');
    if (!colon) return !strcmp(n->name, name);
    size_t length = (size_t)(colon - name);
    const char *kind = plugin_kind_name(n->kind);
    return strlen(kind) == length && !memcmp(kind, name, length) && !strcmp(n->name, colon + 1);
}

/* One plugin of the file; whether it passed. */
static bool check_one(follow *f, const cvy_note *n, json_writer *w, errors *e)
{
    f->checks = suite_of(n->kind, &f->n);
    if (!f->checks) return true;
    f->subject = mem_printf("%s:%s", plugin_kind_name(n->kind), n->name);
    f->verdicts = mem_array(f->n, sizeof *f->verdicts);
    for (size_t i = 0; i < f->n; i++) f->verdicts[i].status = VERDICT_NOT_RUN;
    bool ok = follow_all(f, e) == CVY_OK && passed(f);
    if (f->c->json)
        tell_json(f, w);
    else
        tell_table(f);
    for (size_t i = 0; i < f->n; i++) verdict_free(&f->verdicts[i]);
    mem_free(f->verdicts);
    mem_free(f->subject);
    return ok;
}

static bool check_file(follow *f, const char *name, const note_list *notes, json_writer *w, errors *e)
{
    bool ok = true, any = false;
    json_open(w, '{');
    json_put_text(w, "file", f->shown);
    json_put_bool(w, "sanitized", f->build->sanitized);
    json_key(w, "plugins");
    json_open(w, '[');
    for (size_t i = 0; i < notes->n && errors_count(e) == 0; i++) {
        if (!wanted(&notes->items[i], name)) continue;
        if (any && !f->c->json) cli_say(f->c, "%s", "");
        any = true;
        ok = check_one(f, &notes->items[i], w, e) && ok;
    }
    json_close(w, ']');
    json_put_bool(w, "passed", ok);
    json_close(w, '}');
    place at = PLACE_FILE(f->shown);
    if (!any) errors_add(e, CVY_ERR_CONFIG, &at, NULL, "no plugin called \"%s\" is in it", name);
    return ok;
}

/* What was perhaps meant by a name without its ending; NULL when there is no such file. */
static char *file_beside(const char *name)
{
    static const char *const endings[] = {".c", ".cpp", ".cc", ".cxx", ".so"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *path = mem_printf("%s%s", name, endings[i]);
        if (file_exists(path)) return path;
        mem_free(path);
    }
    return NULL;
}

static void no_such_file(const char *name, errors *e)
{
    char *meant = file_beside(name), *hint = meant ? mem_printf("did you mean `%s`?", meant) : NULL;
    errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(name),
               hint ? hint : "a plugin's source (.c, .cpp, .cc, .cxx) or its shared object (.so) is checked",
               "there is no such file");
    mem_free(meant);
    mem_free(hint);
}

int cmd_plugin_check(const command *self, const common *c, const plugin_args *args, int argc, char **argv)
{
    /* A source is built here, twin and all; with --sanitize it is named there, and the file may be left out. */
    bool named =
        argc > 0 && (!args->sanitize || text_ends(argv[0], ".so") || plugin_build_is_source(argv[0]));
    int operands = argc - named;
    if (!named && !args->sanitize) return cli_usage(self, c, "which file? convoy plugin check maxout.c");
    const char *source = args->sanitize                             ? args->sanitize
                         : named && plugin_build_is_source(argv[0]) ? argv[0]
                                                                    : NULL;
    if (operands > 1) return cli_usage(self, c, "unexpected \"%s\"", argv[named + 1]);
    if (args->in || args->out || args->kernels || args->train || args->eval)
        return cli_usage(self, c, "--in, --out, --kernels, --train and --eval belong to `plugin eval`");
    if (args->sanitize && !plugin_build_is_source(args->sanitize)) {
        size_t n = strlen(args->sanitize);
        bool built = text_ends(args->sanitize, ".so");
        return cli_usage(self, c, "--sanitize needs the source%s%.*s%s",
                         built ? ", " : ": a file .c, .cpp, .cc or .cxx", built ? (int)n - 3 : 0,
                         args->sanitize, built ? ".c" : "");
    }
    const char *name = operands ? argv[named] : NULL;
    errors e = {0};
    plugin_build build = {0};
    note_list notes = {0};
    json_writer w = {0};
    char *program = path_executable();
    bool ok = false;
    follow f = {.c = c, .args = args, .program = program, .build = &build, .messages = -1};
    if (!source && !file_exists(argv[0]))
        no_such_file(argv[0], &e);
    else if (source)
        plugin_build_make(&build, source, args->sanitize != NULL, &e);
    f.file = build.file ? build.file : argv[0];
    f.shown = source ? source : argv[0];
    if (!errors_count(&e)) note_read(f.file, &notes, &e);
    if (!errors_count(&e)) f.messages = messages_file(&e);
    if (!errors_count(&e)) {
        ok = check_file(&f, name, &notes, &w, &e);
        if (c->json && !errors_count(&e)) cli_print_json(&w);
    }
    text_free(&w.out);
    text_free(&f.line);
    mem_free(f.where);
    if (f.messages >= 0) close(f.messages);
    mem_free(notes.items);
    mem_free(program);
    plugin_build_free(&build);
    int code = cli_fail(c, &e);
    return code ? code : ok ? CVY_OK : CVY_ERR_PLUGIN;
}
