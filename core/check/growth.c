/* Owns the measurement of memory in use; must not know what uses it. */
#include "check/growth.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The smallest piece that malloc hands out is 32 bytes. */
#define HEAP_NOISE(steps) (2048 + INT64_C(10) * (steps))
#define PAGES_NOISE       (INT64_C(8) << 20) /* the heap grows in large pieces, and threads get theirs */
#define QUARANTINE        (INT64_C(512) << 20) /* what AddressSanitizer keeps of freed memory, and puts around it */

extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* Bytes handed out by malloc and not freed. Under AddressSanitizer libc's counters stand still and its own are asked. */
static int64_t heap_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes) return (int64_t)__sanitizer_get_current_allocated_bytes();
    struct mallinfo2 m = mallinfo2();
    return (int64_t)(m.uordblks + m.hblkhd);
}

int64_t growth_mapped(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long long pages = 0;
    if (!f) return 0;
    if (fscanf(f, "%lld", &pages) != 1) pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

void growth_check(verdict *v, const char *what, void (*step)(void *ctx), void *ctx, int steps)
{
    for (int i = 0; i < 20 + steps / 10; i++) step(ctx);
    int64_t heap = heap_bytes(), mapped = growth_mapped();
    for (int i = 0; i < steps; i++) step(ctx);
    int64_t grown = heap_bytes() - heap, more = growth_mapped() - mapped;
    const int64_t noise = __sanitizer_get_current_allocated_bytes ? QUARANTINE : PAGES_NOISE;
    if (grown > HEAP_NOISE(steps))
        verdict_fail(v, "%s, %d times: %" PRId64 " bytes more in use afterwards, about %" PRId64 " each time",
                     what, steps, grown, grown / steps);
    else if (more > noise)
        verdict_fail(v, "%s, %d times: %" PRId64 " bytes more mapped afterwards", what, steps, more);
    verdict_note(v, "%d steps, %" PRId64 " bytes", steps, grown > 0 ? grown : 0);
}
