/* tests/support/imported.c - see imported.h. */
#include "support/imported.h"

#include <stdlib.h>

#include "evenkeel/files.h"
#include "formats/graph_io.h"

void case_reach(const ek_graph *g, int32_t id, case_needs *out)
{
    int32_t *stack = malloc(((size_t)g->n_nodes + 1) * sizeof *stack);
    int64_t depth = 0;

    out->node = calloc((size_t)g->n_nodes + 1, sizeof *out->node);
    out->missing = NULL;
    out->node[stack[depth++] = id] = true;
    while (depth > 0) {
        const ek_node *at = g->node[stack[--depth]];
        if (at->spec == NULL && out->missing == NULL) out->missing = at->type;
        for (int32_t k = 0; k < at->n_in + at->n_control; k++) {
            const int32_t from = k < at->n_in ? at->in[k].node : at->control[k - at->n_in];
            if (!out->node[from]) out->node[stack[depth++] = from] = true;
        }
    }
    free(stack);
}

bool case_assign_op(const ek_graph *g, const char *variable, ek_op *out)
{
    char name[1000];

    snprintf(name, sizeof name, "%s/Assign", variable);
    return ek_graph_op_by_name(g, name, out) == EK_OK;
}

bool case_set_variable(ek_session *s, const ek_graph *g, const char *variable, const ek_array *value, char *why, size_t room)
{
    ek_error err = { .code = EK_OK };
    ek_op assign;

    if (!case_assign_op(g, variable, &assign)) {
        snprintf(why, room, "%s has no Assign", variable);
        return false;
    }
    if (ek_run(s, .feed = { { ek_op_input(assign, 1), value } }, .target = { assign }, .error = &err) == EK_OK) return true;
    snprintf(why, room, "cannot set %s: %s", variable, err.text);
    return false;
}

ek_array *case_read_variable(ek_session *s, const ek_graph *g, const char *variable, char *why, size_t room)
{
    ek_error err = { .code = EK_OK };
    ek_array *got = NULL;
    ek_tensor read;
    char name[1000];

    snprintf(name, sizeof name, "%s/Read/ReadVariableOp:0", variable);
    if (ek_graph_tensor_by_name(g, name, &read) != EK_OK) {
        snprintf(name, sizeof name, "%s:0", variable);
        if (ek_graph_tensor_by_name(g, name, &read) != EK_OK) {
            snprintf(why, room, "there is no variable %s", variable);
            return NULL;
        }
    }
    if (ek_run(s, .fetch = { { read, &got } }, .error = &err) != EK_OK) snprintf(why, room, "cannot read %s: %s", variable, err.text);
    return got;
}

ek_graph *case_load_graph(const char *path)
{
    ek_file_kind kind;
    ek_graph *g = NULL;

    if (ek__file_kind(path, &kind, NULL) != EK_OK) return NULL;
    if (kind == EK_FILE_META_GRAPH) return ek_meta_graph_load(path, &g) == EK_OK ? g : NULL;
    return ek_graph_load(path, &g, NULL) == EK_OK ? g : NULL;
}
