/* ops/string_bytes.c - strings as bytes: DecodeRaw, EncodeBase64, DecodeBase64. */
#include "ops/rules.h"
#include "ops/strings.h"

/* ---- DecodeRaw --------------------------------------------------------------------------------------- */

typedef struct raw_attrs {
    ek_dtype out_type;
    bool little_endian;
} raw_attrs;

static const ek_field raw_fields[] = { EK_FIELD(raw_attrs, out_type, TYPE), EK_FIELD(raw_attrs, little_endian, BOOL) };

/* All strings have one length, which is some elements. */
static ek_status raw_count(const ek_array *bytes, ek_dtype t, int64_t *count, ek_error *err)
{
    const ek_string *const s = bytes->data;
    const size_t size = ek_dtype_size(t);

    *count = 0;
    for (int64_t i = 1; i < bytes->count; i++)
        if (s[i].size != s[0].size)
            return EK_FAIL(err, INVALID_ARGUMENT,
                           "DecodeRaw requires input strings to all be the same size, but element %lld has size %zu != %zu",
                           (long long)i, s[0].size, s[i].size); /* in TensorFlow's order */
    if (bytes->count == 0) return EK_OK;
    if (s[0].size % size != 0)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "Input to DecodeRaw has length %zu that is not a multiple of %zu, the size of %s", s[0].size, size,
                       ek_dtype_cc_name(t));
    *count = (int64_t)(s[0].size / size);
    return EK_OK;
}

static ek_status raw_shape(ek_shape_ctx *c)
{
    const raw_attrs *const attrs = c->attrs;
    int64_t n = -1;

    if (c->in[0].rank < 0) return EK_OK;
    if (c->in_value[0] != NULL) EK_TRY(raw_count(c->in_value[0], attrs->out_type, &n, c->err));
    return ek__insert_dim(c, &c->in[0], c->in[0].rank, n, &c->out[0]);
}

typedef struct raw_state {
    ek_dtype type;
    int64_t n;
    size_t row; /* bytes of a string */
    bool swap;
} raw_state;

static ek_status raw_run(const ek_run_args *a, int64_t chunk)
{
    const raw_state *const s = a->state;
    const ek_string *const in = a->in[0];

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->n; i++) {
        char *const out = (char *)a->out[0] + (size_t)i * s->row;

        if (in[i].size != s->row) return EK_FAIL(a->err, INTERNAL, "strings changed while they were measured");
        if (s->row == 0) continue;
        memcpy(out, in[i].data, s->row);
        if (s->swap) ek__swap_bytes(s->type, out, (int64_t)(s->row / ek_dtype_size(s->type)));
        /* Any byte but 0 is true; none but 0 and 1 may stand in a bool. */
        for (size_t k = 0; s->type == EK_BOOL && k < s->row; k++) out[k] = out[k] != 0;
    }
    return EK_OK;
}

static ek_status raw_prepare(ek_prepare_ctx *c)
{
    const raw_attrs *const attrs = c->attrs;
    const size_t size = ek_dtype_size(attrs->out_type);
    raw_state *const s = EK_ARENA_NEW(c->arena, raw_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (raw_state){ .type = attrs->out_type, .n = ek_shape_count(&c->in[0]), .swap = !attrs->little_endian };
    s->row = (size_t)c->out[0].dim[c->out[0].rank - 1] * size;
    c->state = s;
    ek__add_phase(c, raw_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_DecodeRaw = {
    .name = "DecodeRaw",
    .inputs = "bytes: string",
    .outputs = "output: out_type",
    .attrs = "out_type: {half, float, double, int32, uint16, uint8, int16, int8, int64, complex64, complex128, bool}; "
             "little_endian: bool = true",
    .attrs_size = sizeof(raw_attrs),
    .fields = raw_fields,
    .n_fields = EK_COUNT_OF(raw_fields),
    .shape = raw_shape,
    .prepare = raw_prepare,
    .no_grad_because = "it is about strings",
};

/* ---- EncodeBase64, DecodeBase64: the alphabet that is safe in addresses --------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

typedef struct encode_attrs {
    bool pad;
} encode_attrs;

static const ek_field encode_fields[] = { EK_FIELD(encode_attrs, pad, BOOL) };

static ek_status encode(const void *state, const ek_string *in, ek_buf *out, ek_error *err)
{
    const bool *const pad = state;

    EK_UNUSED(err);
    for (size_t i = 0; i < in->size; i += 3) {
        const size_t n = in->size - i < 3 ? in->size - i : 3;
        unsigned bits = 0;

        for (size_t k = 0; k < 3; k++) bits = bits << 8 | (k < n ? (unsigned char)in->data[i + k] : 0u);
        for (size_t k = 0; k < 4; k++) {
            if (k <= n) ek__buf_add(out, &alphabet[bits >> (18 - 6 * k) & 63], 1);
            else if (*pad) ek__buf_str(out, "=");
        }
    }
    return EK_OK;
}

static ek_status encode_prepare(ek_prepare_ctx *c)
{
    return ek__prepare_text(c, encode, &((const encode_attrs *)c->attrs)->pad);
}

const ek_op_def ek__op_EncodeBase64 = {
    .name = "EncodeBase64",
    .inputs = "input: string",
    .outputs = "output: string",
    .attrs = "pad: bool = false",
    .attrs_size = sizeof(encode_attrs),
    .fields = encode_fields,
    .n_fields = EK_COUNT_OF(encode_fields),
    .shape = ek__like_first_rule,
    .prepare = encode_prepare,
    .no_grad_because = "it is about strings",
};

/* Up to four characters, the last of a text perhaps fewer; false for one that is not of the alphabet. */
static bool decode_group(const char *at, size_t n, ek_buf *out)
{
    unsigned bits = 0;
    char byte[3];

    for (size_t k = 0; k < 4; k++) {
        const char *const p = k < n && at[k] != '\0' ? strchr(alphabet, at[k]) : NULL;

        if (k < n && p == NULL) return false;
        bits = bits << 6 | (p != NULL ? (unsigned)(p - alphabet) : 0u);
    }
    for (int k = 0; k < 3; k++) byte[k] = (char)(bits >> (16 - 8 * k) & 0xff);
    ek__buf_add(out, byte, n * 3 / 4);
    return true;
}

/* Of a whole last group up to two characters may be padding. */
static ek_status decode(const void *state, const ek_string *in, ek_buf *out, ek_error *err)
{
    const char *const s = in->data;
    size_t left = in->size, at = 0;

    EK_UNUSED(state);
    for (; left > 4; at += 4, left -= 4)
        if (!decode_group(s + at, 4, out)) return EK_FAIL(err, INVALID_ARGUMENT, "Invalid character found in base64.");
    if (left == 4 && s[at + 3] == '=') left = s[at + 2] == '=' ? 2 : 3;
    if (left == 1) return EK_FAIL(err, INVALID_ARGUMENT, "Base64 string length cannot be 1 modulo 4.");
    if (left > 0 && !decode_group(s + at, left, out))
        return EK_FAIL(err, INVALID_ARGUMENT, "Invalid character found in base64.");
    return EK_OK;
}

static ek_status decode_prepare(ek_prepare_ctx *c) { return ek__prepare_text(c, decode, NULL); }

const ek_op_def ek__op_DecodeBase64 = {
    .name = "DecodeBase64",
    .inputs = "input: string",
    .outputs = "output: string",
    .attrs = "",
    .shape = ek__like_first_rule,
    .prepare = decode_prepare,
    .no_grad_because = "it is about strings",
};
