/* tests/support/golden_programs_forward.c - layers, names, scopes and variables; see golden_programs.h. Each function is a case of CASES.md, line by line. */
#include "support/golden_programs.h"

#include <string.h>

#include "evenkeel/control.h"

/* ---- the article ---------------------------------------------------------------------------------- */

static void article_default(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));

    golden_note(r, "y", ek_batch_normalization(x));
    golden_init_all(g, r);
}

static void article_training_true(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));

    golden_note(r, "y", ek_batch_normalization(x, .training = EK_TRUE));
    golden_init_all(g, r);
}

static void article_training_flag(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));
    ek_tensor is_training = golden_placeholder_flag(g, r);

    golden_note(r, "y", ek_batch_normalization(x, .training = is_training));
    golden_init_all(g, r);
}

/* The part that several of the article's programs share: y, the update ops, z under their control. */
static void depend_on_updates(ek_graph *g, golden_results *r, ek_tensor y)
{
    ek_list update_ops = ek_get_collection(g, EK_UPDATE_OPS);
    ek_tensor z;

    golden_note(r, "y", y);
    golden_note_list(r, "update_ops", update_ops);
    ek_with_control_dependencies(g, update_ops)
        z = ek_identity(y);
    golden_note(r, "z", z);
}

static void get_statistics(ek_graph *g, golden_results *r)
{
    ek_variable moving_mean, moving_variance;

    ek_with_variable_scope(g, "", .reuse = EK_AUTO_REUSE) {
        moving_mean = ek_get_variable(g, "batch_normalization/moving_mean", .shape = EK_SHAPE(1));
        moving_variance = ek_get_variable(g, "batch_normalization/moving_variance", .shape = EK_SHAPE(1));
    }
    golden_note(r, "moving_mean", moving_mean);
    golden_note(r, "moving_variance", moving_variance);
}

static void article_control_dependencies(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));

    depend_on_updates(g, r, ek_batch_normalization(x, .training = EK_TRUE));
    golden_init_all(g, r);
}

static void article_moving_statistics(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));
    ek_tensor is_training = golden_placeholder_flag(g, r);

    depend_on_updates(g, r, ek_batch_normalization(x, .training = is_training));
    get_statistics(g, r);
    golden_init_all(g, r);
}

static void article_default_resource(ek_graph *g, golden_results *r)
{
    ek_use_resource_variables(g, true);
    article_default(g, r);
}

static void article_training_flag_resource(ek_graph *g, golden_results *r)
{
    ek_use_resource_variables(g, true);
    article_training_flag(g, r);
}

static void article_control_dependencies_resource(ek_graph *g, golden_results *r)
{
    ek_use_resource_variables(g, true);
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));

    depend_on_updates(g, r, ek_batch_normalization(x, .training = EK_TRUE));
    get_statistics(g, r);
    golden_init_all(g, r);
}

/* ---- the layer ---------------------------------------------------------------------------------------- */

static void bn_rank3_training(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 5, 3));

    golden_note(r, "y", ek_batch_normalization(x, .training = EK_TRUE));
}

static void bn_rank4_fused_training(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 8, 8, 3));

    golden_note(r, "y", ek_batch_normalization(x, .training = EK_TRUE));
    golden_init_all(g, r);
}

static void bn_rank4_fused_nchw_flag(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3, 8, 8));
    ek_tensor flag = ek_placeholder(g, EK_BOOL, .shape = EK_SCALAR, .name = "flag");

    golden_note(r, "flag", flag);
    golden_note(r, "y", ek_batch_normalization(x, .axis = 1, .training = flag));
}

static void bn_rank4_fused_inference(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 8, 8, 3));

    golden_note(r, "y", ek_batch_normalization(x, .fused = EK_YES, .training = EK_FALSE));
}

static void bn_rank4_composed_axis1(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3, 8, 8));

    golden_note(r, "y", ek_batch_normalization(x, .axis = 1, .fused = EK_NO, .training = EK_TRUE));
}

static void bn_rank5_flag(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 2, 4, 4, 3));
    ek_tensor is_training = golden_placeholder_flag(g, r);

    golden_note(r, "y", ek_batch_normalization(x, .training = is_training));
}

static void bn_axis_list(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 4, 5, 3));

    golden_note(r, "y", ek_batch_normalization(x, .axes = EK_AXES(1, 3), .training = EK_TRUE));
}

static void bn_no_center_no_scale(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));
    ek_tensor image = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 4, 4, 2), .name = "image");

    golden_note(r, "image", image);
    golden_note(r, "a", ek_batch_normalization(x, .center = false, .training = EK_TRUE));
    golden_note(r, "b", ek_batch_normalization(x, .scale = false, .training = EK_TRUE));
    golden_note(r, "c", ek_batch_normalization(x, .center = false, .scale = false, .training = EK_TRUE));
    golden_note(r, "d", ek_batch_normalization(image, .center = false, .training = EK_TRUE));
    golden_note(r, "e", ek_batch_normalization(image, .scale = false, .training = EK_TRUE));
    golden_note(r, "f", ek_batch_normalization(image, .center = false, .scale = false, .training = EK_FALSE));
}

static void bn_not_trainable(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));

    golden_note(r, "y", ek_batch_normalization(x, .training = EK_TRUE, .trainable = false));
}

static void bn_training_values(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1));

    golden_note(r, "a", ek_batch_normalization(x, .training = EK_TRAINING(1)));
    golden_note(r, "b", ek_batch_normalization(x, .training = EK_TRAINING(0)));
    golden_note(r, "c", ek_batch_normalization(x, .training = ek_constant(g, ek_bool(true))));
    golden_note(r, "d", ek_batch_normalization(x, .training = ek_logical_not(ek_constant(g, ek_bool(true)))));
}

static void bn_renorm_training(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));

    golden_note(r, "y", ek_batch_normalization(x, .renorm = true, .training = EK_TRUE));
}

static void bn_renorm_flag_clipping(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));
    ek_tensor is_training = golden_placeholder_flag(g, r);

    golden_note(r, "y", ek_batch_normalization(x, .renorm = true,
        .renorm_clipping = { { "rmax", 3.0 }, { "rmin", 0.25 }, { "dmax", 5.0 } },
        .renorm_momentum = 0.9, .training = is_training));
}

static void bn_renorm_inference(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 4, 4, 3));

    golden_note(r, "y", ek_batch_normalization(x, .renorm = true));
}

static void bn_virtual_batch(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));

    golden_note(r, "a", ek_batch_normalization(x, .virtual_batch_size = 2, .training = EK_TRUE));
    golden_note(r, "b", ek_batch_normalization(x, .virtual_batch_size = 2, .training = EK_FALSE));
}

/* random_uniform(shape[-1:], low, high, seed) */
static ek_tensor random_like_last(ek_tensor shape, double low, double high, int64_t seed)
{
    ek_tensor last =
        ek_strided_slice(shape, .begin = EK_INTS(-1), .end = EK_INTS(0), .strides = EK_INTS(1), .end_mask = 1);

    return ek_random_uniform(shape.graph, EK_SCALAR, .dims = last, .minval = low, .maxval = high, .seed = seed);
}

static void adjust(ek_tensor shape, ek_tensor *scale, ek_tensor *offset, void *arg)
{
    (void)arg;
    *scale = random_like_last(shape, 0.93, 1.07, 1);
    *offset = random_like_last(shape, -0.1, 0.1, 2);
}

static void bn_adjustment(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));
    ek_tensor is_training = golden_placeholder_flag(g, r);

    golden_note(r, "a", ek_batch_normalization(x, .adjustment = { adjust, NULL }, .training = EK_TRUE));
    golden_note(r, "b", ek_batch_normalization(x, .adjustment = { adjust, NULL }, .training = is_training));
}

static void bn_float16_float64(ek_graph *g, golden_results *r)
{
    ek_tensor h = ek_placeholder(g, EK_FLOAT16, .shape = EK_SHAPE(-1, 3), .name = "h");
    ek_tensor hi = ek_placeholder(g, EK_FLOAT16, .shape = EK_SHAPE(-1, 4, 4, 2), .name = "hi");
    ek_tensor d = ek_placeholder(g, EK_FLOAT64, .shape = EK_SHAPE(-1, 3), .name = "d");
    ek_tensor di = ek_placeholder(g, EK_FLOAT64, .shape = EK_SHAPE(-1, 4, 4, 2), .name = "di");

    golden_note(r, "h", h);
    golden_note(r, "hi", hi);
    golden_note(r, "d", d);
    golden_note(r, "di", di);
    golden_note(r, "a", ek_batch_normalization(h, .training = EK_TRUE));
    golden_note(r, "b", ek_batch_normalization(hi, .training = EK_TRUE));
    golden_note(r, "c", ek_batch_normalization(d, .training = EK_TRUE));
    golden_note(r, "e", ek_batch_normalization(di, .fused = EK_NO, .training = EK_TRUE));
}

static void bn_scopes(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 2));
    ek_tensor a = ek_batch_normalization(x, .training = EK_TRUE);
    ek_tensor b = ek_batch_normalization(a, .training = EK_TRUE);
    ek_tensor c, d, e, f, again;

    ek_with_variable_scope(g, "net") {
        c = ek_batch_normalization(x, .training = EK_TRUE);
        ek_with_variable_scope(g, "block")
            d = ek_batch_normalization(c);
        e = ek_batch_normalization(d, .training = EK_TRUE);
    }
    ek_with_name_scope(g, "tower")
        f = ek_batch_normalization(x);
    ek_with_variable_scope(g, "net", .reuse = EK_REUSE)
        again = ek_batch_normalization(x, .training = EK_TRUE);
    golden_note(r, "a", a);
    golden_note(r, "b", b);
    golden_note(r, "c", c);
    golden_note(r, "d", d);
    golden_note(r, "e", e);
    golden_note(r, "f", f);
    golden_note(r, "g", again);
}

static void bn_shared_by_name(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 2));
    ek_tensor a = ek_batch_normalization(x, .training = EK_TRUE, .name = "bn");

    golden_note(r, "a", a);
    golden_note(r, "b", ek_batch_normalization(x, .training = EK_TRUE, .name = "bn", .reuse = EK_REUSE));
    golden_note(r, "c", ek_batch_normalization(x, .training = EK_TRUE, .name = "auto", .reuse = EK_AUTO_REUSE));
    golden_note(r, "d", ek_batch_normalization(x, .training = EK_FALSE, .name = "auto", .reuse = EK_AUTO_REUSE));
    ek_batch_norm *layer = ek_batch_norm_layer(g, .momentum = 0.9);
    golden_note(r, "e", ek_batch_norm_call(layer, x, .training = EK_TRUE));
    golden_note(r, "f", ek_batch_norm_call(layer, a, .training = EK_TRUE));
}

static void bn_wide_and_constant_input(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 1000));
    ek_array *rows = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 1), (float[]){ -10, 0, 10 });

    golden_note(r, "a", ek_batch_normalization(x));
    golden_note(r, "b", ek_batch_normalization(ek_constant(g, ek_value(rows)), .training = EK_TRUE));
    golden_init_all(g, r);
    ek_array_unref(rows);
}

static void bn_fused_flag_resource(ek_graph *g, golden_results *r)
{
    ek_use_resource_variables(g, true);
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 4, 4, 2));
    ek_tensor is_training = golden_placeholder_flag(g, r);

    golden_note(r, "y", ek_batch_normalization(x, .training = is_training));
}

/* ---- names, scopes, variables -------------------------------------------------------------------------------- */

static void get_variable_reuse(ek_graph *g, golden_results *r)
{
    ek_tensor one_two, n;
    ek_variable a;
    ek_variable_scope vs;
    ek_array *pair = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1, 2 });
    ek_array *ints = ek_array_of(EK_INT32, EK_SHAPE(2), (int32_t[]){ 1, 2 });

    ek_with_variable_scope(g, "v") {
        golden_note(r, "a", a = ek_get_variable(g, "w", .shape = EK_SHAPE(2, 3)));
        golden_note(r, "b", ek_constant(g, ek_float(1.0)));
        golden_note(r, "c", ek_variable_create(g, 1.0, .name = "q"));
    }
    ek_with_variable_scope(g, "v", .reuse = EK_REUSE) {
        golden_note(r, "d", ek_get_variable(g, "w", .shape = EK_SHAPE(2, 3)));
        golden_note(r, "e", ek_constant(g, ek_float(1.0)));
        golden_note(r, "f", ek_variable_create(g, 1.0, .name = "q"));
    }
    ek_with_variable_scope(g, NULL, .default_name = "d")
        golden_note(r, "g", ek_get_variable(g, "w", .shape = EK_SHAPE(1)));
    ek_with_variable_scope(g, NULL, .default_name = "d")
        golden_note(r, "h", ek_get_variable(g, "w", .shape = EK_SHAPE(1), .dtype = EK_INT32));
    ek_with_name_scope(g, "n") {
        golden_note(r, "i", ek_get_variable(g, "z", .shape = EK_SHAPE(1), .initializer = ek_ones_initializer()));
        golden_note(r, "j", ek_variable_create(g, ints, .trainable = false));
    }
    ek_with_variable_scope(g, "v", .reuse = EK_AUTO_REUSE) {
        vs = ek_get_variable_scope(g);
        golden_note(r, "k", ek_get_variable(g, "w"));
        one_two = ek_constant(g, ek_value(pair));
        golden_note(r, "l", ek_get_variable(g, "new", .initializer = ek_initial_value(one_two)));
    }
    ek_with_variable_scope(g, NULL, .scope = vs, .reuse = EK_REUSE) {
        ek_variable m = ek_get_variable(g, "new");
        golden_note(r, "m", m);
        golden_note(r, "n", n = ek_times(m, 2.0));
    }
    ek_with_variable_scope(g, "reg", .initializer = ek_constant_initializer(0.25),
                           .regularizer = ek_l2_regularizer(0.1)) {
        golden_note(r, "o", ek_get_variable(g, "w", .shape = EK_SHAPE(4)));
        ek_with_variable_scope(g, "deeper")
            golden_note(r, "p", ek_get_variable(g, "w", .shape = EK_SHAPE(4)));
    }
    ek_add_to_collection(g, "mine", a);
    ek_add_to_collection(g, "mine", n);
    ek_add_to_collection(g, "mine", ek_tensor_op(n));
    golden_init_all(g, r);
    ek_array_unref(pair);
    ek_array_unref(ints);
}

static void names(ek_graph *graph, golden_results *r)
{
    ek_tensor a = ek_constant(graph, ek_float(1.0));
    ek_tensor b = ek_constant(graph, ek_float(2.0), .name = "Const");
    ek_tensor c = ek_constant(graph, ek_float(2.0), .name = "const");
    ek_tensor d, e, f, g, h, i;
    const char *scope;

    ek_with_name_scope(graph, "s")
        d = ek_constant(graph, ek_float(1.0));
    ek_with_name_scope(graph, "s")
        e = ek_constant(graph, ek_float(1.0));
    ek_with_name_scope(graph, "s/")
        f = ek_constant(graph, ek_float(1.0));
    ek_with_name_scope(graph, "s") {
        scope = ek_name_scope(graph);
        ek_with_name_scope(graph, NULL)
            g = ek_constant(graph, ek_float(1.0));
        ek_with_name_scope(graph, "t")
            h = ek_constant(graph, ek_float(1.0));
    }
    ek_with_name_scope(graph, scope)
        i = ek_constant(graph, ek_float(1.0));
    golden_note(r, "a", a);
    golden_note(r, "b", b);
    golden_note(r, "c", c);
    golden_note(r, "d", d);
    golden_note(r, "e", e);
    golden_note(r, "f", f);
    golden_note(r, "g", g);
    golden_note(r, "h", h);
    golden_note(r, "i", i);
    golden_note(r, "j", ek_constant(graph, ek_float(1.0), .name = "Const_1"));
    golden_note(r, "k", ek_constant(graph, ek_float(1.0), .name = "a_1"));
    golden_note(r, "l", ek_constant(graph, ek_float(1.0), .name = "a"));
    golden_note(r, "m", ek_constant(graph, ek_float(1.0), .name = "a"));
    golden_note(r, "n", ek_constant(graph, ek_float(1.0), .name = "a"));
    golden_note(r, "o", ek_constant(graph, ek_float(1.0), .name = "s"));
    ek_tensor p = ek_plus(a, b);
    ek_tensor q = ek_minus(ek_times(2.0, p), 1.0);
    golden_note(r, "p", p);
    golden_note(r, "q", q);
    golden_note(r, "r", ek_over(q, 3.0));
    ek_tensor s = ek_add(q, 1.0);
    ek_tensor t = ek_multiply(s, 2.0, .name = "a");
    golden_note(r, "s", s);
    golden_note(r, "t", t);
    golden_note(r, "u", ek_negative(t));
}

static void control_dependencies(ek_graph *graph, golden_results *r)
{
    ek_tensor i = ek_constant(graph, ek_float(1.0), .name = "i");
    ek_variable w = ek_get_variable(graph, "w", .shape = EK_SCALAR, .initializer = ek_zeros_initializer());
    ek_tensor up = ek_assign_add(w, 1.0);
    ek_tensor a, b, c, e, f, g, h;
    ek_op d;

    ek_with_control_dependencies(graph, EK_LIST(i)) {
        a = ek_constant(graph, ek_float(2.0));
        b = ek_plus(i, 1.0);
        ek_with_control_dependencies(graph, EK_LIST(up)) {
            c = ek_identity(b);
            d = ek_no_op(graph);
            e = ek_identity(a);
            ek_with_no_control_dependencies(graph)
                f = ek_constant(graph, ek_float(5.0));
            g = ek_plus(w, 0.0);
            h = ek_read_value(w);
        }
    }
    golden_note(r, "i", i);
    golden_note(r, "w", w);
    golden_note(r, "up", up);
    golden_note(r, "a", a);
    golden_note(r, "b", b);
    golden_note(r, "c", c);
    golden_note(r, "d", d);
    golden_note(r, "e", e);
    golden_note(r, "f", f);
    golden_note(r, "g", g);
    golden_note(r, "h", h);
    golden_note(r, "k", ek_group(graph, EK_LIST(up, d), .name = "k"));
    golden_note(r, "m", ek_group(graph, EK_EMPTY_LIST));
    golden_note_list(r, "n", ek_tuple(graph, EK_LIST(a, b)));
}

const golden_program golden_programs_forward[] = {
#define PROGRAM(name) { #name, name, 0 }
    PROGRAM(article_default), PROGRAM(article_training_true), PROGRAM(article_training_flag),
    PROGRAM(article_control_dependencies), PROGRAM(article_moving_statistics), PROGRAM(article_default_resource),
    PROGRAM(article_training_flag_resource), PROGRAM(article_control_dependencies_resource),
    PROGRAM(bn_rank3_training), PROGRAM(bn_rank4_fused_training), PROGRAM(bn_rank4_fused_nchw_flag),
    PROGRAM(bn_rank4_fused_inference), PROGRAM(bn_rank4_composed_axis1), PROGRAM(bn_rank5_flag), PROGRAM(bn_axis_list),
    PROGRAM(bn_no_center_no_scale), PROGRAM(bn_not_trainable), PROGRAM(bn_training_values), PROGRAM(bn_renorm_training),
    PROGRAM(bn_renorm_flag_clipping), PROGRAM(bn_renorm_inference), PROGRAM(bn_virtual_batch), PROGRAM(bn_adjustment),
    PROGRAM(bn_float16_float64), PROGRAM(bn_scopes), PROGRAM(bn_shared_by_name), PROGRAM(bn_wide_and_constant_input),
    PROGRAM(bn_fused_flag_resource), PROGRAM(get_variable_reuse), PROGRAM(names), PROGRAM(control_dependencies),
#undef PROGRAM
    { NULL, NULL, 0 },
};
