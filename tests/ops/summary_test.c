/* Elements as text, against what TensorFlow's Assert shows. */
#include "support/support.h"

#include <math.h>

#include "ops/summary.h"

static void expect(ek_dtype t, ek_shape shape, const void *data, int64_t limit, const char *text)
{
    ek_buf b = { 0 };

    ek__buf_str(&b, "");
    ek__summary(&b, t, &shape, data, limit);
    assert_false(b.failed);
    assert_string_equal(b.data, text);
    ek__buf_fini(&b);
}

static void test_rows(void **state)
{
    const int32_t v[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

    EK_UNUSED(state);
    expect(EK_INT32, EK_SHAPE(2, 2), v, -1, "[0 1][2 3]");
    expect(EK_INT32, EK_SHAPE(2, 2), v, 3, "[0 1][2...]...");
    expect(EK_INT32, EK_SHAPE(2, 2), v, 2, "[0 1]...");
    expect(EK_INT32, EK_SHAPE(2, 3), v, 2, "[0 1...]...");
    expect(EK_INT32, EK_SHAPE(2, 2, 2), v, 5, "[[0 1][2 3]][[4...]]...");
    expect(EK_INT32, EK_SHAPE(2, 2, 2), v, 4, "[[0 1][2 3]]...");
    expect(EK_INT32, EK_SHAPE(5), v, 3, "0 1 2...");
    expect(EK_INT32, EK_SHAPE(0), v, 3, "");
    expect(EK_INT32, EK_SHAPE(2, 0), v, 3, "");
    expect(EK_INT32, EK_SCALAR, v, 0, "...");
}

static void test_elements(void **state)
{
    const float f[] = { 1.5f, 0.1f, 1e10f, (float)NAN, (float)INFINITY, 1.0f / 3.0f };
    const double d[] = { 0.1, 1.0 / 3.0 };
    const bool b[] = { true, false };
    const int8_t i[] = { -3 };
    const uint16_t h[] = { 0x2e66 };
    const ek_string s[] = { { (char *)(uintptr_t)"a\"\n\x01\x7f", 5 }, { (char *)(uintptr_t)"x'", 2 } };

    EK_UNUSED(state);
    expect(EK_FLOAT32, EK_SHAPE(6), f, -1, "1.5 0.1 1e+10 nan inf 0.333333343");
    expect(EK_FLOAT64, EK_SHAPE(2), d, -1, "0.1 0.33333333333333331");
    expect(EK_BOOL, EK_SHAPE(2), b, 3, "1 0");
    expect(EK_INT8, EK_SHAPE(1), i, 3, "-3");
    expect(EK_FLOAT16, EK_SHAPE(1), h, 3, "0.0999755859");
    expect(EK_STRING, EK_SHAPE(2), s, 3, "a\\\"\\n\\001\\177 x\\'");
    expect(EK_COMPLEX64, EK_SHAPE(1), f, 3, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_elements) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
