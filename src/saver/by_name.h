/* saver/by_name.h - the values of a checkpoint for a graph that came without a saver and says of no variable that it is one. */
#ifndef EK_SAVER_BY_NAME_H
#define EK_SAVER_BY_NAME_H

#include "evenkeel/checkpoint.h"
#include "evenkeel/session.h"

/* Every VariableV2, Variable and VarHandleOp of the graph gets the tensor of its name. All of them or none: names, types and
 * shapes are compared first.
 * Errors  NOT_FOUND: "Key w not found in checkpoint"; INVALID_ARGUMENT: of another type or shape, with both; FAILED_PRECONDITION:
 *         the graph has no variable; as ek_checkpoint_read. */
ek_status ek__restore_by_name(ek_session *s, const ek_graph *g, const char *prefix, ek_error *err);

#endif
