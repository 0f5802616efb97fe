/* Owns guarded memory; must not know what is computed in it. */
#include "check/guarded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check/specimen.h"

#define GUARD      ((size_t)256)
#define GUARD_BYTE 0xFF /* a NaN in either type, so that reads outside show too */

static const uint32_t mark32 = 0x7fc0dead;
static const uint64_t mark64 = 0x7ff8dead0000dead;

static guarded make(size_t real_size, int64_t count)
{
    guarded g = {.bytes = (size_t)count * real_size,
                 .real_size = real_size,
                 .count = count,
                 .guard = specimen_sanitized() ? 0 : GUARD};
    void *p = NULL;
    /* Never NULL for an empty array: NULL means "not wanted". */
    if (posix_memalign(&p, 64, g.bytes + 2 * g.guard + (g.bytes == 0))) return (guarded){0};
    memset(p, GUARD_BYTE, g.guard);
    memset((char *)p + g.guard + g.bytes, GUARD_BYTE, g.guard);
    g.data = (char *)p + g.guard;
    return g;
}

static void set(const guarded *g, int64_t i, double v)
{
    if (g->real_size == sizeof(double))
        ((double *)g->data)[i] = v;
    else
        ((float *)g->data)[i] = (float)v;
}

guarded guarded_new(size_t real_size, int64_t count, guarded_fill fill)
{
    guarded g = make(real_size, count);
    for (int64_t i = 0; g.data && i < count; i++) {
        if (fill != GUARDED_MARK)
            set(&g, i, fill == GUARDED_ZERO ? 0 : 3);
        else if (real_size == sizeof(double))
            memcpy((char *)g.data + (size_t)i * real_size, &mark64, sizeof mark64);
        else
            memcpy((char *)g.data + (size_t)i * real_size, &mark32, sizeof mark32);
    }
    return g;
}

guarded guarded_of(size_t real_size, int64_t count, const double *from)
{
    guarded g = make(real_size, count);
    for (int64_t i = 0; g.data && i < count; i++) set(&g, i, from[i]);
    return g;
}

guarded guarded_bytes(int64_t bytes)
{
    guarded g = make(1, bytes);
    if (g.data) memset(g.data, 0xFF, (size_t)bytes);
    return g;
}

void guarded_free(guarded *g)
{
    if (g->data) free((char *)g->data - g->guard);
    *g = (guarded){0};
}

double guarded_get(const guarded *g, int64_t i)
{
    return g->real_size == sizeof(double) ? ((const double *)g->data)[i]
                                          : (double)((const float *)g->data)[i];
}

bool guarded_unwritten(const guarded *g, int64_t i)
{
    const char *at = (const char *)g->data + (size_t)i * g->real_size;
    return g->real_size == sizeof(double) ? !memcmp(at, &mark64, sizeof mark64)
                                          : !memcmp(at, &mark32, sizeof mark32);
}

bool guarded_broken(const guarded *g, int64_t *at)
{
    const unsigned char *data = g->data;
    for (size_t i = 0; i < g->guard; i++) {
        if (data[g->bytes + i] != GUARD_BYTE) {
            *at = (int64_t)(g->bytes + i);
            return true;
        }
        if (*(data - 1 - i) != GUARD_BYTE) {
            *at = -1 - (int64_t)i;
            return true;
        }
    }
    return false;
}

int64_t guarded_changed(const guarded *g, const double *from)
{
    for (int64_t i = 0; i < g->count; i++) {
        double was = g->real_size == sizeof(double) ? from[i] : (double)(float)from[i],
               now = guarded_get(g, i);
        if (now != was && !(isnan(now) && isnan(was))) return i;
    }
    return -1;
}
