/* evenkeel/dtype.h - element types: TensorFlow's enum, numbers and names. */
#ifndef EVENKEEL_DTYPE_H
#define EVENKEEL_DTYPE_H

#include "evenkeel/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One list: X(ENUM, number, python name, C++ name, bytes of one element).
 * Numbers are types.proto's DataType. resource and variant have no numbers in
 * them that a caller may touch. string elements are ek_string. */
#define EK_DTYPE_LIST(X)                                 \
    X(FLOAT32, 1, "float32", "float", 4)                 \
    X(FLOAT64, 2, "float64", "double", 8)                \
    X(INT32, 3, "int32", "int32", 4)                     \
    X(UINT8, 4, "uint8", "uint8", 1)                     \
    X(INT16, 5, "int16", "int16", 2)                     \
    X(INT8, 6, "int8", "int8", 1)                        \
    X(STRING, 7, "string", "string", 16)                 \
    X(COMPLEX64, 8, "complex64", "complex64", 8)         \
    X(INT64, 9, "int64", "int64", 8)                     \
    X(BOOL, 10, "bool", "bool", 1)                       \
    X(QINT8, 11, "qint8", "qint8", 1)                    \
    X(QUINT8, 12, "quint8", "quint8", 1)                 \
    X(QINT32, 13, "qint32", "qint32", 4)                 \
    X(BFLOAT16, 14, "bfloat16", "bfloat16", 2)           \
    X(QINT16, 15, "qint16", "qint16", 2)                 \
    X(QUINT16, 16, "quint16", "quint16", 2)              \
    X(UINT16, 17, "uint16", "uint16", 2)                 \
    X(COMPLEX128, 18, "complex128", "complex128", 16)    \
    X(FLOAT16, 19, "float16", "half", 2)                 \
    X(RESOURCE, 20, "resource", "resource", 8)           \
    X(VARIANT, 21, "variant", "variant", 8)              \
    X(UINT32, 22, "uint32", "uint32", 4)                 \
    X(UINT64, 23, "uint64", "uint64", 8)

typedef enum ek_dtype {
    EK_DTYPE_NONE = 0,
#define EK_DTYPE_ENUM(name, number, py, cc, bytes) EK_##name = number,
    EK_DTYPE_LIST(EK_DTYPE_ENUM)
#undef EK_DTYPE_ENUM
} ek_dtype;

/* Reference types (a VariableV2's output) are the base type plus 100. */
enum { EK_REF = 100, EK_DTYPE_COUNT = 24 };
static inline bool ek_dtype_is_ref(ek_dtype t) { return (int)t > EK_REF; }
static inline ek_dtype ek_dtype_base(ek_dtype t)
{
    return (int)t > EK_REF ? (ek_dtype)((int)t - EK_REF) : t;
}
static inline ek_dtype ek_dtype_ref(ek_dtype t)
{
    return (int)t > EK_REF ? t : (ek_dtype)((int)t + EK_REF);
}

/* "float32", "float32_ref"; "?" for no type. Static storage. */
EK_API const char *ek_dtype_name(ek_dtype t);
/* "float", "float_ref": as C++ messages and ops.pbtxt spell them. */
EK_API const char *ek_dtype_cc_name(ek_dtype t);
/* Bytes of one element; 0 for no type. The same for a reference type. */
EK_API size_t ek_dtype_size(ek_dtype t);
/* Either spelling; EK_DTYPE_NONE if unknown. */
EK_API ek_dtype ek_dtype_from_name(const char *name);

EK_API bool ek_dtype_is_floating(ek_dtype t); /* float16, bfloat16, float32, float64 */
EK_API bool ek_dtype_is_integer(ek_dtype t);  /* 8 to 64 bits, signed or not; neither bool nor quantized */
EK_API bool ek_dtype_is_complex(ek_dtype t);
EK_API bool ek_dtype_is_quantized(ek_dtype t);

/* An element of a string array: `size` bytes, NULs allowed; data is NULL when empty. */
typedef struct ek_string {
    char *data;
    size_t size;
} ek_string;

/* float16 and bfloat16 live in 16 bits; these convert, rounding to nearest even. */
EK_API float ek_float16_to_float(uint16_t bits);
EK_API uint16_t ek_float_to_float16(float value);
EK_API float ek_bfloat16_to_float(uint16_t bits);
EK_API uint16_t ek_float_to_bfloat16(float value);

#ifdef __cplusplus
}
#endif
#endif
