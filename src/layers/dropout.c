/* layers/dropout.c - tf.nn.dropout, and the layer that applies it in training. */
#include "layers/layer.h"
#include "layers/training.h"

typedef struct drop {
    ek_tensor x;
    ek_operand rate;
    ek_shape noise_shape; /* of rank -2: none */
    ek_tensor noise_dims; /* without a graph: none */
    int64_t seed;
    const char *name;
} drop;

/* ---- tf.nn.dropout -------------------------------------------------------------------------------- */

static bool check_input(ek_graph *g, ek_tensor x, ek_where where)
{
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(x));

    if (ek_dtype_is_floating(dtype)) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "x has to be a floating point tensor since it's going to be scaled. Got a <dtype: '%s'> tensor instead.",
                   ek_dtype_name(dtype));
    return false;
}

/* A Python number; NaN is refused too. */
static bool check_rate(ek_graph *g, double rate, ek_where where)
{
    if (rate >= 0.0 && rate < 1.0) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "rate must be a scalar tensor or a float in the range [0, 1), got %g", rate);
    return false;
}

static bool is_number(const ek_operand *x) { return x->kind == 'l' && x->u.literal.dtype == EK_DTYPE_NONE; }

static double number(const ek_operand *x)
{
    const ek_literal *l = &x->u.literal;

    return l->kind == 'f' ? l->u.f : l->kind == 'i' ? (double)l->u.i : l->kind == 'b' ? l->u.b : -1.0;
}

/* The rate as a scalar of x's type; dead after a failure. */
static ek_tensor rate_tensor(ek_graph *g, const drop *d, ek_where where)
{
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(d->x));
    const ek_tensor rate = ek__operand_tensor(g, &d->rate, dtype, "rate", where);
    const ek_shape shape = ek_tensor_shape(rate);

    if (!ek_tensor_ok(rate)) return rate;
    if (ek_dtype_base(ek_tensor_dtype(rate)) != dtype) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "Tensor conversion requested dtype %s for Tensor with dtype %s: the rate of dropout must have the "
                       "type of x", ek_dtype_name(dtype), ek_dtype_name(ek_dtype_base(ek_tensor_dtype(rate))));
        return ek__dead(g);
    }
    if (shape.rank > 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Shape of the rate of dropout must have rank 0, found %d",
                       shape.rank);
        return ek__dead(g);
    }
    return rate;
}

static bool is_zero(ek_graph *g, ek_tensor rate)
{
    ek_array *value = ek__constant_value(g, ek__edge(rate));
    const bool zero = value != NULL && ek_array_get(value, 0) == 0.0;

    ek_array_unref(value);
    return zero;
}

/* The shape of what is drawn: x's, or as told, where what is left open is taken from x if x knows. */
static bool noise(ek_graph *g, const drop *d, ek_shape *shape, ek_tensor *dims, ek_where where)
{
    const ek_shape x = ek_tensor_shape(d->x);

    *dims = (ek_tensor){ NULL, -1, 0 };
    if (d->noise_dims.graph != NULL) *dims = d->noise_dims;
    else if (d->noise_shape.rank < 0) *dims = ek__op1(ek_shape_with, ek__of(d->x), NULL, where);
    if (dims->graph != NULL) return ek_tensor_ok(*dims);
    *shape = d->noise_shape;
    for (int i = 0; x.rank == shape->rank && i < x.rank; i++)
        if (shape->dim[i] < 0) shape->dim[i] = x.dim[i];
    if (ek_shape_is_known(shape)) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "Cannot convert a partially known TensorShape to a Tensor: noise_shape leaves dimensions open that x "
                   "does not know; give .noise_dims");
    return false;
}

static ek_tensor uniform(ek_graph *g, const drop *d, ek_where where)
{
    ek_random_uniform_options o = { .size = sizeof o, .minval = 0, .maxval = EK_NO_MAXVAL, .seed = d->seed,
                                    .dtype = ek_dtype_base(ek_tensor_dtype(d->x)) };

    return noise(g, d, &o.shape, &o.dims, where) ? ek_random_uniform_with(g, &o, where) : ek__dead(g);
}

static ek_tensor scaled(ek_graph *g, const drop *d, ek_tensor rate, ek_where where)
{
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(d->x));
    const ek_tensor drawn = uniform(g, d, where);
    const ek_tensor keep_prob = ek__op2(ek_minus_with, ek__num(1.0), ek__of(rate), where);
    const ek_tensor scale = ek__op2(ek_over_with, ek__num(1.0), ek__of(keep_prob), where);
    const ek_tensor keep = ek__op2(ek_greater_equal_with, ek__of(drawn), ek__of(rate), where);
    const ek_tensor larger = ek__op2(ek_times_with, ek__of(d->x), ek__of(scale), where);
    const ek_tensor y = ek__op2(ek_times_with, ek__of(larger), ek__cast(g, ek__of(keep), dtype, where), where);

    if (ek_tensor_ok(y)) ek_set_shape_at(y, ek_tensor_shape(d->x), where);
    return y;
}

static ek_tensor in_scope(ek_graph *g, const drop *d, ek_where where)
{
    if (!check_input(g, d->x, where)) return ek__dead(g);
    if (is_number(&d->rate) && !check_rate(g, number(&d->rate), where)) return ek__dead(g);
    if (is_number(&d->rate) && number(&d->rate) == 0.0) return d->x;
    const ek_tensor rate = rate_tensor(g, d, where);

    if (!ek_tensor_ok(rate)) return rate;
    return is_zero(g, rate) ? d->x : scaled(g, d, rate, where);
}

static ek_tensor dropout(ek_graph *g, const drop *d, ek_where where)
{
    ek_tensor y = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, d->name != NULL ? d->name : "dropout", where)) y = in_scope(g, d, where);
    return y;
}

/* 1 - keep_prob, of a tensor in the scope around. */
static bool rate_of(ek_graph *g, const ek_nn_dropout_options *o, ek_operand *rate, ek_where where)
{
    const bool has_rate = o->rate.kind != 0, has_keep = o->keep_prob.kind != 0;

    *rate = o->rate;
    if (has_rate != has_keep) {
        if (has_keep && is_number(&o->keep_prob)) *rate = ek__num(1.0 - number(&o->keep_prob));
        else if (has_keep) *rate = ek__of(ek__op2(ek_minus_with, ek__num(1.0), o->keep_prob, where));
        return true;
    }
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, has_rate ? "Cannot specify both 'keep_prob' and 'rate'"
                                                           : "You must provide a rate to dropout.");
    return false;
}

ek_tensor ek_nn_dropout_with(const ek_nn_dropout_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where) || !EK_GRAPH_OK(o->x.graph, where)) return ek__dead(NULL);
    ek_graph *g = o->x.graph;
    drop d = { .x = o->x, .noise_shape = o->noise_shape, .noise_dims = o->noise_dims, .seed = o->seed, .name = o->name };

    if (g->error.code != EK_OK || !ek__tensor_in(g, o->x) || !rate_of(g, o, &d.rate, where)) return ek__dead(g);
    return dropout(g, &d, where);
}

/* ---- the layer ---------------------------------------------------------------------------------------- */

static void drop_side(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    out[0] = ek__of(dropout(g, arg, where));
}

static void keep_side(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    const drop *d = arg;

    out[0] = ek__of(ek__call_tensor(&(ek_call){ .graph = g, .type = "Identity", .in = (ek_operand[]){ ek__of(d->x) },
                                                .n_in = 1, .where = where }));
}

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const ek_dropout_options *o = of;
    drop d = { .x = x, .noise_shape = o->noise_shape, .noise_dims = o->noise_dims, .seed = o->seed,
               .rate = o->rate_tensor.graph != NULL ? ek__of(o->rate_tensor) : ek__num(o->rate) };
    ek_operand y = ek__of(ek__dead(l->graph));
    ek_mode mode;

    if (ek__mode_of(l->graph, o->training, &mode, where))
        ek__choose(l->graph, &mode, drop_side, keep_side, &d, 1, &y, where);
    return y.u.tensor;
}

ek_tensor ek_dropout_with(const ek_dropout_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return ek__layer_call(&(ek_layer_args){ .kind = "dropout", .name = o->name, .where = where }, o->x, body, o);
}
