/* evenkeel/files.h - graphs in and out of TensorFlow's files. */
#ifndef EVENKEEL_FILES_H
#define EVENKEEL_FILES_H

#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A GraphDef, binary or text (told by its content), as a new graph. Nodes of unknown types come along.
 * A graph loaded and saved untouched gives its own bytes. */
EK_API EK_MUST_CHECK ek_status ek_graph_load(const char *path, ek_graph **out, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_graph_load_bytes(const void *data, size_t size, ek_graph **out, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_graph_save(const ek_graph *g, const char *path, bool text, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_graph_save_bytes(const ek_graph *g, bool text, void **data, size_t *size, ek_error *err);

#ifdef __cplusplus
}
#endif
#endif
