/* formats/attr_read.c - AttrValues of a file as attribute values. Writing them is graph/nodedef.c's. */
#include "codec/fields.h"
#include "formats/graph_io.h"
#include "graph/attr.h"

typedef struct attr_reader {
    ek_arena *arena;
    ek_tensor_reader *tensors;
    bool strict;
    ek_error *err;
} attr_reader;

static ek_status read_value(const attr_reader *r, ek_span proto, ek_attr_value *out);

static ek_status no_memory(const attr_reader *r)
{
    return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for an attribute");
}

static ek_status read_string(const attr_reader *r, ek_span s, ek_string *out)
{
    out->data = ek__arena_strndup(r->arena, (const char *)s.at, s.size);
    out->size = s.size;
    return out->data != NULL ? EK_OK : no_memory(r);
}

static ek_status read_shape(const attr_reader *r, ek_span s, ek_shape *out)
{
    if (ek__shape_read(s, out)) return EK_OK;
    return EK_FAIL(r->err, INVALID_ARGUMENT, "a shape has more than %d dimensions, or a dimension below -1", EK_MAX_RANK);
}

/* A DataType as we know it; strange ones stay numbers, for the check against a definition to refuse. */
static ek_dtype as_dtype(uint64_t value)
{
    const uint64_t base = value > EK_REF ? value - EK_REF : value;
    return base < EK_DTYPE_COUNT ? (ek_dtype)value : EK_DTYPE_NONE;
}

static ek_status read_entry(const attr_reader *r, ek_span entry, ek_attr *out)
{
    ek_wire w = ek__wire_open(entry, NULL, r->err);
    ek_wire_field f;
    ek_span key = { NULL, 0 }, value = { NULL, 0 };

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_ENTRY_KEY) key = f.bytes;
        if (f.number == EK_F_ENTRY_VALUE) value = f.bytes;
    }
    EK_TRY(w.status);
    out->name = ek__arena_strndup(r->arena, (const char *)key.at, key.size);
    if (out->name == NULL) return no_memory(r);
    return read_value(r, value, &out->value);
}

static ek_status read_func(const attr_reader *r, ek_span proto, ek_func *out)
{
    ek_wire w = ek__wire_open(proto, NULL, r->err);
    ek_wire_field f;
    int n = 0;

    *out = (ek_func){ .name = "" };
    while (ek__wire_next(&w, &f)) n += f.number == EK_F_FUNC_ATTR;
    EK_TRY(w.status);
    out->attrs = EK_ARENA_NEW(r->arena, ek_attr, n + 1);
    if (out->attrs == NULL) return no_memory(r);
    w = ek__wire_open(proto, NULL, r->err);
    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_FUNC_NAME) {
            out->name = ek__arena_strndup(r->arena, (const char *)f.bytes.at, f.bytes.size);
            if (out->name == NULL) return no_memory(r);
        }
        if (f.number == EK_F_FUNC_ATTR) EK_TRY(read_entry(r, f.bytes, &out->attrs[out->n_attrs++]));
    }
    return EK_OK;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* By field number of a ListValue: the kind of the elements, their wire type where they are numbers, bytes of one. */
typedef struct element {
    int kind;
    ek_wire_type wire;
    size_t size;
} element;

static const element element_of[] = {
    [EK_F_ATTR_S] = { EK_ATTR_STRING, EK_WIRE_BYTES, sizeof(ek_string) },
    [EK_F_ATTR_I] = { EK_ATTR_INT, EK_WIRE_VARINT, sizeof(int64_t) },
    [EK_F_ATTR_F] = { EK_ATTR_FLOAT, EK_WIRE_FIXED32, sizeof(float) },
    [EK_F_ATTR_B] = { EK_ATTR_BOOL, EK_WIRE_VARINT, sizeof(bool) },
    [EK_F_ATTR_TYPE] = { EK_ATTR_TYPE, EK_WIRE_VARINT, sizeof(ek_dtype) },
    [EK_F_ATTR_SHAPE] = { EK_ATTR_SHAPE, EK_WIRE_BYTES, sizeof(ek_shape) },
    [EK_F_ATTR_TENSOR] = { EK_ATTR_TENSOR, EK_WIRE_BYTES, sizeof(ek_array *) },
    [EK_F_LIST_FUNC] = { EK_ATTR_FUNC, EK_WIRE_BYTES, sizeof(ek_func) },
};

static const element *element_at(uint32_t number)
{
    return number < EK_COUNT_OF(element_of) && element_of[number].kind != EK_ATTR_NONE ? &element_of[number] : NULL;
}

/* Elements of the list and their kind. */
static ek_status survey(const attr_reader *r, ek_span proto, const element **kind, int64_t *count)
{
    ek_wire w = ek__wire_open(proto, NULL, r->err);
    ek_wire_field f;

    *kind = NULL;
    *count = 0;
    while (ek__wire_next(&w, &f)) {
        const element *e = element_at(f.number);
        size_t offset = 0;
        uint64_t bits;
        if (e == NULL) continue;
        if (*kind != NULL && *kind != e)
            return EK_FAIL(r->err, INVALID_ARGUMENT, "a list holds elements of more than one kind");
        *kind = e;
        if (e->wire == EK_WIRE_BYTES) ++*count;
        else while (ek__wire_packed(&f, e->wire, &offset, &bits)) ++*count;
    }
    return w.status;
}

static void store_number(ek_attr_value *v, int32_t i, uint64_t bits)
{
    switch (v->kind & ~EK_ATTR_LIST) {
    case EK_ATTR_INT: v->u.is[i] = (int64_t)bits; break;
    case EK_ATTR_FLOAT: v->u.fs[i] = ek__wire_float(bits); break;
    case EK_ATTR_BOOL: v->u.bs[i] = bits != 0; break;
    default: v->u.types[i] = as_dtype(bits); break;
    }
}

static ek_status store_bytes(const attr_reader *r, ek_attr_value *v, int32_t i, ek_span s)
{
    switch (v->kind & ~EK_ATTR_LIST) {
    case EK_ATTR_STRING: return read_string(r, s, &v->u.ss[i]);
    case EK_ATTR_SHAPE: return read_shape(r, s, &v->u.shapes[i]);
    case EK_ATTR_TENSOR: return ek__tensor_read(r->tensors, s, &v->u.tensors[i], r->err);
    default: return read_func(r, s, &v->u.funcs[i]);
    }
}

/* v->count counts what is stored, so that what is held can be let go at any moment. */
static ek_status read_list(const attr_reader *r, ek_span proto, ek_attr_value *v)
{
    ek_wire w = ek__wire_open(proto, NULL, r->err);
    ek_wire_field f;
    const element *e;
    int64_t n;
    size_t bytes, usual, extra;

    v->kind = EK_ATTR_LIST;
    v->count = 0;
    EK_TRY(survey(r, proto, &e, &n));
    if (e == NULL) return EK_OK;
    /* An empty shape is two bytes in the file and over a hundred here. */
    usual = 16 * proto.size;
    if (n > INT32_MAX || __builtin_mul_overflow((size_t)n, e->size, &bytes))
        return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "a list of %lld elements is too long", (long long)n);
    extra = bytes > usual ? bytes - usual : 0;
    if (extra > r->tensors->expansion)
        return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "a list of %lld elements takes %zu bytes where the file holds %zu", (long long)n,
                       bytes, proto.size);
    r->tensors->expansion -= extra;
    v->u.is = ek__arena_calloc(r->arena, (size_t)n + 1, e->size);
    if (v->u.is == NULL) return no_memory(r);
    v->kind = EK_ATTR_LIST | e->kind;
    while (ek__wire_next(&w, &f)) {
        size_t offset = 0;
        uint64_t bits;
        if (element_at(f.number) == NULL) continue;
        if (e->wire != EK_WIRE_BYTES) {
            while (ek__wire_packed(&f, e->wire, &offset, &bits)) store_number(v, v->count++, bits);
            continue;
        }
        v->count++; /* zeroed: nothing is held there if it fails */
        EK_TRY(store_bytes(r, v, v->count - 1, f.bytes));
    }
    return w.status;
}

/* ---- values ----------------------------------------------------------------------------------- */

static ek_status read_one(const attr_reader *r, const ek_wire_field *f, ek_attr_value *v)
{
    switch (f->number) {
    case EK_F_ATTR_LIST: return read_list(r, f->bytes, v);
    case EK_F_ATTR_S:
    case EK_F_ATTR_PLACEHOLDER:
        v->kind = f->number == EK_F_ATTR_S ? EK_ATTR_STRING : EK_ATTR_PLACEHOLDER;
        return read_string(r, f->bytes, &v->u.s);
    case EK_F_ATTR_I:
        v->kind = EK_ATTR_INT;
        v->u.i = (int64_t)f->value;
        return EK_OK;
    case EK_F_ATTR_F:
        v->kind = EK_ATTR_FLOAT;
        v->u.f = ek__wire_float(f->value);
        return EK_OK;
    case EK_F_ATTR_B:
        v->kind = EK_ATTR_BOOL;
        v->u.b = f->value != 0;
        return EK_OK;
    case EK_F_ATTR_TYPE:
        v->kind = EK_ATTR_TYPE;
        v->u.type = as_dtype(f->value);
        return EK_OK;
    case EK_F_ATTR_SHAPE:
        v->u.shape = EK_ARENA_NEW(r->arena, ek_shape, 1);
        if (v->u.shape == NULL) return no_memory(r);
        v->kind = EK_ATTR_SHAPE;
        return read_shape(r, f->bytes, v->u.shape);
    case EK_F_ATTR_TENSOR:
        v->u.tensor = NULL;
        v->kind = EK_ATTR_TENSOR;
        return ek__tensor_read(r->tensors, f->bytes, &v->u.tensor, r->err);
    case EK_F_ATTR_FUNC:
        v->u.func = EK_ARENA_NEW(r->arena, ek_func, 1);
        if (v->u.func == NULL) return no_memory(r);
        v->kind = EK_ATTR_FUNC;
        return read_func(r, f->bytes, v->u.func);
    default:
        return EK_OK;
    }
}

/* The last member counts, as in any oneof. */
static ek_status read_value(const attr_reader *r, ek_span proto, ek_attr_value *out)
{
    ek_wire w = ek__wire_open(proto, NULL, r->err);
    ek_wire_field f, last = { .number = 0 };
    ek_error own = { .code = EK_OK };
    attr_reader quiet = *r;
    ek_status st;

    *out = (ek_attr_value){ .kind = EK_ATTR_NONE, .raw = proto.at, .raw_size = proto.size };
    while (ek__wire_next(&w, &f))
        if (f.number >= EK_F_ATTR_LIST && f.number <= EK_F_ATTR_FUNC) last = f;
    EK_TRY(w.status);
    quiet.err = &own;
    st = read_one(&quiet, &last, out);
    if (st == EK_OK) return EK_OK;
    ek__attrs_release(&(ek_attr){ "", *out }, 1);
    out->kind = EK_ATTR_NONE;
    /* Memory that is lacking, or that a file must not claim, is an error for any attribute. */
    return r->strict || st == EK_RESOURCE_EXHAUSTED ? ek__error_copy(r->err, &own) : EK_OK;
}

ek_status ek__attr_read(ek_arena *arena, ek_tensor_reader *tensors, ek_span proto, bool strict, ek_attr_value *out,
                        ek_error *err)
{
    const attr_reader r = { arena, tensors, strict, err };
    return read_value(&r, proto, out);
}
