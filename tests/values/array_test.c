/* Shapes, arrays, conversions. */
#include "values/array.h"

#include <math.h>
#include <stdlib.h>

#include "support/support.h"

static void shapes_merge_and_contradict(void **state)
{
    const ek_shape unknown = EK_UNKNOWN_SHAPE, scalar = EK_SCALAR, a = EK_SHAPE(-1, 3), b = EK_SHAPE(2, -1),
                   c = EK_SHAPE(2, 4);
    ek_shape out = scalar;

    EK_UNUSED(state);
    assert_true(ek_shape_merge(&a, &b, &out) && out.rank == 2 && out.dim[0] == 2 && out.dim[1] == 3);
    assert_true(ek_shape_merge(&unknown, &b, &out) && ek_shape_equal(&out, &b));
    assert_true(ek_shape_merge(&b, &unknown, &out) && ek_shape_equal(&out, &b));
    assert_true(ek_shape_merge(&unknown, &unknown, &out) && out.rank == -1);
    out = scalar;
    assert_false(ek_shape_merge(&a, &c, &out));
    assert_false(ek_shape_merge(&a, &scalar, &out));
    assert_int_equal(out.rank, 0);
    assert_true(ek_shape_compatible(&b, &c) && !ek_shape_compatible(&a, &c) && ek_shape_compatible(&unknown, &c));
    assert_false(ek_shape_equal(&unknown, &a));
    assert_true(ek_shape_equal(&unknown, &unknown));
    assert_int_equal(ek_shape_count(&a), -1);
    assert_int_equal(ek_shape_count(&unknown), -1);
    assert_int_equal(ek_shape_count(&scalar), 1);
    assert_int_equal(ek_shape_count(&c), 8);
    assert_int_equal(ek_shape_count(&EK_SHAPE(INT64_MAX, 2)), INT64_MAX);
    assert_int_equal(ek_shape_count(&EK_SHAPE(INT64_MAX, 2, 0)), 0);
}

static void shapes_print_in_both_languages(void **state)
{
    static const struct { ek_shape shape; const char *py, *cc; } cases[] = {
        { { .dim = { -1, 1 }, .rank = 2 }, "(?, 1)", "[?,1]" }, { { .dim = { 3 }, .rank = 1 }, "(3,)", "[3]" },
        { { .rank = 0 }, "()", "[]" }, { { .rank = -1 }, "<unknown>", "<unknown>" },
        { { .dim = { -1 }, .rank = 1 }, "(?,)", "[?]" }, { { .dim = { 2, 3, 4 }, .rank = 3 }, "(2, 3, 4)", "[2,3,4]" },
    };
    char buf[400];
    ek_shape most = { .rank = EK_MAX_RANK };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        assert_int_equal(ek_shape_format(&cases[i].shape, buf, sizeof buf), strlen(cases[i].py));
        assert_string_equal(buf, cases[i].py);
        assert_int_equal(ek_shape_format_cc(&cases[i].shape, buf, sizeof buf), strlen(cases[i].cc));
        assert_string_equal(buf, cases[i].cc);
    }
    assert_int_equal(ek_shape_format(&cases[0].shape, buf, 3), 6);
    assert_string_equal(buf, "(?");
    for (int i = 0; i < EK_MAX_RANK; i++) most.dim[i] = INT64_MAX;
    assert_int_equal(ek_shape_format(&most, buf, sizeof buf), 16 * 19 + 15 * 2 + 2);
}

static void an_array_copies_or_zeroes(void **state)
{
    float data[] = { 1, 2, 3 };
    ek_array *a, *b;

    EK_UNUSED(state);
    a = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 1), data);
    data[0] = 9;
    assert_non_null(a);
    assert_true(ek_array_f32(a)[0] == 1 && ek_array_f32(a)[2] == 3);
    assert_int_equal((uintptr_t)ek_array_data(a) % 64, 0);
    assert_int_equal(ek_array_rank(a), 2);
    assert_int_equal(ek_array_dim(a, -2), 3);
    assert_int_equal(ek_array_dim(a, 2), -1);
    assert_int_equal(ek_array_bytes(a), 12);
    assert_null(ek_array_i32(a));
    assert_string_equal(ek_last_error()->text, "an array of int32 was expected, found float32");
    assert_int_equal(ek_array_copy(a, &b), EK_OK);
    assert_true(ek__array_equal(a, b));
    ek_array_f32(b)[1] = -0.0f;
    assert_false(ek__array_equal(a, b));
    ek_array_unref(b);
    ek_array_unref(a);
    a = ek_array_of(EK_INT64, EK_SHAPE(0, 5), NULL);
    assert_int_equal(ek_array_count(a), 0);
    assert_non_null(ek_array_data(a));
    ek_array_unref(a);
    a = ek_array_of(EK_INT64, EK_SCALAR, NULL);
    assert_int_equal(ek_array_i64(a)[0], 0);
    assert_ptr_equal(ek_array_ref(a), a);
    ek_array_unref(a);
    ek_array_unref(a);
    assert_null(ek_array_ref(NULL));
    ek_array_unref(NULL);
    assert_null(ek_array_data(NULL));
}

static void what_cannot_be_an_array_is_refused(void **state)
{
    ek_array *a = NULL;

    EK_UNUSED(state);
    assert_int_equal(ek_array_create(EK_DTYPE_NONE, EK_SCALAR, NULL, &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_create((ek_dtype)99, EK_SCALAR, NULL, &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_create(ek_dtype_ref(EK_FLOAT32), EK_SCALAR, NULL, &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_create(EK_RESOURCE, EK_SCALAR, NULL, &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_create(EK_FLOAT32, EK_SHAPE(-1, 2), NULL, &a), EK_INVALID_ARGUMENT);
    assert_string_equal(ek_last_error()->text, "an array needs a shape without unknown dimensions, found (?, 2)");
    assert_int_equal(ek_array_create(EK_FLOAT32, (ek_shape){ .rank = 17 }, NULL, &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_create(EK_FLOAT32, EK_SHAPE(1 << 30, 1 << 30, 1 << 30), NULL, &a), EK_RESOURCE_EXHAUSTED);
    assert_int_equal(ek_array_create(EK_UINT8, EK_SHAPE(((int64_t)1 << 46) + 1), NULL, &a), EK_RESOURCE_EXHAUSTED);
    assert_null(a);
    assert_null(ek_array_of(EK_VARIANT, EK_SCALAR, NULL));
}

static void note(void *arg, void *data)
{
    *(void **)arg = data;
}

static void wrapped_memory_is_released_once(void **state)
{
    double data[4] = { 1, 2, 3, 4 };
    void *released = NULL;
    ek_array *a;

    EK_UNUSED(state);
    assert_int_equal(ek_array_wrap(EK_FLOAT64, EK_SHAPE(2, 2), data, note, &released, &a), EK_OK);
    assert_ptr_equal(ek_array_data(a), data);
    ek_array_unref(ek_array_ref(a));
    assert_null(released);
    ek_array_unref(a);
    assert_ptr_equal(released, data);
    assert_int_equal(ek_array_wrap(EK_FLOAT64, EK_SHAPE(1), (char *)data + 4, NULL, NULL, &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_wrap(EK_FLOAT64, EK_SHAPE(1), NULL, NULL, NULL, &a), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_wrap(EK_COMPLEX64, EK_SHAPE(1), (char *)data + 4, NULL, NULL, &a), EK_OK);
    ek_array_unref(a);
    assert_int_equal(ek_array_wrap(EK_FLOAT64, EK_SHAPE(0), NULL, NULL, NULL, &a), EK_OK);
    ek_array_unref(a);
}

static void strings_are_owned(void **state)
{
    char text[] = "abc";
    const ek_string data[] = { { text, 3 }, { NULL, 0 } };
    ek_array *a = ek_array_of(EK_STRING, EK_SHAPE(2), data), *b;

    EK_UNUSED(state);
    text[0] = 'x';
    assert_memory_equal(((ek_string *)ek_array_data(a))[0].data, "abc", 4);
    assert_int_equal(ek_array_set_string(a, 1, "\0q", 2), EK_OK);
    assert_int_equal(ek_array_set_string(a, 2, "q", 1), EK_OUT_OF_RANGE);
    assert_int_equal(ek_array_set_string(a, 0, NULL, 1), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_copy(a, &b), EK_OK);
    assert_true(ek__array_equal(a, b));
    assert_int_equal(ek_array_set_string(b, 1, "\0r", 2), EK_OK);
    assert_false(ek__array_equal(a, b));
    ek_array_unref(a);
    ek_array_unref(b);
    a = ek_array_of(EK_INT8, EK_SCALAR, NULL);
    assert_int_equal(ek_array_set_string(a, 0, "q", 1), EK_INVALID_ARGUMENT);
    ek_array_unref(a);
}

static void elements_read_as_double(void **state)
{
    const uint16_t half = 0x3e00;
    ek_array *a = ek_array_of(EK_FLOAT16, EK_SCALAR, &half), *b = ek_array_of(EK_STRING, EK_SCALAR, NULL),
             *c = ek_array_of(EK_INT8, EK_SHAPE(2), (int8_t[]){ -3, 7 });

    EK_UNUSED(state);
    assert_true(ek_array_get(a, 0) == 1.5);
    assert_true(isnan(ek_array_get(a, 1)) && isnan(ek_array_get(a, -1)) && isnan(ek_array_get(b, 0)));
    assert_true(ek_array_get(c, 0) == -3);
    assert_int_equal(ek__array_int(c, 1), 7);
    ek_array_unref(a);
    ek_array_unref(b);
    ek_array_unref(c);
}

#define CONVERTS(FROM, CFROM, x, TO, CTO, want)                                      \
    do {                                                                             \
        const CFROM in_ = (CFROM)(x);                                                \
        CTO out_;                                                                    \
        assert_true(ek__convert(FROM, &in_, TO, &out_, 1));                          \
        assert_true(out_ == (CTO)(want));                                            \
    } while (0)

static void numbers_convert(void **state)
{
    EK_UNUSED(state);
    CONVERTS(EK_FLOAT32, float, 2.9f, EK_INT32, int32_t, 2);
    CONVERTS(EK_FLOAT32, float, -2.9f, EK_INT32, int32_t, -2);
    CONVERTS(EK_FLOAT32, float, -2.9f, EK_INT8, int8_t, -2);
    CONVERTS(EK_FLOAT64, double, 1e20, EK_INT32, int32_t, INT32_MIN);
    CONVERTS(EK_FLOAT64, double, NAN, EK_INT64, int64_t, INT64_MIN);
    CONVERTS(EK_FLOAT64, double, -1, EK_UINT64, uint64_t, UINT64_MAX);
    CONVERTS(EK_FLOAT64, double, 1.8e19, EK_UINT64, uint64_t, 18000000000000000000u);
    CONVERTS(EK_FLOAT64, double, 4e9, EK_UINT32, uint32_t, 4000000000u);
    CONVERTS(EK_FLOAT64, double, 300, EK_UINT8, uint8_t, 44);
    CONVERTS(EK_FLOAT32, float, NAN, EK_BOOL, uint8_t, 1);
    CONVERTS(EK_FLOAT32, float, -0.0f, EK_BOOL, uint8_t, 0);
    CONVERTS(EK_INT64, int64_t, INT64_MAX, EK_FLOAT32, float, 0x1p63f);
    CONVERTS(EK_INT64, int64_t, 9007199791611905, EK_FLOAT32, float, 9007200328482816.0f);
    CONVERTS(EK_UINT64, uint64_t, UINT64_MAX, EK_FLOAT64, double, 0x1p64);
    CONVERTS(EK_INT64, int64_t, 0x1ffffffff, EK_INT32, int32_t, -1);
    CONVERTS(EK_INT8, int8_t, -1, EK_UINT64, uint64_t, UINT64_MAX);
    CONVERTS(EK_BOOL, uint8_t, 1, EK_FLOAT16, uint16_t, 0x3c00);
    CONVERTS(EK_UINT8, uint8_t, 200, EK_INT8, int8_t, -56);
    CONVERTS(EK_FLOAT64, double, 1 + 0x1p-11 + 0x1p-40, EK_FLOAT16, uint16_t, 0x3c01);
    CONVERTS(EK_FLOAT64, double, 0.1, EK_FLOAT32, float, 0.1f);
    CONVERTS(EK_BFLOAT16, uint16_t, 0x3fc0, EK_FLOAT64, double, 1.5);
    CONVERTS(EK_QINT8, int8_t, -3, EK_INT32, int32_t, -3);
}

static void complex_numbers_convert(void **state)
{
    float in[600], out[1200], back[600];
    double wide[1200];
    uint8_t truth[2];

    EK_UNUSED(state);
    for (int i = 0; i < 600; i++) in[i] = (float)i - 300;
    assert_true(ek__convert(EK_FLOAT32, in, EK_COMPLEX64, out, 600));
    for (int i = 0; i < 600; i++) assert_true(out[2 * i] == in[i] && out[2 * i + 1] == 0);
    assert_true(ek__convert(EK_COMPLEX64, out, EK_COMPLEX128, wide, 600));
    assert_true(ek__convert(EK_COMPLEX128, wide, EK_FLOAT32, back, 600));
    assert_memory_equal(back, in, sizeof in);
    assert_true(ek__convert(EK_COMPLEX128, (double[]){ 0, 0, 0, -1 }, EK_BOOL, truth, 2));
    assert_true(truth[0] == 0 && truth[1] == 1);
    assert_false(ek__convert(EK_STRING, in, EK_BOOL, truth, 1));
    assert_false(ek__convert(EK_BOOL, truth, EK_RESOURCE, in, 1));
}

/* What a failed call left behind may be looked at. */
static void no_array_is_nothing(void **state)
{
    ek_array *copy = NULL;

    EK_UNUSED(state);
    assert_null(ek_array_str(NULL));
    assert_null(ek_array_repr(NULL));
    assert_int_equal(ek_array_dtype(NULL), EK_DTYPE_NONE);
    assert_int_equal(ek_array_shape(NULL)->rank, -1);
    assert_int_equal(ek_array_rank(NULL), -1);
    assert_int_equal(ek_array_dim(NULL, 0), -1);
    assert_int_equal(ek_array_count(NULL), 0);
    assert_int_equal(ek_array_bytes(NULL), 0);
    assert_int_equal(ek_array_copy(NULL, &copy), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_npy_save("none.npy", NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_npy_load(NULL, &copy), EK_INVALID_ARGUMENT);
}

static void a_rank_beyond_the_limit_is_never_followed(void **state)
{
    const ek_shape wide = { .rank = 100000 };
    char text[64];

    EK_UNUSED(state);
    assert_false(ek_shape_is_known(&wide));
    assert_int_equal(ek_shape_count(&wide), -1);
    assert_true(ek_shape_equal(&wide, &wide));
    assert_true(ek_shape_compatible(&wide, &wide));
    assert_true(ek_shape_format(&wide, text, sizeof text) > 0);
}

static void without_memory_arrays_say_so(void **state)
{
    const ek_string data[] = { { (char *)(uintptr_t)"abc", 3 }, { (char *)(uintptr_t)"d", 1 } };
    ek_test_allocator t;

    EK_UNUSED(state);
    for (long k = 1; k <= 5; k++) {
        ek_array *a = NULL, *w = NULL;
        float x = 0;

        ek_test_allocator_install(&t, k);
        const ek_status st = ek_array_create(EK_STRING, EK_SHAPE(2), data, &a);
        assert_int_equal(st, k <= 3 ? EK_RESOURCE_EXHAUSTED : EK_OK);
        if (k == 4) assert_int_equal(ek_array_wrap(EK_FLOAT32, EK_SCALAR, &x, NULL, NULL, &w), EK_RESOURCE_EXHAUSTED);
        ek_array_unref(a);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_merge_and_contradict),
        cmocka_unit_test(shapes_print_in_both_languages),
        cmocka_unit_test(an_array_copies_or_zeroes),
        cmocka_unit_test(what_cannot_be_an_array_is_refused),
        cmocka_unit_test(wrapped_memory_is_released_once),
        cmocka_unit_test(strings_are_owned),
        cmocka_unit_test(elements_read_as_double),
        cmocka_unit_test(numbers_convert),
        cmocka_unit_test(complex_numbers_convert),
        cmocka_unit_test(no_array_is_nothing),
        cmocka_unit_test(a_rank_beyond_the_limit_is_never_followed),
        cmocka_unit_test(without_memory_arrays_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
