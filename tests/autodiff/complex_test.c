/* tests/autodiff/complex_test.c - gradients of complex numbers: of a holomorphic f the conjugate of its derivative, which the
 * difference along the real axis is. */
#include <complex.h>

#include "base/base.h"
#include "evenkeel/evenkeel.h"
#include "ops/emit.h"
#include "support/support.h"
#include "values/array.h"

typedef double _Complex c128;

static c128 value_at(ek_graph *g, const ek_tensor *x, const c128 *at, int n, ek_tensor y)
{
    ek_session *s = ek_session_create(g, .threads = 1);
    ek_array *in[2] = { NULL, NULL }, *out = NULL;
    ek_feed feed[2];
    ek_error err = { 0 };

    for (int i = 0; i < n; i++) {
        in[i] = ek_array_of(EK_COMPLEX128, EK_SHAPE(1, 1), &at[i]);
        feed[i] = (ek_feed){ x[i], in[i] };
    }
    if (ek_run(s, .feeds = feed, .n_feeds = n, .fetch = { { y, &out } }, .error = &err) != EK_OK) fail_msg("%s", err.text);
    const c128 value = *(const c128 *)ek_array_cdata(out);
    for (int i = 0; i < n; i++) ek_array_unref(in[i]);
    ek_array_unref(out);
    ek_session_destroy(s);
    return value;
}

static void check(const char *type, int n)
{
    static const double parts[] = { 0.4, 0.3, 0.7, -0.5 }; /* 0.4+0.3i, 0.7-0.5i */
    const c128 *at = (const void *)parts;
    const double h = 1e-6;
    ek_graph *g = ek_graph_create();
    ek_error err = { 0 };
    ek_tensor x[2];

    for (int i = 0; i < n; i++) x[i] = ek_placeholder(g, EK_COMPLEX128, .shape = EK_SHAPE(1, 1));
    const ek_tensor y = ek__node_tensor(g, &(ek_node_args){ .type = type, .in = x, .n_in = n, .where = EK_HERE });
    const ek_gradient one = ek_gradient_of(ek_ones(g, EK_SHAPE(1, 1), .dtype = EK_COMPLEX128));
    const ek_item item[] = { ek_item_of_tensor(x[0]), ek_item_of_tensor(x[n - 1]) };
    const ek_gradient_list d = ek_gradients(EK_LIST(y), ((ek_list){ g, item, n }), .grad_ys = &one);
    if (ek_graph_status(g, &err) != EK_OK) fail_msg("%s: %s", type, err.text);
    for (int i = 0; i < n; i++) {
        c128 up[] = { at[0], at[1] }, down[] = { at[0], at[1] };
        up[i] += h;
        down[i] -= h;
        const c128 want = conj((value_at(g, x, up, n, y) - value_at(g, x, down, n, y)) / (2 * h));
        const c128 got = value_at(g, x, at, n, d.at[i].value);
        if (!(cabs(want - got) <= 1e-7 * (1 + cabs(want))))
            fail_msg("%s: gradient %d is %g%+gi, differences say %g%+gi", type, i, creal(got), cimag(got), creal(want), cimag(want));
    }
    ek_graph_destroy(g);
}

static void of_one_number(void **state)
{
    static const char *const type[] = { "Acosh", "Asinh", "Atanh", "Cos", "Cosh", "Exp", "Expm1", "Inv", "Log", "Log1p", "Neg",
                                        "Reciprocal", "Rsqrt", "Sigmoid", "Sin", "Sinh", "Sqrt", "Square", "Tan", "Tanh" };

    EK_UNUSED(state);
    for (int i = 0; i < (int)EK_COUNT_OF(type); i++) check(type[i], 1);
}

static void of_two_numbers(void **state)
{
    static const char *const type[] = { "Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "DivNoNan", "Pow", "MatMul" };

    EK_UNUSED(state);
    for (int i = 0; i < (int)EK_COUNT_OF(type); i++) check(type[i], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_number),
        cmocka_unit_test(of_two_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
