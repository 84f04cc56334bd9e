/* MirrorPadGrad is MirrorPad's adjoint: <dy, MirrorPad(x)> = <MirrorPadGrad(dy), x>; refusals. */
#include "ops/numbers.h"

static void check(ek_dtype t, ek_shape shape, const char *mode, const int32_t *paddings)
{
    const ek_attr attr = { "mode", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)mode, strlen(mode) } } };
    ek_array *x = numbers(t, shape, 1), *p = ek_array_of(EK_INT32, EK_SHAPE(shape.rank, 2), paddings), *y, *dx;

    run_op("MirrorPad", &attr, 1, INPUTS(x, p), 1, &y);
    ek_array *dy = numbers(t, *ek_array_shape(y), 2);
    run_op("MirrorPadGrad", &attr, 1, INPUTS(dy, p), 1, &dx);
    assert_true(ek_shape_equal(ek_array_shape(dx), &shape));
    if (!(fabs(dot(dy, y) - dot(dx, x)) <= (t == EK_FLOAT64 ? 1e-12 : 1e-4))) fail_msg("%s, rank %d", mode, shape.rank);
    ek_array *const all[] = { x, p, y, dx, dy };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

static void gradients_are_adjoints(void **state)
{
    static const char *const modes[] = { "REFLECT", "SYMMETRIC" };

    (void)state;
    for (int k = 0; k < 4; k++) {
        const char *mode = modes[k / 2];
        const ek_dtype t = k % 2 == 0 ? EK_FLOAT64 : EK_FLOAT32;
        check(t, EK_SHAPE(4), mode, (int32_t[]){ 3, 2 });
        check(t, EK_SHAPE(5, 3), mode, (int32_t[]){ 0, 4, 2, 1 });
        check(t, EK_SHAPE(3, 6, 5), mode, (int32_t[]){ 2, 2, 0, 0, 4, 3 });
        check(t, EK_SHAPE(2, 7, 8, 3), mode, (int32_t[]){ 0, 0, 3, 3, 1, 2, 0, 0 });
        check(t, EK_SCALAR, mode, NULL);
    }
}

static void refusals(void **state)
{
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(6), 1), *wide = ek_array_of(EK_INT32, EK_SHAPE(1, 2), (int32_t[]){ 2, 2 });
    ek_array *more = ek_array_of(EK_INT32, EK_SHAPE(1, 2), (int32_t[]){ 5, 5 }), *less = ek_array_of(EK_INT32, EK_SHAPE(1, 2), (int32_t[]){ -1, 0 });

    (void)state;
    refuse_op("MirrorPadGrad", ATTRS(ATTR_STRING("mode", "REFLECT")), INPUTS(x, wide), 1, EK_INVALID_ARGUMENT,
              "paddings must be less than the output dimension size: 2, 2 not less than 2");
    refuse_op("MirrorPadGrad", ATTRS(ATTR_STRING("mode", "SYMMETRIC")), INPUTS(x, more), 1, EK_INVALID_ARGUMENT,
              "paddings must be no greater than the output dimension size: 5, 5 greater than -4");
    refuse_op("MirrorPadGrad", ATTRS(ATTR_STRING("mode", "SYMMETRIC")), INPUTS(x, less), 1, EK_INVALID_ARGUMENT,
              "Paddings must be non-negative: -1, 0");
    ek_array *const all[] = { x, wide, more, less };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gradients_are_adjoints), cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
