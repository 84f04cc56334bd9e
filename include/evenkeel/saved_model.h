/* evenkeel/saved_model.h - SavedModels: a folder with MetaGraphs, the values of their variables, and files they need.
 *
 *     ek_graph *g;
 *     ek_session *s;
 *     EK_DIE(ek_saved_model_load("model", .graph = &g, .session = &s));
 *     ek_signature sig;
 *     ek_graph_signature(g, "serving_default", &sig);
 *     EK_DIE(ek_run(s, .feed = { { ek_signature_input(&sig, "x"), batch } },
 *                      .fetch = { { ek_signature_output(&sig, "y"), &y } }));
 *
 * What is in one without running it: ek_saved_model_open in evenkeel/files.h. Signatures: evenkeel/signatures.h.
 */
#ifndef EVENKEEL_SAVED_MODEL_H
#define EVENKEEL_SAVED_MODEL_H

#include "evenkeel/saver.h"
#include "evenkeel/signatures.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EK_TAG_SERVE "serve"
#define EK_TAG_TRAIN "train"
enum { EK_SAVED_MODEL_TAGS = 8 };

/* ---- loading -------------------------------------------------------------------------------------------------- */

typedef struct ek_saved_model_load_options {
    size_t size;
    ek_graph **graph;     /* required: the caller's, to be destroyed after the session; NULL on failure */
    ek_session **session; /* required: the caller's; NULL on failure */
    const char *tags[EK_SAVED_MODEL_TAGS]; /* all tags of the MetaGraph wanted, none: { "serve" } */
    int threads;          /* of the session; 0: as many as there are processors */
    ek_error *error;
} ek_saved_model_load_options;
/* tf.saved_model.loader.load: the graph of these tags, and a session in which its variables are restored (through the
 * saver of the graph, from variables/variables) and its main op is run: signature "__saved_model_init_op", else
 * collection "saved_model_main_op" or "legacy_init_op", the tensors of the assets fed with their paths below assets/.
 * Errors  as ek_saved_model_open and ek_saved_model_find; as ek_saver_restore where variables are missing or do not
 *         fit; what the main op fails with; UNIMPLEMENTED: of TensorFlow 2, whose variables a function restores. */
#define ek_saved_model_load(dir, ...)                                                                              \
    EK_CALL(ek_status, ek_saved_model_load_with, ((dir),), ek_saved_model_load_options, .threads = 0, __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_saved_model_load_with(const char *dir, const ek_saved_model_load_options *o,
                                                        ek_where where);
/* The second half alone, for a session that was made otherwise, on a graph that ek_saved_model_graph gave for this
 * folder: variables restored, main op run. */
EK_API EK_MUST_CHECK ek_status ek_saved_model_restore(ek_session *s, const char *dir, ek_error *err);

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* A file that goes along: it is copied to assets/, and whoever loads the model feeds the tensor with its path. */
typedef struct ek_asset_file {
    ek_tensor tensor;
    const char *path; /* NULL: the tensor's constant value */
} ek_asset_file;
enum { EK_SAVED_MODEL_ASSETS_INLINE = 4 };

/* tf.saved_model.Builder. Nothing is a model until it is saved: the message is written last, all at once. */
typedef struct ek_saved_model_builder ek_saved_model_builder;

/* A builder on a folder that is made, with those above it, or is there and empty.
 * Errors  ALREADY_EXISTS: something is in it; what the operating system says. */
EK_API EK_MUST_CHECK ek_status ek_saved_model_builder_create(const char *dir, ek_saved_model_builder **out,
                                                             ek_error *err);
EK_API void ek_saved_model_builder_destroy(ek_saved_model_builder *b); /* NULL is allowed; what was written stays */

typedef struct ek_saved_model_add_options {
    size_t size;
    ek_session *session; /* of .._add_meta_graph_and_variables: required */
    ek_graph *graph;     /* of .._add_meta_graph: required */
    const char *tags[EK_SAVED_MODEL_TAGS]; /* none: { "serve" } */
    ek_asset_file assets[EK_SAVED_MODEL_ASSETS_INLINE]; /* none: those that came with the graph, else what the
                                                         * collection EK_ASSET_FILEPATHS names */
    const ek_asset_file *more_assets;
    int n_more_assets;
    ek_op main_op;       /* to be run whenever it is loaded; none: the one that came with the graph, if any */
    ek_saver *saver;     /* of version 2; NULL: a new one of all variables, sharded, as TensorFlow has it */
    bool clear_devices;
    ek_error *error;
} ek_saved_model_add_options;
/* Builder.add_meta_graph_and_variables and .add_meta_graph: adds the graph of a session under tags, with the signatures
 * it has now (ek_signature_set), and writes the values of its variables. The first to be added; others share the
 * variables and are added by ek_saved_model_builder_add_meta_graph.
 * Errors  FAILED_PRECONDITION: not the first, or, for the other call, the first; INVALID_ARGUMENT: tags or assets that
 *         contradict each other; NOT_FOUND: an asset's file; as ek_saver_save. After a failure it is no model. */
#define ek_saved_model_builder_add_meta_graph_and_variables(b, ...)                                                \
    EK_CALL(ek_status, ek_saved_model_builder_add_meta_graph_and_variables_with, ((b),), ek_saved_model_add_options, \
            .saver = NULL, .session = __VA_ARGS__)
#define ek_saved_model_builder_add_meta_graph(b, ...)                                                              \
    EK_CALL(ek_status, ek_saved_model_builder_add_meta_graph_with, ((b),), ek_saved_model_add_options, .saver = NULL, \
            .graph = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_saved_model_builder_add_meta_graph_and_variables_with(
    ek_saved_model_builder *b, const ek_saved_model_add_options *o, ek_where where);
EK_API EK_MUST_CHECK ek_status ek_saved_model_builder_add_meta_graph_with(
    ek_saved_model_builder *b, const ek_saved_model_add_options *o, ek_where where);
/* Builder.save: writes saved_model.pb, or with `text` saved_model.pbtxt. FAILED_PRECONDITION: nothing was
 * added. */
EK_API EK_MUST_CHECK ek_status ek_saved_model_builder_save(ek_saved_model_builder *b, bool text, ek_error *err);

typedef struct ek_saved_model_save_options {
    size_t size;
    const char *dir; /* required */
    ek_named_tensor inputs[EK_SIGNATURE_INLINE], outputs[EK_SIGNATURE_INLINE]; /* the signature "serving_default"; */
    const ek_named_tensor *more_inputs, *more_outputs;                         /* none: the graph's own signatures */
    int n_more_inputs, n_more_outputs;
    ek_saved_model_add_options add; /* tags, assets, main_op, saver, clear_devices */
    bool text;
    ek_error *error;
} ek_saved_model_save_options;
/* tf.saved_model.simple_save:
 *     ek_saved_model_save(s, "model", .inputs = { { "x", x } }, .outputs = { { "y", y } })
 * The devices of the graph are written as they are. Errors as the builder's. */
#define ek_saved_model_save(s, ...)                                                                                \
    EK_CALL(ek_status, ek_saved_model_save_with, ((s),), ek_saved_model_save_options, .text = false, .dir = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_saved_model_save_with(ek_session *s, const ek_saved_model_save_options *o,
                                                        ek_where where);

#ifdef __cplusplus
}
#endif
#endif
