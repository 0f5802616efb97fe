/* Files as this project needs them: read whole, replaced atomically, locked. Reports by errors, never prints.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Whole file, NUL-terminated behind its n bytes; refused above `limit` bytes. Caller mem_free()s *out. */
cvy_status file_read(const char *path, size_t limit, char **out, size_t *n, errors *e);
/* Reports that a file could not be written: storage, or where its folder is not there whoever named it. */
cvy_status file_not_written(const char *path, int error, errors *e);
/* Replaces path durably: temporary name in the same folder, write, fsync, rename, fsync of the folder. On an
 * error the old file stays and the temporary one is removed. */
cvy_status file_replace(const char *path, const void *data, size_t n, errors *e);
/* Writes a new file without waiting for the disk. */
cvy_status file_create(const char *path, const void *data, size_t n, errors *e);
/* Waits until everything that was written on the file system of this folder, by whomever, is on its disk. */
cvy_status file_sync_all(const char *dir, errors *e);
/* Of one file; that there is none is no error. */
cvy_status file_sync(const char *path, errors *e);
cvy_status file_make_dirs(const char *path, errors *e); /* like mkdir -p */
cvy_status file_sync_dir(const char *path, errors *e);
cvy_status file_remove_tree(const char *path, errors *e); /* follows no links; absent is fine */
bool file_exists(const char *path);
bool file_is_dir(const char *path);
int64_t file_size(const char *path); /* -1 when absent */

/* Exclusive advisory lock on `path` (created when absent), held until released or the process ends. Waits up
 * to wait_ms. Returns a descriptor, or -1 when another process holds it (no message) or on an error
 * (message). */
int file_lock(const char *path, int wait_ms, errors *e);
void file_unlock(int fd);

/* Paths; results are mem_alloc'ed. */
char *path_join(const char *dir, const char *name); /* an absolute name wins */
char *path_dir(const char *path);                   /* "." when none */
const char *path_base(const char *path);            /* into path */
char *path_absolute(const char *path);              /* realpath, or cwd joined when absent */
/* ${XDG_DATA_HOME:-~/.local/share}/convoy and ${XDG_CACHE_HOME:-~/.cache}/convoy */
char *path_user_data(void);
char *path_user_cache(void);
char *path_executable(void); /* of this process; NULL without /proc */
/* The file that this code was loaded from: the library, or a program that holds it. NULL without /proc. */
char *path_library(void);

#endif
