/* Small allocations that cannot fail, and arenas. Knows no tensor: large buffers come from device/.
 *
 * Metadata (names, nodes, messages) is small; running out of memory there has one outcome, so these functions
 * never return NULL: they call the handler that cli installed, which reports and leaves with exit code 4.
 * Buffers whose size a user or a file decides use mem_try() and report CVY_ERR_RESOURCE themselves. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Called with the size that could not be had; must not return. Without one the process aborts. */
typedef void mem_exhausted_fn(size_t bytes);
void mem_set_exhausted(mem_exhausted_fn *handler);

void *mem_alloc(size_t bytes);                        /* zeroed */
void *mem_array(size_t count, size_t size);           /* zeroed; overflow counts as exhausted */
void *mem_resize(void *p, size_t count, size_t size); /* grown part is not zeroed */
void *mem_copy(const void *p, size_t bytes);
char *mem_text(const char *s); /* NULL gives NULL */
char *mem_text_n(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *mem_try(size_t count, size_t size); /* zeroed; NULL when it cannot be had or overflows */
void mem_free(void *p);

/* Growable array idiom: `items = MEM_GROW(items, n, &cap);` makes room for item n. */
void *mem_grow(void *p, size_t n, size_t *cap, size_t size);
#define MEM_GROW(p, n, cap) mem_grow((p), (n), (cap), sizeof *(p))

/* Arena: allocations that live and die together. A zeroed arena is empty and valid. */
typedef struct arena {
    struct arena_block *head;
    struct arena_owned *owned;
} arena;

void *arena_alloc(arena *a, size_t bytes); /* zeroed, aligned to 16 */
void *arena_array(arena *a, size_t count, size_t size);
char *arena_text(arena *a, const char *s);
char *arena_text_n(arena *a, const char *s, size_t n);
char *arena_printf(arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_own(arena *a, void *p); /* p, of mem_alloc() or mem_grow(), is freed with the arena */
void arena_free(arena *a);         /* leaves it empty and valid */

/* a*b and a+b into *out; false on overflow. */
#define size_mul(a, b, out) (!__builtin_mul_overflow((a), (b), (out)))
#define size_add(a, b, out) (!__builtin_add_overflow((a), (b), (out)))

#endif
