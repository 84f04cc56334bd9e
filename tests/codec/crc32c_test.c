/* Checksums: the known values, both ways of computing them, pieces. */
#include "base/base.h"
#include "codec/crc32c.h"
#include "support/support.h"

static uint8_t bytes[70000];

static void fill(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
}

static void known_values(void **state)
{
    static const uint8_t zeros[32];

    EK_UNUSED(state);
    assert_int_equal(ek__crc32c(0, "", 0), 0);
    assert_int_equal(ek__crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(ek__crc32c_mask(0xe3069283u), 0xc78ab0e5u);
    assert_int_equal(ek__crc32c_unmask(0xc78ab0e5u), 0xe3069283u);
    assert_int_equal(ek__crc32c(0, zeros, sizeof zeros), 0x8a9136aau);
    assert_int_equal(ek__crc32c_plain(0, "123456789", 9), 0xe3069283u);
}

/* Sizes on both sides of where the ways change, from an odd address too. */
static void the_instruction_and_the_tables_agree(void **state)
{
    static const size_t sizes[] = {1,     7,     8,     9,     4095,  4096,  12287, 12288,
                                   12289, 12296, 24575, 24576, 36871, 65536, 69990};

    EK_UNUSED(state);
    fill();
    for (int i = 0; i < EK_COUNT_OF(sizes); i++)
        for (size_t from = 0; from < 9; from += 3)
            assert_int_equal(ek__crc32c(0, bytes + from, sizes[i]), ek__crc32c_plain(0, bytes + from, sizes[i]));
}

static void pieces_give_the_checksum_of_the_whole(void **state)
{
    const uint32_t whole = ek__crc32c(0, bytes, sizeof bytes);

    EK_UNUSED(state);
    for (size_t at = 0; at <= sizeof bytes; at += 997)
        assert_int_equal(ek__crc32c(ek__crc32c(0, bytes, at), bytes + at, sizeof bytes - at), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(the_instruction_and_the_tables_agree),
        cmocka_unit_test(pieces_give_the_checksum_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
