/* evenkeel/variables.h - variables, variable scopes, get_variable, initializers.
 *
 * A variable is a node that keeps its value from run to run. As in TensorFlow 1.15 it comes in two kinds:
 * reference variables (VariableV2, the default; reading one gives its memory) and resource variables
 * (VarHandleOp; every read is a node and a copy of its own). Nodes, names, order and collections are
 * TensorFlow's.
 *
 * As with all building, failures are sticky: the call returns a dead variable and ek_graph_status() tells.
 */
#ifndef EVENKEEL_VARIABLES_H
#define EVENKEEL_VARIABLES_H

#include "evenkeel/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- initializers ---------------------------------------------------------------------------- */

typedef enum ek_initializer_kind {
    EK_INIT_NONE, /* none given */
    EK_INIT_ZEROS, EK_INIT_ONES, EK_INIT_CONSTANT, EK_INIT_RANDOM_UNIFORM, EK_INIT_RANDOM_NORMAL,
    EK_INIT_TRUNCATED_NORMAL, EK_INIT_VARIANCE_SCALING, EK_INIT_ORTHOGONAL, EK_INIT_IDENTITY,
    EK_INIT_CALL, /* a function of the caller's */
    EK_INIT_VALUE /* a value instead of an initializer: see ek_initial_value */
} ek_initializer_kind;
typedef enum ek_fan { EK_FAN_IN, EK_FAN_OUT, EK_FAN_AVG } ek_fan;
typedef enum ek_distribution {
    EK_DISTRIBUTION_TRUNCATED_NORMAL, EK_DISTRIBUTION_UNTRUNCATED_NORMAL, EK_DISTRIBUTION_UNIFORM
} ek_distribution;

/* How the first value of a variable of some shape and dtype is made. Copied by value; arrays are borrowed
 * until the variable exists. Make them with the macros below. */
typedef struct ek_initializer {
    ek_initializer_kind kind;
    union { double minval, mean, scale, value, gain; };
    union { double maxval, stddev; };
    ek_fan mode;
    ek_distribution distribution;
    int64_t seed;          /* EK_NO_SEED: none */
    ek_dtype dtype;        /* NONE: the variable's */
    const ek_array *array; /* constant: in place of `value`; a short one repeats its last element */
    ek_operand operand;    /* of EK_INIT_VALUE */
    ek_tensor (*call)(ek_graph *g, ek_shape shape, ek_dtype dtype, void *arg);
    void *arg;
} ek_initializer;

#define EK_INITIALIZER_(...) \
    EK_CALL(ek_initializer, ek_initializer_copy, (), ek_initializer_args_, .of = { __VA_ARGS__ })
typedef struct ek_initializer_args_ {
    size_t size;
    ek_initializer of;
} ek_initializer_args_;
EK_API ek_initializer ek_initializer_copy(const ek_initializer_args_ *a, ek_where where);

#define ek_zeros_initializer() EK_INITIALIZER_(.kind = EK_INIT_ZEROS, .seed = EK_NO_SEED)
#define ek_ones_initializer() EK_INITIALIZER_(.kind = EK_INIT_ONES, .seed = EK_NO_SEED)
/* ek_constant_initializer(0.25), ek_constant_initializer(0, .array = a) */
#define ek_constant_initializer(...) \
    EK_INITIALIZER_(.kind = EK_INIT_CONSTANT, .seed = EK_NO_SEED, .value = __VA_ARGS__)
/* U[minval, maxval): ek_random_uniform_initializer(.minval = 0.5, .maxval = 1.5, .seed = 7). maxval is 1 by
 * default; of an integer dtype it must be given. */
#define ek_random_uniform_initializer(...)                                                             \
    EK_INITIALIZER_(.kind = EK_INIT_RANDOM_UNIFORM, .seed = EK_NO_SEED, .minval = 0.0,                 \
                    .maxval = EK_NO_MAXVAL, __VA_ARGS__)
#define ek_random_normal_initializer(...)                                                              \
    EK_INITIALIZER_(.kind = EK_INIT_RANDOM_NORMAL, .seed = EK_NO_SEED, .mean = 0.0, .stddev = 1.0, __VA_ARGS__)
/* What lies beyond two deviations is drawn again. */
#define ek_truncated_normal_initializer(...)                                                           \
    EK_INITIALIZER_(.kind = EK_INIT_TRUNCATED_NORMAL, .seed = EK_NO_SEED, .mean = 0.0, .stddev = 1.0, __VA_ARGS__)
/* Variance scale / n, n being the number of inputs, of outputs, or their mean (`mode`). */
#define ek_variance_scaling_initializer(...)                                                           \
    EK_INITIALIZER_(.kind = EK_INIT_VARIANCE_SCALING, .seed = EK_NO_SEED, .scale = 1.0, .mode = EK_FAN_IN, \
                    .distribution = EK_DISTRIBUTION_TRUNCATED_NORMAL, __VA_ARGS__)
#define ek_glorot_uniform_initializer(...)                                                             \
    ek_variance_scaling_initializer(.mode = EK_FAN_AVG, .distribution = EK_DISTRIBUTION_UNIFORM, __VA_ARGS__)
#define ek_glorot_normal_initializer(...) ek_variance_scaling_initializer(.mode = EK_FAN_AVG, __VA_ARGS__)
#define ek_he_uniform_initializer(...)                                                                 \
    ek_variance_scaling_initializer(.scale = 2.0, .distribution = EK_DISTRIBUTION_UNIFORM, __VA_ARGS__)
#define ek_he_normal_initializer(...) ek_variance_scaling_initializer(.scale = 2.0, __VA_ARGS__)
#define ek_lecun_uniform_initializer(...)                                                              \
    ek_variance_scaling_initializer(.distribution = EK_DISTRIBUTION_UNIFORM, __VA_ARGS__)
#define ek_lecun_normal_initializer(...) ek_variance_scaling_initializer(__VA_ARGS__)
/* A random orthogonal matrix times `gain` (1), or as many rows or columns of one as the shape has; all dimensions but the
 * last count as rows. The same as TensorFlow's for a seed within some 1e-6. Of rank 2 at least, real. */
#define ek_orthogonal_initializer(...) \
    EK_INITIALIZER_(.kind = EK_INIT_ORTHOGONAL, .seed = EK_NO_SEED, .gain = 1.0, __VA_ARGS__)
/* Ones on the diagonal of a matrix, times `gain` (1). */
#define ek_identity_initializer(...) \
    EK_INITIALIZER_(.kind = EK_INIT_IDENTITY, .seed = EK_NO_SEED, .gain = 1.0, __VA_ARGS__)
/* `fn(g, shape, dtype, arg)` builds the value, inside the name scope V/Initializer. */
#define ek_custom_initializer(fn, data) \
    EK_INITIALIZER_(.kind = EK_INIT_CALL, .seed = EK_NO_SEED, .call = (fn), .arg = (data))
/* A tensor, array, literal or number that is the first value itself; the variable takes its shape. */
#define ek_initial_value(x) EK_INITIALIZER_(.kind = EK_INIT_VALUE, .seed = EK_NO_SEED, .operand = EK_OPERAND(x))

/* ---- regularizers and constraints -------------------------------------------------------------- */

/* Something built from a variable, at once, in the name scope that is then current. */
typedef ek_tensor (*ek_variable_fn)(ek_variable v, void *arg);
/* The same of a tensor. */
typedef ek_tensor (*ek_tensor_fn)(ek_tensor t, void *arg);

/* A scalar loss of a variable; it goes to the collection EK_REGULARIZATION_LOSSES when the variable is made. */
typedef struct ek_regularizer {
    int kind;      /* 0: none */
    double l1, l2; /* kind 1: l1 * sum(|v|) + l2 * sum(v^2), in Keras's nodes */
    ek_variable_fn call; /* kind 2; a dead tensor stands for Python's None: no loss */
    void *arg;
    ek_tensor_fn of_tensor; /* kind 3 */
} ek_regularizer;
EK_API ek_regularizer ek_l1_regularizer(double l1);
EK_API ek_regularizer ek_l2_regularizer(double l2);
EK_API ek_regularizer ek_l1_l2_regularizer(double l1, double l2);
EK_API ek_regularizer ek_custom_regularizer(ek_variable_fn call, void *arg);
/* For .activity_regularizer, which is of a layer's output; of a variable it gets the value. */
EK_API ek_regularizer ek_custom_activity_regularizer(ek_tensor_fn call, void *arg);

typedef struct ek_norm_constraint_options {
    size_t size;
    double min_value, max_value, rate;
    ek_axes axis; /* what the norms are over: EK_AXIS(0) by default, the inputs of a dense kernel; EK_AXES(0, 1, 2), each
                   * filter of a convolution */
} ek_norm_constraint_options;
/* What an optimizer replaces the variable by after its step: v <- call(v, arg), taken from ek_variable_constraint(v).
 * Kept with the variable. */
typedef struct ek_constraint {
    ek_variable_fn call; /* NULL: none */
    void *arg;
    ek_norm_constraint_options norm; /* of norms: what arg points to in the variable's copy; size 0 otherwise */
} ek_constraint;
EK_API ek_constraint ek_non_neg_constraint(void); /* v * (v >= 0) */
EK_API ek_constraint ek_custom_constraint(ek_variable_fn call, void *arg);
/* Keras's constraints of norms n = sqrt(sum(v^2)):
 *     ek_max_norm_constraint(.max_value = 3)                     v * min(n, max_value) / (1e-7 + n); 2 by default
 *     ek_unit_norm_constraint(.axis = EK_AXES(0, 1, 2))          v / (1e-7 + n)
 *     ek_min_max_norm_constraint(.min_value = 0.5, .rate = 0.9)  v * (rate * clip(n, min_value, max_value) + (1 - rate) * n)
 *                                                                / (1e-7 + n); 0, 1 and 1 by default */
#define EK_NORM_CONSTRAINT_(fn, ...)                                                                   \
    EK_CALL(ek_constraint, fn, (), ek_norm_constraint_options, .axis = { -2, { 0 } }, .rate = 1.0, __VA_ARGS__)
#define ek_max_norm_constraint(...) EK_NORM_CONSTRAINT_(ek_max_norm_constraint_with, .max_value = 2.0, __VA_ARGS__)
#define ek_unit_norm_constraint(...) EK_NORM_CONSTRAINT_(ek_unit_norm_constraint_with, __VA_ARGS__)
#define ek_min_max_norm_constraint(...) \
    EK_NORM_CONSTRAINT_(ek_min_max_norm_constraint_with, .max_value = 1.0, __VA_ARGS__)
EK_API ek_constraint ek_max_norm_constraint_with(const ek_norm_constraint_options *o, ek_where where);
EK_API ek_constraint ek_unit_norm_constraint_with(const ek_norm_constraint_options *o, ek_where where);
EK_API ek_constraint ek_min_max_norm_constraint_with(const ek_norm_constraint_options *o, ek_where where);

/* ---- partitioners: variables in parts -------------------------------------------------------------------- */

typedef enum ek_partition_kind {
    EK_PARTITION_NONE, /* none given */
    EK_PARTITION_FIXED, EK_PARTITION_AXIS_SIZE, EK_PARTITION_MIN_MAX,
    EK_PARTITION_CALL /* a function of the caller's */
} ek_partition_kind;

/* Into how many parts get_variable cuts a variable, along one axis. Copied by value. Make them with the macros below. */
typedef struct ek_partitioner {
    ek_partition_kind kind;
    int axis; /* negative ones count from the end */
    union { int64_t num_shards, max_shards, max_partitions; };
    union { int64_t max_shard_bytes, min_slice_size; };
    int64_t bytes_per_string_element; /* 16 */
    void (*call)(ek_shape shape, ek_dtype dtype, int64_t *parts, void *arg);
    void *arg;
} ek_partitioner;

#define EK_PARTITIONER_(...) \
    EK_CALL(ek_partitioner, ek_partitioner_copy, (), ek_partitioner_args_, .of = { __VA_ARGS__ })
typedef struct ek_partitioner_args_ {
    size_t size;
    ek_partitioner of;
} ek_partitioner_args_;
EK_API ek_partitioner ek_partitioner_copy(const ek_partitioner_args_ *a, ek_where where);

/* tf.fixed_size_partitioner: so many parts, or one per place of the axis: ek_fixed_size_partitioner(3, .axis = 1). */
#define ek_fixed_size_partitioner(...) \
    EK_PARTITIONER_(.kind = EK_PARTITION_FIXED, .bytes_per_string_element = 16, .num_shards = __VA_ARGS__)
/* tf.variable_axis_size_partitioner: parts of at most so many bytes, which hold one place of the axis at least; no more than
 * .max_shards of them (0: any number). */
#define ek_variable_axis_size_partitioner(...) \
    EK_PARTITIONER_(.kind = EK_PARTITION_AXIS_SIZE, .bytes_per_string_element = 16, .max_shard_bytes = __VA_ARGS__)
/* tf.min_max_variable_partitioner: at most .max_partitions parts (1) of at least .min_slice_size bytes (262144). */
#define ek_min_max_variable_partitioner(...)                                                            \
    EK_PARTITIONER_(.kind = EK_PARTITION_MIN_MAX, .bytes_per_string_element = 16, .max_partitions = 1, \
                    .min_slice_size = 262144, __VA_ARGS__)
/* `fn(shape, dtype, parts, data)` sets parts[d], 1 at first, for the one axis d that is cut. */
#define ek_custom_partitioner(fn, data) EK_PARTITIONER_(.kind = EK_PARTITION_CALL, .call = (fn), .arg = (data))

/* ---- variable scopes ------------------------------------------------------------------------------- */

/* Whether get_variable makes, shares, or does what is needed. EK_NEW inside a reusing scope inherits: once on,
 * sharing cannot be switched off further in. */
typedef enum ek_reuse { EK_NEW = 0, EK_REUSE = 1, EK_AUTO_REUSE = 2 } ek_reuse;

/* A variable scope to come back to; alive as long as its graph. */
typedef struct ek_variable_scope {
    ek_graph *graph;
    const struct ek_vscope *scope; /* NULL: none */
} ek_variable_scope;
/* tf.get_variable_scope(): the current one. */
EK_API ek_variable_scope ek_get_variable_scope(ek_graph *g);
EK_API const char *ek_variable_scope_name(ek_variable_scope vs); /* "" at the root; borrowed from the graph */
EK_API ek_reuse ek_variable_scope_reuse(ek_variable_scope vs);
/* The name scope it was first opened with, with its trailing '/'. */
EK_API const char *ek_variable_scope_name_scope(ek_variable_scope vs);

/* Everything but the name is inherited from the scope around where it is not given, except the constraint. */
typedef struct ek_variable_scope_options {
    size_t size;
    const char *name;         /* NULL: default_name, made unique ("dense", "dense_1", ...) */
    const char *default_name;
    ek_variable_scope scope;  /* re-enters this one instead: absolute names, a name scope of its last part */
    ek_reuse reuse;
    ek_initializer initializer;
    ek_regularizer regularizer;
    ek_constraint constraint;
    ek_dtype dtype;
    ek_tristate use_resource;
    bool auxiliary_name_scope; /* false: opens no name scope */
    ek_partitioner partitioner; /* variables made inside are in parts, scalars excepted */
} ek_variable_scope_options;
/* tf.variable_scope, for one statement or block:
 *     ek_with_variable_scope(g, "net", .reuse = EK_AUTO_REUSE) w = ek_get_variable(g, "w", .shape = EK_SHAPE(3));
 * Opens a name scope of that name as well (made unique: the second time operations are named net_1/..., while
 * variables stay net/...).
 * Errors  INVALID_ARGUMENT: neither name nor default_name; reuse without a name. */
#define ek_with_variable_scope(g, ...) EK_SCOPE_(ek_variable_scope_push(g, __VA_ARGS__))
#define ek_variable_scope_push(g, ...)                                                              \
    EK_CALL(ek_scope, ek_variable_scope_push_with, ((g),), ek_variable_scope_options,               \
            .use_resource = EK_DEFAULT, .auxiliary_name_scope = true, .name = __VA_ARGS__)
EK_API ek_scope ek_variable_scope_push_with(ek_graph *g, const ek_variable_scope_options *o, ek_where where);

/* ---- making variables ------------------------------------------------------------------------------- */

/* What TensorFlow would do with a variable's copies on several devices. Here there is one copy and nothing to do; it is
 * kept because files carry it. A variable that is synchronized on reading (moving statistics, metrics) is not trainable,
 * whatever .trainable says. */
typedef enum ek_synchronization {
    EK_SYNCHRONIZATION_AUTO, EK_SYNCHRONIZATION_NONE, EK_SYNCHRONIZATION_ON_WRITE, EK_SYNCHRONIZATION_ON_READ
} ek_synchronization;
typedef enum ek_aggregation {
    EK_AGGREGATION_NONE, EK_AGGREGATION_SUM, EK_AGGREGATION_MEAN, EK_AGGREGATION_ONLY_FIRST_REPLICA
} ek_aggregation;

/* Names of collections: EK_KEYS(EK_LOCAL_VARIABLES, "mine"). count -1: not given. */
typedef struct ek_keys {
    const char *const *key;
    int count;
} ek_keys;
#define EK_KEYS(...) \
    ((ek_keys){ (const char *const[]){ __VA_ARGS__ },                                                  \
                (int)(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)) })
#define EK_NO_KEYS ((ek_keys){ NULL, 0 })

typedef struct ek_get_variable_options {
    size_t size;
    const char *name;           /* required; the scope's name and a '/' come before it */
    ek_shape shape;             /* of rank -2: not given */
    ek_dtype dtype;             /* NONE: the scope's, float32 at the root */
    ek_initializer initializer; /* none: the scope's, else glorot_uniform (floating types), zeros */
    ek_regularizer regularizer; /* none: the scope's */
    ek_constraint constraint;
    bool trainable;             /* adds it to EK_TRAINABLE_VARIABLES */
    ek_keys collections;        /* not given: EK_GLOBAL_VARIABLES */
    bool validate_shape;        /* false: the shape may be unknown */
    ek_tristate use_resource;   /* EK_DEFAULT: the scope's, else ek_use_resource_variables() */
    ek_synchronization synchronization;
    ek_aggregation aggregation;
    ek_partitioner partitioner; /* none: the scope's; of a scalar it is not asked */
} ek_get_variable_options;
/* tf.get_variable: the variable of that name, made or shared as the scope's reuse says.
 *
 * Nodes        V/Initializer/..., V, V/Assign, V/read; name scopes do not matter.
 * Shared       shape (where given) and dtype must fit; initializer and regularizer are not looked at.
 * Errors       INVALID_ARGUMENT with TensorFlow's sentences: it exists already; it does not exist; another shape
 *              or dtype; no shape; a value and a shape; a shape not fully known.
 * In parts     with a partitioner: variables V/part_0, V/part_1, ..., which are what collections list, optimizers train and
 *              savers save; the call returns the whole, an operand like any other (V/ConcatPartitions/concat, V), of which
 *              ek_variable_part() gives the parts. The first numbers are those of a part; glorot_uniform and its kind look at
 *              the whole's shape, a value is sliced. Sharing needs the same partitioner, or reuse and none. Errors besides:
 *              more than one axis cut, a part without places, in parts here and in one there. */
#define ek_get_variable(g, ...)                                                                         \
    EK_CALL(ek_variable, ek_get_variable_with, ((g),), ek_get_variable_options, .shape = { .rank = -2 }, \
            .trainable = true, .collections = { NULL, -1 }, .validate_shape = true,                      \
            .use_resource = EK_DEFAULT, .name = __VA_ARGS__)
EK_API ek_variable ek_get_variable_with(ek_graph *g, const ek_get_variable_options *o, ek_where where);

typedef struct ek_variable_options {
    size_t size;
    ek_operand value;         /* required: the initial value */
    const char *name;         /* NULL: "Variable"; under the current name scope, always a new one */
    ek_dtype dtype;           /* NONE: the value's */
    bool trainable;
    ek_keys collections;
    ek_constraint constraint;
    bool validate_shape;
    ek_tristate use_resource;
    ek_synchronization synchronization;
    ek_aggregation aggregation;
} ek_variable_options;
/* tf.Variable: ek_variable_create(g, 1.0), ek_variable_create(g, w0, .trainable = false, .name = "w"). The value is
 * anything EK_OPERAND takes. Initial values that read other variables are guarded as TensorFlow guards them: those
 * variables' initial values are used where they are not initialized yet.
 * Errors  INVALID_ARGUMENT: the value has no full shape (and validate_shape is on), or is made inside a cond. */
#define ek_variable_create(g, ...)                                                                      \
    EK_CALL(ek_variable, ek_variable_create_with, ((g),), ek_variable_options, .trainable = true,       \
            .collections = { NULL, -1 }, .validate_shape = true, .use_resource = EK_DEFAULT,             \
            .value = EK_OPERAND(EK_HEAD_(__VA_ARGS__, 0)), EK_TAIL_(__VA_ARGS__, .size = sizeof(ek_variable_options)))
EK_API ek_variable ek_variable_create_with(ek_graph *g, const ek_variable_options *o, ek_where where);

/* ---- what a variable is -------------------------------------------------------------------------------- */

static inline bool ek_variable_ok(ek_variable v) { return v.graph != NULL && v.id >= 0; }
EK_API const char *ek_variable_name(ek_variable v);       /* "w:0"; borrowed from the graph, "" for a dead one */
EK_API ek_dtype ek_variable_dtype(ek_variable v);         /* a reference type for a reference variable */
EK_API ek_shape ek_variable_shape(ek_variable v);
EK_API bool ek_variable_is_resource(ek_variable v);
EK_API bool ek_variable_is_trainable(ek_variable v);
EK_API ek_op ek_variable_op(ek_variable v);               /* VariableV2 or VarHandleOp */
EK_API ek_op ek_variable_initializer(ek_variable v);      /* the Assign */
EK_API ek_tensor ek_variable_initial_value(ek_variable v);
EK_API ek_constraint ek_variable_constraint(ek_variable v);
EK_API ek_synchronization ek_variable_synchronization(ek_variable v);
EK_API ek_aggregation ek_variable_aggregation(ek_variable v);
/* Of a variable in parts the number of parts, else 1; 0 for a dead one. The whole has no operation, initializer or initial
 * value of its own, and is neither written nor listed: its parts are. */
EK_API int ek_variable_parts(ek_variable v);
EK_API ek_variable ek_variable_part(ek_variable v, int i); /* the variable itself where it is one; dead beyond the last */
/* Which part of what a variable is, as files have it: a slot of a part is a part of a slot. */
typedef struct ek_slice_info {
    const char *full_name; /* borrowed from the graph */
    ek_shape full_shape;
    int64_t offset[EK_MAX_RANK];
    ek_shape shape;
} ek_slice_info;
EK_API bool ek_variable_slice_info(ek_variable v, ek_slice_info *out); /* false, *out untouched: it is no part */
/* The variable made with this op name (without ":0"); dead, nothing recorded, if there is none. */
EK_API ek_variable ek_variable_by_name(ek_graph *g, const char *name);

/* The value as an operand gets it: V/read of a reference variable (no new node), a new ReadVariableOp otherwise. */
#define ek_variable_value(v) ek_variable_value_at((v), EK_HERE)
EK_API ek_tensor ek_variable_value_at(ek_variable v, ek_where where);
/* v.read_value(): always a new node, so that control dependencies take hold of it. */
#define ek_read_value(v) ek_read_value_at((v), EK_HERE)
EK_API ek_tensor ek_read_value_at(ek_variable v, ek_where where);
/* Its value, or its initial value as long as it has none (a cond). */
#define ek_initialized_value(v) ek_initialized_value_at((v), EK_HERE)
EK_API ek_tensor ek_initialized_value_at(ek_variable v, ek_where where);
/* A bool scalar. */
#define ek_is_variable_initialized(v) ek_is_variable_initialized_at((v), EK_HERE)
EK_API ek_tensor ek_is_variable_initialized_at(ek_variable v, ek_where where);

/* Variables under the names that they have in checkpoints: EK_NAMED_VARIABLES({ "old/w", w }, { "old/b", b }). count -1: not given. */
typedef struct ek_named_variable {
    const char *name;
    ek_variable variable;
} ek_named_variable;
typedef struct ek_named_variables {
    const ek_named_variable *at;
    int64_t count;
} ek_named_variables;
#define EK_NAMED_VARIABLES(...) \
    ((ek_named_variables){ (const ek_named_variable[]){ __VA_ARGS__ }, \
                           (int64_t)(sizeof((const ek_named_variable[]){ __VA_ARGS__ }) / sizeof(ek_named_variable)) })

/* ---- lists and initializers of variables ---------------------------------------------------------------- */

/* Copies of the collections, as they are now. tf.all_variables is tf.global_variables. */
EK_API ek_list ek_global_variables(ek_graph *g);
EK_API ek_list ek_all_variables(ek_graph *g);
EK_API ek_list ek_local_variables(ek_graph *g);
EK_API ek_list ek_trainable_variables(ek_graph *g);
EK_API ek_list ek_model_variables(ek_graph *g);
EK_API ek_list ek_moving_average_variables(ek_graph *g);

/* A NoOp "init" (init_1, ...) that depends on the initializer of every global variable there is now: build it last. */
#define ek_global_variables_initializer(g) ek_global_variables_initializer_at((g), EK_HERE)
EK_API ek_op ek_global_variables_initializer_at(ek_graph *g, ek_where where);
#define ek_local_variables_initializer(g) ek_local_variables_initializer_at((g), EK_HERE)
EK_API ek_op ek_local_variables_initializer_at(ek_graph *g, ek_where where);
/* The same for a list; name NULL: "init". Items that are no variables are an error. */
#define ek_variables_initializer(g, list, name) ek_variables_initializer_at((g), (list), (name), EK_HERE)
EK_API ek_op ek_variables_initializer_at(ek_graph *g, ek_list list, const char *name, ek_where where);
/* A string vector: names of the global and local variables that have no value yet. */
#define ek_report_uninitialized_variables(g) ek_report_uninitialized_variables_at((g), EK_EMPTY_LIST, NULL, EK_HERE)
/* Of a list; an empty one stands for all. name NULL: "report_uninitialized_variables". */
EK_API ek_tensor ek_report_uninitialized_variables_at(ek_graph *g, ek_list list, const char *name, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
