/* evenkeel/files.h - graphs in and out of TensorFlow's files. */
#ifndef EVENKEEL_FILES_H
#define EVENKEEL_FILES_H

#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A GraphDef, binary or text (told by its content), as a new graph: *out is the caller's, to be given to
 * ek_graph_destroy, NULL on failure. Types of operations that are not defined here come along; only a run that
 * needs one is refused. Nothing of `data` is referred to after the call. `err` may be NULL: ek_last_error() has it then.
 * Errors  NOT_FOUND, PERMISSION_DENIED and the like: what the operating system says of `path`;
 *         INVALID_ARGUMENT: no GraphDef, with the offset or the line and column; a graph that contradicts itself (an
 *         input that is not there, an attribute of another kind), with the node's name; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_graph_load(const char *path, ek_graph **out, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_graph_load_bytes(const void *data, size_t size, ek_graph **out, ek_error *err);

/* The graph as a GraphDef, in text form or binary. Loaded and saved untouched it gives its own bytes; what was built here
 * has its attributes and control inputs sorted. A file is replaced only when all of it is written. *data is the
 * caller's, to be given to ek_free; text has no NUL at its end.
 * Errors  the graph's own first failure; what the operating system says of `path`; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_graph_save(const ek_graph *g, const char *path, bool text, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_graph_save_bytes(const ek_graph *g, bool text, void **data, size_t *size,
                                                   ek_error *err);

#ifdef __cplusplus
}
#endif
#endif
