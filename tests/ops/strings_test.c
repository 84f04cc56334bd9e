/* Strings joined, measured, cut, as numbers, as bytes. Expectations are what TensorFlow 2.15 computes, and its words. */
#include <locale.h>

#include "ops/texts.h"

static void joining_takes_scalars_for_every_element(void **state)
{
    (void)state;
    GIVES(one_of("StringJoin", ATTRS(ATTR_STRING("separator", "_")), INPUTS(TEXTS("a", "b"), TEXT("x"), TEXTS("c", ""))), "a_x_c",
          "b_x_");
    GIVES(one_of("StringJoin", NO_ATTRS, INPUTS(TEXT("a"), TEXT("b"))), "ab");
    refuses("StringJoin", NO_ATTRS, INPUTS(TEXTS("a", "b"), TEXTS("c")), 1, EK_INVALID_ARGUMENT,
            "Input shapes do not match: [2] vs. [1]");
}

static ek_array *four(void) { return texts_of(EK_SHAPE(2, 2), (const char *const[]){ "a", "b", "c", "d" }); }

static void reductions_join_in_the_order_of_their_axes(void **state)
{
    ek_array *kept;

    (void)state;
    GIVES(one_of("ReduceJoin", ATTRS(ATTR_STRING("separator", ".")), INPUTS(four(), INTS32(0, 1))), "a.c.b.d");
    GIVES(one_of("ReduceJoin", ATTRS(ATTR_STRING("separator", ".")), INPUTS(four(), INTS32(1, 0))), "a.b.c.d");
    GIVES(one_of("ReduceJoin", NO_ATTRS, INPUTS(four(), INT32(1))), "ab", "cd");
    kept = one_of("ReduceJoin", ATTRS(ATTR_BOOL("keep_dims", true)), INPUTS(four(), INTS32(-2)));
    assert_int_equal(ek_array_rank(kept), 2);
    GIVES(kept, "ac", "bd");
    refuses("ReduceJoin", NO_ATTRS, INPUTS(four(), INTS32(1, -1)), 1, EK_INVALID_ARGUMENT, "Duplicate reduction dimension -1");
    refuses("ReduceJoin", NO_ATTRS, INPUTS(four(), INTS32(2)), 1, EK_OUT_OF_RANGE,
            "Invalid reduction dimension 2 for input with 2 dimension(s)");
}

static void substrings_count_from_both_ends(void **state)
{
    static const char umlauts[] = "a\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac" "b"; /* six characters */
    const ek_attr by_character = ATTR_STRING("unit", "UTF8_CHAR");

    (void)state;
    GIVES(one_of("Substr", NO_ATTRS, INPUTS(TEXTS("Hello", "World"), INT32(-3), INT32(2))), "ll", "rl");
    GIVES(one_of("Substr", NO_ATTRS, INPUTS(TEXTS("Hello", "World"), INT32(1), INT32(-2))), "ello", "orld");
    GIVES(one_of("Substr", NO_ATTRS, INPUTS(TEXTS("Hello", ""), INTS32(5, 0), INTS32(2, 1))), "", "");
    GIVES(one_of("Substr", NO_ATTRS, INPUTS(TEXT("Hello"), INTS32(0, 1), INTS32(1, 2))), "H", "el");
    GIVES(one_of("Substr", &by_character, 1, INPUTS(TEXTS(umlauts), INT32(1), INT32(3))), "\xc3\xa4\xc3\xb6\xc3\xbc");
    GIVES(one_of("Substr", &by_character, 1, INPUTS(TEXTS(umlauts), INT32(-3), INT32(3))), "\xc3\xbc\xe2\x82\xac" "b");
    GIVES(one_of("Substr", &by_character, 1, INPUTS(TEXTS("a\xff" "b\x80\x80" "c"), INT32(1), INT32(2))), "\xff" "b\x80\x80");
    refuses("Substr", NO_ATTRS, INPUTS(TEXTS("Hello", "Wo"), INT32(3), INT32(2)), 1, EK_INVALID_ARGUMENT,
            "pos 3 out of range for string b'Wo' at index 1");
    refuses("Substr", NO_ATTRS, INPUTS(TEXTS("Hello"), INT32(-6), INT32(2)), 1, EK_INVALID_ARGUMENT, "pos -6 out of range");
    refuses("Substr", &by_character, 1, INPUTS(TEXTS("a\xc3\xa4"), INT32(3), INT32(2)), 1, EK_INVALID_ARGUMENT,
            "pos 3 out of range for string at index 0");
    refuses("Substr", NO_ATTRS, INPUTS(TEXTS("a", "b"), INTS32(0, 1), INT32(1)), 1, EK_INVALID_ARGUMENT,
            "pos and len should have the same shape, got: [2] vs. []");
}

static void letters_change_their_case_where_that_is_known(void **state)
{
    (void)state;
    GIVES(one_of("StringLower", NO_ATTRS, INPUTS(TEXTS("A[bC\xc3\x84", "Z@"))), "a[bc\xc3\x84", "z@");
    GIVES(one_of("StringUpper", ATTRS(ATTR_STRING("encoding", "utf-8")), INPUTS(TEXTS("a{z", "9"))), "A{Z", "9");
    GIVES(one_of("StringStrip", NO_ATTRS, INPUTS(TEXTS("  a b \t\n\v\f\r", " ", ""))), "a b", "", "");
    refuses("StringLower", ATTRS(ATTR_STRING("encoding", "latin1")), INPUTS(TEXTS("A")), 1, EK_INVALID_ARGUMENT,
            "only utf-8 or '' (no encoding) is supported, received latin1");
    refuses("StringUpper", ATTRS(ATTR_STRING("encoding", "utf-8")), INPUTS(TEXTS("\xc3\xa4")), 1, EK_UNIMPLEMENTED,
            "changes ASCII letters only");
}

static void lengths_are_bytes_or_characters(void **state)
{
    ek_array *out;

    (void)state;
    out = one_of("StringLength", NO_ATTRS, INPUTS(BYTES("a\0b")));
    assert_int_equal(ek_array_i32(out)[0], 3);
    ek_array_unref(out);
    out = one_of("StringLength", ATTRS(ATTR_STRING("unit", "UTF8_CHAR")), INPUTS(TEXTS("\xff\xff", "\x80" "a", "\xc3\xa4" "a", "")));
    assert_memory_equal(ek_array_i32(out), ((int32_t[]){ 2, 1, 2, 0 }), 16);
    ek_array_unref(out);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static ek_array *two(void) { return ek_array_of(EK_FLOAT64, EK_SHAPE(2), (double[]){ 1.5, -2 }); }

static void numbers_become_text_as_printf_says(void **state)
{
    static const float complex_pair[] = { 1, 2 };
    ek_array *z = ek_array_of(EK_COMPLEX64, EK_SHAPE(1), complex_pair), *yes = ek_array_of(EK_BOOL, EK_SHAPE(1), &(bool){ true });

    (void)state;
    GIVES(one_of("AsString", ATTRS(ATTR_STRING("fill", "-"), ATTR_INT("width", 10)), INPUTS(two())), "1.500000  ", "-2.000000 ");
    GIVES(one_of("AsString", ATTRS(ATTR_STRING("fill", "+")), INPUTS(two())), "+1.500000", "-2.000000");
    GIVES(one_of("AsString", ATTRS(ATTR_BOOL("shortest", true)), INPUTS(two())), "1.5", "-2");
    GIVES(one_of("AsString", ATTRS(ATTR_STRING("fill", "#"), ATTR_INT("width", 7)), INPUTS(INTS32(1, -2))), "      1", "     -2");
    GIVES(one_of("AsString", ATTRS(ATTR_INT("precision", 2), ATTR_INT("width", 8)), INPUTS(z)), "(    1.00,    2.00)");
    GIVES(one_of("AsString", ATTRS(ATTR_INT("width", 7)), INPUTS(yes)), "true");
    refuses("AsString", ATTRS(ATTR_STRING("fill", "x")), INPUTS(two()), 1, EK_INVALID_ARGUMENT, "Fill argument not supported: \"x\"");
    refuses("AsString", ATTRS(ATTR_INT("precision", 3)), INPUTS(INTS32(1)), 1, EK_INVALID_ARGUMENT,
            "precision not supported for datatype int32");
    refuses("AsString", ATTRS(ATTR_INT("width", 1 << 30)), INPUTS(two()), 1, EK_INVALID_ARGUMENT, "may be 4096 at most");
    GIVES(one_of("AsString", ATTRS(ATTR_INT("precision", 2), ATTR_INT("width", 4)), INPUTS(two())), "1.50", "-2.00");
}

static void expect_number(const char *text, double want)
{
    ek_array *out = one_of("StringToNumber", ATTRS(ATTR_TYPE("out_type", EK_FLOAT64)), INPUTS(TEXT(text)));
    const double got = ek_array_f64(out)[0];

    if (!(got == want) && !(isnan(got) && isnan(want))) fail_msg("\"%s\" is %.17g, not %.17g", text, got, want);
    ek_array_unref(out);
}

static void expect_integer(const char *text, int64_t want)
{
    ek_array *out = one_of("StringToNumber", ATTRS(ATTR_TYPE("out_type", EK_INT64)), INPUTS(TEXT(text)));

    assert_int_equal(ek_array_i64(out)[0], want);
    ek_array_unref(out);
}

static void refuse_number(const char *text, ek_dtype t)
{
    refuses("StringToNumber", ATTRS(ATTR_TYPE("out_type", t)), INPUTS(TEXT(text)), 1, EK_INVALID_ARGUMENT,
            "StringToNumberOp could not correctly convert string: ");
}

static void texts_become_numbers(void **state)
{
    (void)state;
    expect_number("  2 ", 2);
    expect_number("+4", 4);
    expect_number("0x10", 16);
    expect_number("1e400", INFINITY);
    expect_number("nan", NAN);
    expect_integer(" -12 ", -12);
    expect_integer("9223372036854775807", INT64_MAX);
    refuse_number("", EK_FLOAT32);
    refuse_number("1.5x", EK_FLOAT32);
    refuse_number("-Infinity", EK_FLOAT64);
    refuse_number(" 1 2", EK_FLOAT64);
    refuse_number("+4", EK_INT32);
    refuse_number("1.0", EK_INT64);
    refuse_number("9223372036854775808", EK_INT64);
    refuse_number("-2147483649", EK_INT32);
    refuses("StringToNumber", NO_ATTRS, INPUTS(BYTES("1\0")), 1, EK_INVALID_ARGUMENT, "could not correctly convert");
}

/* Where the program writes a comma, files and graphs still write a point. */
static void a_locale_changes_no_number(void **state)
{
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) skip();
    GIVES(one_of("AsString", ATTRS(ATTR_BOOL("shortest", true)), INPUTS(two())), "1.5", "-2");
    expect_number("1.25", 1.25);
    setlocale(LC_NUMERIC, "C");
}

/* ---- bytes ------------------------------------------------------------------------------------------------ */

static void raw_bytes_become_elements(void **state)
{
    ek_array *out;

    (void)state;
    out = one_of("DecodeRaw", ATTRS(ATTR_TYPE("out_type", EK_BOOL)), INPUTS(BYTES("\1\0\2")));
    assert_memory_equal(ek_array_cdata(out), "\1\0\1", 3);
    ek_array_unref(out);
    out = one_of("DecodeRaw", ATTRS(ATTR_TYPE("out_type", EK_COMPLEX64), ATTR_BOOL("little_endian", false)),
                 INPUTS(BYTES("\x3f\x80\0\0\x40\0\0\0")));
    assert_memory_equal(ek_array_cdata(out), ((float[]){ 1, 2 }), 8);
    ek_array_unref(out);
    out = one_of("DecodeRaw", ATTRS(ATTR_TYPE("out_type", EK_INT32)), INPUTS(TEXTS("", "")));
    assert_int_equal(ek_array_rank(out), 2);
    assert_int_equal(ek_array_dim(out, 0), 2);
    assert_int_equal(ek_array_dim(out, 1), 0);
    ek_array_unref(out);
    refuses("DecodeRaw", ATTRS(ATTR_TYPE("out_type", EK_INT32)), INPUTS(TEXTS("abc")), 1, EK_INVALID_ARGUMENT,
            "Input to DecodeRaw has length 3 that is not a multiple of 4, the size of int32");
}

static void base64_is_that_of_addresses(void **state)
{
    (void)state;
    GIVES(one_of("EncodeBase64", ATTRS(ATTR_BOOL("pad", true)), INPUTS(TEXTS("a", "ab", "abc", "a~?>", ""))), "YQ==", "YWI=", "YWJj",
          "YX4_Pg==", "");
    GIVES(one_of("EncodeBase64", NO_ATTRS, INPUTS(TEXTS("a", "ab"))), "YQ", "YWI");
    GIVES(one_of("DecodeBase64", NO_ATTRS, INPUTS(TEXTS("YQ", "YQ==", "YR", "YWJj", "YX4_Pg", ""))), "a", "a", "a", "abc", "a~?>", "");
    static const char *const bad[] = { "YQ=", "YW+/", "YQ==YQ==", "YQ= =", "YQ===", "Y===" };
    for (int i = 0; i < EK_COUNT_OF(bad); i++)
        refuses("DecodeBase64", NO_ATTRS, INPUTS(TEXT(bad[i])), 1, EK_INVALID_ARGUMENT, "Invalid character found in base64.");
    refuses("DecodeBase64", NO_ATTRS, INPUTS(TEXT("YWJjY")), 1, EK_INVALID_ARGUMENT, "Base64 string length cannot be 1 modulo 4.");
    refuses("DecodeBase64", NO_ATTRS, INPUTS(BYTES("YW\0j")), 1, EK_INVALID_ARGUMENT, "Invalid character found in base64.");
}

/* ---- pieces -------------------------------------------------------------------------------------------------- */

static void expect_pieces(const char *type, const ek_attr *attr, const char *by, ek_array *text, int64_t most, int64_t n,
                          const char *const *want)
{
    const ek_array *in[] = { text, TEXT(by) };
    ek_array *out[3];

    run_op(type, attr, attr != NULL, 2, in, 3, out);
    expect_texts(out[1], n, want);
    assert_int_equal(ek_array_dim(out[0], 0), n);
    assert_int_equal(ek_array_i64(out[2])[0], ek_array_count(text));
    assert_int_equal(ek_array_i64(out[2])[1], most);
    release_inputs(2, in);
    for (int k = 0; k < 3; k++) ek_array_unref(out[k]);
}
#define PIECES(type, attr, by, text, most, ...) \
    expect_pieces(type, attr, by, text, most, TEXT_COUNT(__VA_ARGS__), (const char *const[]){ __VA_ARGS__ })

static void strings_are_split_at_any_byte_of_the_delimiter(void **state)
{
    const ek_attr keep = ATTR_BOOL("skip_empty", false);
    const ek_array *in[] = { TEXTS("a,b", "", "c"), TEXT(",") };
    ek_array *out[3];

    (void)state;
    PIECES("StringSplit", NULL, ",; ", TEXTS("a,b;c", " d", ""), 3, "a", "b", "c", "d");
    PIECES("StringSplit", NULL, "", TEXTS("abc", ""), 3, "a", "b", "c");
    PIECES("StringSplit", &keep, ",", TEXTS("a,,b", ",c,", ""), 3, "a", "", "b", "", "c", "");
    run_op("StringSplit", NO_ATTRS, 2, in, 3, out);
    assert_memory_equal(ek_array_i64(out[0]), ((int64_t[]){ 0, 0, 0, 1, 2, 0 }), 48);
    release_inputs(2, in);
    for (int k = 0; k < 3; k++) ek_array_unref(out[k]);
    refuses("StringSplit", NO_ATTRS, INPUTS(TEXTS("a"), TEXTS("x")), 3, EK_INVALID_ARGUMENT,
            "delimiter must be a scalar, got shape: [1]");
    refuses("StringSplit", NO_ATTRS, INPUTS(TEXT("a"), TEXT("x")), 3, EK_INVALID_ARGUMENT, "input must be a vector, got shape: []");
}

static void strings_are_split_at_a_text_as_python_does(void **state)
{
    const ek_attr once = ATTR_INT("maxsplit", 1), twice = ATTR_INT("maxsplit", 2), never = ATTR_INT("maxsplit", 0);

    (void)state;
    PIECES("StringSplitV2", NULL, ",", TEXTS("a,,b", ",c,", ""), 3, "a", "", "b", "", "c", "", "");
    PIECES("StringSplitV2", NULL, "", TEXTS(" a  b ", "c", ""), 2, "a", "b", "c");
    PIECES("StringSplitV2", &once, "", TEXTS(" a  b c d ", "c", ""), 2, "a", "b c d ", "c", "");
    PIECES("StringSplitV2", &twice, "", TEXTS("\ta\n b c d ", "c \v e"), 3, "a", "b", "c d ", "c", "e", "");
    PIECES("StringSplitV2", &once, "<>", TEXTS("a<>b<>c<>", "c", ""), 2, "a", "b<>c<>", "c", "");
    PIECES("StringSplitV2", &never, "", TEXTS("  a b "), 1, "  a b ");
    refuses("StringSplitV2", NO_ATTRS, INPUTS(TEXTS("a"), TEXTS("x", "y")), 3, EK_INVALID_ARGUMENT,
            "sep must be a scalar, got shape: [2]");
}

static ek_status everything(void)
{
    static const struct { const char *type; int n_in, n_out; } op[] = {
        { "StringJoin", 2, 1 }, { "StringUpper", 1, 1 }, { "EncodeBase64", 1, 1 }, { "StringSplit", 2, 3 }, { "StringToNumber", 1, 1 } };
    ek_error err = { 0 };
    ek_status st = EK_OK;

    for (int i = 0; i < EK_COUNT_OF(op) && st == EK_OK; i++) {
        ek_array *text = NULL, *by = NULL, *out[3] = { NULL };

        st = ek_array_create(EK_STRING, EK_SHAPE(2), NULL, &text);
        if (st == EK_OK) st = ek_array_create(EK_STRING, EK_SCALAR, NULL, &by);
        for (int k = 0; k < 2 && st == EK_OK; k++) st = ek_array_set_string(text, k, "1234", 4);
        if (st == EK_OK) st = ek__op_eval(op[i].type, NO_ATTRS, op[i].n_in, (const ek_array *[]){ text, by }, op[i].n_out, out, &err);
        for (int k = 0; k < 3; k++) ek_array_unref(out[k]);
        ek_array_unref(text);
        ek_array_unref(by);
    }
    return st;
}

static void memory_that_is_refused_is_told(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_takes_scalars_for_every_element),
        cmocka_unit_test(reductions_join_in_the_order_of_their_axes),
        cmocka_unit_test(substrings_count_from_both_ends),
        cmocka_unit_test(letters_change_their_case_where_that_is_known),
        cmocka_unit_test(lengths_are_bytes_or_characters),
        cmocka_unit_test(numbers_become_text_as_printf_says),
        cmocka_unit_test(texts_become_numbers),
        cmocka_unit_test(a_locale_changes_no_number),
        cmocka_unit_test(raw_bytes_become_elements),
        cmocka_unit_test(base64_is_that_of_addresses),
        cmocka_unit_test(strings_are_split_at_any_byte_of_the_delimiter),
        cmocka_unit_test(strings_are_split_at_a_text_as_python_does),
        cmocka_unit_test(memory_that_is_refused_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
