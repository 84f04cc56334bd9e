/* evenkeel/signatures.h - what a MetaGraph offers to those who serve it: signatures, assets; and the functions in its
 * library.
 *
 * A signature names inputs and outputs of a graph for callers who do not know its nodes. Signatures and assets come
 * with a MetaGraph or SavedModel and are saved with the graph, as they came or as they were set.
 */
#ifndef EVENKEEL_SIGNATURES_H
#define EVENKEEL_SIGNATURES_H

#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EK_SERVING_DEFAULT "serving_default" /* the key that is meant where none is given */
#define EK_METHOD_PREDICT "tensorflow/serving/predict"
#define EK_METHOD_CLASSIFY "tensorflow/serving/classify"
#define EK_METHOD_REGRESS "tensorflow/serving/regress"

/* In how many tensors a value is held. */
typedef enum ek_tensor_info_kind {
    EK_INFO_TENSOR,    /* one: `name` */
    EK_INFO_SPARSE,    /* three: parts are its values, indices and dense shape */
    EK_INFO_COMPOSITE  /* several: parts */
} ek_tensor_info_kind;

/* An input or output of a signature. Strings are borrowed from the graph. */
typedef struct ek_tensor_info {
    const char *key;  /* what the signature calls it */
    ek_tensor_info_kind kind;
    const char *name; /* of the tensor, "x:0"; of an operation, "init"; "" where there are several */
    const char *const *parts;
    int n_parts;
    ek_dtype dtype;   /* EK_DTYPE_NONE: an operation, or nothing is said */
    ek_shape shape;
    ek_tensor tensor; /* of that name; dead where there are several, or the graph has no such tensor */
} ek_tensor_info;

typedef struct ek_signature {
    const char *key, *method_name;
    const ek_tensor_info *inputs, *outputs; /* sorted by key */
    int n_inputs, n_outputs;
} ek_signature;

/* The signatures of a graph, sorted by key. false: there is none of that number or key. */
EK_API int ek_graph_signature_count(const ek_graph *g);
EK_API bool ek_graph_signature_at(const ek_graph *g, int i, ek_signature *out);
EK_API bool ek_graph_signature(const ek_graph *g, const char *key, ek_signature *out);
/* The input or output called `key`; dead: there is none, or it is no single tensor. */
EK_API ek_tensor ek_signature_input(const ek_signature *s, const char *key);
EK_API ek_tensor ek_signature_output(const ek_signature *s, const char *key);

/* A tensor under the name that a signature gives it; key NULL ends a list. */
typedef struct ek_named_tensor {
    const char *key;
    ek_tensor tensor;
} ek_named_tensor;
enum { EK_SIGNATURE_INLINE = 8 };
typedef struct ek_signature_options {
    size_t size;
    const char *key; /* required */
    ek_named_tensor inputs[EK_SIGNATURE_INLINE], outputs[EK_SIGNATURE_INLINE];
    const ek_named_tensor *more_inputs, *more_outputs; /* what does not fit above */
    int n_more_inputs, n_more_outputs;
    const char *method_name; /* NULL: "tensorflow/serving/predict" */
    ek_error *error;
} ek_signature_options;
/* tf.saved_model.build_signature_def, kept with the graph, in place of the one it may have under that key:
 *     ek_signature_set(g, "serving_default", .inputs = { { "x", x } }, .outputs = { { "y", y } })
 * Errors  INVALID_ARGUMENT: no key, a tensor that is dead or of another graph, two of one name, no output;
 *         RESOURCE_EXHAUSTED. The graph is then as it was. */
#define ek_signature_set(g, ...) \
    EK_CALL(ek_status, ek_signature_set_with, ((g),), ek_signature_options, .method_name = NULL, .key = __VA_ARGS__)
EK_API ek_status ek_signature_set_with(ek_graph *g, const ek_signature_options *o, ek_where where);
/* Takes a signature away, with key NULL all of them. RESOURCE_EXHAUSTED; none of that key is no error. */
EK_API EK_MUST_CHECK ek_status ek_signature_remove(ek_graph *g, const char *key, ek_error *err);

/* A file that travels with a SavedModel in its folder assets/: the tensor is fed with its path while the graph is
 * initialized. */
typedef struct ek_asset {
    const char *filename;    /* below assets/ */
    const char *tensor_name; /* "file:0" */
    ek_tensor tensor;        /* dead: the graph has no such tensor */
} ek_asset;
EK_API int ek_graph_asset_count(const ek_graph *g);
EK_API bool ek_graph_asset_at(const ek_graph *g, int i, ek_asset *out); /* in the order of the file */

/* The functions in the graph's library, in the order of the file. TensorFlow 2 keeps its computation in them; they are
 * listed and saved, not run. The name goes to buf; returns what snprintf would. */
EK_API int ek_graph_function_count(const ek_graph *g);
EK_API int ek_graph_function_name(const ek_graph *g, int i, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
