/* Owns the database file: opening, locking, batches, rebuilding; must not know what the rows say. */
#include "report/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/ingest.h"
#include "report/migrate.h"
#include "report/store_own.h"

enum {
    SCHEMA = 5,     /* the version in schema.sql */
    LOCK_MS = 2000, /* for a batch of somebody else */
    REBUILD_LOCK_MS = 60000,
    BATCH_RECORDS = 20000 /* then others get a turn */
};

/* ---- opening ---- */

static cvy_status check_schema(store *s, bool *empty, errors *e)
{
    const place at = PLACE_FILE(s->path);
    int64_t tables = 0, versions = 0, version = 0;
    sql_query q = sql_ask(&s->db, e, "SELECT count(*), sum(name = 'schema_version') FROM sqlite_master", "");
    if (sql_next(&q, e)) {
        tables = sql_int(&q, 0, 0);
        versions = sql_int(&q, 1, 0);
    }
    if (sql_done(&q) != CVY_OK) return CVY_ERR_RESOURCE;
    *empty = !tables;
    s->older = 0;
    if (!tables) return CVY_OK;
    if (!versions)
        return errors_add(e, CVY_ERR_RESOURCE, &at, "move it away, or choose another folder by --results",
                          "this database is not Convoy's");
    q = sql_ask(&s->db, e, "SELECT version FROM schema_version", "");
    if (sql_next(&q, e)) version = sql_int(&q, 0, 0);
    if (sql_done(&q) != CVY_OK) return CVY_ERR_RESOURCE;
    if (version > SCHEMA)
        return errors_add(e, CVY_ERR_RESOURCE, &at, "use that Convoy, or `convoy db rebuild` with this one",
                          "written by a newer Convoy (schema %lld, this one knows %d)", (long long)version,
                          SCHEMA);
    if (version < 1)
        return errors_add(e, CVY_ERR_RESOURCE, &at,
                          "`convoy db rebuild` makes the database again from the run folders",
                          "the database does not say which schema it has");
    if (version < SCHEMA) s->older = version;
    return CVY_OK;
}

/* Brings a database of an older Convoy to today's schema, in one transaction: whoever is killed on the way leaves the old one, and
 * of two processes the second finds the work done. Folders that are still there are read once more, by rules that the older Convoy
 * may not have known; the rows of those that are gone stay. */
static cvy_status update(store *s, errors *e)
{
    bool empty;
    cvy_status status = sql_run(&s->db, "BEGIN IMMEDIATE", e);
    if (status == CVY_OK) status = check_schema(s, &empty, e);
    const int64_t older = s->older;
    if (status == CVY_OK && older) {
        errors_push(e, "written by an older Convoy (schema %lld, now %d)", (long long)older, SCHEMA);
        status = migrate(&s->db, store_schema, e);
        if (status == CVY_OK)
            status = sql_run(
                &s->db, "DELETE FROM cursors; DELETE FROM settled; DELETE FROM run_facts; " STORE_FACTS, e);
        if (status == CVY_OK)
            status = sql_do(&s->db, e, "UPDATE schema_version SET version = ?", "i", (int64_t)SCHEMA);
        errors_pop(e);
    }
    if (status == CVY_OK) status = sql_run(&s->db, "COMMIT", e);
    s->updated = s->updated || (status == CVY_OK && older);
    if (status == CVY_OK && older && !s->in_memory)
        errors_warn(e, &PLACE_FILE(s->path), NULL,
                    "was written by an older Convoy (schema %lld): brought up to date (schema %d)",
                    (long long)older, SCHEMA);
    return status;
}

/* A file that may not be written is answered from a copy of it. */
static cvy_status load_copy(store *s, errors *e)
{
    sql from = {0};
    bool unusable;
    cvy_status status = sql_open(&from, s->path, false, e);
    if (status == CVY_OK) status = sql_copy(&s->db, &from, &unusable, e);
    sql_close(&from);
    return status;
}

static cvy_status open_file(store *s, errors *e)
{
    cvy_status status = sql_open(&s->db, s->in_memory ? NULL : s->path, true, e);
    if (status != CVY_OK) return status;
    /* A rollback journal, not WAL: below SQLite 3.51.3 two processes that checkpoint a WAL at once can damage
     * it. */
    status = sql_run(&s->db,
                     "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA cache_size = -16000;"
                     "PRAGMA temp_store = MEMORY",
                     e);
    if (status == CVY_OK && s->small) status = sql_run(&s->db, "PRAGMA cache_size = -2000", e);
    bool empty = false;
    if (status == CVY_OK && s->copied) status = load_copy(s, e);
    if (status == CVY_OK) status = check_schema(s, &empty, e);
    if (status == CVY_OK && s->older) status = update(s, e);
    if (status == CVY_OK && empty) {
        /* Two processes may get here at once; the second one finds the tables made. */
        status = sql_run(&s->db, "BEGIN IMMEDIATE", e);
        if (status == CVY_OK) status = check_schema(s, &empty, e);
        if (status == CVY_OK && empty) status = sql_run(&s->db, store_schema, e);
        if (status == CVY_OK) status = sql_run(&s->db, "COMMIT", e);
    }
    if (status != CVY_OK) sql_close(&s->db); /* rolls back */
    return status;
}

static store *make(const char *results, const char *name)
{
    store *s = mem_alloc(sizeof *s);
    s->results = path_absolute(results);
    s->path = path_join(s->results, name);
    s->lock = -1;
    return s;
}

static store *opened(store *s, errors *e)
{
    if (open_file(s, e) == CVY_OK) return s;
    store_close(s);
    return NULL;
}

static void as_warnings(errors *e, errors *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const message *m = &from->items[i];
        errors_warn(e, &(place){m->file, m->line, m->column, m->offset, m->source}, m->hint, "%s", m->what);
    }
    errors_free(from);
}

store *store_open(const char *results, errors *e)
{
    if (file_make_dirs(results, e) != CVY_OK) return NULL;
    store *s = make(results, "convoy.db");
    s->small = true;
    s = opened(s, e);
    errors trouble = {0};
    if (s && s->updated) store_ingest_all(s, &trouble);
    as_warnings(e, &trouble);
    return s;
}

static void forget_metrics(store *s)
{
    for (size_t i = 0; i < s->n_metrics; i++) mem_free(s->metrics[i].name);
    s->n_metrics = 0;
}

void store_close(store *s)
{
    if (!s) return;
    if (s->look) {
        listing unused = look_end(s->look);
        listing_free(&unused);
    }
    sql_close(&s->db);
    file_unlock(s->lock);
    forget_metrics(s);
    mem_free(s->metrics);
    mem_free(s->results);
    mem_free(s->path);
    mem_free(s);
}

const char *store_results(const store *s)
{
    return s->results;
}

const char *store_path(const store *s)
{
    return s->path;
}

/* ---- batches ---- */

static char *lock_path(const store *s)
{
    return path_join(s->results, "convoy.db.lock");
}

/* errors_move, for callers who may not want to know. */
static void hand_over(errors *to, errors *from)
{
    if (to)
        errors_move(to, from);
    else
        errors_free(from);
}

/* Follows the path to another file where somebody put one, or removed ours: what goes to the old one is lost.
 */
static cvy_status refresh(store *s, errors *e)
{
    if (s->alone || (s->db.db && !sql_moved(&s->db))) return CVY_OK;
    sql_close(&s->db);
    return open_file(s, e);
}

/* *busy: somebody else writes, and it takes long. */
static cvy_status batch_begin(store *s, bool *busy, errors *e)
{
    *busy = false;
    s->batches++;
    forget_metrics(s); /* a rebuild may have given them other ids */
    if (s->alone) return sql_run(&s->db, "BEGIN", e);
    errors failed = {0};
    char *name = lock_path(s);
    s->lock = file_lock(name, LOCK_MS, &failed);
    mem_free(name);
    cvy_status status = errors_status(&failed);
    hand_over(e, &failed);
    if (s->lock < 0) {
        *busy = status == CVY_OK;
        return status;
    }
    status = refresh(s, e);
    /* Immediate: a transaction that only later asks to write gets an error that no waiting mends. */
    if (status == CVY_OK) status = sql_run(&s->db, "BEGIN IMMEDIATE", e);
    if (status != CVY_OK) {
        file_unlock(s->lock);
        s->lock = -1;
    }
    return status;
}

static cvy_status batch_end(store *s, cvy_status status, errors *e)
{
    if (status == CVY_OK) status = sql_run(&s->db, "COMMIT", e);
    if (status != CVY_OK) {
        sql_run(&s->db, "ROLLBACK", NULL); /* fails where SQLite has rolled back on its own */
        forget_metrics(s);
    }
    file_unlock(s->lock);
    s->lock = -1;
    return status;
}

/* ---- taking in ---- */

int64_t store_number(const char *name, char kind)
{
    if (name[0] != kind || name[1] < '1' || name[1] > '9') return 0;
    int64_t v = 0;
    for (const char *p = name + 1; *p; p++) {
        if (*p < '0' || *p > '9' || p - name > 15) return 0;
        v = v * 10 + (*p - '0');
    }
    return v;
}

/* The first of dirs[from .. n) that has something new. In one transaction: the lock is taken once, not once a folder. */
static size_t first_pending(store *s, char *const *dirs, size_t from, size_t n)
{
    const bool together = n - from > 1 && sql_run(&s->db, "BEGIN", NULL) == CVY_OK;
    while (from < n && !ingest_pending(s, dirs[from])) from++;
    if (together) sql_run(&s->db, "COMMIT", NULL);
    return from;
}

/* Several folders per transaction, since every commit waits for the disk; and large folders in several
 * transactions, so that other writers get a turn. */
static cvy_status take_in(store *s, char *const *dirs, size_t n, int64_t *taken, errors *e)
{
    size_t at = 0;
    cvy_status refreshed = refresh(s, e);
    if (refreshed != CVY_OK) return refreshed;
    while (at < n) {
        at = first_pending(s, dirs, at, n);
        if (at == n) break;
        bool busy;
        cvy_status status = batch_begin(s, &busy, e);
        if (status != CVY_OK || busy) return status;
        int64_t left = BATCH_RECORDS;
        while (at < n && left > 0 && status == CVY_OK) {
            bool more = false;
            int64_t records = 0;
            if (ingest_pending(s, dirs[at])) status = ingest_folder(s, dirs[at], left, &records, &more, e);
            left -= records + 1;
            *taken += records;
            if (!more) at++;
        }
        status = batch_end(s, status, e);
        if (status != CVY_OK) return status;
    }
    return CVY_OK;
}

cvy_status store_ingest(store *s, const char *dir, errors *e)
{
    char *one = mem_text(dir);
    int64_t taken = 0;
    for (size_t n = strlen(one); n > 1 && one[n - 1] == '/'; n--) one[n - 1] = '\0';
    cvy_status status = take_in(s, &one, 1, &taken, e);
    mem_free(one);
    return status;
}

cvy_status store_ingest_some(store *s, char *const *dirs, size_t n, errors *e)
{
    int64_t taken = 0;
    return take_in(s, dirs, n, &taken, e);
}

static cvy_status take_in_listed(store *s, const listing *l, int64_t *taken, errors *e)
{
    char **dirs = mem_array(l->n + 1, sizeof *dirs);
    size_t n = 0;
    for (; n < l->n; n++) dirs[n] = path_join(s->results, l->names[n]);
    if (l->evaluations) dirs[n++] = path_join(s->results, STORE_EVALUATIONS);
    const cvy_status status = take_in(s, dirs, n, taken, e);
    for (size_t i = 0; i < n; i++) mem_free(dirs[i]);
    mem_free(dirs);
    return status;
}

static cvy_status take_in_all(store *s, int64_t *folders, int64_t *taken, errors *e)
{
    listing l = listing_make(s->results);
    *folders = (int64_t)l.n;
    cvy_status status = refresh(s, e);
    if (status == CVY_OK) look_unsettled(s->results, &s->db, &l);
    if (status == CVY_OK) status = take_in_listed(s, &l, taken, e);
    listing_free(&l);
    return status;
}

cvy_status store_ingest_all(store *s, errors *e)
{
    int64_t folders = 0, taken = 0;
    return take_in_all(s, &folders, &taken, e);
}

/* ---- reading ---- */

static bool may_write(const store *s)
{
    return access(s->results, W_OK) == 0 && (access(s->path, F_OK) != 0 || access(s->path, W_OK) == 0);
}

static cvy_status forbid_writing(store *s, bool forbid, errors *e)
{
    return sql_run(&s->db, forbid ? "PRAGMA query_only = 1" : "PRAGMA query_only = 0", e);
}

/* Changes when another connection has written; 0 when that cannot be told. */
static int64_t version_of(store *s)
{
    int64_t version = 0;
    sql_query q = sql_ask(&s->db, NULL, "PRAGMA data_version", "");
    if (sql_next(&q, NULL)) version = sql_int(&q, 0, 0);
    return sql_done(&q) == CVY_OK ? version : 0;
}

/* Where no file follows the folders, because there are none or it may not be written, they are all taken in here. */
static store *open_without_file(store *s, bool writable, errors *e)
{
    listing l = listing_make(s->results);
    const bool any = l.n > 0, there = file_exists(s->path);
    listing_free(&l);
    s->in_memory = s->alone = there ? !writable : !any || !writable;
    s->copied = s->in_memory && there;
    if (any && !writable)
        errors_warn(e, &PLACE_FILE(s->path), NULL,
                    s->copied ? "may not be written: what is new is read and not kept"
                              : "may not be written: reading the journals instead");
    if (s->copied && any && open_file(s, NULL) != CVY_OK) s->copied = false; /* the journals say all again */
    s = s->db.db ? s : opened(s, e);
    errors trouble = {0};
    if (s && any) store_ingest_all(s, &trouble);
    as_warnings(e, &trouble);
    return s;
}

store *store_open_early(const char *results, errors *e)
{
    store *s = make(results, "convoy.db");
    const bool writable = may_write(s);
    if (writable && file_exists(s->path)) {
        s->look = look_begin(s->results, s->path);
        s = opened(s, e);
        if (s) s->version = version_of(s);
    } else {
        s = open_without_file(s, writable, e);
    }
    if (!s || forbid_writing(s, true, e) == CVY_OK) return s;
    store_close(s);
    return NULL;
}

bool store_catch_up(store *s, errors *e)
{
    if (!s->look) return false;
    listing l = look_end(s->look);
    s->look = NULL;
    errors trouble = {0};
    const int64_t batches = s->batches;
    int64_t folders = 0, taken = 0;
    const bool another = s->updated || sql_moved(&s->db); /* file than the one that was looked at */
    forbid_writing(s, false, &trouble);
    if (another)
        take_in_all(s, &folders, &taken, &trouble);
    else
        take_in_listed(s, &l, &taken, &trouble);
    listing_free(&l);
    forbid_writing(s, true, &trouble);
    as_warnings(e, &trouble);
    const int64_t version = version_of(s);
    return another || s->batches > batches || !version || version != s->version;
}

store *store_open_current(const char *results, errors *e)
{
    store *s = store_open_early(results, e);
    if (s) store_catch_up(s, e);
    return s;
}

/* ---- rebuilding, removing ---- */

static void remove_file(const char *path, const char *suffix)
{
    char *name = mem_printf("%s%s", path, suffix);
    unlink(name);
    mem_free(name);
}

/* Only where the old file is no database, so that nobody can be using it: a program that still had it open
 * would take the new file's rollback journal for its own. */
static cvy_status rename_over(const char *fresh, const char *path, errors *e)
{
    cvy_status status = CVY_OK;
    remove_file(path, "-journal"); /* would be played into the new file */
    remove_file(path, "-wal");
    remove_file(path, "-shm");
    int fd = open(fresh, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0 || rename(fresh, path) != 0) {
        int code = errno;
        status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "cannot replace the database: %s",
                            strerror(code));
    }
    if (fd >= 0) close(fd);
    char *dir = path_dir(path);
    if (status == CVY_OK) status = file_sync_dir(dir, e);
    mem_free(dir);
    return status;
}

/* Puts the contents of the finished database in the place of the old ones, in one transaction. Closes
 * `fresh`. */
static cvy_status replace_by(store *fresh, const char *path, errors *e)
{
    sql old = {0};
    errors failed = {0};
    bool unusable = false;
    cvy_status status = sql_open(&old, path, true, &failed);
    if (status == CVY_OK) status = sql_copy(&old, &fresh->db, &unusable, &failed);
    sql_close(&old);
    sql_close(&fresh->db);
    if (unusable) {
        errors_free(&failed);
        status = rename_over(fresh->path, path, e);
    }
    hand_over(e, &failed);
    remove_file(fresh->path, "");
    return status;
}

/* Under the lock. */
static cvy_status rebuild(store *fresh, const char *path, int64_t *runs, int64_t *rows, errors *e)
{
    remove_file(fresh->path, ""); /* of a rebuild that was killed */
    remove_file(fresh->path, "-journal");
    cvy_status status = open_file(fresh, e);
    /* Nobody sees this file before it is complete and synced. */
    if (status == CVY_OK)
        status = sql_run(&fresh->db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY", e);
    if (status == CVY_OK) status = take_in_all(fresh, runs, rows, e);
    if (status == CVY_OK) return replace_by(fresh, path, e);
    sql_close(&fresh->db);
    remove_file(fresh->path, "");
    return status;
}

cvy_status store_rebuild(const char *results, int64_t *runs, int64_t *rows, errors *e)
{
    *runs = *rows = 0;
    if (!file_is_dir(results))
        return errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(results), NULL, "no such folder of results");
    store *fresh = make(results, "convoy.db.new");
    fresh->alone = true;
    char *path = path_join(fresh->results, "convoy.db"), *lock = lock_path(fresh);
    errors failed = {0};
    int held = file_lock(lock, REBUILD_LOCK_MS, &failed);
    cvy_status status = errors_status(&failed);
    hand_over(e, &failed);
    if (held >= 0)
        status = rebuild(fresh, path, runs, rows, e);
    else if (status == CVY_OK)
        status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL,
                            "another process keeps the database locked");
    file_unlock(held);
    store_close(fresh);
    mem_free(path);
    mem_free(lock);
    return status;
}

cvy_status store_forget(store *s, const char *name, errors *e)
{
    bool busy;
    cvy_status status = batch_begin(s, &busy, e);
    if (status != CVY_OK) return status;
    if (busy)
        return errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(s->path), NULL,
                          "another process keeps the database locked");
    return batch_end(s, ingest_forget(s, name, e), e);
}

int64_t store_last_number(store *s, char kind)
{
    int64_t last = 0;
    sql_query q = kind == 'r' ? sql_ask(&s->db, NULL, "SELECT max(number) FROM runs", "")
                              : sql_ask(&s->db, NULL, "SELECT max(number) FROM sweeps", "");
    if (sql_next(&q, NULL)) last = sql_int(&q, 0, 0);
    sql_done(&q);
    listing l = listing_make(s->results);
    for (size_t i = 0; i < l.n; i++) {
        int64_t number = store_number(l.names[i], kind);
        if (number > last) last = number;
    }
    listing_free(&l);
    return last;
}
