/* Owns the small allocations and arenas that cannot fail; must not know tensors, nor what the memory is for.
 */
#include "base/memory.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mem_exhausted_fn *exhausted_handler;

void mem_set_exhausted(mem_exhausted_fn *handler)
{
    exhausted_handler = handler;
}

static _Noreturn void exhausted(size_t bytes)
{
    if (exhausted_handler) exhausted_handler(bytes);
    /* Only reached without a handler, or when it broke its promise; every caller relies on not coming back.
     */
    abort();
}

void *mem_alloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) exhausted(bytes);
    return p;
}

void *mem_array(size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes)) exhausted(SIZE_MAX);
    return mem_alloc(bytes);
}

void *mem_resize(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes)) exhausted(SIZE_MAX);
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) exhausted(bytes);
    return q;
}

void *mem_copy(const void *p, size_t bytes)
{
    void *q = mem_alloc(bytes);
    if (bytes) memcpy(q, p, bytes);
    return q;
}

char *mem_text(const char *s)
{
    return s ? mem_text_n(s, strlen(s)) : NULL;
}

char *mem_text_n(const char *s, size_t n)
{
    size_t bytes;
    if (!size_add(n, 1, &bytes)) exhausted(SIZE_MAX);
    char *q = mem_alloc(bytes);
    if (n) memcpy(q, s, n);
    return q;
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) return mem_text("");
    char *s = mem_alloc((size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void *mem_try(size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void mem_free(void *p)
{
    free(p);
}

void *mem_grow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return p;
    size_t want = *cap < 8 ? 8 : *cap;
    while (want <= n) {
        if (want > SIZE_MAX / 2) exhausted(SIZE_MAX);
        want *= 2;
    }
    p = mem_resize(p, want, size);
    *cap = want;
    return p;
}

/* ---- arena ---- */

enum { ARENA_ALIGN = 16, ARENA_BLOCK = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ARENA_ALIGN) unsigned char bytes[];
};

void *arena_alloc(arena *a, size_t bytes)
{
    size_t need;
    if (!size_add(bytes, (size_t)ARENA_ALIGN - 1, &need)) exhausted(SIZE_MAX);
    need &= ~((size_t)ARENA_ALIGN - 1);
    if (!need) need = ARENA_ALIGN; /* distinct pointers, as malloc gives */

    struct arena_block *b = a->head;
    if (!b || b->size - b->used < need) {
        /* A large request gets its own block behind the head, so that the room left in the head is not
         * wasted. */
        bool own = need > ARENA_BLOCK / 4;
        size_t size = own ? need : ARENA_BLOCK, total;
        if (!size_add(size, sizeof *b, &total)) exhausted(SIZE_MAX);
        b = mem_alloc(total);
        b->size = size;
        if (own && a->head) {
            b->next = a->head->next;
            a->head->next = b;
        } else {
            b->next = a->head;
            a->head = b;
        }
    }
    void *p = b->bytes + b->used;
    b->used += need;
    return p;
}

void *arena_array(arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes)) exhausted(SIZE_MAX);
    return arena_alloc(a, bytes);
}

char *arena_text(arena *a, const char *s)
{
    return s ? arena_text_n(a, s, strlen(s)) : NULL;
}

char *arena_text_n(arena *a, const char *s, size_t n)
{
    size_t bytes;
    if (!size_add(n, 1, &bytes)) exhausted(SIZE_MAX);
    char *q = arena_alloc(a, bytes);
    if (n) memcpy(q, s, n);
    return q;
}

char *arena_printf(arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) return arena_text(a, "");
    char *s = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

struct arena_owned {
    struct arena_owned *next;
    void *p;
};

void arena_own(arena *a, void *p)
{
    struct arena_owned *o = arena_alloc(a, sizeof *o);
    *o = (struct arena_owned){a->owned, p};
    a->owned = o;
}

void arena_free(arena *a)
{
    for (struct arena_owned *o = a->owned; o; o = o->next) mem_free(o->p);
    a->owned = NULL;
    for (struct arena_block *b = a->head; b;) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    a->head = NULL;
}
