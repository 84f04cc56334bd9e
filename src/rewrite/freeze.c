/* rewrite/freeze.c - a graph with its variables as constants: what convert_variables_to_constants makes, node for node.
 *
 * The new graph is written as a GraphDef and read back, so that it is one like any other from a file.
 */
#include "codec/bundle.h"
#include "codec/fields.h"
#include "codec/wire.h"
#include "evenkeel/rewrite.h"
#include "formats/graph_io.h"
#include "graph/nodedef.h"
#include "runtime/runtime.h"

typedef struct freezer {
    const ek_graph *g;
    const ek_freeze_options *o;
    bool *kept;          /* by node */
    int32_t *variable;   /* by node: the VarHandleOp whose handle it gives; NOT_ASKED, NONE */
    int32_t *list;       /* nodes to look at, or on the way */
    ek_bundle *values;   /* the checkpoint; NULL: the session has the values */
    ek_buf out;          /* the GraphDef */
    ek_error *err;
} freezer;
enum { NOT_ASKED = -1, NONE = -2, ON_THE_WAY = -3 };

static bool is(const ek_node *n, const char *type) { return strcmp(n->type, type) == 0; }
static bool is_handle(const ek_node *n) { return is(n, "VarHandleOp"); }
static ek_status no_memory(const freezer *f)
{
    return EK_FAIL(f->err, RESOURCE_EXHAUSTED, "no memory for a frozen graph");
}

/* ---- what is kept ------------------------------------------------------------------------------------------- */

static void keep(freezer *f, int32_t id, int64_t *n)
{
    if (f->kept[id]) return;
    f->kept[id] = true;
    f->list[(*n)++] = id;
}

static ek_status keep_outputs(freezer *f, int64_t *n)
{
    for (int64_t i = 0; i < f->o->outputs.count; i++) {
        const ek_item *item = &f->o->outputs.item[i];
        const ek_op op = item->kind == EK_ITEM_OP ? item->u.op
                         : item->kind == EK_ITEM_TENSOR ? ek_tensor_op(item->u.tensor) : (ek_op){ NULL, -1 };
        if (!ek__op_in(f->g, op))
            return EK_FAIL(f->err, INVALID_ARGUMENT, "output %lld is no operation or tensor of the graph",
                           (long long)i);
        keep(f, op.id, n);
    }
    return *n > 0 ? EK_OK : EK_FAIL(f->err, INVALID_ARGUMENT, "nothing is to be kept: name the outputs");
}

static ek_status find_kept(freezer *f)
{
    int64_t n = 0;

    EK_TRY(keep_outputs(f, &n));
    while (n > 0) {
        const ek_node *node = f->g->node[f->list[--n]];
        for (int32_t k = 0; k < node->n_in; k++) keep(f, node->in[k].node, &n);
        for (int32_t k = 0; k < node->n_control; k++) keep(f, node->control[k], &n);
    }
    return EK_OK;
}

/* ---- handles of resource variables ----------------------------------------------------------------------------- */

/* Gives on what it gets: with T the type of a value, it does the same for values. */
static bool hands_on(const ek_node *n)
{
    static const char *const type[] = { "Identity", "Switch", "Merge", "Enter", "Exit", "NextIteration" };

    for (int i = 0; i < EK_COUNT_OF(type); i++)
        if (is(n, type[i])) return n->n_in > 0 && n->in_dtype[0] == EK_RESOURCE;
    return false;
}

/* The variable behind what a node gives, NONE: it is another kind of resource. Each node is asked once. */
static int32_t behind(freezer *f, int32_t id)
{
    int64_t n = 0;
    int32_t found;

    while (f->variable[id] == NOT_ASKED) {
        const ek_node *node = f->g->node[id];
        f->variable[id] = is_handle(node) ? id : hands_on(node) ? ON_THE_WAY : NONE;
        if (f->variable[id] != ON_THE_WAY) break;
        f->list[n++] = id;
        id = node->in[0].node;
    }
    found = f->variable[id] == ON_THE_WAY ? NONE : f->variable[id]; /* in a circle without a beginning */
    while (n > 0) f->variable[f->list[--n]] = found;
    return found;
}

static ek_status cannot_be_constant(const freezer *f, const ek_node *n, const char *does, const ek_node *variable)
{
    (void)EK_FAIL(f->err, INVALID_ARGUMENT,
                  "operation '%s' of type %s %s the variable '%s', which a constant cannot be: freeze outputs that do "
                  "not need it (a branch for training may stand in their way)",
                  n->name, n->type, does, variable->name);
    ek__fail_node(f->err, n->name);
    return EK_INVALID_ARGUMENT;
}

/* Whether constants can stand for all variables that a node uses. */
static ek_status check_inputs(freezer *f, const ek_node *n)
{
    if (hands_on(n)) (void)behind(f, n->id);
    for (int32_t k = 0; k < n->n_in; k++) {
        const ek_node *from = f->g->node[n->in[k].node];
        if (ek_dtype_is_ref(n->in_dtype[k])) return cannot_be_constant(f, n, "takes by reference", from);
        if (n->in_dtype[k] != EK_RESOURCE) continue;
        const int32_t v = behind(f, n->in[k].node);
        if (is(n, "ReadVariableOp") && v < 0)
            return EK_FAIL(f->err, INVALID_ARGUMENT,
                           "Cannot find the variable that is an input to the ReadVariableOp '%s'.", n->name);
        if (v >= 0 && !hands_on(n) && !is(n, "ReadVariableOp") && !is(n, "ResourceGather"))
            return cannot_be_constant(f, n, "uses the handle of", f->g->node[v]);
    }
    return EK_OK;
}

/* ---- nodes, written ------------------------------------------------------------------------------------------------ */

static void put_node(freezer *f, const ek_node *n)
{
    const size_t mark = ek__put_open(&f->out, EK_F_GRAPH_NODE);
    ek__nodedef_write(&f->out, f->g, n);
    ek__put_close(&f->out, mark);
}

static void put_const(freezer *f, const char *name, ek_array *value)
{
    ek_attr attr[] = { { "dtype", { .kind = EK_ATTR_TYPE } }, { "value", { .kind = EK_ATTR_TENSOR } } };

    attr[0].value.u.type = value->dtype;
    attr[1].value.u.tensor = value;
    put_node(f, &(ek_node){ .name = name, .type = "Const", .device = "", .attr = attr, .n_attr = 2 });
}

/* The attribute, under another name if need be; left out where the node has none. */
static int take_attr(const ek_node *n, const char *name, const char *as, ek_attr *out)
{
    const ek_attr_value *v = ek__attr_find(n->attr, n->n_attr, name);

    if (v == NULL) return 0;
    *out = (ek_attr){ as, *v };
    return 1;
}

/* Control inputs are left out: nothing is written any more that a read has to wait for. */
static void put_read(freezer *f, const ek_node *n)
{
    ek_attr attr[2];
    int n_attr = take_attr(n, "dtype", "T", attr);

    n_attr += take_attr(n, "_class", "_class", attr + n_attr);
    put_node(f, &(ek_node){ .name = n->name, .type = "Identity", .device = "", .in = n->in, .n_in = 1, .attr = attr,
                            .n_attr = n_attr });
}

/* A GatherV2 along the first axis, which is a constant of its own. */
static ek_status put_gather(freezer *f, const ek_node *n)
{
    const ek_attr_value *batch = ek__attr_find(n->attr, n->n_attr, "batch_dims");
    const ek_attr_value *index = ek__attr_find(n->attr, n->n_attr, "Tindices");
    ek_attr attr[4];
    ek_array *zero = NULL;
    ek_buf axis = { .data = NULL };
    int n_attr = 0;

    if (batch != NULL && batch->kind == EK_ATTR_INT && batch->u.i != 0)
        return EK_FAIL(f->err, UNIMPLEMENTED, "'%s': a ResourceGather with batch_dims = %lld is not frozen", n->name,
                       (long long)batch->u.i);
    if (index == NULL || index->kind != EK_ATTR_TYPE || n->n_in != 2)
        return EK_FAIL(f->err, INVALID_ARGUMENT, "'%s' is no ResourceGather that is understood", n->name);
    EK_TRY(ek__array_new(index->u.type, &EK_SCALAR, NULL, &zero, f->err));
    ek__buf_printf(&axis, "%s/axis", n->name);
    f->out.failed |= axis.failed;
    if (!axis.failed) put_const(f, axis.data, zero);
    ek_array_unref(zero);
    n_attr += take_attr(n, "dtype", "Tparams", attr);
    n_attr += take_attr(n, "Tindices", "Tindices", attr + n_attr);
    n_attr += take_attr(n, "Tindices", "Taxis", attr + n_attr);
    n_attr += take_attr(n, "_class", "_class", attr + n_attr);
    const size_t mark = ek__put_open(&f->out, EK_F_GRAPH_NODE);
    ek__nodedef_write(&f->out, f->g, &(ek_node){ .name = n->name, .type = "GatherV2", .device = "", .in = n->in,
                                                 .n_in = 2, .attr = attr, .n_attr = n_attr });
    if (!axis.failed) ek__put_str(&f->out, EK_F_NODE_INPUT, axis.data); /* the third */
    ek__put_close(&f->out, mark);
    ek__buf_fini(&axis);
    return EK_OK;
}

/* What handed a handle on hands the value on. */
static ek_status put_handed_on(freezer *f, const ek_node *n)
{
    const ek_node *variable = f->g->node[f->variable[n->id]];
    const ek_attr_value *dtype = ek__attr_find(variable->attr, variable->n_attr, "dtype");
    ek_attr *attr = ek__alloc((size_t)(n->n_attr + 1) * sizeof *attr);
    ek_node changed = *n;
    int kept = 0;

    if (attr == NULL) return no_memory(f);
    for (int i = 0; i < n->n_attr; i++) {
        if (strcmp(n->attr[i].name, "_output_shapes") == 0) continue;
        attr[kept] = n->attr[i];
        if (strcmp(n->attr[i].name, "T") == 0 && dtype != NULL) attr[kept].value = *dtype;
        kept++;
    }
    changed.raw = NULL;
    changed.attr = attr;
    changed.n_attr = kept;
    put_node(f, &changed);
    ek__free(attr);
    return EK_OK;
}

/* As it is, but for the shapes that only MetaGraphs carry. */
static void put_as_it_is(freezer *f, const ek_node *n)
{
    ek_wire w = ek__wire_open((ek_span){ n->raw, n->raw_size }, NULL, NULL);
    ek_wire_field field;

    if (n->raw == NULL) {
        put_node(f, n);
        return;
    }
    const size_t mark = ek__put_open(&f->out, EK_F_GRAPH_NODE);
    while (ek__wire_next(&w, &field)) {
        const ek_span key =
            field.number == EK_F_NODE_ATTR ? ek__wire_bytes_of(field.bytes, EK_F_ENTRY_KEY) : (ek_span){ NULL, 0 };
        if (key.size == strlen("_output_shapes") && memcmp(key.at, "_output_shapes", key.size) == 0) continue;
        ek__buf_add(&f->out, field.whole.at, field.whole.size);
    }
    ek__put_close(&f->out, mark);
}

/* The value of a variable in the checkpoint. */
static ek_status stored_value(freezer *f, const ek_node *n, ek_array **out)
{
    const ek_bundle_entry *e = ek__bundle_find(f->values, n->name);
    const ek_attr_value *dtype = ek__attr_find(n->attr, n->n_attr, "dtype"),
                        *shape = ek__attr_find(n->attr, n->n_attr, "shape");
    char here[256], there[256];

    if (e == NULL) return EK_FAIL(f->err, NOT_FOUND, "Key %s not found in checkpoint", n->name);
    if (dtype != NULL && dtype->kind == EK_ATTR_TYPE && dtype->u.type != e->dtype)
        return EK_FAIL(f->err, INVALID_ARGUMENT, "variable '%s' is %s, in the checkpoint it is %s", n->name,
                       ek_dtype_name(dtype->u.type), ek_dtype_name(e->dtype));
    if (shape != NULL && shape->kind == EK_ATTR_SHAPE && !ek_shape_compatible(shape->u.shape, &e->shape)) {
        ek_shape_format(shape->u.shape, here, sizeof here);
        ek_shape_format(&e->shape, there, sizeof there);
        return EK_FAIL(f->err, INVALID_ARGUMENT, "variable '%s' has shape %s, in the checkpoint %s", n->name, here,
                       there);
    }
    return ek__bundle_read(f->values, e, NULL, out, f->err);
}

static ek_status put_variable(freezer *f, const ek_node *n)
{
    ek_array *value = NULL;
    ek_status st;

    st = f->values != NULL ? stored_value(f, n, &value) : ek__session_value(f->o->session, n, &value, f->err);
    if (st == EK_OK) put_const(f, n->name, value);
    else ek__fail_node(f->err, n->name);
    ek_array_unref(value);
    return st;
}

static ek_status write_graph(freezer *f)
{
    for (int64_t i = 0; i < f->g->n_nodes; i++) {
        const ek_node *n = f->g->node[i];
        if (!f->kept[i]) continue;
        if (ek__is_variable_node(n)) EK_TRY(put_variable(f, n));
        else if (is(n, "ReadVariableOp")) put_read(f, n);
        else if (is(n, "ResourceGather")) EK_TRY(put_gather(f, n));
        else if (f->variable[i] >= 0) EK_TRY(put_handed_on(f, n));
        else put_as_it_is(f, n);
    }
    ek__graph_write_rest(&f->out, f->g);
    return f->out.failed ? no_memory(f) : EK_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------- */

static ek_status freeze(freezer *f)
{
    const size_t n = (size_t)f->g->n_nodes;
    ek_source *source = NULL;
    ek_status st;

    f->kept = ek__calloc(n + 1, sizeof *f->kept);
    f->variable = ek__calloc(n + 1, sizeof *f->variable);
    f->list = ek__calloc(n + 1, sizeof *f->list);
    if (f->kept == NULL || f->variable == NULL || f->list == NULL) return no_memory(f);
    for (size_t i = 0; i < n; i++) f->variable[i] = NOT_ASKED;
    EK_TRY(find_kept(f));
    for (size_t i = 0; i < n; i++)
        if (f->kept[i]) EK_TRY(check_inputs(f, f->g->node[i]));
    EK_TRY(write_graph(f));
    if (f->out.size > EK_WIRE_MAX_BYTES)
        return EK_FAIL(f->err, RESOURCE_EXHAUSTED, "the frozen graph takes %zu bytes; a GraphDef has at most 2 GiB",
                       f->out.size);
    EK_TRY(ek__source_take(&f->out, &source, f->err));
    st = ek__graph_import(source, (ek_span){ source->data, source->size }, f->o->out, f->err);
    ek__source_unref(source);
    return st;
}

static ek_status check_options(const ek_graph *g, const ek_freeze_options *o, ek_error *err)
{
    if (o->out == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no place for the frozen graph");
    *o->out = NULL;
    if (g == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no graph");
    if (g->error.code != EK_OK) return ek__error_copy(err, &g->error);
    if (o->outputs.count < 0 || (o->outputs.item == NULL && o->outputs.count > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "%lld outputs at NULL", (long long)o->outputs.count);
    if ((o->session == NULL) == (o->checkpoint == NULL))
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "the values of variables come from a session or from a checkpoint: give one of them");
    if (o->session != NULL && o->session->graph != g)
        return EK_FAIL(err, INVALID_ARGUMENT, "the session is one of another graph");
    return EK_OK;
}

ek_status ek_freeze_with(const ek_graph *g, const ek_freeze_options *o, ek_where where)
{
    freezer f = { .g = g, .o = o };
    ek_status st;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    f.err = ek__error_begin(o->error);
    EK_TRY(check_options(g, o, f.err));
    st = o->checkpoint != NULL ? ek__bundle_open(o->checkpoint, &f.values, f.err) : EK_OK;
    if (st == EK_OK) st = freeze(&f);
    ek__bundle_close(f.values);
    ek__free(f.kept);
    ek__free(f.variable);
    ek__free(f.list);
    ek__buf_fini(&f.out);
    return st;
}
