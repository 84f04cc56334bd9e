/* Cross entropy: many rows against sums in double, both ways of giving labels, broadcast and empty operands. */
#include "ops/one_op.h"

enum { ROWS = 1500, CLASSES = 37 };

static ek_array *logits(void)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(ROWS, CLASSES), NULL);
    float *x = ek_array_data(a);

    for (int i = 0; i < ROWS * CLASSES; i++) x[i] = (float)((i * 7919) % 1009) / 50.0f - 10.0f;
    return a;
}

static double loss_of(const float *x, int label)
{
    double sum = 0, largest = -INFINITY;

    for (int j = 0; j < CLASSES; j++) largest = fmax(largest, (double)x[j]);
    for (int j = 0; j < CLASSES; j++) sum += exp((double)x[j] - largest);
    return log(sum) + largest - (double)x[label];
}

static void test_labels_as_places_and_as_distributions(void **state)
{
    ek_array *x = logits(), *place = ek_array_of(EK_INT32, EK_SHAPE(ROWS), NULL);
    ek_array *dense = ek_array_of(EK_FLOAT32, EK_SHAPE(ROWS, CLASSES), NULL), *a[2], *b[2];

    (void)state;
    for (int r = 0; r < ROWS; r++) {
        ((int32_t *)ek_array_data(place))[r] = r * 5 % CLASSES;
        ((float *)ek_array_data(dense))[r * CLASSES + r * 5 % CLASSES] = 1;
    }
    run_op("SparseSoftmaxCrossEntropyWithLogits", NO_ATTRS, INPUTS(x, place), 2, a);
    run_op("SoftmaxCrossEntropyWithLogits", NO_ATTRS, INPUTS(x, dense), 2, b);
    for (int r = 0; r < ROWS; r++) {
        const double expected = loss_of(ek_array_f32(x) + r * CLASSES, r * 5 % CLASSES);
        double sum = 0;

        assert_true(fabs((double)ek_array_f32(a[0])[r] - expected) < 4e-6 * (1 + expected));
        assert_true(fabs((double)ek_array_f32(b[0])[r] - expected) < 4e-6 * (1 + expected));
        for (int j = 0; j < CLASSES; j++) sum += (double)ek_array_f32(a[1])[r * CLASSES + j];
        assert_true(fabs(sum) < 1e-6);
    }
    assert_memory_equal(ek_array_cdata(a[1]), ek_array_cdata(b[1]), ROWS * CLASSES * sizeof(float));
    for (int k = 0; k < 2; k++) ek_array_unref(a[k]), ek_array_unref(b[k]);
    ek_array_unref(x);
    ek_array_unref(place);
    ek_array_unref(dense);
}

/* One row of logits against labels for many, and one label for all classes. */
static void test_broadcast_operands(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT64, EK_SHAPE(3), (double[]){ 1, 2, 4 }), *out[2];
    ek_array *y = ek_array_of(EK_FLOAT64, EK_SHAPE(2, 1), (double[]){ 0, 0.5 });
    const double sum = exp(-3) + exp(-2) + 1;

    (void)state;
    run_op("SoftmaxCrossEntropyWithLogits", NO_ATTRS, INPUTS(x, y), 2, out);
    assert_int_equal(ek_array_shape(out[1])->dim[0], 2);
    assert_true(((const double *)ek_array_cdata(out[0]))[0] == 0);
    assert_true(fabs(((const double *)ek_array_cdata(out[0]))[1] - 0.5 * (3 * log(sum) + 5)) < 1e-14);
    assert_true(fabs(((const double *)ek_array_cdata(out[1]))[5] - (1 / sum - 0.5)) < 1e-15);
    for (int k = 0; k < 2; k++) ek_array_unref(out[k]);
    ek_array_unref(x);
    ek_array_unref(y);
}

static void test_no_classes_and_refusals(void **state)
{
    ek_array *none = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 0), NULL), *out[2];
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 3), NULL);
    ek_array *cube = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 2, 3), NULL);
    ek_array *labels = ek_array_of(EK_INT64, EK_SHAPE(2), (int64_t[]){ 2, 3 });

    (void)state;
    run_op("SoftmaxCrossEntropyWithLogits", NO_ATTRS, INPUTS(none, none), 2, out);
    assert_true(ek_array_f32(out[0])[0] == 0 && ek_array_f32(out[0])[1] == 0);
    for (int k = 0; k < 2; k++) ek_array_unref(out[k]);
    refuse_op("SoftmaxCrossEntropyWithLogits", NO_ATTRS, INPUTS(x, cube), 2, EK_INVALID_ARGUMENT, "2-dimensional");
    refuse_op("SparseSoftmaxCrossEntropyWithLogits", NO_ATTRS, INPUTS(x, labels), 2, EK_INVALID_ARGUMENT,
              "Received a label value of 3 which is outside the valid range of [0, 3).  Label values: 2 3");
    refuse_op("SparseSoftmaxCrossEntropyWithLogits", NO_ATTRS, INPUTS(none, labels), 2, EK_INVALID_ARGUMENT,
              "Must have at least one class, but got logits shape [2,0]");
    ek_array_unref(none);
    ek_array_unref(x);
    ek_array_unref(cube);
    ek_array_unref(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_as_places_and_as_distributions),
        cmocka_unit_test(test_broadcast_operands),
        cmocka_unit_test(test_no_classes_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
