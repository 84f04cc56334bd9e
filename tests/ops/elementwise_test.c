/* Broadcasting, cutting and messages of element-wise ops, without a graph: shape rule, prepare, chunks. */
#include <math.h>
#include <stdlib.h>

#include "ops/elementwise.h"
#include "ops/registry.h"
#include "support/support.h"

#define EK_OP(name) extern const ek_op_def ek__op_##name;
#include "ops/ops.def"
#undef EK_OP

enum { MAX_OPERANDS = 3 };

/* Runs def over float arrays of these shapes; the chunks go backwards, as threads might take them. */
static ek_status run(const ek_op_def *def, int n_in, const ek_shape *shape, const void *const *data, ek_dtype type,
                     ek_shape *out_shape, void *out, ek_error *err)
{
    const ek_dtype types[MAX_OPERANDS] = { type, type, type };
    const ek_array *const no_value[MAX_OPERANDS] = { NULL };
    ek_shape unknown[MAX_OPERANDS] = { EK_UNKNOWN_SHAPE, EK_UNKNOWN_SHAPE, EK_UNKNOWN_SHAPE }, handle;
    ek_shape_ctx s = { .def = def, .n_in = n_in, .n_out = 1, .in = shape, .in_dtype = types, .in_value = no_value,
                       .in_as_shape = unknown, .in_handle = unknown, .out_dtype = types, .out = out_shape,
                       .out_handle = &handle, .running = true, .err = err };
    ek_arena arena = { 0 };
    ek_prepare_ctx p = { .def = def, .n_in = n_in, .n_out = 1, .in = shape, .out = out_shape, .in_dtype = types,
                         .out_dtype = types, .in_value = no_value, .arena = &arena, .err = err };
    ek_status st = def->shape(&s);

    if (st == EK_OK) st = def->prepare(&p);
    for (int i = 0; st == EK_OK && i < p.n_phases; i++) {
        const ek_run_args a = { .in = data, .out = &out, .state = p.state, .err = err };

        for (int64_t chunk = p.phase[i].chunks - 1; st == EK_OK && chunk >= 0; chunk--) st = p.phase[i].run(&a, chunk);
    }
    ek__arena_fini(&arena);
    return st;
}

/* The element of x (broadcast from `s` to `out`) that output i is computed from. */
static int64_t source(const ek_shape *s, const ek_shape *out, int64_t i)
{
    int64_t place = 0, size = 1;

    for (int d = out->rank - 1, own = s->rank - 1; d >= 0; d--, own--) {
        const int64_t at = i % out->dim[d];

        i /= out->dim[d];
        if (own < 0) continue;
        if (s->dim[own] != 1) place += at * size;
        size *= s->dim[own];
    }
    return place;
}

static void broadcasts_like_numpy(void **state)
{
    const ek_shape pairs[][3] = {
        { EK_SCALAR, EK_SCALAR, EK_SCALAR },
        { EK_SHAPE(5), EK_SCALAR, EK_SHAPE(5) },
        { EK_SCALAR, EK_SHAPE(5), EK_SHAPE(5) },
        { EK_SHAPE(5), EK_SHAPE(5), EK_SHAPE(5) },
        { EK_SHAPE(2, 3), EK_SHAPE(3), EK_SHAPE(2, 3) },
        { EK_SHAPE(2, 3), EK_SHAPE(2, 1), EK_SHAPE(2, 3) },
        { EK_SHAPE(3, 1), EK_SHAPE(1, 4), EK_SHAPE(3, 4) },
        { EK_SHAPE(2, 1, 3), EK_SHAPE(4, 1), EK_SHAPE(2, 4, 3) },
        { EK_SHAPE(2, 3, 1, 2), EK_SHAPE(3, 4, 1), EK_SHAPE(2, 3, 4, 2) },
        { EK_SHAPE(1, 1), EK_SHAPE(1), EK_SHAPE(1, 1) },
        { EK_SHAPE(0), EK_SHAPE(1), EK_SHAPE(0) },
        { EK_SHAPE(2, 0), EK_SHAPE(2, 1), EK_SHAPE(2, 0) },
        { EK_SHAPE(0, INT64_C(1) << 40, INT64_C(1) << 40), EK_SCALAR, EK_SHAPE(0, INT64_C(1) << 40, INT64_C(1) << 40) },
        { EK_SHAPE(70001), EK_SHAPE(70001), EK_SHAPE(70001) },
        { EK_SHAPE(1, 70001), EK_SHAPE(1), EK_SHAPE(1, 70001) },
        { EK_SHAPE(3, 40000), EK_SHAPE(40000), EK_SHAPE(3, 40000) },
        { EK_SHAPE(33333, 3), EK_SHAPE(3), EK_SHAPE(33333, 3) },
        { EK_SHAPE(3), EK_SHAPE(33333, 3), EK_SHAPE(33333, 3) },
        { EK_SHAPE(33333, 3), EK_SHAPE(33333, 1), EK_SHAPE(33333, 3) },
        { EK_SHAPE(1, 1000, 1, 7), EK_SHAPE(6, 1, 2, 7), EK_SHAPE(6, 1000, 2, 7) },
        { EK_SHAPE(40000, 1), EK_SHAPE(1, 3), EK_SHAPE(40000, 3) },
        { EK_SHAPE(1000, 100), EK_SHAPE(1000, 1), EK_SHAPE(1000, 100) },
        { EK_SHAPE(10, 1, 100), EK_SHAPE(5, 1), EK_SHAPE(10, 5, 100) },
        { EK_SHAPE(5, 7, 200, 16), EK_SHAPE(5, 1, 1, 16), EK_SHAPE(5, 7, 200, 16) },
    };
    enum { MOST = 3 * 40000 };
    static float x[MOST], y[MOST], z[MOST + 1];

    EK_UNUSED(state);
    for (int i = 0; i < MOST; i++) {
        x[i] = (float)i;
        y[i] = 0.5f * (float)(i % 1000);
    }
    for (int p = 0; p < EK_COUNT_OF(pairs); p++) {
        ek_error err = { 0 };
        ek_shape out = EK_UNKNOWN_SHAPE;
        const ek_status st = run(&ek__op_Sub, 2, pairs[p], (const void *const[]){ x, y }, EK_FLOAT32, &out, z, &err);

        assert_int_equal(st, EK_OK);
        assert_true(ek_shape_equal(&out, &pairs[p][2]));
        for (int64_t i = 0; i < ek_shape_count(&out); i++) {
            const float expect = x[source(&pairs[p][0], &out, i)] - y[source(&pairs[p][1], &out, i)];

            if (z[i] != expect) fail_msg("pair %d, element %d: %g, not %g", p, (int)i, (double)z[i], (double)expect);
        }
    }
}

static void unknown_dimensions(void **state)
{
    const ek_shape rows[][3] = {
        { EK_SHAPE(-1, 1), EK_SHAPE(1), EK_SHAPE(-1, 1) },   { EK_SHAPE(-1), EK_SHAPE(3), EK_SHAPE(3) },
        { EK_SHAPE(-1), EK_SHAPE(-1), EK_SHAPE(-1) },        { EK_SHAPE(1), EK_SHAPE(-1), EK_SHAPE(-1) },
        { EK_SHAPE(2, -1), EK_SHAPE(-1, 1), EK_SHAPE(2, -1) }, { EK_UNKNOWN_SHAPE, EK_SHAPE(2), EK_UNKNOWN_SHAPE },
        { EK_SHAPE(-1), EK_SHAPE(0), EK_SHAPE(-1) },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(rows); i++) {
        ek_shape out;
        int64_t a, b;

        assert_true(ek__broadcast(&rows[i][0], &rows[i][1], &out, &a, &b));
        assert_true(ek_shape_equal(&out, &rows[i][2]));
    }
}

static void refusals_in_tensorflows_words(void **state)
{
    const ek_shape shapes[2] = { EK_SHAPE(3, 1), EK_SHAPE(2, 2) };
    float numbers[4] = { 0 };
    ek_shape out = EK_UNKNOWN_SHAPE;
    ek_error err = { 0 };
    ek_shape_ctx s = { .def = &ek__op_Add, .n_in = 2, .n_out = 1, .in = shapes, .out = &out, .err = &err };

    EK_UNUSED(state);
    assert_int_equal(
        run(&ek__op_Add, 2, shapes, (const void *const[]){ numbers, numbers }, EK_FLOAT32, &out, numbers, &err),
        EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "Incompatible shapes: [3,1] vs. [2,2]");
    err = (ek_error){ 0 };
    assert_int_equal(ek__op_Add.shape(&s), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "Dimensions must be equal, but are 3 and 2");
    err = (ek_error){ 0 };
    assert_int_equal(run(&ek__op_Mul, 2, (ek_shape[]){ EK_SCALAR, EK_SCALAR }, (const void *const[]){ numbers, numbers },
                         EK_BOOL, &out, numbers, &err),
                     EK_UNIMPLEMENTED);
}

/* No gradient stays none at a slope without end; one that is not finite is not hidden by a closed unit. */
static void gradients_that_are_not_finite(void **state)
{
    enum { N = 4 };
    static const float y[N] = { 0, INFINITY, NAN, 2 }, none[N] = { 0, 0, 0, 0 };
    static const float dy[N] = { NAN, INFINITY, -1, 3 }, features[N] = { -1, 0, NAN, 2 };
    static const ek_op_def *const slopes[] = { &ek__op_SqrtGrad, &ek__op_RsqrtGrad, &ek__op_ReciprocalGrad, &ek__op_InvGrad };
    static const ek_op_def *const units[] = { &ek__op_ReluGrad, &ek__op_Relu6Grad };
    const ek_shape shapes[] = { EK_SHAPE(N), EK_SHAPE(N) };
    float got[N];
    ek_shape out;
    ek_error err = { 0 };

    (void)state;
    for (size_t k = 0; k < sizeof slopes / sizeof *slopes; k++) {
        assert_int_equal(run(slopes[k], 2, shapes, (const void *const[]){ y, none }, EK_FLOAT32, &out, got, &err), EK_OK);
        for (int i = 0; i < N; i++) assert_true(got[i] == 0);
    }
    for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
        assert_int_equal(run(units[k], 2, shapes, (const void *const[]){ dy, features }, EK_FLOAT32, &out, got, &err), EK_OK);
        assert_true(got[0] != got[0] && got[1] != got[1] && got[2] == 0 && got[3] == 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(broadcasts_like_numpy), cmocka_unit_test(unknown_dimensions),
                                        cmocka_unit_test(refusals_in_tensorflows_words),
                                        cmocka_unit_test(gradients_that_are_not_finite) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
