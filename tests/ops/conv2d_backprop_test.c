/* The gradients of a convolution are its adjoints: <dy, conv(x, w)> = <dx, x> = <dw, w>. By oneDNN, by our own loops,
 * in groups, dilated, in both layouts; refusals. */
#include "ops/numbers.h"

typedef struct shape_case {
    int64_t images, height, width, in, kernel, out, stride, dilation, groups;
    const char *padding;
} shape_case;

static const shape_case cases[] = {
    {1, 5, 5, 1, 3, 1, 1, 1, 1, "SAME"},    {2, 7, 6, 3, 3, 4, 2, 1, 1, "VALID"},   {9, 14, 14, 8, 3, 16, 1, 1, 1, "SAME"},
    {33, 9, 9, 16, 3, 16, 2, 1, 1, "VALID"}, {3, 20, 10, 8, 3, 8, 1, 3, 1, "SAME"}, {3, 4, 4, 2, 7, 3, 1, 1, 1, "SAME"},
    {2, 9, 8, 6, 3, 8, 1, 1, 2, "SAME"},     {5, 6, 6, 4, 1, 4, 3, 1, 4, "VALID"},
};
static const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT64, EK_FLOAT16 };

#define CONV(of, first)                                                                                             \
    ATTR_INTS("strides", 1, (first) ? 1 : (of)->stride, (of)->stride, (first) ? (of)->stride : 1),                     \
    ATTR_INTS("dilations", 1, (first) ? 1 : (of)->dilation, (of)->dilation, (first) ? (of)->dilation : 1),              \
    ((ek_attr){ "padding", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)(of)->padding, strlen((of)->padding) } } }), \
    ((ek_attr){ "data_format", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)((first) ? "NCHW" : "NHWC"), 4 } } })

static void check(const shape_case *s, ek_dtype t, bool first)
{
    static const char *const ops[] = { "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter" };

    assert_adjoints(ops, ATTRS(CONV(s, first)),
                    numbers(t, first ? EK_SHAPE(s->images, s->in, s->height, s->width) : EK_SHAPE(s->images, s->height, s->width, s->in), 3),
                    numbers(t, EK_SHAPE(s->kernel, s->kernel, s->in / s->groups, s->out), 4),
                    t == EK_FLOAT64 ? 1e-12 : t == EK_FLOAT32 ? 2e-6 : 2e-3);
}

static void gradients_are_adjoints(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++)
        for (int k = 0; k < EK_COUNT_OF(types); k++) {
            check(&cases[i], types[k], false);
            check(&cases[i], types[k], true);
        }
}

static void nothing_gives_zeros(void **state)
{
    static const shape_case s = { 0, 5, 5, 2, 3, 4, 1, 1, 1, "SAME" };
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(0, 5, 5, 2), 1), *dy = numbers(EK_FLOAT32, EK_SHAPE(0, 5, 5, 4), 1), *dw;
    ek_array *sizes = ek_array_of(EK_INT32, EK_SHAPE(4), (int32_t[]){ 3, 3, 2, 4 });

    EK_UNUSED(state);
    run_op("Conv2DBackpropFilter", ATTRS(CONV(&s, false)), INPUTS(x, sizes, dy), 1, &dw);
    assert_int_equal(ek_array_count(dw), 72);
    for (int64_t i = 0; i < 72; i++) assert_true(ek_array_get(dw, i) == 0);
    ek_array_unref(x);
    ek_array_unref(dy);
    ek_array_unref(dw);
    ek_array_unref(sizes);
}

static void refusals(void **state)
{
    static const shape_case s = { 2, 5, 5, 2, 3, 4, 1, 1, 1, "SAME" };
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(2, 5, 5, 2), 1), *w = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 2, 4), 1);
    ek_array *dy = numbers(EK_FLOAT32, EK_SHAPE(2, 5, 5, 4), 1), *few = numbers(EK_FLOAT32, EK_SHAPE(1, 5, 5, 4), 1);
    ek_array *negative = ek_array_of(EK_INT32, EK_SHAPE(4), (int32_t[]){ 2, 5, -5, 2 });
    ek_array *three = ek_array_of(EK_INT32, EK_SHAPE(3), (int32_t[]){ 3, 3, 2 });
    ek_array *deep = ek_array_of(EK_INT32, EK_SHAPE(4), (int32_t[]){ 2, 5, 5, 3 }), *x_sizes = sizes_of(x), *w_sizes = sizes_of(w);

    EK_UNUSED(state);
    refuse_op("Conv2DBackpropInput", ATTRS(CONV(&s, false)), INPUTS(negative, w, dy), 1, EK_INVALID_ARGUMENT, "-5");
    refuse_op("Conv2DBackpropInput", ATTRS(CONV(&s, false)), INPUTS(deep, w, dy), 1, EK_INVALID_ARGUMENT, "evenly divisible");
    refuse_op("Conv2DBackpropInput", ATTRS(CONV(&s, false)), INPUTS(x_sizes, w, few), 1, EK_INVALID_ARGUMENT, "same batch size");
    refuse_op("Conv2DBackpropInput", ATTRS(CONV(&s, false)), INPUTS(x_sizes, w, x), 1, EK_INVALID_ARGUMENT, "same out_depth");
    refuse_op("Conv2DBackpropFilter", ATTRS(CONV(&s, false)), INPUTS(x, three, dy), 1, EK_INVALID_ARGUMENT, "4 elements");
    refuse_op("Conv2DBackpropFilter", ATTRS(CONV(&s, false)), INPUTS(x, w_sizes, few), 1, EK_INVALID_ARGUMENT, "same batch size");
    ek_array *const all[] = { x, w, dy, few, negative, three, deep, x_sizes, w_sizes };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_adjoints),
        cmocka_unit_test(nothing_gives_zeros),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
