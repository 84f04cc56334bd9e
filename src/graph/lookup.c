/* graph/lookup.c - finding operations and tensors, and asking them things. Nothing here changes a graph. */
#include <stdlib.h>

#include "graph/node.h"

int32_t ek__node_find(const ek_graph *g, const char *name, size_t size)
{
    return (int32_t)ek__map_get(&g->by_name, name, size, -1);
}

ek_status ek__op_by_name(const ek_graph *g, const char *name, ek_op *out, ek_error *err)
{
    const int32_t id = ek__node_find(g, name, strlen(name));

    *out = (ek_op){ (ek_graph *)(uintptr_t)g, id };
    if (id >= 0) return EK_OK;
    if (strchr(name, ':') != NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "Name '%s' appears to refer to a Tensor, not a Operation.", name);
    return EK_FAIL(err, NOT_FOUND, "The name '%s' refers to an Operation not in the graph.", name);
}

/* Why a name without a valid ":index" is no tensor. */
static ek_status not_a_tensor(const ek_graph *g, const char *name, ek_error *err)
{
    if (strchr(name, ':') != NULL)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "The name '%s' looks like a Tensor name, but is not a valid one. Tensor names must be "
                       "of the form \"<op_name>:<output_index>\".",
                       name);
    if (ek__node_find(g, name, strlen(name)) >= 0)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "The name '%s' refers to an Operation, not a Tensor. Tensor names must be of the form "
                       "\"<op_name>:<output_index>\".",
                       name);
    return EK_FAIL(err, INVALID_ARGUMENT,
                   "The name '%s' looks like an (invalid) Operation name, not a Tensor. Tensor names must be "
                   "of the form \"<op_name>:<output_index>\".",
                   name);
}

ek_status ek__tensor_by_name(const ek_graph *g, const char *name, ek_tensor *out, ek_error *err)
{
    const char *colon = strchr(name, ':');
    const size_t size = colon != NULL ? (size_t)(colon - name) : 0;
    int64_t index = 0;

    *out = (ek_tensor){ (ek_graph *)(uintptr_t)g, -1, 0 };
    if (colon == NULL || colon[1] == '\0') return not_a_tensor(g, name, err);
    for (const char *p = colon + 1; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') return not_a_tensor(g, name, err);
        index = index > INT32_MAX ? index : index * 10 + (*p - '0');
    }
    const int32_t id = ek__node_find(g, name, size);
    if (id < 0)
        return EK_FAIL(err, NOT_FOUND,
                       "The name '%s' refers to a Tensor which does not exist. The operation, '%.*s', does not exist "
                       "in the graph.",
                       name, (int)size, name);
    if (index >= g->node[id]->n_out && g->node[id]->spec == NULL)
        return EK_FAIL(err, NOT_FOUND,
                       "The name '%s' refers to a Tensor which does not exist. The operation, '%.*s', is of type %s, "
                       "which has no definition in this library: it only has the outputs that others read, %d.",
                       name, (int)size, name, g->node[id]->type, g->node[id]->n_out);
    if (index >= g->node[id]->n_out)
        return EK_FAIL(err, NOT_FOUND,
                       "The name '%s' refers to a Tensor which does not exist. The operation, '%.*s', exists but only "
                       "has %d outputs.",
                       name, (int)size, name, g->node[id]->n_out);
    *out = (ek_tensor){ (ek_graph *)(uintptr_t)g, id, (int32_t)index };
    return EK_OK;
}

ek_status ek_graph_op_by_name(const ek_graph *g, const char *name, ek_op *out)
{
    ek_error *err = ek__error_begin(NULL);

    if (g == NULL || name == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a graph, a name and a place for the operation are needed");
    return ek__op_by_name(g, name, out, err);
}

ek_status ek_graph_tensor_by_name(const ek_graph *g, const char *name, ek_tensor *out)
{
    ek_error *err = ek__error_begin(NULL);

    if (g == NULL || name == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a graph, a name and a place for the tensor are needed");
    return ek__tensor_by_name(g, name, out, err);
}

int64_t ek_graph_op_count(const ek_graph *g) { return g != NULL ? g->n_nodes : 0; }

ek_op ek_graph_op_at(const ek_graph *g, int64_t i)
{
    const bool ok = g != NULL && i >= 0 && i < g->n_nodes;

    return (ek_op){ (ek_graph *)(uintptr_t)g, ok ? (int32_t)i : -1 };
}

/* ---- one operation or tensor ----------------------------------------------------------------- */

static const ek_node *node_of(ek_op op)
{
    return op.graph != NULL && op.id >= 0 && op.id < op.graph->n_nodes ? op.graph->node[op.id] : NULL;
}

static ek_op dead_op(ek_graph *g) { return (ek_op){ g, -1 }; }

/* The node, if the tensor is one of its outputs. */
static const ek_node *producer(ek_tensor t)
{
    const ek_node *n = node_of((ek_op){ t.graph, t.op });

    return n != NULL && t.index >= 0 && t.index < n->n_out ? n : NULL;
}

const char *ek_op_name(ek_op op) { return node_of(op) != NULL ? node_of(op)->name : ""; }
const char *ek_op_type(ek_op op) { return node_of(op) != NULL ? node_of(op)->type : ""; }
const char *ek_op_device(ek_op op) { return node_of(op) != NULL ? node_of(op)->device : ""; }
int ek_op_output_count(ek_op op) { return node_of(op) != NULL ? node_of(op)->n_out : 0; }
int ek_op_input_count(ek_op op) { return node_of(op) != NULL ? node_of(op)->n_in : 0; }
int ek_op_control_input_count(ek_op op) { return node_of(op) != NULL ? node_of(op)->n_control : 0; }

ek_tensor ek_op_output(ek_op op, int index)
{
    const ek_node *n = node_of(op);

    return n != NULL && index >= 0 && index < n->n_out ? (ek_tensor){ op.graph, op.id, index } : ek__dead(op.graph);
}

ek_tensor ek_op_input(ek_op op, int index)
{
    const ek_node *n = node_of(op);

    return n != NULL && index >= 0 && index < n->n_in ? ek__tensor(op.graph, n->in[index]) : ek__dead(op.graph);
}

ek_op ek_op_control_input(ek_op op, int index)
{
    const ek_node *n = node_of(op);

    return n != NULL && index >= 0 && index < n->n_control ? (ek_op){ op.graph, n->control[index] } : dead_op(op.graph);
}

ek_op ek_tensor_op(ek_tensor t) { return producer(t) != NULL ? (ek_op){ t.graph, t.op } : dead_op(t.graph); }

ek_dtype ek_tensor_dtype(ek_tensor t)
{
    const ek_node *n = producer(t);

    return n != NULL ? n->out_dtype[t.index] : EK_DTYPE_NONE;
}

ek_shape ek_tensor_shape(ek_tensor t)
{
    const ek_node *n = producer(t);

    return n != NULL ? n->out_shape[t.index] : EK_UNKNOWN_SHAPE;
}

int ek_tensor_name(ek_tensor t, char *buf, size_t size)
{
    const ek_node *n = producer(t);

    if (buf == NULL) size = 0;
    return n != NULL ? snprintf(buf, size, "%s:%d", n->name, t.index) : snprintf(buf, size, "%s", "");
}

void ek_set_shape_at(ek_tensor t, ek_shape shape, ek_where where)
{
    const ek_node *n = producer(t);
    char have[256], given[256];

    if (n == NULL) {
        ek__graph_fail(t.graph, where, EK_INVALID_ARGUMENT, "ek_set_shape was given a dead tensor");
        return;
    }
    if (shape.rank > EK_MAX_RANK) {
        ek__graph_fail(t.graph, where, EK_INVALID_ARGUMENT, "a shape of rank %d was given; %d is the limit", shape.rank,
                       EK_MAX_RANK);
        return;
    }
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] < -1) {
            ek__graph_fail(t.graph, where, EK_INVALID_ARGUMENT, "Dimension %lld must be >= 0", (long long)shape.dim[i]);
            return;
        }
    pthread_rwlock_wrlock(&t.graph->lock); /* sessions may be planning */
    const bool fits = ek_shape_merge(&n->out_shape[t.index], &shape, &n->out_shape[t.index]);
    pthread_rwlock_unlock(&t.graph->lock);
    if (fits) return;
    ek_shape_format(&n->out_shape[t.index], have, sizeof have);
    ek_shape_format(&shape, given, sizeof given);
    ek__graph_fail(t.graph, where, EK_INVALID_ARGUMENT, "Shapes %s and %s are not compatible: '%s:%d' has the first, "
                   "ek_set_shape gave the second", have, given, n->name, t.index);
}
