/* ops/build_nn.c - builders of reductions, products, convolutions and random tensors. */
#include "evenkeel/nn.h"
#include "ops/generator.h"
#include "ops/operand.h"

/* ---- reductions ------------------------------------------------------------------------------------ */

/* int32: a vector of n, or a scalar where n is -1. NULL after recording why. */
static ek_array *integers(ek_graph *g, const int *at, int n, ek_where where)
{
    const ek_shape shape = n < 0 ? EK_SCALAR : EK_SHAPE(n);
    ek_error err = { 0 };
    ek_array *a = NULL;

    if (ek__array_new(EK_INT32, &shape, NULL, &a, &err) != EK_OK) ek__graph_fail(g, where, err.code, "%s", err.text);
    for (int64_t i = 0; a != NULL && i < a->count; i++) ((int32_t *)a->data)[i] = at[i];
    return a;
}

static ek_tensor integer_const(ek_graph *g, const int *at, int n, const char *name, ek_where where)
{
    ek_array *a = integers(g, at, n, where);
    const ek_tensor t = a != NULL ? ek__const(g, a, name, where) : ek__dead(g);

    ek_array_unref(a);
    return t;
}

/* Every axis of x: [0, 1, ..] as a Const, for an unknown rank range(0, rank(x)). */
static ek_tensor all_axes(ek_tensor x, ek_where where)
{
    static const int count[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const ek_shape s = ek_tensor_shape(x);

    if (s.rank >= 0) return integer_const(x.graph, count, s.rank, "Const", where);
    const ek_tensor rank = ek_rank_with(&(ek_unary_options){ sizeof(ek_unary_options), ek__of(x), NULL }, where);
    ek_scope scope = ek_name_scope_push(x.graph, "range", where);
    const ek_tensor in[] = { integer_const(x.graph, &count[0], -1, "start", where), rank,
                             integer_const(x.graph, &count[1], -1, "delta", where) };
    const ek_tensor range = ek__node_tensor(x.graph, &(ek_node_args){ .type = "Range", .name = ek_name_scope(x.graph),
                                                                      .in = in, .n_in = 3, .where = where });
    ek_scope_pop(&scope);
    return range;
}

static ek_tensor reduce(const char *type, const ek_reduce_options *o, ek_where where)
{
    const ek_attr keep = EK_ATTR("keep_dims", EK_ATTR_BOOL, b, o->keepdims);
    ek_operand in[2] = { ek__of(o->x) };
    ek_array *axes = NULL;

    if (!ek_tensor_ok(o->x)) return ek__dead(o->x.graph);
    if (o->axis.count > EK_MAX_RANK || o->axis.count < -2) {
        ek__graph_fail(o->x.graph, where, EK_INVALID_ARGUMENT,
                       "%s over %d axes, at most %d are possible; EK_AXES(...) and EK_AXIS(i) count them", type,
                       o->axis.count, EK_MAX_RANK);
        return ek__dead(o->x.graph);
    }
    if (o->axis.count == -1) {
        in[1] = ek__of(all_axes(o->x, where));
    } else {
        axes = integers(o->x.graph, o->axis.axis, o->axis.count < 0 ? -1 : o->axis.count, where);
        if (axes == NULL) return ek__dead(o->x.graph);
        in[1] = ek_operand_of_array(axes);
    }
    const ek_tensor t = ek__call_tensor(&(ek_call){ .type = type, .name = o->name, .in = in, .n_in = 2, .attr = &keep,
                                                    .n_attr = 1, .where = where });
    ek_array_unref(axes);
    /* Over everything, whatever that is: a scalar. */
    if (o->axis.count == -1 && !o->keepdims && ek_tensor_ok(t)) ek_set_shape_at(t, EK_SCALAR, where);
    return t;
}

#define REDUCE(f, Type) \
    ek_tensor ek_reduce_##f##_with(const ek_reduce_options *o, ek_where where) \
    { \
        return EK_OPTIONS_OK(NULL, o, where) ? reduce(#Type, o, where) : ek__dead(NULL); \
    }
REDUCE(all, All)
REDUCE(any, Any)
REDUCE(euclidean_norm, EuclideanNorm)
REDUCE(max, Max)
REDUCE(mean, Mean)
REDUCE(min, Min)
REDUCE(prod, Prod)
REDUCE(sum, Sum)

static ek_tensor arg(const char *type, const ek_argmax_options *o, ek_where where)
{
    const ek_attr attr = EK_ATTR("output_type", EK_ATTR_TYPE, type, o->output_type);
    const ek_operand in[] = { ek__of(o->x), ek_operand_of_int(o->axis) };

    return ek__call_tensor(&(ek_call){ .type = type, .name = o->name, .in = in, .n_in = 2, .attr = &attr, .n_attr = 1,
                                       .where = where });
}

ek_tensor ek_argmax_with(const ek_argmax_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return arg("ArgMax", o, where);
}

ek_tensor ek_argmin_with(const ek_argmax_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return arg("ArgMin", o, where);
}

/* ---- products and convolutions ------------------------------------------------------------------------- */

static bool maybe_batch(ek_tensor t)
{
    const ek_shape s = ek_tensor_shape(t);
    return s.rank < 0 || s.rank > 2;
}

ek_tensor ek_matmul_with(ek_operand a, const ek_matmul_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&a, 1), o, where)) return ek__dead(NULL);
    const ek_operand pair[] = { a, o->b };
    ek_graph *g = ek__operand_graph(pair, 2);

    if (!EK_GRAPH_OK(g, where)) return ek__dead(NULL);
    ek_scope scope = ek_name_scope_push(g, o->name != NULL ? o->name : "MatMul", where);
    ek_tensor in[2];
    in[0] = ek__operand_tensor(g, &a, a.kind == 'l' ? ek__operand_dtype(&o->b) : EK_DTYPE_NONE, "a", where);
    in[1] = ek__operand_tensor(g, &o->b, ek_tensor_ok(in[0]) ? ek_dtype_base(ek_tensor_dtype(in[0])) : EK_DTYPE_NONE,
                               "b", where);
    ek_tensor out = ek__dead(g);
    if (ek_tensor_ok(in[0]) && ek_tensor_ok(in[1])) {
        const bool batch = maybe_batch(in[0]) && maybe_batch(in[1]);
        const ek_attr attrs[] = { EK_ATTR(batch ? "adj_x" : "transpose_a", EK_ATTR_BOOL, b, o->transpose_a),
                                  EK_ATTR(batch ? "adj_y" : "transpose_b", EK_ATTR_BOOL, b, o->transpose_b) };
        out = ek__node_tensor(g, &(ek_node_args){ .type = batch ? "BatchMatMulV2" : "MatMul",
                                                 .name = ek_name_scope(g),
                                                 .in = in,
                                                 .n_in = 2,
                                                 .attr = attrs,
                                                 .n_attr = 2,
                                                 .where = where });
    }
    ek_scope_pop(&scope);
    return out;
}

/* Whether the strings an operation needs are there. */
static bool told(ek_graph *g, const char *s, const char *what, ek_where where)
{
    if (s == NULL) ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s is NULL", what);
    return s != NULL;
}

static ek_attr string_attr(const char *name, const char *s)
{
    return (ek_attr){ name, { .kind = EK_ATTR_STRING, .u.s = { (char *)(uintptr_t)s, strlen(s) } } };
}

static ek_attr ints_attr(const char *name, const int64_t *at, int count)
{
    return (ek_attr){ name, { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = count, .u.is = (int64_t *)(uintptr_t)at } };
}

ek_tensor ek_bias_add_with(ek_operand value, const ek_bias_add_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&value, 1), o, where)) return ek__dead(NULL);
    const ek_operand in[] = { value, o->bias };
    if (!told(ek__operand_graph(in, 2), o->data_format, "ek_bias_add's .data_format", where)) return ek__dead(NULL);
    const ek_attr attr = string_attr("data_format", o->data_format);

    return ek__call_tensor(&(ek_call){
        .type = "BiasAdd", .name = o->name, .in = in, .n_in = 2, .attr = &attr, .n_attr = 1, .where = where });
}

static ek_tensor convolve(const char *type, ek_operand input, const ek_nn_conv2d_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(ek__operand_graph(&input, 1), o, where)) return ek__dead(NULL);
    const ek_operand in[] = { input, o->filter };
    ek_graph *g = ek__operand_graph(in, 2);
    if (!told(g, o->padding, "a convolution's .padding", where) ||
        !told(g, o->data_format, "a convolution's .data_format", where))
        return ek__dead(g);
    const bool explicit_padding = strcmp(o->padding, "EXPLICIT") == 0;
    const ek_attr attrs[] = { ints_attr("strides", o->strides, 4), string_attr("padding", o->padding),
                              string_attr("data_format", o->data_format), ints_attr("dilations", o->dilations, 4),
                              ints_attr("explicit_paddings", o->explicit_paddings, explicit_padding ? 8 : 0) };

    return ek__call_tensor(&(ek_call){ .type = type, .name = o->name, .in = in, .n_in = 2, .attr = attrs,
                                       .n_attr = EK_COUNT_OF(attrs), .where = where });
}

ek_tensor ek_nn_conv2d_with(ek_operand input, const ek_nn_conv2d_options *o, ek_where where)
{
    return convolve("Conv2D", input, o, where);
}

ek_tensor ek_nn_depthwise_conv2d_native_with(ek_operand input, const ek_nn_conv2d_options *o, ek_where where)
{
    return convolve("DepthwiseConv2dNative", input, o, where);
}

#define UNARY(f, Type) \
    ek_tensor ek_##f##_with(const ek_unary_options *o, ek_where where) \
    { \
        if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL); \
        return ek__call_tensor(&(ek_call){ .type = #Type, .name = o->name, .in = &o->x, .n_in = 1, .where = where }); \
    }
UNARY(l2_loss, L2Loss)
UNARY(softmax, Softmax)
UNARY(log_softmax, LogSoftmax)

/* ---- random tensors ------------------------------------------------------------------------------------------ */

static ek_tensor number(ek_graph *g, ek_dtype dtype, double v, const char *name, ek_where where)
{
    return ek_constant_with(
        g,
        &(ek_constant_options){
            .size = sizeof(ek_constant_options), .value = ek_scalar(dtype, v), .shape = { .rank = -2 }, .name = name },
        where);
}

static ek_tensor two(const char *type, ek_tensor x, ek_tensor y, const char *name, ek_where where)
{
    return ek__node_tensor(x.graph, &(ek_node_args){ .type = type, .name = name, .in = (ek_tensor[]){ x, y }, .n_in = 2,
                                                     .where = where });
}

/* The shape of a random tensor: given as one, or a Const. */
static ek_tensor dims_of(ek_graph *g, ek_tensor dims, const ek_shape *shape, ek_where where)
{
    return dims.graph != NULL ? dims : ek__const_shape(g, shape, "shape", where);
}

/* A random node with the seeds that are due now: after its own constants were made. */
static ek_tensor random_node(ek_graph *g, const char *type, const char *name, const ek_tensor *in, int n_in,
                             ek_dtype dtype, int64_t seed, ek_where where)
{
    const ek_seed_attrs s = ek__get_seed(g, seed != EK_NO_SEED, seed);
    const ek_attr attrs[] = { EK_ATTR("seed", EK_ATTR_INT, i, s.seed), EK_ATTR("seed2", EK_ATTR_INT, i, s.seed2),
                              EK_ATTR("dtype", EK_ATTR_TYPE, type, dtype) };

    return ek__node_tensor(g, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = n_in, .attr = attrs,
                                               .n_attr = dtype == EK_DTYPE_NONE ? 2 : 3, .where = where });
}

ek_tensor ek_random_uniform_with(ek_graph *g, const ek_random_uniform_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where)) return ek__dead(g);
    const bool integer = ek_dtype_is_integer(o->dtype), given = o->maxval != EK_NO_MAXVAL;

    if (integer && !given) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Must specify maxval for integer dtype tf.%s",
                       ek_dtype_name(o->dtype));
        return ek__dead(g);
    }
    ek_scope scope = ek_name_scope_push(g, o->name != NULL ? o->name : "random_uniform", where);
    const char *own = ek_name_scope(g);
    const ek_tensor shape = dims_of(g, o->dims, &o->shape, where);
    const ek_tensor lo = number(g, o->dtype, o->minval, "min", where);
    const ek_tensor hi = number(g, o->dtype, given ? o->maxval : 1, "max", where);
    ek_tensor out;
    if (integer) {
        out = random_node(g, "RandomUniformInt", own, (ek_tensor[]){ shape, lo, hi }, 3, EK_DTYPE_NONE, o->seed, where);
    } else {
        const ek_tensor raw = random_node(g, "RandomUniform", NULL, &shape, 1, o->dtype, o->seed, where);
        const ek_tensor span = two("Sub", hi, lo, "sub", where);
        out = two("Add", two("Mul", raw, span, "mul", where), lo, own, where);
    }
    ek_scope_pop(&scope);
    return out;
}

static ek_tensor normal(ek_graph *g, const char *name, const char *type, const ek_random_normal_options *o,
                        ek_where where)
{
    ek_scope scope = ek_name_scope_push(g, o->name != NULL ? o->name : name, where);
    const ek_tensor shape = dims_of(g, o->dims, &o->shape, where);
    const ek_tensor mean = number(g, o->dtype, o->mean, "mean", where);
    const ek_tensor stddev = number(g, o->dtype, o->stddev, "stddev", where);
    const ek_tensor raw = random_node(g, type, NULL, &shape, 1, o->dtype, o->seed, where);
    const ek_tensor out = two("Add", two("Mul", raw, stddev, "mul", where), mean, ek_name_scope(g), where);

    ek_scope_pop(&scope);
    return out;
}

ek_tensor ek_random_normal_with(ek_graph *g, const ek_random_normal_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where)) return ek__dead(g);
    return normal(g, "random_normal", "RandomStandardNormal", o, where);
}

ek_tensor ek_truncated_normal_with(ek_graph *g, const ek_random_normal_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where)) return ek__dead(g);
    return normal(g, "truncated_normal", "TruncatedNormal", o, where);
}

ek_tensor ek_random_shuffle_with(const ek_random_shuffle_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return random_node(o->value.graph, "RandomShuffle", NULL, &o->value, 1, EK_DTYPE_NONE, o->seed, where);
}
