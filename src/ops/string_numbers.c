/* ops/string_numbers.c - numbers as text and back: AsString, StringToNumber.
 *
 * Both speak C whatever the program's locale is.
 */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <strings.h>

#include "ops/rules.h"
#include "ops/strings.h"

/* The thread's locale becomes "C" until it is given back. */
static bool speak_c(locale_t *c, locale_t *before)
{
    *c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (*c == (locale_t)0) return false;
    *before = uselocale(*c);
    return true;
}

static void speak_as_before(locale_t c, locale_t before)
{
    uselocale(before);
    freelocale(c);
}

/* ---- AsString ------------------------------------------------------------------------------------------ */

typedef struct text_attrs {
    int64_t precision, width;
    bool scientific, shortest;
    const char *fill;
} text_attrs;

static const ek_field text_fields[] = {
    EK_FIELD(text_attrs, precision, INT), EK_FIELD(text_attrs, width, INT), EK_FIELD(text_attrs, scientific, BOOL),
    EK_FIELD(text_attrs, shortest, BOOL), EK_FIELD(text_attrs, fill, STRING),
};

enum { WIDEST = 4096 }; /* of a number: nobody wants more, and a file may ask for anything */

typedef struct text_state {
    ek_dtype type;
    int64_t n;
    int flag, form; /* which of the forms below */
    int width, precision; /* precision -1: none */
} text_state;

static const char flags[] = " +-0#"; /* their places from 1; 0: no flag */
enum { INTEGER, FIXED, SCIENTIFIC, SHORTEST };
/* A precision below zero counts as none. '#' means nothing to an integer. */
#define FORMS(flag, integer_flag) \
    { "%" integer_flag "*.*lld", "%" flag "*.*f", "%" flag "*.*e", "%" flag "*.*g" }
static const char *const forms[][4] = { FORMS("", ""), FORMS(" ", " "), FORMS("+", "+"), FORMS("-", "-"), FORMS("0", "0"),
                                        FORMS("#", "") };

static void add_real(ek_buf *b, const text_state *s, double v)
{
    char text[2 * WIDEST + 512]; /* 309 digits before the point, WIDEST after it */

    (void)snprintf(text, sizeof text, forms[s->flag][s->form], s->width, s->precision, v);
    ek__buf_str(b, text);
}

static void add_integer(ek_buf *b, const text_state *s, int64_t v)
{
    char text[WIDEST + 64];

    (void)snprintf(text, sizeof text, forms[s->flag][INTEGER], s->width, -1, (long long)v);
    ek__buf_str(b, text);
}

static void add_element(ek_buf *b, const text_state *s, const void *data, int64_t i)
{
    const void *const at = (const char *)data + (size_t)i * ek_dtype_size(s->type);
    double part[2] = { 0, 0 };
    int64_t v = 0;

    if (s->type == EK_BOOL) {
        ek__buf_str(b, ((const bool *)data)[i] ? "true" : "false");
    } else if (s->form == INTEGER) {
        ek__convert(s->type, at, EK_INT64, &v, 1);
        add_integer(b, s, v);
    } else if (ek_dtype_is_complex(s->type)) {
        ek__convert(s->type == EK_COMPLEX64 ? EK_FLOAT32 : EK_FLOAT64, at, EK_FLOAT64, part, 2);
        ek__buf_str(b, "(");
        add_real(b, s, part[0]);
        ek__buf_str(b, ",");
        add_real(b, s, part[1]);
        ek__buf_str(b, ")");
    } else {
        ek__convert(s->type, at, EK_FLOAT64, part, 1);
        add_real(b, s, part[0]);
    }
}

static ek_status text_run(const ek_run_args *a, int64_t chunk)
{
    const text_state *const s = a->state;
    ek_string *const out = a->out[0];
    ek_buf b = { .data = NULL };
    ek_status st = EK_OK;
    locale_t c, before;

    EK_UNUSED(chunk);
    if (!speak_c(&c, &before)) return EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a locale");
    for (int64_t i = 0; i < s->n && st == EK_OK; i++) {
        b.size = 0;
        add_element(&b, s, a->in[0], i);
        st = b.failed ? EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a number as text")
                      : ek__put_text(&out[i], b.data, b.size, a->err);
    }
    speak_as_before(c, before);
    ek__buf_fini(&b);
    return st;
}

static ek_status check_attrs(const ek_prepare_ctx *c, const text_attrs *attrs)
{
    const ek_dtype t = c->in_dtype[0];

    if (!ek_dtype_is_floating(t) && !ek_dtype_is_complex(t)) {
        if (attrs->scientific || attrs->shortest)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "scientific and shortest format not supported for datatype %s",
                           ek_dtype_cc_name(t));
        if (attrs->precision >= 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "precision not supported for datatype %s", ek_dtype_cc_name(t));
    }
    if (strlen(attrs->fill) > 1) return EK_FAIL(c->err, INVALID_ARGUMENT, "Fill string must be one or fewer characters");
    if (attrs->scientific && attrs->shortest)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Cannot select both scientific and shortest notation");
    if (attrs->fill[0] != '\0' && strchr(flags, attrs->fill[0]) == NULL)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Fill argument not supported: \"%s\"", attrs->fill);
    if (attrs->width > WIDEST || attrs->precision > WIDEST)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "width and precision of a number may be %d at most, they are %lld and %lld",
                       WIDEST, (long long)attrs->width, (long long)attrs->precision);
    return EK_OK;
}

static ek_status text_prepare(ek_prepare_ctx *c)
{
    const text_attrs *const attrs = c->attrs;
    const ek_dtype t = c->in_dtype[0];
    text_state *const s = EK_ARENA_NEW(c->arena, text_state, 1);

    if (s == NULL) return ek__no_memory(c);
    EK_TRY(check_attrs(c, attrs));
    *s = (text_state){ .type = t, .n = ek_shape_count(&c->out[0]), .form = attrs->scientific ? SCIENTIFIC : FIXED };
    if (attrs->shortest) s->form = SHORTEST;
    if (ek_dtype_is_integer(t)) s->form = INTEGER;
    if (attrs->fill[0] != '\0') s->flag = (int)(strchr(flags, attrs->fill[0]) - flags) + 1;
    s->width = attrs->width > 0 ? (int)attrs->width : 0;
    s->precision = attrs->precision >= 0 ? (int)attrs->precision : -1;
    c->state = s;
    ek__add_phase(c, text_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_AsString = {
    .name = "AsString",
    .inputs = "input: T",
    .outputs = "output: string",
    .attrs = "T: {int8, int16, int32, int64, complex64, complex128, float, double, bool}; precision: int = -1; "
             "scientific: bool = false; shortest: bool = false; width: int = -1; fill: string = ''",
    .attrs_size = sizeof(text_attrs),
    .fields = text_fields,
    .n_fields = EK_COUNT_OF(text_fields),
    .shape = ek__like_first_rule,
    .prepare = text_prepare,
    .no_grad_because = "it is about strings",
};

/* ---- StringToNumber -------------------------------------------------------------------------------------- */

typedef struct number_attrs {
    ek_dtype out_type;
} number_attrs;

static const ek_field number_fields[] = { EK_FIELD(number_attrs, out_type, TYPE) };

typedef struct number_state {
    ek_dtype type;
    int64_t n;
} number_state;

/* Whether nothing but space is left of a string. */
static bool ends(const ek_string *s, const char *at)
{
    while (at < s->data + s->size && ek__is_space(*at)) at++;
    return at == s->data + s->size;
}

/* Decimal digits, with a '-' perhaps, that fit. */
static bool read_integer(const ek_string *s, ek_dtype t, void *out, int64_t i)
{
    const char *at = s->data;
    char *end;
    long long v;

    while (ek__is_space(*at)) at++;
    if (*at != '-' && (*at < '0' || *at > '9')) return false;
    errno = 0;
    v = strtoll(at, &end, 10);
    if (end == at || errno != 0 || (t == EK_INT32 && (v < INT32_MIN || v > INT32_MAX)) || !ends(s, end)) return false;
    ek__store_int(t, out, i, v);
    return true;
}

/* Decimal or hexadecimal; of words inf and nan. What is too large is an infinity. */
static bool read_real(const ek_string *s, ek_dtype t, void *out, int64_t i)
{
    const char *at = s->data, *digits;
    char *end;

    while (ek__is_space(*at)) at++;
    digits = at + (*at == '-' || *at == '+');
    if (strncasecmp(digits, "infi", 4) == 0 || strncasecmp(digits, "nan(", 4) == 0) return false;
    if (t == EK_FLOAT32) ((float *)out)[i] = strtof(at, &end);
    else ((double *)out)[i] = strtod(at, &end);
    return end != at && ends(s, end);
}

static ek_status number_run(const ek_run_args *a, int64_t chunk)
{
    const number_state *const s = a->state;
    const ek_string *const in = a->in[0];
    ek_status st = EK_OK;
    locale_t c, before;

    EK_UNUSED(chunk);
    if (!speak_c(&c, &before)) return EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a locale");
    for (int64_t i = 0; i < s->n && st == EK_OK; i++) {
        const bool integer = s->type == EK_INT32 || s->type == EK_INT64;

        if (in[i].size == 0 || !(integer ? read_integer : read_real)(&in[i], s->type, a->out[0], i))
            st = EK_FAIL(a->err, INVALID_ARGUMENT, "StringToNumberOp could not correctly convert string: %.*s",
                         in[i].size < 200 ? (int)in[i].size : 200, in[i].size > 0 ? in[i].data : "");
    }
    speak_as_before(c, before);
    return st;
}

static ek_status number_prepare(ek_prepare_ctx *c)
{
    number_state *const s = EK_ARENA_NEW(c->arena, number_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (number_state){ c->out_dtype[0], ek_shape_count(&c->out[0]) };
    c->state = s;
    ek__add_phase(c, number_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_StringToNumber = {
    .name = "StringToNumber",
    .inputs = "string_tensor: string",
    .outputs = "output: out_type",
    .attrs = "out_type: {float, double, int32, int64} = float",
    .attrs_size = sizeof(number_attrs),
    .fields = number_fields,
    .n_fields = EK_COUNT_OF(number_fields),
    .shape = ek__like_first_rule,
    .prepare = number_prepare,
    .no_grad_because = "it is about strings",
};
