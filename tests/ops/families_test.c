/* Element-wise families where the case files say nothing: complex functions, strings, rows chosen, answers instead of
 * errors. */
#include <float.h>

#include "ops/one_op.h"

/* numpy's results for 0.5+1i, -3+4i, 2-0.25i. */
static const struct {
    const char *op;
    double right[6];
} functions[] = {
    { "Exp", { 0.890807904293, 1.38735111133, -0.0325429996402, -0.0376789775749, 7.15934823897, -1.82808173403 } },
    { "Log", { 0.111571775657, 1.10714871779, 1.60943791243, 2.21429743559, 0.700899273828, -0.124354994547 } },
    { "Sqrt", { 0.899453719974, 0.555892970251, 1, 2, 1.41696232079, -0.0882168835162 } },
    { "Rsqrt", { 0.804495864191, -0.497205787879, 0.2, -0.4, 0.703010181528, 0.0437678309329 } },
    { "Sin", { 0.739792264456, 1.03133607425, -3.85373803792, -27.016813258, 0.937861277715, 0.105123816513 } },
    { "Cos", { 1.3541806567, -0.563421465231, -27.0349456031, 3.85115333481, -0.429219298688, 0.229699729658 } },
    { "Tan", { 0.195577310066, 0.842966204846, 0.000187346204629, 0.999355987381, -1.59668921077, -1.09939813521 } },
    { "Sinh", { 0.281548995135, 0.948864531437, 6.54812004091, -7.61923172032, 3.51411010097, -0.930782109464 } },
    { "Cosh", { 0.609258909158, 0.438486579893, -6.58066304055, 7.58155274275, 3.645238138, -0.897299624565 } },
    { "Tanh", { 1.04283072834, 0.806877412163, -1.00070953607, 0.0049082580675, 0.968214572184, -0.0170094613846 } },
    { "Asinh", { 0.732857675974, 0.895907481209, -2.29991404088, 0.917616853351, 1.44920815226, -0.111477925368 } },
    { "Acosh", { 0.92613303135, 1.22135726394, 2.30550903124, 2.20478019243, 1.32876337034, -0.142872182274 } },
    { "Atanh", { 0.238877861257, 0.847575660671, -0.117500907311, 1.4099210496, 0.535880099591, -1.48987761118 } },
    { "Sigmoid", { 0.656210346251, 0.252250351349, -0.0320721995883, -0.0401955076551, 0.883299252668, -0.0261465129687 } },
    { "Expm1", { -0.109192095707, 1.38735111133, -1.03254299964, -0.0376789775749, 6.15934823897, -1.82808173403 } },
    { "Log1p", { 0.589327498171, 0.588002603548, 1.49786613678, 2.0344439358, 1.10207251009, -0.0831412318884 } },
    { "Sign", { 0.4472135955, 0.894427191, -0.6, 0.8, 0.992277876714, -0.124034734589 } },
};
static const double z[6] = { 0.5, 1.0, -3.0, 4.0, 2.0, -0.25 }, w[6] = { 1.0, -2.0, 0.5, 0.5, -1.0, 1.0 };

static void close_to(const char *op, const ek_array *got, const double *right)
{
    const double *d = ek_array_cdata(got);

    for (int i = 0; i < 6; i++)
        if (fabs(d[i] - right[i]) > 1e-11 * fmax(1.0, hypot(right[i & ~1], right[i | 1])))
            fail_msg("%s: number %d is %.12g, not %.12g", op, i, d[i], right[i]);
}

static void complex_functions(void **state)
{
    static const double power[6] = { 6.48995831151, 7.9150109102, -0.247200044263, 0.696450487083,
                                     0.38113316756, 0.412792726965 };
    ek_array *x = ek_array_of(EK_COMPLEX128, EK_SHAPE(3), z), *y = ek_array_of(EK_COMPLEX128, EK_SHAPE(3), w), *out;

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(functions); i++) {
        run_op(functions[i].op, NO_ATTRS, INPUTS(x), 1, &out);
        close_to(functions[i].op, out, functions[i].right);
        ek_array_unref(out);
    }
    run_op("Pow", NO_ATTRS, INPUTS(x, y), 1, &out);
    close_to("Pow", out, power);
    ek_array_unref(out);
    ek_array_unref(x);
    ek_array_unref(y);
}

static ek_array *strings(ek_shape shape, const char *const *s)
{
    ek_array *a = ek_array_of(EK_STRING, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) EK_DIE(ek_array_set_string(a, i, s[i], strlen(s[i])));
    return a;
}

static void string_ops(void **state)
{
    ek_array *x = strings(EK_SHAPE(2, 1), (const char *[]){ "a", "" }),
             *y = strings(EK_SHAPE(2), (const char *[]){ "b", "" });
    ek_array *choose = ek_array_of(EK_BOOL, EK_SHAPE(2), (bool[]){ false, true }), *out;
    const ek_string *s;

    EK_UNUSED(state);
    run_op("Add", NO_ATTRS, INPUTS(x, y), 1, &out);
    s = ek_array_cdata(out);
    assert_int_equal(ek_array_count(out), 4);
    assert_int_equal(s[0].size, 2);
    assert_memory_equal(s[0].data, "ab", 2);
    assert_int_equal(s[3].size, 0);
    ek_array_unref(out);
    run_op("Equal", NO_ATTRS, INPUTS(x, y), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((bool[]){ false, false, false, true }), 4);
    ek_array_unref(out);
    run_op("NotEqual", NO_ATTRS, INPUTS(x, x), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((bool[]){ false, false }), 2);
    ek_array_unref(out);
    run_op("Select", NO_ATTRS, INPUTS(choose, y, y), 1, &out);
    assert_true(ek__array_equal(out, y));
    ek_array_unref(out);
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(choose);
}

static void rows_are_chosen(void **state)
{
    ek_array *choose = ek_array_of(EK_BOOL, EK_SHAPE(2), (bool[]){ false, true }), *out;
    ek_array *x = ek_array_of(EK_INT16, EK_SHAPE(2, 1, 2), (int16_t[]){ 1, 2, 3, 4 });
    ek_array *y = ek_array_of(EK_INT16, EK_SHAPE(2, 1, 2), (int16_t[]){ 5, 6, 7, 8 });

    EK_UNUSED(state);
    run_op("Select", NO_ATTRS, INPUTS(choose, x, y), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int16_t[]){ 5, 6, 3, 4 }), 8);
    ek_array_unref(out);
    ek_array_unref(choose);
    choose = ek_array_of(EK_BOOL, EK_SHAPE(3), NULL);
    refuse_op("Select", NO_ATTRS, INPUTS(choose, x, y), 1, EK_INVALID_ARGUMENT,
              "Number of batches of 'then' must match size of 'cond', but saw: 2 vs. 3");
    ek_array_unref(choose);
    ek_array_unref(x);
    ek_array_unref(y);
}

static void unequal_shapes_as_an_answer(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(2), NULL), *y = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL), *out;

    EK_UNUSED(state);
    run_op("Equal", ATTRS(ATTR_BOOL("incompatible_shape_error", false)), INPUTS(x, y), 1, &out);
    assert_int_equal(ek_array_rank(out), 0);
    assert_true(ek_array_get(out, 0) == 0.0);
    ek_array_unref(out);
    run_op("NotEqual", ATTRS(ATTR_BOOL("incompatible_shape_error", false)), INPUTS(x, y), 1, &out);
    assert_true(ek_array_get(out, 0) == 1.0);
    ek_array_unref(out);
    ek_array_unref(x);
    ek_array_unref(y);
}

static void casts_that_truncate(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1.00390625f + 0x1p-9f, -1.999f }), *out;

    EK_UNUSED(state);
    run_op("Cast", ATTRS(ATTR_TYPE("DstT", EK_BFLOAT16), ATTR_BOOL("Truncate", true)), INPUTS(x), 1, &out);
    assert_true(ek_array_get(out, 0) == 1.0 && ek_array_get(out, 1) == -1.9921875);
    ek_array_unref(out);
    run_op("Cast", ATTRS(ATTR_TYPE("DstT", EK_BFLOAT16)), INPUTS(x), 1, &out);
    assert_true(ek_array_get(out, 0) == 1.0078125 && ek_array_get(out, 1) == -2.0);
    ek_array_unref(out);
    refuse_op("Cast", ATTRS(ATTR_TYPE("DstT", EK_STRING)), INPUTS(x), 1, EK_UNIMPLEMENTED,
              "Cast float to string is not supported");
    ek_array_unref(x);
}

static void integers_wrap_and_are_refused(void **state)
{
    ek_array *x = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ INT32_MIN, 7 });
    ek_array *y = ek_array_of(EK_INT32, EK_SCALAR, (int32_t[]){ -1 }),
             *zero = ek_array_of(EK_INT32, EK_SHAPE(1, 1), NULL), *out;

    EK_UNUSED(state);
    run_op("FloorDiv", NO_ATTRS, INPUTS(x, y), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int32_t[]){ INT32_MIN, -7 }), 8);
    ek_array_unref(out);
    run_op("Mod", NO_ATTRS, INPUTS(x, y), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int32_t[]){ 0, 0 }), 8);
    ek_array_unref(out);
    refuse_op("Div", NO_ATTRS, INPUTS(x, zero), 1, EK_INVALID_ARGUMENT, "Integer division by zero");
    refuse_op("Pow", NO_ATTRS, INPUTS(x, y), 1, EK_INVALID_ARGUMENT,
              "Integers to negative integer powers are not allowed");
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(zero);
}

/* Everything that allocates fails once at each of its allocations. */
static void without_memory(void **state)
{
    ek_array *const warm = ek_array_of(EK_FLOAT32, EK_SCALAR, NULL);
    ek_array *first;
    ek_test_allocator t;

    EK_UNUSED(state);
    run_op("Neg", NO_ATTRS, INPUTS(warm), 1, &first); /* the registry is made once and stays */
    ek_array_unref(first);
    ek_array_unref(warm);
    for (long k = 1; k < 200; k++) {
        ek_error err = { 0 };
        ek_array *x, *y, *out[3] = { NULL };
        long before, at;

        ek_test_allocator_install(&t, 0);
        x = strings(EK_SHAPE(2, 1), (const char *[]){ "a", "long enough to need a block of its own" });
        y = strings(EK_SHAPE(2), (const char *[]){ "b", "" });
        before = t.live;
        at = t.calls;
        t.fail_at = t.calls + k;
        ek_status st = ek__op_eval("Add", NO_ATTRS, INPUTS(x, y), 1, &out[0], &err);
        if (st == EK_OK) st = ek__op_eval("Equal", NO_ATTRS, INPUTS(x, y), 1, &out[1], &err);
        if (st == EK_OK) st = ek__op_eval("LogicalNot", NO_ATTRS, INPUTS(out[1]), 1, &out[2], &err);
        for (int i = 0; i < 3; i++) ek_array_unref(out[i]);
        assert_int_equal(t.live, before);
        if (st != EK_OK) assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
        const bool all = st == EK_OK && t.calls < at + k;
        t.fail_at = 0;
        ek_array_unref(x);
        ek_array_unref(y);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
        if (all) return;
    }
    fail_msg("never came through");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complex_functions),           cmocka_unit_test(string_ops),
        cmocka_unit_test(rows_are_chosen),             cmocka_unit_test(unequal_shapes_as_an_answer),
        cmocka_unit_test(casts_that_truncate),         cmocka_unit_test(integers_wrap_and_are_refused),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
