/* formats/meta_variable.c - VariableDefs, to and from variables. */
#include "codec/fields.h"
#include "evenkeel/variables.h"
#include "formats/meta.h"

/* ---- reading ------------------------------------------------------------------------------------- */

typedef struct fields {
    ek_span name, initializer, snapshot, initial_value, slice;
    bool resource, trainable;
    int synchronization, aggregation;
} fields;

static void read_fields(ek_span def, fields *out)
{
    ek_wire w = ek__wire_open(def, NULL, NULL);
    ek_wire_field f;

    *out = (fields){ .resource = false };
    while (ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_VARIABLE_NAME: out->name = f.bytes; break;
        case EK_F_VARIABLE_INITIALIZER: out->initializer = f.bytes; break;
        case EK_F_VARIABLE_SNAPSHOT: out->snapshot = f.bytes; break;
        case EK_F_VARIABLE_INITIAL_VALUE: out->initial_value = f.bytes; break;
        case EK_F_VARIABLE_SLICE: out->slice = f.bytes; break;
        case EK_F_VARIABLE_RESOURCE: out->resource = f.value != 0; break;
        case EK_F_VARIABLE_TRAINABLE: out->trainable = f.value != 0; break;
        case EK_F_VARIABLE_SYNCHRONIZATION: out->synchronization = (int)f.value; break;
        case EK_F_VARIABLE_AGGREGATION: out->aggregation = (int)f.value; break;
        default: break;
        }
    }
}

static ek_status check_modes(const fields *f, ek_error *err)
{
    const int shown = f->name.size < 200 ? (int)f->name.size : 200;

    if (f->synchronization < EK_SYNCHRONIZATION_AUTO || f->synchronization > EK_SYNCHRONIZATION_ON_READ)
        return EK_FAIL(err, INVALID_ARGUMENT, "Invalid variable synchronization mode: %d for variable: %.*s", f->synchronization,
                       shown, (const char *)f->name.at);
    if (f->aggregation < EK_AGGREGATION_NONE || f->aggregation > EK_AGGREGATION_ONLY_FIRST_REPLICA)
        return EK_FAIL(err, INVALID_ARGUMENT, "Invalid variable aggregation mode: %d for variable: %.*s", f->aggregation, shown,
                       (const char *)f->name.at);
    if (f->trainable && f->synchronization == EK_SYNCHRONIZATION_ON_READ)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "Synchronization value can be set to VariableSynchronization.ON_READ only for non-trainable variables. "
                       "You have specified trainable=True and synchronization=VariableSynchronization.ON_READ.");
    return EK_OK;
}

/* Type and shape of what the variable holds, as its node says them. */
static ek_status look_at_node(const ek_node *n, bool resource, ek_variable_info *info, ek_error *err)
{
    const ek_attr_value *type = ek__attr_find(n->attr, n->n_attr, "dtype"), *shape = ek__attr_find(n->attr, n->n_attr, "shape");
    const ek_dtype given = n->out_dtype[0];

    if (resource ? given != EK_RESOURCE && given != EK_DTYPE_NONE : n->spec != NULL && !ek_dtype_is_ref(given))
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' (%s) gives no %s", n->name, n->type,
                       resource ? "resource, though the variable is said to be one" : "reference: it is no variable");
    info->dtype = resource || given == EK_DTYPE_NONE ? EK_DTYPE_NONE : ek_dtype_base(given);
    if (info->dtype == EK_DTYPE_NONE && type != NULL && type->kind == EK_ATTR_TYPE) info->dtype = ek_dtype_base(type->u.type);
    info->shape = resource ? EK_UNKNOWN_SHAPE : n->out_shape[0];
    if (info->shape.rank < 0 && shape != NULL && shape->kind == EK_ATTR_SHAPE) info->shape = *shape->u.shape;
    return EK_OK;
}

/* Old files say nothing of a resource variable's read: it is where it always was. */
static ek_status find_snapshot(const ek_meta_reader *r, const fields *f, ek_variable_info *info, ek_error *err)
{
    const char *name;

    if (f->snapshot.size > 0 || !f->resource) return ek__meta_tensor(r, f->snapshot, &info->snapshot, err);
    name = ek__arena_printf(&r->g->arena, "%s/Read/ReadVariableOp", info->name);
    if (name == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a variable");
    info->snapshot = (ek_edge){ ek__node_find(r->g, name, strlen(name)), 0 };
    if (info->snapshot.node >= 0) return EK_OK;
    return EK_FAIL(err, NOT_FOUND, "The name '%s:0' refers to a Tensor which does not exist. The operation, '%s', does not exist "
                   "in the graph.", name, name);
}

/* Nothing of the reader's text may be needed later: its full name goes under the scope now. */
static ek_status keep_slice(const ek_meta_reader *r, ek_span slice, ek_variable_info *info, ek_error *err)
{
    ek_buf out = { .data = NULL };

    if (slice.at == NULL) return EK_OK;
    ek__scope_fields(r, slice, 1u << EK_F_VARIABLE_NAME, &out);
    if (!out.failed) info->slice = ek__arena_strndup(&r->g->arena, out.data != NULL ? out.data : "", out.size);
    info->slice_size = out.size;
    ek__buf_fini(&out);
    return info->slice != NULL ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a variable");
}

static ek_status read_variable(ek_meta_reader *r, const fields *f, ek_variable_info *info, ek_error *err)
{
    ek_edge node;

    EK_TRY(check_modes(f, err));
    EK_TRY(ek__meta_tensor(r, f->name, &node, err));
    if (node.index != 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "a variable is output 0 of its operation, '%.*s' is not",
                       f->name.size < 200 ? (int)f->name.size : 200, (const char *)f->name.at);
    info->op = node.node;
    info->name = r->g->node[node.node]->name;
    EK_TRY(look_at_node(r->g->node[node.node], f->resource, info, err));
    EK_TRY(ek__meta_op(r, f->initializer, &info->initializer, err));
    EK_TRY(find_snapshot(r, f, info, err));
    if (f->initial_value.size > 0) EK_TRY(ek__meta_tensor(r, f->initial_value, &info->initial_value, err));
    return keep_slice(r, f->slice, info, err);
}

ek_status ek__variable_read(ek_meta_reader *r, ek_span def, bool trains, ek_variable *out, ek_error *err)
{
    ek_graph *g = r->g;
    const int64_t known = ek__map_get(&r->variables, (const char *)def.at, def.size, -1);
    ek_variable_info info = { .initializer = -1, .initial_value = { -1, 0 }, .snapshot = { -1, 0 } }, *kept;
    fields f;

    *out = (ek_variable){ g, (int32_t)known };
    if (known >= 0) return EK_OK;
    EK_TRY(ek__wire_check(ek__proto(EK_PROTO_VARIABLE_DEF), def, NULL, err));
    read_fields(def, &f);
    if (!r->has_trainable) f.trainable = trains;
    EK_TRY(read_variable(r, &f, &info, err));
    info.trainable = f.trainable;
    info.is_resource = f.resource;
    info.synchronization = f.synchronization;
    info.aggregation = f.aggregation;
    kept = ek__arena_memdup(&g->arena, &info, sizeof info);
    if (kept == NULL || !EK_GROW(g->variable, g->cap_variables, g->n_variables + 1) ||
        !ek__map_put(&r->variables, (const char *)def.at, def.size, g->n_variables))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a variable");
    out->id = (int32_t)g->n_variables;
    g->variable[g->n_variables++] = kept;
    return EK_OK;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

void ek__variable_write(ek_buf *b, const ek_graph *g, const ek_variable_info *v)
{
    ek__put_tensor_name(b, EK_F_VARIABLE_NAME, g, (ek_edge){ v->op, 0 });
    if (v->initializer >= 0) ek__put_str(b, EK_F_VARIABLE_INITIALIZER, g->node[v->initializer]->name);
    if (v->snapshot.node >= 0) ek__put_tensor_name(b, EK_F_VARIABLE_SNAPSHOT, g, v->snapshot);
    if (v->slice != NULL) ek__put_bytes(b, EK_F_VARIABLE_SLICE, v->slice, v->slice_size);
    if (v->is_resource) ek__put_int(b, EK_F_VARIABLE_RESOURCE, 1);
    if (v->initial_value.node >= 0) ek__put_tensor_name(b, EK_F_VARIABLE_INITIAL_VALUE, g, v->initial_value);
    if (v->trainable) ek__put_int(b, EK_F_VARIABLE_TRAINABLE, 1);
    if (v->synchronization != 0) ek__put_int(b, EK_F_VARIABLE_SYNCHRONIZATION, v->synchronization);
    if (v->aggregation != 0) ek__put_int(b, EK_F_VARIABLE_AGGREGATION, v->aggregation);
}
