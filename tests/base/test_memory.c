/* Tests core/base/memory: zeroing, growth, arenas, and what happens when memory ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"

static void zeroed_and_never_null(void **state)
{
    (void)state;
    unsigned char *p = mem_array(1000, 3);
    for (int i = 0; i < 3000; i++) assert_int_equal(p[i], 0);
    mem_free(p);
    void *empty = mem_alloc(0);
    assert_non_null(empty);
    mem_free(empty);
    empty = mem_resize(mem_alloc(10), 0, 8);
    assert_non_null(empty);
    mem_free(empty);
    mem_free(NULL);
}

static void copies(void **state)
{
    (void)state;
    assert_null(mem_text(NULL));
    char *s = mem_text("kernel");
    char *t = mem_text_n("kernel", 3);
    char *u = mem_printf("%s-%d", t, 42);
    char *v = mem_copy("ab\0cd", 5);
    assert_string_equal(s, "kernel");
    assert_string_equal(t, "ker");
    assert_string_equal(u, "ker-42");
    assert_memory_equal(v, "ab\0cd", 5);
    mem_free(s);
    mem_free(t);
    mem_free(u);
    mem_free(v);
}

static void grows(void **state)
{
    (void)state;
    int *items = NULL;
    size_t n = 0, cap = 0;
    for (int i = 0; i < 1000; i++) {
        items = MEM_GROW(items, n, &cap);
        assert_true(cap > n);
        items[n++] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(items[i], i);
    assert_true(cap <= 2048);
    items = MEM_GROW(items, 5000, &cap); /* a jump, not the next one */
    assert_true(cap > 5000);
    items[5000] = 1;
    mem_free(items);
}

static void try_reports_instead(void **state)
{
    (void)state;
    assert_null(mem_try(SIZE_MAX, 2));
    assert_null(mem_try(SIZE_MAX / 16 + 2, 16));
    assert_null(mem_try(SIZE_MAX, 1));
    char *p = mem_try(3, 5);
    for (int i = 0; i < 15; i++) assert_int_equal(p[i], 0);
    mem_free(p);
}

static jmp_buf back;
static size_t asked;

static _Noreturn void jump_back(size_t bytes)
{
    asked = bytes;
    longjmp(back, 1);
}

static void overflow_is_exhaustion(void **state)
{
    (void)state;
    arena a = {0};
    size_t cap = 0;
    mem_set_exhausted(jump_back);
    for (volatile int which = 0; which < 5; which++) {
        asked = 0;
        if (!setjmp(back)) {
            switch (which) {
            case 0:
                mem_array(SIZE_MAX / 2, 3);
                break;
            case 1:
                mem_resize(NULL, SIZE_MAX / 2, 3);
                break;
            case 2:
                arena_array(&a, SIZE_MAX / 2, 3);
                break;
            case 3:
                arena_alloc(&a, SIZE_MAX - 3);
                break;
            case 4:
                mem_grow(NULL, SIZE_MAX, &cap, 1);
                break;
            }
            fail_msg("case %d came back", which);
        }
        assert_true(asked > SIZE_MAX / 2);
    }
    mem_set_exhausted(NULL);
    arena_free(&a);
}

static void arena_lives_and_dies(void **state)
{
    (void)state;
    arena a = {0};
    arena_free(&a); /* an empty one */
    unsigned char *kept[200];
    for (size_t i = 0; i < 200; i++) {
        size_t n = i * 37 % 9000; /* small ones and some with a block of their own */
        kept[i] = arena_alloc(&a, n);
        assert_int_equal((uintptr_t)kept[i] % 16, 0);
        for (size_t k = 0; k < n; k++) assert_int_equal(kept[i][k], 0);
        memset(kept[i], (int)i, n);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 37 % 9000; k++) assert_int_equal(kept[i][k], i);
    assert_ptr_not_equal(arena_alloc(&a, 0), arena_alloc(&a, 0));
    assert_string_equal(arena_text(&a, "stem"), "stem");
    assert_string_equal(arena_text_n(&a, "stem", 2), "st");
    assert_null(arena_text(&a, NULL));
    assert_string_equal(arena_printf(&a, "%d.%s", 3, "x"), "3.x");
    arena_free(&a);
    assert_null(a.head);
    assert_non_null(arena_alloc(&a, 8)); /* usable again */
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_and_never_null),
        cmocka_unit_test(copies),
        cmocka_unit_test(grows),
        cmocka_unit_test(try_reports_instead),
        cmocka_unit_test(overflow_is_exhaustion),
        cmocka_unit_test(arena_lives_and_dies),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
