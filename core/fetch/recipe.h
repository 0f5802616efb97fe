/* What has to be fetched for a dataset, as data: recipes.yaml, and files of that form beside users' own plugins. Knows no
 * network and no archive. */
#ifndef FETCH_RECIPE_H
#define FETCH_RECIPE_H

#include "base/error.h"
#include "base/memory.h"

typedef enum recipe_unpack { RECIPE_NONE, RECIPE_GZIP, RECIPE_ARCHIVE } recipe_unpack;

typedef struct recipe_archive {
    const char *file;         /* its name, without a folder */
    int64_t bytes;            /* 0: not known */
    const char *md5, *sha256; /* lower-case hex; NULL: not known, but for one */
    int32_t unpack;           /* recipe_unpack */
} recipe_archive;

typedef struct recipe_file {
    const char *path;   /* relative, below the dataset's folder */
    int64_t bytes;      /* -1: any */
    const char *sha256; /* NULL: not known */
} recipe_file;

typedef struct recipe {
    const char *name, *title;          /* of the plugin; for people */
    const char *page, *licence, *cite; /* NULL: not known */
    const char **mirrors;              /* what stands before an archive's file name */
    size_t n_mirrors;
    recipe_archive *archives;
    size_t n_archives;
    recipe_file *files; /* what must be there in the end */
    size_t n_files;
    int64_t limit; /* bytes that all may unpack to */
} recipe;

/* All of a text or a file, in the arena; NULL after reporting. */
recipe *recipe_built_in(arena *a, size_t *n, errors *e);
recipe *recipe_read(arena *a, const char *path, size_t *n, errors *e);
/* NULL: none of that name. */
const recipe *recipe_find(const recipe *list, size_t n, const char *name);

/* Whether a path from outside stays below the folder it is put in: relative, without `..`, control characters or
 * names that no folder can have. */
bool recipe_path_stays(const char *path);

#endif
