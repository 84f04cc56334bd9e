/* base/dtype.c - tables of element types, and 16-bit floats. */
#include "base/base.h"
#include "base/number.h"

typedef struct dtype_row {
    const char *name, *ref_name, *cc_name, *cc_ref_name;
    size_t size;
} dtype_row;

static const dtype_row rows[EK_DTYPE_COUNT] = {
#define ROW(name, number, py, cc, bytes) [number] = { py, py "_ref", cc, cc "_ref", bytes },
    EK_DTYPE_LIST(ROW)
#undef ROW
};

/* The row of a type or of its base; NULL for a number that is no type. */
static const dtype_row *row_of(ek_dtype t)
{
    const int base = (int)ek_dtype_base(t);

    return base > 0 && base < EK_DTYPE_COUNT ? &rows[base] : NULL;
}

const char *ek_dtype_name(ek_dtype t)
{
    const dtype_row *r = row_of(t);

    if (r == NULL) return "?";
    return ek_dtype_is_ref(t) ? r->ref_name : r->name;
}

const char *ek_dtype_cc_name(ek_dtype t)
{
    const dtype_row *r = row_of(t);

    if (r == NULL) return "?";
    return ek_dtype_is_ref(t) ? r->cc_ref_name : r->cc_name;
}

size_t ek_dtype_size(ek_dtype t)
{
    const dtype_row *r = row_of(t);

    return r != NULL ? r->size : 0;
}

ek_dtype ek_dtype_from_name(const char *name)
{
    for (int i = 1; name != NULL && i < EK_DTYPE_COUNT; i++) {
        const dtype_row *r = &rows[i];

        if (strcmp(name, r->name) == 0 || strcmp(name, r->cc_name) == 0) return (ek_dtype)i;
        if (strcmp(name, r->ref_name) == 0 || strcmp(name, r->cc_ref_name) == 0) return ek_dtype_ref((ek_dtype)i);
    }
    return EK_DTYPE_NONE;
}

static bool in_set(ek_dtype t, unsigned set)
{
    const int base = (int)ek_dtype_base(t);

    return base > 0 && base < EK_DTYPE_COUNT && (set >> base & 1u) != 0;
}

#define BIT(name) (1u << EK_##name)

bool ek_dtype_is_floating(ek_dtype t)
{
    return in_set(t, BIT(FLOAT16) | BIT(BFLOAT16) | BIT(FLOAT32) | BIT(FLOAT64));
}

bool ek_dtype_is_integer(ek_dtype t)
{
    return in_set(t, BIT(INT8) | BIT(INT16) | BIT(INT32) | BIT(INT64) | BIT(UINT8) | BIT(UINT16) | BIT(UINT32) |
                         BIT(UINT64));
}

bool ek_dtype_is_complex(ek_dtype t)
{
    return in_set(t, BIT(COMPLEX64) | BIT(COMPLEX128));
}

bool ek_dtype_is_quantized(ek_dtype t)
{
    return in_set(t, BIT(QINT8) | BIT(QUINT8) | BIT(QINT16) | BIT(QUINT16) | BIT(QINT32));
}

/* ---- 16-bit floats -------------------------------------------------------------------- */

static uint32_t bits_of(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* float16: 1 sign, 5 exponent (bias 15), 10 fraction. */
float ek_float16_to_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t exponent = h >> 10 & 31u, fraction = h & 0x3ffu;

    if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent != 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    /* Subnormal: fraction * 2^-24, exact in float. */
    return float_of(sign | bits_of((float)fraction * 0x1p-24f));
}

uint16_t ek_float_to_float16(float v)
{
    const uint32_t bits = bits_of(v), magnitude = bits & 0x7fffffffu;
    const uint32_t sign = bits >> 16 & 0x8000u;

    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more round to infinity */
    if (magnitude < 0x38800000u) {
        /* Below 2^-14: adding 0.5 puts the float's last bit at 2^-24, the float16's; the sum rounds to even. */
        return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
    }
    /* Half a unit less one, plus one if the last kept bit is odd, carries exactly when rounding up. */
    return (uint16_t)(sign | ((magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13));
}

/* First to float with the last bit set where that was not exact, which keeps the second rounding honest. */
uint16_t ek__double_to_float16(double v)
{
    float f = (float)v;
    uint32_t bits = bits_of(f);

    if (v == v && (double)f != v) {
        if ((double)float_of(bits & 0x7fffffffu) > (v < 0 ? -v : v)) bits--;
        f = float_of(bits | 1);
    }
    return ek_float_to_float16(f);
}

float ek_bfloat16_to_float(uint16_t b)
{
    return float_of((uint32_t)b << 16);
}

uint16_t ek_float_to_bfloat16(float v)
{
    const uint32_t bits = bits_of(v);

    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((bits >> 16 & 0x8000u) | 0x7fc0u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
