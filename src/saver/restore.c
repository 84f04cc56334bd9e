/* saver/restore.c - restoring: what the graph asks for is held against the checkpoint, then its restore operation
 * runs.
 *
 * TensorFlow finds a mismatch while it assigns, when other variables are restored already, and of a resource
 * variable not at all. Here nothing is assigned unless everything fits.
 */
#include "codec/bundle.h"
#include "runtime/runtime.h"
#include "saver/saver.h"

typedef struct restoring {
    const ek_graph *g;
    ek_bundle *bundle;
    bool *seen; /* nodes that were looked at */
    ek_error *err;
} restoring;

/* ---- errors in TensorFlow's words ------------------------------------------------------------------------- */

static ek_status wrap(ek_error *err, const ek_error *why)
{
    const char *reason = why->code == EK_NOT_FOUND ? "a Variable name or other graph key that is missing"
                                                   : "a mismatch between the current graph and the graph";

    if (why->code != EK_NOT_FOUND && why->code != EK_INVALID_ARGUMENT) return ek__error_copy(err, why);
    (void)ek__fail(
        err, why->code, why->file, why->line,
        "Restoring from checkpoint failed. This is most likely due to %s from the checkpoint. Please ensure that you "
        "have not altered the graph expected based on the checkpoint. Original error:\n\n%s",
        reason, why->text);
    memcpy(err->node, why->node, sizeof err->node);
    return err->code;
}

/* ---- what the graph asks for --------------------------------------------------------------------------------- */

/* Element `i` of a Const of strings, with a NUL behind it as long as it fits; false: it is none. */
static bool string_at(const ek_graph *g, ek_edge e, int32_t i, char *out, size_t size)
{
    const ek_array *names = g->node[e.node]->constant;

    if (names == NULL || names->dtype != EK_STRING || i < 0 || i >= names->count) return false;
    const ek_string *s = (const ek_string *)names->data + i;
    if (s->size >= size) return false;
    if (s->size > 0) memcpy(out, s->data, s->size);
    out[s->size] = '\0';
    return true;
}

static ek_status missing(const restoring *r, const ek_node *restore, const char *key)
{
    const bool objects = ek__bundle_find(r->bundle, "_CHECKPOINTABLE_OBJECT_GRAPH") != NULL;

    ek_status st =
        EK_FAIL(r->err, NOT_FOUND, "Key %.200s not found in checkpoint\n\t [[{{node %.150s}}]]%s", key, restore->name,
                objects ? "\nIt is an object-based checkpoint of TensorFlow 2, whose tensors have other names: list "
                          "them, and give those to a saver"
                        : "");
    ek__fail_node(r->err, restore->name);
    return st;
}

static ek_status mismatch(const restoring *r, const ek_node *assign, const char *variable, const ek_shape *here,
                          const ek_shape *there)
{
    char a[256], b[256];
    ek_status st;

    ek_shape_format_cc(here, a, sizeof a);
    ek_shape_format_cc(there, b, sizeof b);
    st = EK_FAIL(r->err, INVALID_ARGUMENT,
                 "Assign requires shapes of both tensors to match. lhs shape= %s rhs shape= %s\n"
                 "\t [[{{node %.100s}}]]\nThe variable is %.120s",
                 a, b, assign->name, variable);
    ek__fail_node(r->err, assign->name);
    return st;
}

/* The shape that a variable has, whatever it is given; unknown where it takes any. */
static ek_shape wanted_shape(const restoring *r, const ek_node *assign)
{
    const ek_node *variable = r->g->node[assign->in[0].node];
    const ek_attr_value *validate = ek__attr_find(assign->attr, assign->n_attr, "validate_shape");
    const ek_attr_value *shape = ek__attr_find(variable->attr, variable->n_attr, "shape");
    const bool resource = strcmp(assign->type, "AssignVariableOp") == 0;

    if (!resource && validate != NULL && validate->kind == EK_ATTR_BOOL && !validate->u.b) return EK_UNKNOWN_SHAPE;
    return shape != NULL && shape->kind == EK_ATTR_SHAPE ? *shape->u.shape : EK_UNKNOWN_SHAPE;
}

/* A variable that is given a tensor of the checkpoint. Anything that is not plain is left to the run. */
static ek_status check_assign(const restoring *r, const ek_node *assign)
{
    ek_edge e = assign->n_in == 2 ? assign->in[1] : (ek_edge){ -1, 0 };
    char key[1024], slice[1024];
    bool reshaped = false;

    while (e.node >= 0 &&
           (strcmp(r->g->node[e.node]->type, "Identity") == 0 || strcmp(r->g->node[e.node]->type, "Reshape") == 0)) {
        reshaped = reshaped || strcmp(r->g->node[e.node]->type, "Reshape") == 0;
        e = r->g->node[e.node]->in[0];
    }
    if (e.node < 0 || strcmp(r->g->node[e.node]->type, "RestoreV2") != 0) return EK_OK;
    const ek_node *restore = r->g->node[e.node];
    if (restore->n_in != 3 || !string_at(r->g, restore->in[1], e.index, key, sizeof key) ||
        !string_at(r->g, restore->in[2], e.index, slice, sizeof slice))
        return EK_OK;
    const ek_bundle_entry *entry = ek__bundle_find(r->bundle, key);
    if (entry == NULL) return missing(r, restore, key);
    const ek_shape here = wanted_shape(r, assign);
    if (slice[0] != '\0' || here.rank < 0) return EK_OK;
    if (reshaped ? ek_shape_count(&here) == ek_shape_count(&entry->shape) || !ek_shape_is_known(&here)
                 : ek_shape_compatible(&here, &entry->shape))
        return EK_OK;
    return mismatch(r, assign, r->g->node[assign->in[0].node]->name, &here, &entry->shape);
}

/* All assignments that an operation waits for. */
static ek_status check_op(const restoring *r, int32_t first)
{
    int32_t *stack = ek__calloc((size_t)r->g->n_nodes + 1, sizeof *stack);
    int64_t depth = 0;
    ek_status st = EK_OK;

    if (stack == NULL) return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory to restore a checkpoint");
    stack[depth++] = first;
    r->seen[first] = true;
    while (st == EK_OK && depth > 0) {
        const ek_node *n = r->g->node[stack[--depth]];
        if (strcmp(n->type, "Assign") == 0 || strcmp(n->type, "AssignVariableOp") == 0) {
            st = check_assign(r, n);
            continue;
        }
        for (int32_t i = n->n_control - 1; i >= 0; i--) {
            if (r->seen[n->control[i]]) continue;
            r->seen[n->control[i]] = true;
            stack[depth++] = n->control[i];
        }
    }
    ek__free(stack);
    return st;
}

static ek_status check(const ek_saver *s, const char *prefix, ek_error *err)
{
    restoring r = { .g = s->graph, .err = err };
    ek_status st = ek__bundle_open(prefix, &r.bundle, err);

    if (st == EK_OK) {
        r.seen = ek__calloc((size_t)s->graph->n_nodes + 1, sizeof *r.seen);
        st = r.seen != NULL ? check_op(&r, s->restore.id)
                            : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to restore a checkpoint");
    }
    ek__free(r.seen);
    ek__bundle_close(r.bundle);
    return st;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static ek_status run(const ek_saver *s, ek_session *session, const char *prefix, ek_error *err)
{
    const ek_string name = { (char *)(uintptr_t)prefix, strlen(prefix) };
    ek_array *value = NULL;
    ek_status st;

    EK_TRY(ek__array_new(EK_STRING, &EK_SCALAR, &name, &value, err));
    st = ek_run_with(session, &(ek_run_options){ .size = sizeof(ek_run_options), .feed = { { s->filename, value } },
                                                 .target = { s->restore }, .error = err }, (ek_where){ 0 });
    ek_array_unref(value);
    return st;
}

ek_status ek_saver_restore(ek_saver *s, ek_session *session, const char *prefix, ek_error *err)
{
    ek_error why = { .code = EK_OK };

    err = ek__error_begin(err);
    if (s == NULL || session == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "a saver and a session are needed");
    if (session->graph != s->graph)
        return EK_FAIL(err, INVALID_ARGUMENT, "the session runs another graph than the saver's");
    if (s->is_empty) return EK_OK;
    if (prefix == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "Can't load save_path when it is None.");
    if (!ek_checkpoint_exists(prefix))
        return EK_FAIL(err, INVALID_ARGUMENT, "The passed save_path is not a valid checkpoint: %.600s", prefix);
    if (check(s, prefix, &why) != EK_OK || run(s, session, prefix, &why) != EK_OK) return wrap(err, &why);
    return EK_OK;
}
