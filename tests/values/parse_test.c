/* Arrays as people type them. (Refusals with their words: tests/cli/run.txt.) */
#include "values/array.h"

#include <stdlib.h>

#include "support/support.h"

static void what_is_typed_is_what_prints(void **state)
{
    static const struct { const char *text; ek_dtype dtype; const char *repr; } cases[] = {
        { "3", EK_INT64, "array(3)" }, { " -3 ", EK_INT8, "array(-3, dtype=int8)" }, { "1e-5", EK_FLOAT64, "array(1.e-05)" },
        { "0.1", EK_FLOAT32, "array(0.1, dtype=float32)" }, { "[]", EK_FLOAT64, "array([], dtype=float64)" },
        { "[[], []]", EK_INT64, "array([], shape=(2, 0), dtype=int64)" }, { "[1,2,\n3]", EK_INT64, "array([1, 2, 3])" },
        { "[[1 2]\n [3 4]]", EK_INT64, "array([[1, 2],\n       [3, 4]])" }, { "[nan -inf]", EK_FLOAT64, "array([ nan, -inf])" },
        { "['a' b\"c\" d]", EK_STRING, "array([b'a', b'c', b'd'], dtype=object)" }, { "True", EK_BOOL, "array(True)" },
        { "[1j, 2-1j]", EK_COMPLEX128, "array([0.+1.j, 2.-1.j])" }, { "-128", EK_INT8, "array(-128, dtype=int8)" },
        { "18446744073709551615", EK_UINT64, "array(18446744073709551615, dtype=uint64)" },
        { "-9223372036854775808", EK_INT64, "array(-9223372036854775808)" }, { "1.5", EK_BFLOAT16, "array(1.5, dtype=bfloat16)" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        ek_error err = { .code = EK_OK };
        ek_array *a = NULL;

        if (ek__array_parse(cases[i].text, cases[i].dtype, &a, &err) != EK_OK) fail_msg("%s: %s", cases[i].text, err.text);
        char *repr = ek_array_repr(a);
        assert_string_equal(repr, cases[i].repr);
        ek_free(repr);
        ek_array_unref(a);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    static const struct { const char *text; ek_dtype dtype; } cases[] = {
        { "", EK_INT64 }, { "[", EK_INT64 }, { "]", EK_INT64 }, { "[1", EK_INT64 }, { "[1]]", EK_INT64 }, { "1 2", EK_INT64 },
        { "[1,]", EK_INT64 }, { "[,1]", EK_INT64 }, { "[[1],2]", EK_INT64 }, { "[2,[1]]", EK_INT64 }, { "[[1],[1,2]]", EK_INT64 },
        { "[[],[1]]", EK_INT64 }, { "[[],1]", EK_INT64 }, { "[[[]],[]]", EK_INT64 }, { "128", EK_INT8 }, { "-1", EK_UINT32 },
        { "9223372036854775808", EK_INT64 }, { "1.0", EK_INT64 }, { "x", EK_FLOAT32 }, { "'1'", EK_FLOAT32 }, { "2", EK_BOOL },
        { "1+2", EK_COMPLEX64 }, { "(1+2j", EK_COMPLEX64 }, { "'a", EK_STRING }, { "'a\\", EK_STRING }, { "1", EK_RESOURCE },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        ek_error err = { .code = EK_OK };
        ek_array *a = NULL;

        if (ek__array_parse(cases[i].text, cases[i].dtype, &a, &err) == EK_OK) fail_msg("%s was taken", cases[i].text);
        assert_true(err.code == EK_INVALID_ARGUMENT && err.text[0] != '\0');
        assert_null(a);
    }
}

static void without_memory_nothing_is_parsed(void **state)
{
    ek_test_allocator t;
    bool done = false;

    EK_UNUSED(state);
    for (long k = 1; !done && k < 50; k++) {
        ek_error err = { .code = EK_OK };
        ek_array *a = NULL;

        ek_test_allocator_install(&t, k);
        const ek_status st = ek__array_parse("[['a', 'bcd'], ['', 'e']]", EK_STRING, &a, &err);
        done = t.calls < k;
        assert_int_equal(st, done ? EK_OK : EK_RESOURCE_EXHAUSTED);
        ek_array_unref(a);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_typed_is_what_prints),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(without_memory_nothing_is_parsed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
