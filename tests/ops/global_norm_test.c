/* The oldest batch norm beside its formula in double, its gradient beside differences; nothing, refusals. */
#include "ops/numbers.h"

enum { INPUTS_ = 5 };

typedef struct norm_case {
    int64_t images, size, channels;
    bool scaled;
} norm_case;

static const norm_case cases[] = { { 2, 2, 3, true }, { 3, 1, 1, false }, { 4, 9, 37, true }, { 2, 40, 64, false } };

#define NORM_ATTRS(n) ATTRS(ATTR_FLOAT("variance_epsilon", 1e-3f), ATTR_BOOL("scale_after_normalization", (n)->scaled))

/* t, m, v, beta, gamma; v is not below 0. */
static void inputs_of(const norm_case *n, ek_array **in)
{
    in[0] = numbers(EK_FLOAT32, EK_SHAPE(n->images, n->size, n->size, n->channels), 1);
    for (int i = 1; i < INPUTS_; i++) in[i] = numbers(EK_FLOAT32, EK_SHAPE(n->channels), (uint64_t)i + 1);
    for (int64_t c = 0; c < n->channels; c++) ek_array_f32(in[2])[c] = 0.1f + fabsf(ek_array_f32(in[2])[c]);
}

/* Element i of the result; element `at` of input `moved` is off by `by`. */
static double formula(const norm_case *n, ek_array *const *in, int64_t i, int moved, int64_t at, double by)
{
    double v[INPUTS_];

    for (int k = 0; k < INPUTS_; k++) {
        const int64_t e = k == 0 ? i : i % n->channels;
        v[k] = ek_array_get(in[k], e) + (k == moved && e == at ? by : 0);
    }
    return (v[0] - v[1]) / sqrt(v[2] + (double)1e-3f) * (n->scaled ? v[4] : 1) + v[3];
}

static void agrees_with_the_formula(void **state)
{
    (void)state;
    for (int k = 0; k < EK_COUNT_OF(cases); k++) {
        ek_array *in[INPUTS_], *y;
        inputs_of(&cases[k], in);
        run_op("BatchNormWithGlobalNormalization", NORM_ATTRS(&cases[k]), INPUTS(in[0], in[1], in[2], in[3], in[4]), 1, &y);
        for (int64_t i = 0; i < ek_array_count(y); i++)
            assert_true(fabs(ek_array_get(y, i) - formula(&cases[k], in, i, -1, 0, 0)) <= 2e-6);
        for (int i = 0; i < INPUTS_; i++) ek_array_unref(in[i]);
        ek_array_unref(y);
    }
}

/* d (sum of dy y) / d (element `at` of input `moved`). */
static double difference(const norm_case *n, ek_array *const *in, const ek_array *dy, int moved, int64_t at)
{
    double sum = 0;

    for (int64_t i = 0; i < ek_array_count(dy); i++)
        if (moved == 0 ? i == at : i % n->channels == at)
            sum += ek_array_get(dy, i) * (formula(n, in, i, moved, at, 1e-5) - formula(n, in, i, moved, at, -1e-5)) / 2e-5;
    return sum;
}

static void gradients_are_slopes(void **state)
{
    (void)state;
    for (int k = 0; k < EK_COUNT_OF(cases); k++) {
        const norm_case *n = &cases[k];
        ek_array *in[INPUTS_], *d[INPUTS_];
        inputs_of(n, in);
        ek_array *dy = numbers(EK_FLOAT32, *ek_array_shape(in[0]), 9);
        run_op("BatchNormWithGlobalNormalizationGrad", NORM_ATTRS(n), INPUTS(in[0], in[1], in[2], in[4], dy), 5, d);
        const double rows = (double)(n->images * n->size * n->size); /* sums of so many floats */
        for (int o = 0; o < INPUTS_; o++) {
            for (int64_t i = 0; i < ek_array_count(d[o]); i += 1 + ek_array_count(d[o]) / 100) {
                const double want = difference(n, in, dy, o, i);
                if (!(fabs(ek_array_get(d[o], i) - want) <= 3e-6 * fmax(sqrt(rows), fabs(want))))
                    fail_msg("case %d, output %d, element %d: %.9g, not %.9g", k, o, (int)i, ek_array_get(d[o], i), want);
            }
        }
        for (int i = 0; i < INPUTS_; i++) {
            ek_array_unref(in[i]);
            ek_array_unref(d[i]);
        }
        ek_array_unref(dy);
    }
}

static void nothing_and_refusals(void **state)
{
    const norm_case n = { 0, 2, 3, true };
    ek_array *in[INPUTS_], *d[INPUTS_], *two = numbers(EK_FLOAT32, EK_SHAPE(2), 1), *flat = numbers(EK_FLOAT32, EK_SHAPE(2, 3), 1), *y;

    (void)state;
    inputs_of(&n, in);
    run_op("BatchNormWithGlobalNormalization", NORM_ATTRS(&n), INPUTS(in[0], in[1], in[2], in[3], in[4]), 1, &y);
    run_op("BatchNormWithGlobalNormalizationGrad", NORM_ATTRS(&n), INPUTS(in[0], in[1], in[2], in[4], in[0]), 5, d);
    assert_int_equal(ek_array_count(y), 0);
    for (int64_t c = 0; c < 3; c++) assert_true(ek_array_get(d[1], c) == 0 && ek_array_get(d[4], c) == 0);
    refuse_op("BatchNormWithGlobalNormalization", NORM_ATTRS(&n), INPUTS(flat, in[1], in[2], in[3], in[4]), 1, EK_INVALID_ARGUMENT,
              "input must be 4-dimensional[2,3]");
    refuse_op("BatchNormWithGlobalNormalization", NORM_ATTRS(&n), INPUTS(in[0], flat, in[2], in[3], in[4]), 1, EK_INVALID_ARGUMENT,
              "mean must be 1-dimensional[2,3]");
    refuse_op("BatchNormWithGlobalNormalization", NORM_ATTRS(&n), INPUTS(in[0], in[1], in[2], in[3], two), 1, EK_INVALID_ARGUMENT,
              "Dimensions must be equal, but are 3 and 2");
    for (int i = 0; i < INPUTS_; i++) {
        ek_array_unref(in[i]);
        ek_array_unref(d[i]);
    }
    ek_array_unref(two);
    ek_array_unref(flat);
    ek_array_unref(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_formula), cmocka_unit_test(gradients_are_slopes), cmocka_unit_test(nothing_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
