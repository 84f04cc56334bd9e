/* layers/flatten.c - tf.layers.flatten. */
#include "layers/spatial.h"

/* What is known of the result: the number of columns, where it is known and not none. */
static ek_shape flat_shape(const ek_shape *x)
{
    ek_shape out = EK_SHAPE(x->dim[0], 1);

    for (int i = 1; i < x->rank && out.dim[1] > 0; i++)
        if (x->dim[i] <= 0 || __builtin_mul_overflow(out.dim[1], x->dim[i], &out.dim[1])) out.dim[1] = -1;
    return out;
}

static ek_tensor body(const ek_layer *l, ek_tensor x, const void *of, ek_where where)
{
    const ek_flatten_options *o = of;
    ek_graph *g = l->graph;
    const ek_shape given = ek_tensor_shape(x);
    ek_operand rows = ek__int(given.dim[0]);
    ek_tensor y = ek__dead(g);
    bool first;

    if (!ek__spatial_format(g, o->data_format, &first, where)) return y;
    if (first && given.rank > 1) x = ek__move_channels(x, given.rank, true, where);
    if (given.dim[0] <= 0) rows = ek__of(ek__element(ek__op1(ek_shape_with, ek__of(x), NULL, where), 0, where));
    EK_IN_SCOPE(ek_name_scope_push(g, "Reshape", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor to = ek__int_list(g, "shape", (ek_operand[]){ rows, ek__int(-1) }, 2, where);
        y = ek__emit2("Reshape", x, to, own, where);
    }
    if (ek_tensor_ok(y)) ek_set_shape_at(y, flat_shape(&given), where);
    return y;
}

ek_tensor ek_flatten_with(const ek_flatten_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return ek__layer_call(&(ek_layer_args){ .kind = "flatten", .name = o->name, .least_rank = 1, .where = where }, o->x,
                          body, o);
}
