/* graph/build.c - everything that makes a node: names, types, colocation, control inputs, shapes, contexts. */
#include "graph/build.h"

#include "codec/wire.h"
#include "graph/attr.h"

static const ek_op dead = { NULL, -1 };

/* ---- checks ---------------------------------------------------------------------------------- */

/* False: an input is dead or foreign. A dead one that some earlier failure explains adds nothing. */
static bool inputs_usable(ek_graph *g, const ek_node_args *args)
{
    for (int i = 0; i < args->n_in; i++) {
        const ek_tensor t = args->in[i];
        if (t.graph != NULL && t.graph != g) {
            ek__graph_fail(g, args->where, EK_INVALID_ARGUMENT,
                           "input %d of the Op '%s' is '%s:%d', which is not an element of this graph",
                           i, args->type, ek_op_name((ek_op){ t.graph, t.op }), t.index);
            return false;
        }
        if (!ek__tensor_in(g, t)) {
            ek__graph_fail(g, args->where, EK_INVALID_ARGUMENT,
                           "input %d of the Op '%s' is no tensor: the call that should have "
                           "made it failed, or was never made",
                           i, args->type);
            return false;
        }
    }
    for (int i = 0; i < args->n_control; i++) {
        if (ek__op_in(g, args->control[i])) continue;
        ek__graph_fail(g, args->where, EK_INVALID_ARGUMENT,
                       "control input %d of the Op '%s' is no operation of this graph", i, args->type);
        return false;
    }
    return true;
}

static ek_status node_name(ek_graph *g, const ek_node_args *args, const char **out, ek_error *err)
{
    const char *name = args->name != NULL && args->name[0] != '\0' ? args->name : args->type;
    const size_t size = strlen(name);

    if (name[size - 1] == '/') {
        *out = ek__arena_strndup(&g->arena, name, size - 1);
        if (*out != NULL && !ek__name_mark(g, *out)) *out = NULL;
    } else {
        *out = ek__unique_name_in(g, ek__scope_now(g)->name, name, true);
    }
    if (*out == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the name of an operation");
    if (!ek__name_valid(*out, false)) return EK_FAIL(err, INVALID_ARGUMENT, "'%s' is not a valid node name", *out);
    return EK_OK;
}

/* ---- control inputs, colocation -------------------------------------------------------------- */

static bool has_control(const ek_node *n, int32_t op)
{
    for (int32_t i = 0; i < n->n_control; i++)
        if (n->control[i] == op) return true;
    return false;
}

bool ek__add_control(ek_graph *g, ek_node *n, int32_t op)
{
    int32_t *grown;

    if (has_control(n, op)) return true;
    /* Room is made in powers of two; what is left behind in the arena is at most as much again. */
    if ((n->n_control & (n->n_control - 1)) == 0) {
        grown = EK_ARENA_NEW(&g->arena, int32_t, n->n_control > 0 ? 2 * n->n_control : 1);
        if (grown == NULL) return false;
        if (n->n_control > 0) memcpy(grown, n->control, (size_t)n->n_control * sizeof *grown);
        n->control = grown;
    }
    n->control[n->n_control++] = op;
    return true;
}

static bool made_inside(const ek_node *n, const ek_controller *c)
{
    const ek_controller *k = n->controller;

    while (k != NULL && k != c) k = k->outer;
    return k == c;
}

static bool reads(const ek_node *n, int32_t op)
{
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i].node == op) return true;
    return false;
}

/* A controller counts as satisfied when an input was made inside it. */
static bool dominated(const ek_graph *g, const ek_node *n, const ek_controller *c)
{
    for (int32_t i = 0; i < n->n_in; i++)
        if (made_inside(g->node[n->in[i].node], c)) return true;
    return false;
}

/* Outermost first, as TensorFlow adds them. */
static bool add_scope_controls(ek_graph *g, ek_node *n, const ek_controller *c)
{
    bool ok = c->outer == NULL || add_scope_controls(g, n, c->outer);

    if (dominated(g, n, c)) return ok;
    for (int32_t i = 0; ok && i < c->n; i++) ok = reads(n, c->op[i]) || ek__add_control(g, n, c->op[i]);
    return ok;
}

/* The operations that the node must be placed with: those of its reference inputs. As in TensorFlow the k-th argument
 * is matched with the k-th input, so of a list only the first counts. */
static int32_t reference_inputs(const ek_node *n, int32_t *op, int32_t room)
{
    int32_t count = 0;

    for (int32_t i = 0; i < n->spec->n_in && i < n->n_in && count < room; i++)
        if (n->spec->in[i].is_ref) op[count++] = n->in[i].node;
    return count;
}

/* _class from the scopes (or the caller, where it gives names) and from reference inputs. */
static ek_status add_class(ek_graph *g, ek_node *n, const ek_node_args *args, ek_error *err)
{
    const ek_colocation own = { args->colocate, args->n_colocate };
    const ek_colocation *with = args->n_colocate > 0 ? &own : ek__scope_now(g)->colocation;
    int32_t ref[8];
    const int32_t n_ref = reference_inputs(n, ref, EK_COUNT_OF(ref));
    ek_colocation all;
    ek_string *list;

    if ((with == NULL && n_ref == 0) || ek__attr_find(n->attr, n->n_attr, "_class") != NULL) return EK_OK;
    if (!ek__colocation_of(g, ref, n_ref, with, &all)) goto no_memory;
    list = EK_ARENA_NEW(&g->arena, ek_string, all.n + 1);
    if (list == NULL) goto no_memory;
    for (int32_t i = 0; i < all.n; i++) {
        list[i].data = ek__arena_printf(&g->arena, "loc:@%s", all.name[i]);
        if (list[i].data == NULL) goto no_memory;
        list[i].size = strlen(list[i].data);
        /* What belongs together is placed together. */
        const int32_t at = ek__node_find(g, all.name[i], strlen(all.name[i]));
        if (at >= 0 && g->node[at]->device[0] != '\0') n->device = g->node[at]->device;
    }
    n->attr[n->n_attr++] = (ek_attr){
        "_class", { .kind = EK_ATTR_LIST | EK_ATTR_STRING, .count = all.n, .u.ss = list }
    };
    return EK_OK;
no_memory:
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the attribute _class");
}

/* ---- the node -------------------------------------------------------------------------------- */

static ek_status fill(ek_graph *g, ek_node *n, const ek_node_args *args, ek_error *err)
{
    const ek_scope_state *now = ek__scope_now(g);
    bool ok = true;

    n->spec = ek__registry_find(g->registry, args->type);
    if (n->spec == NULL)
        return EK_FAIL(err, NOT_FOUND, "Op type not registered '%s': this library has no definition of it", args->type);
    n->type = n->spec->def->name;
    n->where = args->where;
    n->context = now->context;
    n->unfetchable = now->context != 0;
    n->controller = now->controller;
    n->device = args->device != NULL && args->device[0] != '\0' ? ek__arena_strdup(&g->arena, args->device) : "";
    n->in = EK_ARENA_NEW(&g->arena, ek_edge, args->n_in + 1);
    if (n->device == NULL || n->in == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an operation");
    for (int i = 0; i < args->n_in; i++) n->in[n->n_in++] = ek__edge(args->in[i]);
    EK_TRY(ek__node_types(g, n, args, err));
    EK_TRY(add_class(g, n, args, err));
    for (int i = 0; ok && i < args->n_control; i++) ok = ek__add_control(g, n, args->control[i].id);
    if (ok && now->controller != NULL) ok = add_scope_controls(g, n, now->controller);
    if (!ok) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for control inputs");
    EK_TRY(ek__node_shapes(g, n, err));
    return ek__graph_enter(g, n, err);
}

ek_op ek__node_build(ek_graph *g, const ek_node_args *args)
{
    ek_error err = { 0 };
    ek_node *n;

    if (g == NULL) {
        ek__graph_fail(NULL, args->where, EK_INVALID_ARGUMENT, "the Op '%s' needs a graph, NULL was given", args->type);
        return dead;
    }
    if (ek__graph_closed(g, args->where) || !inputs_usable(g, args)) return (ek_op){ g, -1 };
    n = EK_ARENA_NEW(&g->arena, ek_node, 1);
    if (n == NULL) (void)EK_FAIL(&err, RESOURCE_EXHAUSTED, "no memory for an operation");
    if (err.code == EK_OK && node_name(g, args, &n->name, &err) == EK_OK) (void)fill(g, n, args, &err);
    if (err.code != EK_OK) {
        ek__graph_fail_from(g, args->where, &err, n != NULL ? n->name : NULL);
        if (n != NULL && n->attr != NULL) ek__attrs_release(n->attr, n->n_attr);
        return (ek_op){ g, -1 };
    }
    if (n->context != 0 && !ek__context_enter(g, n, args->where)) return (ek_op){ g, -1 };
    return (ek_op){ g, n->id };
}

/* ---- the public form ------------------------------------------------------------------------- */

static bool convert(ek_graph *g, const ek_attribute *from, ek_attr *to)
{
    static const int kinds[] = {
        [EK_A_STRING] = EK_ATTR_STRING,
        [EK_A_INT] = EK_ATTR_INT,
        [EK_A_FLOAT] = EK_ATTR_FLOAT,
        [EK_A_BOOL] = EK_ATTR_BOOL,
        [EK_A_TYPE] = EK_ATTR_TYPE,
        [EK_A_SHAPE] = EK_ATTR_SHAPE,
        [EK_A_TENSOR] = EK_ATTR_TENSOR,
        [EK_A_INTS] = EK_ATTR_LIST | EK_ATTR_INT,
        [EK_A_TYPES] = EK_ATTR_LIST | EK_ATTR_TYPE,
        [EK_A_FLOATS] = EK_ATTR_LIST | EK_ATTR_FLOAT,
        [EK_A_STRINGS] = EK_ATTR_LIST | EK_ATTR_STRING,
    };
    ek_attr_value *v = &to->value;

    if (from->name == NULL || from->kind < 0 || from->kind >= EK_COUNT_OF(kinds)) return false;
    to->name = from->name;
    v->kind = kinds[from->kind];
    if ((v->kind & EK_ATTR_LIST) != 0) {
        v->count = from->count;
        if (v->count < 0 || (v->count > 0 && from->u.is == NULL)) return false; /* any pointer of the union */
    }
    switch (from->kind) {
    case EK_A_STRING:
        if (from->u.s == NULL || from->count < -1) return false;
        v->u.s.data = (char *)(uintptr_t)from->u.s;
        v->u.s.size = from->count > 0 ? (size_t)from->count : strlen(from->u.s);
        return true;
    case EK_A_INT: v->u.i = from->u.i; return true;
    case EK_A_FLOAT: v->u.f = (float)from->u.f; return true;
    case EK_A_BOOL: v->u.b = from->u.b; return true;
    case EK_A_TYPE: v->u.type = from->u.type; return true;
    case EK_A_SHAPE: v->u.shape = (ek_shape *)(uintptr_t)from->u.shape; return from->u.shape != NULL;
    case EK_A_TENSOR: v->u.tensor = (ek_array *)(uintptr_t)from->u.tensor; return from->u.tensor != NULL;
    case EK_A_INTS: v->u.is = (int64_t *)(uintptr_t)from->u.is; return true;
    case EK_A_TYPES: v->u.types = (ek_dtype *)(uintptr_t)from->u.types; return true;
    case EK_A_FLOATS:
        v->u.fs = EK_ARENA_NEW(&g->arena, float, v->count + 1);
        for (int32_t i = 0; v->u.fs != NULL && i < v->count; i++) v->u.fs[i] = (float)from->u.fs[i];
        return v->u.fs != NULL;
    default:
        v->u.ss = EK_ARENA_NEW(&g->arena, ek_string, v->count + 1);
        for (int32_t i = 0; v->u.ss != NULL && i < v->count; i++) {
            if (from->u.ss[i] == NULL) return false;
            v->u.ss[i] = (ek_string){ (char *)(uintptr_t)from->u.ss[i], strlen(from->u.ss[i]) };
        }
        return v->u.ss != NULL;
    }
}

/* Attributes that are told twice, and what no file could hold. */
static bool well_told(ek_graph *g, const ek_op_build_options *o, ek_where where)
{
    const char *const device = o->device != NULL ? o->device : "";
    const bool utf8 = ek__utf8_bad((const uint8_t *)device, strlen(device), false) < 0;

    if (!utf8) ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "the device of the Op '%s' is not UTF-8", o->type);
    for (int i = 1; i < o->n_attributes; i++)
        for (int k = 0; k < i; k++) {
            if (strcmp(o->attributes[i].name, o->attributes[k].name) != 0) continue;
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "the Op '%s' was given the attribute '%s' twice", o->type,
                           o->attributes[i].name);
            return false;
        }
    return utf8;
}

ek_op ek_op_build_with(ek_graph *g, const ek_op_build_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return (ek_op){ g, -1 };
    ek_attr *attrs;

    if (!EK_GRAPH_OK(g, where)) return dead;
    if (o->type == NULL || o->type[0] == '\0' || o->n_inputs < 0 || o->n_attributes < 0 || o->n_control < 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "an operation needs a type, and counts of zero or more");
        return (ek_op){ g, -1 };
    }
    if ((o->inputs == NULL && o->n_inputs > 0) || (o->attributes == NULL && o->n_attributes > 0) ||
        (o->control == NULL && o->n_control > 0)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "a list of the Op '%s' has a count and is NULL", o->type);
        return (ek_op){ g, -1 };
    }
    attrs = EK_ARENA_NEW(&g->arena, ek_attr, o->n_attributes + 1);
    for (int i = 0; attrs != NULL && i < o->n_attributes; i++) {
        if (convert(g, &o->attributes[i], &attrs[i])) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "attribute %d of the Op '%s' has no name, no value, a kind that does not exist, or a count "
                       "that is not its own",
                       i, o->type);
        return (ek_op){ g, -1 };
    }
    if (attrs == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for attributes");
        return (ek_op){ g, -1 };
    }
    if (!well_told(g, o, where)) return (ek_op){ g, -1 };
    return ek__node_build(g, &(ek_node_args){ .type = o->type, .name = o->name, .in = o->inputs, .n_in = o->n_inputs,
                                             .attr = attrs, .n_attr = o->n_attributes, .control = o->control,
                                             .n_control = o->n_control, .device = o->device, .where = where });
}
