/* Every allocation of evaluating an op fails once: a status, nothing leaked, and the next try succeeds. */
#include "ops/one_op.h"
#include "ops/registry.h"

typedef struct call {
    const char *type;
    const ek_attr *attr;
    int n_attr, n_in;
    ek_shape in[5];
    ek_dtype dtype[5];
    int n_out;
} call;

static ek_array *filled(ek_dtype t, ek_shape shape)
{
    ek_array *a = ek_array_of(t, shape, NULL);

    for (int64_t i = 0; t == EK_FLOAT32 && i < ek_array_count(a); i++) ek_array_f32(a)[i] = (float)(i % 7);
    for (int64_t i = 0; t == EK_INT32 && i < ek_array_count(a); i++) ek_array_i32(a)[i] = 1;
    return a;
}

static void starve(const call *c)
{
    ek_status st = EK_OK;

    for (long k = 1; k < 200; k++) {
        ek_test_allocator t;
        ek_array *in[5], *out[6] = { NULL };
        ek_error err = { 0 };
        ek_test_allocator_install(&t, 0);
        for (int i = 0; i < c->n_in; i++) in[i] = filled(c->dtype[i], c->in[i]);
        t.fail_at = t.calls + k;
        st = ek__op_eval(c->type, c->attr, c->n_attr, c->n_in, (const ek_array *const *)in, c->n_out, out, &err);
        if (st != EK_OK && st != EK_RESOURCE_EXHAUSTED) fail_msg("%s: %s", c->type, err.text);
        for (int i = 0; i < c->n_out; i++) ek_array_unref(out[i]);
        for (int i = 0; i < c->n_in; i++) ek_array_unref(in[i]);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
        if (st == EK_OK) break; /* more allocations than it makes */
        assert_true(err.text[0] != 0);
    }
    assert_int_equal(st, EK_OK);
}

static void nothing_leaks(void **state)
{
    int64_t strides[] = { 1, 1, 1, 1 };
    const ek_attr conv[] = { { "strides", { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = 4, .u.is = strides } },
                            ATTR_STRING("padding", "SAME") };
    const call calls[] = {
        { "Mean", NULL, 0, 2, { EK_SHAPE(300000), EK_SHAPE(0) }, { EK_FLOAT32, EK_INT32 }, 1 },
        { "MatMul", NULL, 0, 2, { EK_SHAPE(40, 30), EK_SHAPE(30, 20) }, { EK_FLOAT32, EK_FLOAT32 }, 1 },
        { "MatMul", NULL, 0, 2, { EK_SHAPE(40, 30), EK_SHAPE(30, 20) }, { EK_FLOAT64, EK_FLOAT64 }, 1 },
        { "BatchMatMulV2", NULL, 0, 2, { EK_SHAPE(2, 20, 30), EK_SHAPE(1, 30, 20) }, { EK_FLOAT32, EK_FLOAT32 }, 1 },
        { "Conv2D", conv, 2, 2, { EK_SHAPE(2, 9, 9, 8), EK_SHAPE(3, 3, 8, 8) }, { EK_FLOAT32, EK_FLOAT32 }, 1 },
        { "Conv2D", conv, 2, 2, { EK_SHAPE(1, 40, 40, 8), EK_SHAPE(3, 3, 8, 16) }, { EK_FLOAT32, EK_FLOAT32 }, 1 },
        { "DepthwiseConv2dNative", conv, 2, 2, { EK_SHAPE(2, 9, 9, 8), EK_SHAPE(3, 3, 8, 2) }, { EK_FLOAT32, EK_FLOAT32 }, 1 },
        { "BiasAdd", NULL, 0, 2, { EK_SHAPE(2, 9), EK_SHAPE(9) }, { EK_FLOAT32, EK_FLOAT32 }, 1 },
        { "Softmax", NULL, 0, 1, { EK_SHAPE(2, 9) }, { EK_FLOAT32 }, 1 },
        { "ArgMax", NULL, 0, 2, { EK_SHAPE(3, 9), EK_SCALAR }, { EK_FLOAT32, EK_INT32 }, 1 },
        { "Qr", NULL, 0, 1, { EK_SHAPE(3, 9, 4) }, { EK_FLOAT32 }, 2 },
        { "FusedBatchNormV3",
         NULL,
         0,
         5,
         { EK_SHAPE(2, 9, 9, 8), EK_SHAPE(8), EK_SHAPE(8), EK_SHAPE(0), EK_SHAPE(0) },
         { EK_FLOAT32, EK_FLOAT32, EK_FLOAT32, EK_FLOAT32, EK_FLOAT32 },
         6 },
        { "FusedBatchNormGrad",
         NULL,
         0,
         5,
         { EK_SHAPE(2, 9, 9, 8), EK_SHAPE(2, 9, 9, 8), EK_SHAPE(8), EK_SHAPE(8), EK_SHAPE(8) },
         { EK_FLOAT32, EK_FLOAT32, EK_FLOAT32, EK_FLOAT32, EK_FLOAT32 },
         5 },
    };

    (void)state;
    assert_non_null(ek__ops_registry());
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) starve(&calls[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_leaks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
