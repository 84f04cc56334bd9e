/* tests/ops/numbers.h - arrays of made-up numbers, and their products. */
#ifndef EK_TESTS_OPS_NUMBERS_H
#define EK_TESTS_OPS_NUMBERS_H

#include "kernels/levels.h"
#include "ops/one_op.h"

/* In [-1, 1), the same in every type but for rounding. */
static inline ek_array *numbers(ek_dtype t, ek_shape shape, uint64_t seed)
{
    ek_array *a = ek_array_of(t, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        const float v = (float)test_uniform(&seed);
        ek__convert(EK_FLOAT32, &v, t, (char *)ek_array_data(a) + (size_t)i * ek_dtype_size(t), 1);
    }
    return a;
}

/* The sum of the products of their elements. */
static inline double dot(const ek_array *a, const ek_array *b)
{
    double sum = 0;

    assert_int_equal(ek_array_count(a), ek_array_count(b));
    for (int64_t i = 0; i < ek_array_count(a); i++) sum += ek_array_get(a, i) * ek_array_get(b, i);
    return sum;
}

/* The shape of an array as a vector of int32. */
static inline ek_array *sizes_of(const ek_array *a)
{
    const ek_shape *const shape = ek_array_shape(a);
    ek_array *sizes = ek_array_of(EK_INT32, EK_SHAPE(shape->rank), NULL);

    for (int i = 0; i < shape->rank; i++) ((int32_t *)ek_array_data(sizes))[i] = (int32_t)shape->dim[i];
    return sizes;
}

/* A linear op of x and w, its gradients by x and by w: <dy, y> = <dx, x> = <dw, w>. Takes both references. */
static inline void assert_adjoints(const char *const op[3], const ek_attr *attrs, int n_attrs, ek_array *x, ek_array *w,
                                   double tolerance)
{
    ek_array *x_sizes = sizes_of(x), *w_sizes = sizes_of(w), *y, *dx, *dw;

    run_op(op[0], attrs, n_attrs, INPUTS(x, w), 1, &y);
    ek_array *dy = numbers(ek_array_dtype(x), *ek_array_shape(y), 5);
    run_op(op[1], attrs, n_attrs, INPUTS(x_sizes, w, dy), 1, &dx);
    run_op(op[2], attrs, n_attrs, INPUTS(x, w_sizes, dy), 1, &dw);
    const double want = dot(dy, y), scale = sqrt(dot(dy, dy) * dot(y, y));
    if (!(fabs(dot(dx, x) - want) <= tolerance * scale) || !(fabs(dot(dw, w) - want) <= tolerance * scale))
        fail_msg("%s, %s, %lld numbers by %lld: %.17g by input %.17g by filter %.17g", op[0], ek_dtype_name(ek_array_dtype(x)),
                 (long long)ek_array_count(x), (long long)ek_array_count(w), want, dot(dx, x), dot(dw, w));
    ek_array *const all[] = { x, w, y, dx, dw, x_sizes, w_sizes, dy };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek_array_unref(all[i]);
}

#endif
