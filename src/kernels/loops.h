/* kernels/loops.h - what an element-wise loop is, and the sets of types that loops exist for.
 *
 * A loop is called op_type: add_f32. Its parameters are those of an ek_elementwise_fn:
 * n outputs, input i read at step[i] = 1 or 0 (one value for all), `out` may be an input
 * of step 1 whose elements have the same size. A loop looks at one element at a time, so
 * that its bits depend neither on n nor on where the whole was cut.
 */
#ifndef EK_KERNELS_LOOPS_H
#define EK_KERNELS_LOOPS_H

#define EK_LOOP_PARAMS (int64_t n, const void *const *in, const int *step, void *out, const void *state)

/* X(op, type) for each type of a set. b is bool. */
#define EK_TYPES_FLOAT(X, op) X(op, f16) X(op, bf16) X(op, f32) X(op, f64)
#define EK_TYPES_INT(X, op) X(op, i8) X(op, u8) X(op, i16) X(op, u16) X(op, i32) X(op, u32) X(op, i64) X(op, u64)
#define EK_TYPES_COMPLEX(X, op) X(op, c64) X(op, c128)
#define EK_TYPES_REAL(X, op) EK_TYPES_FLOAT(X, op) EK_TYPES_INT(X, op)
#define EK_TYPES_NUMBER(X, op) EK_TYPES_REAL(X, op) EK_TYPES_COMPLEX(X, op)
#define EK_TYPES_INDEX(X, op) X(op, i32) X(op, i64)
#define EK_TYPES_SIGNED(X, op) EK_TYPES_FLOAT(X, op) EK_TYPES_INDEX(X, op)
#define EK_TYPES_FIELD(X, op) EK_TYPES_FLOAT(X, op) EK_TYPES_COMPLEX(X, op)
#define EK_TYPES_RING(X, op) EK_TYPES_SIGNED(X, op) EK_TYPES_COMPLEX(X, op)
#define EK_TYPES_BOOL(X, op) X(op, b)
/* One of each size, for loops that only move. */
#define EK_TYPES_SIZED(X, op) X(op, u8) X(op, u16) X(op, u32) X(op, u64) X(op, c128)
#define EK_TYPES_ANY(X, op) EK_TYPES_NUMBER(X, op) EK_TYPES_BOOL(X, op)

/* The dtype behind each name. */
#define EK_LOOP_DTYPE_f16 EK_FLOAT16
#define EK_LOOP_DTYPE_bf16 EK_BFLOAT16
#define EK_LOOP_DTYPE_f32 EK_FLOAT32
#define EK_LOOP_DTYPE_f64 EK_FLOAT64
#define EK_LOOP_DTYPE_i8 EK_INT8
#define EK_LOOP_DTYPE_u8 EK_UINT8
#define EK_LOOP_DTYPE_i16 EK_INT16
#define EK_LOOP_DTYPE_u16 EK_UINT16
#define EK_LOOP_DTYPE_i32 EK_INT32
#define EK_LOOP_DTYPE_u32 EK_UINT32
#define EK_LOOP_DTYPE_i64 EK_INT64
#define EK_LOOP_DTYPE_u64 EK_UINT64
#define EK_LOOP_DTYPE_c64 EK_COMPLEX64
#define EK_LOOP_DTYPE_c128 EK_COMPLEX128
#define EK_LOOP_DTYPE_b EK_BOOL

#endif
