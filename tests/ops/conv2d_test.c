/* Convolution: float32 (oneDNN, in parts) against float64 (our own loops) against a plain sum; groups, messages. */
#include "ops/numbers.h"

typedef struct shape_case {
    int64_t images, height, width, in, kernel, out, stride, dilation;
    const char *padding;
} shape_case;

static const shape_case cases[] = {
    {1, 5, 5, 1, 3, 1, 1, 1, "SAME"},    {2, 7, 6, 3, 3, 4, 2, 1, "VALID"},     {1, 28, 28, 8, 3, 16, 1, 1, "SAME"},
    {1, 30, 17, 16, 5, 8, 2, 1, "SAME"}, {9, 14, 14, 8, 3, 16, 1, 1, "SAME"},   {33, 9, 9, 16, 3, 16, 2, 1, "VALID"},
    {1, 40, 20, 8, 3, 8, 1, 3, "SAME"},  {8, 20, 20, 16, 1, 32, 1, 1, "VALID"}, {3, 4, 4, 2, 7, 3, 1, 1, "SAME"},
};

static ek_array *convolve(const shape_case *s, ek_dtype t, bool first, int64_t groups)
{
    ek_array *x = numbers(
        t, first ? EK_SHAPE(s->images, s->in, s->height, s->width) : EK_SHAPE(s->images, s->height, s->width, s->in),
        3);
    ek_array *f = numbers(t, EK_SHAPE(s->kernel, s->kernel, s->in / groups, s->out), 4), *y;
    const char *format = first ? "NCHW" : "NHWC";
    const int64_t strides[] = { 1, first ? 1 : s->stride, s->stride, first ? s->stride : 1 };
    const int64_t dilations[] = { 1, first ? 1 : s->dilation, s->dilation, first ? s->dilation : 1 };
    const ek_attr attrs[] = {
        { "strides", { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = 4, .u.is = (int64_t *)(uintptr_t)strides } },
        { "dilations", { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = 4, .u.is = (int64_t *)(uintptr_t)dilations } },
        { "padding", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)s->padding, strlen(s->padding) } } },
        { "data_format", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)format, 4 } } },
    };

    run_op("Conv2D", attrs, 4, INPUTS(x, f), 1, &y);
    ek_array_unref(x);
    ek_array_unref(f);
    return y;
}

/* Element (n, y, x, c) of an image in either layout. */
static double pixel(const ek_array *a, bool first, int64_t n, int64_t y, int64_t x, int64_t c)
{
    const int64_t *d = ek_array_shape(a)->dim;
    return ek_array_get(a, first ? ((n * d[1] + c) * d[2] + y) * d[3] + x : ((n * d[1] + y) * d[2] + x) * d[3] + c);
}

static void loops_agree_with_the_sum(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const shape_case *s = &cases[i];
        ek_array *y = convolve(s, EK_FLOAT64, false, 1);
        ek_array *x = numbers(EK_FLOAT64, EK_SHAPE(s->images, s->height, s->width, s->in), 3);
        ek_array *f = numbers(EK_FLOAT64, EK_SHAPE(s->kernel, s->kernel, s->in, s->out), 4);
        const int64_t *out = ek_array_shape(y)->dim, e = (s->kernel - 1) * s->dilation + 1;
        const bool same = strcmp(s->padding, "SAME") == 0;
        const int64_t pad_h = same ? (out[1] - 1) * s->stride + e - s->height : 0,
                      pad_w = same ? (out[2] - 1) * s->stride + e - s->width : 0;
        assert_int_equal(out[1], same ? (s->height + s->stride - 1) / s->stride : (s->height - e) / s->stride + 1);
        for (int64_t k = 0; k < ek_array_count(y); k += 1 + ek_array_count(y) / 200) {
            const int64_t c = k % s->out, ox = k / s->out % out[2], oy = k / s->out / out[2] % out[1],
                          n = k / s->out / out[2] / out[1];
            double sum = 0;
            for (int64_t p = 0; p < s->kernel * s->kernel * s->in; p++) {
                const int64_t ch = p % s->in, kx = p / s->in % s->kernel, ky = p / s->in / s->kernel;
                const int64_t iy = oy * s->stride - (pad_h > 0 ? pad_h / 2 : 0) + ky * s->dilation;
                const int64_t ix = ox * s->stride - (pad_w > 0 ? pad_w / 2 : 0) + kx * s->dilation;
                if (iy < 0 || iy >= s->height || ix < 0 || ix >= s->width) continue;
                sum += pixel(x, false, n, iy, ix, ch) * ek_array_get(f, p * s->out + c);
            }
            assert_true(fabs(sum - ek_array_get(y, k)) < 1e-12);
        }
        ek_array_unref(x);
        ek_array_unref(f);
        ek_array_unref(y);
    }
}

static void other_dtypes_agree(void **state)
{
    static const struct {
        ek_dtype dtype;
        double tolerance;
    } types[] = { { EK_FLOAT32, 2e-5 }, { EK_FLOAT16, 5e-2 }, { EK_BFLOAT16, 4e-1 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int first = 0; first < 2; first++) {
            ek_array *expect = convolve(&cases[i], EK_FLOAT64, first != 0, 1);
            for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
                ek_array *y = convolve(&cases[i], types[t].dtype, first != 0, 1);
                for (int64_t k = 0; k < ek_array_count(y); k++)
                    assert_true(fabs(ek_array_get(y, k) - ek_array_get(expect, k)) <= types[t].tolerance);
                ek_array_unref(y);
            }
            ek_array_unref(expect);
        }
}

/* The channels-first result is the channels-last one, moved: both see the same image. */
static void layouts_agree(void **state)
{
    (void)state;
    const shape_case s = { 1, 6, 6, 1, 3, 2, 1, 1, "SAME" }; /* one channel: the input is the same in both */
    ek_array *last = convolve(&s, EK_FLOAT32, false, 1), *first = convolve(&s, EK_FLOAT32, true, 1);
    ek_array *loops = convolve(&s, EK_FLOAT64, true, 1);

    for (int64_t y = 0; y < 6; y++)
        for (int64_t x = 0; x < 6; x++)
            for (int64_t c = 0; c < 2; c++) {
                assert_true(fabs(pixel(last, false, 0, y, x, c) - pixel(first, true, 0, y, x, c)) < 1e-6);
                assert_true(fabs(pixel(last, false, 0, y, x, c) - pixel(loops, true, 0, y, x, c)) < 1e-6);
            }
    ek_array_unref(last);
    ek_array_unref(first);
    ek_array_unref(loops);
}

/* Two groups are two convolutions side by side: the first group's output does not see the second's input. */
static void groups_are_apart(void **state)
{
    (void)state;
    const shape_case both = { 1, 5, 5, 4, 3, 6, 1, 1, "SAME" };
    ek_array *y = convolve(&both, EK_FLOAT32, false, 2), *x = numbers(EK_FLOAT32, EK_SHAPE(1, 5, 5, 4), 3);
    ek_array *f = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 2, 6), 4);

    for (int64_t c = 0; c < 6; c++) { /* the centre pixel */
        double sum = 0;
        for (int64_t p = 0; p < 18; p++)
            sum += pixel(x, false, 0, 1 + p / 6, 1 + p / 2 % 3, c / 3 * 2 + p % 2) * ek_array_get(f, p * 6 + c);
        assert_true(fabs(sum - pixel(y, false, 0, 2, 2, c)) < 1e-5);
    }
    ek_array_unref(x);
    ek_array_unref(f);
    ek_array_unref(y);
}

/* Sums of nothing are zero, whatever the filter claims. */
static void images_without_channels(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT64, EK_FLOAT16 };
    const int64_t ones[] = { 1, 1, 1, 1 };
    const ek_attr attrs[] = {
        { "strides", { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = 4, .u.is = (int64_t *)(uintptr_t)ones } },
        { "padding", { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)"VALID", 5 } } },
    };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(types); i++) {
        ek_array *x = numbers(types[i], EK_SHAPE(1, 3, 3, 0), 1), *f = numbers(types[i], EK_SHAPE(3, 3, 2, 4), 2), *y;

        run_op("Conv2D", attrs, 2, INPUTS(x, f), 1, &y);
        assert_int_equal(ek_array_count(y), 4);
        for (int k = 0; k < 4; k++) assert_true(ek_array_get(y, k) == 0);
        ek_array_unref(x);
        ek_array_unref(f);
        ek_array_unref(y);
    }
}

static void wrong_calls(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 3, 3, 2), NULL),
             *f = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 2, 3, 1), NULL);
    ek_array *g = ek_array_of(EK_FLOAT32, EK_SHAPE(5, 5, 2, 1), NULL),
             *x3 = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 2, 1), NULL);

    (void)state;
    refuse_op("Conv2D", ATTRS(ATTR_INTS("strides", 1, 1, 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(x, f), 1,
              EK_INVALID_ARGUMENT, "input depth must be evenly divisible by filter depth: 2 vs 3");
    refuse_op("Conv2D", ATTRS(ATTR_INTS("strides", 1, 1, 1, 1), ATTR_STRING("padding", "VALID")), INPUTS(x, g), 1,
              EK_INVALID_ARGUMENT,
              "Computed output size would be negative: -1 [input_size: 3, effective_filter_size: 5, stride: 1]");
    refuse_op("Conv2D", ATTRS(ATTR_INTS("strides", 1, 0, 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(x, g), 1,
              EK_INVALID_ARGUMENT, "Stride must be > 0, but got 0");
    refuse_op("Conv2D", ATTRS(ATTR_INTS("strides", 2, 1, 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(x, g), 1,
              EK_UNIMPLEMENTED, "does not yet support strides in the batch and depth dimensions.");
    refuse_op("Conv2D", ATTRS(ATTR_INTS("strides", 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(x, g), 1,
              EK_INVALID_ARGUMENT, "4 values");
    refuse_op("Conv2D",
              ATTRS(ATTR_INTS("strides", 1, 1, 1, 1), ATTR_STRING("padding", "EXPLICIT"),
                    ATTR_INTS("explicit_paddings", 0, 0, -1, 0, 0, 0, 0, 0)),
              INPUTS(x, g), 1, EK_INVALID_ARGUMENT, "nonnegative");
    refuse_op("Conv2D", ATTRS(ATTR_INTS("strides", 1, 1, 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(x3, g), 1,
              EK_INVALID_ARGUMENT, "input must be 4-dimensional[2,2,1]");
    ek_array_unref(x);
    ek_array_unref(f);
    ek_array_unref(g);
    ek_array_unref(x3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_agree_with_the_sum), cmocka_unit_test(other_dtypes_agree),
        cmocka_unit_test(layouts_agree), cmocka_unit_test(groups_are_apart), cmocka_unit_test(images_without_channels),
        cmocka_unit_test(wrong_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
