/* graph/constant.c - what can be known of a tensor while building: its value if it follows from constants, an integer
 * vector's elements as a shape. As TensorFlow's shape refiner does it, so that static shapes agree. */
#include "graph/constant.h"

/* ---- values that follow from static shapes --------------------------------------------------- */

/* An array of T int32 or int64 from integers; NULL where they do not fit. */
static ek_status index_array(ek_dtype type, ek_shape shape, const int64_t *value, ek_array **out, ek_error *err)
{
    const int64_t n = ek_shape_count(&shape);

    for (int64_t i = 0; i < n; i++)
        if (type != EK_INT64 && value[i] > INT32_MAX) return EK_OK;
    EK_TRY(ek__array_new(type, &shape, NULL, out, err));
    for (int64_t i = 0; i < n; i++) {
        if (type == EK_INT64) ((int64_t *)(*out)->data)[i] = value[i];
        else ((int32_t *)(*out)->data)[i] = (int32_t)value[i];
    }
    return EK_OK;
}

static ek_status shape_value(ek_dtype type, const ek_shape *s, ek_array **out, ek_error *err)
{
    return ek_shape_is_known(s) ? index_array(type, EK_SHAPE(s->rank), s->dim, out, err) : EK_OK;
}

static ek_status size_value(ek_dtype type, const ek_shape *s, ek_array **out, ek_error *err)
{
    const int64_t count = ek_shape_count(s);

    return ek_shape_is_known(s) ? index_array(type, EK_SCALAR, &count, out, err) : EK_OK;
}

static ek_status rank_value(ek_dtype type, const ek_shape *s, ek_array **out, ek_error *err)
{
    const int64_t rank = s->rank;

    return rank >= 0 ? index_array(type, EK_SCALAR, &rank, out, err) : EK_OK;
}

/* Output k says something of input k alone, and its shape is enough. *out stays NULL where that is not known. */
static const struct {
    const char *type;
    ek_status (*value)(ek_dtype type, const ek_shape *s, ek_array **out, ek_error *err);
} by_shape[] = {
    { "Shape", shape_value }, { "ShapeN", shape_value }, { "Size", size_value }, { "Rank", rank_value },
};

static int by_shape_place(const ek_node *n)
{
    for (int i = 0; i < EK_COUNT_OF(by_shape) && n->spec != NULL; i++)
        if (strcmp(n->type, by_shape[i].type) == 0) return i;
    return -1;
}

static ek_status from_shapes(const ek_graph *g, const ek_node *n, int place, ek_array **out, ek_error *err)
{
    for (int32_t k = 0; k < n->n_out; k++)
        EK_TRY(
            by_shape[place].value(n->out_dtype[k], &g->node[n->in[k].node]->out_shape[n->in[k].index], &out[k], err));
    return EK_OK;
}

/* ---- folding --------------------------------------------------------------------------------- */

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

/* Only a lack of memory is a failure; another one means that nothing is known, and the run will say what is wrong. */
static ek_status compute(const ek_graph *g, const ek_node *n, ek_array **out, ek_error *err)
{
    const ek_array **in = ek__calloc((size_t)n->n_in + 1, sizeof *in);
    ek_error failure = { 0 };

    if (in == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to compute '%s'", n->name);
    for (int32_t i = 0; i < n->n_in; i++) in[i] = known_value(g->node[n->in[i].node], n->in[i].index);
    (void)ek__def_eval_small(n->spec->def, n->attrs, n->n_in, in, n->n_out, n->out_dtype, EK_FOLD_ELEMENTS, out,
                             &failure);
    ek__free(in);
    return failure.code == EK_RESOURCE_EXHAUSTED ? ek__error_copy(err, &failure) : EK_OK;
}

/* Finds the values of one node, whose inputs are settled. */
static ek_status fold(ek_graph *g, ek_node *n, bool computable, ek_error *err)
{
    ek_array **out = EK_ARENA_NEW(&g->arena, ek_array *, n->n_out + 1);
    const int place = by_shape_place(n);
    ek_status st = EK_OK;

    if (out == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to compute '%s'", n->name);
    if (place >= 0) st = from_shapes(g, n, place, out, err);
    else if (computable) st = compute(g, n, out, err);
    if (st == EK_OK) n->folded = out;
    for (int32_t k = 0; k < n->n_out && st != EK_OK; k++) ek_array_unref(out[k]);
    return st;
}

/* Settles node `id` and what it needs, inputs first; without recursion, for files hold chains of any length. A question
 * that would look at too many nodes stays open. */
static ek_status settle(ek_graph *g, int32_t id, ek_error *err)
{
    int32_t stack[EK_FOLD_NODES], wanted = -1;
    int depth = 0, looked = 0;

    stack[depth++] = id;
    while (depth > 0 && looked++ < 4 * EK_FOLD_NODES) {
        ek_node *n = g->node[stack[depth - 1]];
        const bool settled = n->folded != NULL || n->constant != NULL;
        const outcome o = !settled && by_shape_place(n) < 0 && foldable(n) ? inputs_of(g, n, &wanted) : NOT_CONSTANT;
        if (o == WAITS && depth == EK_FOLD_NODES) return EK_OK;
        if (o == WAITS) {
            stack[depth++] = wanted;
            continue;
        }
        if (!settled) EK_TRY(fold(g, n, o == READY, err));
        depth--;
    }
    return EK_OK;
}

static bool exists(const ek_graph *g, ek_edge e)
{
    return e.node >= 0 && e.node < g->n_nodes && e.index >= 0 && e.index < g->node[e.node]->n_out;
}

ek_status ek__constant_find(const ek_graph *graph, ek_edge e, ek_array **out, ek_error *err)
{
    ek_graph *g = (ek_graph *)(uintptr_t)graph; /* what is found is kept in the node, under the lock */
    ek_status st = EK_OK;

    *out = NULL;
    if (!exists(g, e)) return EK_OK;
    if (g->node[e.node]->constant != NULL) {
        *out = ek_array_ref(g->node[e.node]->constant);
        return EK_OK;
    }
    pthread_mutex_lock(&g->fold_lock);
    if (g->node[e.node]->folded == NULL) st = settle(g, e.node, err);
    if (st == EK_OK) *out = ek_array_ref(known_value(g->node[e.node], e.index));
    pthread_mutex_unlock(&g->fold_lock);
    return st;
}

ek_array *ek__constant_value(const ek_graph *g, ek_edge e)
{
    ek_error err = { 0 };
    ek_array *value;

    if (ek__constant_find(g, e, &value, &err) != EK_OK)
        ek__graph_fail_from((ek_graph *)(uintptr_t)g, (ek_where){ 0 }, &err, NULL);
    return value;
}

/* ---- integer vectors read as shapes ---------------------------------------------------------- */

enum { MOST_VECTORS = 256 }; /* looked at for one question: vectors may be made of vectors, many times over */

typedef struct question {
    int budget;
    ek_status st; /* only a lack of memory is a failure */
    ek_error *err;
} question;

static ek_array *value_for(const ek_graph *g, ek_edge e, question *q)
{
    ek_array *value = NULL;

    if (--q->budget >= 0 && q->st == EK_OK) q->st = ek__constant_find(g, e, &value, q->err);
    return value;
}

static ek_shape as_shape(const ek_graph *g, ek_edge e, question *q);

static bool scalar_int(const ek_graph *g, ek_edge e, int64_t *out, question *q)
{
    ek_array *a = value_for(g, e, q);
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

static ek_shape of_shape_op(const ek_graph *g, const ek_node *n, int32_t index, question *q)
{
    EK_UNUSED(q);
    return g->node[n->in[index].node]->out_shape[n->in[index].index];
}

static ek_shape of_pack(const ek_graph *g, const ek_node *n, int32_t index, question *q)
{
    ek_shape s = EK_SCALAR;

    EK_UNUSED(index);
    for (int32_t i = 0; i < n->n_in; i++) {
        int64_t dim = -1;
        (void)scalar_int(g, n->in[i], &dim, q);
        if (!append(&s, dim)) break;
    }
    return s;
}

static ek_shape join(const ek_graph *g, const ek_node *n, int32_t from, int32_t to, question *q)
{
    ek_shape s = EK_SCALAR;

    for (int32_t i = from; i < to; i++) {
        const ek_shape part = as_shape(g, n->in[i], q);
        if (part.rank < 0) return EK_UNKNOWN_SHAPE;
        for (int32_t d = 0; d < part.rank; d++)
            if (!append(&s, part.dim[d])) return s;
    }
    return s;
}

static ek_shape of_concat(const ek_graph *g, const ek_node *n, int32_t index, question *q)
{
    EK_UNUSED(index);
    return join(g, n, 1, n->n_in, q);
}

static ek_shape of_concat_v2(const ek_graph *g, const ek_node *n, int32_t index, question *q)
{
    EK_UNUSED(index);
    return join(g, n, 0, n->n_in - 1, q);
}

static ek_shape of_cast(const ek_graph *g, const ek_node *n, int32_t index, question *q)
{
    EK_UNUSED(index);
    return ek_dtype_is_integer(n->in_dtype[0]) ? as_shape(g, n->in[0], q) : EK_UNKNOWN_SHAPE;
}

static ek_shape of_variable_shape(const ek_graph *g, const ek_node *n, int32_t index, question *q)
{
    const ek_node *from = g->node[n->in[0].node];

    EK_UNUSED(index);
    EK_UNUSED(q);
    return from->out_handle != NULL ? from->out_handle[n->in[0].index] : EK_UNKNOWN_SHAPE;
}

static int64_t int_attr(const ek_node *n, const char *name)
{
    const ek_attr_value *v = ek__attr_find(n->attr, n->n_attr, name);

    return v != NULL && v->kind == EK_ATTR_INT ? v->u.i : 0;
}

/* Start, end or stride of a slice of a vector; `masked`: left out, `value` is then what it means. */
static bool bound(const ek_graph *g, const ek_node *n, int input, bool masked, int64_t *value, question *q)
{
    const ek_shape *s = &g->node[n->in[input].node]->out_shape[n->in[input].index];

    if (s->rank != 1 || s->dim[0] != 1) return false;
    return masked || scalar_int(g, n->in[input], value, q);
}

static int64_t clamped(int64_t v, int64_t rank)
{
    if (v < 0) v = v < -rank ? 0 : v + rank;
    return v > rank ? rank : v;
}

/* Only slices of one range without special masks, as TensorFlow. */
static ek_shape of_strided_slice(const ek_graph *g, const ek_node *n, int32_t index, question *q)
{
    const int64_t begin_mask = int_attr(n, "begin_mask"), end_mask = int_attr(n, "end_mask");
    int64_t begin = 0, end = INT64_MAX, stride = 1;
    ek_shape in, s = EK_SCALAR;

    EK_UNUSED(index);
    if ((begin_mask | end_mask | 1) != 1 || int_attr(n, "ellipsis_mask") != 0 || int_attr(n, "new_axis_mask") != 0 ||
        int_attr(n, "shrink_axis_mask") != 0)
        return EK_UNKNOWN_SHAPE;
    if (!bound(g, n, 1, begin_mask != 0, &begin, q) || !bound(g, n, 2, end_mask != 0, &end, q) ||
        !bound(g, n, 3, false, &stride, q))
        return EK_UNKNOWN_SHAPE;
    /* Begins counted from the end are not followed: behind such slices the graphs of TensorFlow 1.15 that ours are
     * held against ask for shapes at run time. */
    if (begin < 0) return EK_UNKNOWN_SHAPE;
    in = as_shape(g, n->in[0], q);
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
    ek_shape (*read)(const ek_graph *g, const ek_node *n, int32_t index, question *q);
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

static ek_shape as_shape(const ek_graph *g, ek_edge e, question *q)
{
    const ek_node *n = g->node[e.node];
    ek_array *value = value_for(g, e, q);
    ek_shape s = EK_UNKNOWN_SHAPE;

    if (value != NULL) {
        s = of_value(value);
        ek_array_unref(value);
        return s;
    }
    if (q->budget < 0 || q->st != EK_OK) return s;
    for (int i = 0; i < EK_COUNT_OF(readers) && n->spec != NULL; i++)
        if (strcmp(n->type, readers[i].type) == 0) s = readers[i].read(g, n, e.index, q);
    /* A vector of known length is a shape of known rank. */
    if (s.rank < 0 && n->out_shape[e.index].rank == 1 && n->out_shape[e.index].dim[0] >= 0 &&
        n->out_shape[e.index].dim[0] <= EK_MAX_RANK) {
        s = (ek_shape){ .rank = (int32_t)n->out_shape[e.index].dim[0] };
        for (int32_t d = 0; d < s.rank; d++) s.dim[d] = -1;
    }
    return s;
}

ek_status ek__constant_find_shape(const ek_graph *g, ek_edge e, ek_shape *out, ek_error *err)
{
    question q = { .budget = MOST_VECTORS, .err = err };

    *out = exists(g, e) ? as_shape(g, e, &q) : EK_UNKNOWN_SHAPE;
    return q.st;
}

ek_shape ek__constant_value_as_shape(const ek_graph *g, ek_edge e)
{
    ek_error err = { 0 };
    ek_shape s;

    if (ek__constant_find_shape(g, e, &s, &err) != EK_OK)
        ek__graph_fail_from((ek_graph *)(uintptr_t)g, (ek_where){ 0 }, &err, NULL);
    return s;
}
