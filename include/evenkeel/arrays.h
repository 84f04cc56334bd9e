/* evenkeel/arrays.h - operations that move elements or speak of shapes, and writes of variables.
 *
 * As in ops.h every builder makes TensorFlow 1.15's nodes: the same types, names and constants. What is static
 * here (axes, shapes, permutations) becomes Const nodes; ek_op_build makes the same operations from tensors.
 */
#ifndef EVENKEEL_ARRAYS_H
#define EVENKEEL_ARRAYS_H

#include "evenkeel/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Lists for one call: EK_INTS(0, 2), EK_NUMBERS(0.25, 0.5), EK_TENSORS(a, b). */
typedef struct ek_int_list {
    const int64_t *at;
    int n;
} ek_int_list;
typedef struct ek_number_list {
    const double *at;
    int n;
} ek_number_list;
typedef struct ek_tensor_list {
    const ek_tensor *at;
    int n;
} ek_tensor_list;
#define EK_INTS(...) \
    ((ek_int_list){ (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)) })
#define EK_NUMBERS(...) \
    ((ek_number_list){ (const double[]){ __VA_ARGS__ }, (int)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)) })
#define EK_TENSORS(...)                                                                                                \
    ((ek_tensor_list){ (const ek_tensor[]){ __VA_ARGS__ },                                                             \
                       (int)(sizeof((ek_tensor[]){ __VA_ARGS__ }) / sizeof(ek_tensor)) })

/* ---- asking for shapes ----------------------------------------------------------------------- */

/* tf.shape, tf.size (int32), tf.rank: a Const where the static shape (for the rank: the static rank) tells. */
#define ek_shape_of(...) EK_UNARY_(ek_shape_with, __VA_ARGS__)
#define ek_size_of(...) EK_UNARY_(ek_size_with, __VA_ARGS__)
#define ek_rank_of(...) EK_UNARY_(ek_rank_with, __VA_ARGS__)

/* ---- other shapes for the same elements ------------------------------------------------------ */

typedef struct ek_reshape_options {
    size_t size;
    ek_tensor tensor;
    ek_shape to;      /* required; one dimension may be -1 */
    ek_tensor shape;  /* in place of `to`: an integer vector */
    const char *name; /* NULL: "Reshape" */
} ek_reshape_options;
/* tf.reshape: ek_reshape(x, EK_SHAPE(-1, 3)), ek_reshape(x, EK_UNKNOWN_SHAPE, .shape = ek_shape_of(y)) */
#define ek_reshape(x, ...)                                                                                      \
    EK_CALL(ek_tensor, ek_reshape_with, (), ek_reshape_options, .shape = { NULL, -1, 0 }, .name = NULL, .tensor = (x), \
            .to = __VA_ARGS__)
EK_API ek_tensor ek_reshape_with(const ek_reshape_options *o, ek_where where);

typedef struct ek_squeeze_options {
    size_t size;
    ek_tensor input;
    ek_int_list axis; /* none: every dimension of 1 */
    const char *name; /* NULL: "Squeeze" */
} ek_squeeze_options;
/* tf.squeeze: ek_squeeze(x, .axis = EK_INTS(0)) */
#define ek_squeeze(...) \
    EK_CALL(ek_tensor, ek_squeeze_with, (), ek_squeeze_options, .axis = { NULL, 0 }, .name = NULL, .input = __VA_ARGS__)
EK_API ek_tensor ek_squeeze_with(const ek_squeeze_options *o, ek_where where);

typedef struct ek_axis_options {
    size_t size;
    ek_tensor input;
    int64_t axis;
    const char *name;
} ek_axis_options;
/* tf.expand_dims: ek_expand_dims(x, 0) */
#define ek_expand_dims(x, ...) \
    EK_CALL(ek_tensor, ek_expand_dims_with, (), ek_axis_options, .name = NULL, .input = (x), .axis = __VA_ARGS__)
EK_API ek_tensor ek_expand_dims_with(const ek_axis_options *o, ek_where where);

typedef struct ek_transpose_options {
    size_t size;
    ek_tensor input;
    ek_int_list perm; /* none: the dimensions in reverse; the rank must be known then */
    const char *name; /* NULL: "transpose" */
} ek_transpose_options;
/* tf.transpose: ek_transpose(x, .perm = EK_INTS(0, 2, 1)) */
#define ek_transpose(...)                                                                                              \
    EK_CALL(ek_tensor, ek_transpose_with, (), ek_transpose_options, .perm = { NULL, 0 }, .name = NULL,                 \
            .input = __VA_ARGS__)
EK_API ek_tensor ek_transpose_with(const ek_transpose_options *o, ek_where where);

/* ---- repeated numbers ------------------------------------------------------------------------ */

typedef struct ek_fill_options {
    size_t size;
    ek_tensor dims; /* an integer vector */
    ek_operand value;
    const char *name; /* NULL: "Fill" */
} ek_fill_options;
/* tf.fill: ek_fill(ek_shape_of(x), 0.5) */
#define ek_fill(d, ...) EK_TWO_(ek_fill_with, ek_fill_options, dims, d, value, __VA_ARGS__)
EK_API ek_tensor ek_fill_with(const ek_fill_options *o, ek_where where);

typedef struct ek_zeros_options {
    size_t size;
    ek_shape shape;   /* required, fully known */
    ek_dtype dtype;   /* float32 by default */
    const char *name; /* NULL: "zeros", "ones" */
} ek_zeros_options;
/* tf.zeros, tf.ones: a Const up to 999 elements, beyond that a Fill. ek_zeros(g, EK_SHAPE(3), .dtype = EK_INT32) */
#define ek_zeros(g, ...) \
    EK_CALL(ek_tensor, ek_zeros_with, ((g),), ek_zeros_options, .dtype = EK_FLOAT32, .name = NULL, .shape = __VA_ARGS__)
#define ek_ones(g, ...) \
    EK_CALL(ek_tensor, ek_ones_with, ((g),), ek_zeros_options, .dtype = EK_FLOAT32, .name = NULL, .shape = __VA_ARGS__)
EK_API ek_tensor ek_zeros_with(ek_graph *g, const ek_zeros_options *o, ek_where where);
EK_API ek_tensor ek_ones_with(ek_graph *g, const ek_zeros_options *o, ek_where where);
#define ek_zeros_like(...) EK_UNARY_(ek_zeros_like_with, __VA_ARGS__)
#define ek_ones_like(...) EK_UNARY_(ek_ones_like_with, __VA_ARGS__)

typedef struct ek_tile_options {
    size_t size;
    ek_tensor input;
    ek_int_list multiples;
    const char *name; /* NULL: "Tile" */
} ek_tile_options;
/* tf.tile: ek_tile(x, EK_INTS(2, 1)) */
#define ek_tile(x, ...) \
    EK_CALL(ek_tensor, ek_tile_with, (), ek_tile_options, .name = NULL, .input = (x), .multiples = __VA_ARGS__)
EK_API ek_tensor ek_tile_with(const ek_tile_options *o, ek_where where);

typedef struct ek_range_options {
    size_t size;
    ek_operand start, limit, delta; /* of one dtype; numbers adapt */
    const char *name;               /* NULL: "range" */
} ek_range_options;
/* A default that may be replaced: an initializer without a call. */
#define EK_INT_OPERAND_(v) { 'l', { .literal = { EK_DTYPE_NONE, 'i', { .i = (v) } } } }
/* tf.range: ek_range(g, EK_OPERAND(5)), ek_range(g, EK_OPERAND(10), .start = EK_OPERAND(2)) */
#define ek_range(g, ...)                                                                                     \
    EK_CALL(ek_tensor, ek_range_with, ((g),), ek_range_options, .start = EK_INT_OPERAND_(0),                 \
            .delta = EK_INT_OPERAND_(1), .name = NULL, .limit = __VA_ARGS__)
EK_API ek_tensor ek_range_with(ek_graph *g, const ek_range_options *o, ek_where where);

/* ---- joining and choosing -------------------------------------------------------------------- */

typedef struct ek_join_options {
    size_t size;
    ek_tensor_list values; /* one at least */
    int64_t axis;          /* 0 by default */
    const char *name;      /* NULL: "concat", "stack" */
} ek_join_options;
/* tf.concat, tf.stack: ek_concat(EK_TENSORS(a, b), .axis = 1) */
#define ek_concat(...)                                                                                                 \
    EK_CALL(ek_tensor, ek_concat_with, (), ek_join_options, .axis = 0, .name = NULL, .values = __VA_ARGS__)
#define ek_stack(...)                                                                                                  \
    EK_CALL(ek_tensor, ek_stack_with, (), ek_join_options, .axis = 0, .name = NULL, .values = __VA_ARGS__)
EK_API ek_tensor ek_concat_with(const ek_join_options *o, ek_where where);
EK_API ek_tensor ek_stack_with(const ek_join_options *o, ek_where where);

typedef struct ek_gather_options {
    size_t size;
    ek_tensor params, indices;
    int64_t axis, batch_dims; /* 0 by default */
    const char *name;         /* NULL: "GatherV2" */
} ek_gather_options;
/* tf.gather: ek_gather(x, rows, .axis = 1) */
#define ek_gather(p, ...) \
    EK_CALL(ek_tensor, ek_gather_with, (), ek_gather_options, .axis = 0, .batch_dims = 0, .name = NULL, .params = (p), \
            .indices = __VA_ARGS__)
EK_API ek_tensor ek_gather_with(const ek_gather_options *o, ek_where where);

typedef struct ek_slice_options {
    size_t size;
    ek_tensor input;
    ek_int_list begin, sizes; /* of equal length; a size of -1 goes to the end */
    const char *name;         /* NULL: "Slice" */
} ek_slice_options;
/* tf.slice: ek_slice(x, .begin = EK_INTS(1, 0), .sizes = EK_INTS(2, -1)) */
#define ek_slice(...) EK_CALL(ek_tensor, ek_slice_with, (), ek_slice_options, .name = NULL, .input = __VA_ARGS__)
EK_API ek_tensor ek_slice_with(const ek_slice_options *o, ek_where where);

typedef struct ek_strided_slice_options {
    size_t size;
    ek_tensor input;
    ek_int_list begin, end, strides; /* of equal length; strides none: ones */
    int64_t begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask;
    const char *name;                /* NULL: "strided_slice" */
} ek_strided_slice_options;
/* x[i:j], x[i], x[..., None] as masks say: x[2] is ek_strided_slice(x, .begin = EK_INTS(2), .end = EK_INTS(3),
 * .shrink_axis_mask = 1) */
#define ek_strided_slice(...) \
    EK_CALL(ek_tensor, ek_strided_slice_with, (), ek_strided_slice_options, .name = NULL, .input = __VA_ARGS__)
EK_API ek_tensor ek_strided_slice_with(const ek_strided_slice_options *o, ek_where where);

/* tf.where with one operand: the places that are true, int64 [n, rank]. */
#define ek_where_true(...) EK_UNARY_(ek_where_true_with, __VA_ARGS__)
EK_API ek_tensor ek_where_true_with(const ek_unary_options *o, ek_where where);

/* ---- writing variables ----------------------------------------------------------------------- */

typedef struct ek_assign_options {
    size_t size;
    ek_variable variable;
    ek_operand value;
    ek_tristate use_locking; /* EK_DEFAULT: the op's own (Assign: yes, AssignAdd and AssignSub: no) */
    bool validate_shape;     /* of ek_assign on a reference variable: false lets the shape change; true by default */
    const char *name;        /* NULL: the type */
} ek_assign_options;
/* tf.assign, tf.assign_add, tf.assign_sub: ek_assign_sub(v, delta, .name = "step").
 *
 * Gives the variable as it is after the write: of a reference variable the write's own output, of a resource variable a
 * read that waits for it. ek_tensor_op of the result runs the write. */
#define ek_assign(v, ...) EK_WRITE_(ek_assign_with, v, __VA_ARGS__)
#define ek_assign_add(v, ...) EK_WRITE_(ek_assign_add_with, v, __VA_ARGS__)
#define ek_assign_sub(v, ...) EK_WRITE_(ek_assign_sub_with, v, __VA_ARGS__)
EK_API ek_tensor ek_assign_with(const ek_assign_options *o, ek_where where);
EK_API ek_tensor ek_assign_add_with(const ek_assign_options *o, ek_where where);
EK_API ek_tensor ek_assign_sub_with(const ek_assign_options *o, ek_where where);

/* ---- how the macros above take one operand and perhaps options ------------------------------- */

#define EK_FIFTH_(a, b, c, d, e, ...) e
#define EK_WRITE_(fn, v, ...) \
    EK_FIFTH_(__VA_ARGS__, EK_WRITE_4_, EK_WRITE_3_, EK_WRITE_2_, EK_WRITE_1_, 0)(fn, v, __VA_ARGS__)
#define EK_WRITE_1_(fn, v, x) EK_WRITE_OF_(fn, v, .value = EK_OPERAND(x))
#define EK_WRITE_2_(fn, v, x, a) EK_WRITE_OF_(fn, v, .value = EK_OPERAND(x), a)
#define EK_WRITE_3_(fn, v, x, a, b) EK_WRITE_OF_(fn, v, .value = EK_OPERAND(x), a, b)
#define EK_WRITE_4_(fn, v, x, a, b, c) EK_WRITE_OF_(fn, v, .value = EK_OPERAND(x), a, b, c)
#define EK_WRITE_OF_(fn, v, ...)                                                                               \
    EK_CALL(ek_tensor, fn, (), ek_assign_options, .variable = (v), .use_locking = EK_DEFAULT, .validate_shape = true, \
            .name = NULL, __VA_ARGS__)
#define EK_TWO_(fn, type, m1, a, m2, ...) \
    EK_THIRD_(__VA_ARGS__, EK_TWO_NAMED_, EK_TWO_PLAIN_, 0)(fn, type, m1, a, m2, __VA_ARGS__)
#define EK_TWO_PLAIN_(fn, type, m1, a, m2, b) EK_CALL(ek_tensor, fn, (), type, .m1 = (a), .m2 = EK_OPERAND(b))
#define EK_TWO_NAMED_(fn, type, m1, a, m2, b, n) EK_CALL(ek_tensor, fn, (), type, .m1 = (a), .m2 = EK_OPERAND(b), n)

#ifdef __cplusplus
}
#endif
#endif
