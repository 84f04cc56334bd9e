/* evenkeel/graph.h - graphs, and everything that surrounds the building of one.
 *
 * A graph is what the computation means: an append-only list of operations with
 * TensorFlow 1.15's types, attributes and names. Building never fails one by one: the
 * first failure is kept in the graph with the caller's file and line, that call and all
 * that are fed by it return dead handles, and ek_graph_status (or the first run) reports
 * it. A call that has no graph to fail in is told of by ek_last_error(). One thread builds
 * a graph at a time; any number may run it meanwhile.
 */
#ifndef EVENKEEL_GRAPH_H
#define EVENKEEL_GRAPH_H

#include "evenkeel/array.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_graph ek_graph; /* owns all its operations, names and attributes */

/* A symbolic value: output `index` of operation `op`. Copied by value, never freed,
 * meaningful as long as its graph lives. op < 0: building it failed (a dead tensor). */
typedef struct ek_tensor {
    ek_graph *graph;
    int32_t op, index;
} ek_tensor;

/* An operation. id < 0: dead. */
typedef struct ek_op {
    ek_graph *graph;
    int32_t id;
} ek_op;

/* A variable. id < 0: dead. */
typedef struct ek_variable {
    ek_graph *graph;
    int32_t id;
} ek_variable;

/* ---- options ------------------------------------------------------------------------ */

/* Options are designated initialisers over TensorFlow's defaults: ek_foo(a, b, .name = "n").
 * The last required argument is the first member of the options, so that a call without
 * options needs no comma. The later initialiser wins (C11 6.7.9p19); compilers warn of just
 * that, so the warning sleeps for this one expression. From C++ and bindings call
 * ek_foo_with(.., &options, where), `size` set to sizeof: NULL and a smaller size are refused.
 * Options start from EK_FOO_DEFAULTS; a struct zeroed by hand means zeros, never "default". */
#define EK_CALL(ret, fn, args, type, ...) \
    EK_CALL_(EK_CAT_(ek_result_, __COUNTER__), ret, fn, EK_UNWRAP_ args, type, __VA_ARGS__)
#define EK_UNWRAP_(...) __VA_ARGS__
#define EK_CALL_(tmp, ret, fn, args, type, ...)                                        \
    __extension__({                                                                    \
        _Pragma("GCC diagnostic push")                                                 \
        _Pragma("GCC diagnostic ignored \"-Woverride-init\"")                          \
        ret tmp = fn(args &(type){ .size = sizeof(type), __VA_ARGS__ }, EK_HERE);      \
        _Pragma("GCC diagnostic pop")                                                  \
        tmp;                                                                           \
    })
#define EK_HEAD_(first, ...) first
#define EK_TAIL_(first, ...) __VA_ARGS__
#define EK_CAT_(a, b) EK_CAT__(a, b)
#define EK_CAT__(a, b) a##b

/* Three-valued switches where TensorFlow has None, False, True. */
typedef enum ek_tristate { EK_DEFAULT = -1, EK_NO = 0, EK_YES = 1 } ek_tristate;

/* ---- graphs --------------------------------------------------------------------------- */

/* An empty graph that knows every op of this library. NULL only without memory. */
EK_API ek_graph *ek_graph_create(void);
EK_API void ek_graph_destroy(ek_graph *g); /* NULL is allowed; sessions on it must be gone */

/* EK_OK, or the first failure of a building call; its record goes to *err if given, else to ek_last_error().
 * An unclosed scope is a failure too, with the line that opened it. */
EK_API EK_MUST_CHECK ek_status ek_graph_status(const ek_graph *g, ek_error *err);

/* tf.set_random_seed: affects random operations made afterwards. */
EK_API void ek_set_random_seed(ek_graph *g, int64_t seed);
enum { EK_NO_SEED = INT32_MIN }; /* where an operation or initializer takes a seed of its own: none */
/* enable_resource_variables(): variables made afterwards are resource variables by default. */
EK_API void ek_use_resource_variables(ek_graph *g, bool on);
EK_API void ek_graph_finalize(ek_graph *g); /* any later addition fails */
EK_API int64_t ek_graph_version(const ek_graph *g); /* operations added so far */

/* ---- looking things up ---------------------------------------------------------------- */

EK_API int64_t ek_graph_op_count(const ek_graph *g);
EK_API ek_op ek_graph_op_at(const ek_graph *g, int64_t i); /* creation order */
/* TensorFlow's lookup errors (NOT_FOUND where Python has KeyError, INVALID_ARGUMENT for ValueError).
 * Nothing is recorded in the graph. */
EK_API EK_MUST_CHECK ek_status ek_graph_op_by_name(const ek_graph *g, const char *name, ek_op *out);
EK_API EK_MUST_CHECK ek_status ek_graph_tensor_by_name(const ek_graph *g, const char *name, ek_tensor *out);

EK_API const char *ek_op_name(ek_op op); /* borrowed from the graph; "" for a dead one */
EK_API const char *ek_op_type(ek_op op);
EK_API const char *ek_op_device(ek_op op);
EK_API int ek_op_output_count(ek_op op);
EK_API ek_tensor ek_op_output(ek_op op, int index);
EK_API int ek_op_input_count(ek_op op);
EK_API ek_tensor ek_op_input(ek_op op, int index);
EK_API int ek_op_control_input_count(ek_op op);
EK_API ek_op ek_op_control_input(ek_op op, int index); /* in the order added */
EK_API ek_op ek_tensor_op(ek_tensor t);
EK_API ek_dtype ek_tensor_dtype(ek_tensor t); /* a reference type where it is one */
EK_API ek_shape ek_tensor_shape(ek_tensor t); /* static */
EK_API int ek_tensor_name(ek_tensor t, char *buf, size_t size); /* "op:0" */
static inline bool ek_tensor_ok(ek_tensor t) { return t.graph != NULL && t.op >= 0; }
static inline bool ek_op_ok(ek_op o) { return o.graph != NULL && o.id >= 0; }
/* Merges a static shape into what is known; a contradiction is recorded in the graph. */
#define ek_set_shape(t, shape) ek_set_shape_at((t), (shape), EK_HERE)
EK_API void ek_set_shape_at(ek_tensor t, ek_shape shape, ek_where where);

/* Printed forms of TensorFlow: "<tf.Operation 'x' type=Placeholder>", a NodeDef in text form,
 * "Tensor(\"x:0\", shape=(?, 1), dtype=float32)". New strings, ek_free them; NULL without memory. */
EK_API char *ek_op_repr(ek_op op);
EK_API char *ek_op_str(ek_op op);
EK_API char *ek_tensor_repr(ek_tensor t);
EK_API char *ek_tensor_str(ek_tensor t);
EK_API char *ek_variable_repr(ek_variable v);
/* The graph in Graphviz's language. */
EK_API char *ek_graph_dot(const ek_graph *g);

/* ---- any op ---------------------------------------------------------------------------- */

/* An attribute value for ek_op_build; pointers are copied. Make them with the functions below. */
typedef struct ek_attribute {
    const char *name;
    int kind; /* one of ek_attribute_kind */
    union {
        const char *s;
        int64_t i;
        double f;
        bool b;
        ek_dtype type;
        const ek_shape *shape;
        const ek_array *tensor;
        const int64_t *is;
        const ek_dtype *types;
        const double *fs;
        const char *const *ss;
    } u;
    int count; /* of a list; of the bytes of a string, 0 or -1 for a NUL-ended one */
} ek_attribute;
typedef enum ek_attribute_kind {
    EK_A_STRING, EK_A_INT, EK_A_FLOAT, EK_A_BOOL, EK_A_TYPE, EK_A_SHAPE, EK_A_TENSOR,
    EK_A_INTS, EK_A_TYPES, EK_A_FLOATS, EK_A_STRINGS
} ek_attribute_kind;

typedef struct ek_op_build_options {
    size_t size;
    const char *type;  /* required */
    const char *name;  /* NULL: the type */
    const ek_tensor *inputs;
    int n_inputs;
    const ek_attribute *attributes;
    int n_attributes;
    const ek_op *control;
    int n_control;
    const char *device;
} ek_op_build_options;
/* Any op by its type: ek_op_build(g, "Relu", .inputs = (ek_tensor[]){ x }, .n_inputs = 1). Attributes that follow from
 * the inputs or have a default may be left out. Types without a definition are refused: only files bring them. */
#define ek_op_build(g, ...) \
    EK_CALL(ek_op, ek_op_build_with, ((g),), ek_op_build_options, .name = NULL, .type = __VA_ARGS__)
EK_API ek_op ek_op_build_with(ek_graph *g, const ek_op_build_options *options, ek_where where);

/* ---- scopes ----------------------------------------------------------------------------- */

/* A scope leaves itself: the for macro's object carries a cleanup attribute, so that break, return and goto
 * leave it too.
 *     ek_with_name_scope(g, "tower") { y = ek_relu(x); }
 * For other languages: the push functions and ek_scope_pop; scopes close innermost first. */
typedef struct ek_scope {
    ek_graph *graph;
    int32_t depth; /* of the stack of scopes once this one is open */
    bool once;     /* false: it did not open, or is closed again */
} ek_scope;
EK_API void ek_scope_pop(ek_scope *scope); /* twice is harmless */

/* The compiler sees that the body runs exactly once. */
#define EK_SCOPE_(push)                                                                                        \
    for (ek_scope EK_CAT_(ek_scope_, __LINE__) __attribute__((cleanup(ek_scope_pop))) = (push),                  \
                  *EK_CAT_(ek_open_, __LINE__) = &EK_CAT_(ek_scope_, __LINE__);                                  \
         EK_CAT_(ek_open_, __LINE__) != NULL; EK_CAT_(ek_open_, __LINE__) = NULL)

/* name NULL or "": the root; ending in '/': re-entered as it is (ek_name_scope's string); else made unique. */
#define ek_with_name_scope(g, name) EK_SCOPE_(ek_name_scope_push((g), (name), EK_HERE))
EK_API ek_scope ek_name_scope_push(ek_graph *g, const char *name, ek_where where);
/* The current scope with its trailing '/', "" at the root. Borrowed from the graph. */
EK_API const char *ek_name_scope(ek_graph *g);
/* unique_name: marks it used. Borrowed from the graph. */
EK_API const char *ek_unique_name(ek_graph *g, const char *name);

/* ---- collections -------------------------------------------------------------------------- */

#define EK_GLOBAL_VARIABLES "variables"
#define EK_TRAINABLE_VARIABLES "trainable_variables"
#define EK_LOCAL_VARIABLES "local_variables"
#define EK_METRIC_VARIABLES "metric_variables"
#define EK_MODEL_VARIABLES "model_variables"
#define EK_MOVING_AVERAGE_VARIABLES "moving_average_variables"
#define EK_CONCATENATED_VARIABLES "concatenated_variables"
#define EK_TRAINABLE_RESOURCE_VARIABLES "trainable_resource_variables"
#define EK_UPDATE_OPS "update_ops"
#define EK_LOSSES "losses"
#define EK_REGULARIZATION_LOSSES "regularization_losses"
#define EK_SUMMARIES "summaries"
#define EK_SAVERS "savers"
#define EK_SAVEABLE_OBJECTS "saveable_objects"
#define EK_GLOBAL_STEP "global_step"
#define EK_EVAL_STEP "eval_step"
#define EK_TRAIN_OP "train_op"
#define EK_INIT_OP "init_op"
#define EK_LOCAL_INIT_OP "local_init_op"
#define EK_READY_OP "ready_op"
#define EK_READY_FOR_LOCAL_INIT_OP "ready_for_local_init_op"
#define EK_QUEUE_RUNNERS "queue_runners"
#define EK_SUMMARY_OP "summary_op"
#define EK_TABLE_INITIALIZERS "table_initializer"
#define EK_COND_CONTEXT "cond_context"
#define EK_WHILE_CONTEXT "while_context"
#define EK_ASSET_FILEPATHS "asset_filepaths"
#define EK_RESOURCES "resources"
#define EK_LOCAL_RESOURCES "local_resources"
#define EK_WEIGHTS "weights"
#define EK_BIASES "biases"
#define EK_ACTIVATIONS "activations"

typedef enum ek_item_kind {
    EK_ITEM_NONE, EK_ITEM_OP, EK_ITEM_TENSOR, EK_ITEM_VARIABLE, EK_ITEM_CONTEXT, EK_ITEM_STRING, EK_ITEM_INT,
    EK_ITEM_FLOAT, EK_ITEM_BYTES,
    EK_ITEM_ANY /* a google.protobuf.Any, as bytes */
} ek_item_kind;
/* What a collection, a list of control inputs or a group of fetches holds. */
typedef struct ek_item {
    ek_item_kind kind;
    union {
        ek_op op;
        ek_tensor tensor;
        ek_variable variable;
        int32_t context;
        const char *string;
        int64_t integer;
        double real;
        struct { const void *data; size_t size; } bytes;
    } u;
} ek_item;
/* A list of items, borrowed: it stays valid as long as its graph, and does not grow when the collection does. */
typedef struct ek_list {
    ek_graph *graph;
    const ek_item *item;
    int64_t count;
} ek_list;

EK_API ek_item ek_item_of_op(ek_op op);
EK_API ek_item ek_item_of_tensor(ek_tensor t);
EK_API ek_item ek_item_of_variable(ek_variable v);
EK_API ek_item ek_item_of_string(const char *s);
EK_API ek_item ek_item_of_int(int64_t v);
EK_API ek_item ek_item_of_float(double v);
EK_API ek_item ek_item_of_bytes(const void *data, size_t size);
/* An ek_item from whatever it is: EK_ITEM(op), EK_ITEM(tensor), EK_ITEM(variable), EK_ITEM("text"), EK_ITEM(3), EK_ITEM(0.5). */
#define EK_ITEM(x)                                                                         \
    _Generic((x), ek_op: ek_item_of_op, ek_tensor: ek_item_of_tensor,                      \
             ek_variable: ek_item_of_variable, const char *: ek_item_of_string, char *: ek_item_of_string,        \
             int: ek_item_of_int, long: ek_item_of_int, long long: ek_item_of_int, float: ek_item_of_float,        \
             double: ek_item_of_float)(x)
/* A list of up to 16 things of any of these kinds: EK_LIST(up, d). */
#define EK_LIST(...) ((ek_list){ NULL, (ek_item[]){ EK_MAP_(EK_ITEM, __VA_ARGS__) },        \
                                 (int64_t)(sizeof((ek_item[]){ EK_MAP_(EK_ITEM, __VA_ARGS__) }) / sizeof(ek_item)) })
#define EK_EMPTY_LIST ((ek_list){ NULL, NULL, 0 })

/* A copy of the collection as it is now; empty when there is none. */
EK_API ek_list ek_get_collection(ek_graph *g, const char *key);
/* The same, only items whose name begins with a match of the POSIX extended regular expression `scope`. */
EK_API ek_list ek_get_collection_scope(ek_graph *g, const char *key, const char *scope);
/* Makes sure the key exists (an empty collection is not the same as none when printed). */
EK_API void ek_touch_collection(ek_graph *g, const char *key);
#define ek_add_to_collection(g, key, x) ek_add_item_to_collection((g), (key), EK_ITEM(x), EK_HERE)
EK_API void ek_add_item_to_collection(ek_graph *g, const char *key, ek_item item, ek_where where);
EK_API int ek_collection_count(const ek_graph *g);
EK_API const char *ek_collection_key(const ek_graph *g, int i); /* in order of first use */
/* "<tf.Operation 'a' type=Add>", ... between brackets, as Python prints the list. ek_free it. */
EK_API char *ek_list_repr(ek_list list);
/* The name of an item: operation name, "tensor:0", "variable:0", context name. Borrowed from its graph. */
EK_API const char *ek_item_name(ek_graph *g, ek_item item);

/* ---- control dependencies ------------------------------------------------------------------ */

/* Operations made inside get these as control inputs: not those fed by an operation made inside. */
#define ek_with_control_dependencies(g, list) EK_SCOPE_(ek_control_dependencies_push((g), (list), EK_HERE))
/* control_dependencies(None): leaves all of them, and the control-flow context, until it closes. */
#define ek_with_no_control_dependencies(g) EK_SCOPE_(ek_control_dependencies_clear_push((g), EK_HERE))
EK_API ek_scope ek_control_dependencies_push(ek_graph *g, ek_list list, ek_where where);
EK_API ek_scope ek_control_dependencies_clear_push(ek_graph *g, ek_where where);

/* EK_MAP_(f, a, b, ..) is f(a), f(b), ..: up to 16. */
#define EK_MAP_(f, ...) EK_MAP_PICK_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)(f, __VA_ARGS__)
#define EK_MAP_PICK_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, count, ...) EK_CAT_(EK_MAP_, count)
#define EK_MAP_1(f, a) f(a)
#define EK_MAP_2(f, a, ...) f(a), EK_MAP_1(f, __VA_ARGS__)
#define EK_MAP_3(f, a, ...) f(a), EK_MAP_2(f, __VA_ARGS__)
#define EK_MAP_4(f, a, ...) f(a), EK_MAP_3(f, __VA_ARGS__)
#define EK_MAP_5(f, a, ...) f(a), EK_MAP_4(f, __VA_ARGS__)
#define EK_MAP_6(f, a, ...) f(a), EK_MAP_5(f, __VA_ARGS__)
#define EK_MAP_7(f, a, ...) f(a), EK_MAP_6(f, __VA_ARGS__)
#define EK_MAP_8(f, a, ...) f(a), EK_MAP_7(f, __VA_ARGS__)
#define EK_MAP_9(f, a, ...) f(a), EK_MAP_8(f, __VA_ARGS__)
#define EK_MAP_10(f, a, ...) f(a), EK_MAP_9(f, __VA_ARGS__)
#define EK_MAP_11(f, a, ...) f(a), EK_MAP_10(f, __VA_ARGS__)
#define EK_MAP_12(f, a, ...) f(a), EK_MAP_11(f, __VA_ARGS__)
#define EK_MAP_13(f, a, ...) f(a), EK_MAP_12(f, __VA_ARGS__)
#define EK_MAP_14(f, a, ...) f(a), EK_MAP_13(f, __VA_ARGS__)
#define EK_MAP_15(f, a, ...) f(a), EK_MAP_14(f, __VA_ARGS__)
#define EK_MAP_16(f, a, ...) f(a), EK_MAP_15(f, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
