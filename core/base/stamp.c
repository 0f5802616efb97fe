/* Owns when two looks at a file saw the same one; must not know what it holds. */
#include "base/stamp.h"

#include <time.h>

bool file_stamp_path(const char *path, file_stamp *out)
{
    return stat(path, &out->at) == 0;
}

bool file_stamp_open(int fd, file_stamp *out)
{
    return fstat(fd, &out->at) == 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_stamp_same(const file_stamp *a, const file_stamp *b)
{
    return a->at.st_dev == b->at.st_dev && a->at.st_ino == b->at.st_ino && a->at.st_size == b->at.st_size &&
           same_time(&a->at.st_mtim, &b->at.st_mtim) && same_time(&a->at.st_ctim, &b->at.st_ctim);
}

/* Coarse clocks count in 2 s; those that have fractions, in less than a tenth. */
static bool is_past(const struct timespec *now, const struct timespec *t, bool for_good)
{
    const double age = (double)(now->tv_sec - t->tv_sec) + 1e-9 * (double)(now->tv_nsec - t->tv_nsec);
    return age > (t->tv_nsec % 10000000 && !for_good ? 0.2 : 3);
}

bool file_stamp_settled(const file_stamp *s, bool for_good)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return is_past(&now, &s->at.st_mtim, for_good) && is_past(&now, &s->at.st_ctim, for_good);
}
