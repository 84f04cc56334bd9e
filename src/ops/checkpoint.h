/* ops/checkpoint.h - what the operations that write checkpoints and those that read them share. */
#ifndef EK_OPS_CHECKPOINT_H
#define EK_OPS_CHECKPOINT_H

#include "graph/op.h"

/* Rules: a prefix, names and, if there are, slices; while a graph is built, and of a run, in the kernels' words. */
ek_status ek__checkpoint_names(const ek_shape_ctx *c, bool slices);
ek_status ek__checkpoint_inputs(const ek_shape_ctx *c);
/* A string as one that ends with a NUL, in the arena. INVALID_ARGUMENT: it holds one. */
ek_status ek__file_text(ek_arena *a, const ek_string *s, const char **out, ek_error *err);

#endif
