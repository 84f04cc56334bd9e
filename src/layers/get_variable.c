/* layers/get_variable.c - variable scopes as callers see them, and variables shared by name. */
#include "graph/variable_scope.h"
#include "layers/get_variable.h"

/* ---- scopes --------------------------------------------------------------------------------------- */

static const void *keep(ek_graph *g, const void *p, size_t size, bool given, ek_where where)
{
    const void *copy = given ? ek__arena_memdup(&g->arena, p, size) : NULL;

    if (given && copy == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory to open a variable scope");
    return copy;
}

bool ek__reuse_ok(ek_graph *g, int reuse, ek_where where)
{
    if (reuse == EK_NEW || reuse == EK_REUSE || reuse == EK_AUTO_REUSE) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "The reuse parameter must be True or False or None.");
    return false;
}

ek_scope ek_variable_scope_push_with(ek_graph *g, const ek_variable_scope_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return (ek_scope){ g, 0, true };
    ek_vscope_args a = { .name = o->name, .default_name = o->default_name, .again = o->scope.scope,
                         .reuse = (int)o->reuse, .dtype = o->dtype, .use_resource = o->use_resource,
                         .no_name_scope = !o->auxiliary_name_scope };

    if (!EK_GRAPH_OK(g, where)) return (ek_scope){ NULL, 0, true };
    if (a.again != NULL && o->scope.graph != g)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "the variable scope \"%s\" belongs to another graph",
                       a.again->name);
    if (g->error.code != EK_OK || !ek__reuse_ok(g, a.reuse, where)) return (ek_scope){ g, 0, true };
    a.initializer = keep(g, &o->initializer, sizeof o->initializer, o->initializer.kind != EK_INIT_NONE, where);
    a.regularizer = keep(g, &o->regularizer, sizeof o->regularizer, o->regularizer.kind != 0, where);
    a.constraint = keep(g, &o->constraint, sizeof o->constraint, o->constraint.call != NULL, where);
    a.partitioner = keep(g, &o->partitioner, sizeof o->partitioner, o->partitioner.kind != EK_PARTITION_NONE, where);
    return ek__vscope_push(g, &a, where);
}

ek_variable_scope ek_get_variable_scope(ek_graph *g)
{
    return (ek_variable_scope){ g, g != NULL ? ek__vscope_now(g) : NULL };
}

const char *ek_variable_scope_name(ek_variable_scope vs) { return vs.scope != NULL ? vs.scope->name : ""; }
ek_reuse ek_variable_scope_reuse(ek_variable_scope vs) { return vs.scope != NULL ? (ek_reuse)vs.scope->reuse : EK_NEW; }
const char *ek_variable_scope_name_scope(ek_variable_scope vs) { return vs.scope != NULL ? vs.scope->name_scope : ""; }

/* ---- an existing variable --------------------------------------------------------------------------- */

static bool check_shared(ek_graph *g, const ek_get_variable_args *a, const ek_variable_info *found, ek_dtype dtype)
{
    char asked[256], has[256];

    ek_shape_format(&a->shape, asked, sizeof asked);
    ek_shape_format(&found->shape, has, sizeof has);
    if (a->has_shape && !ek_shape_compatible(&a->shape, &found->shape)) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "Trying to share variable %s, but specified shape %s and found shape %s.", a->full, asked, has);
        return false;
    }
    if (dtype != found->dtype) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "Trying to share variable %s, but specified dtype %s and found dtype %s.", a->full,
                       ek_dtype_name(dtype),
                       ek_dtype_name(found->is_resource ? found->dtype : ek_dtype_ref(found->dtype)));
        return false;
    }
    return true;
}

static ek_variable share(ek_graph *g, const ek_get_variable_args *a, int32_t id, ek_dtype dtype)
{
    const ek_variable_info *found = g->variable[id];
    char origin[512] = "";

    if (a->reuse == EK_VSCOPE_NEW) {
        if (!found->is_resource && found->where.file != NULL)
            snprintf(origin, sizeof origin, " Originally defined at:\n\n  File \"%s\", line %d\n", found->where.file,
                     found->where.line);
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "Variable %s already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE "
                       "in VarScope?%s",
                       a->full, origin);
        return ek__dead_variable(g);
    }
    return check_shared(g, a, found, dtype) ? (ek_variable){ g, id } : ek__dead_variable(g);
}

/* ---- a new one ------------------------------------------------------------------------------------------ */

typedef struct make_arg {
    const ek_initializer *init;
    ek_shape shape;
    ek_dtype dtype;
    const ek_slice_info *slice; /* NULL: a whole */
} make_arg;

static ek_tensor make(ek_graph *g, void *arg, ek_where where)
{
    const make_arg *m = arg;

    return ek__initializer_build(g, m->init, m->shape, m->dtype, m->slice, where);
}

/* What get_variable does where nobody says how to begin. */
static bool default_initializer(ek_graph *g, const ek_get_variable_args *a, ek_dtype dtype, ek_initializer *init)
{
    if (!a->has_shape) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "Variable %s did not get an initializer, so its `shape` argument must be specified.", a->full);
        return false;
    }
    if (ek_dtype_is_floating(dtype)) *init = ek_glorot_uniform_initializer();
    else *init = ek_zeros_initializer();
    if (ek_dtype_is_floating(dtype) || ek_dtype_is_integer(dtype) || dtype == EK_BOOL || dtype == EK_STRING)
        return true;
    ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "An initializer for variable %s of <dtype: '%s'> is required",
                   a->full, ek_dtype_name(dtype));
    return false;
}

static ek_variable create(ek_graph *g, const ek_get_variable_args *a, const ek_initializer *init, ek_dtype dtype)
{
    make_arg m = { init, a->shape, dtype, a->slice };
    ek_variable_args v = { .name = a->full, .trainable = a->trainable, .validate_shape = a->validate_shape,
                           .collections = a->collections, .constraint = a->constraint, .where = a->where,
                           .synchronization = a->synchronization, .aggregation = a->aggregation };

    v.resource = a->use_resource == EK_DEFAULT ? g->use_resource : a->use_resource == EK_YES;
    if (init->kind == EK_INIT_VALUE) {
        v.value = init->operand;
    } else {
        if (!a->has_shape || !ek_shape_is_known(&a->shape)) {
            ek__graph_fail(
                g, a->where, EK_INVALID_ARGUMENT,
                "The initializer passed is not valid. It should be a callable with no arguments and the shape should "
                "not be provided or an instance of `tf.keras.initializers.*' and `shape` should be fully defined.");
            return ek__dead_variable(g);
        }
        v.make = make;
        v.arg = &m;
        v.dtype = dtype;
    }
    return ek__variable_make(g, &v);
}

/* The loss is built under the variable's full name whatever name scope is current, and placed with it. */
static void regularize(ek_graph *g, const ek_get_variable_args *a, ek_variable v)
{
    const ek_op op = ek_variable_op(v);
    const char *scope = ek__arena_printf(&g->arena, "%s/Regularizer/", a->full);
    ek_tensor loss = ek__dead(g);

    if (scope == NULL) {
        ek__graph_fail(g, a->where, EK_RESOURCE_EXHAUSTED, "no memory for the regularizer of %s", a->full);
        return;
    }
    EK_IN_SCOPE(ek__colocate_push(g, &op.id, 1, false, a->where))
        EK_IN_SCOPE(ek_name_scope_push(g, scope, a->where))
            EK_IN_SCOPE(ek_control_dependencies_clear_push(g, a->where))
                loss = ek__regularizer_build(g, a->regularizer, ek__v(v), a->where);
    if (ek_tensor_ok(loss)) ek_add_item_to_collection(g, EK_REGULARIZATION_LOSSES, ek_item_of_tensor(loss), a->where);
}

/* ---- get_variable ----------------------------------------------------------------------------------------- */

/* A Python value beside an explicit dtype is converted once to look at its dtype; that node stays. */
static bool check_value_dtype(ek_graph *g, const ek_get_variable_args *a)
{
    ek_tensor t;
    ek_dtype dtype;

    if (a->dtype == EK_DTYPE_NONE || a->initializer == NULL || a->initializer->kind != EK_INIT_VALUE) return true;
    t = ek__operand_tensor(g, &a->initializer->operand, EK_DTYPE_NONE, "Const", a->where);
    dtype = ek_dtype_base(ek_tensor_dtype(t));
    if (!ek_tensor_ok(t) || dtype == a->dtype) return ek_tensor_ok(t);
    ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                   "Initializer type '<dtype: '%s'>' and explicit dtype '<dtype: '%s'>' don't match.",
                   ek_dtype_name(dtype), ek_dtype_name(a->dtype));
    return false;
}

/* "w/part_0" makes "w" a variable in parts, which only a scope with a partitioner may ask for. */
static bool check_parts(ek_graph *g, const ek_get_variable_args *a)
{
    const char *part = ek__arena_printf(&g->arena, "%s/part_0", a->full);

    if (part == NULL)
        ek__graph_fail(g, a->where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", a->full);
    else if (ek__vstore_find(g, part) >= 0)
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "No partitioner was provided, but a partitioned version of the variable was found: %s. Perhaps a "
                       "variable of the same name was already created with partitioning?", part);
    return g->error.code == EK_OK;
}

ek_variable ek__get_single(ek_graph *g, const ek_get_variable_args *a)
{
    const ek_vscope *scope = ek__vscope_now(g);
    const ek_dtype dtype = a->dtype != EK_DTYPE_NONE ? ek_dtype_base(a->dtype) : scope->dtype;
    const int32_t found = ek__vstore_find(g, a->full);
    ek_initializer init;
    ek_variable v;

    if (!check_value_dtype(g, a) || !check_parts(g, a)) return ek__dead_variable(g);
    init = a->initializer != NULL ? *a->initializer : (ek_initializer){ .kind = EK_INIT_NONE };
    if (init.kind == EK_INIT_NONE && scope->initializer != NULL) init = *(const ek_initializer *)scope->initializer;
    if (a->has_shape && init.kind == EK_INIT_VALUE) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT, "If initializer is a constant, do not specify shape.");
        return ek__dead_variable(g);
    }
    if (found >= 0) return share(g, a, found, dtype);
    if (a->reuse == EK_VSCOPE_REUSE) {
        ek__graph_fail(g, a->where, EK_INVALID_ARGUMENT,
                       "Variable %s does not exist, or was not created with tf.get_variable(). Did you mean to set "
                       "reuse=tf.AUTO_REUSE in VarScope?", a->full);
        return ek__dead_variable(g);
    }
    if (init.kind == EK_INIT_NONE && !default_initializer(g, a, dtype, &init)) return ek__dead_variable(g);
    v = create(g, a, &init, dtype);
    if (!ek_variable_ok(v)) return v;
    g->variable[v.id]->in_store = true;
    if (!ek__vstore_add(g, a->full, v.id))
        ek__graph_fail(g, a->where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", a->full);
    if (a->regularizer != NULL) regularize(g, a, v);
    return v;
}

/* A variable in parts is shared without a partitioner where nothing but sharing may happen. */
static bool shares_parts(const ek_graph *g, const ek_get_variable_args *a)
{
    const int32_t found = a->reuse == EK_VSCOPE_REUSE && !a->in_one ? ek__vstore_find(g, a->full) : -1;

    return found >= 0 && g->variable[found]->n_parts > 0;
}

ek_variable ek__get_variable(ek_graph *g, const ek_get_variable_args *args)
{
    const ek_vscope *scope = ek__vscope_now(g);
    ek_get_variable_args a = *args;
    ek_variable v = ek__dead_variable(g);

    if (g->error.code != EK_OK) return v;
    if (a.name == NULL || (a.name[0] == '\0' && scope->name[0] == '\0')) {
        ek__graph_fail(g, a.where, EK_INVALID_ARGUMENT, "get_variable needs a name");
        return v;
    }
    a.full = scope->name[0] == '\0' ? ek__arena_strdup(&g->arena, a.name)
                                    : ek__arena_printf(&g->arena, "%s/%s", scope->name, a.name);
    if (a.full == NULL) {
        ek__graph_fail(g, a.where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", a.name);
        return v;
    }
    a.reuse = scope->reuse;
    if (a.regularizer == NULL) a.regularizer = scope->regularizer;
    if (a.constraint == NULL) a.constraint = scope->constraint;
    if (a.use_resource == EK_DEFAULT) a.use_resource = scope->use_resource;
    if (a.partitioner == NULL) a.partitioner = scope->partitioner;
    if (a.in_one || (a.has_shape && a.shape.rank == 0)) a.partitioner = NULL;
    EK_IN_SCOPE(ek_name_scope_push(g, NULL, a.where))
        v = a.partitioner != NULL || shares_parts(g, &a) ? ek__get_parts(g, &a) : ek__get_single(g, &a);
    return v;
}

ek_variable ek_get_variable_with(ek_graph *g, const ek_get_variable_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return ek__dead_variable(g);
    if (!EK_GRAPH_OK(g, where)) return ek__dead_variable(NULL);
    return ek__get_variable(g, &(ek_get_variable_args){
        .name = o->name, .has_shape = o->shape.rank != -2, .shape = o->shape.rank != -2 ? o->shape : EK_UNKNOWN_SHAPE,
        .dtype = o->dtype, .trainable = o->trainable, .validate_shape = o->validate_shape,
        .collections = o->collections, .use_resource = o->use_resource,
        .synchronization = o->synchronization, .aggregation = o->aggregation,
        .initializer = o->initializer.kind != EK_INIT_NONE ? &o->initializer : NULL,
        .regularizer = o->regularizer.kind != 0 ? &o->regularizer : NULL,
        .constraint = o->constraint.call != NULL ? &o->constraint : NULL,
        .partitioner = o->partitioner.kind != EK_PARTITION_NONE ? &o->partitioner : NULL, .where = where });
}
