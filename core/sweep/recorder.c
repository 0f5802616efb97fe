/* Owns the supervisor's dealings with the database; must not know SQL, nor let its failures reach training.
 */
#include "sweep/recorder.h"

#include <string.h>

#include "base/memory.h"
#include "report/store.h"
#include "sweep/process.h"

#define GATHER 1.0  /* seconds between two transactions: each waits for the disk */
#define PAUSE  10.0 /* seconds after a failure until the database is tried again */

struct recorder {
    char *results;
    store *s;
    bool warned;
    double again; /* not before */
    char **dirs;  /* that have something new */
    size_t n, cap;
    double flushed;
};

recorder *recorder_open(const char *results)
{
    recorder *r = mem_alloc(sizeof *r);
    r->results = mem_text(results);
    return r;
}

void recorder_close(recorder *r)
{
    if (!r) return;
    errors lost = {0}; /* whoever wanted to hear has flushed before */
    recorder_flush(r, &lost);
    errors_free(&lost);
    mem_free(r->dirs);
    store_close(r->s);
    mem_free(r->results);
    mem_free(r);
}

static void failed(recorder *r, errors *found, errors *warnings)
{
    if (!r->warned)
        for (size_t i = 0; i < found->n; i++) {
            const message *m = &found->items[i];
            place at = {m->file, m->line, m->column, m->offset, m->source};
            errors_warn(warnings, &at, "training goes on; `convoy db rebuild` catches up", "%s", m->what);
        }
    r->warned = true;
    r->again = process_now() + PAUSE;
    store_close(r->s); /* opened anew: it may be another disk by then */
    r->s = NULL;
}

static bool ready(recorder *r, errors *found)
{
    if (r->s) return true;
    if (process_now() < r->again) return false;
    r->s = store_open(r->results, found);
    return r->s != NULL;
}

void recorder_flush(recorder *r, errors *warnings)
{
    errors found = {0};
    if (r->n && (!ready(r, &found) || store_ingest_some(r->s, r->dirs, r->n, &found) != CVY_OK)) {
        if (found.n) failed(r, &found, warnings);
    } else if (found.n) {
        errors_move(warnings, &found); /* of a folder that is partly unreadable */
    }
    errors_free(&found);
    while (r->n) mem_free(r->dirs[--r->n]);
    r->flushed = process_now();
}

bool recorder_is_due(const recorder *r)
{
    return process_now() - r->flushed >= GATHER;
}

void recorder_rest(recorder *r, double seconds)
{
    r->flushed = process_now() + seconds - GATHER;
}

void recorder_take(recorder *r, const char *dir, errors *warnings)
{
    bool there = false;
    for (size_t i = r->n; i-- > 0 && !there;) there = !strcmp(r->dirs[i], dir);
    if (!there) {
        r->dirs = MEM_GROW(r->dirs, r->n, &r->cap);
        r->dirs[r->n++] = mem_text(dir);
    }
    if (recorder_is_due(r)) recorder_flush(r, warnings);
}

int64_t recorder_last_number(recorder *r, char kind, errors *warnings)
{
    errors found = {0};
    int64_t last = ready(r, &found) ? store_last_number(r->s, kind) : 0;
    if (!r->s && found.n) failed(r, &found, warnings);
    errors_free(&found);
    return last;
}
