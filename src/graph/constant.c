/* graph/constant.c - what can be known of a tensor while building: its value if it follows from constants, an integer
 * vector's elements as a shape. As TensorFlow's shape refiner does it, so that static shapes agree. */
#include "graph/constant.h"

/* ---- values that follow from static shapes ---------------------------------------------------------- */

/* An array of T int32 or int64 from integers; NULL without memory or when they do not fit. */
static ek_array *index_array(ek_dtype type, ek_shape shape, const int64_t *value)
{
    ek_array *a = ek_array_of(type, shape, NULL);
    const int64_t n = a != NULL ? a->count : 0;

    for (int64_t i = 0; i < n; i++) {
        if (type != EK_INT64 && value[i] > INT32_MAX) {
            ek_array_unref(a);
            return NULL;
        }
        if (type == EK_INT64) ((int64_t *)a->data)[i] = value[i];
        else ((int32_t *)a->data)[i] = (int32_t)value[i];
    }
    return a;
}

static ek_array *shape_value(ek_dtype type, const ek_shape *s)
{
    return ek_shape_is_known(s) ? index_array(type, EK_SHAPE(s->rank), s->dim) : NULL;
}

static ek_array *size_value(ek_dtype type, const ek_shape *s)
{
    const int64_t count = ek_shape_count(s);

    return ek_shape_is_known(s) ? index_array(type, EK_SCALAR, &count) : NULL;
}

static ek_array *rank_value(ek_dtype type, const ek_shape *s)
{
    const int64_t rank = s->rank;

    return rank >= 0 ? index_array(type, EK_SCALAR, &rank) : NULL;
}

/* Output k says something of input k alone, and its shape is enough. */
static const struct { const char *type; ek_array *(*value)(ek_dtype type, const ek_shape *s); } by_shape[] = {
    { "Shape", shape_value }, { "ShapeN", shape_value }, { "Size", size_value }, { "Rank", rank_value },
};

static bool from_shapes(const ek_graph *g, ek_node *n)
{
    for (int i = 0; i < EK_COUNT_OF(by_shape); i++) {
        if (strcmp(n->type, by_shape[i].type) != 0) continue;
        for (int32_t k = 0; k < n->n_out; k++)
            n->folded[k] = by_shape[i].value(n->out_dtype[k], &g->node[n->in[k].node]->out_shape[n->in[k].index]);
        return true;
    }
    return false;
}

/* ---- folding ------------------------------------------------------------------------------------------ */

static bool numeric(ek_dtype t)
{
    return t != EK_DTYPE_NONE && !ek_dtype_is_ref(t) && t != EK_RESOURCE && t != EK_VARIANT && t != EK_STRING;
}

static bool foldable(const ek_node *n)
{
    bool ok = n->spec != NULL && !n->spec->def->stateful && !n->spec->def->feed_point && n->n_out > 0 &&
              (n->spec->def->kind == EK_KIND_PURE || n->spec->def->kind == EK_KIND_ALIAS);

    for (int32_t i = 0; ok && i < n->n_in; i++) ok = numeric(n->in_dtype[i]);
    for (int32_t k = 0; ok && k < n->n_out; k++) {
        ok = numeric(n->out_dtype[k]) && ek_shape_count(&n->out_shape[k]) <= EK_FOLD_ELEMENTS; /* or not known yet */
    }
    return ok;
}

/* NULL: not known, or not asked yet. */
static ek_array *known_value(const ek_node *n, int32_t k)
{
    return n->constant != NULL ? n->constant : n->folded != NULL ? n->folded[k] : NULL;
}

typedef enum outcome { NOT_CONSTANT, WAITS, READY } outcome;

/* Whether every input's value is at hand; *wanted is the first that has not been asked for. */
static outcome inputs_of(const ek_graph *g, const ek_node *n, int32_t *wanted)
{
    for (int32_t i = 0; i < n->n_in; i++) {
        const ek_node *from = g->node[n->in[i].node];
        const ek_array *value = known_value(from, n->in[i].index);
        if (value != NULL && value->count > EK_FOLD_ELEMENTS) return NOT_CONSTANT;
        if (value != NULL) continue;
        if (from->folded != NULL) return NOT_CONSTANT;
        *wanted = from->id;
        return WAITS;
    }
    return READY;
}

static void compute(const ek_graph *g, ek_node *n)
{
    const ek_array **in = ek__calloc((size_t)n->n_in + 1, sizeof *in);
    ek_error ignored = { 0 };

    for (int32_t i = 0; in != NULL && i < n->n_in; i++) in[i] = known_value(g->node[n->in[i].node], n->in[i].index);
    /* A failure only means that nothing is known: the run will say what is wrong. */
    if (in != NULL)
        (void)ek__def_eval_small(n->spec->def, n->attrs, n->n_in, in, n->n_out, n->out_dtype, EK_FOLD_ELEMENTS, n->folded, &ignored);
    ek__free(in);
}

/* Settles node `id` and what it needs, inputs first; without recursion, for files hold chains of any length. A question
 * that would look at too many nodes stays open. */
static void settle(ek_graph *g, int32_t id)
{
    int32_t stack[EK_FOLD_NODES], wanted = -1;
    int depth = 0, looked = 0;

    stack[depth++] = id;
    while (depth > 0 && looked++ < 4 * EK_FOLD_NODES) {
        ek_node *n = g->node[stack[depth - 1]];
        outcome o = n->folded != NULL || n->constant != NULL ? NOT_CONSTANT : READY;
        if (o == READY && foldable(n)) o = inputs_of(g, n, &wanted);
        else if (o == READY) o = NOT_CONSTANT;
        if (o == WAITS) {
            if (depth == EK_FOLD_NODES) return;
            stack[depth++] = wanted;
            continue;
        }
        depth--;
        if (n->folded != NULL || n->constant != NULL) continue;
        n->folded = EK_ARENA_NEW(&g->arena, ek_array *, n->n_out + 1);
        if (n->folded == NULL) return;
        if (n->spec != NULL && !from_shapes(g, n) && o == READY) compute(g, n);
    }
}

ek_array *ek__constant_value(const ek_graph *graph, ek_edge e)
{
    ek_graph *g = (ek_graph *)(uintptr_t)graph; /* what is found is kept in the node, under the lock */
    ek_array *value;

    if (e.node < 0 || e.node >= g->n_nodes || e.index < 0 || e.index >= g->node[e.node]->n_out) return NULL;
    if (g->node[e.node]->constant != NULL) return ek_array_ref(g->node[e.node]->constant);
    pthread_mutex_lock(&g->fold_lock);
    if (g->node[e.node]->folded == NULL) settle(g, e.node);
    value = ek_array_ref(known_value(g->node[e.node], e.index));
    pthread_mutex_unlock(&g->fold_lock);
    return value;
}

/* ---- integer vectors read as shapes ---------------------------------------------------------------------- */

enum { MOST_VECTORS = 256 }; /* looked at for one question: vectors may be made of vectors, many times over */

static ek_shape as_shape(const ek_graph *g, ek_edge e, int *budget);

static bool scalar_int(const ek_graph *g, ek_edge e, int64_t *out)
{
    ek_array *a = ek__constant_value(g, e);
    const bool ok = a != NULL && a->count == 1;

    if (ok) *out = ek__array_int(a, 0);
    ek_array_unref(a);
    return ok;
}

static bool append(ek_shape *s, int64_t dim)
{
    if (s->rank < 0 || s->rank == EK_MAX_RANK) {
        *s = EK_UNKNOWN_SHAPE;
        return false;
    }
    s->dim[s->rank++] = dim < 0 ? -1 : dim;
    return true;
}

static ek_shape of_shape_op(const ek_graph *g, const ek_node *n, int32_t index, int *budget)
{
    EK_UNUSED(budget);
    return g->node[n->in[index].node]->out_shape[n->in[index].index];
}

static ek_shape of_pack(const ek_graph *g, const ek_node *n, int32_t index, int *budget)
{
    ek_shape s = EK_SCALAR;

    EK_UNUSED(index);
    EK_UNUSED(budget);
    for (int32_t i = 0; i < n->n_in; i++) {
        int64_t dim = -1;
        (void)scalar_int(g, n->in[i], &dim);
        if (!append(&s, dim)) break;
    }
    return s;
}

static ek_shape join(const ek_graph *g, const ek_node *n, int32_t from, int32_t to, int *budget)
{
    ek_shape s = EK_SCALAR;

    for (int32_t i = from; i < to; i++) {
        const ek_shape part = as_shape(g, n->in[i], budget);
        if (part.rank < 0) return EK_UNKNOWN_SHAPE;
        for (int32_t d = 0; d < part.rank; d++)
            if (!append(&s, part.dim[d])) return s;
    }
    return s;
}

static ek_shape of_concat(const ek_graph *g, const ek_node *n, int32_t index, int *budget)
{
    EK_UNUSED(index);
    return join(g, n, 1, n->n_in, budget);
}

static ek_shape of_concat_v2(const ek_graph *g, const ek_node *n, int32_t index, int *budget)
{
    EK_UNUSED(index);
    return join(g, n, 0, n->n_in - 1, budget);
}

static ek_shape of_cast(const ek_graph *g, const ek_node *n, int32_t index, int *budget)
{
    EK_UNUSED(index);
    return ek_dtype_is_integer(n->in_dtype[0]) ? as_shape(g, n->in[0], budget) : EK_UNKNOWN_SHAPE;
}

static ek_shape of_variable_shape(const ek_graph *g, const ek_node *n, int32_t index, int *budget)
{
    const ek_node *from = g->node[n->in[0].node];

    EK_UNUSED(index);
    EK_UNUSED(budget);
    return from->out_handle != NULL ? from->out_handle[n->in[0].index] : EK_UNKNOWN_SHAPE;
}

static int64_t int_attr(const ek_node *n, const char *name)
{
    const ek_attr_value *v = ek__attr_find(n->attr, n->n_attr, name);

    return v != NULL && v->kind == EK_ATTR_INT ? v->u.i : 0;
}

/* Start, end or stride of a slice of a vector; `masked`: left out, `value` is then what it means. */
static bool bound(const ek_graph *g, const ek_node *n, int input, bool masked, int64_t *value)
{
    const ek_shape *s = &g->node[n->in[input].node]->out_shape[n->in[input].index];

    if (s->rank != 1 || s->dim[0] != 1) return false;
    return masked || scalar_int(g, n->in[input], value);
}

static int64_t clamped(int64_t v, int64_t rank)
{
    if (v < 0) v = v < -rank ? 0 : v + rank;
    return v > rank ? rank : v;
}

/* Only slices of one range without special masks, as TensorFlow. */
static ek_shape of_strided_slice(const ek_graph *g, const ek_node *n, int32_t index, int *budget)
{
    const int64_t begin_mask = int_attr(n, "begin_mask"), end_mask = int_attr(n, "end_mask");
    int64_t begin = 0, end = INT64_MAX, stride = 1;
    ek_shape in, s = EK_SCALAR;

    EK_UNUSED(index);
    if ((begin_mask | end_mask | 1) != 1 || int_attr(n, "ellipsis_mask") != 0 || int_attr(n, "new_axis_mask") != 0 ||
        int_attr(n, "shrink_axis_mask") != 0)
        return EK_UNKNOWN_SHAPE;
    if (!bound(g, n, 1, begin_mask != 0, &begin) || !bound(g, n, 2, end_mask != 0, &end) || !bound(g, n, 3, false, &stride))
        return EK_UNKNOWN_SHAPE;
    in = as_shape(g, n->in[0], budget);
    if (in.rank < 0 || stride <= 0) return EK_UNKNOWN_SHAPE;
    begin = clamped(begin, in.rank);
    end = clamped(end, in.rank);
    for (int64_t d = begin; d < end; d += stride) {
        (void)append(&s, in.dim[d]);
        if (stride > end - d) break;
    }
    return s;
}

static const struct {
    const char *type;
    ek_shape (*read)(const ek_graph *g, const ek_node *n, int32_t index, int *budget);
} readers[] = {
    { "Shape", of_shape_op }, { "ShapeN", of_shape_op }, { "Pack", of_pack }, { "Concat", of_concat },
    { "ConcatV2", of_concat_v2 }, { "StridedSlice", of_strided_slice }, { "Cast", of_cast },
    { "VariableShape", of_variable_shape },
};

static ek_shape of_value(const ek_array *a)
{
    ek_shape s = EK_SCALAR;

    if (a->shape.rank != 1 || !ek_dtype_is_integer(a->dtype)) return EK_UNKNOWN_SHAPE;
    for (int64_t i = 0; i < a->count; i++)
        if (!append(&s, ek__array_int(a, i))) break;
    return s;
}

static ek_shape as_shape(const ek_graph *g, ek_edge e, int *budget)
{
    const ek_node *n = g->node[e.node];
    ek_array *value = --*budget >= 0 ? ek__constant_value(g, e) : NULL;
    ek_shape s = EK_UNKNOWN_SHAPE;

    if (value != NULL) {
        s = of_value(value);
        ek_array_unref(value);
        return s;
    }
    if (*budget < 0) return s;
    for (int i = 0; i < EK_COUNT_OF(readers) && n->spec != NULL; i++)
        if (strcmp(n->type, readers[i].type) == 0) s = readers[i].read(g, n, e.index, budget);
    /* A vector of known length is a shape of known rank. */
    if (s.rank < 0 && n->out_shape[e.index].rank == 1 && n->out_shape[e.index].dim[0] >= 0 &&
        n->out_shape[e.index].dim[0] <= EK_MAX_RANK) {
        s = (ek_shape){ .rank = (int32_t)n->out_shape[e.index].dim[0] };
        for (int32_t d = 0; d < s.rank; d++) s.dim[d] = -1;
    }
    return s;
}

ek_shape ek__constant_value_as_shape(const ek_graph *g, ek_edge e)
{
    int budget = MOST_VECTORS;

    if (e.node < 0 || e.node >= g->n_nodes || e.index < 0 || e.index >= g->node[e.node]->n_out) return EK_UNKNOWN_SHAPE;
    return as_shape(g, e, &budget);
}
