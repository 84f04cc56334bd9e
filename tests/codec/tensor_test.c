/* TensorProto both ways: every dtype, repeated values, what is refused, bytes used in place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/tensor.h"

#include "base/file.h"
#include "codec/text.h"
#include "support/support.h"

/* Reads a TensorProto given as text. */
static ek_status read_text(const char *text, ek_array **out, ek_error *err)
{
    ek_tensor_reader r = { NULL, EK_TENSOR_EXPANSION };
    ek_buf b = { .data = NULL };

    *err = (ek_error){ .code = EK_OK };
    *out = NULL;
    if (ek__text_parse(ek__proto(EK_PROTO_TENSOR_PROTO), text, strlen(text), &b, err) != EK_OK) fail_msg("%s", err->text);
    const ek_status st = ek__tensor_read(&r, (ek_span){ (uint8_t *)b.data, b.size }, out, err);
    ek__buf_fini(&b);
    return st;
}

static void values_are_read(void **state)
{
    static const struct { const char *text, *printed; } row[] = {
        { "dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: 1.5", "[1.5 1.5 1.5]" },
        { "dtype: DT_FLOAT tensor_shape { dim { size: 4 } } float_val: [1, 2]", "[1. 2. 2. 2.]" },
        { "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [1, 2, 3]", "[1. 2.]" },
        { "dtype: DT_FLOAT tensor_shape { dim { size: 2 } }", "[0. 0.]" },
        { "dtype: DT_INT32 tensor_shape { dim { size: 0 } }", "[]" },
        { "dtype: DT_INT32 int_val: 7", "7" },
        { "dtype: DT_INT8 tensor_shape { dim { size: 2 } } int_val: [-1, -128]", "[  -1 -128]" },
        { "dtype: DT_UINT8 tensor_shape { dim { size: 2 } } int_val: [255, 1]", "[255   1]" },
        { "dtype: DT_HALF tensor_shape { dim { size: 2 } } half_val: 14336", "[0.5 0.5]" },
        { "dtype: DT_BFLOAT16 tensor_shape { dim { size: 1 } } half_val: 16256", "[1]" },
        { "dtype: DT_COMPLEX64 tensor_shape { dim { size: 2 } } scomplex_val: [1.5, -2]", "[1.5-2.j 1.5-2.j]" },
        { "dtype: DT_COMPLEX128 dcomplex_val: [1, 2]", "(1+2j)" },
        { "dtype: DT_INT64 tensor_shape { dim { size: 2 } } int64_val: [1099511627776, -1]", "[1099511627776            -1]" },
        { "dtype: DT_UINT64 uint64_val: 18446744073709551615", "18446744073709551615" },
        { "dtype: DT_UINT32 uint32_val: 4294967295", "4294967295" },
        { "dtype: DT_BOOL tensor_shape { dim { size: 3 } } bool_val: [true, false]", "[ True False False]" },
        { "dtype: DT_BOOL tensor_shape { dim { size: 2 } } tensor_content: \"\\002\\000\"", "[ True False]" },
        { "dtype: DT_DOUBLE tensor_shape { dim { size: 1 } } tensor_content: \"\\000\\000\\000\\000\\000\\000\\360\\277\"", "[-1.]" },
        { "dtype: DT_STRING tensor_shape { dim { size: 3 } } string_val: 'a' string_val: 'b\\000'", "[b'a' b'b\\x00' b'b\\x00']" },
        { "dtype: DT_STRING tensor_shape { dim { size: 2 } }", "[b'' b'']" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_array *a;
        ek_error err;
        if (read_text(row[i].text, &a, &err) != EK_OK) fail_msg("%s: %s", row[i].text, err.text);
        char *printed = ek_array_str(a);
        assert_string_equal(printed, row[i].printed);
        ek_free(printed);
        ek_array_unref(a);
    }
}

static void refused(void **state)
{
    static const struct { const char *text; ek_status code; const char *message; } row[] = {
        { "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: 'abc'", EK_INVALID_ARGUMENT,
          "Cannot parse tensor from proto: tensor_content has 3 bytes, a float tensor of shape [2] needs 8" },
        { "dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: 'abc'", EK_INVALID_ARGUMENT,
          "Cannot parse tensor from proto: strings do not stand in tensor_content" },
        { "tensor_shape { dim { size: 2 } }", EK_INVALID_ARGUMENT, "Cannot parse tensor from proto: its dtype (?) has no elements" },
        { "dtype: 4096", EK_INVALID_ARGUMENT, "Cannot parse tensor from proto: its dtype (?) has no elements" },
        { "dtype: DT_FLOAT_REF", EK_INVALID_ARGUMENT, "Cannot parse tensor from proto: its dtype (?) has no elements" },
        { "dtype: DT_RESOURCE", EK_INVALID_ARGUMENT, "Cannot parse tensor from proto: its dtype (resource) has no elements" },
        { "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1", EK_INVALID_ARGUMENT,
          "Cannot parse tensor from proto: the shape [?] is not fully known" },
        { "dtype: DT_FLOAT tensor_shape { unknown_rank: true }", EK_INVALID_ARGUMENT,
          "Cannot parse tensor from proto: the shape <unknown> is not fully known" },
        { "dtype: DT_FLOAT tensor_shape { dim { size: -2 } }", EK_INVALID_ARGUMENT,
          "Cannot parse tensor from proto: a shape of more than 16 dimensions, or a dimension below -1" },
        { "dtype: DT_FLOAT tensor_shape { dim [{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}] }", EK_INVALID_ARGUMENT,
          "Cannot parse tensor from proto: a shape of more than 16 dimensions" },
        { "dtype: DT_FLOAT tensor_shape { dim { size: 1099511627776 } } float_val: 1", EK_RESOURCE_EXHAUSTED,
          "Cannot parse tensor from proto: shape [1099511627776] of float takes 4398046511104 bytes where the file holds" },
        { "dtype: DT_FLOAT tensor_shape { dim { size: 4611686018427387904 } dim { size: 4 } }", EK_RESOURCE_EXHAUSTED,
          "Cannot parse tensor from proto: the shape [4611686018427387904,4] has too many elements" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        ek_array *a;
        ek_error err;
        assert_int_equal(read_text(row[i].text, &a, &err), row[i].code);
        assert_null(a);
        if (strncmp(err.text, row[i].message, strlen(row[i].message)) != 0) fail_msg("%s: %s", row[i].text, err.text);
    }
}

static void a_long_string_is_not_repeated_for_ever(void **state)
{
    ek_tensor_reader r = { NULL, 1 << 20 };
    ek_buf b = { .data = NULL }, text = { .data = NULL };
    ek_array *a;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    ek__buf_str(&text, "dtype: DT_STRING tensor_shape { dim { size: 4096 } } string_val: '");
    for (int i = 0; i < 1000; i++) ek__buf_str(&text, "x");
    ek__buf_str(&text, "'");
    assert_int_equal(ek__text_parse(ek__proto(EK_PROTO_TENSOR_PROTO), text.data, text.size, &b, &err), EK_OK);
    assert_int_equal(ek__tensor_read(&r, (ek_span){ (uint8_t *)b.data, b.size }, &a, &err), EK_RESOURCE_EXHAUSTED);
    ek__buf_fini(&b);
    ek__buf_fini(&text);
}

static void every_dtype_both_ways(void **state)
{
    static const struct { ek_dtype dtype; const char *one, *two; } row[] = {
        { EK_FLOAT32, "float_val: 1.5", "tensor_content" }, { EK_INT8, "int_val: -1", "tensor_content" },
        { EK_UINT8, "int_val: 255", "tensor_content" }, { EK_INT16, "int_val: -1", "tensor_content" },
        { EK_UINT16, "int_val: 65535", "tensor_content" }, { EK_INT32, "int_val: -1", "tensor_content" },
        { EK_INT64, "int64_val: -1", "tensor_content" }, { EK_UINT32, "uint32_val: 4294967295", "tensor_content" },
        { EK_UINT64, "uint64_val: 18446744073709551615", "tensor_content" }, { EK_FLOAT16, "half_val: 15872", "tensor_content" },
        { EK_BFLOAT16, "half_val: 16320", "tensor_content" }, { EK_FLOAT64, "double_val: 1.5", "tensor_content" },
        { EK_BOOL, "bool_val: true", "tensor_content" }, { EK_COMPLEX64, "scomplex_val: 1.5\nscomplex_val: 0.0", "tensor_content" },
        { EK_COMPLEX128, "dcomplex_val: 1.5\ndcomplex_val: 0.0", "tensor_content" }, { EK_QUINT8, "int_val: 255", "tensor_content" },
        { EK_QINT32, "int_val: -1", "tensor_content" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(row); i++) {
        for (int64_t n = 0; n < 3; n++) {
            const double real[2] = { 1.5, 1.5 };
            int64_t whole[2] = { -1, -1 };
            ek_array *a = ek_array_of(row[i].dtype, EK_SHAPE(n), NULL), *back;
            ek_buf b = { .data = NULL }, text = { .data = NULL };
            ek_tensor_reader r = { NULL, 0 };
            ek_error err = { .code = EK_OK };
            if (ek_dtype_is_floating(row[i].dtype) || ek_dtype_is_complex(row[i].dtype))
                assert_true(ek__convert(EK_FLOAT64, real, row[i].dtype, a->data, n));
            else
                memcpy(a->data, whole, (size_t)n * ek_dtype_size(row[i].dtype));
            if (row[i].dtype == EK_BOOL) memset(a->data, 1, (size_t)n);
            ek__tensor_write(&b, a, 0);
            const ek_span span = { (uint8_t *)b.data, b.size };
            assert_int_equal(ek__tensor_read(&r, span, &back, &err), EK_OK);
            assert_true(ek__array_equal(a, back));
            assert_int_equal(ek__text_print(ek__proto(EK_PROTO_TENSOR_PROTO), span, 0, &text, &err), EK_OK);
            assert_true((strstr(text.data, row[i].one) != NULL) == (n == 1));
            assert_true((strstr(text.data, row[i].two) != NULL) == (n == 2));
            ek_array_unref(a);
            ek_array_unref(back);
            ek__buf_fini(&b);
            ek__buf_fini(&text);
        }
    }
}

static void a_filled_array_shows_one_value(void **state)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(3), (float[]){ 2, 2, 2 }), *back;
    ek_tensor_reader r = { NULL, 100 };
    ek_buf b = { .data = NULL }, text = { .data = NULL };
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    ek__tensor_write(&b, a, 1);
    const ek_span span = { (uint8_t *)b.data, b.size };
    assert_int_equal(ek__text_print(ek__proto(EK_PROTO_TENSOR_PROTO), span, 0, &text, &err), EK_OK);
    assert_string_equal(text.data, "dtype: DT_FLOAT\ntensor_shape {\n  dim {\n    size: 3\n  }\n}\nfloat_val: 2.0\n");
    assert_int_equal(ek__tensor_read(&r, span, &back, &err), EK_OK);
    assert_true(ek__array_equal(a, back));
    ek_array_unref(a);
    ek_array_unref(back);
    ek__buf_fini(&b);
    ek__buf_fini(&text);
}

static void large_contents_are_used_in_place(void **state)
{
    enum { N = 4096 };
    ek_array *a = ek_array_of(EK_UINT8, EK_SHAPE(N), NULL), *back;
    ek_buf b = { .data = NULL };
    ek_source *source;
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    ek__tensor_write(&b, a, 0);
    assert_int_equal(ek__source_take(&b, &source, &err), EK_OK);
    ek_tensor_reader r = { source, 0 };
    assert_int_equal(ek__tensor_read(&r, (ek_span){ source->data, source->size }, &back, &err), EK_OK);
    assert_true((uint8_t *)back->data > source->data && (uint8_t *)back->data < source->data + source->size);
    ek__source_unref(source); /* the array keeps it */
    assert_true(ek__array_equal(a, back));
    ek_array_unref(a);
    ek_array_unref(back);
}

static void files(void **state)
{
    char path[] = EK_BUILD_DIR "/ek_source_XXXXXX", renamed[sizeof path + 10];
    const int fd = mkstemp(path);
    ek_source *s;
    ek_error err = { .code = EK_OK };
    static char big[(1 << 20) + 5];

    EK_UNUSED(state);
    assert_true(fd >= 0);
    assert_int_equal(ek__file_write(path, "abc", 3, &err), EK_OK);
    assert_int_equal(ek__source_open(path, &s, &err), EK_OK);
    assert_int_equal(s->size, 3);
    assert_memory_equal(s->data, "abc", 3);
    ek__source_unref(s);
    memset(big, 'q', sizeof big);
    assert_int_equal(ek__file_write(path, big, sizeof big, &err), EK_OK);
    assert_int_equal(ek__source_open(path, &s, &err), EK_OK);
    assert_true(s->mapped);
    snprintf(renamed, sizeof renamed, "%s.link", path);
    assert_int_equal(symlink(path, renamed), 0);
    assert_int_equal(ek__file_write(renamed, "", 0, &err), EK_OK); /* what is mapped stays whole, through a link too */
    remove(renamed);
    assert_memory_equal(s->data, big, sizeof big);
    ek__source_unref(s);
    assert_int_equal(ek__source_open(path, &s, &err), EK_OK);
    assert_int_equal(s->size, 0);
    ek__source_unref(s);
    snprintf(renamed, sizeof renamed, "%s/none", path);
    assert_int_equal(ek__source_open(renamed, &s, &err), EK_NOT_FOUND);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__file_write(renamed, "x", 1, &err), EK_NOT_FOUND);
    err = (ek_error){ .code = EK_OK };
    assert_int_equal(ek__source_open("/", &s, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "'/' is not a file");
    remove(path);
}

static void no_memory(void **state)
{
    static const char source[] = "dtype: DT_STRING tensor_shape { dim { size: 3 } } string_val: 'a' string_val: 'b'";
    ek_buf b = { .data = NULL };
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(ek__text_parse(ek__proto(EK_PROTO_TENSOR_PROTO), source, sizeof source - 1, &b, &err), EK_OK);
    char *bytes = malloc(b.size);
    const ek_span span = { (uint8_t *)bytes, b.size };
    memcpy(bytes, b.data, b.size);
    ek__buf_fini(&b);
    for (long k = 1;; k++) {
        ek_test_allocator t;
        ek_tensor_reader r = { NULL, 1000 };
        ek_array *a;
        err = (ek_error){ .code = EK_OK };
        ek_test_allocator_install(&t, k);
        const ek_status st = ek__tensor_read(&r, span, &a, &err);
        ek_array_unref(a);
        ek_test_allocator_remove();
        assert_int_equal(t.live, 0);
        if (st == EK_OK) break;
        assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read), cmocka_unit_test(refused), cmocka_unit_test(a_long_string_is_not_repeated_for_ever),
        cmocka_unit_test(every_dtype_both_ways), cmocka_unit_test(a_filled_array_shows_one_value),
        cmocka_unit_test(large_contents_are_used_in_place), cmocka_unit_test(files), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
