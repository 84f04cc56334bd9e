/* values/convert.c - numbers of one type as numbers of another.
 *
 * By way of blocks in the widest type of the same class (int64, uint64, double, pairs of double), each exact for
 * what it holds, so that N types need 2N loops and every conversion rounds once. (Integers go to 16-bit floats by
 * float, as numpy and TensorFlow have it.)
 */
#include "values/array.h"

#include "base/number.h"

enum { BLOCK = 256 };

typedef enum number_class { SIGNED, UNSIGNED, REAL, COMPLEX, NO_NUMBER } number_class;

typedef union block {
    int64_t i[BLOCK];
    uint64_t u[BLOCK];
    double f[BLOCK];
    double c[BLOCK][2];
} block;

static number_class class_of(ek_dtype t)
{
    switch ((int)t) {
    case EK_INT8: case EK_INT16: case EK_INT32: case EK_INT64: case EK_QINT8: case EK_QINT16: case EK_QINT32:
        return SIGNED;
    case EK_UINT8: case EK_UINT16: case EK_UINT32: case EK_UINT64: case EK_QUINT8: case EK_QUINT16: case EK_BOOL:
        return UNSIGNED;
    case EK_FLOAT16: case EK_BFLOAT16: case EK_FLOAT32: case EK_FLOAT64:
        return REAL;
    case EK_COMPLEX64: case EK_COMPLEX128:
        return COMPLEX;
    default:
        return NO_NUMBER;
    }
}

/* ---- floats to integers: C leaves what does not fit undefined; this is what x86 gives ------------------- */

static int64_t int64_of(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

static int32_t int32_of(double v)
{
    return v > -0x1p31 - 1 && v < 0x1p31 ? (int32_t)v : INT32_MIN;
}

static uint64_t uint64_of(double v)
{
    return v >= 0x1p63 ? (uint64_t)int64_of(v - 0x1p63) ^ (uint64_t)1 << 63 : (uint64_t)int64_of(v);
}

/* ---- loading ---------------------------------------------------------------------------------------------- */

#define LOAD(TYPE, MEMBER, EXPR)                                              \
    do {                                                                      \
        const TYPE *p = in;                                                   \
        for (int64_t k = 0; k < n; k++) {                                     \
            const TYPE v = p[k];                                              \
            b->MEMBER[k] = (EXPR);                                            \
        }                                                                     \
    } while (0)

static void load(ek_dtype t, const void *in, block *b, int64_t n)
{
    switch ((int)t) {
    case EK_INT8: case EK_QINT8: LOAD(int8_t, i, v); break;
    case EK_INT16: case EK_QINT16: LOAD(int16_t, i, v); break;
    case EK_INT32: case EK_QINT32: LOAD(int32_t, i, v); break;
    case EK_INT64: LOAD(int64_t, i, v); break;
    case EK_UINT8: case EK_QUINT8: LOAD(uint8_t, u, v); break;
    case EK_UINT16: case EK_QUINT16: LOAD(uint16_t, u, v); break;
    case EK_UINT32: LOAD(uint32_t, u, v); break;
    case EK_UINT64: LOAD(uint64_t, u, v); break;
    case EK_BOOL: LOAD(uint8_t, u, v != 0); break;
    case EK_FLOAT16: LOAD(uint16_t, f, (double)ek_float16_to_float(v)); break;
    case EK_BFLOAT16: LOAD(uint16_t, f, (double)ek_bfloat16_to_float(v)); break;
    case EK_FLOAT32: LOAD(float, f, (double)v); break;
    case EK_FLOAT64: LOAD(double, f, v); break;
    case EK_COMPLEX64:
        for (int64_t k = 0; k < 2 * n; k++) b->c[k / 2][k % 2] = (double)((const float *)in)[k];
        break;
    default: memcpy(b->c, in, (size_t)n * 16);
    }
}

/* ---- storing ---------------------------------------------------------------------------------------------- */

#define STORE(TYPE, MEMBER, EXPR)                                             \
    do {                                                                      \
        TYPE *p = out;                                                        \
        for (int64_t k = 0; k < n; k++) {                                     \
            __typeof__(b->MEMBER[0]) v = b->MEMBER[k];                        \
            p[k] = (TYPE)(EXPR);                                              \
        }                                                                     \
    } while (0)

/* From integers: fewer bits keep the low ones. MEMBER is i or u. */
#define STORE_INTEGERS(MEMBER)                                                \
    switch ((int)t) {                                                         \
    case EK_INT8: case EK_QINT8: case EK_UINT8: case EK_QUINT8: STORE(uint8_t, MEMBER, v); break;         \
    case EK_INT16: case EK_QINT16: case EK_UINT16: case EK_QUINT16: STORE(uint16_t, MEMBER, v); break;    \
    case EK_INT32: case EK_QINT32: case EK_UINT32: STORE(uint32_t, MEMBER, v); break;                     \
    case EK_INT64: case EK_UINT64: STORE(uint64_t, MEMBER, v); break;                                     \
    case EK_BOOL: STORE(uint8_t, MEMBER, v != 0); break;                                                  \
    case EK_FLOAT16: STORE(uint16_t, MEMBER, ek_float_to_float16((float)v)); break;                       \
    case EK_BFLOAT16: STORE(uint16_t, MEMBER, ek_float_to_bfloat16((float)v)); break;                     \
    case EK_FLOAT32: STORE(float, MEMBER, v); break;                                                      \
    default: STORE(double, MEMBER, v); break;                                                             \
    }

static void store_signed(ek_dtype t, const block *b, void *out, int64_t n)
{
    STORE_INTEGERS(i)
}

static void store_unsigned(ek_dtype t, const block *b, void *out, int64_t n)
{
    STORE_INTEGERS(u)
}

static void store_real(ek_dtype t, const block *b, void *out, int64_t n)
{
    switch ((int)t) {
    case EK_INT8: case EK_QINT8: case EK_UINT8: case EK_QUINT8: STORE(uint8_t, f, (uint32_t)int32_of(v)); break;
    case EK_INT16: case EK_QINT16: case EK_UINT16: case EK_QUINT16: STORE(uint16_t, f, (uint32_t)int32_of(v)); break;
    case EK_INT32: case EK_QINT32: STORE(int32_t, f, int32_of(v)); break;
    case EK_UINT32: STORE(uint32_t, f, (uint64_t)int64_of(v)); break;
    case EK_INT64: STORE(int64_t, f, int64_of(v)); break;
    case EK_UINT64: STORE(uint64_t, f, uint64_of(v)); break;
    case EK_BOOL: STORE(uint8_t, f, v != 0); break;
    case EK_FLOAT16: STORE(uint16_t, f, ek__double_to_float16(v)); break;
    case EK_BFLOAT16: STORE(uint16_t, f, ek_float_to_bfloat16((float)v)); break;
    case EK_FLOAT32: STORE(float, f, v); break;
    default: STORE(double, f, v); break;
    }
}

/* Pairs, for a target that is not complex: the real part, but both for bool. */
static void drop_imaginary(block *b, int64_t n, bool truth)
{
    for (int64_t k = 0; k < n; k++) b->f[k] = truth ? b->c[k][0] != 0 || b->c[k][1] != 0 : b->c[k][0];
}

static void store_complex(ek_dtype t, const double (*pair)[2], void *out, int64_t n)
{
    if (t == EK_COMPLEX128) {
        memcpy(out, pair, (size_t)n * 16);
        return;
    }
    for (int64_t k = 0; k < 2 * n; k++) ((float *)out)[k] = (float)pair[k / 2][k % 2];
}

static void store(number_class from, ek_dtype t, block *b, void *out, int64_t n)
{
    double pair[BLOCK][2];

    if (class_of(t) == COMPLEX) {
        if (from == COMPLEX) {
            store_complex(t, (const double (*)[2])b->c, out, n);
            return;
        }
        for (int64_t k = 0; k < n; k++) {
            pair[k][0] = from == REAL ? b->f[k] : from == SIGNED ? (double)b->i[k] : (double)b->u[k];
            pair[k][1] = 0;
        }
        store_complex(t, (const double (*)[2])pair, out, n);
        return;
    }
    switch (from) {
    case SIGNED: store_signed(t, b, out, n); break;
    case UNSIGNED: store_unsigned(t, b, out, n); break;
    case COMPLEX: drop_imaginary(b, n, t == EK_BOOL); /* fall through */
    default: store_real(t, b, out, n);
    }
}

bool ek__convert(ek_dtype from, const void *in, ek_dtype to, void *out, int64_t n)
{
    const size_t step_in = ek_dtype_size(from), step_out = ek_dtype_size(to);
    const number_class c = class_of(from);
    block b;

    if (c == NO_NUMBER || class_of(to) == NO_NUMBER) return false;
    if (from == to) {
        if (n > 0) memmove(out, in, (size_t)n * step_in);
        return true;
    }
    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t some = n - i < BLOCK ? n - i : BLOCK;

        load(from, (const char *)in + (size_t)i * step_in, &b, some);
        store(c, to, &b, (char *)out + (size_t)i * step_out, some);
    }
    return true;
}
