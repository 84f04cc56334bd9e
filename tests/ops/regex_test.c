/* Patterns of RE2 as POSIX matches them: what matches, what is no pattern, what is refused. Answers are TensorFlow's. */
#include "ops/texts.h"

static bool matches(const char *pattern, const char *text)
{
    ek_array *out = one_of("RegexFullMatch", NO_ATTRS, INPUTS(TEXT(text), TEXT(pattern)));
    const bool yes = *(const bool *)ek_array_cdata(out);

    ek_array_unref(out);
    return yes;
}

static void the_pattern_of_savers_knows_remote_paths(void **state)
{
    const ek_attr pattern = ATTR_STRING("pattern", "^s3://.*");
    ek_array *out = one_of("StaticRegexFullMatch", &pattern, 1, INPUTS(TEXTS("/tmp/m/model.ckpt", "s3://x/y", "s3:/x", "\n", "s3://\xc3\xa4")));

    (void)state;
    assert_memory_equal(ek_array_cdata(out), ((bool[]){ false, true, false, false, true }), 5);
    ek_array_unref(out);
}

static void a_match_is_of_the_whole(void **state)
{
    (void)state;
    assert_true(matches("a|ab", "ab"));
    assert_false(matches("a", "ab"));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
    assert_true(matches("(a|b)*c", "abac"));
    assert_true(matches("a{2,3}?", "aaa"));
    assert_false(matches("a{2,3}", "a"));
    assert_true(matches("a{b}", "a{b}"));
    assert_true(matches("x{2,}", "xxxx"));
    assert_true(matches("(?:ab)+", "abab"));
    assert_true(matches("a.*?b", "a--b"));
    assert_true(matches("\\d+\\.\\d", "12.5"));
    assert_false(matches("\\d+\\.\\d", "12x5"));
    assert_true(matches("\\w\\s\\W", "a\t-"));
    assert_true(matches("[]a^-]+", "]a^-"));
    assert_true(matches("[^]a]", "b"));
    assert_false(matches("[^]a]", "]"));
    assert_true(matches("[\\d\\-x[]*", "4-x["));
    assert_true(matches("[b-d]+", "bcd"));
    assert_false(matches("[b-d]", "e"));
    assert_false(matches("a.b", "a\nb")); /* a point takes no end of line */
    assert_true(matches("a[^x]b", "a\nb"));
    assert_true(matches("\\$\\^\\*", "$^*"));
    assert_true(matches("\xc3\xa4[^/]*", "\xc3\xa4\xc3\xb6"));
}

static void bytes_may_be_any(void **state)
{
    const ek_attr pattern = ATTR_STRING("pattern", "a.b");
    ek_array *out = one_of("StaticRegexFullMatch", &pattern, 1, INPUTS(BYTES("a\0b")));

    (void)state;
    assert_true(*(const bool *)ek_array_cdata(out));
    ek_array_unref(out);
}

static void refuse_pattern(const char *pattern, ek_status code, const char *why)
{
    refuses("RegexFullMatch", NO_ATTRS, INPUTS(TEXT("x"), TEXT(pattern)), 1, code, why);
}

static void what_is_no_pattern_is_told(void **state)
{
    static const struct { const char *pattern, *why; } bad[] = {
        { "(", "Invalid pattern: (, error: missing )" }, { "a)", "unexpected )" }, { "[a", "missing ]" }, { "a\\", "trailing \\" },
        { "*a", "no argument for repetition operator" }, { "(+)", "no argument for repetition operator" },
        { "a**", "bad repetition operator" }, { "a{2}{3}", "bad repetition operator" }, { "a{1001}", "bad repetition operator" },
        { "a{3,2}", "bad repetition operator" }, { "[b-a]", "invalid character class range" },
    };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(bad); i++) refuse_pattern(bad[i].pattern, EK_INVALID_ARGUMENT, bad[i].why);
    refuses("RegexFullMatch", NO_ATTRS, INPUTS(TEXTS("a"), TEXTS("a")), 1, EK_INVALID_ARGUMENT,
            "Pattern must be scalar, but received [1]");
    refuses("StaticRegexFullMatch", ATTRS(ATTR_STRING("pattern", "(")), INPUTS(TEXTS("a")), 1, EK_INVALID_ARGUMENT, "Invalid pattern: (");
}

static void what_posix_would_take_otherwise_is_refused(void **state)
{
    static const char *const beyond[] = { "(?i)a", "(?P<n>a)", "\\bword", "\\pL", "\\x41", "[[:alpha:]]", "[\xc3\xa4]", "\xc3\xa4+",
                                          "^*", "[\\W]", "(a{100}){100}" };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(beyond); i++) refuse_pattern(beyond[i], EK_UNIMPLEMENTED, "supported");
    /* One character of two bytes. */
    refuses("RegexFullMatch", NO_ATTRS, INPUTS(TEXT("\xc3\xa4"), TEXT("..")), 1, EK_UNIMPLEMENTED, "characters beyond ASCII");
    refuses("RegexFullMatch", NO_ATTRS, INPUTS(TEXT("\xc3\xa4"), TEXT("[^x]+[^y]+")), 1, EK_UNIMPLEMENTED, "characters beyond ASCII");
}

static ek_status everything(void)
{
    ek_array *text = NULL, *pattern = NULL, *out = NULL;
    ek_error err = { 0 };
    ek_status st = ek_array_create(EK_STRING, EK_SHAPE(2), NULL, &text);

    if (st == EK_OK) st = ek_array_create(EK_STRING, EK_SCALAR, NULL, &pattern);
    if (st == EK_OK) st = ek_array_set_string(pattern, 0, "[a-z]*(x|y)", 11);
    if (st == EK_OK) st = ek__op_eval("RegexFullMatch", NO_ATTRS, 2, (const ek_array *[]){ text, pattern }, 1, &out, &err);
    ek_array_unref(out);
    out = NULL;
    if (st == EK_OK) st = ek__op_eval("StaticRegexFullMatch", ATTRS(ATTR_STRING("pattern", "a|b")), 1, (const ek_array *[]){ text }, 1, &out, &err);
    ek_array_unref(out);
    ek_array_unref(text);
    ek_array_unref(pattern);
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
        cmocka_unit_test(the_pattern_of_savers_knows_remote_paths),
        cmocka_unit_test(a_match_is_of_the_whole),
        cmocka_unit_test(bytes_may_be_any),
        cmocka_unit_test(what_is_no_pattern_is_told),
        cmocka_unit_test(what_posix_would_take_otherwise_is_refused),
        cmocka_unit_test(memory_that_is_refused_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
