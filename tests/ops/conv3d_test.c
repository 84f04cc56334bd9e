/* Convolution in depth against a plain sum; its gradients are its adjoints; of depth 1 it is Conv2D. In both layouts. */
#include "ops/numbers.h"

typedef struct shape_case {
    int64_t images, size[3], in, kernel[3], out, stride[3], dilation, groups;
    const char *padding;
} shape_case;

static const shape_case cases[] = {
    { 1, { 3, 4, 5 }, 2, { 2, 3, 1 }, 3, { 1, 1, 1 }, 1, 1, "SAME" },
    { 2, { 5, 4, 7 }, 3, { 3, 2, 3 }, 4, { 2, 1, 3 }, 1, 1, "VALID" },
    { 3, { 6, 7, 6 }, 4, { 3, 3, 3 }, 6, { 1, 2, 1 }, 2, 2, "SAME" },
    { 2, { 2, 9, 9 }, 16, { 3, 5, 3 }, 17, { 1, 1, 2 }, 1, 1, "SAME" },
    { 1, { 1, 6, 5 }, 3, { 1, 3, 3 }, 2, { 1, 2, 1 }, 1, 1, "SAME" },
};

static ek_shape image_shape(const shape_case *s, bool first)
{
    const int64_t *d = s->size;
    return first ? EK_SHAPE(s->images, s->in, d[0], d[1], d[2]) : EK_SHAPE(s->images, d[0], d[1], d[2], s->in);
}

static ek_shape filter_shape(const shape_case *s)
{
    return EK_SHAPE(s->kernel[0], s->kernel[1], s->kernel[2], s->in / s->groups, s->out);
}

#define STRING(n, text) ((ek_attr){ (n), { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)(text), strlen(text) } } })
#define CONV(of, first)                                                                                               \
    (first) ? ATTR_INTS("strides", 1, 1, (of)->stride[0], (of)->stride[1], (of)->stride[2])                           \
            : ATTR_INTS("strides", 1, (of)->stride[0], (of)->stride[1], (of)->stride[2], 1),                          \
        ATTR_INTS("dilations", 1, (first) ? 1 : (of)->dilation, (of)->dilation, (of)->dilation, (first) ? (of)->dilation : 1), \
        STRING("padding", (of)->padding), STRING("data_format", (first) ? "NCDHW" : "NDHWC")

/* Element (n, z, y, x, c) of an image. */
static double at(const ek_array *a, bool first, int64_t n, const int64_t p[3], int64_t c)
{
    const int64_t *d = ek_array_shape(a)->dim;
    return ek_array_get(a, first ? (((n * d[1] + c) * d[2] + p[0]) * d[3] + p[1]) * d[4] + p[2]
                                 : (((n * d[1] + p[0]) * d[2] + p[1]) * d[3] + p[2]) * d[4] + c);
}

static double plain_sum(const shape_case *s, const ek_array *x, const ek_array *f, bool first, int64_t n, const int64_t o[3], int64_t c)
{
    const int64_t per_group = s->in / s->groups, *k = s->kernel;
    double sum = 0;

    for (int64_t t = 0; t < k[0] * k[1] * k[2]; t++) {
        const int64_t tap[3] = { t / k[1] / k[2], t / k[2] % k[1], t % k[2] };
        int64_t p[3];
        bool inside = true;
        for (int i = 0; i < 3; i++) {
            const int64_t reach = (k[i] - 1) * s->dilation + 1, outs = (s->size[i] + s->stride[i] - 1) / s->stride[i];
            const int64_t pad = (outs - 1) * s->stride[i] + reach - s->size[i];
            p[i] = o[i] * s->stride[i] + tap[i] * s->dilation - (s->padding[0] == 'S' && pad > 0 ? pad / 2 : 0);
            inside = inside && p[i] >= 0 && p[i] < s->size[i];
        }
        for (int64_t i = 0; i < per_group && inside; i++)
            sum += at(x, first, n, p, c / (s->out / s->groups) * per_group + i) * ek_array_get(f, (t * per_group + i) * s->out + c);
    }
    return sum;
}

static void agrees_with_the_sum(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT64, EK_FLOAT32, EK_FLOAT16 };
    static const double tolerance[] = { 1e-12, 6e-5, 5e-2 }; /* of sums of up to 720 products */

    (void)state;
    for (int i = 0; i < 3 * 2 * EK_COUNT_OF(cases); i++) {
        const shape_case *s = &cases[i / 6];
        const ek_dtype t = types[i % 3];
        const bool first = i / 3 % 2 == 1;
        ek_array *x = numbers(t, image_shape(s, first), 3), *f = numbers(t, filter_shape(s), 4), *y;
        run_op("Conv3D", ATTRS(CONV(s, first)), INPUTS(x, f), 1, &y);
        const int64_t *d = ek_array_shape(y)->dim + (first ? 2 : 1), pixels = d[0] * d[1] * d[2];
        assert_int_equal(ek_array_count(y), s->images * pixels * s->out);
        for (int64_t k = 0; k < ek_array_count(y); k++) {
            const int64_t c = k % s->out, o = k / s->out % pixels, n = k / s->out / pixels;
            const int64_t place[3] = { o / d[2] / d[1], o / d[2] % d[1], o % d[2] };
            if (!(fabs(at(y, first, n, place, c) - plain_sum(s, x, f, first, n, place, c)) <= tolerance[i % 3]))
                fail_msg("case %d, %s, %s: element %lld", i / 6, ek_dtype_name(t), first ? "NCDHW" : "NDHWC", (long long)k);
        }
        ek_array_unref(x);
        ek_array_unref(f);
        ek_array_unref(y);
    }
}

static void check_adjoints(const shape_case *s, ek_dtype t, bool first)
{
    static const char *const ops[] = { "Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2" };

    assert_adjoints(ops, ATTRS(CONV(s, first)), numbers(t, image_shape(s, first), 3), numbers(t, filter_shape(s), 4),
                    t == EK_FLOAT64 ? 1e-12 : 2e-6);
}

static void gradients_are_adjoints(void **state)
{
    (void)state;
    for (int i = 0; i < EK_COUNT_OF(cases); i++)
        for (int k = 0; k < 4; k++) check_adjoints(&cases[i], k % 2 == 0 ? EK_FLOAT64 : EK_FLOAT32, k > 1);
}

/* The same bits in double, where both are our own loops. */
static void depth_one_is_flat(void **state)
{
    ek_array *deep = numbers(EK_FLOAT64, EK_SHAPE(2, 1, 7, 6, 3), 1), *w = numbers(EK_FLOAT64, EK_SHAPE(1, 3, 3, 3, 5), 2), *y;
    ek_array *flat = numbers(EK_FLOAT64, EK_SHAPE(2, 7, 6, 3), 1), *v = numbers(EK_FLOAT64, EK_SHAPE(3, 3, 3, 5), 2), *z;

    (void)state;
    run_op("Conv3D", ATTRS(ATTR_INTS("strides", 1, 1, 2, 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(deep, w), 1, &y);
    run_op("Conv2D", ATTRS(ATTR_INTS("strides", 1, 2, 1, 1), ATTR_STRING("padding", "SAME")), INPUTS(flat, v), 1, &z);
    assert_int_equal(ek_array_count(y), ek_array_count(z));
    assert_memory_equal(ek_array_data(y), ek_array_data(z), (size_t)ek_array_count(y) * sizeof(double));
    ek_array *const all[] = { deep, w, y, flat, v, z };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

static void refusals(void **state)
{
    static const shape_case s = { 2, { 5, 5, 5 }, 2, { 3, 3, 3 }, 4, { 1, 1, 1 }, 1, 1, "VALID" };
    ek_array *x = numbers(EK_FLOAT32, EK_SHAPE(2, 5, 5, 5, 2), 1), *w = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 3, 2, 4), 1);
    ek_array *flat = numbers(EK_FLOAT32, EK_SHAPE(5, 5, 5, 2), 1), *deep = numbers(EK_FLOAT32, EK_SHAPE(3, 3, 3, 3, 4), 1);
    ek_array *few = numbers(EK_FLOAT32, EK_SHAPE(1, 3, 3, 3, 4), 1), *low = numbers(EK_FLOAT32, EK_SHAPE(2, 3, 3, 2, 4), 1);
    ek_array *four = ek_array_of(EK_INT32, EK_SHAPE(4), (int32_t[]){ 2, 5, 5, 5 }), *x_sizes = sizes_of(x);
    ek_array *empty = numbers(EK_FLOAT32, EK_SHAPE(0, 3, 3, 2, 4), 1);

    (void)state;
    refuse_op("Conv3D", ATTRS(CONV(&s, false)), INPUTS(flat, w), 1, EK_INVALID_ARGUMENT, "input must be 5-dimensional");
    refuse_op("Conv3D", ATTRS(CONV(&s, false)), INPUTS(x, deep), 1, EK_INVALID_ARGUMENT,
              "Input depth must be evenly divisible by filter depth: 2 vs 3");
    refuse_op("Conv3D", ATTRS(CONV(&s, false)), INPUTS(x, empty), 1, EK_INVALID_ARGUMENT,
              "filter must not have zero elements (i.e. all dimensions must be non-zero)");
    refuse_op("Conv3DBackpropInputV2", ATTRS(CONV(&s, false)), INPUTS(four, w, few), 1, EK_INVALID_ARGUMENT, "5 elements");
    refuse_op("Conv3DBackpropInputV2", ATTRS(CONV(&s, false)), INPUTS(x_sizes, w, few), 1, EK_INVALID_ARGUMENT,
              "Conv3DBackpropInputOp: input and out_backprop must have the same batch size");
    refuse_op("Conv3DBackpropInputV2", ATTRS(CONV(&s, false)), INPUTS(x_sizes, w, low), 1, EK_INVALID_ARGUMENT,
              "Size of out_backprop doesn't match computed: actual = 2, computed = 3 spatial_dim: 3");
    ek_array *const all[] = { x, w, flat, deep, few, low, four, x_sizes, empty };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_sum), cmocka_unit_test(gradients_are_adjoints),
        cmocka_unit_test(depth_one_is_flat), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
