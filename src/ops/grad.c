/* ops/grad.c - see grad.h. */
#include "ops/grad.h"

#include "graph/attr.h"

const ek_attr_value *g_attr(const ek_grad *c, const char *name)
{
    const ek_attr_value *v = ek__attr_find(c->n->attr, c->n->n_attr, name);
    const ek_attr_spec *a = v == NULL && c->n->spec != NULL ? ek__attr_spec(c->n->spec, name) : NULL;

    return a != NULL && a->has_default ? &a->fallback : v;
}

ek_tensor g3(const ek_grad *c, const char *type, ek_tensor x, ek_tensor y, ek_tensor z)
{
    const ek_tensor in[] = { x, y, z };

    return ek__node_tensor(c->g, &(ek_node_args){ .type = type, .in = in, .n_in = 3, .where = c->where });
}

ek_op g_like_named(const ek_grad *c, const char *type, const char *name, const ek_tensor *in, int n_in, const char *const *names)
{
    ek_attr attr[16];
    int n = 0;

    for (; names[n] != NULL && n < 16; n++) {
        const ek_attr_value *v = g_attr(c, names[n]);
        if (v == NULL) {
            ek__graph_fail(c->g, c->where, EK_INVALID_ARGUMENT, "'%s' (op type: %s) has no attribute %s, which its gradient needs",
                           c->n->name, c->n->type, names[n]);
            return (ek_op){ c->g, -1 };
        }
        attr[n] = (ek_attr){ names[n], *v };
        attr[n].value.raw = NULL;
        attr[n].value.raw_size = 0;
    }
    return ek__node_build(c->g, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = n_in, .attr = attr,
                                               .n_attr = n, .where = c->where });
}

ek_tensor g_shape_as(const ek_grad *c, ek_tensor x, ek_dtype dtype)
{
    const ek_shape s = ek_tensor_shape(x);

    if (dtype != EK_INT64) return g_shape(c, x);
    if (!ek_shape_is_known(&s))
        return EK_EMIT(c->g, c->where, "Shape", NULL, EK_IN(x), EK_ATTR_T("out_type", EK_INT64));
    ek_array *a = ek_array_of(EK_INT64, EK_SHAPE(s.rank), s.dim);
    if (a == NULL) ek__graph_fail(c->g, c->where, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
    const ek_tensor t = a != NULL ? ek__const(c->g, a, "Shape", c->where) : ek__dead(c->g);
    ek_array_unref(a);
    return t;
}

/* A list of integers as TensorFlow's shapes are lists of integers. */
static ek_shape list_of(const int64_t *at, int n)
{
    ek_shape s = { .rank = n };

    for (int i = 0; i < n; i++) s.dim[i] = at[i];
    return s;
}

ek_tensor g_ints(const ek_grad *c, const int64_t *at, int n, const char *name)
{
    if (n < 0) return ek__const_scalar(c->g, EK_INT32, (double)at[0], name, c->where);
    const ek_shape list = list_of(at, n);
    return ek__const_shape(c->g, &list, name, c->where);
}

ek_tensor g_with_ints(const ek_grad *c, const char *type, ek_tensor x, const int64_t *at, int n)
{
    const ek_shape list = list_of(at, n);

    return ek__call_ints(c->g, type, NULL, ek__of(x), &list, NULL, 0, c->where);
}

/* ---- lists ------------------------------------------------------------------------------------------------- */

ek_tensor g_pack(const ek_grad *c, const char *name, const g_piece *piece, int n)
{
    ek_tensor in[8], out = ek__dead(c->g);
    ek_dtype dtype = EK_INT32;

    for (int i = 0; i < n; i++)
        if (piece[i].kind == G_TENSOR) dtype = g_dtype(piece[i].tensor);
    EK_NAMED(c, name) {
        const char *own = ek_name_scope(c->g);
        for (int i = 0; i < n && i < 8; i++) {
            const char digit[] = { (char)('0' + i), '\0' };
            in[i] = piece[i].kind == G_TENSOR ? piece[i].tensor
                                              : ek__const_scalar(c->g, dtype, (double)piece[i].number, digit, c->where);
        }
        out = ek__node_tensor(c->g, &(ek_node_args){ .type = "Pack", .name = own, .in = in, .n_in = n, .where = c->where });
    }
    return out;
}

ek_tensor g_concat(const ek_grad *c, const g_piece *piece, int n)
{
    ek_tensor in[5], out = ek__dead(c->g);

    EK_NAMED(c, "concat") {
        const char *own = ek_name_scope(c->g);
        for (int i = 0; i < n && i < 4; i++) {
            const char name[] = { 'v', 'a', 'l', 'u', 'e', 's', '_', (char)('0' + i), '\0' };
            if (piece[i].kind == G_TENSOR) in[i] = piece[i].tensor;
            else if (piece[i].tensor.graph != NULL && ek_tensor_ok(piece[i].tensor)) in[i] = g_pack(c, name, &(g_piece){ G_TENSOR, piece[i].tensor, 0 }, 1);
            else in[i] = g_ints(c, &piece[i].number, 1, name);
        }
        in[n] = g_int(c, 0, "axis");
        out = ek__node_tensor(c->g, &(ek_node_args){ .type = "ConcatV2", .name = own, .in = in, .n_in = n + 1, .where = c->where });
    }
    return out;
}

ek_tensor g_concat_along(const ek_grad *c, const ek_tensor *part, int n, ek_tensor axis)
{
    ek_tensor in[EK_GRAD_MAX_LIST + 1];

    if (n == 1) return ek__emit1("Identity", part[0], "concat", c->where);
    if (n > EK_GRAD_MAX_LIST) {
        ek__graph_fail(c->g, c->where, EK_UNIMPLEMENTED, "the gradient of '%s' joins %d tensors, at most %d are possible",
                       c->n->name, n, EK_GRAD_MAX_LIST);
        return ek__dead(c->g);
    }
    for (int i = 0; i < n; i++) in[i] = part[i];
    in[n] = axis;
    return ek__node_tensor(c->g, &(ek_node_args){ .type = "ConcatV2", .name = "concat", .in = in, .n_in = n + 1, .where = c->where });
}

ek_tensor g_part(const ek_grad *c, ek_tensor x, int64_t from, int64_t to)
{
    return ek_strided_slice_with(&(ek_strided_slice_options){
        .size = sizeof(ek_strided_slice_options), .input = x, .begin = EK_INTS(from), .end = EK_INTS(to),
        .strides = EK_INTS(1), .begin_mask = from == 0, .end_mask = to == 0 }, c->where);
}

ek_tensor g_item(const ek_grad *c, ek_tensor x, int64_t at)
{
    return ek_strided_slice_with(&(ek_strided_slice_options){
        .size = sizeof(ek_strided_slice_options), .input = x, .begin = EK_INTS(at), .end = EK_INTS(at + 1),
        .strides = EK_INTS(1), .shrink_axis_mask = 1 }, c->where);
}

/* ---- broadcasting -------------------------------------------------------------------------------------- */

bool g_same_shapes(const ek_grad *c, ek_tensor x, ek_tensor y, ek_tensor dy)
{
    const ek_shape a = ek_tensor_shape(x), b = ek_tensor_shape(y), d = ek_tensor_shape(dy);

    (void)c;
    return ek_shape_is_known(&a) && ek_shape_equal(&a, &b) && ek_shape_equal(&a, &d);
}

bool g_seen_before(ek_grad *c, char what, const ek_shape *a, const ek_shape *b)
{
    int64_t key[2 * EK_MAX_RANK + 3];
    int n = 0;

    key[n++] = what;
    key[n++] = a->rank;
    for (int32_t i = 0; i < a->rank; i++) key[n++] = a->dim[i];
    key[n++] = b->rank;
    for (int32_t i = 0; i < b->rank; i++) key[n++] = b->dim[i];
    const size_t size = (size_t)n * sizeof *key;
    if (ek__map_get(&c->g->worked_out, (const char *)key, size, -1) >= 0) return true;
    const char *kept = ek__arena_memdup(&c->g->arena, key, size);
    if (kept == NULL || !ek__map_put(&c->g->worked_out, kept, size, 1))
        ek__graph_fail(c->g, c->where, EK_RESOURCE_EXHAUSTED, "no memory for gradients");
    return false;
}

/* Which axes of the result each side was stretched along. */
static void stretched(const ek_shape *a, const ek_shape *b, ek_unbroadcast *u)
{
    const int32_t rank = a->rank > b->rank ? a->rank : b->rank;

    if (ek_shape_equal(a, b)) return;
    for (int32_t i = 0; i < rank; i++) {
        const int64_t da = i < rank - a->rank ? 1 : a->dim[i - (rank - a->rank)];
        const int64_t db = i < rank - b->rank ? 1 : b->dim[i - (rank - b->rank)];
        if (da == 1) u->axis[0][u->n_axis[0]++] = i;
        if (db == 1) u->axis[1][u->n_axis[1]++] = i;
    }
}

static void pair(const ek_grad *c, ek_tensor s0, ek_tensor s1, const char *name, ek_unbroadcast *u)
{
    const ek_tensor in[] = { s0, s1 };
    const ek_op op = ek__node_build(c->g, &(ek_node_args){ .type = "BroadcastGradientArgs", .name = name, .in = in, .n_in = 2,
                                                           .where = c->where });

    for (int k = 0; k < 2; k++) u->axes[k] = ek_op_output(op, k);
}

ek_unbroadcast g_unbroadcast_by(const ek_grad *c, ek_tensor shape_x, ek_tensor shape_y)
{
    ek_unbroadcast u = { .needed = { true, true }, .shape_of = { shape_x, shape_y } };

    pair(c, shape_x, shape_y, NULL, &u);
    return u;
}

ek_unbroadcast g_unbroadcast_plain(const ek_grad *c, ek_tensor x, ek_tensor y)
{
    const ek_tensor sx = g_shape(c, x), sy = g_shape(c, y);

    return g_unbroadcast_by(c, sx, sy);
}

ek_unbroadcast g_unbroadcast(ek_grad *c, ek_tensor x, ek_tensor y, ek_tensor dy)
{
    const ek_shape d = ek_tensor_shape(dy);
    ek_unbroadcast u = { .shape = { ek_tensor_shape(x), ek_tensor_shape(y) } };

    if (!ek_shape_is_known(&u.shape[0]) || !ek_shape_is_known(&u.shape[1])) {
        const ek_tensor sx = g_shape_node(c, x), sy = g_shape_node(c, y);
        return g_unbroadcast_by(c, sx, sy);
    }
    u.known = true;
    for (int k = 0; k < 2; k++) u.needed[k] = !ek_shape_equal(&u.shape[k], &d);
    stretched(&u.shape[0], &u.shape[1], &u);
    if (g_seen_before(c, 'b', &u.shape[0], &u.shape[1])) return u;
    EK_IN_SCOPE(ek_name_scope_push(c->g, "BroadcastGradientArgs", c->where)) {
        const char *own = ek_name_scope(c->g);
        const ek_tensor s0 = ek__const_shape(c->g, &u.shape[0], "s0", c->where);
        pair(c, s0, ek__const_shape(c->g, &u.shape[1], "s1", c->where), own, &u);
    }
    return u;
}

ek_tensor g_reduce_to(const ek_grad *c, const ek_unbroadcast *u, int side, ek_tensor d)
{
    if (!u->needed[side]) return d;
    if (!u->known) return g_reshape(c, g_sum(c, d, u->axes[side]), u->shape_of[side]);
    const ek_tensor sum = g_with_ints(c, "Sum", d, u->axis[side], u->n_axis[side]);
    return g_reshape_to(c, sum, u->shape[side].dim, u->shape[side].rank);
}
