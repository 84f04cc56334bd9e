/* runtime/check.c - TensorFlow's checks of a run, in its order: the graph, each feed in turn, the fetches.
 *
 * They are made once per signature: a request whose plan is found has passed them.
 */
#include "runtime/runtime.h"

#include "graph/node.h"

static bool in_graph(const ek_session *s, ek_edge e)
{
    return e.node >= 0 && e.node < s->graph->n_nodes && e.index >= 0 && e.index < s->graph->node[e.node]->n_out;
}

/* The tensor's own graph, which the flat request no longer knows. */
static const char *why_foreign(const ek_session *s, const ek_graph *graph, int32_t node, char *buf, size_t size)
{
    if (node < 0)
        snprintf(buf, size, "it is dead: building it failed");
    else if (graph != s->graph)
        snprintf(buf, size, "it is not an element of this graph");
    else
        snprintf(buf, size, "there is no such output");
    return buf;
}

static const ek_feed *feed_at(const ek_run_options *o, int32_t i)
{
    for (int32_t n = 0; n < EK_RUN_INLINE; n++) {
        const ek_feed *f = &o->feed[n];

        if (f->tensor.graph == NULL && f->tensor.op == 0 && f->tensor.index == 0 && f->value == NULL)
            return &o->feeds[i - n];
        if (n == i) return f;
    }
    return &o->feeds[i - EK_RUN_INLINE];
}

static const ek_fetch *fetch_at(const ek_run_options *o, int32_t i)
{
    int32_t n = 0;

    while (n < EK_RUN_INLINE) {
        const ek_fetch *f = &o->fetch[n];

        if (f->tensor.graph == NULL && f->tensor.op == 0 && f->tensor.index == 0 && f->value == NULL) break;
        if (n++ == i) return f;
    }
    return i - n < o->n_fetches ? &o->fetches[i - n] : NULL; /* beyond: an item of `also` */
}

static ek_status check_feed_shape(const ek_node *n, ek_edge e, const ek_array *value, ek_error *err)
{
    char given[400], wanted[400];

    if (value->dtype != ek_dtype_base(n->out_dtype[e.index]))
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "Cannot feed value of type %s for Tensor '%s:%d', which has type %s; convert the array first",
                       ek_dtype_name(value->dtype), n->name, e.index,
                       ek_dtype_name(ek_dtype_base(n->out_dtype[e.index])));
    if (ek_shape_compatible(&value->shape, &n->out_shape[e.index])) return EK_OK;
    ek_shape_format(&value->shape, given, sizeof given);
    ek_shape_format(&n->out_shape[e.index], wanted, sizeof wanted);
    return EK_FAIL(err, INVALID_ARGUMENT, "Cannot feed value of shape %s for Tensor '%s:%d', which has shape '%s'",
                   given, n->name, e.index, wanted);
}

static ek_status check_feed(const ek_session *s, const ek_run_options *o, const ek_request *r, int32_t i, ek_error *err)
{
    const ek_edge e = r->feed[i];
    const ek_feed *f = feed_at(o, i);
    char why[80];

    if (f->tensor.graph != s->graph || !in_graph(s, e))
        return EK_FAIL(err, INVALID_ARGUMENT, "Cannot interpret feed_dict key as Tensor: feed %d: %s", i,
                       why_foreign(s, f->tensor.graph, e.node, why, sizeof why));
    const ek_node *n = s->graph->node[e.node];
    if (r->value[i] == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "the feed of '%s:%d' has no value", n->name, e.index);
    EK_TRY(check_feed_shape(n, e, r->value[i], err));
    if (n->unfeedable || n->out_dtype[e.index] == EK_RESOURCE || n->out_dtype[e.index] == EK_VARIANT)
        return EK_FAIL(err, INVALID_ARGUMENT, "Tensor %s:%d may not be fed.", n->name, e.index);
    for (int32_t k = 0; k < i; k++)
        if (r->feed[k].node == e.node && r->feed[k].index == e.index)
            return EK_FAIL(err, INVALID_ARGUMENT, "Endpoint \"%s:%d\" fed more than once.", n->name, e.index);
    return EK_OK;
}

static ek_status check_fetch(const ek_session *s, const ek_run_options *o, const ek_request *r, int32_t i,
                             ek_error *err)
{
    const ek_edge e = r->fetch[i];
    const ek_fetch *f = fetch_at(o, i);
    char why[80];

    if ((f != NULL && f->tensor.graph != s->graph) || !in_graph(s, e))
        return EK_FAIL(err, INVALID_ARGUMENT, "Fetch argument %d cannot be interpreted as a Tensor. (%s)", i,
                       why_foreign(s, f != NULL ? f->tensor.graph : s->graph, e.node, why, sizeof why));
    const ek_node *n = s->graph->node[e.node];
    if (n->unfetchable)
        return EK_FAIL(err, INVALID_ARGUMENT, "Operation '%s' has been marked as not fetchable.", n->name);
    if (n->out_dtype[e.index] == EK_RESOURCE || n->out_dtype[e.index] == EK_VARIANT)
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s:%d' is a %s and has no value to fetch; read the variable instead",
                       n->name, e.index, ek_dtype_name(n->out_dtype[e.index]));
    return EK_OK;
}

static ek_status check_target(const ek_session *s, const ek_request *r, int32_t i, ek_error *err)
{
    const int32_t id = r->target[i];

    if (id < 0 || id >= s->graph->n_nodes)
        return EK_FAIL(err, INVALID_ARGUMENT, "Fetch argument (target %d) cannot be interpreted as an Operation. (%s)",
                       i, id < 0 ? "it is dead: building it failed" : "it is not an element of this graph");
    if (s->graph->node[id]->unfetchable)
        return EK_FAIL(err, INVALID_ARGUMENT, "Operation '%s' has been marked as not fetchable.",
                       s->graph->node[id]->name);
    return EK_OK;
}

static ek_status check_target_graphs(const ek_session *s, const ek_run_options *o, ek_error *err)
{
    for (int32_t i = 0; i < EK_RUN_INLINE && !(o->target[i].graph == NULL && o->target[i].id == 0); i++)
        if (o->target[i].graph != s->graph && o->target[i].id >= 0)
            return EK_FAIL(err, INVALID_ARGUMENT, "target %d is not an element of this graph", i);
    for (int64_t i = 0; i < o->n_targets; i++)
        if (o->targets[i].graph != s->graph && o->targets[i].id >= 0)
            return EK_FAIL(err, INVALID_ARGUMENT, "target %lld is not an element of this graph", (long long)i);
    for (int64_t i = 0; o->also.item != NULL && i < o->also.count; i++) {
        const ek_item *item = &o->also.item[i];

        if ((item->kind == EK_ITEM_OP && item->u.op.graph != s->graph) ||
            (item->kind == EK_ITEM_TENSOR && item->u.tensor.graph != s->graph) ||
            (item->kind == EK_ITEM_VARIABLE && item->u.variable.graph != s->graph))
            return EK_FAIL(err, INVALID_ARGUMENT, "item %lld of the list is not an element of this graph",
                           (long long)i);
    }
    return EK_OK;
}

ek_status ek__request_check(const ek_session *s, const ek_run_options *o, const ek_request *r, ek_error *err)
{
    if (s->graph->error.code != EK_OK) return ek__error_copy(err, &s->graph->error);
    if (s->graph->n_nodes == 0)
        return EK_FAIL(err, FAILED_PRECONDITION,
                       "The Session graph is empty.  Add operations to the graph before calling run().");
    for (int32_t i = 0; i < r->n_feeds; i++) EK_TRY(check_feed(s, o, r, i, err));
    for (int32_t i = 0; i < r->n_fetches; i++) EK_TRY(check_fetch(s, o, r, i, err));
    for (int32_t i = 0; i < r->n_targets; i++) EK_TRY(check_target(s, r, i, err));
    EK_TRY(check_target_graphs(s, o, err));
    if (r->n_fetches == 0 && r->n_targets == 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "Must specify at least one target to fetch or execute.");
    return EK_OK;
}
