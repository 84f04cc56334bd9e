/* layers/fit.c - see fit.h. */
#include "layers/fit.h"

#include "evenkeel/control.h"

ek_tensor ek__sum(ek_tensor x, const char *name, ek_where where)
{
    return ek_reduce_sum_with(
        &(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = x, .axis = { -1, { 0 } }, .name = name }, where);
}

ek_tensor ek__squeeze_last(ek_tensor x, ek_where where)
{
    return ek_squeeze_with(&(ek_squeeze_options){ .size = sizeof(ek_squeeze_options), .input = x, .axis = EK_INTS(-1) },
                           where);
}

ek_tensor ek__squeeze_last_if(ek_tensor pred, ek_tensor x, ek_where where)
{
    ek_conditional *c = ek_cond_begin_at(ek__of(pred), NULL, where);

    EK_IN_SCOPE(ek_branch_push(c, true, where)) ek_give_item(c, ek_item_of_tensor(ek__squeeze_last(x, where)), where);
    EK_IN_SCOPE(ek_branch_push(c, false, where)) ek_give_item(c, ek_item_of_tensor(x), where);
    return c != NULL ? ek_list_tensor(ek_cond_end_at(c, where), 0) : ek__dead(x.graph);
}

bool ek__shapes_compatible(ek_graph *g, ek_shape a, ek_shape b, ek_where where)
{
    char first[256], second[256];

    if (ek_shape_compatible(&a, &b)) return true;
    ek_shape_format(&a, first, sizeof first);
    ek_shape_format(&b, second, sizeof second);
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Shapes %s and %s are incompatible", first, second);
    return false;
}

bool ek__last_may_be_one(const ek_shape *s)
{
    return s->rank > 0 && (s->dim[s->rank - 1] == 1 || s->dim[s->rank - 1] < 0);
}

/* ---- dimensions too many ------------------------------------------------------------------------- */

static void squeeze_static(int surplus, ek_tensor *labels, ek_tensor *predictions, ek_where where)
{
    if (surplus == 1) *predictions = ek__squeeze_last(*predictions, where);
    if (surplus == -1) *labels = ek__squeeze_last(*labels, where);
}

/* The rank to be squeezed at is known when it runs. */
static ek_tensor squeeze_at_run(ek_tensor x, int difference, ek_tensor found, ek_where where)
{
    const ek_shape s = ek_tensor_shape(x);

    if (s.rank >= 0 && !ek__last_may_be_one(&s)) return x;
    return ek__squeeze_last_if(ek__op2(ek_equal_with, ek_operand_of_int(difference), ek__of(found), where), x, where);
}

void ek__remove_squeezable(ek_graph *g, ek_operand labels, ek_operand predictions, int difference, ek_tensor *labels_out,
                           ek_tensor *predictions_out, ek_where where)
{
    EK_IN_SCOPE(ek_name_scope_push(g, "remove_squeezable_dimensions", where)) {
        ek_tensor p = ek__operand_tensor(g, &predictions, EK_DTYPE_NONE, NULL, where);
        ek_tensor l = ek__operand_tensor(g, &labels, EK_DTYPE_NONE, NULL, where);
        const ek_shape ps = ek_tensor_shape(p), ls = ek_tensor_shape(l);

        if (ps.rank >= 0 && ls.rank >= 0) {
            squeeze_static(ps.rank - ls.rank - difference, &l, &p, where);
        } else if (ek_tensor_ok(p) && ek_tensor_ok(l)) {
            const ek_tensor rank = ek__op1(ek_rank_with, ek__of(p), NULL, where);
            const ek_tensor found =
                ek__op2(ek_minus_with, ek__of(rank), ek__of(ek__op1(ek_rank_with, ek__of(l), NULL, where)), where);
            p = squeeze_at_run(p, difference + 1, found, where);
            l = squeeze_at_run(l, difference - 1, found, where);
        }
        *labels_out = l;
        *predictions_out = p;
    }
}

/* ---- assertions ---------------------------------------------------------------------------------------- */

/* The node itself: strings among the data become its constants data_0, data_1, ... */
static ek_op assert_node(ek_graph *g, ek_tensor condition, const ek_operand *data, int n, ek_where where)
{
    ek_tensor in[EK_ASSERT_MAX_DATA + 1] = { condition };
    ek_op op = { g, -1 };
    char name[32];

    EK_IN_SCOPE(ek_name_scope_push(g, "Assert", where)) {
        for (int i = 0; i < n; i++) {
            snprintf(name, sizeof name, "data_%d", i);
            in[i + 1] = ek__operand_tensor(g, &data[i], EK_DTYPE_NONE, name, where);
        }
        op = ek__node_build(g, &(ek_node_args){ .type = "Assert", .name = ek_name_scope(g), .in = in, .n_in = n + 1,
                                                .where = where });
    }
    return op;
}

/* Python looks at the dtypes of the data, for which it makes constants of the strings once more. */
static bool on_host(ek_graph *g, const ek_operand *data, int n, ek_where where)
{
    bool all = true;

    for (int i = 0; i < n; i++) {
        const ek_dtype t = ek_dtype_base(ek_tensor_dtype(ek__operand_tensor(g, &data[i], EK_DTYPE_NONE, NULL, where)));
        all = all && (t == EK_STRING || t == EK_INT32);
    }
    return all;
}

static ek_op guarded(ek_graph *g, ek_tensor condition, const ek_operand *data, int n, ek_where where)
{
    ek_conditional *c = ek_cond_begin_at(ek__of(condition), "AssertGuard", where);
    const ek_no_op_options nothing = { .size = sizeof nothing, .graph = g };

    EK_IN_SCOPE(ek_branch_push(c, true, where)) ek_give_item(c, ek_item_of_op(ek_no_op_with(&nothing, where)), where);
    EK_IN_SCOPE(ek_branch_push(c, false, where))
        ek_give_item(c, ek_item_of_op(assert_node(g, condition, data, n, where)), where);
    return c != NULL ? ek_tensor_op(ek_list_tensor(ek_cond_end_at(c, where), 0)) : (ek_op){ g, -1 };
}

ek_op ek__assert(ek_graph *g, ek_tensor condition, const ek_operand *data, int n, const char *name, ek_where where)
{
    ek_op op = { g, -1 };

    if (!ek_tensor_ok(condition)) return op;
    EK_IN_SCOPE(ek_name_scope_push(g, name != NULL ? name : "Assert", where)) {
        if (on_host(g, data, n, where)) op = assert_node(g, condition, data, n, where);
        else op = guarded(g, condition, data, n, where);
    }
    return op;
}

/* ---- weights ------------------------------------------------------------------------------------------- */

typedef struct side {
    ek_tensor x, shape, rank;
    ek_shape is; /* static */
} side;

static side measure(ek_graph *g, ek_operand x, const char *name, ek_where where)
{
    side s = { ek__dead(g), ek__dead(g), ek__dead(g), EK_UNKNOWN_SHAPE };

    EK_IN_SCOPE(ek_name_scope_push(g, name, where)) {
        s.x = ek__operand_tensor(g, &x, EK_DTYPE_NONE, ek_name_scope(g), where);
        s.shape = ek__op1(ek_shape_with, ek__of(s.x), "shape", where);
        s.rank = ek__op1(ek_rank_with, ek__of(s.x), "rank", where);
    }
    s.is = ek_tensor_shape(s.x);
    return s;
}

static bool same_rank(const side *w, const side *v, ek_where where)
{
    char weights[256], values[256];

    if (w->is.rank == v->is.rank) return true;
    ek_shape_format(&w->is, weights, sizeof weights);
    ek_shape_format(&v->is, values, sizeof values);
    ek__graph_fail(w->x.graph, where, EK_INVALID_ARGUMENT,
                   "weights can not be broadcast to values. values.rank=%d. weights.rank=%d. values.shape=%s. "
                   "weights.shape=%s.", v->is.rank, w->is.rank, values, weights);
    return false;
}

/* "[3 1]", as numpy prints a vector. */
static void format_vector(const ek_shape *s, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "[");

    for (int i = 0; i < s->rank && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", i > 0 ? " " : "", (long long)s->dim[i]);
    if (at < size) snprintf(text + at, size - at, "]");
}

static bool same_dims(const side *w, const side *v, ek_where where)
{
    char weights[256], values[256];

    for (int i = 0; i < v->is.rank; i++) {
        if (w->is.dim[i] == 1 || w->is.dim[i] == v->is.dim[i]) continue;
        format_vector(&w->is, weights, sizeof weights);
        format_vector(&v->is, values, sizeof values);
        ek__graph_fail(w->x.graph, where, EK_INVALID_ARGUMENT,
                       "weights can not be broadcast to values. Mismatch at dim %d. values.shape=%s weights.shape=%s.",
                       i, values, weights);
        return false;
    }
    return true;
}

/* Every dimension of the weights is in the set of 1 and that of the values. */
static ek_tensor has_valid_dims(ek_graph *g, const side *w, const side *v, ek_where where)
{
    ek_tensor valid = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "has_invalid_dims", where)) {
        const ek_axis_options of_values = { .size = sizeof of_values, .input = v->shape, .axis = -1 };
        const ek_axis_options of_weights = { .size = sizeof of_weights, .input = w->shape, .axis = -1 };
        const ek_tensor values = ek_expand_dims_with(&of_values, where);
        const ek_tensor ones = ek__op1(ek_ones_like_with, ek__of(values), NULL, where);
        const ek_join_options both = { .size = sizeof both, .values = EK_TENSORS(values, ones), .axis = 1 };
        const ek_tensor allowed = ek_concat_with(&both, where);
        const ek_tensor weights = ek_expand_dims_with(&of_weights, where);
        const ek_tensor others = EK_EMIT(g, where, "DenseToDenseSetOperation", NULL, EK_IN(weights, allowed),
                                         ek__attr_string("set_operation", "a-b"));
        const ek_tensor found = { g, others.op, 1 };
        const ek_tensor count = ek_tensor_ok(others) ? ek__op1(ek_size_with, ek__of(found), "num_invalid_dims", where)
                                                     : others;
        valid = ek__op2_named(ek_equal_with, ek_operand_of_int(0), ek__of(count), ek_name_scope(g), where);
    }
    return valid;
}

static ek_tensor has_valid_shape(ek_graph *g, const side *w, const side *v, ek_where where)
{
    ek_tensor valid = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "has_valid_nonscalar_shape", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor same = ek__op2_named(ek_equal_with, ek__of(v->rank), ek__of(w->rank), "is_same_rank", where);
        ek_conditional *c = ek_cond_begin_at(ek__of(same), own, where);

        EK_IN_SCOPE(ek_branch_push(c, true, where))
            ek_give_item(c, ek_item_of_tensor(has_valid_dims(g, w, v, where)), where);
        EK_IN_SCOPE(ek_branch_push(c, false, where)) ek_give_item(c, ek_item_of_tensor(same), where);
        if (c != NULL) valid = ek_list_tensor(ek_cond_end_at(c, where), 0);
    }
    return valid;
}

static ek_op check_at_run(ek_graph *g, const side *w, const side *v, ek_where where)
{
    const char *own = ek_name_scope(g);
    const ek_tensor scalar = ek__op2_named(ek_equal_with, ek_operand_of_int(0), ek__of(w->rank), "is_scalar", where);
    ek_conditional *c = ek_cond_begin_at(ek__of(scalar), "is_valid_shape", where);
    ek_tensor valid = ek__dead(g);

    EK_IN_SCOPE(ek_branch_push(c, true, where)) ek_give_item(c, ek_item_of_tensor(scalar), where);
    EK_IN_SCOPE(ek_branch_push(c, false, where))
        ek_give_item(c, ek_item_of_tensor(has_valid_shape(g, w, v, where)), where);
    if (c != NULL) valid = ek_list_tensor(ek_cond_end_at(c, where), 0);
    const ek_operand data[] = {
        ek_operand_of_string("weights can not be broadcast to values."),
        ek_operand_of_string("weights.shape="), ek_operand_of_string(ek_item_name(g, ek_item_of_tensor(w->x))),
        ek__of(w->shape),
        ek_operand_of_string("values.shape="), ek_operand_of_string(ek_item_name(g, ek_item_of_tensor(v->x))),
        ek__of(v->shape),
        ek_operand_of_string("is_scalar="), ek__of(scalar),
    };
    return ek__assert(g, valid, data, EK_COUNT_OF(data), own, where);
}

static ek_op check(ek_graph *g, const side *w, const side *v, ek_where where)
{
    const ek_op failed = { g, -1 };
    ek_no_op_options done = { .size = sizeof done, .graph = g, .name = "static_scalar_check_success" };

    if (!ek_tensor_ok(w->x) || !ek_tensor_ok(v->x)) return failed;
    if (w->is.rank < 0 || v->is.rank < 0) return check_at_run(g, w, v, where);
    if (w->is.rank == 0) return ek_no_op_with(&done, where);
    if (!same_rank(w, v, where)) return failed;
    if (!ek_shape_is_known(&w->is) || !ek_shape_is_known(&v->is)) return check_at_run(g, w, v, where);
    if (!same_dims(w, v, where)) return failed;
    done.name = "static_dims_check_success";
    return ek_no_op_with(&done, where);
}

ek_op ek__assert_broadcastable(ek_graph *g, ek_operand weights, ek_operand values, ek_where where)
{
    ek_op op = { g, -1 };

    EK_IN_SCOPE(ek_name_scope_push(g, "assert_broadcastable", where)) {
        const side w = measure(g, weights, "weights", where), v = measure(g, values, "values", where);
        op = check(g, &w, &v, where);
    }
    return op;
}

ek_tensor ek__broadcast_weights(ek_graph *g, ek_tensor weights, ek_tensor values, ek_where where)
{
    const ek_shape w = ek_tensor_shape(weights), v = ek_tensor_shape(values);
    ek_tensor out = ek__dead(g);

    if (!ek_tensor_ok(weights) || !ek_tensor_ok(values)) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, "broadcast_weights", where)) {
        const char *own = ek_name_scope(g);

        if (ek_shape_is_known(&w) && ek_shape_is_known(&v) && ek_shape_compatible(&w, &v)) {
            out = weights;
        } else {
            const ek_item wait = ek_item_of_op(ek__assert_broadcastable(g, ek__of(weights), ek__of(values), where));
            EK_IN_SCOPE(ek_control_dependencies_push(g, (ek_list){ g, &wait, 1 }, where)) {
                const ek_tensor ones = ek__op1(ek_ones_like_with, ek__of(values), NULL, where);
                out = ek__op2_named(ek_multiply_with, ek__of(weights), ek__of(ones), own, where);
            }
        }
    }
    return out;
}
