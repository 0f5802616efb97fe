/* Tests core/base/philox: Random123's known answers, frozen streams (a change would break every resume), and
 * the distributions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/philox.h"

/* Random123, kat_vectors, philox4x32 10 */
static void known_answers(void **state)
{
    (void)state;
    const struct {
        uint32_t c[4], k[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        philox_block((philox_key){{cases[i].k[0], cases[i].k[1]}}, cases[i].c[0], cases[i].c[1],
                     cases[i].c[2], cases[i].c[3], out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

/* Computed apart from this code, by hashlib and a Philox in Python. */
static void frozen(void **state)
{
    (void)state;
    philox_key key = philox_key_of(1, "dropout", "model.stem");
    assert_int_equal(key.k[0], 0x34c80f4e);
    assert_int_equal(key.k[1], 0x7986a19d);
    const uint32_t expected[8] = {0x247420a7, 0xe70de01b, 0xb36fa770, 0x81089f45,
                                  0x661d6250, 0x0ed8c863, 0x8f3ab2bc, 0x4728652d};
    philox_stream s = philox_open(key, 0x0123456789abcdef, 7);
    for (int i = 0; i < 8; i++) assert_int_equal(philox_u32(&s), expected[i]);
    s = philox_open(key, 0x0123456789abcdef, 7);
    assert_true(philox_unit(&s) == 0x247420 * 0x1p-24f);
    s = philox_open(key, 0x0123456789abcdef, 7);
    assert_true(fabs(philox_normal(&s) - 1.6157540904677163) < 1e-14);
    assert_int_equal(philox_u32(&s), expected[2]); /* two draws, whatever they gave */
    s = philox_open(key, 0x0123456789abcdef, 7);
    assert_int_equal(philox_below(&s, 1000), ((uint64_t)expected[0] * 1000) >> 32);
}

static void every_part_counts(void **state)
{
    (void)state;
    const philox_key keys[] = {
        philox_key_of(1, "dropout", "ab"),
        philox_key_of(2, "dropout", "ab"),
        philox_key_of(1, "shuffle", "ab"),
        philox_key_of(1, "dropout", "b"),
        philox_key_of(1, "dropouta", "b"),
        philox_key_of(1, "dropout", ""),
        philox_key_of(1, "", "dropout"),
        philox_key_of((uint64_t)1 << 32, "dropout", "ab"),
        philox_key_of((uint64_t)1 << 63, "dropout", "ab"),
    };
    const size_t n = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) assert_memory_not_equal(&keys[i], &keys[j], sizeof *keys);
    philox_stream base = philox_open(keys[0], 5, 6);
    philox_stream others[] = {philox_open(keys[1], 5, 6), philox_open(keys[0], 6, 6),
                              philox_open(keys[0], 5, 5), philox_open(keys[0], 6, 5),
                              philox_open(keys[0], 5 + ((uint64_t)1 << 32), 6)};
    uint32_t first = philox_u32(&base);
    for (size_t i = 0; i < 5; i++) assert_int_not_equal(philox_u32(&others[i]), first);
}

/* Many at once are the same blocks, also where the counter wraps around. */
static void many_are_the_same(void **state)
{
    (void)state;
    const philox_key key = philox_key_of(7, "many", "blocks");
    static const uint32_t starts[] = {0, 5, UINT32_MAX - 70};
    for (size_t s = 0; s < 3; s++)
        for (int64_t n = 0; n < 200; n += 33) {
            uint32_t out[4 * 200], one[4];
            philox_blocks(key, starts[s], n, 1, 2, 3, out);
            for (int64_t i = 0; i < n; i++) {
                philox_block(key, starts[s] + (uint32_t)i, 1, 2, 3, one);
                assert_memory_equal(out + 4 * i, one, sizeof one);
            }
        }
}

static void below_is_uniform(void **state)
{
    (void)state;
    philox_stream s = philox_open(philox_key_of(3, "test", "below"), 0, 0);
    for (int i = 0; i < 100; i++) assert_int_equal(philox_below(&s, 1), 0);
    assert_int_equal(philox_below(&s, 0), 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t v = philox_below(&s, 7);
        assert_true(v < 7);
        counts[v]++;
    }
    for (int i = 0; i < 7; i++) assert_true(abs(counts[i] - 10000) < 500); /* 5 standard deviations */
    /* Without refusing, one residue in three of n = 3 * 2^30 would come twice as often. */
    int odd[3] = {0};
    for (int i = 0; i < 60000; i++) odd[philox_below(&s, 3u << 30) % 3]++;
    for (int i = 0; i < 3; i++) assert_true(abs(odd[i] - 20000) < 700);
}

static void unit_is_uniform(void **state)
{
    (void)state;
    philox_stream s = philox_open(philox_key_of(4, "test", "unit"), 0, 0);
    double sum = 0, low = 1, high = 0;
    for (int i = 0; i < 200000; i++) {
        float v = philox_unit(&s);
        assert_true(v >= 0 && v < 1);
        sum += (double)v;
        low = fmin(low, (double)v);
        high = fmax(high, (double)v);
    }
    assert_true(fabs(sum / 200000 - 0.5) < 0.004);
    assert_true(low < 1e-4 && high > 1 - 1e-4);
}

static void normal_is_normal(void **state)
{
    (void)state;
    philox_stream s = philox_open(philox_key_of(5, "test", "normal"), 0, 0);
    const int n = 200000;
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, together = 0, before = 0;
    for (int i = 0; i < n; i++) {
        double v = philox_normal(&s);
        assert_true(isfinite(v));
        m1 += v;
        m2 += v * v;
        m3 += v * v * v;
        m4 += v * v * v * v;
        together += v * before;
        before = v;
    }
    assert_true(fabs(m1 / n) < 0.012);
    assert_true(fabs(m2 / n - 1) < 0.016);
    assert_true(fabs(m3 / n) < 0.045);
    assert_true(fabs(m4 / n - 3) < 0.11);
    assert_true(fabs(together / n) < 0.012);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),    cmocka_unit_test(many_are_the_same),
        cmocka_unit_test(frozen),           cmocka_unit_test(every_part_counts),
        cmocka_unit_test(below_is_uniform), cmocka_unit_test(unit_is_uniform),
        cmocka_unit_test(normal_is_normal),
    };
    return cmocka_run_group_tests_name("philox", tests, NULL, NULL);
}
