/* Pictures: every form of PNG comes back pixel by pixel; numbers become pixels as in TensorFlow. */
#include "codec/picture.h"

#include <math.h>
#include <stdlib.h>

#include "support/png.h"
#include "support/support.h"

static void pictures_come_back(void **state)
{
    static const int depths[] = { 1, 3, 4 };
    static const int sizes[][2] = { { 1, 1 }, { 1, 300 }, { 200, 1 }, { 7, 5 }, { 250, 130 } };

    EK_UNUSED(state);
    for (int d = 0; d < EK_COUNT_OF(depths); d++) {
        for (int s = 0; s < EK_COUNT_OF(sizes); s++) {
            const int height = sizes[s][0], width = sizes[s][1];
            const size_t n = (size_t)(height * width * depths[d]);
            uint8_t *pixels = malloc(n);
            ek_error err = { .code = EK_OK };
            ek_buf b = { 0 };

            for (size_t i = 0; i < n; i++) pixels[i] = (uint8_t)(i * i * 31 >> 3);
            assert_int_equal(ek__png_put(&b, pixels, height, width, depths[d], &err), EK_OK);
            test_png png = test_png_read(b.data, b.size);
            assert_true(png.width == width && png.height == height && png.depth == depths[d]);
            assert_memory_equal(png.pixels, pixels, n);
            free(png.pixels);
            free(pixels);
            ek__buf_fini(&b);
        }
    }
}

static void no_pixels_are_no_picture(void **state)
{
    const uint8_t pixel[4] = { 0 };
    ek_buf b = { 0 };

    EK_UNUSED(state);
    assert_int_equal(ek__png_put(&b, pixel, 0, 1, 1, &(ek_error){ .code = EK_OK }), EK_INVALID_ARGUMENT);
    assert_int_equal(ek__png_put(&b, pixel, 1, (int64_t)1 << 31, 1, &(ek_error){ .code = EK_OK }), EK_INVALID_ARGUMENT);
    ek__buf_fini(&b);
}

/* TensorFlow's own numbers. */
static void numbers_become_pixels_as_in_tensorflow(void **state)
{
    static const uint8_t bad[4] = { 255, 0, 0, 255 };
    static const float f[] = { -2, -1, 0, 0.5f, 1, NAN };
    static const double d[] = { 0, 1.0 / 3, 0.1, 0.7 };
    static const float h[] = { 0, 1, 2, 0.25f, 3, 0.5f, INFINITY, 0, 0, 1, 1, 1 };
    static const uint8_t want_f[] = { 1, 64, 128, 159, 191, 255 }, want_d[] = { 0, 121, 36, 254 };
    static const uint8_t want_h[] = { 0, 85, 170, 21, 255, 42, 255, 0, 0, 85, 85, 85 };
    uint16_t half[12];
    uint8_t out[12];

    EK_UNUSED(state);
    for (int i = 0; i < 12; i++) half[i] = ek_float_to_float16(h[i]);
    ek__pixels_of(EK_FLOAT32, f, 6, 1, bad, out);
    assert_memory_equal(out, want_f, 6);
    ek__pixels_of(EK_FLOAT64, d, 4, 1, bad, out);
    assert_memory_equal(out, want_d, 4);
    ek__pixels_of(EK_FLOAT16, half, 4, 3, bad, out);
    assert_memory_equal(out, want_h, 12);
    ek__pixels_of(EK_UINT8, want_h, 4, 3, bad, out);
    assert_memory_equal(out, want_h, 12);
}

static void nothing_to_scale_by_is_black(void **state)
{
    static const uint8_t bad[4] = { 9, 8, 7, 6 };
    const float small[] = { 0, 1e-7f }, none[] = { NAN, INFINITY };
    uint8_t out[2];

    EK_UNUSED(state);
    ek__pixels_of(EK_FLOAT32, small, 2, 1, bad, out);
    assert_true(out[0] == 0 && out[1] == 0);
    ek__pixels_of(EK_FLOAT32, none, 2, 1, bad, out);
    assert_true(out[0] == 9 && out[1] == 9);
}

static ek_status write_one(void)
{
    static const uint8_t pixels[3000] = { 1, 2, 3 };
    ek_buf b = { 0 };
    const ek_status st = ek__png_put(&b, pixels, 100, 10, 3, &(ek_error){ .code = EK_OK });

    ek__buf_fini(&b);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(write_one, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_come_back),
        cmocka_unit_test(no_pixels_are_no_picture),
        cmocka_unit_test(numbers_become_pixels_as_in_tensorflow),
        cmocka_unit_test(nothing_to_scale_by_is_black),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
