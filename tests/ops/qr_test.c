/* Qr: TensorFlow 2.15.1's numbers for one matrix, what every decomposition must satisfy, matrices of nothing, refusals. */
#include "ops/one_op.h"

#include <string.h>

static const double tall[] = { 1, 2, -1, 0, 1, 3, 2, -2, 1, 1, 1, 1 }; /* [4, 3] */
static const double tall_q[] = { -0.40824829, -0.690942204, 0.418084296,  -0.425602778, /* the last column where it is full */
                                 0.0,         -0.318896402, -0.881503034, -0.348220455,
                                 -0.816496581, 0.531494003, -0.115854685, -0.193455808,
                                 -0.40824829, -0.372045802, -0.186374927, 0.812514394 };
static const double tall_r[] = { -2.449489743, 0.40824829, -0.816496581, 0, -3.13581462, -0.106298801,
                                 0,            0,          -3.364823011, 0, 0,           0 };
static const double wide_q[] = { -0.40824829, -0.0531494,   0.911322377,  -0.816496581, -0.425195203,
                                 -0.390566733, 0.40824829,  -0.903539806, 0.130188911 };
static const double wide_r[] = { -2.449489743, 0.40824829,  1.224744871,  -0.816496581, 0, -3.13581462,
                                 -0.159448201, -1.381884409, 0,           0,            2.733967131, 0.650944555 };

static void expect(const ek_array *found, const double *want, int64_t columns, int64_t of, double tolerance)
{
    for (int64_t i = 0; i < ek_array_count(found); i++) {
        const double v = want[i / columns * of + i % columns];
        if (!(fabs(ek_array_get(found, i) - v) <= tolerance))
            fail_msg("element %lld: %g was expected, found %g", (long long)i, v, ek_array_get(found, i));
    }
}

static ek_array *matrix(ek_dtype t, ek_shape shape, const double *at)
{
    ek_array *a = ek_array_of(t, shape, NULL);

    ek__convert(EK_FLOAT64, at, t, ek_array_data(a), ek_array_count(a));
    return a;
}

static void the_numbers_are_those_of_tensorflow(void **state)
{
    static const struct {
        ek_dtype type;
        double tolerance;
    } types[] = { { EK_FLOAT64, 1e-9 }, { EK_FLOAT32, 1e-6 }, { EK_FLOAT16, 2e-3 } };

    (void)state;
    for (int k = 0; k < EK_COUNT_OF(types); k++) {
        double turned[12];
        for (int i = 0; i < 12; i++) turned[i] = tall[i % 4 * 3 + i / 4];
        ek_array *a = matrix(types[k].type, EK_SHAPE(4, 3), tall), *t = matrix(types[k].type, EK_SHAPE(3, 4), turned);
        ek_array *thin[2], *full[2], *wide[2];
        run_op("Qr", NO_ATTRS, INPUTS(a), 2, thin);
        run_op("Qr", ATTRS(ATTR_BOOL("full_matrices", true)), INPUTS(a), 2, full);
        run_op("Qr", NO_ATTRS, INPUTS(t), 2, wide);
        expect(thin[0], tall_q, 3, 4, types[k].tolerance);
        expect(thin[1], tall_r, 3, 3, types[k].tolerance);
        expect(full[0], tall_q, 4, 4, types[k].tolerance);
        expect(full[1], tall_r, 3, 3, types[k].tolerance);
        expect(wide[0], wide_q, 3, 3, types[k].tolerance);
        expect(wide[1], wide_r, 4, 4, types[k].tolerance);
        assert_int_equal(ek_array_count(thin[1]), 9);
        assert_int_equal(ek_array_count(full[1]), 12);
        ek_array *const all[] = { a, t, thin[0], thin[1], full[0], full[1], wide[0], wide[1] };
        for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
    }
}

/* Several matrices at once: q is orthogonal, r is triangular, their product is the matrix. */
static void every_matrix_of_a_batch_is_decomposed(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT64, EK_SHAPE(2, 3, 17, 9), NULL), *out[2];

    (void)state;
    for (int64_t i = 0; i < ek_array_count(x); i++) ek_array_f64(x)[i] = sin((double)(i * i));
    run_op("Qr", NO_ATTRS, INPUTS(x), 2, out);
    for (int m = 0; m < 6; m++) {
        const double *q = ek_array_f64(out[0]) + m * 17 * 9, *r = ek_array_f64(out[1]) + m * 81;
        for (int i = 0; i < 9; i++)
            for (int j = 0; j < 9; j++) {
                double dot = 0;
                for (int k = 0; k < 17; k++) dot += q[k * 9 + i] * q[k * 9 + j];
                assert_true(fabs(dot - (i == j)) < 1e-14);
                assert_true(j >= i || r[i * 9 + j] == 0);
            }
        for (int i = 0; i < 17; i++)
            for (int j = 0; j < 9; j++) {
                double sum = 0;
                for (int k = 0; k < 9; k++) sum += q[i * 9 + k] * r[k * 9 + j];
                assert_true(fabs(sum - ek_array_f64(x)[(m * 17 + i) * 9 + j]) < 1e-14);
            }
    }
    ek_array_unref(x);
    ek_array_unref(out[0]);
    ek_array_unref(out[1]);
}

static void matrices_of_nothing_and_of_nan(void **state)
{
    ek_array *none = ek_array_of(EK_FLOAT64, EK_SHAPE(3, 0), NULL), *rows = ek_array_of(EK_FLOAT64, EK_SHAPE(0, 3), NULL);
    ek_array *no_matrix = ek_array_of(EK_FLOAT64, EK_SHAPE(0, 3, 3), NULL), *eye[2], *empty[2], *no[2], *bad[2];
    ek_array *nan = ek_array_of(EK_FLOAT64, EK_SHAPE(2, 2), (double[]){ (double)NAN, 1, 1, 2 });

    (void)state;
    run_op("Qr", ATTRS(ATTR_BOOL("full_matrices", true)), INPUTS(none), 2, eye);
    for (int i = 0; i < 9; i++) assert_true(ek_array_get(eye[0], i) == (i % 4 == 0));
    run_op("Qr", NO_ATTRS, INPUTS(rows), 2, empty);
    assert_int_equal(ek_array_count(empty[0]) + ek_array_count(empty[1]), 0);
    run_op("Qr", NO_ATTRS, INPUTS(no_matrix), 2, no);
    assert_int_equal(ek_array_dim(no[1], 2), 3);
    run_op("Qr", NO_ATTRS, INPUTS(nan), 2, bad);
    assert_true(isnan(ek_array_get(bad[0], 0)) && isnan(ek_array_get(bad[1], 3)) && ek_array_get(bad[1], 2) == 0);
    ek_array *const all[] = { none, rows, no_matrix, nan, eye[0], eye[1], empty[0], empty[1], no[0], no[1], bad[0], bad[1] };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

static void refusals(void **state)
{
    ek_array *vector = ek_array_of(EK_FLOAT32, EK_SHAPE(3), NULL), *complex = ek_array_of(EK_COMPLEX64, EK_SHAPE(2, 2), NULL);

    (void)state;
    refuse_op("Qr", NO_ATTRS, INPUTS(vector), 2, EK_INVALID_ARGUMENT, "Input tensor 0 must have rank >= 2, got 1");
    refuse_op("Qr", NO_ATTRS, INPUTS(complex), 2, EK_UNIMPLEMENTED, "Qr has no kernel for complex64");
    ek_array_unref(vector);
    ek_array_unref(complex);
}

/* Loud, since TensorFlow has one. */
static void it_has_no_gradient_here(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(3, 3));
    ek_op qr = ek_op_build(g, "Qr", .inputs = &x, .n_inputs = 1);
    ek_tensor y = ek_op_output(qr, 0);
    ek_error err = { 0 };

    (void)state;
    (void)ek_gradients(EK_LIST(y), EK_LIST(x));
    assert_true(ek_graph_status(g, &err) != EK_OK);
    assert_non_null(strstr(err.text, "No gradient defined for operation 'Qr' (op type: Qr)"));
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_are_those_of_tensorflow),
        cmocka_unit_test(every_matrix_of_a_batch_is_decomposed),
        cmocka_unit_test(matrices_of_nothing_and_of_nan),
        cmocka_unit_test(refusals),
        cmocka_unit_test(it_has_no_gradient_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
