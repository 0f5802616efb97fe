/* What a dataset's folder holds: a list of its files with sizes and SHA-256, written when they were unpacked and kept beside
 * them as fetched.json, and the comparison with it later. Knows no network and no archive. */
#ifndef FETCH_MANIFEST_H
#define FETCH_MANIFEST_H

#include "base/error.h"
#include "fetch/recipe.h"

#define MANIFEST_NAME "fetched.json"

typedef struct manifest_source { /* an archive as it was fetched */
    const char *file, *url;
    int64_t bytes;
    char sha256[65];
} manifest_source;

typedef struct manifest_watch {
    bool (*go_on)(void *ctx, int64_t done, int64_t total); /* bytes; false: stop */
    void *ctx;
} manifest_watch;

/* Sums all files below `dir` and writes the list. */
cvy_status manifest_write(const char *dir, const recipe *r, const manifest_source *sources, size_t n,
                          const manifest_watch *w, errors *e);
/* Compares the files below `dir` with the list there, else with what the recipe says (NULL: there is none). Reports every
 * file that is not there, has another size or other bytes. *checked: files that were compared by their bytes; *files: all
 * that were looked at; *bytes: of them. */
typedef struct manifest_count {
    int64_t files, summed, bytes;
    bool listed; /* by fetched.json */
} manifest_count;
cvy_status manifest_check(const char *dir, const recipe *r, const manifest_watch *w, manifest_count *count,
                          errors *e);

/* Whether all that the recipe wants is in `dir`, by name and size alone. Says what is not, to `e` (may be NULL). */
bool manifest_is_whole(const char *dir, const recipe *r, errors *e);
/* Bytes of all files below it; 0 when it is not there. */
int64_t manifest_size(const char *dir);
/* A file below `dir` that is neither in its list nor in the recipe, mem_alloc'ed; NULL: there is none. */
char *manifest_stranger(const char *dir, const recipe *r);

#endif
