/* Data movement: every element where it belongs, beyond one chunk too; shapes and complaints; memory that runs out. */
#include "support/support.h"

#include <string.h>

#include "ops/eval.h"
#include "ops/registry.h"

#define ATTR(attr_name, attr_kind, member, v)                                                                          \
    {                                                                                                                  \
        .name = (attr_name), .value = {.kind = (attr_kind), .u = { .member = (v) } }                                   \
    }

/* ---- small helpers --------------------------------------------------------------------------- */

static ek_array *ints(int n, const int32_t *v)
{
    return ek_array_of(EK_INT32, (ek_shape){ .dim = { n }, .rank = 1 }, v);
}
#define INTS(...) ints((int)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)), (int32_t[]){ __VA_ARGS__ })

static ek_array *scalar(int32_t v)
{
    return ek_array_of(EK_INT32, EK_SCALAR, &v);
}

/* 0, 1, 2, ... */
static ek_array *counted(ek_shape shape)
{
    ek_array *a = ek_array_of(EK_INT32, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) ek_array_i32(a)[i] = (int32_t)i;
    return a;
}

/* Takes the references in `in`. */
static ek_array *eval(const char *type, const ek_attr *attr, int n_attr, ek_array **in, int n_in)
{
    ek_array *out = NULL;
    ek_error err = { 0 };

    if (ek__op_eval(type, attr, n_attr, n_in, (const ek_array *const *)in, 1, &out, &err) != EK_OK)
        fail_msg("%s: %s", type, err.text);
    for (int i = 0; i < n_in; i++) ek_array_unref(in[i]);
    return out;
}
#define EVAL(type, ...)                                                                                                \
    eval((type), NULL, 0, (ek_array *[]){ __VA_ARGS__ },                                                               \
         (int)(sizeof((ek_array *[]){ __VA_ARGS__ }) / sizeof(ek_array *)))

static void expect_ints(ek_array *a, ek_shape shape, const int32_t *v)
{
    assert_true(ek_shape_equal(ek_array_shape(a), &shape));
    for (int64_t i = 0; i < ek_array_count(a); i++) assert_int_equal(ek_array_i32(a)[i], v[i]);
    ek_array_unref(a);
}

/* ---- beyond one chunk ------------------------------------------------------------------------ */

enum { A = 67, B = 41, C = 53 };

static void test_transpose_large(void **state)
{
    ek_array *t = EVAL("Transpose", counted(EK_SHAPE(A, B, C)), INTS(2, 0, 1));

    EK_UNUSED(state);
    for (int c = 0; c < C; c++)
        for (int a = 0; a < A; a++)
            for (int b = 0; b < B; b++)
                assert_int_equal(ek_array_i32(t)[(c * A + a) * B + b], (a * B + b) * C + c);
    ek_array_unref(t);
}

static void test_pieces_large(void **state)
{
    ek_array *whole = counted(EK_SHAPE(A, B, C));
    ek_array *left = EVAL("Slice", ek_array_ref(whole), INTS(0, 0, 0), INTS(-1, 13, -1));
    ek_array *right = EVAL("Slice", ek_array_ref(whole), INTS(0, 13, 0), INTS(-1, -1, -1));
    ek_array *joined = EVAL("ConcatV2", left, right, scalar(1));
    ek_array *back = EVAL("ReverseV2", EVAL("ReverseV2", ek_array_ref(joined), INTS(0, 2)), INTS(-1, -3));

    EK_UNUSED(state);
    assert_true(ek__array_equal(joined, whole));
    assert_true(ek__array_equal(back, whole));
    ek_array_unref(whole);
    ek_array_unref(joined);
    ek_array_unref(back);
}

static void test_repeat_large(void **state)
{
    ek_array *tiled = EVAL("Tile", counted(EK_SHAPE(3, 5)), INTS(1000, 20));
    ek_array *padded = EVAL("Pad", counted(EK_SHAPE(300, 301)),
                            ek_array_of(EK_INT32, EK_SHAPE(2, 2), (int32_t[]){ 2, 1, 3, 4 }));

    EK_UNUSED(state);
    for (int i = 0; i < 3000; i++)
        for (int k = 0; k < 100; k++) assert_int_equal(ek_array_i32(tiled)[i * 100 + k], i % 3 * 5 + k % 5);
    for (int i = 0; i < 303; i++)
        for (int k = 0; k < 308; k++) {
            const bool inside = i >= 2 && i < 302 && k >= 3 && k < 304;
            assert_int_equal(ek_array_i32(padded)[i * 308 + k], inside ? (i - 2) * 301 + k - 3 : 0);
        }
    ek_array_unref(tiled);
    ek_array_unref(padded);
}

static void test_roll_and_bitcast(void **state)
{
    const ek_attr bytes = ATTR("type", EK_ATTR_TYPE, type, EK_UINT8);
    ek_array *word[] = { INTS(0x01020304) };
    ek_array *split = eval("Bitcast", &bytes, 1, word, 1);
    ek_array *whole = counted(EK_SHAPE(A, B, C));
    ek_array *there = EVAL("Roll", ek_array_ref(whole), INTS(5, -7, 5), INTS(0, 2, 0));
    ek_array *back = EVAL("Roll", ek_array_ref(there), INTS(-10, 7), INTS(0, -1));

    EK_UNUSED(state);
    assert_int_equal(ek_array_dim(split, 1), 4);
    assert_memory_equal(ek_array_cdata(split), "\4\3\2\1", 4);
    expect_ints(EVAL("Roll", counted(EK_SHAPE(2, 3)), INTS(1, -1), INTS(0, 1)), EK_SHAPE(2, 3),
                (int32_t[]){ 4, 5, 3, 1, 2, 0 });
    assert_false(ek__array_equal(there, whole));
    assert_true(ek__array_equal(back, whole));
    ek_array_unref(split);
    ek_array_unref(whole);
    ek_array_unref(there);
    ek_array_unref(back);
}

/* ---- the rules of slices --------------------------------------------------------------------- */

typedef struct slice_row {
    int n;
    int32_t begin[3], end[3], stride[3];
    int64_t begin_mask, end_mask, ellipsis, new_axis, shrink;
    ek_shape shape;
    int32_t want[6];
} slice_row;

/* Of x = [[0 1 2][3 4 5]]. */
static void test_strided_slice(void **state)
{
    const slice_row rows[] = {
        { 1, { 1 }, { 2 }, { 1 }, 0, 0, 0, 0, 0, { { 1, 3 }, 2 }, { 3, 4, 5 } },                   /* x[1:2] */
        { 1, { -1 }, { 0 }, { 1 }, 0, 0, 0, 0, 1, { { 3 }, 1 }, { 3, 4, 5 } },                     /* x[-1] */
        { 2, { 0, 9 }, { 0, -9 }, { 1, -2 }, 1, 1, 0, 0, 0, { { 2, 2 }, 2 }, { 2, 0, 5, 3 } },     /* x[:, 9:-9:-2] */
        { 2, { 0, 1 }, { 0, 2 }, { 1, 1 }, 0, 0, 1, 0, 2, { { 2 }, 1 }, { 1, 4 } },                /* x[..., 1] */
        { 2, { 0, 1 }, { 0, 2 }, { 1, 1 }, 0, 0, 0, 1, 2, { { 1, 3 }, 2 }, { 3, 4, 5 } },          /* x[None, 1] */
        { 1, { 2 }, { 1 }, { 1 }, 0, 0, 0, 0, 0, { { 0, 3 }, 2 }, { 0 } },                         /* x[2:1] */
        { 1, { -1 }, { 0 }, { -1 }, 1, 1, 0, 0, 0, { { 2, 3 }, 2 }, { 3, 4, 5, 0, 1, 2 } },        /* x[::-1] */
        { 3, { 0, 0, 1 }, { 0, 1, 3 }, { 1, 1, 1 }, 0, 0, 1, 0, 2, { { 2 }, 1 }, { 1, 2 } },       /* x[..., 0, 1:3] */
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(rows); i++) {
        const slice_row *r = &rows[i];
        const ek_attr attr[] = {
            ATTR("begin_mask", EK_ATTR_INT, i, r->begin_mask),     ATTR("end_mask", EK_ATTR_INT, i, r->end_mask),
            ATTR("ellipsis_mask", EK_ATTR_INT, i, r->ellipsis),    ATTR("new_axis_mask", EK_ATTR_INT, i, r->new_axis),
            ATTR("shrink_axis_mask", EK_ATTR_INT, i, r->shrink),
        };
        ek_array *in[] = { counted(EK_SHAPE(2, 3)), ints(r->n, r->begin), ints(r->n, r->end), ints(r->n, r->stride) };

        expect_ints(eval("StridedSlice", attr, EK_COUNT_OF(attr), in, 4), r->shape, r->want);
    }
}

/* ---- axes to sum over ------------------------------------------------------------------------ */

static void expect_axes(ek_array *a, ek_array *b, int n0, const int32_t *r0, int n1, const int32_t *r1)
{
    const ek_array *const in[] = { a, b };
    ek_array *out[2];
    ek_error err = { 0 };

    assert_int_equal(ek__op_eval("BroadcastGradientArgs", NULL, 0, 2, in, 2, out, &err), EK_OK);
    expect_ints(out[0], (ek_shape){ .dim = { n0 }, .rank = 1 }, r0);
    expect_ints(out[1], (ek_shape){ .dim = { n1 }, .rank = 1 }, r1);
    ek_array_unref(a);
    ek_array_unref(b);
}

static void test_gradient_args(void **state)
{
    EK_UNUSED(state);
    expect_axes(INTS(2, 3), INTS(2, 3), 0, NULL, 0, NULL);
    expect_axes(INTS(1, 3), INTS(1, 3), 0, NULL, 0, NULL);
    expect_axes(INTS(2, 3), INTS(3), 0, NULL, 1, (int32_t[]){ 0 });
    expect_axes(INTS(2, 3), ints(0, NULL), 0, NULL, 2, (int32_t[]){ 0, 1 });
    expect_axes(INTS(1, 3), INTS(2, 1), 1, (int32_t[]){ 0 }, 1, (int32_t[]){ 1 });
    expect_axes(INTS(1, 3), INTS(3), 1, (int32_t[]){ 0 }, 1,
                (int32_t[]){ 0 }); /* repeated for neither: summed for both */
}

/* ---- complaints ------------------------------------------------------------------------------ */

static void expect_complaint(const char *type, ek_array *a, ek_array *b, const char *text)
{
    const ek_array *const in[] = { a, b };
    ek_array *out = NULL;
    ek_error err = { 0 };

    assert_int_equal(ek__op_eval(type, NULL, 0, 2, in, 1, &out, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, text);
    assert_null(out);
    ek_array_unref(a);
    ek_array_unref(b);
}

static void test_complaints(void **state)
{
    EK_UNUSED(state);
    expect_complaint("Reshape", counted(EK_SHAPE(6)), INTS(4, 2),
                     "Input to reshape is a tensor with 6 values, but the requested shape has 8");
    expect_complaint("Reshape", counted(EK_SHAPE(6)), INTS(4, -1),
                     "Input to reshape is a tensor with 6 values, but the requested shape requires a multiple of 4");
    expect_complaint("Reshape", counted(EK_SHAPE(6)), INTS(INT32_MAX, INT32_MAX, INT32_MAX),
                     "Shape [2147483647,2147483647,2147483647] has too many elements");
    expect_complaint("Gather", counted(EK_SHAPE(3, 2)), INTS(0, 3), "indices[1] = 3 is not in [0, 3)");
    expect_complaint("Transpose", counted(EK_SHAPE(2, 3)), INTS(0, 0), "1 is missing from {0,0}.");
    expect_complaint("Tile", counted(EK_SHAPE(2)), INTS(-1), "Expected multiples[0] >= 0, but got -1");
}

/* Sizes that no memory has: empty tensors of them work, the others are refused before anybody counts. */
static void test_sizes(void **state)
{
    const int64_t huge = (int64_t)1 << 62, wide[] = { huge, 0, huge }, perm[] = { 2, 0, 1 }, many[] = { huge, huge };
    ek_array *empty = ek_array_of(EK_FLOAT32, EK_SHAPE(huge, 0, huge), NULL), *out = NULL;
    ek_array *shape = ek_array_of(EK_INT64, EK_SHAPE(3), wide), *order = ek_array_of(EK_INT64, EK_SHAPE(3), perm);
    ek_array *full = ek_array_of(EK_INT64, EK_SHAPE(2), many), *one = ek_array_of(EK_FLOAT32, EK_SCALAR, NULL);
    ek_error err = { 0 };

    EK_UNUSED(state);
    assert_non_null(empty);
    assert_int_equal(ek__op_eval("Fill", NULL, 0, 2, (const ek_array *const[]){ shape, one }, 1, &out, &err), EK_OK);
    assert_true(ek_shape_equal(ek_array_shape(out), ek_array_shape(empty)));
    ek_array_unref(out);
    assert_int_equal(ek__op_eval("Transpose", NULL, 0, 2, (const ek_array *const[]){ empty, order }, 1, &out, &err),
                     EK_OK);
    assert_int_equal(ek_array_dim(out, 2), 0);
    ek_array_unref(out);
    assert_int_not_equal(ek__op_eval("Fill", NULL, 0, 2, (const ek_array *const[]){ full, one }, 1, &out, &err), EK_OK);
    assert_null(out);
    ek_array_unref(empty);
    ek_array_unref(shape);
    ek_array_unref(order);
    ek_array_unref(full);
    ek_array_unref(one);
}

/* ---- memory that runs out -------------------------------------------------------------------- */

/* Strings, several phases, outputs known from data only: each allocation is refused once. */
static void test_memory(void **state)
{
    const struct { const char *type; int n_in; } ops[] = { { "Pad", 2 }, { "Tile", 2 }, { "Gather", 2 } };
    const ek_string words[] = { { (char *)(uintptr_t)"ab", 2 }, { (char *)(uintptr_t)"c", 1 }, { NULL, 0 } };
    ek_test_allocator t;

    EK_UNUSED(state);
    assert_non_null(ek__ops_registry());
    for (int i = 0; i < EK_COUNT_OF(ops); i++) {
        ek_status st = EK_RESOURCE_EXHAUSTED;

        for (long k = 0; st != EK_OK; k++) {
            ek_error err = { 0 };
            ek_array *out = NULL;

            assert_true(k < 200);
            ek_test_allocator_install(&t, 0);
            ek_array *in[] = { ek_array_of(EK_STRING, EK_SHAPE(3), words),
                               strcmp(ops[i].type, "Pad") == 0
                                   ? ek_array_of(EK_INT32, EK_SHAPE(1, 2), (int32_t[]){ 1, 1 })
                                   : INTS(2) };
            const long held = t.live;
            t.fail_at = t.calls + 1 + k;
            st = ek__op_eval(ops[i].type, NULL, 0, ops[i].n_in, (const ek_array *const *)in, 1, &out, &err);
            if (st != EK_OK) {
                assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
                assert_null(out);
                assert_int_equal(t.live, held);
            }
            t.fail_at = 0;
            ek_array_unref(out);
            ek_array_unref(in[0]);
            ek_array_unref(in[1]);
            assert_int_equal(t.live, 0);
            ek_test_allocator_remove();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transpose_large),
        cmocka_unit_test(test_pieces_large),
        cmocka_unit_test(test_repeat_large),
        cmocka_unit_test(test_roll_and_bitcast),
        cmocka_unit_test(test_strided_slice),
        cmocka_unit_test(test_gradient_args),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
