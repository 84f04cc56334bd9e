/* ops/string_parts.c - what is in a string: StringLength, Substr, StringLower, StringUpper, StringStrip. */
#include "ops/elementwise.h"
#include "ops/rules.h"
#include "ops/strings.h"
#include "ops/walk.h"

/* ---- StringLength ---------------------------------------------------------------------------------- */

typedef struct unit_attrs {
    const char *unit;
} unit_attrs;

static const ek_field unit_fields[] = { EK_FIELD(unit_attrs, unit, STRING) };

typedef struct length_state {
    int64_t n;
    bool characters;
} length_state;

static bool counts_characters(const unit_attrs *attrs) { return strcmp(attrs->unit, "UTF8_CHAR") == 0; }

static int64_t characters(const ek_string *s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s->size; i++) n += ek__utf8_begins(s->data[i]);
    return n;
}

static ek_status length_run(const ek_run_args *a, int64_t chunk)
{
    const length_state *const s = a->state;
    const ek_string *const in = a->in[0];

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->n; i++)
        ((int32_t *)a->out[0])[i] = (int32_t)(s->characters ? characters(&in[i]) : (int64_t)in[i].size);
    return EK_OK;
}

static ek_status length_prepare(ek_prepare_ctx *c)
{
    length_state *const s = EK_ARENA_NEW(c->arena, length_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (length_state){ ek_shape_count(&c->out[0]), counts_characters(c->attrs) };
    c->state = s;
    ek__add_phase(c, length_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_StringLength = {
    .name = "StringLength",
    .inputs = "input: string",
    .outputs = "output: int32",
    .attrs = "unit: {'BYTE', 'UTF8_CHAR'} = 'BYTE'",
    .attrs_size = sizeof(unit_attrs),
    .fields = unit_fields,
    .n_fields = EK_COUNT_OF(unit_fields),
    .shape = ek__like_first_rule,
    .prepare = length_prepare,
    .no_grad_because = "it is about strings",
};

/* ---- Substr ------------------------------------------------------------------------------------------ */

enum { TEXT, POS, LEN };

static ek_status substr_shape(ek_shape_ctx *c)
{
    const ek_shape *const pos = &c->in[POS], *const len = &c->in[LEN];

    if (c->running && !ek_shape_equal(pos, len))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "pos and len should have the same shape, got: %s vs. %s", EK_CC(pos),
                       EK_CC(len));
    if (pos->rank >= 0 && len->rank >= 0 && !ek_shape_compatible(pos, len))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "pos and len shapes must match: %s vs. %s", EK_CC(pos), EK_CC(len));
    return ek__binary_shape(c);
}

typedef struct substr_state {
    ek_dtype type;
    ek_shape in, pos, out;
    bool characters;
} substr_state;

/* The place of character `k`, which may be one past the last; negative ones count from the end. -1: there is none. */
static int64_t byte_of(const ek_string *s, bool by_character, int64_t k)
{
    const int64_t n = by_character ? characters(s) : (int64_t)s->size;
    int64_t at = 0;

    if (k < 0) k += n;
    if (k < 0 || k > n) return -1;
    if (!by_character) return k;
    /* What comes before the first beginning of a character belongs to none. */
    for (; at < (int64_t)s->size; at++)
        if (ek__utf8_begins(s->data[at]) && k-- == 0) break;
    return at;
}

/* The end of `len` characters from `from`; a negative len takes what there is. */
static int64_t end_of(const ek_string *s, bool by_character, int64_t from, int64_t len)
{
    const int64_t size = (int64_t)s->size;
    int64_t at = from;

    if (len < 0) return size;
    if (!by_character) return len < size - from ? from + len : size;
    for (; at < size; at++)
        if (ek__utf8_begins(s->data[at]) && len-- == 0) break;
    return at;
}

/* Strides of x in an array to which it broadcasts. */
static void strides_in(const ek_shape *x, const ek_shape *out, int64_t *stride)
{
    int64_t own[EK_MAX_RANK];

    ek__strides(x, own);
    for (int32_t d = 0; d < out->rank; d++) {
        const int32_t k = d - (out->rank - x->rank);

        stride[d] = k >= 0 && x->dim[k] != 1 ? own[k] : 0;
    }
}

static ek_status substr_one(const substr_state *s, const ek_string *in, int64_t pos, int64_t len, int64_t i, ek_string *out,
                            ek_error *err)
{
    const int64_t from = byte_of(in, s->characters, pos);

    if (from < 0 && s->characters)
        return EK_FAIL(err, INVALID_ARGUMENT, "pos %lld out of range for string at index %lld", (long long)pos, (long long)i);
    if (from < 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "pos %lld out of range for string b'%.*s' at index %lld", (long long)pos,
                       in->size < 200 ? (int)in->size : 200, in->data, (long long)i);
    if (in->size == 0) return ek__put_text(out, "", 0, err);
    return ek__put_text(out, in->data + from, (size_t)(end_of(in, s->characters, from, len) - from), err);
}

static ek_status substr_run(const ek_run_args *a, int64_t chunk)
{
    const substr_state *const s = a->state;
    const int64_t n = ek_shape_count(&s->out);
    int64_t in_stride[EK_MAX_RANK], pos_stride[EK_MAX_RANK];

    EK_UNUSED(chunk);
    strides_in(&s->in, &s->out, in_stride);
    strides_in(&s->pos, &s->out, pos_stride);
    for (int64_t i = 0; i < n; i++) {
        int64_t in = 0, at = 0, rest = i, pos, len;

        for (int32_t d = s->out.rank - 1; d >= 0; d--) {
            in += rest % s->out.dim[d] * in_stride[d];
            at += rest % s->out.dim[d] * pos_stride[d];
            rest /= s->out.dim[d];
        }
        pos = s->type == EK_INT32 ? ((const int32_t *)a->in[POS])[at] : ((const int64_t *)a->in[POS])[at];
        len = s->type == EK_INT32 ? ((const int32_t *)a->in[LEN])[at] : ((const int64_t *)a->in[LEN])[at];
        EK_TRY(substr_one(s, (const ek_string *)a->in[TEXT] + in, pos, len, i, (ek_string *)a->out[0] + i, a->err));
    }
    return EK_OK;
}

static ek_status substr_prepare(ek_prepare_ctx *c)
{
    substr_state *const s = EK_ARENA_NEW(c->arena, substr_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (substr_state){ c->in_dtype[POS], c->in[TEXT], c->in[POS], c->out[0], counts_characters(c->attrs) };
    c->state = s;
    ek__add_phase(c, substr_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_Substr = {
    .name = "Substr",
    .inputs = "input: string, pos: T, len: T",
    .outputs = "output: string",
    .attrs = "T: {int32, int64}; unit: {'BYTE', 'UTF8_CHAR'} = 'BYTE'",
    .attrs_size = sizeof(unit_attrs),
    .fields = unit_fields,
    .n_fields = EK_COUNT_OF(unit_fields),
    .shape = substr_shape,
    .prepare = substr_prepare,
    .no_grad_because = "it is about strings",
};

/* ---- StringLower, StringUpper, StringStrip -------------------------------------------------------------- */

typedef struct case_attrs {
    const char *encoding;
} case_attrs;

static const ek_field case_fields[] = { EK_FIELD(case_attrs, encoding, STRING) };

typedef struct case_state {
    bool upper, utf8;
} case_state;

/* Of letters beyond ASCII some change their length, and which is which is a table of its own. */
static ek_status change_case(const void *state, const ek_string *in, ek_buf *out, ek_error *err)
{
    const case_state *const s = state;
    const char first = s->upper ? 'a' : 'A', last = s->upper ? 'z' : 'Z';

    for (size_t i = 0; i < in->size; i++) {
        const char c = in->data[i], other = (char)(c ^ 0x20);

        if (s->utf8 && (unsigned char)c >= 0x80)
            return EK_FAIL(err, UNIMPLEMENTED, "encoding 'utf-8' changes ASCII letters only; '%.*s' has others",
                           in->size < 200 ? (int)in->size : 200, in->data);
        ek__buf_add(out, c >= first && c <= last ? &other : &c, 1);
    }
    return EK_OK;
}

static ek_status case_prepare(ek_prepare_ctx *c, bool upper)
{
    const char *const encoding = ((const case_attrs *)c->attrs)->encoding;
    case_state *const s = EK_ARENA_NEW(c->arena, case_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (case_state){ upper, encoding[0] != '\0' };
    if (s->utf8 && strcmp(encoding, "utf-8") != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "only utf-8 or '' (no encoding) is supported, received %s", encoding);
    return ek__prepare_text(c, change_case, s);
}

static ek_status lower_prepare(ek_prepare_ctx *c) { return case_prepare(c, false); }
static ek_status upper_prepare(ek_prepare_ctx *c) { return case_prepare(c, true); }

#define EK_CASE_OP(op, prepare_)                                                                           \
    const ek_op_def ek__op_##op = {                                                                        \
        .name = #op, .inputs = "input: string", .outputs = "output: string", .attrs = "encoding: string = ''", \
        .attrs_size = sizeof(case_attrs), .fields = case_fields, .n_fields = EK_COUNT_OF(case_fields),     \
        .shape = ek__like_first_rule, .prepare = prepare_, .no_grad_because = "it is about strings",       \
    }
EK_CASE_OP(StringLower, lower_prepare);
EK_CASE_OP(StringUpper, upper_prepare);

static ek_status strip(const void *state, const ek_string *in, ek_buf *out, ek_error *err)
{
    size_t from = 0, to = in->size;

    EK_UNUSED(state);
    EK_UNUSED(err);
    while (from < to && ek__is_space(in->data[from])) from++;
    while (to > from && ek__is_space(in->data[to - 1])) to--;
    if (from < to) ek__buf_add(out, in->data + from, to - from);
    return EK_OK;
}

static ek_status strip_prepare(ek_prepare_ctx *c) { return ek__prepare_text(c, strip, NULL); }

const ek_op_def ek__op_StringStrip = {
    .name = "StringStrip",
    .inputs = "input: string",
    .outputs = "output: string",
    .attrs = "",
    .shape = ek__like_first_rule,
    .prepare = strip_prepare,
    .no_grad_because = "it is about strings",
};
