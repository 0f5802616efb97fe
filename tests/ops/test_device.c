/* Layout arithmetic, tensor memory, and what the machine says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include "device/buffer.h"
#include "device/layout.h"
#include "device/machine.h"

static void test_layout(void **unused)
{
    (void)unused;
    cvy_shape s = cvy_shape4(2, 19, 3, 5), flat = cvy_shape2(2, 19);
    tensor t = tensor_plain(&s);
    assert_int_equal(tensor_bytes(&t), 2 * 19 * 15 * 4);
    assert_int_equal(tensor_offset(&t, 1, 18, 2, 4), 2 * 19 * 15 - 1);
    t.layout = LAYOUT_C16;
    assert_int_equal(tensor_elements(&t), 2 * 32 * 15);
    assert_int_equal(tensor_offset(&t, 1, 18, 2, 4), (((1 * 2 + 1) * 3 + 2) * 5 + 4) * 16 + 2);
    t.layout = LAYOUT_C8;
    t.element = 1;
    assert_int_equal(tensor_bytes(&t), 2 * 24 * 15);
    assert_true(layout_fits(LAYOUT_C8, &s));
    assert_false(layout_fits(LAYOUT_C8, &flat));
    assert_true(layout_fits(LAYOUT_PLAIN, &flat));
    assert_string_equal(layout_name(LAYOUT_C16), "c16");
    assert_int_equal(layout_block(LAYOUT_PLAIN), 1);
}

static void test_buffer(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {0, 1, 63, 1000, (size_t)4 << 20, ((size_t)5 << 20) + 12345};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        errors e = {0};
        unsigned char *p = buffer_new(sizes[i], &e);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % BUFFER_ALIGN, 0);
        if (sizes[i] >= (size_t)4 << 20) assert_int_equal((uintptr_t)p % ((size_t)2 << 20), 0);
        for (size_t b = 0; b < sizes[i]; b++) assert_int_equal(p[b], 0);
        if (sizes[i]) memset(p, 0xFF, sizes[i]);
        buffer_free(p, sizes[i]);
        assert_int_equal(errors_count(&e), 0);
    }
    buffer_free(NULL, 10);
    errors e = {0};
    assert_null(buffer_new((size_t)1 << 62, &e));
    assert_null(buffer_new(SIZE_MAX, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_RESOURCE);
    text t = {0};
    errors_text(&e, false, &t);
    assert_non_null(strstr(t.s, "4.0 EiB"));
    text_free(&t);
    errors_free(&e);
}

static void test_machine(void **unused)
{
    (void)unused;
    machine m = machine_here();
    assert_in_range(m.isa, ISA_BASE, ISA_AVX512);
    assert_int_equal(m.block, m.isa == ISA_AVX512 ? 16 : 8);
    assert_true(m.threads >= 1);
    assert_true(m.l2_bytes >= 128 << 10);
    text t = {0};
    machine_describe(&m, &t);
    static const char *const keys[] = {"cpu=", "\nisa=", "\nl2=", "\nthreads=", "\nonednn="};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) assert_non_null(strstr(t.s, keys[i]));
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
