/* Owns the large aligned memory of tensors; must not know what lies in it. */
#include "device/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_FROM ((size_t)4 << 20)
/* From here on the pages come from the kernel as zeros, one by one as they are touched: not all of a buffer is used by every run. */
#define PAGES_FROM ((size_t)128 << 10)

static size_t round_up(size_t n, size_t unit)
{
    return n > SIZE_MAX - (unit - 1) ? 0 : (n + unit - 1) / unit * unit; /* 0: too large */
}

/* Maps more than asked and gives the ends back, since mmap promises page alignment only. */
static void *map_huge(size_t bytes)
{
    size_t want = bytes + HUGE_PAGE;
    if (want < bytes) return NULL;
    char *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE, after = HUGE_PAGE - before;
    if (before) munmap(p, before);
    if (after) munmap(p + before + bytes, after);
#ifdef MADV_HUGEPAGE
    madvise(p + before, bytes, MADV_HUGEPAGE); /* advice: a kernel without huge pages loses speed only */
#endif
    return p + before;
}

static cvy_status refuse(size_t bytes, errors *e)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = (double)bytes;
    int u = 0;
    for (; size >= 1024 && u < 6; u++) size /= 1024;
    return errors_add(e, CVY_ERR_RESOURCE, NULL, "a smaller batch_size needs less memory",
                      "cannot get %.*f %s of memory for tensors", u ? 1 : 0, size, unit[u]);
}

void *buffer_new(size_t bytes, errors *e)
{
    void *p = NULL;
    if (bytes >= HUGE_FROM) {
        size_t whole = round_up(bytes, HUGE_PAGE);
        p = whole ? map_huge(whole) : NULL;
    } else if (bytes >= PAGES_FROM) {
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) p = NULL;
    } else {
        size_t whole = round_up(bytes ? bytes : 1, BUFFER_ALIGN);
        p = aligned_alloc(BUFFER_ALIGN, whole);
        if (p) memset(p, 0, whole);
    }
    if (!p) refuse(bytes, e);
    return p;
}

void buffer_free(void *p, size_t bytes)
{
    if (!p) return;
    if (bytes >= HUGE_FROM)
        munmap(p, round_up(bytes, HUGE_PAGE));
    else if (bytes >= PAGES_FROM)
        munmap(p, bytes);
    else
        free(p);
}
