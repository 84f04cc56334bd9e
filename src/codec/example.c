/* codec/example.c - tf.Example to and from arrays: the calls of evenkeel/records.h. */
#include "codec/fields.h"
#include "codec/source.h"
#include "codec/wire.h"
#include "evenkeel/records.h"
#include "values/array.h"

typedef struct feature {
    const char *name;
    ek_dtype dtype;
    ek_span list;
} feature;

struct ek_example {
    ek_source *source; /* what the lists point into */
    ek_arena arena;
    feature *at;
    int64_t n, cap;
};

/* ---- reading ---------------------------------------------------------------------------------------------- */

static const struct { uint32_t field; ek_dtype dtype; ek_wire_type wire; } kinds[] = {
    { EK_F_FEATURE_BYTES, EK_STRING, EK_WIRE_BYTES },
    { EK_F_FEATURE_FLOAT, EK_FLOAT32, EK_WIRE_FIXED32 },
    { EK_F_FEATURE_INT64, EK_INT64, EK_WIRE_VARINT },
};

/* The list in a Feature: the last one counts. */
static void take_list(ek_span proto, feature *out)
{
    ek_error err = { .code = EK_OK };
    ek_wire w = ek__wire_open(proto, NULL, &err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        for (int i = 0; i < EK_COUNT_OF(kinds); i++) {
            if (kinds[i].field != f.number) continue;
            out->dtype = kinds[i].dtype;
            out->list = f.bytes;
        }
    }
}

/* One entry of the map; of two with one name the later counts. */
static ek_status take_entry(ek_example *e, ek_map *seen, ek_span proto, ek_error *err)
{
    ek_wire w = ek__wire_open(proto, NULL, err);
    ek_span key = { NULL, 0 };
    feature found = { .name = "" };
    ek_wire_field f;
    int64_t at;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_ENTRY_KEY) key = f.bytes;
        if (f.number == EK_F_ENTRY_VALUE) take_list(f.bytes, &found);
    }
    found.name = ek__arena_strndup(&e->arena, (const char *)key.at, key.size);
    if (found.name == NULL || !EK_GROW(e->at, e->cap, e->n + 1))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a tf.Example");
    at = ek__map_get(seen, found.name, key.size, e->n);
    if (!ek__map_put(seen, found.name, key.size, at))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a tf.Example");
    e->at[at] = found;
    if (at == e->n) e->n++;
    return EK_OK;
}

/* Every message of `field` in `proto` to `each`; what it is made of was checked before. */
static ek_status parse(ek_example *e, ek_map *seen, ek_error *err)
{
    ek_wire outer = ek__wire_open((ek_span){ e->source->data, e->source->size }, NULL, err);
    ek_wire_field f;

    while (ek__wire_next(&outer, &f)) {
        if (f.number != EK_F_EXAMPLE_FEATURES) continue;
        ek_wire inner = ek__wire_open(f.bytes, NULL, err);
        while (ek__wire_next(&inner, &f))
            if (f.number == EK_F_FEATURES_FEATURE) EK_TRY(take_entry(e, seen, f.bytes, err));
    }
    return EK_OK;
}

ek_status ek_example_parse(const void *data, size_t size, ek_example **out, ek_error *err)
{
    ek_map seen = { 0 };
    ek_example *e;
    ek_status st;

    err = ek__error_begin(err);
    if (out != NULL) *out = NULL;
    if (out == NULL || (data == NULL && size > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "a record and a place for the example were expected, found NULL");
    EK_TRY(ek__wire_check(ek__proto(EK_PROTO_EXAMPLE), (ek_span){ data, size }, NULL, err));
    e = ek__calloc(1, sizeof *e);
    if (e == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a tf.Example");
    e->arena.block_size = 1024;
    st = ek__source_copy(data, size, &e->source, err);
    if (st == EK_OK) st = parse(e, &seen, err);
    ek__map_fini(&seen);
    if (st == EK_OK) *out = e;
    else ek_example_free(e);
    return st;
}

void ek_example_free(ek_example *e)
{
    if (e == NULL) return;
    ek__source_unref(e->source);
    ek__arena_fini(&e->arena);
    ek__free(e->at);
    ek__free(e);
}

int64_t ek_example_count(const ek_example *e) { return e != NULL ? e->n : 0; }

const char *ek_example_name(const ek_example *e, int64_t i, ek_dtype *dtype)
{
    const bool there = e != NULL && i >= 0 && i < e->n;

    if (dtype != NULL) *dtype = there ? e->at[i].dtype : EK_DTYPE_NONE;
    return there ? e->at[i].name : NULL;
}

static ek_wire_type wire_of(ek_dtype dtype)
{
    for (int i = 0; i < EK_COUNT_OF(kinds); i++)
        if (kinds[i].dtype == dtype) return kinds[i].wire;
    return EK_WIRE_BYTES;
}

/* Counts a list's values, or puts them into `a`. */
static bool take_values(const feature *x, ek_array *a, int64_t *n)
{
    ek_error err = { .code = EK_OK };
    ek_wire w = ek__wire_open(x->list, NULL, &err);
    ek_wire_field f;

    *n = 0;
    while (ek__wire_next(&w, &f)) {
        size_t offset = 0;
        uint64_t v;

        if (f.number != EK_F_LIST_VALUE) continue;
        if (x->dtype == EK_STRING) {
            if (a != NULL && !ek__string_set((ek_string *)a->data + *n, (const char *)f.bytes.at, f.bytes.size))
                return false;
            (*n)++;
            continue;
        }
        for (; ek__wire_packed(&f, wire_of(x->dtype), &offset, &v); (*n)++) {
            if (a != NULL && x->dtype == EK_FLOAT32) ((float *)a->data)[*n] = ek__wire_float(v);
            if (a != NULL && x->dtype == EK_INT64) ((int64_t *)a->data)[*n] = (int64_t)v;
        }
    }
    return true;
}

ek_status ek_example_get(const ek_example *e, const char *name, ek_array **out, ek_error *err)
{
    const feature *x = NULL;
    ek_array *a = NULL;
    int64_t n;

    err = ek__error_begin(err);
    if (out != NULL) *out = NULL;
    if (e == NULL || name == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "an example, a name and a place for the array were expected, found NULL");
    for (int64_t i = 0; i < e->n; i++)
        if (strcmp(e->at[i].name, name) == 0) x = &e->at[i];
    if (x == NULL || x->dtype == EK_DTYPE_NONE)
        return EK_FAIL(err, NOT_FOUND, x == NULL ? "the example has no feature '%s'"
                       : "feature '%s' of the example has no values", name);
    take_values(x, NULL, &n);
    EK_TRY(ek__array_new_raw(x->dtype, &EK_SHAPE(n), &a, err));
    if (!take_values(x, a, &n)) {
        ek_array_unref(a);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the values of feature '%s'", name);
    }
    *out = a;
    return EK_OK;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static ek_status check_feature(const ek_named_array *x, int64_t i, ek_map *seen, ek_error *err)
{
    const ek_array *a = x->array;

    if (x->name == NULL || a == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "feature %lld has no %s", (long long)i, a == NULL ? "array" : "name");
    if (ek__utf8_bad((const uint8_t *)x->name, strlen(x->name), false) >= 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "the name of feature %lld is not UTF-8", (long long)i);
    if (ek__map_get(seen, x->name, strlen(x->name), 0) != 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "two features are called '%s'", x->name);
    if (!ek__map_put(seen, x->name, strlen(x->name), 1))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a tf.Example");
    if (a->dtype != EK_STRING && a->dtype != EK_BOOL && !ek_dtype_is_floating(a->dtype) &&
        !ek_dtype_is_integer(a->dtype))
        return EK_FAIL(err, INVALID_ARGUMENT, "feature '%s' is %s; a tf.Example has strings, float32 and int64",
                       x->name, ek_dtype_name(a->dtype));
    for (int64_t k = 0; a->dtype == EK_UINT64 && k < a->count; k++)
        if (((const uint64_t *)a->data)[k] > INT64_MAX)
            return EK_FAIL(err, INVALID_ARGUMENT, "feature '%s' holds %llu, which is more than an int64 can be",
                           x->name, (unsigned long long)((const uint64_t *)a->data)[k]);
    return EK_OK;
}

static void put_values(ek_buf *b, const ek_array *a)
{
    const bool floats = ek_dtype_is_floating(a->dtype);
    const size_t size = ek_dtype_size(a->dtype);
    size_t mark;

    if (a->count == 0) return;
    mark = ek__put_open(b, EK_F_LIST_VALUE);
    for (int64_t i = 0; i < a->count; i++) {
        const char *at = (const char *)a->data + (size_t)i * size;
        float f = 0;
        int64_t v = 0;

        ek__convert(a->dtype, at, floats ? EK_FLOAT32 : EK_INT64, floats ? (void *)&f : (void *)&v, 1);
        if (floats) ek__buf_add(b, &f, sizeof f);
        else ek__put_varint(b, (uint64_t)v);
    }
    ek__put_close(b, mark);
}

static void put_feature(ek_buf *b, const ek_named_array *x)
{
    const ek_array *a = x->array;
    const ek_string *s = a->data;
    const uint32_t field = a->dtype == EK_STRING ? EK_F_FEATURE_BYTES : ek_dtype_is_floating(a->dtype) ? EK_F_FEATURE_FLOAT : EK_F_FEATURE_INT64;
    const size_t entry = ek__put_open(b, EK_F_FEATURES_FEATURE);

    ek__put_str(b, EK_F_ENTRY_KEY, x->name);
    const size_t value = ek__put_open(b, EK_F_ENTRY_VALUE);
    const size_t list = ek__put_open(b, field);
    if (a->dtype != EK_STRING) put_values(b, a);
    for (int64_t i = 0; a->dtype == EK_STRING && i < a->count; i++)
        ek__put_bytes(b, EK_F_LIST_VALUE, s[i].data, s[i].size);
    ek__put_close(b, list);
    ek__put_close(b, value);
    ek__put_close(b, entry);
}

ek_status ek_example_encode(const ek_named_array *features, int64_t n, void **data, size_t *size, ek_error *err)
{
    ek_buf b = { 0 };
    ek_map seen = { 0 };
    ek_status st = EK_OK;
    size_t mark;

    err = ek__error_begin(err);
    if (data == NULL || size == NULL || n < 0 || (features == NULL && n > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "features and places for a record were expected, found NULL");
    *data = NULL;
    *size = 0;
    for (int64_t i = 0; i < n && st == EK_OK; i++) st = check_feature(&features[i], i, &seen, err);
    ek__map_fini(&seen);
    EK_TRY(st);
    mark = ek__put_open(&b, EK_F_EXAMPLE_FEATURES);
    for (int64_t i = 0; i < n; i++) put_feature(&b, &features[i]);
    ek__put_close(&b, mark);
    if (b.failed) {
        ek__buf_fini(&b);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a tf.Example");
    }
    *data = b.data;
    *size = b.size;
    return EK_OK;
}
