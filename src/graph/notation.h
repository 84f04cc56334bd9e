/* graph/notation.h - the op notation of op.h, read into an ek_op_spec. */
#ifndef EK_GRAPH_NOTATION_H
#define EK_GRAPH_NOTATION_H

#include "graph/op.h"

/* Everything the spec points to comes from the arena or from def. Errors name the op and show where reading stopped. */
ek_status ek__notation_read(const ek_op_def *def, ek_arena *arena, ek_op_spec *out, ek_error *err);

#endif
