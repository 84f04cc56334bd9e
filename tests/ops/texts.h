/* tests/ops/texts.h - arrays of strings, and ops that take or give them. */
#ifndef EK_TESTS_OPS_TEXTS_H
#define EK_TESTS_OPS_TEXTS_H

#include "ops/one_op.h"

static inline ek_array *texts_of(ek_shape shape, const char *const *text)
{
    ek_array *a = ek_array_of(EK_STRING, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++)
        assert_int_equal(ek_array_set_string(a, i, text[i], strlen(text[i])), EK_OK);
    return a;
}
#define TEXT_COUNT(...) ((int64_t)(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)))
#define TEXTS(...) texts_of(EK_SHAPE(TEXT_COUNT(__VA_ARGS__)), (const char *const[]){ __VA_ARGS__ })
#define TEXT(s) texts_of(EK_SCALAR, (const char *const[]){ s })
/* One string of these bytes, NULs and all. */
static inline ek_array *bytes_of(const char *bytes, size_t size)
{
    ek_array *a = ek_array_of(EK_STRING, EK_SHAPE(1), NULL);

    assert_int_equal(ek_array_set_string(a, 0, bytes, size), EK_OK);
    return a;
}
#define BYTES(literal) bytes_of(literal, sizeof(literal) - 1)
#define INTS32(...) \
    ek_array_of(EK_INT32, EK_SHAPE((int64_t)(sizeof((int32_t[]){ __VA_ARGS__ }) / 4)), (int32_t[]){ __VA_ARGS__ })
#define INT32(v) ek_array_of(EK_INT32, EK_SCALAR, &(int32_t){ v })

static inline void release_inputs(int n, const ek_array *const *in)
{
    for (int i = 0; i < n; i++) ek_array_unref((ek_array *)(uintptr_t)in[i]);
}

static inline void expect_texts(const ek_array *a, int64_t n, const char *const *want)
{
    const ek_string *const got = ek_array_cdata(a);

    assert_int_equal(ek_array_count(a), n);
    for (int64_t i = 0; i < n; i++) {
        const size_t size = strlen(want[i]);

        if (got[i].size != size || (size > 0 && memcmp(got[i].data, want[i], size) != 0))
            fail_msg("string %lld is \"%.*s\", not \"%s\"", (long long)i, (int)got[i].size, got[i].data, want[i]);
    }
}
#define EXPECT_TEXTS(a, ...) expect_texts((a), TEXT_COUNT(__VA_ARGS__), (const char *const[]){ __VA_ARGS__ })

/* An op of one output; takes the inputs' references. */
static inline ek_array *one_of(const char *type, const ek_attr *attrs, int n_attrs, int n_in, const ek_array *const *in)
{
    ek_array *out;

    run_op(type, attrs, n_attrs, n_in, in, 1, &out);
    release_inputs(n_in, in);
    return out;
}
static inline void gives(ek_array *out, int64_t n, const char *const *want)
{
    expect_texts(out, n, want);
    ek_array_unref(out);
}
#define GIVES(out, ...) gives((out), TEXT_COUNT(__VA_ARGS__), (const char *const[]){ __VA_ARGS__ })

static inline void refuses(const char *type, const ek_attr *attrs, int n_attrs, int n_in, const ek_array *const *in, int n_out,
                           ek_status code, const char *text)
{
    refuse_op(type, attrs, n_attrs, n_in, in, n_out, code, text);
    release_inputs(n_in, in);
}

#endif
