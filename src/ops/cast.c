/* ops/cast.c - Cast between any two number types. */
#include "ops/elementwise.h"
#include "ops/rules.h"

typedef struct cast_attrs {
    ek_dtype SrcT, DstT;
    bool Truncate;
} cast_attrs;

static const ek_field cast_fields[] = {
    EK_FIELD(cast_attrs, SrcT, TYPE), EK_FIELD(cast_attrs, DstT, TYPE), EK_FIELD(cast_attrs, Truncate, BOOL),
};

static void convert(int64_t n, const void *const *in, const int *step, void *out, const void *state)
{
    const cast_attrs *const a = state;
    const size_t size = ek_dtype_size(a->DstT);

    if (n <= 0) return;
    ek__convert(ek_dtype_base(a->SrcT), in[0], ek_dtype_base(a->DstT), out, step[0] == 1 ? n : 1);
    for (int64_t i = 1; i < n && step[0] == 0; i++) memcpy((char *)out + (size_t)i * size, out, size);
}

/* Towards zero into fewer bits: what does not fit is cleared before rounding could see it. */
static void convert_truncated(int64_t n, const void *const *in, const int *step, void *out, const void *state)
{
    const cast_attrs *const a = state;
    const bool from_double = a->SrcT == EK_FLOAT64;
    const int mantissa = a->DstT == EK_FLOAT32 ? 23 : a->DstT == EK_FLOAT16 ? 10 : 7;
    const size_t size = ek_dtype_size(a->DstT);

    for (int64_t i = 0; i < n; i++) {
        uint64_t wide = 0;
        uint32_t narrow = 0;

        if (from_double) memcpy(&wide, (const double *)in[0] + i * step[0], sizeof wide);
        else memcpy(&narrow, (const float *)in[0] + i * step[0], sizeof narrow);
        wide &= ~((UINT64_C(1) << (52 - mantissa)) - 1);
        narrow &= ~((UINT32_C(1) << (23 - mantissa)) - 1);
        ek__convert(a->SrcT, from_double ? (const void *)&wide : (const void *)&narrow, a->DstT,
                    (char *)out + (size_t)i * size, 1);
    }
}

static bool narrows(ek_dtype from, ek_dtype to)
{
    return (from == EK_FLOAT64 || from == EK_FLOAT32) && ek_dtype_is_floating(to) &&
           ek_dtype_size(to) < ek_dtype_size(from);
}

static bool convertible(ek_dtype t)
{
    return ek_dtype_is_floating(t) || ek_dtype_is_integer(t) || ek_dtype_is_complex(t) || t == EK_BOOL;
}

static ek_elementwise_fn cast_loop(ek_prepare_ctx *c, const void **state)
{
    const cast_attrs *const a = c->attrs;

    *state = a;
    if (!convertible(ek_dtype_base(a->SrcT)) || !convertible(ek_dtype_base(a->DstT))) return NULL;
    return a->Truncate && narrows(a->SrcT, a->DstT) ? convert_truncated : convert;
}

static ek_status cast_prepare(ek_prepare_ctx *c)
{
    const cast_attrs *const a = c->attrs;
    const void *state;
    const ek_elementwise_fn fn = cast_loop(c, &state);

    if (fn != NULL) return ek__elementwise_prepare_loop(c, fn, state);
    return EK_FAIL(c->err, UNIMPLEMENTED, "Cast %s to %s is not supported", ek_dtype_cc_name(a->SrcT),
                   ek_dtype_cc_name(a->DstT));
}

const ek_op_def ek__op_Cast = {
    .name = "Cast",
    .inputs = "x: SrcT",
    .outputs = "y: DstT",
    .attrs = "SrcT: type; DstT: type; Truncate: bool = false",
    .attrs_size = sizeof(cast_attrs),
    .fields = cast_fields,
    .n_fields = EK_COUNT_OF(cast_fields),
    .shape = ek__like_first_rule,
    .prepare = cast_prepare,
    .elementwise = cast_loop,
};
