/* layers/dense.c - tf.layers.dense. */
#include "layers/layer.h"

/* ---- inputs of more than two dimensions: tf.tensordot over the last of them ------------------------------ */

/* What stands before a matrix is made of the input. */
typedef struct free_part {
    ek_tensor matrix; /* [product of all but the last, last] */
    ek_tensor dims;   /* of the result but its last; dead where they are known */
} free_part;

static ek_tensor transpose(ek_tensor x, int64_t first, int n, ek_where where)
{
    int64_t perm[EK_MAX_RANK];

    for (int i = 0; i < n; i++) perm[i] = first + i;
    return ek_transpose_with(&(ek_transpose_options){ .size = sizeof(ek_transpose_options), .input = x,
                                                      .perm = { perm, n } }, where);
}

/* The shape is known: constants say everything. */
static free_part flatten_known(ek_tensor x, const ek_shape *s, ek_where where)
{
    const ek_tensor same = transpose(x, 0, s->rank, where);
    int64_t rows = 1;

    for (int i = 0; i < s->rank - 1; i++)
        if (__builtin_mul_overflow(rows, s->dim[i], &rows)) rows = INT64_MAX;
    return (free_part){ ek__reshape(x.graph, ek__of(same), &EK_SHAPE(rows, s->dim[s->rank - 1]), where),
                        ek__dead(x.graph) };
}

static ek_tensor join(ek_tensor (*with)(const ek_join_options *, ek_where), ek_tensor a, ek_tensor b, ek_where where)
{
    return with(&(ek_join_options){ .size = sizeof(ek_join_options), .values = EK_TENSORS(a, b) }, where);
}

static ek_tensor gather(ek_tensor params, ek_tensor indices, ek_where where)
{
    return ek_gather_with(&(ek_gather_options){ .size = sizeof(ek_gather_options), .params = params,
                                                .indices = indices }, where);
}

static ek_tensor product(ek_tensor x, ek_where where)
{
    return ek_reduce_prod_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = x, .axis = { -1, { 0 } } },
                               where);
}

static free_part flatten(ek_tensor x, const ek_shape *s, ek_where where)
{
    ek_graph *g = x.graph;
    ek_shape free = { .rank = s->rank - 1 };

    for (int i = 0; i < free.rank; i++) free.dim[i] = i;
    const ek_tensor axes = ek__const_shape(g, &EK_SHAPE(s->rank - 1), "axes", where);
    const ek_tensor others = ek__const_shape(g, &free, "free", where);
    const ek_tensor shape = ek__op1(ek_shape_with, ek__of(x), NULL, where);
    const ek_tensor dims = gather(shape, others, where), last = gather(shape, axes, where);
    const ek_tensor rows = product(dims, where), columns = product(last, where);
    const ek_tensor perm = join(ek_concat_with, others, axes, where);
    const ek_tensor to = join(ek_stack_with, rows, columns, where);
    const ek_tensor same = ek__emit2("Transpose", x, perm, "transpose", where);

    return (free_part){ ek__emit2("Reshape", same, to, NULL, where), dims };
}

static ek_tensor tensordot(ek_tensor x, ek_variable kernel, int64_t units, ek_where where)
{
    ek_graph *g = x.graph;
    const ek_shape s = ek_tensor_shape(x);
    const ek_operand w = ek__v(kernel);
    const bool known = ek_shape_is_known(&s);
    ek_shape to = s;
    ek_tensor y = ek__dead(g);

    to.dim[to.rank - 1] = units;
    EK_IN_SCOPE(ek_name_scope_push(g, "Tensordot", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor read = ek__operand_tensor(g, &w, EK_DTYPE_NONE, "b", where);
        const free_part a = known ? flatten_known(x, &s, where) : flatten(x, &s, where);
        const ek_tensor same = transpose(read, 0, 2, where);
        const ek_tensor b = ek__reshape(g, ek__of(same), &EK_SHAPE(s.dim[s.rank - 1], units), where);
        const ek_tensor ab = ek__emit2("MatMul", a.matrix, b, NULL, where);
        if (known) {
            y = ek__call_ints(g, "Reshape", own, ek__of(ab), &to, NULL, 0, where);
        } else {
            const ek_tensor last = ek__const_shape(g, &EK_SHAPE(units), "Const", where);
            y = ek__emit2("Reshape", ab, join(ek_concat_with, a.dims, last, where), own, where);
            ek_set_shape_at(y, to, where);
        }
    }
    return y;
}

/* ---- the layer ---------------------------------------------------------------------------------------------- */

static bool check(const ek_layer *l, const ek_shape *s, ek_dtype dtype, int64_t units, ek_where where)
{
    if (!ek_dtype_is_floating(dtype) && !ek_dtype_is_complex(dtype)) {
        ek__graph_fail(l->graph, where, EK_INVALID_ARGUMENT,
                       "Unable to build `Dense` layer with non-floating point dtype <dtype: '%s'>", ek_dtype_name(dtype));
        return false;
    }
    if (units <= 0)
        ek__graph_fail(l->graph, where, EK_INVALID_ARGUMENT,
                       "Received an invalid value for `units`, expected a positive integer, got %lld.", (long long)units);
    else if (s->dim[s->rank - 1] < 0)
        ek__graph_fail(l->graph, where, EK_INVALID_ARGUMENT,
                       "The last dimension of the inputs to `Dense` should be defined. Found `None`.");
    return l->graph->error.code == EK_OK;
}

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const ek_dense_options *o = of;
    const ek_shape s = ek_tensor_shape(x);
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(x));
    ek_variable kernel, bias = ek__dead_variable(l->graph);
    ek_tensor y;

    if (!check(l, &s, dtype, o->units, where)) return ek__dead(l->graph);
    kernel = ek__layer_kernel(l, "kernel", EK_SHAPE(s.dim[s.rank - 1], o->units), dtype,
                              (ek_weights){ &o->kernel_initializer, &o->kernel_regularizer, &o->kernel_constraint }, where);
    if (o->use_bias)
        bias = ek__layer_bias(l, o->units, dtype,
                              (ek_weights){ &o->bias_initializer, &o->bias_regularizer, &o->bias_constraint }, where);
    if (s.rank > 2) y = tensordot(x, kernel, o->units, where);
    else y = ek__call_tensor(&(ek_call){ .type = "MatMul", .in = (ek_operand[]){ ek__of(x), ek__v(kernel) }, .n_in = 2,
                                         .where = where });
    return o->use_bias ? ek__layer_add_bias(y, bias, "NHWC", where) : y;
}

ek_tensor ek_dense_with(ek_tensor x, const ek_dense_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(x.graph, o, where)) return ek__dead(x.graph);
    return ek__layer_call(&(ek_layer_args){ .kind = "dense", .name = o->name, .reuse = (int)o->reuse,
                                            .trainable = o->trainable, .activation = o->activation,
                                            .activity = &o->activity_regularizer, .least_rank = 2, .where = where },
                          x, body, o);
}
