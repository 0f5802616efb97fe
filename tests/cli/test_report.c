/* Tests `convoy report` on run folders made up for it: that the page is well formed and closed in itself whatever runs are called,
 * and says what it has to. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../report/runs.h"
#include "report/html.h"

static char results[64];
static arena a;

static int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-report-XXXXXX");
    return mkdtemp(results) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&a);
    return file_remove_tree(results, NULL) != CVY_OK;
}

static int code; /* of the last command */

/* What the command printed on both outputs; `before`: variables. In the arena. */
static char *convoy(const char *before, const char *arguments)
{
    char *line = mem_printf("cd '%s' && NO_COLOR=1 %s '%s/convoy' --results . %s 2>&1", results, before,
                            BINARY_DIR, arguments);
    text out = {0};
    char chunk[4096];
    size_t n;
    FILE *f = popen(line, "r");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f))) text_add_n(&out, chunk, n);
    int status = pclose(f);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    char *s = arena_text(&a, text_str(&out));
    text_free(&out);
    mem_free(line);
    return s;
}

static char *page_at(const char *name)
{
    char *path = path_join(results, name), *whole = NULL;
    size_t n = 0;
    assert_int_equal(file_read(path, (size_t)8 << 20, &whole, &n, NULL), CVY_OK);
    assert_int_equal(strlen(whole), n);
    char *s = arena_text(&a, whole);
    mem_free(whole);
    mem_free(path);
    return s;
}

/* ---- a strict reader of what the page may be ---- */

static bool among(const char *list, const char *word)
{
    char *spaced = mem_printf(" %s ", word);
    const bool found = strstr(list, spaced) != NULL;
    mem_free(spaced);
    return found;
}

static const char *name_at(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '-' || s[n] == ':') n++;
    return arena_text_n(&a, s, n);
}

/* One start tag from behind its '<' to behind its '>'; its ids and links are noted. */
static const char *check_tag(const char *s, const char *element, bool *closed, text *ids, text *links)
{
    static const char attributes[] =
        " src alt lang charset content name http-equiv class id href title scope open role aria-label data-v "
        "viewBox "
        "x y x1 "
        "y1 x2 y2 cx cy r rx ry d points width height transform fill fill-opacity stroke stroke-width "
        "stroke-dasharray stroke-opacity stroke-linecap stroke-linejoin color font-size font-weight "
        "font-style "
        "text-anchor clip-path filter shape-rendering flood-color flood-opacity result in in2 operator "
        "filterUnits "
        "preserveAspectRatio offset stop-color opacity fill-rule stop-opacity gradientUnits "
        "dominant-baseline "
        "baseline-shift ";
    s += strlen(element);
    while (*s == ' ') {
        const char *attribute = name_at(++s);
        if (!among(attributes, attribute)) fail_msg("<%s ... %.80s", element, s);
        s += strlen(attribute);
        if (*s != '=') continue;
        assert_int_equal(s[1], '"');
        const size_t n = strcspn(s + 2, "\"<>'");
        if (s[2 + n] != '"') fail_msg("<%s ... %.80s", element, s);
        if (!strcmp(attribute, "id")) text_printf(ids, " %.*s ", (int)n, s + 2);
        if (!strcmp(attribute, "href")) {
            assert_int_equal(s[2], '#');
            text_printf(links, "%.*s\n", (int)n - 1, s + 3);
        }
        if (!strcmp(attribute, "src")) assert_true(text_starts(s + 2, "data:image/png;base64,"));
        s += n + 3;
    }
    *closed = *s == '/';
    s += *closed;
    if (*s != '>') fail_msg("<%s ... %.80s", element, s);
    return s + 1;
}

static void check_links(const char *ids, text *links)
{
    char *save = NULL;
    for (char *p = strtok_r(links->s, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
        if (!among(ids, p)) fail_msg("a link to #%s, which is nowhere", p);
    char *all = arena_text(&a, ids), *saved = NULL;
    for (char *p = strtok_r(all, " ", &saved); p; p = strtok_r(NULL, " ", &saved)) {
        char *spaced = mem_printf(" %s ", p);
        const char *first = strstr(ids, spaced);
        if (strstr(first + 1, spaced)) fail_msg("two elements with the id %s", p);
        mem_free(spaced);
    }
}

static void check_page(const char *page)
{
    static const char elements[] =
        " html head img meta title style body header h1 h2 h3 p nav a main section dl dt dd div b span "
        "strong "
        "small code "
        "pre table thead tbody tr th td details summary figure figcaption ul li br footer script svg g path "
        "line "
        "circle rect polyline polygon text tspan use defs filter feFlood feComposite image ellipse clipPath "
        "linearGradient stop pattern ";
    static const char empty[] = " meta br img ";
    const char *open[64], *s = page, *script = NULL;
    size_t depth = 0, scripts = 0;
    text ids = {0}, links = {0};
    assert_true(text_starts(s, "<!DOCTYPE html>\n<html lang=\"en\">"));
    s += strlen("<!DOCTYPE html>\n");
    while (*s) {
        s += strcspn(s, "<>");
        if (!*s) break;
        if (*s == '>') fail_msg("a > outside of tags: %.80s", s);
        s++;
        if (*s == '/') {
            const char *element = name_at(s + 1);
            assert_true(depth > 0);
            if (strcmp(open[--depth], element) != 0)
                fail_msg("</%s> closes <%s>: %.80s", element, open[depth], s);
            s += 1 + strlen(element);
            assert_int_equal(*s++, '>');
            continue;
        }
        const char *element = name_at(s);
        bool closed;
        if (!among(elements, element)) fail_msg("<%s>: %.80s", element, s);
        s = check_tag(s, element, &closed, &ids, &links);
        if (!closed && !among(empty, element)) open[depth++] = element;
        assert_true(depth < 64);
        const bool is_script = !strcmp(element, "script");
        if (is_script || !strcmp(element, "style")) { /* ours, and not to be read as markup */
            const char *end = strstr(s, is_script ? "</script>" : "</style>");
            assert_non_null(end);
            if (is_script) script = arena_text_n(&a, s, (size_t)(end - s));
            scripts += is_script;
            s = end;
        }
    }
    assert_int_equal(depth, 0);
    assert_int_equal(scripts, 1);
    check_links(text_str(&ids), &links);
    text_free(&ids);
    text_free(&links);
    /* Nothing but this script may run, and nothing be fetched. */
    text hash = {0}, policy = {0};
    html_script_hash(script, &hash);
    html_escape(&policy, text_str(&hash), hash.n);
    assert_non_null(strstr(page, text_str(&policy)));
    assert_non_null(strstr(page, "default-src &#39;none&#39;"));
    assert_null(strstr(page, "@import"));
    text_free(&hash);
    text_free(&policy);
    for (const char *p = page; *p; p++) assert_true((unsigned char)*p >= 0x20 || *p == '\n' || *p == '\t');
}

/* ---- the tests ---- */

static const char *const hostile[] = {"<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>",
                                      "--> ]]> </style></script><svg onload=alert(3)>",
                                      "\x1b[31mred\x1b[0m \xe2\x80\xaegnp.exe' onclick='alert(4)",
                                      "%s%n `alert(5)` ${x} \\u003cscript\\u003e &lt;"};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static void fails(const made_run *r, const char *why)
{
    char *dir = made_describe(results, r);
    journal *events = made_events(dir), *j;
    record_start(events, 1, 123, NULL);
    j = made_journal(dir, 1, 0);
    made_epochs(j, 1, 1, 0.1, 1, 0);
    record_event(j, "warning", why, NULL);
    record_end(j, "failed", 351, why, NULL);
    record_exit(events, 1, 1, 0, 12.5, NULL);
    record_tag(events, why, NULL);
    journal_close(j);
    journal_close(events);
    mem_free(dir);
}

/* Names, labels, parameters, models and causes of failures as nobody would want them. */
static void hostile_names(void **state)
{
    (void)state;
    made_sweep(results, "s1", 3 * HOSTILE);
    for (int i = 0; i < 3 * HOSTILE; i++) {
        const int which = i / 3;
        char name[16];
        json_writer value = {0};
        text params = {0};
        snprintf(name, sizeof name, "r%d", 1 + i);
        json_text(&value, hostile[which]);
        text_printf(&params,
                    ",\"train.optimizer.type\":%s,\"train.optimizer.lr\":\"0.0%d\",\"x.<b>\\\"'\":\"%d\"",
                    text_str(&value.out), which + 1, which % 2);
        const made_run r = {.name = name,
                            .experiment = hostile[0],
                            .sweep = "s1",
                            .label = hostile[which],
                            .model = hostile[(which + 1) % HOSTILE],
                            .trial = which,
                            .repeat = i % 3,
                            .seed = i % 3,
                            .params = text_str(&params)};
        if (i % 3 == 2)
            fails(&r, hostile[which]);
        else
            made_whole(results, &r, 4, 0.1 + 0.05 * which + 0.01 * (i % 3));
        text_free(&params);
        text_free(&value.out);
    }
    char *said = convoy("", "report s1");
    if (code) fail_msg("%s", said);
    if (!text_ends(said, "s1/report.html\n")) fail_msg("%s", said);
    const char *page = page_at("s1/report.html");
    check_page(page);
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(page, "[U+202E]gnp.exe"));
    assert_non_null(strstr(page, "10 of 15"));
    assert_non_null(strstr(page, "class=\"cause bad\""));
}

static void make_sweep(void)
{
    made_sweep(results, "s1", 12);
    for (int i = 0; i < 12; i++) {
        char name[16], params[200];
        snprintf(name, sizeof name, "r%d", 1 + i);
        snprintf(params, sizeof params, ",\"train.optimizer.type\":\"%s\",\"train.batch_size\":\"64\"",
                 i / 6 ? "adam" : "sgd");
        const made_run r = {.name = name,
                            .experiment = "optimizers",
                            .sweep = "s1",
                            .trial = i / 6,
                            .repeat = i % 6,
                            .seed = i % 6,
                            .params = params};
        made_whole(results, &r, 6, 0.1 + 0.1 * (i / 6) + 0.001 * (i % 6));
    }
}

static void has(const char *page, const char *what)
{
    if (!strstr(page, what)) fail_msg("no \"%s\" in the page", what);
}

static void a_sweep(void **state)
{
    (void)state;
    make_sweep();
    char *said = convoy("", "report s1 -o s.html");
    if (code) fail_msg("%s", said);
    assert_true(text_ends(said, "s.html\n"));
    const char *page = page_at("s.html");
    check_page(page);
    has(page, "<h1>optimizers</h1>");
    has(page, "12 runs, 2 configurations, 6 seeds");
    has(page, "12 of 12");
    has(page, "<strong>adam</strong> is ahead by ");
    has(page, "more than chance"); /* 6 seeds of 6: p = 2/64 */
    has(page, "45,000 to train");
    has(page, "optimizer.type");            /* what differs */
    has(page, "<dt>train.batch_size</dt>"); /* what does not */
    has(page, "None: every run finished");
    has(page, "convoy sweep experiments/x.yaml");
    has(page, "convoy resume s1");
    has(page, "<code>c0ffee</code>"); /* configuration hash */
    has(page, "<code>ab</code>");     /* of the plugin */
    has(page, "r1\xE2\x80\x93r6");
    assert_null(strstr(page, "Inside the network"));
    /* Pictures of the best configuration's insides, where there are some. */
    char *folder = path_join(results, "r8");
    made_file(folder, "inspect-filters-<b>.png", "\x89PNG\r\n\x1a\n<script>");
    made_file(folder, "inspect-none.png", "<script>");
    mem_free(folder);
    said = convoy("", "report s1 -o s.html");
    if (code) fail_msg("%s", said);
    page = page_at("s.html");
    check_page(page);
    has(page, "<h3>filters &lt;b&gt;</h3>\n<img src=\"data:image/png;base64,iVBORw0KGgo8c2NyaXB0Pg==\" alt=");
    has(page, "Of r8, made by convoy inspect");
    assert_null(strstr(page, "<h3>none"));
    /* Again, over the old one; and as little without the program that draws. */
    said = convoy("PATH=/nowhere", "report s1 -o s.html");
    assert_int_equal(code, 0);
    if (!strstr(said, "need gnuplot")) fail_msg("%s", said);
    page = page_at("s.html");
    check_page(page);
    assert_null(strstr(page, "<figure class=\"wide\""));
    has(page, "Not drawn: ");
}

static void single_runs(void **state)
{
    (void)state;
    make_sweep();
    char *said = convoy("", "report r1");
    if (code) fail_msg("%s", said);
    const char *page = page_at("r1/report.html");
    check_page(page);
    has(page, "convoy run experiments/x.yaml --set train.epochs=2");
    said = convoy("", "report r1 r7 r2");
    if (code) fail_msg("%s", said);
    page = page_at("report.html");
    check_page(page);
    has(page, "r1 r7 r2");
    /* Planned, and nothing there yet. */
    const made_run planned = {.name = "r13", .experiment = "later", .seed = 1};
    mem_free(made_describe(results, &planned));
    said = convoy("", "report r13 -o later.html");
    if (code) fail_msg("%s", said);
    page = page_at("later.html");
    check_page(page);
    has(page, "no result yet");
    has(page, "it was not begun");
    said = convoy("", "report r99");
    assert_int_equal(code, 2);
    said = convoy("", "report");
    assert_int_equal(code, 2);
    said = convoy("", "report r1 -o /nowhere/at/all.html");
    assert_int_equal(code, 2);
    assert_non_null(strstr(said, "/nowhere/at"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sweep, setup, teardown),
        cmocka_unit_test_setup_teardown(single_runs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
