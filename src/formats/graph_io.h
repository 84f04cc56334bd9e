/* formats/graph_io.h - GraphDefs in and out, from inside: what the public calls of files.h are made of. */
#ifndef EK_FORMATS_GRAPH_IO_H
#define EK_FORMATS_GRAPH_IO_H

#include "codec/source.h"
#include "codec/tensor.h"
#include "codec/wire.h"
#include "graph/node.h"

/* What a file is, told by its content. */
typedef enum ek_file_kind {
    EK_FILE_OTHER, EK_FILE_GRAPH_DEF, EK_FILE_GRAPH_DEF_TEXT, EK_FILE_META_GRAPH, EK_FILE_META_GRAPH_TEXT,
    EK_FILE_SAVED_MODEL, EK_FILE_SAVED_MODEL_TEXT, EK_FILE_SAVED_MODEL_FOLDER, EK_FILE_FOLDER, EK_FILE_CHECKPOINT,
    EK_FILE_NPY
} ek_file_kind;
/* A folder with saved_model.pb or .pbtxt is a SavedModel. A prefix with an .index or the files of version 1 beside it is a
 * checkpoint, and so are these files, and a folder with a state file.
 * Errors  as ek__source_open. */
ek_status ek__file_kind(const char *path, ek_file_kind *out, ek_error *err);
ek_file_kind ek__bytes_kind(ek_span bytes); /* of what stands in one file */
/* Replaces text by the bytes it stands for. */
ek_status ek__source_from_text(ek_proto_id type, ek_source **source, ek_error *err);
const char *ek__file_kind_name(ek_file_kind kind); /* "a GraphDef", with its article */

/* A new graph from a GraphDef that stands in `source`, which the graph then shares. Nodes of unknown types come along; their
 * outputs are as many as their consumers need. Checks and words are TensorFlow's. */
ek_status ek__graph_import(ek_source *source, ek_span graph_def, ek_graph **out, ek_error *err);

/* The same where names get a scope in front or devices are left out; nodes are then ours, no longer the file's bytes. */
typedef struct ek_import {
    const char *scope; /* without its trailing '/'; NULL: none */
    bool clear_devices;
} ek_import;
ek_status ek__graph_import_as(ek_source *source, ek_span graph_def, const ek_import *how, ek_graph **out, ek_error *err);

/* The fields of a GraphDef. A graph as it was imported gives its own bytes. */
ek_status ek__graph_export(const ek_graph *g, ek_buf *out, ek_error *err);

/* Versions, library and whatever else a GraphDef has beside its nodes. */
void ek__graph_write_rest(ek_buf *out, const ek_graph *g);

/* What a graph keeps of the file it came from; graph->source, where source_release is ek__graph_origin_release. */
typedef struct ek_graph_origin {
    ek_source *source;
    ek_span graph_def;
    int64_t n_nodes;
} ek_graph_origin;
void ek__graph_origin_release(void *origin);

/* A MetaGraphDef, opened: spans into `source`. */
typedef struct ek_meta_graph {
    ek_source *source;
    ek_span whole, graph_def;
} ek_meta_graph;
ek_status ek__meta_graph_open(const char *path, ek_meta_graph *out, ek_error *err);
void ek__meta_graph_close(ek_meta_graph *m);
/* A CollectionDef by its key; false: there is none. */
bool ek__meta_graph_collection(const ek_meta_graph *m, const char *key, ek_span *out);

/* ---- attributes (attr_read.c) -------------------------------------------------------------------- */

/* One AttrValue. Everything but tensors comes from the arena; a value that cannot be held (a tensor of handles, a list of
 * several kinds) has kind NONE and its bytes alone, unless `strict`. */
ek_status ek__attr_read(ek_arena *arena, ek_tensor_reader *tensors, ek_span proto, bool strict, ek_attr_value *out,
                        ek_error *err);

#endif
