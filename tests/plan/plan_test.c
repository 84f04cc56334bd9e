/* What plans look like: steps, memory, signatures, order, refusals. */
#include "runtime/build.h"

#include <math.h>

#include "evenkeel/files.h"
#include "plan/plan.h"
#include "runtime/runtime.h"

/* ---- a plan without a session ------------------------------------------------------------------ */

static ek_status slot_of(void *self, const ek_node *n, ek_slot **out, ek_error *err)
{
    return ek__store_slot(self, n, out, err);
}

static ek_plan *plan_of(ek_graph *g, ek_store *store, ek_tensor x, const ek_array *value, ek_tensor y, bool fuse)
{
    const ek_plan_host host = { .self = store, .variable = slot_of, .frame_destroy = ek__frame_destroy,
                                .fuse = fuse, .fold = true, .inplace = true, .reuse = true };
    const ek_edge feed = { x.op, x.index }, fetch = { y.op, y.index };
    const ek_goal goal = { .graph = g, .n_feeds = value != NULL, .n_fetches = 1, .feed = &feed, .feed_value = &value,
                           .fetch = &fetch };
    ek_error err = { 0 };
    ek_plan *p = NULL;

    if (ek__plan_build(&goal, &host, &p, &err) != EK_OK) fail_msg("%s", err.text);
    return p;
}

static void a_chain_is_one_step_and_little_memory(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    ek_store *store = ek_store_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1)), one = constant(g, "one", scalar_f32(1));
    ek_array *v = f32(EK_SHAPE(1000), NULL);
    ek_tensor y = x;

    for (int i = 0; i < 100; i++) y = binary(g, "AddV2", "add", y, one);
    EK_DIE(ek_graph_status(g, NULL));
    ek_plan *fused = plan_of(g, store, x, v, y, true), *single = plan_of(g, store, x, v, y, false);
    assert_int_equal(fused->n_steps, 1);
    assert_int_equal(fused->step[0].n_covers, 100);
    assert_int_equal(fused->block_bytes, 4032);
    assert_int_equal(single->n_steps, 100);
    assert_true(single->block_bytes <= 2 * 4032); /* every value takes over the one before */
    assert_false(single->exclusive);
    ek__plan_unref(fused);
    ek__plan_unref(single);
    ek_array_unref(v);
    ek_store_unref(store);
    ek_graph_destroy(g);
}

/* The gradient of a conditional adds zeros for the branch that was not taken: of n elements, known when planning where they
 * are few. */
static void without_zeros(int n, bool fuse, int steps)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(n)), zero = constant(g, "zero", scalar_f32(0));
    const ek_tensor zeros = binary(g, "Fill", "zeros", constant(g, "dims", vector_i32(1, (int32_t[]){ n })), zero);
    const ek_tensor like = unary(g, "ZerosLike", "like", x), twice = binary(g, "AddV2", "twice", x, x);
    const ek_tensor ones = unary(g, "OnesLike", "ones", x);
    const ek_tensor sum = out(node(g, "AddN", "sum", (ek_tensor[]){ zeros, twice, like }, 3), 0);
    const ek_tensor more = out(node(g, "AddN", "more", (ek_tensor[]){ sum, zeros, ones }, 3), 0);
    const ek_tensor nothing = out(node(g, "AddN", "nothing", (ek_tensor[]){ like, zeros }, 2), 0);
    ek_session *s = ek_session_create(g, .fuse = fuse ? EK_YES : EK_NO);
    ek_store *store = ek_store_create();
    ek_array *in = f32(EK_SHAPE(n), NULL), *got[5] = { 0 };

    EK_DIE(ek_graph_status(g, NULL));
    for (int i = 0; i < n; i++) ek_array_f32(in)[i] = i == 1 ? (float)NAN : (float)(i - 2);
    ek_plan *p = plan_of(g, store, x, in, more, fuse);
    assert_int_equal(p->n_steps, steps);
    ek__plan_unref(p);
    EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { sum, &got[0] }, { more, &got[1] }, { nothing, &got[2] } }));
    EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { zeros, &got[3] }, { more, &got[4] } }));
    for (int i = 0; i < n; i++) {
        const double both = 2.0 * (i - 2);

        assert_true(i == 1 ? isnan(ek_array_get(got[0], i)) : ek_array_get(got[0], i) == both);
        assert_true(i == 1 ? isnan(ek_array_get(got[1], i)) : ek_array_get(got[1], i) == both + 1);
        assert_true(ek_array_get(got[2], i) == 0 && ek_array_get(got[3], i) == 0);
    }
    assert_memory_equal(ek_array_cdata(got[1]), ek_array_cdata(got[4]), (size_t)n * sizeof(float));
    for (int i = 0; i < 5; i++) ek_array_unref(got[i]);
    ek_array_unref(in);
    ek_store_unref(store);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void zeros_in_a_sum_are_not_added(void **state)
{
    (void)state;
    without_zeros(3, true, 3); /* twice, sum, more */
    without_zeros(3, false, 3);
    without_zeros(300000, true, 4); /* and ones */
    without_zeros(300000, false, 6);
}

/* Each product is twice as large as the one before: where the first gap is taken none of them finds one. */
static void large_values_take_what_lives_at_once(void **state)
{
    enum { ROWS = 256, FIRST = 64, PRODUCTS = 5 };
    (void)state;
    ek_graph *g = ek_graph_create();
    ek_store *store = ek_store_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(ROWS, FIRST));
    ek_array *in = f32(EK_SHAPE(ROWS, FIRST), NULL);
    ek_tensor y = x;
    size_t bytes = ROWS * FIRST * sizeof(float);

    for (int64_t i = 0, n = FIRST; i < PRODUCTS; i++, n *= 2, bytes *= 2)
        y = binary(g, "MatMul", "product", y, constant(g, "factor", f32(EK_SHAPE(n, 2 * n), NULL)));
    EK_DIE(ek_graph_status(g, NULL));
    ek_plan *p = plan_of(g, store, x, in, y, true);
    assert_int_equal(p->n_steps, PRODUCTS);
    assert_int_equal(p->block_bytes, bytes + bytes / 2); /* the last two */
    ek__plan_unref(p);
    ek_array_unref(in);
    ek_store_unref(store);
    ek_graph_destroy(g);
}

/* a is there for q alone, which was made after p: run first, it leaves its memory to p. */
static void what_frees_memory_goes_first(void **state)
{
    enum { N = 512, FEW = 8, LARGE = N * N * sizeof(float) };
    (void)state;
    ek_graph *g = ek_graph_create();
    ek_store *store = ek_store_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(N, FEW)), w = constant(g, "w", f32(EK_SHAPE(FEW, N), NULL));
    const ek_tensor few = constant(g, "few", f32(EK_SHAPE(N, FEW), NULL));
    const ek_tensor a = binary(g, "MatMul", "a", x, w), p = binary(g, "MatMul", "p", x, w), q = binary(g, "MatMul", "q", a, few);
    const ek_tensor y = binary(g, "AddV2", "y", binary(g, "MatMul", "of_p", p, few), q);
    ek_array *in = f32(EK_SHAPE(N, FEW), NULL);

    EK_DIE(ek_graph_status(g, NULL));
    ek_plan *plan = plan_of(g, store, x, in, y, true);
    assert_int_equal(plan->n_steps, 5);
    assert_string_equal(plan->step[1].covers[0]->name, "q");
    assert_string_equal(plan->step[2].covers[0]->name, "p");
    assert_true(plan->block_bytes < LARGE + LARGE / 4);
    ek__plan_unref(plan);
    ek_array_unref(in);
    ek_store_unref(store);
    ek_graph_destroy(g);
}

/* The gradient of an addition sums over the axes that were broadcast, mostly none. */
static void what_keeps_every_element_is_not_copied(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    ek_store *store = ek_store_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, 1, 3)), one = constant(g, "one", vector_i32(1, (int32_t[]){ 1 }));
    const ek_tensor none = constant(g, "none", vector_i32(0, NULL)), last = constant(g, "last", vector_i32(1, (int32_t[]){ 2 }));
    const ek_tensor whole = binary(g, "Sum", "whole", x, none), row = binary(g, "Mean", "row", whole, one);
    const ek_tensor dims = constant(g, "dims", vector_i32(3, (int32_t[]){ 1, 2, 3 }));
    const ek_tensor y = binary(g, "BroadcastTo", "y", row, dims), sums = binary(g, "Sum", "sums", x, last);
    const ek_tensor v = variable(g, "VariableV2", "v", EK_SHAPE(2)), of_v = binary(g, "Sum", "of_v", v, none);
    const ek_op set = write_to(g, "Assign", "set", v, constant(g, "start", f32(EK_SHAPE(2), (float[]){ 1, 2 })), NULL, 0);
    const ek_op add = write_to(g, "AssignAdd", "add", v, of_v, NULL, 0);
    ek_session *s = ek_session_create(g);
    ek_array *in = f32(EK_SHAPE(2, 1, 3), (float[]){ 1, 2, 3, 4, 5, 6 }), *got[4] = { 0 };

    EK_DIE(ek_graph_status(g, NULL));
    ek_plan *p = plan_of(g, store, x, in, y, true), *q = plan_of(g, store, x, in, sums, true);
    assert_int_equal(p->n_steps, 0);
    assert_int_equal(q->n_steps, 1);
    ek__plan_unref(p);
    ek__plan_unref(q);
    EK_DIE(ek_run(s, .target = { set }));
    EK_DIE(ek_run(s, .feed = { { x, in } }, .target = { add },
                  .fetch = { { row, &got[0] }, { y, &got[1] }, { sums, &got[2] }, { of_v, &got[3] } }));
    assert_int_equal(ek_array_shape(got[0])->rank, 2);
    assert_int_equal(ek_array_shape(got[1])->dim[1], 2);
    assert_floats(got[0], 6, ek_array_cdata(in));
    assert_floats(got[1], 6, ek_array_cdata(in));
    assert_floats(got[2], 2, (float[]){ 6, 15 });
    assert_floats(got[3], 2, (float[]){ 1, 2 }); /* what v was before it was added to */
    for (int i = 0; i < 4; i++) ek_array_unref(got[i]);
    ek_array_unref(in);
    ek_store_unref(store);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* Where gradients of a residual network meet. */
static void a_sum_of_two_is_a_link(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    ek_store *store = ek_store_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1)), a = unary(g, "Abs", "a", x);
    const ek_tensor both = out(node(g, "AddN", "both", (ek_tensor[]){ x, a }, 2), 0), y = unary(g, "Sqrt", "y", both);
    ek_session *s = ek_session_create(g);
    ek_array *in = f32(EK_SHAPE(3), (float[]){ 2, -1, 8 }), *got = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    ek_plan *p = plan_of(g, store, x, in, y, true);
    assert_int_equal(p->n_steps, 1);
    ek__plan_unref(p);
    EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { y, &got } }));
    assert_floats(got, 3, (float[]){ 2, 0, 4 });
    ek_array_unref(got);
    ek_array_unref(in);
    ek_store_unref(store);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* sqrt(x*x + |x|) - x*|x| in some ways, so that several results wait in tiles, at lengths around those of a tile. */
static void a_chain_of_any_length_has_the_bits_of_its_ops(void **state)
{
    static const int64_t length[] = { 1, 7, 16, 17, 255, 341, 342, 1023, 1024, 1025, 1365, 4096, 4097, 65536, 65553, 200001 };

    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1));
    const ek_tensor a = unary(g, "Abs", "a", x), q = binary(g, "Mul", "q", x, x), sum = binary(g, "AddV2", "s", q, a);
    const ek_tensor root = unary(g, "Sqrt", "r", sum), p = binary(g, "Mul", "p", x, a);
    const ek_tensor y = binary(g, "Sub", "y", binary(g, "AddV2", "t", root, q), binary(g, "AddV2", "u", p, a));
    ek_session *fused = ek_session_create(g, .threads = 1, .fuse = EK_YES);
    ek_session *single = ek_session_create(g, .threads = 1, .fuse = EK_NO);

    EK_DIE(ek_graph_status(g, NULL));
    for (int i = 0; i < COUNT(length); i++) {
        ek_array *v = f32(EK_SHAPE(length[i]), NULL), *got = NULL, *want = NULL;

        for (int64_t k = 0; k < length[i]; k++) ek_array_f32(v)[k] = (float)(k % 1001) * 0.37f - 150;
        EK_DIE(ek_run(fused, .feed = { { x, v } }, .fetch = { { y, &got } }));
        EK_DIE(ek_run(single, .feed = { { x, v } }, .fetch = { { y, &want } }));
        assert_memory_equal(ek_array_cdata(got), ek_array_cdata(want), sizeof(float) * (size_t)length[i]);
        ek_array_unref(v);
        ek_array_unref(got);
        ek_array_unref(want);
    }
    ek_session_destroy(fused);
    ek_session_destroy(single);
    ek_graph_destroy(g);
}

static void what_follows_from_constants_is_not_run(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    ek_store *store = ek_store_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, 3));
    const ek_tensor a = constant(g, "a", scalar_f32(2)), b = binary(g, "Mul", "b", a, a);
    const ek_tensor shape = unary(g, "Shape", "shape", unary(g, "Neg", "neg", x)); /* neg itself is not needed */
    const ek_tensor ones = unary(g, "OnesLike", "ones", binary(g, "Reshape", "r", x, shape));
    ek_array *v = f32(EK_SHAPE(2, 3), NULL);

    EK_DIE(ek_graph_status(g, NULL));
    ek_plan *p = plan_of(g, store, x, v, binary(g, "Mul", "y", ones, b), true);
    assert_int_equal(p->n_steps, 0);
    assert_int_equal(p->n_fetched, 1);
    assert_int_equal(p->fetched[0].place.home, EK_HOME_CONSTANT);
    ek__plan_unref(p);
    ek_array_unref(v);
    ek_store_unref(store);
    ek_graph_destroy(g);
}

/* A plan that takes the branch without the update needs no exclusive lock, and knows which feed decided. */
static void only_the_branch_taken_is_planned(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    ek_store *store = ek_store_create();
    const ek_tensor flag = placeholder(g, "flag", EK_BOOL, EK_SCALAR), w = variable(g, "VariableV2", "w", EK_SCALAR);
    const ek_op ref = node(g, "RefSwitch", "ref", (ek_tensor[]){ w, flag }, 2);
    const ek_op up = write_to(g, "AssignAdd", "up", out(ref, 1), constant(g, "one", scalar_f32(1)), NULL, 0);
    const ek_tensor y = out(node(g, "Merge", "y", (ek_tensor[]){ out(ref, 0), out(up, 0) }, 2), 0);
    ek_array *yes = scalar_bool(true), *no = scalar_bool(false);

    EK_DIE(ek_graph_status(g, NULL));
    ek_plan *with = plan_of(g, store, flag, yes, y, true), *without = plan_of(g, store, flag, no, y, true);
    assert_true(with->exclusive);
    assert_int_equal(with->n_steps, 1);
    assert_false(without->exclusive);
    assert_int_equal(without->n_steps, 0);
    assert_int_equal(with->steering, 1);
    ek__plan_unref(with);
    ek__plan_unref(without);
    ek_array_unref(yes);
    ek_array_unref(no);
    ek_store_unref(store);
    ek_graph_destroy(g);
}

/* ---- graphs as files hold them --------------------------------------------------------------------- */

#define NODE(name, op, rest) "node { name: '" name "' op: '" op "' " rest " }\n"
#define T_FLOAT "attr { key: 'T' value { type: DT_FLOAT } }"
#define CONST(name, value, rest)                                                                                       \
    NODE(name, "Const",                                                                                                \
         rest "attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { "                   \
              "dtype: DT_FLOAT tensor_shape { } float_val: " value " } } }")

static ek_graph *graph_of(const char *text)
{
    ek_graph *g = NULL;
    ek_error err = { 0 };

    if (ek_graph_load_bytes(text, strlen(text), &g, &err) != EK_OK) fail_msg("%s", err.text);
    return g;
}

static ek_tensor tensor(const ek_graph *g, const char *name)
{
    ek_tensor t;

    EK_DIE(ek_graph_tensor_by_name(g, name, &t));
    return t;
}

static void files_may_hold_nodes_in_any_order(void **state)
{
    (void)state;
    ek_graph *g =
        graph_of(NODE("z", "Mul", "input: 'y' input: 'y' " T_FLOAT) NODE("y", "AddV2", "input: 'a' input: 'b' " T_FLOAT)
                     CONST("b", "2", "input: '^n' ") NODE("n", "NoOp", "input: '^a'") CONST("a", "3", ""));
    ek_session *s = ek_session_create(g);
    ek_array *z = NULL;

    EK_DIE(ek_run(s, .fetch = { { tensor(g, "z:0"), &z } }));
    assert_floats(z, 1, (float[]){ 25 });
    ek_array_unref(z);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void a_cycle_is_refused(void **state)
{
    (void)state;
    ek_graph *g = NULL;
    ek_error err = { 0 };
    const char *text = NODE("y", "AddV2", "input: 'z' input: 'a' " T_FLOAT) NODE("z", "Neg", "input: 'y' " T_FLOAT)
        CONST("a", "3", "");

    if (ek_graph_load_bytes(text, strlen(text), &g, &err) == EK_OK) { /* by the reader, or else by the run */
        ek_session *s = ek_session_create(g);
        ek_array *z = NULL;

        assert_int_equal(ek_run(s, .fetch = { { tensor(g, "z:0"), &z } }, .error = &err), EK_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "cycle"));
        ek_session_destroy(s);
    }
    assert_int_equal(err.code, EK_INVALID_ARGUMENT);
    ek_graph_destroy(g);
}

static void an_op_without_definition_is_named_with_what_needs_it(void **state)
{
    (void)state;
    ek_graph *g = graph_of(CONST("a", "3", "") NODE("u", "NoSuchOp", "input: 'a'")
                               NODE("y", "Neg", "input: 'u' " T_FLOAT) NODE("z", "Neg", "input: 'a' " T_FLOAT));
    ek_session *s = ek_session_create(g);
    ek_array *y = NULL;
    ek_error err = { 0 };

    EK_DIE(ek_run(s, .fetch = { { tensor(g, "z:0"), &y } })); /* not needed: no matter */
    ek_run(s, .fetch = { { tensor(g, "z:0"), NULL }, { tensor(g, "y:0"), &y } }, .error = &err);
    assert_error(&err, EK_UNIMPLEMENTED,
                 "operation 'u' of type NoSuchOp has no definition in this library, and the fetch of 'y:0' needs it"
                 "\n\t [[{{node u}}]]");
    ek_array_unref(y);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* ---- order -------------------------------------------------------------------------------------------- */

/* Effects run in order of creation unless edges say otherwise; pure nodes between them pass the order on. */
static void effects_keep_the_order_of_creation(void **state)
{
    (void)state;
    ek_graph *g = ek_graph_create();
    const ek_tensor w = variable(g, "VariableV2", "w", EK_SCALAR);
    const ek_op init = write_to(g, "Assign", "init", w, constant(g, "one", scalar_f32(1)), NULL, 0);
    const ek_tensor two = constant(g, "two", scalar_f32(2));
    const ek_op doubled = write_to(g, "AssignAdd", "doubled", w, w, NULL, 0);
    const ek_op set = write_to(g, "Assign", "set", w, two, NULL, 0);
    const ek_op group = ek_op_build(g, "NoOp", .name = "group", .control = (ek_op[]){ set }, .n_control = 1);
    const ek_op last =
        write_to(g, "AssignAdd", "last", w, constant_under(g, "ten", scalar_f32(10), &group, 1), NULL, 0);
    ek_session *s = ek_session_create(g);
    ek_array *v = NULL;

    EK_DIE(ek_graph_status(g, NULL));
    EK_DIE(ek_run(s, .target = { init }));
    EK_DIE(ek_run(s, .target = { last, doubled })); /* doubled, set (through the group), last */
    EK_DIE(ek_run(s, .fetch = { { w, &v } }));
    assert_floats(v, 1, (float[]){ 12 });
    EK_DIE(ek_run(s, .target = { set, doubled })); /* doubled was made first */
    EK_DIE(ek_run(s, .fetch = { { w, &v } }));
    assert_floats(v, 1, (float[]){ 2 });
    ek_array_unref(v);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* ---- caches ------------------------------------------------------------------------------------------------ */

static void plans_are_bounded(void **state)
{
    (void)state;
    ek_test_allocator t;
    ek_graph_destroy(ek_graph_create());
    ek_test_allocator_install(&t, 0);
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1)), y = unary(g, "Neg", "y", x);
    ek_session *s = ek_session_create(g);
    ek_array *got = NULL;
    long after_fifty = 0;

    for (int n = 1; n <= 200; n++) {
        ek_array *v = f32((ek_shape){ .dim = { n }, .rank = 1 }, NULL);

        EK_DIE(ek_run(s, .feed = { { x, v } }, .fetch = { { y, &got } }));
        ek_array_unref(v);
        if (n == 50) after_fifty = t.live;
    }
    assert_int_equal(t.live, after_fifty);
    ek_array_unref(got);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    assert_int_equal(t.live, 0);
    ek_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_in_a_sum_are_not_added),
        cmocka_unit_test(large_values_take_what_lives_at_once),
        cmocka_unit_test(what_frees_memory_goes_first),
        cmocka_unit_test(what_keeps_every_element_is_not_copied),
        cmocka_unit_test(a_sum_of_two_is_a_link),
        cmocka_unit_test(a_chain_is_one_step_and_little_memory),
        cmocka_unit_test(a_chain_of_any_length_has_the_bits_of_its_ops),
        cmocka_unit_test(what_follows_from_constants_is_not_run),
        cmocka_unit_test(only_the_branch_taken_is_planned),
        cmocka_unit_test(files_may_hold_nodes_in_any_order),
        cmocka_unit_test(a_cycle_is_refused),
        cmocka_unit_test(an_op_without_definition_is_named_with_what_needs_it),
        cmocka_unit_test(effects_keep_the_order_of_creation),
        cmocka_unit_test(plans_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
