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

/* ---- MetaGraphDefs: a graph with its collections -------------------------------------------------------------- */

typedef struct ek_meta_graph_load_options {
    size_t size;
    ek_graph **out;           /* required: the graph is the caller's, to be given to ek_graph_destroy; NULL on failure */
    const char *import_scope; /* "old": everything is called old/...; NULL or "": nothing is */
    bool clear_devices;       /* forgets where operations were to run */
    ek_error *error;          /* NULL: ek_last_error() has it */
} ek_meta_graph_load_options;
/* tf.train.import_meta_graph, into a new graph: ek_meta_graph_load("model.meta", &g, .import_scope = "old"). Binary or
 * text, told by its content.
 *
 * Collections  are there again, trainable variables first, the others sorted by key: operations and tensors, numbers,
 *              strings; what is neither as bytes. Empty ones are not in a file.
 * Variables    are variables again, for ek_variable_by_name, ek_session_get, optimizers and whatever else takes one;
 *              one for each VariableDef, however many collections hold it. Their constraints are not in a file. As in
 *              TensorFlow, get_variable does not find them: only what it made itself.
 * Conds        are conds again: gradients go through them. Loops come along as they are.
 * The rest     (saver, tags, versions, signatures, assets) is kept, and saved with the graph.
 * Errors       as ek_graph_load; INVALID_ARGUMENT or NOT_FOUND with collection and item where one is not understood or
 *              names what is not there; INVALID_ARGUMENT "Graph contains unbound inputs: ..." for part of a graph. */
#define ek_meta_graph_load(path, ...)                                                                            \
    EK_CALL(ek_status, ek_meta_graph_load_with, ((path),), ek_meta_graph_load_options, .import_scope = NULL,     \
            .out = __VA_ARGS__)
#define ek_meta_graph_load_bytes(data, size, ...)                                                                \
    EK_CALL(ek_status, ek_meta_graph_load_bytes_with, ((data), (size),), ek_meta_graph_load_options,             \
            .import_scope = NULL, .out = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_meta_graph_load_with(const char *path, const ek_meta_graph_load_options *o,
                                                       ek_where where);
EK_API EK_MUST_CHECK ek_status ek_meta_graph_load_bytes_with(const void *data, size_t size,
                                                             const ek_meta_graph_load_options *o, ek_where where);

/* What a checkpoint of the graph is saved and restored through: names in the graph. */
typedef struct ek_saver_def {
    const char *filename_tensor_name, *save_tensor_name, *restore_op_name; /* "save/Const:0"; NULL: none */
    int32_t max_to_keep;
    bool sharded;
    float keep_checkpoint_every_n_hours;
    int version; /* of the checkpoints: 0, 1 (V1) or 2 (V2) */
} ek_saver_def;
/* What the file said of its saver, borrowed from the graph. false: nothing. */
EK_API bool ek_graph_saver_def(const ek_graph *g, ek_saver_def *out);

/* What a file says of itself; strings borrowed from the graph, "" where it says nothing. */
typedef struct ek_meta_info {
    const char *meta_graph_version, *tensorflow_version, *tensorflow_git_version;
    const char *const *tags;
    int n_tags;
    bool stripped_default_attrs;
} ek_meta_info;
EK_API bool ek_graph_meta_info(const ek_graph *g, ek_meta_info *out); /* false: it came from no MetaGraphDef */

typedef struct ek_meta_graph_save_options {
    size_t size;
    const char *path;          /* of ek_meta_graph_save: required */
    bool text;
    bool clear_devices;
    const ek_saver_def *saver; /* NULL: of the last ek_saver_create, else the one that came with the graph, if any */
    ek_error *error;
} ek_meta_graph_save_options;
/* tf.train.export_meta_graph: ek_meta_graph_save(g, "model.meta"), ek_meta_graph_save(g, "model.pbtxt", .text = true).
 * Nodes carry _output_shapes; the ops used are listed with their definitions, as the graph's own file had them, else as
 * they are here; a graph that came from no MetaGraphDef calls itself one of TensorFlow 1.15.0. Collections are written as
 * TensorFlow does: by what their first item is, the well-known ones of variables as VariableDefs, those of contexts as
 * contexts; empty ones, and those that hold what cannot stand together (EK_LOG=files names them), not at all.
 * Errors  as ek_graph_save. */
#define ek_meta_graph_save(g, ...)                                                                               \
    EK_CALL(ek_status, ek_meta_graph_save_with, ((g),), ek_meta_graph_save_options, .text = false, .path = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_meta_graph_save_with(const ek_graph *g, const ek_meta_graph_save_options *o,
                                                       ek_where where);
/* The same in memory, as ek_graph_save_bytes: ek_meta_graph_save_bytes(g, &data, &size, .text = true). */
#define ek_meta_graph_save_bytes(g, data, ...)                                                                    \
    EK_CALL(ek_status, ek_meta_graph_save_bytes_with, ((g), (data), EK_HEAD_(__VA_ARGS__, 0),),                   \
            ek_meta_graph_save_options, .path = NULL, EK_TAIL_(__VA_ARGS__, .size = sizeof(ek_meta_graph_save_options)))
EK_API EK_MUST_CHECK ek_status ek_meta_graph_save_bytes_with(const ek_graph *g, void **data, size_t *size,
                                                             const ek_meta_graph_save_options *o, ek_where where);

/* ---- SavedModels: which MetaGraphs are in one ------------------------------------------------------------------ */

/* The message of a SavedModel, without its variables: what is in it, and graphs to look at. saved_model.h has the call that
 * gives a session with the variables restored. */
typedef struct ek_saved_model ek_saved_model;
/* `path`: the folder, or its saved_model.pb or saved_model.pbtxt; told by content whether it is text. The caller closes it.
 * Errors  NOT_FOUND: no such file; DATA_LOSS or INVALID_ARGUMENT: no SavedModel, with the place; UNIMPLEMENTED: of a newer
 *         schema version; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_saved_model_open(const char *path, ek_saved_model **out, ek_error *err);
EK_API void ek_saved_model_close(ek_saved_model *m); /* NULL is allowed; graphs made from it live on */
EK_API int64_t ek_saved_model_schema_version(const ek_saved_model *m);
EK_API int ek_saved_model_count(const ek_saved_model *m); /* of MetaGraphs */
/* The tags of MetaGraph i, borrowed; returns how many, -1: there is no such MetaGraph. */
EK_API int ek_saved_model_tags(const ek_saved_model *m, int i, const char *const **tags);
/* Which MetaGraph has these tags and no others, in whatever order. NOT_FOUND, with a list of what there is. */
EK_API EK_MUST_CHECK ek_status ek_saved_model_find(const ek_saved_model *m, const char *const *tags, int n, int *i,
                                                   ek_error *err);
/* MetaGraph i as a graph of the caller's, as ek_meta_graph_load. INVALID_ARGUMENT also where an asset lies outside the folder. */
EK_API EK_MUST_CHECK ek_status ek_saved_model_graph(const ek_saved_model *m, int i, ek_graph **out, ek_error *err);

#ifdef __cplusplus
}
#endif
#endif
