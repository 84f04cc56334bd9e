/* evenkeel/rewrite.h - graphs made from graphs and the values of their variables. The graph that is given is never
 * changed.
 */
#ifndef EVENKEEL_REWRITE_H
#define EVENKEEL_REWRITE_H

#include "evenkeel/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_freeze_options {
    size_t size;
    ek_graph **out;         /* required: the frozen graph is the caller's; NULL on failure */
    ek_list outputs;        /* required: operations or tensors that are to be kept, EK_LIST(y, z) */
    ek_session *session;    /* whose variables are taken, or: */
    const char *checkpoint; /* the prefix of a checkpoint that holds them whole, by the names of their operations */
    ek_error *error;
} ek_freeze_options;
/* tf.graph_util.convert_variables_to_constants:
 *     ek_freeze(g, &frozen, .outputs = EK_LIST(y), .session = s)
 *
 * Kept         what the outputs need, by data or control edges, in the order of the graph; the library and the
 *              versions.
 * Variables    become Const nodes of the same name; a read of a resource variable becomes an Identity, and what hands
 *              its handle on (Identity, Switch, Merge, Enter, Exit, NextIteration) carries the value instead.
 * Batch norms  stay as they are: with a flag for training they still have it, to be fed; in training mode they go on to
 *              use the statistics of each batch.
 * Errors       INVALID_ARGUMENT: no output, or one of another graph; no session on the graph and no checkpoint, or
 *              both; a variable that what is kept writes to, switches by reference or gives to a function, with both
 *              names; FAILED_PRECONDITION: a variable without a value; NOT_FOUND: a checkpoint without it;
 *              INVALID_ARGUMENT: of another shape or type there; RESOURCE_EXHAUSTED. */
#define ek_freeze(g, ...) \
    EK_CALL(ek_status, ek_freeze_with, ((g),), ek_freeze_options, .checkpoint = NULL, .out = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_freeze_with(const ek_graph *g, const ek_freeze_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
