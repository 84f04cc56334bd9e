/* Random numbers: Philox's published answers, and the values TensorFlow gives for some seeds. */
#include <math.h>
#include <string.h>

#include "kernels/random.h"
#include "support/support.h"

static void philox_known_answers(void **state)
{
    static const struct {
        ek_philox at;
        uint32_t word[4];
    } known[] = {
        { { { 0 }, { 0 } }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { { ~0u, ~0u, ~0u, ~0u }, { ~0u, ~0u } }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 } },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t word[4];
        ek__philox_block(&known[i].at, word);
        assert_memory_equal(word, known[i].word, sizeof word);
    }
}

static void skipping_carries(void **state)
{
    ek_philox p = { { ~0u, ~0u, ~0u, 0 }, { 0, 0 } };
    static const uint32_t expect[4] = { 1, 0, 0, 1 };

    (void)state;
    ek__philox_skip(&p, 2);
    assert_memory_equal(p.counter, expect, sizeof expect);
}

static void uniform_is_exact(void **state)
{
    static const float expect[] = { 0.483940959f, 0.506203055f, 0.255143762f, 0.12474227f, 0.933010101f, 0.664609313f };
    static const float second[] = { 0.42152667f, 0.475741029f, 0.398908138f, 0.784015894f, 0.637201905f, 0.207928777f };
    ek_philox p = ek__philox(87654321, 7);
    float got[6];

    (void)state;
    ek__random_uniform_f32(&p, 6, got);
    assert_memory_equal(got, expect, sizeof got);
    ek__philox_skip(&p, 6 * 256); /* as one execution of six numbers does */
    ek__random_uniform_f32(&p, 6, got);
    assert_memory_equal(got, second, sizeof got);
}

static void assert_within_ulps(const float *got, const float *expect, int n, int ulps)
{
    for (int i = 0; i < n; i++) {
        const float step = nextafterf(fabsf(expect[i]), INFINITY) - fabsf(expect[i]);
        if (fabsf(got[i] - expect[i]) > (float)ulps * step)
            fail_msg("%d: %.9g, not %.9g", i, (double)got[i], (double)expect[i]);
    }
}

static void normal_is_close(void **state)
{
    static const struct {
        uint64_t seed, seed2;
        float normal[4];
    } known[] = {
        { 87654321, 7, { -0.0469456799f, -1.20390236f, 1.16683519f, 1.17062044f } },
        { 42, 4, { -0.564489901f, 3.03291702f, 1.01191211f, 1.4954046f } },
        { 1, 1, { 0.281833947f, 2.38782835f, 2.28040481f, -0.308661997f } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const ek_philox p = ek__philox(known[i].seed, known[i].seed2);
        float got[4];
        ek__random_normal_f32(&p, 4, got);
        assert_within_ulps(got, known[i].normal, 4, 1);
    }
}

static void truncated_redraws(void **state)
{
    static const float a[] = { -0.0469456799f, -1.20390236f, 1.16683519f, 1.17062044f, 0.716626167f, 0.571133494f };
    static const float b[] = { -0.564489901f, 1.01191211f, 1.4954046f, 1.36375844f, -0.699041963f, 0.358273298f };
    const ek_philox p = ek__philox(87654321, 7), q = ek__philox(42, 4);
    float got[6];

    (void)state;
    ek__random_truncated_f32(&p, 6, got);
    assert_within_ulps(got, a, 6, 1);
    ek__random_truncated_f32(&q, 6, got);
    assert_within_ulps(got, b, 6, 1);
}

static void a_fill_can_begin_inside(void **state)
{
    const ek_philox p = ek__philox(3, 5);
    ek_philox later = p;
    float whole[13], part[5];

    (void)state;
    ek__random_truncated_f32(&p, 13, whole);
    ek__philox_skip(&later, 2 * EK_TRUNCATED_BLOCKS);
    ek__random_truncated_f32(&later, 5, part);
    assert_memory_equal(whole + 8, part, sizeof part);
}

static void integers_cover_their_range(void **state)
{
    const ek_philox p = ek__philox(1, 2);
    int32_t got[200];
    int seen[5] = { 0 };

    (void)state;
    ek__random_int_i32(&p, 200, -2, 5, got);
    for (int i = 0; i < 200; i++) {
        assert_in_range(got[i] + 2, 0, 4);
        seen[got[i] + 2]++;
    }
    for (int i = 0; i < 5; i++) assert_true(seen[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(skipping_carries),
        cmocka_unit_test(uniform_is_exact),
        cmocka_unit_test(normal_is_close),
        cmocka_unit_test(truncated_redraws),
        cmocka_unit_test(a_fill_can_begin_inside),
        cmocka_unit_test(integers_cover_their_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
