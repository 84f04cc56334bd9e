/* ops/literal.c - literals and operands: values on their way to becoming Const nodes. */
#include "ops/operand.h"

#include <math.h>

/* ---- making them ----------------------------------------------------------------------------- */

ek_literal ek_bool(bool v)
{
    return (ek_literal){ EK_DTYPE_NONE, 'b', { .b = v } };
}

ek_literal ek_int(int64_t v)
{
    return (ek_literal){ EK_DTYPE_NONE, 'i', { .i = v } };
}

ek_literal ek_float(double v)
{
    return (ek_literal){ EK_DTYPE_NONE, 'f', { .f = v } };
}

ek_literal ek_str(const char *s)
{
    return (ek_literal){ EK_DTYPE_NONE, 's', { .s = s } };
}

ek_literal ek_value(const ek_array *a)
{
    return (ek_literal){ EK_DTYPE_NONE, 'a', { .a = a } };
}

ek_literal ek_scalar(ek_dtype dtype, double v)
{
    return (ek_literal){ dtype, 'f', { .f = v } };
}

ek_operand ek_operand_of_tensor(ek_tensor t)
{
    return (ek_operand){ 't', { .tensor = t } };
}

ek_operand ek_operand_of_variable(ek_variable v)
{
    return (ek_operand){ 'v', { .variable = v } };
}

ek_operand ek_operand_of_literal(ek_literal l)
{
    return (ek_operand){ 'l', { .literal = l } };
}

ek_operand ek_operand_of_double(double v)
{
    return ek_operand_of_literal(ek_float(v));
}

ek_operand ek_operand_of_int(int64_t v)
{
    return ek_operand_of_literal(ek_int(v));
}

ek_operand ek_operand_of_bool(bool v)
{
    return ek_operand_of_literal(ek_bool(v));
}

ek_operand ek_operand_of_string(const char *s)
{
    return ek_operand_of_literal(ek_str(s));
}

ek_operand ek_operand_of_array(const ek_array *a)
{
    return ek_operand_of_literal(ek_value(a));
}

/* ---- their elements -------------------------------------------------------------------------- */

/* A literal as elements of the type it has by itself. */
typedef struct source {
    ek_dtype dtype;
    const void *data;
    int64_t count;
    ek_shape shape;
    ek_string string;
} source;

static ek_status source_of(const ek_literal *l, source *s, ek_error *err)
{
    s->count = 1;
    s->shape = EK_SCALAR;
    switch (l->kind) {
    case 'f':
        s->dtype = EK_FLOAT64;
        s->data = &l->u.f;
        return EK_OK;
    case 'i':
        s->dtype = EK_INT64;
        s->data = &l->u.i;
        return EK_OK;
    case 'b':
        s->dtype = EK_BOOL;
        s->data = &l->u.b;
        return EK_OK;
    case 's':
        if (l->u.s == NULL) break;
        s->dtype = EK_STRING;
        s->string = (ek_string){ (char *)(uintptr_t)l->u.s, strlen(l->u.s) };
        s->data = &s->string;
        return EK_OK;
    case 'a':
        if (l->u.a == NULL) break;
        s->dtype = l->u.a->dtype;
        s->data = l->u.a->data;
        s->count = l->u.a->count;
        s->shape = l->u.a->shape;
        return EK_OK;
    default: break;
    }
    return EK_FAIL(err, INVALID_ARGUMENT,
                   "a value is needed, none is given: a NULL array or string, or an empty literal");
}

static ek_dtype own_dtype(const ek_literal *l, const source *s)
{
    if (l->dtype != EK_DTYPE_NONE) return l->dtype;
    if (l->kind == 'f') return EK_FLOAT32;
    if (l->kind == 'i') return l->u.i >= INT32_MIN && l->u.i <= INT32_MAX ? EK_INT32 : EK_INT64;
    return s->dtype;
}

/* Whether an integer type has this very number. A double beyond 2^53 is whole, and compared as such. */
static bool holds(ek_dtype to, const ek_literal *l)
{
    const int bits = (int)ek_dtype_size(to) * 8;
    const bool is_signed = to == EK_INT8 || to == EK_INT16 || to == EK_INT32 || to == EK_INT64;
    const double most = ldexp(1.0, is_signed ? bits - 1 : bits), least = is_signed ? -most : 0.0;

    if (l->kind == 'f') return l->u.f >= least && l->u.f < most && l->u.f == floor(l->u.f);
    if (to == EK_UINT64) return l->u.i >= 0;
    return bits == 64 || ((double)l->u.i >= least && (double)l->u.i < most);
}

/* What Python refuses: text as a number, a number as text, a fraction as an integer. */
static ek_status convertible(const ek_literal *l, const source *s, ek_dtype to, ek_error *err)
{
    static const struct { char kind; const char *name; } names[] = {
        { 'f', "float" }, { 'i', "int" }, { 'b', "bool" }, { 's', "str" }, { 'a', "ndarray" },
    };
    char text[64] = "";
    const char *kind = "object";

    if (to == s->dtype) return EK_OK;
    const bool named = l->dtype != EK_DTYPE_NONE || l->kind == 'a'; /* a dtype was given: any number will do */
    bool ok = to != EK_STRING && s->dtype != EK_STRING;
    if (l->kind == 'f' && !named && !ek_dtype_is_floating(to) && !ek_dtype_is_complex(to)) ok = false;
    if ((l->kind == 'f' || l->kind == 'i') && ek_dtype_is_integer(to) && !holds(to, l)) ok = false;
    if (l->kind == 'b' && to != EK_BOOL) ok = false;
    if ((l->kind == 'f' || l->kind == 'i') && !named && to == EK_BOOL) ok = false;
    if (ok) return EK_OK;
    for (int i = 0; i < EK_COUNT_OF(names); i++)
        if (names[i].kind == l->kind) kind = names[i].name;
    if (l->kind == 'f') ek__format_double(text, l->u.f);
    if (l->kind == 'i') (void)snprintf(text, sizeof text, "%lld", (long long)l->u.i);
    if (l->kind == 'b') (void)snprintf(text, sizeof text, "%s", l->u.b ? "True" : "False");
    if (l->kind == 's') (void)snprintf(text, sizeof text, "'%.40s'", l->u.s);
    if (l->kind == 'a') (void)snprintf(text, sizeof text, "an array of %s", ek_dtype_name(s->dtype));
    return EK_FAIL(err, INVALID_ARGUMENT, "Expected %s, got %s of type '%s' instead.", ek_dtype_name(to), text, kind);
}

/* Element i of the source to element k of the array. */
static ek_status put(const source *s, int64_t i, ek_array *out, int64_t k, int64_t n, ek_error *err)
{
    const char *from = (const char *)s->data + (size_t)i * ek_dtype_size(s->dtype);

    if (s->dtype != EK_STRING) {
        ek__convert(s->dtype, from, out->dtype, (char *)out->data + (size_t)k * ek_dtype_size(out->dtype), n);
        return EK_OK;
    }
    for (int64_t j = 0; j < n; j++) {
        const ek_string *string = (const ek_string *)s->data + i + j;
        if (!ek__string_set((ek_string *)out->data + k + j, string->data, string->size))
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string");
    }
    return EK_OK;
}

ek_status ek__literal_array(const ek_literal *l, ek_dtype dtype, const ek_shape *shape, ek_array **out, ek_error *err)
{
    source s = { .count = 0 };
    ek_array *a = NULL;
    ek_status st = EK_OK;

    EK_TRY(source_of(l, &s, err));
    const ek_dtype to = ek_dtype_base(dtype != EK_DTYPE_NONE ? dtype : own_dtype(l, &s));
    EK_TRY(convertible(l, &s, to, err));
    if (shape != NULL && !ek_shape_is_known(shape))
        return EK_FAIL(err, INVALID_ARGUMENT, "the shape of a constant must be fully known");
    EK_TRY(ek__array_new(to, shape != NULL ? shape : &s.shape, NULL, &a, err));
    if (a->count == 0 && s.count == 1) {
        /* numpy: one value fills an array of no elements */
    } else if (s.count > a->count || (s.count == 0 && a->count > 0)) {
        st = EK_FAIL(err, INVALID_ARGUMENT, "Too %s elements provided. Needed at most %lld, but received %lld",
                     s.count == 0 ? "few" : "many", (long long)a->count, (long long)s.count);
    } else {
        st = put(&s, 0, a, 0, s.count, err);
        for (int64_t k = s.count; k < a->count && st == EK_OK; k++) st = put(&s, s.count - 1, a, k, 1, err);
    }
    if (st != EK_OK) {
        ek_array_unref(a);
        return st;
    }
    *out = a;
    return EK_OK;
}
