/* Local response normalisation beside the formula in double, its gradient beside differences; nothing, refusals. */
#include "ops/numbers.h"

typedef struct lrn_case {
    int64_t pixels, depth, radius;
    float bias, alpha, beta;
} lrn_case;

static const lrn_case cases[] = {
    { 1, 1, 5, 1, 1, 0.5f },      { 7, 13, 2, 2, 0.25f, 0.75f }, { 40, 96, 5, 1, 1e-1f, 0.75f },
    { 3, 5, 100, 1, 0.5f, 1 },    { 5, 8, 0, 0.5f, 2, 0.3f },    { 3000, 64, 4, 1, 1, 0.5f },
};

#define LRN_ATTRS(l) \
    ATTR_INT("depth_radius", (l)->radius), ATTR_FLOAT("bias", (l)->bias), ATTR_FLOAT("alpha", (l)->alpha), ATTR_FLOAT("beta", (l)->beta)

static double value(const ek_array *x, int64_t i, double moved, int64_t at) { return ek_array_get(x, i) + (i == at ? moved : 0); }

/* Element i of the result, element `at` of x moved. */
static double formula(const lrn_case *l, const ek_array *x, int64_t i, double moved, int64_t at)
{
    const int64_t row = i - i % l->depth;
    double sum = 0;

    for (int64_t c = row; c < row + l->depth; c++)
        if (c >= i - l->radius && c <= i + l->radius) sum += pow(value(x, c, moved, at), 2);
    return value(x, i, moved, at) / pow((double)l->bias + (double)l->alpha * sum, (double)l->beta);
}

static void agrees_with_the_formula(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT16, EK_BFLOAT16 };
    static const double tolerance[] = { 1e-6, 1e-3, 8e-3 };

    (void)state;
    for (int k = 0; k < 3 * EK_COUNT_OF(cases); k++) {
        const lrn_case *l = &cases[k / 3];
        ek_array *x = numbers(types[k % 3], EK_SHAPE(l->pixels, 1, 1, l->depth), 3), *y;
        run_op("LRN", ATTRS(LRN_ATTRS(l)), INPUTS(x), 1, &y);
        for (int64_t i = 0; i < ek_array_count(x); i += 1 + ek_array_count(x) / 5000)
            if (!(fabs(ek_array_get(y, i) - formula(l, x, i, 0, -1)) <= tolerance[k % 3])) fail_msg("case %d, element %d", k / 3, (int)i);
        ek_array_unref(x);
        ek_array_unref(y);
    }
}

/* d (sum of dy y) / dx. */
static double difference(const lrn_case *l, const ek_array *x, const ek_array *dy, int64_t at)
{
    const double step = 1e-5;
    double sum = 0;

    for (int64_t i = at - at % l->depth; i < at - at % l->depth + l->depth; i++)
        sum += ek_array_get(dy, i) * (formula(l, x, i, step, at) - formula(l, x, i, -step, at)) / (2 * step);
    return sum;
}

static void gradient_is_the_slope(void **state)
{
    (void)state;
    for (int k = 0; k < EK_COUNT_OF(cases); k++) {
        const lrn_case *l = &cases[k];
        const ek_shape shape = EK_SHAPE(1, l->pixels, 1, l->depth);
        ek_array *x = numbers(EK_FLOAT32, shape, 3), *dy = numbers(EK_FLOAT32, shape, 4), *y, *dx;
        run_op("LRN", ATTRS(LRN_ATTRS(l)), INPUTS(x), 1, &y);
        run_op("LRNGrad", ATTRS(LRN_ATTRS(l)), INPUTS(dy, x, y), 1, &dx);
        for (int64_t i = 0; i < ek_array_count(x); i += 1 + ek_array_count(x) / 500)
            if (!(fabs(ek_array_get(dx, i) - difference(l, x, dy, i)) <= 3e-6)) fail_msg("case %d, element %d", k, (int)i);
        ek_array *const all[] = { x, dy, y, dx };
        for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
    }
}

static void nothing_and_refusals(void **state)
{
    ek_array *none = numbers(EK_FLOAT32, EK_SHAPE(0, 2, 2, 3), 1), *x = numbers(EK_FLOAT32, EK_SHAPE(1, 2, 2, 3), 1);
    ek_array *flat = numbers(EK_FLOAT32, EK_SHAPE(2, 3), 1), *y;

    (void)state;
    run_op("LRN", NO_ATTRS, INPUTS(none), 1, &y);
    assert_int_equal(ek_array_count(y), 0);
    refuse_op("LRN", NO_ATTRS, INPUTS(flat), 1, EK_INVALID_ARGUMENT, "in must be 4-dimensional");
    refuse_op("LRN", ATTRS(ATTR_INT("depth_radius", -1)), INPUTS(x), 1, EK_INVALID_ARGUMENT, "-1");
    refuse_op("LRNGrad", NO_ATTRS, INPUTS(x, x, none), 1, EK_INVALID_ARGUMENT,
              "input_grads, input_image, and out_image should have the same shape");
    ek_array *const all[] = { none, x, flat, y };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_formula), cmocka_unit_test(gradient_is_the_slope), cmocka_unit_test(nothing_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
