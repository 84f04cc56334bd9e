/* tests/support/golden_programs_gradients.c - gradients, and conditionals with theirs; see golden_programs.h. */
#include "evenkeel/control.h"
#include "support/golden_programs.h"

/* ---- conditionals ---------------------------------------------------------------------------------------------- */

typedef struct cond_values {
    ek_tensor q, x;
    ek_variable w;
} cond_values;

static ek_list x_times_2(ek_graph *g, void *v) { return EK_RESULTS(g, ek_times(((cond_values *)v)->x, 2.0)); }
static ek_list x_plus_w(ek_graph *g, void *v)
{
    return EK_RESULTS(g, ek_plus(((cond_values *)v)->x, ((cond_values *)v)->w));
}
static ek_list add_x(ek_graph *g, void *v)
{
    return EK_RESULTS(g, ek_assign_add(((cond_values *)v)->w, ((cond_values *)v)->x));
}
static ek_list identity_w(ek_graph *g, void *v) { return EK_RESULTS(g, ek_identity(((cond_values *)v)->w)); }
static ek_list x_plus_1(ek_graph *g, void *v) { return EK_RESULTS(g, ek_plus(((cond_values *)v)->x, 1.0)); }
static ek_list x_minus_1(ek_graph *g, void *v) { return EK_RESULTS(g, ek_minus(((cond_values *)v)->x, 1.0)); }
static ek_list nothing(ek_graph *g, void *v) { return (void)v, EK_RESULTS(g, ek_no_op(g)); }
static ek_list x_and_w(ek_graph *g, void *v) { return EK_RESULTS(g, ((cond_values *)v)->x, ((cond_values *)v)->w); }

static ek_list inner_cond(ek_graph *g, void *v)
{
    return EK_RESULTS(g, ek_first(ek_cond(((cond_values *)v)->q, x_plus_1, x_minus_1, .arg = v)));
}

static ek_list three_four(ek_graph *g, void *v)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 3, 4 });
    ek_list list = EK_RESULTS(g, ek_constant(g, ek_value(a)));

    (void)v;
    ek_array_unref(a);
    return list;
}

static ek_list assign_x(ek_graph *g, void *v)
{
    return EK_RESULTS(g, ek_group(g, EK_LIST(ek_assign(((cond_values *)v)->w, ((cond_values *)v)->x))));
}

static ek_list square_and_x(ek_graph *g, void *v)
{
    ek_tensor x = ((cond_values *)v)->x;

    return EK_RESULTS(g, ek_times(x, x), x);
}

static void cond_with_variables(ek_graph *g, golden_results *r)
{
    ek_tensor p = ek_placeholder(g, EK_BOOL, .shape = EK_SCALAR, .name = "p");
    ek_tensor q = ek_placeholder(g, EK_BOOL, .shape = EK_SCALAR, .name = "q");
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2), .name = "x");
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2), .initializer = ek_zeros_initializer());
    cond_values v = { q, x, w };

    golden_note(r, "p", p);
    golden_note(r, "q", q);
    golden_note(r, "x", x);
    golden_note(r, "w", w);
    ek_tensor a = ek_first(ek_cond(p, x_times_2, x_plus_w, .arg = &v));
    golden_note(r, "a", a);
    golden_note(r, "b", ek_first(ek_cond(p, add_x, identity_w, .arg = &v)));
    ek_tensor c = ek_first(ek_cond(p, inner_cond, three_four, .arg = &v));
    golden_note(r, "c", c);
    golden_note(r, "d", ek_first(ek_cond(q, assign_x, nothing, .arg = &v)));
    golden_note_list(r, "e", ek_cond(p, x_and_w, square_and_x, .arg = &v));
    a = ek_reduce_sum(a);
    golden_note_gradients(r, "grads", ek_gradients(EK_LIST(ek_plus(a, ek_reduce_sum(c))), EK_LIST(x, w)));
}

/* ---- one operation after the other ----------------------------------------------------------------------------- */

static void note_outs(golden_results *r, const char *name, const ek_tensor *out, int n)
{
    ek_item item[96];

    for (int i = 0; i < n; i++) item[i] = ek_item_of_tensor(out[i]);
    golden_note_list(r, name, (ek_list){ NULL, item, n });
}

static void note_gradients_of_each(golden_results *r, const char *name, const ek_tensor *out, int n, ek_list xs)
{
    for (int i = 0; i < n; i++) golden_note_gradients(r, name, ek_gradients(EK_LIST(out[i]), xs));
}

static void gradients_elementwise(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));
    ek_tensor y = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(3), .name = "y");
    ek_tensor out[29], known[5];
    int n = 0;

    golden_note(r, "y", y);
    out[n++] = ek_plus(x, y);
    out[n++] = ek_minus(x, y);
    out[n++] = ek_times(x, y);
    out[n++] = ek_over(x, y);
    out[n++] = ek_add(x, y);
    out[n++] = ek_maximum(x, y);
    out[n++] = ek_minimum(x, y);
    out[n++] = ek_power(x, y);
    out[n++] = ek_squared_difference(x, y);
    out[n++] = ek_negative(x);
    out[n++] = ek_abs(x);
    out[n++] = ek_square(x);
    out[n++] = ek_sqrt(x);
    out[n++] = ek_rsqrt(x);
    out[n++] = ek_exp(x);
    out[n++] = ek_log(x);
    out[n++] = ek_log1p(x);
    out[n++] = ek_tanh(x);
    out[n++] = ek_sigmoid(x);
    out[n++] = ek_relu(x);
    out[n++] = ek_relu6(x);
    out[n++] = ek_elu(x);
    out[n++] = ek_softplus(x);
    out[n++] = ek_leaky_relu(x);
    out[n++] = ek_reciprocal(x);
    out[n++] = ek_sign(x);
    out[n++] = ek_softmax(x);
    out[n++] = ek_log_softmax(x);
    ek_tensor positive = ek_greater(x, 0.0);
    out[n++] = ek_select(positive, x, ek_times(x, 2.0));
    note_outs(r, "outs", out, n);
    note_gradients_of_each(r, "grads", out, n, EK_LIST(x, y));

    ek_tensor k = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2, 1), .name = "k");
    ek_tensor one = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(1), .name = "one");
    golden_note(r, "k", k);
    golden_note(r, "one", one);
    known[0] = ek_plus(k, one);
    known[1] = ek_times(one, k);
    known[2] = ek_minus(k, 1.0);
    known[3] = ek_over(k, one);
    known[4] = ek_times(k, k);
    note_outs(r, "known", known, 5);
    note_gradients_of_each(r, "known_grads", known, 5, EK_LIST(k, one));
}

static ek_tensor padded(ek_graph *g, ek_tensor c)
{
    ek_array *paddings = ek_array_of(EK_INT32, EK_SHAPE(2, 2), (int32_t[]){ 1, 0, 0, 2 });
    ek_tensor out;

    ek_with_name_scope(g, "Pad") {
        ek_tensor p = ek_constant(g, ek_value(paddings), .name = "paddings");
        out = ek_op_output(ek_op_build(g, "Pad", .name = ek_name_scope(g), .inputs = (ek_tensor[]){ c, p }, .n_inputs = 2), 0);
    }
    ek_array_unref(paddings);
    return out;
}

static void gradients_shapes(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3, 4));
    ek_tensor c = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2, 3), .name = "c");
    ek_tensor w = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(3, 5), .name = "w");
    ek_tensor out[27];
    int n = 0;

    golden_note(r, "c", c);
    golden_note(r, "w", w);
    out[n++] = ek_reduce_sum(x);
    out[n++] = ek_reduce_sum(x, .axis = EK_AXIS(1));
    out[n++] = ek_reduce_mean(x, .axis = EK_AXES(0, 2));
    out[n++] = ek_reduce_mean(x, .axis = EK_AXES(0, 2), .keepdims = true);
    out[n++] = ek_reduce_max(x, .axis = EK_AXIS(1));
    out[n++] = ek_reduce_sum(c, .axis = EK_AXIS(0));
    out[n++] = ek_reduce_mean(c);
    out[n++] = ek_reduce_mean(c, .axis = EK_AXIS(1));
    out[n++] = ek_reshape(x, EK_SHAPE(-1, 12));
    out[n++] = ek_reshape(c, EK_SHAPE(3, 2));
    out[n++] = ek_transpose(x, .perm = EK_INTS(0, 2, 1));
    out[n++] = ek_transpose(c);
    out[n++] = ek_expand_dims(c, 0);
    out[n++] = ek_squeeze(ek_expand_dims(c, 0), .axis = EK_INTS(0));
    ek_tensor twice = ek_times(c, 2.0);
    out[n++] = ek_concat(EK_TENSORS(c, twice), .axis = 1);
    out[n++] = ek_stack(EK_TENSORS(c, c));
    out[n++] = ek_matmul(c, w);
    out[n++] = ek_matmul(w, c, .transpose_a = true, .transpose_b = true);
    ek_tensor column = ek_strided_slice(w, .begin = EK_INTS(0, 0), .end = EK_INTS(0, 1), .strides = EK_INTS(1, 1),
                                        .begin_mask = 1, .end_mask = 1, .shrink_axis_mask = 2);
    out[n++] = ek_bias_add(c, column);
    out[n++] = ek_cast(ek_cast(c, EK_FLOAT64), EK_FLOAT32);
    out[n++] = ek_tile(c, EK_INTS(2, 1));
    out[n++] = ek_strided_slice(c, .begin = EK_INTS(0), .end = EK_INTS(1), .strides = EK_INTS(1), .shrink_axis_mask = 1);
    out[n++] = ek_strided_slice(c, .begin = EK_INTS(0, 1), .end = EK_INTS(0, 0), .strides = EK_INTS(1, 1), .begin_mask = 1,
                                .end_mask = 3);
    out[n++] = ek_l2_loss(c);
    out[n++] = ek_op_output(ek_op_build(g, "AddN", .inputs = (ek_tensor[]){ c, c }, .n_inputs = 2), 0);
    out[n++] = ek_identity(c);
    out[n++] = padded(g, c);
    note_outs(r, "outs", out, n);
    note_gradients_of_each(r, "grads", out, n, EK_LIST(x, c, w));
}

/* ---- batch norm ---------------------------------------------------------------------------------------------------- */

static void gradients_bn_composed(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));
    ek_tensor a = ek_batch_normalization(x, .training = EK_TRUE);
    ek_tensor b = ek_batch_normalization(x, .training = EK_FALSE);
    ek_list v = ek_get_collection(g, EK_TRAINABLE_VARIABLES);

    golden_note(r, "a", a);
    golden_note(r, "b", b);
    ek_with_name_scope(g, "train")
        golden_note_gradients(r, "ga", ek_gradients(EK_LIST(ek_reduce_sum(ek_times(a, a))),
                                                    EK_LIST(x, v.item[0].u.variable, v.item[1].u.variable)));
    ek_with_name_scope(g, "infer")
        golden_note_gradients(r, "gb", ek_gradients(EK_LIST(ek_reduce_sum(ek_times(b, b))),
                                                    EK_LIST(x, v.item[2].u.variable, v.item[3].u.variable)));
}

static void gradients_bn_fused(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 4, 4, 2));
    ek_tensor z = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2, 4, 4), .name = "z");
    ek_tensor is_training = golden_placeholder_flag(g, r);
    ek_tensor a = ek_batch_normalization(x, .training = EK_TRUE);
    ek_tensor b = ek_batch_normalization(x, .training = EK_FALSE);
    ek_tensor c = ek_batch_normalization(z, .axis = 1, .training = EK_FALSE);
    ek_tensor d = ek_batch_normalization(x, .training = is_training);
    ek_list list = ek_get_collection(g, EK_TRAINABLE_VARIABLES);
    ek_variable v[8];

    for (int i = 0; i < 8; i++) v[i] = list.item[i].u.variable;
    golden_note(r, "z", z);
    golden_note(r, "a", a);
    golden_note(r, "b", b);
    golden_note(r, "c", c);
    golden_note(r, "d", d);
    golden_note_list(r, "v", list);
    golden_note_gradients(r, "ga", ek_gradients(EK_LIST(a), EK_LIST(x, v[0], v[1])));
    golden_note_gradients(r, "gb", ek_gradients(EK_LIST(b), EK_LIST(x, v[2], v[3])));
    golden_note_gradients(r, "gc", ek_gradients(EK_LIST(c), EK_LIST(z, v[4], v[5])));
    golden_note_gradients(r, "gd", ek_gradients(EK_LIST(d), EK_LIST(x, v[6], v[7])));
}

const golden_program golden_programs_gradients[] = {
#define PROGRAM(name) { #name, name, 0 }
    PROGRAM(cond_with_variables), PROGRAM(gradients_elementwise), PROGRAM(gradients_shapes), PROGRAM(gradients_bn_composed),
    PROGRAM(gradients_bn_fused), { NULL, NULL, 0 },
#undef PROGRAM
};
