/* graph/infer.c - runs shape rules over the graph: at a node's birth, and over imported graphs. */
#include "graph/build.h"
#include "graph/constant.h"

enum { INLINE_INPUTS = 8 };

/* What a rule is shown of a node's inputs. Small nodes need no memory. */
typedef struct inputs {
    ek_shape shape[INLINE_INPUTS], as_shape[INLINE_INPUTS], handle[INLINE_INPUTS];
    const ek_array *value[INLINE_INPUTS];
    ek_array *held[INLINE_INPUTS];
    void *block; /* the same arrays for more inputs */
} inputs;

typedef struct view {
    ek_shape *shape, *as_shape, *handle;
    const ek_array **value;
    ek_array **held; /* references to give back */
} view;

static bool open_view(inputs *room, int32_t n, view *v)
{
    char *p;

    *v = (view){ room->shape, room->as_shape, room->handle, room->value, room->held };
    room->block = NULL;
    if (n <= INLINE_INPUTS) {
        memset(room->held, 0, sizeof room->held);
        return true;
    }
    room->block = p = ek__calloc((size_t)n, 3 * sizeof(ek_shape) + 2 * sizeof(void *));
    if (p == NULL) return false;
    v->shape = (ek_shape *)(void *)p;
    v->as_shape = v->shape + n;
    v->handle = v->as_shape + n;
    v->value = (const ek_array **)(void *)(v->handle + n);
    v->held = (ek_array **)(void *)(v->value + n);
    return true;
}

static void close_view(inputs *room, int32_t n, view *v)
{
    for (int32_t i = 0; i < n; i++) ek_array_unref(v->held[i]);
    ek__free(room->block);
}

static bool is_index(ek_dtype t) { return ek_dtype_base(t) == EK_INT32 || ek_dtype_base(t) == EK_INT64; }

/* Values are looked for where a rule may ask: constants are at hand; what must be computed is worth it for the inputs
 * that decide shapes, and for small integers. */
static ek_status look_at(const ek_graph *g, const ek_node *n, int32_t i, view *v, ek_error *err)
{
    const ek_edge e = n->in[i];
    const ek_node *from = g->node[e.node];
    const bool asked = ek__value_input(n->spec, i, n->n_in);

    v->shape[i] = from->out_shape[e.index];
    v->as_shape[i] = EK_UNKNOWN_SHAPE;
    v->handle[i] = from->out_handle != NULL ? from->out_handle[e.index] : EK_UNKNOWN_SHAPE;
    v->value[i] = from->constant;
    v->held[i] = NULL;
    if (from->constant == NULL && (asked || is_index(n->in_dtype[i]))) {
        EK_TRY(ek__constant_find(g, e, &v->held[i], err));
        v->value[i] = v->held[i];
    }
    if (is_index(n->in_dtype[i]) && v->shape[i].rank == 1) EK_TRY(ek__constant_find_shape(g, e, &v->as_shape[i], err));
    return EK_OK;
}

/* TensorFlow's end of a shape rule's message. */
static void explain(const ek_node *n, const view *v, ek_error *err)
{
    ek_buf text = { 0 };
    char shape[300];

    ek__buf_printf(&text, "%s for '%s' (op: '%s') with input shapes: ", err->text, n->name, n->type);
    for (int32_t i = 0; i < n->n_in; i++) {
        ek_shape_format_cc(&v->shape[i], shape, sizeof shape);
        ek__buf_printf(&text, "%s%s", i > 0 ? ", " : "", shape);
    }
    ek__buf_str(&text, ".");
    if (!text.failed) snprintf(err->text, sizeof err->text, "%s", text.data);
    ek__buf_fini(&text);
}

static bool any_resource(const ek_dtype *type, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (type[i] == EK_RESOURCE) return true;
    return false;
}

static ek_status run_rule(const ek_graph *g, ek_node *n, view *v, ek_shape *handle, ek_error *err)
{
    ek_shape_ctx c = { .def = n->spec->def,
                       .attrs = n->attrs,
                       .n_in = n->n_in,
                       .n_out = n->n_out,
                       .in = v->shape,
                       .in_dtype = n->in_dtype,
                       .in_value = v->value,
                       .in_as_shape = v->as_shape,
                       .in_handle = v->handle,
                       .out_dtype = n->out_dtype,
                       .out = n->out_shape,
                       .out_handle = handle,
                       .err = err };

    for (int32_t i = 0; i < n->n_in; i++) EK_TRY(look_at(g, n, i, v, err));
    return n->spec->def->shape != NULL ? n->spec->def->shape(&c) : EK_OK;
}

ek_status ek__node_shapes(ek_graph *g, ek_node *n, ek_error *err)
{
    const bool handles = n->spec != NULL && any_resource(n->out_dtype, n->n_out);
    ek_shape unused[INLINE_INPUTS], *handle = n->out_handle; /* rules write handles whatever the types are */
    inputs room;
    view v;
    ek_status st;

    if (n->out_shape == NULL) n->out_shape = EK_ARENA_NEW(&g->arena, ek_shape, n->n_out + 1);
    if ((handles || n->n_out > INLINE_INPUTS) && handle == NULL) handle = EK_ARENA_NEW(&g->arena, ek_shape, n->n_out);
    else if (handle == NULL) handle = unused;
    if (n->out_shape == NULL || handle == NULL)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the shapes of an operation");
    for (int32_t k = 0; k < n->n_out; k++) n->out_shape[k] = handle[k] = EK_UNKNOWN_SHAPE;
    if (handles) n->out_handle = handle;
    if (n->spec == NULL) return EK_OK;
    if (!open_view(&room, n->n_in, &v))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the shapes of an operation");
    st = run_rule(g, n, &v, handle, err);
    if (st != EK_OK) {
        if (st != EK_RESOURCE_EXHAUSTED) explain(n, &v, err);
        ek__fail_node(err, n->name);
    }
    close_view(&room, n->n_in, &v);
    return st;
}
