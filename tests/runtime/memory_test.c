/* Memory: nothing is allocated in a steady state, and every failure to allocate is reported and leaks nothing. */
#include "build.h"

/* One dense layer with its update, the numbers all small: element-wise chains, a product of shapes that broadcast, a
 * variable that is read and written, a cond on a fed flag. */
typedef struct model {
    ek_graph *g;
    ek_tensor x, flag, w, y, shape, z;
    ek_op init, up;
} model;

static model build(void)
{
    model m = { .g = ek_graph_create() };

    if (m.g == NULL) return m;
    m.x = placeholder(m.g, "x", EK_FLOAT32, EK_SHAPE(-1, 3));
    m.flag = placeholder(m.g, "flag", EK_BOOL, EK_SCALAR);
    m.w = variable(m.g, "VariableV2", "w", EK_SHAPE(3));
    m.init =
        write_to(m.g, "Assign", "init", m.w, constant(m.g, "zeros", f32(EK_SHAPE(3), (float[]){ 1, 2, 3 })), NULL, 0);
    const ek_tensor read = unary(m.g, "Identity", "w/read", m.w);
    const ek_tensor a = binary(m.g, "Mul", "a", m.x, read);
    const ek_tensor b = binary(m.g, "AddV2", "b", a, constant(m.g, "one", scalar_f32(1)));
    const ek_tensor c = unary(m.g, "Neg", "c", b);
    const ek_op sw = node(m.g, "Switch", "sw", (ek_tensor[]){ c, m.flag }, 2);
    const ek_tensor t = unary(m.g, "Square", "t", out(sw, 1));
    m.y = out(node(m.g, "Merge", "y", (ek_tensor[]){ out(sw, 0), t }, 2), 0);
    m.shape = placeholder(m.g, "shape", EK_INT32, EK_SHAPE(-1));
    m.z = unary(m.g, "Neg", "z", binary(m.g, "Reshape", "r", m.y, m.shape));
    m.up =
        write_to(m.g, "AssignAdd", "up", m.w, constant(m.g, "step", f32(EK_SHAPE(3), (float[]){ 1, 1, 1 })), NULL, 0);
    return m;
}

static void a_steady_step_allocates_nothing(void **state)
{
    (void)state;
    ek_test_allocator t;
    ek_test_allocator_install(&t, 0);
    model m = build();
    ek_session *s = ek_session_create(m.g);
    ek_array *one = f32(EK_SHAPE(1, 3), (float[]){ 1, 2, 3 }), *two = f32(EK_SHAPE(2, 3), NULL), *y = NULL, *z = NULL;
    ek_array *yes = scalar_bool(true), *no = scalar_bool(false);
    ek_callable *c = ek_callable_create(s, .feed = { { m.x, NULL }, { m.flag, NULL } }, .fetch = { { m.y, NULL } });

    EK_DIE(ek_graph_status(m.g, NULL));
    EK_DIE(ek_run(s, .target = { m.init }));
    long calls = 0;
    for (int i = 0; i < 6; i++) {
        if (i == 2) calls = t.calls;
        EK_DIE(ek_run(s, .feed = { { m.x, one }, { m.flag, yes } }, .fetch = { { m.y, &y } }, .target = { m.up }));
        EK_DIE(ek_run(s, .feed = { { m.x, two }, { m.flag, no } }, .fetch = { { m.y, &z }, { m.w, NULL } }));
        EK_DIE(ek_callable_run(c, (const ek_array *[]){ one, no }, &y));
    }
    assert_int_equal(t.calls, calls);
    ek_callable_destroy(c);
    ek_array_unref(one);
    ek_array_unref(two);
    ek_array_unref(yes);
    ek_array_unref(no);
    ek_array_unref(y);
    ek_array_unref(z);
    ek_session_destroy(s);
    ek_graph_destroy(m.g);
    assert_int_equal(t.live, 0);
    ek_test_allocator_remove();
}

static void a_steady_split_allocates_nothing(void **state)
{
    (void)state;
    ek_test_allocator t;
    ek_test_allocator_install(&t, 0);
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(4)),
                    shape = placeholder(g, "s", EK_INT32, EK_SHAPE(-1));
    const ek_tensor y = unary(g, "Neg", "y", binary(g, "Reshape", "r", x, shape));
    ek_session *s = ek_session_create(g);
    ek_array *in = f32(EK_SHAPE(4), NULL), *got = NULL, *two = vector_i32(2, (int32_t[]){ 2, 2 });
    long calls = 0;

    EK_DIE(ek_graph_status(g, NULL));
    for (int i = 0; i < 6; i++) {
        if (i == 2) calls = t.calls;
        EK_DIE(ek_run(s, .feed = { { x, in }, { shape, two } }, .fetch = { { y, &got } }));
    }
    assert_int_equal(t.calls, calls);
    ek_array_unref(in);
    ek_array_unref(got);
    ek_array_unref(two);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    assert_int_equal(t.live, 0);
    ek_test_allocator_remove();
}

/* Builds, plans and runs with allocation k failing; how far it got does not matter, only that it says so. */
static ek_status everything(void)
{
    constant_without_memory = false;
    model m = build();
    ek_session *s = m.g != NULL ? ek_session_create(m.g) : NULL;
    ek_array *x = f32(EK_SHAPE(2, 3), NULL), *yes = scalar_bool(true), *flat = vector_i32(1, (int32_t[]){ 6 }),
             *y = NULL;
    ek_status st = EK_RESOURCE_EXHAUSTED;

    if (!constant_without_memory && s != NULL && x != NULL && yes != NULL && flat != NULL) {
        st = ek_run(s, .target = { m.init });
        if (st == EK_OK)
            st = ek_run(s, .feed = { { m.x, x }, { m.flag, yes } }, .fetch = { { m.y, &y } }, .target = { m.up });
        if (st == EK_OK) assert_non_null(y);
        if (st != EK_OK) assert_null(y);
        if (st == EK_OK)
            st = ek_run(s, .feed = { { m.x, x }, { m.flag, yes }, { m.shape, flat } }, .fetch = { { m.z, &y } });
    }
    ek_array_unref(x);
    ek_array_unref(yes);
    ek_array_unref(flat);
    ek_array_unref(y);
    ek_session_destroy(s);
    ek_graph_destroy(m.g);
    return st;
}

static void every_failure_to_allocate_is_reported(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 0);
}

/* What is made once per process is made before anything is counted. */
static int once(void **state)
{
    (void)state;
    ek_graph_destroy(ek_graph_create());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_step_allocates_nothing),
        cmocka_unit_test(a_steady_split_allocates_nothing),
        cmocka_unit_test(every_failure_to_allocate_is_reported),
    };
    return cmocka_run_group_tests(tests, once, NULL);
}
