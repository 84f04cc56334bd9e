/* graph/op.h - what an op is: the type of the definitions in ops/.
 *
 * A definition is a constant: the op as TensorFlow's registry has it (inputs, outputs,
 * attributes and defaults in a small notation), its shape rule, how it is prepared and
 * run. Neither the shape rule nor prepare nor run sees a node or a graph.
 */
#ifndef EK_GRAPH_OP_H
#define EK_GRAPH_OP_H

#include "base/base.h"
#include "values/array.h"

typedef struct ek_op_def ek_op_def;

/* ---- attributes --------------------------------------------------------------------- */

typedef enum ek_attr_kind {
    EK_ATTR_NONE, EK_ATTR_STRING, EK_ATTR_INT, EK_ATTR_FLOAT, EK_ATTR_BOOL, EK_ATTR_TYPE,
    EK_ATTR_SHAPE, EK_ATTR_TENSOR, EK_ATTR_FUNC, EK_ATTR_PLACEHOLDER,
    EK_ATTR_LIST = 16 /* | kind of the elements; EK_ATTR_LIST alone is an empty list of no kind */
} ek_attr_kind;

struct ek_attr;
/* A function by name with its own attributes. */
typedef struct ek_func {
    const char *name;
    int n_attrs;
    struct ek_attr *attrs;
} ek_func;

typedef struct ek_attr_value {
    int kind; /* ek_attr_kind, or EK_ATTR_LIST | kind */
    int32_t count; /* elements of a list; of a tensor, the values that a file shows: a scalar broadcast to a shape 1, 0: all */
    union {
        ek_string s;     /* NUL-ended beyond its size as well */
        int64_t i;
        float f;
        bool b;
        ek_dtype type;
        ek_shape *shape; /* arena */
        ek_array *tensor; /* one reference, released with the graph */
        ek_func *func;
        /* lists */
        ek_string *ss;
        int64_t *is;
        float *fs;
        bool *bs;
        ek_dtype *types;
        ek_shape *shapes;
        ek_array **tensors;
        ek_func *funcs;
    } u;
    /* Wire bytes of the AttrValue as imported, kept for what the parsed form cannot hold (dimension names,
     * unknown fields); NULL for what was built here. Borrowed from the graph. */
    const uint8_t *raw;
    size_t raw_size;
} ek_attr_value;

typedef struct ek_attr {
    const char *name;
    ek_attr_value value;
} ek_attr;

/* Binds an attribute to a member of the parsed form. Members by kind: STRING const char *, INT int64_t, FLOAT float,
 * BOOL bool, TYPE ek_dtype, SHAPE ek_shape, TENSOR ek_array * (borrowed), FUNC const ek_func *,
 * LIST|INT ek_ints, LIST|TYPE ek_types, LIST|SHAPE ek_shapes, LIST|FLOAT ek_floats, LIST|STRING ek_strings. */
typedef struct ek_field {
    const char *name;
    size_t offset;
    int kind;
    bool later;
} ek_field;
#define EK_FIELD(type, member, KIND) { #member, offsetof(type, member), EK_ATTR_##KIND, false }
/* An attribute of later versions that the registry of 1.15 lacks: zero where it is not given. */
#define EK_FIELD_LATER(type, member, KIND) { #member, offsetof(type, member), EK_ATTR_##KIND, true }
#define EK_FIELD_LIST(type, member, KIND) { #member, offsetof(type, member), EK_ATTR_LIST | EK_ATTR_##KIND, false }
typedef struct ek_ints { const int64_t *at; int32_t count; } ek_ints;
typedef struct ek_types { const ek_dtype *at; int32_t count; } ek_types;
typedef struct ek_shapes { const ek_shape *at; int32_t count; } ek_shapes;
typedef struct ek_floats { const float *at; int32_t count; } ek_floats;
typedef struct ek_strings { const ek_string *at; int32_t count; } ek_strings;

/* ---- shape rule --------------------------------------------------------------------- */

/* What a shape rule sees. Unknown dimensions are -1, an unknown rank is -1.
 *
 * in_value[i] is the input's value where it is known (a constant, or at run time every
 * input), else NULL. in_as_shape[i] is what is known of an integer vector's elements,
 * read as a shape (rank -1: nothing). **With every in_value given a rule must come to
 * fully known shapes**: that is how the plan learns shapes that depend on data, and the
 * rule is then also the check of the data (with TensorFlow's run-time message).
 *
 * Static shapes have messages of their own ("Dimensions must be equal, but are 3 and 2"), to which the caller adds
 * the node; `running` asks for those of the kernels ("Incompatible shapes: [3] vs. [2]"). Where TensorFlow's text holds
 * the node's name, rules and kernels write {{node}}, which ek__fail_node replaces.
 *
 * The rule fills out[0 .. n_out). They start as unknown rank. Handles of resource
 * variables carry the variable's shape in in_handle / out_handle. */
typedef struct ek_shape_ctx {
    const ek_op_def *def;
    const void *attrs;
    int n_in, n_out;
    const ek_shape *in;
    const ek_dtype *in_dtype;  /* may be reference types */
    const ek_array *const *in_value;
    const ek_shape *in_as_shape;
    const ek_shape *in_handle;
    const ek_dtype *out_dtype;
    ek_shape *out;
    ek_shape *out_handle;
    bool running; /* the shapes are those of a run: what a feed could change while building no longer matters */
    ek_error *err;
} ek_shape_ctx;

/* ---- prepare and run ------------------------------------------------------------------ */

/* What a phase's function gets. in[i] and out[k] point to row-major elements (never NULL
 * for live values; a zero-element value has some address). Pointers of different outputs
 * never overlap; an output overlaps an input only where the definition allows it (inplace). */
typedef struct ek_run_args {
    const void *const *in;
    void *const *out;
    ek_slot *const *slot;  /* per input: the variable behind it (reference input or resource handle), else NULL */
    const void *state;     /* what prepare made; read only */
    void *scratch;         /* scratch_bytes, 64-byte aligned, contents undefined, shared by the chunks and phases of one execution */
    void *op_state;        /* def->op_state_bytes per session and node, zeroed at first; NULL if none */
    ek_error *err;         /* per worker */
} ek_run_args;

/* One chunk. Chunks of a phase may run at the same time on several threads; phases run
 * one after the other. */
typedef ek_status (*ek_run_fn)(const ek_run_args *a, int64_t chunk);

typedef struct ek_phase {
    ek_run_fn run;
    int64_t chunks; /* from the problem's size alone, never from the threads; 0 counts as nothing to do */
} ek_phase;

enum { EK_MAX_PHASES = 4 };

/* What goes on with elements of output 0 as soon as they are there, while they are in the cache of the thread that made
 * them: an optimizer's update by this gradient, say. `run` works on elements [from, from + n) of everything. */
typedef void (*ek_range_fn)(const ek_run_args *a, int64_t from, int64_t n);
typedef struct ek_then {
    ek_range_fn run; /* NULL: nothing */
    const void *state;
    int32_t in;      /* where its inputs begin, from those of the op that gives */
} ek_then;

/* What prepare sees and fills. Shapes are concrete: out[] is what the shape rule gave.
 * in_value[i] is given for every input in def->value_inputs, and wherever else it is known. */
typedef struct ek_prepare_ctx {
    const ek_op_def *def;
    const void *attrs;
    int n_in, n_out;
    const ek_shape *in, *out;
    const ek_dtype *in_dtype, *out_dtype; /* base types */
    const ek_array *const *in_value;
    ek_arena *arena; /* for state; lives as long as the plan */
    bool deterministic; /* the session asks for the same bits at every CPU level: own loops instead of oneDNN's */
    bool one_thread; /* all runs have a single thread: what is cut for the sake of threads may stay whole, where that
                      * gives the same bits */
    ek_then then;    /* may be done by ek__then (ops/rules.h) for every element once; then_taken says that it is */
    ek_error *err;
    /* results */
    void *state;
    bool then_taken;
    /* An op whose work may follow another's: what must come first, in one chunk, the rest by ranges, and the input whose
     * elements it waits for. It has phases all the same. */
    ek_run_fn range_open;
    ek_range_fn range;
    int range_input;
    size_t scratch_bytes;
    int n_phases;
    ek_phase phase[EK_MAX_PHASES];
} ek_prepare_ctx;

/* An element-wise op offers its loop itself, so that the plan can chain several over one
 * block of elements without a round trip through memory. fn computes n outputs; input i is
 * read at step[i] = 1 or 0 (a scalar). The same numbers in the same order must give the same bits
 * whatever n is and however the whole is cut. `out` may equal any input of step 1 and the same element size. */
typedef void (*ek_elementwise_fn)(int64_t n, const void *const *in, const int *step, void *out, const void *state);

/* What follows a linear op and may be computed with it: each output channel less a center, times a scale, plus a bias,
 * then held between 0 and `high`, NaN staying NaN. Channels are the last dimension of the output, or axis 1 where the op's
 * data format says so. The three are places of float32 vectors among the inputs that prepare sees, beyond the op's own;
 * -1: none. A center comes with a scale and a bias. */
typedef struct ek_after {
    int center, scale, bias;
    bool clamp;
    float high; /* INFINITY: ReLU, 6: ReLU6 */
} ek_after;

/* ---- definition -------------------------------------------------------------------- */

typedef enum ek_op_kind {
    EK_KIND_PURE,   /* outputs are a function of the inputs: may be folded, merged, dropped */
    EK_KIND_EFFECT, /* reads or writes a resource, checks, prints: never folded, merged, moved */
    EK_KIND_SOURCE, /* Placeholder, VarHandleOp, VariableV2: a value that comes from outside the step */
    EK_KIND_ALIAS,  /* Identity and kin: output k is input k, reference included */
    EK_KIND_SWITCH, EK_KIND_MERGE, /* plan/ gives these their meaning; they have no kernel */
    EK_KIND_BRANCH, EK_KIND_LOOP, EK_KIND_CALL
} ek_op_kind;

/* Notation of the registry, one line each, as in TensorFlow's op registration without quotes:
 *     .inputs  = "x: T, y: T"       "values: N * T, axis: Tidx"     "ref: Ref(T), value: T"
 *     .outputs = "z: T"             "output: float"
 *     .attrs   = "T: {half, float, double}; keep_dims: bool = false; N: int >= 1; Tidx: {int32, int64} = int32;
 *                 container: string = ''; data_format: {'NHWC', 'NCHW'} = 'NHWC'; shape: shape; strides: list(int) >= 4;
 *                 Tin: list(type) >= 1; dtype: type; explicit_paddings: list(int) = []; shape: shape = { unknown_rank };
 *                 incompatible_shape_error: bool = true later"
 * A test holds each against TensorFlow's own registry. */
struct ek_op_def {
    const char *name;
    ek_op_kind kind;
    bool stateful;      /* as in the registry: is_stateful */
    bool later;         /* TensorFlow 2 added it: the registry of 1.15 lacks it */
    const char *inputs, *outputs, *attrs;

    size_t attrs_size;  /* of the parsed form; 0: none */
    const ek_field *fields;
    int n_fields;

    ek_status (*shape)(ek_shape_ctx *c);
    /* Arguments whose values decide shapes or loops (axes, permutations, paddings): bit k for argument k of .inputs, which
     * is input k where no list comes before it; ask ek__value_input. The plan gives prepare their values, and plans anew
     * where they differ. They must be small. */
    uint32_t value_inputs;
    ek_status (*prepare)(ek_prepare_ctx *c);
    /* Linear ops: prepare with what follows, of float32 only; NULL: cannot. Known values of filter and scale are used while
     * planning. */
    ek_status (*prepare_after)(ek_prepare_ctx *c, const ek_after *after);

    /* Element-wise ops set this instead of prepare where the types are right; it returns the loop or NULL, and
     * may set *state. Broadcasting beyond scalars is prepare's (elementwise_prepare in ops/elementwise.h). */
    ek_elementwise_fn (*elementwise)(ek_prepare_ctx *c, const void **state);

    bool alias_data;    /* output 0 has the bytes of input 0, perhaps under another shape: a plan may move nothing */
    bool alias_whole;   /* output 0 is input 0, perhaps under another shape, wherever it has as many elements: a sum over axes
                         * of one element or none at all, a slice that is everything */
    bool feed_point;    /* its value may be replaced by a feed: building a graph does not look through it */
    bool sums;          /* output 0 is the sum of all inputs, which have its shape: terms that are zeros may be left out */
    bool (*zeros)(const ek_array *const *in_value); /* whether output 0 is zeros, by the values that are known (else NULL) */
    uint32_t inplace;   /* bit i: output 0 may overwrite input i when it dies here and sizes agree */
    uint32_t writes;    /* bit i: writes the variable behind input i */
    uint32_t reads;     /* bit i: reads the variable behind input i (resource handles; references are read by being used) */
    uint32_t accepts_uninitialized; /* bit i: input i may be a variable without a value; in[i] is then NULL */
    uint32_t ref_output; /* bit k: output k is the variable behind input 0 (Assign, AssignAdd, ...) */
    size_t op_state_bytes; /* per session and node: a random generator's counter */

    /* What the plan may do without running it. */
    uint32_t shape_inputs; /* bit k: of argument k (ask ek__shape_input) only the shape matters, its elements are never looked at (Shape, Size,
                            * Rank, ZerosLike): a constant once shapes are known */
    bool snapshot;         /* output 0 is the whole value of the variable behind input 0 as it is now (ReadVariableOp): a
                            * copy only where a write comes while it is needed */
    bool shapes_at_run;    /* shapes follow from what the run finds, in a file say, whatever is known before: the rule is asked then */
    bool assigns;          /* the variable behind input 0 becomes input 1, whole (Assign, AssignVariableOp) */

    const char *no_grad_because; /* why nothing flows back through it; the others are in ops/gradients.def, or refused */
};

/* ---- the registry as parsed ----------------------------------------------------------- */

typedef struct ek_arg_spec {
    const char *name;
    ek_dtype type;           /* fixed type, or NONE */
    const char *type_attr;   /* "T", or NULL */
    const char *number_attr; /* "N", or NULL */
    const char *list_attr;   /* "Tin" of type list(type), or NULL */
    bool is_ref;
} ek_arg_spec;

typedef struct ek_attr_spec {
    const char *name;
    int kind; /* ek_attr_kind, with EK_ATTR_LIST */
    bool has_default, has_minimum;
    bool later; /* TensorFlow 2 added it: read from files, not written at its default */
    ek_attr_value fallback;
    int64_t minimum;
    uint64_t allowed_types; /* bit per ek_dtype; 0: any */
    const ek_dtype *allowed_type; /* the same in the registry's order, for messages */
    int n_allowed_types;
    int n_allowed_strings;
    const char *const *allowed_strings;
} ek_attr_spec;

typedef struct ek_op_spec {
    const ek_op_def *def;
    int n_in, n_out, n_attrs;
    ek_arg_spec *in, *out;
    ek_attr_spec *attr; /* in the registry's order */
} ek_op_spec;

/* Whether input i of n_in belongs to an argument in `mask`. Lists share evenly what single arguments leave; what cannot be
 * shared is the last argument's: of lists that differ in length the mask names all. */
static inline bool ek__input_in(const ek_op_spec *s, uint32_t mask, int i, int n_in)
{
    int lists = 0, at = 0;

    for (int k = 0; k < s->n_in; k++) lists += s->in[k].number_attr != NULL || s->in[k].list_attr != NULL;
    const int length = lists > 0 ? (n_in - (s->n_in - lists)) / lists : 0;
    for (int k = 0; k < s->n_in && k < 32; k++) {
        at += s->in[k].number_attr != NULL || s->in[k].list_attr != NULL ? length : 1;
        if (i < at || k + 1 == s->n_in) return (mask >> k & 1u) != 0;
    }
    return false;
}
static inline bool ek__value_input(const ek_op_spec *s, int i, int n_in)
{
    return ek__input_in(s, s->def->value_inputs, i, n_in);
}
static inline bool ek__shape_input(const ek_op_spec *s, int i, int n_in)
{
    return ek__input_in(s, s->def->shape_inputs, i, n_in);
}

/* A set of definitions with their notation parsed; made once by ops/ and handed to each graph. */
typedef struct ek_registry ek_registry;
ek_status ek__registry_create(const ek_op_def *const *defs, int n, ek_registry **out, ek_error *err);
const ek_op_spec *ek__registry_find(const ek_registry *r, const char *type); /* NULL: no definition */
int ek__registry_count(const ek_registry *r);
const ek_op_spec *ek__registry_at(const ek_registry *r, int i);
void ek__registry_destroy(ek_registry *r);

/* Fills the parsed form from attributes (defaults where missing). `parsed` has def->attrs_size bytes. */
ek_status ek__attrs_parse(const ek_op_spec *spec, const ek_attr *attrs, int n, void *parsed, ek_error *err);
const ek_attr_value *ek__attr_find(const ek_attr *attrs, int n, const char *name); /* NULL: absent */
/* Types of inputs and outputs from the attributes, lists flattened; counts into *n_in, *n_out; arrays from arena. */
ek_status ek__op_types(const ek_op_spec *spec, const ek_attr *attrs, int n, ek_arena *arena, int *n_in, ek_dtype **in,
                       int *n_out, ek_dtype **out, ek_error *err);

#endif
