/* Depthwise convolution against Conv2D in as many groups as there are channels; its gradients are its adjoints. In both
 * layouts, dilated, with several filters a channel; nothing, refusals. */
#include "ops/numbers.h"

typedef struct shape_case {
    int64_t images, height, width, in, filters, kernel, stride, dilation;
    const char *padding;
} shape_case;

static const shape_case cases[] = {
    {1, 5, 5, 1, 1, 3, 1, 1, "SAME"},    {2, 7, 6, 3, 2, 3, 2, 1, "VALID"},  {3, 20, 17, 24, 1, 3, 1, 1, "SAME"},
    {2, 33, 19, 70, 1, 5, 2, 1, "SAME"}, {1, 12, 11, 5, 3, 3, 1, 2, "SAME"}, {2, 9, 9, 20, 1, 3, 2, 2, "VALID"},
    {3, 3, 4, 17, 1, 7, 1, 1, "SAME"},   {4, 8, 8, 6, 1, 1, 3, 1, "VALID"},  {1, 40, 50, 66, 1, 3, 1, 1, "SAME"},
    {2, 16, 16, 4, 1, 4, 3, 2, "SAME"},  {1, 9, 13, 8, 2, 3, 2, 3, "SAME"},
};

static ek_shape image_shape(const shape_case *s, bool first, int64_t images)
{
    return first ? EK_SHAPE(images, s->in, s->height, s->width) : EK_SHAPE(images, s->height, s->width, s->in);
}

#define CONV(of, first)                                                                                                \
    ATTR_INTS("strides", 1, (first) ? 1 : (of)->stride, (of)->stride, (first) ? (of)->stride : 1),                     \
    ATTR_INTS("dilations", 1, (first) ? 1 : (of)->dilation, (of)->dilation, (first) ? (of)->dilation : 1),             \
    ((ek_attr){ "padding", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)(of)->padding, strlen((of)->padding) } } }), \
    ((ek_attr){ "data_format", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)((first) ? "NCHW" : "NHWC"), 4 } } })

static void expect_near(const ek_array *got, const ek_array *want, double tolerance)
{
    assert_true(ek_shape_equal(ek_array_shape(got), ek_array_shape(want)));
    for (int64_t i = 0; i < ek_array_count(got); i++)
        if (!(fabs(ek_array_get(got, i) - ek_array_get(want, i)) <= tolerance))
            fail_msg("element %lld: %.9g, not %.9g", (long long)i, ek_array_get(got, i), ek_array_get(want, i));
}

static void is_a_convolution_in_groups(void **state)
{
    static const struct {
        ek_dtype dtype;
        double tolerance;
    } types[] = { { EK_FLOAT64, 1e-12 }, { EK_FLOAT32, 1e-5 }, { EK_FLOAT16, 3e-2 }, { EK_BFLOAT16, 2e-1 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int first = 0; first < 2; first++) {
            const shape_case *s = &cases[i];
            ek_array *x = numbers(EK_FLOAT64, image_shape(s, first != 0, s->images), 3), *want;
            ek_array *groups = numbers(EK_FLOAT64, EK_SHAPE(s->kernel, s->kernel, 1, s->in * s->filters), 4);
            run_op("Conv2D", ATTRS(CONV(s, first)), INPUTS(x, groups), 1, &want);
            for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
                ek_array *y, *v = numbers(types[t].dtype, image_shape(s, first != 0, s->images), 3);
                ek_array *w = numbers(types[t].dtype, EK_SHAPE(s->kernel, s->kernel, s->in, s->filters), 4);
                run_op("DepthwiseConv2dNative", ATTRS(CONV(s, first)), INPUTS(v, w), 1, &y);
                expect_near(y, want, types[t].tolerance);
                ek_array_unref(v);
                ek_array_unref(w);
                ek_array_unref(y);
            }
            ek_array_unref(x);
            ek_array_unref(groups);
            ek_array_unref(want);
        }
}

static void check_adjoints(const shape_case *s, ek_dtype t, bool first)
{
    static const char *const ops[] = { "DepthwiseConv2dNative", "DepthwiseConv2dNativeBackpropInput",
                                       "DepthwiseConv2dNativeBackpropFilter" };

    assert_adjoints(ops, ATTRS(CONV(s, first)), numbers(t, image_shape(s, first, s->images), 3),
                    numbers(t, EK_SHAPE(s->kernel, s->kernel, s->in, s->filters), 4),
                    t == EK_FLOAT64 ? 1e-13 : t == EK_FLOAT32 ? 2e-6 : 4e-3);
}

static void gradients_are_adjoints(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT64, EK_FLOAT16 };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(cases); i++)
        for (int k = 0; k < EK_COUNT_OF(types); k++) {
            check_adjoints(&cases[i], types[k], false);
            check_adjoints(&cases[i], types[k], true);
        }
}

/* A batch of nothing: no results, a gradient of zeros. A filter of nothing has sums of nothing. */
static void nothing(void **state)
{
    static const shape_case s = { 0, 5, 5, 2, 2, 3, 1, 1, "SAME" };
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(0, 5, 5, 2), 1), *dy = numbers(EK_FLOAT32, EK_SHAPE(0, 5, 5, 4), 1), *dw, *y;
    ek_array *one = numbers(EK_FLOAT32, EK_SHAPE(1, 5, 5, 2), 1), *none = numbers(EK_FLOAT32, EK_SHAPE(0, 3, 2, 2), 1), *zeros;
    ek_array *w = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 2, 2), 2), *w_sizes = sizes_of(w);

    (void)state;
    run_op("DepthwiseConv2dNative", ATTRS(CONV(&s, false)), INPUTS(x, w), 1, &y);
    assert_int_equal(ek_array_count(y), 0);
    run_op("DepthwiseConv2dNative", ATTRS(CONV(&s, false)), INPUTS(one, none), 1, &zeros);
    run_op("DepthwiseConv2dNativeBackpropFilter", ATTRS(CONV(&s, false)), INPUTS(x, w_sizes, dy), 1, &dw);
    assert_int_equal(ek_array_count(dw), 36);
    for (int64_t i = 0; i < 36; i++) assert_true(ek_array_get(dw, i) == 0);
    assert_int_equal(ek_array_count(zeros), 100);
    for (int64_t i = 0; i < 100; i++) assert_true(ek_array_get(zeros, i) == 0);
    ek_array *no_filters = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 2, 0), 1), *no_dy = numbers(EK_FLOAT32, EK_SHAPE(1, 5, 5, 0), 1);
    ek_array *one_sizes = sizes_of(one), *dx;
    run_op("DepthwiseConv2dNativeBackpropInput", ATTRS(CONV(&s, false)), INPUTS(one_sizes, no_filters, no_dy), 1, &dx);
    assert_int_equal(ek_array_count(dx), 50);
    for (int64_t i = 0; i < 50; i++) assert_true(ek_array_get(dx, i) == 0);
    ek_array *const all[] = { x, dy, dw, y, one, none, zeros, w, w_sizes, no_filters, no_dy, one_sizes, dx };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

static void refusals(void **state)
{
    static const shape_case s = { 2, 5, 5, 2, 2, 3, 1, 1, "SAME" };
    static const char *const by_input = "DepthwiseConv2dNativeBackpropInput", *const by_filter = "DepthwiseConv2dNativeBackpropFilter";
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(2, 5, 5, 2), 1), *w = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 2, 2), 1);
    ek_array *flat = numbers(EK_FLOAT32, EK_SHAPE(5, 5, 2), 1), *deep = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 3, 1), 1);
    ek_array *dy = numbers(EK_FLOAT32, EK_SHAPE(2, 5, 5, 4), 1), *few = numbers(EK_FLOAT32, EK_SHAPE(1, 5, 5, 4), 1);
    ek_array *low = numbers(EK_FLOAT32, EK_SHAPE(2, 4, 5, 4), 1), *x_sizes = sizes_of(x), *w_sizes = sizes_of(w);
    ek_array *three = ek_array_of(EK_INT32, EK_SHAPE(3), (int32_t[]){ 3, 3, 2 });

    (void)state;
    refuse_op("DepthwiseConv2dNative", ATTRS(CONV(&s, false)), INPUTS(flat, w), 1, EK_INVALID_ARGUMENT,
              "input must be 4-dimensional[5,5,2]");
    refuse_op("DepthwiseConv2dNative", ATTRS(CONV(&s, false)), INPUTS(x, flat), 1, EK_INVALID_ARGUMENT,
              "filter must be 4-dimensional: [5,5,2]");
    refuse_op("DepthwiseConv2dNative", ATTRS(CONV(&s, false)), INPUTS(x, deep), 1, EK_INVALID_ARGUMENT,
              "input and filter must have the same depth: 2 vs 3");
    refuse_op("DepthwiseConv2dNative", ATTRS(ATTR_INTS("strides", 1, 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(x, w), 1,
              EK_INVALID_ARGUMENT, "DepthwiseConv2D requires the stride attribute to contain 4 values, but got: 3");
    refuse_op(by_input, ATTRS(CONV(&s, false)), INPUTS(three, w, dy), 1, EK_INVALID_ARGUMENT, "4 elements");
    refuse_op(by_input, ATTRS(CONV(&s, false)), INPUTS(x_sizes, w, few), 1, EK_INVALID_ARGUMENT, "same batch size");
    refuse_op(by_input, ATTRS(CONV(&s, false)), INPUTS(x_sizes, deep, dy), 1, EK_INVALID_ARGUMENT, "the same in_depth");
    refuse_op(by_filter, ATTRS(CONV(&s, false)), INPUTS(x, w_sizes, low), 1, EK_INVALID_ARGUMENT,
              "Number of rows of out_backprop doesn't match computed: actual = 4, computed = 5");
    refuse_op(by_filter, ATTRS(CONV(&s, false)), INPUTS(x, w_sizes, x), 1, EK_INVALID_ARGUMENT, "not equal to out_depth");
    ek_array *const all[] = { x, w, flat, deep, dy, few, low, x_sizes, w_sizes, three };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_a_convolution_in_groups),
        cmocka_unit_test(gradients_are_adjoints),
        cmocka_unit_test(nothing),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
