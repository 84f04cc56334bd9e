/* graph/types.c - attributes and types of a new node from its inputs and what the caller gave. */
#include "graph/attr.h"
#include "graph/build.h"

typedef struct typing {
    ek_graph *g;
    ek_node *n;
    const ek_node_args *args;
    const ek_op_spec *spec;
    const char **from; /* per attribute of the spec: the argument it was inferred from; NULL: given, or not known yet */
    bool *known;
    ek_error *err;
} typing;

static ek_status no_memory(typing *t)
{
    return EK_FAIL(t->err, RESOURCE_EXHAUSTED, "no memory for an operation of type '%s'", t->spec->def->name);
}

static int attr_place(const typing *t, const char *name)
{
    return (int)(ek__attr_spec(t->spec, name) - t->spec->attr);
}

/* ---- what the caller gave -------------------------------------------------------------------- */

/* What can only be a mistake of the caller's: files are read with checks of their own. */
static ek_status check_given(typing *t, const ek_attr *given)
{
    const ek_attr_value *v = &given->value;

    if (v->kind == EK_ATTR_TYPE && ek_dtype_name(v->u.type)[0] == '?')
        return EK_FAIL(t->err, INVALID_ARGUMENT, "the attribute '%s' of Op '%s' is no type: %d", given->name,
                       t->spec->def->name, (int)v->u.type);
    if (v->kind != EK_ATTR_SHAPE) return EK_OK;
    if (v->u.shape->rank > EK_MAX_RANK)
        return EK_FAIL(t->err, INVALID_ARGUMENT, "the attribute '%s' of Op '%s' has %d dimensions; %d is the limit",
                       given->name, t->spec->def->name, v->u.shape->rank, EK_MAX_RANK);
    for (int i = 0; i < v->u.shape->rank; i++)
        if (v->u.shape->dim[i] < -1)
            return EK_FAIL(t->err, INVALID_ARGUMENT, "Dimension %lld must be >= 0", (long long)v->u.shape->dim[i]);
    return EK_OK;
}

static ek_status take_given(typing *t)
{
    ek_node *n = t->n;

    for (int i = 0; i < t->args->n_attr; i++) {
        const ek_attr *given = &t->args->attr[i];
        const ek_attr_spec *a = ek__attr_spec(t->spec, given->name);
        ek_attr *to;
        if (a == NULL && given->name[0] != '_')
            return EK_FAIL(t->err, INVALID_ARGUMENT, "Op '%s' has no attribute '%s'", t->spec->def->name, given->name);
        to = a != NULL ? &n->attr[a - t->spec->attr] : &n->attr[n->n_attr];
        if (to->value.kind != EK_ATTR_NONE)
            return EK_FAIL(t->err, INVALID_ARGUMENT, "the attribute '%s' of Op '%s' is given twice", given->name,
                           t->spec->def->name);
        EK_TRY(check_given(t, given));
        if (!ek__attr_copy(&t->g->arena, &given->value, &to->value)) {
            to->value.kind = EK_ATTR_NONE;
            return no_memory(t);
        }
        if (a != NULL) {
            /* "[]" of a file has no kind; the node's list has the attribute's. */
            if (to->value.kind == EK_ATTR_LIST) to->value.kind = a->kind;
            t->known[a - t->spec->attr] = true;
            EK_TRY(ek__attr_check(t->spec, a, &to->value, NULL, t->err));
        } else {
            to->name = ek__arena_strdup(&t->g->arena, given->name);
            if (to->name == NULL) return no_memory(t);
            n->n_attr++;
        }
    }
    return EK_OK;
}

/* ---- how many inputs belong to each argument ------------------------------------------------- */

/* The length of an argument if an attribute says it, else -1. */
static int64_t known_length(const typing *t, const ek_arg_spec *arg)
{
    int i;

    if (arg->list_attr == NULL && arg->number_attr == NULL) return 1;
    i = attr_place(t, arg->list_attr != NULL ? arg->list_attr : arg->number_attr);
    if (!t->known[i]) return -1;
    return arg->list_attr != NULL ? t->n->attr[i].value.count : t->n->attr[i].value.u.i;
}

/* What is left for the arguments of unknown length, all of which must have the same length attribute. */
static ek_status shared_length(typing *t, int64_t *each)
{
    const ek_op_spec *spec = t->spec;
    const char *attr = NULL;
    int64_t fixed = 0, unknown = 0;

    for (int i = 0; i < spec->n_in; i++) {
        const int64_t length = known_length(t, &spec->in[i]);
        const char *own = spec->in[i].number_attr != NULL ? spec->in[i].number_attr : spec->in[i].list_attr;
        if (length >= 0) {
            fixed += length;
            continue;
        }
        if (attr != NULL && strcmp(attr, own) != 0)
            return EK_FAIL(t->err, INVALID_ARGUMENT,
                           "the inputs of Op '%s' can be divided in several ways; give the attribute '%s'",
                           spec->def->name, attr);
        attr = own;
        unknown++;
    }
    *each = unknown > 0 ? (t->n->n_in - fixed) / unknown : 0;
    if (*each >= 0 && fixed + *each * unknown == t->n->n_in) return EK_OK;
    return EK_FAIL(t->err, INVALID_ARGUMENT, "Op '%s' takes %s%lld inputs, %d were given", spec->def->name,
                   unknown > 0 ? "lists beside " : "", (long long)fixed, t->n->n_in);
}

/* ---- inference ------------------------------------------------------------------------------- */

/* Sets an attribute that follows from an argument, or holds it against what is known. */
static ek_status settle(typing *t, const char *name, const ek_attr_value *v, const ek_arg_spec *arg, bool *same)
{
    const int i = attr_place(t, name);
    ek_attr *attr = &t->n->attr[i];

    *same = true;
    if (t->known[i]) {
        *same = ek__attr_equal(&attr->value, v);
        return EK_OK;
    }
    EK_TRY(ek__attr_check(t->spec, &t->spec->attr[i], v, arg->name, t->err));
    if (!ek__attr_copy(&t->g->arena, v, &attr->value)) {
        attr->value.kind = EK_ATTR_NONE;
        return no_memory(t);
    }
    t->known[i] = true;
    t->from[i] = arg->name;
    return EK_OK;
}

static const char *source(const typing *t, const char *attr)
{
    const char *from = t->from[attr_place(t, attr)];

    return from != NULL ? from : attr;
}

/* "[float32, int32]" in one string of the arena. */
static const char *type_names(typing *t, const ek_dtype *type, int64_t n)
{
    ek_buf b = { 0 };
    const char *text;

    for (int64_t i = 0; i < n; i++) ek__buf_printf(&b, "%s%s", i > 0 ? ", " : "", ek_dtype_name(type[i]));
    text = b.failed || b.data == NULL ? "" : ek__arena_strdup(&t->g->arena, b.data);
    ek__buf_fini(&b);
    return text != NULL ? text : "";
}

static ek_status check_list_types(typing *t, const ek_arg_spec *arg, const ek_dtype *type, int64_t n)
{
    const char *op = t->spec->def->name, *names;
    ek_dtype want = arg->type;
    bool all = true;

    if (arg->type_attr != NULL && t->known[attr_place(t, arg->type_attr)])
        want = t->n->attr[attr_place(t, arg->type_attr)].value.u.type;
    for (int64_t i = 0; i < n; i++) all = all && type[i] == (want != EK_DTYPE_NONE ? want : type[0]);
    if (all) return EK_OK;
    names = type_names(t, type, n);
    if (want == EK_DTYPE_NONE)
        return EK_FAIL(t->err, INVALID_ARGUMENT,
                       "Tensors in list passed to '%s' of '%s' Op have types [%s] that don't all match.", arg->name, op,
                       names);
    return EK_FAIL(t->err, INVALID_ARGUMENT,
                   "Tensors in list passed to '%s' of '%s' Op have types [%s] that do not match %s %s%s.", arg->name,
                   op, names, arg->type != EK_DTYPE_NONE ? "expected type" : "type", ek_dtype_name(want),
                   arg->type != EK_DTYPE_NONE ? "" : " inferred from earlier arguments");
}

static ek_status infer_number(typing *t, const ek_arg_spec *arg, const ek_dtype *type, int64_t n)
{
    const ek_attr_value length = { .kind = EK_ATTR_INT, .u.i = n };
    bool same;

    EK_TRY(check_list_types(t, arg, type, n));
    EK_TRY(settle(t, arg->number_attr, &length, arg, &same));
    if (!same)
        return EK_FAIL(t->err, INVALID_ARGUMENT,
                       "List argument '%s' to '%s' Op with length %lld must match length %lld of argument '%s'.",
                       arg->name, t->spec->def->name, (long long)n,
                       (long long)t->n->attr[attr_place(t, arg->number_attr)].value.u.i, source(t, arg->number_attr));
    if (arg->type_attr == NULL || t->known[attr_place(t, arg->type_attr)]) return EK_OK;
    if (n == 0)
        return EK_FAIL(t->err, INVALID_ARGUMENT,
                       "Don't know how to infer type variable from empty input list passed to input '%s' of '%s' Op.",
                       arg->name, t->spec->def->name);
    return settle(t, arg->type_attr, &(ek_attr_value){ .kind = EK_ATTR_TYPE, .u.type = type[0] }, arg, &same);
}

static ek_status infer_one(typing *t, const ek_arg_spec *arg, ek_dtype type)
{
    const char *op = t->spec->def->name;
    bool same;

    if (arg->type_attr == NULL) {
        if (type == arg->type) return EK_OK;
        return EK_FAIL(t->err, INVALID_ARGUMENT,
                       "Input '%s' of '%s' Op has type %s that does not match expected type of %s.", arg->name, op,
                       ek_dtype_name(type), ek_dtype_name(arg->type));
    }
    EK_TRY(settle(t, arg->type_attr, &(ek_attr_value){ .kind = EK_ATTR_TYPE, .u.type = type }, arg, &same));
    if (same) return EK_OK;
    return EK_FAIL(t->err, INVALID_ARGUMENT,
                   "Input '%s' of '%s' Op has type %s that does not match type %s of argument '%s'.", arg->name, op,
                   ek_dtype_name(type), ek_dtype_name(t->n->attr[attr_place(t, arg->type_attr)].value.u.type),
                   source(t, arg->type_attr));
}

static ek_status infer_list(typing *t, const ek_arg_spec *arg, ek_dtype *type, int64_t n)
{
    const ek_attr_value list = { .kind = EK_ATTR_LIST | EK_ATTR_TYPE, .count = (int32_t)n, .u.types = type };
    const ek_attr_value *known;
    bool same;

    EK_TRY(settle(t, arg->list_attr, &list, arg, &same));
    if (same) return EK_OK;
    known = &t->n->attr[attr_place(t, arg->list_attr)].value;
    return EK_FAIL(t->err, INVALID_ARGUMENT,
                   "Input '%s' of '%s' Op has type list of %s that does not match type list %s of argument '%s'.",
                   arg->name, t->spec->def->name, type_names(t, type, n), type_names(t, known->u.types, known->count),
                   source(t, arg->list_attr));
}

/* base[] are the base types of the argument's n inputs, the first of which is input `first`. */
static ek_status infer_argument(typing *t, const ek_arg_spec *arg, ek_dtype *base, int first, int64_t n)
{
    if (arg->number_attr != NULL) EK_TRY(infer_number(t, arg, base, n));
    else if (arg->list_attr != NULL) EK_TRY(infer_list(t, arg, base, n));
    else EK_TRY(infer_one(t, arg, base[0]));
    for (int64_t i = 0; i < n; i++) {
        const ek_edge e = t->n->in[first + i];
        if (arg->is_ref && !ek_dtype_is_ref(t->g->node[e.node]->out_dtype[e.index]))
            return EK_FAIL(t->err, INVALID_ARGUMENT,
                           "'%s' Op requires that input '%s' be a mutable tensor (e.g.: a tf.Variable)",
                           t->spec->def->name, arg->name);
    }
    return EK_OK;
}

static ek_status infer_attributes(typing *t)
{
    ek_dtype *base = EK_ARENA_NEW(&t->g->arena, ek_dtype, t->n->n_in + 1);
    int64_t shared = 0;
    int first = 0;

    if (base == NULL) return no_memory(t);
    EK_TRY(shared_length(t, &shared));
    for (int32_t i = 0; i < t->n->n_in; i++) {
        const ek_edge e = t->n->in[i];
        base[i] = ek_dtype_base(t->g->node[e.node]->out_dtype[e.index]);
    }
    for (int i = 0; i < t->spec->n_in; i++) {
        const ek_arg_spec *arg = &t->spec->in[i];
        int64_t n = known_length(t, arg);
        if (n < 0) n = shared;
        EK_TRY(infer_argument(t, arg, base + first, first, n));
        first += (int)n;
    }
    return EK_OK;
}

static ek_status fill_defaults(typing *t)
{
    for (int i = 0; i < t->spec->n_attrs; i++) {
        const ek_attr_spec *a = &t->spec->attr[i];
        ek_attr *attr = &t->n->attr[i];
        if (t->known[i]) continue;
        if (!a->has_default)
            return EK_FAIL(t->err, INVALID_ARGUMENT, "No argument for attr %s of Op '%s'", a->name, t->spec->def->name);
        if (!ek__attr_copy(&t->g->arena, &a->fallback, &attr->value)) {
            attr->value.kind = EK_ATTR_NONE;
            return no_memory(t);
        }
    }
    return EK_OK;
}

ek_status ek__node_types(ek_graph *g, ek_node *n, const ek_node_args *args, ek_error *err)
{
    const ek_op_spec *spec = n->spec;
    typing t = { .g = g, .n = n, .args = args, .spec = spec, .err = err };
    int n_in, n_out;
    void *parsed = NULL;

    t.from = EK_ARENA_NEW(&g->arena, const char *, spec->n_attrs + 1);
    t.known = EK_ARENA_NEW(&g->arena, bool, spec->n_attrs + 1);
    n->attr = EK_ARENA_NEW(&g->arena, ek_attr, spec->n_attrs + args->n_attr + 1); /* one more: _class */
    if (t.from == NULL || t.known == NULL || n->attr == NULL) return no_memory(&t);
    n->n_attr = spec->n_attrs;
    for (int i = 0; i < spec->n_attrs; i++) n->attr[i].name = spec->attr[i].name;
    EK_TRY(take_given(&t));
    EK_TRY(infer_attributes(&t));
    EK_TRY(fill_defaults(&t));
    EK_TRY(ek__op_types(spec, n->attr, n->n_attr, &g->arena, &n_in, &n->in_dtype, &n_out, &n->out_dtype, err));
    n->n_out = n_out;
    if (spec->def->attrs_size > 0) {
        parsed = ek__arena_alloc(&g->arena, spec->def->attrs_size, 16);
        if (parsed == NULL) return no_memory(&t);
    }
    EK_TRY(ek__attrs_parse(spec, n->attr, n->n_attr, parsed, err));
    n->attrs = parsed;
    return EK_OK;
}
