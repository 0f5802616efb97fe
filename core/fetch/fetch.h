/* A dataset's official files brought to where its plugin finds them: fetched, compared with their published checksums,
 * unpacked beside the place and then given its name, so that the place holds all of the dataset or none of it.
 *
 * Below the data folder: NAME, the dataset; .fetching/NAME, what a fetch that was stopped has got so far. Nothing else is
 * written. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include "base/error.h"
#include "fetch/recipe.h"

typedef struct fetch {
    const recipe *recipe;
    const char *data_dir; /* NAME comes to lie in it */
    const char *from;     /* URL or folder instead of the recipe's mirrors; NULL */
    bool keep;            /* the archives too, in NAME/archives */
    bool force;           /* also when it is there */
    int retries;          /* more attempts at each mirror, where another may do better */
    int timeout;          /* seconds without a byte */
    /* Talk and progress; `total` 0: not known. go_on: false stops, and what has arrived stays. */
    void (*say)(void *ctx, const char *line);
    bool (*go_on)(void *ctx, const char *what, int64_t done, int64_t total);
    void *ctx;
    /* filled */
    char *dir;     /* where it lies; mem_alloc'ed */
    bool was_here; /* nothing had to be done */
} fetch;

/* CVY_OK, CVY_STOPPED, or after reporting: CVY_ERR_RESOURCE for network and storage, when the same command may go on
 * later; CVY_ERR_CONFIG for files that are not what they should be. */
cvy_status fetch_run(fetch *f, errors *e);
void fetch_free(fetch *f);

/* How the same is done by hand: URLs, checksums, where the files go. */
void fetch_by_hand(const recipe *r, const char *dir, text *out);

#endif
