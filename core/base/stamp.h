/* What tells that a file is still what it was, without reading it. */
#ifndef BASE_STAMP_H
#define BASE_STAMP_H

#include <stdbool.h>
#include <sys/stat.h>

/* Device, inode, size and both times: what every write to a file changes, as far as its clock can tell. */
typedef struct file_stamp {
    struct stat at;
} file_stamp;

/* False where there is no file, with errno. */
bool file_stamp_path(const char *path, file_stamp *out);
bool file_stamp_open(int fd, file_stamp *out);
bool file_stamp_same(const file_stamp *a, const file_stamp *b);
/* Whether the file has been left alone for so long that another change would have another stamp. `for_good`: also where the clock
 * is another machine's, which may be behind ours. */
bool file_stamp_settled(const file_stamp *s, bool for_good);

#endif
