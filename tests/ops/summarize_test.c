/* Summaries, byte for byte as TensorFlow writes them. */
#include <stdlib.h>

#include "ops/one_op.h"
#include "support/png.h"

static ek_array *string_of(const char *data, size_t size)
{
    ek_array *a = ek_array_of(EK_STRING, EK_SCALAR, NULL);

    assert_true(ek__string_set(ek_array_data(a), data, size));
    return a;
}
#define TEXT(s) string_of((s), sizeof(s) - 1)

static ek_array *strings(int64_t n, const char *const *text)
{
    ek_array *a = ek_array_of(EK_STRING, EK_SHAPE(n), NULL);

    for (int64_t i = 0; i < n; i++) assert_true(ek__string_set((ek_string *)ek_array_data(a) + i, text[i], strlen(text[i])));
    return a;
}

/* Takes the array. */
static void expect_hex(ek_array *got, const char *hex)
{
    const ek_string *s = ek_array_cdata(got);
    char text[1000] = "";

    assert_int_equal(ek_array_count(got), 1);
    for (size_t i = 0; i < s->size; i++) snprintf(text + 2 * i, sizeof text - 2 * i, "%02x", (unsigned char)s->data[i]);
    assert_string_equal(text, hex);
    ek_array_unref(got);
}

static void scalars(void **state)
{
    ek_array *tags = strings(2, (const char *const[]){ "a", "" }), *out;
    ek_array *f = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1.5f, 0 }), *one = TEXT("a"), *three = ek_array_of(EK_INT64, EK_SCALAR, (int64_t[]){ 3 });

    (void)state;
    run_op("ScalarSummary", NO_ATTRS, INPUTS(tags, f), 1, &out);
    expect_hex(out, "0a080a0161150000c03f0a051500000000");
    run_op("ScalarSummary", NO_ATTRS, INPUTS(one, three), 1, &out);
    expect_hex(out, "0a080a01611500004040");
    refuse_op("ScalarSummary", NO_ATTRS, INPUTS(one, f), 1, EK_INVALID_ARGUMENT,
              "tags and values are not the same shape: [] != [2] (tag 'a')");
    ek_array_unref(tags);
    ek_array_unref(f);
    ek_array_unref(one);
    ek_array_unref(three);
}

static void histogram(const char *tag, ek_dtype t, int64_t n, const void *v, const char *hex)
{
    ek_array *name = string_of(tag, strlen(tag)), *x = ek_array_of(t, EK_SHAPE(n), v), *out;

    run_op("HistogramSummary", NO_ATTRS, INPUTS(name, x), 1, &out);
    expect_hex(out, hex);
    ek_array_unref(name);
    ek_array_unref(x);
}

static void histograms(void **state)
{
    ek_array *tag = TEXT("h"), *many = strings(1, (const char *const[]){ "h" });
    ek_array *nan = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1, NAN }), *inf = ek_array_of(EK_FLOAT16, EK_SHAPE(1), (uint16_t[]){ 0xfc00 });

    (void)state;
    histogram("h", EK_FLOAT64, 5, (double[]){ 0, 1, 1, -2.5, 3e300 },
              "0ab7010a01682ab1010900000000000004c011355800662deb517e19000000000000144021355800662deb517e29000000000000f07f3240ea360f76a3ef04"
              "c077603c0e660803c0000000000000000011ea2d819997713d08996919155aed3f2b14facdbe24f03f4c549f0223831544ffffffffffffef7f3a4000000000"
              "00000000000000000000f03f0000000000000000000000000000f03f000000000000000000000000000000400000000000000000000000000000f03f");
    histogram("h", EK_FLOAT32, 0, NULL, "0a2b0a01682a2609ffffffffffffef7f11ffffffffffffefff3208ffffffffffffef7f3a080000000000000000");
    histogram("", EK_FLOAT64, 1, (double[]){ -1e-13 },
              "0a632a610982764968c2253cbd1182764968c2253cbd19000000000000f03f2182764968c2253cbd2914cbaec440c2883a321811ea2d81999771bd00000000"
              "00000000ffffffffffffef7f3a180000000000000000000000000000f03f0000000000000000");
    refuse_op("HistogramSummary", NO_ATTRS, INPUTS(many, nan), 1, EK_INVALID_ARGUMENT, "tags must be scalar");
    refuse_op("HistogramSummary", NO_ATTRS, INPUTS(tag, nan), 1, EK_INVALID_ARGUMENT, "Nan in summary histogram for: ");
    refuse_op("HistogramSummary", NO_ATTRS, INPUTS(tag, inf), 1, EK_INVALID_ARGUMENT, "Infinity in Histogram for: ");
    ek_array *const all[] = { tag, many, nan, inf };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

/* In several parts: counts and sums are those of all. Half the numbers are 1, half -1; the largest comes last. */
static void long_histograms(void **state)
{
    enum { N = 300001 };
    ek_array *tag = TEXT("h"), *x = ek_array_of(EK_INT32, EK_SHAPE(N), NULL), *out;
    double num, sum, max;

    (void)state;
    for (int i = 0; i < N; i++) ek_array_i32(x)[i] = i == N - 1 ? 7 : i % 2 == 0 ? 1 : -1;
    run_op("HistogramSummary", NO_ATTRS, INPUTS(tag, x), 1, &out);
    const ek_string *s = ek_array_cdata(out);
    /* value 0a .. .., tag 0a 01 68, histogram 2a .. .., min 09 and 8 bytes, max 11, num 19, sum 21 */
    memcpy(&max, s->data + 3 + 3 + 3 + 9 + 1, sizeof max);
    memcpy(&num, s->data + 3 + 3 + 3 + 18 + 1, sizeof num);
    memcpy(&sum, s->data + 3 + 3 + 3 + 27 + 1, sizeof sum);
    assert_true(max == 7 && num == N && sum == 7);
    ek_array_unref(tag);
    ek_array_unref(x);
    ek_array_unref(out);
}

static void merging(void **state)
{
    ek_array *a = TEXT("\x0a\x08\x0a\x01\x61\x15\0\0\0\x40"), *b = TEXT("\x0a\x08\x0a\x01\x62\x15\0\0\x40\x40"), *out;
    ek_array *cut = TEXT("\x0a\x05\x61"), *inner = TEXT("\x0a\x02\x0a\x05"), *nothing = TEXT("");

    (void)state;
    run_op("MergeSummary", NO_ATTRS, INPUTS(a, nothing, b), 1, &out);
    expect_hex(out, "0a080a016115000000400a080a01621500004040");
    refuse_op("MergeSummary", NO_ATTRS, INPUTS(a, cut), 1, EK_INVALID_ARGUMENT, "Could not parse one of the summary inputs");
    refuse_op("MergeSummary", NO_ATTRS, INPUTS(a, inner), 1, EK_INVALID_ARGUMENT, "Could not parse one of the summary inputs");
    refuse_op("MergeSummary", NO_ATTRS, INPUTS(a, b, a), 1, EK_INVALID_ARGUMENT, "Duplicate tag a found in summary inputs");
    ek_array *const all[] = { a, b, cut, inner, nothing };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

/* What TensorFlow gives, to the byte. */
static void tensors(void **state)
{
    ek_array *tag = TEXT("t"), *none = TEXT(""), *text = TEXT("\n\x06\n\x04text"), *bad = TEXT("\n\x06\n"), *out;
    ek_array *one = ek_array_of(EK_FLOAT32, EK_SCALAR, (float[]){ 2 }), *two = ek_array_of(EK_INT64, EK_SHAPE(2), (int64_t[]){ 1, 2 });
    ek_array *empty = ek_array_of(EK_FLOAT64, EK_SHAPE(0, 3), NULL), *words = strings(2, (const char *const[]){ "a", "" });

    (void)state;
    run_op("TensorSummaryV2", NO_ATTRS, INPUTS(tag, one, none), 1, &out);
    expect_hex(out, "0a110a0174420a080112002204000000404a00");
    run_op("TensorSummaryV2", NO_ATTRS, INPUTS(tag, two, none), 1, &out);
    expect_hex(out, "0a210a0174421a08091204120208022210010000000000000002000000000000004a00");
    run_op("TensorSummaryV2", NO_ATTRS, INPUTS(tag, empty, none), 1, &out);
    expect_hex(out, "0a110a0174420a080212061200120208034a00");
    run_op("TensorSummaryV2", NO_ATTRS, INPUTS(tag, words, text), 1, &out);
    expect_hex(out, "0a1c0a0174420d080712041202080242016142004a080a060a0474657874");
    refuse_op("TensorSummaryV2", NO_ATTRS, INPUTS(words, one, none), 1, EK_INVALID_ARGUMENT, "tag must be scalar");
    refuse_op("TensorSummaryV2", NO_ATTRS, INPUTS(tag, one, bad), 1, EK_INVALID_ARGUMENT, "Could not parse the summary metadata");
    ek_array *const all[] = { tag, none, text, bad, one, two, empty, words };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

/* Tag, size and pixels of image i of a summary. */
static void expect_image(const ek_array *summary, int i, const char *tag, int depth, const uint8_t *pixels, size_t n)
{
    const ek_string *s = ek_array_cdata(summary);
    const char *at = s->data, *end = s->data + s->size;

    for (int k = 0; k <= i; k++, at++) assert_non_null(at = memmem(at, (size_t)(end - at), "\x89PNG", 4));
    const char *png = at - 1, *next = memmem(png, (size_t)(end - png), "IEND\xae\x42\x60\x82", 8);
    assert_non_null(next);
    test_png got = test_png_read(png, (size_t)(next + 8 - png));
    assert_int_equal(got.depth, depth);
    assert_int_equal(got.width * got.height * depth, n);
    assert_memory_equal(got.pixels, pixels, n);
    free(got.pixels);
    assert_non_null(memmem(s->data, s->size, tag, strlen(tag)));
}

static void images(void **state)
{
    const float numbers[] = { -2, -1, 0, 0.5f, 1, NAN };
    ek_array *tag = TEXT("p"), *gray = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 2, 3, 1), numbers), *out;
    ek_array *rgb = ek_array_of(EK_UINT8, EK_SHAPE(3, 1, 1, 3), (uint8_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 9 });

    (void)state;
    run_op("ImageSummary", ATTRS(ATTR_INT("max_images", 1)), INPUTS(tag, gray), 1, &out);
    expect_image(out, 0, "\x0a\x07p/image\x22", 1, (uint8_t[]){ 1, 64, 128, 159, 191, 255 }, 6);
    ek_array_unref(out);
    run_op("ImageSummary", ATTRS(ATTR_INT("max_images", 2)), INPUTS(tag, rgb), 1, &out);
    expect_image(out, 0, "p/image/0", 3, (uint8_t[]){ 1, 2, 3 }, 3);
    expect_image(out, 1, "p/image/1", 3, (uint8_t[]){ 4, 5, 6 }, 3);
    assert_null(memmem(((const ek_string *)ek_array_cdata(out))->data, ((const ek_string *)ek_array_cdata(out))->size, "p/image/2", 9));
    ek_array *const all[] = { out, tag, gray, rgb };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

static void what_is_no_image_is_refused(void **state)
{
    ek_array *tag = TEXT("p"), *tags = strings(2, (const char *const[]){ "a", "b" });
    ek_array *flat = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 2), NULL), *two = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 2, 2, 2), NULL);
    ek_array *empty = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 0, 2, 1), NULL), *rgba = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 1, 2, 4), NULL);
    ek_array *three = ek_array_of(EK_UINT8, EK_SHAPE(3), NULL), *floats = ek_array_of(EK_FLOAT32, EK_SHAPE(4), NULL);
    const ek_attr few = { "bad_color", { .kind = EK_ATTR_TENSOR, .u.tensor = three } };
    const ek_attr wrong = { "bad_color", { .kind = EK_ATTR_TENSOR, .u.tensor = floats } };

    (void)state;
    refuse_op("ImageSummary", NO_ATTRS, INPUTS(tag, flat), 1, EK_INVALID_ARGUMENT, "Tensor must be 4-D with last dim 1, 3, or 4, not [2,2]");
    refuse_op("ImageSummary", NO_ATTRS, INPUTS(tag, two), 1, EK_INVALID_ARGUMENT, "Tensor must be 4-D with last dim 1, 3, or 4, not [1,2,2,2]");
    refuse_op("ImageSummary", NO_ATTRS, INPUTS(tag, empty), 1, EK_INVALID_ARGUMENT, "input tensor must have non-zero dims. Found: [1,0,2,1]");
    refuse_op("ImageSummary", NO_ATTRS, INPUTS(tags, rgba), 1, EK_INVALID_ARGUMENT, "Tags must be a scalar");
    refuse_op("ImageSummary", &few, 1, INPUTS(tag, rgba), 1, EK_INVALID_ARGUMENT,
              "expected depth <= bad_color.size, got depth = 4, bad_color.size = 3");
    refuse_op("ImageSummary", &wrong, 1, INPUTS(tag, rgba), 1, EK_INVALID_ARGUMENT, "bad_color must be uint8, got float");
    ek_array *const all[] = { tag, tags, flat, two, empty, rgba, three, floats };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars), cmocka_unit_test(histograms), cmocka_unit_test(long_histograms), cmocka_unit_test(merging),
        cmocka_unit_test(tensors), cmocka_unit_test(images), cmocka_unit_test(what_is_no_image_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
