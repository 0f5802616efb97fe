/* Owns the walk over a run's or a sweep's folder: which files grew, and how far each was read; must not know
 * what the records say. */
#include "report/ingest.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "journal/journal.h"
#include "report/rows.h"

enum { DESCRIPTION_MAX = 64 << 20 };

/* A file of the folder that has something to say, and how far it was read. */
typedef struct source_file {
    char *name;
    int64_t size, stamp; /* now */
    int64_t order;       /* 0 the description, then the supervisor's events, then the attempts' journals */
    int64_t attempt;     /* of a journal; else 0 */
    bool seen, damaged;  /* has a cursor */
    int64_t offset, seen_size, seen_stamp;
} source_file;

typedef struct folder {
    const char *dir, *name; /* "results/r12", "r12" */
    int64_t run;            /* number; 0 for a sweep */
    int64_t stamp;          /* when its events last changed */
    char *above;            /* of the journal of evaluations: the results folder, in `dir` too; else NULL */
    source_file *files;
    size_t n, cap;
} folder;

/* ---- listing ---- */

/* The number behind `prefix`, at least `least`; 0 when name is not of that form. */
static int64_t suffix_number(const char *name, const char *prefix, int64_t least)
{
    if (!text_starts(name, prefix)) return 0;
    const char *p = name + strlen(prefix);
    if (*p < '1' || *p > '9') return 0;
    int64_t v = 0;
    for (; *p; p++) {
        if (*p < '0' || *p > '9' || v > INT32_MAX) return 0;
        v = v * 10 + (*p - '0');
    }
    return v >= least ? v : 0;
}

/* Whether the file is one that we read, and when. */
static bool classify(const folder *f, source_file *file)
{
    const int64_t journals = INT64_C(1) << 40;
    if (f->above) {
        file->order =
            !strcmp(file->name, STORE_EVALUATIONS) ? 1 : suffix_number(file->name, STORE_EVALUATIONS ".", 2);
        return file->order > 0;
    }
    if (!strcmp(file->name, f->run ? "run.json" : "sweep.json")) return true;
    if (!strcmp(file->name, "events"))
        file->order = 1;
    else if ((file->order = suffix_number(file->name, "events.", 2))) {
    } else if (f->run && (file->attempt = suffix_number(file->name, "journal.", 1))) {
        file->order = journals + file->attempt;
    } else {
        return false;
    }
    return true;
}

static int by_order(const void *a, const void *b)
{
    const source_file *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

static void list_files(folder *f)
{
    DIR *d = opendir(f->dir);
    if (!d) return;
    for (struct dirent *entry; (entry = readdir(d));) {
        source_file file = {.name = entry->d_name};
        struct stat st;
        if (!classify(f, &file) || fstatat(dirfd(d), entry->d_name, &st, 0) != 0 || !S_ISREG(st.st_mode))
            continue;
        file.size = (int64_t)st.st_size;
        if (!file.order) file.stamp = look_stamp(&st);
        if (file.order == 1) f->stamp = look_stamp(&st);
        file.name = mem_text(entry->d_name);
        f->files = MEM_GROW(f->files, f->n, &f->cap);
        f->files[f->n++] = file;
    }
    closedir(d);
    if (f->n) qsort(f->files, f->n, sizeof *f->files, by_order);
}

static cvy_status load_cursors(store *s, folder *f, errors *e)
{
    for (size_t i = 0; i < f->n; i++) f->files[i].seen = false;
    sql_query q = sql_ask(&s->db, e, "SELECT file, offset, size, stamp, damaged FROM cursors WHERE owner = ?",
                          "t", f->name);
    arena a = {0};
    while (sql_next(&q, e)) {
        const char *name = sql_text(&q, 0, &a);
        for (size_t i = 0; i < f->n; i++) {
            source_file *file = &f->files[i];
            if (strcmp(file->name, name)) continue;
            file->seen = true;
            file->offset = sql_int(&q, 1, 0);
            file->seen_size = sql_int(&q, 2, 0);
            file->seen_stamp = sql_int(&q, 3, 0);
            file->damaged = sql_int(&q, 4, 0) != 0;
        }
    }
    arena_free(&a);
    return sql_done(&q);
}

static void folder_open(folder *f, const char *dir)
{
    *f = (folder){.dir = dir, .name = path_base(dir)};
    f->run = store_number(f->name, 'r');
    if (!strcmp(f->name, STORE_EVALUATIONS)) f->dir = f->above = path_dir(dir);
    if (f->run || f->above || store_number(f->name, 's')) list_files(f);
    if (f->above) return;
    /* Without its description the folder is still being made, or is none of ours. */
    if (f->n && f->files[0].order) {
        for (size_t i = 0; i < f->n; i++) mem_free(f->files[i].name);
        f->n = 0;
    }
}

static void folder_close(folder *f)
{
    for (size_t i = 0; i < f->n; i++) mem_free(f->files[i].name);
    mem_free(f->files);
    mem_free(f->above);
}

static bool is_new(const source_file *file)
{
    return !file->seen || file->size != file->seen_size || file->stamp != file->seen_stamp;
}

/* ---- runs that are over ---- */

/* The size of the events of a run whose last attempt was seen to end, where they are one file; else -1. Its journals do not grow
 * any more, and whatever else happens to it is told in its events: looking at these alone tells whether there is anything new. */
static int64_t size_when_over(store *s, const folder *f)
{
    int64_t last = 0, size = -1;
    bool ended = false;
    if (!f->run) return -1;
    for (size_t i = 0; i < f->n; i++) {
        if (f->files[i].order == 1) size = f->files[i].size;
        if (f->files[i].order > 1 && !f->files[i].attempt) return -1;
        if (f->files[i].attempt > last) last = f->files[i].attempt;
    }
    if (size < 0) return -1;
    sql_query q =
        sql_ask(&s->db, NULL,
                "SELECT attempt, code IS NOT NULL FROM attempts WHERE run = ? ORDER BY attempt DESC LIMIT 1",
                "i", f->run);
    if (sql_next(&q, NULL)) ended = sql_int(&q, 0, 0) >= last && sql_int(&q, 1, 0);
    sql_done(&q);
    return ended ? size : -1;
}

static bool is_settled(store *s, const folder *f, int64_t size)
{
    sql_query q = sql_ask(&s->db, NULL, "SELECT 1 FROM settled WHERE run = ? AND stamp = ? AND events = ?",
                          "iii", f->run, f->stamp, size);
    bool there = sql_next(&q, NULL);
    sql_done(&q);
    return there;
}

static bool any_new(store *s, folder *f)
{
    bool pending = f->n && load_cursors(s, f, NULL) != CVY_OK;
    for (size_t i = 0; i < f->n && !pending; i++) pending = is_new(&f->files[i]);
    return pending;
}

/* Looks at the folder once more: only what lies there after the end was known is all that there will be. */
static cvy_status settle(store *s, const char *dir, errors *e)
{
    folder f;
    folder_open(&f, dir);
    const int64_t size = f.run && f.n && !any_new(s, &f) ? size_when_over(s, &f) : -1;
    cvy_status status = CVY_OK;
    if (size >= 0)
        status = sql_do(&s->db, e, "INSERT OR REPLACE INTO settled (run, stamp, events) VALUES (?,?,?)",
                        "iii", f.run, f.stamp, size);
    folder_close(&f);
    return status;
}

bool ingest_pending(store *s, const char *dir)
{
    folder f;
    folder_open(&f, dir);
    bool pending = any_new(s, &f);
    if (!pending && f.run && f.n) {
        const int64_t size = size_when_over(s, &f);
        pending = size >= 0 && !is_settled(s, &f, size);
    }
    folder_close(&f);
    return pending;
}

/* ---- taking in ---- */

static cvy_status save_cursor(store *s, const folder *f, const source_file *file, errors *e)
{
    return sql_do(
        &s->db, e,
        "INSERT OR REPLACE INTO cursors (owner, file, offset, size, stamp, damaged) VALUES (?,?,?,?,?,?)",
        "ttiiii", f->name, file->name, file->offset, file->size, file->stamp, (int64_t)file->damaged);
}

cvy_status ingest_forget(store *s, const char *name, errors *e)
{
    const int64_t run = store_number(name, 'r'), sweep = store_number(name, 's');
    static const char *const of_run[] = {
        "DELETE FROM params WHERE run = ?",         "DELETE FROM environment WHERE run = ?",
        "DELETE FROM plugins WHERE run = ?",        "DELETE FROM attempts WHERE run = ?",
        "DELETE FROM metrics WHERE run = ?",        "DELETE FROM timings WHERE run = ?",
        "DELETE FROM kernels WHERE run = ?",        "DELETE FROM artifacts WHERE run = ?",
        "DELETE FROM histogram_list WHERE run = ?", "DELETE FROM runs WHERE number = ?",
        "DELETE FROM run_facts WHERE run = ?",      "DELETE FROM settled WHERE run = ?",
    };
    static const char *const of_owner[] = {
        "DELETE FROM tags WHERE owner = ?",
        "DELETE FROM events WHERE owner = ?",
        "DELETE FROM cursors WHERE owner = ?",
    };
    cvy_status status = CVY_OK;
    for (size_t i = 0; run && i < sizeof of_run / sizeof *of_run && status == CVY_OK; i++)
        status = sql_do(&s->db, e, of_run[i], "i", run);
    if (!strcmp(name, STORE_EVALUATIONS)) status = rows_forget_evaluations(s, e);
    if (sweep && status == CVY_OK)
        status = sql_do(&s->db, e, "DELETE FROM sweeps WHERE number = ?", "i", sweep);
    if (sweep && status == CVY_OK)
        status = sql_do(&s->db, e, "DELETE FROM members WHERE sweep = ?", "i", sweep);
    if (sweep && status == CVY_OK)
        status = sql_do(&s->db, e, "DELETE FROM member_params WHERE sweep = ?", "i", sweep);
    for (size_t i = 0; i < sizeof of_owner / sizeof *of_owner && status == CVY_OK; i++)
        status = sql_do(&s->db, e, of_owner[i], "t", name);
    return status;
}

/* run.json or sweep.json. *understood tells that the folder's journals can be read on. */
static cvy_status describe(store *s, folder *f, source_file *file, bool *understood, errors *e)
{
    char *path = path_join(f->dir, file->name), *whole = NULL;
    size_t n = 0, offset = 0;
    const char *error = NULL;
    arena a = {0};
    cvy_status status = CVY_OK;
    const json *d = NULL;
    *understood = false;
    if (file_read(path, DESCRIPTION_MAX, &whole, &n, NULL) != CVY_OK) {
        errors_warn(e, &PLACE_FILE(path), NULL, "cannot be read; left out");
    } else if (!(d = json_parse(&a, whole, n, &error, &offset))) {
        errors_warn(e, &PLACE_AT(path, offset), NULL, "%s; left out", error);
    } else if (strcmp(json_get_text(d, f->run ? "run" : "sweep", ""), f->name)) {
        /* A copied folder would appear twice. */
        errors_warn(e, &PLACE_FILE(path), NULL, "describes \"%s\", not \"%s\"; left out",
                    json_get_text(d, f->run ? "run" : "sweep", ""), f->name);
    } else {
        *understood = true;
        status = f->run ? rows_run(s, f->name, d, e) : rows_sweep(s, f->name, d, whole, e);
        file->offset = (int64_t)n;
        if (status == CVY_OK) status = save_cursor(s, f, file, e);
    }
    arena_free(&a);
    mem_free(whole);
    mem_free(path);
    return status;
}

/* What the head of a segment says holds for the records behind the cursor too. */
static void recall_segment(rows_source *from, const char *path)
{
    journal_reader r;
    from->time = (double)NAN;
    if (!from->attempt || journal_open(&r, path, 0, NULL) != CVY_OK) return;
    arena a = {0};
    const json *v = journal_next(&r) == JOURNAL_RECORD ? json_parse(&a, r.payload, r.n, NULL, NULL) : NULL;
    if (!strcmp(json_get_text(v, "t", ""), "segment")) {
        from->from_step = json_get_int(v, "from_step", 0);
        from->time = json_get_double(v, "time", (double)NAN);
    }
    arena_free(&a);
    journal_end(&r);
}

static cvy_status take_journal(store *s, folder *f, source_file *file, int64_t limit, int64_t *taken,
                               bool *more, errors *e)
{
    char *path = path_join(f->dir, file->name);
    rows_source from = {
        .owner = f->name, .file = file->name, .run = f->run, .attempt = file->attempt, .part = file->order};
    journal_reader r;
    errors failed = {0};
    cvy_status status = CVY_OK;
    if (!file->seen) file->offset = 0;
    if (journal_open(&r, path, (uint64_t)file->offset, &failed) != CVY_OK) {
        file->damaged = true;
        status = rows_event(s, &from, 0, "damaged", failed.items[0].what, (double)NAN, e);
        errors_free(&failed);
    } else {
        recall_segment(&from, path);
        journal_next_result last = JOURNAL_END;
        while (status == CVY_OK && *taken < limit) {
            int64_t at = (int64_t)r.offset;
            last = journal_next(&r);
            if (last != JOURNAL_RECORD) break;
            status = rows_record(s, &from, r.payload, r.n, at, e);
            ++*taken;
        }
        *more = status == CVY_OK && last == JOURNAL_RECORD; /* stopped by the limit */
        if (status == CVY_OK && last == JOURNAL_DAMAGED && !file->damaged) {
            file->damaged = true;
            status = rows_event(s, &from, (int64_t)r.offset, "damaged",
                                "a record with a wrong checksum or length: nothing behind it can be read",
                                from.time, e);
        }
        file->offset = (int64_t)r.offset;
        journal_end(&r);
    }
    /* A size that was never seen brings us back. */
    source_file cursor = *file;
    if (*more) cursor.size = -1;
    if (status == CVY_OK) status = save_cursor(s, f, &cursor, e);
    mem_free(path);
    return status;
}

static cvy_status take_folder(store *s, folder *f, int64_t limit, int64_t *taken, bool *more, errors *e)
{
    cvy_status status = load_cursors(s, f, e);
    if (status != CVY_OK) return status;
    /* Another description is another run under the same name, and a journal that shrank is not the one we
     * read. */
    const size_t first = f->above ? 0 : 1; /* journal */
    bool afresh = !f->above && is_new(&f->files[0]);
    for (size_t i = first; i < f->n; i++)
        afresh = afresh || (f->files[i].seen && f->files[i].size < f->files[i].offset);
    if (afresh) {
        bool understood = true;
        status = ingest_forget(s, f->name, e);
        for (size_t i = 0; i < f->n; i++) f->files[i].seen = f->files[i].damaged = false;
        if (status == CVY_OK && !f->above) status = describe(s, f, &f->files[0], &understood, e);
        if (status != CVY_OK || !understood) return status;
    }
    for (size_t i = first; i < f->n && status == CVY_OK && !*more; i++)
        if (is_new(&f->files[i])) status = take_journal(s, f, &f->files[i], limit, taken, more, e);
    return status;
}

cvy_status ingest_folder(store *s, const char *dir, int64_t limit, int64_t *taken, bool *more, errors *e)
{
    folder f;
    folder_open(&f, dir);
    *more = false;
    cvy_status status = f.n ? take_folder(s, &f, limit, taken, more, e) : CVY_OK;
    if (f.run && f.n && status == CVY_OK)
        status = sql_do(&s->db, e, STORE_FACTS " WHERE run = ?", "i", f.run);
    if (f.run && status == CVY_OK && !*more && size_when_over(s, &f) >= 0) status = settle(s, dir, e);
    folder_close(&f);
    return status;
}
