/* Owns the folder of a sweep: its description, plans and decisions. Must not know processes. */
#include "sweep/sweeps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "journal/record.h"
#include "sweep/copies.h"
#include "sweep/early.h"
#include "sweep/runs.h"
#include "sweep/search.h"

#define PLANS_MAX ((size_t)2 << 30)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)(t.tv_nsec / 1000000) * 1e-3;
}

bool sweeps_adapt(const space *s)
{
    const search_method *m = search_find(s->method);
    return (m && m->adaptive) || s->has_target || s->early.kind != EARLY_NONE;
}

void sweeps_hash(const trial *trials, size_t n, const space_metric *by, const char *asked, char hex[65])
{
    sha256 s;
    sha256_init(&s);
    sha256_text(&s, by->name);
    sha256_text(&s, by->maximize ? "maximize" : "minimize");
    if (asked) sha256_text(&s, asked);
    for (size_t i = 0; i < n; i++) sha256_add(&s, trials[i].key.b, sizeof trials[i].key.b);
    sha256_hex(&s, hex);
}

/* ---- writing
 * ----------------------------------------------------------------------------------------------------------
 */

static void put_texts(json_writer *w, const char *key, const char *const *items, size_t n)
{
    json_key(w, key);
    json_open(w, '[');
    for (size_t i = 0; i < n; i++) json_text(w, items[i]);
    json_close(w, ']');
}

static void put_parameters(json_writer *w, const space *s)
{
    json_key(w, "parameters");
    json_open(w, '{');
    for (size_t i = 0; i < s->n; i++) {
        json_key(w, s->parameters[i].path);
        json_open(w, '[');
        for (size_t k = 0; s->parameters[i].kind == SPACE_CHOICE && k < s->parameters[i].n; k++) {
            text value = {0};
            tree_write_flow(s->parameters[i].values[k], &value);
            json_text(w, text_str(&value));
            text_free(&value);
        }
        json_close(w, ']');
    }
    json_close(w, '}');
}

static void put_member(json_writer *w, const trial *t, const trial_words *words, const plan *p)
{
    json_open(w, '{');
    json_put_int(w, "trial", t->config);
    json_put_int(w, "repeat", t->repeat);
    json_put_int(w, "seed", t->seed);
    json_put_text(w, "label", words->label);
    json_put_text(w, "config_hash", p->config_hash);
    put_texts(w, "overrides", words->overrides, words->n_overrides);
    json_close(w, '}');
}

static size_t planned(const sweep *w)
{
    size_t n = 0;
    while (n < w->n && w->trials[n].state != TRIAL_OPEN) n++;
    return n;
}

static void describe(const sweep *w, const space *s, json_writer *out)
{
    json_open(out, '{');
    json_put_text(out, "sweep", w->name);
    json_put_text(out, "experiment", w->experiment);
    json_put_double(out, "created", now());
    json_put_text(out, "source", w->source);
    json_put_text(out, "method", s->method);
    json_put_text(out, "description", s->description);
    json_key(out, "metric");
    json_open(out, '{');
    json_put_text(out, "name", w->metric.name);
    json_put_text(out, "goal", w->metric.maximize ? "maximize" : "minimize");
    json_close(out, '}');
    json_put_int(out, "trials", (int64_t)w->n);
    json_put_int(out, "configs", w->configs);
    json_put_int(out, "repeats", w->repeats);
    json_put_int(out, "threads", w->threads);
    json_put_bool(out, "again", w->again);
    json_put_text(out, "hash", w->hash);
    json_put_int(out, "per", w->per);
    if (w->file) {
        char *copy = mem_printf("source/%s", path_base(w->file));
        json_put_text(out, "source_file", copy);
        mem_free(copy);
    }
    json_put_text(out, "base_dir", w->base_dir);
    put_texts(out, "plugins", w->plugins, w->n_plugins);
    if (w->estimate > 0) json_put_double(out, "estimate", w->estimate);
    put_parameters(out, s);
    put_texts(out, "overrides", w->overrides, w->n_overrides);
    json_put_int(out, "planned", (int64_t)planned(w));
    json_close(out, '}');
}

/* The experiment file itself: read again it is the same space, wherever the original went. */
static cvy_status keep_source(const sweep *w, const char *dir, errors *e)
{
    enum { SOURCE_MAX = 16 << 20 };
    char *bytes = NULL, *folder = path_join(dir, "source"), *copy = path_join(folder, path_base(w->file));
    size_t n = 0;
    cvy_status status = file_read(w->file, SOURCE_MAX, &bytes, &n, e);
    if (status == CVY_OK) status = file_make_dirs(folder, e);
    if (status == CVY_OK) status = file_replace(copy, bytes, n, e);
    mem_free(bytes);
    mem_free(folder);
    mem_free(copy);
    return status;
}

static cvy_status put_file(const char *dir, const char *name, const text *t, errors *e)
{
    char *path = path_join(dir, name);
    cvy_status status = file_replace(path, text_str(t), t->n, e);
    mem_free(path);
    return status;
}

/* The pages of its trials, one after the other. */
static cvy_status keep_trials(const sweep *w, const char *dir, errors *e)
{
    char *path = path_join(dir, "trials");
    FILE *f = fopen(path, "wxe");
    bool good = f != NULL;
    int error = errno;
    for (size_t i = 0; good && i < w->n && w->trials[i].state != TRIAL_OPEN; i++) {
        size_t n = 0;
        errno = EIO;
        char *line = book_line(w->book, w->trials[i].page, &n);
        good = line && fwrite(line, 1, n, f) == n && fputc('\n', f) != EOF;
        error = errno;
        mem_free(line);
    }
    if (f && good && (fflush(f) != 0 || fsync(fileno(f)) != 0)) good = false, error = errno;
    if (f) fclose(f);
    cvy_status status = CVY_OK;
    if (!good)
        status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "cannot be written: %s",
                            strerror(error));
    mem_free(path);
    return status;
}

cvy_status sweeps_create(sweep *w, const char *results, int64_t least, const space *s, errors *e)
{
    runs_draft draft = {0};
    cvy_status status = runs_begin(results, 's', least, &draft, e);
    if (status != CVY_OK) return status;
    w->name = mem_text(draft.name);
    w->dir = mem_text(draft.final);
    status = keep_trials(w, draft.dir, e);
    if (status == CVY_OK && w->file) status = keep_source(w, draft.dir, e);
    json_writer out = {0};
    describe(w, s, &out);
    text_char(&out.out, '\n');
    if (status == CVY_OK) status = copies_make(draft.dir, w->book, w->trials, w->n, e);
    if (status == CVY_OK) status = put_file(draft.dir, "sweep.json", &out.out, e);
    if (status == CVY_OK) status = runs_publish(&draft, e);
    if (w->file) {
        char *copy = mem_printf("%s/source/%s", w->dir, path_base(w->file));
        mem_free(w->file);
        w->file = copy;
    }
    text_free(&out.out);
    runs_drop(&draft);
    return status;
}

/* ---- reading
 * -----------------------------------------------------------------------------------------------------------
 */

static const char *const *read_texts(const json *v, arena *a, size_t *n)
{
    *n = v && v->kind == JSON_ARRAY ? v->n : 0;
    const char **out = arena_array(a, *n + 1, sizeof *out);
    for (size_t i = 0; i < *n; i++) out[i] = v->items[i]->kind == JSON_TEXT ? v->items[i]->s : "";
    return out;
}

static cvy_status no_page(const char *path, size_t at, size_t i, errors *e)
{
    return errors_add(e, CVY_ERR_RESOURCE, &PLACE_AT(path, at), NULL, "not the plan of trial %zu", i);
}

static trial_words read_member(const json *m, trial *t, arena *a)
{
    trial_words words = {.label = json_get_text(m, "label", "")};
    t->config = (int32_t)json_get_int(m, "trial", t->config);
    t->repeat = (int32_t)json_get_int(m, "repeat", 0);
    t->seed = json_get_int(m, "seed", -1);
    words.overrides = read_texts(json_get(m, "overrides"), a, &words.n_overrides);
    return words;
}

static bool take_planned(trial *t, const json *planned, book *b)
{
    plan p = {0};
    const bool good = plan_take(planned, &p) && p.status == CVY_OK;
    if (good) trial_take_plan(t, &p, b);
    plan_free(&p);
    return good;
}

static cvy_status read_trials(sweep *w, const char *path, size_t n, errors *e)
{
    int64_t page = 0;
    cvy_status status = CVY_OK;
    if (!(w->book = book_open(path, e))) return CVY_ERR_RESOURCE;
    for (size_t i = 0; status == CVY_OK && i < n; i++) {
        const size_t before = (size_t)page;
        page = book_next(w->book, page);
        arena a = {0};
        size_t bytes = 0;
        char *line = page ? book_line(w->book, page, &bytes) : NULL;
        const json *v = line ? json_parse(&a, line, bytes, NULL, NULL) : NULL,
                   *planned_as = json_get(v, "plan");
        trial *t = &w->trials[i];
        if (!v || v->kind != JSON_OBJECT || !planned_as) {
            status = no_page(path, page ? (size_t)page - 1 : before, i, e);
        } else {
            read_member(v, t, &a);
            t->page = page;
            if (planned_as->kind == JSON_NULL)
                t->state = TRIAL_REFUSED;
            else if (!take_planned(t, planned_as, w->book))
                status = no_page(path, (size_t)page - 1, i, e);
        }
        mem_free(line);
        arena_free(&a);
    }
    return status;
}

/* The folder of a sweep of an older Convoy has its members in sweep.json and their plans in `plans`, a line for each or "{}". */
static cvy_status read_older(sweep *w, const json *members, errors *e)
{
    char *path = path_join(w->dir, "plans"), *s = NULL;
    size_t n = 0, at = 0;
    w->book = book_new();
    cvy_status status = file_read(path, PLANS_MAX, &s, &n, e);
    for (size_t i = 0; status == CVY_OK && i < members->n; i++) {
        const char *newline = memchr(s + at, '\n', n - at);
        size_t length = newline ? (size_t)(newline - s) - at : n - at;
        trial *t = &w->trials[i];
        arena a = {0};
        plan p = {.status = CVY_ERR_CONFIG};
        const trial_words words = read_member(members->items[i], t, &a);
        if (length == 2 && !memcmp(s + at, "{}", 2))
            t->state = TRIAL_REFUSED;
        else if (!plan_read(s + at, length, &p) || p.status != CVY_OK)
            status = no_page(path, at, i, e);
        if (status == CVY_OK) status = trial_plan(t, &words, &p, w->book, e);
        plan_free(&p);
        arena_free(&a);
        at += length + (newline != NULL);
    }
    mem_free(s);
    mem_free(path);
    return status;
}

static cvy_status read_members(sweep *w, const json *v, errors *e)
{
    const json *members = json_get(v, "members");
    const bool older = members && members->kind == JSON_ARRAY;
    const int64_t all = json_get_int(v, "trials", 0);
    int64_t listed = older ? (int64_t)members->n : json_get_int(v, "planned", all);
    if (listed < 0 || listed > SEARCH_MAX_TRIALS) listed = 0;
    w->n = (size_t)listed;
    if (w->per > 0 && all > listed && all <= SEARCH_MAX_TRIALS && all % w->per == 0) w->n = (size_t)all;
    w->trials = mem_array(w->n + 1, sizeof *w->trials);
    for (size_t i = 0; i < w->n; i++) {
        w->trials[i] = (trial){.config = (int32_t)i, .seed = -1};
        if (i < (size_t)listed) continue;
        w->trials[i] = (trial){.config = (int32_t)((int64_t)i / w->per),
                               .repeat = (int32_t)((int64_t)i % w->per),
                               .seed = -1,
                               .state = TRIAL_OPEN};
    }
    if (older) return read_older(w, members, e);
    char *path = path_join(w->dir, "trials");
    cvy_status status = read_trials(w, path, (size_t)listed, e);
    mem_free(path);
    return status;
}

/* What was chosen later. A record that makes no sense is as good as none: the same would be chosen again. */
static void read_proposed(sweep *w, const json *v, arena *a)
{
    const json *members = json_get(v, "members"), *plans = json_get(v, "plans"),
               *point = json_get(v, "point");
    int64_t config = json_get_int(v, "trial", -1), configs = (int64_t)w->n / w->per;
    if (config < 0 || config >= configs || !members || members->kind != JSON_ARRAY || !plans ||
        plans->kind != JSON_ARRAY || !point || point->kind != JSON_ARRAY || (int64_t)members->n != w->per ||
        plans->n != members->n)
        return;
    trial *first = &w->trials[config * w->per];
    if (first->state != TRIAL_OPEN) return;
    double *numbers = arena_array(&w->memory, point->n + 1, sizeof *numbers);
    for (size_t i = 0; i < point->n; i++) numbers[i] = json_as_double(point->items[i], 0.0 / 0.0);
    if (!w->points) w->points = arena_array(&w->memory, (size_t)configs + 1, sizeof *w->points);
    w->points[config] = numbers;
    for (size_t k = 0; k < members->n; k++) {
        trial *t = &first[k];
        const json *line = plans->items[k];
        errors quiet = {0}; /* what cannot be kept is refused */
        plan p = {.status = CVY_ERR_CONFIG};
        const trial_words words = read_member(members->items[k], t, a);
        t->state = TRIAL_REFUSED;
        t->status = CVY_ERR_CONFIG;
        const bool good =
            line->kind == JSON_TEXT && plan_read(line->s, strlen(line->s), &p) && p.status == CVY_OK;
        if (good) t->seed = p.seed;
        if (trial_plan(t, &words, &p, w->book, &quiet) == CVY_OK && good) t->state = TRIAL_WAITING;
        plan_free(&p);
        errors_free(&quiet);
    }
}

static void read_events(sweep *w)
{
    char *base = path_join(w->dir, "events"), *part;
    for (unsigned i = 1; w->per > 0 && (part = journal_part(base, i)) != NULL; i++) {
        journal_reader r;
        if (journal_open(&r, part, 0, NULL) == CVY_OK) {
            while (journal_next(&r) == JOURNAL_RECORD) {
                if (r.n < 16 || memcmp(r.payload, "{\"t\":\"proposed\"", 15) != 0) continue;
                arena a = {0};
                const json *v = json_parse(&a, r.payload, r.n, NULL, NULL);
                if (v) read_proposed(w, v, &a);
                arena_free(&a);
            }
            journal_end(&r);
        }
        mem_free(part);
    }
    mem_free(base);
}

cvy_status sweeps_read_space(sweep *w, const char *const *architectures, errors *e)
{
    if (w->x || !w->file) return CVY_OK;
    w->x = experiment_read_in(w->file, w->base_dir, w->overrides, w->n_overrides, architectures, e);
    w->read = true;
    if (!w->x) return errors_status(e);
    return space_read(w->x, w->overrides, w->n_overrides, &w->memory, &w->space, e);
}

sweep *sweeps_open(const char *results, const char *name, errors *e)
{
    sweep *w = mem_alloc(sizeof *w);
    w->lock = -1;
    w->name = mem_text(name);
    w->dir = path_join(results, name);
    const json *v = runs_read_sweep(results, name, &w->memory, e);
    const json *by = json_get(v, "metric");
    w->experiment = json_get_text(v, "experiment", "");
    w->source = json_get_text(v, "source", "");
    w->hash = json_get_text(v, "hash", "");
    w->overrides = read_texts(json_get(v, "overrides"), &w->memory, &w->n_overrides);
    w->metric.name = json_get_text(by, "name", space_default_metric.name);
    w->metric.maximize = strcmp(json_get_text(by, "goal", "maximize"), "minimize") != 0;
    w->configs = json_get_int(v, "configs", 0);
    w->repeats = json_get_int(v, "repeats", 1);
    w->threads = json_get_int(v, "threads", 1);
    w->again = json_get_bool(v, "again", false);
    w->per = json_get_int(v, "per", 0);
    w->base_dir = json_get_text(v, "base_dir", ".");
    w->plugins = read_texts(json_get(v, "plugins"), &w->memory, &w->n_plugins);
    w->estimate = json_get_double(v, "estimate", 0);
    const char *file = json_get_text(v, "source_file", NULL);
    if (file) w->file = path_join(w->dir, file);
    if (v && w->threads >= 1 && read_members(w, v, e) == CVY_OK) {
        read_events(w);
        return w;
    }
    sweeps_close(w);
    return NULL;
}

const char *sweeps_find(const char *results, const char *hash, arena *a)
{
    size_t n;
    int64_t *numbers = runs_numbers(results, 's', &n);
    const char *found = NULL;
    while (n-- > 0 && !found) {
        arena memory = {0};
        char *name = mem_printf("s%lld", (long long)numbers[n]);
        const json *v = runs_read_sweep(results, name, &memory, NULL);
        if (!strcmp(json_get_text(v, "hash", ""), hash)) found = arena_text(a, name);
        mem_free(name);
        arena_free(&memory);
    }
    mem_free(numbers);
    return found;
}

bool sweeps_is_like(const char *results, const char *name, int64_t threads, const trial *trials, size_t n)
{
    arena whole = {0};
    char *dir = path_join(results, name), *path = path_join(dir, "trials");
    const json *v = runs_read_sweep(results, name, &whole, NULL);
    bool same = v && json_get_int(v, "threads", 1) == threads;
    book *b = same ? book_open(path, NULL) : NULL;
    int64_t page = b ? book_next(b, 0) : 0;
    same = same && b;
    for (size_t i = 0; same && page && i < n; i++, page = book_next(b, page)) {
        arena a = {0};
        size_t bytes;
        char *line = trials[i].facts ? book_line(b, page, &bytes) : NULL;
        const json *planned_as = line ? json_get(json_parse(&a, line, bytes, NULL, NULL), "plan") : NULL;
        const char *key = json_get_text(planned_as, "exact_key", NULL);
        same = !key || !strcmp(key, trials[i].facts->exact_key);
        mem_free(line);
        arena_free(&a);
    }
    book_close(b);
    arena_free(&whole);
    mem_free(dir);
    mem_free(path);
    return same;
}

void sweeps_close(sweep *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n; i++) trial_free(&w->trials[i]);
    mem_free(w->trials);
    book_close(w->book);
    journal_close(w->events);
    file_unlock(w->lock);
    if (w->read) experiment_free(w->x);
    mem_free(w->name);
    mem_free(w->dir);
    mem_free(w->file);
    arena_free(&w->memory);
    mem_free(w);
}

/* ---- at work
 * ------------------------------------------------------------------------------------------------------------
 */

bool sweeps_begin(sweep *w, int wait_ms, errors *e)
{
    char *path = path_join(w->dir, "lock");
    w->lock = file_lock(path, wait_ms, e);
    mem_free(path);
    if (w->lock < 0) return false;
    follow *before = follow_open(w->dir);
    follow_read(before);
    w->attempt = before->started + 1;
    follow_close(before);
    path = path_join(w->dir, "events");
    w->events = journal_continue(path, e);
    mem_free(path);
    if (w->events && record_start(w->events, w->attempt, (int64_t)getpid(), e) == CVY_OK) return true;
    file_unlock(w->lock);
    w->lock = -1;
    return false;
}

cvy_status sweeps_decide(sweep *w, const trial *t, const char *how, errors *e)
{
    json_writer out = {0};
    json_open(&out, '{');
    json_put_text(&out, "t", "decision");
    json_put_int(&out, "trial", t->config);
    json_put_int(&out, "repeat", t->repeat);
    json_put_text(&out, "run", TRIAL_RUN(t));
    json_put_text(&out, "how", how);
    arena a = {0};
    if (t->borrowed) trial_put_described(t, w->book, &a, &out); /* the run was described as something else */
    json_put_double(&out, "time", now());
    json_close(&out, '}');
    cvy_status status = journal_append(w->events, text_str(&out.out), out.out.n, e);
    text_free(&out.out);
    arena_free(&a);
    return status;
}

cvy_status sweeps_propose(sweep *w, const trial *members, const trial_words *words, const plan *plans,
                          size_t n, const double *point, errors *e)
{
    json_writer out = {0};
    json_open(&out, '{');
    json_put_text(&out, "t", "proposed");
    json_put_int(&out, "trial", members->config);
    json_put_text(&out, "label", words->label);
    json_key(&out, "point");
    json_open(&out, '[');
    for (size_t i = 0; i < w->space.n; i++) json_double(&out, point[i]);
    json_close(&out, ']');
    json_key(&out, "members");
    json_open(&out, '[');
    for (size_t i = 0; i < n; i++) put_member(&out, &members[i], &words[i], &plans[i]);
    json_close(&out, ']');
    json_key(&out, "plans");
    json_open(&out, '[');
    for (size_t i = 0; i < n; i++) json_text(&out, plans[i].line);
    json_close(&out, ']');
    json_put_double(&out, "time", now());
    json_close(&out, '}');
    cvy_status status = journal_append(w->events, text_str(&out.out), out.out.n, e);
    text_free(&out.out);
    return status;
}

cvy_status sweeps_event(sweep *w, const char *kind, const char *what, errors *e)
{
    return w->events ? record_event(w->events, kind, what, e) : CVY_OK;
}

void sweeps_check_plugins(const sweep *w, plan *p)
{
    errors found = {0};
    if (copies_extend(w->dir, p, &found) != CVY_OK) {
        char *what = mem_text(found.n ? found.items[0].what : "its plugins cannot be copied");
        plan_free(p);
        *p = plan_failed(CVY_ERR_PLUGIN, NULL, "%s", what);
        mem_free(what);
    }
    errors_free(&found);
}

void sweeps_end(sweep *w, int code, double seconds, errors *e)
{
    if (w->events) record_exit(w->events, w->attempt, code, 0, seconds, e);
    journal_close(w->events);
    w->events = NULL;
    file_unlock(w->lock);
    w->lock = -1;
}
