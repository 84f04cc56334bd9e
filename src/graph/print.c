/* graph/print.c - the printed forms of operations, tensors, variables and lists, and the graph for
 * Graphviz. */
#include "codec/text.h"
#include "graph/dot.h"
#include "graph/nodedef.h"
#include "graph/scope.h"

/* The text as the caller's own string; NULL without memory. */
static char *given(ek_buf *b)
{
    if (b->data == NULL && !b->failed) ek__buf_str(b, "");
    if (b->failed) {
        ek__buf_fini(b);
        (void)EK_FAIL(ek__error_begin(NULL), RESOURCE_EXHAUSTED, "no memory for a printed form");
        return NULL;
    }
    return b->data;
}

static void put_shape(ek_buf *b, const ek_shape *s)
{
    char text[512]; /* 16 dimensions of 20 digits fit */

    ek_shape_format(s, text, sizeof text);
    ek__buf_str(b, text);
}

static void put_op_repr(ek_buf *b, ek_op op)
{
    ek__buf_printf(b, "<tf.Operation '%s' type=%s>", ek_op_name(op), ek_op_type(op));
}

static void put_tensor_repr(ek_buf *b, ek_tensor t)
{
    const ek_shape shape = ek_tensor_shape(t);

    ek__buf_printf(b, "<tf.Tensor '%s:%d' shape=", ek_op_name(ek_tensor_op(t)), t.index);
    put_shape(b, &shape);
    ek__buf_printf(b, " dtype=%s>", ek_dtype_name(ek_tensor_dtype(t)));
}

static const ek_variable_info *variable_of(ek_variable v)
{
    return v.graph != NULL && v.id >= 0 && v.id < v.graph->n_variables ? v.graph->variable[v.id] : NULL;
}

static void put_variable_repr(ek_buf *b, ek_variable v)
{
    const ek_variable_info *info = variable_of(v);

    if (info == NULL) {
        ek__buf_str(b, "<dead variable>");
        return;
    }
    ek__buf_printf(b, "<tf.Variable '%s:0' shape=", info->name);
    put_shape(b, &info->shape);
    ek__buf_printf(b, " dtype=%s>", ek_dtype_name(info->is_resource ? info->dtype : ek_dtype_ref(info->dtype)));
}

/* As Python quotes: single quotes unless the text has some and no double ones. */
static void put_quoted(ek_buf *b, const char *s)
{
    const char quote = strchr(s, '\'') != NULL && strchr(s, '"') == NULL ? '"' : '\'';

    ek__buf_add(b, &quote, 1);
    for (; *s != '\0'; s++) {
        if (*s == quote || *s == '\\') ek__buf_str(b, "\\");
        if (*s == '\n') ek__buf_str(b, "\\n");
        else if ((unsigned char)*s < ' ') ek__buf_printf(b, "\\x%02x", (unsigned)*s);
        else ek__buf_add(b, s, 1);
    }
    ek__buf_add(b, &quote, 1);
}

/* b'\x08\x01' */
static void put_bytes(ek_buf *b, const uint8_t *at, size_t size)
{
    ek__buf_str(b, "b'");
    for (size_t i = 0; i < size; i++) {
        if (at[i] == '\'' || at[i] == '\\') ek__buf_printf(b, "\\%c", at[i]);
        else if (at[i] < ' ' || at[i] > '~') ek__buf_printf(b, "\\x%02x", (unsigned)at[i]);
        else ek__buf_add(b, &at[i], 1);
    }
    ek__buf_str(b, "'");
}

static void put_real(ek_buf *b, double v)
{
    char text[40];

    ek__format_double(text, v);
    ek__buf_str(b, text);
}

static void put_item_repr(ek_buf *b, ek_graph *g, ek_item item)
{
    switch (item.kind) {
    case EK_ITEM_OP: put_op_repr(b, item.u.op); break;
    case EK_ITEM_TENSOR: put_tensor_repr(b, item.u.tensor); break;
    case EK_ITEM_VARIABLE: put_variable_repr(b, item.u.variable); break;
    case EK_ITEM_STRING: put_quoted(b, ek_item_name(g, item)); break;
    case EK_ITEM_INT: ek__buf_printf(b, "%lld", (long long)item.u.integer); break;
    case EK_ITEM_FLOAT: put_real(b, item.u.real); break;
    case EK_ITEM_BYTES:
    case EK_ITEM_ANY: put_bytes(b, item.u.bytes.data, item.u.bytes.size); break;
    case EK_ITEM_CONTEXT: ek__buf_printf(b, "<control-flow context '%s'>", ek_item_name(g, item)); break;
    default: ek__buf_str(b, "None");
    }
}

char *ek_op_repr(ek_op op)
{
    ek_buf b = { 0 };

    put_op_repr(&b, op);
    return given(&b);
}

char *ek_op_str(ek_op op)
{
    ek_buf wire = { 0 }, text = { 0 };
    ek_error *err = ek__error_begin(NULL);

    if (op.graph == NULL || op.id < 0 || op.id >= op.graph->n_nodes) return given(&text);
    ek__nodedef_write(&wire, op.graph, op.graph->node[op.id]);
    if (wire.failed) text.failed = true;
    else if (ek__text_print(ek__proto(EK_PROTO_NODE_DEF), (ek_span){ (const uint8_t *)wire.data, wire.size }, 0, &text,
                            err) != EK_OK)
        text.failed = true;
    ek__buf_fini(&wire);
    return given(&text);
}

char *ek_tensor_repr(ek_tensor t)
{
    ek_buf b = { 0 };

    put_tensor_repr(&b, t);
    return given(&b);
}

char *ek_tensor_str(ek_tensor t)
{
    const ek_shape shape = ek_tensor_shape(t);
    const char *device = ek_op_device(ek_tensor_op(t));
    ek_buf b = { 0 };

    ek__buf_printf(&b, "Tensor(\"%s:%d\"", ek_op_name(ek_tensor_op(t)), t.index);
    if (shape.rank >= 0) {
        ek__buf_str(&b, ", shape=");
        put_shape(&b, &shape);
    }
    ek__buf_printf(&b, ", dtype=%s", ek_dtype_name(ek_tensor_dtype(t)));
    if (device[0] != '\0') ek__buf_printf(&b, ", device=%s", device);
    ek__buf_str(&b, ")");
    return given(&b);
}

char *ek_variable_repr(ek_variable v)
{
    ek_buf b = { 0 };

    put_variable_repr(&b, v);
    return given(&b);
}

char *ek_list_repr(ek_list list)
{
    ek_buf b = { 0 };

    ek__buf_str(&b, "[");
    for (int64_t i = 0; list.item != NULL && i < list.count; i++) {
        if (i > 0) ek__buf_str(&b, ", ");
        put_item_repr(&b, list.graph, list.item[i]);
    }
    ek__buf_str(&b, "]");
    return given(&b);
}

/* ---- Graphviz -------------------------------------------------------------------------------- */

void ek__dot_text(ek_buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') ek__buf_add(b, "\\", 1);
        ek__buf_add(b, *s > 0 && *s < ' ' ? "?" : s, 1);
    }
}

void ek__dot_begin(ek_buf *b) { ek__buf_str(b, "digraph graph_ {\n  node [shape=box];\n"); }

void ek__dot_end(ek_buf *b) { ek__buf_str(b, "}\n"); }

/* Names of operations hold nothing that Graphviz would have to be told about: letters, digits and "_.-/". */
void ek__dot_node(ek_buf *b, const ek_node *n)
{
    ek__buf_printf(b, "  \"%s\" [label=\"%s\\n", n->name, n->name);
    ek__dot_text(b, n->type);
    for (int32_t k = 0; k < n->n_out; k++) {
        ek__buf_printf(b, "\\n%s", ek_dtype_name(n->out_dtype[k]));
        put_shape(b, &n->out_shape[k]);
    }
    ek__buf_str(b, "\"];\n");
}

void ek__dot_edge(ek_buf *b, const char *tail, const char *head, const char *tail_label, const char *head_label)
{
    ek__buf_printf(b, "  \"%s\" -> \"%s\"", tail, head);
    if (tail_label != NULL) ek__buf_printf(b, " [taillabel=\"%s\"]", tail_label);
    if (head_label != NULL) ek__buf_printf(b, " [headlabel=\"%s\"]", head_label);
    ek__buf_str(b, ";\n");
}

void ek__dot_control_edge(ek_buf *b, const char *tail, const char *head)
{
    ek__buf_printf(b, "  \"%s\" -> \"%s\" [style=dashed];\n", tail, head);
}

const char *ek__dot_index(int32_t index, char buf[12])
{
    if (index == 0) return NULL;
    snprintf(buf, 12, "%d", (int)index);
    return buf;
}

static void put_dot_edges(ek_buf *b, const ek_graph *g, const ek_node *n)
{
    char index[12];

    for (int32_t i = 0; i < n->n_in; i++)
        ek__dot_edge(b, g->node[n->in[i].node]->name, n->name, ek__dot_index(n->in[i].index, index), NULL);
    for (int32_t i = 0; i < n->n_control; i++) ek__dot_control_edge(b, g->node[n->control[i]]->name, n->name);
}

char *ek_graph_dot(const ek_graph *g)
{
    ek_buf b = { 0 };

    ek__dot_begin(&b);
    for (int64_t i = 0; g != NULL && i < g->n_nodes; i++) ek__dot_node(&b, g->node[i]);
    for (int64_t i = 0; g != NULL && i < g->n_nodes; i++) put_dot_edges(&b, g, g->node[i]);
    ek__dot_end(&b);
    return given(&b);
}
