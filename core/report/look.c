/* Owns the look at a results folder from outside: which folders there are, and which of them are worth opening; must not know what
 * their files say. */
#include "report/look.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "report/store.h"

/* ---- listing ---- */

/* A name as one number, by which runs come before sweeps: sorting these is cheaper than sorting names. */
static int64_t key_of(const char *name)
{
    const int64_t run = store_number(name, 'r'), sweep = store_number(name, 's');
    return run ? 2 * run : sweep ? 2 * sweep + 1 : 0;
}

static int by_key(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    if ((x & 1) != (y & 1)) return (x & 1) ? 1 : -1;
    return (x > y) - (x < y);
}

listing listing_make(const char *results)
{
    listing l = {0};
    int64_t *keys = NULL;
    size_t cap = 0;
    DIR *d = opendir(results);
    if (!d) return l;
    for (struct dirent *entry; (entry = readdir(d));) {
        const char *name = entry->d_name;
        l.evaluations = l.evaluations || text_starts(name, STORE_EVALUATIONS);
        const int64_t key = key_of(name);
        if (!key) continue;
        keys = MEM_GROW(keys, l.n, &cap);
        keys[l.n++] = key;
    }
    closedir(d);
    if (l.n) qsort(keys, l.n, sizeof *keys, by_key);
    l.names = mem_array(l.n + 1, sizeof *l.names);
    for (size_t i = 0; i < l.n; i++) {
        char name[24];
        snprintf(name, sizeof name, "%c%lld", (keys[i] & 1) ? 's' : 'r', (long long)(keys[i] >> 1));
        l.names[i] = mem_text(name);
    }
    mem_free(keys);
    return l;
}

void listing_free(listing *l)
{
    for (size_t i = 0; i < l->n; i++) mem_free(l->names[i]);
    mem_free(l->names);
    *l = (listing){0};
}

/* ---- runs that are over ---- */

/* A run that was settled, and what its events have to look like still. */
typedef struct settled_run {
    const char *name;
    int64_t stamp, events;
    bool changed;
} settled_run;

/* Most of the time of a look at thousands of runs goes into asking for their files: threads share that. */
enum { LOOKERS = 4, RUNS_ENOUGH = 500 /* for another thread */ };

typedef struct looker {
    int results; /* the folder */
    settled_run *runs;
    size_t n;
} looker;

int64_t look_stamp(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool changed(int results, const settled_run *r)
{
    struct stat st;
    char events[64];
    const size_t n = strlen(r->name);
    if (n + sizeof "/events" > sizeof events) return true;
    memcpy(events, r->name, n);
    memcpy(events + n, "/events", sizeof "/events");
    return fstatat(results, events, &st, 0) != 0 || look_stamp(&st) != r->stamp ||
           (int64_t)st.st_size != r->events;
}

static void *look_at_share(void *given)
{
    const looker *l = given;
    for (size_t i = 0; i < l->n; i++) l->runs[i].changed = changed(l->results, &l->runs[i]);
    return NULL;
}

static void look_at_all(int results, settled_run *runs, size_t n)
{
    looker l[LOOKERS];
    pthread_t threads[LOOKERS];
    bool there[LOOKERS] = {false};
    const size_t most = n / RUNS_ENOUGH + 1, lookers = most < LOOKERS ? most : LOOKERS;
    for (size_t i = 0; i < lookers; i++) {
        const size_t from = n * i / lookers, to = n * (i + 1) / lookers;
        l[i] = (looker){results, runs + from, to - from};
        there[i] = i && pthread_create(&threads[i], NULL, look_at_share, &l[i]) == 0;
    }
    for (size_t i = 0; i < lookers; i++) {
        if (there[i])
            pthread_join(threads[i], NULL);
        else
            look_at_share(&l[i]);
    }
}

void look_unsettled(const char *results, sql *db, listing *l)
{
    int folder = open(results, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    settled_run *runs = mem_array(l->n + 1, sizeof *runs), r = {0};
    size_t *where = mem_array(l->n + 1, sizeof *where), n_runs = 0, kept = 0;
    int64_t at = 0;
    sql_query q = sql_ask(db, NULL, "SELECT run, stamp, events FROM settled ORDER BY run", "");
    for (size_t i = 0; i < l->n; i++) {
        const int64_t run = store_number(l->names[i], 'r');
        while (run && at < run) {
            at = sql_next(&q, NULL) ? sql_int(&q, 0, 0) : INT64_MAX;
            if (at < INT64_MAX) r = (settled_run){.stamp = sql_int(&q, 1, 0), .events = sql_int(&q, 2, 0)};
        }
        if (!run || at != run) continue;
        where[n_runs] = i;
        runs[n_runs] = r;
        runs[n_runs++].name = l->names[i];
    }
    sql_done(&q);
    look_at_all(folder, runs, n_runs);
    close(folder);
    for (size_t i = 0, k = 0; i < l->n; i++) {
        const bool settled = k < n_runs && where[k] == i;
        if (settled && !runs[k++].changed)
            mem_free(l->names[i]);
        else
            l->names[kept++] = l->names[i];
    }
    l->n = kept;
    mem_free(where);
    mem_free(runs);
}

/* ---- beside the caller ---- */

struct look {
    const char *results, *path;
    listing found;
    pthread_t thread;
    bool apart; /* the thread is there */
};

static void *look_through(void *given)
{
    look *l = given;
    sql db = {0};
    l->found = listing_make(l->results);
    if (l->found.n && sql_open(&db, l->path, false, NULL) == CVY_OK)
        look_unsettled(l->results, &db, &l->found);
    sql_close(&db);
    return NULL;
}

look *look_begin(const char *results, const char *path)
{
    look *l = mem_alloc(sizeof *l);
    l->results = results;
    l->path = path;
    l->apart = pthread_create(&l->thread, NULL, look_through, l) == 0;
    return l;
}

listing look_end(look *l)
{
    if (l->apart)
        pthread_join(l->thread, NULL);
    else
        look_through(l);
    const listing found = l->found;
    mem_free(l);
    return found;
}
