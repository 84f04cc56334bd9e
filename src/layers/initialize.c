/* layers/initialize.c - lists of variables, and the operations that initialize them or tell which are not. */
#include "layers/variable.h"

/* ---- lists ----------------------------------------------------------------------------------- */

ek_list ek_global_variables(ek_graph *g) { return ek_get_collection(g, EK_GLOBAL_VARIABLES); }
ek_list ek_all_variables(ek_graph *g) { return ek_global_variables(g); }
ek_list ek_local_variables(ek_graph *g) { return ek_get_collection(g, EK_LOCAL_VARIABLES); }
ek_list ek_trainable_variables(ek_graph *g) { return ek_get_collection(g, EK_TRAINABLE_VARIABLES); }
ek_list ek_model_variables(ek_graph *g) { return ek_get_collection(g, EK_MODEL_VARIABLES); }
ek_list ek_moving_average_variables(ek_graph *g) { return ek_get_collection(g, EK_MOVING_AVERAGE_VARIABLES); }

/* ---- initializing ------------------------------------------------------------------------------ */

/* The variable of item i; dead, and recorded, where it is something else. */
static ek_variable variable_at(ek_graph *g, ek_list list, int64_t i, ek_where where)
{
    const ek_item item = list.item[i];

    if (item.kind == EK_ITEM_VARIABLE && ek__variable_in(g, item.u.variable) && ek__whole(item.u.variable, where))
        return item.u.variable;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "item %lld of the list is no variable of this graph", (long long)i);
    return ek__dead_variable(g);
}

ek_op ek_variables_initializer_at(ek_graph *g, ek_list list, const char *name, ek_where where)
{
    ek_op *control, init = { g, -1 };

    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK || !EK_ITEMS_OK(g, list, where)) return init;
    control = ek__calloc((size_t)list.count + 1, sizeof *control);
    if (control == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for the initializer of %lld variables",
                       (long long)list.count);
        return init;
    }
    for (int64_t i = 0; i < list.count; i++) control[i] = ek_variable_initializer(variable_at(g, list, i, where));
    if (g->error.code == EK_OK)
        init = ek__node_build(g, &(ek_node_args){ .type = "NoOp", .name = name != NULL ? name : "init",
                                                  .control = control, .n_control = (int)list.count, .where = where });
    ek__free(control);
    return init;
}

ek_op ek_global_variables_initializer_at(ek_graph *g, ek_where where)
{
    return ek_variables_initializer_at(g, ek_global_variables(g), NULL, where);
}

ek_op ek_local_variables_initializer_at(ek_graph *g, ek_where where)
{
    return ek_variables_initializer_at(g, ek_local_variables(g), NULL, where);
}

/* ---- which are not initialized: nodes on the processor's device --------------------------------------- */

static const char cpu[] = "/device:CPU:0";

static ek_tensor on_cpu(ek_graph *g, const char *type, const char *name, const ek_tensor *in, int n_in,
                        const ek_attr *attr, int n_attr, ek_where where)
{
    return ek__node_tensor(g, &(ek_node_args){ .type = type, .name = name, .in = in, .n_in = n_in, .attr = attr,
                                               .n_attr = n_attr, .device = cpu, .where = where });
}
#define EK_ON_CPU(type, name, inputs) on_cpu(g, (type), (name), (inputs), EK_COUNT_OF(inputs), NULL, 0, where)
#define EK_ON_CPU_WITH(type, name, inputs, ...)                                                            \
    on_cpu(g, (type), (name), (inputs), EK_COUNT_OF(inputs), (ek_attr[]){ __VA_ARGS__ },              \
           (int)(sizeof((ek_attr[]){ __VA_ARGS__ }) / sizeof(ek_attr)), where)

/* Takes over the array; NULL makes a dead tensor. */
static ek_tensor const_on_cpu(ek_graph *g, ek_array *value, const char *name, ek_where where)
{
    const ek_attr attr[] = { EK_ATTR("value", EK_ATTR_TENSOR, tensor, value),
                             EK_ATTR_T("dtype", value != NULL ? value->dtype : EK_DTYPE_NONE) };
    ek_tensor t = ek__dead(g);

    if (value == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
    else t = on_cpu(g, "Const", name, NULL, 0, attr, EK_COUNT_OF(attr), where);
    ek_array_unref(value);
    return t;
}

static ek_tensor ints_on_cpu(ek_graph *g, int32_t v, ek_shape shape, const char *name, ek_where where)
{
    return const_on_cpu(g, ek_array_of(EK_INT32, shape, &v), name, where);
}

/* x[begin:end] of a vector; an open end is written as 0 and said in the mask. */
static ek_tensor slice(ek_tensor x, int32_t begin, int32_t end, bool open_begin, bool open_end, ek_where where)
{
    ek_graph *g = x.graph;
    ek_tensor out = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, "strided_slice", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor stack = ints_on_cpu(g, begin, EK_SHAPE(1), "stack", where);
        const ek_tensor stack_1 = ints_on_cpu(g, end, EK_SHAPE(1), "stack_1", where);
        const ek_tensor stack_2 = ints_on_cpu(g, 1, EK_SHAPE(1), "stack_2", where);
        out = EK_ON_CPU_WITH("StridedSlice", own, EK_IN(x, stack, stack_1, stack_2),
                             EK_ATTR_I("begin_mask", open_begin), EK_ATTR_I("end_mask", open_end));
    }
    return out;
}

static ek_tensor shape_on_cpu(ek_graph *g, int32_t n, ek_where where)
{
    return ints_on_cpu(g, n, EK_SHAPE(1), "Shape", where);
}

/* The rest of tf.boolean_mask: names, flattened, where the mask says so. */
static ek_tensor gather_masked(ek_tensor names, ek_tensor mask, ek_tensor flat_shape, ek_where where)
{
    ek_graph *g = names.graph;
    ek_tensor at, out = ek__dead(g);

    names = EK_ON_CPU("Reshape", NULL, EK_IN(names, flat_shape));
    EK_IN_SCOPE(ek_name_scope_push(g, "Reshape", where)) {
        const char *own = ek_name_scope(g);
        mask = EK_ON_CPU("Reshape", own, EK_IN(mask, ints_on_cpu(g, -1, EK_SHAPE(1), "shape", where)));
    }
    at = EK_ON_CPU("Where", NULL, EK_IN(mask));
    at = EK_ON_CPU_WITH("Squeeze", NULL, EK_IN(at), ek__attr_ints("squeeze_dims", (int64_t[]){ 1 }, 1));
    EK_IN_SCOPE(ek_name_scope_push(g, "GatherV2", where)) {
        const char *own = ek_name_scope(g);
        out = EK_ON_CPU("GatherV2", own, EK_IN(names, at, ints_on_cpu(g, 0, EK_SCALAR, "axis", where)));
    }
    return out;
}

/* tf.boolean_mask of two vectors of n elements, node by node: the general form for axis 0. */
static ek_tensor boolean_mask(ek_tensor names, ek_tensor mask, int32_t n, ek_where where)
{
    ek_graph *g = names.graph;
    ek_tensor out = ek__dead(g), size = ek__dead(g), shape = ek__dead(g), before, after;

    EK_IN_SCOPE(ek_name_scope_push(g, "boolean_mask", where)) {
        const ek_tensor masked = slice(shape_on_cpu(g, n, where), 0, 1, false, false, where);
        EK_IN_SCOPE(ek_name_scope_push(g, "Prod", where)) {
            const char *own = ek_name_scope(g);
            size = EK_ON_CPU("Prod", own, EK_IN(masked, ints_on_cpu(g, 0, EK_SHAPE(1), "reduction_indices", where)));
        }
        before = slice(shape_on_cpu(g, n, where), 0, 0, true, false, where);
        after = slice(shape_on_cpu(g, n, where), 1, 0, false, true, where);
        EK_IN_SCOPE(ek_name_scope_push(g, "concat", where)) {
            const char *own = ek_name_scope(g);
            const ek_tensor middle = EK_ON_CPU("Pack", "values_1", EK_IN(size));
            shape = EK_ON_CPU("ConcatV2", own,
                              EK_IN(before, middle, after, ints_on_cpu(g, 0, EK_SCALAR, "axis", where)));
        }
        out = gather_masked(names, mask, shape, where);
    }
    return out;
}

/* Item i of what is asked about: the list, or the global and then the local variables. */
static ek_array *names_of(ek_graph *g, ek_list list)
{
    ek_array *names = ek_array_of(EK_STRING, EK_SHAPE(list.count), NULL);

    for (int64_t i = 0; names != NULL && i < list.count; i++) {
        const char *name = ek__info(list.item[i].u.variable)->name;
        if (ek_array_set_string(names, i, name, strlen(name)) == EK_OK) continue;
        ek_array_unref(names);
        names = NULL;
    }
    EK_UNUSED(g);
    return names;
}

static ek_tensor report(ek_graph *g, ek_list list, ek_where where)
{
    ek_tensor *is = ek__calloc((size_t)list.count, sizeof *is), mask, names, out = ek__dead(g);

    if (is == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to ask %lld variables", (long long)list.count);
        return out;
    }
    for (int64_t i = 0; i < list.count; i++)
        is[i] = ek_is_variable_initialized_at(variable_at(g, list, i, where), where);
    if (g->error.code == EK_OK) {
        mask = on_cpu(g, "Pack", "stack", is, (int)list.count, NULL, 0, where);
        mask = EK_ON_CPU("LogicalNot", NULL, EK_IN(mask));
        names = const_on_cpu(g, names_of(g, list), NULL, where);
        if (ek_tensor_ok(names)) out = boolean_mask(names, mask, (int32_t)list.count, where);
    }
    ek__free(is);
    return out;
}

static ek_list global_and_local(ek_graph *g)
{
    const ek_list a = ek_global_variables(g), b = ek_local_variables(g);
    ek_item *both = EK_ARENA_NEW(&g->arena, ek_item, a.count + b.count + 1);

    if (both == NULL) return EK_EMPTY_LIST;
    if (a.count > 0) memcpy(both, a.item, (size_t)a.count * sizeof *both);
    if (b.count > 0) memcpy(both + a.count, b.item, (size_t)b.count * sizeof *both);
    return (ek_list){ g, both, a.count + b.count };
}

ek_tensor ek_report_uninitialized_variables_at(ek_graph *g, ek_list list, const char *name, ek_where where)
{
    ek_tensor out = ek__dead(g);

    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK || !EK_ITEMS_OK(g, list, where)) return out;
    if (list.count == 0) list = global_and_local(g);
    EK_IN_SCOPE(ek_name_scope_push(g, name != NULL ? name : "report_uninitialized_variables", where))
        out = list.count > 0 ? report(g, list, where)
                             : const_on_cpu(g, ek_array_of(EK_STRING, EK_SHAPE(0), NULL), NULL, where);
    return out;
}
